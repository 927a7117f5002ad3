"""What may be done to a case, and what it makes of how the case stands. Pure; the workflow acts on it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from rapport.model.base import plain
from rapport.model.commands import in_name
from rapport.model.support_case import ActKind, CaseAct, CaseClock, CaseState, CaseStatus, Pause

_LONGEST: Final = 70
_SPACES: Final = re.compile(r"\s+")

_ALWAYS: Final = frozenset({ActKind.NOTE, ActKind.CONTEXT, ActKind.JOIN, ActKind.GAP})
"""What can be said of a case however it stands."""

NEEDS_WORDS: Final = frozenset(
    {
        ActKind.ANSWER,
        ActKind.NOTE,
        ActKind.CONTEXT,
        ActKind.WAIT_CUSTOMER,
        ActKind.CUSTOMER_SAID,
        ActKind.HAND_OFF,
        ActKind.ESCALATE,
        ActKind.RESOLVE,
        ActKind.REOPEN,
    }
)
"""What is nothing without words."""


_ON: Final = {CaseState.QUEUED: ("support_lead",), CaseState.OPEN: ("support_engineer",)}


def waits_on(state: CaseState) -> tuple[str, ...]:
    """The roles for which a case waits; none of ours while it waits for the customer, or is over."""
    return _ON.get(state, ())


def way_on(state: CaseState, ref: str) -> str | None:
    """The command that moves a case on."""
    match state:
        case CaseState.QUEUED:
            return in_name(f"rapport case assign {ref} --to EMAIL")
        case CaseState.OPEN | CaseState.WAITING:
            return in_name(f"rapport case answer {ref} --text …")
        case _:
            return None


_JOINERS: Final = "\u200c\u200d"
"""Show nothing, and are spelling all the same: in Persian words, and where several emoji make one."""


def heading(text: str | None) -> str:
    """The first line of a question, short enough for a subject and safe in a header."""
    line = _SPACES.sub(" ", (text or "").strip().split("\n", 1)[0]).replace("=?", "= ?")
    try:
        line = plain("".join(letter for letter in line if letter.isprintable() or letter in _JOINERS))
    except ValueError:
        return ""
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


def judge(act: CaseAct, status: CaseStatus, ref: str, *, escalated: bool) -> str | None:
    """Why something cannot be done to a case, in words for the person; nothing if it can.

    Args:
        escalated: Whether engineering has the case, or it waits for them.
    """
    if act.kind in NEEDS_WORDS and not act.has_words:
        return "nothing was said with it; add --text"
    if status.state is CaseState.MERGED and act.kind not in _ALWAYS:
        return f"{ref} has become a part of {status.merged_into}; go on there"
    if status.state is CaseState.RESOLVED and act.kind not in _ALWAYS | {ActKind.REOPEN, ActKind.CUSTOMER_SAID}:
        return f"{ref} is resolved; reopen it first: rapport case reopen {ref} --text … --as EMAIL"
    match act.kind:
        case ActKind.REOPEN if status.state is not CaseState.RESOLVED:
            return f"{ref} is open"
        case ActKind.WAIT_CUSTOMER if status.state is CaseState.WAITING:
            return "it waits for the customer already"
        case ActKind.ASSIGN if act.member == status.owner:
            return "it is theirs already"
        case ActKind.HAND_OFF if status.owner is None:
            return "nobody has it, so nobody can hand it off; the desk looks for an owner"
        case ActKind.ESCALATE if escalated:
            return "engineering was asked already; their answer comes to the owner"
        case ActKind.ESCALATE if status.owner is None:
            return "nobody has it yet, and engineering answers the owner; assign it first"
        case ActKind.MERGE if act.other == ref:
            return "a case cannot become a part of itself"
        case _:
            return None


def apply(act: CaseAct, status: CaseStatus, now: datetime) -> CaseStatus:
    """How a case stands after something was done to it. It was judged before."""
    match act.kind:
        case ActKind.ANSWER:
            return heard(status, now)
        case ActKind.WAIT_CUSTOMER:
            return stopped(heard(status, now), now).model_copy(update={"state": CaseState.WAITING})
        case ActKind.CUSTOMER_SAID:
            return came_back(status, now)
        case ActKind.REOPEN:
            return came_back(status, now)
        case ActKind.ASSIGN | ActKind.HAND_OFF:
            return without_owner(status)
        case ActKind.CLASSIFY:
            changed = {"severity": act.severity or status.severity, "area": act.area or status.area}
            return status.model_copy(update=changed)
        case ActKind.ESCALATE:
            return status.model_copy(update={"escalations": status.escalations + 1})
        case ActKind.MERGE:
            over = {"state": CaseState.MERGED, "merged_into": act.other, "resolved": now, "clock": None}
            return status.model_copy(update=over)
        case ActKind.RESOLVE:
            said = heard(status, now)
            return said.model_copy(update={"state": CaseState.RESOLVED, "resolved": now, "clock": None})
        case _:
            return status


def heard(status: CaseStatus, now: datetime) -> CaseStatus:
    """The customer heard from us: from now on the next update is promised."""
    clock = CaseClock(promise="next_update", since=now)
    if status.clock is not None and status.clock.stands_still:
        clock = clock.model_copy(update={"pauses": (Pause(since=now),)})
    return _running(status, clock).model_copy(update={"first_answered": status.first_answered or now})


def stopped(status: CaseStatus, now: datetime) -> CaseStatus:
    """A case's status once it waits for its customer: no time counts from now on."""
    clock = status.clock
    if clock is None or clock.stands_still:
        return status
    return status.model_copy(update={"clock": clock.model_copy(update={"pauses": (*clock.pauses, Pause(since=now))})})


def came_back(status: CaseStatus, now: datetime) -> CaseStatus:
    """The customer said something: the clock goes on where it stood; a case that was over is open again."""
    clock, state = status.clock, CaseState.OPEN if status.owner else CaseState.QUEUED
    if status.state is CaseState.RESOLVED or clock is None:
        again = status.model_copy(update={"state": state, "resolved": None, "merged_into": None})
        return _running(again, CaseClock(promise="next_update", since=now))
    if not clock.stands_still:
        return status
    last = clock.pauses[-1].model_copy(update={"until": now})
    runs = clock.model_copy(update={"pauses": (*clock.pauses[:-1], last)})
    return status.model_copy(update={"state": state, "clock": runs})


def without_owner(status: CaseStatus) -> CaseStatus:
    """A case's status once it has no owner: it goes back to the desk, as another turn."""
    state = status.state if status.state is CaseState.WAITING else CaseState.QUEUED
    return status.model_copy(
        update={
            "state": state,
            "owner": None,
            "owned_since": None,
            "known_by": status.owner or status.known_by,
            "turn": status.turn + 1,
        }
    )


def owned(status: CaseStatus, member: str, now: datetime) -> CaseStatus:
    """Somebody has it from now on."""
    state = CaseState.OPEN if status.state is CaseState.QUEUED else status.state
    return status.model_copy(update={"state": state, "owner": member, "owned_since": now})


def _running(status: CaseStatus, clock: CaseClock) -> CaseStatus:
    """A new promise runs, and nothing was done about it yet."""
    return status.model_copy(update={"clock": clock, "reminded": False, "drafted": False, "breached": False})
