"""The kickoff, from proposal to outcome, on the time-skipping server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar
from sqlalchemy import select
from temporalio.client import WorkflowHandle

from activities.sweep import tell_polls
from rapport.model.account import AccountFile
from rapport.model.base import Refused, UserError
from rapport.model.ids import meeting_id, onboarding_id
from rapport.model.meeting import Book, MeetingResult, Vote
from rapport.model.message import MessageState
from rapport.model.operation import Control, ControlKind
from rapport.model.projection import HeldHour
from rapport.storage import hour, timeline as timeline_storage
from rapport.storage.tables import AccountRow, HourRow
from starters.services import present, submission
from starters.use_cases import mail_switch, meeting, message, onboarding, timeline
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.message import Edit
from starters.use_cases.onboarding import StartRequest
from tests.conftest import (
    BUSINESS,
    CHAMPION,
    HOST,
    ROOT,
    SECOND_USER,
    TAM,
    USER,
    Installation,
    by,
    example,
    left,
    link_of,
    skipping_installation,
    text_of,
    until,
)
from tests.support.kickoff import begin, drafted, in_phase, kickoff, reviewed, status_of, vote
from workflows.base import AccountWorkflow
from workflows.meeting import Meeting

ZURICH = ZoneInfo("Europe/Zurich")


def events(mail: EmailMessage) -> list[Any]:
    """The calendar events in a mail."""
    parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return [event for part in parts for event in Calendar.from_ical(part.get_content()).events]


async def test_the_welcome_reaches_all_four_each_in_their_own_zone(skipping: Installation) -> None:
    """Starting sends one welcome to each contact, with the times in that contact's zone and a link of their own."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    mails = {str(mail["To"]): mail for mail in await skipping.mailed(4)}
    assert len(mails) == 4
    first = shown.slots[0].start
    for address, zone in (
        (BUSINESS, "America/New_York"),
        (CHAMPION, "Europe/Zurich"),
        (SECOND_USER, "Europe/Stockholm"),
    ):
        text = text_of(next(mail for to, mail in mails.items() if address in to))
        assert f"{first.astimezone(ZoneInfo(zone)):%H:%M}–" in text
        assert f"{zone.rpartition('/')[2].replace('_', ' ')} time" in text
    assert len({link_of(mail) for mail in mails.values()}) == 4


async def test_only_those_whom_they_concern_read_figures(skipping: Installation) -> None:
    """Return, proof of concept and company health stand in two welcomes, and in no invitation."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    for address, told in ((BUSINESS, True), (CHAMPION, True), (USER, False), (SECOND_USER, False)):
        (mail,) = skipping.mails(address)
        whole = mail.as_string()
        assert ("annual licence" in text_of(mail)) is told
        assert ("annual licence" in whole or "profitable" in whole) is told
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    await in_phase(skipping, "booked")
    for mail in (await skipping.mailed(9))[4:]:
        assert "licence" not in mail.as_string()
        assert "profitable" not in mail.as_string()


async def test_it_is_booked_as_soon_as_those_required_share_a_time(skipping: Installation) -> None:
    """The champion and one user on the same time book it at once; everyone and the TAM get an invitation."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "2", "3")
    await vote(skipping, BUSINESS, "2")
    assert (await kickoff(skipping)).phase == "voting"
    await vote(skipping, SECOND_USER, "3")
    booked = await in_phase(skipping, "booked")
    assert booked.booked == shown.slots[2].start
    assert booked.booked_by == "vote"
    invitations = (await skipping.mailed(9))[4:]
    assert {str(mail["To"]).partition("<")[2].rstrip(">") for mail in invitations} == {
        BUSINESS,
        CHAMPION,
        USER,
        SECOND_USER,
        TAM.email,
    }
    for mail in invitations:
        (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
        assert part.get_param("method") == "REQUEST"
        (event,) = events(mail)
        assert event["DTSTART"].dt.astimezone(UTC) == booked.booked
        assert event["SEQUENCE"] == 0
        assert "meet.foobar.example" in str(event["LOCATION"])


async def test_at_the_deadline_the_champions_word_is_enough(skipping: Installation) -> None:
    """With the champion's answer alone, the vote ends at its deadline with a time of theirs."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "4")
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(seconds=1))
    booked = await in_phase(skipping, "booked")
    assert booked.booked == shown.slots[3].start
    assert booked.booked_by == "deadline"


async def test_silence_brings_two_reminders_in_working_hours_and_then_the_tam(skipping: Installation) -> None:
    """Nobody answers: two reminders to each who is required, none to the business contact, then the TAM is told."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(seconds=1))
    stuck = await in_phase(skipping, "stuck")
    assert stuck.reminders == 2
    assert stuck.waiting_on == ("tam",)
    assert "meeting book versayce kickoff" in (stuck.unblock or "")
    await skipping.mailed(1, TAM.email)
    assert len(skipping.mails(BUSINESS)) == 1
    for address in (CHAMPION, USER, SECOND_USER):
        reminders = skipping.mails(address)[1:]
        subjects = [str(mail["Subject"]).partition(" by ")[0] for mail in reminders]
        assert subjects == ["Reminder: pick a time for the kickoff"] * 2
        for mail in reminders:
            sent = mail["Date"].datetime.astimezone(ZURICH)
            assert sent.weekday() < 5
            assert 8 <= sent.hour < 18
    notice = text_of(skipping.mails(TAM.email)[0])
    assert "no one replied" in notice
    assert "Luca Bianchi" in notice


async def test_the_tam_books_by_hand_and_can_move_it(skipping: Installation) -> None:
    """A time set by hand goes to everyone, and moving it sends the same event with a higher SEQUENCE."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    first = (await skipping.now() + timedelta(days=8)).replace(minute=0, second=0, microsecond=0)
    await meeting.book(skipping.services, "versayce", "kickoff", first, TAM)
    await in_phase(skipping, "booked")
    await skipping.mailed(9)
    await meeting.book(skipping.services, "versayce", "kickoff", first + timedelta(hours=1), TAM)
    mails = await skipping.mailed(14)
    moved = [event for mail in mails for event in events(mail)]
    assert {(str(event["UID"]), int(event["SEQUENCE"])) for event in moved} == {
        ("VERSAYCE-2026-11.kickoff.1.1@foobar.example", 0),
        ("VERSAYCE-2026-11.kickoff.1.1@foobar.example", 1),
    }
    told = [entry.what for entry in await timeline.timeline_of(skipping.services, "versayce")]
    assert any(what.startswith("Kickoff booked for") and what.endswith("by Robin Keller") for what in told)
    assert any(what.startswith("Kickoff moved to") for what in told)


async def test_a_vote_after_the_vote_is_refused_with_the_reason(skipping: Installation) -> None:
    """What comes too late, from outside, for an unknown time or for an old round changes nothing and says why."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    with pytest.raises(UserError, match="no such time"):
        await vote(skipping, CHAMPION, "99")
    with pytest.raises(UserError, match="neither a contact"):
        await vote(skipping, "stranger@elsewhere.example", "1")
    with pytest.raises(UserError, match="replaced by newer ones"):
        await meeting.vote(skipping.services, "versayce", "kickoff", ("1",), by(CHAMPION), round_=7)
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    await in_phase(skipping, "booked")
    with pytest.raises(UserError, match="already booked") as refusal:
        await vote(skipping, SECOND_USER, "1")
    assert refusal.value.kind is Refused.CONFLICT


async def test_the_same_decision_twice_counts_once(skipping: Installation) -> None:
    """An update and a signal with one id are one vote, and its receipt stays the first."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    handle: WorkflowHandle[Meeting, MeetingResult] = skipping.client.get_workflow_handle_for(
        Meeting.run, meeting_id("versayce", "kickoff", 1)
    )
    view = await handle.query(Meeting.view)
    assert view.proposal is not None
    champion = next(invitee.id for invitee in view.proposal.invitees if "primary_champion" in invitee.personas)
    ballot = Vote(at=present(), id="s_same", voter=champion, round=1, slots=("1",))
    first = await handle.execute_update(Meeting.vote, ballot, id="s_same")
    await handle.signal(AccountWorkflow.hear_later, left("vote", ballot))
    changed = ballot.model_copy(update={"slots": ("2",)})
    await handle.signal(AccountWorkflow.hear_later, left("vote", changed))
    assert await handle.execute_update(Meeting.vote, changed) == first
    assert (await handle.query(Meeting.view)).votes == (ballot,)


async def test_a_vote_bears_the_date_at_which_it_was_given(skipping: Installation) -> None:
    """However much later its meeting takes it, as no worker was there."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    handle: WorkflowHandle[Meeting, MeetingResult] = skipping.client.get_workflow_handle_for(
        Meeting.run, meeting_id("versayce", "kickoff", 1)
    )
    view = await handle.query(Meeting.view)
    assert view.proposal is not None
    given = await skipping.now() + timedelta(minutes=5)
    ballot = Vote(at=given, id="s_late", voter=view.proposal.invitees[0].id, round=1, slots=("1",))
    await skipping.sleep_until(given + timedelta(hours=3))
    await handle.signal(AccountWorkflow.hear_later, left("vote", ballot))

    async def cast() -> list[datetime]:
        told = await timeline.timeline_of(skipping.services, "versayce")
        return [entry.at for entry in told if entry.kind == "vote.cast"]

    assert await until(cast, "the vote on the timeline") == [given]


async def test_after_a_no_show_everyone_is_offered_new_times(skipping: Installation) -> None:
    """A no-show opens a second round, whose links work while those of the first say that they are outdated."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    old = link_of((await skipping.mailed(1, CHAMPION))[0])
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    booked = await in_phase(skipping, "booked")
    with pytest.raises(UserError, match="not begun"):
        await meeting.report(skipping.services, "versayce", "kickoff", "held", TAM)
    assert booked.booked_until is not None
    await skipping.sleep_until(booked.booked_until + timedelta(hours=3))
    asked = (await skipping.mailed(2, TAM.email))[-1]
    assert "did the kickoff take place" in str(asked["Subject"])
    await meeting.report(skipping.services, "versayce", "kickoff", "no_show", TAM)
    again = await in_phase(skipping, "voting")
    assert again.round == 2
    assert again.slots[0].start > booked.booked_until
    assert (await meeting.poll(skipping.services, old)).stale
    with pytest.raises(UserError, match="replaced by newer ones"):
        await meeting.vote_by_link(skipping.services, old, ("1",), None)
    fresh = link_of((await skipping.mailed(3, CHAMPION))[-1])
    assert (await meeting.vote_by_link(skipping.services, fresh, ("1",), "See you")).accepted


async def test_the_onboarding_ends_when_the_kickoff_was_held(skipping: Installation) -> None:
    """Held is the end of the step, the stage and, in today's playbook, the onboarding."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    booked = await in_phase(skipping, "booked")
    assert booked.booked_until is not None
    await skipping.sleep_until(booked.booked_until)
    await meeting.report(skipping.services, "versayce", "kickoff", "held", TAM, "They want to start with checkout")
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")
    shown = await onboarding.status(skipping.services, "versayce")
    assert shown.stage == "done"
    assert [(step.step, step.state, step.outcome) for step in shown.milestones] == [
        ("kickoff", "done", "held"),
        ("onsite_approval", "dropped", "not for this account"),
    ]
    told = await timeline.timeline_of(skipping.services, "versayce")
    assert [entry.what for entry in told][-3:] == [
        "Kickoff was held, says Robin Keller",
        "Kickoff ended: held",
        "Every stage is reached",
    ]
    assert "They want to start with checkout" in [entry.said for entry in told]
    again = await onboarding.start(skipping.services, StartRequest(file=example()))
    assert not again.created


async def test_drafts_wait_for_the_tam_and_the_vote_opens_with_them(skipping: Installation) -> None:
    """Nothing goes out by itself; an edited draft goes as edited, and the voting period counts from then."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    assert (await kickoff(skipping)).waiting_on == ("tam",)
    drafts = await message.drafts(skipping.services, "versayce")
    assert len(drafts) == 4
    assert skipping.mails() == []
    mine = next(draft for draft in drafts if draft.to == CHAMPION)
    with pytest.raises(UserError, match="personal link is missing"):
        await message.edit(skipping.services, mine.key, Edit(body="Come at ten."), TAM)
    await message.edit(skipping.services, mine.key, Edit(subject="Hi Luca", paragraph="Nice to see you again."), TAM)
    later = await skipping.now() + timedelta(days=1)
    await skipping.sleep_until(later)
    keys = tuple(draft.key for draft in drafts)
    await message.release(skipping.services, keys[:1], TAM, hold=True, reason="they asked to wait")
    await message.release(skipping.services, keys[1:], TAM)
    voting = await in_phase(skipping, "voting")
    assert voting.deadline is not None
    assert voting.deadline >= later + timedelta(days=2)
    await skipping.mailed(3)
    if keys[0] != mine.key:
        (mail,) = skipping.mails(CHAMPION)
        assert str(mail["Subject"]) == "Hi Luca"
        assert "Nice to see you again." in text_of(mail)
        assert (await meeting.poll(skipping.services, link_of(mail))).reader == "Luca Bianchi"
    states = {line.key: line.state for line in await message.listed(skipping.services, "versayce")}
    assert states[keys[0]] is MessageState.HELD
    assert (await message.release(skipping.services, keys[1:], TAM)).outcome == "sending"
    with pytest.raises(UserError, match="no draft any more"):
        await message.release(skipping.services, keys[2:], TAM)
    assert len(skipping.mails()) == 3


async def test_times_that_wait_too_long_as_drafts_are_replaced(skipping: Installation) -> None:
    """Drafts that nobody sends get new times in time, the TAM's words kept; TAM and backup alone are written to."""
    await begin(skipping, reviewed("approve"))
    shown = await drafted(skipping)
    mine = next(draft for draft in await message.drafts(skipping.services, "versayce") if draft.to == CHAMPION)
    await message.edit(skipping.services, mine.key, Edit(paragraph="Nice to see you again."), TAM)
    await skipping.sleep_until(shown.slots[0].start)

    async def renewed() -> bool:
        return (await kickoff(skipping)).round >= 2

    await until(renewed, "a second round")

    await drafted(skipping)
    fresh = next(draft for draft in await message.drafts(skipping.services, "versayce") if draft.to == CHAMPION)
    assert fresh.key != mine.key
    assert fresh.paragraph == "Nice to see you again."
    assert (await message.show(skipping.services, mine.key)).state is MessageState.SUPPRESSED
    assert [str(mail["To"]) for mail in skipping.mails()] == [
        "Robin Keller <robin.keller@foobar.example>",
        "Tomas Novak <tomas.novak@foobar.example>",
    ]
    assert all(
        re.match(r"Task due .+: Drafts of Kickoff, Versayce$", str(mail["Subject"])) for mail in skipping.mails()
    )


async def test_no_common_hour_is_an_answer_and_goes_to_the_tam(skipping: Installation) -> None:
    """Where nobody's hours meet, the welcome says that times follow, and the TAM is told at once."""
    file = example()
    far = [
        contact.model_copy(update={"zone": "Pacific/Auckland"}) if "primary_champion" in contact.personas else contact
        for contact in file.contacts
    ]
    await begin(skipping, file.model_copy(update={"contacts": tuple(far)}))
    stuck = await in_phase(skipping, "stuck")
    assert stuck.slots == ()
    assert "I'll send you proposed times for the kickoff soon." in text_of((await skipping.mailed(1, CHAMPION))[0])
    assert "no time works" in text_of((await skipping.mailed(1, TAM.email))[0])


async def test_stopped_mail_holds_up_no_decision(skipping: Installation) -> None:
    """While all mail is stopped the vote goes on; what is still true goes out once, after the start: no times."""
    await mail_switch.stop(skipping.services, HOST, "A test")
    await begin(skipping)
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    await in_phase(skipping, "booked")
    assert skipping.mails() == []
    await mail_switch.start(skipping.services, HOST, "A test")
    await skipping.sleep_until(await skipping.now() + timedelta(minutes=2))
    mails = await skipping.mailed(9)
    assert len(mails) == 9
    assert not [mail for mail in mails if "Choose your times" in text_of(mail)]
    lines = await message.listed(skipping.services, "versayce")
    assert {(one.purpose, one.state, one.reason) for one in lines} == {
        ("proposal", MessageState.SENT, None),
        ("invitation", MessageState.SENT, None),
    }


@asynccontextmanager
async def calendar_feed(answer: Callable[[], bytes]) -> AsyncIterator[str]:
    """Serve a member's iCalendar feed on the loopback."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = answer()
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/robin.ics"


def busy(*spans: tuple[datetime, datetime]) -> bytes:
    """An iCalendar feed with these events."""
    events = "".join(
        f"BEGIN:VEVENT\r\nUID:{index}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{start:%Y%m%dT%H%M%SZ}\r\n"
        f"DTEND:{end:%Y%m%dT%H%M%SZ}\r\nEND:VEVENT\r\n"
        for index, (start, end) in enumerate(spans)
    )
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\n{events}END:VCALENDAR\r\n".encode()


ALLOWED: dict[str, Any] = {"fetch_allowed_hosts": ("127.0.0.1",)}
"""What an administrator sets where calendars are on this machine."""


def with_feed(url: str) -> AccountFile:
    """The example account, whose TAM has a calendar."""
    return with_tam(example(), calendar_url=url)


def with_tam(file: AccountFile, **changes: Any) -> AccountFile:
    """An account whose TAM differs in this."""
    members = [
        type(member).model_validate({**member.model_dump(), **changes}) if "tam" in member.roles else member
        for member in file.members
    ]
    return file.model_copy(update={"members": tuple(members)})


NARROW: dict[str, Any] = {"start": time(15), "end": time(15, 30)}
"""Hours that leave one time a day, so that two polls have to offer the same."""


async def test_a_time_that_was_taken_meanwhile_is_off_the_table(tmp_path: Path) -> None:
    """The TAM's calendar is asked again before booking; a time that has filled up gives way to the next best."""
    spans: list[tuple[datetime, datetime]] = []
    async with calendar_feed(lambda: busy(*spans)) as url, skipping_installation(tmp_path, **ALLOWED) as installation:
        await begin(installation, with_feed(url))
        shown = await in_phase(installation, "voting")
        spans.append((shown.slots[0].start, shown.slots[0].end))
        await vote(installation, CHAMPION, "1", "2")
        await vote(installation, USER, "1", "2")
        booked = await in_phase(installation, "booked")
        assert booked.booked == shown.slots[1].start
        told = [entry.kind for entry in await timeline.timeline_of(installation.services, "versayce")]
        assert "meeting.time_taken" in told


async def test_busy_times_are_not_offered(tmp_path: Path) -> None:
    """No time on offer touches what stands in the TAM's calendar."""
    spans: list[tuple[datetime, datetime]] = []
    async with calendar_feed(lambda: busy(*spans)) as url, skipping_installation(tmp_path, **ALLOWED) as installation:
        monday = await installation.sleep_to(0, 10)
        spans += [
            (monday + timedelta(days=day, hours=2), monday + timedelta(days=day, hours=6, minutes=30))
            for day in range(20)
        ]
        await onboarding.start(installation.services, StartRequest(file=with_feed(url)))
        shown = await in_phase(installation, "voting")
        assert shown.slots
        assert not any(start < slot.end and slot.start < end for slot in shown.slots for start, end in spans)


async def test_an_unreadable_calendar_is_told_and_stops_nothing(tmp_path: Path) -> None:
    """A feed that is no calendar costs the busy times, not the kickoff, and stands on the timeline."""
    async with (
        calendar_feed(lambda: b"<html>sign in</html>") as url,
        skipping_installation(tmp_path, **ALLOWED) as installation,
    ):
        await begin(installation, with_feed(url))
        await installation.sleep_until(await installation.now() + timedelta(minutes=5))
        await in_phase(installation, "voting")
        told = [entry.kind for entry in await timeline.timeline_of(installation.services, "versayce")]
        assert told.count("calendar.unreadable") == 1


def neighbour() -> AccountFile:
    """Another account that the same TAM serves; its people are where the first one's are."""
    text = (ROOT / "examples" / "versayce.toml").read_text().replace("Versayce", "Neighbour")
    return example(text.replace("versayce", "neighbour").replace("VERSAYCE", "NEIGHBOUR"))


async def poll_of(installation: Installation, account: str, phase: str, round_: int = 1) -> MeetingShown:
    """An account's kickoff, once it is in this phase of this round."""

    async def there() -> MeetingShown | None:
        try:
            shown = await meeting.show(installation.services, account, "kickoff")
        except UserError as refusal:
            if refusal.kind is not Refused.NOT_FOUND:
                raise
            return None
        return shown if (shown.phase, shown.round) == (phase, round_) else None

    shown: MeetingShown = await until(there, f"{account} in the phase {phase}")
    return shown


async def test_two_accounts_that_reach_for_one_hour_get_two_or_a_new_vote(skipping: Installation) -> None:
    """Both polls offer a TAM's hour, and both agree on it at once: one has it, the other is asked about other times."""
    await begin(skipping, with_tam(example(), hours=NARROW))
    await onboarding.start(skipping.services, StartRequest(file=with_tam(neighbour(), hours=NARROW)))
    accounts = ("versayce", "neighbour")
    shown = [await poll_of(skipping, account, "voting") for account in accounts]
    assert shown[0].slots == shown[1].slots

    async def agree(account: str) -> None:
        for email in (CHAMPION, USER):
            voter = by(email.replace("versayce", account))
            assert (await meeting.vote(skipping.services, account, "kickoff", ("1",), voter)).accepted

    await asyncio.gather(*(agree(account) for account in accounts))

    async def settled() -> list[MeetingShown] | None:
        now = [await meeting.show(skipping.services, account, "kickoff") for account in accounts]
        return now if sorted((one.phase, one.round) for one in now) == [("booked", 1), ("voting", 2)] else None

    first, second = sorted(
        await until(settled, "one that is booked, and one that votes anew"), key=lambda one: one.round
    )
    assert first.booked == shown[0].slots[0].start
    assert second.slots
    assert all(slot.start != first.booked for slot in second.slots)
    loser = second.account
    assert "meeting.time_taken" in [entry.kind for entry in await timeline.timeline_of(skipping.services, loser)]
    for email in (CHAMPION, USER):
        voter = by(email.replace("versayce", loser))
        assert (await meeting.vote(skipping.services, loser, "kickoff", ("1",), voter)).accepted
    assert (await poll_of(skipping, loser, "booked", 2)).booked not in (None, first.booked)


async def test_an_hour_is_taken_also_where_a_calendar_cannot_be_read(tmp_path: Path) -> None:
    """The TAM's feed breaks after the times were offered: still only one of two accounts gets the hour."""
    feed = [busy()]
    async with calendar_feed(lambda: feed[0]) as url, skipping_installation(tmp_path, **ALLOWED) as installation:
        await begin(installation, with_tam(example(), calendar_url=url, hours=NARROW))
        other = with_tam(neighbour(), calendar_url=url, hours=NARROW)
        await onboarding.start(installation.services, StartRequest(file=other))
        shown = [await poll_of(installation, account, "voting") for account in ("versayce", "neighbour")]
        feed[0] = b"<html>sign in</html>"
        for one in shown:
            for email in (CHAMPION, USER):
                voter = by(email.replace("versayce", one.account))
                assert (await meeting.vote(installation.services, one.account, "kickoff", ("1", "2"), voter)).accepted
        await installation.sleep_until(await installation.now() + timedelta(minutes=10))
        booked = {(await poll_of(installation, one.account, "booked")).booked for one in shown}
        assert booked == {slot.start for slot in shown[0].slots[:2]}


async def test_an_hour_that_is_moved_from_or_called_off_is_free_again(skipping: Installation) -> None:
    """A meeting has one hour: the one it was moved to by hand last, and none once it is called off."""

    async def hours() -> list[datetime]:
        async with skipping.services.store.reading() as connection:
            return list(await connection.scalars(select(HourRow.starts)))

    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    await in_phase(skipping, "booked")
    assert await hours() == [shown.slots[0].start]
    moved = shown.slots[1].start + timedelta(minutes=30)
    assert (await meeting.book(skipping.services, "versayce", "kickoff", moved, TAM)).accepted

    async def only(wanted: list[datetime]) -> bool:
        return await hours() == wanted

    await until(lambda: only([moved]), "the hour that it was moved to, alone")
    held_by = skipping.client.get_workflow_handle(meeting_id("versayce", "kickoff", 1))
    await held_by.signal("control", Control(kind=ControlKind.CLOSE))
    await until(lambda: only([]), "no hour")


async def take(installation: Installation, start: datetime) -> None:
    """Another account's meeting takes half an hour of the TAM's, and the sweep tells whoever offered it."""
    async with installation.services.store.writing() as connection:
        tam = await connection.scalar(select(AccountRow.tam).where(AccountRow.key == "versayce"))
        taken = HeldHour(members=(str(tam),), start=start, end=start + timedelta(minutes=30))
        assert await hour.take(connection, f"meeting/other/{start.isoformat()}/1", taken)
    await tell_polls(installation.services.store, installation.client)


async def test_a_time_that_another_meeting_takes_is_offered_no_longer(skipping: Installation) -> None:
    """It leaves the poll and its page at once; with fewer than two that are left, everyone gets new times."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    await skipping.mailed(4)
    first, *rest = shown.slots
    (mail,) = skipping.mails(CHAMPION)
    token = link_of(mail).rpartition("/")[2]
    await take(skipping, first.start)
    left_over = await until(lambda: offered_without(skipping, first.start), "the poll without the time")
    assert [slot.start for slot in left_over.slots] == [slot.start for slot in rest]
    assert [slot.id for slot in (await meeting.poll(skipping.services, token)).slots] == [slot.id for slot in rest]
    assert left_over.round == 1
    for slot in rest[:-1]:
        await take(skipping, slot.start)

    async def anew() -> MeetingShown | None:
        seen = await kickoff(skipping)
        return seen if (seen.round, seen.phase) == (2, "voting") else None

    again: MeetingShown = await until(anew, "new times")
    assert len(again.slots) > 1
    assert not {slot.start for slot in again.slots} & {slot.start for slot in (first, *rest[:-1])}


async def offered_without(installation: Installation, start: datetime) -> MeetingShown | None:
    """The kickoff, once it offers this time no longer."""
    seen = await kickoff(installation)
    return None if any(slot.start == start for slot in seen.slots) else seen


async def test_a_time_set_by_hand_against_something_wants_anyway(skipping: Installation) -> None:
    """A night, or the hour of another meeting, is refused with the reason, and is booked if it is meant."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    start = shown.slots[0].start
    night = start.astimezone(ZURICH).replace(hour=3, minute=0).astimezone(UTC)
    with pytest.raises(UserError, match="outside the working hours of Robin Keller") as refusal:
        await meeting.book(skipping.services, "versayce", "kickoff", night, TAM)
    assert (refusal.value.kind, refusal.value.field) == (Refused.CONFLICT, "start")
    assert "anyway" in refusal.value.fix
    async with skipping.services.store.writing() as connection:
        tam = await connection.scalar(select(AccountRow.tam).where(AccountRow.key == "versayce"))
        taken = HeldHour(members=(str(tam),), start=start, end=start + timedelta(minutes=30))
        await hour.hold(connection, "meeting/other/kickoff/1", taken)
    with pytest.raises(UserError, match=r"has another meeting from .* \(kickoff, other\)"):
        await meeting.book(skipping.services, "versayce", "kickoff", start, TAM)
    assert (await kickoff(skipping)).booked is None
    assert (await meeting.book(skipping.services, "versayce", "kickoff", start, TAM, anyway=True)).accepted
    assert (await in_phase(skipping, "booked")).booked == start


async def test_of_two_that_set_one_hour_by_hand_at_once_one_has_it(skipping: Installation) -> None:
    """Another meeting may take it after it was looked up: then the time does not count, and who set it is told why."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    start = shown.slots[0].start
    handle: WorkflowHandle[Meeting, MeetingResult] = skipping.client.get_workflow_handle_for(
        Meeting.run,
        meeting_id("versayce", "kickoff", 1),
    )
    async with skipping.services.store.writing() as connection:
        tam = str(await connection.scalar(select(AccountRow.tam).where(AccountRow.key == "versayce")))
        said = submission(tam, TAM, "book", handle.id)
        await timeline_storage.submit(connection, said)
        taken = HeldHour(members=(tam,), start=start, end=start + timedelta(minutes=30))
        await hour.hold(connection, "meeting/other/kickoff/1", taken)
    await handle.execute_update(Meeting.book, Book(at=present(), id=said.id, by=tam, start=start, if_free=True))

    async def refused() -> bool:
        return "word.refused" in [one.kind for one in await timeline.timeline_of(skipping.services, "versayce")]

    await until(refused, "the refusal on the timeline")
    assert (await kickoff(skipping)).booked is None
    free = shown.slots[1].start
    assert (await meeting.book(skipping.services, "versayce", "kickoff", free, TAM)).accepted
    assert (await in_phase(skipping, "booked")).booked == free
