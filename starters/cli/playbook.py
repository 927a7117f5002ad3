"""`rapport playbook …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.model.base import Refusal, Refused
from rapport.model.playbook import Playbook
from rapport.playbooks import load, parse
from starters.cli.common import Json, fail, out, print_json, table

app = typer.Typer(help="Playbooks: the plans that onboardings follow.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A playbook file.")],
    json: Json = False,
) -> None:
    """Check a playbook, and say what is wrong with it."""
    try:
        playbook = parse(file.read_bytes(), file.name)
    except OSError as error:
        missing = Refusal(
            f"cannot be read: {error.strerror}", field=str(file), fix="check the path", kind=Refused.NOT_FOUND
        )
        raise fail(missing, as_json=json) from None
    except Refusal as refusal:
        raise fail(refusal, as_json=json) from None
    _print(playbook, as_json=json)


@app.command()
def show(name: str, json: Json = False) -> None:
    """A shipped playbook, step by step."""
    try:
        playbook = load(name)
    except Refusal as refusal:
        raise fail(refusal, as_json=json) from None
    _print(playbook, as_json=json)


def _print(playbook: Playbook, *, as_json: bool) -> None:
    if as_json:
        print_json(playbook)
        return
    out.print(f"[bold]{playbook.title}[/bold], {playbook.name} version {playbook.version}")
    rows = table("step", "kind", "stage", "after", "offset", "when")
    for step in playbook.steps:
        rows.add_row(step.name, step.kind, step.stage, ", ".join(step.after), step.offset or "", " or ".join(step.when))
    out.print(rows)
