"""The support desk: cases come in by signal, and each is handed to somebody; it never ends, and loses none."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.support_case import Support
    from rapport.model.ids import case_id
    from rapport.model.support_case import (
        Assigned,
        Assigning,
        CaseWord,
        DeskStart,
        DeskState,
        DeskView,
        Escalation,
        Held,
        Load,
        QueuedCase,
    )
    from rapport.model.workflows import SUPPORT_DESK
    from rapport.rules import details, interruption

from workflows.options import RECORDS
from workflows.outcomes import done, told
from workflows.waiting import Alarm

REPEAT: Final = timedelta(minutes=5)
"""How long a case may take to confirm that it has heard; then the desk says it again."""

TOLD_AT_ONCE: Final = 200
"""How many cases are told in one breath; Temporal takes at most 2,000 signals under way."""


@workflow.defn(name=SUPPORT_DESK.name)
class SupportDesk:
    """One desk. Handlers only record; `run` hands out, and says it until each case has heard."""

    @workflow.init
    def __init__(self, start: DeskStart) -> None:
        """What an earlier run has left."""
        state = start.state
        self.start = start
        self.queue = {case.ref: case for case in state.queue}
        self.fresh = dict.fromkeys(self.queue)
        self.owners = dict(state.owners)
        self.unacknowledged = dict(state.unacknowledged)
        self.escalations = list(state.escalations)
        self.taken = state.taken
        self.heard = 0
        self.everyone_anew = False
        self.look_again = Alarm()
        self.looks_again_at: datetime | None = None
        self.repeats = Alarm()
        self.repeats_at: datetime | None = None
        self.say_again: list[str] = []

    @workflow.run
    async def run(self, start: DeskStart) -> None:  # noqa: ARG002 - taken by __init__
        """Turn by turn, until it has heard so much that a new run goes on with what is left."""
        while self.heard < self.start.turnover:
            await self.hand_out()
            await self.say_what_was_not_heard()
            await self.let_engineering_in()
            workflow.set_current_details(details.desk(self.view()))
            await workflow.wait_condition(self._has_something_to_do)
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self.start.model_copy(update={"state": self._state()}))

    # The story

    async def hand_out(self) -> None:
        """Give away all that waits, in one activity, and tell each case."""
        if self._rings(self.looks_again_at) or self.everyone_anew:
            self.fresh = dict.fromkeys(self.queue)
            self.everyone_anew, self.looks_again_at = False, None
        asked = tuple(self.queue[ref] for ref in self.fresh if ref in self.queue)
        self.fresh = {}
        if not asked:
            return
        question = Assigning(desk=self.start.name, waiting=asked, loads=self._loads(), now=workflow.now())
        answer = await done(Support.assign, question, f"Who takes these {len(asked)}?", RECORDS)
        if answer.look_again is not None:
            earlier = self.looks_again_at
            self.looks_again_at = answer.look_again if earlier is None else min(earlier, answer.look_again)
            self.look_again.set(self.looks_again_at, "Somebody who can take what waits is at work")
        await self._tell([word for word in answer.words if self._takes(word)])

    async def say_what_was_not_heard(self) -> None:
        """Repeat what cases have not confirmed: none waits for an owner that it has."""
        if self._rings(self.repeats_at):
            self.repeats_at, self.say_again = None, list(self.unacknowledged)
        again, self.say_again = self.say_again, []
        await self._tell([self.unacknowledged[ref] for ref in again if ref in self.unacknowledged])
        if self.unacknowledged and self.repeats_at is None:
            self.repeats_at = workflow.now() + REPEAT
            self.repeats.set(self.repeats_at, "Say again what was not heard")

    async def let_engineering_in(self) -> None:
        """One case at a time for each team; what is worst goes first and does not queue."""
        granted = interruption.grantable(self.escalations)
        if granted:
            self.escalations = [
                one.model_copy(update={"granted": True}) if one in granted else one for one in self.escalations
            ]
        for one in granted:
            if not await self._signal(one.ref, "engineering_free", one):
                self.escalations = [other for other in self.escalations if other.ref != one.ref]

    # Signals: these record, and `run` acts

    @workflow.signal(name="need", description="A case needs an owner")
    def need(self, case: QueuedCase) -> None:
        """A case comes in, or back. The same turn once more: it has not heard yet."""
        self.heard += 1
        held, queued = self.owners.get(case.ref), self.queue.get(case.ref)
        if held is not None and held.turn >= case.turn:
            word = Assigned(ref=case.ref, turn=held.turn, member=held.member)
            self.unacknowledged.setdefault(case.ref, word)
            self.say_again.append(case.ref)
        elif queued is None or queued.turn < case.turn:
            self.owners.pop(case.ref, None)
            self.unacknowledged.pop(case.ref, None)
            self.queue[case.ref] = case
            self.fresh[case.ref] = None

    @workflow.signal(name="hear", description="A case says what has become of it")
    def hear(self, word: CaseWord) -> None:
        """A case has heard who has it, waits for its customer, is worse than it seemed, or is over."""
        self.heard += 1
        known = self.unacknowledged.get(word.ref)
        if known is not None and (word.over or known.turn <= word.turn):
            del self.unacknowledged[word.ref]
        if word.over:
            self.owners.pop(word.ref, None)
            self.queue.pop(word.ref, None)
            self.escalations = [one for one in self.escalations if one.ref != word.ref]
            return
        changed = {
            name: value for name, value in (("severity", word.severity), ("idle", word.idle)) if value is not None
        }
        if word.ref in self.owners:
            self.owners[word.ref] = self.owners[word.ref].model_copy(update=changed)
        elif word.ref in self.queue and word.severity is not None:
            self.queue[word.ref] = self.queue[word.ref].model_copy(update={"severity": word.severity})
            self.fresh[word.ref] = None

    @workflow.signal(name="escalate", description="A case asks for engineering, or needs it no more")
    def escalate(self, escalation: Escalation) -> None:
        """Engineering is wanted, or free again."""
        self.heard += 1
        others = [one for one in self.escalations if (one.ref, one.number) != (escalation.ref, escalation.number)]
        known = len(others) < len(self.escalations)
        if escalation.over:
            self.escalations = others
        elif not known:
            self.escalations.append(escalation)

    @workflow.signal(name="people_changed", description="Somebody came, left, or is back")
    def people_changed(self) -> None:
        """Look again who can take what waits."""
        self.heard += 1
        self.everyone_anew = bool(self.queue)

    @workflow.query(name="view", description="The desk as it stands")
    def view(self) -> DeskView:
        """Everything there is to see of it."""
        return DeskView(name=self.start.name, state=self._state(runs=self.start.state.runs), heard=self.heard)

    # How it is done

    def _has_something_to_do(self) -> bool:
        return bool(
            self.fresh
            or self.say_again
            or self.everyone_anew
            or self._rings(self.looks_again_at)
            or self._rings(self.repeats_at)
            or interruption.grantable(self.escalations)
            or self.heard >= self.start.turnover
        )

    @staticmethod
    def _rings(at: datetime | None) -> bool:
        return at is not None and at <= workflow.now()

    def _takes(self, word: Assigned) -> bool:
        """Note an answer; say whether the case has to be told of it."""
        case = self.queue.get(word.ref)
        if case is None or case.turn != word.turn:
            # It is over by now, or has asked anew.
            return False
        if word.member is None:
            self.queue[word.ref] = case.model_copy(update={"told": True})
            return not case.told
        del self.queue[word.ref]
        self.owners[word.ref] = Held(member=word.member, severity=case.severity, turn=case.turn)
        self.unacknowledged[word.ref] = word
        self.taken += 1
        return True

    async def _tell(self, words: list[Assigned]) -> None:
        """Tell cases; one that is gone needs nobody any more."""
        for first in range(0, len(words), TOLD_AT_ONCE):
            some = words[first : first + TOLD_AT_ONCE]
            heard = await asyncio.gather(*(self._signal(word.ref, "assigned", word) for word in some))
            for word, there in zip(some, heard, strict=True):
                if not there:
                    self.hear(CaseWord(ref=word.ref, over=True))

    @staticmethod
    async def _signal(ref: str, name: str, word: Assigned | Escalation) -> bool:
        return await told(case_id(ref), name, word)

    def _loads(self) -> dict[str, Load]:
        """What each member has open, as numbers: a thousand cases are a line for each member."""
        busy: dict[str, Counter[int]] = {}
        idle: dict[str, Counter[int]] = {}
        for held in self.owners.values():
            (idle if held.idle else busy).setdefault(held.member, Counter())[held.severity] += 1
        return {
            member: Load(busy=dict(busy.get(member, ())), idle=dict(idle.get(member, ())))
            for member in sorted({*busy, *idle})
        }

    def _state(self, runs: int | None = None) -> DeskState:
        return DeskState(
            queue=tuple(self.queue.values()),
            owners=self.owners,
            unacknowledged=self.unacknowledged,
            escalations=tuple(self.escalations),
            taken=self.taken,
            runs=self.start.state.runs + 1 if runs is None else runs,
        )
