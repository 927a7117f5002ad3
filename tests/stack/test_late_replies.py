"""A reply to the times of a meeting that has ended: it is kept, its TAM hears it, and the page says what became."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

import activities.sweep as sweeping
from rapport.model.base import Refused, UserError
from rapport.model.ids import meeting_id, new_id
from rapport.model.meeting import Receipt
from rapport.model.operation import Operate
from rapport.storage import late_reply
from starters.http.app import create_app
from starters.services import LATER
from starters.use_cases import meeting, meeting_ends, onboarding, operation, task as tasks, timeline, words
from starters.use_cases.meeting_ends import EndShown
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from starters.views import standstill
from starters.views.task import TaskShown
from tests.conftest import CHAMPION, TAM, Installation, account, by, link_of, until
from tests.stack.test_sweep import sweep
from tests.stack.test_undelivered_commands import said
from tests.unit.test_commands import faults

End = Callable[[Installation, str], Awaitable[None]]

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def polled(here: Installation) -> tuple[str, str]:
    """An account whose kickoff is put to the vote, and the champion's link."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    await onboarding.start(here.services, StartRequest(file=file))
    (mail,) = await here.mailed(1, CHAMPION)
    return file.account.key, link_of(mail)


async def ended(here: Installation, key: str) -> meeting.MeetingShown:
    """The kickoff, once it has ended."""

    async def over() -> meeting.MeetingShown | None:
        shown = await meeting.show(here.services, key, "kickoff")
        return shown if shown.ended is not None else None

    shown: meeting.MeetingShown = await until(over, "the end of the kickoff")
    return shown


async def skip(here: Installation, key: str) -> None:
    """Have the onboarding continue without its kickoff."""
    written = OperationWritten(reason="They know us already.", step="kickoff")
    await operation.operate(here.services, key, Operate.SKIP, written, TAM)
    await ended(here, key)


async def terminate(here: Installation, key: str) -> None:
    """End the kickoff in Temporal by hand."""
    await here.client.get_workflow_handle(meeting_id(key, "kickoff", 1)).terminate("by hand")


async def asked(here: Installation, key: str) -> list[TaskShown]:
    """The to-dos about late replies in the TAM's inbox."""
    mine = (await tasks.inbox(here.services, TAM)).mine
    return [
        await tasks.show(here.services, one.task) for one in mine if (one.account, one.step) == (key, "kickoff.reply")
    ]


@pytest.mark.parametrize("end", [skip, terminate])
async def test_a_reply_that_comes_too_late_is_kept_and_heard(here: Installation, end: End) -> None:
    """It is on the timeline with its note, the TAM has one task with what was said, and the page says all of that."""
    key, token = await polled(here)
    slots = (await meeting.show(here.services, key, "kickoff")).slots
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(here.services)), base_url="http://x"
    ) as reader:
        url = f"/m/{token}"
        found = re.search(r'name="form" value="(\w+)"', (await reader.get(url)).text)
        assert found is not None
        await end(here, key)
        reply = {"form": found[1], "slot": [slots[0].id], "comment": "Only if Priya can come."}
        for _ in range(2):
            answer = await reader.post(url, data=reply, headers={"origin": here.services.settings.public_url})
            assert answer.status_code == 409
            assert "We have your reply." in answer.text
            assert "It came too late to count for the time. Robin Keller has been asked" in answer.text
        looked = await reader.get(url)
    assert looked.status_code == 200
    # Of one that was ended in Temporal, somebody has yet to decide.
    over = end is skip
    assert ("This meeting is no longer being planned" if over else "Planning of this meeting is on hold") in looked.text
    assert ("No time was booked" if over else "No time is booked yet") in looked.text
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
    told = [entry for entry in await timeline.timeline_of(here.services, key) if entry.kind == "vote.late"]
    assert [(one.what, one.said) for one in told] == [
        (
            "Luca Bianchi replied to the time poll for Kickoff after it had closed: one time works",
            "Only if Priya can come.",
        )
    ]
    assert (await tasks.decide(here.services, task.task, "noted", TAM)).accepted


async def test_a_reply_that_somebody_enters_too_late_is_kept_as_well(here: Installation) -> None:
    """Whoever enters it hears that it is on record, and who is asked to answer it."""
    key, _ = await polled(here)
    await skip(here, key)
    with pytest.raises(UserError, match="the meeting has ended") as refused:
        await meeting.vote(here.services, key, "kickoff", (), by(CHAMPION))
    assert refused.value.kind is Refused.CONFLICT
    assert refused.value.fix == "the reply is on record, and Robin Keller is asked to answer it"

    async def put() -> bool:
        return bool(await asked(here, key))

    await until(put, "the TAM to be asked")
    assert (await asked(here, key))[0].said["reply"] == "none of the times works for them"


async def test_a_reply_after_the_booking_is_kept_and_heard_where_it_asks_for_an_answer(here: Installation) -> None:
    """Times alone are answered by the invitation, and are on the timeline; a note is the TAM's to answer as well."""
    key, token = await polled(here)
    start = (await meeting.show(here.services, key, "kickoff")).slots[0]
    assert (await meeting.book(here.services, key, "kickoff", start.start, TAM)).accepted

    async def booked() -> bool:
        return (await meeting.show(here.services, key, "kickoff")).phase == "booked"

    await until(booked, "the booking")
    fixes = []
    for note in (None, "I'm away that day."):
        with pytest.raises(UserError, match="already booked") as refused:
            await meeting.vote_by_link(here.services, token, (start.id,), note)
        fixes.append(refused.value.fix)
    assert fixes == ["the reply is on record", "the reply is on record, and Robin Keller is asked to answer it"]
    told = [entry.said for entry in await timeline.timeline_of(here.services, key) if entry.kind == "vote.late"]
    assert told == [None, "I'm away that day."]

    async def put() -> bool:
        return bool(await asked(here, key))

    await until(put, "the TAM to be asked")
    (task,) = await asked(here, key)
    assert task.said["note"] == "I'm away that day."


@pytest.mark.sqlite
@pytest.mark.parametrize("end", [skip, terminate])
async def test_a_meeting_that_has_ended_is_shown_as_ended(
    here: Installation, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ended: nothing of a vote that goes on, and no command but what has it continue, if anything does."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", here.client.service_client.config.target_host)
    key, _ = await polled(here)
    await end(here, key)
    shown = await ended(here, key)
    by_hand = end is terminate
    way = f"rapport task show {key}/kickoff.failed"
    waits = (standstill.UNDECIDED, way, ("tam",)) if by_hand else (None, None, ())
    assert (shown.phase, shown.waiting_for, shown.unblock, shown.waiting_on) == ("ended", *waits)
    assert shown.ended == EndShown(became="ended" if by_hand else "closed", start=None)
    printed = (await said(here, "meeting", "show", key, "kickoff")).stdout
    became = "It was ended in Temporal, without an outcome" if by_hand else "It ended without an outcome"
    told = f"\nWaiting for {standstill.UNDECIDED}.\nNext:\n  {way}\n" if by_hand else ""
    assert printed == f"Kickoff, {key}: ended, round 1\n{became}.\n{told}"
    assert faults(printed) == []


async def test_a_meeting_that_was_called_off_says_for_when_it_was_booked(here: Installation) -> None:
    """Its link tells the time that was booked, and that it is canceled; never that it is booked."""
    key, token = await polled(here)
    start = (await meeting.show(here.services, key, "kickoff")).slots[0].start
    assert (await meeting.book(here.services, key, "kickoff", start, TAM)).accepted
    await skip(here, key)
    assert (await meeting.show(here.services, key, "kickoff")).ended == EndShown(became="called_off", start=start)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(here.services)), base_url="http://x"
    ) as reader:
        page = (await reader.get(f"/m/{token}")).text
    assert "This meeting was canceled" in page
    assert "It is booked" not in page
    assert f'<time datetime="{start:%Y-%m-%dT%H:%M:%SZ}">' in page


async def away(*_: object) -> None:
    """Temporal, or a worker, that does not answer."""
    raise UserError("it does not answer", kind=Refused.UNREACHABLE)


async def swept_until_asked(here: Installation, key: str, note: str | None = None) -> TaskShown:
    """The one to-do about a late reply, once the sweep has put it, with this note alone."""
    found: list[TaskShown] = []

    async def put() -> bool:
        await sweep(here)
        found[:] = await asked(here, key)
        return [one.said.get("note") for one in found] == [note]

    await until(put, "the TAM to be asked by the sweep")
    return found[0]


async def left(here: Installation) -> list[str]:
    """The late replies of which somebody has yet to take care."""
    async with here.services.store.reading() as connection:
        return [one.account for one in await late_reply.pending(connection)]


async def swept_up(here: Installation, key: str) -> None:
    """Sweep until nothing is left to do about an account's replies."""

    async def done() -> bool:
        await sweep(here)
        return key not in await left(here)

    await until(done, "nothing to be left")


async def book(here: Installation, key: str) -> None:
    """Book the kickoff by hand."""
    start = (await meeting.show(here.services, key, "kickoff")).slots[0]
    assert (await meeting.book(here.services, key, "kickoff", start.start, TAM)).accepted

    async def booked() -> bool:
        return (await meeting.show(here.services, key, "kickoff")).phase == "booked"

    await until(booked, "the booking")


async def test_a_reply_left_at_the_door_that_is_read_too_late_is_answered(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No worker answers whoever replies; the workflow reads it after the booking, and the TAM has one to-do."""
    monkeypatch.setattr(sweeping, "SETTLE", timedelta(minutes=-1))
    key, token = await polled(here)
    await book(here, key)
    with monkeypatch.context() as absent:
        absent.setattr(words, "_heard_twice", away)
        assert (await meeting.vote_by_link(here.services, token, (), "I'm away all week.")).outcome == LATER
    task = await swept_until_asked(here, key, "I'm away all week.")
    assert task.said["reply"] == "none of the times works for them"
    told = [entry.kind for entry in await timeline.timeline_of(here.services, key) if entry.kind.startswith("vote.")]
    assert told == ["vote.refused"]
    with pytest.raises(UserError, match="already booked"):
        await meeting.vote_by_link(here.services, token, (), "I'm away all week.")
    await swept_up(here, key)
    assert len(await asked(here, key)) == 1


async def test_a_reply_left_at_the_door_that_counts_asks_nobody(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, and nothing is left to do about it."""
    monkeypatch.setattr(sweeping, "SETTLE", timedelta(minutes=-1))
    key, token = await polled(here)
    with monkeypatch.context() as absent:
        absent.setattr(words, "_heard_twice", away)
        assert (await meeting.vote_by_link(here.services, token, (), None)).outcome == LATER
    assert key in await left(here)
    await swept_up(here, key)
    assert await asked(here, key) == []


async def test_a_reply_that_a_meeting_never_read_is_answered(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workflow was ended before it read what was at its door: the times that suit stand in the to-do."""
    monkeypatch.setattr(sweeping, "SETTLE", timedelta(minutes=-1))
    key, token = await polled(here)
    slots = (await meeting.show(here.services, key, "kickoff")).slots

    async def unread(*_: object) -> Receipt:
        return Receipt(accepted=True, outcome=LATER)

    with monkeypatch.context() as absent:
        absent.setattr(words, "_told", unread)
        await meeting.vote_by_link(here.services, token, (slots[0].id,), "Only if Priya can come.")
    await sweep(here)
    assert key in await left(here)
    await terminate(here, key)
    task = await swept_until_asked(here, key, "Only if Priya can come.")
    assert f"{slots[0].start:%b %Y}" in task.said["reply"]
    assert "vote.late" in [entry.kind for entry in await timeline.timeline_of(here.services, key)]


async def test_a_late_reply_is_answered_although_temporal_was_away_when_it_came(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever replies need not do so again: the sweep puts the to-do, once."""
    key, token = await polled(here)
    await skip(here, key)
    with monkeypatch.context() as absent:
        absent.setattr(meeting_ends, "_put", away)
        with pytest.raises(UserError, match="the meeting has ended") as refused:
            await meeting.vote_by_link(here.services, token, (), "Sorry, too late.")
    assert refused.value.fix == "the reply is on record, and Robin Keller is asked to answer it"
    assert await asked(here, key) == []
    await swept_until_asked(here, key, "Sorry, too late.")
    await swept_up(here, key)
    assert len(await asked(here, key)) == 1


async def test_a_late_reply_that_is_changed_leaves_one_to_do(here: Installation) -> None:
    """The latest reply of a person stands in the one open to-do; every one of them is on the timeline."""
    key, token = await polled(here)
    await skip(here, key)
    notes = ["Tuesday?", "Or Wednesday?", "Thursday, then."]
    for note in notes:
        with pytest.raises(UserError, match="the meeting has ended"):
            await meeting.vote_by_link(here.services, token, (), note)
    await swept_until_asked(here, key, notes[-1])
    told = [entry.said for entry in await timeline.timeline_of(here.services, key) if entry.kind == "vote.late"]
    assert told == notes
    await swept_up(here, key)
    assert len(await asked(here, key)) == 1
