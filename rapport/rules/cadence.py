"""What is due of an account's cadence, and what a member may change of it. Instants alone: workflows call it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from rapport.model.account import WEEKDAYS
from rapport.model.base import suggestion
from rapport.model.cadence import (
    BusinessReview,
    CadenceState,
    Missed,
    MoveOne,
    NotHeld,
    Occurrence,
    RhythmView,
    SetRhythm,
    SkipOne,
    StandingMeeting as SyncState,
    SyncPlan,
)
from rapport.model.projection import Wait
from rapport.model.step import ReviewStep, SyncStep

AHEAD: Final = 10
"""How many occurrences are planned at least; more are planned once there are fewer.

So that all that a poll can offer is compared with them: a review's times lie as many as eight weeks ahead.
"""

SEEK_AGAIN: Final = timedelta(weeks=4)
"""How long after finding no standing time the calendars are looked through again, and the TAM is told again."""

RECENT: Final = 4
"""How many past occurrences are remembered, so that a member can still say that one was not held."""

_DAY: Final = timedelta(days=1)


def upcoming(sync: SyncState, now: datetime) -> list[Occurrence]:
    """The occurrences that are still to come, the next at the front; one whose brief has gone may be among them."""
    ahead = [one for one in (*sync.recent, *sync.occurrences) if one.end > now]
    return sorted(ahead, key=lambda one: one.start)


def judge_set(op: SetRhythm, syncs: dict[str, SyncState]) -> str | None:
    """Why a standing time cannot be set, in words; nothing if it can."""
    if op.step not in syncs:
        return _no_sync(op.step, syncs)
    if not 0 <= op.weekday <= 6:
        return f"there is no such day of the week; use one of {', '.join(WEEKDAYS)}"
    return None


def judge_skip(op: SkipOne, syncs: dict[str, SyncState], now: datetime) -> str | None:
    """Why an occurrence cannot be called off."""
    return _judge_one(op.step, op.day, syncs, now)


def judge_move(op: MoveOne, syncs: dict[str, SyncState], now: datetime) -> str | None:
    """Why an occurrence cannot be moved to this time."""
    trouble = _judge_one(op.step, op.day, syncs, now)
    if trouble is not None:
        return trouble
    if op.start <= now:
        return "the time is in the past; choose a later one"
    others = [one for one in upcoming(syncs[op.step], now) if one.day != op.day and one.off is None]
    clash = next((one for one in others if one.start <= op.start < one.end), None)
    if clash is not None:
        return f"the one of {clash.day.isoformat()} is held then; choose another time, or skip that one"
    later = next((one for one in others if one.day > op.day), None)
    if later is not None and op.start >= later.start:
        return f"the one of {later.day.isoformat()} comes before that; choose an earlier time, or skip this one"
    return None


def judge_not_held(op: NotHeld, syncs: dict[str, SyncState], now: datetime) -> str | None:
    """Why nobody can say any more that an occurrence was not held."""
    if op.step not in syncs:
        return _no_sync(op.step, syncs)
    sync = syncs[op.step]
    known = [one for one in (*sync.recent, *sync.occurrences) if one.off is None]
    found = next((one for one in known if one.day == op.day), None)
    if found is None:
        days = ", ".join(one.day.isoformat() for one in known if one.start <= now)
        return f"there was none on {op.day.isoformat()}, or it is too long ago; the last ones: {days or 'none yet'}"
    if now < found.start:
        return "it has not begun yet; skip it or wait until then"
    return None


def runs_out(sync: SyncState) -> bool:
    """Whether more occurrences have to be planned, so that members can always speak of the next few."""
    return sync.standing is not None and sum(one.off is None for one in sync.occurrences) < AHEAD


def takes_absences(sync: SyncState, now: datetime) -> bool:
    """Whether an absence takes some of its dates by now, unless somebody else serves the account then."""
    return sync.look_at is not None and sync.look_at <= now


def _judge_one(step: str, day: date, syncs: dict[str, SyncState], now: datetime) -> str | None:
    if step not in syncs:
        return _no_sync(step, syncs)
    ahead = upcoming(syncs[step], now)
    found = next((one for one in ahead if one.day == day), None)
    if found is None:
        days = ", ".join(one.day.isoformat() for one in ahead[:3] if one.off is None)
        return f"there is none on {day.isoformat()}, or it is not planned yet; the next ones: {days or 'none'}"
    if found.off is not None:
        return f"the one of {day.isoformat()} is off already ({found.off})"
    if found.start <= now:
        return f"the one of {day.isoformat()} has begun; say with report that it was not held"
    return None


def _no_sync(step: str, syncs: dict[str, SyncState]) -> str:
    return f'there is no standing meeting "{step[:40]}"; {suggestion(step, syncs)}'


def replaced(sync: SyncState, changed: Occurrence) -> SyncState:
    """The standing meeting with one of its occurrences changed."""

    def put(some: tuple[Occurrence, ...]) -> tuple[Occurrence, ...]:
        return tuple(changed if one.number == changed.number else one for one in some)

    moved = sorted(put(sync.occurrences), key=lambda one: one.tick)
    return sync.model_copy(update={"occurrences": tuple(moved), "recent": put(sync.recent)})


def lead(occurrence: Occurrence, start: datetime, now: datetime) -> datetime:
    """When brief and digest of a moved occurrence go: as long before it as before, but not in the past."""
    return max(start - (occurrence.start - occurrence.tick), now)


def laid_out(steps: Iterable[SyncStep | ReviewStep], now: datetime) -> CadenceState:
    """A cadence at its very beginning."""
    some = tuple(steps)
    return CadenceState(
        began=now,
        syncs={step.name: SyncState(step=step) for step in some if isinstance(step, SyncStep)},
        reviews={step.name: BusinessReview(step=step) for step in some if isinstance(step, ReviewStep)},
        # A cadence that begins later counts on from beyond what an earlier one of the account has told.
        projected=int(now.timestamp()) // 60,
    )


def planned(sync: SyncState, plan: SyncPlan) -> SyncState:
    """The standing meeting with more of its occurrences planned; those that were planned before stay as they are."""
    known = {one.original for one in (*sync.recent, *sync.occurrences)}
    new = [one for one in plan.occurrences if one.original not in known]
    ahead = sorted((*sync.occurrences, *new), key=lambda one: one.tick)
    return sync.model_copy(
        update={
            "standing": plan.standing,
            "party": plan.party,
            "first": plan.first,
            "occurrences": tuple(ahead),
            "excluded": plan.excluded,
            "announced": plan.announced,
            "number": max([sync.number, *(one.number for one in new)]),
            "seek_at": None,
            "look_at": plan.look_at,
        }
    )


def set_anew(sync: SyncState, now: datetime) -> SyncState:
    """The standing meeting without what is still ahead of its old time; a new time is planned for it."""
    past = tuple(one for one in sync.recent if one.start <= now)
    anew = {"occurrences": (), "recent": past, "wanted": None, "announced": None, "excluded": ()}
    return sync.model_copy(update=anew)


def redefined(sync: SyncState, step: SyncStep, now: datetime) -> SyncState:
    """The standing meeting by another definition, at the time that it has.

    Where it takes place more or less often, or takes longer, its dates are planned anew from the next one on. One whose
    brief has gone stays, and what was said of single dates stays with those that there still are.
    """
    again = {"step": step, "seek_at": None}
    if sync.standing is None or (step.weeks, step.minutes) == (sync.step.weeks, sync.step.minutes):
        return sync.model_copy(update=again)
    days = [one.day for one in upcoming(sync, now) if one.off is None]
    first = min(days, default=sync.standing.first)

    def stays(one: Occurrence) -> bool:
        said = one.is_moved or one.off not in (None, "holiday")
        return said and one.day >= first and (one.day - first).days % (7 * step.weeks) == 0

    def resized(one: Occurrence) -> Occurrence:
        end = one.start + timedelta(minutes=step.minutes)
        return one.model_copy(update={"end": end}) if one.start > now else one

    anew = {
        "standing": sync.standing.model_copy(update={"first": first}),
        "occurrences": tuple(resized(one) for one in sync.occurrences if stays(one)),
        "recent": tuple(resized(one) for one in sync.recent),
        "announced": None,
        "excluded": (),
    }
    return sync.model_copy(update=again | anew)


def counted(sync: SyncState, now: datetime) -> tuple[SyncState, list[Occurrence]]:
    """The standing meeting with what has taken place counted as held, and the occurrences that are so newly."""
    new = [one for one in sync.recent if one.off is None and one.outcome is None and one.end <= now]
    for one in new:
        sync = replaced(sync, one.model_copy(update={"outcome": "held"}))
    return sync, new


def looks_back(sync: SyncState, until: date, *, unread: bool = False) -> date:
    """The first day that a digest speaks of: the one after the last that was told, or one turn ago.

    Args:
        unread: Whether the last digest still waits for whoever reads it first: then this one speaks of its days too.
    """
    if (unread or sync.unheard) and sync.told_from is not None:
        return sync.told_from
    return sync.told + _DAY if sync.told is not None else until - timedelta(days=7 * sync.step.weeks - 1)


def view_of_sync(sync: SyncState, wait: Wait, now: datetime) -> RhythmView:
    """A standing meeting as it is shown."""
    return RhythmView(
        step=sync.step.name,
        title=sync.step.title,
        rhythm="sync",
        every=sync.step.every,
        minutes=sync.step.minutes,
        standing=sync.standing,
        coming=tuple(upcoming(sync, now)),
        wait=wait,
    )


def view_of_review(review_: BusinessReview, *, is_open: bool) -> RhythmView:
    """What views and SQL show of a business review."""
    opened = review_.opened
    return RhythmView(
        step=review_.step.name,
        title=review_.step.title,
        rhythm="review",
        every=review_.step.every,
        minutes=review_.step.minutes,
        period=opened.period if opened else None,
        number=opened.number if opened else 0,
        open=is_open,
        target=review_.plan.target if review_.plan else None,
        offer_at=review_.plan.offer_at if review_.plan else None,
    )


class MeetingTurn(NamedTuple):
    """What is due of a standing meeting: one brief at most, and what was missed."""

    sync: SyncState
    brief: Occurrence | None
    missed: tuple[Missed, ...]


def take_due(sync: SyncState, now: datetime) -> MeetingTurn:
    """Take what is due: the brief of a time that is still ahead; what has begun meanwhile was missed.

    Of several briefs that are due at once only the first is taken; the others are found at the next look, so that
    each gets its own mails.
    """
    missed: list[Missed] = []
    ahead = list(sync.occurrences)
    past: list[Occurrence] = []
    brief = None
    while ahead and ahead[0].tick <= now and brief is None:
        one = ahead.pop(0)
        past.append(one)
        if one.off is not None:
            continue
        if one.start <= now:
            missed.append(Missed(step=sync.step.name, what="sync", at=one.start))
        else:
            brief = one
    recent = (*sync.recent, *past)[-RECENT:]
    return MeetingTurn(sync.model_copy(update={"occurrences": tuple(ahead), "recent": recent}), brief, tuple(missed))


def next_instants(sync: SyncState) -> list[datetime]:
    """When a standing meeting needs something done next: nothing has to be done about a time that is off."""
    if sync.standing is None:
        return [sync.seek_at] if sync.seek_at is not None else []
    looks = [sync.look_at] if sync.look_at is not None else []
    return [one.tick for one in sync.occurrences if one.off is None][:1] + looks


def seeks(sync: SyncState, now: datetime) -> bool:
    """Whether the calendars have to be looked through for a standing time: at first, and again while there is none."""
    if sync.standing is not None or sync.wanted is not None:
        return False
    return sync.seek_at is None or sync.seek_at <= now


def next_of_review(review_: BusinessReview) -> list[datetime]:
    """When a review needs something done next."""
    plan, opened = review_.plan, review_.opened
    waits = [plan.offer_at] if plan is not None else []
    if opened is not None and not review_.briefed:
        waits.append(opened.brief_at)
    if review_.again_at is not None:
        waits.append(review_.again_at)
    return waits
