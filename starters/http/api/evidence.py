"""What is known of accounts under /v1/: one record or many, as JSON or CSV, with the command line's refusals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from rapport.model.base import Email, Name, Written
from rapport.model.evidence import (
    Day,
    Evidence,
    Incident,
    Kept,
    Moment,
    Project,
    RoadmapItem,
    Series,
    Win,
    WrittenIncident,
    WrittenProject,
    WrittenRoadmapItem,
    WrittenSample,
    WrittenWin,
)
from rapport.model.sheets import MAX_ROWS, Row, numbered, read_csv
from rapport.storage.evidence import INCIDENTS, PROJECTS, WINS
from starters.commands import evidence
from starters.commands.office import Actor, Office
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheOffice, api_actor, bearer

W = TypeVar("W", bound=Written)

CSV: Final = "text/csv"

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])

As = Annotated[str | None, Query(alias="as", description="For CSV: who gives it; JSON says so itself.")]


class RecordsBody(Written, Generic[W]):
    """Records, given by a member."""

    as_: Annotated[Email, Field(alias="as")]
    records: Annotated[tuple[W, ...], Field(min_length=1, max_length=MAX_ROWS)]


class RemoveBody(Written):
    """A member's word that a record is wrong."""

    as_: Annotated[Email, Field(alias="as")]


class RemoveUsageBody(RemoveBody):
    """A member's word that a metric is wrong, or what was measured of it on one day."""

    metric: Name
    day: Day | None = None


class CloseBody(Written):
    """A member's word that an incident is over; without `ended`, now."""

    as_: Annotated[Email, Field(alias="as")]
    ended: Moment | None = None


def _body(model: type[W]) -> type[RecordsBody[W]]:
    # Pydantic makes such a class when it is asked to; mypy knows none whose parameter is a variable.
    return RecordsBody[model]  # type: ignore[valid-type]


def _records(model: type[W]) -> dict[str, Any]:
    """A body of records in the OpenAPI document: JSON, or CSV with the same names as columns."""
    described: dict[str, Any] = schema(_body(model))
    described["requestBody"]["content"][CSV] = {"schema": {"type": "string"}}
    return described


async def _given(
    request: Request, office: Office, token: str, as_: str | None, model: type[W]
) -> tuple[Sequence[Row[W]], Actor]:
    """The records of a request, and who gives them.

    Raises:
        Refusal: The body is neither such JSON nor such CSV.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == CSV:
        return read_csv(model, await request.body(), "body"), api_actor(office, token, as_)
    body = await read_body(request, _body(model))
    return numbered(body.records, "records"), api_actor(office, token, body.as_)


@router.get("/accounts/{account}/evidence")
async def show_evidence(
    account: str,
    office: TheOffice,
    since: Annotated[date | None, Query()] = None,
    until: Annotated[date | None, Query()] = None,
) -> Evidence:
    """All that digests and reviews have to speak of, of a span of days; without them, of the quarter up to today."""
    return await evidence.known(office, account, since, until)


@router.get("/accounts/{account}/usage")
async def list_usage(account: str, office: TheOffice) -> tuple[Series, ...]:
    """What was measured of an account."""
    return await evidence.usage(office, account)


@router.post("/accounts/{account}/usage", openapi_extra=_records(WrittenSample))
async def add_usage(account: str, request: Request, office: TheOffice, token: Bearer, as_: As = None) -> Kept:
    """Keep measurements: all of them or, if something is wrong, none."""
    rows, actor = await _given(request, office, token, as_, WrittenSample)
    return await evidence.add_usage(office, account, rows, actor)


@router.post("/accounts/{account}/usage/remove", openapi_extra=schema(RemoveUsageBody))
async def remove_usage(account: str, request: Request, office: TheOffice, token: Bearer) -> Kept:
    """Take a metric off the record, or what was measured of it on one day."""
    body = await read_body(request, RemoveUsageBody)
    return await evidence.remove_usage(office, account, body.metric, api_actor(office, token, body.as_), body.day)


@router.get("/accounts/{account}/incidents")
async def list_incidents(account: str, office: TheOffice) -> tuple[Incident, ...]:
    """Every incident of an account."""
    return await evidence.incidents(office, account)


@router.post("/accounts/{account}/incidents", openapi_extra=_records(WrittenIncident))
async def add_incidents(account: str, request: Request, office: TheOffice, token: Bearer, as_: As = None) -> Kept:
    """Bring incidents up to what is given."""
    rows, actor = await _given(request, office, token, as_, WrittenIncident)
    return await evidence.add_incidents(office, account, rows, actor)


@router.post("/accounts/{account}/incidents/{incident}/close", openapi_extra=schema(CloseBody))
async def close_incident(account: str, incident: str, request: Request, office: TheOffice, token: Bearer) -> Incident:
    """Say that an incident is over."""
    body = await read_body(request, CloseBody)
    return await evidence.close_incident(office, account, incident, api_actor(office, token, body.as_), body.ended)


@router.post("/accounts/{account}/incidents/{incident}/remove", openapi_extra=schema(RemoveBody))
async def remove_incident(account: str, incident: str, request: Request, office: TheOffice, token: Bearer) -> Kept:
    """Take an incident off the record that was none."""
    body = await read_body(request, RemoveBody)
    return await evidence.remove(office, INCIDENTS, account, incident, api_actor(office, token, body.as_))


@router.get("/accounts/{account}/projects")
async def list_projects(account: str, office: TheOffice) -> tuple[Project, ...]:
    """Every project of an account."""
    return await evidence.projects(office, account)


@router.post("/accounts/{account}/projects", openapi_extra=_records(WrittenProject))
async def add_projects(account: str, request: Request, office: TheOffice, token: Bearer, as_: As = None) -> Kept:
    """Bring projects up to what is given."""
    rows, actor = await _given(request, office, token, as_, WrittenProject)
    return await evidence.add_projects(office, account, rows, actor)


@router.post("/accounts/{account}/projects/{project}/remove", openapi_extra=schema(RemoveBody))
async def remove_project(account: str, project: str, request: Request, office: TheOffice, token: Bearer) -> Kept:
    """Take a project off the record."""
    body = await read_body(request, RemoveBody)
    return await evidence.remove(office, PROJECTS, account, project, api_actor(office, token, body.as_))


@router.get("/accounts/{account}/wins")
async def list_wins(account: str, office: TheOffice) -> tuple[Win, ...]:
    """Every win of an account."""
    return await evidence.wins(office, account)


@router.post("/accounts/{account}/wins", openapi_extra=_records(WrittenWin))
async def add_wins(account: str, request: Request, office: TheOffice, token: Bearer, as_: As = None) -> Kept:
    """Bring wins up to what is given."""
    rows, actor = await _given(request, office, token, as_, WrittenWin)
    return await evidence.add_wins(office, account, rows, actor)


@router.post("/accounts/{account}/wins/{win}/remove", openapi_extra=schema(RemoveBody))
async def remove_win(account: str, win: str, request: Request, office: TheOffice, token: Bearer) -> Kept:
    """Take a win off the record."""
    body = await read_body(request, RemoveBody)
    return await evidence.remove(office, WINS, account, win, api_actor(office, token, body.as_))


@router.get("/accounts/{account}/roadmap")
async def roadmap_of(account: str, office: TheOffice) -> tuple[RoadmapItem, ...]:
    """What of the roadmap touches an account."""
    return await evidence.roadmap_of(office, account)


@router.get("/roadmap")
async def list_roadmap(office: TheOffice) -> list[WrittenRoadmapItem]:
    """The roadmap: each item once for each account that it touches."""
    return await evidence.roadmap(office)


@router.post("/roadmap", openapi_extra=_records(WrittenRoadmapItem))
async def add_roadmap(request: Request, office: TheOffice, token: Bearer, as_: As = None) -> Kept:
    """Bring items of the roadmap up to what is given, each with all whom it touches."""
    rows, actor = await _given(request, office, token, as_, WrittenRoadmapItem)
    return await evidence.add_roadmap(office, rows, actor)


@router.post("/roadmap/{item}/remove", openapi_extra=schema(RemoveBody))
async def remove_roadmap(item: str, request: Request, office: TheOffice, token: Bearer) -> Kept:
    """Take an item off the roadmap."""
    body = await read_body(request, RemoveBody)
    return await evidence.remove_roadmap(office, item, api_actor(office, token, body.as_))
