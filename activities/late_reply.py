"""Replies to a time poll that came too late: whoever is to answer them is asked, once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from rapport.model.ids import cadence_id, onboarding_id, scope_of
from rapport.model.meeting import MeetingView, Vote
from rapport.model.operation import Control, ControlKind
from rapport.model.sweep import LateReplyTodo
from rapport.model.words import Left
from rapport.revival import may_go_on
from rapport.rules.quorum import HAS_ENDED, TOO_LATE
from rapport.storage import late_reply, sweep, words
from rapport.storage.database import Store
from rapport.storage.late_reply import LateReply
from rapport.temporal import runs

_LOOK: Final = timedelta(seconds=10)
"""How long a meeting has to say which times it had proposed; without that, only their number is told."""


async def unasked(store: Store, client: Client, now: datetime, before: datetime) -> tuple[LateReplyTodo, ...]:
    """The to-dos that are missing; a to-do about what the same person had replied before is taken back.

    Args:
        before: What was left at a meeting's door since may yet be heard.
    """
    async with store.reading() as connection:
        pending = await late_reply.pending(connection)
    found = [await _unasked(store, client, reply, now) for reply in pending if reply.is_late or reply.at <= before]
    return tuple(todo for todo in found if todo is not None)


async def tell_begun(store: Store, client: Client, began: Collection[str]) -> None:
    """Hand what was left for meetings that were ended outside to those of them that go on."""
    async with store.reading() as connection:
        pending = await late_reply.pending(connection)
    for reply in pending:
        if reply.workflow_id in began and not reply.is_late:
            await _hand_over(client, reply)


async def _hand_over(client: Client, reply: LateReply) -> None:
    """Leave a reply at its meeting's door. Safe to repeat: a meeting hears it once."""
    vote = Vote(id=reply.vote, at=reply.at, voter=reply.voter, round=reply.round, slots=tuple(reply.slots))
    left = Left(update="vote", word=vote.model_dump(mode="json"))
    await client.get_workflow_handle(reply.workflow_id).signal("hear_later", left)


async def _unasked(store: Store, client: Client, reply: LateReply, now: datetime) -> LateReplyTodo | None:
    if not reply.is_late and not await _is_kept(store, client, reply):
        return None
    async with store.writing() as connection:
        if not await late_reply.is_latest(connection, reply):
            await late_reply.forget(connection, reply)
            return None
        if not await late_reply.is_asked(connection, reply):
            return await late_reply.todo(connection, reply, now)
        outdated = await late_reply.outdated(connection, reply)
    for task in outdated:
        if await runs(client, task):
            await client.get_workflow_handle(task).signal("control", Control(kind=ControlKind.CLOSE))
    async with store.writing() as connection:
        await late_reply.forget(connection, reply)
    return None


async def _is_kept(store: Store, client: Client, reply: LateReply) -> bool:
    """Whether what was left at a meeting's door came too late, and asks for an answer; then it is kept."""
    # In this order: what a meeting says of a reply is on record before it has ended.
    may_hear = await runs(client, reply.workflow_id)
    async with store.reading() as connection:
        became = await words.outcome(connection, reply.vote)
    if became is None and may_hear:
        described = await client.get_workflow_handle(reply.workflow_id).describe()
        if described.start_time > reply.at:
            # It was said while its meeting was ended outside, and there was no door to leave it at.
            await _hand_over(client, reply)
        return False
    if became is None and await may_go_on(client, reply.workflow_id) and not await _is_left(store, reply):
        return False
    problem = HAS_ENDED if became is None else became.reason
    if problem not in TOO_LATE:
        async with store.writing() as connection:
            await late_reply.forget(connection, reply)
        return False
    view = await _view(client, reply.workflow_id)
    async with store.writing() as connection:
        return await late_reply.keep(connection, reply, problem, view)


async def _is_left(store: Store, reply: LateReply) -> bool:
    """Whether somebody has decided that what has this meeting stays ended."""
    async with store.reading() as connection:
        still = await sweep.standing_still(connection)
    found = (still.get(id_) for id_ in (onboarding_id(scope_of(reply.workflow_id)), cadence_id(reply.account)))
    return any(one is not None and one.left_at is not None for one in found)


async def _view(client: Client, workflow_id: str) -> MeetingView | None:
    """The meeting as it last stood; nothing where nobody can say."""
    try:
        seen = await client.get_workflow_handle(workflow_id).query("view", result_type=MeetingView, rpc_timeout=_LOOK)
    except (RPCError, WorkflowQueryFailedError):
        return None
    assert isinstance(seen, MeetingView)
    return seen
