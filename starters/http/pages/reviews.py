"""Pages of technical reviews: the list, one review with all that was said, and the form that asks for one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from rapport.mail.reviews import ASKS, OPTIONS, STAGES
from rapport.model.base import Refusal
from rapport.model.meeting import Receipt
from rapport.model.people import personas
from rapport.model.reading import check
from rapport.model.review_facts import ReviewPhase
from rapport.model.tech_review import ReviewRequest
from rapport.model.triage import Kind
from starters.commands import accounts, cases, review_record, reviews, triage
from starters.commands.office import LATER, LISTED, Actor, Office
from starters.commands.review_shown import ReviewShown
from starters.commands.reviews import Feedback, Reason
from starters.commands.triage import Matter
from starters.http.auth import Session, SignedIn, TheOffice, check_form, signed_in
from starters.http.pages.members import acting
from starters.http.pages.rendering import MAIL_POLICY, done_of, fields, member_page, see_other
from starters.http.problems import status_of

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


class Mark(NamedTuple):
    """One phase, and how far the review is with it."""

    title: str
    state: Literal["reached", "current", "ahead", "absent"]


@dataclass(frozen=True)
class RefusedForm:
    """A form that was refused, with what was typed in it."""

    name: str
    refusal: Refusal
    typed: Mapping[str, str] = field(default_factory=dict)

    @property
    def at(self) -> frozenset[str]:
        """The fields that are at fault."""
        return frozenset(one.field for one in (self.refusal, *self.refusal.others))


@router.get("/reviews")
async def listed(
    request: Request, office: TheOffice, session: SignedIn, search: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The reviews, what is overdue first, then the newest; or those in which all words of a search stand."""
    found = await reviews.page(office, search=search, most=LISTED)
    return await member_page(request, office, session, "reviews.html", found=found, search=search, asks=ASKS)


@router.get("/reviews/new")
async def new(
    request: Request, office: TheOffice, session: SignedIn, account: str = "", case: str | None = None
) -> Response:
    """The form that asks for a review; from a support case, with what that knows of it."""
    known = {"account": account} if case is None else await cases.review_of(office, case)
    return await _form(request, office, session, known | {"tell": "primary_champion"})


@router.post("/reviews/new")
async def submit(request: Request, office: TheOffice, session: SignedIn) -> Response:
    """Ask for a review."""
    await check_form(request, office, session)
    typed = await fields(request)
    try:
        asked = check(ReviewRequest, _data(typed), "")
        actor = await _actor(office, session, asked.account)
        done = await reviews.submit(office, asked, actor)
    except Refusal as refusal:
        return await _form(request, office, session, typed, RefusedForm("submit", refusal, typed))
    return see_other(f"/reviews/{done.ref}?done=review_asked")


@router.post("/reviews/new/case")
async def open_case(request: Request, office: TheOffice, session: SignedIn) -> Response:
    """Open a support case instead, of what is broken now."""
    await check_form(request, office, session)
    typed = await fields(request)
    try:
        given = {name: typed.get(name, "") for name in ("account", "what", "severity", "key")}
        matter = check(Matter, {name: text for name, text in given.items() if text.strip()} | _BROKEN, "")
        found = await triage.bring(office, matter, await _actor(office, session, matter.account))
    except Refusal as refusal:
        return await _form(request, office, session, typed, RefusedForm("case", refusal, typed))
    return see_other(f"/cases/{found.case}?done=opened")


_BROKEN: Final = {"kind": Kind.BROKEN_NOW, "confirm": True}


@router.get("/reviews/{ref}/edit")
async def change(request: Request, ref: str, office: TheOffice, session: SignedIn) -> Response:
    """The form that changes what is asked for."""
    shown = await reviews.show(office, ref)
    return await _form(request, office, session, _typed(shown.request), ref=shown.ref)


@router.post("/reviews/{ref}/edit")
async def edit(request: Request, ref: str, office: TheOffice, session: SignedIn) -> Response:
    """Change what is asked for; everybody is heard anew."""
    await check_form(request, office, session)
    typed = await fields(request)
    shown = await reviews.show(office, ref)
    try:
        asked = check(ReviewRequest, _data(typed), "")
        receipt = await reviews.edit(office, ref, asked, await _actor(office, session, shown.account))
    except Refusal as refusal:
        return await _form(request, office, session, typed, RefusedForm("edit", refusal, typed), ref=shown.ref)
    if receipt.outcome != LATER:
        await _settled(office, shown)
    return see_other(f"/reviews/{shown.ref}?done={done_of(receipt, 'review_changed')}")


@router.get("/reviews/{ref}/record", dependencies=[Depends(signed_in)])
async def record(ref: str, office: TheOffice) -> Response:
    """The record of the decision, as a page of its own to be kept or printed."""
    made = await review_record.record(office, ref)
    return HTMLResponse(made.html, headers=MAIL_POLICY)


@router.get("/reviews/{ref}")
async def show(request: Request, ref: str, office: TheOffice, session: SignedIn) -> Response:
    """One review: what is asked for, what was said, what it waits for, and what the reader can say."""
    return await _page(request, office, session, await reviews.show(office, ref))


@router.post("/reviews/{ref}/feedback")
async def feedback(request: Request, ref: str, office: TheOffice, session: SignedIn) -> Response:
    """Say something."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        given = {name: typed.get(name) or None for name in ("stance", "on_behalf_of", "link")}
        return await reviews.feedback(office, ref, check(Feedback, given | {"text": typed.get("text", "")}, ""), actor)

    return await _take(request, office, session, ref, "feedback", work)


@router.post("/reviews/{ref}/meeting")
async def meeting(request: Request, ref: str, office: TheOffice, session: SignedIn) -> Response:
    """Ask for a live meeting."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await reviews.request_meeting(office, ref, _reason(typed), actor)

    return await _take(request, office, session, ref, "meeting", work)


@router.post("/reviews/{ref}/withdraw")
async def withdraw(request: Request, ref: str, office: TheOffice, session: SignedIn) -> Response:
    """Say that nobody needs it any more."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await reviews.withdraw(office, ref, _reason(typed), actor)

    return await _take(request, office, session, ref, "withdraw", work)


def _reason(typed: Mapping[str, str]) -> Reason:
    return check(Reason, {"reason": typed.get("reason", "")}, "")


async def _take(
    request: Request,
    office: Office,
    session: Session,
    ref: str,
    name: str,
    work: Callable[[dict[str, str], Actor], Awaitable[Receipt]],
) -> Response:
    """Take a form; show what came of it, or the page with what was typed and why it was refused."""
    await check_form(request, office, session)
    typed = await fields(request)
    before = await reviews.show(office, ref)
    try:
        receipt = await work(typed, await _actor(office, session, before.account))
    except Refusal as refusal:
        shown = await reviews.show(office, ref)
        return await _page(request, office, session, shown, RefusedForm(name, refusal, typed))
    if receipt.outcome != LATER:
        await _settled(office, before, spoken=name == "feedback")
    return see_other(f"/reviews/{before.ref}?done={done_of(receipt, f'review_{name}')}")


async def _settled(office: Office, before: ReviewShown, *, spoken: bool = False) -> None:
    """Wait until what was accepted can be seen.

    Args:
        spoken: Something was said; that an answered question is gone is not enough then.
    """
    end = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        now = await reviews.show(office, before.ref)
        changed = len(now.remarks) > len(before.remarks) if spoken else now != before
        if changed or asyncio.get_running_loop().time() >= end:
            break
        await asyncio.sleep(0.05)


async def _actor(office: Office, session: Session, account: str) -> Actor:
    """Who acts: a signed-in member as themself; an operator as the member of the settings, else as the TAM."""
    if session.email is not None:
        return Actor(email=session.email, channel="page")
    return acting(office, session, await accounts.show(office, account))


def _data(typed: Mapping[str, str]) -> dict[str, Any]:
    """A form as a request."""
    names = set(ReviewRequest.model_fields) - {"design", "scenarios"}
    data: dict[str, Any] = {name: typed[name] for name in names if typed.get(name, "").strip()}
    design = {name: typed.get(f"design_{name}", "").strip() for name in ("link", "version")}
    if any(design.values()):
        data["design"] = {name: text for name, text in design.items() if text}
    return data


def _typed(request: Mapping[str, Any]) -> dict[str, str]:
    """A request as a form holds it."""
    design = request.get("design") or {}
    plain = {name: str(value) for name, value in request.items() if isinstance(value, str)}
    return plain | {f"design_{name}": str(value) for name, value in design.items()}


async def _form(
    request: Request,
    office: Office,
    session: Session,
    typed: Mapping[str, str],
    failed: RefusedForm | None = None,
    ref: str | None = None,
) -> Response:
    return await member_page(
        request,
        office,
        session,
        "review_form.html",
        status=200 if failed is None else status_of(failed.refusal),
        typed=typed,
        failed=failed,
        ref=ref,
        accounts=[(line.account, line.name) for line in await accounts.portfolio(office)],
        personas={name: one.title for name, one in personas().items()},
        severity=triage.BROKEN,
        key=cases.new_key(),
    )


async def _page(
    request: Request, office: Office, session: Session, shown: ReviewShown, failed: RefusedForm | None = None
) -> Response:
    return await member_page(
        request,
        office,
        session,
        "review.html",
        status=200 if failed is None else status_of(failed.refusal),
        review=shown,
        marks=_marks(shown),
        options=OPTIONS,
        asks=ASKS,
        stages=STAGES,
        failed=failed,
        zone=shown.zone,
    )


def _marks(shown: ReviewShown) -> list[Mark]:
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
        marks.append(Mark(PHASES[phase], state))
    return marks
