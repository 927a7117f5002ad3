"""Whose word a page's form is. Everything that depends on how people sign in to decide stands here."""

from __future__ import annotations

from fastapi import Request

from starters.http.auth import Session, SignInNeeded, check_form, session_of
from starters.services import Actor, Services
from starters.use_cases import sign_in
from starters.views.task import TaskLink


def inbox_of(services: Services, session: Session) -> Actor:
    """Whose inbox a page shows: a signed-in member's own. An operator sees that of RAPPORT_AS, else everybody's."""
    return acting(session, services.settings.as_ or "")


def acting(session: Session, email: str) -> Actor:
    """Who acts through a page: a signed-in member as nobody but themself, an operator as the member they name."""
    if session.email is not None:
        return Actor(email=session.email, channel="page")
    return Actor(email=email, channel="page", entered_by=f"token {session.name}", verified_by="operator")


async def decider(request: Request, services: Services, link: TaskLink) -> Actor:
    """Who decides behind the personal link of a mail: the one whom it was mailed to, signed in.

    A customer has no login: their link is enough, and signs off this one thing. For members it is enough only where
    the installation says so, and that is weaker.

    Raises:
        SignInNeeded: The reader is not signed in as that person.
    """
    if link.is_customers:
        return Actor(email=link.reader, channel="link")
    session = await session_of(request, services)
    if session is not None and session.email in (None, link.reader):
        return acting(session, link.reader)
    if sign_in.may_decide_without_sign_in(services):
        return Actor(email=link.reader, channel="link")
    raise SignInNeeded


async def check_decider(request: Request, services: Services) -> None:
    """Refuse a form behind a link that was not drawn for the session that decides.

    Raises:
        UserError: The CSRF token or the Origin is not ours.
    """
    session = await session_of(request, services)
    if session is not None:
        await check_form(request, services, session)
