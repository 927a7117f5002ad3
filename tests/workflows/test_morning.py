"""The morning mail from its round to the reader, with the server's clock, real SMTP and a real database."""

from __future__ import annotations

from datetime import date, timedelta
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from rapport.model.ids import morning_id, new_id
from rapport.model.message import MessageState
from rapport.model.minutes import NewBlocker, Removal
from rapport.model.morning import MorningResult, MorningStart
from rapport.model.workflows import MORNING
from rapport.storage import account
from rapport.storage.access import MailSwitch, throw_mail_switch
from rapport.storage.tables import AbsenceRow, MemberRow, MessageRow
from starters.use_cases import blocker, meeting, message
from tests.conftest import BUSINESS, CHAMPION, TAM, USER, Installation, text_of, until
from tests.support.kickoff import begin, drafted, in_phase, reviewed, status_of, vote
from tests.support.task import MANAGER, begin_large, in_phase as task_in_phase, request
from workflows.morning import ROUND_STAYS

ROBIN = TAM.email


async def go(installation: Installation) -> int:
    """Carry out one round now, as the schedule starts it; how many mails it has seen to."""
    assert installation.environment is not None
    # To await a result lets the clock run ahead, of everything that waits beside it too.
    with installation.environment.auto_time_skipping_disabled():
        result: MorningResult = await installation.client.execute_workflow(
            MORNING.name, MorningStart(), id=new_id("morning"), task_queue="rapport", result_type=MorningResult
        )
    return result.written


def mornings(installation: Installation, email: str) -> list[EmailMessage]:
    """The morning mails that somebody got."""
    return [mail for mail in installation.mails(email) if "/morning/" in str(mail["X-Rapport-Key"])]


async def got(installation: Installation, email: str, count: int = 1) -> EmailMessage:
    """Somebody's latest morning mail, once they have so many."""

    async def enough() -> bool:
        return len(mornings(installation, email)) == count

    await until(enough, f"{count} morning mails to {email}")
    return mornings(installation, email)[-1]


async def today(installation: Installation) -> date:
    """The date in Zurich."""
    return (await installation.now()).astimezone(ZoneInfo("Europe/Zurich")).date()


async def member_id(installation: Installation, email: str) -> str:
    """A member's id."""
    async with installation.services.store.reading() as connection:
        found = await account.member_by_email(connection, email)
    assert found is not None
    return found.id


async def test_drafts_wait_for_the_tam_in_the_morning_and_nobody_else_is_written_to(skipping: Installation) -> None:
    """Who has something to read gets one mail, with links to pages; colleagues with nothing to do get none."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    await skipping.sleep_to(1, 9)
    assert await go(skipping) == 1
    mail = await got(skipping, ROBIN)
    words = text_of(mail)
    assert "Versayce: 4 drafts to review and send" in words
    assert "/accounts/versayce/drafts" in words
    assert "/inbox" in words
    assert "/m/" not in words
    assert str(mail["Subject"]) == "Your day: 4 drafts"
    assert [str(one["To"]) for one in skipping.mails()] == [str(mail["To"])]


async def test_a_task_waits_with_its_deadline_and_its_requester_waits_too(skipping: Installation) -> None:
    """The manager reads what to decide until when, and the TAM for what they wait."""
    await begin_large(skipping)
    await task_in_phase(skipping, "preparing")
    await skipping.sleep_to(1, 9)
    assert await go(skipping) == 1
    assert "say what is asked for" in text_of(await got(skipping, ROBIN))
    await request(skipping, ROBIN)
    opened = await task_in_phase(skipping, "open")
    assert opened.deadline is not None
    await skipping.sleep_to(2, 9)
    await go(skipping)
    words = text_of(await got(skipping, MANAGER))
    assert opened.question in words
    assert f"due {opened.deadline.astimezone(ZoneInfo('Europe/Paris')):%a}" in words
    # The TAM waits for the manager and for nothing else: that others are slow is no reason to write.
    assert len(mornings(skipping, ROBIN)) == 1


async def test_a_meeting_of_today_has_its_time_place_votes_and_agenda(skipping: Installation) -> None:
    """On the day of a meeting the TAM reads when, with whom, where, and who has voted; the day before, nothing."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    booked = await in_phase(skipping, "booked")
    assert booked.booked is not None
    await skipping.mailed(9)
    start = booked.booked.astimezone(ZoneInfo("Europe/Zurich"))
    nine = start.replace(hour=9, minute=0)
    await skipping.sleep_until(nine - timedelta(days=1))
    await go(skipping)
    await skipping.sleep_until(nine)
    assert await go(skipping) == 1
    words = text_of(await got(skipping, ROBIN))
    assert f"{start:%H:%M}–" in words
    assert "Zurich time" in words
    assert "with Versayce" in words
    assert "https://meet.foobar.example/robin-keller" in words
    assert "2 of 3 required attendees replied" in words
    assert "How support engagements work" in words
    assert len(mornings(skipping, ROBIN)) == 1


async def test_a_meeting_that_nobody_reported_waits_for_its_tam(skipping: Installation) -> None:
    """What a meeting waits for, and no task, stands in the mail as well."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(seconds=1))
    await in_phase(skipping, "stuck")
    here = (await skipping.now()).astimezone(ZoneInfo("Europe/Zurich"))
    await skipping.sleep_to((here.weekday() + 1) % 7 if here.weekday() < 4 else 0, 9)
    await go(skipping)
    assert "to find a time" in text_of(await got(skipping, ROBIN))


async def test_a_blocker_is_looked_at_from_its_day_on(skipping: Installation) -> None:
    """Before its day a blocker is no reason to write; from then on it stands there each morning, until it is gone."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    wednesday = await today(skipping) + timedelta(days=2)
    new = NewBlocker(title="The firewall lets nothing through", owner=CHAMPION, next_check=wednesday)
    added = await blocker.add(skipping.services, "versayce", new, TAM)
    await skipping.sleep_to(1, 9)
    assert await go(skipping) == 0
    await skipping.sleep_to(2, 9)
    assert await go(skipping) == 1
    mail = await got(skipping, ROBIN)
    assert str(mail["Subject"]) == "Your day: 1 blocker"
    words = text_of(mail)
    assert "Versayce: The firewall lets nothing through" in words
    assert f"Owner: Luca Bianchi. Next check: {wednesday:%a} {wednesday.day}" in words
    assert "/accounts/versayce#blockers" in words
    await skipping.sleep_to(3, 9)
    assert await go(skipping) == 1
    assert f"Check was due {wednesday:%a} {wednesday.day}" in text_of(await got(skipping, ROBIN, 2))
    await blocker.remove(skipping.services, added.id, Removal(reason="The rule is in"), TAM)
    await skipping.sleep_to(4, 9)
    # The vote is over by then, and nobody has answered.
    assert await go(skipping) == 1
    words = text_of(await got(skipping, ROBIN, 3))
    assert "to find a time" in words
    assert "firewall" not in words


async def test_nobody_gets_two_on_one_day(skipping: Installation) -> None:
    """Rounds that are repeated, overlap or run beside each other write once a day, and again on the next."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    await skipping.sleep_to(1, 9)
    assert [await go(skipping) for _ in range(3)] == [1, 0, 0]
    await got(skipping, ROBIN)
    await skipping.sleep_until(await skipping.now() + timedelta(minutes=29))
    assert await go(skipping) == 0
    await skipping.sleep_until(await skipping.now() + timedelta(minutes=2))
    assert await go(skipping) == 0
    await skipping.sleep_to(2, 9)
    assert await go(skipping) == 1
    mails = [mornings(skipping, ROBIN), await got(skipping, ROBIN, 2)]
    assert mails
    keys = {str(mail["X-Rapport-Key"]) for mail in mornings(skipping, ROBIN)}
    member = await member_id(skipping, ROBIN)
    assert f"{morning_id(await today(skipping), member)}/morning/1/1/1/morning/morning/{member}" in keys
    assert len(keys) == 2


async def test_who_is_away_or_has_left_gets_none(skipping: Installation) -> None:
    """An absence has no morning before it ends; whoever has left has none at all."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    member = await member_id(skipping, ROBIN)
    nine = await skipping.sleep_to(1, 9)
    async with skipping.services.store.writing() as connection:
        await connection.execute(
            AbsenceRow.__table__.insert().values(  # type: ignore[attr-defined]
                id="a_1",
                member=member,
                starts=nine - timedelta(hours=9),
                ends=nine + timedelta(hours=1),
                created_at=nine,
            )
        )
    assert await go(skipping) == 0
    await skipping.sleep_until(nine + timedelta(hours=1))
    assert await go(skipping) == 1
    await got(skipping, ROBIN)
    await skipping.sleep_to(2, 9)
    async with skipping.services.store.writing() as connection:
        await connection.execute(update(MemberRow).where(MemberRow.id == member).values(left_at=nine))
    assert await go(skipping) == 0


async def test_mail_that_is_stopped_holds_up_no_later_round(skipping: Installation) -> None:
    """While mail is stopped a morning mail waits in the outbox, and the round that wrote it has ended."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    nine = await skipping.sleep_to(1, 9)
    async with skipping.services.store.writing() as connection:
        await throw_mail_switch(connection, MailSwitch(stopped=True, by="tester", at=nine))
    first = await skipping.client.start_workflow(
        MORNING.name, MorningStart(), id="morning-of-nine", task_queue="rapport", result_type=MorningResult
    )

    async def written() -> bool:
        async with skipping.services.store.reading() as connection:
            states = await connection.scalars(select(MessageRow.state).where(MessageRow.purpose == "morning"))
            return list(states) == [MessageState.READY]

    await until(written, "the mail in the outbox")
    await skipping.sleep_until(nine + ROUND_STAYS + timedelta(seconds=1))
    await until(status_of(skipping, first.id), "the end of the round")
    assert await go(skipping) == 0
    assert not mornings(skipping, ROBIN)


async def test_a_morning_that_is_settled_meanwhile_is_not_written(skipping: Installation) -> None:
    """Between the round and the writing everything was done: there is nothing to tell, and no mail."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    keys = tuple(draft.key for draft in await message.drafts(skipping.services, "versayce"))
    await message.release(skipping.services, keys, TAM)
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    await skipping.sleep_to(1, 9)
    assert await go(skipping) == 0
    assert (await meeting.show(skipping.services, "versayce", "kickoff")).phase == "voting"


@pytest.mark.parametrize("comes", [True, False])
async def test_the_brief_of_a_meeting_goes_by_who_comes(skipping: Installation, comes: bool) -> None:
    """If the business contact comes, health, proof of concept and return are worth mentioning; else they are not."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    if comes:
        await vote(skipping, BUSINESS, "1")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    booked = await in_phase(skipping, "booked")
    assert booked.booked is not None
    await skipping.mailed(9)
    await skipping.sleep_until(booked.booked.astimezone(ZoneInfo("Europe/Zurich")).replace(hour=9, minute=0))
    await go(skipping)
    words = text_of(await got(skipping, ROBIN))
    assert "Luca Bianchi, primary champion" in words
    assert ("Dana Whitfield, key business contact" in words) is comes
    assert ("3.2 times the annual licence" in words) is comes
    assert ("profitable since 2024" in words) is comes
