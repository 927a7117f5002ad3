"""The time that an activity goes by, and its sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from temporalio import activity

from rapport import clock

BEAT_SECONDS = 2.0


def now() -> datetime:
    """The present, in UTC; on the time-skipping server the present of that server.

    Local activities do not carry the server's time: they are handed `now` by their workflow.
    """
    if clock.is_set():
        return clock.present()
    return max(clock.present(), activity.info().current_attempt_scheduled_time)


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Show the server every `BEAT_SECONDS` that this attempt is alive, so that a dead worker is noticed soon."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
