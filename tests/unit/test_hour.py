"""Whose hour it is: no two meetings take the same one of a member's."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import delete, insert, select

from rapport.model.cadence import Occurrence, Off
from rapport.model.projection import HeldHour
from rapport.rules.calendar import Interval, intersect
from rapport.storage import hour
from rapport.storage.database import Store
from rapport.storage.tables import AbsenceRow, AccountRow, EndedOutsideRow, HourRow, MemberRow, RhythmRow
from tests.helpers_mail import NOW
from tests.mail_fixtures import address

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
