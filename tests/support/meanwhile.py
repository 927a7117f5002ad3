"""Something that happens when an activity has done its work, and its workflow does not know of it yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from tests.conftest import until


class Meanwhile(Interceptor):
    """Has something happen before a workflow hears what an activity gives.

    Attributes:
        workflow_id: Whose activity.
        does: What happens; nothing does before the test has set it.
        first: Whether it happens before the activity does its work.
        left: How often it is still to happen.
    """

    def __init__(self, applies: Callable[[Any], bool], times: int = 1, *, first: bool = False) -> None:
        """Nothing happens yet.

        Args:
            applies: Whether it is this activity, by what that is given.
        """
        self.applies = applies
        self.left = times
        self.first = first
        self.workflow_id = ""
        self.does: Callable[[], Awaitable[object]] | None = None

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Stand before each activity."""
        return _Meanwhile(next, self)


class _Meanwhile(ActivityInboundInterceptor):
    def __init__(self, next_: ActivityInboundInterceptor, meanwhile: Meanwhile) -> None:
        super().__init__(next_)
        self.meanwhile = meanwhile

    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        info, meanwhile = activity.info(), self.meanwhile
        does = meanwhile.does
        here = info.workflow_id == meanwhile.workflow_id and meanwhile.applies(input.args[0])
        if does is None or not here or not meanwhile.left:
            return await super().execute_activity(input)
        if info.is_local:
            # On the task queue the workflow hears what is said meanwhile.
            raise ApplicationError("not in the workflow's task", next_retry_delay=timedelta(milliseconds=1))
        meanwhile.left -= 1
        if meanwhile.first:
            await does()
        given = await super().execute_activity(input)
        if not meanwhile.first:
            await does()
        return given


async def heard(client: Client, workflow_id: str) -> None:
    """Wait until a workflow has had all signals that it got."""
    handle = client.get_workflow_handle(workflow_id)

    async def has_them() -> bool:
        kinds = [event.WhichOneof("attributes") or "" for event in (await handle.fetch_history()).events]
        since = kinds[::-1].index("workflow_execution_signaled_event_attributes")
        return "workflow_task_completed_event_attributes" in kinds[len(kinds) - since :]

    await until(has_them, "the signal in the workflow")
