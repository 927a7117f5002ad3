"""What may be asked of an account in a `when`, of a playbook's step and of what calls for a review alike.

The vocabulary follows from the fields of `Facts`: a further fact can be asked for as soon as it stands there.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, get_args, get_origin

from pydantic import AfterValidator

from rapport.model.account import Facts, personas
from rapport.model.base import suggestion

PERSONA: Final = "has_persona"
"""Asks whether anybody has a persona, as `has_persona:secondary_user`."""
_NOT: Final = "no_"
_CHOICE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _vocabulary() -> tuple[dict[str, str], dict[str, tuple[str, ...]], dict[str, str]]:
    flags, choices, lists = {}, {}, {}
    for name, field in Facts.model_fields.items():
        for kind in get_args(field.annotation) or (field.annotation,):
            if kind is bool:
                flags[name] = flags[f"{_NOT}{name}"] = name
            elif get_origin(kind) is Literal:
                choices[name] = get_args(kind)
            elif get_origin(kind) is tuple:
                lists[name.removesuffix("s")] = name
    return flags, choices, lists


_FLAGS, _CHOICES, _LISTS = _vocabulary()
FLAGS: Final = tuple(_FLAGS)
"""The conditions that a fact is or is not, with `no_` in front; besides these a choice, as `deployment:cloud`."""


def fact(condition: str) -> str:
    """The fact that a condition asks for, as an account file calls it."""
    name = condition.partition(":")[0]
    return _FLAGS.get(name) or _LISTS.get(name) or name


def asks_for_less(condition: str) -> bool:
    """Whether a condition holds where its fact does not."""
    return condition in _FLAGS and condition != _FLAGS[condition]


def _known(value: str, named: dict[str, tuple[str, ...]]) -> str:
    name, colon, choice = value.partition(":")
    if (not colon and value in _FLAGS) or choice in named.get(name, ()):
        return value
    if name in named:
        fix = f"{suggestion(choice, named[name])}, as {name}:<one of them>"
    elif name in _LISTS:
        if _CHOICE.fullmatch(choice):
            return value
        fix = f"write it in lower case, as {name}:batch_changes"
    else:
        fix = suggestion(value, [*FLAGS, *(f"{one}:<…>" for one in (*named, *_LISTS))])
    raise ValueError(f'"{value[:60]}" is no condition; {fix}')


Condition = Annotated[str, AfterValidator(lambda value: _known(value, _CHOICES))]
"""What is asked of an account's facts."""

StepCondition = Annotated[str, AfterValidator(lambda value: _known(value, {**_CHOICES, PERSONA: tuple(personas())}))]
"""What a step may ask: of the facts, and of whom there is."""
