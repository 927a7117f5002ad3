"""What an outcome, or an answer to a task, is called where people read it: no id of ours reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rapport.model.ids import number_in
from rapport.model.message import Resolution
from rapport.model.operation import Operate
from rapport.model.task import NOBODY_TO_ASK, NOT_REQUESTED, WITHDRAWN
from rapport.rules.todo_template import NO_TIME, UNNAMED, UNREAD, UNREPORTED

WITH: Final = "with_"
"""What an outcome begins with of a step that was done together with another one, which follows."""

OUTCOMES: Final[Mapping[str, str]] = {
    # What a task closes with, where nobody has decided.
    "unanswered": "no one answered in time",
    "silent": "not answered in time",
    "expired": "no one answered in time",
    "timed_out": "no one decided in time",
    "not_done": "not done in time",
    "not_signed_off": "not signed off in time",
    "not_acknowledged": "not confirmed in time",
    "not_held_in_time": "not held in time",
    "left_as_it_is": "left as it is",
    UNREAD: "no one read them in time",
    UNNAMED: "no one was named in time",
    NOBODY_TO_ASK: "there was no one to ask",
    NOT_REQUESTED: "not needed",
    WITHDRAWN: "no longer needed",
    # How meetings and steps end.
    NO_TIME: "no time was found",
    UNREPORTED: "no one recorded how it went",
    "held": "held",
    "canceled": "canceled",
    "closed": "no longer needed",
    "no_show": "no one came",
    "elsewhere": "done another way",
    "skipped": "skipped",
    "dropped": "not part of this onboarding",
    "cancelled": "canceled with the onboarding",
    "runs": "recurs from now on",
    "ran already": "recurs already",
    # Answers, where the task that they were given to is not at hand.
    "approve": "approved",
    "deny": "declined",
    "sign_off": "signed off",
    "ask_for_changes": "changes requested",
    "not_needed": "not needed",
    "done": "done",
    Operate.REDO: "do it again",
    Operate.COMPLETE: "it was done another way",
    Operate.SKIP: "continue without it",
    Resolution.RESEND: "send it again",
    "answer": "here is the answer",
    "defect": "it is a defect",
    "not_ours": "it belongs to another team",
    "in_favour": "support",
    "in_favour_if": "support with conditions",
    "against": "oppose",
    "no_objection": "no objection",
    "supported": "supported",
    "supported_if": "supported with conditions",
    "unsupported": "not supported",
    "approved": "approved",
    "declined": "declined",
    "acknowledge": "confirmed",
    "referred": "no recommendation",
    "empty": "no vote",
    "not_held": "no longer needed",
}
"""By its id."""


def in_words(outcome: str, options: Mapping[str, str] | None = None, titles: Mapping[str, str] | None = None) -> str:
    """An outcome as people read it.

    Args:
        options: The answers that were offered, by id.
        titles: What steps are called.
    """
    if options and outcome in options:
        return options[outcome]
    if outcome.startswith(WITH):
        step = outcome.removeprefix(WITH)
        return f"together with {(titles or {}).get(step, step.replace('_', ' '))}"
    count, of, answer = outcome.rpartition(" ")
    if of and answer in OUTCOMES and all(number_in(part) is not None for part in count.split(" of ")):
        return f"{count} {in_words(answer, options)}"
    return OUTCOMES.get(outcome, outcome.replace("_", " "))
