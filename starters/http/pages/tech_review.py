"""Pages of technical reviews: the list, one review with all that was said, and the form that asks for one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from rapport.mail.tech_review import ASKS, OPTIONS, STAGES
from rapport.model.account import personas
from rapport.model.base import UserError
from rapport.model.meeting import Receipt
from rapport.model.reading import check
from rapport.model.scenario import scenarios
from rapport.model.tech_review import ReviewRequest
from rapport.model.tech_review_facts import ReviewPhase
from rapport.model.triage import MatterKind
from starters.http.auth import Session, SignedIn, TheServices, check_form, signed_in
from starters.http.pages.member import acting
from starters.http.pages.rendering import MAIL_POLICY, RefusedForm, done_of, fields, member_page, see_other
from starters.http.problems import status_of
from starters.services import LATER, LISTED, Actor, Services
from starters.use_cases import account as accounts, support_case, tech_review, tech_review_record, triage
from starters.use_cases.tech_review import Feedback, Reason
from starters.use_cases.triage import Matter
from starters.views.tech_review import ReviewShown

router = APIRouter()

SETTLE_SECONDS: Final = 3.0
"""How long a page waits until what was accepted can be seen."""

PHASES: Final = {
    ReviewPhase.FEEDBACK: "Feedback",
    ReviewPhase.RECOMMENDATION: "Recommendation",
    ReviewPhase.LEADERSHIP: "Leadership",
    ReviewPhase.MESSAGE: "Message",
    ReviewPhase.ACKNOWLEDGEMENT: "Customer",
}


class PhaseMark(NamedTuple):
    """One phase, and how far the review is with it."""

    title: str
    state: Literal["reached", "current", "ahead", "absent"]


@router.get("/reviews")
async def listed(
    request: Request, services: TheServices, session: SignedIn, search: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The reviews, what is overdue first, then the newest; or those in which all words of a search stand."""
    found = await tech_review.page(services, search=search, most=LISTED)
    return await member_page(request, services, session, "reviews.html", found=found, search=search, asks=ASKS)


@router.get("/reviews/new")
async def new(
    request: Request, services: TheServices, session: SignedIn, account: str = "", case: str | None = None
) -> Response:
    """The form that asks for a review; from a support case, with what that knows of it."""
    known = {"account": account} if case is None else await support_case.review_of(services, case)
    return await _form(request, services, session, known | {"tell": "primary_champion"})


@router.post("/reviews/new")
async def submit(request: Request, services: TheServices, session: SignedIn) -> Response:
    """Ask for a review."""
    await check_form(request, services, session)
    typed = await fields(request)
    try:
        asked = check(ReviewRequest, _data(typed), "")
        actor = await _actor(services, session, asked.account)
        done = await tech_review.submit(services, asked, actor)
    except UserError as refusal:
        return await _form(request, services, session, typed, RefusedForm("submit", refusal, typed))
    return see_other(f"/reviews/{done.ref}?done=review_asked")


@router.post("/reviews/new/case")
async def open_case(request: Request, services: TheServices, session: SignedIn) -> Response:
    """Open a support case instead, of what is broken now."""
    await check_form(request, services, session)
    typed = await fields(request)
    try:
        given = {name: typed.get(name, "") for name in ("account", "what", "severity", "key")}
        matter = check(Matter, {name: text for name, text in given.items() if text.strip()} | _BROKEN, "")
        found = await triage.bring(services, matter, await _actor(services, session, matter.account))
    except UserError as refusal:
        return await _form(request, services, session, typed, RefusedForm("case", refusal, typed))
    return see_other(f"/cases/{found.case}?done=opened")


_BROKEN: Final = {"kind": MatterKind.BROKEN_NOW, "confirm": True}


@router.get("/reviews/{ref}/edit")
async def change(request: Request, ref: str, services: TheServices, session: SignedIn) -> Response:
    """The form that changes what is asked for."""
    shown = await tech_review.show(services, ref)
    return await _form(request, services, session, _typed(shown.request), ref=shown.ref)


@router.post("/reviews/{ref}/edit")
async def edit(request: Request, ref: str, services: TheServices, session: SignedIn) -> Response:
    """Change what is asked for; everybody is heard anew."""
    await check_form(request, services, session)
    typed = await fields(request)
    shown = await tech_review.show(services, ref)
    try:
        asked = check(ReviewRequest, _data(typed), "")
        receipt = await tech_review.edit(services, ref, asked, await _actor(services, session, shown.account))
    except UserError as refusal:
        return await _form(request, services, session, typed, RefusedForm("edit", refusal, typed), ref=shown.ref)
    if receipt.outcome != LATER:
        await _settled(services, shown)
    return see_other(f"/reviews/{shown.ref}?done={done_of(receipt, 'review_changed')}")


@router.get("/reviews/{ref}/record", dependencies=[Depends(signed_in)])
async def record(ref: str, services: TheServices) -> Response:
    """The record of the decision, as a page of its own to be kept or printed."""
    made = await tech_review_record.record(services, ref)
    return HTMLResponse(made.html, headers=MAIL_POLICY)


@router.get("/reviews/{ref}")
async def show(request: Request, ref: str, services: TheServices, session: SignedIn) -> Response:
    """One review: what is asked for, what was said, what it waits for, and what the reader can say."""
    return await _page(request, services, session, await tech_review.show(services, ref))


@router.post("/reviews/{ref}/feedback")
async def feedback(request: Request, ref: str, services: TheServices, session: SignedIn) -> Response:
    """Say something."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        given = {name: typed.get(name) or None for name in ("stance", "on_behalf_of", "link")}
        return await tech_review.feedback(
            services, ref, check(Feedback, given | {"text": typed.get("text", "")}, ""), actor
        )

    return await _take(request, services, session, ref, "feedback", work)


@router.post("/reviews/{ref}/meeting")
async def meeting(request: Request, ref: str, services: TheServices, session: SignedIn) -> Response:
    """Ask for a live meeting."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await tech_review.request_meeting(services, ref, _reason(typed), actor)

    return await _take(request, services, session, ref, "meeting", work)


@router.post("/reviews/{ref}/withdraw")
async def withdraw(request: Request, ref: str, services: TheServices, session: SignedIn) -> Response:
    """Say that nobody needs it any more."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await tech_review.withdraw(services, ref, _reason(typed), actor)

    return await _take(request, services, session, ref, "withdraw", work)


def _reason(typed: Mapping[str, str]) -> Reason:
    return check(Reason, {"reason": typed.get("reason", "")}, "")


async def _take(
    request: Request,
    services: Services,
    session: Session,
    ref: str,
    name: str,
    work: Callable[[dict[str, str], Actor], Awaitable[Receipt]],
) -> Response:
    """Take a form; show what came of it, or the page with what was typed and why it was refused."""
    await check_form(request, services, session)
    typed = await fields(request)
    before = await tech_review.show(services, ref)
    try:
        receipt = await work(typed, await _actor(services, session, before.account))
    except UserError as refusal:
        shown = await tech_review.show(services, ref)
        return await _page(request, services, session, shown, RefusedForm(name, refusal, typed))
    if receipt.outcome != LATER:
        await _settled(services, before, spoken=name == "feedback")
    return see_other(f"/reviews/{before.ref}?done={done_of(receipt, f'review_{name}')}")


async def _settled(services: Services, before: ReviewShown, *, spoken: bool = False) -> None:
    """Wait until what was accepted can be seen.

    Args:
        spoken: Something was said; that an answered question is gone is not enough then.
    """
    end = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        now = await tech_review.show(services, before.ref)
        changed = len(now.remarks) > len(before.remarks) if spoken else now != before
        if changed or asyncio.get_running_loop().time() >= end:
            break
        await asyncio.sleep(0.05)


async def _actor(services: Services, session: Session, account: str) -> Actor:
    """Who acts: a signed-in member as themself; an operator as the member of the settings, else as the TAM."""
    if session.email is not None:
        return Actor(email=session.email, channel="page")
    return acting(services, session, await accounts.show(services, account))


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
    request: Request,
    services: Services,
    session: Session,
    typed: Mapping[str, str],
    failed: RefusedForm | None = None,
    ref: str | None = None,
) -> Response:
    return await member_page(
        request,
        services,
        session,
        "review_form.html",
        status=200 if failed is None else status_of(failed.refusal),
        typed=typed,
        failed=failed,
        ref=ref,
        accounts=[(line.account, line.name) for line in await accounts.portfolio(services)],
        personas={name: one.title for name, one in personas().items()},
        scenarios={name: one.title for name, one in scenarios(services.settings.data).items()},
        severity=triage.BROKEN,
        key=support_case.new_key(),
    )


async def _page(
    request: Request, services: Services, session: Session, shown: ReviewShown, failed: RefusedForm | None = None
) -> Response:
    return await member_page(
        request,
        services,
        session,
        "review.html",
        about=shown.account,
        status=200 if failed is None else status_of(failed.refusal),
        review=shown,
        marks=_marks(shown),
        options=OPTIONS,
        asks=ASKS,
        stages=STAGES,
        failed=failed,
        zone=shown.zone,
    )


def _marks(shown: ReviewShown) -> list[PhaseMark]:
    """How far a review is; leadership is asked only where it has to be."""
    order = list(PHASES)
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
        marks.append(PhaseMark(PHASES[phase], state))
    return marks
