"""`rapport onboarding …`"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from rapport.model.account import personas
from rapport.model.meeting import Receipt
from rapport.model.operation import Operate
from rapport.model.reading import check
from rapport.rules.attention import told_in
from rapport.rules.outcome_words import in_words
from rapport.storage.contract import ContractState
from starters.cli.common import command, is_file, out, table, told_stage, when
from starters.services import Actor, Services
from starters.use_cases import account as accounts, onboarding, operation
from starters.use_cases.files import told_by_line
from starters.use_cases.names import in_full
from starters.use_cases.onboarding import STANDS_STILL, Started, StartRequest, Status
from starters.use_cases.operation import OperationWritten, Preview

app = typer.Typer(help="Onboardings of signed contracts.", no_args_is_help=True)

_MARK = {"done": "✓", "running": "▶", "waiting": "○", "failed": "✗", STANDS_STILL: "■"}


def print_started(started: Started) -> None:
    """What was started, and for whose working hours its emails wait."""
    if not started.created:
        out.print(f"[bold]{started.workflow_id}[/bold] was started before for this contract; nothing new was started.")
        return
    out.print(f"Started [bold]{started.workflow_id}[/bold].")
    if started.begins:
        out.print(f"It begins with the contract's start, on {when(started.begins)}.", markup=False)
    if started.without:
        vacant = " or ".join(personas()[one].title.lower() for one in started.without)
        out.print(f"No one is {vacant}. Steps for them alone are left out, or wait until you add someone.")
    if started.waits:
        out.print("It's outside the working hours of these people. The emails to them, the welcome too, go then:")
    for one in started.waits:
        out.print(f"  {one.name}: {told_in(one.until, one.zone)}", markup=False)
    account = started.workflow_id.partition("/")[2]
    out.print(f"Next: rapport onboarding status {account}", markup=False, soft_wrap=True)


AccountName = Annotated[str, typer.Argument(help="The account's key.")]


StepNamed = Annotated[str, typer.Argument(help="The step's key; `rapport onboarding status` lists them.")]


Attempt = Annotated[int | None, typer.Option("--attempt", help="Only if this attempt at it is still the latest.")]


Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded on the account's timeline.")]


def _print_preview(found: Preview | Receipt, account: str) -> str | None:
    if isinstance(found, Receipt):
        return f"{account}: {found.outcome}."
    rows = table("step", "begins", "writes to")
    for step in found.steps:
        rows.add_row(step.title, when(step.at), ", ".join(step.to))
    out.print(f"Paused since {when(found.paused_at)}. If it were resumed now:")
    out.print(rows)
    return None


async def _operate(services: Services, actor: Actor, kind: Operate, account: str, **given: object) -> Receipt:
    return await operation.operate(services, account, kind, check(OperationWritten, given, ""), actor)


def _print_operated(receipt: Receipt, account: str) -> str:
    return f"{account}: {receipt.outcome}."


def _add_operation(kind: Operate, help: str) -> None:
    """An operation on one step."""

    @command(app, kind, show=_print_operated, help=help)
    async def operate(
        services: Services,
        actor: Actor,
        account: AccountName,
        step: StepNamed,
        reason: Reason,
        attempt: Attempt = None,
    ) -> Receipt:
        return await _operate(services, actor, kind, account, reason=reason, step=step, attempt=attempt)


def print_status(shown: Status) -> None:
    """Where an account is, as the terminal shows it."""
    stage = told_stage(shown.stage, shown.state)
    out.print(f"[bold]{shown.account}[/bold]  contract {shown.contract}, stage [bold]{stage}[/bold]")
    if shown.ended_since:
        out.print(f"[red]It was ended in Temporal, and stands still since {when(shown.ended_since)}.[/red]")
    if shown.unblock:
        since = f", since {when(shown.since)}" if shown.since and not shown.ended_since else ""
        out.print(f"[yellow]{shown.next}{since}.[/yellow]", soft_wrap=True)
        out.print(f"Next:\n  {shown.unblock}", soft_wrap=True, markup=False)
    if not shown.live and not shown.ended_since and shown.state is not ContractState.REQUESTED:
        out.print("[yellow]No worker answers; this is what was last written down.[/yellow]")
    if shown.begins:
        out.print(f"It begins with the contract's start, on {when(shown.begins)}.", markup=False)
    for one in shown.contracts:
        what = f" ({one.product})" if one.product else ""
        state = "ended" if one.ended else f"stage {one.stage}"
        here = ", shown here" if one.contract == shown.contract else ""
        out.print(f"  {shown.account}.{one.contract}{what}: {state}{here}", markup=False)
    rows = table("", "step", "state", "at", "waits for", "due")
    for step in shown.milestones:
        ended = (
            in_words(step.outcome, titles={one.step: one.title for one in shown.milestones}) if step.outcome else None
        )
        state = f"failed: {ended}" if step.state == "failed" else ended or step.state
        if step.unsent:
            state += f"\n{step.unsent} not sent"
        rows.add_row(
            _MARK.get(step.state, "–"),
            f"{escape(step.title)}\n[dim]{step.step}[/dim]",
            state,
            when(step.at),
            step.waiting_for or "",
            when(step.deadline),
        )
    out.print(rows)
    for step in shown.milestones:
        if step.unblock:
            out.print(f"\nNext for {step.title}:\n  {step.unblock}", soft_wrap=True, markup=False)
        elif step.waiting_for and not step.waiting_on and step.deadline:
            out.print(f"\n{step.title}: nothing to do until {when(step.deadline)}", soft_wrap=True, markup=False)


@command(app, show=print_started, mails=True)
async def start(
    services: Services,
    file_or_account: Annotated[str, typer.Argument(help="An account file, or the key of a known account.")],
    playbook: Annotated[str | None, typer.Option("--playbook", help="Another playbook than the contract's.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="Enter at this step: for who is a customer already.")] = None,
    as_new: Annotated[
        bool,
        typer.Option("--as-new", help="Begin now and with the welcome, whenever the contract was signed or starts."),
    ] = False,
) -> Started:
    """Start the onboarding of a signed contract; the same contract again gives the one that runs."""
    if is_file(file_or_account):
        whose: dict[str, Any] = {"file": accounts.read_file(Path(file_or_account))}
    else:
        whose = await in_full(services, {"account": file_or_account})
    given = {**whose, "playbook": playbook, "at": at, "as_new": as_new}
    with told_by_line(Path(file_or_account)) if "file" in whose else nullcontext():
        return await onboarding.start(services, check(StartRequest, given, ""))


@command(app, show=print_status)
async def status(services: Services, account: str) -> Status:
    """Show where an account is, what it is waiting for, and the next step."""
    return await onboarding.status(services, account)


@command(app, show=_print_operated)
async def pause(services: Services, actor: Actor, account: AccountName, reason: Reason) -> Receipt:
    """Stand still: nothing goes out and nobody is reminded; answers and votes are still taken."""
    return await _operate(services, actor, Operate.PAUSE, account, reason=reason)


@command(app, show=_print_preview)
async def resume(
    services: Services,
    actor: Actor,
    account: AccountName,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded on the account's timeline.")] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would go out, and when.")] = False,
) -> Preview | Receipt:
    """Go on: waits have what time was left, and what is due at once is spread over business days."""
    if preview:
        return await operation.preview(services, account)
    return await _operate(services, actor, Operate.RESUME, account, reason=reason)


_add_operation(Operate.SKIP, "Leave a step out; if it runs, what it has under way is taken back.")


_add_operation(
    Operate.REDO,
    "Do a step that has ended once more; nothing that depends on it runs again. Of a meeting, replies and booking "
    "are dropped, and new times go out.",
)


_add_operation(Operate.COMPLETE, "Say that a step was done elsewhere.")


@command(app, show=_print_operated)
async def adopt(
    services: Services,
    actor: Actor,
    account: AccountName,
    playbook: Annotated[str, typer.Argument(help="The playbook's name.")],
    reason: Reason,
) -> Receipt:
    """Follow another playbook from here on; `rapport playbook diff` shows first what would change."""
    return await _operate(services, actor, Operate.ADOPT, account, reason=reason, playbook=playbook)


@command(app, show=_print_operated)
async def cancel(services: Services, actor: Actor, account: AccountName, reason: Reason) -> Receipt:
    """End the onboarding; booked meetings are called off, and nothing more goes out."""
    return await _operate(services, actor, Operate.CANCEL, account, reason=reason)
