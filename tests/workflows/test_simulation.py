"""Simulated lives: a year of each playbook, line by line, and the clockwork that makes them the same everywhere."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from temporalio.worker import Worker

from rapport import clock
from rapport.temporal import time_skipping
from starters.services import present
from starters.simulate.clockwork import Shift, ShiftedRunner
from starters.simulate.life import beginning
from starters.simulate.scenarios import SCENARIOS
from starters.simulate.sources import of_file
from starters.simulate.year import look_back, written
from starters.use_cases import onboarding
from tests.conftest import ROOT, example, test_server
from tests.support.sleeper import Sleeper
from tests.years.record import NAMES, lived, recorded

BEGINS = datetime(2031, 3, 28, 9, 0, tzinfo=UTC)


@pytest.mark.long
@pytest.mark.parametrize(("playbook", "scenario"), NAMES)
async def test_a_year_is_as_it_was_written_down(playbook: str, scenario: str) -> None:
    """Every mail, meeting, decision and end of a year by each playbook stands in tests/years, at its minute."""
    year = await lived(playbook, scenario)
    before = recorded(playbook, scenario)
    changed = list(difflib.unified_diff(before, written(year), f"{playbook}, {scenario}", "now", lineterm="", n=1))
    assert not changed, "\n".join([*changed, "", f"If this is meant: `uv run just years {playbook}`"])
    sent = sum(year.mails.values())
    assert year.caught == sent


async def test_the_same_account_lives_the_same_life_twice() -> None:
    """Ids, the machine's speed and the second at which it begins leave no trace in a life."""
    file = ROOT / "examples" / "orbisant.toml"
    once = await lived("enterprise", "smooth", 40, file)
    assert written(await lived("enterprise", "smooth", 40, file)) == written(once)
    assert once.decisions == 5


async def test_a_life_can_be_stopped_looked_at_and_gone_on_with() -> None:
    """Between two stretches of a life, anybody can act in it at its own time, and what follows is told together."""
    smooth = SCENARIOS["smooth"]()
    async with beginning(of_file(example(playbook="enterprise"), Path("none")), BEGINS) as life:
        await life.live(BEGINS + timedelta(days=1), smooth)
        with life.acting():
            assert present() == BEGINS + timedelta(days=1)
            before = await onboarding.status(life.services, life.account)
        assert before.stage == "kickoff"
        await life.live(BEGINS + timedelta(days=30), smooth)
        with life.acting():
            year = await look_back(life, "smooth", smooth.says)
    assert not clock.is_set()
    assert year.steps["kickoff"] == "held"
    assert year.lines[0].at == BEGINS
    assert all(BEGINS <= line.at <= year.until for line in year.lines)


async def test_a_workflow_wakes_at_its_instant_in_simulated_time() -> None:
    """Whatever the server's clock says, a timer rings at the very instant it was set for, also between two minutes."""
    instants = [BEGINS + timedelta(seconds=seconds) for seconds in (60, 90, 90.5, 86_400, 86_401)]
    async with time_skipping(test_server()) as environment:
        shift = Shift(BEGINS - await environment.get_current_time())
        async with Worker(
            environment.client, task_queue="q", workflows=[Sleeper], workflow_runner=ShiftedRunner(shift)
        ):
            sleeping = await environment.client.start_workflow(Sleeper.run, instants, id="sleeper", task_queue="q")
            assert await sleeping.result() == [BEGINS, *instants]


@given(
    st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2100-01-01")),
    st.timedeltas(timedelta(days=-9000), timedelta(days=9000)),
    st.timedeltas(timedelta(0), timedelta(seconds=59, microseconds=999_999)),
)
def test_a_minute_is_shown_for_a_minute(seen: datetime, by: timedelta, later: timedelta) -> None:
    """From the instant at which a minute begins on the server until it is over, that minute is shown."""
    minute = seen.replace(second=0, microsecond=0, tzinfo=UTC)
    shift = Shift(by)
    assert shift.seen(shift.there(minute) + later) == minute
