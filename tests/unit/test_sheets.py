"""What a CSV file may be, and what is said of one that is not."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rapport.model.account_data import WrittenIncident, WrittenProject, WrittenRoadmapItem, WrittenSample
from rapport.model.base import InputModel, UserError
from rapport.model.reading import MAX_BYTES, check
from rapport.model.sheets import MAX_ROWS, SheetRow, read_csv, refuse_repeats

HEAD = "day,metric,unit,value\n"


def read(text: str | bytes, model: Any = WrittenSample) -> list[SheetRow[Any]]:
    """Read a file."""
    raw = text if isinstance(text, bytes) else text.encode()
    return read_csv(model, raw, "usage.csv")


def refused(text: str | bytes, model: Any = WrittenSample) -> UserError:
    """The refusal of a file; every fault names where it is and what to do."""
    with pytest.raises(UserError) as caught:
        read(text, model)
    for one in (caught.value, *caught.value.others):
        assert one.field.startswith("usage.csv")
        assert one.fix
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "2026-11-20,checks a day,count,1200\n",
        HEAD + "\r\n2026-11-20 , checks a day,count,1.2e3",
        "\ufeffValue;Unit;Metric;Day\r\n1200;count;checks a day;2026-11-20\r\n;;;\r\n",
        'day\tmetric\tunit\tvalue\n2026-11-20\t"checks a day"\tcount\t1200\n',
    ],
)
def test_what_spreadsheets_write_is_read(text: str) -> None:
    """Commas, semicolons and tabs, a byte order mark, any order of columns, blank lines: all say the same."""
    (row,) = read(text)
    assert row.value == WrittenSample(day=date(2026, 11, 20), metric="checks a day", unit="count", value=1200)


def test_a_quoted_text_may_hold_what_separates() -> None:
    """Separators and quotes within quotes belong to the text."""
    (row,) = read('id,title\nP-1,"Search, ""the new one"""\n', WrittenProject)
    assert row.value.title == 'Search, "the new one"'


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("", "usage.csv line 1", "has no columns"),
        (HEAD, "usage.csv", "has no rows"),
        ("day,metric,value\n", "usage.csv line 1", 'has no column "unit"'),
        ("day,metric,unit,value,note\n", "usage.csv line 1", 'has an unknown column "note"'),
        ("day,metric,unit,value,day\n", "usage.csv line 1", 'has the column "day" twice'),
        (HEAD + "2026-11-20,x,GB\n", "usage.csv line 2", "has 3 cells, the first line has 4"),
        (HEAD + "2026-11-20,x,GB,1,200\n", "usage.csv line 2", "has 5 cells, the first line has 4"),
        (HEAD + "2026-11-20,x,,1\n", "usage.csv line 2: unit", "is missing"),
        (HEAD + "20.11.2026,x,GB,1\n", "usage.csv line 2: day", "is not a day"),
        (HEAD + "2026-02-30,x,GB,1\n", "usage.csv line 2: day", "is not a day"),
        (HEAD + "1763596800,x,GB,1\n", "usage.csv line 2: day", "is not a day"),
        (HEAD + "0026-11-20,x,GB,1\n", "usage.csv line 2: day", "is in the year 26"),
        (HEAD + "2026-11-20,x,GB,nan\n", "usage.csv line 2: value", "is not a number"),
        (HEAD + "2026-11-20,x,GB,1e999\n", "usage.csv line 2: value", "is not a finite number"),
        (HEAD + '2026-11-20,x,GB,"1,200"\n', "usage.csv line 2: value", "is not a number"),
        (HEAD + "2026-11-20,x,GB,12 GB\n", "usage.csv line 2: value", "is not a number"),
        (HEAD + "2026-11-20,x,GB,1e16\n", "usage.csv line 2: value", "has more than 15 digits"),
        (HEAD + "2026-11-20,x,GB,1e-12\n", "usage.csv line 2: value", "is less than a billionth"),
        (HEAD + '2026-11-20,"a\nb",GB,1\n', "usage.csv line 2: metric", "contains a line break"),
        (HEAD + '2026-11-20,"x,GB,1\n', "usage.csv line 2", "is not CSV"),
        (HEAD.encode() + "2026-11-20,größe,GB,1\n".encode("cp1252"), "usage.csv line 2", "is not UTF-8"),
        (HEAD.encode("utf-16"), "usage.csv", "is UTF-16"),
        (b"x" * (MAX_BYTES + 1), "usage.csv", "is larger than 1 MB"),
        (HEAD + "2026-11-20,x,GB,1\n" * (MAX_ROWS + 1), "usage.csv", "has more than 10,000 rows"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_with_a_file_is_told_with_line_and_column(text: str | bytes, field: str, problem: str) -> None:
    """Each fault names the line as an editor counts it, and the column."""
    refusal = refused(text)
    assert (refusal.field, refusal.problem[: len(problem)]) == (field, problem)


def test_several_faults_are_told_at_once() -> None:
    """Whoever corrects a file learns of the first ten faults, not of one at a time."""
    rows = "".join(f"2026-11-{day},x,GB,?\n" for day in range(10, 29))
    refusal = refused(HEAD + "\n" + rows)
    assert [one.field for one in (refusal, *refusal.others)] == [f"usage.csv line {n}: value" for n in range(3, 13)]


@pytest.mark.parametrize(
    ("model", "given", "field"),
    [
        (WrittenIncident, {"ended": "2026-11-20T09:59:00Z"}, "ended"),
        (WrittenIncident, {"began": "2026-11-20T10:00:00"}, "began"),
        (WrittenIncident, {"began": "2026-11-20"}, "began"),
        (WrittenIncident, {"severity": "5"}, "severity"),
        (WrittenIncident, {"severity": True}, "severity"),
        (WrittenIncident, {"id": "INC 1"}, "id"),
        (WrittenIncident, {"title": " "}, "title"),
        (WrittenProject, {"starts": "2026-11-20", "ends": "2026-11-19"}, "ends"),
        (WrittenProject, {"starts": 1763596800}, "starts"),
        (WrittenRoadmapItem, {"account": "versayce"}, "touches"),
        (WrittenRoadmapItem, {"touches": "they asked"}, "account"),
        (WrittenRoadmapItem, {"account": "Versayce Inc.", "touches": "they asked"}, "account"),
        (WrittenSample, {"value": float("inf")}, "value"),
        (WrittenSample, {"value": True}, "value"),
        (WrittenSample, {"value": None}, "value"),
        (WrittenSample, {"surprise": 1}, "surprise"),
    ],
)
def test_what_is_wrong_with_a_record_is_told_with_its_field(
    model: type[InputModel], given: dict[str, Any], field: str
) -> None:
    """What ends before it starts, has no zone or is no number is refused by name, whichever way it comes in."""
    whole: dict[type[InputModel], dict[str, Any]] = {
        WrittenIncident: {"id": "INC-1", "title": "Down", "severity": 1, "began": "2026-11-20T10:00:00Z"},
        WrittenProject: {"id": "P-1", "title": "Search"},
        WrittenRoadmapItem: {"id": "R-1", "title": "Search", "expected": "2027-Q1"},
        WrittenSample: {"day": "2026-11-20", "metric": "checks", "unit": "count", "value": 1},
    }
    check(model, whole[model], "")
    with pytest.raises(UserError) as caught:
        check(model, {**whole[model], **given}, "")
    assert caught.value.field == field
    assert caught.value.fix


def test_the_same_thing_twice_in_a_file_is_refused_with_both_lines() -> None:
    """Of two that say something of the same day, nobody could tell which counts."""
    rows = read(HEAD + "2026-11-20,x,GB,1\n2026-11-21,x,GB,1\n2026-11-20,x,GB,2\n")
    with pytest.raises(UserError) as caught:
        refuse_repeats(rows, lambda one: (one.metric, one.day), "day", "metric and day")
    assert caught.value.field == "usage.csv line 4: day"
    assert "usage.csv line 2" in caught.value.problem


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_file_raises_anything_but_a_refusal(raw: bytes) -> None:
    """Whatever comes in, with or without the right first line, is read or refused in words."""
    for given_ in (raw, HEAD.encode() + raw):
        with suppress(UserError):
            read(given_)


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), min_size=1, max_size=40).filter(
    lambda text: text.strip() and "=?" not in text
)
INCIDENTS = st.builds(
    lambda title, severity, began: WrittenIncident(id="INC-1", title=title, severity=severity, began=began),
    TEXTS,
    st.integers(1, 4),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis asks for it
)


@given(INCIDENTS, st.sampled_from(",;\t"))
def test_what_was_written_is_what_is_read(incident: WrittenIncident, separator: str) -> None:
    """A record that goes through a CSV file comes out the same, whatever its texts hold."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator)
    writer.writerow(["id", "title", "severity", "began"])
    writer.writerow([incident.id, incident.title, incident.severity, incident.began.isoformat()])
    (row,) = read(file.getvalue(), WrittenIncident)
    assert row.value == incident
