"""Tokens of the JSON API, and the secret of its webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from rapport.mailing import mail_settings
from rapport.model.access import Action, TokenScope
from rapport.model.base import Refused, UserError, suggestion
from rapport.storage import access, session
from rapport.storage.access import Token
from starters.rights import requires
from starters.services import Actor, Services, present, who_acts
from starters.use_cases.access import record

OWNER: Final = "owner"
"""The name of the bearer token that an embedded stack makes for its owner."""


@requires(Action.TOKENS)
async def create(services: Services, name: str, scopes: tuple[str, ...] = (), member: str | None = None) -> str:
    """Make a bearer token and give its secret, which is shown this once.

    Args:
        scopes: What a service may do with it.
        member: The address of the member whose it is: it may do at most what they may.

    Raises:
        UserError: The name is taken, a scope or the member is unknown, it is neither a member's nor for something, or a
            member would have it do everything.
    """
    for scope in scopes:
        if scope not in tuple(TokenScope):
            fix = suggestion(scope, [str(one) for one in TokenScope])
            raise UserError(f'"{scope[:40]}" isn\'t a scope', field="scope", fix=fix)
    if TokenScope.OPERATOR in scopes and (services.caller.kind != "operator" or services.caller.named is not None):
        # It may do everything, in anybody's name: more than any member may, an administrator too.
        raise UserError(
            f"{TokenScope.OPERATOR} is given by whoever runs the installation alone",
            field="scope",
            fix="make it on the host, and in nobody's name",
            kind=Refused.FORBIDDEN,
        )
    if bool(scopes) is (member is not None):
        raise UserError(
            "is a member's token, or a service's" if scopes else "says neither whose it is nor what it is for",
            field="scope",
            fix="give either --for EMAIL, or --scope with one of " + ", ".join(TokenScope),
        )
    async with services.store.writing() as connection:
        owner = None if member is None else await who_acts(connection, Actor(email=member, channel="cli"), "--for")
        secret = await access.create_token(
            connection, name, scopes, present(), member=owner.id if owner is not None else None
        )
        await record(
            services, connection, "token.created", name, owner.name if owner is not None else ", ".join(scopes)
        )
    return secret


@requires(Action.TOKENS)
async def revoke(services: Services, name: str) -> None:
    """Make a token useless from now on.

    Raises:
        UserError: There is no valid token of this name.
    """
    async with services.store.writing() as connection:
        await access.revoke_token(connection, name, present())
        await session.end_all(connection, token=name)
        await record(services, connection, "token.revoked", name)


@requires(Action.TOKENS)
async def listed(services: Services) -> list[Token]:
    """Every token, without its secret."""
    async with services.store.reading() as connection:
        return await access.tokens(connection)


@requires(Action.TOKENS)
async def signing_secret(services: Services) -> str:
    """The secret that webhooks are signed with, for whoever sends them."""
    return webhook_secret(services)


def webhook_secret(services: Services) -> str:
    """The secret that webhooks are signed with (Standard Webhooks), made from the installation's own."""
    key = hmac.digest(mail_settings(services.settings).secret, b"webhook contract-signed", hashlib.sha256)
    return f"whsec_{base64.b64encode(key).decode()}"
