"""A member's day as SQL knows it: what waits for them, whom they meet, what goes out, whom they wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row, bindparam, or_, select

from rapport.model.account import Member, Role
from rapport.model.base import Instant, WireModel
from rapport.model.cadence import Occurrence
from rapport.model.commands import in_name
from rapport.model.ids import RELAY_ALARM
from rapport.model.message import FOR_CALENDARS, MessageRequest, MessageState, Purpose
from rapport.model.minutes import Pending
from rapport.model.side_project import SideState
from rapport.model.step import DoneBy, kinds
from rapport.model.support_case import CaseState
from rapport.model.task import TaskPhase
from rapport.rules import audience, support_case
from rapport.rules.calendar import wall
from rapport.storage import (
    account as people,
    account_erasure,
    contract as contracts,
    support_case as case_records,
    task as tasks,
)
from rapport.storage.account_erasure import CONFIRM_WITHIN
from rapport.storage.action import OWED_ACTIONS
from rapport.storage.blocker import OWED_BLOCKERS
from rapport.storage.database import Connection
from rapport.storage.desk_tables import SideProjectRow
from rapport.storage.tables import AccountRow, ContactRow, ContractRow, MemberRow, MessageRow, MilestoneRow, RhythmRow
from rapport.storage.task import Task

_TAM: Final = [Role.TAM]
_MAILS, _TASKS, _RECURRING = kinds(DoneBy.ONBOARDING), kinds(DoneBy.TASK), kinds(DoneBy.CADENCE)
"""What a step waits on that waits for nobody but the account's TAM."""

_PHASES: Final = {
    TaskPhase.PREPARING: "say what is asked for, or that it is not needed",
    TaskPhase.NEEDS_INFO: "answer what was asked about it",
}


class Item(WireModel):
    """One thing that waits for somebody.

    Attributes:
        account: The account's key.
        of: The account's name, or its key where no account is known by it.
        what: What is to be done, or what is waited for.
        overdue: Whether its deadline has passed.
        step, case: Of what is no task: its step, or the number of the support case that it is.
        since, unblock: Since when it waits then, and the command that moves it on.
    """

    account: str
    of: str
    title: str
    what: str
    deadline: Instant | None
    overdue: bool = False
    step: str | None = None
    case: str | None = None
    since: Instant | None = None
    unblock: str | None = None


class Pile(WireModel):
    """An account's drafts that wait to be read."""

    account: str
    of: str
    count: int


class Appointment(WireModel):
    """A meeting of today.

    Attributes:
        place: Where to go, or the link to open.
        answered, asked: Of those who can fill a place that has to be filled, how many have voted, of how many.
        agenda: Its topics, with their minutes.
        coming: Those who said that its time suits them: name and what they do.
        mention: What to mention, given who comes.
    """

    account: str
    of: str
    title: str
    start: Instant
    end: Instant
    place: str | None
    answered: int
    asked: int
    agenda: tuple[tuple[str, int], ...]
    coming: tuple[str, ...] = ()
    mention: tuple[str, ...] = ()


class Going(WireModel):
    """A mail that goes out today by itself, or a step that writes some.

    Attributes:
        to: Its reader, where it is written already.
        at: When it goes, where it is scheduled; or when its step is due, where it is not written yet.
    """

    account: str
    of: str
    title: str
    to: str | None = None
    at: Instant | None = None


class Agenda(WireModel):
    """What a member's day holds, each list in the order in which it matters: by its instant, the earliest first.

    Attributes:
        blockers: Those to look at today, or before.
        actions: Those that are due today, or were before.
        side: Side work that is theirs, by its title; it has no date.
    """

    waiting: tuple[Item, ...] = ()
    drafts: tuple[Pile, ...] = ()
    meetings: tuple[Appointment, ...] = ()
    going: tuple[Going, ...] = ()
    awaited: tuple[Item, ...] = ()
    blockers: tuple[Pending, ...] = ()
    actions: tuple[Pending, ...] = ()
    side: tuple[str, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell. That others are slow is no news by itself."""
        return not (
            self.waiting or self.drafts or self.meetings or self.going or self.blockers or self.actions or self.side
        )


class _Step(WireModel):
    """A step of an onboarding under way, of an account that the member serves."""

    account: str
    of: str
    step: str
    title: str
    kind: str
    state: str
    due: Instant | None
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    deadline: Instant | None
    since: Instant | None
    unblock: str | None

    def item(self, now: datetime) -> Item:
        """What it waits for."""
        item = _item(self.account, self.of, self.title, self.waiting_for or "", self.deadline, now)
        return item.model_copy(update={"step": self.step, "since": self.since, "unblock": self.unblock})


async def day(connection: Connection, member: Member, now: datetime) -> Agenda:
    """What a member has before them, from `now` to the end of the day in their own zone."""
    today = now.astimezone(ZoneInfo(member.schedule.zone)).date()
    end = wall(today + timedelta(days=1), time(), member.schedule.zone)
    steps = [_Step.model_validate(row._mapping) for row in await connection.execute(_STEPS, {"member": member.id})]
    written = list(await connection.execute(_WRITTEN, {"member": member.id}))
    # That no mail goes is no news for a mail.
    held = [task for task in await tasks.waiting_for(connection, member.id) if task.id != RELAY_ALARM]
    asked = await tasks.asked_by(connection, member.id)
    names = await _names(connection, [task.account for task in (*held, *asked)])
    drafts, waits = _beside(steps, written, {(task.account, task.step) for task in (*held, *asked)})
    return Agenda(
        waiting=_sorted(
            [*(_task(task, names, now) for task in held)]
            + await _unbegun(connection, member, now)
            + [step.item(now) for step in waits if list(step.waiting_on) == _TAM]
            + await cases(connection, member, now)
        ),
        drafts=drafts,
        meetings=await _meetings(connection, member, now, end),
        going=(
            *(
                Going(account=row.account, of=row.of, title=row.subject, to=row.reader, at=row.not_before)
                for row in written
                if row.state != MessageState.DRAFT and (row.not_before is None or row.not_before < end)
            ),
            *(
                Going(account=step.account, of=step.of, title=step.title, at=step.due)
                for step in steps
                if step.state == "waiting" and step.kind in _MAILS and step.due is not None and step.due < end
            ),
        ),
        awaited=_sorted(
            [*(_task(task, names, now) for task in asked)]
            + [step.item(now) for step in waits if step.waiting_on and list(step.waiting_on) != _TAM]
        ),
        blockers=await OWED_BLOCKERS.pending(connection, member.id, today),
        actions=await OWED_ACTIONS.pending(connection, member.id, today),
        side=tuple(await connection.scalars(_SIDE, {"member": member.id})),
    )


async def beside_tasks(connection: Connection, member: Member, now: datetime) -> Agenda:
    """The drafts that wait for a member to be read, and what their accounts wait for them to do, if no task says so."""
    steps = [_Step.model_validate(row._mapping) for row in await connection.execute(_STEPS, {"member": member.id})]
    written = list(await connection.execute(_WRITTEN, {"member": member.id}))
    drafts, waits = _beside(steps, written, await tasks.steps_of(connection, member.id))
    theirs = [step.item(now) for step in waits if list(step.waiting_on) == _TAM]
    return Agenda(waiting=_sorted([*await _unbegun(connection, member, now), *theirs]), drafts=drafts)


BEGUN: Final = timedelta(minutes=1)
"""How long what is put on record may take to begin before that is told."""


async def _unbegun(connection: Connection, member: Member, now: datetime) -> list[Item]:
    """The onboardings of a member's accounts whose start was asked for in vain: nobody else is told."""
    return [
        _item(one.account, one.name, "Onboarding", hold.what or "", None, now).model_copy(
            update={"since": hold.since, "unblock": hold.unblock}
        )
        for one in await contracts.unbegun(connection, now - BEGUN)
        if one.tam == member.id and (hold := one.hold) is not None
    ]


async def cases(connection: Connection, member: Member | None, now: datetime) -> list[Item]:
    """The support cases that nobody has, or whose owner can't be paged, for whoever leads support, and that owner.

    Args:
        member: Whose; without one all of them.
    """
    leads = member is None or Role.SUPPORT_LEAD in member.roles
    asleep = [
        _item(one.account, one.of, f"{one.ref}: {one.heading}", one.told, one.due, now).model_copy(
            update={
                "case": one.ref,
                "since": one.since,
                "unblock": support_case.way_on(CaseState.QUEUED if leads else CaseState.OPEN, one.ref),
            }
        )
        for one in await case_records.unpaged(connection)
        if leads or (member is not None and one.owner == member.id)
    ]
    if not leads:
        return asleep
    return asleep + [
        _item(
            one.account, one.of, f"{one.ref}: {one.heading}", f"no one has it: {one.reason}", one.due, now
        ).model_copy(
            update={
                "case": one.ref,
                "since": one.since,
                "unblock": support_case.way_on(CaseState.QUEUED, one.ref),
            }
        )
        for one in await case_records.unowned(connection, now)
    ]


async def erasures(connection: Connection, member: Member | None, now: datetime) -> list[Item]:
    """The accounts whose erasing waits for a member as the second person.

    Args:
        member: Whose; without one all of them.
    """
    found = await account_erasure.to_confirm(connection, member.id if member else None, now)
    names = await _names(connection, [account for account, _ in found])
    return [
        _item(account, names.get(account, account), "To be erased", what, said.at + CONFIRM_WITHIN, now).model_copy(
            update={"since": said.at, "unblock": in_name(f"rapport account confirm-erasure {account}")}
        )
        for account, said in found
        for what in (f"{(await people.member(connection, said.actor)).name} asks for it: confirm it, or leave it",)
    ]


def _beside(
    steps: Iterable[_Step], written: Iterable[Row[Any]], told: set[tuple[str, str]]
) -> tuple[tuple[Pile, ...], list[_Step]]:
    """The drafts, by account, and the steps that wait for somebody.

    Tasks tell for themselves, and so do drafts: their steps would say the same again.
    """
    drafts = [row for row in written if row.state == MessageState.DRAFT]
    drafted = {(row.account, row.step) for row in drafts} | told
    waits = [
        step
        for step in steps
        if (step.state == "running" or (step.kind in _RECURRING and step.waiting_for))
        and step.kind not in _TASKS
        and (step.account, step.step) not in drafted
    ]
    piles = Counter((row.account, row.of) for row in drafts)
    return tuple(Pile(account=account, of=of, count=count) for (account, of), count in piles.items()), waits


_SIDE: Final = select(SideProjectRow.title).where(
    SideProjectRow.owner == bindparam("member"), SideProjectRow.state == SideState.TAKEN
)
_STEPS: Final = (
    select(
        AccountRow.key.label("account"),
        AccountRow.name.label("of"),
        MilestoneRow.step,
        MilestoneRow.title,
        MilestoneRow.kind,
        MilestoneRow.state,
        MilestoneRow.due,
        MilestoneRow.waiting_on,
        MilestoneRow.waiting_for,
        MilestoneRow.deadline,
        MilestoneRow.since,
        MilestoneRow.unblock,
    )
    .join(ContractRow, ContractRow.account == AccountRow.key)
    .join(MilestoneRow, MilestoneRow.contract == ContractRow.id)
    .where(
        AccountRow.tam == bindparam("member"),
        ContractRow.paused_at.is_(None),
        or_(ContractRow.ended_at.is_(None), MilestoneRow.kind.in_(_RECURRING)),
    )
    .where(MilestoneRow.state.in_(["running", "waiting"]))
    .order_by(MilestoneRow.due, AccountRow.key, MilestoneRow.position)
)
_WRITTEN: Final = (
    select(
        AccountRow.key.label("account"),
        AccountRow.name.label("of"),
        MessageRow.step,
        MessageRow.state,
        MessageRow.subject,
        MessageRow.not_before,
        ContactRow.name.label("reader"),
    )
    .join(MessageRow, MessageRow.account == AccountRow.key)
    .outerjoin(ContactRow, ContactRow.id == MessageRow.person)
    .where(AccountRow.tam == bindparam("member"))
    .where(MessageRow.state.in_([MessageState.DRAFT, MessageState.READY, MessageState.DEFERRED]))
    .order_by(AccountRow.key, MessageRow.created_at, MessageRow.key)
)
# An invitation says all that there is to say of a meeting; the latest one is the one that stands.
_INVITED: Final = (
    select(
        AccountRow.key,
        AccountRow.name,
        AccountRow.place,
        MemberRow.join_url,
        MessageRow.contract,
        MessageRow.step,
        MessageRow.purpose,
        MessageRow.occasion,
    )
    .join(MessageRow, MessageRow.account == AccountRow.key)
    .join(MemberRow, MemberRow.id == AccountRow.tam)
    .join(
        MilestoneRow,
        (MilestoneRow.contract == MessageRow.contract)
        & (MilestoneRow.step == MessageRow.step)
        & or_(MilestoneRow.state == "running", MilestoneRow.kind.in_(_RECURRING)),
    )
    .where(MessageRow.person == bindparam("member"), MessageRow.purpose.in_(FOR_CALENDARS))
    .order_by(MessageRow.created_at, MessageRow.key)
)


async def _meetings(connection: Connection, member: Member, now: datetime, end: datetime) -> tuple[Appointment, ...]:
    """The meetings that a member is invited to and that begin before the end of their day."""
    latest = {(row.contract, row.step): row for row in await connection.execute(_INVITED, {"member": member.id})}
    found = await _standing(connection, member, now, end)
    for row in latest.values():
        meeting = MessageRequest.model_validate(row.occasion).meeting
        if meeting is None or meeting.booking is None or not now <= meeting.booking.start < end:
            continue
        if meeting.booking.called_off or row.purpose == Purpose.PARTING:
            continue
        coming, mention = await _who_comes(connection, row.key, meeting.coming)
        asked = [invitee for invitee in meeting.proposal.invitees if invitee.required] if meeting.proposal else []
        found.append(
            Appointment(
                account=row.key,
                of=row.name,
                title=meeting.title,
                start=meeting.booking.start,
                end=meeting.booking.end,
                place=row.place if meeting.where == "onsite" else row.join_url,
                answered=len(asked) - len(meeting.silent),
                asked=len(asked),
                agenda=meeting.agenda,
                coming=coming,
                mention=mention,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.start, one.account)))


async def _who_comes(
    connection: Connection, account: str, ids: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who comes to a meeting, and what to mention for that."""
    if not ids:
        return (), ()
    known, _, vendor = await people.surroundings(connection, account)
    coming = [contact for contact in await people.contacts(connection, account) if contact.id in ids]
    told = audience.mentioned(coming, known, vendor)
    return (
        tuple(f"{one.name}, {one.role.lower()}" for one in coming),
        tuple(f"{topic.replace('_', ' ')}: {text}" for topic, text in told.items()),
    )


_STANDING: Final = (
    select(AccountRow.key, AccountRow.name, MemberRow.join_url, RhythmRow.title, RhythmRow.coming)
    .join(RhythmRow, RhythmRow.account == AccountRow.key)
    .join(MemberRow, MemberRow.id == AccountRow.tam)
    .where(AccountRow.tam == bindparam("member"), RhythmRow.ended_at.is_(None))
)


async def _standing(connection: Connection, member: Member, now: datetime, end: datetime) -> list[Appointment]:
    """The standing meetings of the member's accounts that begin before the end of their day."""
    return [
        Appointment(
            account=row.key,
            of=row.name,
            title=row.title,
            start=one.start,
            end=one.end,
            place=row.join_url,
            answered=0,
            asked=0,
            agenda=(),
        )
        for row in await connection.execute(_STANDING, {"member": member.id})
        for one in map(Occurrence.model_validate, row.coming)
        if one.off is None and now <= one.start < end
    ]


async def _names(connection: Connection, accounts: Iterable[str]) -> dict[str, str]:
    """The names of accounts, by key."""
    keys = sorted(set(accounts))
    rows = await connection.execute(select(AccountRow.key, AccountRow.name).where(AccountRow.key.in_(keys)))
    return {row.key: row.name for row in rows}


def _task(task: Task, names: dict[str, str], now: datetime) -> Item:
    what = _PHASES.get(task.phase, task.definition.question)
    of = names.get(task.account, task.account) or "Your team"
    return _item(task.account, of, task.heading, what, task.deadline, now)


def _item(account: str, of: str, title: str, what: str, deadline: datetime | None, now: datetime) -> Item:
    overdue = deadline is not None and deadline <= now
    return Item(account=account, of=of, title=title, what=what, deadline=deadline, overdue=overdue)


def _sorted(items: list[Item]) -> tuple[Item, ...]:
    """The overdue first, then by deadline; what has none comes last."""
    dated = sorted((item for item in items if item.deadline), key=lambda item: (item.deadline, item.account))
    return (*dated, *(item for item in items if item.deadline is None))
