"""Business days, working hours and the times that suit everyone.

Pure arithmetic between wall clocks and instants: what comes in and goes out is an instant in UTC, whatever happens in
between. Workflows never call this; activities do, and hand the instants over, so that a later change of a zone or of
a public holiday moves nothing that was already planned.

Three rules hold throughout:

- A wall time stands for the first instant at which the clock shows it or later; see `wall`.
- A working day is one shift, from `wall` of its beginning to `wall` of its end. Across a gap it is shorter, across a
  fold longer by what the clock repeats.
- A day belongs to the person's own zone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rapport.model.account import WEEKDAYS, Schedule
from rapport.model.base import utc
from rapport.model.meeting import Slot
from rapport.model.step import Offset

MAX_IDLE_DAYS: Final = 400
"""How many days without work in a row are looked at before a schedule counts as having no working day."""

_SATURDAY_AND_SUNDAY: Final = frozenset({5, 6})
_DAY: Final = timedelta(days=1)
_NONE: Final = timedelta(0)
_MINUTE: Final = timedelta(minutes=1)
_GRID: Final = tuple(time(hour, minute) for hour in range(24) for minute in (0, 30))
_NOON: Final = 12
# The middle of either half day: nobody is glad of a meeting first thing, at lunch or at the very end.
_FAVOURED: Final = {False: timedelta(hours=10), True: timedelta(hours=14)}


class Interval(NamedTuple):
    """A span of time between two instants in UTC: with its start, without its end."""

    start: datetime
    end: datetime


class Party(NamedTuple):
    """Someone who is to be met: when they work, and when they are taken (meetings, absences)."""

    schedule: Schedule
    busy: tuple[Interval, ...] = ()


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """The union of intervals, as sorted ones that neither overlap nor touch. Empty intervals drop out."""
    merged: list[Interval] = []
    for interval in sorted(interval for interval in intervals if interval.start < interval.end):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def intersect(a: Sequence[Interval], b: Sequence[Interval]) -> list[Interval]:
    """The time that lies in both, sorted and disjoint. The arguments may be in any order and overlap."""
    left, right = merge(a), merge(b)
    common: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        both = Interval(max(left[i].start, right[j].start), min(left[i].end, right[j].end))
        if both.start < both.end:
            common.append(both)
        if left[i].end < right[j].end:
            i += 1
        else:
            j += 1
    return common


def subtract(a: Sequence[Interval], busy: Sequence[Interval]) -> list[Interval]:
    """The time of `a` that is not in `busy`, sorted and disjoint. The arguments may be in any order and overlap."""
    bounds = [instant for interval in merge(busy) for instant in interval]
    edges = [datetime.min.replace(tzinfo=UTC), *bounds, datetime.max.replace(tzinfo=UTC)]
    return intersect(a, [Interval(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)])


def wall(day: date, at: time, zone: str) -> datetime:
    """The instant, in UTC, that a wall time stands for: the first at which the zone's clock shows it or later.

    In a fold that is the first occurrence, as in RFC 5545, section 3.3.5. In a gap it is the end of the gap, where
    the RFC would add the length of the gap: then 02:45 would come after 03:00, and a day could end before it began.
    """
    place = ZoneInfo(zone)
    clock = datetime.combine(day, at.replace(fold=0), place)
    instant = clock.astimezone(UTC)
    if _clock(instant, place) == clock.replace(tzinfo=None):
        return instant
    # The two readings of a wall time that does not exist lie on either side of the change (PEP 495).
    return _change(clock.replace(fold=1).astimezone(UTC), instant, place)


_FIRST_DAY: Final = date.min + 2 * _DAY
_LAST_DAY: Final = date.max - 3 * _DAY


def whole_days(first: date, last: date, zone: str) -> Interval:
    """The time of all these days in a zone, the last one included: from midnight to midnight on the wall.

    Days at either end of the calendar, which have no instant in every zone, count as the nearest that has one.
    """
    begin, end = (min(max(day, _FIRST_DAY), _LAST_DAY) for day in (first, last))
    return Interval(wall(begin, time(), zone), wall(end + _DAY, time(), zone))


def is_weekday(day: date, who: Schedule) -> bool:
    """Whether a day is one of this person's working days of the week: their own, or all but their country's weekend."""
    if who.hours.days is not None:
        return WEEKDAYS[day.weekday()] in who.hours.days
    return day.weekday() not in _weekend(who.country, day.year)


def is_business_day(day: date, who: Schedule) -> bool:
    """Whether this person works on this day: one of their weekdays, and no public holiday where they are.

    A day whose working hours fall into a gap as a whole is none, such as 30 December 2011 in Apia.
    """
    if not is_weekday(day, who) or day in _public_holidays(who.country, who.subdivision, day.year):
        return False
    shift = _shift(day, who)
    return shift.start < shift.end


def working_windows(who: Schedule, first: date, last: date) -> list[Interval]:
    """The working time of each business day from `first` to `last`, both included, one interval a day."""
    days = (first + n * _DAY for n in range((last - first).days + 1))
    return [_shift(day, who) for day in days if is_business_day(day, who)]


def free(party: Party, span: Interval) -> list[Interval]:
    """When someone can be offered a meeting, on the dates that a span touches in their own zone.

    That is their working time without what they have then, and without their lunch.
    """
    place, who = ZoneInfo(party.schedule.zone), party.schedule
    first, last = (_clock(instant, place).date() for instant in span)
    lunches: list[Interval] = []
    if who.hours.lunch:
        begins, ends = who.hours.lunch
        days = (first + n * _DAY for n in range((last - first).days + 1))
        lunches = [Interval(wall(day, begins, who.zone), wall(day, ends, who.zone)) for day in days]
    return subtract(working_windows(who, first, last), [*party.busy, *lunches])


def beyond(who: Schedule, start: datetime, end: datetime) -> timedelta:
    """How far a time lies outside of somebody's nearest working hours; nothing where it lies within them."""
    day = _clock(start, ZoneInfo(who.zone)).date()
    near = working_windows(who, day - _NEARBY * _DAY, day + _NEARBY * _DAY)
    return min((max(one.start - start, _NONE) + max(end - one.end, _NONE) for one in near), default=_NEARBY * _DAY)


_NEARBY: Final = 4
"""How many days around a time are looked at for somebody's working hours."""


def next_working_instant(at: datetime, who: Schedule, away: Sequence[Interval] = ()) -> datetime:
    """An instant itself if it lies in working hours, else the beginning of the next working hours.

    The end of a shift is no longer in it: at 17:00 sharp the next morning is meant. Time in `away` is not worked.

    Raises:
        ValueError: There is no working day to be found, or `at` has no zone.
    """
    return add_working_time(at, timedelta(), who, away)


def follow_ups(since: datetime, days: Sequence[int], who: Schedule) -> tuple[datetime, ...]:
    """When to follow up what somebody is asked to do: so many business days of theirs, each, after they can begin.

    Args:
        since: When it can be done.
        days: 0 is their first working instant; -1 the beginning of the business day before, see `business_day_around`.

    Raises:
        ValueError: As `add_business_days`.
    """
    first = next_working_instant(since, who)

    def at(count: int) -> datetime:
        if count < 0:
            return business_day_around(since, count, who)
        return add_business_days(first, count, who) if count else first

    return tuple(at(count) for count in days)


def add_business_days(start: datetime, count: int, who: Schedule, away: Sequence[Interval] = ()) -> datetime:
    """The instant that many of this person's business days later, at the same wall time.

    The first day counted is the first business day after the date of `start` in the person's zone: Monday + 1 is
    Tuesday, and Friday, Saturday and Sunday + 1 are all Monday. A wall time outside the hours of the day reached is
    moved to their beginning or their end. A count of 0 gives `next_working_instant`.

    A day that lies in `away` with all of its working hours does not count; an instant in `away` is moved behind it.

    Raises:
        ValueError: The count is negative, there is no working day to be found, or `start` has no zone.
    """
    start = utc(start)
    if count == 0:
        return next_working_instant(start, who, away)
    day = _business_day(start, count, who, away)
    shift = _shift(day, who)
    instant = min(max(wall(day, _clock(start, ZoneInfo(who.zone)).time(), who.zone), shift.start), shift.end)
    taken = any(absence.start <= instant < absence.end for absence in away)
    return next_working_instant(instant, who, away) if taken else instant


def business_days_until(start: datetime, end: datetime, who: Schedule) -> int:
    """How many of this person's business days come after the date of `start`, up to the date of `end`, included."""
    place = ZoneInfo(who.zone)
    first, last = (_clock(utc(instant), place).date() for instant in (start, end))
    days = (first + n * _DAY for n in range(1, (last - first).days + 1))
    return sum(is_business_day(day, who) for day in days)


def business_day_around(deadline: datetime, count: int, who: Schedule, away: Sequence[Interval] = ()) -> datetime:
    """When this person's work begins on a business day that is counted from a deadline.

    Day 0 is the last on which their work begins before the deadline, or at it: a deadline on a Sunday has its Friday.
    Day -1 is the business day before that, day 1 the one after. Days in `away` do not count.

    Raises:
        ValueError: There is no working day to be found, or `deadline` has no zone.
    """
    deadline = utc(deadline)
    tomorrow = _clock(deadline, ZoneInfo(who.zone)).date() + _DAY
    begins = (_worked(day, who, away)[0].start for day in _business_days(tomorrow, who, away, -_DAY))
    zero = next(begin for begin in begins if begin <= deadline)
    if count == 0:
        return zero
    days = _business_days(_clock(zero, ZoneInfo(who.zone)).date(), who, away, _DAY if count > 0 else -_DAY)
    return _worked(next(islice(days, abs(count) - 1, None)), who, away)[0].start


def working_time(start: datetime, end: datetime, who: Schedule, away: Sequence[Interval] = ()) -> timedelta:
    """How long this person works between two instants, without their time in `away`; zero if the end comes first."""
    place = ZoneInfo(who.zone)
    first, last = (_clock(utc(instant), place).date() for instant in (start, end))
    worked = intersect(subtract(working_windows(who, first, last), away), [Interval(utc(start), utc(end))])
    return sum((part.end - part.start for part in worked), timedelta())


def add_working_time(start: datetime, amount: timedelta, who: Schedule, away: Sequence[Interval] = ()) -> datetime:
    """The instant by which this person has worked that long since `start`.

    It lies in working hours: where the amount ends with a shift, the beginning of the next is meant.

    Raises:
        ValueError: There is no working day to be found, or `start` has no zone.
    """
    start, left = utc(start), amount
    days = _business_days(_clock(start, ZoneInfo(who.zone)).date() - _DAY, who, away)
    parts = (part for day in days for part in _worked(day, who, away))
    part = next(parts)
    while left >= part.end - max(start, part.start):
        left -= max(part.end - max(start, part.start), timedelta())
        part = next(parts)
    return max(start, part.start) + left


def after_pause(
    at: datetime, paused_at: datetime, resumed_at: datetime, who: Schedule, away: Sequence[Interval] = ()
) -> datetime:
    """The instant by which someone has as much working time behind them as there was from a pause to `at`.

    Counted in whole minutes: a second more would move what ends with a working day into the next one.
    """
    left = round(working_time(paused_at, at, who, away) / _MINUTE) * _MINUTE
    return add_working_time(_to_the_minute(resumed_at), left, who, away)


def _to_the_minute(at: datetime) -> datetime:
    return (at + _MINUTE / 2).replace(second=0, microsecond=0)


def apply_offset(start: datetime, offset: Offset, who: Schedule) -> datetime:
    """The end of a relative wait: hours that pass, days at the same wall time, or business days.

    Only business days are moved into working hours.

    Raises:
        ValueError: The count is negative, there is no working day to be found, or `start` has no zone.
    """
    start = utc(start)
    if offset.count < 0:
        raise ValueError("an offset cannot lead into the past; write a count of 0 or more")
    if offset.unit == "business day":
        return add_business_days(start, offset.count, who)
    if offset.unit == "hour":
        return start + timedelta(hours=offset.count)
    clock = _clock(start, ZoneInfo(who.zone))
    # Without `max`, 0 days from a repeated hour would lead back into its first occurrence.
    return max(start, wall(clock.date() + offset.count * _DAY, clock.time(), who.zone))


def ahead_of(end: datetime, offset: Offset, who: Schedule) -> datetime:
    """The instant that lies so long before another one, such as a contract's end: when work begins on that day.

    Where nobody works on it, it is the business day before, so that nobody gets less time than was meant.

    Raises:
        ValueError: There is no working day to be found, or `end` has no zone.
    """
    if offset.unit == "hour":
        return utc(end) - timedelta(hours=offset.count)
    if offset.unit == "business day":
        return business_day_around(end, -offset.count, who)
    clock = _clock(utc(end), ZoneInfo(who.zone))
    return business_day_around(wall(clock.date() - offset.count * _DAY, clock.time(), who.zone), 0, who)


def nudge_instants(opened: datetime, deadline: datetime, count: int, who: Schedule) -> list[datetime]:
    """When a person is reminded: one, two, … up to `count` business days after `opened`, and before the deadline.

    Raises:
        ValueError: There is no working day to be found, or `opened` has no zone.
    """
    instants = (add_business_days(opened, number, who) for number in range(1, count + 1))
    return [instant for instant in instants if instant < deadline]


def last_working_instant(by: datetime, who: Schedule) -> datetime:
    """The latest instant within this person's working hours up to another one, that one included.

    Raises:
        ValueError: There is no working day to be found, or `by` has no zone.
    """
    begins = business_day_around(by, 0, who)
    return min(utc(by), _shift(_clock(begins, ZoneInfo(who.zone)).date(), who).end)


def voting_deadline(opened: datetime, days: int, who: Schedule) -> datetime:
    """The end of this person's working hours on the `days`-th business day after `opened`.

    Raises:
        ValueError: `days` is smaller than 1, there is no working day to be found, or `opened` has no zone.
    """
    return _shift(_business_day(utc(opened), days, who), who).end


def propose_slots(
    *,
    now: datetime,
    minutes: int,
    must: Sequence[Party],
    nice: Sequence[Party],
    groups: Sequence[Sequence[Party]] = (),
    customer: Schedule,
    earliest: int,
    latest: int,
    limit: int,
    only: Collection[date] | None = None,
    elsewhere: Sequence[Interval] = (),
    gentle: bool = False,
) -> list[Slot]:
    """The times to put to the vote, sorted, with the ids "1", "2", …

    Each lies on business days of the customer, within working hours of everyone in `must` and not over their lunch, and
    on no time that one of them is busy. Times begin at :00 and :30 of the customer's wall clock, never in a gap; of a
    repeated hour both occurrences are on offer, as they are two instants. They are spread over as many days as there
    are; where there are more days than places, over those that suit most of `nice`, then over the earliest. Of one day
    comes the time that suits most of `nice`; of equal ones, morning and afternoon take turns, with times near 10:00 and
    14:00 first.

    Args:
        now: The instant of the proposal; no time lies before it.
        minutes: The length of the meeting.
        must: Those who have to be there.
        nice: Those whose hours are a preference and no condition.
        groups: Of each of these, one has to be able to come.
        customer: Whose business days and wall clock count. Their hours count only if they are in `must`.
        earliest: The first business day after `now` on which times are offered.
        latest: The last one.
        limit: How many times are offered at most.
        only: The dates of the customer's that are wanted at all, where somebody named them.
        elsewhere: What is on offer to others, sorted and disjoint; it is offered only where there is nothing else.
        gentle: Whether the times come first that lie least outside of the working hours of whoever in `nice` they are
            hardest on: no time suits everyone, and one person's night is worse than another's longer day.

    Returns:
        The slots, or none at all: then no time suits everyone, which is an answer of its own and no error.

    Raises:
        ValueError: `minutes`, `earliest` or `latest` make no sense, nobody has to be there, the customer has no
            working day, or `now` has no zone.
    """
    if minutes < 1 or not 1 <= earliest <= latest:
        raise ValueError("minutes and earliest must be at least 1, and latest not smaller than earliest")
    if not must:
        raise ValueError("must is empty; without anyone who has to be there every hour of the night would do")
    now = utc(now)
    place = ZoneInfo(customer.zone)
    days = list(islice(_business_days(_clock(now, place).date(), customer), latest))[earliest - 1 :]
    days = [day for day in days if only is None or day in only]
    if not days:
        return []
    open_ = merge(Interval(wall(day, time(), customer.zone), wall(day + _DAY, time(), customer.zone)) for day in days)
    span = Interval(open_[0].start, open_[-1].end)
    for party in must:
        open_ = intersect(open_, free(party, span))
    wishes = [free(party, span) for party in nice]
    places = [[free(party, span) for party in group] for group in groups]

    candidates = []
    for start, clock in (pair for day in days for pair in _grid(day, place).items()):
        end = start + timedelta(minutes=minutes)
        # A later date is not always later: the clock of St John's used to go back over midnight.
        filled = all(any(covers(one, start, end) for one in group) for group in places)
        if start >= now and filled and covers(open_, start, end):
            liked = sum(covers(wish, start, end) for wish in wishes)
            harm = max((beyond(party.schedule, start, end) for party in nice), default=_NONE) if gentle else _NONE
            candidates.append(_Candidate(start, end, clock, liked, intersects(elsewhere, start, end), harm))
    spread = sorted(_spread(candidates, limit))
    return [Slot(id=str(number), start=slot.start, end=slot.end) for number, slot in enumerate(spread, 1)]


def _clock(instant: datetime, place: ZoneInfo) -> datetime:
    """What a clock on the wall shows, without zone and fold."""
    return instant.astimezone(place).replace(tzinfo=None, fold=0)


def _change(before: datetime, after: datetime, place: ZoneInfo) -> datetime:
    """The instant between two others from which on the zone's offset is another. It falls on a whole second."""
    before = before.replace(microsecond=0)
    offset = before.astimezone(place).utcoffset()

    def changed(seconds: int) -> bool:
        return (before + timedelta(seconds=seconds)).astimezone(place).utcoffset() != offset

    return before + timedelta(seconds=bisect_left(range(int((after - before).total_seconds())), True, key=changed))


@cache
def _weekend(country: str | None, year: int) -> frozenset[int]:
    """A country's weekend in a year, Monday being 0."""
    if country is None:
        return _SATURDAY_AND_SUNDAY
    # It takes longer to load than all else here, and most of what reads a calendar's words asks for no holiday.
    import holidays

    return frozenset(holidays.country_holidays(country, years=year).weekend)


@cache
def _public_holidays(country: str | None, subdivision: str | None, year: int) -> frozenset[date]:
    # By year and immutable: a `holidays` object fills itself when it is asked, and a thread that asks meanwhile is
    # told that there is no holiday.
    if country is None:
        return frozenset()
    import holidays

    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))


def _shift(day: date, who: Schedule) -> Interval:
    """The working hours of a day, whether or not it is a business day; empty if they fall into a gap as a whole."""
    return Interval(wall(day, who.hours.start, who.zone), wall(day, who.hours.end, who.zone))


def _worked(day: date, who: Schedule, away: Sequence[Interval]) -> list[Interval]:
    """The working time of a day that is left by absences, whether or not it is a business day."""
    return subtract([_shift(day, who)], away) if away else [_shift(day, who)]


def _business_days(after: date, who: Schedule, away: Sequence[Interval] = (), step: timedelta = _DAY) -> Iterator[date]:
    """This person's business days after a date, or before it, without end."""
    day, idle = after, 0
    while idle < MAX_IDLE_DAYS:
        day += step
        idle += 1
        if is_business_day(day, who) and _worked(day, who, away):
            idle = 0
            yield day
    raise ValueError(f"there is no working day in the {MAX_IDLE_DAYS} days up to {day}; look at the days of the hours")


def _business_day(start: datetime, count: int, who: Schedule, away: Sequence[Interval] = ()) -> date:
    """The `count`-th business day after the date of `start` in this person's zone."""
    if count < 1:
        raise ValueError(f"cannot count {count} business days; write 1 or more")
    days = _business_days(_clock(start, ZoneInfo(who.zone)).date(), who, away)
    return next(islice(days, count - 1, None))


def intersects(taken: Sequence[Interval], start: datetime, end: datetime) -> bool:
    """Whether one of these sorted, disjoint intervals has a part of the time from start to end."""
    index = bisect_left(taken, end, key=lambda interval: interval.start)
    return index > 0 and start < taken[index - 1].end


def covers(free: Sequence[Interval], start: datetime, end: datetime) -> bool:
    """Whether one of these sorted, disjoint intervals holds all of the time from start to end."""
    index = bisect_right(free, start, key=lambda interval: interval.start)
    return index > 0 and end <= free[index - 1].end


def _grid(day: date, place: ZoneInfo) -> dict[datetime, datetime]:
    """The instants of a day at which the clock shows :00 or :30, and what it shows."""
    grid = {}
    for clock in (datetime.combine(day, at) for at in _GRID):
        for fold in (0, 1):
            instant = clock.replace(tzinfo=place, fold=fold).astimezone(UTC)
            if _clock(instant, place) == clock:
                grid[instant] = clock
    return grid


class _Candidate(NamedTuple):
    """A time that everyone required can make, as the customer's clock shows it, and how many others it suits.

    Attributes:
        elsewhere: Whether a part of it is on offer to others.
        harm: How far it lies outside of the working hours of whoever it is hardest on, where that counts.
    """

    start: datetime
    end: datetime
    clock: datetime
    liked: int
    elsewhere: bool
    harm: timedelta

    @property
    def day(self) -> date:
        return self.clock.date()

    @property
    def afternoon(self) -> bool:
        return self.clock.hour >= _NOON


def _spread(candidates: Sequence[_Candidate], limit: int) -> list[_Candidate]:
    """At most `limit` of the candidates: one from each day, then a second from each, and so on."""
    by_day: dict[date, list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_day[candidate.day].append(candidate)
    chosen: list[_Candidate] = []
    while by_day and len(chosen) < limit:
        best = sorted(
            by_day, key=lambda day: (min((slot.elsewhere, slot.harm, -slot.liked) for slot in by_day[day]), day)
        )
        for day in sorted(best[: limit - len(chosen)]):
            pick = min(by_day[day], key=lambda slot: _rank(slot, chosen))
            chosen.append(pick)
            by_day[day].remove(pick)
            if not by_day[day]:
                del by_day[day]
    return chosen


def _rank(
    slot: _Candidate, chosen: Sequence[_Candidate]
) -> tuple[bool, timedelta, int, bool, int, bool, timedelta, datetime]:
    """How late a time's turn comes among those of its day: the smallest is taken next."""
    same_day = [other for other in chosen if other.day == slot.day]
    since_midnight = slot.clock - datetime.combine(slot.day, time())
    return (
        slot.elsewhere,
        slot.harm,
        -slot.liked,
        any(other.start < slot.end and slot.start < other.end for other in same_day),
        sum(other.afternoon == slot.afternoon for other in same_day),
        bool(chosen) and chosen[-1].afternoon == slot.afternoon,
        abs(since_midnight - _FAVOURED[slot.afternoon]),
        slot.start,
    )
