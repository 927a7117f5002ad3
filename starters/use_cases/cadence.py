"""What recurs for an account: seeing it, setting the standing time, changing one date of it."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, Literal, TypeVar

from temporalio.client import WorkflowHandle
from temporalio.workflow import UpdateMethodMultiParam

from rapport.model.access import Action
from rapport.model.account import WEEKDAYS
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.cadence import (
    CadenceResult,
    MoveOne,
    NotHeld,
    RhythmView,
    SetRhythm,
    SkipOne,
    StandingTime,
)
from rapport.model.commands import by_whom
from rapport.model.ids import cadence_id
from rapport.model.meeting import Receipt
from rapport.storage import account as accounts, cadence
from rapport.storage.cadence import Rhythm
from starters import flows
from starters.rights import requires
from starters.services import Actor, Services, answered, member_named, present, submission
from starters.use_cases.hour import StandingWish, refuse_unsuitable_date
from starters.use_cases.names import no_step
from starters.use_cases.words import hand_over, once
from starters.views import standstill

W = TypeVar("W", SetRhythm, SkipOne, MoveOne, NotHeld)


class DateShown(WireModel):
    """One date of a standing meeting.

    Attributes:
        day: How `skip`, `move` and `report` name it: the date by the rule, in the zone of the standing time.
        moved_from: When it would be by the rule, if it was moved.
        off: Why it does not take place.
    """

    day: date
    start: Instant
    end: Instant
    moved_from: Instant | None = None
    off: str | None = None


class RhythmShown(WireModel):
    """One thing that recurs.

    Attributes:
        standing: The standing time in words, such as "Tuesdays 10:00 (Europe/Zurich)".
        next: When it takes place next; of a review when the next is wanted.
        dates: The planned dates, the next at the front.
        meeting: The quarter of the review whose times were offered last; `rapport meeting show A STEP` shows it.
        open: Whether that one has not come to its end.
    """

    step: str
    title: str
    rhythm: Literal["sync", "review"]
    every: str
    minutes: int
    standing: str | None
    next: Instant | None
    dates: tuple[DateShown, ...]
    meeting: str | None
    open: bool
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    unblock: str | None


class CadenceShown(WireModel):
    """What recurs for an account.

    Attributes:
        live: Whether the workflow itself answered; if not, this is what it last wrote down.
        ended_since: Since when nothing of it recurs, where it was ended in Temporal.
        unblock: The command that has it go on then.
    """

    account: str
    rhythms: tuple[RhythmShown, ...]
    live: bool
    ended_since: Instant | None = None
    unblock: str | None = None


@requires(Action.READ)
async def show(services: Services, account: str) -> CadenceShown:
    """What recurs, asked of its workflow, or else as the workflow last wrote it down.

    Raises:
        UserError: There is no such account, or nothing recurs for it.
    """
    async with services.store.reading() as connection:
        await accounts.account(connection, account)
        acts = (await accounts.serving(connection, [account]))[account].acts
        known = await cadence.of_account(connection, account)
    if not known:
        raise UserError(
            f'nothing recurs for "{account}" yet',
            field="account",
            fix=f"`rapport onboarding status {account}` says where it is",
            kind=Refused.NOT_FOUND,
        )

    def read(of: RhythmView) -> RhythmShown:
        shown = _shown(of)
        way = by_whom(shown.unblock, shown.waiting_on, acts, services.reader)
        return shown.model_copy(update={"unblock": way})

    handle = _handle(services, account)
    ended = await standstill.ended_now(services, handle.id)
    if ended is not None:
        # What ended still answers, as if it went on.
        rhythms = tuple(read(one) for one in known)
        way = by_whom(standstill.way_on(handle.id), (), acts, services.reader)
        return CadenceShown(account=account, rhythms=rhythms, live=False, ended_since=ended.since, unblock=way)
    try:
        view = await answered(handle.query(flows.Cadence.view), f"cadence of {account}")
    except UserError:
        view = None
    if view is not None and not view.closing:
        return CadenceShown(account=account, rhythms=tuple(read(one) for one in view.rhythms), live=True)
    return CadenceShown(account=account, rhythms=tuple(read(one) for one in known), live=False)


def _shown(of: RhythmView) -> RhythmShown:
    ahead = sorted((one for one in of.coming if one.end > _earliest(of)), key=lambda one: one.start)
    return RhythmShown.made_of(
        of,
        standing=_words(of.standing),
        next=of.target if of.rhythm == "review" else next((one.start for one in ahead if one.off is None), None),
        dates=tuple(DateShown.made_of(one, moved_from=one.original if one.is_moved else None) for one in ahead),
        meeting=of.period,
        waiting_on=of.wait.on,
        waiting_for=of.wait.what,
        unblock=of.wait.unblock,
    )


def _earliest(of: RhythmView) -> datetime:
    """From when on dates are shown. The workflow has left out what is over by its own clock."""
    return present() if isinstance(of, Rhythm) else datetime.min.replace(tzinfo=present().tzinfo)


def _words(standing: StandingTime | None) -> str | None:
    if standing is None:
        return None
    weekday = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[standing.weekday]
    return f"{weekday}s {standing.at:%H:%M} ({standing.zone})"


@requires(Action.ACT)
async def set_time(
    services: Services, account: str, step: str, day: str, at: str, actor: Actor, *, anyway: bool = False
) -> Receipt:
    """Set a standing time, in the champion's zone; everyone gets the series anew.

    Args:
        day: The day of the week: `mon` to `sun`.
        at: The time of day, such as `10:00`.
        anyway: Whether it is meant although the TAM or the champion doesn't work then, or the TAM has another meeting.

    Raises:
        UserError: The member may not, there is no such standing meeting, the day or the time is none, or something
            speaks against it.
    """
    if day.lower() not in WEEKDAYS:
        raise UserError(f'"{day[:20]}" is no day of the week', field="day", fix=f"write one of {', '.join(WEEKDAYS)}")
    try:
        clock = time.fromisoformat(at)
    except ValueError:
        raise UserError(f'"{at[:20]}" is no time of day', field="at", fix='write it as "10:00"') from None
    if clock.tzinfo is not None or clock.second or clock.microsecond:
        raise UserError(
            "is not a wall time on a whole minute",
            field="at",
            fix='write it as "10:00"; it counts in the champion\'s zone',
        )
    weekday = WEEKDAYS.index(day.lower())
    word = SetRhythm(id="", by="", at=present(), step=step, weekday=weekday, clock=clock)
    wish = None if anyway else StandingWish(weekday, clock)
    return await _say(services, account, "cadence.set", actor, None, flows.Cadence.set_rhythm, word, wish)


@requires(Action.ACT)
async def skip(
    services: Services, account: str, step: str, day: date, actor: Actor, reason: str | None = None
) -> Receipt:
    """Call one date off; everyone's calendar loses that one.

    Raises:
        UserError: The member may not, or there is no such date, or it is off or over already.
    """
    word = SkipOne(id="", by="", at=present(), step=step, day=day)
    return await _say(services, account, "cadence.skip", actor, reason, flows.Cadence.skip, word)


@requires(Action.ACT)
async def move(
    services: Services,
    account: str,
    step: str,
    day: date,
    start: datetime,
    actor: Actor,
    reason: str | None = None,
    *,
    anyway: bool = False,
) -> Receipt:
    """Move one date to another time; everyone's calendar follows.

    Args:
        anyway: As of `set_time`.

    Raises:
        UserError: The member may not, there is no such date, the time is past or beyond the next one's, or something
            speaks against it.
    """
    if start.second or start.microsecond:
        raise UserError("is not on a whole minute", field="start", fix="leave the seconds out")
    word = MoveOne(id="", by="", at=present(), step=step, day=day, start=start)
    wish = None if anyway else start
    return await _say(services, account, "cadence.move", actor, reason, flows.Cadence.move, word, wish)


@requires(Action.ACT)
async def report(
    services: Services, account: str, step: str, day: date, actor: Actor, reason: str | None = None
) -> Receipt:
    """Say that one date was not held. Whatever nobody speaks of counts as held.

    Raises:
        UserError: The member may not, there was no such date, it has not begun, or it is too long ago.
    """
    word = NotHeld(id="", by="", at=present(), step=step, day=day)
    return await _say(services, account, "cadence.report", actor, reason, flows.Cadence.report, word)


async def _say(
    services: Services,
    account: str,
    kind: str,
    actor: Actor,
    reason: str | None,
    update: UpdateMethodMultiParam[[Any, W], Receipt],
    word: W,
    wish: datetime | StandingWish | None = None,
) -> Receipt:
    """Say something of what recurs; the word gets its id, and whose it is, here."""
    member = await member_named(services, actor)
    async with services.store.reading() as connection:
        await accounts.account(connection, account)
        titles = await cadence.titles(connection, account)
    if titles and word.step not in titles:
        raise no_step(f'nothing called "{word.step[:40]}" recurs for "{account}"', word.step, titles)
    handle = _handle(services, account)
    said = submission(member.id, actor, kind, handle.id, reason)
    said = await once(
        services,
        said,
        None if wish is None else lambda: refuse_unsuitable_date(services, account, word.step, wish, actor),
        by_state=True,
        word=word.model_dump(mode="json", exclude={"at"}),
    )
    mine = word.model_copy(update={"id": said.id, "by": member.id, "at": said.at})
    return await hand_over(services, handle, update, mine, f"cadence of {account}")


def _handle(services: Services, account: str) -> WorkflowHandle[flows.Cadence, CadenceResult]:
    return services.client.get_workflow_handle_for(flows.Cadence.run, cadence_id(account))
