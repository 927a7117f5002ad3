"""Playbooks: the plan that an onboarding follows, as data.

The vocabulary is closed on purpose. There are no expressions and no loops: whatever branches on people is Python in a
child workflow, where it can be read and tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, Self

from pydantic import Field, model_validator

from rapport.model.base import InputModel, Name, Several, StepName, suggestion
from rapport.model.step import MeetingStep, StepDefinition, TaskStep

MAX_STEPS: Final = 200
_CIRCLES: Final = 5
"""How many circles are told at once."""


class Playbook(InputModel):
    """A checked plan: named steps that wait for each other, each in its stage.

    Attributes:
        renewal: Whether it is for customers who renew a contract, and so welcomes nobody.
    """

    name: StepName
    title: Name
    version: int = Field(ge=1)
    renewal: bool = False
    steps: tuple[StepDefinition, ...] = Field(min_length=1, max_length=MAX_STEPS)

    @model_validator(mode="after")
    def _merges(self) -> Self:
        named = {step.name: step for step in self.steps}
        for index, step in enumerate(self.steps):
            if not isinstance(step, MeetingStep) or step.merged_into is None:
                continue
            other = named.get(step.merged_into)
            if not isinstance(other, MeetingStep) or other.onsite is None:
                raise ValueError(
                    f'steps[{index}].merged_into: "{step.merged_into}" is no meeting that may be onsite; name one with '
                    "[steps.onsite], or take it out"
                )
            if other.name not in step.after:
                raise ValueError(
                    f'steps[{index}].merged_into: this one does not wait for "{other.name}"; add it to after'
                )
        return self

    @model_validator(mode="after")
    def _connected(self) -> Self:
        faults = list(disconnected([Outline.of(step) for step in self.steps]))
        if faults:
            raise Several(faults)
        return self


class Outline(NamedTuple):
    """What ties a step to others. It can be had of a step that is not sound in itself, see `rapport.playbooks.checks`.

    Attributes:
        options: The answers of a task; none where it is no task.
        approval, outcome: The task that decides whether a meeting is onsite, and what it has to say.
    """

    name: str
    after: tuple[str, ...] = ()
    options: tuple[str, ...] | None = None
    approval: str | None = None
    outcome: str = "approve"

    @classmethod
    def of(cls, step: StepDefinition) -> Outline:
        """The outline of a sound step."""
        onsite = step.onsite if isinstance(step, MeetingStep) else None
        return cls(
            step.name,
            step.after,
            tuple(option.id for option in step.options) if isinstance(step, TaskStep) else None,
            onsite.approval if onsite else None,
            onsite.outcome if onsite else "approve",
        )


def disconnected(steps: Sequence[Outline]) -> Iterator[str]:
    """What is wrong between steps: names that are none or stand twice, and circles; each as "field: problem; fix"."""
    named = {step.name: step for step in reversed(steps)}
    names = list(dict.fromkeys(step.name for step in steps))
    tasks = [name for name in names if named[name].options is not None]
    seen: set[str] = set()
    for index, step in enumerate(steps):
        if step.name in seen:
            yield f'steps[{index}].name: "{step.name}" stands twice; give each step its own name'
        seen.add(step.name)
        for other in step.after:
            if other == step.name:
                yield f'steps[{index}].after: "{other}" waits for itself; take it out'
            elif other not in named:
                yield f'steps[{index}].after: there is no step "{other[:40]}"; {suggestion(other, names)}'
        if step.approval is None:
            continue
        approval = named.get(step.approval)
        if approval is None or approval.options is None:
            fix = suggestion(step.approval, tasks) if tasks else 'add a step of kind = "task"'
            yield f'steps[{index}].onsite.approval: there is no task "{step.approval[:40]}"; {fix}'
        elif step.outcome not in approval.options:
            yield (
                f'steps[{index}].onsite.outcome: "{step.outcome[:40]}" is no option of "{approval.name}"; '
                f"{suggestion(step.outcome, approval.options)}"
            )
    yield from _circles(steps, named)


def _circles(steps: Sequence[Outline], named: Mapping[str, Outline]) -> Iterator[str]:
    """Steps that wait for each other, so that none of them can begin, or end."""
    tasks = {name for name, step in named.items() if step.options is not None}

    def ties(step: Outline) -> list[str]:
        after = [other for other in step.after if other in named and other != step.name]
        return [*after, step.approval] if step.approval in tasks and step.approval is not None else after

    waits = {name: ties(named[name]) for name in dict.fromkeys(step.name for step in steps)}
    for _ in range(_CIRCLES):
        circle = _circle(waits)
        if not circle:
            return
        # A meeting waits for its approval in another way: it begins, and cannot offer times.
        pairs = list(pairwise(circle))
        first, other = next(((a, b) for a, b in pairs if b not in named[a].after), pairs[0])
        field = "after" if other in named[first].after else "onsite.approval"
        index = next(index for index, step in enumerate(steps) if step is named[first])
        yield f"steps[{index}].{field}: {' waits for '.join(circle)}; take one `after` out"
        waits[circle[0]].remove(circle[1])


def _circle(after: Mapping[str, Sequence[str]]) -> list[str]:
    """One circle of steps that wait for each other, or nothing."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in after[name]:
            found = visit(other, [*path, name])
            if found:
                return found
        done.add(name)
        return []

    for name in after:
        found = visit(name, [])
        if found:
            return found
    return []
