"""An email that somebody has to take care of: only what was truly changed is told, and only once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from activities.message import Messages
from activities.undelivered import UndeliveredMails
from rapport.mail import outbox
from rapport.model.ids import message_key
from rapport.model.message import Deliver, MessageState, Purpose, Resolution
from rapport.model.relay import VARIABLES, FaultKind, RelayFault
from rapport.model.undelivered import Outstanding, Settling, UndeliveredStart
from rapport.storage.access import MailSwitch, throw_mail_switch
from rapport.storage.database import Store
from rapport.storage.relay import mend, miss
from rapport.storage.tables import MessageRow
from rapport.storage.unreached import unreached, written
from tests.activities.test_claims import LATER, told as tells, waits
from tests.activities.test_message import LUCA, OVER, T0, leaves, one, rows, told
from tests.helpers_mail import ScriptedRelay, activity_at

S = MessageState


async def stands(store: Store, key: str, **values: Any) -> None:
    """A mail is as given by now."""
    async with store.writing() as connection:
        await connection.execute(update(MessageRow).where(MessageRow.key == key).values(**values))


async def settle(store: Store, key: str, how: Any, fence: int | None = None) -> MessageState:
    """Write down what becomes of a mail; give how it stands then."""
    order = Settling(account="versayce", key=key, how=how, by="m_1", submission="s_1", fence=fence, now=LATER)
    outcomes = await activity_at(LATER).run(UndeliveredMails(store).settle, order)
    return MessageState(outcomes.states[key])


async def booked(store: Store, messages: Messages, relay: ScriptedRelay) -> str:
    """The key of a mail with times for a meeting that is booked by now."""
    what = await one(store, Purpose.REMINDER)
    key = await waits(store, messages, relay, what)
    async with store.writing() as connection:
        await tells("meeting.booked")(connection, what)
    return key


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ({"state": S.SENT}, S.SENT),
        ({"state": S.SENDING, "lease_until": T0}, S.SENDING),
        ({"state": S.READY, "lease_until": LATER + outbox.LEASE}, S.READY),
        ({"state": S.FAILED, "resolution": Resolution.ELSEWHERE}, S.FAILED),
    ],
)
async def test_what_goes_or_is_settled_is_not_told_as_left_out(
    store: Store, messages: Messages, relay: ScriptedRelay, values: dict[str, Any], ends: MessageState
) -> None:
    """That a mail is sent again is said once more after it went: it stays as it is, and the timeline says no more."""
    key = await booked(store, messages, relay)
    await stands(store, key, **values)
    before = await told(store)
    assert await settle(store, key, Resolution.RESEND) is ends
    assert await told(store) == before


@pytest.mark.parametrize("state", [S.FAILED, S.UNKNOWN])
async def test_what_is_false_by_now_is_told_once(
    store: Store, messages: Messages, relay: ScriptedRelay, state: MessageState
) -> None:
    """Times of a meeting that is booked aren't sent again, and the timeline says so once, however often it is done."""
    key = await booked(store, messages, relay)
    await stands(store, key, state=state)
    for _ in range(2):
        assert await settle(store, key, Resolution.RESEND) is S.SUPPRESSED
    assert [kind for kind, _ in await told(store)].count("message.suppressed") == 1


@pytest.mark.parametrize("how", list(Resolution))
async def test_a_decision_is_about_the_attempt_that_was_asked_about(
    store: Store, messages: Messages, relay: ScriptedRelay, how: Resolution
) -> None:
    """It was sent again and failed anew before the retry of an activity that had done its work: it stays as it is."""
    key = await waits(store, messages, relay, await one(store))
    await stands(store, key, state=S.UNKNOWN, fence=4)
    start = UndeliveredStart(account="versayce", key=key)
    found = (await activity_at(LATER).run(UndeliveredMails(store).look, start)).trouble
    assert found is not None
    assert found.fence == 4
    await stands(store, key, fence=6)
    before = await told(store)
    assert await settle(store, key, how, found.fence) is S.UNKNOWN
    assert (await told(store), (await rows(store))[LUCA]["resolution"]) == (before, None)
    assert await settle(store, key, how, 6) is not S.UNKNOWN or how is Resolution.ELSEWHERE


async def test_what_cannot_be_written_is_told_once(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """The timeline tells that a mail failed as it can't be written, and tells it once."""
    key = await waits(store, messages, relay, await one(store))
    for _ in range(2):
        assert await settle(store, key, "unwritten") is S.FAILED
    assert (await told(store)).count(("message.failed", key)) == 1


async def test_what_may_have_reached_somebody_who_has_left_is_not_told_as_unsent(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """Its worker died after the data: it becomes unknown and somebody's task, though its reader has left."""
    key = await waits(store, messages, relay, await one(store))
    await stands(store, key, state=S.SENDING, lease_until=T0, fence=1)
    await leaves(store, LUCA)

    async def look() -> Outstanding:
        start = UndeliveredStart(account="versayce", key=key)
        return await activity_at(OVER).run(UndeliveredMails(store).look, start)

    async def is_in(state: MessageState) -> bool:
        found = (await look()).trouble
        return found is not None and found.state is state

    assert await is_in(S.SENDING)
    async with store.writing() as connection:
        assert await outbox.lease(connection, key, OVER) is None
    assert await is_in(S.UNKNOWN)
    assert await settle(store, key, Resolution.SENT) is S.SENT


async def test_what_waits_for_somebody_who_has_left_needs_nobody(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A mail that did not go, to somebody who has left, is no task; while an attempt is at it, that is waited for."""
    key = await waits(store, messages, relay, await one(store))
    await leaves(store, LUCA)
    start = UndeliveredStart(account="versayce", key=key)
    await stands(store, key, lease_until=OVER)
    assert (await activity_at(T0).run(UndeliveredMails(store).look, start)).trouble is not None
    await stands(store, key, lease_until=None)
    assert await activity_at(T0).run(UndeliveredMails(store).look, start) == Outstanding()
    assert (await rows(store))[LUCA]["state"] == S.SUPPRESSED


async def test_a_last_mail_that_failed_is_somebodys_task_and_goes_again(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """It tells somebody who has left just that: it is asked about like any other, and goes if that is what is said."""
    what = await one(store, Purpose.INVITATION)
    await leaves(store, LUCA)
    what = what.model_copy(update={"purpose": Purpose.PARTING, "email": "meeting_parting"})
    key = await waits(store, messages, relay, what)
    await stands(store, key, state=S.FAILED, reason="550 5.1.1 unknown")
    start = UndeliveredStart(account="versayce", key=key)
    found = (await activity_at(LATER).run(UndeliveredMails(store).look, start)).trouble
    assert found is not None
    assert found.state is S.FAILED
    assert await settle(store, key, Resolution.RESEND) is S.READY
    assert (await activity_at(LATER).run(UndeliveredMails(store).look, start)).trouble is not None
    async with store.writing() as connection:
        await mend(connection, LATER)
    again = Deliver(account="versayce", keys=(key,), now=LATER)
    outcomes = await activity_at(LATER).run(messages.deliver, again)
    assert outcomes.states[key] is S.SENT
    assert relay.accepted[-1].recipient == LUCA


async def test_what_is_confirmed_by_hand_hides_no_outage(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """Somebody says that a mail arrived while the relay can't be reached: after five minutes that is a fault."""
    key = await waits(store, messages, relay, await one(store))
    async with store.writing() as connection:
        await mend(connection, LATER)
    await stands(store, key, state=S.UNKNOWN)
    start = LATER - timedelta(minutes=6)

    async def missed_at(minute: int) -> RelayFault | None:
        at = start + timedelta(minutes=minute)
        async with store.writing() as connection:
            return await miss(connection, FaultKind.UNREACHABLE, None, at, VARIABLES)

    assert [await missed_at(minute) for minute in (0, 3)] == [None, None]
    assert await settle(store, key, Resolution.SENT) is S.SENT
    other = (await rows(store))[LUCA] | {"key": "other", "message_id": "other", "state": S.DEFERRED, "reason": "450"}
    async with store.writing() as connection:
        await outbox.intend(connection, [other | {"first_tried_at": start}])
        waiting = await outbox.deferrals(connection)
    assert waiting is not None
    assert waiting.none_sent
    assert await missed_at(6) is not None


async def test_only_who_was_told_another_way_counts_as_told(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """Whatever else will ever be said of an email that failed, its reader was not told another way by that."""
    key = await waits(store, messages, relay, await one(store))
    row = (await rows(store))[LUCA]

    async def elsewhere(resolution: str) -> int:
        await stands(store, key, state=S.FAILED, resolution=resolution)
        async with store.reading() as connection:
            return (await written(connection, row["contract"]))[row["step"]].elsewhere

    assert (await elsewhere("mislaid"), await elsewhere(Resolution.ELSEWHERE)) == (0, 1)


async def asks(store: Store, like: dict[str, Any], state: MessageState, told: tuple[Any, ...]) -> None:
    """There is one more mail to the same reader: its attempt, occurrence, round, purpose and name."""
    attempt, occurrence, round_, purpose, email = told
    key = message_key(like["contract"], like["step"], attempt, occurrence, round_, purpose, email, like["person"])
    more = like | {"key": key, "purpose": purpose, "state": state, "message_id": key}
    async with store.writing() as connection:
        await connection.execute(insert(MessageRow), [more])


@pytest.mark.parametrize(
    "now",
    [
        (2, 1, 1, Purpose.PROPOSAL, "welcome"),
        (1, 1, 2, Purpose.PROPOSAL, "meeting_proposal"),
        (1, 1, 1, Purpose.INVITATION, "meeting_invitation"),
    ],
    ids=["the step was done again", "everyone was asked again", "a time was booked by hand"],
)
async def test_only_the_question_that_is_open_counts_as_having_reached_somebody(
    store: Store, messages: Messages, relay: ScriptedRelay, now: tuple[Any, ...]
) -> None:
    """Whoever got an earlier question is named as not reached while mail is stopped, and no more once this one went."""
    await waits(store, messages, relay, await one(store))
    row = (await rows(store))[LUCA]
    async with store.writing() as connection:
        await mend(connection, LATER)
        await throw_mail_switch(connection, MailSwitch(stopped=True, by="m_1", reason="a test", at=T0))
    await stands(store, row["key"], state=S.SENT)

    async def named() -> list[str]:
        async with store.reading() as connection:
            found = await unreached(connection, LATER)
        return [f"{who.name}: {who.waits_for}" for who in found.get((row["contract"], row["step"]), ())]

    assert await named() == []
    await asks(store, row, S.READY, now)
    assert await named() == ["Luca Bianchi: sending is off"]
    await asks(store, row, S.SENT, (now[0], now[1] + 1, *now[2:]))
    assert await named() == []


async def test_emails_of_a_step_that_is_done_again_count_anew(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """What an earlier attempt has sent isn't told as sent by the one that has sent nothing yet."""
    await waits(store, messages, relay, await one(store))
    row = (await rows(store))[LUCA]
    await stands(store, row["key"], state=S.SENT)
    await asks(store, row, S.READY, (2, 1, 1, Purpose.PROPOSAL, "welcome"))
    async with store.reading() as connection:
        assert (await written(connection, row["contract"]))[row["step"]] == (0, 0, 1)
