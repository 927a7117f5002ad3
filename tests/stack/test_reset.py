"""An onboarding that is reset in Temporal, on a real server: what it has begun is its own."""

from __future__ import annotations

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from rapport.model.ids import meeting_id, new_id, onboarding_id, task_id
from rapport.model.operation import Control, ControlKind
from tests.conftest import Installation, until
from tests.support.ended import end, is_open, milestone, onboarded, to_customer

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]


async def reset(here: Installation, key: str) -> None:
    """Reset an onboarding as an operator may, to before anything of it began; wait until it has what it had."""
    handle = here.client.get_workflow_handle(onboarding_id(key))
    events = [one async for one in handle.fetch_history_events()]
    first = next(one for one in events if one.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    await here.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=here.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=(await handle.describe()).run_id),
            workflow_task_finish_event_id=first.event_id,
            reason="by hand",
            request_id=new_id("request"),
        )
    )

    async def taken_up() -> bool:
        raw = (await handle.describe()).raw_description
        return any(one.activity_type.name == "children.result" for one in raw.pending_activities)

    await until(taken_up, "what it has begun to be taken up")


async def test_a_reset_onboarding_takes_up_its_meeting(here: Installation) -> None:
    """Reset in Temporal to before its meeting began, it fails no step: that meeting is its own, and its end counts."""
    key, _ = await onboarded(here)
    kickoff = meeting_id(key, "kickoff", 1)
    before = (await here.client.get_workflow_handle(kickoff).describe()).run_id
    sent = to_customer(here)
    await reset(here, key)
    assert await milestone(here, key, "kickoff") == "running"
    await end(here, kickoff)

    async def failed() -> bool:
        return await milestone(here, key, "kickoff") == "failed"

    await until(failed, "the step to hear of its end")
    assert (await here.client.get_workflow_handle(kickoff).describe()).run_id == before
    assert to_customer(here) == sent


@pytest.mark.parametrize("meanwhile", [True, False])
async def test_a_reset_onboarding_hears_the_answer_to_its_approval(here: Installation, meanwhile: bool) -> None:
    """Answered before it was reset or after, it counts, and is not asked for twice."""
    key, _ = await onboarded(here, large_account=True)
    approval = task_id(key, "onsite_approval", 1)
    await until(lambda: is_open(here, approval), "the approval to be asked for")
    handle = here.client.get_workflow_handle(approval)
    run = (await handle.describe()).run_id
    if not meanwhile:
        await reset(here, key)
    await handle.signal("control", Control(kind=ControlKind.CLOSE))
    await handle.result()
    if meanwhile:

        async def ended() -> bool:
            return await milestone(here, key, "onsite_approval") not in ("running", "waiting", "failed")

        await until(ended, "the step to end")
        await reset(here, key)

    async def heard() -> bool:
        return await milestone(here, key, "onsite_approval") not in ("running", "waiting", "failed")

    await until(heard, "the answer to be heard")
    assert (await handle.describe()).run_id == run
