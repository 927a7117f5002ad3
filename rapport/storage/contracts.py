"""Contracts, and the projection of the onboardings that they started."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Executable, Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport.model.base import Instant, Wire
from rapport.model.people import WrittenContract
from rapport.model.playbook import Playbook
from rapport.storage.tables import ContractRow, MilestoneRow
from rapport.storage.timeline import Entry, append, insert_new


class Contract(Wire):
    """A contract on record. `run_id` is set once its onboarding runs."""

    id: str
    account: str
    workflow_id: str
    run_id: str | None
    playbook: str
    playbook_version: int
    requested_at: Instant
    stage: str | None
    ended_at: Instant | None


class Wait(Wire):
    """What a running step waits for.

    Attributes:
        on: Roles and personas, never people.
        what: In words, such as "answers on the proposed times".
        unblock: The command that moves it on without them.
    """

    on: tuple[str, ...] = ()
    what: str | None = None
    unblock: str | None = None
    deadline: Instant | None = None


class Milestone(Wire):
    """The projection of one step.

    Attributes:
        wait: What it waits for, where its onboarding knows; a child workflow tells for itself.
    """

    step: str
    position: int
    title: str
    stage: str
    kind: str
    state: str
    attempt: int = 1
    due: Instant | None = None
    began: Instant | None = None
    ended: Instant | None = None
    outcome: str | None = None
    wait: Wait | None = None


class Shown(Milestone):
    """A step as it is shown: with what it waits for, and since when."""

    wait: Wait
    since: Instant | None = None


class Projection(Wire):
    """What an onboarding tells SQL in one batch. Safe to repeat."""

    account: str
    contract: str
    run_id: str
    stage: str | None
    now: Instant
    ended: bool = False
    milestones: tuple[Milestone, ...] = ()
    entries: tuple[Entry, ...] = ()


class StepNews(Wire):
    """What the workflow of a running step tells SQL in one batch. Safe to repeat."""

    contract: str
    step: str
    wait: Wait
    now: Instant
    entries: tuple[Entry, ...] = ()


async def request(
    connection: AsyncConnection,
    account: str,
    contract: WrittenContract,
    playbook: Playbook,
    workflow_id: str,
    now: datetime,
) -> Contract:
    """Put a contract on record, or give the record that is already there."""
    await insert_new(
        connection,
        ContractRow,
        [
            {
                "id": contract.id,
                "account": account,
                "playbook": playbook.name,
                "playbook_version": playbook.version,
                "signed_at": contract.signed_at,
                "requested_at": now,
                "workflow_id": workflow_id,
                "run_id": None,
                "stage": None,
                "ended_at": None,
            }
        ],
    )
    found = await by_id(connection, contract.id)
    assert found is not None
    return found


_CONTRACTS = select(
    ContractRow.id,
    ContractRow.account,
    ContractRow.workflow_id,
    ContractRow.run_id,
    ContractRow.playbook,
    ContractRow.playbook_version,
    ContractRow.requested_at,
    ContractRow.stage,
    ContractRow.ended_at,
)
_BY_ID = _CONTRACTS.where(ContractRow.id == bindparam("contract"))
_LATEST = (
    _CONTRACTS.where(ContractRow.account == bindparam("of"))
    .order_by(ContractRow.run_id.is_(None), ContractRow.requested_at.desc())
    .limit(1)
)


async def by_id(connection: AsyncConnection, contract: str) -> Contract | None:
    """The contract with this id."""
    row = (await connection.execute(_BY_ID, {"contract": contract})).one_or_none()
    return None if row is None else Contract.model_validate(row._mapping)


async def latest(connection: AsyncConnection, account: str) -> Contract | None:
    """The account's contract that was started last, or else was asked for last."""
    row = (await connection.execute(_LATEST, {"of": account})).one_or_none()
    return None if row is None else Contract.model_validate(row._mapping)


async def withdraw(connection: AsyncConnection, contract: str) -> None:
    """Take a contract that never ran off the record, so that the same id can start later."""
    await connection.execute(delete(ContractRow).where(ContractRow.id == contract, ContractRow.run_id.is_(None)))


async def mark_running(connection: AsyncConnection, contract: str, run_id: str) -> None:
    """Note that a contract's onboarding runs; the first word stands."""
    await connection.execute(
        update(ContractRow).where(ContractRow.id == contract, ContractRow.run_id.is_(None)).values(run_id=run_id)
    )


_WAITING = ("waiting_on", "waiting_for", "unblock", "deadline", "since")
_PROJECT = (
    update(ContractRow)
    .where(ContractRow.id == bindparam("contract"))
    .values(run_id=bindparam("run"), stage=bindparam("now_at"), ended_at=bindparam("end"))
)


@cache
def _put_milestone(dialect: str, *, waiting: bool) -> Executable:
    """Write a step, or what is new of it; what it waits for stays as it is unless that is known."""
    table = cast("Table", MilestoneRow.__table__)
    new = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    kept = {"contract", "step", *(() if waiting else _WAITING)}
    values = {column.name: new.excluded[column.name] for column in table.columns if column.name not in kept}
    put: Executable = new.on_conflict_do_update(index_elements=["contract", "step"], set_=values)
    return put


async def project(connection: AsyncConnection, projection: Projection) -> None:
    """Write down what an onboarding says of itself."""
    await connection.execute(
        _PROJECT,
        {
            "contract": projection.contract,
            "run": projection.run_id,
            "now_at": projection.stage,
            "end": projection.now if projection.ended else None,
        },
    )
    rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for milestone in projection.milestones:
        wait = milestone.wait or Wait()
        values = milestone.model_dump(exclude={"wait"}) | {"contract": projection.contract} | _waiting(wait)
        values["since"] = projection.now if wait.what else None
        rows[milestone.state != "running" or milestone.wait is not None].append(values)
    for waiting, some in rows.items():
        if some:
            await connection.execute(_put_milestone(connection.dialect.name, waiting=waiting), some)
    await append(connection, projection.entries)


async def tell_step(connection: AsyncConnection, news: StepNews) -> None:
    """Write down what a running step waits for; the instant since when changes with the reason alone."""
    here = (MilestoneRow.contract == news.contract, MilestoneRow.step == news.step)
    before = (await connection.execute(select(MilestoneRow.waiting_for, MilestoneRow.since).where(*here))).one_or_none()
    same = before is not None and before.since is not None and before.waiting_for == news.wait.what
    since = (before.since if before and same else news.now) if news.wait.what else None
    await connection.execute(update(MilestoneRow).where(*here).values(since=since, **_waiting(news.wait)))
    await append(connection, news.entries)


def _waiting(wait: Wait) -> dict[str, object]:
    return {
        "waiting_on": list(wait.on),
        "waiting_for": wait.what,
        "unblock": wait.unblock,
        "deadline": wait.deadline,
    }


async def milestones(connection: AsyncConnection, contract: str) -> list[Shown]:
    """The steps of a contract's onboarding, in the playbook's order."""
    rows = await connection.execute(
        select(
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
        .where(MilestoneRow.contract == contract)
        .order_by(MilestoneRow.position)
    )
    return [
        Shown(
            **{name: value for name, value in row._mapping.items() if name in Shown.model_fields},
            wait=Wait(on=tuple(row.waiting_on), what=row.waiting_for, unblock=row.unblock, deadline=row.deadline),
        )
        for row in rows
    ]
