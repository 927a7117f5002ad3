"""`rapport desk side-project …`"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import typer

from rapport.model.reading import check, read_day, read_instant
from rapport.model.side_project import NewSideProject
from starters.cli.common import command, given, out, table, when
from starters.services import Actor, Services
from starters.use_cases import side_project
from starters.use_cases.side_project import SideShown

app = typer.Typer(help="Side work: for when nobody calls, and never with a due date.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="As `rapport desk side-project list` names it.", metavar="ID")]


def _add_act(name: str, act: Callable[[Services, str, Actor], Awaitable[SideShown]], help: str) -> None:
    """What needs no more of a piece of side work than its name."""

    @command(app, name, show=_print, help=help)
    async def done(services: Services, actor: Actor, id_: Id) -> SideShown:
        return await act(services, id_, actor)


def _print(found: SideShown | Sequence[SideShown]) -> str | None:
    if not found:
        return "There is no side work."
    rows = table("ID", "KIND", "TITLE", "STATE", "WHO", "HOURS", "PUT BACK", "LOOK AGAIN")
    for project in [found] if isinstance(found, SideShown) else found:
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
    return None


@command(app, show=_print)
async def add(
    services: Services,
    actor: Actor,
    title: Annotated[str, typer.Argument(help="What is to be done, in one line.")],
    kind: Annotated[str, typer.Option("--kind", help="testing, documentation, training or integration.")],
    note: Annotated[str | None, typer.Option("--note", help="What there is to know.")] = None,
    area: Annotated[str | None, typer.Option("--area", help="The product area that it takes knowledge of.")] = None,
    tam: Annotated[str | None, typer.Option("--tam", help="Whose booked training it is.", metavar="EMAIL")] = None,
    booked: Annotated[
        str | None, typer.Option("--booked", help="When the TAM's training begins.", metavar="INSTANT")
    ] = None,
    due: Annotated[str | None, typer.Option("--due", help="Refused: there is no due date.", hidden=True)] = None,
) -> SideShown:
    """Ask for side work. It is handed out when the desk has slack, and put back when the peak comes."""
    begins = read_instant(booked, "--booked").isoformat() if booked is not None else None
    said = given(kind=kind, title=title, note=note, area=area, tam=tam, due=due, booked_at=begins)
    return await side_project.add(services, check(NewSideProject, said, ""), actor)


@command(app, "list", show=_print)
async def list_(
    services: Services, all_: Annotated[bool, typer.Option("--all", help="What is done as well.")] = False
) -> list[SideShown]:
    """What there is to do, in the order in which it is handed out."""
    return await side_project.listed(services, also_done=all_)


_add_act("take", side_project.take, "Take what nobody does.")


_add_act("put-back", side_project.put_back, "Put it back; it keeps its place in the order.")


_add_act("done", side_project.done, "Say that it is done.")


@command(app, "look-again", show=_print)
async def look_again(
    services: Services,
    actor: Actor,
    id_: Id,
    day: Annotated[str, typer.Option("--on", help="When the lead looks again, or never.", metavar="YYYY-MM-DD|never")],
) -> SideShown:
    """Set the day on which the lead looks at it again. It is promised to nobody."""
    read = None if day == "never" else read_day(day, "--on", 'write it as "2026-12-24", or "never"')
    return await side_project.look_again(services, id_, read, actor)
