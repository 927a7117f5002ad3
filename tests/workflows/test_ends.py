"""A step is over when it is: its last mails may wait, and nobody waits for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from rapport.model.ids import meeting_id, new_id, onboarding_id
from rapport.model.meeting import MeetingStart
from rapport.model.message import MessageState
from rapport.model.operation import Control, ControlKind, Operate
from rapport.model.projection import Projection, StepNews, Wait
from rapport.model.step import MeetingStep
from rapport.model.workflows import MEETING
from rapport.playbooks import load
from starters.use_cases import account as accounts, mail_switch, message, onboarding as onboardings, operation
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import (
    CHAMPION,
    HOST,
    TAM,
    Installation,
    account,
    example,
    installation,
    skipping_installation,
    text_of,
    until,
)
from tests.support import task as tasks
from tests.support.approval import seen
from tests.support.kickoff import in_phase, status_of


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation in which mails wait for their readers' working time."""
    async with skipping_installation(tmp_path, quiet_hours="keep") as made:
        yield made


async def test_an_approval_is_heard_of_while_its_last_mail_waits_for_the_relay(skipping: Installation) -> None:
    """With all mail stopped, the kickoff goes on once the visit is denied; who asked for it reads of that later."""
    await tasks.begin_large(skipping)
    await tasks.in_phase(skipping, "preparing")
    await tasks.request(skipping, TAM.email)
    await tasks.in_phase(skipping, "open")
    await skipping.mailed(1, tasks.MANAGER)
    before = len(skipping.mails(TAM.email))
    await mail_switch.stop(skipping.services, HOST, "A test")
    await tasks.decide(skipping, tasks.MANAGER, "deny", reason="Not this quarter.")
    await in_phase(skipping, "voting")
    described = await skipping.client.get_workflow_handle(tasks.TASK).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    assert len(skipping.mails(TAM.email)) == before
    await mail_switch.start(skipping.services, HOST, "A test")
    await skipping.sleep_until(await skipping.now() + timedelta(minutes=6))
    await until(status_of(skipping, tasks.TASK), "the end of the task")
    said = await skipping.mailed(before + 1, TAM.email)
    assert any("Not this quarter." in text_of(mail) for mail in said[before:])


async def test_a_decision_that_comes_while_the_last_mail_waits_is_answered(skipping: Installation) -> None:
    """With all mail stopped, somebody decides what is decided already; once mail goes, they are told why, once."""
    await tasks.begin_large(skipping)
    await tasks.in_phase(skipping, "preparing")
    await tasks.request(skipping, TAM.email)
    await tasks.in_phase(skipping, "open")
    await skipping.mailed(1, tasks.MANAGER)
    await mail_switch.stop(skipping.services, HOST, "A test")
    await tasks.decide(skipping, tasks.MANAGER, "deny", reason="Not this quarter.")
    await in_phase(skipping, "voting")
    await tasks.leave_at_the_door(skipping, tasks.BACKUP, "approve")
    await skipping.sleep_until(await skipping.now() + timedelta(seconds=5))
    await mail_switch.start(skipping.services, HOST, "A test")
    await skipping.sleep_until(await skipping.now() + timedelta(minutes=6))
    await until(status_of(skipping, tasks.TASK), "the end of the task")
    said = [text_of(mail) for mail in skipping.mails(tasks.BACKUP)]
    assert len([text for text in said if "was saved while Rapport was offline" in text]) == 1, said


async def test_a_meeting_that_is_over_waits_for_no_morning(quiet: Installation) -> None:
    """Called off at night, while its welcome is just being written, it ends that night, and welcomes nobody."""
    await accounts.import_account(quiet.services, example())
    night = await quiet.sleep_to(2, 22)
    steps = load("kickoff", quiet.services.settings.data / "playbooks").steps
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
        start_signal="control",
        start_signal_args=[Control(kind=ControlKind.CLOSE)],
    )
    await until(status_of(quiet, id_), "the end of the meeting")
    assert await quiet.now() < night + timedelta(hours=1)
    suppressed = await message.listed(quiet.services, "versayce", MessageState.SUPPRESSED)
    assert CHAMPION in [line.to for line in suppressed]
    await quiet.sleep_until(night + timedelta(hours=14))
    assert quiet.mails(CHAMPION) == []


class HeldUp(Interceptor):
    """Has the last that an onboarding writes down wait for its test, and no meeting write down its end.

    Attributes:
        token: What the test answers the onboarding with, once it is asked.
    """

    def __init__(self) -> None:
        """Nobody is held up."""
        self.token: bytes | None = None

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Stand before each activity."""
        return _HeldUp(next, self)


class _HeldUp(ActivityInboundInterceptor):
    def __init__(self, next_: ActivityInboundInterceptor, held: HeldUp) -> None:
        super().__init__(next_)
        self.held = held

    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        info, (given,) = activity.info(), input.args
        if isinstance(given, StepNews) and given.wait == Wait():
            raise OSError
        if isinstance(given, Projection) and given.ended:
            if info.is_local:
                raise OSError
            self.held.token = info.task_token
            activity.raise_complete_async()
        return await super().execute_activity(input)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_cancelled_onboarding_ends_when_its_last_works_end_at_once(dev_server: Client, tmp_path: Path) -> None:
    """While it is written down that it is cancelled, its approval ends; with that and the meeting over, it ends too."""
    held, queue, large = HeldUp(), new_id("queue"), tasks.large()
    file = account("endings", "C-1")
    file = file.model_copy(update={"account": large.account.model_copy(update={"key": "endings"})})
    onboarding = dev_server.get_workflow_handle(onboarding_id("endings"))
    meeting = dev_server.get_workflow_handle(meeting_id("endings", "kickoff", 1))
    async with installation(dev_server, tmp_path, queue, interceptors=[held]) as made:
        await onboardings.start(made.services, StartRequest(file=file))
        await seen(made, "endings/onsite_approval", lambda task: task.phase == "preparing")
        why = OperationWritten(reason="They stop")
        assert (await operation.operate(made.services, "endings", Operate.CANCEL, why, TAM)).accepted

        async def is_heard() -> bool:
            kinds = [event.WhichOneof("attributes") or "" for event in (await onboarding.fetch_history()).events]
            _, ended, since = "\n".join(kinds).partition("child_workflow_execution_completed")
            return bool(ended) and "workflow_task_completed" in since and held.token is not None

        await until(is_heard, "the end of the approval")
    assert held.token is not None
    # As no worker is there, the next task of the onboarding is about both.
    await dev_server.get_async_activity_handle(task_token=held.token).complete()
    await meeting.terminate()
    async with installation(dev_server, tmp_path, queue) as made:
        await until(status_of(made, onboarding.id), "the end of the onboarding")
