"""Human tasks as workflows see them: options, seats, decisions and instants; ids, never a name or an address."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from rapport.model.base import Instant, Name, StepName, Wire, Written


class TaskPhase(StrEnum):
    """Where a human task stands."""

    PREPARING = "preparing"
    OPEN = "open"
    NEEDS_INFO = "needs_info"
    CLOSED = "closed"


TaskKind = Literal["approval", "sign_off", "panel", "to_do"]

_COUNT = re.compile(r"[1-9][0-9]{0,2}")


def _quorum(value: str) -> str:
    if value in ("any", "all", "majority") or _COUNT.fullmatch(value):
        return value
    raise ValueError(f'"{value[:20]}" is not a quorum; use any, all, majority, or a number such as "2"')


Quorum = Annotated[str, AfterValidator(_quorum)]
"""How many seats have to choose an option: `any`, `all`, `majority` (more than half), or a number of them."""


class TaskOption(Written):
    """One answer that a human task offers."""

    id: StepName
    title: Name
    needs_reason: bool = False


class LadderRule(Written):
    """When a silent task is followed up, in business days of whoever holds it.

    Attributes:
        remind: When reminders go, the earliest first.
        backup: When somebody is added who can decide as well.
        manager: When the manager is told.
        timeout: When the task closes without a decision.
        relative_to: What the days are counted from. Days before a deadline are negative.
    """

    remind: tuple[int, ...] = ()
    backup: int | None = None
    manager: int | None = None
    timeout: int
    relative_to: Literal["opened", "deadline"] = "opened"

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        if any(earlier >= later for earlier, later in pairwise(self.remind)):
            raise ValueError("remind: the days do not grow; write the earliest first and each day once")
        # A second reminder may well come after the backup, so only the first has its place in the order.
        first = [("remind", day) for day in self.remind[:1]]
        steps = [*first, ("backup", self.backup), ("manager", self.manager), ("timeout", self.timeout)]
        given = [(name, day) for name, day in steps if day is not None]
        for (lower, earlier), (upper, later) in pairwise(given):
            if earlier > later:
                raise ValueError(f"{upper}: comes before {lower}; write {earlier} or more")
        if self.remind and self.remind[-1] > self.timeout:
            raise ValueError(f"timeout: comes before the last reminder; write {self.remind[-1]} or more")
        if self.relative_to == "opened" and given[0][1] < 1:
            raise ValueError(f"{given[0][0]}: counts from the opening, which no day precedes; write 1 or more")
        return self


class Holder(Wire):
    """Someone who can fill a seat now.

    Attributes:
        member: The member's id.
        on_behalf_of: The member in whose place they act, if it is not their own.
        via: How it came to them.
        chain: The members whom it passed on the way, in order, with the assignee first.
        reason: Why it came to them, in fixed words without names; none if it was theirs from the beginning.
        escalated: Whether the ladder added them. They stay, whoever else comes and goes.
    """

    member: str
    on_behalf_of: str | None = None
    via: Literal["assignee", "delegate", "backup", "manager"] = "assignee"
    chain: tuple[str, ...] = ()
    reason: str | None = None
    escalated: bool = False


class Seat(Wire):
    """One place in the quorum. Seats are fixed when a task opens; only who holds them changes.

    Attributes:
        id: The assignee as written: a member's id, or `role:` and a role.
        role: The role, where any member who has it can fill the seat.
        owner: The member's id, as assigned when the task opened. A role's seat belongs to nobody in particular.
        holders: Who can fill it now, whoever is asked first at the front. None at all: only the requester is left.
    """

    id: str
    role: str | None = None
    owner: str | None = None
    holders: tuple[Holder, ...] = ()


class Decision(Wire):
    """One person's word on a task.

    Attributes:
        id: The submission's key; a repeated id is the same decision.
        round: The round that the person saw.
        by: The member's id.
        submission: The id of what they wrote with it.
    """

    id: str
    round: int
    option: str
    by: str
    submission: str
    at: Instant


class Rung(Wire):
    """One step of a task's ladder, as an instant. A timeout concerns all seats and names none."""

    kind: Literal["remind", "backup", "manager", "timeout"]
    at: Instant
    seat: str | None = None
