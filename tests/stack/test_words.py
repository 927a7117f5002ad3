"""What people say twice, or say while nobody is there to hear it, on a real Temporal server: it counts once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy

from rapport.model.base import Refused, UserError
from rapport.model.ids import meeting_id, new_id, onboarding_id, task_id
from rapport.model.message import MessageState
from rapport.model.operation import Operate
from rapport.model.task import TaskDefinition, TaskOption, TaskResult, TaskStart
from rapport.model.workflows import HUMAN_TASK
from rapport.rules.operation import UNCHANGED
from starters import services as office_module
from starters.services import LATER, Services
from starters.use_cases import (
    account as accounts,
    meeting,
    message,
    onboarding,
    operation,
    task as tasks,
    timeline,
    words as words_module,
)
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import TAM, Installation, account, by, installation, until
from tests.support.approval import MANAGER, WORDS, opened, prepared, seen
from tests.support.playbooks import excerpt
from tests.support.task import put_down
from workflows.task import HumanTask

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIMPLE = TaskDefinition(
    task="approval",
    question="Yes or no?",
    options=(TaskOption(id="approve", title="Approve"), TaskOption(id="deny", title="Deny")),
    assign=("role:tam_manager",),
)

Begin = Callable[[Installation], Awaitable[str]]
WHY = OperationWritten(reason="They asked us to wait.")


@asynccontextmanager
async def without_a_worker(services: Services, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    """The same installation while no worker runs; nobody waits long for an answer."""
    reopened = replace(services, store=type(services.store)(services.settings.database))
    with monkeypatch.context() as patched:
        patched.setattr(office_module, "ANSWER_SECONDS", 0.5)
        yield reopened
    await reopened.store.close()


async def kinds(services: Services, key: str) -> list[str]:
    """What stands on an account's timeline, by kind."""
    return [entry.kind for entry in await timeline.timeline_of(services, key)]


async def an_approval(made: Installation) -> str:
    """A task that waits for its request."""
    return (await prepared(made)).task


async def an_open_approval(made: Installation) -> str:
    """A task that waits for its decision."""
    return (await opened(made)).task


async def a_kickoff(made: Installation) -> str:
    """An account whose kickoff is put to the vote."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    await onboarding.start(made.services, StartRequest(file=file))
    await made.mailed(4)
    return file.account.key


def _in_a_week() -> datetime:
    return (datetime.now(UTC) + timedelta(days=7)).replace(second=0, microsecond=0)


TWICE: dict[str, tuple[Begin, Callable[[Services, str], Awaitable[Any]], str]] = {
    "request": (an_approval, lambda services, it: tasks.request(services, it, WORDS, TAM), "task.opened"),
    "decline": (an_approval, lambda services, it: tasks.decline(services, it, TAM, "No need"), "task.declined"),
    "decide": (
        an_open_approval,
        lambda services, it: tasks.decide(services, it, "deny", by(MANAGER), "Too far"),
        "decision.made",
    ),
    "ask": (
        an_open_approval,
        lambda services, it: tasks.ask(services, it, "Which site?", by(MANAGER)),
        "task.info_asked",
    ),
    "book": (
        a_kickoff,
        lambda services, it: meeting.book(services, it, "kickoff", _in_a_week(), TAM, anyway=True),
        "meeting.booked",
    ),
    "pause": (
        a_kickoff,
        lambda services, it: operation.operate(services, it, Operate.PAUSE, WHY, TAM),
        "operation.pause",
    ),
}


@pytest.mark.parametrize("name", TWICE)
async def test_what_is_said_twice_without_a_worker_counts_once(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each answer says that it is recorded; one of them takes effect, and saying it once more tells what it did."""
    begin, say, kind = TWICE[name]
    queue = new_id("queue")
    async with installation(dev_server, tmp_path, queue) as made:
        it = await begin(made)
        services = made.services
    at = _in_a_week()
    monkeypatch.setattr(f"{__name__}._in_a_week", lambda: at)
    async with without_a_worker(services, monkeypatch) as alone:
        both = [*await asyncio.gather(say(alone, it), say(alone, it)), await say(alone, it)]
    assert [(one.accepted, one.outcome) for one in both] == [(True, LATER)] * 3
    async with installation(dev_server, tmp_path, queue) as made:
        key = it.split("/")[1] if it.startswith("task/") else it

        async def told() -> bool:
            return kind in await kinds(made.services, key)

        await until(told, kind)
        again = await say(made.services, it)
        assert again.accepted
        assert again.outcome not in (LATER, UNCHANGED, None)
        assert (await kinds(made.services, key)).count(kind) == 1
        assert "word.refused" not in await kinds(made.services, key)
        if name == "request":
            shown = await seen(made, it, lambda task: task.phase == "open")
            assert shown.round == 1
            await made.mailed(1, MANAGER)
            # Other words are another request.
            other = {**WORDS, "cost": "1500 CHF"}
            await tasks.request(made.services, it, other, TAM)
            await seen(made, it, lambda task: task.round == 2)
            assert len(await made.mailed(2, MANAGER)) == 2


async def test_a_word_that_cannot_count_any_more_is_told_and_may_be_said_anew(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question left at the door of a task that was decided meanwhile stands on the timeline, with why not."""
    queue = new_id("queue")
    async with installation(dev_server, tmp_path, queue) as made:
        it = await an_open_approval(made)
        services = made.services
    async with without_a_worker(services, monkeypatch) as alone:
        assert (await tasks.answer(alone, it, "In Basel", TAM)).outcome == LATER
    async with installation(dev_server, tmp_path, queue) as made:

        async def told() -> list[str]:
            said = await timeline.timeline_of(made.services, it.split("/")[1])
            return [entry.what for entry in said if entry.kind == "word.refused"]

        (what,) = await until(told, "the refusal")
        assert what == "What Robin Keller said does not count: no question is open"
        assert not (await tasks.answer(made.services, it, "In Basel", TAM)).accepted
        await tasks.ask(made.services, it, "Which site?", by(MANAGER))
        assert (await tasks.answer(made.services, it, "In Basel", TAM)).outcome == "answered"


@asynccontextmanager
async def answers_lost(
    monkeypatch: pytest.MonkeyPatch, handle: WorkflowHandle[Any, Any], status: WorkflowExecutionStatus
) -> AsyncIterator[None]:
    """The worker takes a word so late that nobody waits for its answer any more, and the workflow has gone by then."""
    heard = office_module.answered

    async def late(call: Awaitable[Any], subject: str) -> Any:
        receipt = await heard(call, subject)
        if receipt is not None:

            async def gone() -> bool:
                return (await handle.describe()).status is status

            await until(gone, "the end of the workflow")
            raise UserError("no worker answers", kind=Refused.UNREACHABLE)
        return receipt

    with monkeypatch.context() as patched:
        patched.setattr(words_module, "answered", late)
        yield


async def test_an_approval_is_answered_with_what_happened_though_its_workflow_has_gone(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft is sent once, and both the late answer and a repeated request say so; another word is refused."""
    folder = here.services.settings.data / "playbooks"
    (folder / "note.toml").write_text(excerpt("note", "welcome", of="self_serve"))
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    await onboarding.start(here.services, StartRequest(file=file, playbook="note"))

    async def drafts() -> list[str]:
        found = await message.listed(here.services, file.account.key, MessageState.DRAFT)
        return [line.key for line in found] if len(found) == 3 else []

    keys = tuple(await until(drafts, "the drafts"))
    handle = here.client.get_workflow_handle(onboarding_id(file.account.key))
    async with answers_lost(monkeypatch, handle, WorkflowExecutionStatus.COMPLETED):
        receipt = await message.release(here.services, keys, TAM)
    assert (receipt.accepted, receipt.outcome) == (True, "sending")
    assert await message.release(here.services, keys, TAM) == receipt
    assert len(await here.mailed(3)) == 3
    with pytest.raises(UserError, match="no draft any more"):
        await message.release(here.services, keys, TAM, hold=True)
    assert (await kinds(here.services, file.account.key)).count("drafts.approved") == 1


async def test_a_decision_is_answered_with_what_happened_though_its_task_has_closed(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever's answer was lost is told that it counts, also when they repeat it; nothing of it is recorded as late."""
    task = await opened(here)
    handle = here.client.get_workflow_handle(task.task)
    async with answers_lost(monkeypatch, handle, WorkflowExecutionStatus.COMPLETED):
        receipt = await tasks.decide(here.services, task.task, "deny", by(MANAGER), "Too far")
    assert receipt.accepted
    assert (await tasks.decide(here.services, task.task, "deny", by(MANAGER), "Too far")).accepted
    with pytest.raises(UserError, match="already"):
        await tasks.decide(here.services, task.task, "approve", by(MANAGER), "After all")
    told = await kinds(here.services, task.account)
    assert (told.count("decision.made"), told.count("decision.late")) == (1, 1)


async def test_an_answer_that_comes_before_its_question_is_lived_anew_counts(here: Installation) -> None:
    """A worker died once the question was on record: an update that meets the workflow's first task is asked again."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    await accounts.import_account(here.services, file)
    assert file.contract is not None
    it = task_id(file.account.key, "onsite_approval", 1)
    start = TaskStart(
        account=file.account.key,
        contract=file.contract.id,
        subject=file.account.key,
        step="onsite_approval",
        title="Onsite",
        definition=SIMPLE,
    )
    handle = here.client.get_workflow_handle(it)
    answers: list[str] = []

    class AsItBegins:
        """The task, which begins with the first word to it."""

        async def execute_update(self, update: Any, word: Any, *, id: str) -> Any:
            try:
                if answers:
                    return await handle.execute_update(update, word, id=id)
                begins: WithStartWorkflowOperation[HumanTask, TaskResult] = WithStartWorkflowOperation(
                    HUMAN_TASK.name,
                    start,
                    id=it,
                    task_queue=here.services.settings.task_queue,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                )
                return await here.client.execute_update_with_start_workflow(
                    update, word, id=id, start_workflow_operation=begins
                )
            except WorkflowUpdateFailedError:
                answers.append("refused")
                raise

    decision = await put_down(here, MANAGER, "approve")
    task: Any = AsItBegins()
    assert (
        await words_module.hand_over(here.services, task, HumanTask.decide, decision, "the task")
    ).outcome == "approve"
    assert answers == ["refused"]


async def test_moves_at_once_are_all_on_record(here: Installation) -> None:
    """Each that is answered has its entry, in the order of the answers' effects; what it came to is what stands."""
    key = await a_kickoff(here)
    first = _in_a_week()
    assert (await meeting.book(here.services, key, "kickoff", first, TAM, anyway=True)).outcome == "booked"
    times = [first + timedelta(hours=hour) for hour in range(1, 6)]
    moved = await asyncio.gather(*(meeting.book(here.services, key, "kickoff", at, TAM, anyway=True) for at in times))
    assert {receipt.outcome for receipt in moved} == {"moved"}

    async def all_told() -> list[str]:
        told = [entry for entry in await timeline.timeline_of(here.services, key) if entry.kind == "meeting.moved"]
        return [entry.what for entry in told] if len(told) == len(times) else []

    assert len(set(await until(all_told, "five moves on record"))) == len(times)
    booked = (await meeting.show(here.services, key, "kickoff")).booked
    assert booked in times
    handle = here.client.get_workflow_handle(meeting_id(key, "kickoff", 1))
    assert (await handle.query("view"))["booking"]["sequence"] == len(times)


async def test_a_meeting_that_was_moved_away_can_be_moved_back(here: Installation) -> None:
    """The same words are another word once something else was said: at once by the same person, or by somebody else."""
    key = await a_kickoff(here)
    first = _in_a_week()
    second = first + timedelta(hours=1)
    colleague = by("tomas.novak@foobar.example")
    for at, actor in ((first, TAM), (second, TAM), (first, TAM), (second, colleague), (first, TAM)):
        assert (await meeting.book(here.services, key, "kickoff", at, actor, anyway=True)).accepted

    async def back() -> bool:
        handle = here.client.get_workflow_handle(meeting_id(key, "kickoff", 1))
        return bool((await handle.query("view"))["booking"]["sequence"] == 4)

    await until(back, "the last move")
    assert (await meeting.show(here.services, key, "kickoff")).booked == first
