"""Messages that are drafts, or have no bytes yet: what they are made from, and how they are frozen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import JSON, ColumnElement, and_, bindparam, func, or_, select, update

from rapport.mail.outbox.record import NEXT, PAUSED, UNRENDERED, free, is_scheduled
from rapport.model.base import Instant, WireModel
from rapport.model.ids import purpose_of
from rapport.model.message import FOR_CALENDARS, LEFT_BEHIND, MessageRequest, MessageState, Purpose
from rapport.storage.database import Connection
from rapport.storage.tables import MessageRow, UtcInstant


class Draft(WireModel):
    """A mail that waits, with what it is made from and what a person changed.

    Attributes:
        left_out: The claims whose blocks its bytes are without.
        frozen: Whether it has bytes.
        guests: How many others have joined it.
        joined: The one that it joined.
        paused: Whether it waits for the end of a pause.
    """

    key: str
    state: MessageState
    account: str | None
    person: str
    occasion: dict[str, Any]
    edits: dict[str, str | None]
    left_out: tuple[str, ...] = ()
    created_at: Instant
    not_before: Instant | None
    frozen: bool
    guests: int
    joined: str | None
    paused: bool

    def waits_unrendered(self, at: datetime) -> bool:
        """Whether it was scheduled, its time has come, no pause holds it, and it has no bytes yet."""
        comes_later = self.paused or is_scheduled(self.not_before, at)
        return self.state is MessageState.READY and not self.frozen and not comes_later


DRAFTS = select(
    MessageRow.key,
    MessageRow.state,
    MessageRow.account,
    MessageRow.person,
    MessageRow.occasion,
    MessageRow.edits,
    MessageRow.left_out,
    MessageRow.created_at,
    MessageRow.not_before,
    MessageRow.raw.is_not(None).label("frozen"),
    MessageRow.guests,
    MessageRow.joined,
    PAUSED.label("paused"),
)

_THESE = DRAFTS.where(MessageRow.key.in_(bindparam("keys", expanding=True)))


async def drafts(connection: Connection, keys: Sequence[str]) -> list[Draft]:
    """What messages are made from, whatever state they are in."""
    rows = await connection.execute(_THESE, {"keys": list(keys)})
    return [Draft.model_validate(row._mapping) for row in rows]


async def draft(connection: Connection, key: str) -> Draft | None:
    """What one message is made from; nothing if there is none with this key."""
    return next(iter(await drafts(connection, [key])), None)


async def draft_of(connection: Connection, occasion: str, person: str) -> Draft | None:
    """What the latest of an occasion's messages to a person is made from; nothing if none was written.

    Args:
        occasion: What the keys of its messages begin with, up to their purpose.
    """
    rows = await connection.execute(
        DRAFTS.where(MessageRow.key.startswith(f"{occasion}/", autoescape=True), MessageRow.person == person)
        .order_by(MessageRow.created_at.desc(), MessageRow.key)
        .limit(1)
    )
    row = rows.one_or_none()
    return Draft.model_validate(row._mapping) if row else None


async def of_attempt(connection: Connection, contract: str, step: str, attempt: int) -> list[Draft]:
    """What one attempt at a step has written, the oldest first."""
    rows = await connection.execute(
        DRAFTS.where(
            MessageRow.contract == contract,
            MessageRow.step == step,
            MessageRow.key.startswith(f"{contract}/{step}/{attempt}/", autoescape=True),
        ).order_by(MessageRow.created_at, MessageRow.key)
    )
    return [Draft.model_validate(row._mapping) for row in rows]


class Polled(NamedTuple):
    """Whom one attempt at a meeting has asked for times: how many have it, and how many emails are still drafts."""

    asked: int
    drafts: int


async def polled(connection: Connection, contract: str, step: str, attempt: int) -> Polled:
    """Whom one attempt at a meeting has asked, after what was not out was taken back."""
    rows = await connection.execute(
        select(MessageRow.person, MessageRow.state, MessageRow.raw.is_(None).label("unwritten"), MessageRow.not_before)
        .where(
            MessageRow.contract == contract,
            MessageRow.step == step,
            MessageRow.key.startswith(f"{contract}/{step}/{attempt}/", autoescape=True),
            MessageRow.purpose.in_((Purpose.PROPOSAL, Purpose.MESSAGE)),
            or_(MessageRow.state.in_(OUT), MessageRow.reason == LEFT_BEHIND),
        )
    )  # fmt: skip
    found = list(rows)
    drafts = [row for row in found if row.state not in OUT and row.unwritten and row.not_before is None]
    return Polled(asked=len({row.person for row in found if row not in drafts}), drafts=len(drafts))


async def have_had(connection: Connection, contract: str, step: str, email: str) -> set[str]:
    """Who was sent this email of a step, by whichever attempt."""
    return set(
        await connection.scalars(
            select(MessageRow.person).where(
                MessageRow.contract == contract,
                MessageRow.step == step,
                MessageRow.email == email,
                MessageRow.state.in_(OUT),
            )
        )
    )


async def told_last(connection: Connection, workflow_id: str, person: str) -> datetime | None:
    """When somebody was last sent a notice of a workflow's, or is to get it."""
    return await _last(connection, person, MessageRow.workflow_id == workflow_id, MessageRow.purpose == Purpose.NOTICE)


async def was_sent(connection: Connection, workflow_id: str, email: str, person: str) -> bool:
    """Whether somebody was sent an email of a workflow, as far as can be told."""
    is_same = (MessageRow.workflow_id == workflow_id, MessageRow.email == email, MessageRow.person == person)
    out = MessageRow.state.in_([MessageState.SENDING, MessageState.SENT, MessageState.UNKNOWN])
    return await connection.scalar(select(MessageRow.key).where(*is_same, out).limit(1)) is not None


async def asked_last(connection: Connection, occasion: MessageRequest, person: str) -> datetime | None:
    """When somebody was last sent the same question, which an earlier task has put, or is to get it."""
    return await _last(
        connection,
        person,
        MessageRow.account == occasion.account,
        MessageRow.contract == occasion.contract,
        MessageRow.step == occasion.step,
        MessageRow.email == occasion.email,
        MessageRow.workflow_id != occasion.workflow_id,
    )


async def _last(connection: Connection, person: str, *which: ColumnElement[bool]) -> datetime | None:
    at = func.max(func.coalesce(MessageRow.not_before, MessageRow.created_at, type_=UtcInstant()))
    out = MessageRow.state.not_in([MessageState.HELD, MessageState.SUPPRESSED, MessageState.FAILED])
    last: datetime | None = await connection.scalar(select(at).where(MessageRow.person == person, out, *which))
    return last


OUT: Final = (MessageState.SENDING, MessageState.SENT, MessageState.UNKNOWN)
"""What its reader has, or may have."""


async def invited(connection: Connection, contract: str, step: str, attempt: int) -> list[Draft]:
    """What one attempt at a meeting has written for calendars, the oldest first."""
    written = await of_attempt(connection, contract, step, attempt)
    return [draft for draft in written if purpose_of(draft.key) in FOR_CALENDARS]


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
        # What somebody has approved is written again where a block of it is left out since.
        approved_by=func.coalesce(bindparam("by"), MessageRow.approved_by),
        submission=func.coalesce(bindparam("said"), MessageRow.submission),
        left_out=bindparam("left", type_=JSON),
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
    left_out: Sequence[str] = (),
) -> bool:
    """Give a message its subject and its bytes, once; from then on it is ready to go.

    Args:
        not_before: The instant for which it is scheduled nevertheless.
        reason: Why it is scheduled.
        left_out: The claims whose blocks it goes without.
        guests: How many others are part of it; if one more has joined since, nothing is frozen.
    """
    subject, raw = frozen
    values: dict[str, object] = {"which": key, "bytes": raw, "words": subject, "by": approved_by, "said": submission}
    values |= {"until": not_before, "why": reason, "seen": guests, "left": list(left_out)}
    return (await connection.execute(_FREEZE, values)).rowcount == 1


async def unfreeze(connection: Connection, key: str, left_out: Sequence[str], now: datetime) -> bool:
    """Take the bytes of a mail that waits, to be written again without these claims' blocks; say whether it waited.

    What an attempt is at, or may have arrived, keeps its bytes.
    """
    changed = await connection.execute(
        update(MessageRow)
        .where(
            MessageRow.key == key,
            MessageRow.state.in_([MessageState.READY, MessageState.DEFERRED]),
            MessageRow.raw.is_not(None),
            free(now),
        )
        .values(state=MessageState.READY, raw=None, not_before=None, reason=None, retry_at=None, left_out=left_out)
    )
    return changed.rowcount == 1


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
