"""Signing in and out. There are no passwords: a member is mailed a link that is good for once, and whoever holds a
token of the installation is its operator. Where the settings name a provider, members sign in there as well.
"""

from __future__ import annotations

import logging
import re
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from rapport.model.base import Refused, UserError
from rapport.openid import NotSignedIn, ProviderAway
from starters.http.auth import (
    SESSION_COOKIE,
    SignedIn,
    TheServices,
    begin_session,
    begun_by,
    check_form,
    check_origin,
    end_sessions,
    forget_begun,
    keep_begun,
    session_of,
)
from starters.http.limits import SIGN_IN_BY_ADDRESS, SIGN_IN_BY_CLIENT, client_of, limits_of
from starters.http.pages.rendering import fields, form_token, member_context, page, see_other
from starters.http.problems import status_of
from starters.services import Services
from starters.use_cases import sign_in as sign_ins

router = APIRouter()

log = logging.getLogger("rapport.sign_in")

MAX_ADDRESS: Final = 254
"""The longest address that there is (RFC 5321, erratum 1690)."""

_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]*")


def local(path: str) -> str:
    """A path of this server to go on at, else the first page.

    A second slash, a backslash, a space or a control character could lead a browser to another server.
    """
    return path if _LOCAL.fullmatch(path) else "/"


def sign_in_needed(request: Request) -> Response:
    """Send a reader without a session, or with one that is over, to sign in, with the way back to what they wanted."""
    query = f"?{request.url.query}" if request.url.query else ""
    onward = f"{request.url.path}{query}" if request.method in ("GET", "HEAD") else _page_of(request.url.path)
    if onward.startswith("/m/"):
        # A personal link goes into no address beside its own.
        return sign_in_page(request, onward=onward, status=401)
    return see_other(f"/sign-in?{urlencode({'next': local(onward)}, safe='/')}")


def sign_in_page(
    request: Request, wrong: str = "", onward: str = "/", status: int = 200, trouble: UserError | None = None
) -> HTMLResponse:
    """The form to sign in with, and what was wrong the last time.

    Args:
        wrong: With a token.
        trouble: At the provider.
    """
    services: Services = request.app.state.services
    return page(
        "sign_in.html",
        status=401 if wrong else status,
        wrong=wrong,
        trouble=trouble,
        provider=services.settings.oidc_name if sign_ins.provider(services.settings) is not None else None,
        onward=local(onward),
        **member_context(request, None),
    )


def _page_of(path: str) -> str:
    """The page that has the form which is sent to this path."""
    shown = re.match(r"/accounts/[^/]+(/drafts)?|/tasks/.+(?=/[a-z]+$)|/m/.+", path)
    return shown[0] if shown else "/"


@router.get("/sign-in")
async def sign_in(
    request: Request,
    services: TheServices,
    key: Annotated[str, Query()] = "",
    onward: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    """Sign in through a link that the terminal printed, or show the form."""
    if key:
        return await _enter(request, services, key, onward)
    if await session_of(request, services) is not None:
        return see_other(local(onward))
    return sign_in_page(request, onward=onward)


@router.post("/sign-in")
async def sign_in_by_form(request: Request, services: TheServices) -> Response:
    """Have a link mailed to the address that was typed, or sign in with the token that was."""
    check_origin(request, services)
    limits = limits_of(request)
    await limits.take(SIGN_IN_BY_CLIENT, client_of(request))
    form = await fields(request, tells=False)
    if "email" in form:
        email, onward = form["email"].strip()[:MAX_ADDRESS], local(form.get("next", "/"))
        await limits.take(SIGN_IN_BY_ADDRESS, f"{client_of(request)} {sign_ins.mailbox(email)}")
        sends = await sign_ins.mail_goes(services)
        sign_ins.ask_later(services, email, onward)
        return page("sign_in_asked.html", onward=onward, sends=sends, **member_context(request, None))
    return await _enter(request, services, form.get("key", ""), form.get("next", "/"))


@router.get("/sign-in/openid")
async def go_to_provider(
    request: Request, services: TheServices, onward: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """Go to the provider to sign in there."""
    await limits_of(request).take(SIGN_IN_BY_CLIENT, client_of(request))
    try:
        begun = await sign_ins.begin_by_provider(services)
    except ProviderAway as refusal:
        return _provider_trouble(request, refusal, onward)
    answer = see_other(begun.url)
    keep_begun(answer, services, begun, local(onward))
    return answer


@router.get(sign_ins.COMES_BACK_AT)
async def come_back(
    request: Request,
    services: TheServices,
    code: Annotated[str, Query(max_length=4096)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
    issuer: Annotated[str | None, Query(alias="iss", max_length=2000)] = None,
) -> Response:
    """Sign in whom the provider has sent back, if it is the browser that went there."""
    await limits_of(request).take(SIGN_IN_BY_CLIENT, client_of(request))
    begun, onward = begun_by(request, services, state)
    try:
        if begun is None:
            raise NotSignedIn("this sign-in didn't begin in this browser, or took longer than ten minutes")
        if not code:
            raise NotSignedIn("the provider didn't sign you in")
        member = await sign_ins.enter_by_provider(services, begun, code, issuer)
    except (NotSignedIn, ProviderAway) as refusal:
        answer: Response = _provider_trouble(request, refusal, onward)
    else:
        answer = see_other(onward)
        await begin_session(answer, services, member=member)
    forget_begun(answer)
    return answer


def _provider_trouble(request: Request, refusal: UserError, onward: str) -> HTMLResponse:
    log.warning("nobody was signed in by the provider: %s", "away" if isinstance(refusal, ProviderAway) else "refused")
    return sign_in_page(request, onward=onward, status=status_of(refusal), trouble=refusal)


async def _enter(request: Request, services: Services, key: str, onward: str) -> Response:
    token = await sign_ins.operator(services, key.strip())
    if token is None:
        wrong = "This token isn't known, or the link was used or has expired."
        return sign_in_page(request, wrong=wrong, onward=onward)
    response = see_other(local(onward))
    await begin_session(response, services, token=token)
    return response


async def show_door(services: Services, token: str) -> HTMLResponse:
    """The page behind a sign-in link. Looking changes nothing: mail scanners look too."""
    try:
        door = await sign_ins.door(services, token)
    except UserError as refusal:
        return _closed(refusal)
    return page("link_sign_in.html", door=door, token=token, form_token=form_token(services, token))


async def enter_by_link(services: Services, token: str) -> Response:
    """Use a sign-in link, and go on to where its reader was going."""
    try:
        entered = await sign_ins.enter(services, token)
    except UserError as refusal:
        return _closed(refusal)
    response = see_other(local(entered.onward))
    await begin_session(response, services, member=entered.member)
    return response


def _closed(refusal: UserError) -> HTMLResponse:
    """A sign-in link that opens nothing any more, with the way to a new one. It does not say whose it was."""
    status = 410 if refusal.kind is Refused.CONFLICT else status_of(refusal)
    return page("link_sign_in_closed.html", status=status, refusal=refusal)


@router.post("/sign-out")
async def sign_out(request: Request, services: TheServices, session: SignedIn) -> RedirectResponse:
    """End the session, or with `everywhere` all that this person has in any browser."""
    await check_form(request, services, session)
    await end_sessions(services, session, everywhere="everywhere" in await fields(request))
    response = see_other("/sign-in")
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response
