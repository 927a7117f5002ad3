"""What a customer's people say of a meeting's time from the link in their email, on the time-skipping server."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import pytest

from rapport.model.base import UserError
from starters.use_cases import meeting, task, timeline
from tests.conftest import BUSINESS, CHAMPION, TAM, USER, Installation, link_of, text_of, until
from tests.support.kickoff import in_phase, kickoff
from tests.support.task import in_phase as task_in_phase
from tests.workflows.test_meeting import events
from tests.workflows.test_meeting_changes import booked

MOVED, DECLINED = "task/versayce/kickoff.move/1", "task/versayce/kickoff.declined/1"


async def says(
    installation: Installation, email: str, kind: Literal["move", "decline"], start: datetime | None = None
) -> str | None:
    """Say something of the booked time by the link in the invitation; give what followed."""
    invitation = installation.mails(email)[-1]
    assert events(invitation)
    token = link_of(invitation)
    at = (await kickoff(installation)).booked
    assert at is not None
    receipt = await meeting.change_by_link(installation.services, token, kind, at, "I travel on that day.", start)
    assert receipt.accepted
    return receipt.outcome


async def told(installation: Installation) -> str:
    """What the TAM reads of it."""

    async def mail() -> str | None:
        found = [one for one in installation.mails(TAM.email) if "kickoff" in str(one["Subject"]) and not events(one)]
        return text_of(found[-1]) if found else None

    text: str = await until(mail, "the email to the TAM")
    return text


async def called_off(installation: Installation) -> int:
    """How many cancellations people got."""
    everyone = (one for address in (BUSINESS, CHAMPION, USER) for one in installation.mails(address))
    return sum(event["STATUS"] == "CANCELLED" for mail in everyone for event in events(mail))


async def test_whoever_has_to_be_there_brings_everyone_new_times(skipping: Installation) -> None:
    """A required person's move calls the time off and begins a new round; the host reads who asked, and when suits."""
    await booked(skipping)
    at = (await kickoff(skipping)).booked
    assert at is not None
    assert await says(skipping, USER, "move", at + timedelta(days=2)) == "new_times"
    again = await in_phase(skipping, "voting")
    assert again.round == 2
    text = await told(skipping)
    assert "Mara Osei asks for another time" in text
    assert "I travel on that day." in text
    assert "everyone gets new times" in text
    entries = await timeline.timeline_of(skipping.services, "versayce")
    assert next(one for one in entries if one.kind == "meeting.move_asked").said == "I travel on that day."


async def test_a_time_that_the_host_set_is_theirs_to_change(skipping: Installation) -> None:
    """Set by hand, the time stays until the host decides; on their word everyone gets new ones."""
    await booked(skipping)
    start = (await kickoff(skipping)).booked
    assert start is not None
    await meeting.book(skipping.services, "versayce", "kickoff", start + timedelta(days=1), TAM, anyway=True)
    await skipping.mailed(14)
    assert await says(skipping, CHAMPION, "move") == "told"
    await task_in_phase(skipping, "open", MOVED)
    assert (await kickoff(skipping)).booked == start + timedelta(days=1)
    await task.decide(skipping.services, MOVED, "new_times", TAM)
    assert (await in_phase(skipping, "voting")).round == 2


async def test_an_optional_persons_word_is_told_and_changes_nothing(skipping: Installation) -> None:
    """The host reads that the business contact can't come; the meeting goes ahead, and nobody has a task."""
    await booked(skipping)
    before = await kickoff(skipping)
    assert await says(skipping, BUSINESS, "decline") == "told"
    assert "The meeting goes ahead." in await told(skipping)
    after = await kickoff(skipping)
    assert (after.booked, after.phase) == (before.booked, "booked")
    assert [one.who for one in after.answers if one.declined] == ["Dana Whitfield"]
    assert await called_off(skipping) == 0
    assert not [one for one in (await task.inbox(skipping.services, TAM)).mine if "kickoff" in one.task]


async def test_one_of_two_users_may_stay_away(skipping: Installation) -> None:
    """Where another user still comes, nobody has to decide anything."""
    await booked(skipping)
    await says(skipping, USER, "decline")
    assert "The meeting goes ahead." in await told(skipping)
    assert not [one for one in (await task.inbox(skipping.services, TAM)).mine if "kickoff" in one.task]


@pytest.mark.parametrize("decided", ["leave", "new_times"])
async def test_a_champion_who_cannot_come_is_a_task(skipping: Installation, decided: str) -> None:
    """The champion's declining asks the host whether it is held without them; nothing changes until they decide."""
    await booked(skipping)
    at = (await kickoff(skipping)).booked
    assert await says(skipping, CHAMPION, "decline") == "told"
    await task_in_phase(skipping, "open", DECLINED)
    assert "until you decide" in await told(skipping)
    await task.decide(skipping.services, DECLINED, decided, TAM)
    if decided == "leave":
        assert (await in_phase(skipping, "booked")).booked == at
    else:
        assert (await in_phase(skipping, "voting")).round == 2


async def test_what_was_said_of_another_time_does_not_count(skipping: Installation) -> None:
    """Whoever looks at an old page hears that the time has changed, and that a meeting has begun."""
    await booked(skipping)
    token = link_of(skipping.mails(USER)[-1])
    at = (await kickoff(skipping)).booked
    assert at is not None
    with pytest.raises(UserError, match="another time by now"):
        await meeting.change_by_link(skipping.services, token, "move", at + timedelta(days=1), None)
    await skipping.sleep_until(at + timedelta(minutes=1))
    with pytest.raises(UserError, match="has begun"):
        await meeting.change_by_link(skipping.services, token, "decline", at, None)
    poll = await meeting.poll(skipping.services, token)
    assert poll.booked == at
