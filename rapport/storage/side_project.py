"""Side work on record: what there is, who does it, and the turn that hands it out or puts it back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, update

from rapport.model.account import Role, Schedule
from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id
from rapport.model.side_project import EndedBy, NewSideProject, SideProject, SideState
from rapport.model.support_case import CaseState
from rapport.rules import side_project
from rapport.rules.calendar import Interval, working_time
from rapport.rules.routing import FAIR_DAYS, Engineer, HeldCase
from rapport.rules.side_project import Move, OpenSideProject, Pressure
from rapport.storage import account
from rapport.storage.database import Connection
from rapport.storage.desk_tables import SideProjectRow, SideStretchRow
from rapport.storage.support_case_tables import CaseRow

TRAINING: Final = timedelta(hours=4)
"""How long after its beginning a booked training counts as over."""

_OPEN: Final = (SideState.WAITING, SideState.TAKEN)


async def add(connection: Connection, written: NewSideProject, by: str, tam: str | None, now: datetime) -> str:
    """Keep new side work; give its id."""
    id_ = new_id("side")
    values = written.model_dump() | {"id": id_, "added_by": by, "tam": tam}
    await connection.execute(insert(SideProjectRow).values(**values, state=SideState.WAITING, added_at=now, since=now))
    return id_


async def projects(
    connection: Connection, desk: Schedule, now: datetime, *, also_done: bool = False
) -> list[SideProject]:
    """What there is to do, in the order in which it is handed out; what is done comes last.

    Args:
        desk: In whose hours the work is counted.
    """
    query = select(SideProjectRow.__table__).order_by(
        SideProjectRow.done_at.is_not(None), SideProjectRow.added_at, SideProjectRow.id
    )
    if not also_done:
        query = query.where(SideProjectRow.state.in_(_OPEN))
    rows = list(await connection.execute(query))
    stretches: dict[str, list[Row[Any]]] = defaultdict(list)
    for one in await connection.execute(
        select(SideStretchRow.__table__).where(SideStretchRow.project.in_([row.id for row in rows]))
    ):
        stretches[one.project].append(one)
    return [_project(row, stretches[row.id], desk, now) for row in rows]


async def project(connection: Connection, id_: str, desk: Schedule, now: datetime) -> SideProject:
    """One of them.

    Raises:
        UserError: There is none with this id.
    """
    found = [one for one in await projects(connection, desk, now, also_done=True) if one.id == id_]
    if not found:
        raise UserError(
            f'there is no side project "{id_[:40]}"',
            field="id",
            fix="see `rapport desk side-project list` for the ids",
            kind=Refused.NOT_FOUND,
        )
    return found[0]


async def take(connection: Connection, id_: str, member: str, now: datetime) -> bool:
    """Somebody begins; whether nobody had before them."""
    values = {"state": SideState.TAKEN, "owner": member, "since": now}
    if not await _change(connection, id_, (SideState.WAITING,), values):
        return False
    count = await connection.scalar(
        select(func.count()).select_from(SideStretchRow).where(SideStretchRow.project == id_)
    )
    await connection.execute(
        insert(SideStretchRow).values(project=id_, number=int(count) + 1, member=member, began=now)
    )
    return True


async def put_back(connection: Connection, id_: str, ended_by: EndedBy, now: datetime) -> bool:
    """Whoever does it stops, and it waits again, at its old place; whether somebody did it."""
    values = {"state": SideState.WAITING, "owner": None, "since": now}
    if not await _change(connection, id_, (SideState.TAKEN,), values):
        return False
    await _end(connection, id_, ended_by, now)
    return True


async def done(connection: Connection, id_: str, now: datetime) -> bool:
    """Note that side work is done; give whether it was open until now."""
    values = {"state": SideState.DONE, "since": now, "done_at": now}
    if not await _change(connection, id_, _OPEN, values):
        return False
    await _end(connection, id_, "done", now)
    return True


async def look_again(connection: Connection, id_: str, day: date | None) -> bool:
    """Set the day on which the lead looks at it again, or take it back; whether it is not done."""
    return await _change(connection, id_, _OPEN, {"look_again": day})


async def turn(connection: Connection, *, slack: int, peak: int, now: datetime) -> tuple[Move, ...]:
    """Hand side work out where there is slack, and put it back where there is none; give what was done.

    To be called at each of the desk's turns, in its transaction. Where there is no side work it asks once and is done.
    """
    rows = list(
        await connection.execute(
            select(SideProjectRow.__table__)
            .where(SideProjectRow.state.in_(_OPEN))
            .order_by(SideProjectRow.added_at, SideProjectRow.id)
        )
    )
    rows = [row for row in rows if not await _is_over(connection, row, now)]
    if not rows:
        return ()
    found = [OpenSideProject(row.id, row.area, row.owner, row.booked_at) for row in rows]
    desk, queued = await staff(connection, now), await queue(connection)
    moves = side_project.moves(found, desk, queued, slack=slack, peak=peak, now=now, had=await _had(connection, now))
    for move in moves:
        if move.to is None:
            await put_back(connection, move.project, "peak" if move.why == "peak" else "absence", now)
        else:
            await take(connection, move.project, move.to, now)
    return moves


async def pressure(connection: Connection, *, slack: int, peak: int, now: datetime) -> Pressure:
    """How busy the desk is."""
    return side_project.pressure(await staff(connection, now), await queue(connection), slack=slack, peak=peak, now=now)


async def staff(connection: Connection, now: datetime) -> list[Engineer]:
    """Everybody with support among their roles, with the cases that they have by the record."""
    held: dict[str, list[HeldCase]] = defaultdict(list)
    for row in await connection.execute(
        select(CaseRow.owner, CaseRow.severity, CaseRow.state).where(
            CaseRow.state.in_([CaseState.OPEN, CaseState.WAITING]), CaseRow.owner.is_not(None)
        )
    ):
        held[row.owner].append(HeldCase(row.severity, at_rest=row.state == CaseState.WAITING))
    company = await account.availability(connection, since=now)
    return [
        Engineer(
            member.id,
            member.roles,
            member.schedule,
            member.areas,
            tuple(Interval(away.starts, away.ends) for away in company[member.id].absences),
            tuple(held[member.id]),
            left=company[member.id].left,
        )
        for member in await account.members(connection)
        if Role.SUPPORT_ENGINEER in member.roles
    ]


async def queue(connection: Connection) -> list[int]:
    """The severities of the cases that nobody has, by the record."""
    return list(await connection.scalars(select(CaseRow.severity).where(CaseRow.state == CaseState.QUEUED)))


async def _had(connection: Connection, now: datetime) -> Counter[str]:
    since = now - timedelta(days=FAIR_DAYS)
    return Counter(await connection.scalars(select(SideStretchRow.member).where(SideStretchRow.began >= since)))


async def _is_over(connection: Connection, row: Row[Any], now: datetime) -> bool:
    """Whether it is a booked training whose time has gone by; then that is noted."""
    if row.booked_at is None:
        return False
    # With nobody to join it, it is over for support as it begins.
    return now >= row.booked_at + (TRAINING if row.owner else timedelta()) and await done(connection, row.id, now)


async def _change(connection: Connection, id_: str, states: Iterable[SideState], values: dict[str, Any]) -> bool:
    changed = await connection.execute(
        update(SideProjectRow).where(SideProjectRow.id == id_, SideProjectRow.state.in_(list(states))).values(**values)
    )
    return changed.rowcount == 1


async def _end(connection: Connection, id_: str, ended_by: EndedBy, now: datetime) -> None:
    await connection.execute(
        update(SideStretchRow)
        .where(SideStretchRow.project == id_, SideStretchRow.ended.is_(None))
        .values(ended=now, ended_by=ended_by)
    )


def _project(row: Row[Any], stretches: list[Row[Any]], desk: Schedule, now: datetime) -> SideProject:
    worked = sum((working_time(one.began, one.ended or now, desk) for one in stretches), timedelta())
    return SideProject.model_validate(
        row._asdict()
        | {
            "stretches": len(stretches),
            "put_back": sum(one.ended_by == "peak" for one in stretches),
            "hours": round(worked / timedelta(hours=1), 1),
        }
    )
