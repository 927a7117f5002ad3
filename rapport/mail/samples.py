"""Whether a mail can be written for what a playbook wants to use it for: it is rendered once, for invented people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, Literal, NamedTuple

from jinja2 import TemplateError, meta, nodes

from rapport.mail import emails
from rapport.mail.cadence import OnRecord
from rapport.mail.compose import DRAFT_TOKEN, Edits
from rapport.mail.context import AccountContext, MailSettings
from rapport.mail.letters import MessageDraft
from rapport.model.account import (
    Account,
    Contact,
    Facts,
    Figures,
    Member,
    Role,
    Schedule,
    Topic,
    Vendor,
    personas,
)
from rapport.model.account_data import Evidence, Win
from rapport.model.base import UserError
from rapport.model.meeting import Invitee, Proposal, Slot
from rapport.model.message import MeetingFacts, MessageRequest, Purpose

Use = Literal["meeting", "undecided", "message"]
"""What a step wants a mail for; `undecided` is a meeting that may turn out to be onsite, and is announced before."""

_NOW: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
_KNOWN: Final = "a figure that is known"
_STATIONERY: Final = MailSettings("sample@vendor.example", "https://rapport.vendor.example", b"sample")
_PAST: Final[dict[tuple[str, str], frozenset[Topic]]] = {
    ("account", "figures"): frozenset({"poc_result", "projected_roi"}),
    ("vendor", "company_health"): frozenset({"company_health"}),
}
"""Where a template can read figures that nothing has kept from a persona; `figures` has only what is the reader's."""


@cache
def fault(email: str, use: Use, persona: str) -> str | None:
    """What keeps a mail from being written to a persona, as "problem; fix"; nothing if it can be.

    Args:
        email: One of `emails.names()`.
    """
    if not emails.is_for(email, persona):
        others = any(emails.is_for(email, one) for one in personas())
        return f"{email} is for other readers; {_choose(persona) if others else 'choose another mail'}"
    theirs = personas()[persona].topics
    past = (topics for name, topics in _PAST.items() if name in _read(email).attributes)
    foreign = sorted(frozenset().union(*past) - theirs)
    if foreign:
        return f"{_speaks(email, foreign)}, which no mail to {persona} may; {_choose(persona)}"
    for known in (True, False):
        for meeting in _meetings(use):
            letter = _letter(email, persona, meeting, known=known)
            try:
                words = letter.words(Edits())
            except UserError as refusal:
                return _words(email, use, persona, refusal, known=known)
            except TemplateError as error:
                return f"{email} is no template: {error}; correct it"
            linked = DRAFT_TOKEN in words.text and DRAFT_TOKEN in words.html
            try:
                replace(letter, left_out=emails.block_claims(email)).words(Edits())
            except UserError as refusal:
                return f"{refusal.problem} without its blocks; correct its template"
            if meeting is not None and meeting.proposal is not None and meeting.proposal.slots:
                if not linked:
                    return f"{email} offers no times to choose from, so nobody could answer; choose another mail"
            elif linked:
                return f"{email} has a personal link where there is nothing to choose; choose another mail"
    return None


def _words(email: str, use: Use, persona: str, refusal: UserError, *, known: bool) -> str:
    """Why it cannot be written, by the name that its templates ask for and do not get."""
    asked = _read(email).asked
    figures = {attribute for of, attribute in _read(email).attributes if of == "figures"}
    given = _letter(email, persona, _meetings(use)[0], known=True)._context("https://x")
    unknown = sorted(asked - set(given) - emails.GIVEN)
    if unknown:
        return f"{email} asks for {_list(unknown)}, which no mail of a {_step(use)} is given; choose another mail"
    missing = sorted(topic for topic in figures if f"'{topic}'" in refusal.problem)
    if missing and known:
        return f"{_speaks(email, missing)}, which no mail to {persona} may; {_choose(persona)}"
    if missing:
        return f'{_speaks(email, missing)}, which may not be known; let its template ask "is defined" first'
    empty = sorted(name for name in asked & set(given) if given[name] in (None, ()))
    if empty:
        return f"{email} speaks of {_list(empty)}, which a {_step(use)} does not have; choose another mail"
    return f"{refusal.problem}; correct its templates, or choose another mail"


def _list(names: Iterable[str]) -> str:
    *others, last = (f'"{name}"' for name in names)
    return f"{', '.join(others)} and {last}" if others else last


def _step(use: Use) -> str:
    return "message step" if use == "message" else "meeting"


def _speaks(email: str, topics: Iterable[str]) -> str:
    return f"{email} speaks of {_list(topics)}"


def _choose(persona: str) -> str:
    return f"take {persona} out, or choose another mail"


class _Read(NamedTuple):
    """What a mail's templates read: names, and of which name which attribute (`vendor.name`, `vendor["name"]`)."""

    asked: frozenset[str]
    attributes: frozenset[tuple[str, str]]


@cache
def _read(email: str) -> _Read:
    trees = list(emails.templates(email))
    asked = (meta.find_undeclared_variables(tree) for tree in trees)
    return _Read(frozenset().union(*asked), frozenset(one for tree in trees for one in _attributes(tree)))


def _attributes(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        match node:
            case nodes.Getattr(node=nodes.Name(name=of), attr=attribute):
                yield of, attribute
            case nodes.Getitem(node=nodes.Name(name=of), arg=nodes.Const(value=str(attribute))):
                yield of, attribute


def _meetings(use: Use) -> tuple[MeetingFacts | None, ...]:
    """What a mail of such a step is told of its meeting: in turn with times, without any, and before it is decided."""
    if use == "message":
        return (None,)
    slots = tuple(
        Slot(id=str(index), start=_NOW + timedelta(days=7 + index), end=_NOW + timedelta(days=7 + index, minutes=30))
        for index in range(2)
    )
    proposal = Proposal(
        round=1,
        tam="m_tam",
        slots=slots,
        invitees=(Invitee(id="c_0", personas=tuple(personas()), groups=(0,)),),
        required_groups=1,
        deadline=_NOW + timedelta(days=3),
        stale_at=_NOW + timedelta(days=4),
    )
    meeting = MeetingFacts(
        uid="sample",
        title="Sample",
        step="sample",
        minutes=30,
        where="remote",
        agenda=(("Goals", 15),),
        proposal=proposal,
    )
    no_times = meeting.model_copy(update={"proposal": proposal.model_copy(update={"slots": ()})})
    undecided = meeting.model_copy(update={"where": "undecided", "agenda": (), "proposal": None, "uid": ""})
    return (meeting, no_times, undecided) if use == "undecided" else (meeting, no_times)


def _letter(email: str, persona: str, meeting: MeetingFacts | None, *, known: bool) -> MessageDraft:
    company = _company(known=known)
    contact = next(contact for contact in company.contacts.values() if persona in contact.personas)
    to = company.person(contact.id)
    assert to is not None
    occasion = MessageRequest(
        account=company.account.key,
        contract="SAMPLE",
        step="sample",
        title="Sample",
        workflow_id="sample",
        purpose=Purpose.MESSAGE if meeting is None or meeting.proposal is None else Purpose.PROPOSAL,
        email=email,
        to=(contact.id,),
        now=_NOW,
        meeting=meeting,
    )
    today = _NOW.date()
    evidence = Evidence(since=today, until=today, wins=(Win(id="w1", title="Sample", day=today),) if known else ())
    found = OnRecord(evidence, ends=today) if meeting is None else None
    return MessageDraft(_STATIONERY, company, occasion, "sample", to, contact.id, on_record=found)


def _company(*, known: bool) -> AccountContext:
    """An account with one contact a persona, and a vendor; with all figures, or with none."""
    zone = Schedule(zone="UTC")
    tam = Member(id="m_tam", name="Sam Sample", email="sam@vendor.example", roles=frozenset({Role.TAM}), schedule=zone)
    contacts = [
        Contact(
            id=f"c_{index}",
            account="sample",
            personas=(persona,),
            name="Kim Sample",
            email=f"kim{index}@customer.example",
            schedule=zone,
        )
        for index, persona in enumerate(personas())
    ]
    figure = _KNOWN if known else None
    return AccountContext(
        Vendor(name="Vendor", product="Product", company_health=figure),
        {tam.id: tam},
        Account(
            key="sample",
            name="Sample",
            tam=tam.id,
            facts=Facts(),
            figures=Figures(poc_result=figure, projected_roi=figure),
        ),
        {contact.id: contact for contact in contacts},
    )
