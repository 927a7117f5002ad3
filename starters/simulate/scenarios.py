"""What people do in a simulated life. They read their mail and answer it as everyone does: through the use cases."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import ClassVar, Final, TypeVar

from rapport.mail import compose, outbox
from rapport.mail.outbox import Message
from rapport.model.account import CHAMPION
from rapport.model.base import UserError
from rapport.model.task import TaskPhase
from rapport.rules import calendar
from rapport.storage import access, account
from starters.services import Actor
from starters.simulate.life import Life, Scenario
from starters.use_cases import meeting, message, task
from starters.use_cases.message import Edit
from starters.views.task import OptionShown

T = TypeVar("T")

_LINK: Final = re.compile(r"/m/([\w-]+)")


async def _try(doing: Awaitable[T]) -> T | None:
    """Do something, and take a no for an answer: what another did meanwhile need not be done again."""
    try:
        return await doing
    except UserError:
        return None


def _reason(option: OptionShown) -> str | None:
    return "It is the best way" if option.needs_reason else None


class NobodyAnswers:
    """Nobody does anything, ever."""

    says = "nobody answers"
    looks: tuple[time, ...] = ()

    async def act(self, life: Life) -> None:
        """Nothing."""


@dataclass
class Smooth:
    """Everyone does what they are asked to within a day.

    Attributes:
        visits: The personal links that contacts will follow: when, whose, and the token.
    """

    says: str = "everyone answers within a day"
    looks: tuple[time, ...] = (time(9, 37), time(12, 37), time(15, 37))
    visits: list[tuple[datetime, str, str]] = field(default_factory=list)

    PATIENCE: ClassVar = {CHAMPION: timedelta(hours=2), "key_business_contact": timedelta(hours=22)}
    """How long a mail lies; with everyone else, half a working day."""

    async def act(self, life: Life) -> None:
        """Mail is read, links are followed, drafts are sent, tasks are decided, and meetings were held."""
        if not self.visits and not await life.has_news():
            return
        # Addresses are the same in each run; ids are not.
        for mail in sorted(await life.new_mails(), key=lambda mail: (mail.settled_at, mail.address)):
            await self._read(life, mail)
        due = [visit for visit in self.visits if visit[0] <= life.now]
        self.visits = [visit for visit in self.visits if visit[0] > life.now]
        for _, person, token in due:
            await self._follow(life, person, token)
        await self._send_drafts(life)
        await self._decide(life)

    async def _read(self, life: Life, mail: Message) -> None:
        if mail.person == life.tam.id:
            if mail.email == "meeting_report":
                await _try(meeting.report(life.services, life.account, mail.step, "held", life.acting_tam))
            elif mail.email == "meeting_stuck":
                start = calendar.add_business_days(life.now, 3, life.tam.schedule)
                start = calendar.next_working_instant(start.replace(minute=0), life.tam.schedule)
                await _try(meeting.book(life.services, life.account, mail.step, start, life.acting_tam, anyway=True))
            return
        async with life.services.store.reading() as connection:
            raw = await outbox.raw(connection, mail.key)
            known = {one.id: one for one in await account.contacts(connection, life.account)}
        link = _LINK.search(compose.readable(raw)["text"]) if raw is not None else None
        contact = known.get(mail.person)
        if contact is not None and link is not None:
            lies = self.PATIENCE.get(contact.personas[0], timedelta(hours=4))
            self.visits.append((life.now + lies, contact.id, link[1]))

    async def _follow(self, life: Life, person: str, token: str) -> None:
        """Do what the page behind a link asks for, if it still does."""
        if not await task.is_task(life.services, token):
            await self._vote(life, person, token)
            return
        link = await _try(task.by_link(life.services, token))
        if link is not None and not link.superseded and link.decided is None and link.task.phase is TaskPhase.OPEN:
            who, option = Actor(email=link.reader, channel="link"), link.task.options[0]
            await _try(task.decide(life.services, link.task.task, option.id, who, _reason(option), link.round))

    async def _vote(self, life: Life, person: str, token: str) -> None:
        """Say which of the times lie in one's own working day, if anybody still asks."""
        poll = await _try(meeting.poll(life.services, token))
        if poll is None or poll.stale or poll.answered or poll.booked is not None or not poll.slots:
            return
        async with life.services.store.reading() as connection:
            contacts = {one.id: one.schedule for one in await account.contacts(connection, life.account)}
            link = await access.find_link(connection, token)
        slots = tuple(
            slot.id
            for slot in poll.slots
            if any(
                window.start <= slot.start and slot.end <= window.end
                for window in calendar.working_windows(contacts[person], slot.start.date(), slot.end.date())
            )
        )
        if link is not None and await _try(meeting.vote_by_link(life.services, token, slots, None)) is not None:
            # Whoever looks next finds the meeting booked, if that was the vote that it took.
            await life.settle(link.workflow_id)

    async def _send_drafts(self, life: Life) -> None:
        drafts = await message.drafts(life.services, life.account)
        for draft in drafts:
            if draft.to_write and draft.paragraph is None:
                word = Edit(paragraph="Write to me whenever something is in the way.")
                await _try(message.edit(life.services, draft.key, word, life.acting_tam))
        if drafts:
            await _try(message.release(life.services, tuple(draft.key for draft in drafts), life.acting_tam))

    async def _decide(self, life: Life) -> None:
        """Whichever member is asked says what is wanted, or takes the first option."""
        anyone = Actor(email="", channel="cli")
        if await task.waiting(life.services, anyone) == 0:
            return
        async with life.services.store.reading() as connection:
            members = {member.email for member in await account.members(connection)}
        for line in (await task.inbox(life.services, anyone)).mine:
            email = next((address for address in line.assignees if address in members), None)
            if email is None:
                # It waits for a contact, who has a link of their own.
                continue
            who = Actor(email=email, channel="page")
            if line.phase is TaskPhase.PREPARING:
                asks = (await task.show(life.services, line.task)).asks
                await _try(task.request(life.services, line.task, dict.fromkeys(asks, "As agreed"), who))
            elif line.phase is TaskPhase.OPEN:
                option = line.options[0]
                await _try(task.decide(life.services, line.task, option.id, who, _reason(option)))


SCENARIOS: Final[dict[str, Callable[[], Scenario]]] = {"smooth": Smooth, "nobody_answers": NobodyAnswers}
