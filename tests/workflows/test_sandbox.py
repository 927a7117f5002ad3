"""What keeps workflows deterministic stays switched on."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from worker import WORKFLOWS


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
