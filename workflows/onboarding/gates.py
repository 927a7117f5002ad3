"""Steps that wait before a gate: asked about when they become due, and again whenever something may have changed."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.gate import Gates, GatesAsked, GatesFound
    from rapport.model.projection import Wait
    from rapport.model.step import Gate
    from rapport.rules import onboarding
    from rapport.rules.gate import GateStanding
    from rapport.rules.todo_template import PASS_THE_GATE

from workflows.onboarding.state import OnboardingState
from workflows.options import PLANNING
from workflows.outcomes import done


class Gating:
    """The part of an onboarding's steps that keeps them back until a review has opened their gate.

    Attributes:
        moved: Whether something was heard by which a gate may have opened, or shut.
    """

    def __init__(self, state: OnboardingState) -> None:
        """Nothing waits yet."""
        self.state = state
        self.moved = False
        self._asked: dict[str, Gate] = {}
        self._shut: dict[Gate, GateStanding] = {}
        self._found: GatesFound | None = None
        self._insists = False

    async def look(self) -> None:
        """Ask about the gates of steps that have become due; a playbook without any pays nothing for them."""
        while True:
            waiting = onboarding.at_gates(self.state.progress, workflow.now())
            self._asked = {name: gate for name, gate in self._asked.items() if waiting.get(name) == gate}
            if not waiting:
                self.moved = False
                self._shut = {}
                return
            if not self.moved and self._asked == waiting:
                return
            self.moved = False
            self._asked = waiting
            question = GatesAsked(
                account=self.state.start.account, gates=tuple(dict.fromkeys(waiting.values())), now=workflow.now()
            )
            found = await done(Gates.look, question, "Are these gates open?", PLANNING)
            self._take(found)

    def _take(self, found: GatesFound) -> None:
        """Hold what is shut, let go what is open, and tell of each that has changed."""
        before = self._shut
        self._shut = {one.gate: one for one in found.standings if not one.open}
        if before != self._shut or self._found is None:
            self._found = found
            self.state.show_anew(self._asked)
        for one in found.standings:
            if one.gate in self._shut and one.gate not in before:
                self.state.timeline.record("gate.shut", about=one.gate)
            elif one.gate not in self._shut and one.needed:
                self.state.timeline.record("gate.open", about=f"{one.gate} {one.review or ''}".strip())
        if self._shut and not self._insists:
            self._insists = True
            self.state.go_on(self._insist())

    @property
    def held(self) -> set[str]:
        """The due steps that do not begin before a gate is open."""
        waiting = onboarding.at_gates(self.state.progress, workflow.now())
        return {name for name, gate in waiting.items() if self._asked.get(name) != gate or gate in self._shut}

    @property
    def waits(self) -> dict[str, Wait]:
        """What those steps wait for, by step."""
        waiting = onboarding.at_gates(self.state.progress, workflow.now())
        return {
            name: Wait(
                on=self._shut[gate].on,
                what=f"the {gate} gate: {self._shut[gate].why}",
                unblock=self._shut[gate].unblock,
                deadline=self._found.given_until if self._found is not None else None,
            )
            for name, gate in waiting.items()
            if gate in self._shut
        }

    async def _insist(self) -> None:
        """Have the TAM see to the review, as often as it takes; only the gate itself lets a step begin."""
        while not self._is_over():
            assert self._found is not None
            first, wait = next(iter(self.waits.items()))
            await self.state.todo(PASS_THE_GATE, first, wait.unblock).see_to(self._found.insist, self._is_over)
            if not self._is_over():
                # Asked anew: also what nobody has told, such as a review of another path, is seen then.
                self._found = None
                self.moved = True
                self.state.wake()
                await workflow.wait_condition(lambda: self._is_over() or self._found is not None)
        self._insists = False

    def _is_over(self) -> bool:
        """Whether nothing waits any more; a step that somebody has ended meanwhile does not."""
        return not self._shut or not self.waits
