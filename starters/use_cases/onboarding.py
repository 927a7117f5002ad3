"""Onboardings: starting one for a signed contract, and seeing where it is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final, Self

from pydantic import field_validator, model_validator
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from rapport.mail import emails
from rapport.mail.context import AccountContext
from rapport.model.access import Action
from rapport.model.account import AccountFile, Role, WrittenContract
from rapport.model.base import InputModel, Instant, Name, Refused, Slug, StepName, UserError, WireModel
from rapport.model.commands import by_whom
from rapport.model.ids import account_of, onboarding_id, scope, task_id
from rapport.model.message import Weight
from rapport.model.onboarding import OnboardingStart, OnboardingView
from rapport.model.playbook import Playbook
from rapport.model.reading import parse_toml, together
from rapport.model.step import DoneBy, Gathering, kinds
from rapport.playbooks import PLAYBOOKS, load
from rapport.rules import attention, contract as rules, onboarding
from rapport.search_attributes import ACCOUNT, STAGE
from rapport.storage import account as accounts, cadence, contract as contracts, imports, sweep
from rapport.storage.contract import Contract, ContractState, StepShown
from rapport.storage.database import Connection
from rapport.storage.unreached import MailsOfStep, unreached, with_unreached, written
from starters import flows
from starters.rights import Matter, requires
from starters.services import Services, answered, present
from starters.use_cases.access import recording_members
from starters.use_cases.files import refuse_calendars_inside, within_rights
from starters.use_cases.names import contract_of, no_step
from starters.views import standstill

_TASKS: Final = kinds(DoneBy.TASK)

_NO_CONTRACT: Final = "add [contract] with its id to the account file, then run `rapport onboarding start FILE`"

STANDS_STILL: Final = "stands still"
"""The state of a step whose onboarding was ended in Temporal."""

OPEN_STATES: Final = ("waiting", "running", "failed", STANDS_STILL)
"""The states of a step that has not ended."""


class StartRequest(InputModel):
    """What starts an onboarding: a whole account file, or a known account and its contract.

    Attributes:
        file: As JSON, with the fields of a file's tables; or the text of a TOML file as it is.
        at: The step at which an account that is already a customer enters.
        as_new: Whether it begins at once and as with a new customer, whenever the contract was signed or starts.
    """

    file: AccountFile | None = None
    account: Slug | None = None
    contract: WrittenContract | None = None
    playbook: StepName | None = None
    at: Name | None = None
    as_new: bool = False

    @field_validator("file", mode="before")
    @classmethod
    def _parsed(cls, file: object) -> object:
        if not isinstance(file, str):
            return file
        try:
            return parse_toml(file.encode("utf-8", "surrogatepass"), "file")
        except UserError as refusal:
            raise ValueError(f"{refusal.problem}; {refusal.fix}") from None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.at is not None and self.as_new:
            raise ValueError("as_new: contradicts at; a customer who is on the way is no new one, say one of them")
        return self


class NotAtWork(WireModel):
    """A contact who doesn't work at this moment: emails that need not go at once wait until then, in their zone."""

    name: str
    until: Instant
    zone: str


class Started(WireModel):
    """An onboarding that runs; `created` says whether this very request started it.

    Attributes:
        waits: For whose working hours its emails wait.
        without: The roles that no one has there. What is for them alone is left out.
        begins: When it begins, where it waits for the contract's start.
    """

    workflow_id: str
    run_id: str
    created: bool
    waits: tuple[NotAtWork, ...] = ()
    without: tuple[str, ...] = ()
    begins: Instant | None = None


class MilestoneShown(WireModel):
    """One step of an onboarding.

    Attributes:
        task: The id of its human task, where it is one that has begun.
        unsent: How many of its emails to the customer's people have not gone, or failed.
    """

    step: str
    title: str
    stage: str
    state: str
    at: Instant | None
    outcome: str | None
    waiting_on: tuple[str, ...] = ()
    waiting_for: str | None = None
    since: Instant | None = None
    deadline: Instant | None = None
    unblock: str | None = None
    task: str | None = None
    unsent: int = 0


class ContractLine(WireModel):
    """One contract of an account.

    Attributes:
        name: What commands call it.
    """

    name: str
    contract: str
    product: str | None
    stage: str | None
    starts: Instant
    ended: Instant | None


class Status(WireModel):
    """Where an account is, with one of its contracts.

    Attributes:
        state: How far its onboarding is; `requested` is a start that nothing has followed.
        next: What happens next, in one sentence.
        live: Whether the workflow itself answered; if not, this is what it last wrote down.
        welcomed: Whether any of the customer's people was sent an email of its steps, or was told another way.
        ended_since: Since when it stands still, where its workflow was ended in Temporal.
        since: Since when nothing of it goes on: it was ended in Temporal, is paused, or never began.
        unblock: The command that has it go on then.
        tam: Who serves the account, by address.
        begins: When it begins, where it waits for the contract's start.
        name: What commands call it: its account, or where several run, ACCOUNT.CONTRACT.
        contracts: All that were started for the account, where that is more than this one.
    """

    account: str
    contract: str
    workflow_id: str
    stage: str | None
    state: ContractState
    paused: bool
    milestones: tuple[MilestoneShown, ...]
    waiting_on: tuple[str, ...]
    next: str | None
    live: bool
    welcomed: bool = True
    ended_since: Instant | None = None
    since: Instant | None = None
    unblock: str | None = None
    tam: str = ""
    begins: Instant | None = None
    name: str = ""
    contracts: tuple[ContractLine, ...] = ()


async def _of_request(_: Connection, request: StartRequest) -> list[Matter]:
    return [(Action.START, request.file.account.key if request.file else request.account)]


@requires(Action.START, "request", _of_request)
async def start(services: Services, request: StartRequest) -> Started:
    """Start the onboarding of a signed contract, once for ever.

    The same contract again gives the onboarding that it started, also after that has closed.

    Raises:
        UserError: Something is missing or wrong, or it has to be asked about. Nothing was started then.
    """
    file = request.file
    account = file.account.key if file else request.account
    if account is None:
        raise UserError("is missing", field="account", fix="name an account, or give a whole account file")
    contract = request.contract or (file.contract if file else None)
    if contract is None:
        async with services.store.reading() as connection:
            await accounts.account(connection, account)
            known = await contracts.startable(connection, account)
            entry = await contracts.entry(connection, known.id) if known is not None else None
        if known is None:
            raise UserError("is missing", field="contract", fix=_NO_CONTRACT)
        if known.run_id is not None:
            await _refuse_where_ended(services, known)
            return Started(workflow_id=known.workflow_id, run_id=known.run_id, created=False)
        # What was asked for before and never began is asked for again as it was.
        request = request.model_copy(update={"at": request.at or entry})
        contract = known.as_written()
    async with services.starts.turn() as alone:
        return await _start(services, account, file, contract, request, eagerly=alone)


async def _start(
    services: Services,
    account: str,
    file: AccountFile | None,
    contract: WrittenContract,
    request: StartRequest,
    *,
    eagerly: bool,
    beside: bool = False,
) -> Started:
    """Start a contract's onboarding.

    Args:
        beside: Whether the account is known to have an onboarding of another contract.
    """
    async with services.store.reading() as connection:
        concerned = await contracts.concerned(connection, account, contract.id)
    this = next((known for known in concerned if known.id == contract.id), None)
    if this is not None and this.account != account:
        raise contracts.of_another(this.account)
    if this is not None and this.run_id is not None:
        await _refuse_where_ended(services, this)
        return Started(workflow_id=this.workflow_id, run_id=this.run_id, created=False)
    others = [known for known in concerned if known.id != contract.id and known.requested_at is not None]
    gone = [known.id for known in others if known.runs and await _is_gone(services, known)]
    others = [known for known in others if known.id not in gone]
    if this is not None and this.requested_at is not None:
        workflow_id = this.workflow_id
    else:
        workflow_id = onboarding_id(scope(account, contract.id) if others or beside else account)
    if file is not None:
        file = await within_rights(services, file)
        refuse_calendars_inside(services, file.members)
    now = present()
    async with services.store.writing() as connection:
        signed = await contracts.dated(connection, contract, now)
        if file is not None:
            async with recording_members(services, connection, file.members):
                await imports.save(connection, file, now)
        company = await AccountContext.read(connection, account)
        if not company.contacts:
            raise UserError(
                "is empty",
                field="contacts",
                fix=f"add someone with `rapport account add-contact {account} --persona primary_champion … --as EMAIL`",
            )
        renews = rules.renewed(contract, [one for one in others if not one.is_cancelled], company.vendor.product)
        playbook = _playbook(services, request, contract, renews)
        at = request.at
        who = company.champion.schedule
        ends = rules.last_instant(contract, who.zone)
        ends = ends if ends is not None and ends > now else None
        left_out = onboarding.left_out(playbook, company.account.facts, company.personas, ends=ends is not None)
        lacking = list(unready(playbook, company, {*left_out, *(onboarding.before(playbook, at) if at else ())}))
        # Whoever repeats what was asked for has answered already.
        plain = at is not None or request.as_new or (this is not None and this.requested_at is not None)
        if not plain and (doubt := rules.doubt(signed, now, who)) is not None:
            lacking.append(doubt)
        if faults := list({fault.field: fault for fault in reversed(lacking)}.values()):
            raise together(faults[::-1])
        begins = None if request.as_new else rules.begins(signed, now, who)
        await contracts.give_up(connection, gone, now)
        await contracts.request(connection, account, signed, playbook, workflow_id, now, begins=begins, renews=renews)
        steps = onboarding.laid_out(playbook, left_out, now, at)
        await contracts.put_milestones(connection, contract.id, 0, onboarding.milestones(steps))
    try:
        handle = await services.client.start_workflow(
            flows.Onboarding.run,
            OnboardingStart(
                account=account,
                contract=contract.id,
                playbook=playbook,
                left_out=left_out,
                review=company.account.review,
                at=at,
                unheld=company.unheld,
                lost=company.lost,
                begins=begins,
                ends=ends,
                renews=next((one.workflow_id for one in others if one.id == renews and one.is_open), None),
            ),
            id=workflow_id,
            task_queue=services.settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            # A worker in this process gets the first task with the answer, without asking for it. Where many start at
            # once, other processes are to have their share of the tasks: whoever has the first gets the next as well.
            request_eager_start=eagerly,
            memo={"contract": contract.id, "playbook": f"{playbook.name} {playbook.version}"},
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(ACCOUNT, account),
                    SearchAttributePair(STAGE, onboarding.current_stage(steps) or "done"),
                ]
            ),
            static_summary=f"Onboarding of {account}",
            static_details=f"{playbook.title}, version {playbook.version}. Contract {contract.id}.",
        )
    except WorkflowAlreadyStartedError:
        running = await _already_started(services, workflow_id, account, contract)
        if running is not None:
            return running
        # Another contract's has begun at this very moment.
        return await _start(services, account, None, contract, request, eagerly=eagerly, beside=True)
    except RPCError:
        raise UserError(
            "Temporal did not take it",
            fix="repeat the same request once Temporal is back; it starts at most once",
            kind=Refused.UNREACHABLE,
        ) from None
    assert handle.first_execution_run_id is not None
    waits = () if begins or services.settings.quiet_hours == "ignore" else _not_at_work(company, now)
    return Started(
        workflow_id=workflow_id,
        run_id=handle.first_execution_run_id,
        created=True,
        waits=waits,
        without=company.unheld,
        begins=begins,
    )


def _not_at_work(company: AccountContext, now: datetime) -> tuple[NotAtWork, ...]:
    found = []
    for one in company.contacts.values():
        then = attention.earliest(now, one.schedule, Weight.NEEDED).at
        if then is not None and then > now:
            found.append(NotAtWork(name=one.name, until=then, zone=one.schedule.zone))
    return tuple(found)


def _playbook(services: Services, request: StartRequest, contract: WrittenContract, renews: str | None) -> Playbook:
    """What a contract's onboarding follows.

    Raises:
        UserError: There is no such playbook, it welcomes a known customer, or it has no such step to enter at.
    """
    by_itself = rules.FIRST_PLAYBOOK if renews is None else rules.RENEWAL_PLAYBOOK
    playbook = load(request.playbook or contract.playbook or by_itself, services.settings.data / PLAYBOOKS)
    titles = {step.name: step.title for step in playbook.steps}
    if request.at is not None and request.at not in titles:
        raise no_step(f'the playbook has no step "{request.at[:40]}"', request.at, titles, "at")
    if renews is not None and not playbook.renewal and request.at is None and not request.as_new:
        raise UserError(
            f'renews {renews}, and the playbook "{playbook.name}" welcomes a new customer',
            field="contract.playbook",
            fix=f"leave it out, or name one for renewals, such as {rules.RENEWAL_PLAYBOOK}; or say `--as-new`",
            kind=Refused.CONFLICT,
        )
    return playbook


async def _already_started(
    services: Services, workflow_id: str, account: str, contract: WrittenContract
) -> Started | None:
    """A workflow of this id runs: this contract's; or another one's, which leaves it free to run beside that.

    Raises:
        UserError: It is another one's that has this one's own id.
    """
    described = await answered(services.client.get_workflow_handle(workflow_id).describe(), f"onboarding of {account}")
    running = (await described.memo()).get("contract")
    if running == contract.id:
        return Started(workflow_id=described.id, run_id=described.run_id, created=False)
    async with services.store.writing() as connection:
        await contracts.withdraw(connection, contract.id)
    if workflow_id != onboarding_id(account):
        raise UserError(
            f'"{workflow_id}" runs in Temporal for the contract {running}',
            field="contract.id",
            fix="give this contract its own id",
            kind=Refused.CONFLICT,
        )
    return None


async def _refuse_where_ended(services: Services, known: Contract) -> None:
    """A contract's onboarding that was ended from outside is no onboarding that simply runs."""
    if await standstill.stands_still_since(services, known) is not None:
        raise UserError(
            f'the onboarding of "{known.account}" was started before, and was ended in Temporal',
            field="contract.id",
            fix=f"have it continue where it was: {standstill.way_on(known.workflow_id)}",
            kind=Refused.CONFLICT,
        )


async def _is_gone(services: Services, other: Contract) -> bool:
    """Whether Temporal no longer has an onboarding that is on record as running; where it does not answer, it has."""
    try:
        await services.client.get_workflow_handle(other.workflow_id).describe()
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    return False


def unready(playbook: Playbook, company: AccountContext, left_out: Collection[str]) -> Iterator[UserError]:
    """What would fail later, and so is refused before anything starts."""
    for index, step in enumerate(playbook.steps):
        if step.name in left_out:
            continue
        field = f"{playbook.name}: steps[{index}]"
        for name, email in step.emails.items():
            if email not in emails.names():
                known = ", ".join(sorted(emails.names()))
                yield UserError(f'there is no mail "{email}"', field=f"{field}.{name}", fix=f"use one of {known}")
        if not isinstance(step, Gathering):
            continue
        places = step.places(left_out)
        if "remote" in places and not company.tam.join_url:
            yield UserError(
                f"{step.title} is remote, and the TAM has no link to join",
                field="members.join_url",
                fix="add join_url to the TAM's [[members]]",
            )
        if "onsite" in places and not company.account.place:
            yield UserError(
                f"{step.title} is or may be onsite, and the account has no address",
                field="account.place",
                fix="add place to [account]",
            )


@requires(Action.READ)
async def status(services: Services, account: str) -> Status:
    """Where an account is: asked of its workflow, or else as the workflow last wrote it down.

    Args:
        account: Its key, or ACCOUNT.CONTRACT for one of its contracts.

    Raises:
        UserError: There is no such account or contract, or nothing was started for it.
    """
    async with services.store.reading() as connection:
        contract = await contract_of(connection, account, reads=True)
        is_named, account = "." in account, account_of(account)
        served_by = (await accounts.account(connection, account)).tam
        tam = await accounts.member(connection, served_by)
        acts = (await accounts.serving(connection, [account]))[account].acts
        steps = await contracts.milestones(connection, contract.id) if contract else []
        if contract is not None and not is_named:
            steps += await _recurring_besides(connection, contract, steps)
        known_contracts = await contracts.started(connection, account)
        missed = await unreached(connection, present(), account)
        known = await sweep.standing_still(connection)
        mails = await written(connection, contract.id) if contract else {}
        startable = await contracts.startable(connection, account)
    if contract is None:
        raise UserError(
            f'no onboarding was started for "{account}"',
            field="account",
            fix=f"start it with `rapport onboarding start {account}`" if startable else _NO_CONTRACT,
            kind=Refused.NOT_FOUND,
        )
    if contract.run_id is None:
        contract = await _as_begun(services, contract)
    ended, view = await asyncio.gather(standstill.stands_still_since(services, contract), _ask(services, contract))
    if ended is not None:
        # What ended still answers, as if it went on.
        view = None
    states = {milestone.step: milestone for milestone in view.milestones} if view else {}
    shown = tuple(
        MilestoneShown.made_of(
            step,
            state=states[step.step].state if step.step in states else step.state,
            at=states[step.step].at if step.step in states else step.ended or step.began or step.due,
            outcome=_by_now(step.outcome, mails.get(step.step)),
            waiting_on=step.wait.on,
            waiting_for=with_unreached(step.wait.what, missed.get((contract.id, step.step), ())),
            since=step.wait.since,
            deadline=step.wait.deadline,
            unblock=by_whom(step.wait.unblock, step.wait.on, acts, services.reader),
            task=task_id(contract.scope, step.step, step.attempt) if step.kind in _TASKS and step.began else None,
            unsent=mails[step.step].unsent if step.step in mails else 0,
        )
        for step in steps
    )
    if ended is not None:
        shown = tuple(_standing_still(step) for step in shown)
    name = account
    if sum(one.runs for one in known_contracts) > 1:
        # What the first one says of itself was said before there was another.
        name = f"{account}.{contract.id}"
        shown = tuple(_in_full(step, account, name) for step in shown)
    left = contract.workflow_id in known and known[contract.workflow_id].left_at is not None
    waiting = [milestone for milestone in shown if milestone.waiting_for]
    if view is not None and contract.ended_at is None:
        contract = contract.model_copy(update={"paused_at": view.paused_at})
    hold = contract.hold
    return Status(
        account=account,
        name=name,
        contract=contract.id,
        workflow_id=contract.workflow_id,
        stage=(view.stage if view else contract.stage) or ("done" if contract.ended_at else None),
        state=contract.state,
        paused=contract.state is ContractState.PAUSED,
        milestones=shown,
        waiting_on=hold.on if hold else tuple(sorted({role for milestone in waiting for role in milestone.waiting_on})),
        begins=contract.begins_after(present()),
        next=f"It waits for {standstill.waits_for(left=left)}"
        if ended
        else f"It waits for {hold.what}"
        if hold
        else f"{waiting[0].title} waits for {waiting[0].waiting_for}"
        if waiting
        else None,
        live=view is not None,
        welcomed=any(mail.sent or mail.elsewhere for mail in mails.values()),
        ended_since=ended,
        since=ended or (hold.since if hold else None),
        unblock=by_whom(
            standstill.way_on(contract.workflow_id) if ended else hold.unblock if hold else None,
            (Role.TAM,),
            acts,
            services.reader,
        ),
        tam=tam.email,
        contracts=tuple(_contract_line(one) for one in known_contracts) if len(known_contracts) > 1 else (),
    )


async def _recurring_besides(connection: Connection, contract: Contract, steps: Sequence[StepShown]) -> list[StepShown]:
    """What recurs for the account by another contract, whose onboarding is over or stands beside this one."""
    rhythms = await cadence.of_account(connection, contract.account)
    of = next((one.contract for one in rhythms if one.contract != contract.id), None)
    if of is None:
        return []
    known = {one.step for one in steps}
    recurs = {one.step for one in rhythms} - known
    return [one for one in await contracts.milestones(connection, of) if one.step in recurs]


def _in_full(step: MilestoneShown, account: str, name: str) -> MilestoneShown:
    """A step whose command names the contract, as several of the account run."""
    unblock = step.unblock.replace(f" {account} ", f" {name} ") if step.unblock else None
    return step.model_copy(update={"unblock": unblock})


def _contract_line(contract: Contract) -> ContractLine:
    return ContractLine(
        name=contract.scope,
        contract=contract.id,
        product=contract.product,
        stage=contract.stage or ("done" if contract.ended_at else None),
        starts=contract.begins or contract.requested_at or contract.signed_at,
        ended=contract.ended_at,
    )


def _standing_still(step: MilestoneShown) -> MilestoneShown:
    """A step of an onboarding that was ended: nothing but that moves it on. What is done, or recurs, is as it was."""
    if step.state not in OPEN_STATES:
        return step
    nothing = {"waiting_on": (), "waiting_for": None, "since": None, "deadline": None, "unblock": None}
    state = step.state if step.state == "failed" else STANDS_STILL
    return step.model_copy(update={**nothing, "state": state, "at": None if step.state == "waiting" else step.at})


def _by_now(outcome: str | None, mails: MailsOfStep | None) -> str | None:
    """A step's outcome, with how many of its emails were sent by now: it ends before the last of them goes."""
    if outcome is None or mails is None:
        return outcome
    return re.sub(r"^\d+(?= of \d+ sent)", str(mails.sent), outcome)


async def _as_begun(services: Services, contract: Contract) -> Contract:
    """A contract that nothing on record has followed, with the run that Temporal has of it, should it have taken one.

    Where no worker runs, nothing tells of it, and where Temporal does not answer, nobody knows.
    """
    try:
        described = await answered(services.client.get_workflow_handle(contract.workflow_id).describe(), "it")
        taken = described.status is WorkflowExecutionStatus.RUNNING
        if not taken or (await described.memo()).get("contract") != contract.id:
            return contract
    except UserError:
        return contract
    return contract.model_copy(update={"run_id": described.run_id})


async def _ask(services: Services, contract: Contract) -> OnboardingView | None:
    if contract.run_id is None:
        return None
    handle = services.client.get_workflow_handle_for(flows.Onboarding.run, contract.workflow_id)
    try:
        view = await answered(handle.query(flows.Onboarding.view), f"onboarding of {contract.account}")
    except UserError:
        return None
    return view if view.contract == contract.id else None
