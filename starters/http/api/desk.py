"""The desk's rules, reports and side work under /v1/desk: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import Field

from rapport.model.base import Email, InputModel
from rapport.model.side_project import NewSideProject
from rapport.rules.desk_report import DeskReport
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import desk_report, side_project
from starters.use_cases.desk_report import RulesShown
from starters.use_cases.side_project import SideShown

router = APIRouter(prefix="/v1/desk", tags=["v1"], dependencies=[Depends(bearer)])


class NewBody(NewSideProject):
    """Side work, asked for by a member. It has no due date."""

    as_: Annotated[Email, Field(alias="as")]


class ActBody(InputModel):
    """A member who takes side work, puts it back, or is done with it."""

    as_: Annotated[Email, Field(alias="as")]


class LookAgainBody(ActBody):
    """The lead's day to look again; without one, none. It is promised to nobody."""

    on: date | None = None


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


@router.post("/side-projects", status_code=status.HTTP_201_CREATED, openapi_extra=schema(NewBody))
async def add_side_project(request: Request, services: TheServices, token: Bearer) -> SideShown:
    """Ask for side work."""
    body = await read_body(request, NewBody)
    written = NewSideProject.model_validate(body.model_dump(exclude={"as_"}))
    return await side_project.add(services, written, api_actor(services, token, body.as_))


@router.post("/side-projects/{id_}/take", openapi_extra=schema(ActBody))
async def take(id_: str, request: Request, services: TheServices, token: Bearer) -> SideShown:
    """Take what nobody does."""
    body = await read_body(request, ActBody)
    return await side_project.take(services, id_, api_actor(services, token, body.as_))


@router.post("/side-projects/{id_}/put-back", openapi_extra=schema(ActBody))
async def put_back(id_: str, request: Request, services: TheServices, token: Bearer) -> SideShown:
    """Put it back; it keeps its place in the order."""
    body = await read_body(request, ActBody)
    return await side_project.put_back(services, id_, api_actor(services, token, body.as_))


@router.post("/side-projects/{id_}/done", openapi_extra=schema(ActBody))
async def done(id_: str, request: Request, services: TheServices, token: Bearer) -> SideShown:
    """Say that it is done."""
    body = await read_body(request, ActBody)
    return await side_project.done(services, id_, api_actor(services, token, body.as_))


@router.post("/side-projects/{id_}/look-again", openapi_extra=schema(LookAgainBody))
async def look_again(id_: str, request: Request, services: TheServices, token: Bearer) -> SideShown:
    """Set the day on which the lead looks at it again."""
    body = await read_body(request, LookAgainBody)
    return await side_project.look_again(services, id_, body.on, api_actor(services, token, body.as_))
