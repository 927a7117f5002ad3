"""What is known of a kind of step stands on its class, and what does it in one table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapport.model.step import KINDS, DoneBy, StepBase, kinds, of_kind
from rapport.playbooks import load, shipped
from workflows.onboarding.steps import PERFORM

ROOT = Path(__file__).parents[2]
NAMES = {kind.__name__ for kind in KINDS}


def test_something_does_each_kind_of_step() -> None:
    """Every class that a playbook's step may have is in the table of what does it, and nothing else is."""
    assert set(PERFORM) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_what_is_asked_of_it(kind: type[StepBase]) -> None:
    """What does it, whose field names its readers, and what its mail is for agree with its fields and with the docs."""
    assert isinstance(kind.done_by, DoneBy)
    assert kind.personas_in is None or kind.personas_in in kind.model_fields
    assert kind.mail_use is None or ("email" in kind.model_fields and kind.personas_in is not None)
    [name] = [one for one in kinds(kind.done_by) if kind in of_kind(one)]
    assert f'### `kind = "{name}"`\n' in (ROOT / "docs" / "playbooks.md").read_text()


def test_each_shipped_step_can_be_shown() -> None:
    """Lists have somebody who is asked, and how, for every step; whoever gets mail is among those whom it turns to."""
    for step in (step for name in shipped() for step in load(name).steps):
        assert step.who
        assert step.how
        assert all(step.mail_days(persona) for persona in step.people if step.mail_use is not None)
        assert not step.mail_days("nobody")
        assert set(step.emails) <= set(type(step).model_fields)


def _asks(tree: ast.AST) -> Iterator[set[str]]:
    """The classes of steps that one `match`, or one `isinstance`, tells apart."""
    for node in ast.walk(tree):
        match node:
            case ast.Match(cases=cases):
                yield {one.id for case in cases for one in ast.walk(case.pattern) if isinstance(one, ast.Name)}
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, classes]):
                yield {one.id for one in ast.walk(classes) if isinstance(one, ast.Name)}


def test_nothing_else_tells_kinds_apart() -> None:
    """No `match` and no `isinstance` names several kinds: a further one would be forgotten there."""
    files = [
        file for folder in ("rapport", "activities", "workflows", "starters") for file in (ROOT / folder).rglob("*.py")
    ]
    found = [(file.name, asked & NAMES) for file in files for asked in _asks(ast.parse(file.read_text()))]
    assert [(name, sorted(asked)) for name, asked in found if len(asked) > 1] == []
