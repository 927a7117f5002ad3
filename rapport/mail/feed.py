"""When a member is busy, read from their iCalendar feed (RFC 5545). The feed is foreign: nothing in it is trusted."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from math import prod
from typing import Any, Final
from zoneinfo import ZoneInfo

import icalendar
from icalendar.parser import Contentlines
from icalendar.prop import vPeriod
from icalendar.timezone import tzp
from recurring_ical_events import CalendarQuery, ComponentsWithName, Series  # type: ignore[import-untyped]

from rapport.model.base import zone_name

MAX_FEED: Final = 5 * 1024 * 1024
MAX_OCCURRENCES: Final = 10_000
MAX_ZONES: Final = 50

# What all rules of one feed may cost together, in units of about a microsecond; `_Interval` does the counting.
_MAX_WORK: Final = 5_000_000
_PERIOD_COST: Final = {"YEARLY": 20, "MONTHLY": 4, "WEEKLY": 4}
_FOREIGN_ZONE: Final = 20  # how much longer a date takes in a zone that the feed itself defines
_MAX_ZONE_RULE: Final = 1_000  # characters

# Floating times and all-day events are compared as if they were in UTC, so the library is asked for a little more.
_MARGIN: Final = timedelta(days=2)
_PROPERTY = re.compile(r"[;:]")

# `icalendar` keeps the zones that feeds define in one table for the whole process.
_zones = threading.Lock()

Interval = tuple[datetime, datetime]


def busy(calendar: bytes, first: datetime, last: datetime, zone: str) -> list[Interval]:
    """The times between `first` and `last` at which the owner of a calendar is not free.

    Busy is an event that lasts, is not STATUS:CANCELLED, not TRANSP:TRANSPARENT, and that Outlook does not mark
    FREE or WORKINGELSEWHERE; repetitions, exceptions (EXDATE) and moved occurrences (RECURRENCE-ID) count as they
    stand. An all-day event is more often a birthday than an absence: it is busy only where it says TRANSP:OPAQUE or
    X-MICROSOFT-CDO-BUSYSTATUS:BUSY or OOF. Of a VFREEBUSY, every FREEBUSY period counts except FREE and
    BUSY-TENTATIVE (RFC 5545, 3.2.9: a type that is not known means busy).

    Args:
        calendar: The feed, at most 5 MB.
        first: The start of the window.
        last: Its end, which is not part of it.
        zone: The owner's IANA zone: floating times and all-day events are in it, and so is a time whose TZID neither
            the feed nor the IANA database explains.

    Returns:
        Intervals in UTC, inside the window, in order, neither overlapping nor touching.

    Raises:
        ValueError: The feed is not a complete, readable calendar, holds more than 10,000 occurrences in or near the
            window, or repeats in a way that would take too long to work out. The message holds nothing of the feed.
            One unreadable event makes the whole feed unreadable: a time that might be busy must not be offered.
    """
    if first.tzinfo is None or last.tzinfo is None:
        raise ValueError("the window must say its zone")
    if last <= first:
        raise ValueError("the window must end after it starts")
    here = ZoneInfo(zone_name(zone))
    if len(calendar) > MAX_FEED:
        raise ValueError("The calendar is larger than 5 MB.")
    try:
        found = list(_intervals(_parse(calendar), first.astimezone(UTC), last.astimezone(UTC), here))
    except _TooMuchError:
        raise ValueError("The calendar repeats too often or too far to be worked out.") from None
    except Exception:  # whatever a malformed file makes of two parsers
        raise ValueError("The calendar could not be read.") from None
    return _merged(found, first.astimezone(UTC), last.astimezone(UTC))


class _TooMuchError(Exception):
    """The feed asks for more work than it is worth."""


class _Budget:
    """What may still be spent on one feed."""

    def __init__(self) -> None:
        self.work = _MAX_WORK
        self.occurrences = MAX_OCCURRENCES

    def spend(self, work: int) -> None:
        self.work -= work
        if self.work < 0:
            raise _TooMuchError

    def occur(self) -> None:
        self.occurrences -= 1
        if self.occurrences < 0:
            raise _TooMuchError


class _Interval(int):
    """A rule's INTERVAL that counts.

    dateutil adds it once for each period it looks at, whether anything falls into the period or not. There is no
    other way to stop a rule such as "each 30 February", which looks until the year 9999.
    """

    cost: int
    budget: _Budget

    def __radd__(self, other: int) -> int:
        self.budget.spend(self.cost)
        return int(self) + other

    def __mul__(self, other: int) -> int:
        self.budget.spend(self.cost)
        return int(self) * other


def _series(budget: _Budget) -> type[Any]:
    """The library's series of one UID, with everything it does charged to the budget."""

    class Rules(Series.RecurrenceRules):  # type: ignore[misc]
        walked = 0

        def rrulestr(self, rule_string: str) -> Any:
            rule = super().rrulestr(rule_string)
            parts = dict(part.split("=", 1) for part in rule_string.upper().split(";"))
            times = prod(parts.get(name, "").count(",") + 1 for name in ("BYHOUR", "BYMINUTE", "BYSECOND"))
            picked = parts["BYSETPOS"].count(",") + 2 if "BYSETPOS" in parts else 1
            interval = _Interval(rule._interval)
            interval.cost = _PERIOD_COST.get(parts["FREQ"], 2) * times * picked
            if self.tzinfo is not None and not isinstance(self.tzinfo, ZoneInfo):
                interval.cost *= _FOREIGN_ZONE
            interval.budget = budget
            rule._interval = interval
            return rule

        def rrule_between(self, span_start: datetime, span_stop: datetime) -> Iterator[datetime]:
            budget.spend(self.walked)  # a second walk is over remembered dates, but not free
            before = budget.work
            if self.tzinfo is not None and span_start.tzinfo is not None:
                # Comparing within one zone spares a look at the zone for each date.
                span_start, span_stop = span_start.astimezone(self.tzinfo), span_stop.astimezone(self.tzinfo)
            yield from super().rrule_between(span_start, span_stop)
            self.walked = max(self.walked, before - budget.work)

    class Counted(Series):  # type: ignore[misc]
        RecurrenceRules = Rules

        def occurrence(self, *args: Any, **options: Any) -> Any:
            budget.occur()
            budget.spend(1 + len(self.this_and_future))
            return super().occurrence(*args, **options)

    return Counted


def _parse(data: bytes) -> list[icalendar.Component]:
    with _zones, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # guesses about a TZID with a maker's prefix
        tzp.use_default()  # forget the zones of other feeds: "Customized Time Zone" differs in each
        try:
            expected = _check_zones(Contentlines.from_ical(data))  # type: ignore[no-untyped-call]
            calendars: list[icalendar.Component] = list(icalendar.Calendar.from_ical(data, multiple=True))
        finally:
            tzp.use_default()
    if not calendars or len(calendars) != expected:
        raise ValueError  # not a calendar, or the end is missing
    return calendars


def _check_zones(lines: Iterable[str]) -> int:
    """Refuse zone definitions that take long to work out. How many calendars the lines begin.

    A zone's rules are walked without a budget, so they may only be yearly, and few. Names that are known, Windows'
    included, are looked up here: `icalendar` then keeps to the pinned zone and leaves the feed's definition aside.
    """
    calendars = zones = depth = 0
    for line in lines:
        name, _, value = line.partition(":")
        name, value = _PROPERTY.split(name.upper(), 1)[0], value.strip()
        if name == "BEGIN":
            calendars += value.upper() == "VCALENDAR"
            zones += value.upper() == "VTIMEZONE"
            depth += value.upper() == "VTIMEZONE"
        elif name == "END":
            depth -= value.upper() == "VTIMEZONE"
        elif depth and name == "TZID":
            tzp.timezone(value)
        elif depth and name == "RRULE":
            parts = value.upper().split(";")
            if (
                len(value) > _MAX_ZONE_RULE
                or "FREQ=YEARLY" not in parts
                or any("SECOND" in p or "MINUTE" in p for p in parts)
            ):
                raise _TooMuchError
        if zones > MAX_ZONES:
            raise _TooMuchError
    return calendars


def _intervals(
    calendars: Iterable[icalendar.Component], first: datetime, last: datetime, here: tzinfo
) -> Iterator[Interval]:
    budget = _Budget()
    for calendar in calendars:
        for event in calendar.walk("VEVENT"):
            rules = event.get("RRULE", [])
            if any("FREQ" not in rule for rule in (rules if isinstance(rules, list) else [rules])):
                raise ValueError  # how it repeats is not known
        query = CalendarQuery(calendar, components=[ComponentsWithName("VEVENT", series=_series(budget))])
        for event in query.between(first - _MARGIN, last + _MARGIN):
            start, end = event["DTSTART"].dt, event["DTEND"].dt
            if _takes_time(event, all_day=not isinstance(start, datetime)):
                yield _instant(start, here), _instant(end, here)
        for component in calendar.walk("VFREEBUSY"):
            periods = component.get("FREEBUSY", [])
            for period in periods if isinstance(periods, list) else [periods]:
                budget.occur()
                if not isinstance(period, vPeriod):
                    raise ValueError  # when the owner is busy is not known
                if str(period.params.get("FBTYPE", "BUSY")).upper() not in ("FREE", "BUSY-TENTATIVE"):
                    yield _instant(period.start, here), _instant(period.end, here)


def _takes_time(event: icalendar.Component, *, all_day: bool) -> bool:
    shown = str(event.get("TRANSP", "")).upper()
    outlook = str(event.get("X-MICROSOFT-CDO-BUSYSTATUS", "")).upper()
    if str(event.get("STATUS", "")).upper() == "CANCELLED" or shown == "TRANSPARENT":
        return False
    if outlook in ("FREE", "WORKINGELSEWHERE"):
        return False
    return not all_day or shown == "OPAQUE" or outlook in ("BUSY", "OOF")


def _instant(at: date, here: tzinfo) -> datetime:
    if not isinstance(at, datetime):
        at = datetime.combine(at, time.min)
    return (at if at.tzinfo is not None else at.replace(tzinfo=here)).astimezone(UTC)


def _merged(intervals: Iterable[Interval], first: datetime, last: datetime) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted((max(start, first), min(end, last)) for start, end in intervals):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
