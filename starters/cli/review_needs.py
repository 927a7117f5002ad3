"""`rapport review needed | gate | triage`"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from rapport.model.base import Refused
from starters.cli.common import EXIT, Data, Json, out, print_json, with_office
from starters.commands import review_needs
from starters.commands.review_needs import CallShown


def add_to(app: typer.Typer) -> None:
    """Add what stands around a review."""
    app.command()(needed)
    app.command()(gate)


def needed(account: str, data: Data = None, json: Json = False) -> None:
    """Which scenarios call for a review of an account and why, and what nobody knows yet."""
    found = with_office(data, lambda office: review_needs.needed(office, account), as_json=json)
    if json:
        print_json(found)
        return
    if not found.needed:
        out.print(f"Nothing that is known of {account} calls for a review.")
    for call in found.needed:
        _print(call)
    if found.unsure:
        out.print("\n[bold]Not known yet[/bold]")
    for call in found.unsure:
        out.print(f"  {call.title}: {call.record}", soft_wrap=True, markup=False)
    out.print()
    for standing in found.gates:
        colour = "green" if standing.open else "red"
        word = "open" if standing.open else "shut"
        out.print(f"[{colour}]{word}[/{colour}]  {standing.gate}: {standing.why}", soft_wrap=True)


def gate(
    account: str,
    gate: Annotated[str, typer.Argument(help="trial or production.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Whether an account may begin its trial, or go to production: ends with 0 where it may, with 4 where not."""
    found = with_office(data, lambda office: review_needs.gate(office, account, gate), as_json=json)
    if json:
        print_json(found)
    else:
        colour = "green" if found.open else "red"
        out.print(f"[{colour}]{'open' if found.open else 'shut'}[/{colour}]  {found.why}", soft_wrap=True)
        if found.unblock:
            out.print(f"\nIt waits for {', '.join(found.on)}. To move it on:\n  {found.unblock}", soft_wrap=True)
    if not found.open:
        raise typer.Exit(EXIT[Refused.CONFLICT])


def _print(call: CallShown) -> None:
    out.print(f"[bold]{escape(call.title)}[/bold]  ({', '.join(stage.replace('_', ' ') for stage in call.stages)})")
    out.print(f"  {call.why}", soft_wrap=True, markup=False)
    out.print(f"  because of: {', '.join(call.because)}", soft_wrap=True, markup=False)
    if call.reviews:
        out.print(f"  reviews of that stage: {', '.join(call.reviews)}", soft_wrap=True)
