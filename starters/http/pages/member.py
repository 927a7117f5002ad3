"""Pages of members: the portfolio, and one account with what it waits for."""

from __future__ import annotations

import asyncio
from calendar import day_name
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response

from rapport.model.account import CHAMPION, WEEKDAYS
from rapport.model.base import InputModel, Prose, Refused, UserError
from rapport.model.message import MessageState
from rapport.model.reading import check, read_instant
from rapport.model.step import Stage
from starters.http.pages.rendering import day, done_of
from starters.http.pages.visit import RefusedForm, TheVisit, Typed, Visit, form
from starters.services import LISTED, Services, present
from starters.use_cases import (
    account as accounts,
    account_data,
    account_erasure,
    action,
    blocker,
    cadence,
    gap,
    meeting,
    meeting_proposals,
    message,
    onboarding,
    tech_review,
    timeline,
)
from starters.use_cases.account_erasure import ErasureWritten
from starters.use_cases.cadence import CadenceShown
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.meeting_proposals import MeetingWanted
from starters.use_cases.onboarding import MilestoneShown, Status
from starters.use_cases.timeline import EntryShown
from starters.views import support_case

router = APIRouter()

RECENT_ENTRIES: Final = 40
"""How many entries of the timeline a page shows at first."""


StageState = Literal["reached", "unsent", "current", "ahead", "absent"]
"""How far an account is with a stage; `unsent` is a welcome whose steps have ended, and of which no email has gone."""


class StageMark(NamedTuple):
    """One stage of the lifecycle, and how far the account is with it."""

    name: str
    title: str
    state: StageState


class ReportForm(InputModel):
    """How a meeting went, as a form says it."""

    outcome: Literal["held", "no_show"]
    note: Prose | None = None


@router.get("/")
async def portfolio(visit: TheVisit, tam: Annotated[str | None, Query(max_length=254)] = None) -> Response:
    """Every account, or those of one TAM, those past their deadline first; and how many each TAM has."""
    every = await accounts.portfolio(visit.services)
    lines = every if tam is None else await accounts.portfolio(visit.services, tam)
    late = await tech_review.overdue(visit.services, LISTED)
    return await visit.page("portfolio.html", lines=lines, late=late, tam=tam, books=accounts.books(every))


@router.get("/accounts/{key}")
async def account(visit: TheVisit, key: str, all_: Annotated[bool, Query(alias="all")] = False) -> Response:
    """One account: where it is, what it waits for, and how to move it on."""
    return await account_page(visit, key, everything=all_)


def wall_time(text: str, zone: str) -> datetime:
    """Read what a date and time field gives, in a zone.

    Raises:
        UserError: It is empty, no time, or a clock of that zone never shows it.
    """
    if not text:
        raise UserError("is not filled in", field="start", fix="choose a date and a time")
    return read_instant(text, "start", zone)


async def account_page(
    visit: Visit,
    key: str,
    failed: RefusedForm | None = None,
    *,
    everything: bool = False,
) -> Response:
    """Draw an account's page.

    Args:
        failed: A form of it that was refused.
        everything: Show the whole timeline.
    """
    shown = await accounts.show(visit.services, key)
    status = await _status(visit.services, key)
    name, key = status.name if status else key, shown.account
    recurring = await _cadence(visit.services, key)
    open_ones = {rhythm.step for rhythm in recurring.rhythms if rhythm.open} if recurring else set()
    milestones = status.milestones if status else ()
    running = [one for one in milestones if one.state == "running" or one.step in open_ones]
    found, unreachable = (
        await _meetings(visit.services, name, running) if status and status.live else ({}, bool(running))
    )
    lines = await message.listed(visit.services, key)
    told = list(reversed(await timeline.timeline_of(visit.services, key)))
    return await visit.page(
        "account.html",
        failed,
        about=key,
        name=name,
        account=shown,
        onboarding=status,
        stages=stages(status),
        running=running,
        broken=[one for one in milestones if one.state == "failed"],
        meetings=found,
        cadence=recurring,
        unreachable=unreachable,
        known=await account_data.known(visit.services, key),
        messages=list(reversed(lines)),
        drafts=sum(line.state is MessageState.DRAFT for line in lines),
        days=by_day(told if everything else told[:RECENT_ENTRIES], shown.tam.zone),
        more=0 if everything else max(0, len(told) - RECENT_ENTRIES),
        actor=visit.acting(shown.tam.email).email,
        champion_zone=next((one.zone for one in shown.contacts if CHAMPION in one.personas), None),
        weekdays=list(zip(WEEKDAYS, day_name, strict=True)),
        earliest=_earliest(shown.tam.zone),
        erasure=await account_erasure.asked(visit.services, key),
        blockers=await blocker.listed(visit.services, key),
        cases=await support_case.listed(visit.services, key),
        actions=await action.listed(visit.services, key),
        minutes=await meeting.with_minutes(visit.services, key),
        reviews=await tech_review.listed(visit.services, tech_review.ReviewSearch(account=key)),
        gaps=await gap.listed(visit.services, account=key),
    )


_ASKED: Final = "with-"
"""What the boxes begin with by which people are asked to a meeting; what follows is their address."""


@form(router, "/accounts/{key}/meetings", again=account_page, name="propose")
async def propose_meeting(visit: TheVisit, key: str, typed: Typed) -> str:
    """Propose a meeting beside the playbook."""
    tam = (await accounts.show(visit.services, key)).tam
    asked = tuple(name.removeprefix(_ASKED) for name in typed if name.startswith(_ASKED))
    if not asked:
        raise UserError("nobody is asked", field="with", fix="tick at least one person")
    said = {name: typed.get(name, "") for name in ("title", "minutes", "days")}
    if not said["minutes"].isascii() or not said["minutes"].isdecimal():
        raise UserError("is no number of minutes", field="minutes", fix="write it as 60")
    wanted = check(MeetingWanted, {**said, "minutes": int(said["minutes"][:5]), "with": asked}, "")
    proposed = await meeting_proposals.propose(visit.services, key, wanted, visit.acting(tam.email))
    return f"/accounts/{key}?done=proposed#{proposed.step}"


@form(router, "/accounts/{key}/meetings/{step}/book", again=account_page)
async def book(visit: TheVisit, key: str, step: str, typed: Typed) -> str:
    """Set a meeting's time by hand."""
    tam = (await accounts.show(visit.services, key)).tam
    start = wall_time(typed.get("start", ""), tam.zone)
    anyway = typed.get("anyway") == "yes"
    receipt = await meeting.book(visit.services, key, step, start, visit.acting(tam.email), anyway=anyway)
    return f"/accounts/{key}?done={done_of(receipt, 'booked')}"


@form(router, "/accounts/{key}/meetings/{step}/reschedule", again=account_page, name="change")
async def offer_new_times(visit: TheVisit, key: str, step: str, typed: Typed) -> str:
    """Offer everyone new times for a meeting."""
    tam = (await accounts.show(visit.services, key)).tam
    receipt = await meeting.reschedule(
        visit.services, key, step, visit.acting(tam.email), reason=typed.get("reason") or None
    )
    return f"/accounts/{key}?done={done_of(receipt, 'new_times')}"


@form(router, "/accounts/{key}/meetings/{step}/cancel", again=account_page, name="change")
async def cancel_meeting(visit: TheVisit, key: str, step: str, typed: Typed) -> str:
    """Cancel a meeting."""
    tam = (await accounts.show(visit.services, key)).tam
    receipt = await meeting.cancel(visit.services, key, step, typed.get("reason", ""), visit.acting(tam.email))
    return f"/accounts/{key}?done={done_of(receipt, 'meeting_canceled')}"


@form(router, "/accounts/{key}/meetings/{step}/report", again=account_page)
async def report(visit: TheVisit, key: str, step: str, typed: Typed) -> str:
    """Say whether a meeting was held."""
    tam = (await accounts.show(visit.services, key)).tam
    said = check(ReportForm, {name: typed.get(name) or None for name in ("outcome", "note")}, "")
    receipt = await meeting.report(visit.services, key, step, said.outcome, visit.acting(tam.email), said.note)
    return f"/accounts/{key}?done={done_of(receipt, said.outcome)}"


@form(router, "/accounts/{key}/erase", again=account_page, name="erase")
async def ask_to_erase(visit: TheVisit, key: str, typed: Typed) -> str:
    """Ask for the account to be erased."""
    tam = (await accounts.show(visit.services, key)).tam
    written = check(ErasureWritten, {"reason": typed.get("reason", "")}, "")
    await account_erasure.ask(visit.services, key, written, visit.acting(tam.email))
    return f"/accounts/{key}?done=erasure_asked"


@form(router, "/accounts/{key}/erase/withdraw", again=account_page, name="erase")
async def withdraw_erasure(visit: TheVisit, key: str, typed: Typed) -> str:  # noqa: ARG001 - checks the form
    """Take the request for the account to be erased back, as whoever asked."""
    tam = (await accounts.show(visit.services, key)).tam
    await account_erasure.withdraw(visit.services, key, visit.acting(tam.email))
    return f"/accounts/{key}?done=erasure_withdrawn"


@form(router, "/accounts/{key}/erase/confirm", again=account_page, name="erase")
async def confirm_erasure(visit: TheVisit, key: str, typed: Typed) -> str:  # noqa: ARG001 - checks the form
    """Erase the account, as the second person."""
    tam = (await accounts.show(visit.services, key)).tam
    await account_erasure.confirm(visit.services, key, visit.acting(tam.email))
    return "/?done=account_erased"


def _earliest(zone: str) -> str:
    """The earliest time that a field offers. A browser counts its steps of five minutes from there."""
    now = present().astimezone(ZoneInfo(zone))
    return f"{now.replace(minute=now.minute // 5 * 5):%Y-%m-%dT%H:%M}"


async def _status(services: Services, key: str) -> Status | None:
    """Where the account is; nothing if no onboarding was started for it."""
    try:
        return await onboarding.status(services, key)
    except UserError as refusal:
        if refusal.kind is Refused.NOT_FOUND:
            return None
        raise


async def _cadence(services: Services, key: str) -> CadenceShown | None:
    """What recurs for the account; nothing if nothing does yet."""
    try:
        return await cadence.show(services, key)
    except UserError as refusal:
        if refusal.kind is Refused.NOT_FOUND:
            return None
        raise


async def _meetings(
    services: Services, key: str, running: Sequence[MilestoneShown]
) -> tuple[dict[str, MeetingShown], bool]:
    """The meetings among the running steps, by step, and whether one of them did not answer."""

    async def ask(step: str) -> MeetingShown | UserError:
        try:
            return await meeting.show(services, key, step)
        except UserError as refusal:
            return refusal

    answers = await asyncio.gather(*(ask(milestone.step) for milestone in running))
    found = {answer.step: answer for answer in answers if isinstance(answer, MeetingShown)}
    silent = any(isinstance(answer, UserError) and answer.kind is Refused.UNREACHABLE for answer in answers)
    return found, silent


def stages(status: Status | None) -> list[StageMark]:
    """The lifecycle, stage by stage."""
    return [StageMark(stage, stage.replace("_", " ").capitalize(), _mark(stage, status)) for stage in Stage]


def _mark(stage: Stage, status: Status | None) -> StageState:
    if status is None:
        return "ahead"
    steps = [milestone for milestone in status.milestones if milestone.stage == stage]
    if not steps:
        return "absent"
    if any(step.state in onboarding.OPEN_STATES for step in steps):
        return "current" if stage == status.stage else "ahead"
    return "unsent" if stage is Stage.WELCOME and _is_unwelcomed(status) else "reached"


def _is_unwelcomed(status: Status) -> bool:
    """Whether the customer's first email is still to go: the kickoff proposes times with it, or a step sends it."""
    first = [step for step in status.milestones if step.stage in (Stage.WELCOME, Stage.KICKOFF)]
    return not status.welcomed and any(step.unsent or step.state in onboarding.OPEN_STATES for step in first)


def by_day(entries: Sequence[EntryShown], zone: str) -> list[tuple[str, list[EntryShown]]]:
    """Entries under the days of a zone, in the order given."""
    return [(name, list(some)) for name, some in groupby(entries, key=lambda entry: day(entry.at, zone))]
