"""Asking what becomes of a workflow that was ended from outside, on the time-skipping server."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import WorkflowExecutionStatus

from rapport.model.ids import cadence_id, ended_outside_id
from rapport.model.operation import Control, ControlKind
from rapport.model.sweep import Gone, StandstillResult
from rapport.model.workflows import ENDED_OUTSIDE
from starters.use_cases import account as accounts, task
from tests.conftest import TAM, Installation, example, until


async def test_who_lets_it_pass_is_asked_again_in_a_run_of_its_own(skipping: Installation) -> None:
    """Each day's asking begins a history anew, counts on, and is answered as ever."""
    await accounts.import_account(skipping.services, example())
    id_ = cadence_id("versayce")
    gone = Gone(account="versayce", subject="versayce", workflow_id=id_, since=await skipping.now(), assign=("tam",))
    handle = await skipping.client.start_workflow(
        ENDED_OUTSIDE.name, gone, id=ended_outside_id(id_), task_queue="rapport", result_type=StandstillResult
    )
    asked = set[str]()

    async def put() -> str | None:
        lines = (await task.inbox(skipping.services, TAM)).mine
        return next((line.task for line in lines if "/gone/" in line.task and line.task not in asked), None)

    for number in (1, 2, 3):
        todo: str = await until(put, "the TAM to be asked")
        assert f"/gone/{number}/" in todo
        asked.add(todo)
        if number == 3:
            await task.decide(skipping.services, todo, "leave", TAM, "They left.")
            break
        await skipping.client.get_workflow_handle(todo).signal("control", Control(kind=ControlKind.CLOSE))
        await skipping.client.get_workflow_handle(todo).result()
        await skipping.sleep_until(await skipping.now() + timedelta(days=1, minutes=1))
    assert (await handle.result()).outcome == "leave"
    assert len({id_.rpartition("/")[2] for id_ in asked}) == 1, "all of them are about one end"
    found = await skipping.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).describe()
    assert found.status is WorkflowExecutionStatus.CONTINUED_AS_NEW
