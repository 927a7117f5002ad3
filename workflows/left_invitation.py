"""The invitation that a meeting has left with people where its workflow was ended from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.message import LeftBehind, LeftInvitation, Messages
    from activities.sweep import Missing
    from rapport.model.message import MessageState
    from rapport.model.projection import TimelineEvent
    from rapport.model.sweep import Standstill
    from rapport.model.task import TaskResult
    from rapport.rules.todo_template import AGAIN, TodoTemplate
    from rapport.rules.wording import amount

from workflows.base import WorkflowMessages
from workflows.options import RECORDS, SWEEPS
from workflows.outcomes import done
from workflows.timeline import Timeline
from workflows.waiting import Alarm


async def left_invitation(of: LeftBehind) -> LeftInvitation:
    """What such a meeting has left, by now."""
    order = of.model_copy(update={"now": workflow.now()})
    return await done(Messages.left_invitation, order, "Find the invitation that is left", RECORDS)


async def have_decided(
    of: LeftBehind,
    id_: str,
    question: Callable[[LeftInvitation, str | None], TodoTemplate],
    put: Callable[[TodoTemplate, Callable[[], bool]], Awaitable[TaskResult | None]],
    is_over: Callable[[], bool],
) -> TaskResult | None:
    """Have somebody decide what becomes of such a meeting, as often as it takes; it may go on where it was.

    Nobody is promised what cannot be any more: once the time that is booked has begun, nothing of it can be canceled,
    and it is asked anew.

    Args:
        id_: The meeting's workflow.
        question: What is asked, by what is left, and by why it could not go on once somebody has tried.
        put: Puts that as a to-do, and takes it back once nobody needs the answer.
        is_over: Whether nobody needs it any more.

    Returns:
        What was decided, `AGAIN` where it goes on by then; nothing where it was settled in another way.
    """
    why_not = None
    while not is_over():
        left, begins = await left_invitation(of), Alarm()
        begins.set(left.start, "The time that is booked begins")
        template = question(left, why_not)
        result = await put(template, lambda begins=begins: is_over() or begins.rings)  # type: ignore[misc]
        if result is None or result.by is None or result.outcome not in template.options:
            continue
        if result.outcome != AGAIN or (why_not := await begin_again(id_, of, result)) is None:
            return result
    return None


async def call_off(of: LeftBehind, messages: WorkflowMessages, timeline: Timeline) -> None:
    """Take back what such a meeting has left, from everyone who may have it; once, however often it is asked for.

    That it was canceled is told once somebody was told so.
    """
    cancels = (await left_invitation(of)).cancels
    if cancels is None or cancels.meeting is None or cancels.meeting.booking is None:
        return
    request = cancels.model_copy(update={"workflow_id": workflow.info().workflow_id})
    keys = await messages.write(request, f"Tell {amount(len(request.to), 'person', 'people')} that it is called off")
    await messages.all_settled(keys or ())
    if any(messages.states[key] is MessageState.SENT for key in keys or ()):
        timeline.record("invitation.called_off", step=of.step, instant=cancels.meeting.booking.start)


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
