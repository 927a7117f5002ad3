"""A further worker process beside an embedded stack: one Python process does one thing at a time, a machine does more.

It is `worker.py` in a process of its own, with the stack's settings. The stack does without it as well, only slower.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from pydantic import SecretStr

import worker
from rapport.settings import Settings, read_settings
from starters.logs import rotating

_STOP_SECONDS: Final = 45.0
"""Somewhat longer than a worker lets what is under way come to its end."""

_AT_ONCE: Final = 1.0
_LASTS: Final = 60.0
"""How many seconds one has to run for its end to be an accident; one that ends sooner ends for a reason that stays."""

_logger: Final = logging.getLogger("rapport")


@dataclass
class FurtherWorker:
    """A worker in a process of its own, which another takes the place of whenever it ends.

    Attributes:
        process: The one that runs now, or ran last.
    """

    process: Process
    _begin: Callable[[], Awaitable[Process]]
    _log: Path

    async def keep(self) -> None:
        """Start it again each time that it ends, at once or, where it does not last, less and less often."""
        pause = _AT_ONCE
        while True:
            began = monotonic()
            code = await self.process.wait()
            pause = _AT_ONCE if monotonic() - began > _LASTS else min(2 * pause, _LASTS)
            _logger.warning(
                "a further worker ended with %s; another starts in %d s, and the others do its work: see %s",
                *(code, pause, self._log),
            )
            await asyncio.sleep(pause)
            self.process = await self._begin()


@asynccontextmanager
async def further_worker(settings: Settings, temporal: str, log: Path) -> AsyncIterator[FurtherWorker]:
    """Keep a worker running in a process of its own.

    Args:
        settings: Those of the stack.
        temporal: Where Temporal answers.
        log: Takes what it has to say.
    """
    with rotating(log) as said:

        async def begin() -> Process:
            return await asyncio.create_subprocess_exec(
                # Not from the current directory, where somebody else's module may have the same name.
                *(sys.executable, "-P", "-m", __name__),
                env={**os.environ, **_handed_on(settings), "TEMPORAL_ADDRESS": temporal},
                stdin=PIPE,
                stdout=said,
                stderr=said,
                # Its own session: Ctrl-C reaches the stack alone, which stops its parts in their order.
                start_new_session=True,
            )

        kept = FurtherWorker(await begin(), begin, log)
        keeping = asyncio.create_task(kept.keep())
        try:
            yield kept
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            await _end(kept.process)


def _handed_on(settings: Settings) -> Mapping[str, str]:
    """The variables without which it would not have the stack's settings.

    What it reads in the same `rapport.toml` it reads there, so that it can say where a wrong setting is.
    """
    data = variable("data")
    read = environment(read_settings(settings.data))
    return {name: value for name, value in environment(settings).items() if name == data or read.get(name) != value}


def environment(settings: Settings) -> Mapping[str, str]:
    """The settings as the variables that they are read from."""
    return {variable(name): _text(value) for name, value in settings if value is not None}


def variable(name: str) -> str:
    """The variable that a setting is read from."""
    return str(Settings.model_fields[name].validation_alias or f"RAPPORT_{name.upper()}")


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.absolute())
    return value if isinstance(value, str) else json.dumps(value)


async def _end(process: Process) -> None:
    """Have it let what is under way come to its end; what a killed one was at, Temporal gives to another."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _stop_at_end_of_input() -> None:
    """The stack holds the other end, and lets go of it however it ends: also when it is killed."""
    sys.stdin.buffer.read()
    signal.raise_signal(signal.SIGTERM)


def main() -> None:
    """Run one until the stack lets go of it."""
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    worker.main()


if __name__ == "__main__":
    main()
