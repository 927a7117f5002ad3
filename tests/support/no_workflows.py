"""A stand-in for Temporal's client, for tests that are not about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from temporalio.client import Client


class NoWorkflows:
    """Temporal, in which no workflow was ended from outside, and none does anything.

    Attributes:
        started: With what workflows were started, by their name.
    """

    def __init__(self) -> None:
        """Nobody has started any."""
        self.started: list[tuple[str, Any]] = []

    async def start_workflow(self, name: str, given: object, **_: object) -> None:
        """Take note of it."""
        self.started.append((name, given))

    async def list_workflows(self, *_: object, **__: object) -> AsyncIterator[object]:
        """Nothing."""
        nobody: tuple[object, ...] = ()
        for one in nobody:
            yield one


NO_WORKFLOWS = cast("Client", NoWorkflows())
