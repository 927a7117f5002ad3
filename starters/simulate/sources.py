"""What a simulated life begins with: an account file, or an account of an installation, which is only read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert, select, update

from rapport.model.account import AccountFile, WrittenContract
from rapport.playbooks import PLAYBOOKS
from rapport.storage import account as account_storage
from rapport.storage.database import Store
from rapport.storage.tables import AbsenceRow, AccountRow, Base, ContactRow, ContractRow, MemberRow, VendorRow
from starters.installation import insist_on_database, settings_of
from starters.services import present
from starters.use_cases import account as accounts
from starters.use_cases.onboarding import StartRequest

Rows = Sequence[tuple[type[Base], list[dict[str, Any]]]]

_LEANS: Final = ("manager", "backup", "delegate")


@dataclass(frozen=True)
class Source:
    """What is known before the contract is signed, and the contract.

    Attributes:
        playbooks: The folder of the installation's own playbooks; it need not exist.
        rows: What an installation knows, table by table; nothing where the file says it all.
    """

    account: str
    sender: str
    contract: WrittenContract
    request: StartRequest
    playbooks: Path
    rows: Rows = ()

    @property
    def begins(self) -> datetime:
        """When its life begins, unless it is told when: as the contract is signed; or this minute."""
        return self.contract.signed_at or present().replace(second=0, microsecond=0)

    async def bring(self, store: Store) -> None:
        """Put it into a new database."""
        async with store.writing() as connection:
            for table, rows in self.rows:
                if table is not MemberRow:
                    if rows:
                        await connection.execute(insert(table), rows)
                    continue
                # Members lean on each other, whatever their order is.
                await connection.execute(insert(table), [row | dict.fromkeys(_LEANS) for row in rows])
                for row in rows:
                    leans = {name: row[name] for name in _LEANS}
                    await connection.execute(update(MemberRow).where(MemberRow.id == row["id"]).values(leans))


def from_file(path: Path, data: Path | None, playbook: str | None = None) -> Source:
    """An account file, with the playbooks of the installation.

    Raises:
        UserError: It cannot be read, or something in it is wrong.
    """
    return of_file(accounts.read_file(path), settings_of(data).data / PLAYBOOKS, playbook)


def of_file(file: AccountFile, playbooks: Path, playbook: str | None = None) -> Source:
    """What an account file says."""
    # A calendar on the network knows the coming weeks alone, and would make each run another year.
    members = tuple(member.model_copy(update={"calendar_url": None}) for member in file.members)
    file = file.model_copy(update={"members": members})
    contract = _contract(file.contract, playbook)
    request = StartRequest(file=file, contract=contract, as_new=True)
    return Source(file.account.key, _sender(file.account.tam), contract, request, playbooks)


async def from_installation(account: str, data: Path | None, playbook: str | None = None) -> Source:
    """An account that an installation knows, with its people and their absences. Nothing is changed there.

    Raises:
        UserError: There is no installation, or no such account.
    """
    settings = settings_of(data)
    insist_on_database(settings)
    store = Store(settings.database)
    try:
        async with store.snapshot() as connection:
            _, tam, _ = await account_storage.surroundings(connection, account)
            of_account = {AccountRow: AccountRow.key == account, ContactRow: ContactRow.account == account}
            rows: list[tuple[type[Base], list[dict[str, Any]]]] = []
            for table in (VendorRow, MemberRow, AbsenceRow, AccountRow, ContactRow):
                query = select(table.__table__)
                if table in of_account:
                    query = query.where(of_account[table])
                rows.append((table, [dict(row._mapping) for row in await connection.execute(query)]))
            signed = select(
                ContractRow.id,
                ContractRow.signed_at,
                ContractRow.product,
                ContractRow.starts,
                ContractRow.ends,
                ContractRow.playbook,
            )
            signed = (
                signed.where(ContractRow.account == account)
                .order_by(ContractRow.requested_at.desc().nulls_last())
                .limit(1)
            )
            known = (await connection.execute(signed)).one_or_none()
    finally:
        await store.close()
    for row in rows[1][1]:
        row["calendar_url"] = None
    contract = _contract(WrittenContract.model_validate(known._asdict()) if known else None, playbook)
    request = StartRequest(account=account, contract=contract, as_new=True)
    return Source(account, _sender(tam.email), contract, request, settings.data / PLAYBOOKS, tuple(rows))


def _contract(contract: WrittenContract | None, playbook: str | None) -> WrittenContract:
    """The contract, or one that is signed as its life begins where there is none yet."""
    contract = contract or WrittenContract(id="SIMULATED")
    return contract.model_copy(update={"playbook": playbook}) if playbook else contract


def _sender(tam: str) -> str:
    return f"onboarding@{tam.partition('@')[2]}"
