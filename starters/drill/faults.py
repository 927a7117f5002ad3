"""What a drill breaks, one thing at a time, and what `rapport doctor` has to say while it lasts."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from typing import Final

from sqlalchemy import or_, select

from rapport.storage.database import Connection
from rapport.storage.tables import MessageRow, RelayRow
from starters.drill.load import Crowd
from starters.drill.private import Private

Met = Callable[[Private, Crowd], Awaitable[bool]]
Broken = Callable[[Private, random.Random], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """One kind of trouble.

    Attributes:
        told_by: The checks of `rapport doctor` of which one has to tell it; none, where the installation as a whole
            goes on, or where the trouble is over before anybody could look.
        met: Whether somebody has met it, since it began; none, where nobody can tell.
    """

    name: str
    what: str
    broken: Broken
    met: Met | None = None
    told_by: tuple[str, ...] = ()


# What is broken is mended only where the drill goes on: if it ends meanwhile, all its parts end with it.


@asynccontextmanager
async def _worker_killed(private: Private, dice: random.Random) -> AsyncIterator[None]:
    one = dice.choice(private.workers)
    await one.kill()
    yield
    await one.start()


@asynccontextmanager
async def _workers_killed(private: Private, _: random.Random) -> AsyncIterator[None]:
    await asyncio.gather(*(one.kill() for one in private.workers))
    yield
    await asyncio.gather(*(one.start() for one in private.workers))


@asynccontextmanager
async def _worker_stopped(private: Private, dice: random.Random) -> AsyncIterator[None]:
    one = dice.choice(private.workers)
    one.signal(signal.SIGSTOP)
    yield
    one.signal(signal.SIGCONT)


@asynccontextmanager
async def _temporal_killed(private: Private, _: random.Random) -> AsyncIterator[None]:
    await private.temporal.kill()
    yield
    await private.temporal.start()


@asynccontextmanager
async def _http_killed(private: Private, _: random.Random) -> AsyncIterator[None]:
    await private.http.kill()
    yield
    await private.http.start()


@asynccontextmanager
async def _relay_killed(private: Private, _: random.Random) -> AsyncIterator[None]:
    await private.post.kill()
    yield
    await private.post.start()


def _relay(**conduct: object) -> Broken:
    @asynccontextmanager
    async def broken(private: Private, _: random.Random) -> AsyncIterator[None]:
        private.relay.behave(**conduct)
        yield
        private.relay.behave()

    return broken


@asynccontextmanager
async def _database_cut(private: Private, _: random.Random) -> AsyncIterator[None]:
    assert private.proxy is not None
    private.proxy.cut()
    yield
    await private.proxy.mend()


@asynccontextmanager
async def _database_killed(private: Private, _: random.Random) -> AsyncIterator[None]:
    assert private.database is not None
    private.database.signal(signal.SIGQUIT)
    yield
    await private.database.end()
    await private.database.start()


@asynccontextmanager
async def _database_locked(private: Private, _: random.Random) -> AsyncIterator[None]:
    file = private.settings.data / "rapport.db"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@asynccontextmanager
async def _disk_full(private: Private, _: random.Random) -> AsyncIterator[None]:
    parts = [one.process.pid for one in (*private.workers, private.http) if one.process is not None]
    private.disk.fill(parts)
    yield
    private.disk.free()
    if private.database is not None:
        # A server that cannot write its log any more gives up.
        await private.database.revive()
        await private.database.answers()


async def _turned_away(_: Private, crowd: Crowd) -> bool:
    return crowd.turned_away


async def _relay_met(private: Private, _: Crowd) -> bool:
    return private.relay.met()


async def _mail_deferred(private: Private, _: Crowd) -> bool:
    """Somebody tried to send, and could not."""

    async def look(connection: Connection) -> bool:
        deferred = select(MessageRow.key).where(or_(MessageRow.retry_at.is_not(None), MessageRow.state == "deferred"))
        fault = select(RelayRow.name).where(RelayRow.since.is_not(None))
        return any([await connection.scalar(query.limit(1)) is not None for query in (deferred, fault)])

    return bool(await private.read(look))


FAULTS: Final = (
    Fault("worker killed", "kill -9 to one of two workers", _worker_killed),
    Fault("workers killed", "kill -9 to both workers", _workers_killed),
    Fault("worker stopped", "one of two workers stands still (SIGSTOP), and goes on later", _worker_stopped),
    Fault("temporal killed", "kill -9 to Temporal's server", _temporal_killed, _turned_away, ("temporal",)),
    Fault("http killed", "kill -9 to HTTP", _http_killed, _turned_away),
    Fault("relay killed", "kill -9 to the relay", _relay_killed, _mail_deferred, ("relay",)),
    Fault("relay's password", "the relay has another password", _relay(password="another"), _relay_met, ("relay",)),  # noqa: S106
    Fault(
        "relay blocks",
        "the relay refuses everybody (554)",
        _relay(greeting="554 5.7.1 blocked"),
        _relay_met,
        ("relay",),
    ),
    Fault(
        "relay is busy", "the relay asks for patience (451)", _relay(recipient="451 4.7.1 later", one_in=2), _relay_met
    ),
    Fault(
        "relay refuses",
        "the relay refuses recipients (550)",
        _relay(recipient="550 5.1.1 unknown", one_in=3),
        _relay_met,
    ),
    Fault(
        "relay refuses data", "the relay refuses mails (552)", _relay(body="552 5.3.4 too large", one_in=3), _relay_met
    ),
    Fault("relay drops", "the relay takes mails and drops the connection", _relay(drop="kept", one_in=2), _relay_met),
    Fault("relay loses", "the relay drops the connection after the data", _relay(drop="lost", one_in=2), _relay_met),
    Fault("database cut", "the connections to the database are cut", _database_cut, _turned_away, ("database",)),
    Fault("database killed", "the database's server is ended at once", _database_killed, _turned_away, ("database",)),
    Fault("database locked", "another process holds the database's write lock", _database_locked),
    Fault("disk full", "the disk of the database is full", _disk_full, _turned_away, ("database", "disk")),
)


def told_by(fault: Fault, private: Private) -> tuple[str, ...]:
    """The checks of which one has to tell it here."""
    if fault.name == "disk full" and private.disk.means == "limit":
        # The files of workers and HTTP may not grow; for the doctor there is room enough.
        return ()
    return fault.told_by


def why_not(fault: Fault, private: Private) -> str | None:
    """Why this cannot be broken here, if so."""
    if fault.name == "database cut" and private.proxy is None:
        return "SQLite is a file; nothing stands between"
    if fault.name == "database killed" and private.database is None:
        return "SQLite is a file" if private.proxy is None else "the given database's server is not the drill's"
    if fault.name == "database locked" and private.proxy is not None:
        return "PostgreSQL has no such lock"
    if fault.name == "disk full":
        if private.disk.means == "none":
            return "this system offers no means to fill a disk"
        if private.proxy is not None and (private.database is None or private.disk.means != "tmpfs"):
            return "the database's files are on no disk of the drill's own"
    return None
