"""`rapport review needed | gate | triage`"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from rapport.model.base import Refused
from rapport.model.reading import check
from rapport.model.triage import MatterKind
from rapport.rules.gate import GateStanding
from rapport.rules.review_words import STAGES
from rapport.rules.wording import listed, seat
from starters.cli.common import command, out
from starters.services import Actor, Services
from starters.use_cases import tech_review_needs, triage as rules
from starters.use_cases.tech_review_needs import CallShown, ReviewNeeds
from starters.use_cases.triage import Matter, TriageShown

app = typer.Typer()


def _print_needed(found: ReviewNeeds, account: str) -> None:
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
        out.print(f"{_open(standing)}  {standing.gate}: {standing.why}", soft_wrap=True)


def _open(standing: GateStanding) -> str:
    return "[green]open[/green]" if standing.open else "[red]shut[/red]"


@command(app, show=_print_needed)
async def needed(services: Services, account: str) -> ReviewNeeds:
    """Which scenarios call for a review of an account and why, and what nobody knows yet."""
    return await tech_review_needs.needed(services, account)


def _print_gate(found: GateStanding) -> None:
    out.print(f"{_open(found)}  {found.why}", soft_wrap=True)
    if found.unblock:
        out.print(
            f"\nIt waits for {listed([seat(role) for role in found.on])}. Next:\n  {found.unblock}", soft_wrap=True
        )


@command(app, show=_print_gate, fault=lambda found: None if found.open else Refused.CONFLICT)
async def gate(
    services: Services, account: str, gate: Annotated[str, typer.Argument(help="trial or production.")]
) -> GateStanding:
    """Whether an account may begin its trial, or go to production: ends with 0 where it may, with 4 where not."""
    return await tech_review_needs.gate(services, account, gate)


def _print_triage(found: TriageShown) -> None:
    out.print(found.why, soft_wrap=True, markup=False)
    if found.case:
        out.print(f"\n{found.case} is open.")
        if found.duplicates:
            same = f"Likely the same as {', '.join(found.duplicates)}"
            out.print(f"{same}: rapport case merge {found.case} --into REF --as EMAIL", soft_wrap=True)
    if found.task:
        out.print(f"\n{found.asked} has it: rapport task show {found.task}", soft_wrap=True, markup=False)
    if found.next:
        lead = "To open the case" if found.door == "case" and not found.case else "Go on with"
        out.print(f"\n{lead}:\n  {found.next}", soft_wrap=True, markup=False)


@command(app, show=_print_triage)
async def triage(
    services: Services,
    actor: Actor,
    account: str,
    kind: Annotated[MatterKind, typer.Option("--kind", help="What it is: a decision by a date, broken now, …")],
    what: Annotated[str, typer.Option("--what", help="What it is about, in your words.")],
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Open the support case, where something is broken now.")
    ] = False,
    severity: Annotated[str, typer.Option("--severity", "-s", help="Of that case: 1, the worst, to 4.")] = str(
        rules.BROKEN
    ),
    contact: Annotated[
        str | None, typer.Option("--contact", help="Whose question that case is; else the champion's.", metavar="EMAIL")
    ] = None,
) -> TriageShown:
    """Find the right door for a matter: a review, a support case, a product gap, or your leadership, who is asked."""
    said = {"account": account, "kind": kind, "what": what, "confirm": confirm}
    said |= {"severity": severity, "contact": contact}
    return await rules.bring(services, check(Matter, said, ""), actor)


def _print(call: CallShown) -> None:
    out.print(f"[bold]{escape(call.title)}[/bold]  ({listed([STAGES[stage] for stage in call.stages])})")
    out.print(f"  {call.why}", soft_wrap=True, markup=False)
    out.print(f"  because of: {', '.join(f'`{one}`' for one in call.because)}", soft_wrap=True, markup=False)
    if call.reviews:
        out.print(f"  reviews that name it: {', '.join(call.reviews)}", soft_wrap=True)
    else:
        # By its id, as it is written.
        out.print(f'  to name it in a request: scenarios = ["{call.scenario}"]', soft_wrap=True, markup=False)
