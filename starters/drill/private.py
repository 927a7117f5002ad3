"""The drill's private installation: the shape of a real one, each part a process of its own, all in one folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from rapport.model.base import Refused, UserError
from rapport.settings import Settings
from rapport.storage import access
from rapport.storage.database import Connection, Store
from rapport.storage.faults import DatabaseFault
from rapport.temporal import connect, missing_search_attributes
from starters.drill import postgres
from starters.drill.disk import KEPT_DATA, Disk
from starters.drill.parts import Part, listens
from starters.drill.postgres import Proxy
from starters.drill.relay import RELAY_USER, Conduct, DrillRelay
from starters.further_worker import environment
from starters.installation import Ports
from starters.stack import server_command, take_port

T = TypeVar("T")

AWAY: Final = (DatabaseFault, SQLAlchemyError, OSError)
"""How a database that is away for a moment shows."""

WORKERS: Final = 2
SWEEP_SECONDS: Final = 5
"""How often an installation that has a drill looks for what nobody works on."""

_DESK: Final = """
[desk]
zone = "UTC"
hours = { start = 00:00:00, end = 23:59:00, days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] }
"""
_RAPPORT: Final = "from starters.cli.main import run; run()"
_OURS: Final = ("RAPPORT_", "TEMPORAL_")


@dataclass(frozen=True)
class Commands:
    """What the parts are started with."""

    worker: tuple[str, ...] = (sys.executable, "-P", "-m", "worker")
    http: tuple[str, ...] = (sys.executable, "-P", "-m", "starters.http.serve")
    rapport: tuple[str, ...] = (sys.executable, "-P", "-c", _RAPPORT)


@dataclass
class Private:
    """The running installation.

    Attributes:
        store: Reads the database directly, whatever stands between it and the others.
        proxy: What stands between, where the database is a server.
        database: The database's own process, where the drill has started it.
    """

    folder: Path
    settings: Settings
    environment: dict[str, str]
    commands: Commands
    disk: Disk
    client: Client
    store: Store
    relay: DrillRelay
    token: str
    temporal: Part
    workers: tuple[Part, ...]
    http: Part
    post: Part
    proxy: Proxy | None = None
    database: Part | None = None
    said: list[str] = field(default_factory=list)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything that can be killed, in the order in which it is started."""
        first = (self.database,) if self.database is not None else ()
        return (*first, self.temporal, self.post, *self.workers, self.http)

    async def mend(self) -> None:
        """Bring back all that is broken."""
        self.disk.free()
        self.relay.behave()
        if self.proxy is not None:
            await self.proxy.mend()
        for part in self.parts:
            part.signal(signal.SIGCONT)
            await part.revive()
        if self.database is not None:
            # It may be there, and still see to what its death left behind.
            await self.database.answers()

    async def read(self, look: Callable[[Connection], Any]) -> Any:
        """Ask the database, which may be away for a moment: then nothing."""
        with contextlib.suppress(*AWAY):
            async with self.store.reading() as connection:
                return await look(connection)
        return None

    async def rapport(self, *words: str, seconds: float = 60) -> tuple[int, str]:
        """What a command says, and its exit code; nothing and -1 where it does not come to its end."""
        process = await asyncio.create_subprocess_exec(
            *(*self.commands.rapport, *words),
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
        )
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate()
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if not isinstance(error, TimeoutError):
                raise
            return -1, ""
        self.said.append(err.decode(errors="replace"))
        return process.returncode or 0, out.decode(errors="replace")


@asynccontextmanager
async def running(
    folder: Path, disk: Disk, commands: Commands, *, own_postgres: bool, database_url: str | None
) -> AsyncIterator[Private]:
    """Start every part, and end all of them.

    Args:
        folder: Takes all files but those of the data directory and the database, which are on the disk.
        own_postgres: Whether the database is a PostgreSQL server of the drill's own.
        database_url: Or else an empty PostgreSQL database that somebody gives.

    Raises:
        UserError: A part does not start, or the given database is not empty.
    """
    async with contextlib.AsyncExitStack() as stack:
        database, proxy, direct = await _database(folder, disk, own_postgres, database_url)
        if database is not None:
            stack.push_async_callback(database.end)
        if proxy is not None:
            stack.callback(proxy.cut)
        data = disk.path / KEPT_DATA.name
        data.mkdir(mode=0o700)
        (data / "support.toml").write_text(_DESK)
        settings = _settings(data, proxy, direct)
        ports = Ports(*(take_port(0, "--port") for _ in range(4)))
        metrics = take_port(0, "--port")
        address = f"127.0.0.1:{ports.temporal}"
        ours = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        ours |= environment(settings)
        if ours.pop("PYTHONDONTWRITEBYTECODE", None):
            # Parts start again and again; nothing is written beside the modules all the same.
            ours["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
        ours |= {"TEMPORAL_ADDRESS": address}
        http_port = urlsplit(settings.public_url).port
        smtp_port = urlsplit(settings.smtp_url.get_secret_value()).port
        assert http_port is not None
        assert smtp_port is not None
        relay = DrillRelay(folder / "relay")
        relay_command = (sys.executable, "-P", "-m", "starters.drill.relay", str(smtp_port), str(relay.folder))
        temporal = Part(
            "Temporal",
            tuple(server_command(folder, ports, metrics)),
            folder / "temporal.log",
            lambda: _temporal_answers(address),
        )
        post = Part("the relay", relay_command, folder / "relay.log", lambda: listens(smtp_port), environment=ours)
        workers = tuple(_worker(commands, folder, number, ours) for number in range(1, WORKERS + 1))
        http = Part(
            "HTTP",
            (*commands.http, "--port", str(http_port)),
            folder / "http.log",
            lambda: _http_answers(settings.public_url),
            environment=ours,
        )
        for part in (temporal, post, *workers, http):
            stack.push_async_callback(part.end)
        await temporal.start()
        await post.start()
        store = Store(direct or settings.database)
        stack.push_async_callback(store.close)
        token = secrets.token_urlsafe(24)
        private = Private(
            *(folder, settings, ours, commands, disk, await connect(address), store, relay, token),
            *(temporal, workers, http, post, proxy, database),
        )
        await _set_up(private)
        async with store.writing() as connection:
            await access.create_token(connection, "drill", ("operator",), datetime.now(UTC), secret=token)
        await asyncio.gather(*(part.start() for part in (*workers, http)))
        yield private


async def _database(
    folder: Path, disk: Disk, own: bool, given: str | None
) -> tuple[Part | None, Proxy | None, str | None]:
    """The database's process, the proxy before it, and its own address; nothing of it where it is a file."""
    if given is not None:
        await refuse_unless_empty(given)
        proxy = Proxy(where_it_listens(given), take_port(0, "--port"))
        await proxy.mend()
        return None, proxy, given
    if not own:
        return None, None, None
    where = disk.path / "postgres"
    server = await postgres.make(postgres.programs(), where, folder / "postgres.log")
    proxy = Proxy(where / ".s.PGSQL.5432", take_port(0, "--port"))
    await proxy.mend()
    return server, proxy, f"postgresql+asyncpg://{postgres.DATABASE_USER}@/{postgres.DATABASE_USER}?host={where}"


def where_it_listens(address: str) -> Path | tuple[str, int]:
    """Where a database's server listens: a socket of this machine, or a host and its port."""
    url = make_url(address)
    host, port = url.host or url.query.get("host", "127.0.0.1"), url.port or 5432
    assert isinstance(host, str)
    return Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else (host, port)


async def refuse_unless_empty(url: str) -> None:
    """Leave databases alone that something is in.

    Raises:
        UserError: This one is no PostgreSQL database, does not answer, or is not empty.
    """
    if not url.startswith("postgresql+asyncpg:"):
        fix = "write it as postgresql+asyncpg://user:password@host/name, or leave it out for SQLite"
        raise UserError("is not the address of a PostgreSQL database", field="--database-url", fix=fix)
    store = Store(url)
    query = text(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    try:
        async with store.reading() as connection:
            tables = await connection.scalar(query)
    except AWAY:
        fix = "see that it runs, and that the address names it"
        raise UserError("does not answer", field="--database-url", fix=fix, kind=Refused.UNREACHABLE) from None
    finally:
        await store.close()
    if tables:
        fix = "give an empty one: a drill breaks what it works on; --postgres starts a server for it"
        raise UserError("is not empty", field="--database-url", fix=fix, kind=Refused.CONFLICT)


def _settings(data: Path, proxy: Proxy | None, direct: str | None) -> Settings:
    given: dict[str, Any] = {
        "data": data,
        "secret": SecretStr(secrets.token_urlsafe(32)),
        "public_url": f"http://127.0.0.1:{take_port(0, '--port')}",
        "smtp_url": SecretStr(f"smtp://{RELAY_USER}:{Conduct().password}@127.0.0.1:{take_port(0, '--port')}"),
        "mail_from": "onboarding@foobar.example",
        "mail_mode": "live",
        # What is drilled is the product, not the hour.
        "quiet_hours": "ignore",
        "log_level": "INFO",
        "sweep_seconds": SWEEP_SECONDS,
    }
    if proxy is not None and direct is not None:
        url = make_url(direct)
        reached = url.set(host="127.0.0.1", port=proxy.port, query={k: v for k, v in url.query.items() if k != "host"})
        given["database_url"] = SecretStr(reached.render_as_string(hide_password=False))
    # Nothing of whoever runs the drill.
    return Settings.model_construct(**{name: field.default for name, field in Settings.model_fields.items()} | given)


def _worker(commands: Commands, folder: Path, number: int, ours: dict[str, str]) -> Part:
    log = folder / f"worker-{number}.log"
    seen = 0

    async def ready() -> bool:
        # It writes that it is ready once more each time that it starts.
        nonlocal seen
        found = log.read_text(errors="replace").count("worker is ready")
        is_new, seen = found > seen, max(seen, found)
        return is_new

    return Part(f"worker {number}", commands.worker, log, ready, environment=ours)


async def _set_up(private: Private) -> None:
    """`rapport setup`, as on real machines. A server that runs learns of new search attributes only when it starts."""
    for _ in range(2):
        code, _ = await private.rapport("setup", "--json")
        await private.temporal.kill()
        await private.temporal.start()
        if code == 0:
            return
    raise UserError(f"`rapport setup` failed: {private.said[-1].strip()[-300:]}", kind=Refused.UNREACHABLE)


async def _temporal_answers(address: str) -> bool:
    try:
        await missing_search_attributes(await connect(address))
    except (UserError, RPCError):
        return False
    return True


async def _http_answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{url}/healthz", timeout=2)).is_success
    except httpx.HTTPError:
        return False
