"""What storage promises: the migrations make the tables, nothing is lost between writers, secrets are not kept."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings, strategies as st
from sqlalchemy import Connection, create_engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError, StatementError

from rapport.model.account import AccountFile
from rapport.model.base import UserError
from rapport.model.projection import Milestone, Projection, StepNews, TimelineEvent, Wait
from rapport.model.reading import read_toml
from rapport.playbooks import load
from rapport.storage import (
    access,
    account as accounts,
    contract as contracts,
    imports,
    search,
    timeline,
    upserts,
)
from rapport.storage.access import Link, MailSwitch
from rapport.storage.database import Store
from rapport.storage.faults import DatabaseFault
from rapport.storage.tables import Base, LinkRow, MemberRow, SwitchRow, TimelineRow, TokenRow
from tests.conftest import LIMIT
from tests.helpers_mail import NOW, processes_apart, write_many
from tests.mail_fixtures import EXAMPLE, is_current
from tests.support.postgres import own_database


@pytest.fixture
async def bare(empty: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """A database with the tables and nothing in them."""
    with own_database(tmp_path / "bare.db", empty) as url:
        store = Store(url)
        yield store
        await store.close()


def file(**changes: str) -> AccountFile:
    """The example's account file, with pieces of its text replaced."""
    text = EXAMPLE.read_text()
    for old, new in changes.items():
        old = old.replace("__", " ")
        assert old in text
        text = text.replace(old, new)
    return read_toml(AccountFile, text.encode(), "versayce.toml")


async def save(store: Store, account: AccountFile, at: datetime = NOW) -> None:
    """Import an account file."""
    async with store.writing() as connection:
        await imports.save(connection, account, at)


async def dump(store: Store) -> dict[str, list[Any]]:
    """Everything in the database, table by table."""
    async with store.reading() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))]
            for table in Base.metadata.sorted_tables
        }


# --- schema


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index members_by_address")
async def test_the_migrations_make_exactly_the_tables(bare: Store) -> None:
    """After all migrations the schema is what the tables say: nothing is missing, nothing too many."""

    def is_ours(name: str | None, type_: str, parents: Any) -> bool:
        # SQLite keeps the full-text index in tables of its own; in PostgreSQL it is made of an expression, as are
        # the others, and no tables can say that.
        return not (name or "").startswith((search.INDEX, "messages_by_key", "members_by_address"))

    def compare(connection: Connection) -> Any:
        options = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, Base.metadata)

    async with bare.writing() as connection:
        assert await connection.run_sync(compare) == []
    assert await is_current(bare)


async def test_migrating_twice_changes_nothing(store: Store) -> None:
    """A database that is up to date is left as it is, with all that stands in it."""
    before = await dump(store)
    await store.migrate()
    assert await dump(store) == before
    assert before["contacts"]


async def test_a_database_without_tables_is_not_current(tmp_path: Path) -> None:
    """A worker can tell that an installation was not set up."""
    with own_database(tmp_path / "new.db") as url:
        store = Store(url)
        assert not await is_current(store)
        await store.close()


async def test_a_failed_write_leaves_nothing(store: Store) -> None:
    """A transaction that fails in the middle is rolled back as a whole."""
    before = await dump(store)

    async def fail() -> None:
        async with store.writing() as connection:
            await timeline.append(connection, [TimelineEvent(key="k", account="versayce", at=NOW, kind="x")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await dump(store) == before


async def test_errors_name_no_values(store: Store) -> None:
    """What a database error says holds none of the values that were written: they may be personal."""
    async with store.writing() as connection:
        await connection.execute(
            insert(TokenRow).values(name="n", digest="d", scopes=[], created_at=NOW, revoked_at=None)
        )
    with pytest.raises(IntegrityError) as error:
        async with store.writing() as connection:
            await connection.execute(
                insert(TokenRow).values(name="n", digest="personal", scopes=[], created_at=NOW, revoked_at=None)
            )
    assert "personal" not in str(error.value)


# --- instants


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1000, 1, 2), datetime(9998, 12, 30), timezones=ZONES)  # noqa: DTZ001 - hypothesis


@settings(max_examples=30, deadline=None)
@given(st.lists(INSTANTS, min_size=2, max_size=20))
def test_instants_come_back_as_they_went_in(instants: list[datetime]) -> None:
    """Any instant of any zone comes back as the same instant in UTC, and SQL orders instants as time does."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine, [Base.metadata.tables["timeline"]])
    with engine.begin() as connection:
        same = {"account": "a", "kind": "x", "previous": "", "hash": ""}
        rows = [same | {"key": str(number), "at": at, "sequence": number} for number, at in enumerate(instants)]
        connection.execute(insert(TimelineRow), rows)
        found = list(connection.scalars(select(TimelineRow.at).order_by(TimelineRow.id)))
        ordered = list(connection.scalars(select(TimelineRow.at).order_by(TimelineRow.at)))
        first = connection.scalar(select(func.count()).where(TimelineRow.at <= instants[0]))
    engine.dispose()
    assert found == instants
    assert ordered == sorted(instants)
    assert {at.tzinfo for at in found} == {UTC}
    assert first == sum(at <= instants[0] for at in instants)


async def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    """A naive time never reaches the database."""
    with pytest.raises(StatementError, match="an instant needs a zone"):
        async with store.writing() as connection:
            await upserts.insert_new(
                connection,
                SwitchRow,
                [{"name": "mail", "stopped": True, "by": "x", "at": datetime(2026, 1, 1)}],  # noqa: DTZ001
            )


# --- several writers


@pytest.mark.sqlite
async def test_two_processes_at_once_lose_nothing(store: Store) -> None:
    """Processes that write to one SQLite file at once all get through, one after the other."""
    processes = [processes_apart().Process(target=write_many, args=(store.url, writer, 60)) for writer in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)
    assert [process.exitcode for process in processes] == [0, 0]
    async with store.reading() as connection:
        counted = list(await connection.scalars(select(TimelineRow.about).order_by(TimelineRow.id)))
        assert (await timeline.verify(connection)).whole
    assert counted == [str(number) for number in range(120)]


@pytest.mark.sqlite
async def test_two_stores_at_once_lose_nothing(store: Store) -> None:
    """Two parts of a process, each with connections of its own, read and write at once without losing an update."""
    other = Store(store.url)

    async def count_up(where: Store) -> None:
        async with where.writing() as connection:
            seen = await connection.scalar(select(func.count()).select_from(TimelineRow))
            await asyncio.sleep(0)  # let the others try to come between
            await timeline.append(connection, [TimelineEvent(key=str(seen), account="versayce", at=NOW, kind="x")])

    await asyncio.gather(*(count_up(where) for _ in range(25) for where in (store, other)))
    await other.close()
    async with store.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(TimelineRow)) == 50


@pytest.mark.sqlite
async def test_a_writer_that_waits_can_be_called_off_or_told_that_it_waited_too_long(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process keeps the database to itself, nobody waits for ever; after it all goes on."""
    entry = TimelineEvent(key="k", account="versayce", at=NOW, kind="x")

    async def write() -> None:
        async with store.writing() as connection:
            await timeline.append(connection, [entry])

    await write()
    other = sqlite3.connect(store.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await write()
    monkeypatch.setattr("rapport.storage.sqlite.BUSY_SECONDS", 0.05)
    with pytest.raises(DatabaseFault, match="another process keeps the database busy"):
        await write()
    other.execute("ROLLBACK")
    other.close()
    await write()


async def test_a_reader_is_not_held_up_by_a_writer(store: Store) -> None:
    """While a transaction writes, others read what was there before it."""
    async with store.writing() as connection:
        await timeline.append(connection, [TimelineEvent(key="k", account="versayce", at=NOW, kind="x")])
        async with asyncio.timeout(LIMIT), store.reading() as reading:
            assert await timeline.tell(reading, "versayce") == []
    async with store.reading() as reading:
        assert len(await timeline.tell(reading, "versayce")) == 1


# --- people


@pytest.mark.parametrize("has_left", [False, True])
async def test_a_contact_with_a_members_address_is_refused(store: Store, has_left: bool) -> None:
    """Also where the file itself names no members: an invitation lists a person once. Who has left may be theirs."""
    known = file()
    ours = known.contacts[-1].model_copy(update={"email": "Ines.Moreau@foobar.example"})
    again = known.model_copy(update={"contacts": (*known.contacts[:-1], ours), "members": ()})
    if has_left:
        async with store.writing() as connection:
            theirs = MemberRow.email == ours.email.lower()
            await connection.execute(update(MemberRow).where(theirs).values(left_at=NOW))
        await save(store, again)
        return
    with pytest.raises(UserError, match="one side only") as refusal:
        await save(store, again)
    assert refusal.value.field == f"contacts[{len(again.contacts) - 1}].email"


async def test_importing_twice_changes_nothing(store: Store) -> None:
    """A second import of the same file changes no row: ids stay, and so does the instant of the first."""
    before = await dump(store)
    await save(store, file(), NOW + timedelta(days=3))
    assert await dump(store) == before


async def test_people_keep_their_ids_when_all_else_changes(store: Store) -> None:
    """Whoever keeps the address keeps the id, with a new name, zone and place in the file."""
    async with store.reading() as connection:
        before = {contact.email: contact.id for contact in await accounts.contacts(connection, "versayce")}
    changed = file(**{"Luca Bianchi": "Luca Rossi", 'zone = "Europe/Stockholm"': 'zone = "Europe/Oslo"'})
    await save(store, changed.model_copy(update={"contacts": changed.contacts[::-1]}))
    async with store.reading() as connection:
        after = await accounts.contacts(connection, "versayce")
    assert {contact.email: contact.id for contact in after} == before
    assert [contact.personas for contact in after][-1] == ("key_business_contact",)
    assert next(contact.name for contact in after if contact.email.startswith("luca")) == "Luca Rossi"


async def test_an_address_written_otherwise_is_the_same_person(store: Store) -> None:
    """Capital letters in an address make nobody a new person, on either side."""
    original = await dump(store)
    before = {table: len(rows) for table, rows in original.items()}
    await save(store, file(**{"luca.bianchi@versayce": "Luca.Bianchi@Versayce", "ines.moreau@": "Ines.Moreau@"}))
    after = await dump(store)
    assert {table: len(rows) for table, rows in after.items()} == before
    async with store.reading() as connection:
        assert len(await accounts.contacts(connection, "versayce")) == 4
        emails = {contact.email for contact in await accounts.contacts(connection, "versayce")}
    assert "Luca.Bianchi@versayce.example" in emails
    await save(store, file())
    assert {table: len(rows) for table, rows in (await dump(store)).items()} == before
    assert (await dump(store))["contacts"] == original["contacts"]


async def test_whoever_is_no_longer_named_has_left(store: Store) -> None:
    """A contact whom the file drops leaves at that instant, stays on record, and may come back as the same person."""
    whole = file()
    fewer = whole.model_copy(update={"contacts": whole.contacts[:-1]})
    async with store.reading() as connection:
        [*_, jonas] = await accounts.contacts(connection, "versayce")
    await save(store, fewer, NOW + timedelta(days=1))
    await save(store, fewer, NOW + timedelta(days=2))
    async with store.reading() as connection:
        assert jonas.id not in {contact.id for contact in await accounts.contacts(connection, "versayce")}
        assert (await accounts.names(connection, "versayce"))[jonas.id] == "Jonas Lindqvist"
    left = {row[0]: row[-1] for row in (await dump(store))["contacts"]}
    assert left[jonas.id] == NOW + timedelta(days=1)
    await save(store, whole, NOW + timedelta(days=3))
    async with store.reading() as connection:
        assert (await accounts.contacts(connection, "versayce"))[-1] == jonas


async def test_a_second_account_shares_the_members(store: Store) -> None:
    """Another account's file that names the same members makes no second ones, and its contacts are its own."""
    before = await dump(store)
    await save(store, file(**{'key = "versayce"': 'key = "other"'}))
    after = await dump(store)
    assert after["members"] == before["members"]
    assert len(after["contacts"]) == 2 * len(before["contacts"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({'tam = "robin.keller@foobar.example"': 'tam = "nobody@foobar.example"'}, "account.tam"),
        ({'tam = "robin.keller@foobar.example"': 'tam = "sam.ortega@foobar.example"'}, "account.tam"),
    ],
)
async def test_an_account_without_a_tam_is_refused_whole(bare: Store, changes: dict[str, str], field: str) -> None:
    """A file whose TAM is unknown or has another role is refused with the fix, and nothing of it stays."""
    before = await dump(bare)
    with pytest.raises(UserError) as refusal:
        await save(bare, file(**changes))
    assert refusal.value.field == field
    assert refusal.value.fix
    assert await dump(bare) == before


async def test_a_first_account_needs_its_vendor(bare: Store) -> None:
    """Mails speak of the vendor, so the first file has to name it; later ones need not."""
    without = file().model_copy(update={"vendor": None})
    with pytest.raises(UserError) as refusal:
        await save(bare, without)
    assert (refusal.value.field, bool(refusal.value.fix)) == ("vendor", True)
    await save(bare, file())
    await save(bare, without)


# --- contracts


async def test_a_contract_is_on_record_once(store: Store) -> None:
    """The same contract id requested twice, even at once, is one row, and the first request stands."""
    contract = file().contract
    assert contract is not None

    async def ask(workflow: str) -> contracts.Contract:
        async with store.writing() as connection:
            await contracts.request(connection, "versayce", contract, load("enterprise"), workflow, NOW)
            return (await contracts.concerned(connection, "versayce", contract.id))[0]

    answers = await asyncio.gather(*(ask(f"onboarding/{number}") for number in range(5)))
    assert len(set(answers)) == 1
    assert len((await dump(store))["contracts"]) == 1
    async with store.writing() as connection:
        await contracts.project(connection, projection(contract.id, 1, run="run-1"))
        await contracts.withdraw(connection, contract.id)
    assert (await ask("onboarding/late")).run_id == "run-1"


def projection(contract: str, number: int, *, run: str = "run-1", state: str = "running") -> Projection:
    """What an onboarding with one step tells of itself."""
    step = Milestone(step="hello", position=0, title="Hello", stage="welcome", kind="message", state=state, wait=Wait())
    return Projection(
        playbook="enterprise",
        version=1,
        account="versayce",
        contract=contract,
        run_id=run,
        number=number,
        stage=state,
        now=NOW,
        milestones=(step,),
    )


async def test_a_late_projection_overwrites_nothing(store: Store) -> None:
    """A projection that travelled with a slow mail, and arrives after later ones, changes nothing."""
    contract = file().contract
    assert contract is not None
    async with store.writing() as connection:
        await contracts.request(connection, "versayce", contract, load("enterprise"), "onboarding/versayce", NOW)
        await contracts.project(connection, projection(contract.id, 2, state="done"))
        await contracts.project(connection, projection(contract.id, 1))
        await contracts.project(connection, projection(contract.id, 2, state="done"))
    async with store.reading() as connection:
        assert [step.state for step in await contracts.milestones(connection, contract.id)] == ["done"]
        assert (await contracts.concerned(connection, "versayce", contract.id))[0].stage == "done"


async def test_the_last_word_of_what_was_ended_does_not_hide_that_its_step_failed(store: Store) -> None:
    """What a meeting waited for, written after its step had failed, does not stand in the place of who decides now."""
    contract = file().contract
    assert contract is not None
    failed = projection(contract.id, 1, state="failed")
    decides = Wait(on=("tam",), what="the TAM, to decide what follows")
    told = failed.model_copy(update={"milestones": (failed.milestones[0].model_copy(update={"wait": decides}),)})
    late = StepNews(contract=contract.id, step="hello", wait=Wait(on=("tam",), what="four drafts"), now=NOW, entries=())
    async with store.writing() as connection:
        await contracts.request(connection, "versayce", contract, load("enterprise"), "onboarding/versayce", NOW)
        await contracts.project(connection, told)
        await contracts.tell_step(connection, late)
    async with store.reading() as connection:
        assert [step.wait.what for step in await contracts.milestones(connection, contract.id)] == [decides.what]


async def test_what_a_step_waits_for_is_its_own_again_once_it_goes_on(store: Store) -> None:
    """Of a failed step, its TAM's decision stands until its meeting goes on, or until another attempt begins."""
    contract = file().contract
    assert contract is not None
    decides = Wait(on=("tam",), what="the TAM, to decide what follows", unblock="rapport onboarding redo")

    def at(number: int, state: str, attempt: int = 1, wait: Wait | None = None) -> Projection:
        known = projection(contract.id, number, state=state)
        step = known.milestones[0].model_copy(
            update={"wait": wait, "kind": "meeting", "attempt": attempt, "ended": NOW if state == "failed" else None}
        )
        return known.model_copy(update={"milestones": (step,)})

    def told(what: str, after: int) -> StepNews:
        return StepNews(contract=contract.id, step="hello", wait=Wait(what=what), now=NOW + timedelta(seconds=after))

    async def waits() -> list[tuple[str | None, str | None]]:
        async with store.reading() as connection:
            return [(one.wait.what, one.wait.unblock) for one in await contracts.milestones(connection, contract.id)]

    async with store.writing() as connection:
        await contracts.request(connection, "versayce", contract, load("enterprise"), "onboarding/versayce", NOW)
        await contracts.project(connection, at(1, "failed", wait=decides))
        await contracts.tell_step(connection, told("answers", -1))
    assert await waits() == [(decides.what, decides.unblock)]
    async with store.writing() as connection:
        await contracts.tell_step(connection, told("answers", 1))
        await contracts.project(connection, at(2, "running"))
    assert await waits() == [("answers", None)]
    async with store.writing() as connection:
        await contracts.project(connection, at(3, "failed", wait=decides))
        await contracts.project(connection, at(4, "running", attempt=2))
    assert await waits() == [(None, None)]


async def test_an_entry_is_written_once(store: Store) -> None:
    """The same timeline key written twice is one entry, and the first one stands."""
    async with store.writing() as connection:
        await timeline.append(connection, [TimelineEvent(key="k", account="versayce", at=NOW, kind="first")])
        later = [TimelineEvent(key=key, account="versayce", at=NOW, kind="second") for key in ("k", "l")]
        await timeline.append(connection, later)
    async with store.reading() as connection:
        assert [told.kind for told in await timeline.tell(connection, "versayce")] == ["first", "second"]


# --- secrets


@pytest.mark.sqlite
async def test_links_and_tokens_are_kept_as_digests(store: Store, tmp_path: Path) -> None:
    """Of a personal link and of a bearer token the files hold the SHA-256 and nothing that opens a door."""
    token = access.new_token()
    link = Link(
        account="versayce", person="c_1", purpose="vote", workflow_id="m/1", round=1, expires_at=NOW + access.LINK_LIFE
    )
    async with store.writing() as connection:
        await access.make_link(connection, "key", token, link)
        secret = await access.create_token(connection, "ci", ("reader",), NOW)
    async with store.reading() as connection:
        assert await access.find_link(connection, token) == link
        assert await access.find_link(connection, token[:-1]) is None
        found = await access.find_token(connection, secret)
        assert found is not None
        assert (found.name, found.scopes) == ("ci", ("reader",))
        digests = [
            *await connection.scalars(select(LinkRow.digest)),
            *await connection.scalars(select(TokenRow.digest)),
        ]
    assert digests == [hashlib.sha256(text.encode()).hexdigest() for text in (token, secret)]
    names = ("rapport.db", "rapport.db-wal")
    everything = b"".join([await asyncio.to_thread((tmp_path / name).read_bytes) for name in names])
    assert digests[0].encode() in everything
    assert token.encode() not in everything
    assert secret.encode() not in everything


async def test_a_digest_opens_nothing(store: Store) -> None:
    """Whoever reads the database cannot use what stands there as a token."""
    async with store.writing() as connection:
        secret = await access.create_token(connection, "ci", ("reader",), NOW)
    async with store.reading() as connection:
        assert await access.find_token(connection, access.digest(secret)) is None


async def test_a_revoked_token_opens_nothing(store: Store) -> None:
    """A revoked token is useless at once, its name stays taken, and revoking it again is refused."""
    async with store.writing() as connection:
        secret = await access.create_token(connection, "ci", ("reader",), NOW)
        await access.revoke_token(connection, "ci", NOW)
        assert await access.find_token(connection, secret) is None
        with pytest.raises(UserError):
            await access.create_token(connection, "ci", ("reader",), NOW)
        with pytest.raises(UserError):
            await access.revoke_token(connection, "ci", NOW)


def test_tokens_are_long_and_never_the_same() -> None:
    """A link's token has 256 bits and fits a URL."""
    tokens = {access.new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}


async def test_the_mail_switch_stays_as_it_was_thrown(store: Store) -> None:
    """Mail goes unless someone stopped it, and the switch says who did, and when."""
    async with store.writing() as connection:
        assert await access.mail_switch(connection) == MailSwitch(stopped=False)
        for stopped in (True, False, True):
            thrown = MailSwitch(stopped=stopped, by="robin", at=NOW)
            await access.throw_mail_switch(connection, thrown)
            assert await access.mail_switch(connection) == thrown


@pytest.mark.sqlite
def test_the_database_file_is_ordinary_sqlite(imported: Path) -> None:
    """Another program can read the file: it is in WAL mode and sound."""
    connection = sqlite3.connect(imported)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
