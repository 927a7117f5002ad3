"""`rapport desk report` and `rapport desk rules`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.model.account import WEEKDAYS
from rapport.model.reading import read_day
from rapport.rules.desk_report import DeskReport
from rapport.rules.wording import amount
from rapport.support_rules import SUPPORT_FILE
from starters.cli.common import command, out, table, when
from starters.services import Services
from starters.use_cases import desk_report
from starters.use_cases.desk_report import RulesShown

app = typer.Typer()

_BLOCKS = " ▁▂▃▄▅▆▇█"


def _print_report(found: tuple[DeskReport, tuple[Path, ...]]) -> None:
    _print(found[0])
    for file in found[1]:
        out.print(f"Written: {file}")


@command(app, show=_print_report, document=lambda found: found[0])
async def report(
    services: Services,
    first: Annotated[str | None, typer.Option("--from", help="The first day.", metavar="YYYY-MM-DD")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last day.", metavar="YYYY-MM-DD")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Write picture, sheet and JSON there as well.", metavar="DIR")
    ] = None,
) -> tuple[DeskReport, tuple[Path, ...]]:
    """Load by hour and week against staffing, what the slack paid for, and what was promised and kept."""
    found = await desk_report.report(
        services,
        *(None if text is None else read_day(text, field) for text, field in ((first, "--from"), (last, "--to"))),
    )
    return found, desk_report.write(found, folder) if folder is not None else ()


def print_rules(found: RulesShown) -> None:
    """The rules as tables, who is on call, and what is not as it should be."""
    desk = found.rules["desk"]
    out.print(f"{desk['title']}: {desk['hours']['start'][:5]} to {desk['hours']['end'][:5]}, {desk['zone']}")
    promised = table("SEVERITY", "MEANS", "FIRST ANSWER", "NEXT UPDATE")
    for severity, rule in found.rules["severity"].items():
        promised.add_row(severity, rule["title"], rule["first_answer"], rule["next_update"])
    out.print(promised)
    owners = table("AREA", "TEAM", "LAST CONFIRMED")
    for one in found.owners:
        stale = f", {amount(one.days, 'day')} ago: ask whether it still is" if one.is_stale else ""
        owners.add_row(f"{one.area} ({one.title})", one.team, f"{one.confirmed}{stale}")
    out.print(owners)
    out.print(_on_call(found), soft_wrap=True)
    if found.older_since is not None:
        out.print(
            f"[yellow]{SUPPORT_FILE} has changed: "
            f"the desk still goes by what was read {when(found.older_since)}.[/yellow] "
            f"To have it read these: {found.restart}.",
            soft_wrap=True,
        )
    for email, why in found.unfit.items():
        out.print(
            f"[red]{email} {why}[/red], so can't take cases. During their turns, support leads are paged instead."
        )


@command(app, show=print_rules)
async def rules(services: Services) -> RulesShown:
    """What the desk goes by: its hours, its promises, and which engineering team owns what."""
    return await desk_report.rules(services)


def _on_call(found: RulesShown) -> str:
    """Who is on call, and what that comes to."""
    if found.begins is not None:
        return f"On call: no one before {when(found.begins)}, when the first turn begins."
    if found.on_call is None:
        return "On call: no one. There is no rota."
    if not found.paged:
        return f"On call: {found.on_call}, who isn't paged: there is no paging webhook."
    return f"On call: {found.on_call}, paged for severity 1 while no engineer who can take it is at work."


def _print(found: DeskReport) -> None:
    cases = amount(found.opened, "case")
    out.print(f"{found.first} to {found.last}, {found.zone}: {cases} came in, {found.solved} were solved.")
    if found.solved:
        share = found.without_engineering / found.solved
        out.print(f"Solved without interrupting engineering: {found.without_engineering} ({share:.0%}).")
    if found.busiest is not None:
        top = found.busiest
        out.print(f"Busiest hour: {when(top.at)}, load {top.load} for {top.staff} at work ({top.each:g} each).")
    out.print(
        f"Of {found.staffed_hours} hours with somebody at work: {found.at_slack} in slack (up to {found.slack} each), "
        f"{found.at_peak} at the peak (from {found.peak} each). "
        f"{amount(found.unstaffed, 'case')} came while nobody was there."
    )
    side = found.side
    kinds = ", ".join(f"{kind} {hours:g}" for kind, hours in side.by_kind.items())
    out.print(
        f"Side work that the slack paid for: {side.hours:g} hours{f' ({kinds})' if kinds else ''}, {side.share:.0%} of "
        f"the time at work; {side.done} done, {side.put_back} put back by a peak.\n"
    )
    _print_week(found)
    weeks = table("WEEK OF", "OPENED", "SOLVED", "LOAD EACH", "BUSIEST", "SIDE HOURS")
    for week in found.weeks:
        weeks.add_row(
            str(week.monday), str(week.opened), str(week.solved), _figure(week.each), _figure(week.busiest),
            _figure(week.side_hours),
        )  # fmt: skip
    out.print(weeks)
    kept = table("SEVERITY", "CASES", "NO PROMISE BROKEN", "BROKEN PROMISES", "FIRST ANSWER (MEDIAN)")
    for one in found.promises:
        answer = f"{one.first_answer:g} desk minutes" if one.first_answer is not None else ""
        kept.add_row(str(one.severity), str(one.cases), str(one.whole), str(one.breaches), answer)
    out.print(kept)


def _print_week(found: DeskReport) -> None:
    """The average week as a line for each day: the load for each at work, in blocks of the peak."""
    hours = sorted({hour.hour for hour in found.week if hour.staff or hour.opened})
    if not hours:
        return
    rows = table("LOAD EACH", *(f"{hour:02}" for hour in range(hours[0], hours[-1] + 1)))
    for day in WEEKDAYS:
        line = {hour.hour: hour for hour in found.week if hour.weekday == day}
        cells = []
        for hour in range(hours[0], hours[-1] + 1):
            each = line[hour].each if hour in line else None
            height = 0 if each is None else min(len(_BLOCKS) - 1, max(1, round(8 * each / found.peak)))
            cells.append("·" if each is None else _BLOCKS[height] * 2)
        rows.add_row(day, *cells)
    out.print(rows)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
