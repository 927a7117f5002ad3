"""Planning what recurs: standing times, their occurrences, and when a review is due, as UTC instants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import activity

from activities.planning import Planning
from rapport.mail.context import AccountContext
from rapport.model.account import Schedule
from rapport.model.base import Instant, WireModel
from rapport.model.cadence import ReviewPlanned, SetRhythm, StandingParty, StandingTime, SyncPlan
from rapport.model.step import ReviewStep, SyncStep
from rapport.rules import audience, calendar, recurrence
from rapport.rules.calendar import Interval
from rapport.rules.hour import closed, load, out_of_reach
from rapport.storage import account as accounts, hour
from rapport.storage.database import Store


class SeekTime(WireModel):
    """Which standing time suits those who are needed, and when does that take place?"""

    account: str
    step: SyncStep
    now: Instant
    without_calendar: bool = False


class PlanSync(WireModel):
    """When does a standing meeting take place next?

    Attributes:
        wanted: A standing time that a member has set instead.
        after: The instant of the last occurrence that is planned, by the rule.
        number: Its number.
        announced: Until when everyone's calendar knows which holidays drop out.
        coming: The beginnings of the dates that are planned and are to take place.
    """

    account: str
    step: SyncStep
    standing: StandingTime | None = None
    wanted: SetRhythm | None = None
    after: Instant
    number: int
    announced: Instant | None = None
    coming: tuple[Instant, ...] = ()
    now: Instant


class PlanReview(WireModel):
    """When is the account's review of this number due?

    Attributes:
        began: From when on they are counted.
        before: The number of the last one until then.
    """

    account: str
    step: ReviewStep
    began: Instant
    number: int
    before: int = 0


@dataclass(frozen=True)
class Cadences:
    """Answers questions about what recurs, from the same calendars as `Planning`."""

    store: Store
    planning: Planning

    @activity.defn(name="rhythms.seek")
    async def seek(self, question: SeekTime) -> SyncPlan:
        """Find a standing time and plan its first occurrences. None at all is an answer, not an error.

        Raises:
            ApplicationError: `CalendarUnreadable`, where the TAM's calendar cannot be fetched or read.
        """
        company, step = await self._company(question.account), question.step
        horizon = question.now + timedelta(weeks=recurrence.BATCH * step.weeks + 4)
        busy = () if question.without_calendar else await self.planning.busy(company.tam, question.now, horizon)
        plan = None
        while plan is None:
            plan = await self._reserved(question, company, busy, horizon)
        return plan

    async def _reserved(
        self, question: SeekTime, company: AccountContext, busy: Sequence[Interval], horizon: datetime
    ) -> SyncPlan | None:
        """A standing time whose first dates are the TAM's from now on; nothing where another took one meanwhile."""
        step, tam = question.step, company.tam
        mine = hour.standing(question.account, step.name)
        async with self.store.reading() as connection:
            theirs = await hour.engagements(connection, tam.id, question.now, horizon, but=mine)
        invited = audience.invitees(step, company.contacts.values())
        schedules = {invitee.id: calendar.Party(company.contacts[invitee.id].schedule) for invitee in invited}
        found = recurrence.choose(
            question.now,
            step.minutes,
            step.weeks,
            recurrence.Company(
                tam=calendar.Party(tam.schedule, tuple(calendar.merge([*busy, *closed(theirs, tam.schedule)]))),
                champion=calendar.Party(_lead(company, step)),
                groups=[
                    [schedules[invitee.id] for invitee in invited if group in invitee.groups]
                    for group in range(audience.required_groups(invited))
                ],
                others=list(schedules.values()),
                taken=out_of_reach(theirs, tam.schedule),
                load=load(theirs, _lead(company, step).zone),
            ),
        )
        if found is None:
            return SyncPlan(party=StandingParty(tam=company.account.tam, invitees=invited))
        plan = _planned(company, step, found, after=question.now, number=0, announced=None)
        dates = [Interval(one.start, one.end) for one in plan.occurrences if one.off is None]
        async with self.store.writing() as connection:
            is_theirs = await hour.reserve(connection, question.account, step.name, tam.id, dates)
        return await self._with_absences(company, plan, (), question.now) if is_theirs else None

    @activity.defn(name="rhythms.plan")
    async def plan(self, question: PlanSync) -> SyncPlan:
        """Plan the next occurrences, at the standing time or at one that a member has set."""
        company, standing = await self._company(question.account), question.standing
        if question.wanted is not None:
            wanted = question.wanted
            standing = recurrence.set_by_hand(question.now, wanted.weekday, wanted.clock, _lead(company, question.step))
        assert standing is not None
        plan = _planned(
            company,
            question.step,
            standing,
            after=question.after,
            number=question.number,
            announced=question.announced,
        )
        if question.wanted is None:
            plan = await self._without_what_is_taken(company, question.step, plan)
        else:
            # A time that a member sets is theirs to answer for; what was reserved at the one before is free.
            async with self.store.writing() as connection:
                await hour.release(connection, question.account, question.step.name)
        return await self._with_absences(company, plan, question.coming, question.now)

    async def _without_what_is_taken(self, company: AccountContext, step: SyncStep, plan: SyncPlan) -> SyncPlan:
        """The plan, with its new dates on which the TAM has another meeting; the others are the TAM's from now on.

        A time that was free for a quarter need not stay so: clocks change in one zone and not yet in another.
        """
        account, tam = company.account.key, company.account.tam
        dates = [Interval(one.start, one.end) for one in plan.occurrences if one.off is None]
        while dates:
            async with self.store.reading() as connection:
                first, last = min(one.start for one in dates), max(one.end for one in dates)
                found = await hour.engagements(connection, tam, first, last, but=hour.standing(account, step.name))
            others = calendar.merge(one.time for one in found if one.kind != "absence")
            free = [one for one in dates if not calendar.intersects(others, one.start, one.end)]
            async with self.store.writing() as connection:
                if await hour.reserve(connection, account, step.name, tam, free):
                    return plan.model_copy(update={"taken": tuple(one.start for one in dates if one not in free)})
        return plan

    async def _with_absences(
        self, company: AccountContext, plan: SyncPlan, coming: Sequence[datetime], now: datetime
    ) -> SyncPlan:
        """The plan, with the dates that an absence takes of whoever serves the account then.

        It takes them at the end of the last working day before it: until then the account may be handed over.
        """
        starts = sorted({*coming, *(one.start for one in plan.occurrences if one.off is None)})
        serving = {start: company.account.tam_at(start) for start in starts}
        async with self.store.reading() as connection:
            known = await accounts.availability(connection, sorted(set(serving.values())), since=now)
            schedules = {one.id: one.schedule for one in await accounts.members(connection, known)}
        at = {
            start: calendar.last_working_instant(absence.starts, schedules[tam])
            for start, tam in serving.items()
            for absence in known[tam].absences
            if absence.starts <= start < absence.ends
        }
        ahead = [one for one in at.values() if one > now]
        gone = tuple(start for start, one in at.items() if one <= now)
        return plan.model_copy(update={"away": gone, "look_at": min(ahead, default=None)})

    @activity.defn(name="rhythms.review")
    async def review(self, question: PlanReview) -> ReviewPlanned:
        """Say when a review is due, and what has to happen before it."""
        company, step = await self._company(question.account), question.step
        plan = recurrence.review(
            question.began,
            step.months,
            step.offered,
            step.prepare,
            question.number - question.before,
            company.tam.schedule,
            company.champion.schedule,
        )
        plan = plan.model_copy(update={"number": question.number})
        return ReviewPlanned(plan=plan, tam=company.account.tam)

    async def _company(self, account: str) -> AccountContext:
        async with self.store.reading() as connection:
            return await AccountContext.read(connection, account)


def _lead(company: AccountContext, step: SyncStep) -> Schedule:
    return audience.led_by(step, company.contacts.values(), company.champion).schedule


def _planned(
    company: AccountContext,
    step: SyncStep,
    standing: StandingTime,
    *,
    after: Instant,
    number: int,
    announced: Instant | None,
) -> SyncPlan:
    tam, champion = company.tam.schedule, _lead(company, step)
    occurrences = recurrence.occurrences(
        standing, weeks=step.weeks, minutes=step.minutes, after=after, number=number, tam=tam, champion=champion
    )
    first = recurrence.first(standing, step.minutes, tam, champion)
    # Calendars are told of a year's holidays at once, and of the next year's once that comes into sight.
    if announced is None or occurrences[-1].original > announced:
        announced = occurrences[0].original + timedelta(weeks=recurrence.LOOK_AHEAD)
    return SyncPlan(
        party=StandingParty(tam=company.account.tam, invitees=audience.invitees(step, company.contacts.values())),
        standing=standing,
        first=first,
        occurrences=occurrences,
        excluded=recurrence.off_days(standing, weeks=step.weeks, until=announced, tam=tam, champion=champion),
        announced=announced,
    )
