"""How a meeting went: what a person writes of it, and what is kept of that; people by address there, by id here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from rapport.model.base import Email, InputModel, Prose, StepName, WireModel, Zone, meant, name
from rapport.model.meeting import Agreed

MOST_LINES: Final = 40
"""How many actions, blockers or goals the minutes of one meeting hold."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=240), AfterValidator(name)]
"""A text of one line, such as what is to be done."""


def _filled(value: str) -> str:
    if not value:
        raise ValueError("is empty; fill it in")
    return value


Filled = Annotated[Prose, AfterValidator(_filled)]
"""A text of several lines that says something."""


def _day(value: object) -> object:
    """Read a day, and nothing that could be taken for one: a number would count from 1970."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return meant(value)
    raise ValueError('is not a day; write it as "2026-12-01"')


def _time(value: object) -> object:
    """Read a wall time or an instant, in the same way."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return meant(value)
    raise ValueError('is not a time; write it as "2026-12-01T10:00"')


Day = Annotated[date, BeforeValidator(_day)]
Time = Annotated[datetime, BeforeValidator(_time)]


class WrittenAction(InputModel):
    """What somebody promised to do, until the end of a day."""

    what: Line
    owner: Email
    due: Day


class WrittenBlocker(InputModel):
    """What holds the account up, who removes it, and when to look at it again."""

    title: Line
    owner: Email
    next_check: Day


class WrittenGoals(InputModel):
    """What the customer wants to reach."""

    short_term: Annotated[tuple[Line, ...], Field(max_length=MOST_LINES)] = ()
    long_term: Annotated[tuple[Line, ...], Field(max_length=MOST_LINES)] = ()


class WrittenAgreed(InputModel):
    """A next meeting whose time was agreed in the room.

    Attributes:
        step: The meeting's step.
        start: Wall time of `zone`, or an instant with its offset.
        zone: Without it, the TAM's own.
        anyway: Whether it is meant although it lies outside of somebody's hours, or in a holiday, an absence or another
            meeting of theirs.
    """

    step: StepName
    start: Time
    zone: Zone | None = None
    anyway: bool = False

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if self.start.tzinfo is not None and self.zone is not None:
            raise ValueError("zone: stands beside a start that has an offset; leave one of them out")
        if self.start.second or self.start.microsecond:
            raise ValueError("start: is not on a whole minute; leave the seconds out")
        return self


class Minutes(InputModel):
    """How a meeting went, as a person writes it. Everybody is named by their address.

    Attributes:
        attended: Who was there: contacts and members.
        agreed: Next meetings whose times were agreed in the room; they are booked without a vote.
        next: What else was agreed next, in words.
        note: What to remember of it; it stands on the timeline.
        private_note: For the TAM alone; no mail can speak of it.
    """

    attended: Annotated[tuple[Email, ...], Field(max_length=MOST_LINES)] = ()
    goals: WrittenGoals = WrittenGoals()
    actions: Annotated[tuple[WrittenAction, ...], Field(max_length=MOST_LINES)] = ()
    blockers: Annotated[tuple[WrittenBlocker, ...], Field(max_length=MOST_LINES)] = ()
    agreed: Annotated[tuple[WrittenAgreed, ...], Field(max_length=MOST_LINES)] = ()
    next: Prose | None = None
    note: Prose | None = None
    private_note: Prose | None = None

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        _refuse_repeated("attended", "", self.attended, str.lower)
        _refuse_repeated("actions", ".what", (one.what for one in self.actions), str.casefold)
        _refuse_repeated("blockers", ".title", (one.title for one in self.blockers), str.casefold)
        _refuse_repeated("agreed", ".step", (one.step for one in self.agreed), str)
        return self


def _refuse_repeated(field: str, part: str, texts: Iterable[str], alike: Callable[[str], str]) -> None:
    seen = set()
    for index, text in enumerate(texts):
        if alike(text) in seen:
            raise ValueError(f"{field}[{index}]{part}: is there twice; leave one of them out")
        seen.add(alike(text))


class NewBlocker(WrittenBlocker):
    """A blocker that somebody notes outside a meeting."""

    note: Prose | None = None


class BlockerCheck(InputModel):
    """That somebody has looked at a blocker, and when to look again."""

    next_check: Day
    note: Prose | None = None


class Removal(InputModel):
    """Why a blocker holds nobody up any more."""

    reason: Filled


class ActionDone(InputModel):
    """That an action is done."""

    note: Prose | None = None


# What is kept


class ActionRecord(WireModel):
    """A `WrittenAction` with its owner's id."""

    what: str
    owner: str
    due: date


class BlockerRecord(WireModel):
    """A `WrittenBlocker` with its owner's id."""

    title: str
    owner: str
    next_check: date


class MinutesRecord(WireModel):
    """Minutes with people by id. There is no place for the private note here: mails and timelines are made of this."""

    attended: tuple[str, ...] = ()
    short_term: tuple[str, ...] = ()
    long_term: tuple[str, ...] = ()
    actions: tuple[ActionRecord, ...] = ()
    blockers: tuple[BlockerRecord, ...] = ()
    agreed: tuple[Agreed, ...] = ()
    next: str | None = None
    note: str | None = None

    @property
    def is_note(self) -> bool:
        """Whether there is nothing in it but a note."""
        return self == MinutesRecord(note=self.note)

    def as_text(self) -> str | None:
        """What the submission says: a lone note as it was written, and else all of it, in a form that `read` knows."""
        return self.note if self.is_note else _Envelope(minutes=self).model_dump_json(exclude_defaults=True)

    @staticmethod
    def read(text: str) -> MinutesRecord | None:
        """Minutes in a submission's text; nothing if it is a note in plain words."""
        try:
            return _Envelope.model_validate_json(text).minutes
        except ValidationError:
            return None


class _Envelope(WireModel):
    minutes: MinutesRecord


class Pending(WireModel):
    """A blocker to look at or an action to do, today or before.

    Attributes:
        account: The account's key.
        of: The account's name.
        owner: By name.
        mine: Whether the reader is the owner.
        day: When it is due.
        overdue: Whether that was before today.
    """

    id: str
    account: str
    of: str
    title: str
    owner: str
    mine: bool
    day: date
    overdue: bool
