"""What stands around tech reviews, under /v1/: what calls for one, and the gates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from rapport.model.base import Email
from rapport.rules.gate import GateStanding
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import tech_review_needs, triage
from starters.use_cases.tech_review_needs import ReviewNeeds
from starters.use_cases.triage import Matter, TriageShown

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class MatterBody(Matter):
    """A matter, brought by a member."""

    as_: Annotated[Email, Field(alias="as")]


@router.get("/accounts/{account}/reviews-needed")
async def reviews_needed(account: str, services: TheServices) -> ReviewNeeds:
    """Which scenarios call for a review of an account and why, and what is not known yet."""
    return await tech_review_needs.needed(services, account)


@router.get("/accounts/{account}/gates/{gate}")
async def show_gate(account: str, gate: str, services: TheServices) -> GateStanding:
    """Whether an account may begin its trial, or go to production."""
    return await tech_review_needs.gate(services, account, gate)


@router.post("/triage", openapi_extra=schema(MatterBody))
async def bring_a_matter(request: Request, services: TheServices, token: Bearer) -> TriageShown:
    """Find the right door for a matter; where it is the submitter's leadership, they are asked at once."""
    body = await read_body(request, MatterBody)
    matter = Matter.model_validate(body.model_dump(exclude={"as_"}))
    return await triage.bring(services, matter, api_actor(services, token, body.as_))
