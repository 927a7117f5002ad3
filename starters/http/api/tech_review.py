"""Technical reviews under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, status

from rapport.model.meeting import Receipt
from rapport.model.tech_review import ReviewRequest
from starters.http.api.bodies import By, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import audit, tech_review, tech_review_record
from starters.use_cases.audit import Key
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.tech_review import (
    Feedback,
    MeetingNotes,
    MeetingTime,
    Outcome,
    Reason,
    ReviewSearch,
    Submitted,
    WantedMeeting,
)
from starters.use_cases.tech_review_record import Record
from starters.views.tech_review import ReviewLine, ReviewShown

router = api_router()


@router.get("/reviews")
async def list_reviews(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    scenario: Annotated[str | None, Query()] = None,
    outcome: Annotated[Outcome | None, Query()] = None,
    search: Annotated[str, Query(max_length=200)] = "",
    open_: Annotated[bool, Query(alias="open")] = False,
) -> list[ReviewLine]:
    """What is overdue first, then the newest: by customer, scenario, outcome, and words that are somewhere in them."""
    wanted = ReviewSearch(account=account, scenario=scenario, outcome=outcome, search=search, open=open_)
    return await tech_review.listed(services, wanted)


@router.post("/reviews", status_code=status.HTTP_201_CREATED)
async def submit(said: By[ReviewRequest], services: TheServices, token: Bearer) -> Submitted:
    """Ask for a review."""
    return await tech_review.submit(services, said.body, said.by(services, token))


@router.get("/reviews/{ref}")
async def show(ref: str, services: TheServices) -> ReviewShown:
    """One review with all that there is to see of it."""
    return await tech_review.show(services, ref)


@router.get("/reviews/{ref}/record")
async def record(ref: str, services: TheServices) -> Record:
    """The record of a review's decision, as Markdown and as HTML."""
    return await tech_review_record.record(services, ref)


@router.put("/reviews/{ref}")
async def edit(ref: str, said: By[ReviewRequest], services: TheServices, token: Bearer) -> Receipt:
    """Change what is asked for; everybody is heard anew."""
    return await tech_review.edit(services, ref, said.body, said.by(services, token))


@router.post("/reviews/{ref}/feedback")
async def feedback(ref: str, said: By[Feedback], services: TheServices, token: Bearer) -> Receipt:
    """Say something to a review; where the member's side is asked, with its stance."""
    return await tech_review.feedback(services, ref, said.body, said.by(services, token))


@router.post("/reviews/{ref}/request-meeting")
async def request_meeting(ref: str, said: By[WantedMeeting], services: TheServices, token: Bearer) -> Receipt:
    """Ask to talk about it live, with those who spoke and whoever is named."""
    return await tech_review.request_meeting(services, ref, said.body, said.by(services, token))


@router.get("/reviews/{ref}/meeting")
async def live_meeting(ref: str, services: TheServices) -> MeetingShown:
    """The latest live meeting on a review: its times, and who can make them."""
    return await tech_review.live_meeting(services, ref)


@router.post("/reviews/{ref}/meeting/book")
async def book_meeting(ref: str, said: By[MeetingTime], services: TheServices, token: Bearer) -> Receipt:
    """Set the time of a review's live meeting, or move it."""
    return await tech_review.book_meeting(services, ref, said.body, said.by(services, token))


@router.post("/reviews/{ref}/meeting/held")
async def report_meeting(ref: str, said: By[MeetingNotes], services: TheServices, token: Bearer) -> Receipt:
    """Tell what came of a review's live meeting; without a text, that no one came."""
    return await tech_review.report_meeting(services, ref, said.body, said.by(services, token))


@router.post("/reviews/{ref}/withdraw")
async def withdraw(ref: str, said: By[Reason], services: TheServices, token: Bearer) -> Receipt:
    """Say that nobody needs it any more."""
    return await tech_review.withdraw(services, ref, said.body, said.by(services, token))


@router.get("/receipts/key")
async def key(services: TheServices) -> Key:
    """The public keys that check the receipts of decisions."""
    return await audit.key(services)
