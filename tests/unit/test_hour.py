"""Whose hour it is: no two meetings take the same one of a member's."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tomllib
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import delete, insert, select

from activities.cadence import Cadences, PlanSync
from activities.planning import Planning
from rapport.model.account import Schedule, WorkingHours
from rapport.model.cadence import Occurrence, Off, SetRhythm, StandingTime
from rapport.model.projection import HeldHour
from rapport.model.step import SyncStep
from rapport.rules import recurrence
from rapport.rules.calendar import Interval, intersect, whole_days
from rapport.rules.hour import Engagement, closed, load, out_of_reach
from rapport.storage import account as accounts, hour
from rapport.storage.database import Store
from rapport.storage.tables import AbsenceRow, AccountRow, EndedOutsideRow, HourRow, MemberRow, RhythmRow
from tests.helpers_mail import NOW
from tests.mail_fixtures import address
from tests.support.cadence import WEEKLY

HALF_HOUR = timedelta(minutes=30)


async def two_members(store: Store) -> tuple[str, str]:
    """Two of the vendor's people."""
    async with store.reading() as connection:
        first, second, *_ = (await connection.scalars(select(MemberRow.id).order_by(MemberRow.id))).all()
    return first, second


def at(start: int, length: int, *members: str) -> HeldHour:
    """Half-hours from `NOW`."""
    return HeldHour(members=members, start=NOW + start * HALF_HOUR, end=NOW + (start + length) * HALF_HOUR)


REACH = st.tuples(
    st.sampled_from("abc"), st.sampled_from([(0,), (1,), (0, 1)]), st.integers(0, 6), st.integers(1, 3), st.booleans()
)


def test_whatever_meetings_reach_for_no_hour_is_taken_twice(imported: Path, tmp_path: Path) -> None:
    """An hour is refused exactly where another meeting has a part of it; what one gives back is free again."""
    runner, store = asyncio.Runner(), Store(address(Path(shutil.copy(imported, tmp_path / "hours.db"))))
    people = runner.run(two_members(store))

    async def lived(reaches: list[tuple[str, tuple[int, ...], int, int, bool]]) -> None:
        held: dict[str, HeldHour] = {}
        async with store.writing() as connection:
            await connection.execute(delete(HourRow))
        for meeting, who, start, length, gives_back in reaches:
            wanted = at(start, length, *(people[number] for number in who))
            in_the_way = any(
                set(one.members) & set(wanted.members) and one.start < wanted.end and wanted.start < one.end
                for other, one in held.items()
                if other != meeting
            )
            async with store.writing() as connection:
                assert await hour.take(connection, meeting, wanted) is not in_the_way
            if not in_the_way:
                held[meeting] = wanted
            if gives_back and held.pop(meeting, None) is not None:
                async with store.writing() as connection:
                    await hour.hold(connection, meeting, None)
        async with store.reading() as connection:
            rows = list(await connection.execute(select(HourRow.__table__)))
        for one, other in itertools.combinations(rows, 2):
            if one.member == other.member:
                assert one.ends <= other.starts or other.ends <= one.starts

    @settings(deadline=None, max_examples=60)
    @given(st.lists(REACH, max_size=8))
    def live(reaches: list[tuple[str, tuple[int, ...], int, int, bool]]) -> None:
        runner.run(lived(reaches))

    try:
        live()
    finally:
        runner.run(store.close())
        runner.close()


async def test_of_all_that_reach_at_once_one_gets_the_hour(store: Store) -> None:
    """Each in a transaction of its own, at the same moment."""
    member, _ = await two_members(store)

    async def reach(meeting: str) -> bool:
        async with store.writing() as connection:
            return await hour.take(connection, meeting, at(0, 1, member))

    assert sum(await asyncio.gather(*(reach(f"meeting/{number}") for number in range(8)))) == 1


@pytest.mark.parametrize(("since", "until", "is_away"), [(-2, 0, False), (-2, 1, True), (1, 4, False), (0, 1, True)])
async def test_nobody_meets_in_an_absence(store: Store, since: int, until: int, is_away: bool) -> None:
    """An absence takes its hours, and none before or after it."""
    member, _ = await two_members(store)
    away = {"id": "a", "member": member, "starts": NOW + since * HALF_HOUR, "ends": NOW + until * HALF_HOUR}
    async with store.writing() as connection:
        await connection.execute(insert(AbsenceRow), away | {"created_at": NOW})
        taken = await hour.taken(connection, member, NOW, NOW + HALF_HOUR, but="m")
        assert bool(intersect([*taken], [Interval(NOW, NOW + HALF_HOUR)])) is is_away
        assert await hour.take(connection, "m", at(0, 1, member)) is not is_away


@pytest.mark.parametrize("decided", [False, True])
async def test_what_stays_ended_from_outside_has_no_hour(store: Store, decided: bool) -> None:
    """The hour of a meeting whose workflow was terminated is free once somebody decided that it stays so."""
    member, _ = await two_members(store)
    async with store.writing() as connection:
        assert await hour.take(connection, "gone", at(0, 1, member))
        left = {"workflow_id": "gone", "since": NOW, "left_at": NOW if decided else None}
        await connection.execute(insert(EndedOutsideRow), left)
        assert await hour.take(connection, "m", at(0, 1, member)) is decided


@pytest.mark.parametrize("off", [None, "skipped"])
async def test_a_date_of_a_standing_meeting_is_taken_unless_it_is_off(store: Store, off: Off | None) -> None:
    """Of the member who serves the account: no meeting of any other account is held over its weekly."""
    async with store.writing() as connection:
        served = (await connection.execute(select(AccountRow.key, AccountRow.tam))).one()
        date = Occurrence(
            number=1,
            day=NOW.date(),
            original=NOW,
            start=NOW,
            end=NOW + HALF_HOUR,
            tick=NOW,
            until=NOW.date(),
            off=off,
        )
        rhythm = {"contract": "C", "workflow_id": "cadence", "title": "Weekly", "rhythm": "sync", "every": "week"}
        counted = {"minutes": 30, "number": 1, "open": False, "projected": 1, "coming": [date.model_dump(mode="json")]}
        await connection.execute(insert(RhythmRow), {"account": served.key, "step": "weekly"} | rhythm | counted)
        assert await hour.take(connection, "m", at(0, 1, served.tam)) is (off is not None)
        assert await hour.take(connection, "m", at(1, 1, served.tam))


async def test_a_time_that_is_taken_is_withdrawn_from_every_other_poll(store: Store) -> None:
    """In the transaction that takes it; what the poll that books offered itself is over as well."""
    member, other = await two_members(store)
    times = [Interval(NOW + n * HALF_HOUR, NOW + (n + 1) * HALF_HOUR) for n in range(3)]
    async with store.writing() as connection:
        await hour.offer(connection, "a", member, times)
        await hour.offer(connection, "b", member, times)
        await hour.offer(connection, "c", other, times)
        assert await hour.offered(connection, member, NOW, times[2].end, but="a") == [Interval(NOW, times[2].end)]
        assert await hour.take(connection, "a", at(0, 2, member))
        assert await hour.withdrawn(connection, 9) == [("b", (times[0].start, times[1].start))]
        assert await hour.withdrawn_from(connection, "b") == {times[0].start, times[1].start}
        await hour.told(connection, await hour.withdrawn(connection, 9))
        assert await hour.withdrawn(connection, 9) == []
        assert await hour.offered(connection, member, NOW, times[2].end, but="x") == [times[2]]
        assert await hour.offered(connection, other, NOW, times[2].end, but="x") == [Interval(NOW, times[2].end)]
        await hour.offer(connection, "b", member, [])
        assert await hour.offered(connection, member, NOW, times[2].end, but="x") == []


async def test_of_two_standing_meetings_one_reserves_an_hour(store: Store) -> None:
    """Until its projection shows its dates; then it gives back what it had reserved."""
    member, _ = await two_members(store)
    dates = [Interval(NOW + timedelta(weeks=n), NOW + timedelta(weeks=n) + HALF_HOUR) for n in range(14)]
    async with store.writing() as connection:
        assert await hour.reserve(connection, "one", "weekly", member, dates)
        assert await hour.reserve(connection, "one", "weekly", member, dates)
        assert not await hour.reserve(connection, "two", "weekly", member, dates[13:])
        assert not await hour.take(connection, "m", at(0, 1, member))
        found = await hour.engagements(connection, member, NOW, dates[-1].end, but="m")
        assert {(one.kind, one.of) for one in found} == {("standing", "weekly, one")}
        assert load(found, "UTC") == {NOW.weekday(): 1}
        await hour.release(connection, "one", "weekly")
        assert await hour.reserve(connection, "two", "weekly", member, dates[13:])


async def test_of_further_dates_of_a_series_those_are_told_on_which_the_tam_has_another_meeting(store: Store) -> None:
    """Clocks change in one zone and not yet in another; what a member sets by hand is theirs to answer for."""
    step = SyncStep.model_validate(tomllib.loads(WEEKLY)["steps"][0])
    standing = StandingTime(weekday=NOW.weekday(), at=time(10), zone="UTC", first=NOW.date())
    dates = recurrence.dates(standing, weeks=1, until=NOW + timedelta(weeks=20))
    async with store.writing() as connection:
        tam = await accounts.tam_of(connection, "versayce")
        assert tam is not None
        other = HeldHour(members=(tam,), start=dates[3], end=dates[3] + HALF_HOUR)
        await hour.hold(connection, "meeting/other/kickoff/1", other)
    question = PlanSync(account="versayce", step=step, standing=standing, after=dates[0], number=1, now=NOW)
    rhythms = Cadences(store, Planning(store, httpx.AsyncClient()))
    assert (await rhythms.plan(question)).taken == (dates[3],)
    wanted = SetRhythm(id="s", at=NOW, by=tam, step="weekly", weekday=NOW.weekday(), clock=time(10))
    by_hand = question.model_copy(update={"wanted": wanted})
    assert (await rhythms.plan(by_hand)).taken == ()


async def test_of_two_series_that_plan_on_at_once_each_date_is_ones(store: Store) -> None:
    """What one has planned is the TAM's before its projection shows it, and the other calls its own off then."""
    step = SyncStep.model_validate(tomllib.loads(WEEKLY)["steps"][0])
    standing = StandingTime(weekday=NOW.weekday(), at=time(10), zone="UTC", first=NOW.date())
    dates = recurrence.dates(standing, weeks=1, until=NOW + timedelta(weeks=20))
    question = PlanSync(account="versayce", step=step, standing=standing, after=dates[0], number=1, now=NOW)
    rhythms = Cadences(store, Planning(store, httpx.AsyncClient()))
    planned = await rhythms.plan(question)
    assert planned.taken == ()
    other = step.model_copy(update={"name": "fortnightly"})
    late = await rhythms.plan(question.model_copy(update={"step": other}))
    assert late.taken == tuple(one.start for one in planned.occurrences if one.off is None)
    assert (await rhythms.plan(question)).taken == ()
    async with store.writing() as connection:
        await hour.release(connection, "versayce", step.name, planned.occurrences[0].start)
    late = await rhythms.plan(question.model_copy(update={"step": other}))
    assert planned.occurrences[0].start not in late.taken
    assert planned.occurrences[-1].start in late.taken


async def test_the_days_around_a_visit_are_kept_for_travel(store: Store) -> None:
    """Nothing else is offered on them; what is booked there by intent is booked all the same."""
    member, _ = await two_members(store)
    day = timedelta(days=1)
    async with store.writing() as connection:
        visit = HeldHour(members=(member,), start=NOW, end=NOW + timedelta(hours=4), travel=1)
        assert await hour.take(connection, "visit", visit)
        found = await hour.engagements(connection, member, NOW + day, NOW + 2 * day, but="m")
        (kept,) = closed(found, Schedule(zone="UTC"))
        assert kept == whole_days(NOW.date() - day, NOW.date() + day, "UTC")
        assert await hour.take(connection, "m", at(48, 1, member))


@given(st.lists(st.sampled_from(["meeting", "standing", "absence"]), max_size=8), st.none() | st.integers(1, 4))
def test_a_day_full_of_recurring_meetings_has_room_for_no_other(kinds: list[Any], most: int | None) -> None:
    """Single meetings take their own hours alone: the weeks after have none of them. Absences are another matter."""
    who = Schedule(zone="UTC", hours=WorkingHours(meetings_a_day=most))
    day = NOW.replace(hour=0, minute=0)
    times = (Interval(day + 2 * n * HALF_HOUR, day + (2 * n + 1) * HALF_HOUR) for n in range(len(kinds)))
    some = [Engagement(time, kind) for time, kind in zip(times, kinds, strict=True)]
    found = out_of_reach(some, who)
    is_full = most is not None and kinds.count("standing") >= most
    for number, kind in enumerate(kinds):
        assert bool(intersect(found, [some[number].time])) is (is_full or kind != "absence")
        after = Interval(some[number].time.end, some[number].time.end + HALF_HOUR)
        assert bool(intersect(found, [after])) is is_full


@given(
    st.sets(st.integers(0, 95), max_size=12),
    st.none() | st.integers(1, 4),
    st.sampled_from(["UTC", "Europe/Zurich", "Pacific/Auckland"]),
)
def test_nobody_is_offered_more_meetings_a_day_than_they_want(taken: set[int], most: int | None, zone: str) -> None:
    """A day in their own zone with that many meetings has room for none; any other has what is left of it."""
    who = Schedule(zone=zone, hours=WorkingHours(meetings_a_day=most))
    meetings = [Engagement(Interval(NOW + n * HALF_HOUR, NOW + (n + 1) * HALF_HOUR), "meeting") for n in sorted(taken)]
    found = closed([*meetings, Engagement(Interval(NOW, NOW), "absence")], who)
    for number in range(96):
        start = NOW + number * HALF_HOUR
        there = sum(
            one.time.start.astimezone(ZoneInfo(zone)).date() == start.astimezone(ZoneInfo(zone)).date()
            for one in meetings
        )
        is_full = most is not None and there >= most
        assert bool(intersect(found, [Interval(start, start + HALF_HOUR)])) is (is_full or number in taken)
