"""The files that a draft will carry. Once it goes, they stand in its frozen bytes, and what stands here is history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from rapport.model.base import WireModel
from rapport.rules.attachment import File
from rapport.storage.database import Connection
from rapport.storage.tables import AttachmentRow
from rapport.storage.upserts import put


class Attached(WireModel):
    """A file without its content; the size is in bytes."""

    name: str
    type: str
    size: int


async def attach(connection: Connection, message: str, file: File, by: str, now: datetime) -> None:
    """Keep a file for a draft; one of the same name is replaced."""
    values = {
        "message": message,
        "name": file.name,
        "type": file.type,
        "size": len(file.content),
        "content": file.content,
        "added_by": by,
        "added_at": now,
    }
    await put(connection, AttachmentRow, [values])


async def detach(connection: Connection, message: str, name: str) -> bool:
    """Take a file away again; whether there was one of this name."""
    here = (AttachmentRow.message == message, AttachmentRow.name == name)
    return (await connection.execute(delete(AttachmentRow).where(*here))).rowcount == 1


async def listed(connection: Connection, message: str) -> list[Attached]:
    """A draft's files, in the order in which they were attached."""
    query = select(AttachmentRow.name, AttachmentRow.type, AttachmentRow.size).where(AttachmentRow.message == message)
    rows = await connection.execute(query.order_by(AttachmentRow.added_at, AttachmentRow.name))
    return [Attached.model_validate(row._mapping) for row in rows]


async def of_drafts(connection: Connection, messages: Sequence[str]) -> dict[str, tuple[File, ...]]:
    """The files of these messages with their content, by key."""
    if not await connection.scalar(select(func.count()).where(AttachmentRow.message.in_(messages))):
        return {}
    rows = await connection.execute(
        select(AttachmentRow.message, AttachmentRow.name, AttachmentRow.type, AttachmentRow.content)
        .where(AttachmentRow.message.in_(messages))
        .order_by(AttachmentRow.added_at, AttachmentRow.name)
    )
    found: dict[str, tuple[File, ...]] = {}
    for row in rows:
        found[row.message] = (*found.get(row.message, ()), File.made_of(row))
    return found
