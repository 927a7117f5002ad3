"""How meetings went: who was there, what the customer wants, what was promised. Private notes are elsewhere."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Row, Table, case, delete, insert, select

from rapport.model.base import Instant, WireModel
from rapport.model.minutes import ActionRecord, BlockerRecord, MinutesRecord
from rapport.model.projection import TimelineEvent
from rapport.storage.action import OWED_ACTIONS, KnownAction
from rapport.storage.blocker import OWED_BLOCKERS, KnownBlocker
from rapport.storage.database import Connection
from rapport.storage.tables import GoalRow, MinutesRow, SubmissionRow, TimelineRow
from rapport.storage.upserts import insert_into


class KnownMinutes(WireModel):
    """Minutes as they stand: what was said last, with what became of its actions and blockers.

    Attributes:
        meeting: The meeting's workflow.
        by: The id of the member who wrote them last.
    """

    meeting: str
    account: str
    step: str
    by: str
    written_at: Instant
    corrected_at: Instant | None
    record: MinutesRecord
    actions: tuple[KnownAction, ...]
    blockers: tuple[KnownBlocker, ...]


class NewMinutes(WireModel):
    """Minutes to keep.

    Attributes:
        meeting: The meeting's workflow.
        by: The id of the member who wrote them.
    """

    meeting: str
    account: str
    step: str
    by: str
    at: Instant
    record: MinutesRecord


async def keep(connection: Connection, new: NewMinutes, submission: str) -> None:
    """Write down a meeting's minutes, or put them in the place of those that are there; the same again is no change.

    Args:
        submission: What says them, by id.
    """
    same = MinutesRow.meeting == new.meeting, MinutesRow.submission == submission
    if await connection.scalar(select(MinutesRow.meeting).where(*same)) is not None:
        return
    table = cast("Table", MinutesRow.__table__)
    meeting, account, record = new.meeting, new.account, new.record
    said = record.model_dump(mode="json", include={"attended", "agreed", "next", "note"})
    values = {"by": new.by, "submission": submission, **said}
    first = {"meeting": meeting, "account": account, "step": new.step, "written_at": new.at, "corrected_at": None}
    await connection.execute(
        insert_into(connection.dialect.name, table)
        .values(**first, **values)
        .on_conflict_do_update(
            index_elements=["meeting"],
            set_=values
            | {"corrected_at": case((table.c.submission == submission, table.c.corrected_at), else_=new.at)},
        )
    )
    await connection.execute(delete(GoalRow).where(GoalRow.meeting == meeting))
    goals = [
        {"meeting": meeting, "term": term, "position": position, "title": title}
        for term, titles in (("short", record.short_term), ("long", record.long_term))
        for position, title in enumerate(titles)
    ]
    if goals:
        await connection.execute(insert(GoalRow), goals)
    await OWED_ACTIONS.replace(connection, account, meeting, record.actions, new.at)
    await OWED_BLOCKERS.replace(connection, account, meeting, record.blockers, new.at)


async def keep_reported(connection: Connection, entry: TimelineEvent) -> None:
    """Keep the minutes of a report that its workflow has taken by now, unless there are some."""
    if entry.kind != "meeting.held" or entry.submission is None:
        return
    query = select(SubmissionRow.workflow_id, SubmissionRow.actor, SubmissionRow.at).where(
        SubmissionRow.id == entry.submission
    )
    said = (await connection.execute(query)).one_or_none()
    if (
        said is None
        or not said.workflow_id.startswith("meeting/")
        or await of_meeting(connection, said.workflow_id) is not None
    ):
        return
    report = await reported(connection, said.workflow_id)
    if report is not None and entry.step is not None:
        new = NewMinutes(
            meeting=said.workflow_id,
            account=entry.account,
            step=entry.step,
            by=said.actor,
            at=said.at,
            record=report.record,
        )
        await keep(connection, new, report.submission)


async def of_meeting(connection: Connection, meeting: str) -> KnownMinutes | None:
    """The minutes of a meeting, by its workflow's id; nothing if nobody has said that it was held."""
    query = select(*MinutesRow.__table__.columns).where(MinutesRow.meeting == meeting)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else await _known(connection, row)


class Reported(WireModel):
    """What a report said that its workflow has taken: the submission, and the minutes in it."""

    submission: str
    record: MinutesRecord


async def reported(connection: Connection, meeting: str) -> Reported | None:
    """What was said of a meeting when it was reported as held; nothing if the timeline does not know of it."""
    query = (
        select(SubmissionRow.id, SubmissionRow.text)
        .join(TimelineRow, TimelineRow.submission == SubmissionRow.id)
        .where(SubmissionRow.workflow_id == meeting, TimelineRow.kind == "meeting.held")
    )
    row = (await connection.execute(query.limit(1))).one_or_none()
    if row is None:
        return None
    record = MinutesRecord.read(row.text) if row.text else None
    return Reported(submission=row.id, record=record or MinutesRecord(note=row.text))


async def of_account(connection: Connection, account: str) -> list[KnownMinutes]:
    """The minutes of an account's meetings, the newest first."""
    query = select(*MinutesRow.__table__.columns).where(MinutesRow.account == account)
    rows = await connection.execute(query.order_by(MinutesRow.written_at.desc(), MinutesRow.meeting))
    return [await _known(connection, row) for row in rows.all()]


async def goals(connection: Connection, account: str) -> list[str]:
    """What an account wants to reach, as the latest meeting said that spoke of goals; the near ones first."""
    for minutes in await of_account(connection, account):
        if minutes.record.short_term or minutes.record.long_term:
            return [*minutes.record.short_term, *(f"{goal} (in the long run)" for goal in minutes.record.long_term)]
    return []


async def _known(connection: Connection, row: Row[Any]) -> KnownMinutes:
    goals: dict[str, list[str]] = {"short": [], "long": []}
    for goal in await connection.execute(
        select(GoalRow.term, GoalRow.title).where(GoalRow.meeting == row.meeting).order_by(GoalRow.position)
    ):
        goals[goal.term].append(goal.title)
    promised = await OWED_ACTIONS.of_meeting(connection, row.meeting)
    blocking = await OWED_BLOCKERS.of_meeting(connection, row.meeting)
    record = MinutesRecord.made_of(
        row,
        short_term=tuple(goals["short"]),
        long_term=tuple(goals["long"]),
        actions=tuple(ActionRecord(what=one.what, owner=one.owner_id, due=one.due) for one in promised),
        blockers=tuple(
            BlockerRecord(title=one.title, owner=one.owner_id, next_check=one.next_check) for one in blocking
        ),
    )
    return KnownMinutes.made_of(row, record=record, actions=tuple(promised), blockers=tuple(blocking))
