"""`rapport simulate`: the year in seconds."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapport.model.reading import read_instant
from rapport.rules.wording import amount
from starters.cli.common import command, err, is_file, out

if TYPE_CHECKING:
    from starters.simulate.year import Year


app = typer.Typer()


def add_to(root: typer.Typer) -> None:
    """Add the command, which has no noun."""
    root.add_typer(app)


def _print(year: Year) -> None:
    from starters.simulate.year import written

    for line in written(year):
        style = "bold" if line and not line.startswith(" ") else None
        out.print(line, soft_wrap=True, markup=False, emoji=False, style=style)


@command(app, show=_print)
async def simulate(
    data: Path | None,
    file_or_account: Annotated[str, typer.Argument(help="An account file, or the key of a known account.")],
    days: Annotated[int, typer.Option("--days", help="How many days to live.", min=1, max=3660)] = 400,
    scenario: Annotated[str, typer.Option("--scenario", help="What people do: smooth or nobody_answers.")] = "smooth",
    begins: Annotated[
        str | None,
        typer.Option("--from", help="When it begins; without it, when the contract is signed, or now.", metavar="TIME"),
    ] = None,
    playbook: Annotated[str | None, typer.Option("--playbook", help="Another playbook than the contract's.")] = None,
    out_: Annotated[
        Path | None, typer.Option("--out", help="A new directory for the timeline and each mail.", metavar="DIR")
    ] = None,
) -> Year:
    """Live an account's first year in seconds: the same workflows and mails, and nothing of it is real."""
    from starters.simulate import simulate as live
    from starters.simulate.sources import from_file, from_installation

    # A time-skipping server is older than some of what the SDK can do, and is warned of at each start.
    logging.getLogger("temporalio.core").setLevel("ERROR")
    start = read_instant(begins, "--from") if begins else None
    if is_file(file_or_account):
        source = from_file(Path(file_or_account), data, playbook)
    else:
        source = await from_installation(file_or_account, data, playbook)
    began = start or source.begins
    with err.status(f"{amount(days, 'day passes', 'days pass')} …") as status:

        def tell(now: datetime) -> None:
            status.update(f"day {(now - began).days} of {days} …")

        return await live(source, days=days, scenario=scenario, begins=began, out=out_, tell=tell)
