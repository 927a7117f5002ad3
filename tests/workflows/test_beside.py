"""What a workflow begins beside its story is part of it: an error in it is seen, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from rapport.model.ids import new_id
from rapport.runner import Runner
from tests.conftest import until
from tests.support.stumbler import ERRORS, Stumbler
from tests.support.switch import mend


@pytest.fixture
def broken() -> Iterator[None]:
    """A fault that a test mends."""
    mend(False)
    yield
    mend(False)


@pytest.mark.asyncio(loop_scope="session")
async def test_an_error_beside_the_story_fails_the_task_and_not_the_workflow(dev_server: Client, broken: None) -> None:
    """Temporal's UI shows the failed task with the error, and with the fault mended the workflow ends as it should."""
    queue = new_id("queue")
    async with Worker(dev_server, task_queue=queue, workflows=[Stumbler], workflow_runner=Runner()):
        stumblers = {
            error: await dev_server.start_workflow(Stumbler.run, error, id=new_id("stumbler"), task_queue=queue)
            for error in ERRORS
        }
        for error, stumbler in stumblers.items():

            async def failed(stumbler: WorkflowHandle[Stumbler, str] = stumbler) -> list[str]:
                return [
                    f"{event.workflow_task_failed_event_attributes.failure}"
                    for event in (await stumbler.fetch_history()).events
                    if event.HasField("workflow_task_failed_event_attributes")
                ]

            shown = await until(failed, "a failed task")
            assert "beside its story failed" in shown[0]
            assert ERRORS[error].args[0] in shown[0]
        mend()
        assert [await stumbler.result() for stumbler in stumblers.values()] == ["done", "done"]
