"""`rapport onboarding …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.model.reading import check
from starters.cli.common import Data, Json, out, print_json, table, when, with_office
from starters.commands import accounts, onboardings
from starters.commands.office import Office
from starters.commands.onboardings import Started, StartRequest, Status

app = typer.Typer(help="Onboardings of signed contracts.", no_args_is_help=True)

_MARK = {"done": "✓", "running": "▶", "waiting": "○", "failed": "✗"}


@app.command()
def start(
    file_or_account: Annotated[str, typer.Argument(help="An account file, or the key of a known account.")],
    playbook: Annotated[str | None, typer.Option("--playbook", help="Another playbook than the contract's.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Start the onboarding of a signed contract; the same contract again gives the one that runs."""

    path = Path(file_or_account)
    is_file = path.suffix == ".toml" or path.exists()

    async def work(office: Office) -> Started:
        file = accounts.read_file(path) if is_file else None
        given = {"account": None if file else file_or_account, "playbook": playbook}
        return await onboardings.start(office, check(StartRequest, {**given, "file": file}, ""))

    started = with_office(data, work, as_json=json)
    if json:
        print_json(started)
    elif started.created:
        out.print(f"Started [bold]{started.workflow_id}[/bold].")
    else:
        out.print(f"[bold]{started.workflow_id}[/bold] was started before for this contract; nothing new was started.")


@app.command()
def status(account: str, data: Data = None, json: Json = False) -> None:
    """Where an account is, what it waits for, and how to move it on."""
    shown = with_office(data, lambda office: onboardings.status(office, account), as_json=json)
    if json:
        print_json(shown)
    else:
        _print(shown)


def _print(shown: Status) -> None:
    out.print(f"[bold]{shown.account}[/bold]  contract {shown.contract}, stage [bold]{shown.stage}[/bold]")
    if not shown.live:
        out.print("[yellow]No worker answers; this is what was last written down.[/yellow]")
    rows = table("", "step", "state", "at", "waits for", "until")
    for step in shown.milestones:
        state = step.outcome or step.state
        rows.add_row(
            _MARK.get(step.state, "–"), step.title, state, when(step.at), step.waiting_for or "", when(step.deadline)
        )
    out.print(rows)
    for step in shown.milestones:
        if step.unblock:
            out.print(f"\nTo move {step.title} on:\n  {step.unblock}", soft_wrap=True)
