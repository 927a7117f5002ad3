"""A PostgreSQL server of a test run's own: `pytest --postgres` runs on it what runs on SQLite otherwise."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from rapport.storage.database import Store

USER = "rapport"
_DEBIAN = Path("/usr/lib/postgresql")
# Nothing here has to outlive the machine.
_HASTY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=", "max_connections=200")


def programs() -> Path | None:
    """Where a server's programs are; nowhere, if there is none on this machine."""
    found = shutil.which("postgres")
    there = [Path(found).resolve().parent] if found else []
    there += sorted(_DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((path for path in there if (path / "initdb").exists()), None)


class Postgres:
    """A server that listens in a folder of its own, and nowhere else unless it asks for a password."""

    def __init__(self, where: Path, password: str | None = None, port: int = 5432) -> None:
        """Make its files and start it.

        Args:
            where: The folder of the server's programs.
            password: What it asks for; by default it trusts whoever gets into its folder.
            port: Where on the loopback it listens, if it asks for a password.
        """
        self._where = where
        self._password = password
        self._port = port
        self._folder = Path(tempfile.mkdtemp(prefix="rapport-postgres-"))
        # It refuses to run as root; Debian's package brings a user for it.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        self._numbers = count(1)
        self._templates: set[str] = set()
        # It orders texts as people do, unlike SQLite, which goes by their bytes: nothing of ours may rely on either.
        language = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        self._run("initdb", "-D", self._data, "-U", USER, *self._asking(), "-E", "UTF8", *language, "--no-sync")
        settings = [word for setting in _HASTY for word in ("-c", setting)]
        if password is not None:
            settings += ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"]
        self._server = subprocess.Popen(
            [where / "postgres", "-D", self._data, "-k", self._folder, *settings],
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 30
        while subprocess.run([where / "pg_isready", "-q", "-h", self._folder, "-p", str(port)], check=False).returncode:
            if time.monotonic() > until or self._server.poll() is not None:
                self.stop()
                raise RuntimeError("PostgreSQL does not start")
            time.sleep(0.05)

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """A database of one test's own: its address; it is gone afterwards."""
        name = f"test_{next(self._numbers)}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.address(name)
        finally:
            self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    def template(self, name: str, fill: Callable[[Store], Awaitable[None]], like: str = "template0") -> str:
        """The name of a database to copy, which is made when it is first asked for."""
        if name not in self._templates:
            self._sql(f"CREATE DATABASE {name} TEMPLATE {like}")

            _fill(self.address(name), fill)
            self._templates.add(name)
        return name

    def address(self, name: str) -> str:
        """SQLAlchemy's address of a database, without the password if there is one."""
        if self._password is not None:
            return f"postgresql+asyncpg://{USER}@127.0.0.1:{self._port}/{name}"
        return f"postgresql+asyncpg://{USER}@/{name}?host={self._folder}"

    def stop(self) -> None:
        """Stop it, and leave nothing behind."""
        self._server.terminate()
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self._folder)

    def _asking(self) -> tuple[str | Path, ...]:
        if self._password is None:
            return "-A", "trust"
        file = self._folder / "password"
        file.write_text(self._password)
        return "-A", "scram-sha-256", "--pwfile", file

    def _sql(self, statement: str) -> None:
        self._run("psql", "-q", "-h", self._folder, "-U", USER, "-d", "postgres", "-c", statement)

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._where / program, *arguments],
            user=self._user,
            cwd=self._folder,
            env={**os.environ, "PGPASSWORD": self._password or "", "PGPORT": str(self._port)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


class _Run:
    """What this process has started, and whether everything is to run on it."""

    everywhere = False
    server: Postgres | None = None


def everywhere(wanted: bool) -> None:
    """Say whether tests that do not ask for PostgreSQL get it all the same."""
    _Run.everywhere = wanted


def is_everywhere() -> bool:
    """Whether they do."""
    return _Run.everywhere


def insisted() -> Path:
    """Where a server's programs are; without them the test is skipped, or fails."""
    where = programs()
    if where is None:
        why = "there is no PostgreSQL server; CONTRIBUTING.md says how to have it"
        if os.environ.get("RAPPORT_POSTGRES_TESTS") == "required":
            pytest.fail(why)
        pytest.skip(why)
    return where


def server() -> Postgres:
    """This process's server, started when it is first asked for."""
    if _Run.server is None:
        _Run.server = Postgres(insisted())
    return _Run.server


def stop() -> None:
    """Stop what was started."""
    if _Run.server is not None:
        _Run.server.stop()
        _Run.server = None


def _fill(address: str, fill: Callable[[Store], Awaitable[None]]) -> None:
    """Write to a database, also from within an event loop."""

    async def made() -> None:
        store = Store(address)
        await fill(store)
        await store.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, made()).result()


@cache
def tables() -> Path:
    """A database file with the tables and nothing in them, made by the migrations once a process; copy it."""
    folder = Path(tempfile.mkdtemp(prefix="rapport-tables-"))
    atexit.register(shutil.rmtree, folder)
    path = folder / "tables" / "rapport.db"
    path.parent.mkdir()
    _fill(f"sqlite:///{path}", Store.migrate)
    return path


@contextmanager
def own_database(
    path: Path, like: Path | None = None, fill: Callable[[Store], Awaitable[None]] = Store.migrate
) -> Iterator[str]:
    """The address of a test's own database: a file, or with `--postgres` one on the server.

    Args:
        path: Where the file is to be.
        like: The file that it is a copy of; without it there are no tables yet.
        fill: What was written to that file.
    """
    if not _Run.everywhere:
        if like is not None:
            shutil.copy(like, path)
        yield f"sqlite:///{path}"
        return
    running = server()
    template = "template0" if like is None else running.template(like.parent.name.rstrip("0123456789"), fill)
    with running.database(template) as address:
        yield address
