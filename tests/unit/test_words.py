"""That whatever people say to a workflow goes one way, and that the same word again is known for it."""

from __future__ import annotations

import ast
from typing import cast

from tests.conftest import ROOT
from worker import WORKFLOWS
from workflows.words import Words


def test_every_update_has_its_door() -> None:
    """Whatever can be said to a workflow can be left at its door, and is remembered by its id."""
    heard = 0
    for cls in WORKFLOWS:
        if issubclass(cls, Words):
            named = [one for base in cls.__mro__ for one in vars(base).values() if hasattr(one, "validator")]
            workflow = cast("Words", object.__new__(cls))
            assert {one._defn.name for one in named} == set(workflow.doors()), cls
            heard += 1
    assert heard >= 6


def test_nothing_is_said_to_a_workflow_but_in_one_place() -> None:
    """What people say is put on record and handed over by `words` alone: no use case sends an update by itself."""
    for path in sorted((ROOT / "starters").rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        named = {node.attr for node in calls} & {"execute_update", "start_update", "hear_later"}
        assert not named or path.name == "words.py", path
