"""What writing and sending mail promises, whatever the relay, the clock and the machine do."""

from __future__ import annotations

import asyncio
import contextlib
import email
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.policy import default
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities import delivery
from activities.delivery import BEFORE_THE_SWEEP, FAULT_PAUSES, STOPPED_PAUSE, UNASKED, Policy, in_a_pause, in_a_stop
from activities.message import Messages
from activities.relay import PROBE_EVERY, Relays, alarm_task
from rapport.mail import outbox, scheduled
from rapport.mail.compose import readable
from rapport.mail.outbox import LEASE, leases
from rapport.mail.smtp import MAX_CONNECTIONS, Mailer, Relay
from rapport.model.account import AccountFile
from rapport.model.ids import RELAY_ALARM
from rapport.model.message import Deliver, MessageRequest, MessageState, Outcomes, Purpose, SetAside
from rapport.model.projection import TimelineEvent
from rapport.model.reading import read_toml
from rapport.model.relay import VARIABLES, FaultKind, RelayAsked, RelayFault, fixed
from rapport.model.task import TaskPhase
from rapport.rules.pace import LONGEST_WAIT, PATIENCE, Pace
from rapport.schedules import LATE_ROUNDS
from rapport.storage import access, account, imports, relay as relays, task as tasks, timeline
from rapport.storage.access import MailSwitch
from rapport.storage.database import Connection, Store
from rapport.storage.relay import mail_gate
from rapport.storage.tables import LinkRow, MemberRow, MessageRow, RelayRow, VendorRow
from tests.helpers_mail import (
    DROP,
    HANG,
    STATIONERY,
    ScriptedRelay,
    activity_at,
    company_of,
    facts,
    having,
    messages_with,
    occasion,
    pause,
    processes_apart,
    send_apart,
)
from tests.mail_fixtures import EXAMPLE

S = MessageState

T0 = datetime(2100, 1, 4, 9, tzinfo=UTC)
"""When the first attempt takes place; later than any machine's clock, so that the tests alone say what time it is."""
OVER = T0 + LEASE + timedelta(seconds=1)
"""When the first attempt's leases have run out."""

DANA, LUCA, MARA, JONAS = (
    f"{name}@versayce.example" for name in ("dana.whitfield", "luca.bianchi", "mara.osei", "jonas.lindqvist")
)
MANAGER = "ines.moreau@foobar.example"
EVERYONE = sorted((DANA, LUCA, MARA, JONAS))


async def send(messages: Messages, what: MessageRequest, at: datetime = T0) -> Outcomes:
    """One attempt at writing and sending."""
    return await activity_at(at).run(messages.send, what)


async def deliver(messages: Messages, order: Deliver, at: datetime = T0) -> Outcomes:
    """One attempt at sending drafts."""
    return await activity_at(at).run(messages.deliver, order)


async def rows(store: Store) -> dict[str, dict[str, Any]]:
    """The outbox, by recipient."""
    async with store.reading() as connection:
        found = await connection.execute(select(MessageRow.__table__).order_by(MessageRow.key))
        return {row.address: dict(row._mapping) for row in found}


async def states(store: Store) -> dict[str, str]:
    """The state of each recipient's message."""
    return {to: row["state"] for to, row in (await rows(store)).items()}


async def told(store: Store) -> list[tuple[str, str | None]]:
    """The timeline: what kind of entry, about which message."""
    async with store.reading() as connection:
        return [(entry.kind, entry.about) for entry in await timeline.tell(connection, "versayce")]


async def leaves(store: Store, address: str) -> None:
    """Someone leaves the account: the next file no longer names them."""
    file = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")
    stay = tuple(contact for contact in file.contacts if contact.email != address)
    async with store.writing() as connection:
        await imports.save(connection, file.model_copy(update={"contacts": stay}), T0)


async def one(store: Store, purpose: Purpose = Purpose.PROPOSAL, to: str = "primary_champion") -> MessageRequest:
    """An occasion to write to one contact: a welcome is held when unsure, a reminder goes again."""
    company = await company_of(store)
    name = {Purpose.REMINDER: "meeting_reminder", Purpose.INVITATION: "meeting_invitation"}.get(purpose, "welcome")
    what = occasion(company, purpose, name, to=(having(company, to),))
    if what.meeting is None or what.meeting.booking is None:
        return what
    # It is still to come, in the year in which these tests are.
    booking = what.meeting.booking.model_copy(update={"start": T0 + timedelta(days=9), "end": T0 + timedelta(days=10)})
    return what.model_copy(update={"meeting": what.meeting.model_copy(update={"booking": booking})})


def later(caught: pytest.ExceptionInfo[ApplicationError]) -> timedelta:
    """The wait that an attempt asked for."""
    assert caught.value.next_retry_delay is not None
    assert not caught.value.non_retryable
    return caught.value.next_retry_delay


# --- the plain story


async def test_four_welcomes(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """One occasion writes to each of four people once, each with words and a link of their own, and says so."""
    what = occasion(await company_of(store))
    outcomes = await send(messages, what)
    assert list(outcomes.states.values()) == [S.SENT] * 4
    assert sorted(mail.recipient for mail in relay.accepted) == EVERYONE
    found = await rows(store)
    links = set()
    for mail in relay.accepted:
        row = found[mail.recipient]
        assert (mail.raw, mail.sender) == (row["raw"], "onboarding@foobar.example")
        read = email.message_from_bytes(mail.raw, policy=default)
        assert (read["X-Rapport-Key"], read["Message-ID"]) == (row["key"], row["message_id"])
        assert (row["reply"], row["settled_at"], row["attempts"]) == ("250 2.0.0 queued", T0, 1)
        links.add(readable(mail.raw)["text"].partition("/m/")[2][:43])
    async with store.reading() as connection:
        for token in links:
            link = await access.find_link(connection, token)
            assert link is not None
            assert (link.purpose, link.round, link.expires_at) == ("vote", 1, T0 + access.LINK_LIFE)
    assert len(links) == 4
    assert sorted(await told(store)) == sorted(("message.sent", key) for key in outcomes.states)


async def test_a_repeated_send_sends_nothing_twice(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """The same occasion again, even with other words in it, gives the same outcomes and sends nothing."""
    company = await company_of(store)
    first = await send(messages, occasion(company))
    before = await rows(store)
    assert await send(messages, occasion(company), T0 + timedelta(days=3)) == first
    other = occasion(company, meeting=facts(company, times=1))
    assert await send(messages, other, T0 + timedelta(days=3)) == first
    order = Deliver(
        account="versayce", keys=tuple(first.states), approved_by="m_1", meeting=facts(company, times=1), now=T0
    )
    assert await deliver(messages, order, T0 + timedelta(days=3)) == first
    assert len(relay.received) == 4
    assert await rows(store) == before
    assert len(await told(store)) == 4


async def test_two_mails_of_one_step_have_a_key_each(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """A step's second mail, for the same purpose, to the same people and as their first, goes as well, and once."""
    first = await one(store, Purpose.REMINDER)
    second = first.model_copy(update={"email": "welcome"})
    keys = [*(await send(messages, first)).states, *(await send(messages, second)).states]
    assert len(set(keys)) == len(relay.accepted) == 2
    assert [*(await send(messages, second)).states] == keys[1:]
    assert len(relay.accepted) == 2


async def test_two_attempts_at_once_send_each_mail_once(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """Two attempts at the same occasion at the same moment hand over each mail once between them."""
    what = occasion(await company_of(store))
    results = await asyncio.gather(*(send(messages, what) for _ in range(2)), return_exceptions=True)
    assert any(isinstance(result, Outcomes) for result in results)
    # The other one has nothing to do, or waits for the first; it never fails on finding its own keys there.
    assert {type(result) for result in results} <= {Outcomes, ApplicationError}
    assert sorted(mail.recipient for mail in relay.received) == EVERYONE
    assert set((await states(store)).values()) == {S.SENT}


async def test_outcomes_name_nobody(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """What goes into a history holds keys and states, and no address or name."""
    relay.then_for(LUCA, "450 4.2.0 <luca.bianchi@versayce.example> greylisted")
    what = occasion(await company_of(store))
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what)
    outcomes = await send(messages, what, T0 + timedelta(minutes=2))
    for text in (str(caught.value), repr(caught.value.details), outcomes.model_dump_json()):
        assert "@" not in text
        assert "Luca" not in text


async def test_a_mail_that_cannot_be_written_is_refused_for_good(store: Store, messages: Messages) -> None:
    """A mail that does not exist or lacks something is no reason to try again, and leaves nothing in the outbox."""
    company = await company_of(store)
    unbooked = facts(company)
    for what in (
        occasion(company, email="wellcome"),
        occasion(company, Purpose.NOTICE, "meeting_invitation", meeting=unbooked),
        occasion(company, email="meeting_reminder", meeting=facts(company, times=0)),
    ):
        with pytest.raises(ApplicationError) as caught:
            await send(messages, what)
        assert (caught.value.type, caught.value.non_retryable) == ("Refused", True)
    assert await rows(store) == {}


# --- what the relay may say


async def test_one_bad_recipient_holds_up_nobody(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """A 550 for one of four fails that one for good, with the relay's words, and the others go out at once."""
    relay.then_for(MARA, "550 5.1.1 no such user")
    outcomes = await send(messages, occasion(await company_of(store)))
    found = await rows(store)
    assert (found[MARA]["state"], found[MARA]["reason"]) == (S.FAILED, "550 5.1.1 no such user")
    assert sorted(mail.recipient for mail in relay.accepted) == sorted({*EVERYONE} - {MARA})
    assert ("message.failed", found[MARA]["key"]) in await told(store)
    assert await send(messages, occasion(await company_of(store)), OVER) == outcomes
    assert len(relay.received) == 3


@pytest.mark.parametrize("point", ["greeting", "MAIL", "RCPT", "DATA", "body"])
async def test_a_relay_that_asks_for_patience_gets_it(
    store: Store, messages: Messages, relay: ScriptedRelay, point: str
) -> None:
    """A 4xx at any point defers the mail, asks for another attempt in about a minute, and then sends it once."""
    what = await one(store)
    relay.then(point, "451 4.7.1 later")
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what)
    assert caught.value.type == "Deferred"
    assert caught.value.category is ApplicationErrorCategory.BENIGN
    assert timedelta(seconds=50) < later(caught) < timedelta(seconds=70)
    assert await states(store) == {LUCA: S.DEFERRED}
    outcomes = await send(messages, what, T0 + timedelta(minutes=2))
    assert list(outcomes.states.values()) == [S.SENT]
    assert len(relay.accepted) == 1
    assert (await rows(store))[LUCA]["reason"] is None


async def test_a_deferred_mail_holds_up_nobody(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """While one of four is deferred the others are sent, and its next attempt sends that one alone."""
    relay.then_for(JONAS, "450 4.2.0 greylisted")
    what = occasion(await company_of(store))
    with pytest.raises(ApplicationError):
        await send(messages, what)
    assert sorted(mail.recipient for mail in relay.accepted) == sorted({*EVERYONE} - {JONAS})
    await send(messages, what, T0 + timedelta(minutes=2))
    assert sorted(mail.recipient for mail in relay.received) == EVERYONE


async def test_patience_grows(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """While the relay asks for patience, attempts follow after 1, 5, 15 and then every 60 minutes, with some jitter."""
    what = await one(store)
    relay.then("RCPT", *["450 4.2.0 later"] * 6)
    at, waits = T0, []
    for _ in range(6):
        with pytest.raises(ApplicationError) as caught:
            await send(messages, what, at)
        waits.append(later(caught))
        at += waits[-1]
    for wait, meant in zip(waits, [*PATIENCE, PATIENCE[-1], PATIENCE[-1]], strict=True):
        assert abs(wait - meant) <= meant * 0.11


async def test_an_attempt_that_comes_too_early_waits(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """A deferred mail is not tried before its time, whoever asks, and the wait that is asked for is what is left."""
    what = await one(store)
    relay.then("RCPT", "450 4.2.0 later")
    with pytest.raises(ApplicationError) as first:
        await send(messages, what)
    with pytest.raises(ApplicationError) as second:
        await send(messages, what, T0 + timedelta(seconds=20))
    assert (second.value.type, later(second)) == ("Deferred", later(first) - timedelta(seconds=20))
    assert relay.seen["RCPT"] == 1
    await send(messages, what, T0 + later(first))
    assert len(relay.accepted) == 1


@pytest.mark.parametrize(("hours", "state"), [(47, S.DEFERRED), (48, S.FAILED)])
async def test_patience_ends_after_48_hours(
    store: Store, messages: Messages, relay: ScriptedRelay, hours: int, state: S
) -> None:
    """A mail that the relay has deferred for 48 hours has failed, and says why; an hour before it has not."""
    what = await one(store)
    relay.then("RCPT", "450 4.2.0 busy", "450 4.2.0 still busy")
    with pytest.raises(ApplicationError):
        await send(messages, what)
    async with store.writing() as connection:
        await connection.execute(update(MessageRow).values(first_tried_at=OVER - timedelta(hours=hours)))
    if state is S.DEFERRED:
        with pytest.raises(ApplicationError):
            await send(messages, what, OVER)
    else:
        assert list((await send(messages, what, OVER)).states.values()) == [S.FAILED]
        assert "message.failed" in [kind for kind, _ in await told(store)]
    found = (await rows(store))[LUCA]
    assert found["state"] == state
    assert "still busy" in found["reason"]
    assert ("48 hours" in found["reason"]) is (state is S.FAILED)


@pytest.mark.parametrize(("nights", "minutes", "is_over"), [(1, 6, False), (3, 6, True), (2, 12 * 60, False)])
async def test_only_the_time_in_which_the_relay_had_a_fault_does_not_count(
    store: Store, messages: Messages, relay: ScriptedRelay, nights: int, minutes: int, is_over: bool
) -> None:
    """A relay that is away for minutes each night leaves no mail waiting for ever: 48 hours without them end it."""
    what = await one(store)
    relay.then("RCPT", "450 4.2.0 busy", "450 4.2.0 still busy")
    with pytest.raises(ApplicationError):
        await send(messages, what)
    begun = OVER - timedelta(days=nights)
    async with store.writing() as connection:
        await connection.execute(update(MessageRow).values(first_tried_at=begun))
        for night in range(nights):
            away = begun + timedelta(days=night, hours=12)
            await relays.meet_fault(connection, FaultKind.UNREACHABLE, None, away, VARIABLES)
            await relays.mend(connection, away + timedelta(minutes=minutes))
            await relays.mend(connection, away + timedelta(minutes=minutes + 1))
    with contextlib.suppress(ApplicationError):
        await send(messages, what, OVER)
    assert (await rows(store))[LUCA]["state"] == (S.FAILED if is_over else S.DEFERRED)


class Raised:
    """Counts how often the alarm was raised."""

    times = 0

    async def __call__(self) -> None:
        """Once more."""
        self.times += 1


async def probe(store: Store, mailer: Mailer, at: datetime) -> None:
    """One attempt at asking whether the relay takes our mail."""
    await activity_at(at).run(Relays(store, mailer, STATIONERY.sender).probe, RelayAsked(now=at))


async def managers_task(store: Store) -> tuple[TaskPhase, str | None, list[str]] | None:
    """The task that tells of a fault: how it is, how it ended, and in whose inbox it is."""
    async with store.reading() as connection:
        task = await tasks.task(connection, RELAY_ALARM)
        names = {member.id: member.email for member in await account.members(connection)}
    return None if task is None else (task.phase, task.outcome, [names[holder.member] for holder in task.holders])


@pytest.mark.parametrize("local", [False, True])
async def test_a_relay_that_cannot_be_used_stops_all_sending(
    store: Store, mailer: Mailer, relay: ScriptedRelay, local: bool
) -> None:
    """A relay that is set up wrongly costs no attempt, gets nothing in clear, and is left alone; one alarm."""
    raised = Raised()
    wrong = Mailer(Relay("127.0.0.1", relay.port, "starttls", "robin", "secret"), hostname="foobar.example")
    shut = messages_with(store, wrong, alarm=raised)
    with pytest.raises(ApplicationError) as caught:
        await activity_at(T0, is_local=local).run(shut.send, occasion(await company_of(store)))
    assert caught.value.type == "Misconfigured"
    assert FAULT_PAUSES[0] <= later(caught) <= FAULT_PAUSES[1]
    assert caught.value.category is not ApplicationErrorCategory.BENIGN
    assert {(row["state"], row["attempts"]) for row in (await rows(store)).values()} == {(S.READY, 0)}
    assert (relay.connections, relay.received, raised.times) == (1, [], 1)
    # Whoever comes later, in whatever process, does not connect, and waits without a noise.
    others = messages_with(store, mailer, alarm=raised)
    for what in (occasion(await company_of(store)), await one(store, Purpose.REMINDER)):
        with pytest.raises(ApplicationError) as caught:
            await send(others, what, T0 + timedelta(seconds=30))
        assert (caught.value.type, caught.value.category) == ("Misconfigured", ApplicationErrorCategory.BENIGN)
        assert FAULT_PAUSES[0] <= later(caught) <= FAULT_PAUSES[1]
        outcomes = await send_at_once(others, what, T0 + timedelta(seconds=30))
        assert set(outcomes.states.values()) == {S.READY}
    assert (relay.connections, raised.times) == (1, 1)


async def test_a_relay_that_is_mended_is_noticed_by_one_probe_and_everything_goes(
    store: Store, messages: Messages, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """The alarm's probe finds out, the task leaves the inbox, and what waited goes, once, within two minutes."""
    relay.then("greeting", *["554 5.7.1 blocked"] * 2)
    what = occasion(await company_of(store))
    with pytest.raises(ApplicationError):
        await send(messages, what)
    alarm = Relays(store, mailer, STATIONERY.sender)
    for _ in range(2):
        await activity_at(T0).run(alarm.tell, RelayAsked(now=T0))
    assert await managers_task(store) == (TaskPhase.OPEN, None, [MANAGER])
    with pytest.raises(ApplicationError) as caught:
        await probe(store, mailer, T0 + PROBE_EVERY)
    assert later(caught) == PROBE_EVERY
    with pytest.raises(ApplicationError):
        await send(messages, what, T0 + PROBE_EVERY)
    assert relay.connections == 2
    await probe(store, mailer, T0 + 2 * PROBE_EVERY)
    assert await managers_task(store) == (TaskPhase.CLOSED, "mended", [])
    mended = T0 + PROBE_EVERY
    assert PROBE_EVERY + FAULT_PAUSES[1] < timedelta(minutes=2)
    async with store.reading() as connection:
        # That they wait is told until they have gone, also once nothing is wrong any more.
        queue = await outbox.queued(connection, mended)
    assert queue == outbox.Queue(count=len(EVERYONE), since=T0)
    outcomes = await send(messages, what, mended + PROBE_EVERY + FAULT_PAUSES[1])
    async with store.reading() as connection:
        assert await outbox.queued(connection, mended + timedelta(hours=1)) is None
    assert set(outcomes.states.values()) == {S.SENT}
    assert sorted(mail.recipient for mail in relay.accepted) == EVERYONE


async def test_a_fault_that_becomes_another_is_told_as_that(
    store: Store, messages: Messages, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """What is wrong is told as it is now, with when it began; a relay that is away in between changes nothing."""
    relay.then("greeting", "554 5.7.1 blocked", DROP)
    relay.then("MAIL", "530 5.7.0 sign in first")
    with pytest.raises(ApplicationError):
        await send(messages, await one(store))
    with pytest.raises(ApplicationError) as caught:
        await probe(store, mailer, T0 + timedelta(minutes=1))
    assert caught.value.type == "Deferred"
    with pytest.raises(ApplicationError):
        await probe(store, mailer, T0 + timedelta(minutes=2))
    async with store.reading() as connection:
        fault = await relays.relay_fault(connection)
    assert fault is not None
    assert (fault.kind, fault.code, fault.since) == (FaultKind.SENDER, 530, T0)
    assert fault.probed_at == T0 + timedelta(minutes=2)


async def attempts(messages: Messages, what: MessageRequest, minutes: int, start: datetime = T0) -> datetime:
    """Whoever asks for it each minute gets one attempt more; the time after these minutes."""
    for minute in range(minutes + 1):
        with pytest.raises(ApplicationError):
            await send(messages, what, start + timedelta(minutes=minute, seconds=10 * minute))
    return start + timedelta(minutes=minutes, seconds=10 * minutes)


async def fault_of(store: Store) -> RelayFault | None:
    """What is on record of the relay."""
    async with store.reading() as connection:
        return await relays.relay_fault(connection)


async def test_a_relay_that_cannot_be_reached_for_long_is_a_fault(
    store: Store, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """After five minutes nobody tries but the one probe, the managers know it, and all goes once it is back."""
    raised = Raised()
    messages, what = messages_with(store, mailer, alarm=raised), occasion(await company_of(store))
    relay.then("greeting", *[DROP] * 1000)
    end = await attempts(messages, what, 4)
    assert (await fault_of(store), raised.times) == (None, 0)
    assert set((await states(store)).values()) == {S.DEFERRED}
    end = await attempts(messages, what, 1, end + timedelta(minutes=1))
    fault = await fault_of(store)
    assert fault is not None
    assert (fault.kind, fault.code, raised.times) == (FaultKind.UNREACHABLE, None, 1)
    tried = relay.connections
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what, end + timedelta(minutes=2))
    assert (caught.value.type, relay.connections) == ("Misconfigured", tried)
    assert FAULT_PAUSES[0] <= later(caught) <= FAULT_PAUSES[1]
    with pytest.raises(ApplicationError) as asked:
        await probe(store, mailer, end + timedelta(minutes=2))
    assert (later(asked), relay.connections) == (PROBE_EVERY, tried + 1)
    assert await managers_task(store) == (TaskPhase.OPEN, None, [MANAGER])
    relay.script["greeting"].clear()
    mended = end + timedelta(hours=72)
    await probe(store, mailer, mended)
    assert await managers_task(store) == (TaskPhase.CLOSED, "mended", [])
    # One more answer of patience after three days without a relay does not give them up.
    relay.then("RCPT", "450 4.2.0 greylisted")
    with pytest.raises(ApplicationError):
        await send(messages, what, mended + FAULT_PAUSES[1])
    assert sorted((await states(store)).values()) == [S.DEFERRED, S.SENT, S.SENT, S.SENT]
    await send(messages, what, mended + timedelta(hours=2))
    assert sorted(mail.recipient for mail in relay.accepted) == EVERYONE


async def test_a_short_outage_is_waited_out(store: Store, mailer: Mailer, relay: ScriptedRelay) -> None:
    """A restart of two minutes raises no alarm, and each mail is tried again about a minute after it was."""
    raised = Raised()
    messages, what = messages_with(store, mailer, alarm=raised), occasion(await company_of(store))
    relay.then("greeting", *[DROP] * 12)
    at = T0
    for _ in range(3):
        with pytest.raises(ApplicationError) as caught:
            await send(messages, what, at)
        assert later(caught) <= PATIENCE[0] * 1.1
        at += PATIENCE[0] * 1.1
    await send(messages, what, at)
    assert sorted(mail.recipient for mail in relay.accepted) == EVERYONE
    assert (await fault_of(store), raised.times) == (None, 0)


async def test_many_mails_that_are_each_tried_once_prove_it_as_well(
    store: Store, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """It is the relay that is held to its time, and no mail: three of them, each tried once, are enough."""
    messages = messages_with(store, mailer)
    relay.then("greeting", *[DROP] * 3)
    people_ = ("key_business_contact", "primary_champion", "primary_user")
    for minutes, persona in zip((0, 3, 6), people_, strict=True):
        with pytest.raises(ApplicationError):
            await send(messages, await one(store, to=persona), T0 + timedelta(minutes=minutes))
    fault = await fault_of(store)
    assert fault is not None
    assert (fault.kind, fault.since) == (FaultKind.UNREACHABLE, T0)


@pytest.mark.parametrize("answer", [None, "450 4.2.0 greylisted", "550 5.1.1 no such user"])
async def test_a_relay_that_answers_one_mail_is_there(
    store: Store, mailer: Mailer, relay: ScriptedRelay, answer: str | None
) -> None:
    """Whatever it says to another mail in between, that it was away before is over."""
    messages, what = messages_with(store, mailer), await one(store)
    relay.then("greeting", DROP, DROP)
    for minute in (0, 2):
        with pytest.raises(ApplicationError):
            await send(messages, what, T0 + timedelta(minutes=minute))
    if answer is not None:
        relay.then("RCPT", answer)
    with contextlib.suppress(ApplicationError):
        await send(messages, await one(store, to="primary_user"), T0 + timedelta(minutes=3))
    relay.then("greeting", DROP)
    await mailer.close()
    with pytest.raises(ApplicationError):
        await send(messages, what, T0 + timedelta(minutes=6))
    assert await fault_of(store) is None


async def test_a_relay_that_asks_all_for_patience_is_a_fault_later(
    store: Store, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """A relay whose disk is full, or that is overloaded, has a quarter of an hour; greylisting has its 48 hours."""
    messages, what = messages_with(store, mailer), await one(store)
    relay.then("MAIL", *["452 4.3.1 disk full"] * 100)
    end = await attempts(messages, what, 12)
    assert await fault_of(store) is None
    await attempts(messages, what, 2, end + timedelta(minutes=1))
    fault = await fault_of(store)
    assert fault is not None
    assert (fault.kind, fault.code) == (FaultKind.BUSY, 452)
    with pytest.raises(ApplicationError):
        await probe(store, mailer, end + timedelta(minutes=5))
    relay.script["MAIL"].clear()
    await probe(store, mailer, end + timedelta(minutes=6))
    relay.then("RCPT", *["450 4.2.0 greylisted"] * 100)
    for minute in range(0, 120, 20):
        with pytest.raises(ApplicationError):
            await send(messages, what, end + timedelta(minutes=10 + minute))
    assert await fault_of(store) is None


@pytest.mark.parametrize("purpose", [Purpose.PROPOSAL, Purpose.REMINDER])
async def test_a_sender_refused_after_the_data_fails_no_mail(
    store: Store, mailer: Mailer, relay: ScriptedRelay, purpose: Purpose
) -> None:
    """A mail that was refused for its sender waits and goes once, after a test mail of ours was taken."""
    messages, what = messages_with(store, mailer), await one(store, purpose)
    relay.then("body", *["550 5.7.26 unauthenticated"] * 3)
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what)
    assert caught.value.type == "Misconfigured"
    assert await states(store) == {LUCA: S.DEFERRED}
    fault = await fault_of(store)
    assert fault is not None
    assert (fault.kind, fault.code) == (FaultKind.MESSAGE, 550)
    assert "RAPPORT_MAIL_FROM" in fault.fix
    with pytest.raises(ApplicationError):
        await probe(store, mailer, T0 + PROBE_EVERY)
    assert await managers_task(store) == (TaskPhase.OPEN, None, [MANAGER])
    assert relay.accepted == []
    await probe(store, mailer, T0 + 2 * PROBE_EVERY)
    assert await fault_of(store) is None
    outcomes = await send(messages, what, OVER)
    assert list(outcomes.states.values()) == [S.SENT]
    assert [mail.recipient for mail in relay.accepted] == [STATIONERY.sender, LUCA]


async def test_what_is_deferred_is_counted_by_its_answers(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """How many wait, since when, and with which codes: never with the address that a relay repeats in its words."""
    async with store.reading() as connection:
        assert await outbox.deferrals(connection) is None
    relay.then_for(LUCA, f"450 4.2.0 <{LUCA}>: greylisted")
    relay.then_for(MARA, f"450 4.2.0 <{MARA}>: greylisted")
    relay.then_for(DANA, "452 full")
    with pytest.raises(ApplicationError):
        await send(messages, occasion(await company_of(store)))
    async with store.reading() as connection:
        found = await outbox.deferrals(connection)
    assert found is not None
    assert (found.count, found.since, found.none_sent) == (3, T0, False)
    assert list(found.answers.items()) == [("450 4.2.0", 2), ("452", 1)]


async def test_what_was_not_answered_after_its_data_waits_as_well(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A reminder that may have arrived, and goes again, is counted among what waits; while it goes, it is not."""
    relay.then("body", DROP)
    counted: list[outbox.Deferrals | None] = []
    with pytest.raises(ApplicationError):
        await send(messages, await one(store, Purpose.REMINDER))
    async with store.reading() as connection:
        counted.append(await outbox.deferrals(connection))
        assert (await rows(store))[LUCA]["state"] == S.SENDING
    assert counted[0] is not None
    assert (counted[0].answers, counted[0].none_sent) == (
        {"the mail server got the email and didn't say that it has taken it": 1},
        True,
    )
    await send(messages, await one(store, Purpose.REMINDER), T0 + timedelta(minutes=3))
    async with store.reading() as connection:
        assert await outbox.deferrals(connection) is None


async def test_an_alarm_that_nobody_sees_to_is_raised_again(store: Store, mailer: Mailer, relay: ScriptedRelay) -> None:
    """Where nobody has asked the relay for long, whoever waits for it raises the alarm again."""
    relay.then("greeting", "554 5.7.1 blocked")
    raised = Raised()
    messages, what = messages_with(store, mailer, alarm=raised), await one(store)
    for after, times in ((timedelta(), 1), (UNASKED, 1), (UNASKED + timedelta(seconds=1), 2)):
        with pytest.raises(ApplicationError):
            await send(messages, what, T0 + after)
        assert raised.times == times
    # A clock that was ahead says that it will have been asked.
    async with store.writing() as connection:
        await connection.execute(update(RelayRow).values(probed_at=T0 + timedelta(days=400)))
    with pytest.raises(ApplicationError):
        await send(messages, what, T0)
    assert raised.times == 3


async def test_a_fault_is_somebodys_where_there_is_no_manager(
    store: Store, messages: Messages, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """Without a manager whoever is there has the task."""
    relay.then("greeting", "554 5.7.1 blocked")
    async with store.writing() as connection:
        await connection.execute(update(MemberRow).where(MemberRow.email == MANAGER).values(roles=["sales"]))
    with pytest.raises(ApplicationError):
        await send(messages, await one(store))
    await activity_at(T0).run(Relays(store, mailer, STATIONERY.sender).tell, RelayAsked(now=T0))
    found = await managers_task(store)
    assert found is not None
    assert found[2]
    assert MANAGER not in found[2]


@pytest.mark.parametrize("code", [None, 535])
@pytest.mark.parametrize("kind", FaultKind)
def test_each_fault_can_be_told(kind: FaultKind, code: int | None) -> None:
    """Whatever is wrong fits into a task's question, and says what to do."""
    fault = RelayFault(kind=kind, code=code, fix=fixed(kind, VARIABLES), since=T0, probed_at=T0)
    task = alarm_task(fault, TaskPhase.OPEN)
    assert fault.what.partition(" (")[0][1:] in task.definition.question
    assert fault.fix


def test_an_alarm_is_not_overdue_when_it_is_raised() -> None:
    """It is due within the hour, and is first in an inbox for that; only a fault that lasts makes it overdue."""
    task = alarm_task(RelayFault(kind=FaultKind.SIGN_IN, code=535, fix="", since=T0, probed_at=T0), TaskPhase.OPEN)
    assert task.deadline is not None
    assert T0 + timedelta(minutes=30) < task.deadline <= T0 + timedelta(hours=1)


async def test_what_made_sense_before_an_outage_is_not_sent_after_it(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A mail that was approved for a date, and waited for the relay beyond it, does not go; the timeline says so."""
    soon = T0 + timedelta(hours=1)
    await drafted(store, messages)
    what = (await one(store)).model_copy(update={"attempt": 2, "stale_at": soon})
    outcomes = await send(messages, what)
    order = Deliver(account="versayce", keys=outcomes.drafts(), approved_by="m_1", submission="s_1", now=T0)
    relay.then("greeting", "554 5.7.1 blocked")
    with pytest.raises(ApplicationError):
        await deliver(messages, order)
    async with store.writing() as connection:
        await relays.mend(connection, T0)
    after = await deliver(messages, order, soon)
    assert set(after.states.values()) == {S.SUPPRESSED}
    assert relay.received == []
    assert ("message.suppressed", outbox.STALE) in await told(store)


# --- the mailbox's rate


@pytest.mark.parametrize(("point", "answer"), [
    ("RCPT", "450 4.7.1 Error: too much mail from 192.0.2.1"),
    ("body", "550 5.4.5 Daily user sending limit exceeded"),
    ("MAIL", "421 4.4.2 Message submission rate for this client has exceeded the configured limit"),
    ("greeting", "421 4.7.0 Error: too many connections from 192.0.2.1"),
])  # fmt: skip
async def test_who_sends_too_fast_slows_down(
    store: Store, mailer: Mailer, relay: ScriptedRelay, point: str, answer: str
) -> None:
    """A relay that says "too many" is asked no more for a while: nothing fails, it is no fault, then all go."""
    messages = messages_with(store, mailer, pace=Pace(60))
    relay.then(point, *[answer] * 20)
    what, reminder = occasion(await company_of(store)), await one(store, Purpose.REMINDER)
    with pytest.raises(ApplicationError):
        await send(messages, what)
    asked = relay.seen[point]
    assert asked <= MAX_CONNECTIONS
    at = T0
    for _ in range(20):
        at += timedelta(seconds=2)
        with pytest.raises(ApplicationError):
            await send(messages, reminder, at)
    assert relay.seen[point] == asked
    async with store.reading() as connection:
        gate = await mail_gate(connection)
    assert gate.fault is None
    limit = gate.limited(at)
    assert limit is not None
    assert (limit.code, limit.until) == (int(answer[:3]), T0 + PATIENCE[0])
    relay.script.clear()
    for _ in range(12):
        at += timedelta(seconds=10)
        for each in (what, reminder):
            with contextlib.suppress(ApplicationError):
                await send(messages, each, at)
    assert {row["state"] for row in (await rows(store)).values()} == {S.SENT}


async def test_a_limit_that_lasts_all_day_fails_nobodys_mail(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A daily limit of the mailbox is asked about once an hour, and what waits is not given up after 48 hours."""
    what, at = await one(store), T0
    relay.then("body", *["550 5.4.5 Daily user sending limit exceeded"] * 90)
    while at < T0 + timedelta(hours=60):
        with pytest.raises(ApplicationError) as caught:
            await send(messages, what, at)
        at += later(caught)
    assert await states(store) == {LUCA: S.DEFERRED}
    assert 55 <= relay.seen["body"] <= 75
    relay.script.clear()
    await send(messages, what, at)
    assert await states(store) == {LUCA: S.SENT}


async def test_mails_go_at_the_mailboxs_rate_whatever_process_sends_them(
    store: Store, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """A few go at once, each of the others in its turn and once, from two processes, at once or from the task queue."""
    pace = Pace(4)
    one_, other = (messages_with(store, mailer, pace=pace) for _ in range(2))
    what, reminder = occasion(await company_of(store)), await one(store, Purpose.REMINDER)
    outcomes = await send_at_once(one_, what)
    assert sorted(outcomes.states.values()) == [S.READY] * 3 + [S.SENT]
    with pytest.raises(ApplicationError) as caught:
        await send(other, reminder)
    assert (caught.value.type, later(caught)) == ("Deferred", pace.gap * 4)
    for turn in range(1, 4):
        with pytest.raises(ApplicationError) as caught:
            await send(other, what, T0 + pace.gap * turn - timedelta(seconds=1))
        assert (caught.value.type, later(caught)) == ("Deferred", timedelta(seconds=1))
        assert len(relay.accepted) == turn
        with contextlib.suppress(ApplicationError):
            await send(one_, what, T0 + pace.gap * turn)
        assert len(relay.accepted) == turn + 1
    await send(one_, reminder, T0 + pace.gap * 4)
    assert len(relay.accepted) == 5
    assert {row["attempts"] for row in (await rows(store)).values()} == {1}


async def test_missed_turns_are_not_made_up_for(store: Store, mailer: Mailer, relay: ScriptedRelay) -> None:
    """Whatever missed its turn, as mail was stopped or no worker ran, gets a new one; nothing goes in a heap."""
    pace = Pace(4)
    messages, what = messages_with(store, mailer, pace=pace), occasion(await company_of(store))
    await send_at_once(messages, what)
    long_after = T0 + timedelta(hours=3)
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what, long_after)
    assert (len(relay.accepted), later(caught)) == (2, pace.gap)


async def test_a_patient_mail_waits_for_its_time_and_then_for_its_turn(
    store: Store, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """A greylisted mail comes back when the relay wants it, and takes a turn as any other."""
    pace = Pace(1)
    messages, what = messages_with(store, mailer, pace=pace), await one(store)
    relay.then("RCPT", "450 greylisted")
    for one_of_two in (what, await one(store, Purpose.REMINDER)):
        with pytest.raises(ApplicationError) as caught:
            await send(messages, one_of_two)
    assert later(caught) == pace.gap
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what, T0 + timedelta(seconds=70))
    assert later(caught) == 2 * pace.gap - timedelta(seconds=70)
    await send(messages, what, T0 + 2 * pace.gap)
    assert len(relay.accepted) == 1


async def test_a_link_to_sign_in_goes_before_all_that_waits(store: Store, mailer: Mailer, relay: ScriptedRelay) -> None:
    """Somebody who waits before their screen does not wait for digests; their mail counts all the same."""
    pace = Pace(4)
    messages = messages_with(store, mailer, pace=pace)
    await send_at_once(messages, occasion(await company_of(store)))
    outcomes = await send_at_once(messages, await sign_in(store))
    assert set(outcomes.states.values()) == {S.SENT}
    with pytest.raises(ApplicationError) as caught:
        await send(messages, await one(store, Purpose.REMINDER))
    assert later(caught) == pace.gap * 5


async def test_without_a_rate_a_mail_costs_as_many_statements_as_before(
    store: Store, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nothing holds back asks once whether mail goes, and for no turn."""

    async def no_turn(*given: object) -> datetime:
        raise AssertionError(given)

    monkeypatch.setattr(leases, "take_turn", no_turn)
    asked = 0
    gate = relays.mail_gate

    async def counted(connection: Connection) -> relays.MailGate:
        nonlocal asked
        asked += 1
        return await gate(connection)

    monkeypatch.setattr(relays, "mail_gate", counted)
    await send_at_once(messages, occasion(await company_of(store)))
    assert asked == 1


# --- whether mail goes at all


async def test_mail_that_is_off_stays_ready(store: Store, mailer: Mailer, relay: ScriptedRelay) -> None:
    """With mail off everything is written and nothing is sent; switched on, the same bytes go."""
    off, what = messages_with(store, mailer, mode="off"), occasion(await company_of(store))
    for at in (T0, OVER):
        with pytest.raises(ApplicationError) as caught:
            await send(off, what, at)
        assert (caught.value.type, later(caught)) == ("MailStopped", STOPPED_PAUSE)
    assert set((await states(store)).values()) == {S.READY}
    assert relay.connections == 0
    written = {to: row["raw"] for to, row in (await rows(store)).items()}
    await send(messages_with(store, mailer), what, OVER)
    assert {mail.recipient: mail.raw for mail in relay.accepted} == written


async def test_stopped_mail_waits_and_goes_on(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """`rapport mail stop` halts what is due and what was deferred at once; after `start` it goes, once."""
    relay.then_for(DANA, "450 later")
    what = occasion(await company_of(store))
    with pytest.raises(ApplicationError):
        await send(messages, what)
    async with store.writing() as connection:
        await access.throw_mail_switch(connection, MailSwitch(stopped=True, by="robin", at=T0))
    reminder = await one(store, Purpose.REMINDER)
    for stopped in (what, reminder):
        with pytest.raises(ApplicationError) as caught:
            await send(messages, stopped, T0 + timedelta(hours=1))
        assert caught.value.type == "MailStopped"
    assert len(relay.accepted) == 3
    async with store.writing() as connection:
        await access.throw_mail_switch(connection, MailSwitch(stopped=False, by="robin", at=T0))
    for due in (what, reminder):
        await send(messages, due, T0 + timedelta(hours=2))
    assert len(relay.to(DANA)) == 1
    assert len(relay.to(LUCA)) == 2


@pytest.mark.parametrize("why", ["stopped", "absent"])
async def test_a_pause_holds_what_mail_stop_or_an_absent_relay_had_deferred(
    store: Store, messages: Messages, relay: ScriptedRelay, why: str
) -> None:
    """Once mail goes again, whoever retries leaves it where it is and asks again soon; resumed, it goes once."""
    what = occasion(await company_of(store))

    async def paused(at: datetime | None, *, stopped: bool = False) -> None:
        async with store.writing() as connection:
            await access.throw_mail_switch(connection, MailSwitch(stopped=stopped, by="robin", at=T0))
        await pause(store, what.contract or "", at)

    if why == "absent":
        for to in EVERYONE:
            relay.then_for(to, "450 later")
    await paused(None, stopped=why == "stopped")
    with pytest.raises(ApplicationError):
        await send(messages, what)
    await paused(T0 + timedelta(seconds=5))
    for hours in (1, 2):
        with pytest.raises(ApplicationError, match="paused") as caught:
            await send(messages, what, T0 + timedelta(hours=hours))
        assert FAULT_PAUSES[0] <= later(caught) <= FAULT_PAUSES[1]
    assert relay.accepted == []
    await paused(None)
    for hours in (3, 4):
        await send(messages, what, T0 + timedelta(hours=hours))
    assert [len(relay.to(to)) for to in EVERYONE] == [1] * 4


def test_whoever_waits_for_the_end_of_a_pause_looks_every_two_minutes_until_the_sweep_does() -> None:
    """However old an email is when its onboarding is resumed, it goes within two minutes, by that or by the sweep."""
    for _ in range(200):
        waits = [in_a_pause(attempt) for attempt in range(1, 40)]
        assert all(wait <= timedelta(minutes=2) for wait in waits[:BEFORE_THE_SWEEP])
        assert sum(waits[:BEFORE_THE_SWEEP], timedelta()) >= LATE_ROUNDS * timedelta(minutes=2)
        assert max(waits) <= LONGEST_WAIT


def test_a_stop_of_a_week_is_asked_about_rarely_and_over_for_all_within_two_minutes() -> None:
    """Soon at first, as most stops are short; and no more than once in two minutes of a long one."""
    waits = [in_a_stop(attempt) for attempt in range(1, 5000)]
    assert waits[:9] == [STOPPED_PAUSE] * 9
    assert waits == sorted(waits)
    assert max(waits) == timedelta(minutes=2)
    assert sum(waits[:60], timedelta()) < timedelta(hours=1.5)


@pytest.mark.parametrize("why", ["stopped", "paused", "both"])
@pytest.mark.parametrize("purpose", [Purpose.PROPOSAL, Purpose.INVITATION])
async def test_what_rapport_held_back_itself_counts_as_no_attempt(
    store: Store, messages: Messages, relay: ScriptedRelay, why: str, purpose: Purpose
) -> None:
    """After three days of a pause or a stop it still has 48 hours; an invitation, which no pause holds, has not."""
    what = await one(store, purpose)
    relay.then("RCPT", *["451 later"] * 9)
    with pytest.raises(ApplicationError):
        await send(messages, what)
    began, over = T0 + timedelta(hours=1), T0 + timedelta(hours=73)

    async def turn(at: datetime, kind: str, *, stopped: bool) -> None:
        async with store.writing() as connection:
            if why != "paused":
                await access.throw_mail_switch(connection, MailSwitch(stopped=stopped, by="robin", at=at))
            if why != "stopped":
                key = f"{what.contract}/onboarding/versayce/{kind}"
                assert what.account is not None
                event = TimelineEvent(key=key, account=what.account, at=at, kind=f"operation.{kind}")
                await timeline.append(connection, [event])

    await turn(began, "pause", stopped=True)
    await turn(over, "resume", stopped=False)
    held_back = why != "paused" or purpose is Purpose.PROPOSAL
    for hours, given_up in ((74, not held_back), (118, not held_back), (121, True)):
        with contextlib.suppress(ApplicationError):
            await send(messages, what, T0 + timedelta(hours=hours))
        (state,) = (await states(store)).values()
        assert (state == S.FAILED) is given_up, hours


@pytest.mark.parametrize("what", ["lease_until", "retry_at", "turn_at"])
async def test_no_attempt_asks_for_a_longer_wait_than_the_rules_give(
    store: Store, messages: Messages, relay: ScriptedRelay, what: str
) -> None:
    """An instant of a clock that was ahead is no reason to come back next year."""
    relay.then("RCPT", "450 greylisted")
    reminder = await one(store, Purpose.REMINDER)
    with pytest.raises(ApplicationError):
        await send(messages, reminder)
    async with store.writing() as connection:
        await connection.execute(update(MessageRow).values({what: T0 + timedelta(days=400)}))
    if what == "retry_at":
        await send(messages, reminder)
        assert len(relay.accepted) == 1
        return
    with pytest.raises(ApplicationError) as caught:
        await send(messages, reminder)
    assert later(caught) <= LONGEST_WAIT


async def sign_in(store: Store) -> MessageRequest:
    """A reason to write to the TAM that belongs to no account's story, and is of no use after a quarter of an hour."""
    return MessageRequest(
        step="sign_in",
        title="A link to sign in",
        workflow_id="notice/s_1",
        purpose=Purpose.SIGN_IN,
        email="sign_in",
        to=((await company_of(store)).tam.id,),
        now=T0,
        stale_at=T0 + access.SIGN_IN_LIFE,
    )


async def test_a_mail_of_no_account(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """It comes from the vendor, is written and sent once, has a link for a quarter of an hour, and no timeline."""
    what = await sign_in(store)
    first = await send(messages, what)
    assert await send(messages, what, OVER) == first
    [mail] = relay.accepted
    read = email.message_from_bytes(mail.raw, policy=default)
    assert (str(read["From"]), str(read["Reply-To"])) == ("FooBar <onboarding@foobar.example>",) * 2
    assert set(first.states) == {f"notice/s_1/sign_in/1/1/1/sign_in/sign_in/{what.to[0]}"}
    token = readable(mail.raw)["text"].partition("/m/")[2][:43]
    async with store.reading() as connection:
        link = await access.find_link(connection, token)
    assert link is not None
    assert (link.account, link.purpose, link.workflow_id) == (None, "sign_in", "notice/s_1")
    assert (link.person, link.expires_at) == (what.to[0], T0 + access.SIGN_IN_LIFE)
    assert await told(store) == []


async def test_a_mail_of_no_account_needs_a_vendor(store: Store, messages: Messages) -> None:
    """Where no file ever named the vendor, the mail is refused for good instead of tried without end."""
    what = await sign_in(store)
    async with store.writing() as connection:
        await connection.execute(delete(VendorRow))
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what)
    assert (caught.value.type, caught.value.non_retryable) == ("Refused", True)


async def test_a_mail_that_comes_too_late_never_goes(
    store: Store, messages: Messages, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """What mail being off or the relay's patience held up until it was of no use is suppressed, first try or tenth."""
    what = await sign_in(store)
    with pytest.raises(ApplicationError):
        await send(messages_with(store, mailer, mode="off"), what)
    assert set((await send(messages, what, T0 + access.SIGN_IN_LIFE)).states.values()) == {S.SUPPRESSED}
    other = what.model_copy(update={"workflow_id": "notice/s_2"})
    assert set((await send(messages, other, T0 + access.SIGN_IN_LIFE)).states.values()) == {S.SUPPRESSED}
    assert relay.connections == 0


async def test_redirection_changes_the_envelope_alone(store: Store, mailer: Mailer, relay: ScriptedRelay) -> None:
    """A redirected mail goes to the one address with every byte as it would have gone to its reader."""
    await send(messages_with(store, mailer, mode="redirect:trial@foobar.example"), occasion(await company_of(store)))
    assert {mail.recipient for mail in relay.accepted} == {"trial@foobar.example"}
    assert sorted(mail.raw for mail in relay.accepted) == sorted(row["raw"] for row in (await rows(store)).values())
    heads = [email.message_from_bytes(mail.raw, policy=default)["To"].addresses[0] for mail in relay.accepted]
    assert sorted(head.addr_spec for head in heads) == EVERYONE


async def test_what_may_not_go_to_a_domain_fails_and_says_how_it_may(
    store: Store, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """Where only some domains are allowed nothing goes to another: it fails, and says which setting is in the way."""
    company = await company_of(store)
    everyone, booked = (*company.contacts, company.account.tam), facts(company, booked=True)
    what = occasion(company, Purpose.NOTICE, "meeting_parting", to=everyone, meeting=booked)
    staging = messages_with(store, mailer, allowed=frozenset({"foobar.example"}))
    outcomes = await send(staging, what)
    assert sorted(outcomes.states.values()) == [*[S.FAILED] * 4, S.SENT]
    assert [mail.recipient for mail in relay.received] == ["robin.keller@foobar.example"]
    reason = (await rows(store))[LUCA]["reason"]
    assert "RAPPORT_MAIL_ALLOWED_DOMAINS doesn't allow versayce.example" in reason
    assert "send the email again" in reason
    assert [kind for kind, _ in await told(store)].count("message.failed") == 4


@pytest.mark.parametrize(("then", "ends"), [(frozenset({"foobar.example"}), S.FAILED), (frozenset(), S.SENT)])
async def test_the_domains_that_count_are_those_of_the_hand_over(
    store: Store, mailer: Mailer, relay: ScriptedRelay, then: frozenset[str], ends: MessageState
) -> None:
    """What was written while another list of domains stood in the settings goes, or fails, by the one of now."""
    before = frozenset({"versayce.example"}) if then else frozenset({"foobar.example"})
    off, what = messages_with(store, mailer, mode="off", allowed=before), await one(store)
    with pytest.raises(ApplicationError):
        await send(off, what)
    assert (await rows(store))[LUCA]["state"] == S.READY
    outcomes = await send(messages_with(store, mailer, allowed=then), what, OVER)
    assert list(outcomes.states.values()) == [ends]
    assert len(relay.received) == (ends is S.SENT)


async def test_what_may_have_arrived_is_not_told_as_unsent_where_its_domain_is_no_longer_allowed(
    store: Store, mailer: Mailer, relay: ScriptedRelay
) -> None:
    """It may have arrived before the list of domains was changed: nobody can tell, and it does not go again."""
    relay.then("body", DROP)
    what = await one(store, Purpose.REMINDER)
    with pytest.raises(ApplicationError):
        await send(messages_with(store, mailer), what)
    outcomes = await send(messages_with(store, mailer, allowed=frozenset({"foobar.example"})), what, OVER)
    assert list(outcomes.states.values()) == [S.UNKNOWN]
    assert len(relay.received) == 1


@pytest.mark.parametrize(
    ("address", "goes"),
    [("x@FooBar.example", True), ("x@sub.foobar.example", False), ("x@foobar.example.evil.example", False)],
)
def test_an_allowed_domain_is_that_domain(address: str, goes: bool) -> None:
    """An allowed domain is compared whole, however its letters are cased."""
    policy = Policy(mode="live", allowed_domains=frozenset({"foobar.example"}))
    assert policy.allows(address) is goes


# --- in the workflow task itself


async def send_at_once(messages: Messages, what: MessageRequest, at: datetime = T0) -> Outcomes:
    """What goes at once, as a local activity."""
    return await activity_at(at, is_local=True).run(messages.send, what)


async def test_mails_go_at_once(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """A prompt relay gets all four welcomes at once, and nothing is left for the task queue."""
    outcomes = await send_at_once(messages, occasion(await company_of(store)))
    assert (outcomes.under_way(), len(relay.accepted)) == ((), 4)
    assert set(outcomes.states.values()) == {S.SENT}


@pytest.mark.parametrize("point", ["greeting", "MAIL", "RCPT"])
async def test_what_does_not_go_at_once_goes_from_the_task_queue(
    store: Store, messages: Messages, relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """A relay that keeps mails waiting gets nothing at once; they are ready for the attempt that can wait for it."""
    monkeypatch.setattr(delivery, "PROMPT", 0.05)
    # The others wait for the first connection, and then for nothing any more.
    relay.then(point, *([HANG] * (1 if point == "greeting" else 4)))
    what = occasion(await company_of(store))
    outcomes = await send_at_once(messages, what)
    assert len(outcomes.under_way()) == 4
    assert (set((await states(store)).values()), relay.received) == ({S.READY}, [])
    # The next does not even try, and takes nothing from those who can wait.
    seen = dict(relay.seen)
    assert await send_at_once(messages, what) == outcomes
    assert relay.seen == seen
    assert set((await send(messages, what)).states.values()) == {S.SENT}
    assert sorted(mail.recipient for mail in relay.accepted) == EVERYONE
    assert {row["attempts"] for row in (await rows(store)).values()} == {1}


async def test_patience_is_asked_of_the_task_queue(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """A relay that asks for patience is not asked again at once; whoever was not deferred has their mail."""
    relay.then_for(LUCA, "450 greylisted")
    what = occasion(await company_of(store))
    outcomes = await send_at_once(messages, what)
    (waiting,) = outcomes.under_way()
    assert (outcomes.states[waiting], len(relay.accepted)) == (S.DEFERRED, 3)
    with pytest.raises(ApplicationError) as later:
        await send(messages, what)
    assert later.value.type == "Deferred"
    outcomes = await send(messages, what, T0 + timedelta(minutes=2))
    assert (outcomes.under_way(), len(relay.to(LUCA))) == ((), 1)


async def test_stopped_mail_is_left_to_the_task_queue(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """While mail is stopped, what goes at once is nothing, and that is no failure."""
    async with store.writing() as connection:
        await access.throw_mail_switch(connection, MailSwitch(stopped=True, by="robin", at=T0))
    outcomes = await send_at_once(messages, occasion(await company_of(store)))
    assert (len(outcomes.under_way()), relay.connections) == (4, 0)


async def test_a_workflows_time_counts_in_a_local_activity(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A mail that goes at once carries the workflow's present, which a local activity does not have of itself."""
    later = T0 + timedelta(days=400)
    what = occasion(await company_of(store)).model_copy(update={"now": later})
    await activity_at(T0, is_local=True).run(messages.send, what)
    assert {row["settled_at"] for row in (await rows(store)).values()} == {later}


# --- drafts


async def drafted(store: Store, messages: Messages, **options: Any) -> tuple[MessageRequest, Deliver]:
    """Four drafts, and the word that sends them."""
    company = await company_of(store)
    reviewed = company.account.model_copy(update={"review": "approve"})
    async with store.writing() as connection:
        file = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")
        changed = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
        await imports.save(connection, changed, T0)
    company = await company_of(store)
    assert company.account == reviewed
    what = occasion(company, **options)
    outcomes = await send(messages, what)
    assert set(outcomes.states.values()) == {S.DRAFT}
    return what, Deliver(account="versayce", keys=tuple(outcomes.states), approved_by="m_1", submission="s_1", now=T0)


async def test_drafts_wait(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """What a person has to read first is written as drafts: nothing is sent, no bytes and no links exist yet."""
    what, _ = await drafted(store, messages)
    await send(messages, what, T0 + timedelta(days=30))
    assert relay.connections == 0
    found = await rows(store)
    assert {row["raw"] for row in found.values()} == {None}
    async with store.reading() as connection:
        assert list(await connection.scalars(select(LinkRow.digest))) == []
    assert sorted(await told(store)) == sorted(("message.drafted", row["key"]) for row in found.values())


async def test_reminders_and_invitations_are_no_drafts(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """Whatever an account wants to read first, what reminds or answers goes by itself."""
    await drafted(store, messages)
    for purpose in (Purpose.REMINDER, Purpose.INVITATION):
        assert set((await send(messages, await one(store, purpose))).states.values()) == {S.SENT}
    assert len(relay.accepted) == 2


async def test_an_approval_freezes_once_and_sends_once(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """Approved drafts get their bytes and go; approving them again, even at once, changes nothing."""
    _, order = await drafted(store, messages)
    await asyncio.gather(*(deliver(messages, order) for _ in range(2)), return_exceptions=True)
    frozen = await rows(store)
    outcomes = await deliver(messages, order, T0 + timedelta(days=1))
    assert set(outcomes.states.values()) == {S.SENT}
    assert {mail.recipient: mail.raw for mail in relay.received} == {to: row["raw"] for to, row in frozen.items()}
    assert len(relay.received) == 4
    assert {(row["approved_by"], row["submission"]) for row in frozen.values()} == {("m_1", "s_1")}
    tokens = [readable(mail.raw)["text"].partition("/m/")[2][:43] for mail in relay.received]
    async with store.reading() as connection:
        assert all([await access.find_link(connection, token) for token in tokens])


async def test_an_approval_of_some_leaves_the_others(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """Approving two of four drafts sends those two."""
    _, order = await drafted(store, messages)
    await deliver(messages, order.model_copy(update={"keys": order.keys[:2]}))
    assert sorted((await states(store)).values()) == [S.DRAFT, S.DRAFT, S.SENT, S.SENT]
    assert len(relay.received) == 2


async def set_aside(messages: Messages, keys: tuple[str, ...], state: S) -> Outcomes:
    """Hold drafts back, or suppress them."""
    return await activity_at(T0).run(messages.set_aside, SetAside(keys=keys, state=state, reason="a reason", now=T0))


async def test_a_held_draft_stays_until_someone_releases_it(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A draft that was held back does not go, says why, and goes when someone approves it after all."""
    what, order = await drafted(store, messages)
    outcomes = await set_aside(messages, order.keys, S.HELD)
    assert set(outcomes.states.values()) == {S.HELD}
    assert await send(messages, what, OVER) == outcomes
    assert relay.connections == 0
    assert {row["reason"] for row in (await rows(store)).values()} == {"a reason"}
    await deliver(messages, order, OVER)
    assert len(relay.accepted) == 4


async def test_a_suppressed_draft_never_goes(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """A draft that newer ones replace is out of the way for good, also for an approval that comes too late."""
    _, order = await drafted(store, messages)
    await set_aside(messages, order.keys, S.SUPPRESSED)
    assert set((await deliver(messages, order, OVER)).states.values()) == {S.SUPPRESSED}
    assert relay.connections == 0


async def test_what_is_under_way_cannot_be_set_aside(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """Holding back a mail that is approved, deferred or sent changes nothing: it is told as what it is."""
    _, order = await drafted(store, messages)
    relay.then_for(LUCA, "450 later")
    with pytest.raises(ApplicationError):
        await deliver(messages, order)
    for state in (S.HELD, S.SUPPRESSED):
        outcomes = await set_aside(messages, order.keys, state)
        assert sorted(outcomes.states.values()) == [S.DEFERRED, S.SENT, S.SENT, S.SENT]


async def change(store: Store, key: str, **edits: str | None) -> None:
    """A member edits a draft."""
    kept = {"subject": None, "paragraph": None, "body": None, **edits}
    async with store.writing() as connection:
        assert await outbox.edit(connection, key, edits.get("subject") or "Welcome", kept)


async def test_a_draft_goes_as_it_was_edited(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """What a member changed in a draft is what its reader gets, in subject, text and HTML, and nobody else gets it."""
    _, order = await drafted(store, messages)
    luca = (await rows(store))[LUCA]["key"]
    await change(store, luca, subject="Our kickoff", paragraph="It was good to meet you.")
    await deliver(messages, order)
    for mail in relay.accepted:
        shown = readable(mail.raw)
        edited = mail.recipient == LUCA
        assert (shown["subject"] == "Our kickoff") is edited
        assert ("It was good to meet you." in shown["text"]) is edited
        assert ("It was good to meet you." in shown["html"]) is edited
    assert (await rows(store))[LUCA]["subject"] == "Our kickoff"


async def test_an_approved_draft_says_what_its_meeting_says_by_now(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A draft that waited speaks of the deadline as it is at its approval, not as it was when it was written."""
    _, order = await drafted(store, messages)
    meeting = facts(await company_of(store))
    assert meeting.proposal is not None
    moved = meeting.proposal.model_copy(update={"deadline": datetime(2026, 12, 24, 16, tzinfo=UTC)})
    await deliver(messages, order.model_copy(update={"meeting": meeting.model_copy(update={"proposal": moved})}))
    assert all("24 December" in readable(mail.raw)["text"] for mail in relay.accepted)


async def test_edits_carry_over_to_the_next_round(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """New times take a member's subject and paragraph along; a body of theirs named the old times and does not come.

    The round before is that of the same attempt, whatever numbers stand beside it in the key.
    """
    for attempt in (1, 2):
        what, order = await drafted(store, messages, attempt=attempt)
        for key in order.keys:
            await change(store, key, subject=f"S{attempt}", paragraph=f"P{attempt}", body="at nine o'clock")
        await set_aside(messages, order.keys, S.SUPPRESSED)
    company = await company_of(store)
    for round_ in (2, 3):
        what = occasion(company, attempt=2, round_=round_)
        outcomes = await send(messages, what)
        async with store.reading() as connection:
            drafts = [await outbox.draft(connection, key) for key in outcomes.states]
        assert [draft.edits for draft in drafts if draft] == [{"subject": "S2", "paragraph": "P2", "body": None}] * 4
        await set_aside(messages, tuple(outcomes.states), S.SUPPRESSED)
    assert relay.connections == 0


# --- people who have left


async def test_people_who_have_left_get_nothing(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """Whoever left before a mail is written gets none, and the others get theirs."""
    what = occasion(await company_of(store))
    await leaves(store, JONAS)
    assert len((await send(messages, what)).states) == 3
    assert sorted(mail.recipient for mail in relay.received) == sorted({*EVERYONE} - {JONAS})


async def test_people_who_leave_before_the_approval_get_nothing(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A draft to someone who has left since is suppressed, and its approval sends the others."""
    _, order = await drafted(store, messages)
    await leaves(store, JONAS)
    await deliver(messages, order)
    found = await rows(store)
    assert (found[JONAS]["state"], found[JONAS]["reason"]) == (S.SUPPRESSED, "the recipient has left")
    assert sorted(mail.recipient for mail in relay.received) == sorted({*EVERYONE} - {JONAS})


@pytest.mark.parametrize("by_persona", [False, True])
async def test_people_who_leave_while_their_mail_waits_get_nothing(
    store: Store, messages: Messages, relay: ScriptedRelay, by_persona: bool
) -> None:
    """A deferred mail to someone who has left since is suppressed and told; it neither goes nor waits for ever."""
    what = occasion(await company_of(store))
    if by_persona:
        what = what.model_copy(update={"to": (), "personas": ("secondary_user", "primary_user")})
    relay.then_for(JONAS, "450 later")
    with pytest.raises(ApplicationError):
        await send(messages, what)
    await leaves(store, JONAS)
    outcomes = await send(messages, what, T0 + timedelta(minutes=2))
    jonas = (await rows(store))[JONAS]
    assert (jonas["state"], jonas["reason"]) == (S.SUPPRESSED, "the recipient has left")
    assert outcomes.states[jonas["key"]] is S.SUPPRESSED
    assert JONAS not in [mail.recipient for mail in relay.received]


# --- crashes

AGAIN = (Purpose.REMINDER, Purpose.INVITATION)
"""What harms nobody when it comes twice; anything else is held for a person."""

KINDS = pytest.mark.parametrize("purpose", [Purpose.PROPOSAL, Purpose.REMINDER, Purpose.INVITATION])


def assert_kept(purpose: Purpose, before: dict[str, Any], after: dict[str, Any], relay: ScriptedRelay) -> None:
    """Assert the promise after a crash in the middle of sending: held and shown, or sent again byte by byte."""
    if purpose in AGAIN:
        assert after["state"] == S.SENT
        assert relay.accepted
    else:
        assert after["state"] == S.UNKNOWN
        assert len(relay.received) <= 1
    assert {mail.raw for mail in relay.received} <= {before["raw"]}
    assert after["raw"] == before["raw"]


@KINDS
@pytest.mark.parametrize("point", ["greeting", "MAIL", "RCPT", "DATA"])
async def test_a_line_that_breaks_before_the_data_has_sent_nothing(
    store: Store, messages: Messages, relay: ScriptedRelay, purpose: Purpose, point: str
) -> None:
    """Until the relay has asked for the data nothing is unknown: whatever the mail is, it simply goes again."""
    what = await one(store, purpose)
    relay.then(point, DROP)
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what)
    assert caught.value.type == "Deferred"
    assert await states(store) == {LUCA: S.DEFERRED}
    assert set((await send(messages, what, T0 + timedelta(minutes=2))).states.values()) == {S.SENT}
    assert len(relay.received) == 1


@KINDS
async def test_no_answer_after_the_data(
    store: Store, messages: Messages, relay: ScriptedRelay, purpose: Purpose
) -> None:
    """When the line goes dead in the data a one-off is unknown and told at once; the others go again, the same."""
    what = await one(store, purpose)
    relay.then("body", DROP)
    if purpose in AGAIN:
        with pytest.raises(ApplicationError) as caught:
            await send(messages, what)
        assert caught.value.type == "Deferred"
        assert await states(store) == {LUCA: S.SENDING}
        # It may have arrived: nobody can take it back, and nothing says that it did not go.
        async with store.writing() as connection:
            assert (
                await scheduled.call_off(connection, (await rows(store))[LUCA]["key"], "it is not true any more", T0)
                == []
            )
    else:
        assert list((await send(messages, what)).states.values()) == [S.UNKNOWN]
        assert [kind for kind, _ in await told(store)] == ["message.unknown"]
    before = (await rows(store))[LUCA]
    await send(messages, what, T0 + timedelta(hours=1))
    assert_kept(purpose, before, (await rows(store))[LUCA], relay)


@KINDS
async def test_a_cancellation_in_the_data(
    store: Store, messages: Messages, relay: ScriptedRelay, purpose: Purpose
) -> None:
    """A worker that shuts down in the data leaves `sending`; after the lease the mail is unknown, or goes again."""
    what = await one(store, purpose)
    relay.then("body", HANG)
    attempt = asyncio.create_task(send(messages, what))
    await relay.reached("body")
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    before = (await rows(store))[LUCA]
    assert before["state"] == S.SENDING
    with pytest.raises(ApplicationError) as caught:
        await send(messages, what, T0 + timedelta(seconds=30))
    assert later(caught) == LEASE - timedelta(seconds=30)
    assert len(relay.received) == 1
    await send(messages, what, OVER)
    assert_kept(purpose, before, (await rows(store))[LUCA], relay)
    assert [kind for kind, _ in await told(store)] == ["message.sent" if purpose in AGAIN else "message.unknown"]


@asynccontextmanager
async def failing(store: Store, monkeypatch: pytest.MonkeyPatch, number: int) -> AsyncIterator[None]:
    """Let the store's n-th write fail as its work is done, just before it is committed; the others go through."""
    original, count = store.writing, 0

    @asynccontextmanager
    async def writing() -> AsyncIterator[Connection]:
        nonlocal count
        count += 1
        async with original() as connection:
            yield connection
            if count == number:
                raise OSError("the disk is full")

    def patched(self: Store) -> AbstractAsyncContextManager[Connection]:
        return writing()

    with monkeypatch.context() as patch:
        patch.setattr(Store, "writing", patched)
        yield


@KINDS
@pytest.mark.parametrize(
    ("number", "received"), [(1, 0), (2, 0), (3, 1)], ids=["writing it down", "about to send", "sent"]
)
async def test_a_failure_at_each_commit(
    store: Store,
    messages: Messages,
    relay: ScriptedRelay,
    monkeypatch: pytest.MonkeyPatch,
    purpose: Purpose,
    number: int,
    received: int,
) -> None:
    """Whichever of a sending's commits fails, nothing goes out uncommitted, nothing is lost, and `hold` goes once."""
    what = await one(store, purpose)
    async with failing(store, monkeypatch, number):
        with pytest.raises(OSError, match="full"):
            await send(messages, what)
    assert len(relay.received) == received
    before = await rows(store)
    assert [row["state"] for row in before.values()] == [[], [S.READY], [S.SENDING]][number - 1]
    assert await told(store) == []
    await send(messages, what, OVER)
    after = (await rows(store))[LUCA]
    if received:
        assert_kept(purpose, before[LUCA], after, relay)
    else:
        assert (after["state"], len(relay.received)) == (S.SENT, 1)
    assert [kind for kind, _ in await told(store)] == [f"message.{after['state']}"]


async def test_the_state_and_its_entry_are_one(
    store: Store, messages: Messages, relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a timeline entry cannot be written neither is the state that it tells of, for drafts and for mails."""

    async def fail(connection: Connection, entries: Any) -> None:
        if entries:
            raise OSError("the disk is full")

    what = await one(store)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "append", fail)
        with pytest.raises(OSError, match="full"):
            await send(messages, what)
    assert await states(store) == {LUCA: S.SENDING}
    assert await told(store) == []


async def test_a_slow_attempt_that_was_overtaken_sends_nothing(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """An attempt that was stuck before the data until its lease ran out finds its message taken, and sends nothing."""
    what = await one(store)
    relay.then("RCPT", HANG)
    slow = asyncio.create_task(send(messages, what))
    await relay.reached("RCPT")
    assert list((await send(messages, what, OVER)).states.values()) == [S.SENT]
    relay.release.set()
    with pytest.raises(ApplicationError) as caught:
        await slow
    assert caught.value.type == "Overtaken"
    assert len(relay.received) == 1
    assert await states(store) == {LUCA: S.SENT}


@pytest.mark.sqlite
@pytest.mark.parametrize("purpose", [Purpose.PROPOSAL, Purpose.REMINDER])
@pytest.mark.parametrize("point", ["RCPT", "DATA", "body", "250"])
async def test_a_killed_process(
    store: Store, messages: Messages, relay: ScriptedRelay, purpose: Purpose, point: str
) -> None:
    """A sender killed at any point loses nothing, and what its death leaves open is shown or sent again."""
    what = await one(store, purpose)
    process = processes_apart().Process(
        target=send_apart, args=(store.url, relay.port, what.model_dump_json(), T0.isoformat())
    )

    # Whoever holds the file's lock keeps the process from recording the answer before it is killed.
    lock = sqlite3.connect(store.url.removeprefix("sqlite:///"), isolation_level=None)

    def kill() -> None:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        lock.close()

    if point == "250":
        relay.on["body"] = lambda: lock.execute("BEGIN IMMEDIATE")
        relay.after["body"] = kill
    else:
        relay.on[point] = kill
    process.start()
    await relay.reached("body" if point == "250" else point, limit=60)
    await asyncio.to_thread(process.join, 20)
    assert process.exitcode == -signal.SIGKILL
    relay.on.clear()
    relay.after.clear()
    before = (await rows(store))[LUCA]
    assert before["state"] == (S.READY if point == "RCPT" else S.SENDING)
    reached = len(relay.received)
    await send(messages, what, OVER)
    after = (await rows(store))[LUCA]
    if point == "RCPT":
        assert (after["state"], reached, len(relay.received)) == (S.SENT, 0, 1)
    else:
        assert_kept(purpose, before, after, relay)
        assert len(relay.received) == reached + (purpose in AGAIN)
    settled = len(relay.received)
    await send(messages, what, OVER + timedelta(days=1))
    assert len(relay.received) == settled
