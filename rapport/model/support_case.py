"""Support: cases as people write them and as workflows see them, and what the desk and its cases tell each other.

What travels holds ids, roles and instants. The question, answers, notes and dossiers are submissions; a case's own
facts stand in SQL.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from rapport.model.account_data import Severity
from rapport.model.base import Email, InputModel, Instant, Name, Prose, Slug, StepName, WireModel, Word
from rapport.model.meeting import Receipt
from rapport.model.projection import TimelineEvent

DESK: Final = "support"
"""The name of the desk that an installation has."""

GENERAL: Final = "general"
"""The area of a case that nobody has placed yet."""

Channel = Literal["phone", "mail", "page", "api", "cli"]
"""How a question came in."""

CASE_REF: Final = r"^C-[0-9]{5,9}$"
CaseRef = Annotated[str, StringConstraints(pattern=CASE_REF)]
"""A case's number, as customers and mails say it."""

Urgency = Annotated[int, Field(ge=1, le=4)]
"""A case's severity: 1, the worst, to 4."""


class CaseState(StrEnum):
    """Where a case stands.

    `queued` nobody has it yet, `open` its owner has it and the customer waits for us, `waiting` we wait for the
    customer and the clock stands still, `resolved` and `merged` are ends; a resolved case can be reopened.
    """

    QUEUED = "queued"
    OPEN = "open"
    WAITING = "waiting"
    RESOLVED = "resolved"
    MERGED = "merged"

    @property
    def is_over(self) -> bool:
        """Whether nothing is owed any more."""
        return self in (CaseState.RESOLVED, CaseState.MERGED)


Promise = Literal["first_answer", "next_update"]
"""What a customer is promised by severity. Never a resolution: support cannot develop corrections."""


class Pause(WireModel):
    """A time in which we waited for the customer; without an end, we still do."""

    since: Instant
    until: Instant | None = None


class CaseClock(WireModel):
    """The promise that runs for a case.

    Attributes:
        since: From when it counts: the opening, or our last word to the customer.
        pauses: When it stood still, as we waited for the customer.
    """

    promise: Promise = "first_answer"
    since: Instant
    pauses: tuple[Pause, ...] = ()

    @property
    def stands_still(self) -> bool:
        """Whether we wait for the customer now."""
        return bool(self.pauses) and self.pauses[-1].until is None


# What people write


class WrittenCase(InputModel):
    """A question, as somebody logs it. Logged from the phone, the account and the question are enough.

    Attributes:
        contact: Whose question it is, by address; without it the account's champion's.
        area: The product area, as `support.toml` names it.
        thread: What its mails have in common, such as the first one's Message-ID; the same thread joins its case.
        partner: Who passes it on, where that is a partner of the customer's.
        id: The sender's own key: the same once more gives the case that it opened.
    """

    account: Slug
    question: Annotated[Prose, Field(min_length=1)]
    contact: Email | None = None
    area: StepName = GENERAL
    severity: Severity = 3
    channel: Channel = "cli"
    thread: Annotated[str, StringConstraints(min_length=1, max_length=998)] | None = None
    partner: Name | None = None
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


Text = Annotated[Prose, Field(min_length=1)]


class Dossier(InputModel):
    """What engineering is given with an escalation; all of it, or it does not go."""

    tried: Text
    reproduction: Text
    version: Text
    logs: Text
    impact: Text

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        for name, text in self:
            if not str(text).strip():
                raise ValueError(f"{name}: is empty; engineering is interrupted only with all of it")
        return self


# What travels


class CaseStatus(WireModel):
    """All that a case's workflow carries from one run to the next; ids and instants only.

    Attributes:
        owner: The support engineer who has it, by id.
        known_by: Who had it last, while nobody has it.
        turn: Counts how often the desk was asked for an owner.
        runs: Counts its workflow's runs; keys of mails and tasks are told apart by it.
        escalations: How many times engineering was interrupted.
        written: How many timeline entries it wrote.
        log: How many words on the case are on record.
        mailed: How many mails it wrote, by the email's name.
        context_asked: Whether the account's TAM was asked for context.
        projected: How often it told SQL how it stands.
        reminded, drafted, breached: What was done about the promise that runs.
        breaches: How many promises were broken.
        silence_told, follow_up: While it waits for the customer: when its owner was last told that they do not answer,
            and when that comes next.
        first_answered, resolved: When that was.
        merged_into: The case that it has become a part of.
    """

    state: CaseState = CaseState.QUEUED
    severity: Urgency = 3
    area: str = GENERAL
    owner: str | None = None
    owned_since: Instant | None = None
    known_by: str | None = None
    turn: int = 0
    runs: int = 1
    escalations: int = 0
    written: int = 0
    log: int = 0
    mailed: dict[str, int] = Field(default_factory=dict)
    projected: int = 0
    clock: CaseClock | None = None
    context_asked: bool = False
    reminded: bool = False
    drafted: bool = False
    breached: bool = False
    breaches: int = 0
    silence_told: Instant | None = None
    follow_up: Instant | None = None
    first_answered: Instant | None = None
    resolved: Instant | None = None
    merged_into: str | None = None


class CaseStart(WireModel):
    """What opens a case's workflow.

    Attributes:
        contact: Whose question it is, by id.
        question: The submission with the question.
        desk: The desk that it goes to.
        status: What an earlier run of the same case left, where it goes on or is reopened.
        reopened: The act that reopened it.
        receipts: What an earlier run answered, by the act's id: the same act again is no second one.
        turnover: After how many events of its history a new run goes on; without it, once Temporal suggests so.
    """

    ref: str
    account: str
    contact: str
    question: str
    severity: Urgency = 3
    area: str = GENERAL
    channel: Channel = "cli"
    desk: str = DESK
    status: CaseStatus | None = None
    reopened: CaseAct | None = None
    receipts: dict[str, Receipt] = Field(default_factory=dict)
    turnover: int | None = None


class ActKind(StrEnum):
    """What can be done to a case; each is one command."""

    ANSWER = "answer"
    NOTE = "note"
    CONTEXT = "context"
    WAIT_CUSTOMER = "wait_customer"
    CUSTOMER_SAID = "customer_said"
    ASSIGN = "assign"
    HAND_OFF = "hand_off"
    CLASSIFY = "classify"
    ESCALATE = "escalate"
    MERGE = "merge"
    JOIN = "join"
    SPLIT = "split"
    TO_REVIEW = "to_review"
    GAP = "gap"
    RESOLVE = "resolve"
    REOPEN = "reopen"


class CaseAct(Word):
    """Something that somebody does to a case; a repeated id is the same act.

    Attributes:
        by: The member's id, or the contact's.
        submission: What they said with it.
        has_words: Whether they said anything; otherwise the submission only tells who did it and through what.
        member: To whom it is assigned.
        other: The other case, where it is merged or split; or the product gap that there is news of.
        outcome: Where that gap is by now.
        severity, area: What it is classified as.
        team: The engineering team that owns the area.
    """

    kind: ActKind
    by: str
    submission: str | None = None
    has_words: bool = False
    member: str | None = None
    other: str | None = None
    outcome: str | None = None
    severity: Urgency | None = None
    area: str | None = None
    team: str | None = None


class CaseView(WireModel):
    """A case as it stands, as its workflow says."""

    ref: str
    account: str
    status: CaseStatus
    due: Instant | None = None
    waiting_for: str | None = None
    escalation: str | None = None
    drafts: tuple[str, ...] = ()


class CaseResult(WireModel):
    """How a case's workflow ended."""

    state: CaseState


# Between a case and its desk


class QueuedCase(WireModel):
    """A case that needs an owner, as it stands in the desk's queue.

    Attributes:
        turn: Which time it asks, from 1; the same turn twice is the same question.
        since: Since when it waits.
        wanted: Whom the lead chose.
        avoid: Who had it and cannot go on.
        known_by: Who dealt with it before, and gets it again if they can.
        told: Whether the case knows that it is in the queue.
    """

    ref: str
    account: str
    area: str = GENERAL
    severity: Urgency = 3
    turn: int = 1
    since: Instant
    wanted: str | None = None
    avoid: tuple[str, ...] = ()
    known_by: str | None = None
    told: bool = False


class Held(WireModel):
    """An open case and who has it.

    Attributes:
        idle: Whether it waits for the customer; such a case is little work.
    """

    member: str
    severity: Urgency
    turn: int
    idle: bool = False


class Assigned(WireModel):
    """The desk's word on one case: who has it from now on, or that it waits and why.

    Attributes:
        member: The support engineer; nobody while it waits.
        reason: In fixed words, why nobody.
        look_again: When the desk looks again by itself.
        paged: Whether the one on call has to be paged.
    """

    ref: str
    turn: int
    member: str | None = None
    reason: str | None = None
    look_again: Instant | None = None
    paged: bool = False


class CaseWord(WireModel):
    """A case's word to its desk on what has become of it.

    Attributes:
        turn: The turn that it has heard of; the desk repeats itself until then.
    """

    ref: str
    turn: int = 0
    over: bool = False
    severity: Urgency | None = None
    idle: bool | None = None


class Escalation(WireModel):
    """A case that asks for engineering. One at a time for each team; severity 1 goes first and does not queue.

    Attributes:
        number: Counts the escalations of a case.
        granted: Whether its turn has come.
        over: Whether engineering is free again.
    """

    ref: str
    number: int
    team: str
    severity: Urgency
    since: Instant
    granted: bool = False
    over: bool = False


class DeskState(WireModel):
    """All that the desk carries over continue-as-new; nothing is in it but ids, numbers and instants.

    Attributes:
        queue: Those without an owner, in order.
        owners: Open cases and who has them, by ref.
        unacknowledged: Assignments that their cases have not confirmed yet, by ref; repeated until they do.
        escalations: Those that engineering has or that wait for it, in order.
        taken: How many cases were assigned in all runs.
        runs: How often it continued as new.
    """

    queue: tuple[QueuedCase, ...] = ()
    owners: dict[str, Held] = Field(default_factory=dict)
    unacknowledged: dict[str, Assigned] = Field(default_factory=dict)
    escalations: tuple[Escalation, ...] = ()
    taken: int = 0
    runs: int = 1


class DeskStart(WireModel):
    """What starts a desk.

    Attributes:
        turnover: After how many signals it continues as new.
    """

    account: None = None
    name: str = DESK
    turnover: int = 1_000
    state: DeskState = DeskState()


class DeskView(WireModel):
    """The desk as it stands."""

    name: str
    state: DeskState
    heard: int


# The assignment activity: one a turn, for all that wait


class Load(WireModel):
    """What a member has open.

    Attributes:
        busy: How many cases of each severity wait for them, by severity.
        idle: The same for cases that wait for their customers.
    """

    busy: dict[int, int] = Field(default_factory=dict)
    idle: dict[int, int] = Field(default_factory=dict)


class Assigning(WireModel):
    """Who takes these?

    Attributes:
        loads: What each member has open, by id.
    """

    desk: str
    waiting: tuple[QueuedCase, ...]
    loads: dict[str, Load]
    now: Instant


class Assignments(WireModel):
    """One word on each case that was asked about, in the order of the question.

    Attributes:
        look_again: When to ask again for those who wait.
    """

    words: tuple[Assigned, ...]
    look_again: Instant | None = None


# The case's own questions and news


class Outlook(WireModel):
    """How does a case's promise stand, and is its owner there?"""

    account: str
    clock: CaseClock | None
    severity: Urgency
    owner: str | None
    silence_told: Instant | None = None
    now: Instant


class Foreseen(WireModel):
    """The instants that a case waits for.

    Attributes:
        due: When the promise is broken, unless it is kept; nothing while the clock stands still.
        remind_at, draft_at: When the owner is reminded, and when a word to the customer is drafted.
        follow_up: When the owner is told that the customer does not answer, while the clock stands still.
        owner_away: Why the case cannot stay with its owner, if so.
        away_from: When the owner is next away.
        leads: Who is told of what goes wrong.
        keeps_hours: Why the promise counts in the desk's hours alone, where it should count around the clock.
        around_the_clock: Whether it does, so that somebody is paged.
    """

    due: Instant | None = None
    remind_at: Instant | None = None
    draft_at: Instant | None = None
    follow_up: Instant | None = None
    owner_away: str | None = None
    away_from: Instant | None = None
    leads: tuple[str, ...] = ()
    tam: str | None = None
    keeps_hours: str | None = None
    around_the_clock: bool = False


class LogLine(WireModel):
    """One word on a case: what kind, by whom, and the submission that says it."""

    number: int
    kind: str
    at: Instant
    by: str | None = None
    submission: str | None = None
    about: str | None = None


class CaseProjection(WireModel):
    """What a case tells SQL in one batch. Safe to repeat; one that arrives late changes nothing that is newer.

    Attributes:
        number: Counts the case's projections over all its runs.
        due: When its promise is broken.
    """

    ref: str
    account: str
    number: int
    status: CaseStatus
    due: Instant | None = None
    escalation: str | None = None
    waiting_for: str | None = None
    now: Instant
    log: tuple[LogLine, ...] = ()
    entries: tuple[TimelineEvent, ...] = ()


CaseStart.model_rebuild()
