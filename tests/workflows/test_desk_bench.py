"""The benchmark of the desk, in small: what it counts, and that nothing is lost over weeks of many runs."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, update

from bench import desk
from rapport.model.projection import TimelineEvent
from rapport.model.support_case import CaseStatus, DeskState, DeskView
from rapport.storage.database import Store
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import TimelineRow
from rapport.storage.timeline import append
from starters.services import Actor
from tests.conftest import Installation, until
from tests.mail_fixtures import empty, imported, store
from tests.support.desk import ask, desk_of, open_desk, owner_of
from tests.support.desk_days import NOW, case, staffed

__all__ = ["empty", "imported", "store"]


@pytest.mark.long
async def test_three_weeks_lose_no_case_and_give_none_away_twice() -> None:
    """Nights and hand-offs, with a desk that continues as new every thirty words."""
    outcome = await desk.year(40, 21, turnover=30, moves=7)
    assert (outcome.opened, outcome.lost, outcome.twice) == (40, 0, 0)
    assert outcome.given >= 40
    assert outcome.runs >= 4


@pytest.mark.asyncio(loop_scope="session")
async def test_a_burst_gives_each_case_to_somebody_once(here: Installation) -> None:
    """Thirty questions at once, on the real server, with a desk of many runs: none is lost and none given twice."""
    await open_desk(here, day=None, turnover=20, members=desk.crew(always=True))
    asker = Actor(email="engineer-0@foobar.example", channel="cli")
    refs = [one.ref for one in await asyncio.gather(*(ask(here, f"Question {n}", asker) for n in range(30)))]
    async with here.services.store.writing() as connection:
        # It only says where the numbers of this test begin.
        await connection.execute(delete(CaseRow).where(CaseRow.ref.not_in(refs)))
    for ref in refs:
        await owner_of(here, ref)

    async def confirmed() -> bool:
        return not (await desk_of(here)).state.unacknowledged

    await until(confirmed, "every case to have heard")
    view = await desk_of(here)
    async with here.services.store.reading() as connection:
        assert await desk.counted(connection, view, ended=False) == (0, 0)
    assert view.state.taken == 30
    assert view.state.runs > 1


async def test_what_is_lost_or_twice_is_counted(store: Store) -> None:
    """A case without an owner counts as lost, and one that was told of two owners in one turn counts as twice."""

    def told(ref: str, number: int) -> TimelineEvent:
        key = f"{ref}/case/{ref}/{number}"
        return TimelineEvent(key=key, account="versayce", at=NOW, kind="case.assigned", who="m")

    async with store.writing() as connection:
        ids = await staffed(connection)
        for number in (1, 2, 3):
            await case(connection, number, ids["Ana"])
        await connection.execute(update(CaseRow).values(status=CaseStatus(turn=1).model_dump(mode="json")))
        await append(connection, [told("C-00001", 1), told("C-00002", 1), told("C-00002", 2)])
        view = DeskView(name="support", state=DeskState(), heard=0)
        lost, twice = await desk.counted(connection, view, ended=True)
        assert (lost, twice) == (3, 1)
        await connection.execute(delete(TimelineRow))
