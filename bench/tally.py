"""Counts what the floor's workflows reach, inside the worker's process, so that counting costs the server nothing.

This module is passed through the sandbox: every workflow sees the same one. A real workflow must never do this.
"""

from __future__ import annotations

import asyncio
import time

fired: dict[str, float] = {}
"""When each workflow's timer had fired, by workflow id, on the monotonic clock."""
completed: dict[str, float] = {}
"""When each workflow came to its end."""


def timer_fired(workflow_id: str) -> None:
    """Note it; a replay changes nothing."""
    fired.setdefault(workflow_id, time.monotonic())


def workflow_completed(workflow_id: str) -> None:
    """Note it; a replay changes nothing."""
    completed.setdefault(workflow_id, time.monotonic())


async def reached(noted: dict[str, float], count: int) -> None:
    """Wait until so many workflows are noted."""
    # Workflows run in threads of their own, where an asyncio event would wake nobody.
    while len(noted) < count:
        await asyncio.sleep(0.005)
