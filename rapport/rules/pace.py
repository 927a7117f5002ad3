"""How fast a mailbox may send: so many mails in any minute, a few of them at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

_MINUTE = timedelta(minutes=1)

SKEW: Final = timedelta(minutes=1)
"""How far the clocks of processes may be apart before one counts as wrong."""

RATE: Final = 30
"""How many mails a minute a mailbox on the network sends, unless a setting says otherwise: the least that the large
providers allow."""

PATIENCE: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""How long to wait before each further attempt while the relay asks for patience (4xx)."""

JITTER: Final = 0.1
"""By what share of it such a wait is longer or shorter, so that not all come back at once."""

LONGEST_WAIT: Final = PATIENCE[-1] * (1 + JITTER)
"""No attempt is deferred by more; what seems to be was deferred by a clock that was ahead."""


LIMIT_FORGOTTEN: Final = timedelta(hours=1)
"""After how long without such an answer a mailbox that once sent too fast begins with the shortest pause again."""


class SlowDown(NamedTuple):
    """That the relay said that the mailbox sends too much, and how long nothing goes for that.

    Attributes:
        times: How often it said so with nothing taken in between; each time the pause is longer.
        since: When it said so first.
        until: When the next mail goes.
    """

    times: int
    since: datetime
    until: datetime

    def holds(self, now: datetime) -> bool:
        """Whether nothing goes yet. A longer pause than any was given by a clock that was ahead."""
        return now < self.until <= now + LONGEST_WAIT + SKEW


def slower(before: SlowDown | None, now: datetime, *, went: bool) -> SlowDown:
    """It said so once more. While a pause lasts that is the answer to what was under way, and changes nothing.

    Args:
        went: Whether it has taken a mail since the pause before.
    """
    if before is not None and before.holds(now):
        return before
    if before is None or went or not timedelta() <= now - before.until <= LIMIT_FORGOTTEN:
        return SlowDown(1, now, now + PATIENCE[0])
    return SlowDown(before.times + 1, before.since, now + PATIENCE[min(before.times, len(PATIENCE) - 1)])


def carried(next_at: datetime | None, given_at: datetime | None, now: datetime) -> datetime | None:
    """What is remembered of the turn before, once whatever a clock was ahead by is taken off again.

    Args:
        next_at: What was remembered.
        given_at: When that turn was given, by the clock of whoever gave it.
    """
    if next_at is None or given_at is None or given_at <= now + SKEW:
        return next_at
    return next_at - (given_at - now)


class SendingTurn(NamedTuple):
    """When a mail may go, and what the mailbox has to remember of it."""

    at: datetime
    next_at: datetime


class Pace(NamedTuple):
    """The generic cell rate algorithm (ITU-T I.371): one instant is all that has to be remembered.

    A quarter of a minute's mails may go at once, and the rest is spread so that no minute has more than it may.
    """

    a_minute: int

    @property
    def at_once(self) -> int:
        """How many may go at once after a silence."""
        return max(1, self.a_minute // 4)

    @property
    def gap(self) -> timedelta:
        """The time between two mails, once those are used up."""
        return _MINUTE / (self.a_minute - self.at_once + 1)

    def after(self, instant: datetime) -> datetime:
        """What to remember for the next turn to be at an instant, and those after it evenly: none goes with it."""
        return instant + self.gap * (self.at_once - 1)

    def turn(self, next_at: datetime | None, now: datetime) -> SendingTurn:
        """The next mail's turn; turns are given in order, and each of them once.

        Args:
            next_at: What was remembered of the turn before.
        """
        due = max(next_at or now, now)
        return SendingTurn(max(now, due - self.gap * (self.at_once - 1)), due + self.gap)


def pace_of(rate: int | None, *, local: bool) -> Pace | None:
    """How fast mails may go; nothing where as fast as they come, as to a relay on this machine.

    Args:
        rate: How many a minute, as the setting has it: 0 is as fast as they come.
    """
    if rate is None:
        rate = 0 if local else RATE
    return Pace(rate) if rate else None
