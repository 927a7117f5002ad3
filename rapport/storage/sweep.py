"""When it was last looked for what is on record and nobody is at work on; and what workers noted of themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import delete, literal, select, true

from rapport.model.base import Instant, WireModel
from rapport.model.ids import SWEEP_ID
from rapport.model.sweep import Strays
from rapport.storage.database import Connection
from rapport.storage.tables import EndedOutsideRow, SweepRow
from rapport.storage.upserts import insert_new, put


class RulesRead(WireModel):
    """Which rules of the desk the worker that was started last goes by, and when it read them."""

    at: Instant
    digest: str


async def note_rules(connection: Connection, at: datetime, digest: str) -> None:
    """Note which rules of the desk a worker goes by that has just started."""
    await put(connection, SweepRow, [{"name": _RULES, "at": at, "found": {"digest": digest}}])


async def rules_read(connection: Connection) -> RulesRead | None:
    """Which rules of the desk are gone by; nothing where no worker was started yet."""
    row = (await connection.execute(select(SweepRow.at, SweepRow.found).where(SweepRow.name == _RULES))).one_or_none()
    return None if row is None else RulesRead(at=row.at, digest=row.found["digest"])


_RULES: Final = "rules"


class LastSweep(WireModel):
    """The last round: when it looked, and how many of each it found."""

    at: Instant
    found: dict[str, int]


async def note(connection: Connection, at: datetime, strays: Strays) -> None:
    """Note that it was looked, and what was found."""
    found = {name: len(some) for name, some in strays}
    await put(connection, SweepRow, [{"name": SWEEP_ID, "at": at, "found": found}])


_MISSING: Final = "missing"
_EMAILS: Final = "emails"


async def suspects(connection: Connection, now: datetime, missing: Iterable[str], limit: int) -> list[str]:
    """Note the workflows that are missing now; give those that were missing in the round before as well.

    One that has just ended has yet to be written down; what is missing twice may be gone.

    Args:
        limit: How many of them; the next round has those that come after them, and so all take their turn.
    """
    before, last = await _noted(connection)
    since = {id_: before.get(id_, now.isoformat()) for id_ in sorted(missing)}
    twice = [id_ for id_ in since if id_ in before]
    turn = _after(last, twice)[:limit]
    await _note_missing(connection, now, since, turn[-1] if turn else "")
    return turn


async def in_turn(
    connection: Connection, now: datetime, after: Callable[[str], Awaitable[Sequence[str]]], limit: int
) -> list[str]:
    """Some of the emails that nobody has taken care of, by key: those after the last round's, so that all take turns.

    One that sleeps its day before anybody is asked again is found in each round, and must not keep the others waiting.

    Args:
        after: Gives the first of those whose keys come after this one.
        limit: How many a round takes.
    """
    row = (await connection.execute(select(SweepRow.found).where(SweepRow.name == _EMAILS))).one_or_none()
    last = row.found["last"] if row is not None else ""
    turn = list(await after(last))[:limit]
    if last and len(turn) < limit:
        turn += [key for key in await after("") if key not in turn][: limit - len(turn)]
    if turn:
        await put(connection, SweepRow, [{"name": _EMAILS, "at": now, "found": {"last": turn[-1]}}])
    return turn


def _after(last: str, ids: Sequence[str]) -> list[str]:
    """All of them in their order, from the first after the last one on."""
    return [*(id_ for id_ in ids if id_ > last), *(id_ for id_ in ids if id_ <= last)]


async def clear(connection: Connection, now: datetime, alive: Collection[str]) -> dict[str, datetime]:
    """Forget suspects that run after all; give since when each of the others is missing."""
    noted, last = await _noted(connection)
    since = {id_: at for id_, at in noted.items() if id_ not in alive}
    await _note_missing(connection, now, since, last)
    return {id_: datetime.fromisoformat(at) for id_, at in since.items()}


async def _noted(connection: Connection) -> tuple[dict[str, str], str]:
    """Since when each workflow is missing, and which was looked at last."""
    row = (await connection.execute(select(SweepRow.found).where(SweepRow.name == _MISSING))).one_or_none()
    return (row.found["since"], row.found["last"]) if row is not None else ({}, "")


async def _note_missing(connection: Connection, now: datetime, since: dict[str, str], last: str) -> None:
    await put(connection, SweepRow, [{"name": _MISSING, "at": now, "found": {"since": since, "last": last}}])


async def last(connection: Connection) -> LastSweep | None:
    """The last round; nothing where none was ever begun."""
    row = (await connection.execute(select(SweepRow.at, SweepRow.found).where(SweepRow.name == SWEEP_ID))).one_or_none()
    return None if row is None else LastSweep(at=row.at, found=row.found)


class StandingStill(WireModel):
    """A workflow that was ended from outside, since when, and when it was left so, if it was."""

    workflow_id: str
    since: Instant
    left_at: Instant | None


class KnownEnded(NamedTuple):
    """What was ended from outside and does not run again, by id, and when it was last looked for that."""

    still: dict[str, StandingStill]
    looked: datetime | None


async def known_ended(connection: Connection) -> KnownEnded:
    """As `standing_still`, with when it was looked; by one statement, as lists ask it."""
    columns = (EndedOutsideRow.workflow_id, EndedOutsideRow.since, EndedOutsideRow.left_at)
    anchor = select(literal(SWEEP_ID).label("name")).subquery()
    rows = await connection.execute(
        select(SweepRow.at, *columns)
        .select_from(anchor)
        .outerjoin(SweepRow, SweepRow.name == anchor.c.name)
        .outerjoin(EndedOutsideRow, true())
    )
    found = list(rows)
    still = [StandingStill.model_validate(row._mapping) for row in found if row.workflow_id is not None]
    return KnownEnded({one.workflow_id: one for one in still}, found[0].at)


async def standing_still(connection: Connection) -> dict[str, StandingStill]:
    """What was ended from outside and does not run again, by id."""
    rows = await connection.execute(select(EndedOutsideRow.workflow_id, EndedOutsideRow.since, EndedOutsideRow.left_at))
    return {row.workflow_id: StandingStill.model_validate(row._mapping) for row in rows}


async def stands_still(connection: Connection, since: Mapping[str, datetime]) -> None:
    """Keep what was ended from outside, and since when each is missing."""
    rows = [{"workflow_id": id_, "since": at, "left_at": None} for id_, at in since.items()]
    await insert_new(connection, EndedOutsideRow, rows)


async def leave(connection: Connection, id_: str, now: datetime) -> None:
    """Keep that somebody has decided that it stays ended."""
    await put(connection, EndedOutsideRow, [{"workflow_id": id_, "since": now, "left_at": now}], kept=("since",))


async def goes_on(connection: Connection, ids: Collection[str]) -> None:
    """Forget what runs again, or was taken care of."""
    await connection.execute(delete(EndedOutsideRow).where(EndedOutsideRow.workflow_id.in_(ids)))
