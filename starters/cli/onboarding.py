"""`rapport onboarding …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.model.meeting import Receipt
from rapport.model.operation import Operate
from rapport.model.reading import check
from starters.cli.common import As, Data, Json, acting, out, print_json, table, when, with_office
from starters.services import Services
from starters.use_cases import account as accounts, onboarding, operation
from starters.use_cases.onboarding import STANDS_STILL, Started, StartRequest, Status
from starters.use_cases.operation import OperationWritten

app = typer.Typer(help="Onboardings of signed contracts.", no_args_is_help=True)

_MARK = {"done": "✓", "running": "▶", "waiting": "○", "failed": "✗", STANDS_STILL: "■"}


@app.command()
def start(
    file_or_account: Annotated[str, typer.Argument(help="An account file, or the key of a known account.")],
    playbook: Annotated[str | None, typer.Option("--playbook", help="Another playbook than the contract's.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="Enter at this step: for who is a customer already.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Start the onboarding of a signed contract; the same contract again gives the one that runs."""

    path = Path(file_or_account)
    is_file = path.suffix == ".toml" or path.exists()

    async def work(services: Services) -> Started:
        file = accounts.read_file(path) if is_file else None
        given = {"account": None if file else file_or_account, "playbook": playbook, "at": at}
        return await onboarding.start(services, check(StartRequest, {**given, "file": file}, ""))

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
    shown = with_office(data, lambda services: onboarding.status(services, account), as_json=json)
    if json:
        print_json(shown)
    else:
        _print(shown)


AccountName = Annotated[str, typer.Argument(help="The account's key.")]
StepNamed = Annotated[str, typer.Argument(help="The step, as `rapport onboarding status` names it.")]
Attempt = Annotated[int | None, typer.Option("--attempt", help="Only if this attempt at it is still the latest.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands on the account's timeline.")]


@app.command()
def pause(account: AccountName, reason: Reason, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Stand still: nothing goes out and nobody is reminded; answers and votes are still taken."""
    _operate(account, Operate.PAUSE, {"reason": reason}, as_, data, as_json=json)


@app.command()
def resume(
    account: AccountName,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands on the account's timeline.")] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would go out, and when.")] = False,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Go on: waits have what time was left, and what is due at once is spread over business days."""
    if not preview:
        _operate(account, Operate.RESUME, {"reason": reason}, as_, data, as_json=json)
        return
    found = with_office(data, lambda services: operation.preview(services, account), as_json=json)
    if json:
        print_json(found)
        return
    rows = table("step", "begins", "writes to")
    for step in found.steps:
        rows.add_row(step.title, when(step.at), ", ".join(step.to))
    out.print(f"Paused since {when(found.paused_at)}. If it were resumed now:")
    out.print(rows)


@app.command()
def skip(
    account: AccountName,
    step: StepNamed,
    reason: Reason,
    attempt: Attempt = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Leave a step out; if it runs, what it has under way is taken back."""
    _operate(account, Operate.SKIP, {"reason": reason, "step": step, "attempt": attempt}, as_, data, as_json=json)


@app.command()
def redo(
    account: AccountName,
    step: StepNamed,
    reason: Reason,
    attempt: Attempt = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Do a step that has ended once more; nothing that depends on it runs again."""
    _operate(account, Operate.REDO, {"reason": reason, "step": step, "attempt": attempt}, as_, data, as_json=json)


@app.command()
def complete(
    account: AccountName,
    step: StepNamed,
    reason: Reason,
    attempt: Attempt = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say that a step was done elsewhere."""
    _operate(account, Operate.COMPLETE, {"reason": reason, "step": step, "attempt": attempt}, as_, data, as_json=json)


@app.command()
def adopt(
    account: AccountName,
    playbook: Annotated[str, typer.Argument(help="The playbook's name.")],
    reason: Reason,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Follow another playbook from here on; `rapport playbook diff` shows first what would change."""
    _operate(account, Operate.ADOPT, {"reason": reason, "playbook": playbook}, as_, data, as_json=json)


@app.command()
def cancel(account: AccountName, reason: Reason, as_: As = None, data: Data = None, json: Json = False) -> None:
    """End the onboarding; booked meetings are called off, and nothing more goes out."""
    _operate(account, Operate.CANCEL, {"reason": reason}, as_, data, as_json=json)


def _operate(
    account: str, kind: Operate, given: dict[str, object], as_: str | None, data: Path | None, *, as_json: bool
) -> None:
    async def work(services: Services) -> Receipt:
        written = check(OperationWritten, given, "")
        return await operation.operate(services, account, kind, written, acting(services, as_))

    receipt = with_office(data, work, as_json=as_json)
    if as_json:
        print_json(receipt)
    else:
        out.print(f"{account}: {receipt.outcome}.")


def _print(shown: Status) -> None:
    paused = "  [yellow]paused[/yellow]" if shown.paused else ""
    out.print(f"[bold]{shown.account}[/bold]  contract {shown.contract}, stage [bold]{shown.stage}[/bold]{paused}")
    if shown.ended_since:
        out.print(f"[red]It was ended in Temporal, and stands still since {when(shown.ended_since)}.[/red]")
        out.print(f"{shown.next}.")
        out.print(f"To have it continue where it was:\n  {shown.unblock}", soft_wrap=True, markup=False)
    elif not shown.live:
        out.print("[yellow]No worker answers; this is what was last written down.[/yellow]")
    rows = table("", "step", "state", "at", "waits for", "due")
    for step in shown.milestones:
        state = f"failed: {step.outcome}" if step.state == "failed" else step.outcome or step.state
        if step.unsent:
            state += f"\n{step.unsent} not sent"
        rows.add_row(
            _MARK.get(step.state, "–"), step.title, state, when(step.at), step.waiting_for or "", when(step.deadline)
        )
    out.print(rows)
    for step in shown.milestones:
        if step.unblock:
            out.print(f"\nTo move {step.title} on:\n  {step.unblock}", soft_wrap=True)
