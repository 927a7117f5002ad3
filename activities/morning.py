"""What members are told of their day: whose morning it is, as their own calendars say."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity

from rapport.model.base import Instant, WireModel
from rapport.model.morning import MorningDue
from rapport.rules import morning
from rapport.rules.calendar import Interval
from rapport.storage import account, agenda, side_project
from rapport.storage.database import Store
from rapport.support_rules import Desk


class MorningsAsked(WireModel):
    """Whose working day has begun since the round before this one, and who of them has something to be told?

    Attributes:
        started: When this round was started. It may have had to wait for a worker since.
    """

    started: Instant
    now: Instant


class Mornings(WireModel):
    """Who gets a morning mail now."""

    due: tuple[MorningDue, ...]


@dataclass(frozen=True)
class Reports:
    """Answers what members are to be told.

    Attributes:
        desk: From which load on its side work is handed out, or put back.
    """

    store: Store
    desk: Desk

    @activity.defn(name="reports.mornings")
    async def mornings(self, question: MorningsAsked) -> Mornings:
        """Find those whose day has begun and who have something to read; nobody who has left or is away.

        Before that, the support desk's side work is handed out: who gets some in the morning reads of it.
        """
        since = morning.looks_back_to(question.started)
        due = []
        async with self.store.writing() as connection:
            await side_project.turn(connection, slack=self.desk.slack, peak=self.desk.peak, now=question.now)
        async with self.store.reading() as connection:
            company = await account.availability(connection, since=since)
            for member in await account.members(connection):
                if member.left_at is not None:
                    continue
                away = [Interval(absence.starts, absence.ends) for absence in company[member.id].absences]
                found = morning.begun(member.schedule, away, since, question.now)
                if found is None or (await agenda.day(connection, member, question.now)).is_quiet:
                    continue
                due.append(MorningDue(member=member.id, day=found.day, over_at=found.over_at))
        return Mornings(due=tuple(due))
