"""Calendar invitations as bytes: RFC 5545 (iCalendar), RFC 5546 (iTIP), RFC 7986 (CONFERENCE). Pure, no clock."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import icalendar
from icalendar.prop import vCalAddress, vDDDLists, vDDDTypes, vRecur, vText, vUri

from rapport.model.base import plain, prose, zone_name

PRODUCT: Final = "-//Rapport//Rapport//EN"

# A VTIMEZONE holds for at least this long after the month in which the event starts: readers keep zones by name.
_HORIZON: Final = timedelta(days=400)
_SAMPLE: Final = timedelta(hours=6)
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(weeks=1)
_WEEKDAYS: Final = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")

_LINK = re.compile(r"https?://[!#-;=?-\[\]^-~]+")  # printable ASCII without space, quotes, angle brackets, backslash
_ADDRESS = re.compile(r"[!#-'*+\--9=?A-Z^-~.]+@[A-Za-z0-9.\-\[\]:]+")

_NAME = r"<[A-Za-z0-9+-]+>|[A-Za-z]{3,}"
_HMS = r"[+-]?\d{1,3}(?::\d\d){0,2}"
_POSIX = re.compile(
    rf"(?P<name>{_NAME})(?P<offset>{_HMS})"
    rf"(?:(?P<summer>{_NAME})(?P<summer_offset>{_HMS})?,(?P<begin>[^,]+),(?P<end>[^,]+))?"
)
_POSIX_DATE = re.compile(rf"M(?P<month>\d+)\.(?P<week>\d)\.(?P<weekday>\d)(?:/(?P<time>{_HMS}))?")


class ListedTwiceError(ValueError):
    """Two of those who are invited have the same address."""


@dataclass(frozen=True)
class Attendee:
    """One person who is asked. `address` stands in the invitation exactly as the mail is addressed."""

    name: str
    address: str
    required: bool


@dataclass(frozen=True)
class EventSeries:
    """An event that recurs every so many weeks, without end.

    Attributes:
        weeks: From one occurrence to the next, on the same day of the week at the same wall time.
        excluded: The occurrences that drop out, by the instant of the rule (EXDATE; RFC 5545, 3.8.5.1).
        moved: Those that take place at another time: the instant of the rule, the new start, the new end.
        dates: All occurrences of the coming year. Where the rule can only be written in UTC, those that it gives at
            another time, as the clocks have changed by then, are written one by one.
    """

    weeks: int
    excluded: tuple[datetime, ...] = ()
    moved: tuple[tuple[datetime, datetime, datetime], ...] = ()
    dates: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Invitation:
    """One event, as its attendees may see it: nothing else gets into the bytes.

    Attributes:
        uid: Stable for as long as the meeting exists, whatever its time (RFC 5545, 3.8.4.7).
        sequence: Grows with each change of time and with the cancellation (RFC 5545, 3.8.7.4).
        stamp: When this revision was written, in UTC. Frozen with the revision, so that its bytes never change.
        start: The first instant, in whole seconds.
        end: The instant after the last, in whole seconds.
        zone: The IANA zone whose wall time the event is written in.
        summary: One line.
        description: Any number of lines.
        location: One line; empty leaves it out.
        join_url: Where to join, http or https.
        organizer_name: The organiser's name, one line.
        organizer: The address that the mail comes from and replies go to.
        attendees: Everyone who is asked, once each.
        alarm_minutes: How many minutes before the start the reader's calendar reminds them; None leaves it to them.
        series: What recurs, if it does; `start` and `end` are its first occurrence's.
        occurrence: The one occurrence of a series that this is about, by the instant of the rule (RECURRENCE-ID;
            RFC 5545, 3.8.4.4).
        counted_from: The first occurrence of that series.
    """

    uid: str
    sequence: int
    stamp: datetime
    start: datetime
    end: datetime
    zone: str
    summary: str
    description: str
    location: str
    join_url: str | None
    organizer_name: str
    organizer: str
    attendees: tuple[Attendee, ...]
    alarm_minutes: int | None = None
    series: EventSeries | None = None
    occurrence: datetime | None = None
    counted_from: datetime | None = None


def request(invitation: Invitation) -> bytes:
    """The invitation, or a new revision of it: METHOD:REQUEST (RFC 5546, 3.2.2).

    The event is written in wall time of its zone, with a VTIMEZONE, and in UTC where that cannot be done exactly:
    the zone has no yearly rule, or a wall time of the event occurs twice, when clocks go back.

    Returns:
        UTF-8, lines of at most 75 octets, each ended by CRLF.

    Raises:
        ValueError: A value would break the format or the meaning: a line break or another control character in a
            one-line text, a malformed address or link, a time without a zone or with a fraction of a second, an end
            that is not after the start, an unknown zone, an attendee listed twice.
    """
    event = _event(invitation)
    event.add("STATUS", "CONFIRMED")
    if invitation.alarm_minutes is not None:
        if invitation.alarm_minutes < 0:
            raise ValueError("an alarm before the start needs a positive number of minutes")
        alarm = icalendar.Alarm()
        alarm.add("ACTION", "DISPLAY")
        alarm.add("TRIGGER", -timedelta(minutes=invitation.alarm_minutes))
        alarm.add("DESCRIPTION", _Text(plain(invitation.summary)))
        event.add_component(alarm)
    others = []
    for original, start, end in _apart(invitation):
        one = replace(invitation, occurrence=original, counted_from=invitation.start, start=start, end=end, series=None)
        other = _event(one, series=invitation)
        other.add("STATUS", "CONFIRMED")
        others.append(other)
    return _calendar("REQUEST", [event, *others], invitation)


def _apart(invitation: Invitation) -> list[tuple[datetime, datetime, datetime]]:
    """The occurrences of a series that take place at another time than its rule gives, as `EventSeries.moved`."""
    series = invitation.series
    if series is None:
        return []
    found = list(series.moved)
    if _written_in(invitation) is None:
        known, lasts = {original for original, _, _ in found}, invitation.end - invitation.start
        ahead = [at for at in series.dates if at not in known and at not in series.excluded]
        found += [(at, at, at + lasts) for at in ahead if at != _by_rule(at, invitation.start)]
    return sorted(found)


def _by_rule(at: datetime, first: datetime) -> datetime:
    """When a rule in UTC gives an occurrence: whole weeks after the first, whatever the clocks show by then."""
    return first + round((at - first) / _WEEK) * _WEEK


def cancel(invitation: Invitation) -> bytes:
    """The cancellation: METHOD:CANCEL, STATUS:CANCELLED (RFC 5546, 3.2.5).

    The caller passes the UID of the request and a higher SEQUENCE. To take a single person off a meeting that goes
    ahead, pass that person as the only attendee and send it to nobody else.

    Returns:
        As `request`.

    Raises:
        ValueError: As `request`.
    """
    event = _event(invitation)
    event.add("STATUS", "CANCELLED")
    return _calendar("CANCEL", [event], invitation)


def vtimezone(zone: str, first: datetime, last: datetime) -> icalendar.Timezone | None:
    """The zone as a VTIMEZONE with one rule a year and observance (RFC 5545, 3.6.5).

    The rules come from the POSIX string that ends the zone's TZif file (RFC 9636, 3.3), taken from the pinned
    `tzdata` package, and are checked against `zoneinfo` from the first onset they name until `last`. `icalendar`
    can generate a VTIMEZONE too, but other readers took its lists of dates for wrong offsets.

    Args:
        zone: An IANA name; it becomes the TZID.
        first: The earliest instant that has to be right.
        last: The latest.

    Returns:
        None where the answer is to write UTC instead: the zone is UTC, its rules change within the horizon, or its
        rule cannot be said with a month and a weekday.

    Raises:
        ValueError: The zone is unknown, an instant has no zone, or `last` is before `first`.
    """
    observances = _observances(zone_name(zone), _utc(first), _utc(last))
    if not observances:
        return None
    component = icalendar.Timezone()
    component.add("TZID", _Text(zone))
    latest = max(observance.offset_to for observance in observances)
    for observance in observances:
        # The name follows the clock, not the law: Ireland's legal standard time is its summer time (IST), and
        # readers, Outlook first, expect DAYLIGHT to be the one that is ahead.
        ahead = len(observances) > 1 and observance.offset_to == latest
        part = icalendar.TimezoneDaylight() if ahead else icalendar.TimezoneStandard()
        part.add("DTSTART", observance.onset)
        part.add("TZOFFSETFROM", observance.offset_from)
        part.add("TZOFFSETTO", observance.offset_to)
        part.add("TZNAME", _Text(observance.name))
        if observance.rule is not None:
            part.add("RRULE", vRecur(observance.rule.rrule()))
        component.add_component(part)
    return component


class _Text(vText):
    """TEXT, escaped as RFC 5545, 3.3.11 has it. `icalendar` takes the \\N of C:\\New for a line break."""

    def to_ical(self) -> bytes:
        escaped = self.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
        return escaped.encode()


def _calendar(method: str, events: list[icalendar.Event], invitation: Invitation) -> bytes:
    whole = icalendar.Calendar()
    whole.add("PRODID", PRODUCT)
    whole.add("VERSION", "2.0")
    whole.add("CALSCALE", "GREGORIAN")
    whole.add("METHOD", method)
    zone = _written_in(invitation)
    if zone is not None:
        whole.add_component(zone)
    for event in events:
        whole.add_component(event)
    return bytes(whole.to_ical())


def _event(invitation: Invitation, series: Invitation | None = None) -> icalendar.Event:
    """The event. One occurrence is written as the series is that it stands beside."""
    start, end = _whole_seconds(invitation.start), _whole_seconds(invitation.end)
    if end <= start:
        raise ValueError("the end must be after the start")
    if invitation.sequence < 0:
        raise ValueError("the sequence must not be negative")
    if not plain(invitation.uid):
        raise ValueError("the uid must not be empty")
    event = icalendar.Event()
    event.add("UID", _Text(plain(invitation.uid)))
    event.add("SEQUENCE", invitation.sequence)
    event.add("DTSTAMP", _utc(invitation.stamp).replace(microsecond=0))
    zoned = _written_in(series or invitation) is not None
    times = [("DTSTART", start), ("DTEND", end)]
    if invitation.occurrence is not None:
        which, first = _whole_seconds(invitation.occurrence), invitation.counted_from
        times.append(("RECURRENCE-ID", which if zoned or first is None else _by_rule(which, _whole_seconds(first))))
    for name, at in times:
        if zoned:
            event.add(name, vDDDTypes(_wall(at, invitation.zone)), parameters={"TZID": invitation.zone})
        else:
            event.add(name, at)
    if invitation.series is not None:
        _recur(event, invitation.series, start, invitation.zone if zoned else None)
    event.add("SUMMARY", _Text(plain(invitation.summary)))
    if invitation.description:
        event.add("DESCRIPTION", _Text(prose(invitation.description)))
    if invitation.location:
        event.add("LOCATION", _Text(plain(invitation.location)))
    if invitation.join_url is not None:
        if not _LINK.fullmatch(invitation.join_url):
            raise ValueError("the link to join must be an http or https address in plain ASCII")
        event.add("URL", vUri(invitation.join_url))
        link = vUri(invitation.join_url)
        link.params.update({"VALUE": "URI", "FEATURE": ["AUDIO", "VIDEO"], "LABEL": "Join the meeting"})
        event.add("CONFERENCE", link)
    event.add("ORGANIZER", _person(invitation.organizer_name, invitation.organizer))
    seen: set[str] = set()
    for attendee in invitation.attendees:
        if attendee.address.lower() in seen:
            raise ListedTwiceError("an attendee is listed twice; give each person one line")
        seen.add(attendee.address.lower())
        person = _person(attendee.name, attendee.address)
        person.params["CUTYPE"] = "INDIVIDUAL"
        person.params["ROLE"] = "REQ-PARTICIPANT" if attendee.required else "OPT-PARTICIPANT"
        person.params["PARTSTAT"] = "NEEDS-ACTION"
        person.params["RSVP"] = "TRUE"
        event.add("ATTENDEE", person)
    event.add("TRANSP", "OPAQUE")
    return event


def _recur(event: icalendar.Event, series: EventSeries, start: datetime, zone: str | None) -> None:
    """Write the rule by which a series recurs. In UTC it ends where nobody has looked how the clocks go on.

    Dates alone would do for RFC 5545; of those, some readers leave the first out, and others make no series.
    """
    weekday = _WEEKDAYS[(start if zone is None else _wall(start, zone)).isoweekday() % 7]
    rule: dict[str, Any] = {"FREQ": "WEEKLY", "INTERVAL": series.weeks, "BYDAY": weekday}
    excluded = sorted(_whole_seconds(at) for at in series.excluded)
    if zone is None:
        excluded = [_by_rule(at, start) for at in excluded]
        if any(at != _by_rule(at, start) for at in series.dates):
            rule["UNTIL"] = _by_rule(series.dates[-1], start)
    event.add("RRULE", vRecur(rule))
    if excluded:
        values = vDDDLists([at if zone is None else _wall(at, zone) for at in excluded])
        event.add("EXDATE", values, parameters={} if zone is None else {"TZID": zone})


def _wall(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _person(name: str, address: str) -> vCalAddress:
    if not _ADDRESS.fullmatch(plain(address)):
        raise ValueError("an address is malformed; write it as name@example.com, in ASCII")
    # RFC 6068 percent-encodes what a URI cannot hold; the rest stays as written, for readers that compare letters.
    person = vCalAddress("mailto:" + quote(address, safe="@!$&'*+/=[]:"))
    # RFC 6868 has an escape for the double quote, but not every reader knows it; and some, `icalendar` among them,
    # take a backslash before the next separator for an escape.
    person.params["CN"] = plain(name).replace('"', "'").replace("\\", "/")
    return person


def _written_in(invitation: Invitation) -> icalendar.Timezone | None:
    """The VTIMEZONE that the event is written in, or None for UTC."""
    start, end = _utc(invitation.start), _utc(invitation.end)
    zone = ZoneInfo(zone_name(invitation.zone))
    # A wall time that occurs twice means its first occurrence (RFC 5545, 3.3.5), but libical and ical.js read the
    # second: only UTC is safe for either.
    walls = [at.astimezone(zone).replace(fold=0) for at in (start, end)]
    if any(wall.utcoffset() != wall.replace(fold=1).utcoffset() for wall in walls):
        return None
    # From the month's first day, so that invitations for one month share the check.
    first = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return vtimezone(invitation.zone, first, max(first + _HORIZON, end))


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an instant must say its zone")
    return at.astimezone(UTC)


def _whole_seconds(at: datetime) -> datetime:
    if at.microsecond:
        raise ValueError("an event starts and ends on a whole second")
    return _utc(at)


@dataclass(frozen=True)
class _Rule:
    """A POSIX `Mm.w.d/time`, as the day and the wall time (below 24 h) that a rule of RFC 5545 can say.

    `shift` is how many days the day lies after the POSIX weekday: `M9.1.6/24` is the day after the first Saturday.
    """

    month: int
    week: int
    weekday: int
    shift: int
    time: timedelta

    def on(self, year: int) -> datetime:
        """The wall time of this year's onset, without a zone."""
        if self.week == 5:
            day = datetime(year, self.month, calendar.monthrange(year, self.month)[1])  # noqa: DTZ001 - wall time
            day -= timedelta(days=(day.isoweekday() - self.weekday) % 7)
        else:
            day = datetime(year, self.month, 7 * self.week - 6)  # noqa: DTZ001 - wall time
            day += timedelta(days=(self.weekday - day.isoweekday()) % 7)
        return day + timedelta(days=self.shift) + self.time

    def days(self) -> range | None:
        """The days of the month that the onset can fall on; None where it can leave the month."""
        if self.week == 5:
            if self.month == 2:
                return None  # the month's length is not fixed
            end = calendar.monthrange(2001, self.month)[1] + self.shift
        else:
            end = 7 * self.week + self.shift
        if end < 7 or end > calendar.monthrange(2001, self.month)[1]:
            return None
        return range(end - 6, end + 1)

    def rrule(self) -> dict[str, str | int | list[int]]:
        """The rule in the words of RFC 5545, 3.3.10."""
        weekday = _WEEKDAYS[(self.weekday + self.shift) % 7]
        days = self.days()
        if self.shift and days is not None:
            return {"FREQ": "YEARLY", "BYMONTH": self.month, "BYMONTHDAY": list(days), "BYDAY": weekday}
        return {"FREQ": "YEARLY", "BYMONTH": self.month, "BYDAY": f"{-1 if self.week == 5 else self.week}{weekday}"}


@dataclass(frozen=True)
class _Observance:
    """One STANDARD or DAYLIGHT. `onset` is wall time as it was just before, so it goes with `offset_from`."""

    name: str
    offset_from: timedelta
    offset_to: timedelta
    onset: datetime
    rule: _Rule | None


@lru_cache(maxsize=1024)
def _observances(zone: str, first: datetime, last: datetime) -> tuple[_Observance, ...]:
    """What the zone's VTIMEZONE says, exact from its first onset until `last`; empty where that cannot be said."""
    if last < first:
        raise ValueError("the last instant must not be before the first")
    footer = _footer(zone)
    posix = _POSIX.fullmatch(footer)
    if posix is None or footer == "UTC0":
        return ()
    standard = -_duration(posix["offset"])
    name = posix["name"].strip("<>")
    if posix["begin"] is None:
        fixed = _Observance(name, standard, standard, datetime(1970, 1, 1), None)  # noqa: DTZ001 - wall time
        return (fixed,) if _holds(zone, [(first, None, standard)], last) else ()
    summer = -_duration(posix["summer_offset"]) if posix["summer_offset"] else standard + timedelta(hours=1)
    begin, end = _rule(posix["begin"]), _rule(posix["end"])
    if begin is None or end is None or summer == standard:
        return ()
    years = range(first.year - 2, last.year + 2)
    there = [((begin.on(year) - standard).replace(tzinfo=UTC), standard, summer) for year in years]
    back = [((end.on(year) - summer).replace(tzinfo=UTC), summer, standard) for year in years]
    # Each observance begins at its last onset before the horizon: a real one, as the check below proves.
    from_there, from_back = (max(at for at, _, _ in changes if at <= first) for changes in (there, back))
    if not _holds(zone, sorted(c for c in there + back if c[0] >= min(from_there, from_back)), last):
        return ()
    return (
        _Observance(posix["summer"].strip("<>"), standard, summer, from_there.replace(tzinfo=None) + standard, begin),
        _Observance(name, summer, standard, from_back.replace(tzinfo=None) + summer, end),
    )


def _holds(zone: str, changes: list[tuple[datetime, timedelta | None, timedelta]], last: datetime) -> bool:
    """Whether `zoneinfo` agrees, from the first change until `last`, with (instant, offset before, offset after).

    Looked at: each change, the second before it, and every six hours between.
    """
    here = ZoneInfo(zone)
    end = last + _SECOND
    for index, (change, before, after) in enumerate(changes):
        if change > last:
            break
        if before is not None and (change - _SECOND).astimezone(here).utcoffset() != before:
            return False
        at, until = change, min(changes[index + 1][0], end) if index + 1 < len(changes) else end
        while at < until:
            if at.astimezone(here).utcoffset() != after:
                return False
            at += _SAMPLE
    return True


@cache
def _footer(zone: str) -> str:
    """The POSIX TZ string that closes the zone's TZif file (RFC 9636, 3.3); empty where there is none."""
    data = files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
    if data[:4] != b"TZif" or data[4:5] < b"2":
        return ""
    return data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii")


def _rule(text: str) -> _Rule | None:
    """Read one half of a POSIX rule. None for the forms that count days of the year, and for what RRULE cannot say."""
    match = _POSIX_DATE.fullmatch(text)
    if match is None:
        return None
    time = _duration(match["time"] or "2")
    rule = _Rule(int(match["month"]), int(match["week"]), int(match["weekday"]), time // _DAY, time % _DAY)
    return rule if rule.days() is not None or not rule.shift else None


def _duration(text: str) -> timedelta:
    parts = [int(part) for part in text.lstrip("+-").split(":")] + [0, 0]
    size = timedelta(hours=parts[0], minutes=parts[1], seconds=parts[2])
    return -size if text.startswith("-") else size
