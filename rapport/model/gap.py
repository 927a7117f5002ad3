"""Product gaps: what customers need and the product does not do, on its way to the roadmap."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, StringConstraints

from rapport.model.base import InputModel, Instant, Name, Prose, Slug, WireModel


class GapStatus(StrEnum):
    """Where a gap is on its way."""

    OPEN = "open"
    CONSIDERED = "considered"
    PLANNED = "planned"
    DELIVERED = "delivered"
    DECLINED = "declined"


Kind = Literal["account", "review", "case"]
"""What a gap can be linked to."""

Ref = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$")]


class Links(InputModel):
    """What a gap concerns: accounts by their keys, reviews and cases by their references."""

    accounts: tuple[Slug, ...] = Field(default=(), max_length=50)
    reviews: tuple[Ref, ...] = Field(default=(), max_length=50)
    cases: tuple[Ref, ...] = Field(default=(), max_length=50)

    def pairs(self) -> list[tuple[Kind, str]]:
        """Each link once, as what it leads to and by which name."""
        found: list[tuple[Kind, str]] = [("account", key) for key in self.accounts]
        found += [("review", ref) for ref in self.reviews]
        found += [("case", ref) for ref in self.cases]
        return list(dict.fromkeys(found))


class NewGap(Links):
    """A gap, as a person logs it.

    Attributes:
        description: Who needs what for which purpose, and how they do without today.
    """

    title: Name
    description: Annotated[Prose, Field(min_length=1)]
    roadmap: HttpUrl | None = None


class GapChange(InputModel):
    """Where a gap is by now, and why.

    Attributes:
        roadmap: Where its progress can be followed, from now on.
    """

    status: GapStatus
    reason: Annotated[Prose, Field(min_length=1)]
    roadmap: HttpUrl | None = None


class GapStart(WireModel):
    """A gap to be sent. It may concern several accounts, and is found by none."""

    account: None = None
    ref: str


class GapSent(WireModel):
    """What became of it: which version the CRM has, that there is no CRM, or that it refuses it for good."""

    state: Literal["sent", "off", "failed"]
    version: int = 0


class Gap(WireModel):
    """A gap, as SQL holds it.

    Attributes:
        version: Grows with every change; what is sent is told apart by it.
        delivery: `waiting`, `sent`, `failed` or `off`, of the newest version.
        delivery_reason: Why it failed.
        sent_version: The newest version that the CRM has.
    """

    ref: str
    title: str
    description: str
    status: GapStatus
    roadmap: str | None
    accounts: tuple[str, ...] = ()
    reviews: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    logged_by: str
    logged: Instant
    changed: Instant
    version: int
    delivery: str
    delivery_reason: str | None = None
    sent_version: int = 0
