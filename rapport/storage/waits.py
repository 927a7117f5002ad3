"""Every open wait that SQL knows of, with who could end it; and the workflows that should be running for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, not_, or_, select

from rapport.model.account import Role, personas
from rapport.model.base import Instant, WireModel
from rapport.model.ids import (
    BOOKS,
    cadence_id,
    case_id,
    handover_id,
    meeting_id,
    onboarding_id,
    review_id,
    scope_of,
    step_workflow,
)
from rapport.model.meeting import AD_HOC
from rapport.model.step import DoneBy, kinds
from rapport.model.support_case import CaseState, CaseStatus
from rapport.rules import support_case
from rapport.rules.tech_review import live_meeting
from rapport.storage import cadence, sweep, tech_review
from rapport.storage.database import Connection
from rapport.storage.support_case import OPEN
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import (
    AccountRow,
    ContactRow,
    ContractRow,
    MemberRow,
    MilestoneRow,
    TaskHolderRow,
    TaskRow,
)
from rapport.storage.task import ALL_OPEN, way_on
from rapport.storage.tech_review_tables import ReviewRow


class OpenWait(WireModel):
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
    """The open tasks, running steps that wait for somebody and are no task, cases, and reviews without a task."""
    return [
        *await _tasks(connection),
        *await _steps(connection),
        *await _cases(connection),
        *await _reviews(connection),
    ]


async def open_workflows(connection: Connection) -> set[str]:
    """The ids of all workflows that run, as far as SQL was told: of accounts, meetings, tasks, reviews and cases.

    What was ended from outside is among them, until somebody decides that it stays ended.
    """
    onboardings = await connection.scalars(
        select(ContractRow.workflow_id).where(ContractRow.run_id.is_not(None), ContractRow.ended_at.is_(None))
    )
    tasks = await connection.scalars(
        select(TaskRow.id).where(ALL_OPEN, not_(TaskRow.id.startswith(BOOKS, autoescape=True)))
    )
    steps = await connection.execute(_RUNNING.where(MilestoneRow.kind.in_(kinds(DoneBy.WORKFLOW))))
    recurring = await cadence.every(connection)
    hand_overs = await connection.execute(
        select(AccountRow.key, AccountRow.tam_until).where(AccountRow.tam_until.is_not(None))
    )
    left = {one.workflow_id for one in (await sweep.standing_still(connection)).values() if one.left_at is not None}
    return {
        *onboardings,
        *tasks,
        *(review_id(ref) for ref in await tech_review.open_refs(connection)),
        *(case_id(ref) for ref in await connection.scalars(select(CaseRow.ref).where(CaseRow.state.in_(OPEN)))),
        *(handover_id(row.key, row.tam_until) for row in hand_overs),
        *(step_workflow(row.kind, scope_of(row.workflow_id), row.step, row.attempt) for row in steps),
        *(cadence_id(rhythm.account) for rhythm in recurring),
        *(meeting_id(one.account, one.step, one.period) for one in recurring if one.open and one.period),
    } - left


async def arranged(connection: Connection) -> set[str]:
    """The ids of the latest live meetings on open reviews: they run or are over, which SQL is not told."""
    query = select(ReviewRow.ref, ReviewRow.meetings).where(ReviewRow.closed.is_(None), ReviewRow.meetings > 0)
    rows = await connection.execute(query)
    return {meeting_id(row.ref, live_meeting(row.ref).name, row.meetings) for row in rows}


async def unknown(connection: Connection, ids: Collection[str]) -> list[str]:
    """Those among the ids of workflows that SQL has nothing of, in order.

    A case, a review and a contract are on record before their workflow begins. One of these that Temporal has and SQL
    does not tells of a database that was put back from a backup older than Temporal.
    """
    refs = {id_.partition("/")[2] for id_ in ids}
    there = {
        case_id(""): await connection.scalars(select(CaseRow.ref).where(CaseRow.ref.in_(refs))),
        review_id(""): await connection.scalars(select(ReviewRow.ref).where(ReviewRow.ref.in_(refs))),
    }
    known = {f"{head}{ref}" for head, found in there.items() for ref in found}
    known |= set(await connection.scalars(select(ContractRow.workflow_id).where(ContractRow.workflow_id.in_(ids))))
    begun_by_row = (*there, onboarding_id(""))
    return [id_ for id_ in sorted(ids) if id_.startswith(begun_by_row) and id_ not in known]


_STEPS: Final = (
    select(
        ContractRow.account,
        ContractRow.workflow_id,
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
    .order_by(ContractRow.account, MilestoneRow.position)
)
# A meeting beside the playbook is none of the onboarding's steps, and may be held when that is over.
_RUNNING: Final = _STEPS.where(
    or_(ContractRow.ended_at.is_(None), MilestoneRow.stage == AD_HOC), MilestoneRow.state == "running"
)
# What recurs goes on after its step, and after the onboarding.
_RECURRING: Final = _STEPS.where(MilestoneRow.kind.in_(kinds(DoneBy.CADENCE)), MilestoneRow.state == "done")


async def _tasks(connection: Connection) -> list[OpenWait]:
    rows = list(
        await connection.execute(
            select(TaskRow.id, TaskRow.title, TaskRow.deadline, TaskRow.unblock).where(ALL_OPEN).order_by(TaskRow.id)
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
            unblock=way_on(row),
        )
        for row in rows
    ]


class _Present(NamedTuple):
    """Everybody who has not left."""

    members: set[str]
    roles: set[str]
    personas: set[tuple[str, str]]

    def any_of(self, on: Iterable[str], account: str, tam: str) -> bool:
        """Whether anybody is there for whom this account's step or review waits."""
        return any(
            tam in self.members if one == Role.TAM else one in self.roles or (account, one) in self.personas
            for one in on
        )


async def _present(connection: Connection) -> _Present:
    members = list(await connection.execute(select(MemberRow.id, MemberRow.roles).where(MemberRow.left_at.is_(None))))
    contacts = await connection.execute(
        select(ContactRow.account, ContactRow.personas).where(ContactRow.left_at.is_(None))
    )
    there: dict[str, list[tuple[str, ...]]] = {}
    for row in contacts:
        there.setdefault(row.account, []).append(tuple(row.personas))
    return _Present(
        members={row.id for row in members},
        roles={role for row in members for role in row.roles},
        personas={
            (account, persona)
            for account, people in there.items()
            # An account's only contact stands for everyone there.
            for persona in (chain.from_iterable(people) if len(people) > 1 else personas())
        },
    )


async def _cases(connection: Connection) -> list[OpenWait]:
    """Open cases. One without an owner waits for the lead; one that waits for its customer, for its next follow-up."""
    present = await _present(connection)
    found = []
    for row in await connection.execute(
        select(CaseRow.ref, CaseRow.state, CaseRow.owner, CaseRow.due, CaseRow.waiting_for, CaseRow.status)
        # One that was never told is missed among the workflows.
        .where(CaseRow.state.in_(OPEN), CaseRow.projected > 0)
        .order_by(CaseRow.number)
    ):
        status = CaseStatus.model_validate(row.status) if row.status else CaseStatus()
        found.append(
            OpenWait(
                where=case_id(row.ref),
                what=row.waiting_for or "",
                held=True,
                there=row.owner in present.members if row.owner else Role.SUPPORT_LEAD in present.roles,
                deadline=row.due or status.follow_up,
                unblock=support_case.way_on(CaseState(row.state), row.ref) or f"rapport case show {row.ref}",
            )
        )
    return found


async def _reviews(connection: Connection) -> list[OpenWait]:
    """Reviews that wait for somebody without a task for it: the tasks of the others are looked at themselves."""
    present = await _present(connection)
    tasked = select(TaskRow.subject).where(ALL_OPEN)
    rows = await connection.execute(
        select(
            ReviewRow.ref,
            ReviewRow.account,
            AccountRow.tam,
            ReviewRow.waiting_on,
            ReviewRow.waiting_for,
            ReviewRow.deadline,
            ReviewRow.unblock,
        )
        .join(AccountRow, AccountRow.key == ReviewRow.account)
        .where(ReviewRow.closed.is_(None), ReviewRow.ref.not_in(tasked))
        .order_by(ReviewRow.number)
    )
    return [
        _as_told(row, present, review_id(row.ref), f"rapport review show {row.ref}") for row in rows if row.waiting_on
    ]


async def _steps(connection: Connection) -> list[OpenWait]:
    present = await _present(connection)
    # A pause has no end of its own, and stands where everybody sees it.
    goes_on = ContractRow.paused_at.is_(None)
    rows = [
        *await connection.execute(_RUNNING.where(MilestoneRow.kind.not_in(kinds(DoneBy.TASK)), goes_on)),
        *await connection.execute(_RECURRING.where(goes_on)),
    ]
    return [
        _as_told(row, present, f"{scope}, step {row.step}", f"rapport onboarding status {scope}")
        for row in rows
        if row.waiting_on
        for scope in [scope_of(row.workflow_id)]
    ]


def _as_told(row: Row[Any], present: _Present, where: str, look: str) -> OpenWait:
    """A wait as its workflow wrote it down.

    Args:
        look: The command that shows more, where the wait names none that ends it.
    """
    return OpenWait(
        where=where,
        what=row.waiting_for or "",
        held=True,
        there=present.any_of(row.waiting_on, row.account, row.tam),
        deadline=row.deadline,
        unblock=row.unblock or look,
    )
