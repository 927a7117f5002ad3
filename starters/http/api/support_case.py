"""Support cases under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from rapport.model.base import Email
from rapport.model.reading import check
from rapport.model.support_case import Channel, Dossier, WrittenCase
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import desk, support_case
from starters.use_cases.desk import DeskShown
from starters.use_cases.support_case import (
    Assign,
    CaseDone,
    Drafted,
    HandOff,
    Merge,
    Opened,
    Reclassify,
    Say,
    Split,
)
from starters.views import support_case as support_case_views
from starters.views.support_case import CaseLine, CaseShown

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])

As = Annotated[Email, Field(alias="as")]


class OpenBody(WrittenCase):
    """A question; `as` is who brings it: a member, or one of the account's own people."""

    as_: As
    channel: Channel = "api"


class SayBody(Say):
    """Words on a case, by whom."""

    as_: As


class AssignBody(Assign):
    """Who is to have it, and who says so."""

    as_: As


class HandOffBody(HandOff):
    """Where it stands, and who hands it off."""

    as_: As


class ReclassifyBody(Reclassify):
    """What it is, and who says so."""

    as_: As


class DossierBody(Dossier):
    """All that engineering needs, and who asks."""

    as_: As


class MergeBody(Merge):
    """Into which case, and who says so."""

    as_: As


class SplitBody(Split):
    """The part that is a case of its own, and who says so."""

    as_: As


@router.post("/cases", openapi_extra=schema(OpenBody))
async def open_case(request: Request, response: Response, services: TheServices, token: Bearer) -> Opened:
    """Take a question in; the same key or thread once more gives the case that it opened.

    The key is the body's `id`, or else the header `Idempotency-Key`.
    """
    body = await read_body(request, OpenBody)
    key = {"id": body.id or request.headers.get("idempotency-key")}
    written = check(WrittenCase, body.model_dump(exclude={"as_"}) | key, "")
    opened = await support_case.open_case(services, written, api_actor(services, token, body.as_))
    response.status_code = 201 if opened.created else 200
    return opened


@router.get("/cases")
async def listed(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    owner: Annotated[str | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
) -> list[CaseLine]:
    """Open cases, or all of them; those that nobody has come first."""
    return await support_case_views.listed(services, account, also_over=all_, owner=owner)


@router.get("/cases/{ref}")
async def show(ref: str, services: TheServices) -> CaseShown:
    """A case with everything that helps with it."""
    return await support_case_views.show(services, ref)


@router.post("/cases/{ref}/answer", openapi_extra=schema(SayBody))
async def answer(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Answer the customer."""
    body = await read_body(request, SayBody)
    return await support_case.answer(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/note", openapi_extra=schema(SayBody))
async def note(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Note something for colleagues."""
    body = await read_body(request, SayBody)
    return await support_case.note(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/context", openapi_extra=schema(SayBody))
async def context(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Add what is known of the customer."""
    body = await read_body(request, SayBody)
    return await support_case.context(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/wait-customer", openapi_extra=schema(SayBody))
async def wait_customer(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Ask the customer for something; the clock stands still until they answer."""
    body = await read_body(request, SayBody)
    return await support_case.wait_customer(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/customer-said", openapi_extra=schema(SayBody))
async def customer_said(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Log what the customer said."""
    body = await read_body(request, SayBody)
    return await support_case.customer_said(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/assign", openapi_extra=schema(AssignBody))
async def assign(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Give a case to somebody by hand."""
    body = await read_body(request, AssignBody)
    return await support_case.assign(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/hand-off", openapi_extra=schema(HandOffBody))
async def hand_off(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Pass a case on, with where it stands."""
    body = await read_body(request, HandOffBody)
    return await support_case.hand_off(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/classify", openapi_extra=schema(ReclassifyBody))
async def classify(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Say how bad it is, or what it is about, anew."""
    body = await read_body(request, ReclassifyBody)
    return await support_case.classify(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/escalate", openapi_extra=schema(DossierBody))
async def escalate(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Ask engineering, with a complete dossier."""
    body = await read_body(request, DossierBody)
    dossier = Dossier.model_validate(body.model_dump(exclude={"as_"}))
    return await support_case.escalate(services, ref, dossier, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/merge", openapi_extra=schema(MergeBody))
async def merge(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Make a case a part of another one of the same account."""
    body = await read_body(request, MergeBody)
    return await support_case.merge(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/split", openapi_extra=schema(SplitBody))
async def split(ref: str, request: Request, services: TheServices, token: Bearer) -> Opened:
    """Make a case of its own of a part of the question."""
    body = await read_body(request, SplitBody)
    return await support_case.split(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/to-review", openapi_extra=schema(SayBody))
async def to_review(ref: str, request: Request, services: TheServices, token: Bearer) -> Drafted:
    """Make a draft tech review of a case that needs a decision."""
    body = await read_body(request, SayBody)
    return await support_case.to_review(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/resolve", openapi_extra=schema(SayBody))
async def resolve(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Say what solved it."""
    body = await read_body(request, SayBody)
    return await support_case.resolve(services, ref, body, api_actor(services, token, body.as_))


@router.post("/cases/{ref}/reopen", openapi_extra=schema(SayBody))
async def reopen(ref: str, request: Request, services: TheServices, token: Bearer) -> CaseDone:
    """Open a resolved case again."""
    body = await read_body(request, SayBody)
    return await support_case.reopen(services, ref, body, api_actor(services, token, body.as_))


@router.get("/desk")
async def status(services: TheServices) -> DeskShown:
    """What waits for an owner, who has what since when, and what was promised next."""
    return await desk.status(services)
