"""Who was asked for something by email and never got it: it failed, or may not have arrived, and none went since."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import case, func, select

from rapport.model.message import MessageState, Purpose
from rapport.storage.database import Connection
from rapport.storage.tables import ContactRow, MemberRow, MessageRow

ASKING = (Purpose.PROPOSAL, Purpose.REMINDER, Purpose.TASK, Purpose.INVITATION)
"""The emails without which nobody knows that something is expected of them."""


async def unreached(connection: Connection, account: str | None = None) -> dict[tuple[str, str], tuple[str, ...]]:
    """The names of those who were not reached, by contract and step.

    Args:
        account: Of this account alone.
    """
    missed = MessageRow.state.in_([MessageState.FAILED, MessageState.UNKNOWN]) & MessageRow.resolution.is_(None)
    query = (
        select(
            MessageRow.contract,
            MessageRow.step,
            func.coalesce(ContactRow.name, MemberRow.name).label("name"),
        )
        .outerjoin(ContactRow, ContactRow.id == MessageRow.person)
        .outerjoin(MemberRow, MemberRow.id == MessageRow.person)
        .where(MessageRow.purpose.in_(ASKING), MessageRow.contract.is_not(None), ContactRow.left_at.is_(None))
        .group_by(MessageRow.contract, MessageRow.step, MessageRow.person, ContactRow.name, MemberRow.name)
        .having(
            func.sum(case((missed, 1), else_=0)) > 0,
            func.sum(case((MessageRow.state == MessageState.SENT, 1), else_=0)) == 0,
        )
        .order_by(MessageRow.contract, MessageRow.step, MessageRow.person)
    )
    if account is not None:
        query = query.where(MessageRow.account == account)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in await connection.execute(query):
        if row.name is not None:
            found[row.contract, row.step].append(row.name)
    return {where: tuple(names) for where, names in found.items()}


def with_unreached(what: str | None, names: tuple[str, ...]) -> str | None:
    """What is waited for, with who was never reached."""
    if what is None or not names:
        return what
    return f"{what} (not reached by email: {', '.join(names)})"
