"""The list of every place that holds a person has all of them, and erasing goes through each."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import JSON, Boolean, Date, Float, Integer, LargeBinary, String, Table, delete, insert, select, update
from temporalio.client import Client

from rapport.mail import claims, emails
from rapport.model.base import Refused, UserError
from rapport.model.meeting import AD_HOC
from rapport.settings import Settings
from rapport.storage import account as accounts
from rapport.storage.account_erasure import CONFIRM_WITHIN, erase
from rapport.storage.database import Connection, Store
from rapport.storage.places import FILES, PLACES
from rapport.storage.tables import Base, UtcInstant
from starters.services import Actor, Services, present
from starters.use_cases import account, account_erasure, audit, succession, timeline
from tests.conftest import CHAMPION, TAM, example
from tests.mail_fixtures import address, empty, imported, store
from tests.support.no_workflows import NO_WORKFLOWS, NoWorkflows

__all__ = ["empty", "imported", "store"]

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
NAME = "Luca Bianchi"
THERE = frozenset(
    {
        "accounts",
        "members",
        "contacts",
        "vendor",
        "submissions",
        "relays",
        "timeline",
        "timeline_heads",
        "timeline_marks",
    }
)
"""Tables whose rows are there already, or are filled in a way of their own."""
CAUGHT = (
    f"From: a@foobar.example\r\nTo: {CHAMPION}\r\nSubject: x\r\nMessage-ID: <none@x>\r\n\r\nDear {NAME}\r\n".encode()
)


def holds_text(column: Any) -> bool:
    """Whether words can stand in a column at all."""
    return isinstance(column.type, String | JSON | LargeBinary)


def test_every_text_column_has_its_place() -> None:
    """A table or text column that the list does not know fails here, as does one that is no more: say what it holds."""
    found = {
        table.name: {one.name for one in table.columns if holds_text(one)} for table in Base.metadata.sorted_tables
    }
    assert {name: set().union(*place) for name, place in PLACES.items()} == found
    assert all(len(set().union(*place)) == sum(map(len, place)) for place in PLACES.values())


def something(column: Any, table: Table, number: int) -> Any:
    """A value for a column: the person's name and address where words may stand."""
    if column.name in PLACES[table.name].words:
        said = f"{NAME}, {CHAMPION}, is said in {table.name}.{column.name}"
        return {"said": [said]} if isinstance(column.type, JSON) else said.encode() if _is_bytes(column) else said
    if isinstance(column.type, JSON):
        return {}
    if _is_bytes(column):
        return b""
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, Integer):
        return number
    if isinstance(column.type, Float):
        return 1.0
    if isinstance(column.type, Date):
        return date(2026, 11, 30)
    return NOW if isinstance(column.type, UtcInstant) else f"{column.name}-{number}"


def _is_bytes(column: Any) -> bool:
    return isinstance(column.type, LargeBinary)


async def fill(connection: Connection, key: str, contact: str) -> set[str]:
    """Have the person named in every column of the list; give the tables in which they are."""
    filled = set()
    people = {"contact": contact, "person": contact, "account": key, "owner": contact}
    for table in Base.metadata.sorted_tables:
        if table.name in THERE:
            continue
        row = {one.name: something(one, table, 70) for one in table.columns}
        for one in table.columns:
            for parent in one.foreign_keys:
                [first] = [*await connection.scalars(select(parent.column).limit(1))] or [None]
                row[one.name] = key if one.name == "account" else first
        row |= {name: value for name, value in people.items() if name in row}
        await connection.execute(insert(table).values(**row))
        if PLACES[table.name].words:
            filled.add(table.name)
    said = {"text": f"{NAME} said so", "salt": "s", "text_hash": "h", "workflow_id": key, "actor": contact}
    submissions = Base.metadata.tables["submissions"]
    row = {one.name: something(one, submissions, 71) for one in submissions.columns} | said
    await connection.execute(insert(submissions).values(**row))
    whole = Base.metadata.tables["accounts"]
    spoken = {"name": f"Versayce, says {NAME}", "place": f"at {NAME}'s"}
    await connection.execute(update(whole).where(whole.c.key == key).values(**spoken))
    return filled | {"submissions", "accounts", "contacts"}


async def named(connection: Connection) -> set[tuple[str, str]]:
    """Each column of any table in which the person is named."""
    return {
        (table.name, column)
        for table in Base.metadata.sorted_tables
        for row in (await connection.execute(select(table))).all()
        for column, value in row._mapping.items()
        if any(word in _read(value) for word in ("luca", "bianchi"))
    }


def _read(value: Any) -> str:
    return (value.decode("latin-1") if isinstance(value, bytes) else str(value)).casefold()


async def nobody_is_told(*_: object) -> int:
    """No workflow runs here."""
    return 0


@pytest.mark.sqlite
async def test_a_person_is_gone_from_every_column_and_every_file(
    imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a person in all places of the list: after erasing, no column and no byte of the data directory has them."""
    shutil.copy(imported, tmp_path / "rapport.db")
    settings = Settings(data=tmp_path)
    settings.caught.mkdir()
    (settings.caught / "00000001-1.eml").write_bytes(CAUGHT)
    store = Store(address(tmp_path / "rapport.db"))
    async with store.writing() as connection:
        there = next(one for one in await accounts.contacts(connection, "versayce") if one.email == CHAMPION)
        filled = await fill(connection, "versayce", there.id)
        assert {table for table, _ in await named(connection)} == filled
    services = Services(settings, store, cast("Client", None))
    monkeypatch.setattr(succession, "tell_people_changed", nobody_is_told)
    await succession.erase_contact(services, "versayce", CHAMPION, TAM, "Asked for it")
    async with store.reading() as connection:
        assert await named(connection) == set()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in files:
        assert any(path.relative_to(tmp_path).match(pattern) for pattern in FILES), path
        found = path.read_bytes().lower()
        assert b"bianchi" not in found, path
    await store.close()


MANAGER = Actor(email="ines.moreau@foobar.example", channel="page")


@pytest.mark.sqlite
async def test_an_account_is_erased_by_two(imported: Path, tmp_path: Path) -> None:
    """One asks and says why, another confirms: no person, word, mail or name of it stays, and the chain is whole."""
    shutil.copy(imported, tmp_path / "rapport.db")
    settings = Settings(data=tmp_path)
    settings.caught.mkdir()
    (settings.caught / "00000001-1.eml").write_bytes(CAUGHT)
    store = Store(address(tmp_path / "rapport.db"))
    await erase_by_two(store, settings)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"bianchi" not in path.read_bytes().lower(), path
    await store.close()


async def test_an_erased_account_is_named_in_no_others_meeting(store: Store) -> None:
    """What somebody called a meeting of another account loses the name, and what a playbook calls its steps stays."""
    rows = {name: Base.metadata.tables[name] for name in ("accounts", "contracts", "milestones")}
    async with store.writing() as connection:
        theirs = (await connection.execute(select(rows["accounts"]).where(rows["accounts"].c.key == "versayce"))).one()
        await connection.execute(
            insert(rows["accounts"]).values(**{**theirs._mapping, "key": "other", "name": "Other"})
        )
        new = {name: {one.name: something(one, table, 70) for one in table.columns} for name, table in rows.items()}
        contract = {"id": "O-1", "account": "other", "workflow_id": "onboarding/other"}
        await connection.execute(insert(rows["contracts"]).values(**new["contracts"] | contract))
        for step, stage, title in (
            ("adhoc_1", AD_HOC, "CI as at Versayce"),
            ("adhoc_2", AD_HOC, "CI"),
            ("kickoff", "kickoff", "Kickoff"),
        ):
            step_row = {"contract": "O-1", "step": step, "stage": stage, "title": title}
            await connection.execute(insert(rows["milestones"]).values(**new["milestones"] | step_row))
        await erase(connection, "versayce", NOW)
        table = rows["milestones"]
        titles = await connection.execute(select(table.c.step, table.c.title).where(table.c.contract == "O-1"))
        assert {row.step: row.title for row in titles} == {
            "adhoc_1": "CI as at (erased)",
            "adhoc_2": "CI",
            "kickoff": "Kickoff",
        }


async def erase_by_two(store: Store, settings: Settings) -> None:
    """Erase the example account, with something of it in every table, and find nothing of it afterwards."""
    workflows = NoWorkflows()
    services = Services(settings, store, cast("Client", workflows))
    async with store.writing() as connection:
        there = next(one for one in await accounts.contacts(connection, "versayce") if one.email == CHAMPION)
        await fill(connection, "versayce", there.id)
        everyone = [one.name.casefold() for one in await accounts.contacts(connection, "versayce")]
        for name, over in OVER.items():
            await connection.execute(update(Base.metadata.tables[name]).values(**over))
        for name in ("rhythms", "tech_review_receipts", "tech_review_remarks"):
            await connection.execute(delete(Base.metadata.tables[name]))
    why = account_erasure.ErasureWritten(reason="Luca Bianchi of Versayce asked")
    with pytest.raises(UserError) as caught:
        await account_erasure.confirm(services, "versayce", MANAGER)
    assert caught.value.kind is Refused.CONFLICT
    asked = await account_erasure.ask(services, "versayce", why, TAM)
    for actor in (TAM, Actor(email="tomas.novak@foobar.example", channel="page")):
        with pytest.raises(UserError) as caught:
            await account_erasure.confirm(services, "versayce", actor)
        assert caught.value.kind is Refused.FORBIDDEN
    shown = await account_erasure.asked(services, "versayce")
    assert (shown, asked.until > present()) == (asked, True)
    [(_, told)] = workflows.started
    assert (told.email, told.erasure.until, len(told.to)) == ("erasure_asked", asked.until, len(asked.confirmers))
    assert "Ines Moreau" in asked.confirmers
    assert "Robin Keller" not in asked.confirmers
    erased = await account_erasure.confirm(services, "versayce", MANAGER)
    assert erased.contacts == len(everyone)
    assert (await account.show(services, "versayce")).vacant == (), "nobody is to be found for what was erased"
    async with store.reading() as connection:
        assert await accounts.account_names(connection) == {}
        assert await named(connection) == set()
        rest = repr(
            [
                (await connection.execute(select(table))).all()
                for table in Base.metadata.sorted_tables
                if table.name != "members"
            ]
        )
        assert [name for name in everyone if name in rest.casefold()] == []
        assert re.findall(r".{80}Versayce.{20}", rest) == []
        # What is no account's keeps its words, and documents of ours their ids; none keeps a name.
        kept = {*re.findall(r"is said in (\w+\.\w+)", rest)}
        ours = {"messages.occasion", "tasks.definition", "case_assignments.considered"}
        assert {
            one for one in kept - ours if one.split(".")[0] not in ("gaps", "roadmap_items", "side_projects")
        } == set()
    assert (await audit.verify(services, "versayce")).whole
    entries = [(one.what, one.said) for one in await timeline.timeline_of(services, "versayce")]
    assert entries[-1] == ("The account was erased, as Ines Moreau confirmed", "(erased) of (erased) asked")
    known = example().model_copy(update={"contract": None})
    for again in (account_erasure.ask(services, "versayce", why, TAM), account.import_account(services, known)):
        with pytest.raises(UserError, match="was erased") as caught:
            await again
        assert caught.value.kind is Refused.CONFLICT


OVER: dict[str, dict[str, Any]] = {
    "tasks": {"phase": "closed"},
    "cases": {"state": "resolved"},
    "tech_reviews": {
        "closed": NOW,
        "waiting_on": [],
        "stage": "post_sale",
        "ask": "non_standard_requirement",
        "phase": "closed",
    },
    "contracts": {"ended_at": NOW},
    "accounts": {"name": "Versayce"},
}


async def test_whoever_asked_can_take_it_back(store: Store, tmp_path: Path) -> None:
    """Then nobody can confirm it, the mail that told of it goes to nobody, and it can be asked for anew."""
    workflows = NoWorkflows()
    services = Services(Settings(data=tmp_path), store, cast("Client", workflows))
    why = account_erasure.ErasureWritten(reason="They left")
    with pytest.raises(UserError) as caught:
        await account_erasure.withdraw(services, "versayce", TAM)
    assert caught.value.kind is Refused.CONFLICT
    await account_erasure.ask(services, "versayce", why, TAM)
    with pytest.raises(UserError) as caught:
        await account_erasure.withdraw(services, "versayce", MANAGER)
    assert caught.value.kind is Refused.FORBIDDEN
    [(_, told)] = workflows.started

    async def claimed() -> list[str]:
        async with store.reading() as connection:
            mail = claims.ClaimingMail(told, told.to[0], told.now, present())
            return await claims._false(connection, emails.claims("erasure_asked"), mail)

    assert await claimed() == []
    await account_erasure.withdraw(services, "versayce", TAM)
    assert await claimed() == ["erasure_asked"]
    assert await account_erasure.asked(services, "versayce") is None
    with pytest.raises(UserError, match="taken it back"):
        await account_erasure.confirm(services, "versayce", MANAGER)
    assert await account_erasure.ask(services, "versayce", why, TAM) == await account_erasure.asked(
        services, "versayce"
    )
    entries = [one.what for one in await timeline.timeline_of(services, "versayce")]
    assert "Robin Keller no longer asks for the account to be erased" in entries


async def test_an_account_of_which_something_runs_is_not_erased(store: Store, tmp_path: Path) -> None:
    """An onboarding that goes on is named with the command that ends it; a request of a week ago counts no more."""
    services = Services(Settings(data=tmp_path), store, NO_WORKFLOWS)
    why = account_erasure.ErasureWritten(reason="They left")
    await account_erasure.ask(services, "versayce", why, TAM)
    submissions = Base.metadata.tables["submissions"]
    async with store.writing() as connection:
        long_ago = update(submissions).values(at=present() - CONFIRM_WITHIN - timedelta(seconds=1))
        await connection.execute(long_ago)
    assert await account_erasure.asked(services, "versayce") is None
    with pytest.raises(UserError, match="within the last week"):
        await account_erasure.confirm(services, "versayce", MANAGER)
    contracts = Base.metadata.tables["contracts"]
    row = {one.name: something(one, contracts, 1) for one in contracts.columns}
    row |= {"account": "versayce", "workflow_id": "onboarding/versayce", "ended_at": None}
    async with store.writing() as connection:
        await connection.execute(insert(contracts).values(**row))
    with pytest.raises(UserError, match="onboarding/versayce still run") as caught:
        await account_erasure.ask(services, "versayce", why, TAM)
    assert "onboarding cancel versayce" in caught.value.fix
