"""What may be attached to a mail, and how it stands in the mail's bytes."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given, strategies as st

from rapport.mail import compose
from rapport.mail.compose import Envelope, MailWords, Person, freeze
from rapport.model.base import UserError
from rapport.rules.attachment import MAX_FILES, MAX_TOTAL, TYPES, File, checked, refuse_too_much
from tests.helpers_mail import NOW

PDF = b"%PDF-1.7\nslides"


def refused(name: str, content: bytes) -> UserError:
    """Why a file is not taken."""
    with pytest.raises(UserError) as caught:
        checked(name, content)
    return caught.value


@pytest.mark.parametrize(
    ("name", "content", "field"),
    [
        ("setup.exe", b"MZ\x90", "name"),
        ("script.js", b"alert(1)", "name"),
        ("run.sh", b"#!/bin/sh", "name"),
        ("macros.docm", b"PK\x03\x04", "name"),
        ("bundle.zip", b"PK\x03\x04", "name"),
        ("README", b"text", "name"),
        ("slides.pdf", b"MZ\x90\x00", "file"),
        ("notes.txt", b"#!/bin/sh\nrm", "file"),
        ("notes.txt", b"\x7fELF\x02", "file"),
        ("notes.txt", b"a\x00b", "file"),
        ("photo.png", b"GIF89a", "file"),
        ("slides.pdf", b"", "file"),
        ("slides.pdf", b"%PDF-" + b"x" * MAX_TOTAL, "file"),
        ("../slides.pdf", PDF, "name"),
        (".pdf", PDF, "name"),
        ("a\r\nBcc: b@c.example\r\n.pdf", PDF, "name"),
        ("=?utf-8?q?x?=.pdf", PDF, "name"),
        ("slides\u2028.pdf", PDF, "name"),
        ("x" * 100 + ".pdf", PDF, "name"),
    ],
)
def test_what_could_run_or_forge_is_refused(name: str, content: bytes, field: str) -> None:
    """Programs by any name, names that reach into folders or headers, and what is empty or too large."""
    refusal = refused(name, content)
    assert (refusal.field, bool(refusal.fix)) == (field, True)


def test_documents_pictures_and_text_are_taken() -> None:
    """Each is sent as what its name says it is."""
    assert checked("Slides für Mara.pdf", PDF).type == "application/pdf"
    assert checked("deploy.yaml", b"a: 1\n").type == "text/plain"
    assert checked("Numbers.XLSX", b"PK\x03\x04").type == TYPES["xlsx"]


def test_a_mail_carries_so_much_and_no_more() -> None:
    """Ten megabytes and ten files in all."""
    refuse_too_much([MAX_TOTAL])
    for sizes in ([MAX_TOTAL, 1], [1] * (MAX_FILES + 1)):
        with pytest.raises(UserError):
            refuse_too_much(sizes)


@given(st.text(min_size=1, max_size=60), st.binary(min_size=1, max_size=2000))
def test_whatever_is_taken_arrives_as_it_was(stem: str, content: bytes) -> None:
    """Any name that is taken and any content stand in the frozen mail unchanged, and no header comes with them."""
    try:
        file = checked(f"{stem}.txt", content)
    except UserError:
        return
    ann = Person("Ann", "ann@versayce.example")
    envelope = Envelope("k", "o@foobar.example", ann, Person("Rob", "rob@foobar.example"), "t", b"s", NOW)
    raw = freeze(
        MailWords("Hi", "text\n", "<p>text</p>"),
        envelope,
        files=[file, File(name="b.pdf", type=TYPES["pdf"], content=PDF)],
    )
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    read = email.message_from_bytes(raw, policy=default)
    assert isinstance(read, EmailMessage)
    first, second = read.iter_attachments()
    assert (first.get_filename(), first.get_payload(decode=True)) == (file.name, content)
    assert (second.get_filename(), second.get_payload(decode=True)) == ("b.pdf", PDF)
    assert compose.carried(raw)[0] == (file.name, "text/plain", len(content))
    assert compose.readable(raw)["text"].strip() == "text"
