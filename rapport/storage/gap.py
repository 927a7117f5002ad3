"""Product gaps, what they are linked to, and what the CRM has of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, insert, select, update

from rapport.model.delivery import DeliveryState
from rapport.model.gap import Gap, GapStatus, Kind, NewGap
from rapport.model.ids import gap_ref, number_in
from rapport.storage.database import Connection
from rapport.storage.gap_tables import GapLinkRow, GapRow
from rapport.storage.numbers import take
from rapport.storage.upserts import insert_new

_GAPS: Final = select(GapRow.__table__)


async def add(connection: Connection, written: NewGap, by: str, now: datetime, number: int | None = None) -> str:
    """Keep a new gap with its links; give its reference.

    Args:
        number: The one that it gets; without it, the next.

    Raises:
        GivenMeanwhileError: Another gap has that number.
    """
    number = await take(connection, GapRow.number, number)
    values = {
        "number": number,
        "title": written.title,
        "description": written.description,
        "status": GapStatus.OPEN,
        "roadmap": str(written.roadmap) if written.roadmap else None,
        "logged_by": by,
        "logged_at": now,
        "changed_at": now,
        "version": 1,
        "delivery": DeliveryState.WAITING,
        "delivery_reason": None,
        "first_tried_at": None,
        "sent_version": 0,
    }
    await connection.execute(insert(GapRow).values(**values))
    await _link(connection, number, written.pairs())
    return gap_ref(number)


async def link(connection: Connection, ref: str, pairs: Iterable[tuple[Kind, str]], now: datetime) -> bool:
    """Link a gap to more; whether anything was new."""
    number = _number(ref)
    before = set(await _links(connection, number))
    new = [pair for pair in pairs if pair not in before]
    await _link(connection, number, new)
    if new:
        await _changed(connection, number, now)
    return bool(new)


async def change(connection: Connection, ref: str, status: GapStatus, roadmap: str | None, now: datetime) -> None:
    """Say where a gap is by now, and where its progress can be followed, if that is said."""
    values = {"status": status} | ({"roadmap": roadmap} if roadmap else {})
    number = _number(ref)
    await connection.execute(update(GapRow).where(GapRow.number == number).values(**values))
    await _changed(connection, number, now)


async def again(connection: Connection, ref: str) -> None:
    """Have the newest version sent anew, whatever became of it before."""
    await connection.execute(update(GapRow).where(GapRow.number == _number(ref)).values(**_UNSENT))


async def _changed(connection: Connection, number: int, now: datetime) -> None:
    values = {"version": GapRow.version + 1, "changed_at": now, **_UNSENT}
    await connection.execute(update(GapRow).where(GapRow.number == number).values(**values))


_UNSENT: Final[dict[str, Any]] = {"delivery": DeliveryState.WAITING, "delivery_reason": None, "first_tried_at": None}


async def _link(connection: Connection, number: int, pairs: Iterable[tuple[Kind, str]]) -> None:
    rows = [{"gap": number, "kind": kind, "ref": ref} for kind, ref in pairs]
    await insert_new(connection, GapLinkRow, rows)


async def _links(connection: Connection, number: int) -> list[tuple[str, str]]:
    rows = await connection.execute(select(GapLinkRow.kind, GapLinkRow.ref).where(GapLinkRow.gap == number))
    return [(row.kind, row.ref) for row in rows]


async def gap(connection: Connection, ref: str) -> Gap | None:
    """One gap."""
    if not is_ref(ref):
        return None
    found = await _read(connection, _GAPS.where(GapRow.number == _number(ref)))
    return found[0] if found else None


async def known(
    connection: Connection, *, status: GapStatus | None = None, linked: tuple[Kind, str] | None = None
) -> list[Gap]:
    """The gaps, the newest first: all, or of one status, or that concern one account, review or case."""
    query = _GAPS.order_by(GapRow.number.desc())
    if status is not None:
        query = query.where(GapRow.status == status)
    if linked is not None:
        concerned = select(GapLinkRow.gap).where(GapLinkRow.kind == linked[0], GapLinkRow.ref == linked[1])
        query = query.where(GapRow.number.in_(concerned))
    return await _read(connection, query)


async def undelivered(connection: Connection) -> list[Gap]:
    """The gaps of which the CRM does not have the newest version, and will not get it by itself."""
    return await _read(
        connection, _GAPS.where(GapRow.delivery.in_([DeliveryState.FAILED, DeliveryState.OFF])).order_by(GapRow.number)
    )


async def pending(connection: Connection, before: datetime) -> list[str]:
    """The gaps that changed before an instant and of which it is not said yet what became of sending them."""
    waiting = (GapRow.delivery == DeliveryState.WAITING, GapRow.changed_at < before)
    numbers = await connection.scalars(select(GapRow.number).where(*waiting).order_by(GapRow.number))
    return [gap_ref(number) for number in numbers]


async def unbegun(connection: Connection, before: datetime) -> list[tuple[str, datetime]]:
    """The gaps that nobody has tried to send since they changed, before an instant, and when they did."""
    waiting = (GapRow.delivery == DeliveryState.WAITING, GapRow.first_tried_at.is_(None), GapRow.changed_at < before)
    rows = await connection.execute(select(GapRow.number, GapRow.changed_at).where(*waiting).order_by(GapRow.number))
    return [(gap_ref(row.number), row.changed_at) for row in rows]


async def try_now(connection: Connection, ref: str, now: datetime) -> tuple[Gap, datetime]:
    """A gap that is about to be sent, and since when its newest version is tried."""
    number = _number(ref)
    untried = (GapRow.number == number, GapRow.first_tried_at.is_(None))
    await connection.execute(update(GapRow).where(*untried).values(first_tried_at=now))
    (found,) = await _read(connection, _GAPS.where(GapRow.number == number))
    since: datetime = await connection.scalar(select(GapRow.first_tried_at).where(GapRow.number == number))
    return found, since


async def settle(connection: Connection, ref: str, version: int, state: str, reason: str | None = None) -> None:
    """Note what became of sending a version; of an older one only that the CRM has it."""
    number = _number(ref)
    if state == DeliveryState.SENT:
        newer = (GapRow.number == number, GapRow.sent_version < version)
        await connection.execute(update(GapRow).where(*newer).values(sent_version=version))
    newest = (GapRow.number == number, GapRow.version == version)
    await connection.execute(update(GapRow).where(*newest).values(delivery=state, delivery_reason=reason))


def is_ref(text: str) -> bool:
    """Whether this is what a gap is called."""
    head, _, number = text.partition("-")
    return head == "GAP" and number_in(number) is not None


def _number(ref: str) -> int:
    return int(ref.partition("-")[2])


async def _read(connection: Connection, query: Select[Any]) -> list[Gap]:
    rows = list(await connection.execute(query))
    links: dict[tuple[int, str], list[str]] = defaultdict(list)
    found = await connection.execute(
        select(GapLinkRow.gap, GapLinkRow.kind, GapLinkRow.ref)
        .where(GapLinkRow.gap.in_([row.number for row in rows]))
        .order_by(GapLinkRow.ref)
    )
    for one in found:
        links[one.gap, one.kind].append(one.ref)
    return [_gap(row, links) for row in rows]


def _gap(row: Row[Any], links: dict[tuple[int, str], list[str]]) -> Gap:
    def of(kind: Kind) -> Sequence[str]:
        return tuple(links.get((row.number, kind), ()))

    return Gap.made_of(
        row,
        ref=gap_ref(row.number),
        accounts=tuple(of("account")),
        reviews=tuple(of("review")),
        cases=tuple(of("case")),
        logged=row.logged_at,
        changed=row.changed_at,
    )
