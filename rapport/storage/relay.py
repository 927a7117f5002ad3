"""The one row of SQL by which all processes know whether the relay takes our mail, and whose turn it is to send."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, bindparam, case, exists, select, update

from rapport.model.base import Instant, WireModel
from rapport.model.message import BY_HAND, MessageState
from rapport.model.relay import FaultKind, RelayFault, RelayLimit, RelaySettings, fixed
from rapport.rules.calendar import Interval
from rapport.rules.outage import Misses, counted, proves
from rapport.rules.pace import SKEW, Pace, SlowDown, carried, slower
from rapport.storage.database import Connection
from rapport.storage.tables import MessageRow, RelayFaultRow, RelayRow, SwitchRow, UtcInstant
from rapport.storage.upserts import put

OUTGOING: Final = "mail"
"""The row's name, and that of the switch that stops it by hand. It is there from the first migration on."""


class MailGate(WireModel):
    """Whether mail goes now, as SQL has it.

    Attributes:
        stopped: By hand.
        fault: What the relay does not take, if it was met.
        mended_at: When the relay took our mail again, if it ever had a fault.
        limit: That the mailbox sent too fast for it, if it ever did.
    """

    stopped: bool
    fault: RelayFault | None = None
    mended_at: Instant | None = None
    limit: RelayLimit | None = None

    def limited(self, now: datetime) -> RelayLimit | None:
        """What keeps all mail until an instant to come."""
        held = self.limit is not None and SlowDown(1, self.limit.since, self.limit.until).holds(now)
        return self.limit if held else None

    def has_gone_since(self, instant: datetime, now: datetime) -> bool:
        """Whether mail goes, and the relay has taken it since then; if not, what waits is not late yet.

        That it was mended by a clock that was ahead counts for nothing.
        """
        if self.stopped or self.fault is not None or self.limited(now):
            return False
        if self.limit is not None and instant <= self.limit.until <= now:
            return False
        return self.mended_at is None or self.mended_at < instant or self.mended_at > now + SKEW


_FAULT: Final = (RelayRow.kind, RelayRow.code, RelayRow.fix, RelayRow.since, RelayRow.probed_at)
_LIMIT: Final = (RelayRow.slowed, RelayRow.slowed_since, RelayRow.slowed_until, RelayRow.slowed_code)
GATE: Final = (
    select(SwitchRow.stopped, *_FAULT, *_LIMIT)
    .outerjoin(SwitchRow, SwitchRow.name == RelayRow.name)
    .where(RelayRow.name == OUTGOING)
)
"""One row: whether mail is stopped by hand, and what the relay does not take."""


async def mail_gate(connection: Connection) -> MailGate:
    """Whether mail goes now, by one statement."""
    row = (await connection.execute(GATE)).one()
    fault, limit = _fault(row), None
    if row.slowed_until is not None:
        limit = RelayLimit(since=row.slowed_since, until=row.slowed_until, code=row.slowed_code)
    mended_at = row.probed_at if fault is None else None
    return MailGate(stopped=bool(row.stopped), fault=fault, mended_at=mended_at, limit=limit)


async def relay_fault(connection: Connection) -> RelayFault | None:
    """What keeps all mail from going, if the relay has a fault."""
    return _fault((await connection.execute(_READ)).one())


_READ: Final = select(*_FAULT).where(RelayRow.name == OUTGOING)


def _fault(row: Row[Any]) -> RelayFault | None:
    if row.since is None:
        return None
    return RelayFault.made_of(row, kind=FaultKind(row.kind), fix=row.fix or "")


_NONE_MISSED: Final = {"missed": None, "missed_since": None, "missed_last": None, "missed_kind": None}

_MEET: Final = (
    update(RelayRow)
    .where(RelayRow.name == OUTGOING)
    .values(
        kind=bindparam("what"),
        code=bindparam("answer"),
        fix=bindparam("remedy"),
        since=case((RelayRow.since.is_(None), bindparam("began", type_=UtcInstant)), else_=RelayRow.since),
        probed_at=bindparam("at", type_=UtcInstant),
        **_NONE_MISSED,
    )
)


async def meet_fault(
    connection: Connection,
    kind: FaultKind,
    code: int | None,
    now: datetime,
    named: RelaySettings,
    *,
    since: datetime | None = None,
) -> RelayFault:
    """Keep that the relay takes nothing; since when, is what whoever met it first has kept.

    Args:
        since: When it was first met, if that was before now.
    """
    remedy = fixed(kind, named)
    values = {"what": kind, "answer": code, "remedy": remedy, "at": now, "began": since or now}
    await connection.execute(_MEET, values)
    fault = await relay_fault(connection)
    assert fault is not None
    return fault


async def miss(
    connection: Connection, kind: FaultKind, code: int | None, now: datetime, named: RelaySettings
) -> RelayFault | None:
    """Count an attempt at which the relay did not get as far as a recipient, and took nothing.

    Returns:
        The fault that this is, once that has lasted; nothing before, and where a fault is on record already.
    """
    row = (await connection.execute(_MISSED)).one()
    if row.since is not None:
        return None
    before = None
    if row.missed:
        before = Misses(row.missed, row.missed_since, row.missed_last, FaultKind(row.missed_kind or kind))
    misses = counted(before, now, kind)
    if proves(misses):
        if not await connection.scalar(_SENT_SINCE, {"then": misses.since}):
            return await meet_fault(connection, kind, code, now, named, since=misses.since)
        # Asked only here, so that no mail that simply goes pays for it.
        misses = counted(None, now, kind)
    await connection.execute(
        update(RelayRow)
        .where(RelayRow.name == OUTGOING)
        .values(missed=misses.attempts, missed_since=misses.since, missed_last=misses.last, missed_kind=misses.kind)
    )
    return None


_MISSED: Final = (
    select(RelayRow.since, RelayRow.missed, RelayRow.missed_since, RelayRow.missed_last, RelayRow.missed_kind)
    .where(RelayRow.name == OUTGOING)
    .with_for_update()
)


def taken_since(then: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether the relay has taken a mail since an instant; that somebody confirms one by hand says nothing of it."""
    return exists().where(
        MessageRow.state == MessageState.SENT,
        MessageRow.settled_at >= then,
        MessageRow.reason.is_distinct_from(BY_HAND),
    )


_SENT_SINCE: Final = select(taken_since(bindparam("then", type_=UtcInstant)))


async def hear(connection: Connection) -> None:
    """Keep that the relay has answered to a recipient or a mail, so that what it missed before is over."""
    await connection.execute(
        update(RelayRow).where(RelayRow.name == OUTGOING, RelayRow.missed.is_not(None)).values(**_NONE_MISSED)
    )


async def slow_down(connection: Connection, code: int, now: datetime, pace: Pace | None) -> datetime:
    """Keep that the mailbox sends too fast, which is no outage; when the next mail goes, and the others after it."""
    row = (await connection.execute(_LIMITED)).one()
    before = SlowDown(row.slowed, row.slowed_since, row.slowed_until) if row.slowed else None
    went = before is not None and bool(await connection.scalar(_SENT_SINCE, {"then": before.until}))
    known = slower(before, now, went=went)
    if known != before:
        values = {"slowed": known.times, "slowed_since": known.since, "slowed_until": known.until, "slowed_code": code}
        if pace is not None:
            values |= {"next_at": pace.after(known.until), "given_at": now}
        await connection.execute(update(RelayRow).where(RelayRow.name == OUTGOING).values(**values, **_NONE_MISSED))
        # Nothing is tried meanwhile, so that does not count toward the time after which a mail is given up.
        await put(connection, RelayFaultRow, [{"name": "limit", "since": now, "until": known.until}])
    return known.until


_LIMITED: Final = select(*_LIMIT).where(RelayRow.name == OUTGOING).with_for_update()


async def note_probe(connection: Connection, now: datetime) -> None:
    """Keep that the relay was asked, and could not be reached."""
    await connection.execute(update(RelayRow).where(RelayRow.name == OUTGOING).values(probed_at=now))


async def mend(connection: Connection, now: datetime) -> None:
    """Keep that the relay takes our mail again, and since when; and how long it did not."""
    row = (await connection.execute(_MISSED)).one()
    if row.since is not None and row.since < now:
        await put(connection, RelayFaultRow, [{"name": OUTGOING, "since": row.since, "until": now}])
    await connection.execute(
        update(RelayRow)
        .where(RelayRow.name == OUTGOING)
        .values(kind=None, code=None, fix=None, since=None, probed_at=now, **_NONE_MISSED)
    )


async def idle(connection: Connection, since: datetime, until: datetime) -> list[Interval]:
    """When nothing was tried within a time: the relay had a fault, or mail was stopped by hand; what is over by now."""
    query = select(RelayFaultRow.since, RelayFaultRow.until)
    query = query.where(RelayFaultRow.until > since, RelayFaultRow.since < until)
    return [Interval(row.since, row.until) for row in await connection.execute(query)]


_NEXT: Final = select(RelayRow.next_at, RelayRow.given_at).where(RelayRow.name == OUTGOING)
_NEXT_ALONE: Final = _NEXT.with_for_update()
_TAKEN: Final = (
    update(RelayRow)
    .where(RelayRow.name == OUTGOING)
    .values(next_at=bindparam("later", type_=UtcInstant), given_at=bindparam("present", type_=UtcInstant))
)


async def take_turn(connection: Connection, pace: Pace, now: datetime) -> datetime:
    """When the next mail may go; each turn is given once, whatever process asks."""
    row = (await connection.execute(_NEXT_ALONE)).one()
    turn = pace.turn(carried(row.next_at, row.given_at, now), now)
    await connection.execute(_TAKEN, {"later": turn.next_at, "present": now})
    return turn.at


async def last_turn(connection: Connection, now: datetime) -> datetime:
    """After this instant no mail waits for its turn; a later turn was given by a clock that was ahead."""
    row = (await connection.execute(_NEXT)).one()
    return carried(row.next_at, row.given_at, now) or now
