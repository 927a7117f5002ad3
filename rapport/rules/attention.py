"""When a mail goes: at once, at an instant that suits its reader, together with another one, or not at all.

Working hours put a mail off and never drop it; only an attention budget can keep from a person what would merely have
been nice to have, and only where it could not wait for the next month.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rapport.model.account import Schedule
from rapport.model.message import Purpose, Weight
from rapport.rules.calendar import next_working_instant, wall

OUTSIDE: Final = "outside their working time"
WORST: Final = "their open case of severity 1 comes first"
OF_USE_FOR: Final = timedelta(days=7)
"""How long a mail that is nice to have is still of use; a budget schedules it no further."""


class Planned(NamedTuple):
    """A mail that went to the same person, or that is going to.

    Attributes:
        at: When it went, or is to go.
        open: Whether another may still join it: it is nice to have as well, waits, and nobody has rendered it.
    """

    key: str
    at: datetime
    open: bool = False


class MailVerdict(NamedTuple):
    """What is to become of a mail.

    Attributes:
        at: When it goes; never before it was asked for. Nothing for one that does not go by itself.
        reason: Why it does not go at once, in words that follow "it is scheduled:" or "it does not go:".
        joins: The key of the mail that it becomes a part of.
    """

    at: datetime | None
    reason: str | None = None
    joins: str | None = None


def earliest(asked: datetime, who: Schedule, weight: Weight, *, quiet_hours: bool = True) -> MailVerdict:
    """When a mail may go at the earliest: at once, or when its reader next works.

    Args:
        quiet_hours: Whether readers' working time is kept at all.
    """
    if weight is Weight.AT_ONCE or not quiet_hours:
        return MailVerdict(asked)
    at = next_working_instant(asked, who)
    return MailVerdict(at, OUTSIDE if at > asked else None)


AGAIN_TODAY: Final = "they had another email about it today"


def once_a_day(asked: datetime, last: datetime | None, who: Schedule) -> MailVerdict:
    """When a member hears more of what they were told of already: once on each of their days.

    Args:
        last: When they were told of it last, or are to be.
    """
    zone = ZoneInfo(who.zone)
    today = asked.astimezone(zone).date()
    if last is None or last.astimezone(zone).date() < today:
        return MailVerdict(asked)
    if last.astimezone(zone).date() > today:
        return MailVerdict(max(last, asked), AGAIN_TODAY)
    return MailVerdict(next_working_instant(wall(today + timedelta(days=1), time(), who.zone), who), AGAIN_TODAY)


LONGEST_AHEAD: Final = timedelta(days=31)
"""Nobody's working time, and no next month's budget, is further away; what seems to be was said by a clock ahead."""


def told_in(at: datetime, zone: str) -> str:
    """An instant by the clock of its reader's city: "Tue 1 Dec, 08:00 (Zurich time)"."""
    city = zone.rpartition("/")[2].replace("_", " ")
    there = at.astimezone(ZoneInfo(zone))
    return f"{there:%a} {there.day} {there:%b, %H:%M} ({city if city == 'UTC' else f'{city} time'})"


def is_promotional(purpose: Purpose, weight: Weight) -> bool:
    """Whether a mail can wait until the customer's production runs again: what is nice to have, and no digest."""
    return purpose is Purpose.MESSAGE and weight is Weight.NICE


def after_the_worst(asked: datetime, who: Schedule, until: datetime | None = None) -> MailVerdict:
    """When to look again whether an open case of severity 1 still comes first: on the reader's next working day."""
    tomorrow = wall(_day(asked, who) + timedelta(days=1), time(), who.zone)
    then = next_working_instant(tomorrow, who)
    return MailVerdict(None if until is not None and then >= until else then, WORST)


def decide(
    asked: datetime,
    who: Schedule,
    weight: Weight,
    budget: int,
    planned: Sequence[Planned],
    *,
    until: datetime | None = None,
    may_join: bool = True,
    quiet_hours: bool = True,
) -> MailVerdict:
    """What is to become of a mail to one person.

    Args:
        asked: The present; nothing goes before it.
        who: The reader. Their zone says which day and which month it is.
        weight: Whether it may wait at all, and whether it may be left out.
        budget: How many mails a month the reader gets.
        planned: What went to them and what is going to, of every step, in this month and the next.
        until: When it makes no sense any more.
        may_join: Whether it may become a part of another one.
        quiet_hours: Whether readers' working time is kept at all.
    """
    first = earliest(asked, who, weight, quiet_hours=quiet_hours)
    assert first.at is not None
    if weight is not Weight.NICE:
        return first
    hosts = [
        mail for mail in planned if mail.open and may_join and asked < mail.at and not (until and until <= mail.at)
    ]
    used = _used(first.at, who, budget, planned)
    if (joined := _joined(first.at, who, hosts)) is not None:
        return joined
    if used is None:
        return first
    month = _next_month(first.at, who)
    then = next_working_instant(month, who) if quiet_hours else month
    if (joined := _joined(then, who, hosts)) is not None:
        return joined
    if then > asked + OF_USE_FOR or (until is not None and then >= until) or _used(then, who, budget, planned):
        return MailVerdict(None, used)
    return MailVerdict(then, used)


def _used(at: datetime, who: Schedule, budget: int, planned: Sequence[Planned]) -> str | None:
    """Whether the reader's budget for the month of an instant is used up, in words."""
    month = _day(at, who).replace(day=1)
    count = sum(_day(mail.at, who).replace(day=1) == month for mail in planned)
    return f"their attention budget for {month:%B} is used up ({count} of {budget})" if count >= budget else None


def _joined(at: datetime, who: Schedule, hosts: Sequence[Planned]) -> MailVerdict | None:
    """A place in a mail that waits for the same day; it costs the reader no further attention."""
    host = next((mail.key for mail in hosts if _day(mail.at, who) == _day(at, who)), None)
    return MailVerdict(None, f"joined {host}", host) if host is not None else None


def _day(at: datetime, who: Schedule) -> date:
    return at.astimezone(ZoneInfo(who.zone)).date()


def _next_month(at: datetime, who: Schedule) -> datetime:
    """When the month after an instant's begins on the reader's wall."""
    first = (_day(at, who).replace(day=1) + timedelta(days=31)).replace(day=1)
    return wall(first, time(), who.zone)
