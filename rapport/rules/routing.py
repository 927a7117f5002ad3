"""Who gets a case: skill for its area, at work now, the least load, and fair over time; never a developer.

One deterministic rule, so that everybody can be told why (`Choice.considered` holds all that it looked at). Of those
who may have the case, it goes to whoever dealt with it before; else to whoever has the least load; of equal ones to
whoever was given least for the hours they were at work lately; then to whoever was given nothing for the longest; then
to the first by id. Loads are whole numbers: nothing here can come out otherwise on another machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rapport.model.account import Role, Schedule
from rapport.model.support_case import GENERAL
from rapport.rules.calendar import Interval, next_working_instant, whole_days, working_time

WEIGHTS: Final = {1: 8, 2: 4, 3: 2, 4: 1}
"""What a case counts as load, by severity."""
AT_REST: Final = 1
"""What a case counts that waits for its customer, whatever its severity: it can come back at any time."""

FAIR_DAYS: Final = 28
"""How many days back "lately" reaches."""
LITTLE: Final = timedelta(hours=2)
"""An absence that costs less work than this leaves its owner their cases; those of severity 1 are handed on at once."""

_DAY: Final = timedelta(days=1)
_AT_LEAST: Final = timedelta(hours=8)
"""Whoever comes back after weeks counts as if they had been at work for a day: they catch up on nothing."""


class Unsuitability(StrEnum):
    """Why somebody cannot have a case; each in words that follow their name."""

    ENGINEERING = "is with engineering"
    NOT_SUPPORT = "isn't a support engineer"
    LEFT = "has left"
    AREA = "does not know the area"
    HANDED_ON = "has handed it on"
    AWAY = "is away"
    OFF_HOURS = "is not at work now"


class HeldCase(NamedTuple):
    """A case that an engineer owns, as far as their load goes by it.

    Attributes:
        severity: 1 to 4.
        at_rest: It waits for its customer.
    """

    severity: int
    at_rest: bool = False


class GivenCase(NamedTuple):
    """A case that somebody was given, whether or not they still have it; or several of one severity.

    Attributes:
        at: When; of several, the last.
    """

    at: datetime
    severity: int
    times: int = 1


class Engineer(NamedTuple):
    """A member as the desk sees them.

    Attributes:
        areas: What they know; `None` for every area. A case that nobody has placed can go to whoever knows nothing.
        away: Their absences.
        holds: The open cases that are theirs.
        given: What they were given in the last `FAIR_DAYS` days; older ones are ignored.
        on_call: They are on call now, and can be paged.
    """

    id: str
    roles: frozenset[Role]
    schedule: Schedule
    areas: frozenset[str] | None = None
    away: tuple[Interval, ...] = ()
    holds: tuple[HeldCase, ...] = ()
    given: tuple[GivenCase, ...] = ()
    left: bool = False
    on_call: bool = False


class WaitingCase(NamedTuple):
    """A case that needs an owner.

    Attributes:
        area: The product area; `None` or `GENERAL` where nobody knows it yet.
        since: When it was opened, or came back to the desk.
        not_to: Who handed it on, or must not have it for another reason.
        known_by: Who dealt with it before, and so gets it again if they can have it.
    """

    ref: str
    severity: int
    since: datetime
    area: str | None = None
    not_to: frozenset[str] = frozenset()
    known_by: str | None = None


class Candidate(NamedTuple):
    """One member, as they stood when a case was given away.

    Attributes:
        bar: Why they could not have it.
        load: Of the cases they had, by `WEIGHTS`.
        given: What they were given lately, by `WEIGHTS`.
        hours: How many whole hours they were at work lately.
        last: When they were last given one.
    """

    member: str
    bar: Unsuitability | None
    load: int
    given: int
    hours: int
    last: datetime | None


class Choice(NamedTuple):
    """Who gets a case that needs an owner, or why nobody.

    Attributes:
        to: Who gets it; nobody where it stays in the queue.
        reason: Why, in one sentence without names, for `why` and for the lead.
        paged: It reaches somebody on call, outside their hours.
        again: The earliest instant at which somebody can have it; only where nobody gets it now. Without it, nobody
            on the desk ever can: a matter for the lead.
        considered: Everybody, by id.
    """

    ref: str
    to: str | None
    reason: str
    paged: bool = False
    again: datetime | None = None
    considered: tuple[Candidate, ...] = ()


def load(holds: Iterable[HeldCase]) -> int:
    """How much somebody has to do, by the severity of their cases."""
    return sum(AT_REST if case.at_rest else WEIGHTS[case.severity] for case in holds)


def bar(engineer: Engineer, area: str | None = None) -> Unsuitability | None:
    """Why somebody can never have a case of this area, whatever the hour; also asked where the lead names an owner."""
    barred = bar_of(engineer.roles, left=engineer.left)
    if barred is not None:
        return barred
    if area not in (None, GENERAL) and engineer.areas is not None and area not in engineer.areas:
        return Unsuitability.AREA
    return None


def bar_of(roles: frozenset[Role], *, left: bool) -> Unsuitability | None:
    """Why a member with these roles can never have a case, whatever it is about; nothing if they can."""
    if Role.ENGINEERING in roles or Role.VP_ENGINEERING in roles:
        return Unsuitability.ENGINEERING
    if Role.SUPPORT_ENGINEER not in roles:
        return Unsuitability.NOT_SUPPORT
    return Unsuitability.LEFT if left else None


def in_order(cases: Iterable[WaitingCase]) -> list[WaitingCase]:
    """The order of the queue: by severity, then as they came."""
    return sorted(cases, key=lambda case: (case.severity, case.since, case.ref))


def dispatch(cases: Iterable[WaitingCase], engineers: Iterable[Engineer], now: datetime) -> list[Choice]:
    """Give cases away, each to one person or to nobody, in the order of the queue.

    Each case given counts at once: a burst is spread over all who can have it.

    Raises:
        KeyError: A severity is none.
    """
    desk = {engineer.id: _Seat.of(engineer, now) for engineer in sorted(engineers, key=lambda one: one.id)}
    return [_choose(case, desk, now) for case in in_order(cases)]


def must_hand_on(owner: Engineer | None, severity: int, now: datetime) -> str | None:
    """Why a case cannot stay with its owner, in a few words; nothing if it can.

    The end of a working day is no absence: the case waits for its owner, as its clock does.
    """
    if owner is None:
        return "its owner is not on the desk any more"
    barred = bar(owner)
    if barred is not None:
        return f"its owner {barred}"
    spell = next((spell for spell in owner.away if spell.start <= now < spell.end), None)
    if spell is None:
        return None
    missed = working_time(now, spell.end, owner.schedule)
    return "its owner is away" if missed >= LITTLE or (severity == 1 and missed) else None


@dataclass
class _Seat:
    """An engineer, with what they are given in this turn."""

    engineer: Engineer
    load: int
    given: int
    hours: int
    last: datetime | None
    away: bool
    next_shift: datetime | None
    turn: int = field(default=0)
    """What they were last given in this turn, counted from 1; later than any instant before it."""

    @classmethod
    def of(cls, engineer: Engineer, now: datetime) -> _Seat:
        lately = [one for one in engineer.given if now - FAIR_DAYS * _DAY <= one.at]
        return cls(
            engineer,
            load=load(engineer.holds),
            given=sum(WEIGHTS[one.severity] * one.times for one in lately),
            hours=int(_at_work(engineer.schedule, engineer.away, _today(engineer.schedule, now)) / timedelta(hours=1)),
            last=max((one.at for one in lately), default=None),
            away=any(spell.start <= now < spell.end for spell in engineer.away),
            next_shift=_next_shift(engineer, now),
        )

    def bar(self, case: WaitingCase, now: datetime) -> Unsuitability | None:
        """Why they cannot have a case now."""
        for_good = bar(self.engineer, case.area)
        if for_good is not None:
            return for_good
        if self.engineer.id in case.not_to:
            return Unsuitability.HANDED_ON
        if self.away:
            return Unsuitability.AWAY
        return None if self.next_shift == now or self._is_paged(case) else Unsuitability.OFF_HOURS

    def is_off_hours(self, now: datetime) -> bool:
        return self.next_shift != now

    def rank(self, case: WaitingCase, now: datetime) -> tuple[bool, bool, int, Fraction, int, datetime, str]:
        """How late their turn comes: the smallest gets the case."""
        return (
            # Nobody is woken for what a colleague at work can take.
            self.is_off_hours(now),
            self.engineer.id != case.known_by,
            self.load,
            Fraction(self.given, max(self.hours, _AT_LEAST // timedelta(hours=1))),
            self.turn,
            self.last or datetime.min.replace(tzinfo=UTC),
            self.engineer.id,
        )

    def give(self, case: WaitingCase, now: datetime, turn: int) -> None:
        self.load += WEIGHTS[case.severity]
        self.given += WEIGHTS[case.severity]
        self.last, self.turn = now, turn

    def considered(self, barred: Unsuitability | None) -> Candidate:
        return Candidate(self.engineer.id, barred, self.load, self.given, self.hours, self.last)

    def _is_paged(self, case: WaitingCase) -> bool:
        return self.engineer.on_call and case.severity == 1


def _choose(case: WaitingCase, desk: dict[str, _Seat], now: datetime) -> Choice:
    bars = {id_: seat.bar(case, now) for id_, seat in desk.items()}
    considered = tuple(seat.considered(bars[id_]) for id_, seat in desk.items())
    able = sorted((desk[id_] for id_, barred in bars.items() if barred is None), key=lambda seat: seat.rank(case, now))
    if not able:
        return Choice(case.ref, None, _why_nobody(case, bars), again=_again(desk, bars), considered=considered)
    best = able[0]
    reason, paged = _why(case, able, now), best.is_off_hours(now)
    best.give(case, now, 1 + max(seat.turn for seat in desk.values()))
    return Choice(case.ref, best.engineer.id, reason, paged=paged, considered=considered)


def _why(case: WaitingCase, able: Sequence[_Seat], now: datetime) -> str:
    """What told the first from the second."""
    best = able[0]
    if best.is_off_hours(now):
        return "on call, and no one who knows the area is at work"
    if best.engineer.id == case.known_by:
        return "has dealt with it before"
    at_work = [seat for seat in able if not seat.is_off_hours(now)]
    if len(at_work) == 1:
        return "the only one at work who can have it"
    first, second = (seat.rank(case, now) for seat in at_work[:2])
    if first[2] != second[2]:
        return f"has the least load: {first[2]}, the next has {second[2]}"
    if first[3] != second[3]:
        return f"of equal load ({first[2]}), was given least for their hours in the last {FAIR_DAYS} days"
    if first[4:6] != second[4:6]:
        return f"of equal load ({first[2]}) and share, was given nothing for the longest"
    return f"all is equal (load {first[2]}): the first by id"


_NOBODY: Final = (
    # The nearest miss says most: of whoever would have done at another hour, the hour.
    (Unsuitability.OFF_HOURS, "no one who could have it is at work now"),
    (Unsuitability.AWAY, "everyone who could have it is away"),
    (Unsuitability.HANDED_ON, "no one else knows the area"),
    (Unsuitability.AREA, "no one on the desk knows the area"),
)


def _why_nobody(case: WaitingCase, bars: dict[str, Unsuitability | None]) -> str:
    found = set(bars.values())
    reason = next((text for barred, text in _NOBODY if barred in found), "there is no support engineer")
    return f"{reason}: {case.area}" if reason.endswith("the area") and case.area is not None else reason


def _again(desk: dict[str, _Seat], bars: dict[str, Unsuitability | None]) -> datetime | None:
    """When the first of those who are only missing now is at work."""
    shifts = (
        desk[id_].next_shift for id_, barred in bars.items() if barred in (Unsuitability.AWAY, Unsuitability.OFF_HOURS)
    )
    return min((shift for shift in shifts if shift is not None), default=None)


def _next_shift(engineer: Engineer, now: datetime) -> datetime | None:
    """Now if an engineer is at work, else when they are next; nothing if that is more than a year away."""
    try:
        return next_working_instant(now, engineer.schedule, engineer.away)
    except ValueError:
        return None


def _today(schedule: Schedule, now: datetime) -> date:
    return now.astimezone(ZoneInfo(schedule.zone)).date()


@lru_cache(maxsize=1024)
def _at_work(schedule: Schedule, away: tuple[Interval, ...], today: date) -> timedelta:
    """How long somebody was at work in the `FAIR_DAYS` days before today. By days, so that a day asks but once."""
    span = whole_days(today - FAIR_DAYS * _DAY, today - _DAY, schedule.zone)
    return working_time(span.start, span.end, schedule, away)
