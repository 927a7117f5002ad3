"""Accounts: bringing them in, and looking at them."""

from __future__ import annotations

from pathlib import Path

from rapport.model.base import Instant, Wire
from rapport.model.people import AccountFile, personas
from rapport.storage import contracts, people
from rapport.storage.contracts import Shown
from starters.commands.files import read_written
from starters.commands.members import people_changed
from starters.commands.office import Office, present


class PersonShown(Wire):
    """A person as an account shows them."""

    name: str
    email: str
    role: str
    title: str | None
    zone: str


class AccountShown(Wire):
    """An account with its people, and where its onboarding is."""

    account: str
    name: str
    tam: PersonShown
    contacts: tuple[PersonShown, ...]
    contract: str | None
    playbook: str | None
    stage: str | None
    started: Instant | None
    ended: Instant | None


class AccountLine(Wire):
    """One line of the portfolio: what is waiting, for whom, since when, and how to move it on."""

    account: str
    name: str
    stage: str | None
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    since: Instant | None
    deadline: Instant | None
    overdue: bool
    unblock: str | None


def read_file(path: Path) -> AccountFile:
    """Read and check an account file.

    Raises:
        Refusal: It cannot be read, or something in it is wrong.
    """
    return read_written(AccountFile, path)


async def import_account(office: Office, file: AccountFile) -> AccountShown:
    """Bring an account and its people up to what a file says.

    Raises:
        Refusal: The file contradicts what is known.
    """
    async with office.store.writing() as connection:
        await people.save(connection, file, present())
    if file.members:
        await people_changed(office)
    return await show(office, file.account.key)


async def show(office: Office, account: str) -> AccountShown:
    """One account.

    Raises:
        Refusal: There is none with this key.
    """
    async with office.store.reading() as connection:
        found = await people.account(connection, account)
        contacts = await people.contacts(connection, account)
        tam = await people.member(connection, found.tam)
        contract = await contracts.latest(connection, account)
    return AccountShown(
        account=found.key,
        name=found.name,
        tam=PersonShown(name=tam.name, email=tam.email, role="tam", title=tam.title, zone=tam.schedule.zone),
        contacts=tuple(
            PersonShown(
                name=contact.name,
                email=contact.email,
                role=personas()[contact.persona].title,
                title=contact.title,
                zone=contact.schedule.zone,
            )
            for contact in contacts
        ),
        contract=contract.id if contract else None,
        playbook=contract.playbook if contract else None,
        stage=contract.stage if contract else None,
        started=contract.requested_at if contract and contract.run_id else None,
        ended=contract.ended_at if contract else None,
    )


async def portfolio(office: Office) -> list[AccountLine]:
    """Every account, those that wait the longest past their deadline first."""
    async with office.store.reading() as connection:
        names = await people.account_names(connection)
        current = await contracts.latest_of_all(connection)
        waiting = await contracts.first_waiting(connection)
    lines = [
        _line(key, name, contract, waiting.get(contract.id) if contract else None)
        for key, name in names.items()
        for contract in [current.get(key)]
    ]
    return sorted(lines, key=lambda line: (not line.overdue, line.deadline is None, line.deadline, line.account))


def _line(key: str, name: str, contract: contracts.Contract | None, waiting: Shown | None) -> AccountLine:
    deadline = waiting.wait.deadline if waiting else None
    stage = None if contract is None else contract.stage or ("done" if contract.ended_at else None)
    return AccountLine(
        account=key,
        name=name,
        stage=stage,
        waiting_on=waiting.wait.on if waiting else (),
        waiting_for=waiting.wait.what if waiting else None,
        since=waiting.wait.since if waiting else None,
        deadline=deadline,
        overdue=bool(waiting and waiting.wait.on) and deadline is not None and deadline < present(),
        unblock=waiting.wait.unblock if waiting else None,
    )
