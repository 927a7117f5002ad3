"""What became of meetings that have ended, and the replies that come after that."""

from __future__ import annotations

from typing import Literal

from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.meeting import MeetingView, Vote
from rapport.model.task import TaskStart
from rapport.rules.todo_template import NO_TIME
from rapport.search_attributes import found_by
from rapport.storage import account as accounts, late_reply, timeline
from rapport.storage.database import Connection
from rapport.storage.late_reply import LateReply
from starters import flows
from starters.services import Services, answered, present

Became = Literal["held", "called_off", "no_time", "unreported", "closed", "ended"]
"""How a meeting ended: it was held or called off, no time was found, nobody said how it went, it was not needed, or its
workflow was ended in Temporal."""


class EndShown(WireModel):
    """What became of a meeting that has ended.

    Attributes:
        start: The time that it was booked for last.
    """

    became: Became
    start: Instant | None


class PollClosedError(UserError):
    """The time poll has closed. What was said is on record, and the account's TAM is asked to answer it."""


async def end_of(connection: Connection, account: str, workflow_id: str) -> EndShown:
    """What became of a meeting that has ended, as the record tells it, whether or not its workflow still answers."""
    told = await timeline.of_workflow(connection, account, workflow_id)
    became: Became = "closed"
    for entry in told:
        match entry.kind, entry.about:
            case ("meeting.held", _):
                became = "held"
            case ("meeting.called_off" | "meeting.canceled", _):
                became = "called_off"
            case ("meeting.given_up", about):
                became = "no_time" if about == NO_TIME else "unreported"
    booked = [entry.instant for entry in told if entry.kind in ("meeting.booked", "meeting.moved")]
    return EndShown(became=became, start=booked[-1] if booked else None)


async def leave(services: Services, account: str, workflow_id: str, vote: Vote) -> None:
    """Keep in mind a reply that waits at its meeting's door, for the sweep to see that it is heard."""
    async with services.store.writing() as connection:
        await late_reply.leave(connection, LateReply.of(account, workflow_id, vote, present()))


async def take_late(
    services: Services, account: str, workflow_id: str, vote: Vote, view: MeetingView | None, problem: str
) -> UserError:
    """Keep a reply that comes too late to count, and have the account's TAM answer it. Safe to repeat.

    It is on record that the TAM is to be asked before they are: where Temporal is away by then, the sweep asks them.

    Args:
        view: The meeting as it last stood, if that is known.
        problem: Why it does not count.

    Returns:
        What whoever replied is told.
    """
    now = present()
    reply = LateReply.of(account, workflow_id, vote, now)
    async with services.store.writing() as connection:
        asks = await late_reply.keep(connection, reply, problem, view)
        todo = await late_reply.todo(connection, reply, now)
        _, tam, _ = await accounts.surroundings(connection, account)
    if not asks:
        return UserError(problem, fix="the reply is on record", kind=Refused.CONFLICT)
    try:
        await _put(services, todo.start, todo.task)
    except UserError as refusal:
        if refusal.kind is not Refused.UNREACHABLE:
            raise
    return PollClosedError(
        problem,
        fix=f"the reply is on record, and {tam.name} is asked to answer it",
        kind=Refused.CONFLICT,
    )


async def _put(services: Services, start: TaskStart, id_: str) -> None:
    starting = services.client.start_workflow(
        flows.HumanTask.run,
        start,
        id=id_,
        task_queue=services.settings.task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=found_by(start.account),
        static_summary=f"{start.title}, for {start.account}",
        static_details=start.definition.question,
    )
    try:
        await answered(starting, f"task {id_}")
    except WorkflowAlreadyStartedError:
        # The same reply once more: whoever is to answer it was asked.
        return
