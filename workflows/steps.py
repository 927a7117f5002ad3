"""The mechanics of running a playbook's steps: when each may begin, what performs it, and how it ends."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, assert_never

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.planning import Dues, LayOut, Planning
    from activities.records import Records
    from rapport.model.ids import meeting_id, timeline_key
    from rapport.model.meeting import MeetingStart
    from rapport.model.message import MessageState, Occasion, Purpose
    from rapport.model.onboarding import OnboardingStart
    from rapport.model.playbook import MeetingStep, MessageStep
    from rapport.policy import details, plan
    from rapport.policy.plan import Progress, StepState
    from rapport.storage.contracts import Milestone, Projection, Wait
    from rapport.storage.timeline import Entry

from workflows.correspondence import Correspondence
from workflows.meeting import Meeting
from workflows.options import PLANNING, RECORDS
from workflows.waiting import Alarm

ACCOUNT: Final = SearchAttributeKey.for_keyword("RapportAccount")
STAGE: Final = SearchAttributeKey.for_keyword("RapportStage")


class Steps:
    """The steps of one onboarding. Entering starts them, leaving waits until all have ended."""

    def __init__(self, start: OnboardingStart, letters: Correspondence) -> None:
        """Every step of the playbook waits.

        Args:
            letters: The onboarding itself, which writes the mails of its message steps.
        """
        self.start = start
        self.letters = letters
        self.began = workflow.now()
        self.progress: dict[str, Progress] = {step.name: Progress(definition=step) for step in start.playbook.steps}
        self.stage = plan.current_stage(self.progress)
        self._alarm = Alarm()
        self._performing: set[asyncio.Task[None]] = set()
        self._entries: list[Entry] = []
        self._stale: set[str] = set(self.progress)
        self._waits: dict[str, Wait] = {}
        self._told = 0
        self._driving: asyncio.Task[None] | None = None

    async def lay_out(self) -> None:
        """Drop the steps whose `when` does not hold for this account."""
        answer = await workflow.execute_local_activity_method(
            Planning.lay_out,
            LayOut(account=self.start.account, playbook=self.start.playbook),
            summary="Which steps does this account get?",
            **PLANNING,
        )
        for name in answer.left_out:
            self._set(name, state=StepState.DROPPED, ended=workflow.now(), outcome="not for this account")
        self._tell("onboarding.started", about=self.start.playbook.name)

    async def __aenter__(self) -> Steps:
        """Begin."""
        self._driving = asyncio.create_task(self._drive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until every step has ended and everything is written down."""
        if self._driving is not None:
            await self._driving

    async def _drive(self) -> None:
        """Begin what is due, write down what is new, and wait for either."""
        while plan.unfinished(self.progress) or self._performing or self._stale or self._entries:
            self.letters.changed = False
            await self._plan_dues()
            for name in plan.due_now(self.progress, workflow.now()):
                self._begin(name)
            self._alarm.set(plan.next_due(self.progress), "The next step becomes due")
            for release in await self.letters.carry_out_releases():
                kind = "drafts.held" if release.hold else "drafts.approved"
                self._tell(kind, who=release.by, submission=release.id, about=str(len(release.keys)))
            await self._project()
            if plan.unfinished(self.progress) or self._performing:
                await workflow.wait_condition(lambda: self.letters.changed or self._alarm.rings)

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
        self._set(name, state=StepState.RUNNING, began=workflow.now())
        self._tell("step.began", step=name)
        task = asyncio.create_task(self._perform(name))
        self._performing.add(task)
        task.add_done_callback(self._performing.discard)

    async def _perform(self, name: str) -> None:
        """Do a step's work and record how it ended; what fails is an outcome and stops nothing else."""
        step = self.progress[name].definition
        try:
            match step:
                case MeetingStep():
                    outcome = await self._meet(step)
                case MessageStep():
                    outcome = await self._write(step)
                case _:
                    assert_never(step)
        except FailureError:
            self._set(name, state=StepState.FAILED, ended=workflow.now(), outcome="failed")
        else:
            self._set(name, state=StepState.DONE, ended=workflow.now(), outcome=outcome)
        self._tell("step.ended", step=name, about=self.progress[name].outcome)
        self.letters.changed = True

    async def _meet(self, step: MeetingStep) -> str:
        attempt = self.progress[step.name].attempt
        result = await workflow.execute_child_workflow(
            Meeting.run,
            MeetingStart(account=self.start.account, contract=self.start.contract, step=step, attempt=attempt),
            id=meeting_id(self.start.account, step.name, attempt),
            # It ends by its own work alone; its onboarding may be started anew beside it.
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            search_attributes=TypedSearchAttributes([SearchAttributePair(ACCOUNT, self.start.account)]),
            static_summary=f"{step.title} with {self.start.account}",
            static_details=f"{step.minutes} minutes, {step.where}. People vote on times; one is booked; it is held.",
        )
        return result.outcome

    async def _write(self, step: MessageStep) -> str:
        attempt = self.progress[step.name].attempt
        occasion = Occasion(
            account=self.start.account,
            contract=self.start.contract,
            step=step.name,
            title=step.title,
            workflow_id=workflow.info().workflow_id,
            attempt=attempt,
            purpose=Purpose.MESSAGE,
            email=step.email,
            personas=step.to,
            review=step.review,
            now=workflow.now(),
        )
        keys = await self.letters.write(occasion, f"Write: {step.title}")
        if keys is None:
            return "failed"
        await workflow.wait_condition(lambda: all(self.letters.is_settled(key) for key in keys))
        sent = sum(self.letters.states[key] is MessageState.SENT for key in keys)
        return f"{sent} of {len(keys)} sent"

    def _wait_of(self, name: str) -> Wait:
        """What a message step waits for: drafts that someone has to read."""
        drafts = [key for key in self.letters.drafts if key.split("/")[1] == name]
        if not drafts:
            return Wait()
        return Wait(
            on=("tam",),
            what=f"the TAM, to read and send {len(drafts)} drafts",
            unblock=f"rapport message approve --account {self.start.account}",
        )

    def _set(self, name: str, **values: object) -> None:
        self.progress[name] = self.progress[name].model_copy(update=values)
        self._stale.add(name)

    def _tell(
        self,
        kind: str,
        *,
        step: str | None = None,
        who: str | None = None,
        about: str | None = None,
        submission: str | None = None,
    ) -> None:
        """Queue an entry for the timeline."""
        self._told += 1
        self._entries.append(
            Entry(
                key=timeline_key(self.start.contract, workflow.info().workflow_id, self._told),
                account=self.start.account,
                at=workflow.now(),
                kind=kind,
                step=step,
                who=who,
                about=about,
                submission=submission,
            )
        )

    async def _project(self) -> None:
        """Write down what is new, in one local activity, and show it in Temporal's UI."""
        for trouble in self.letters.troubles:
            self._tell("message.refused", about=trouble)
        self.letters.troubles.clear()
        stage = plan.current_stage(self.progress)
        if stage is not self.stage:
            self.stage = stage
            workflow.upsert_search_attributes([STAGE.value_set(stage or "done")])
            self._tell("stage.reached", about=stage or "done")
        for name, step in self.progress.items():
            if step.definition.kind == "message" and self._wait_of(name) != self._waits.get(name, Wait()):
                self._stale.add(name)
                self._waits[name] = self._wait_of(name)
        if not self._stale and not self._entries:
            return
        stale, entries = self._stale, tuple(self._entries)
        self._stale, self._entries = set(), []
        workflow.set_current_details(details.onboarding(self.start.account, self.progress))
        projection = Projection(
            account=self.start.account,
            contract=self.start.contract,
            run_id=workflow.info().run_id,
            stage=stage,
            now=workflow.now(),
            ended=not plan.unfinished(self.progress),
            milestones=tuple(self._milestone(name) for name in self.progress if name in stale),
            entries=entries,
        )
        await workflow.execute_local_activity_method(
            Records.project, projection, summary="Write down what happened", **RECORDS
        )

    def _milestone(self, name: str) -> Milestone:
        step = self.progress[name]
        return Milestone(
            step=name,
            position=list(self.progress).index(name),
            title=step.definition.title,
            stage=step.definition.stage,
            kind=step.definition.kind,
            state=step.state,
            attempt=step.attempt,
            due=step.due,
            began=step.began,
            ended=step.ended,
            outcome=step.outcome,
            wait=self._wait_of(name) if step.definition.kind == "message" else None,
        )
