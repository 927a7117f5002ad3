"""`rapport usage …`, `rapport incident …`, `rapport project …`, `rapport roadmap …` and `rapport win …`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from rapport.model.account_data import (
    EVERYONE,
    ImportResult,
    Incident,
    MetricSeries,
    Project,
    Win,
    WrittenRoadmapItem,
    WrittenSample,
)
from rapport.model.reading import check, read_day, read_instant
from rapport.model.sheets import SheetRow
from rapport.rules.figures import course
from rapport.storage.account_data import INCIDENTS, PROJECTS, WINS, Noun
from starters.cli.common import command, out, table, when
from starters.services import Actor, Services, member_named
from starters.use_cases import account_data
from starters.use_cases.files import read_sheet

usage = typer.Typer(help="Usage: what was measured of an account, in its unit.", no_args_is_help=True)
incident = typer.Typer(help="Incidents that an account felt.", no_args_is_help=True)
project = typer.Typer(help="What an account is working on, or will.", no_args_is_help=True)
roadmap = typer.Typer(help="The vendor's roadmap, and whom it touches.", no_args_is_help=True)
win = typer.Typer(help="What went well for an account.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(help="The account's key.", metavar="ACCOUNT")]
File = Annotated[Path, typer.Argument(help="A CSV file (docs/data.md has its columns), or - for standard input.")]
Id = Annotated[str, typer.Argument(help="Its id where it comes from, such as INC-2041.", metavar="ID")]
Title = Annotated[str, typer.Option("--title", help="In a few words, as mails say it.")]


def add_to(app: typer.Typer) -> None:
    """Add the nouns."""
    for name, noun in (
        ("usage", usage),
        ("incident", incident),
        ("project", project),
        ("roadmap", roadmap),
        ("win", win),
    ):
        app.add_typer(noun, name=name)


# What they share


def _told(kept: ImportResult) -> str:
    counts = {name: getattr(kept, name) for name in ImportResult.model_fields}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) + "."


def _table(
    columns: Sequence[str], cells: Callable[[Any], Sequence[str]], nothing: str
) -> Callable[[Sequence[Any]], str | None]:
    """A way to show records: as a table, or with a word that there are none."""

    def show(found: Sequence[Any]) -> str | None:
        rows = table(*columns)
        for one in found:
            rows.add_row(*(escape(cell) for cell in cells(one)))
        if found:
            out.print(rows)
        return None if found else nothing

    return show


async def _instant(services: Services, actor: Actor, text: str | None, field: str) -> datetime | None:
    """An instant that a member wrote, without an offset in their own zone."""
    if text is None:
        return None
    return read_instant(text, field, (await member_named(services, actor)).schedule.zone)


async def _keep(services: Services, actor: Actor, noun: Noun[Any], account: str, **said: Any) -> ImportResult:
    return await account_data.add(services, noun, account, [SheetRow(check(noun.written, said, ""))], actor)


# Usage


@command(usage, "add", show=_told)
async def add_usage(
    services: Services,
    actor: Actor,
    account: Account,
    metric: Annotated[str, typer.Option("--metric", help='What was measured, in words, such as "checks a day".')],
    unit: Annotated[str, typer.Option("--unit", help="Its unit, such as %, GB or ms; count for what is counted.")],
    day: Annotated[str, typer.Option("--day", help="The day on which, such as 2026-11-20.", metavar="DATE")],
    value: Annotated[str, typer.Option("--value", help="The figure, without its unit.", metavar="NUMBER")],
) -> ImportResult:
    """Keep one measurement; it takes the place of another of that day."""
    said = {"metric": metric, "unit": unit, "day": day, "value": value}
    return await account_data.add_usage(services, account, [SheetRow(check(WrittenSample, said, ""))], actor)


@command(usage, "import", show=_told)
async def import_usage(services: Services, actor: Actor, account: Account, file: File) -> ImportResult:
    """Keep the measurements of a file: all of them or, if something is wrong, none. Safe to repeat."""
    return await account_data.add_usage(services, account, read_sheet(WrittenSample, file), actor)


def _usage_cells(series: MetricSeries) -> Sequence[str]:
    return (series.metric, str(len(series.samples)), str(series.samples[-1].day), course(series))


@command(usage, "list", show=_table(("metric", "days", "until", ""), _usage_cells, "Nothing was measured yet."))
async def list_usage(services: Services, account: Account) -> Sequence[MetricSeries]:
    """What was measured of an account, and what has become of it."""
    return await account_data.usage(services, account)


@command(usage, "remove", show=_told)
async def remove_usage(
    services: Services,
    actor: Actor,
    account: Account,
    metric: Annotated[str, typer.Argument(help="What was measured, as the list names it.", metavar="METRIC")],
    day: Annotated[str | None, typer.Option("--day", help="Only what was measured on it.", metavar="DATE")] = None,
) -> ImportResult:
    """Take a metric off the record, with all its measurements; or one of them."""
    only = read_day(day, "--day") if day is not None else None
    return await account_data.remove_usage(services, account, metric, actor, only)


# Incidents, projects and wins


@command(incident, "add", show=_told)
async def add_incident(
    services: Services,
    actor: Actor,
    account: Account,
    id_: Id,
    title: Title,
    severity: Annotated[str, typer.Option("--severity", help="1, the worst, to 4.")],
    began: Annotated[str, typer.Option("--began", help="In your own zone, or with an offset.", metavar="TIME")],
    ended: Annotated[str | None, typer.Option("--ended", help="Likewise; it can follow later.", metavar="TIME")] = None,
) -> ImportResult:
    """Keep an incident, or correct it."""
    first = await _instant(services, actor, began, "began")
    last = await _instant(services, actor, ended, "ended")
    return await _keep(
        services, actor, INCIDENTS, account, id=id_, title=title, severity=severity, began=first, ended=last
    )


@command(incident, "close", show=lambda closed: f"{closed.id} ended at {when(closed.ended)}.")
async def close_incident(
    services: Services,
    actor: Actor,
    account: Account,
    id_: Id,
    at: Annotated[
        str | None, typer.Option("--at", help="When it ended, if not now; in your own zone.", metavar="TIME")
    ] = None,
) -> Incident:
    """Say that an incident is over."""
    ended = await _instant(services, actor, at, "ended")
    return await account_data.close_incident(services, account, id_, actor, ended)


@command(project, "add", show=_told)
async def add_project(
    services: Services,
    actor: Actor,
    account: Account,
    id_: Id,
    title: Title,
    starts: Annotated[str | None, typer.Option("--starts", help="Its first day.", metavar="DATE")] = None,
    ends: Annotated[str | None, typer.Option("--ends", help="Its last day.", metavar="DATE")] = None,
) -> ImportResult:
    """Keep a project, or correct it."""
    return await _keep(services, actor, PROJECTS, account, id=id_, title=title, starts=starts, ends=ends)


@command(win, "add", show=_told)
async def add_win(
    services: Services,
    actor: Actor,
    account: Account,
    id_: Id,
    title: Title,
    day: Annotated[str, typer.Option("--day", help="When it was, such as 2026-11-20.", metavar="DATE")],
) -> ImportResult:
    """Keep a win, or correct it."""
    return await _keep(services, actor, WINS, account, id=id_, title=title, day=day)


def _incident_cells(one: Incident) -> Sequence[str]:
    return (one.id, one.title, str(one.severity), when(one.began), when(one.ended) or "goes on")


def _project_cells(one: Project) -> Sequence[str]:
    return (one.id, one.title, str(one.starts or ""), str(one.ends or ""))


def _win_cells(one: Win) -> Sequence[str]:
    return (one.id, one.title, str(one.day))


def _add_commands(
    app: typer.Typer,
    noun: Noun[Any],
    columns: Sequence[str],
    cells: Callable[[Any], Sequence[str]],
    wrong: str,
) -> None:
    """What each of them has: bringing many, its list, and taking one off the record."""

    @command(app, "import", show=_told, help=_IMPORTED.format(noun.plural))
    async def import_(services: Services, actor: Actor, account: Account, file: File) -> ImportResult:
        return await account_data.add(services, noun, account, read_sheet(noun.written, file), actor)

    @command(
        app, "list", show=_table(columns, cells, f"No {noun.name} is known."), help=f"Every {noun.name} of an account."
    )
    async def list_(services: Services, account: Account) -> Sequence[Any]:
        return await account_data.listed(services, noun, account)

    @command(app, "remove", show=_told, help=wrong)
    async def remove(services: Services, actor: Actor, account: Account, id_: Id) -> ImportResult:
        return await account_data.remove(services, noun, account, id_, actor)


_IMPORTED: Final = "Bring {} up to what a file says: all of it or, if something is wrong, nothing. Safe to repeat."

_add_commands(
    incident,
    INCIDENTS,
    ("id", "what", "severity", "began", "ended"),
    _incident_cells,
    "Take an incident off the record that was none.",
)
_add_commands(project, PROJECTS, ("id", "what", "starts", "ends"), _project_cells, "Take a project off the record.")
_add_commands(win, WINS, ("id", "what", "day"), _win_cells, "Take a win off the record.")


# The roadmap


@command(roadmap, "add", show=_told)
async def add_roadmap(
    services: Services,
    actor: Actor,
    id_: Id,
    title: Title,
    expected: Annotated[str, typer.Option("--expected", help="When, in words, such as 2027-Q1.")],
    touches: Annotated[
        list[str] | None,
        typer.Option("--touches", help="Whom it touches, and why; * for everyone. Repeat it.", metavar="ACCOUNT=WHY"),
    ] = None,
) -> ImportResult:
    """Put an item on the roadmap, or say it anew, with all whom it touches."""
    rows = []
    for touch in touches or [""]:
        account, _, why = touch.partition("=")
        said = {"id": id_, "title": title, "expected": expected, "account": account or None, "touches": why or None}
        rows.append(SheetRow(check(WrittenRoadmapItem, said, "")))
    return await account_data.add_roadmap(services, rows, actor)


@command(roadmap, "import", show=_told)
async def import_roadmap(services: Services, actor: Actor, file: File) -> ImportResult:
    """Bring items of the roadmap up to what a file says: all of it or, if something is wrong, nothing."""
    return await account_data.add_roadmap(services, read_sheet(WrittenRoadmapItem, file), actor)


def _print_roadmap(found: Sequence[Any], account: str | None) -> str | None:
    columns = ("id", "what", "expected", *(["account"] if account is None else []), "why")
    return _table(columns, _roadmap_cells, "Nothing of the roadmap is known.")(found)


def _roadmap_cells(item: Any) -> Sequence[str]:
    known = {EVERYONE: "everyone", None: "nobody yet"}
    own = [known.get(item.account, item.account)] if isinstance(item, WrittenRoadmapItem) else []
    return (item.id, item.title, item.expected, *own, item.touches or "")


@command(roadmap, "list", show=_print_roadmap)
async def list_roadmap(
    services: Services,
    account: Annotated[str | None, typer.Argument(help="Only what touches this account.", metavar="ACCOUNT")] = None,
) -> Sequence[Any]:
    """The roadmap, or what of it touches an account."""
    return await (account_data.roadmap(services) if account is None else account_data.roadmap_of(services, account))


@command(roadmap, "remove", show=_told)
async def remove_roadmap(services: Services, actor: Actor, id_: Id) -> ImportResult:
    """Take an item off the roadmap."""
    return await account_data.remove_roadmap(services, id_, actor)
