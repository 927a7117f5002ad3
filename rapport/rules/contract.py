"""When a contract's onboarding begins, and when it has to be asked whether it is to begin at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from rapport.model.account import Schedule, SignedContract, WrittenContract
from rapport.model.base import UserError
from rapport.rules.calendar import next_working_instant, wall, whole_days

LATE_DAYS: Final = 60
"""After so many days whoever has a contract is a customer already, or waits for long: a person has to say which."""
AHEAD_DAYS: Final = 731
"""Nobody signs for longer than so many days ahead; it is a slip of the pen."""

FIRST_PLAYBOOK: Final = "enterprise"
RENEWAL_PLAYBOOK: Final = "renewal"
"""What a contract's onboarding follows that names no playbook."""


class Former(Protocol):
    """What is known of another contract of the same account that was started."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def product(self) -> str | None:
        """What was bought by it."""

    @property
    def is_open(self) -> bool:
        """Whether its onboarding runs, or is about to."""


def renewed(contract: WrittenContract, others: Sequence[Former], product: str) -> str | None:
    """The contract that one renews: the one that it names, or the last one of the same product.

    A contract that names neither product nor predecessor, while an onboarding runs, is a further product: nobody renews
    in the middle of being introduced.

    Args:
        others: The account's other contracts that were started and not called off, in the order in which they were.
        product: What contracts are for that do not say it.

    Raises:
        UserError: It names one that the account does not have.
    """
    if contract.renews is not None:
        if contract.renews not in {one.id for one in others}:
            known = ", ".join(one.id for one in others)
            raise UserError(
                f'the account has no contract "{contract.renews}" that was started',
                field="contract.renews",
                fix=f"name one of {known}" if known else "leave it out",
            )
        return contract.renews

    def bought(one: Former | WrittenContract) -> str:
        return (one.product or product).casefold()

    same = [one for one in others if bought(one) == bought(contract)]
    if not same or (contract.product is None and any(one.is_open for one in same)):
        return None
    return same[-1].id


def first_day(contract: SignedContract, zone: str) -> date:
    """The day from which a contract counts, in a zone: its start, but not before it is signed."""
    signed = contract.signed_at.astimezone(ZoneInfo(zone)).date()
    return max(signed, contract.starts or signed)


def last_instant(contract: WrittenContract, zone: str) -> datetime | None:
    """When a contract ends: with its last day, in a zone. Nothing where no end is known."""
    return None if contract.ends is None else whole_days(contract.ends, contract.ends, zone).end


def begins(contract: SignedContract, now: datetime, who: Schedule) -> datetime | None:
    """When the onboarding of a contract begins whose first day is still to come: at once that they work then.

    Args:
        who: In whose zone and working hours days are counted.
    """
    first = first_day(contract, who.zone)
    if first <= _today(now, who):
        return None
    return next_working_instant(wall(first, time(), who.zone), who)


def doubt(contract: SignedContract, now: datetime, who: Schedule) -> UserError | None:
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
