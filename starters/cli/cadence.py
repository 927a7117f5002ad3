"""`rapport cadence …`"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from rapport.model.meeting import Receipt
from rapport.model.reading import read_day, read_instant
from starters.cli.common import command, out, table, when
from starters.cli.meeting import Anyway
from starters.services import Actor, Services, member_named
from starters.use_cases import cadence
from starters.use_cases.cadence import CadenceShown

app = typer.Typer(help="Recurring meetings: weekly syncs and business reviews.", no_args_is_help=True)

DATES_SHOWN: Final = 8
"""How many dates of a standing meeting are listed."""

Step = Annotated[str, typer.Argument(help="The standing meeting's step, such as weekly.")]
Day = Annotated[str, typer.Argument(help="The date that is meant, as `rapport cadence show` lists it.", metavar="DATE")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; for the timeline.")]


def _print(shown: CadenceShown) -> None:
    if shown.ended_since:
        out.print(f"[red]It was ended in Temporal, and nothing recurs since {when(shown.ended_since)}.[/red]")
        out.print(f"To have it continue where it was:\n  {shown.unblock}\n", soft_wrap=True, markup=False)
    for rhythm in shown.rhythms:
        standing = f", {rhythm.standing}" if rhythm.standing else ""
        out.print(f"[bold]{rhythm.title}[/bold] ({rhythm.step}): every {rhythm.every}, {rhythm.minutes} min{standing}")
        if rhythm.rhythm == "review":
            out.print(f"The next is wanted on {when(rhythm.next)}.")
            if rhythm.meeting:
                out.print(f"That of {rhythm.meeting}: `rapport meeting show {shown.account} {rhythm.step}`")
        elif rhythm.dates:
            rows = table("date", "takes place", "")
            for one in rhythm.dates[:DATES_SHOWN]:
                note = f"off: {one.off}" if one.off else "moved" if one.moved_from else ""
                rows.add_row(one.day.isoformat(), when(one.start), note)
            out.print(rows)
        if rhythm.waiting_for:
            out.print(f"Waits for {rhythm.waiting_for}.")
        if rhythm.unblock:
            out.print(f"Next:\n  {rhythm.unblock}", soft_wrap=True)
        out.print()


@command(app, show=_print)
async def show(services: Services, account: str) -> CadenceShown:
    """Show the recurring meetings, and when each takes place next."""
    return await cadence.show(services, account)


@command(app, "set", show="Set; everyone gets the invitation.")
async def set_time(
    services: Services,
    actor: Actor,
    account: str,
    step: Step,
    day: Annotated[str, typer.Option("--day", help="mon, tue, wed, thu, fri, sat or sun.")],
    at: Annotated[str, typer.Option("--at", help="Such as 10:00, in the champion's time zone.", metavar="TIME")],
    anyway: Anyway = False,
) -> Receipt:
    """Set the standing time; everyone gets the whole series anew."""
    return await cadence.set_time(services, account, step, day, at, actor, anyway=anyway)


@command(app, show="Called off; everyone is told.")
async def skip(services: Services, actor: Actor, account: str, step: Step, day: Day, reason: Reason = None) -> Receipt:
    """Call one date off; the others stay."""
    return await cadence.skip(services, account, step, read_day(day, "DATE"), actor, reason)


@command(app, show="Moved; everyone is told.")
async def move(
    services: Services,
    actor: Actor,
    account: str,
    step: Step,
    day: Day,
    start: Annotated[str, typer.Option("--start", help="In the TAM's own zone, or with an offset.", metavar="TIME")],
    reason: Reason = None,
    anyway: Anyway = False,
) -> Receipt:
    """Move one date; the others stay."""
    zone = (await member_named(services, actor)).schedule.zone
    instant = read_instant(start, "--start", zone)
    return await cadence.move(services, account, step, read_day(day, "DATE"), instant, actor, reason, anyway=anyway)


@command(app, show="Noted: it was not held.")
async def report(
    services: Services, actor: Actor, account: str, step: Step, day: Day, reason: Reason = None
) -> Receipt:
    """Say that one date was not held; whatever nobody speaks of counts as held."""
    return await cadence.report(services, account, step, read_day(day, "DATE"), actor, reason)
