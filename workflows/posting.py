"""How mails leave a workflow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.messages import Messages
    from rapport.model.message import Outcomes

from workflows.options import AT_ONCE, MAIL
from workflows.outcomes import Refused, at_once, in_the_end

Given = TypeVar("Given")


async def post(act: Callable[[Messages, Given], Awaitable[Outcomes]], given: Given, summary: str) -> Outcomes | Refused:
    """Have mails written and sent in the workflow task itself, as far as they go at once; else by an activity.

    That saves a task and three answers of the server for each mail that simply goes. What does not is what somebody
    may want to see: Temporal's UI shows the activity, its attempts and what the relay says. See
    docs/adr/0022-mails-that-go-at-once.md.

    Returns:
        What became of each mail; or why they cannot be written at all.
    """
    outcomes = await at_once(act, given, summary, AT_ONCE)
    if outcomes is None or (isinstance(outcomes, Outcomes) and outcomes.under_way()):
        return await in_the_end(act, given, summary, MAIL.remote, mails=True)
    return outcomes
