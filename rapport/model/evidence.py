"""What digests, briefs and reviews speak of: usage, incidents, projects, the roadmap, wins and blockers."""

from __future__ import annotations

from datetime import date

from rapport.model.base import Instant, Wire


class Sample(Wire):
    """One measurement."""

    day: date
    value: float


class Series(Wire):
    """What was measured of one thing, in one unit, the oldest first."""

    metric: str
    unit: str
    samples: tuple[Sample, ...]


class Incident(Wire):
    """An outage or fault that the account felt.

    Attributes:
        severity: 1, the worst, to 4.
    """

    id: str
    title: str
    severity: int
    began: Instant
    ended: Instant | None = None


class Project(Wire):
    """What the customer is working on, or will."""

    id: str
    title: str
    starts: date | None = None
    ends: date | None = None


class RoadmapItem(Wire):
    """What the vendor builds next.

    Attributes:
        touches: Why it matters to this account.
    """

    id: str
    title: str
    expected: str
    touches: str | None = None


class Win(Wire):
    """Something that went well because of the product."""

    id: str
    title: str
    day: date


class Blocker(Wire):
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


class Evidence(Wire):
    """All that is on record of an account for a span of days; what is not known is empty, and never invented."""

    since: date
    until: date
    usage: tuple[Series, ...] = ()
    incidents: tuple[Incident, ...] = ()
    projects: tuple[Project, ...] = ()
    roadmap: tuple[RoadmapItem, ...] = ()
    wins: tuple[Win, ...] = ()
    blockers: tuple[Blocker, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to speak of."""
        return not (self.usage or self.incidents or self.projects or self.roadmap or self.wins or self.blockers)
