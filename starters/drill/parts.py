"""The drill's processes: each can be killed alone, and all of them end with the drill, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rapport.model.base import Refusal, Refused

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0

# Set in the process itself, before it becomes the part: a `preexec_fn` may hang where other threads run, as
# Temporal's client has them. Linux alone can do it; elsewhere a drill that is killed leaves its parts behind.
_ENDS_WITH_PARENT: Final = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(sys.argv[2]))
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execvp(sys.argv[3], sys.argv[3:])
"""


@dataclass
class Part:
    """One process of the drill's stack.

    Attributes:
        ready: Whether it answers; asked again and again until it does.
        user: Whose it is, where it must not be root's.
        mercy: The signal that ends it when the drill dies.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    user: str | None = None
    mercy: int = signal.SIGKILL
    process: asyncio.subprocess.Process | None = None

    @property
    def runs(self) -> bool:
        """Whether it is there, stopped or not."""
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            Refusal: It does not.
        """
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _ENDS_WITH_PARENT, str(os.getpid()), str(int(self.mercy))),
                *self.command,
                env=dict(self.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches the drill alone, which ends its parts in their order.
                start_new_session=True,
                user=self.user,
                cwd="/",
            )
        until = time.monotonic() + START_SECONDS
        while not await self.ready():
            if not self.runs or time.monotonic() > until:
                tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
                said = f": {tail[0][:300]}" if tail else ""
                raise Refusal(f"{self.name} did not start{said}", fix=f"see {self.log}", kind=Refused.UNREACHABLE)
            await asyncio.sleep(0.1)

    async def revive(self) -> None:
        """Start it unless it runs."""
        if not self.runs:
            await self.start()

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to stop; it is killed if it does not."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if self.process is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self.process.wait()
        await self._end(signal.SIGKILL)

    async def _end(self, number: int) -> None:
        self.signal(number)
        if self.process is not None:
            await self.process.wait()

    def signal(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


async def listens(port: int) -> bool:
    """Whether something takes connections on this port of the loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
