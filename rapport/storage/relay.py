"""The one row of SQL by which all processes know whether the relay takes our mail, and whose turn it is to send."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, case, select, update

from rapport.model.base import Wire
from rapport.model.relay import FaultKind, RelayFault
from rapport.policy.pace import Pace
from rapport.storage.database import Connection
from rapport.storage.tables import RelayRow, SwitchRow, UtcInstant

OUTGOING: Final = "mail"
"""The row's name; migration 0011 has made it."""


class MailGate(Wire):
    """Whether mail goes now, as SQL has it.

    Attributes:
        stopped: By hand.
        fault: What the relay does not take, if it was met.
    """

    stopped: bool
    fault: RelayFault | None = None


_FAULT: Final = (RelayRow.kind, RelayRow.code, RelayRow.since, RelayRow.probed_at)
_GATE: Final = select(
    select(SwitchRow.stopped).where(SwitchRow.name == "mail").scalar_subquery().label("stopped"), *_FAULT
).where(RelayRow.name == OUTGOING)


async def mail_gate(connection: Connection) -> MailGate:
    """Whether mail goes now, by one statement."""
    row = (await connection.execute(_GATE)).one()
    return MailGate(stopped=bool(row.stopped), fault=_fault(row))


async def relay_fault(connection: Connection) -> RelayFault | None:
    """What keeps all mail from going, if the relay has a fault."""
    return _fault((await connection.execute(_READ)).one())


_READ: Final = select(*_FAULT).where(RelayRow.name == OUTGOING)


def _fault(row: Row[Any]) -> RelayFault | None:
    if row.since is None:
        return None
    return RelayFault(kind=FaultKind(row.kind), code=row.code, since=row.since, probed_at=row.probed_at)


_MEET: Final = (
    update(RelayRow)
    .where(RelayRow.name == OUTGOING)
    .values(
        kind=bindparam("what"),
        code=bindparam("answer"),
        since=case((RelayRow.since.is_(None), bindparam("at", type_=UtcInstant)), else_=RelayRow.since),
        probed_at=bindparam("at", type_=UtcInstant),
    )
)


async def meet_fault(connection: Connection, kind: FaultKind, code: int | None, now: datetime) -> RelayFault:
    """Keep that the relay takes nothing; since when, is what whoever met it first has kept."""
    await connection.execute(_MEET, {"what": kind, "answer": code, "at": now})
    fault = await relay_fault(connection)
    assert fault is not None
    return fault


async def note_probe(connection: Connection, now: datetime) -> None:
    """Keep that the relay was asked, and could not be reached."""
    await connection.execute(update(RelayRow).where(RelayRow.name == OUTGOING).values(probed_at=now))


async def mend(connection: Connection) -> None:
    """Keep that the relay takes our mail again."""
    await connection.execute(
        update(RelayRow).where(RelayRow.name == OUTGOING).values(kind=None, code=None, since=None, probed_at=None)
    )


_NEXT: Final = select(RelayRow.next_at).where(RelayRow.name == OUTGOING).with_for_update()
_TAKEN: Final = update(RelayRow).where(RelayRow.name == OUTGOING).values(next_at=bindparam("later", type_=UtcInstant))


async def take_turn(connection: Connection, pace: Pace, now: datetime) -> datetime:
    """When the next mail may go; each turn is given once, whatever process asks."""
    turn = pace.turn(await connection.scalar(_NEXT), now)
    await connection.execute(_TAKEN, {"later": turn.next_at})
    return turn.at
