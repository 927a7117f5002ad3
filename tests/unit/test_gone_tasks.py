"""Tasks whose workflows were ended from outside: out of every inbox, and back as they were."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rapport.model.task import TaskDefinition, TaskOption, TaskPhase, TaskRecord
from rapport.storage import task as tasks
from rapport.storage.database import Store

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
TASK = "task/versayce/onsite_approval/1"


def record(phase: TaskPhase) -> TaskRecord:
    """An approval in this phase."""
    options = (TaskOption(id="approve", title="Approve"),)
    return TaskRecord(
        id=TASK,
        account="versayce",
        contract="C-1",
        subject="versayce",
        step="onsite_approval",
        title="Onsite kickoff",
        definition=TaskDefinition(task="approval", question="Onsite?", options=options, assign=("manager",)),
        phase=phase,
        round=1,
        requester=None,
        request=None,
        asked=None,
        answers=(),
        opened=NOW,
        deadline=None,
        outcome=None,
    )


@pytest.mark.parametrize("phase", [phase for phase in TaskPhase if phase is not TaskPhase.CLOSED])
async def test_a_task_that_was_gone_is_back_as_it_was(store: Store, phase: TaskPhase) -> None:
    """Out of the inboxes while its workflow is gone, it then is in the phase that it was in; twice changes nothing."""
    async with store.writing() as connection:
        await tasks.put(connection, record(phase), NOW)
        for _ in range(2):
            await tasks.close_gone(connection, TASK)
        found = await tasks.task(connection, TASK)
        assert found is not None
        assert (found.phase, found.outcome) == (TaskPhase.CLOSED, tasks.ENDED)
        assert (await tasks.all_gone(connection), await tasks.open_ids(connection)) == ([TASK], [])
        for _ in range(2):
            await tasks.reopen_gone(connection, [TASK])
        found = await tasks.task(connection, TASK)
        assert found is not None
        assert (found.phase, found.outcome) == (phase, None)
        assert (await tasks.all_gone(connection), await tasks.open_ids(connection)) == ([], [TASK])


async def test_what_a_task_says_itself_stands(store: Store) -> None:
    """One that was gone, and since then has told its own end, does not come back."""
    async with store.writing() as connection:
        await tasks.put(connection, record(TaskPhase.OPEN), NOW)
        await tasks.close_gone(connection, TASK)
        await tasks.put(connection, record(TaskPhase.CLOSED).model_copy(update={"outcome": "approve"}), NOW)
        await tasks.reopen_gone(connection, [TASK])
        found = await tasks.task(connection, TASK)
        assert found is not None
        assert (found.phase, found.outcome) == (TaskPhase.CLOSED, "approve")
        assert await tasks.all_gone(connection) == []
