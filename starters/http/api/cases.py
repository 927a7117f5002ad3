"""Support cases under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from rapport.model.base import Email
from rapport.model.reading import check
from rapport.model.support import Channel, Dossier, WrittenCase
from starters.commands import case_reading, cases, desk
from starters.commands.case_reading import CaseLine, CaseShown
from starters.commands.cases import Assign, Done, Drafted, HandOff, Merge, Opened, Reclassify, Say, Split
from starters.commands.desk import DeskShown
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheOffice, api_actor, bearer

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
async def open_case(request: Request, response: Response, office: TheOffice, token: Bearer) -> Opened:
    """Take a question in; the same key or thread once more gives the case that it opened.

    The key is the body's `id`, or else the header `Idempotency-Key`.
    """
    body = await read_body(request, OpenBody)
    key = {"id": body.id or request.headers.get("idempotency-key")}
    written = check(WrittenCase, body.model_dump(exclude={"as_"}) | key, "")
    opened = await cases.open_case(office, written, api_actor(office, token, body.as_))
    response.status_code = 201 if opened.created else 200
    return opened


@router.get("/cases")
async def listed(
    office: TheOffice,
    account: Annotated[str | None, Query()] = None,
    owner: Annotated[str | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
) -> list[CaseLine]:
    """Open cases, or all of them; those that nobody has come first."""
    return await case_reading.listed(office, account, also_over=all_, owner=owner)


@router.get("/cases/{ref}")
async def show(ref: str, office: TheOffice) -> CaseShown:
    """A case with everything that helps with it."""
    return await case_reading.show(office, ref)


@router.post("/cases/{ref}/answer", openapi_extra=schema(SayBody))
async def answer(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Answer the customer."""
    body = await read_body(request, SayBody)
    return await cases.answer(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/note", openapi_extra=schema(SayBody))
async def note(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Note something for colleagues."""
    body = await read_body(request, SayBody)
    return await cases.note(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/context", openapi_extra=schema(SayBody))
async def context(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Add what is known of the customer."""
    body = await read_body(request, SayBody)
    return await cases.context(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/wait-customer", openapi_extra=schema(SayBody))
async def wait_customer(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Ask the customer for something; the clock stands still until they answer."""
    body = await read_body(request, SayBody)
    return await cases.wait_customer(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/customer-said", openapi_extra=schema(SayBody))
async def customer_said(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Log what the customer said."""
    body = await read_body(request, SayBody)
    return await cases.customer_said(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/assign", openapi_extra=schema(AssignBody))
async def assign(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Give a case to somebody by hand."""
    body = await read_body(request, AssignBody)
    return await cases.assign(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/hand-off", openapi_extra=schema(HandOffBody))
async def hand_off(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Pass a case on, with where it stands."""
    body = await read_body(request, HandOffBody)
    return await cases.hand_off(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/classify", openapi_extra=schema(ReclassifyBody))
async def classify(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Say how bad it is, or what it is about, anew."""
    body = await read_body(request, ReclassifyBody)
    return await cases.classify(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/escalate", openapi_extra=schema(DossierBody))
async def escalate(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Ask engineering, with a complete dossier."""
    body = await read_body(request, DossierBody)
    dossier = Dossier.model_validate(body.model_dump(exclude={"as_"}))
    return await cases.escalate(office, ref, dossier, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/merge", openapi_extra=schema(MergeBody))
async def merge(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Make a case a part of another one of the same account."""
    body = await read_body(request, MergeBody)
    return await cases.merge(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/split", openapi_extra=schema(SplitBody))
async def split(ref: str, request: Request, office: TheOffice, token: Bearer) -> Opened:
    """Make a case of its own of a part of the question."""
    body = await read_body(request, SplitBody)
    return await cases.split(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/to-review", openapi_extra=schema(SayBody))
async def to_review(ref: str, request: Request, office: TheOffice, token: Bearer) -> Drafted:
    """Make a draft tech review of a case that needs a decision."""
    body = await read_body(request, SayBody)
    return await cases.to_review(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/resolve", openapi_extra=schema(SayBody))
async def resolve(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Say what solved it."""
    body = await read_body(request, SayBody)
    return await cases.resolve(office, ref, body, api_actor(office, token, body.as_))


@router.post("/cases/{ref}/reopen", openapi_extra=schema(SayBody))
async def reopen(ref: str, request: Request, office: TheOffice, token: Bearer) -> Done:
    """Open a resolved case again."""
    body = await read_body(request, SayBody)
    return await cases.reopen(office, ref, body, api_actor(office, token, body.as_))


@router.get("/desk")
async def status(office: TheOffice) -> DeskShown:
    """What waits for an owner, who has what since when, and what was promised next."""
    return await desk.status(office)
