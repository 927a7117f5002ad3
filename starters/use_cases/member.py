"""Members: who there is, whom they lean on, when they are away, and that they have left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.access import Action, Reach
from rapport.model.account import Absence, Availability, Member, MembersFile, Role, WrittenAbsence
from rapport.model.base import InputModel, Instant, Prose, Refused, UserError, WireModel
from rapport.model.ids import cadence_id, case_id, desk_id, new_id
from rapport.model.support_case import DESK
from rapport.rules import access, calendar
from rapport.rules.attention import told_in
from rapport.rules.delegation import comes_by_delegates
from rapport.storage import account as people, cadence, hour, imports, session, succession, support_case, task, timeline
from rapport.storage.account import KnownAbsence
from rapport.storage.database import Connection
from starters.rights import requires
from starters.services import ANSWER_SECONDS, Actor, Services, member_named, present, submission, who_says
from starters.use_cases.access import recording_members
from starters.use_cases.files import read_written, refuse_calendars_inside

logger = logging.getLogger(__name__)

SIGNALS_IN_FLIGHT: Final = 20
"""How many workflows are told at the same time that people come or go."""

AbsenceState = Literal["ahead", "away", "over", "withdrawn"]


class AbsenceShown(WireModel):
    """An absence, with its people by address.

    Attributes:
        ends: When it is over, as planned or because the member was back early.
        delegate: Who stands in: whom it names, or else the member's usual delegate; nobody where there is neither.
        zone: The member's own, in which their days count.
        booked: Where one was just announced, the meetings that are booked with the member then; nobody else moves them.
    """

    id: str
    member: str
    name: str
    starts: Instant
    ends: Instant
    zone: str
    delegate: str | None
    state: AbsenceState
    reason: str | None
    booked: tuple[str, ...] = ()


class MemberLine(WireModel):
    """One member, and on whom they lean, by address.

    Attributes:
        away_until: When the absence that they are in ends.
        left_at: When they left for good.
    """

    email: str
    name: str
    roles: tuple[Role, ...]
    title: str | None
    zone: str
    manager: str | None
    backup: str | None
    delegate: str | None
    away_until: Instant | None
    left_at: Instant | None


class MemberShown(MemberLine):
    """One member with their absences that are not over, and the accounts whose TAM they are."""

    absences: tuple[AbsenceShown, ...]
    accounts: tuple[str, ...]


def _filled(value: str) -> str:
    if not value:
        raise ValueError("is empty; say why")
    return value


class Leaving(InputModel):
    """Why a member has left for good."""

    reason: Annotated[Prose, AfterValidator(_filled)]


def read_file(path: Path) -> MembersFile:
    """Read and check a members file.

    Raises:
        UserError: It cannot be read, or something in it is wrong.
    """
    return read_written(MembersFile, path)


@requires(Action.MEMBERS)
async def import_members(services: Services, file: MembersFile) -> list[MemberLine]:
    """Bring members up to what a file says; whom it does not name stays as they are. Gives those it names.

    Raises:
        UserError: A member leans on somebody who is not known.
    """
    refuse_calendars_inside(services, file.members)
    async with services.store.writing() as connection, recording_members(services, connection, file.members):
        await imports.save_members(connection, file)
    await people_changed(services)
    named = {member.email.lower() for member in file.members}
    return [line for line in await listed(services) if line.email.lower() in named]


@requires(Action.READ)
async def listed(services: Services) -> list[MemberLine]:
    """Every member, also those who have left, by address."""
    now = present()
    async with services.store.reading() as connection:
        known = {member.id: member for member in await people.members(connection)}
        away = await people.absences(connection, since=now)
    return [_line(member, known, away, now) for member in known.values()]


@requires(Action.READ)
async def show(services: Services, email: str) -> MemberShown:
    """One member.

    Raises:
        UserError: There is none with this address.
    """
    now = present()
    async with services.store.reading() as connection:
        found = await _member(connection, email)
        away = await people.absences(connection, found.id, since=now)
        known = {member.id: member for member in await people.members(connection)}
        accounts = await people.accounts_of(connection, found.id)
    return MemberShown(
        **dict(_line(found, known, away, now)),
        absences=tuple(_absence(absence, known, now) for absence in away),
        accounts=tuple(accounts),
    )


def _line(member: Member, known: Mapping[str, Member], away: Iterable[KnownAbsence], now: datetime) -> MemberLine:
    return MemberLine.made_of(
        member,
        roles=tuple(sorted(member.roles)),
        zone=member.schedule.zone,
        manager=_email(member.manager, known),
        backup=_email(member.backup, known),
        delegate=_email(member.delegate, known),
        away_until=next((one.over_at for one in away if one.member == member.id and one.starts <= now), None),
    )


def _email(id_: str | None, known: Mapping[str, Member]) -> str | None:
    return None if id_ is None else known[id_].email


@requires(Action.MEMBERS)
async def leave(services: Services, email: str, leaving: Leaving, actor: Actor) -> MemberShown:
    """Note that a member has left for good: what they had to decide goes to others from now on.

    Raises:
        UserError: There is no such member, they have left already, or the actor may not say so.
    """
    async with services.store.reading() as connection:
        found = await _member(connection, email)
    by = await who_says(services, actor)
    async with services.store.writing() as connection:
        if not await people.mark_left(connection, found.id, present()):
            raise UserError(
                "has left already", field="member", fix=f"see `rapport member show {email}`", kind=Refused.CONFLICT
            )
        await session.end_all(connection, member=found.id)
        await succession.tell_of_books(connection, present())
        await timeline.submit(connection, submission(by, actor, "member.leave", found.id, leaving.reason))
    await people_changed(services)
    return await show(services, email)


@requires(Action.READ)
async def absences(services: Services, email: str | None = None) -> list[AbsenceShown]:
    """The absences of a member, or of everyone, that are not over, in the order in which they begin.

    Raises:
        UserError: There is no member with this address.
    """
    now = present()
    async with services.store.reading() as connection:
        id_ = None if email is None else (await _member(connection, email)).id
        found = await people.absences(connection, id_, since=now)
        known = {member.id: member for member in await people.members(connection)}
    return [_absence(absence, known, now) for absence in found]


@requires(Action.ABSENCES)
async def add_absence(services: Services, written: WrittenAbsence, actor: Actor) -> AbsenceShown:
    """Announce an absence. Days count in the member's own zone, and the last one belongs to the absence.

    Raises:
        UserError: The member or the delegate is unknown, has left or is the same person, the time is over, ends before
            it begins or overlaps another absence, or the actor may not speak for the member or choose the delegate.
    """
    now = present()
    async with services.store.reading() as connection:
        found = await _member(connection, written.member)
        delegate = await _delegate(connection, written.delegate, found)
        known = {one.id: one for one in await people.members(connection)}
        company = await people.availability(connection, since=now)
    by = await _speaker(services, actor, found)
    _refuse_stand_in(by, found, delegate, known)
    if found.left_at is not None:
        raise UserError("has left", field="member", fix="no absence is needed", kind=Refused.CONFLICT)
    starts, ends = _span(written, found.schedule.zone)
    if ends <= now:
        raise UserError("is in the past", field="until", fix="write a day from today on, or a later instant")
    absence = KnownAbsence(id=new_id("a"), member=found.id, starts=starts, ends=ends, delegate=delegate)
    _refuse_vote(by, absence, company, known)
    said = submission(by.id, actor, "absence.add", absence.id, written.reason)
    async with services.store.writing() as connection:
        await timeline.submit(connection, said)
        other = await people.add_absence(connection, absence, said.id, now)
        if other is not None:
            raise UserError(
                f"overlaps the absence {other.id}, {_told(other, found)}",
                field="from",
                fix=_way_round(other, found, now),
                kind=Refused.CONFLICT,
            )
    await people_changed(services, away=found.id)
    return await _shown(services, absence.id)


@requires(Action.ABSENCES)
async def end_absence(services: Services, id_: str, actor: Actor) -> AbsenceShown:
    """End an absence now, because the member is back early; withdraw one that has not begun.

    Raises:
        UserError: There is none with this id, it is over already, or the actor may not speak for the member.
    """
    now = present()
    async with services.store.reading() as connection:
        known = await people.absence(connection, id_)
        if known is None:
            raise UserError(
                f'there is no absence "{id_[:70]}"',
                field="id",
                fix="see `rapport absence list`",
                kind=Refused.NOT_FOUND,
            )
        found = await people.member(connection, known.member)
    by = await _speaker(services, actor, found)
    async with services.store.writing() as connection:
        if not await people.end_absence(connection, id_, now):
            raise UserError("is over already", field="id", fix="see `rapport absence list`", kind=Refused.CONFLICT)
        await timeline.submit(connection, submission(by.id, actor, "absence.end", id_))
    await people_changed(services, away=found.id)
    return await _shown(services, id_)


async def people_changed(services: Services, account: str | None = None, away: str | None = None) -> None:
    """Tell open tasks, cases and the desk that who acts for whom may have changed; or an account's own open tasks.

    Called by each use case that changed something, once that is committed. Where Temporal cannot be told, or an
    onboarding's file brought the members in, a task finds out by itself before it writes to anybody again.

    Args:
        away: The member who announced an absence, or ended one: it takes dates of what recurs for their accounts.
    """
    async with services.store.reading() as connection:
        open_tasks = await task.open_ids(connection, put_to_people_of=account)
        refs = await support_case.open_refs(connection) if account is None else []
        served = await people.accounts_of(connection, away) if away is not None else []
        recurring = [one for one in served if await cadence.of_account(connection, one)]
    # Without a case nobody waits for the desk.
    listeners = [*open_tasks, *(case_id(ref) for ref in refs), *([desk_id(DESK)] if refs else [])]
    listeners += [cadence_id(one) for one in recurring]
    untold = await tell_people_changed(services, listeners)
    if untold:
        logger.warning(
            "Temporal did not answer: %d of %d open tasks and cases learn only later who comes or goes",
            untold,
            len(listeners),
        )


async def tell_people_changed(services: Services, ids: Sequence[str]) -> int:
    """Tell workflows that people come or go; give how many could not be told. One that has ended has no need to."""
    in_flight = asyncio.Semaphore(SIGNALS_IN_FLIGHT)

    async def tell(id_: str) -> bool:
        handle = services.client.get_workflow_handle(id_)
        async with in_flight:
            try:
                await handle.signal("people_changed", rpc_timeout=timedelta(seconds=ANSWER_SECONDS))
            except RPCError as error:
                # What has ended meanwhile has nobody to look for.
                return error.status is RPCStatusCode.NOT_FOUND
            return True

    return (await asyncio.gather(*(tell(id_) for id_ in ids))).count(False)


async def _member(connection: Connection, email: str) -> Member:
    found = await people.member_by_email(connection, email)
    if found is None:
        raise UserError(
            f'there is no member "{email[:70]}"',
            field="member",
            fix="see `rapport member list`, or import them first",
            kind=Refused.NOT_FOUND,
        )
    return found


async def _speaker(services: Services, actor: Actor, member: Member) -> Member:
    """The member who says something of a member: they themself, or someone who leads."""
    by = await member_named(services, actor)
    if by.id != member.id and access.reach(Action.ABSENCES, by.roles) is not Reach.ALL:
        raise UserError(
            "may speak for nobody else",
            field="--as",
            fix=f"ask {member.name}, or one of: {access.allowed_to(Action.ABSENCES)}",
            kind=Refused.FORBIDDEN,
        )
    return by


async def _delegate(connection: Connection, email: str | None, member: Member) -> str | None:
    if email is None:
        return None
    found = await people.member_by_email(connection, email)
    if found is None:
        raise UserError("is no member known here", field="delegate", fix="use an address of `rapport member list`")
    if found.id == member.id:
        raise UserError("is the member themself", field="delegate", fix="name somebody else, or leave it out")
    if found.left_at is not None:
        raise UserError("has left", field="delegate", fix="name somebody who still works here")
    return found.id


def _refuse_stand_in(by: Member, member: Member, delegate: str | None, known: Mapping[str, Member]) -> None:
    """Refuse a stand-in whom neither the member nor somebody above them has chosen: what the member decides is theirs.

    Or else whoever leads could take any vote, by announcing that whose it is is away: also whoever is their delegate.
    """
    if by.id == member.id or access.is_above(by, member, known):
        return
    if by.id == (delegate or member.delegate):
        raise UserError(
            f"would have you decide for {member.name}",
            field="delegate",
            fix="have them announce it, or somebody else who may",
            kind=Refused.FORBIDDEN,
        )
    if delegate not in (None, member.delegate, member.backup):
        raise UserError(
            f"is for {member.name} to choose, or for who is above them",
            field="delegate",
            fix="leave it out: their usual delegate stands in",
            kind=Refused.FORBIDDEN,
        )


def _refuse_vote(
    by: Member, absence: KnownAbsence, company: Mapping[str, Availability], known: Mapping[str, Member]
) -> None:
    """Refuse to whoever leads an absence by which they come to decide for somebody, along whatever chain of delegates.

    What comes to them from below is theirs anyway.
    """
    if by.id == absence.member:
        return
    away = company[absence.member]
    others = tuple(one for one in away.absences if one.starts >= absence.ends or one.ends <= absence.starts)
    new = Absence(starts=absence.starts, ends=absence.ends, delegate=absence.delegate)
    after = {**company, absence.member: away.model_copy(update={"absences": (*others, new)})}
    edges = {edge for one in after.values() for other in one.absences for edge in (other.starts, other.ends)}
    instants = [absence.starts, *sorted(edge for edge in edges if absence.starts < edge < absence.ends)]
    for owner in company:
        if owner == by.id or access.is_above(by, known[owner], known):
            continue
        for at in instants:
            if comes_by_delegates(owner, by.id, after, at) and not comes_by_delegates(owner, by.id, company, at):
                raise UserError(
                    f"would have you decide for {known[owner].name}",
                    field="delegate",
                    fix="have them announce it, or somebody else who may; or name another delegate, where you may",
                    kind=Refused.FORBIDDEN,
                )


def _span(written: WrittenAbsence, zone: str) -> tuple[datetime, datetime]:
    """The instants at which an absence begins and ends."""
    starts, ends = _instant(written.from_, zone), _instant(written.until, zone, last=True)
    if ends <= starts:
        raise UserError("comes before from", field="until", fix="write the later of the two as until")
    return starts, ends


def _instant(bound: date, zone: str, *, last: bool = False) -> datetime:
    if isinstance(bound, datetime):
        return bound
    day = calendar.whole_days(bound, bound, zone)
    return day.end if last else day.start


async def _shown(services: Services, id_: str) -> AbsenceShown:
    async with services.store.reading() as connection:
        kept = await people.absence(connection, id_)
        assert kept is not None
        known = {member.id: member for member in await people.members(connection)}
        first = max(kept.starts, present())
        found = await hour.engagements(connection, kept.member, first, max(first, kept.over_at), but="")
    zone = known[kept.member].schedule.zone
    booked = tuple(f"{one.of}: {told_in(one.time.start, zone)}" for one in found if one.kind == "meeting")
    return _absence(kept, known, present()).model_copy(update={"booked": booked})


def _told(absence: KnownAbsence, member: Member) -> str:
    place = ZoneInfo(member.schedule.zone)
    starts, ends = (f"{at.astimezone(place):%Y-%m-%d %H:%M}" for at in (absence.starts, absence.over_at))
    return f"from {starts} until {ends} ({place})"


def _way_round(other: KnownAbsence, member: Member, now: datetime) -> str:
    """What to do about an absence in the way. One that ended early cannot be ended again, and is free from then on."""
    if other.over_at > now:
        return f"choose other days, or end that one first with `rapport absence end {other.id} --as EMAIL`"
    free = other.over_at.astimezone(ZoneInfo(member.schedule.zone)).replace(second=0, microsecond=0)
    return f"begin when that one was over, with {(free + timedelta(minutes=1)).isoformat(timespec='minutes')}"


def _absence(absence: KnownAbsence, known: Mapping[str, Member], now: datetime) -> AbsenceShown:
    member, state = known[absence.member], _state(absence, now)
    return AbsenceShown.made_of(
        absence,
        member=member.email,
        name=member.name,
        ends=absence.ends if state == "withdrawn" else absence.over_at,
        zone=member.schedule.zone,
        delegate=_email(absence.delegate or member.delegate, known),
        state=state,
    )


def _state(absence: KnownAbsence, now: datetime) -> AbsenceState:
    if absence.over_at <= absence.starts:
        return "withdrawn"
    if absence.over_at <= now:
        return "over"
    return "away" if absence.starts <= now else "ahead"
