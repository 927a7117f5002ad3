"""`rapport gap …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from rapport.model.gap import GapChange, GapStatus, NewGap
from rapport.model.reading import check
from starters.cli.common import command, out, table, when
from starters.services import Actor, Services
from starters.use_cases import gap
from starters.use_cases.gap import GapLinks, GapShown

app = typer.Typer(help="Product gaps: what customers need and the product does not do.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="The gap, as `rapport gap list` names it.", metavar="REF")]
Accounts = Annotated[list[str] | None, typer.Option("--account", help="An account that it concerns; again for more.")]
Reviews = Annotated[list[str] | None, typer.Option("--review", help="A tech review that it came up in.")]
Cases = Annotated[list[str] | None, typer.Option("--case", help="A support case that it came up in.")]
Roadmap = Annotated[str | None, typer.Option("--roadmap", help="The link where its progress can be followed.")]


def _print_list(found: list[GapShown]) -> None:
    if found:
        _table(found)
    else:
        out.print("No product gaps.")


def _links(account: list[str] | None, review: list[str] | None, case: list[str] | None) -> dict[str, object]:
    return {"accounts": account or [], "reviews": review or [], "cases": case or []}


def _table(found: Sequence[GapShown]) -> None:
    rows = table("gap", "what", "concerns", "where it is", "since", "crm")
    for one in found:
        concerns = ", ".join((*one.accounts, *one.reviews, *one.cases))
        crm = f"[red]{one.delivery}[/red]" if one.delivery == "failed" else one.delivery
        rows.add_row(one.ref, escape(one.title), concerns, one.status, when(one.changed), crm)
    out.print(rows)


def _print(one: GapShown) -> None:
    out.print(f"[bold]{one.ref}[/bold]  {escape(one.title)}", soft_wrap=True)
    out.print(one.description, soft_wrap=True, markup=False)
    rows = table("", "")
    for name, names in (("accounts", one.accounts), ("reviews", one.reviews), ("cases", one.cases)):
        if names:
            rows.add_row(name, ", ".join(names))
    rows.add_row("where it is", f"{one.status}, since {when(one.changed)}")
    if one.roadmap:
        rows.add_row("roadmap", one.roadmap)
    rows.add_row("logged", f"{when(one.logged)} by {one.logged_by}")
    rows.add_row("CRM", one.crm)
    out.print(rows)
    if one.resend:
        out.print(f"\nTo send it again:\n  {one.resend}")


@command(app, show=_print)
async def log(
    services: Services,
    actor: Actor,
    title: Annotated[str, typer.Option("--title", help="What is missing, in a few words.")],
    description: Annotated[
        str, typer.Option("--description", help="Who needs what for which purpose, and how they do without today.")
    ],
    account: Accounts = None,
    review: Reviews = None,
    case: Cases = None,
    roadmap: Roadmap = None,
) -> GapShown:
    """Log what a customer needs and the product does not do; the CRM is told, if there is one."""
    said = {"title": title, "description": description, "roadmap": roadmap} | _links(account, review, case)
    return await gap.log(services, check(NewGap, said, ""), actor)


@command(app, show=_print)
async def show(services: Services, ref: Ref) -> GapShown:
    """One gap: what it is, whom it concerns, where it is, and whether the CRM has it."""
    return await gap.show(services, ref)


@command(app, "list", show=_print_list)
async def list_(
    services: Services,
    account: Annotated[str | None, typer.Option("--account", help="Only those that concern this account.")] = None,
    review: Annotated[str | None, typer.Option("--review", help="Only those of this tech review.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="Only those of this support case.")] = None,
    status: Annotated[GapStatus | None, typer.Option("--status", help="Only those that are there.")] = None,
) -> list[GapShown]:
    """Every gap, the newest first."""
    return await gap.listed(services, status=status, account=account, review=review, case=case)


@command(app, show=_print)
async def link(
    services: Services,
    actor: Actor,
    ref: Ref,
    account: Accounts = None,
    review: Reviews = None,
    case: Cases = None,
    note: Annotated[str | None, typer.Option("--note", help="Why; it is recorded on the timeline.")] = None,
) -> GapShown:
    """Link a gap to more accounts, reviews or cases."""
    said = {"note": note} | _links(account, review, case)
    return await gap.link(services, ref, check(GapLinks, said, ""), actor)


@command(app, show=_print)
async def status(
    services: Services,
    actor: Actor,
    ref: Ref,
    to: Annotated[GapStatus, typer.Option("--to", help="Where it is by now.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded on the timeline.")],
    roadmap: Roadmap = None,
) -> GapShown:
    """Say where a gap is by now; a planned one needs its place on the roadmap."""
    said = {"status": to, "reason": reason, "roadmap": roadmap}
    return await gap.change(services, ref, check(GapChange, said, ""), actor)


@command(app, show=_print)
async def resend(services: Services, ref: Ref) -> GapShown:
    """Send a gap to the CRM again, for instance after it was refused."""
    return await gap.resend(services, ref)
