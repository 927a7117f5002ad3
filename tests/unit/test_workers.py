"""The workers of one process, as one."""

from __future__ import annotations

import asyncio
from typing import cast

from temporalio.worker import Worker

from tests.conftest import LIMIT
from worker import Workers


class Slow:
    """A worker that ends only together with the others."""

    def __init__(self, together: asyncio.Barrier) -> None:
        """It runs."""
        self.together, self.ended = together, False

    async def __aenter__(self) -> None:
        """Begin."""

    async def __aexit__(self, *why: object) -> None:
        """End, as the SDK's own does."""
        await self.shutdown()

    async def shutdown(self) -> None:
        """Wait for what is under way. Safe to repeat."""
        if not self.ended:
            async with asyncio.timeout(LIMIT):
                await self.together.wait()
            self.ended = True


async def test_they_are_told_to_end_at_the_same_time() -> None:
    """A process that has to stop takes the grace of one worker, however many it runs: Docker waits no longer."""
    together = asyncio.Barrier(2)
    slow = (Slow(together), Slow(together))
    async with Workers(cast("tuple[Worker, ...]", slow)):
        pass
    assert all(one.ended for one in slow)
