"""What speaks against a time that somebody sets by hand: in words for whoever sets it, who may mean it all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from rapport.model.account import Schedule
from rapport.rules import calendar
from rapport.rules.calendar import Interval


class Engagement(NamedTuple):
    """What has a part of somebody's time.

    Attributes:
        kind: A meeting that recurs is `standing`; of it, each date is one.
        of: What it is, where that is a meeting: its step and account, or a recurring meeting's title and account.
        travel: How many days before and after it they are on their way.
    """

    time: Interval
    kind: Literal["absence", "meeting", "standing"]
    of: str = ""
    travel: int = 0

    def with_travel(self, zone: str) -> Interval:
        """The time of the meeting, with the whole days on which somebody is on their way to it and back."""
        if not self.travel:
            return self.time
        place, days = ZoneInfo(zone), timedelta(days=self.travel)
        first, last = (_wall(instant, place).date() for instant in self.time)
        return calendar.whole_days(first - days, last + days, zone)


class Needed(NamedTuple):
    """Somebody who is to be there: when they work, and what they have in that time."""

    name: str
    schedule: Schedule
    engagements: tuple[Engagement, ...] = ()


def objections(slot: Interval, needed: Iterable[Sequence[Needed]]) -> list[str]:
    """What speaks against a time, each in half a sentence; nothing where everyone could have been offered it.

    Args:
        needed: Of each of these groups one has to be able to come. What keeps all of a group away is said of each.
    """
    found: dict[str, None] = {}
    for group in needed:
        said = [list(_of(slot, one)) for one in group]
        if all(said):
            found |= dict.fromkeys(words for one in said for words in one)
    return list(found)


def closed(engagements: Iterable[Engagement], who: Schedule) -> list[Interval]:
    """When no other meeting is offered with somebody, for what they have: sorted and disjoint.

    These are their absences and meetings, the days on which they travel for one, and the days on which they have as
    many as they want.
    """
    some, most = list(engagements), who.hours.meetings_a_day
    place = ZoneInfo(who.zone)
    a_day = Counter(_wall(one.time.start, place).date() for one in some if one.kind != "absence")
    full = [calendar.whole_days(day, day, who.zone) for day, count in a_day.items() if most and count >= most]
    return calendar.merge([*(one.with_travel(who.zone) for one in some), *full])


def out_of_reach(engagements: Iterable[Engagement], who: Schedule) -> list[Interval]:
    """What no date of another recurring meeting may have a part of: sorted and disjoint.

    These are their meetings, and the days on which they have as many recurring ones as they want meetings. That single
    meetings fill a day takes that date alone: it says nothing of the weeks to come.
    """
    some = [one for one in engagements if one.kind != "absence"]
    standing = closed((one for one in some if one.kind == "standing"), who)
    return calendar.merge([*(one.time for one in some), *standing])


def load(engagements: Iterable[Engagement], zone: str) -> dict[int, int]:
    """How many standing meetings somebody has on each day of the week in a zone, Monday being 0."""
    days = {(one.of, _wall(one.time.start, ZoneInfo(zone)).weekday()) for one in engagements if one.kind == "standing"}
    return Counter(day for _, day in sorted(days))


def _of(slot: Interval, who: Needed) -> Iterator[str]:
    """What speaks against a time for one person."""
    off = _does_not_work(slot, who)
    if off is not None:
        yield off
    for one in who.engagements:
        if calendar.intersect([one.with_travel(who.schedule.zone)], [slot]):
            yield _engaged(slot, who, one)


def _does_not_work(slot: Interval, who: Needed) -> str | None:
    """Why a time isn't in somebody's working hours, if it isn't."""
    place = ZoneInfo(who.schedule.zone)
    start, end = (_wall(instant, place) for instant in slot)
    day = start.date()
    windows = calendar.working_windows(who.schedule, day, day)
    if calendar.subtract([slot], windows) == []:
        return None
    if not calendar.is_weekday(day, who.schedule):
        return f"{start:%A} isn't a working day of {who.name}"
    if not calendar.is_business_day(day, who.schedule):
        return f"{start.day} {start:%B} is a public holiday for {who.name}"
    city = place.key.rpartition("/")[2].replace("_", " ")
    return f"{start:%H:%M} to {end:%H:%M} ({city} time) is outside the working hours of {who.name}"


def _engaged(slot: Interval, who: Needed, one: Engagement) -> str:
    place = ZoneInfo(who.schedule.zone)
    if one.kind == "absence":
        return f"{who.name} is out of office until {_wall(one.time.end, place):%Y-%m-%d %H:%M}"
    if not calendar.intersect([one.time], [slot]):
        return f"{who.name} travels to or from another meeting ({one.of})"
    start, end = (_wall(instant, place) for instant in one.time)
    return f"{who.name} has another meeting from {start:%H:%M} to {end:%H:%M} ({one.of})"


def _wall(instant: datetime, place: ZoneInfo) -> datetime:
    return instant.astimezone(place)
