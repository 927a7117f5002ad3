"""Who may do what, and who is an administrator: the table as it is shown, and the record of what was changed in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from email.utils import parseaddr
from typing import Final

from rapport.model.access import Action
from rapport.model.account import Member, MembersFile, Role, WrittenMember
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.reading import check
from rapport.rules import access
from rapport.storage import access as access_storage, account as accounts, imports, timeline
from rapport.storage.database import Connection
from starters.rights import requires
from starters.services import Actor, Services, submission, who_acts, who_says


class RightShown(WireModel):
    """One row of the table.

    Attributes:
        roles: How far each role's right goes: `own` accounts, own `team`, or `all`.
        scopes: The scopes of services' tokens that cover it, beside the operator's.
    """

    action: Action
    title: str
    who: str
    roles: dict[str, str]
    scopes: tuple[str, ...]


class AccessEntry(WireModel):
    """Something that was done to members, tokens or the switch of all mail."""

    at: Instant
    kind: str
    who: str
    about: str
    channel: str
    entered_by: str | None
    said: str | None


def table() -> list[RightShown]:
    """Every action, and who may do it."""
    return [
        RightShown(
            action=action,
            title=right.title,
            who=access.allowed_to(action),
            roles={role: far.name.lower() for role, far in right.roles.items()},
            scopes=right.scopes,
        )
        for action, right in access.TABLE.items()
    ]


@requires(Action.READ)
async def shown(services: Services) -> list[RightShown]:  # noqa: ARG001 - the same first argument as every use case
    """The table, for whoever is let in."""
    return table()


@requires(Action.MEMBERS)
async def grant(services: Services, email: str, actor: Actor, reason: str) -> None:
    """Make a member an administrator, beside what they are.

    Raises:
        UserError: There is no such member, they have left, or they are one already.
    """
    await _change(services, email, actor, reason, is_one=True)


@requires(Action.MEMBERS)
async def revoke(services: Services, email: str, actor: Actor, reason: str) -> None:
    """Take the role of an administrator from a member. Raises as `grant`, or where they have no other role."""
    await _change(services, email, actor, reason, is_one=False)


async def _change(services: Services, email: str, actor: Actor, reason: str, *, is_one: bool) -> None:
    by = await who_says(services, actor)
    async with services.store.writing() as connection:
        found = await accounts.member_by_email(connection, email)
        if found is None or found.left_at is not None:
            raise UserError(
                "is no member who works here", field="member", fix="see `rapport member list`", kind=Refused.NOT_FOUND
            )
        roles = found.roles | {Role.ADMINISTRATOR} if is_one else found.roles - {Role.ADMINISTRATOR}
        if roles == found.roles:
            problem = "is an administrator already" if is_one else "isn't an administrator"
            raise UserError(problem, field="member", fix="see `rapport member list`", kind=Refused.CONFLICT)
        if not roles:
            raise UserError("has no other role", field="member", fix="give them one first, or say that they have left")
        await access_storage.put_roles(connection, found.id, roles)
        kind = "access.granted" if is_one else "access.revoked"
        await timeline.submit(connection, submission(by, actor, kind, found.id, reason))


@requires(Action.HOST)
async def name_administrator(services: Services, named: str) -> str:
    """Make somebody an administrator, as whoever owns the host: a member by address, or a new one, `Name <address>`.

    Naming the same once more changes nothing.

    Returns:
        Their address.

    Raises:
        UserError: It is no address, or the member has left.
    """
    name, address = parseaddr(named)
    written = {"name": name or address.partition("@")[0], "email": address, "roles": ["administrator"], "zone": "UTC"}
    new = check(WrittenMember, written, "--administrator")
    async with services.store.writing() as connection:
        found = await accounts.member_by_email(connection, new.email)
        if found is not None and found.left_at is not None:
            raise UserError("has left", field="--administrator", fix="name somebody who works here")
        if found is not None and Role.ADMINISTRATOR in found.roles:
            return found.email
        if found is None:
            [id_] = await imports.save_members(connection, MembersFile(members=(new,)))
        else:
            id_ = found.id
            await access_storage.put_roles(connection, id_, found.roles | {Role.ADMINISTRATOR})
        await record(
            services, connection, "access.granted", id_, "named on the host by `rapport setup --administrator`"
        )
    return new.email


@requires(Action.HOST)
async def on_host(services: Services) -> None:
    """Let nobody on but whoever runs the installation."""


@requires(Action.READ_AUDIT, everywhere=True)
async def log(services: Services) -> list[AccessEntry]:
    """What was done to members, tokens and the switch of all mail, oldest first."""
    async with services.store.reading() as connection:
        names = await accounts.names(connection, None)
        return [
            AccessEntry(
                at=said.at,
                kind=said.kind,
                who=names.get(said.actor, said.actor),
                about=names.get(said.workflow_id, said.workflow_id),
                channel=said.channel,
                entered_by=said.entered_by,
                said=said.text,
            )
            for said in await access_storage.log(connection)
        ]


async def record(services: Services, connection: Connection, kind: str, about: str, text: str | None = None) -> None:
    """Put on record what whoever asks did to members or tokens, where nobody else is named."""
    caller = services.caller
    by = f"token {caller.token}" if caller.token is not None else caller.user
    email = caller.email or caller.named or ""
    actor = Actor(email=email, channel="cli" if caller.token is None else "api", entered_by=by)
    member = caller.member or (None if caller.named is None else (await who_acts(connection, actor)).id)
    await timeline.submit(connection, submission(member or caller.kind, actor, kind, about, text))


@asynccontextmanager
async def recording_members(
    services: Services, connection: Connection, written: Sequence[WrittenMember]
) -> AsyncIterator[None]:
    """Put on record who becomes a member, and whose roles or stand-ins change, while a file is brought in."""
    before = {one.id: one for one in await accounts.members(connection)} if written else {}
    yield
    if not written:
        return
    after = {one.id: one for one in await accounts.members(connection)}
    for one in after.values():
        had = before.get(one.id)
        if had is None or had.roles != one.roles:
            kind = "member.added" if had is None else "member.roles_changed"
            await record(services, connection, kind, one.id, ", ".join(sorted(one.roles)))
        if had is not None and (others := _stand_ins(had, one, after)):
            await record(services, connection, "member.others_changed", one.id, ", ".join(others))


_STAND_INS: Final = ("manager", "backup", "delegate")
"""Who may come to decide in a member's place."""


def _stand_ins(had: Member, has: Member, members: Mapping[str, Member]) -> list[str]:
    """Which of these a member has anew, each by name."""
    pairs = [(name, getattr(had, name), getattr(has, name)) for name in _STAND_INS]
    return [f"{name} {members[now].name if now else 'none'}" for name, before, now in pairs if before != now]
