"""`rapport account …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from starters.cli import people
from starters.cli.common import Data, Json, out, print_json, table, when, with_office
from starters.commands import accounts
from starters.commands.accounts import AccountLine, AccountShown

app = typer.Typer(help="Accounts and their people.", no_args_is_help=True)
people.add_to(app)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An account file, such as examples/versayce.toml.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Bring an account and its people up to what a file says. Safe to repeat."""
    shown = with_office(data, lambda office: accounts.import_account(office, accounts.read_file(file)), as_json=json)
    if json:
        print_json(shown)
    else:
        _print(shown)


@app.command("list")
def list_(data: Data = None, json: Json = False) -> None:
    """Every account: its stage, and what it waits for."""
    lines = with_office(data, accounts.portfolio, as_json=json)
    if json:
        print_json(lines)
    else:
        print_portfolio(lines)


@app.command()
def show(account: str, data: Data = None, json: Json = False) -> None:
    """One account with its people."""
    shown = with_office(data, lambda office: accounts.show(office, account), as_json=json)
    if json:
        print_json(shown)
    else:
        _print(shown)


def print_portfolio(lines: list[AccountLine]) -> None:
    """Every account, with what it waits for, since when, and the way out."""
    if not lines:
        out.print("No accounts yet. Bring one in with `rapport account import FILE`.")
        return
    rows = table("account", "stage", "waits for", "since", "until")
    for line in lines:
        until = f"[red]{when(line.deadline)}[/red]" if line.overdue else when(line.deadline)
        rows.add_row(line.account, line.stage or "not started", line.waiting_for or "", when(line.since), until)
    out.print(rows)
    for line in lines:
        if line.unblock:
            out.print(f"\nTo move {line.account} on:\n  {line.unblock}", soft_wrap=True)


def _print(shown: AccountShown) -> None:
    out.print(f"[bold]{shown.name}[/bold]  ({shown.account})")
    if shown.contract:
        out.print(f"contract {shown.contract}, playbook {shown.playbook}, stage {shown.stage or 'done'}")
    rows = table("who", "address", "role", "zone")
    stands_in = f"TAM until {when(shown.tam_until)}" if shown.tam_until else "TAM"
    rows.add_row(shown.tam.name, shown.tam.email, stands_in, shown.tam.zone)
    if shown.regular_tam:
        rows.add_row(shown.regular_tam.name, shown.regular_tam.email, "regular TAM", shown.regular_tam.zone)
    for contact in shown.contacts:
        rows.add_row(contact.name, contact.email, contact.role, contact.zone)
    out.print(rows)
    if shown.vacant:
        out.print(f"[yellow]Held[/yellow] until somebody is named: {', '.join(shown.vacant)}")
