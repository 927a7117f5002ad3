"""A whole review as its channel reads it, in Slack and by mail, on the time-skipping server."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from temporalio import workflow

from rapport.model.ids import review_id
from rapport.rules import announcement
from rapport.storage import account as accounts
from rapport.storage.gap_tables import AnnouncementRow
from starters.use_cases import task, tech_review
from starters.use_cases.tech_review import MeetingNotes, MeetingTime, Reason, WantedMeeting
from tests.conftest import CHAMPION, by, skipping_installation, text_of, until
from tests.support.receiver import receiver
from tests.support.tech_review import (
    CE,
    CE_VP,
    MESSAGE,
    SALES,
    VP_ENGINEERING,
    asked,
    choose,
    everybody_says,
    live,
    outcome,
    say,
    submitted,
    vote,
    write,
)
from workflows.channel import Channel

MAILBOX = "tech-reviews@foobar.example"


async def test_everything_that_is_said_is_mirrored_in_its_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Request, feedback, recommendation, verdict and acknowledgement, once each, although Slack was away meanwhile."""
    caplog.set_level(logging.INFO)
    async with receiver() as slack:
        slack.answers += [(503, {}), (429, {"Retry-After": "5"})]
        given = {"slack_webhook_url": SecretStr(slack.url), "review_channel_mail": MAILBOX}
        async with skipping_installation(tmp_path, **given) as installation:
            ref = await submitted(installation)
            await everybody_says(installation, ref)
            await choose(installation, ref, "recommendation", CE_VP, "yes", "They carry a third of the growth")
            await write(installation, ref, MESSAGE)
            await asked(installation, ref, "acknowledgement")
            await task.decide(installation.services, f"{ref}/acknowledgement", "acknowledge", by(CHAMPION))
            assert await outcome(installation, ref) == "approved"

            async def all_told() -> bool:
                return len(installation.mails(MAILBOX)) == 9

            await until(all_told, "the channel to have read it all")
            async with installation.services.store.reading() as connection:
                keys = list(await connection.scalars(select(AnnouncementRow.key)))
            # A run that was reset comes to the same at another instant, and tells it once all the same.
            assert [key for key in keys if ":" in key] == []
            assert f"{ref}/decided/1/approved" in keys
            history = (await installation.client.get_workflow_handle(review_id(ref)).fetch_history()).to_json()
        posted = [json.loads(one.body)["text"].splitlines()[0] for one in slack.taken]
    # The first was refused twice before it was taken.
    lines = [line.strip("*").partition("Versayce: ")[2] for line in posted][2:]
    assert lines[0] == "Tomas Novak submitted a review"
    assert sorted(lines[1:5]) == sorted(
        f"{name} answered: support"
        for name in (
            "Jun Sato (engineering)",
            "Leila Haddad (product)",
            "Priya Raman (support)",
            "Robin Keller (account team)",
        )
    )
    assert lines[5] == "Henrik Dahl (VP of CE) gave the recommendation: yes"
    assert lines[6] == "it is decided: approved"
    assert lines[7] == "Priya Raman (support) answered: read"
    assert lines[8] == "the customer has acknowledged what they were told"
    posts = [json.loads(one.body)["text"] for one in slack.taken][2:]
    assert "Monitoring without a way out of the network" in posts[1].splitlines()[0]
    for words in (
        "Gap: ",
        "Why by then: ",
        "Why it wasn't caught earlier: ",
        "Customer's expectation: ",
        "If not met: ",
        "Design document: https://",
        "Asked for feedback by ",
        "engineering, product, support and account team",
    ):
        assert words in posts[0], words
    assert "Recommendation, Henrik Dahl (VP of CE): yes. They carry a third of the growth" in posts[6]
    assert "recommendation decides" in posts[6]
    assert "a-secret-path" not in history + caplog.text
    assert MAILBOX not in history


async def test_a_seat_that_stays_empty_answers_nothing(tmp_path: Path) -> None:
    """The channel reads of it among the reasons of what is decided, and not that someone answered."""
    async with skipping_installation(tmp_path, review_channel_mail=MAILBOX) as installation:
        ref = await submitted(installation)
        async with installation.services.store.writing() as connection:
            gone = await accounts.member_by_email(connection, VP_ENGINEERING)
            assert gone is not None
            await accounts.mark_left(connection, gone.id, await installation.now())
        await everybody_says(installation, ref)
        await choose(installation, ref, "recommendation", CE_VP, "no")
        await vote(installation, ref, ce_vp="no", vp_sales="no")

        async def decided() -> list[str]:
            return [text_of(mail) for mail in installation.mails(MAILBOX) if "is decided" in str(mail["Subject"])]

        (reasons,) = await until(decided, "the channel to have read what is decided")
        subjects = [str(mail["Subject"]) for mail in installation.mails(MAILBOX)]
    assert "VP Engineering: no vote" in reasons
    assert [one for one in subjects if "someone" in one or "no vote" in one] == []


async def test_a_channel_that_refuses_holds_no_review_up(tmp_path: Path) -> None:
    """Slack says no to every post: the review is withdrawn and closed as if there were no channel."""
    async with receiver() as slack:
        slack.answers += [(404, {})] * 20
        async with skipping_installation(tmp_path, slack_webhook_url=SecretStr(slack.url)) as installation:
            ref = await submitted(installation)
            await say(installation, ref, "engineering")
            await tech_review.withdraw(
                installation.services, ref, Reason(reason="They have changed their mind"), by(CE)
            )
            assert await outcome(installation, ref) == "withdrawn"


async def test_what_sales_remarks_is_quoted(tmp_path: Path) -> None:
    """A remark of somebody who was not asked reaches the channel with its words, as a mail to read there."""
    async with skipping_installation(tmp_path, review_channel_mail=MAILBOX) as installation:
        ref = await submitted(installation)
        word = WantedMeeting(reason="Let us talk about the price as well")
        await tech_review.request_meeting(installation.services, ref, word, by(SALES))
        mails = await installation.mailed(2, MAILBOX)
        assert "Sam Ortega asks for a live meeting" in str(mails[-1]["Subject"])
        assert word.reason in text_of(mails[-1])
        assert "Title: Monitoring without a way out of the network" in text_of(mails[0])


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("held", "Tomas Novak added the notes of the live meeting"),
        ("no_time", "live meeting: no time was found"),
        ("unreported", "live meeting: no one recorded how it went"),
        ("canceled", "live meeting: canceled"),
    ],
)
def test_a_live_meeting_has_notes_only_where_it_was_held(
    monkeypatch: pytest.MonkeyPatch, outcome: str, told: str
) -> None:
    """Whatever else came of it is told as that."""
    monkeypatch.setattr(workflow, "now", lambda: datetime(2026, 11, 23, 9, tzinfo=UTC))
    channel = Channel("TR-0001", "versayce")
    channel.hear("tech_review.meeting", None, outcome)
    [news] = channel.take()
    said = announcement.headline(news.what, "TR-0001", "Versayce", "Tomas Novak", option=news.option)
    assert said == f"TR-0001, Versayce: {told}"


async def test_a_live_meeting_is_told_and_so_is_who_of_leadership_knows_and_by_when(tmp_path: Path) -> None:
    """Booked, moved and its notes; leadership is told once the review is, by name and with the customer's date."""
    async with skipping_installation(tmp_path, review_channel_mail=MAILBOX) as installation:
        # On so short a date leadership is told at once.
        ref = await submitted(installation, days=1)
        await tech_review.request_meeting(installation.services, ref, WantedMeeting(reason="Quicker"), by(SALES))
        await live(installation, ref, lambda one: one.phase == "stuck")
        start = (await installation.now()).replace(minute=0, second=0, microsecond=0) + timedelta(hours=4)
        for hour in (start, start + timedelta(hours=1)):
            time = MeetingTime(start=hour, anyway=True)
            await tech_review.book_meeting(installation.services, ref, time, by(CE))
            await live(installation, ref, lambda one, hour=hour: one.phase == "booked" and one.booked == hour)  # type: ignore[misc]
        await installation.sleep_until(start + timedelta(hours=2))
        notes = MeetingNotes(text="Agreed on two conditions")
        await tech_review.report_meeting(installation.services, ref, notes, by(CE))
        mails = await installation.mailed(6, MAILBOX)
    told = {str(one["Subject"]).partition("Versayce: ")[2]: text_of(one) for one in mails}
    first, second = list(told)[:2]
    assert first == "Tomas Novak submitted a review"
    assert second == "leadership was told that it is still open"
    assert "Told: " in told[second]
    assert all(name in told[second] for name in ("Ada Brandt", "Henrik Dahl", "Elena Fischer"))
    assert "Needed by " in told[second]
    prague = ZoneInfo("Europe/Prague")
    assert f"{start.astimezone(prague):%H:%M} (Europe/Prague)" in told["the live meeting is booked"]
    moved = (start + timedelta(hours=1)).astimezone(prague)
    assert f"{moved:%H:%M} (Europe/Prague)" in told["the live meeting has moved"]
    assert str(notes.text) in told["Tomas Novak added the notes of the live meeting"]
