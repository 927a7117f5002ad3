"""Writing and sending mail: one activity an occasion, safe to repeat at any point."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.clock import heartbeats, now
from rapport.mail import compose, outbox
from rapport.mail.compose import Edits, Person
from rapport.mail.letters import Company, House, Letter, Stationery
from rapport.mail.smtp import Deferred, Mailer, Misconfigured, Rejected, Unanswered
from rapport.model.base import Refusal
from rapport.model.ids import message_key
from rapport.model.message import (
    SETTLED,
    Deliver,
    Departed,
    MessageState,
    Occasion,
    Outcomes,
    Purpose,
    SetAside,
)
from rapport.model.records import Entry
from rapport.storage import contracts, days, people
from rapport.storage.access import Link, mail_switch, make_link, new_token
from rapport.storage.database import Connection, Store
from rapport.storage.timeline import append, words

PATIENCE = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""How long to wait before each further attempt while the relay asks for patience (4xx)."""

STOPPED_PAUSE = timedelta(seconds=20)
"""How often a stopped message looks whether mail goes again."""

SOON = timedelta(seconds=1)
"""The shortest wait that an attempt asks for."""

MISCONFIGURED_PAUSE = timedelta(minutes=2)


@dataclass(frozen=True)
class Policy:
    """Whether and where mail goes in this installation.

    Attributes:
        mode: `off`, `live` or `redirect:ADDRESS`.
        allowed_domains: Where not empty, the only domains that mail goes to.
    """

    mode: str
    allowed_domains: frozenset[str] = frozenset()

    def recipient(self, address: str) -> str:
        """The address that the relay is given."""
        return self.mode.removeprefix("redirect:") if self.mode.startswith("redirect:") else address

    def suppresses(self, address: str) -> str | None:
        """Why nothing may go to this address, if so."""
        if self.allowed_domains and address.partition("@")[2].lower() not in self.allowed_domains:
            return "the recipient's domain is not among those allowed here"
        return None


@dataclass(frozen=True)
class Messages:
    """Writes mails into the outbox and hands them to the relay."""

    store: Store
    mailer: Mailer
    stationery: Stationery
    policy: Policy

    @activity.defn(name="messages.send")
    async def send(self, occasion: Occasion) -> Outcomes:
        """Write one mail to each person of an occasion and send those that nobody has to read first.

        Safe to repeat: a key that is there is not written again, and what is sent stays sent.

        Returns:
            The state of each message, by key.

        Raises:
            ApplicationError: `MailStopped`, `Deferred` or `Misconfigured`, each with the wait before the next attempt;
                `Refused` where a mail cannot be written at all.
        """
        async with heartbeats():
            written = await self._write(occasion, take=True)
            if _is_stale(occasion, now()):
                async with self.store.writing() as connection:
                    await outbox.drop_stale(connection, list(written.states), now())
            return await self._deliver(list(written.states), written.leases)

    @activity.defn(name="messages.draft")
    async def draft(self, occasion: Occasion) -> Outcomes:
        """Write one mail to each person of an occasion and send none; what nobody has to read is left ready to go.

        Nothing but SQL is touched, so that it can run as a local activity. Safe to repeat.

        Raises:
            ApplicationError: `Refused` where a mail cannot be written at all.
        """
        return Outcomes(states=(await self._write(occasion, take=False)).states)

    @activity.defn(name="messages.deliver")
    async def deliver(self, order: Deliver) -> Outcomes:
        """Send drafts on a member's word, or go on with what is under way. Safe to repeat, as `send`."""
        async with heartbeats():
            return await self._deliver(order.keys, await self._freeze(order))

    @activity.defn(name="messages.set_aside")
    async def set_aside(self, order: SetAside) -> Outcomes:
        """Hold drafts back on a member's word, or suppress those that newer ones replace."""
        async with self.store.writing() as connection:
            await outbox.set_aside(connection, order.keys, order.state, order.reason, now())
            return Outcomes(states=await outbox.states(connection, order.keys))

    @activity.defn(name="messages.drop_departed")
    async def drop_departed(self, order: Departed) -> Outcomes:
        """Suppress the drafts among these whose readers have left; give those that go to nobody any more."""
        async with self.store.writing() as connection:
            gone = await outbox.drop_drafts(connection, order.keys, order.now)
            return Outcomes(states=dict.fromkeys(gone, MessageState.SUPPRESSED))

    async def _write(self, occasion: Occasion, *, take: bool) -> _Written:
        """Write what is not yet in the outbox, in one transaction; whoever has left gets no mail.

        Args:
            take: Take what can go at once, to be sent in the same breath.
        """
        present = max(now(), occasion.now)
        try:
            rows, known = await self._rows(occasion, present)
        except Refusal as refusal:
            if occasion.news is not None:
                async with self.store.writing() as connection:
                    await contracts.project(connection, occasion.news)
            raise ApplicationError(refusal.problem, type="Refused", non_retryable=True) from None
        leases = []
        async with self.store.writing() as connection:
            if occasion.news is not None:
                await contracts.project(connection, occasion.news)
            if take and not _is_stale(occasion, present) and await self._may_send(connection):
                leases = [outbox.leased(row.values, present) for row in rows if row.state is MessageState.READY]
            await outbox.intend(connection, [row.values for row in rows])
            for row in rows:
                if row.link is not None:
                    await make_link(connection, row.key, row.token, row.link)
            drafted = [outbox.Message.model_validate(row.values) for row in rows if row.state is MessageState.DRAFT]
            entries = [_told(message, "message.drafted", MessageState.DRAFT, present) for message in drafted]
            await append(connection, [entry for some in entries for entry in some])
        return _Written(known | {row.key: row.state for row in rows}, leases)

    async def _rows(self, occasion: Occasion, present: datetime) -> tuple[list[_Row], dict[str, MessageState]]:
        """The new rows of an occasion, and the states of those that an earlier attempt has written.

        Raises:
            Refusal: A mail cannot be written.
        """
        async with self.store.reading() as connection:
            task, also = occasion.task, [*occasion.to]
            also += task.people() if task else ()
            also += [meeting.proposal.tam] if (meeting := occasion.meeting) and meeting.proposal else []
            also += [occasion.handover.former] if occasion.handover else []
            leaving = occasion.to if occasion.purpose is Purpose.PARTING else ()
            company = await House.around(connection, occasion.account, also, leaving)
            quoted = task.submissions() if task else ()
            if occasion.handover is not None and occasion.handover.submission is not None:
                quoted = (*quoted, occasion.handover.submission)
            said = await words(connection, quoted) if quoted else {}
            known = await _known(connection, occasion)
            letters = [
                letter for letter in _letters(self.stationery, company, occasion, said) if letter.key not in known
            ]
            if occasion.purpose is Purpose.MORNING:
                letters = await _of_the_day(connection, letters, present)
            inherited = await self._inherited(connection, letters)
        return [self._row(letter, inherited.get(letter.key, Edits()), present) for letter in letters], known

    async def _inherited(self, connection: Connection, letters: Sequence[Letter]) -> dict[str, Edits]:
        """What a member had changed in the draft of the round before, of which the times went stale."""
        found = {}
        for letter in letters:
            if letter.occasion.round > 1 and letter.review != "auto":
                before = letter.occasion.model_copy(update={"round": letter.occasion.round - 1})
                draft = await outbox.draft(connection, _key(before, letter.person))
                if draft is not None:
                    found[letter.key] = Edits(
                        subject=draft.edits.get("subject"), paragraph=draft.edits.get("paragraph")
                    )
        return found

    def _row(self, letter: Letter, edits: Edits, present: datetime) -> _Row:
        """One row of the outbox, and the personal link in it."""
        occasion, suppressed = letter.occasion, self.policy.suppresses(letter.to.email)
        raw, token, state = None, new_token(), MessageState.DRAFT
        if suppressed:
            state = MessageState.SUPPRESSED
        elif letter.review == "auto":
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
            "state": state,
            "reason": suppressed,
            "subject": subject,
            "message_id": compose.message_id(letter.key, self.stationery.sender, self.stationery.secret),
            "raw": raw,
            "created_at": present,
            "first_tried_at": None,
            "attempts": 0,
            "fence": 0,
            "lease_until": None,
            "retry_at": None,
            "settled_at": present if suppressed else None,
            "reply": None,
            "approved_by": None,
            "submission": None,
        }
        return _Row(letter.key, state, row, token, link)

    async def _freeze(self, order: Deliver) -> list[outbox.Lease]:
        """Give approved drafts their bytes, and take what can go at once. What was frozen before stays as it is."""
        present = now()
        async with self.store.reading() as connection:
            drafts = await outbox.drafts(connection, order.keys)
            company = await Company.read(connection, order.account, [draft.person for draft in drafts])
        try:
            frozen = [
                self._frozen(draft, company, order, present)
                for draft in drafts
                if draft.state in (MessageState.DRAFT, MessageState.HELD)
            ]
        except Refusal as refusal:
            raise ApplicationError(refusal.problem, type="Refused", non_retryable=True) from None
        leases: list[outbox.Lease | None] = []
        async with self.store.writing() as connection:
            if order.news is not None:
                await contracts.project(connection, order.news)
            goes = bool(frozen) and await self._may_send(connection)
            for one in frozen:
                if one.bytes is None:
                    await outbox.set_aside(connection, [one.key], MessageState.SUPPRESSED, people.LEFT, present)
                    continue
                if await outbox.freeze(connection, one.key, one.bytes, order.approved_by, order.submission):
                    if one.link is not None:
                        await make_link(connection, one.key, one.token, one.link)
                    leases.append(await outbox.lease(connection, one.key, present) if goes else None)
        return [lease for lease in leases if lease is not None]

    def _frozen(self, draft: outbox.Draft, company: Company, order: Deliver, present: datetime) -> _Frozen:
        """A draft's bytes, and the personal link in them; no bytes for somebody who has left."""
        to = company.person(draft.person)
        token = new_token()
        if to is None:
            return _Frozen(draft.key, None, token, None)
        occasion = Occasion.model_validate(draft.occasion)
        if order.meeting is not None and occasion.purpose is Purpose.PROPOSAL:
            occasion = occasion.model_copy(update={"meeting": order.meeting})
        letter = Letter(self.stationery, company, occasion, draft.key, to, draft.person)
        return _Frozen(draft.key, letter.freeze(Edits(**draft.edits), token, present), token, letter.link(present))

    async def _may_send(self, connection: Connection) -> bool:
        return self.policy.mode != "off" and not (await mail_switch(connection)).stopped

    async def _deliver(self, keys: Sequence[str], leases: Sequence[outbox.Lease]) -> Outcomes:
        """Send whatever of these can go now; ask for another attempt if something has to wait."""
        present = now()
        if not leases:
            async with self.store.writing() as connection:
                states = await outbox.states(connection, keys)
                waiting = [key for key in keys if states.get(key) not in (None, MessageState.DRAFT, *SETTLED)]
                if not waiting:
                    return Outcomes(states=states)
                if not await self._may_send(connection):
                    raise _later("mail is stopped or off; `rapport mail status` says why", "MailStopped", STOPPED_PAUSE)
                await outbox.drop_departed(connection, waiting, present)
                taken = [await outbox.lease(connection, key, present) for key in waiting]
                after = await outbox.states(connection, waiting)
                lost = [key for key, state in after.items() if state is MessageState.UNKNOWN]
                for key in lost:
                    message = await outbox.message(connection, key)
                    await append(connection, _told(message, "message.unknown", MessageState.UNKNOWN, present))
            leases = [lease for lease in taken if lease is not None]
        results = await asyncio.gather(*(self._hand_over(lease) for lease in leases), return_exceptions=True)
        ended = {
            lease.key: state for lease, state in zip(leases, results, strict=True) if isinstance(state, MessageState)
        }
        if ended.keys() == set(keys):
            return Outcomes(states=ended)
        async with self.store.reading() as connection:
            states = await outbox.states(connection, keys)
            waits = any(state not in (MessageState.DRAFT, *SETTLED) for state in states.values())
            again = await outbox.next_try(connection, keys) if waits else None
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if waits:
            wait = again - now() if again else outbox.LEASE
            raise _later("the relay asks to try again later", "Deferred", max(wait, SOON))
        return Outcomes(states=states)

    async def _hand_over(self, held: outbox.Lease) -> MessageState | None:
        """Hand one message to the relay and record what became of it.

        Returns:
            The state in which it ended; nothing if it has not ended, or another attempt took it over.
        """

        async def commit() -> None:
            async with self.store.writing() as connection:
                if not await outbox.move(connection, held, MessageState.SENDING, now=now()):
                    raise _later("another attempt took this message over", "Overtaken", outbox.LEASE)

        try:
            reply = await self.mailer.send(
                self.stationery.sender, self.policy.recipient(held.address), held.raw, commit
            )
        except Misconfigured as fault:
            async with self.store.writing() as connection:
                await outbox.let_go(connection, held)
            raise _later(str(fault), "Misconfigured", MISCONFIGURED_PAUSE, alarm=True) from None
        except Rejected as refusal:
            return await self._settle(held, MessageState.FAILED, "message.failed", reason=str(refusal))
        except Unanswered:
            return await self._after_silence(held)
        except Deferred as patience:
            return await self._put_off(held, str(patience))
        return await self._settle(held, MessageState.SENT, "message.sent", reply=reply)

    async def _after_silence(self, held: outbox.Lease) -> MessageState | None:
        """No answer after the data (RFC 1047): the same bytes go again, or a person decides."""
        silence = "the relay did not answer after the data"
        if held.kind == "resend":
            return await self._put_off(held, silence)
        return await self._settle(held, MessageState.UNKNOWN, "message.unknown", reason=silence)

    async def _put_off(self, held: outbox.Lease, reason: str) -> MessageState | None:
        present = now()
        if present - held.first_tried_at >= outbox.GIVE_UP:
            given_up = f"given up after 48 hours: {reason}"
            return await self._settle(held, MessageState.FAILED, "message.failed", reason=given_up)
        wait = PATIENCE[min(held.attempts, len(PATIENCE)) - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        async with self.store.writing() as connection:
            await outbox.move(
                connection, held, MessageState.DEFERRED, now=present, reason=reason, retry_at=present + wait
            )
        return None

    async def _settle(
        self, held: outbox.Lease, state: MessageState, kind: str, *, reason: str | None = None, reply: str | None = None
    ) -> MessageState | None:
        """Record the outcome and its entry on the timeline, together."""
        present = now()
        async with self.store.writing() as connection:
            if not await outbox.move(connection, held, state, now=present, reason=reason, reply=reply):
                return None
            await append(connection, _told(held, kind, state, present))
        return state


class _Row(NamedTuple):
    """A message before it is in the outbox."""

    key: str
    state: MessageState
    values: dict[str, Any]
    token: str
    link: Link | None


class _Written(NamedTuple):
    """An occasion's messages: the state of each, and those that were taken to be sent."""

    states: dict[str, MessageState]
    leases: list[outbox.Lease]


class _Frozen(NamedTuple):
    """An approved draft with its subject and bytes."""

    key: str
    bytes: tuple[str, bytes] | None
    token: str
    link: Link | None


def _letters(stationery: Stationery, company: House, occasion: Occasion, said: Mapping[str, str]) -> list[Letter]:
    """The mails of an occasion."""
    return [
        Letter(
            stationery=stationery,
            company=company,
            occasion=occasion,
            key=_key(occasion, id_),
            to=person,
            person=id_,
            said=said,
        )
        for id_ in occasion.to or _having(occasion.personas, company)
        if (person := _reader(company, occasion, id_)) is not None
    ]


def _reader(company: House, occasion: Occasion, id_: str) -> Person | None:
    """Whom a mail goes to; of those who have left, only who is told just that."""
    return company.leaver(id_) if occasion.purpose is Purpose.PARTING else company.person(id_)


async def _of_the_day(connection: Connection, letters: Sequence[Letter], present: datetime) -> list[Letter]:
    """Morning mails with what they tell; nobody gets one that tells nothing any more, or who has left meanwhile."""
    told = []
    for letter in letters:
        member = letter.company.members[letter.person]
        today = await days.day(connection, member, present)
        if member.left_at is None and not today.is_quiet:
            told.append(replace(letter, day=today))
    return told


async def _known(connection: Connection, occasion: Occasion) -> dict[str, MessageState]:
    """The states of those messages of an occasion that an earlier attempt has written."""
    if occasion.account is None:
        return await outbox.states(connection, [_key(occasion, id_) for id_ in occasion.to])
    return await outbox.of_occasion(connection, occasion.account, _key(occasion, ""))


def _key(occasion: Occasion, person: str) -> str:
    return message_key(
        occasion.story,
        occasion.step,
        occasion.attempt,
        occasion.occurrence,
        occasion.round,
        occasion.purpose,
        person,
    )


def _having(personas: Sequence[str], company: House) -> list[str]:
    """The contacts who have one of these personas at this moment."""
    if not isinstance(company, Company):
        return []
    return [contact.id for contact in company.contacts.values() if contact.persona in personas]


def _told(message: outbox.Message | outbox.Lease, kind: str, state: MessageState, at: datetime) -> list[Entry]:
    """What its account's timeline is told of a message: nothing where it belongs to no account's story."""
    if message.account is None:
        return []
    return [
        Entry(
            key=f"{message.key}/{state}",
            account=message.account,
            at=at,
            kind=kind,
            step=message.step,
            who=message.person,
            about=message.key,
        )
    ]


def _is_stale(occasion: Occasion, at: datetime) -> bool:
    return occasion.stale_at is not None and occasion.stale_at <= at


def _later(why: str, kind: str, wait: timedelta, *, alarm: bool = False) -> ApplicationError:
    """Ask Temporal for another attempt after a while; an alarm only if the installation is at fault."""
    category = ApplicationErrorCategory.UNSPECIFIED if alarm else ApplicationErrorCategory.BENIGN
    return ApplicationError(why, type=kind, next_retry_delay=wait, category=category)
