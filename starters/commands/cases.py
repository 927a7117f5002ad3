"""Support cases: opening one, what is done to it, and how it stands."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field
from sqlalchemy.exc import IntegrityError
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from rapport import support_rules
from rapport.mail.cases import ERASED, did, heading, told
from rapport.model.base import Email, Instant, Prose, Refusal, Refused, StepName, Wire, Written
from rapport.model.evidence import Severity
from rapport.model.ids import case_id, new_id
from rapport.model.meeting import Receipt
from rapport.model.people import CHAMPION, Contact, Member, Role
from rapport.model.support import (
    ActKind,
    CaseAct,
    CaseRef,
    CaseStart,
    CaseState,
    CaseView,
    Dossier,
    WrittenCase,
)
from rapport.policy import dispatch, review_draft
from rapport.storage import people, search, support, timeline
from rapport.storage.support import Case
from rapport.support_rules import Rules
from starters.commands.office import SUPPORT, Actor, Office, Over, answered, decided, member_named, present, submission
from starters.commands.onboardings import ACCOUNT
from workflows.support_case import SupportCase

ENGINEERS: Final = frozenset({Role.SUPPORT_ENGINEER})
"""The role that is handed cases."""
AROUND: Final = frozenset({*SUPPORT, Role.TAM, Role.TAM_MANAGER, Role.CE, Role.TA, Role.PRODUCT})
"""The roles that may open cases and add what they know."""

SETTLE: Final = timedelta(minutes=1)
"""How long a case may be on record before it counts as one that never began."""

Text = Annotated[Prose, Field(min_length=1)]


class Opened(Wire):
    """What became of a question: the case that it opened or joined.

    Attributes:
        created: Whether this very request opened the case.
        joined: Whether the question joined a case, because its thread or key belongs to it.
        duplicates: Open cases that are likely about the same thing; nothing is merged unasked.
    """

    ref: str
    workflow_id: str
    created: bool
    joined: bool = False
    duplicates: tuple[str, ...] = ()


class CaseLine(Wire):
    """A case in a list; the one that needs somebody first comes first."""

    ref: str
    account: str
    heading: str
    contact: str
    area: str
    severity: int
    state: CaseState
    owner: str | None
    owner_email: str | None
    since: Instant | None
    opened: Instant
    promise: str | None
    due: Instant | None
    escalation: str | None
    waiting_for: str | None


class WordShown(Wire):
    """One word on a case."""

    at: Instant
    kind: str
    who: str
    what: str
    text: str | None
    about: str | None = None


class Looked(Wire):
    """One member, as they stood when the desk chose."""

    name: str
    bar: str | None
    load: int
    given: int
    hours: int
    last: Instant | None


class Why(Wire):
    """One choice of the desk, and all that it went by."""

    turn: int
    at: Instant
    owner: str | None
    reason: str
    paged: bool
    considered: tuple[Looked, ...]


class SolvedBefore(Wire):
    """A solved case that resembles this one, and what solved it.

    Attributes:
        alike: Which share of the question's words it has, from 0 to 1.
    """

    ref: str
    account: str
    question: str
    answer: str
    solved: Instant
    alike: float


class CaseShown(CaseLine):
    """A case with everything that helps with it.

    Attributes:
        team: Which engineering team owns the area, with the date when that was last confirmed.
        similar: Solved cases that resemble it, the nearest first.
        duplicates: Open cases of the account that are likely about the same; somebody has to say so.
        live: Whether the workflow itself answered; if not, this is what it last wrote down.
        drafts: The keys of words to the customer that wait to be read.
    """

    workflow_id: str
    question: str
    channel: str
    partner: str | None
    split_from: str | None
    merged_into: str | None
    first_answered: Instant | None
    resolved: Instant | None
    breaches: int
    escalations: int
    team: str | None
    log: tuple[WordShown, ...]
    why: tuple[Why, ...]
    similar: tuple[SolvedBefore, ...] = ()
    duplicates: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()
    live: bool = False
    next: tuple[str, ...] = ()


class Done(Wire):
    """What became of something done to a case."""

    ref: str
    accepted: bool
    outcome: str | None = None
    reason: str | None = None


class Drafted(Wire):
    """A draft tech review of a case, and how to go on with it.

    Attributes:
        draft: The request as a TOML document, with gaps that its author fills in.
    """

    ref: str
    draft: str
    next: str


class Say(Written):
    """Words on a case."""

    text: Text


class Reclassify(Written):
    """A case is worse, harmless, or about something else."""

    severity: Severity | None = None
    area: StepName | None = None
    text: Prose | None = None


class Assign(Written):
    """Who is to have a case, by address."""

    to: Email
    text: Prose | None = None


class HandOff(Written):
    """A case goes on to somebody else; whoever it is needs to know where it stands."""

    text: Text
    to: Email | None = None


class Merge(Written):
    """Into which case this one goes."""

    into: CaseRef


class Split(Written):
    """The part of a question that is a case of its own."""

    question: Text
    area: StepName | None = None
    severity: Severity | None = None


# Opening


async def open_case(office: Office, written: WrittenCase, actor: Actor) -> Opened:
    """Take a question in, give it its number, and have it acknowledged and handed to somebody.

    The same key or the same thread once more opens nothing: the thread's words join its case.

    Raises:
        Refusal: The account, contact or area is none, or the actor may not. Nothing was opened then.
    """
    rules(office).area(written.area)
    await start_pending(office)
    async with office.store.reading() as connection:
        await people.account(connection, written.account)
        contacts = await people.contacts(connection, written.account)
        known = await support.known(connection, written.account, written.id, written.thread)
    contact = _contact(contacts, written.contact, written.account)
    by = await _opener(office, actor, contacts)
    if known is not None:
        return await _join(office, known, written, by, actor)
    said = submission(by, actor, "case.open", "case", written.question)
    now = present()
    try:
        async with office.store.writing() as connection:
            await timeline.submit(connection, said)
            ref = await support.add(connection, written, contact.id, said.id, by, now)
    except IntegrityError:
        # Somebody was faster with the same key or thread.
        async with office.store.reading() as connection:
            known = await support.known(connection, written.account, written.id, written.thread)
        if known is None:
            raise
        return await _join(office, known, written, by, actor)
    async with office.store.reading() as connection:
        case = await support.case(connection, ref)
    await _start(office, case)
    return Opened(ref=ref, workflow_id=case_id(ref), created=True, duplicates=await _likely(office, case))


async def _start(office: Office, case: Case) -> None:
    start = CaseStart(
        ref=case.ref,
        account=case.account,
        contact=case.contact,
        question=case.question,
        severity=case.severity,
        area=case.area,
        channel=case.channel,
    )
    try:
        await _run(office, start)
    except WorkflowAlreadyStartedError:
        return
    except RPCError:
        # It may have been started all the same, so the number stays its own; it is started again, never twice.
        raise Refusal(
            f"Temporal does not answer; {case.ref} is on record and begins once it does",
            field="TEMPORAL_ADDRESS",
            fix="start it with `rapport up`, or set TEMPORAL_ADDRESS to where it runs",
            kind=Refused.UNREACHABLE,
        ) from None


async def start_pending(office: Office) -> int:
    """Start the cases that are on record and never began, because Temporal did not answer; give how many."""
    async with office.store.reading() as connection:
        pending = await support.pending(connection, present() - SETTLE)
    for case in pending:
        await _start(office, case)
    return len(pending)


async def _run(office: Office, start: CaseStart, *, again: bool = False) -> None:
    policy = WorkflowIDReusePolicy.ALLOW_DUPLICATE if again else WorkflowIDReusePolicy.REJECT_DUPLICATE
    await office.client.start_workflow(
        SupportCase.run,
        start,
        id=case_id(start.ref),
        task_queue=office.settings.task_queue,
        id_reuse_policy=policy,
        search_attributes=TypedSearchAttributes([SearchAttributePair(ACCOUNT, start.account)]),
        static_summary=f"{start.ref}: severity {start.severity}, {start.area}",
        static_details=f"`rapport case show {start.ref}`",
    )


async def _join(office: Office, known: Case, written: WrittenCase, by: str, actor: Actor) -> Opened:
    """The same key is the same question; the same thread is a further word on its case."""
    opened = Opened(ref=known.ref, workflow_id=case_id(known.ref), created=False, joined=True)
    if known.status is None:
        await _start(office, known)
    async with office.store.reading() as connection:
        said_before = {line.text for line in await support.log(connection, known.ref)} | {known.said}
    if written.question in said_before:
        return opened
    await _act(office, known, ActKind.CUSTOMER_SAID, by, actor, written.question)
    return opened


# What is done to a case


async def answer(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Answer the customer; from then on the next update is promised.

    Raises:
        Refusal: There is no such case, it is over, or the actor may not.
    """
    return await _by_support(office, ref, ActKind.ANSWER, actor, said.text)


async def note(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Note something for colleagues; the customer never sees it. Raises as `answer`."""
    return await _by_support(office, ref, ActKind.NOTE, actor, said.text, roles=AROUND)


async def context(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Add what the account's people on our side know; at any time. Raises as `answer`."""
    return await _by_support(office, ref, ActKind.CONTEXT, actor, said.text, roles=AROUND)


async def wait_customer(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Ask the customer for something; the clock stands still until they answer. Raises as `answer`."""
    return await _by_support(office, ref, ActKind.WAIT_CUSTOMER, actor, said.text)


async def customer_said(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Log what the customer said, as on the phone; the clock goes on. Raises as `answer`."""
    return await _by_support(office, ref, ActKind.CUSTOMER_SAID, actor, said.text, roles=AROUND)


async def assign(office: Office, ref: str, wanted: Assign, actor: Actor) -> Done:
    """Give a case to somebody by hand. Raises as `answer`, and where that member may never have a case."""
    return await _by_support(office, ref, ActKind.ASSIGN, actor, wanted.text, member=await _eligible(office, wanted.to))


async def hand_off(office: Office, ref: str, wanted: HandOff, actor: Actor) -> Done:
    """Pass a case on, with where it stands; the desk finds somebody unless one is named. Raises as `assign`."""
    member = await _eligible(office, wanted.to) if wanted.to is not None else None
    return await _by_support(office, ref, ActKind.HAND_OFF, actor, wanted.text, member=member)


async def classify(office: Office, ref: str, wanted: Reclassify, actor: Actor) -> Done:
    """Say how bad it is, or what it is about, anew. Raises as `answer`, and for an area that is none."""
    if wanted.area is not None:
        rules(office).area(wanted.area)
    if wanted.area is None and wanted.severity is None:
        raise Refusal("says nothing new", field="severity", fix="give a severity, an area, or both")
    return await _by_support(
        office, ref, ActKind.CLASSIFY, actor, wanted.text, severity=wanted.severity, area=wanted.area
    )


async def escalate(office: Office, ref: str, dossier: Dossier, actor: Actor) -> Done:
    """Ask engineering, with all that they need; they answer the owner. Raises as `answer`."""
    case = await _find(office, ref)
    owner = rules(office).owner(case.area, present())
    shown = await show(office, ref)
    said = "\n\n".join(f"{line.who} {line.what}: {line.text}" for line in shown.log if line.text)
    # With everything in it: nobody of engineering has to look for the rest.
    whole = {"question": shown.question, **dossier.model_dump(), **({"said_so_far": said} if said else {})}
    words = json.dumps(whole, ensure_ascii=False)
    team = owner.name if owner is not None else "engineering"
    return await _by_support(office, ref, ActKind.ESCALATE, actor, words, team=team)


async def merge(office: Office, ref: str, wanted: Merge, actor: Actor) -> Done:
    """Make a case a part of another one of the same account; only ever because somebody says so.

    Raises:
        Refusal: As `answer`; or the other case is over, or another account's.
    """
    member = await _working(office, actor, SUPPORT)
    case, into = await _find(office, ref), await _find(office, wanted.into)
    if case.account != into.account:
        raise Refusal(
            f"{into.ref} belongs to another account",
            field="into",
            fix=f"choose a case of {case.account}; see `rapport case list --account {case.account}`",
            kind=Refused.CONFLICT,
        )
    if into.state.is_over:
        raise Refusal(
            f"{into.ref} is {into.state}",
            field="into",
            fix=f"reopen it first: rapport case reopen {into.ref} --text …",
            kind=Refused.CONFLICT,
        )
    done = await _act(office, case, ActKind.MERGE, member.id, actor, None, other=into.ref)
    await _act(office, into, ActKind.JOIN, member.id, actor, case.said or ERASED, other=case.ref)
    return done


async def split(office: Office, ref: str, wanted: Split, actor: Actor) -> Opened:
    """Make a case of its own of a part of the question. Raises as `answer`."""
    member = await _working(office, actor, SUPPORT)
    case = await _find(office, ref)
    written = WrittenCase(
        account=case.account,
        question=wanted.question,
        area=wanted.area or case.area,
        severity=wanted.severity or case.severity,
        channel="cli" if actor.channel == "cli" else "api" if actor.channel == "api" else "page",
        partner=case.partner,
    )
    rules(office).area(written.area)
    said = submission(member.id, actor, "case.open", "case", written.question)
    async with office.store.writing() as connection:
        await timeline.submit(connection, said)
        new = await support.add(connection, written, case.contact, said.id, member.id, present(), split_from=ref)
        made = await support.case(connection, new)
    await _start(office, made)
    await _act(office, case, ActKind.SPLIT, member.id, actor, None, other=new)
    return Opened(ref=new, workflow_id=case_id(new), created=True)


async def to_review(office: Office, ref: str, said: Say, actor: Actor) -> Drafted:
    """Make a draft tech review of a case that needs a decision; the account's TAM is told. Raises as `answer`."""
    member = await _working(office, actor, AROUND)
    shown = await show(office, ref)
    lines = [f"{line.who} {line.what}: {line.text}" for line in shown.log if line.text]
    draft = review_draft.draft(ref, shown.account, shown.heading, shown.question, said.text, lines)
    await _act(office, await _find(office, ref), ActKind.TO_REVIEW, member.id, actor, draft)
    return Drafted(ref=ref, draft=draft, next="fill in what is empty, then: rapport review submit FILE")


async def resolve(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Say what solved it; the customer is told, and others who have the same find it. Raises as `answer`."""
    return await _by_support(office, ref, ActKind.RESOLVE, actor, said.text)


async def reopen(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Open a resolved case again, and say why. Raises as `answer`."""
    return await _by_support(office, ref, ActKind.REOPEN, actor, said.text, roles=AROUND)


# Reading


async def listed(
    office: Office, account: str | None = None, *, also_over: bool = False, owner: str | None = None
) -> list[CaseLine]:
    """Cases: those that need somebody first, then by severity and age.

    Args:
        owner: Only whose owner this is, by address.

    Raises:
        Refusal: There is no such account or member.
    """
    async with office.store.reading() as connection:
        if account is not None:
            await people.account(connection, account)
        mine = None
        if owner is not None:
            found = await people.member_by_email(connection, owner)
            if found is None:
                raise Refusal("is no member known here", field="--owner", fix="see `rapport member list`")
            mine = found.id
        states = tuple(CaseState) if also_over else support.OPEN
        found_cases = await support.cases(connection, account, states=states, owner=mine)
        names: dict[str, str] = {}
        for key in dict.fromkeys(case.account for case in found_cases):
            names |= await people.names(connection, key)
        members = {member.id: member for member in await people.members(connection)}
    lines = [_line(case, names, members) for case in found_cases]
    order = list(CaseState)
    return sorted(lines, key=lambda line: (order.index(line.state), line.severity, line.ref))


async def show(office: Office, ref: str) -> CaseShown:
    """A case with everything that helps with it.

    Raises:
        Refusal: There is none with this number.
    """
    async with office.store.reading() as connection:
        case = await support.case(connection, ref)
        names = await people.names(connection, case.account)
        members = {member.id: member for member in await people.members(connection)}
        log = await support.log(connection, ref)
        chosen = await support.assignments(connection, ref)
        alike = await search.similar(connection, case.said or "", area=case.area, but=ref)
        doubles = await search.duplicates(connection, case.account, case.said or "", but=ref)
    view = None if case.state.is_over else await _view(office, ref)
    owner = rules(office).owner(case.area, present())
    return CaseShown(
        **_line(case, names, members).model_dump(),
        workflow_id=case_id(ref),
        question=case.said or ERASED,
        channel=case.channel,
        partner=case.partner,
        split_from=case.split_from,
        merged_into=case.merged_into,
        first_answered=case.first_answered_at,
        resolved=case.resolved_at,
        breaches=case.breaches,
        escalations=case.escalations,
        team=str(owner) if owner is not None else None,
        log=tuple(
            WordShown(
                at=line.at,
                kind=line.kind,
                who=names.get(line.by or "", "somebody"),
                what=did(line.kind, line.by),
                text=told(line.kind, line.text) if line.text or line.submission is None else ERASED,
                about=names.get(line.about or "", line.about) if line.about else None,
            )
            for line in log
        ),
        why=tuple(
            Why(
                turn=one.turn,
                at=one.at,
                owner=names.get(one.member or "", "someone who has left") if one.member else None,
                reason=one.reason,
                paged=one.paged,
                considered=tuple(
                    Looked(
                        name=names.get(seen.member, "someone who has left"),
                        bar=seen.bar,
                        load=seen.load,
                        given=seen.given,
                        hours=seen.hours,
                        last=seen.last,
                    )
                    for seen in one.considered
                ),
            )
            for one in chosen
        ),
        similar=tuple(SolvedBefore(**one.model_dump(exclude={"area"})) for one in alike),
        duplicates=() if case.state.is_over else tuple(one.ref for one in doubles),
        drafts=view.drafts if view is not None else (),
        live=view is not None,
        next=_next(case),
    )


async def engineers(
    office: Office, roles: frozenset[Role] = frozenset({Role.SUPPORT_ENGINEER})
) -> list[tuple[str, str]]:
    """Who is at the desk, as address and name; never a developer."""
    async with office.store.reading() as connection:
        found = await people.members(connection)
    return [
        (member.email, member.name)
        for member in found
        if member.roles & roles and Role.ENGINEERING not in member.roles and member.left_at is None
    ]


def rules(office: Office) -> Rules:
    """What the desk goes by, from the data directory.

    Raises:
        Refusal: Its file is wrong.
    """
    return support_rules.load(office.settings.data)


# How it is done


def _line(case: Case, names: dict[str, str], members: dict[str, Member]) -> CaseLine:
    owner = members.get(case.owner or "")
    clock = case.status.clock if case.status is not None else None
    return CaseLine(
        ref=case.ref,
        account=case.account,
        heading=heading(case.said) or ERASED,
        contact=names.get(case.contact, "someone who has left"),
        area=case.area,
        severity=case.severity,
        state=case.state,
        owner=owner.name if owner else None,
        owner_email=owner.email if owner else None,
        since=case.owned_since,
        opened=case.opened_at,
        promise=clock.promise.replace("_", " ") if clock is not None else None,
        due=case.due,
        escalation=case.escalation,
        waiting_for=case.waiting_for,
    )


def _next(case: Case) -> tuple[str, ...]:
    """What can be done about it, as commands."""
    match case.state:
        case CaseState.QUEUED:
            return (f"rapport case assign {case.ref} --to EMAIL",)
        case CaseState.OPEN | CaseState.WAITING:
            return (
                f"rapport case answer {case.ref} --text …",
                f"rapport case resolve {case.ref} --text …",
            )
        case CaseState.RESOLVED:
            return (f"rapport case reopen {case.ref} --text …",)
        case _:
            return (f"rapport case show {case.merged_into}",)


async def _view(office: Office, ref: str) -> CaseView | None:
    handle = office.client.get_workflow_handle(case_id(ref))
    try:
        return await answered(handle.query(SupportCase.view), ref)
    except Refusal:
        return None


async def _find(office: Office, ref: str) -> Case:
    async with office.store.reading() as connection:
        return await support.case(connection, ref)


async def _working(office: Office, actor: Actor, roles: Iterable[Role]) -> Member:
    member = await member_named(office, actor)
    if not member.roles & frozenset(roles):
        raise Refusal(
            "may not do this to cases",
            field="--as",
            fix=f"ask someone with one of the roles {', '.join(sorted(roles))}",
            kind=Refused.FORBIDDEN,
        )
    return member


async def _by_support(
    office: Office,
    ref: str,
    kind: ActKind,
    actor: Actor,
    text: str | None,
    *,
    roles: Iterable[Role] = SUPPORT,
    **more: Any,
) -> Done:
    member = await _working(office, actor, roles)
    return await _act(office, await _find(office, ref), kind, member.id, actor, text, **more)


async def _act(office: Office, case: Case, kind: ActKind, by: str, actor: Actor, text: str | None, **more: Any) -> Done:
    """Hand one act to the case; a case whose workflow has ended goes on in a new run where it comes back."""
    said = submission(by, actor, f"case.{kind}", case_id(case.ref), text)
    async with office.store.writing() as connection:
        await timeline.submit(connection, said)
    act = CaseAct(id=said.id, kind=kind, by=by, at=said.at, submission=said.id, has_words=bool(text), **more)
    handle = office.client.get_workflow_handle(case_id(case.ref))
    try:
        receipt = await decided(
            handle.execute_update(SupportCase.act_on, act, id=act.id),
            case.ref,
            handle.signal(SupportCase.act_later, act),
        )
    except Over:
        receipt = await _revive(office, case, act)
    return Done(ref=case.ref, accepted=receipt.accepted, outcome=receipt.outcome, reason=receipt.reason)


async def _revive(office: Office, case: Case, act: CaseAct) -> Receipt:
    """Start a new run of a case that is over, for what opens it again."""
    if act.kind not in (ActKind.REOPEN, ActKind.CUSTOMER_SAID) or case.state is not CaseState.RESOLVED:
        into = f"; go on in {case.merged_into}" if case.merged_into else ""
        raise Refusal(
            f"{case.ref} is {case.state}{into}",
            field="ref",
            fix=f"reopen it first: rapport case reopen {case.ref} --text …" if not into else "use that number",
            kind=Refused.CONFLICT,
        )
    assert case.status is not None
    start = CaseStart(
        ref=case.ref,
        account=case.account,
        contact=case.contact,
        question=case.question,
        severity=case.severity,
        area=case.area,
        channel=case.channel,
        status=case.status.model_copy(update={"runs": case.status.runs + 1}),
        reopened=act,
    )
    try:
        await _run(office, start, again=True)
    except WorkflowAlreadyStartedError:
        # Somebody else has opened it again in this moment.
        handle = office.client.get_workflow_handle(case_id(case.ref))
        return await answered(handle.execute_update(SupportCase.act_on, act, id=act.id), case.ref)
    return Receipt(accepted=True, outcome="reopened")


def _contact(contacts: list[Contact], email: str | None, account: str) -> Contact:
    if email is None:
        champion = next((contact for contact in contacts if contact.persona == CHAMPION), None)
        if champion is None:
            raise Refusal("is missing", field="contact", fix="say whose question it is, by address")
        return champion
    found = next((contact for contact in contacts if contact.email.lower() == email.lower()), None)
    if found is None:
        raise Refusal(
            f"is no contact of {account}",
            field="contact",
            fix=f"use the address of one of its contacts, or add them: rapport account add-contact {account} …",
        )
    return found


async def _opener(office: Office, actor: Actor, contacts: list[Contact]) -> str:
    """Whoever brings a question: one of the account's own people through the API or a page, or a member."""
    own = next((contact for contact in contacts if contact.email.lower() == actor.email.lower()), None)
    if own is not None:
        return own.id
    return (await _working(office, actor, AROUND)).id


async def _eligible(office: Office, email: str) -> str:
    """The member to whom a case is given by hand; never a developer.

    Raises:
        Refusal: Whoever it is may not have cases.
    """
    async with office.store.reading() as connection:
        member = await people.member_by_email(connection, email)
    if member is None:
        raise Refusal("is no member known here", field="to", fix="use the address of a support engineer")
    engineer = dispatch.Engineer(
        id=member.id, roles=member.roles, schedule=member.schedule, left=member.left_at is not None
    )
    barred = dispatch.bar(engineer)
    if barred is not None:
        raise Refusal(f"cannot have a case: {barred}", field="to", fix="name a support engineer", kind=Refused.CONFLICT)
    return member.id


async def _likely(office: Office, case: Case) -> tuple[str, ...]:
    """Open cases of the same account that are likely about the same thing."""
    async with office.store.reading() as connection:
        found = await search.duplicates(connection, case.account, case.said or "", but=case.ref)
    return tuple(one.ref for one in found)


def new_key() -> str:
    """A key for a question that is sent once, such as from a page's form."""
    return new_id("q")
