"""Whose morning it is: who gets the mail that tells a member what their day holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rapport.model.account import Schedule
from rapport.model.base import utc
from rapport.rules.calendar import Interval, subtract, wall, working_windows

EVERY: Final = timedelta(minutes=30)
"""How often mornings are looked for, and so how late a mail comes at most: most working days begin on such a round."""

USE: Final = timedelta(hours=3)
"""How long a morning mail is of use at least, to those whose work begins late."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_NOON: Final = time(12)


class WorkingDay(NamedTuple):
    """A working day that has begun.

    Attributes:
        day: The date in the person's own zone.
        begins: When their work begins, after an absence too.
        over_at: Noon; for those whose work begins after nine, `USE` after that.
    """

    day: date
    begins: datetime
    over_at: datetime


def looks_back_to(started: datetime) -> datetime:
    """After which instant a round looks for mornings: the round before it, as they were meant to be.

    Rounds are meant for every full and half hour, UTC. One that was late by less than `EVERY` joins on to the one
    before it as if it had been in time, so that no morning falls between two.

    Raises:
        ValueError: `started` has no zone.
    """
    return _EPOCH + (utc(started) - _EPOCH) // EVERY * EVERY - EVERY


def begun(who: Schedule, away: Sequence[Interval], since: datetime, until: datetime) -> WorkingDay | None:
    """The morning of this person that began after `since`, and at `until` at the latest, and is not over then.

    A working day begins with their hours, or within these at the end of an absence; a public holiday has none, and
    neither has a day of which no hour is left by absences. Whoever is away at `until` has no morning.

    Raises:
        ValueError: An instant has no zone.
    """
    since, until = utc(since), utc(until)
    if any(absence.start <= until < absence.end for absence in away):
        return None
    place = ZoneInfo(who.zone)
    day, first = until.astimezone(place).date(), since.astimezone(place).date()
    while day >= first:
        worked = subtract(working_windows(who, day, day), away)
        if worked and since < worked[0].start <= until:
            begins = worked[0].start
            over_at = max(wall(day, _NOON, who.zone), begins + USE)
            return WorkingDay(day, begins, over_at) if until < over_at else None
        day -= _DAY
    return None
