"""What keeps a database from doing its part is told in words, and the same on both stores."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from rapport.model.base import Refused
from rapport.settings import Settings
from rapport.storage import faults, sqlite
from rapport.storage.database import Store, revisions
from rapport.storage.faults import DatabaseFault, Where, file_fault
from rapport.storage.probes import probe
from starters.cli.doctor import exit_of
from starters.use_cases import doctor
from starters.use_cases.doctor import CheckVerdict, Diagnosis
from starters.views.disk import disk_alarm
from tests.conftest import ROOT, free_port
from tests.helpers_mail import NOW
from tests.support import postgres
from tests.support.postgres import own_database, tables

NO_SPACE_LEFT = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$
"""
"""What the server says when it cannot extend a file, said without filling its disk."""


@pytest.fixture
async def ready(tmp_path: Path) -> AsyncIterator[Store]:
    """A store that was set up."""
    with own_database(tmp_path / "rapport.db", tables()) as url:
        store = Store(url)
        yield store
        await store.close()


@pytest.fixture
async def served() -> AsyncIterator[Store]:
    """The same on PostgreSQL, whatever the others are on."""
    server = postgres.server()
    with server.database(server.template("fresh", Store.migrate)) as url:
        store = Store(url)
        yield store
        await store.close()


async def written(store: Store, *statements: str) -> None:
    """Run statements in one transaction."""
    async with store.writing() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def fault_of(store: Store) -> DatabaseFault:
    """What a look at whether it takes something new says."""
    with pytest.raises(DatabaseFault) as caught:
        await probe(store, "test", NOW)
    return caught.value


def test_the_revisions_are_those_of_the_migrations() -> None:
    """What the files' names say is what Alembic reads in them, the newest last."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "rapport" / "storage" / "migrations"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert revisions() == tuple(script.revision for script in scripts.walk_revisions())[::-1]


async def test_a_database_that_takes_something_new_has_no_fault(ready: Store) -> None:
    """A look leaves one row for whoever looks, and may be repeated."""
    for _ in range(3):
        await probe(ready, "test", NOW)
    async with ready.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM probes")) == 1


async def test_a_newer_database_is_left_as_it_is(ready: Store) -> None:
    """Neither a look nor a migration goes on with a revision that this version does not know; both name it."""
    async with ready.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    fault = await fault_of(ready)
    assert "newer version of Rapport" in fault.problem
    assert "9999" in fault.problem
    with pytest.raises(DatabaseFault, match="9999"):
        await ready.migrate()


async def test_a_database_that_was_not_set_up_says_so(tmp_path: Path) -> None:
    """Without tables, also where somebody asks for one of them without looking first."""
    with own_database(tmp_path / "new.db") as url:
        store = Store(url)
        assert "rapport setup" in (await fault_of(store)).fix
        with pytest.raises(DatabaseFault, match="not up to date"):
            async with store.reading() as connection:
                await connection.execute(text("SELECT * FROM accounts"))
        await store.close()


async def test_what_is_wrong_with_a_statement_stays_as_it_is(ready: Store) -> None:
    """A unique key that is taken is no fault of the database."""
    twice = "INSERT INTO probes (name, at) VALUES ('x', '2026-01-01 00:00:00')"
    with pytest.raises(IntegrityError):
        await written(ready, twice, twice)


# --- SQLite


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
async def test_a_file_that_is_no_database_says_so(tmp_path: Path, content: bytes) -> None:
    """Garbage is named with its path, and left as it is: neither looked at as if it were empty, nor written over."""
    file = tmp_path / "rapport.db"
    file.write_bytes(content)
    store = Store(f"sqlite:///{file}")
    fault = await fault_of(store)
    assert (fault.problem, fault.field) == ("is no database, or is damaged", str(file))
    with pytest.raises(DatabaseFault):
        await store.migrate()
    await store.close()
    assert file.read_bytes() == content


@pytest.mark.sqlite
async def test_a_full_disk_is_said_as_such(ready: Store) -> None:
    """SQLite's word for a full disk is told with the folder; reading goes on, and writing does once there is room."""
    assert ready.file is not None
    grow = "INSERT INTO probes (name, at) VALUES (hex(zeroblob(1000000)), '2026-01-01 00:00:00')"
    with pytest.raises(DatabaseFault) as caught:
        await written(ready, "PRAGMA max_page_count = 1", grow)
    assert caught.value.problem == f"the disk is full: {ready.file.parent}"
    await ready.check()
    await written(ready, "PRAGMA max_page_count = 1000000", grow)


async def test_a_file_that_can_only_be_read_says_so(tmp_path: Path) -> None:
    """It is told apart from one that does not answer."""
    file = tmp_path / "rapport.db"
    store = Store(f"sqlite:///{file}")
    await store.migrate()
    with pytest.raises(DatabaseFault) as caught:
        await written(store, "PRAGMA query_only = ON", "DELETE FROM probes")
    await store.close()
    assert caught.value.problem == "the database can only be read"


async def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    """A data directory on a disk that is not mounted is no traceback."""
    fault = await fault_of(Store(f"sqlite:///{tmp_path / 'nothing' / 'rapport.db'}"))
    assert fault.problem.startswith("the database cannot be opened")


async def test_a_file_that_is_kept_busy_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's transaction that does not end is named as what it is."""
    file = tmp_path / "rapport.db"
    store = Store(f"sqlite:///{file}")
    await store.migrate()
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    fault = await fault_of(store)
    other.close()
    await store.close()
    assert "busy" in fault.problem


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR_SHMSIZE])
def test_without_room_for_its_files_sqlites_other_words_mean_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What it cannot open or write is a full disk where nothing is left on it, and else a disk that does not work."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    where = Where(tmp_path / "rapport.db")
    wrapped = OperationalError("BEGIN", None, error)
    assert "cannot be used" in str(where.fault(wrapped))
    monkeypatch.setattr(faults, "ROOM", 2**62)
    assert "the disk is full" in str(where.fault(wrapped))


@pytest.mark.sqlite
async def test_a_disk_without_room_is_told_before_and_while_it_is_full(
    ready: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is told while there is room; then that little is left, with the folder; then that nothing is recorded."""
    assert await disk_alarm(ready, tmp_path) is None
    monkeypatch.setattr(faults, "LITTLE_ROOM", 2**62)
    little = await disk_alarm(ready, tmp_path)
    assert little is not None
    assert (little.full, f"MB are left in {tmp_path}" in little.problem) == (False, True)
    monkeypatch.setattr(faults, "ROOM", 2**62)
    full = await disk_alarm(ready, tmp_path)
    assert full is not None
    assert (full.full, full.problem) == (True, f"the disk is full: {tmp_path}")


@pytest.mark.sqlite
async def test_what_takes_nothing_more_is_told_until_it_takes_something_again(ready: Store, tmp_path: Path) -> None:
    """Also of a disk that is elsewhere: a write that was refused tells, and the next that goes ends it."""
    async with ready.writing() as connection:
        pages = await connection.scalar(text("PRAGMA page_count"))
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(DatabaseFault):
        await written(ready, "CREATE TABLE more (x)", "INSERT INTO more VALUES (zeroblob(1000000))")
    full = ready.refused
    assert full is not None
    assert "the disk is full" in full.problem
    async with ready.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM probes")) == 0
    # What is so small that it still fits is taken, and then nothing is wrong any more.
    assert await disk_alarm(ready, tmp_path) is None
    assert ready.refused is None


@pytest.mark.sqlite
async def test_the_doctor_ends_on_a_full_disk_as_every_command_does(
    ready: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command that writes is refused for with exit code 5, the doctor ends with as well."""
    settings = Settings(data=tmp_path, database_url=SecretStr(ready.url))
    monkeypatch.setattr(faults, "LITTLE_ROOM", 2**62)
    monkeypatch.setattr(faults, "ROOM", 2**62)
    check, store = await doctor._database(settings)
    assert store is not None
    await store.close()
    assert check.verdict is CheckVerdict.UNREACHABLE
    assert "the disk is full" in check.what
    found = Diagnosis(well=False, checks=(check,))
    assert exit_of(found) is Where(ready.file).full().refusal().kind is Refused.UNREACHABLE


# --- PostgreSQL


async def test_a_server_that_is_not_there_says_so() -> None:
    """A refused connection is no traceback, and names the setting."""
    fault = await fault_of(Store(f"postgresql+asyncpg://someone@127.0.0.1:{free_port()}/rapport"))
    assert (fault.problem, fault.field) == ("the database does not answer", "RAPPORT_DATABASE_URL")


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes the connection and says nothing counts as away after `CONNECT_SECONDS`."""
    monkeypatch.setattr("rapport.storage.database.CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fault = await fault_of(Store(f"postgresql+asyncpg://someone@127.0.0.1:{silent.getsockname()[1]}/rapport"))
    assert fault.problem == "the database does not answer"


async def test_a_connection_that_breaks_says_so_and_the_next_one_is_made_anew(served: Store) -> None:
    """A server that restarts breaks what is under way with a word; whoever asks next gets an answer."""
    await probe(served, "test", NOW)

    async def cut_off() -> None:
        async with served.writing() as connection:
            own = await connection.scalar(text("SELECT pg_backend_pid()"))
            await written(served, f"SELECT pg_terminate_backend({own})")
            await connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseFault, match="does not answer"):
        await cut_off()
    await probe(served, "test", NOW)


async def test_a_server_that_refuses_says_why(served: Store) -> None:
    """An unknown user and an unknown database are told apart from a server that does not answer."""
    nobody = await fault_of(Store(served.url.replace("//rapport@", "//nobody@")))
    nowhere = await fault_of(Store(served.url.replace("/test_", "/nothing_")))
    assert (nobody.problem, nowhere.problem) == (
        "the database refuses the user or the password",
        "the server has no such database",
    )


async def test_a_servers_full_disk_is_said_as_such(served: Store) -> None:
    """Its word for a full disk is told as one of the server's."""
    async with served.writing() as connection:
        await connection.execute(text(NO_SPACE_LEFT))
        await connection.execute(text("CREATE TRIGGER full_disk BEFORE INSERT ON probes EXECUTE FUNCTION full_disk()"))
    assert (await fault_of(served)).problem == "the disk is full: the database server's"


async def test_a_server_that_can_only_be_read_says_so(served: Store) -> None:
    """A standby, for one. Its connections are given up: whoever is at its address by then takes what is written."""
    async with served.writing() as connection:
        name = await connection.scalar(text("SELECT current_database()"))
        await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    await served.close()
    assert (await fault_of(served)).problem == "the database can only be read"
    other = Store(served.url)
    again = f"ALTER DATABASE {name} RESET default_transaction_read_only"
    await written(other, "SET TRANSACTION READ WRITE", again)
    await other.close()
    await probe(served, "test", NOW)


async def test_a_server_that_stops_answering_is_given_up(served: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is open and dead, as when a machine is cut off, is away; the next one is made anew."""
    monkeypatch.setattr("rapport.storage.database.STATEMENT_SECONDS", 0.2)

    async def asked() -> None:
        async with served.reading() as connection:
            stopped.append(await connection.scalar(text("SELECT pg_backend_pid()")))
            os.kill(stopped[0], signal.SIGSTOP)
            await connection.execute(text("SELECT 1"))

    stopped: list[int] = []
    try:
        with pytest.raises(DatabaseFault, match="does not answer"):
            await asked()
        await probe(served, "test", NOW)
    finally:
        os.kill(stopped[0], signal.SIGCONT)


async def test_of_two_that_wait_for_each_other_one_gives_way(served: Store) -> None:
    """A deadlock is nobody's mistake, and may be tried again as it is."""
    await written(served, *(f"INSERT INTO probes (name, at) VALUES ('{name}', now())" for name in "ab"))
    both_have_one = asyncio.Barrier(2)

    async def touch(first: str, second: str) -> None:
        async with served.writing() as connection:
            await connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            await connection.execute(text(f"UPDATE probes SET at = now() WHERE name = '{first}'"))
            await both_have_one.wait()
            await connection.execute(text(f"UPDATE probes SET at = now() WHERE name = '{second}'"))

    ended = await asyncio.gather(touch("a", "b"), touch("b", "a"), return_exceptions=True)
    faults_met = [one for one in ended if one is not None]
    assert [(type(one), "busy" in str(one)) for one in faults_met] == [(DatabaseFault, True)]


async def test_connections_that_are_all_in_use_are_said_as_such(served: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers is not called silent, because this process has no more connections to it."""
    monkeypatch.setattr("rapport.storage.database.POOL_SECONDS", 0.05)
    store = Store(served.url)

    async def take_all() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(100):
                await stack.enter_async_context(store.reading())

    with pytest.raises(DatabaseFault, match="are in use"):
        await take_all()
    await probe(store, "test", NOW)
    await store.close()


@pytest.mark.parametrize(
    ("state", "words"),
    [("40001", "busy"), ("55P03", "busy"), ("53300", "in use"), ("XX001", "damaged"), ("42501", "user may not")],
)
async def test_a_server_that_cannot_is_told_in_words(served: Store, state: str, words: str) -> None:
    """Also what no test can bring about at will."""
    with pytest.raises(DatabaseFault, match=words):
        await written(served, f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
    await probe(served, "test", NOW)


# --- files


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_file_that_finds_no_room_names_its_disk(number: int) -> None:
    """A full disk and a used-up quota read alike; what has another cause is no matter of the disk."""
    told = file_fault(OSError(number, "no space", "/data/mail/1.eml"))
    assert told is not None
    assert told.problem == "the disk is full: /data/mail/1.eml"
    assert file_fault(FileNotFoundError(errno.ENOENT, "gone", "x")) is None
