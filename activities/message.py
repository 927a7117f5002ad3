"""Writing and sending mail: one activity an occasion, safe to repeat at any point."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import not_delivered
from activities.clock import asked_at, now
from activities.delivery import Delivery, Policy
from activities.writing import (
    PlannedMessage,
    held_back,
    key_of,
    known_of,
    letters_of,
    of_the_day,
    of_verdict,
    plan,
    reader,
    shortened,
    suppressed,
    told,
    was_told,
)
from rapport.mail import cadence as recurring, claims, compose, emails, outbox, scheduled
from rapport.mail.cadence import OnRecord
from rapport.mail.claims import ClaimingMail
from rapport.mail.compose import Edits
from rapport.mail.context import AccountContext, MailSettings, VendorContext
from rapport.mail.emails import weight_of
from rapport.mail.letters import MessageDraft
from rapport.mail.smtp import Mailer
from rapport.model.base import Instant, UserError, WireModel
from rapport.model.ids import meeting_id, purpose_of
from rapport.model.meeting import Booking, Proposal
from rapport.model.message import (
    LEFT_BEHIND,
    Bundle,
    Deliver,
    Departed,
    MessageRequest,
    MessageState,
    Outcomes,
    Purpose,
    SetAside,
)
from rapport.rules import attention, calendar, todo_template
from rapport.rules.attachment import File
from rapport.rules.attention import MailVerdict
from rapport.storage import (
    account as accounts,
    attachment,
    cadence,
    contract as contracts,
    meeting as meetings,
    support_case,
    task as tasks,
    timeline,
)
from rapport.storage.access import Link, make_link, new_token
from rapport.storage.database import Connection, Store
from rapport.storage.timeline import append, words


class LeftBehind(WireModel):
    """A step that failed, whose open to-dos and mails that are not out are to be taken back.

    Attributes:
        period: Of a review that recurs, which one.
        scope: What its meeting's id names, where that is not the account.
    """

    account: str
    contract: str
    step: str
    attempt: int
    now: Instant
    period: str | None = None
    scope: str | None = None


class LeftTasks(WireModel):
    """The to-dos of a step that are still open, by the ids of their workflows."""

    tasks: tuple[str, ...]


class LeftInvitation(WireModel):
    """What a meeting whose workflow was ended from outside has left with people.

    Attributes:
        cancels: What takes it back from those who may have it; nothing where nobody has, or its time has begun.
        start, when: For when it was booked, also in words, in the TAM's zone.
        asked: How many people were offered times, or told that times follow.
        replied: How many people have answered on times.
        drafts: How many of its emails nobody had read yet.
    """

    cancels: MessageRequest | None = None
    start: Instant | None = None
    when: str = ""
    asked: int = 0
    replied: int = 0
    drafts: int = 0


PROPOSAL: Final = "meeting_proposal"
"""The email that offers times, and no more."""


class Offering(WireModel):
    """What was on offer for a meeting in one round of one attempt, and what was booked?"""

    contract: str
    step: str
    attempt: int
    round: int


class Offered(WireModel):
    """The times that people have before them, and the one that stands in their calendars, as the mails say."""

    proposal: Proposal | None = None
    booking: Booking | None = None


@dataclass(frozen=True)
class Messages:
    """Writes mails into the outbox and hands them to the relay.

    `send`, `send_bundle` and `deliver` are local activities first, and give back as under way what the relay does not
    take at once; the same again on the task queue sees to that.
    """

    store: Store
    mailer: Mailer
    mail_settings: MailSettings
    policy: Policy
    alarm: Callable[[], Awaitable[None]]

    @property
    def _delivery(self) -> Delivery:
        return Delivery(self.store, self.mailer, self.mail_settings.sender, self.policy, self.alarm)

    @activity.defn(name="messages.send")
    async def send(self, occasion: MessageRequest) -> Outcomes:
        """Write one mail to each person of an occasion and send those that nobody has to read first.

        Safe to repeat: a key that is there is not written again, and what is sent stays sent. What has to wait for
        its reader's working time, or for their next month, is left for `deliver` at the instant that is given back.

        Returns:
            The state of each message, by key, and what is scheduled.

        Raises:
            ApplicationError: As `Delivery.deliver`; `Refused` where a mail cannot be written at all.
        """
        async with asked_at(occasion.now):
            return await self._send((occasion,))

    @activity.defn(name="messages.send_bundle")
    async def send_bundle(self, bundle: Bundle) -> Outcomes:
        """Write the mails of several occasions and send those that nobody has to read first, as `send`.

        Drafts that they replace are set aside, and what the cadence has to tell is written, before anything goes.

        Raises:
            ApplicationError: As `send`.
        """
        async with asked_at(bundle.now):
            if bundle.news is not None or bundle.aside is not None:
                async with self.store.writing() as connection:
                    if bundle.news is not None:
                        await cadence.project(connection, bundle.news)
                    if bundle.aside is not None:
                        aside = bundle.aside
                        await outbox.set_aside(connection, aside.keys, aside.state, aside.reason, now())
            return await self._send(bundle.occasions)

    async def _send(self, occasions: Sequence[MessageRequest]) -> Outcomes:
        keys: list[str] = []
        leases: list[outbox.Lease] = []
        for occasion in occasions:
            written = await self._write(occasion, take=True)
            some = list(written.outcomes.states)
            keys += some
            leases += written.leases
            if _is_stale(occasion, now()):
                async with self.store.writing() as connection:
                    await outbox.drop_stale(connection, some, now())
            elif written.again:
                leases += await self._freeze(Deliver(account=occasion.account, keys=written.again, now=now()))
        return await self._delivery.deliver(keys, leases)

    @activity.defn(name="messages.draft")
    async def draft(self, occasion: MessageRequest) -> Outcomes:
        """Write one mail to each person of an occasion and send none; what nobody has to read is left ready to go.

        Nothing but SQL is touched, so that it can run as a local activity. Safe to repeat.

        Raises:
            ApplicationError: `Refused` where a mail cannot be written at all.
        """
        async with asked_at(occasion.now):
            return (await self._write(occasion, take=False)).outcomes

    @activity.defn(name="messages.deliver")
    async def deliver(self, order: Deliver) -> Outcomes:
        """Send drafts on a member's word, or go on with what is under way or was scheduled. Safe to repeat, as `send`.

        What was scheduled is written now, from what is known now; if its reader's working time is over again, it is
        scheduled once more.
        """
        async with asked_at(order.now):
            return await self._delivery.deliver(order.keys, await self._freeze(order))

    @activity.defn(name="messages.set_aside")
    async def set_aside(self, order: SetAside) -> Outcomes:
        """Hold drafts back on a member's word, or suppress those that newer ones replace, and what was scheduled."""
        async with asked_at(order.now):
            present = now()
            async with self.store.writing() as connection:
                await outbox.set_aside(connection, order.keys, order.state, order.reason, present)
                if order.state is MessageState.SUPPRESSED:
                    await self._drop(connection, order.keys, order.reason, present)
                return await outbox.outcomes(connection, order.keys, present)

    async def _drop(self, connection: Connection, keys: Sequence[str], reason: str, present: datetime) -> None:
        """Suppress what was scheduled and makes no sense any more, and tell so."""
        dropped = await scheduled.drop(connection, keys, reason, present)
        entries = [entry for one in dropped for entry in suppressed(one, present, one.reason or reason)]
        # What had joined another has told so under the key of its state.
        await append(connection, [entry.model_copy(update={"key": f"{entry.key}/dropped"}) for entry in entries])

    @activity.defn(name="messages.drop_left_behind")
    async def drop_left_behind(self, order: LeftBehind) -> LeftTasks:
        """Suppress what a step that failed has not sent yet, and find its open to-dos, whose answers nobody hears."""
        async with asked_at(order.now), self.store.writing() as connection:
            gone = await outbox.drop_of_step(connection, order.contract, order.step, order.attempt, now())
            entries = [entry for one in gone for entry in suppressed(one, now(), LEFT_BEHIND)]
            await append(connection, entries)
            left = await tasks.open_of_step(connection, order.contract, order.step, order.attempt)
            return LeftTasks(tasks=tuple(left))

    @activity.defn(name="messages.left_invitation")
    async def left_invitation(self, order: LeftBehind) -> LeftInvitation:
        """What takes back an invitation that nobody looks after any more, by the record of what was written."""
        async with asked_at(order.now):
            present = now()
            async with self.store.reading() as connection:
                written = await outbox.invited(connection, order.contract, order.step, order.attempt)
                polled = await outbox.polled(connection, order.contract, order.step, order.attempt)
                meeting = meeting_id(order.scope or order.account, order.step, order.period or order.attempt)
                told_ = await timeline.of_workflow(connection, order.account, meeting)
                _, tam, _ = await accounts.surroundings(connection, order.account)
            cancels = taking_back(written, present)
        if cancels is None or cancels.meeting is None or cancels.meeting.booking is None:
            replied = {entry.who for entry in told_ if entry.kind == "vote.cast"}
            return LeftInvitation(asked=polled.asked, replied=len(replied), drafts=polled.drafts)
        start = cancels.meeting.booking.start.astimezone(ZoneInfo(tam.schedule.zone))
        city = tam.schedule.zone.rpartition("/")[2].replace("_", " ")
        when = f"{start:%a} {start.day} {start:%b}, {start:%H:%M} ({city} time)"
        return LeftInvitation(cancels=cancels, start=start, when=when)

    @activity.defn(name="messages.offered")
    async def offered(self, asked: Offering) -> Offered:
        """What a meeting has offered and booked, by the record of what was written."""
        async with self.store.reading() as connection:
            written = await outbox.of_attempt(connection, asked.contract, asked.step, asked.attempt)
        occasions = [MessageRequest.model_validate(draft.occasion) for draft in written]
        facts = [one.meeting for one in occasions if one.round == asked.round and one.meeting is not None]
        proposals = [one.proposal for one in facts if one.proposal is not None]
        bookings = [one.booking for one in facts if one.booking is not None]
        booking = max(bookings, key=lambda one: one.sequence, default=None)
        return Offered(
            proposal=proposals[-1] if proposals else None,
            booking=booking if booking is not None and not booking.called_off else None,
        )

    @activity.defn(name="messages.drop_departed")
    async def drop_departed(self, order: Departed) -> Outcomes:
        """Suppress the drafts among these whose readers have left; give those that go to nobody any more."""
        async with self.store.writing() as connection:
            gone = await outbox.drop_drafts(connection, order.keys, order.now)
            return Outcomes(states=dict.fromkeys(gone, MessageState.SUPPRESSED))

    async def _write(self, occasion: MessageRequest, *, take: bool) -> _Written:
        """Write what is not yet in the outbox, in one transaction; whoever has left gets no mail.

        Args:
            take: Take what can go at once, to be sent in the same breath.
        """
        try:
            return await self._write_once(occasion, take=take)
        except IntegrityError:
            # A workflow task that timed out runs its local activities again: the other attempt was faster.
            return await self._write_once(occasion, take=take)

    async def _write_once(self, occasion: MessageRequest, *, take: bool) -> _Written:
        present = now()
        try:
            rows, known = await self._rows(occasion, present)
        except UserError as refusal:
            raise ApplicationError(refusal.problem, type="Refused", non_retryable=True) from None
        leases = []
        async with self.store.writing() as connection:
            if occasion.news is not None:
                await contracts.project(connection, occasion.news)
            rows, entries = await plan(connection, rows, present, quiet_hours=self.policy.quiet_hours)
            if take and not _is_stale(occasion, present) and await self._delivery.may_take(connection):
                goes = (row for row in rows if row.state is MessageState.READY and row.values["raw"] is not None)
                taken = [await self._delivery.take_new(connection, row.values, present) for row in goes]
                leases = [lease for lease in taken if lease is not None]
            await outbox.intend(connection, [row.values for row in rows])
            for row in rows:
                if row.link is not None:
                    await make_link(connection, row.key, row.token, row.link)
            drafted = [outbox.Message.model_validate(row.values) for row in rows if row.state is MessageState.DRAFT]
            for row in rows:
                if row.values["raw"] is not None:
                    entries += shortened(outbox.Message.model_validate(row.values), present, row.letter.left_out)
            entries += [entry for one in drafted for entry in told(one, "message.drafted", MessageState.DRAFT, present)]
            await append(connection, entries)
        waits = {row.key: row.values["not_before"] for row in rows if row.values["not_before"] is not None}
        joined = {row.key: row.values["joined"] for row in rows if row.values["joined"] is not None}
        outcomes = Outcomes(
            states=known.states | {row.key: row.state for row in rows},
            waits=known.waits | waits,
            joined=known.joined | joined,
            unread=_patience(rows, occasion.now) if drafted and not known.states else None,
        )
        return _Written(outcomes, leases, known.ready())

    async def _rows(self, occasion: MessageRequest, present: datetime) -> tuple[list[PlannedMessage], Outcomes]:
        """The new rows of an occasion, and what became of those that an earlier attempt has written.

        Raises:
            UserError: A mail cannot be written.
        """
        async with self.store.reading() as connection:
            occasion = await _in_full(connection, occasion)
            task, also = occasion.task, [*occasion.to]
            also += task.people() if task else ()
            also += [meeting.proposal.tam] if (meeting := occasion.meeting) and meeting.proposal else []
            also += [occasion.handover.former] if occasion.handover else []
            also += [occasion.erasure.by] if occasion.erasure else []
            also += occasion.tech_review.people() if occasion.tech_review else ()
            leaving = occasion.to if occasion.purpose is Purpose.PARTING else ()
            company = await VendorContext.around(connection, occasion.account, also, leaving)
            quoted = task.submissions() if task else ()
            if occasion.handover is not None and occasion.handover.submission is not None:
                quoted = (*quoted, occasion.handover.submission)
            if occasion.erasure is not None:
                quoted = (*quoted, occasion.erasure.submission)
            if occasion.meeting is not None and occasion.meeting.change is not None:
                quoted = (*quoted, occasion.meeting.change.submission)
            if occasion.tech_review is not None:
                quoted = (*quoted, *occasion.tech_review.submissions())
            said = await words(connection, quoted) if quoted else {}
            said = await not_delivered.with_others(connection, occasion, said)
            known = await known_of(connection, occasion, present)
            letters = [
                letter
                for letter in letters_of(self.mail_settings, company, occasion, said)
                if letter.key not in known.states and not was_told(occasion, known)
            ]
            if occasion.purpose is Purpose.MORNING:
                letters = await of_the_day(connection, letters, present)
            found = await recurring.on_record(connection, occasion, company.zone)
            letters = [replace(letter, on_record=found) for letter in letters] if found else letters
            letters = await self._not_twice(connection, letters)
            letters = [
                replace(
                    letter,
                    left_out=await claims.left_out(connection, ClaimingMail(occasion, letter.person, present, present)),
                )
                for letter in letters
            ]
            inherited = await self._inherited(connection, letters)
        return [self._row(letter, inherited.get(letter.key, Edits()), present) for letter in letters], known

    async def _not_twice(self, connection: Connection, letters: list[MessageDraft]) -> list[MessageDraft]:
        """These, but whoever got the email with an earlier attempt's times is offered new ones, and no more."""
        first = letters[0].occasion if letters else None
        ours = first is not None and first.meeting is not None and first.meeting.ours
        if first is None or first.purpose is not Purpose.PROPOSAL or first.attempt == 1 or ours:
            return letters
        had = await outbox.have_had(connection, first.contract or "", first.step, first.email)
        proposal = first.model_copy(update={"email": PROPOSAL})
        return [replace(one, occasion=proposal) if one.person in had else one for one in letters]

    async def _inherited(self, connection: Connection, letters: Sequence[MessageDraft]) -> dict[str, Edits]:
        """What a member had changed in the draft of the round before, of which the times went stale."""
        found = {}
        for letter in letters:
            if letter.occasion.round > 1 and letter.review != "auto":
                before = letter.occasion.model_copy(update={"round": letter.occasion.round - 1})
                # Whatever mail it was: a welcome's times go on in a proposal.
                written = key_of(before, letter.person).rsplit("/", 2)[0]
                draft = await outbox.draft_of(connection, written, letter.person)
                if draft is not None:
                    found[letter.key] = Edits(
                        subject=draft.edits.get("subject"), paragraph=draft.edits.get("paragraph")
                    )
        return found

    def _row(self, letter: MessageDraft, edits: Edits, present: datetime) -> PlannedMessage:
        """One row of the outbox, and the personal link in it."""
        occasion = letter.occasion
        raw, token, state = None, new_token(), MessageState.DRAFT
        if letter.review == "auto":
            state = MessageState.READY
            subject, raw = letter.freeze(edits, token, present)
        if raw is None:
            subject = letter.words(edits).subject
        link = letter.link(present) if raw is not None else None
        row = {
            "key": letter.key,
            "account": occasion.account,
            "contract": occasion.contract,
            "step": occasion.step,
            "workflow_id": occasion.workflow_id,
            "purpose": occasion.purpose,
            "kind": "resend" if occasion.purpose.resend_when_unknown else "hold",
            "person": letter.person,
            "address": letter.to.email,
            "email": occasion.email,
            "occasion": occasion.model_dump(mode="json", exclude={"news"}),
            "edits": {"subject": edits.subject, "paragraph": edits.paragraph, "body": edits.body},
            "left_out": list(letter.left_out),
            "state": state,
            "reason": None,
            "subject": subject,
            "message_id": compose.message_id(letter.key, self.mail_settings.sender, self.mail_settings.secret),
            "raw": raw,
            "created_at": present,
            "not_before": None,
            "joined": None,
            "guests": 0,
            "first_tried_at": None,
            "attempts": 0,
            "fence": 0,
            "lease_until": None,
            "retry_at": None,
            "turn_at": None,
            "settled_at": None,
            "reply": None,
            "approved_by": None,
            "submission": None,
            "resolution": None,
        }
        return PlannedMessage(letter.key, state, row, token, link, letter)

    async def _freeze(self, order: Deliver) -> list[outbox.Lease]:
        """Give approved drafts, and what was scheduled until now, their bytes; take what can go at once.

        What was frozen before stays as it is.
        """
        present = now()
        await self._unfreeze(order.keys, present)
        async with self.store.reading() as connection:
            drafts = await outbox.drafts(connection, order.keys)
            due = [draft for draft in drafts if draft.state in (MessageState.DRAFT, MessageState.HELD)]
            waiting = [draft for draft in drafts if draft.waits_unrendered(present)]
            # What nobody reads first is written when it goes, and who knows for how long mail is stopped.
            due += waiting if waiting and await self._delivery.may_take(connection) else []
            guests = await scheduled.guests(connection, due)
            leaving = [draft.person for draft in drafts if purpose_of(draft.key) == Purpose.PARTING]
            occasions = [MessageRequest.model_validate(draft.occasion) for draft in drafts]
            reviews = [one.tech_review for one in occasions if one.tech_review is not None]
            also = [*(draft.person for draft in drafts), *(one for facts in reviews for one in facts.people())]
            company = await VendorContext.around(connection, order.account, also, leaving)
            quoted = [one for facts in reviews for one in facts.submissions()]
            said = await words(connection, quoted) if quoted else {}
            files = await attachment.of_drafts(connection, order.keys)
            worst = order.account and await support_case.has_worst(connection, order.account)
            left_out = {
                draft.key: await claims.left_out(connection, _asked(draft, present))
                for draft in (*due, *(guest for some in guests.values() for guest in some))
            }
            spoken_of = {
                draft.key: await recurring.on_record(
                    connection, MessageRequest.model_validate(draft.occasion), company.zone
                )
                for draft in (*due, *(guest for some in guests.values() for guest in some))
            }
        try:
            frozen = [
                self._frozen(
                    draft,
                    company,
                    order,
                    present,
                    guests.get(draft.key, ()),
                    files.get(draft.key, ()),
                    _Known(spoken_of, left_out, said),
                    worst=bool(worst),
                )
                for draft in due
            ]
        except UserError as refusal:
            raise ApplicationError(refusal.problem, type="Refused", non_retryable=True) from None
        leases: list[outbox.Lease | None] = []
        async with self.store.writing() as connection:
            if order.news is not None:
                await contracts.project(connection, order.news)
            goes = bool(frozen) and await self._delivery.may_take(connection)
            for one in frozen:
                kept = await self._keep(connection, one, order, present)
                if kept and goes:
                    released = one.draft.state is not MessageState.READY
                    leases.append(await self._delivery.take(connection, one.draft.key, present, released=released))
        return [lease for lease in leases if lease is not None]

    async def _unfreeze(self, keys: Sequence[str], present: datetime) -> None:
        """Take the bytes of what waits with a block that is not so any more: it is written again without it."""
        async with self.store.reading() as connection:
            waiting = [
                draft for draft in await outbox.drafts(connection, keys) if draft.state in _WAIT and draft.frozen
            ]
            with_blocks = [
                one.key for one in waiting if emails.block_claims(MessageRequest.model_validate(one.occasion).email)
            ]
        if not with_blocks:
            return
        async with self.store.writing() as connection:
            if not await self._delivery.may_take(connection):
                return
            for key in with_blocks:
                if left_out := await claims.shortens(connection, await outbox.message(connection, key), present):
                    await outbox.unfreeze(connection, key, left_out, present)

    def _frozen(
        self,
        draft: outbox.Draft,
        company: VendorContext,
        order: Deliver,
        present: datetime,
        guests: Sequence[outbox.Draft],
        files: tuple[File, ...],
        known: _Known,
        *,
        worst: bool,
    ) -> _Frozen:
        """A draft's bytes, and the personal link in them; no bytes for what does not go, or not yet."""
        letter = self._letter(draft, company, order, known)
        token = new_token()
        if letter is None:
            return _Frozen(draft, None, token, None, MailVerdict(None, outbox.DEPARTED))
        if draft.state is MessageState.READY and _is_stale(letter.occasion, present):
            return _Frozen(draft, None, token, None, MailVerdict(None, outbox.STALE))
        verdict = MailVerdict(present)
        if letter.reader is not None:
            who, weight = letter.reader.schedule, weight_of(letter.occasion)
            verdict = attention.earliest(present, who, weight, quiet_hours=self.policy.quiet_hours)
        if worst and draft.state is MessageState.READY:
            verdict = held_back(letter, present) or verdict
            if verdict.at is None:
                return _Frozen(draft, None, token, None, verdict)
        assert verdict.at is not None
        if draft.state is MessageState.READY and verdict.at > present:
            return _Frozen(draft, None, token, None, verdict)
        others = [(self._letter(guest, company, order, known), Edits(**guest.edits)) for guest in guests]
        joined = tuple((other, edits) for other, edits in others if other is not None)
        letter = replace(letter, guests=joined, files=files)
        bytes_ = letter.freeze(Edits(**draft.edits), token, verdict.at)
        # Nothing is left out of what a person wrote: it claims all of it as a whole.
        left_out = () if draft.edits.get("body") is not None else letter.left_out
        return _Frozen(draft, bytes_, token, letter.link(verdict.at), verdict, left_out)

    def _letter(
        self, draft: outbox.Draft, company: VendorContext, order: Deliver, known: _Known
    ) -> MessageDraft | None:
        """The mail that a draft stands for, by what is known of its meeting now; nothing if its reader has left."""
        occasion = MessageRequest.model_validate(draft.occasion)
        to = reader(self.mail_settings, company, occasion, draft.person)
        if to is None:
            return None
        if order.meeting is not None and occasion.purpose in (Purpose.PROPOSAL, Purpose.REMINDER):
            title = occasion.meeting.title if occasion.meeting is not None else order.meeting.title
            meeting = order.meeting.model_copy(update={"title": title})
            occasion = occasion.model_copy(update={"meeting": meeting})
        found, left_out = known.spoken_of.get(draft.key), known.left_out.get(draft.key, ())
        return MessageDraft(
            self.mail_settings,
            company,
            occasion,
            draft.key,
            to,
            draft.person,
            said=known.said,
            on_record=found,
            left_out=left_out,
        )

    async def _keep(self, connection: Connection, one: _Frozen, order: Deliver, present: datetime) -> bool:
        """Write down what became of a draft; say whether it goes now."""
        key, verdict = one.draft.key, one.verdict
        if verdict.at is None:
            assert verdict.reason is not None
            await outbox.set_aside(connection, [key], MessageState.SUPPRESSED, verdict.reason, present)
            await self._drop(connection, [key], verdict.reason, present)
            return False
        until = verdict.at if verdict.at > present else None
        if one.bytes is None:
            assert verdict.reason is not None
            kept = await scheduled.until(connection, key, verdict.at, verdict.reason)
        else:
            kept = await outbox.freeze(
                connection,
                key,
                one.bytes,
                order.approved_by,
                order.submission,
                not_before=until,
                reason=verdict.reason,
                guests=one.draft.guests,
                left_out=one.left_out,
            )
            if kept:
                await append(connection, shortened(await outbox.message(connection, key), present, one.left_out))
        if kept and one.link is not None:
            await make_link(connection, key, one.token, one.link)
        if kept and until is not None:
            await append(connection, of_verdict(await outbox.message(connection, key), verdict, present))
        return kept and until is None


def taking_back(written: Sequence[outbox.Draft], present: datetime) -> MessageRequest | None:
    """What calls off a meeting for those who may have an invitation to it, as the meeting itself would.

    Args:
        written: What one attempt at a meeting has written for calendars.

    Returns:
        Nothing where the last of it was called off, its time has begun, or no invitation can have arrived.
    """
    occasions = [(draft, MessageRequest.model_validate(draft.occasion)) for draft in written]
    booked = [
        (draft, one, one.meeting, one.meeting.booking)
        for draft, one in occasions
        if one.meeting and one.meeting.booking
    ]
    if not booked:
        return None
    _, last, facts, booking = max(booked, key=lambda known: (known[1].round, known[3].sequence))
    if booking.called_off or booking.start <= present:
        return None
    has_it = {
        draft.person
        for draft, one, _, _ in booked
        if one.round == last.round and one.purpose is Purpose.INVITATION and draft.state not in _NOT_ARRIVED
    }
    to = tuple(person for person in facts.attendees if person in has_it)
    over = booking.model_copy(update={"sequence": booking.sequence + 1, "called_off": True})
    return (
        None
        if not to
        else last.model_copy(
            update={
                "purpose": Purpose.INVITATION,
                "email": "meeting_cancelled",
                "to": to,
                "occurrence": over.sequence + 1,
                "now": present,
                "meeting": facts.model_copy(update={"booking": over, "update": None}),
            }
        )
    )


_WAIT: Final = (MessageState.READY, MessageState.DEFERRED)
_NOT_ARRIVED: Final = (MessageState.FAILED, MessageState.HELD, MessageState.SUPPRESSED)


def _patience(rows: Sequence[PlannedMessage], since: datetime) -> tuple[datetime, datetime] | None:
    """When the TAM is asked once more to read these drafts, and by when that is due."""
    company = rows[0].letter.company
    if not isinstance(company, AccountContext):
        return None
    insist, due = calendar.follow_ups(since, todo_template.INSISTING, company.tam.schedule)
    return insist, due


class _Written(NamedTuple):
    """An occasion's messages: what became of each, those that were taken to be sent, and those of an attempt before."""

    outcomes: Outcomes
    leases: list[outbox.Lease]
    again: tuple[str, ...]


class _Frozen(NamedTuple):
    """A draft with its subject and bytes, and when it goes."""

    draft: outbox.Draft
    bytes: tuple[str, bytes] | None
    token: str
    link: Link | None
    verdict: MailVerdict
    left_out: tuple[str, ...] = ()


class _Known(NamedTuple):
    """What is on record for each draft to speak of, and the claims of each that do not hold, by key.

    Attributes:
        said: What submissions say that drafts quote, by id.
    """

    spoken_of: Mapping[str, OnRecord | None]
    left_out: Mapping[str, tuple[str, ...]]
    said: Mapping[str, str]


def _asked(draft: outbox.Draft, present: datetime) -> ClaimingMail:
    return ClaimingMail(MessageRequest.model_validate(draft.occasion), draft.person, draft.created_at, present)


async def _in_full(connection: Connection, occasion: MessageRequest) -> MessageRequest:
    """What a meeting beside the playbook is called, which its workflow does not know."""
    facts = occasion.meeting
    title = await meetings.in_full(connection, occasion.contract, occasion.step, occasion.title)
    if title == occasion.title:
        return occasion
    named = facts.model_copy(update={"title": title}) if facts is not None else None
    return occasion.model_copy(update={"title": title, "meeting": named})


def _is_stale(occasion: MessageRequest, at: datetime) -> bool:
    return occasion.stale_at is not None and occasion.stale_at <= at
