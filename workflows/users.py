"""What a playbook does for each user: to-dos of their own, and mails that wait until enough is known of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.tasks import Knowing, Known, Tasks
    from rapport.model.people import Fact
    from rapport.model.playbook import MessageStep, TaskStep
    from rapport.model.records import Wait
    from rapport.policy import details, todos

from workflows.options import PLANNING

if TYPE_CHECKING:
    from workflows.steps import Steps


class Users:
    """The part of an onboarding's steps that looks at people one by one."""

    def __init__(self, steps: Steps) -> None:
        """Nothing is known yet."""
        self.steps = steps

    async def ask_about_each(self, step: TaskStep, persona: str) -> str:
        """Put the same question once for everyone of a persona; give how many came to its first option."""
        everyone = await self._known((persona,))
        self._wait(step.name, details.roles(step.assign), step.question)
        definition = step.definition()
        results = await asyncio.gather(
            *(self.steps.ask_people(step, definition, about=one.contact) for one in everyone)
        )
        self.steps.keep_waiting(step.name, None)
        first = definition.options[0].id
        return f"{sum(result.outcome == first for result in results)} of {len(results)} {first}"

    async def write_to_those_known(self, step: MessageStep) -> str:
        """Write to those of whose work enough is known; have the TAM find out the rest, and write then."""
        everyone = await self._known(step.to, step.needs)
        known = tuple(one.contact for one in everyone if not one.missing)
        unknown = [one for one in everyone if one.missing]
        if unknown:
            self._wait(step.name, ("tam",), "the TAM, to find out what the mails need")
        at_once = [self._see_off(step, self.steps.write_mails(step, to=known))] if known else []
        later = [self._write_once_known(step, one, occurrence) for occurrence, one in enumerate(unknown, 2)]
        written = await asyncio.gather(*at_once, *later)
        if unknown:
            self.steps.keep_waiting(step.name, None)
        if written and all(some is None for some in written):
            return "failed"
        keys = tuple(key for some in written for key in some or ())
        told = await self.steps.told_of(step.name, keys)
        left_out = len(everyone) - len(keys)
        return f"{told}, {left_out} not written" if left_out > 0 else told

    async def _write_once_known(self, step: MessageStep, reader: Known, occurrence: int) -> tuple[str, ...] | None:
        """Have the TAM find out what a mail needs; then write it. Nothing known, nothing written."""
        result = await self.steps.ask_people(step, todos.finding_out(reader.missing), about=reader.contact)
        if result.outcome != todos.FOUND:
            return ()
        return await self._see_off(step, self.steps.write_mails(step, to=(reader.contact,), occurrence=occurrence))

    async def _see_off(
        self, step: MessageStep, writing: asyncio.Task[tuple[str, ...] | None]
    ) -> tuple[str, ...] | None:
        """Wait until mails have gone, or were kept from it; drafts do not wait for what others have to find out."""
        keys = await writing
        if keys:
            await self.steps.told_of(step.name, keys)
        return keys

    async def _known(self, personas: tuple[str, ...], facts: tuple[Fact, ...] = ()) -> tuple[Known, ...]:
        """Everyone of some personas, with what is not known of their work."""
        question = Knowing(account=self.steps.start.account, personas=personas, facts=facts)
        answer = await workflow.execute_local_activity_method(
            Tasks.known, question, summary="Who are they, and what is known of their work?", **PLANNING
        )
        return answer.contacts

    def _wait(self, name: str, on: tuple[str, ...], what: str) -> None:
        self.steps.keep_waiting(name, Wait(on=on, what=what, unblock="rapport inbox", since=workflow.now()))
