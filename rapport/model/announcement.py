"""What the review channel is told of a tech review: ids alone; the words are found where they are written."""

from __future__ import annotations

from typing import Literal

from rapport.model.base import Instant, WireModel

Word = Literal[
    "submitted",
    "edited",
    "said",
    "recommended",
    "decided",
    "overdue",
    "leadership_told",
    "meeting_asked",
    "meeting_offered",
    "meeting_booked",
    "meeting_moved",
    "met",
    "not_met",
    "acknowledged",
    "withdrawn",
    "revisit",
]
"""What can be told of a review."""


class Announce(WireModel):
    """Tell the channel one thing of one review.

    Attributes:
        submission: What somebody said with it. It also tells two things of the same kind apart.
        option: What was chosen or decided, where there was a choice.
        until: Until when others are heard about it; of a meeting, when it is.
        occasion: What tells it apart where nothing was said with it, or the same as before: the same in a run that was
            reset, which comes to it at another instant.
        now: When it happened.
    """

    ref: str
    account: str
    what: Word
    submission: str | None = None
    option: str | None = None
    until: Instant | None = None
    occasion: str | None = None
    now: Instant

    @property
    def key(self) -> str:
        """What this is known by: the same thing is told once, however often it is asked for."""
        return f"{self.ref}/{self.what}/{self.occasion or self.submission or self.now.isoformat()}"


class AnnouncingStart(WireModel):
    """Of which review the channel is told what it was not told yet."""

    ref: str
    account: str


class Noted(WireModel):
    """What is on record once a review has told SQL what is new.

    Attributes:
        announcements: Whether the channel is to be told of it.
    """

    announcements: bool = False


class Announced(WireModel):
    """What became of it in each channel; `off` where there is none."""

    slack: Literal["off", "posted", "failed"] = "off"
    mail: Literal["off", "sent", "failed"] = "off"
