"""What stands around tech reviews, under /v1/: what calls for one, and the gates."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from rapport.policy.gates import Standing
from starters.commands import review_needs
from starters.commands.review_needs import ReviewNeeds
from starters.http.auth import TheOffice, bearer

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


@router.get("/accounts/{account}/reviews-needed")
async def reviews_needed(account: str, office: TheOffice) -> ReviewNeeds:
    """Which scenarios call for a review of an account and why, and what is not known yet."""
    return await review_needs.needed(office, account)


@router.get("/accounts/{account}/gates/{gate}")
async def show_gate(account: str, gate: str, office: TheOffice) -> Standing:
    """Whether an account may begin its trial, or go to production."""
    return await review_needs.gate(office, account, gate)
