"""Who an account's people are, by their addresses: its contacts, and everyone on the vendor's side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow, ContactRow, MemberRow

GONE: Final = "someone who has left"


_FEW: Final = 500
"""How many are named to the database one by one; of more, all are read."""


class KnownPerson(NamedTuple):
    """Somebody who can have been at a meeting.

    Attributes:
        here: Whether they have not left.
    """

    id: str
    here: bool


async def by_address(connection: Connection, account: str) -> dict[str, KnownPerson]:
    """An account's contacts and all members, also those who have left, by their addresses in lower case."""
    members = select(MemberRow.email, MemberRow.id, MemberRow.left_at)
    contacts = select(ContactRow.email, ContactRow.id, ContactRow.left_at).where(ContactRow.account == account)
    return {
        row.email.lower(): KnownPerson(row.id, row.left_at is None)
        for query in (members, contacts)
        for row in await connection.execute(query)
    }


def with_owner(query: Select[*tuple[Any, ...]], owner: InstrumentedAttribute[str]) -> Select[*tuple[Any, ...]]:
    """A query with its owner's name and address beside it, whoever they are."""
    return (
        query.add_columns(
            func.coalesce(ContactRow.name, MemberRow.name, GONE).label("owner_name"),
            func.coalesce(ContactRow.email, MemberRow.email).label("owner_email"),
        )
        .outerjoin(ContactRow, ContactRow.id == owner)
        .outerjoin(MemberRow, MemberRow.id == owner)
    )


async def zones(connection: Connection, accounts: Iterable[str]) -> dict[str, str]:
    """The zone in which the days of these accounts count, which is their TAM's, by account."""
    wanted = set(accounts)
    query = select(AccountRow.key, MemberRow.schedule).join(MemberRow, MemberRow.id == AccountRow.tam)
    if len(wanted) <= _FEW:
        query = query.where(AccountRow.key.in_(wanted))
    return {row.key: row.schedule["zone"] for row in await connection.execute(query)}
