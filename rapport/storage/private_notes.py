"""What a TAM notes of a meeting for themself. Nothing that writes mail may import this; import-linter holds it."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from rapport.model.base import Wire
from rapport.storage.database import Connection
from rapport.storage.tables import PrivateNoteRow


class PrivateNote(Wire):
    """A note, and the id of the member who wrote it."""

    by: str
    text: str


async def note(connection: Connection, meeting: str) -> PrivateNote | None:
    """The note on a meeting, by its workflow's id."""
    query = select(PrivateNoteRow.by, PrivateNoteRow.text).where(PrivateNoteRow.meeting == meeting)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else PrivateNote(by=row.by, text=row.text)


async def write(connection: Connection, account: str, meeting: str, by: str, text: str) -> None:
    """Keep a note, or replace it; an empty one takes it away."""
    if not text:
        await connection.execute(delete(PrivateNoteRow).where(PrivateNoteRow.meeting == meeting))
        return
    table = cast("Table", PrivateNoteRow.__table__)
    new = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    put = new.values(meeting=meeting, account=account, by=by, text=text)
    await connection.execute(
        put.on_conflict_do_update(index_elements=["meeting"], set_={"by": put.excluded.by, "text": put.excluded.text})
    )
