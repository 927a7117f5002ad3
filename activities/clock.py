"""The time that an activity goes by, and its sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from temporalio import activity

from rapport import clock

CLOCK_SECONDS = 2.0

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_KNOWN: Final[ContextVar[datetime]] = ContextVar("known", default=_LONG_AGO)


def now() -> datetime:
    """The present, in UTC; on the time-skipping server the present of that server.

    Local activities do not carry the server's time: they are handed `now` by their workflow, see `asked_at`.
    """
    if clock.is_set():
        return clock.present()
    return max(clock.present(), activity.info().current_attempt_scheduled_time, _KNOWN.get())


@asynccontextmanager
async def asked_at(instant: datetime) -> AsyncIterator[None]:
    """Do what a workflow asked for at this instant: `now()` is no earlier for all that is done within, and it shows
    that it is alive, as `heartbeats`."""
    before = _KNOWN.set(instant)
    try:
        async with heartbeats():
            yield
    finally:
        _KNOWN.reset(before)


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Show the server every `BEAT_SECONDS` that this attempt is alive, so that a dead worker is noticed soon.

    A local activity is part of its workflow task, of which the SDK itself shows that.
    """
    if activity.info().is_local:
        yield
        return

    async def beat() -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
