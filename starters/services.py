"""What every use case needs: the settings, the database, Temporal, and who is acting."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeVar

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from rapport import clock, temporal
from rapport.model.access import TokenScope
from rapport.model.account import Member, Role
from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id
from rapport.model.words import LATER as LATER
from rapport.rules import audit
from rapport.settings import Settings
from rapport.storage import account
from rapport.storage.database import Connection, Store
from rapport.storage.timeline import Submission

T = TypeVar("T")

ANSWER_SECONDS: Final = 5.0
"""How long a person waits for a workflow's answer before a decision is left at its door."""

OPENING_SECONDS: Final = 3.0
"""How long somebody who answers waits for the question to be put."""

LISTED: Final = 200
"""How many lines of a list a page or a table has at the most; programs get them all."""

STARTS_IN_FLIGHT: Final = 4
"""How many onboardings one process starts at the same time: starts starve completions. With 32, up to a fifth of the
workflow tasks of a burst waited too long for their worker and were handed out anew; with 4, hardly any."""

Channel = Literal["cli", "api", "page", "link", "hook"]

Verification = Literal["operator", "token", "session", "link", "signature", "unverified", "reported"]
"""How a person was verified; `unverified` is whoever only says who they are, as when asking for a sign-in link, and
`reported` whoever said it elsewhere, as a colleague enters it."""

_VERIFIED: Final[dict[Channel, Verification]] = {
    "cli": "operator",
    "api": "token",
    "page": "session",
    "link": "link",
    "hook": "signature",
}


class Starts:
    """The onboardings that this process is starting: a few at a time, the others wait for their turn."""

    def __init__(self) -> None:
        """Nothing is being started."""
        self._turns = asyncio.Semaphore(STARTS_IN_FLIGHT)
        self._under_way = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Wait for one's turn; say whether no other is being started then."""
        async with self._turns:
            self._under_way += 1
            try:
                yield self._under_way == 1
            finally:
                self._under_way -= 1


@dataclass(frozen=True)
class Caller:
    """Who asks: whoever runs the host, a member, a service, the holder of a link, or nobody whom we know.

    Attributes:
        member, email: The member's id and address.
        token: The name of the token that the request came with.
        user: The operating system's user, on the host.
        scopes: What a service's token may do.
        named: In whose name an operator's command acts, by address: `--as`, or `RAPPORT_AS`.
    """

    kind: Literal["operator", "member", "service", "link", "nobody"]
    member: str | None = None
    email: str | None = None
    token: str | None = None
    user: str | None = None
    scopes: frozenset[TokenScope] = frozenset()
    named: str | None = None


ON_HOST: Final = Caller("operator", scopes=frozenset({TokenScope.OPERATOR}))
"""Whoever has the data directory and the database in their hands, as on the command line."""

BEHIND_LINK: Final = Caller("link")
"""Whoever holds the personal link of a mail, once it was found to be one."""

NOBODY: Final = Caller("nobody")


@dataclass(frozen=True)
class Services:
    """The parts that use cases work with, and for whom.

    Attributes:
        caller: Who asks. A server puts it in for each request; what it does not know may do nothing.
        background: What goes on beside a request whose answer must not tell how long it takes.
        starts: What holds starts back while many come at once.
    """

    settings: Settings
    store: Store
    client: Client
    background: set[asyncio.Task[None]] = field(default_factory=set)
    starts: Starts = field(default_factory=Starts)
    caller: Caller = ON_HOST

    @property
    def is_shared(self) -> bool:
        """Whether several people work with this installation: it has a database of its own, which is production."""
        return self.settings.database_url is not None

    @property
    def reader(self) -> str | None:
        """In whose name the commands act that whoever asks is shown: their own, or that of the settings, if any."""
        return self.caller.email or self.caller.named or self.settings.as_


@dataclass(frozen=True)
class Actor:
    """Who does something, and through which channel.

    Attributes:
        email: The member's or contact's address.
        entered_by: The operating system's user or the token, where someone else's hands did the typing.
        verified_by: How we know that it is them, where it is not their channel's usual way.
    """

    email: str
    channel: Channel
    entered_by: str | None = None
    verified_by: Verification | None = None

    @property
    def verified(self) -> Verification:
        """How we know that it is them; each channel has its usual way."""
        return self.verified_by or _VERIFIED[self.channel]


def present() -> datetime:
    """The present, in UTC."""
    return clock.present()


def submission(
    actor_id: str,
    actor: Actor,
    kind: str,
    workflow_id: str,
    text: str | None = None,
    *,
    on_behalf_of: str | None = None,
    shown: str | None = None,
) -> Submission:
    """What a person is about to say.

    Args:
        on_behalf_of: The member for whom they decide, by id.
        shown: The SHA-256 of what they were shown, in hex.
    """
    salt = secrets.token_hex(16) if text else None
    return Submission(
        id=new_id("s"),
        at=present(),
        actor=actor_id,
        channel=actor.channel,
        entered_by=actor.entered_by,
        kind=kind,
        workflow_id=workflow_id,
        verified=actor.verified,
        on_behalf_of=on_behalf_of,
        shown=shown,
        text=text or None,
        salt=salt,
        text_hash=audit.text_hash(salt, text) if salt and text else None,
    )


SUPPORT: Final = frozenset({Role.SUPPORT_ENGINEER, Role.SUPPORT_LEAD})
"""The roles that work on support cases."""


async def member_named(services: Services, actor: Actor) -> Member:
    """The member who acts, whatever their roles.

    Raises:
        UserError: Nobody is named, or the person is no member, or no longer.
    """
    async with services.store.reading() as connection:
        return await who_acts(connection, actor)


async def who_acts(connection: Connection, actor: Actor, field: str = "--as") -> Member:
    """The member who acts, whatever their roles, read on a connection that is open.

    Args:
        field: What names them where they are written.

    Raises:
        UserError: Nobody is named, or the person is no member, or no longer.
    """
    if not actor.email:
        raise UserError("nobody is named", field=field, fix="say who decides with --as EMAIL, or set RAPPORT_AS")
    member = await account.member_by_email(connection, actor.email)
    if member is None:
        raise UserError(
            "is no member known here",
            field=field,
            fix="use the address of a member; see `rapport member list`",
        )
    if member.left_at is not None:
        raise UserError(
            "has left", field=field, fix="use the address of a member who still works here", kind=Refused.FORBIDDEN
        )
    return member


async def who_says(services: Services, actor: Actor) -> str:
    """The id of the member who acts; of an operator who names none, that it is the operator.

    Raises:
        UserError: As `member_named`.
    """
    if not actor.email and services.caller.kind == "operator":
        return services.caller.kind
    return (await member_named(services, actor)).id


def is_entered(services: Services, actor: Actor) -> bool:
    """Whether somebody else's hands enter what a person is to say, unless it is one person's installation."""
    return services.is_shared and actor.verified in ("operator", "reported")


def refuse_entered(services: Services, actor: Actor, what: str) -> None:
    """Refuse what people say themselves where somebody else's hands enter it, unless it is one person's installation.

    Raises:
        UserError: An operator or a service says it in a member's name, or anybody in a customer's.
    """
    if is_entered(services, actor):
        raise UserError(
            f"{what} is not taken from an operator, a service or a colleague",
            field="--as",
            fix="let them do it themselves: by the link in their email, on their page, or with their token",
            kind=Refused.FORBIDDEN,
        )


async def answered(call: Awaitable[T], subject: str) -> T:
    """Await a workflow's answer to a decision or a question.

    Raises:
        UserError: The workflow refuses (`conflict`), is not there (`not_found`), or does not answer (`unreachable`).
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await call
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        reason = cause.message if isinstance(cause, ApplicationError) else "the workflow refused it"
        raise UserError(reason, kind=Refused.CONFLICT) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise UserError(
            f"no worker answers for {subject}",
            fix="see that `rapport up` or `python worker.py` runs, then try again",
            kind=Refused.UNREACHABLE,
        ) from None
    except RPCError as error:
        raise told_by_temporal(error, subject) from None


class WorkflowEndedError(UserError):
    """The workflow that was asked has come to its end, or is not there."""


def told_by_temporal(error: RPCError, subject: str = "it") -> UserError:
    """What to say where Temporal refuses, or does not answer."""
    if error.status is RPCStatusCode.NOT_FOUND:
        if "completed" in error.message:
            return WorkflowEndedError(f"{subject} is over", kind=Refused.CONFLICT)
        return WorkflowEndedError(f"there is no {subject}", kind=Refused.NOT_FOUND)
    if error.status in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
        return temporal.silent()
    return UserError(f"Temporal refused: {error.status.name.lower()}", kind=Refused.UNREACHABLE)
