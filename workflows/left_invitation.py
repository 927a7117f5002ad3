"""The invitation that a meeting has left with people where its workflow was ended from outside."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.message import LeftBehind, LeftInvitation, Messages
    from activities.sweep import Missing
    from rapport.model.projection import TimelineEvent
    from rapport.model.sweep import Standstill
    from rapport.model.task import TaskResult
    from rapport.rules.todo_template import AGAIN
    from rapport.rules.wording import amount

from workflows.base import WorkflowMessages
from workflows.options import RECORDS, SWEEPS
from workflows.outcomes import done
from workflows.timeline import Timeline


async def left_invitation(of: LeftBehind) -> LeftInvitation:
    """What such a meeting has left, by now."""
    order = of.model_copy(update={"now": workflow.now()})
    return await done(Messages.left_invitation, order, "Find the invitation that is left", RECORDS)


async def call_off(of: LeftBehind, messages: WorkflowMessages, timeline: Timeline) -> None:
    """Take back what such a meeting has left, from everyone who may have it; once, however often it is asked for."""
    cancels = (await left_invitation(of)).cancels
    if cancels is None or cancels.meeting is None or cancels.meeting.booking is None:
        return
    timeline.record("invitation.called_off", step=of.step, instant=cancels.meeting.booking.start)
    request = cancels.model_copy(update={"workflow_id": workflow.info().workflow_id})
    messages.write(request, f"Tell {amount(len(request.to), 'person', 'people')} that it is called off")


async def begin_again(id_: str, of: LeftBehind, decided: TaskResult) -> str | None:
    """Have such a meeting go on where it was; give why that is not possible, in fixed words."""
    entry = TimelineEvent(
        key=f"{id_}/again/{decided.submission}",
        account=of.account,
        at=workflow.now(),
        kind="workflow.began_again",
        who=decided.by,
        about=id_,
        submission=decided.submission,
    )
    order = Standstill(workflow_id=id_, outcome=AGAIN, entry=entry)
    settled = await done(Missing.settle, order, "Have it go on where it was", SWEEPS)
    return None if settled.outcome == AGAIN else settled.reason or "it came to its own end"
