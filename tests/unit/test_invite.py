"""What an invitation promises to the calendars that read it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import icalendar
import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from hypothesis import given, settings, strategies as st

from rapport.mail import invite
from rapport.mail.invite import Attendee, Invitation, cancel, request, vtimezone

ZONES = sorted(available_timezones())
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LAST = datetime(2030, 1, 1, tzinfo=UTC)

KICK_OFF = Invitation(
    uid="7f3a@rapport.example",
    sequence=3,
    stamp=datetime(2026, 11, 20, 8, 30, tzinfo=UTC),
    start=datetime(2026, 11, 30, 14, tzinfo=UTC),
    end=datetime(2026, 11, 30, 15, tzinfo=UTC),
    zone="Europe/Zurich",
    summary="Kick-off",
    description="Agenda:\n1. goals",
    location="Room 4",
    join_url="https://meet.example.com/j/1?a=1,2;b=3",
    organizer_name="Tam Ito",
    organizer="rapport@example.com",
    attendees=(
        Attendee("Ana Silva", "ana@versayce.example", required=True),
        Attendee("Bo Li", "bo@versayce.example", required=False),
    ),
    alarm_minutes=15,
)

# The characters that a checked text may hold: no control characters, no separators of lines, no marks of direction.
CHARACTERS = st.characters(
    exclude_categories=("Cc", "Cs", "Zl", "Zp"),
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
LINES = st.text(CHARACTERS, max_size=120).map(str.strip).filter(lambda text: text and "=?" not in text)
EVERY = settings(deadline=None)  # the first invitation for a zone takes longer than the others'


def unfolded(data: bytes) -> list[str]:
    """The content lines (RFC 5545, 3.1)."""
    return data.decode().replace("\r\n ", "").split("\r\n")[:-1]


def values(data: bytes, name: str) -> list[str]:
    """What follows the property's name on each of its lines, in order."""
    return [line[len(name) :] for line in unfolded(data) if re.match(rf"{name}[:;]", line)]


def unescaped(text: str) -> str:
    """A TEXT as it was (RFC 5545, 3.3.11)."""
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], text)


def event_of(data: bytes) -> Any:
    """The one event, as `icalendar` reads it."""
    (event,) = icalendar.Calendar.from_ical(data).walk("VEVENT")
    assert not event.errors
    return event


class Reader:
    """A reader of VTIMEZONE that shares nothing with the writer: dateutil expands the rules."""

    def __init__(self, lines: list[str]) -> None:
        self.onsets: list[tuple[datetime, timedelta]] = []
        self.daylight: list[str] = []
        part: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            if line in ("BEGIN:STANDARD", "BEGIN:DAYLIGHT"):
                part = {"KIND": value}
            elif line in ("END:STANDARD", "END:DAYLIGHT"):
                self._add(part)
            else:
                part[name] = value
        self.onsets.sort()

    def _add(self, part: dict[str, str]) -> None:
        start = datetime.strptime(part["DTSTART"], "%Y%m%dT%H%M%S")  # noqa: DTZ007
        before, after = self._offset(part["TZOFFSETFROM"]), self._offset(part["TZOFFSETTO"])
        walls = [start]
        if "RRULE" in part:
            walls = rrulestr(part["RRULE"] + ";UNTIL=20400101T000000", dtstart=start)
            assert walls[0] == start, "DTSTART does not follow its own rule"
        self.onsets += [((wall - before).replace(tzinfo=UTC), after) for wall in walls]
        if part["KIND"] == "DAYLIGHT":
            self.daylight.append(part["TZNAME"])

    @staticmethod
    def _offset(text: str) -> timedelta:
        size = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]), seconds=int(text[5:7] or 0))
        return -size if text[0] == "-" else size

    def offset(self, at: datetime) -> timedelta:
        index = bisect_right(self.onsets, at, key=lambda onset: onset[0])
        assert index, "nothing is said about this instant"
        return self.onsets[index - 1][1]

    def instants(self, wall: datetime) -> set[datetime]:
        """Every instant at which clocks show this."""
        offsets = {offset for _, offset in self.onsets}
        candidates = {(wall - offset).replace(tzinfo=UTC) for offset in offsets}
        return {at for at in candidates if at.replace(tzinfo=None) + self.offset(at) == wall}


def reader(zone: str, first: datetime = FIRST, last: datetime = LAST) -> Reader | None:
    component = vtimezone(zone, first, last)
    return None if component is None else Reader(unfolded(component.to_ical()))


def instants(first: datetime, last: datetime, read: Reader) -> Iterator[datetime]:
    """About once a day, at all hours, and both sides of each change."""
    yield from (first + timedelta(hours=23 * n) for n in range(int((last - first) / timedelta(hours=23))))
    for onset, _ in read.onsets:
        if first < onset < last:
            yield from (onset - timedelta(seconds=1), onset)


def test_every_zone_is_written_exactly_or_not_at_all() -> None:
    """Over four years, every VTIMEZONE means what the zone means, and few rules are left to UTC."""
    wrong, silent = set(), set()
    for zone in ZONES:
        read = reader(zone)
        if read is None:
            silent.add(invite._footer(zone))
            continue
        here = ZoneInfo(zone)
        if any(read.offset(at) != at.astimezone(here).utcoffset() for at in instants(FIRST, LAST, read)):
            wrong.add(zone)
    assert wrong == set()
    assert len(silent) <= 15, silent


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Zurich",
        "America/New_York",
        "Pacific/Auckland",
        "Australia/Lord_Howe",
        "Europe/Dublin",
        "Asia/Kolkata",
        "America/Sao_Paulo",
        "America/Nuuk",
        "America/Santiago",
        "Asia/Jerusalem",
        "Pacific/Chatham",
    ],
)
def test_a_zone_with_a_steady_rule_can_be_written(zone: str) -> None:
    """People in these zones see the zone's name in their invitation."""
    assert vtimezone(zone, FIRST, LAST) is not None


@EVERY
@given(zone=st.sampled_from(ZONES), first=st.datetimes(datetime(2024, 1, 1), datetime(2034, 1, 1)))  # noqa: DTZ001
def test_a_zone_is_exact_from_any_day_on(zone: str, first: datetime) -> None:
    """Wherever the horizon begins, each observance begins before it, and the whole year after it is right."""
    begin = first.replace(tzinfo=UTC)
    read = reader(zone, begin, begin + timedelta(days=365))
    if read is not None:
        here = ZoneInfo(zone)
        for at in instants(begin, begin + timedelta(days=365), read):
            assert read.offset(at) == at.astimezone(here).utcoffset()


@pytest.mark.parametrize("zone", ZONES[::7])
def test_each_observance_begins_with_a_real_change(zone: str) -> None:
    """DTSTART of each observance is an instant at which the clocks of the zone did change."""
    read = reader(zone)
    if read is None or len(read.onsets) == 1:
        return  # written in UTC, or without changes
    here = ZoneInfo(zone)
    for onset, offset in read.onsets:
        if onset < LAST:
            assert onset.astimezone(here).utcoffset() == offset
            assert (onset - timedelta(seconds=1)).astimezone(here).utcoffset() != offset


def test_daylight_is_the_time_that_is_ahead() -> None:
    """Ireland's summer is DAYLIGHT for readers, though its law calls it standard time."""
    read = reader("Europe/Dublin")
    assert read is not None
    assert read.daylight == ["IST"]


def test_a_fixed_zone_has_one_standard_time() -> None:
    """A zone that never changes is one STANDARD without a rule."""
    component = vtimezone("Asia/Kolkata", FIRST, LAST)
    assert component is not None
    assert [part.name for part in component.subcomponents] == ["STANDARD"]
    assert "RRULE" not in component.subcomponents[0]


@pytest.mark.parametrize("zone", ["America/Vancouver", "Africa/Casablanca", "Africa/Cairo", "Asia/Gaza", "Etc/UTC"])
def test_a_zone_without_a_lasting_rule_is_not_written(zone: str) -> None:
    """Changed laws, Ramadan, days that leave their month, and UTC itself have no VTIMEZONE."""
    assert vtimezone(zone, FIRST, LAST) is None


@pytest.mark.parametrize("footer", ["", "EST5EDT,J60,J300", "EST5EDT,59/2,300/2", "EST5EDT,0/0,J365/25", "nonsense"])
def test_rules_in_another_form_are_not_guessed(footer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A POSIX rule that counts days of the year, or is no rule, has no VTIMEZONE."""
    monkeypatch.setattr(invite, "_footer", lambda zone: footer)
    invite._observances.cache_clear()
    assert vtimezone("America/New_York", FIRST, LAST) is None


def test_a_rule_that_the_zone_does_not_follow_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the zone's last line says counts only as far as zoneinfo agrees, to the second."""
    for footer in ("EST5EDT,M3.2.0,M11.2.0", "EST5EDT,M3.2.0/2:00:01,M11.1.0", "EST5", "EST5EST5,M3.2.0,M11.1.0"):
        monkeypatch.setattr(invite, "_footer", lambda zone, footer=footer: footer)
        invite._observances.cache_clear()
        assert vtimezone("America/New_York", FIRST, LAST) is None
    monkeypatch.undo()
    invite._observances.cache_clear()
    assert vtimezone("America/New_York", FIRST, LAST) is not None


@EVERY
@given(
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2033, 1, 1)),  # noqa: DTZ001
    minutes=st.integers(1, 600),
    write=st.sampled_from([request, cancel]),
)
def test_an_event_takes_place_when_it_should(zone: str, start: datetime, minutes: int, write: Any) -> None:
    """Read by name or by the VTIMEZONE alone, start and end are the instants given, and never a choice of two."""
    begin = start.replace(microsecond=0, tzinfo=UTC)
    end = begin + timedelta(minutes=minutes)
    data = write(replace(KICK_OFF, zone=zone, start=begin, end=end))
    event = event_of(data)
    assert (event["DTSTART"].dt.astimezone(UTC), event["DTEND"].dt.astimezone(UTC)) == (begin, end)
    for name, at in (("DTSTART", begin), ("DTEND", end)):
        value = values(data, name)[-1]
        if value.endswith("Z"):
            assert value == at.strftime(":%Y%m%dT%H%M%SZ")
        else:
            tzid, _, wall = value.removeprefix(";TZID=").partition(":")
            assert tzid == zone
            assert values(data, "TZID") == [f":{zone}"]
            local = datetime.strptime(wall, "%Y%m%dT%H%M%S")  # noqa: DTZ007
            assert Reader(unfolded(data)).instants(local) == {at}


def test_an_hour_that_occurs_twice_is_written_in_utc() -> None:
    """When clocks go back, readers differ on which of the two hours is meant; UTC leaves no doubt."""
    for hour in (0, 1):
        start = datetime(2026, 10, 25, hour, 15, tzinfo=UTC)
        data = request(replace(KICK_OFF, start=start, end=start + timedelta(hours=3)))
        assert values(data, "DTSTART") == [start.strftime(":%Y%m%dT%H%M%SZ")]
    start = datetime(2026, 10, 25, 4, tzinfo=UTC)
    data = request(replace(KICK_OFF, start=start, end=start + timedelta(hours=1)))
    assert values(data, "DTSTART")[-1] == ";TZID=Europe/Zurich:20261025T050000"


def test_a_zone_without_a_rule_is_written_in_utc() -> None:
    """Where no VTIMEZONE is possible, none is sent, and no TZID refers to it."""
    data = request(replace(KICK_OFF, zone="Africa/Cairo"))
    assert b"VTIMEZONE" not in data
    assert b"TZID" not in data
    assert values(data, "DTSTART") == [":20261130T140000Z"]


def test_a_request_holds_what_was_passed_and_no_more() -> None:
    """Every line of a request is accounted for."""
    lines = unfolded(request(KICK_OFF))
    assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
    assert set(lines[2:5]) == {f"PRODID:{invite.PRODUCT}", "CALSCALE:GREGORIAN", "METHOD:REQUEST"}
    event = lines[lines.index("BEGIN:VEVENT") :]
    assert sorted(event) == sorted(
        [
            "BEGIN:VEVENT",
            "UID:7f3a@rapport.example",
            "SEQUENCE:3",
            "DTSTAMP:20261120T083000Z",
            "DTSTART;TZID=Europe/Zurich:20261130T150000",
            "DTEND;TZID=Europe/Zurich:20261130T160000",
            "SUMMARY:Kick-off",
            "DESCRIPTION:Agenda:\\n1. goals",
            "LOCATION:Room 4",
            "URL:https://meet.example.com/j/1?a=1,2;b=3",
            "CONFERENCE;FEATURE=AUDIO,VIDEO;LABEL=Join the meeting;VALUE=URI:https://meet.example.com/j/1?a=1,2;b=3",
            'ORGANIZER;CN="Tam Ito":mailto:rapport@example.com',
            'ATTENDEE;CN="Ana Silva";CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;RSVP=TRUE'
            ":mailto:ana@versayce.example",
            'ATTENDEE;CN="Bo Li";CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;ROLE=OPT-PARTICIPANT;RSVP=TRUE'
            ":mailto:bo@versayce.example",
            "TRANSP:OPAQUE",
            "STATUS:CONFIRMED",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            "TRIGGER:-PT15M",
            "DESCRIPTION:Kick-off",
            "END:VALARM",
            "END:VEVENT",
            "END:VCALENDAR",
        ]
    )


def test_what_is_not_there_leaves_no_line() -> None:
    """No link, place, text or alarm means no property, empty or otherwise."""
    data = request(replace(KICK_OFF, description="", location="", join_url=None, alarm_minutes=None))
    for name in ("DESCRIPTION", "LOCATION", "URL", "CONFERENCE", "BEGIN:VALARM"):
        assert not any(line.startswith(name) for line in unfolded(data))


def test_a_cancellation_names_the_same_event() -> None:
    """CANCEL repeats the UID with the SEQUENCE given, is CANCELLED, and rings no alarm."""
    data = cancel(replace(KICK_OFF, sequence=4))
    assert values(data, "METHOD") == [":CANCEL"]
    assert values(data, "STATUS") == [":CANCELLED"]
    assert values(data, "UID") == values(request(KICK_OFF), "UID")
    assert values(data, "SEQUENCE") == [":4"]
    assert b"VALARM" not in data


def test_the_same_revision_has_the_same_bytes() -> None:
    """A mail that is sent again holds the identical invitation."""
    assert request(KICK_OFF) == request(replace(KICK_OFF))


@EVERY
@given(
    summary=LINES,
    description=st.lists(LINES, min_size=1, max_size=4).map("\n".join),
    location=LINES,
    names=st.lists(LINES, min_size=1, max_size=4),
)
def test_any_text_arrives_as_it_was_written(summary: str, description: str, location: str, names: list[str]) -> None:
    """Texts survive escaping and folding; each person has one line, and a name loses quotes and backslashes alone."""
    people = tuple(Attendee(name, f"p{n}@example.com", required=n % 2 == 0) for n, name in enumerate(names))
    invitation = replace(
        KICK_OFF, summary=summary, description=description, location=location, organizer_name=names[0], attendees=people
    )
    data = request(invitation)
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", data)
    assert data.endswith(b"END:VCALENDAR\r\n")
    assert unescaped(values(data, "SUMMARY")[0][1:]) == summary
    assert unescaped(values(data, "DESCRIPTION")[0][1:]) == description
    assert unescaped(values(data, "LOCATION")[0][1:]) == location
    event = event_of(data)
    read = event["ATTENDEE"] if isinstance(event["ATTENDEE"], list) else [event["ATTENDEE"]]
    assert [str(person) for person in read] == [f"mailto:{person.address}" for person in people]
    assert [person.params["CN"] for person in read] == [name.replace('"', "'").replace("\\", "/") for name in names]
    assert str(event["ORGANIZER"]) == "mailto:rapport@example.com"


def test_a_name_cannot_leave_its_quotes() -> None:
    """A double quote in a name, which RFC 5545 has no way to write, becomes an apostrophe."""
    person = Attendee('Eve";ROLE=CHAIR:mailto:x@example.com,"', "eve@example.com", required=False)
    data = request(replace(KICK_OFF, attendees=(person,)))
    (line,) = values(data, "ATTENDEE")
    assert line.count('"') == 2
    assert "CN=\"Eve';ROLE=CHAIR:mailto:x@example.com,'\";" in line
    assert event_of(data)["ATTENDEE"].params["ROLE"] == "OPT-PARTICIPANT"
    assert line.endswith(":mailto:eve@example.com")


def test_a_backslash_before_n_is_not_a_line_break() -> None:
    """A path such as C:\\New stays one."""
    assert values(request(replace(KICK_OFF, summary="C:\\New; a, b")), "SUMMARY") == [":C:\\\\New\\; a\\, b"]


@pytest.mark.parametrize("breaker", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x85", "\u2028", "\u2029", "\u202e"])
@pytest.mark.parametrize("field", ["uid", "summary", "location", "join_url", "organizer_name", "organizer", "zone"])
def test_a_line_cannot_be_smuggled_in(field: str, breaker: str) -> None:
    """A line break, or what some reader takes for one, is refused in every one-line field."""
    changes: dict[str, Any] = {field: f"https://a{breaker}ATTENDEE:mailto:eve@example.com"}
    for write in (request, cancel):
        with pytest.raises(ValueError, match=r"."):
            write(replace(KICK_OFF, **changes))


@pytest.mark.parametrize("breaker", ["\r\n", "\n", "\r", "\x00", "\u2028"])
def test_a_line_cannot_be_smuggled_in_by_an_attendee(breaker: str) -> None:
    """Names and addresses of attendees are refused in the same way."""
    for person in (
        Attendee(f"Eve{breaker}STATUS:X", "eve@example.com", required=True),
        Attendee("Eve", f"eve@example.com{breaker}STATUS:X", required=True),
    ):
        with pytest.raises(ValueError, match=r"."):
            request(replace(KICK_OFF, attendees=(person,)))


def test_a_description_keeps_its_lines_to_itself() -> None:
    """Line feeds of a description are written as \\n; what looks like a property inside it is text."""
    data = request(replace(KICK_OFF, description="a\r\nATTENDEE:mailto:eve@example.com\n\tb"))
    assert values(data, "DESCRIPTION")[0] == ":a\\nATTENDEE:mailto:eve@example.com\\n\tb"
    assert len(values(data, "ATTENDEE")) == 2
    with pytest.raises(ValueError, match="control character"):
        request(replace(KICK_OFF, description="a\rb"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end": KICK_OFF.start}, "after the start"),
        ({"start": datetime(2026, 11, 30, 14)}, "zone"),  # noqa: DTZ001
        ({"stamp": datetime(2026, 11, 30, 14)}, "zone"),  # noqa: DTZ001
        ({"start": KICK_OFF.start.replace(microsecond=1)}, "whole second"),
        ({"zone": "Europe/Nowhere"}, "IANA"),
        ({"zone": "../../etc/passwd"}, "IANA"),
        ({"sequence": -1}, "sequence"),
        ({"uid": " "}, "uid"),
        ({"alarm_minutes": -1}, "minutes"),
        ({"join_url": "javascript:alert(1)"}, "link"),
        ({"join_url": "https://example.com/a b"}, "link"),
        ({"join_url": 'https://example.com/"x'}, "link"),
        ({"organizer": "rapport@example.com,eve@example.com"}, "address"),
        ({"organizer": "Eve <eve@example.com>"}, "address"),
        ({"organizer": "mailto:eve@example.com"}, "address"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    """Impossible times and malformed addresses raise ValueError, in words."""
    with pytest.raises(ValueError, match=message):
        request(replace(KICK_OFF, **changes))


def test_nobody_is_listed_twice() -> None:
    """One address in two lines, whatever its case, is refused rather than sent."""
    twice = (*KICK_OFF.attendees, Attendee("Ana", "ANA@versayce.example", required=False))
    with pytest.raises(ValueError, match="twice"):
        request(replace(KICK_OFF, attendees=twice))


def test_an_unusual_address_is_a_valid_uri() -> None:
    """What a mailto URI cannot hold is percent-encoded (RFC 6068); the rest is as addressed."""
    person = Attendee("A", "o'neil+50%?#{x}@example.com", required=True)
    (line,) = values(request(replace(KICK_OFF, attendees=(person,))), "ATTENDEE")
    assert line.endswith(":mailto:o'neil+50%25%3F%23%7Bx%7D@example.com")


def test_the_horizon_runs_forward() -> None:
    """Instants in the wrong order are refused, as are instants without a zone."""
    with pytest.raises(ValueError, match="before the first"):
        vtimezone("Europe/Zurich", LAST, FIRST)
    with pytest.raises(ValueError, match="zone"):
        vtimezone("Europe/Zurich", datetime(2026, 1, 1), LAST)  # noqa: DTZ001
