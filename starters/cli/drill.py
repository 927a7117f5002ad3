"""`rapport drill`: break everything, and tell what was lost (nothing)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from rapport.model.base import Refused
from starters.cli.common import command, err, out, table

if TYPE_CHECKING:
    from starters.drill.report import DrillReport, ReportLine


app = typer.Typer()


def add_to(root: typer.Typer) -> None:
    """Add the command, which has no noun."""
    root.add_typer(app)


class Chosen(NamedTuple):
    """What a drill is to do."""

    seed: Annotated[int, typer.Option("--seed", help="What is done and broken, and in which order.", min=0)] = 1
    minutes: Annotated[float, typer.Option("--minutes", help="For how long things are broken.", min=0, max=600)] = 1.0
    postgres: Annotated[
        bool, typer.Option("--postgres", help="On a PostgreSQL server of the drill's own, not on SQLite.")
    ] = False
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="On this PostgreSQL database, which has to be empty.", metavar="URL"),
    ] = None
    fault: Annotated[
        list[str] | None, typer.Option("--fault", help="Only this one, by name; may be repeated.", metavar="NAME")
    ] = None
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            help="A new directory for its logs, mails and data (DIR/disk/data).",
            metavar="DIR",
        ),
    ] = None


def _print(report: DrillReport) -> None:
    out.print(
        f"Seed {report.seed}, {report.minutes:g} min on {report.database}, {report.seconds:.0f} s in all. "
        f"Disk: {report.disk}.",
        soft_wrap=True,
    )
    broken = table("broken", "at", "for", "somebody", "doctor")
    for one in report.faults:
        knew = {True: "[green]knew[/green]", False: "[red]did not say[/red]", None: "[dim]nothing to say[/dim]"}
        met = {True: "met it", False: "[yellow]nobody met it[/yellow]", None: ""}[one.met]
        broken.add_row(one.fault, f"{one.at:.0f} s", f"{one.lasted:.0f} s", met, knew[one.known])
    for line in report.skipped:
        broken.add_row(line.name, "", "", "", f"[dim]skipped: {line.what}[/dim]")
    out.print()
    out.print(broken)
    acts = table("acknowledged", "", "on record")
    for kind, count in report.acknowledged.items():
        acts.add_row(kind, str(count), str(report.on_record.get(kind, 0)))
    out.print()
    out.print(acts)
    mails = ", ".join(f"{count} {state}" for state, count in report.mails.items())
    out.print(f"\nMails: {mails}; {report.arrived} arrived.\n", soft_wrap=True)
    for title, lines in (
        ("doubled", report.doubled),
        ("unknown", report.unknown),
        ("failed", report.failed),
        ("waiting", report.waiting),
        ("stranded", report.stranded),
        ("lost", report.lost),
        ("wrong answers", report.wrong_answers),
    ):
        _lines(title, lines)
    for one in report.faults:
        if one.met is False:
            # No finding: how much happens while a fault lasts is a matter of how quick the machine is.
            out.print(f"[yellow]![/yellow] {one.fault}: nobody met it, so this drill proves nothing about it.")
    if report.well:
        out.print("[green]✓[/green] Nothing was lost, stranded or hidden.")
    for finding in report.findings:
        out.print("[red]✗[/red] ", end="")
        out.print(finding, markup=False, soft_wrap=True)


def _lines(title: str, lines: tuple[ReportLine, ...]) -> None:
    out.print(f"{title}: {len(lines)}")
    for line in lines:
        told = {True: " (doctor names it)", False: " (doctor does not name it)", None: ""}[line.told]
        out.print(f"    {line.name}: {line.what}{told}", markup=False, soft_wrap=True)


@command(app, show=_print, fault=lambda report: None if report.well else Refused.CONFLICT)
async def drill(chosen: Chosen) -> DrillReport:
    """Kill, cut, fill and break everything on a private installation. Exit code 4: something was lost or hidden."""
    from starters.drill.run import DrillOptions, drill as run

    said = chosen._asdict()
    given = DrillOptions(only=tuple(said.pop("fault") or ()), **said)
    with err.status("…") as status:
        return await run(given, lambda what: status.update(f"{what} …"))
