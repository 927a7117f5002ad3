"""A PostgreSQL server of the drill's own, and the proxy through which a database is reached and cut off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from rapport.model.base import Refused, UserError
from starters.drill.parts import Part

DATABASE_USER: Final = "rapport"
_DEBIAN: Final = Path("/usr/lib/postgresql")
# A killed process loses nothing without fsync, a power cut would; small segments meet a full disk soon.
_SETTINGS: Final = ("fsync=off", "listen_addresses=", "max_wal_size=32MB", "min_wal_size=2MB", "max_connections=100")


def programs() -> Path:
    """Where a server's programs are.

    Raises:
        UserError: Nowhere on this machine.
    """
    found = shutil.which("postgres")
    there = [Path(found).resolve().parent] if found else []
    there += sorted(_DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    where = next((path for path in there if (path / "initdb").exists()), None)
    if where is None:
        raise UserError(
            "there is no PostgreSQL server on this machine",
            field="--postgres",
            fix="install one (on Debian: postgresql), or leave --postgres out",
            kind=Refused.UNREACHABLE,
        )
    return where


async def make(where: Path, folder: Path, log: Path) -> Part:
    """A server with its files in a folder, and one empty database; it listens on a socket there, and nowhere else.

    Args:
        where: The server's programs.
    """
    # It refuses to run as root; Debian's package brings a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    _own(folder, user)
    data = folder / "data"
    made = await asyncio.create_subprocess_exec(
        *(where / "initdb", "-D", data, "-U", DATABASE_USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"),
        "--wal-segsize=1",
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, error = await made.communicate()
    if made.returncode:
        raise UserError(f"initdb: {error.decode().strip()[:300]}", field="--postgres", kind=Refused.UNREACHABLE)

    async def ready() -> bool:
        asked = await asyncio.create_subprocess_exec(where / "pg_isready", "-q", "-h", folder, cwd="/")
        return await asked.wait() == 0

    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = (str(where / "postgres"), "-D", str(data), "-k", str(folder), *settings)
    # With SIGQUIT it ends at once, and its children with it, as after a crash.
    part = Part("the database", command, log, ready, user=user, mercy=signal.SIGQUIT)
    await part.start()
    created = await asyncio.create_subprocess_exec(
        where / "createdb", "-h", folder, "-U", DATABASE_USER, DATABASE_USER, cwd="/"
    )
    if await created.wait():
        raise UserError("createdb failed", field="--postgres", kind=Refused.UNREACHABLE)
    return part


def _own(folder: Path, user: str | None) -> None:
    folder.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(folder, user)


class Proxy:
    """Passes connections on to a server, until it is cut."""

    def __init__(self, target: Path | tuple[str, int], port: int) -> None:
        """Listen nowhere yet.

        Args:
            target: A socket's path, or a host and its port.
            port: Where to listen, on the loopback.
        """
        self._target = target
        self.port = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        """Pass connections on."""
        if self._server is None:
            self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)

    def cut(self) -> None:
        """Break all connections, and take no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self._target, Path):
                further, back = await asyncio.open_unix_connection(str(self._target))
            else:
                further, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        both = {writer, back}
        self._open |= both
        try:
            await asyncio.gather(_pump(reader, back), _pump(further, writer))
        finally:
            self._open -= both


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(1 << 16):
            writer.write(some)
            await writer.drain()
    writer.close()
