"""What waits in the outbox for its reader: what is planned for whom, what joins another mail, what is called back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Update, and_, bindparam, case, func, or_, select, update

from rapport.mail.emails import weight_of
from rapport.mail.outbox import DRAFTS, MESSAGES, UNRENDERED, Draft, Message, dropped
from rapport.model.message import UNDER_WAY, MessageRequest, MessageState, Weight
from rapport.rules.attention import Planned
from rapport.storage.database import Connection
from rapport.storage.tables import MessageRow, UtcInstant

_COUNTED: Final = [
    MessageState.READY,
    MessageState.SENDING,
    MessageState.DEFERRED,
    MessageState.SENT,
    MessageState.UNKNOWN,
]
_AT: Final = func.coalesce(MessageRow.settled_at, MessageRow.not_before, MessageRow.created_at, type_=UtcInstant)
_PLANNED: Final = (
    select(
        MessageRow.person,
        MessageRow.key,
        _AT.label("at"),
        # Only what still waits is read as a whole.
        case((and_(*UNRENDERED), MessageRow.occasion)).label("waiting"),
    )
    .where(
        MessageRow.account == bindparam("of"),
        MessageRow.created_at >= bindparam("since", type_=UtcInstant),
        MessageRow.person.in_(bindparam("people", expanding=True)),
        MessageRow.state.in_(_COUNTED),
    )
    .order_by(MessageRow.created_at, MessageRow.key)
)


async def planned(
    connection: Connection, account: str, people: Sequence[str], since: datetime
) -> dict[str, list[Planned]]:
    """What went to these people and what is going to, by person; of all that was written since an instant."""
    found: dict[str, list[Planned]] = {person: [] for person in people}
    given = {"of": account, "since": since, "people": list(people)}
    for row in await connection.execute(_PLANNED, given):
        waiting = MessageRequest.model_validate(row.waiting) if row.waiting is not None else None
        is_open = waiting is not None and weight_of(waiting) is Weight.NICE and waiting.stale_at is None
        found[row.person].append(Planned(row.key, row.at, is_open))
    return found


async def take_in(connection: Connection, key: str) -> bool:
    """Make room in a message for another one, unless it is rendered by now; say which."""
    changed = await connection.execute(
        update(MessageRow).where(MessageRow.key == key, *UNRENDERED).values(guests=MessageRow.guests + 1)
    )
    return changed.rowcount == 1


async def until(connection: Connection, key: str, instant: datetime, reason: str) -> bool:
    """Schedule a message that nobody has rendered yet; say whether that was so."""
    changed = await connection.execute(
        update(MessageRow).where(MessageRow.key == key, *UNRENDERED).values(not_before=instant, reason=reason)
    )
    return changed.rowcount == 1


async def told_by(connection: Connection, occasion: MessageRequest, person: str, since: datetime) -> str | None:
    """The mail of the same kind about another thing of the same kind that a person got since an instant; its key."""
    kind, about = (name.rpartition(end)[2] for name, end in ((occasion.step, "."), (occasion.workflow_id, "/")))
    found: str | None = await connection.scalar(
        select(MessageRow.key)
        .where(
            MessageRow.account == occasion.account,
            MessageRow.person == person,
            MessageRow.email == occasion.email,
            MessageRow.step.endswith(f".{kind}"),
            MessageRow.workflow_id.not_like(f"%/{about}"),
            MessageRow.created_at >= since,
            MessageRow.state.in_([*UNDER_WAY, MessageState.SENT]),
        )
        .order_by(MessageRow.created_at)
        .limit(1)
    )
    return found


async def drop(connection: Connection, keys: Sequence[str], reason: str, now: datetime) -> list[Message]:
    """Suppress what is scheduled, and leave word with what had joined it; give both."""
    waiting = dropped(keys, reason, now).where(
        MessageRow.state == MessageState.READY, MessageRow.not_before.is_not(None), MessageRow.attempts == 0
    )
    return await _gone(connection, waiting)


async def call_off(connection: Connection, key: str, reason: str, now: datetime) -> list[Message]:
    """Suppress one mail that became false while it waited, and leave word with what had joined it; give both."""
    return await _gone(connection, dropped([key], reason, now))


async def _gone(connection: Connection, waiting: Update) -> list[Message]:
    gone = list(await connection.execute(waiting.returning(MessageRow.key, MessageRow.account)))
    if not gone:
        return []
    await connection.execute(
        update(MessageRow).where(_joined(gone)).values(reason=MessageRow.reason + ", which did not go")
    )
    rows = await connection.execute(MESSAGES.where(or_(MessageRow.key.in_([row.key for row in gone]), _joined(gone))))
    return [Message.model_validate(row._mapping) for row in rows]


async def guests(connection: Connection, hosts: Sequence[Draft]) -> dict[str, list[Draft]]:
    """What the messages are made from that have joined these, by the one that they joined."""
    keys = [host.key for host in hosts if host.guests]
    found: dict[str, list[Draft]] = {key: [] for key in keys}
    if keys:
        joined = DRAFTS.where(MessageRow.account == hosts[0].account, MessageRow.joined.in_(keys))
        for row in await connection.execute(joined.order_by(MessageRow.created_at, MessageRow.key)):
            found[row.joined].append(Draft.model_validate(row._mapping))
    return found


def _joined(hosts: Sequence[Row[Any]]) -> ColumnElement[bool]:
    """Whether a message has joined one of these; by the account, as no index leads there."""
    return and_(
        MessageRow.account.in_({row.account for row in hosts}), MessageRow.joined.in_([row.key for row in hosts])
    )
