"""How people read what a technical review is kept by: its stages, what is asked for, its phases, what was said.

A side and a seat are called by `wording.seat`, and what somebody chose by `outcome_words.in_words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from rapport.model.account import personas
from rapport.model.task import WITHDRAWN
from rapport.model.tech_review import ASKS as ASKS, STAGES as STAGES
from rapport.model.tech_review_facts import RemarkKind, ReviewPhase
from rapport.rules.outcome_words import in_words

PHASES: Final[Mapping[str, str]] = {
    ReviewPhase.FEEDBACK: "feedback",
    ReviewPhase.RECOMMENDATION: "recommendation",
    ReviewPhase.LEADERSHIP: "leadership",
    ReviewPhase.MESSAGE: "message",
    ReviewPhase.ACKNOWLEDGEMENT: "customer",
    ReviewPhase.REVISIT: "decided, comes back",
    ReviewPhase.CLOSED: "closed",
}
REMARKS: Final[Mapping[RemarkKind, str]] = {
    "feedback": "feedback",
    "said": "remark",
    "recommendation": "recommendation",
    "commitment": "commitment",
    "vote": "vote",
    "verdict": "decision",
    "message": "message",
    "approval": "approval of the message",
    "reading": "on the message",
    "acknowledgement": "acknowledgment",
    "meeting": "live meeting",
    "withdrawal": "withdrawal",
}
"""What a remark is, by its kind: a recommendation is no vote."""
NOTES: Final = {
    "referred": "No one can recommend on behalf of the requester, so leadership decides.",
    "empty": "No one can act for them, so the seat stays empty.",
}
"""Why a seat says nothing, where the rules say so."""

_QUESTIONS: Final = {
    "gap": "Gap",
    "needed_why": "Why by then",
    "why_not_caught": "Why it wasn't caught earlier",
    "expectation": "Customer's expectation",
    "if_not_met": "If not met",
    "others": "Others affected",
    "context": "Context",
}
"""What a request says in words, in the order in which it is read."""


class RequestAnswer(NamedTuple):
    """One answer of a request: its field, what it is called, and the answer as people read it."""

    field: str
    title: str
    text: str


def answers_of(request: Mapping[str, Any], scenarios: Mapping[str, str]) -> list[tuple[str, str]]:
    """What a request says in words, each answer with its title: the scenarios that called for it first.

    Args:
        scenarios: What each scenario is called.
    """
    return [
        (one.title, one.text) for one in whole(request, scenarios) if one.field in _QUESTIONS or one.field == _CALLED
    ]


_CALLED: Final = "scenarios"


def whole(request: Mapping[str, Any], scenarios: Mapping[str, str]) -> list[RequestAnswer]:
    """All that a request says, as people read it; what it leaves out is left out here.

    Args:
        scenarios: What each scenario is called.
    """
    design = request.get("design")
    called = [scenarios.get(str(name), str(name).replace("_", " ")) for name in request.get(_CALLED) or ()]
    told = personas().get(str(request.get("tell")))
    found = [
        RequestAnswer("title", "Title", str(request.get("title") or "")),
        RequestAnswer("stage", "Stage", STAGES.get(str(request.get("stage")), "")),
        RequestAnswer("ask", "Request", ASKS.get(str(request.get("ask")), "")),
        RequestAnswer("needed_by", "Needed by", str(request.get("needed_by") or "")),
        RequestAnswer("requirement", "Requirement", str(request.get("requirement") or "")),
        RequestAnswer(_CALLED, "What calls for it", ", ".join(called)),
        *(RequestAnswer(name, title, str(request.get(name) or "")) for name, title in _QUESTIONS.items()),
        RequestAnswer("tell", "Who is told", told.title if told else ""),
        RequestAnswer("case", "Support case", str(request.get("case") or "")),
    ]
    if isinstance(design, dict) and design.get("link"):
        found.append(
            RequestAnswer("design", "Design document", f"{design['link']} (version {design.get('version', '')})")
        )
    return [one for one in found if one.text]


def chosen(option: str) -> str:
    """What somebody chose in a review, or what it came to: a review is withdrawn, where a task is not needed."""
    return WITHDRAWN if option == WITHDRAWN else in_words(option)


def standing(phase: str, outcome: str | None) -> str:
    """Where a review is, in a word or two: its outcome once that is decided, else its phase."""
    decided = (ReviewPhase.MESSAGE, ReviewPhase.ACKNOWLEDGEMENT, ReviewPhase.REVISIT, ReviewPhase.CLOSED)
    return chosen(outcome) if outcome and phase in decided else PHASES.get(phase, phase)


def came_to(outcome: str, verdict: str | None) -> str:
    """What a review came to; of one that was withdrawn, also what it was decided with before."""
    before = f", after it was decided: {chosen(verdict)}" if outcome == WITHDRAWN and verdict else ""
    return f"{chosen(outcome)}{before}"
