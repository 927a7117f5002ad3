"""A query that is asked while a local activity runs changes nothing of what a replay finds: docs/adr/0035."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given
from temporalio import activity, workflow
from temporalio.bridge.proto.workflow_activation import (
    FireTimer,
    NotifyHasPatch,
    ResolveActivity,
    SignalWorkflow,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import Worker, WorkflowInstance, WorkflowInstanceDetails

from rapport.runner import Runner, parts
from rapport.temporal import time_skipping
from tests.conftest import test_server

SOON = timedelta(seconds=30)
RUNNER = Runner.sharing([__name__])
LOCAL_ENDED = asyncio.Event()


@activity.defn
async def act_here() -> None:
    """Do something in the workflow's task."""


@activity.defn
async def act_elsewhere() -> None:
    """End after what is done in the workflow's task."""
    await LOCAL_ENDED.wait()


@workflow.defn
class Both:
    """Has an activity and a local one under way, and goes on from either."""

    @workflow.run
    async def run(self) -> None:
        """Go on from what comes first."""
        await asyncio.gather(self.elsewhere(), self.here())

    async def elsewhere(self) -> None:
        """Have one activity done, then another."""
        await workflow.execute_activity(act_elsewhere, start_to_close_timeout=SOON)
        await workflow.execute_activity(act_elsewhere, start_to_close_timeout=SOON)

    async def here(self) -> None:
        """Have a local activity done; then wait."""
        await workflow.execute_local_activity(act_here, start_to_close_timeout=SOON)
        LOCAL_ENDED.set()
        await workflow.sleep(1)


async def test_a_workflow_says_the_same_where_a_local_activity_s_answer_comes_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A query lets it come behind what happened after it, a replay has it before: the commands are in one order."""
    made: list[WorkflowInstanceDetails] = []
    handed: list[WorkflowActivation] = []
    create = Runner.create_instance

    def watched(runner: Runner, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = create(runner, det)
        activate = instance.activate
        made.append(det)

        def keep(act: WorkflowActivation) -> WorkflowActivationCompletion:
            handed.append(act)
            return activate(act)

        monkeypatch.setattr(instance, "activate", keep)
        return instance

    monkeypatch.setattr(Runner, "create_instance", watched)
    async with (
        time_skipping(test_server()) as environment,
        Worker(
            environment.client,
            task_queue="both",
            workflows=[Both],
            activities=[act_here, act_elsewhere],
            workflow_runner=RUNNER,
        ),
    ):
        await environment.client.execute_workflow(Both.run, id="both", task_queue="both")

    first, local, remote, *_ = handed
    assert [job.resolve_activity.is_local for act in (local, remote) for job in act.jobs] == [True, False]
    late = WorkflowActivation()
    late.CopyFrom(remote)
    late.jobs.extend(local.jobs)

    async def commands(*acts: WorkflowActivation) -> list[str | None]:
        instance = create(RUNNER, made[0])
        done = [await asyncio.to_thread(instance.activate, act) for act in acts]
        return [one.WhichOneof("variant") for completion in done for one in completion.successful.commands]

    in_order = await commands(first, local, remote)
    assert in_order[-2:] == ["start_timer", "schedule_activity"]
    assert await commands(first, late) == in_order


LOCAL = st.integers(1, 99).map(
    lambda seq: WorkflowActivationJob(resolve_activity=ResolveActivity(seq=seq, is_local=True))
)
OTHER = st.one_of(
    st.integers(1, 99).map(lambda seq: WorkflowActivationJob(resolve_activity=ResolveActivity(seq=seq))),
    st.integers(1, 99).map(lambda seq: WorkflowActivationJob(fire_timer=FireTimer(seq=seq))),
    st.just(WorkflowActivationJob(signal_workflow=SignalWorkflow(signal_name="said"))),
)
PATCH = st.just(WorkflowActivationJob(notify_has_patch=NotifyHasPatch(patch_id="better")))


@given(st.lists(st.one_of(LOCAL, OTHER, PATCH), min_size=1, max_size=8))
def test_each_answer_of_a_local_activity_is_handed_over_alone_and_before_all_else(
    jobs: list[WorkflowActivationJob],
) -> None:
    """Nothing is lost or doubled; patches are known first, and each part is of the same instant."""
    act = WorkflowActivation(run_id="r", history_length=7, jobs=jobs)
    cut = list(parts(act))
    assert {(part.run_id, part.history_length) for part in cut} == {("r", 7)}
    handed = [job.SerializeToString() for part in cut for job in part.jobs]
    assert sorted(handed) == sorted(job.SerializeToString() for job in jobs)
    ours = [[job for job in part.jobs if not job.HasField("notify_has_patch")] for part in cut]
    kinds = [[job.HasField("resolve_activity") and job.resolve_activity.is_local for job in part] for part in ours]
    assert all(len(kind) == 1 for kind in kinds if any(kind))
    firsts = [kind == [True] for kind in kinds if kind]
    assert firsts == sorted(firsts, reverse=True)


def test_what_comes_as_a_replay_has_it_is_handed_over_as_it_is() -> None:
    """A part costs the sandbox an entry of its own."""
    act = WorkflowActivation(jobs=[WorkflowActivationJob(fire_timer=FireTimer(seq=1))])
    assert [id(part) for part in parts(act)] == [id(act)]
