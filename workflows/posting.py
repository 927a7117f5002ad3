"""How mails leave a workflow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.message import Messages
    from activities.undelivered import UndeliveredMails
    from rapport.model.ids import UNWRITTEN_STEP, step_of, step_of_to_do, undelivered_id, unwritten_task
    from rapport.model.message import Bundle, Deliver, MessageRequest, Outcomes, Resolution
    from rapport.model.task import TaskStart
    from rapport.model.undelivered import Settling, UndeliveredStart
    from rapport.model.workflows import UNDELIVERED
    from rapport.rules.todo_template import AGAIN, REWRITE

from workflows.options import AT_ONCE, MAIL, RECORDS
from workflows.outcomes import Denied, Undone, at_once, done, in_the_end, left_alone, never, started
from workflows.waiting import ask, soon

Given = TypeVar("Given", MessageRequest, Bundle, Deliver)


async def post(
    act: Callable[[Messages, Given], Awaitable[Outcomes]],
    given: Given,
    summary: str,
    on_wait: Callable[[], object] = never,
) -> Outcomes | Denied:
    """Have mails written and sent, and each that failed, or may not have arrived, followed up by a workflow of its own.

    Args:
        on_wait: Called once they do not simply go: from then on they may wait, for as long as the relay has them wait.

    Returns:
        What became of each mail; or why they cannot be written at all.
    """
    outcomes = await sent(act, given, summary, on_wait)
    if isinstance(outcomes, Outcomes):
        await _follow_up(given.account, outcomes)
    return outcomes


async def insist(occasion: MessageRequest, summary: str) -> Outcomes:
    """Have mails written and sent as `post`, and whatever keeps them from being written corrected.

    Returns:
        What became of each; of none, where nobody can or will correct it.
    """
    numbers = count(1)
    while isinstance(outcomes := await post(Messages.send, occasion, summary), Denied):
        if not await is_tried_again(occasion, numbers):
            return Outcomes(states={})
    return outcomes


async def is_tried_again(
    occasion: MessageRequest,
    numbers: Iterator[int],
    *,
    asked: tuple[str, ...] = REWRITE.definition.assign,
    is_over: Callable[[], bool] = never,
    todos: list[str] | None = None,
) -> bool:
    """Have somebody correct what keeps mails from being written, as often as it takes; whether to try again.

    Mails of no account's story, such as a morning's, have no TAM: each hour they are tried again, for as long as they
    make sense. Nor has somebody a second task because the mails about a first one cannot be written.

    Args:
        numbers: Counts these to-dos of this workflow.
        asked: Whom; the TAM, unless it is somebody else's matter.
        is_over: Whether nobody needs the mails any more.
        todos: Where the to-do's id stands for as long as it is open.
    """
    if step_of_to_do(occasion.step):
        return False
    if occasion.account is None:
        if occasion.stale_at is None or occasion.stale_at <= workflow.now():
            return False
        await left_alone(occasion.title)
        return True
    case, review = occasion.case, occasion.tech_review
    subject = case.ref if case is not None else review.ref if review is not None else None
    while not is_over():
        number = next(numbers)
        given = TaskStart(
            account=occasion.account,
            contract=occasion.contract or occasion.account,
            subject=subject or occasion.account,
            step=f"{occasion.step}.{UNWRITTEN_STEP}",
            title=REWRITE.title.format(occasion.title),
            attempt=number,
            definition=REWRITE.definition.model_copy(update={"assign": asked}),
            deadline=await soon(occasion.account),
        )
        id_ = unwritten_task(occasion.account, workflow.info().workflow_id, number)
        result = await ask(given, id_, given.title, is_over=is_over, todos=todos)
        if result.outcome in (AGAIN, Resolution.ELSEWHERE):
            return result.outcome == AGAIN
    return False


async def give_up(order: Deliver, reason: str) -> Outcomes:
    """Have mails on record that cannot be written now count as failed, so that somebody says what becomes of each."""
    outcomes = Outcomes(states={})
    for key in order.keys:
        unwritten = Settling(account=order.account, key=key, how="unwritten", reason=reason, now=workflow.now())
        settled = await done(UndeliveredMails.settle, unwritten, "Write down that an email can't be written", RECORDS)
        outcomes.states.update(settled.states)
    await _follow_up(order.account, outcomes)
    return outcomes


async def _follow_up(account: str | None, outcomes: Outcomes) -> None:
    for key in outcomes.undelivered() if account is not None else ():
        if not step_of_to_do(step_of(key)):
            start = UndeliveredStart(account=account, key=key)
            await started(UNDELIVERED, start, undelivered_id(key), summary="Take care of an email")


async def sent(
    act: Callable[[Messages, Given], Awaitable[Outcomes]],
    given: Given,
    summary: str,
    on_wait: Callable[[], object] = never,
) -> Outcomes | Denied:
    """Have mails written and sent in the workflow task itself, as far as they go at once; else by an activity.

    That saves a task and three answers of the server for each mail that simply goes. What does not is what somebody
    may want to see: Temporal's UI shows the activity, its attempts and what the relay says. See
    docs/adr/0022-mails-that-go-at-once.md.
    """
    outcomes = await at_once(act, given, summary, AT_ONCE)
    if isinstance(outcomes, Undone) or (isinstance(outcomes, Outcomes) and outcomes.under_way()):
        on_wait()
        return await in_the_end(act, given, summary, MAIL, mails=True)
    return outcomes
