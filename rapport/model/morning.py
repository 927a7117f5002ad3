"""The morning mail as workflows see it: who gets one for which day, by id; what it says stays in SQL."""

from __future__ import annotations

from datetime import date

from rapport.model.base import Instant, WireModel


class MorningStart(WireModel):
    """What starts a round of morning mails: nothing has to be known but the time."""


class MorningResult(WireModel):
    """How a round of morning mails ended.

    Attributes:
        written: How many members get a mail that no earlier round has seen to.
    """

    written: int


class MorningDue(WireModel):
    """A member who gets a morning mail.

    Attributes:
        member: The member's id.
        day: The date in their own zone.
        over_at: When the morning is over; what has not gone by then never goes.
    """

    member: str
    day: date
    over_at: Instant
