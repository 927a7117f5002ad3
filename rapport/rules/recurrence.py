"""When a standing meeting takes place, and when a review is due: wall clocks turned into instants.

Activities call it, workflows never do: what it answers depends on zones and holidays, which change.
"""

from __future__ import annotations

import calendar as months
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import count, islice
from types import MappingProxyType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rapport.model.account import Schedule
from rapport.model.cadence import Occurrence, ReviewPlan, StandingTime
from rapport.rules import calendar
from rapport.rules.calendar import Interval, Party

NOTICE_DAYS: Final = 3
"""How many business days lie at least between a new standing time and its first occurrence."""

FACTS_DAYS: Final = 2
"""How many business days before a review has to be prepared its TAM gets the facts for that."""

LOOK_AHEAD: Final = 53
"""How many weeks a standing time is tried out on: a whole year, with every change of the clocks in it."""

BATCH: Final = 14
"""How many occurrences are planned at once: a quarter's, and one more."""

ENOUGH: Final = 0.75
"""Of how many of its occurrences a standing time has to suit those who are needed."""

_DAY: Final = timedelta(days=1)
_GRID: Final = tuple(time(hour, minute) for hour in range(24) for minute in (0, 30))
_NOON: Final = 12
_FAVOURED: Final = {False: 10 * 60, True: 14 * 60}
# Mondays and Fridays are where holidays and days off gather.
_MIDWEEK: Final = (2, 0, 0, 0, 1, 3, 3)


class Company(NamedTuple):
    """Whose calendars a standing meeting depends on.

    Attributes:
        groups: Of each of these, one has to be able to come.
        others: Those whose hours are a preference.
        taken: What none of the first dates may have a part of: other meetings of the TAM's, and days full of recurring
            ones.
        load: How many standing meetings the TAM has by the day of the week, Monday being 0.
    """

    tam: Party
    champion: Party
    groups: Sequence[Sequence[Party]] = ()
    others: Sequence[Party] = ()
    taken: Sequence[Interval] = ()
    load: Mapping[int, int] = MappingProxyType({})


def first_day(now: datetime, champion: Schedule) -> date:
    """The earliest day on which a new standing meeting may take place for the first time."""
    begins = calendar.add_business_days(now, NOTICE_DAYS, champion)
    return begins.astimezone(ZoneInfo(champion.zone)).date()


def choose(now: datetime, minutes: int, weeks: int, company: Company) -> StandingTime | None:
    """The standing time that suits those who are needed best, or nothing if there is none that does often enough.

    A time is tried out on a year of occurrences. On holidays of the TAM and the champion it drops out anyway; of all
    others it has to suit `ENOUGH`, within the hours of everyone who is needed and where the TAM is not busy. Of times
    that suit alike, it is one on a day on which the TAM has the fewest standing meetings.
    """
    zone = company.champion.schedule.zone
    begins = first_day(now, company.champion.schedule)
    span = Interval(
        calendar.wall(begins, time(), zone) - _DAY, calendar.wall(begins, time(), zone) + timedelta(weeks=LOOK_AHEAD)
    )
    needed = [calendar.free(company.tam, span), calendar.free(company.champion, span)]
    groups = [[calendar.free(party, span) for party in group] for group in company.groups]
    others = [calendar.free(party, span) for party in company.others]
    best: tuple[tuple[float, float, int, int, int, time], StandingTime] | None = None
    for offset in range(7):
        day = begins + offset * _DAY
        for at in _GRID:
            standing = StandingTime(weekday=day.weekday(), at=at, zone=zone, first=day)
            fits = liked = held = 0
            for start in _year(standing, weeks, company):
                end = start + timedelta(minutes=minutes)
                held += 1
                if calendar.intersects(company.taken, start, end):
                    fits = 0
                    break
                if all(calendar.covers(one, start, end) for one in needed) and all(
                    any(calendar.covers(one, start, end) for one in group) for group in groups
                ):
                    fits += 1
                    liked += sum(calendar.covers(one, start, end) for one in others)
                elif held - fits > LOOK_AHEAD * (1 - ENOUGH):
                    break
            if not held or fits < held * ENOUGH:
                continue
            clock = at.hour * 60 + at.minute
            away = abs(clock - _FAVOURED[at.hour >= _NOON])
            load = company.load.get(standing.weekday, 0)
            rank = (-fits / held, -liked / held, load, away, _MIDWEEK[standing.weekday], at)
            if best is None or rank < best[0]:
                best = rank, standing
    return best[1] if best else None


def set_by_hand(now: datetime, weekday: int, at: time, champion: Schedule) -> StandingTime:
    """The standing time that a member chose, from its first occurrence after a decent notice."""
    day = first_day(now, champion)
    day += (weekday - day.weekday()) % 7 * _DAY
    return StandingTime(weekday=weekday, at=at, zone=champion.zone, first=day)


def is_off(start: datetime, people: Sequence[Schedule]) -> bool:
    """Whether this is a public holiday, or no working day, of one of these people, on their own date."""
    return not all(
        calendar.is_business_day(start.astimezone(ZoneInfo(person.zone)).date(), person) for person in people
    )


def occurrences(
    standing: StandingTime,
    *,
    weeks: int,
    minutes: int,
    after: datetime,
    number: int,
    tam: Schedule,
    champion: Schedule,
    limit: int = BATCH,
) -> tuple[Occurrence, ...]:
    """The next occurrences that begin after an instant; those on holidays are off.

    Args:
        weeks: From one to the next.
        number: That of the last occurrence which was planned before.
        limit: How many.
    """
    ahead = ((day, start) for day in _days(standing, weeks) if (start := _start(standing, day)) > after)
    return tuple(
        occurrence(day, start, minutes, number + index, tam, champion)
        for index, (day, start) in enumerate(islice(ahead, limit), 1)
    )


def occurrence(day: date, start: datetime, minutes: int, number: int, tam: Schedule, champion: Schedule) -> Occurrence:
    """One occurrence, as the rule has it."""
    at = tick(start, tam, champion)
    return Occurrence(
        number=number,
        day=day,
        original=start,
        start=start,
        end=start + timedelta(minutes=minutes),
        tick=at,
        until=at.astimezone(ZoneInfo(champion.zone)).date() - _DAY,
        off="holiday" if is_off(start, (tam, champion)) else None,
    )


def first(standing: StandingTime, minutes: int, tam: Schedule, champion: Schedule) -> Occurrence:
    """The first occurrence that the rule gives, whatever became of it."""
    return occurrence(standing.first, _start(standing, standing.first), minutes, 0, tam, champion)


def off_days(
    standing: StandingTime, *, weeks: int, until: datetime, tam: Schedule, champion: Schedule
) -> tuple[datetime, ...]:
    """The occurrences, from the first until an instant, that drop out because somebody has a holiday."""
    return tuple(start for start in dates(standing, weeks=weeks, until=until) if is_off(start, (tam, champion)))


def dates(standing: StandingTime, *, weeks: int, until: datetime) -> list[datetime]:
    """Every occurrence by the rule, from the first until an instant."""
    found: list[datetime] = []
    for day in _days(standing, weeks):
        start = _start(standing, day)
        if start > until:
            return found
        found.append(start)
    return found


def tick(start: datetime, tam: Schedule, champion: Schedule) -> datetime:
    """When brief and digest of a meeting go: in the TAM's and the champion's hours, a business day before it.

    Where no hour of that day is both people's, the beginning of the TAM's work on it.
    """
    begins = calendar.business_day_around(start - timedelta(hours=12), 0, tam)
    common = calendar.next_working_instant(begins, champion)
    return common if common < start - timedelta(hours=1) else begins


def reviews(began: datetime, every: int, who: Schedule) -> Iterator[tuple[int, str, date, date]]:
    """The reviews of an account, without end: number, period, the first day looked back on, the day it is due.

    They count from the day on which the cadence began, so that no shift adds up: three months after 30 November is
    28 February, and another three 30 May.

    Args:
        every: Months from one to the next.
    """
    start = began.astimezone(ZoneInfo(who.zone)).date()
    before = start
    for number in count(1):
        day = _months_later(start, every * number)
        yield number, f"{day.year}-Q{(day.month + 2) // 3}", before, day
        before = day


def review(
    began: datetime, every: int, offered: int, prepare: int, number: int, tam: Schedule, champion: Schedule
) -> ReviewPlan:
    """The instants of an account's review of this number.

    Args:
        every: Months from one to the next.
        offered: How many business days ahead times are offered.
        prepare: How many business days ahead the TAM has to have prepared it.
    """
    _, period, since, day = next(plan for plan in reviews(began, every, champion) if plan[0] == number)
    target = calendar.next_working_instant(calendar.wall(day, champion.hours.start, champion.zone), champion)
    return ReviewPlan(
        number=number,
        period=period,
        since=since,
        day=day,
        target=target,
        offer_at=calendar.business_day_around(target, -offered, champion),
        prepare_by=calendar.business_day_around(target, -prepare, tam),
        brief_at=calendar.business_day_around(target, -prepare - FACTS_DAYS, tam),
    )


def _months_later(day: date, count_: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + count_, 12)
    return date(year, month + 1, min(day.day, months.monthrange(year, month + 1)[1]))


def _days(standing: StandingTime, weeks: int) -> Iterator[date]:
    for index in count():
        yield standing.first + index * weeks * 7 * _DAY


def _start(standing: StandingTime, day: date) -> datetime:
    return calendar.wall(day, standing.at, standing.zone)


def _year(standing: StandingTime, weeks: int, company: Company) -> Iterator[datetime]:
    """The instants of a year's occurrences, without those that drop out."""
    people = (company.tam.schedule, company.champion.schedule)
    for index in range(0, LOOK_AHEAD, weeks):
        start = _start(standing, standing.first + index * 7 * _DAY)
        if not is_off(start, people):
            yield start
