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

from rapport.mail.cases import ERASED
from rapport.model.base import Email, Prose, Refusal, Refused, StepName, Wire, Written
from rapport.model.commands import in_name
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
    Dossier,
    WrittenCase,
)
from rapport.policy import dispatch, review_draft
from rapport.storage import people, search, support, timeline
from rapport.storage.support import Case
from rapport.storage.timeline import Submission
from starters.commands import case_reading, revivals
from starters.commands.case_reading import CaseShown
from starters.commands.office import LATER, SUPPORT, Actor, Office, Over, member_named, present, submission
from starters.commands.onboardings import ACCOUNT
from starters.commands.words import hand_over, heard, once
from workflows.support_case import SupportCase

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
    case_reading.rules(office).area(written.area)
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
    try:
        await _run(office, case.start)
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
        case_reading.rules(office).area(wanted.area)
    if wanted.area is None and wanted.severity is None:
        raise Refusal("says nothing new", field="severity", fix="give a severity, an area, or both")
    return await _by_support(
        office, ref, ActKind.CLASSIFY, actor, wanted.text, severity=wanted.severity, area=wanted.area
    )


async def escalate(office: Office, ref: str, dossier: Dossier, actor: Actor) -> Done:
    """Ask engineering, with all that they need; they answer the owner. Raises as `answer`."""
    case = await _find(office, ref)
    owner = case_reading.rules(office).owner(case.area, present())
    shown = await case_reading.show(office, ref)
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
            fix=f"reopen it first: rapport case reopen {into.ref} --text … --as EMAIL",
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
    case_reading.rules(office).area(written.area)
    # Not among the words to the case itself: the one that tells it of the split comes after.
    said = await once(office, submission(member.id, actor, "case.open", f"{case_id(ref)}/split", written.question))
    async with office.store.writing() as connection:
        new = await support.asked_by(connection, said.id)
        if new is None:
            new = await support.add(connection, written, case.contact, said.id, member.id, present(), split_from=ref)
        made = await support.case(connection, new)
    await _start(office, made)
    await _act(office, case, ActKind.SPLIT, member.id, actor, None, other=new)
    await heard(office, said.id)
    return Opened(ref=new, workflow_id=case_id(new), created=True)


async def to_review(office: Office, ref: str, said: Say, actor: Actor) -> Drafted:
    """Make a draft tech review of a case that needs a decision; the account's TAM is told. Raises as `answer`."""
    member = await _working(office, actor, AROUND)
    shown = await case_reading.show(office, ref)
    draft = review_draft.draft(_known_to_review(shown, said.text))
    await _act(office, await _find(office, ref), ActKind.TO_REVIEW, member.id, actor, draft)
    return Drafted(ref=ref, draft=draft, next="fill in what is empty, then: rapport review submit FILE --as EMAIL")


async def review_of(office: Office, ref: str) -> dict[str, str]:
    """What a case knows of the tech review that it needs, by field of a request. Raises: there is no such case."""
    return _known_to_review(await case_reading.show(office, ref))


def _known_to_review(shown: CaseShown, why: str = "") -> dict[str, str]:
    # An earlier draft would stand in the new one.
    lines = [f"{line.who} {line.what}: {line.text}" for line in shown.log if line.text and line.kind != "to_review"]
    return review_draft.known(shown.ref, shown.account, shown.heading, shown.question, why, lines)


async def resolve(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Say what solved it; the customer is told, and others who have the same find it. Raises as `answer`."""
    return await _by_support(office, ref, ActKind.RESOLVE, actor, said.text)


async def reopen(office: Office, ref: str, said: Say, actor: Actor) -> Done:
    """Open a resolved case again, and say why. Raises as `answer`."""
    return await _by_support(office, ref, ActKind.REOPEN, actor, said.text, roles=AROUND)


async def hear_of_gap(office: Office, ref: str, gap: str, status: str, text: str, by: Member, actor: Actor) -> None:
    """Put on a case where a product gap is by now, also on one that is over, and tell whoever has it.

    Raises:
        Refusal: There is no such case, or Temporal does not take it.
    """
    case = await _find(office, ref)
    while case.merged_into is not None:
        case = await _find(office, case.merged_into)
    await _act(office, case, ActKind.GAP, by.id, actor, text, other=gap, outcome=status)


# How it is done


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
    said = await once(office, submission(by, actor, f"case.{kind}", case_id(case.ref), text), **more)
    act = CaseAct(id=said.id, kind=kind, by=by, at=said.at, submission=said.id, has_words=bool(text), **more)
    handle = office.client.get_workflow_handle(case_id(case.ref))
    try:
        receipt = await hand_over(office, handle, SupportCase.act_on, act, case.ref)
    except Over:
        receipt = await _go_on(office, case, act, said) or await _revive(office, case, act)
    return Done(ref=case.ref, accepted=receipt.accepted, outcome=receipt.outcome, reason=receipt.reason)


async def _go_on(office: Office, case: Case, act: CaseAct, said: Submission) -> Receipt | None:
    """Have a case go on that was ended in Temporal, for what opens a case again; nothing where it came to its end.

    Raises:
        Refusal: It was ended in Temporal, and this opens none.
    """
    id_ = case_id(case.ref)
    if case.state.is_over or await revivals.ended_since(office, id_) is None:
        return None
    if act.kind not in _OPENS:
        raise Refusal(
            f"{case.ref} was ended in Temporal",
            field="ref",
            fix=f"have it continue first: {revivals.way_on(id_)}",
            kind=Refused.CONFLICT,
        )
    lead = f"role:{Role.SUPPORT_LEAD}"
    receipt = await revivals.begin_again(office, revivals.gone_of(case.account, case.ref, id_, lead), said)
    if act.kind is ActKind.REOPEN or receipt.outcome == LATER:
        return receipt
    handle = office.client.get_workflow_handle(id_)
    return await hand_over(office, handle, SupportCase.act_on, act, case.ref)


_OPENS: Final = (ActKind.REOPEN, ActKind.CUSTOMER_SAID, ActKind.GAP)
"""What opens a case again."""


async def _revive(office: Office, case: Case, act: CaseAct) -> Receipt:
    """Start a new run of a case that is over, for what opens it again, or for news that its owner is to have."""
    if act.kind not in _OPENS or case.state is not CaseState.RESOLVED:
        into = f"; go on in {case.merged_into}" if case.merged_into else ""
        raise Refusal(
            f"{case.ref} is {case.state}{into}",
            field="ref",
            fix=f"reopen it first: {in_name(f'rapport case reopen {case.ref} --text …')}"
            if not into
            else "use that number",
            kind=Refused.CONFLICT,
        )
    assert case.status is not None
    status = case.status.model_copy(update={"runs": case.status.runs + 1})
    start = case.start.model_copy(update={"status": status, "reopened": act})
    try:
        await _run(office, start, again=True)
    except WorkflowAlreadyStartedError:
        # Somebody else has opened it again in this moment.
        handle = office.client.get_workflow_handle(case_id(case.ref))
        return await hand_over(office, handle, SupportCase.act_on, act, case.ref)
    await heard(office, act.id)
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
            fix="use the address of one of its contacts, or add them: "
            + in_name(f"rapport account add-contact {account} …"),
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
