"""A time that somebody sets by hand: what speaks against it is said, and wants `anyway`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Final, NamedTuple

from temporalio.client import WorkflowHandle

from rapport.mail.context import AccountContext
from rapport.model.account import Schedule
from rapport.model.base import Refused, UserError
from rapport.model.ids import cadence_id
from rapport.model.meeting import MeetingPhase, MeetingResult, MeetingView
from rapport.model.reading import together
from rapport.model.step import Gathering
from rapport.rules import audience, recurrence
from rapport.rules.calendar import Interval
from rapport.rules.hour import Needed, objections
from rapport.storage import account as accounts, cadence, hour
from rapport.storage.database import Connection
from starters import flows
from starters.services import Actor, Services, answered, present

ASK_SECONDS: Final = 2
"""How long a meeting may take to say who comes: where no worker answers, what SQL knows has to do."""

USUALLY: Final = timedelta(minutes=30)
"""How long a meeting is taken to be that did not say."""

ANYWAY: Final = {
    "cli": "set it with --anyway",
    "api": 'send "anyway": true',
    "page": "tick that it is set anyway",
}
"""How to set a time although something speaks against it, by where it was set."""


async def refuse_unsuitable(
    services: Services,
    handle: WorkflowHandle[flows.Meeting, MeetingResult],
    account: str | None,
    start: datetime,
    actor: Actor,
    *,
    field: str = "start",
) -> None:
    """Refuse a meeting's time that could not have been offered: by whose hours, holiday, absence or other meeting.

    Args:
        field: What the time was given as.

    Raises:
        UserError: With a fault for each that speaks against it, and how to set it anyway.
    """
    view: MeetingView | None = None
    with suppress(UserError):
        asked = handle.query(flows.Meeting.view, rpc_timeout=timedelta(seconds=ASK_SECONDS))
        view = await answered(asked, "meeting")
    if start <= present() or (view is not None and view.phase is MeetingPhase.ENDED):
        # The meeting says itself what is wrong with that.
        return
    slot = Interval(start, start + (timedelta(minutes=view.lasts) if view else USUALLY))
    async with services.store.reading() as connection:
        needed = await _needed(connection, handle.id, account, slot, view)
    _refuse(objections(slot, needed), field, actor)


async def refuse_unsuitable_date(
    services: Services, account: str, step: str, start: datetime | StandingWish, actor: Actor
) -> None:
    """Refuse a recurring meeting's time that suits its TAM or whoever it goes by not, as `refuse_unsuitable` does.

    Args:
        start: Of one date; or a standing time, of which the first date counts.

    Raises:
        UserError: As `refuse_unsuitable`.
    """
    mine = hour.standing(account, step)
    definitions: Sequence[Gathering] = ()
    with suppress(UserError):
        handle = services.client.get_workflow_handle_for(flows.Cadence.run, cadence_id(account))
        asked = handle.query(flows.Cadence.plan, rpc_timeout=timedelta(seconds=ASK_SECONDS))
        definitions = [one for one in (await answered(asked, "cadence")).steps if one.name == step]
    async with services.store.reading() as connection:
        company = await AccountContext.read(connection, account)
        known = [one.minutes for one in await cadence.of_account(connection, account) if one.step == step]
        champion = company.champion
        for one in definitions:
            champion = audience.led_by(one, company.contacts.values(), champion)
        field = "start" if isinstance(start, datetime) else "at"
        at = start if isinstance(start, datetime) else _first(start, company.tam.schedule, champion.schedule)
        slot = Interval(at, at + (timedelta(minutes=known[0]) if known else USUALLY))
        ours = await _ours(connection, mine, [company.account.tam_at(at)], slot)
    if at > present():
        _refuse(objections(slot, [[*ours], [Needed(champion.name, champion.schedule)]]), field, actor)


class StandingWish(NamedTuple):
    """A standing time that somebody wants: the day of the week, Monday being 0, and the champion's wall time."""

    weekday: int
    at: time


def _first(wish: StandingWish, tam: Schedule, champion: Schedule) -> datetime:
    """The first date of a standing time that is nobody's holiday."""
    standing = recurrence.set_by_hand(present(), wish.weekday, wish.at, champion)
    dates = recurrence.dates(standing, weeks=1, until=present() + timedelta(weeks=recurrence.BATCH))
    return next((one for one in dates if not recurrence.is_off(one, (tam, champion))), dates[0])


def _refuse(found: Sequence[str], field: str, actor: Actor) -> None:
    if not found:
        return
    faults = [UserError(one, field=field, kind=Refused.CONFLICT) for one in found]
    faults[0].fix = f"choose another time, or {ANYWAY.get(actor.channel, ANYWAY['cli'])}"
    raise together(faults)


async def _needed(
    connection: Connection, meeting: str, account: str | None, slot: Interval, view: MeetingView | None
) -> list[list[Needed]]:
    """Who has to be there, in groups of whom one is enough: each of our own people, and the customer's required."""
    proposal = view.proposal if view is not None else None
    company = await AccountContext.read(connection, account) if account is not None else None
    host = proposal.tam if proposal else company.account.tam_at(slot.start) if company else None
    ours = [] if host is None else [host]
    groups: dict[int, list[Needed]] = {}
    for invitee in proposal.invitees if proposal else ():
        contact = company.contacts.get(invitee.id) if company else None
        if contact is None:
            ours.append(invitee.id)
            continue
        for group in invitee.groups:
            groups.setdefault(group, []).append(Needed(contact.name, contact.schedule))
    if company is not None and proposal is None:
        groups[0] = [Needed(company.champion.name, company.champion.schedule)]
    return [*([one] for one in await _ours(connection, meeting, ours, slot)), *groups.values()]


async def _ours(connection: Connection, meeting: str, ids: Iterable[str], slot: Interval) -> list[Needed]:
    return [
        Needed(
            one.name,
            one.schedule,
            tuple(await hour.engagements(connection, one.id, slot.start, slot.end, but=meeting)),
        )
        for one in await accounts.members(connection, ids)
    ]
