"""The words and calendars of mails about what recurs: standing meetings, digests, briefs, reviews."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from rapport.mail import chart, emails, invite, support_case
from rapport.mail.compose import Person
from rapport.mail.context import AccountContext
from rapport.mail.support_case import CaseFile
from rapport.model.account_data import Evidence
from rapport.model.base import UserError
from rapport.model.cadence import Occurrence
from rapport.model.ids import meeting_id
from rapport.model.message import MessageRequest, Purpose, RhythmFacts
from rapport.model.minutes import MinutesRecord
from rapport.rules import recurrence
from rapport.rules.wording import noun
from rapport.storage import account_data, contract as contracts, minutes
from rapport.storage.blocker import OWED_BLOCKERS
from rapport.storage.database import Connection
from rapport.storage.minutes import KnownMinutes, Reported

_LOOKS_BACK: Final = timedelta(days=91)
"""How far back an email about a whole contract looks: a year of samples fills no email."""


@dataclass(frozen=True)
class OnRecord:
    """What is on record for a mail to speak of.

    Attributes:
        minutes: What was said at the review that the mail follows, if anybody wrote it down.
        case: The support case that the mail is about.
        product: What the contract that the mail belongs to is for, where that is not the vendor's product.
        ends: That contract's last day, for a mail that speaks of the contract; what is on record is of its last months.
    """

    evidence: Evidence | None = None
    minutes: MinutesRecord | None = None
    case: CaseFile | None = None
    product: str | None = None
    ends: date | None = None


async def on_record(connection: Connection, occasion: MessageRequest, zone: str) -> OnRecord | None:
    """What is on record of the case or for the days that a mail speaks of; nothing for a mail that speaks of neither.

    Blockers are always all that are open, however long they have been.

    Args:
        zone: In which the days are counted.
    """
    if occasion.case is not None:
        return OnRecord(case=await support_case.on_record(connection, occasion.case))
    rhythm = occasion.rhythm
    if rhythm is None and occasion.account is not None and occasion.contract is not None:
        # What recurs is about all that the account has.
        contract = await contracts.of_id(connection, occasion.contract)
        if contract is None:
            return None
        if contract.ends is None or not emails.speaks_of(occasion.email, "contract"):
            return OnRecord(product=contract.product) if contract.product else None
        until = occasion.now.astimezone(ZoneInfo(zone)).date()
        since = max(until - _LOOKS_BACK, contract.starts or contract.signed_at.astimezone(ZoneInfo(zone)).date())
        found = await account_data.evidence(connection, occasion.account, since, until, zone)
        return OnRecord(found, product=contract.product, ends=contract.ends)
    if rhythm is None or rhythm.since is None or rhythm.until is None or occasion.account is None:
        return None
    found = await account_data.evidence(connection, occasion.account, rhythm.since, rhythm.until, zone)
    still_open = await OWED_BLOCKERS.listed(connection, occasion.account)
    known = {blocker.id for blocker in still_open}
    removed = tuple(blocker for blocker in found.blockers if blocker.id not in known)
    said: KnownMinutes | Reported | None = None
    if rhythm.review is not None and occasion.purpose is Purpose.MESSAGE:
        meeting = meeting_id(occasion.account, rhythm.step, rhythm.review.period)
        # The report is on record before its minutes are kept, and corrected minutes stand above it.
        said = await minutes.of_meeting(connection, meeting) or await minutes.reported(connection, meeting)
    evidence_ = found.model_copy(update={"blockers": (*still_open, *removed)})
    return OnRecord(evidence_, said.record if said else None)


def of_contract(found: OnRecord | None) -> dict[str, Any] | None:
    """What a mail may say of the contract that it belongs to."""
    if found is None or found.ends is None or found.evidence is None:
        return None
    return {"ends": found.ends, "since": found.evidence.since}


def context(company: AccountContext, rhythm: RhythmFacts, to: Person, found: OnRecord | None) -> dict[str, Any]:
    """What a mail may say of something that recurs."""
    one = rhythm.occurrence
    people = [company.person(id_) for id_ in rhythm.people]
    return {
        "title": rhythm.title,
        "noun": noun(rhythm.title),
        "step": rhythm.step,
        "minutes": rhythm.minutes,
        "agenda": rhythm.agenda,
        "material": sum(minutes for _, minutes in rhythm.agenda),
        "every": rhythm.every,
        "kind": rhythm.kind,
        "weekday": f"{rhythm.first.start.astimezone(ZoneInfo(to.zone)):%A}" if rhythm.first else "",
        "first": rhythm.first,
        "next": one,
        "date": one.day.isoformat() if one else "",
        "moved_from": one.original if one and one.is_moved else None,
        "off": _still_ahead(rhythm),
        "people": [person.name for person in people if person],
        "join_url": company.tam.join_url or "",
        "since": rhythm.since,
        "until": rhythm.until,
        "review": rhythm.review,
        "booked": rhythm.booked,
        "missed": rhythm.missed,
        "titles": rhythm.titles,
        "said": _said(company, found.minutes) if found and found.minutes else None,
    }


def calendar(
    company: AccountContext, occasion: MessageRequest, sender: str, stamp: datetime, to: Person
) -> tuple[str, bytes] | None:
    """The iTIP method and the iCalendar object that an invitation carries; whoever parts is told alone.

    Raises:
        UserError: The invitation cannot be written.
    """
    rhythm = occasion.rhythm
    if rhythm is None or rhythm.standing is None or rhythm.first is None:
        return None
    subject = rhythm.occurrence if rhythm.kind in ("moved", "skipped") else None
    when: Occurrence = subject or rhythm.first
    parts = occasion.purpose is Purpose.PARTING
    link = str(company.tam.join_url) if company.tam.join_url else None
    agenda = "\n".join(f"{minutes} min: {topic}" for topic, minutes in rhythm.agenda)
    invitation = invite.Invitation(
        uid=f"{rhythm.uid}@{sender.partition('@')[2]}",
        sequence=rhythm.sequence,
        stamp=stamp.replace(microsecond=0),
        start=when.start,
        end=when.end,
        zone=rhythm.standing.zone,
        summary=f"{company.account.name} / {company.vendor.name}: {rhythm.title}",
        description=f"{agenda}\n\nJoin: {link}" if link else agenda,
        location=link or "",
        join_url=link,
        organizer_name=company.tam.name,
        organizer=sender,
        attendees=(invite.Attendee(to.name, to.email, required=False),)
        if parts
        else tuple(
            invite.Attendee(person.name, person.email, required=id_ in rhythm.required)
            for id_ in rhythm.people
            if (person := company.person(id_)) is not None
        ),
        series=None if subject else _series(rhythm),
        occurrence=subject.original if subject else None,
        counted_from=rhythm.first.start,
    )
    try:
        if parts or rhythm.kind in ("skipped", "closed"):
            return "CANCEL", invite.cancel(invitation)
        return "REQUEST", invite.request(invitation)
    except invite.ListedTwiceError:
        raise UserError("the invitation can't be written: two people have the same address", field="rhythm") from None
    except ValueError:
        # Its words could name people, and a refusal is written into histories.
        raise UserError("the invitation cannot be written", field="rhythm") from None


def _series(rhythm: RhythmFacts) -> invite.EventSeries:
    assert rhythm.standing is not None
    until = rhythm.dates_until
    return invite.EventSeries(
        weeks=rhythm.weeks,
        excluded=rhythm.excluded,
        moved=tuple((one.original, one.start, one.end) for one in rhythm.moved),
        dates=tuple(recurrence.dates(rhythm.standing, weeks=rhythm.weeks, until=until)) if until else (),
    )


def _still_ahead(rhythm: RhythmFacts) -> list[datetime]:
    """The next few times at which there is none, for the eye; the calendar has them all."""
    now = rhythm.occurrence.start if rhythm.occurrence else None
    return [at for at in rhythm.excluded if now is None or at > now][:6]


def _named(day: date | None) -> str:
    """A date as a person writes it: "Tuesday 1 December"."""
    return f"{day:%A} {day.day} {day:%B}" if day else ""


def _said(company: AccountContext, record: MinutesRecord) -> dict[str, Any]:
    """What was said at a meeting, but for the private note: no mail can read that."""
    return {
        "short_term": record.short_term,
        "long_term": record.long_term,
        "actions": [
            (action.what, owner.name if (owner := company.person(action.owner)) else None, _named(action.due))
            for action in record.actions
        ],
        "agreed": record.agreed,
    }


def evidence(found: OnRecord | None) -> dict[str, Any] | None:
    """What a mail may say of what is on record of the account for its days."""
    return _told(found.evidence) if found is not None and found.evidence is not None else None


def _told(found: Evidence) -> dict[str, Any]:
    return {
        "is_empty": found.is_empty,
        "usage": [(chart.text(series), chart.html(series)) for series in found.usage if series.samples],
        "incidents": found.incidents,
        "cases": found.cases,
        "projects": [(project.title, _named(project.starts), _named(project.ends)) for project in found.projects],
        "roadmap": found.roadmap,
        "wins": [(win.title, _named(win.day)) for win in found.wins],
        "blockers": [(one.title, one.owner, _named(one.next_check)) for one in found.blockers if one.removed is None],
        "removed": [one.title for one in found.blockers if one.removed is not None],
    }
