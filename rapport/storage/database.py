"""The connection to SQL: SQLite in WAL for one host, PostgreSQL for many."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import sqlalchemy
from sqlalchemy import CursorResult, Dialect, Executable, ScalarResult, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from rapport.storage.faults import DatabaseFault, Where
from rapport.storage.sqlite import Sqlite

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS: Final = 5.0
"""How long a server may take to answer before it counts as away. By itself the driver waits for a minute, and whoever
asked for a page with it."""

POOL_SECONDS: Final = 10.0
"""How long somebody waits for one of this process's connections, while others have them all."""

STATEMENT_SECONDS: Final = 20.0
"""How long a server may take over one statement, or a commit, before it counts as away. A machine that is cut off, or
a disk that hangs, ends no connection: whoever asked would wait for ever, and keep one of this process's connections."""


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
    """Where business data lives. Every read and every write is one short transaction; none spans a network call.

    Attributes:
        refused: Why it took nothing when somebody wrote last, as while its disk is full; nothing once it has.
    """

    def __init__(self, url: str) -> None:
        """Prepare the connections; nothing is opened before it is needed.

        Args:
            url: SQLAlchemy's address: `sqlite:` or `postgresql+asyncpg:`.
        """
        self.url = url
        self.file = Path(make_url(url).database or "") if url.startswith("sqlite") else None
        self._where = Where(self.file)
        self.refused: DatabaseFault | None = None
        self._engine: Sqlite | _Server = Sqlite(url) if self.file is not None else _Server(url, self._where)

    @property
    def name(self) -> str:
        """Where it is, for people: SQLite's file, or host and database, without user and password."""
        url = make_url(self.url)
        if self.file is not None:
            return str(self.file)
        host = url.host or url.query.get("host") or "localhost"
        return f"{host}:{url.port or 5432}/{url.database or ''}"

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """A transaction that writes; committed at the end, rolled back on an error.

        Raises:
            DatabaseFault: The database cannot do its part. Where that comes at the end, nobody can say whether what was
                written stands: everything of ours may be written again.
        """
        try:
            with self._where.told():
                async with self._engine.writing() as connection:
                    yield connection
        except DatabaseFault as fault:
            self.refused = fault
            raise
        self.refused = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A transaction that only reads.

        Raises:
            DatabaseFault: The database cannot do its part.
        """
        with self._where.told():
            async with self._engine.reading() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A transaction that only reads, and sees one state of the database throughout, however long it takes."""
        async with self.reading() as connection:
            if connection.dialect.name == "postgresql":
                # SQLite's transactions are so anyway.
                await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection

    async def scrub(self) -> None:
        """Overwrite what was deleted. A server does so by itself, in its time.

        Raises:
            DatabaseFault: Others are at work on the file all the time.
        """
        if isinstance(self._engine, Sqlite):
            with self._where.told():
                await self._engine.scrub()

    async def migrate(self) -> None:
        """Bring the schema up to date.

        Raises:
            DatabaseFault: It is of a newer version, or the database cannot do its part.
        """
        async with self.writing() as connection:
            if (revision := await connection.run_sync(_revision)) not in (None, *revisions()):
                raise self._where.newer(str(revision))
            if revision != revisions()[-1]:
                await connection.run_sync(_upgrade)

    async def insist_migratable(self) -> None:
        """Insist that the database can be brought up to date, and change nothing. A file that is yet to be made can.

        Raises:
            DatabaseFault: It does not answer, is no database, or is of a newer version.
        """
        if self.file is not None and not self.file.exists():
            return
        async with self.reading() as connection:
            if (revision := await connection.run_sync(_revision)) not in (None, *revisions()):
                raise self._where.newer(str(revision))

    async def check(self) -> None:
        """Insist that the database answers, and that its schema is the one that this code expects.

        Raises:
            DatabaseFault: It does not, or its schema is of another version.
        """
        async with self.reading() as connection:
            revision = await connection.run_sync(_revision)
        if revision is not None and revision not in revisions():
            raise self._where.newer(revision)
        if revision != revisions()[-1]:
            raise self._where.unprepared()

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.close()


class _ServerConnection:
    """A connection to a server; a statement that it does not answer is given up, and the connection with it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        return await _in_time(self._connection.execute(statement, parameters))

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        return await _in_time(self._connection.scalar(statement, parameters))

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]:
        return await _in_time(self._connection.scalars(statement, parameters))

    async def run_sync(
        self, work: Callable[Concatenate[sqlalchemy.Connection, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        # A migration may take its time.
        return await self._connection.run_sync(work, *args, **options)


async def _in_time(work: Awaitable[T]) -> T:
    """Await a server. Whatever is cancelled in the middle costs its connection, so nothing waits for that any more."""
    async with asyncio.timeout(STATEMENT_SECONDS):
        return await work


class _Server:
    """A PostgreSQL database."""

    def __init__(self, url: str, where: Where) -> None:
        self._engine = create_async_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=10,
            pool_timeout=POOL_SECONDS,
            connect_args={"timeout": CONNECT_SECONDS},
        )
        self._where = where

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        connection = await self._connected()
        try:
            yield _ServerConnection(connection)
            await _in_time(connection.commit())
        except BaseException as error:
            # It may be another server by now that takes what is written, and this one never says goodbye.
            if self._where.ends(error):
                await connection.invalidate()
            raise
        finally:
            # Also where whoever asked has gone away: a connection that is not given back is lost.
            await asyncio.shield(_given_back(connection))

    reading = writing

    async def _connected(self) -> AsyncConnection:
        from asyncpg import InterfaceError, PostgresError  # type: ignore[import-untyped]

        try:
            return await _in_time(self._engine.connect())
        # The driver's own, and the network's: SQLAlchemy gives its own names to what comes after this alone.
        except (SQLAlchemyError, InterfaceError, PostgresError, OSError) as error:
            raise self._where.fault(error) or self._where.silent() from None

    async def close(self) -> None:
        await self._engine.dispose()


async def _given_back(connection: AsyncConnection) -> None:
    """Give a connection back, and roll back what was not committed; one that does not answer is given up."""
    with contextlib.suppress(TimeoutError):
        await _in_time(connection.close())


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """A store for as long as it is needed.

    Args:
        url: As for `Store`.
    """
    store = Store(url)
    try:
        yield store
    finally:
        await store.close()


def _upgrade(connection: sqlalchemy.Connection) -> None:
    # It takes a third of a second to import, which commands that do not migrate should not wait for.
    from alembic import command
    from alembic.config import Config

    with as_file(_MIGRATIONS) as location:
        config = Config()
        config.set_main_option("script_location", str(location))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@cache
def revisions() -> tuple[str, ...]:
    """The revisions of the schema that this code knows, in their order: the beginnings of the migrations' names."""
    scripts = _MIGRATIONS.joinpath("versions").iterdir()
    return tuple(sorted(one.name.partition("_")[0] for one in scripts if one.name.endswith(".py")))


def _revision(connection: sqlalchemy.Connection) -> str | None:
    """The revision of a database; nothing if it has no tables yet."""
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


_MIGRATIONS: Final = files("rapport.storage").joinpath("migrations")
