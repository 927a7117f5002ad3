"""What sending promises of its readers' time: when mails go, what they join, and what stays, each with its reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.message import Messages
from rapport.mail import outbox, scheduled
from rapport.mail.compose import readable
from rapport.model.base import Instant, Refused, UserError
from rapport.model.message import Deliver, MessageRequest, MessageState, Outcomes, Purpose, SetAside
from rapport.model.support_case import WrittenCase
from rapport.settings import Settings
from rapport.storage import access, support_case, timeline
from rapport.storage.access import MailSwitch
from rapport.storage.database import Store
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import AccountRow, ContactRow, MessageRow
from starters.services import Actor, Services
from starters.use_cases.message import release
from tests.helpers_mail import (
    ScriptedRelay,
    activity_at,
    company_of,
    facts,
    having,
    mailer_to,
    messages_with,
    occasion,
)

S = MessageState
DANA, LUCA, MARA = (f"{name}@versayce.example" for name in ("dana.whitfield", "luca.bianchi", "mara.osei"))

# Later than any machine's clock, so that the tests alone say what time it is. 4 January 2100 is a Monday; Luca and Mara
# work in Zurich, Luca from 7:30 UTC, and Dana in New York from 14:00 UTC.
MONDAY = datetime(2100, 1, 4, tzinfo=UTC)
NIGHT = MONDAY + timedelta(hours=22, minutes=30)
MORNING = MONDAY + timedelta(days=1, hours=7, minutes=30)
FULL = "their attention budget for January is used up (4 of 4)"


@pytest.fixture
async def messages(store: Store, relay: ScriptedRelay) -> AsyncIterator[Messages]:
    """The activities, sending for real and keeping quiet hours."""
    async with mailer_to(relay.port) as mailer:
        yield messages_with(store, mailer, quiet_hours=True)


async def send(messages: Messages, what: MessageRequest, at: datetime) -> Outcomes:
    """One attempt at writing and sending."""
    return await activity_at(at).run(messages.send, what)


async def deliver(messages: Messages, keys: tuple[str, ...], at: datetime, **said: Any) -> Outcomes:
    """What the workflow does when an instant has come, or a member has said their word."""
    return await activity_at(at).run(messages.deliver, Deliver(account="versayce", keys=keys, now=at, **said))


async def note(
    store: Store, step: str, to: str = "primary_champion", *, stale_at: Instant | None = None, review: str = "auto"
) -> MessageRequest:
    """A mail that is nice to have, of some step."""
    company = await company_of(store)
    plain = occasion(company, Purpose.MESSAGE, "hello", to=(having(company, to),))
    return plain.model_copy(
        update={"step": step, "title": step.title(), "meeting": None, "stale_at": stale_at, "review": review}
    )


async def rows(store: Store) -> dict[str, dict[str, Any]]:
    """The outbox, by step."""
    async with store.reading() as connection:
        found = await connection.execute(select(MessageRow.__table__).order_by(MessageRow.key))
        return {row.step: dict(row._mapping) for row in found}


async def told(store: Store) -> list[tuple[str, str | None, datetime | None]]:
    """The timeline: kind, what about, which instant."""
    async with store.reading() as connection:
        return [(entry.kind, entry.about, entry.instant) for entry in await timeline.tell(connection, "versayce")]


def key_of(outcomes: Outcomes) -> str:
    """The one message's key."""
    (key,) = outcomes.states
    return key


async def test_each_welcome_waits_for_its_own_reader(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """At ten in Zurich it is four in New York: three welcomes go, one waits for Dana's nine o'clock, and goes then."""
    now, nine = MONDAY + timedelta(hours=9), MONDAY + timedelta(hours=14)
    outcomes = await send(messages, occasion(await company_of(store)), now)
    assert sorted(outcomes.states.values()) == [S.READY, S.SENT, S.SENT, S.SENT]
    ((key, until),) = outcomes.waits.items()
    assert until == nine
    assert outcomes.ready() == ()
    assert relay.to(DANA) == []
    assert ("message.scheduled", "outside their working time", nine) in await told(store)
    assert (await deliver(messages, (key,), now)).waits == {key: nine}
    assert (await deliver(messages, (key,), nine)).states == {key: S.SENT}
    assert len(relay.to(DANA)) == 1
    assert (await deliver(messages, (key,), nine)).states == {key: S.SENT}
    assert len(relay.received) == 4


@pytest.mark.parametrize("purpose", [Purpose.INVITATION, Purpose.NOTICE])
async def test_what_presses_goes_at_night(
    store: Store, messages: Messages, relay: ScriptedRelay, purpose: Purpose
) -> None:
    """An invitation answers what someone has just agreed to, and a member's notice is theirs to read when they like."""
    company = await company_of(store)
    to = company.account.tam if purpose is Purpose.NOTICE else having(company, "primary_champion")
    email = "meeting_stuck" if purpose is Purpose.NOTICE else "meeting_invitation"
    outcomes = await send(messages, occasion(company, purpose, email, to=(to,)), NIGHT)
    assert list(outcomes.states.values()) == [S.SENT]
    assert len(relay.accepted) == 1


async def test_what_is_scheduled_is_written_when_it_goes(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """The words, the date and the meeting's times are those of the moment in which it goes."""
    company = await company_of(store)
    what = occasion(company, Purpose.REMINDER, "meeting_reminder", to=(having(company, "primary_champion"),))
    key = key_of(await send(messages, what, NIGHT))
    assert (await rows(store))["kickoff"]["raw"] is None
    async with store.writing() as connection:
        await connection.execute(update(ContactRow).where(ContactRow.email == LUCA).values(name="Luca Rossi"))
    await deliver(messages, (key,), MORNING, meeting=facts(company, times=1))
    (mail,) = relay.to(LUCA)
    words = readable(mail.raw)
    assert "Luca Rossi" in words["to"]
    assert "Tuesday 1 December" in words["text"]
    assert "Wednesday 2 December" not in words["text"]
    assert b"Date: Tue, 05 Jan 2100 07:30:00" in mail.raw


async def test_a_retry_of_the_first_attempt_sends_what_has_come_due(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """An attempt that had to be repeated for hours sends by itself what it had scheduled, once."""
    what = await note(store, "resources")
    key = key_of(await send(messages, what, NIGHT))
    again = await send(messages, what, NIGHT + timedelta(minutes=1))
    assert again.waits == {key: MORNING}
    assert (await send(messages, what, MORNING)).states == {key: S.SENT}
    assert len(relay.accepted) == 1


async def test_after_an_outage_the_next_morning_is_meant(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """Due at nine, but nobody was there until ten at night: it waits for the next nine o'clock."""
    key = key_of(await send(messages, await note(store, "resources"), NIGHT))
    night = NIGHT + timedelta(days=1)
    assert (await deliver(messages, (key,), night)).waits == {key: MORNING + timedelta(days=1)}
    assert relay.received == []
    assert [instant for kind, _, instant in await told(store) if kind == "message.scheduled"] == [
        MORNING,
        MORNING + timedelta(days=1),
    ]


async def test_stopped_mail_is_written_when_it_goes_again(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """What comes due while all mail is stopped gets its words after the start."""
    key = key_of(await send(messages, await note(store, "resources"), NIGHT))
    async with store.writing() as connection:
        await access.throw_mail_switch(connection, MailSwitch(stopped=True, by="tester", at=NIGHT))
    with pytest.raises(ApplicationError, match="stopped"):
        await deliver(messages, (key,), MORNING)
    assert (await rows(store))["resources"]["raw"] is None
    async with store.writing() as connection:
        await access.throw_mail_switch(connection, MailSwitch(stopped=False, by="tester", at=MORNING))
    assert (await deliver(messages, (key,), MORNING + timedelta(hours=1))).states == {key: S.SENT}
    assert len(relay.accepted) == 1


async def test_an_approval_at_night_goes_in_the_morning_as_approved(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """The bytes are those of the approval, whatever is known by the morning; the date is the morning's."""
    what = await note(store, "resources", review="approve")
    async with store.writing() as connection:
        await connection.execute(update(AccountRow).values(review=None))
    drafted = await activity_at(NIGHT).run(messages.draft, what)
    key = key_of(drafted)
    assert drafted.states == {key: S.DRAFT}
    tam = (await company_of(store)).account.tam
    outcomes = await deliver(messages, (key,), NIGHT, approved_by=tam, submission="s_1")
    assert outcomes.waits == {key: MORNING}
    frozen = (await rows(store))["resources"]["raw"]
    assert frozen is not None
    async with store.writing() as connection:
        await connection.execute(update(ContactRow).where(ContactRow.email == LUCA).values(name="Luca Rossi"))
    assert (await deliver(messages, (key,), MORNING)).states == {key: S.SENT}
    (mail,) = relay.to(LUCA)
    assert mail.raw == frozen
    assert b"Date: Tue, 05 Jan 2100 07:30:00" in mail.raw
    assert (await rows(store))["resources"]["approved_by"] == tam


async def test_two_of_one_day_become_one_mail(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """Both wait for the morning: one mail goes, with the words of both, and the other says which it joined."""
    host = key_of(await send(messages, await note(store, "resources"), NIGHT))
    guest = await send(messages, await note(store, "documents"), NIGHT + timedelta(minutes=1))
    assert list(guest.states.values()) == [S.SUPPRESSED]
    assert guest.joined == {key_of(guest): host}
    found = await rows(store)
    assert found["documents"]["reason"] == f"joined {host}"
    async with store.writing() as connection:
        edits = {"subject": "Documents for you", "paragraph": "Three pages on pipelines.", "body": None}
        await connection.execute(update(MessageRow).where(MessageRow.key == key_of(guest)).values(edits=edits))
    assert (await deliver(messages, (host,), MORNING)).states == {host: S.SENT}
    (mail,) = relay.accepted
    words = readable(mail.raw)
    assert words["subject"] == "Robin Keller, your technical account manager at FooBar; Documents for you"
    for part in (words["text"], words["html"]):
        assert part.count("Hi Luca") == 1
        assert "If you have a question about" in part
        assert part.index("If you have a question about") < part.index("Three pages on pipelines.")
    assert words["text"].count("\n--") == 1
    assert ("message.joined", host, None) in await told(store)


async def test_nothing_joins_a_mail_that_is_written(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """What comes after the other has gone goes by itself."""
    host = key_of(await send(messages, await note(store, "resources"), NIGHT))
    await deliver(messages, (host,), MORNING)
    late = await send(messages, await note(store, "documents"), MORNING + timedelta(minutes=1))
    assert list(late.states.values()) == [S.SENT]
    assert len(relay.to(LUCA)) == 2


async def test_a_mail_that_is_joined_while_it_is_written_is_written_anew(store: Store, messages: Messages) -> None:
    """Bytes made before another joined are not kept."""
    key = key_of(await send(messages, await note(store, "resources"), NIGHT))
    async with store.writing() as connection:
        assert await scheduled.take_in(connection, key)
        assert not await outbox.freeze(connection, key, ("s", b"without"), None, None, guests=0)
        assert await outbox.freeze(connection, key, ("s", b"with"), None, None, guests=1)
        assert not await scheduled.take_in(connection, key)


async def four_in_january(store: Store, messages: Messages) -> None:
    """Use up the business contact's budget, in their working time."""
    for number in range(4):
        at = MONDAY + timedelta(days=number, hours=15)
        outcomes = await send(messages, await note(store, f"note-{number}", "key_business_contact"), at)
        assert list(outcomes.states.values()) == [S.SENT]


async def test_a_used_up_budget_keeps_back_what_is_nice_alone(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """The fifth note of a month is not sent and says why; times to choose from still are."""
    await four_in_january(store, messages)
    friday = MONDAY + timedelta(days=4, hours=15)
    outcomes = await send(messages, await note(store, "fifth", "key_business_contact"), friday)
    assert list(outcomes.states.values()) == [S.SUPPRESSED]
    assert (await rows(store))["fifth"]["reason"] == FULL
    assert ("message.suppressed", FULL, None) in await told(store)
    company = await company_of(store)
    needed = occasion(company, to=(having(company, "key_business_contact"),))
    assert list((await send(messages, needed, friday)).states.values()) == [S.SENT]
    assert len(relay.to(DANA)) == 5


async def test_a_budget_that_ends_soon_puts_off(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """In the last week of a month the note waits for the first of the next, unless it is of no use any more by then."""
    await four_in_january(store, messages)
    tuesday, first = MONDAY + timedelta(days=22, hours=15), datetime(2100, 2, 1, 14, tzinfo=UTC)
    outcomes = await send(messages, await note(store, "fifth", "key_business_contact"), tuesday)
    assert list(outcomes.waits.values()) == [first]
    stale = await send(
        messages, await note(store, "sixth", "key_business_contact", stale_at=first - timedelta(hours=1)), tuesday
    )
    assert list(stale.states.values()) == [S.SUPPRESSED]
    await deliver(messages, tuple(outcomes.states), first)
    assert len(relay.to(DANA)) == 5
    assert ("message.scheduled", FULL, first) in await told(store)


async def test_what_is_scheduled_can_be_called_back(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """A workflow that needs a mail no longer drops it; what had joined it says that it did not go either."""
    host = key_of(await send(messages, await note(store, "resources"), NIGHT))
    await send(messages, await note(store, "documents"), NIGHT)
    order = SetAside(keys=(host,), state=S.SUPPRESSED, reason="a time is booked by now", now=NIGHT)
    outcomes = await activity_at(NIGHT).run(messages.set_aside, order)
    assert outcomes.states == {host: S.SUPPRESSED}
    assert outcomes.waits == {}
    assert (await deliver(messages, (host,), MORNING)).states == {host: S.SUPPRESSED}
    assert relay.received == []
    found = await rows(store)
    assert found["documents"]["reason"] == f"joined {host}, which did not go"
    entries = await told(store)
    assert ("message.suppressed", "a time is booked by now", None) in entries
    assert ("message.suppressed", f"joined {host}, which did not go", None) in entries


async def test_what_is_stale_or_whose_reader_has_left_does_not_go(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """By the morning one has no use any more, and another's reader has left: each stays, with the reason."""
    stale = key_of(await send(messages, await note(store, "resources", stale_at=NIGHT + timedelta(hours=1)), NIGHT))
    left = key_of(await send(messages, await note(store, "documents", "primary_user"), NIGHT))
    async with store.writing() as connection:
        await connection.execute(update(ContactRow).where(ContactRow.email == MARA).values(left_at=NIGHT))
    outcomes = await deliver(messages, (stale, left), MORNING + timedelta(hours=2))
    assert outcomes.states == {stale: S.SUPPRESSED, left: S.SUPPRESSED}
    assert relay.received == []
    found = await rows(store)
    assert found["resources"]["reason"] == "it came too late to be of use"
    assert found["documents"]["reason"] == "the recipient has left"


async def open_worst(store: Store) -> None:
    """Put an open case of severity 1 on record."""
    async with store.writing() as connection:
        written = WrittenCase(account="versayce", question="All is down", severity=1)
        await support_case.add(connection, written, "c_1", "s_1", "m_1", MONDAY)


async def test_an_open_severity_one_holds_back_what_can_wait(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """It waits for the reader's next working day and is looked at again then; once the case is solved, it goes."""
    await open_worst(store)
    now = MONDAY + timedelta(hours=9)
    outcomes = await send(messages, await note(store, "tips"), now)
    assert list(outcomes.waits.values()) == [MORNING]
    key = key_of(outcomes)
    assert ("message.scheduled", "their open case of severity 1 comes first", MORNING) in await told(store)
    again = await deliver(messages, (key,), MORNING)
    assert again.waits == {key: MORNING + timedelta(days=1)}
    assert relay.received == []
    async with store.writing() as connection:
        await connection.execute(update(CaseRow).values(state="resolved"))
    assert (await deliver(messages, (key,), MORNING + timedelta(days=1))).states == {key: S.SENT}


async def test_what_would_be_stale_after_a_severity_one_stays(store: Store, messages: Messages) -> None:
    """What makes no sense any more by then does not go, with the reason; what presses goes all the same."""
    await open_worst(store)
    now = MONDAY + timedelta(hours=9)
    outcomes = await send(messages, await note(store, "tips", stale_at=MONDAY + timedelta(hours=20)), now)
    assert list(outcomes.states.values()) == [S.SUPPRESSED]
    assert (await rows(store))["tips"]["reason"] == "their open case of severity 1 comes first"
    welcomes = await send(messages, occasion(await company_of(store)), MONDAY + timedelta(hours=15))
    assert set(welcomes.states.values()) == {S.SENT}


async def test_nobody_sends_by_hand_what_can_wait_for_a_severity_one(
    store: Store, messages: Messages, tmp_path: Path
) -> None:
    """A draft of that kind is refused with the case's number; it stays a draft, and can be held back."""
    async with store.writing() as connection:
        await connection.execute(update(AccountRow).values(review=None))
    key = key_of(await send(messages, await note(store, "tips", review="approve"), MONDAY + timedelta(hours=9)))
    await open_worst(store)
    services = Services(Settings(data=tmp_path, secret=SecretStr("x")), store, cast("Client", None))
    with pytest.raises(UserError, match="C-00001 of severity 1 is open") as refused:
        await release(services, (key,), Actor(email="robin.keller@foobar.example", channel="cli"))
    assert refused.value.kind is Refused.CONFLICT
    assert (await rows(store))["tips"]["state"] == S.DRAFT
