"""Who decides a human task at an instant, and when silence is followed up: absences, delegates and calendars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from temporalio import activity

from rapport.model.access import Action
from rapport.model.account import Availability, Contact, Fact, Role, Schedule
from rapport.model.base import Instant, WireModel
from rapport.model.task import (
    EscalationStep,
    Holder,
    LadderRule,
    Seat,
    TaskKind,
    TaskProjection,
    are_customers,
)
from rapport.rules import audience, contact as customers, delegation, escalation
from rapport.rules.calendar import Interval
from rapport.storage import account as accounts, task
from rapport.storage.database import Connection, Store

Ladder = TaskKind | Literal["preparation", "drafting", "answers", "customers", "dated", "dated_drafting"]
"""Which ladder silence climbs: that of a kind of task or of customers, of someone who has to ask, write or answer
first, or of an approval, or of writing what is approved, by a date."""

RULES: Final[dict[Ladder, LadderRule]] = {
    "approval": escalation.APPROVALS,
    "sign_off": escalation.APPROVALS,
    "panel": escalation.APPROVALS,
    "to_do": escalation.TO_DOS,
    "review": escalation.REVIEWS,
    "preparation": escalation.PREPARATION,
    "drafting": escalation.DRAFTING,
    "answers": escalation.ANSWERS,
    "customers": escalation.CUSTOMERS,
    # A date is reminded of as it comes near, and what is done for it goes on past it: nobody has to write it twice.
    "dated": escalation.TO_DOS,
    "dated_drafting": escalation.TO_DOS,
}


class Seating(WireModel):
    """Who is to be asked, and when are they followed up?

    Attributes:
        assign: As a `TaskDefinition` names people; a member's id is one too.
    """

    account: str
    assign: tuple[str, ...]
    rule: Ladder
    requester: str | None
    deadline: Instant | None
    now: Instant
    asked_before: tuple[str, ...] = ()
    entitled: bool = False


class Reseating(WireModel):
    """Who holds these seats by now, after absences came or went, or somebody has to help out?

    Attributes:
        account: Whose TAM may have changed.
        decided: The seats that are filled already.
        backup: A silent seat that gets a backup.
    """

    account: str = ""
    rule: Ladder
    requester: str | None
    seats: tuple[Seat, ...]
    decided: tuple[str, ...]
    deadline: Instant | None
    now: Instant
    backup: str | None = None
    asked_before: tuple[str, ...] = ()
    entitled: bool = False


class Resuming(WireModel):
    """The missing information is there: when do the remaining rungs come?

    Attributes:
        fixed: The deadline is a date of the customer's and does not move.
        due: As in `Seated`.
    """

    account: str = ""
    seats: tuple[Seat, ...]
    rungs: tuple[EscalationStep, ...]
    paused_at: Instant
    fixed: bool
    now: Instant
    due: Instant | None = None


class Seated(WireModel):
    """The seats, and the rungs of those that were newly given to someone.

    Attributes:
        managers: By seat, who is told when it stays silent.
        next_change: When somebody's absence next begins or ends.
        due: When it is due, where its ladder goes on after that.
    """

    seats: tuple[Seat, ...]
    rungs: tuple[EscalationStep, ...]
    deadline: Instant | None
    managers: dict[str, str]
    next_change: Instant | None
    due: Instant | None = None


class Knowing(WireModel):
    """Who has one of these personas, and what of this is not known of their work?"""

    account: str
    personas: tuple[str, ...]
    facts: tuple[Fact, ...] = ()


class KnownFacts(WireModel):
    """A contact's id, and which of the facts nobody has recorded."""

    contact: str
    missing: tuple[Fact, ...] = ()


class Everyone(WireModel):
    """Those who were asked about, in the account's order."""

    contacts: tuple[KnownFacts, ...]


class ResumedEscalation(WireModel):
    """The rungs that are left, and when it is due by then."""

    rungs: tuple[EscalationStep, ...]
    due: Instant | None = None


@dataclass(frozen=True)
class Tasks:
    """Answers questions about people and their calendars, and writes down what tasks tell of themselves."""

    store: Store

    @activity.defn(name="tasks.seat")
    async def seat(self, question: Seating) -> Seated:
        """Seat those who decide, at the opening."""
        async with self.store.reading() as connection:
            if are_customers(question.assign):
                contacts = await accounts.contacts(connection, question.account)
                seats = customers.seats_for(question.assign, contacts)
                return await _seated_customers(connection, question, seats, seats, contacts)
            company = await accounts.availability(connection, since=question.now)
            tam = (await accounts.account(connection, question.account)).tam
            assign = tuple(_assigned(assignee, tam, company) for assignee in question.assign)
            seats = delegation.seats_for(
                assign,
                company,
                question.requester,
                question.now,
                asked_before=question.asked_before,
                entitled=question.entitled,
                needs=_needs(question),
                # What the TAM has to answer, they asked for as the TAM.
                tam=tam if "tam" in question.assign or question.rule == "answers" else None,
            )
            return await self._seated(connection, question, seats, seats, company)

    @activity.defn(name="tasks.reseat")
    async def reseat(self, question: Reseating) -> Seated:
        """Move seats on to another TAM, to delegates and back to their owners, or give a silent one a backup."""
        async with self.store.reading() as connection:
            if are_customers(seat.id for seat in question.seats):
                contacts = await accounts.contacts(connection, question.account)
                seats = customers.refresh(question.seats, contacts, decided=question.decided)
                moved = _moved(question.seats, seats)
                return await _seated_customers(connection, question, seats, moved, contacts)
            company = await accounts.availability(connection, since=question.now)
            tam = None if not question.account else (await accounts.account(connection, question.account)).tam
            seats = delegation.handed_over(question.seats, tam, question.decided)
            seats = delegation.refresh(
                seats,
                company,
                question.requester,
                question.now,
                asked_before=question.asked_before,
                decided=question.decided,
                entitled=question.entitled,
                needs=_needs(question),
            )
            if question.backup is not None:
                seats = delegation.add_backup(
                    seats,
                    question.backup,
                    company,
                    question.requester,
                    question.now,
                    asked_before=question.asked_before,
                    needs=_needs(question),
                )
            moved = _moved(question.seats, seats)
            return await self._seated(connection, question, seats, moved, company, question.decided)

    @activity.defn(name="tasks.resume")
    async def resume(self, question: Resuming) -> ResumedEscalation:
        """Give what was left of each wait, rounded into working hours."""
        async with self.store.reading() as connection:
            company = await accounts.availability(connection, since=question.paused_at)
            schedules = await _schedules(connection, question.seats)
            if are_customers(seat.id for seat in question.seats):
                contacts = await accounts.contacts(connection, question.account)
                schedules |= {contact.id: contact.schedule for contact in contacts}

        def left(rungs: tuple[EscalationStep, ...]) -> tuple[EscalationStep, ...]:
            return escalation.after_pause(
                rungs,
                paused_at=question.paused_at,
                resumed_at=question.now,
                seats=_held(question.seats),
                schedules=schedules,
                away=_away(company),
                fixed=question.fixed,
            )

        # What was due by the pause stays overdue.
        due = left((EscalationStep(kind="timeout", at=question.due),)) if question.due is not None else ()
        return ResumedEscalation(rungs=left(question.rungs), due=due[0].at if due else question.due)

    @activity.defn(name="tasks.known")
    async def known(self, question: Knowing) -> Everyone:
        """Say whose work is known, of those whom something is about to be done for."""
        async with self.store.reading() as connection:
            contacts = await accounts.contacts(connection, question.account)
        return Everyone(
            contacts=tuple(
                KnownFacts(contact=contact.id, missing=contact.work.unknown(question.facts))
                for contact in audience.holding(question.personas, contacts)
            )
        )

    @activity.defn(name="tasks.project")
    async def project(self, projection: TaskProjection) -> None:
        """Write down what a task says of itself."""
        async with self.store.writing() as connection:
            await task.project(connection, projection)

    async def _seated(
        self,
        connection: Connection,
        question: Seating | Reseating,
        seats: tuple[Seat, ...],
        new: tuple[Seat, ...],
        company: dict[str, Availability],
        decided: tuple[str, ...] = (),
    ) -> Seated:
        """The answer, with the rungs of the seats that are new to whoever holds them."""
        rule = RULES[question.rule]
        schedules = await _schedules(connection, seats)
        deadline, present = question.deadline, question.now
        held = _held(new)
        first = schedules[held[0].holders[0].member] if held else None
        if deadline is None and first is not None:
            deadline = escalation.default_deadline(rule, present, first)
        elif deadline is not None and rule.to_the_end:
            firsts = [schedules[seat.holders[0].member] for seat in _held(seats)]
            deadline = escalation.within_hours(deadline, present, firsts)
        rungs = escalation.rungs(
            rule, opened=present, deadline=deadline, seats=held, schedules=schedules, away=_away(company)
        )
        told = {seat.id: manager for seat in _held(seats) if (manager := _manager(seat, company, question)) is not None}
        change = delegation.next_change(
            seats,
            company,
            question.requester,
            present,
            asked_before=question.asked_before,
            decided=decided,
            entitled=question.entitled,
            needs=_needs(question),
        )
        due = escalation.due(rule, present, deadline, first) if first is not None else None
        return Seated(seats=seats, rungs=rungs, deadline=deadline, managers=told, next_change=change, due=due)


async def _seated_customers(
    connection: Connection,
    question: Seating | Reseating,
    seats: tuple[Seat, ...],
    new: tuple[Seat, ...],
    contacts: Sequence[Contact],
) -> Seated:
    """The answer for the customer's people: each in their own hours, and the TAM told of their silence.

    Where nobody holds a seat, time goes by in the TAM's calendar, until somebody does.
    """
    _, tam, _ = await accounts.surroundings(connection, question.account)
    schedules = {contact.id: contact.schedule for contact in contacts} | {tam.id: tam.schedule}
    followed = [seat if seat.holders else seat.model_copy(update={"holders": (Holder(member=tam.id),)}) for seat in new]
    deadline = question.deadline
    if deadline is None and followed:
        first = schedules[followed[0].holders[0].member]
        deadline = escalation.default_deadline(RULES[question.rule], question.now, first)
    rungs = escalation.rungs(
        RULES[question.rule], opened=question.now, deadline=deadline, seats=followed, schedules=schedules, away={}
    )
    told = {seat.id: tam.id for seat in seats}
    return Seated(seats=seats, rungs=rungs, deadline=deadline, managers=told, next_change=None)


def _moved(before: Sequence[Seat], now: Sequence[Seat]) -> tuple[Seat, ...]:
    """The seats that somebody else is first to be asked for."""
    first = {seat.id: _first(seat) for seat in before}
    return tuple(seat for seat in now if _first(seat) != first.get(seat.id))


def _assigned(assignee: str, tam: str, company: dict[str, Availability]) -> str:
    """Who is meant by `tam` and `manager`; whoever else is named is taken as they are."""
    if assignee == "tam":
        return tam
    if assignee == "manager":
        known = company[tam].manager if tam in company else None
        return known or f"{delegation.ROLE_PREFIX}{Role.TAM_MANAGER}"
    return assignee


def _needs(question: Seating | Reseating) -> Action:
    """What whoever stands in has to be allowed to do, beside what a TAM's own seat takes."""
    return Action.SPEAK if question.rule in ("review", "panel") else Action.DECIDE


def _manager(seat: Seat, company: dict[str, Availability], question: Seating | Reseating) -> str | None:
    """Who is told of a silent seat: whoever would be asked next, upwards."""
    there = {holder.member for holder in seat.holders}
    asked = delegation.add_manager(
        [seat], seat.id, company, question.requester, question.now, asked_before=question.asked_before
    )
    return next((holder.member for holder in asked[0].holders if holder.member not in there), None)


def _first(seat: Seat) -> str | None:
    return seat.holders[0].member if seat.holders else None


def _held(seats: tuple[Seat, ...]) -> list[Seat]:
    return [seat for seat in seats if seat.holders]


def _away(company: dict[str, Availability]) -> dict[str, list[Interval]]:
    return {
        member: [Interval(absence.starts, absence.ends) for absence in availability.absences]
        for member, availability in company.items()
    }


async def _schedules(connection: Connection, seats: tuple[Seat, ...]) -> dict[str, Schedule]:
    holders = {holder.member for seat in seats for holder in seat.holders}
    return {member.id: member.schedule for member in await accounts.members(connection, holders)}
