"""What recurs, under /v1/accounts/{account}/cadence."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from rapport.model.base import Email, Instant, Prose, Written
from rapport.model.meeting import Receipt
from starters.commands import cadences
from starters.commands.cadences import CadenceShown
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheOffice, api_actor, bearer

router = APIRouter(prefix="/v1/accounts/{account}/cadence", tags=["v1"], dependencies=[Depends(bearer)])


class SetBody(Written):
    """A standing time, set by a member: `mon` to `sun`, and a time such as `10:00` in the champion's zone."""

    as_: Annotated[Email, Field(alias="as")]
    day: str
    at: str


class DateBody(Written):
    """What a member says of one date: that it is off, or was not held."""

    as_: Annotated[Email, Field(alias="as")]
    date: date
    reason: Prose | None = None


class MoveBody(DateBody):
    """One date at another time, by a member."""

    start: Instant


@router.get("")
async def show_cadence(account: str, office: TheOffice) -> CadenceShown:
    """What recurs, and when it takes place next."""
    return await cadences.show(office, account)


@router.post("/{step}/set", openapi_extra=schema(SetBody))
async def set_time(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Set the standing time; everyone gets the series anew."""
    body = await read_body(request, SetBody)
    return await cadences.set_time(office, account, step, body.day, body.at, api_actor(office, token, body.as_))


@router.post("/{step}/skip", openapi_extra=schema(DateBody))
async def skip(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Call one date off."""
    body = await read_body(request, DateBody)
    return await cadences.skip(office, account, step, body.date, api_actor(office, token, body.as_), body.reason)


@router.post("/{step}/move", openapi_extra=schema(MoveBody))
async def move(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Move one date."""
    body = await read_body(request, MoveBody)
    actor = api_actor(office, token, body.as_)
    return await cadences.move(office, account, step, body.date, body.start, actor, body.reason)


@router.post("/{step}/report", openapi_extra=schema(DateBody))
async def report(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Say that one date was not held."""
    body = await read_body(request, DateBody)
    return await cadences.report(office, account, step, body.date, api_actor(office, token, body.as_), body.reason)
