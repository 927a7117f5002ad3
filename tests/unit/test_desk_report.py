"""A desk's days: counted as somebody with a pencil would, and told without anybody's name."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from rapport.model.account import WEEKDAYS, Schedule
from rapport.rules.calendar import working_windows
from rapport.rules.desk_report import Asked, DeskReport, Stretch, report
from rapport.rules.routing import WEIGHTS
from rapport.storage import desk_report as desk_report_storage
from rapport.storage.database import Store
from starters import pictures
from starters.use_cases import desk_report as desk_reports
from tests.support.desk_days import DESK, NOW, weeks

ZURICH = Schedule(zone="Europe/Zurich")
ZONES = ("Europe/Zurich", "Asia/Kathmandu", "America/St_Johns")
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)

instants = st.integers(-100, 24 * 60 * 16 + 100).map(lambda minutes: MONDAY + timedelta(minutes=minutes))


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    """A case that came in some time around the days reported."""
    opened = draw(instants)
    resolved = draw(st.none() | st.integers(0, 20_000).map(lambda minutes: opened + timedelta(minutes=minutes)))
    return Asked(draw(st.integers(1, 4)), opened, None, resolved, draw(st.integers(0, 2)), draw(st.integers(0, 1)))


def made(
    cases: list[Asked], stretches: list[Stretch], staff: int, days: int, zone: str = "Europe/Zurich"
) -> DeskReport:
    """A report of some days from a Monday on, with so many engineers at work."""
    desk = Schedule(zone=zone)
    first, last = date(2026, 11, 16), date(2026, 11, 16) + timedelta(days=days - 1)
    shifts = [working_windows(desk, first, last)] * staff
    return report(
        cases, stretches, shifts, desk=desk, slack=3, peak=8, first=first, last=last, now=MONDAY + timedelta(days=60)
    )


@given(st.lists(asked(), max_size=25), st.integers(0, 4), st.integers(1, 16), st.sampled_from(ZONES))
@settings(deadline=None, max_examples=80)
def test_the_figures_are_those_of_somebody_who_counts(cases: list[Asked], staff: int, days: int, zone: str) -> None:
    """Cases, hours and load are what looking at each hour by itself gives, whatever the zone's offset."""
    found = made(cases, [], staff, days, zone)
    place = ZoneInfo(zone)
    start = datetime(2026, 11, 16, tzinfo=place).astimezone(UTC)
    end = start + timedelta(days=days)
    came = [case for case in cases if start <= case.opened < end]
    solved = [case for case in cases if case.resolved is not None and start <= case.resolved < end]
    assert found.opened == len(came) == sum(week.opened for week in found.weeks)
    assert found.solved == len(solved) == sum(week.solved for week in found.weeks)
    assert found.without_engineering == sum(case.interruptions == 0 for case in solved)
    assert sum(kept.cases for kept in found.promises) == len(came)
    assert len(found.week) == min(days, 7) * 24
    at_peak = at_slack = staffed = 0
    most = 0.0
    for index in range(days * 24):
        begin = start + index * HOUR
        local = begin.astimezone(place)
        there = staff if local.weekday() < 5 and 9 <= local.hour < 17 else 0
        load = sum(
            WEIGHTS[case.severity]
            for case in cases
            if case.opened < begin + HOUR
            and (case.resolved is None or case.resolved >= begin + HOUR or case.opened >= begin)
            and not (case.resolved is not None and case.opened < start and case.resolved < begin + HOUR)
        )
        if there:
            staffed += 1
            at_peak += load >= 8 * there
            at_slack += load <= 3 * there
            most = max(most, load / there)
    assert (found.staffed_hours, found.at_peak, found.at_slack) == (staffed, at_peak, at_slack)
    assert (found.busiest.each if found.busiest else 0) == round(most, 2)


def test_side_work_is_counted_in_the_desks_hours() -> None:
    """Nights and weekends pay for nothing; what began before the days or goes on after them counts within them."""
    stretches = [
        Stretch("testing", MONDAY - timedelta(days=9), MONDAY + timedelta(hours=10), "peak"),
        Stretch("documentation", MONDAY + timedelta(days=4, hours=12), None, None),
        Stretch("testing", MONDAY + timedelta(days=1, hours=8), MONDAY + timedelta(days=1, hours=9), "done"),
    ]
    found = made([], stretches, 2, 7)
    assert found.side.by_kind == {"documentation": 4.0, "testing": 3.0}
    assert (found.side.hours, found.side.done, found.side.put_back) == (7.0, 1, 1)
    assert found.side.share == round(7 / (2 * 5 * 8), 3)


async def stored(store: Store) -> DeskReport:
    """The report of four weeks on record."""
    async with store.writing() as connection:
        await weeks(connection)
        return await desk_report_storage.read(
            connection, desk=ZURICH, slack=3, peak=8, first=date(2026, 11, 2), last=date(2026, 11, 24), now=NOW
        )


async def test_a_report_names_nobody(store: Store) -> None:
    """Neither a name nor an address nor an id of anybody is in what a report says, shows or writes; by desk, always."""
    found = await stored(store)
    assert found.opened > 30
    said = found.model_dump_json() + str(pictures.week(found))
    for line in DESK.decode().splitlines():
        if line.startswith(("name", "email")):
            assert line.split('"')[1] not in said
    assert not re.search(r"\bm_[0-9a-f]{8}", said)
    # Nor can anybody be told apart: nothing is listed by more than hours, days, weeks, severities and kinds.
    lists = {name for name, value in found.model_dump().items() if isinstance(value, tuple | list)}
    assert lists == {"promises", "week", "day", "weeks"}


async def test_the_picture_shows_each_hour_against_the_staff(store: Store) -> None:
    """Each hour that is shown has a bar in the colour of its pressure, which says its figures; all is well-formed."""
    found = await stored(store)
    drawn = ElementTree.fromstring(str(pictures.week(found)))
    bars = [one for one in drawn.iter("{http://www.w3.org/2000/svg}rect") if len(one)]
    told = {one[0].text: one.get("class") for one in bars}
    assert len(told) == len(bars)
    names = {"mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun"}
    for hour in found.week:
        title = f"{names[hour.weekday or '']} {hour.hour:02}:00: load {hour.load:g}, {hour.staff:g} at work"
        if hour.staff and hour.load >= 8 * hour.staff:
            assert told[title] == "peak"
        elif hour.staff and hour.load <= 3 * hour.staff:
            assert told[title] == "slack"
        elif hour.opened and not hour.staff:
            assert told[title] == "alone"
    # Two at work on these days, never the developer.
    assert {hour.staff for hour in found.week if hour.weekday in WEEKDAYS[:5] and 10 <= hour.hour < 16} == {2.0}


def test_a_desk_without_anything_has_a_picture_too() -> None:
    """No cases, nobody at work: the picture is drawn nevertheless."""
    ElementTree.fromstring(str(pictures.week(made([], [], 0, 1))))


async def test_a_report_is_written_down(store: Store, tmp_path: Path) -> None:
    """Picture, sheet and JSON lie in the folder; the sheet has one line for each hour of the week."""
    files = desk_reports.write(await stored(store), tmp_path / "out")
    assert [file.name for file in files] == ["desk-week.svg", "desk-week.csv", "desk.json"]
    assert len(files[1].read_text().splitlines()) == 1 + 7 * 24
    assert DeskReport.model_validate_json(files[2].read_text()).first == date(2026, 11, 2)


def test_days_in_the_wrong_order_are_refused() -> None:
    """The last day does not come before the first."""
    with pytest.raises(ValueError, match="to: comes before from"):
        report([], [], [], desk=ZURICH, slack=3, peak=8, first=date(2026, 11, 2), last=date(2026, 11, 1), now=NOW)
