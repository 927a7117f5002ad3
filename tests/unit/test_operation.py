"""What operations do to the steps of an onboarding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from rapport.model.account import Schedule
from rapport.model.operation import OF_A_STEP, ControlKind, Operate, Operation, Seen
from rapport.playbooks import load
from rapport.rules import onboarding, operation as operations
from rapport.rules.calendar import is_business_day, working_time
from rapport.rules.onboarding import Progress, StepState

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
PLAYBOOK = load("enterprise")
NAMES = [step.name for step in PLAYBOOK.steps]
ZURICH = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH")


@st.composite
def progress(draw: st.DrawFn) -> dict[str, Progress]:
    """Steps of the playbook in any states."""
    laid = onboarding.laid_out(PLAYBOOK, (), NOW)
    found = {}
    for name, step in laid.items():
        state = draw(st.sampled_from(StepState))
        ended = NOW if state.ended else None
        found[name] = step.model_copy(update={"state": state, "ended": ended, "outcome": "x" if ended else None})
    return found


def operation(kind: Operate, step: str | None = None) -> Operation:
    """A member's word."""
    playbook = PLAYBOOK if kind is Operate.ADOPT else None
    return Operation(at=NOW, id="s_1", by="m_1", kind=kind, step=step, playbook=playbook)


@given(progress(), st.sampled_from(Operate), st.sampled_from(NAMES), st.booleans())
def test_the_same_operation_twice_changes_nothing_more(
    steps: dict[str, Progress], kind: Operate, name: str, paused: bool
) -> None:
    """Done a second time, an operation that was let pass changes nothing, or is refused."""
    once = operation(kind, name if kind in OF_A_STEP else None)
    if operations.judge(steps, once) is not None:
        return
    first = operations.apply(steps, NOW if paused else None, once, NOW)
    if kind is Operate.REDO:
        assert operations.judge(first.steps, once) is not None
        return
    assert operations.judge(first.steps, once) is None
    again = operations.apply(first.steps, first.paused_at, once, NOW + timedelta(hours=1))
    assert (again.steps, again.paused_at, again.controls) == (first.steps, first.paused_at, {})


@given(
    progress(),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(sorted(OF_A_STEP)), min_size=2, max_size=5),
)
def test_of_several_who_decide_about_a_step_at_once_one_is_heard(
    steps: dict[str, Progress], name: str, kinds: list[Operate]
) -> None:
    """Whatever they say of the step that all of them saw, in whatever order it comes in, one word changes something."""
    seen, changes = Seen(attempt=steps[name].attempt, state=steps[name].state), 0
    for kind in kinds:
        word = operation(kind, name).model_copy(update={"seen": seen})
        if operations.judge(steps, word) is None:
            applied = operations.apply(steps, None, word, NOW)
            changes += applied.outcome != operations.UNCHANGED
            steps = applied.steps
    assert changes <= 1


@given(progress(), st.sampled_from(NAMES), st.sampled_from(sorted(OF_A_STEP)))
def test_a_step_that_has_begun_meanwhile_is_still_what_was_decided_about(
    steps: dict[str, Progress], name: str, kind: Operate
) -> None:
    """Whoever leaves out a step that waits leaves it out also where it has just begun."""
    seen = Seen(attempt=steps[name].attempt, state=StepState.WAITING)
    begun = {**steps, name: steps[name].model_copy(update={"state": StepState.RUNNING})}
    word = operation(kind, name)
    assert operations.judge(begun, word.model_copy(update={"seen": seen})) == operations.judge(begun, word)


@given(progress(), st.sampled_from(Operate), st.sampled_from(NAMES))
def test_what_is_not_named_stays_as_it_is(steps: dict[str, Progress], kind: Operate, name: str) -> None:
    """An operation on a step touches that step alone, and tells only running steps' workflows."""
    word = operation(kind, name if kind in OF_A_STEP else None)
    if operations.judge(steps, word) is not None:
        return
    applied = operations.apply(steps, None, word, NOW)
    if kind in OF_A_STEP:
        assert {other: step for other, step in applied.steps.items() if other != name} == {
            other: step for other, step in steps.items() if other != name
        }
    assert all(steps[other].state is StepState.RUNNING for other in applied.controls)


@given(progress())
def test_after_a_cancel_nothing_is_left_to_do(steps: dict[str, Progress]) -> None:
    """Everything has ended then, running steps are told to close, and what had ended keeps its outcome."""
    applied = operations.apply(steps, NOW, operation(Operate.CANCEL), NOW)
    assert not onboarding.unfinished(applied.steps)
    assert applied.paused_at is None
    running = {name for name, step in steps.items() if step.state is StepState.RUNNING}
    assert {name for name, control in applied.controls.items() if control.kind is ControlKind.CLOSE} == running
    assert all(applied.steps[name] == step for name, step in steps.items() if step.state.ended)


@pytest.mark.parametrize("kind", sorted(OF_A_STEP))
def test_an_unknown_step_is_refused_with_those_there_are(kind: Operate) -> None:
    """The refusal names the step and all that could be meant."""
    reason = operations.judge(onboarding.laid_out(PLAYBOOK, (), NOW), operation(kind, "nowhere"))
    assert reason is not None
    assert "nowhere" in reason
    assert all(name in reason for name in NAMES)


INSTANTS = st.timedeltas(timedelta(), timedelta(days=700)).map(lambda after: NOW + after)


@given(INSTANTS, st.timedeltas(timedelta(), timedelta(days=60)), st.timedeltas(timedelta(), timedelta(days=90)))
def test_a_wait_has_after_a_pause_what_was_left_of_it(paused_at: datetime, wait: timedelta, pause: timedelta) -> None:
    """To the minute, the working time from the pause to the end is that from the resume to the new end."""
    at, now = paused_at + wait, paused_at + pause
    (again,) = operations.resumed([at], paused_at, now, ZURICH)
    if at <= paused_at:
        assert again == at
        return
    left, then = working_time(paused_at, at, ZURICH), working_time(now, again, ZURICH)
    assert abs(left - then) <= timedelta(minutes=1)
    assert again >= now - timedelta(minutes=1)


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=8))
def test_what_is_due_at_once_begins_on_one_business_day_after_the_other(days: list[int]) -> None:
    """Of the steps that are due one begins now, and each further one on a business day of its own; none is lost."""
    dues = {f"s{index}": NOW + timedelta(days=count) for index, count in enumerate(days)}
    spread = operations.staggered(dues, NOW, ZURICH)
    assert spread.keys() == dues.keys()
    overdue = [name for name, due in dues.items() if due <= NOW]
    assert all(spread[name] == due for name, due in dues.items() if due > NOW)
    begins = [max(spread[name], NOW) for name in overdue]
    assert len({instant.date() for instant in begins}) == len(begins)
    assert all(is_business_day(instant.date(), ZURICH) for instant in begins[1:])


@given(st.sampled_from(NAMES))
def test_whoever_enters_in_the_middle_gets_nothing_earlier(at: str) -> None:
    """All that stands before the step, and all that it waits for, is over; the step itself waits for nothing."""
    steps = onboarding.laid_out(PLAYBOOK, (), NOW, at)
    assert steps[at].state is StepState.WAITING
    assert all(steps[name].state is StepState.SKIPPED for name in NAMES[: NAMES.index(at)])
    assert at in onboarding.ready(steps)
