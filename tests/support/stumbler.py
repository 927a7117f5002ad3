"""A workflow in which what it has begun beside its story meets an error."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from tests.support.switch import mended

from workflows.outcomes import beside

ERRORS = {"KeyError": KeyError("no such step"), "ApplicationError": ApplicationError("no", non_retryable=True)}
"""Errors that fail a workflow's task, and errors that would end the workflow for good."""


@workflow.defn(name="Stumbler")
class Stumbler:
    """Waits for what it has begun."""

    @workflow.init
    def __init__(self, error: str) -> None:
        """Nothing is done."""
        self.is_done = False

    @workflow.run
    async def run(self, error: str) -> str:
        """Begin it, and wait for what it does and not for itself."""
        beside(self.stumble(error))
        await workflow.wait_condition(lambda: self.is_done)
        return "done"

    async def stumble(self, error: str) -> None:
        """Meet an error, until somebody has mended that."""
        await workflow.sleep(0.01)
        if not mended():
            raise ERRORS[error]
        self.is_done = True
