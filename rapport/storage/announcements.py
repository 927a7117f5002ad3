"""What became of each thing that the review channel was to be told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update

from rapport.model.announcement import Announce
from rapport.model.base import Instant, Wire
from rapport.model.message import CHANNEL, MessageState
from rapport.storage.database import Connection
from rapport.storage.gap_tables import AnnouncementRow
from rapport.storage.tables import MessageRow
from rapport.storage.upserts import insert_new

WAITING, POSTED, FAILED = "waiting", "posted", "failed"


class Telling(Wire):
    """One announcement as it stands."""

    key: str
    ref: str
    what: str
    state: str
    reason: str | None
    first_tried_at: Instant


async def begin(connection: Connection, order: Announce, now: datetime) -> Telling:
    """Note that something is to be told, and give what became of it so far."""
    new = {
        "key": order.key,
        "ref": order.ref,
        "account": order.account,
        "what": order.what,
        "state": WAITING,
        "reason": None,
        "first_tried_at": now,
        "settled_at": None,
    }
    await insert_new(connection, AnnouncementRow, [new])
    row = (await connection.execute(_TELLINGS.where(AnnouncementRow.key == order.key))).one()
    return Telling.model_validate(row._mapping)


async def settle(connection: Connection, key: str, state: str, reason: str | None, now: datetime) -> None:
    """Note how it ended, or why it waits."""
    values = {"state": state, "reason": reason, "settled_at": None if state == WAITING else now}
    await connection.execute(
        update(AnnouncementRow).where(AnnouncementRow.key == key, AnnouncementRow.state != POSTED).values(**values)
    )


async def failed(connection: Connection) -> list[Telling]:
    """What the channel was never told, the newest first."""
    query = _TELLINGS.where(AnnouncementRow.state == FAILED).order_by(AnnouncementRow.first_tried_at.desc())
    return [Telling.model_validate(row._mapping) for row in await connection.execute(query.limit(50))]


async def failed_mails(connection: Connection) -> list[tuple[str, str]]:
    """The subjects of the mails to the channel that never went, each with the reason."""
    rows = await connection.execute(
        select(MessageRow.subject, MessageRow.reason, MessageRow.state)
        .where(MessageRow.person == CHANNEL, MessageRow.state.in_([MessageState.FAILED, MessageState.SUPPRESSED]))
        .order_by(MessageRow.created_at.desc())
        .limit(50)
    )
    return [(row.subject, row.reason or row.state) for row in rows]


async def of_review(connection: Connection, ref: str) -> list[Telling]:
    """What the channel was to be told of a review, oldest first."""
    query = _TELLINGS.where(AnnouncementRow.ref == ref).order_by(AnnouncementRow.first_tried_at, AnnouncementRow.key)
    return [Telling.model_validate(row._mapping) for row in await connection.execute(query)]


async def waiting_since(connection: Connection) -> datetime | None:
    """Since when the oldest thing waits that the channel was not told yet."""
    since: datetime | None = await connection.scalar(
        select(func.min(AnnouncementRow.first_tried_at)).where(
            AnnouncementRow.state == WAITING, AnnouncementRow.reason.is_not(None)
        )
    )
    return since


_TELLINGS = select(
    AnnouncementRow.key,
    AnnouncementRow.ref,
    AnnouncementRow.what,
    AnnouncementRow.state,
    AnnouncementRow.reason,
    AnnouncementRow.first_tried_at,
)
