"""The days that somebody asked for when a visit was approved, read out of their words."""

from __future__ import annotations

import re
from calendar import day_abbr, day_name, month_abbr, month_name
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

COMING: Final = timedelta(days=183)
"""How far away a day without its year may be."""

_DAY: Final = timedelta(days=1)
_MONTHS: Final = {
    name.lower(): number for names in (month_name, month_abbr) for number, name in enumerate(names) if name
}
_SPANS: Final = frozenset({"-", "–", "to", "until", "till", "through"})
_BETWEEN: Final = frozenset({"or", "and", "of", "the", *(name.lower() for name in (*day_name, *day_abbr))})
_TOKEN: Final = re.compile(
    r"(?P<iso>\d{4}-\d{2}-\d{2})|(?P<clock>\d{1,2}[:.]\d{2}\b)|(?P<year>\d{4})|(?P<number>\d{1,2})(?:st|nd|rd|th)?(?![\d])"
    r"|(?P<word>[^\W\d_]+|[-–])"
)


class _Named:
    """Days of one month, as they are being read: "14 or 15 December 2026".

    Attributes:
        days: Each with whether those between it and the one before are meant as well.
        before: How many of them stood before the name of the month.
    """

    def __init__(self, month: int | None = None, days: Iterable[tuple[bool, int]] = ()) -> None:
        self.month = month
        self.year: int | None = None
        self.days = list(days)
        self.before = len(self.days)


def days_asked(text: str, today: date) -> tuple[date, ...]:
    """The days that a text names, sorted: "14 or 15 December 2026", "7 to 9 December", "2026-12-14".

    A day without its year is the next one of that date, if that is not further away than `COMING`. Nothing comes back
    where no day can be read, as of "in the spring"; then nothing was asked that could be kept to.
    """
    found: list[date] = []
    for spans, day in _in_order(text, today):
        if spans and found and found[-1] < day <= found[-1] + COMING:
            found += [found[-1] + n * _DAY for n in range(1, (day - found[-1]).days)]
        found.append(day)
    return tuple(sorted(set(found)))


def _in_order(text: str, today: date) -> list[tuple[bool, date]]:
    """Each day as it is named, and whether the days between it and the one before are meant as well."""
    read: list[tuple[bool, date] | _Named] = []
    named, spans = _Named(), False

    def begin(month: int | None = None, days: Iterable[tuple[bool, int]] = ()) -> None:
        nonlocal named
        named = _Named(month, days)
        read.append(named)

    for token in _TOKEN.finditer(text):
        word = (token["word"] or "").lower()
        if token["iso"]:
            year, month, number = map(int, token["iso"].split("-"))
            if (day := _day(year, month, number)) is not None:
                read.append((spans, day))
            begin()
        elif token["number"]:
            if named.year is not None:
                begin()
            named.days.append((spans, int(token["number"])))
            if named not in read:
                read.append(named)
        elif token["year"] and named.month is not None and named.days:
            named.year = int(token["year"])
        elif word in _MONTHS and named.days and named.month is None:
            named.month, named.before = _MONTHS[word], len(named.days)
        elif word in _MONTHS:
            # What stands since the month before belongs to this one: "30 December to 2 January".
            since = named.days[named.before :] if named.before else []
            del named.days[len(named.days) - len(since) :]
            begin(_MONTHS[word], since)
        elif word not in _SPANS and word not in _BETWEEN:
            begin()
        spans = word in _SPANS
    return [one for some in read for one in ([some] if isinstance(some, tuple) else _days_of(some, today))]


def _days_of(named: _Named, today: date) -> list[tuple[bool, date]]:
    if named.month is None:
        return []
    found = []
    for spans, number in named.days:
        day = _next(named.month, number, today) if named.year is None else _day(named.year, named.month, number)
        if day is not None:
            found.append((spans, day))
    return found


def _next(month: int, number: int, today: date) -> date | None:
    """The next such date, if it is near."""
    days = (_day(year, month, number) for year in (today.year, today.year + 1))
    return next((day for day in days if day is not None and today <= day <= today + COMING), None)


def _day(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None
