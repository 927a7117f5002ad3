"""When it was last looked for what is on record and nobody is at work on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from rapport.model.base import Instant, Wire
from rapport.model.ids import SWEEP
from rapport.model.undelivered import Strays
from rapport.storage.database import Connection
from rapport.storage.tables import SweepRow
from rapport.storage.upserts import put


class LastSweep(Wire):
    """The last round: when it looked, and how many of each it found."""

    at: Instant
    found: dict[str, int]


async def note(connection: Connection, at: datetime, strays: Strays) -> None:
    """Note that it was looked, and what was found."""
    found = {name: len(some) for name, some in strays}
    await put(connection, SweepRow, [{"name": SWEEP, "at": at, "found": found}])


async def last(connection: Connection) -> LastSweep | None:
    """The last round; nothing where none was ever begun."""
    row = (await connection.execute(select(SweepRow.at, SweepRow.found).where(SweepRow.name == SWEEP))).one_or_none()
    return None if row is None else LastSweep(at=row.at, found=row.found)
