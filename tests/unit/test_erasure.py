"""What names a person, and a text without them, for any names and texts."""

from __future__ import annotations

import json
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.policy.erasure import ERASED, Naming

LETTERS = st.text(st.characters(categories=["Lu", "Ll"]), min_size=3, max_size=12).map(str.title)
NAMES = st.lists(LETTERS, min_size=1, max_size=3).map(" ".join)
ADDRESS = "some.body@versayce.example"
WORDS = st.sampled_from(["the", "firewall", "is", "Kickoff", "–", "10:00", "(see", "below)", "\n", "…"])


@given(NAMES, st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=6))
@settings(deadline=None)
def test_whoever_is_named_is_named_no_more(name: str, before: list[str], after: list[str]) -> None:
    """Name and address go from any text, whatever stands around them, and twice is once."""
    naming = Naming(name, ADDRESS)
    for said in (name, ADDRESS.upper(), f"<{ADDRESS}>,", f"mailto:{ADDRESS}", f"{name}’s"):
        text = " ".join([*before, said, *after])
        redacted = naming.redacted(text)
        assert naming.named_in(text)
        assert not naming.named_in(redacted)
        assert name not in redacted
        assert ADDRESS not in redacted.lower()
        assert redacted == naming.redacted(redacted)
    document = {"note": [f"for {name}", 1, None], name: "a field's name stays"}
    assert naming.redacted_value(document)["note"] == [f"for {ERASED}", 1, None]
    assert naming.named_in(json.dumps({"note": f"{name} said so"}))


@given(NAMES, st.lists(WORDS, max_size=12))
@settings(deadline=None)
def test_a_text_that_names_nobody_stays_as_it_is(name: str, words: list[str]) -> None:
    """Nothing else is touched, not even a word that a name is a part of."""
    text = " ".join([*words, f"x{name.replace(' ', 'x')}x", f"x{ADDRESS}x"])
    if not set(name.split()) & {"Kickoff"}:
        assert Naming(name, ADDRESS).redacted(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Luca said yes", f"{ERASED} said yes"),
        ("Luca Bianchi and Luca Rossi", f"{ERASED} and {ERASED} Rossi"),
        ("Ask Mara", "Ask Mara"),
        ("lucarne, Lucas", "lucarne, Lucas"),
        ("LUCA   BIANCHI", ERASED),
    ],
)
def test_a_part_of_a_name_counts_where_it_is_written_as_one(text: str, left: str) -> None:
    """First and family names alone are enough, as words, and as names are written."""
    assert Naming("Luca Bianchi", "luca.bianchi@versayce.example", ["Mara Osei"]).redacted(text) == left


def test_a_part_that_another_bears_too_stays() -> None:
    """Where two have a name in common, it alone names neither."""
    naming = Naming("Luca Bianchi", ADDRESS, ["Luca Rossi"])
    assert naming.redacted("Luca Rossi, Luca, Bianchi") == f"Luca Rossi, Luca, {ERASED}"
    assert naming.in_full().redacted("Bianchi, Luca Bianchi") == f"Bianchi, {ERASED}"


@pytest.mark.parametrize("where", ["to", "text", "html", "calendar", "file"])
def test_a_mail_names_somebody_wherever_that_stands(where: str) -> None:
    """In a header, a text of any encoding, a folded line of a calendar or the name of a file."""
    naming = Naming("José Martí", "jose@versayce.example")
    mail = EmailMessage()
    mail["To"] = "José Martí <x@y.example>" if where == "to" else "Mara <m@y.example>"
    mail.set_content("Hello José Martí" if where == "text" else "Hello", cte="base64")
    mail.add_alternative("<p>Hello José Martí</p>" if where == "html" else "<p>Hello</p>", subtype="html")
    calendar = "BEGIN:VEVENT\r\nATTENDEE;CN=José Mar\r\n tí:mailto:x@y.example\r\nEND:VEVENT\r\n"
    mail.add_alternative(calendar if where == "calendar" else "BEGIN:VEVENT", subtype="calendar")
    mail.add_attachment(
        b"x", maintype="application", subtype="pdf", filename=f"{'Martí' if where == 'file' else 'a'}.pdf"
    )
    assert naming.named_in_mail(mail.as_bytes())
    assert not Naming("Nora Vidal", "nora@versayce.example").named_in_mail(mail.as_bytes())
