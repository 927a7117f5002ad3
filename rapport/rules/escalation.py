"""When a silent task is followed up: reminders, a backup, the manager, and the end.

All of it is arithmetic with zones and public holidays: activities call this and hand the instants to workflows.

Each seat has a ladder of its own, in the working hours of whoever is first among its holders; a seat that nobody
holds has none. Days on which they are away do not count, unless they are away for more than a year: then the ladder
would have no end, and their absence is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from rapport.model.account import Schedule
from rapport.model.task import EscalationStep, LadderRule, Seat
from rapport.rules import calendar
from rapport.rules.calendar import (
    Interval,
    add_business_days,
    business_day_around,
    last_working_instant,
    next_working_instant,
    voting_deadline,
)

APPROVALS: Final = LadderRule(remind=(1,), backup=2, manager=3, timeout=5, relative_to="opened")
TO_DOS: Final = LadderRule(remind=(-2, 0), backup=2, manager=5, timeout=10, relative_to="deadline")

REVIEWS: Final = LadderRule(remind=(-1, 0), timeout=0, relative_to="deadline", to_the_end=True)
"""For a word in a technical review. Whoever leads the company is told by the review itself, by the customer's date."""

PREPARATION: Final = LadderRule(remind=(1,), timeout=2)
"""For whoever has to ask first: customers wait meanwhile."""
DRAFTING: Final = LadderRule(remind=(2,), backup=4, manager=5, timeout=15)
"""For whoever writes what a customer signs off, at first and after changes were asked for: it takes days to write."""
CUSTOMERS: Final = LadderRule(remind=(2, 4), manager=5, timeout=10)
"""For a customer's silence. It goes to the TAM, never to their superior; that is who is told as "manager" here."""
ANSWERS: Final = LadderRule(remind=(1,), timeout=3)
"""For the requester whom someone asked for information; after it, the task goes on without."""

TO_DO_DAYS: Final = 5
"""How many business days there are for a task whose ladder counts from a deadline, if nobody set one."""

T = TypeVar("T")

_ORDER: Final = ("remind", "backup", "manager", "timeout")


def rungs(
    rule: LadderRule,
    *,
    opened: datetime,
    deadline: datetime | None = None,
    seats: Sequence[Seat],
    schedules: Mapping[str, Schedule],
    away: Mapping[str, Sequence[Interval]],
) -> tuple[EscalationStep, ...]:
    """The rungs of a task, in the order of time.

    From the opening, days are counted from the holder's first working instant, and a rung comes at its wall time.
    Around a deadline, a rung comes when work begins on its day (`calendar.business_day_around`); a deadline before
    the holder's first working instant counts as that instant.

    The timeout is one instant for all, the latest of the seats'. A reminder that would not come after the opening is
    dropped, as the opening says the same; any other rung waits for the holder's first working instant.

    Args:
        opened, deadline: UTC. The deadline is needed where the rule counts from it.
        schedules: By member's id, of the first holder of each seat.
        away: When they are away, by member's id.

    Raises:
        KeyError: The schedule of a first holder is missing.
        ValueError: The deadline is missing, or someone has no working day.
    """
    if rule.relative_to == "deadline" and deadline is None:
        raise ValueError("deadline: is missing, and the ladder counts from it; give one, such as default_deadline")
    climbs = {seat.id: _climb(rule, opened, deadline, *_first(seat, schedules, away)) for seat in seats if seat.holders}
    own = [rung.model_copy(update={"seat": seat}) for seat, (*climb, _) in climbs.items() for rung in climb]
    ends = sorted((climb[-1] for climb in climbs.values()), key=_order)
    return tuple(sorted([*own, *ends[-1:]], key=_order))


def default_deadline(rule: LadderRule, opened: datetime, who: Schedule) -> datetime:
    """When a task is due if nobody set a deadline: with its timeout, or `TO_DO_DAYS` after its opening.

    Raises:
        ValueError: There is no working day to be found, or `opened` has no zone.
    """
    if rule.relative_to == "opened":
        return _climb(rule, opened, None, who, ())[-1].at
    return voting_deadline(next_working_instant(opened, who), TO_DO_DAYS, who)


def within_hours(deadline: datetime, opened: datetime, holders: Iterable[Schedule]) -> datetime:
    """A deadline that falls into nobody's night: the latest instant up to it at which one of the holders still works.

    Where none of them works before it, it stays as it is.

    Raises:
        ValueError: As `due`.
    """
    ends = [last_working_instant(deadline, who) for who in holders]
    return max((end for end in ends if end > opened), default=deadline)


def due(rule: LadderRule, opened: datetime, deadline: datetime | None, who: Schedule) -> datetime | None:
    """When a task is due whose ladder goes on after that; nothing where it is due at its ladder's end.

    What opens at or after its deadline, as a to-do that insists on something does, is due a business day later: nothing
    is overdue before its holder could see it.

    Raises:
        ValueError: There is no working day to be found, or `opened` has no zone.
    """
    if rule.relative_to == "opened" or rule.to_the_end or deadline is None:
        return None
    return deadline if deadline > opened else voting_deadline(next_working_instant(opened, who), 1, who)


def after_pause(
    rungs: Sequence[EscalationStep],
    *,
    paused_at: datetime,
    resumed_at: datetime,
    seats: Sequence[Seat],
    schedules: Mapping[str, Schedule],
    away: Mapping[str, Sequence[Interval]],
    fixed: bool = False,
) -> tuple[EscalationStep, ...]:
    """The rungs that are still to come once a missing piece of information is there, in the order of time.

    Those due by the pause are over. Of the others, the working time that was left at the pause is left again; it is
    counted in the hours of the seat's first holder, and for the timeout in those of all, the latest of them.

    Args:
        fixed: The timeout comes from a customer's date. Then it stays, and what would come after it is dropped.

    Raises:
        KeyError: The schedule of a first holder is missing.
        ValueError: Someone has no working day.
    """
    moved = []
    for rung in rungs:
        if rung.at <= paused_at:
            continue
        if rung.kind == "timeout" and fixed:
            moved.append(rung)
            continue
        concerned = [seat for seat in seats if seat.holders and rung.seat in (None, seat.id)]
        left = [_resumed(rung.at, paused_at, resumed_at, *_first(seat, schedules, away)) for seat in concerned]
        # Without a holder there are no hours to count in.
        at = max(left, default=rung.at + (resumed_at - paused_at))
        moved.append(rung.model_copy(update={"at": at}))
    ends = [rung.at for rung in moved if rung.kind == "timeout"]
    return tuple(sorted((rung for rung in moved if all(rung.at <= end for end in ends)), key=_order))


def _first(
    seat: Seat, schedules: Mapping[str, Schedule], away: Mapping[str, Sequence[Interval]]
) -> tuple[Schedule, Sequence[Interval]]:
    member = seat.holders[0].member
    return schedules[member], away.get(member, ())


def _climb(
    rule: LadderRule, opened: datetime, deadline: datetime | None, who: Schedule, away: Sequence[Interval]
) -> list[EscalationStep]:
    """One person's rungs, with their timeout at the end."""

    def climb(away: Sequence[Interval]) -> list[EscalationStep]:
        start = next_working_instant(opened, who, away)

        def at(day: int) -> datetime:
            if deadline is None or rule.relative_to == "opened":
                return next_working_instant(add_business_days(start, day, who, away), who, away)
            return business_day_around(max(deadline, start), day, who, away)

        reminders = [EscalationStep(kind="remind", at=at(day)) for day in rule.remind]
        further = [EscalationStep(kind="backup", at=max(at(rule.backup), start))] if rule.backup is not None else []
        if rule.manager is not None:
            further.append(EscalationStep(kind="manager", at=max(at(rule.manager), start)))
        last = at(rule.timeout) if not rule.to_the_end or deadline is None else deadline
        end = EscalationStep(kind="timeout", at=max(last, start))
        return [*(rung for rung in reminders if rung.at > opened), *further, end]

    return _bounded(climb, away)


def _resumed(
    at: datetime, paused_at: datetime, resumed_at: datetime, who: Schedule, away: Sequence[Interval]
) -> datetime:
    """The instant by which someone has as much working time behind them as there was from the pause to `at`."""

    def resumed(away: Sequence[Interval]) -> datetime:
        return calendar.after_pause(at, paused_at, resumed_at, who, away)

    return _bounded(resumed, away)


def _bounded(plan: Callable[[Sequence[Interval]], T], away: Sequence[Interval]) -> T:
    """A plan around someone's absences; past them if they leave no working day for more than a year."""
    try:
        return plan(away)
    except ValueError:
        return plan(())


def _order(rung: EscalationStep) -> tuple[datetime, int]:
    return rung.at, _ORDER.index(rung.kind)
