"""Who was asked for something by email and never got it: it failed, may not have arrived, or waits for the relay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, case, false, func, literal, not_, or_, select, true, tuple_

from rapport.model.ids import attempt_of, occurrence_of, person_of, purpose_of, round_of
from rapport.model.message import NOT_DELIVERED, SETTLED, UNDER_WAY, MessageState, Purpose, Resolution
from rapport.rules.attention import OUTSIDE, told_in
from rapport.storage.database import Connection
from rapport.storage.relay import GATE
from rapport.storage.tables import ContactRow, MemberRow, MessageRow, UtcInstant

ASKING = (Purpose.PROPOSAL, Purpose.REMINDER, Purpose.TASK, Purpose.INVITATION)
"""The emails without which nobody knows that something is expected of them."""

_HELD = ("sending is off", "the mail server takes no email", "the mail server says that we send too many emails")
"""Why no email goes."""


class Unreached(NamedTuple):
    """Somebody who was not reached.

    Attributes:
        waits_for: What their email waits for; nothing where it failed or may not have arrived.
    """

    name: str
    waits_for: str | None = None


async def unreached(
    connection: Connection, now: datetime, account: str | None = None
) -> dict[tuple[str, str], tuple[Unreached, ...]]:
    """Those who were not reached, by contract and step: also those whose email waits, and for what.

    One that is scheduled waits for its own instant, whether or not mail goes meanwhile.

    Args:
        account: Of this account alone.
    """
    gate = GATE.subquery()
    stopped, refuses = func.coalesce(gate.c.stopped, false()), gate.c.since.is_not(None)
    limited = func.coalesce(gate.c.slowed_until > literal(now, UtcInstant), false())
    missed = and_(MessageRow.state.in_(NOT_DELIVERED), MessageRow.resolution.is_(None))
    scheduled = and_(
        MessageRow.state == MessageState.READY,
        MessageRow.not_before.is_not(None),
        MessageRow.not_before > literal(now, UtcInstant),
    )
    held = and_(or_(stopped, refuses, limited), MessageRow.state.in_(UNDER_WAY), not_(scheduled))
    waits = and_(MessageRow.purpose.in_(ASKING), MessageRow.contract.is_not(None), or_(missed, held, scheduled))
    if account is not None:
        waits = and_(waits, MessageRow.account == account)
    zones = (row.schedule["zone"].as_string() for row in (ContactRow, MemberRow))
    query = (
        select(
            MessageRow.key,
            MessageRow.contract,
            MessageRow.step,
            func.coalesce(ContactRow.name, MemberRow.name).label("name"),
            (MessageRow.state == MessageState.SENT).label("sent"),
            missed.label("failed"),
            held.label("is_held"),
            scheduled.label("is_scheduled"),
            case(*zip((stopped, refuses, limited), _HELD, strict=True)).label("held"),
            MessageRow.not_before,
            MessageRow.reason,
            func.coalesce(*zones).label("zone"),
        )
        .select_from(MessageRow)
        .join(gate, true())
        .outerjoin(ContactRow, ContactRow.id == MessageRow.person)
        .outerjoin(MemberRow, MemberRow.id == MessageRow.person)
        .where(
            MessageRow.purpose.in_(ASKING),
            ContactRow.left_at.is_(None),
            tuple_(MessageRow.contract, MessageRow.step).in_(
                select(MessageRow.contract, MessageRow.step).join(gate, true()).where(waits)
            ),
        )
        .order_by(MessageRow.contract, MessageRow.step, MessageRow.person, MessageRow.key)
    )
    found: dict[tuple[str, str], tuple[Unreached, ...]] = {}
    rows = await connection.execute(query)
    for where, some in groupby(rows, lambda row: (row.contract, row.step)):
        by_key = {row.key: row for row in some}
        asked = present_question(by_key)
        people = [_unreached([by_key[key] for key in keys]) for keys in asked.values()]
        if missing := tuple(one for one in people if one is not None):
            found[where] = missing
    return found


def present_question(keys: Iterable[str]) -> dict[str, list[str]]:
    """Of the emails that ask people something for one step, those with the question that is open now, by person.

    That is the latest attempt's latest round; once a time is booked there, the invitation as it is by now. Whoever has
    an earlier one has not got this one.
    """
    of_round: dict[tuple[int, int, bool], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key in keys:
        invites = purpose_of(key) == Purpose.INVITATION
        of_round[attempt_of(key), round_of(key), invites][person_of(key)].append(key)
    if not of_round:
        return {}
    latest = max(of_round)
    if not latest[-1]:
        return dict(of_round[latest])
    newest = {person: max(map(occurrence_of, some)) for person, some in of_round[latest].items()}
    return {
        person: [key for key in some if occurrence_of(key) == newest[person]]
        for person, some in of_round[latest].items()
    }


def _unreached(emails: Sequence[Row[Any]]) -> Unreached | None:
    """Somebody whom none of these emails has reached, though one was to; nothing where that is not so."""
    name, failed = emails[0].name, any(one.failed for one in emails)
    held = next((one.held for one in emails if one.is_held), None)
    later = min((one for one in emails if one.is_scheduled), key=lambda one: one.not_before, default=None)
    if name is None or any(one.sent for one in emails) or not (failed or held or later):
        return None
    if failed or held is not None:
        return Unreached(name, None if failed else held)
    assert later is not None
    return Unreached(name, _until(later.not_before, later.reason, later.zone))


def _until(at: datetime, why: str | None, zone: str) -> str:
    """What an email waits for that was scheduled: the beginning of its reader's working time, most of the time."""
    if why is None or why == OUTSIDE:
        return f"it waits for their working hours, which begin {told_in(at, zone)}"
    return f"it waits until {told_in(at, zone)} ({why})"


class MailsOfStep(NamedTuple):
    """How many of a step's emails to the customer's people have gone, and how many have not.

    Attributes:
        sent: Sent.
        elsewhere: Not sent, and its reader was told another way.
        unsent: Still to go, or failed, or may not have arrived, and nobody has taken care of it.
    """

    sent: int
    elsewhere: int
    unsent: int


async def written(connection: Connection, contract: str) -> dict[str, MailsOfStep]:
    """How the emails stand with which a contract's steps begin at the customer's people, by step; no reminders.

    Of a step that was done again, everyone's of the last attempt that has written to them.
    """
    lost = MessageRow.state.in_(NOT_DELIVERED)
    query = (
        select(
            MessageRow.key,
            MessageRow.step,
            (MessageRow.state == MessageState.SENT).label("sent"),
            and_(lost, MessageRow.resolution == Resolution.ELSEWHERE).label("elsewhere"),
            or_(MessageRow.state.not_in(SETTLED), and_(lost, MessageRow.resolution.is_(None))).label("unsent"),
        )
        .join(ContactRow, ContactRow.id == MessageRow.person)
        .where(MessageRow.contract == contract, MessageRow.purpose.in_((Purpose.PROPOSAL, Purpose.MESSAGE)))
        .order_by(MessageRow.step)
    )
    found = {}
    for step, rows in groupby(await connection.execute(query), lambda row: row.step):
        some = list(rows)
        last: dict[str, int] = {}
        for row in some:
            person = person_of(row.key)
            last[person] = max(attempt_of(row.key), last.get(person, 0))
        now = [row for row in some if attempt_of(row.key) == last[person_of(row.key)]]
        counts = (sum(bool(one) for one in kind) for kind in zip(*(row[2:] for row in now), strict=True))
        found[step] = MailsOfStep(*counts)
    return found


def with_unreached(what: str | None, people: Iterable[Unreached]) -> str | None:
    """What is waited for, with who was not reached."""
    if what is None:
        return what

    def why(one: Unreached) -> str:
        return one.waits_for or ""

    told = []
    for reason, some in groupby(sorted(people, key=why), why):
        names = ", ".join(one.name for one in some)
        told.append(
            f"not reached by email yet, because {reason}: {names}" if reason else f"not reached by email: {names}"
        )
    return f"{what} ({'; '.join(told)})" if told else what
