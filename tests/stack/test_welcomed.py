"""What is said of the welcome is true of its emails: no stage is reached by an email that has not gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from rapport.model.ids import new_id
from rapport.model.message import MessageState, Resolution
from rapport.model.step import Stage
from starters.http.pages.member import stages
from starters.use_cases import message, onboarding, undelivered
from starters.use_cases.onboarding import MilestoneShown, StartRequest
from tests.conftest import CHAMPION, SECOND_USER, TAM, USER, Installation, account, until
from tests.stack.test_undelivered import UNKNOWN_USER, asked, in_state, welcomed
from tests.stack.test_undelivered_commands import said

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def mark(here: Installation, key: str) -> str:
    """What the account's page says of the welcome."""
    shown = stages(await onboarding.status(here.services, key))
    return next(one.state for one in shown if one.name == Stage.WELCOME)


async def step(here: Installation, key: str, name: str) -> MilestoneShown:
    """One step, as the status shows it."""
    shown = await onboarding.status(here.services, key)
    return next(one for one in shown.milestones if one.step == name)


async def test_the_welcome_is_not_reached_before_an_email_has_gone(here: Installation) -> None:
    """While the welcomes wait as drafts, the page says that none has gone; once they have gone, it is reached."""
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    await onboarding.start(here.services, StartRequest(file=file))

    async def drafted() -> bool:
        return (await step(here, key, "kickoff")).unsent == 4

    await until(drafted, "four drafts")
    assert await mark(here, key) == "unsent"
    keys = tuple(one.key for one in await message.listed(here.services, key, MessageState.DRAFT))
    await message.release(here.services, keys, TAM)

    async def gone() -> bool:
        return (await step(here, key, "kickoff")).unsent == 0

    await until(gone, "the welcomes")
    assert await mark(here, key) == "reached"


@pytest.mark.sqlite
async def test_a_step_whose_email_failed_says_so(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A welcome that is done and reached nobody is not said to be reached; once one of them was told, it is."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)

    def refuse(relay: object) -> None:
        for one in (CHAMPION, USER, SECOND_USER):
            relay.then_for(one, UNKNOWN_USER)  # type: ignore[attr-defined]

    async with welcomed(dev_server, tmp_path, refuse, playbook="self_serve") as (here, _, key):
        failed = [await in_state(here, key, one, MessageState.FAILED) for one in (CHAMPION, USER, SECOND_USER)]

        async def done() -> bool:
            return (await step(here, key, "welcome")).state == "done"

        await until(done, "the end of the welcome")
        assert (await step(here, key, "welcome")).unsent == 3
        assert await mark(here, key) == "unsent"
        assert "3 not sent" in (await said(here, "onboarding", "status", key)).stdout
        await asked(here, 3)
        await undelivered.resolve(here.services, failed[0].key, Resolution.ELSEWHERE, TAM)

        async def told() -> bool:
            return (await step(here, key, "welcome")).unsent == 2

        await until(told, "one to be taken care of")
        assert await mark(here, key) == "reached"
        assert (await step(here, key, "welcome")).outcome == "0 of 3 sent"
        await undelivered.resolve(here.services, failed[1].key, Resolution.RESEND, TAM)

        async def sent() -> bool:
            return (await step(here, key, "welcome")).outcome == "1 of 3 sent"

        await until(sent, "one to be sent again")
