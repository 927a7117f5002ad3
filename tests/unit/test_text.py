"""What counts as text: what people type comes through as it is, and what shows nothing is nothing."""

from __future__ import annotations

import re
from email.header import decode_header, make_header

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from rapport.mail import compose
from rapport.model.base import Name, Prose
from rapport.model.minutes import Filled
from rapport.model.support_case import Text
from rapport.rules.support_case import heading

NAME, PROSE, TEXT, FILLED = (TypeAdapter[str](kind) for kind in (Name, Prose, Text, Filled))
IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u17b4\u180b\u180e\u2060\u2065\u206f\ufe0f\ufeff\ufff0\ufff8\U0001bca0\U000e0000\U000e0fff"
)
"""Of each range of DerivedCoreProperties' Default_Ignorable_Code_Point, one or both ends."""
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "So", "Zs"]), min_size=1, max_size=200)


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b\u200b", "\u200d", "\u3164", "\u2800 \u00a0", "\n\t", *sorted(IGNORABLE)]
)
def test_what_shows_nothing_is_empty(text: str) -> None:
    """Spaces, also of no width, and letters that show nothing are refused where words are needed."""
    for kind in (NAME, TEXT, FILLED):
        with pytest.raises(ValidationError):
            kind.validate_python(text)
    assert PROSE.validate_python(text) == ""


@pytest.mark.parametrize(
    "text", ["\ufffd" * 500, "\ufffd", "a\ufffd\ufffd \ufffd", "a\uffff\ufffeb", "\ufdd0", "x\U0001fffe"]
)
def test_what_was_no_text_is_refused(text: str) -> None:
    """Bytes that could not be decoded, and code points that are no characters, never reach a mail."""
    for kind in (NAME, PROSE, TEXT):
        with pytest.raises(ValidationError):
            kind.validate_python(text)


@given(WORDS, st.sampled_from(["é\ufffdt\ufffd passed", "می‌خواهم", "👩🏽‍💻", "e\u0301 and \u200bso on"]))
def test_what_people_write_comes_through(words: str, with_marks: str) -> None:
    """Words of any language stay as they are, joiners, accents and a few lost letters among them too."""
    text = f"words {words}{with_marks}".strip()
    assert PROSE.validate_python(text) == text
    assert TEXT.validate_python(text) == text


@pytest.mark.parametrize("text", ["👩🏽‍💻 asks", "می‌خواهم"])
def test_a_subject_keeps_what_joins_letters(text: str) -> None:
    """One emoji of several stays one, and a Persian word is not joined where it must not be."""
    assert heading(text) == text


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "So"]), min_size=1, max_size=300),
    st.sampled_from(["Subject", "To", "From", "Reply-To"]),
)
def test_encoded_words_are_as_long_as_they_may_be(text: str, header: str) -> None:
    """No word of more than 75 characters, no line with one of more than 76, and nothing lost."""
    written = compose._encoded(header, text)
    for number, line in enumerate(written.split("\n")):
        assert len(line) + (0 if number else len(header) + len(": ")) <= 76
        assert all(len(word) <= 75 for word in line.split())
    assert str(make_header(decode_header(re.sub(r"\n ", " ", written)))) == text
