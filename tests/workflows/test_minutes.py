"""Minutes from the report to what is left of it, with a real worker and the server's clock."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from rapport.model.base import Refused, UserError
from rapport.model.meeting import MeetingResult
from rapport.model.projection import HeldHour
from rapport.playbooks import PLAYBOOKS
from rapport.storage import account, hour
from rapport.storage.tables import ActionRow, BlockerRow, GoalRow, MinutesRow, PrivateNoteRow
from starters.use_cases import audit, meeting, onboarding, timeline
from starters.use_cases.onboarding import StartRequest
from tests.conftest import CHAMPION, ROOT, TAM, USER, Installation, by, example, until
from tests.support.kickoff import in_phase, vote
from tests.support.minutes import COLLEAGUE, PRIVATE, begun, example as written, held, minutes, outcome

MEETING = "meeting/versayce/kickoff/1"


async def test_what_was_said_of_a_meeting_is_read_back_and_nothing_of_it_is_in_its_history(
    skipping: Installation,
) -> None:
    """Minutes stand with the meeting and on the timeline; its history holds ids alone."""
    await held(skipping)
    shown = (await meeting.show(skipping.services, "versayce", "kickoff", TAM.email)).minutes
    assert shown is not None
    assert [one.name for one in shown.attended] == ["Luca Bianchi", "Mara Osei", "Robin Keller"]
    assert shown.private_note == PRIVATE
    await in_phase(skipping, "ended")
    told = await timeline.timeline_of(skipping.services, "versayce")
    [entry] = [entry for entry in told if entry.kind == "meeting.held"]
    assert entry.what == "Kickoff was held, says Robin Keller"
    assert entry.said is not None
    assert "There: Luca Bianchi, Mara Osei, Robin Keller" in entry.said.splitlines()
    assert "Blocker: The firewall lets no satellite through (Luca Bianchi, next check 2026-12-03)" in entry.said
    assert (await audit.verify(skipping.services, "versayce")).whole
    history = (await skipping.client.get_workflow_handle(MEETING).fetch_history()).to_json()
    async with skipping.services.store.reading() as connection:
        ids = {one.email: one.id for one in await account.contacts(connection, "versayce")}
    found = re.findall(r'"data":\s*"([A-Za-z0-9+/=]+)"', history)
    readable = history + "".join(base64.b64decode(one).decode(errors="replace") for one in found)
    assert f'"attended":["{ids[CHAMPION]}"' in readable
    for words in ("firewall", "satellite", "budget", "versayce.example", "Bianchi"):
        assert words not in readable


async def test_minutes_are_corrected_once_the_meeting_was_held(skipping: Installation) -> None:
    """Before it was held there is nothing to correct; then the new minutes stand, and the timeline keeps both."""
    await begun(skipping)
    services = skipping.services
    with pytest.raises(UserError, match="was not held yet") as early:
        await meeting.correct(services, "versayce", "kickoff", written(), TAM)
    assert (early.value.kind, "rapport meeting held" in early.value.fix) == (Refused.CONFLICT, True)
    await meeting.report(services, "versayce", "kickoff", "held", TAM, "They were glad")
    with pytest.raises(UserError) as again:
        await meeting.report(services, "versayce", "kickoff", "held", TAM, written=written())
    assert "rapport meeting minutes versayce kickoff" in again.value.fix

    async def ended() -> bool:
        return await outcome(skipping) == "held"

    await until(ended, "the end of the step")
    # A colleague may correct too; once again changes nothing and tells nothing.
    for _ in range(2):
        shown = await meeting.correct(services, "versayce", "kickoff", written(), by(COLLEAGUE))
    assert shown.by == "Tomas Novak"
    assert shown.corrected_at is not None
    assert [one.title for one in shown.blockers] == ["The firewall lets no satellite through"]
    told = await timeline.timeline_of(services, "versayce")
    said = [(entry.what, (entry.said or "").splitlines()[0]) for entry in told if entry.kind in KINDS]
    # The test's clock is ahead of that by which corrections are dated.
    assert sorted(said) == [
        ("Kickoff was held, says Robin Keller", "They were glad"),
        (
            "Kickoff: Tomas Novak corrected the minutes",
            "Everyone was in good spirits. Dana could not come and asks for the figures.",
        ),
    ]
    # Whoever writes a note and is not the TAM reads it; the manager does not.
    assert (await meeting.minutes_of(services, "versayce", "kickoff", TAM.email)).private_note == PRIVATE
    assert (await meeting.minutes_of(services, "versayce", "kickoff")).private_note is None
    assert (await audit.verify(services, "versayce")).whole


async def test_minutes_whose_writer_never_learned_of_them_are_kept_when_said_again(skipping: Installation) -> None:
    """A report that was taken while nothing could be kept of it is kept when it comes again, and told once."""
    await held(skipping)
    await in_phase(skipping, "ended")
    services = skipping.services
    async with services.store.writing() as connection:
        for table in (PrivateNoteRow, GoalRow, ActionRow, BlockerRow, MinutesRow):
            await connection.execute(delete(table))
    receipt = await meeting.report(services, "versayce", "kickoff", "held", TAM, written=written())
    assert receipt.accepted
    shown = await meeting.minutes_of(services, "versayce", "kickoff", TAM.email)
    assert (len(shown.actions), len(shown.blockers), shown.private_note) == (2, 1, PRIVATE)
    assert shown.corrected_at is None
    told = await timeline.timeline_of(services, "versayce")
    assert [entry.kind for entry in told if entry.kind in KINDS] == ["meeting.held"]
    with pytest.raises(UserError, match="already said"):
        await meeting.report(services, "versayce", "kickoff", "held", TAM, written=written())
    with pytest.raises(UserError, match="already said"):
        await meeting.report(services, "versayce", "kickoff", "no_show", TAM)


KINDS = ("meeting.held", "meeting.minutes")

TWO = """
name = "two"
title = "Two meetings"
version = 1
"""


def two_meetings(data: Path) -> None:
    """Keep a playbook of one's own, whose second meeting follows the kickoff by months."""
    kickoff = (ROOT / "rapport" / "playbooks" / "enterprise.toml").read_text()
    step = kickoff[kickoff.index("[[steps]]") : kickoff.index("# A half day")]
    second = step.replace('"kickoff"\ntitle = "Kickoff"', '"rollout_planning"\ntitle = "Rollout planning"')
    second = second.replace('email = "welcome"', 'email = "meeting_proposal"\nafter = ["kickoff"]')
    (data / PLAYBOOKS).mkdir(exist_ok=True)
    (data / PLAYBOOKS / "two.toml").write_text(TWO + step + second)


async def test_a_meeting_agreed_in_the_room_travels_with_the_result(skipping: Installation) -> None:
    """The workflow's result says which next meeting begins when; a time that has passed is refused by the workflow."""
    services = skipping.services
    two_meetings(services.settings.data)
    await skipping.sleep_to(0, 10)
    started = await onboarding.start(services, StartRequest(file=example(), playbook="two"))
    assert started.created
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    booked = await in_phase(skipping, "booked")
    assert booked.booked_until is not None
    await skipping.sleep_until(booked.booked_until)
    begun = {"step": "rollout_planning", "start": f"{booked.booked:%Y-%m-%dT%H:%M}Z", "anyway": True}
    past = minutes(agreed=[begun])
    with pytest.raises(UserError, match="in the past"):
        await meeting.report(services, "versayce", "kickoff", "held", TAM, written=past)
    known = minutes(agreed=[{"step": "kickoff", "start": "2090-01-10T10:00"}])
    with pytest.raises(UserError, match="no meeting that is still ahead"):
        await meeting.report(services, "versayce", "kickoff", "held", TAM, written=known)
    # It is set by hand: what speaks against it is said, and it can be meant all the same.
    time = {"step": "rollout_planning", "start": "2090-01-10T10:00", "zone": "Europe/Zurich"}
    async with services.store.writing() as connection:
        tam = await account.tam_of(connection, "versayce")
        assert tam is not None
        start = datetime(2090, 1, 10, 9, tzinfo=UTC)
        other_meeting = HeldHour(members=(tam,), start=start, end=start + timedelta(minutes=30))
        await hour.hold(connection, "meeting/other/kickoff/1", other_meeting)
    with pytest.raises(UserError, match="has another meeting from 10:00 to 10:30") as taken:
        await meeting.report(services, "versayce", "kickoff", "held", TAM, written=minutes(agreed=[time]))
    assert taken.value.field == "agreed[0].start"
    assert taken.value.fix == "choose another time, or set it with --anyway"
    agreed = minutes(agreed=[{**time, "anyway": True}])
    await meeting.report(services, "versayce", "kickoff", "held", TAM, written=agreed)
    result = await skipping.client.get_workflow_handle(MEETING, result_type=MeetingResult).result()
    assert [(one.step, one.start.isoformat()) for one in result.agreed] == [
        ("rollout_planning", "2090-01-10T09:00:00+00:00")
    ]
    # What was agreed has taken effect; a correction may repeat it or leave it out, and not change it.
    for same in (agreed, minutes(note="Good")):
        shown = await meeting.correct(services, "versayce", "kickoff", same, TAM)
        assert [one.step for one in shown.agreed] == ["rollout_planning"]
    other = minutes(agreed=[{"step": "rollout_planning", "start": "2090-01-11T10:00"}])
    with pytest.raises(UserError, match="no longer change") as refused:
        await meeting.correct(services, "versayce", "kickoff", other, TAM)
    assert "rapport meeting book versayce rollout_planning" in refused.value.fix
