"""What is due of a cadence, and what may be changed of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import pytest
from hypothesis import given, settings, strategies as st

from rapport.model.account import Schedule
from rapport.model.cadence import (
    MoveOne,
    NotHeld,
    Occurrence,
    SetRhythm,
    SkipOne,
    StandingMeeting,
    StandingParty as Invited,
    StandingTime,
    SyncPlan,
)
from rapport.model.step import SyncStep
from rapport.playbooks import load
from rapport.rules import cadence, recurrence

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)
WHO = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH")
STANDING = StandingTime(weekday=3, at=time(10), zone="Europe/Zurich", first=date(2026, 11, 26))
STEP = next(step for step in load("enterprise").steps if isinstance(step, SyncStep))
FIRST = date(2026, 11, 26)


def sync(count: int = 14) -> StandingMeeting:
    """A weekly sync with so many dates planned."""
    planned = recurrence.occurrences(
        STANDING, weeks=1, minutes=15, after=BEGAN, number=0, tam=WHO, champion=WHO, limit=count
    )
    return StandingMeeting(
        step=STEP,
        standing=STANDING,
        party=Invited(tam="m_tam", invitees=()),
        first=planned[0],
        occurrences=planned,
        number=count,
    )


@given(
    st.lists(st.timedeltas(timedelta(minutes=1), timedelta(days=60)), min_size=1, max_size=40),
    st.sets(st.integers(1, 26), max_size=8),
)
@settings(deadline=None)
def test_each_date_is_briefed_on_once_in_time_or_missed_once(waits: list[timedelta], skipped: set[int]) -> None:
    """However long nobody looks: no date is briefed on late or twice, none is forgotten, none that is off is told."""
    state, now = sync(26), BEGAN
    for one in state.occurrences:
        if one.number in skipped:
            state = cadence.replaced(state, one.model_copy(update={"off": "skipped"}))
    all_dates = state.occurrences
    briefed: list[int] = []
    missed: list[datetime] = []
    for wait in waits:
        now += wait
        while True:
            turn = cadence.take_due(state, now)
            state = turn.sync
            missed += [one.at for one in turn.missed]
            if turn.brief is None:
                break
            assert turn.brief.tick <= now < turn.brief.start
            briefed.append(turn.brief.number)
    due = [one for one in all_dates if one.off is None and one.tick <= now]
    assert sorted([*briefed, *(one.number for one in due if one.start in missed)]) == [one.number for one in due]
    assert len(missed) == len(set(missed))
    assert all(at <= now for at in missed)


@given(st.integers(0, 13))
def test_planning_again_changes_nothing_that_was_planned(done: int) -> None:
    """More dates join those that there are; a date that was moved or called off stays so."""
    state = sync()
    one = state.occurrences[done]
    state = cadence.replaced(state, one.model_copy(update={"off": "skipped"}))
    more = recurrence.occurrences(STANDING, weeks=1, minutes=15, after=BEGAN, number=0, tam=WHO, champion=WHO, limit=20)
    plan = SyncPlan(party=Invited(tam="m_tam", invitees=()), standing=STANDING, first=more[0], occurrences=more)
    again = cadence.planned(state, plan)
    assert [found.day for found in again.occurrences] == [found.day for found in more]
    assert again.occurrences[done].off == "skipped"
    assert again.number == 20


def test_few_dates_left_ask_for_more() -> None:
    """Members can always speak of the next few dates, so more are planned before they run out."""
    assert not cadence.runs_out(sync())
    assert cadence.runs_out(sync(cadence.AHEAD - 1))


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (SkipOne(at=BEGAN, id="1", by="m", step="weekly", day=FIRST), None),
        (
            SkipOne(at=BEGAN, id="1", by="m", step="weekly", day=FIRST + timedelta(days=1)),
            "there is none on 2026-11-27",
        ),
        (SkipOne(at=BEGAN, id="1", by="m", step="daily", day=FIRST), 'no standing meeting "daily"'),
        (SkipOne(at=BEGAN, id="1", by="m", step="weekly", day=date(2027, 5, 6)), "not planned yet"),
        (
            MoveOne(at=BEGAN, id="1", by="m", step="weekly", day=FIRST, start=datetime(2026, 11, 27, 9, tzinfo=UTC)),
            None,
        ),
        (MoveOne(at=BEGAN, id="1", by="m", step="weekly", day=FIRST, start=BEGAN), "in the past"),
        (
            MoveOne(at=BEGAN, id="1", by="m", step="weekly", day=FIRST, start=datetime(2026, 12, 4, 9, tzinfo=UTC)),
            "comes before that",
        ),
        (
            MoveOne(at=BEGAN, id="1", by="m", step="weekly", day=FIRST, start=datetime(2026, 12, 3, 9, 5, tzinfo=UTC)),
            "is held then",
        ),
        (NotHeld(at=BEGAN, id="1", by="m", step="weekly", day=FIRST), "has not begun"),
        (NotHeld(at=BEGAN, id="1", by="m", step="weekly", day=date(2026, 11, 19)), "too long ago"),
        (SetRhythm(at=BEGAN, id="1", by="m", step="weekly", weekday=1, clock=time(10)), None),
        (SetRhythm(at=BEGAN, id="1", by="m", step="weekly", weekday=9, clock=time(10)), "no such day"),
    ],
)
def test_what_may_be_changed(op: SkipOne | MoveOne | NotHeld | SetRhythm, reason: str | None) -> None:
    """What cannot be done is refused in words that say what can."""
    syncs = {"weekly": sync(10)}
    match op:
        case SkipOne():
            found = cadence.judge_skip(op, syncs, BEGAN)
        case MoveOne():
            found = cadence.judge_move(op, syncs, BEGAN)
        case NotHeld():
            found = cadence.judge_not_held(op, syncs, BEGAN)
        case SetRhythm():
            found = cadence.judge_set(op, syncs)
    assert (found is None) is (reason is None)
    assert reason is None or reason in (found or "")


def test_a_moved_date_keeps_its_lead() -> None:
    """The brief of a moved date goes as long before it as before, and never in the past."""
    one: Occurrence = sync().occurrences[1]
    later = one.start + timedelta(days=1)
    assert cadence.lead(one, later, BEGAN) == one.tick + timedelta(days=1)
    assert cadence.lead(one, BEGAN + timedelta(hours=2), BEGAN) == BEGAN


@given(
    weeks=st.sampled_from(["1 week", "2 weeks"]),
    minutes=st.sampled_from([15, 20, 30]),
    gone=st.integers(0, 4),
    off=st.sets(st.integers(0, 13), max_size=4),
    moved=st.sets(st.integers(0, 13), max_size=3),
)
@settings(deadline=None)
def test_another_definition_plans_each_date_once_and_keeps_what_was_said(
    weeks: Literal["1 week", "2 weeks"], minutes: int, gone: int, off: set[int], moved: set[int]
) -> None:
    """From the next brief on dates follow the new rule, in order; the next one stays, and so does what was said."""
    state = sync()
    for index in off:
        state = cadence.replaced(state, state.occurrences[index].model_copy(update={"off": "skipped"}))
    for index in moved - off:
        one = next(one for one in state.occurrences if one.number == index + 1)
        later = {"start": one.start + timedelta(hours=2), "end": one.end + timedelta(hours=2)}
        state = cadence.replaced(state, one.model_copy(update=later))
    before = state.occurrences
    now = BEGAN if gone == 0 else before[gone - 1].end + timedelta(hours=3)
    state = cadence.take_due(state, now).sync
    while state.occurrences and state.occurrences[0].tick <= now:
        state = cadence.take_due(state, now).sync
    step = STEP.model_copy(update={"every": weeks, "minutes": minutes})
    anew = cadence.redefined(state, step, now)
    assert anew.standing is not None
    if (weeks, minutes) == (STEP.every, STEP.minutes):
        assert anew.occurrences == state.occurrences
        return
    after = max([now, *(one.original for one in anew.recent)])
    new = recurrence.occurrences(
        anew.standing, weeks=step.weeks, minutes=minutes, after=after, number=anew.number, tam=WHO, champion=WHO
    )
    plan = SyncPlan(party=Invited(tam="m_tam", invitees=()), standing=anew.standing, first=new[0], occurrences=new)
    found = cadence.planned(anew, plan)
    everything = (*found.recent, *found.occurrences)
    assert len({one.day for one in everything}) == len(everything)
    assert len({one.number for one in everything}) == len(everything)
    ahead = [one for one in cadence.upcoming(state, now) if one.off is None]
    assert ahead[0].original in [one.original for one in cadence.upcoming(found, now)]
    for one in found.occurrences:
        assert (one.day - anew.standing.first).days % (7 * step.weeks) == 0
        assert one.end - one.start == timedelta(minutes=minutes)
        said = next((known for known in before if known.day == one.day), None)
        if said is not None and one.day >= anew.standing.first:
            assert (one.off, one.start) == (said.off, said.start)
