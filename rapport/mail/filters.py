"""What templates print values with: days and times in the reader's zone, figures, lists of names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context

from rapport.mail.markdown import prose, quote
from rapport.rules.wording import amount


def at(instant: datetime, zone: str) -> datetime:
    """An instant as wall time."""
    return instant.astimezone(ZoneInfo(zone))


def day(instant: datetime, zone: str) -> str:
    """The date in the reader's zone: "Tuesday 1 December"."""
    return named(at(instant, zone))


def named(value: date) -> str:
    """A day on its own: "Tuesday 1 December"."""
    return f"{value:%A} {value.day} {value:%B}"


def clock(instant: datetime, zone: str) -> str:
    """The time of day in the reader's zone: "09:30"."""
    return f"{at(instant, zone):%H:%M}"


def listing(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def city(name: str) -> str:
    """How a person calls a zone: "New York"; UTC as it is."""
    return name.rpartition("/")[2].replace("_", " ")


def _zone_of(context: Context) -> str:
    """The reader's zone; an error as any other's where nobody reads it."""
    return str(context.resolve("to").zone)


def _here(context: Context, value: date) -> date:
    """A day as it is, an instant in the reader's zone."""
    return at(value, _zone_of(context)) if isinstance(value, datetime) else value


@pass_context
def _date(context: Context, value: date) -> str:
    """The day in the reader's zone: "Tuesday 1 December"."""
    return named(_here(context, value))


@pass_context
def _long_date(context: Context, value: date) -> str:
    """The day in the reader's zone, with its year: "Friday 20 December 2030"."""
    return f"{_date(context, value)} {_here(context, value):%Y}"


@pass_context
def _short_date(context: Context, value: date) -> str:
    """The day in the reader's zone, for a subject or a table: "Tue 1 Dec"."""
    here = _here(context, value)
    return f"{here:%a} {here.day} {here:%b}"


@pass_context
def _time(context: Context, instant: datetime) -> str:
    """The time of day in the reader's zone: "09:30"."""
    return clock(instant, _zone_of(context))


@pass_context
def _date_time(context: Context, instant: datetime) -> str:
    """Both in a sentence: "Friday 27 November, 15:00 (Zurich time)"."""
    return f"{_date(context, instant)}, {_time(context, instant)} ({city(_zone_of(context))} time)"


@pass_context
def _time_range(context: Context, span: Any) -> str:
    """From when to when, in the reader's zone: "Friday 27 November, 15:00–15:30 (Zurich time)".

    Args:
        span: What has a start and an end, a meeting as a mail speaks of it or a slot.
    """
    start, end = (span["start"], span["end"]) if isinstance(span, dict) else (span.start, span.end)
    where = _zone_of(context)
    return f"{day(start, where)}, {clock(start, where)}–{clock(end, where)} ({city(where)} time)"


@pass_context
def _times(context: Context, slots: Sequence[Any]) -> list[tuple[str, str]]:
    """Slots as rows of a table, in the reader's zone: the day, and from when to when."""
    where = _zone_of(context)
    return [(day(one.start, where), f"{clock(one.start, where)}–{clock(one.end, where)}") for one in slots]


FOR_MARKDOWN: Final[dict[str, Callable[..., Any]]] = {
    "amount": amount,
    "listing": listing,
    "date": _date,
    "long_date": _long_date,
    "short_date": _short_date,
    "time": _time,
    "date_time": _date_time,
    "time_range": _time_range,
    "times": _times,
    "city": city,
    "prose": prose,
    "quote": quote,
}
"""What knows the reader's zone by itself."""
