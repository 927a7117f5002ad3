"""Calendar arithmetic: everything that depends on zones, holidays and calendars, answered as UTC instants.

It is done here and not in workflows, so that an update of the zone or holiday data can never break a replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from rapport import outgoing
from rapport.mail import feed
from rapport.mail.context import AccountContext
from rapport.model.account import Member, Schedule
from rapport.model.base import Instant, WireModel
from rapport.model.meeting import COLLEAGUE, Booking, Colleagues, Invitee, Nudge, Proposal, Slot
from rapport.model.projection import HeldHour
from rapport.model.step import AdHocMeeting, AnyMeeting, Offset
from rapport.rules import audience, calendar, onsite, operation, quorum
from rapport.rules.calendar import Interval, Party
from rapport.rules.hour import closed
from rapport.rules.todo_template import TODO_DAYS
from rapport.storage import account as accounts, hour, task as tasks
from rapport.storage.database import Store

FEED_LIMIT: Final = 5_000_000
FEED_TIMEOUT: Final = 10.0
FEED_ATTEMPTS: Final = 5


class WaitEnds(WireModel):
    """When do these waits end? Each is a step's name, its offset, and the instant it counts from.

    Attributes:
        ahead: Those that count backwards, each from an instant that is still to come.
    """

    account: str
    waits: tuple[tuple[str, str, Instant], ...]
    ahead: tuple[tuple[str, str, Instant], ...] = ()


class DueInstants(WireModel):
    """When each step becomes due, by its name."""

    due: dict[str, Instant]


class Propose(WireModel):
    """Which times can be offered for a meeting, in this round?

    Attributes:
        opens: The first day that is wanted, where that is further away than the step itself asks.
    """

    account: str
    step: AnyMeeting
    round: int
    now: Instant
    without_calendar: bool = False
    opens: Instant | None = None
    colleagues: Colleagues | None = None


class Reopen(WireModel):
    """The proposal goes out only now: until when is the vote open, and when are people reminded?"""

    account: str
    step: AnyMeeting
    proposal: Proposal
    now: Instant


class Confirm(WireModel):
    """Is whoever holds it still free at this time: the TAM, where nobody is named?

    Attributes:
        without_calendar: Whether their calendar is left out, as nobody can read it.
        travel: How many days before and after it they travel.
    """

    account: str
    booking: Booking
    host: str | None = None
    without_calendar: bool = False
    travel: int = 0


class Gather(WireModel):
    """Who takes part in a meeting by now, after people came or went?

    Attributes:
        proposal: What stands; nothing while no times were ever found.
        booked: When it takes place, where that is settled.
        voting: Whether people are asked for answers at present.
    """

    account: str
    step: AnyMeeting
    proposal: Proposal | None
    booked: Instant | None
    voting: bool
    now: Instant


class Gathered(WireModel):
    """Who takes part in a meeting by now.

    Attributes:
        proposal: Its proposal with its people now; where somebody new has to answer, with the voting period from now.
        vacant: The personas that nobody has, and for which it waits.
        anew: Whether other times are needed: too few of these are left for those who are new.
        ask_again: Until when a successor should be named.
    """

    proposal: Proposal | None
    vacant: tuple[str, ...]
    anew: bool = False
    ask_again: Instant


class VacanciesAsked(WireModel):
    """Which personas does nobody at an account have?"""

    account: str
    now: Instant


class Vacant(WireModel):
    """The personas that nobody has, those of them that somebody had, and until when a successor should be named."""

    personas: tuple[str, ...]
    lost: tuple[str, ...] = ()
    ask_again: Instant


class FollowUp(WireModel):
    """When does somebody have to follow up what the TAM is asked to do?

    Attributes:
        since: When it can be done.
        days: After how many of the TAM's business days, each; 0 is their first working instant, -1 the day before.
        member: Whose business days count, where it is another member.
    """

    account: str
    member: str | None = None
    since: Instant
    days: tuple[int, ...]


class ResumedWaits(WireModel):
    """The onboarding was paused: when do these waits of the customer's end now?"""

    account: str
    paused_at: Instant
    now: Instant
    instants: tuple[Instant, ...]


class Instants(WireModel):
    """The instants, in the order in which they were asked for."""

    at: tuple[Instant, ...]


class Stagger(WireModel):
    """Several steps may be due at once: when does each begin? By step, in the playbook's order."""

    account: str
    dues: dict[str, Instant]
    now: Instant


@dataclass(frozen=True)
class Planning:
    """Answers questions about time, from people's calendars as SQL and their iCalendar addresses have them."""

    store: Store
    http: httpx.AsyncClient

    @activity.defn(name="planning.dues")
    async def dues(self, question: WaitEnds) -> DueInstants:
        """Turn offsets into instants, in the champion's calendar."""
        company = await self._company(question.account)
        schedule = company.champion.schedule
        return DueInstants(
            due={
                **{
                    name: calendar.apply_offset(since, Offset.parse(offset), schedule)
                    for name, offset, since in question.waits
                },
                **{
                    name: calendar.ahead_of(end, Offset.parse(offset), schedule) for name, offset, end in question.ahead
                },
            }
        )

    @activity.defn(name="planning.resumed")
    async def resumed(self, question: ResumedWaits) -> Instants:
        """Give what was left of each wait, in the champion's working hours."""
        company = await self._company(question.account)
        who = company.champion.schedule
        return Instants(at=operation.resumed(question.instants, question.paused_at, question.now, who))

    @activity.defn(name="planning.stagger")
    async def stagger(self, question: Stagger) -> DueInstants:
        """Spread what is due at once over the champion's business days, so that nobody gets a heap of mail."""
        company = await self._company(question.account)
        return DueInstants(due=operation.staggered(question.dues, question.now, company.champion.schedule))

    @activity.defn(name="planning.propose")
    async def propose(self, question: Propose) -> Proposal:
        """Offer times that suit everyone who has to be there. None at all is an answer, not an error.

        Raises:
            ApplicationError: `CalendarUnreadable`, where the TAM's calendar cannot be fetched or read.
        """
        if question.colleagues is not None:
            return await self._among(question, question.colleagues)
        company = await self._company(question.account)
        step, present = question.step, question.now
        invited = audience.invitees(step, company.contacts.values())
        customer = _whose_days(step, invited, company)
        earliest, latest = step.earliest, step.latest
        if question.opens is not None:
            earliest = max(earliest, calendar.business_days_until(present, question.opens, customer))
            latest += earliest - step.earliest
        asked = await self._days_asked(question, customer) if step.where == "onsite" else ()
        if asked:
            # Approved was a visit on these days alone; they lie after the vote, whenever else times would be offered.
            until = datetime.combine(asked[-1], time.max, ZoneInfo(customer.zone))
            earliest, latest = step.voting_days + 1, calendar.business_days_until(present, until, customer)
            latest = max(earliest, latest)
        horizon = calendar.add_business_days(present, latest + 1, customer)
        busy = await self._taken(company.tam, present, horizon, without_calendar=question.without_calendar)
        ours = Party(company.tam.schedule, tuple(busy))
        slots = calendar.propose_slots(
            now=present,
            minutes=step.minutes,
            # A champion counts where they are asked; in a step of a playbook they always are.
            must=[ours] if isinstance(step, AdHocMeeting) else [ours, Party(customer)],
            nice=[Party(company.contacts[invitee.id].schedule) for invitee in invited],
            groups=_groups(invited, company),
            customer=customer,
            earliest=earliest,
            latest=latest,
            limit=step.options,
            only=asked or None,
            elsewhere=await self._offered(company.tam, present, horizon),
        )
        await self._offer(company.tam, slots)
        draft = Proposal(
            round=question.round,
            tam=company.account.tam,
            slots=tuple(slots),
            invitees=invited,
            required_groups=audience.required_groups(invited),
            deadline=present,
            review=audience.review(step.review, company.account),
            stale_at=calendar.add_business_days(present, max(earliest - step.voting_days, 1), customer),
            calendar_read=not question.without_calendar,
        )
        return self._opened(company, step, draft, present)

    async def _days_asked(self, question: Propose, customer: Schedule) -> tuple[date, ...]:
        """The days for which a visit was approved, as far as they were named."""
        async with self.store.reading() as connection:
            asked = await tasks.dates_asked(connection, question.account)
        if asked is None:
            return ()
        text, at = asked
        return onsite.days_asked(text, at.astimezone(ZoneInfo(customer.zone)).date())

    async def _among(self, question: Propose, asked: Colleagues) -> Proposal:
        """Times from the calendars of all who meet; where they share none, the host's that are least hard on anyone.

        Of each time it is noted outside of whose working hours it lies: they and the host are told.
        """
        step, present = question.step, question.now
        async with self.store.reading() as connection:
            found = {one.id: one for one in await accounts.members(connection, (asked.host, *asked.members))}
        host = found[asked.host]
        others = [found[id_] for id_ in asked.members if id_ in found and found[id_].left_at is None]
        latest = step.latest
        if asked.by is not None:
            latest = min(latest, calendar.business_days_until(present, asked.by, host.schedule))
        horizon = calendar.add_business_days(present, step.latest + 1, host.schedule)
        parties = {}
        for one in (host, *others):
            busy = await self._taken(one, present, horizon, without_calendar=question.without_calendar)
            busy += () if asked.by is None else (Interval(asked.by, max(asked.by, horizon)),)
            parties[one.id] = Party(one.schedule, tuple(calendar.merge(busy)))
        slots: list[Slot] = []
        for needed in (parties.values(), [parties[host.id]]):
            if not slots and latest >= step.earliest:
                slots = calendar.propose_slots(
                    now=present,
                    minutes=step.minutes,
                    must=[*needed],
                    nice=[*parties.values()],
                    customer=host.schedule,
                    earliest=step.earliest,
                    latest=latest,
                    limit=step.options,
                    elsewhere=await self._offered(host, present, horizon),
                    gentle=True,
                )
        slots = [_outside(slot, {one.id: one.schedule for one in (host, *others)}) for slot in slots]
        await self._offer(host, slots)
        return Proposal(
            round=question.round,
            tam=host.id,
            slots=tuple(slots),
            invitees=tuple(
                Invitee(id=one.id, personas=(COLLEAGUE,), groups=(number,)) for number, one in enumerate(others)
            ),
            required_groups=len(others),
            deadline=calendar.voting_deadline(present, step.voting_days, host.schedule),
            stale_at=calendar.add_business_days(present, max(step.earliest - step.voting_days, 1), host.schedule),
            calendar_read=not question.without_calendar,
        )

    @activity.defn(name="planning.reopen")
    async def reopen(self, question: Reopen) -> Proposal:
        """Count the voting period from now, for a proposal that waited as a draft."""
        company = await self._company(question.account)
        return self._opened(company, question.step, question.proposal, question.now)

    @activity.defn(name="planning.confirm")
    async def confirm(self, question: Confirm) -> bool:
        """Look into the TAM's calendar once more, just before a time is booked; and take the hour, if it is free.

        Raises:
            ApplicationError: `CalendarUnreadable`.
        """
        slot = Interval(question.booking.start, question.booking.end)
        member = await self._member(question.account, question.host)
        busy = () if question.without_calendar else await self.busy(member, slot.start, slot.end)
        if calendar.intersect([slot], busy):
            return False
        async with self.store.writing() as connection:
            wanted = HeldHour(members=(member.id,), start=slot.start, end=slot.end, travel=question.travel)
            return await hour.take(connection, _asking(), wanted)

    @activity.defn(name="planning.take")
    async def take(self, wanted: HeldHour) -> bool:
        """Take the hour of a time set by hand, unless another meeting or an absence has a part of it by now."""
        async with self.store.writing() as connection:
            return await hour.take(connection, _asking(), wanted)

    @activity.defn(name="planning.follow_up")
    async def follow_up(self, question: FollowUp) -> Instants:
        """Count in the TAM's working hours and business days."""
        who = await self._member(question.account, question.member)
        return Instants(at=calendar.follow_ups(question.since, question.days, who.schedule))

    @activity.defn(name="planning.gather")
    async def gather(self, question: Gather) -> Gathered:
        """Find who takes part by now. A meeting is held by whoever serves the account at its time."""
        company = await self._company(question.account)
        before, present = question.proposal, question.now
        vacant = audience.vacancies(question.step, company.unheld, company.lost)
        ask_again = calendar.add_business_days(present, TODO_DAYS[1], company.tam.schedule)
        if before is None:
            return Gathered(proposal=None, vacant=vacant, ask_again=ask_again)
        tam = company.account.tam_at(question.booked or present)
        invited = audience.invitees(question.step, company.contacts.values())
        known = {invitee.id for invitee in before.invitees}
        slots = before.slots
        if tam != before.tam and question.booked is None:
            slots = tuple(slot for slot in slots if _works(company.tam, slot))
        proposal = before.model_copy(
            update={
                "tam": tam,
                "invitees": invited,
                # Whoever is missing is still required; their successor fills the place.
                "required_groups": before.required_groups if vacant else audience.required_groups(invited),
                "slots": slots,
            }
        )
        asked_newly = any(invitee.required and invitee.id not in known for invitee in invited)
        if not question.voting:
            return Gathered(proposal=proposal, vacant=vacant, ask_again=ask_again)
        if asked_newly and not vacant:
            proposal = self._opened(company, question.step, proposal, present)
        left = [slot for slot in slots if not asked_newly or slot.start >= proposal.deadline + quorum.LEAST_NOTICE]
        moved = asked_newly or tam != before.tam
        anew = bool(before.slots) and moved and not vacant and not left
        return Gathered(proposal=proposal, vacant=vacant, anew=anew, ask_again=ask_again)

    @activity.defn(name="planning.vacancies")
    async def vacancies(self, question: VacanciesAsked) -> Vacant:
        """Find the personas that nobody has, or has any more."""
        company = await self._company(question.account)
        return Vacant(
            personas=company.unheld,
            lost=company.lost,
            ask_again=calendar.add_business_days(question.now, TODO_DAYS[1], company.tam.schedule),
        )

    def _opened(self, company: AccountContext, step: AnyMeeting, proposal: Proposal, opened: datetime) -> Proposal:
        """A proposal whose vote opens at this instant: its deadline, and each person's reminders in their own day."""
        deadline = calendar.voting_deadline(opened, step.voting_days, company.champion.schedule)
        at: dict[datetime, list[str]] = {}
        for invitee in audience.reminded(proposal.invitees):
            schedule = company.contacts[invitee.id].schedule
            for instant in calendar.nudge_instants(opened, deadline, step.reminders, schedule):
                at.setdefault(instant, []).append(invitee.id)
        nudges = tuple(Nudge(at=instant, invitees=tuple(ids)) for instant, ids in sorted(at.items()))
        return proposal.model_copy(update={"deadline": deadline, "nudges": nudges})

    async def _company(self, account: str) -> AccountContext:
        async with self.store.reading() as connection:
            return await AccountContext.read(connection, account)

    async def _member(self, account: str, id_: str | None) -> Member:
        """A member; the account's TAM, where nobody is named."""
        if id_ is None:
            return (await self._company(account)).tam
        async with self.store.reading() as connection:
            return await accounts.member(connection, id_)

    async def _taken(
        self, member: Member, first: datetime, last: datetime, *, without_calendar: bool
    ) -> list[Interval]:
        """When no meeting is offered with a member, for all that they have but the meeting that asks.

        Raises:
            ApplicationError: `CalendarUnreadable`.
        """
        busy = [] if without_calendar else await self.busy(member, first, last)
        async with self.store.reading() as connection:
            found = await hour.engagements(connection, member.id, first, last, but=_asking())
            return busy + closed(found, member.schedule)

    async def _offered(self, member: Member, first: datetime, last: datetime) -> list[Interval]:
        """What other polls offer of a member's time."""
        async with self.store.reading() as connection:
            return await hour.offered(connection, member.id, first, last, but=_asking())

    async def _offer(self, member: Member, slots: Sequence[Slot]) -> None:
        """Keep what the poll that asks offers: it ranks lower for all others, and is withdrawn once it is taken."""
        async with self.store.writing() as connection:
            await hour.offer(connection, _asking(), member.id, [Interval(one.start, one.end) for one in slots])

    async def busy(self, member: Member, first: datetime, last: datetime) -> list[Interval]:
        """When a member is not free, by their iCalendar address, if they have one.

        Raises:
            ApplicationError: `CalendarUnreadable`; its text says neither the address nor what it holds. It is tried
                again, and refused at the last of `FEED_ATTEMPTS`.
        """
        if member.calendar_url is None:
            return []
        try:
            body = await outgoing.fetch(self.http, member.calendar_url, most=FEED_LIMIT, seconds=FEED_TIMEOUT)
            busy = await asyncio.to_thread(
                feed.busy, body, first - timedelta(days=1), last + timedelta(days=1), zone=member.schedule.zone
            )
        except outgoing.NotPublicError:
            raise ApplicationError(
                f"the TAM's calendar is at no public address; {outgoing.SETTING} can allow its host",
                type="CalendarUnreadable",
                non_retryable=True,
            ) from None
        except (httpx.HTTPError, ValueError):
            raise ApplicationError(
                "the TAM's calendar cannot be fetched or read",
                type="CalendarUnreadable",
                non_retryable=activity.info().attempt >= FEED_ATTEMPTS,
            ) from None
        return [Interval(start, end) for start, end in busy]


def _asking() -> str:
    """The id of the workflow that asks. What it has taken is in nobody's way there."""
    asking = activity.info().workflow_id
    assert asking is not None
    return asking


def _outside(slot: Slot, people: Mapping[str, Schedule]) -> Slot:
    """A time with those outside of whose working hours it lies."""
    late = tuple(id_ for id_, who in people.items() if calendar.beyond(who, slot.start, slot.end))
    return slot.model_copy(update={"outside": late})


def _whose_days(step: AnyMeeting, invited: tuple[Invitee, ...], company: AccountContext) -> Schedule:
    """In whose business days and wall clock times are offered: the champion's, or where they aren't asked a guest's."""
    asked = [company.contacts[one.id] for one in invited if one.required]
    beside = isinstance(step, AdHocMeeting) and asked and company.champion not in asked
    return audience.lead(asked).schedule if beside else company.champion.schedule


def _works(member: Member, slot: Slot) -> bool:
    """Whether a time lies within a member's working hours."""
    day = slot.start.astimezone(ZoneInfo(member.schedule.zone)).date()
    windows = calendar.working_windows(member.schedule, day, day)
    return any(window.start <= slot.start and slot.end <= window.end for window in windows)


def _groups(invited: tuple[Invitee, ...], company: AccountContext) -> list[list[Party]]:
    """The people of each group of whom one has to be there, with their hours."""
    groups: dict[int, list[Party]] = {}
    for invitee in invited:
        for group in invitee.groups:
            groups.setdefault(group, []).append(Party(company.contacts[invitee.id].schedule))
    return list(groups.values())
