"""The page of an account's drafts: each as its reader will see it, to edit, send or hold back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.datastructures import UploadFile

from rapport.model.base import Refused, UserError
from rapport.model.message import MessageState
from rapport.model.reading import check
from rapport.rules.attachment import MAX_TOTAL
from starters.http.auth import SignedIn, TheServices
from starters.http.pages.rendering import mail_frame, see_other
from starters.http.pages.visit import SETTLE_SECONDS, TheVisit, Typed, Visit
from starters.services import LATER, Actor, Services
from starters.use_cases import account, message as messages
from starters.use_cases.message import Edit, MessageShown

router = APIRouter()


@dataclass(frozen=True)
class DraftTyped:
    """What stands in the fields of one draft; `seen` is the text that the page showed, by its digest."""

    key: str
    subject: str
    paragraph: str
    body: str
    seen: str

    def change(self, draft: MessageShown) -> Edit | None:
        """What a person changed in a draft; nothing if they changed nothing.

        Raises:
            UserError: The change makes no sense, or someone else has changed the same text meanwhile.
        """
        given: dict[str, str | None] = {}
        body = self.body.strip()
        if self.subject.strip() != draft.subject:
            given["subject"] = self.subject.strip() or None
        if self.paragraph.strip() != (draft.paragraph or ""):
            given["paragraph"] = self.paragraph.strip() or None
        if digest(body) != self.seen:
            given["body"] = body or None
            if digest(draft.text) not in (self.seen, digest(body)):
                raise UserError(
                    "someone else has changed this draft meanwhile",
                    field="body",
                    fix="open the drafts again in another tab, and carry your changes over",
                    kind=Refused.CONFLICT,
                )
            if body and given.get("paragraph"):
                raise UserError(
                    "a text of your own replaces the whole mail, so the personal paragraph would be lost",
                    field="body",
                    fix="write the paragraph into the text, or empty the text to go back to the mail as it was written",
                )
        return check(Edit, given, "") if given else None


@dataclass(frozen=True)
class DraftForm:
    """One draft on the page: as it stands, what is in its fields, and what was wrong with them."""

    draft: MessageShown
    typed: DraftTyped
    role: str
    refusal: UserError | None = None


def digest(text: str) -> str:
    """Recognises a text that nobody has changed, whatever line ends a browser sent."""
    return hashlib.sha256(text.replace("\r\n", "\n").strip().encode()).hexdigest()


@router.get("/accounts/{key}/drafts")
async def drafts(visit: TheVisit, key: str) -> Response:
    """Every draft of an account on one page."""
    return await _drafts_page(visit, key)


@router.get("/accounts/{key}/drafts/preview")
async def preview(
    key: str, services: TheServices, _: SignedIn, message: Annotated[str, Query(alias="key")]
) -> Response:
    """The HTML of one message, for a frame. Personal links in it do not work."""
    if message not in {line.key for line in await messages.listed(services, key)}:
        raise UserError("there is no such message", fix="open the account's page again", kind=Refused.NOT_FOUND)
    return mail_frame((await messages.show(services, message)).html)


async def _uploads_closed(request: Request) -> AsyncIterator[None]:
    """Let go of the files that came with a form, whatever became of it."""
    yield
    await request.close()


@router.post("/accounts/{key}/drafts", dependencies=[Depends(_uploads_closed)])
async def act(visit: TheVisit, key: str, form: Typed) -> Response:
    """Save what was typed in any of the drafts; then send or hold back what the button named."""
    actor = visit.acting((await account.show(visit.services, key)).tam.email)
    typed = _read(form)
    doing, _, index = form.get("do", "save").partition(":")
    index, _, named = index.partition(":")
    chosen = [one.key for position, one in typed.items() if doing == "send-all" or position == index]
    saved, refusals = await _save(visit.services, key, list(typed.values()), actor)
    kept_files, unfit = await _attach(visit.request, visit.services, typed, actor)
    saved, refusals = saved + kept_files, refusals | unfit
    if doing == "detach" and index in typed and not refusals:
        await messages.detach(visit.services, typed[index].key, named, actor)
        return see_other(f"/accounts/{key}/drafts?done=saved")
    kept = {one.key: one for one in typed.values() if one.key in refusals}
    later = recorded = False
    if not refusals and doing != "save":
        try:
            if not chosen:
                raise UserError("there is no such draft any more", fix="look at the list again", kind=Refused.CONFLICT)
            later = doing != "hold" and any([(await messages.show(visit.services, one)).goes_at for one in chosen])
            receipt = await messages.release(visit.services, tuple(chosen), actor, hold=doing == "hold")
            recorded = receipt.outcome == LATER
        except UserError as refusal:
            refusals[chosen[0] if len(chosen) == 1 else ""] = refusal
    if refusals:
        return await _drafts_page(visit, key, kept, refusals)
    if doing == "save":
        return see_other(f"/accounts/{key}/drafts?done={'saved' if saved else 'unchanged'}")
    if recorded:
        return see_other(f"/accounts/{key}/drafts?done=recorded")
    left = await _left(visit.services, key, chosen)
    done = "scheduled" if later else {"hold": "held_back", "send-all": "all_sent"}.get(doing, "sent")
    return see_other(f"/accounts/{key}/drafts?done={done}" if left else f"/accounts/{key}?done={done}")


def _read(form: dict[str, str]) -> dict[str, DraftTyped]:
    """The drafts of a form, by their position on the page."""
    positions = [name.removeprefix("key-") for name in form if name.startswith("key-")]
    return {
        position: DraftTyped(
            key=form[f"key-{position}"],
            subject=form.get(f"subject-{position}", ""),
            paragraph=form.get(f"paragraph-{position}", ""),
            body=form.get(f"body-{position}", ""),
            seen=form.get(f"seen-{position}", ""),
        )
        for position in positions
    }


async def _save(
    services: Services, key: str, typed: list[DraftTyped], actor: Actor
) -> tuple[int, dict[str, UserError]]:
    """Save every change; give how many there were, and what was refused, by message key."""
    known = {line.key for line in await messages.listed(services, key)}
    refusals: dict[str, UserError] = {}
    saved = 0
    for one in typed:
        if one.key not in known:
            continue
        try:
            change = one.change(await messages.show(services, one.key))
            if change is not None:
                await messages.edit(services, one.key, change, actor)
                saved += 1
        except UserError as refusal:
            refusals[one.key] = refusal
    return saved, refusals


async def _attach(
    request: Request, services: Services, typed: dict[str, DraftTyped], actor: Actor
) -> tuple[int, dict[str, UserError]]:
    """Attach the files that were chosen; give how many there were, and what was refused, by message key."""
    count, refusals = 0, {}
    for name, value in (await request.form()).multi_items():
        draft = typed.get(name.removeprefix("file-"))
        if not isinstance(value, UploadFile) or not value.filename or draft is None:
            continue
        try:
            await messages.attach(services, draft.key, value.filename, await value.read(MAX_TOTAL + 1), actor)
            count += 1
        except UserError as refusal:
            refusals[draft.key] = refusal
    return count, refusals


async def _left(services: Services, key: str, released: list[str]) -> bool:
    """Whether drafts are left, once those released are none any more; their workflow takes a moment."""
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        waiting = {line.key for line in await messages.listed(services, key, MessageState.DRAFT)}
        if not waiting & set(released) or asyncio.get_running_loop().time() >= deadline:
            return bool(waiting)
        await asyncio.sleep(0.1)


async def _drafts_page(
    visit: Visit,
    key: str,
    typed: dict[str, DraftTyped] | None = None,
    refusals: dict[str, UserError] | None = None,
) -> Response:
    shown = await account.show(visit.services, key)
    people = {contact.email: (position, contact.role) for position, contact in enumerate(shown.contacts)}
    typed, refusals = typed or {}, refusals or {}
    current = await messages.drafts(visit.services, key)
    forms = [
        DraftForm(
            draft=draft,
            typed=typed.get(draft.key) or _as_it_stands(draft),
            role=people.get(draft.to, (0, ""))[1],
            refusal=refusals.get(draft.key),
        )
        for draft in sorted(current, key=lambda draft: people.get(draft.to, (len(people), ""))[0])
    ]
    here = {form.draft.key for form in forms}
    return await visit.page(
        "drafts.html",
        about=key,
        refusal=next(iter(refusals.values()), None),
        account=shown,
        forms=forms,
        gone=[(typed[one], refusal) for one, refusal in refusals.items() if one in typed and one not in here],
        others=[refusal for one, refusal in refusals.items() if one not in typed and one not in here],
        actor=visit.acting(shown.tam.email).email,
    )


def _as_it_stands(draft: MessageShown) -> DraftTyped:
    return DraftTyped(
        key=draft.key,
        subject=draft.subject,
        paragraph=draft.paragraph or "",
        body=draft.text.strip(),
        seen=digest(draft.text),
    )
