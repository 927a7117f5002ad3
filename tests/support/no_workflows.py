"""A stand-in for Temporal's client, for tests that are not about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

from temporalio.client import Client


class NoWorkflows:
    """Temporal, in which no workflow was ended from outside."""

    async def list_workflows(self, *_: object, **__: object) -> AsyncIterator[object]:
        """Nothing."""
        nobody: tuple[object, ...] = ()
        for one in nobody:
            yield one


NO_WORKFLOWS = cast("Client", NoWorkflows())
