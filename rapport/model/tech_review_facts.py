"""What is known of a technical review wherever one travels along, such as in a task's mails; ids only."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from rapport.model.base import Instant, WireModel


class ReviewPhase(StrEnum):
    """What a review waits for. `revisit` is a decision that comes back by itself."""

    FEEDBACK = "feedback"
    RECOMMENDATION = "recommendation"
    LEADERSHIP = "leadership"
    MESSAGE = "message"
    ACKNOWLEDGEMENT = "acknowledgement"
    REVISIT = "revisit"
    CLOSED = "closed"


class ReviewVerdict(StrEnum):
    """What is decided. The last three are the answers to a `best_practice_validation`."""

    APPROVED = "approved"
    DECLINED = "declined"
    SUPPORTED = "supported"
    SUPPORTED_IF = "supported_if"
    UNSUPPORTED = "unsupported"

    @property
    def is_yes(self) -> bool:
        """Whether the customer gets what is asked for."""
        return self in (ReviewVerdict.APPROVED, ReviewVerdict.SUPPORTED, ReviewVerdict.SUPPORTED_IF)


RemarkKind = Literal[
    "feedback",
    "said",
    "recommendation",
    "commitment",
    "vote",
    "verdict",
    "message",
    "approval",
    "reading",
    "acknowledgement",
    "meeting",
    "withdrawal",
]


class Remark(WireModel):
    """Something that was said or decided in a review, by id.

    Attributes:
        key: Unique within the review.
        seat: For whom it speaks: `engineering`, `support`, `vp_sales`, …
        by: The member's or the contact's id; nobody where time decided.
        option: What was chosen, where there was a choice.
        submission: What was said with it.
    """

    key: str
    round: int
    kind: RemarkKind
    seat: str | None = None
    by: str | None = None
    option: str | None = None
    submission: str | None = None
    at: Instant


class TechReviewFacts(WireModel):
    """What mails need to know of a review; people and what they said by id.

    Attributes:
        request: The request's words.
        remarks: What was said so far.
        what: Why it is written: `submitted`, `half_time`, how many business days are left, `overdue`, `decided`, …
        message: What was said to the customer.
    """

    ref: str
    round: int
    what: str = ""
    request: str
    by: str
    needed_by: Instant
    overdue: bool = False
    phase: ReviewPhase = ReviewPhase.FEEDBACK
    verdict: ReviewVerdict | None = None
    message: str | None = None
    deadline: Instant | None = None
    remarks: tuple[Remark, ...] = ()

    def people(self) -> tuple[str, ...]:
        """Everyone whom a mail names, by id."""
        return (self.by, *(remark.by for remark in self.remarks if remark.by is not None))

    def submissions(self) -> tuple[str, ...]:
        """Everything that a mail quotes, by id."""
        quoted = (self.request, self.message, *(remark.submission for remark in self.remarks))
        return tuple(id_ for id_ in quoted if id_ is not None)
