"""A time that somebody sets by hand: what speaks against it is said, and wants `anyway`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from temporalio.client import WorkflowHandle

from rapport.mail.context import AccountContext
from rapport.model.base import Refused, UserError
from rapport.model.meeting import MeetingPhase, MeetingResult, MeetingView
from rapport.model.reading import together
from rapport.rules.calendar import Interval
from rapport.rules.hour import Attendee, objections
from rapport.storage import account as accounts, hour
from rapport.storage.database import Connection
from starters import flows
from starters.services import Actor, Services, answered, present

ASK_SECONDS: Final = 2
"""How long a meeting may take to say who comes: where no worker answers, what SQL knows has to do."""

USUALLY: Final = timedelta(minutes=30)
"""How long a meeting is taken to be that did not say."""

ANYWAY: Final = {
    "cli": "book it with --anyway",
    "api": 'send "anyway": true',
    "page": "tick that it is booked anyway",
}
"""How to set a time although something speaks against it, by where it was set."""


async def refuse_unsuitable(
    services: Services,
    handle: WorkflowHandle[flows.Meeting, MeetingResult],
    account: str | None,
    start: datetime,
    actor: Actor,
) -> None:
    """Refuse a meeting's time that could not have been offered: by whose hours, holiday, absence or other meeting.

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
    found = objections(slot, needed)
    if found:
        fix = f"choose another time, or {ANYWAY.get(actor.channel, ANYWAY['cli'])}"
        faults = [UserError(one, field="start", kind=Refused.CONFLICT) for one in found]
        faults[0].fix = fix
        raise together(faults)


async def _needed(
    connection: Connection, meeting: str, account: str | None, slot: Interval, view: MeetingView | None
) -> list[list[Attendee]]:
    """Who has to be there, in groups of whom one is enough: each of our own people, and the customer's required."""
    proposal = view.proposal if view is not None else None
    company = await AccountContext.read(connection, account) if account is not None else None
    host = proposal.tam if proposal else company.account.tam_at(slot.start) if company else None
    ours = [] if host is None else [host]
    groups: dict[int, list[Attendee]] = {}
    for invitee in proposal.invitees if proposal else ():
        contact = company.contacts.get(invitee.id) if company else None
        if contact is None:
            ours.append(invitee.id)
            continue
        for group in invitee.groups:
            groups.setdefault(group, []).append(Attendee(contact.name, contact.schedule))
    if company is not None and proposal is None:
        groups[0] = [Attendee(company.champion.name, company.champion.schedule)]
    return [*([one] for one in await _ours(connection, meeting, ours, slot)), *groups.values()]


async def _ours(connection: Connection, meeting: str, ids: Iterable[str], slot: Interval) -> list[Attendee]:
    return [
        Attendee(
            one.name,
            one.schedule,
            tuple(await hour.engagements(connection, one.id, slot.start, slot.end, but=meeting)),
        )
        for one in await accounts.members(connection, ids)
    ]
