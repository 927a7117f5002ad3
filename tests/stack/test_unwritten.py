"""Emails that can't be written at all, on a real Temporal server: the TAM is asked to correct what is wrong."""

from __future__ import annotations

import pytest

from rapport.model.ids import new_id
from rapport.model.message import MessageState
from rapport.model.people import WrittenWork
from starters.commands import accounts, meetings, messages, onboardings, tasks, timelines
from starters.commands.onboardings import StartRequest
from starters.commands.tasks_shown import TaskLine
from tests.conftest import BUSINESS, CHAMPION, SECOND_USER, TAM, USER, Town, account, by, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_invitation_that_cannot_be_written_is_a_task(here: Town) -> None:
    """The TAM is a contact as well, so nobody could be invited; with the address corrected, everyone is."""
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    contacts = tuple(
        one.model_copy(update={"email": TAM.email}) if one.email == SECOND_USER else one for one in file.contacts
    )
    # The file that brings the members would refuse it; one that names the TAM alone knows nobody's address.
    await accounts.import_account(here.office, account(new_id("a").replace("_", "-"), new_id("C")))
    file = file.model_copy(update={"contacts": contacts, "members": ()})
    await onboardings.start(here.office, StartRequest(file=file))
    await here.mailed(4)

    async def proposed() -> bool:
        return (await meetings.show(here.office, key, "kickoff")).phase == "voting"

    await until(proposed, "the vote")
    for voter in (BUSINESS, CHAMPION, USER):
        await meetings.vote(here.office, key, "kickoff", ("1",), by(voter))

    async def asked() -> TaskLine | None:
        mine = (await tasks.inbox(here.office, TAM)).mine
        return next((line for line in mine if "/unwritten/" in line.task), None)

    line: TaskLine = await until(asked, "the TAM to be asked")
    assert any(entry.kind == "message.refused" for entry in await timelines.timeline_of(here.office, key))
    new = "robin.as.developer@new.example"
    await accounts.edit_contact(here.office, key, TAM.email, WrittenWork(new_email=new), TAM)
    assert (await tasks.decide(here.office, line.task, "again", TAM)).accepted

    async def invited() -> bool:
        listed = await messages.listed(here.office, key, MessageState.SENT)
        return sum(one.purpose == "invitation" for one in listed) == 5

    await until(invited, "everyone to be invited")
