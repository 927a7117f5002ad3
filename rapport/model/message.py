"""One intent, one message, one key; and the states that a message goes through."""

from __future__ import annotations

from enum import StrEnum

from rapport.model.base import Instant, Wire
from rapport.model.meeting import Booking, Proposal
from rapport.model.playbook import Review


class MessageState(StrEnum):
    """Where a message is. See docs/operating.md for what each asks of a person."""

    DRAFT = "draft"
    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"
    HELD = "held"
    SUPPRESSED = "suppressed"


SETTLED = frozenset(
    {MessageState.SENT, MessageState.FAILED, MessageState.UNKNOWN, MessageState.HELD, MessageState.SUPPRESSED}
)
"""The states in which the system does nothing more by itself."""


class Purpose(StrEnum):
    """What a message is for. It decides who reads drafts, and what a crash in the middle of sending means."""

    PROPOSAL = "proposal"
    REMINDER = "reminder"
    INVITATION = "invitation"
    NOTICE = "notice"
    MESSAGE = "message"

    @property
    def resend_when_unknown(self) -> bool:
        """Whether the same bytes may go twice when nobody can say if they arrived (RFC 1047).

        A second identical reminder or invitation harms nobody, a lost one does; a one-off mail to a customer is held
        for a person to decide.
        """
        return self in (Purpose.REMINDER, Purpose.INVITATION, Purpose.NOTICE)


class Occasion(Wire):
    """A reason to write to some people: which mail, to whom, for what, and what a template may need to know.

    Attributes:
        to: Contacts' or members' ids.
        email: The folder of `rapport/emails`.
        link: What a personal link in the mail does, if it has one.
        proposal, booking, note: What the mail speaks of.
    """

    account: str
    contract: str
    step: str
    title: str
    workflow_id: str
    attempt: int = 1
    occurrence: int = 1
    round: int = 1
    purpose: Purpose
    email: str
    to: tuple[str, ...]
    review: Review = "auto"
    now: Instant
    meeting: MeetingFacts | None = None


class MeetingFacts(Wire):
    """What a meeting's mails need to know of it."""

    minutes: int
    where: str
    agenda: tuple[tuple[str, int], ...]
    proposal: Proposal | None = None
    booking: Booking | None = None
    attending: tuple[str, ...] = ()
    reason: str | None = None


class Deliver(Wire):
    """Send these messages: freeze what is still a draft, on this person's word."""

    account: str
    keys: tuple[str, ...]
    approved_by: str | None = None
    submission: str | None = None


class Outcomes(Wire):
    """What became of each message, by key."""

    states: dict[str, MessageState]

    def drafts(self) -> tuple[str, ...]:
        """The keys that wait for a person."""
        return tuple(key for key, state in self.states.items() if state is MessageState.DRAFT)


class Release(Wire):
    """A member's word on drafts: send them, or hold them back."""

    id: str
    by: str
    keys: tuple[str, ...]
    hold: bool = False


Occasion.model_rebuild()
