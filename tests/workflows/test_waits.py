"""Every wait ends in a written outcome, on the time-skipping server: nobody has to answer for that."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rapport.model.base import UserError
from rapport.model.ids import meeting_id, onboarding_id
from rapport.model.meeting import Venue
from rapport.model.message import MessageState
from rapport.storage.waits import open_waits
from starters.use_cases import meeting, message, onboarding, task, timeline
from tests.conftest import CHAMPION, TAM, USER, Installation, by, until
from tests.support.kickoff import begin, drafted, in_phase, kickoff, reviewed, status_of, vote
from tests.support.task import MANAGER, TASK, begin_large, decide, in_phase as task_in_phase, request
from tests.workflows.test_meeting import events

ROBIN = TAM.email
BACKUP = "tomas.novak@foobar.example"


async def days(installation: Installation, count: int) -> None:
    """Let days pass one by one; on none of them may anything wait without an owner who is there, or without an end."""
    for _ in range(count):
        await installation.sleep_until(await installation.now() + timedelta(days=1))
        async with installation.services.store.reading() as connection:
            waits = await open_waits(connection)
        assert [wait for wait in waits if not wait.there or wait.deadline is None] == []


async def kinds(installation: Installation) -> list[str]:
    """What the timeline is made of."""
    return [entry.kind for entry in await timeline.timeline_of(installation.services, "versayce")]


async def outcome(installation: Installation) -> str | None:
    """How the kickoff ended, once the onboarding has."""
    await until(status_of(installation, onboarding_id("versayce")), "the end of the onboarding")
    shown = await onboarding.status(installation.services, "versayce")
    return next(step.outcome for step in shown.milestones if step.step == "kickoff")


async def test_a_meeting_for_which_nobody_finds_a_time_ends_without_one(skipping: Installation) -> None:
    """Nobody votes and nobody books: a to-do climbs from the TAM to the manager, and then no time was found."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(seconds=1))
    stuck = await in_phase(skipping, "stuck")
    assert stuck.deadline is not None
    assert timedelta(days=3) <= stuck.deadline - await skipping.now() < timedelta(days=7)
    await days(skipping, 6)
    todo = await task_in_phase(skipping, "open", "task/versayce/kickoff.time/1")
    assert todo.unblock == "rapport meeting book versayce kickoff --start YYYY-MM-DDTHH:MM --as EMAIL"
    async with skipping.services.store.reading() as connection:
        waits = {wait.where: wait.unblock for wait in await open_waits(connection)}
    assert waits["task/versayce/kickoff.time/1"] == todo.unblock, "as the workflow says, also where SQL alone is asked"
    [line] = [one for one in (await task.inbox(skipping.services, TAM)).mine if one.step == "kickoff.time"]
    assert line.deadline is not None
    assert timedelta(hours=8) < line.deadline - line.since < timedelta(days=5), "due soon, and not at its birth"
    assert abs(line.deadline - stuck.deadline) < timedelta(days=1), "as its step says"
    await days(skipping, 20)
    assert await outcome(skipping) == "no_time"
    told = await kinds(skipping)
    assert told.count("meeting.given_up") == 1
    assert told.index("task.backup_added") < told.index("task.manager_told") < told.index("meeting.given_up")


async def test_the_tam_may_do_without_a_meeting(skipping: Installation) -> None:
    """The to-do to find a time can be answered by doing without the meeting, with a reason."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(seconds=1))
    await in_phase(skipping, "stuck")
    await days(skipping, 6)
    await task_in_phase(skipping, "open", "task/versayce/kickoff.time/1")
    with pytest.raises(UserError, match="needs a reason"):
        await task.decide(skipping.services, "versayce/kickoff.time", "do_without", TAM)
    await task.decide(skipping.services, "versayce/kickoff.time", "do_without", TAM, "They want to meet in spring.")
    assert await outcome(skipping) == "no_time"


async def test_booking_by_hand_takes_the_to_do_back(skipping: Installation) -> None:
    """Once the TAM has booked a time, the to-do to find one leaves every inbox."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(seconds=1))
    await in_phase(skipping, "stuck")
    await days(skipping, 6)
    await task_in_phase(skipping, "open", "task/versayce/kickoff.time/1")
    start = (await skipping.now() + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
    await meeting.book(skipping.services, "versayce", "kickoff", start, TAM, anyway=True)
    await in_phase(skipping, "booked")
    closed = await task_in_phase(skipping, "closed", "task/versayce/kickoff.time/1")
    assert closed.outcome == "withdrawn"
    assert (await task.inbox(skipping.services, TAM)).mine == ()


async def test_a_meeting_that_nobody_reports_ends_unreported(skipping: Installation) -> None:
    """The TAM is asked how it went, then a to-do insists; after its ladder the meeting ends as unreported."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    booked = await in_phase(skipping, "booked")
    assert booked.booked_until is not None
    await skipping.sleep_until(booked.booked_until + timedelta(hours=2))
    await days(skipping, 24)
    assert await outcome(skipping) == "unreported"


async def test_the_to_do_how_it_went_can_be_answered_by_whoever_stands_in(skipping: Installation) -> None:
    """The backup's answer to the to-do is the meeting's outcome."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    booked = await in_phase(skipping, "booked")
    assert booked.booked_until is not None
    await skipping.sleep_until(booked.booked_until + timedelta(hours=2))
    await days(skipping, 9)
    await task.decide(skipping.services, "versayce/kickoff.report", "held", by(BACKUP))
    assert await outcome(skipping) == "held"


async def test_drafts_that_nobody_reads_climb_the_ladder_and_never_go_out(skipping: Installation) -> None:
    """Unread drafts stay back in the end; then a time is looked for by hand, and nobody ever got a mail."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    await days(skipping, 5)
    await task_in_phase(skipping, "open", "task/versayce/kickoff.drafts/1")
    await days(skipping, 40)
    assert await outcome(skipping) == "no_time"
    told = await kinds(skipping)
    assert told.index("drafts.unread") < told.index("meeting.stuck") < told.index("meeting.given_up")
    states = {line.state for line in await message.listed(skipping.services, "versayce") if line.to == CHAMPION}
    assert states <= {MessageState.HELD, MessageState.SUPPRESSED}
    assert skipping.mails(CHAMPION) == []


async def test_the_backup_can_send_the_drafts(skipping: Installation) -> None:
    """Who stands in for a silent TAM answers the to-do, and the drafts go out as they are."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    await days(skipping, 8)
    await task.decide(skipping.services, "versayce/kickoff.drafts", "send", by(BACKUP))
    await in_phase(skipping, "voting")
    assert len(await skipping.mailed(1, CHAMPION)) == 1


async def test_a_late_yes_offers_a_conversion_and_switches_nothing_by_itself(skipping: Installation) -> None:
    """After a no, the manager's late yes asks the TAM; only their word calls the half hour off and proposes a visit."""
    await begin_large(skipping)
    await task_in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    await task_in_phase(skipping, "open")
    await decide(skipping, MANAGER, "deny", reason="Not this quarter.")
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    booked = await in_phase(skipping, "booked")
    with pytest.raises(UserError, match="on record as a late one"):
        await task.decide(skipping.services, TASK, "approve", by(MANAGER))
    await task_in_phase(skipping, "open", "task/versayce/kickoff.conversion/1")
    assert (await kickoff(skipping)).booked == booked.booked
    await task.decide(skipping.services, "versayce/kickoff.conversion", "convert", TAM)
    again = await in_phase(skipping, "voting")
    assert again.round == 2
    assert again.slots[0].end - again.slots[0].start == timedelta(hours=4)
    cancelled = [
        event for mail in skipping.mails(CHAMPION) for event in events(mail) if event.get("STATUS") == "CANCELLED"
    ]
    (event,) = cancelled
    assert event["DTSTART"].dt == booked.booked
    assert int(event["SEQUENCE"]) == 1


async def test_a_yes_to_a_visit_calls_off_no_booked_meeting_by_itself(skipping: Installation) -> None:
    """Approved in time, but once a time is booked, a visit is offered to the TAM; only their word gives up the time."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    start = (await in_phase(skipping, "booked")).booked
    meeting_ = skipping.client.get_workflow_handle(meeting_id("versayce", "kickoff", 1))
    await meeting_.signal("settle", Venue(onsite=True))
    await task_in_phase(skipping, "open", "task/versayce/kickoff.conversion/1")
    assert (await kickoff(skipping)).booked == start
    called_off = [one for mail in skipping.mails(CHAMPION) for one in events(mail) if one["STATUS"] == "CANCELLED"]
    assert not called_off
    await task.decide(skipping.services, "versayce/kickoff.conversion", "convert", TAM)
    again = await in_phase(skipping, "voting")
    assert again.slots[0].end - again.slots[0].start == timedelta(hours=4)
