"""What recurs, under /v1/accounts/{account}/cadence."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from rapport.model.base import Email, InputModel, Instant, Prose
from rapport.model.meeting import Receipt
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import cadence
from starters.use_cases.cadence import CadenceShown

router = APIRouter(prefix="/v1/accounts/{account}/cadence", tags=["v1"], dependencies=[Depends(bearer)])


class SetBody(InputModel):
    """A standing time, set by a member: `mon` to `sun`, and a time such as `10:00` in the champion's zone."""

    as_: Annotated[Email, Field(alias="as")]
    day: str
    at: str


class DateBody(InputModel):
    """What a member says of one date: that it is off, or was not held."""

    as_: Annotated[Email, Field(alias="as")]
    date: date
    reason: Prose | None = None


class MoveBody(DateBody):
    """One date at another time, by a member."""

    start: Instant


@router.get("")
async def show_cadence(account: str, services: TheServices) -> CadenceShown:
    """What recurs, and when it takes place next."""
    return await cadence.show(services, account)


@router.post("/{step}/set", openapi_extra=schema(SetBody))
async def set_time(account: str, step: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Set the standing time; everyone gets the series anew."""
    body = await read_body(request, SetBody)
    return await cadence.set_time(services, account, step, body.day, body.at, api_actor(services, token, body.as_))


@router.post("/{step}/skip", openapi_extra=schema(DateBody))
async def skip(account: str, step: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Call one date off."""
    body = await read_body(request, DateBody)
    return await cadence.skip(services, account, step, body.date, api_actor(services, token, body.as_), body.reason)


@router.post("/{step}/move", openapi_extra=schema(MoveBody))
async def move(account: str, step: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Move one date."""
    body = await read_body(request, MoveBody)
    actor = api_actor(services, token, body.as_)
    return await cadence.move(services, account, step, body.date, body.start, actor, body.reason)


@router.post("/{step}/report", openapi_extra=schema(DateBody))
async def report(account: str, step: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Say that one date was not held."""
    body = await read_body(request, DateBody)
    return await cadence.report(services, account, step, body.date, api_actor(services, token, body.as_), body.reason)
