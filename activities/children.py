"""Workflows that another one has started in an earlier run of itself, such as before it was reset in Temporal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.children import ChildAsked, ChildEnded, ChildFound

LOOK_AGAIN: Final = timedelta(seconds=20)
"""How often it is looked whether such a workflow has ended. Attempts of an activity cost no history."""


@dataclass(frozen=True)
class Children:
    """Finds such workflows, and what came of them."""

    client: Client

    @activity.defn(name="children.find")
    async def find(self, asked: ChildAsked) -> ChildFound:
        """Whose a workflow of this name is, and whether it runs."""
        found = await self._described(asked.id)
        if found is None:
            return ChildFound(own=False, runs=False)
        info = found.raw_description.workflow_execution_info
        parent = info.parent_execution
        own = parent.workflow_id == asked.parent and await self._original(parent.workflow_id, parent.run_id) in (
            asked.run,
            await self._original(asked.parent, asked.run),
        )
        return ChildFound(own=own, runs=found.status is WorkflowExecutionStatus.RUNNING)

    @activity.defn(name="children.result")
    async def result(self, asked: ChildAsked) -> ChildEnded:
        """What came of it; until then, this attempt fails and names the next."""
        found = await self._described(asked.id)
        if found is None:
            return ChildEnded()
        if found.status is WorkflowExecutionStatus.RUNNING:
            raise ApplicationError(
                "it still runs",
                type="StillRuns",
                next_retry_delay=LOOK_AGAIN,
                category=ApplicationErrorCategory.BENIGN,
            )
        if found.status is not WorkflowExecutionStatus.COMPLETED:
            return ChildEnded()
        return ChildEnded(result=await self.client.get_workflow_handle(asked.id, run_id=found.run_id).result())

    async def _described(self, id_: str) -> WorkflowExecutionDescription | None:
        try:
            return await self.client.get_workflow_handle(id_).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None

    async def _original(self, id_: str, run_id: str) -> str:
        """The run that a run goes back to: a reset begins another one, and keeps this."""
        try:
            async for event in self.client.get_workflow_handle(id_, run_id=run_id).fetch_history_events(page_size=1):
                return event.workflow_execution_started_event_attributes.original_execution_run_id or run_id
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return run_id
