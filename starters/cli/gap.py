"""`rapport gap …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from rapport.model.gap import GapChange, GapStatus, NewGap
from rapport.model.reading import check
from starters.cli.common import As, Data, Json, acting, out, print_json, table, when, with_office
from starters.services import Services
from starters.use_cases import gap
from starters.use_cases.gap import GapLinks, GapShown

app = typer.Typer(help="Product gaps: what customers need and the product does not do.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="The gap, as `rapport gap list` names it.", metavar="REF")]
Accounts = Annotated[list[str] | None, typer.Option("--account", help="An account that it concerns; again for more.")]
Reviews = Annotated[list[str] | None, typer.Option("--review", help="A tech review that it came up in.")]
Cases = Annotated[list[str] | None, typer.Option("--case", help="A support case that it came up in.")]
Roadmap = Annotated[str | None, typer.Option("--roadmap", help="The link where its progress can be followed.")]


@app.command()
def log(
    title: Annotated[str, typer.Option("--title", help="What is missing, in a few words.")],
    description: Annotated[
        str, typer.Option("--description", help="Who needs what for which purpose, and how they do without today.")
    ],
    account: Accounts = None,
    review: Reviews = None,
    case: Cases = None,
    roadmap: Roadmap = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Log what a customer needs and the product does not do; the CRM is told, if there is one."""

    async def work(services: Services) -> GapShown:
        said = {"title": title, "description": description, "roadmap": roadmap} | _links(account, review, case)
        return await gap.log(services, check(NewGap, said, ""), acting(services, as_))

    _print(with_office(data, work, as_json=json), as_json=json)


@app.command()
def show(ref: Ref, data: Data = None, json: Json = False) -> None:
    """One gap: what it is, whom it concerns, where it is, and whether the CRM has it."""
    _print(with_office(data, lambda services: gap.show(services, ref), as_json=json), as_json=json)


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Option("--account", help="Only those that concern this account.")] = None,
    review: Annotated[str | None, typer.Option("--review", help="Only those of this tech review.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="Only those of this support case.")] = None,
    status: Annotated[GapStatus | None, typer.Option("--status", help="Only those that are there.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Every gap, the newest first."""
    found = with_office(
        data,
        lambda services: gap.listed(services, status=status, account=account, review=review, case=case),
        as_json=json,
    )
    if json:
        print_json(found)
    elif found:
        _table(found)
    else:
        out.print("No product gaps.")


@app.command()
def link(
    ref: Ref,
    account: Accounts = None,
    review: Reviews = None,
    case: Cases = None,
    note: Annotated[str | None, typer.Option("--note", help="Why; it stands on the timeline.")] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Link a gap to more accounts, reviews or cases."""

    async def work(services: Services) -> GapShown:
        said = {"note": note} | _links(account, review, case)
        return await gap.link(services, ref, check(GapLinks, said, ""), acting(services, as_))

    _print(with_office(data, work, as_json=json), as_json=json)


@app.command()
def status(
    ref: Ref,
    to: Annotated[GapStatus, typer.Option("--to", help="Where it is by now.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands on the timeline.")],
    roadmap: Roadmap = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say where a gap is by now; a planned one needs its place on the roadmap."""

    async def work(services: Services) -> GapShown:
        said = {"status": to, "reason": reason, "roadmap": roadmap}
        return await gap.change(services, ref, check(GapChange, said, ""), acting(services, as_))

    _print(with_office(data, work, as_json=json), as_json=json)


@app.command()
def resend(ref: Ref, data: Data = None, json: Json = False) -> None:
    """Send a gap to the CRM again, for instance after it was refused."""
    _print(with_office(data, lambda services: gap.resend(services, ref), as_json=json), as_json=json)


def _links(account: list[str] | None, review: list[str] | None, case: list[str] | None) -> dict[str, object]:
    return {"accounts": account or [], "reviews": review or [], "cases": case or []}


def _table(found: Sequence[GapShown]) -> None:
    rows = table("gap", "what", "concerns", "where it is", "since", "crm")
    for one in found:
        concerns = ", ".join((*one.accounts, *one.reviews, *one.cases))
        crm = f"[red]{one.delivery}[/red]" if one.delivery == "failed" else one.delivery
        rows.add_row(one.ref, escape(one.title), concerns, one.status, when(one.changed), crm)
    out.print(rows)


def _print(one: GapShown, *, as_json: bool) -> None:
    if as_json:
        print_json(one)
        return
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
