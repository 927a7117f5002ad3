"""What a playbook does for each user: to-dos of their own, and mails that wait until enough is known of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.task import Knowing, KnownFacts, Tasks
    from rapport.model.account import Fact
    from rapport.model.ids import person_of
    from rapport.model.message import MessageState
    from rapport.model.projection import Wait
    from rapport.model.step import MessageStep, TaskStep
    from rapport.model.task import TaskResult
    from rapport.rules import details, todo

from workflows.onboarding.children import ChildWorkflows
from workflows.onboarding.messages import UNWRITTEN, StepMails
from workflows.onboarding.state import OnboardingState
from workflows.options import PLANNING
from workflows.outcomes import Denied, beside, done


class Mailing:
    """One step's mails to those who are known.

    Attributes:
        readers: Whom it has seen to.
        owed_to: Those of them who left without a mail; `owed` counts those in whose place nobody has come yet.
        unasked: Why nobody could be asked what a mail needs, if so.
        looks: Whether somebody is just finding out who is there; `looked` once that is done.
    """

    def __init__(self, step: MessageStep) -> None:
        """Nothing is written yet."""
        self.step = step
        self.readers: set[str] = set()
        self.keys: tuple[str, ...] = ()
        self.work: list[asyncio.Task[tuple[str, ...] | None]] = []
        self.owed_to: set[str] = set()
        self.owed = 0
        self.unasked: Denied | None = None
        self.looks = False
        self.looked = False
        self._occurrence = 0

    @property
    def is_done(self) -> bool:
        """Whether everyone has been seen to."""
        return all(work.done() for work in self.work) and not self.looked

    def next_occurrence(self) -> int:
        """Counts what is written, so that each has its key."""
        self._occurrence += 1
        return self._occurrence


class PerContactSteps:
    """The part of an onboarding's steps that looks at people one by one."""

    def __init__(self, state: OnboardingState, children: ChildWorkflows, mails: StepMails) -> None:
        """Nothing is known yet."""
        self.state = state
        self.children = children
        self.mails = mails
        self._mailings: dict[str, Mailing] = {}
        self._gone: dict[str, tuple[str, ...]] = {}
        self._answers: dict[str, dict[str, TaskResult]] = {}

    async def ask_about_each(self, step: TaskStep, persona: str) -> str | Denied:
        """Put the same question once for everyone of a persona; give how many came to its first option.

        Where that fails for one of them and the step is done again, nobody's question is put again that was answered.
        """
        answers = self._answers.pop(step.name, {})
        everyone = [one for one in await self._known((persona,)) if one.contact not in answers]
        self._wait(step.name, details.roles(step.assign), step.question)
        definition = step.definition()
        results = await asyncio.gather(
            *(self.children.ask_people(step, definition, about=one.contact) for one in everyone)
        )
        self.mails.keep_waiting(step.name, None)
        for one, result in zip(everyone, results, strict=True):
            if not isinstance(result, Denied):
                answers[one.contact] = result
        for result in results:
            if isinstance(result, Denied):
                self._answers[step.name] = answers
                return result
        first = definition.options[0].id
        return f"{sum(one.outcome == first for one in answers.values())} of {len(answers)} {first}"

    async def write_to_those_known(self, step: MessageStep) -> str | Denied:
        """Write to those of whose work enough is known; have the TAM find out the rest, and write then.

        Whoever follows somebody who left before their mail went is seen to like everyone else. Where one mail cannot be
        written and the step is done again, nobody who has theirs gets another.
        """
        mailing = self._mailings[step.name] = Mailing(step)
        mailing.keys = self._gone.pop(step.name, ())
        mailing.readers.update(map(person_of, mailing.keys))
        self._see_to(mailing, await self._known(step.to, step.needs))
        while mailing.looks or not mailing.is_done:
            await workflow.wait_condition(lambda: mailing.looked or (mailing.is_done and not mailing.looks))
            if mailing.looked:
                await self._see_to_successors(mailing)
        del self._mailings[step.name]
        self.mails.keep_waiting(step.name, None)
        written = [work.result() for work in mailing.work]
        if any(some is None for some in written):
            states = self.state.messages.states
            self._gone[step.name] = tuple(key for key in mailing.keys if states.get(key) is MessageState.SENT)
            return mailing.unasked or UNWRITTEN
        keys = tuple(key for key in mailing.keys if person_of(key) not in mailing.owed_to)
        told = await self.mails.told_of(step.name, keys)
        left_out = len(mailing.readers - mailing.owed_to) - len(keys)
        return f"{told}, {left_out} not written" if left_out > 0 else told

    def hear_of_people(self) -> None:
        """Take the word that people came or left: no step ends until it has been looked who is there."""
        for mailing in self._mailings.values():
            mailing.looks = True

    def look_again(self) -> None:
        """Have each step that writes to those known look who is there; it is known by now if anybody is missing."""
        for mailing in self._mailings.values():
            mailing.looked, mailing.looks = True, False

    def _see_to(self, mailing: Mailing, everyone: Sequence[KnownFacts]) -> None:
        """Begin to write to those who have not been seen to."""
        step = mailing.step
        new = [one for one in everyone if one.contact not in mailing.readers]
        mailing.readers.update(one.contact for one in new)
        known = tuple(one.contact for one in new if not one.missing)
        unknown = [one for one in new if one.missing]
        if unknown:
            self._wait(step.name, ("tam",), "the TAM, to find out what the mails need")
        if known:
            writing = self.mails.write(step, to=known, occurrence=mailing.next_occurrence())
            mailing.work.append(beside(self._see_off(mailing, writing)))
        for one in unknown:
            work = self._write_once_known(mailing, one, mailing.next_occurrence())
            mailing.work.append(beside(work))

    async def _see_to_successors(self, mailing: Mailing) -> None:
        """Look who has left without a mail, and write to those who are new in their place."""
        mailing.looked = False
        there = {one.contact for one in await self._known(mailing.step.to)}
        for reader in sorted(mailing.readers - there - mailing.owed_to):
            if not self._has_theirs(mailing, reader):
                mailing.owed_to.add(reader)
                mailing.owed += 1
                await self.children.withdraw(mailing.step.name, reader)
        if mailing.owed and await self.mails.goes_on(mailing.step.name):
            before = len(mailing.readers)
            self._see_to(mailing, await self._known(mailing.step.to, mailing.step.needs))
            mailing.owed = 0 if len(mailing.readers) > before else mailing.owed

    def _has_theirs(self, mailing: Mailing, reader: str) -> bool:
        states = self.state.messages.states
        return any(person_of(key) == reader and states.get(key) is MessageState.SENT for key in mailing.keys)

    async def _write_once_known(self, mailing: Mailing, reader: KnownFacts, occurrence: int) -> tuple[str, ...] | None:
        """Have the TAM find out what a mail needs; then write it. Nothing known, nothing written."""
        step = mailing.step
        result = await self.children.ask_people(step, todo.finding_out(reader.missing), about=reader.contact)
        if isinstance(result, Denied):
            mailing.unasked = result
            return None
        if result.outcome != todo.FOUND:
            return ()
        writing = self.mails.write(step, to=(reader.contact,), occurrence=occurrence)
        return await self._see_off(mailing, writing)

    async def _see_off(self, mailing: Mailing, writing: asyncio.Task[tuple[str, ...] | None]) -> tuple[str, ...] | None:
        """Wait until mails have gone, or were kept from it; drafts do not wait for what others have to find out."""
        keys = await writing
        if keys:
            mailing.keys += keys
            await self.mails.told_of(mailing.step.name, keys)
        return keys

    async def _known(self, personas: tuple[str, ...], facts: tuple[Fact, ...] = ()) -> tuple[KnownFacts, ...]:
        """Everyone of some personas, with what is not known of their work."""
        question = Knowing(account=self.state.start.account, personas=personas, facts=facts)
        answer = await done(Tasks.known, question, "Who are they, and what is known of their work?", PLANNING)
        return answer.contacts

    def _wait(self, name: str, on: tuple[str, ...], what: str) -> None:
        self.mails.keep_waiting(name, Wait(on=on, what=what, unblock="rapport inbox", since=workflow.now()))
