"""The lifecycle of an account, from the signed contract to a steady cadence."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.projection import Projections
    from rapport.model.meeting import Receipt
    from rapport.model.onboarding import MilestoneView, OnboardingResult, OnboardingStart, OnboardingView
    from rapport.model.operation import Operation
    from rapport.model.projection import Projection
    from rapport.model.step import Stage
    from rapport.model.task import LateDecision
    from rapport.rules import onboarding, operation as operations
    from rapport.rules.playbook_migration import Plan

from workflows.base import AccountWorkflow
from workflows.onboarding.state import OnboardingState
from workflows.onboarding.steps import Steps
from workflows.outcomes import beside, told
from workflows.projection import Projector
from workflows.words import checks, takes


@workflow.defn(name="Onboarding")
class Onboarding(AccountWorkflow):
    """Reaches its stages one after the other; the playbook says by which steps."""

    @workflow.init
    def __init__(self, start: OnboardingStart) -> None:
        """Nothing has begun."""
        super().__init__(start.account)
        self.start = start
        self.steps = Steps(OnboardingState(start, self))
        self.timeline = self.steps.state.timeline
        self.projector = Projector(Projections.project, self.steps.gather, self.steps.details, self.steps.take_back)

    @workflow.run
    async def run(self, start: OnboardingStart) -> OnboardingResult:  # noqa: ARG002 - taken by __init__
        """Carry the account through its stages."""
        self.timeline.record("onboarding.started", about=self.start.playbook.name)
        if self.start.unheld:
            self.timeline.record("account.without", about=",".join(self.start.unheld))
        if self.start.renews is not None:
            await told(self.start.renews, "renewed")
        driving = beside(self.write_down())
        await self.reach(Stage.WELCOME)
        await self.reach(Stage.KICKOFF)
        await self.reach(Stage.TRAINING_PLAN)
        await self.reach(Stage.ROLLOUT)
        await self.reach(Stage.CADENCE)
        await driving
        await self.all_over()
        return OnboardingResult(outcomes={name: step.outcome or "" for name, step in self.steps.state.progress.items()})

    def pending_projection(self) -> Projection | None:
        """What its steps have to tell SQL, for an activity that does something anyway to take along."""
        return self.projector.take()

    async def write_down(self) -> None:
        """Do what is due for its steps, write down what is new, and wait for either, until all have ended."""
        while self.has_news:
            self.changed = False
            await self.words.all_known()
            await self.steps.take_turn()
            await self.messages.carry_out_releases()
            await self.projector.write()
            if self.steps.are_unfinished:
                await workflow.wait_condition(lambda: self.changed or self.steps.is_due)

    @property
    def has_news(self) -> bool:
        """Whether anything is to be told or done, also for a step."""
        return super().has_news or self.steps.has_more

    async def reach(self, stage: Stage) -> None:
        """A stage is reached when its steps have ended. Stages hold no step back; `after` does."""
        await workflow.wait_condition(lambda: onboarding.reached(stage, self.steps.state.progress))

    def _judge_operation(self, operation: Operation) -> str | None:
        return operations.judge(self.steps.state.progress, operation)

    @workflow.update(name="operate", description="Pause, resume, skip, redo, complete, adopt, cancel")
    @takes(_judge_operation)
    def operate(self, operation: Operation) -> Receipt:
        """A member's word on the whole; the same again changes nothing."""
        return self.steps.operate(operation)

    operate.validator(checks(_judge_operation))

    @workflow.signal(name="late_decision", description="A decision that came after its task was closed")
    def late_decision(self, decision: LateDecision) -> None:
        """Offer a person to act on a decision that came too late, which stands on record as late."""
        self.steps.hear_late(decision)

    @workflow.signal(name="people_changed", description="Somebody came, left or took over")
    def people_changed(self) -> None:
        """Look again whether everybody is there."""
        self.steps.hear_of_people()

    @workflow.signal(name="renewed", description="The contract is renewed by another one")
    def renewed(self) -> None:
        """End what was to prepare the renewal."""
        self.steps.hear_of_renewal()

    @workflow.signal(name="gates_changed", description="A review was decided, or what is known of the account changed")
    def gates_changed(self) -> None:
        """Look again whether the gates are open that steps wait for."""
        self.steps.hear_of_gates()

    @workflow.query(name="plan", description="The account's steps with their definitions")
    def plan(self) -> Plan:
        """The plan that the account follows; what adopting another playbook would change is told from it."""
        return Plan(
            contract=self.start.contract,
            playbook=self.steps.state.playbook.name,
            version=self.steps.state.playbook.version,
            paused_at=self.paused_at,
            began=self.steps.state.began,
            ends=self.start.ends,
            steps=self.steps.state.progress,
        )

    @workflow.query(name="view", description="The account's onboarding as it stands")
    def view(self) -> OnboardingView:
        """The stage and the state of each step."""
        return OnboardingView(
            account=self.start.account,
            contract=self.start.contract,
            stage=self.steps.told_stage,
            paused=self.steps.state.is_paused,
            paused_at=self.paused_at,
            milestones=tuple(
                MilestoneView(
                    step=name,
                    title=step.definition.title,
                    stage=step.definition.stage,
                    state=step.state,
                    at=step.ended or step.began or step.due,
                    outcome=step.outcome,
                )
                for name, step in self.steps.state.progress.items()
            ),
        )
