"""The projection of human tasks: what lists and inboxes are read from. Nothing is decided by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Row, Select, bindparam, delete, func, insert, or_, select, update

from rapport.model.account import Role
from rapport.model.base import Instant
from rapport.model.ids import BOOKS, UNDELIVERED_STEP, undelivered_task
from rapport.model.projection import Wait
from rapport.model.task import TaskDefinition, TaskHolder, TaskPhase, TaskProjection, TaskRecord
from rapport.rules import delegation, details
from rapport.rules.todo_template import OF_MEETINGS
from rapport.storage import account as accounts, meeting, upserts
from rapport.storage.contract import tell_step
from rapport.storage.database import Connection
from rapport.storage.tables import ContactRow, SubmissionRow, TaskHolderRow, TaskRow


class Task(TaskRecord):
    """A human task as it was last told.

    Attributes:
        said: What was asked for in this round, as it was written; a JSON object of the task's `asks`.
        about_name: What the contact whom it concerns is called.
    """

    closed: Instant | None
    said: str | None = None
    about_name: str | None = None

    @property
    def heading(self) -> str:
        """Its title, with whom it concerns where that is one person."""
        return f"{self.title} ({self.about_name})" if self.about_name else self.title

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is open beyond its deadline."""
        return self.phase is not TaskPhase.CLOSED and self.deadline is not None and self.deadline < now

    @property
    def shown(self) -> str:
        """The SHA-256 of what a person is shown to decide on; stands on the timeline with their decision."""
        words = [self.id, self.round, self.title, self.definition.question, self.said]
        words += [[option.id, option.title] for option in self.definition.options]
        return hashlib.sha256(json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


_DROP_HOLDERS = delete(TaskHolderRow).where(TaskHolderRow.task == bindparam("of_task"))
_HOLDERS = insert(TaskHolderRow)


async def project(connection: Connection, projection: TaskProjection) -> None:
    """Write down what a human task says of itself."""
    title = await meeting.in_full(connection, projection.contract, projection.step, projection.title)
    named = projection.model_copy(update={"title": title})
    await put(connection, named, projection.closed or projection.now)
    await tell_step(connection, projection.news)


async def put(connection: Connection, task: TaskRecord, at: datetime) -> None:
    """Write down a task that belongs to no account's story, or the part of one that is none.

    Args:
        at: When it is so: a closed one closed then.
    """
    written = task.model_dump(mode="json", include={"definition", "answers"})
    plain = task.model_dump(include=set(TaskRecord.model_fields) - {"definition", "answers", "holders"})
    closed = at if task.phase is TaskPhase.CLOSED else None
    await upserts.put(connection, TaskRow, [plain | written | {"closed": closed, "gone_in": None}])
    await connection.execute(_DROP_HOLDERS, {"of_task": task.id})
    if task.holders and task.phase is not TaskPhase.CLOSED:
        await connection.execute(_HOLDERS, [{"task": task.id, **holder.model_dump()} for holder in task.holders])


async def put_alarm(connection: Connection, task: TaskRecord, now: datetime) -> None:
    """Write down a task without a workflow, with those of its assignees who can see to it now."""
    if task.phase is not TaskPhase.CLOSED:
        people = await accounts.availability(connection, since=now)
        seats = delegation.seats_for(task.definition.assign, people, None, now)
        holders = tuple(
            TaskHolder(member=one.member, on_behalf_of=one.on_behalf_of, via=one.via, reason=one.reason)
            for seat in seats
            for one in seat.holders
        )
        task = task.model_copy(update={"holders": holders})
    await put(connection, task, now)


_COLUMNS = tuple(column for column in TaskRow.__table__.columns if column.name != "gone_in")
_TASKS = (
    select(*_COLUMNS, SubmissionRow.text.label("said"), ContactRow.name.label("about_name"))
    .outerjoin(SubmissionRow, SubmissionRow.id == TaskRow.request)
    .outerjoin(ContactRow, ContactRow.id == TaskRow.about)
)


async def _read(connection: Connection, query: Executable, parameters: dict[str, Any]) -> list[Task]:
    rows = list(await connection.execute(query, parameters))
    holders = await connection.execute(
        select(TaskHolderRow.__table__).where(TaskHolderRow.task.in_([row.id for row in rows]))
    )
    held: dict[str, list[TaskHolder]] = {}
    for row in holders:
        held.setdefault(row.task, []).append(TaskHolder.model_validate(row._mapping))
    return [Task.model_validate({**row._mapping, "holders": held.get(row.id, [])}) for row in rows]


async def task(connection: Connection, id_: str) -> Task | None:
    """One task, by its workflow's id."""
    return next(iter(await _read(connection, _TASKS.where(TaskRow.id == bindparam("which")), {"which": id_})), None)


async def of_books(connection: Connection) -> list[Task]:
    """The open tasks about the accounts of members who have left."""
    return await _read(connection, _TASKS.where(TaskRow.id.startswith(BOOKS, autoescape=True), _OPEN), {})


async def latest(connection: Connection, subject: str, step: str, attempt: str = "") -> Task | None:
    """The latest attempt at a step's task; of one attempt, the latest of those whom it has a task for."""
    query = _TASKS.where(TaskRow.subject == bindparam("about"), TaskRow.step == bindparam("which"))
    if attempt:
        query = query.where(TaskRow.id.startswith(f"task/{subject}/{step}/{attempt}/", autoescape=True))
    found = await _read(connection, query.order_by(TaskRow.opened.desc()).limit(1), {"about": subject, "which": step})
    return next(iter(found), None)


async def dates_asked(connection: Connection, account: str) -> tuple[str, datetime] | None:
    """For which dates an account's latest approval was asked that names any, in its requester's words; and when.

    The words of an approval are what the task `asks`, by name.
    """
    query = (
        select(TaskRow.definition, SubmissionRow.text, SubmissionRow.at)
        .join(SubmissionRow, SubmissionRow.id == TaskRow.request)
        .where(TaskRow.account == account, SubmissionRow.text.is_not(None))
        .order_by(TaskRow.opened.desc())
    )
    for row in await connection.execute(query):
        if "dates" in row.definition["asks"]:
            return str(json.loads(row.text)["dates"]), row.at
    return None


async def of_subject(connection: Connection, subject: str, *, open_only: bool = False) -> list[Task]:
    """The tasks of a review or case, the oldest first."""
    query = _TASKS.where(TaskRow.subject == bindparam("about"))
    if open_only:
        query = query.where(_OPEN)
    return await _read(connection, query.order_by(TaskRow.opened, TaskRow.id), {"about": subject})


def way_on(task: Row[Any]) -> str:
    """The command that moves an open task on: what its workflow has said, or the one that shows what can be done.

    Args:
        task: Its `id` and `unblock`.
    """
    return task.unblock or f"rapport task show {task.id}"


async def most_urgent(connection: Connection) -> dict[str, Wait]:
    """Of each account the open task with the earliest deadline, as what is waited for; by account."""
    query = (
        select(
            TaskRow.account,
            TaskRow.id,
            TaskRow.title,
            TaskRow.definition,
            TaskRow.unblock,
            TaskRow.opened,
            TaskRow.deadline,
        )
        .where(ALL_OPEN, TaskRow.deadline.is_not(None))
        .order_by(TaskRow.deadline.desc(), TaskRow.id)
    )
    return {
        row.account: Wait(
            on=details.roles(row.definition["assign"]) or (Role.TAM,),
            what=f"a task: {row.title}",
            since=row.opened,
            deadline=row.deadline,
            unblock=way_on(row),
        )
        for row in await connection.execute(query)
    }


async def open_about_emails(connection: Connection) -> list[str]:
    """The open to-dos about emails that failed or may not have arrived, by id."""
    return list(
        await connection.scalars(select(TaskRow.id).where(TaskRow.step.endswith(f".{UNDELIVERED_STEP}"), ALL_OPEN))
    )


async def asked_about(connection: Connection, emails: Collection[tuple[str, str]]) -> set[str]:
    """Of which of these emails somebody is asked, by key; how often they were does not matter.

    Args:
        emails: The account and the key of each.
    """
    accounts = {account for account, _ in emails}
    ours = select(TaskRow.id).where(TaskRow.account.in_(accounts), TaskRow.step.endswith(f".{UNDELIVERED_STEP}"), _OPEN)
    asked = {(id_.split("/")[1], id_.rpartition("/")[2]) for id_ in await connection.scalars(ours)}
    return {key for account, key in emails if (account, undelivered_task(account, key, 1).rpartition("/")[2]) in asked}


async def open_about_email(connection: Connection, account: str, message: str) -> str | None:
    """The open to-do about one email, if somebody is asked about it; by id."""
    found: str | None = await connection.scalar(select(TaskRow.id).where(_is_about_email(account, message), ALL_OPEN))
    return found


async def times_asked_about_email(connection: Connection, account: str, message: str) -> int:
    """How often somebody was asked about one email: the highest number among its to-dos."""
    ids = await connection.scalars(select(TaskRow.id).where(_is_about_email(account, message)))
    return max((int(id_.split("/")[-2]) for id_ in ids), default=0)


def _is_about_email(account: str, message: str) -> ColumnElement[bool]:
    *_, digest = undelivered_task(account, message, 1).split("/")
    return TaskRow.id.like(f"task/{account}/{UNDELIVERED_STEP}/%/{digest}")


async def close_gone(connection: Connection, id_: str) -> None:
    """Take a task out of every inbox whose workflow was ended from outside: nobody would hear an answer."""
    gone = {"phase": TaskPhase.CLOSED, "outcome": ENDED, "gone_in": TaskRow.phase}
    await connection.execute(update(TaskRow).where(TaskRow.id == id_, _OPEN).values(gone))


async def all_gone(connection: Connection) -> list[str]:
    """The tasks that were taken out of every inbox as their workflows were ended from outside, by id."""
    return list(await connection.scalars(select(TaskRow.id).where(TaskRow.gone_in.in_(_OPEN_PHASES))))


async def reopen_gone(connection: Connection, ids: Collection[str]) -> None:
    """Put tasks into inboxes again, as they were, of which the workflow goes on that was ended from outside."""
    gone = (TaskRow.id.in_(ids), TaskRow.gone_in.is_not(None))
    again = {"phase": TaskRow.gone_in, "outcome": None, "gone_in": None}
    await connection.execute(update(TaskRow).where(*gone).values(again))


async def offered(connection: Connection, account: str) -> dict[str, list[tuple[datetime, dict[str, str]]]]:
    """The answers that an account's tasks offered, by step, each with when it was opened; the latest last."""
    found: dict[str, list[tuple[datetime, dict[str, str]]]] = {}
    rows = await connection.execute(
        select(TaskRow.step, TaskRow.opened, TaskRow.definition)
        .where(TaskRow.account == account)
        .order_by(TaskRow.opened, TaskRow.id)
    )
    for row in rows:
        options = {option["id"]: option["title"] for option in row.definition.get("options", ())}
        found.setdefault(row.step, []).append((row.opened, options))
    return found


async def open_of_step(connection: Connection, contract: str, step: str, attempt: int) -> list[str]:
    """The open to-dos that the meeting of a step has put to its TAM, by id.

    Args:
        attempt: Which time the step is done; from the second on, the to-dos' steps carry its number.
    """
    of = step if attempt == 1 else f"{step}.{attempt}"
    names = [f"{of}.{name}" for name in OF_MEETINGS]
    query = select(TaskRow.id).where(TaskRow.contract == contract, TaskRow.step.in_(names), _OPEN)
    return list(await connection.scalars(query.order_by(TaskRow.id)))


async def waiting_for(connection: Connection, member: str | None = None, *, limit: int | None = None) -> list[Task]:
    """The open tasks that wait for a member, or for anyone; the earliest deadline first.

    Args:
        limit: How many of them; by default all.
    """
    return await _read(connection, _TASKS.where(*_waits_for(member)).order_by(*_EARLIEST).limit(limit), {})


async def count_waiting(connection: Connection, member: str | None = None, *, before: datetime | None = None) -> int:
    """How many open tasks wait for a member, or for anyone.

    Args:
        before: Only those whose deadline was before this.
    """
    query = select(func.count()).select_from(TaskRow).where(*_waits_for(member))
    if before is not None:
        query = query.where(TaskRow.deadline < before)
    return int(await connection.scalar(query))


async def asked_by(connection: Connection, member: str, *, limit: int | None = None) -> list[Task]:
    """The open tasks that a member waits for others to decide, and that do not wait for themself.

    Args:
        limit: As in `waiting_for`.
    """
    return await _read(connection, _TASKS.where(*_asked_by(member)).order_by(*_EARLIEST).limit(limit), {})


async def count_asked(connection: Connection, member: str) -> int:
    """How many `asked_by` has."""
    return int(await connection.scalar(select(func.count()).select_from(TaskRow).where(*_asked_by(member))))


async def steps_of(connection: Connection, member: str) -> set[tuple[str, str]]:
    """The accounts and steps of the open tasks that wait for a member, or that they wait for."""
    mine = or_(TaskRow.id.in_(_awaiting(member)), TaskRow.requester == member)
    rows = await connection.execute(select(TaskRow.account, TaskRow.step).where(_OPEN, mine))
    return {(row.account, row.step) for row in rows}


def _waits_for(member: str | None) -> list[ColumnElement[bool]]:
    return [ALL_OPEN] if member is None else [_OPEN, TaskRow.id.in_(_awaiting(member))]


def _asked_by(member: str) -> list[ColumnElement[bool]]:
    return [_OPEN, TaskRow.requester == member, TaskRow.id.not_in(_awaiting(member))]


def _awaiting(member: str) -> Select[str]:
    return select(TaskHolderRow.task).where(TaskHolderRow.member == member, TaskHolderRow.awaited)


ENDED: Final = "ended"
"""The outcome of a task whose workflow was ended from outside."""

# Where nothing else narrows it down, by the index of phases; that finds what is equal to something and nothing else.
# Where something does, SQLite is not to take that index instead.
_OPEN: Final = TaskRow.phase != TaskPhase.CLOSED
_OPEN_PHASES: Final = [phase for phase in TaskPhase if phase is not TaskPhase.CLOSED]
ALL_OPEN: Final = TaskRow.phase.in_(_OPEN_PHASES)
"""Whether a task is open, where nothing else narrows down which."""

_EARLIEST: Final = (TaskRow.deadline.is_(None), TaskRow.deadline, TaskRow.id)


async def open_about(connection: Connection, contact: str) -> list[Task]:
    """The open tasks that concern one contact."""
    return await _read(connection, _TASKS.where(TaskRow.about == contact, _OPEN), {})


async def open_ids(connection: Connection, *, put_to_people_of: str | None = None) -> list[str]:
    """The ids of all open tasks.

    Args:
        put_to_people_of: Of this account alone, and only those that the customer's people decide.
    """
    if put_to_people_of is None:
        return list(await connection.scalars(select(TaskRow.id).where(ALL_OPEN)))
    query = select(TaskRow.id, TaskRow.definition).where(_OPEN, TaskRow.account == put_to_people_of)
    rows = await connection.execute(query)
    return [row.id for row in rows if TaskDefinition.model_validate(row.definition).is_put_to_customers]
