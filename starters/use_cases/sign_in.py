"""Signing in by a mailed link: asking for one, looking at it, using it once."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from rapport.model.account import Member
from rapport.model.base import Instant, Refused, UserError, WireModel, mail_address
from rapport.model.ids import notice_id
from rapport.model.message import MessageRequest, Purpose
from rapport.model.workflows import NOTICE
from rapport.storage import access, account, timeline
from rapport.storage.access import SIGN_IN_LIFE, Link
from rapport.storage.faults import DatabaseFault
from starters.services import Actor, Services, answered, present, submission

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


async def ask(services: Services, email: str, onward: str) -> str | None:
    """Have a link mailed to the member with this address.

    Args:
        onward: The path of ours to go on at. It stays in SQL: whoever asks may have typed it.

    Returns:
        The id of the workflow that sends it; nothing if no member who still works here has this address.

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
    asked = submission(member.id, actor, "sign_in.asked", PURPOSE, onward)
    workflow_id = notice_id(asked.id)
    async with services.store.writing() as connection:
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


async def is_sign_in(services: Services, token: str) -> bool:
    """Whether a personal link is one that signs its reader in, whatever has become of it."""
    async with services.store.reading() as connection:
        link = await access.find_link(connection, token)
    return link is not None and link.purpose == PURPOSE


async def door(services: Services, token: str) -> SignInTarget:
    """What a sign-in link would open. Looking changes nothing.

    Raises:
        UserError: It was used or has expired (`conflict`), or is not known (`not_found`).
    """
    link, member = await _open(services, token)
    return SignInTarget(name=member.name, email=member.email, zone=member.schedule.zone, expires_at=link.expires_at)


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


def may_decide_without_sign_in(services: Services) -> bool:
    """Whether the mailed link of a task is enough to decide it: `RAPPORT_LINKS_SIGN_IN`, off unless switched on."""
    return services.settings.links_sign_in
