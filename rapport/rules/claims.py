"""What a mail claims, and whether it is still so: plain facts in, yes or no out. Pure.

A claim is named in an email's front matter, where it holds of the whole, or by `claim(…)` around a block, where it
holds of that alone. Facts that are not on record speak against nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

TASK_CLOSED: Final = "the task has been closed"
TASK_CHANGED: Final = "a newer version has replaced what it asks about"
TASK_ANSWERED: Final = "they have already decided"
POLL_ENDED: Final = "the time poll has ended"
TIMES_REPLACED: Final = "the times it offers are no longer open"
MEETING_CANCELED: Final = "the meeting was canceled"
MEETING_OVER: Final = "the meeting has passed"
REPORTED: Final = "someone has already reported on the meeting"
REPLIED: Final = "they have already replied"
NEWER: Final = "a newer email has replaced it"
TIMES_PROPOSED: Final = "times have been proposed since"
DATE_GONE: Final = "that date has passed, or it was canceled or moved"
NOT_HELD: Final = "the kickoff wasn't held"
STEP_OVER: Final = "the step has ended"
CASE_SOLVED: Final = "the case is resolved"
CASE_REOPENED: Final = "the case was reopened"
CASE_ANSWERED: Final = "the customer already has a reply"
CUSTOMER_ANSWERED: Final = "the customer has replied"
CASE_TAKEN: Final = "someone else has the case"
REVIEW_WITHDRAWN: Final = "the review was withdrawn"
REVIEW_DECIDED: Final = "the review is decided"
HANDED_ON: Final = "someone else looks after the account"
ERASURE_OVER: Final = "no one is asking for the account to be erased any more"


@dataclass(frozen=True)
class TaskNow:
    """A human task that a mail asks for: whether it is closed, of a newer version, and decided by the mail's reader."""

    closed: bool = False
    changed: bool = False
    decided: bool = False


@dataclass(frozen=True)
class StepNow:
    """The step that a mail belongs to.

    Attributes:
        taken_back: It was skipped, dropped, done elsewhere, or begun again.
        ended: It has ended as it was meant to.
    """

    taken_back: bool = False
    ended: bool = False


@dataclass(frozen=True)
class MeetingNow:
    """The meeting of a mail, in the attempt and the round that the mail is of, since it was written.

    Attributes:
        settled: A time was booked, or none is looked for any more.
        canceled: What was booked was called off.
        replaced: The mail's reader was written to of the same again, or a new round has begun.
        replied: The mail's reader has answered the poll.
        over: The time that was booked has passed.
        reported: Somebody has said how it went.
    """

    step: StepNow = StepNow()
    settled: bool = False
    canceled: bool = False
    replaced: bool = False
    replied: bool = False
    over: bool = False
    reported: bool = False


@dataclass(frozen=True)
class CaseNow:
    """The support case of a mail.

    Attributes:
        owned_as_told: Whoever the mail says has it still does.
        answered, customer_replied: Since the mail was written.
    """

    resolved: bool = False
    owned_as_told: bool = True
    answered: bool = False
    waiting: bool = True
    customer_replied: bool = False


@dataclass(frozen=True)
class ReviewNow:
    """The technical review of a mail.

    Attributes:
        replaced: Its reader was written to of the same review again since.
    """

    withdrawn: bool = False
    changed: bool = False
    decided: bool = False
    replaced: bool = False


@dataclass(frozen=True)
class Claim:
    """What a mail may claim.

    Attributes:
        of: What has to be known to say whether it is so.
        holds: Whether it is, by that.
        why: Why the mail, or the block, does not go where it is not.
    """

    of: str
    holds: Callable[[Any], bool]
    why: str


def _task(holds: Callable[[TaskNow], bool], why: str) -> Claim:
    return Claim("task", holds, why)


def _meeting(holds: Callable[[MeetingNow], bool], why: str) -> Claim:
    return Claim("meeting", holds, why)


def _case(holds: Callable[[CaseNow], bool], why: str) -> Claim:
    return Claim("case", holds, why)


def _review(holds: Callable[[ReviewNow], bool], why: str) -> Claim:
    return Claim("review", holds, why)


def _flag(of: str, why: str) -> Claim:
    return Claim(of, bool, why)


CLAIMS: Final[Mapping[str, Claim]] = {
    "task_open": _task(lambda now: not now.closed, TASK_CLOSED),
    "task_unchanged": _task(lambda now: not now.changed, TASK_CHANGED),
    "not_decided": _task(lambda now: not now.decided, TASK_ANSWERED),
    "not_booked": _meeting(lambda now: not (now.settled or now.canceled), POLL_ENDED),
    "times_open": _meeting(lambda now: not (now.replaced or now.step.taken_back or now.step.ended), TIMES_REPLACED),
    "not_answered": _meeting(lambda now: not now.replied, REPLIED),
    "booked": _meeting(lambda now: not now.canceled, MEETING_CANCELED),
    "newest": _meeting(lambda now: not now.replaced, NEWER),
    "not_over": _meeting(lambda now: not now.over, MEETING_OVER),
    "not_reported": _meeting(lambda now: not (now.reported or now.canceled), REPORTED),
    "step_wanted": Claim("step", lambda now: not now.taken_back, STEP_OVER),
    "kickoff_held": _flag("kickoff", NOT_HELD),
    "case_open": _case(lambda now: not now.resolved, CASE_SOLVED),
    "case_resolved": _case(lambda now: now.resolved, CASE_REOPENED),
    "case_owned_as_told": _case(lambda now: now.owned_as_told, CASE_TAKEN),
    "response_due": _case(lambda now: not now.answered, CASE_ANSWERED),
    "customer_silent": _case(lambda now: not now.customer_replied, CUSTOMER_ANSWERED),
    "waiting_on_customer": _case(lambda now: now.waiting, CUSTOMER_ANSWERED),
    "review_open": _review(lambda now: not now.withdrawn, REVIEW_WITHDRAWN),
    "review_unchanged": _review(lambda now: not now.changed, TASK_CHANGED),
    "review_undecided": _review(lambda now: not now.decided, REVIEW_DECIDED),
    "review_newest": _review(lambda now: not now.replaced, NEWER),
    "not_proposed": _flag("unproposed", TIMES_PROPOSED),
    "next_date": _flag("next_date", DATE_GONE),
    "date_ahead": _flag("date", MEETING_OVER),
    "account_theirs": _flag("account", HANDED_ON),
    "erasure_asked": _flag("erasure", ERASURE_OVER),
}
"""Every claim there is, by its name. A flag's fact is whether it is so."""


def needed(claims: Iterable[str]) -> list[str]:
    """What has to be known to say whether these hold, each once and in order."""
    return list(dict.fromkeys(CLAIMS[name].of for name in claims))


def false(claims: Iterable[str], facts: Mapping[str, Any]) -> list[str]:
    """Which of these claims do not hold, in order.

    Args:
        facts: What is on record, by `Claim.of`; what is missing speaks against nothing.
    """
    asked = ((name, CLAIMS[name]) for name in claims)
    return [name for name, claim in asked if claim.of in facts and not claim.holds(facts[claim.of])]
