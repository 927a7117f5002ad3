"""What a TAM is told before a meeting, on the time-skipping server."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from rapport.model.base import UserError
from starters.use_cases import account, meeting
from starters.use_cases.meeting import MeetingShown
from tests.conftest import TAM, Installation, text_of, until
from tests.support.cadence import QBR, begin as rhythm
from tests.support.kickoff import kickoff
from tests.workflows.test_meeting_changes import booked
from workflows.cadence import Cadence

ZURICH = ZoneInfo("Europe/Zurich")


async def briefs(installation: Installation, count: int) -> list[EmailMessage]:
    """The briefs that the TAM got, once there are so many."""

    async def there() -> list[EmailMessage] | None:
        found = [mail for mail in installation.mails(TAM.email) if str(mail["Subject"]).startswith("Brief:")]
        return found if len(found) == count else None

    found: list[EmailMessage] = await until(there, f"{count} briefs")
    return found


async def test_the_tam_is_briefed_on_the_kickoff_on_the_business_day_before(skipping: Installation) -> None:
    """They read who comes, the figures, and what is not known of anyone's work; and nobody else gets that."""
    await booked(skipping)
    start = (await kickoff(skipping)).booked
    assert start is not None
    day = start.astimezone(ZURICH)
    before = day.replace(hour=8, minute=0) - timedelta(days=3 if day.weekday() == 0 else 1)
    await skipping.sleep_until(before)
    assert not [mail for mail in skipping.mails(TAM.email) if str(mail["Subject"]).startswith("Brief:")]
    await skipping.sleep_until(before + timedelta(hours=4))
    (mail,) = await briefs(skipping, 1)
    text = text_of(mail)
    assert str(mail["Subject"]).startswith("Brief: Versayce kickoff, ")
    for line in ("Luca Bianchi, primary champion: confirmed this time", "Dana Whitfield", "Mara Osei"):
        assert line in text
    assert "hasn't confirmed this time" in text
    assert "Not known yet:" in text
    assert "Proof of concept:" in text
    assert "Projected return:" in text
    shown = await account.show(skipping.services, "versayce")
    for contact in shown.contacts:
        assert not any(str(one["Subject"]).startswith("Brief:") for one in skipping.mails(contact.email))


async def test_a_kickoff_that_moves_is_briefed_on_again(skipping: Installation) -> None:
    """Moved after the brief went, the TAM gets another one before the new time."""
    await booked(skipping)
    start = (await kickoff(skipping)).booked
    assert start is not None
    await skipping.sleep_until(start - timedelta(hours=2))
    await briefs(skipping, 1)
    at = start + timedelta(days=7)
    await meeting.reschedule(skipping.services, "versayce", "kickoff", TAM, at, anyway=True)
    await skipping.sleep_until(at - timedelta(hours=2))
    first, second = await briefs(skipping, 2)
    assert str(first["Subject"]) != str(second["Subject"])


async def test_a_kickoff_that_is_booked_for_soon_is_briefed_on_at_once(skipping: Installation) -> None:
    """Where the business day before has passed by the booking, the brief does not wait, and goes before it begins."""
    await booked(skipping)
    soon = (await skipping.now()).replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
    await meeting.reschedule(skipping.services, "versayce", "kickoff", TAM, soon, anyway=True)
    await briefs(skipping, 1)


async def review(installation: Installation, phase: str) -> MeetingShown:
    """The review's meeting, once it is in this phase."""

    async def there() -> MeetingShown | None:
        try:
            shown = await meeting.show(installation.services, "versayce", "qbr")
        except UserError:
            return None
        return shown if shown.phase == phase else None

    shown: MeetingShown = await until(there, f"the review to be {phase}")
    return shown


async def test_the_facts_of_a_review_come_before_it_is_prepared_and_follow_its_booking(skipping: Installation) -> None:
    """Its facts come before its preparation is due; a business day before the booked time, and before a later one."""
    cadence = await rhythm(skipping, QBR)
    (of,) = (await cadence.query(Cadence.view)).rhythms
    assert of.target is not None
    await skipping.sleep_until(of.target - timedelta(days=34))
    await review(skipping, "voting")
    await skipping.sleep_until(of.target - timedelta(days=15))
    (first,) = await briefs(skipping, 1)
    assert "should be prepared by" in text_of(first)
    at = (of.target + timedelta(days=2)).replace(hour=13, minute=0)
    await meeting.book(skipping.services, "versayce", "qbr", at, TAM, anyway=True)
    await review(skipping, "booked")
    await skipping.sleep_until(at - timedelta(days=5))
    later = at + timedelta(days=7)
    await meeting.reschedule(skipping.services, "versayce", "qbr", TAM, later, anyway=True)
    await skipping.sleep_until(at)
    await briefs(skipping, 1)
    await skipping.sleep_until(later - timedelta(hours=2))
    (_, second) = await briefs(skipping, 2)
    assert "is booked for" in text_of(second)
    assert f"{later.astimezone(ZURICH):%H:%M}" in str(second["Subject"])
