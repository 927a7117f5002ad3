"""The scenarios that call for a tech review: shipped or an installation's own, one table of `reviews.toml` each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, RootModel, model_validator

from rapport.model.base import InputModel, Name, Several, StepName, UserError
from rapport.model.condition import Condition
from rapport.model.positions import Place, line_of, lines
from rapport.model.reading import EMPTY, check, parse_toml, together

FILE: Final = "reviews.toml"

_PART: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_ALL: Final = 50
"""How many faults of one file are told at most."""


class ReviewScenario(InputModel):
    """What calls for a review.

    Attributes:
        when: What has to hold, all of it.
        why: What a review is needed for, in one sentence.
        stages: When it is needed.
    """

    title: Name
    when: tuple[Condition, ...] = Field(min_length=1, max_length=10)
    why: Annotated[str, Field(min_length=1, max_length=300)]
    stages: tuple[Literal["pre_trial", "pre_production", "post_sale"], ...] = Field(min_length=1)


class _File(RootModel[dict[StepName, ReviewScenario]]):
    @model_validator(mode="after")
    def _each_once(self) -> _File:
        faults = list(self._faults())
        if faults:
            raise Several(faults)
        return self

    def _faults(self) -> Iterator[str]:
        seen: dict[frozenset[str], str] = {}
        for name, scenario in self.root.items():
            if (other := seen.setdefault(frozenset(scenario.when), name)) != name:
                yield f'{name}: asks for the same as "{other}"; take one of them out'


def scenarios(data: Path | None = None) -> dict[str, ReviewScenario]:
    """The shipped scenarios by name, with those of an installation in their place or beside them.

    Args:
        data: The data directory; it need not have any.

    Raises:
        UserError: A file cannot be read, or something in it is wrong; it names file, line and fix.
    """
    found = dict(read(files("rapport").joinpath(FILE).read_bytes(), FILE))
    own = data / FILE if data is not None else None
    if own is not None and own.exists():
        try:
            raw = own.read_bytes()
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror}", field=own.name, fix="correct its rights") from None
        found |= read(raw, own.name)
    return found


def scenario_titles(data: Path | None = None) -> dict[str, str]:
    """What each scenario is called. Where an installation's own file is wrong, the shipped ones': `doctor` tells that.

    Args:
        data: As in `scenarios`.
    """
    try:
        known = scenarios(data)
    except UserError:
        known = scenarios()
    return {name: one.title for name, one in known.items()}


def read(raw: bytes, file: str) -> Mapping[str, ReviewScenario]:
    """Read scenarios, and tell all that is wrong with them, each fault on its line.

    Args:
        file: What to call it.

    Raises:
        UserError: As `scenarios`.
    """
    data = parse_toml(raw, file)
    try:
        return check(_File, data, "", shown=_ALL).root
    except UserError as refusal:
        places = lines(raw.decode())
        found = [refusal, *refusal.others]
        fields = [one.field for one in found]
        # A list of which every entry is wrong counts as empty besides; that is told once.
        told = [
            one
            for one in found
            if not (one.problem == EMPTY and any(field.startswith(f"{one.field}[") for field in fields))
        ]
        raise together([_placed(one, file, places) for one in told], _ALL) from None


def _placed(fault: UserError, file: str, places: Mapping[Place, int]) -> UserError:
    """A fault with its file and line in front of its field."""
    place: tuple[Any, ...] = tuple(int(index) if index else name for name, index in _PART.findall(fault.field))
    line = line_of(place, dict(places))
    return UserError(fault.problem, field=f"{file}:{line}: {fault.field}", fix=fault.fix)
