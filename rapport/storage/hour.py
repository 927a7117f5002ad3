"""Whose hour it is: what is taken of a member's time over all accounts, and how a meeting takes an hour of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from rapport.model.cadence import Occurrence
from rapport.model.projection import HeldHour
from rapport.rules.calendar import Interval, merge
from rapport.storage import account as accounts
from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow, EndedOutsideRow, HourRow, MemberRow, RhythmRow

# A meeting whose workflow was ended from outside, and stays so, gives back nothing by itself.
_STAYS_ENDED: Final = select(EndedOutsideRow.workflow_id).where(EndedOutsideRow.left_at.is_not(None))
_BOOKED: Final = select(HourRow.starts, HourRow.ends).where(
    HourRow.member == bindparam("of"),
    HourRow.meeting.not_in(_STAYS_ENDED),
    HourRow.meeting != bindparam("but"),
    HourRow.starts < bindparam("last"),
    HourRow.ends > bindparam("first"),
)
_STANDING: Final = (
    select(RhythmRow.coming)
    .join(AccountRow, AccountRow.key == RhythmRow.account)
    .where(AccountRow.tam == bindparam("of"), RhythmRow.ended_at.is_(None))
)


async def taken(connection: Connection, member: str, first: datetime, last: datetime, *, but: str) -> list[Interval]:
    """What is taken of a member's time, sorted and disjoint: absences, meetings, and the dates of standing ones.

    Args:
        first, last: Between which instants it is asked; what reaches beyond them is given whole.
        but: The workflow's id of the meeting that asks. What it has taken itself is in nobody's way.
    """
    asked = {"of": member, "but": but, "first": first, "last": last}
    found = [Interval(row.starts, row.ends) for row in await connection.execute(_BOOKED, asked)]
    for coming in await connection.scalars(_STANDING, {"of": member}):
        dates = map(Occurrence.model_validate, coming)
        found += [Interval(one.start, one.end) for one in dates if one.off is None]
    known = await accounts.availability(connection, [member], since=first)
    found += [Interval(away.starts, away.ends) for away in known[member].absences]
    return [one for one in merge(found) if one.start < last and first < one.end]


async def take(connection: Connection, meeting: str, hour: HeldHour) -> bool:
    """Take an hour for a meeting, in this transaction, unless it is taken by anything else; safe to repeat.

    Whoever reaches for an hour of the same member meanwhile waits until the transaction is over, and then sees it.

    Args:
        meeting: The workflow's id.
    """
    # In one order, so that two meetings of the same people never wait for each other.
    one_at_a_time = select(MemberRow.id).where(MemberRow.id.in_(hour.members)).order_by(MemberRow.id)
    await connection.execute(one_at_a_time.with_for_update(key_share=True))
    for member in hour.members:
        if await taken(connection, member, hour.start, hour.end, but=meeting):
            return False
    await hold(connection, meeting, hour)
    return True


async def hold(connection: Connection, meeting: str, hour: HeldHour | None) -> None:
    """Write down which hour a meeting has, if any, whatever else is at that time."""
    await connection.execute(delete(HourRow).where(HourRow.meeting == meeting))
    if hour is not None:
        rows = [
            {"meeting": meeting, "member": member, "starts": hour.start, "ends": hour.end} for member in hour.members
        ]
        await connection.execute(insert(HourRow), rows)
