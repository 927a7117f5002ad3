"""Drawing a page: the templates, and how an instant, a role or a refusal reads."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from rapport.mailing import mail_settings
from rapport.model.account import personas
from rapport.model.account_data import MetricSeries
from rapport.model.base import Refused, UserError
from rapport.model.commands import read_by
from rapport.model.meeting import Receipt
from rapport.model.reading import NULL
from rapport.rules import figures, review_words
from rapport.rules.outcome_words import in_words
from rapport.rules.wording import amount, seat
from rapport.storage.faults import DatabaseFault
from starters.http.auth import Session, services_of, session_of
from starters.http.limits import TooManyRequestsError
from starters.http.problems import headers_of, status_of
from starters.services import LATER, Services, present
from starters.use_cases.support_case import CaseDone
from starters.views.disk import DiskAlarm, disk_alarm
from starters.views.standstill import is_stale
from starters.views.task import together

DONE: Final = {
    "booked": "The time is set. Everyone gets an invitation.",
    "proposed": "Meeting proposed. Times are being found; the emails wait for you as drafts.",
    "new_times": "New times go out to everyone who is invited.",
    "meeting_canceled": "Meeting canceled. Everyone who was invited or asked is told.",
    "held": "Noted: it was held.",
    "moved": "Moved. Everyone gets the change.",
    "called_off": "Called off. Everyone’s calendar loses that date, and no other.",
    "standing": "The standing time is set. Everyone gets the series anew.",
    "corrected": "The minutes are corrected. The timeline keeps what was said before.",
    "no_show": "Noted: nobody came. Everyone is offered new times.",
    "saved": "Your changes are saved.",
    "unchanged": "There was nothing to change.",
    "sent": "The draft is on its way.",
    "all_sent": "The drafts are on their way.",
    "decided": "Your decision counts.",
    "known": "It is recorded.",
    "readdressed": "Address corrected. Sending the email again.",
    "requested": "It is asked. Those who decide get a mail.",
    "declined": "Closed. Nobody is asked.",
    "asked": "Your question is on its way. You can still decide without the answer.",
    "answered": "Your answer is on its way to those who decide.",
    "kept": "Saved. It's applied as soon as Rapport is running again. You don't need to do it twice.",
    "recorded": "Your decision is recorded. It will be checked when a worker is back; you need not do it again.",
    "scheduled": "Approved. Whoever does not work now gets it when they do; the list of messages says when.",
    "review_asked": "The review is asked for. Those who have to stand behind it get a mail.",
    "review_changed": "The request is changed. Everybody is heard anew.",
    "review_feedback": "What you said is on record.",
    "review_meeting": "Live meeting requested. The attendees get times to choose from.",
    "review_meeting_book": "Booked. Everyone gets an invitation.",
    "review_meeting_held": "Your notes are recorded.",
    "review_withdraw": "The review is withdrawn. Nobody is asked any more.",
    "opened": "It has its number. The customer gets it by mail, and the desk finds somebody.",
    "joined": "It belongs to this case, and stands here now.",
    "case_answer": "Your answer is on its way to the customer.",
    "case_note": "Noted.",
    "case_context": "Noted. Whoever has the case is told.",
    "case_wait_customer": "The customer is asked. The clock stands still until they answer.",
    "case_customer_said": "Noted. The clock goes on.",
    "case_resolve": "Resolved. The customer is told.",
    "case_reopen": "It is open again.",
    "case_assign": "They get it.",
    "case_hand_off": "It goes on to somebody else.",
    "case_classify": "It is placed anew.",
    "case_escalate": "Engineering is asked. Their answer comes to the owner.",
    "case_merge": "They are one case now. The customer is told.",
    "erasure_asked": "Recorded. The account is erased once a second person confirms it. Those who can get an email.",
    "erasure_withdrawn": "Taken back. Nothing is erased.",
    "account_erased": "The account is erased, with everything that was known of it.",
    "held_back": "The draft is held back. It does not go out.",
}
"""What a page says after something was done; the address carries the key alone, so that nobody can put words here."""

MAIL_POLICY: Final = {
    "Content-Security-Policy": (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data:; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
"""For the HTML of a mail, shown in a frame: it runs nothing, loads nothing, and opens its links in a new tab."""


def member_context(request: Request, session: Session | None) -> dict[str, Any]:
    """What the frame around every page of a member needs."""
    return {
        "session": session,
        "reader": session.email if session is not None else None,
        "disk": None,
        "has_catcher": request.app.state.catcher is not None,
        "path": request.url.path,
        "mail": None,
        "may": frozenset(),
        "inbox": 0,
        "notice": DONE.get(request.query_params.get("done", "")),
    }


async def disk_of(services: Services) -> DiskAlarm | None:
    """What stands on top of every page of a member while there is no room left for what has to be recorded."""
    return await disk_alarm(services.store, services.settings.data)


def page(template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from a template. A name that the template uses and is not given is an error, never a blank."""
    before = _READER.set(context.get("reader"))
    try:
        html = _environment().get_template(template).render(now=present(), **context)
    finally:
        _READER.reset(before)
    return HTMLResponse(html, status_code=status)


_READER: Final[ContextVar[str | None]] = ContextVar("reader", default=None)
"""In whose name the commands on a page act: whoever it is drawn for, or for an operator the member whom they name."""


async def refusal_page(request: Request, refusal: UserError) -> HTMLResponse:
    """A refusal for a person: what is wrong, and what to do about it."""
    title = "Too many requests" if isinstance(refusal, TooManyRequestsError) else _TITLES[refusal.kind]
    personal = request.url.path.startswith("/m/")
    session = None
    if not personal:
        # Who is signed in stands in the database, which may be what does not answer.
        with contextlib.suppress(DatabaseFault):
            session = await session_of(request, await services_of(request))
    frame = member_context(request, session)
    if session is not None:
        frame["disk"] = await disk_of(await services_of(request))
    answer = page("refusal.html", status=status_of(refusal), title=title, refusal=refusal, personal=personal, **frame)
    answer.headers.update(headers_of(refusal))
    return answer


_TITLES: Final = {
    Refused.INVALID: "That does not work",
    Refused.NOT_FOUND: "Nothing here",
    Refused.CONFLICT: "Not at this point",
    Refused.UNREACHABLE: "No answer right now",
    Refused.FORBIDDEN: "Not from here",
}


def mail_frame(html: str) -> HTMLResponse:
    """The HTML of a mail as its reader sees it; its links open in a new tab."""
    return HTMLResponse(_in_new_tabs(html), headers=MAIL_POLICY)


def _in_new_tabs(html: str) -> str:
    base = '<base target="_blank">'
    changed, count = re.subn(r"(<head\b[^>]*>)", rf"\1{base}", html, count=1, flags=re.IGNORECASE)
    return changed if count else base + html


def done_of(receipt: Receipt | CaseDone, done: str) -> str:
    """What to say of a form that was taken: what it did, or that it waits for a worker."""
    return "kept" if receipt.outcome == LATER else done


def see_other(path: str) -> RedirectResponse:
    """Go on at another page after a form was taken, so that reloading does not send it again."""
    return RedirectResponse(path, status_code=303)


def form_token(services: Services, token: str) -> str:
    """What the form behind a personal link must carry to prove that it was drawn here."""
    return hmac.digest(mail_settings(services.settings).secret, f"link/{token}".encode(), hashlib.sha256).hex()


async def fields(request: Request, *, tells: bool = True) -> dict[str, str]:
    """A form's texts, with line feeds alone; of a repeated field the last one.

    Args:
        tells: Whether what no store keeps is refused. Where all nonsense gets the same answer, U+FFFD takes its place.

    Raises:
        UserError: One has a character in it that no store keeps.
    """
    found = {
        name: value.replace("\r\n", "\n")
        for name, value in (await request.form()).multi_items()
        if isinstance(value, str)
    }
    for name, value in found.items():
        if "\0" in name + value and tells:
            raise UserError(NULL, field=name.replace("\0", ""), fix="take it out")
    return {name.replace("\0", "\ufffd"): value.replace("\0", "\ufffd") for name, value in found.items()}


# How things read


def _local(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone))


def day(instant: datetime, zone: str) -> str:
    """The date in a zone: "Tuesday 1 December", with the year where it is another than this one."""
    local = _local(instant, zone)
    year = f" {local.year}" if local.year != _local(present(), zone).year else ""
    return f"{local:%A} {local.day} {local:%B}{year}"


def short_day(instant: datetime, zone: str) -> str:
    """The date in a zone, for a table: "Tue 1 Dec"."""
    local = _local(instant, zone)
    year = f" {local.year}" if local.year != _local(present(), zone).year else ""
    return f"{local:%a} {local.day} {local:%b}{year}"


def clock(instant: datetime, zone: str) -> str:
    """The time of day in a zone: "09:30"."""
    return f"{_local(instant, zone):%H:%M}"


def offset(instant: datetime, zone: str) -> str:
    """A zone's distance from UTC at an instant: "UTC+01:00"."""
    text = f"{_local(instant, zone):%z}"
    return f"UTC{text[:3]}:{text[3:5]}"


def place(zone: str) -> str:
    """A zone's name for a person: "America/New York"."""
    return zone.replace("_", " ")


def date_of(value: date) -> str:
    """A day, for a table: "Tue 1 Dec"; with the year where it is another than this one."""
    year = f" {value.year}" if value.year != present().year else ""
    return f"{value:%a} {value.day} {value:%b}{year}"


class Spark(NamedTuple):
    """One bar of a small drawing, in its units; `y` counts from the top."""

    x: int
    y: float
    height: float
    below: bool


SPARK_HEIGHT: Final = 24
SPARK_STEP: Final = 8


def sparks(series: MetricSeries) -> list[Spark]:
    """A series as bars beside each other; none where they would all look the same."""
    few = figures.bars(series)
    if few.is_level:
        return []
    lowest, highest = min(0.0, few.ends[0]), max(0.0, few.ends[1])
    scale = SPARK_HEIGHT / (highest - lowest)
    return [
        Spark(
            x=index * SPARK_STEP,
            y=round((highest - max(bar.value, 0.0)) * scale, 1),
            # What is next to nothing is seen all the same.
            height=max(round(abs(bar.value) * scale, 1), 0.5),
            below=bar.value < 0,
        )
        for index, bar in enumerate(few.bars)
    ]


def iso(instant: datetime) -> str:
    """An instant for `<time datetime>`, to the second."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def in_utc(instant: datetime) -> str:
    """An instant in UTC, as the command line writes it."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def near(instant: datetime, now: datetime) -> str:
    """How far an instant is from now: "3 hours ago", "in 2 days"."""
    seconds = (instant - now).total_seconds()
    size = abs(seconds)
    if size < 60:
        return "just now" if seconds <= 0 else "in a moment"
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(size // length)
        if count:
            text = amount(count, unit)
            return f"{text} ago" if seconds < 0 else f"in {text}"
    raise AssertionError


def span(instant: datetime, now: datetime) -> str:
    """How long ago an instant was, without a direction: "2 days"."""
    text = near(instant, now).removesuffix(" ago").removeprefix("in ")
    return "a moment" if text in ("just now", "a moment") else text


def role(name: str) -> str:
    """A role or persona as a person says it."""
    known = personas()
    if name in known:
        return known[name].title[0].lower() + known[name].title[1:]
    return seat(name)


def listing(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sentence(text: str) -> str:
    """A text as one sentence: with a capital letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!", ":")) else ".") if text else ""


_TYPED: Final = re.compile(r" \(`[a-z_]+`\)")
"""What a refusal says to type for a choice, behind its title."""


def coded(text: str) -> Markup:
    """A text whose parts between backticks are commands to type; what a page lets choose, nobody types."""
    text = read_by(_TYPED.sub("", text), _READER.get())
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    drawn = (Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts))
    return Markup("").join(drawn)


def command(text: str, otherwise: str | None = None) -> Markup:
    """A printed command, under its reader's address; a line never breaks within the name of an option.

    Args:
        otherwise: Who can do it, where nobody knows who reads.
    """
    told = escape(read_by(text, _READER.get() or otherwise))
    return Markup(_OPTION.sub(r'<span class="nowrap">\g<0></span>', str(told)))  # noqa: S704 - escaped above


_OPTION: Final = re.compile(r"(?<!\S)--[a-z-]+")


def told(refusal: UserError) -> str:
    """What is wrong, as a sentence about the field that a person sees."""
    label = _FIELDS.get(refusal.field)
    if re.match(r"(is|are|has|have|contains|must)\b", refusal.problem):
        return sentence(f"{label or refusal.field or 'this'} {refusal.problem}")
    return sentence(refusal.problem)


_FIELDS: Final = {
    "--as": "the member who acts",
    "key": "this draft",
    "subject": "the subject",
    "paragraph": "the personal paragraph",
    "body": "the text",
    "start": "the time",
    "date": "the date",
    "day": "the day",
    "at": "the time of day",
    "note": "the note",
    "comment": "your note",
    "file": "the file",
    "name": "the file's name",
    "option": "the answer",
    "reason": "the reason",
    "question": "the question",
    "text": "the answer",
    "stance": "what your side is for",
    "link": "the link",
    "on_behalf_of": "whoever said it",
    "gap": "the gap",
    "needed_by": "the day by which the customer needs to know",
    "needed_why": "the reason for that day",
    "requirement": "whether the requirement is new",
    "why_not_caught": "what kept it from being caught",
    "expectation": "what the customer expects",
    "if_not_met": "what happens if it is not met",
    "design.link": "the design document",
    "design.version": "the design document’s version",
    "revisit": "the day on which it comes back",
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("starters.http.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        day=day,
        short_day=short_day,
        clock=clock,
        offset=offset,
        date_of=date_of,
        sparks=sparks,
        course=figures.course,
        place=place,
        iso=iso,
        in_utc=in_utc,
        near=near,
        stale=is_stale,
        together=together,
        outcome=in_words,
        chosen=review_words.chosen,
        standing=review_words.standing,
        span=span,
        role=role,
        listing=listing,
        sentence=sentence,
        coded=coded,
        told=told,
        command=command,
        path=lambda text: quote(str(text), safe=""),
    )
    return environment
