"""What an operation does to the steps of a running onboarding, and when it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from rapport.model.account import Schedule
from rapport.model.base import suggestion
from rapport.model.operation import OF_A_STEP, Control, ControlKind, Operate, Operation, Seen
from rapport.rules.calendar import add_business_days, after_pause
from rapport.rules.onboarding import Progress, Steps, StepState
from rapport.rules.playbook_migration import adopted, changes

ELSEWHERE = "elsewhere"
CANCELLED = "cancelled"
UNCHANGED = "nothing to do"
RENEWED = "renewed"


class Applied(NamedTuple):
    """An onboarding's steps as an operation leaves them, and who has to be told.

    Attributes:
        outcome: In a word, for whoever asked; an operation that changes nothing says so.
        controls: What the workflows of running steps have to be told, by step.
        staggers: Whether several steps may have become due at once, which then begin one a business day.
    """

    steps: dict[str, Progress]
    paused_at: datetime | None
    outcome: str
    controls: dict[str, Control]
    staggers: bool = False


def judge(steps: Steps, operation: Operation) -> str | None:
    """Why an operation cannot be done, in words for the person; nothing if it can."""
    if operation.kind not in OF_A_STEP:
        return None
    step = steps.get(operation.step or "")
    if step is None:
        return f"there is no step {operation.step!r}; {suggestion(operation.step or '', steps)}"
    if step.state is not _ENDS.get(operation.kind) and (now := _overtaken(step, operation.seen)) is not None:
        return f"{operation.step} has changed meanwhile: it is {now}; look again, and say then what becomes of it"
    if operation.kind is Operate.REDO and not (step.state.ended or step.state is StepState.FAILED):
        return f"{operation.step} has not ended; skip or complete it instead, or wait"
    if operation.kind is not Operate.REDO and step.state.ended and step.state is not _ENDS[operation.kind]:
        return f"{operation.step} has ended already: {step.outcome or step.state}; redo it if it has to be done again"
    return None


def _overtaken(step: Progress, seen: Seen | None) -> str | None:
    """How a step is by now, if it is no more what somebody decided about.

    That it began since, or is held up, changes nothing: what is to become of it can still become of it.
    """
    if seen is None or (seen.attempt == step.attempt and (seen.state == step.state or step.state in _OPEN)):
        return None
    how = step.state if step.state is StepState.FAILED else step.outcome or step.state
    return f"{how}, attempt {step.attempt}"


def apply(steps: Steps, paused_at: datetime | None, operation: Operation, now: datetime) -> Applied:
    """Do what `judge` lets pass. The same operation once more changes nothing.

    Args:
        paused_at: Since when the onboarding is paused, if it is.
    """
    before = dict(steps)
    unchanged = Applied(before, paused_at, UNCHANGED, {})
    name = operation.step or ""
    match operation.kind:
        case Operate.PAUSE:
            if paused_at is not None:
                return unchanged
            return Applied(before, now, "paused", _to_all(steps, ControlKind.PAUSE))
        case Operate.RESUME:
            if paused_at is None:
                return unchanged
            return Applied(before, None, "resumed", _to_all(steps, ControlKind.RESUME), staggers=True)
        case Operate.SKIP | Operate.COMPLETE:
            if steps[name].state.ended:
                return unchanged
            state, outcome = _ENDS[operation.kind], _OUTCOMES[operation.kind]
            after = before | {name: _ended(steps[name], state, outcome, now)}
            return Applied(after, paused_at, str(state), _closed([name], steps, operation))
        case Operate.REDO:
            again = Progress(definition=steps[name].definition, attempt=steps[name].attempt + 1, due=now)
            return Applied(before | {name: again}, paused_at, f"attempt {again.attempt}", {})
        case Operate.ADOPT:
            assert operation.playbook is not None
            adoption = changes(steps, operation.playbook, operation.left_out)
            if adoption.changes_nothing:
                return unchanged
            after = adopted(steps, operation.playbook, adoption, now)
            return Applied(after, paused_at, "adopted", {}, staggers=True)
        case Operate.CANCEL:
            left = [step for step, progress in steps.items() if not progress.state.ended]
            after = before | {step: _ended(steps[step], StepState.DROPPED, CANCELLED, now) for step in left}
            return Applied(after, None, CANCELLED, _closed(left, steps, operation))


def renewed(steps: Steps, now: datetime) -> Applied:
    """What becomes of an onboarding whose contract is renewed: what was to prepare that is over."""
    over = [name for name, step in steps.items() if step.definition.before is not None and not step.state.ended]
    after = {name: _ended(steps[name], StepState.SKIPPED, RENEWED, now) for name in over}
    running = [name for name in over if steps[name].state is StepState.RUNNING]
    controls = dict.fromkeys(running, Control(kind=ControlKind.CLOSE))
    return Applied({**steps, **after}, None, RENEWED if over else UNCHANGED, controls)


_OPEN = (StepState.WAITING, StepState.RUNNING)
_ENDS = {Operate.SKIP: StepState.SKIPPED, Operate.COMPLETE: StepState.DONE}
_OUTCOMES = {Operate.SKIP: "skipped", Operate.COMPLETE: ELSEWHERE}


def _ended(step: Progress, state: StepState, outcome: str, now: datetime) -> Progress:
    return step.model_copy(update={"state": state, "due": None, "ended": now, "outcome": outcome})


def _to_all(steps: Steps, kind: ControlKind) -> dict[str, Control]:
    return {name: Control(kind=kind) for name, step in steps.items() if step.state is StepState.RUNNING}


def _closed(names: Sequence[str], steps: Steps, operation: Operation) -> dict[str, Control]:
    running = [name for name in names if steps[name].state is StepState.RUNNING]
    outcome = _OUTCOMES.get(operation.kind, CANCELLED)
    word = Control(kind=ControlKind.CLOSE, by=operation.by, submission=operation.id, outcome=outcome)
    return dict.fromkeys(running, word)


def resumed(instants: Sequence[datetime], paused_at: datetime, now: datetime, who: Schedule) -> tuple[datetime, ...]:
    """When waits end that were interrupted by a pause: what working time was left is left again.

    Args:
        instants: When they would have ended. What was over by the pause is over.
        paused_at: Since when they stood still; a pause before they began has taken nothing from them.
        who: In whose working hours they are counted.
    """
    return tuple(at if min(at, now) <= paused_at else after_pause(at, paused_at, now, who) for at in instants)


def staggered(dues: Mapping[str, datetime], now: datetime, who: Schedule) -> dict[str, datetime]:
    """When steps begin of which several are due at once: the first now, each further one a business day later.

    Args:
        dues: By step, in the playbook's order; those that are due later stay as they are.
    """
    overdue = [name for name, due in dues.items() if due <= now]
    later = {name: add_business_days(now, count, who) for count, name in enumerate(overdue) if count}
    return {**dues, **later}
