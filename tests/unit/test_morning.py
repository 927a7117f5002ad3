"""Whose morning it is, and that nobody has two of them on one day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from rapport.model.account import WEEKDAYS, Schedule, WorkingHours
from rapport.rules.calendar import Interval, is_business_day, subtract, wall, working_windows
from rapport.rules.morning import EVERY, WorkingDay, begun, looks_back_to

ZURICH = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH")
ZONES = (
    "Europe/Zurich",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "Pacific/Apia",
)
COUNTRIES = {"Europe/Zurich": "CH", "America/New_York": "US", "Pacific/Apia": "WS"}
# Both changes of the clock, in both hemispheres, lie in these days, and Christmas.
DAYS = st.dates(date(2026, 9, 20), date(2027, 4, 10))


def rounds(first: datetime, last: datetime) -> list[datetime]:
    """When rounds are meant to be."""
    start = looks_back_to(first)
    return [start + number * EVERY for number in range((last - start) // EVERY + 2)]


def mornings(who: Schedule, away: list[Interval], starts: list[datetime]) -> list[WorkingDay]:
    """The mornings that these rounds find."""
    found = [begun(who, away, looks_back_to(at), at) for at in starts]
    return [one for one in found if one is not None]


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Someone somewhere, with hours of their own."""
    zone = draw(st.sampled_from(ZONES))
    start = draw(st.times(time(0), time(19)))
    hours = WorkingHours(
        start=start.replace(second=0, microsecond=0, fold=0),
        end=time(23),
        days=draw(st.frozensets(st.sampled_from(WEEKDAYS), min_size=1)),
    )
    return Schedule(zone=zone, country=COUNTRIES.get(zone), hours=hours)


@given(schedules(), DAYS, st.lists(st.integers(0, 20_000), max_size=21))
@settings(deadline=None, max_examples=200)
def test_each_working_day_has_one_morning(who: Schedule, first: date, delays: list[int]) -> None:
    """Rounds that are late by anything under ten minutes find each business day once, and no other day at all.

    However many seconds each is late, over changes of the clock and public holidays.
    """
    last = first + timedelta(days=9)
    span = Interval(wall(first, time(), who.zone), wall(last + timedelta(days=1), time(), who.zone))
    late = [timedelta(seconds=delay % 600) for delay in delays] or [timedelta()]
    starts = [at + late[number % len(late)] for number, at in enumerate(rounds(*span))]
    found = mornings(who, [], starts)
    days = [first + timedelta(days=number) for number in range(10)]
    within = {one.day for one in found if first <= one.day <= last}
    assert within == {day for day in days if is_business_day(day, who)}
    by_round = [(one.day, one.begins) for one in found]
    # A round that is late may find what the next one finds again; the mail's key holds the date, so one goes.
    assert all(one == other for one, other in pairwise(sorted(by_round)) if one[0] == other[0])


@given(schedules(), DAYS, st.integers(-600, 1800), st.integers(0, 2000))
@settings(deadline=None, max_examples=200)
def test_an_absence_moves_the_morning_to_its_end_or_takes_it(
    who: Schedule, day: date, begins: int, minutes: int
) -> None:
    """Whoever is away has no morning; who comes back on a working day has it then."""
    start = wall(day, time(), who.zone) + timedelta(minutes=begins)
    away = [Interval(start, start + timedelta(minutes=minutes))]
    span = rounds(start - timedelta(days=1), away[0].end + timedelta(days=1))
    for at in span:
        one = begun(who, away, looks_back_to(at), at)
        if one is None:
            continue
        assert not away[0].start <= at < away[0].end
        assert one.begins == subtract(working_windows(who, one.day, one.day), away)[0].start
        assert looks_back_to(at) < one.begins <= at < one.over_at


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("2026-11-23T08:59", False),
        ("2026-11-23T09:00", True),
        ("2026-11-23T09:29", True),
        ("2026-11-23T09:30", False),
        ("2026-11-22T09:00", False),
        ("2026-12-25T09:00", False),
    ],
    ids=["before", "at nine", "late", "the next round", "Sunday", "Christmas"],
)
def test_a_morning_begins_with_the_working_day(at: str, found: bool) -> None:
    """Nine o'clock in Zurich is a morning from nine until the next round, on business days alone."""
    instant = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(ZURICH.zone)).astimezone(UTC)
    assert (begun(ZURICH, [], looks_back_to(instant), instant) is not None) is found


def test_a_round_that_waited_for_its_worker_finds_what_began_meanwhile_and_nothing_old() -> None:
    """Started at half past eight and carried out at eleven: the morning of nine counts; carried out at one: none."""
    started = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
    since = looks_back_to(started)
    one = begun(ZURICH, [], since, datetime(2026, 11, 23, 10, tzinfo=UTC))
    noon = datetime(2026, 11, 23, 11, tzinfo=UTC)
    assert one == WorkingDay(date(2026, 11, 23), datetime(2026, 11, 23, 8, tzinfo=UTC), noon)
    assert begun(ZURICH, [], since, noon) is None


def test_a_late_shift_has_its_morning_after_noon() -> None:
    """Whose work begins at two has three hours to read of it."""
    who = ZURICH.model_copy(update={"hours": WorkingHours(start=time(14), end=time(22))})
    at = datetime(2026, 11, 23, 13, tzinfo=UTC)
    one = begun(who, [], looks_back_to(at), at)
    assert one is not None
    assert one.over_at == at + timedelta(hours=3)


def test_an_instant_without_a_zone_is_refused() -> None:
    """Nobody guesses a zone."""
    with pytest.raises(ValueError, match="zone"):
        looks_back_to(datetime(2026, 11, 23, 9))  # noqa: DTZ001 - what is refused
