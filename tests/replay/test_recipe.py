"""The recipe for a change to a workflow, in docs/recipes.md, performed as it stands there."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from tests.conftest import ROOT
from tests.replay.record import DONE, HISTORIES, workflow_of
from tests.replay.test_replay import history_of
from workflows import undelivered

RECIPE = (ROOT / "docs" / "recipes.md").read_text().partition("## A change to a workflow\n")[2].partition("\n## ")[0]
CHANGE = RECIPE.partition("```diff\n")[2].partition("```")[0].splitlines(keepends=True)
BEFORE = "".join(line[1:] for line in CHANGE if line[0] != "+")
AFTER = "".join(line[1:] for line in CHANGE if line[0] != "-")
WHOLE = (ROOT / "workflows" / "undelivered.py").read_text()
FILES = [file for file in sorted(HISTORIES.glob("*/*.json")) if workflow_of(file) == undelivered.Undelivered.__name__]


async def failures(source: str, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What of the recorded histories this source of the workflow does not live again."""
    changed = ModuleType("undelivered_as_changed")
    # Annotations are looked up in the module of what they stand on.
    monkeypatch.setitem(sys.modules, changed.__name__, changed)
    exec(compile(source, changed.__name__, "exec"), changed.__dict__)
    replayer = Replayer(
        workflows=[changed.Undelivered],
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=pydantic_data_converter,
    )
    lived = [replayer.replay_workflow(history_of(file), raise_on_replay_failure=False) for file in FILES]
    return [result.replay_failure for result in await asyncio.gather(*lived) if result.replay_failure is not None]


@pytest.mark.asyncio(loop_scope="function")
async def test_with_its_name_a_change_lives_with_what_runs_and_without_it_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Histories of before the recipe's change replay through it; the same change without `patched` breaks them."""
    assert any(any(event.event_type == DONE for event in history_of(file).events) for file in FILES)
    assert WHOLE.count(BEFORE) == 1, "the recipe shows code that does not stand there"
    changed = WHOLE.replace(BEFORE, AFTER)
    assert await failures(changed, monkeypatch) == []
    bare = changed.replace('workflow.patched("undelivered-lets-others-go-first")', "True")
    assert bare != changed
    assert any("ondeterminism" in str(failure) for failure in await failures(bare, monkeypatch))
