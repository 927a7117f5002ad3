"""What stands around tech reviews, under /v1/: what calls for one, and the gates."""

from __future__ import annotations

from rapport.rules.gate import GateStanding
from starters.http.api.bodies import By, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import tech_review_needs, triage
from starters.use_cases.tech_review_needs import ReviewNeeds
from starters.use_cases.triage import Matter, TriageShown

router = api_router()


@router.get("/accounts/{account}/reviews-needed")
async def reviews_needed(account: str, services: TheServices) -> ReviewNeeds:
    """Which scenarios call for a review of an account and why, and what is not known yet."""
    return await tech_review_needs.needed(services, account)


@router.get("/accounts/{account}/gates/{gate}")
async def show_gate(account: str, gate: str, services: TheServices) -> GateStanding:
    """Whether an account may begin its trial, or go to production."""
    return await tech_review_needs.gate(services, account, gate)


@router.post("/triage")
async def bring_a_matter(said: By[Matter], services: TheServices, token: Bearer) -> TriageShown:
    """Find the right door for a matter; where it is the submitter's leadership, they are asked at once."""
    return await triage.bring(services, said.body, said.by(services, token))
