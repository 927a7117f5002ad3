"""What the desk and its cases ask: who takes a case, when its promise falls due, whom to page; and their records."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import now
from activities.webhooks import Hook, Later, Turned, post
from rapport.model.account import Availability, Member, Role
from rapport.model.base import Instant, WireModel
from rapport.model.support_case import (
    GENERAL,
    Assigned,
    Assigning,
    Assignments,
    CaseClock,
    CaseProjection,
    Foreseen,
    Load,
    Outlook,
    QueuedCase,
)
from rapport.rules import routing, sla
from rapport.rules.calendar import Interval
from rapport.rules.routing import Choice, Engineer, GivenCase
from rapport.storage import account as accounts, side_project, support_case
from rapport.storage.database import Connection, Store
from rapport.support_rules import DeskRules

PAGE_ATTEMPTS: Final = 3
"""How often the webhook may refuse before somebody else is told."""

PAGE_ON: Final = 17
"""How often it is tried after that: for some half an hour."""


class PageOrder(WireModel):
    """Page whoever is on call; the webhook gets the number, the severity and a link, never the question.

    Attributes:
        turn: The turn at which the desk chose them.
        lead: Whether it is the lead who is paged, because nobody else could be.
        attempts: After how many it is given up.
    """

    ref: str
    account: str
    severity: int
    turn: int
    member: str
    lead: bool = False
    attempts: int = PAGE_ATTEMPTS
    now: Instant


class TeamAsked(WireModel):
    """Whom of engineering does a case's area belong to?"""

    area: str
    now: Instant


class TeamFound(WireModel):
    """The team that owns an area, and whom to ask, as a `TaskDefinition` names people."""

    team: str
    assign: tuple[str, ...]


@dataclass(frozen=True)
class Support:
    """Answers what the desk and its cases ask, and writes down what they tell of themselves.

    Attributes:
        paging: The webhook that pages whoever is on call; without it severity 1 keeps the desk's hours.
        lead_paging: The one that pages the lead; without it, the same does.
        public_url: What links to pages begin with.
    """

    store: Store
    rules: DeskRules
    http: httpx.AsyncClient
    paging: Hook | None
    public_url: str
    lead_paging: Hook | None = None

    @activity.defn(name="support.assign")
    async def assign(self, question: Assigning) -> Assignments:
        """Give away the cases that wait, and keep for `why` what each choice was made by. Safe to repeat."""
        asked = {case.ref: case for case in question.waiting}
        async with self.store.writing() as connection:
            desk = await self._desk(connection, question)
            # Whoever was named by hand may have left since, or be with engineering by now.
            may = {engineer.id for engineer in desk if routing.bar(engineer) is None}
            chosen = [_as_wanted(case) for case in question.waiting if case.wanted in may]
            cases = [_waiting(case) for case in question.waiting if case.wanted not in may]
            chosen += routing.dispatch(cases, desk, question.now)
            chosen = await self._saying_who_is_on_call(connection, chosen, asked, question.now)
            kept = [
                (choice, asked[choice.ref].turn, asked[choice.ref].severity)
                for choice in chosen
                if choice.to is not None or not asked[choice.ref].told
            ]
            await support_case.put_assignments(connection, kept, question.now)
        again = [choice.again for choice in chosen if choice.to is None and choice.again is not None]
        words = tuple(
            Assigned.made_of(choice, turn=asked[choice.ref].turn, member=choice.to, look_again=choice.again)
            for choice in chosen
        )
        return Assignments(words=words, look_again=min(again, default=None))

    @activity.defn(name="support.outlook")
    async def outlook(self, question: Outlook) -> Foreseen:
        """Say when a case's promise falls due, and whether its owner is there."""
        async with self.store.reading() as connection:
            company = await accounts.availability(connection, since=question.now)
            owner = None
            if question.owner is not None:
                found = await accounts.members(connection, [question.owner])
                owner = _engineer(found[0], company[question.owner]) if found else None
            tam = await accounts.tam_of(connection, question.account)
        promise = self.rules.promise(question.severity)
        hours = sla.hours(promise, rota=self.rules.on_call is not None, paging=self.paging is not None)
        dues = follow_up = None
        if question.clock is not None:
            clock, desk = _clock(question.clock), self.rules.desk.schedule
            dues = sla.dues(clock, promise, desk, around_the_clock=hours.around_the_clock)
            follow_up = sla.follow_up(clock, question.silence_told, desk)
        leads = [one.member for one in company.values() if Role.SUPPORT_LEAD in one.roles and not one.left]
        away = None
        if question.owner is not None:
            away = routing.must_hand_on(owner, question.severity, question.now)
        ahead = [spell.start for spell in owner.away if spell.start > question.now] if owner is not None else []
        return Foreseen(
            due=dues.breach if dues else None,
            remind_at=dues.remind if dues else None,
            draft_at=dues.draft if dues else None,
            follow_up=follow_up,
            owner_away=away,
            away_from=min(ahead, default=None),
            leads=tuple(sorted(leads)),
            tam=tam,
            keeps_hours=hours.reason,
            around_the_clock=hours.around_the_clock,
        )

    @activity.defn(name="support.team")
    async def team(self, question: TeamAsked) -> TeamFound:
        """Find the engineering team that owns an area, and whom to ask there."""
        owner = self.rules.owner(question.area, question.now)
        if owner is None:
            return TeamFound(team="engineering", assign=(f"role:{Role.ENGINEERING}",))
        async with self.store.reading() as connection:
            known = [await accounts.member_by_email(connection, email) for email in owner.engineers]
        there = tuple(
            member.id for member in known if member and member.left_at is None and Role.ENGINEERING in member.roles
        )
        return TeamFound(team=owner.name, assign=there or (f"role:{Role.ENGINEERING}",))

    @activity.defn(name="support.page")
    async def page(self, order: PageOrder) -> None:
        """Page whoever is on call, and put on record whether the webhook has taken it.

        The same page may arrive twice, with the same id.

        Raises:
            ApplicationError: `Unpaged`: the webhook did not take it; it is tried again, as often as the order says.
        """
        hook = self.lead_paging or self.paging if order.lead else self.paging
        if hook is None:
            raise ApplicationError("there is no paging webhook", type="Unpaged", non_retryable=True)
        async with self.store.reading() as connection:
            found = await accounts.members(connection, [order.member])
        said = {
            "case": order.ref,
            "account": order.account,
            "severity": order.severity,
            "on_call": found[0].email if found else None,
            "at": order.now.isoformat(),
            "url": f"{self.public_url}/cases/{order.ref}",
        }
        id_ = f"{order.ref}.{order.turn}" + (f".{order.member}" if order.lead else "")
        try:
            await post(self.http, hook, id_, json.dumps(said).encode(), now())
        except (Turned, Later) as refusal:
            # Also where it refuses for good: somebody may be setting it right, and nobody is to sleep through this.
            given_up = activity.info().attempt >= order.attempts
            reason = f"the paging webhook did not take it: {refusal}"
            async with self.store.writing() as connection:
                await support_case.put_refused(connection, order.ref, order.turn, str(refusal), now())
            raise ApplicationError(reason, type="Unpaged", non_retryable=given_up) from None
        async with self.store.writing() as connection:
            await support_case.put_paged(connection, order.ref, order.turn, now(), lead=order.lead)

    @activity.defn(name="support.project")
    async def project(self, projection: CaseProjection) -> None:
        """Write down what a case says of itself."""
        async with self.store.writing() as connection:
            await support_case.project(connection, projection)
            desk = self.rules.desk
            # What has become of a case is slack, or the peak.
            await side_project.turn(connection, slack=desk.slack, peak=desk.peak, now=projection.now)

    async def _saying_who_is_on_call(
        self, connection: Connection, chosen: list[Choice], asked: dict[str, QueuedCase], now: datetime
    ) -> list[Choice]:
        """The choices, with why not even whoever is on call gets a case of severity 1 that nobody gets."""
        on_call = self.rules.on_call_now(now) if self.paging is not None else None
        if on_call is None or not any(one.to is None and asked[one.ref].severity == 1 for one in chosen):
            return chosen
        bars = await support_case.unfit(connection, [on_call])
        found = await accounts.member_by_email(connection, on_call)

        def told(choice: Choice) -> Choice:
            if choice.to is not None or asked[choice.ref].severity != 1:
                return choice
            seen = next((one.bar for one in choice.considered if found is not None and one.member == found.id), None)
            why = bars.get(on_call) or seen
            return choice if why is None else choice._replace(reason=f"{choice.reason}; the person on call {why}")

        return [told(choice) for choice in chosen]

    async def _desk(self, connection: Connection, question: Assigning) -> list[Engineer]:
        """Those who may get cases, and those who look as if: everybody with support among their roles."""
        lately = question.now - timedelta(days=routing.FAIR_DAYS)
        company = await accounts.availability(connection, since=lately)
        given = await support_case.given_since(connection, lately)
        on_call = self.rules.on_call_now(question.now) if self.paging is not None else None
        return [
            _engineer(
                member,
                company[member.id],
                load=question.loads.get(member.id, Load()),
                given=given.get(member.id, ()),
                on_call=on_call is not None and member.email.lower() == on_call.lower(),
            )
            for member in await accounts.members(connection)
            if Role.SUPPORT_ENGINEER in member.roles
        ]


def _engineer(
    member: Member,
    availability: Availability,
    *,
    load: Load | None = None,
    given: tuple[GivenCase, ...] = (),
    on_call: bool = False,
) -> Engineer:
    load = load or Load()
    busy = [routing.HeldCase(severity) for severity in Counter(load.busy).elements()]
    idle = [routing.HeldCase(severity, at_rest=True) for severity in Counter(load.idle).elements()]
    return Engineer(
        id=member.id,
        roles=member.roles,
        schedule=member.schedule,
        areas=member.areas,
        away=tuple(Interval(absence.starts, absence.ends) for absence in availability.absences),
        holds=(*busy, *idle),
        given=given,
        left=availability.left,
        on_call=on_call,
    )


def _waiting(case: QueuedCase) -> routing.WaitingCase:
    return routing.WaitingCase(
        ref=case.ref,
        severity=case.severity,
        since=case.since,
        area=None if case.area == GENERAL else case.area,
        not_to=frozenset(case.avoid),
        known_by=case.known_by,
    )


def _as_wanted(case: QueuedCase) -> Choice:
    """What somebody has decided by hand."""
    return Choice(case.ref, case.wanted, "chosen by hand")


def _clock(clock: CaseClock) -> sla.Clock:
    stops = tuple(Interval(pause.since, pause.until) for pause in clock.pauses if pause.until is not None)
    stopped_at: datetime | None = clock.pauses[-1].since if clock.stands_still else None
    return sla.Clock(sla.SlaKind(clock.promise), clock.since, stops, stopped_at)
