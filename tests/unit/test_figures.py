"""How figures read, and what a chart in a mail is made of."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given, strategies as st

from rapport.mail import chart, markdown
from rapport.mail.compose import _inliner
from rapport.mail.markdown import Document
from rapport.model.account_data import MetricSeries, Sample
from rapport.rules.figures import MOST_BARS, MOST_MONTHS, bars, change, course, figure, number, told

VALUES = st.floats(min_value=1e-9, max_value=1e15) | st.floats(min_value=-1e15, max_value=-1e-9) | st.just(0.0)


def series(
    *values: float, unit: str = "count", metric: str = "checks a day", start: date = date(2026, 9, 7)
) -> MetricSeries:
    """Measurements of days that follow each other."""
    days = (start + timedelta(days=index) for index in range(len(values)))
    return MetricSeries(
        metric=metric,
        unit=unit,
        samples=tuple(Sample(day=day, value=value) for day, value in zip(days, values, strict=True)),
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1200, "count", "1,200"),
        (1200, "checks", "1,200 checks"),
        (12.5, "GB", "12.5 GB"),
        (99.95, "%", "99.95 %"),
        (99.9996, "%", "99.9996 %"),
        (100, "%", "100 %"),
        (0.1 + 0.2, "s", "0.3 s"),
        (12.83333, "GB", "12.83 GB"),
        (1234.567, "ms", "1,234.6 ms"),
        (999.99, "ms", "1,000 ms"),
        (0.00012345, "s", "0.000123 s"),
        (1e15, "B", "1,000,000,000,000,000 B"),
        (-5.25, "users", "-5.25 users"),
        (0, "count", "0"),
    ],
)
def test_a_figure_reads_as_a_person_writes_it(value: float, unit: str, text: str) -> None:
    """Thousands have commas, no digit is there that nobody reads, and nearly all is not all."""
    assert figure(value, unit) == text


@given(VALUES)
def test_a_number_is_never_far_from_what_was_measured(value: float) -> None:
    """Rounding takes less than half a per cent, whole numbers stay whole, and no exponent is shown."""
    text = number(value)
    assert re.fullmatch(r"-?\d{1,3}(,\d{3})*(\.\d*[1-9])?", text), text
    read = float(text.replace(",", ""))
    assert abs(read - value) <= abs(value) * 0.005
    assert not value.is_integer() or read == value


@pytest.mark.parametrize(
    ("first", "last", "unit", "text"),
    [
        (1200, 3400, "count", "up 183 %"),
        (200, 199, "GB", "down 0.5 %"),
        (100, 100, "GB", "unchanged"),
        (100_000, 100_001, "GB", "up a little"),
        (0, 5, "GB", "up from 0"),
        (5, -5, "GB", "down from 5"),
        (-10, -5, "GB", "up 50 %"),
        (99.95, 99.99, "%", "up 0.04 points"),
        (98, 99, "%", "up 1 point"),
        (99.9999, 99.99991, "%", "up a little"),
    ],
)
def test_a_change_is_told_by_its_kind(first: float, last: float, unit: str, text: str) -> None:
    """Percentages change by points, nothing has no per cent, and a trace of a change is no number."""
    assert change(first, last, unit) == text


@given(st.lists(VALUES, min_size=1, max_size=900), st.sampled_from(["count", "%", "GB"]))
def test_a_series_of_any_length_fits_a_mail(values: list[float], unit: str) -> None:
    """However much was measured, the bars are few, within what was measured, and there is a line of text for it."""
    few = bars(series(*values, unit=unit))
    assert 1 <= len(few.bars) <= (MOST_MONTHS if few.span == "month" else MOST_BARS)
    lowest, highest = few.ends
    slack = max(abs(value) for value in values) * 1e-9
    assert min(values) - slack <= lowest <= highest <= max(values) + slack
    assert "\n" not in told(series(*values, unit=unit))


def test_days_become_weeks_and_weeks_become_months() -> None:
    """A fortnight is drawn by day, a quarter by the averages of its weeks, a year by those of its months."""
    days = bars(series(*[1.0] * 14))
    assert (days.span, days.averaged, days.bars[0].label) == ("day", False, "7 Sep")
    weeks = bars(series(*[1.0, 2, 3, 4, 5, 6, 7] * 3))
    assert (weeks.span, [bar.value for bar in weeks.bars], weeks.bars[1].label) == ("week", [4.0] * 3, "from 14 Sep")
    months = bars(series(*[1.0] * 365, start=date(2026, 1, 1)))
    assert [bar.label for bar in months.bars] == [
        "Jan",
        "Feb",
        "Mar",
        "Apr",
        "May",
        "Jun",
        "Jul",
        "Aug",
        "Sep",
        "Oct",
        "Nov",
        "Dec",
    ]
    assert bars(series(*[1.0] * 365)).bars[0].label == "Sep 2026"


def test_the_line_of_text_says_what_the_bars_say() -> None:
    """One line tells from where to where, how much that is, and how many days were made one."""
    assert told(series(1200, 2100, 3400)) == "checks a day: 1,200 → 3,400, up 183 %"
    assert told(series(4, metric="runs")) == "runs: 4 on 7 Sep"
    assert course(series(99.95, 99.93, 99.99, unit="%")) == "99.95 % → 99.99 %, up 0.04 points, lowest 99.93 %"
    assert told(series(*[10.0] * 7, *[20.0] * 8)).endswith("10 → 20, up 100 % (weekly averages)")


class Read(HTMLParser):
    """What is in a chart: its tags, its widths, its texts."""

    def __init__(self, html: str) -> None:
        """Read it to the end."""
        super().__init__()
        self.tags: list[str] = []
        self.shares: list[int] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag, and the width of a bar."""
        self.tags.append(tag)
        given = dict(attrs)
        assert not any(name.startswith("on") or name in ("src", "href") for name in given)
        if tag == "td" and "bgcolor" in given:
            self.shares.append(int((given["width"] or "").removesuffix("%")))

    def handle_data(self, data: str) -> None:
        """Keep what is read out."""
        if data.strip():
            self.texts.append(data.strip())


def test_a_chart_is_tables_and_text_alone() -> None:
    """Nothing in it has to be loaded or drawn: without any colour, every figure still stands there with its day."""
    read = Read(chart.html(series(1200, 2100, 3400)))
    assert set(read.tags) == {"p", "strong", "span", "table", "tr", "th", "td"}
    assert read.texts == ["checks a day", "up 183 %", "7 Sep", "1,200", "8 Sep", "2,100", "9 Sep", "3,400"]
    assert read.shares == [35, 65, 62, 38, 100]


@given(st.lists(VALUES, min_size=2, max_size=60))
def test_the_cells_of_each_bar_fill_its_row(values: list[float]) -> None:
    """No bar is longer than its place, none has a cell without width, and level series have no bars at all."""
    few = bars(series(*values))
    shares = Read(chart.html(series(*values))).shares
    assert all(0 < share <= 100 for share in shares)
    assert sum(shares) == (0 if few.is_level else 100 * len(few.bars))


def test_what_a_metric_is_called_cannot_leave_its_place() -> None:
    """Names and units come from outside, and are escaped."""
    html = chart.html(series(1, 5, metric="<img src=x>", unit='"><script>'))
    assert "<img" not in html
    assert "<script" not in html


def test_below_nothing_has_a_colour_of_its_own() -> None:
    """A figure below zero is not drawn like one above it."""
    html = chart.html(series(5, -3, 8))
    assert html.count(chart.BELOW) == 2
    assert "-3" in html


def test_a_mail_keeps_the_chart_as_it_is() -> None:
    """The mail's own styles, put inline, leave widths and colours to the chart."""
    html = _inliner().inline(f"<html><body>{chart.html(series(1200, 3400))}</body></html>")
    assert Read(html.partition("<body")[2].partition(">")[2]).shares == [35, 65, 100]
    assert html.count(f'bgcolor="{chart.TRACK}"') == 1


def test_an_email_draws_a_series_and_says_it_in_a_line() -> None:
    """Its HTML has the chart as it is, its text the line; neither needs to be marked as safe."""
    measured = series(1200, 3400, metric="checks & runs")
    read = Document.read(markdown.chart(told(measured), chart.html(measured)))
    assert read.html.strip() == chart.html(measured)
    assert read.text == "- checks & runs: 1,200 → 3,400, up 183 %"
