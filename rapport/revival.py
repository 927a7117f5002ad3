"""Having a workflow that was ended from outside go on exactly where it was, by Temporal's own record of it.

Temporal's reset keeps whatever the workflow knew, its timers and its children: decisions and votes stand, and steps
that are done stay done. Only its last task is done again, as after a worker that died. See
docs/adr/0027-ended-from-outside.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.base import Refused, UserError
from rapport.model.ids import end_of
from rapport.model.operation import Control, ControlKind
from rapport.model.workflows import LASTING

_ENDED_OUTSIDE: Final = {
    WorkflowExecutionStatus.TERMINATED: "Terminated",
    WorkflowExecutionStatus.CANCELED: "Canceled",
    WorkflowExecutionStatus.FAILED: "Failed",
    WorkflowExecutionStatus.TIMED_OUT: "TimedOut",
}
"""The states of a workflow that was ended from outside, and what Temporal's list filter calls each."""

MOST_ENDED: Final = 200
"""Of how many workflows that were ended lately lists learn before the sweep has found them."""

_HEARS_OF_PEOPLE: Final = frozenset({"onboarding", "cadence", "meeting", "task", "case", "desk"})
"""The kinds of workflow that look again who is there, by what their ids begin with."""


async def ended_outside(client: Client, id_: str) -> datetime | None:
    """When a workflow was ended from outside; nothing where it runs, came to its own end, or is not there."""
    found = await _described(client, id_)
    return found.close_time if found is not None and found.status in _ENDED_OUTSIDE else None


async def is_forgotten(client: Client, id_: str) -> bool:
    """Whether Temporal no longer has a workflow: it was deleted, or its history has outlived what is kept."""
    return await _described(client, id_) is None


async def ended_lately(client: Client, task_queue: str, since: datetime) -> dict[str, datetime]:
    """The workflows that were ended from outside since an instant and don't run again, by id, with when each ended.

    By one question to Temporal's list, and a second one where it names any; at most `MOST_ENDED` of them.

    Raises:
        RPCError: Temporal does not answer.
    """
    kinds = ", ".join(f'"{kind}"' for kind in LASTING)
    states = ", ".join(f'"{name}"' for name in _ENDED_OUTSIDE.values())
    ours = f'TaskQueue = "{task_queue}" AND WorkflowType IN ({kinds})'
    query = f'{ours} AND ExecutionStatus IN ({states}) AND CloseTime > "{since.isoformat()}"'
    found: dict[str, datetime] = {}
    async for one in client.list_workflows(query, limit=MOST_ENDED, page_size=MOST_ENDED):
        if one.close_time is not None:
            found[one.id] = max(one.close_time, found.get(one.id, one.close_time))
    if found:
        ids = ", ".join(f'"{id_}"' for id_ in found)
        again = f'ExecutionStatus = "Running" AND WorkflowId IN ({ids})'
        async for one in client.list_workflows(again, limit=MOST_ENDED, page_size=MOST_ENDED):
            found.pop(one.id, None)
    return found


class CameToItsEndError(UserError):
    """A workflow that was not ended from outside, so that nothing of it is left to go on."""


async def may_go_on(client: Client, id_: str) -> bool:
    """Whether a workflow was ended from outside with the one that started it, and goes on once that does."""
    found = await _described(client, id_)
    if found is None or found.status not in _ENDED_OUTSIDE or found.parent_id is None:
        return False
    return await ended_outside(client, found.parent_id) is not None


async def revive(client: Client, id_: str) -> list[str]:
    """Have a workflow go on where it was ended, with those that it started and waits for.

    Safe to repeat, also where an attempt got only halfway: what runs is not begun again, and is told all of it anew.

    Returns:
        Those of them that run now, whoever began them.

    Raises:
        CameToItsEndError: It was not ended from outside.
        UserError: Temporal no longer knows what it was about, or refuses.
    """
    await _reset(client, id_)
    running = [id_, *await _reconnect(client, id_)]
    await _look_again(client, id_)
    return running


async def _described(client: Client, id_: str) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(id_).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


async def _reset(client: Client, id_: str) -> None:
    """Have it go on, unless it runs."""
    found = await _described(client, id_)
    if found is None:
        raise UserError("Temporal no longer knows this workflow", kind=Refused.NOT_FOUND)
    if found.status is WorkflowExecutionStatus.RUNNING:
        return
    if found.status not in _ENDED_OUTSIDE:
        raise CameToItsEndError("this workflow came to its own end", kind=Refused.CONFLICT)
    point = await _point(client, id_, found.run_id, canceled=found.status is WorkflowExecutionStatus.CANCELED)
    order = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=id_, run_id=found.run_id),
        reason="continued by Rapport",
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


async def _point(client: Client, id_: str, run_id: str, *, canceled: bool) -> int:
    """The end of the last task that a workflow did, before it was asked to cancel where that ended it.

    Of one that did none, the event after its first task was scheduled: a reset to there keeps its parent, its memo, and
    all that it was told meanwhile. 0, which Temporal refuses, where it was given no task at all.
    """
    first = done = 0
    async for event in client.get_workflow_handle(id_, run_id=run_id).fetch_history_events():
        if canceled and event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
            break
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
            first = first or event.event_id + 1
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            done = event.event_id
    return done or first


async def _reconnect(client: Client, id_: str) -> list[str]:
    """Have those go on that it waits for and that were ended as well, and tell it what came of those that ended.

    Temporal tells no workflow that was ended what comes of its children meanwhile, and none later.
    """
    found = await _described(client, id_)
    running = []
    for child in found.raw_description.pending_children if found is not None else ():
        try:
            running += await revive(client, child.workflow_id)
        except UserError:
            await _tell(client, id_, end_of(child.workflow_id), await _result(client, child))
    return running


async def _result(client: Client, child: Any) -> Any:
    """What a workflow gave that came to its own end; nothing where none is known."""
    found = await _described(client, child.workflow_id)
    if found is None or found.status is not WorkflowExecutionStatus.COMPLETED:
        return None
    return await client.get_workflow_handle(child.workflow_id, run_id=found.run_id).result()


async def _look_again(client: Client, id_: str) -> None:
    """Have it look again at what others told everybody meanwhile."""
    kind, _, _ = id_.partition("/")
    if kind in _HEARS_OF_PEOPLE:
        await _tell(client, id_, "people_changed")
    if kind == "onboarding":
        await _tell(client, id_, "gates_changed")
    if kind == "meeting":
        # Its step was found to have failed meanwhile, and waits for what somebody decides.
        await _tell(client, id_, "control", Control(kind=ControlKind.TELL))


async def _tell(client: Client, id_: str, signal: str, *words: Any) -> None:
    """Tell it something, unless it has come to its end meanwhile, and has no use for it."""
    try:
        await client.get_workflow_handle(id_).signal(signal, args=words)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
