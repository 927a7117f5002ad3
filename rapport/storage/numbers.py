"""Numbers that people say, such as the 42 of C-00042: each is given once, in the order in which it was asked for."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from rapport.storage.database import Connection


class GivenMeanwhileError(Exception):
    """Somebody else got a number since it was looked for."""


async def next_number(connection: Connection, column: InstrumentedAttribute[int]) -> int:
    """The next number of a table; nobody else is given one before this transaction ends.

    Args:
        column: The table's numbers. No row of it is ever deleted.
    """
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time.
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{column}", 0))))
    return int(await connection.scalar(select(func.coalesce(func.max(column), 0)))) + 1


async def take(connection: Connection, column: InstrumentedAttribute[int], wanted: int | None) -> int:
    """Take a number, in the transaction that writes its row.

    Args:
        wanted: The one to take; without it, the next.

    Raises:
        GivenMeanwhileError: It was given to somebody else.
    """
    number = await next_number(connection, column)
    if wanted is None:
        return number
    if wanted < number:
        raise GivenMeanwhileError
    return wanted
