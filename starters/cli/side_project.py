"""`rapport desk side-project …`"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from rapport.model.base import UserError
from rapport.model.reading import check
from rapport.model.side_project import NewSideProject
from starters.cli.common import As, Data, Json, acting, out, parse_instant, print_json, table, when, with_office
from starters.services import Actor, Services
from starters.use_cases import side_project
from starters.use_cases.side_project import SideShown

app = typer.Typer(help="Side work: for when nobody calls, and never with a due date.", no_args_is_help=True)

Use = Callable[[Services, str, Actor], Awaitable[SideShown]]
Id = Annotated[str, typer.Argument(help="As `rapport desk side-project list` names it.", metavar="ID")]


@app.command()
def add(
    title: Annotated[str, typer.Argument(help="What is to be done, in one line.")],
    kind: Annotated[str, typer.Option("--kind", help="testing, documentation, training or integration.")],
    note: Annotated[str | None, typer.Option("--note", help="What there is to know.")] = None,
    area: Annotated[str | None, typer.Option("--area", help="The product area that it takes knowledge of.")] = None,
    tam: Annotated[str | None, typer.Option("--tam", help="Whose booked training it is.", metavar="EMAIL")] = None,
    booked: Annotated[
        str | None, typer.Option("--booked", help="When the TAM's training begins.", metavar="INSTANT")
    ] = None,
    due: Annotated[str | None, typer.Option("--due", help="Refused: there is no due date.", hidden=True)] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Ask for side work. It is handed out when the desk has slack, and put back when the peak comes."""

    async def work(services: Services) -> SideShown:
        said = {"kind": kind, "title": title, "note": note, "area": area, "tam": tam, "due": due}
        if booked is not None:
            said["booked_at"] = parse_instant(booked, "--booked").isoformat()
        asked = {field: value for field, value in said.items() if value is not None}
        return await side_project.add(services, check(NewSideProject, asked, ""), acting(services, as_))

    _print([with_office(data, work, as_json=json)], as_json=json, one=True)


@app.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="What is done as well.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """What there is to do, in the order in which it is handed out."""
    _print(
        with_office(data, lambda services: side_project.listed(services, also_done=all_), as_json=json), as_json=json
    )


@app.command()
def take(id_: Id, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Take what nobody does."""
    _do(side_project.take, id_, as_, data, as_json=json)


@app.command("put-back")
def put_back(id_: Id, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Put it back; it keeps its place in the order."""
    _do(side_project.put_back, id_, as_, data, as_json=json)


@app.command()
def done(id_: Id, as_: As = None, data: Data = None, json: Json = False) -> None:
    """Say that it is done."""
    _do(side_project.done, id_, as_, data, as_json=json)


@app.command("look-again")
def look_again(
    id_: Id,
    day: Annotated[str, typer.Option("--on", help="When the lead looks again, or never.", metavar="YYYY-MM-DD|never")],
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Set the day on which the lead looks at it again. It is promised to nobody."""

    async def work(services: Services) -> SideShown:
        return await side_project.look_again(services, id_, _day(day), acting(services, as_))

    _print([with_office(data, work, as_json=json)], as_json=json, one=True)


def _do(use: Use, id_: str, as_: str | None, data: Path | None, *, as_json: bool) -> None:
    """Do to a piece of side work what needs no more than its name."""
    done = with_office(data, lambda services: use(services, id_, acting(services, as_)), as_json=as_json)
    _print([done], as_json=as_json, one=True)


def _day(text: str) -> date | None:
    if text == "never":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError("is no day", field="--on", fix='write it as "2026-12-24", or "never"') from None


def _print(found: Sequence[SideShown], *, as_json: bool, one: bool = False) -> None:
    if as_json:
        print_json(found[0] if one else found)
        return
    if not found:
        out.print("There is no side work.")
        return
    rows = table("ID", "KIND", "TITLE", "STATE", "WHO", "HOURS", "PUT BACK", "LOOK AGAIN")
    for project in found:
        booked = f" ({when(project.booked_at)}, with {project.tam})" if project.booked_at else ""
        rows.add_row(
            project.id,
            project.kind,
            f"{project.title}{booked}",
            project.state,
            project.owner or "",
            f"{project.hours:g}" if project.hours else "",
            str(project.put_back) if project.put_back else "",
            str(project.look_again) if project.look_again else "",
        )
    out.print(rows)
