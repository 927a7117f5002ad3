"""`rapport playbook …`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rapport.model.base import Refused
from rapport.model.playbook import Playbook
from rapport.playbooks.checks import Examined
from starters.cli.common import command, err, out, table
from starters.cli.plans import by_stage, timeline, told, would_change, would_recur
from starters.installation import services, settings_of
from starters.use_cases import playbook as playbooks
from starters.use_cases.playbook import Compared, PlaybookLine, PlaybookShown

app = typer.Typer(help="Playbooks: the plans that onboardings follow.", no_args_is_help=True)

NameOrFile = Annotated[str, typer.Argument(metavar="NAME", help="A playbook's name, or the path of its file.")]


def _print_checked(found: Examined, file: Path) -> None:
    for fault in (*found.faults, *found.warnings):
        err.print(str(fault), soft_wrap=True, markup=False, style="red" if fault.level == "error" else "yellow")
    if found.playbook is not None:
        out.print(f"{file}: {found.playbook.title}, version {found.playbook.version}, is sound", markup=False)


@command(
    app,
    show=_print_checked,
    document=lambda found: [*found.faults, *found.warnings],
    fault=lambda found: Refused.INVALID if found.playbook is None else None,
)
async def check(file: Annotated[Path, typer.Argument(help="A playbook file.")]) -> Examined:
    """Check a playbook: all that is wrong with it, by file and line, each with what to do.

    What its author may not have meant is told as a warning, and refuses nothing. With --json, a list of both.
    """
    return playbooks.check(file)


def _print_lines(lines: Sequence[PlaybookLine]) -> None:
    rows = table("playbook", "title", "version", "steps")
    for line in lines:
        rows.add_row(line.name, line.title, str(line.version), str(line.steps))
    out.print(rows)
    out.print("Next: rapport playbook show NAME")


@command(app, show=_print_lines)
async def list_(data: Path | None) -> list[PlaybookLine]:
    """List the playbooks: those that come with Rapport, and your own."""
    return playbooks.listed(settings_of(data).data)


def _print_plan(document: PlaybookShown) -> None:
    out.print(f"[bold]{document.title}[/bold], {document.name} version {document.version}\n")
    out.print(by_stage(document))
    out.print("\n[dim]In business days from the start, each step at its earliest:[/dim]")
    for line in timeline(document, out.width):
        out.print(line, markup=False, soft_wrap=True)


@command(app, show=_print_plan)
async def show(data: Path | None, name: NameOrFile) -> PlaybookShown:
    """A playbook by stage: its steps, what each waits for, and the earliest day on which it can come."""
    return playbooks.shown(playbooks.find(name, settings_of(data).data))


def _print(found: tuple[Compared, Playbook, Playbook]) -> None:
    compared, before, after = found
    out.print(f"[bold]{before.name} {before.version} → {after.name} {after.version}[/bold]")
    for line in told(compared.difference):
        out.print(line, soft_wrap=True)
    if compared.account is None:
        return
    out.print(
        f"\n[bold]{compared.account}[/bold] follows {compared.follows}; if it adopted {after.name} {after.version}:"
    )
    lines = would_change(compared.adoption, after) if compared.adoption is not None else []
    lines += would_recur(compared.rhythms) if compared.rhythms is not None else []
    for line in lines:
        out.print(line, soft_wrap=True)


@command(app, show=_print, document=lambda found: found[0])
async def diff(
    data: Path | None,
    old: NameOrFile,
    new: NameOrFile,
    account: Annotated[
        str | None, typer.Option("--account", help="Tell what adopting NEW would change for it.", metavar="A")
    ] = None,
) -> tuple[Compared, Playbook, Playbook]:
    """What differs between two playbooks; with --account, also what the second would change for it."""
    before, after = (playbooks.find(name, settings_of(data).data) for name in (old, new))
    if account is None:
        return playbooks.compare(before, after), before, after
    async with services(data, temporal=False) as parts:
        return await playbooks.compare_for(parts, account, before, after), before, after
