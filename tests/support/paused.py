"""A workflow that has many to-dos open when it is paused, and to-dos that do nothing but wait for their end."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.operation import Control, ControlKind
    from rapport.model.task import TaskResult, TaskStart
    from rapport.model.workflows import HUMAN_TASK
    from rapport.rules.todo_template import FIND_A_TIME

from workflows.base import AccountWorkflow
from workflows.waiting import Todo


@workflow.defn(name="Paused")
class Paused(AccountWorkflow):
    """Puts some to-dos, and ends once it has stood still and gone on."""

    @workflow.init
    def __init__(self, account: str, count: int) -> None:
        """Nothing is open."""
        super().__init__(account)
        self.count = count

    @workflow.run
    async def run(self, account: str, count: int) -> None:
        """Have them opened, one after the other; then wait for a pause, and stand still."""
        over = False
        errands = [
            asyncio.create_task(Todo(FIND_A_TIME, self, "C-1", "kickoff", "Kickoff", number).put(lambda: over))
            for number in range(1, count + 1)
        ]
        await workflow.wait_condition(lambda: len(self.todos) == count and self.paused_at is not None)
        await self.while_paused()
        over = True
        await asyncio.gather(*errands)


@workflow.defn(name=HUMAN_TASK.name)
class Waits:
    """A to-do that nobody does."""

    @workflow.init
    def __init__(self, start: TaskStart) -> None:
        """It is open."""
        self.over = False

    @workflow.run
    async def run(self, start: TaskStart) -> TaskResult:
        """Until it is taken back."""
        await workflow.wait_condition(lambda: self.over)
        return TaskResult(outcome="closed", at=workflow.now())

    @workflow.signal(name="control")
    def control(self, control: Control) -> None:
        """Word from whoever waits for it."""
        self.over = control.kind is ControlKind.CLOSE
