"""A step whose work failed, on a real Temporal server: it isn't done, and somebody decides what follows."""

from __future__ import annotations

import pytest

from rapport.model.ids import meeting_id, new_id, task_id
from rapport.model.message import MessageState
from starters.commands import messages, onboardings, tasks
from starters.commands.onboardings import StartRequest
from tests.conftest import TAM, Town, account, until
from tests.support.playbooks import put

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def failed_kickoff(here: Town) -> str:
    """An account whose kickoff's workflow was terminated by hand; its key."""
    key = new_id("a").replace("_", "-")
    put(here.office.settings.data, "more", "kickoff", "onsite_approval", "chat_channel", "rollout_planning")
    file = account(key, new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    await onboardings.start(here.office, StartRequest(file=file, playbook="more"))

    async def drafted() -> bool:
        return len(await messages.listed(here.office, key, MessageState.DRAFT)) == 4

    await until(drafted, "four drafts")
    await here.client.get_workflow_handle(meeting_id(key, "kickoff", 1)).terminate("by hand")
    return key


async def asked(here: Town, key: str) -> str:
    """The to-do that asks what follows, once it is in the TAM's inbox."""
    id_ = task_id(key, "kickoff.failed", 1)

    async def there() -> bool:
        return id_ in {line.task for line in (await tasks.inbox(here.office, TAM)).mine}

    await until(there, "the TAM to be asked")
    return id_


async def states(here: Town, key: str) -> dict[str, str]:
    """The state of each step."""
    shown = await onboardings.status(here.office, key)
    return {one.step: one.state for one in shown.milestones}


async def test_what_comes_after_a_failed_step_holds(here: Town) -> None:
    """A meeting whose workflow was ended by hand is failed, nothing after it begins, and its drafts don't go."""
    key = await failed_kickoff(here)
    await asked(here, key)
    assert await states(here, key) == {
        "kickoff": "failed",
        "onsite_approval": "dropped",
        "rollout_planning": "waiting",
        "chat_channel": "waiting",
    }
    left = await messages.listed(here.office, key)
    assert {(one.state, one.reason) for one in left if one.step == "kickoff"} == {
        (MessageState.SUPPRESSED, "its step failed")
    }


@pytest.mark.parametrize(("option", "kickoff"), [("complete", "done"), ("skip", "skipped")])
async def test_a_failed_step_ends_as_its_tam_decides(here: Town, option: str, kickoff: str) -> None:
    """Done another way, or left out: what comes after it begins then."""
    key = await failed_kickoff(here)
    id_ = await asked(here, key)
    assert (await tasks.decide(here.office, id_, option, TAM, "We met at the fair.")).accepted

    async def goes_on() -> bool:
        now = await states(here, key)
        return now["kickoff"] == kickoff and now["chat_channel"] == "running"

    await until(goes_on, "what comes after it")


async def test_a_failed_step_is_done_again(here: Town) -> None:
    """Done again, it is the next attempt with mails of its own; the to-do closes also where a command said so."""
    key = await failed_kickoff(here)
    id_ = await asked(here, key)
    assert (await tasks.decide(here.office, id_, "redo", TAM)).accepted

    async def again() -> bool:
        drafts = await messages.listed(here.office, key, MessageState.DRAFT)
        return len(drafts) == 4 and all(one.key.split("/")[2] == "2" for one in drafts)

    await until(again, "four drafts of the second attempt")
    assert (await states(here, key))["kickoff"] == "running"
