"""What is known of accounts under /v1/: one record or many, as JSON or CSV, with the command line's refusals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from rapport.model.account_data import (
    Day,
    Evidence,
    ImportResult,
    Incident,
    MetricSeries,
    Moment,
    Project,
    RoadmapItem,
    Win,
    WrittenIncident,
    WrittenProject,
    WrittenRoadmapItem,
    WrittenSample,
    WrittenWin,
)
from rapport.model.base import Email, InputModel, Name
from rapport.model.sheets import MAX_ROWS, SheetRow, numbered, read_csv
from rapport.storage.account_data import INCIDENTS, PROJECTS, WINS
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.services import Actor, Services
from starters.use_cases import account_data

W = TypeVar("W", bound=InputModel)

CSV: Final = "text/csv"

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])

As = Annotated[str | None, Query(alias="as", description="For CSV: who gives it; JSON says so itself.")]


class RecordsBody(InputModel, Generic[W]):
    """Records, given by a member."""

    as_: Annotated[Email, Field(alias="as")]
    records: Annotated[tuple[W, ...], Field(min_length=1, max_length=MAX_ROWS)]


class RemoveBody(InputModel):
    """A member's word that a record is wrong."""

    as_: Annotated[Email, Field(alias="as")]


class RemoveUsageBody(RemoveBody):
    """A member's word that a metric is wrong, or what was measured of it on one day."""

    metric: Name
    day: Day | None = None


class CloseBody(InputModel):
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
    request: Request, services: Services, token: str, as_: str | None, model: type[W]
) -> tuple[Sequence[SheetRow[W]], Actor]:
    """The records of a request, and who gives them.

    Raises:
        UserError: The body is neither such JSON nor such CSV.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == CSV:
        return read_csv(model, await request.body(), "body"), api_actor(services, token, as_)
    body = await read_body(request, _body(model))
    return numbered(body.records, "records"), api_actor(services, token, body.as_)


@router.get("/accounts/{account}/evidence")
async def show_evidence(
    account: str,
    services: TheServices,
    since: Annotated[date | None, Query()] = None,
    until: Annotated[date | None, Query()] = None,
) -> Evidence:
    """All that digests and reviews have to speak of, of a span of days; without them, of the quarter up to today."""
    return await account_data.known(services, account, since, until)


@router.get("/accounts/{account}/usage")
async def list_usage(account: str, services: TheServices) -> tuple[MetricSeries, ...]:
    """What was measured of an account."""
    return await account_data.usage(services, account)


@router.post("/accounts/{account}/usage", openapi_extra=_records(WrittenSample))
async def add_usage(
    account: str, request: Request, services: TheServices, token: Bearer, as_: As = None
) -> ImportResult:
    """Keep measurements: all of them or, if something is wrong, none."""
    rows, actor = await _given(request, services, token, as_, WrittenSample)
    return await account_data.add_usage(services, account, rows, actor)


@router.post("/accounts/{account}/usage/remove", openapi_extra=schema(RemoveUsageBody))
async def remove_usage(account: str, request: Request, services: TheServices, token: Bearer) -> ImportResult:
    """Take a metric off the record, or what was measured of it on one day."""
    body = await read_body(request, RemoveUsageBody)
    return await account_data.remove_usage(
        services, account, body.metric, api_actor(services, token, body.as_), body.day
    )


@router.get("/accounts/{account}/incidents")
async def list_incidents(account: str, services: TheServices) -> tuple[Incident, ...]:
    """Every incident of an account."""
    return await account_data.incidents(services, account)


@router.post("/accounts/{account}/incidents", openapi_extra=_records(WrittenIncident))
async def add_incidents(
    account: str, request: Request, services: TheServices, token: Bearer, as_: As = None
) -> ImportResult:
    """Bring incidents up to what is given."""
    rows, actor = await _given(request, services, token, as_, WrittenIncident)
    return await account_data.add_incidents(services, account, rows, actor)


@router.post("/accounts/{account}/incidents/{incident}/close", openapi_extra=schema(CloseBody))
async def close_incident(
    account: str, incident: str, request: Request, services: TheServices, token: Bearer
) -> Incident:
    """Say that an incident is over."""
    body = await read_body(request, CloseBody)
    return await account_data.close_incident(
        services, account, incident, api_actor(services, token, body.as_), body.ended
    )


@router.post("/accounts/{account}/incidents/{incident}/remove", openapi_extra=schema(RemoveBody))
async def remove_incident(
    account: str, incident: str, request: Request, services: TheServices, token: Bearer
) -> ImportResult:
    """Take an incident off the record that was none."""
    body = await read_body(request, RemoveBody)
    return await account_data.remove(services, INCIDENTS, account, incident, api_actor(services, token, body.as_))


@router.get("/accounts/{account}/projects")
async def list_projects(account: str, services: TheServices) -> tuple[Project, ...]:
    """Every project of an account."""
    return await account_data.projects(services, account)


@router.post("/accounts/{account}/projects", openapi_extra=_records(WrittenProject))
async def add_projects(
    account: str, request: Request, services: TheServices, token: Bearer, as_: As = None
) -> ImportResult:
    """Bring projects up to what is given."""
    rows, actor = await _given(request, services, token, as_, WrittenProject)
    return await account_data.add_projects(services, account, rows, actor)


@router.post("/accounts/{account}/projects/{project}/remove", openapi_extra=schema(RemoveBody))
async def remove_project(
    account: str, project: str, request: Request, services: TheServices, token: Bearer
) -> ImportResult:
    """Take a project off the record."""
    body = await read_body(request, RemoveBody)
    return await account_data.remove(services, PROJECTS, account, project, api_actor(services, token, body.as_))


@router.get("/accounts/{account}/wins")
async def list_wins(account: str, services: TheServices) -> tuple[Win, ...]:
    """Every win of an account."""
    return await account_data.wins(services, account)


@router.post("/accounts/{account}/wins", openapi_extra=_records(WrittenWin))
async def add_wins(
    account: str, request: Request, services: TheServices, token: Bearer, as_: As = None
) -> ImportResult:
    """Bring wins up to what is given."""
    rows, actor = await _given(request, services, token, as_, WrittenWin)
    return await account_data.add_wins(services, account, rows, actor)


@router.post("/accounts/{account}/wins/{win}/remove", openapi_extra=schema(RemoveBody))
async def remove_win(account: str, win: str, request: Request, services: TheServices, token: Bearer) -> ImportResult:
    """Take a win off the record."""
    body = await read_body(request, RemoveBody)
    return await account_data.remove(services, WINS, account, win, api_actor(services, token, body.as_))


@router.get("/accounts/{account}/roadmap")
async def roadmap_of(account: str, services: TheServices) -> tuple[RoadmapItem, ...]:
    """What of the roadmap touches an account."""
    return await account_data.roadmap_of(services, account)


@router.get("/roadmap")
async def list_roadmap(services: TheServices) -> list[WrittenRoadmapItem]:
    """The roadmap: each item once for each account that it touches."""
    return await account_data.roadmap(services)


@router.post("/roadmap", openapi_extra=_records(WrittenRoadmapItem))
async def add_roadmap(request: Request, services: TheServices, token: Bearer, as_: As = None) -> ImportResult:
    """Bring items of the roadmap up to what is given, each with all whom it touches."""
    rows, actor = await _given(request, services, token, as_, WrittenRoadmapItem)
    return await account_data.add_roadmap(services, rows, actor)


@router.post("/roadmap/{item}/remove", openapi_extra=schema(RemoveBody))
async def remove_roadmap(item: str, request: Request, services: TheServices, token: Bearer) -> ImportResult:
    """Take an item off the roadmap."""
    body = await read_body(request, RemoveBody)
    return await account_data.remove_roadmap(services, item, api_actor(services, token, body.as_))
