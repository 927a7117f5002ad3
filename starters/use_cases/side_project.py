"""Side work of the support desk: asking for it, taking it, putting it back; never with a due date."""

from __future__ import annotations

from datetime import date

from rapport import support_rules
from rapport.model.access import Action
from rapport.model.account import Member, Role
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.commands import in_name
from rapport.model.side_project import NewSideProject, SideKind, SideProject, SideState
from rapport.rules.routing import bar
from rapport.storage import account, side_project
from rapport.storage.addresses import GONE
from rapport.storage.database import Connection
from rapport.support_rules import DeskRules
from starters.rights import requires
from starters.services import Actor, Services, member_named, present


class SideShown(WireModel):
    """Side work with its people.

    Attributes:
        owner, added_by, tam: By name.
        look_again: When the lead looks at it again; no due date.
        hours: How long it was worked on, in the desk's hours.
        put_back: How often a peak put it back.
        next: The command that moves it on.
    """

    id: str
    kind: SideKind
    title: str
    note: str | None
    area: str | None
    state: SideState
    added: Instant
    added_by: str
    owner: str | None
    since: Instant
    look_again: date | None
    tam: str | None
    booked_at: Instant | None
    hours: float
    put_back: int
    next: str | None


@requires(Action.SIDE_PROJECTS)
async def add(services: Services, written: NewSideProject, actor: Actor) -> SideShown:
    """Ask for side work. If the desk has slack, somebody gets it at once.

    Raises:
        UserError: The actor is no member, there is no such area, or the TAM of a booked training is none.
    """
    member = await member_named(services, actor)
    rules = support_rules.load(services.settings.data)
    if written.area is not None:
        rules.area(written.area)
    async with services.store.writing() as connection:
        tam = await _tam(connection, written.tam)
        id_ = await side_project.add(connection, written, member.id, tam, present())
        await _turn(connection, rules)
        return await _one(connection, id_, rules)


@requires(Action.READ)
async def listed(services: Services, *, also_done: bool = False) -> list[SideShown]:
    """The side work that there is, in the order in which it is handed out."""
    rules = support_rules.load(services.settings.data)
    async with services.store.reading() as connection:
        found = await side_project.projects(connection, rules.desk.schedule, present(), also_done=also_done)
        return await _shown(connection, found)


@requires(Action.SIDE_PROJECTS)
async def take(services: Services, id_: str, actor: Actor) -> SideShown:
    """Take side work that nobody does.

    Raises:
        UserError: The actor may not have it, has some already, or somebody else does it; it is done, or the desk is at
            its peak.
    """
    member = await member_named(services, actor)
    rules = support_rules.load(services.settings.data)
    now = present()
    async with services.store.writing() as connection:
        desk = rules.desk
        found = await side_project.project(connection, id_, desk.schedule, now)
        staff = {engineer.id: engineer for engineer in await side_project.staff(connection, now)}
        mine = staff.get(member.id)
        barred = bar(mine, found.area) if mine is not None else "isn't a support engineer"
        if barred is not None:
            raise UserError(
                f"{barred}, and side work is support's",
                field="--as",
                fix="ask a support engineer who knows the area",
                kind=Refused.FORBIDDEN,
            )
        for other in await side_project.projects(connection, desk.schedule, now):
            if other.owner == member.id and other.id != id_:
                raise UserError(
                    "has side work already",
                    field="--as",
                    fix=f"put it back first: rapport desk side-project put-back {other.id} --as EMAIL",
                    kind=Refused.CONFLICT,
                )
        state = await side_project.pressure(connection, slack=desk.slack, peak=desk.peak, now=now)
        if state.is_peak:
            raise UserError(
                "the desk is at its peak, and would put it back at once",
                field="id",
                fix="see `rapport desk status`, and take it when fewer wait",
                kind=Refused.CONFLICT,
            )
        if found.owner != member.id and not await side_project.take(connection, id_, member.id, now):
            raise _stands(found, "taken")
        return await _one(connection, id_, rules)


@requires(Action.SIDE_PROJECTS)
async def put_back(services: Services, id_: str, actor: Actor) -> SideShown:
    """Put side work back; it keeps its place in the order.

    Raises:
        UserError: There is none such, nobody does it, or the actor is neither who does it nor the lead.
    """
    member, rules = await member_named(services, actor), support_rules.load(services.settings.data)
    async with services.store.writing() as connection:
        found = await _mine(connection, id_, member, rules)
        if not await side_project.put_back(connection, id_, "member", present()):
            raise _stands(found, "put back")
        return await _one(connection, id_, rules)


@requires(Action.SIDE_PROJECTS)
async def done(services: Services, id_: str, actor: Actor) -> SideShown:
    """Say that side work is done.

    Raises:
        UserError: There is none such, it was done before, or the actor is neither who does it nor the lead.
    """
    member, rules = await member_named(services, actor), support_rules.load(services.settings.data)
    async with services.store.writing() as connection:
        found = await _mine(connection, id_, member, rules)
        if not await side_project.done(connection, id_, present()):
            raise _stands(found, "done")
        await _turn(connection, rules)
        return await _one(connection, id_, rules)


@requires(Action.LEAD_DESK)
async def look_again(services: Services, id_: str, day: date | None, actor: Actor) -> SideShown:
    """Set the day on which the lead looks at it again; without one, take it back. Nobody is promised anything by it.

    Raises:
        UserError: There is none such, it is done, or the actor is no support lead.
    """
    await member_named(services, actor)
    rules = support_rules.load(services.settings.data)
    async with services.store.writing() as connection:
        found = await side_project.project(connection, id_, rules.desk.schedule, present())
        if not await side_project.look_again(connection, id_, day):
            raise _stands(found, "looked at again")
        return await _one(connection, id_, rules)


async def _turn(connection: Connection, rules: DeskRules) -> None:
    await side_project.turn(connection, slack=rules.desk.slack, peak=rules.desk.peak, now=present())


async def _tam(connection: Connection, email: str | None) -> str | None:
    if email is None:
        return None
    member = await account.member_by_email(connection, email)
    if member is None or member.left_at is not None or Role.TAM not in member.roles:
        raise UserError("is no TAM", field="tam", fix="name the TAM who booked the training; see `rapport member list`")
    return member.id


async def _mine(connection: Connection, id_: str, member: Member, rules: DeskRules) -> SideProject:
    """Side work that a member does, or leads."""
    found = await side_project.project(connection, id_, rules.desk.schedule, present())
    if found.owner != member.id and Role.SUPPORT_LEAD not in member.roles:
        raise UserError(
            "neither does it nor leads the desk",
            field="--as",
            fix="ask whoever does it, or the lead",
            kind=Refused.FORBIDDEN,
        )
    return found


def _stands(found: SideProject, wanted: str) -> UserError:
    return UserError(
        f"is {found.state.value}, and cannot be {wanted}",
        field="id",
        fix="see `rapport desk side-project list --all`",
        kind=Refused.CONFLICT,
    )


async def _one(connection: Connection, id_: str, rules: DeskRules) -> SideShown:
    found = await side_project.project(connection, id_, rules.desk.schedule, present())
    return (await _shown(connection, [found]))[0]


async def _shown(connection: Connection, found: list[SideProject]) -> list[SideShown]:
    names = await account.names(connection, None)
    return [
        SideShown.made_of(
            one,
            added=one.added_at,
            added_by=names.get(one.added_by, GONE),
            owner=names.get(one.owner, GONE) if one.owner else None,
            tam=names.get(one.tam, GONE) if one.tam else None,
            next=_next(one),
        )
        for one in found
    ]


def _next(one: SideProject) -> str | None:
    if one.state is SideState.WAITING:
        return in_name(f"rapport desk side-project take {one.id}")
    return in_name(f"rapport desk side-project done {one.id}") if one.state is SideState.TAKEN else None
