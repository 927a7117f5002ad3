"""Human tasks as workflows see them: options, seats, decisions and instants; ids, never a name or an address."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rapport.model.account import Fact, Role, personas
from rapport.model.base import InputModel, Instant, Name, Several, StepName, WireModel, Word, suggestion
from rapport.model.ids import account_of
from rapport.model.projection import StepNews
from rapport.model.tech_review_facts import TechReviewFacts


class TaskPhase(StrEnum):
    """Where a human task stands."""

    PREPARING = "preparing"
    OPEN = "open"
    NEEDS_INFO = "needs_info"
    CLOSED = "closed"


TaskKind = Literal["approval", "sign_off", "panel", "to_do", "review", "alarm"]
"""What sort of task it is. An alarm offers no options: it ends once its cause has."""

_COUNT = re.compile(r"[1-9][0-9]{0,2}")


def _quorum(value: str) -> str:
    if value in ("any", "all", "majority") or _COUNT.fullmatch(value):
        return value
    raise ValueError(f'"{value[:20]}" is not a quorum; use any, all, majority, or a number such as "2"')


Quorum = Annotated[str, AfterValidator(_quorum)]
"""How many seats have to choose an option: `any`, `all`, `majority` (more than half), or a number of them."""


_ROLES: Final = tuple(f"role:{role}" for role in Role)

MEMBER_PREFIX: Final = "m_"
"""What a member's id begins with."""

CONTACT_PREFIX: Final = "contact:"
"""What an assignee begins with who is whoever has a persona at the account, and no member."""


def _assignee(value: str) -> str:
    if value in ("tam", "manager", *_ROLES) or re.fullmatch(r"m_[0-9a-f]{16}", value):
        return value
    customers = tuple(f"{CONTACT_PREFIX}{persona}" for persona in personas())
    if value in customers:
        return value
    known = ", ".join((*_ROLES, *customers))
    raise ValueError(f'"{value[:40]}" is nobody who can decide; use tam, manager, or one of {known}')


def are_customers(assign: Iterable[str]) -> bool:
    """Whether those who decide are the customer's people."""
    return any(assignee.startswith(CONTACT_PREFIX) for assignee in assign)


class TaskOption(InputModel):
    """One answer that a human task offers.

    Attributes:
        returns: It closes nothing: the matter goes back to whoever asked, who says it anew, in a new round.
        needs: The seat whose own word it has to be as well, however many others choose it; one that is not asked here
            is not needed.
    """

    id: StepName
    title: Name
    needs_reason: bool = False
    returns: bool = False
    needs: str | None = None


class LadderRule(InputModel):
    """When a silent task is followed up, in business days of whoever holds it.

    Attributes:
        remind: When reminders go, the earliest first.
        backup: When somebody is added who can decide as well.
        manager: When the manager is told.
        timeout: When the task closes without a decision.
        relative_to: What the days are counted from. Days before a deadline are negative.
        to_the_end: The task closes at the deadline itself, not when work begins on its day.
    """

    remind: tuple[int, ...] = ()
    backup: int | None = None
    manager: int | None = None
    timeout: int
    relative_to: Literal["opened", "deadline"] = "opened"
    to_the_end: bool = False

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        if any(earlier >= later for earlier, later in pairwise(self.remind)):
            raise ValueError("remind: the days do not grow; write the earliest first and each day once")
        # A second reminder may well come after the backup, so only the first has its place in the order.
        first = [("remind", day) for day in self.remind[:1]]
        steps = [*first, ("backup", self.backup), ("manager", self.manager), ("timeout", self.timeout)]
        given = [(name, day) for name, day in steps if day is not None]
        for (lower, earlier), (upper, later) in pairwise(given):
            if earlier > later:
                raise ValueError(f"{upper}: comes before {lower}; write {earlier} or more")
        if self.remind and self.remind[-1] > self.timeout:
            raise ValueError(f"timeout: comes before the last reminder; write {self.remind[-1]} or more")
        if self.relative_to == "opened" and given[0][1] < 1:
            raise ValueError(f"{given[0][0]}: counts from the opening, which no day precedes; write 1 or more")
        return self


class Holder(WireModel):
    """Someone who can fill a seat now.

    Attributes:
        member: The member's id; a contact's, where the customer decides.
        on_behalf_of: The member in whose place they act, if it is not their own.
        via: How it came to them.
        chain: The members whom it passed on the way, in order, with the assignee first.
        reason: Why it came to them, in fixed words without names; none if it was theirs from the beginning.
        escalated: Whether the ladder added them. They stay, whoever else comes and goes.
    """

    member: str
    on_behalf_of: str | None = None
    via: Literal["assignee", "delegate", "backup", "manager"] = "assignee"
    chain: tuple[str, ...] = ()
    reason: str | None = None
    escalated: bool = False


class Seat(WireModel):
    """One place in the quorum. Seats are fixed when a task opens; only who holds them changes.

    Where an account is handed over, the seat of its TAM gets another owner.

    Attributes:
        id: The assignee as written: a member's id, `role:` and a role, or `contact:` and a persona.
        role: The role, where any member who has it can fill the seat.
        owner: The id of the member whose it is. A role's seat belongs to nobody in particular.
        of_tam: Whether it is the TAM's, whoever that is.
        holders: Who can fill it now, whoever is asked first at the front. None at all: only the requester is left.
    """

    id: str
    role: str | None = None
    owner: str | None = None
    of_tam: bool = False
    holders: tuple[Holder, ...] = ()


class Decision(Word):
    """One person's word on a task.

    Attributes:
        round: The round that the person saw.
        by: The member's id, or the contact's.
        submission: The id of what they wrote with it.
        reasoned: Whether they gave a reason.
    """

    round: int
    option: str
    by: str
    submission: str
    reasoned: bool = False


class EscalationStep(WireModel):
    """One step of a task's ladder, as an instant. A timeout concerns all seats and names none."""

    kind: Literal["remind", "backup", "manager", "timeout"]
    at: Instant
    seat: str | None = None


class TaskDefinition(InputModel):
    """What a task is, whoever it is put to; a playbook's step says it, or the workflow that opens it.

    Attributes:
        question: What is to be decided or done, in one sentence. What the requester adds stands in SQL.
        assign: Who decides: `tam` (the account's), `manager` (the TAM's), a member's id, `role:` and a role; or the
            customer's people alone, by `contact:` and a persona.
        otherwise: The option that stands where people do not agree.
        hear_all: It closes once every seat has spoken, or at its end; then the quorum is counted.
        on_timeout: The outcome where nobody decides in time; never a silent yes.
        asks: What the requester has to say before it opens, by name; where empty, it opens at once.
        finds_out: What it is to find out of the work of the contact whom it concerns. Once that is recorded, it ends by
            itself with its first option.
        entitled: A seat whose owner is away or asks goes to a delegate whom they named, else to whoever is above them;
            never to anybody else, to somebody who sits there already, or to who reports to the one who asks. Where
            there is nobody, it stays empty.
    """

    task: TaskKind
    question: Name
    options: tuple[TaskOption, ...] = Field(max_length=9)
    assign: tuple[Annotated[str, AfterValidator(_assignee)], ...] = Field(min_length=1, max_length=20)
    quorum: Quorum = "any"
    otherwise: StepName | None = None
    hear_all: bool = False
    on_timeout: StepName = "timed_out"
    asks: tuple[StepName, ...] = ()
    finds_out: tuple[Fact, ...] = ()
    entitled: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        ids = [option.id for option in self.options]
        faults = []
        if (not ids) is not (self.task == "alarm"):
            faults.append("options: there is none; write at least one")
        if len(set(ids)) != len(ids):
            faults.append("options: one id stands twice; give each option its own")
        if self.otherwise is not None and self.otherwise not in ids:
            faults.append(f'otherwise: "{self.otherwise}" is not an option; {suggestion(self.otherwise, ids)}')
        if are_customers(self.assign) and not all(who.startswith(CONTACT_PREFIX) for who in self.assign):
            faults.append("assign: names the customer's people and members; ask one side only")
        if any(option.returns for option in self.options):
            if not self.asks:
                faults.append("options: one returns to whoever asked, and nobody asks; fill in asks")
            if not all(option.needs_reason for option in self.options if option.returns):
                faults.append("options: one returns without a word on what to change; give it needs_reason = true")
            if self.options and all(option.returns for option in self.options):
                faults.append("options: all of them return to whoever asked; add one that closes it")
        if self.on_timeout in ids:
            faults.append(
                "on_timeout: is one of the options, and silence is never an answer; write another word, "
                'such as "timed_out"'
            )
        if faults:
            raise Several(faults)
        return self

    @property
    def fallback(self) -> str:
        """The option that counts where people do not agree; the last one where none is named."""
        return self.otherwise or self.options[-1].id

    @property
    def is_put_to_customers(self) -> bool:
        """Whether the customer's people decide it; they have neither delegates nor superiors."""
        return are_customers(self.assign)

    def returns(self, option: str) -> bool:
        """Whether an option sends it back to whoever asked."""
        return any(one.id == option and one.returns for one in self.options)


NO_EMAIL: Final = ""
"""What stands for an email of a task that nobody gets."""


class TaskMatter(WireModel):
    """What a human task is about, and for.

    Attributes:
        subject: What it is about: an account's key or one of its contracts, see `rapport.model.ids.scope`, or the
            reference of a review or case.
        about: The contact whom it concerns, where each of several has a task of their own.
        requester: The member who asks, where that is known; they can never decide.
        asked_before: Who asked in an earlier version; neither can they.
    """

    account: str
    contract: str
    subject: str
    step: str
    title: str
    definition: TaskDefinition
    about: str | None = None
    requester: str | None = None
    asked_before: tuple[str, ...] = ()

    @property
    def on_record(self) -> str:
        """What the timeline calls its step; that of a review or case is said beside what it is about."""
        return self.step if account_of(self.subject) == self.account else f"{self.subject}.{self.step}"


class TaskStart(TaskMatter):
    """What opens a human task.

    Attributes:
        deadline: When it is due, where that is a date of the customer's.
        unblock: The command that does what is asked for, where that is not deciding.
        asker: Who says what the task asks for: `tam`, or a member's id.
        asks_as: The role in which they do.
        request: What was said already, by the submission's id; then nobody has to say it.
        mails: Which mails say it instead of a task's usual ones, by their names; `NO_EMAIL` where nobody gets one.
        review: The technical review that it is a part of, for its mails.
    """

    attempt: int = 1
    deadline: Instant | None = None
    unblock: str | None = None
    asker: str = "tam"
    asks_as: str = "tam"
    request: str | None = None
    mails: dict[str, str] = Field(default_factory=dict)
    review: TechReviewFacts | None = None


class LateDecision(WireModel):
    """A decision that came after its task was closed.

    Attributes:
        step: The task's step.
        option: What was chosen.
    """

    id: str
    step: str
    option: str


class TaskRequest(Word):
    """What someone asks for, or that they do not ask: the words stand in SQL, under the submission's id.

    Attributes:
        declined: It is not needed; the task closes as not requested.
    """

    by: str
    declined: bool = False


class TaskQuestion(Word):
    """A holder's question to the requester, or the requester's answer; the words stand in SQL, under this id."""

    by: str
    round: int


class TaskView(WireModel):
    """A human task as it stands.

    Attributes:
        request: The submission with the words of the present round.
        asked: The submission with the open question, while information is needed.
    """

    account: str
    step: str
    title: str
    question: str
    phase: TaskPhase
    round: int
    seats: tuple[Seat, ...]
    decisions: tuple[Decision, ...]
    requester: str | None = None
    request: str | None = None
    asked: str | None = None
    deadline: Instant | None = None
    outcome: str | None = None
    waiting_on: tuple[str, ...] = ()
    waiting_for: str | None = None
    unblock: str | None = None


class TaskResult(WireModel):
    """How a human task ended.

    Attributes:
        outcome: An option's id, `not_requested`, or the task's `on_timeout`.
        at: When it ended: of a decision, when that was given.
        by, submission: Who decided last, if anybody did, and what they said with it.
        request: What was asked for in the end.
        decisions: The latest of each person.
        seats: Everybody who was to decide.
        unheld: The seats that nobody could fill at its end.
        votes, filled: What those said who did, and who said it; by seat.
    """

    outcome: str
    by: str | None = None
    submission: str | None = None
    at: Instant
    request: str | None = None
    decisions: tuple[Decision, ...] = ()
    seats: tuple[str, ...] = ()
    unheld: tuple[str, ...] = ()
    votes: dict[str, str] = Field(default_factory=dict)
    filled: dict[str, str] = Field(default_factory=dict)


NOT_REQUESTED: Final = "not_requested"
"""The outcome of a task that nobody asked for in time, or that its requester does without."""

NOBODY_TO_ASK: Final = "nobody_to_ask"
"""What the record tells of a task that ends undecided where nobody could be asked: it was nobody's silence."""

WITHDRAWN: Final = "withdrawn"
"""The outcome of a task, or of a review, that is not needed any more."""


class TaskHolder(WireModel):
    """Someone who can do something about an open task, as lists show it.

    Attributes:
        awaited: Whether it waits for them; those who can decide may do so as well while something else is waited for.
    """

    member: str
    on_behalf_of: str | None = None
    via: str
    reason: str | None = None
    awaited: bool = True


class TaskRecord(TaskMatter):
    """What is on record of a human task.

    Attributes:
        id: The workflow's id.
        request, asked: Submissions: what was asked for in this round, and the open question about it.
        answers: The latest decision of each person in this round.
        holders: Whom it waits for, and who else can decide.
        unblock: The command that moves it on, where its workflow knows one.
    """

    id: str
    phase: TaskPhase
    round: int
    request: str | None
    asked: str | None
    answers: tuple[Decision, ...]
    holders: tuple[TaskHolder, ...] = ()
    opened: Instant
    deadline: Instant | None
    outcome: str | None
    unblock: str | None = None

    @property
    def awaited(self) -> tuple[TaskHolder, ...]:
        """Those for whom it waits."""
        return tuple(holder for holder in self.holders if holder.awaited)


class TaskProjection(TaskRecord):
    """What a human task tells SQL in one batch. Safe to repeat.

    Attributes:
        closed: When it ended, once it has: of a decision, when that was given.
    """

    closed: Instant | None = None
    now: Instant
    news: StepNews
