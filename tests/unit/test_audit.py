"""What the audit promises: whoever changes the record by hand is found, and nobody else is."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import delete, select, update
from temporalio.client import Client

from rapport.model.ids import new_id
from rapport.model.projection import TimelineEvent
from rapport.rules import audit
from rapport.rules.audit import ChainLink, Flaw
from rapport.settings import Settings
from rapport.storage import timeline
from rapport.storage.database import Store
from rapport.storage.tables import TimelineHeadRow, TimelineRow
from rapport.storage.timeline import Submission, Verified
from starters.services import Actor, Services, submission
from starters.use_cases.audit import verify
from tests.helpers_mail import NOW
from tests.mail_fixtures import address

T = TypeVar("T")

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis
CHANNELS = st.sampled_from(["cli", "api", "page", "link", "hook"])


@dataclass
class Said:
    """What a person says with an entry."""

    channel: Any
    text: str | None
    on_behalf_of: str | None
    shown: str | None


@dataclass
class Happened:
    """An entry to be written, under a key that its place in the list gives."""

    at: datetime
    kind: str
    about: str | None
    instant: datetime | None
    said: Said | None


SAID = st.builds(
    Said,
    channel=CHANNELS,
    text=st.none() | TEXTS,
    on_behalf_of=st.none() | st.just("m_1"),
    shown=st.none() | st.just("ab" * 32),
)
HAPPENED = st.builds(
    Happened,
    at=INSTANTS,
    kind=st.sampled_from(["vote.cast", "meeting.booked", "step.began"]),
    about=st.none() | TEXTS,
    instant=st.none() | INSTANTS,
    said=st.none() | SAID,
)
RECORDS = st.lists(HAPPENED, min_size=1, max_size=6)


@dataclass
class Record:
    """A database with one account's chain, and another account beside it that nobody touches."""

    path: Path
    hand: sqlite3.Connection
    entries: list[TimelineEvent] = field(default_factory=list)

    def with_store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Do something with a store of its own."""

        async def whole() -> T:
            store = Store(address(self.path))
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(whole())

    def write(self, happened: list[Happened], size: int = 2) -> None:
        """Write the entries in batches of a size, with what was said before them."""

        said = [self._say(one.said) if one.said else None for one in happened]
        self.entries += [
            TimelineEvent(
                key=f"k/{number}",
                account="versayce",
                at=one.at,
                kind=one.kind,
                about=one.about,
                instant=one.instant,
                submission=words.id if words else None,
            )
            for number, (one, words) in enumerate(zip(happened, said, strict=True), 1)
        ]
        beside = TimelineEvent(key="beside", account="beside", at=NOW, kind="x")

        async def work(store: Store) -> None:
            async with store.writing() as connection:
                for words in said:
                    if words:
                        await timeline.submit(connection, words)
            for begin in range(0, len(self.entries), size):
                async with store.writing() as connection:
                    await timeline.append(connection, [*self.entries[begin : begin + size], beside])

        self.with_store(work)

    def _say(self, said: Said) -> Submission:
        actor = Actor(email="", channel=said.channel)
        return submission("m_2", actor, "vote", "w", said.text, on_behalf_of=said.on_behalf_of, shown=said.shown)

    def append(self, entries: list[TimelineEvent]) -> None:
        """Write entries as they are."""

        async def work(store: Store) -> None:
            async with store.writing() as connection:
                await timeline.append(connection, entries)

        self.with_store(work)

    def verify(self) -> Verified:
        """What the audit says."""

        async def work(store: Store) -> Verified:
            async with store.snapshot() as connection:
                return await timeline.verify(connection)

        return self.with_store(work)

    def links(self) -> list[ChainLink]:
        """The chain as it stands."""

        async def work(store: Store) -> list[ChainLink]:
            async with store.snapshot() as connection:
                return [link async for link in timeline.links(connection, "versayce")]

        return self.with_store(work)

    def found(self) -> list[tuple[int | None, Flaw]]:
        """Where the audit finds what."""
        verified = self.verify()
        assert verified.whole == (not verified.findings)
        assert {finding.account for finding in verified.findings} <= {"versayce"}
        return [(finding.sequence, finding.what) for finding in verified.findings]

    def by_hand(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement as someone does who has the file and no code of ours."""
        return self.hand.execute(statement, values).fetchall()


Records = Callable[[], Record]
EXAMPLES = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def records(empty: Path) -> Iterator[Records]:
    """Databases with nothing in them, as many as a test asks for."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:

        def make() -> Record:
            opened.close()
            path = Path(folder) / f"{new_id('r')}.db"
            shutil.copy(empty, path)
            hand = opened.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
            hand.execute("PRAGMA synchronous = OFF")
            return Record(path, hand)

        yield make


def other(value: Any, how: str) -> Any:
    """Another value in the place of one."""
    if how == "null" and value is not None:
        return None
    return "x" if value is None else f"{value}x"


HOWS = st.sampled_from(["null", "longer"])
NEVER_NULL = {"key", "account", "at", "kind", "previous", "hash", "actor", "channel", "workflow_id", "verified", "id"}


# --- what is as it was written


@EXAMPLES
@given(happened=RECORDS, size=st.integers(1, 4), again=st.randoms(use_true_random=False))
def test_a_record_is_whole_and_repeating_changes_nothing(
    records: Records, happened: list[Happened], size: int, again: random.Random
) -> None:
    """Whatever was written verifies, and writing any of it again, in any order and even twice, changes no row."""
    record = records()
    record.write(happened, size)
    assert record.found() == []
    assert record.verify().entries == len(happened) + 1
    everything = "SELECT * FROM timeline ORDER BY id", "SELECT * FROM timeline_heads ORDER BY account"
    before = [record.by_hand(statement) for statement in everything]
    repeated = again.choices(record.entries, k=len(record.entries) + 1)
    record.append([entry.model_copy(update={"kind": "other"}) for entry in repeated])
    assert [record.by_hand(statement) for statement in everything] == before
    fresh = TimelineEvent(key="fresh", account="versayce", at=NOW, kind="x")
    record.append([*repeated, fresh, fresh])
    assert [link.sequence for link in record.links()] == list(range(1, len(happened) + 2))
    assert record.found() == []


@EXAMPLES
@given(happened=RECORDS, which=st.sets(st.integers(0, 5)))
def test_erasing_what_people_said_keeps_the_chain_whole(
    records: Records, happened: list[Happened], which: set[int]
) -> None:
    """Salts and texts may go for good; who said something, and when, stays provable."""
    record = records()
    record.write(happened)
    for number, entry in enumerate(record.entries):
        if number in which:
            record.by_hand("UPDATE submissions SET salt = NULL, text = NULL WHERE id = ?", entry.submission)
    assert record.found() == []


def test_the_hash_of_a_text_says_nothing_without_its_salt(records: Records) -> None:
    """The same words said twice leave two hashes that have nothing in common."""
    said = [submission("m_1", Actor(email="", channel="link"), "vote", "w", "yes") for _ in range(2)]
    assert len({one.text_hash for one in said}) == 2
    for one in said:
        assert one.salt is not None
        assert one.text_hash == audit.text_hash(one.salt, "yes")


async def test_two_stores_at_once_make_one_chain(store: Store) -> None:
    """Two parts with connections of their own, each writing to two accounts at once, leave chains without a fork."""
    apart = Store(store.url)

    async def write(where: Store, number: int) -> None:
        async with where.writing() as connection:
            entries = [
                TimelineEvent(key=f"{account}/{number // 2}", account=account, at=NOW, kind="x")
                for account in ("versayce", "other")
            ]
            await timeline.append(connection, entries)

    # Two writers to each key: one of them finds it written.
    await asyncio.gather(*(write(where, number) for number in range(40) for where in (store, apart)))
    await apart.close()
    async with store.snapshot() as connection:
        verified = await timeline.verify(connection)
        heads = list(await connection.scalars(select(TimelineHeadRow.sequence)))
    assert verified == Verified(whole=True, entries=40, findings=())
    assert heads == [20, 20]


async def test_a_long_chain_is_verified_in_pieces(store: Store) -> None:
    """A chain of more entries than are read at once is whole, and without one of them it is not."""
    entries = [TimelineEvent(key=str(number), account="versayce", at=NOW, kind="x") for number in range(1, 1201)]
    async with store.writing() as connection:
        await timeline.append(connection, entries)
    for gone in (500, 501):
        async with store.snapshot() as connection:
            before = await timeline.verify(connection, "versayce")
        async with store.writing() as connection:
            await connection.execute(TimelineRow.__table__.delete().where(TimelineRow.key == str(gone)))  # type: ignore[attr-defined]
    async with store.snapshot() as connection:
        after = await timeline.verify(connection, "versayce")
    assert [finding.sequence for finding in before.findings] == [500]
    assert [(finding.sequence, finding.detail) for finding in after.findings] == [
        (500, "entries 500 to 501 are missing")
    ]
    assert (before.entries, after.entries) == (1199, 1198)


# --- going on from where it was whole


async def append(store: Store, first: int, last: int) -> None:
    """Write so many entries."""
    entries = [
        TimelineEvent(key=str(number), account="versayce", at=NOW, kind="x") for number in range(first, last + 1)
    ]
    async with store.writing() as connection:
        await timeline.append(connection, entries)


async def change(store: Store, at: int, **values: Any) -> None:
    """Alter an entry by hand."""
    async with store.writing() as connection:
        await connection.execute(update(TimelineRow).where(TimelineRow.sequence == at).values(**values))


async def test_an_audit_goes_on_from_where_the_record_was_whole(store: Store, tmp_path: Path) -> None:
    """What was verified is not looked at again, but for its last entry; what has come since is, each time."""
    services = Services(Settings(data=tmp_path), store, cast("Client", None))
    await append(store, 1, 1200)
    seen = [await verify(services), await verify(services)]
    await append(store, 1201, 1203)
    seen += [await verify(services), await verify(services, again=True), await verify(services)]
    assert [(one.whole, one.entries, one.before) for one in seen] == [
        (True, 1200, 0),
        (True, 1, 1199),
        (True, 4, 1199),
        (True, 1203, 0),
        (True, 1, 1202),
    ]


@pytest.mark.parametrize("at", [5, 6, 8])
@pytest.mark.parametrize("values", [{"who": "x"}, {"hash": "ab" * 32}, {"previous": "ab" * 32}, {"sequence": 99}])
async def test_what_is_altered_since_is_found_without_looking_at_the_rest(
    store: Store, tmp_path: Path, at: int, values: dict[str, Any]
) -> None:
    """From the last verified entry on nothing escapes: not in that one, not in those after it; and it is told again
    until it is mended."""
    services = Services(Settings(data=tmp_path), store, cast("Client", None))
    await append(store, 1, 5)
    assert (await verify(services)).whole
    await append(store, 6, 8)
    await change(store, at, **values)
    for _ in range(2):
        assert not (await verify(services)).whole


async def test_what_is_altered_before_is_found_by_looking_at_all(store: Store, tmp_path: Path) -> None:
    """An entry that was verified, and is altered after that, is found by `--all`; from then on by every look, until it
    is what it was."""
    services = Services(Settings(data=tmp_path), store, cast("Client", None))
    await append(store, 1, 8)
    assert (await verify(services)).whole
    await change(store, 3, who="x")
    assert (await verify(services)).whole
    found = [await verify(services, again=True), await verify(services), await verify(services)]
    assert [[(one.sequence, one.what) for one in each.findings] for each in found] == [[(3, Flaw.ALTERED)]] * 3
    await change(store, 3, who=None)
    assert [(one.whole, one.before) for one in (await verify(services), await verify(services))] == [
        (True, 0),
        (True, 7),
    ]


async def test_a_chain_that_was_cut_short_is_looked_at_as_a_whole(store: Store, tmp_path: Path) -> None:
    """Where the last verified entry is gone, all that is left is looked at, and what is missing named."""
    services = Services(Settings(data=tmp_path), store, cast("Client", None))
    await append(store, 1, 8)
    await verify(services)
    async with store.writing() as connection:
        await connection.execute(delete(TimelineRow).where(TimelineRow.sequence > 6))
    found = await verify(services)
    assert (found.entries, [(one.sequence, one.what) for one in found.findings]) == (6, [(7, Flaw.MISSING)])


# --- what was changed by hand


@pytest.mark.parametrize("name", [*audit.ENTRY, "previous", "hash"])
@settings(EXAMPLES, max_examples=6)
@given(happened=RECORDS, at=st.integers(0, 5), how=HOWS)
def test_an_altered_field_is_found(records: Records, name: str, happened: list[Happened], at: int, how: str) -> None:
    """Any other value in any field of any entry is found, at that entry."""
    record = records()
    record.write(happened)
    sequence = at % len(happened) + 1
    [(old,)] = record.by_hand(f"SELECT {name} FROM timeline WHERE account = 'versayce' AND sequence = ?", sequence)
    new = other(old, "longer" if name in NEVER_NULL else how)
    record.by_hand(f"UPDATE timeline SET {name} = ? WHERE account = 'versayce' AND sequence = ?", new, sequence)
    if name == "account":
        assert {finding.account: finding.sequence for finding in record.verify().findings}["versayce"] == sequence
    else:
        assert record.found() == [(sequence, Flaw.ALTERED)]


@EXAMPLES
@given(happened=RECORDS, at=st.integers(0, 5), name=st.sampled_from(["at", "instant"]), later=st.timedeltas())
def test_another_instant_is_found(
    records: Records, happened: list[Happened], at: int, name: str, later: timedelta
) -> None:
    """An entry that says another time, by whatever, is found; the same time is not."""
    record = records()
    record.write(happened)
    entry = record.entries[at % len(happened)]
    old: datetime | None = getattr(entry, name)
    try:
        new = (old or NOW) + later
        stored = new.replace(tzinfo=None).isoformat(" ", "microseconds")
    except OverflowError:
        return
    record.by_hand(f"UPDATE timeline SET {name} = ? WHERE key = ?", stored, entry.key)
    assert record.found() == ([] if new == old else [(at % len(happened) + 1, Flaw.ALTERED)])


@pytest.mark.parametrize("name", [*audit.SUBMISSION, "text", "salt"])
@settings(EXAMPLES, max_examples=6)
@given(happened=RECORDS, said=SAID, at=st.integers(0, 5), how=HOWS)
def test_an_altered_submission_is_found(
    records: Records, name: str, happened: list[Happened], said: Said, at: int, how: str
) -> None:
    """Any other value in what a person said, how they were verified or what they were shown is found at its entry."""
    at %= len(happened)
    happened[at].said = said
    record = records()
    record.write(happened)
    id_ = record.entries[at].submission
    [(old,)] = record.by_hand(f"SELECT {name} FROM submissions WHERE id = ?", id_)
    new = other(old, "longer" if name in NEVER_NULL else how)
    record.by_hand(f"UPDATE submissions SET {name} = ? WHERE id = ?", new, id_)
    assert record.found() == [(at + 1, Flaw.TEXT if name in ("text", "salt") else Flaw.ALTERED)]


@EXAMPLES
@given(happened=RECORDS, said=SAID, at=st.integers(0, 5))
def test_a_missing_submission_is_found(records: Records, happened: list[Happened], said: Said, at: int) -> None:
    """An entry of which the submission was deleted is found, and named as that."""
    at %= len(happened)
    happened[at].said = said
    record = records()
    record.write(happened)
    record.by_hand("DELETE FROM submissions WHERE id = ?", record.entries[at].submission)
    [finding] = record.verify().findings
    assert (finding.sequence, finding.what) == (at + 1, Flaw.ALTERED)
    assert finding.detail == "what was said with it is missing or altered"


@EXAMPLES
@given(happened=RECORDS, at=st.integers(0, 5), count=st.integers(1, 6))
def test_missing_entries_are_found(records: Records, happened: list[Happened], at: int, count: int) -> None:
    """One or several entries that were deleted, also the first, the last or all, are found where they stood."""
    record = records()
    record.write(happened)
    first = at % len(happened) + 1
    record.by_hand(
        "DELETE FROM timeline WHERE account = 'versayce' AND sequence BETWEEN ? AND ?", first, first + count - 1
    )
    assert record.found() == [(first, Flaw.MISSING)]


@EXAMPLES
@given(happened=RECORDS, at=st.integers(0, 5))
def test_closing_the_gap_does_not_hide_it(records: Records, happened: list[Happened], at: int) -> None:
    """A deleted entry is found also if all later ones were numbered anew, and the head as well."""
    record = records()
    record.write([*happened, *happened])
    gone = at % len(happened) + 1
    record.by_hand("DELETE FROM timeline WHERE account = 'versayce' AND sequence = ?", gone)
    for sequence in range(gone + 1, 2 * len(happened) + 1):
        record.by_hand(
            "UPDATE timeline SET sequence = ? WHERE account = 'versayce' AND sequence = ?", sequence - 1, sequence
        )
    record.by_hand("UPDATE timeline_heads SET sequence = sequence - 1 WHERE account = 'versayce'")
    assert record.found() == [(sequence, Flaw.REORDERED) for sequence in range(gone, 2 * len(happened))]


@EXAMPLES
@given(happened=RECORDS, pair=st.lists(st.integers(1, 12), min_size=2, max_size=2, unique=True), links=st.booleans())
def test_swapped_entries_are_found(records: Records, happened: list[Happened], pair: list[int], links: bool) -> None:
    """Two entries that changed places are found at both, with their hashes or without."""
    record = records()
    record.write([*happened, *happened])
    places = [(place - 1) % (2 * len(happened)) + 1 for place in pair]
    if places[0] == places[1]:
        places = [1, 2]
    names = [*audit.ENTRY, *(("previous", "hash") if links else ())]
    rows = [
        record.by_hand(f"SELECT {', '.join(names)} FROM timeline WHERE account = 'versayce' AND sequence = ?", place)[0]
        for place in places
    ]
    record.by_hand("UPDATE timeline SET key = 'in between' WHERE key = ?", rows[1][0])
    for place, row in zip(places, reversed(rows), strict=True):
        changes = ", ".join(f"{name} = ?" for name in names)
        if place == places[0]:
            record.by_hand("UPDATE timeline SET key = 'also in between' WHERE key = ?", rows[0][0])
        record.by_hand(f"UPDATE timeline SET {changes} WHERE account = 'versayce' AND sequence = ?", *row, place)
    what = Flaw.REORDERED if links else Flaw.ALTERED
    assert record.found() == [(place, what) for place in sorted(places)]


@EXAMPLES
@given(happened=RECORDS, at=st.integers(0, 5), moved=st.integers(-3, 30))
def test_a_moved_entry_is_found(records: Records, happened: list[Happened], at: int, moved: int) -> None:
    """An entry under another number is missed where it stood, and found where it stands."""
    record = records()
    record.write(happened)
    sequence = at % len(happened) + 1
    if 1 <= moved <= len(happened):
        moved = len(happened) + moved
    record.by_hand("UPDATE timeline SET sequence = ? WHERE account = 'versayce' AND sequence = ?", moved, sequence)
    found = record.found()
    assert (sequence, Flaw.MISSING) in found
    assert (moved, Flaw.REORDERED) in found if moved > 0 else (None, Flaw.ADDED) in found


def forge(record: Record, sequence: int) -> None:
    """Put an entry in a place, with a hash that fits it and the entry before it."""
    links = record.links()
    previous = links[sequence - 2].hash if sequence > 1 else audit.START
    entry = {**dict.fromkeys(audit.ENTRY), "key": "forged", "account": "versayce", "at": NOW, "kind": "vote.cast"}
    hash_ = audit.entry_hash(previous, sequence, entry, None)
    stored = NOW.replace(tzinfo=None).isoformat(" ", "microseconds")
    values = {**entry, "at": stored, "sequence": sequence, "previous": previous, "hash": hash_}
    record.by_hand("DELETE FROM timeline WHERE account = 'versayce' AND sequence = ?", sequence)
    names, marks = ", ".join(values), ", ".join("?" for _ in values)
    record.by_hand(f"INSERT INTO timeline ({names}) VALUES ({marks})", *values.values())


@EXAMPLES
@given(happened=RECORDS, at=st.integers(0, 5))
def test_a_forged_entry_in_the_place_of_another_is_found(records: Records, happened: list[Happened], at: int) -> None:
    """An entry that was replaced, with its own hash made to fit, is found by what was built on the old one."""
    record = records()
    record.write(happened)
    sequence = at % len(happened) + 1
    forge(record, sequence)
    assert record.found() == [(sequence, Flaw.ALTERED)]


@EXAMPLES
@given(happened=RECORDS)
def test_a_forged_entry_at_the_end_is_found(records: Records, happened: list[Happened]) -> None:
    """An entry that was added at the end with a hash that fits is found, and so is a head that was moved with it."""
    record = records()
    record.write(happened)
    forge(record, len(happened) + 1)
    assert record.found() == [(len(happened) + 1, Flaw.ADDED)]
    record.by_hand("UPDATE timeline_heads SET sequence = sequence + 1 WHERE account = 'versayce'")
    assert record.found() == [(len(happened) + 1, Flaw.ALTERED)]


@EXAMPLES
@given(happened=RECORDS, at=st.integers(0, 5))
def test_a_forged_entry_in_between_is_found(records: Records, happened: list[Happened], at: int) -> None:
    """An entry that was slipped in is found by those behind it, which are no longer where they were recorded."""
    record = records()
    record.write(happened)
    place = at % len(happened) + 1
    for sequence in range(len(happened), place - 1, -1):
        record.by_hand(
            "UPDATE timeline SET sequence = ? WHERE account = 'versayce' AND sequence = ?", sequence + 1, sequence
        )
    forge(record, place)
    found = record.found()
    assert set(found) == {
        (len(happened) + 1, Flaw.ADDED),
        *((sequence, Flaw.REORDERED) for sequence in range(place + 1, len(happened) + 2)),
    }


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM timeline_heads WHERE account = 'versayce'", (None, Flaw.MISSING)),
        ("UPDATE timeline_heads SET sequence = 9 WHERE account = 'versayce'", (3, Flaw.MISSING)),
        ("UPDATE timeline_heads SET sequence = 1 WHERE account = 'versayce'", (2, Flaw.ADDED)),
        ("UPDATE timeline_heads SET hash = 'x' WHERE account = 'versayce'", (2, Flaw.ALTERED)),
        ("UPDATE timeline SET sequence = 'x' WHERE key = 'k/2'", (2, Flaw.MISSING)),
        ("UPDATE timeline SET at = 'yesterday' WHERE key = 'k/2'", (2, Flaw.ALTERED)),
        ("UPDATE timeline SET kind = x'ff' WHERE key = 'k/2'", (2, Flaw.ALTERED)),
    ],
)
def test_what_no_program_writes_is_found(records: Records, change: str, found: tuple[int | None, Flaw]) -> None:
    """A head that was changed, and values of a kind that no column should hold, are findings and no crash."""
    record = records()
    record.write([Happened(at=NOW, kind="x", about=None, instant=None, said=None) for _ in range(2)])
    record.by_hand(change)
    assert found in record.found()
