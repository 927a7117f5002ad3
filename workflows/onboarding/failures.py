"""What becomes of a step whose work failed: what is left of it is taken back, and its TAM decides what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.message import LeftBehind, LeftInvitation, Messages
    from rapport.model.ids import meeting_id, task_id
    from rapport.model.message import LEFT_BEHIND
    from rapport.model.operation import ControlKind, Operate, Operation
    from rapport.model.projection import Wait
    from rapport.model.step import TaskStep
    from rapport.model.task import TaskResult
    from rapport.rules.onboarding import StepState
    from rapport.rules.todo_template import (
        AGAIN,
        DECIDE_ON_FAILURE,
        TodoTemplate,
        failed_because,
        failed_when_asked,
        failed_when_booked,
        failed_when_open,
    )

from workflows.left_invitation import call_off, have_decided
from workflows.onboarding.state import OnboardingState
from workflows.options import RECORDS
from workflows.outcomes import NO_RESULT, done
from workflows.waiting import control, soon


class Failures:
    """The part of an onboarding's steps that takes care of those that failed.

    Attributes:
        waits: What each of them is waiting for, by step.
        unsettled: The steps of which something is still to be taken back, with how often they failed. What comes of
            them begins after that: nobody reads of new times before the old one is canceled.
    """

    def __init__(
        self, state: OnboardingState, operate: Callable[[Operation], object], go_on: Callable[[str], object]
    ) -> None:
        """Nothing has failed.

        Args:
            operate: Does with the whole what the TAM decides.
            go_on: Takes a step up again whose workflow goes on where it was.
        """
        self.state = state
        self._operate = operate
        self._go_on = go_on
        self.waits: dict[str, Wait] = {}
        self.unsettled: Counter[str] = Counter()

    def follow_up(self, name: str, reason: str) -> None:
        """Take care of a step that has just failed, for a reason in fixed words."""
        self.unsettled[name] += 1
        self.state.go_on(self._follow_up(name, self.state.progress[name].attempt, reason))

    def take_back(self, name: str, attempt: int) -> None:
        """Take back what is left of an attempt that somebody has ended as its work failed; nobody is asked."""
        self.state.go_on(self._take_back_all(self._left_behind(name, attempt)))

    async def _follow_up(self, name: str, attempt: int, reason: str) -> None:
        """Take back what is left of it, and have the TAM decide, as often as it takes: what is after it holds."""

        def is_over() -> bool:
            step = self.state.progress.get(name)
            return step is None or step.state is not StepState.FAILED or step.attempt != attempt

        of_step = self.state.progress[name].definition
        was_ended = isinstance(of_step, TaskStep) and of_step.for_each is None and reason == NO_RESULT
        account = self.state.start.account
        # What each answer does with what people have of it, the question itself says.
        unblock = f"rapport task show {self.state.scope}/{name}.{DECIDE_ON_FAILURE.name}"
        self.waits[name] = wait = Wait(
            on=("tam",), what=f"the TAM, to decide what follows: {reason}", unblock=unblock, since=workflow.now()
        )
        self.state.show_anew([name])
        of = self._left_behind(name, attempt)
        waited = await self._take_back(of)

        step = self.state.progress[name].definition
        was_ended = isinstance(step, TaskStep) and step.for_each is None and reason == NO_RESULT

        def question(left: LeftInvitation, why_not: str | None) -> TodoTemplate:
            if was_ended:
                return failed_when_open(reason, why_not)
            if left.cancels is not None:
                return failed_when_booked(left.when, why_not)
            if left.asked and not left.drafts and not waited:
                return failed_when_asked(left.asked, left.replied, why_not)
            return failed_because(reason)

        async def put(template: TodoTemplate, is_done: Callable[[], bool]) -> TaskResult | None:
            return await self.state.todo(template, name, None).put(is_done, deadline=await soon(account))

        id_ = (task_id if was_ended else meeting_id)(self.state.scope, name, attempt)
        result = await have_decided(of, id_, question, put, is_over)
        goes_on = result is not None and result.outcome == AGAIN and not is_over()
        if goes_on:
            self._go_on(name)
        elif result is not None and result.outcome == AGAIN:
            # Somebody has decided otherwise in the same moment.
            await control(id_, ControlKind.CLOSE)
        elif result is not None and result.by is not None:
            kind, said = Operate(result.outcome), result.submission or f"{id_}/{result.outcome}"
            self._operate(Operation(id=said, at=result.at, by=result.by, kind=kind, step=name))
        # It may have been begun anew and failed again meanwhile, and that is waited for from then on.
        if self.waits.get(name) is wait:
            del self.waits[name]
        self.state.show_anew([name])
        if not goes_on:
            await call_off(of, self.state.messages, self.state.timeline)
        self.unsettled[name] -= 1
        self.state.wake()

    def _left_behind(self, name: str, attempt: int) -> LeftBehind:
        start = self.state.start
        return LeftBehind(
            account=start.account,
            contract=start.contract,
            step=name,
            attempt=attempt,
            now=workflow.now(),
            scope=self.state.scope,
        )

    async def _take_back_all(self, of: LeftBehind) -> None:
        await self._take_back(of)
        await call_off(of, self.state.messages, self.state.timeline)

    async def _take_back(self, of: LeftBehind) -> bool:
        """Keep its mails that are not out from going, and close the to-dos that nobody will hear the answer to.

        Returns:
            Whether it had such to-dos.
        """
        await self.state.messages.drop_drafts(LEFT_BEHIND, of.step)
        left = await done(Messages.drop_left_behind, of, "Take back what a failed step has left", RECORDS)
        for id_ in left.tasks:
            await control(id_, ControlKind.CLOSE)
        return bool(left.tasks)
