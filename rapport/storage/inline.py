"""SQLite without a thread: a driver for SQLAlchemy's async engine that runs each statement where it is awaited.

`aiosqlite`, whose place this takes, hands every step of every statement to a thread and back, four times for one
SELECT. Under load each hand-over waits for the interpreter's lock, for up to 5 ms, and a writer holds SQLite's one
write lock meanwhile: that alone bounded an installation to a few onboardings a second. A statement of ours takes
microseconds, so it is cheaper to run it on the spot; see bench/README.md for the figures.

The price is that a slow statement holds up everything else in the process. So a reader lets others have a turn
between its statements, and nothing ever waits here for another process's lock: it is asked for again, with pauses.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final, Self

_BUSY_PAUSE: Final = 0.005
_TURN: Final = 0.001
"""For how many seconds a reader goes on before it lets others have a turn."""


class Cursor:
    """A cursor with the awaitable methods that SQLAlchemy's adapter calls."""

    def __init__(self, connection: Connection) -> None:
        """Open at once; it costs nothing."""
        self._connection = connection
        self._cursor = connection.sync.cursor()
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        """It is open."""
        return self

    @property
    def description(self) -> Any:
        """The columns of the last statement's rows; nothing if it has none."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The key of the row that was inserted last."""
        return self._cursor.lastrowid

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        """Run one statement."""
        if self._connection.yields and time.monotonic() > self._connection.yielded + _TURN:
            await asyncio.sleep(0)
            self._connection.yielded = time.monotonic()
        give_up = time.monotonic() + self._connection.busy_seconds
        while True:
            try:
                self._cursor.execute(statement, parameters)
            except sqlite3.OperationalError as error:
                # Only the first statement of a transaction meets another process's lock, so it is safe to repeat.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(_BUSY_PAUSE)
            else:
                return self

    async def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> Self:
        """Run one statement for each of several sets of values."""
        self._cursor.executemany(statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """The rows."""
        return self._cursor.fetchall()

    async def close(self) -> None:
        """Close."""
        self._cursor.close()


class Connection:
    """A connection with the awaitable methods that SQLAlchemy's adapter calls."""

    def __init__(self, path: str, *, busy_seconds: float, yields: bool) -> None:
        """Open the file.

        Args:
            busy_seconds: How long to wait for a lock that another process holds.
            yields: Let others have a turn between statements. For readers: a writer is better done sooner.
        """
        self.busy_seconds = busy_seconds
        self.yields = yields
        self.yielded = 0.0
        # Transactions are begun by hand, and SQLAlchemy may close a forgotten connection from another thread.
        self.sync = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)

    @property
    def _connection(self) -> sqlite3.Connection:
        """What the adapter looks at to see whether this is open."""
        return self.sync

    def cursor(self) -> Cursor:
        """A new cursor."""
        return Cursor(self)

    async def create_function(self, *args: Any, **options: Any) -> None:
        """Add a function to SQL; SQLAlchemy adds REGEXP."""
        self.sync.create_function(*args, **options)

    async def commit(self) -> None:
        """Commit."""
        self.sync.commit()

    async def rollback(self) -> None:
        """Roll back."""
        self.sync.rollback()

    async def close(self) -> None:
        """Close."""
        self.sync.close()

    def stop(self) -> None:
        """Close a connection that was forgotten."""
        self.sync.close()
