"""`rapport token …`"""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.model.access import TokenScope
from rapport.storage.access import Token
from starters.cli.common import Data, Json, command, out, print_json, table, when, with_office
from starters.services import Services
from starters.use_cases import sign_in, token as tokens

app = typer.Typer(help="Bearer tokens of the JSON API.", no_args_is_help=True)


def _print_list(found: list[Token]) -> None:
    rows = table("name", "whose, or what for", "made", "revoked")
    for token in found:
        rows.add_row(token.name, token.owner or ", ".join(token.scopes), when(token.created_at), when(token.revoked_at))
    out.print(rows)


@app.command()
def create(
    name: str,
    for_: Annotated[
        str | None, typer.Option("--for", help="The member whose it is. It may do what they may.", metavar="EMAIL")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help=f"What a service may do with it: {', '.join(TokenScope)}.", metavar="SCOPE"),
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a token. It is shown this once."""
    scopes = tuple(scope or ())
    secret = with_office(data, lambda services: tokens.create(services, name, scopes, for_), as_json=json)
    if json:
        print_json({"name": name, "token": secret})
    else:
        out.print(secret, soft_wrap=True)


@app.command()
def revoke(name: str, data: Data = None, json: Json = False) -> None:
    """Make a token useless from now on."""
    with_office(data, lambda services: tokens.revoke(services, name), as_json=json)
    if json:
        print_json({"name": name, "revoked": True})
    else:
        out.print(f"{name} is revoked.")


def _print_link(found: dict[str, str]) -> None:
    # A line that is to be copied is never broken.
    out.print(found["link"], soft_wrap=True)


@command(app, show=_print_link)
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


@app.command("webhook-secret")
def webhook(data: Data = None, json: Json = False) -> None:
    """The secret that `POST /v1/hooks/contract-signed` is signed with (Standard Webhooks)."""

    async def work(services: Services) -> str:
        return await tokens.signing_secret(services)

    secret = with_office(data, work, as_json=json)
    if json:
        print_json({"webhook_secret": secret})
    else:
        out.print(secret, soft_wrap=True)
