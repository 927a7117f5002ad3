"""All that is wrong with a playbook, at once, and on which line of its file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from rapport.mail import emails, samples
from rapport.model.account import personas
from rapport.model.base import UserError, WireModel, suggestion
from rapport.model.playbook import MAX_STEPS, Outline, Playbook, disconnected
from rapport.model.positions import Place, line_of, lines, place_of
from rapport.model.reading import EMPTY, UNKNOWN, check, parse_toml
from rapport.model.step import DoneBy, Offset, Stage, kinds, of_kind
from rapport.rules import forecast

_ALL: Final = 200
"""How many faults are told at most; nobody reads more, and each looks for what was meant."""
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)")
_TASKS: Final = kinds(DoneBy.TASK)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class PlaybookProblem(WireModel):
    """One thing that is wrong with a playbook, or that its author may not have meant.

    Attributes:
        line: Where in the file; for what is missing, the head of what it is missing from.
        field: The step's name and the field, `kickoff.minutes`; a step without a name by its number, `steps[2].title`.
        level: An error is refused; a warning is told.
    """

    file: str
    line: int
    field: str
    problem: str
    fix: str
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """The fault as one line, in the form that editors jump to."""
        field = f"{self.field}: " if self.field else ""
        warning = "warning: " if self.level == "warning" else ""
        return f"{self.file}:{self.line}: {warning}{field}{self.problem}" + (f"; {self.fix}" if self.fix else "")

    def refusal(self, others: Sequence[UserError] = ()) -> UserError:
        """The fault as a refusal in the same words."""
        field = f"{self.file}:{self.line}"
        return UserError(
            self.problem, field=f"{field}: {self.field}" if self.field else field, fix=self.fix, others=others
        )


class Examined(WireModel):
    """A playbook that was read: itself where it is sound, and what there is to say about it, by line."""

    playbook: Playbook | None
    faults: tuple[PlaybookProblem, ...] = ()
    warnings: tuple[PlaybookProblem, ...] = ()

    def sound(self) -> Playbook:
        """The playbook.

        Raises:
            UserError: There are faults; the first one, with the others.
        """
        if self.playbook is not None and not self.faults:
            return self.playbook
        first, *others = self.faults
        raise first.refusal([fault.refusal() for fault in others])


@lru_cache(maxsize=32)
def examine(raw: bytes, file: str) -> Examined:
    """Read a playbook and look at it from all sides. The same bytes are looked at once: each start asks anew.

    Args:
        file: What to call it.
    """
    try:
        data = parse_toml(raw, file)
    except UserError as refusal:
        return Examined(playbook=None, faults=(_unreadable(refusal, file),))
    playbook: Playbook | None = None
    found: list[tuple[str, str, str]] = []
    try:
        playbook = check(Playbook, data, "", shown=_ALL)
    except UserError as refusal:
        found += [(fault.field, fault.problem, fault.fix) for fault in (refusal, *refusal.others)]
    if playbook is None:
        # What ties steps together can be told although some of them are not sound in themselves.
        told = {field for field, _, _ in found}
        ties = islice(disconnected(_outlines(data)), _ALL)
        found += [fault for text in ties if (fault := _split(text))[0] not in told]
    found = [_nearest(data, *one) for one in _without_echoes(found)] + [_split(text) for text in _mails(data)]
    warnings = [_split(text) for text in _doubts(playbook, Path(file))] if playbook is not None and not found else []
    if not found and not warnings:
        return Examined(playbook=playbook)
    places = lines(raw.decode())
    return Examined(
        playbook=None if found else playbook,
        faults=_in_order(_fault(file, data, places, *one) for one in found),
        warnings=_in_order(
            _fault(file, data, places, *one).model_copy(update={"level": "warning"}) for one in warnings
        ),
    )


def _without_echoes(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Leave out that a list is empty where the fault is that nothing in it can be read."""
    fields = [field for field, _, _ in found]
    return [one for one in found if one[1] != EMPTY or not any(field.startswith(f"{one[0]}[") for field in fields)]


def _nearest(data: Mapping[str, Any], field: str, problem: str, fix: str) -> tuple[str, str, str]:
    """Name the field that an unknown one comes near to."""
    place = place_of(field)
    if problem != UNKNOWN or not place:
        return field, problem, fix
    fields: set[str] = set()
    match place:
        case (str(),):
            fields = set(Playbook.model_fields)
        case ("steps", int(index), str()) if index < len(_listed(data.get("steps"))):
            kind = _table(_listed(data.get("steps"))[index]).get("kind")
            fields = {name for model in of_kind(kind) for name in model.model_fields}
    near = difflib.get_close_matches(str(place[-1])[:60], fields, n=1)
    return field, problem, f'did you mean "{near[0]}"? {fix}' if near else fix


def _in_order(faults: Iterator[PlaybookProblem]) -> tuple[PlaybookProblem, ...]:
    return tuple(sorted(faults, key=lambda fault: fault.line))


def _unreadable(refusal: UserError, file: str) -> PlaybookProblem:
    at = _AT_LINE.search(refusal.problem)
    problem = _AT_LINE.sub("", refusal.problem)
    return PlaybookProblem(file=file, line=int(at[1]) if at else 1, field="", problem=problem, fix=refusal.fix)


def _split(text: str) -> tuple[str, str, str]:
    field, _, rest = text.partition(": ")
    problem, _, fix = rest.partition("; ")
    return field, problem, fix


def _fault(
    file: str, data: Mapping[str, Any], places: dict[Place, int], field: str, problem: str, fix: str
) -> PlaybookProblem:
    place = place_of(field)
    shown = _shown(field, place, data)
    return PlaybookProblem(
        file=file, line=line_of(place, places), field=shown, problem=_in_a_line(problem), fix=_in_a_line(fix)
    )


def _in_a_line(text: str) -> str:
    """What quotes a file may have its control characters in it; a fault is one line."""
    return _CONTROL.sub("?", text)


def _shown(field: str, place: Place, data: Mapping[str, Any]) -> str:
    """A field as its author knows it: by the step's name."""
    field = "" if field == "body" else _in_a_line(field)[:120]
    match place:
        case ("steps", int(index), *_):
            steps = _listed(data.get("steps"))
            name = steps[index].get("name") if index < len(steps) and isinstance(steps[index], dict) else None
            if isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
                return field.replace(f"steps[{index}]", name, 1)
    return field


# --- what can be had of steps that may not be sound


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in _listed(value) if isinstance(text, str))


def _steps(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps as they were parsed; none of too many, which is a fault of its own."""
    steps = _listed(data.get("steps"))
    return [_table(step) for step in steps] if len(steps) <= MAX_STEPS else []


def _outlines(data: Mapping[str, Any]) -> list[Outline]:
    outlines = []
    for index, step in enumerate(_steps(data)):
        name, onsite = step.get("name"), _table(step.get("onsite"))
        approval, outcome = onsite.get("approval"), onsite.get("outcome", "approve")
        options = tuple(_table(option).get("id", "") for option in _listed(step.get("options")))
        outlines.append(
            Outline(
                # A step without a name keeps its place, and nothing can wait for it.
                name if isinstance(name, str) else f"\0{index}",
                _texts(step.get("after")),
                _texts(list(options)) if step.get("kind") in _TASKS else None,
                approval if isinstance(approval, str) else None,
                outcome if isinstance(outcome, str) else "approve",
            )
        )
    return outlines


def _mails(data: Mapping[str, Any]) -> Iterator[str]:
    """Mails that there are not, or that cannot be written to those to whom they would go."""
    for index, step in enumerate(_steps(data)):
        email = step.get("email")
        kind = next((one for one in of_kind(step.get("kind")) if one.mail_use is not None), None)
        if not isinstance(email, str) or kind is None or kind.mail_use is None or kind.personas_in is None:
            continue
        readers = kind.personas_in
        use: samples.Use = "undecided" if kind.mail_use == "meeting" and "onsite" in step else kind.mail_use
        to = [persona for persona in dict.fromkeys(_texts(step.get(readers))) if persona in personas()]
        if email not in emails.names():
            fit = [name for name in sorted(emails.names()) if not any(samples.fault(name, use, one) for one in to)]
            yield f'steps[{index}].email: there is no mail "{email[:40]}"; {suggestion(email, fit)}'
            continue
        faults = {persona: fault for persona in to if (fault := samples.fault(email, use, persona)) is not None}
        for fault in dict.fromkeys(faults.values()):
            field = readers if "which no mail to" in fault else "email"
            yield f"steps[{index}].{field}: {fault}"


# --- what a sound playbook may not have meant


def _doubts(playbook: Playbook, file: Path) -> Iterator[str]:
    if file.suffix == ".toml" and file.stem != playbook.name:
        yield f'name: is "{playbook.name}", and the file is called {file.name}, which counts; give both the same name'
    stages = list(Stage)
    steps = {step.name: step for step in playbook.steps}
    for index, step in enumerate(playbook.steps):
        here = f"steps[{index}]"
        for other in step.after:
            if stages.index(steps[other].stage) > stages.index(step.stage):
                yield (
                    f'{here}.after: waits for "{other}" of the later stage {steps[other].stage}, so the stage '
                    f"{step.stage} is reached after it; move one of them to another stage"
                )
        if step.offset is not None and not step.after and step.before is None:
            yield f"{here}.offset: counts from the start of the onboarding; name in after what it should follow, if any"
        if step.offset is not None and (wait := Offset.parse(step.offset)).count == 0:
            if wait.unit == "business day":
                yield f"{here}.offset: waits for the next working hour; take it out if the step is to begin at once"
            else:
                yield f"{here}.offset: is no wait at all; take it out"
        if step.gate == "trial" and any(steps[other].gate == "production" for other in step.after):
            yield f"{here}.gate: it follows a step that only begins for production; take it out"
    yield from _crowds(playbook)


def _crowds(playbook: Playbook) -> Iterator[str]:
    names = [step.name for step in playbook.steps]
    for crowd in forecast.crowded(playbook):
        limit = personas()[crowd.persona].messages_a_month
        yield (
            f"steps[{names.index(crowd.last)}]: {crowd.persona} can get {crowd.mails} mails in the month from business "
            f"day {crowd.first_day}, by {', '.join(crowd.steps)}, and has attention for {limit}; write less, or later"
        )
