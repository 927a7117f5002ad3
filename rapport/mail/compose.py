"""Turning an occasion into the words of a mail, and the words into frozen bytes.

One email is one folder of `rapport/emails`: `subject.txt`, `body.txt`, `body.html`.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError

from rapport.model.base import Refusal, plain

# Stands for the personal link in a draft, so that whoever reads a draft cannot answer in its reader's place.
DRAFT_TOKEN: Final = "your-personal-link"  # noqa: S105 - not a secret, the place of one
_TOKEN = re.compile(r"(/m/)[A-Za-z0-9_-]{43}")

HEADERS: Final = frozenset(
    {
        "from",
        "to",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "in-reply-to",
        "references",
        "auto-submitted",
        "x-auto-response-suppress",
        "x-rapport-key",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
    }
)
"""Every header that a mail of ours has; one more means that something was injected."""


@dataclass(frozen=True)
class Person:
    """Someone a mail speaks to or of."""

    name: str
    email: str
    title: str | None = None
    persona: str | None = None
    zone: str = "UTC"

    @property
    def first_name(self) -> str:
        """How a mail greets them."""
        return self.name.split()[0]


@dataclass(frozen=True)
class Edits:
    """What a member changed in a draft."""

    subject: str | None = None
    paragraph: str | None = None
    body: str | None = None


@dataclass(frozen=True)
class Words:
    """A mail's words."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Envelope:
    """What a mail's headers are made of."""

    key: str
    sender: str
    recipient: Person
    tam: Person
    thread: str
    secret: bytes = field(repr=False)
    date: datetime


def _at(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone))


def _day(instant: datetime, zone: str) -> str:
    """The date in the reader's zone: "Tuesday 1 December"."""
    local = _at(instant, zone)
    return f"{local:%A} {local.day} {local:%B}"


def _clock(instant: datetime, zone: str) -> str:
    """The time of day in the reader's zone: "09:30"."""
    return f"{_at(instant, zone):%H:%M}"


def _zone(instant: datetime, zone: str) -> str:
    """The reader's zone, with its distance from UTC on that day: "Europe/Zurich, UTC+01:00"."""
    offset = f"{_at(instant, zone):%z}"
    return f"{zone.replace('_', ' ')}, UTC{offset[:3]}:{offset[3:]}"


def _safe_link(url: str) -> str:
    """Refuse a link that runs something: escaping does not stop `javascript:`."""
    if not url.startswith(("https://", "http://", "mailto:")):
        raise ValueError("a link in a mail begins with https://, http:// or mailto:")
    return url


@cache
def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("rapport", "emails"),
        autoescape=html,  # noqa: S701 - text parts are not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=_day, clock=_clock, zone=_zone, safe_link=_safe_link)
    return environment


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(
        keep_style_tags=True,
        load_remote_stylesheets=False,
        extra_css=files("rapport").joinpath("emails", "mail.css").read_text(),
    )


@cache
def emails() -> frozenset[str]:
    """The names of the mails that there are."""
    with_subject = Path(str(files("rapport").joinpath("emails"))).glob("*/subject.txt")
    return frozenset(path.parent.name for path in with_subject)


def write(name: str, context: dict[str, Any], edits: Edits) -> Words:
    """Render a mail for one reader.

    Args:
        name: The folder of `rapport/emails`.
        context: What the templates may speak of. A name they use and do not find here is an error, not a blank.
        edits: A member's changes. An edited body replaces both parts.

    Raises:
        Refusal: There is no such mail, or a template asks for what it was not given.
    """
    if name not in emails():
        raise Refusal(f'there is no mail "{name[:40]}"', field="email", fix=f"use one of {', '.join(sorted(emails()))}")
    context = {**context, "paragraph": edits.paragraph}
    try:
        subject = edits.subject or _environment(html=False).get_template(f"{name}/subject.txt").render(context)
        if edits.body is not None:
            text = edits.body
            html = _environment(html=True).get_template("edited.html").render(context, body=edits.body)
        else:
            text = _environment(html=False).get_template(f"{name}/body.txt").render(context)
            html = _environment(html=True).get_template(f"{name}/body.html").render(context)
    except TemplateError as error:
        raise Refusal(f"the mail {name} cannot be rendered: {error.message}", field="email") from None
    return Words(
        subject=plain(" ".join(subject.split())),
        text=re.sub(r"\n{3,}", "\n\n", text).strip() + "\n",
        html=_inliner().inline(html),
    )


def message_id(key: str, sender: str, secret: bytes) -> str:
    """A mail's Message-ID: the same for the same key for ever, and nothing that an outsider can guess or read."""
    mac = hmac.digest(secret, key.encode(), hashlib.sha256)[:20]
    return f"<{base64.b32encode(mac).decode().lower()}@{sender.partition('@')[2]}>"


def freeze(words: Words, envelope: Envelope, calendar: tuple[str, bytes] | None = None) -> bytes:
    """Build the bytes that go over the wire: 7-bit ASCII, lines of at most 78 characters (RFC 5322).

    Args:
        calendar: An iTIP method and its iCalendar object (RFC 6047), for an invitation.

    Raises:
        Refusal: A header came out other than it was meant.
    """
    mail = EmailMessage(policy=email.policy.SMTP)
    tam, to = envelope.tam, envelope.recipient
    mail["From"] = Address(display_name=plain(tam.name), addr_spec=envelope.sender)
    mail["To"] = Address(display_name=plain(to.name), addr_spec=to.email)
    mail["Reply-To"] = Address(display_name=plain(tam.name), addr_spec=tam.email)
    mail["Subject"] = plain(words.subject)
    mail["Date"] = format_datetime(envelope.date)
    mail["Message-ID"] = message_id(envelope.key, envelope.sender, envelope.secret)
    thread = message_id(envelope.thread, envelope.sender, envelope.secret)
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["X-Rapport-Key"] = envelope.key
    mail.set_content(words.text, cte="quoted-printable")
    mail.add_alternative(words.html, subtype="html", cte="quoted-printable")
    if calendar is not None:
        method, ics = calendar
        mail.add_alternative(ics.decode(), subtype="calendar", cte="base64", params={"method": method})
        mail.add_attachment(
            ics, maintype="application", subtype="ics", filename="invite.ics", params={"method": method}
        )
    raw = mail.as_bytes()
    _inspect(raw, envelope)
    return raw


def _inspect(raw: bytes, envelope: Envelope) -> None:
    """Read the finished bytes as a receiver would, and insist on the headers that were meant."""
    read = email.message_from_bytes(raw, policy=email.policy.default)
    names = [name.lower() for name in read]
    forged = len(names) != len(set(names)) or not set(names) <= HEADERS
    to = read["To"].addresses
    if forged or len(to) != 1 or to[0].addr_spec != envelope.recipient.email:
        raise Refusal("a header of the mail came out other than it was meant; nothing was sent", field="email")
    raw.decode("ascii")


def masked(text: str) -> str:
    """A mail as others than its reader may see it: personal links work no more."""
    return _TOKEN.sub(rf"\1{DRAFT_TOKEN}", text)


def readable(raw: bytes) -> dict[str, str]:
    """A frozen mail's subject, text and HTML, for display."""
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    parts = {"subject": str(read["Subject"]), "from": str(read["From"]), "to": str(read["To"])}
    for name, preference in (("text", "plain"), ("html", "html")):
        part = read.get_body(preferencelist=(preference,))
        parts[name] = part.get_content() if isinstance(part, EmailMessage) else ""
    return parts
