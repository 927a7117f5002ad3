"""Ten thousand cases on record: lists have an end, and cost what is open, not what ever was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select

from rapport import support_rules
from rapport.settings import Settings
from rapport.storage import desk_report, support_case
from rapport.storage.database import Connection, Store
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import AccountRow, ContactRow
from starters.services import Services
from starters.views import support_case as support_case_views
from tests.helpers_mail import NOW
from tests.support.no_workflows import NO_WORKFLOWS

ACCOUNTS = 600
CASES = 10_000
STATES = ["queued", "open", "open", "waiting"]


def case(number: int, state: str, *, days: int) -> dict[str, Any]:
    """A case of one of the accounts; it came in so many days ago, and was solved on the next day if it is over."""
    at = NOW - timedelta(days=days)
    over = state == "resolved"
    return {
        "number": number,
        "ref": f"C-{number:05d}",
        "account": f"a{number % ACCOUNTS}",
        "contact": f"c_{number % ACCOUNTS}",
        "area": "api",
        "severity": 1 + number % 4,
        "question": f"q{number}",
        "channel": "cli",
        "opened_by": "m",
        "opened_at": at,
        "state": state,
        "owner": None if state == "queued" else "m",
        "due": None if over else NOW + timedelta(minutes=number),
        "resolved_at": at + timedelta(days=1) if over else None,
        "escalations": 0,
        "breaches": 0,
        "projected": 1,
    }


@pytest.fixture
async def many(store: Store, tmp_path: Path) -> Services:
    """An office with ten thousand cases: eight hundred are open, the others were solved over two years."""
    solved = CASES - 800
    rows = [case(number, "resolved", days=2 + number * 700 // solved) for number in range(1, solved + 1)]
    rows += [case(solved + number, STATES[number % 4], days=1) for number in range(1, 801)]
    async with store.writing() as connection:
        for table in (AccountRow, ContactRow):
            first = (await connection.execute(select(table.__table__).limit(1))).one()._mapping
            keys = (
                [{"key": f"a{number}"} for number in range(ACCOUNTS)]
                if table is AccountRow
                else [
                    {"id": f"c_{number}", "account": f"a{number}", "name": f"Person {number}"}
                    for number in range(ACCOUNTS)
                ]
            )
            await connection.execute(insert(table), [dict(first) | key for key in keys])
        await connection.execute(insert(CaseRow), rows)
    return Services(Settings(data=tmp_path), store, NO_WORKFLOWS)


@pytest.fixture
def asked() -> Iterator[list[tuple[str, Any]]]:
    """The statements that are asked from now on, with what was given."""
    found: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, given: Any, *___: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            found.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


async def lists(services: Services) -> None:
    """What `rapport case list` and the desk's page read."""
    lines = await support_case_views.listed(services)
    assert len(lines) == support_case.CASES_LISTED
    assert [line.state for line in lines[:200]] == ["queued"] * 200
    assert lines[0].contact.startswith("Person ")
    async with services.store.reading() as connection:
        standing = await support_case.standing(connection)
    assert (standing.queued, standing.held) == (200, 600)
    assert standing.due == NOW + timedelta(minutes=CASES - 799)


async def everything(services: Services) -> None:
    """What `rapport case list --all` reads."""
    assert len(await support_case_views.listed(services, also_over=True)) == support_case.CASES_LISTED


async def one_account(services: Services) -> None:
    """What an account's cases read."""
    assert len(await support_case_views.listed(services, "a7", also_over=True)) in (16, 17)


async def week(services: Services) -> None:
    """What the report of a week reads."""
    rules = support_rules.load(services.settings.data)
    last = NOW.date()
    async with services.store.reading() as connection:
        found = await desk_report.read(
            connection,
            desk=rules.desk.schedule,
            slack=rules.desk.slack,
            peak=rules.desk.peak,
            first=last - timedelta(days=6),
            last=last,
            now=NOW,
        )
    assert found.opened > 800


@pytest.mark.sqlite
@pytest.mark.parametrize(("read", "most"), [(lists, 5), (everything, 4), (one_account, 5), (week, 8)])
async def test_what_is_read_of_ten_thousand_cases_has_an_end(
    many: Services, asked: list[tuple[str, Any]], read: Callable[[Services], Awaitable[None]], most: int
) -> None:
    """What is read is a few statements, however many accounts stand in it, and none that looks through all cases."""
    asked.clear()
    await read(many)
    statements = list(asked)
    assert len(statements) <= most, [statement for statement, _ in statements]

    async with many.store.reading() as connection:
        plans = [await plan_of(connection, *one) for one in statements]
    assert not [plan for plan in plans if "SCAN cases" in plan]


async def plan_of(connection: Connection, statement: str, given: Any) -> str:
    """SQLite's own plan of a statement."""

    def explain(plain: Any) -> str:
        return "\n".join(row[3] for row in plain.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given))

    return await connection.run_sync(explain)
