"""`rapport usage …`, `rapport incident …`, `rapport project …`, `rapport roadmap …` and `rapport win …`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import typer

from rapport.model.account_data import (
    EVERYONE,
    ImportResult,
    Incident,
    MetricSeries,
    Project,
    Win,
    WrittenIncident,
    WrittenProject,
    WrittenRoadmapItem,
    WrittenSample,
    WrittenWin,
)
from rapport.model.base import InputModel, UserError
from rapport.model.reading import check
from rapport.model.sheets import SheetRow
from rapport.rules.figures import course
from rapport.storage.account_data import INCIDENTS, PROJECTS, WINS, Noun
from starters.cli.common import As, Data, Json, acting, out, parse_instant, print_json, table, when, with_office
from starters.services import Actor, Services, member_named
from starters.use_cases import account_data
from starters.use_cases.files import read_sheet

W = TypeVar("W", bound=InputModel)

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


# Usage


@usage.command("add")
def add_usage(
    account: Account,
    metric: Annotated[str, typer.Option("--metric", help='What was measured, in words, such as "checks a day".')],
    unit: Annotated[str, typer.Option("--unit", help="Its unit, such as %, GB or ms; count for what is counted.")],
    day: Annotated[str, typer.Option("--day", help="The day on which, such as 2026-11-20.", metavar="DATE")],
    value: Annotated[str, typer.Option("--value", help="The figure, without its unit.", metavar="NUMBER")],
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Keep one measurement; it takes the place of another of that day."""
    said = {"metric": metric, "unit": unit, "day": day, "value": value}
    _bring(WrittenSample, said, _to(account_data.add_usage, account), as_, data, as_json=json)


@usage.command("import")
def import_usage(account: Account, file: File, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Keep the measurements of a file: all of them or, if something is wrong, none. Safe to repeat."""
    _import(WrittenSample, file, _to(account_data.add_usage, account), as_, data, as_json=json)


@usage.command("list")
def list_usage(account: Account, data: Data = None, json: Json = False) -> None:
    """What was measured of an account, and what has become of it."""
    found = with_office(data, lambda services: account_data.usage(services, account), as_json=json)
    _print(found, ("metric", "days", "until", ""), _usage_cells, "Nothing was measured yet.", as_json=json)


@usage.command("remove")
def remove_usage(
    account: Account,
    metric: Annotated[str, typer.Argument(help="What was measured, as the list names it.", metavar="METRIC")],
    day: Annotated[str | None, typer.Option("--day", help="Only what was measured on it.", metavar="DATE")] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Take a metric off the record, with all its measurements; or one of them."""

    async def work(services: Services) -> ImportResult:
        only = _date(day, "--day") if day is not None else None
        return await account_data.remove_usage(services, account, metric, acting(services, as_), only)

    _told(with_office(data, work, as_json=json), as_json=json)


# Incidents


@incident.command("add")
def add_incident(
    account: Account,
    id_: Id,
    title: Title,
    severity: Annotated[str, typer.Option("--severity", help="1, the worst, to 4.")],
    began: Annotated[str, typer.Option("--began", help="In your own zone, or with an offset.", metavar="TIME")],
    ended: Annotated[str | None, typer.Option("--ended", help="Likewise; it can follow later.", metavar="TIME")] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Keep an incident, or correct it."""

    async def work(services: Services) -> ImportResult:
        actor = acting(services, as_)
        zone = (await member_named(services, actor)).schedule.zone
        said = {
            "id": id_,
            "title": title,
            "severity": severity,
            "began": parse_instant(began, "began", zone),
            "ended": parse_instant(ended, "ended", zone) if ended is not None else None,
        }
        return await account_data.add_incidents(services, account, [SheetRow(check(WrittenIncident, said, ""))], actor)

    _told(with_office(data, work, as_json=json), as_json=json)


@incident.command("close")
def close_incident(
    account: Account,
    id_: Id,
    at: Annotated[
        str | None, typer.Option("--at", help="When it ended, if not now; in your own zone.", metavar="TIME")
    ] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say that an incident is over."""

    async def work(services: Services) -> Incident:
        actor = acting(services, as_)
        zone = (await member_named(services, actor)).schedule.zone
        ended = parse_instant(at, "ended", zone) if at is not None else None
        return await account_data.close_incident(services, account, id_, actor, ended)

    closed = with_office(data, work, as_json=json)
    if json:
        print_json(closed)
    else:
        out.print(f"{closed.id} ended at {when(closed.ended)}.")


@incident.command("import")
def import_incidents(account: Account, file: File, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Bring incidents up to what a file says: all of it or, if something is wrong, nothing. Safe to repeat."""
    _import(WrittenIncident, file, _to(account_data.add_incidents, account), as_, data, as_json=json)


@incident.command("list")
def list_incidents(account: Account, data: Data = None, json: Json = False) -> None:
    """Every incident of an account."""
    found = with_office(data, lambda services: account_data.incidents(services, account), as_json=json)
    _print(found, ("id", "what", "severity", "began", "ended"), _incident_cells, "No incident is known.", as_json=json)


@incident.command("remove")
def remove_incident(account: Account, id_: Id, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Take an incident off the record that was none."""
    _remove(INCIDENTS, account, id_, as_, data, as_json=json)


# Projects


@project.command("add")
def add_project(
    account: Account,
    id_: Id,
    title: Title,
    starts: Annotated[str | None, typer.Option("--starts", help="Its first day.", metavar="DATE")] = None,
    ends: Annotated[str | None, typer.Option("--ends", help="Its last day.", metavar="DATE")] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Keep a project, or correct it."""
    said = {"id": id_, "title": title, "starts": starts, "ends": ends}
    _bring(WrittenProject, said, _to(account_data.add_projects, account), as_, data, as_json=json)


@project.command("import")
def import_projects(account: Account, file: File, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Bring projects up to what a file says: all of it or, if something is wrong, nothing. Safe to repeat."""
    _import(WrittenProject, file, _to(account_data.add_projects, account), as_, data, as_json=json)


@project.command("list")
def list_projects(account: Account, data: Data = None, json: Json = False) -> None:
    """Every project of an account."""
    found = with_office(data, lambda services: account_data.projects(services, account), as_json=json)
    _print(found, ("id", "what", "starts", "ends"), _project_cells, "No project is known.", as_json=json)


@project.command("remove")
def remove_project(account: Account, id_: Id, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Take a project off the record."""
    _remove(PROJECTS, account, id_, as_, data, as_json=json)


# Wins


@win.command("add")
def add_win(
    account: Account,
    id_: Id,
    title: Title,
    day: Annotated[str, typer.Option("--day", help="When it was, such as 2026-11-20.", metavar="DATE")],
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Keep a win, or correct it."""
    said = {"id": id_, "title": title, "day": day}
    _bring(WrittenWin, said, _to(account_data.add_wins, account), as_, data, as_json=json)


@win.command("import")
def import_wins(account: Account, file: File, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Bring wins up to what a file says: all of it or, if something is wrong, nothing. Safe to repeat."""
    _import(WrittenWin, file, _to(account_data.add_wins, account), as_, data, as_json=json)


@win.command("list")
def list_wins(account: Account, data: Data = None, json: Json = False) -> None:
    """Every win of an account."""
    found = with_office(data, lambda services: account_data.wins(services, account), as_json=json)
    _print(found, ("id", "what", "day"), _win_cells, "No win is known.", as_json=json)


@win.command("remove")
def remove_win(account: Account, id_: Id, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Take a win off the record."""
    _remove(WINS, account, id_, as_, data, as_json=json)


# The roadmap


@roadmap.command("add")
def add_roadmap(
    id_: Id,
    title: Title,
    expected: Annotated[str, typer.Option("--expected", help="When, in words, such as 2027-Q1.")],
    touches: Annotated[
        list[str] | None,
        typer.Option("--touches", help="Whom it touches, and why; * for everyone. Repeat it.", metavar="ACCOUNT=WHY"),
    ] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Put an item on the roadmap, or say it anew, with all whom it touches."""

    async def work(services: Services) -> ImportResult:
        rows = []
        for touch in touches or [""]:
            account, _, why = touch.partition("=")
            said = {"id": id_, "title": title, "expected": expected, "account": account or None, "touches": why or None}
            rows.append(SheetRow(check(WrittenRoadmapItem, said, "")))
        return await account_data.add_roadmap(services, rows, acting(services, as_))

    _told(with_office(data, work, as_json=json), as_json=json)


@roadmap.command("import")
def import_roadmap(file: File, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Bring items of the roadmap up to what a file says: all of it or, if something is wrong, nothing."""
    _import(WrittenRoadmapItem, file, account_data.add_roadmap, as_, data, as_json=json)


@roadmap.command("list")
def list_roadmap(
    account: Annotated[str | None, typer.Argument(help="Only what touches this account.", metavar="ACCOUNT")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """The roadmap, or what of it touches an account."""

    async def work(services: Services) -> Sequence[Any]:
        return await (account_data.roadmap(services) if account is None else account_data.roadmap_of(services, account))

    columns = ("id", "what", "expected", *(["account"] if account is None else []), "why")
    found = with_office(data, work, as_json=json)
    _print(found, columns, _roadmap_cells, "Nothing of the roadmap is known.", as_json=json)


@roadmap.command("remove")
def remove_roadmap(id_: Id, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Take an item off the roadmap."""

    async def work(services: Services) -> ImportResult:
        return await account_data.remove_roadmap(services, id_, acting(services, as_))

    _told(with_office(data, work, as_json=json), as_json=json)


# What they share


class Keep(Protocol[W]):
    """A use case that keeps records."""

    def __call__(self, services: Services, rows: Sequence[SheetRow[W]], actor: Actor) -> Awaitable[ImportResult]:
        """Keep them."""


def _to(
    keep: Callable[[Services, str, Sequence[SheetRow[W]], Actor], Awaitable[ImportResult]], account: str
) -> Keep[W]:
    """A use case for one account."""

    def kept(services: Services, rows: Sequence[SheetRow[W]], actor: Actor) -> Awaitable[ImportResult]:
        return keep(services, account, rows, actor)

    return kept


def _bring(
    model: type[W], said: dict[str, Any], keep: Keep[W], as_: str | None, data: Path | None, *, as_json: bool
) -> None:
    async def work(services: Services) -> ImportResult:
        return await keep(services, [SheetRow(check(model, said, ""))], acting(services, as_))

    _told(with_office(data, work, as_json=as_json), as_json=as_json)


def _import(model: type[W], file: Path, keep: Keep[W], as_: str | None, data: Path | None, *, as_json: bool) -> None:
    async def work(services: Services) -> ImportResult:
        return await keep(services, read_sheet(model, file), acting(services, as_))

    _told(with_office(data, work, as_json=as_json), as_json=as_json)


def _remove(noun: Noun[Any], account: str, id_: str, as_: str | None, data: Path | None, *, as_json: bool) -> None:
    async def work(services: Services) -> ImportResult:
        return await account_data.remove(services, noun, account, id_, acting(services, as_))

    _told(with_office(data, work, as_json=as_json), as_json=as_json)


def _date(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError("is not a day", field=field, fix='write it as "2026-11-20"') from None


def _told(kept: ImportResult, *, as_json: bool) -> None:
    if as_json:
        print_json(kept)
        return
    counts = {name: getattr(kept, name) for name in ImportResult.model_fields}
    out.print(", ".join(f"{count} {name}" for name, count in counts.items() if count) + ".")


def _print(
    found: Sequence[Any], columns: Sequence[str], cells: Callable[[Any], Sequence[str]], nothing: str, *, as_json: bool
) -> None:
    if as_json:
        print_json(found)
    elif not found:
        out.print(nothing)
    else:
        rows = table(*columns)
        for one in found:
            rows.add_row(*(cell.replace("[", r"\[") for cell in cells(one)))
        out.print(rows)


def _usage_cells(series: MetricSeries) -> Sequence[str]:
    return (series.metric, str(len(series.samples)), str(series.samples[-1].day), course(series))


def _incident_cells(one: Incident) -> Sequence[str]:
    return (one.id, one.title, str(one.severity), when(one.began), when(one.ended) or "goes on")


def _project_cells(one: Project) -> Sequence[str]:
    return (one.id, one.title, str(one.starts or ""), str(one.ends or ""))


def _win_cells(one: Win) -> Sequence[str]:
    return (one.id, one.title, str(one.day))


def _roadmap_cells(item: Any) -> Sequence[str]:
    known = {EVERYONE: "everyone", None: "nobody yet"}
    own = [known.get(item.account, item.account)] if isinstance(item, WrittenRoadmapItem) else []
    return (item.id, item.title, item.expected, *own, item.touches or "")
