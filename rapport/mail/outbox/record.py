"""The outbox: what state a message may go to, and every change of state as one compare-and-set in SQL.

    draft → ready → sending → sent | deferred | failed | unknown        draft → held, draft → suppressed

`sending` is committed after the relay accepted the recipient and before any data goes out. A crash after that leaves
it behind, and the next attempt, once the lease has run out, finds it: mails whose repetition harms nobody go again
with the same bytes, the others become `unknown` and wait for a person.

A message that is scheduled is `ready` with the instant in `not_before`. It has no bytes before it goes, unless a person
approved them; until then another may join it, and is `suppressed` for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, collate, exists, func, insert, or_, select
from sqlalchemy.orm import aliased

from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.message import NOT_DELIVERED, UNDER_WAY, MessageState, Outcomes, Purpose, Resolution
from rapport.model.task import MEMBER_PREFIX
from rapport.rules.attention import LONGEST_AHEAD
from rapport.rules.pace import LONGEST_WAIT, SKEW
from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow, ContractRow, MemberRow, MessageRow, UtcInstant

LAST: Final = "\U0010ffff"
"""Comes after every key that begins alike."""

NEXT: Final[dict[MessageState, frozenset[MessageState]]] = {
    MessageState.DRAFT: frozenset(
        {MessageState.READY, MessageState.FAILED, MessageState.HELD, MessageState.SUPPRESSED}
    ),
    MessageState.READY: frozenset(
        {MessageState.SENDING, MessageState.DEFERRED, MessageState.FAILED, MessageState.SUPPRESSED}
    ),
    MessageState.DEFERRED: frozenset(
        {MessageState.READY, MessageState.SENDING, MessageState.DEFERRED, MessageState.FAILED, MessageState.SUPPRESSED}
    ),
    MessageState.SENDING: frozenset({MessageState.SENT, MessageState.DEFERRED, *NOT_DELIVERED, MessageState.SENDING}),
    MessageState.UNKNOWN: frozenset({MessageState.READY, MessageState.SENT, MessageState.SUPPRESSED}),
    MessageState.SENT: frozenset(),
    MessageState.FAILED: frozenset({MessageState.READY, MessageState.SUPPRESSED}),
    MessageState.HELD: frozenset({MessageState.READY, MessageState.SUPPRESSED}),
    MessageState.SUPPRESSED: frozenset({MessageState.DRAFT, MessageState.HELD, MessageState.READY}),
}
"""Which state may follow which. `sent` is followed by nothing: a message recorded as sent is never sent again. What
failed, or may not have arrived, is sent again by a person's decision alone. What was `deferred` is `ready` again where
a block of it is left out since. What was left in the data may have arrived, so it is never `suppressed` from there.
What was `suppressed` with its step alone is as it was before, where that step goes on where it was: see `take_up`."""


def before(state: MessageState) -> list[MessageState]:
    """The states that this one may follow."""
    return [source for source, targets in NEXT.items() if state in targets]


UNRENDERED: Final = (MessageRow.state == MessageState.READY, MessageRow.raw.is_(None))

LEASE: Final = timedelta(seconds=90)
"""How long an attempt may be at it. Longer than the wire waits for an answer, so that two never overlap."""

_PRESENT: Final = bindparam("present", type_=UtcInstant)
_LONGEST_WAIT: Final = bindparam("longest_wait", type_=UtcInstant)


def _free(present: Any, longest_lease: Any, longest_wait: Any) -> ColumnElement[bool]:
    lease, retry = MessageRow.lease_until, MessageRow.retry_at
    # What waits in `sending` for its next attempt has that as the end of its lease, see `move`.
    no_wait = or_(retry.is_(None), retry != lease, lease > longest_wait)
    return or_(lease.is_(None), lease < present, and_(lease > longest_lease, no_wait))


FREE: Final = _free(_PRESENT, bindparam("longest_lease", type_=UtcInstant), _LONGEST_WAIT)
"""Nobody is at it. A lease longer than any was given by a clock that was ahead, and counts for nothing."""

RETRIABLE: Final = or_(MessageRow.retry_at <= _PRESENT, MessageRow.retry_at > _LONGEST_WAIT)
"""Its next attempt is due. A wait longer than any was given by a clock that was ahead, and counts for nothing."""


def instants(now: datetime) -> dict[str, datetime]:
    """What `FREE` and `RETRIABLE` are asked with."""
    return {"present": now, "longest_lease": now + LEASE + SKEW, "longest_wait": now + LONGEST_WAIT + SKEW}


NOT_IN_A_PAUSE: Final = (Purpose.PROPOSAL, Purpose.REMINDER, Purpose.MESSAGE, Purpose.DIGEST, Purpose.BRIEF)
"""What a pause holds: all that moves a customer on, or tells them what is new."""


def free(now: datetime) -> ColumnElement[bool]:
    """`FREE`, asked at an instant."""
    given = instants(now)
    return _free(given["present"], given["longest_lease"], given["longest_wait"])


# Aliases, as whoever asks may look at accounts and members too.
_ACCOUNT: Final = aliased(AccountRow)
_TAM: Final = aliased(MemberRow)
_IN_A_PAUSE: Final = and_(
    MessageRow.purpose.in_(NOT_IN_A_PAUSE),
    exists().where(ContractRow.id == MessageRow.contract, ContractRow.paused_at.is_not(None)),
)
_BY_NOBODY: Final = and_(
    MessageRow.person.not_like(f"{MEMBER_PREFIX}%"),
    MessageRow.workflow_id.not_like("case/%"),
    exists().where(_ACCOUNT.key == MessageRow.account, _TAM.id == _ACCOUNT.tam, _TAM.left_at.is_not(None)),
)
PAUSED: Final = and_(MessageRow.state.in_([MessageState.READY, MessageState.DEFERRED]), or_(_IN_A_PAUSE, _BY_NOBODY))
"""Waits for the end of a pause of its onboarding, or of what recurs; or for somebody who follows its account's TAM, as
nothing goes to a customer in the name of whoever has left. A case's owner writes in their own.

What may have arrived goes on. In a pause, so does what asks or answers one of us, and what calendars have to know,
whenever it was written: a decision counts, a booked meeting stays."""


def is_scheduled(not_before: datetime | None, now: datetime) -> bool:
    """Whether a message waits for its reader's time. A wait longer than any is one of a clock that was ahead."""
    return not_before is not None and now < not_before <= now + LONGEST_AHEAD


OF_ATTEMPTS: Final = ("first_tried_at", "retry_at", "lease_until", "turn_at")


class Message(WireModel):
    """A message as it stands, without its bytes. One outside every account's story has no account and no contract."""

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
        if self.state in NOT_DELIVERED:
            return self.resolution is None
        return self.state in UNDER_WAY


async def intend(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep new messages.

    Raises:
        IntegrityError: A key is already there; another attempt was faster. One intent, one message.
    """
    if rows:
        await connection.execute(_INTEND, list(rows))


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
    # SQLite orders texts by their bytes; here that takes saying, and an index of its own.
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
            if row.state == MessageState.READY and is_scheduled(row.not_before, now)
        },
        joined={row.key: row.joined for row in rows if row.joined is not None},
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
        UserError: There is none with this key.
    """
    row = (await connection.execute(_MESSAGE, {"which": key})).one_or_none()
    if row is None:
        raise UserError(
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
