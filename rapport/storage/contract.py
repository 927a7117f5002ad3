"""Contracts, and the projection of the onboardings that they started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, delete, or_, select, update

from rapport.model.account import Role, SignedContract, WrittenContract
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.commands import in_name
from rapport.model.ids import onboarding_id, scope_of
from rapport.model.playbook import Playbook
from rapport.model.projection import Milestone, Projection, StepNews, Wait
from rapport.model.reading import check
from rapport.model.step import DoneBy, kinds
from rapport.rules.onboarding import ALREADY
from rapport.rules.operation import CANCELLED
from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow, ContractRow, MilestoneRow
from rapport.storage.timeline import append
from rapport.storage.upserts import insert_new, put


class ContractState(StrEnum):
    """How far the onboarding of a contract is."""

    NOT_STARTED = "not_started"
    REQUESTED = "requested"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Contract(WireModel):
    """A contract on record: kept for later, asked for since `requested_at`, and with a `run_id` once it runs.

    Attributes:
        begins: When its onboarding begins, where that was still to come as it was started.
    """

    id: str
    account: str
    signed_at: Instant
    product: str | None = None
    starts: date | None = None
    ends: date | None = None
    renews: str | None = None
    begins: Instant | None = None
    workflow_id: str
    run_id: str | None
    playbook: str
    playbook_version: int
    requested_at: Instant | None
    stage: str | None
    ended_at: Instant | None
    paused_at: Instant | None

    @property
    def scope(self) -> str:
        """What commands and ids call it: its account, or where it is a further one, the account with its id."""
        return scope_of(self.workflow_id)

    @property
    def runs(self) -> bool:
        """Whether its onboarding runs, as far as that was told."""
        return self.run_id is not None and self.ended_at is None

    @property
    def is_open(self) -> bool:
        """Whether its onboarding runs, or was asked for and is about to."""
        return self.requested_at is not None and self.ended_at is None

    @property
    def is_cancelled(self) -> bool:
        """Whether its onboarding was called off."""
        return self.stage == CANCELLED

    def as_written(self) -> SignedContract:
        """What somebody wrote of it, with the playbook that it was kept for."""
        return SignedContract.model_validate(self.model_dump(include=set(SignedContract.model_fields)))

    @property
    def state(self) -> ContractState:
        """How far it is; `requested` is a start that nothing on record has followed."""
        if self.run_id is None:
            return ContractState.NOT_STARTED if self.requested_at is None else ContractState.REQUESTED
        if self.paused_at is not None:
            return ContractState.PAUSED
        return ContractState.RUNNING if self.ended_at is None else ContractState.ENDED

    @property
    def hold(self) -> Wait | None:
        """What nothing of it begins before: its start, or that someone resumes it."""
        start, tam = f"rapport onboarding start {self.account}", (Role.TAM,)
        match self.state:
            case ContractState.NOT_STARTED:
                return Wait(on=tam, what="someone to start its onboarding", since=self.signed_at, unblock=start)
            case ContractState.REQUESTED:
                what = "its onboarding to begin: a start was requested, and none is on record"
                return Wait(on=tam, what=what, since=self.requested_at, unblock=start)
            case ContractState.PAUSED:
                resume = in_name(f"rapport onboarding resume {self.scope} --reason …")
                return Wait(on=tam, what="someone to resume it: it's paused", since=self.paused_at, unblock=resume)
            case _:
                return None

    def begins_after(self, now: datetime) -> datetime | None:
        """When its onboarding begins, where that is still to come."""
        return self.begins if self.begins is not None and self.begins > now and self.ended_at is None else None


class StepShown(Milestone):
    """A step as it is shown: with what it waits for."""

    wait: Wait


async def request(
    connection: Connection,
    account: str,
    contract: WrittenContract,
    playbook: Playbook,
    workflow_id: str,
    now: datetime,
    *,
    begins: datetime | None = None,
    renews: str | None = None,
) -> None:
    """Put a contract on record as one whose onboarding is asked for, unless it is already.

    Args:
        begins: When that begins, where it is still to come.
        renews: The contract that it renews, also where it does not say so.
    """
    signed = await dated(connection, contract, now)
    asked = _values(account, signed, playbook, workflow_id, now) | {"begins": begins, "renews": renews}
    await insert_new(connection, ContractRow, [asked])
    kept = (ContractRow.id == contract.id, ContractRow.account == account, ContractRow.requested_at.is_(None))
    await connection.execute(update(ContractRow).where(*kept).values(asked))


def _values(
    account: str, contract: SignedContract, playbook: Playbook, workflow_id: str, requested_at: datetime | None
) -> dict[str, Any]:
    return {
        "id": contract.id,
        "account": account,
        "playbook": playbook.name,
        "playbook_version": playbook.version,
        "signed_at": contract.signed_at,
        "product": contract.product,
        "starts": contract.starts,
        "ends": contract.ends,
        "renews": contract.renews,
        "begins": None,
        "requested_at": requested_at,
        "workflow_id": workflow_id,
        "run_id": None,
        "stage": None,
        "ended_at": None,
        "paused_at": None,
        "projected": 0,
    }


async def dated(connection: Connection, contract: WrittenContract, now: datetime) -> SignedContract:
    """A contract with when it was signed: as it says, else as is on record, else now, as it is put there.

    Raises:
        UserError: It ended before that.
    """
    written = contract.model_dump()
    if contract.signed_at is None:
        written["signed_at"] = await connection.scalar(_SIGNED, {"contract": contract.id}) or now
    return check(SignedContract, written, "contract")


async def keep(
    connection: Connection,
    account: str,
    contract: WrittenContract,
    playbook: Playbook,
    workflow_id: str,
    now: datetime,
) -> SignedContract:
    """Keep a contract that an account file gives, for when it is started; one that was asked for stays as it is.

    Raises:
        UserError: It is another account's, or ended before it was signed.
    """
    signed = await dated(connection, contract, now)
    given = _values(account, signed, playbook, workflow_id, None)
    await insert_new(connection, ContractRow, [given])
    same = ContractRow.id == contract.id
    kept = (same, ContractRow.account == account, ContractRow.requested_at.is_(None))
    await connection.execute(update(ContractRow).where(*kept).values(given))
    holder = await connection.scalar(select(ContractRow.account).where(same))
    if holder != account:
        raise of_another(str(holder))
    return signed


def of_another(account: str) -> UserError:
    """The refusal of a contract's id that another account's contract has."""
    return UserError(
        f'belongs to the account "{account}"',
        field="contract.id",
        fix="give this contract its own id",
        kind=Refused.CONFLICT,
    )


_CONTRACTS = select(
    ContractRow.id,
    ContractRow.account,
    ContractRow.signed_at,
    ContractRow.product,
    ContractRow.starts,
    ContractRow.ends,
    ContractRow.renews,
    ContractRow.begins,
    ContractRow.workflow_id,
    ContractRow.run_id,
    ContractRow.playbook,
    ContractRow.playbook_version,
    ContractRow.requested_at,
    ContractRow.stage,
    ContractRow.ended_at,
    ContractRow.paused_at,
)
_SIGNED = select(ContractRow.signed_at).where(ContractRow.id == bindparam("contract"))
_STARTED = _CONTRACTS.where(ContractRow.account == bindparam("of"), ContractRow.requested_at.is_not(None)).order_by(
    ContractRow.requested_at, ContractRow.id
)
_BY_WORKFLOW = _CONTRACTS.where(
    ContractRow.workflow_id == bindparam("workflow"), ContractRow.requested_at.is_not(None)
).order_by(ContractRow.requested_at, ContractRow.id)
_KEPT = (
    _CONTRACTS.where(ContractRow.account == bindparam("of"), ContractRow.requested_at.is_(None))
    .order_by(ContractRow.signed_at.desc(), ContractRow.id)
    .limit(1)
)
_STARTABLE = (
    _CONTRACTS.where(ContractRow.account == bindparam("of"))
    .order_by(
        ContractRow.run_id.is_not(None),
        ContractRow.requested_at.is_(None),
        ContractRow.requested_at.desc(),
        ContractRow.signed_at.desc(),
        ContractRow.id,
    )
    .limit(1)
)
_CONCERNED = _CONTRACTS.where(or_(ContractRow.id == bindparam("contract"), ContractRow.account == bindparam("of")))


async def started(connection: Connection, account: str) -> list[Contract]:
    """The account's contracts that were asked for, in the order in which they were."""
    rows = await connection.execute(_STARTED, {"of": account})
    return [Contract.model_validate(row._mapping) for row in rows]


async def running(connection: Connection, account: str) -> tuple[str, ...]:
    """The workflows of the account's onboardings that run, or are about to."""
    return tuple(one.workflow_id for one in await started(connection, account) if one.is_open)


def current(contracts: Sequence[Contract]) -> Contract | None:
    """The contract that stands for its account, of all in the order in which they were kept and asked for.

    That is the first whose onboarding runs; else the one that was started last, or else was asked for or kept last.
    """
    running = next((one for one in contracts if one.runs), None)
    began = [one for one in contracts if one.run_id is not None] or contracts
    return running or (began[-1] if began else None)


async def latest(connection: Connection, account: str) -> Contract | None:
    """The contract that stands for its account, see `current`."""
    return current(await started(connection, account))


async def of_id(connection: Connection, contract: str) -> Contract | None:
    """The contract with this id, if one is on record."""
    row = (await connection.execute(_CONTRACTS.where(ContractRow.id == contract))).one_or_none()
    return None if row is None else Contract.model_validate(row._mapping)


async def scope(connection: Connection, contract: str) -> str:
    """What the ids of a contract's workflows name; nothing where none is on record."""
    found = await of_id(connection, contract)
    return found.scope if found is not None else ""


async def of_workflow(connection: Connection, workflow_id: str) -> Contract | None:
    """The contract whose onboarding a workflow of its story belongs to: the onboarding itself, or one of its steps."""
    rows = await connection.execute(_BY_WORKFLOW, {"workflow": onboarding_id(scope_of(workflow_id))})
    return current([Contract.model_validate(row._mapping) for row in rows])


async def kept(connection: Connection, account: str) -> Contract | None:
    """The account's latest contract that a file gave, and that nobody has started yet."""
    row = (await connection.execute(_KEPT, {"of": account})).one_or_none()
    return None if row is None else Contract.model_validate(row._mapping)


async def of_all(connection: Connection) -> dict[str, list[Contract]]:
    """Each account's contracts, those that are kept before those that were asked for; by one statement, for lists."""
    order = (
        ContractRow.requested_at.is_not(None),
        ContractRow.requested_at,
        ContractRow.signed_at,
        ContractRow.id.desc(),
    )
    found: dict[str, list[Contract]] = {}
    for row in await connection.execute(_CONTRACTS.order_by(*order)):
        found.setdefault(row.account, []).append(Contract.model_validate(row._mapping))
    return found


_UNBEGUN = (
    _CONTRACTS.add_columns(AccountRow.name, AccountRow.tam)
    .join(AccountRow, AccountRow.key == ContractRow.account)
    .where(ContractRow.requested_at < bindparam("before"), ContractRow.run_id.is_(None), AccountRow.erased_at.is_(None))
    .order_by(ContractRow.requested_at, ContractRow.id)
)


class Unbegun(Contract):
    """A contract whose onboarding was asked for and never began, with its account's name, and its TAM by id."""

    name: str
    tam: str


async def unbegun(connection: Connection, before: datetime) -> list[Unbegun]:
    """The contracts whose start was asked for before an instant, and that nothing on record has followed."""
    rows = await connection.execute(_UNBEGUN, {"before": before})
    return [Unbegun.model_validate(row._mapping) for row in rows]


async def startable(connection: Connection, account: str) -> Contract | None:
    """The account's contract that a start without one means: one that was asked for and never began, or is kept.

    Where there is neither, the latest, which has begun.
    """
    row = (await connection.execute(_STARTABLE, {"of": account})).one_or_none()
    return None if row is None else Contract.model_validate(row._mapping)


async def entry(connection: Connection, contract: str) -> str | None:
    """The step at which a contract was asked to enter; nothing where it begins with its first."""
    steps = await milestones(connection, contract)
    if not any(one.outcome == ALREADY for one in steps):
        return None
    return next((one.step for one in steps if one.outcome is None), None)


async def concerned(connection: Connection, account: str, contract: str) -> list[Contract]:
    """The contracts that a start has to look at: the one with this id, and all of this account."""
    rows = await connection.execute(_CONCERNED, {"of": account, "contract": contract})
    return [Contract.model_validate(row._mapping) for row in rows]


async def give_up(connection: Connection, ids: Iterable[str], now: datetime) -> None:
    """Note that onboardings are over that Temporal no longer has, as others take their place."""
    gone = (ContractRow.id.in_(list(ids)), ContractRow.ended_at.is_(None))
    await connection.execute(update(ContractRow).where(*gone).values(ended_at=now))


async def withdraw(connection: Connection, contract: str) -> None:
    """Take a contract that never ran off the record, so that the same id can start later."""
    never_ran = select(ContractRow.id).where(ContractRow.id == contract, ContractRow.run_id.is_(None))
    await connection.execute(delete(MilestoneRow).where(MilestoneRow.contract.in_(never_ran)))
    await connection.execute(delete(ContractRow).where(ContractRow.id.in_(never_ran)))


_WAITING = ("waiting_on", "waiting_for", "unblock", "deadline", "since")
_HERE = update(MilestoneRow).where(
    MilestoneRow.contract == bindparam("of_contract"), MilestoneRow.step == bindparam("of_step")
)
# The last word of a workflow that was ended from outside may be written after its step was found to have failed, and
# what the step waits for by then is its TAM's decision. What it says later, it says as it goes on.
_TELL_STEP = _HERE.where(
    or_(MilestoneRow.state != "failed", MilestoneRow.ended < bindparam("told_at")),
).values({name: bindparam(name) for name in _WAITING})
_PROJECT = (
    update(ContractRow)
    .where(ContractRow.id == bindparam("contract"), ContractRow.projected < bindparam("number"))
    .values(
        run_id=bindparam("run"),
        stage=bindparam("now_at"),
        ended_at=bindparam("end"),
        paused_at=bindparam("paused"),
        playbook=bindparam("plan"),
        playbook_version=bindparam("version"),
        projected=bindparam("number"),
    )
)


async def project(connection: Connection, projection: Projection) -> None:
    """Write down what an onboarding says of itself; what it said later already stands."""
    await connection.execute(
        _PROJECT,
        {
            "contract": projection.contract,
            "number": projection.number,
            "run": projection.run_id,
            "now_at": projection.stage,
            "end": projection.now if projection.ended else None,
            "paused": projection.paused_at,
            "plan": projection.playbook,
            "version": projection.version,
        },
    )
    await put_milestones(connection, projection.contract, projection.number, projection.milestones)
    await append(connection, projection.entries)


async def put_milestones(connection: Connection, contract: str, number: int, milestones: Sequence[Milestone]) -> None:
    """Write steps as the projection of this number has them."""
    rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for milestone in milestones:
        values = milestone.model_dump(exclude={"wait"}) | {"contract": contract, "projected": number}
        # A cadence's review tells what it waits for long after its step is done.
        told_elsewhere = milestone.state == "running" or (
            milestone.kind in kinds(DoneBy.CADENCE) and milestone.state == "done"
        )
        rows[not told_elsewhere or milestone.wait is not None].append(values | _waiting(milestone.wait or Wait()))
    for waiting, some in rows.items():
        # What an earlier attempt waited for says nothing of this one.
        kept, within = ((), None) if waiting else (_WAITING, "attempt")
        await put(connection, MilestoneRow, some, kept=kept, within=within, version="projected")


async def pause_what_recurs(connection: Connection, contract: str, paused_at: datetime | None) -> None:
    """Write down whether what recurs is paused. Until its onboarding has ended, that says it of both."""
    of_it = update(ContractRow).where(ContractRow.id == contract, ContractRow.ended_at.is_not(None))
    await connection.execute(of_it.values(paused_at=paused_at))


async def tell_step(connection: Connection, news: StepNews) -> None:
    """Write down what a running step waits for."""
    if news.wait is not None:
        await tell_wait(connection, news.contract, news.step, news.wait, news.now)
    await append(connection, news.entries)


async def follow(connection: Connection, contract: str, playbook: str, version: int) -> None:
    """Write down which playbook an account follows whose onboarding is over; a running one says so itself."""
    over = (ContractRow.id == contract, ContractRow.ended_at.is_not(None))
    await connection.execute(update(ContractRow).where(*over).values(playbook=playbook, playbook_version=version))


async def tell_wait(connection: Connection, contract: str, step: str, wait: Wait, now: datetime) -> None:
    """Write down what a step waits for, or that it waits for nothing.

    Args:
        now: When that was said; nothing counts of a step that has failed since.
    """
    here = {"of_contract": contract, "of_step": step, "told_at": now}
    await connection.execute(_TELL_STEP, here | _waiting(wait))


def _waiting(wait: Wait) -> dict[str, object]:
    return {
        "waiting_on": list(wait.on),
        "waiting_for": wait.what,
        "unblock": wait.unblock,
        "deadline": wait.deadline,
        "since": wait.since,
    }


_MILESTONES = select(
    MilestoneRow.step,
    MilestoneRow.position,
    MilestoneRow.title,
    MilestoneRow.stage,
    MilestoneRow.kind,
    MilestoneRow.state,
    MilestoneRow.attempt,
    MilestoneRow.due,
    MilestoneRow.began,
    MilestoneRow.ended,
    MilestoneRow.outcome,
    MilestoneRow.waiting_on,
    MilestoneRow.waiting_for,
    MilestoneRow.unblock,
    MilestoneRow.deadline,
    MilestoneRow.since,
)


_STEPS = (
    select(MilestoneRow.contract, MilestoneRow.step, MilestoneRow.title)
    .join(ContractRow, ContractRow.id == MilestoneRow.contract)
    .order_by(ContractRow.requested_at, MilestoneRow.position)
)


async def milestones(connection: Connection, contract: str) -> list[StepShown]:
    """The steps of a contract's onboarding, in the playbook's order."""
    query = _MILESTONES.where(MilestoneRow.contract == contract).order_by(MilestoneRow.position)
    return [_shown(row) for row in await connection.execute(query)]


async def titles(connection: Connection, account: str) -> dict[str, str]:
    """The titles of all steps of an account, by name; where contracts differ, as the last one has it."""
    rows = await connection.execute(_STEPS.where(ContractRow.account == account))
    return {row.step: row.title for row in rows}


async def having(connection: Connection, account: str, step: str) -> set[str]:
    """The contracts of an account that have a step of this name, by id."""
    found = _STEPS.where(ContractRow.account == account, MilestoneRow.step == step)
    return {row.contract for row in await connection.execute(found)}


async def steps(connection: Connection, account: str, contract: str | None = None) -> list[str]:
    """The names of all steps of an account, or of one of its contracts, each once."""
    found = _STEPS.where(ContractRow.account == account)
    rows = await connection.execute(found if contract is None else found.where(ContractRow.id == contract))
    return list(dict.fromkeys(row.step for row in rows))


async def first_waiting(connection: Connection) -> dict[str, StepShown]:
    """Of each contract the step with the earliest deadline among those that wait for somebody, else for a time."""
    query = (
        _MILESTONES.add_columns(MilestoneRow.contract)
        .where(MilestoneRow.waiting_for.is_not(None))
        .order_by(MilestoneRow.position)
    )
    found: dict[str, StepShown] = {}
    for row in await connection.execute(query):
        shown = _shown(row)
        there = found.get(row.contract)
        if there is None or urgency(shown.wait) < urgency(there.wait):
            found[row.contract] = shown
    return found


def urgency(wait: Wait) -> tuple[bool, bool, float]:
    """What sorts waits: those for somebody first, by their deadline; then what only has to come about."""
    return not wait.on, wait.deadline is None, wait.deadline.timestamp() if wait.deadline is not None else 0


def _shown(row: Row[Any]) -> StepShown:
    wait = Wait.made_of(row, on=tuple(row.waiting_on), what=row.waiting_for)
    return StepShown(
        **{name: value for name, value in row._mapping.items() if name in StepShown.model_fields}, wait=wait
    )
