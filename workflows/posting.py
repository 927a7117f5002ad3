"""How mails leave a workflow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.messages import Messages
    from rapport.model.message import Outcomes
    from rapport.model.workflows import mail_queue

from workflows.options import AT_ONCE, MAIL

Given = TypeVar("Given")

REFUSED: Final = "Refused"
"""The type of an error whose text is shown as it is, and that trying again does not change."""


async def post(act: Callable[[Messages, Given], Awaitable[Outcomes]], given: Given, summary: str) -> Outcomes:
    """Have mails written and sent in the workflow task itself, as far as they go at once; else by an activity.

    That saves a task and three answers of the server for each mail that simply goes. What does not is what somebody
    may want to see: Temporal's UI shows the activity, its attempts and what the relay says. See
    docs/adr/0022-mails-that-go-at-once.md.

    Raises:
        ActivityError: A mail cannot be written at all.
    """
    try:
        outcomes = await workflow.execute_local_activity_method(act, given, summary=summary, **AT_ONCE)
    except ActivityError as error:
        if isinstance(error.cause, ApplicationError) and error.cause.type == REFUSED:
            raise
    else:
        if not outcomes.under_way():
            return outcomes
    queue = mail_queue(workflow.info().task_queue)
    return await workflow.execute_activity_method(act, given, summary=summary, task_queue=queue, **MAIL)
