"""What reading a member's calendar promises: no busy time missed, no feed trusted."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import given, settings, strategies as st
from icalendar.timezone import tzp

from rapport.mail import feed
from rapport.mail.feed import busy

FIRST = datetime(2026, 6, 1, tzinfo=UTC)
LAST = datetime(2026, 7, 1, tzinfo=UTC)
ZURICH = "Europe/Zurich"


def calendar(*components: str) -> bytes:
    """A calendar that holds these components."""
    return "\r\n".join(
        ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *components, "END:VCALENDAR", ""]
    ).encode()


def event(*lines: str, uid: str = "u@example.com") -> str:
    """An event that holds these lines."""
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"])


def hours(*pairs: tuple[int, int, int]) -> list[tuple[datetime, datetime]]:
    """Intervals in June 2026, as (day, first hour, last hour) in UTC."""
    return [
        (
            datetime(2026, 6, day, tzinfo=UTC) + timedelta(hours=a),
            datetime(2026, 6, day, tzinfo=UTC) + timedelta(hours=b),
        )
        for day, a, b in pairs
    ]


def read(*components: str, zone: str = ZURICH) -> list[tuple[datetime, datetime]]:
    """What is busy in June 2026."""
    return busy(calendar(*components), FIRST, LAST, zone)


def custom_zone(name: str, offset: str, rule: str = "") -> str:
    """A zone that only the feed defines."""
    lines = ["BEGIN:VTIMEZONE", f"TZID:{name}", "BEGIN:STANDARD", "DTSTART:16010101T000000"]
    lines += [
        f"TZOFFSETFROM:{offset}",
        f"TZOFFSETTO:{offset}",
        *([rule] if rule else []),
        "END:STANDARD",
        "END:VTIMEZONE",
    ]
    return "\r\n".join(lines)


NINE = ("DTSTART:20260602T090000Z", "DTEND:20260602T100000Z")


def test_an_event_is_busy() -> None:
    """An ordinary event is busy from its start to its end, in UTC."""
    assert read(event(*NINE)) == hours((2, 9, 10))
    assert read(event("DTSTART;TZID=Europe/Zurich:20260602T090000", "DURATION:PT90M")) == [
        (datetime(2026, 6, 2, 7, tzinfo=UTC), datetime(2026, 6, 2, 8, 30, tzinfo=UTC))
    ]


def test_only_the_window_counts() -> None:
    """Events are cut at the window's edges, and those that only touch it are left out."""
    assert read(
        event("DTSTART:20260531T230000Z", "DTEND:20260601T010000Z", uid="a"),
        event("DTSTART:20260630T230000Z", "DTEND:20260701T010000Z", uid="b"),
        event("DTSTART:20260531T230000Z", "DTEND:20260601T000000Z", uid="c"),
        event("DTSTART:20260701T000000Z", "DTEND:20260701T010000Z", uid="d"),
    ) == hours((1, 0, 1), (30, 23, 24))
    assert read(event("DTSTART:20200101T000000Z", "DTEND:20300101T000000Z")) == [(FIRST, LAST)]


def test_busy_times_are_merged() -> None:
    """Events that overlap or touch become one interval, whatever their order in the feed."""
    assert read(
        event("DTSTART:20260603T110000Z", "DTEND:20260603T120000Z", uid="a"),
        event("DTSTART:20260603T090000Z", "DTEND:20260603T110000Z", uid="b"),
        event("DTSTART:20260602T090000Z", "DTEND:20260602T120000Z", uid="c"),
        event("DTSTART:20260602T100000Z", "DTEND:20260602T110000Z", uid="d"),
    ) == hours((2, 9, 12), (3, 9, 12))


@pytest.mark.parametrize(
    "line",
    [
        "TRANSP:TRANSPARENT",
        "transp:transparent",
        "STATUS:CANCELLED",
        "X-MICROSOFT-CDO-BUSYSTATUS:FREE",
        "X-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE",
    ],
)
def test_free_time_is_free(line: str) -> None:
    """What is cancelled, or shown as free, does not make its owner busy."""
    assert read(event(*NINE, line)) == []


@pytest.mark.parametrize("line", ["TRANSP:OPAQUE", "STATUS:TENTATIVE", "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE"])
def test_what_may_take_place_is_busy(line: str) -> None:
    """A tentative event keeps its time."""
    assert read(event(*NINE, line)) == hours((2, 9, 10))


def test_an_event_without_length_is_not_busy() -> None:
    """A reminder at one instant takes no time."""
    assert read(event("DTSTART:20260602T090000Z")) == []


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("", False),
        ("TRANSP:OPAQUE", True),
        ("X-MICROSOFT-CDO-BUSYSTATUS:OOF", True),
        ("X-MICROSOFT-CDO-BUSYSTATUS:BUSY", True),
        ("X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE", False),
        ("TRANSP:TRANSPARENT\r\nX-MICROSOFT-CDO-BUSYSTATUS:OOF", False),
        ("TRANSP:OPAQUE\r\nX-MICROSOFT-CDO-BUSYSTATUS:FREE", False),
    ],
)
def test_an_all_day_event_is_busy_when_it_says_so(line: str, counts: bool) -> None:
    """A birthday leaves the day free, an absence takes it, from midnight to midnight in the owner's zone."""
    lines = ["DTSTART;VALUE=DATE:20260602", "DTEND;VALUE=DATE:20260604", *([line] if line else [])]
    here = ZoneInfo("Pacific/Auckland")
    expected = (datetime(2026, 6, 2, tzinfo=here).astimezone(UTC), datetime(2026, 6, 4, tzinfo=here).astimezone(UTC))
    assert read(event(*lines), zone="Pacific/Auckland") == ([expected] if counts else [])


def test_a_day_without_an_end_is_one_day() -> None:
    """An all-day event without DTEND lasts a day, also where clocks change on it."""
    data = calendar(event("DTSTART;VALUE=DATE:20260329", "TRANSP:OPAQUE"))
    first, last = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    ((start, end),) = busy(data, first, last, ZURICH)
    assert (start, end - start) == (datetime(2026, 3, 28, 23, tzinfo=UTC), timedelta(hours=23))


@given(
    wall=st.datetimes(datetime(2026, 5, 30), datetime(2026, 7, 3)),  # noqa: DTZ001
    zone=st.sampled_from([ZURICH, "Pacific/Kiritimati", "Etc/GMT+12"]),
)
@settings(deadline=None)
def test_a_floating_time_is_in_the_owners_zone(wall: datetime, zone: str) -> None:
    """A time without a zone is found wherever it falls, the edges of the window included."""
    start = wall.replace(microsecond=0, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    clipped = (max(start, FIRST), min(start + timedelta(hours=1), LAST))
    found = read(event(f"DTSTART:{wall:%Y%m%dT%H%M%S}", "DURATION:PT1H"), zone=zone)
    assert found == ([clipped] if clipped[0] < clipped[1] else [])


def test_the_zone_of_the_feed_does_not_matter() -> None:
    """X-WR-TIMEZONE, which no standard has, neither moves a time nor makes a feed unreadable."""
    for name in ("America/New_York", "Nowhere/Land"):
        data = calendar(f"X-WR-TIMEZONE:{name}", event("DTSTART:20260602T090000", "DTEND:20260602T100000"))
        assert busy(data, FIRST, LAST, ZURICH) == hours((2, 7, 8))


def test_a_series_repeats_in_wall_time() -> None:
    """A weekly event stays at its hour when clocks change."""
    data = calendar(event("DTSTART;TZID=Europe/Zurich:20260101T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY"))
    found = busy(data, datetime(2026, 3, 26, tzinfo=UTC), datetime(2026, 4, 3, tzinfo=UTC), ZURICH)
    assert [start.hour for start, _ in found] == [8, 7]


def test_exceptions_to_a_series_count() -> None:
    """An excluded occurrence is free, a moved one is busy where it went, a cancelled one is free."""
    assert read(
        event(
            "DTSTART:20260602T090000Z", "DTEND:20260602T100000Z", "RRULE:FREQ=DAILY;COUNT=5", "EXDATE:20260603T090000Z"
        ),
        event("RECURRENCE-ID:20260604T090000Z", "DTSTART:20260604T150000Z", "DTEND:20260604T160000Z"),
        event("RECURRENCE-ID:20260605T090000Z", *NINE, "STATUS:CANCELLED"),
    ) == hours((2, 9, 10), (4, 15, 16), (6, 9, 10))


def test_an_occurrence_moved_into_the_window_counts() -> None:
    """What was moved here from another month is busy."""
    assert read(
        event("DTSTART:20260101T090000Z", "DTEND:20260101T100000Z", "RRULE:FREQ=YEARLY"),
        event("RECURRENCE-ID:20270101T090000Z", *NINE),
    ) == hours((2, 9, 10))


def test_free_busy_periods_count_by_their_type() -> None:
    """A VFREEBUSY is read too: BUSY, BUSY-UNAVAILABLE and unknown types are busy (RFC 5545, 3.2.9)."""
    lines = [
        "BEGIN:VFREEBUSY",
        "UID:f@example.com",
        "DTSTAMP:20260101T000000Z",
        "FREEBUSY:20260602T090000Z/20260602T100000Z,20260603T090000Z/PT2H",
        "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260604T090000Z/PT1H",
        "FREEBUSY;FBTYPE=X-OTHER:20260605T090000Z/PT1H",
        "FREEBUSY;FBTYPE=FREE:20260606T090000Z/PT1H",
        "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260607T090000Z/PT1H",
        "END:VFREEBUSY",
    ]
    assert read("\r\n".join(lines)) == hours((2, 9, 10), (3, 9, 11), (4, 9, 10), (5, 9, 10))


def test_a_zone_by_its_windows_name_is_known() -> None:
    """Exchange's names mean the zone of the pinned database, not the definition sent along."""
    wrong = custom_zone("W. Europe Standard Time", "-0800")
    start = "DTSTART;TZID=W. Europe Standard Time:20260602T090000"
    assert read(wrong, event(start, "DURATION:PT1H")) == hours((2, 7, 8))


def test_a_zone_that_only_the_feed_knows_is_used_and_forgotten() -> None:
    """Two members' "Customized Time Zone" may differ; one feed's never changes how another is read."""
    one = event("DTSTART;TZID=Customized Time Zone:20260602T090000", "DURATION:PT1H")
    assert read(custom_zone("Customized Time Zone", "+0100"), one) == hours((2, 8, 9))
    assert read(custom_zone("Customized Time Zone", "+0300"), one) == hours((2, 6, 7))
    assert read(one) == hours((2, 7, 8))


def test_zones_of_other_readers_stay_apart() -> None:
    """What some other code read before does not count, and what a feed defined is not left behind."""
    name, one = "Left Behind", event("DTSTART;TZID=Left Behind:20260602T090000", "DURATION:PT1H")
    icalendar.Calendar.from_ical(calendar(custom_zone(name, "+0500")))
    assert tzp.timezone(name) is not None
    assert read(custom_zone(name, "+0100"), one) == hours((2, 8, 9))
    assert tzp.timezone(name) is None


def test_feeds_can_be_read_at_once() -> None:
    """Threads that read feeds with clashing zones get each their own."""
    one = event("DTSTART;TZID=Clash:20260602T120000", "DURATION:PT1H")
    feeds = {n: calendar(custom_zone("Clash", f"+0{n}00"), one) for n in range(1, 9)}
    found: dict[int, list[set[datetime]]] = {n: [] for n in feeds}

    def many(n: int) -> None:
        for _ in range(10):
            found[n].append({start for start, _ in busy(feeds[n], FIRST, LAST, ZURICH)})

    threads = [threading.Thread(target=many, args=(n,)) for n in feeds]
    pace = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(pace)
    assert found == {n: [{datetime(2026, 6, 2, 12 - n, tzinfo=UTC)}] * 10 for n in feeds}


def test_a_prefixed_zone_name_is_understood() -> None:
    """Evolution's TZIDs, with their maker's prefix, are read without a warning."""
    tzid = "/freeassociation.sourceforge.net/Europe/Zurich"
    assert read(event(f"DTSTART;TZID={tzid}:20260602T090000", "DURATION:PT1H")) == hours((2, 7, 8))


def test_several_calendars_in_one_feed_all_count() -> None:
    """A stream of calendars is read to its end, a byte order mark before it."""
    data = b"\xef\xbb\xbf" + calendar(event(*NINE)) + calendar(event("DTSTART:20260603T090000Z", "DURATION:PT1H"))
    assert busy(data, FIRST, LAST, ZURICH) == hours((2, 9, 10), (3, 9, 10))


SECRET = "Redundancy talk"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><title>Redundancy talk</title>",
        b"\x00\xff\xfe" * 100,
        calendar(event(*NINE, f"SUMMARY:{SECRET}"))[:-20],
        calendar(event(*NINE)) + calendar(event(*NINE))[:-20],
        event(*NINE).encode(),
        calendar(event(f"SUMMARY:{SECRET}")),
        calendar(event(f"DTSTART:{SECRET}")),
        calendar(event(*NINE, f"RRULE:{SECRET}")),
        calendar(event(*NINE, "RRULE:FREQ=WEEKLY;BYDAY=XX")),
        calendar(event(*NINE, "RRULE:FREQ=WEEKLY;BYDAY=TU", f"EXDATE:{SECRET}")),
        calendar(event("DTSTART:20260602T090000Z", f"DURATION:{SECRET}")),
        calendar(event("DTSTART:20260602T090000Z", f"DTEND:{SECRET}")),
        calendar(event(*NINE, f"RDATE:{SECRET}")),
        calendar(event(*NINE, f"RECURRENCE-ID:{SECRET}")),
        calendar(event(*NINE, f"SEQUENCE:{SECRET}")),
        calendar("BEGIN:VFREEBUSY", f"FREEBUSY:{SECRET}", "END:VFREEBUSY"),
        calendar(event(*NINE), SECRET),
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 3000 + b"END:VEVENT\r\n" * 3000 + b"END:VCALENDAR\r\n",
    ],
)
def test_an_unreadable_feed_says_so_and_no_more(data: bytes) -> None:
    """A feed that is cut, foreign or broken where it says when raises one sentence without its content."""
    with pytest.raises(ValueError, match=r"^The calendar could not be read\.$") as raised:
        busy(data, FIRST, LAST, ZURICH)
    assert raised.value.__suppress_context__


def test_a_slip_that_says_nothing_of_time_is_forgiven() -> None:
    """A line without a colon or a text in another encoding does not hide when someone is busy."""
    assert read(event(*NINE, "no colon here")) == hours((2, 9, 10))
    data = calendar(event(*NINE, "SUMMARY:X")).replace(b"SUMMARY:X", b"SUMMARY:\xfc")
    assert busy(data, FIRST, LAST, ZURICH) == hours((2, 9, 10))


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_no_damage_does_worse_than_a_value_error(data: st.DataObject) -> None:
    """Whatever bytes are cut, doubled or changed, the answer is intervals in order or a ValueError in a sentence."""
    whole = calendar(
        custom_zone("Mine", "+0100", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU"),
        event(
            "DTSTART;TZID=Mine:20260602T090000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=9", "EXDATE:20260603T080000Z"
        ),
        "BEGIN:VFREEBUSY\r\nFREEBUSY:20260602T090000Z/PT1H\r\nEND:VFREEBUSY",
    )
    at = data.draw(st.integers(0, len(whole)))
    to = data.draw(st.integers(at, min(len(whole), at + 40)))
    damaged = (
        whole[:at] + data.draw(st.sampled_from([b"", whole[at:to] * 2])) + data.draw(st.binary(max_size=4)) + whole[to:]
    )
    try:
        found = busy(damaged, FIRST, LAST, ZURICH)
    except ValueError as error:
        assert str(error).startswith("The calendar ")  # noqa: PT017
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert all(FIRST <= start < end <= LAST for start, end in found)
        assert all(one[1] < two[0] for one, two in pairwise(found))


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=SECONDLY;COUNT=99999999",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;INTERVAL=7;BYHOUR=1;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=1;BYHOUR=" + ",".join(map(str, range(24))) + ";BYMINUTE=" + ",".join(map(str, range(60))),
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=" + ",".join(["1"] * 100_000),
    ],
)
def test_a_rule_without_end_is_given_up(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that would be walked for very long, matching or not, ends in a ValueError after a bounded walk."""
    monkeypatch.setattr(feed, "_MAX_WORK", 100_000)
    with pytest.raises(ValueError, match="repeats too often or too far"):
        read(event("DTSTART:20200101T090000Z", "DURATION:PT1M", "RRULE:" + rule))


def test_the_budget_is_one_for_the_whole_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rules that are each affordable are together too much."""
    monkeypatch.setattr(feed, "_MAX_WORK", 200_000)
    never = [event(*NINE, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", uid=str(n)) for n in range(3)]
    assert read(never[0]) == hours((2, 9, 10))
    with pytest.raises(ValueError, match="repeats too often or too far"):
        read(*never)
    with pytest.raises(ValueError, match="repeats too often or too far"):
        busy(b"".join(calendar(one) for one in never), FIRST, LAST, ZURICH)


def test_walking_a_series_again_costs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overrides that make the reader look the series up anew, each for itself, end in a ValueError too."""
    monkeypatch.setattr(feed, "_MAX_WORK", 100_000)
    series = event("DTSTART:20200101T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", "SEQUENCE:5")
    again = [
        event(f"RECURRENCE-ID:20260{m}{d}T080000Z", *NINE, "EXDATE:20260602T090000Z", "SEQUENCE:1")
        for m in range(1, 10)
        for d in range(10, 29)
    ]
    assert len(read(series, *again[:3])) == 30
    with pytest.raises(ValueError, match="repeats too often or too far"):
        read(series, *again)


def test_a_zone_of_the_feeds_own_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates in a zone that only the feed defines take longer, and are charged for it."""
    monkeypatch.setattr(feed, "_MAX_WORK", 50_000)
    daily = "DTSTART;TZID={}:20200101T090000", "DURATION:PT1H", "RRULE:FREQ=DAILY"
    assert len(read(event(*daily).format(ZURICH))) == 30
    with pytest.raises(ValueError, match="repeats too often or too far"):
        read(custom_zone("Mine", "+0100"), event(*daily).format("Mine"))


def test_a_full_calendar_is_within_the_budget() -> None:
    """Ten years of daily and weekly meetings and sixty of birthdays are nothing unusual."""
    rules = ["DAILY", "WEEKLY;BYDAY=MO,TU,WE,TH,FR", "MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "WEEKLY;INTERVAL=2"]
    series = [
        event("DTSTART;TZID=Europe/Zurich:20160601T090000", "DURATION:PT1H", f"RRULE:FREQ={rule}", uid=f"{rule}{n}")
        for rule in rules
        for n in range(20)
    ]
    birthdays = [event("DTSTART;VALUE=DATE:19660602", "RRULE:FREQ=YEARLY", uid=f"b{n}") for n in range(50)]
    assert read(*series, *birthdays) == hours(*((day, 7, 8) for day in range(1, 31)))


def test_a_zone_may_not_be_a_trap() -> None:
    """A zone definition that repeats each second, and a hundred zones, are refused before anything is worked out."""
    trap = custom_zone("Trap", "+0100", "RRULE:FREQ=SECONDLY")
    folded = custom_zone("Trap", "+0100", "RRULE:FREQ=YEARLY;FREQ=SEC\r\n ONDLY")
    many = "\r\n".join(custom_zone(f"Z{n}", "+0100") for n in range(100))
    long = custom_zone("Trap", "+0100", "RRULE:FREQ=YEARLY;BYSETPOS=" + ",".join(["1"] * 1000))
    for zones in (trap, folded, long, trap.replace("RRULE:", "rrule;X=1:"), many):
        with pytest.raises(ValueError, match="repeats too often or too far"):
            read(zones, event("DTSTART;TZID=Trap:20260602T090000", "DURATION:PT1H"))


def test_too_many_occurrences_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of occurrences in the window is bounded, however they come about."""
    monkeypatch.setattr(feed, "MAX_OCCURRENCES", 20)
    singles = [event(*NINE, uid=str(n)) for n in range(21)]
    periods = "BEGIN:VFREEBUSY\r\nFREEBUSY:" + ",".join(["20260602T090000Z/PT1H"] * 21) + "\r\nEND:VFREEBUSY"
    daily = event("DTSTART:20260602T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=21")
    for components in (singles, [periods], [daily]):
        with pytest.raises(ValueError, match="repeats too often or too far"):
            read(*components)
    assert read(*singles[:20]) == hours((2, 9, 10))


def test_a_feed_that_is_too_large_is_not_looked_at() -> None:
    """More than 5 MB is refused by its size alone."""
    with pytest.raises(ValueError, match=r"^The calendar is larger than 5 MB\.$"):
        busy(b"x" * (feed.MAX_FEED + 1), FIRST, LAST, ZURICH)


def test_the_window_must_make_sense() -> None:
    """A window without a zone, an empty one, and an unknown zone are the caller's mistakes."""
    with pytest.raises(ValueError, match="must say its zone"):
        busy(calendar(), datetime(2026, 6, 1), LAST, ZURICH)  # noqa: DTZ001
    with pytest.raises(ValueError, match="end after it starts"):
        busy(calendar(), LAST, LAST, ZURICH)
    with pytest.raises(ValueError, match="IANA"):
        busy(calendar(), FIRST, LAST, "Europe/Nowhere")
