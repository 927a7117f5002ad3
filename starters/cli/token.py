"""`rapport token …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rapport.model.access import TokenScope
from rapport.storage.access import Token
from starters.cli.common import command, out, table, when
from starters.services import Services
from starters.use_cases import sign_in, token as tokens

app = typer.Typer(help="Bearer tokens of the JSON API.", no_args_is_help=True)


def _print_list(found: list[Token]) -> None:
    rows = table("name", "whose, or what for", "made", "revoked")
    for token in found:
        rows.add_row(token.name, token.owner or ", ".join(token.scopes), when(token.created_at), when(token.revoked_at))
    out.print(rows)


@command(app, show=lambda made: _print_secret(made["token"]))
async def create(
    services: Services,
    name: str,
    for_: Annotated[
        str | None, typer.Option("--for", help="The member whose it is. It may do what they may.", metavar="EMAIL")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help=f"What a service may do with it: {', '.join(TokenScope)}.", metavar="SCOPE"),
    ] = None,
) -> dict[str, str]:
    """Make a token. It is shown this once."""
    return {"name": name, "token": await tokens.create(services, name, tuple(scope or ()), for_)}


@command(app, show=lambda done: f"{done['name']} is revoked.")
async def revoke(services: Services, name: str) -> dict[str, Any]:
    """Make a token useless from now on."""
    await tokens.revoke(services, name)
    return {"name": name, "revoked": True}


def _print_secret(text: str) -> None:
    # A line that is to be copied is never broken.
    out.print(text, soft_wrap=True)


@command(app, show=lambda found: _print_secret(found["link"]))
async def link(
    services: Services,
    name: Annotated[str, typer.Argument(help="The token whose holder you are.")] = tokens.OWNER,
    onward: Annotated[str, typer.Option("--to", help="The page to open.", metavar="PATH")] = "/",
) -> dict[str, str]:
    """Print a link that signs you in to the pages once, within 15 minutes."""
    return {"link": await sign_in.printed(services, name, onward)}


@command(app, "list", show=_print_list)
async def list_(services: Services) -> list[Token]:
    """Every token, without its secret."""
    return await tokens.listed(services)


@command(app, "webhook-secret", show=lambda made: _print_secret(made["webhook_secret"]))
async def webhook_secret(services: Services) -> dict[str, str]:
    """The secret that `POST /v1/hooks/contract-signed` is signed with (Standard Webhooks)."""
    return {"webhook_secret": await tokens.signing_secret(services)}
