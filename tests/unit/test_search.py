"""Search over cases: any text is a legal query, what resembles is found, and what is forgotten is not."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st
from sqlalchemy import insert, text, update

from rapport.model.account import AccountFile
from rapport.model.reading import read_toml
from rapport.model.support_case import CaseState
from rapport.storage import imports, search
from rapport.storage.database import Connection, Store
from rapport.storage.support_case_tables import CaseLogRow, CaseRow
from rapport.storage.tables import SubmissionRow
from tests.mail_fixtures import EXAMPLE, address

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
TIMEOUTS = "The collector times out when it uploads large batches to the gateway"


async def said(connection: Connection, id_: str, words: str | None) -> None:
    """What somebody said."""
    await connection.execute(
        insert(SubmissionRow).values(
            id=id_, at=NOW, actor="c_1", channel="cli", kind="case", workflow_id="case", verified="operator", text=words
        )
    )


async def case(
    connection: Connection,
    number: int,
    question: str,
    answer: str | None = None,
    *,
    account: str = "versayce",
    contact: str = "c_1",
    area: str = "agents",
) -> str:
    """A case; solved, if there is an answer."""
    ref = f"C-{number:05d}"
    await said(connection, f"q{number}", question)
    state = CaseState.OPEN if answer is None else CaseState.RESOLVED
    await connection.execute(
        insert(CaseRow).values(
            number=number, ref=ref, account=account, contact=contact, area=area, severity=3, question=f"q{number}",
            channel="cli", opened_by="m_1", opened_at=NOW + timedelta(minutes=number), state=state, escalations=0,
            breaches=0, projected=1, resolved_at=NOW + timedelta(days=1) if answer else None,
        )
    )  # fmt: skip
    if answer is not None:
        await said(connection, f"a{number}", answer)
        line = {"ref": ref, "number": 1, "kind": "answer", "at": NOW, "by": "m_1", "submission": f"a{number}"}
        await connection.execute(insert(CaseLogRow).values(line))
    await search.put(connection, ref)
    return ref


async def test_similar_solved_cases_are_found_with_their_answers(store: Store) -> None:
    """Whatever form its words have, a solved case is found again, the nearest first; open ones and others are not."""
    async with store.writing() as connection:
        near = await case(connection, 1, "Uploading a large batch timed out at the gateway", "Raise the upload limit.")
        far = await case(connection, 2, "Gateway refuses our certificate", "Renew the chain for the collector.")
        await case(connection, 3, "Where do I change the colour of a chart?", "In the dashboard's menu.")
        await case(connection, 4, TIMEOUTS)
        found = await search.similar(connection, TIMEOUTS, but="C-00009")
    assert [one.ref for one in found] == [near, far]
    assert found[0].answer == "Raise the upload limit."
    assert found[0].alike > found[1].alike


async def test_of_equal_ones_the_same_area_comes_first(store: Store) -> None:
    """Two cases in the same words are told apart by where they belong."""
    async with store.writing() as connection:
        await case(connection, 1, TIMEOUTS, "Elsewhere.", area="api")
        same = await case(connection, 2, TIMEOUTS, "Here.", area="agents")
        found = await search.similar(connection, TIMEOUTS, area="agents", limit=1)
    assert [one.ref for one in found] == [same]


async def test_duplicates_are_open_and_of_the_same_account(store: Store) -> None:
    """Offered is what the same customer asks in much the same words; never another customer's, or one that is over."""
    async with store.writing() as connection:
        other = (EXAMPLE.parent / "orbisant.toml").read_bytes()
        await imports.save(connection, read_toml(AccountFile, other, "orbisant.toml"), NOW)
        twin = await case(connection, 1, "Collector times out: it uploads large batches to the gateway, and nothing")
        await case(connection, 2, TIMEOUTS, account="orbisant")
        await case(connection, 3, TIMEOUTS, "Solved.")
        await case(connection, 4, "The gateway is slow today")
        me = await case(connection, 5, TIMEOUTS)
        found = await search.duplicates(connection, "versayce", TIMEOUTS, but=me)
    assert [one.ref for one in found] == [twin]


async def test_what_becomes_of_a_case_is_searched_as_it_is_on_record(store: Store) -> None:
    """A reopened case is no longer a solved one, a merged one is not searched at all, an erased one neither."""
    async with store.writing() as connection:
        ref = await case(connection, 1, TIMEOUTS, "Raise the limit.")
        other = await case(connection, 2, TIMEOUTS, "Wait.", contact="c_2")
        assert len(await search.similar(connection, TIMEOUTS)) == 2
        await connection.execute(update(CaseRow).where(CaseRow.ref == ref).values(state="open", resolved_at=None))
        await search.put(connection, ref)
        assert [one.ref for one in await search.similar(connection, TIMEOUTS)] == [other]
        assert [one.ref for one in await search.duplicates(connection, "versayce", TIMEOUTS)] == [ref]
        await connection.execute(update(CaseRow).where(CaseRow.ref == ref).values(state="merged"))
        await search.put(connection, ref)
        assert await search.duplicates(connection, "versayce", TIMEOUTS) == ()
        await search.forget(connection, "c_2")
        assert await search.similar(connection, TIMEOUTS) == ()
        if connection.dialect.name == "postgresql":
            # Its index holds no words of rows that are gone.
            return
        # Not even the index has kept a word of it.
        assert (await connection.execute(text("SELECT count(*) FROM case_search('collector')"))).scalar() == 0


anything = st.text(max_size=200) | st.lists(
    st.sampled_from(
        ['"', "'", "*", "NEAR(", "AND", "OR", "NOT", "^", ":", "-", "a", "collector", "\x00", "{", "½", "ß"]
    )
).map(" ".join)


@given(anything)
@example('collector" OR "')
@example("NEAR(collector, 2) AND question:x*")
@example("\x00\ud800 ½ \U0001d7d8")
@settings(deadline=None, max_examples=150)
def test_any_text_is_a_legal_query(imported: Path, tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    """Whatever somebody types is looked for, word by word, and never understood as syntax."""
    path = tmp_path_factory.getbasetemp() / "search.db"

    async def ask() -> None:
        fresh = not path.exists()
        if fresh:
            shutil.copy(imported, path)
        store = Store(address(path))
        async with store.writing() as connection:
            if fresh:
                await case(connection, 1, TIMEOUTS, "Raise the limit.")
                await case(connection, 2, TIMEOUTS)
        async with store.reading() as connection:
            found = await search.similar(connection, query)
            await search.duplicates(connection, "versayce", query)
            exact = await search.similar(connection, f"{query} {TIMEOUTS}")
        await store.close()
        asked = set(search.words(query))
        assert not found or asked & set(search.words(f"{TIMEOUTS} raise limit time upload batch"))
        assert len(exact) == 1 or len(asked) > 30

    asyncio.run(ask())


def test_words_are_few_and_say_something() -> None:
    """Even an endless question is searched by its first words alone; what all questions say is not looked for."""
    assert search.words("How do I reset the API-key of an agent? The AGENT is new.") == [
        "reset",
        "api",
        "key",
        "agent",
        "new",
    ]
    assert len(search.words(" ".join(f"word{number}" for number in range(3000)))) == search.MAX_WORDS
    assert search.words("the and of") == []
