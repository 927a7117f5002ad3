"""Meetings that members propose beside the playbook, such as trainings of a customer's teams."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import Field
from temporalio.common import WorkflowIDReusePolicy

from rapport.mail.context import AccountContext
from rapport.model.access import Action
from rapport.model.account import personas
from rapport.model.base import InputModel, Instant, Name, Refused, UserError, WireModel, suggestion
from rapport.model.commands import in_name
from rapport.model.ids import meeting_id
from rapport.model.meeting import MeetingStart, ad_hoc_number, is_ad_hoc, untitled
from rapport.model.reading import together
from rapport.model.step import MOST_EARLIEST, MOST_LATEST, AdHocMeeting, Stage
from rapport.rules import audience
from rapport.rules.onboarding import StepState
from rapport.search_attributes import found_by
from rapport.storage import account as accounts, contract as contracts, meeting as storage, sweep, timeline
from rapport.storage.contract import Contract, ContractState, StepShown
from starters import flows
from starters.rights import requires
from starters.services import Actor, Services, answered, member_named, submission
from starters.use_cases.names import contract_of
from starters.views import standstill
from starters.views.standstill import Ended

_DAYS: Final = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?", re.ASCII)

EARLIEST, LATEST, VOTING, REMINDERS = 5, 10, 3, 2
"""Between which business days times are offered unless somebody says otherwise, how long people can answer, and how
often they are reminded."""

FIRST: Final = 2
"""The first business day on which times can be offered: people need one to answer."""


class MeetingWanted(InputModel):
    """A meeting that somebody proposes.

    Attributes:
        people: Whom it asks, each by address or persona: one of each persona has to be able to come, and everybody who
            is named.
        days: Between which business days from now times are offered, as "3-8".
    """

    title: Name
    people: Annotated[tuple[str, ...], Field(alias="with", min_length=1, max_length=50)]
    minutes: Annotated[int, Field(ge=15, le=480)]
    days: str = f"{EARLIEST}-{LATEST}"


class MeetingProposed(WireModel):
    """A meeting that was proposed; commands call it by its step."""

    account: str
    step: str
    title: str
    workflow_id: str


class MeetingLine(WireModel):
    """A meeting of an account.

    Attributes:
        name: What commands call it beside its step: the account, or one of its contracts.
        state: How far its step is, and how it ended.
        checked: As of when it is known whether it was ended in Temporal; nothing if that was never looked at.
    """

    name: str
    step: str
    title: str
    state: str
    outcome: str | None
    waiting_for: str | None
    deadline: Instant | None
    began: Instant | None
    ended: Instant | None
    checked: Instant | None = None


@requires(Action.ACT)
async def propose(services: Services, account: str, wanted: MeetingWanted, actor: Actor) -> MeetingProposed:
    """Propose a meeting: times are found in the calendars, people choose, one is booked, and everyone is invited.

    Args:
        account: Its key, or ACCOUNT.CONTRACT where several run.

    Raises:
        UserError: The member may not, nobody is whom it asks, it is too long for somebody, the days make no sense, one
            of this title is open, or nothing goes on with the account.
    """
    member = await member_named(services, actor)
    async with services.store.reading() as connection:
        contract = _open(account, await contract_of(connection, account))
        company = await AccountContext.read(connection, contract.account)
        step = _step(wanted, company)
    said = submission(member.id, actor, "meeting.propose", contract.workflow_id)
    async with services.store.writing() as connection:
        name = await storage.propose(connection, contract.id, wanted.title, said.at)
        there = await storage.standing(connection, contract.account, wanted.title, but=name)
        if there is not None:
            raise UserError(
                f"{there} has the same title",
                field="title",
                fix=f"choose another, or see `rapport meeting show {account} {there}`",
                kind=Refused.CONFLICT,
            )
    step = step.model_copy(update={"name": name, "title": untitled(ad_hoc_number(name))})
    id_ = meeting_id(contract.scope, name, 1)
    try:
        await _start(services, MeetingStart(account=contract.account, contract=contract.id, step=step), id_)
    except UserError:
        async with services.store.writing() as connection:
            await storage.withdraw(connection, contract.id, name)
        raise
    async with services.store.writing() as connection:
        await timeline.record(connection, contract.account, "meeting.wanted", said, step=name)
    return MeetingProposed(account=contract.scope, step=name, title=wanted.title, workflow_id=id_)


def _open(named: str, contract: Contract | None) -> Contract:
    """The contract by which a meeting can be proposed."""
    if contract is None or contract.is_cancelled:
        raise UserError(
            f'no onboarding of "{named}" was started' if contract is None else f'nothing goes on with "{named}"',
            field="account",
            fix=f"see `rapport onboarding status {named}`",
            kind=Refused.CONFLICT,
        )
    if contract.state is ContractState.PAUSED:
        raise UserError(
            f'the onboarding of "{named}" is paused',
            field="account",
            fix=f"resume it first: {in_name(f'rapport onboarding resume {contract.scope} --reason …')}",
            kind=Refused.CONFLICT,
        )
    return contract


def _step(wanted: MeetingWanted, company: AccountContext) -> AdHocMeeting:
    """The meeting as its workflow is given it: whom it asks by persona or id, and which days."""
    faults: list[UserError] = []
    earliest, latest = _days(wanted.days, faults)
    voting = min(VOTING, earliest - 1)
    chosen = [one for one in dict.fromkeys(wanted.people) if one in personas()]
    known = {contact.email.lower(): contact for contact in company.contacts.values()}
    guests = []
    for index, text in enumerate(wanted.people):
        contact = known.get(text.lower())
        if contact is not None:
            guests.append(contact)
        elif text not in personas():
            faults.append(_nobody(text, index, known))
        elif not audience.holding((text,), company.contacts.values()):
            faults.append(UserError(f"nobody is {personas()[text].title.lower()}", field=f"with[{index}]"))
    # Who is asked as somebody gives what that gives; who is asked by name, what any of it does.
    limits = {personas()[one].title: personas()[one].max_meeting_minutes for one in chosen}
    limits |= {one.name: max(personas()[of].max_meeting_minutes for of in one.personas) for one in guests}
    for name, limit in limits.items():
        if wanted.minutes > limit:
            faults.append(
                UserError(
                    f"{name} gives at most {limit} minutes", field="minutes", fix="shorten it, or do not ask them"
                )
            )
    if not company.tam.join_url:
        faults.append(
            UserError(
                f"{company.tam.name} has no link to join", field="members.join_url", fix="add it to the TAM's record"
            )
        )
    if faults:
        raise together(faults)
    return AdHocMeeting(
        name="adhoc",
        title="Meeting",
        stage=Stage.CADENCE,
        minutes=wanted.minutes,
        invite=tuple(chosen),
        require=tuple((persona,) for persona in chosen),
        guests=tuple(dict.fromkeys(one.id for one in guests)),
        nobody="without",
        earliest=earliest,
        latest=latest,
        voting_days=voting,
        reminders=min(REMINDERS, voting - 1),
        email="meeting_proposal",
        review="approve",
    )


def _days(text: str, faults: list[UserError]) -> tuple[int, int]:
    """The first and the last business day on which times are offered."""
    found = _DAYS.fullmatch(text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not (FIRST <= first <= last <= MOST_LATEST and first <= MOST_EARLIEST):
        between = f"the first from {FIRST} to {MOST_EARLIEST}, the last up to {MOST_LATEST}"
        fix = f'write them as "{EARLIEST}-{LATEST}", {between}: people need a day to answer'
        faults.append(UserError(f'"{text[:20]}" are no business days from now', field="days", fix=fix))
        return EARLIEST, LATEST
    return first, last


def _nobody(text: str, index: int, known: Mapping[str, object]) -> UserError:
    return UserError(
        f'nobody at the account is "{text[:70]}"', field=f"with[{index}]", fix=suggestion(text, [*known, *personas()])
    )


async def _start(services: Services, start: MeetingStart, id_: str) -> None:
    starting = services.client.start_workflow(
        flows.Meeting.run,
        start,
        id=id_,
        task_queue=services.settings.task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=found_by(start.account),
        static_summary=f"{start.step.title} with {start.account}",
        static_details=f"{start.step.minutes} minutes. People vote on times; one is booked; it is held.",
    )
    await answered(starting, f"meeting {id_}")


@requires(Action.READ)
async def listed(services: Services, account: str) -> list[MeetingLine]:
    """The meetings of an account's contracts, those of the playbook and those beside it; what recurs has its own list.

    Args:
        account: Its key, or ACCOUNT.CONTRACT for one of its contracts.

    Raises:
        UserError: There is no such account or contract.
    """
    key, _, of = account.partition(".")
    async with services.store.reading() as connection:
        await accounts.account(connection, key)
        named = await contract_of(connection, account, reads=True) if of else None
        known = [named] if named is not None else await contracts.started(connection, key)
        found = [(one, await contracts.milestones(connection, one.id)) for one in known]
        on_record = await sweep.known_ended(connection)
    ended = await standstill.all_ended(services, on_record)
    return [line for contract, steps in found for line in _lines(contract, steps, ended)]


def _lines(contract: Contract, steps: list[StepShown], ended: Ended) -> Iterator[MeetingLine]:
    for one in steps:
        if one.kind == "meeting":
            what = one.wait.what
            # A meeting of the onboarding stands still with that; one that was ended alone is a step that failed.
            own = meeting_id(contract.scope, one.step, one.attempt) if is_ad_hoc(one.step) else contract.workflow_id
            if own in ended.still and not StepState(one.state).ended:
                what = standstill.waits_for(left=ended.still[own].left_at is not None)
            deadline, checked = one.wait.deadline, ended.checked
            yield MeetingLine.made_of(one, name=contract.scope, waiting_for=what, deadline=deadline, checked=checked)
