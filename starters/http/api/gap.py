"""Product gaps under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import Field

from rapport.model.base import Email
from rapport.model.gap import GapChange, GapStatus, NewGap
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import gap
from starters.use_cases.gap import GapLinks, GapShown

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class GapBody(NewGap):
    """A gap, logged by a member."""

    as_: Annotated[Email, Field(alias="as")]


class LinkBody(GapLinks):
    """What a gap is linked to, by a member."""

    as_: Annotated[Email, Field(alias="as")]


class StatusBody(GapChange):
    """A member's word on where a gap is."""

    as_: Annotated[Email, Field(alias="as")]


@router.get("/gaps")
async def list_gaps(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    review: Annotated[str | None, Query()] = None,
    case: Annotated[str | None, Query()] = None,
    status: Annotated[GapStatus | None, Query()] = None,
) -> list[GapShown]:
    """Every product gap, the newest first."""
    return await gap.listed(services, status=status, account=account, review=review, case=case)


@router.post("/gaps", status_code=status.HTTP_201_CREATED, openapi_extra=schema(GapBody))
async def log_gap(request: Request, services: TheServices, token: Bearer) -> GapShown:
    """Log what a customer needs and the product does not do."""
    body = await read_body(request, GapBody)
    return await gap.log(services, body, api_actor(services, token, body.as_))


@router.get("/gaps/{ref}")
async def show_gap(ref: str, services: TheServices) -> GapShown:
    """One product gap."""
    return await gap.show(services, ref)


@router.post("/gaps/{ref}/link", openapi_extra=schema(LinkBody))
async def link_gap(ref: str, request: Request, services: TheServices, token: Bearer) -> GapShown:
    """Link a gap to more accounts, reviews or cases."""
    body = await read_body(request, LinkBody)
    return await gap.link(services, ref, body, api_actor(services, token, body.as_))


@router.post("/gaps/{ref}/status", openapi_extra=schema(StatusBody))
async def change_gap(ref: str, request: Request, services: TheServices, token: Bearer) -> GapShown:
    """Say where a gap is by now."""
    body = await read_body(request, StatusBody)
    return await gap.change(services, ref, body, api_actor(services, token, body.as_))


@router.post("/gaps/{ref}/resend")
async def resend_gap(ref: str, services: TheServices) -> GapShown:
    """Send a gap to the CRM again."""
    return await gap.resend(services, ref)
