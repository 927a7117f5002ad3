"""The rules of a running playbook: what may begin, what is due, which stage is reached."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from rapport.model.account import Facts, in_order
from rapport.model.base import Instant, WireModel
from rapport.model.playbook import Playbook
from rapport.model.projection import Milestone
from rapport.model.step import Gate, Stage, StepDefinition
from rapport.rules import audience
from rapport.rules.condition import holds


class StepState(StrEnum):
    """Where a step is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    DROPPED = "dropped"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it, so that steps after it may begin. Of what failed, somebody decides."""
        return self not in (StepState.WAITING, StepState.RUNNING, StepState.FAILED)


class Progress(WireModel):
    """One step of a running onboarding. `due` is set once everything in `after` has ended."""

    definition: StepDefinition
    state: StepState = StepState.WAITING
    attempt: int = 1
    due: Instant | None = None
    began: Instant | None = None
    ended: Instant | None = None
    outcome: str | None = None


Steps = Mapping[str, Progress]


def applies(when: Sequence[str], facts: Facts, present: Container[str]) -> bool:
    """Whether a step is part of an account's plan: if it has no `when`, or one of its conditions is known to hold.

    Args:
        present: The personas that the account has.
    """
    return not when or any(holds(condition, facts, present) for condition in when)


FOR_NOBODY: Final = "no one there for it"
"""The outcome of a step that is left out as nobody at the customer holds a persona for it."""

ALREADY: Final = "a customer already"
"""The outcome of a step that is over for an account that enters at a later one."""


def left_out(playbook: Playbook, facts: Facts, present: Iterable[str], *, ends: bool) -> tuple[str, ...]:
    """The steps of a playbook that an account does not get.

    Args:
        present: The personas that the account has.
        ends: Whether its contract has an end that is still to come, before which steps can stand.
    """
    personas = set(present)
    return tuple(
        step.name
        for step in playbook.steps
        if not applies(step.when, facts, personas) or (step.before is not None and not ends)
    )


def milestones(steps: Steps) -> tuple[Milestone, ...]:
    """The steps as lists show them, in the playbook's order; what each waits for is not known here."""
    return tuple(
        Milestone.made_of(
            step,
            step=name,
            position=position,
            title=step.definition.title,
            stage=step.definition.stage,
            kind=step.definition.kind,
        )
        for position, (name, step) in enumerate(steps.items())
    )


def laid_out(playbook: Playbook, omitted: Iterable[str], now: datetime, at: str | None = None) -> dict[str, Progress]:
    """A playbook's steps at the start of an onboarding: all wait, but those that the account does not get.

    Args:
        at: The step at which an account enters that is already a customer. What stands before it in the playbook, and
            whatever it waits for, is over for this account.
    """
    gone, over = set(omitted), before(playbook, at) if at is not None else frozenset()

    def state(step: StepDefinition) -> Progress:
        if step.name in gone:
            return Progress(definition=step, state=StepState.DROPPED, ended=now, outcome="not for this account")
        if step.name in over:
            return Progress(definition=step, state=StepState.SKIPPED, ended=now, outcome=ALREADY)
        return Progress(definition=step)

    return {step.name: state(step) for step in playbook.steps}


def before(playbook: Playbook, at: str) -> frozenset[str]:
    """The steps before one: those that stand before it, and all that it waits for, whether directly or not."""
    after = {step.name: step.after for step in playbook.steps}
    found: set[str] = set()
    unseen = [at]
    while unseen:
        others = [other for other in after[unseen.pop()] if other not in found]
        found.update(others)
        unseen += others
    names = [step.name for step in playbook.steps]
    return frozenset(found) | frozenset(names[: names.index(at)]) - {at}


def ready(steps: Steps) -> list[str]:
    """The waiting steps without a due instant whose `after` has ended."""
    return [
        name
        for name, step in steps.items()
        if step.state is StepState.WAITING
        and step.due is None
        and all(steps[other].state.ended for other in step.definition.after)
    ]


def began_waiting(step: Progress, steps: Steps, start: datetime) -> datetime:
    """When a ready step's `offset` began to count: the end of the last step it waited for, else the start."""
    ends = [ended for other in step.definition.after if (ended := steps[other].ended) is not None]
    return max(ends, default=start)


def held(steps: Steps, unheld: Collection[str], lost: Collection[str]) -> set[str]:
    """The waiting steps that do not begin while nobody has these personas: those that need somebody who has them."""
    return {
        name
        for name, step in steps.items()
        if step.state is StepState.WAITING and audience.vacancies(step.definition, unheld, lost)
    }


def vacant(steps: Steps, unheld: Collection[str], lost: Collection[str], now: datetime) -> tuple[str, ...]:
    """For which personas somebody is to be named, as steps wait for them, or will: in the order of `personas.toml`."""
    return in_order(
        persona
        for step in steps.values()
        if not step.state.ended
        for persona in audience.vacancies(
            step.definition,
            unheld,
            lost,
            begins=step.state is not StepState.WAITING or (step.due is not None and step.due <= now),
        )
    )


def interrupted(steps: Steps, paused_at: datetime) -> dict[str, datetime]:
    """The waits that a pause has interrupted, with their ends; what stands before a date does not move with it."""
    return {
        name: step.due
        for name, step in steps.items()
        if step.state is StepState.WAITING
        and step.due is not None
        and step.due > paused_at
        and step.definition.before is None
    }


def due_now(steps: Steps, now: datetime) -> list[str]:
    """The waiting steps that are due."""
    return [
        name
        for name, step in steps.items()
        if step.state is StepState.WAITING and step.due is not None and step.due <= now
    ]


def at_gates(steps: Steps, now: datetime) -> dict[str, Gate]:
    """The waiting steps that are due, and that begin only once a gate is open: which one, by step."""
    return {name: gate for name in due_now(steps, now) if (gate := steps[name].definition.gate) is not None}


def next_due(steps: Steps) -> datetime | None:
    """The next instant at which a waiting step becomes due."""
    return min(
        (step.due for step in steps.values() if step.state is StepState.WAITING and step.due is not None), default=None
    )


def reached(stage: Stage, steps: Steps) -> bool:
    """Whether every step of a stage has ended. A stage without steps is passed, not waited for."""
    return all(step.state.ended for step in steps.values() if step.definition.stage is stage)


def current_stage(steps: Steps) -> Stage | None:
    """The first stage that is not reached, or nothing at the end."""
    return next((stage for stage in Stage if not reached(stage, steps)), None)


def unfinished(steps: Steps) -> bool:
    """Whether a step is still to come or running."""
    return any(not step.state.ended for step in steps.values())
