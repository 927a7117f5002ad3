"""From ids to the words of a mail: whom it goes to, what it may say to them, and its frozen bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Final, get_args
from zoneinfo import ZoneInfo

from rapport.mail import cadence, compose, emails, invite, support_case, tech_review
from rapport.mail.cadence import OnRecord
from rapport.mail.compose import DRAFT_TOKEN, Edits, Envelope, MailWords, Person
from rapport.mail.context import AccountContext, MailSettings, VendorContext
from rapport.mail.filters import city, clock
from rapport.model.account import BUSINESS, CHAMPION, Contact, ContactWork, Fact
from rapport.model.base import UserError
from rapport.model.commands import read_by
from rapport.model.message import (
    ChangeFacts,
    ErasureFacts,
    HandoverFacts,
    MeetingFacts,
    MessageRequest,
    Purpose,
    TaskFacts,
)
from rapport.model.scenario import scenario_titles
from rapport.model.step import Review
from rapport.model.tech_review_facts import TechReviewFacts
from rapport.rules import audience
from rapport.rules.attachment import File
from rapport.rules.escalation import within_hours
from rapport.rules.outcome_words import in_words
from rapport.rules.wording import noun, seat
from rapport.storage.access import LINK_LIFE, SIGN_IN_LIFE, Link
from rapport.storage.agenda import Agenda

RESULTS: Final = {
    "approve": "Approved",
    "deny": "Declined",
    "sign_off": "Signed off",
    "done": "Done",
    "not_needed": "Not needed",
    "withdrawn": "Withdrawn",
    "elsewhere": "Done elsewhere",
    "skipped": "Skipped",
    "cancelled": "Canceled",
}
"""What an outcome is once it is one; of others the option's title says it."""

LINKED = frozenset({Purpose.PROPOSAL, Purpose.REMINDER, Purpose.TASK, Purpose.INVITATION})
"""The mails whose reader answers through a personal link, or says by it that they cannot come."""


@dataclass(frozen=True)
class MessageDraft:
    """One mail to one person, before it has bytes.

    Attributes:
        said: What submissions say that the mail quotes, by id.
        day: What a morning mail tells.
        files: What is attached.
        on_record: What a digest, brief or follow-up speaks of.
        left_out: The claims that do not hold, whose blocks are left out.
        guests: The mails that have become a part of this one, each with a member's changes.
    """

    mail_settings: MailSettings
    company: VendorContext
    occasion: MessageRequest
    key: str
    to: Person
    person: str
    said: Mapping[str, str] = field(default_factory=dict)
    day: Agenda | None = None
    files: tuple[File, ...] = ()
    on_record: OnRecord | None = None
    guests: tuple[tuple[MessageDraft, Edits], ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def reader(self) -> Contact | None:
        """The contact whom it goes to; nothing where a member gets it, whose mails all go at once."""
        return self.company.contacts.get(self.person) if isinstance(self.company, AccountContext) else None

    @property
    def _to(self) -> Person:
        """Whom it speaks to, as whichever of their personas the occasion and the email are for."""
        return self.to.asked_as(self.occasion.personas).asked_as(emails.audience(self.occasion.email))

    @property
    def review(self) -> Review:
        """Who sends it. What answers or reminds goes by itself, whatever the account wants to read."""
        if self._has_nothing_to_tell:
            return "write"
        if self.occasion.purpose in (Purpose.PROPOSAL, Purpose.MESSAGE, Purpose.DIGEST):
            return self.company.review(self.occasion.review)
        # A case's owner reads what was drafted for their customer, whatever the account lets go by itself.
        return self.occasion.review if self.occasion.purpose is Purpose.UPDATE else "auto"

    @property
    def has_no_news(self) -> bool:
        """Whether it sums up days of which nothing is on record."""
        found = self.on_record.evidence if self.on_record is not None else None
        return self.occasion.purpose is Purpose.DIGEST and found is not None and found.is_empty

    @property
    def _has_nothing_to_tell(self) -> bool:
        """Whether it follows a review of which nobody wrote down what was agreed: then it is an empty thank-you."""
        rhythm = self.occasion.rhythm
        if self.occasion.purpose is not Purpose.MESSAGE or rhythm is None or rhythm.review is None:
            return False
        said = self.on_record.minutes if self.on_record is not None else None
        return said is None or not (said.actions or said.short_term or said.long_term)

    @property
    def meeting(self) -> MeetingFacts | None:
        """What the mail says of a meeting."""
        return self.occasion.meeting

    def words(self, edits: Edits, token: str = DRAFT_TOKEN) -> MailWords:
        """The mail's words. Without a token they are a draft's, whose link leads nowhere."""
        link = self.mail_settings.link(token)
        if edits.body is not None:
            edits = Edits(
                edits.subject, edits.paragraph, edits.body.replace(self.mail_settings.link(DRAFT_TOKEN), link)
            )
        sections = [guest._section(changes) for guest, changes in self.guests]
        return compose.write(self.occasion.email, self._context(link), edits, sections)

    def _section(self, edits: Edits) -> compose.Section:
        """The mail as a part of another one; only what has no link of its own becomes that."""
        return compose.section(self.occasion.email, self._context(self.mail_settings.link(DRAFT_TOKEN)), edits)

    def freeze(self, edits: Edits, token: str, date: datetime) -> tuple[str, bytes]:
        """The mail's subject and its bytes, made once."""
        envelope = Envelope(
            key=self.key,
            sender=self.mail_settings.sender,
            recipient=self.to,
            tam=self._writer or self.company.writer(self.mail_settings.sender),
            thread=f"{self.occasion.story}/thread/{self.person}",
            secret=self.mail_settings.secret,
            date=date,
        )
        words = self.words(edits, token)
        return words.subject, compose.freeze(words, envelope, self._calendar(date), self.files)

    def link(self, date: datetime) -> Link | None:
        """What the mail's personal link may do, if it has one."""
        if self.occasion.purpose is Purpose.SIGN_IN:
            return Link(
                person=self.person,
                purpose="sign_in",
                workflow_id=self.occasion.workflow_id,
                round=self.occasion.round,
                expires_at=date + SIGN_IN_LIFE,
            )
        asks = self.occasion.task is not None or (self.meeting is not None and self.meeting.proposal is not None)
        if self.occasion.purpose not in LINKED or not asks:
            return None
        if self.occasion.purpose is Purpose.INVITATION and (self.reader is None or not self._is_booked):
            return None
        return Link(
            account=self.occasion.account,
            person=self.person,
            purpose="vote" if self.occasion.task is None else "task",
            workflow_id=self.occasion.workflow_id,
            round=self.occasion.round,
            expires_at=date + LINK_LIFE,
        )

    @property
    def _is_booked(self) -> bool:
        booking = self.meeting.booking if self.meeting is not None else None
        return booking is not None and not booking.called_off

    @property
    def _writer(self) -> Person | None:
        """Who writes a mail and gets the answers, where that is not the TAM: a meeting's host, or a case's owner.

        A case's owner reads those of their own case as the TAM's.
        """
        if self.meeting is not None and self.meeting.ours:
            return self.company.person(self._customer.host(self.meeting).id)
        found = self.on_record.case if self.on_record is not None else None
        mine = found is not None and found.owner is not None and found.owner.id == self.person
        return found.writer if found is not None and not mine else None

    def _context(self, link: str) -> dict[str, Any]:
        meeting, rhythm, case = self.meeting, self.occasion.rhythm, self.occasion.case
        on_case = self.on_record.case if self.on_record is not None else None
        product = self.on_record.product if self.on_record is not None else None
        return {
            **self.company.context(self.to, self.mail_settings.public_url),
            **({"vendor": self.company.vendor.model_copy(update={"product": product})} if product else {}),
            **({"tam": self._writer} if self._writer is not None else {}),
            "case": support_case.context(on_case, case, self.mail_settings.public_url) if on_case and case else None,
            "to": self._to,
            "link": link,
            "left_out": self.left_out,
            "pages": self.mail_settings.public_url,
            "day": self.day,
            **self._work(),
            "slots": meeting.proposal.slots if meeting and meeting.proposal else (),
            "meeting": self._meeting_context(self._customer, meeting) if meeting else None,
            "task": self._task_context(self.occasion.task) if self.occasion.task else None,
            "rhythm": cadence.context(self._customer, rhythm, self.to, self.on_record) if rhythm else None,
            "contract": cadence.of_contract(self.on_record),
            "evidence": cadence.evidence(self.on_record),
            "handover": self._handover_context(self.occasion.handover) if self.occasion.handover else None,
            "erasure": self._erasure_context(self.occasion.erasure) if self.occasion.erasure else None,
            "announcement": self.occasion.announcement,
            "review": self._review_context(self.occasion.tech_review),
        }

    def _review_context(self, facts: TechReviewFacts | None) -> dict[str, Any] | None:
        names = {id_: name for id_ in (facts.people() if facts else ()) if (name := self._name(id_))}
        if facts is None:
            return None
        scenarios = scenario_titles(self.mail_settings.data)
        return tech_review.context(facts, self.said, names, self.mail_settings.public_url, scenarios, self.person)

    def _handover_context(self, handover: HandoverFacts) -> dict[str, Any]:
        former, until = self.company.members.get(handover.former), handover.until
        if former and until and until.astimezone(ZoneInfo(former.schedule.zone)).time() == time():
            # The end of a whole day: told by the day that still belongs to it.
            until -= timedelta(minutes=1)
        return {
            "former": self._name(handover.former),
            "until": until,
            "back": handover.back,
            "reason": self.said.get(handover.submission or ""),
        }

    def _erasure_context(self, erasure: ErasureFacts) -> dict[str, Any]:
        return {
            "by": self._name(erasure.by),
            "until": erasure.until,
            "reason": self.said.get(erasure.submission),
        }

    def _work(self) -> dict[str, Any]:
        """What is known of the reader's work, and what there is to read about it."""
        contact = self.company.contacts.get(self.person) if isinstance(self.company, AccountContext) else None
        work = contact.work if contact else ContactWork()
        about = self.mail_settings.library.about
        return {
            "work": work,
            "shelves": {
                "languages": about(work.languages),
                "deployment": about(work.deployment),
                "previous_tools": about(work.previous_tools),
            },
        }

    def _task_context(self, task: TaskFacts) -> dict[str, Any]:
        titles = dict(task.options)
        outcome = task.outcome or ""
        answers = [
            {
                "who": self._name(one.by),
                "option": titles.get(one.option, one.option.replace("_", " ")),
                "reason": self.said.get(one.submission),
            }
            for one in task.answers
        ]
        return {
            "title": self._title(task),
            "noun": noun(self._title(task)),
            "kind": task.kind,
            "record": self._record(task),
            "round": self.occasion.round,
            "deciders": [name for id_ in task.deciders if (name := self._name(id_))],
            "changes": self.said.get(task.changes or ""),
            "question": task.question,
            "asks": [name.replace("_", " ") for name in task.asks],
            "said": [(name.replace("_", " "), text) for name, text in self._request(task).items()],
            "deadline": self._due(task),
            "requester": self._name(task.requester),
            "in_place_of": self._name(task.in_place_of.get(self.person)),
            "helps": self.person in task.helping,
            "helped": bool(task.helping),
            "asked_by": self._name(task.asked_by),
            "missing": self.said.get(task.asked or "", ""),
            "answer": self.said.get(task.answered or ""),
            "outcome": in_words(outcome, titles),
            "settled": answers[-1]
            if answers and outcome not in titles and task.answers[-1].option == outcome
            else None,
            "result": RESULTS.get(outcome) or titles.get(outcome, "No decision"),
            "decided": outcome in titles,
            "answers": answers,
            "rule": _rule(task, titles) if len(answers) > 1 else None,
            "decided_by": answers[0]["who"] if len(answers) == 1 else None,
            "reason": answers[0]["reason"] if len(answers) == 1 else None,
            "refusal": task.refusal,
        }

    def _due(self, task: TaskFacts) -> datetime | None:
        """When it is due: of a review, which asks people of several zones at once, in their own working hours."""
        member = self.company.members.get(self.person)
        if task.deadline is None or member is None or task.kind != "review":
            return task.deadline
        return within_hours(task.deadline, self.occasion.now, [member.schedule])

    def _title(self, task: TaskFacts) -> str:
        about = self._name(task.about)
        return f"{self.occasion.title} ({about})" if about else self.occasion.title

    def _record(self, task: TaskFacts) -> str | None:
        """The command that records what a to-do is to find out."""
        about = self.company.person(task.about) if task.about and task.finds_out else None
        if about is None:
            return None
        command = audience.recording(self.occasion.account or "", about.email, task.finds_out)
        return read_by(command, self.to.email)

    def _request(self, task: TaskFacts) -> dict[str, str]:
        """What the requester said, by what they were asked for."""
        said = self.said.get(task.request or "")
        return {str(name): str(text) for name, text in json.loads(said).items()} if said else {}

    def _name(self, id_: str | None) -> str | None:
        person = self.company.person(id_) if id_ else None
        return person.name if person else None

    @property
    def _customer(self) -> AccountContext:
        """The account's people: only a mail of an account speaks of meetings."""
        assert isinstance(self.company, AccountContext)
        return self.company

    def _meeting_context(self, company: AccountContext, meeting: MeetingFacts) -> dict[str, Any]:
        people_ = [company.person(company.host(meeting).id)]
        people_ += [company.person(invitee.id) for invitee in meeting.proposal.invitees] if meeting.proposal else []
        silent = [company.person(id_) for id_ in meeting.silent]
        return {
            "title": meeting.title,
            "noun": noun(meeting.title),
            "step": meeting.step,
            # Another attempt's times take the place of the earlier ones, as another round's do.
            "round": max(self.occasion.round, min(self.occasion.attempt, 2)),
            "minutes": meeting.minutes,
            "where": meeting.where,
            "agenda": meeting.agenda,
            "material": sum(minutes for _, minutes in meeting.agenda),
            "deadline": self._reply_by(meeting),
            "start": meeting.booking.start if meeting.booking else None,
            "end": meeting.booking.end if meeting.booking else None,
            "moved": meeting.update == "time",
            "again": meeting.update == "round",
            "new_host": company.host(meeting).name if meeting.update == "host" else None,
            "place": company.place(meeting),
            "join_url": company.place(meeting),
            "people": [person.name for person in people_ if person],
            "silent": [person.name for person in silent if person],
            "guests": [self._guest(one.id, meeting) for one in meeting.proposal.invitees if one.id in company.contacts]
            if meeting.proposal
            else [],
            "suggested": [(name, start) for id_, start in meeting.suggested if (name := self._name(id_))],
            "change": self._change_context(meeting.change) if meeting.change else None,
            "reason": meeting.reason,
            "outside": self._outside(meeting),
        }

    def _outside(self, meeting: MeetingFacts) -> list[tuple[datetime, list[str]]]:
        """The times on offer outside of somebody's working hours: the reader's own, and to the host everyone's."""
        found = []
        for slot in meeting.proposal.slots if meeting.proposal else ():
            late = [one for id_ in slot.outside if (one := self.company.members.get(id_)) is not None]
            whose = ["your"] if any(one.id == self.person for one in late) else []
            if meeting.proposal is not None and self.person == meeting.proposal.tam:
                whose += [
                    f"{one.name}’s ({clock(slot.start, one.schedule.zone)} in {city(one.schedule.zone)})"
                    for one in late
                    if one.id != self.person
                ]
            if whose:
                found.append((slot.start, whose))
        return found

    def _guest(self, id_: str, meeting: MeetingFacts) -> dict[str, Any]:
        """Somebody who is invited, as the host is told of them: what is known of their work, and what is not."""
        contact = self._customer.contacts[id_]
        works = not {CHAMPION, BUSINESS} & set(contact.personas)
        return {
            "name": contact.name,
            "role": contact.role,
            "comes": id_ in meeting.coming,
            "languages": contact.work.languages,
            "deployment": contact.work.deployment,
            "tools": contact.work.previous_tools,
            "unknown": [fact.replace("_", " ") for fact in contact.work.unknown(get_args(Fact))] if works else [],
        }

    def _change_context(self, change: ChangeFacts) -> dict[str, Any]:
        return {
            "who": self._name(change.by),
            "kind": change.kind,
            "start": change.start,
            "note": self.said.get(change.submission),
            "follows": change.follows,
        }

    def _reply_by(self, meeting: MeetingFacts) -> datetime | None:
        """Until when somebody can answer a poll: one among us, whose people are all over the world, in their hours."""
        deadline = meeting.proposal.deadline if meeting.proposal else None
        member = self.company.members.get(self.person)
        if deadline is None or member is None or not meeting.ours:
            return deadline
        return within_hours(deadline, self.occasion.now, [member.schedule])

    def _calendar(self, stamp: datetime) -> tuple[str, bytes] | None:
        meeting = self.meeting
        invites = self.occasion.purpose in (Purpose.INVITATION, Purpose.PARTING)
        if invites and self.occasion.rhythm is not None:
            return cadence.calendar(self._customer, self.occasion, self.mail_settings.sender, stamp, self.to)
        if not invites or meeting is None or meeting.booking is None:
            return None
        company, parts = self._customer, self.occasion.purpose is Purpose.PARTING
        attendees = [
            invite.Attendee(person.name, person.email, required=id_ in meeting.required)
            for id_ in meeting.attendees or self.occasion.to
            if (person := company.person(id_)) is not None
        ]
        if parts:
            # Whoever is taken off a meeting that goes ahead is told alone (RFC 5546, 3.2.5).
            attendees = [invite.Attendee(self.to.name, self.to.email, required=False)]
        remote = meeting.where == "remote"
        place = company.place(meeting)
        agenda = "\n".join(f"{minutes} min: {topic}" for topic, minutes in meeting.agenda)
        link = place if remote and place else None
        invitation = invite.Invitation(
            uid=f"{meeting.uid}@{self.mail_settings.sender.partition('@')[2]}",
            sequence=meeting.booking.sequence,
            stamp=stamp.replace(microsecond=0),
            start=meeting.booking.start,
            end=meeting.booking.end,
            zone=(company.host(meeting) if meeting.ours else company.champion).schedule.zone,
            summary=f"{meeting.title}, {company.account.name}"
            if meeting.ours
            else f"{company.account.name} / {company.vendor.name}: {meeting.title}",
            description=f"{agenda}\n\nJoin: {link}" if link else agenda,
            location=place,
            join_url=link,
            organizer_name=company.host(meeting).name,
            organizer=self.mail_settings.sender,
            attendees=tuple(attendees),
            alarm_minutes=None,
        )
        try:
            if meeting.booking.called_off or parts:
                return "CANCEL", invite.cancel(invitation)
            return "REQUEST", invite.request(invitation)
        except invite.ListedTwiceError:
            raise UserError(
                "the invitation can't be written: two people have the same address", field="meeting"
            ) from None
        except ValueError:
            # Its words could name people, and a refusal is written into histories.
            raise UserError("the invitation cannot be written", field="meeting") from None


def _rule(task: TaskFacts, titles: Mapping[str, str]) -> str:
    """By which rule several answers make an outcome, in a sentence or two."""
    rules = {"any": "The first answer decides.", "all": "Everyone has to agree.", "majority": "More than half decide."}
    needed = [f"“{titles[option]}” needs the {seat(whose)}’s own word." for option, whose in task.needs.items()]
    return " ".join([rules.get(task.quorum, f"{task.quorum} have to agree."), *needed])
