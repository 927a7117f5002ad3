"""Which door a matter belongs to: not everything that is urgent or unclear is a tech review."""

from __future__ import annotations

from typing import Final, Literal

from rapport.model.base import WireModel
from rapport.model.commands import in_name
from rapport.model.task import TaskDefinition, TaskOption
from rapport.model.triage import Answers, MatterKind

DOOR_QUESTIONS: Final[dict[MatterKind, str]] = {
    MatterKind.DECISION: (
        "Does a customer need a decision or a commitment of engineering, product and support by a date?"
    ),
    MatterKind.BROKEN_NOW: "Is something broken now?",
    MatterKind.ESCALATION: "Is it on its way elsewhere already, and has to go faster or higher?",
    MatterKind.WISH: "Does the product lack something, and nobody needs an answer by a date?",
    MatterKind.NOT_SURE: "Are you not sure where it belongs?",
}
"""What is asked, in this order; the first yes tells the kind."""


class Door(WireModel):
    """Which of our ways a matter takes: a review, a case, a product gap, or leadership.

    Attributes:
        why: Why there, to whoever has brought it.
        next: What to do now, as a command; nothing where somebody is asked by itself.
        asks: Whether their leadership is asked.
    """

    door: Literal["review", "case", "gap", "leadership"]
    kind: MatterKind
    why: str
    next: str | None = None
    asks: bool = False


def triage(answers: Answers, account: str = "ACCOUNT") -> Door:
    """The door for what somebody has answered.

    Args:
        account: The account's key, for the command.
    """
    match answers.kind or MatterKind.DECISION:
        case MatterKind.DECISION:
            why = "A decision that several have to stand behind is what reviews are for."
            return Door(door="review", kind=MatterKind.DECISION, why=why, next=in_name("rapport review submit FILE"))
        case MatterKind.BROKEN_NOW:
            why = (
                "What is broken now is support's to lead, and a review would only make it wait. Once the case is open, "
                "what you know of the customer helps there: `rapport case context CASE --text … --as EMAIL`."
            )
            return Door(door="case", kind=MatterKind.BROKEN_NOW, why=why, next=confirmed(account))
        case MatterKind.WISH:
            why = (
                "Without a date there is nothing to decide yet. Logged as a product gap it counts for the roadmap, "
                "beside everyone else who needs it."
            )
            command = in_name(f"rapport gap log --account {account} --title … --description …")
            return Door(door="gap", kind=MatterKind.WISH, why=why, next=command)
        case MatterKind.ESCALATION:
            why = (
                "A review decides what is open; it does not hurry what is under way. Your leadership has been asked to "
                "take it up."
            )
            return Door(door="leadership", kind=MatterKind.ESCALATION, why=why, asks=True)
        case MatterKind.NOT_SURE:
            why = "That is fine. Your leadership has been asked which way is the best, and tells you."
            return Door(door="leadership", kind=MatterKind.NOT_SURE, why=why, asks=True)


def confirmed(account: str, what: str = "…") -> str:
    """The command that opens a support case of what is broken now."""
    return in_name(f"rapport review triage {account} --kind {MatterKind.BROKEN_NOW} --what {what} --confirm")


def question(kind: MatterKind, leader: str) -> TaskDefinition:
    """What a submitter's leadership is asked.

    Args:
        leader: Who is asked: a member's id, or `role:` and a role.
    """
    asked = {
        MatterKind.ESCALATION: "This has to go faster or higher. Who sees to it?",
        MatterKind.NOT_SURE: "Where does this belong?",
    }
    return TaskDefinition(
        task="to_do",
        question=asked[kind],
        options=(
            TaskOption(id="mine", title="I see to it", needs_reason=True),
            TaskOption(id="review", title="It needs a tech review", needs_reason=True),
            TaskOption(id="case", title="It is a support case", needs_reason=True),
            TaskOption(id="gap", title="It is a product gap", needs_reason=True),
            TaskOption(id="nothing", title="Nothing is to be done", needs_reason=True),
        ),
        assign=(leader,),
        on_timeout="unanswered",
    )
