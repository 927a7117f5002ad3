"""Any mail as an account's people would get it: out of invented facts, of which everything is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

from rapport.mail import emails
from rapport.mail.cadence import OnRecord
from rapport.mail.compose import Edits, MailWords, Person
from rapport.mail.context import AccountContext, MailSettings
from rapport.mail.letters import MessageDraft
from rapport.mail.support_case import CaseFile
from rapport.model.account import CHAMPION
from rapport.model.account_data import (
    Blocker,
    Evidence,
    Incident,
    MetricSeries,
    Project,
    Question,
    RoadmapItem,
    Sample,
    Win,
)
from rapport.model.base import UserError
from rapport.model.cadence import Missed, Occurrence, ReviewPlan, StandingTime
from rapport.model.meeting import Booking, Invitee, Proposal, Slot
from rapport.model.message import (
    AnnouncementFacts,
    CaseFacts,
    ChangeFacts,
    ErasureFacts,
    HandoverFacts,
    MeetingFacts,
    MessageRequest,
    Purpose,
    RhythmFacts,
    TaskAnswer,
    TaskFacts,
)
from rapport.model.minutes import ActionRecord, MinutesRecord, Pending
from rapport.model.support_case import CaseState
from rapport.model.tech_review_facts import Remark, ReviewPhase, ReviewVerdict, TechReviewFacts
from rapport.storage.agenda import Agenda, Appointment, Going, Item, Pile
from rapport.storage.support_case import Case, Said

_REQUEST: Final = json.dumps(
    {
        "title": "Updates for a site without a network",
        "stage": "pre_production",
        "ask": "non_standard_requirement",
        "gap": "The site has no connection to the outside.",
        "needed_why": "The rollout begins next month.",
        "expectation": "Updates each quarter.",
    }
)
_MESSAGE: Final = json.dumps(
    {
        "message": "We support this, with a medium that you carry in.",
        "conditions": "- One update each quarter",
        "next_steps": "Tell us who carries it in.",
        "revisit": "2031-03-01",
    }
)
_SAID: Final = {
    "request": json.dumps({"reason": "They are large.", "cost": "900 EUR"}),
    "asked": "Which day?",
    "answered": "Tuesday.",
    "decision": "Go ahead.",
    "changes": "Please add a day for the night shift.",
    "review": _REQUEST,
    "message": _MESSAGE,
    "remark": "We could support this.",
}


class InventedMail(NamedTuple):
    """Whom an email would go to, and its words."""

    to: Person
    words: MailWords


def preview(
    name: str, settings: MailSettings, company: AccountContext, now: datetime, to: str | None = None
) -> InventedMail:
    """An email as one of these people would get it.

    Args:
        to: Whose id; else the champion, or whoever else it is for.

    Raises:
        UserError: There is no such email, or it is not for them.
    """
    emails.known(name)
    reader = to or _reader(name, company)
    person = company.person(reader)
    assert person is not None
    if not emails.is_for(name, *person.personas):
        raise UserError(f"{name} is not for {person.name}", field="to", fix="leave it out, or name another reader")
    draft = MessageDraft(
        settings,
        company,
        _occasion(name, company, reader, now),
        f"preview/{name}",
        person,
        reader,
        said=_SAID,
        day=_agenda(company, now),
        on_record=replace(_on_record(company, now), case=_case(company, now) if name.startswith("case_") else None),
    )
    return InventedMail(person, draft.words(Edits()))


def _reader(name: str, company: AccountContext) -> str:
    contacts = sorted(company.contacts.values(), key=lambda one: CHAMPION not in one.asked_as)
    return next((one.id for one in contacts if emails.is_for(name, *one.asked_as)), company.account.tam)


def _occasion(name: str, company: AccountContext, reader: str, now: datetime) -> MessageRequest:
    tam, there = company.account.tam, next(iter(company.contacts), company.account.tam)
    return MessageRequest(
        account=company.account.key,
        contract="PREVIEW",
        step="kickoff",
        title="Kickoff",
        workflow_id="preview",
        purpose=Purpose.NOTICE,
        email=name,
        to=(reader,),
        now=now,
        meeting=_meeting(company, now),
        task=TaskFacts(
            question="Does this plan work for your team?",
            options=(("approve", "Approve"), ("deny", "Decline")),
            asks=("reason", "cost"),
            request="request",
            asked="asked",
            asked_by=tam,
            answered="answered",
            requester=tam,
            deadline=now + timedelta(days=5),
            outcome="approve",
            answers=(TaskAnswer(by=tam, option="approve", submission="decision"),),
            changes="changes",
            deciders=(tam,),
            about=there,
            finds_out=("languages",),
        ),
        rhythm=_rhythm(company, now),
        handover=HandoverFacts(former=tam, until=now + timedelta(days=14), submission="decision"),
        erasure=ErasureFacts(by=tam, until=now + timedelta(days=7), submission="decision"),
        announcement=AnnouncementFacts(
            ref="TR-0007",
            account=company.account.name,
            headline=f"TR-0007, {company.account.name}: approved",
            text="They carry it in themselves.",
            url="https://rapport.example/reviews/TR-0007",
        ),
        tech_review=TechReviewFacts(
            ref="TR-0007",
            round=2,
            what="overdue",
            request="review",
            by=tam,
            needed_by=now + timedelta(days=30),
            verdict=ReviewVerdict.APPROVED,
            overdue=True,
            phase=ReviewPhase.MESSAGE,
            message="message",
            deadline=now + timedelta(days=5),
            remarks=(
                Remark(
                    key="remark",
                    round=2,
                    kind="feedback",
                    seat="engineering",
                    by=tam,
                    option="in_favour_if",
                    at=now,
                    submission="remark",
                ),
            ),
        ),
        case=CaseFacts(
            ref="C-00012",
            said="remark",
            by=tam,
            kind="context",
            promise="first_answer",
            due=now + timedelta(hours=2),
            reason="no one who could take it is at work now",
            other="C-00007",
        )
        if name.startswith("case_")
        else None,
    )


def _meeting(company: AccountContext, now: datetime) -> MeetingFacts:
    first = (now + timedelta(days=7)).replace(hour=15, minute=0, second=0, microsecond=0)
    slots = tuple(
        Slot(id=str(day + 1), start=first + timedelta(days=day), end=first + timedelta(days=day, minutes=30))
        for day in range(3)
    )
    invitees = tuple(Invitee(id=one.id, personas=one.asked_as) for one in company.contacts.values())
    return MeetingFacts(
        uid="preview",
        title="Kickoff",
        step="kickoff",
        minutes=30,
        where="remote",
        agenda=(("How we work together", 5), ("Your short- and long-term goals", 10)),
        proposal=Proposal(
            round=1,
            tam=company.account.tam,
            slots=slots,
            invitees=invitees,
            required_groups=1,
            deadline=now + timedelta(days=3),
            stale_at=now + timedelta(days=4),
        ),
        booking=Booking(start=slots[0].start, end=slots[0].end, by="vote"),
        required=tuple(company.contacts)[:2],
        silent=tuple(company.contacts)[:1],
        reason="no one replied",
        change=ChangeFacts(
            by=next(iter(company.contacts)), submission="preview", kind="move", start=slots[1].start, follows="nothing"
        ),
    )


def _rhythm(company: AccountContext, now: datetime) -> RhythmFacts:
    day = (now + timedelta(days=7)).date()
    start = (now + timedelta(days=7)).replace(hour=9, minute=0, second=0, microsecond=0)
    first = Occurrence(
        number=1,
        day=day,
        original=start,
        start=start + timedelta(hours=5),
        end=start + timedelta(hours=5, minutes=15),
        tick=start - timedelta(days=1),
        until=day,
    )
    return RhythmFacts(
        uid="preview.series",
        title="Weekly sync",
        step="weekly",
        minutes=15,
        agenda=(("Blockers", 5), ("Next steps", 5)),
        every="1 week",
        kind="begun",
        standing=StandingTime(weekday=start.weekday(), at=time(10), zone=company.zone, first=day),
        first=first,
        excluded=(start + timedelta(weeks=4),),
        dates_until=start + timedelta(weeks=52),
        occurrence=first,
        required=tuple(company.contacts)[:1],
        people=(*company.contacts, company.account.tam),
        since=_since(now),
        until=now.date(),
        review=ReviewPlan(
            number=1,
            period="2027-Q1",
            since=_since(now),
            day=day,
            target=start,
            offer_at=now,
            prepare_by=now,
            brief_at=now,
        ),
        missed=(Missed(step="weekly", what="sync", at=now - timedelta(days=1)),),
        titles={"weekly": "Weekly sync"},
    )


def _since(now: datetime) -> date:
    return now.date() - timedelta(days=6)


def _on_record(company: AccountContext, now: datetime) -> OnRecord:
    since, until = _since(now), now.date()
    usage = tuple(Sample(day=since + timedelta(days=n), value=40 + 3 * n) for n in range(7))
    evidence = Evidence(
        since=since,
        until=until,
        usage=(MetricSeries(metric="active users", unit="people", samples=usage),),
        incidents=(Incident(id="i1", title="Alerts came late", severity=2, began=now - timedelta(days=2), ended=now),),
        projects=(Project(id="p1", title="Checkout on Kubernetes", starts=until),),
        roadmap=(
            RoadmapItem(id="r1", title="Satellites without root", expected="2027-Q1", touches="Your satellites."),
        ),
        wins=(Win(id="w1", title="An outage was seen 14 minutes before the first call", day=until),),
        blockers=(Blocker(id="b1", title="The firewall change", owner="Network team", next_check=until, raised=now),),
        cases=(Question(ref="C-00005", title="How do I rotate a token?", severity=3, opened=now),),
    )
    said = MinutesRecord(
        short_term=("Alerts for checkout",),
        long_term=("One tool for every team",),
        actions=(ActionRecord(what="Send the sizing guide", owner=company.account.tam, due=until),),
    )
    return OnRecord(evidence, said, ends=until + timedelta(days=120))


def _case(company: AccountContext, now: datetime) -> CaseFile:
    contact = next(iter(company.contacts), company.account.tam)
    case = Case(
        number=12,
        ref="C-00012",
        account=company.account.key,
        contact=contact,
        area="api",
        severity=2,
        question="request",
        channel="phone",
        thread=None,
        partner=None,
        split_from=None,
        opened_by=company.account.tam,
        opened_at=now,
        state=CaseState.OPEN,
        owner=company.account.tam,
        owned_since=now,
        due=now + timedelta(hours=2),
        escalation=None,
        escalations=0,
        breaches=0,
        first_answered_at=None,
        resolved_at=None,
        merged_into=None,
        waiting_for=None,
        status=None,
        said="Rotating a token fails\n\n- since Friday\n- for everyone",
    )
    names = {id_: person.name for id_ in (contact, company.account.tam) if (person := company.person(id_))}
    text = "They use a proxy."
    said = Said(number=1, kind="note", at=now, by=company.account.tam, about=None, submission="remark", text=text)
    return CaseFile(case=case, log=(said,), names=names, owner=company.tam, said=text)


def _agenda(company: AccountContext, now: datetime) -> Agenda:
    whose = {"account": company.account.key, "of": company.account.name}
    item = Item(**whose, title="Onsite kickoff", what="Approve a half-day onsite kickoff?", deadline=now, overdue=True)
    owed = Pending(
        id="b1", **whose, title="The firewall change", owner="Network team", mine=False, day=now.date(), overdue=False
    )
    meeting = Appointment(
        **whose,
        title="Kickoff",
        start=now + timedelta(hours=3),
        end=now + timedelta(hours=3, minutes=30),
        place="https://meet.example/kickoff",
        answered=3,
        asked=4,
        agenda=(("Goals", 5),),
        coming=("Dana Whitfield, key business contact",),
    )
    return Agenda(
        waiting=(item,),
        drafts=(Pile(**whose, count=2),),
        meetings=(meeting,),
        going=(Going(**whose, title="Kickoff", to="Luca Bianchi"),),
        awaited=(item,),
        blockers=(owed,),
        actions=(owed.model_copy(update={"title": "Send the guide", "mine": True}),),
    )
