"""How playbooks look on a terminal: as a table by stage, as a picture of their days, and side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from rapport.model.playbook import Playbook
from rapport.model.step import Stage, StepDefinition
from rapport.rules.forecast import Span
from rapport.rules.playbook_migration import Adoption, Difference, FieldChange, RhythmAdoption
from starters.cli.common import table
from starters.use_cases.playbook import PlaybookShown

_PER_DAY: Final = 3
"""The characters that a business day takes at most."""


def by_stage(playbook: PlaybookShown) -> Table:
    """The steps in the order of their stages."""
    rows = table("step", "waits for", "who", "how", "when")
    for column in rows.columns[:4]:
        column.no_wrap = True
    for stage, steps in _stages(playbook.steps):
        rows.add_row(f"[bold]{stage}[/bold]")
        for step in steps:
            rows.add_row(
                f"  {step.name}", _waits(step), "\n".join(step.who), "\n".join(step.how), " or\n".join(step.when)
            )
    return rows


def _stages(steps: Sequence[StepDefinition]) -> Iterator[tuple[Stage, list[StepDefinition]]]:
    for stage in Stage:
        here = [step for step in steps if step.stage is stage]
        if here:
            yield stage, here


def _waits(step: StepDefinition) -> str:
    gate = (f"{step.gate} gate",) if step.gate else ()
    after = "\n".join((*step.after, *gate))
    return f"{after}\n{step.wait}".strip()


def timeline(playbook: PlaybookShown, width: int) -> list[str]:
    """The business days of a playbook as a picture: on which each step can begin and end at the earliest.

    Args:
        width: The characters that a line may have.
    """
    spans = {span.step: span for span in playbook.earliest}
    last = max((span.ends for span in spans.values()), default=0)
    label = max((len(name) for name in spans), default=0) + 4
    room = max(10, width - label - 14)
    # Few days are drawn wide, and many drawn close, several in one character where they must be.
    place = _scale(last, room)
    lines = [" " * label + _ruler(last, place)]
    for stage, steps in _stages(playbook.steps):
        lines.append(str(stage))
        lines += [f"  {step.name:<{label - 2}}{_bar(spans[step.name], place, last)}" for step in steps]
    return lines


class _Scale:
    def __init__(self, per_day: int, days: int) -> None:
        self.per_day = per_day
        self.days = days

    def __call__(self, day: int) -> int:
        return day * self.per_day // self.days


def _scale(last: int, room: int) -> _Scale:
    if last + 1 > room:
        return _Scale(1, -(-(last + 1) // room))
    return _Scale(min(_PER_DAY, room // (last + 1)), 1)


def _ruler(last: int, place: _Scale) -> str:
    """The days, as many as have room beside each other."""
    step = next(step for step in (1, 5, 10, 20, 50, 100, 1_000, 10_000, 100_000) if place(step) > len(str(last)))
    line = ""
    for day in range(0, last + 1, step):
        line = line.ljust(place(day)) + str(day)
    return line


def _bar(span: Span, place: _Scale, last: int) -> str:
    begins, ends = place(span.begins), place(span.ends)
    bar = " " * begins + ("●" if begins == ends else "├" + "─" * (ends - begins - 1) + "┤")
    days = f"day {span.begins}" if span.begins == span.ends else f"day {span.begins} to {span.ends}"
    return f"{bar.ljust(place(last) + 1)}  {days}"


def told(difference: Difference) -> list[str]:
    """What differs between two playbooks, a line each."""
    lines = [_field(change) for change in difference.playbook]
    lines += [f"[red]- {step}[/red]" for step in difference.removed]
    lines += [f"[green]+ {step}[/green]" for step in difference.added]
    for change in difference.changed:
        lines.append(f"[yellow]~ {change.step}[/yellow]")
        lines += [f"    {_field(field)}" for field in change.fields]
    return lines or ["Nothing differs."]


def would_change(adoption: Adoption, new: Playbook) -> list[str]:
    """What adopting a playbook would change for an account, a line each."""
    offsets = {step.name: step.offset for step in new.steps}
    lines = [f"[yellow]~ {change.step}[/yellow] waits, and gets its new definition" for change in adoption.changed]
    lines += [f"[red]- {step}[/red] waits, and is dropped" for step in adoption.dropped]
    for step in adoption.added:
        lines.append(f"[green]+ {step}[/green] is new; {_turn(step in adoption.free, offsets[step])}")
    lines += [f"  {step} is new, and not for this account" for step in adoption.left_out]
    lines += [f"  {step} has begun or ended, and stays as it is" for step in adoption.kept]
    return lines or ["Nothing would change."]


def would_recur(adoption: RhythmAdoption) -> list[str]:
    """What adopting a playbook would change of what recurs, a line each."""
    anew = "; everyone is invited anew, at the time that there is"
    lines = [
        f"[yellow]~ {change.step}[/yellow] recurs by its new definition"
        + (anew if change.step in adoption.invited_anew else "")
        for change in adoption.changed
    ]
    lines += [f"[red]- {step}[/red] does not recur any more" for step in adoption.removed]
    lines += [f"[green]+ {step}[/green] recurs from now on" for step in adoption.added]
    return lines or ["Everything recurs as before."]


def _turn(free: bool, offset: str | None) -> str:
    if not free:
        return "it waits for its turn"
    return f"it comes {offset} after what it follows" if offset else "it begins at once"


def _field(change: FieldChange) -> str:
    return escape(f"{change.field}: {_value(change.before)} → {_value(change.after)}")


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
