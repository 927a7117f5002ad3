"""Steps: one class a kind, which knows its fields, who does it, how it is shown, and whom it waits for.

What performs a kind stands in `workflows/onboarding/steps.py`, one entry a class.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from rapport.model.account import CHAMPION, Fact, Persona, personas
from rapport.model.base import InputModel, Name, Several, StepName, WireModel
from rapport.model.condition import StepCondition
from rapport.model.task import CONTACT_PREFIX, TaskDefinition


class Stage(StrEnum):
    """Where an account is in its life, in order."""

    WELCOME = "welcome"
    KICKOFF = "kickoff"
    TRAINING_PLAN = "training_plan"
    ROLLOUT = "rollout"
    CADENCE = "cadence"


MOST_TRAVEL: Final = 5
"""How many days before and after a visit may be kept for travel at the most."""

_OFFSET = re.compile(r"(\d{1,3}) (hour|day|business day|week)s?", re.ASCII)


class Offset(WireModel):
    """A relative wait: a number of hours, days or the account's business days. A week is seven days."""

    count: int
    unit: Literal["hour", "day", "business day"]

    @classmethod
    def parse(cls, text: str) -> Offset:
        """Read "2 business days", "1 day", "2 weeks" or "36 hours".

        Raises:
            ValueError: The text has another form.
        """
        found = _OFFSET.fullmatch(text)
        if found is None:
            raise ValueError(
                f'"{text[:40]}" is not an offset; write "2 business days", "1 day", "2 weeks" or "36 hours"'
            )
        count, unit = int(found[1]), found[2]
        return cls.model_validate(
            {"count": count * 7, "unit": "day"} if unit == "week" else {"count": count, "unit": unit}
        )


def _offset(value: str) -> str:
    Offset.parse(value)
    return value


Review = Literal["write", "approve", "auto"]
"""Who sends a mail: a person writes it, a person reads and approves it, or it goes by itself."""


class AgendaItem(InputModel):
    """One item of a meeting's agenda, with the minutes of material that it brings."""

    topic: Name
    minutes: int = Field(ge=1, le=240)


Gate = Literal["trial", "production"]
"""What a tech review can stand before: a trial, or what goes to production."""


class DoneBy(StrEnum):
    """What does the steps of a kind, and so tells what they wait for."""

    ONBOARDING = "onboarding"
    """The onboarding itself, which writes mails and tells what they wait for."""
    WORKFLOW = "workflow"
    """A workflow of the step's own, see `rapport.model.ids.step_workflow`, which tells for itself."""
    TASK = "task"
    """Human tasks, which stand in somebody's inbox."""
    CADENCE = "cadence"
    """The account's cadence, which goes on once the step is done, and waits for people then."""


class StepBase(InputModel):
    """What every step has. A kind is a class of this; all that is asked of any kind stands here, with what is usual.

    Attributes:
        done_by: What does it.
        personas_in: The field that says whom of the customer it asks or writes to, if one does.
        mail_use: What its `email` is for: to carry times, or by itself; nothing where it has no such field.
        before: What it stands before: it begins its `offset` ahead of the contract's end, and not before everything in
            its `after` has ended. It is not for an account whose contract has no end.
        gate: The gate that has to be open before it begins; see `rapport.rules.gate`.
        nobody: What it does where nobody holds a persona that it needs: it goes `without`, or has to `wait` until the
            TAM names somebody. Left out, it goes without whom an account never had, and waits for a successor of
            whoever has left.
    """

    done_by: ClassVar[DoneBy]
    personas_in: ClassVar[str | None] = None
    mail_use: ClassVar[Literal["meeting", "message"] | None] = None

    name: StepName
    title: Name
    stage: Stage
    after: tuple[StepName, ...] = ()
    offset: Annotated[str, AfterValidator(_offset)] | None = None
    before: Literal["end"] | None = None
    when: tuple[StepCondition, ...] = ()
    gate: Gate | None = None
    nobody: Literal["without", "wait"] | None = None

    @field_validator("when", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _stands_before(self) -> Self:
        if self.before is not None and self.offset is None:
            raise ValueError('offset: is missing; say how long before, such as offset = "120 days"')
        return self

    @property
    def rests_on(self) -> tuple[str, ...]:
        """The steps whose outcome it needs: it does not begin while one has failed, and nobody has decided on that."""
        return self.after

    @property
    def wait(self) -> str:
        """How long it waits once everything in its `after` has ended, or until when, as lists show it."""
        if self.offset is None:
            return ""
        return f"+ {self.offset}" if self.before is None else f"{self.offset} before the contract's {self.before}"

    @property
    def people(self) -> tuple[str, ...]:
        """Whom of the customer it asks or writes to, by persona."""
        return getattr(self, self.personas_in) if self.personas_in is not None else ()

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        """The groups of personas of each of which somebody at the customer is needed for it."""
        return (self.people,) if self.people else ()

    @property
    def emails(self) -> dict[str, str]:
        """The mails that it names, by the field that names them."""
        return {}

    @property
    def fewest_days(self) -> int:
        """The fewest business days from its beginning to its end."""
        return 0

    def mail_days(self, persona: str) -> Sequence[int]:  # noqa: ARG002 - a kind that writes to nobody asks nothing
        """The days after its beginning on which it writes to everyone of a persona, at the most."""
        return ()

    @property
    def who(self) -> tuple[str, ...]:
        """Who is asked or written to, as lists show it. A star stands with those of whom a meeting needs one."""
        return self.people

    @property
    def how(self) -> tuple[str, ...]:
        """How it is done, as lists show it, a line each: minutes, mails, and who sends them."""
        return tuple(self.emails.values())


class Onsite(InputModel):
    """How a meeting is held on site instead, if that is approved.

    Attributes:
        approval: The task whose outcome decides it. While it is open, people are told that times follow.
        outcome: The outcome that means yes; whatever else comes of it, the meeting stays as it is.
    """

    approval: StepName
    outcome: StepName = "approve"
    minutes: int = Field(ge=15, le=480)
    agenda: tuple[AgendaItem, ...] = Field(min_length=1)


class Gathering(StepBase):
    """What people come together for, once or again and again.

    Attributes:
        invite: Everyone who is asked, by persona.
        require: Groups of personas; of each group one person has to be there. The TAM always has to.
    """

    personas_in = "invite"
    needs_champion: ClassVar[bool] = True

    minutes: int
    agenda: tuple[AgendaItem, ...] = Field(min_length=1)
    invite: tuple[Persona, ...] = Field(min_length=1)
    require: tuple[tuple[Persona, ...], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        faults = list(self._faults())
        if faults:
            raise Several(faults)
        return self

    def _faults(self) -> Iterator[str]:
        """What is wrong with it: too much material, too long for someone, or nothing that can be agreed on."""
        material = sum(item.minutes for item in self.agenda)
        if material * 2 > self.minutes:
            yield (
                f"agenda: {material} minutes of material do not fit a {self.minutes}-minute meeting; "
                f"keep it to {self.minutes // 2}, so that there is time to talk"
            )
        for persona in self.invite:
            limit = personas()[persona].max_meeting_minutes
            if "remote" in self.places(()) and self.minutes > limit:
                yield (
                    f"minutes: {persona} gives at most {limit} minutes unless onsite; shorten it or do not invite them"
                )
        for group in self.require:
            if not set(group) <= set(self.invite):
                yield ("require: names a persona that is not invited; add it to invite")
        if self.needs_champion and CHAMPION not in self.invite:
            yield (f"invite: {CHAMPION} is missing; the champion decides between times, so invite them")

    def places(self, left_out: Collection[str]) -> tuple[str, ...]:  # noqa: ARG002 - only a meeting's approval asks
        """Where it may be held, for an account that does not get some steps: `remote`, `onsite`, or both."""
        return ("remote",)

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        """Of each of these groups somebody has to be there."""
        return self.require

    @property
    def who(self) -> tuple[str, ...]:
        """Whom it invites."""
        needed = {persona for group in self.require for persona in group}
        return tuple(f"{persona}{'*' if persona in needed else ''}" for persona in self.invite)


MOST_EARLIEST, MOST_LATEST = 60, 90
"""How far ahead the first and the last business day may be on which times are offered."""


class MeetingStep(Gathering):
    """A meeting: times are proposed, people vote, one time is booked, and someone says how it went.

    Attributes:
        earliest, latest: The business days after the proposal between which times are offered.
        voting_days: How many business days the vote stays open.
        reminders: How many reminders go, one a business day, to those who did not answer.
        options: How many times are offered at most.
        email: The mail that carries the proposal.
        brief: The mail that tells the TAM, on the business day before it, who comes and what there is to know.
        onsite: How it is held on site instead.
        merged_into: A meeting that takes this one in where it is held on site; this one then ends at once.
        travel_days: How many days before and after it nothing else is offered with the TAM, where it is held on site.
    """

    done_by = DoneBy.WORKFLOW
    mail_use = "meeting"

    kind: Literal["meeting"]
    minutes: int = Field(ge=15, le=480)
    where: Literal["remote", "onsite"] = "remote"
    earliest: int = Field(default=5, ge=1, le=MOST_EARLIEST)
    latest: int = Field(default=10, ge=1, le=MOST_LATEST)
    voting_days: int = Field(default=3, ge=1, le=20)
    reminders: int = Field(default=2, ge=0, le=5)
    options: int = Field(default=6, ge=1, le=20)
    email: StepName
    brief: StepName | None = None
    review: Review = "auto"
    onsite: Onsite | None = None
    merged_into: StepName | None = None
    travel_days: int = Field(default=1, ge=0, le=MOST_TRAVEL)

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Also the meeting that may take it in."""
        return super().rests_on if self.merged_into is None else (*super().rests_on, self.merged_into)

    @property
    def travel(self) -> int:
        """How many days before and after it are kept for travel, as it is held."""
        return self.travel_days if self.where == "onsite" else 0

    def held_onsite(self) -> MeetingStep:
        """The same meeting as it is held if its onsite variant is approved."""
        assert self.onsite is not None
        given = {"where": "onsite", "minutes": self.onsite.minutes, "agenda": self.onsite.agenda, "onsite": None}
        return self.model_copy(update=given)

    def _faults(self) -> Iterator[str]:
        yield from super()._faults()
        if self.latest < self.earliest:
            yield "latest: is smaller than earliest; make it at least as large"
        if self.earliest <= self.voting_days:
            yield "earliest: a time could pass before the vote ends; make it larger than voting_days"
        if self.reminders >= self.voting_days:
            yield "reminders: must be fewer than voting_days; one goes each business day before the end"

    def places(self, left_out: Collection[str]) -> tuple[str, ...]:
        """Where it is held, and where else its approval may have it held."""
        approved = self.onsite is not None and self.onsite.approval not in left_out
        return tuple(dict.fromkeys((self.where, "onsite") if approved else (self.where,)))

    @property
    def emails(self) -> dict[str, str]:
        """The proposal, and the brief where there is one."""
        return {"email": self.email} | ({"brief": self.brief} if self.brief is not None else {})

    @property
    def fewest_days(self) -> int:
        """Until the first day that is offered."""
        return self.earliest

    def mail_days(self, persona: str) -> Sequence[int]:
        """The times, or before them that they follow; the reminders of who is required; the invitation."""
        if persona not in self.invite:
            return ()
        asked = any(persona in group for group in self.require) and personas()[persona].poll_reminders
        reminders = range(1, self.reminders + 1) if asked else ()
        return (0, *((0,) if self.onsite else ()), *reminders, self.voting_days)

    @property
    def how(self) -> tuple[str, ...]:
        """Minutes, where, the proposal."""
        onsite = (f"or {self.onsite.minutes} min onsite",) if self.onsite else ()
        return (f"{self.minutes} min {self.where}", *onsite, self.email, f"({self.review})")


class AdHocMeeting(MeetingStep):
    """A meeting that a member proposes beside the playbook, such as a training of one of the customer's teams.

    Attributes:
        guests: Who is asked by name: contacts' ids. Each has to be there, as one of each group in `require` has to.
    """

    needs_champion = False

    kind: Literal["ad_hoc"] = "ad_hoc"  # type: ignore[assignment]
    agenda: tuple[AgendaItem, ...] = ()
    invite: tuple[Persona, ...] = ()
    require: tuple[tuple[Persona, ...], ...] = ()
    guests: tuple[str, ...] = ()


AnyMeeting = Annotated[MeetingStep | AdHocMeeting, Field(discriminator="kind")]
"""A meeting of a playbook, or one beside it."""


class TaskStep(TaskDefinition, StepBase):
    """A question put to people: who decides, among which options, and what silence means.

    Attributes:
        for_each: The persona of which everyone gets a task of their own.
    """

    done_by = DoneBy.TASK

    kind: Literal["task"]
    task: Literal["approval", "sign_off", "panel", "to_do", "review"]
    for_each: Persona | None = None

    def definition(self) -> TaskDefinition:
        """The task alone, without its place in the playbook."""
        return TaskDefinition.model_validate(self.model_dump(include=set(TaskDefinition.model_fields)))

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        """Whom it is about, one by one, or by whom it is decided where that is the customer."""
        asked = [who.removeprefix(CONTACT_PREFIX) for who in self.assign if self.is_put_to_customers]
        return tuple((persona,) for persona in ([self.for_each] if self.for_each is not None else asked))

    @property
    def who(self) -> tuple[str, ...]:
        """Who decides."""
        return self.assign

    @property
    def how(self) -> tuple[str, ...]:
        """What is asked for."""
        return (self.task.replace("_", " "),)


class MessageStep(StepBase):
    """A mail to everyone of the named personas, each rendered for them.

    Attributes:
        needs: What has to be known of a reader's work before the mail can be written. Until it is, the TAM is asked to
            find it out; nobody gets a mail that could have gone to anyone.
    """

    done_by = DoneBy.ONBOARDING
    personas_in = "to"
    mail_use = "message"

    kind: Literal["message"]
    to: tuple[Persona, ...] = Field(min_length=1)
    email: StepName
    review: Review = "approve"
    needs: tuple[Fact, ...] = ()

    @property
    def emails(self) -> dict[str, str]:
        """The mail."""
        return {"email": self.email}

    def mail_days(self, persona: str) -> Sequence[int]:
        """One mail, at once."""
        return (0,) if persona in self.to else ()

    @property
    def how(self) -> tuple[str, ...]:
        """The mail."""
        return (self.email, f"({self.review})")


class CadenceStep(Gathering):
    """A meeting that recurs. Once its cadence runs the step is done: the cadence stands on its own.

    Attributes:
        brief: The mail that tells the TAM before each time what there is to know.
        review: Who sends what is written to the customer about it.
    """

    done_by = DoneBy.CADENCE

    kind: Literal["cadence"]
    minutes: int = Field(ge=15, le=240)
    brief: StepName
    review: Review = "approve"
    every: str

    @property
    def how(self) -> tuple[str, ...]:
        """Minutes, how often, its mails."""
        return (f"{self.minutes} min every {self.every}", *self.emails.values(), f"({self.review})")


class SyncStep(CadenceStep):
    """A standing meeting: one recurring invitation; before each time a brief to the TAM and a digest.

    Attributes:
        digest: The mail that sums up what happened since the last time, where there is one.
        to: Who gets the digest, by persona.
    """

    needs_champion = False

    rhythm: Literal["sync"]
    every: Literal["1 week", "2 weeks"]
    digest: StepName | None = None
    to: tuple[Persona, ...] = (CHAMPION,)

    @property
    def emails(self) -> dict[str, str]:
        """The brief, and the digest where there is one."""
        return {"brief": self.brief} | ({"digest": self.digest} if self.digest is not None else {})

    @property
    def weeks(self) -> int:
        """From one time to the next."""
        return int(self.every[0])


class ReviewStep(CadenceStep):
    """A business review: a meeting whose times are offered well ahead, with its preparation, brief and follow-up.

    Attributes:
        email: The mail that carries the proposal.
        follow_up: The mail that says afterwards what was agreed.
        offered: How many business days ahead times are offered.
        prepare: How many business days ahead the TAM has to have prepared it.
    """

    rhythm: Literal["review"]
    every: Literal["3 months", "6 months"]
    email: StepName = "meeting_proposal"
    follow_up: StepName
    offered: int = Field(default=25, ge=10, le=40)
    prepare: int = Field(default=10, ge=1, le=30)

    @property
    def emails(self) -> dict[str, str]:
        """The proposal, the brief and the follow-up."""
        return {"email": self.email, "brief": self.brief, "follow_up": self.follow_up}

    @property
    def months(self) -> int:
        """From one review to the next."""
        return int(self.every[0])

    def meeting(self) -> MeetingStep:
        """The meeting by which each review is held."""
        return MeetingStep(
            name=self.name,
            title=self.title,
            stage=self.stage,
            kind="meeting",
            minutes=self.minutes,
            agenda=self.agenda,
            invite=self.invite,
            require=self.require,
            nobody=self.nobody,
            email=self.email,
            # There is time: those who are asked rarely get a week to answer.
            voting_days=5,
            earliest=6,
            latest=11,
        )

    def _faults(self) -> Iterator[str]:
        yield from super()._faults()
        if self.prepare >= self.offered:
            yield "prepare: must be smaller than offered; a review is prepared once its times are offered"


StepDefinition = Annotated[
    MeetingStep | MessageStep | TaskStep | Annotated[SyncStep | ReviewStep, Field(discriminator="rhythm")],
    Field(discriminator="kind"),
]


def _classes(annotation: object) -> Iterator[type[StepBase]]:
    parts = [one for one in get_args(annotation) if not isinstance(one, FieldInfo)]
    for part in parts:
        yield from _classes(part) if get_args(part) else (part,)


KINDS: Final[tuple[type[StepBase], ...]] = tuple(_classes(StepDefinition))
"""The classes of steps."""


def of_kind(kind: object) -> tuple[type[StepBase], ...]:
    """The classes that a step's `kind` may mean; none where there is no such kind."""
    return tuple(one for one in KINDS if kind in get_args(one.model_fields["kind"].annotation))


def kinds(*by: DoneBy) -> tuple[str, ...]:
    """The kinds of which one of these does the steps."""
    names = (get_args(one.model_fields["kind"].annotation)[0] for one in KINDS if one.done_by in by)
    return tuple(dict.fromkeys(names))
