"""Emails that failed and that nobody is asked about: all take their turn in the sweep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import activities.sweep
from rapport.model.ids import UNDELIVERED_STEP, undelivered_task
from rapport.model.message import MessageState
from rapport.model.task import TaskPhase, TaskRecord
from rapport.rules.todo_template import DID_NOT_GO
from rapport.schedules import LATE_ROUNDS
from rapport.settings import Settings
from rapport.storage import sweep, task as tasks
from rapport.storage.database import Store
from starters.use_cases import doctor
from starters.use_cases.doctor import CheckVerdict
from tests.unit.test_outbox import put, row

NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)
KEYS = st.sets(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=30)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(KEYS, st.integers(1, 7))
async def test_all_take_their_turn(store: Store, keys: set[str], limit: int) -> None:
    """However many sleep their day, each email is looked at within as many rounds as it takes to go through all."""
    rounds = -(-len(keys) // limit)

    async def after(key: str) -> list[str]:
        return sorted(one for one in keys if one > key)[:limit]

    seen: set[str] = set()
    for _ in range(rounds):
        async with store.writing() as connection:
            turn = await sweep.in_turn(connection, NOW, after, limit)
        assert len(turn) == min(limit, len(keys))
        seen.update(turn)
    assert seen == keys


async def test_a_round_reads_no_more_than_it_takes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much failed, each round looks at some of it alone, and leaves out what somebody is asked about."""
    monkeypatch.setattr(activities.sweep, "AT_MOST", 2)
    keys = [f"V/kickoff/1/1/1/proposal/welcome/c_{number}" for number in range(5)]
    asked = undelivered_task("versayce", keys[2], 3)
    await put(store, *(row(key, state=MessageState.FAILED) for key in keys))
    definition = DID_NOT_GO.definition.model_copy(update={"assign": ("tam",)})
    record = TaskRecord(
        id=asked,
        account="versayce",
        contract="V",
        subject="versayce",
        step=f"kickoff.{UNDELIVERED_STEP}",
        title="Kickoff",
        definition=definition,
        phase=TaskPhase.OPEN,
        round=1,
        requester=None,
        request=None,
        asked=None,
        answers=(),
        opened=NOW,
        deadline=None,
        outcome=None,
    )
    async with store.writing() as connection:
        await tasks.put(connection, record, NOW)
    seen: list[str] = []
    for _ in range(3):
        async with store.writing() as connection:
            found = await activities.sweep._unasked(connection, NOW)
        assert len(found) <= 2
        seen += [one.key for one in found]
    assert set(seen) == set(keys) - {keys[2]}


async def test_that_it_was_never_swept_is_told_once_that_is_overdue(store: Store) -> None:
    """In its first minutes an installation is well; a worker that has run for long without any sweep is not."""
    own = Settings()
    assert (await doctor._sweep(store, own)).verdict is CheckVerdict.OK
    late = timedelta(seconds=own.sweep_seconds * LATE_ROUNDS)
    for ago, verdict in ((late / 2, CheckVerdict.OK), (late * 2, CheckVerdict.TROUBLE)):
        async with store.writing() as connection:
            await sweep.note_rules(connection, datetime.now(UTC) - ago, "d")
        assert (await doctor._sweep(store, own)).verdict is verdict
