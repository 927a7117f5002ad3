"""Who was asked for something by email and never got it: it failed, may not have arrived, or waits for the relay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import and_, case, false, func, literal, not_, or_, select, true

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
    failed, held_back, later, sent = (
        func.sum(case((one, 1), else_=0)) for one in (missed, held, scheduled, MessageRow.state == MessageState.SENT)
    )
    zones = (row.schedule["zone"].as_string() for row in (ContactRow, MemberRow))
    query = (
        select(
            MessageRow.contract,
            MessageRow.step,
            func.coalesce(ContactRow.name, MemberRow.name).label("name"),
            failed.label("failed"),
            held_back.label("held_back"),
            func.max(case(*zip((stopped, refuses, limited), _HELD, strict=True))).label("held"),
            func.min(case((scheduled, MessageRow.not_before)), type_=UtcInstant).label("until"),
            func.max(case((scheduled, MessageRow.reason))).label("why"),
            func.max(func.coalesce(*zones)).label("zone"),
        )
        .select_from(MessageRow)
        .join(gate, true())
        .outerjoin(ContactRow, ContactRow.id == MessageRow.person)
        .outerjoin(MemberRow, MemberRow.id == MessageRow.person)
        .where(MessageRow.purpose.in_(ASKING), MessageRow.contract.is_not(None), ContactRow.left_at.is_(None))
        .group_by(MessageRow.contract, MessageRow.step, MessageRow.person, ContactRow.name, MemberRow.name)
        .having(failed + held_back + later > 0, sent == 0)
        .order_by(MessageRow.contract, MessageRow.step, MessageRow.person)
    )
    if account is not None:
        query = query.where(MessageRow.account == account)
    found: dict[tuple[str, str], list[Unreached]] = defaultdict(list)
    for row in await connection.execute(query):
        if row.name is not None:
            waits_for = None if row.failed else row.held if row.held_back else _until(row.until, row.why, row.zone)
            found[row.contract, row.step].append(Unreached(row.name, waits_for))
    return {where: tuple(people) for where, people in found.items()}


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
    """How the emails stand with which a contract's steps begin at the customer's people, by step; no reminders."""
    lost = MessageRow.state.in_(NOT_DELIVERED)
    elsewhere = and_(lost, MessageRow.resolution == Resolution.ELSEWHERE)
    unsent = or_(MessageRow.state.not_in(SETTLED), and_(lost, MessageRow.resolution.is_(None)))
    query = (
        select(
            MessageRow.step,
            func.sum(case((MessageRow.state == MessageState.SENT, 1), else_=0)).label("sent"),
            func.sum(case((elsewhere, 1), else_=0)).label("elsewhere"),
            func.sum(case((unsent, 1), else_=0)).label("unsent"),
        )
        .join(ContactRow, ContactRow.id == MessageRow.person)
        .where(MessageRow.contract == contract, MessageRow.purpose.in_((Purpose.PROPOSAL, Purpose.MESSAGE)))
        .group_by(MessageRow.step)
    )
    return {row.step: MailsOfStep(row.sent, row.elsewhere, row.unsent) for row in await connection.execute(query)}


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
