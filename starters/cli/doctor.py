"""`rapport doctor`: is every part configured, reachable, safe?"""

from __future__ import annotations

from typing import Final

import typer

from rapport.model.base import Refused
from starters.cli.common import EXIT, Data, Json, finish, out, print_json
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


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("doctor")
    def examine(data: Data = None, json: Json = False) -> None:
        """Look at every part, and at every open wait. Exit code 4: something is wrong; 5: a part is unreachable."""

        async def work() -> Diagnosis:
            return await doctor.examine(settings_of(data))

        found = finish(work(), as_json=json)
        if json:
            print_json(found)
        else:
            _print(found)
        if found.has(CheckVerdict.UNREACHABLE):
            raise typer.Exit(EXIT[Refused.UNREACHABLE])
        if not found.well:
            raise typer.Exit(EXIT[Refused.CONFLICT])


def _print(found: Diagnosis) -> None:
    for check in found.checks:
        out.print(f"{_MARK[check.verdict]} {check.check}: ", end="")
        out.print(check.what, markup=False, soft_wrap=True)
        for finding in check.findings:
            out.print(f"    {finding.where}: {finding.problem} ({finding.fix})", markup=False, soft_wrap=True)
        if check.fix and not check.findings:
            out.print(f"    {check.fix}", markup=False, soft_wrap=True)
