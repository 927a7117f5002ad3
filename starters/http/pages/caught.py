"""The mails that the embedded stack's catcher kept, as their readers would see them.

Everyone's personal links stand in them, so these pages are the operator's, and no member's.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Annotated, Final, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from rapport.mail.catcher import Catcher
from rapport.mail.smtp import Relay
from starters.http.auth import Operator
from starters.http.pages.rendering import day, mail_frame
from starters.http.pages.visit import TheVisit, Visit

router = APIRouter()

MAILS_SHOWN: Final = 300
"""How many mails the list shows; the catcher itself keeps more."""
SHOWN_HEADERS: Final = ("From", "To", "Reply-To", "Date", "Message-ID", "In-Reply-To", "X-Rapport-Key")
_SAFE_TYPES: Final = frozenset({"text/calendar", "application/ics"})


async def catcher_of(request: Request) -> Catcher:
    """The embedded stack's catcher.

    Raises:
        HTTPException: This server has none; mails go to a real relay.
    """
    catcher = request.app.state.catcher
    if catcher is None:
        raise HTTPException(404)
    return cast("Catcher", catcher)


TheCatcher = Annotated[Catcher, Depends(catcher_of)]


@dataclass(frozen=True)
class Attachment:
    """A file that came with a mail."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True)
class CaughtMail:
    """One caught mail, taken apart. It may come from anyone on this machine, and be no proper mail at all."""

    subject: str
    headers: tuple[tuple[str, str], ...]
    html: str
    text: str
    calendar: str
    attachments: tuple[Attachment, ...]


def opened(raw: bytes) -> CaughtMail:
    """Take a mail apart."""
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    files = [part for part in read.walk() if part.get_content_disposition() == "attachment"]
    return CaughtMail(
        subject=str(read["Subject"] or "(no subject)"),
        headers=tuple((name, str(read[name])) for name in SHOWN_HEADERS if read[name]),
        html=_text(read.get_body(preferencelist=("html",))),
        text=_text(read.get_body(preferencelist=("plain",))),
        calendar=next((_text(part) for part in read.walk() if part.get_content_type() == "text/calendar"), ""),
        attachments=tuple(
            Attachment(
                name=re.sub(r"[^A-Za-z0-9._-]", "_", part.get_filename() or "attachment")[:80],
                type=part.get_content_type(),
                content=_bytes(part),
            )
            for part in files
        ),
    )


def _bytes(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: object) -> str:
    """A part's text; a character set that nobody knows reads as UTF-8."""
    if not isinstance(part, EmailMessage):
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        return _bytes(part).decode("utf-8", "replace")


async def _open(catcher: Catcher, id_: str) -> tuple[bytes, CaughtMail]:
    raw = await asyncio.to_thread(catcher.raw, id_)
    if raw is None:
        raise HTTPException(404)
    return raw, opened(raw)


def _relay(visit: Visit, catcher: Catcher) -> str | None:
    """The mail server that emails go to, where that isn't the catcher: nothing new is caught then."""
    relay = Relay.parse(visit.services.settings.relay)
    return None if catcher.listens_at(relay.host, relay.port) else f"{relay.host}:{relay.port}"


@router.get("/mail")
async def caught(visit: TheVisit, _: Operator, catcher: TheCatcher) -> Response:
    """What was caught, newest first."""
    mails = await asyncio.to_thread(catcher.mails)
    days: dict[str, list[object]] = {}
    for mail in mails[:MAILS_SHOWN]:
        days.setdefault(day(mail.at, "UTC"), []).append(mail)
    return await visit.page(
        "mails.html",
        days=days,
        count=len(mails),
        older=max(0, len(mails) - MAILS_SHOWN),
        hurried=visit.services.settings.quiet_hours == "ignore",
        relay=_relay(visit, catcher),
    )


@router.get("/mail/{id_}")
async def one(visit: TheVisit, id_: str, _: Operator, catcher: TheCatcher) -> Response:
    """One mail, as its reader would see it and as it went over the wire."""
    raw, mail = await _open(catcher, id_)
    return await visit.page("mail.html", id=id_, opened=mail, raw=raw.decode("utf-8", "replace"))


@router.get("/mail/{id_}/html")
async def html(id_: str, _: Operator, catcher: TheCatcher) -> HTMLResponse:
    """The HTML part, for a frame."""
    return mail_frame((await _open(catcher, id_))[1].html)


@router.get("/mail/{id_}/raw")
async def raw(id_: str, _: Operator, catcher: TheCatcher) -> Response:
    """The mail as it went over the wire."""
    return Response((await _open(catcher, id_))[0], media_type="text/plain; charset=utf-8")


@router.get("/mail/{id_}/attachments/{number}")
async def attachment(id_: str, number: int, _: Operator, catcher: TheCatcher) -> Response:
    """One attachment, to keep; never shown in the browser."""
    files = (await _open(catcher, id_))[1].attachments
    if not 0 <= number < len(files):
        raise HTTPException(404)
    file = files[number]
    return Response(
        file.content,
        media_type=file.type if file.type in _SAFE_TYPES else "application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{file.name}"'},
    )
