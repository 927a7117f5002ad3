"""Meetings that members propose beside the playbook, on the time-skipping server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from rapport.model.base import UserError
from rapport.model.ids import meeting_id, onboarding_id
from rapport.model.message import MessageState
from rapport.model.operation import Operate
from rapport.storage import contract as contracts
from rapport.storage.waits import open_waits, open_workflows
from starters.use_cases import account, meeting, meeting_proposals, message, onboarding, operation, timeline
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.meeting_proposals import MeetingProposed, MeetingWanted
from starters.use_cases.operation import OperationWritten
from tests.conftest import CHAMPION, SECOND_USER, TAM, USER, Installation, by, text_of, until
from tests.http.test_fuzz import Nobody
from tests.support.cadence import begin as rhythm
from tests.support.kickoff import begin, in_phase, reviewed, status_of
from tests.workflows.test_meeting import events

TITLE = "CI in depth"
WHY = OperationWritten(reason="They move offices.")


def wanted(*people: str, **fields: Any) -> MeetingWanted:
    """A training with these people."""
    return MeetingWanted.model_validate({"title": TITLE, "minutes": 60, **fields, "with": people})


async def propose(installation: Installation, *people: str, **fields: Any) -> MeetingProposed:
    """Propose a training beside the example's onboarding."""
    return await meeting_proposals.propose(installation.services, "versayce", wanted(*people, **fields), TAM)


async def training(installation: Installation, phase: str) -> MeetingShown:
    """The training, once it is in this phase."""

    async def there() -> MeetingShown | None:
        shown = await meeting.show(installation.services, "versayce", "adhoc_1")
        return shown if shown.phase == phase else None

    shown: MeetingShown = await until(there, f"the training to be {phase}")
    return shown


async def voted(installation: Installation, *people: str) -> MeetingShown:
    """The training once these have chosen its second time."""
    shown = await training(installation, "voting")
    for email in people:
        await meeting.vote(installation.services, "versayce", "adhoc_1", ("2",), by(email))
    return shown


def to(mails: Sequence[Any]) -> set[str]:
    """The addresses that mails go to."""
    return {str(mail["To"]).partition("<")[2].rstrip(">") for mail in mails}


async def test_what_temporal_did_not_take_is_on_no_record(skipping: Installation) -> None:
    """Neither the list nor the timeline has a meeting that was refused; the next one is the first."""
    await begin(skipping)
    silent = replace(skipping.services, client=cast("Client", Nobody()))
    with pytest.raises(UserError, match="does not answer"):
        await meeting_proposals.propose(silent, "versayce", wanted(USER), TAM)
    assert all(entry.kind != "meeting.wanted" for entry in await timeline.timeline_of(skipping.services, "versayce"))
    assert (await propose(skipping, USER)).step == "adhoc_1"
    told = [entry.kind for entry in await timeline.timeline_of(skipping.services, "versayce")]
    assert told.count("meeting.wanted") == 1


async def test_a_training_goes_from_its_times_to_its_minutes(skipping: Installation) -> None:
    """Only those who are named are asked; each has to agree; it is booked, held, and in every list by its title."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    proposed = await propose(skipping, USER, SECOND_USER)
    assert (proposed.step, proposed.workflow_id) == ("adhoc_1", meeting_id("versayce", "adhoc_1", 1))
    shown = await voted(skipping, USER)
    assert shown.title == TITLE
    mails = (await skipping.mailed(6))[4:]
    assert to(mails) == {USER, SECOND_USER}
    assert all(str(mail["Subject"]) == "Pick a time for the CI in depth" for mail in mails)
    assert (await training(skipping, "voting")).booked is None
    await meeting.vote(skipping.services, "versayce", "adhoc_1", ("2",), by(SECOND_USER))
    booked = await training(skipping, "booked")
    assert booked.booked == shown.slots[1].start
    invitations = (await skipping.mailed(9))[6:]
    assert to(invitations) == {USER, SECOND_USER, TAM.email}
    for mail in invitations:
        (event,) = events(mail)
        assert TITLE in str(event["SUMMARY"])
    assert booked.booked is not None
    await skipping.sleep_until(booked.booked + timedelta(hours=2))
    await meeting.report(skipping.services, "versayce", "adhoc_1", "held", TAM, "All ran it themselves.")
    await until(status_of(skipping, proposed.workflow_id), "the end of the training")

    async def over() -> bool:
        (line,) = [
            one for one in await meeting_proposals.listed(skipping.services, "versayce") if one.step == "adhoc_1"
        ]
        return (line.title, line.state, line.outcome, line.waiting_for) == (TITLE, "done", "held", None)

    await until(over, "the end on record")
    told = [one.what for one in await timeline.timeline_of(skipping.services, "versayce")]
    assert f"Robin Keller proposed a meeting: {TITLE}" in told
    assert f"{TITLE} was held, says Robin Keller" in told
    assert (await meeting.minutes_of(skipping.services, "versayce", "adhoc_1")).title == TITLE


async def test_of_a_persona_one_is_enough(skipping: Installation) -> None:
    """Asked as a persona, whoever holds it first can agree alone; the champion isn't needed for it."""
    await begin(skipping)
    await propose(skipping, "primary_user", "secondary_user")
    await voted(skipping, USER, SECOND_USER)
    shown = await training(skipping, "booked")
    assert {one.who for one in shown.answers if one.required} == {"Mara Osei", "Jonas Lindqvist"}


async def test_it_is_open_for_all_who_look_after_the_account(skipping: Installation) -> None:
    """Until it is booked it is in the portfolio, in doctor's lists, and the poll that fails is a task of the TAM's."""
    await begin(skipping)
    proposed = await propose(skipping, USER)
    shown = await training(skipping, "voting")
    async with skipping.services.store.reading() as connection:
        assert proposed.workflow_id in await open_workflows(connection)
        waits = await open_waits(connection)
    assert "versayce, step adhoc_1" in {one.where for one in waits}
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(days=6))
    lines = await account.portfolio(skipping.services)
    assert lines[0].waiting_for is not None
    status = await onboarding.status(skipping.services, "versayce")
    assert TITLE in {one.title for one in status.milestones}


async def test_drafts_are_read_first_and_carry_the_title(skipping: Installation) -> None:
    """Where the account has its mails read, the times wait as drafts under the title, and go on the TAM's word."""
    await begin(skipping, reviewed("approve"))
    await in_phase(skipping, "drafted")
    await propose(skipping, USER)
    await training(skipping, "drafted")

    async def drafts() -> list[str]:
        lines = await message.listed(skipping.services, "versayce", MessageState.DRAFT)
        return [one.key for one in lines if one.step == "adhoc_1"]

    (key,) = await until(drafts, "the draft")
    assert TITLE in (await message.show(skipping.services, key)).subject
    await message.release(skipping.services, (key,), TAM)
    await training(skipping, "voting")
    (mail,) = await skipping.mailed(1, USER)
    assert TITLE in text_of(mail)


async def test_what_stops_the_account_stops_it(skipping: Installation) -> None:
    """It stands still while the account is paused, and ends as the account ends, with a cancellation."""
    await begin(skipping)
    proposed = await propose(skipping, USER)
    await voted(skipping, USER)
    booked = await training(skipping, "booked")
    await operation.operate(skipping.services, "versayce", Operate.PAUSE, WHY, TAM)

    async def paused() -> bool:
        async with skipping.services.store.reading() as connection:
            contract = await contracts.latest(connection, "versayce")
        return contract is not None and contract.paused_at is not None

    await until(paused, "the pause on record")
    with pytest.raises(UserError, match="is paused"):
        await propose(skipping, USER, title="Another")
    await operation.operate(skipping.services, "versayce", Operate.RESUME, WHY, TAM)
    await operation.operate(skipping.services, "versayce", Operate.CANCEL, WHY, TAM)
    await until(status_of(skipping, proposed.workflow_id), "the end of the training")
    called_off = [
        one
        for mail in skipping.mails(USER)
        for one in events(mail)
        if one["STATUS"] == "CANCELLED" and TITLE in str(one["SUMMARY"])
    ]
    assert [one["DTSTART"].dt for one in called_off] == [booked.booked]
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")
    with pytest.raises(UserError, match="nothing goes on"):
        await propose(skipping, USER, title="Another")


async def test_a_paused_account_reminds_nobody_of_it(skipping: Installation) -> None:
    """While the account is paused, its poll reminds nobody and does not end."""
    await begin(skipping)
    await propose(skipping, USER)
    shown = await training(skipping, "voting")
    await operation.operate(skipping.services, "versayce", Operate.PAUSE, WHY, TAM)
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(days=2))
    still = await training(skipping, "voting")
    assert (still.reminders, still.deadline) == (0, shown.deadline)


async def test_what_makes_no_sense_is_refused_whole(skipping: Installation) -> None:
    """Nobody there, too long for somebody, days that are none, and a title that is open: each with the way out."""
    await begin(skipping)
    with pytest.raises(UserError) as refusal:
        await propose(skipping, "nobody@versayce.example", "key_business_contact", days="0-3")
    faults = [refusal.value, *refusal.value.others]
    assert {one.field for one in faults} == {"days", "with[0]", "minutes"}
    assert all(one.fix for one in faults)
    await propose(skipping, CHAMPION)
    with pytest.raises(UserError, match="adhoc_1 has the same title"):
        await propose(skipping, USER, title=TITLE.upper())
    second = await propose(skipping, USER, title="Second")
    assert second.step == "adhoc_2"


async def test_its_history_says_neither_its_title_nor_whose_it_is(skipping: Installation) -> None:
    """What the meeting is called stands in SQL alone; its workflow knows a number."""
    await begin(skipping)
    proposed = await propose(skipping, USER)
    await voted(skipping, USER)
    await training(skipping, "booked")
    handle = skipping.client.get_workflow_handle(proposed.workflow_id)
    history = await handle.fetch_history()
    assert history.events[0].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    assert TITLE not in history.to_json()
    assert USER not in history.to_json()


async def test_what_recurs_passes_a_pause_on_once_the_onboarding_is_over(skipping: Installation) -> None:
    """Proposed years after the onboarding, it stands still and ends with what recurs for the account."""
    await rhythm(skipping)
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")
    proposed = await propose(skipping, USER)
    shown = await training(skipping, "voting")
    await operation.operate(skipping.services, "versayce", Operate.PAUSE, WHY, TAM)
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(days=2))
    assert (await training(skipping, "voting")).reminders == 0
    await operation.operate(skipping.services, "versayce", Operate.RESUME, WHY, TAM)
    before = shown.deadline

    async def goes_on() -> bool:
        deadline = (await training(skipping, "voting")).deadline
        return deadline is not None and deadline > before

    await until(goes_on, "a later end of the vote")
    await operation.operate(skipping.services, "versayce", Operate.CANCEL, WHY, TAM)
    await until(status_of(skipping, proposed.workflow_id), "the end of the training")
