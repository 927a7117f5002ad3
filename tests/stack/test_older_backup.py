"""A database that was put back from a backup older than Temporal, on a real Temporal server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import randrange

import pytest
from sqlalchemy.orm import InstrumentedAttribute
from temporalio.client import Client

from rapport.model.gap import GapStart, NewGap
from rapport.model.ids import case_id, case_ref, gap_id, gap_ref, new_id, review_id
from rapport.model.support_case import CaseStart
from rapport.model.sweep import SweepStart, Swept
from rapport.model.tech_review import review_ref
from rapport.model.workflows import GAP, SUPPORT_CASE, SWEEP
from rapport.storage.gap_tables import GapRow
from rapport.storage.numbers import next_number
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tech_review_tables import ReviewRow
from starters.use_cases import doctor, gap, support_case, tech_review
from starters.use_cases.doctor import CheckVerdict
from starters.use_cases.support_case import Split
from tests.conftest import TAM, Installation, by, until
from tests.stack.test_gap import prepare
from tests.support.desk import LEAD, ask, open_desk
from tests.support.tech_review import CE, people, request

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def opened(here: Installation) -> str:
    """Open a case."""
    return (await ask(here)).ref


async def split(here: Installation) -> str:
    """Make a case of its own of a part of one."""
    return (await support_case.split(here.services, first[0], Split(question="And this?"), by(LEAD))).ref


first: list[str] = []


async def asked(here: Installation) -> str:
    """Ask for a review."""
    wanted = request(datetime.now(UTC).date(), account="versayce")
    return (await tech_review.submit(here.services, wanted, by(CE))).ref


async def logged(here: Installation) -> str:
    """Log a product gap."""
    return (await gap.log(here.services, NewGap(title="Rename", description="They rename by hand."), TAM)).ref


async def at_the_desk(here: Installation) -> None:
    """The desk, with a case."""
    await open_desk(here, day=None)
    first[:] = [await opened(here)]


@pytest.mark.parametrize(
    ("prepared", "column", "ref_of", "id_of", "put_on_record"),
    [
        (at_the_desk, CaseRow.number, case_ref, case_id, opened),
        (at_the_desk, CaseRow.number, case_ref, case_id, split),
        (people, ReviewRow.number, review_ref, review_id, asked),
        (prepare, GapRow.number, gap_ref, gap_id, logged),
    ],
)
async def test_a_number_that_temporal_had_is_given_to_nobody_else(
    here: Installation,
    prepared: Callable[[Installation], Awaitable[None]],
    column: InstrumentedAttribute[int],
    ref_of: Callable[[int], str],
    id_of: Callable[[str], str],
    put_on_record: Callable[[Installation], Awaitable[str]],
) -> None:
    """What is new gets the next number of which Temporal has no workflow, running or over, and one of its own."""
    await prepared(here)
    async with here.services.store.reading() as connection:
        number = await next_number(connection, column)
    queue = new_id("nobody")
    for one in (number, number + 1):
        start = GapStart(ref=f"{randrange(10**6)}")
        await here.client.start_workflow(GAP.name, start, id=id_of(ref_of(one)), task_queue=queue)
    await here.client.get_workflow_handle(id_of(ref_of(number))).terminate("over")
    ref = await put_on_record(here)
    assert ref == ref_of(number + 2)
    described = await here.client.get_workflow_handle(id_of(ref)).describe()
    assert described.task_queue == here.services.settings.task_queue


async def test_a_database_that_is_older_than_temporal_is_told_as_such(
    here: Installation, dev_server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep counts what runs and SQL has nothing of, and the doctor names it with the way out."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    await at_the_desk(here)

    async def swept() -> int:
        found = await here.client.execute_workflow(
            SWEEP.name,
            SweepStart(patience=60),
            id=new_id("sweep"),
            task_queue=here.services.settings.task_queue,
            result_type=Swept,
        )
        assert isinstance(found, Swept)
        return found.unknown

    assert await swept() == 0
    ref = case_ref(10**9 + randrange(10**8))
    start = CaseStart(ref=ref, account="versayce", contact="c_1", question="s_1")
    handle = await here.client.start_workflow(
        SUPPORT_CASE.name, start, id=case_id(ref), task_queue=here.services.settings.task_queue
    )

    async def counted() -> bool:
        return await swept() == 1

    await until(counted, "the sweep to count it")
    diagnosis = await doctor.examine(here.services.settings)
    check = next(one for one in diagnosis.checks if one.check == "workflows")
    assert (check.verdict, "the database is older than Temporal" in check.what) == (CheckVerdict.TROUBLE, True)
    [stranger] = [one for one in check.findings if one.where == case_id(ref)]
    assert (stranger.problem, "A backup that is older than Temporal" in stranger.fix) == (
        "it runs, and SQL has nothing of it",
        True,
    )
    await handle.terminate("over")
