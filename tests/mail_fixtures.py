"""Fixtures of the mail's and the storage's tests: a database with the example account in it, and a relay."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rapport.model.account import AccountFile
from rapport.model.reading import read_toml
from rapport.storage import imports
from rapport.storage.database import Store
from rapport.storage.faults import DatabaseFault
from tests.helpers_mail import NOW, ScriptedRelay, scripted_relay
from tests.support.postgres import own_database, tables

EXAMPLE = Path(__file__).parent.parent / "examples" / "versayce.toml"


def address(path: Path) -> str:
    """SQLAlchemy's address of a database file."""
    return f"sqlite:///{path}"


async def is_current(store: Store) -> bool:
    """Whether the database answers, and its schema is the one that the code expects."""
    try:
        await store.check()
    except DatabaseFault:
        return False
    return True


async def with_example(store: Store) -> None:
    """The tables with the example account."""
    if not await is_current(store):
        await store.migrate()
    async with store.writing() as connection:
        await imports.save(connection, read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml"), NOW)


@pytest.fixture(scope="session")
def empty() -> Path:
    """A database file with the tables and nothing in them, made by the migrations; copy it."""
    return tables()


@pytest.fixture(scope="session")
def imported(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the example account; copy it."""
    path = tmp_path_factory.mktemp("imported") / "rapport.db"
    shutil.copy(empty, path)

    async def make() -> None:
        store = Store(address(path))
        await with_example(store)
        await store.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def store(imported: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """A database of this test's own, with the example account."""
    with own_database(tmp_path / "rapport.db", imported, with_example) as url:
        store = Store(url)
        yield store
        await store.close()


@pytest.fixture
async def relay() -> AsyncIterator[ScriptedRelay]:
    """A relay that does as it is told."""
    async with scripted_relay() as opened:
        yield opened
