"""When it was last looked for what is on record and nobody is at work on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import select

from rapport.model.base import Instant, Wire
from rapport.model.ids import SWEEP
from rapport.model.sweep import Strays
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


_SUSPECTS: Final = "suspects"


async def suspects(connection: Connection, now: datetime, missing: Iterable[str]) -> set[str]:
    """Note the workflows that are missing now; give those that were missing in the round before as well.

    One that has just ended has yet to be written down; what is missing twice is gone.
    """
    row = (await connection.execute(select(SweepRow.found).where(SweepRow.name == _SUSPECTS))).one_or_none()
    before = set(row.found["ids"]) if row is not None else set()
    again = sorted(missing)
    await put(connection, SweepRow, [{"name": _SUSPECTS, "at": now, "found": {"ids": again}}])
    return before & set(again)


async def last(connection: Connection) -> LastSweep | None:
    """The last round; nothing where none was ever begun."""
    row = (await connection.execute(select(SweepRow.at, SweepRow.found).where(SweepRow.name == SWEEP))).one_or_none()
    return None if row is None else LastSweep(at=row.at, found=row.found)
