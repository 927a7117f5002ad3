"""What a workflow does follows from its state alone, also where a replay would not see the difference."""

from __future__ import annotations

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from rapport.model.ids import new_id
from rapport.model.operation import Control, ControlKind
from rapport.runner import Runner
from tests.conftest import until
from tests.support.paused import Paused, Waits


@pytest.mark.asyncio(loop_scope="session")
async def test_to_dos_are_told_of_a_pause_in_the_order_in_which_they_opened(dev_server: Client) -> None:
    """Six to-dos stand still, go on and are taken back as they came; their handles' addresses have no say in it."""
    queue = new_id("queue")
    async with Worker(dev_server, task_queue=queue, workflows=[Paused, Waits], workflow_runner=Runner()):
        paused = await dev_server.start_workflow(
            Paused.run, args=[new_id("account"), 6], id=new_id("paused"), task_queue=queue
        )

        async def told() -> list[str]:
            return [
                event.signal_external_workflow_execution_initiated_event_attributes.workflow_execution.workflow_id
                for event in (await paused.fetch_history()).events
                if event.HasField("signal_external_workflow_execution_initiated_event_attributes")
            ]

        async def all_told() -> bool:
            return len(await told()) == 6

        await paused.signal("control", Control(kind=ControlKind.PAUSE))
        await until(all_told, "six to-dos that stand still")
        await paused.signal("control", Control(kind=ControlKind.RESUME))
        await paused.result()
        opened = [
            event.child_workflow_execution_started_event_attributes.workflow_execution.workflow_id
            for event in (await paused.fetch_history()).events
            if event.HasField("child_workflow_execution_started_event_attributes")
        ]
        assert await told() == opened * 3
