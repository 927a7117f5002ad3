"""What people type where a number is wanted is a number that counts, or none: nothing breaks."""

from __future__ import annotations

from hypothesis import given, strategies as st

from rapport.model.ids import number_in
from tests.conftest import ROOT

PRODUCT = ("rapport", "workflows", "activities", "starters")


@given(st.text() | st.text("0123456789²①٣", max_size=12) | st.integers(0, 10**12).map(str))
def test_a_number_is_one_to_nine_digits_of_ascii_and_nothing_else_is_one(text: str) -> None:
    plain = 0 < len(text) <= 9 and set(text) <= set("0123456789")
    assert number_in(text) == (int(text) if plain else None)


def test_nothing_takes_for_a_number_what_is_only_a_digit_to_unicode() -> None:
    sources = [path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")]
    asking = [path.name for path in sources if ".isdigit(" in (text := path.read_text()) or ".isnumeric(" in text]
    assert asking == [], "ask rapport.model.ids.number_in instead"
