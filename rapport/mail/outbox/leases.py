"""The right to send one message, its turn at the mailbox, and what comes of an attempt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Update, bindparam, case, exists, func, not_, or_, select, update

from rapport.mail.outbox.record import FREE, LEASE, PAUSED, RETRIABLE, before, instants
from rapport.model.base import Instant, WireModel
from rapport.model.message import NOT_DELIVERED, UNDER_WAY, MessageState, Purpose
from rapport.rules.attention import LONGEST_AHEAD
from rapport.rules.erasure import ERASED
from rapport.rules.pace import Pace
from rapport.storage.database import Connection
from rapport.storage.relay import last_turn, take_turn
from rapport.storage.tables import MessageRow, UtcInstant

GIVE_UP: Final = timedelta(hours=48)
"""How long a message is tried when the relay keeps asking for patience."""


class Lease(WireModel):
    """The right to send one message until the lease ends; a later attempt has a higher fence.

    Attributes:
        state: What the message was before; one that was `sending` already may have arrived.
    """

    key: str
    kind: str
    state: MessageState
    fence: int
    account: str | None
    person: str
    address: str
    step: str
    first_tried_at: Instant
    attempts: int
    raw: bytes


def leased(values: dict[str, Any], now: datetime) -> Lease:
    """Take the right to send a message in the same transaction that keeps it; its values are changed for that."""
    values |= {"fence": 1, "attempts": 1, "lease_until": now + LEASE, "first_tried_at": now}
    return Lease.model_validate(values)


async def next_try(connection: Connection, keys: Sequence[str]) -> datetime | None:
    """When the first of these messages can be tried again, if any waits for an instant; a pause has no end yet."""
    moment = func.coalesce(MessageRow.lease_until, MessageRow.turn_at, MessageRow.retry_at)
    first: datetime | None = await connection.scalar(
        select(func.min(moment, type_=UtcInstant)).where(
            MessageRow.key.in_(keys), MessageRow.state.in_(UNDER_WAY), not_(PAUSED)
        )
    )
    return first


async def any_paused(connection: Connection, keys: Sequence[str]) -> bool:
    """Whether one of these messages waits for the end of a pause."""
    return bool(await connection.scalar(select(exists().where(MessageRow.key.in_(keys), PAUSED))))


_PRESENT: Final = bindparam("present", type_=UtcInstant)

_DUE: Final = or_(
    MessageRow.not_before.is_(None),
    MessageRow.not_before <= _PRESENT,
    MessageRow.not_before > bindparam("furthest", type_=UtcInstant),
)

_LOSE: Final = (
    update(MessageRow)
    .where(
        MessageRow.key == bindparam("which"),
        MessageRow.state == MessageState.SENDING,
        MessageRow.kind == "hold",
        FREE,
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
    MessageRow.state.in_(UNDER_WAY),
    or_(MessageRow.state != MessageState.SENDING, MessageRow.kind != "hold"),
    FREE,
    _DUE,
    MessageRow.raw.is_not(None),
    or_(MessageRow.state != MessageState.DEFERRED, RETRIABLE),
    not_(PAUSED),
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
        MessageRow.state,
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
        Nothing where the message is settled, a draft, scheduled for later, in another attempt's hands right now, or
        where it is not its turn, or while its onboarding is paused.
    """
    at: dict[str, object] = {"which": key, **instants(now)}
    due = at | {"furthest": now + LONGEST_AHEAD}
    if pace is not None and not await _is_its_turn(connection, due, now, pace):
        return None
    row = (await connection.execute(_LEASE, due | {"until": now + LEASE})).one_or_none()
    if row is None:
        await connection.execute(_LOSE, at)
        return None
    assert row.raw is not None
    return Lease.made_of(row, key=key)


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
    if row.turn_at is not None and now < row.turn_at <= await last_turn(connection, now):
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


READER_ERASED: Final = "whoever it was for was erased while it was being sent"

_ERASED: Final = MessageRow.address == ERASED


@cache
def _move(state: MessageState) -> Update:
    sources = [source for source in before(state) if source in UNDER_WAY]
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
            # What mail servers say repeats addresses: of somebody who was erased meanwhile none of it is kept.
            reason=case((_ERASED, bindparam("without_words")), else_=bindparam("why")),
            reply=case((_ERASED, None), else_=bindparam("said")),
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

    Args:
        retry_at: When it is tried again. What is `sending` until then may have arrived: nobody takes it back.

    Returns:
        Whether it did. An attempt that was overtaken changes nothing.
    """
    # Where the data is about to go out, the lease has to outlast the wait for the answer from here on, however long
    # the relay took until now.
    changed = await connection.execute(
        _move(state),
        {
            "which": held.key,
            "held": held.fence,
            "until": (retry_at or now + LEASE) if state is MessageState.SENDING else None,
            "settled": now if state in (MessageState.SENT, *NOT_DELIVERED) else None,
            "again": retry_at,
            "why": reason,
            "without_words": reason and READER_ERASED,
            "said": reply,
        },
    )
    return changed.rowcount == 1


async def release_lease(connection: Connection, held: Lease) -> None:
    """Give a lease back without having tried; the message stays what it was."""
    await connection.execute(
        update(MessageRow)
        .where(MessageRow.key == held.key, MessageRow.fence == held.fence)
        .values(lease_until=None, attempts=MessageRow.attempts - 1)
    )


_NOT_OUT: Final = (MessageState.DRAFT, MessageState.HELD, MessageState.READY, MessageState.DEFERRED)
_TO: Final = re.compile(rb"^To:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*", re.MULTILINE | re.IGNORECASE)
"""The header field with its further lines (RFC 5322, 2.2.3)."""


async def readdress(connection: Connection, person: str, old: str, new: str, now: datetime) -> int:
    """Have what waits for somebody go to where they are reached from now on, as if it had never been tried.

    What may have arrived already, or is being handed over right now, stays as it is. A date that was invited to keeps
    the address by which their calendar knows it.

    Returns:
        How many were on their way to the old address already.
    """
    waits = (MessageRow.person == person, MessageRow.address == old, MessageRow.state.in_(_NOT_OUT), FREE)
    rows = await connection.execute(
        select(MessageRow.key, MessageRow.state, MessageRow.raw).where(*waits), instants(now)
    )
    for row in rows.all():
        raw = None if row.raw is None else readdressed(row.raw, old, new)
        # What the relay said, and for how long it was asked, is about the address that is theirs no more.
        moved: dict[str, Any] = {"address": new, "raw": raw, "attempts": 0, "first_tried_at": None, "retry_at": None}
        if row.state == MessageState.DEFERRED:
            moved |= {"state": MessageState.READY, "reason": None}
        await connection.execute(
            update(MessageRow).where(MessageRow.key == row.key, *waits).values(moved), instants(now)
        )
    left = (MessageRow.person == person, MessageRow.address == old, MessageRow.state.in_(UNDER_WAY))
    return await connection.scalar(select(func.count()).where(*left)) or 0


async def bound_for(connection: Connection, person: str, address: str, now: datetime) -> tuple[int, int]:
    """How many emails to somebody `readdress` would have go elsewhere, and how many are on their way already."""
    theirs = (MessageRow.person == person, MessageRow.address == address)
    counted = select(func.count()).select_from(MessageRow).where(*theirs)
    waits = await connection.scalar(counted.where(MessageRow.state.in_(_NOT_OUT), FREE), instants(now))
    handed_over = or_(MessageRow.state.not_in(_NOT_OUT), not_(FREE))
    gone = await connection.scalar(counted.where(MessageRow.state.in_(UNDER_WAY), handed_over), instants(now))
    return waits or 0, gone or 0


def readdressed(raw: bytes, old: str, new: str) -> bytes:
    """A mail to another address of the same person."""
    head, blank, body = raw.partition(b"\r\n\r\n")
    there = re.compile(re.escape(old.encode()), re.IGNORECASE)
    return _TO.sub(lambda line: there.sub(lambda _: new.encode(), line[0]), head) + blank + body
