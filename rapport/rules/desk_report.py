"""What a desk's days looked like: load against staffing, and what the slack paid for. By desk, never by engineer.

Load is that of all open cases, those that wait for their customers included. Staffing is by the working hours and
absences that are on record today.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rapport.model.account import WEEKDAYS, Schedule, Weekday
from rapport.model.base import Instant, WireModel
from rapport.rules.calendar import Interval, intersect, is_weekday, whole_days, working_time
from rapport.rules.routing import WEIGHTS

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


class Asked(NamedTuple):
    """A case, as far as a report counts it.

    Attributes:
        resolved: When it was solved; nothing while it is open.
        interruptions: How often engineering was asked.
        breaches: How many promises were broken.
    """

    severity: int
    opened: datetime
    answered: datetime | None = None
    resolved: datetime | None = None
    interruptions: int = 0
    breaches: int = 0


class Stretch(NamedTuple):
    """A stretch of side work; without an end, it goes on."""

    kind: str
    began: datetime
    ended: datetime | None
    ended_by: str | None


class Hour(WireModel):
    """An hour of the day, or of the week; averages over all such hours of the time reported.

    Attributes:
        weekday: Nothing where it stands for the hour of any working day of the desk.
        opened: How many cases came in.
        load, most: Of the open cases, on average and at most.
        staff: How many engineers were at work.
        each: The load for each of them, where anybody was.
        busiest: The highest load for each in any one such hour.
    """

    weekday: Weekday | None = None
    hour: int
    opened: float
    load: float
    most: int
    staff: float
    each: float | None
    busiest: float | None


class Week(WireModel):
    """A calendar week; the first and the last may be parts of one.

    Attributes:
        monday: Its first day.
        each, busiest: As `Hour`, over the hours in which somebody was at work.
        side_hours: Side work, in the desk's hours.
    """

    monday: date
    opened: int
    solved: int
    each: float | None
    busiest: float | None
    side_hours: float


class Peak(WireModel):
    """The hour in which most was to be done for each engineer at work."""

    at: Instant
    load: int
    staff: int
    each: float


class SideWork(WireModel):
    """The side work that was done in quiet hours of the desk.

    Attributes:
        hours: In the desk's hours, all kinds together.
        share: Of the hours that engineers were at work, from 0 to 1.
        done, put_back: How many side projects were finished, and how often a peak put one back.
    """

    hours: float
    by_kind: dict[str, float]
    share: float
    done: int
    put_back: int


class SlaKept(WireModel):
    """The promises to the cases of one severity that came in.

    Attributes:
        whole: How many of them have had every promise kept so far.
        breaches: How many promises were broken.
        first_answer: The median time to the first answer, in minutes of the desk's hours.
    """

    severity: int
    cases: int
    whole: int
    breaches: int
    first_answer: float | None


class DeskReport(WireModel):
    """What a support desk did over some days, in figures.

    Attributes:
        first, last: The days, both included, in the desk's zone.
        slack, peak: Load for each at work: up to the one side work is handed out, from the other on it is put back.
        at_peak, at_slack: In how many hours with somebody at work the desk was so.
        unstaffed: How many cases came in while nobody was at work.
        busiest: The hour with the highest load for each at work; nothing where there was none.
        solved, without_engineering: How many cases were solved, and how many of them without asking engineering.
        interruptions: How often engineering was asked in the solved ones.
    """

    first: date
    last: date
    zone: str
    slack: int
    peak: int
    opened: int
    solved: int
    without_engineering: int
    interruptions: int
    unstaffed: int
    staffed_hours: int
    at_peak: int
    at_slack: int
    busiest: Peak | None
    side: SideWork
    promises: tuple[SlaKept, ...]
    week: tuple[Hour, ...]
    day: tuple[Hour, ...]
    weeks: tuple[Week, ...]


class _Tick(NamedTuple):
    """One hour of the time reported."""

    at: datetime
    local: datetime
    opened: int
    load: int
    staff: int

    @property
    def each(self) -> float | None:
        return self.load / self.staff if self.staff else None


def report(
    cases: Sequence[Asked],
    stretches: Sequence[Stretch],
    shifts: Sequence[Sequence[Interval]],
    *,
    desk: Schedule,
    slack: int,
    peak: int,
    first: date,
    last: date,
    now: datetime,
) -> DeskReport:
    """Add up what a desk did over some days.

    Args:
        cases: All that were open at some time of these days.
        shifts: When each engineer was at work; whose they are is not asked.
        first, last: The days, both included, in the desk's zone. What lies after `now` is left out.

    Raises:
        ValueError: The last day comes before the first.
    """
    if last < first:
        raise ValueError("to: comes before from; write the earlier day first")
    days = whole_days(first, last, desk.zone)
    span = Interval(days.start, max(days.start, min(days.end, now)))
    ticks = list(_ticks(cases, shifts, span, desk))
    staffed = [tick for tick in ticks if tick.staff]
    came = [case for case in cases if span.start <= case.opened < span.end]
    solved = [case for case in cases if case.resolved is not None and span.start <= case.resolved < span.end]
    top = max(staffed, key=lambda tick: (tick.load / tick.staff, -tick.at.timestamp()), default=None)
    return DeskReport(
        first=first,
        last=last,
        zone=desk.zone,
        slack=slack,
        peak=peak,
        opened=len(came),
        solved=len(solved),
        without_engineering=sum(not case.interruptions for case in solved),
        interruptions=sum(case.interruptions for case in solved),
        unstaffed=sum(tick.opened for tick in ticks if not tick.staff),
        staffed_hours=len(staffed),
        at_peak=sum(tick.load >= peak * tick.staff for tick in staffed),
        at_slack=sum(tick.load <= slack * tick.staff for tick in staffed),
        busiest=None if top is None or not top.load else Peak.made_of(top, each=round(top.load / top.staff, 2)),
        side=_side(stretches, span, desk, now, sum(tick.staff for tick in ticks)),
        promises=tuple(_kept(severity, came, desk) for severity in WEIGHTS),
        week=_by_hour_of_week(ticks),
        day=_by_hour_of_day(ticks, desk),
        weeks=_by_week(ticks, solved, stretches, span, desk, now),
    )


def _ticks(
    cases: Iterable[Asked], shifts: Iterable[Sequence[Interval]], span: Interval, desk: Schedule
) -> Iterator[_Tick]:
    """Hour by hour: what came in, what was open at its end, and who was at work for most of it."""
    count = -(-(span.end - span.start) // _HOUR)
    opened, change, staff = [0] * count, [0] * (count + 1), [0] * count

    def hour(at: datetime) -> int:
        return min(max((at - span.start) // _HOUR, 0), count)

    for case in cases:
        if span.start <= case.opened < span.end:
            opened[hour(case.opened)] += 1
        change[hour(case.opened)] += WEIGHTS[case.severity]
        if case.resolved is not None:
            # What was opened and solved within an hour was work in that hour.
            change[max(hour(case.resolved), min(hour(case.opened) + 1, count))] -= WEIGHTS[case.severity]
    for shift in shifts:
        for part in intersect(shift, [span]):
            for index in range(hour(part.start), min(hour(part.end) + 1, count)):
                begin = span.start + index * _HOUR
                if min(part.end, begin + _HOUR) - max(part.start, begin) >= _HOUR / 2:
                    staff[index] += 1
    zone = ZoneInfo(desk.zone)
    for index, load in enumerate(accumulate(change[:count])):
        at = span.start + index * _HOUR
        yield _Tick(at.astimezone(UTC), at.astimezone(zone), opened[index], load, staff[index])


def _by_hour_of_week(ticks: Iterable[_Tick]) -> tuple[Hour, ...]:
    found: dict[tuple[int, int], list[_Tick]] = defaultdict(list)
    for tick in ticks:
        found[tick.local.weekday(), tick.local.hour].append(tick)
    return tuple(_hour(found[key], key[1], WEEKDAYS[key[0]]) for key in sorted(found))


def _by_hour_of_day(ticks: Iterable[_Tick], desk: Schedule) -> tuple[Hour, ...]:
    found: dict[int, list[_Tick]] = defaultdict(list)
    for tick in ticks:
        if is_weekday(tick.local.date(), desk):
            found[tick.local.hour].append(tick)
    return tuple(_hour(found[hour], hour) for hour in sorted(found))


def _hour(ticks: Sequence[_Tick], hour: int, weekday: Weekday | None = None) -> Hour:
    each = [one for tick in ticks if (one := tick.each) is not None]
    return Hour(
        weekday=weekday,
        hour=hour,
        opened=_mean([tick.opened for tick in ticks]) or 0.0,
        load=_mean([tick.load for tick in ticks]) or 0.0,
        most=max((tick.load for tick in ticks), default=0),
        staff=_mean([tick.staff for tick in ticks]) or 0.0,
        each=_mean(each),
        busiest=round(max(each), 2) if each else None,
    )


def _by_week(
    ticks: Iterable[_Tick],
    solved: Iterable[Asked],
    stretches: Sequence[Stretch],
    span: Interval,
    desk: Schedule,
    now: datetime,
) -> tuple[Week, ...]:
    zone = ZoneInfo(desk.zone)
    found: dict[date, list[_Tick]] = defaultdict(list)
    for tick in ticks:
        found[_monday(tick.local)].append(tick)
    ends = Counter(_monday(case.resolved.astimezone(zone)) for case in solved if case.resolved is not None)
    weeks = []
    for monday, some in found.items():
        each = [one for tick in some if (one := tick.each) is not None]
        part = Interval(some[0].at, min(some[-1].at + _HOUR, span.end))
        side = sum((_worked(stretch, part, desk, now) for stretch in stretches), timedelta())
        weeks.append(
            Week(
                monday=monday,
                opened=sum(tick.opened for tick in some),
                solved=ends[monday],
                each=_mean(each),
                busiest=round(max(each), 2) if each else None,
                side_hours=_in_hours(side),
            )
        )
    return tuple(weeks)


def _side(stretches: Sequence[Stretch], span: Interval, desk: Schedule, now: datetime, staff_hours: int) -> SideWork:
    kinds: dict[str, timedelta] = defaultdict(timedelta)
    for stretch in stretches:
        worked = _worked(stretch, span, desk, now)
        if worked:
            kinds[stretch.kind] += worked
    whole = sum(kinds.values(), timedelta())
    ended = [one.ended_by for one in stretches if one.ended is not None and span.start <= one.ended < span.end]
    return SideWork(
        hours=_in_hours(whole),
        by_kind={kind: _in_hours(kinds[kind]) for kind in sorted(kinds)},
        share=round(whole / (staff_hours * _HOUR), 3) if staff_hours else 0.0,
        done=ended.count("done"),
        put_back=ended.count("peak"),
    )


def _kept(severity: int, came: Iterable[Asked], desk: Schedule) -> SlaKept:
    mine = [case for case in came if case.severity == severity]
    waits = [working_time(case.opened, case.answered, desk) / _MINUTE for case in mine if case.answered is not None]
    return SlaKept(
        severity=severity,
        cases=len(mine),
        whole=sum(not case.breaches for case in mine),
        breaches=sum(case.breaches for case in mine),
        first_answer=round(median(waits), 1) if waits else None,
    )


def _worked(stretch: Stretch, part: Interval, desk: Schedule, now: datetime) -> timedelta:
    start, end = max(stretch.began, part.start), min(stretch.ended or now, part.end)
    return working_time(start, end, desk) if start < end else timedelta()


def _monday(local: datetime) -> date:
    return local.date() - timedelta(days=local.weekday())


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 2) if values else None


def _in_hours(amount: timedelta) -> float:
    return round(amount / _HOUR, 1)
