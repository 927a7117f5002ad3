"""Product gaps under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import Field

from rapport.model.base import Email
from rapport.model.gap import GapChange, GapStatus, NewGap
from starters.commands import gaps
from starters.commands.gaps import GapShown, Written
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheOffice, api_actor, bearer

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class GapBody(NewGap):
    """A gap, logged by a member."""

    as_: Annotated[Email, Field(alias="as")]


class LinkBody(Written):
    """What a gap is linked to, by a member."""

    as_: Annotated[Email, Field(alias="as")]


class StatusBody(GapChange):
    """A member's word on where a gap is."""

    as_: Annotated[Email, Field(alias="as")]


@router.get("/gaps")
async def list_gaps(
    office: TheOffice,
    account: Annotated[str | None, Query()] = None,
    review: Annotated[str | None, Query()] = None,
    case: Annotated[str | None, Query()] = None,
    status: Annotated[GapStatus | None, Query()] = None,
) -> list[GapShown]:
    """Every product gap, the newest first."""
    return await gaps.listed(office, status=status, account=account, review=review, case=case)


@router.post("/gaps", status_code=status.HTTP_201_CREATED, openapi_extra=schema(GapBody))
async def log_gap(request: Request, office: TheOffice, token: Bearer) -> GapShown:
    """Log what a customer needs and the product does not do."""
    body = await read_body(request, GapBody)
    return await gaps.log(office, body, api_actor(office, token, body.as_))


@router.get("/gaps/{ref}")
async def show_gap(ref: str, office: TheOffice) -> GapShown:
    """One product gap."""
    return await gaps.show(office, ref)


@router.post("/gaps/{ref}/link", openapi_extra=schema(LinkBody))
async def link_gap(ref: str, request: Request, office: TheOffice, token: Bearer) -> GapShown:
    """Link a gap to more accounts, reviews or cases."""
    body = await read_body(request, LinkBody)
    return await gaps.link(office, ref, body, api_actor(office, token, body.as_))


@router.post("/gaps/{ref}/status", openapi_extra=schema(StatusBody))
async def change_gap(ref: str, request: Request, office: TheOffice, token: Bearer) -> GapShown:
    """Say where a gap is by now."""
    body = await read_body(request, StatusBody)
    return await gaps.change(office, ref, body, api_actor(office, token, body.as_))


@router.post("/gaps/{ref}/resend")
async def resend_gap(ref: str, office: TheOffice) -> GapShown:
    """Send a gap to the CRM again."""
    return await gaps.resend(office, ref)
