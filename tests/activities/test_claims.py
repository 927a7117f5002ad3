"""What became false while a mail waited for the relay does not go, and says why; what may still be so goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from temporalio.exceptions import ApplicationError

from activities.message import Messages
from rapport.mail import claims as mail_claims, outbox
from rapport.mail.compose import readable
from rapport.model.cadence import Occurrence, ReviewPlan
from rapport.model.message import Deliver, HandoverFacts, MessageRequest, MessageState, Purpose, RhythmFacts
from rapport.model.projection import TimelineEvent
from rapport.playbooks import load
from rapport.rules import claims
from rapport.storage import contract
from rapport.storage.database import Connection, Store
from rapport.storage.relay import mend
from rapport.storage.tables import AccountRow, MemberRow, MessageRow, MilestoneRow, RhythmRow, TimelineRow
from rapport.storage.timeline import append
from tests.activities.test_message import T0, one as any_mail, rows, send
from tests.conftest import example
from tests.helpers_mail import ScriptedRelay, activity_at

S = MessageState
LATER = T0 + timedelta(minutes=30)


async def one(store: Store, purpose: Purpose = Purpose.REMINDER) -> MessageRequest:
    """An occasion to write to one contact, with a mail that claims what it says as a whole."""
    what = await any_mail(store, purpose)
    return what.model_copy(update={"email": "meeting_proposal"}) if purpose is Purpose.PROPOSAL else what


async def waits(store: Store, messages: Messages, relay: ScriptedRelay, what: MessageRequest) -> str:
    """Write a mail while the relay takes nothing of ours; give its key."""
    relay.then("greeting", "554 5.7.1 blocked")
    with pytest.raises(ApplicationError):
        await send(messages, what)
    [row] = (await rows(store)).values()
    assert row["state"] == S.READY
    return str(row["key"])


async def goes(store: Store, messages: Messages, what: MessageRequest, key: str) -> tuple[MessageState, str | None]:
    """Mend the relay, and give what becomes of the mail then: its state, and why."""
    async with store.writing() as connection:
        await mend(connection, LATER)
    outcomes = await send(messages, what, LATER)
    async with store.reading() as connection:
        message = await outbox.message(connection, key)
    assert outcomes.states[key] is message.state
    return message.state, message.reason


def told(
    kind: str, who: str | None = None, of: str | None = None
) -> Callable[[Connection, MessageRequest], Awaitable[None]]:
    """The timeline tells something of the kickoff meanwhile: its meeting does, or else another workflow."""

    async def change(connection: Connection, what: MessageRequest) -> None:
        by = what.to[0] if who == "the reader" else who
        at = T0 + timedelta(minutes=9)
        key = f"{of or f'{what.contract}/{what.workflow_id}'}/{kind}"
        entry = TimelineEvent(key=key, account="versayce", at=at, kind=kind, step="kickoff", who=by, about="1")
        await append(connection, [entry])

    return change


def step(
    state: str, attempt: int = 1, outcome: str | None = None
) -> Callable[[Connection, MessageRequest], Awaitable[None]]:
    """The kickoff stands so by then."""

    async def change(connection: Connection, _: MessageRequest) -> None:
        file = example()
        assert file.contract is not None
        await contract.request(connection, "versayce", file.contract, load("enterprise"), "onboarding/versayce", T0)
        row: dict[str, Any] = {"contract": file.contract.id, "step": "kickoff", "position": 1, "title": "Kickoff"}
        row |= {"stage": "kickoff", "kind": "meeting", "state": state, "attempt": attempt, "outcome": outcome}
        await connection.execute(insert(MilestoneRow).values(**row, waiting_on=[], projected=1))

    return change


@pytest.mark.parametrize(
    ("purpose", "change", "reason"),
    [
        (Purpose.PROPOSAL, told("meeting.booked"), claims.POLL_ENDED),
        (Purpose.REMINDER, told("meeting.booked"), claims.POLL_ENDED),
        (Purpose.REMINDER, told("meeting.given_up"), claims.POLL_ENDED),
        (Purpose.REMINDER, told("vote.cast", "the reader"), claims.REPLIED),
        (Purpose.REMINDER, step("skipped", outcome="skipped"), claims.STEP_OVER),
        (Purpose.PROPOSAL, step("running", 2), claims.STEP_OVER),
        (Purpose.PROPOSAL, step("done", outcome="elsewhere"), claims.STEP_OVER),
        (Purpose.PROPOSAL, step("done", outcome="held"), claims.TIMES_REPLACED),
        (Purpose.PROPOSAL, told("invitation.called_off", of="VERSAYCE-2026-11/onboarding/versayce"), claims.POLL_ENDED),
        (
            Purpose.INVITATION,
            told("invitation.called_off", of="VERSAYCE-2026-11/onboarding/versayce"),
            claims.MEETING_CANCELED,
        ),
        (Purpose.INVITATION, told("meeting.called_off"), claims.MEETING_CANCELED),
        (Purpose.MESSAGE, step("dropped", outcome="cancelled"), claims.STEP_OVER),
    ],
)
async def test_what_is_false_by_then_does_not_go(
    store: Store,
    messages: Messages,
    relay: ScriptedRelay,
    purpose: Purpose,
    change: Callable[[Connection, MessageRequest], Awaitable[None]],
    reason: str,
) -> None:
    """Times of a meeting that is booked, a reminder of an answer that is there, a step that is over: suppressed."""
    what = await one(store, purpose)
    key = await waits(store, messages, relay, what)
    async with store.writing() as connection:
        await change(connection, what)
    assert await goes(store, messages, what, key) == (S.SUPPRESSED, reason)
    assert relay.accepted == []
    async with store.reading() as connection:
        assert (await outbox.message(connection, key)).is_open is False


@pytest.mark.parametrize(
    ("purpose", "change"),
    [
        (Purpose.PROPOSAL, told("meeting.proposed")),
        (Purpose.PROPOSAL, told("vote.cast", "the reader")),
        (Purpose.REMINDER, told("vote.cast", "somebody else")),
        (Purpose.REMINDER, step("running")),
        (Purpose.MESSAGE, step("done", outcome="held")),
        (Purpose.INVITATION, told("meeting.booked")),
        (Purpose.PROPOSAL, told("meeting.called_off", of="VERSAYCE-2026-11/meeting/versayce/kickoff/9")),
        (Purpose.REMINDER, told("meeting.booked", of="OTHER/meeting/versayce.OTHER/kickoff/1")),
    ],
)
async def test_what_may_still_be_so_goes(
    store: Store,
    messages: Messages,
    relay: ScriptedRelay,
    purpose: Purpose,
    change: Callable[[Connection, MessageRequest], Awaitable[None]],
) -> None:
    """What the record doesn't speak against is sent once the relay takes it."""
    what = await one(store, purpose)
    key = await waits(store, messages, relay, what)
    async with store.writing() as connection:
        await change(connection, what)
    assert (await goes(store, messages, what, key))[0] == S.SENT
    assert len(relay.accepted) == 1


async def test_of_two_invitations_that_waited_the_newer_goes(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A meeting that was moved while the relay took nothing is in the calendar at its new time, and nowhere else."""
    first = await one(store, Purpose.INVITATION)
    key = await waits(store, messages, relay, first)
    assert first.meeting is not None
    assert first.meeting.booking is not None
    booking = first.meeting.booking.model_copy(update={"sequence": 1})
    moved = {"occurrence": 2, "meeting": first.meeting.model_copy(update={"booking": booking})}
    second = first.model_copy(update=moved)
    with pytest.raises(ApplicationError):
        await send(messages, second, T0 + timedelta(minutes=1))
    assert await goes(store, messages, first, key) == (S.SUPPRESSED, claims.NEWER)
    await send(messages, second, LATER)
    assert len(relay.accepted) == 1


async def test_an_invitation_to_what_is_past_does_not_go(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """Nobody is invited to a meeting that has taken place."""
    what = await one(store, Purpose.INVITATION)
    assert what.meeting is not None
    assert what.meeting.booking is not None
    booking = what.meeting.booking.model_copy(update={"start": T0, "end": T0 + timedelta(minutes=20)})
    what = what.model_copy(update={"meeting": what.meeting.model_copy(update={"booking": booking})})
    key = await waits(store, messages, relay, what)
    assert await goes(store, messages, what, key) == (S.SUPPRESSED, claims.MEETING_OVER)


@pytest.mark.parametrize(("kind", "reason"), [("skipped", claims.MEETING_OVER), ("begun", None)])
async def test_a_date_that_was_called_off_is_told_until_it_has_passed(
    store: Store, messages: Messages, relay: ScriptedRelay, kind: str, reason: str | None
) -> None:
    """That this week's meeting drops out is of no use the week after; the series itself stays."""
    key = await waits(store, messages, relay, await one(store, Purpose.REMINDER))
    date = Occurrence(
        number=1, day=T0.date(), original=T0, start=T0, end=T0 + timedelta(minutes=15), tick=T0, until=T0.date()
    )
    series = RhythmFacts(uid="x", title="Weekly", step="weekly", minutes=15, kind=kind, occurrence=date)
    async with store.writing() as connection:
        what = MessageRequest.model_validate((await outbox.drafts(connection, [key]))[0].occasion)
        what = what.model_copy(
            update={"meeting": None, "rhythm": series, "purpose": Purpose.INVITATION, "email": "occurrence_changed"}
        )
        await connection.execute(update(MessageRow).values(occasion=what.model_dump(mode="json")))
        assert await mail_claims.why_not(connection, await outbox.message(connection, key), LATER) == reason


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (S.HELD, False),
        (S.SUPPRESSED, False),
        (S.DRAFT, True),
        (S.READY, True),
        (S.SENT, True),
        (S.FAILED, True),
    ],
)
@pytest.mark.parametrize(
    ("purpose", "why"), [(Purpose.PROPOSAL, claims.TIMES_REPLACED), (Purpose.INVITATION, claims.NEWER)]
)
async def test_what_never_goes_takes_no_older_mails_place(
    store: Store,
    messages: Messages,
    relay: ScriptedRelay,
    purpose: Purpose,
    state: MessageState,
    counts: bool,
    why: str,
) -> None:
    """A newer mail that was held back or suppressed tells its reader nothing: the older one goes."""
    first = await one(store, purpose)
    key = await waits(store, messages, relay, first)
    with pytest.raises(ApplicationError):
        await send(messages, first.model_copy(update={"occurrence": 2}), T0 + timedelta(minutes=1))
    async with store.writing() as connection:
        await connection.execute(update(MessageRow).where(MessageRow.key != key).values(state=state))
        assert await mail_claims.why_not(connection, await outbox.message(connection, key), LATER) == (
            why if counts else None
        )


@pytest.mark.parametrize(("hours", "reason"), [(35, None), (36, claims.MEETING_OVER)])
async def test_a_brief_is_of_use_until_its_last_day_is_over_everywhere(
    store: Store, messages: Messages, relay: ScriptedRelay, hours: int, reason: str | None
) -> None:
    """A day is over in UTC before it is west of there: until it is over in the last zone, the brief goes."""
    key = await waits(store, messages, relay, await one(store, Purpose.REMINDER))
    midnight = T0.replace(hour=0)
    plan = ReviewPlan(
        number=1,
        period="2100-Q1",
        since=T0.date(),
        day=T0.date(),
        target=T0,
        offer_at=T0,
        prepare_by=T0,
        brief_at=T0,
    )
    series = RhythmFacts(uid="x", title="Review", step="review", minutes=60, until=T0.date(), review=plan)
    async with store.writing() as connection:
        what = MessageRequest.model_validate((await outbox.drafts(connection, [key]))[0].occasion)
        what = what.model_copy(
            update={"meeting": None, "rhythm": series, "purpose": Purpose.BRIEF, "email": "review_brief"}
        )
        await connection.execute(update(MessageRow).values(occasion=what.model_dump(mode="json")))
        message = await outbox.message(connection, key)
        assert await mail_claims.why_not(connection, message, midnight + timedelta(hours=hours)) == reason


async def test_an_account_that_went_on_is_not_told_to_whoever_had_it(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """Whoever took an account over, and gave it on before the mail could go, reads of neither."""
    base = await one(store)
    async with store.reading() as connection:
        tam = await connection.scalar(select(AccountRow.tam))
    news = {"purpose": Purpose.NOTICE, "email": "account_handed_over", "step": "people", "to": (tam,), "meeting": None}
    what = base.model_copy(update={**news, "contract": None, "handover": HandoverFacts(former=tam)})
    key = await waits(store, messages, relay, what)
    async with store.writing() as connection:
        other = await connection.scalar(select(MemberRow.id).where(MemberRow.id != tam))
        await connection.execute(update(AccountRow).values(tam=other))
    async with store.reading() as connection:
        message = await outbox.message(connection, key)
        assert await mail_claims.why_not(connection, message, LATER) == claims.HANDED_ON


# --- blocks


async def test_a_welcome_goes_without_times_that_are_no_longer_open(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """What of a mail is false by then is left out, the rest goes; the outbox and the timeline say what is missing."""
    what = await any_mail(store)
    key = await waits(store, messages, relay, what)
    async with store.reading() as connection:
        assert "Choose your times" in readable(await outbox.raw(connection, key) or b"")["text"]
    async with store.writing() as connection:
        await told("meeting.booked")(connection, what)
    assert await goes(store, messages, what, key) == (S.SENT, None)
    (mail,) = relay.accepted
    words = readable(mail.raw)
    assert words["subject"] == "Welcome to FooBar Enterprise"
    assert "Welcome to FooBar Enterprise" in words["text"]
    for part in (words["text"], words["html"]):
        assert "Choose your times" not in part
        assert "/m/" not in part
    async with store.reading() as connection:
        draft = await outbox.draft(connection, key)
        told_of = select(TimelineRow.about).where(TimelineRow.kind == "message.shortened")
        shortened = list(await connection.scalars(told_of))
    assert draft is not None
    assert draft.left_out == ("not_booked",)
    assert shortened == [claims.POLL_ENDED]


async def test_a_welcome_whose_times_are_open_has_them(store: Store, messages: Messages, relay: ScriptedRelay) -> None:
    """Nothing is left out of what is still so, however long it waited."""
    what = await any_mail(store)
    key = await waits(store, messages, relay, what)
    assert await goes(store, messages, what, key) == (S.SENT, None)
    (mail,) = relay.accepted
    assert "Choose your times" in readable(mail.raw)["text"]
    async with store.reading() as connection:
        draft = await outbox.draft(connection, key)
    assert draft is not None
    assert draft.left_out == ()


async def test_what_was_approved_stays_approved_without_a_block(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """Written again without a block, a mail keeps who let it go, and what they added."""
    what = (await any_mail(store)).model_copy(update={"review": "approve"})
    async with store.writing() as connection:
        await connection.execute(update(AccountRow).values(review=None))
    [key] = (await send(messages, what)).states
    edits = {"subject": None, "paragraph": "It was good to meet you.", "body": None}
    async with store.writing() as connection:
        tam = await connection.scalar(select(AccountRow.tam))
        await connection.execute(update(MessageRow).values(edits=edits))
    relay.then("greeting", "554 5.7.1 blocked")
    order = Deliver(account="versayce", keys=(key,), approved_by=tam, submission="s_1", now=T0)
    with pytest.raises(ApplicationError):
        await activity_at(T0).run(messages.deliver, order)
    async with store.writing() as connection:
        await told("meeting.booked")(connection, what)
        await mend(connection, LATER)
    order = Deliver(account="versayce", keys=(key,), now=LATER)
    assert (await activity_at(LATER).run(messages.deliver, order)).states == {key: S.SENT}
    async with store.reading() as connection:
        assert (await outbox.message(connection, key)).approved_by == tam
    (mail,) = relay.accepted
    assert "It was good to meet you." in readable(mail.raw)["text"]
    assert "Choose your times" not in readable(mail.raw)["text"]


async def test_of_a_persons_own_words_nothing_is_left_out(
    store: Store, messages: Messages, relay: ScriptedRelay
) -> None:
    """A body that a member wrote claims its times as a whole: it does not go once they are no longer open."""
    what = await any_mail(store)
    key = await waits(store, messages, relay, what)
    async with store.writing() as connection:
        await connection.execute(
            update(MessageRow).values(edits={"subject": None, "paragraph": None, "body": "Hi, pick a time."})
        )
        await told("meeting.booked")(connection, what)
    assert await goes(store, messages, what, key) == (S.SUPPRESSED, claims.POLL_ENDED)


@pytest.mark.parametrize(
    ("state", "outcome", "held"),
    [
        ("done", "held", True),
        ("done", "elsewhere", True),
        ("done", "no_time", False),
        ("done", "unreported", False),
        ("skipped", "skipped", False),
        ("dropped", "cancelled", False),
        ("failed", "the meeting was ended", False),
        ("running", None, False),
    ],
)
async def test_a_kickoff_is_held_if_that_is_its_outcome(
    store: Store, state: str, outcome: str | None, held: bool
) -> None:
    """A kickoff that was skipped or dropped, had no time, or of which nobody said how it went, was not held."""
    what = await any_mail(store)
    async with store.writing() as connection:
        await step(state, outcome=outcome)(connection, what)
        asked = mail_claims.ClaimingMail(what, what.to[0], T0, T0)
        assert await mail_claims._kickoff(connection, asked) is held
        if state == "running":
            await told("meeting.held")(connection, what)
            assert await mail_claims._kickoff(connection, asked)


async def test_a_welcome_says_that_times_follow_until_they_did(store: Store) -> None:
    """A draft that was read late goes without that sentence: its reader has the times."""
    base = await one(store, Purpose.PROPOSAL)
    assert base.meeting is not None
    undecided = base.meeting.model_copy(update={"where": "undecided", "proposal": None})
    what = base.model_copy(update={"purpose": Purpose.MESSAGE, "email": "welcome", "meeting": undecided})
    asked = mail_claims.ClaimingMail(what, what.to[0], T0, LATER)
    async with store.writing() as connection:
        assert "not_proposed" not in await mail_claims.left_out(connection, asked)
        await told("meeting.proposed")(connection, what)
        assert "not_proposed" in await mail_claims.left_out(connection, asked)


@pytest.mark.parametrize(
    ("ahead", "planned", "stands"),
    [
        (timedelta(minutes=1), None, True),
        (timedelta(0), None, False),
        (timedelta(minutes=1), {}, True),
        (timedelta(minutes=1), {"off": "absence"}, False),
        (timedelta(minutes=1), {"off": "skipped"}, False),
        (timedelta(minutes=1), {"start": LATER + timedelta(days=1)}, False),
    ],
)
async def test_a_summary_names_the_next_date_only_while_it_stands(
    store: Store, ahead: timedelta, planned: dict[str, Any] | None, stands: bool
) -> None:
    """Whoever lets it go after that date, or after it was called off or moved, sends the rest of it."""
    base = await one(store)
    start = LATER + ahead
    date = Occurrence(
        number=1, day=T0.date(), original=start, start=start, end=start + timedelta(hours=1), tick=T0, until=T0.date()
    )
    series = RhythmFacts(uid="x", title="Weekly", step="weekly", minutes=15, occurrence=date)
    news = {"purpose": Purpose.DIGEST, "email": "weekly_digest", "meeting": None, "rhythm": series}
    what = base.model_copy(update=news)
    async with store.writing() as connection:
        if planned is not None:
            coming = date.model_copy(update=planned).model_dump(mode="json")
            row: dict[str, Any] = {
                "account": "versayce",
                "step": "weekly",
                "contract": "C",
                "workflow_id": "cadence/versayce",
            }
            row |= {"title": "Weekly", "rhythm": "sync", "every": "1 week", "minutes": 15, "coming": [coming]}
            await connection.execute(insert(RhythmRow).values(**row, number=0, open=False, projected=1))
        asked = mail_claims.ClaimingMail(what, what.to[0], T0, LATER)
        assert await mail_claims.left_out(connection, asked) == (() if stands else ("next_date",))
