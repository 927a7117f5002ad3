"""A step is over when it is: its last mails may wait, and nobody waits for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import WorkflowExecutionStatus

from rapport.model.ids import meeting_id
from rapport.model.meeting import MeetingStart
from rapport.model.message import MessageState
from rapport.model.operations import Steer, Steering
from rapport.model.playbook import MeetingStep
from rapport.model.workflows import MEETING
from rapport.playbooks import load
from starters.commands import accounts, messages
from tests.conftest import CHAMPION, TAM, Town, example, skipping_town, text_of, until
from tests.support import tasks
from tests.support.kickoff import in_phase, status_of


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[Town]:
    """An installation in which mails wait for their readers' working time."""
    async with skipping_town(tmp_path, quiet_hours="keep") as made:
        yield made


async def test_an_approval_is_heard_of_while_its_last_mail_waits_for_the_relay(skipping: Town) -> None:
    """With all mail stopped, the kickoff goes on once the visit is denied; who asked for it reads of that later."""
    await tasks.begin_large(skipping)
    await tasks.in_phase(skipping, "preparing")
    await tasks.request(skipping, TAM.email)
    await tasks.in_phase(skipping, "open")
    await skipping.mailed(1, tasks.MANAGER)
    before = len(skipping.mails(TAM.email))
    await messages.stop_mail(skipping.office, TAM)
    await tasks.decide(skipping, tasks.MANAGER, "deny", reason="Not this quarter.")
    await in_phase(skipping, "voting")
    described = await skipping.client.get_workflow_handle(tasks.TASK).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    assert len(skipping.mails(TAM.email)) == before
    await messages.start_mail(skipping.office, TAM)
    await skipping.sleep_until(await skipping.now() + timedelta(minutes=6))
    await until(status_of(skipping, tasks.TASK), "the end of the task")
    said = await skipping.mailed(before + 1, TAM.email)
    assert any("Not this quarter." in text_of(mail) for mail in said[before:])


async def test_a_meeting_that_is_over_waits_for_no_morning(quiet: Town) -> None:
    """Called off at night, while its welcome is just being written, it ends that night, and welcomes nobody."""
    await accounts.import_account(quiet.office, example())
    night = await quiet.sleep_to(2, 22)
    steps = load("kickoff", quiet.office.settings.data / "playbooks").steps
    step = next(step for step in steps if step.name == "kickoff")
    assert isinstance(step, MeetingStep)
    id_ = meeting_id("versayce", "kickoff", 1)
    await quiet.client.start_workflow(
        MEETING.name,
        MeetingStart(
            account="versayce", contract="C-1", step=step.model_copy(update={"review": "auto"}), undecided=True
        ),
        id=id_,
        task_queue="rapport",
        start_signal="steer",
        start_signal_args=[Steer(kind=Steering.CLOSE)],
    )
    await until(status_of(quiet, id_), "the end of the meeting")
    assert await quiet.now() < night + timedelta(hours=1)
    suppressed = await messages.listed(quiet.office, "versayce", MessageState.SUPPRESSED)
    assert CHAMPION in [line.to for line in suppressed]
    await quiet.sleep_until(night + timedelta(hours=14))
    assert quiet.mails(CHAMPION) == []
