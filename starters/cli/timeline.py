"""`rapport timeline` and `rapport portfolio`."""

from __future__ import annotations

from typing import Annotated

import typer

from starters.cli.account import show_portfolio
from starters.cli.common import Data, Json, out, print_json, table, when, with_office
from starters.services import Services
from starters.use_cases import timeline as timelines
from starters.use_cases.timeline import EntryShown


def add_to(app: typer.Typer) -> None:
    """Add the commands that have no noun."""

    @app.command()
    def timeline(
        account: str,
        as_of: Annotated[
            str | None,
            typer.Option("--as-of", help="Only what had happened by then; of a day, all of it.", metavar="TIME"),
        ] = None,
        data: Data = None,
        json: Json = False,
    ) -> None:
        """All that happened to an account, oldest first."""

        async def work(services: Services) -> list[EntryShown]:
            return await timelines.timeline_of(services, account, as_of, "--as-of")

        entries = with_office(data, work, as_json=json)
        if json:
            print_json(entries)
            return
        rows = table("at", "what", "by way of", "said")
        for entry in entries:
            rows.add_row(when(entry.at), entry.what, by_way_of(entry), entry.said or "")
        out.print(rows)

    @app.command()
    def portfolio(data: Data = None, json: Json = False) -> None:
        """Every account: stage, what it waits for, since when, and how to move it on."""
        show_portfolio(data, as_json=json)


def by_way_of(entry: EntryShown) -> str:
    """The channel, how the person was verified, for whom they acted, and what they had before their eyes."""
    parts = [
        entry.channel,
        entry.verified and f"verified by {entry.verified}",
        entry.on_behalf_of and f"for {entry.on_behalf_of}",
        entry.shown and f"shown {entry.shown[:12]}",
    ]
    return ", ".join(part for part in parts if part)
