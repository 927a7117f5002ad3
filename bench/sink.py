"""A mail server that counts: just enough ESMTP, in a process of its own. `python -m bench.sink`.

It prints its port, then one line a mail: the monotonic instant at which the mail was there in full, and its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

QUIET_SECONDS: Final = 45.0

_KEY = re.compile(rb"^X-Rapport-Key:\s*(\S+)", re.MULTILINE | re.IGNORECASE)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, one command at a time."""
    writer.write(b"220 sink.bench.example ESMTP\r\n")
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            verb = (await reader.readuntil(b"\r\n"))[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-sink.bench.example\r\n250-8BITMIME\r\n250 SIZE 10000000\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                _note(content)
                writer.write(b"250 2.0.0 counted\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 goodbye\r\n")
                break
            else:
                writer.write(b"250 2.0.0 ok\r\n")
    writer.close()


def _note(content: bytes) -> None:
    found = _KEY.search(content)
    sys.stdout.write(f"{time.monotonic()} {found[1].decode() if found else '-'}\n")
    sys.stdout.flush()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=1 << 24)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


class Stalled(Exception):  # noqa: N818 - what was measured, not a fault of the benchmark
    """The mails stopped coming before all were there."""


class Sink:
    """A running sink, and when each mail arrived at it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        """Read what the process says."""
        self.port = port
        self.process = process
        self.arrived: dict[str, float] = {}
        self.mails = 0
        self._changed = asyncio.Condition()

    async def listen(self) -> None:
        """Keep count, for as long as the sink runs."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            at, _, key = line.decode().strip().partition(" ")
            async with self._changed:
                self.mails += 1
                self.arrived.setdefault(key, float(at))
                self._changed.notify_all()

    def of(self, step: str, contracts: set[str]) -> list[float]:
        """When the mails of one step of these contracts arrived."""
        found = []
        for key, at in self.arrived.items():
            contract, its_step, *_ = key.split("/")
            if its_step == step and contract in contracts:
                found.append(at)
        return found

    async def reach(self, mails: int) -> None:
        """Wait until so many mails have arrived in all.

        Raises:
            Stalled: None arrived for `QUIET_SECONDS`.
        """
        while self.mails < mails:
            try:
                async with asyncio.timeout(QUIET_SECONDS), self._changed:
                    if self.mails < mails:
                        await self._changed.wait()
            except TimeoutError:
                raise Stalled(f"{self.mails} of {mails} mails arrived, and then none for {QUIET_SECONDS:g} s") from None


@asynccontextmanager
async def running() -> AsyncIterator[Sink]:
    """A sink in its own process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.sink", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    sink = Sink(process, int(await process.stdout.readline()))
    listening = asyncio.create_task(sink.listen())
    try:
        yield sink
    finally:
        process.terminate()
        await process.wait()
        await listening


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
