"""What a timeline says of each kind of event: a table of sentences, and the words that they speak of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rapport.model.account import personas
from rapport.model.ids import number_in, person_of, purpose_of
from rapport.rules import audience, tech_review
from rapport.rules.drafting import together
from rapport.rules.outcome_words import in_words
from rapport.rules.sla import FOLLOW_UP_AFTER
from rapport.rules.todo_template import NO_TIME
from rapport.rules.wording import amount, seat
from rapport.storage.addresses import GONE
from rapport.storage.timeline import TimelineRecord

SENTENCES: Final[Mapping[str, str]] = {
    "onboarding.started": "Onboarding started, by the playbook {words}",
    "onboarding.renewed": "The contract is renewed; what was to prepare that has ended",
    "stage.reached": "Next stage: {words}",
    "stage.reached done": "Every stage is reached",
    "step.began": "{step} began",
    "step.ended": "{step} {ended}",
    "step.ended runs": "{step} recurs from now on",
    "step.ended ran already": "{step} recurs already",
    "contact.replaced": "{person} follows {who}{by}",
    "contact.added": "{who} is {persona} from now on{by}",
    "contact.erased": "A contact, {persona}, was erased from everything on record{by}",
    "contact.removed": "{who}, {persona}, is no contact any more{by}",
    "contact.edited": "What is known of {who} has changed: {words}",
    "account.erasure_asked": "{who} asks for the account to be erased; a second person has to confirm it",
    "account.erasure_withdrawn": "{who} no longer asks for the account to be erased",
    "account.erased": "The account was erased, as {who} confirmed",
    "account.handed_over": "{who} takes over from {person}{until}{by}",
    "account.handed_back": "{who} is back; {person} no longer stands in",
    "account.vacant": "On hold: {missing}. What needs one continues once someone is named",
    "account.without": "Started although {missing}: steps go without, or wait where they can't",
    "account.complete": "Everyone is there again. What was on hold continues",
    "operation.pause": "{who} paused the onboarding",
    "operation.resume": "{who} resumed the onboarding",
    "operation.skip": "{who} left out {step}",
    "operation.redo": "{who} has {step} done once more",
    "operation.complete": "{step} was done elsewhere, says {who}",
    "operation.adopt": "{who} had the account follow another playbook",
    "operation.cancel": "{who} cancelled the onboarding",
    "meeting.joined": "{step}: {who} takes part now",
    "meeting.left": "{step}: {who} takes part no more",
    "meeting.undecided": "{step}: everyone is welcomed; times follow once it is known how it is held",
    "meeting.proposed": "{step}: {count} times proposed",
    "meeting.proposed 0": "{step}: no time works for everyone who is required",
    "meeting.outside_hours": "{step}: the proposed times include some outside {who}’s working hours",
    "meeting.stuck": "{step}: no time agreed ({about}); the TAM was told",
    "meeting.time_taken": "{step}: the TAM is no longer free on {when}; that time is off the table",
    "meeting.booked": "{step} booked for {when} by {who}",
    "meeting.booked agreed": "{step} booked for {when} as agreed in the room",
    "meeting.booked vote": "{step} booked for {when} by vote",
    "meeting.booked deadline": "{step} booked for {when} at the deadline",
    "meeting.moved": "{step} moved to {when} by {who}",
    "meeting.held": "{step} was held, says {who}",
    "meeting.given_up": "{step}: nobody ever said how it went",
    f"meeting.given_up {NO_TIME}": "{step}: no time was found",
    "meeting.wanted": "{who} proposed a meeting: {step}",
    "meeting.move_asked": "{step}: {who} asked for another time",
    "meeting.declined": "{step}: {who} can't attend",
    "meeting.canceled": "{who} canceled {step}",
    "meeting.asked_again": "{step}: {who} asked for new times",
    "meeting.called_off": "{step} on {when} is called off",
    "invitation.called_off": "{step} on {when}: the invitation was canceled",
    "meeting.conversion_offered": (
        "{step}: the visit was approved after its time; the TAM is asked whether to hold it on site"
    ),
    "meeting.minutes": "{step}: {who} corrected the minutes",
    "meeting.no_show": "{step}: nobody came, says {who}; new times follow",
    "vote.cast": "{who} answered: {times}",
    "vote.refused": "An answer of {who} came too late: {about}",
    "vote.late": "{who} replied to the time poll for {step} after it had closed: {times}",
    "calendar.unreadable": "{step}: the TAM's calendar could not be read; only working hours were respected",
    "drafts.approved": "{who} approved {drafts}",
    "drafts.held": "{who} held back {drafts}",
    "drafts.unread": "Nobody read {drafts} in time; held back",
    "drafts.refused": "What {who} said of drafts came too late: {about}",
    "workflow.began_again": "{who} continued {workflow}, which was ended in Temporal",
    "workflow.left_ended": "{who} left {workflow} ended, as it was in Temporal",
    "word.refused": "What {who} said does not count: {about}",
    "message.drafted": "Draft to {who} waits for the TAM",
    "message.sent": "Mail to {who}: {purpose}",
    "message.scheduled": "Mail to {who} waits until {when}: {about}",
    "message.joined": "Mail to {who} became part of another one of the same day",
    "message.shortened": "Email to {who} goes without what is no longer so: {about}",
    "message.suppressed": "Mail to {who} does not go: {about}",
    "message.failed": "Mail to {who} failed for good",
    "message.unknown": "Mail to {who}: nobody can say whether it arrived",
    "message.sent_again": "{who} had the email to {reader} sent again",
    "message.confirmed": "{who} confirmed that the email to {reader} arrived",
    "message.told_elsewhere": "{who} told {reader} another way what the email says",
    "message.refused": "A mail could not be written: {about}",
    "cadence.began": "From now on meetings recur",
    "cadence.ended": "Nothing recurs any more",
    "cadence.pause": "{who} paused what recurs",
    "cadence.resume": "{who} resumed what recurs",
    "cadence.adopt": "{who} had what recurs follow another playbook",
    "cadence.cancel": "{who} cancelled what recurs",
    "cadence.missed": "{step} of {when} was missed: its brief and digest",
    "cadence.missed review": "{step} of {when} was missed: whose times nobody was offered",
    "rhythm.added": "{step} recurs from now on",
    "rhythm.changed": "{step} recurs as the adopted playbook says",
    "rhythm.removed": "{step} is no longer in the playbook, and does not recur any more",
    "sync.begun": "{step}: everyone is invited to the series, from {when} on",
    "sync.changed": "{step}: everyone is invited anew, from {when} on",
    "sync.set": "{step}: {who} set the standing time",
    "sync.no_time": "{step}: no time works for everyone who is required; the TAM was told",
    "sync.moved": "{step} of {about} moved to {when} by {who}",
    "sync.skipped": "{step} of {about} called off by {who}",
    "sync.away": "{step} of {about} canceled: the TAM is out of office then",
    "sync.taken": "{step} of {about} canceled: the TAM has another meeting then",
    "sync.held": "{step} of {when} counts as held",
    "sync.not_held": "{step} of {when} was not held, says {who}",
    "review.offered": "{step} {about}: its times are offered, for {when} or the days after",
    "review.ended": "{step} ended: {outcome}",
    "tech_review.submitted": "{step}: {who} asks for a technical review",
    "tech_review.edited": "{step}: {who} changed the request; everybody is heard anew",
    "tech_review.revisit": "{step} comes back, as agreed; everybody is heard anew",
    "tech_review.silent": "{step}: no word of {words} in time",
    "tech_review.said": "{step}: {who}{side} commented",
    "tech_review.said in_favour": "{step}: {who}{side} supports it",
    "tech_review.said in_favour_if": "{step}: {who}{side} supports it with conditions",
    "tech_review.said against": "{step}: {who}{side} opposes it",
    "tech_review.said no_objection": "{step}: {who}{side} has no objection",
    "tech_review.recommended": "{step}: {who} recommends: {outcome}",
    "tech_review.referred": "{step}: no one can recommend on behalf of the requester, so leadership decides",
    "tech_review.decided": "{step} is decided: {outcome}",
    "tech_review.leadership_told": "{step}: leadership is told that it is due in {left}, on {when}",
    "tech_review.leadership_told half_time": "{step}: leadership is told that half of the time is gone until {when}",
    "tech_review.overdue": "{step} is overdue: the customer needed to know by {when}",
    "tech_review.told": "{step}: the answer is approved and goes to the customer, in the words of {who}",
    "tech_review.unsettled": "{step}: what the message promises can't be read, so it is written again",
    "tech_review.acknowledged": "{step}: {who} confirmed that they read it",
    "tech_review.not_acknowledged": "{step}: the customer never confirmed that they read it",
    "tech_review.meeting_asked": "{step}: {who} asks for a live meeting",
    "tech_review.meeting_offered": "{step}: teams disagree, so a live meeting is offered",
    "tech_review.meeting": "{step}: the live meeting: {outcome}",
    "tech_review.withdrawn": "{step}: withdrawn by {who}",
    "blocker.raised": "{who} noted a blocker",
    "blocker.checked": "{who} looked at a blocker",
    "blocker.removed": "{who} removed a blocker",
    "action.done": "An action is done, says {who}",
    "data.incident_closed": "{who} says that an incident is over",
    "data.usage": "{who} brought usage figures up to date: {about}",
    "data.incidents": "{who} brought incidents up to date: {about}",
    "data.projects": "{who} brought projects up to date: {about}",
    "data.wins": "{who} brought wins up to date: {about}",
    "data.roadmap": "{who} brought the roadmap up to date: {about}",
    "gate.shut": "The {words} gate is shut; what waits for it does not begin",
    "gate.open": "The {gate} gate is open{opened_by}",
    "triage.asked": "{who} asked their leadership: {words}",
    "gap.logged": "{who} logged the product gap {about}",
    "gap.linked": "{who} linked the product gap {about}",
    "gap.changed": "{who} said where the product gap {about} is",
    "case.opened": "{who} asked support: {case}",
    "case.queued": "{case} waits for somebody at the desk: {about}",
    "case.assigned": "{who} has {case} from now on: {about}",
    "case.chosen": "{who} chose who has {case}",
    "case.owner_away": "{case} is handed on: {about}",
    "case.handed_off": "{who} handed {case} off",
    "case.answered": "{who} answered {case}",
    "case.waiting": "{who} asked the customer about {case}; its clock stands still",
    "case.customer_silent": f"{{case}}: the customer has not answered for {FOLLOW_UP_AFTER} working days",
    "case.customer_said": "{who} wrote on {case}",
    "case.context": "{who} added what they know to {case}",
    "case.classified": "{who} placed {case} anew",
    "case.reminded": "{case}: half of the promised time is over; it ends on {when}",
    "case.breached": "{case}: the {known} that was promised for {when} did not go out",
    "case.escalated": "{who} put {case} to engineering",
    "case.engineering_answered": "{case}: engineering's answer: {outcome}",
    "case.merged": "{who} made {case} a part of {about}",
    "case.joined": "{about} became a part of {case}",
    "case.split": "{who} split {about} from {case}",
    "case.to_review": "{who} made a draft of a tech review of {case}",
    "case.resolved": "{who} resolved {case}",
    "case.reopened": "{who} opened {case} again",
    "case.paged": "{who} was paged for {case}",
    "case.unpaged": "{case}: {who} could not be paged; the lead is told",
    "case.lead_paged": "{who}, who leads support, was paged for {case}",
    "case.lead_unpaged": "{case}: {who}, who leads support, could not be paged either",
    "case.desk_silent": "{case}: the desk does not answer; it is asked again every minute",
    "case.refused": "{case}: something that {who} did came too late: {about}",
    "task.prepared": "{step}: the TAM is asked what is wanted",
    "task.declined": "{step}: not needed, says {who}",
    "task.opened": "{step} was put to those who decide",
    "task.changed": "{step}: {who} changed the request; everyone decides anew",
    "task.reminded": "{step}: a reminder went out",
    "task.backup_added": "{step}: {who} is asked as well, as backup",
    "task.moved": "{step} passed on to {who}",
    "task.manager_told": "{step}: {who} was told that nobody has decided",
    "task.info_asked": "{step}: {who} needs more information",
    "task.info_given": "{step}: {who} gave the missing information",
    "task.returned": "{step} goes back to the TAM, to be changed",
    "task.unanswered": "{step}: the missing information did not come in time",
    "task.unheld": "{step}: no one can act for {words}, so that seat stays empty",
    "task.closed": "{step} closed: {outcome}",
    "decision.made": "{step}: {decider} chose “{outcome}”{through}",
    "decision.refused": "{step}: a decision of {decider} did not count: {words}{through}",
    "decision.late": "{step}: {decider} came too late with “{outcome}”{through}",
    "decision.late -": "{step}: {decider} came too late{through}",
}
"""By an event's kind; where it depends on what the event is about as well, with that after a space, - for nothing."""

Offered = Mapping[str, Sequence[tuple[datetime, Mapping[str, str]]]]
"""The answers that the tasks of each step offered, by id, with when each task was opened; the latest last."""

_KEY: Final = re.compile(r"(\d+( of \d+)? )?[a-z0-9]+(_[a-z0-9]+)+")
_PREPARATION: Final = "_preparation"
_OF_A_SEAT: Final = frozenset({"tech_review.silent", "task.unheld"})
"""What is told of a seat, of a side or of leadership."""

_TITLES: Final = {"live_meeting": "Live meeting", "people": "The account's people", "escalation": "Escalation"}
_TODOS: Final = {
    "drafts": "its drafts",
    "move": "another time",
    "declined": "who can't attend",
    "time": "finding a time",
    "report": "how it went",
    "conversion": "onsite after all",
    "successor": "who follows",
    "reply": "a late reply",
    "undelivered": "an email that needs attention",
    "unwritten": "an email that couldn't be written",
    "failed": "how it continues",
    "gate": "the review before it",
    "gone": "ended in Temporal",
    "ended": "ended in Temporal",
}
_WORKFLOWS: Final = {
    "onboarding": "the onboarding",
    "cadence": "the recurring meetings",
    "hand-over": "the handover",
    "undelivered": "the question about an email",
    "desk": "the support desk",
}
_PURPOSE: Final = {
    "proposal": "times to choose from",
    "reminder": "reminder",
    "invitation": "calendar invitation",
    "notice": "notice",
    "answer": "an answer to their question",
    "update": "a word on their question",
    "parting": "taken off a meeting",
    "message": "sent",
    "task": "a task",
    "brief": "brief",
    "digest": "digest",
}


def sentence(
    entry: TimelineRecord,
    names: Mapping[str, str],
    titles: Mapping[str, str],
    zone: str,
    roles: Mapping[str, str] | None = None,
    offered: Offered | None = None,
) -> str:
    """One entry in words; the names are looked up now, so that erasing a person erases them here as well.

    Args:
        zone: The zone in which instants are told: the TAM's.
        roles: What a contact is at the account, by id; said where they decide.
        offered: The answers that tasks offered.
    """
    about = entry.about or "-"
    if entry.kind == tech_review.OWN_VIEW:
        about = about.partition(" ")[0]
    told = SENTENCES.get(f"{entry.kind} {about}") or SENTENCES.get(entry.kind, entry.kind)
    return told.format_map(_Words(entry, names, titles, zone, roles or {}, offered or {}))


def called(*held: str) -> str:
    """What somebody with these personas is called within a sentence: "primary champion and primary user"."""
    titles = [personas()[persona].title if persona in personas() else persona for persona in held]
    return together([title[:1].lower() + title[1:] for title in titles])


@dataclass(frozen=True)
class _Words(dict[str, str]):
    """What a sentence can speak of, looked up when it does."""

    entry: TimelineRecord
    names: Mapping[str, str]
    titles: Mapping[str, str]
    zone: str
    roles: Mapping[str, str] = field(default_factory=dict)
    offered: Offered = field(default_factory=dict)

    def __missing__(self, name: str) -> str:
        return str(getattr(self, name))

    @property
    def about(self) -> str:
        """What it is about: sentences as they are, a key in words."""
        said = self.entry.about or ""
        return said.replace("_", " ") if _KEY.fullmatch(said) else said

    @property
    def words(self) -> str:
        about = self.entry.about or ""
        return seat(about) if self.entry.kind in _OF_A_SEAT else about.replace("_", " ")

    @property
    def side(self) -> str:
        """Whose they are who said something for themselves, where they are of a side."""
        side = (self.entry.about or "").partition(" ")[2]
        return f" ({seat(side)}, own view)" if side else ""

    @property
    def outcome(self) -> str:
        """How something ended, or what was answered, as the task that it was answered to calls it."""
        asked = [options for since, options in self.offered.get(self.entry.step or "", ()) if since <= self.entry.at]
        return in_words(self.entry.about or "", asked[-1] if asked else None, self.titles)

    @property
    def workflow(self) -> str:
        """A workflow by what it is for, never by its id."""
        kind, _, of = (self.entry.about or "").partition("/")
        parts = of.split("/")
        if kind in ("meeting", "task") and len(parts) > 1:
            return replace(self, entry=self.entry.model_copy(update={"step": parts[1]})).step
        return parts[0] if kind in ("case", "tech-review") else _WORKFLOWS.get(kind, "a workflow")

    @property
    def count(self) -> int:
        return number_in(self.about) or 0

    @property
    def times(self) -> str:
        return {0: "none of the times work", 1: "one time works"}.get(self.count, f"{self.count} times work")

    @property
    def left(self) -> str:
        return tech_review.left(self.about)

    @property
    def drafts(self) -> str:
        return amount(self.count, "draft")

    @property
    def who(self) -> str:
        return self.names.get(self.entry.who or "", GONE)

    @property
    def by(self) -> str:
        return f", says {self.names.get(self.entry.actor, GONE)}" if self.entry.actor else ""

    @property
    def person(self) -> str:
        return self.names.get(self.entry.about or "", GONE)

    @property
    def reader(self) -> str:
        """Whose an email is, by its key."""
        return self.names.get(person_of(self.entry.about or ""), GONE)

    @property
    def known(self) -> str:
        return self.names.get(self.entry.about or "", self.words)

    @property
    def persona(self) -> str:
        held = (self.entry.about or "").split(",")
        return called(*held) if set(held) <= personas().keys() else self.about

    @property
    def missing(self) -> str:
        return audience.missing([persona for persona in (self.entry.about or "").split(",") if persona in personas()])

    @property
    def _role(self) -> str | None:
        return self.roles.get(self.entry.who or "")

    @property
    def decider(self) -> str:
        return f"{self.who}, {self._role}," if self._role else self.who

    @property
    def through(self) -> str:
        return " through their link" if self._role and self.entry.verified == "link" else ""

    @property
    def when(self) -> str:
        at = self.entry.instant
        return f"{at.astimezone(ZoneInfo(self.zone)):%a %d %b %Y, %H:%M} ({self.zone})" if at else ""

    @property
    def until(self) -> str:
        return f" until {self.when}" if self.when else ""

    @property
    def step(self) -> str:
        """A step's title, beside it that of a to-do which insists on something for it, as `kickoff.report`."""
        name, *_, todo = (
            self.entry.step.split(".") if self.entry.step and "." in self.entry.step else (self.entry.step or "", "")
        )
        title = self.titles.get(name, _TITLES.get(name, name))
        if title == name and name.endswith(_PREPARATION):
            title = f"Preparing {self.titles.get(name.removesuffix(_PREPARATION), 'the review')}"
        title = title.replace("_", " ") if title == name else title
        return f"{title} ({_TODOS.get(todo) or tech_review.asked_for(todo)})" if todo else title

    @property
    def ended(self) -> str:
        return self.words if self.about.startswith("failed") else f"ended: {self.outcome}"

    @property
    def case(self) -> str:
        return self.entry.step or "A case"

    @property
    def purpose(self) -> str:
        return _PURPOSE.get(purpose_of(self.entry.about or ""), "sent")

    @property
    def gate(self) -> str:
        return self.about.partition(" ")[0].replace("_", " ")

    @property
    def opened_by(self) -> str:
        review = self.about.partition(" ")[2]
        return f", by {review}" if review else ""
