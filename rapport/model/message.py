"""One intent, one message, one key; and the states that a message goes through."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from rapport.model.account import Fact
from rapport.model.base import Instant, WireModel, Word
from rapport.model.cadence import CadenceNews, Missed, Occurrence, ReviewPlan, StandingTime
from rapport.model.meeting import Booking, Proposal
from rapport.model.projection import Projection
from rapport.model.step import Review
from rapport.model.tech_review_facts import TechReviewFacts


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


NOT_DELIVERED: Final = (MessageState.FAILED, MessageState.UNKNOWN)
"""The states of an email that failed, or of which nobody can tell whether it arrived: a person takes care of it."""


UNDER_WAY: Final = (MessageState.READY, MessageState.SENDING, MessageState.DEFERRED)
"""What goes on by itself: it waits for its time, its turn or the relay, or an attempt is at it."""

SETTLED = frozenset({MessageState.SENT, *NOT_DELIVERED, MessageState.HELD, MessageState.SUPPRESSED})
"""The states in which the system does nothing more by itself."""


class Resolution(StrEnum):
    """What a person says of an email that failed, or of which nobody can tell whether it arrived."""

    SENT = "sent"
    """It arrived."""
    RESEND = "resend"
    """Send it again."""
    ELSEWHERE = "elsewhere"
    """Its reader was told another way."""


BY_HAND: Final = "somebody confirmed that it arrived"
"""Why what nobody could tell whether it arrived counts as sent: the relay did not say so, nor just then."""

LEFT_BEHIND: Final = "its step failed"
"""Why what a failed step has not sent does not go."""


CHANNEL: Final = "channel"
"""The review channel among a mail's readers: a mailbox, and nobody's id."""


class Weight(StrEnum):
    """How much a mail presses. It decides whether it waits for its reader's working time, and counts on their budget.

    `at_once` answers something that the reader has just done, or books their time; `needed` waits for their working
    time and is never left out; `nice` may also be scheduled for later, or left out, once their attention budget is used
    up.
    """

    AT_ONCE = "at_once"
    NEEDED = "needed"
    NICE = "nice"


class Purpose(StrEnum):
    """What a message is for. It decides who reads drafts, and what a crash in the middle of sending means."""

    PROPOSAL = "proposal"
    REMINDER = "reminder"
    INVITATION = "invitation"
    NOTICE = "notice"
    MESSAGE = "message"
    TASK = "task"
    SIGN_IN = "sign_in"
    MORNING = "morning"
    BRIEF = "brief"
    DIGEST = "digest"
    PARTING = "parting"
    ANSWER = "answer"
    UPDATE = "update"

    @property
    def resend_when_unknown(self) -> bool:
        """Whether the same bytes may go twice when nobody can say if they arrived (RFC 1047).

        A second identical reminder or invitation harms nobody, a lost one does; a one-off mail to a customer is held
        for a person to decide.
        """
        return self in (
            Purpose.REMINDER,
            Purpose.INVITATION,
            Purpose.NOTICE,
            Purpose.TASK,
            Purpose.SIGN_IN,
            Purpose.MORNING,
            Purpose.BRIEF,
            Purpose.PARTING,
        )

    @property
    def weight(self) -> Weight:
        """How much a mail of this purpose presses, if it goes to a customer; to members all mails go at once."""
        if self in (Purpose.PROPOSAL, Purpose.REMINDER):
            return Weight.NEEDED
        return Weight.NICE if self in (Purpose.MESSAGE, Purpose.DIGEST) else Weight.AT_ONCE


FOR_CALENDARS: Final = (Purpose.INVITATION, Purpose.PARTING)
"""What a calendar reads."""


class MessageRequest(WireModel):
    """A reason to write to some people: which mail, to whom, for what, and what a template may need to know.

    Attributes:
        account: The account whose story it belongs to; nothing for a mail that belongs to none.
        contract: The account's contract; nothing where there is no account.
        to: Contacts' or members' ids.
        personas: Or else whoever has one of these personas when the mail is written.
        email: The email's name, a file of `rapport/emails`.
        title: The step's title, as the timeline shows it.
        meeting: What the mail says of a meeting.
        task: What the mail says of a human task.
        rhythm: What the mail says of something that recurs.
        handover: What the mail says of an account that changes hands.
        erasure: What the mail says of an account that somebody asks to have erased.
        asked_of: The member who was the account's TAM when this was asked for; where another one is by now, what
            was to go to whoever asked goes to them.
        announcement: What the mail tells the review channel.
        tech_review: What the mail says of a technical review.
        case: What the mail says of a support case; all else of it is read when the mail is written.
        stale_at: When it makes no sense any more; what has not gone by then never goes.
        news: What the onboarding has to tell SQL anyway; it travels along, and is written with the mail.
    """

    account: str | None = None
    contract: str | None = None
    step: str
    title: str
    workflow_id: str
    attempt: int = 1
    occurrence: int = 1
    round: int = 1
    purpose: Purpose
    email: str
    to: tuple[str, ...] = ()
    personas: tuple[str, ...] = ()
    review: Review = "auto"
    now: Instant
    meeting: MeetingFacts | None = None
    task: TaskFacts | None = None
    rhythm: RhythmFacts | None = None
    handover: HandoverFacts | None = None
    erasure: ErasureFacts | None = None
    asked_of: str | None = None
    announcement: AnnouncementFacts | None = None
    tech_review: TechReviewFacts | None = None
    case: CaseFacts | None = None
    stale_at: Instant | None = None
    news: Projection | None = None

    @property
    def story(self) -> str:
        """What its messages' keys and threads begin with: the contract, or else the workflow itself."""
        return self.contract or self.workflow_id

    @property
    def weight(self) -> Weight:
        """How much its mails press. A message about a meeting is the welcome that goes before its times."""
        welcomes = self.purpose is Purpose.MESSAGE and self.meeting is not None
        return Weight.NEEDED if welcomes else self.purpose.weight


class AnnouncementFacts(WireModel):
    """What a mail tells the review channel, in words. It is put together by the activity that sends it.

    No workflow ever has one: its words are people's, and would stand in the history.

    Attributes:
        account: The account's name.
        text: What somebody said.
        url: The review's page.
    """

    ref: str
    account: str
    headline: str
    text: str | None = None
    url: str


class HandoverFacts(WireModel):
    """What a mail needs to know of an account that its reader serves from now on.

    Attributes:
        former: The member who did before.
        until: The end, where it is for a while.
        submission: What was said with it.
        back: Whether it is back with its regular TAM.
    """

    former: str
    until: Instant | None = None
    submission: str | None = None
    back: bool = False


class ErasureFacts(WireModel):
    """What a mail needs to know of an account that somebody asks to have erased.

    Attributes:
        by: The member who asks.
        until: Until when a second person may confirm it.
        submission: Why.
    """

    by: str
    until: Instant
    submission: str


class CaseFacts(WireModel):
    """What a mail about a support case needs to know beside what is on record of it.

    Attributes:
        said, by: The submission that the mail is about, and whose it is.
        kind: What happened, where a mail serves for several things.
        promise, due: What the customer was promised, and when that is broken.
        reason: In fixed words, such as why nobody has it.
        other: Another case, where two become one.
    """

    ref: str
    said: str | None = None
    by: str | None = None
    kind: str = ""
    promise: str = ""
    due: Instant | None = None
    reason: str | None = None
    other: str | None = None


class TaskAnswer(WireModel):
    """Somebody's word on a human task, as mails tell it: the option, and the submission with what they wrote."""

    by: str
    option: str
    submission: str


class TaskFacts(WireModel):
    """What a human task's mails need to know of it; people and what they said by id.

    Attributes:
        kind: The kind of task; mails word a to-do and a sign-off otherwise than a decision.
        request, asked, answered, changes: Submissions; the last is what a customer wants changed.
        answers: What decided it, once it is over: the last word of each who was heard.
        quorum, needs: By which rule: how many have to agree, and whose own word an option needs.
        refusal: Why a decision did not count, in fixed words.
        about: The contact whom it concerns, if it concerns just one.
        finds_out: What is to be found out of their work.
        deciders: Whom the question was put to.
        in_place_of: For whom someone decides, where it is not for themself.
        helping: Those of them who were asked beside whoever stayed silent, and cover for nobody.
    """

    kind: str = "approval"
    question: str
    options: tuple[tuple[str, str], ...]
    changes: str | None = None
    asks: tuple[str, ...] = ()
    request: str | None = None
    asked: str | None = None
    asked_by: str | None = None
    answered: str | None = None
    requester: str | None = None
    deadline: Instant | None = None
    outcome: str | None = None
    refusal: str | None = None
    answers: tuple[TaskAnswer, ...] = ()
    quorum: str = "any"
    needs: dict[str, str] = Field(default_factory=dict)
    about: str | None = None
    finds_out: tuple[Fact, ...] = ()
    deciders: tuple[str, ...] = ()
    in_place_of: dict[str, str] = Field(default_factory=dict)
    helping: tuple[str, ...] = ()

    def people(self) -> tuple[str, ...]:
        """Everyone whom the mail names, by id."""
        named = (
            *(self.requester, self.about, self.asked_by, *self.deciders, *self.in_place_of.values()),
            *(answer.by for answer in self.answers),
        )
        return tuple(id_ for id_ in named if id_ is not None)

    def submissions(self) -> tuple[str, ...]:
        """Everything that the mail quotes, by id."""
        quoted = (self.request, self.asked, self.answered, self.changes, *(one.submission for one in self.answers))
        return tuple(id_ for id_ in quoted if id_ is not None)


class ChangeFacts(WireModel):
    """What somebody asks of a booked time, as its host reads it.

    Attributes:
        by, submission: Whose word it is, and the note with it.
        start: A time that they propose.
        follows: What comes of it: everyone gets new times, the host has a task to decide, or the meeting goes ahead.
    """

    by: str
    submission: str
    kind: Literal["move", "decline"]
    start: Instant | None = None
    follows: Literal["new_times", "task", "nothing"]


class MeetingFacts(WireModel):
    """What a meeting's mails need to know of it.

    Attributes:
        uid: The invitation's UID (RFC 5545), the same for as long as the meeting is the same.
        required: The ids of those who have to be there.
        silent: The ids of those who did not answer.
        coming: The ids of those who said that the booked time suits them.
        reason: Why the vote came to no result.
        attendees: Whom the invitation lists; where empty, those to whom the mail goes.
        update: What is new to somebody who was invited before: the time, or who holds it; or of one that is called
            off, that times are looked for again.
        ours: Whether the vendor's own people meet, without the customer.
        change: What somebody asks of its booked time.
        suggested: Which times of their own people have proposed in the poll, by id.
    """

    uid: str
    title: str
    step: str
    minutes: int
    where: str
    agenda: tuple[tuple[str, int], ...]
    proposal: Proposal | None = None
    booking: Booking | None = None
    required: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    reason: str | None = None
    attendees: tuple[str, ...] = ()
    update: Literal["time", "host", "round"] | None = None
    ours: bool = False
    change: ChangeFacts | None = None
    suggested: tuple[tuple[str, Instant], ...] = ()


class RhythmFacts(WireModel):
    """What the mails about something that recurs need to know of it.

    Attributes:
        uid: The series' UID (RFC 5545), the same for as long as the account has this rhythm.
        kind: What an invitation is about: `begun`, `changed`, `renewed`, `moved`, `skipped` or `closed`.
        excluded: The occurrences that drop out.
        moved: Those that take place at another time.
        dates_until: Until when the calendar has to know every date, where no rule can say them.
        required: The ids of those who have to be there.
        people: The ids of all who are invited.
        since, until: The days that a digest, brief or follow-up speaks of.
        booked: The time that the review has, if it has one.
        missed: What came and went while nobody saw to it.
        titles: The titles of the steps that were missed.
        review: The review that it is about.
    """

    uid: str
    title: str
    step: str
    minutes: int
    agenda: tuple[tuple[str, int], ...] = ()
    every: str = ""
    weeks: int = 1
    kind: str = ""
    sequence: int = 0
    standing: StandingTime | None = None
    first: Occurrence | None = None
    excluded: tuple[Instant, ...] = ()
    moved: tuple[Occurrence, ...] = ()
    dates_until: Instant | None = None
    occurrence: Occurrence | None = None
    required: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    review: ReviewPlan | None = None
    booked: Instant | None = None
    missed: tuple[Missed, ...] = ()
    titles: dict[str, str] = Field(default_factory=dict)


class Bundle(WireModel):
    """Several occasions that are seen to in one breath.

    Attributes:
        aside: Drafts that these replace.
        news: What the cadence has to tell SQL anyway.
    """

    occasions: tuple[MessageRequest, ...]
    aside: SetAside | None = None
    news: CadenceNews | None = None

    @property
    def now(self) -> datetime:
        """When it was asked for."""
        return self.occasions[0].now

    @property
    def account(self) -> str | None:
        """Whose story it is."""
        return self.occasions[0].account


class Deliver(WireModel):
    """Send these messages: freeze what is still a draft, on this person's word.

    Attributes:
        meeting: What a draft says of its meeting by now; it may have waited for days.
        news: As an `MessageRequest`'s.
    """

    account: str | None
    keys: tuple[str, ...]
    approved_by: str | None = None
    submission: str | None = None
    meeting: MeetingFacts | None = None
    news: Projection | None = None
    now: Instant


class SetAside(WireModel):
    """Keep these drafts from going: held by a member, or suppressed because newer ones replace them."""

    keys: tuple[str, ...]
    state: MessageState
    reason: str
    now: Instant


class Departed(WireModel):
    """Suppress those of these drafts whose readers have left."""

    keys: tuple[str, ...]
    now: Instant


class Outcomes(WireModel):
    """What became of each message, by key.

    Attributes:
        waits: Those that are scheduled, and for when.
        joined: Those that became part of another message, and of which.
        unread: When somebody is asked once more to read the drafts among them, and by when that is due;
            nothing where they were not all written in this breath.
    """

    states: dict[str, MessageState]
    waits: dict[str, Instant] = Field(default_factory=dict)
    joined: dict[str, str] = Field(default_factory=dict)
    unread: tuple[Instant, Instant] | None = None

    def drafts(self) -> tuple[str, ...]:
        """The keys that wait for a person."""
        return tuple(key for key, state in self.states.items() if state is MessageState.DRAFT)

    def ready(self) -> tuple[str, ...]:
        """The keys that nobody has to read, that have not gone yet, and that need not wait."""
        ready = (key for key, state in self.states.items() if state is MessageState.READY)
        return tuple(key for key in ready if key not in self.waits)

    def undelivered(self) -> tuple[str, ...]:
        """The keys of what failed, or may not have arrived."""
        return tuple(key for key, state in self.states.items() if state in NOT_DELIVERED)

    def under_way(self) -> tuple[str, ...]:
        """The keys of what is neither settled, nor a draft, nor scheduled."""
        ended = SETTLED | {MessageState.DRAFT}
        return tuple(key for key, state in self.states.items() if state not in ended and key not in self.waits)


class Release(Word):
    """A word on drafts: send them, or hold them back.

    Attributes:
        by: The member; nobody where drafts are held back as nobody read them in time.
    """

    by: str | None = None
    keys: tuple[str, ...]
    hold: bool = False


MessageRequest.model_rebuild()
Bundle.model_rebuild()
