"""Who is asking: bearer tokens for programs, a session for people, CSRF tokens for forms."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
from dataclasses import astuple, dataclass, field, replace
from typing import Annotated, Final, Literal, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from rapport.mailing import mail_settings
from rapport.model.access import TokenScope
from rapport.model.base import Refused, UserError
from rapport.openid import Begun
from rapport.storage import access, account, session as sessions
from rapport.storage.access import Token
from starters.services import NOBODY, ON_HOST, Actor, Caller, Services, Verification, present
from starters.use_cases import access as access_cases

SESSION_COOKIE: Final = "rapport_session"

BEGUN_COOKIE: Final = "rapport_openid"
BEGUN_PATH: Final = "/sign-in/openid"
BEGUN_SECONDS: Final = 600
"""How long somebody may take to sign in at the provider."""


def _parts(request: Request) -> Services:
    """The parts that this server works with, for nobody yet."""
    return cast("Services", request.app.state.services)


async def services_of(request: Request) -> Services:
    """The parts that this server works with, for whoever asks: the token's holder, or else whoever is signed in."""
    # Not a plain function, here and below: FastAPI would send that to a thread, for each request.
    services = _parts(request)
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        session = await session_of(request, services)
        caller = NOBODY if session is None else session.caller
    return replace(services, caller=caller)


TheServices = Annotated[Services, Depends(services_of)]


class UnauthorizedError(UserError):
    """No valid credentials were given."""


async def bearer(request: Request) -> str:
    """The name of the valid bearer token of a request, which from then on is its holder's.

    Raises:
        Unauthorized: There is none.
    """
    services = _parts(request)
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret:
        async with services.store.reading() as connection:
            token = await access.find_token(connection, secret.strip())
        if token is not None:
            request.state.caller = holder_of(token)
            return token.name
    raise UnauthorizedError(
        "no valid token was given",
        field="Authorization",
        fix='send "Authorization: Bearer …" with a token of `rapport token create`',
        kind=Refused.FORBIDDEN,
    )


Bearer = Annotated[str, Depends(bearer)]


def holder_of(token: Token) -> Caller:
    """Who asks with a token: a member, an operator, or a service."""
    scopes = frozenset(TokenScope(scope) for scope in token.scopes if scope in tuple(TokenScope))
    if token.member is not None:
        return Caller("member", member=token.member, email=token.owner, token=token.name)
    kind: Literal["operator", "service"] = "operator" if TokenScope.OPERATOR in scopes else "service"
    return Caller(kind, token=token.name, scopes=scopes)


def api_actor(services: Services, token: str, email: str | None, *, anybody: bool = False) -> Actor:
    """Who acts through the API: the member that the request names, with the token's name beside it.

    Whom an operator or a service names did not do it themself: it was entered for them. A member enters what a customer
    has told them. A member who names nobody acts themself.

    Args:
        anybody: Whether nobody has to be named: it is only looked at.

    Raises:
        UserError: Nobody is named, and the token is no member's.
    """
    caller = services.caller
    if not email and caller.kind != "member" and not anybody:
        raise UserError("is missing", field="as", fix="add the address of the member who does this")
    verified: Verification | None = "operator"
    if caller.kind == "member":
        is_own = (email or "").lower() in ("", (caller.email or "").lower())
        verified = None if is_own else "reported"
    return Actor(
        email=email or caller.email or services.settings.as_ or "",
        channel="api",
        entered_by=f"token {token}",
        verified_by=verified,
    )


@dataclass(frozen=True)
class Session:
    """A signed-in person's session.

    Attributes:
        member: The id of the member who is signed in; nothing for the operator, who came in with a token.
        name: The member's name, or the token's.
        email: The member's address.
    """

    id: str
    secret: bytes = field(repr=False)
    member: str | None
    name: str
    email: str | None = None

    @property
    def caller(self) -> Caller:
        """Who asks in it. Only an operator's token begins one."""
        if self.member is not None:
            return Caller("member", member=self.member, email=self.email)
        return replace(ON_HOST, token=self.name)

    @property
    def csrf(self) -> str:
        """What a form must carry to prove that it was drawn for this session."""
        return hmac.digest(self.secret, f"csrf/{self.id}".encode(), hashlib.sha256).hex()


async def begin_session(
    response: Response, services: Services, *, member: str | None = None, token: str | None = None
) -> None:
    """Put a new session into a browser: that of a member, by id, or that of whoever holds a token, by its name."""
    async with services.store.writing() as connection:
        secret = await sessions.begin(connection, present(), member=member, token=token)
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=int(sessions.SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=_never_in_the_clear(services),
    )


def _never_in_the_clear(services: Services) -> bool:
    # On the loopback there is nobody to listen, and nobody has a certificate.
    public = urlsplit(services.settings.public_url)
    return public.scheme == "https" or not _is_loopback(public.hostname or "")


def keep_begun(response: Response, services: Services, begun: Begun, onward: str) -> None:
    """Have a browser keep what it has to come back from the provider with, and where it was going.

    It is the browser's own, so it may read it; only we can have written it.
    """
    until = int(present().timestamp()) + BEGUN_SECONDS
    said = base64.urlsafe_b64encode(json.dumps([*astuple(begun)[1:], onward, until]).encode()).decode()
    response.set_cookie(
        BEGUN_COOKIE,
        f"{said}.{_signature(services, said)}",
        max_age=BEGUN_SECONDS,
        path=BEGUN_PATH,
        httponly=True,
        # Lax, as the provider's site sends the browser back.
        samesite="lax",
        secure=_never_in_the_clear(services),
    )


def begun_by(request: Request, services: Services, state: str) -> tuple[Begun | None, str]:
    """The sign-in that this browser began with this state, if it did so lately; and where it was going."""
    said, _, signature = request.cookies.get(BEGUN_COOKIE, "").partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(services, said).encode()):
        return None, "/"
    known, nonce, verifier, onward, until = json.loads(base64.urlsafe_b64decode(said))
    if until < present().timestamp() or not hmac.compare_digest(known.encode(), state.encode()):
        return None, onward
    return Begun("", known, nonce, verifier), onward


def forget_begun(response: Response) -> None:
    """Have a browser forget it: it is good for once."""
    response.delete_cookie(BEGUN_COOKIE, path=BEGUN_PATH, httponly=True, samesite="lax")


def _signature(services: Services, said: str) -> str:
    return hmac.digest(mail_settings(services.settings).secret, f"openid/{said}".encode(), hashlib.sha256).hex()


async def end_sessions(services: Services, session: Session, *, everywhere: bool) -> None:
    """End a session, or all that its member or its token has in any browser."""
    async with services.store.writing() as connection:
        if not everywhere:
            await sessions.end(connection, session.id)
        elif session.member is not None:
            await sessions.end_all(connection, member=session.member)
        else:
            await sessions.end_all(connection, token=session.name)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def session_of(request: Request, services: Services) -> Session | None:
    """The valid session of a request, if there is one: a member who has left and a revoked token have none."""
    carried = request.cookies.get(SESSION_COOKIE)
    if not carried:
        return None
    async with services.store.reading() as connection:
        found = await sessions.find(connection, carried, present())
        member = await account.member(connection, found.member) if found and found.member else None
    if found is None:
        return None
    secret = mail_settings(services.settings).secret
    if member is not None:
        return Session(found.id, secret, member.id, member.name, member.email)
    return Session(found.id, secret, None, found.token or "")


class SignInNeeded(Exception):  # noqa: N818 - leads to the sign-in page
    """A page was asked for without a session."""


async def signed_in(request: Request, services: TheServices) -> Session:
    """The session of a page's reader.

    Raises:
        SignInNeeded: There is none.
    """
    session = await session_of(request, services)
    if session is None:
        raise SignInNeeded
    return session


SignedIn = Annotated[Session, Depends(signed_in)]


async def operating(session: SignedIn, services: TheServices) -> Session:
    """The session of an operator, who may see what is everyone's.

    Raises:
        UserError: The reader is signed in as a member.
    """
    await access_cases.on_host(services)
    return session


Operator = Annotated[Session, Depends(operating)]


def check_origin(request: Request, services: Services) -> None:
    """Refuse a form that another site sent.

    Under `Referrer-Policy: no-referrer`, which every response of ours sets, browsers write "Origin: null" even to the
    site itself (the Fetch standard, "append a request Origin header"); Sec-Fetch-Site then says where the form stood.

    Raises:
        UserError: The request's Origin is not ours.
    """
    origin = request.headers.get("origin")
    ours = urlsplit(services.settings.public_url)
    if origin is None or origin == f"{ours.scheme}://{ours.netloc}":
        return
    if origin == "null" and request.headers.get("sec-fetch-site") == "same-origin":
        return
    raise UserError("this form was sent from another site", fix="open the page again", kind=Refused.FORBIDDEN)


async def check_form(request: Request, services: Services, session: Session) -> None:
    """Refuse a form that was not drawn for this session, or that another site sent.

    Raises:
        UserError: The CSRF token or the Origin is not ours.
    """
    check_origin(request, services)
    given = (await request.form()).get("csrf")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise UserError("this form has expired", fix="open the page again", kind=Refused.FORBIDDEN)
