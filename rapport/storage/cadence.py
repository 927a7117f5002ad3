"""The projection of what recurs: each account's standing meetings and reviews."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, bindparam, select, update

from rapport.model.cadence import CadenceNews, RhythmView
from rapport.model.ids import cadence_id
from rapport.model.projection import Wait
from rapport.storage import contract as contracts, hour
from rapport.storage.database import Connection
from rapport.storage.tables import RhythmRow
from rapport.storage.timeline import append
from rapport.storage.upserts import put


class Rhythm(RhythmView):
    """One rhythm as SQL was last told; some of what is planned may lie in the past by now."""

    account: str
    contract: str


_TOLD: Final = {column.name for column in RhythmRow.__table__.columns} & set(RhythmView.model_fields)


async def project(connection: Connection, news: CadenceNews) -> None:
    """Write down what a cadence says of itself; what it said later already stands."""
    rows = [
        {
            **view.model_dump(include=_TOLD),
            "account": news.account,
            "contract": news.contract,
            "workflow_id": cadence_id(news.account),
            "coming": [one.model_dump(mode="json") for one in view.coming],
            "ended_at": news.now if news.ended else None,
            "projected": news.number,
        }
        for view in news.rhythms
    ]
    await put(connection, RhythmRow, rows, version="projected")
    for view in news.rhythms:
        if view.coming or news.ended:
            shown = None if news.ended else max(one.start for one in view.coming)
            await hour.release(connection, news.account, view.step, shown)
    for step in news.gone:
        await hour.release(connection, news.account, step)
        await connection.execute(_GONE, {"of": news.account, "of_step": step, "told": news.number, "at": news.now})
        await contracts.tell_wait(connection, news.contract, step, Wait(), news.now)
    if not await connection.scalar(_LATER, {"of": news.account, "told": news.number}):
        await contracts.pause_what_recurs(connection, news.contract, news.paused_at)
    if news.playbook is not None:
        await contracts.follow(connection, news.contract, news.playbook, news.version)
    for view in news.rhythms:
        # What a review waits for is told by its meeting.
        if view.rhythm == "sync":
            await contracts.tell_wait(connection, news.contract, view.step, view.wait, news.now)
    await append(connection, news.entries)


_RHYTHMS: Final = (
    select(RhythmRow.__table__).where(RhythmRow.ended_at.is_(None)).order_by(RhythmRow.account, RhythmRow.step)
)


_LATER: Final = select(RhythmRow.step).where(
    RhythmRow.account == bindparam("of"), RhythmRow.projected > bindparam("told")
)

_GONE: Final = (
    update(RhythmRow)
    .where(
        RhythmRow.account == bindparam("of"),
        RhythmRow.step == bindparam("of_step"),
        RhythmRow.projected <= bindparam("told"),
    )
    .values(ended_at=bindparam("at"), projected=bindparam("told"))
)


async def of_account(connection: Connection, account: str) -> list[Rhythm]:
    """An account's rhythms, while its cadence runs."""
    return [_rhythm(row) for row in await connection.execute(_RHYTHMS.where(RhythmRow.account == account))]


async def titles(connection: Connection, account: str) -> dict[str, str]:
    """The titles of all that recurs for an account, or did."""
    table = RhythmRow.__table__
    rows = await connection.execute(select(table.c.step, table.c.title).where(table.c.account == account))
    return {row.step: row.title for row in rows}


async def every(connection: Connection) -> list[Rhythm]:
    """The rhythms of every account whose cadence runs."""
    return [_rhythm(row) for row in await connection.execute(_RHYTHMS)]


def _rhythm(row: Row[Any]) -> Rhythm:
    return Rhythm.model_validate(row._mapping)
