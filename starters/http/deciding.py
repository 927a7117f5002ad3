"""Whose word a page's form is. Everything that depends on how people sign in to decide stands here."""

from __future__ import annotations

from fastapi import Request

from starters.commands.office import Actor, Office
from starters.commands.tasks import TaskLink
from starters.http.auth import Session, SignInNeeded, check_form, session_of


def own_address(office: Office, session: Session) -> str | None:  # noqa: ARG001 - sessions of members have one
    """The address of the member who is signed in; nothing for an operator, who says for whom they act."""
    return None


def inbox_of(office: Office, session: Session) -> Actor:
    """Whose inbox a page shows: the member's own. Without one, everybody's."""
    return acting(office, session, office.settings.as_ or "")


def acting(office: Office, session: Session, email: str) -> Actor:
    """Who acts through a page: a signed-in member as nobody but themself, an operator as the member they name."""
    return Actor(email=own_address(office, session) or email, channel="page", entered_by="page session")


def decider(request: Request, office: Office, link: TaskLink) -> Actor:
    """Who decides behind the personal link of a mail: the one whom it was mailed to, signed in.

    Raises:
        SignInNeeded: The reader is not signed in as that person.
    """
    session = session_of(request, office)
    if session is None or own_address(office, session) not in (None, link.reader):
        raise SignInNeeded
    return acting(office, session, link.reader)


async def check_decider(request: Request, office: Office) -> None:
    """Refuse a form behind a link that was not drawn for the session that decides.

    Raises:
        Refusal: The CSRF token or the Origin is not ours.
    """
    session = session_of(request, office)
    if session is not None:
        await check_form(request, office, session)
