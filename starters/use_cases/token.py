"""Tokens of the JSON API, and the secret of its webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from rapport.storage import access, session
from rapport.storage.access import Token
from starters.services import Services, present
from worker import mail_settings

OWNER: Final = "owner"
"""The name of the bearer token that an embedded stack makes for its owner."""


async def create(services: Services, name: str, roles: tuple[str, ...]) -> str:
    """Make a bearer token and give its secret, which is shown this once.

    Raises:
        UserError: The name is taken.
    """
    async with services.store.writing() as connection:
        return await access.create_token(connection, name, roles, present())


async def revoke(services: Services, name: str) -> None:
    """Make a token useless from now on.

    Raises:
        UserError: There is no valid token of this name.
    """
    async with services.store.writing() as connection:
        await access.revoke_token(connection, name, present())
        await session.end_all(connection, token=name)


async def listed(services: Services) -> list[Token]:
    """Every token, without its secret."""
    async with services.store.reading() as connection:
        return await access.tokens(connection)


def webhook_secret(services: Services) -> str:
    """The secret that webhooks are signed with (Standard Webhooks), made from the installation's own."""
    key = hmac.digest(mail_settings(services.settings).secret, b"webhook contract-signed", hashlib.sha256)
    return f"whsec_{base64.b64encode(key).decode()}"
