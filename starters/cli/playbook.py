"""`rapport playbook …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.model.base import UserError
from rapport.model.playbook import Playbook
from starters.cli.common import Data, Json, err, fail, out, print_json, with_office
from starters.cli.plans import by_stage, timeline, told, would_change, would_recur
from starters.installation import settings_of
from starters.use_cases import playbook as playbooks
from starters.use_cases.playbook import Compared

app = typer.Typer(help="Playbooks: the plans that onboardings follow.", no_args_is_help=True)

NameOrFile = Annotated[str, typer.Argument(metavar="NAME", help="A playbook's name, or the path of its file.")]


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A playbook file.")],
    json: Json = False,
) -> None:
    """Check a playbook: all that is wrong with it, by file and line, each with what to do.

    What its author may not have meant is told as a warning, and refuses nothing. With --json, a list of both.
    """
    try:
        found = playbooks.check(file)
    except UserError as refusal:
        raise fail(refusal, as_json=json) from None
    if json:
        print_json([*found.faults, *found.warnings])
    else:
        for fault in (*found.faults, *found.warnings):
            err.print(str(fault), soft_wrap=True, markup=False, style="red" if fault.level == "error" else "yellow")
    if found.playbook is None:
        raise typer.Exit(2)
    if not json:
        out.print(f"{file}: {found.playbook.title}, version {found.playbook.version}, is sound", markup=False)


@app.command()
def show(name: NameOrFile, data: Data = None, json: Json = False) -> None:
    """A playbook by stage: its steps, what each waits for, and the earliest day on which it can come."""
    [playbook] = _found(data, name, as_json=json)
    document = playbooks.shown(playbook)
    if json:
        print_json(document)
        return
    out.print(f"[bold]{playbook.title}[/bold], {playbook.name} version {playbook.version}\n")
    out.print(by_stage(document))
    out.print("\n[dim]In business days from the start, each step at its earliest:[/dim]")
    for line in timeline(document, out.width):
        out.print(line, markup=False, soft_wrap=True)


@app.command()
def diff(
    old: NameOrFile,
    new: NameOrFile,
    account: Annotated[
        str | None, typer.Option("--account", help="Tell what adopting NEW would change for it.", metavar="A")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """What differs between two playbooks; with --account, also what the second would change for it."""
    before, after = _found(data, old, new, as_json=json)
    if account is None:
        compared = playbooks.compare(before, after)
    else:
        compared = with_office(
            data, lambda services: playbooks.compare_for(services, account, before, after), as_json=json
        )
    if json:
        print_json(compared)
    else:
        _print(compared, before, after)


def _found(data: Path | None, *names: str, as_json: bool) -> list[Playbook]:
    try:
        folder = settings_of(data).data
        return [playbooks.find(name, folder) for name in names]
    except UserError as refusal:
        raise fail(refusal, as_json=as_json) from None


def _print(compared: Compared, before: Playbook, after: Playbook) -> None:
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
