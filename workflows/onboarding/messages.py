"""The mails of a playbook's message steps: written, read by whoever has to, sent, and what is waited for meanwhile."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.commands import reading_drafts
    from rapport.model.ids import step_of
    from rapport.model.message import MessageRequest, MessageState, Purpose
    from rapport.model.projection import Projection, Wait
    from rapport.model.step import MessageStep
    from rapport.rules.onboarding import StepState
    from rapport.rules.todo_template import INSISTING, READ_DRAFTS

from workflows.onboarding.state import OnboardingState
from workflows.onboarding.vacancies import Vacancies
from workflows.outcomes import REFUSED, Denied
from workflows.waiting import followed_up

UNWRITTEN: Final = Denied(REFUSED, "a mail cannot be written")


class StepMails:
    """The part of an onboarding's steps that writes mails.

    Attributes:
        waits: What message steps wait for, and those that say so until they take it back, by step.
    """

    def __init__(self, state: OnboardingState, vacancies: Vacancies) -> None:
        """Nothing is written yet."""
        self.state = state
        self.vacancies = vacancies
        self.waits: dict[str, Wait] = {}
        self._kept_waits: set[str] = set()

    def write(
        self, step: MessageStep, news: Projection | None = None, to: tuple[str, ...] = (), occurrence: int = 1
    ) -> asyncio.Task[tuple[str, ...] | None]:
        """Have mails of a step written: to everyone of its personas, or to some of them; it begins at once."""
        reviewed = (self.state.start.review or step.review) != "auto"
        occasion = MessageRequest(
            account=self.state.start.account,
            contract=self.state.start.contract,
            step=step.name,
            title=step.title,
            workflow_id=workflow.info().workflow_id,
            attempt=self.state.progress[step.name].attempt,
            occurrence=occurrence,
            purpose=Purpose.MESSAGE,
            email=step.email,
            to=to,
            personas=() if to else step.to,
            review=step.review,
            now=workflow.now(),
            news=news,
        )
        return self.state.messages.write(occasion, f"Write: {step.title}", reviewed=reviewed, insists=False)

    async def sent(self, step: MessageStep, writing: asyncio.Task[tuple[str, ...] | None]) -> str | Denied:
        """How many of a step's mails have gone, in words; also of those to whoever follows a reader who has left."""
        keys = await writing
        if keys is None:
            return UNWRITTEN
        told = await self.told_of(step.name, keys)
        # Whoever follows those who left before their mail went gets one; those who had theirs get no other.
        while self.state.messages.departed & set(keys) and await self.goes_on(step.name):
            self.state.messages.departed -= set(keys)
            keys = await self.write(step) or keys
            told = await self.told_of(step.name, keys)
        return told

    async def goes_on(self, name: str) -> bool:
        """Wait until nobody is missing; whether the step still runs then."""

        def runs() -> bool:
            return self.state.progress[name].state is StepState.RUNNING

        await workflow.wait_condition(lambda: not self.vacancies.needed_by(name) or not runs())
        return runs()

    async def told_of(self, name: str, keys: tuple[str, ...]) -> str:
        """How many of these mails have gone, in words, once each was sent, suppressed, or has failed."""
        await self._have_read(name, keys)
        await self.state.messages.all_settled(keys)
        sent = sum(self.state.messages.states[key] is MessageState.SENT for key in keys)
        joined = sum(key in self.state.messages.joined for key in keys)
        return f"{sent} of {len(keys)} sent" + (f", {joined} with another mail" if joined else "")

    async def _have_read(self, name: str, keys: tuple[str, ...]) -> None:
        """See to it that somebody reads the drafts of a step; nobody's silence sends one."""

        def unread() -> tuple[str, ...]:
            return tuple(key for key in self.state.messages.drafts if key in keys)

        if not unread():
            return
        insist, due = await self._patience(unread())
        self.waits[name] = self._wait_for_the_tam(due)
        self.state.show_anew([name])
        todo = self.state.todo(READ_DRAFTS, name, self._drafts)
        result = await todo.see_to(insist, lambda: not unread())
        if result is not None:
            self.state.messages.release_by(result, unread())

    async def _patience(self, drafts: tuple[str, ...]) -> tuple[datetime, datetime]:
        """When somebody is asked once more to read drafts, and by when that is due."""
        known = [self.state.messages.unread.pop(key) for key in drafts if key in self.state.messages.unread]
        if known:
            return known[0]
        # Some of them were written by an attempt that nobody heard of.
        insist, due = await followed_up(self.state.start.account, INSISTING, "When is this followed up?")
        return insist, due

    def keep_waiting(self, name: str, wait: Wait | None) -> None:
        """Say what a step waits for, until that is taken back."""
        if wait is None:
            self._kept_waits.discard(name)
            self.waits.pop(name, None)
        else:
            self._kept_waits.add(name)
            self.waits[name] = wait
        self.state.show_anew([name])

    @property
    def _drafts(self) -> str:
        return reading_drafts(self.state.start.account)

    def _wait_for_the_tam(self, deadline: datetime) -> Wait:
        return Wait(
            on=("tam",),
            what="the TAM, to read and send the drafts",
            unblock=self._drafts,
            deadline=deadline,
            since=workflow.now(),
        )

    def look(self) -> None:
        """Learn which message steps wait for nobody any more, and which for their readers' working time."""
        drafted = {step_of(key) for key in self.state.messages.drafts} | self._kept_waits
        scheduled = {step_of(key): at for key, at in self.state.messages.scheduled.items()}
        for name in [name for name in self.waits if name not in drafted and name not in scheduled]:
            del self.waits[name]
            self.state.tell_anew([name])
        for name, at in scheduled.items():
            wait = Wait(what="the working time of those who get it", deadline=at)
            if name in self.state.progress and name not in drafted and self.waits.get(name) != wait:
                self.waits[name] = wait
                self.state.tell_anew([name])
