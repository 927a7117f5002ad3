"""The append-only record of an account, and what people said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Executable, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport.model.base import Instant, Wire
from rapport.model.records import Entry
from rapport.storage.tables import SubmissionRow, TimelineRow


class Submission(Wire):
    """What a person did and said, through which channel. `entered_by` is the operating system's user on the CLI."""

    id: str
    at: Instant
    actor: str
    channel: str
    entered_by: str | None = None
    kind: str
    workflow_id: str
    text: str | None = None


@cache
def _insert_new(dialect: str, table: Table) -> Executable:
    insert_ = (postgresql if dialect == "postgresql" else sqlite).insert
    new: Executable = insert_(table).on_conflict_do_nothing().inline()
    return new


async def insert_new(connection: AsyncConnection, table: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose unique keys are not there yet."""
    if rows:
        # The rows are handed over beside the statement: as a part of it, they would have it compiled at each call.
        await connection.execute(_insert_new(connection.dialect.name, cast("Table", table.__table__)), list(rows))


async def append(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Write entries; those already written are left as they are."""
    await insert_new(connection, TimelineRow, [entry.model_dump() for entry in entries])


async def submit(connection: AsyncConnection, submission: Submission) -> None:
    """Keep what a person said, before their decision travels."""
    await connection.execute(insert(SubmissionRow).values(**submission.model_dump()))


class Told(Wire):
    """An entry with what belongs to it, for a reader. Names are not in it; they are looked up when it is shown."""

    at: Instant
    kind: str
    step: str | None
    who: str | None
    about: str | None
    instant: Instant | None
    channel: str | None
    entered_by: str | None
    text: str | None


async def tell(connection: AsyncConnection, account: str, until: datetime | None = None) -> list[Told]:
    """An account's record, oldest first."""
    query = (
        select(
            TimelineRow.at,
            TimelineRow.kind,
            TimelineRow.step,
            TimelineRow.who,
            TimelineRow.about,
            TimelineRow.instant,
            SubmissionRow.channel,
            SubmissionRow.entered_by,
            SubmissionRow.text,
        )
        .outerjoin(SubmissionRow, SubmissionRow.id == TimelineRow.submission)
        .where(TimelineRow.account == account)
        .order_by(TimelineRow.at, TimelineRow.id)
    )
    if until is not None:
        query = query.where(TimelineRow.at <= until)
    return [Told.model_validate(row._mapping) for row in await connection.execute(query)]
