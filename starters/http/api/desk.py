"""The desk's rules, reports and side work under /v1/desk: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Query, status

from rapport.model.base import InputModel, WrittenDay
from rapport.model.side_project import NewSideProject
from rapport.rules.desk_report import DeskReport
from starters.http.api.bodies import By, Nothing, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import desk_report, side_project
from starters.use_cases.desk_report import RulesShown
from starters.use_cases.side_project import SideShown

router = api_router("/v1/desk")


class LookAgainBody(InputModel):
    """The lead's day to look again; without one, none. It is promised to nobody."""

    on: WrittenDay | None = None


@router.get("/rules")
async def rules(services: TheServices) -> RulesShown:
    """What the desk goes by: its hours, its promises, and which engineering team owns what."""
    return await desk_report.rules(services)


@router.get("/report")
async def report(
    services: TheServices,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
) -> DeskReport:
    """The desk over some days, by desk and never by engineer; the last four weeks unless told otherwise."""
    return await desk_report.report(services, first, last)


@router.get("/side-projects")
async def list_side_projects(
    services: TheServices, all_: Annotated[bool, Query(alias="all")] = False
) -> list[SideShown]:
    """The side work that there is, in the order in which it is handed out."""
    return await side_project.listed(services, also_done=all_)


@router.post("/side-projects", status_code=status.HTTP_201_CREATED)
async def add_side_project(said: By[NewSideProject], services: TheServices, token: Bearer) -> SideShown:
    """Ask for side work."""
    return await side_project.add(services, said.body, said.by(services, token))


@router.post("/side-projects/{id_}/take")
async def take(id_: str, said: By[Nothing], services: TheServices, token: Bearer) -> SideShown:
    """Take what nobody does."""
    return await side_project.take(services, id_, said.by(services, token))


@router.post("/side-projects/{id_}/put-back")
async def put_back(id_: str, said: By[Nothing], services: TheServices, token: Bearer) -> SideShown:
    """Put it back; it keeps its place in the order."""
    return await side_project.put_back(services, id_, said.by(services, token))


@router.post("/side-projects/{id_}/done")
async def done(id_: str, said: By[Nothing], services: TheServices, token: Bearer) -> SideShown:
    """Say that it is done."""
    return await side_project.done(services, id_, said.by(services, token))


@router.post("/side-projects/{id_}/look-again")
async def look_again(id_: str, said: By[LookAgainBody], services: TheServices, token: Bearer) -> SideShown:
    """Set the day on which the lead looks at it again."""
    return await side_project.look_again(services, id_, said.body.on, said.by(services, token))
