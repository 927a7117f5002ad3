"""A workflow that says which random seed Temporal's SDK has given it."""

from __future__ import annotations

from temporalio import workflow


@workflow.defn
class Seed:
    """Says its seed."""

    @workflow.run
    async def run(self) -> int:
        """Say it."""
        return workflow.random_seed()
