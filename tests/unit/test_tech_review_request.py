"""Requests for technical reviews: what they have to answer, and the files that people write them in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rapport import clock
from rapport.mail.tech_review import day_of
from rapport.model.account import Member, Schedule
from rapport.model.base import UserError
from rapport.model.reading import check
from rapport.model.tech_review import ASKED, ReviewRequest, Settlement, is_review_ref, review_ref
from starters.use_cases import tech_review, tech_review_files
from starters.views.tech_review import quoted
from tests.conftest import ROOT
from tests.support.tech_review import request

FILES = ROOT / "examples" / "reviews"


def whole() -> dict[str, Any]:
    """The example's request, as its file has it."""
    return tech_review_files.read_request(FILES / "air-gapped.toml").model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize(
    ("written", "read"), [("2031-03-01", "Saturday 1 March 2031"), ("Never", None), ("in spring", "in spring")]
)
def test_the_day_of_the_next_look_is_told_as_people_say_it(written: str, read: str | None) -> None:
    """The customer reads a weekday, a month and a year; what no calendar knows stays as it was written."""
    assert day_of(written) == read


@pytest.mark.parametrize("name", sorted(ASKED))
@pytest.mark.parametrize("blank", [None, "", "  \n "])
def test_a_missing_answer_is_named_with_why_it_is_asked(name: str, blank: str | None) -> None:
    """Left out or left blank, each of the answers is refused by name, with what to write and why."""
    data = whole() | {name: blank}
    if blank is None:
        del data[name]
    with pytest.raises(UserError) as refused:
        check(ReviewRequest, data, "request.toml")
    what, why = ASKED[name]
    assert refused.value.field == f"request.toml: {name}"
    assert refused.value.problem == "is missing"
    assert refused.value.fix == f"{what}: {why}"


def test_all_missing_answers_are_named_at_once() -> None:
    """Whoever writes nothing hears of everything in one go."""
    with pytest.raises(UserError) as refused:
        check(ReviewRequest, {}, "", shown=20)
    assert [one.field for one in (refused.value, *refused.value.others)] == [*ASKED, "account", "title"]


def test_what_is_wrong_is_named_beside_what_is_missing() -> None:
    """One refusal tells of the answers that are missing and of those that cannot be."""
    wrong = whole() | {"gap": "", "stage": "later", "design": {"link": "https://x.example"}, "urgency": "high"}
    with pytest.raises(UserError) as refused:
        check(ReviewRequest, wrong, "")
    told = {one.field: one.problem for one in (refused.value, *refused.value.others)}
    assert list(told) == ["gap", "stage", "design.version", "urgency"]
    assert told["stage"] == "has a value that is not allowed"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("needed_by", "next week", "is not a day"),
        ("needed_by", "3026-12-18", "is in the year 3026"),
        ("needed_by", "9999-12-31", "is in the year 9999"),
        ("stage", "later", "has a value that is not allowed"),
        ("ask", "please", "has a value that is not allowed"),
        ("tell", "boss", "is not a persona"),
        ("design", {"link": "javascript:alert(1)", "version": "1"}, "is not a link"),
        ("design", {"link": "https://x.example"}, "is missing"),
        ("design", {"link": "https://x.example/> <script>", "version": "1"}, "is not a link"),
        ("title", "two\nlines", "line break"),
        ("urgency", "high", "is not known here"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(field: str, value: object, words: str) -> None:
    """Each field says what it cannot be."""
    with pytest.raises(UserError) as refused:
        check(ReviewRequest, whole() | {field: value}, "")
    assert refused.value.field.split(".")[0] == field
    assert words in refused.value.problem


@pytest.mark.parametrize("day", ["2101-01-01", "3026-12-18", "9999-12-31", "0001-01-01"])
def test_no_review_comes_back_in_a_year_that_nobody_means(day: str) -> None:
    """Nobody counts the working days of centuries because of a digit too many."""
    with pytest.raises(UserError, match="is in the year") as refused:
        check(Settlement, {"message": "No.", "next_steps": "Wait.", "revisit": day}, "")
    assert refused.value.field == "revisit"


def test_a_request_can_be_markdown_with_front_matter() -> None:
    """Headings are the questions, in their own words; what stands under them is the answer."""
    request = tech_review_files.read_request(FILES / "backups.md")
    assert request.gap.startswith("They copy the volumes")
    assert request.needed_why.endswith("want to see a supported way.")
    assert request.why_not_caught.startswith("It was not a requirement")
    assert (request.expectation, request.design and request.design.version) == (
        "A yes, or a way that we stand behind.",
        "2",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# No front matter", "has no front matter"),
        ("+++\naccount = \n+++\n", "is not TOML"),
        ('+++\ngap = "x"\n+++\n## Gap\ny', "stands twice"),
        ("+++\n+++\n## A heading of my own\ny", "is missing"),
    ],
)
def test_markdown_that_is_none_is_refused(text: str, words: str) -> None:
    """The refusal says what the file has to look like."""
    with pytest.raises(UserError) as refused:
        tech_review_files.parse_request(text.encode(), "request.md")
    assert words in refused.value.problem


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_refusal(raw: bytes) -> None:
    """No file brings a command down."""
    for name in ("request.md", "request.toml"):
        with pytest.raises(UserError):
            tech_review_files.parse_request(raw, name)


@settings(deadline=None)
@given(st.integers(1, 10**8))
def test_a_number_and_its_ref_are_one(number: int) -> None:
    """What a review is called counts, and is known as that."""
    assert is_review_ref(review_ref(number))
    assert not is_review_ref(f"x{review_ref(number)}")


@pytest.mark.parametrize("end", ["javascript:alert(1)", "https://x.example/a b", "nowhere", ""])
def test_nobody_makes_a_link_of_what_is_none(end: str) -> None:
    """What somebody writes by hand after the words that stand before a link stays what they wrote."""
    assert quoted(f"Fine\n\nSaid at {end}") == (f"Fine\n\nSaid at {end}", None)
    assert quoted("Fine\n\nSaid at https://x.example/p1") == ("Fine", "https://x.example/p1")


def test_conditions_and_the_day_are_read_from_the_message() -> None:
    """One condition a line, with or without a dash; "none" and "never" are none."""
    words = {"message": "Yes.", "conditions": "- one\n\n two \n", "revisit": "2027-03-01"}
    settled = check(Settlement, words, "")
    assert (settled.listed, str(settled.day)) == (("one", "two"), "2027-03-01")
    settled = check(Settlement, words | {"conditions": "None.", "revisit": "Never"}, "")
    assert (settled.listed, settled.day) == ((), None)
    with pytest.raises(UserError) as refused:
        check(Settlement, words | {"revisit": "in March"}, "")
    assert refused.value.field == "revisit"


@pytest.mark.parametrize(
    ("days", "problem"),
    [(0, "is today, and your working hours ended at 17:00"), (-1, "is past")],
)
def test_a_date_of_today_after_hours_is_not_called_past(days: int, problem: str) -> None:
    """Whoever names today in the evening hears that the working day has ended, and by when; only yesterday is past."""
    evening = datetime(2026, 11, 30, 20, tzinfo=UTC)
    member = Member(
        id="m", name="Tomas Novak", email="t@foobar.example", roles=frozenset(), schedule=Schedule(zone="Asia/Tokyo")
    )
    # In Tokyo it is the first of December already, five in the morning: then it is still to come.
    with clock.set_to(evening):
        assert tech_review._refuse_past(request(date(2026, 12, 1), 0), member) > evening
    with clock.set_to(evening - timedelta(hours=8)), pytest.raises(UserError) as refused:
        tech_review._refuse_past(request(date(2026, 11, 30), days), member)
    assert (refused.value.problem, refused.value.field) == (problem, "needed_by")
