"""What digests, briefs and reviews speak of: usage, incidents, projects, the roadmap, wins and blockers."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema, model_validator

from rapport.model.base import InputModel, Instant, Name, WireModel, meant, name, utc


class Sample(WireModel):
    """One measurement."""

    day: date
    value: float


class MetricSeries(WireModel):
    """What was measured of one thing, in one unit, the oldest first."""

    metric: str
    unit: str
    samples: tuple[Sample, ...]


class Incident(WireModel):
    """An outage or fault that the account felt.

    Attributes:
        severity: 1, the worst, to 4.
    """

    id: str
    title: str
    severity: int
    began: Instant
    ended: Instant | None = None


class Project(WireModel):
    """What the customer is working on, or will."""

    id: str
    title: str
    starts: date | None = None
    ends: date | None = None


class RoadmapItem(WireModel):
    """What the vendor builds next.

    Attributes:
        touches: Why it matters to this account.
    """

    id: str
    title: str
    expected: str
    touches: str | None = None


class Win(WireModel):
    """Something that went well because of the product."""

    id: str
    title: str
    day: date


class Blocker(WireModel):
    """What holds the account up.

    Attributes:
        owner: Whoever removes it, by name.
        next_check: When to look at it again.
    """

    id: str
    title: str
    owner: str
    next_check: date
    raised: Instant
    removed: Instant | None = None


class Question(WireModel):
    """A support case, as digests and briefs speak of it.

    Attributes:
        title: The first line of the question.
    """

    ref: str
    title: str
    severity: int
    opened: Instant
    resolved: Instant | None = None


class Evidence(WireModel):
    """All that is on record of an account for a span of days; what is not known is empty, and never invented."""

    since: date
    until: date
    usage: tuple[MetricSeries, ...] = ()
    incidents: tuple[Incident, ...] = ()
    projects: tuple[Project, ...] = ()
    roadmap: tuple[RoadmapItem, ...] = ()
    wins: tuple[Win, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    cases: tuple[Question, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to speak of."""
        known = (self.usage, self.incidents, self.projects, self.roadmap, self.wins, self.blockers, self.cases)
        return not any(known)


# What people and programs write

EVERYONE: Final = "*"
"""Instead of an account's key: every account."""

COUNT: Final = "count"
"""The unit of what is only counted; it is not shown."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_SMALLEST: Final = 1e-9
_LARGEST: Final = 1e15
_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError("has a form that is not allowed; use letters, digits, dots, hyphens and underscores")
    return value


def _day(value: object) -> date:
    """Read a whole day. Numbers are none: a spreadsheet's would be taken for seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return meant(value)
    try:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError
        read = date.fromisoformat(value)
    except ValueError:
        raise ValueError('is not a day; write it as "2026-11-20"') from None
    return meant(read)


def _instant(value: object) -> datetime:
    if isinstance(value, datetime):
        return utc(meant(value))
    try:
        if not isinstance(value, str):
            raise ValueError
        read = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError('is not an instant; write it as "2026-11-20T14:05:00Z", or with its offset') from None
    return utc(meant(read))


def _number(value: object) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("is not a finite number; leave out a day on which nothing was measured")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError('is not a number; write it as "1200" or "99.95", without its unit or a thousands separator')
    if abs(value) > _LARGEST:
        raise ValueError("has more than 15 digits; choose a larger unit")
    if 0 < abs(value) < _SMALLEST:
        raise ValueError("is less than a billionth; choose a smaller unit")
    # Zero has no sign for a person.
    return float(value) or 0.0


def _severity(value: object) -> int:
    found = {"1": 1, "2": 2, "3": 3, "4": 4}.get(str(value))
    if found is None:
        raise ValueError("is no severity; write 1, the worst, to 4")
    return found


def _everyone_or_key(value: str) -> str:
    return value if value == EVERYONE else _slug(value)


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError(f'is no account\'s key; write one of `rapport account list`, or "{EVERYONE}" for all of them')
    return value


Key = Annotated[str, StringConstraints(max_length=64), AfterValidator(_key)]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Moment = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Severity = Annotated[int, BeforeValidator(_severity), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 4})]
Line = Annotated[str, StringConstraints(max_length=300), AfterValidator(name)]
Unit = Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(name)]


class WrittenSample(InputModel):
    """One measurement, as a person or a program gives it.

    Attributes:
        metric: What was measured, in words: mails say them.
        unit: Its unit, such as `%`, `GB` or `ms`; `count` for what is only counted.
    """

    day: Day
    metric: Name
    unit: Unit
    value: Number


class WrittenIncident(InputModel):
    """An incident, as a person or a program gives it. Without `ended` it goes on, or its end is known already."""

    id: Key
    title: Name
    severity: Severity
    began: Moment
    ended: Moment | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ended is not None and self.ended < self.began:
            raise ValueError("ended: comes before began; write the later of the two as ended")
        return self


class WrittenProject(InputModel):
    """A project of the customer's, as a person or a program gives it; both days belong to it."""

    id: Key
    title: Name
    starts: Day | None = None
    ends: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts is not None and self.ends is not None and self.ends < self.starts:
            raise ValueError("ends: comes before starts; write the later of the two as ends")
        return self


class WrittenRoadmapItem(InputModel):
    """An item of the vendor's roadmap, and why it matters to an account; one for each account that it touches.

    Attributes:
        expected: When, in words; `2027-Q1` and `2027-03` stand in the right order in lists.
        account: Whom it touches, by key; `*` for everyone. Without it the item touches nobody yet.
        touches: Why it matters to them.
    """

    id: Key
    title: Name
    expected: Name
    account: Annotated[str, AfterValidator(_everyone_or_key)] | None = None
    touches: Line | None = None

    @model_validator(mode="after")
    def _with_reason(self) -> Self:
        if self.account is not None and self.touches is None:
            raise ValueError("touches: is missing; say why it matters to them")
        if self.touches is not None and self.account is None:
            raise ValueError(f'account: is missing; name whom it touches, or "{EVERYONE}" for everyone')
        return self


class WrittenWin(InputModel):
    """Something that went well, as a person or a program gives it."""

    id: Key
    title: Name
    day: Day


class ImportResult(WireModel):
    """What became of data that was given.

    Attributes:
        new, changed, unchanged, removed: How many records.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
