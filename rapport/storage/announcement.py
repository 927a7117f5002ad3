"""What became of each thing that the review channel was to be told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select, update

from rapport.model.announcement import Announce, AnnouncingStart
from rapport.model.base import Instant, WireModel
from rapport.model.delivery import DeliveryState
from rapport.model.message import CHANNEL, MessageState
from rapport.storage.database import Connection
from rapport.storage.gap_tables import AnnouncementRow
from rapport.storage.tables import MessageRow
from rapport.storage.upserts import insert_new


class AnnouncementRecord(WireModel):
    """One announcement as it stands."""

    key: str
    ref: str
    what: str
    state: str
    reason: str | None
    first_tried_at: Instant | None


async def note(connection: Connection, orders: Iterable[Announce]) -> None:
    """Put on record what is to be told, in its order; what stands there already stays as it is."""
    rows = [
        {
            "key": order.key,
            "ref": order.ref,
            "account": order.account,
            "what": order.what,
            "submission": order.submission,
            "option": order.option,
            "until": order.until,
            "occasion": order.occasion,
            "happened_at": order.now,
            "position": position,
            "state": DeliveryState.WAITING,
            "reason": None,
            "first_tried_at": None,
            "settled_at": None,
            "unmailed": False,
            "ended_at": None,
        }
        for position, order in enumerate(orders)
    ]
    await insert_new(connection, AnnouncementRow, rows)


async def untold(connection: Connection, ref: str) -> list[Announce]:
    """What is left to be told of a review, in its order."""
    row = AnnouncementRow
    rows = await connection.execute(
        select(row.ref, row.account, row.what, row.submission, row.option, row.until, row.occasion)
        .add_columns(row.happened_at.label("now"))
        .where(row.ref == ref, row.ended_at.is_(None))
        .order_by(row.happened_at, row.position)
    )
    return [Announce.model_validate(one._mapping) for one in rows]


async def pending(connection: Connection, before: datetime) -> list[AnnouncingStart]:
    """The reviews of which something is left to be told that happened before an instant."""
    row = AnnouncementRow
    waiting = (row.ended_at.is_(None), row.happened_at < before)
    rows = await connection.execute(select(row.ref, row.account).where(*waiting).distinct().order_by(row.ref))
    return [AnnouncingStart.model_validate(one._mapping) for one in rows]


async def unbegun(connection: Connection, before: datetime) -> list[tuple[str, datetime]]:
    """The reviews of which nobody has tried to tell anything that is left to be told, and since when."""
    row = AnnouncementRow
    rows = await connection.execute(
        select(row.ref, func.min(row.happened_at).label("since"))
        .where(row.ended_at.is_(None))
        .group_by(row.ref)
        .having(func.max(row.first_tried_at).is_(None), func.min(row.happened_at) < before)
        .order_by(row.ref)
    )
    return [(one.ref, one.since) for one in rows]


async def unwritten(connection: Connection, order: Announce) -> None:
    """Note that its mail cannot be written."""
    await note(connection, [order])
    await connection.execute(update(AnnouncementRow).where(AnnouncementRow.key == order.key).values(unmailed=True))


async def end(connection: Connection, key: str, now: datetime) -> None:
    """Note that nothing is left to be done for one."""
    await connection.execute(update(AnnouncementRow).where(AnnouncementRow.key == key).values(ended_at=now))


async def begin(connection: Connection, order: Announce, now: datetime) -> AnnouncementRecord:
    """Note that something is being told, and give what became of it so far."""
    await note(connection, [order])
    untried = (AnnouncementRow.key == order.key, AnnouncementRow.first_tried_at.is_(None))
    await connection.execute(update(AnnouncementRow).where(*untried).values(first_tried_at=now))
    row = (await connection.execute(_TELLINGS.where(AnnouncementRow.key == order.key))).one()
    return AnnouncementRecord.model_validate(row._mapping)


async def settle(connection: Connection, key: str, state: str, reason: str | None, now: datetime) -> None:
    """Note how it ended, or why it waits."""
    values = {"state": state, "reason": reason, "settled_at": None if state == DeliveryState.WAITING else now}
    await connection.execute(
        update(AnnouncementRow)
        .where(AnnouncementRow.key == key, AnnouncementRow.state != DeliveryState.POSTED)
        .values(**values)
    )


async def failed(connection: Connection) -> list[AnnouncementRecord]:
    """What the channel was never told, the newest first."""
    query = _TELLINGS.where(AnnouncementRow.state == DeliveryState.FAILED).order_by(
        AnnouncementRow.first_tried_at.desc()
    )
    return [AnnouncementRecord.model_validate(row._mapping) for row in await connection.execute(query.limit(50))]


async def failed_mails(connection: Connection) -> list[tuple[str, str]]:
    """The mails to the channel that never went, by subject or by what they were to tell, each with the reason."""
    rows = await connection.execute(
        select(MessageRow.subject, MessageRow.reason, MessageRow.state)
        .where(MessageRow.person == CHANNEL, MessageRow.state.in_([MessageState.FAILED, MessageState.SUPPRESSED]))
        .order_by(MessageRow.created_at.desc())
        .limit(50)
    )
    unwritten = await connection.execute(
        _TELLINGS.where(AnnouncementRow.unmailed).order_by(AnnouncementRow.happened_at.desc()).limit(50)
    )
    return [
        *((row.subject, row.reason or row.state) for row in rows),
        *((f"{row.ref}, {row.what.replace('_', ' ')}", "it can't be written") for row in unwritten),
    ]


async def of_review(connection: Connection, ref: str) -> list[AnnouncementRecord]:
    """What the channel was to be told of a review, oldest first."""
    query = _TELLINGS.where(AnnouncementRow.ref == ref).order_by(AnnouncementRow.first_tried_at, AnnouncementRow.key)
    return [AnnouncementRecord.model_validate(row._mapping) for row in await connection.execute(query)]


async def waiting_since(connection: Connection) -> datetime | None:
    """Since when the oldest thing waits that the channel was not told yet."""
    since: datetime | None = await connection.scalar(
        select(func.min(AnnouncementRow.first_tried_at)).where(
            AnnouncementRow.state == DeliveryState.WAITING, AnnouncementRow.reason.is_not(None)
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
