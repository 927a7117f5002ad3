"""What keeps workflows deterministic stays switched on."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from tests.conftest import skipping_installation
from tests.support.kickoff import begin, in_phase
from worker import MECHANICS, WORKFLOWS
from workflows import options


@pytest.mark.parametrize("kind", WORKFLOWS, ids=lambda kind: kind.__name__)
async def test_only_workflow_modules_are_loaded_into_the_sandbox(kind: type[Any]) -> None:
    """Everything but our own workflow modules is passed through; anything else would be loaded anew at each start."""
    restrictions = dataclasses.replace(
        SandboxRestrictions.default,
        import_notification_policy=SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
        | SandboxImportNotificationPolicy.WARN_ON_UNINTENTIONAL_PASSTHROUGH,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        SandboxedWorkflowRunner(restrictions=restrictions).prepare_workflow(workflow._Definition.must_from_class(kind))
    messages = [str(warning.message) for warning in caught]
    assert messages
    assert all("workflows." in message for message in messages), messages


@pytest.mark.parametrize("name", sorted(MECHANICS))
def test_what_all_runs_share_keeps_nothing_between_them(name: str) -> None:
    """A module that a worker loads once has no variable that a run could change and another see."""
    # The named sets of options are unpacked at each use, and written to by nobody.
    named = [value for value in vars(options).values() if isinstance(value, dict)]
    values = {key: value for key, value in vars(importlib.import_module(name)).items() if not key.startswith("__")}
    mutable = {key: value for key, value in values.items() if isinstance(value, dict | list | set | bytearray)}
    assert values
    assert [key for key, value in mutable.items() if not any(value is one for one in named)] == []


async def test_a_worker_that_stops_lets_go_of_its_runs_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stopped worker leaves in memory is closed without an error: nothing waits while it is thrown away."""
    troubles: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda trouble: troubles.append(repr(trouble.exc_value)))
    async with skipping_installation(tmp_path) as installation:
        await begin(installation)
        await in_phase(installation, "voting")
    del installation
    gc.collect()
    assert not troubles
