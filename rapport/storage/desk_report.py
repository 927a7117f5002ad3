"""What a report on the desk is made of, as SQL has it; nobody's name is among it."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select

from rapport.model.account import Schedule
from rapport.model.support_case import CaseState
from rapport.rules import desk_report
from rapport.rules.calendar import subtract, whole_days, working_windows
from rapport.rules.desk_report import Asked, DeskReport, Stretch
from rapport.rules.routing import bar
from rapport.storage import side_project
from rapport.storage.database import Connection
from rapport.storage.desk_tables import SideProjectRow, SideStretchRow
from rapport.storage.support_case_tables import CaseRow


async def read(
    connection: Connection, *, desk: Schedule, slack: int, peak: int, first: date, last: date, now: datetime
) -> DeskReport:
    """The desk over some days, both included, in its own zone.

    Raises:
        ValueError: The last day comes before the first.
    """
    span = whole_days(first, max(first, last), desk.zone)
    cases = [
        Asked(row.severity, row.opened_at, row.first_answered_at, row.resolved_at, row.escalations, row.breaches)
        for row in await connection.execute(
            select(
                CaseRow.severity,
                CaseRow.opened_at,
                CaseRow.first_answered_at,
                CaseRow.resolved_at,
                CaseRow.escalations,
                CaseRow.breaches,
            )
            .where(CaseRow.opened_at < span.end, CaseRow.state != CaseState.MERGED)
            .where(or_(CaseRow.resolved_at.is_(None), CaseRow.resolved_at >= span.start))
        )
    ]
    stretches = [
        Stretch(row.kind, row.began, row.ended, row.ended_by)
        for row in await connection.execute(
            select(SideProjectRow.kind, SideStretchRow.began, SideStretchRow.ended, SideStretchRow.ended_by)
            .join(SideProjectRow, SideProjectRow.id == SideStretchRow.project)
            .where(SideStretchRow.began < span.end)
            .where(or_(SideStretchRow.ended.is_(None), SideStretchRow.ended >= span.start))
        )
    ]
    shifts = []
    for engineer in await side_project.staff(connection, span.start):
        if bar(engineer) is None:
            there = ZoneInfo(engineer.schedule.zone)
            days = (span.start.astimezone(there).date(), span.end.astimezone(there).date())
            shifts.append(subtract(working_windows(engineer.schedule, *days), engineer.away))
    return desk_report.report(
        cases, stretches, shifts, desk=desk, slack=slack, peak=peak, first=first, last=last, now=now
    )
