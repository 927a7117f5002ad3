"""Rows that may be there already: written in one statement, so that it does not matter who else writes them meanwhile.

To look first and then insert holds on SQLite, which has one writer at a time. On PostgreSQL two may look before either
has written, and the second fails on a unique key.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Executable, Table, case

from rapport.storage.database import Connection

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert_into(dialect: str, table: Table) -> postgresql.Insert:
    """An INSERT that can say what happens on a conflict. SQLite and PostgreSQL write it alike."""
    # Only the one that there is: PostgreSQL's takes a twelfth of what a command on SQLite loads.
    module = import_module(f"sqlalchemy.dialects.{'postgresql' if dialect == 'postgresql' else 'sqlite'}")
    return cast("postgresql.Insert", module.insert(table))


@cache
def putting(
    dialect: str,
    table: Table,
    *,
    keys: tuple[str, ...] = (),
    kept: tuple[str, ...] = (),
    within: str | None = None,
    version: str | None = None,
) -> Executable:
    """The statement of `put`. Statements are put together once: that takes longer than running them."""
    new = insert_into(dialect, table)
    same = list(keys) or [column.name for column in table.primary_key]
    values: dict[str, Any] = {
        column.name: new.excluded[column.name]
        for column in table.columns
        if not column.primary_key and column.name not in {*same, *kept}
    }
    if within is not None:
        stays = table.c[within] == new.excluded[within]
        values |= {name: case((stays, table.c[name]), else_=new.excluded[name]) for name in kept}
    later = None if version is None else table.c[version] <= new.excluded[version]
    return new.on_conflict_do_update(index_elements=same, set_=values, where=later)


async def put(
    connection: Connection,
    row: type[Any] | Table,
    rows: Sequence[dict[str, Any]],
    *,
    keys: Sequence[str] = (),
    kept: Sequence[str] = (),
    within: str | None = None,
    version: str | None = None,
) -> None:
    """Write rows, each in place of the one with the same key, if there is one.

    Args:
        keys: The unique columns by which a row is the same; its primary key, unless they are named.
        kept: The columns that stay as they are where the row is there.
        within: The column that has to be the same for them to stay.
        version: The column that grows with each change; what is older than what stands is left out.
    """
    if rows:
        statement = putting(
            connection.dialect.name,
            row if isinstance(row, Table) else cast("Table", row.__table__),
            keys=tuple(keys),
            kept=tuple(kept),
            within=within,
            version=version,
        )
        # The rows are handed over beside the statement: as a part of it, they would have it compiled at each call.
        await connection.execute(statement, list(rows))


@cache
def _inserting_new(dialect: str, table: Table) -> Executable:
    return insert_into(dialect, table).on_conflict_do_nothing().inline()


async def insert_new(connection: Connection, row: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose unique keys are not there yet."""
    if rows:
        await connection.execute(_inserting_new(connection.dialect.name, cast("Table", row.__table__)), list(rows))
