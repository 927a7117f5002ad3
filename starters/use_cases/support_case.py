"""Support cases: opening one, what is done to it, and how it stands."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field
from sqlalchemy.exc import IntegrityError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from rapport.model.access import Action
from rapport.model.account import Contact, Member, Role
from rapport.model.account_data import Severity
from rapport.model.base import Email, InputModel, Prose, Refused, StepName, UserError, WireModel
from rapport.model.commands import in_name
from rapport.model.ids import case_id, case_ref, new_id
from rapport.model.meeting import Receipt
from rapport.model.support_case import (
    ActKind,
    CaseAct,
    CaseRef,
    CaseStart,
    CaseState,
    Dossier,
    WrittenCase,
)
from rapport.rules import audience, routing, tech_review_draft
from rapport.rules.case_words import TEXT_ERASED
from rapport.search_attributes import found_by
from rapport.storage import account as accounts, search, support_case, timeline
from rapport.storage.support_case import Case
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.timeline import Submission
from starters import flows
from starters.rights import requires
from starters.services import (
    LATER,
    Actor,
    Services,
    WorkflowEndedError,
    member_named,
    present,
    refuse_entered,
    submission,
)
from starters.use_cases import revivals
from starters.use_cases.numbers import numbered
from starters.use_cases.words import hand_over, heard, once
from starters.views import standstill, support_case as support_case_views
from starters.views.support_case import CaseShown

BEGINS_WITHIN: Final = timedelta(minutes=1)
"""How long a case may be on record before it counts as one that never began."""

T = TypeVar("T")
Text = Annotated[Prose, Field(min_length=1)]


class Opened(WireModel):
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


class CaseDone(WireModel):
    """What became of something done to a case."""

    ref: str
    accepted: bool
    outcome: str | None = None
    reason: str | None = None


class Drafted(WireModel):
    """A draft tech review of a case, and how to go on with it.

    Attributes:
        draft: The request as a TOML document, with gaps that its author fills in.
    """

    ref: str
    draft: str
    next: str


class Say(InputModel):
    """Words on a case."""

    text: Text


class Reclassify(InputModel):
    """A case is worse, harmless, or about something else."""

    severity: Severity | None = None
    area: StepName | None = None
    text: Prose | None = None


class Assign(InputModel):
    """Who is to have a case, by address."""

    to: Email
    text: Prose | None = None


class HandOff(InputModel):
    """A case goes on to somebody else; whoever it is needs to know where it stands."""

    text: Text
    to: Email | None = None


class Merge(InputModel):
    """Into which case this one goes."""

    into: CaseRef


class Split(InputModel):
    """The part of a question that is a case of its own."""

    question: Text
    area: StepName | None = None
    severity: Severity | None = None


# Opening


@requires(Action.OPEN_CASE, for_customers=True)
async def open_case(services: Services, written: WrittenCase, actor: Actor) -> Opened:
    """Take a question in, give it its number, and have it acknowledged and handed to somebody.

    The same key or the same thread once more opens nothing: the thread's words join its case.

    Raises:
        UserError: The account, contact or area is none, or the actor may not. Nothing was opened then.
    """
    support_case_views.rules(services).area(written.area)
    await start_pending(services)
    async with services.store.reading() as connection:
        await accounts.account(connection, written.account)
        contacts = await accounts.contacts(connection, written.account)
        known = await support_case.known(connection, written.account, written.id, written.thread)
    contact = _contact(contacts, written.contact, written.account)
    by = await _opener(services, actor, contacts)
    if known is not None:
        return await _join(services, known, written, by, actor)
    said = submission(by, actor, "case.open", "case", written.question)
    now = present()

    async def add(number: int) -> str:
        async with services.store.writing() as connection:
            # The case is found by these words, so they come first.
            await timeline.submit(connection, said)
            return await support_case.add(connection, written, contact.id, said.id, by, now, number=number)

    try:
        ref = await _numbered(services, add)
    except IntegrityError:
        # Somebody was faster with the same key or thread.
        async with services.store.reading() as connection:
            known = await support_case.known(connection, written.account, written.id, written.thread)
        if known is None:
            raise
        return await _join(services, known, written, by, actor)
    async with services.store.reading() as connection:
        case = await support_case.case(connection, ref)
    await _start(services, case)
    return Opened(ref=ref, workflow_id=case_id(ref), created=True, duplicates=await _likely(services, case))


async def _numbered(services: Services, add: Callable[[int], Awaitable[T]]) -> T:
    return await numbered(services, CaseRow.number, lambda number: case_id(case_ref(number)), add)


async def _start(services: Services, case: Case) -> None:
    try:
        await _run(services, case.start)
    except WorkflowAlreadyStartedError:
        return
    except RPCError:
        # It may have been started all the same, so the number stays its own; it is started again, never twice.
        raise UserError(
            f"Temporal does not answer; {case.ref} is on record and begins once it does",
            field="TEMPORAL_ADDRESS",
            fix="start it with `rapport up`, or set TEMPORAL_ADDRESS to where it runs",
            kind=Refused.UNREACHABLE,
        ) from None


async def start_pending(services: Services) -> int:
    """Start the cases that are on record and never began, because Temporal did not answer; give how many."""
    async with services.store.reading() as connection:
        pending = await support_case.pending(connection, present() - BEGINS_WITHIN)
    for case in pending:
        await _start(services, case)
    return len(pending)


async def _run(services: Services, start: CaseStart, *, again: bool = False) -> None:
    policy = WorkflowIDReusePolicy.ALLOW_DUPLICATE if again else WorkflowIDReusePolicy.REJECT_DUPLICATE
    await services.client.start_workflow(
        flows.SupportCase.run,
        start,
        id=case_id(start.ref),
        task_queue=services.settings.task_queue,
        id_reuse_policy=policy,
        search_attributes=found_by(start.account),
        static_summary=f"{start.ref}: severity {start.severity}, {start.area}",
        static_details=f"`rapport case show {start.ref}`",
    )


async def _join(services: Services, known: Case, written: WrittenCase, by: str, actor: Actor) -> Opened:
    """The same key is the same question; the same thread is a further word on its case."""
    opened = Opened(ref=known.ref, workflow_id=case_id(known.ref), created=False, joined=True)
    if known.status is None:
        await _start(services, known)
    async with services.store.reading() as connection:
        said_before = {line.text for line in await support_case.log(connection, known.ref)} | {known.said}
    if written.question in said_before:
        return opened
    await _act(services, known, ActKind.CUSTOMER_SAID, by, actor, written.question)
    return opened


# What is done to a case


@requires(Action.WORK_ON_CASE)
async def answer(services: Services, ref: str, said: Say, actor: Actor) -> CaseDone:
    """Answer the customer; from then on the next update is promised.

    Raises:
        UserError: There is no such case, it is over, or the actor may not.
    """
    return await _by_support(services, ref, ActKind.ANSWER, actor, said.text)


@requires(Action.ADD_TO_CASE)
async def note(services: Services, ref: str, said: Say, actor: Actor) -> CaseDone:
    """Note something for colleagues; the customer never sees it. Raises as `answer`."""
    return await _by_support(services, ref, ActKind.NOTE, actor, said.text)


@requires(Action.ADD_TO_CASE)
async def context(services: Services, ref: str, said: Say, actor: Actor) -> CaseDone:
    """Add what the account's people on our side know; at any time. Raises as `answer`."""
    return await _by_support(services, ref, ActKind.CONTEXT, actor, said.text)


@requires(Action.WORK_ON_CASE)
async def wait_customer(services: Services, ref: str, said: Say, actor: Actor) -> CaseDone:
    """Ask the customer for something; the clock stands still until they answer. Raises as `answer`."""
    return await _by_support(services, ref, ActKind.WAIT_CUSTOMER, actor, said.text)


@requires(Action.ADD_TO_CASE)
async def customer_said(services: Services, ref: str, said: Say, actor: Actor) -> CaseDone:
    """Log what the customer said, as on the phone; the clock goes on. Raises as `answer`."""
    return await _by_support(services, ref, ActKind.CUSTOMER_SAID, actor, said.text)


@requires(Action.WORK_ON_CASE)
async def assign(services: Services, ref: str, wanted: Assign, actor: Actor) -> CaseDone:
    """Give a case to somebody by hand. Raises as `answer`, and where that member may never have a case."""
    return await _by_support(
        services, ref, ActKind.ASSIGN, actor, wanted.text, member=await _eligible(services, wanted.to)
    )


@requires(Action.WORK_ON_CASE)
async def hand_off(services: Services, ref: str, wanted: HandOff, actor: Actor) -> CaseDone:
    """Pass a case on, with where it stands; the desk finds somebody unless one is named. Raises as `assign`."""
    member = await _eligible(services, wanted.to) if wanted.to is not None else None
    return await _by_support(services, ref, ActKind.HAND_OFF, actor, wanted.text, member=member)


@requires(Action.WORK_ON_CASE)
async def classify(services: Services, ref: str, wanted: Reclassify, actor: Actor) -> CaseDone:
    """Say how bad it is, or what it is about, anew. Raises as `answer`, and for an area that is none."""
    if wanted.area is not None:
        support_case_views.rules(services).area(wanted.area)
    if wanted.area is None and wanted.severity is None:
        raise UserError("says nothing new", field="severity", fix="give a severity, an area, or both")
    return await _by_support(
        services, ref, ActKind.CLASSIFY, actor, wanted.text, severity=wanted.severity, area=wanted.area
    )


@requires(Action.WORK_ON_CASE)
async def escalate(services: Services, ref: str, dossier: Dossier, actor: Actor) -> CaseDone:
    """Ask engineering, with all that they need; they answer the owner. Raises as `answer`."""
    case = await _find(services, ref)
    owner = support_case_views.rules(services).owner(case.area, present())
    shown = await support_case_views.show(services, ref)
    said = "\n\n".join(f"{line.who} {line.what}: {line.text}" for line in shown.log if line.text)
    # With everything in it: nobody of engineering has to look for the rest.
    whole = {"question": shown.question, **dossier.model_dump(), **({"said_so_far": said} if said else {})}
    words = json.dumps(whole, ensure_ascii=False)
    team = owner.name if owner is not None else "engineering"
    return await _by_support(services, ref, ActKind.ESCALATE, actor, words, team=team)


@requires(Action.WORK_ON_CASE)
async def merge(services: Services, ref: str, wanted: Merge, actor: Actor) -> CaseDone:
    """Make a case a part of another one of the same account; only ever because somebody says so.

    Raises:
        UserError: As `answer`; or the other case is over, or another account's.
    """
    member = await member_named(services, actor)
    case, into = await _find(services, ref), await _find(services, wanted.into)
    if case.account != into.account:
        raise UserError(
            f"{into.ref} belongs to another account",
            field="into",
            fix=f"choose a case of {case.account}; see `rapport case list --account {case.account}`",
            kind=Refused.CONFLICT,
        )
    if into.state.is_over:
        raise UserError(
            f"{into.ref} is {into.state}",
            field="into",
            fix=f"reopen it first: rapport case reopen {into.ref} --text … --as EMAIL",
            kind=Refused.CONFLICT,
        )
    done = await _act(services, case, ActKind.MERGE, member.id, actor, None, other=into.ref)
    await _act(services, into, ActKind.JOIN, member.id, actor, case.said or TEXT_ERASED, other=case.ref)
    return done


@requires(Action.WORK_ON_CASE)
async def split(services: Services, ref: str, wanted: Split, actor: Actor) -> Opened:
    """Make a case of its own of a part of the question. Raises as `answer`."""
    member = await member_named(services, actor)
    case = await _find(services, ref)
    written = WrittenCase(
        account=case.account,
        question=wanted.question,
        area=wanted.area or case.area,
        severity=wanted.severity or case.severity,
        channel="cli" if actor.channel == "cli" else "api" if actor.channel == "api" else "page",
        partner=case.partner,
    )
    support_case_views.rules(services).area(written.area)
    # Not among the words to the case itself: the one that tells it of the split comes after.
    said = await once(services, submission(member.id, actor, "case.open", f"{case_id(ref)}/split", written.question))
    at = present()

    async def add(number: int) -> Case:
        async with services.store.writing() as connection:
            new = await support_case.asked_by(connection, said.id)
            if new is None:
                new = await support_case.add(
                    connection, written, case.contact, said.id, member.id, at, split_from=ref, number=number
                )
            return await support_case.case(connection, new)

    made = await _numbered(services, add)
    await _start(services, made)
    await _act(services, case, ActKind.SPLIT, member.id, actor, None, other=made.ref)
    await heard(services, said.id)
    return Opened(ref=made.ref, workflow_id=case_id(made.ref), created=True)


@requires(Action.ADD_TO_CASE)
async def to_review(services: Services, ref: str, said: Say, actor: Actor) -> Drafted:
    """Make a draft tech review of a case that needs a decision; the account's TAM is told. Raises as `answer`."""
    member = await member_named(services, actor)
    shown = await support_case_views.show(services, ref)
    draft = tech_review_draft.draft(_known_to_review(shown, said.text))
    await _act(services, await _find(services, ref), ActKind.TO_REVIEW, member.id, actor, draft)
    return Drafted(ref=ref, draft=draft, next="fill in what is empty, then: rapport review submit FILE --as EMAIL")


@requires(Action.READ)
async def review_of(services: Services, ref: str) -> dict[str, str]:
    """What a case knows of the tech review that it needs, by field of a request. Raises: there is no such case."""
    return _known_to_review(await support_case_views.show(services, ref))


def _known_to_review(shown: CaseShown, why: str = "") -> dict[str, str]:
    # An earlier draft would stand in the new one.
    lines = [f"{line.who} {line.what}: {line.text}" for line in shown.log if line.text and line.kind != "to_review"]
    return tech_review_draft.known(shown.ref, shown.account, shown.heading, shown.question, why, lines)


@requires(Action.WORK_ON_CASE)
async def resolve(services: Services, ref: str, said: Say, actor: Actor) -> CaseDone:
    """Say what solved it; the customer is told, and others who have the same find it. Raises as `answer`."""
    return await _by_support(services, ref, ActKind.RESOLVE, actor, said.text)


@requires(Action.ADD_TO_CASE)
async def reopen(services: Services, ref: str, said: Say, actor: Actor) -> CaseDone:
    """Open a resolved case again, and say why. Raises as `answer`."""
    return await _by_support(services, ref, ActKind.REOPEN, actor, said.text)


async def hear_of_gap(services: Services, ref: str, gap: str, status: str, text: str, by: Member, actor: Actor) -> None:
    """Put on a case where a product gap is by now, also on one that is over, and tell whoever has it.

    Raises:
        UserError: There is no such case, or Temporal does not take it.
    """
    case = await _find(services, ref)
    while case.merged_into is not None:
        case = await _find(services, case.merged_into)
    await _act(services, case, ActKind.GAP, by.id, actor, text, other=gap, outcome=status)


# How it is done


async def _find(services: Services, ref: str) -> Case:
    async with services.store.reading() as connection:
        return await support_case.case(connection, ref)


async def _by_support(
    services: Services,
    ref: str,
    kind: ActKind,
    actor: Actor,
    text: str | None,
    **more: Any,
) -> CaseDone:
    member = await member_named(services, actor)
    if kind in _TO_CUSTOMERS:
        refuse_entered(services, actor, "an answer to a customer")
    return await _act(services, await _find(services, ref), kind, member.id, actor, text, **more)


_TO_CUSTOMERS: Final = (ActKind.ANSWER, ActKind.WAIT_CUSTOMER, ActKind.RESOLVE)
"""What is mailed to a customer in a support engineer's name, who says it as themself."""


async def _act(
    services: Services, case: Case, kind: ActKind, by: str, actor: Actor, text: str | None, **more: Any
) -> CaseDone:
    """Hand one act to the case; a case whose workflow has ended goes on in a new run where it comes back."""
    said = await once(services, submission(by, actor, f"case.{kind}", case_id(case.ref), text), **more)
    act = CaseAct(id=said.id, kind=kind, by=by, at=said.at, submission=said.id, has_words=bool(text), **more)
    handle = services.client.get_workflow_handle(case_id(case.ref))
    try:
        receipt = await hand_over(services, handle, flows.SupportCase.act_on, act, case.ref)
    except WorkflowEndedError:
        receipt = await _go_on(services, case, act, said) or await _revive(services, case, act)
    return CaseDone.made_of(receipt, ref=case.ref)


async def _go_on(services: Services, case: Case, act: CaseAct, said: Submission) -> Receipt | None:
    """Have a case go on that was ended in Temporal, for what opens a case again; nothing where it came to its end.

    Raises:
        UserError: It was ended in Temporal, and this opens none.
    """
    id_ = case_id(case.ref)
    if case.state.is_over or await standstill.ended_since(services, id_) is None:
        return None
    if act.kind not in _OPENS:
        raise UserError(
            f"{case.ref} was ended in Temporal",
            field="ref",
            fix=f"have it continue first: {standstill.way_on(id_)}",
            kind=Refused.CONFLICT,
        )
    lead = f"role:{Role.SUPPORT_LEAD}"
    receipt = await revivals.begin_again(services, revivals.gone_of(case.account, case.ref, id_, lead), said)
    if act.kind is ActKind.REOPEN or receipt.outcome == LATER:
        return receipt
    handle = services.client.get_workflow_handle(id_)
    return await hand_over(services, handle, flows.SupportCase.act_on, act, case.ref)


_OPENS: Final = (ActKind.REOPEN, ActKind.CUSTOMER_SAID, ActKind.GAP)
"""What opens a case again."""


async def _revive(services: Services, case: Case, act: CaseAct) -> Receipt:
    """Start a new run of a case that is over, for what opens it again, or for news that its owner is to have."""
    if act.kind not in _OPENS or case.state is not CaseState.RESOLVED:
        into = f"; go on in {case.merged_into}" if case.merged_into else ""
        raise UserError(
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
        await _run(services, start, again=True)
    except WorkflowAlreadyStartedError:
        # Somebody else has opened it again in this moment.
        handle = services.client.get_workflow_handle(case_id(case.ref))
        return await hand_over(services, handle, flows.SupportCase.act_on, act, case.ref)
    await heard(services, act.id)
    return Receipt(accepted=True, outcome="reopened")


def _contact(contacts: list[Contact], email: str | None, account: str) -> Contact:
    if email is None:
        champion = audience.lead(contacts) if contacts else None
        if champion is None:
            raise UserError("is missing", field="contact", fix="say whose question it is, by address")
        return champion
    found = next((contact for contact in contacts if contact.email.lower() == email.lower()), None)
    if found is None:
        raise UserError(
            f"is no contact of {account}",
            field="contact",
            fix="use the address of one of its contacts, or add them: "
            + in_name(f"rapport account add-contact {account} …"),
        )
    return found


async def _opener(services: Services, actor: Actor, contacts: list[Contact]) -> str:
    """Whoever brings a question: one of the account's own people through the API or a page, or a member."""
    own = next((contact for contact in contacts if contact.email.lower() == actor.email.lower()), None)
    if own is not None:
        return own.id
    return (await member_named(services, actor)).id


async def _eligible(services: Services, email: str) -> str:
    """The member to whom a case is given by hand; never a developer.

    Raises:
        UserError: Whoever it is may not have cases.
    """
    async with services.store.reading() as connection:
        member = await accounts.member_by_email(connection, email)
    if member is None:
        raise UserError("is no member known here", field="to", fix="use the address of a support engineer")
    engineer = routing.Engineer(
        id=member.id, roles=member.roles, schedule=member.schedule, left=member.left_at is not None
    )
    barred = routing.bar(engineer)
    if barred is not None:
        raise UserError(
            f"cannot have a case: {barred}", field="to", fix="name a support engineer", kind=Refused.CONFLICT
        )
    return member.id


async def _likely(services: Services, case: Case) -> tuple[str, ...]:
    """Open cases of the same account that are likely about the same thing."""
    async with services.store.reading() as connection:
        found = await search.duplicates(connection, case.account, case.said or "", but=case.ref)
    return tuple(one.ref for one in found)


def new_key() -> str:
    """A key for a question that is sent once, such as from a page's form."""
    return new_id("q")
