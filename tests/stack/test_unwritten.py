"""Emails that can't be written at all, on a real Temporal server: the TAM is asked to correct what is wrong."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from rapport.model.account import WrittenWork
from rapport.model.ids import new_id
from rapport.model.message import MessageState
from rapport.storage.tables import ContactRow
from starters.use_cases import account as accounts, meeting, message, onboarding, task, timeline
from starters.use_cases.onboarding import StartRequest
from starters.views.task import TaskLine
from tests.conftest import BUSINESS, CHAMPION, SECOND_USER, TAM, USER, Installation, account, by, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_invitation_that_cannot_be_written_is_a_task(here: Installation) -> None:
    """The TAM is a contact as well, so nobody could be invited; with the address corrected, everyone is."""
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    await onboarding.start(here.services, StartRequest(file=file))
    await here.mailed(4)
    # No edge takes it; a database that was written by another hand may have it.
    async with here.services.store.writing() as connection:
        theirs = ContactRow.account == key, ContactRow.email == SECOND_USER
        await connection.execute(update(ContactRow).where(*theirs).values(email=TAM.email))

    async def proposed() -> bool:
        return (await meeting.show(here.services, key, "kickoff")).phase == "voting"

    await until(proposed, "the vote")
    for voter in (BUSINESS, CHAMPION, USER):
        await meeting.vote(here.services, key, "kickoff", ("1",), by(voter))

    async def asked() -> TaskLine | None:
        mine = (await task.inbox(here.services, TAM)).mine
        return next((line for line in mine if "/unwritten/" in line.task), None)

    line: TaskLine = await until(asked, "the TAM to be asked")
    assert any(entry.kind == "message.refused" for entry in await timeline.timeline_of(here.services, key))
    new = "robin.as.developer@new.example"
    await accounts.edit_contact(here.services, key, TAM.email, WrittenWork(new_email=new), TAM)
    assert (await task.decide(here.services, line.task, "again", TAM)).accepted

    async def invited() -> bool:
        listed = await message.listed(here.services, key, MessageState.SENT)
        return sum(one.purpose == "invitation" for one in listed) == 5

    await until(invited, "everyone to be invited")
