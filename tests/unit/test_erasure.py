"""What names a person, and a text without them, for any names and texts."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import JSON, Boolean, Column, Date, Float, Integer, LargeBinary, String, Table, insert, select, text
from temporalio.client import Client

from rapport.mail import outbox
from rapport.model.account import AccountFile
from rapport.model.message import MessageState
from rapport.model.reading import read_toml
from rapport.rules.erasure import ERASED, Naming
from rapport.settings import Settings
from rapport.storage import account as accounts, erasure, imports, timeline
from rapport.storage.database import Connection, Store
from rapport.storage.tables import Base, MessageRow, SubmissionRow, UtcInstant
from starters.services import Services, submission
from starters.use_cases import succession
from tests.conftest import TAM
from tests.helpers_mail import NOW
from tests.mail_fixtures import EXAMPLE
from tests.unit import test_outbox

LETTERS = st.text(st.characters(categories=["Lu", "Ll"]), min_size=3, max_size=12).map(str.title)
NAMES = st.lists(LETTERS, min_size=1, max_size=3).map(" ".join)
ADDRESS = "some.body@versayce.example"
WORDS = st.sampled_from(["the", "firewall", "is", "Kickoff", "–", "10:00", "(see", "below)", "\n", "…"])


@given(NAMES, st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=6))
@settings(deadline=None)
def test_whoever_is_named_is_named_no_more(name: str, before: list[str], after: list[str]) -> None:
    """Name and address go from any text, whatever stands around them, and twice is once."""
    naming = Naming(name, ADDRESS)
    for said in (name, ADDRESS.upper(), f"<{ADDRESS}>,", f"mailto:{ADDRESS}", f"{name}’s"):
        text = " ".join([*before, said, *after])
        redacted = naming.redacted(text)
        assert naming.named_in(text)
        assert not naming.named_in(redacted)
        assert name not in redacted
        assert ADDRESS not in redacted.lower()
        assert redacted == naming.redacted(redacted)
    document = {"note": [f"for {name}", 1, None], name: "a field's name stays"}
    assert naming.redacted_value(document)["note"] == [f"for {ERASED}", 1, None]
    assert naming.named_in(json.dumps({"note": f"{name} said so"}))


@given(NAMES, st.lists(WORDS, max_size=12))
@settings(deadline=None)
def test_a_text_that_names_nobody_stays_as_it_is(name: str, words: list[str]) -> None:
    """Nothing else is touched, not even a word that a name is a part of."""
    text = " ".join([*words, f"x{name.replace(' ', 'x')}x", f"x{ADDRESS}x"])
    if not set(name.split()) & {"Kickoff"}:
        assert Naming(name, ADDRESS).redacted(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Luca said yes", f"{ERASED} said yes"),
        ("Luca Bianchi and Luca Rossi", f"{ERASED} and {ERASED} Rossi"),
        ("Ask Mara", "Ask Mara"),
        ("lucarne, Lucas", "lucarne, Lucas"),
        ("LUCA   BIANCHI", ERASED),
    ],
)
def test_a_part_of_a_name_counts_where_it_is_written_as_one(text: str, left: str) -> None:
    """First and family names alone are enough, as words, and as names are written."""
    assert Naming("Luca Bianchi", "luca.bianchi@versayce.example", ["Mara Osei"]).redacted(text) == left


def test_a_part_that_another_bears_too_stays() -> None:
    """Where two have a name in common, it alone names neither."""
    naming = Naming("Luca Bianchi", ADDRESS, ["Luca Rossi"])
    assert naming.redacted("Luca Rossi, Luca, Bianchi") == f"Luca Rossi, Luca, {ERASED}"
    assert naming.anywhere().redacted("Bianchi, Luca Bianchi") == f"Bianchi, {ERASED}"


def test_a_namesakes_name_is_nobodys() -> None:
    """A whole name that somebody of another account bears too names nobody where a text is no account's; where another
    around the same account bears it, nowhere. The address always does."""
    elsewhere = Naming("Luca Bianchi", ADDRESS, strangers=["luca  BIANCHI"])
    assert elsewhere.redacted("Luca Bianchi") == ERASED
    assert elsewhere.anywhere().redacted(f"Luca Bianchi, {ADDRESS}") == f"Luca Bianchi, {ERASED}"
    here = Naming("Luca Bianchi", ADDRESS, ["Luca Bianchi"])
    assert here.redacted(f"Luca Bianchi, {ADDRESS}") == f"Luca Bianchi, {ERASED}"


@pytest.mark.parametrize("where", ["to", "text", "html", "calendar", "file"])
def test_a_mail_names_somebody_wherever_that_stands(where: str) -> None:
    """In a header, a text of any encoding, a folded line of a calendar or the name of a file."""
    naming = Naming("José Martí", "jose@versayce.example")
    mail = EmailMessage()
    mail["To"] = "José Martí <x@y.example>" if where == "to" else "Mara <m@y.example>"
    mail.set_content("Hello José Martí" if where == "text" else "Hello", cte="base64")
    mail.add_alternative("<p>Hello José Martí</p>" if where == "html" else "<p>Hello</p>", subtype="html")
    calendar = "BEGIN:VEVENT\r\nATTENDEE;CN=José Mar\r\n tí:mailto:x@y.example\r\nEND:VEVENT\r\n"
    mail.add_alternative(calendar if where == "calendar" else "BEGIN:VEVENT", subtype="calendar")
    mail.add_attachment(
        b"x", maintype="application", subtype="pdf", filename=f"{'Martí' if where == 'file' else 'a'}.pdf"
    )
    assert naming.named_in_mail(mail.as_bytes())
    assert not Naming("Nora Vidal", "nora@versayce.example").named_in_mail(mail.as_bytes())


LUCA: Final = "Luca Bianchi <luca.bianchi@versayce.example>"


class Undone(Exception):  # noqa: N818 - the end of a transaction, not an error
    """Ends a transaction that is not to be kept."""


def filled(column: Column[Any]) -> Any:
    """Something that can stand in a column: an id that leads somewhere, or else words that name Luca."""
    for key in column.foreign_keys:
        return filled(key.column)
    if column.name == "account" or str(column) == "accounts.key":
        return "acme"
    if (column.primary_key or column.unique) and isinstance(column.type, String) and str(column) != "attachments.name":
        return f"{column.table.name}.{column.name}"
    match column.type:
        case UtcInstant():
            return datetime(2027, 3, 1, tzinfo=UTC)
        case Date():
            return date(2027, 3, 1)
        case JSON():
            return {"said": [f"by {LUCA}", None, 1], "plain": "Luca"}
        case Boolean():
            return False
        case Integer() | Float():
            return 1
        case LargeBinary():
            mail = EmailMessage()
            mail["To"] = LUCA
            mail.set_content("Hello Luca", cte="base64")
            return mail.as_bytes()
        case _:
            return f"{LUCA} and Bianchi"


KNOWN: Final[dict[str, dict[str, Any]]] = {
    "accounts": {"held": ["x"]},
    "contacts": {"id": "c_luca", "name": "Luca Bianchi", "email": "luca.bianchi@versayce.example", "personas": ["x"]},
    "messages": {"state": "sent", "person": "m_tam"},
    "submissions": dict.fromkeys(("entered_by", "text_hash", "on_behalf_of", "shown", "about"))
    | {"actor": "m_tam", "workflow_id": "task/acme/step/1", "kind": "note", "channel": "cli", "verified": "operator"},
    "gap_links": {"kind": "account", "ref": "acme"},
    # What stands in a file is not looked into.
    "attachments": {"content": b""},
}
APART: Final = (
    *("members", "absences", "vendor", "tokens", "switches", "probes", "relays", "sweeps", "signing_keys"),
    *("timeline", "timeline_heads", "timeline_marks"),
)
"""What is of the vendor's own people, or holds ids alone."""


async def test_no_column_of_any_table_names_who_was_erased(tmp_path: Path) -> None:
    """Whatever table there is, also one that comes later: where it can name somebody of the account it does no more."""
    store = Store(Settings(data=tmp_path).database)
    await store.migrate()
    tables = [table for table in Base.metadata.sorted_tables if table.name not in APART]
    with contextlib.suppress(Undone):
        async with store.writing() as connection:
            await connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            for table in tables:
                row = {column.name: filled(column) for column in table.columns} | KNOWN.get(table.name, {})
                await connection.execute(insert(table).values(**row))
            assert len(await naming_rows(connection, tables)) > len(tables) / 2
            named = await erasure.naming(connection, "acme", "c_luca")
            await erasure.erase(connection, "acme", "c_luca", named, datetime(2027, 3, 2, tzinfo=UTC))
            left = await naming_rows(connection, tables)
            # What belongs to no account is searched for the whole name and the address alone.
            of_nobody = ("roadmap_items.", "side_projects.", "side_stretches.")
            assert {where for where in left if not where.startswith(of_nobody)} == set()
            assert not any(re.search("luca|bianchi", str(row)) for row in await indexed(connection))
            raise Undone
    await store.close()


async def indexed(connection: Connection) -> list[object]:
    """What the full-text index keeps of its own."""
    rows = await connection.execute(text("SELECT block FROM case_search_data"))
    found: list[object] = [row.block for row in rows]
    assert found
    return found


async def naming_rows(connection: Connection, tables: Sequence[Table]) -> set[str]:
    """The columns in which Luca is named."""
    found = set()
    for table in tables:
        for row in await connection.execute(select(table)):
            for column, value in row._mapping.items():
                said = "Luca" if isinstance(value, bytes) and value else str(value)
                if any(name in said for name in ("Luca", "Bianchi", "luca.bianchi")):
                    found.add(f"{table.name}.{column}")
    return found


def mail(number: int, to: str, text: str) -> bytes:
    """A mail as it went out, and as the catcher keeps it."""
    message = EmailMessage()
    message["Message-ID"] = f"<{number}@foobar.example>"
    message["To"] = to
    message.set_content(text)
    return message.as_bytes()


async def test_erasing_somebody_leaves_a_namesakes_mails(tmp_path: Path) -> None:
    """Of two customers' Dev Okafor one is erased: what is kept of the other's mails stays as it is, in the database and
    with the catcher, whoever got them; what belongs to nobody goes where the address stands, not by the name."""
    account = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")
    chosen = Settings(data=tmp_path)
    chosen.caught.mkdir()
    store = Store(chosen.database)
    await store.migrate()
    people_of: dict[str, dict[str, str]] = {}
    async with store.writing() as connection:
        for key in ("one", "two"):
            devs = [account.contacts[0].model_copy(update={"name": "Dev Okafor", "email": f"dev@{key}.example"})]
            others = [
                contact.model_copy(update={"email": f"{number}@{key}.example"})
                for number, contact in enumerate(account.contacts[1:])
            ]
            here = account.account.model_copy(update={"key": key})
            file = account.model_copy(update={"account": here, "contacts": (*devs, *others)})
            await imports.save(connection, file, NOW)
            people_of[key] = {one.email: one.id for one in await accounts.contacts(connection, key)}
        sent = [
            ("one", "dev@one.example", "Your link"),
            ("one", "0@one.example", "With Dev Okafor"),
            ("one", "0@one.example", "With Dev"),
            ("one", "0@one.example", "With nobody"),
            ("two", "dev@two.example", "Dear Dev Okafor"),
            ("two", "0@two.example", "With Dev Okafor"),
            (None, "robin@foobar.example", "Dev Okafor has answered"),
            (None, "robin@foobar.example", "dev@one.example has answered"),
        ]
        rows = [
            test_outbox.row(str(number), state=MessageState.SENT, raw=mail(number, to, said))
            | {"account": key, "person": people_of[key][to] if key else "m", "message_id": f"<{number}@foobar.example>"}
            for number, (key, to, said) in enumerate(sent)
        ]
        await outbox.intend(connection, rows)
    for number, (_, to, said) in enumerate([*sent, (None, "x@y.example", "Dev Okafor"), (None, "dev@one.example", "")]):
        (chosen.caught / f"{number:08d}-1.eml").write_bytes(mail(number, to, said))
    services = Services(chosen, store, cast("Client", None))
    await succession.erase_contact(services, "one", "dev@one.example", TAM, "asked for it")
    async with store.reading() as connection:
        kept = await connection.scalars(select(MessageRow.key).where(MessageRow.raw.is_not(None)))
        assert sorted(kept) == ["3", "4", "5", "6"]
        assert (await accounts.contacts(connection, "two"))[0].name == "Dev Okafor"
    await store.close()
    assert sorted(int(path.name[:8]) for path in chosen.caught.iterdir()) == [3, 4, 5, 6, 8]


async def test_what_was_said_to_a_further_contract_is_said_of_its_account(tmp_path: Path) -> None:
    """Words to the workflows of any of an account's contracts are its own; those to one of a longer key are not."""
    store = Store(Settings(data=tmp_path).database)
    await store.migrate()
    theirs = ("onboarding/one", "onboarding/one.C-2", "meeting/one.C-2/kickoff/1", "task/one/plan/1")
    others = ("onboarding/one-two", "meeting/one-two.C-2/kickoff/1", "meeting/two/kickoff/1", "case/C-00001")
    async with store.writing() as connection:
        for id_ in (*theirs, *others):
            said = submission("m_1", TAM, "vote", id_, "Dev Okafor")
            await timeline.submit(connection, said)
        found = await connection.scalars(select(SubmissionRow.workflow_id).where(erasure.said_of("one")))
        assert sorted(found) == sorted(theirs)
    await store.close()
