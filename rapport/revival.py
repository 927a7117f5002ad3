"""Having a workflow that was ended from outside go on exactly where it was, by Temporal's own record of it.

Temporal's reset keeps whatever the workflow knew, its timers and its children: decisions and votes stand, and steps
that are done stay done. Only its last task is done again, as after a worker that died. See
docs/adr/0027-ended-from-outside.md.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import RawValue
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.base import Refused, UserError
from rapport.model.ids import end_of

_ENDED_OUTSIDE: Final = (
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.CANCELED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
)

_HEARS_OF_PEOPLE: Final = frozenset({"onboarding", "cadence", "meeting", "task", "case", "desk"})
"""The kinds of workflow that look again who is there, by what their ids begin with."""


async def ended_outside(client: Client, id_: str) -> datetime | None:
    """When a workflow was ended from outside; nothing where it runs, came to its own end, or is not there."""
    found = await _described(client, id_)
    return found.close_time if found is not None and found.status in _ENDED_OUTSIDE else None


async def revive(client: Client, id_: str) -> list[str]:
    """Have a workflow go on where it was ended, with those that it started and waits for.

    Safe to repeat: what runs is left alone.

    Returns:
        Those that run again by this.

    Raises:
        UserError: It came to its own end, or Temporal no longer knows what it was about.
    """
    began = [id_] if await _reset(client, id_) else []
    began += await _reconnect(client, id_)
    for one in began:
        await _look_again(client, one)
    return began


async def _described(client: Client, id_: str) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(id_).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


async def _reset(client: Client, id_: str) -> bool:
    """Have it go on, unless it runs; whether this did it."""
    found = await _described(client, id_)
    if found is None:
        raise UserError("Temporal no longer knows this workflow", kind=Refused.NOT_FOUND)
    if found.status is WorkflowExecutionStatus.RUNNING:
        return False
    if found.status not in _ENDED_OUTSIDE:
        raise UserError("this workflow came to its own end", kind=Refused.CONFLICT)
    point = await _last_task(client, id_, found.run_id, canceled=found.status is WorkflowExecutionStatus.CANCELED)
    if point is None:
        return await _begin(client, found)
    order = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=id_, run_id=found.run_id),
        reason="begun again in Rapport",
        workflow_task_finish_event_id=point,
        request_id=found.run_id,
        reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST],
    )
    try:
        await client.workflow_service.reset_workflow_execution(order)
    except RPCError as error:
        if error.status not in (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION):
            raise
        raise UserError("Temporal refuses to reset this workflow", kind=Refused.CONFLICT) from None
    return True


async def _begin(client: Client, found: WorkflowExecutionDescription) -> bool:
    """Begin one that was ended before it did anything; whether this did it."""
    handle = client.get_workflow_handle(found.id, run_id=found.run_id)
    async for event in handle.fetch_history_events(page_size=1):
        given = event.workflow_execution_started_event_attributes.input.payloads
        with suppress(WorkflowAlreadyStartedError):
            await client.start_workflow(
                found.workflow_type,
                args=[RawValue(one) for one in given],
                id=found.id,
                task_queue=found.task_queue,
                memo=await found.memo(),
                search_attributes=found.typed_search_attributes,
                static_summary=await found.static_summary(),
                static_details=await found.static_details(),
            )
            return True
    return False


async def _last_task(client: Client, id_: str, run_id: str, *, canceled: bool) -> int | None:
    """The end of the last task that a workflow did, before it was asked to cancel where that ended it."""
    point = None
    async for event in client.get_workflow_handle(id_, run_id=run_id).fetch_history_events():
        if canceled and event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
            break
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            point = event.event_id
    return point


async def _reconnect(client: Client, id_: str) -> list[str]:
    """Have those go on that it waits for and that were ended as well, and tell it what came of those that ended.

    Temporal tells no workflow that was ended what comes of its children meanwhile, and none later.
    """
    found = await _described(client, id_)
    began = []
    for child in found.raw_description.pending_children if found is not None else ():
        try:
            began += await revive(client, child.workflow_id)
        except UserError:
            await client.get_workflow_handle(id_).signal(end_of(child.workflow_id), await _result(client, child))
    return began


async def _result(client: Client, child: Any) -> Any:
    """What a workflow gave that came to its own end; nothing where none is known."""
    found = await _described(client, child.workflow_id)
    if found is None or found.status is not WorkflowExecutionStatus.COMPLETED:
        return None
    return await client.get_workflow_handle(child.workflow_id, run_id=found.run_id).result()


async def _look_again(client: Client, id_: str) -> None:
    """Have it look again at what others told everybody meanwhile."""
    kind, _, _ = id_.partition("/")
    handle = client.get_workflow_handle(id_)
    if kind in _HEARS_OF_PEOPLE:
        await handle.signal("people_changed")
    if kind == "onboarding":
        await handle.signal("gates_changed")
