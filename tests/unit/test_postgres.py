"""What PostgreSQL does otherwise than SQLite: several writers at once, texts in a language's order, plans of its own.

With `--postgres` all that is tested on SQLite runs on it as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.exc import IntegrityError

from rapport.mail import outbox
from rapport.model.account import AccountFile, MembersFile
from rapport.model.base import UserError
from rapport.model.projection import TimelineEvent
from rapport.model.reading import read_toml
from rapport.model.support_case import WrittenCase
from rapport.model.tech_review import ReviewRound
from rapport.rules.attachment import File
from rapport.rules.routing import Choice
from rapport.settings import Settings
from rapport.storage import (
    access,
    account as accounts,
    attachment,
    imports,
    search,
    support_case,
    tech_review,
    timeline,
)
from rapport.storage.database import Connection, Store
from rapport.storage.desk_tables import CaseTextRow
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import TimelineRow
from rapport.storage.tech_review_tables import ReviewConditionRow
from starters.use_cases import tech_review_files
from tests.conftest import ROOT
from tests.helpers_mail import NOW
from tests.mail_fixtures import EXAMPLE, with_example
from tests.support import postgres
from tests.unit.test_outbox import put, row
from tests.unit.test_places import erase_by_two
from tests.unit.test_storage import test_the_migrations_make_exactly_the_tables as same_tables
from tests.unit.test_tech_review_records import search_for_words

WRITERS = 8


@pytest.fixture(scope="module")
def example() -> Iterator[str]:
    """The address of a database with the example account in it; the tests here take turns at it."""
    server = postgres.server()
    with server.database(server.template("imported", with_example)) as url:
        yield url


@pytest.fixture
async def store(example: str) -> AsyncIterator[Store]:
    """A store on it."""
    store = Store(example)
    yield store
    await store.close()


@asynccontextmanager
async def an_own_store() -> AsyncIterator[Store]:
    """A store on a database of its own with the example account in it."""
    server = postgres.server()
    with server.database(server.template("imported", with_example)) as url:
        store = Store(url)
        yield store
        await store.close()


async def plan_of(store: Store, statements: list[tuple[str, Any]], table: str) -> str:
    """How the server goes about the one statement that reads a table, if it need not read small tables whole."""
    [(statement, given)] = [one for one in statements if f"FROM {table}" in one[0]]
    async with store.reading() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))

        def explain(plain: Any) -> str:
            return "\n".join(row[0] for row in plain.exec_driver_sql(f"EXPLAIN {statement}", given))

        return await connection.run_sync(explain)


@pytest.fixture
def asked() -> Iterator[list[tuple[str, Any]]]:
    """The statements that are asked from now on, with what was given."""
    found: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, given: Any, *___: Any) -> None:
        found.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


async def test_the_migrations_make_the_same_tables(store: Store) -> None:
    """After all migrations the schema is what the tables say, here too."""
    await same_tables(store)


async def test_an_occasions_messages_are_found_by_their_key(store: Store, asked: list[tuple[str, Any]]) -> None:
    """An occasion finds its own messages alone, in the order of their bytes, and by their key, not by their account."""
    mine = ["P_1/a/1/C_1", "P_1/a/1/c_1", "P_1/a/1/c_2", "P_1/a/1/ÿ", "P_1/a/1/\U0001f600"]
    others = ("P_1/a/1", "P_1/a/10/c_1", "P_1/a/2/c_1", "Px1/a/1/c_1", "p_1/a/1/c_1")
    await put(store, *(row(key) for key in (*mine, *others)))
    asked.clear()
    async with store.reading() as connection:
        assert list((await outbox.of_occasion(connection, "versayce", "P_1/a/1/", NOW)).states) == mine
        assert not (await outbox.of_occasion(connection, "other", "P_1/a/1/", NOW)).states
    plan = await plan_of(store, asked[:1], "messages")
    assert "messages_by_key" in plan
    assert "Index Cond: (((key)::text >=" in plan


async def opened(connection: Connection, key: str, question: str = "How do I rotate a token?") -> str:
    """A case on record."""
    said = timeline.Submission(
        id=f"s_{key}_{id(connection)}", at=NOW, actor="m", channel="cli", kind="case.open", workflow_id="case",
        verified="cli", text=question, salt="00", text_hash="00",
    )  # fmt: skip
    contact = (await accounts.contacts(connection, "versayce"))[0].id
    await timeline.submit(connection, said)
    written = WrittenCase(account="versayce", question=question, id=key)
    return await support_case.add(connection, written, contact, said.id, "m", NOW)


async def test_solved_cases_are_searched_by_the_index(store: Store, asked: list[tuple[str, Any]]) -> None:
    """The expression that is asked for is, letter by letter, the one that the index is made of; and it finds stems."""
    async with store.writing() as connection:
        ref = await opened(connection, "searched", "The collector's uploads were timing out")
        likely = await search.duplicates(connection, "versayce", "The collector's upload timed out")
        assert [one.ref for one in likely] == [ref]
        asked.clear()
        assert await search.similar(connection, "Collector upload times out") == ()
    assert "case_search" in await plan_of(store, asked, "case_texts")


async def test_of_many_who_open_one_case_at_once_one_does(store: Store) -> None:
    """The same key from several processes at once is one case; the others are told so, and leave nothing behind."""

    async def attempt() -> str | None:
        try:
            async with store.writing() as connection:
                return await opened(connection, "once")
        except IntegrityError:
            return None

    refs = [ref for ref in await asyncio.gather(*(attempt() for _ in range(WRITERS))) if ref is not None]
    assert len(refs) == 1
    async with store.reading() as connection:
        found = await connection.scalar(select(func.count()).select_from(CaseRow).where(CaseRow.key == "once"))
        assert (found, (await support_case.known(connection, "versayce", "once", None)) is not None) == (1, True)


async def submitted(store: Store, title: str) -> str | None:
    """A review with this title; nothing where it stands already."""
    asked = tech_review_files.read_request(ROOT / "examples" / "reviews" / "air-gapped.toml")
    request = asked.model_copy(update={"title": title})
    async with store.writing() as connection:
        by = (await accounts.members(connection))[0].id
        round_ = ReviewRound(by=by, submission="s", stage=request.stage, ask=request.ask, needed_by=NOW)
        there = await tech_review.add(connection, request, round_, NOW)
    return there if isinstance(there, str) else None


async def test_reviews_that_come_at_once_get_numbers_of_their_own(store: Store) -> None:
    """Two that are submitted in the same moment wait for each other: neither takes the other's number."""
    refs = await asyncio.gather(*(submitted(store, f"Review {number}") for number in range(WRITERS)))
    assert len({ref for ref in refs if ref is not None}) == WRITERS


async def test_the_same_review_at_once_is_one(store: Store) -> None:
    """Several who submit the same in the same moment have submitted one."""
    refs = await asyncio.gather(*(submitted(store, "Air gap") for _ in range(WRITERS)))
    assert len([ref for ref in refs if ref is not None]) == 1


async def test_a_chain_with_many_writers_stays_whole(store: Store) -> None:
    """Entries that many write at once stand in one chain, none lost and none twice, also where each comes again."""
    entries = [TimelineEvent(key=f"many/{number}", account="versayce", at=NOW, kind="x") for number in range(40)]

    async def write(some: list[TimelineEvent]) -> None:
        async with store.writing() as connection:
            await timeline.append(connection, some)

    batches = [entries[first : first + 4] for first in range(0, 40, 2)]
    await asyncio.gather(*(write(batch) for batch in batches), *(write(batch) for batch in batches))
    async with store.reading() as connection:
        assert (await timeline.verify(connection)).whole
        told = await connection.scalars(select(TimelineRow.key).where(TimelineRow.key.startswith("many/")))
    assert sorted(told) == sorted(entry.key for entry in entries)


async def test_an_account_is_erased_here_too(tmp_path: Path) -> None:
    """Asked for by one and confirmed by another, nothing of an account stays in any table of this server's either."""
    async with an_own_store() as store:
        await erase_by_two(store, Settings(data=tmp_path))


async def test_reviews_are_searched_here_too() -> None:
    """By quotes, percent signs, underscores and backslashes as they stand, in any alphabet, in capitals or not."""
    async with an_own_store() as store:
        await search_for_words(store)


async def test_a_snapshot_sees_one_state_throughout(store: Store) -> None:
    """What others write while a long reader is at it is not there for it."""
    async with store.snapshot() as reading:
        before = await reading.scalar(select(func.count()).select_from(CaseRow))
        async with store.writing() as connection:
            await opened(connection, "meanwhile")
        assert await reading.scalar(select(func.count()).select_from(CaseRow)) == before


# --- what was not there when several looked


@pytest.fixture
async def fresh() -> AsyncIterator[Store]:
    """A store on a database of its own, with the tables and nothing in them."""
    server = postgres.server()
    with server.database(server.template("fresh", Store.migrate)) as url:
        store = Store(url)
        yield store
        await store.close()


async def at_once(store: Store, write: Callable[[Connection, int], Awaitable[Any]]) -> list[Any]:
    """What came of several that wrote in the same moment, each in a transaction of its own."""

    async def one(number: int) -> Any:
        async with store.writing() as connection:
            return await write(connection, number)

    return await asyncio.gather(*(one(number) for number in range(WRITERS)))


def written(number: int) -> AccountFile:
    """The example under another key and contract, as everybody sends it with the vendor and the members in it."""
    file = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")
    members = file.members[::-1] if number % 2 else file.members
    account = file.account.model_copy(update={"key": f"account-{number}"})
    return file.model_copy(update={"account": account, "members": members})


async def test_the_first_contracts_may_come_at_once(fresh: Store) -> None:
    """On a database without vendor and members, files that bring them at once all get in, in whatever order they
    name people: there is one vendor, and one member an address."""
    await at_once(fresh, lambda connection, number: imports.save(connection, written(number), NOW))
    async with fresh.reading() as connection:
        assert len(await accounts.account_names(connection)) == WRITERS
        known = [member.email for member in await accounts.members(connection)]
    assert sorted(known) == sorted(member.email for member in written(0).members)


async def test_the_same_account_may_come_at_once(fresh: Store) -> None:
    """The same file from several at once is one account, each contact once."""
    await at_once(fresh, lambda connection, _: imports.save(connection, written(0), NOW))
    async with fresh.reading() as connection:
        assert len(await accounts.contacts(connection, "account-0")) == len(written(0).contacts)


async def test_members_may_come_at_once(fresh: Store) -> None:
    """Members put by several at once, however each cases their letters, are there once, and all learn the same ids."""
    file = MembersFile(vendor=written(0).vendor, members=written(0).members)

    def cased(number: int) -> MembersFile:
        some = [
            member.model_copy(update={"email": member.email.swapcase() if number % 2 else member.email})
            for member in (file.members[::-1] if number % 3 else file.members)
        ]
        return file.model_copy(update={"members": tuple(some)})

    ids = await at_once(fresh, lambda connection, number: imports.save_members(connection, cased(number)))
    assert len({frozenset(some) for some in ids}) == 1
    async with fresh.reading() as connection:
        assert len(await accounts.members(connection)) == len(file.members)


async def test_a_token_has_one_secret(fresh: Store) -> None:
    """Of several who make a token of the same name at once one has it; the others are refused."""

    async def make(connection: Connection, _: int) -> str | None:
        try:
            return await access.create_token(connection, "crm", ("service",), NOW)
        except UserError:
            return None

    [secret] = [one for one in await at_once(fresh, make) if one is not None]
    async with fresh.reading() as connection:
        assert await access.find_token(connection, secret) is not None


async def test_the_mail_switch_may_be_thrown_at_once(fresh: Store) -> None:
    """Several who stop all mail for the first time at once have stopped it."""
    switch = access.MailSwitch(stopped=True, by="m", at=NOW)
    await at_once(fresh, lambda connection, _: access.throw_mail_switch(connection, switch))
    async with fresh.reading() as connection:
        assert (await access.mail_switch(connection)).stopped


async def test_a_file_may_be_attached_at_once(store: Store) -> None:
    """A file of the same name from several at once is there once."""
    await put(store, row("attached"))
    file = File(name="plan.pdf", type="application/pdf", content=b"%PDF")
    await at_once(store, lambda connection, _: attachment.attach(connection, "attached", file, "m", NOW))
    async with store.reading() as connection:
        assert len(await attachment.listed(connection, "attached")) == 1


async def test_what_is_searched_of_a_case_may_be_written_at_once(store: Store) -> None:
    """A case that changes twice in the same moment is searched by one text."""
    async with store.writing() as connection:
        ref = await opened(connection, "twice")
    await at_once(store, lambda connection, _: search.put(connection, ref))
    async with store.reading() as connection:
        assert await connection.scalar(select(func.count()).where(CaseTextRow.ref == ref)) == 1


async def test_what_the_desk_decided_may_be_written_at_once(store: Store) -> None:
    """An activity of the desk that runs twice at once keeps each choice once."""
    async with store.writing() as connection:
        ref = await opened(connection, "assigned")
    choice = Choice(ref=ref, to=None, reason="nobody is there", considered=())
    await at_once(store, lambda connection, _: support_case.put_assignments(connection, [(choice, 1, 2)], NOW))
    async with store.reading() as connection:
        assert len(await support_case.assignments(connection, ref)) == 1


async def test_conditions_may_be_settled_at_once(store: Store) -> None:
    """An activity of a review that runs twice at once keeps each condition once, and none of an earlier word."""
    ref = await submitted(store, "Conditions")
    assert ref is not None
    async with store.writing() as connection:
        await tech_review.settle(connection, ref, 1, ["one", "two", "three"])
    await at_once(store, lambda connection, _: tech_review.settle(connection, ref, 1, ["first", "second"]))
    async with store.reading() as connection:
        found = await connection.scalars(
            select(ReviewConditionRow.text).where(ReviewConditionRow.ref == ref).order_by(ReviewConditionRow.position)
        )
    assert list(found) == ["first", "second"]
