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

from rapport.model.base import Refused, UserError

PART_START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0

# In the process itself, before it becomes the part: a `preexec_fn` may hang where other threads run, as Temporal's
# client has them, and the part's user may not be allowed to run this Python. Linux alone can end a process with its
# parent; elsewhere a drill that is killed leaves its parts behind.
_BECOME: Final = """
import ctypes, os, pwd, sys
parent, number, user = sys.argv[1:4]
if user:
    known = pwd.getpwnam(user)
    os.initgroups(user, known.pw_gid)
    os.setgid(known.pw_gid)
    os.setuid(known.pw_uid)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(number))
    if os.getppid() != int(parent):
        sys.exit(1)
os.execvp(sys.argv[4], sys.argv[4:])
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
            UserError: It does not.
        """
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), str(int(self.mercy)), self.user or ""),
                *self.command,
                env=dict(self.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches the drill alone, which ends its parts in their order.
                start_new_session=True,
                cwd="/",
            )
        await self.answers()

    async def answers(self) -> None:
        """Wait until it answers. Raises as `start`."""
        until = time.monotonic() + PART_START_SECONDS
        while not await self.ready():
            if not self.runs or time.monotonic() > until:
                tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
                said = f": {tail[0][:300]}" if tail else ""
                raise UserError(f"{self.name} did not start{said}", fix=f"see {self.log}", kind=Refused.UNREACHABLE)
            await asyncio.sleep(0.1)

    async def revive(self) -> None:
        """Start it unless it runs."""
        if not self.runs:
            await self.start()

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            await self.process.wait()

    async def end(self) -> None:
        """End it as it would end with the drill."""
        self.signal(signal.SIGCONT)
        self.signal(self.mercy)
        if self.process is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self.process.wait()
        await self.kill()

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
