"""What a TAM notes of a meeting for themself. Nothing that writes mail may import this; import-linter holds it."""

from __future__ import annotations

from sqlalchemy import delete, select

from rapport.model.base import WireModel
from rapport.storage.database import Connection
from rapport.storage.tables import PrivateNoteRow
from rapport.storage.upserts import put


class PrivateNote(WireModel):
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
    await put(connection, PrivateNoteRow, [{"meeting": meeting, "account": account, "by": by, "text": text}])
