"""Whose hour it is: what is taken of a member's time over all accounts, and how a meeting takes an hour of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Literal, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, true, update

from rapport import clock
from rapport.model.cadence import Occurrence
from rapport.model.projection import HeldHour
from rapport.model.step import MOST_TRAVEL
from rapport.rules.calendar import Interval, intersect, merge
from rapport.rules.hour import Engagement
from rapport.storage import account as accounts
from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow, EndedOutsideRow, HourRow, MemberRow, OfferRow, RhythmRow

_FURTHEST: Final = timedelta(days=MOST_TRAVEL + 1)

# A meeting whose workflow was ended from outside, and stays so, gives back nothing by itself.
_STAYS_ENDED: Final = select(EndedOutsideRow.workflow_id).where(EndedOutsideRow.left_at.is_not(None))
_BOOKED: Final = select(HourRow.meeting, HourRow.starts, HourRow.ends, HourRow.travel).where(
    HourRow.member == bindparam("of"),
    HourRow.meeting.not_in(_STAYS_ENDED),
    HourRow.meeting != bindparam("but"),
    HourRow.starts < bindparam("last"),
    HourRow.ends > bindparam("first"),
)
_STANDING: Final = (
    select(RhythmRow.account, RhythmRow.step, RhythmRow.title, RhythmRow.coming)
    .join(AccountRow, AccountRow.key == RhythmRow.account)
    .where(AccountRow.tam == bindparam("of"), RhythmRow.ended_at.is_(None))
)


async def engagements(
    connection: Connection, member: str, first: datetime, last: datetime, *, but: str
) -> list[Engagement]:
    """What has a part of a member's time: absences, meetings, and the dates of standing ones; in order.

    Args:
        first, last: Between which instants it is asked; what reaches beyond them is given whole. A meeting to which
            they travel is given also where only the days around it may lie between them.
        but: The workflow's id of the meeting that asks, or what `standing` calls it. What it has taken itself is in
            nobody's way.
    """
    asked = {"of": member, "but": but, "first": first - _FURTHEST, "last": last + _FURTHEST}
    found = [
        Engagement(Interval(row.starts, row.ends), _kind(row.meeting), _called(row.meeting), row.travel)
        for row in await connection.execute(_BOOKED, asked)
        if not row.meeting.startswith(f"{but}/")
    ]
    for row in await connection.execute(_STANDING, {"of": member}):
        dates = map(Occurrence.model_validate, row.coming)
        of = f"{row.title}, {row.account}"
        if standing(row.account, row.step) != but:
            found += [Engagement(Interval(one.start, one.end), "standing", of) for one in dates if one.off is None]
    known = await accounts.availability(connection, [member], since=first)
    found += [Engagement(Interval(away.starts, away.ends), "absence") for away in known[member].absences]
    return sorted(one for one in found if one.travel or (one.time.start < last and first < one.time.end))


def standing(account: str, step: str) -> str:
    """What a meeting that recurs is called among those that take hours."""
    return f"cadence/{account}/{step}"


def _kind(meeting: str) -> Literal["meeting", "standing"]:
    return "standing" if meeting.startswith("cadence/") else "meeting"


def _called(meeting: str) -> str:
    """A meeting by its workflow's id, as people speak of it: "kickoff, versayce"."""
    account, _, step = meeting.partition("/")[2].partition("/")
    return f"{step.partition('/')[0].replace('_', ' ')}, {account}"


async def taken(connection: Connection, member: str, first: datetime, last: datetime, *, but: str) -> list[Interval]:
    """What is taken of a member's time, sorted and disjoint: all that `engagements` finds, without days of travel."""
    found = await engagements(connection, member, first, last, but=but)
    return [one for one in merge(one.time for one in found) if one.start < last and first < one.end]


async def take(connection: Connection, meeting: str, hour: HeldHour) -> bool:
    """Take an hour for a meeting, in this transaction, unless it is taken by anything else; safe to repeat.

    Whoever reaches for an hour of the same member meanwhile waits until the transaction is over, and then sees it.

    Args:
        meeting: The workflow's id.
    """
    await _in_turn(connection, hour.members)
    for member in hour.members:
        if await taken(connection, member, hour.start, hour.end, but=meeting):
            return False
    await hold(connection, meeting, hour)
    return True


async def hold(connection: Connection, meeting: str, hour: HeldHour | None) -> None:
    """Write down which hour a meeting has, if any, whatever else is at that time.

    It offers none any more. Whatever else offers a part of that hour does so no longer.
    """
    await connection.execute(delete(HourRow).where(HourRow.meeting == meeting))
    await connection.execute(delete(OfferRow).where(OfferRow.meeting == meeting))
    if hour is not None:
        await _withdraw(connection, hour.members, hour.start, hour.end)
        rows = [
            {
                "meeting": meeting,
                "member": member,
                "starts": hour.start,
                "ends": hour.end,
                "travel": hour.travel,
            }
            for member in hour.members
        ]
        await connection.execute(insert(HourRow), rows)


class Withdrawn(NamedTuple):
    """A poll's times that another meeting took."""

    meeting: str
    starts: tuple[datetime, ...]


async def offer(connection: Connection, meeting: str, member: str, times: Iterable[Interval]) -> None:
    """Write down which of a member's times a poll offers now, in place of those before."""
    await connection.execute(delete(OfferRow).where(OfferRow.meeting == meeting))
    rows = [{"meeting": meeting, "member": member, "starts": one.start, "ends": one.end} for one in times]
    if rows:
        await connection.execute(insert(OfferRow), rows)


async def offered(connection: Connection, member: str, first: datetime, last: datetime, *, but: str) -> list[Interval]:
    """Which of a member's times other polls offer between two instants: sorted and disjoint."""
    query = select(OfferRow.starts, OfferRow.ends).where(
        OfferRow.member == member, OfferRow.meeting != but, OfferRow.starts < last, OfferRow.ends > first
    )
    return merge(Interval(row.starts, row.ends) for row in await connection.execute(query))


async def withdrawn(connection: Connection, limit: int) -> list[Withdrawn]:
    """The polls that offer times which were taken from them, and that were not told so yet."""
    query = (
        select(OfferRow.meeting, OfferRow.starts)
        .where(OfferRow.withdrawn_at.is_not(None))
        .order_by(OfferRow.meeting, OfferRow.starts)
    )
    found: dict[str, list[datetime]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.meeting, []).append(row.starts)
    return [Withdrawn(meeting, tuple(starts)) for meeting, starts in islice(found.items(), limit)]


async def withdrawn_from(connection: Connection, meeting: str) -> set[datetime]:
    """The beginnings of a poll's times that other meetings took, as far as it was not told so yet."""
    query = select(OfferRow.starts).where(OfferRow.meeting == meeting, OfferRow.withdrawn_at.is_not(None))
    return set(await connection.scalars(query))


async def told(connection: Connection, polls: Iterable[Withdrawn]) -> None:
    """Note that these polls know that they offer these times no longer."""
    for one in polls:
        mine = OfferRow.meeting == one.meeting
        taken_ = OfferRow.withdrawn_at.is_not(None) & OfferRow.starts.in_(one.starts)
        await connection.execute(delete(OfferRow).where(mine, taken_))


async def _withdraw(connection: Connection, members: Iterable[str], first: datetime, last: datetime) -> None:
    """No poll offers any more what overlaps this time of theirs."""
    theirs = (OfferRow.member.in_(members), OfferRow.starts < last, OfferRow.ends > first)
    await connection.execute(
        update(OfferRow).where(*theirs, OfferRow.withdrawn_at.is_(None)).values(withdrawn_at=clock.present())
    )


async def reserve(connection: Connection, account: str, step: str, member: str, dates: Sequence[Interval]) -> bool:
    """Take a standing meeting's dates until its projection shows them, unless something of Rapport's has one by now."""
    mine = standing(account, step)
    await _in_turn(connection, [member])
    await release(connection, account, step)
    if dates:
        first, last = min(one.start for one in dates), max(one.end for one in dates)
        found = await engagements(connection, member, first, last, but=mine)
        if intersect(dates, [one.time for one in found if one.kind != "absence"]):
            return False
        for one in dates:
            await _withdraw(connection, [member], one.start, one.end)
        rows = [
            {"meeting": f"{mine}/{number}", "member": member, "starts": one.start, "ends": one.end, "travel": 0}
            for number, one in enumerate(dates)
        ]
        await connection.execute(insert(HourRow), rows)
    return True


async def release(connection: Connection, account: str, step: str, until: datetime | None = None) -> None:
    """Give back what a standing meeting has reserved: its projection shows its dates, or it has ended.

    Args:
        until: Up to which date that shows them; what was reserved beyond it is kept.
    """
    mine = HourRow.meeting.startswith(f"{standing(account, step)}/", autoescape=True)
    await connection.execute(delete(HourRow).where(mine, true() if until is None else HourRow.starts <= until))


async def _in_turn(connection: Connection, members: Iterable[str]) -> None:
    """Wait until nobody else takes hours of these members; until the transaction is over, nobody else does."""
    # In one order, so that two meetings of the same people never wait for each other.
    one_at_a_time = select(MemberRow.id).where(MemberRow.id.in_(members)).order_by(MemberRow.id)
    await connection.execute(one_at_a_time.with_for_update(key_share=True))
