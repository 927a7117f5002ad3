"""The floor's workflow: as little as a durable wait for a person can be. One timer, one signal, no activity."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bench.tally import timer_fired, workflow_completed


@workflow.defn(name="Bare")
class Bare:
    """Sleeps for a moment, then waits for one signal."""

    def __init__(self) -> None:
        """Nobody has said anything."""
        self.told = False

    @workflow.run
    async def run(self) -> None:
        """Sleep, wait, end."""
        await workflow.sleep(timedelta(milliseconds=1))
        timer_fired(workflow.info().workflow_id)
        await workflow.wait_condition(lambda: self.told)
        workflow_completed(workflow.info().workflow_id)

    @workflow.signal
    def tell(self) -> None:
        """A person has spoken."""
        self.told = True
