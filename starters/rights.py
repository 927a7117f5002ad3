"""Whether whoever asks may: each use case says which action it is, and begins only for those who may do that."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from rapport.model.access import Action, Reach
from rapport.model.account import Member
from rapport.model.base import Refused, UserError
from rapport.model.ids import account_of
from rapport.rules import access
from rapport.storage import account as accounts
from rapport.storage.database import Connection
from starters.services import Actor, Caller, Services, who_acts

P = ParamSpec("P")
R = TypeVar("R")

Matter = tuple[Action, str | None]
"""What is done, and the key of the account that it is done to."""

Of = Callable[[Connection, Any], Awaitable[Iterable[Matter]]]
"""Gives what an argument of a use case is about; nothing where there is no such thing: the use case says so."""

_GRANTED: ContextVar[bool] = ContextVar("granted", default=False)
"""Whether a use case that may be done has called this one: what it requires to do it, it may."""

_BEHIND_LINKS: Final = frozenset({Action.READ, Action.DECIDE})
"""What a personal link of a mail is good for, once it was found to be one."""


def requires(
    action: Action,
    about: str | None = "account",
    of: Of | None = None,
    *,
    for_customers: bool = False,
    everywhere: bool = False,
    one: str = "",
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """Have a use case begin only for those who may do this.

    Args:
        about: The argument that says which account it is about; nothing where the use case asks for that itself.
        of: How to find that, where the argument is no account's key.
        for_customers: Whether a customer's own people may be named as those who act: what they said is entered.
        everywhere: Whether it is about every account where none is named.
        one: How one is named there, on every side.
    """

    def decorate(work: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        signature = inspect.signature(work)

        @wraps(work)
        async def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            if not _GRANTED.get():
                given = signature.bind(*args, **kwargs).arguments
                services, actor, thing = given["services"], given.get("actor"), given.get(about or "")
                wide = one if everywhere else None
                await ask(services, action, actor, thing, of=of, for_customers=for_customers, everywhere=wide)
            with _granted():
                return await work(*args, **kwargs)

        asked.action = action  # type: ignore[attr-defined]
        asked.depends = of is not None  # type: ignore[attr-defined]
        return asked

    return decorate


def open_to_all(work: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Let a use case begin for everyone: it has a secret to go by, such as a personal link, or gives nothing away."""

    @wraps(work)
    async def begun(*args: P.args, **kwargs: P.kwargs) -> R:
        with _granted():
            return await work(*args, **kwargs)

    begun.action = None  # type: ignore[attr-defined]
    return begun


@contextmanager
def _granted() -> Iterator[None]:
    mark = _GRANTED.set(True)
    try:
        yield
    finally:
        _GRANTED.reset(mark)


async def ask(
    services: Services,
    action: Action,
    actor: Actor | None = None,
    about: Any = None,
    *,
    of: Of | None = None,
    for_customers: bool = False,
    everywhere: str | None = None,
) -> None:
    """Refuse whoever may not do this.

    Args:
        everywhere: It is about every account where none is named, and how one is named, where it can be.

    Raises:
        UserError: They may not (`forbidden`); or who acts is nobody known here, or has left.
    """
    caller = services.caller
    if caller.kind == "nobody":
        raise UserError("nobody is signed in", fix="sign in, or give a token", kind=Refused.FORBIDDEN)
    async with services.store.reading() as connection:
        member = await _whose_rights(connection, caller, actor, for_customers=for_customers)
        matters: Iterable[Matter]
        missing = None
        try:
            matters = [(action, about)] if of is None or about is None else await of(connection, about)
        except UserError as none:
            # Whoever may not do it at all is told that, and not what there is.
            matters, missing = [(action, None)], none
        for wanted, account in matters:
            refuse_scopes(caller, wanted)
            if member is None and actor is None and caller.named is not None and access.depends_on_who(wanted):
                member = await who_acts(connection, Actor(email=caller.named, channel="cli"))
            if member is not None:
                await _refuse_role(connection, member, wanted, account, everywhere=everywhere)
    if missing is not None:
        raise missing


def refuse_scopes(caller: Caller, action: Action) -> None:
    """Refuse what a service's token, or a personal link, is not for.

    Raises:
        UserError: It is not for that (`forbidden`).
    """
    if caller.kind == "link" and action not in _BEHIND_LINKS:
        raise UserError("this link is not for that", fix="sign in", kind=Refused.FORBIDDEN)
    if not _in_scope(caller, action):
        raise UserError(
            f"this token may not {access.TABLE[action].doing}",
            field="Authorization",
            fix=f"use one that may; this one is for {', '.join(sorted(caller.scopes))}",
            kind=Refused.FORBIDDEN,
        )


def _in_scope(caller: Caller, action: Action) -> bool:
    return caller.kind != "service" or access.covers(action, caller.scopes)


async def _refuse_role(
    connection: Connection,
    member: Member,
    action: Action,
    account: str | None,
    *,
    everywhere: str | None,
) -> None:
    far = access.reach(action, member.roles)
    if account is None:
        near = Reach.OWN if everywhere is None else Reach.ALL
    else:
        near = await _near(connection, member, account) if far not in (None, Reach.ALL) else Reach.OWN
    if far is not None and far >= near:
        return
    field, where = "--as", "" if far is None or account is None else f" of {account}"
    fix = f"ask one of: {access.allowed_to(action)}"
    if far is not None and account is None:
        # They may, but not to all: nobody is sent to ask somebody like themselves.
        where, fix = " of every account", f"ask one of: {access.allowed_to(action, everywhere=True)}"
        if everywhere:
            field, fix = "account", f"name an account of yours: {everywhere}; for all of them, {fix}"
    raise UserError(
        f"may not {access.TABLE[action].doing}{where}",
        field=field,
        fix=fix,
        kind=Refused.FORBIDDEN,
    )


async def _whose_rights(
    connection: Connection, caller: Caller, actor: Actor | None, *, for_customers: bool
) -> Member | None:
    """The member whose rights count; nobody where none is named, and the caller may do so without."""
    named = None
    if actor is not None and actor.email:
        known = await accounts.member_by_email(connection, actor.email)
        named = known if known is None and for_customers else await who_acts(connection, actor)
    if caller.kind != "member" or caller.member is None:
        return named
    if named is not None and named.id != caller.member:
        raise UserError("may act as nobody else", field="as", fix=f"write {caller.email}", kind=Refused.FORBIDDEN)
    return await accounts.member(connection, caller.member)


async def _near(connection: Connection, member: Member, key: str) -> Reach:
    """How near an account is; one that is not known counts as one's own: whoever looks for it says so."""
    try:
        account = await accounts.account(connection, account_of(key))
    except UserError:
        return Reach.OWN
    return access.nearness(member, account, {one.id: one for one in await accounts.members(connection)})


async def allowed(services: Services, account: str | None = None) -> frozenset[Action]:
    """What whoever is signed in may do to an account; without one, what they may do to their own, or at all."""
    caller = services.caller
    if caller.kind == "nobody":
        return frozenset()
    async with services.store.reading() as connection:
        member = await _whose_rights(connection, caller, None, for_customers=False)
        near = Reach.OWN if member is None or account is None else await _near(connection, member, account)
    return frozenset(
        action
        for action in Action
        if _in_scope(caller, action) and (member is None or (access.reach(action, member.roles) or 0) >= near)
    )


async def may(services: Services, action: Action) -> bool:
    """Whether whoever asks may do this at all, as themself."""
    try:
        await ask(services, action)
    except UserError:
        return False
    return True


def reader_of(services: Services, named: str) -> str:
    """The address of whoever reads: a member is themself, a service is nobody, an operator is whom they name."""
    return named if services.caller.kind == "operator" else services.caller.email or ""
