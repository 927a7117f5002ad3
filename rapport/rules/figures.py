"""Figures for people: numbers with their units, what has changed, and many days as a few bars. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby
from statistics import fmean
from typing import Final, Literal

from rapport.model.account_data import COUNT, MetricSeries, Sample

PERCENT: Final = "%"

MOST_BARS: Final = 14
"""More days than these are drawn as weeks, and more weeks as months."""

MOST_MONTHS: Final = 24
"""Of more months the last ones are drawn."""

_LEVEL: Final = 0.97
"""Bars that differ by less are all of one length to the eye."""

Span = Literal["day", "week", "month"]


def figure(value: float, unit: str) -> str:
    """A value with its unit: "1,200", "12.5 GB", "99.95 %". What is only counted has no unit to show."""
    if unit != PERCENT:
        return number(value) if unit == COUNT else f"{number(value)} {unit}"
    exact = Decimal(repr(value))
    text = _rounded(exact, 3)
    # 99.9996 % of a year is not all of it.
    return f"{_plain(exact) if text == '100' and exact < 100 else text} %"


def number(value: float) -> str:
    """A number with a comma at each thousand. Whole ones stay whole; of others four digits count, below one three."""
    exact = Decimal(repr(value))
    size = abs(exact)
    if size >= 1000:
        return _rounded(exact, 1)
    return _rounded(exact, 3 - size.adjusted() if size >= 1 else 2 - size.adjusted() if size else 0)


def _rounded(value: Decimal, places: int) -> str:
    return _plain(value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN) if value % 1 else value)


def _plain(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def change(first: float, last: float, unit: str) -> str:
    """What has become of a figure: "up 183 %", "down 0.5 %", "unchanged"; of percentages "up 0.04 points"."""
    if last == first:
        return "unchanged"
    way = "up" if last > first else "down"
    if unit == PERCENT:
        # Four per cent more of 99.9 % would be nonsense.
        points = _rounded(abs(Decimal(repr(last)) - Decimal(repr(first))), 3)
        return f"{way} a little" if points == "0" else f"{way} {points} point{'' if points == '1' else 's'}"
    if first == 0 or (first < 0) != (last < 0):
        # There is no per cent of nothing.
        return f"{way} from {number(first)}"
    size = abs(last - first) / abs(first) * 100
    if size < 0.05:
        return f"{way} a little"
    return f"{way} {round(size):,} %" if size >= 10 else f"{way} {_plain(Decimal(f'{size:.1f}'))} %"


@dataclass(frozen=True)
class Bar:
    """One bar of a chart.

    Attributes:
        label: The day, week or month, for a person.
        value: What was measured then, on average where it was measured more than once.
    """

    label: str
    value: float


@dataclass(frozen=True)
class Bars:
    """A series of measurements as a few bars of a chart.

    Attributes:
        span: What one bar stands for.
        averaged: Whether a bar stands for the average of several measurements.
    """

    bars: tuple[Bar, ...]
    span: Span
    averaged: bool

    @property
    def first(self) -> float:
        """The value of the first bar."""
        return self.bars[0].value

    @property
    def last(self) -> float:
        """The value of the last bar."""
        return self.bars[-1].value

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value of a bar."""
        values = [bar.value for bar in self.bars]
        return min(values), max(values)

    @property
    def is_level(self) -> bool:
        """Whether all bars would look the same, as those of an uptime do, or there is but one."""
        lowest, highest = self.ends
        return len(self.bars) == 1 or lowest >= highest * _LEVEL > 0


def bars(series: MetricSeries) -> Bars:
    """A series as at most as many bars as fit a mail: days, else the averages of weeks, else those of months.

    Averages, and not sums, because a week that is not over, or of which some days are missing, would look like a fall.
    """
    samples = series.samples
    year = " %Y" if samples[0].day.year != samples[-1].day.year else ""
    if len(samples) <= MOST_BARS:
        return Bars(tuple(Bar(_day(one.day, year), one.value) for one in samples), "day", averaged=False)
    weeks = _grouped(samples, lambda day: day - timedelta(days=day.weekday()), lambda day: f"from {_day(day)}")
    if len(weeks) <= MOST_BARS:
        return Bars(tuple(weeks), "week", averaged=True)
    months = _grouped(samples, lambda day: day.replace(day=1), lambda day: f"{day:%b}{day.strftime(year)}")
    return Bars(tuple(months[-MOST_MONTHS:]), "month", averaged=True)


def _grouped(samples: Sequence[Sample], start: Callable[[date], date], label: Callable[[date], str]) -> list[Bar]:
    return [
        Bar(label(day), fmean(one.value for one in some))
        for day, some in groupby(samples, key=lambda one: start(one.day))
    ]


def _day(day: date, year: str = "") -> str:
    return f"{day.day} {day:%b}{day.strftime(year)}"


def told(series: MetricSeries) -> str:
    """A series in one line: "checks a day: 1,200 → 3,400, up 183 %"."""
    return f"{series.metric}: {course(series)}"


def course(series: MetricSeries) -> str:
    """What has become of a series, from its first bar to its last; of a level one also the lowest on the way."""
    few, unit = bars(series), series.unit
    if len(few.bars) == 1:
        return f"{figure(few.last, unit)} on {few.bars[0].label}"
    parts = [f"{figure(few.first, unit)} → {figure(few.last, unit)}", change(few.first, few.last, unit)]
    if few.is_level and few.ends[0] < min(few.first, few.last):
        parts.append(f"lowest {figure(few.ends[0], unit)}")
    return ", ".join(parts) + (f" ({AVERAGES[few.span]})" if few.averaged else "")


AVERAGES: Final[dict[Span, str]] = {"day": "by day", "week": "weekly averages", "month": "monthly averages"}
"""What bars that stand for several measurements show."""
