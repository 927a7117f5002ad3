"""`rapport access …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from starters.cli.common import Data, Json, command, out, print_json, table, when
from starters.services import Actor, Services
from starters.use_cases import access
from starters.use_cases.access import AccessEntry

app = typer.Typer(help="Who may do what, and who is an administrator.", no_args_is_help=True)

MemberEmail = Annotated[str, typer.Argument(help="The member's address.", metavar="EMAIL")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


@app.command()
def show(
    data: Data = None,  # noqa: ARG001 - as every command has it
    json: Json = False,
) -> None:
    """Print the table: each action, the roles that may, and how far."""
    rights = access.table()
    if json:
        print_json(rights)
        return
    rows = table("action", "who may", "scopes of tokens")
    for right in rights:
        rows.add_row(right.title, right.who, ", ".join(right.scopes))
    out.print(rows)
    out.print(
        "\nWithout brackets: every account. Own: accounts that a member serves, or is the backup or delegate for. "
        "Own team: those of colleagues with the same manager, and of everyone below. "
        "A token with the scope operator, and whoever owns the data directory, may do everything."
    )


@command(app, show=lambda _, member: f"{member} is an administrator.")
async def grant(services: Services, actor: Actor, member: MemberEmail, reason: Why) -> dict[str, str]:
    """Make a member an administrator. Administrators do, or without --as whoever owns the data directory."""
    await access.grant(services, member, actor, reason)
    return {"administrator": member}


@command(app, show=lambda _, member: f"{member} isn't an administrator any longer.")
async def revoke(services: Services, actor: Actor, member: MemberEmail, reason: Why) -> dict[str, str]:
    """Take the role of an administrator from a member."""
    await access.revoke(services, member, actor, reason)
    return {"revoked": member}


def _print_log(entries: Sequence[AccessEntry]) -> None:
    if not entries:
        out.print("Nothing was changed yet.")
        return
    rows = table("at", "what", "who", "about", "why")
    for entry in entries:
        by = f"{entry.who} ({entry.entered_by})" if entry.entered_by else entry.who
        rows.add_row(when(entry.at), entry.kind, by, entry.about, entry.said or "")
    out.print(rows)


@command(app, show=_print_log)
async def log(services: Services) -> list[AccessEntry]:
    """Show what was done to members, tokens and the switch of all mail."""
    return await access.log(services)
