"""Signing in and out. Whoever holds the installation's token is its operator; there are no passwords."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from rapport.storage import access
from starters.commands.office import Office
from starters.http.auth import (
    SESSION_COOKIE,
    SESSION_SECONDS,
    SignedIn,
    TheOffice,
    check_form,
    check_origin,
    new_session,
    session_of,
)
from starters.http.pages.rendering import fields, member_context, page, see_other

router = APIRouter()

_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]*")


def local(path: str) -> str:
    """A path of this server to go on at, else the first page.

    A second slash, a backslash, a space or a control character could lead a browser to another server.
    """
    return path if _LOCAL.fullmatch(path) else "/"


def sign_in_page(request: Request, wrong: str = "", onward: str | None = None) -> HTMLResponse:
    """Where a reader without a session is sent, with the way back to what they wanted."""
    if onward is None:
        query = f"?{request.url.query}" if request.url.query else ""
        onward = f"{request.url.path}{query}" if request.method in ("GET", "HEAD") else _page_of(request.url.path)
    return page(
        "sign_in.html",
        status=401,
        wrong=wrong,
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
    office: TheOffice,
    key: Annotated[str, Query()] = "",
    onward: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    """Sign in through a link that the terminal printed, or show the form."""
    if key:
        return await _enter(request, office, key, onward)
    if session_of(request, office) is not None:
        return see_other(local(onward))
    return sign_in_page(request, onward=onward)


@router.post("/sign-in")
async def sign_in_by_form(request: Request, office: TheOffice) -> Response:
    """Sign in with a token that was typed."""
    check_origin(request, office)
    form = await fields(request)
    return await _enter(request, office, form.get("key", ""), form.get("next", "/"))


async def _enter(request: Request, office: Office, key: str, onward: str) -> Response:
    async with office.store.reading() as connection:
        token = await access.find_token(connection, key.strip())
    if token is None:
        return sign_in_page(request, wrong="This token is not known, or was revoked.", onward=onward)
    response = see_other(local(onward))
    response.set_cookie(
        SESSION_COOKIE,
        new_session(office),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=office.settings.public_url.startswith("https://"),
    )
    return response


@router.post("/sign-out")
async def sign_out(request: Request, office: TheOffice, session: SignedIn) -> RedirectResponse:
    """Forget the session in this browser."""
    await check_form(request, office, session)
    response = see_other("/sign-in")
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response
