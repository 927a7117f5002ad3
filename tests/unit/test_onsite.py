"""The days for which a visit was approved, read out of what was asked for."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, strategies as st

from rapport.rules.onsite import days_asked

TODAY = date(2026, 11, 30)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("14 or 15 December 2026", "14 15"),
        ("7 to 9 December", "7 8 9"),
        ("2026-12-14 or 2026-12-15", "14 15"),
        ("2026-12-14 to 2026-12-16", "14 15 16"),
        ("December 14–16, 2026", "14 15 16"),
        ("14th and 15th of December", "14 15"),
        ("Mon 14 December, 10:00 to 14:00", "14"),
        ("December 14, 10:00", "14"),
        ("14 December or 15", "14 15"),
        ("14 December to 16 December 2026", "14 15 16"),
        ("It may be for 2 people on 14 December, or Tuesday 15 December", "14 15"),
    ],
)
def test_days_as_people_write_them(text: str, days: str) -> None:
    """In either order, with or without the year, alone, as several or as a span; and no time of day is one."""
    assert days_asked(text, TODAY) == tuple(date(2026, 12, int(day)) for day in days.split())


def test_a_span_over_new_year() -> None:
    """Each day is the next one of its name."""
    first = date(2026, 12, 30)
    assert days_asked("30 December to 2 January", TODAY) == tuple(first + timedelta(days=n) for n in range(4))
    assert days_asked("14 or 15 Dec., or 3 January 2027", TODAY)[-1] == date(2027, 1, 3)


@pytest.mark.parametrize("text", ["December", "The second week of December", "31 February 2027", "", "1 October"])
def test_what_names_no_day_near_binds_nobody(text: str) -> None:
    """Whatever cannot be read as a day is for the manager to read alone."""
    assert days_asked(text, TODAY) == ()


@given(
    st.sets(st.dates(TODAY, TODAY + timedelta(days=400)), max_size=5),
    st.sampled_from(["{0:%Y-%m-%d}", "{0.day} {0:%B} {0:%Y}", "{0:%b} {0.day}, {0:%Y}"]),
    st.sampled_from([", ", " or ", "; ", " and "]),
)
def test_days_with_their_year_are_read_whatever_the_form(days: set[date], form: str, between: str) -> None:
    """However they are written and put together."""
    assert days_asked(between.join(form.format(day) for day in sorted(days)), TODAY) == tuple(sorted(days))


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    """No text is too odd for it, and what comes back is sorted."""
    found = days_asked(text, TODAY)
    assert list(found) == sorted(set(found))
