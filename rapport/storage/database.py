"""The connection to SQL: SQLite in WAL for one host, PostgreSQL for many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from rapport.storage import inline

if TYPE_CHECKING:
    from alembic.config import Config

BUSY_SECONDS = 5


class Store:
    """Where business data lives. Every read and every write is one short transaction; none spans a network call."""

    def __init__(self, url: str) -> None:
        """Prepare the connections; nothing is opened before it is needed.

        Args:
            url: SQLAlchemy's address, with an async driver (`sqlite+aiosqlite:` or `postgresql+asyncpg:`).
        """
        self.url = url
        if url.startswith("sqlite"):
            # SQLite has one writer at a time. A pool of one lets this process's writers wait in order instead of
            # polling the file's lock; other processes still meet that lock, and wait for it for BUSY_SECONDS.
            self._writer = _sqlite(url, begin="BEGIN IMMEDIATE", pool_size=1)
            self._reader = _sqlite(url, begin="BEGIN", pool_size=4)
        else:
            self._writer = self._reader = create_async_engine(
                url, hide_parameters=True, pool_pre_ping=True, pool_size=10
            )

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes; committed at the end, rolled back on an error."""
        async with self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with self._reader.begin() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, and sees one state of the database throughout, however long it takes."""
        async with self._reader.connect() as connection:
            if connection.dialect.name == "postgresql":
                # SQLite's transactions are so anyway.
                await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield connection

    async def migrate(self) -> None:
        """Bring the schema up to date."""
        async with self._writer.begin() as connection:
            await connection.run_sync(_upgrade)

    async def is_current(self) -> bool:
        """Whether the database answers, and its schema is the one that this code expects."""
        try:
            async with self._reader.connect() as connection:
                return await connection.run_sync(_is_head)
        except (SQLAlchemyError, OSError):
            return False

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(self._writer.dispose(), self._reader.dispose())


def _sqlite(url: str, *, begin: str, pool_size: int) -> AsyncEngine:
    file = make_url(url).database
    assert file is not None

    async def connect() -> inline.Connection:
        return inline.Connection(file, busy_seconds=BUSY_SECONDS, yields=begin == "BEGIN")

    engine = create_async_engine(url, hide_parameters=True, pool_size=pool_size, max_overflow=0, async_creator=connect)

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:  # noqa: ARG001 - SQLAlchemy's signature
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


# Alembic takes a third of a second to import, which commands that do not migrate should not wait for.


def _config(connection: Connection, location: str) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", location)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    from alembic import command

    with as_file(files("rapport.storage").joinpath("migrations")) as location:
        command.upgrade(_config(connection, str(location)), "head")


def _is_head(connection: Connection) -> bool:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with as_file(files("rapport.storage").joinpath("migrations")) as location:
        scripts = ScriptDirectory.from_config(_config(connection, str(location)))
        current = MigrationContext.configure(connection).get_current_revision()
        return current == scripts.get_current_head()
