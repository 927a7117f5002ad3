"""When standing meetings and reviews take place, across zones, clock changes and holidays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
from dateutil.rrule import rruleset, rrulestr  # type: ignore[import-untyped]
from hypothesis import given, settings, strategies as st

from rapport.mail import invite
from rapport.model.account import Schedule, WorkingHours
from rapport.model.cadence import StandingTime
from rapport.rules import calendar, recurrence
from rapport.rules.calendar import Interval, Party

ZURICH = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH")
NEW_YORK = Schedule(zone="America/New_York", country="US", subdivision="NY")
AUCKLAND = Schedule(zone="Pacific/Auckland", country="NZ", subdivision="AUK")
SYDNEY = Schedule(zone="Australia/Sydney", country="AU", subdivision="NSW")
SANTIAGO = Schedule(zone="America/Santiago", country="CL")
KOLKATA = Schedule(zone="Asia/Kolkata", country="IN", subdivision="KA")
CAIRO = Schedule(zone="Africa/Cairo", country="EG")
PEOPLE = (ZURICH, NEW_YORK, AUCKLAND, SYDNEY, SANTIAGO, KOLKATA, CAIRO)
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)

EVERY = settings(deadline=None, max_examples=60)
somebody = st.sampled_from(PEOPLE)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)
)
clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))


@given(somebody, somebody, instants, st.integers(0, 6), clocks, st.sampled_from([1, 2]))
@EVERY
def test_every_occurrence_shows_the_same_time_on_the_wall(
    tam: Schedule, champion: Schedule, now: datetime, weekday: int, at: time, weeks: int
) -> None:
    """A standing time stays on its weekday and wall time through every change of the clocks; holidays are off."""
    standing = recurrence.set_by_hand(now, weekday, at, champion)
    planned = recurrence.occurrences(
        standing, weeks=weeks, minutes=15, after=now, number=0, tam=tam, champion=champion, limit=60
    )
    place = ZoneInfo(champion.zone)
    assert [one.number for one in planned] == list(range(1, 61))
    for one in planned:
        local = one.start.astimezone(place)
        assert (local.date(), local.weekday()) == (one.day, weekday)
        assert local.time() == at or local.utcoffset() != (local - timedelta(hours=2)).utcoffset()
        assert one.start > now + timedelta(days=1)
        off = any(
            not calendar.is_business_day(one.start.astimezone(ZoneInfo(person.zone)).date(), person)
            for person in (tam, champion)
        )
        assert (one.off == "holiday") is off
    assert {later.day - earlier.day for earlier, later in pairwise(planned)} == {timedelta(weeks=weeks)}


@given(somebody, somebody, instants)
@EVERY
def test_the_brief_comes_in_the_tams_hours_and_before_the_meeting(
    tam: Schedule, champion: Schedule, now: datetime
) -> None:
    """Each tick lies before its meeting, within the TAM's working day, and after the one before."""
    standing = recurrence.set_by_hand(now, 2, time(11), champion)
    planned = recurrence.occurrences(
        standing, weeks=1, minutes=15, after=now, number=0, tam=tam, champion=champion, limit=53
    )
    for one in planned:
        assert one.tick < one.start
        local = one.tick.astimezone(ZoneInfo(tam.zone))
        assert calendar.is_business_day(local.date(), tam) or champion.zone != tam.zone
        assert one.until < one.tick.astimezone(ZoneInfo(champion.zone)).date()
    ticks = [one.tick for one in planned]
    assert ticks == sorted(ticks)


@given(somebody, somebody, st.lists(somebody, max_size=2), instants, st.sampled_from([1, 2]))
@settings(deadline=None, max_examples=25)
def test_a_chosen_time_suits_those_who_are_needed(
    tam: Schedule, champion: Schedule, group: list[Schedule], now: datetime, weeks: int
) -> None:
    """What is chosen lies in everyone's hours on at least three of four dates of a year; nothing else is chosen."""
    company = recurrence.Company(
        Party(tam), Party(champion), [[Party(one) for one in group]] if group else [], [Party(one) for one in group]
    )
    found = recurrence.choose(now, 15, weeks, company)
    if found is None:
        return
    dates = recurrence.dates(found, weeks=weeks, until=now + timedelta(weeks=50))
    held = [at for at in dates if not recurrence.is_off(at, (tam, champion))]

    def works(person: Schedule, at: datetime) -> bool:
        return calendar.next_working_instant(at, person) == at

    suits = [
        at
        for at in held
        if works(tam, at) and works(champion, at) and (not group or any(works(one, at) for one in group))
    ]
    assert len(suits) >= 0.7 * len(held)
    assert found.first >= now.astimezone(ZoneInfo(champion.zone)).date() + timedelta(days=3)


@pytest.mark.parametrize(("tam", "champion"), [(ZURICH, AUCKLAND), (AUCKLAND, ZURICH)])
def test_no_common_hour_is_none(tam: Schedule, champion: Schedule) -> None:
    """Zurich and Auckland share no hour between nine and five: there is no standing time."""
    assert recurrence.choose(NOW, 15, 1, recurrence.Company(Party(tam), Party(champion))) is None


def test_what_the_tam_does_each_week_is_left_alone() -> None:
    """A time at which the TAM's calendar is full for the coming quarter is not chosen."""
    free = recurrence.choose(NOW, 15, 1, recurrence.Company(Party(ZURICH), Party(ZURICH)))
    assert free is not None
    taken = tuple(
        Interval(start, start + timedelta(hours=1))
        for start in recurrence.dates(free, weeks=1, until=NOW + timedelta(weeks=14))
    )
    other = recurrence.choose(NOW, 15, 1, recurrence.Company(Party(ZURICH, taken), Party(ZURICH)))
    assert other is not None
    assert (other.weekday, other.at) != (free.weekday, free.at)


@given(somebody, st.integers(1, 14))
@settings(deadline=None, max_examples=12)
def test_standing_meetings_of_one_member_spread_over_the_week(tam: Schedule, book: int) -> None:
    """However many accounts: no two at one time, and no day of the week has two more than another that has room."""
    taken: list[Interval] = []
    load: Counter[int] = Counter()
    for _ in range(book):
        company = recurrence.Company(
            Party(tam, tuple(calendar.merge(taken))), Party(tam), taken=calendar.merge(taken), load=load
        )
        found = recurrence.choose(NOW, 30, 1, company)
        assert found is not None
        planned = recurrence.occurrences(
            found, weeks=1, minutes=30, after=NOW, number=0, tam=tam, champion=tam, limit=recurrence.BATCH
        )
        dates = [Interval(one.start, one.end) for one in planned if one.off is None]
        assert calendar.intersect(dates, taken) == []
        taken += dates
        load[found.weekday] += 1
    assert max(load.values()) - min(load[day] for day in load if load[day]) <= 1
    assert len(load) == min(book, 5)


@given(somebody, somebody, instants, st.sampled_from([3, 6]))
@EVERY
def test_reviews_come_one_a_period_with_their_lead(
    tam: Schedule, champion: Schedule, began: datetime, months: int
) -> None:
    """No two reviews share a quarter; times are offered, then its facts come, then it is to be prepared, then due."""
    plans = [recurrence.review(began, months, 25, 10, number, tam, champion) for number in range(1, 9)]
    assert len({plan.period for plan in plans}) == 8
    for plan in plans:
        assert plan.offer_at < plan.prepare_by < plan.target
        assert plan.brief_at < plan.prepare_by, "what it is prepared with comes first"
        assert calendar.business_days_until(plan.offer_at, plan.target, champion) == 25
        assert calendar.is_business_day(plan.target.astimezone(ZoneInfo(champion.zone)).date(), champion)
        assert timedelta(0) <= plan.target.astimezone(ZoneInfo(champion.zone)).date() - plan.day < timedelta(days=12)
    assert all(later.since == earlier.day for earlier, later in pairwise(plans))


def test_a_review_at_the_end_of_a_month_does_not_wander() -> None:
    """Three months after 30 November is 28 February, and three more 30 May again."""
    began = datetime(2026, 11, 30, 9, tzinfo=UTC)
    days = [recurrence.review(began, 3, 25, 10, number, ZURICH, ZURICH).day for number in range(1, 5)]
    assert days == [date(2027, 2, 28), date(2027, 5, 30), date(2027, 8, 30), date(2027, 11, 30)]


# --- as other calendars read it


@given(somebody, somebody, instants, st.integers(0, 4), st.integers(8, 16), st.sampled_from([1, 2]))
@EVERY
def test_another_reader_finds_the_same_dates(
    tam: Schedule, champion: Schedule, now: datetime, weekday: int, hour: int, weeks: int
) -> None:
    """Expanded by another program, the series gives exactly the dates that are held, for a year."""
    standing = recurrence.set_by_hand(now, weekday, time(hour), champion)
    until = calendar.wall(standing.first, standing.at, standing.zone) + timedelta(weeks=53)
    off = recurrence.off_days(standing, weeks=weeks, until=until, tam=tam, champion=champion)
    data = invite.request(series(standing, weeks, off, until, tam, champion))
    event, *others = events(data)
    begins = event["DTSTART"].dt
    in_utc = begins.tzinfo is UTC or str(begins.tzinfo) == "UTC"
    place = UTC if in_utc else ZoneInfo(champion.zone)
    rules = rruleset()
    rule = event["RRULE"].to_ical().decode()
    # That reader wants the end of a rule without a zone where the beginning has none.
    rules.rrule(rrulestr(rule.replace("Z", ""), dtstart=begins.replace(tzinfo=None)))
    excluded = event.get("EXDATE", [])
    for some in excluded if isinstance(excluded, list) else [excluded]:
        for one in some.dts:
            rules.exdate(one.dt.replace(tzinfo=None))
    last = (until + timedelta(hours=2)).astimezone(place).replace(tzinfo=None)
    walls = rules.between(begins.replace(tzinfo=None), last, inc=True)
    elsewhere = {one["RECURRENCE-ID"].dt.astimezone(UTC): one["DTSTART"].dt.astimezone(UTC) for one in others}
    by_rule = [wall.replace(tzinfo=place).astimezone(UTC) for wall in walls]
    read = [at for one in by_rule if (at := elsewhere.get(one, one)) <= until]
    assert set(elsewhere) <= set(by_rule)
    assert read == [at for at in recurrence.dates(standing, weeks=weeks, until=until) if at not in off]


def events(data: bytes) -> list[Any]:
    """The events of an invitation: the series, and what takes place at another time than its rule says."""
    return [*icalendar.Calendar.from_ical(data).events]


def only_event(data: bytes) -> Any:
    """The one event of an invitation."""
    (event,) = events(data)
    return event


def series(
    standing: StandingTime, weeks: int, off: tuple[datetime, ...], until: datetime, tam: Schedule, champion: Schedule
) -> invite.Invitation:
    """The invitation to a standing meeting."""
    first = recurrence.first(standing, 15, tam, champion)
    return invite.Invitation(
        uid="v.weekly.series@foobar.example",
        sequence=0,
        stamp=first.start - timedelta(days=4),
        start=first.start,
        end=first.end,
        zone=standing.zone,
        summary="Weekly sync",
        description="",
        location="",
        join_url=None,
        organizer_name="Robin Keller",
        organizer="onboarding@foobar.example",
        attendees=(),
        series=invite.EventSeries(weeks, off, (), tuple(recurrence.dates(standing, weeks=weeks, until=until))),
    )


def test_where_no_yearly_rule_holds_a_rule_in_utc_is_written_with_the_dates_that_leave_it() -> None:
    """Readers make no series of mere dates, and some leave the first out. Cairo's clocks are followed date by date."""
    cairo = Schedule(zone="Africa/Cairo", hours=WorkingHours(days=frozenset({"sun", "mon", "tue", "wed", "thu"})))
    standing = recurrence.set_by_hand(NOW, 1, time(10), cairo)
    until = NOW + timedelta(weeks=52)
    dates = recurrence.dates(standing, weeks=1, until=until)
    data = invite.request(series(standing, 1, (dates[3], dates[30]), until, cairo, cairo))
    event, *others = events(data)
    assert "RDATE" not in event
    assert event["RRULE"]["FREQ"] == ["WEEKLY"]
    assert event["RRULE"]["UNTIL"][0] >= dates[-1]
    assert 20 < len(others) < 32
    assert {str(one["UID"]) for one in others} == {str(event["UID"])}
    assert {one["DTSTART"].dt.astimezone(ZoneInfo("Africa/Cairo")).time() for one in (event, *others)} == {time(10)}
    assert len(event["EXDATE"].dts) == 2
    # One of them is named later by the instant that the rule in these calendars gives it.
    moved = series(standing, 1, (), until, cairo, cairo)
    one = replace(moved, series=None, occurrence=dates[30], counted_from=dates[0], start=dates[30], end=dates[31])
    (told,) = events(invite.cancel(one))
    assert told["RECURRENCE-ID"].dt in {other.dt for other in event["EXDATE"].dts}


def test_a_series_in_utc_has_a_plain_rule() -> None:
    """That zone has no change of the clock."""
    utc = Schedule(zone="UTC")
    standing = recurrence.set_by_hand(NOW, 1, time(10), utc)
    event = only_event(invite.request(series(standing, 2, (), NOW + timedelta(weeks=52), utc, utc)))
    assert event["RRULE"].to_ical() == b"FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"
    assert "RDATE" not in event
