"""What the desk promises: dues in its own hours, a clock that stands while it waits, and what breaks a promise."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from hypothesis import given, settings, strategies as st

from rapport.model.account import Schedule, WorkingHours
from rapport.rules.calendar import Interval, next_working_instant
from rapport.rules.sla import (
    Clock,
    Promise,
    SlaDues,
    SlaKind,
    dues,
    go_on,
    heard,
    hours,
    stop,
    used,
)

DESK = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH", hours=WorkingHours(start=time(8), end=time(18)))
DESKS = (
    DESK,
    Schedule(zone="America/St_Johns"),
    Schedule(zone="Pacific/Auckland", hours=WorkingHours(days=frozenset({"mon", "wed", "sat"}))),
)
TUESDAY = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

instants = st.integers(0, 60 * 24 * 40).map(lambda minutes: datetime(2026, 10, 20, tzinfo=UTC) + minutes * MINUTE)
amounts = st.integers(10, 60 * 40).map(lambda minutes: minutes * MINUTE)
promises = st.builds(Promise, amounts, amounts)


@st.composite
def clocks(draw: st.DrawFn) -> Clock:
    """A clock that was stopped some times, and runs."""
    since = draw(instants)
    gaps = draw(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), max_size=4))
    clock, at = Clock(draw(st.sampled_from(SlaKind)), since), since
    for run, halt in gaps:
        clock = stop(clock, at + run * MINUTE)
        at += (run + halt) * MINUTE
        clock = go_on(clock, at)
    return clock


@given(clocks(), promises, st.sampled_from(DESKS), st.booleans())
@settings(deadline=None)
def test_dues_lie_in_order_and_a_breach_is_when_the_time_is_used_up(
    clock: Clock, promise: Promise, desk: Schedule, around: bool
) -> None:
    """Reminder, draft and breach come in order, in the hours that count, and the time is used up at the breach."""
    found = dues(clock, promise, desk, around_the_clock=around)
    assert found is not None
    assert clock.since < found.remind <= found.draft <= found.breach
    amount = promise.time_for(clock.kind)
    assert used(clock, found.breach, desk, around_the_clock=around) == amount
    assert used(clock, found.remind, desk, around_the_clock=around) * 2 <= amount + MINUTE
    if not around:
        for at in found:
            assert at == next_working_instant(at, desk, clock.stops)
    for stop_ in clock.stops:
        assert not any(stop_.start < at < stop_.end for at in found)


@given(clocks(), promises, st.sampled_from(DESKS), st.booleans(), st.integers(1, 6000))
@settings(deadline=None)
def test_an_answer_before_the_breach_keeps_the_promise_and_one_after_it_does_not(
    clock: Clock, promise: Promise, desk: Schedule, around: bool, minutes: int
) -> None:
    """An answer up to the last instant of the promised time uses no more than it, a minute later it does."""
    found = dues(clock, promise, desk, around_the_clock=around)
    assert found is not None
    amount = promise.time_for(clock.kind)
    assert used(clock, found.breach, desk, around_the_clock=around) <= amount
    assert used(clock, found.breach - minutes * MINUTE, desk, around_the_clock=around) <= amount
    assert used(clock, found.breach + MINUTE, desk, around_the_clock=around) > amount


@given(promises, st.sampled_from(DESKS), instants, st.integers(0, 3000), st.integers(0, 9000), st.booleans())
@settings(deadline=None)
def test_a_wait_for_the_customer_costs_the_desk_nothing(
    promise: Promise, desk: Schedule, since: datetime, ran: int, waited: int, around: bool
) -> None:
    """While the clock stands nothing is due and no time is used; afterwards what was left is left again."""
    clock = Clock(SlaKind.FIRST_ANSWER, since)
    before = used(clock, since + ran * MINUTE, desk, around_the_clock=around)
    standing = stop(clock, since + ran * MINUTE)
    assert dues(standing, promise, desk, around_the_clock=around) is None
    assert stop(standing, since + (ran + 5) * MINUTE) == standing
    back = since + (ran + waited) * MINUTE
    assert used(standing, back, desk, around_the_clock=around) == before
    assert used(go_on(standing, back), back, desk, around_the_clock=around) == before
    assert go_on(clock, back) == clock


def test_desk_hours_are_what_counts() -> None:
    """Four hours that begin an hour before the desk closes on Friday end on Monday at eleven."""
    friday = datetime(2026, 11, 27, 16, tzinfo=UTC)
    found = dues(Clock(SlaKind.FIRST_ANSWER, friday), Promise(4 * HOUR, 8 * HOUR), DESK)
    assert found == SlaDues(
        remind=datetime(2026, 11, 30, 8, tzinfo=UTC),
        draft=datetime(2026, 11, 30, 9, 12, tzinfo=UTC),
        breach=datetime(2026, 11, 30, 10, tzinfo=UTC),
    )
    around = dues(Clock(SlaKind.FIRST_ANSWER, friday), Promise(4 * HOUR, 8 * HOUR), DESK, around_the_clock=True)
    assert around is not None
    assert around.breach == friday + 4 * HOUR


def test_a_stop_at_night_moves_nothing() -> None:
    """Hours in which the desk is closed anyway are not given back."""
    night = Interval(datetime(2026, 11, 24, 18, tzinfo=UTC), datetime(2026, 11, 25, 6, tzinfo=UTC))
    promise = Promise(12 * HOUR, 12 * HOUR)
    quiet = dues(Clock(SlaKind.NEXT_UPDATE, TUESDAY), promise, DESK)
    assert dues(Clock(SlaKind.NEXT_UPDATE, TUESDAY, (night,)), promise, DESK) == quiet


def test_around_the_clock_needs_a_rota_and_a_page() -> None:
    """Without a rota or a page, severity 1 keeps desk hours, and says why."""
    grave = Promise(HOUR, 2 * HOUR, around_the_clock=True)
    assert hours(grave, rota=True, paging=True) == (True, None)
    assert hours(grave, rota=False, paging=True).reason == "keeps desk hours: there is no on-call rota"
    both = hours(grave, rota=False, paging=False)
    assert both == (False, "keeps desk hours: there is no on-call rota and no paging webhook")
    assert hours(Promise(HOUR, HOUR), rota=True, paging=True) == (False, None)


def test_each_word_to_the_customer_promises_the_next() -> None:
    """After an answer the clock of the next update begins, stopped if the case waits for its customer."""
    first = Clock(SlaKind.FIRST_ANSWER, TUESDAY)
    assert heard(first, TUESDAY + HOUR) == Clock(SlaKind.NEXT_UPDATE, TUESDAY + HOUR)
    asked = heard(stop(first, TUESDAY + HOUR), TUESDAY + 2 * HOUR)
    assert asked.stopped_at == TUESDAY + 2 * HOUR
    assert go_on(asked, TUESDAY + 3 * HOUR).stops == (Interval(TUESDAY + 2 * HOUR, TUESDAY + 3 * HOUR),)
