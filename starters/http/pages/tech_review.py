"""Pages of technical reviews: the list, one review with all that was said, and the form that asks for one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse

from rapport.model.account import persona_titles
from rapport.model.base import UserError
from rapport.model.meeting import MeetingPhase, Receipt
from rapport.model.reading import check
from rapport.model.scenario import scenario_titles
from rapport.model.tech_review import ReviewRequest
from rapport.model.tech_review_facts import ReviewPhase
from rapport.model.triage import MatterKind
from rapport.rules import tech_review as policy
from rapport.rules.review_words import ASKS, PHASES, STAGES
from rapport.rules.wording import seat
from starters.http.auth import TheServices, signed_in
from starters.http.pages.member import wall_time
from starters.http.pages.rendering import MAIL_POLICY, done_of
from starters.http.pages.visit import SETTLE_SECONDS, RefusedForm, TheVisit, Typed, Visit, form
from starters.services import LATER, LISTED, Actor, Services
from starters.use_cases import account as accounts, support_case, tech_review, tech_review_record, triage
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.tech_review import (
    OUTCOME_TITLES,
    Feedback,
    MeetingNotes,
    MeetingTime,
    Reason,
    ReviewSearch,
    Stance,
    WantedMeeting,
)
from starters.use_cases.triage import Matter
from starters.views.tech_review import ReviewShown

router = APIRouter()


class PhaseMark(NamedTuple):
    """One phase, and how far the review is with it."""

    title: str
    state: Literal["reached", "current", "ahead", "absent"]


@router.get("/reviews")
async def listed(
    visit: TheVisit,
    account: Annotated[str, Query(max_length=64)] = "",
    scenario: Annotated[str, Query(max_length=64)] = "",
    outcome: Annotated[str, Query(max_length=20)] = "",
    search: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The reviews, what is overdue first, then the newest: by customer, scenario, outcome, and words in them."""
    typed = {"account": account, "scenario": scenario, "outcome": outcome, "search": search}
    wanted = check(ReviewSearch, {name: text for name, text in typed.items() if text}, "")
    return await visit.page(
        "reviews.html",
        found=await tech_review.page(visit.services, wanted, most=LISTED),
        typed=typed,
        asks=ASKS,
        accounts=[(line.account, line.name) for line in await accounts.portfolio(visit.services)],
        scenarios=scenario_titles(visit.services.settings.data),
        outcomes=OUTCOME_TITLES,
    )


@router.get("/reviews/new")
async def new(visit: TheVisit, account: str = "", case: str | None = None) -> Response:
    """The form that asks for a review; from a support case, with what that knows of it."""
    known = {"account": account} if case is None else await support_case.review_of(visit.services, case)
    return await _form(visit, known | {"tell": "primary_champion"})


_BROKEN: Final = {"kind": MatterKind.BROKEN_NOW, "confirm": True}


@router.get("/reviews/{ref}/edit")
async def change(visit: TheVisit, ref: str) -> Response:
    """The form that changes what is asked for."""
    shown = await tech_review.show(visit.services, ref)
    return await _form(visit, _typed(shown.request), ref=shown.ref)


@router.get("/reviews/{ref}/record", dependencies=[Depends(signed_in)])
async def record(ref: str, services: TheServices) -> Response:
    """The record of the decision, as a page of its own to be kept or printed."""
    made = await tech_review_record.record(services, ref)
    return HTMLResponse(made.html, headers=MAIL_POLICY)


@router.get("/reviews/{ref}")
async def show(visit: TheVisit, ref: str) -> Response:
    """One review: what is asked for, what was said, what it waits for, and what the reader can say."""
    return await _page(visit, await tech_review.show(visit.services, ref))


async def _done(visit: Visit, before: ReviewShown, done: str, receipt: Receipt, *, spoken: bool = False) -> str:
    """The review's page with what to say there, once what was accepted can be seen.

    Args:
        spoken: Something was said; that an answered question is gone is not enough then.
    """
    end = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while receipt.outcome != LATER:
        now = await tech_review.show(visit.services, before.ref)
        changed = len(now.remarks) > len(before.remarks) if spoken else now != before
        if changed or asyncio.get_running_loop().time() >= end:
            break
        await asyncio.sleep(0.05)
    return f"/reviews/{before.ref}?done={done_of(receipt, done)}"


async def _actor(visit: Visit, account: str) -> Actor:
    """Who acts: a signed-in member as themself; an operator as the member of the settings, else as the TAM."""
    if visit.session.email is not None:
        return visit.acting(visit.session.email)
    return visit.acting((await accounts.show(visit.services, account)).tam.email)


_TICKED: Final = "scenario_"
"""What the name of a scenario's box begins with."""


def _data(typed: Mapping[str, str]) -> dict[str, Any]:
    """A form as a request."""
    names = set(ReviewRequest.model_fields) - {"design", "scenarios"}
    data: dict[str, Any] = {name: typed[name] for name in names if typed.get(name, "").strip()}
    data["scenarios"] = [name.removeprefix(_TICKED) for name in typed if name.startswith(_TICKED)]
    design = {name: typed.get(f"design_{name}", "").strip() for name in ("link", "version")}
    if any(design.values()):
        data["design"] = {name: text for name, text in design.items() if text}
    return data


def _typed(request: Mapping[str, Any]) -> dict[str, str]:
    """A request as a form holds it."""
    design = request.get("design") or {}
    plain = {name: str(value) for name, value in request.items() if isinstance(value, str)}
    ticked = {f"{_TICKED}{name}": "yes" for name in request.get("scenarios") or ()}
    return plain | ticked | {f"design_{name}": str(value) for name, value in design.items()}


async def _form(
    visit: Visit,
    typed: Mapping[str, str],
    failed: RefusedForm | None = None,
    ref: str | None = None,
) -> Response:
    return await visit.page(
        "review_form.html",
        failed,
        typed=typed,
        ref=ref,
        accounts=[(line.account, line.name) for line in await accounts.portfolio(visit.services)],
        personas=persona_titles(),
        sides=[seat(side) for side in policy.SIDES],
        stages=STAGES,
        asks=ASKS,
        scenarios=scenario_titles(visit.services.settings.data),
        severity=triage.BROKEN,
        key=support_case.new_key(),
    )


async def _page(visit: Visit, shown: ReviewShown, failed: RefusedForm | None = None) -> Response:
    return await visit.page(
        "review.html",
        failed,
        about=shown.account,
        review=shown,
        marks=_marks(shown),
        positions=get_args(Stance),
        shared=visit.services.is_shared,
        asks=ASKS,
        stages=STAGES,
        zone=shown.zone,
        live=await _live(visit.services, shown),
    )


async def _live(services: Services, shown: ReviewShown) -> MeetingShown | None:
    """The live meeting that goes on; nothing where there is none, or no worker answers."""
    if not shown.meetings or shown.closed is not None:
        return None
    try:
        found = await tech_review.live_meeting(services, shown.ref)
    except UserError:
        return None
    return None if found.phase == MeetingPhase.ENDED else found


async def _again(visit: Visit, ref: str, failed: RefusedForm) -> Response:
    return await _page(visit, await tech_review.show(visit.services, ref), failed)


async def _form_again(visit: Visit, failed: RefusedForm, ref: str | None = None) -> Response:
    return await _form(visit, failed.typed, failed, ref)


async def _before(visit: TheVisit, ref: str) -> ReviewShown:
    return await tech_review.show(visit.services, ref)


Before = Annotated[ReviewShown, Depends(_before)]
"""The review as it was before a form was taken."""


@form(router, "/reviews/new", again=_form_again)
async def submit(visit: TheVisit, typed: Typed) -> str:
    """Ask for a review."""
    asked = check(ReviewRequest, _data(typed), "")
    done = await tech_review.submit(visit.services, asked, await _actor(visit, asked.account))
    return f"/reviews/{done.ref}?done=review_asked"


@form(router, "/reviews/new/case", again=_form_again, name="case")
async def open_case(visit: TheVisit, typed: Typed) -> str:
    """Open a support case instead, of what is broken now."""
    given = {name: typed.get(name, "") for name in ("account", "what", "severity", "key")}
    matter = check(Matter, {name: text for name, text in given.items() if text.strip()} | _BROKEN, "")
    found = await triage.bring(visit.services, matter, await _actor(visit, matter.account))
    return f"/cases/{found.case}?done=opened"


@form(router, "/reviews/{ref}/edit", again=_form_again)
async def edit(visit: TheVisit, ref: str, typed: Typed, before: Before) -> str:
    """Change what is asked for; everybody is heard anew."""
    asked = check(ReviewRequest, _data(typed), "")
    receipt = await tech_review.edit(visit.services, ref, asked, await _actor(visit, before.account))
    return await _done(visit, before, "review_changed", receipt)


@form(router, "/reviews/{ref}/feedback", again=_again)
async def feedback(visit: TheVisit, ref: str, typed: Typed, before: Before) -> str:
    """Say something."""
    given = {name: typed.get(name) or None for name in ("stance", "on_behalf_of", "link")}
    said = check(Feedback, given | {"text": typed.get("text", "")}, "")
    receipt = await tech_review.feedback(visit.services, ref, said, await _actor(visit, before.account))
    return await _done(visit, before, "review_feedback", receipt, spoken=True)


@form(router, "/reviews/{ref}/meeting", again=_again)
async def meeting(visit: TheVisit, ref: str, typed: Typed, before: Before) -> str:
    """Ask for a live meeting."""
    given = {"reason": typed.get("reason", ""), "invite": typed.get("invite", "").replace(",", " ").split()}
    wanted = check(WantedMeeting, given, "")
    actor = await _actor(visit, before.account)
    receipt = await tech_review.request_meeting(visit.services, ref, wanted, actor)
    return await _done(visit, before, "review_meeting", receipt)


@form(router, "/reviews/{ref}/meeting/book", again=_again, name="meeting_book")
async def book_meeting(visit: TheVisit, ref: str, typed: Typed, before: Before) -> str:
    """Set the time of the live meeting."""
    given = MeetingTime(start=wall_time(typed.get("start", ""), before.zone), anyway=typed.get("anyway") == "yes")
    receipt = await tech_review.book_meeting(visit.services, ref, given, await _actor(visit, before.account))
    # The review itself does not show what was accepted.
    return f"/reviews/{before.ref}?done={done_of(receipt, 'review_meeting_book')}"


@form(router, "/reviews/{ref}/meeting/held", again=_again, name="meeting_held")
async def report_meeting(visit: TheVisit, ref: str, typed: Typed, before: Before) -> str:
    """Tell what came of the live meeting."""
    notes = check(MeetingNotes, {"text": None if typed.get("no_show") else typed.get("text", "")}, "")
    receipt = await tech_review.report_meeting(visit.services, ref, notes, await _actor(visit, before.account))
    return await _done(visit, before, "review_meeting_held", receipt)


@form(router, "/reviews/{ref}/withdraw", again=_again)
async def withdraw(visit: TheVisit, ref: str, typed: Typed, before: Before) -> str:
    """Say that nobody needs it any more."""
    actor = await _actor(visit, before.account)
    receipt = await tech_review.withdraw(visit.services, ref, _reason(typed), actor)
    return await _done(visit, before, "review_withdraw", receipt)


def _reason(typed: Mapping[str, str]) -> Reason:
    return check(Reason, {"reason": typed.get("reason", "")}, "")


def _marks(shown: ReviewShown) -> list[PhaseMark]:
    """How far a review is; leadership is asked only where it has to be."""
    order = list(ReviewPhase)[: list(ReviewPhase).index(ReviewPhase.ACKNOWLEDGEMENT) + 1]
    here = order.index(shown.phase) if shown.phase in order else len(order)
    of_round = [one for one in shown.remarks if one.round == shown.round]
    asked = any(one.kind in ("vote", "commitment") for one in of_round) or shown.phase is ReviewPhase.LEADERSHIP
    marks = []
    for index, phase in enumerate(order):
        state: Literal["reached", "current", "ahead", "absent"]
        if shown.outcome == "withdrawn":
            state = "absent"
        elif index == here:
            state = "current"
        elif index > here:
            state = "ahead"
        else:
            state = "absent" if phase is ReviewPhase.LEADERSHIP and not asked else "reached"
        marks.append(PhaseMark(PHASES[phase].capitalize(), state))
    return marks
