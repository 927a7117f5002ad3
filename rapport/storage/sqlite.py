"""SQLite where it is called: each statement runs on the spot, in the event loop's own thread.

A statement of ours takes microseconds; handing it to a thread and back, as `aiosqlite` does, takes many times that,
and under load each hand-over waits for the interpreter's lock while a writer holds SQLite's one write lock. See
docs/adr/0008-sqlite-without-a-thread.md.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import (
    Connection,
    CursorResult,
    Dialect,
    Engine,
    Executable,
    QueuePool,
    ScalarResult,
    create_engine,
    event,
)
from sqlalchemy.exc import OperationalError

from rapport.storage.folding import TAUGHT

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS: Final = 5
_LOOK_AGAIN: Final = 0.001
"""Seconds between two looks whether another process has let go of the write lock."""
_TURN: Final = 0.001
"""For how many seconds a reader goes on before it lets others have a turn."""


class LocalConnection:
    """A connection with the awaitable methods of SQLAlchemy's `Connection` that we use."""

    def __init__(self, connection: Connection, *, yields: bool) -> None:
        """Stand before an open connection.

        Args:
            yields: Let others have a turn between statements. For readers: a writer is better done sooner.
        """
        self._connection = connection
        self._yields = yields
        self._since = time.monotonic()

    @property
    def dialect(self) -> Dialect:
        """SQLite's."""
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement."""
        if self._yields and time.monotonic() > self._since + _TURN:
            await asyncio.sleep(0)
            self._since = time.monotonic()
        return self._connection.execute(statement, parameters)

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """Run one statement, and give the first column of the first row."""
        return (await self.execute(statement, parameters)).scalar()

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]:
        """Run one statement, and give the first column of each row."""
        return (await self.execute(statement, parameters)).scalars()

    async def run_sync(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Do something with SQLAlchemy's own connection."""
        return work(self._connection, *args, **options)


class Sqlite:
    """One SQLite file, in WAL: any number of readers, and one writer at a time."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is opened before it is needed."""
        # Transactions are begun and ended by hand: the standard library's module would begin them too late.
        self._engine = create_engine(
            url,
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            poolclass=QueuePool,
            max_overflow=-1,
            connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        )
        _prepare(self._engine)
        # This process's writers wait here, in order; other processes' meet SQLite's own lock.
        self._turn = asyncio.Lock()
        self._writer: Connection | None = None

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[LocalConnection]:
        """A transaction that writes."""
        async with self._turn:
            if self._writer is None:
                self._writer = self._engine.connect()
                self._writer.exec_driver_sql("PRAGMA busy_timeout = 0")
            await _begin_immediate(self._writer)
            async with _ended(self._writer):
                yield LocalConnection(self._writer, yields=False)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[LocalConnection]:
        """A transaction that reads, and sees one state throughout."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            async with _ended(connection):
                yield LocalConnection(connection, yields=True)

    async def scrub(self) -> None:
        """Write the file anew: until then it holds the words of what was deleted, and so does its log."""
        async with self._turn:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()

    async def close(self) -> None:
        """Close every connection."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._engine.dispose()


@asynccontextmanager
async def _ended(connection: Connection) -> AsyncIterator[None]:
    """Commit at the end, or roll back."""
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: Connection) -> None:
    # Nothing is under way where SQLite itself rolled back, as it does when the disk is full.
    if connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        connection.exec_driver_sql("ROLLBACK")


async def _begin_immediate(connection: Connection) -> None:
    """Take SQLite's write lock, once no other process has it.

    Who has it lets go within a millisecond or two. SQLite's own way of waiting sleeps ever longer between its looks,
    and in a thread of its own: 14 milliseconds each time, measured between two worker processes.

    Raises:
        OperationalError: Somebody kept it for `BUSY_SECONDS`.
    """
    limit = time.monotonic() + BUSY_SECONDS
    while not _begun(connection, in_time=time.monotonic() < limit):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(_LOOK_AGAIN)


def _begun(connection: Connection, *, in_time: bool) -> bool:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as error:
        if in_time and getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True


def _prepare(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, record: Any) -> None:  # noqa: ARG001 - SQLAlchemy's signature
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        for name, function in TAUGHT.items():
            connection.create_function(name, 1, function, deterministic=True)
