"""When side work is handed out, and when it is put back: slack pays for it, and a peak takes it away.

The measure is the load for each engineer at work, what waits in the queue included. Between slack and peak everything
stays as it is, so that side work does not come and go with every case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from rapport.rules.calendar import next_working_instant
from rapport.rules.routing import WEIGHTS, Engineer, Unsuitability, bar, load, must_hand_on

JOIN: Final = timedelta(hours=1)
"""How long before a booked training it is seen whether somebody is free to join."""

_LEAST_GRAVE: Final = 4


class OpenSideProject(NamedTuple):
    """A side project that is open.

    Attributes:
        area: What it takes knowledge of.
        owner: Who does it now.
        booked_at: When it begins, where it is a training that a TAM has booked.
    """

    id: str
    area: str | None = None
    owner: str | None = None
    booked_at: datetime | None = None


class Move(NamedTuple):
    """What becomes of side work: somebody gets it, or it goes back."""

    project: str
    to: str | None
    why: Literal["slack", "peak", "absence"]


class Pressure(NamedTuple):
    """How busy the desk is.

    Attributes:
        at_work: How many engineers.
        each: The load for each of them; nothing where nobody is at work.
        is_peak, is_slack: Side work is put back, or can be handed out.
    """

    at_work: int
    each: Fraction | None
    is_peak: bool
    is_slack: bool


def pressure(engineers: Iterable[Engineer], queued: Sequence[int], *, slack: int, peak: int, now: datetime) -> Pressure:
    """The load of a desk for each engineer at work, against its limits of slack and peak.

    Args:
        queued: The severities of what waits for an owner.
    """
    there = [engineer for engineer in engineers if is_at_work(engineer, now)]
    if not there:
        return Pressure(0, None, is_peak=bool(queued), is_slack=False)
    whole = sum(load(engineer.holds) for engineer in there) + sum(WEIGHTS[severity] for severity in queued)
    each = Fraction(whole, len(there))
    is_peak = each >= peak or 1 in queued
    return Pressure(len(there), each, is_peak=is_peak, is_slack=not is_peak and not queued and each <= slack)


def moves(
    projects: Sequence[OpenSideProject],
    engineers: Sequence[Engineer],
    queued: Sequence[int],
    *,
    slack: int,
    peak: int,
    now: datetime,
    had: Mapping[str, int] | None = None,
) -> tuple[Move, ...]:
    """What becomes of side work now.

    In a peak all of it goes back, and whoever is busy beyond the peak alone loses theirs; so do those who are away,
    or answer customers no more. In slack each engineer at work who has little to do gets one: whoever had the least
    of it first, then by id.

    Args:
        projects: In the order in which they are handed out.
        had: How much side work each had lately, by id.
    """
    state = pressure(engineers, queued, slack=slack, peak=peak, now=now)
    known = {engineer.id: engineer for engineer in engineers}
    back = tuple(
        Move(project.id, None, why)
        for project in projects
        if project.owner is not None
        and (why := _why_back(known.get(project.owner), now, peak, is_peak=state.is_peak)) is not None
    )
    if not state.is_slack:
        return back
    lost = {move.project for move in back}
    busy = {project.owner for project in projects if project.owner is not None and project.id not in lost}
    free = [one for one in engineers if one.id not in busy and is_at_work(one, now) and load(one.holds) <= slack]
    free.sort(key=lambda one: (load(one.holds), (had or {}).get(one.id, 0), one.id))
    out: list[Move] = []
    for project in projects:
        if project.owner is not None or not _is_its_time(project, now):
            continue
        able = next((one for one in free if bar(one, project.area) is None), None)
        if able is not None:
            free.remove(able)
            out.append(Move(project.id, able.id, "slack"))
    return (*back, *out)


def is_at_work(engineer: Engineer, now: datetime) -> bool:
    """Whether somebody who may answer customers sits at their desk."""
    if bar(engineer) is not None:
        return False
    try:
        return next_working_instant(now, engineer.schedule, engineer.away) == now
    except ValueError:
        return False


def _why_back(owner: Engineer | None, now: datetime, peak: int, *, is_peak: bool) -> Literal["peak", "absence"] | None:
    if must_hand_on(owner, _LEAST_GRAVE, now) is not None or owner is None:
        return "absence"
    return "peak" if is_peak or load(owner.holds) >= peak else None


def _is_its_time(project: OpenSideProject, now: datetime) -> bool:
    return project.booked_at is None or project.booked_at - JOIN <= now < project.booked_at


def may_take(engineer: Engineer, project: OpenSideProject) -> Unsuitability | None:
    """Why somebody cannot take side work by hand; nothing if they can."""
    return bar(engineer, project.area)
