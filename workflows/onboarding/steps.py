"""The mechanics of running a playbook's steps: when each may begin, what performs it, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.planning import Planning, ResumedWaits, Stagger, WaitEnds
    from rapport.model.cadence import CadenceStart
    from rapport.model.ids import cadence_id, meeting_id, task_id
    from rapport.model.meeting import MeetingResult, MeetingStart, Receipt
    from rapport.model.operation import ControlKind, Operate, Operation
    from rapport.model.projection import Projection, Wait
    from rapport.model.step import (
        CadenceStep,
        DoneBy,
        MeetingStep,
        MessageStep,
        ReviewStep,
        StepBase,
        SyncStep,
        TaskStep,
        kinds,
    )
    from rapport.model.task import LateDecision, TaskResult
    from rapport.model.workflows import CADENCE, HUMAN_TASK, MEETING
    from rapport.rules import audience, details, onboarding, operation as operations
    from rapport.rules.onboarding import Progress, StepState
    from rapport.search_attributes import STAGE

from workflows.onboarding.children import ChildWorkflows
from workflows.onboarding.failures import Failures
from workflows.onboarding.gates import Gating
from workflows.onboarding.messages import StepMails
from workflows.onboarding.onsite_approval import OnsiteApproval
from workflows.onboarding.per_contact import PerContactSteps
from workflows.onboarding.state import OnboardingState
from workflows.onboarding.vacancies import Vacancies
from workflows.options import PLANNING
from workflows.outcomes import RUNS, Denied, Known, done, started
from workflows.waiting import Alarm

BESIDE: Final = MappingProxyType(
    {Operate.PAUSE: ControlKind.PAUSE, Operate.RESUME: ControlKind.RESUME, Operate.CANCEL: ControlKind.CLOSE}
)
"""What the meetings beside the playbook are told of what is done with the whole."""


class Steps:
    """The steps of one onboarding: what it has to do for them, turn by turn, until all have ended."""

    def __init__(self, state: OnboardingState) -> None:
        """Nothing has begun."""
        self.state = state
        self.stage = onboarding.current_stage(self.state.progress)
        self.children = ChildWorkflows(self.state)
        self.vacancies = Vacancies(self.state)
        self.mails = StepMails(self.state, self.vacancies)
        self.users = PerContactSteps(self.state, self.children, self.mails)
        self._venues = OnsiteApproval(self.state)
        self._gating = Gating(self.state)
        self._failures = Failures(self.state, self.operate, self._go_on)
        self._alarm = Alarm()
        self._agreed: dict[str, datetime] = {}
        self._staggers = False
        self._paused_since: datetime | None = None
        self._cancelled = False
        self._recurs = False

    async def take_turn(self) -> None:
        """Begin what is due, and tell the workflows of steps what they have to know."""
        self._venues.offer_conversions()
        if not self.state.is_paused:
            await self.vacancies.look(self.users.look_again)
            await self._plan_dues()
            # The last before any begins: what became due until now has been asked about then.
            await self._gating.look()
            if not self.state.is_paused:
                free = self._free
                for name in onboarding.due_now(free, workflow.now()):
                    self._begin(name)
                self._alarm.set(onboarding.next_due(free), "The next step becomes due")
        await self._venues.tell_of_failures()
        await self.children.tell_of_people()
        await self.children.send_controls()

    @property
    def has_more(self) -> bool:
        """Whether a step is still to be done, or to be told."""
        return bool(self.are_unfinished or self.state.stale)

    @property
    def are_unfinished(self) -> bool:
        """Whether a step has not ended, or something is under way for one."""
        return onboarding.unfinished(self.state.progress) or bool(self.state.performing)

    @property
    def is_due(self) -> bool:
        """Whether a step has become due meanwhile."""
        return self._alarm.rings and not self.state.is_paused

    @property
    def told_stage(self) -> str | None:
        """The stage that the account is in; nothing once all are reached."""
        return operations.CANCELLED if self._cancelled else self.stage

    def operate(self, operation: Operation) -> Receipt:
        """Do what a member says with the whole; `operations.judge` has let it pass."""
        paused_at = self.state.paused_at
        applied = operations.apply(self.state.progress, paused_at, operation, workflow.now())
        if applied.outcome == operations.UNCHANGED:
            return Receipt(accepted=True, outcome=applied.outcome)
        for name, step in applied.steps.items():
            if self.state.progress.get(name) != step:
                self.state.stale.add(name)
        self.state.progress, self.state.paused_at = applied.steps, applied.paused_at
        self.children.controls.update(applied.controls)
        self.children.beside = BESIDE.get(operation.kind, self.children.beside)
        self._staggers = self._staggers or applied.staggers
        if operation.kind is Operate.RESUME:
            self._paused_since = self._paused_since or paused_at
        if operation.kind is Operate.ADOPT and operation.playbook is not None:
            self.state.playbook = operation.playbook
        self._cancelled = self._cancelled or operation.kind is Operate.CANCEL
        self.state.timeline.record(
            f"operation.{operation.kind}", who=operation.by, step=operation.step, submission=operation.id
        )
        self.state.wake()
        return Receipt(accepted=True, outcome=applied.outcome)

    async def _plan_dues(self) -> None:
        """Give a due instant to each waiting step of which everything in `after` has ended."""
        if self._paused_since is not None:
            # Before any other: what became ready during the pause has lost nothing by it.
            since, self._paused_since = self._paused_since, None
            await self._give_back_what_was_left(since)
        waits, ahead = [], []
        for name in onboarding.ready(self.state.progress):
            step = self.state.progress[name]
            since = max(self.state.began, onboarding.began_waiting(step, self.state.progress, self.state.began))
            if step.definition.offset is None:
                self.state.set(name, due=since)
            elif step.definition.before is not None and self.state.start.ends is not None:
                ahead.append((name, step.definition.offset, self.state.start.ends))
            else:
                waits.append((name, step.definition.offset, since))
        if waits or ahead:
            answer = await done(
                Planning.dues,
                WaitEnds(account=self.state.start.account, waits=tuple(waits), ahead=tuple(ahead)),
                "When do the next steps become due?",
                PLANNING,
            )
            self._set_dues(answer.due)
        if self._staggers:
            self._staggers = False
            await self._stagger()

    async def _give_back_what_was_left(self, paused_at: datetime) -> None:
        """Move each wait that a pause has interrupted; the contract's start, before which none began, stays."""
        paused_at = max(paused_at, self.state.began)
        waits = onboarding.interrupted(self.state.progress, paused_at)
        if waits:
            question = ResumedWaits(
                account=self.state.start.account,
                paused_at=paused_at,
                now=workflow.now(),
                instants=tuple(waits.values()),
            )
            answer = await done(Planning.resumed, question, "What time is left until the next steps?", PLANNING)
            self._set_dues(dict(zip(waits, answer.at, strict=True)))

    async def _stagger(self) -> None:
        """Let what is due at once begin on one business day after the other."""
        waiting = {name: step for name, step in self.state.progress.items() if step.state is StepState.WAITING}
        dues = {name: step.due for name, step in waiting.items() if step.due is not None}
        if len(onboarding.due_now(self.state.progress, workflow.now())) > 1:
            answer = await done(
                Planning.stagger,
                Stagger(account=self.state.start.account, dues=dues, now=workflow.now()),
                "Which of these steps begins when?",
                PLANNING,
            )
            self._set_dues(answer.due)

    def _set_dues(self, dues: Mapping[str, datetime]) -> None:
        """Set when steps are due, but of none that was ended, or left the plan, while the answer was looked for."""
        for name, due in dues.items():
            if name in self.state.progress and self.state.progress[name].state is StepState.WAITING:
                self.state.set(name, due=due)

    def hear_of_renewal(self) -> None:
        """Take the word that the contract is renewed: nobody prepares that any more."""
        applied = operations.renewed(self.state.progress, workflow.now())
        if applied.outcome == operations.UNCHANGED:
            return
        self.state.stale |= {name for name, step in applied.steps.items() if self.state.progress[name] != step}
        self.state.progress = applied.steps
        self.children.controls.update(applied.controls)
        self.state.timeline.record("onboarding.renewed")
        self.state.wake()

    def hear_of_people(self) -> None:
        """Take the word that somebody came, left or took over."""
        self.vacancies.moved = True
        self.state.wake()
        self.children.moves += 1
        self.users.hear_of_people()

    def hear_late(self, decision: LateDecision) -> None:
        """Take a decision that came after its task was closed."""
        self._venues.hear_late(decision)

    def hear_of_gates(self) -> None:
        """Take the word that a gate may have opened, or shut."""
        self._gating.moved = True
        self.state.wake()

    @property
    def _free(self) -> dict[str, Progress]:
        """The steps that neither somebody's absence holds nor a gate, nor what a failed one has left."""
        held = self.vacancies.held | self._gating.held
        left = self._failures.unsettled
        return {
            name: step
            for name, step in self.state.progress.items()
            if name not in held and not any(left[other] > 0 for other in (name, *step.definition.rests_on))
        }

    def _begin(self, name: str) -> None:
        """Begin a step. What it does first is on its way when this returns, and takes along what is to be told.

        One that is for nobody who is there ends with that, as the playbook does not have it wait for them.
        """
        step = self.state.progress[name].definition
        if audience.is_for_nobody(step, self.vacancies.unheld):
            self.state.set(name, state=StepState.DROPPED, ended=workflow.now(), outcome=onboarding.FOR_NOBODY)
            self.state.timeline.record("step.ended", step=name, about=onboarding.FOR_NOBODY)
            return
        self.state.set(name, state=StepState.RUNNING, began=workflow.now())
        self.state.timeline.record("step.began", step=name)
        self.state.go_on(self._perform(name, PERFORM[type(step)](self, step)))

    def _go_on(self, name: str) -> None:
        """Take up a step again whose workflow goes on where it was ended from outside."""
        self.state.set(name, state=StepState.RUNNING, ended=None, outcome=None)
        is_task = isinstance(self.state.progress[name].definition, TaskStep)
        self.state.go_on(self._perform(name, self._decide_on(name) if is_task else self._meet_on(name)))

    async def _decide_on(self, name: str) -> str | Denied:
        id_ = task_id(self.state.scope, name, self.state.progress[name].attempt)
        result = await self.children.follow(name, HUMAN_TASK, id_, Known(id_))
        return await self._decided(name, result)

    async def _meet_on(self, name: str) -> str | Denied:
        id_ = meeting_id(self.state.scope, name, self.state.progress[name].attempt)
        result = await self.children.follow(name, MEETING, id_, Known(id_))
        return self._heard(result)

    async def _perform(self, name: str, work: Coroutine[Any, Any, str | Denied]) -> None:
        """See a step's work through and record how it ended; what fails is an outcome and stops nothing else."""
        attempt = self.state.progress[name].attempt
        result = await work
        self.children.open.pop(name, None)
        if self.state.progress[name].state is not StepState.RUNNING or self.state.progress[name].attempt != attempt:
            # Somebody has skipped it, or completed it elsewhere: that is on record.
            if isinstance(result, Denied) and result.type != RUNS:
                # What was told to end its workflow may have found none, which was to take back what it has left.
                self._failures.take_back(name, attempt)
            return
        if isinstance(result, Denied):
            self.state.set(name, state=StepState.FAILED, ended=workflow.now(), outcome=result.reason)
            self.state.timeline.record("step.ended", step=name, about=f"failed: {result.reason}")
            self._failures.follow_up(name, result.reason)
        else:
            self.state.set(name, state=StepState.DONE, ended=workflow.now(), outcome=result)
            self.state.timeline.record("step.ended", step=name, about=result)

    async def _meet(self, step: MeetingStep) -> str | Denied:
        if step.merged_into is not None and self._venues.was_onsite(step.merged_into):
            return f"with_{step.merged_into}"
        attempt = self.state.progress[step.name].attempt
        onsite = self._venues.is_onsite(step)
        if onsite:
            step = step.held_onsite()
        start = MeetingStart(
            account=self.state.start.account,
            contract=self.state.start.contract,
            step=step,
            attempt=attempt,
            undecided=onsite is None,
            booked=self._agreed.get(step.name),
        )
        result = await self.children.run(
            step.name,
            MEETING,
            start,
            meeting_id(self.state.scope, step.name, attempt),
            summary=f"{step.title} with {self.state.start.account}",
            about=f"{step.minutes} minutes, {step.where}. People vote on times; one is booked; it is held.",
        )
        return self._heard(result)

    def _heard(self, result: MeetingResult | Denied) -> str | Denied:
        """What came of a meeting; what was agreed there is kept."""
        if isinstance(result, Denied):
            return result
        self._agreed.update({one.step: one.start for one in result.agreed})
        return result.outcome

    async def _decide(self, step: TaskStep) -> str | Denied:
        """Put a question to people, and tell the meetings that wait for its outcome."""
        if step.for_each is not None:
            return await self.users.ask_about_each(step, step.for_each)
        return await self._decided(step.name, await self.children.ask_people(step, step.definition()))

    async def _decided(self, name: str, result: TaskResult | Denied) -> str | Denied:
        if isinstance(result, Denied):
            self._venues.hear_of_failure(name)
            return result
        await self._venues.tell(name, result.outcome)
        return result.outcome

    async def _recur(self, step: CadenceStep) -> str:
        """Have the account's cadence run, with all its rhythms at once; it stands on its own from then on."""
        if self._recurs and self.state.progress[step.name].attempt == 1:
            return "runs"
        self._recurs = True
        gone = (StepState.DROPPED, StepState.SKIPPED)
        steps = (step.definition for step in self.state.progress.values() if step.state not in gone)
        rhythms = tuple(
            step
            for step in steps
            if isinstance(step, CadenceStep) and not audience.is_for_nobody(step, self.vacancies.unheld)
        )
        account = self.state.start.account
        start = CadenceStart(
            account=account,
            contract=self.state.start.contract,
            steps=rhythms,
            playbook=self.state.playbook.name,
            version=self.state.playbook.version,
        )
        about = ", ".join(f"{step.title}, every {step.every}" for step in rhythms)
        cadence = await started(CADENCE, start, cadence_id(account), summary=f"What recurs for {account}", about=about)
        if cadence is None:
            return "ran already"
        # How it ends is its own affair, and seen where it runs.
        cadence.add_done_callback(asyncio.Task.exception)
        return "runs"

    def _write(self, step: MessageStep) -> Coroutine[Any, Any, str | Denied]:
        """Have a message step's mails written; the coroutine waits until each has gone or was kept from going."""
        if step.needs:
            return self.users.write_to_those_known(step)
        return self.mails.sent(step, self.mails.write(step, self.state.pending_projection()))

    def gather(self, number: int) -> Projection | None:
        """What SQL does not know of them yet."""
        stage = onboarding.current_stage(self.state.progress)
        if stage is not self.stage:
            self.stage = stage
            reached = self.told_stage or "done"
            workflow.upsert_search_attributes([STAGE.value_set(reached)])
            if reached != operations.CANCELLED:
                self.state.timeline.record("stage.reached", about=reached)
        self.mails.look()
        if not self.state.stale and not self.state.timeline.has_entries:
            return None
        stale, self.state.stale = self.state.stale, set()
        held, hold = self.vacancies.held, self.vacancies.hold or Wait()
        waits = {name: hold for name in self.state.progress if name in held}
        waits |= self._gating.waits | self.mails.waits | self._failures.waits
        return Projection(
            account=self.state.start.account,
            contract=self.state.start.contract,
            run_id=workflow.info().run_id,
            number=number,
            stage=self.told_stage,
            playbook=self.state.playbook.name,
            version=self.state.playbook.version,
            now=workflow.now(),
            ended=not onboarding.unfinished(self.state.progress),
            paused_at=self.state.paused_at,
            milestones=tuple(
                milestone.model_copy(update={"wait": waits.get(milestone.step, Wait())})
                if milestone.kind in kinds(DoneBy.ONBOARDING) or milestone.step in waits
                else milestone
                for milestone in onboarding.milestones(self.state.progress)
                if milestone.step in stale
            ),
            entries=self.state.timeline.take_entries(),
        )

    def take_back(self, news: Projection) -> None:
        """Tell again what whoever took it has not written."""
        self.state.timeline.take_back(news.entries)
        self.state.show_anew(one.step for one in news.milestones if one.step in self.state.progress)

    def details(self) -> str:
        """How they stand, for Temporal's UI."""
        state = self.state
        return details.onboarding(
            state.scope, state.progress, self.state.paused_at, self.vacancies.hold, self._gating.waits
        )


PERFORM: Final[Mapping[type[StepBase], Callable[[Steps, Any], Coroutine[Any, Any, str | Denied]]]] = MappingProxyType(
    {
        MeetingStep: Steps._meet,
        MessageStep: Steps._write,
        TaskStep: Steps._decide,
        SyncStep: Steps._recur,
        ReviewStep: Steps._recur,
    }
)
"""What does the steps of each kind, and gives its outcome in a word; what it does first, it does at once."""
