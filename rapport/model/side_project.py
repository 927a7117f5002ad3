"""Side work: what support does when nobody calls. It has no due date, as the next peak puts it back."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Final, Literal, Self

from pydantic import model_validator

from rapport.model.base import Email, InputModel, Instant, Name, Prose, StepName, WireModel, WrittenInstant

SideKind = Literal["testing", "documentation", "training", "integration"]
"""Testing, helping with the documentation, training customers, a small integration project."""

NO_DATE: Final = (
    "support cannot commit to a date: the next peak puts side work back; leave it out, "
    "and let the lead set a day to look again if that helps"
)
_DATES: Final = ("due", "due_date", "due_at", "deadline", "by", "until", "finish", "end", "milestone")


class NewSideProject(InputModel):
    """Side work, as somebody asks for it.

    Attributes:
        area: The product area that it takes knowledge of, if any.
        tam, booked_at: Of a training that is booked: the TAM whom it belongs to, by address, and when it begins. The
            date is the TAM's; support joins if it is free then.
    """

    kind: SideKind
    title: Name
    note: Prose | None = None
    area: StepName | None = None
    tam: Email | None = None
    booked_at: WrittenInstant | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_due_date(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for field in _DATES:
                if data.get(field) is not None:
                    raise ValueError(f"{field}: {NO_DATE}")
        return data

    @model_validator(mode="after")
    def _booked_with_a_tam(self) -> Self:
        if self.booked_at is not None and self.kind != "training":
            raise ValueError(f"booked_at: {NO_DATE}")
        if (self.booked_at is None) != (self.tam is None):
            missing = "tam" if self.tam is None else "booked_at"
            raise ValueError(f"{missing}: is missing; a booked training belongs to a TAM, and has the time they booked")
        return self


class SideState(StrEnum):
    """Where side work stands."""

    WAITING = "waiting"
    TAKEN = "taken"
    DONE = "done"


EndedBy = Literal["done", "peak", "absence", "member"]
"""Why a stretch of side work ended; `member` is whoever had it, or the lead."""


class SideProject(WireModel):
    """Side work on record.

    Attributes:
        owner: Who does it, by id.
        since: Since when it stands where it stands.
        look_again: When the lead looks at it again. It is promised to nobody.
        tam, booked_at: As `NewSideProject`; the TAM by id.
        stretches: How often it was handed out.
        put_back: How often a peak put it back.
        hours: How long it was worked on, in the desk's hours.
    """

    id: str
    kind: SideKind
    title: str
    note: str | None = None
    area: str | None = None
    state: SideState
    added_at: Instant
    added_by: str
    owner: str | None = None
    since: Instant
    look_again: date | None = None
    tam: str | None = None
    booked_at: Instant | None = None
    done_at: Instant | None = None
    stretches: int = 0
    put_back: int = 0
    hours: float = 0.0
