"""Technical reviews under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import Field

from rapport.model.base import Email
from rapport.model.meeting import Receipt
from rapport.model.tech_review import ReviewRequest
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import audit, tech_review, tech_review_record
from starters.use_cases.audit import Key
from starters.use_cases.tech_review import Feedback, Reason, Submitted
from starters.use_cases.tech_review_record import Record
from starters.views.tech_review import ReviewLine, ReviewShown

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class RequestBody(ReviewRequest):
    """What a member asks for."""

    as_: Annotated[Email, Field(alias="as")]

    @property
    def request(self) -> ReviewRequest:
        """The request, without who asks."""
        return ReviewRequest.model_validate(self.model_dump(exclude={"as_"}))


class FeedbackBody(Feedback):
    """What a member says."""

    as_: Annotated[Email, Field(alias="as")]


class ReasonBody(Reason):
    """Why a member does something."""

    as_: Annotated[Email, Field(alias="as")]


@router.get("/reviews")
async def list_reviews(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    search: Annotated[str, Query(max_length=200)] = "",
    open_: Annotated[bool, Query(alias="open")] = False,
) -> list[ReviewLine]:
    """What is overdue first, then the newest; with `search`, the reviews in which all of its words stand somewhere."""
    return await tech_review.listed(services, account, search, also_closed=not open_)


@router.post("/reviews", status_code=status.HTTP_201_CREATED, openapi_extra=schema(RequestBody))
async def submit(request: Request, services: TheServices, token: Bearer) -> Submitted:
    """Ask for a review."""
    body = await read_body(request, RequestBody)
    return await tech_review.submit(services, body.request, api_actor(services, token, body.as_))


@router.get("/reviews/{ref}")
async def show(ref: str, services: TheServices) -> ReviewShown:
    """One review with all that there is to see of it."""
    return await tech_review.show(services, ref)


@router.get("/reviews/{ref}/record")
async def record(ref: str, services: TheServices) -> Record:
    """The record of a review's decision, as Markdown and as HTML."""
    return await tech_review_record.record(services, ref)


@router.put("/reviews/{ref}", openapi_extra=schema(RequestBody))
async def edit(ref: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Change what is asked for; everybody is heard anew."""
    body = await read_body(request, RequestBody)
    return await tech_review.edit(services, ref, body.request, api_actor(services, token, body.as_))


@router.post("/reviews/{ref}/feedback", openapi_extra=schema(FeedbackBody))
async def feedback(ref: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Say something to a review; where the member's side is asked, with its stance."""
    body = await read_body(request, FeedbackBody)
    return await tech_review.feedback(services, ref, body, api_actor(services, token, body.as_))


@router.post("/reviews/{ref}/request-meeting", openapi_extra=schema(ReasonBody))
async def request_meeting(ref: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Ask to talk about it live."""
    body = await read_body(request, ReasonBody)
    return await tech_review.request_meeting(services, ref, body, api_actor(services, token, body.as_))


@router.post("/reviews/{ref}/withdraw", openapi_extra=schema(ReasonBody))
async def withdraw(ref: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Say that nobody needs it any more."""
    body = await read_body(request, ReasonBody)
    return await tech_review.withdraw(services, ref, body, api_actor(services, token, body.as_))


@router.get("/receipts/key")
async def key(services: TheServices) -> Key:
    """The public keys that check the receipts of decisions."""
    return await audit.key(services)
