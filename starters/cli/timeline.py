"""`rapport timeline`."""

from __future__ import annotations

from typing import Annotated

import typer

from starters.cli.common import command, out, table, when
from starters.services import Services
from starters.use_cases import timeline as timelines
from starters.use_cases.timeline import EntryShown

app = typer.Typer()


def add_to(root: typer.Typer) -> None:
    """Add the command, which has no noun."""
    root.add_typer(app)


def _print(entries: list[EntryShown]) -> None:
    rows = table("at", "what", "by way of", "said")
    for entry in entries:
        rows.add_row(when(entry.at), entry.what, by_way_of(entry), entry.said or "")
    out.print(rows)


@command(app, show=_print)
async def timeline(
    services: Services,
    account: str,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Only what had happened by then; of a day, all of it.", metavar="TIME"),
    ] = None,
) -> list[EntryShown]:
    """All that happened to an account, oldest first."""
    return await timelines.timeline_of(services, account, as_of, "--as-of")


def by_way_of(entry: EntryShown) -> str:
    """The channel, how the person was verified, for whom they acted, and what they had before their eyes."""
    parts = [
        entry.channel,
        entry.verified and f"verified by {entry.verified}",
        entry.on_behalf_of and f"for {entry.on_behalf_of}",
        entry.shown and f"shown {entry.shown[:12]}",
    ]
    return ", ".join(part for part in parts if part)
