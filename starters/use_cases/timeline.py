"""The timeline: what happened to an account, in sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from rapport.mail.support_case import told
from rapport.model.account import personas
from rapport.model.base import Instant, WireModel
from rapport.model.ids import purpose_of
from rapport.model.reading import read_instant
from rapport.rules import audience
from rapport.rules.sla import FOLLOW_UP_AFTER
from rapport.rules.todo_template import NO_TIME
from rapport.rules.wording import amount
from rapport.storage import account as accounts, cadence, contract as contracts, timeline
from rapport.storage.addresses import GONE
from rapport.storage.timeline import TimelineRecord
from starters.services import Services
from starters.use_cases import minutes


class EntryShown(WireModel):
    """Something that happened, as a sentence, with who entered it and what they said.

    Attributes:
        verified: How whoever acted was verified.
        on_behalf_of: The name of the member for whom they decided.
        shown: The SHA-256 of what they were shown, in hex.
    """

    at: Instant
    kind: str
    step: str | None
    what: str
    channel: str | None
    entered_by: str | None
    verified: str | None
    on_behalf_of: str | None
    shown: str | None
    said: str | None


async def timeline_of(
    services: Services, account: str, until: str | None = None, field: str = "until"
) -> list[EntryShown]:
    """An account's record, oldest first.

    Args:
        until: Only what had happened by then: an instant, or a day of the TAM's zone, with all of it.
        field: What `until` is called where it was written.

    Raises:
        UserError: There is no such account, or `until` is no time.
    """
    async with services.store.reading() as connection:
        found = await accounts.account(connection, account)
        names = await accounts.names(connection, account)
        roles = {id_: _called(persona) for id_, persona in (await accounts.personas_of(connection, account)).items()}
        contract = await contracts.latest(connection, account)
        steps = await contracts.milestones(connection, contract.id) if contract else []
        zone = (await accounts.member(connection, found.tam)).schedule.zone
        by = None if until is None else read_instant(until, field, zone, ends=True)
        entries = await timeline.tell(connection, account, by)
        recurring = await cadence.titles(connection, account)
    titles = recurring | {step.step: step.title for step in steps}
    return [
        EntryShown(
            at=entry.at,
            kind=entry.kind,
            step=entry.step,
            what=sentence(entry, names, titles, zone, roles),
            channel=entry.channel,
            entered_by=entry.entered_by,
            verified=entry.verified,
            on_behalf_of=names.get(entry.on_behalf_of, GONE) if entry.on_behalf_of else None,
            shown=entry.shown,
            said=_said(entry, names, titles, zone),
        )
        for entry in entries
    ]


def _said(entry: TimelineRecord, names: dict[str, str], titles: dict[str, str], zone: str) -> str | None:
    """What someone wrote; what was asked for by name, or minuted, stands on a line each."""
    if entry.text is not None and entry.kind in ("meeting.held", "meeting.minutes"):
        return minutes.told(entry.text, names, titles, zone)
    if entry.kind == "case.escalated":
        return told("escalate", entry.text)
    if entry.text is None or entry.kind not in _BY_NAME:
        return entry.text
    return _by_name(entry.text)


def _by_name(text: str) -> str:
    """What was asked for by name, a line each; what was left out has none."""
    said = {name: _in_words(words) for name, words in json.loads(text).items()}
    return "\n".join(f"{name.replace('_', ' ')}: {words}" for name, words in said.items() if words)


def _in_words(said: object) -> str:
    """A value of a form: a text as it is, a link with its version, or several things, in one line."""
    match said:
        case dict():
            return ", ".join(f"{name} {words}" for name, words in said.items() if words)
        case list():
            return ", ".join(str(one) for one in said)
        case _:
            return str(said or "")


def _called(persona: str) -> str:
    title = personas()[persona].title if persona in personas() else persona
    return title[:1].lower() + title[1:]


def sentence(
    entry: TimelineRecord,
    names: dict[str, str],
    titles: dict[str, str],
    zone: str,
    roles: Mapping[str, str] | None = None,
) -> str:
    """One entry in words; the names are looked up now, so that erasing a person erases them here as well.

    Args:
        zone: The zone in which instants are told: the TAM's.
        roles: What a contact is at the account, by id; said where they decide.
    """
    who = names.get(entry.who or "", GONE)
    step = _titled(entry.step or "", titles)
    when = f"{entry.instant.astimezone(ZoneInfo(zone)):%a %d %b %Y, %H:%M} ({zone})" if entry.instant else ""
    about = entry.about or ""
    count = int(about) if about.isdigit() else 0
    match entry.kind:
        case "onboarding.started":
            return f"Onboarding started, by the playbook {about}"
        case "stage.reached":
            return "Every stage is reached" if about == "done" else f"Next stage: {about.replace('_', ' ')}"
        case "step.began":
            return f"{step} began"
        case "step.ended" if about.startswith("failed"):
            return f"{step} {about}"
        case "step.ended":
            return f"{step} ended: {about.replace('_', ' ')}"
        case kind if kind in _PEOPLE:
            return _of_people(entry, names, who, when)
        case "meeting.joined":
            return f"{step}: {who} takes part now"
        case "meeting.left":
            return f"{step}: {who} takes part no more"
        case kind if kind.startswith("operation."):
            return _of_operation(kind.removeprefix("operation."), step, who)
        case "meeting.undecided":
            return f"{step}: everyone is welcomed; times follow once it is known how it is held"
        case "meeting.proposed":
            return f"{step}: {count} times proposed" if count else f"{step}: no time suits everyone who is needed"
        case "meeting.stuck":
            return f"{step}: no time agreed ({about}); the TAM was told"
        case "meeting.time_taken":
            return f"{step}: the TAM is no longer free on {when}; that time is off the table"
        case "meeting.booked":
            return f"{step} booked for {when} " + (_BY.get(about) or f"by {who}")
        case "meeting.moved":
            return f"{step} moved to {when} by {who}"
        case "meeting.held":
            return f"{step} was held, says {who}"
        case "meeting.given_up":
            return f"{step}: no time was found" if about == NO_TIME else f"{step}: nobody ever said how it went"
        case "meeting.called_off":
            return f"{step} on {when} is called off"
        case "invitation.called_off":
            return f"{step} on {when}: the invitation was canceled"
        case "meeting.conversion_offered":
            return f"{step}: the visit was approved after its time; the TAM is asked whether to hold it on site"
        case "meeting.minutes":
            return f"{step}: {who} corrected the minutes"
        case "meeting.no_show":
            return f"{step}: nobody came, says {who}; new times follow"
        case "vote.cast":
            return f"{who} answered: {_times(count)}"
        case "vote.refused":
            return f"An answer of {who} came too late: {about}"
        case "vote.late":
            return f"{who} replied to the time poll for {step} after it had closed: {_times(count)}"
        case "calendar.unreadable":
            return f"{step}: the TAM's calendar could not be read; only working hours were respected"
        case "drafts.approved":
            return f"{who} approved {_drafts(count)}"
        case "drafts.held":
            return f"{who} held back {_drafts(count)}"
        case "drafts.unread":
            return f"Nobody read {_drafts(count)} in time; held back"
        case "drafts.refused":
            return f"What {who} said of drafts came too late: {about}"
        case "workflow.began_again":
            return f"{who} had {about} go on where it was ended in Temporal"
        case "workflow.left_ended":
            return f"{who} left {about} as it was ended in Temporal"
        case "word.refused":
            return f"What {who} said does not count: {about}"
        case "message.drafted":
            return f"Draft to {who} waits for the TAM"
        case "message.sent":
            return f"Mail to {who}: {_PURPOSE.get(purpose_of(about), 'sent')}"
        case "message.put_off":
            return f"Mail to {who} waits until {when}: {about}"
        case "message.joined":
            return f"Mail to {who} became part of another one of the same day"
        case "message.suppressed":
            return f"Mail to {who} does not go: {about}"
        case "message.failed":
            return f"Mail to {who} failed for good"
        case "message.unknown":
            return f"Mail to {who}: nobody can say whether it arrived"
        case "message.sent_again":
            return f"{who} had the email sent again"
        case "message.confirmed":
            return f"{who} confirmed that the email arrived"
        case "message.told_elsewhere":
            return f"{who} told the email's reader another way"
        case "contact.edited":
            return f"What is known of {who} has changed: {about.replace('_', ' ')}"
        case "message.refused":
            return f"A mail could not be written: {about}"
        case kind if kind.startswith(("cadence.", "sync.", "review.", "rhythm.")):
            return _of_rhythm(kind, step, who, when, about)
        case kind if kind.startswith("tech_review."):
            return _of_review(kind.removeprefix("tech_review."), step, who, when, about)
        case "blocker.raised":
            return f"{who} noted a blocker"
        case "blocker.checked":
            return f"{who} looked at a blocker"
        case "blocker.removed":
            return f"{who} removed a blocker"
        case "action.done":
            return f"An action is done, says {who}"
        case "data.incident_closed":
            return f"{who} says that an incident is over"
        case "gate.shut":
            return f"The {about} gate is shut; what waits for it does not begin"
        case "gate.open":
            gate, _, review = about.partition(" ")
            return f"The {gate} gate is open" + (f", by {review}" if review else "")
        case "triage.asked":
            return f"{who} asked their leadership: {about.replace('_', ' ')}"
        case "gap.logged":
            return f"{who} logged the product gap {about}"
        case "gap.linked":
            return f"{who} linked the product gap {about}"
        case "gap.changed":
            return f"{who} said where the product gap {about} is"
        case kind if kind.startswith("data."):
            return f"{who} brought {_DATA.get(kind, 'data')} up to date: {about}"
        case kind if kind.startswith("case."):
            return _of_case(kind, entry, who, when, about, names)
        case kind if kind.startswith(("task.", "decision.")):
            role = (roles or {}).get(entry.who or "") if kind.startswith("decision.") else None
            through = " through their link" if role and entry.verified == "link" else ""
            return _of_task(kind, step, f"{who}, {role}," if role else who, about.replace("_", " ")) + through
        case _:
            return entry.kind


def _of_case(kind: str, entry: TimelineRecord, who: str, when: str, about: str, names: Mapping[str, str]) -> str:
    """What happened to a support case."""
    case = entry.step or "A case"
    known = names.get(about, about).replace("_", " ")
    return {
        "case.opened": f"{who} asked support: {case}",
        "case.queued": f"{case} waits for somebody at the desk: {about}",
        "case.assigned": f"{who} has {case} from now on: {about}",
        "case.chosen": f"{who} chose who has {case}",
        "case.owner_away": f"{case} is handed on: {about}",
        "case.handed_off": f"{who} handed {case} off",
        "case.answered": f"{who} answered {case}",
        "case.waiting": f"{who} asked the customer about {case}; its clock stands still",
        "case.customer_silent": f"{case}: the customer has not answered for {FOLLOW_UP_AFTER} working days",
        "case.customer_said": f"{who} wrote on {case}",
        "case.context": f"{who} added what they know to {case}",
        "case.classified": f"{who} placed {case} anew",
        "case.reminded": f"{case}: half of the promised time is over; it ends on {when}",
        "case.breached": f"{case}: the {known} that was promised for {when} did not go out",
        "case.escalated": f"{who} put {case} to engineering",
        "case.engineering_answered": f"{case}: engineering's word: {known}",
        "case.merged": f"{who} made {case} a part of {about}",
        "case.joined": f"{about} became a part of {case}",
        "case.split": f"{who} split {about} from {case}",
        "case.to_review": f"{who} made a draft of a tech review of {case}",
        "case.resolved": f"{who} resolved {case}",
        "case.reopened": f"{who} opened {case} again",
        "case.paged": f"{who} was paged for {case}",
        "case.unpaged": f"{case}: {who} could not be paged; the lead is told",
        "case.lead_paged": f"{who}, who leads support, was paged for {case}",
        "case.lead_unpaged": f"{case}: {who}, who leads support, could not be paged either",
        "case.desk_silent": f"{case}: the desk does not answer; it is asked again every minute",
        "case.refused": f"{case}: something that {who} did came too late: {about}",
    }.get(kind, kind)


def _of_rhythm(kind: str, step: str, who: str, when: str, about: str) -> str:
    """What happened to something that recurs."""
    what = "whose times nobody was offered" if about == "review" else "its brief and digest"
    return {
        "cadence.began": "From now on meetings recur",
        "cadence.ended": "Nothing recurs any more",
        "cadence.pause": f"{who} paused what recurs",
        "cadence.resume": f"{who} resumed what recurs",
        "cadence.adopt": f"{who} had what recurs follow another playbook",
        "cadence.cancel": f"{who} cancelled what recurs",
        "rhythm.added": f"{step} recurs from now on",
        "rhythm.changed": f"{step} recurs as the adopted playbook says",
        "rhythm.removed": f"{step} is no longer in the playbook, and does not recur any more",
        "cadence.missed": f"{step} of {when} was missed: {what}",
        "sync.begun": f"{step}: everyone is invited to the series, from {when} on",
        "sync.changed": f"{step}: everyone is invited anew, from {when} on",
        "sync.set": f"{step}: {who} set the standing time",
        "sync.no_time": f"{step}: no time suits everyone who is needed; the TAM was told",
        "sync.moved": f"{step} of {about} moved to {when} by {who}",
        "sync.skipped": f"{step} of {about} called off by {who}",
        "sync.held": f"{step} of {when} counts as held",
        "sync.not_held": f"{step} of {when} was not held, says {who}",
        "review.offered": f"{step} {about}: its times are offered, for {when} or the days after",
        "review.ended": f"{step} ended: {about.replace('_', ' ')}",
    }.get(kind, kind)


def _of_review(kind: str, ref: str, who: str, when: str, about: str) -> str:
    """What happened to a technical review."""
    words = about.replace("_", " ")
    told = {"half_time": "half of the time is gone", "five_days": "five business days are left"}.get(about, words)
    return {
        "submitted": f"{ref}: {who} asks for a technical review",
        "edited": f"{ref}: {who} changed the request; everybody is heard anew",
        "revisit": f"{ref} comes back, as agreed; everybody is heard anew",
        "silent": f"{ref}: no word of {words} in time",
        "said": f"{ref}: {who} said something",
        "recommended": f"{ref}: {who} recommends {words}",
        "decided": f"{ref} is decided: {words}",
        "leadership_told": f"{ref}: leadership is told that {told} until {when}",
        "overdue": f"{ref} is overdue: the customer needed to know by {when}",
        "told": f"{ref}: the customer is told, in the words of {who}",
        "unsettled": f"{ref}: what the message promises can't be read, so it is written again",
        "acknowledged": f"{ref}: {who} confirmed that they read it",
        "not_acknowledged": f"{ref}: the customer never confirmed that they read it",
        "meeting_asked": f"{ref}: {who} asks for a live meeting",
        "meeting": f"{ref}: the live meeting: {words}",
        "withdrawn": f"{ref}: withdrawn by {who}",
    }.get(kind, kind)


def _of_people(entry: TimelineRecord, names: dict[str, str], who: str, when: str) -> str:
    """Who came and went, or took over."""
    by = f", says {names.get(entry.actor, GONE)}" if entry.actor else ""
    about = entry.about or ""
    title = personas()[about].title.lower() if about in personas() else about
    match entry.kind:
        case "contact.replaced":
            return f"{names.get(about, GONE)} follows {who}{by}"
        case "contact.added":
            return f"{who} is {title} from now on{by}"
        case "contact.erased":
            return f"A contact, {title}, was erased from everything on record{by}"
        case "contact.removed":
            return f"{who}, {title}, is no contact any more{by}"
        case "account.handed_over":
            return f"{who} takes over from {names.get(about, GONE)}{f' until {when}' if when else ''}{by}"
        case "account.handed_back":
            return f"{who} is back; {names.get(about, GONE)} no longer stands in"
        case "account.vacant":
            missing = audience.missing([persona for persona in about.split(",") if persona in personas()])
            return f"Held: {missing}; nothing goes to the customer until somebody is named"
        case "account.complete":
            return "Everybody is there again; what was held goes on"
        case _:
            return entry.kind


def _of_operation(kind: str, step: str, who: str) -> str:
    """What a member did to the whole."""
    return {
        "pause": f"{who} paused the onboarding",
        "resume": f"{who} resumed the onboarding",
        "skip": f"{who} left out {step}",
        "redo": f"{who} has {step} done once more",
        "complete": f"{step} was done elsewhere, says {who}",
        "adopt": f"{who} had the account follow another playbook",
        "cancel": f"{who} cancelled the onboarding",
    }.get(kind, kind)


def _of_task(kind: str, step: str, who: str, about: str) -> str:
    """What happened to a human task."""
    return {
        "task.prepared": f"{step}: the TAM is asked what is wanted",
        "task.declined": f"{step}: not needed, says {who}",
        "task.opened": f"{step} was put to those who decide",
        "task.changed": f"{step}: {who} changed the request; everyone decides anew",
        "task.reminded": f"{step}: a reminder went out",
        "task.backup_added": f"{step}: {who} is asked as well, as backup",
        "task.moved": f"{step} passed on to {who}",
        "task.manager_told": f"{step}: {who} was told that nobody has decided",
        "task.info_asked": f"{step}: {who} needs more information",
        "task.info_given": f"{step}: {who} gave the missing information",
        "task.returned": f"{step} goes back to the TAM, to be changed",
        "task.unanswered": f"{step}: the missing information did not come in time",
        "task.closed": f"{step} is closed: {about}",
        "decision.made": f"{step}: {who} chose {about}",
        "decision.refused": f"{step}: a decision of {who} did not count: {about}",
        "decision.late": f"{step}: {who} came too late" + (f" with {about}" if about else ""),
    }.get(kind, kind)


def _titled(step: str, titles: dict[str, str]) -> str:
    """A step's title; that of a to-do which insists on something for a step, as `kickoff.report`, is said beside it."""
    name, *_, todo = step.split(".") if "." in step else (step, "")
    title = titles.get(name, _TITLES.get(name, name))
    return f"{title} ({_TODOS.get(todo, todo.replace('_', ' '))})" if todo else title


_BY_NAME = {"task.opened", "task.changed", "tech_review.submitted", "tech_review.edited", "tech_review.told"}
_PEOPLE = {
    "contact.replaced",
    "contact.added",
    "contact.removed",
    "contact.erased",
    "account.handed_over",
    "account.handed_back",
    "account.vacant",
    "account.complete",
}
_TITLES = {"people": "The account's people", "escalation": "Escalation"}
_TODOS = {
    "drafts": "its drafts",
    "time": "finding a time",
    "report": "how it went",
    "conversion": "onsite after all",
    "successor": "who follows",
    "reply": "a late reply",
}
_DATA = {
    "data.usage": "usage figures",
    "data.incidents": "incidents",
    "data.projects": "projects",
    "data.wins": "wins",
    "data.roadmap": "the roadmap",
}
_BY = {"agreed": "as agreed in the room", "vote": "by vote", "deadline": "at the deadline"}
_PURPOSE = {
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


def _times(count: int) -> str:
    return {0: "none of the times suits", 1: "one time suits"}.get(count, f"{count} times suit")


def _drafts(count: int) -> str:
    return amount(count, "draft")
