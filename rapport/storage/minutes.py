"""How meetings went: who was there, what the customer wants, what was promised. Private notes are elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from rapport.model.base import Instant, Wire
from rapport.model.minutes import ActionRecord, BlockerRecord, MinutesRecord
from rapport.storage import actions, blockers
from rapport.storage.actions import KnownAction
from rapport.storage.blockers import KnownBlocker
from rapport.storage.database import Connection
from rapport.storage.tables import GoalRow, MinutesRow


class KnownMinutes(Wire):
    """Minutes as they stand: what was said last, with what became of its actions and blockers.

    Attributes:
        meeting: The meeting's workflow.
        by: The id of the member who wrote them last.
    """

    meeting: str
    account: str
    step: str
    by: str
    written_at: Instant
    corrected_at: Instant | None
    record: MinutesRecord
    actions: tuple[KnownAction, ...]
    blockers: tuple[KnownBlocker, ...]


async def keep(
    connection: Connection,
    *,
    meeting: str,
    account: str,
    step: str,
    by: str,
    submission: str,
    record: MinutesRecord,
    now: datetime,
) -> None:
    """Write down a meeting's minutes, or replace them. Repeating it changes nothing."""
    table = cast("Table", MinutesRow.__table__)
    new = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    values = {
        "by": by,
        "submission": submission,
        **record.model_dump(mode="json", include={"attended", "agreed", "next", "note"}),
    }
    await connection.execute(
        new.values(
            meeting=meeting, account=account, step=step, written_at=now, corrected_at=None, **values
        ).on_conflict_do_update(index_elements=["meeting"], set_=values | {"corrected_at": now})
    )
    await connection.execute(delete(GoalRow).where(GoalRow.meeting == meeting))
    goals = [
        {"meeting": meeting, "term": term, "position": position, "title": title}
        for term, titles in (("short", record.short_term), ("long", record.long_term))
        for position, title in enumerate(titles)
    ]
    if goals:
        await connection.execute(insert(GoalRow), goals)
    await actions.replace(connection, account, meeting, record.actions, now)
    await blockers.replace(connection, account, meeting, record.blockers, now)


async def of_meeting(connection: Connection, meeting: str) -> KnownMinutes | None:
    """The minutes of a meeting, by its workflow's id; nothing if nobody has said that it was held."""
    query = select(*MinutesRow.__table__.columns).where(MinutesRow.meeting == meeting)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else await _known(connection, row)


async def of_account(connection: Connection, account: str) -> list[KnownMinutes]:
    """The minutes of an account's meetings, the newest first."""
    query = select(*MinutesRow.__table__.columns).where(MinutesRow.account == account)
    rows = await connection.execute(query.order_by(MinutesRow.written_at.desc(), MinutesRow.meeting))
    return [await _known(connection, row) for row in rows.all()]


async def _known(connection: Connection, row: Row[Any]) -> KnownMinutes:
    goals: dict[str, list[str]] = {"short": [], "long": []}
    for goal in await connection.execute(
        select(GoalRow.term, GoalRow.title).where(GoalRow.meeting == row.meeting).order_by(GoalRow.position)
    ):
        goals[goal.term].append(goal.title)
    promised = await actions.of_meeting(connection, row.meeting)
    blocking = await blockers.of_meeting(connection, row.meeting)
    record = MinutesRecord(
        attended=row.attended,
        short_term=tuple(goals["short"]),
        long_term=tuple(goals["long"]),
        actions=tuple(ActionRecord(what=one.what, owner=one.owner_id, due=one.due) for one in promised),
        blockers=tuple(
            BlockerRecord(title=one.title, owner=one.owner_id, next_check=one.next_check) for one in blocking
        ),
        agreed=row.agreed,
        next=row.next,
        note=row.note,
    )
    return KnownMinutes(
        meeting=row.meeting,
        account=row.account,
        step=row.step,
        by=row.by,
        written_at=row.written_at,
        corrected_at=row.corrected_at,
        record=record,
        actions=tuple(promised),
        blockers=tuple(blocking),
    )
