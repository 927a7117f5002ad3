"""What is on record and nobody is at work on, and what a sweep does about it."""

from __future__ import annotations

from rapport.model.announcement import AnnouncingStart
from rapport.model.base import Instant, Wire
from rapport.model.gap import GapStart
from rapport.model.support import CaseStart
from rapport.model.tech_review import ReviewStart
from rapport.model.undelivered import UndeliveredStart


class SweepStart(Wire):
    """What a sweep goes by.

    Attributes:
        patience: After how many seconds what is due counts as something that nobody is at work on.
    """

    account: None = None
    patience: int


class SweepAsked(Wire):
    """What is nobody at work on?"""

    patience: int
    now: Instant


class Strays(Wire):
    """What is on record and has nobody at work on it, to be gone on with once."""

    mails: tuple[UndeliveredStart, ...] = ()
    cases: tuple[CaseStart, ...] = ()
    reviews: tuple[ReviewStart, ...] = ()
    gaps: tuple[GapStart, ...] = ()
    announcements: tuple[AnnouncingStart, ...] = ()


class Gone(Wire):
    """A workflow that SQL shows as open and that was ended from outside, so that nothing moves it on.

    Attributes:
        subject: The account, or the review's or case's reference.
        since: When it was first missed.
        assign: Who is told.
    """

    account: str
    subject: str
    workflow_id: str
    since: Instant
    assign: tuple[str, ...]


class AllGone(Wire):
    """What was gone in this round and in the one before."""

    workflows: tuple[Gone, ...] = ()


class Swept(Wire):
    """How many of each a sweep had go on."""

    mails: int = 0
    cases: int = 0
    reviews: int = 0
    gaps: int = 0
    announcements: int = 0
    gone: int = 0
