"""Messages that nobody is at work on, that the relay has deferred, and how many there are of each state."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, case, func, literal, not_, or_, select, true, update

from rapport.mail.outbox.record import MESSAGES, PAUSED, Message, free
from rapport.model.base import Instant, WireModel
from rapport.model.ids import UNDELIVERED_STEP, UNWRITTEN_STEP
from rapport.model.message import NOT_DELIVERED, UNDER_WAY, MessageState
from rapport.rules.attention import LONGEST_AHEAD, OUTSIDE
from rapport.rules.pace import LONGEST_WAIT, SKEW
from rapport.storage.database import Connection
from rapport.storage.relay import last_turn, taken_since
from rapport.storage.tables import MessageRow, UtcInstant

_TO_DOS: Final = (UNDELIVERED_STEP, UNWRITTEN_STEP)

UNRESOLVED: Final = and_(
    MessageRow.state.in_(NOT_DELIVERED),
    MessageRow.resolution.is_(None),
    MessageRow.account.is_not(None),
    # A to-do about an email stands in an inbox, whether its own emails arrive or not.
    *(MessageRow.step.not_like(f"%.{end}") for end in _TO_DOS),
)


_LONG_AGO: Final = literal(datetime(1970, 1, 1, tzinfo=UTC), UtcInstant)


async def late(connection: Connection, before: datetime, now: datetime, limit: int) -> list[Message]:
    """What has been due since before an instant and did not go, the oldest first; not what a pause holds."""
    due = func.max if connection.dialect.name == "sqlite" else func.greatest
    # What the mailbox's rate or the rules cannot explain was given by a clock that was ahead: nobody waits for that.
    turn = case((MessageRow.turn_at <= await last_turn(connection, now), MessageRow.turn_at))
    deferred = and_(MessageRow.state == MessageState.DEFERRED, MessageRow.retry_at <= now + LONGEST_WAIT + SKEW)
    wait = case((deferred, MessageRow.retry_at))
    lease = case((not_(free(now)), MessageRow.lease_until))
    # So is what seems to be of tomorrow.
    created = case((MessageRow.created_at <= now + SKEW, MessageRow.created_at), else_=_LONG_AGO)
    scheduled = case((MessageRow.not_before <= now + LONGEST_AHEAD, MessageRow.not_before))
    moment = due(
        created,
        *(func.coalesce(column, created) for column in (scheduled, wait, turn, lease)),
        type_=UtcInstant,
    )
    return await _oldest(connection, and_(MessageRow.state.in_(UNDER_WAY), moment < before, not_(PAUSED)), limit)


async def release(connection: Connection, now: datetime, limit: int) -> list[Message]:
    """Send what was scheduled for its reader's working time, the oldest first; give it, and not what a pause holds."""
    scheduled = and_(
        MessageRow.state == MessageState.READY, MessageRow.reason == OUTSIDE, MessageRow.not_before > now, not_(PAUSED)
    )
    found = await _oldest(connection, scheduled, limit)
    keys = [one.key for one in found]
    await connection.execute(
        update(MessageRow).where(MessageRow.key.in_(keys), scheduled).values(not_before=now, reason=None)
    )
    return found


async def unresolved(connection: Connection, limit: int | None = None, account: str | None = None) -> list[Message]:
    """What failed, or may not have arrived, and nobody has taken care of, of all accounts or of one; oldest first."""
    which = UNRESOLVED if account is None else and_(UNRESOLVED, MessageRow.account == account)
    return await _oldest(connection, which, limit)


async def unresolved_after(connection: Connection, key: str, limit: int) -> list[Message]:
    """What failed, or may not have arrived, and nobody has taken care of: the first of them after a key, by key."""
    later = MESSAGES.where(UNRESOLVED, MessageRow.key > key).order_by(MessageRow.key).limit(limit)
    return [Message.model_validate(row._mapping) for row in await connection.execute(later)]


async def astray(connection: Connection, since: datetime, limit: int) -> list[Message]:
    """What belongs to no account's story and has failed since an instant, or may not have arrived; the oldest first."""
    of_nobody = and_(
        MessageRow.state.in_(NOT_DELIVERED),
        MessageRow.resolution.is_(None),
        MessageRow.account.is_(None),
        func.coalesce(MessageRow.settled_at, MessageRow.created_at) >= since,
    )
    return await _oldest(connection, of_nobody, limit)


async def _oldest(connection: Connection, which: ColumnElement[bool], limit: int | None) -> list[Message]:
    rows = await connection.execute(MESSAGES.where(which).order_by(MessageRow.created_at, MessageRow.key).limit(limit))
    return [Message.model_validate(row._mapping) for row in rows]


async def count_unresolved(connection: Connection) -> int:
    """How many messages failed, or may not have arrived, and nobody has taken care of."""
    return int(await connection.scalar(select(func.count()).select_from(MessageRow).where(UNRESOLVED)) or 0)


class Queue(WireModel):
    """What is due to go and has not gone yet: it waits for its turn, or for what keeps all mail from going.

    Attributes:
        since: Since when the oldest of them is due.
    """

    count: int
    since: Instant


async def queued(connection: Connection, now: datetime) -> Queue | None:
    """What is due and has not gone, but for what the relay has deferred and what a pause holds; nothing if all went."""
    scheduled = MessageRow.not_before.between(now, now + LONGEST_AHEAD)
    waits = or_(
        MessageRow.state == MessageState.READY,
        and_(MessageRow.state == MessageState.SENDING, MessageRow.reason.is_(None)),
    )
    since = func.min(func.coalesce(MessageRow.not_before, MessageRow.created_at), type_=UtcInstant).label("since")
    query = select(func.count().label("mails"), since).where(
        waits, func.coalesce(not_(scheduled), true()), not_(PAUSED)
    )
    row = (await connection.execute(query)).one()
    return Queue(count=row.mails, since=row.since) if row.mails else None


class StateCount(WireModel):
    """How many messages are in one state, since when the oldest is, and how many of them nobody has taken care of."""

    state: MessageState
    count: int
    oldest: Instant
    unresolved: int


async def standings(connection: Connection) -> list[StateCount]:
    """How many messages are in each state."""
    open_ = func.sum(case((UNRESOLVED, 1), else_=0)).label("unresolved")
    oldest = func.min(MessageRow.created_at, type_=UtcInstant).label("oldest")
    query = select(MessageRow.state, func.count().label("count"), oldest, open_).group_by(MessageRow.state)
    rows = await connection.execute(query.order_by(MessageRow.state))
    return [StateCount.model_validate(row._mapping) for row in rows]


class Deferrals(WireModel):
    """What waits because the relay has deferred it.

    Attributes:
        since: When the first of them was tried for the first time.
        answers: How many were deferred by which answer: its code alone, as relays repeat addresses; the most first.
        none_sent: Whether the relay has taken no message at all since then.
    """

    count: int
    since: Instant
    answers: dict[str, int]
    none_sent: bool


async def deferrals(connection: Connection) -> Deferrals | None:
    """What waits because the relay has deferred it, if anything does."""
    rows = (await connection.execute(_DEFERRED)).all()
    if not rows:
        return None
    answers: Counter[str] = Counter()
    for row in rows:
        answers[_code_of(row.reason or "")] += row.mails
    since: datetime = min(row.since for row in rows)
    return Deferrals(
        count=answers.total(),
        since=since,
        answers=dict(sorted(answers.items(), key=lambda one: (-one[1], one[0]))),
        none_sent=not await connection.scalar(select(taken_since(literal(since, UtcInstant)))),
    )


_DEFERRED: Final = (
    select(
        MessageRow.reason,
        func.count().label("mails"),
        func.min(func.coalesce(MessageRow.first_tried_at, MessageRow.created_at), type_=UtcInstant).label("since"),
    )
    .where(
        or_(
            MessageRow.state == MessageState.DEFERRED,
            # What the relay did not answer to after its data waits as well, and may have arrived.
            and_(MessageRow.state == MessageState.SENDING, MessageRow.reason.is_not(None)),
        )
    )
    .group_by(MessageRow.reason)
)


def _code_of(reason: str) -> str:
    """An answer's codes (RFC 5321, RFC 2034); words of ours stay as they are."""
    found = re.match(r"\d{3}(?: \d\.\d{1,3}\.\d{1,3}\b)?", reason)
    return found[0] if found else reason
