"""Lists of ten thousand accounts: what one member or one account asks costs no more than among a hundred.

The database is made, not lived: of each account the rows that an onboarding of some weeks leaves behind.
"""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import Engine, event, insert, text

from rapport.model.account import ContactWork, Schedule
from rapport.model.ids import new_id
from rapport.model.message import MessageState
from rapport.model.task import TaskDefinition, TaskOption, TaskPhase
from rapport.settings import Settings
from rapport.storage import (
    account as accounts,
    agenda,
    cadence,
    contract as contracts,
    relay,
    succession,
    task as tasks,
    tech_review,
    timeline,
    waits,
)
from rapport.storage.action import OWED_ACTIONS
from rapport.storage.blocker import OWED_BLOCKERS
from rapport.storage.database import Connection, Store
from rapport.storage.tables import (
    AccountRow,
    ActionRow,
    Base,
    BlockerRow,
    ContactRow,
    ContractRow,
    MemberRow,
    MessageRow,
    MilestoneRow,
    RhythmRow,
    TaskHolderRow,
    TaskRow,
    TimelineRow,
    VendorRow,
)
from rapport.storage.tech_review_tables import ReviewRow
from starters.http.app import create_app
from starters.services import LISTED, Services
from starters.use_cases import token
from starters.use_cases.action import shown as shown_actions
from starters.use_cases.blocker import shown as shown_blockers
from tests.support.no_workflows import NO_WORKFLOWS

pytestmark = pytest.mark.long


NOW: Final = datetime(2027, 3, 1, 9, tzinfo=UTC)
FEW, MANY, EACH = 100, 10_000, 100
"""How many accounts, and how many of them one TAM serves."""

FLAT: Final = 5.0
"""What a question about one member or one account may cost among 10,000 accounts, next to among 100."""

LINEAR: Final = 5.0
"""The same of a question about all accounts, for each account."""

ZONE: Final = Schedule(zone="Europe/Zurich").model_dump(mode="json")
STEPS: Final = ("kickoff", "training_plan", "deployment_review", "first_integration", "weekly", "qbr")
QUESTION: Final = TaskDefinition(
    task="to_do",
    question="Is it done?",
    options=(TaskOption(id="done", title="Done"),),
    assign=("tam",),
    on_timeout="not_done",
).model_dump(mode="json")


def member(number: int) -> dict[str, Any]:
    """A TAM."""
    row = dict.fromkeys(("title", "join_url", "calendar_url", "manager", "backup", "delegate", "left_at"))
    return row | {
        "id": f"m_{number}", "email": f"tam{number}@foobar.example", "name": f"Tam {number}", "roles": ["tam"],
        "schedule": ZONE,
    }  # fmt: skip


def template() -> dict[type[Base], list[dict[str, Any]]]:
    """What is on record of one account; `@@` stands for its number, `%%` for its TAM's."""
    number = "@@"
    key, contract, tam = f"a{number}", f"C-{number}", "m_%%"
    before, soon = NOW - timedelta(days=40), NOW + timedelta(hours=3)
    account: dict[str, Any] = {
        "key": key, "name": f"Account {number}", "tam": tam, "regular_tam": None, "tam_until": None, "place": None,
        "review": None, "held": [], "facts": {}, "figures": {}, "created_at": before,
    }  # fmt: skip
    contacts = [
        {
            "id": f"c_{number}_{index}", "account": key, "position": index, "personas": [persona], "name": f"P {index}",
            "email": f"p{index}@{key}.example", "title": None, "schedule": ZONE,
            "work": ContactWork().model_dump(mode="json"),
            "left_at": None,
        }
        for index, persona in enumerate(("key_business_contact", "primary_champion", "primary_user", "secondary_user"))
    ]  # fmt: skip
    milestones = [
        {
            "contract": contract, "step": step, "position": index, "title": step, "stage": "rollout",
            "kind": "cadence" if index > 3 else "message", "state": "running" if index == 2 else "done", "attempt": 1,
            "due": before, "began": before, "ended": None if index == 2 else before, "outcome": None,
            "waiting_on": ["tam"] if index == 2 else [], "waiting_for": "the TAM" if index == 2 else None,
            "unblock": None, "deadline": soon if index == 2 else None, "since": before, "projected": 1,
        }
        for index, step in enumerate(STEPS)
    ]  # fmt: skip
    empty = dict.fromkeys(
        ("reason", "raw", "not_before", "joined", "first_tried_at", "lease_until", "retry_at", "reply", "approved_by",
         "submission")
    )  # fmt: skip
    messages = [
        empty
        | {
            "key": f"{contract}/{STEPS[index % 6]}/1/{index}/1/message/hello/c_{number}_1", "account": key,
            "contract": contract, "step": STEPS[index % 6], "workflow_id": f"onboarding/{key}", "purpose": "message",
            "kind": "hold", "person": f"c_{number}_{index % 4}" if index % 5 else tam, "address": "x@y.example",
            "email": "hello", "occasion": {}, "edits": {}, "subject": "A mail", "message_id": f"<{number}.{index}>",
            "state": MessageState.DRAFT if index == 11 else MessageState.SENT, "created_at": before, "guests": 0,
            "attempts": 1, "fence": 1, "settled_at": before,
        }
        for index in range(12)
    ]  # fmt: skip
    task = {
        "account": key, "contract": contract, "subject": key, "step": "first_integration", "title": "A to-do",
        "definition": QUESTION, "round": 1, "requester": None, "request": None, "asked": None, "answers": [],
        "opened": before, "deadline": soon, "outcome": None, "closed": None, "about": None,
    }  # fmt: skip
    closed = {"phase": TaskPhase.CLOSED, "outcome": "done", "closed": before}
    coming = [{
        "number": 1, "day": "2027-03-01", "original": soon.isoformat(), "start": soon.isoformat(),
        "end": soon.isoformat(), "tick": before.isoformat(), "until": "2027-02-28",
    }]  # fmt: skip
    rhythm = {
        "account": key, "contract": contract, "workflow_id": f"cadence/{key}", "title": "A rhythm", "every": "1 week",
        "minutes": 15, "period": None, "number": 0, "target": None, "open": False, "ended_at": None, "projected": 1,
    }  # fmt: skip
    owned = {"account": key, "meeting": None, "position": 0, "owner": tam, "raised_at": before}
    return {
        AccountRow: [account],
        ContactRow: contacts,
        ContractRow: [{
            "id": contract, "account": key, "playbook": "enterprise", "playbook_version": 1, "signed_at": before,
            "requested_at": before, "workflow_id": f"onboarding/{key}", "run_id": "r", "stage": "rollout",
            "ended_at": None, "paused_at": None, "projected": 1,
        }],
        MilestoneRow: milestones,
        MessageRow: messages,
        TaskRow: [
            task | {"id": f"task/{key}/first_integration/2", "phase": TaskPhase.OPEN},
            *(task | closed | {"id": f"task/{key}/{step}/1"} for step in STEPS[:3]),
        ],
        TaskHolderRow: [{
            "task": f"task/{key}/first_integration/2", "member": tam, "on_behalf_of": None, "via": "assignee",
            "reason": None, "awaited": True,
        }],
        ReviewRow: [{
            "ref": f"TR-{number}", "number": number, "account": key, "title": f"Review {number}", "stage": "pre_trial",
            "ask": "tradeoff_or_timeline", "from_case": None, "submitter": tam, "submitted": before, "round": 1,
            "needed_by": soon, "phase": "feedback", "overdue": False, "outcome": None, "decided": None, "told": None,
            "acknowledged": None, "message": None, "revisit": None, "closed": None, "waiting_on": ["engineering"],
            "waiting_for": "feedback of engineering", "unblock": None, "deadline": soon, "since": before,
            "projected": 1,
        }],
        RhythmRow: [
            rhythm | {"step": "weekly", "rhythm": "sync", "coming": coming},
            rhythm | {"step": "qbr", "rhythm": "review", "coming": []},
        ],
        ActionRow: [owned | {
            "id": f"x_{number}", "what": "Send it", "due": date(2027, 3, 5), "done_at": None, "done_by": None,
        }],
        BlockerRow: [owned | {
            "id": f"b_{number}", "title": "A wall", "next_check": date(2027, 3, 5), "removed_at": None,
            "removed_by": None, "removal": None,
        }],
        TimelineRow: [
            {
                "key": f"{key}/{index}", "account": key, "at": before, "kind": "step.began", "step": "kickoff",
                "who": None, "about": None, "instant": None, "submission": None, "sequence": index, "previous": "",
                "hash": "",
            }
            for index in range(1, 9)
        ],
    }  # fmt: skip


MARKED: Final[dict[type[Base], str]] = {
    AccountRow: "key", ContractRow: "id", MilestoneRow: "contract", TaskHolderRow: "task",
    **dict.fromkeys(
        (ContactRow, MessageRow, TaskRow, ReviewRow, RhythmRow, ActionRow, BlockerRow, TimelineRow), "account"
    ),
}  # fmt: skip
"""Where a row says whose it is."""


def multiplied(table: str, columns: list[str], count: int) -> str:
    """Write the rows of one account once for each of so many."""
    names = [column for column in columns if (table, column) != ("timeline", "id")]
    values = [
        f"CASE typeof({name}) WHEN 'text' THEN replace(replace({name}, '@@', n), '%%', n / {EACH}) ELSE {name} END"
        for name in names
    ]
    return (
        f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count - 1}) "
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table}, numbers"
    )


@asynccontextmanager
async def made(folder: Path, count: int) -> AsyncIterator[Store]:
    """A database of so many accounts."""
    folder.mkdir()
    store = Store(Settings(data=folder).database)
    await store.migrate()
    async with store.writing() as connection:
        await connection.execute(insert(VendorRow), {"id": 1, "name": "V", "product": "P", "company_health": None})
        await connection.execute(insert(MemberRow), [member(number) for number in range(count // EACH)])
        # The database itself multiplies one account: handing over every row would take half a minute.
        await connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        for table, rows in template().items():
            await connection.execute(insert(table), rows)
            await connection.execute(text(multiplied(table.__tablename__, list(table.__table__.columns.keys()), count)))
            await connection.execute(text(f"DELETE FROM {table.__tablename__} WHERE {MARKED[table]} LIKE '%@@%'"))
    yield store
    await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Store, Store]]:
    """A database of few accounts, and one of many."""
    folder = tmp_path_factory.mktemp("many")
    async with made(folder / "few", FEW) as few, made(folder / "many", MANY) as many:
        yield few, many


Ask = Callable[[Connection], Awaitable[Any]]


async def seconds(few: Store, many: Store, ask: Ask) -> tuple[float, float]:
    """How long a question takes among few accounts and among many, each at its best of three, asked by turns.

    It is this process's own time that counts, whatever else the machine does; and what earlier tests have left behind
    is not swept meanwhile.
    """
    took: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            for store, times in zip((few, many), took, strict=True):
                async with store.reading() as connection:
                    began = time.process_time()
                    await ask(connection)
                    times.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(took[0]), min(took[1])


async def a_day(connection: Connection) -> None:
    """A TAM's inbox and morning."""
    today = await agenda.day(connection, await accounts.member(connection, "m_0"), NOW)
    assert len(today.drafts) == len(today.meetings) == EACH


async def an_accounts_actions(connection: Connection) -> None:
    """What an account's page tells of actions."""
    assert await shown_actions(connection, await OWED_ACTIONS.listed(connection, "a7"))


async def an_accounts_blockers(connection: Connection) -> None:
    """What an account's page tells of blockers."""
    assert await shown_blockers(connection, await OWED_BLOCKERS.listed(connection, "a7"))


ONE: Final[dict[str, Ask]] = {
    "a TAM's day": a_day,
    "a TAM's inbox": lambda connection: tasks.waiting_for(connection, "m_0"),
    "what a TAM asked for": lambda connection: tasks.asked_by(connection, "m_0"),
    "how much waits for a TAM": lambda connection: tasks.count_waiting(connection, "m_0"),
    "a TAM's accounts": lambda connection: accounts.accounts_of(connection, "m_0"),
    "an account's rhythms": lambda connection: cadence.of_account(connection, "a7"),
    "an account's steps": lambda connection: contracts.milestones(connection, "C-7"),
    "an account's people": lambda connection: accounts.contacts(connection, "a7"),
    "an account's contract": lambda connection: contracts.latest(connection, "a7"),
    "an account's actions": an_accounts_actions,
    "an account's blockers": an_accounts_blockers,
    "an account's timeline": lambda connection: timeline.tell(connection, "a7"),
    "who hears of an account's people": lambda connection: succession.listeners(connection, "a7"),
    "the page of all reviews": lambda connection: tech_review.listed(connection, limit=LISTED),
    "the reviews that are overdue": lambda connection: tech_review.listed(connection, overdue_only=True, limit=LISTED),
    "the latest task of a step": lambda connection: tasks.latest(connection, "a7", "first_integration"),
}
ALL: Final[dict[str, Ask]] = {
    "the portfolio's contracts": contracts.of_all,
    "the portfolio's waits": contracts.first_waiting,
    "every rhythm": cadence.every,
    "every open wait": waits.open_waits,
}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("question", ONE)
async def test_what_is_asked_of_one_does_not_grow_with_the_others(both: tuple[Store, Store], question: str) -> None:
    """A hundred times as many accounts make no question about one member or account `FLAT` times as slow."""
    few, many = await seconds(*both, ONE[question])
    assert many < FLAT * max(few, 0.001), f"{few * 1000:.2f} ms, {many * 1000:.2f} ms"


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("question", ALL)
async def test_what_is_asked_of_all_grows_with_their_number_alone(both: tuple[Store, Store], question: str) -> None:
    """What reads every account takes, for each of them, hardly longer among many than among few."""
    few, many = await seconds(*both, ALL[question])
    assert many / MANY < LINEAR * few / FEW, f"{few * 1000:.2f} ms, {many * 1000:.2f} ms"


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/reviews", f"{MANY} reviews"),
        ("/inbox", f"{MANY - LISTED} more come after these"),
    ],
)
async def test_a_page_of_many_is_no_longer_and_asks_no_more(
    both: tuple[Store, Store], tmp_path: Path, address: str, says: str
) -> None:
    """Of 10,000 reviews or tasks a page has the first alone, says how many there are, and asks twice more at most."""
    pages, asked = [], []
    for store in both:
        settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"))
        services = Services(settings, store, NO_WORKFLOWS)
        secret = await token.create(services, new_id("token"), ("operator",))
        transport = httpx.ASGITransport(create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as browser:
            assert (await browser.get("/sign-in", params={"key": secret})).status_code == 303
            with statements() as told:
                pages.append((await browser.get(address)).text)
        asked.append(len(told))
    few, many = pages
    assert (few.count("<tr"), many.count("<tr")) == (FEW + 1, LISTED + 1)
    assert says in many
    assert asked[1] <= asked[0] + 2


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The statements that databases are asked meanwhile, with their parameters."""
    told: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, given: Any, *___: Any) -> None:
        told.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.asyncio(loop_scope="session")
async def test_no_list_of_what_is_open_looks_through_what_is_closed(both: tuple[Store, Store]) -> None:
    """By SQLite's own plan, open tasks and overdue reviews are found by an index, however many are long over."""
    with statements() as told:
        async with both[1].reading() as connection:
            await tasks.waiting_for(connection, limit=LISTED)
            await tasks.count_waiting(connection)
            await tech_review.listed(connection, limit=LISTED)
            await tech_review.listed(connection, overdue_only=True, limit=LISTED)
            path = (await connection.execute(text("PRAGMA database_list"))).one().file
    wanted = [one for one in told if "FROM tasks" in one[0] or "FROM tech_reviews" in one[0]]
    assert len(wanted) == 4
    with contextlib.closing(sqlite3.connect(path)) as file:
        for statement, given in wanted:
            steps = [step for *_, step in file.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
            through = [step for step in steps if "tasks" in step or "tech_reviews" in step]
            assert through
            assert all("INDEX tasks_by_phase (phase=?)" in one or "tech_reviews_by_overdue" in one for one in through)


@pytest.mark.asyncio(loop_scope="session")
async def test_no_round_of_the_sweep_looks_through_tasks_that_are_closed(both: tuple[Store, Store]) -> None:
    """By SQLite's own plan, all that each round and the doctor ask of tasks is found by an index."""
    with statements() as told:
        async with both[1].reading() as connection:
            await tasks.open_about_emails(connection)
            await tasks.open_about_email(connection, "a7", "key")
            await tasks.all_gone(connection)
            await waits.open_workflows(connection)
            await waits.open_waits(connection)
            path = (await connection.execute(text("PRAGMA database_list"))).one().file
    wanted = [one for one in told if "FROM tasks" in one[0]]
    assert len(wanted) == 6
    with contextlib.closing(sqlite3.connect(path)) as file:
        for statement, given in wanted:
            steps = [step for *_, step in file.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
            through = [step for step in steps if "tasks" in step]
            assert through
            assert all("tasks_by_phase (phase=?)" in one or "tasks_by_gone_in (gone_in=?)" in one for one in through)


@pytest.mark.asyncio(loop_scope="session")
async def test_whether_anything_was_sent_lately_looks_through_no_mails(both: tuple[Store, Store]) -> None:
    """By SQLite's own plan, an outage of the relay is told from a quiet hour by an index, however many mails went."""
    with statements() as told:
        async with both[1].reading() as connection:
            await connection.scalar(relay._SENT_SINCE, {"then": datetime.now(UTC)})
            path = (await connection.execute(text("PRAGMA database_list"))).one().file
    [(statement, given)] = [one for one in told if "FROM messages" in one[0]]
    with contextlib.closing(sqlite3.connect(path)) as file:
        steps = [step for *_, step in file.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
    assert any("messages_by_state (state=? AND settled_at>?)" in step for step in steps), steps
