"""Turning an occasion into the words of a mail, and the words into frozen bytes."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import re
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.utils import format_datetime, getaddresses
from functools import cache
from importlib.resources import files
from typing import Any, Final

import css_inline
from jinja2 import TemplateError
from jinja2.utils import urlize
from markupsafe import Markup

from rapport.mail import emails, parts
from rapport.mail.markdown import Document
from rapport.model.base import MAX_NAME, UserError, name as filled, plain
from rapport.rules.attachment import File

# Stands for the personal link in a draft, so that whoever reads a draft cannot answer in its reader's place.
DRAFT_TOKEN: Final = "your-personal-link"  # noqa: S105 - not a secret, the place of one
_TOKEN = re.compile(r"(/m/)[A-Za-z0-9_-]{43}")


class _Headers(HeaderRegistry):
    """The stdlib's headers. It makes a class anew for each header that it sets or reads; these are kept."""

    def __init__(self) -> None:
        """The stdlib's own choice of classes."""
        super().__init__()
        self._made: dict[str, type[BaseHeader]] = {}

    def __getitem__(self, name: str) -> type[BaseHeader]:
        """The class of a header's value."""
        return self._made.get(name) or self._made.setdefault(name, super().__getitem__(name))


_WIRE: Final = email.policy.SMTP.clone(refold_source="none", header_factory=_Headers())
_READING: Final = email.policy.default.clone(header_factory=_Headers())
_LINE: Final = 78

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
    """Someone a mail speaks to or of.

    Attributes:
        personas: As which a mail can speak to them; a member has none.
        reads_as: By which of them it is told what they may read.
    """

    name: str
    email: str
    title: str | None = None
    personas: tuple[str, ...] = ()
    reads_as: tuple[str, ...] = ()
    zone: str = "UTC"

    @property
    def persona(self) -> str | None:
        """As which of their personas a mail speaks to them: the first; a member has none."""
        return self.personas[0] if self.personas else None

    def asked_as(self, asked: Container[str]) -> Person:
        """The same person as whoever has one of these personas; all of theirs, where none of them is asked."""
        return replace(self, personas=tuple(one for one in self.personas if one in asked) or self.personas)

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
class MailWords:
    """A mail's words."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Section:
    """A mail's words as a part of another mail: without greeting and signature."""

    title: str
    text: str
    html: Markup


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


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(
        keep_style_tags=True,
        load_remote_stylesheets=False,
        extra_css=files("rapport").joinpath("emails", "mail.css").read_text(),
    )


def write(name: str, context: dict[str, Any], edits: Edits, sections: Sequence[Section] = ()) -> MailWords:
    """Render a mail for one reader.

    Args:
        name: One of `emails.names()`.
        context: What the templates may speak of. A name they use and do not find here is an error, not a blank.
        edits: A member's changes. An edited body replaces both parts.
        sections: Other mails that have become a part of this one.

    Raises:
        UserError: There is no such mail, it is not for this reader, or a template asks for what it was not given.
    """
    with _refusing(name, context):
        context = {**context, "paragraph": edits.paragraph, "sections": sections}
        subject = _subject(name, context, edits)
        if edits.body is not None:
            text, html = edits.body, _page({**context, "subject": subject}, _typed(edits.body))
        else:
            text, html = _laid_out(_document(name, context, edits), context, subject)
    return MailWords(
        subject=_with_titles(subject, sections),
        text=_with_sections(_tidy(text), sections),
        html=_inliner().inline(html),
    )


def section(name: str, context: dict[str, Any], edits: Edits) -> Section:
    """Render a mail for one reader as a part of another mail to them.

    Raises:
        UserError: As `write`.
    """
    with _refusing(name, context):
        context = {**context, "paragraph": edits.paragraph}
        title = _subject(name, context, edits)
        if edits.body is not None:
            text, html = _edited_part(edits.body)
        else:
            document = _document(name, context, edits).without_greeting()
            text, html = document.text, document.html
    return Section(title=title, text=_tidy(text).strip(), html=html)


# The last two are a filter's, when it is handed something that the occasion does not have.
_UNRENDERABLE: Final = (TemplateError, ValueError, TypeError, AttributeError)


@contextmanager
def _refusing(name: str, context: dict[str, Any]) -> Iterator[None]:
    """Refuse what cannot be rendered for this reader, with the reason.

    Raises:
        UserError: There is no such mail, it is not for this reader, or it cannot be rendered.
    """
    emails.known(name)
    try:
        if not emails.is_for(name, *(context["to"].personas if "to" in context else ())):
            raise ValueError("it is not for whoever would get it")
        yield
    except UserError:
        raise
    except _UNRENDERABLE as error:
        why = str(error) if isinstance(error, (TemplateError, ValueError)) else "it asks for what there is not"
        raise UserError(f"the mail {name} cannot be rendered: {why}", field="email") from None


def _subject(name: str, context: dict[str, Any], edits: Edits) -> str:
    return _one_line(" ".join((edits.subject or emails.subject(name, context)).split()), "subject", is_needed=True)


def _document(name: str, context: dict[str, Any], edits: Edits) -> Document:
    found = emails.body(name, context)
    return found.with_paragraph(edits.paragraph) if edits.paragraph else found


def _laid_out(document: Document, context: dict[str, Any], subject: str) -> tuple[str, str]:
    """A mail's text with its signature, and its page."""
    around = {**context, "subject": subject, "personal": document.asks_by(context.get("link", ""))}
    signature = parts.environment(html=False).get_template("_signature.txt").render(around)
    return f"{document.text}\n\n{signature}", _page(around, document.html)


def _page(around: dict[str, Any], content: Markup) -> str:
    return parts.environment(html=True).get_template("layout.html").render({**around, "content": content})


_SIGNATURE: Final = "\n--\n"
_GREETING: Final = re.compile(r"\A(?:Hello|Hi) [^\n]*,\n")


def _edited_part(body: str) -> tuple[str, Markup]:
    """What a member wrote, as a part of another mail: without greeting and signature."""
    body = _GREETING.sub("", body.lstrip().partition(_SIGNATURE)[0]).strip()
    return body, _typed(body)


def _typed(body: str) -> Markup:
    """What a member typed in plain text: its paragraphs, its lines, and its addresses as links."""
    paragraphs = (part.strip().split("\n") for part in body.split("\n\n") if part.strip())
    lines = ((Markup(urlize(line)) for line in part) for part in paragraphs)  # noqa: S704 - `urlize` escapes
    return Markup("\n").join(Markup("<p>{}</p>").format(Markup("<br>").join(part)) for part in lines)


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _with_titles(subject: str, sections: Sequence[Section]) -> str:
    """The subject of a mail of several parts: all of theirs, or how many more there are."""
    if not sections:
        return subject
    whole = "; ".join([subject, *(section.title for section in sections)])
    return whole if len(whole) <= MAX_NAME else f"{subject}, and {len(sections)} more"


def _with_sections(text: str, sections: Sequence[Section]) -> str:
    """A text with others before its signature."""
    if not sections:
        return text
    body, mark, signature = text.partition(_SIGNATURE)
    parts = [body.strip(), *(f"* * *\n\n{section.title}\n\n{section.text}" for section in sections)]
    return "\n\n".join(parts) + (f"\n{mark}{signature}" if mark else "\n")


def message_id(key: str, sender: str, secret: bytes) -> str:
    """A mail's Message-ID: the same for the same key for ever, and nothing that an outsider can guess or read."""
    mac = hmac.digest(secret, key.encode(), hashlib.sha256)[:20]
    return f"<{base64.b32encode(mac).decode().lower()}@{sender.partition('@')[2]}>"


def _one_line(value: str, field: str, *, is_needed: bool = False) -> str:
    """Check a value that a header is made of.

    Raises:
        UserError: It could forge a header; or it shows nothing, and is needed.
    """
    try:
        return filled(value) if is_needed else plain(value)
    except ValueError as error:
        problem, _, fix = str(error).partition("; ")
        raise UserError(problem, field=field, fix=fix) from None


def _mailbox(header: str, name: str, address: str) -> str:
    """`Name <address>`, as it stands in this header.

    What does not fit one line is folded here: the stdlib drops the quotes of a long name.
    """
    name = _one_line(name, header.lower())
    try:
        plainly = str(Address(display_name=name, addr_spec=address))
    except (MessageError, ValueError, IndexError):
        raise UserError(
            "is no single mail address", field=header.lower(), fix="correct it in the account file"
        ) from None
    if plainly.isascii() and len(header) + len(": ") + len(plainly) <= _LINE:
        return plainly
    if not name:
        return address
    return f"{_encoded(header, name)}\n <{address}>"


def _text(header: str, value: str) -> str:
    """A text as it stands in this header; folded here, because the stdlib loses spaces where it folds."""
    if value.isascii() and len(header) + len(": ") + len(value) <= _LINE:
        return value
    return _encoded(header, value)


def _encoded(header: str, value: str) -> str:
    """Encoded words of at most 75 characters, on lines of at most 76 (RFC 2047, section 2)."""
    # A line that goes on begins with a space, which the stdlib does not count.
    return Header(value, "utf-8", header_name=header, maxlinelen=75).encode()


def freeze(
    words: MailWords, envelope: Envelope, calendar: tuple[str, bytes] | None = None, files: Sequence[File] = ()
) -> bytes:
    """Build the bytes that go over the wire: 7-bit ASCII, lines of at most 78 characters (RFC 5322).

    An address, a Message-ID or a key that is longer by itself stands on a line of its own length, and no line has more
    than the 998 that are allowed.

    Args:
        calendar: An iTIP method and its iCalendar object (RFC 6047), for an invitation.
        files: What is attached, checked already.

    Raises:
        UserError: A header came out other than it was meant.
    """
    mail = EmailMessage(policy=_WIRE)
    tam, to = envelope.tam, envelope.recipient
    mail.set_raw("From", _mailbox("From", tam.name, envelope.sender))
    mail.set_raw("To", _mailbox("To", to.name, to.email))
    mail.set_raw("Reply-To", _mailbox("Reply-To", tam.name, tam.email))
    mail.set_raw("Subject", _text("Subject", _one_line(words.subject, "subject", is_needed=True)))
    mail.set_raw("Date", format_datetime(envelope.date))
    # Raw: the stdlib makes an encoded word of a long id, and no reader finds the thread by that.
    mail.set_raw("Message-ID", message_id(envelope.key, envelope.sender, envelope.secret))
    thread = message_id(envelope.thread, envelope.sender, envelope.secret)
    mail.set_raw("In-Reply-To", thread)
    mail.set_raw("References", thread)
    mail.set_raw("Auto-Submitted", "auto-generated")
    mail.set_raw("X-Auto-Response-Suppress", "OOF, AutoReply")
    # Raw as well: a key is one word of ASCII, by which a mail is found in a relay's log.
    mail.set_raw("X-Rapport-Key", envelope.key)
    mail.set_content(words.text, cte="quoted-printable")
    mail.add_alternative(words.html, subtype="html", cte="quoted-printable")
    if calendar is not None:
        method, ics = calendar
        mail.add_alternative(ics.decode(), subtype="calendar", cte="base64", params={"method": method})
        mail.add_attachment(
            ics, maintype="application", subtype="ics", filename="invite.ics", params={"method": method}
        )
    for file in files:
        maintype, _, subtype = file.type.partition("/")
        mail.add_attachment(file.content, maintype=maintype, subtype=subtype, filename=file.name)
    raw = mail.as_bytes()
    _inspect(raw, envelope)
    return raw


def _inspect(raw: bytes, envelope: Envelope) -> None:
    """Read the finished bytes as a receiver would, and insist on the headers that were meant."""
    read = BytesHeaderParser(policy=email.policy.compat32).parsebytes(raw)
    names = [name.lower() for name in read]
    forged = len(names) != len(set(names)) or not set(names) <= HEADERS
    meant = {"From": envelope.sender, "To": envelope.recipient.email, "Reply-To": envelope.tam.email}
    strays = [
        name for name, address in meant.items() if [found for _, found in getaddresses([str(read[name])])] != [address]
    ]
    if forged or strays or not raw.isascii():
        raise UserError("a header of the mail came out other than it was meant; nothing was sent", field="email")


def subject(raw: bytes) -> str:
    """A frozen mail's subject."""
    return str(BytesHeaderParser(policy=_READING).parsebytes(raw)["Subject"])


def carried(raw: bytes) -> list[tuple[str, str, int]]:
    """The files of a frozen mail: the name, the type and the size in bytes of each."""
    read = email.message_from_bytes(raw, policy=_READING)
    assert isinstance(read, EmailMessage)
    return [
        (part.get_filename() or "", part.get_content_type(), len(part.get_payload(decode=True) or b""))
        for part in read.iter_attachments()
        if part.get_content_disposition() == "attachment"
    ]


def masked(text: str) -> str:
    """A mail as others than its reader may see it: personal links work no more."""
    return _TOKEN.sub(rf"\1{DRAFT_TOKEN}", text)


def readable(raw: bytes) -> dict[str, str]:
    """A frozen mail's subject, text and HTML, for display."""
    read = email.message_from_bytes(raw, policy=_READING)
    assert isinstance(read, EmailMessage)
    parts = {"subject": str(read["Subject"]), "from": str(read["From"]), "to": str(read["To"])}
    for name, preference in (("text", "plain"), ("html", "html")):
        part = read.get_body(preferencelist=(preference,))
        parts[name] = part.get_content() if isinstance(part, EmailMessage) else ""
    return parts
