"""An occasion's mails before they are in the outbox: to whom, and whether each goes now, later or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from activities import not_delivered
from rapport.mail import claims, outbox, scheduled
from rapport.mail.compose import Person
from rapport.mail.context import AccountContext, MailSettings, VendorContext
from rapport.mail.emails import weight_of
from rapport.mail.letters import MessageDraft
from rapport.model.account import attention_budget
from rapport.model.ids import message_key
from rapport.model.message import (
    CHANNEL,
    NOT_DELIVERED,
    MessageRequest,
    MessageState,
    Outcomes,
    Purpose,
    Weight,
)
from rapport.model.projection import TimelineEvent
from rapport.rules import attention, audience
from rapport.rules.attention import MailVerdict, Planned
from rapport.rules.claims import REVIEW_WITHDRAWN
from rapport.rules.tech_review import deciders
from rapport.storage import agenda, support_case, tech_review
from rapport.storage.access import Link
from rapport.storage.database import Connection

_TWO_MONTHS: Final = timedelta(days=62)
"""How far back a budget looks: what went this month was written by then, but for drafts that nobody read for long."""


NO_NEWS: Final = "nothing is on record for these days; the next one tells of them too"
"""Why a summary stays: its reader has nothing to read in it."""


class PlannedMessage(NamedTuple):
    """A message before it is in the outbox."""

    key: str
    state: MessageState
    values: dict[str, Any]
    token: str
    link: Link | None
    letter: MessageDraft

    @property
    def weight(self) -> Weight:
        """How far its reader's attention budget may schedule or suppress it."""
        return weight_of(self.letter.occasion) if self.letter.reader is not None else Weight.AT_ONCE

    def as_decided(self, verdict: MailVerdict, present: datetime) -> PlannedMessage:
        """This message, scheduled or suppressed as the verdict says; then without its bytes, which are written anew."""
        if verdict.at == present:
            return self
        state = MessageState.READY if verdict.at is not None else MessageState.SUPPRESSED
        values = {
            **self.values,
            "state": state,
            "raw": None,
            "reason": verdict.reason,
            "not_before": verdict.at,
            "joined": verdict.joins,
            "settled_at": present if verdict.at is None else None,
        }
        return self._replace(state=state, values=values, link=None)


async def plan(
    connection: Connection, rows: Sequence[PlannedMessage], present: datetime, *, quiet_hours: bool
) -> tuple[list[PlannedMessage], list[TimelineEvent]]:
    """Decide of each mail that nobody has to read whether it goes now, later, with another one, or not at all.

    Returns:
        The rows as decided, and what is told of those that do not go now.
    """
    found: dict[str, list[Planned]] = {}
    nice = [row for row in rows if row.state is MessageState.READY and row.weight is Weight.NICE]
    worst = None
    if nice:
        account, people = nice[0].values["account"], [row.values["person"] for row in nice]
        found = await scheduled.planned(connection, account, people, present - _TWO_MONTHS)
        worst = await support_case.has_worst(connection, account)
    decided, entries = [], []
    for row in rows:
        held = MailVerdict(None, NO_NEWS) if row.letter.has_no_news else None
        if held is None and worst is not None and row.state is MessageState.READY:
            held = held_back(row.letter, present)
        verdict = held or await _verdict(connection, row, found, present, quiet_hours=quiet_hours)
        decided.append(row.as_decided(verdict, present))
        if verdict.at != present:
            entries += of_verdict(outbox.Message.model_validate(decided[-1].values), verdict, present)
    return decided, entries


def held_back(letter: MessageDraft, present: datetime) -> MailVerdict | None:
    """Until when a mail waits as the account has an open case of severity 1; nothing if it does not wait for that."""
    reader, occasion = letter.reader, letter.occasion
    if reader is None or not attention.is_promotional(occasion.purpose, weight_of(occasion)):
        return None
    return attention.after_the_worst(present, reader.schedule, occasion.stale_at)


async def _verdict(
    connection: Connection,
    row: PlannedMessage,
    found: Mapping[str, Sequence[Planned]],
    present: datetime,
    *,
    quiet_hours: bool,
) -> MailVerdict:
    """What is to become of one mail, given what is planned for each reader."""
    reader = row.letter.reader
    if row.state is not MessageState.READY:
        return MailVerdict(present)
    if reader is None:
        occasion = row.letter.occasion
        told_already = await not_delivered.told_already(connection, occasion, row.values["person"], present)
        return told_already or await _of_a_review(connection, row, present)

    def decide(*, may_join: bool) -> MailVerdict:
        return attention.decide(
            present,
            reader.schedule,
            row.weight,
            attention_budget(reader.personas),
            found.get(reader.id, ()),
            until=row.letter.occasion.stale_at,
            may_join=may_join,
            quiet_hours=quiet_hours,
        )

    # Only what has no link of its own can stand in another mail.
    verdict = decide(may_join=row.link is None)
    if verdict.joins is not None and not await scheduled.take_in(connection, verdict.joins):
        return decide(may_join=False)
    return verdict


async def _of_a_review(connection: Connection, row: PlannedMessage, present: datetime) -> MailVerdict:
    """What is told of a review goes to a member once a day, and so does each question that it asks, once it changed.

    Whoever decided it hears at once what came of that.
    """
    occasion, member = row.letter.occasion, row.letter.company.members.get(row.values["person"])
    facts = occasion.tech_review
    if facts is None or occasion.meeting is not None or member is None:
        return MailVerdict(present)
    if occasion.email == "review_asked":
        last = await outbox.asked_last(connection, occasion, member.id)
        verdict = attention.once_a_day(present, last, member.schedule)
        due = occasion.task.deadline if occasion.task is not None else None
        return verdict if due is None or verdict.at is None or verdict.at < due else MailVerdict(present)
    if occasion.email == "review_withdrawn":
        # At once: nobody works on it in vain. Who never heard that it was asked for, nor spoke, has nothing to hear.
        spoke = {one.by for one in (*facts.remarks, *await tech_review.remarks(connection, facts.ref))}
        knows = await outbox.was_sent(connection, occasion.workflow_id, "review_submitted", member.id)
        return MailVerdict(present) if knows or member.id in spoke else MailVerdict(None, REVIEW_WITHDRAWN)
    decided = occasion.email == "review_decided" and member.id in deciders(facts.remarks)
    if decided or occasion.purpose is not Purpose.NOTICE:
        return MailVerdict(present)
    last = await outbox.told_last(connection, occasion.workflow_id, member.id)
    verdict = attention.once_a_day(present, last, member.schedule)
    if occasion.email == "review_due" and facts.what != "overdue" and verdict.at != present:
        # The other one names the date as well, and by tomorrow there is another number of days left.
        return MailVerdict(None, verdict.reason)
    return verdict


def letters_of(
    mail_settings: MailSettings, company: VendorContext, occasion: MessageRequest, said: Mapping[str, str]
) -> list[MessageDraft]:
    """One draft for each reader of a message request."""
    return [
        MessageDraft(
            mail_settings=mail_settings,
            company=company,
            occasion=occasion,
            key=key_of(occasion, id_),
            to=person,
            person=id_,
            said=said,
        )
        for id_ in _readers(company, occasion)
        if (person := reader(mail_settings, company, occasion, id_)) is not None
    ]


def _readers(company: VendorContext, occasion: MessageRequest) -> Sequence[str]:
    """The ids of those whom an occasion's mails are for. What was asked for as the TAM is answered to today's."""
    if (
        occasion.asked_of is not None
        and isinstance(company, AccountContext)
        and company.account.tam != occasion.asked_of
    ):
        return [company.account.tam]
    return occasion.to or having(occasion.personas, company)


def reader(mail_settings: MailSettings, company: VendorContext, occasion: MessageRequest, id_: str) -> Person | None:
    """Whom a mail goes to; of those who have left, only who is told just that."""
    if id_ == CHANNEL:
        return Person("Tech reviews", mail_settings.channel) if mail_settings.channel else None
    return company.leaver(id_) if occasion.purpose is Purpose.PARTING else company.person(id_)


async def of_the_day(connection: Connection, letters: Sequence[MessageDraft], present: datetime) -> list[MessageDraft]:
    """Morning mails with what they tell; nobody gets one that tells nothing any more, or who has left meanwhile."""
    told = []
    for letter in letters:
        member = letter.company.members[letter.person]
        today = await agenda.day(connection, member, present)
        if member.left_at is None and not today.is_quiet:
            told.append(replace(letter, day=today))
    return told


def was_told(occasion: MessageRequest, known: Outcomes) -> bool:
    """Whether somebody has heard the news of a case that this is about, and it is news for nobody else.

    A case that was reset hears what was said again before it hears who has it now.
    """
    told_of_one = occasion.email == CASE_NEWS and occasion.case is not None and occasion.case.said is not None
    return told_of_one and any(state is not MessageState.SUPPRESSED for state in known.states.values())


CASE_NEWS: Final = "case_news"
"""The email by which whoever has a case hears of what was said in it."""


async def known_of(connection: Connection, occasion: MessageRequest, present: datetime) -> Outcomes:
    """What became of those messages of an occasion that an earlier attempt has written."""
    if occasion.account is None:
        return await outbox.outcomes(connection, [key_of(occasion, id_) for id_ in occasion.to], present)
    return await outbox.of_occasion(connection, occasion.account, key_of(occasion, ""), present)


def key_of(occasion: MessageRequest, person: str) -> str:
    # Where each of several people has a to-do of their own, all of them write to the same TAM about the same step.
    about = occasion.task.about if occasion.task is not None else None
    return message_key(
        occasion.story,
        f"{occasion.step}.{about}" if about else occasion.step,
        occasion.attempt,
        occasion.occurrence,
        occasion.round,
        occasion.purpose,
        occasion.email,
        person,
    )


def having(personas: Sequence[str], company: VendorContext) -> list[str]:
    """The contacts who have one of these personas at this moment."""
    if not isinstance(company, AccountContext):
        return []
    return [contact.id for contact in audience.holding(personas, company.contacts.values())]


def told(message: outbox.Message | outbox.Lease, kind: str, state: MessageState, at: datetime) -> list[TimelineEvent]:
    """What its account's timeline is told of a message: nothing where it belongs to no account's story."""
    if message.account is None:
        return []
    key = f"{message.key}/{state}"
    if state in NOT_DELIVERED:
        # It may fail again, once it was sent again.
        key += f"/{message.fence}"
    return [
        TimelineEvent(
            key=key,
            account=message.account,
            at=at,
            kind=kind,
            step=message.step,
            who=message.person,
            about=message.key,
        )
    ]


def of_verdict(message: outbox.Message, verdict: MailVerdict, present: datetime) -> list[TimelineEvent]:
    """What the timeline is told of a mail that does not go now: when it goes, what it joined, or why it stays."""
    if verdict.joins is not None:
        entries = told(message, "message.joined", MessageState.SUPPRESSED, present)
        return [entry.model_copy(update={"about": verdict.joins}) for entry in entries]
    if verdict.at is None:
        return suppressed(message, present, verdict.reason or "")
    if verdict.at == present:
        return []
    return [
        entry.model_copy(
            update={
                "key": f"{message.key}/scheduled/{verdict.at.isoformat()}",
                "about": verdict.reason,
                "instant": verdict.at,
            }
        )
        for entry in told(message, "message.scheduled", MessageState.READY, present)
    ]


def shortened(message: outbox.Message, at: datetime, left_out: Sequence[str]) -> list[TimelineEvent]:
    """What the timeline is told of a mail whose blocks are left out; once, however often it is written again."""
    if not left_out:
        return []
    entries = told(message, "message.shortened", MessageState.READY, at)
    said = {"key": f"{message.key}/shortened/{'+'.join(sorted(left_out))}", "about": claims.about(left_out)}
    return [entry.model_copy(update=said) for entry in entries]


def suppressed(message: outbox.Message, at: datetime, reason: str) -> list[TimelineEvent]:
    entries = told(message, "message.suppressed", MessageState.SUPPRESSED, at)
    return [entry.model_copy(update={"about": reason}) for entry in entries]
