"""Every open wait that SQL knows of, with who could end it; and the workflows that should be running for them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from rapport.model.base import Instant, Wire
from rapport.model.human_task import TaskPhase
from rapport.model.ids import cadence_id, handover_id, meeting_id, review_id
from rapport.model.people import Role
from rapport.storage import reviews, rhythms
from rapport.storage.database import Connection
from rapport.storage.tables import (
    AccountRow,
    ContactRow,
    ContractRow,
    MemberRow,
    MilestoneRow,
    TaskHolderRow,
    TaskRow,
)


class OpenWait(Wire):
    """Something that waits for somebody.

    Attributes:
        where: The task's workflow, or the account and the step.
        what: What is waited for.
        held: Whether it waits for anybody in particular at all.
        there: Whether anybody for whom it waits has not left.
        unblock: The command that moves it on.
    """

    where: str
    what: str
    held: bool
    there: bool
    deadline: Instant | None
    unblock: str


async def open_waits(connection: Connection) -> list[OpenWait]:
    """The open tasks, then the running steps that wait for somebody and are no task."""
    return [*await _tasks(connection), *await _steps(connection)]


async def open_workflows(connection: Connection) -> set[str]:
    """The ids of all workflows that run, as far as SQL was told: of accounts, their meetings, tasks and reviews."""
    onboardings = await connection.scalars(
        select(ContractRow.workflow_id).where(ContractRow.run_id.is_not(None), ContractRow.ended_at.is_(None))
    )
    tasks = await connection.scalars(select(TaskRow.id).where(TaskRow.phase != TaskPhase.CLOSED))
    meetings = await connection.execute(_RUNNING.where(MilestoneRow.kind == "meeting"))
    recurring = await rhythms.every(connection)
    hand_overs = await connection.execute(
        select(AccountRow.key, AccountRow.tam_until).where(AccountRow.tam_until.is_not(None))
    )
    return {
        *onboardings,
        *tasks,
        *(review_id(ref) for ref in await reviews.open_refs(connection)),
        *(handover_id(row.key, row.tam_until) for row in hand_overs),
        *(meeting_id(row.account, row.step, row.attempt) for row in meetings),
        *(cadence_id(rhythm.account) for rhythm in recurring),
        *(meeting_id(one.account, one.step, one.period) for one in recurring if one.open and one.period),
    }


_STEPS: Final = (
    select(
        ContractRow.account,
        AccountRow.tam,
        MilestoneRow.contract,
        MilestoneRow.step,
        MilestoneRow.attempt,
        MilestoneRow.kind,
        MilestoneRow.waiting_on,
        MilestoneRow.waiting_for,
        MilestoneRow.deadline,
        MilestoneRow.unblock,
    )
    .join(MilestoneRow, MilestoneRow.contract == ContractRow.id)
    .join(AccountRow, AccountRow.key == ContractRow.account)
    .where(ContractRow.run_id.is_not(None))
    # A pause has no end of its own, and stands where everybody sees it.
    .where(ContractRow.paused_at.is_(None))
    .order_by(ContractRow.account, MilestoneRow.position)
)
_RUNNING: Final = _STEPS.where(ContractRow.ended_at.is_(None), MilestoneRow.state == "running")
# What recurs goes on after its step, and after the onboarding.
_RECURRING: Final = _STEPS.where(MilestoneRow.kind == "cadence", MilestoneRow.state == "done")


async def _tasks(connection: Connection) -> list[OpenWait]:
    rows = list(
        await connection.execute(
            select(TaskRow.id, TaskRow.title, TaskRow.deadline)
            .where(TaskRow.phase != TaskPhase.CLOSED)
            .order_by(TaskRow.id)
        )
    )
    holders: dict[str, list[bool]] = {}
    for row in await connection.execute(
        select(TaskHolderRow.task, MemberRow.left_at)
        .outerjoin(MemberRow, MemberRow.id == TaskHolderRow.member)
        .where(TaskHolderRow.awaited)
    ):
        holders.setdefault(row.task, []).append(row.left_at is None)
    return [
        OpenWait(
            where=row.id,
            what=row.title,
            held=row.id in holders,
            there=any(holders.get(row.id, ())),
            deadline=row.deadline,
            unblock=f"rapport task show {row.id}",
        )
        for row in rows
    ]


async def _steps(connection: Connection) -> list[OpenWait]:
    members = list(await connection.execute(select(MemberRow.id, MemberRow.roles).where(MemberRow.left_at.is_(None))))
    present = {row.id for row in members}
    roles = {role for row in members for role in row.roles}
    personas = {
        (row.account, row.persona)
        for row in await connection.execute(
            select(ContactRow.account, ContactRow.persona).where(ContactRow.left_at.is_(None))
        )
    }
    found = []
    rows = [
        *await connection.execute(_RUNNING.where(MilestoneRow.kind != "task")),
        *await connection.execute(_RECURRING),
    ]
    for row in rows:
        there = any(
            row.tam in present if on == Role.TAM else on in roles or (row.account, on) in personas
            for on in row.waiting_on
        )
        if row.waiting_on:
            found.append(
                OpenWait(
                    where=f"{row.account}, step {row.step}",
                    what=row.waiting_for or "",
                    held=True,
                    there=there,
                    deadline=row.deadline,
                    unblock=row.unblock or f"rapport onboarding status {row.account}",
                )
            )
    return found
