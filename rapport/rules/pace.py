"""How fast a mailbox may send: so many mails in any minute, a few of them at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

_MINUTE = timedelta(minutes=1)

SKEW: Final = timedelta(minutes=1)
"""How far the clocks of processes may be apart before one counts as wrong."""


PATIENCE: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""How long to wait before each further attempt while the relay asks for patience (4xx)."""

JITTER: Final = 0.1
"""By what share of it such a wait is longer or shorter, so that not all come back at once."""

LONGEST_WAIT: Final = PATIENCE[-1] * (1 + JITTER)
"""No attempt is put off by more; what seems to be was put off by a clock that was ahead."""


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

    def turn(self, next_at: datetime | None, now: datetime) -> SendingTurn:
        """The next mail's turn; turns are given in order, and each of them once.

        Args:
            next_at: What was remembered of the turn before.
        """
        due = max(next_at or now, now)
        return SendingTurn(max(now, due - self.gap * (self.at_once - 1)), due + self.gap)
