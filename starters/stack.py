"""The embedded stack: Temporal's dev server, the worker, HTTP and a mail catcher, in one command and one directory."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import uvicorn
from filelock import FileLock, Timeout
from google.protobuf.duration_pb2 import Duration
from pydantic import SecretStr
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from rapport.mail.catcher import Catcher
from rapport.model.base import Refused, UserError
from rapport.rules.wording import amount
from rapport.schedules import register_schedules
from rapport.settings import EMBEDDED_TEMPORAL, Settings
from rapport.storage import access
from rapport.storage.database import Store, opened
from rapport.temporal import connect, missing_search_attributes, register_search_attributes
from starters.further_worker import further_worker
from starters.http.app import create_app
from starters.http.serve import listening
from starters.installation import STACK_FILE, Addresses, Ports, settings_of
from starters.logs import PatientHandler, rotating
from starters.programs import find
from starters.secrets import kept, make_private, private, write_private
from starters.services import Services
from starters.use_cases import desk, support_case
from starters.use_cases.token import OWNER
from worker import Parts, build, freeze_what_is_loaded

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
RETENTION: Final = timedelta(days=90)

# Measured settings, worth 3.5 times a bare server: see bench/README.md.
_PRAGMAS: Final = ("journal_mode=wal", "synchronous=normal")
_DURABLE_PRAGMAS: Final = ("journal_mode=wal", "synchronous=full")
DYNAMIC: Final = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    # By itself a dev server reads from its file which search attributes there are each time that one is named.
    "system.forceSearchAttributesCacheRefreshOnRead=false",
)
_PR_SET_PDEATHSIG: Final = 1
_ANY_PORT: Final = iter(random.sample(range(20_000, 32_000), 12_000))
"""Below those that the system gives to outgoing connections, which could take a free one before its server does."""


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    addresses: Addresses
    services: Services
    stopped: asyncio.Event


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Keep others from starting a server on the same file: two of them would take each other's work.

    Raises:
        UserError: Someone holds it already.
    """
    try:
        held = FileLock(path, blocking=False).acquire()
    except Timeout:
        raise UserError(
            f"another rapport runs in {path.parent}",
            field="--data",
            fix="stop it first, or choose another directory with --data",
            kind=Refused.CONFLICT,
        ) from None
    with held:
        yield


def take_port(port: int, option: str) -> int:
    """A port that is free at this moment; for 0 any, and each time another.

    Raises:
        UserError: It is taken; the refusal names the option that changes it.
    """
    for candidate in _ANY_PORT if port == 0 else (port,):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, candidate))
                return candidate
    raise UserError(
        f"port {port} is taken" if port else "no port is free",
        field=option,
        fix=f"choose another with {option} N, or {option} 0 for any free one",
        kind=Refused.CONFLICT,
    )


def take_ports(wanted: Ports) -> Ports:
    """Ports that are free at this moment, all different."""
    return Ports(
        http=take_port(wanted.http, "--http-port"),
        temporal=take_port(wanted.temporal, "--temporal-port"),
        ui=take_port(wanted.ui, "--ui-port"),
        smtp=take_port(wanted.smtp, "--smtp-port"),
    )


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, so that a killed stack leaves no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@asynccontextmanager
async def temporal_server(
    data: Path, ports: Ports, metrics_port: int, *, durable: bool = False
) -> AsyncIterator[Client]:
    """Run the real Temporal dev server on a file of the data directory.

    Args:
        durable: Write through to the disk at each commit; a power cut then loses nothing, and it costs a quarter.

    Raises:
        UserError: Another server uses the file, or this one does not start.
    """
    command = server_command(data, ports, metrics_port, durable=durable)
    with hold(data / "temporal.db.lock"), rotating(data / "temporal.log") as log:
        server = _spawn(command, log)
        try:
            client = await _connect(server, f"{HOST}:{ports.temporal}", data / "temporal.log")
            if await _prepare(client):
                # A server that runs may know of new search attributes a minute later; one that starts does at once.
                await _end(server)
                server = _spawn(command, log)
                client = await _connect(server, f"{HOST}:{ports.temporal}", data / "temporal.log")
            yield client
        finally:
            await _end(server)


def server_command(data: Path, ports: Ports, metrics_port: int, *, durable: bool = False) -> list[str]:
    """What starts Temporal's dev server on a file of the data directory."""
    command = [find("temporal"), "server", "start-dev", "--ip", HOST, "--ui-ip", HOST]
    command += ["--port", str(ports.temporal), "--ui-port", str(ports.ui)]
    command += ["--http-port", str(take_port(0, "--temporal-port")), "--metrics-port", str(metrics_port)]
    command += ["--db-filename", str(data / EMBEDDED_TEMPORAL), "--log-level", "error"]
    for pragma in _DURABLE_PRAGMAS if durable else _PRAGMAS:
        command += ["--sqlite-pragma", pragma]
    for value in DYNAMIC:
        command += ["--dynamic-config-value", value]
    return command


def _spawn(command: list[str], log: int) -> subprocess.Popen[bytes]:
    # Its own session: Ctrl-C reaches this process alone, which stops the parts in their order.
    return subprocess.Popen(  # noqa: S603 - our own binary and arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, in a process with one thread by then
    )


async def _connect(server: subprocess.Popen[bytes], address: str, log: Path) -> Client:
    """Wait until the server answers."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while server.poll() is None:
                try:
                    client = await connect(address)
                    await missing_search_attributes(client)
                except (UserError, RPCError):
                    await asyncio.sleep(0.1)
                else:
                    return client
    raise UserError("Temporal's server did not start", fix=f"see {log}", kind=Refused.UNREACHABLE)


async def _prepare(client: Client) -> bool:
    """Keep histories for long enough to look back on, and make workflows findable; whether they were not yet."""
    retention = Duration()
    retention.FromTimedelta(RETENTION)
    await client.workflow_service.update_namespace(
        UpdateNamespaceRequest(
            namespace=client.namespace, config=NamespaceConfig(workflow_execution_retention_ttl=retention)
        )
    )
    return await register_search_attributes(client)


async def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; a server that does not is killed, and its file is safe."""
    if server.poll() is None:
        server.terminate()
        try:
            await asyncio.to_thread(server.wait, 15)
        except subprocess.TimeoutExpired:
            server.kill()
            await asyncio.to_thread(server.wait)


class _Http(uvicorn.Server):
    """Uvicorn that leaves signals to the stack."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


@asynccontextmanager
async def http_server(services: Services, catcher: Catcher | None, port: int) -> AsyncIterator[asyncio.Task[None]]:
    """Serve HTTP on the loopback."""
    app = create_app(services, catcher)
    server = _Http(listening(app, HOST, port, log_config=None, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                serving.result()
            await asyncio.sleep(0.02)
        yield serving
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def running(
    data: Path,
    wanted: Ports,
    *,
    workers: int = 1,
    durable: bool = False,
    sender: str | None = None,
    quiet_hours: bool = True,
    tell: Callable[[str], object] = lambda _: None,
) -> AsyncIterator[Stack]:
    """Start every part, and stop them in order: HTTP, workers, catcher, Temporal.

    Args:
        tell: Is told what is being done next, in words, as each of it may take a slow machine half a minute.
        workers: How many; the first runs in this process, each further one in its own.
        sender: The mailbox that mails come from, unless the settings name one.
        quiet_hours: Whether mails wait for their readers' working time, unless the settings say so themselves.

    Raises:
        UserError: A port is taken, the directory is in use or others can read it, or a part does not start.
    """
    make_private(data)
    async with contextlib.AsyncExitStack() as parts:
        parts.enter_context(private())
        _log_to(data / "rapport.log")
        # First of all: with a database that is none, or of another version, nothing begins and nothing is left behind.
        async with opened(settings_of(data, beside_stack=False).database) as store:
            await store.insist_migratable()
        kept(data / "secret")
        settings = settings_of(data, beside_stack=False)
        ports, metrics = take_ports(wanted), take_port(0, "--temporal-port")
        own_relay = "smtp_url" in settings.model_fields_set
        settings = _embedded(settings, ports, sender, quiet_hours=quiet_hours)
        first = " for the first time" if not (data / EMBEDDED_TEMPORAL).exists() else ""
        tell(f"Starting Temporal{first} …")
        client = await parts.enter_async_context(temporal_server(data, ports, metrics, durable=durable))
        (data / STACK_FILE).unlink(missing_ok=True)
        catcher = Catcher(settings.caught)
        await catcher.start(HOST, ports.smtp)
        parts.push_async_callback(catcher.stop)
        tell("Bringing the database up to date …")
        # Before there is a worker: that has to run before it can be put away.
        async with opened(settings.database) as store:
            await store.migrate()
        tell(f"Starting {amount(workers, 'worker')} …")
        built = await parts.enter_async_context(build(client, settings))
        await built.note_rules()
        await register_schedules(client, settings.task_queue, settings.sweep_seconds)
        await _owner_token(built.store, data / "token")
        working = asyncio.create_task(built.worker.run())
        parts.push_async_callback(_finish, working, built)
        for _ in range(workers - 1):
            log = data / "worker.log"
            await parts.enter_async_context(further_worker(settings, f"{HOST}:{ports.temporal}", log))
        await desk.start(client, settings.task_queue)
        services = Services(settings, built.store, client)
        await support_case.start_pending(services)
        tell("Starting the pages and the API …")
        serving = await parts.enter_async_context(http_server(services, catcher, ports.http))
        freeze_what_is_loaded()
        addresses = Addresses(
            data=str(data),
            temporal=f"{HOST}:{ports.temporal}",
            ui=f"http://{HOST}:{ports.ui}",
            http=settings.public_url,
            smtp=f"{HOST}:{ports.smtp}",
            metrics=f"http://{HOST}:{metrics}/metrics",
            mail_mode=settings.mail_mode,
            quiet_hours=settings.quiet_hours,
            workers=workers,
            relay=urlsplit(settings.relay).netloc.rpartition("@")[2] if own_relay else None,
        )
        write_private(data / STACK_FILE, addresses.model_dump_json(indent=2))
        stopped = asyncio.Event()
        for task in (working, serving):
            task.add_done_callback(lambda _: stopped.set())
        yield Stack(addresses, services, stopped)


def _log_to(path: Path) -> None:
    """Send warnings to a file of the data directory: the terminal belongs to people, and stdout to `--json`."""
    handler = PatientHandler(path, maxBytes=5_000_000, backupCount=2, delay=True)
    logging.basicConfig(
        level="WARNING", handlers=[handler], format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )


async def _finish(working: asyncio.Task[None], built: Parts) -> None:
    """Let the worker finish what it is at."""
    if not working.done():
        await built.worker.shutdown()
    await working


def _embedded(settings: Settings, ports: Ports, sender: str | None, *, quiet_hours: bool = True) -> Settings:
    """The settings of an embedded stack. Mail goes to the catcher, unless a relay of one's own is set."""
    said = settings.model_fields_set
    update: dict[str, object] = {}
    if sender is not None and "mail_from" not in said:
        update["mail_from"] = sender
    if not quiet_hours and "quiet_hours" not in said:
        update["quiet_hours"] = "ignore"
    if "public_url" not in said:
        update["public_url"] = f"http://{HOST}:{ports.http}"
    if "smtp_url" not in said:
        update["smtp_url"] = SecretStr(f"smtp://{HOST}:{ports.smtp}")
        if "mail_mode" not in said:
            update["mail_mode"] = "live"
    return settings.model_copy(update=update)


async def _owner_token(store: Store, path: Path) -> None:
    """The owner's bearer token, made at the first start and kept in a file that the owner alone can read."""
    secret = kept(path)
    async with store.writing() as connection:
        if await access.find_token(connection, secret) is None:
            await access.create_token(connection, OWNER, ("operator",), datetime.now(UTC), secret=secret)


def signals() -> asyncio.Event:
    """An event that Ctrl-C and SIGTERM set."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asked
