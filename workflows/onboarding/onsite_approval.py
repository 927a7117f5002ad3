"""Where a meeting is held: on site once that is approved, also when the yes comes late."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.ids import meeting_id
    from rapport.model.meeting import Venue
    from rapport.model.step import MeetingStep, Onsite
    from rapport.model.task import LateDecision
    from rapport.rules.onboarding import StepState
    from rapport.rules.todo_template import CONVERT

from workflows.onboarding.state import OnboardingState
from workflows.outcomes import told


class OnsiteApproval:
    """The part of an onboarding's steps that knows which meetings are held on site."""

    def __init__(self, state: OnboardingState) -> None:
        """Nothing is approved yet."""
        self.state = state
        self._late: list[LateDecision] = []
        self._failed: set[str] = set()
        self._told_of_failure: set[tuple[str, int]] = set()
        self._offered: set[str] = set()

    def was_onsite(self, name: str) -> bool:
        """Whether a meeting was held on site, and so took in those that are merged into it."""
        meeting = self.state.progress[name]
        held = meeting.state is StepState.DONE and meeting.outcome == "held"
        return held and isinstance(meeting.definition, MeetingStep) and self.is_onsite(meeting.definition) is True

    def is_onsite(self, step: MeetingStep) -> bool | None:
        """Whether a meeting is held on site by the approval that it may have; nothing while that is open."""
        if step.onsite is None:
            return False
        approval = self.state.progress[step.onsite.approval]
        return approval.outcome == step.onsite.outcome if approval.state.ended else None

    async def tell(self, approval: str, outcome: str | None) -> None:
        """Tell the meetings that wait for an approval what came of it."""
        self._failed.discard(approval)
        for name, onsite in self._approved_by(approval):
            await self._settle(name, Venue(onsite=outcome == onsite.outcome))

    def hear_of_failure(self, approval: str) -> None:
        """Take it that nothing came of an approval yet: what does is said by whoever decides on a step that failed."""
        self._failed.add(approval)

    async def tell_of_failures(self) -> None:
        """Have the meetings that wait for a failed approval wait on, until somebody has ended it in another way."""
        for approval in sorted(self._failed):
            step = self.state.progress.get(approval)
            if step is None or step.state.ended:
                await self.tell(approval, step.outcome if step is not None else None)
            elif step.state is StepState.FAILED:
                for name, _ in self._approved_by(approval):
                    told_of = (name, self.state.progress[name].attempt)
                    if told_of not in self._told_of_failure and await self._settle(
                        name, Venue(onsite=False, open=True)
                    ):
                        self._told_of_failure.add(told_of)

    def _approved_by(self, approval: str) -> list[tuple[str, Onsite]]:
        """The running meetings that are held on site if this is approved."""
        return [
            (name, step.definition.onsite)
            for name, step in self.state.progress.items()
            if step.state is StepState.RUNNING
            and isinstance(step.definition, MeetingStep)
            and step.definition.onsite is not None
            and step.definition.onsite.approval == approval
        ]

    def hear_late(self, decision: LateDecision) -> None:
        """Take a decision that came after its task was closed; it changes nothing by itself."""
        self._late.append(decision)
        self.state.wake()

    def offer_conversions(self) -> None:
        """A late yes offers the TAM a conversion, once; the meeting never switches by itself."""
        late, self._late = self._late, []
        for decision in late:
            approval = self.state.progress.get(decision.step)
            for name, onsite in self._approved_by(decision.step):
                was_denied = approval is not None and approval.outcome != onsite.outcome
                if was_denied and decision.option == onsite.outcome and name not in self._offered:
                    self._offered.add(name)
                    self.state.timeline.record("meeting.conversion_offered", step=name)
                    self.state.go_on(self._offer_conversion(name))

    async def _offer_conversion(self, name: str) -> None:
        todo = self.state.todo(CONVERT, name, None)
        result = await todo.put(lambda: self.state.progress[name].state is not StepState.RUNNING)
        if result is not None and result.outcome == "convert":
            await self._settle(name, Venue(onsite=True, chosen=True))

    async def _settle(self, name: str, venue: Venue) -> bool:
        """Tell a meeting that waits for it whether it is held on site; one that has ended meanwhile is no error."""
        attempt = self.state.progress[name].attempt
        return await told(meeting_id(self.state.scope, name, attempt), "settle", venue)
