"""Messages that do not go, or go again: what a person decided, and what makes no sense any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Update, and_, case, or_, select, update

from rapport.mail.outbox.record import OF_ATTEMPTS, UNRENDERED, Message, before, free, message
from rapport.model.message import BY_HAND, LEFT_BEHIND, NOT_DELIVERED, MessageState, Purpose, Resolution
from rapport.storage.account import LEFT
from rapport.storage.database import Connection
from rapport.storage.tables import ContactRow, MessageRow

DEPARTED: Final = LEFT


STALE: Final = "it came too late to be of use"


async def let_rest(connection: Connection, key: str, reason: str, now: datetime) -> bool:
    """Give up a message that nobody needs any more, if it is open, was not left in the data, and no attempt is at it.

    Returns:
        Whether it was given up.
    """
    open_ = (MessageState.READY, MessageState.DEFERRED, *NOT_DELIVERED)
    return await _give_up(connection, key, MessageState.SUPPRESSED, open_, reason, now)


async def fail(connection: Connection, key: str, reason: str, now: datetime) -> bool:
    """Give up a message that cannot be written, or not again, so that a person hears of it.

    Returns:
        Whether it was given up: it waited, and no attempt is at it.
    """
    waiting = (MessageState.DRAFT, MessageState.READY, MessageState.DEFERRED)
    return await _give_up(connection, key, MessageState.FAILED, waiting, reason, now)


async def _give_up(
    connection: Connection, key: str, state: MessageState, of: Sequence[MessageState], reason: str, now: datetime
) -> bool:
    changed = await connection.execute(
        update(MessageRow)
        .where(
            MessageRow.key == key,
            MessageRow.state.in_([source for source in before(state) if source in of]),
            MessageRow.resolution.is_(None),
            free(now),
        )
        .values(state=state, reason=reason, settled_at=now, lease_until=None)
    )
    return changed.rowcount == 1


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
        **dict.fromkeys((*OF_ATTEMPTS, "not_before", "settled_at", "reason", "reply")),
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
    """Suppress drafts, and what was scheduled, to contacts who have left since; give the keys that go to nobody now."""
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
            free(now),
        )
        .values(
            state=MessageState.SUPPRESSED,
            left_in=MessageRow.state,
            reason=LEFT_BEHIND,
            settled_at=now,
            lease_until=None,
        )
        .returning(MessageRow.key)
    )
    return [await message(connection, key) for key in sorted(gone)]


async def take_up(connection: Connection, workflow_ids: Sequence[str]) -> None:
    """Have what a failed step has left be as it was, as the workflows that wrote it go on where they were.

    A draft waits to be read again, and what was scheduled for its instant. What was deferred is tried at once.
    """
    tried = MessageRow.left_in == MessageState.DEFERRED
    await connection.execute(
        update(MessageRow)
        .where(
            MessageRow.workflow_id.in_(workflow_ids),
            MessageRow.state == MessageState.SUPPRESSED,
            MessageRow.left_in.is_not(None),
        )
        .values(
            state=case((tried, MessageState.READY), else_=MessageRow.left_in),
            left_in=None,
            reason=None,
            settled_at=None,
        )
    )


async def drop_stale(connection: Connection, keys: Sequence[str], now: datetime) -> list[str]:
    """Suppress what has not gone out by the time at which it makes no sense any more; give the keys."""
    return list(await connection.scalars(dropped(keys, STALE, now).returning(MessageRow.key)))


def dropped(keys: Sequence[str], reason: str, now: datetime) -> Update:
    return (
        update(MessageRow)
        .where(
            MessageRow.key.in_(keys),
            MessageRow.state.in_([MessageState.READY, MessageState.DEFERRED]),
            free(now),
        )
        .values(state=MessageState.SUPPRESSED, reason=reason, settled_at=now, lease_until=None)
    )
