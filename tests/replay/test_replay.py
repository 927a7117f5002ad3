"""Histories of every released version replay through today's workflows."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from rapport.model.account import AccountFile
from tests.conftest import example
from tests.replay.passed import passed, places, tracing
from tests.replay.record import DONE, HISTORIES, SCENARIOS, files_of, registered, unrecorded, workflow_of
from tests.replay.unpassed import UNPASSED
from tests.support.sandbox import Whole
from worker import WORKFLOWS

FILES = sorted(HISTORIES.glob("*/*.json"))

THREAD: Final = tracing()


@cache
def replaying(file: Path) -> asyncio.Task[Exception | None]:
    """The replay of a history, once in this process; and what it could not replay, if so."""
    return asyncio.create_task(replay(history_of(file)))


async def replay(history: WorkflowHistory, *interceptors: Interceptor) -> Exception | None:
    """Have today's code live a history again; give what was other in it, if anything."""
    replayer = Replayer(
        workflows=WORKFLOWS,
        # Each run with modules of its own.
        workflow_runner=Whole(SandboxedWorkflowRunner()),
        data_converter=pydantic_data_converter,
        workflow_task_executor=THREAD,
        interceptors=interceptors,
    )
    return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure


@cache
def history_of(file: Path) -> WorkflowHistory:
    """A committed history."""
    return WorkflowHistory.from_json(file.stem.split(".")[-1], file.read_text())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
async def test_a_committed_history_replays(file: Path) -> None:
    """What a worker of that version did is what a worker of this version would do."""
    failure = await replaying(file)
    if failure is not None:
        raise failure


def test_every_scenario_is_recorded() -> None:
    """Each scenario left one history of each workflow in it; without them the test above would prove nothing."""
    recorded = {file.name for file in FILES}
    assert recorded >= {name for scenario in SCENARIOS for name in files_of(scenario)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_something_was_done_in_every_history(file: Path) -> None:
    """A history that ends before a worker did anything would replay through any code."""
    assert any(event.event_type == DONE for event in history_of(file).events)


def test_every_workflow_that_a_worker_knows_is_recorded() -> None:
    """None can change unseen."""
    assert unrecorded() == []


@pytest.mark.timeout(600)
@pytest.mark.asyncio(loop_scope="module")
async def test_every_place_at_which_a_workflow_waits_is_passed() -> None:
    """Each `await` and each command in workflow code is in a committed history, or it is said why it is not."""
    for file in FILES:
        await replaying(file)
    unpassed = {place for place, lines in places().items() if not lines & passed()}
    assert sorted(unpassed - set(UNPASSED)) == [], "record a scenario that passes there: tests/replay/record.py"
    assert sorted(set(UNPASSED) - unpassed) == [], "these are passed, or are no more: take them out"


class OneMore(Interceptor):
    """Has each workflow begin with one more command."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """What goes into each run."""
        return OneMoreInbound


class OneMoreInbound(WorkflowInboundInterceptor):
    """Starts a workflow that no history knows."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        """Before anything else."""
        await workflow.start_child_workflow("OneMore", id="one-more")
        return await self.next.execute_workflow(input)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", sorted(registered()))
async def test_one_more_command_in_a_workflow_is_noticed(name: str) -> None:
    """With one command inserted, its longest history does not replay; so the gate can fail for every workflow."""
    file = max((file for file in FILES if workflow_of(file) == name), key=lambda file: file.stat().st_size)
    assert await replay(history_of(file)) is None
    assert "ondeterminism" in str(await replay(history_of(file), OneMore()))


def personal(file: AccountFile) -> list[str]:
    """Names, addresses and texts that may stand in no history."""
    names = [contact.name for contact in file.contacts] + [member.name for member in file.members]
    addresses = [contact.email for contact in file.contacts] + [member.email for member in file.members]
    words = names + addresses + [word for name in names for word in name.split()]
    figures = [file.account.figures.poc_result or "", file.account.figures.projected_roi or ""]
    return words + figures


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_history_names_nobody(file: Path) -> None:
    """Histories carry ids, roles and times: no name, address, figure or free text of the account stands in them."""
    readable = decoded(file.read_text())
    assert names().findall(readable) == []
    assert "@" not in readable


@cache
def names() -> re.Pattern[str]:
    """Any of them, as a word."""
    return re.compile(rf"\b(?:{'|'.join(re.escape(word) for word in personal(example()) if word)})\b")


def decoded(history: str) -> str:
    """A history with its payloads in the clear."""
    parts = [history]

    def walk(value: object) -> None:
        if isinstance(value, dict):
            data = value.get("data")
            if isinstance(data, str):
                parts.append(base64.b64decode(data).decode(errors="replace"))
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(json.loads(history))
    return "\n".join(parts)
