"""The workflows that do an onboarding's steps: begun, told what they have to know, and heard."""

from __future__ import annotations

from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.ids import task_id
    from rapport.model.operation import Control, ControlKind
    from rapport.model.step import StepBase
    from rapport.model.task import TaskDefinition, TaskResult, TaskStart
    from rapport.model.workflows import HUMAN_TASK, WorkflowKind
    from rapport.rules.onboarding import StepState

from workflows.onboarding.state import OnboardingState
from workflows.outcomes import Denied, Known, OfAccount, begun, ended, told
from workflows.waiting import control

S = TypeVar("S", bound=OfAccount)
R = TypeVar("R")


class ChildWorkflows:
    """The workflows that do the steps of one onboarding.

    Attributes:
        open: The ids of those that run, by the step that they do.
        controls: What the workflows of a step have to be told, by step.
        beside: What the meetings beside the playbook have to be told.
        moves: How often it was heard that somebody came, left or took over.
    """

    def __init__(self, state: OnboardingState) -> None:
        """None has begun."""
        self.state = state
        self.open: dict[str, list[str]] = {}
        self.controls: dict[str, Control] = {}
        self.beside: ControlKind | None = None
        self.moves = self._told = 0

    async def tell_of_people(self) -> None:
        """Pass on that people came, left or took over: what has just begun is not on record, and hears it from here."""
        if self._told != self.moves:
            self._told = self.moves
            for id_ in [id_ for ids in self.open.values() for id_ in ids]:
                await told(id_, "people_changed")

    async def send_controls(self) -> None:
        """Pass on what the workflows of running steps have to know; mails of a step have no workflow of their own."""
        beside, self.beside = self.beside, None
        if beside is not None:
            await self.state.control_beside(beside, self.state.start.contract)
        controls, self.controls = self.controls, {}
        for name, word in controls.items():
            for id_ in list(self.open.get(name, ())):
                await control(id_, word)
            if word.kind is ControlKind.CLOSE:
                await self.state.messages.drop_drafts("the step is over", name)

    async def ask_people(
        self, step: StepBase, definition: TaskDefinition, about: str | None = None
    ) -> TaskResult | Denied:
        """Put the question of a step to people, and wait for their answer.

        Args:
            about: The contact whom it concerns, where each of several has a task of their own.
        """
        attempt = self.state.progress[step.name].attempt
        start = TaskStart(
            account=self.state.start.account,
            contract=self.state.start.contract,
            subject=self.state.scope,
            step=step.name,
            title=step.title,
            attempt=attempt,
            about=about,
            definition=definition,
        )
        return await self.run(
            step.name,
            HUMAN_TASK,
            start,
            task_id(self.state.scope, step.name, attempt, about),
            summary=f"{step.title}, for {self.state.start.account}",
            about=definition.question,
        )

    async def run(
        self, name: str, kind: WorkflowKind[S, R], start: S, id_: str, *, summary: str, about: str
    ) -> R | Denied:
        """Have a workflow of its own do a step. It ends by its own work alone, whatever becomes of this one."""
        moves = self.moves
        child = await begun(kind, start, id_, summary=summary, about=about)
        if self.moves != moves:
            await told(id_, "people_changed")
        return await self.follow(name, kind, id_, child)

    async def follow(
        self,
        name: str,
        kind: WorkflowKind[Any, R],
        id_: str,
        child: workflow.ChildWorkflowHandle[Any, R] | Known | None,
    ) -> R | Denied:
        """Wait for what comes of a workflow that does a step, and pass on to it what it has to know."""
        if self.state.progress[name].state is not StepState.RUNNING:
            # Somebody has ended the step while its workflow was being started.
            await control(id_, ControlKind.CLOSE)
        else:
            self.open.setdefault(name, []).append(id_)
            if self.state.is_paused:
                await control(id_, ControlKind.PAUSE)
            elif isinstance(child, Known):
                # It may have been told to stand still before this one was reset.
                await control(id_, ControlKind.RESUME)
        return await ended(child, kind)

    async def withdraw(self, name: str, about: str) -> None:
        """End a step's to-do about somebody who has left."""
        id_ = task_id(self.state.scope, name, self.state.progress[name].attempt, about)
        if id_ in self.open.get(name, ()):
            await control(id_, ControlKind.CLOSE)
