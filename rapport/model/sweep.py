"""What is on record and nobody is at work on, and what a sweep does about it."""

from __future__ import annotations

from typing import Literal

from rapport.model.announcement import AnnouncingStart
from rapport.model.base import Instant, WireModel
from rapport.model.gap import GapStart
from rapport.model.projection import TimelineEvent
from rapport.model.support_case import CaseStart
from rapport.model.task import TaskStart
from rapport.model.tech_review import ReviewStart
from rapport.model.undelivered import UndeliveredStart


class SweepStart(WireModel):
    """What a sweep goes by.

    Attributes:
        patience: After how many seconds what is due counts as something that nobody is at work on.
    """

    account: None = None
    patience: int


class SweepAsked(WireModel):
    """What is nobody at work on?"""

    patience: int
    now: Instant


class LateReplyTodo(WireModel):
    """The to-do about a reply to a time poll that came too late, and its workflow's id."""

    task: str
    start: TaskStart


class Strays(WireModel):
    """What is on record and has nobody at work on it, to be gone on with once."""

    mails: tuple[UndeliveredStart, ...] = ()
    cases: tuple[CaseStart, ...] = ()
    reviews: tuple[ReviewStart, ...] = ()
    gaps: tuple[GapStart, ...] = ()
    announcements: tuple[AnnouncingStart, ...] = ()
    replies: tuple[LateReplyTodo, ...] = ()


class Asking(WireModel):
    """Since when somebody is asked what becomes of a workflow, how often, and why it could not begin again."""

    began: Instant
    asked: int
    why_not: str | None


class Gone(WireModel):
    """A workflow that SQL shows as open and that was ended from outside, so that nothing moves it on.

    Attributes:
        subject: The account, or the review's or case's reference.
        since: When it was first missed.
        assign: Who is told.
        forgotten: Whether Temporal no longer has it, so that it cannot begin again.
        anew: The step from which a new contract does what is left of it, where it is forgotten and one can.
        asking: How far asking them has come, from one run to the next.
    """

    account: str
    subject: str
    workflow_id: str
    since: Instant
    assign: tuple[str, ...]
    forgotten: bool = False
    anew: str | None = None
    asking: Asking | None = None


class AllGone(WireModel):
    """What was gone in this round and in the one before.

    Attributes:
        desk: Whether the support desk has to be started afresh.
        unknown: How many run of which SQL has nothing: it was put back from a backup that is older than Temporal.
    """

    workflows: tuple[Gone, ...] = ()
    desk: bool = False
    unknown: int = 0


class BeginAgain(WireModel):
    """Who says that a workflow goes on, or stays ended, and why, by the submission's id."""

    by: str
    submission: str | None = None


class Standstill(WireModel):
    """What becomes of a workflow that was ended from outside.

    Attributes:
        outcome: `again`, or `leave`.
        entry: What the timeline says of it.
    """

    workflow_id: str
    outcome: str
    entry: TimelineEvent


class StandstillResult(WireModel):
    """What came of that.

    Attributes:
        outcome: `over` where nothing was left to decide: it ran again already, or came to its own end.
        reason: Why it was not possible, in fixed words.
    """

    outcome: Literal["again", "leave", "over", "unable"]
    reason: str | None = None


class Swept(WireModel):
    """How many of each a sweep had go on.

    Attributes:
        unknown: How many run of which SQL has nothing, see `AllGone`. Nothing was done about them.
    """

    mails: int = 0
    cases: int = 0
    reviews: int = 0
    gaps: int = 0
    announcements: int = 0
    replies: int = 0
    gone: int = 0
    unknown: int = 0
