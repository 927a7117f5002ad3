"""Product gaps under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, status

from rapport.model.gap import GapChange, GapStatus, NewGap
from starters.http.api.bodies import By, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import gap
from starters.use_cases.gap import GapLinks, GapShown

router = api_router()


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


@router.post("/gaps", status_code=status.HTTP_201_CREATED)
async def log_gap(said: By[NewGap], services: TheServices, token: Bearer) -> GapShown:
    """Log what a customer needs and the product does not do."""
    return await gap.log(services, said.body, said.by(services, token))


@router.get("/gaps/{ref}")
async def show_gap(ref: str, services: TheServices) -> GapShown:
    """One product gap."""
    return await gap.show(services, ref)


@router.post("/gaps/{ref}/link")
async def link_gap(ref: str, said: By[GapLinks], services: TheServices, token: Bearer) -> GapShown:
    """Link a gap to more accounts, reviews or cases."""
    return await gap.link(services, ref, said.body, said.by(services, token))


@router.post("/gaps/{ref}/status")
async def change_gap(ref: str, said: By[GapChange], services: TheServices, token: Bearer) -> GapShown:
    """Say where a gap is by now."""
    return await gap.change(services, ref, said.body, said.by(services, token))


@router.post("/gaps/{ref}/resend")
async def resend_gap(ref: str, services: TheServices) -> GapShown:
    """Send a gap to the CRM again."""
    return await gap.resend(services, ref)
