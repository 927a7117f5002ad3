"""The mechanics of running a playbook's steps: when each may begin, what performs it, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, TypeVar, assert_never

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.planning import Dues, Planning
    from activities.records import Records
    from rapport.model.cadence import CadenceStart
    from rapport.model.human_task import TaskStart
    from rapport.model.ids import cadence_id, meeting_id, step_of, task_id
    from rapport.model.meeting import MeetingStart, Venue
    from rapport.model.message import MessageState, Occasion, Purpose
    from rapport.model.onboarding import OnboardingStart
    from rapport.model.playbook import CadenceStep, MeetingStep, MessageStep, ReviewStep, SyncStep, TaskStep
    from rapport.model.records import Projection, Wait
    from rapport.model.workflows import CADENCE, HUMAN_TASK, MEETING, Kind
    from rapport.policy import details, plan
    from rapport.policy.plan import Progress, StepState

from workflows import children
from workflows.correspondence import Correspondence
from workflows.diary import Diary
from workflows.options import PLANNING, RECORDS
from workflows.waiting import Alarm

ACCOUNT: Final = SearchAttributeKey.for_keyword("RapportAccount")
STAGE: Final = SearchAttributeKey.for_keyword("RapportStage")

S = TypeVar("S")
R = TypeVar("R")


class Steps:
    """The steps of one onboarding. Entering starts them, leaving waits until all have ended."""

    def __init__(self, start: OnboardingStart, letters: Correspondence) -> None:
        """Every step of the playbook waits, but those that this account does not get.

        Args:
            letters: The onboarding itself, which writes the mails of its message steps.
        """
        self.start = start
        self.letters = letters
        self.began = workflow.now()
        self.progress: dict[str, Progress] = plan.laid_out(start.playbook, start.left_out, self.began)
        self.stage = plan.current_stage(self.progress)
        self.diary = Diary(start.account, start.contract)
        self._alarm = Alarm()
        self._performing: set[asyncio.Task[None]] = set()
        self._stale: set[str] = set()
        self._waits: dict[str, Wait] = {}
        self._writing: set[str] = set()
        self._recurs = False
        self._projected = 0
        self._driving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Steps:
        """Begin."""
        self.diary.tell("onboarding.started", about=self.start.playbook.name)
        self._driving = asyncio.create_task(self._drive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until every step has ended and everything is written down."""
        # A run that its worker lets go of is closed where it stands, and nothing can be waited for then.
        if self._driving is not None and kind is not GeneratorExit:
            await self._driving

    async def _drive(self) -> None:
        """Begin what is due, write down what is new, and wait for either."""
        while self._unfinished or self._stale or self.diary.has_entries or self.letters.has_releases:
            self.letters.changed = False
            await self._plan_dues()
            for name in plan.due_now(self.progress, workflow.now()):
                self._begin(name)
            self._alarm.set(plan.next_due(self.progress), "The next step becomes due")
            await self.letters.carry_out_releases(self.diary.tell_release)
            await self._project()
            if self._unfinished:
                await workflow.wait_condition(lambda: self.letters.changed or self._alarm.rings)

    @property
    def _unfinished(self) -> bool:
        return plan.unfinished(self.progress) or bool(self._performing)

    async def _plan_dues(self) -> None:
        """Give a due instant to each waiting step of which everything in `after` has ended."""
        waits = []
        for name in plan.ready(self.progress):
            step = self.progress[name]
            since = plan.began_waiting(step, self.progress, self.began)
            if step.definition.offset is None:
                self._set(name, due=since)
            else:
                waits.append((name, step.definition.offset, since))
        if waits:
            answer = await workflow.execute_local_activity_method(
                Planning.dues,
                Dues(account=self.start.account, waits=tuple(waits)),
                summary="When do the next steps become due?",
                **PLANNING,
            )
            for name, due in answer.due.items():
                self._set(name, due=due)

    def _begin(self, name: str) -> None:
        """Begin a step. What it does first is on its way when this returns, and takes along what is to be told."""
        self._set(name, state=StepState.RUNNING, began=workflow.now())
        self.diary.tell("step.began", step=name)
        step = self.progress[name].definition
        match step:
            case MeetingStep():
                work = self._meet(step)
            case MessageStep():
                work = self._write(step)
            case TaskStep():
                work = self._decide(step)
            case CadenceStep():
                work = self._recur()
            case _:
                assert_never(step)
        task = asyncio.create_task(self._perform(name, work))
        self._performing.add(task)
        task.add_done_callback(self._performing.discard)

    async def _perform(self, name: str, work: Coroutine[Any, Any, str]) -> None:
        """See a step's work through and record how it ended; what fails is an outcome and stops nothing else."""
        try:
            outcome = await work
        except FailureError:
            self._set(name, state=StepState.FAILED, ended=workflow.now(), outcome="failed")
        else:
            self._set(name, state=StepState.DONE, ended=workflow.now(), outcome=outcome)
        self.diary.tell("step.ended", step=name, about=self.progress[name].outcome)
        self.letters.changed = True

    async def _meet(self, step: MeetingStep) -> str:
        attempt = self.progress[step.name].attempt
        onsite = self._is_onsite(step)
        if onsite:
            step = step.held_onsite()
        start = MeetingStart(
            account=self.start.account,
            contract=self.start.contract,
            step=step,
            attempt=attempt,
            undecided=onsite is None,
        )
        result = await self._child(
            MEETING,
            start,
            meeting_id(self.start.account, step.name, attempt),
            summary=f"{step.title} with {self.start.account}",
            about=f"{step.minutes} minutes, {step.where}. People vote on times; one is booked; it is held.",
        )
        return result.outcome

    def _is_onsite(self, step: MeetingStep) -> bool | None:
        """Whether a meeting is held on site by the approval that it may have; nothing while that is open."""
        if step.onsite is None:
            return False
        approval = self.progress[step.onsite.approval]
        return approval.outcome == step.onsite.outcome if approval.state.ended else None

    async def _decide(self, step: TaskStep) -> str:
        """Put a question to people, and tell the meetings that wait for its outcome."""
        attempt = self.progress[step.name].attempt
        start = TaskStart(
            account=self.start.account,
            contract=self.start.contract,
            subject=self.start.account,
            step=step.name,
            title=step.title,
            attempt=attempt,
            definition=step.definition(),
        )
        result = await self._child(
            HUMAN_TASK,
            start,
            task_id(self.start.account, step.name, attempt),
            summary=f"{step.title}, for {self.start.account}",
            about=step.question,
        )
        for name, other in self.progress.items():
            meeting = other.definition
            if (
                isinstance(meeting, MeetingStep)
                and meeting.onsite is not None
                and meeting.onsite.approval == step.name
                and other.state is StepState.RUNNING
            ):
                await self._settle(name, Venue(onsite=result.outcome == meeting.onsite.outcome))
        return result.outcome

    async def _settle(self, name: str, venue: Venue) -> None:
        """Tell a meeting that waits for it whether it is held on site; one that has ended meanwhile is no error."""
        meeting = workflow.get_external_workflow_handle(
            meeting_id(self.start.account, name, self.progress[name].attempt)
        )
        with contextlib.suppress(ApplicationError):
            await meeting.signal("settle", venue)

    async def _recur(self) -> str:
        """Have the account's cadence run, with all its rhythms at once; it stands on its own from then on."""
        if self._recurs:
            return "runs"
        self._recurs = True
        steps = (step.definition for step in self.progress.values() if step.state is not StepState.DROPPED)
        rhythms = tuple(step for step in steps if isinstance(step, SyncStep | ReviewStep))
        account = self.start.account
        try:
            cadence = await children.begin(
                CADENCE,
                CadenceStart(account=account, contract=self.start.contract, steps=rhythms),
                cadence_id(account),
                account=account,
                summary=f"What recurs for {account}",
                about=", ".join(f"{step.title}, every {step.every}" for step in rhythms),
            )
        except WorkflowAlreadyStartedError:
            return "ran already"
        # How it ends is its own affair, and seen where it runs.
        cadence.add_done_callback(asyncio.Task.exception)
        return "runs"

    async def _child(self, kind: Kind[S, R], start: S, id_: str, *, summary: str, about: str) -> R:
        """Have a workflow of its own do a step. It ends by its own work alone, whatever becomes of this one."""
        result: R = await workflow.execute_child_workflow(
            kind.name,
            start,
            id=id_,
            result_type=kind.gives,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            search_attributes=TypedSearchAttributes([SearchAttributePair(ACCOUNT, self.start.account)]),
            static_summary=summary,
            static_details=about,
        )
        return result

    def _write(self, step: MessageStep) -> Coroutine[Any, Any, str]:
        """Have a message step's mails written; the coroutine waits until each has gone or was kept from going."""
        reviewed = (self.start.review or step.review) != "auto"
        self._writing.add(step.name)
        if reviewed:
            self._waits[step.name] = self._wait_for_the_tam()
        occasion = Occasion(
            account=self.start.account,
            contract=self.start.contract,
            step=step.name,
            title=step.title,
            workflow_id=workflow.info().workflow_id,
            attempt=self.progress[step.name].attempt,
            purpose=Purpose.MESSAGE,
            email=step.email,
            personas=step.to,
            review=step.review,
            now=workflow.now(),
            news=self.take_news(),
        )
        return self._sent(step.name, self.letters.write(occasion, f"Write: {step.title}", reviewed=reviewed))

    async def _sent(self, name: str, writing: asyncio.Task[tuple[str, ...] | None]) -> str:
        keys = await writing
        self._writing.discard(name)
        if keys is None:
            return "failed"
        await workflow.wait_condition(lambda: all(self.letters.is_settled(key) for key in keys))
        sent = sum(self.letters.states[key] is MessageState.SENT for key in keys)
        return f"{sent} of {len(keys)} sent"

    def _wait_for_the_tam(self) -> Wait:
        return Wait(
            on=("tam",),
            what="the TAM, to read and send the drafts",
            unblock=f"rapport message approve --account {self.start.account}",
            since=workflow.now(),
        )

    def _look_at_drafts(self) -> None:
        """Learn which message steps wait for somebody to read their drafts."""
        waiting = {step_of(key) for key in self.letters.drafts}
        for name, step in self.progress.items():
            if step.definition.kind != "message" or name in self._writing:
                continue
            if name in waiting and name not in self._waits:
                self._waits[name] = self._wait_for_the_tam()
                self._stale.add(name)
            elif name not in waiting and self._waits.pop(name, None) is not None:
                self._stale.add(name)

    def _set(self, name: str, **values: object) -> None:
        self.progress[name] = self.progress[name].model_copy(update=values)
        self._stale.add(name)

    def take_news(self) -> Projection | None:
        """What SQL does not know yet, to be written by whoever takes it; and show it in Temporal's UI."""
        self.diary.tell_troubles(self.letters.troubles)
        stage = plan.current_stage(self.progress)
        if stage is not self.stage:
            self.stage = stage
            workflow.upsert_search_attributes([STAGE.value_set(stage or "done")])
            self.diary.tell("stage.reached", about=stage or "done")
        self._look_at_drafts()
        if not self._stale and not self.diary.has_entries:
            return None
        stale, self._stale = self._stale, set()
        self._projected += 1
        workflow.set_current_details(details.onboarding(self.start.account, self.progress))
        return Projection(
            account=self.start.account,
            contract=self.start.contract,
            run_id=workflow.info().run_id,
            number=self._projected,
            stage=stage,
            now=workflow.now(),
            ended=not plan.unfinished(self.progress),
            milestones=tuple(
                milestone.model_copy(update={"wait": self._waits.get(milestone.step, Wait())})
                if milestone.kind == "message"
                else milestone
                for milestone in plan.milestones(self.progress)
                if milestone.step in stale
            ),
            entries=self.diary.take_entries(),
        )

    async def _project(self) -> None:
        """Write down what no activity has taken along, in one local activity."""
        news = self.take_news()
        if news is not None:
            await workflow.execute_local_activity_method(
                Records.project, news, summary="Write down what happened", **RECORDS
            )
