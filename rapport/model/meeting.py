"""Meetings as workflows see them: instants, ids and personas, never a name or an address."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, Literal

from rapport.model.account import personas
from rapport.model.base import Instant, WireModel, Word
from rapport.model.step import AnyMeeting, Review
from rapport.model.tech_review_facts import TechReviewFacts


class Slot(WireModel):
    """One time on offer. The id is stable within a round: "1", "2", …

    Attributes:
        outside: Those of our own people, by id, outside of whose working hours it lies.
    """

    id: str
    start: Instant
    end: Instant
    outside: tuple[str, ...] = ()


class Invitee(WireModel):
    """Who is asked to a meeting.

    Attributes:
        personas: As which of the invited personas they are asked.
        groups: The indexes of the required groups that this person can fill.
    """

    id: str
    personas: tuple[str, ...]
    groups: tuple[int, ...] = ()

    @property
    def required(self) -> bool:
        """Whether this person can fill a place that has to be filled."""
        return bool(self.groups)

    @property
    def is_reminded(self) -> bool:
        """Whether they may be reminded of a vote; whoever is a business contact and nothing else never is."""
        return any(personas()[persona].poll_reminders for persona in self.personas)


class Nudge(WireModel):
    """A reminder: when it is due, and whom it reaches if they have not answered by then."""

    at: Instant
    invitees: tuple[str, ...]


class Proposal(WireModel):
    """What is put to the vote in one round.

    No slot at all is an answer of its own: nobody's working hours meet.

    Attributes:
        tam: The member's id; the times come from their calendar.
        review: Who sends the mails, by the account's own rule or the step's.
        stale_at: When times that nobody has been told of yet are too near to be offered.
        calendar_read: Whether the TAM's calendar could be read; if not, only working hours were respected.
    """

    round: int
    tam: str
    slots: tuple[Slot, ...]
    invitees: tuple[Invitee, ...]
    required_groups: int
    deadline: Instant
    nudges: tuple[Nudge, ...] = ()
    review: Review = "auto"
    stale_at: Instant
    calendar_read: bool = True

    @property
    def hard_on(self) -> tuple[str, ...]:
        """Those of our own people outside of whose working hours a time on offer lies, each once."""
        return tuple(dict.fromkeys(id_ for slot in self.slots for id_ in slot.outside))


class Vote(Word):
    """One person's answer: the times that suit. An empty answer says that none does.

    Attributes:
        voter: A contact's or member's id.
        round: The round that the voter saw.
        suggests: A time of their own that they propose.
    """

    voter: str
    round: int
    slots: tuple[str, ...]
    suggests: Instant | None = None

    @property
    def by(self) -> str:
        """Who said it, as of any other word."""
        return self.voter


class Book(Word):
    """A member's word that the meeting takes place at this instant, whoever voted for what.

    Attributes:
        if_free: It does not count where another meeting of our own people has taken that hour meanwhile.
    """

    by: str
    start: Instant
    if_free: bool = False


class Cancel(Word):
    """A member's word that the meeting does not take place; why stands in the submission."""

    by: str


class AskAgain(Word):
    """A member's word that everyone is asked for other times, whatever was voted or booked."""

    by: str


class Change(Word):
    """What somebody who is invited says of a booked time: that they ask for another one, or cannot come.

    Attributes:
        by: A contact's or member's id.
        booked: The time that they saw.
        start: One of their own that they propose.
    """

    by: str
    kind: Literal["move", "decline"]
    booked: Instant
    start: Instant | None = None


class TimesTaken(WireModel):
    """Other meetings have taken these of a poll's times, each by its beginning."""

    starts: tuple[Instant, ...]


class Agreed(WireModel):
    """A next meeting whose time was agreed in the room; it needs no vote."""

    step: str
    start: Instant


class Report(Word):
    """How the meeting went.

    Attributes:
        attended: Contacts' and members' ids.
    """

    by: str
    outcome: Literal["held", "no_show"]
    attended: tuple[str, ...] = ()
    agreed: tuple[Agreed, ...] = ()


class Booking(WireModel):
    """The time that stands.

    Attributes:
        sequence: The invitation's SEQUENCE (RFC 5545): it grows with each change.
        member, submission: Who set it by hand, and what they said with it.
        called_off: It does not stand any more; everyone is told so.
    """

    start: Instant
    end: Instant
    sequence: int = 0
    by: Literal["vote", "deadline", "hand", "agreed"]
    member: str | None = None
    submission: str | None = None
    called_off: bool = False


AD_HOC: Final = "ad_hoc"
"""Where a meeting stands that a member proposed beside the playbook, in place of a stage."""

_AD_HOC_STEP: Final = re.compile(r"adhoc_(\d{1,6})", re.ASCII)


def ad_hoc_step(number: int) -> str:
    """What such a meeting is called in ids and commands."""
    return f"adhoc_{number}"


def is_ad_hoc(step: str) -> bool:
    """Whether a step is such a meeting, by its name."""
    return _AD_HOC_STEP.fullmatch(step) is not None


def ad_hoc_number(step: str) -> int:
    """The number in such a meeting's name."""
    return int(step.removeprefix("adhoc_"))


def untitled(number: int) -> str:
    """What such a meeting is called where its title may not stand, as in histories."""
    return f"Ad hoc meeting {number}"


class MeetingPhase(StrEnum):
    """Where a meeting stands."""

    UNDECIDED = "undecided"
    PROPOSING = "proposing"
    DRAFTED = "drafted"
    VOTING = "voting"
    STUCK = "stuck"
    BOOKED = "booked"
    ENDED = "ended"


COLLEAGUE: Final = "colleague"
"""What an invitee is who has no persona: somebody of the vendor's own people."""


class MeetingHour(WireModel):
    """When a live meeting on a review is, as its workflow tells the review.

    Attributes:
        submission: What a member said with it, by id, where they set it by hand.
    """

    start: Instant
    moved: bool = False
    submission: str | None = None


class Colleagues(WireModel):
    """The vendor's own people, who meet about a review without the customer; by id.

    Attributes:
        host: Who holds it, finds a time where the poll has none, and writes down what came of it.
        members: Who is asked as well.
        by: When it has to be over, at the latest.
        review: What it is about, for its emails.
    """

    host: str
    members: tuple[str, ...]
    by: Instant | None = None
    review: TechReviewFacts


class MeetingStart(WireModel):
    """What a meeting's workflow is given.

    Attributes:
        colleagues: Who meets, where the customer does not; then no persona of the step is asked.
        undecided: Whether it is held on site is being decided; word comes by the signal `settle`.
        booked: The time that was agreed in the room; everyone is invited, and nobody votes.
        opens: The first day that is wanted, where that is further away than the step itself asks.
    """

    account: str
    contract: str
    step: AnyMeeting
    attempt: int = 1
    undecided: bool = False
    booked: Instant | None = None
    opens: Instant | None = None
    colleagues: Colleagues | None = None


class Venue(WireModel):
    """Word on whether a meeting that could be held on site is.

    Attributes:
        chosen: Whether somebody has decided it for this meeting as it stands: only then is a booked one called off.
        open: Whether the approval has failed: a meeting that is undecided waits until somebody says how that continues.
    """

    onsite: bool
    chosen: bool = False
    open: bool = False


class MeetingResult(WireModel):
    """How a meeting ended.

    Attributes:
        outcome: `held`; or `no_time`, where none was found or it was done without; or `unreported`, where nobody ever
            said how it went; or `canceled`, as a member said; or `closed`, where its onboarding has no use for it any
            more.
        start: When it was to begin, if that was ever known.
        by, submission: Who said how it went, and what they said.
    """

    outcome: str
    start: Instant | None = None
    by: str | None = None
    submission: str | None = None
    agreed: tuple[Agreed, ...] = ()


class MeetingView(WireModel):
    """A meeting as it stands, answered by its workflow.

    Attributes:
        lasts: In minutes.
        declined: Who said of the booked time that they cannot come, by id.
    """

    account: str
    step: str
    title: str = ""
    lasts: int = 30
    phase: MeetingPhase
    round: int
    proposal: Proposal | None = None
    votes: tuple[Vote, ...] = ()
    booking: Booking | None = None
    declined: tuple[str, ...] = ()
    why_stuck: str | None = None
    reminders_sent: int = 0
    waiting_on: tuple[str, ...] = ()
    waiting_for: str | None = None
    unblock: str | None = None
    deadline: Instant | None = None


class Receipt(WireModel):
    """What became of a decision: whether it counts, why not, or not fully, and what followed at once."""

    accepted: bool
    reason: str | None = None
    outcome: str | None = None
