"""When a contract's onboarding begins, and when it has to be asked whether it is to begin at all."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from rapport.model.account import Schedule, WrittenContract
from rapport.model.base import UserError
from rapport.rules.calendar import next_working_instant, wall

LATE_DAYS: Final = 60
"""After so many days whoever has a contract is a customer already, or waits for long: a person has to say which."""
AHEAD_DAYS: Final = 731
"""Nobody signs for longer than so many days ahead; it is a slip of the pen."""


def first_day(contract: WrittenContract, zone: str) -> date:
    """The day from which a contract counts, in a zone: its start, but not before it is signed."""
    signed = contract.signed_at.astimezone(ZoneInfo(zone)).date()
    return max(signed, contract.starts or signed)


def begins(contract: WrittenContract, now: datetime, who: Schedule) -> datetime | None:
    """When the onboarding of a contract begins whose first day is still to come: at once that they work then.

    Args:
        who: In whose zone and working hours days are counted.
    """
    first = first_day(contract, who.zone)
    if first <= _today(now, who):
        return None
    return next_working_instant(wall(first, time(), who.zone), who)


def doubt(contract: WrittenContract, now: datetime, who: Schedule) -> UserError | None:
    """Why a start of a contract's onboarding is asked about, with the choices; nothing where it is plain.

    Args:
        who: In whose zone days are counted.
    """
    first = first_day(contract, who.zone)
    ago = (_today(now, who) - first).days
    starts = contract.starts is not None and contract.starts == first
    field = f"contract.{'starts' if starts else 'signed_at'}"
    if ago > LATE_DAYS:
        return UserError(
            f"{'started' if starts else 'was signed'} on {first:%Y-%m-%d}, {ago} days ago",
            field=field,
            fix="say `--at STEP` for a customer who is on the way: nothing goes out for the steps before; or "
            "`--as-new` for a late start, with the welcome",
        )
    if -ago > AHEAD_DAYS:
        return UserError(f"is on {first:%Y-%m-%d}, {-ago} days ahead", field=field, fix="write the day that is meant")
    return None


def _today(now: datetime, who: Schedule) -> date:
    return now.astimezone(ZoneInfo(who.zone)).date()
