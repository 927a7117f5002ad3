"""The outbox: what state a message may go to, and every change of state as one compare-and-set in SQL.

    draft → ready → sending → sent | deferred | failed | unknown        draft → held, draft → suppressed

`sending` is committed after the relay accepted the recipient and before any data goes out. A crash after that leaves
it behind, and the next attempt, once the lease has run out, finds it: mails whose repetition harms nobody go again
with the same bytes, the others become `unknown` and wait for a person.

A message that is put off is `ready` with the instant in `not_before`. It has no bytes before it goes, unless a person
approved them; until then another may join it, and is `suppressed` for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    collate,
    func,
    insert,
    or_,
    select,
    update,
)

from rapport.model.base import Instant, Refusal, Refused, Wire
from rapport.model.ids import UNDELIVERED, UNWRITTEN
from rapport.model.message import LEFT_BEHIND, MessageState, Outcomes, Purpose, Resolution
from rapport.policy.pace import Pace
from rapport.storage.database import Connection
from rapport.storage.people import LEFT
from rapport.storage.relay import take_turn
from rapport.storage.tables import ContactRow, MessageRow, UtcInstant

LEASE: Final = timedelta(seconds=90)
"""How long an attempt may be at it. Longer than the wire waits for an answer, so that two never overlap."""

LAST: Final = "\U0010ffff"
"""Comes after every key that begins alike."""

GIVE_UP: Final = timedelta(hours=48)
"""How long a message is tried when the relay keeps asking for patience."""

DEPARTED: Final = LEFT
BY_HAND: Final = "somebody confirmed that it arrived"
STALE: Final = "it came too late to be of use"

NEXT: Final[dict[MessageState, frozenset[MessageState]]] = {
    MessageState.DRAFT: frozenset(
        {MessageState.READY, MessageState.FAILED, MessageState.HELD, MessageState.SUPPRESSED}
    ),
    MessageState.READY: frozenset(
        {MessageState.SENDING, MessageState.DEFERRED, MessageState.FAILED, MessageState.SUPPRESSED}
    ),
    MessageState.DEFERRED: frozenset(
        {MessageState.SENDING, MessageState.DEFERRED, MessageState.FAILED, MessageState.SUPPRESSED}
    ),
    MessageState.SENDING: frozenset(
        {
            MessageState.SENT,
            MessageState.DEFERRED,
            MessageState.FAILED,
            MessageState.UNKNOWN,
            MessageState.SENDING,
        }
    ),
    MessageState.UNKNOWN: frozenset({MessageState.READY, MessageState.SENT, MessageState.SUPPRESSED}),
    MessageState.SENT: frozenset(),
    MessageState.FAILED: frozenset({MessageState.READY, MessageState.SUPPRESSED}),
    MessageState.HELD: frozenset({MessageState.READY, MessageState.SUPPRESSED}),
    MessageState.SUPPRESSED: frozenset(),
}
"""Which state may follow which. `sent` is followed by nothing: a message recorded as sent is never sent again. What
failed, or may not have arrived, goes on by a person's decision alone."""

UNDER_WAY: Final = (MessageState.READY, MessageState.SENDING, MessageState.DEFERRED)

UNRENDERED: Final = (MessageRow.state == MessageState.READY, MessageRow.raw.is_(None))
_OF_ATTEMPTS: Final = ("first_tried_at", "retry_at", "lease_until", "turn_at")
_TO_DOS: Final = (UNDELIVERED, UNWRITTEN)
UNRESOLVED: Final = and_(
    MessageRow.state.in_([MessageState.FAILED, MessageState.UNKNOWN]),
    MessageRow.resolution.is_(None),
    MessageRow.account.is_not(None),
    # A to-do about an email stands in an inbox, whether its own emails arrive or not.
    *(MessageRow.step.not_like(f"%.{end}") for end in _TO_DOS),
)


class Message(Wire):
    """A message as it stands, without its bytes. One that belongs to no account's story has neither of both."""

    key: str
    account: str | None
    contract: str | None
    step: str
    workflow_id: str
    purpose: str
    person: str
    address: str
    email: str
    state: MessageState
    reason: str | None
    subject: str
    message_id: str
    created_at: Instant
    settled_at: Instant | None
    retry_at: Instant | None
    not_before: Instant | None
    attempts: int
    approved_by: str | None
    fence: int = 0
    resolution: Resolution | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still has to go, or somebody has to take care of it."""
        if self.state in (MessageState.FAILED, MessageState.UNKNOWN):
            return self.resolution is None
        return self.state in UNDER_WAY


class Lease(Wire):
    """The right to send one message until the lease ends; a later attempt has a higher fence."""

    key: str
    kind: str
    fence: int
    account: str | None
    person: str
    address: str
    step: str
    first_tried_at: Instant
    attempts: int
    raw: bytes


async def intend(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep new messages.

    Raises:
        IntegrityError: A key is already there; another attempt was faster. One intent, one message.
    """
    if rows:
        await connection.execute(_INTEND, list(rows))


def leased(values: dict[str, Any], now: datetime) -> Lease:
    """Take the right to send a message in the same transaction that keeps it; its values are changed for that."""
    values |= {"fence": 1, "attempts": 1, "lease_until": now + LEASE, "first_tried_at": now}
    return Lease.model_validate(values)


_INTEND: Final = insert(MessageRow)
_STATES: Final = select(MessageRow.key, MessageRow.state).where(MessageRow.key.in_(bindparam("keys", expanding=True)))


async def states(connection: Connection, keys: Sequence[str]) -> dict[str, MessageState]:
    """The state of each of these messages."""
    rows = await connection.execute(_STATES, {"keys": list(keys)})
    return {row.key: MessageState(row.state) for row in rows}


_STANDING: Final = (MessageRow.key, MessageRow.state, MessageRow.not_before, MessageRow.joined)
_OUTCOMES: Final = select(*_STANDING).where(MessageRow.key.in_(bindparam("keys", expanding=True)))


def _by_key(key: ColumnElement[str]) -> Select[str, str, datetime | None, str | None]:
    return (
        select(*_STANDING)
        .where(
            # Not the bare column: the database would go by its index, through all mails that the account has ever had.
            func.coalesce(MessageRow.account, "") == bindparam("of"),
            key >= bindparam("prefix"),
            key < bindparam("end"),
        )
        .order_by(key)
    )


_OF_OCCASION: Final = {
    "sqlite": _by_key(MessageRow.__table__.c.key),
    # SQLite orders texts by their bytes; here that takes saying, and an index of its own (migration 0008).
    "postgresql": _by_key(collate(MessageRow.__table__.c.key, "C")),
}


async def outcomes(connection: Connection, keys: Sequence[str], now: datetime) -> Outcomes:
    """What became of each of these messages so far."""
    return _outcomes(await connection.execute(_OUTCOMES, {"keys": list(keys)}), now)


async def of_occasion(connection: Connection, account: str, prefix: str, now: datetime) -> Outcomes:
    """What became of an occasion's messages so far, also of those whose recipient has left since.

    Args:
        prefix: The key without its person.
    """
    given = {"of": account, "prefix": prefix, "end": prefix + LAST}
    return _outcomes(await connection.execute(_OF_OCCASION[connection.dialect.name], given), now)


def _outcomes(rows: Iterable[Row[Any]], now: datetime) -> Outcomes:
    rows = list(rows)
    return Outcomes(
        states={row.key: MessageState(row.state) for row in rows},
        waits={
            row.key: row.not_before
            for row in rows
            if row.state == MessageState.READY and row.not_before is not None and row.not_before > now
        },
        joined={row.key: row.joined for row in rows if row.joined is not None},
    )


async def late(connection: Connection, before: datetime, limit: int) -> list[Message]:
    """What has been due since before an instant and did not go, the oldest first."""
    due = func.max if connection.dialect.name == "sqlite" else func.greatest
    moment = due(
        MessageRow.created_at,
        *(
            func.coalesce(column, MessageRow.created_at)
            for column in (MessageRow.not_before, MessageRow.retry_at, MessageRow.turn_at, MessageRow.lease_until)
        ),
        type_=UtcInstant,
    )
    return await _oldest(connection, and_(MessageRow.state.in_(UNDER_WAY), moment < before), limit)


async def unresolved(connection: Connection, limit: int | None = None) -> list[Message]:
    """What failed, or may not have arrived, and nobody has taken care of; the oldest first."""
    return await _oldest(connection, UNRESOLVED, limit)


async def _oldest(connection: Connection, which: ColumnElement[bool], limit: int | None) -> list[Message]:
    rows = await connection.execute(MESSAGES.where(which).order_by(MessageRow.created_at, MessageRow.key).limit(limit))
    return [Message.model_validate(row._mapping) for row in rows]


async def count_unresolved(connection: Connection) -> int:
    """How many messages failed, or may not have arrived, and nobody has taken care of."""
    return int(await connection.scalar(select(func.count()).select_from(MessageRow).where(UNRESOLVED)) or 0)


class Standing(Wire):
    """How many messages are in one state, since when the oldest is, and how many of them nobody has taken care of."""

    state: MessageState
    count: int
    oldest: Instant
    unresolved: int


async def standings(connection: Connection) -> list[Standing]:
    """How many messages are in each state."""
    open_ = func.sum(case((UNRESOLVED, 1), else_=0)).label("unresolved")
    oldest = func.min(MessageRow.created_at, type_=UtcInstant).label("oldest")
    query = select(MessageRow.state, func.count().label("count"), oldest, open_).group_by(MessageRow.state)
    rows = await connection.execute(query.order_by(MessageRow.state))
    return [Standing.model_validate(row._mapping) for row in rows]


async def let_rest(connection: Connection, key: str, reason: str, now: datetime) -> None:
    """Give up a message that nobody needs any more, whatever became of it so far; unless an attempt is at it."""
    free = or_(MessageRow.lease_until.is_(None), MessageRow.lease_until < now)
    open_ = (*UNDER_WAY, MessageState.FAILED, MessageState.UNKNOWN)
    await connection.execute(
        update(MessageRow)
        .where(MessageRow.key == key, MessageRow.state.in_(open_), free)
        .values(state=MessageState.SUPPRESSED, reason=reason, settled_at=now, lease_until=None)
    )


async def fail(connection: Connection, key: str, reason: str, now: datetime) -> None:
    """Give up a message that cannot be written, or not again, so that a person hears of it."""
    waiting = (MessageState.DRAFT, MessageState.READY, MessageState.DEFERRED)
    await connection.execute(
        update(MessageRow)
        .where(MessageRow.key == key, MessageRow.state.in_(waiting))
        .values(state=MessageState.FAILED, reason=reason, settled_at=now, lease_until=None)
    )


async def settle_by_hand(connection: Connection, key: str, how: Resolution, address: str, now: datetime) -> bool:
    """Do with a message that failed, or may not have arrived, what a person decided; say whether it was open.

    What nobody can say whether it arrived goes again with the same bytes and Message-ID. What failed did not arrive: it
    is written anew, to where its reader is reached by now.

    Args:
        address: Where its reader is reached by now.
    """
    afresh: dict[str, Any] = {
        "state": MessageState.READY,
        "fence": MessageRow.fence + 1,
        "attempts": 0,
        **dict.fromkeys((*_OF_ATTEMPTS, "not_before", "settled_at", "reason", "reply")),
    }
    arrived = {"state": MessageState.SENT, "settled_at": now, "reason": BY_HAND}
    elsewhere = {"resolution": Resolution.ELSEWHERE}
    anew = {**afresh, "raw": None, "address": address}
    changes = {
        MessageState.UNKNOWN: {
            Resolution.SENT: arrived,
            Resolution.RESEND: afresh,
            Resolution.ELSEWHERE: elsewhere,
        },
        MessageState.FAILED: {Resolution.RESEND: anew, Resolution.ELSEWHERE: elsewhere},
    }
    changed = 0
    for state, ways in changes.items():
        if how in ways:
            these = (MessageRow.key == key, MessageRow.state == state, MessageRow.resolution.is_(None))
            changed += (await connection.execute(update(MessageRow).where(*these).values(ways[how]))).rowcount
    return changed == 1


async def drop_departed(connection: Connection, keys: Sequence[str], now: datetime) -> list[str]:
    """Suppress what has not gone out yet to people who have left since it was written; give the keys."""
    left = select(ContactRow.id).where(ContactRow.left_at.is_not(None))
    departed = dropped(keys, DEPARTED, now).where(MessageRow.person.in_(left), MessageRow.purpose != Purpose.PARTING)
    return list(await connection.scalars(departed.returning(MessageRow.key)))


async def drop_drafts(connection: Connection, keys: Sequence[str], now: datetime) -> list[str]:
    """Suppress drafts, and what was put off, to contacts who have left since; give the keys that go to nobody now."""
    left = select(ContactRow.id).where(ContactRow.left_at.is_not(None))
    concerned = (MessageRow.key.in_(keys), MessageRow.person.in_(left))
    unread = MessageRow.state.in_([MessageState.DRAFT, MessageState.HELD])
    drafts = or_(unread, and_(*UNRENDERED, MessageRow.guests == 0))
    await connection.execute(
        update(MessageRow)
        .where(*concerned, drafts)
        .values(state=MessageState.SUPPRESSED, reason=DEPARTED, settled_at=now)
    )
    suppressed = select(MessageRow.key).where(*concerned, MessageRow.state == MessageState.SUPPRESSED)
    return list(await connection.scalars(suppressed))


async def drop_of_step(connection: Connection, contract: str, step: str, attempt: int, now: datetime) -> list[Message]:
    """Suppress what one attempt at a step has written and not sent; give what will not go."""
    prefix = f"{contract}/{step}/{attempt}/"
    waiting = (MessageState.DRAFT, MessageState.HELD, MessageState.READY, MessageState.DEFERRED)
    gone = await connection.scalars(
        update(MessageRow)
        .where(
            MessageRow.contract == contract,
            MessageRow.step == step,
            MessageRow.key.startswith(prefix, autoescape=True),
            MessageRow.state.in_(waiting),
            or_(MessageRow.lease_until.is_(None), MessageRow.lease_until < now),
        )
        .values(state=MessageState.SUPPRESSED, reason=LEFT_BEHIND, settled_at=now, lease_until=None)
        .returning(MessageRow.key)
    )
    return [await message(connection, key) for key in sorted(gone)]


async def drop_stale(connection: Connection, keys: Sequence[str], now: datetime) -> list[str]:
    """Suppress what has not gone out by the time at which it makes no sense any more; give the keys."""
    return list(await connection.scalars(dropped(keys, STALE, now).returning(MessageRow.key)))


def dropped(keys: Sequence[str], reason: str, now: datetime) -> Update:
    return (
        update(MessageRow)
        .where(
            MessageRow.key.in_(keys),
            MessageRow.state.in_([MessageState.READY, MessageState.DEFERRED]),
            or_(MessageRow.lease_until.is_(None), MessageRow.lease_until < now),
        )
        .values(state=MessageState.SUPPRESSED, reason=reason, settled_at=now, lease_until=None)
    )


async def next_try(connection: Connection, keys: Sequence[str]) -> datetime | None:
    """When the first of these messages can be tried again, if any waits."""
    moment = func.coalesce(MessageRow.lease_until, MessageRow.turn_at, MessageRow.retry_at)
    waiting = [MessageState.READY, MessageState.DEFERRED, MessageState.SENDING]
    first: datetime | None = await connection.scalar(
        select(func.min(moment, type_=UtcInstant)).where(MessageRow.key.in_(keys), MessageRow.state.in_(waiting))
    )
    return first


_PRESENT: Final = bindparam("present", type_=UtcInstant)
_FREE: Final = or_(MessageRow.lease_until.is_(None), MessageRow.lease_until < _PRESENT)
_DUE: Final = or_(MessageRow.not_before.is_(None), MessageRow.not_before <= _PRESENT)
_LOSE: Final = (
    update(MessageRow)
    .where(
        MessageRow.key == bindparam("which"),
        MessageRow.state == MessageState.SENDING,
        MessageRow.kind == "hold",
        _FREE,
    )
    .values(
        state=MessageState.UNKNOWN,
        reason="the sender stopped between handing it over and hearing the answer; it may have arrived",
        settled_at=_PRESENT,
        lease_until=None,
    )
)
_TO_LEASE: Final = (
    MessageRow.key == bindparam("which"),
    MessageRow.state.in_([MessageState.READY, MessageState.DEFERRED, MessageState.SENDING]),
    or_(MessageRow.state != MessageState.SENDING, MessageRow.kind != "hold"),
    _FREE,
    _DUE,
    MessageRow.raw.is_not(None),
    or_(MessageRow.state != MessageState.DEFERRED, MessageRow.retry_at <= _PRESENT),
)
_LEASE: Final = (
    update(MessageRow)
    .where(*_TO_LEASE)
    .values(
        fence=MessageRow.fence + 1,
        attempts=MessageRow.attempts + 1,
        lease_until=bindparam("until"),
        first_tried_at=func.coalesce(MessageRow.first_tried_at, _PRESENT),
    )
    .returning(
        MessageRow.kind,
        MessageRow.fence,
        MessageRow.account,
        MessageRow.person,
        MessageRow.address,
        MessageRow.step,
        MessageRow.first_tried_at,
        MessageRow.attempts,
        MessageRow.raw,
    )
)


async def lease(connection: Connection, key: str, now: datetime, pace: Pace | None = None) -> Lease | None:
    """Take the right to send one message, or learn that there is nothing to send.

    A message left in `sending` by an attempt that died is taken again if its bytes may go twice, else it becomes
    `unknown` here.

    Args:
        pace: How fast the mailbox may send; without it nothing waits for a turn.

    Returns:
        Nothing where the message is settled, a draft, put off until later, in another attempt's hands right now, or
        where it is not its turn.
    """
    at = {"which": key, "present": now}
    if pace is not None and not await _is_its_turn(connection, at, now, pace):
        return None
    row = (await connection.execute(_LEASE, at | {"until": now + LEASE})).one_or_none()
    if row is None:
        await connection.execute(_LOSE, at)
        return None
    assert row.raw is not None
    return Lease(
        key=key,
        kind=row.kind,
        fence=row.fence,
        account=row.account,
        person=row.person,
        address=row.address,
        step=row.step,
        first_tried_at=row.first_tried_at,
        attempts=row.attempts,
        raw=row.raw,
    )


_TURN: Final = select(MessageRow.turn_at, MessageRow.purpose).where(*_TO_LEASE)
_HAS_TURN: Final = (
    update(MessageRow).where(MessageRow.key == bindparam("which")).values(turn_at=bindparam("turn", type_=UtcInstant))
)

KEPT: Final = timedelta(seconds=10)
"""How long a turn is kept for a message. One that was missed, while mail was stopped or no worker ran, is given anew:
all that were missed would else go at once."""


async def _is_its_turn(connection: Connection, at: dict[str, object], now: datetime, pace: Pace) -> bool:
    row = (await connection.execute(_TURN, at)).one_or_none()
    if row is None or (row.turn_at is not None and row.turn_at <= now < row.turn_at + KEPT):
        return True
    if row.turn_at is not None and row.turn_at > now:
        return False
    turn = await first_turn(connection, row.purpose, now, pace)
    if turn is not None:
        await connection.execute(_HAS_TURN, {"which": at["which"], "turn": turn})
    return turn is None


async def first_turn(connection: Connection, purpose: str, now: datetime, pace: Pace) -> datetime | None:
    """Give a message its turn: nothing where that is now, else the instant.

    Somebody sits before their screen and waits for a link to sign in: that one goes first, and the others after it.
    """
    turn = await take_turn(connection, pace, now)
    return turn if turn > now and purpose != Purpose.SIGN_IN else None


@cache
def _move(state: MessageState) -> Update:
    sources = [source for source, targets in NEXT.items() if state in targets and source in UNDER_WAY]
    return (
        update(MessageRow)
        .where(
            MessageRow.key == bindparam("which"),
            MessageRow.fence == bindparam("held"),
            MessageRow.state.in_(sources),
        )
        .values(
            state=state,
            lease_until=bindparam("until"),
            settled_at=bindparam("settled"),
            retry_at=func.coalesce(bindparam("again", type_=UtcInstant), MessageRow.retry_at),
            turn_at=None,
            reason=bindparam("why"),
            reply=bindparam("said"),
        )
    )


async def move(
    connection: Connection,
    held: Lease,
    state: MessageState,
    *,
    now: datetime,
    reason: str | None = None,
    reply: str | None = None,
    retry_at: datetime | None = None,
) -> bool:
    """Take a leased message to its next state, if this attempt still holds the lease.

    Returns:
        Whether it did. An attempt that was overtaken changes nothing.
    """
    # The data is about to go out: from here on the lease has to outlast the wait for the answer, however long the
    # relay took until now.
    changed = await connection.execute(
        _move(state),
        {
            "which": held.key,
            "held": held.fence,
            "until": now + LEASE if state is MessageState.SENDING else None,
            "settled": now if state in (MessageState.SENT, MessageState.FAILED, MessageState.UNKNOWN) else None,
            "again": retry_at,
            "why": reason,
            "said": reply,
        },
    )
    return changed.rowcount == 1


async def let_go(connection: Connection, held: Lease) -> None:
    """Give a lease back without having tried; the message stays what it was."""
    await connection.execute(
        update(MessageRow)
        .where(MessageRow.key == held.key, MessageRow.fence == held.fence)
        .values(lease_until=None, attempts=MessageRow.attempts - 1)
    )


class Draft(Wire):
    """A mail that waits, with what it is made from and what a person changed.

    Attributes:
        frozen: Whether it has bytes.
        guests: How many others have joined it.
        joined: The one that it joined.
    """

    key: str
    state: MessageState
    account: str | None
    person: str
    occasion: dict[str, Any]
    edits: dict[str, str | None]
    not_before: Instant | None
    frozen: bool
    guests: int
    joined: str | None

    def waits_unrendered(self, at: datetime) -> bool:
        """Whether it was put off, its time has come, and it has no bytes yet."""
        return self.state is MessageState.READY and not self.frozen and not (self.not_before and self.not_before > at)


DRAFTS = select(
    MessageRow.key,
    MessageRow.state,
    MessageRow.account,
    MessageRow.person,
    MessageRow.occasion,
    MessageRow.edits,
    MessageRow.not_before,
    MessageRow.raw.is_not(None).label("frozen"),
    MessageRow.guests,
    MessageRow.joined,
)
_THESE = DRAFTS.where(MessageRow.key.in_(bindparam("keys", expanding=True)))


async def drafts(connection: Connection, keys: Sequence[str]) -> list[Draft]:
    """What messages are made from, whatever state they are in."""
    rows = await connection.execute(_THESE, {"keys": list(keys)})
    return [Draft.model_validate(row._mapping) for row in rows]


async def draft(connection: Connection, key: str) -> Draft | None:
    """What one message is made from; nothing if there is none with this key."""
    return next(iter(await drafts(connection, [key])), None)


async def edit(connection: Connection, key: str, subject: str, edits: dict[str, str | None]) -> bool:
    """Keep a member's changes, unless the message is no draft any more; say which."""
    changed = await connection.execute(
        update(MessageRow)
        .where(MessageRow.key == key, MessageRow.state.in_([MessageState.DRAFT, MessageState.HELD]))
        .values(subject=subject, edits=edits)
    )
    return changed.rowcount == 1


_FREEZE: Final = (
    update(MessageRow)
    .where(
        MessageRow.key == bindparam("which"),
        or_(MessageRow.state.in_([MessageState.DRAFT, MessageState.HELD]), and_(*UNRENDERED)),
        MessageRow.guests == bindparam("seen"),
    )
    .values(
        state=MessageState.READY,
        raw=bindparam("bytes"),
        subject=bindparam("words"),
        not_before=bindparam("until", type_=UtcInstant),
        reason=bindparam("why"),
        approved_by=bindparam("by"),
        submission=bindparam("said"),
    )
)


async def freeze(
    connection: Connection,
    key: str,
    frozen: tuple[str, bytes],
    approved_by: str | None,
    submission: str | None,
    *,
    not_before: datetime | None = None,
    reason: str | None = None,
    guests: int = 0,
) -> bool:
    """Give a message its subject and its bytes, once; from then on it is ready to go.

    Args:
        not_before: The instant until which it is put off nevertheless.
        reason: Why it is put off.
        guests: How many others are part of it; if one more has joined since, nothing is frozen.
    """
    subject, raw = frozen
    values: dict[str, object] = {"which": key, "bytes": raw, "words": subject, "by": approved_by, "said": submission}
    values |= {"until": not_before, "why": reason, "seen": guests}
    return (await connection.execute(_FREEZE, values)).rowcount == 1


async def set_aside(
    connection: Connection, keys: Sequence[str], state: MessageState, reason: str, now: datetime
) -> None:
    """Hold drafts back, or suppress them, with the reason."""
    drafts = (MessageState.DRAFT, MessageState.HELD)
    sources = [source for source in drafts if state in NEXT[source]]
    await connection.execute(
        update(MessageRow)
        .where(MessageRow.key.in_(keys), MessageRow.state.in_(sources))
        .values(state=state, reason=reason, settled_at=now)
    )


MESSAGES = select(
    MessageRow.key,
    MessageRow.account,
    MessageRow.contract,
    MessageRow.step,
    MessageRow.workflow_id,
    MessageRow.purpose,
    MessageRow.person,
    MessageRow.address,
    MessageRow.email,
    MessageRow.state,
    MessageRow.reason,
    MessageRow.subject,
    MessageRow.message_id,
    MessageRow.created_at,
    MessageRow.settled_at,
    MessageRow.retry_at,
    MessageRow.not_before,
    MessageRow.attempts,
    MessageRow.approved_by,
    MessageRow.fence,
    MessageRow.resolution,
)


async def messages(
    connection: Connection, account: str, state: MessageState | None = None, *, settled_since: datetime | None = None
) -> list[Message]:
    """An account's messages, oldest first.

    Args:
        settled_since: Only those of which it was known from then on, or later, what became of them.
    """
    query = MESSAGES.where(MessageRow.account == account)
    if state is not None:
        query = query.where(MessageRow.state == state)
    if settled_since is not None:
        query = query.where(MessageRow.settled_at >= settled_since)
    rows = await connection.execute(query.order_by(MessageRow.created_at, MessageRow.key))
    return [Message.model_validate(row._mapping) for row in rows]


_MESSAGE: Final = MESSAGES.where(MessageRow.key == bindparam("which"))


async def message(connection: Connection, key: str) -> Message:
    """One message.

    Raises:
        Refusal: There is none with this key.
    """
    row = (await connection.execute(_MESSAGE, {"which": key})).one_or_none()
    if row is None:
        raise Refusal(
            "there is no message with this key",
            field="key",
            fix="see `rapport message list ACCOUNT`",
            kind=Refused.NOT_FOUND,
        )
    return Message.model_validate(row._mapping)


async def raw(connection: Connection, key: str) -> bytes | None:
    """A message's frozen bytes, if it is frozen yet."""
    frozen: bytes | None = await connection.scalar(select(MessageRow.raw).where(MessageRow.key == key))
    return frozen
