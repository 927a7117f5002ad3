"""Waiting for people and instants."""

from __future__ import annotations

import asyncio
from datetime import datetime

from temporalio import workflow


class Alarm:
    """Wakes `run` at an instant.

    It is set again only when the instant changes. A superseded timer is left to ring unheard: cancelling and
    starting timers at each wake-up costs history, and has hung the time-skipping server.
    """

    def __init__(self) -> None:
        """An alarm that is not set."""
        self._at: datetime | None = None
        self._sleeping: dict[datetime, asyncio.Task[None]] = {}

    def set(self, at: datetime | None, summary: str) -> None:
        """Ring at this instant, or not at all.

        Args:
            summary: What it is for, as Temporal's UI shows it beside the timer.
        """
        self._at = at
        if at is not None and at > workflow.now() and at not in self._sleeping:
            self._sleeping[at] = asyncio.create_task(self._sleep(at, summary))

    @property
    def rings(self) -> bool:
        """Whether the instant has come."""
        return self._at is not None and self._at <= workflow.now()

    async def _sleep(self, at: datetime, summary: str) -> None:
        await workflow.sleep(at - workflow.now(), summary=summary)
        del self._sleeping[at]
