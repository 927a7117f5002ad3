"""The connection to SQL: SQLite in WAL for one host, PostgreSQL for many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import sqlalchemy
from sqlalchemy import CursorResult, Dialect, Executable, ScalarResult, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from rapport.storage.sqlite import Sqlite

if TYPE_CHECKING:
    from alembic.config import Config

P = ParamSpec("P")
T = TypeVar("T")


class Connection(Protocol):
    """What everything above needs of a connection, whichever database it leads to."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL it speaks."""

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement, or the same for each of several sets of parameters."""

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """Run one statement, and give the first column of the first row."""

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]:
        """Run one statement, and give the first column of each row."""

    async def run_sync(
        self, work: Callable[Concatenate[sqlalchemy.Connection, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        """Do something with SQLAlchemy's own connection."""


class Store:
    """Where business data lives. Every read and every write is one short transaction; none spans a network call."""

    def __init__(self, url: str) -> None:
        """Prepare the connections; nothing is opened before it is needed.

        Args:
            url: SQLAlchemy's address: `sqlite:` or `postgresql+asyncpg:`.
        """
        self.url = url
        self._engine: Sqlite | _Server = Sqlite(url) if url.startswith("sqlite") else _Server(url)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """A transaction that writes; committed at the end, rolled back on an error."""
        async with self._engine.writing() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A transaction that only reads."""
        async with self._engine.reading() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A transaction that only reads, and sees one state of the database throughout, however long it takes."""
        async with self._engine.reading() as connection:
            if connection.dialect.name == "postgresql":
                # SQLite's transactions are so anyway.
                await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection

    async def migrate(self) -> None:
        """Bring the schema up to date."""
        async with self.writing() as connection:
            await connection.run_sync(_upgrade)

    async def is_current(self) -> bool:
        """Whether the database answers, and its schema is the one that this code expects."""
        try:
            async with self.reading() as connection:
                return await connection.run_sync(_is_head)
        except (SQLAlchemyError, OSError):
            return False

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.close()


class _Server:
    """A PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=10)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        async with self._engine.begin() as connection:
            # Its overloads say more than this, in other words.
            yield cast("Connection", connection)

    reading = writing

    async def close(self) -> None:
        await self._engine.dispose()


# Alembic takes a third of a second to import, which commands that do not migrate should not wait for.


def _config(connection: sqlalchemy.Connection, location: str) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", location)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: sqlalchemy.Connection) -> None:
    from alembic import command

    with as_file(files("rapport.storage").joinpath("migrations")) as location:
        command.upgrade(_config(connection, str(location)), "head")


def _is_head(connection: sqlalchemy.Connection) -> bool:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with as_file(files("rapport.storage").joinpath("migrations")) as location:
        scripts = ScriptDirectory.from_config(_config(connection, str(location)))
        current = MigrationContext.configure(connection).get_current_revision()
        return current == scripts.get_current_head()
