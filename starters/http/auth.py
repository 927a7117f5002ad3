"""Who is asking: bearer tokens for programs, a signed session for people, CSRF tokens for forms."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated, Final, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from rapport.model.base import Refusal, Refused
from rapport.storage import access
from starters.commands.office import Actor, Office
from worker import stationery

SESSION_COOKIE: Final = "rapport_session"
SESSION_SECONDS: Final = 12 * 3600


def office_of(request: Request) -> Office:
    """The parts that this server works with."""
    return cast("Office", request.app.state.office)


TheOffice = Annotated[Office, Depends(office_of)]


class Unauthorized(Refusal):
    """No valid credentials were given."""


async def bearer(request: Request, office: TheOffice) -> str:
    """The name of the valid bearer token of a request.

    Raises:
        Unauthorized: There is none.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret:
        async with office.store.reading() as connection:
            token = await access.find_token(connection, secret.strip())
        if token is not None:
            return token.name
    raise Unauthorized(
        "no valid token was given",
        field="Authorization",
        fix='send "Authorization: Bearer …" with a token of `rapport token create`',
        kind=Refused.FORBIDDEN,
    )


Bearer = Annotated[str, Depends(bearer)]


def api_actor(office: Office, token: str, email: str | None) -> Actor:
    """Who acts through the API: the member that the request names, with the token's name beside it."""
    return Actor(email=email or office.settings.as_ or "", channel="api", entered_by=f"token {token}")


class Session:
    """A signed-in person's session. It lives in their browser alone; the server keeps nothing."""

    def __init__(self, id_: str, secret: bytes) -> None:
        """A session with this id."""
        self.id = id_
        self._secret = secret

    @property
    def csrf(self) -> str:
        """What a form must carry to prove that it was drawn for this session."""
        return hmac.digest(self._secret, f"csrf/{self.id}".encode(), hashlib.sha256).hex()


def _serializer(office: Office) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(stationery(office.settings).secret, salt="rapport session")


def new_session(office: Office) -> str:
    """The cookie of a new session."""
    return _serializer(office).dumps(secrets.token_urlsafe(18))


def session_of(request: Request, office: Office) -> Session | None:
    """The valid session of a request, if there is one."""
    try:
        id_ = _serializer(office).loads(request.cookies.get(SESSION_COOKIE, ""), max_age=SESSION_SECONDS)
    except BadSignature:
        return None
    return Session(str(id_), stationery(office.settings).secret)


class SignInNeeded(Exception):  # noqa: N818 - leads to the sign-in page
    """A page was asked for without a session."""


def signed_in(request: Request, office: TheOffice) -> Session:
    """The session of a page's reader.

    Raises:
        SignInNeeded: There is none.
    """
    session = session_of(request, office)
    if session is None:
        raise SignInNeeded
    return session


SignedIn = Annotated[Session, Depends(signed_in)]


def check_origin(request: Request, office: Office) -> None:
    """Refuse a form that another site sent.

    Under `Referrer-Policy: no-referrer`, which every response of ours sets, browsers write "Origin: null" even to the
    site itself (the Fetch standard, "append a request Origin header"); Sec-Fetch-Site then says where the form stood.

    Raises:
        Refusal: The request's Origin is not ours.
    """
    origin = request.headers.get("origin")
    ours = urlsplit(office.settings.public_url)
    if origin is None or origin == f"{ours.scheme}://{ours.netloc}":
        return
    if origin == "null" and request.headers.get("sec-fetch-site") == "same-origin":
        return
    raise Refusal("this form was sent from another site", fix="open the page again", kind=Refused.FORBIDDEN)


async def check_form(request: Request, office: Office, session: Session) -> None:
    """Refuse a form that was not drawn for this session, or that another site sent.

    Raises:
        Refusal: The CSRF token or the Origin is not ours.
    """
    check_origin(request, office)
    given = (await request.form()).get("csrf")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise Refusal("this form has expired", fix="open the page again", kind=Refused.FORBIDDEN)
