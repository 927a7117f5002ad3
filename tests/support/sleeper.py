"""A workflow that sleeps until instants, and says what it saw when it woke."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow


@workflow.defn(name="Sleeper")
class Sleeper:
    """Sleeps from instant to instant."""

    @workflow.run
    async def run(self, instants: list[datetime]) -> list[datetime]:
        """What time it was at the beginning, and after each sleep."""
        seen = [workflow.now()]
        for at in instants:
            await workflow.sleep(at - workflow.now())
            seen.append(workflow.now())
        return seen
