"""What members do to a running onboarding as a whole: pause, resume, skip, redo, complete, adopt, cancel."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from typing import Annotated, NamedTuple, TypeVar

from pydantic import AfterValidator, Field

from rapport.mail.context import AccountContext
from rapport.model.access import Action
from rapport.model.account import Role
from rapport.model.base import InputModel, Instant, Name, Prose, Refused, StepName, UserError, WireModel
from rapport.model.ids import account_of, cadence_id, onboarding_id
from rapport.model.meeting import Receipt
from rapport.model.operation import OF_A_STEP, Operate, Operation, Seen
from rapport.model.playbook import Playbook
from rapport.model.step import Offset
from rapport.playbooks import PLAYBOOKS, load
from rapport.rules import onboarding, operation as operations
from rapport.rules.calendar import ahead_of, apply_offset
from rapport.rules.playbook_migration import Plan
from rapport.storage import cadence as cadences, contract as contracts
from rapport.storage.contract import Contract
from rapport.storage.database import Connection
from starters import flows
from starters.rights import requires
from starters.services import (
    LATER,
    Actor,
    Services,
    WorkflowEndedError,
    answered,
    member_named,
    present,
    submission,
)
from starters.use_cases import revivals
from starters.use_cases.names import contract_of, no_step
from starters.use_cases.words import hand_over, once
from starters.views import standstill

T = TypeVar("T")


class GoingOn(WireModel):
    """A step that goes on with a resume.

    Attributes:
        at: When it begins; what several would do at once is spread over business days.
        to: The personas to whom it writes.
    """

    step: str
    title: str
    kind: str
    at: Instant
    to: tuple[str, ...]


class Preview(WireModel):
    """What would go out if a paused onboarding were resumed now."""

    account: str
    paused_at: Instant
    steps: tuple[GoingOn, ...]


def _filled(value: str) -> str:
    if not value:
        raise ValueError("is empty; say why, it stands on the account's timeline")
    return value


class OperationWritten(InputModel):
    """What a member says to do.

    Attributes:
        step: For skip, redo and complete.
        attempt: The attempt at the step that the person saw; without it, the latest.
        playbook: For adopt.
    """

    reason: Annotated[Prose, AfterValidator(_filled)]
    step: Name | None = None
    attempt: Annotated[int, Field(ge=1)] | None = None
    playbook: StepName | None = None


@requires(Action.ACT)
async def operate(services: Services, account: str, kind: Operate, written: OperationWritten, actor: Actor) -> Receipt:
    """Do something to a running onboarding. The same once more changes nothing, and says so.

    Raises:
        UserError: The member may not act on accounts, the step or the playbook is missing or unknown, the step is not
            in a state for it, or no more as it was when this was said, or no onboarding runs.
    """
    member = await member_named(services, actor)
    if kind in OF_A_STEP and written.step is None:
        raise UserError("is missing", field="step", fix=f"name the step to {kind}")
    of = await _of(services, account, written.step)
    account = of.account
    ended = await _ended(services, of)
    if ended and kind not in (Operate.RESUME, Operate.CANCEL):
        raise UserError(
            f'the onboarding of "{account}" was ended in Temporal',
            field="account",
            fix=f"have it continue first: {standstill.way_on(ended[0])}",
            kind=Refused.CONFLICT,
        )
    seen = await _seen(services, of, written) if kind in OF_A_STEP else None
    playbook, left_out = None, tuple[str, ...]()
    if kind is Operate.ADOPT:
        if written.playbook is None:
            raise UserError("is missing", field="playbook", fix="name the playbook to adopt")
        playbook = load(written.playbook, services.settings.data / PLAYBOOKS)
        async with services.store.reading() as connection:
            left_out = await left_out_for(connection, account, playbook, of.contract)
    said = submission(member.id, actor, f"onboarding.{kind}", onboarding_id(of.scope), written.reason)
    plan_ = playbook.model_dump(mode="json") if playbook else None
    said = await once(services, said, by_state=True, step=written.step, playbook=plan_)
    began = None
    for id_ in ended:
        began = await revivals.begin_again(services, revivals.gone_of(account, account, id_, Role.TAM), said)
    if began is not None and began.outcome == LATER:
        return began
    operation = Operation(
        id=said.id,
        at=said.at,
        by=member.id,
        kind=kind,
        step=written.step,
        seen=seen,
        playbook=playbook,
        left_out=left_out,
    )
    handle = services.client.get_workflow_handle_for(flows.Onboarding.run, onboarding_id(of.scope))
    asked = hand_over(services, handle, flows.Onboarding.operate, operation, f"onboarding of {of.scope}")
    if of.is_alone(kind):
        return await _of_a_running_one(of.scope, asked)
    receipt = await _of_either(services, account, asked, operation)
    return began if began is not None and receipt.outcome == operations.UNCHANGED else receipt


class _Operated(NamedTuple):
    """What an operation is about.

    Attributes:
        scope: What its onboarding is called.
        runs: Whether that runs, as far as that was told.
        recurs: Whether what recurs for the account is meant too, and does.
        owns: Whether that began with this contract, and follows its playbook.
        named: Whether this contract is meant alone, and not its account.
    """

    account: str
    scope: str
    contract: Contract | None
    runs: bool
    recurs: bool
    owns: bool
    named: bool

    def is_alone(self, kind: Operate) -> bool:
        """Whether an operation is for the onboarding alone, and not for what recurs as well."""
        follows_another = kind is Operate.ADOPT and self.runs and self.recurs and not self.owns
        return kind in OF_A_STEP or follows_another or (self.named and not self.owns)


async def _of(services: Services, named: str, step: str | None = None) -> _Operated:
    """What somebody means by an account, or one of its contracts; an account is all of it, also what recurs.

    Raises:
        UserError: As `contract_of`.
    """
    key, _, of = named.partition(".")
    async with services.store.reading() as connection:
        contract = await contract_of(connection, named, step)
        rhythms = await cadences.of_account(connection, key)
    owns = contract is not None and any(rhythm.contract == contract.id for rhythm in rhythms)
    return _Operated(
        account=key,
        scope=contract.scope if contract is not None else key,
        contract=contract,
        runs=contract is not None and contract.runs,
        recurs=owns if of else bool(rhythms),
        owns=owns,
        named=bool(of),
    )


async def _ended(services: Services, of: _Operated) -> list[str]:
    """The workflows of an account that were ended in Temporal: its onboarding, and that of what recurs."""
    ids = [of.contract.workflow_id] if of.contract is not None and of.contract.ended_at is None else []
    ids += [cadence_id(of.account)] if of.recurs else []
    try:
        return [id_ for id_ in ids if await standstill.ended_since(services, id_) is not None]
    except UserError:
        return []


async def _seen(services: Services, of: _Operated, written: OperationWritten) -> Seen | None:
    """How the step is, by its onboarding, or else as that last wrote it down; nothing if no onboarding runs.

    Raises:
        UserError: The onboarding has no such step.
    """
    try:
        plan = await _plan(services, of.scope)
        titles = {key: one.definition.title for key, one in plan.steps.items()}
        known = {key: Seen(attempt=one.attempt, state=one.state) for key, one in plan.steps.items()}
    except UserError as refusal:
        if refusal.kind is not Refused.UNREACHABLE:
            return None
        async with services.store.reading() as connection:
            steps = await contracts.milestones(connection, of.contract.id) if of.contract is not None else []
        titles = {one.step: one.title for one in steps}
        known = {one.step: Seen(attempt=one.attempt, state=one.state) for one in steps}
    typed = written.step or ""
    if not known:
        return None
    if typed not in known:
        raise no_step(f'"{of.scope}" has no step "{typed[:40]}"', typed, titles)
    return known[typed].model_copy(update={"attempt": written.attempt} if written.attempt else {})


async def left_out_for(
    connection: Connection, account: str, playbook: Playbook, contract: Contract | None
) -> tuple[str, ...]:
    """The steps of a playbook that an account does not get: those not meant for it, and those that members left out.

    Args:
        contract: Of whose steps some may have been left out.
    """
    company = await AccountContext.read(connection, account)
    known = await contracts.milestones(connection, contract.id) if contract is not None else []
    skipped = {step.step for step in known if step.state is onboarding.StepState.SKIPPED}
    ends = contract is not None and contract.ends is not None
    omitted = onboarding.left_out(playbook, company.account.facts, company.personas, ends=ends)
    return (*omitted, *sorted(skipped - set(omitted)))


async def _of_either(services: Services, account: str, asked: Awaitable[Receipt], operation: Operation) -> Receipt:
    """What concerns the whole account goes to its onboarding and to what recurs, whichever of them runs, or both."""
    cadence = services.client.get_workflow_handle_for(flows.Cadence.run, cadence_id(account))
    receipt: Receipt | None = None
    kind = Refused.NOT_FOUND
    try:
        receipt = await asked
    except WorkflowEndedError as over:
        kind = over.kind
    with suppress(WorkflowEndedError):
        also = await hand_over(services, cadence, flows.Cadence.operate, operation, f"cadence of {account}")
        receipt = also if receipt is None or receipt.outcome == operations.UNCHANGED else receipt
    if receipt is None:
        await revivals.refuse_where_forgotten(services, account)
        raise UserError(
            f'no onboarding of "{account}" runs, and nothing recurs for it',
            field="account",
            fix=f"see `rapport onboarding status {account}`",
            kind=kind,
        )
    return receipt


@requires(Action.READ)
async def preview(services: Services, account: str) -> Preview:
    """What would go out if a paused onboarding were resumed now; asking changes nothing.

    Raises:
        UserError: No onboarding of this account runs, or it is not paused.
    """
    found = await plan_of(services, account)
    account = account_of(account)
    if found.paused_at is None:
        raise UserError("is not paused", field="account", fix="nothing is held back", kind=Refused.CONFLICT)
    async with services.store.reading() as connection:
        company = await AccountContext.read(connection, account)
    who, now, steps = company.champion.schedule, present(), found.steps
    known = {name: step.due for name, step in steps.items() if step.state is onboarding.StepState.WAITING and step.due}
    since = max(found.paused_at, found.began or found.paused_at)
    moved = onboarding.interrupted(steps, since)
    left = operations.resumed(tuple(moved.values()), since, now, who)
    dues = {**known, **dict(zip(moved, left, strict=True))}
    for name in onboarding.ready(steps):
        waits = max(found.began or since, onboarding.began_waiting(steps[name], steps, found.paused_at))
        definition = steps[name].definition
        if definition.before is not None and found.ends is not None and definition.offset is not None:
            dues[name] = ahead_of(found.ends, Offset.parse(definition.offset), who)
        else:
            offset = definition.offset
            dues[name] = apply_offset(waits, Offset.parse(offset), who) if offset is not None else waits
    begins = operations.staggered({name: dues[name] for name in steps if name in dues}, now, who)
    return Preview(
        account=account,
        paused_at=found.paused_at,
        steps=tuple(
            GoingOn(
                step=name,
                title=definition.title,
                kind=definition.kind,
                at=max(at, now),
                to=definition.people,
            )
            for name, at in sorted(begins.items(), key=lambda item: item[1])
            for definition in (found.steps[name].definition,)
        ),
    )


@requires(Action.READ)
async def plan_of(services: Services, account: str) -> Plan:
    """The plan that a running onboarding follows.

    Raises:
        UserError: None runs, or no worker answers.
    """
    return await _plan(services, (await _of(services, account)).scope)


async def _plan(services: Services, scope: str) -> Plan:
    handle = services.client.get_workflow_handle_for(flows.Onboarding.run, onboarding_id(scope))
    return await _of_a_running_one(scope, answered(handle.query(flows.Onboarding.plan), f"onboarding of {scope}"))


async def _of_a_running_one(account: str, call: Awaitable[T]) -> T:
    try:
        return await call
    except WorkflowEndedError as over:
        raise UserError(
            f'no onboarding of "{account}" runs',
            field="account",
            fix=f"see `rapport onboarding status {account}`",
            kind=over.kind,
        ) from None
