"""What a playbook comes to: days and mails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from rapport.model.account import Schedule
from rapport.model.step import Offset
from rapport.playbooks import load, shipped
from rapport.rules import calendar, forecast
from starters.cli.plans import timeline
from starters.use_cases.playbook import shown

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
NO_HOLIDAYS = Schedule(zone="UTC")


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 60), st.sampled_from(["hours", "days", "business days", "weeks"]), st.integers(0, 6))
def test_no_offset_is_over_before_the_day_that_is_foretold(count: int, unit: str, day: int) -> None:
    """Whatever weekday a wait begins on, at least the foretold number of business days passes; and on one, no more."""
    foretold = forecast.business_days(f"{count} {unit}")

    def passed(start: datetime) -> int:
        due = calendar.apply_offset(start, Offset.parse(f"{count} {unit}"), NO_HOLIDAYS)
        days = (start + timedelta(days=n + 1) for n in range((due.date() - start.date()).days))
        return sum(calendar.is_business_day(each.date(), NO_HOLIDAYS) for each in days)

    assert passed(MONDAY + timedelta(days=day)) >= foretold
    if unit != "hours":
        assert min(passed(MONDAY + timedelta(days=n)) for n in range(7)) == foretold


@pytest.mark.parametrize("name", shipped())
def test_no_step_comes_before_what_it_waits_for(name: str) -> None:
    """Each step of a shipped playbook begins when all it waits for has ended, and its offset is over; or so long before
    the end of a year, where it stands before the contract's."""
    playbook = load(name)
    spans = forecast.earliest(playbook)
    assert list(spans) == [step.name for step in playbook.steps]
    for step in playbook.steps:
        waits = max((spans[other].ends for other in step.after), default=0)
        offset = forecast.business_days(step.offset)
        day = waits + offset if step.before is None else max(waits, forecast.YEAR - offset)
        assert spans[step.name].begins == day
        assert spans[step.name].ends >= spans[step.name].begins


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", shipped())
def test_the_picture_fits_its_width_and_keeps_the_order_of_days(name: str, width: int) -> None:
    """A line is never wider than the terminal unless its words alone are, and earlier steps stand further left."""
    document = shown(load(name))
    ruler, *lines = timeline(document, width)
    drawn = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert set(drawn) == {step.name for step in document.steps}
    label = max(map(len, drawn)) + 4
    assert all(len(line) <= max(width, label + 24) for line in (ruler, *lines))
    begins = {span.step: span.begins for span in document.earliest}
    places = {name: min(line.find(mark) for mark in "●├" if mark in line) for name, line in drawn.items()}
    for one in begins:
        for other in begins:
            assert begins[one] > begins[other] or places[one] <= places[other]
