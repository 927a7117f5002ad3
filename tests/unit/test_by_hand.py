"""A time set by hand: what speaks against it is said, and nothing is said of a time that could have been offered."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, strategies as st

from rapport.model.account import Schedule, WorkingHours
from rapport.rules import calendar
from rapport.rules.calendar import Interval, Party
from rapport.rules.hour import Engagement, Needed, objections

MONDAY = datetime(2026, 12, 7, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ROBIN = Needed("Robin", Schedule(zone="Europe/Zurich", country="CH"))
DANA = Needed("Dana", Schedule(zone="America/New_York", country="US"))
KICKOFF = Engagement(Interval(MONDAY.replace(hour=9), MONDAY.replace(hour=10)), "meeting", "kickoff, handco")
AWAY = Engagement(Interval(MONDAY, MONDAY + timedelta(days=2)), "absence")


def at(day: int, hour: int) -> Interval:
    """Half an hour, so many days after that Monday."""
    start = MONDAY + timedelta(days=day, hours=hour)
    return Interval(start, start + HALF_HOUR)


@pytest.mark.parametrize(
    ("slot", "who", "said"),
    [
        (at(1, 9), ROBIN, []),
        (at(-1, 2), ROBIN, ["Sunday isn't a working day of Robin"]),
        (at(18, 9), ROBIN, ["25 December is a public holiday for Robin"]),
        (at(1, 5), ROBIN, ["06:00 to 06:30 (Zurich time) is outside the working hours of Robin"]),
        (at(1, 12), DANA, ["07:00 to 07:30 (New York time) is outside the working hours of Dana"]),
        (
            at(0, 9),
            ROBIN._replace(engagements=(KICKOFF, AWAY)),
            [
                "Robin has another meeting from 10:00 to 11:00 (kickoff, handco)",
                "Robin is out of office until 2026-12-09 01:00",
            ],
        ),
        (at(0, 10), ROBIN._replace(engagements=(KICKOFF,)), []),
    ],
)
def test_the_reason_is_named(slot: Interval, who: Needed, said: list[str]) -> None:
    """Weekend, holiday, hours, another meeting and an absence, each in the person's own zone."""
    assert objections(slot, [[who]]) == said


def test_of_a_group_one_is_enough() -> None:
    """Where one of two who may decide can come, nothing speaks against it; where neither can, both are named."""
    morning, night = at(1, 9), at(1, 2)
    assert objections(morning, [[ROBIN, DANA]]) == []
    assert objections(morning, [[ROBIN], [DANA]]) == [
        "04:00 to 04:30 (New York time) is outside the working hours of Dana"
    ]
    assert len(objections(night, [[ROBIN, DANA]])) == 2


zones = st.sampled_from(["Europe/Zurich", "America/New_York", "Asia/Kolkata", "Africa/Cairo", "UTC"])
schedules = st.builds(
    lambda zone, country, first, length: Schedule(
        zone=zone, country=country, hours=WorkingHours(start=time(first), end=time(first + length))
    ),
    zones,
    st.sampled_from([None, "CH", "US", "EG"]),
    st.integers(5, 12),
    st.integers(4, 11),
)
busy = st.lists(
    st.builds(
        lambda start, length: Engagement(
            Interval(MONDAY + start * HALF_HOUR, MONDAY + (start + length) * HALF_HOUR), "meeting", "x"
        ),
        st.integers(0, 14 * 48),
        st.integers(1, 48),
    ),
    max_size=6,
)


@given(schedules, busy, schedules, st.sampled_from([30, 60, 240]))
def test_nothing_is_said_of_a_time_that_is_offered(
    ours: Schedule, taken: list[Engagement], theirs: Schedule, minutes: int
) -> None:
    """Whatever the hours, zones and holidays, and whatever is taken: what is offered needs no `--anyway`."""
    offered = calendar.propose_slots(
        now=MONDAY,
        minutes=minutes,
        must=[Party(ours, tuple(calendar.merge(one.time for one in taken))), Party(theirs)],
        nice=[],
        customer=theirs,
        earliest=1,
        latest=8,
        limit=20,
    )
    needed = [[Needed("Robin", ours, tuple(taken))], [Needed("Dana", theirs)]]
    for slot in offered:
        assert objections(Interval(slot.start, slot.end), needed) == []


@given(schedules, busy, st.integers(0, 10 * 48))
def test_whatever_lies_outside_or_on_another_meeting_is_said(
    ours: Schedule, taken: list[Engagement], half_hours: int
) -> None:
    """Exactly the times that are wholly free working time have nothing said of them."""
    slot = Interval(MONDAY + half_hours * HALF_HOUR, MONDAY + (half_hours + 1) * HALF_HOUR)
    first, last = (MONDAY + timedelta(days=days) for days in (-2, 14))
    free = calendar.subtract(calendar.working_windows(ours, first.date(), last.date()), [one.time for one in taken])
    assert (objections(slot, [[Needed("Robin", ours, tuple(taken))]]) == []) is (calendar.subtract([slot], free) == [])
