"""Replies to a time poll that came too late, or may have: on record until the account's TAM is asked to answer them.

A row stands from the moment in which nobody can be sure that a reply is heard, until its to-do is on record. The sweep
takes care of every row, so that no reply rests on whoever sends it to send it again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select

from rapport.model.base import Instant, WireModel
from rapport.model.ids import late_reply_task, step_of_meeting
from rapport.model.meeting import MeetingView, Vote
from rapport.model.projection import TimelineEvent
from rapport.model.sweep import LateReplyTodo
from rapport.model.task import MEMBER_PREFIX, TaskPhase, TaskStart
from rapport.rules import audit, calendar
from rapport.rules.quorum import IS_BOOKED
from rapport.rules.todo_template import LATE_REPLY
from rapport.storage import account as accounts, contract as contracts, timeline, words
from rapport.storage.database import Connection
from rapport.storage.tables import LateReplyRow, SubmissionRow, TaskRow
from rapport.storage.timeline import Submission
from rapport.storage.upserts import insert_new, put


class LateReply(WireModel):
    """A reply that came too late, or may have.

    Attributes:
        vote: The submission's id.
        workflow_id: The meeting's.
        is_late: Whether it is known that it came too late; else it waits at the meeting's door.
    """

    vote: str
    account: str
    workflow_id: str
    voter: str
    round: int
    slots: list[str]
    at: Instant
    is_late: bool = False

    @classmethod
    def of(cls, account: str, workflow_id: str, vote: Vote, at: datetime) -> LateReply:
        """What somebody replied to a meeting."""
        return cls(
            vote=vote.id,
            account=account,
            workflow_id=workflow_id,
            voter=vote.voter,
            round=vote.round,
            slots=list(vote.slots),
            at=at,
        )

    @property
    def task(self) -> str:
        """Its to-do's id."""
        return late_reply_task(self.account, self.workflow_id, self.voter, self.vote)


async def leave(connection: Connection, reply: LateReply) -> None:
    """Note a reply that waits at its meeting's door: it may be read too late to count, or never."""
    await insert_new(connection, LateReplyRow, [reply.model_dump()])


async def pending(connection: Connection) -> list[LateReply]:
    """All that is to be taken care of, the oldest first."""
    rows = await connection.execute(select(LateReplyRow.__table__).order_by(LateReplyRow.at, LateReplyRow.vote))
    return [LateReply.model_validate(row._mapping) for row in rows]


async def forget(connection: Connection, reply: LateReply) -> None:
    """Nothing is left to do about it."""
    await connection.execute(delete(LateReplyRow).where(LateReplyRow.vote == reply.vote))


async def keep(connection: Connection, reply: LateReply, problem: str, view: MeetingView | None) -> bool:
    """Put a reply that came too late on the timeline, and what its TAM will read of it. Safe to repeat.

    Where a time is booked, the invitation answers whoever only ticks times.

    Args:
        problem: Why it does not count.
        view: The meeting as it last stood, if that is known.

    Returns:
        Whether the TAM is to be asked.
    """
    said = (await timeline.submissions(connection, [reply.vote])).get(reply.vote)
    if said is None:
        # What nobody put on record, nobody said.
        await forget(connection, reply)
        return False
    of = await _contract(connection, reply)
    _, tam, _ = await accounts.surroundings(connection, reply.account)
    names = await accounts.names(connection, reply.account)
    if await words.outcome(connection, said.id) is None:
        entry = TimelineEvent(
            key=f"{of}/{reply.workflow_id}/late/{said.id}",
            account=reply.account,
            at=said.at,
            kind="vote.late",
            step=step_of_meeting(reply.workflow_id),
            who=reply.voter,
            about=str(len(reply.slots)),
            submission=said.id,
        )
        await timeline.append(connection, [entry])
    is_answered = problem == IS_BOOKED and bool(reply.slots) and not said.text
    if reply.voter.startswith(MEMBER_PREFIX) or is_answered:
        await forget(connection, reply)
        return False
    texts = {
        "who": names.get(reply.voter, ""),
        "reply": _times(reply, view, tam.schedule.zone),
        "note": said.text or "",
    }
    told = _told(said, reply.task, {name: text for name, text in texts.items() if text})
    if not await timeline.submissions(connection, [told.id]):
        await timeline.submit(connection, told)
        await put(connection, LateReplyRow, [reply.model_copy(update={"is_late": True}).model_dump()])
    return True


async def todo(connection: Connection, reply: LateReply, now: datetime) -> LateReplyTodo:
    """The to-do about a reply that came too late and was kept."""
    contract = await contracts.of_workflow(connection, reply.workflow_id)
    steps = await contracts.milestones(connection, contract.id) if contract else []
    _, tam, _ = await accounts.surroundings(connection, reply.account)
    step = step_of_meeting(reply.workflow_id)
    title = next((one.title for one in steps if one.step == step), step)
    start = TaskStart(
        account=reply.account,
        contract=contract.id if contract else reply.account,
        subject=reply.account,
        step=f"{step}.{LATE_REPLY.name}",
        title=LATE_REPLY.title.format(title),
        definition=LATE_REPLY.definition,
        request=_told_id(reply.vote),
        about=reply.voter,
        deadline=calendar.follow_ups(now, (1,), tam.schedule)[0],
    )
    return LateReplyTodo(task=reply.task, start=start)


async def is_asked(connection: Connection, reply: LateReply) -> bool:
    """Whether its to-do is on record."""
    return await connection.scalar(select(TaskRow.id).where(TaskRow.id == reply.task)) is not None


async def is_latest(connection: Connection, reply: LateReply) -> bool:
    """Whether the same person has said nothing else about the same meeting since, too late as well."""
    theirs = SubmissionRow.workflow_id.between(*_theirs(reply))
    last = select(SubmissionRow.workflow_id).where(theirs).order_by(SubmissionRow.at.desc(), SubmissionRow.id).limit(1)
    return await connection.scalar(last) in (None, reply.task)


async def outdated(connection: Connection, reply: LateReply) -> list[str]:
    """The open to-dos about what the same person had replied to the same meeting before."""
    theirs = TaskRow.id.between(*_theirs(reply))
    found = select(TaskRow.id).where(theirs, TaskRow.id != reply.task, TaskRow.phase != TaskPhase.CLOSED)
    return list(await connection.scalars(found.order_by(TaskRow.id)))


def _theirs(reply: LateReply) -> tuple[str, str]:
    """Between which ids all to-dos about one person's replies to one meeting are; they end in hex."""
    first = late_reply_task(reply.account, reply.workflow_id, reply.voter)
    return first, f"{first}g"


async def _contract(connection: Connection, reply: LateReply) -> str:
    contract = await contracts.of_workflow(connection, reply.workflow_id)
    return contract.id if contract else reply.account


def _times(reply: LateReply, view: MeetingView | None, zone: str) -> str:
    """The times that somebody ticked, in the TAM's zone."""
    if not reply.slots:
        return "none of the times works for them"
    proposal = view.proposal if view is not None else None
    slots = {slot.id: slot for slot in proposal.slots} if proposal is not None and proposal.round == reply.round else {}
    known = [slots[id_].start.astimezone(ZoneInfo(zone)) for id_ in reply.slots if id_ in slots]
    times = ", ".join(f"{start:%a %d %b %Y, %H:%M}" for start in known)
    return f"{times} ({zone})" if times else f"{len(reply.slots)} of the times that were proposed"


def _told_id(vote: str) -> str:
    return f"s_{hashlib.sha256(f'{vote}/late'.encode()).hexdigest()[:16]}"


def _told(said: Submission, task: str, texts: dict[str, str]) -> Submission:
    """What the TAM reads of a reply. It is the replier's own, so erasing them erases it."""
    text, salt = json.dumps(texts, ensure_ascii=False), secrets.token_hex(16)
    new = {"id": _told_id(said.id), "kind": "vote.late", "workflow_id": task, "about": None, "text": text, "salt": salt}
    return said.model_copy(update={**new, "text_hash": audit.text_hash(salt, text)})
