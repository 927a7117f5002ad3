"""A reply to the times of a meeting that has ended: it is kept, its TAM hears it, and the page says what became."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import httpx
import pytest

from rapport.model.base import Refusal, Refused
from rapport.model.ids import meeting_id, new_id
from rapport.model.operations import Operate
from starters.commands import meetings, onboardings, operations, tasks, timelines
from starters.commands.meeting_ends import EndShown
from starters.commands.onboardings import StartRequest
from starters.commands.operations import OperationWritten
from starters.commands.tasks_shown import TaskShown
from starters.http.app import create_app
from tests.conftest import CHAMPION, TAM, Town, account, by, link_of, until
from tests.stack.test_undelivered_commands import said
from tests.unit.test_commands import faults

End = Callable[[Town, str], Awaitable[None]]

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def polled(here: Town) -> tuple[str, str]:
    """An account whose kickoff is put to the vote, and the champion's link."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    await onboardings.start(here.office, StartRequest(file=file))
    (mail,) = await here.mailed(1, CHAMPION)
    return file.account.key, link_of(mail)


async def ended(here: Town, key: str) -> meetings.MeetingShown:
    """The kickoff, once it has ended."""

    async def over() -> meetings.MeetingShown | None:
        shown = await meetings.show(here.office, key, "kickoff")
        return shown if shown.ended is not None else None

    shown: meetings.MeetingShown = await until(over, "the end of the kickoff")
    return shown


async def skip(here: Town, key: str) -> None:
    """Have the onboarding continue without its kickoff."""
    written = OperationWritten(reason="They know us already.", step="kickoff")
    await operations.operate(here.office, key, Operate.SKIP, written, TAM)
    await ended(here, key)


async def terminate(here: Town, key: str) -> None:
    """End the kickoff in Temporal by hand."""
    await here.client.get_workflow_handle(meeting_id(key, "kickoff", 1)).terminate("by hand")


async def asked(here: Town, key: str) -> list[TaskShown]:
    """The to-dos about late replies in the TAM's inbox."""
    mine = (await tasks.inbox(here.office, TAM)).mine
    return [
        await tasks.show(here.office, one.task) for one in mine if (one.account, one.step) == (key, "kickoff.reply")
    ]


@pytest.mark.parametrize("end", [skip, terminate])
async def test_a_reply_that_comes_too_late_is_kept_and_heard(here: Town, end: End) -> None:
    """It is on the timeline with its note, the TAM has one task with what was said, and the page says all of that."""
    key, token = await polled(here)
    slots = (await meetings.show(here.office, key, "kickoff")).slots
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(here.office)), base_url="http://x") as reader:
        url = f"/m/{token}"
        found = re.search(r'name="form" value="(\w+)"', (await reader.get(url)).text)
        assert found is not None
        await end(here, key)
        reply = {"form": found[1], "slot": [slots[0].id], "comment": "Only if Priya can come."}
        for _ in range(2):
            answer = await reader.post(url, data=reply, headers={"origin": here.office.settings.public_url})
            assert answer.status_code == 409
            assert "We have your reply." in answer.text
            assert "It came too late to count for the time. Robin Keller has been asked" in answer.text
        looked = await reader.get(url)
    assert looked.status_code == 200
    assert "This meeting is no longer being planned" in looked.text
    assert "No time was booked" in looked.text
    assert f'<a href="mailto:{TAM.email}">' in looked.text
    assert "<form" not in looked.text

    async def put() -> bool:
        return bool(await asked(here, key))

    await until(put, "the TAM to be asked")
    (task,) = await asked(here, key)
    start = f"{slots[0].start:%b %Y}"
    assert task.said["who"] == "Luca Bianchi"
    assert start in task.said["reply"]
    assert task.said["note"] == "Only if Priya can come."
    told = [entry for entry in await timelines.timeline_of(here.office, key) if entry.kind == "vote.late"]
    assert [(one.what, one.said) for one in told] == [
        (
            "Luca Bianchi replied to the time poll for Kickoff after it had closed: one time suits",
            "Only if Priya can come.",
        )
    ]
    assert (await tasks.decide(here.office, task.task, "noted", TAM)).accepted


async def test_a_reply_that_somebody_enters_too_late_is_kept_as_well(here: Town) -> None:
    """Whoever enters it hears that it is on record, and who is asked to answer it."""
    key, _ = await polled(here)
    await skip(here, key)
    with pytest.raises(Refusal, match="the meeting has ended") as refused:
        await meetings.vote(here.office, key, "kickoff", (), by(CHAMPION))
    assert refused.value.kind is Refused.CONFLICT
    assert refused.value.fix == "the reply is on record, and Robin Keller is asked to answer it"

    async def put() -> bool:
        return bool(await asked(here, key))

    await until(put, "the TAM to be asked")
    assert (await asked(here, key))[0].said["reply"] == "none of the times works for them"


async def test_a_reply_after_the_booking_is_kept_and_heard_where_it_asks_for_an_answer(here: Town) -> None:
    """Times alone are answered by the invitation, and are on the timeline; a note is the TAM's to answer as well."""
    key, token = await polled(here)
    start = (await meetings.show(here.office, key, "kickoff")).slots[0]
    assert (await meetings.book(here.office, key, "kickoff", start.start, TAM)).accepted

    async def booked() -> bool:
        return (await meetings.show(here.office, key, "kickoff")).phase == "booked"

    await until(booked, "the booking")
    fixes = []
    for note in (None, "I'm away that day."):
        with pytest.raises(Refusal, match="already booked") as refused:
            await meetings.vote_by_link(here.office, token, (start.id,), note)
        fixes.append(refused.value.fix)
    assert fixes == ["the reply is on record", "the reply is on record, and Robin Keller is asked to answer it"]
    told = [entry.said for entry in await timelines.timeline_of(here.office, key) if entry.kind == "vote.late"]
    assert told == [None, "I'm away that day."]

    async def put() -> bool:
        return bool(await asked(here, key))

    await until(put, "the TAM to be asked")
    (task,) = await asked(here, key)
    assert task.said["note"] == "I'm away that day."


@pytest.mark.sqlite
@pytest.mark.parametrize("end", [skip, terminate])
async def test_a_meeting_that_has_ended_is_shown_as_ended(
    here: Town, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ended: nothing of a vote that goes on, and no command that is refused."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", here.client.service_client.config.target_host)
    key, _ = await polled(here)
    await end(here, key)
    shown = await ended(here, key)
    assert (shown.phase, shown.waiting_for, shown.unblock, shown.waiting_on) == ("ended", None, None, ())
    assert shown.ended == EndShown(became="closed", start=None)
    printed = (await said(here, "meeting", "show", key, "kickoff")).stdout
    assert printed == f"kickoff of {key}: ended, round 1\nIt ended without an outcome.\n"
    assert faults(printed) == []


async def test_a_meeting_that_was_called_off_says_for_when_it_was_booked(here: Town) -> None:
    """Its link tells the time that was booked, and that it is canceled; never that it is booked."""
    key, token = await polled(here)
    start = (await meetings.show(here.office, key, "kickoff")).slots[0].start
    assert (await meetings.book(here.office, key, "kickoff", start, TAM)).accepted
    await skip(here, key)
    assert (await meetings.show(here.office, key, "kickoff")).ended == EndShown(became="called_off", start=start)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(here.office)), base_url="http://x") as reader:
        page = (await reader.get(f"/m/{token}")).text
    assert "This meeting was canceled" in page
    assert "It is booked" not in page
    assert f'<time datetime="{start:%Y-%m-%dT%H:%M:%SZ}">' in page
