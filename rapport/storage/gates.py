"""What gates ask of an account's reviews."""

from __future__ import annotations

from rapport.policy.gates import Reviewed
from rapport.storage.database import Connection


async def reviewed(connection: Connection, account: str) -> list[Reviewed]:  # noqa: ARG001
    """An account's reviews, each with its newest round, as far as gates ask."""
    return []
