"""Whether the database takes something new: its disk may be full, or may be read alone, while it still answers."""

from __future__ import annotations

from datetime import datetime

from rapport.storage.database import Store
from rapport.storage.tables import ProbeRow
from rapport.storage.upserts import put


async def probe(store: Store, name: str, now: datetime) -> None:
    """Write something small, and keep it.

    Args:
        name: Who asks; each has one row, which tells when it was last written.

    Raises:
        DatabaseFault: As `Store.check`; or its disk is full, or it can only be read.
    """
    await store.check()
    async with store.writing() as connection:
        await put(connection, ProbeRow, [{"name": name, "at": now}])
