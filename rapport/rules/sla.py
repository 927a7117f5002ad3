"""What a customer of the desk is promised, and when: a first answer and a next update, never a resolution.

Promises are counted in the desk's hours; those of severity 1 around the clock where somebody is on call and can be
paged. While a case waits for its customer the clock stands: no time is counted, and nothing falls due; but somebody
looks after their silence, so that no case is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from rapport.model.account import Schedule
from rapport.model.base import utc
from rapport.rules.calendar import (
    Interval,
    add_business_days,
    add_working_time,
    merge,
    next_working_instant,
    subtract,
    working_time,
)

REMIND_AFTER: Final = 0.5
"""The share of a promise's time after which its owner is reminded."""
DRAFT_AFTER: Final = 0.8
"""The share after which an update counts as late in all likelihood, and its owner gets a draft for the customer."""

FOLLOW_UP_AFTER: Final = 5
"""How many of the desk's working days a customer may be silent before the owner is told, and told again."""

_MINUTE: Final = timedelta(minutes=1)


class SlaKind(StrEnum):
    """Which word of ours a customer was promised by a time."""

    FIRST_ANSWER = "first_answer"
    NEXT_UPDATE = "next_update"


class Promise(NamedTuple):
    """What one severity is promised.

    Attributes:
        first_answer: From the opening to the first word of a person.
        next_update: From each word to the next, for as long as the case is open.
        around_the_clock: Counted at all hours, if somebody is on call and can be paged.
    """

    first_answer: timedelta
    next_update: timedelta
    around_the_clock: bool = False

    def time_for(self, kind: SlaKind) -> timedelta:
        """How much time there is for one or the other."""
        return self.first_answer if kind is SlaKind.FIRST_ANSWER else self.next_update


class Clock(NamedTuple):
    """The time that counts towards a promise to a customer, with its interruptions.

    Attributes:
        since: When the case was opened, or its customer last heard from the desk.
        stops: When it waited for its customer, as far as that is over.
        stopped_at: Since when it does so now.
    """

    kind: SlaKind
    since: datetime
    stops: tuple[Interval, ...] = ()
    stopped_at: datetime | None = None


class SlaDues(NamedTuple):
    """When something is to be done about a promise, in the order of time; all in the hours that it is counted in.

    Attributes:
        remind: The owner is reminded.
        draft: The owner gets a draft for the customer, and sends it if there is no more to say by then.
        breach: It is broken; owner and lead are told.
    """

    remind: datetime
    draft: datetime
    breach: datetime


class Hours(NamedTuple):
    """In which hours a severity is served, and why not around the clock where that was asked for."""

    around_the_clock: bool
    reason: str | None = None


def hours(promise: Promise, *, rota: bool, paging: bool) -> Hours:
    """Whether a severity is served around the clock: that takes a rota of who is on call, and a way to page them."""
    if not promise.around_the_clock:
        return Hours(around_the_clock=False)
    missing = [text for there, text in ((rota, "no on-call rota"), (paging, "no paging webhook")) if not there]
    if missing:
        return Hours(around_the_clock=False, reason=f"keeps desk hours: there is {' and '.join(missing)}")
    return Hours(around_the_clock=True)


def dues(clock: Clock, promise: Promise, desk: Schedule, *, around_the_clock: bool = False) -> SlaDues | None:
    """When a promise falls due; nothing while its clock stands.

    Args:
        around_the_clock: As `hours` found.

    Raises:
        ValueError: The desk has no working day.
    """
    if clock.stopped_at is not None:
        return None
    amount = promise.time_for(clock.kind)

    def at(share: float) -> datetime:
        # Whole minutes: a share of odd seconds would put a reminder between two ticks of any clock on a wall.
        part = round(amount * share / _MINUTE) * _MINUTE if share < 1 else amount
        return _after(clock, part, desk, around_the_clock=around_the_clock)

    return SlaDues(at(REMIND_AFTER), at(DRAFT_AFTER), at(1))


def follow_up(clock: Clock, told: datetime | None, desk: Schedule) -> datetime | None:
    """When somebody looks after a customer's silence; nothing while the clock runs, as a promise does that then.

    Args:
        told: When the owner was last told of it, if ever.

    Raises:
        ValueError: The desk has no working day.
    """
    if clock.stopped_at is None:
        return None
    since = clock.stopped_at if told is None else max(told, clock.stopped_at)
    return add_business_days(since, FOLLOW_UP_AFTER, desk)


def used(clock: Clock, now: datetime, desk: Schedule, *, around_the_clock: bool = False) -> timedelta:
    """How much of a promise's time has gone by."""
    end = min(now, clock.stopped_at) if clock.stopped_at is not None else now
    if end <= clock.since:
        return timedelta()
    if not around_the_clock:
        return working_time(clock.since, end, desk, clock.stops)
    running = subtract([Interval(utc(clock.since), utc(end))], clock.stops)
    return sum((part.end - part.start for part in running), timedelta())


def stop(clock: Clock, now: datetime) -> Clock:
    """The clock from now on waits for the customer. One that does so already is left as it is."""
    return clock if clock.stopped_at is not None else clock._replace(stopped_at=max(now, clock.since))


def go_on(clock: Clock, now: datetime) -> Clock:
    """The clock runs again. One that runs already is left as it is."""
    if clock.stopped_at is None:
        return clock
    stops = merge([*clock.stops, Interval(clock.stopped_at, max(now, clock.stopped_at))])
    return clock._replace(stops=tuple(stops), stopped_at=None)


def heard(clock: Clock, now: datetime) -> Clock:
    """The customer heard from the desk: from now on the next update is promised."""
    running = Clock(SlaKind.NEXT_UPDATE, now)
    return stop(running, now) if clock.stopped_at is not None else running


def _after(clock: Clock, amount: timedelta, desk: Schedule, *, around_the_clock: bool) -> datetime:
    """When that much of a promise's time is over."""
    if not around_the_clock:
        start = next_working_instant(clock.since, desk, clock.stops)
        return add_working_time(start, amount, desk, clock.stops)
    return _passed(clock.since, amount, merge(clock.stops))


def _passed(start: datetime, amount: timedelta, stops: Sequence[Interval]) -> datetime:
    at = start
    for stop_ in stops:
        if stop_.end <= at:
            continue
        if at + amount < stop_.start:
            break
        amount -= max(stop_.start - at, timedelta())
        at = stop_.end
    return at + amount
