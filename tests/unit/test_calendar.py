"""The calendar: business days, working hours and proposed times, across zones, holidays, gaps and folds."""

from __future__ import annotations

from collections.abc import Callable, Container
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings, strategies as st

from rapport.model.account import WEEKDAYS, Schedule, Weekday, WorkingHours
from rapport.model.meeting import Slot
from rapport.model.step import Offset
from rapport.rules import calendar
from rapport.rules.calendar import (
    Interval,
    Party,
    add_business_days,
    apply_offset,
    beyond,
    intersect,
    is_business_day,
    merge,
    next_working_instant,
    nudge_instants,
    propose_slots,
    subtract,
    voting_deadline,
    wall,
    working_windows,
)

QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)

PLACES = (
    ("Europe/Zurich", "CH", "ZH"),
    ("Europe/London", "GB", "SCT"),
    ("America/New_York", "US", "NY"),
    ("America/St_Johns", "CA", "NL"),
    ("America/Sao_Paulo", "BR", "SP"),
    ("America/Santiago", "CL", None),
    ("Asia/Kolkata", "IN", "MH"),
    ("Asia/Kathmandu", "NP", None),
    ("Asia/Dubai", "AE", None),
    ("Africa/Casablanca", "MA", None),
    ("Africa/Cairo", "EG", None),
    ("Asia/Jerusalem", "IL", None),
    ("Australia/Sydney", "AU", "NSW"),
    ("Australia/Lord_Howe", None, None),
    ("Pacific/Auckland", "NZ", "AUK"),
    ("Pacific/Apia", "WS", None),
    ("Pacific/Chatham", None, None),
    ("Etc/GMT+12", None, None),
)

# The clock changes on these dates somewhere among the places: New York, Zurich, Lord Howe, Auckland, Casablanca, …
CHANGES = (
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 9, 6),
    date(2026, 9, 27),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 11, 1),
    date(2027, 2, 7),
    date(2027, 3, 14),
)

days = st.dates(date(2026, 1, 1), date(2028, 12, 31)) | st.builds(
    lambda change, shift: change + shift * DAY, st.sampled_from(CHANGES), st.integers(-1, 1)
)
quarters = st.builds(lambda n: time(n // 4, n % 4 * 15), st.integers(0, 95))
instants = st.builds(
    lambda day, at, seconds: datetime.combine(day, at, UTC) + timedelta(seconds=seconds),
    days,
    quarters,
    st.sampled_from((0, 1, 613)),
)


def hours(start: str = "09:00", end: str = "17:00", days: str = "mon tue wed thu fri") -> WorkingHours:
    working: frozenset[Weekday] = frozenset(day for day in WEEKDAYS if day in days.split())
    return WorkingHours(start=time.fromisoformat(start), end=time.fromisoformat(end), days=working, lunch=())


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Someone, somewhere, with any working hours on the quarter hour: by day, at night, short and long."""
    zone, country, subdivision = draw(st.sampled_from(PLACES))
    first, last = sorted(draw(st.lists(quarters, min_size=2, max_size=2, unique=True)))
    working = draw(st.none() | st.frozensets(st.sampled_from(WEEKDAYS), min_size=1))
    lunch = tuple(draw(st.just([]) | st.lists(quarters, min_size=2, max_size=2, unique=True).map(sorted)))
    hours = WorkingHours(start=first, end=last, days=working, lunch=lunch)
    return Schedule(zone=zone, country=country, subdivision=subdivision, hours=hours)


@st.composite
def parties(draw: st.DrawFn, around: datetime) -> Party:
    """Someone with long hours and some busy hours in the three weeks after an instant."""
    zone, country, subdivision = draw(st.sampled_from(PLACES))
    start = draw(st.sampled_from(("00:00", "01:30", "06:00", "09:00")))
    end = draw(st.sampled_from(("14:15", "17:00", "21:30", "23:45")))
    working = draw(st.sampled_from(("mon tue wed thu fri", "sun mon tue wed thu", "mon tue wed thu fri sat sun")))
    busy = [
        Interval(around + timedelta(hours=begin), around + timedelta(hours=begin + length))
        for begin, length in draw(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 60)), max_size=6))
    ]
    schedule = Schedule(zone=zone, country=country, subdivision=subdivision, hours=hours(start, end, working))
    return Party(schedule, tuple(busy))


ZURICH = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH")
NEW_YORK = Schedule(zone="America/New_York", country="US", subdivision="NY")
AUCKLAND = Schedule(zone="Pacific/Auckland", country="NZ", subdivision="AUK")
LONDON = Schedule(zone="Europe/London", country="GB", subdivision="ENG")
NIGHT_OWL = Schedule(zone="Europe/Zurich", hours=hours("01:00", "04:00", "sun"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def clock(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


# Slow oracles: they look at the clock every quarter of an hour and do no arithmetic with zones.


def first_showing(reading: datetime, zone: str) -> datetime:
    """The first quarter of an hour at which the clock shows this or later."""
    instant = reading.replace(tzinfo=UTC) - timedelta(hours=15)
    while clock(instant, zone) < reading:
        instant += QUARTER
    return instant


@cache
def shift_on(day: date, who: Schedule) -> Interval:
    return Interval(
        first_showing(datetime.combine(day, who.hours.start), who.zone),
        first_showing(datetime.combine(day, who.hours.end), who.zone),
    )


@cache
def days_off(country: str | None, subdivision: str | None) -> frozenset[date]:
    if country is None:
        return frozenset()
    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=range(2025, 2032)))


@cache
def works_on(day: date, who: Schedule) -> bool:
    off = days_off(who.country, who.subdivision)
    shift = shift_on(day, who)
    return day.strftime("%a").lower() in days_of(who) and day not in off and shift.start < shift.end


def days_of(who: Schedule) -> Container[str]:
    """The days of the week on which a person works: their own, else their country's."""
    if who.hours.days is not None:
        return who.hours.days
    return ("sun", "mon", "tue", "wed", "thu") if who.country in ("EG", "IL") else WEEKDAYS[:5]


def business_days_after(day: date, count: int, who: Schedule) -> list[date]:
    found: list[date] = []
    while len(found) < count:
        day += DAY
        if works_on(day, who):
            found.append(day)
    return found


def can_come(slot: Interval, party: Party) -> bool:
    """Whether the whole time lies in one shift of the person, and on none of their busy times and lunches."""
    here = clock(slot.start, party.schedule.zone).date()
    shifts = [shift_on(day, party.schedule) for day in (here, here + DAY) if works_on(day, party.schedule)]
    inside = any(shift.start <= slot.start and slot.end <= shift.end for shift in shifts)
    lunches = []
    if party.schedule.hours.lunch:
        begins, ends = party.schedule.hours.lunch
        zone = party.schedule.zone
        lunches = [Interval(wall(day, begins, zone), wall(day, ends, zone)) for day in (here, here + DAY)]
    taken = [*party.busy, *lunches]
    return inside and all(busy.end <= slot.start or slot.end <= busy.start for busy in taken if busy[0] < busy[1])


def possible(
    now: datetime, minutes: int, must: list[Party], customer: Schedule, earliest: int, latest: int
) -> list[Interval]:
    """Every time that may be offered at all, sorted."""
    candidates = business_days_after(clock(now, customer.zone).date(), latest, customer)[earliest - 1 :]
    found = []
    instant = datetime.combine(candidates[0], time(), UTC) - timedelta(hours=15)
    while instant < datetime.combine(candidates[-1], time(), UTC) + timedelta(hours=40):
        slot = Interval(instant, instant + timedelta(minutes=minutes))
        shown = clock(slot.start, customer.zone)
        last = clock(slot.end - timedelta(seconds=1), customer.zone)
        on_days = shown.date() in candidates and last.date() in candidates
        if slot.start >= now and on_days and shown.minute % 30 == 0 and all(can_come(slot, party) for party in must):
            found.append(slot)
        instant += QUARTER
    return found


# Intervals


def spans(of: list[tuple[int, int]]) -> list[Interval]:
    return [Interval(at("2026-01-01T00:00Z") + start * DAY, at("2026-01-01T00:00Z") + end * DAY) for start, end in of]


def covered(intervals: list[Interval]) -> set[int]:
    return {day for day in range(30) if any(i.start <= at("2026-01-01T00:00Z") + day * DAY < i.end for i in intervals)}


pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8).map(spans)


@given(pairs, pairs)
def test_interval_algebra_is_that_of_sets(a: list[Interval], b: list[Interval]) -> None:
    """Merging, intersecting and subtracting intervals do to time what they do to sets, and give sorted ones apart."""
    for result, expected in (
        (merge(a), covered(a)),
        (intersect(a, b), covered(a) & covered(b)),
        (subtract(a, b), covered(a) - covered(b)),
    ):
        assert covered(result) == expected
        assert all(interval.start < interval.end for interval in result)
        assert all(first.end < second.start for first, second in pairwise(result))


def test_touching_intervals_become_one() -> None:
    """Two intervals of which one begins where the other ends are one interval after merging."""
    assert merge(spans([(3, 5), (1, 3), (7, 7)])) == spans([(1, 5)])


# Wall time


@pytest.mark.parametrize(
    ("day", "reading", "zone", "expected"),
    [
        ("2026-07-01", "09:00", "Europe/Zurich", "2026-07-01T07:00Z"),
        ("2026-07-01", "09:00", "Asia/Kathmandu", "2026-07-01T03:15Z"),
        ("2027-03-28", "02:00", "Europe/Zurich", "2027-03-28T01:00Z"),
        ("2027-03-28", "02:59", "Europe/Zurich", "2027-03-28T01:00Z"),
        ("2027-03-28", "03:00", "Europe/Zurich", "2027-03-28T01:00Z"),
        ("2026-10-25", "02:30", "Europe/Zurich", "2026-10-25T00:30Z"),
        ("2026-10-04", "02:15", "Australia/Lord_Howe", "2026-10-03T15:30Z"),
        ("2027-04-04", "01:45", "Australia/Lord_Howe", "2027-04-03T14:45Z"),
        ("2026-09-06", "00:20", "America/Santiago", "2026-09-06T04:00Z"),
        ("2011-12-30", "09:00", "Pacific/Apia", "2011-12-30T10:00Z"),
    ],
)
def test_wall_time_examples(day: str, reading: str, zone: str, expected: str) -> None:
    """A wall time in a gap is the gap's end, one in a fold its first occurrence, and any other what the clock says."""
    instant = wall(date.fromisoformat(day), time.fromisoformat(reading), zone)
    assert instant == at(expected)
    assert instant.tzinfo is UTC


def test_wall_time_takes_no_notice_of_fold() -> None:
    """The fold of the time that is passed in does not choose the second occurrence, nor break into a gap."""
    assert wall(date(2026, 10, 25), time(2, 30, fold=1), "Europe/Zurich") == at("2026-10-25T00:30Z")
    assert wall(date(2027, 3, 28), time(2, 30, 15, 99, fold=1), "Europe/Zurich") == at("2027-03-28T01:00Z")


@settings(deadline=None)
@given(days, quarters, st.sampled_from(PLACES))
def test_wall_time_is_the_first_instant_that_shows_it(
    day: date, reading: time, place: tuple[str, object, object]
) -> None:
    """A wall time stands for the first instant at which the clock shows it or later."""
    assert wall(day, reading, place[0]) == first_showing(datetime.combine(day, reading), place[0])


# Business days


@pytest.mark.parametrize(
    ("day", "country", "subdivision", "expected"),
    [
        ("2028-08-01", "CH", "ZH", False),
        ("2028-08-02", "CH", "ZH", True),
        ("2028-08-01", None, None, True),
        ("2026-11-26", "US", None, False),
        ("2026-11-26", "CH", "ZH", True),
        ("2027-01-06", "CH", "TI", False),
        ("2027-01-06", "CH", "ZH", True),
        ("2026-11-28", "US", None, False),
        ("2027-12-31", "US", None, False),
        ("2027-02-01", "NZ", "AUK", False),
        ("2027-02-01", "NZ", "WGN", True),
    ],
)
def test_public_holidays(day: str, country: str | None, subdivision: str | None, expected: bool) -> None:
    """A public holiday of the country and the subdivision is no business day, and one of another place is."""
    who = Schedule(zone="UTC", country=country, subdivision=subdivision)
    assert is_business_day(date.fromisoformat(day), who) is expected


def test_the_weekend_is_the_persons_own() -> None:
    """Someone who works from Sunday to Thursday has a business day on Sunday and none on Friday."""
    who = Schedule(zone="Asia/Dubai", hours=hours(days="sun mon tue wed thu"))
    assert is_business_day(date(2026, 11, 29), who)
    assert not is_business_day(date(2026, 11, 27), who)


def test_a_day_without_any_of_its_hours_is_no_business_day() -> None:
    """Where the clock jumps over all the working hours of a day, there is no business day."""
    early = Schedule(zone="Europe/Zurich", hours=hours("02:00", "03:00", "sun"))
    assert is_business_day(date(2027, 3, 21), early)
    assert not is_business_day(date(2027, 3, 28), early)
    assert not is_business_day(date(2011, 12, 30), Schedule(zone="Pacific/Apia"))


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        ("2026-11-30T10:00+01:00", 1, "2026-12-01T10:00+01:00"),
        ("2026-11-27T10:00+01:00", 1, "2026-11-30T10:00+01:00"),
        ("2026-11-28T10:00+01:00", 1, "2026-11-30T10:00+01:00"),
        ("2026-11-29T10:00+01:00", 1, "2026-11-30T10:00+01:00"),
        ("2026-11-27T22:00+01:00", 1, "2026-11-30T17:00+01:00"),
        ("2026-11-27T03:00+01:00", 1, "2026-11-30T09:00+01:00"),
        ("2026-11-27T10:00+01:00", 10, "2026-12-11T10:00+01:00"),
        ("2026-10-23T10:00+02:00", 1, "2026-10-26T10:00+01:00"),
        ("2026-12-24T10:00+01:00", 1, "2026-12-28T10:00+01:00"),
        ("2026-12-31T10:00+01:00", 1, "2027-01-04T10:00+01:00"),
        ("2026-11-28T10:00+01:00", 0, "2026-11-30T09:00+01:00"),
        ("2026-11-30T10:00+01:00", 0, "2026-11-30T10:00+01:00"),
        ("2026-11-29T23:30Z", 1, "2026-12-01T09:00+01:00"),
    ],
)
def test_business_days_are_added(start: str, count: int, expected: str) -> None:
    """Business days are counted from the first after the local date, at the same wall time, moved into the hours."""
    assert add_business_days(at(start), count, ZURICH) == at(expected)


def test_adding_a_business_day_in_a_gap_and_in_a_fold() -> None:
    """At night, a wall time that a change of clock takes away or doubles lands by the rule for wall times."""
    owl = Schedule(zone="Europe/Zurich", hours=hours("01:00", "04:00", "sat sun"))
    assert add_business_days(at("2027-03-27T02:30+01:00"), 1, owl) == at("2027-03-28T03:00+02:00")
    assert add_business_days(at("2026-10-24T02:30+02:00"), 1, owl) == at("2026-10-25T02:30+02:00")


@settings(deadline=None, max_examples=60)
@given(st.builds(datetime.combine, days, quarters, st.just(UTC)), st.integers(1, 12), schedules())
def test_added_business_days_land_in_working_hours(start: datetime, count: int, who: Schedule) -> None:
    """The result is the same wall time on the day that a count day by day reaches, moved into that day's hours."""
    result = add_business_days(start, count, who)
    day = business_days_after(clock(start, who.zone).date(), count, who)[-1]
    shift = shift_on(day, who)
    wanted = first_showing(datetime.combine(day, clock(start, who.zone).time()), who.zone)
    assert result == min(max(wanted, shift.start), shift.end)


@settings(deadline=None, max_examples=60)
@given(instants, st.integers(0, 60), schedules())
def test_more_business_days_are_never_earlier(start: datetime, count: int, who: Schedule) -> None:
    """One business day more gives an instant that is not earlier, and none lies before the start."""
    result = add_business_days(start, count, who)
    assert start <= result <= add_business_days(start, count + 1, who)


@pytest.mark.parametrize(
    ("count", "gone", "back", "expected"),
    [
        (1, "2026-11-24T00:00", "2026-11-25T00:00", "2026-11-25T15:00"),
        (1, "2026-11-24T12:00", "2026-11-25T10:00", "2026-11-25T10:00"),
        (2, "2026-11-24T12:00", "2026-11-25T10:00", "2026-11-25T15:00"),
        (1, "2026-11-24T09:00", "2026-11-24T16:30", "2026-11-24T16:30"),
        (0, "2026-11-23T14:00", "2026-11-24T12:00", "2026-11-24T12:00"),
    ],
)
def test_absences_are_no_business_days(count: int, gone: str, back: str, expected: str) -> None:
    """A day that someone is away for as a whole does not count, and no instant falls into an absence."""
    away = [Interval(at(f"{gone}+01:00"), at(f"{back}+01:00"))]
    assert add_business_days(at("2026-11-23T15:00+01:00"), count, ZURICH, away) == at(f"{expected}+01:00")


def test_someone_who_works_on_sundays_only() -> None:
    """For someone with one working day a week, business days are weeks, however many."""
    who = Schedule(zone="Europe/Zurich", hours=hours(days="sun"))
    start = at("2026-11-29T10:00+01:00")
    assert add_business_days(start, 1, who) == at("2026-12-06T10:00+01:00")
    assert clock(add_business_days(start, 999, who), who.zone) == clock(start, who.zone) + 999 * timedelta(weeks=1)


def test_no_working_day_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every day is a holiday, the search ends with an error that says so."""
    every_day = frozenset(date(2026, 1, 1) + n * DAY for n in range(1500))
    monkeypatch.setattr(calendar, "_public_holidays", lambda *_: every_day)
    start = at("2026-11-30T10:00Z")
    attempts: list[Callable[[], object]] = [
        lambda: add_business_days(start, 1, ZURICH),
        lambda: next_working_instant(start, ZURICH),
        lambda: voting_deadline(start, 1, ZURICH),
        lambda: propose_slots(
            now=start, minutes=30, must=[Party(LONDON)], nice=[], customer=ZURICH, earliest=1, latest=2, limit=3
        ),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="no working day"):
            attempt()


def test_senseless_counts_are_refused() -> None:
    """A negative count of days and a vote that is open for no day are errors."""
    start = at("2026-11-30T10:00Z")
    with pytest.raises(ValueError, match="cannot count -1"):
        add_business_days(start, -1, ZURICH)
    with pytest.raises(ValueError, match="cannot count 0"):
        voting_deadline(start, 0, ZURICH)
    with pytest.raises(ValueError, match="into the past"):
        apply_offset(start, Offset(count=-1, unit="day"), ZURICH)


def test_a_time_without_zone_is_refused() -> None:
    """A datetime without zone is no instant, and every function that counts from one says so."""
    naive = datetime(2026, 11, 30, 10)  # noqa: DTZ001 - the mistake in question
    attempts: list[Callable[[], object]] = [
        lambda: add_business_days(naive, 1, ZURICH),
        lambda: next_working_instant(naive, ZURICH),
        lambda: apply_offset(naive, Offset(count=1, unit="hour"), ZURICH),
        lambda: voting_deadline(naive, 1, ZURICH),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="no time zone"):
            attempt()


# Working hours


def test_a_shift_across_a_gap_is_shorter_and_across_a_fold_longer() -> None:
    """Working time counts real hours: 01:30 to 03:30 lasts one hour over a gap and three over a fold."""
    who = Schedule(zone="Europe/Zurich", hours=hours("01:30", "03:30", "sun"))
    gap = working_windows(who, date(2027, 3, 28), date(2027, 3, 28))
    fold = working_windows(who, date(2026, 10, 25), date(2026, 10, 25))
    assert gap == [Interval(at("2027-03-28T00:30Z"), at("2027-03-28T01:30Z"))]
    assert fold == [Interval(at("2026-10-24T23:30Z"), at("2026-10-25T02:30Z"))]


def test_lord_howe_moves_its_clock_by_half_an_hour() -> None:
    """A night shift on Lord Howe Island is half an hour shorter in October and half an hour longer in April."""
    who = Schedule(zone="Australia/Lord_Howe", hours=hours("01:00", "04:00", "sun"))
    (spring,) = working_windows(who, date(2026, 10, 4), date(2026, 10, 4))
    (autumn,) = working_windows(who, date(2027, 4, 4), date(2027, 4, 4))
    assert spring.end - spring.start == timedelta(hours=2, minutes=30)
    assert autumn.end - autumn.start == timedelta(hours=3, minutes=30)


@settings(deadline=None, max_examples=60)
@given(days, st.integers(-1, 9), schedules())
def test_working_windows_are_the_shifts_of_the_business_days(first: date, more: int, who: Schedule) -> None:
    """The windows are one shift for each business day from the first to the last date, and nothing else."""
    dates = [first + n * DAY for n in range(more + 1)]
    expected = [shift_on(day, who) for day in dates if works_on(day, who)]
    assert working_windows(who, first, first + more * DAY) == expected
    assert [day for day in dates if is_business_day(day, who)] == [day for day in dates if works_on(day, who)]


@settings(deadline=None, max_examples=60)
@given(instants, schedules())
def test_next_working_instant(start: datetime, who: Schedule) -> None:
    """The next working instant lies in a shift, and no shift has time between the start and it."""
    result = next_working_instant(start, who)
    first, last = clock(start, who.zone).date() - DAY, clock(result, who.zone).date() + DAY
    shifts = [shift_on(first + n * DAY, who) for n in range((last - first).days + 1) if works_on(first + n * DAY, who)]
    assert result == min(max(start, shift.start) for shift in shifts if start < shift.end)


def test_the_end_of_hours_belongs_to_the_next_shift() -> None:
    """At 17:00 sharp the day is over, one second earlier it is not."""
    assert next_working_instant(at("2026-11-27T17:00+01:00"), ZURICH) == at("2026-11-30T09:00+01:00")
    assert next_working_instant(at("2026-11-27T16:59:59+01:00"), ZURICH) == at("2026-11-27T16:59:59+01:00")


# Offsets, reminders, deadlines


@pytest.mark.parametrize(
    ("start", "text", "expected"),
    [
        ("2026-11-27T10:00+01:00", "36 hours", "2026-11-28T22:00+01:00"),
        ("2026-10-24T10:00+02:00", "24 hours", "2026-10-25T09:00+01:00"),
        ("2026-10-24T10:00+02:00", "1 day", "2026-10-25T10:00+01:00"),
        ("2026-11-27T22:15+01:00", "2 days", "2026-11-29T22:15+01:00"),
        ("2027-03-27T02:30+01:00", "1 day", "2027-03-28T03:00+02:00"),
        ("2026-10-12T10:00+02:00", "2 weeks", "2026-10-26T10:00+01:00"),
        ("2026-10-25T02:30+01:00", "0 days", "2026-10-25T02:30+01:00"),
        ("2026-11-27T22:15+01:00", "2 business days", "2026-12-01T17:00+01:00"),
        ("2026-11-27T22:15+01:00", "0 business days", "2026-11-30T09:00+01:00"),
    ],
)
def test_offsets(start: str, text: str, expected: str) -> None:
    """Hours pass, days keep the wall time, business days keep to working hours, and none leads back."""
    assert apply_offset(at(start), Offset.parse(text), ZURICH) == at(expected)


@given(st.integers(0, 1000), st.integers(0, 999))
def test_a_week_is_the_same_wall_time_seven_days_later(day: int, weeks: int) -> None:
    """A wait of some weeks ends when one of seven times as many days does, of any length that a playbook can write."""
    start = at("2026-01-01T08:30+01:00") + timedelta(days=day)
    due = apply_offset(start, Offset.parse(f"{weeks} weeks"), ZURICH)
    assert due == apply_offset(start, Offset(count=7 * weeks, unit="day"), ZURICH)
    zone = ZoneInfo(ZURICH.zone)
    assert (due.astimezone(zone).date() - start.astimezone(zone).date()).days == 7 * weeks


@pytest.mark.parametrize(
    "text",
    ["2 fortnights", "1000 weeks", "two weeks", "2  weeks", "2 weeks\n", "-1 weeks", "٢ weeks", "2 business weeks"],
)
def test_what_is_no_offset_is_told_with_what_to_write(text: str) -> None:
    """Another form is refused in words that show each unit."""
    with pytest.raises(ValueError, match=r'write "2 business days", "1 day", "2 weeks" or "36 hours"'):
        Offset.parse(text)


def test_reminders_come_in_the_persons_own_hours_and_before_the_deadline() -> None:
    """Reminders go one a business day in the person's own zone, and those at or after the deadline are dropped."""
    opened = at("2026-11-25T15:00+01:00")
    deadline = voting_deadline(opened, 3, ZURICH)
    assert deadline == at("2026-11-30T17:00+01:00")
    assert nudge_instants(opened, deadline, 2, ZURICH) == [at("2026-11-26T15:00+01:00"), at("2026-11-27T15:00+01:00")]
    # Thanksgiving is off, and 15:00 in Zurich is 09:00 in New York.
    assert nudge_instants(opened, deadline, 2, NEW_YORK) == [at("2026-11-27T09:00-05:00"), at("2026-11-30T09:00-05:00")]
    assert nudge_instants(opened, at("2026-11-30T09:00-05:00"), 2, NEW_YORK) == [at("2026-11-27T09:00-05:00")]
    assert nudge_instants(opened, deadline, 0, ZURICH) == []


@settings(deadline=None, max_examples=50)
@given(instants, st.integers(1, 10), st.integers(0, 5), schedules(), schedules())
def test_reminders_and_deadline(opened: datetime, days: int, count: int, voter: Schedule, champion: Schedule) -> None:
    """The deadline ends the champion's last day of voting; reminders rise, at most one a day, all before it."""
    deadline = voting_deadline(opened, days, champion)
    last = business_days_after(clock(opened, champion.zone).date(), days, champion)[-1]
    assert deadline == shift_on(last, champion).end
    nudges = nudge_instants(opened, deadline, count, voter)
    dates = business_days_after(clock(opened, voter.zone).date(), count, voter)
    assert len(nudges) <= count
    for nudge, day in zip(nudges, dates, strict=False):
        shift = shift_on(day, voter)
        assert shift.start <= nudge <= shift.end
        assert opened < nudge < deadline
    if len(nudges) < count:
        assert shift_on(dates[len(nudges)], voter).end >= deadline


# Proposed times


def offer(
    *must: Party | Schedule,
    customer: Schedule = ZURICH,
    now: str = "2026-11-25T15:00Z",
    nice: tuple[Party, ...] = (),
    minutes: int = 30,
    earliest: int = 5,
    latest: int = 10,
    limit: int = 6,
    only: tuple[date, ...] | None = None,
    elsewhere: list[Interval] | None = None,
) -> list[Slot]:
    return propose_slots(
        now=at(now),
        minutes=minutes,
        must=[party if isinstance(party, Party) else Party(party) for party in must],
        nice=nice,
        customer=customer,
        earliest=earliest,
        latest=latest,
        limit=limit,
        only=only,
        elsewhere=elsewhere or [],
    )


def shown(slots: list[Slot], zone: str = "Europe/Zurich") -> list[str]:
    return [clock(slot.start, zone).strftime("%m-%d %H:%M") for slot in slots]


@given(instants, schedules(), schedules(), schedules())
def test_where_no_hour_is_everyones_the_least_hard_is_offered(
    now: datetime, host: Schedule, one: Schedule, other: Schedule
) -> None:
    """Of the host's hours of a day none is less far outside of the hours of whoever the offered one is hardest on."""
    people = [Party(who) for who in (host, one, other)]
    given_ = {
        "now": now,
        "minutes": 30,
        "must": people[:1],
        "nice": people,
        "customer": host,
        "earliest": 1,
        "latest": 1,
    }
    (every, least) = (propose_slots(**given_, limit=most, gentle=most == 1) for most in (200, 1))  # type: ignore[arg-type]

    def harm(slot: Slot) -> timedelta:
        return max(beyond(party.schedule, slot.start, slot.end) for party in people)

    assert [harm(slot) for slot in least] == [min(map(harm, every))] if every else not least


@given(instants, schedules())
def test_nobodys_working_hours_are_beyond_themselves(at_: datetime, who: Schedule) -> None:
    """A time is beyond somebody's hours exactly where it is not within them."""
    place = ZoneInfo(who.zone)
    day = at_.astimezone(place).date()
    end = at_ + timedelta(minutes=30)
    within = any(one.start <= at_ and end <= one.end for one in working_windows(who, day - DAY, day + DAY))
    assert (beyond(who, at_, end) == timedelta(0)) is within


def test_a_usual_offer() -> None:
    """Six times for two people in one town: six business days, mornings and afternoons in turn, numbered in order."""
    slots = offer(ZURICH, Party(ZURICH))
    assert shown(slots) == ["12-02 10:00", "12-03 14:00", "12-04 10:00", "12-07 14:00", "12-08 10:00", "12-09 14:00"]
    assert [slot.id for slot in slots] == ["1", "2", "3", "4", "5", "6"]
    assert all(slot.end - slot.start == timedelta(minutes=30) for slot in slots)


def test_noon_is_that_of_the_customer() -> None:
    """Morning and afternoon take turns on the customer's clock, and 12:00 there is the first of the afternoon."""
    slots = offer(NEW_YORK, customer=NEW_YORK, limit=3)
    assert shown(slots, "America/New_York") == ["12-03 10:00", "12-04 14:00", "12-07 10:00"]
    until_lunch = Schedule(zone="America/New_York", hours=hours("09:00", "12:30"))
    slots = offer(until_lunch, customer=until_lunch, earliest=5, latest=6, limit=2)
    assert shown(slots, "America/New_York") == ["12-02 10:00", "12-03 12:00"]


def test_zurich_and_auckland_share_no_hour() -> None:
    """Where working hours never meet, no time is offered, in winter and in summer."""
    assert offer(ZURICH, AUCKLAND) == []
    assert offer(ZURICH, AUCKLAND, now="2027-06-01T08:00Z", latest=60) == []


def test_zurich_and_new_york_share_the_late_afternoon() -> None:
    """Times for Zurich and New York lie between 15:00 and 17:00 in Zurich, and not on the Americans' holiday."""
    slots = offer(ZURICH, NEW_YORK, now="2026-11-18T15:00Z", limit=100)
    assert {text[6:] for text in shown(slots)} == {"15:00", "15:30", "16:00", "16:30"}
    assert {text[:5] for text in shown(slots)} == {"11-25", "11-27", "11-30", "12-01", "12-02"}


def test_the_weeks_in_which_only_one_side_has_changed_its_clock() -> None:
    """Between the changes of clock in March, New York is one hour closer to Zurich, and the offer knows."""
    slots = offer(ZURICH, NEW_YORK, now="2027-03-10T10:00Z", earliest=4, latest=4, limit=100)
    assert {text[6:] for text in shown(slots)} == {"14:00", "14:30", "15:00", "15:30", "16:00", "16:30"}


def test_business_days_are_those_of_the_customer() -> None:
    """The days on which times are offered are counted in the customer's calendar: Thanksgiving does not count there."""
    slots = offer(NEW_YORK, customer=NEW_YORK, now="2026-11-25T15:00Z", earliest=1, latest=1)
    assert {text[:5] for text in shown(slots, "America/New_York")} == {"11-27"}
    slots = offer(ZURICH, customer=ZURICH, now="2026-11-25T15:00Z", earliest=1, latest=1)
    assert {text[:5] for text in shown(slots)} == {"11-26"}


def test_days_of_others_than_the_customer_are_no_candidates() -> None:
    """When only someone else has to come, times still lie on the customer's business days."""
    helper = Schedule(zone="Europe/Zurich", hours=hours(days="mon tue wed thu fri sat sun"))
    slots = offer(helper, customer=NEW_YORK, now="2026-11-25T15:00Z", earliest=1, latest=2, limit=100)
    assert {text[:5] for text in shown(slots, "America/New_York")} == {"11-27", "11-30"}


def test_busy_times_are_left_out() -> None:
    """A time that overlaps a busy one is not offered, and one that begins as it ends is."""
    busy = (Interval(at("2026-12-02T08:00Z"), at("2026-12-02T15:00Z")),)
    slots = offer(ZURICH, Party(ZURICH, busy), earliest=5, latest=5, limit=100)
    assert shown(slots) == ["12-02 16:00", "12-02 16:30"]


def test_nobody_meets_over_lunch() -> None:
    """A half day lies before lunch or after it, and lunch is when somebody says, or at no time."""
    half_day = partial(offer, ZURICH, minutes=240, earliest=5, latest=5, limit=100)
    assert shown(half_day()) == ["12-02 13:00"]
    late = Schedule(zone="Europe/Zurich", hours=WorkingHours(lunch=(time(13), time(13, 30))))
    assert shown(half_day(late)) == []
    assert shown(offer(late, minutes=240, earliest=5, latest=5)) == ["12-02 09:00"]
    assert len(offer(Schedule(zone="Europe/Zurich", hours=hours()), minutes=240, earliest=5, latest=5, limit=100)) == 9


def test_only_the_days_that_were_asked_for() -> None:
    """Where days are named, no other is offered; where none of them is a business day in reach, nothing is."""
    asked = (date(2026, 12, 3), date(2026, 12, 5), date(2026, 12, 9))
    assert {text[:5] for text in shown(offer(ZURICH, only=asked))} == {"12-03", "12-09"}
    assert offer(ZURICH, only=(date(2026, 12, 5),)) == []


def test_what_is_on_offer_elsewhere_comes_last() -> None:
    """A time that another poll offers is offered where a day has nothing else, and its day after other days."""
    first = offer(ZURICH, limit=6)
    elsewhere = [Interval(slot.start, slot.end) for slot in first]
    second = offer(ZURICH, limit=6, elsewhere=elsewhere)
    assert len(second) == 6
    assert not {slot.start for slot in first} & {slot.start for slot in second}
    only = Schedule(zone="Europe/Zurich", hours=hours("09:00", "09:30"))
    taken = [Interval(slot.start, slot.end) for slot in offer(only, limit=3)]
    assert shown(offer(only, limit=3, elsewhere=taken)) == ["12-07 09:00", "12-08 09:00", "12-09 09:00"]
    assert len(offer(only, limit=6, elsewhere=taken)) == 6


def test_an_absence_over_all_days_leaves_nothing() -> None:
    """Where someone who has to come is away on all the days, there is no time."""
    away = (Interval(at("2026-11-01T00:00Z"), at("2027-01-01T00:00Z")),)
    assert offer(ZURICH, Party(LONDON, away)) == []


def test_odd_offsets_use_the_customers_clock() -> None:
    """For a customer in Kathmandu, times begin at full and half hours there, which are odd quarters elsewhere."""
    kathmandu = Schedule(zone="Asia/Kathmandu")
    slots = offer(kathmandu, ZURICH, customer=kathmandu, limit=100)
    assert {text[-2:] for text in shown(slots, "Asia/Kathmandu")} == {"00", "30"}
    assert {slot.start.minute for slot in slots} == {15, 45}


def test_a_gap_is_never_offered_and_a_fold_twice() -> None:
    """At night, no time begins in a missing hour, and both occurrences of a repeated one are on offer."""
    gap = offer(NIGHT_OWL, customer=NIGHT_OWL, now="2027-03-22T12:00Z", earliest=1, latest=1, limit=100)
    assert shown(gap) == ["03-28 01:00", "03-28 01:30", "03-28 03:00", "03-28 03:30"]
    fold = offer(NIGHT_OWL, customer=NIGHT_OWL, now="2026-10-20T12:00Z", earliest=1, latest=1, limit=100)
    repeated = ["10-25 02:00", "10-25 02:30"]
    assert shown(fold) == ["10-25 01:00", "10-25 01:30", *repeated, *repeated, "10-25 03:00", "10-25 03:30"]
    assert all(b.start - a.start == timedelta(minutes=30) for a, b in pairwise(fold))


def test_lord_howe_is_offered_every_half_hour_of_its_fold() -> None:
    """On Lord Howe Island the half hour that repeats gives one more time, and the one that is missing one less."""
    islander = Schedule(zone="Australia/Lord_Howe", hours=hours("01:00", "03:00", "sun"))
    fold = offer(islander, customer=islander, now="2027-03-30T00:00Z", earliest=1, latest=1, limit=100)
    assert shown(fold, islander.zone) == [f"04-04 {t}" for t in ("01:00", "01:30", "01:30", "02:00", "02:30")]
    gap = offer(islander, customer=islander, now="2026-09-30T00:00Z", earliest=1, latest=1, limit=100)
    assert shown(gap, islander.zone) == [f"10-04 {t}" for t in ("01:00", "01:30", "02:30")]


def test_a_gap_of_a_quarter_of_an_hour() -> None:
    """When Kathmandu moved its clock from 00:00 to 00:15, the missing 00:00 was not offered as 00:15."""
    who = Schedule(zone="Asia/Kathmandu", hours=hours("00:00", "02:00"))
    slots = offer(who, customer=who, now="1985-12-31T06:00Z", earliest=1, latest=1, limit=100)
    assert shown(slots, who.zone) == ["01-01 00:30", "01-01 01:00", "01-01 01:30"]


def test_a_date_that_comes_twice_offers_nothing_past() -> None:
    """Where the clock went back over midnight, the next date had begun before; its past is not offered."""
    who = Schedule(zone="America/St_Johns", hours=hours("00:00", "02:00", "sun"))
    slots = offer(who, customer=who, now="2010-11-07T02:45Z", earliest=1, latest=1, limit=100)
    assert slots[0].start == at("2010-11-07T03:30Z")


def test_wishes_choose_the_hour() -> None:
    """Of one day comes the time that suits most of those who need not come."""
    owner = Party(NEW_YORK)
    late = Party(Schedule(zone="America/New_York", hours=hours("10:30", "17:00")))
    assert {text[6:] for text in shown(offer(ZURICH, nice=(owner, late)))} == {"16:30"}
    assert {text[6:] for text in shown(offer(ZURICH, nice=(owner,)))} == {"15:00"}


def test_wishes_choose_the_days_when_there_are_more_days_than_places() -> None:
    """Where not every day has a place, days that suit the others come first, then the earliest."""
    owner = Party(Schedule(zone="Europe/Zurich", hours=hours(days="tue fri")))
    assert shown(offer(ZURICH, nice=(owner,), limit=3)) == ["12-02 10:00", "12-04 14:00", "12-08 10:00"]


def test_wishes_are_no_condition() -> None:
    """Someone who need not come and never can takes no time away."""
    assert len(offer(ZURICH, nice=(Party(AUCKLAND),))) == 6


def test_more_places_than_days_give_both_halves_of_a_day() -> None:
    """Where there are more places than days, each day offers a morning and an afternoon before anything twice."""
    slots = offer(ZURICH, latest=6, limit=4)
    assert shown(slots) == ["12-02 10:00", "12-02 14:00", "12-03 10:00", "12-03 14:00"]


def test_two_times_of_one_day_do_not_overlap_if_they_need_not() -> None:
    """Where a day has room for two times side by side, two that overlap are not both offered."""
    slots = offer(
        Schedule(zone="Europe/Zurich", hours=hours("09:00", "12:00")), minutes=60, earliest=5, latest=5, limit=2
    )
    assert len(slots) == 2
    assert slots[0].end <= slots[1].start


def test_senseless_requests_are_refused() -> None:
    """No length, no day, days in the wrong order and nobody who has to come are errors, not empty offers."""
    for wrong in ({"minutes": 0}, {"earliest": 0}, {"earliest": 6, "latest": 5}):
        with pytest.raises(ValueError, match="at least 1"):
            offer(ZURICH, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must is empty"):
        offer()


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_offers_are_sound_and_complete(data: st.DataObject) -> None:
    """Times suit everyone by a slow count, cover as many days as they can, and none is missing if there is room."""
    now = data.draw(instants)
    must = data.draw(st.lists(parties(now), min_size=1, max_size=3))
    nice = data.draw(st.lists(parties(now), max_size=2))
    customer = data.draw(st.sampled_from([must[0].schedule, ZURICH, Schedule(zone="Australia/Lord_Howe")]))
    minutes = data.draw(st.sampled_from((15, 30, 60, 240)))
    earliest = data.draw(st.integers(1, 3))
    latest = earliest + data.draw(st.integers(0, 3))
    limit = data.draw(st.sampled_from((0, 1, 3, 6, 1000)))

    def propose(must: list[Party]) -> list[Slot]:
        return propose_slots(
            now=now,
            minutes=minutes,
            must=must,
            nice=nice,
            customer=customer,
            earliest=earliest,
            latest=latest,
            limit=limit,
        )

    slots = propose(must)
    times = [Interval(slot.start, slot.end) for slot in slots]
    every = possible(now, minutes, must, customer, earliest, latest)
    assert set(times) <= set(every)
    assert times == sorted(times)
    assert len(set(times)) == len(times) == min(limit, len(every))
    assert [slot.id for slot in slots] == [str(n + 1) for n in range(len(slots))]
    assert all(slot.start >= now for slot in slots)

    def day(slot: Interval) -> date:
        return clock(slot.start, customer.zone).date()

    assert len({day(slot) for slot in times}) == min(limit, len({day(slot) for slot in every}))

    def likes(slot: Interval) -> int:
        return sum(can_come(slot, party) for party in nice)

    for chosen in {day(slot) for slot in times}:
        most = max(likes(slot) for slot in every if day(slot) == chosen)
        assert max(likes(slot) for slot in times if day(slot) == chosen) == most
    assert propose(must[::-1]) == slots


@given(
    first=st.dates() | st.sampled_from((date.min, date.max)),
    last=st.dates() | st.sampled_from((date.min, date.max)),
    zone=st.sampled_from(("UTC", "Europe/Zurich", "Pacific/Kiritimati", "Etc/GMT+12", "America/New_York")),
)
def test_any_two_days_are_a_span_of_time_in_any_zone(first: date, last: date, zone: str) -> None:
    """Also at either end of the calendar, where midnight is no instant in every zone."""
    span = calendar.whole_days(min(first, last), max(first, last), zone)
    assert span.start < span.end


@given(end=instants, count=st.integers(0, 400), unit=st.sampled_from(("day", "business day", "hour")), who=schedules())
def test_what_lies_ahead_of_an_end_leaves_at_least_that_long(
    end: datetime, count: int, unit: Literal["day", "business day", "hour"], who: Schedule
) -> None:
    """So many days before an end is when work begins on the last day that leaves as many, and never later."""
    at = calendar.ahead_of(end, Offset(count=count, unit=unit), who)
    assert at <= end
    if unit == "hour":
        assert end - at == timedelta(hours=count)
        return
    assert at == next_working_instant(at, who)
    place = ZoneInfo(who.zone)
    if unit == "business day":
        days = (at.astimezone(place).date() + n * DAY for n in range(1, (end - at).days + 3))
        begun = [day for day in days if is_business_day(day, who) and working_windows(who, day, day)[0].start <= end]
        assert len(begun) == count
    else:
        latest = end.astimezone(place).date() - count * DAY
        assert at.astimezone(place).date() <= latest
