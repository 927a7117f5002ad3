"""`rapport doctor`: is every part configured, reachable, safe?"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer

from rapport.model.base import Refused
from starters.cli.common import command, out
from starters.installation import settings_of
from starters.use_cases import doctor
from starters.use_cases.doctor import CheckVerdict, Diagnosis

_MARK: Final = {
    CheckVerdict.OK: "[green]✓[/green]",
    CheckVerdict.NOTE: "[yellow]![/yellow]",
    CheckVerdict.TROUBLE: "[red]✗[/red]",
    CheckVerdict.UNREACHABLE: "[red]✗[/red]",
    CheckVerdict.SKIPPED: "[dim]-[/dim]",
}


app = typer.Typer()


def add_to(root: typer.Typer) -> None:
    """Add the command, which has no noun."""
    root.add_typer(app)


def _print(found: Diagnosis) -> None:
    for check in found.checks:
        out.print(f"{_MARK[check.verdict]} {check.check}: ", end="")
        out.print(check.what, markup=False, soft_wrap=True)
        for finding in check.findings:
            out.print(f"    {finding.where}: {finding.problem} ({finding.fix})", markup=False, soft_wrap=True)
        if check.fix and not check.findings:
            out.print(f"    {check.fix}", markup=False, soft_wrap=True)


def exit_of(found: Diagnosis) -> Refused | None:
    """What a diagnosis ends with: as a refusal of the same would, nothing where all is well."""
    if found.has(CheckVerdict.UNREACHABLE):
        return Refused.UNREACHABLE
    return None if found.well else Refused.CONFLICT


@command(app, "doctor", show=_print, fault=exit_of)
async def examine(data: Path | None) -> Diagnosis:
    """Look at every part, and at every open wait. Exit code 4: something is wrong; 5: a part can't do its part."""
    return await doctor.examine(settings_of(data))
