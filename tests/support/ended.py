"""Onboardings on a real server, and the ends that an operator puts to workflows in Temporal."""

from __future__ import annotations

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.account import AccountFile
from rapport.model.ids import new_id
from starters.services import Actor
from starters.use_cases import meeting, onboarding, task
from starters.use_cases.onboarding import StartRequest
from tests.conftest import Installation, account, until


async def onboarded(here: Installation, **facts: bool) -> tuple[str, AccountFile]:
    """An account whose kickoff is voted on, unless it waits for an approval."""
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    known = file.account.facts.model_copy(update=facts)
    file = file.model_copy(update={"account": file.account.model_copy(update={"facts": known})})
    await onboarding.start(here.services, StartRequest(file=file))

    async def welcomed() -> bool:
        return len(here.mails()) >= 4

    await until(welcomed, "the welcome")
    return key, file


async def end(here: Installation, *ids: str, how: str = "terminate") -> None:
    """End workflows as an operator does in Temporal, and wait until they have ended."""
    for id_ in ids:
        handle = here.client.get_workflow_handle(id_)
        await (handle.terminate("by hand") if how == "terminate" else handle.cancel())
        with pytest.raises(WorkflowFailureError):
            await handle.result()


async def open_tasks(here: Installation, key: str) -> list[str]:
    """What of an account's is in inboxes."""
    everyone = await task.inbox(here.services, Actor(email="", channel="cli", entered_by="tester"))
    return [line.task for line in everyone.mine if f"/{key}/" in line.task]


async def runs(here: Installation, *ids: str) -> None:
    """Wait until these run."""

    async def run() -> bool:
        try:
            found = [await here.client.get_workflow_handle(id_).describe() for id_ in ids]
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return all(one.status is WorkflowExecutionStatus.RUNNING for one in found)

    await until(run, f"{', '.join(ids)} to run")


async def at_rest(client: Client, id_: str) -> None:
    """Wait until nothing of a workflow is under way: what it has to write is written, and it waits or has ended.

    An answer is given before what follows from it is on record. Having an activity look for the end of what an earlier
    life had started is no work: it lasts as long as that runs.
    """
    handle = client.get_workflow_handle(id_)

    async def rests() -> bool:
        found = (await handle.describe()).raw_description
        works = [one for one in found.pending_activities if one.activity_type.name != "children.result"]
        return not found.HasField("pending_workflow_task") and not works

    await until(rests, f"{id_} to have done what it was about")


async def answers(here: Installation, key: str) -> dict[str, bool]:
    """Who has answered on the times for the kickoff."""
    shown = await meeting.show(here.services, key, "kickoff")
    return {answer.who: answer.answered for answer in shown.answers}


def to_customer(here: Installation) -> int:
    """How many emails went to others than our own."""
    return len([mail for mail in here.mails() if "foobar.example" not in str(mail["To"])])


async def milestone(here: Installation, key: str, step: str) -> str:
    """How a step is."""
    shown = await onboarding.status(here.services, key)
    found = next(one for one in shown.milestones if one.step == step)
    return found.state if found.state == "failed" else found.outcome or found.state


async def is_open(here: Installation, id_: str) -> bool:
    """Whether a task is in anybody's inbox."""
    everyone = await task.inbox(here.services, Actor(email="", channel="cli", entered_by="tester"))
    return id_ in [line.task for line in everyone.mine]
