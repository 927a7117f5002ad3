"""What became of meetings that have ended, and the replies that come after that."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Literal
from zoneinfo import ZoneInfo

from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.ids import late_reply_task, step_of_meeting
from rapport.model.meeting import MeetingView, Vote
from rapport.model.projection import TimelineEvent
from rapport.model.task import MEMBER_PREFIX, TaskStart
from rapport.rules import audit, calendar
from rapport.rules.quorum import IS_BOOKED
from rapport.rules.todo_template import LATE_REPLY, NO_TIME
from rapport.storage import account as accounts, contract as contracts, timeline
from rapport.storage.database import Connection
from rapport.storage.timeline import Submission
from starters.use_cases.services import Services, answered, present
from workflows.outcomes import ACCOUNT
from workflows.task import HumanTask

Became = Literal["held", "called_off", "no_time", "unreported", "closed"]
"""How a meeting ended: it was held or called off, no time was found, nobody said how it went, or it was not needed."""


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
            case ("meeting.called_off", _):
                became = "called_off"
            case ("meeting.given_up", about):
                became = "no_time" if about == NO_TIME else "unreported"
    booked = [entry.instant for entry in told if entry.kind in ("meeting.booked", "meeting.moved")]
    return EndShown(became=became, start=booked[-1] if booked else None)


async def take_late(
    services: Services,
    account: str,
    workflow_id: str,
    vote: Vote,
    said: Submission,
    view: MeetingView | None,
    problem: str,
) -> UserError:
    """Keep a reply that comes too late to count, and have the account's TAM answer it. Safe to repeat.

    Where a time is booked, the invitation answers whoever only ticks times.

    Args:
        view: The meeting as it last stood, if that is known.
        problem: Why it does not count.

    Returns:
        What whoever replied is told.
    """
    step, task = step_of_meeting(workflow_id), late_reply_task(account, said.id)
    async with services.store.reading() as connection:
        contract = await contracts.latest(connection, account)
        steps = await contracts.milestones(connection, contract.id) if contract else []
        _, tam, _ = await accounts.surroundings(connection, account)
        names = await accounts.names(connection, account)
    title = next((one.title for one in steps if one.step == step), step)
    of = contract.id if contract else account
    entry = TimelineEvent(
        key=f"{of}/{workflow_id}/late/{said.id}",
        account=account,
        at=said.at,
        kind="vote.late",
        step=step,
        who=vote.voter,
        about=str(len(vote.slots)),
        submission=said.id,
    )
    words = {"who": names.get(vote.voter, ""), "reply": _reply(vote, view, tam.schedule.zone), "note": said.text or ""}
    told = _told(said, task, {name: text for name, text in words.items() if text})
    is_answered = problem == IS_BOOKED and bool(vote.slots) and not said.text
    asks = not vote.voter.startswith(MEMBER_PREFIX) and not is_answered
    async with services.store.writing() as connection:
        await timeline.append(connection, [entry])
        if asks and not await timeline.submissions(connection, [told.id]):
            await timeline.submit(connection, told)
    if not asks:
        return UserError(problem, fix="the reply is on record", kind=Refused.CONFLICT)
    start = TaskStart(
        account=account,
        contract=of,
        subject=account,
        step=f"{step}.{LATE_REPLY.name}",
        title=LATE_REPLY.title.format(title),
        definition=LATE_REPLY.definition,
        request=told.id,
        about=vote.voter,
        deadline=calendar.follow_ups(present(), (1,), tam.schedule)[0],
    )
    await _put(services, start, task)
    return PollClosedError(
        problem,
        fix=f"the reply is on record, and {tam.name} is asked to answer it",
        kind=Refused.CONFLICT,
    )


def _reply(vote: Vote, view: MeetingView | None, zone: str) -> str:
    """The times that somebody ticked, in the TAM's zone."""
    if not vote.slots:
        return "none of the times works for them"
    slots = {slot.id: slot for slot in view.proposal.slots} if view is not None and view.proposal is not None else {}
    known = [slots[id_].start.astimezone(ZoneInfo(zone)) for id_ in vote.slots if id_ in slots]
    times = ", ".join(f"{start:%a %d %b %Y, %H:%M}" for start in known)
    return f"{times} ({zone})" if times else f"{len(vote.slots)} of the times that were proposed"


def _told(said: Submission, task: str, words: dict[str, str]) -> Submission:
    """What the TAM reads of a reply. It is the replier's own, so erasing them erases it."""
    text, salt = json.dumps(words, ensure_ascii=False), secrets.token_hex(16)
    id_ = f"s_{hashlib.sha256(f'{said.id}/late'.encode()).hexdigest()[:16]}"
    new = {"id": id_, "kind": "vote.late", "workflow_id": task, "about": None, "text": text, "salt": salt}
    return said.model_copy(update={**new, "text_hash": audit.text_hash(salt, text)})


async def _put(services: Services, start: TaskStart, id_: str) -> None:
    starting = services.client.start_workflow(
        HumanTask.run,
        start,
        id=id_,
        task_queue=services.settings.task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=TypedSearchAttributes([SearchAttributePair(ACCOUNT, start.account)]),
        static_summary=f"{start.title}, for {start.account}",
        static_details=start.definition.question,
    )
    try:
        await answered(starting, f"task {id_}")
    except WorkflowAlreadyStartedError:
        # The same reply once more: whoever is to answer it was asked.
        return
