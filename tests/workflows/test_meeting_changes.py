"""Meetings that are canceled, or for which everyone gets new times, on the time-skipping server."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rapport.model.base import UserError
from rapport.model.ids import meeting_id
from starters.services import WorkflowEndedError
from starters.use_cases import meeting, onboarding, timeline
from tests.conftest import BUSINESS, CHAMPION, SECOND_USER, TAM, USER, Installation, text_of, until
from tests.support.cadence import begin as rhythm, coming
from tests.support.kickoff import begin, in_phase, kickoff, status_of, vote
from tests.workflows.test_meeting import ZURICH, events

EVERYONE = (BUSINESS, CHAMPION, USER, SECOND_USER)


async def booked(installation: Installation) -> None:
    """Have the example's kickoff booked."""
    await begin(installation)
    await in_phase(installation, "voting")
    await vote(installation, CHAMPION, "1")
    await vote(installation, USER, "1")
    await in_phase(installation, "booked")
    await installation.mailed(9)


async def over(installation: Installation) -> str | None:
    """How the kickoff's step ended."""
    await until(status_of(installation, meeting_id("versayce", "kickoff", 1)), "the end of the meeting")

    async def ended() -> str | None:
        shown = await onboarding.status(installation.services, "versayce")
        return next(step.outcome for step in shown.milestones if step.step == "kickoff")

    found: str | None = await until(ended, "the end of the step")
    return found


async def test_a_canceled_meeting_leaves_every_calendar_and_its_step_ends(skipping: Installation) -> None:
    """Whoever was invited gets the cancellation, the reason stands on the timeline, and the step is canceled."""
    await booked(skipping)
    receipt = await meeting.cancel(skipping.services, "versayce", "kickoff", "They merge with another firm.", TAM)
    assert (receipt.accepted, receipt.outcome) == (True, "canceled")
    assert await over(skipping) == "canceled"
    for mail in (await skipping.mailed(14))[9:]:
        (event,) = events(mail)
        assert event["STATUS"] == "CANCELLED"
        assert "you'll get a new invitation" in text_of(mail)
        assert "They merge" not in text_of(mail)
    told = await timeline.timeline_of(skipping.services, "versayce")
    (entry,) = [one for one in told if one.kind == "meeting.canceled"]
    assert entry.what == "Robin Keller canceled Kickoff"
    assert entry.said == "They merge with another firm."
    with pytest.raises(WorkflowEndedError):
        await meeting.cancel(skipping.services, "versayce", "kickoff", "Once more.", TAM)


async def test_whoever_was_asked_for_times_hears_that_nobody_meets(skipping: Installation) -> None:
    """Canceled while people vote, everyone who was offered times is told that they need not choose one."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    await meeting.cancel(skipping.services, "versayce", "kickoff", "They merge with another firm.", TAM)
    assert await over(skipping) == "canceled"
    mails = (await skipping.mailed(8))[4:]
    assert {str(mail["To"]).partition("<")[2].rstrip(">") for mail in mails} == set(EVERYONE)
    for mail in mails:
        assert str(mail["Subject"]) == "Canceled: kickoff"
        assert "You don't need to choose a time." in text_of(mail)
        assert not events(mail)


async def test_new_times_take_the_place_of_the_booked_one(skipping: Installation) -> None:
    """Asked again once it was booked, the time leaves every calendar, and everyone chooses among new ones."""
    await booked(skipping)
    receipt = await meeting.reschedule(skipping.services, "versayce", "kickoff", TAM, reason="Robin is ill.")
    assert (receipt.accepted, receipt.outcome) == (True, "new_times")
    again = await in_phase(skipping, "voting")
    assert (again.round, again.booked) == (2, None)
    mails = (await skipping.mailed(18))[9:]
    gone = [mail for mail in mails if events(mail)]
    assert len(gone) == 5
    assert all("new times to choose from" in text_of(mail) for mail in gone)
    assert sum("They replace the earlier ones" in text_of(mail) for mail in mails) == 4
    await vote(skipping, CHAMPION, "2")
    await vote(skipping, USER, "2")
    assert (await in_phase(skipping, "booked")).booked == again.slots[1].start


async def test_new_times_take_the_place_of_those_on_offer(skipping: Installation) -> None:
    """Asked again while people vote, a new round begins, and is waited for since then; no cancellation is told."""
    await begin(skipping)
    before = await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await skipping.mailed(4)
    await skipping.sleep_until(await skipping.now() + timedelta(hours=1))
    asked_anew = await skipping.now()
    await meeting.reschedule(skipping.services, "versayce", "kickoff", TAM)

    async def second() -> bool:
        return (await kickoff(skipping)).round == before.round + 1

    await until(second, "the second round")
    assert not any(answer.answered for answer in (await in_phase(skipping, "voting")).answers)
    status = await onboarding.status(skipping.services, "versayce")
    [since] = [one.since for one in status.milestones if one.step == "kickoff"]
    assert since is not None
    assert since >= asked_anew
    mails = (await skipping.mailed(8))[4:]
    assert all("They replace the earlier ones" in text_of(mail) for mail in mails)


async def test_rescheduled_to_a_time_it_moves_there(skipping: Installation) -> None:
    """With a time, nobody votes: everyone gets the change, and the timeline the reason."""
    await booked(skipping)
    start = (await kickoff(skipping)).booked
    assert start is not None
    at = start + timedelta(days=1)
    receipt = await meeting.reschedule(
        skipping.services, "versayce", "kickoff", TAM, at, reason="Dana asked for it.", anyway=True
    )
    assert receipt.outcome == "moved"

    async def moved() -> bool:
        return (await kickoff(skipping)).booked == at

    await until(moved, "the new time")
    told = await timeline.timeline_of(skipping.services, "versayce")
    assert next(one for one in told if one.kind == "meeting.moved").said == "Dana asked for it."


async def test_what_has_begun_is_neither_canceled_nor_asked_about_again(skipping: Installation) -> None:
    """Once the booked time has begun, somebody says how it went, and nothing else."""
    await booked(skipping)
    start = (await kickoff(skipping)).booked
    assert start is not None
    await skipping.sleep_until(start + timedelta(minutes=5))
    with pytest.raises(UserError, match="has begun"):
        await meeting.cancel(skipping.services, "versayce", "kickoff", "Nobody came.", TAM)
    with pytest.raises(UserError, match="has begun"):
        await meeting.reschedule(skipping.services, "versayce", "kickoff", TAM)


async def test_of_a_recurring_meeting_one_date_is_canceled_or_moved(skipping: Installation) -> None:
    """The same commands cancel and move one date of a series, the next unless named; nobody votes on a date."""
    await rhythm(skipping)
    await skipping.mailed(4)
    first, second = (await coming(skipping))[:2]
    assert (await meeting.cancel(skipping.services, "versayce", "weekly", "A fair.", TAM)).outcome == "skipped"
    assert (await coming(skipping))[0] == second
    with pytest.raises(UserError, match="nobody votes"):
        await meeting.reschedule(skipping.services, "versayce", "weekly", TAM)
    day, at = second.astimezone(ZURICH).date(), second + timedelta(hours=1)
    moved = await meeting.reschedule(skipping.services, "versayce", "weekly", TAM, at, day=day, anyway=True)
    assert moved.outcome == "moved"
    assert (await coming(skipping))[0] == at
    assert first < second
    with pytest.raises(UserError, match="does not recur"):
        await meeting.cancel(skipping.services, "versayce", "qbr", "A fair.", TAM, day=day)
