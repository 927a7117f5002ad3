"""Activities that fail, each in one way, where a workflow first asks for them; and a TAM who sees to the rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import pytest
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from rapport.model.base import UserError
from rapport.model.ids import step_of_to_do
from rapport.model.task import TaskPhase
from rapport.rules.todo_template import DECIDE_ON_FAILURE
from starters.services import Actor
from starters.use_cases import task
from tests.conftest import Installation, by
from workflows import options, outcomes
from workflows.options import Nature

Pair = tuple[str, str]
"""A workflow and an activity, as Temporal names them."""

FAILED: Final = f".{DECIDE_ON_FAILURE.name}"


class Mode(StrEnum):
    """How an activity fails."""

    ONCE = "once"
    FIVE = "five times"
    SEEN = "until somebody sees it"
    REFUSE = "refuses once"
    TIME_OUT = "times out"
    TWICE = "runs twice"


class Broken(Exception):  # noqa: N818 - what a test breaks
    """What an activity meets, such as a database that does not answer."""


class Faults(Interceptor):
    """Has each activity that each workflow asks for meet a fault.

    Attributes:
        mode: The fault; without one everything goes well.
        asked: How often each pair came by.
        met: The pairs whose fault is over.
        workflows: The ids of the workflows that asked for anything.
    """

    def __init__(self, mode: Mode | None = None, refused: Iterable[Pair] = ()) -> None:
        """Nothing was asked for.

        Args:
            refused: What refuses once, before it meets the fault.
        """
        self.mode = mode
        self.refused = set(refused)
        self.asked: Counter[Pair] = Counter()
        self.met: set[Pair] = set()
        self.workflows: dict[str, None] = {}

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Stand before each activity."""
        return _Faulty(next, self)


class _Faulty(ActivityInboundInterceptor):
    def __init__(self, next_: ActivityInboundInterceptor, faults: Faults) -> None:
        super().__init__(next_)
        self.faults = faults

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info, faults = activity.info(), self.faults
        assert info.workflow_type is not None
        assert info.workflow_id is not None
        pair = (info.workflow_type, info.activity_type)
        faults.workflows[info.workflow_id] = None
        if pair in faults.refused:
            faults.refused.remove(pair)
            raise _refusal()
        faults.asked[pair] += 1
        count = faults.asked[pair]
        match faults.mode:
            case Mode.ONCE | Mode.FIVE:
                last = 1 if faults.mode is Mode.ONCE else 5
                if count == last:
                    faults.met.add(pair)
                if count <= last:
                    raise Broken
            case Mode.SEEN if pair not in faults.met:
                if not await _is_seen(info):
                    raise Broken
                faults.met.add(pair)
            case Mode.REFUSE if pair not in faults.met:
                faults.met.add(pair)
                raise _refusal()
            case Mode.TIME_OUT if pair not in faults.met:
                faults.met.add(pair)
                given = await super().execute_activity(input)
                assert info.start_to_close_timeout is not None
                # Its work is done, but nobody hears of that.
                await asyncio.sleep(2 * info.start_to_close_timeout.total_seconds())
                return given
            case Mode.TWICE:
                await super().execute_activity(input)
                faults.met.add(pair)
        return await super().execute_activity(input)


def _refusal() -> ApplicationError:
    return ApplicationError("refused by the test", type="Refused", non_retryable=True)


async def description(client: Client, workflow_id: str, run_id: str = "") -> DescribeWorkflowExecutionResponse:
    """How Temporal describes a workflow, in its latest run or a certain one.

    As it comes: the server that skips time keeps a search attribute that was unset as null, on which the SDK's own
    `describe` stumbles. Other servers drop it.
    """
    found = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    asked = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=found)
    return await client.workflow_service.describe_workflow_execution(asked)


async def _is_seen(info: activity.Info) -> bool:
    """Whether whoever opens the workflow in Temporal's UI sees that this activity is tried, and what it meets."""
    if info.is_local or info.attempt == 1:
        return False
    assert info.workflow_id is not None
    described = await description(activity.client(), info.workflow_id)
    (seen,) = [one for one in described.pending_activities if one.activity_id == info.activity_id]
    assert seen.activity_type.name == info.activity_type
    assert seen.attempt > 1
    return "Broken" in f"{seen.last_failure}"


@contextmanager
def hurried(mode: Mode | None) -> Iterator[None]:
    """Let less time pass between attempts, and as little as its work takes before one times out."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(outcomes, "TRY_AGAIN_AFTER", timedelta(milliseconds=100))
        # What is no nature of work stands there by itself: how mails are sent.
        there = [(one.local, one.remote) if isinstance(one, Nature) else (one,) for one in vars(options).values()]
        limits = [some for one in there for some in one if isinstance(some, dict) and "retry_policy" in some]
        for one in {id(some): some for some in limits}.values():
            policy = replace(
                one["retry_policy"],
                initial_interval=timedelta(milliseconds=10),
                maximum_interval=timedelta(milliseconds=50),
            )
            patched.setitem(one, "retry_policy", policy)
            if mode is Mode.TIME_OUT:
                patched.setitem(one, "start_to_close_timeout", timedelta(seconds=1))
        yield


ANSWERS: Final = {FAILED: "redo", ".unwritten": "again", ".undelivered": "resend"}
"""What a TAM says of what went wrong, by how the to-do's step ends."""


async def see_to(installation: Installation) -> int:
    """Do each to-do there is about what went wrong, as its TAM would; how many there were."""
    try:
        lines = (await task.inbox(installation.services, Actor(email="", channel="cli"))).mine
    except UserError:
        return 0
    count = 0
    for line in lines:
        word = next((word for end, word in ANSWERS.items() if line.step.endswith(end)), None)
        if word is None or line.phase is not TaskPhase.OPEN or not line.assignees:
            continue
        count += 1
        try:
            await task.decide(installation.services, line.task, word, by(line.assignees[0]))
        except UserError:
            # Somebody has said so already.
            continue
    return count


class Attended(Installation):
    """An installation whose TAM sees to what went wrong before anything else happens."""

    async def sleep_until(self, instant: Any) -> None:
        """Let the clock run, and look into the inbox twice a day."""
        while (now := await self.now()) < instant:
            await see_to(self)
            await super().sleep_until(min(instant, now + timedelta(hours=12)))


def is_about_trouble(step: str) -> bool:
    """Whether a mail, or a to-do, is about something that went wrong and not part of what was promised."""
    return step_of_to_do(step) or step.endswith(FAILED)
