"""Signing in: by a mailed link, which is asked for, looked at, and used once; or by a provider of identities."""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from urllib.parse import urlencode

from rapport.model.access import Action
from rapport.model.account import Member
from rapport.model.base import Instant, Refused, UserError, WireModel, mail_address
from rapport.model.ids import notice_id
from rapport.model.message import MessageRequest, Purpose
from rapport.model.workflows import NOTICE
from rapport.openid import Begun, NotSignedIn, Provider
from rapport.settings import Settings
from rapport.storage import access, account, timeline
from rapport.storage.access import SIGN_IN_LIFE, Link
from rapport.storage.database import Connection
from rapport.storage.faults import DatabaseFault
from rapport.storage.session import SIGN_IN_ASKED, may_ask
from starters.rights import open_to_all, requires
from starters.services import Actor, Services, answered, present, submission
from starters.use_cases import mail_switch

OPERATOR: Final = "operator"
"""What a link is for that a terminal prints, and that signs its reader in as the holder of a token."""

COMES_BACK_AT: Final = "/sign-in/openid/callback"
"""Where the provider sends browsers back to; it has to know the whole address."""

PURPOSE: Final = "sign_in"
"""What a link is for that signs its reader in."""

log = logging.getLogger("rapport.sign_in")


class SignInTarget(WireModel):
    """What a sign-in link opens: whose session, and until when."""

    name: str
    email: str
    zone: str
    expires_at: Instant


class Entered(WireModel):
    """Who has come in by a link, and where they were going."""

    member: str
    onward: str


def ask_later(services: Services, email: str, onward: str) -> None:
    """Have a link mailed, beside the request: neither the answer nor its time tells whether anybody was found."""

    async def deliver() -> None:
        try:
            await ask(services, email, onward)
        except (UserError, DatabaseFault) as refusal:
            log.warning("a sign-in link was not sent: %s", refusal.problem)

    task = asyncio.create_task(deliver())
    services.background.add(task)
    task.add_done_callback(services.background.discard)


def mailbox(email: str) -> str:
    """What requests for an address are counted by: the same for each way to write one, also in full-width letters."""
    try:
        return mail_address(email).lower()
    except ValueError:
        return email.lower()


@open_to_all
async def mail_goes(services: Services) -> bool:
    """Whether a link that somebody asks for goes out now."""
    return (await mail_switch.status(services)).sends


@open_to_all
async def ask(services: Services, email: str, onward: str) -> str | None:
    """Have a link mailed to the member with this address.

    Args:
        onward: The path of ours to go on at. It stays in SQL: whoever asks may have typed it.

    Returns:
        The id of the workflow that sends it; nothing if no member who still works here has this address, or if so many
        went there lately that the last one still serves.

    Raises:
        UserError: Temporal does not answer.
    """
    try:
        address = mail_address(email)
    except ValueError:
        return None
    async with services.store.reading() as connection:
        member = await account.member_by_email(connection, address)
    if member is None or member.left_at is not None:
        return None
    actor = Actor(email=member.email, channel="page", verified_by="unverified")
    asked = submission(member.id, actor, SIGN_IN_ASKED, PURPOSE, onward)
    workflow_id = notice_id(asked.id)
    async with services.store.writing() as connection:
        if not await may_ask(connection, member.id, asked.at):
            return None
        await timeline.submit(connection, asked.model_copy(update={"workflow_id": workflow_id}))
    occasion = MessageRequest(
        step=PURPOSE,
        title="A link to sign in",
        workflow_id=workflow_id,
        purpose=Purpose.SIGN_IN,
        email="sign_in",
        to=(member.id,),
        now=asked.at,
        stale_at=asked.at + SIGN_IN_LIFE,
    )
    start = services.client.start_workflow(
        NOTICE.name,
        occasion,
        id=workflow_id,
        task_queue=services.settings.task_queue,
        static_summary=occasion.title,
    )
    await answered(start, "sign-in link")
    return workflow_id


@requires(Action.TOKENS)
async def printed(services: Services, token: str, onward: str = "/") -> str:
    """A link for a terminal: it signs in whoever opens it, once and within minutes, as the holder of this token.

    Args:
        onward: The path of ours to go on at.

    Raises:
        UserError: There is no valid token of this name.
    """
    now, key = present(), access.new_token()
    link = Link(person=token, purpose=OPERATOR, workflow_id="", round=1, expires_at=now + SIGN_IN_LIFE)
    async with services.store.writing() as connection:
        await access.insist_on_token(connection, token, opens_pages=True)
        await access.make_link(connection, "", key, link)
    return f"{services.settings.public_url}/sign-in?{urlencode({'key': key, 'next': onward}, safe='/')}"


@open_to_all
async def operator(services: Services, secret: str) -> str | None:
    """The name of the operator's token that lets somebody in: the one with this secret, or the one that a printed link
    is of.

    The link is used up by this.
    """
    async with services.store.reading() as connection:
        token, link = await access.find_token(connection, secret), await access.find_link(connection, secret)
    if token is not None:
        return token.name if access.opens_pages(token) else None
    if link is None or link.purpose != OPERATOR:
        return None
    async with services.store.writing() as connection:
        return link.person if await access.use_link(connection, secret, present()) else None


@open_to_all
async def is_sign_in(services: Services, token: str) -> bool:
    """Whether a personal link is one that signs its reader in, whatever has become of it."""
    async with services.store.reading() as connection:
        link = await access.find_link(connection, token)
    return link is not None and link.purpose == PURPOSE


@open_to_all
async def door(services: Services, token: str) -> SignInTarget:
    """What a sign-in link would open. Looking changes nothing.

    Raises:
        UserError: It was used or has expired (`conflict`), or is not known (`not_found`).
    """
    link, member = await _open(services, token)
    return SignInTarget(name=member.name, email=member.email, zone=member.schedule.zone, expires_at=link.expires_at)


@open_to_all
async def enter(services: Services, token: str) -> Entered:
    """Use a sign-in link, once.

    Raises:
        UserError: As `door`; of two who come at the same time, one is told that it was used.
    """
    link, member = await _open(services, token)
    async with services.store.writing() as connection:
        if not await access.use_link(connection, token, present()):
            raise _used()
        onward = await timeline.said(connection, link.workflow_id.removeprefix(notice_id("")))
    return Entered(member=member.id, onward=onward or "/")


async def _open(services: Services, token: str) -> tuple[Link, Member]:
    async with services.store.reading() as connection:
        link = await access.find_link(connection, token)
        member = await account.member(connection, link.person) if link and link.purpose == PURPOSE else None
    if link is None or member is None or member.left_at is not None:
        raise UserError("this link is not known", fix="ask for a new one", kind=Refused.NOT_FOUND)
    if link.used_at is not None:
        raise _used()
    if link.expires_at <= present():
        raise UserError("this link has expired", fix="ask for a new one", kind=Refused.CONFLICT)
    return link, member


def _used() -> UserError:
    return UserError("this link was used already", fix="ask for a new one", kind=Refused.CONFLICT)


def provider(settings: Settings) -> Provider | None:
    """By whom members sign in beside the mailed link; nobody, unless the settings say."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret
    return Provider(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        secret=None if secret is None else secret.get_secret_value(),
        redirect_uri=f"{settings.public_url.rstrip('/')}{COMES_BACK_AT}",
        scope=settings.oidc_scope,
        groups_claim=settings.oidc_groups_claim,
        asks_groups=bool(settings.oidc_roles),
        allowed=settings.fetch_allowed_hosts,
    )


@open_to_all
async def begin_by_provider(services: Services) -> Begun:
    """Begin a sign-in at the provider.

    Raises:
        UserError: There is none, or it does not answer.
    """
    known = _provider(services)
    async with known.client() as http:
        return await known.begin(http)


@open_to_all
async def enter_by_provider(services: Services, begun: Begun, code: str, issuer: str | None) -> str:
    """The id of the member who has come back from the provider: the one with the address that it has verified.

    Where the settings give roles to groups, the member has from then on those of their groups; the roles that no group
    gives stay as they are.

    Raises:
        UserError: The provider does not say who it is, nobody who works here has this address, or none of their groups
            has a role.
    """
    known = _provider(services)
    async with known.client() as http:
        identity = await known.finish(http, begun, code, issuer)
    async with services.store.writing() as connection:
        member = await account.member_by_email(connection, identity.email)
        if member is None or member.left_at is not None:
            raise NotSignedIn(f"{identity.email} is no member who works here", fix="ask an administrator to add you")
        has_role = await _follow_groups(services, connection, member, identity.groups)
    if not has_role:
        raise NotSignedIn("none of your groups has a role here", fix="ask whoever looks after your groups")
    return member.id


async def _follow_groups(services: Services, connection: Connection, member: Member, groups: frozenset[str]) -> bool:
    """Give a member the roles of their groups, and take those of other groups, also the last; whether one is left."""
    pairs = services.settings.oidc_roles
    kept = member.roles - {role for _, role in pairs}
    roles = kept | {role for group, role in pairs if group in groups}
    if roles == member.roles:
        return bool(roles)
    await access.put_roles(connection, member.id, roles)
    by = Actor(email=member.email, channel="page", entered_by="groups of the provider")
    said = submission(member.id, by, "member.roles_changed", member.id, ", ".join(sorted(roles)) or "none")
    await timeline.submit(connection, said)
    return bool(roles)


def _provider(services: Services) -> Provider:
    known = provider(services.settings)
    if known is None:
        raise UserError("there is no provider to sign in with", fix="use the emailed link", kind=Refused.NOT_FOUND)
    return known


def may_decide_without_sign_in(services: Services) -> bool:
    """Whether the mailed link of a task is enough to decide it: `RAPPORT_LINKS_SIGN_IN`, off unless switched on."""
    return services.settings.links_sign_in
