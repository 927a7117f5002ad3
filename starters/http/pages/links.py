"""The page behind the personal link of a mail. Without a login it can do one thing: answer one person's poll, or sign
one member in. A human task it shows; deciding that asks for a login.

Mail scanners follow links and some send forms, so looking never changes anything, nothing is chosen beforehand, and a
form counts only if it was drawn here.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import AfterValidator, Field, StringConstraints

from rapport.model.base import InputModel, Refused, UserError, WrittenInstant, prose
from rapport.model.reading import check, read_instant
from starters.http.auth import TheServices, check_origin
from starters.http.limits import ANSWERS_BY_LINK, LINKS_BY_CLIENT, client_of, limits_of
from starters.http.pages import entrance
from starters.http.pages.rendering import form_token, offset, page, sentence
from starters.http.pages.task import answer_link, link_page
from starters.http.problems import status_of
from starters.services import Services, present
from starters.use_cases import meeting, sign_in, task
from starters.use_cases.meeting import DepartedError, Poll
from starters.use_cases.meeting_ends import PollClosedError


async def _limited(request: Request) -> None:
    await limits_of(request).take(LINKS_BY_CLIENT, client_of(request))


router = APIRouter(dependencies=[Depends(_limited)])

MAX_COMMENT: Final = 2_000
NONE: Final = "none"
"""What the box "none of these times work for me" sends."""

NOT_ON_OFFER: Final = "One of the times you ticked is no longer on offer. Please look again."


def _note(value: str) -> str:
    if len(value) > MAX_COMMENT:
        raise ValueError(f"is longer than {MAX_COMMENT} characters")
    return prose(value)


class Answer(InputModel):
    """What a person sends: the times that suit, or the word that none does, and a note."""

    slots: Annotated[tuple[Annotated[str, StringConstraints(max_length=8)], ...], Field(max_length=50)] = ()
    none: bool = False
    suggest: Annotated[str, StringConstraints(max_length=40)] = ""
    comment: Annotated[str, AfterValidator(_note)] = ""

    def contradiction(self) -> str | None:
        """Why this is no answer, in words for the person; nothing if it is one."""
        if self.slots and self.none:
            return "You ticked times and also that none work for you. Please keep one or the other."
        if not self.slots and not self.none and not self.suggest:
            return "Please tick at least one time, or say that none of them work for you."
        return None


class ChangeForm(InputModel):
    """What a person sends of a booked time: that they ask for another one or cannot come, one of their own, a note.

    Attributes:
        booked: The time that they saw.
        suggest: As the field has it, in their own zone.
    """

    change: Literal["move", "decline"] | None = None
    booked: WrittenInstant
    suggest: Annotated[str, StringConstraints(max_length=40)] = ""
    comment: Annotated[str, AfterValidator(_note)] = ""


def _suggested(text: str, zone: str) -> datetime | None:
    """The time that somebody proposes, in their zone.

    Raises:
        UserError: It is no time, or has passed.
    """
    if not text:
        return None
    found = read_instant(text, "suggest", zone)
    if found <= present():
        raise UserError("has passed", field="suggest", fix="choose a later one")
    return found


@router.api_route("/m/{token:path}", methods=["GET", "HEAD"])
async def look(request: Request, token: str, services: TheServices) -> HTMLResponse:
    """Show what the link is for, as it stands. Looking changes nothing."""
    if await sign_in.is_sign_in(services, token):
        return await entrance.show_door(services, token)
    if await task.is_task(services, token):
        return await link_page(request, services, token)
    try:
        poll = await meeting.poll(services, token)
    except UserError as refusal:
        return _refusal(refusal)
    return _poll(services, token, poll)


@router.post("/m/{token:path}")
async def answer(request: Request, token: str, services: TheServices) -> Response:
    """Take an answer or a decision and say what was recorded, or sign the reader in."""
    check_origin(request, services)
    form = await request.form()
    given = form.get("form")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), form_token(services, token).encode()):
        raise UserError(
            "this form has expired", fix="open the link in your mail again, and answer there", kind=Refused.FORBIDDEN
        )
    await limits_of(request).take(ANSWERS_BY_LINK, token)
    if await sign_in.is_sign_in(services, token):
        return await entrance.enter_by_link(services, token)
    if await task.is_task(services, token):
        return await answer_link(request, services, token)
    ticked = [value for value in form.getlist("slot") if isinstance(value, str)]
    comment, suggest = form.get("comment"), form.get("suggest")
    if "booked" in form:
        return await _change(services, token, {name: of for name, of in form.items() if name != "form"})
    typed: dict[str, Any] = {
        "slots": tuple(value for value in ticked if value != NONE),
        "none": NONE in ticked,
        "suggest": suggest if isinstance(suggest, str) else "",
        "comment": comment.replace("\r\n", "\n") if isinstance(comment, str) else "",
    }
    try:
        said = check(Answer, typed, "")
    except UserError as refusal:
        fault = f"Your note {refusal.problem}." if refusal.field == "comment" else NOT_ON_OFFER
        return await _again(services, token, Answer.model_construct(None, **typed), fault)
    wrong = said.contradiction()
    if wrong is not None:
        return await _again(services, token, said, wrong)
    try:
        own = _suggested(said.suggest, (await meeting.poll(services, token)).zone) if said.suggest else None
    except UserError as refusal:
        if refusal.field != "suggest":
            return _refusal(refusal)
        return await _again(services, token, said, f"The time that you propose {refusal.problem}.")
    try:
        receipt = await meeting.vote_by_link(services, token, said.slots, said.comment or None, own)
        if not receipt.accepted:
            raise UserError(receipt.reason or "it does not count", kind=Refused.CONFLICT)
    except UserError as refusal:
        if refusal.kind is Refused.CONFLICT and not isinstance(refusal, DepartedError):
            kept = isinstance(refusal, PollClosedError)
            return await _again(services, token, said, sentence(refusal.problem), late=True, kept=kept)
        return _refusal(refusal)
    later = (receipt.outcome or "").startswith("recorded")
    return await _thanks(services, token, said, later=later)


async def _change(services: Services, token: str, typed: dict[str, Any]) -> HTMLResponse:
    """Take what somebody says of the booked time."""
    try:
        poll = await meeting.poll(services, token)
        typed["comment"] = str(typed.get("comment", "")).replace("\r\n", "\n")
        said = check(ChangeForm, typed, "")
        if said.change is None:
            raise UserError("Please say whether you ask for another time, or can't attend.", field="change")
        own = _suggested(said.suggest, poll.zone)
        receipt = await meeting.change_by_link(services, token, said.change, said.booked, said.comment or None, own)
        if not receipt.accepted:
            raise UserError(receipt.reason or "it does not count", kind=Refused.CONFLICT)
    except UserError as refusal:
        if refusal.kind not in (Refused.CONFLICT, Refused.INVALID) or isinstance(refusal, DepartedError):
            return _refusal(refusal)
        about = {"suggest": "The time that you propose ", "comment": "Your note "}.get(refusal.field or "", "")
        poll = await meeting.poll(services, token)
        wrong = sentence(f"{about}{refusal.problem}")
        status = 409 if refusal.kind is Refused.CONFLICT else 422
        return _poll(services, token, poll, status=status, unchanged=wrong, typed=typed)
    later = (receipt.outcome or "").startswith("recorded")
    return page("link_changed.html", poll=poll, said=said, new_times=receipt.outcome == "new_times", later=later)


def _poll(
    services: Services,
    token: str,
    poll: Poll,
    said: Answer | None = None,
    wrong: str | None = None,
    status: int = 200,
    *,
    kept: bool = False,
    unchanged: str | None = None,
    typed: Mapping[str, Any] = MappingProxyType({}),
) -> HTMLResponse:
    """The page for the state that the poll is in.

    Args:
        unchanged, typed: Why what was asked of the booked time does not count, and what was typed.
        kept: Whether what was said too late is on record, and the TAM was asked to answer it.
    """
    if poll.ended is not None:
        return page("link_ended.html", status=status, poll=poll, ended=poll.ended, late=wrong is not None, kept=kept)
    if poll.booked is not None:
        return page(
            "link_booked.html",
            status=status,
            poll=poll,
            wrong=wrong,
            kept=kept,
            over=poll.booked < present(),
            unchanged=unchanged,
            typed=typed,
            token=token,
            form_token=form_token(services, token),
            max_comment=MAX_COMMENT,
        )
    if poll.stale:
        return page("link_stale.html", status=status, poll=poll, wrong=wrong, kept=kept)
    if not poll.slots:
        return page("link_no_times.html", status=status, poll=poll)
    if said is None:
        own = f"{poll.suggests.astimezone(ZoneInfo(poll.zone)):%Y-%m-%dT%H:%M}" if poll.suggests else ""
        said = Answer(slots=poll.chosen, none=poll.answered and not poll.chosen and not own, suggest=own)
    offsets = {offset(slot.start, poll.zone) for slot in poll.slots}
    return page(
        "link.html",
        status=status,
        poll=poll,
        said=said,
        wrong=wrong,
        token=token,
        form_token=form_token(services, token),
        max_comment=MAX_COMMENT,
        one_offset=len(offsets) == 1,
        late=poll.deadline is not None and poll.deadline < present(),
    )


async def _again(
    services: Services, token: str, said: Answer, wrong: str, *, late: bool = False, kept: bool = False
) -> HTMLResponse:
    """The form once more, with what was ticked and why it does not count; or what has become of the poll."""
    try:
        poll = await meeting.poll(services, token)
    except UserError as refusal:
        return _refusal(refusal)
    if not set(said.slots) <= {slot.id for slot in poll.slots}:
        wrong = NOT_ON_OFFER
    return _poll(services, token, poll, said, wrong, status=409 if late else 422, kept=kept)


async def _thanks(services: Services, token: str, said: Answer, *, later: bool) -> HTMLResponse:
    """What was recorded. Where no worker answers, it was left at the meeting's door, and is checked later."""
    poll = None
    if not later:
        try:
            poll = await meeting.poll(services, token)
        except UserError:
            poll = None
    chosen = tuple(slot for slot in poll.slots if slot.id in said.slots) if poll else ()
    own = poll.suggests if poll and said.suggest else None
    return page("link_thanks.html", poll=poll, said=said, chosen=chosen, own=own, later=later, token=token)


def _refusal(refusal: UserError) -> HTMLResponse:
    """A link that leads nowhere, has expired, or cannot be answered right now. None of them says whose it is."""
    kind = {Refused.CONFLICT: "expired", Refused.UNREACHABLE: "unreachable"}.get(refusal.kind, "unknown")
    kind = "over" if isinstance(refusal, DepartedError) else kind
    status = 404 if kind == "unknown" else int(status_of(refusal))
    return page("link_closed.html", status=410 if kind in ("expired", "over") else status, kind=kind)
