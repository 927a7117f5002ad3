"""`rapport cadence …`"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Final

import typer

from rapport.model.base import UserError
from rapport.model.meeting import Receipt
from starters.cli.common import As, Data, Json, acting, out, parse_instant, print_json, table, when, with_office
from starters.services import LATER, Actor, Services, member_acting
from starters.use_cases import cadence
from starters.use_cases.cadence import CadenceShown

app = typer.Typer(help="What recurs: standing meetings and reviews.", no_args_is_help=True)

SHOWN: Final = 8
"""How many dates of a standing meeting are listed."""

Step = Annotated[str, typer.Argument(help="The standing meeting's step, such as weekly.")]
Day = Annotated[str, typer.Argument(help="The date that is meant, as `rapport cadence show` lists it.", metavar="DATE")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; for the timeline.")]


@app.command()
def show(account: str, data: Data = None, json: Json = False) -> None:
    """What recurs, and when it takes place next."""
    shown = with_office(data, lambda services: cadence.show(services, account), as_json=json)
    if json:
        print_json(shown)
    else:
        _print(shown)


@app.command("set")
def set_time(
    account: str,
    step: Step,
    day: Annotated[str, typer.Option("--day", help="mon, tue, wed, thu, fri, sat or sun.")],
    at: Annotated[str, typer.Option("--at", help="Such as 10:00, in the champion's time zone.", metavar="TIME")],
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Set the standing time; everyone gets the whole series anew."""

    async def work(services: Services, actor: Actor) -> Receipt:
        return await cadence.set_time(services, account, step, day, at, actor)

    _say(data, as_, "Set; everyone gets the invitation.", json, work)


@app.command()
def skip(
    account: str, step: Step, day: Day, reason: Reason = None, as_: As = None, data: Data = None, json: Json = False
) -> None:
    """Call one date off; the others stay."""
    said = "Called off; everyone is told."
    _say(
        data,
        as_,
        said,
        json,
        lambda services, actor: cadence.skip(services, account, step, read_day(day), actor, reason),
    )


@app.command()
def move(
    account: str,
    step: Step,
    day: Day,
    start: Annotated[str, typer.Option("--start", help="In the TAM's own zone, or with an offset.", metavar="TIME")],
    reason: Reason = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Move one date; the others stay."""

    async def work(services: Services, actor: Actor) -> Receipt:
        zone = (await member_acting(services, actor)).schedule.zone
        instant = parse_instant(start, "--start", zone)
        return await cadence.move(services, account, step, read_day(day), instant, actor, reason)

    _say(data, as_, "Moved; everyone is told.", json, work)


@app.command()
def report(
    account: str, step: Step, day: Day, reason: Reason = None, as_: As = None, data: Data = None, json: Json = False
) -> None:
    """Say that one date was not held; whatever nobody speaks of counts as held."""
    said = "Noted: it was not held."
    _say(
        data,
        as_,
        said,
        json,
        lambda services, actor: cadence.report(services, account, step, read_day(day), actor, reason),
    )


def read_day(text: str) -> date:
    """Read a date.

    Raises:
        UserError: It is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError("is not a date", field="DATE", fix='write it as "2027-01-05"') from None


def _say(
    data: Data, as_: str | None, said: str, as_json: bool, ask: Callable[[Services, Actor], Awaitable[Receipt]]
) -> None:
    async def work(services: Services) -> Receipt:
        return await ask(services, acting(services, as_))

    receipt = with_office(data, work, as_json=as_json)
    if as_json:
        print_json(receipt)
    else:
        out.print(said if receipt.outcome != LATER else f"{receipt.outcome.capitalize()}.")


def _print(shown: CadenceShown) -> None:
    for rhythm in shown.rhythms:
        standing = f", {rhythm.standing}" if rhythm.standing else ""
        out.print(f"[bold]{rhythm.title}[/bold] ({rhythm.step}): every {rhythm.every}, {rhythm.minutes} min{standing}")
        if rhythm.rhythm == "review":
            out.print(f"The next is wanted on {when(rhythm.next)}.")
            if rhythm.meeting:
                out.print(f"That of {rhythm.meeting}: `rapport meeting show {shown.account} {rhythm.step}`")
        elif rhythm.dates:
            rows = table("date", "takes place", "")
            for one in rhythm.dates[:SHOWN]:
                note = f"off: {one.off}" if one.off else "moved" if one.moved_from else ""
                rows.add_row(one.day.isoformat(), when(one.start), note)
            out.print(rows)
        if rhythm.waiting_for:
            out.print(f"Waits for {rhythm.waiting_for}.")
        if rhythm.unblock:
            out.print(f"To move it on:\n  {rhythm.unblock}", soft_wrap=True)
        out.print()
