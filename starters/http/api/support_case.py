"""Support cases under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from rapport.model.reading import check
from rapport.model.support_case import Channel, Dossier, WrittenCase
from starters.http.api.bodies import By, api_router
from starters.http.auth import Bearer, TheServices
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

router = api_router()


class OpenBody(WrittenCase):
    """A question; `as` is who brings it: a member, or one of the account's own people."""

    channel: Channel = "api"


@router.post("/cases")
async def open_case(
    request: Request, said: By[OpenBody], response: Response, services: TheServices, token: Bearer
) -> Opened:
    """Take a question in; the same key or thread once more gives the case that it opened.

    The key is the body's `id`, or else the header `Idempotency-Key`.
    """
    key = {"id": said.body.id or request.headers.get("idempotency-key")}
    written = check(WrittenCase, said.body.model_dump() | key, "")
    opened = await support_case.open_case(services, written, said.by(services, token))
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


@router.post("/cases/{ref}/answer")
async def answer(ref: str, said: By[Say], services: TheServices, token: Bearer) -> CaseDone:
    """Answer the customer."""
    return await support_case.answer(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/note")
async def note(ref: str, said: By[Say], services: TheServices, token: Bearer) -> CaseDone:
    """Note something for colleagues."""
    return await support_case.note(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/context")
async def context(ref: str, said: By[Say], services: TheServices, token: Bearer) -> CaseDone:
    """Add what is known of the customer."""
    return await support_case.context(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/wait-customer")
async def wait_customer(ref: str, said: By[Say], services: TheServices, token: Bearer) -> CaseDone:
    """Ask the customer for something; the clock stands still until they answer."""
    return await support_case.wait_customer(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/customer-said")
async def customer_said(ref: str, said: By[Say], services: TheServices, token: Bearer) -> CaseDone:
    """Log what the customer said."""
    return await support_case.customer_said(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/assign")
async def assign(ref: str, said: By[Assign], services: TheServices, token: Bearer) -> CaseDone:
    """Give a case to somebody by hand."""
    return await support_case.assign(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/hand-off")
async def hand_off(ref: str, said: By[HandOff], services: TheServices, token: Bearer) -> CaseDone:
    """Pass a case on, with where it stands."""
    return await support_case.hand_off(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/classify")
async def classify(ref: str, said: By[Reclassify], services: TheServices, token: Bearer) -> CaseDone:
    """Say how bad it is, or what it is about, anew."""
    return await support_case.classify(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/escalate")
async def escalate(ref: str, said: By[Dossier], services: TheServices, token: Bearer) -> CaseDone:
    """Ask engineering, with a complete dossier."""
    return await support_case.escalate(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/merge")
async def merge(ref: str, said: By[Merge], services: TheServices, token: Bearer) -> CaseDone:
    """Make a case a part of another one of the same account."""
    return await support_case.merge(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/split")
async def split(ref: str, said: By[Split], services: TheServices, token: Bearer) -> Opened:
    """Make a case of its own of a part of the question."""
    return await support_case.split(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/to-review")
async def to_review(ref: str, said: By[Say], services: TheServices, token: Bearer) -> Drafted:
    """Make a draft tech review of a case that needs a decision."""
    return await support_case.to_review(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/resolve")
async def resolve(ref: str, said: By[Say], services: TheServices, token: Bearer) -> CaseDone:
    """Say what solved it."""
    return await support_case.resolve(services, ref, said.body, said.by(services, token))


@router.post("/cases/{ref}/reopen")
async def reopen(ref: str, said: By[Say], services: TheServices, token: Bearer) -> CaseDone:
    """Open a resolved case again."""
    return await support_case.reopen(services, ref, said.body, said.by(services, token))


@router.get("/desk")
async def status(services: TheServices) -> DeskShown:
    """What waits for an owner, who has what since when, and what was promised next."""
    return await desk.status(services)
