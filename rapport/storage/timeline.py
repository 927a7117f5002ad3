"""The append-only record of an account, its hash chain, and what people said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import (
    Connection as SyncConnection,
    Executable,
    Table,
    bindparam,
    delete,
    insert,
    literal,
    select,
    type_coerce,
    union,
)
from sqlalchemy.types import NullType

from rapport.model.base import Instant, WireModel
from rapport.model.projection import TimelineEvent
from rapport.rules import audit
from rapport.rules.audit import AuditFinding, ChainHead, ChainLink, Walk
from rapport.rules.calendar import Interval
from rapport.storage.database import Connection
from rapport.storage.tables import SubmissionRow, TimelineHeadRow, TimelineMarkRow, TimelineRow
from rapport.storage.upserts import insert_into, put, putting

_BATCH: Final = 500
"""How many entries are read at a time to be verified."""


class Submission(WireModel):
    """What a person did and said, through which channel.

    Attributes:
        entered_by: Whose hands did the typing: the operating system's user on the CLI, a token's name in the API.
        verified: How the person was verified.
        on_behalf_of: The member for whom they decided, by id.
        shown: The SHA-256 of what they were shown, in hex.
        salt: 16 random bytes in hex, where there is a text.
        text_hash: SHA-256(salt‖text), where there is a text.
        about: The SHA-256 of what they chose beside the text, in hex.
        answered_at: When they were told what became of it, where it was said to a workflow.
    """

    id: str
    at: Instant
    actor: str
    channel: str
    entered_by: str | None = None
    kind: str
    workflow_id: str
    verified: str
    on_behalf_of: str | None = None
    shown: str | None = None
    text: str | None = None
    salt: str | None = None
    text_hash: str | None = None
    about: str | None = None
    answered_at: Instant | None = None


async def append(connection: Connection, entries: Sequence[TimelineEvent]) -> None:
    """Write entries at the end of their accounts' chains; those already written are left as they are."""
    chains: dict[str, dict[str, TimelineEvent]] = {}
    for entry in entries:
        chains.setdefault(entry.account, {}).setdefault(entry.key, entry)
    # In one order everywhere, so that two writers never wait for each other's chain.
    for account in sorted(chains):
        # Statements as short as these pay for each way into an async connection, so they go in together.
        await connection.run_sync(_extend, account, chains[account])


# Statements are put together once: for an append that takes longer than running it.
_TIMELINE = cast("Table", TimelineRow.__table__)
_HEADS = cast("Table", TimelineHeadRow.__table__)
_BEFORE = (
    select(TimelineHeadRow.sequence, TimelineHeadRow.hash, TimelineRow.key)
    .select_from(select(literal(1).label("always")).subquery())
    .outerjoin(TimelineHeadRow, TimelineHeadRow.account == bindparam("of"))
    .outerjoin(TimelineRow, TimelineRow.key.in_(bindparam("keys", expanding=True)))
)
_SAID = select(*(getattr(SubmissionRow, name) for name in audit.SUBMISSION)).where(
    SubmissionRow.id.in_(bindparam("ids", expanding=True))
)
_SUBMIT = insert(SubmissionRow)
_INSERT = insert(_TIMELINE).inline()


@cache
def _locking() -> Executable:
    head = insert_into("postgresql", _HEADS)
    return head.on_conflict_do_update(index_elements=["account"], set_={"account": head.excluded.account})


def _extend(connection: SyncConnection, account: str, entries: Mapping[str, TimelineEvent]) -> None:
    """Write the new ones among an account's entries, by their keys."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        # SQLite has one writer at a time. Here the head is what an account's writers wait for; it is locked before
        # anything is read, because what a statement that waited for a lock reads beside it may be out of date.
        connection.execute(_locking(), {"account": account, "sequence": 0, "hash": audit.START})
    before = connection.execute(_BEFORE, {"of": account, "keys": list(entries)}).all()
    known = {row.key for row in before}
    new = [entry for entry in entries.values() if entry.key not in known]
    if not new:
        return
    said = _said(connection, [entry.submission for entry in new if entry.submission])
    last, previous = before[0].sequence or 0, before[0].hash or audit.START
    rows = []
    for sequence, entry in enumerate(new, last + 1):
        values = entry.model_dump()
        hash_ = audit.entry_hash(previous, sequence, values, said.get(entry.submission or ""))
        rows.append(values | {"sequence": sequence, "previous": previous, "hash": hash_})
        previous = hash_
    connection.execute(_INSERT, rows)
    connection.execute(putting(dialect, _HEADS), {"account": account, "sequence": last + len(new), "hash": previous})


def _said(connection: SyncConnection, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    if not ids:
        return {}
    return {row.id: row._asdict() for row in connection.execute(_SAID, {"ids": ids})}


async def submit(connection: Connection, submission: Submission) -> None:
    """Keep what a person said, before their decision travels."""
    await connection.execute(_SUBMIT, submission.model_dump())


async def record(
    connection: Connection,
    accounts: str | Collection[str],
    kind: str,
    said: Submission,
    *,
    who: str | None = None,
    about: str | None = None,
    step: str | None = None,
    instant: datetime | None = None,
) -> None:
    """Keep what a person said, and put on timelines what they did by it.

    Args:
        accounts: Whose timelines: one account's, or those of several, or of none.
        who: Whom it happened to, by id, where that is not whoever said it.
    """
    await submit(connection, said)
    event = TimelineEvent(
        key=said.id, account="", at=said.at, kind=kind, step=step, who=who or said.actor, about=about, instant=instant,
        submission=said.id,
    )  # fmt: skip
    of = [accounts] if isinstance(accounts, str) else sorted(accounts)
    await append(connection, [event.model_copy(update={"account": one, "key": f"{one}/{said.id}"}) for one in of])


async def submissions(connection: Connection, ids: Sequence[str]) -> dict[str, Submission]:
    """What people said, by the submissions' ids."""
    rows = await connection.execute(select(SubmissionRow.__table__).where(SubmissionRow.id.in_(ids)))
    return {row.id: Submission.model_validate(row._mapping) for row in rows}


async def words(connection: Connection, submissions: Sequence[str]) -> dict[str, str]:
    """What people wrote, by their submissions' ids; what was erased, or never had words, is absent."""
    found = await connection.execute(
        select(SubmissionRow.id, SubmissionRow.text).where(SubmissionRow.id.in_(submissions))
    )
    return {row.id: row.text for row in found if row.text}


async def said(connection: Connection, id_: str) -> str | None:
    """The text of a submission, if it has one that is still there."""
    return (await words(connection, [id_])).get(id_)


async def latest_said(connection: Connection, to: str, kind: str, since: datetime) -> Submission | None:
    """The last thing of a kind that somebody said to a workflow after an instant, while its words are there."""
    last = await last_told(connection, to, kind)
    return last if last is not None and last.text is not None and last.at > since else None


async def last_told(connection: Connection, to: str, kind: str) -> Submission | None:
    """The last thing of a kind that was said to a workflow, or of whatever has this id."""
    columns = [getattr(SubmissionRow, name) for name in Submission.model_fields]
    query = select(*columns).where(SubmissionRow.workflow_id == to, SubmissionRow.kind == kind)
    row = (await connection.execute(query.order_by(SubmissionRow.at.desc()).limit(1))).one_or_none()
    return None if row is None else Submission.model_validate(row._mapping)


class TimelineRecord(WireModel):
    """An entry with what belongs to it, for a reader. Names are not in it; they are looked up when it is shown."""

    at: Instant
    kind: str
    step: str | None
    who: str | None
    about: str | None
    instant: Instant | None
    channel: str | None
    entered_by: str | None
    verified: str | None
    on_behalf_of: str | None
    shown: str | None
    text: str | None
    actor: str | None = None


async def of_workflow(connection: Connection, account: str, workflow_id: str) -> list[TimelineEvent]:
    """What one workflow has told an account's record, oldest first."""
    mine = TimelineRow.key.contains(f"/{workflow_id}/", autoescape=True)
    query = select(TimelineRow.__table__).where(TimelineRow.account == account, mine).order_by(TimelineRow.id)
    return [TimelineEvent.model_validate(row._mapping) for row in await connection.execute(query)]


_PAUSED: Final = ("operation.pause", "cadence.pause")
_RESUMED: Final = ("operation.resume", "operation.cancel", "cadence.resume", "cadence.cancel")


async def pauses(connection: Connection, account: str, contract: str, until: datetime) -> list[Interval]:
    """When a contract's onboarding, or what recurs after it, was paused; up to an instant."""
    query = (
        select(TimelineRow.kind, TimelineRow.at)
        .where(
            TimelineRow.account == account,
            TimelineRow.key.startswith(f"{contract}/", autoescape=True),
            TimelineRow.kind.in_([*_PAUSED, *_RESUMED]),
        )
        .order_by(TimelineRow.id)
    )
    found: list[Interval] = []
    since: datetime | None = None
    for row in await connection.execute(query):
        if row.kind in _PAUSED:
            since = since or row.at
        elif since is not None:
            found.append(Interval(since, row.at))
            since = None
    return [*found, Interval(since, until)] if since is not None else found


async def tell(connection: Connection, account: str, until: datetime | None = None) -> list[TimelineRecord]:
    """An account's record, oldest first."""
    query = (
        select(
            TimelineRow.at,
            TimelineRow.kind,
            TimelineRow.step,
            TimelineRow.who,
            TimelineRow.about,
            TimelineRow.instant,
            SubmissionRow.channel,
            SubmissionRow.entered_by,
            SubmissionRow.verified,
            SubmissionRow.on_behalf_of,
            SubmissionRow.shown,
            SubmissionRow.text,
            SubmissionRow.actor,
        )
        .outerjoin(SubmissionRow, SubmissionRow.id == TimelineRow.submission)
        .where(TimelineRow.account == account)
        .order_by(TimelineRow.at, TimelineRow.sequence)
    )
    if until is not None:
        query = query.where(TimelineRow.at <= until)
    return [TimelineRecord.model_validate(row._mapping) for row in await connection.execute(query)]


_INSTANTS: Final = {"at", "instant"}


def _covered(row: type[Any], names: Sequence[str], prefix: str = "") -> list[Any]:
    """The columns that the chain covers. Instants come as they are stored: a row altered by hand may hold anything."""
    return [
        (type_coerce(getattr(row, name), NullType()) if name in _INSTANTS else getattr(row, name)).label(prefix + name)
        for name in names
    ]


_LINKS = (
    select(
        TimelineRow.sequence,
        TimelineRow.previous,
        TimelineRow.hash,
        SubmissionRow.salt,
        SubmissionRow.text,
        *_covered(TimelineRow, audit.ENTRY),
        *_covered(SubmissionRow, audit.SUBMISSION, "said_"),
    )
    .outerjoin(SubmissionRow, SubmissionRow.id == TimelineRow.submission)
    .where(TimelineRow.account == bindparam("of"))
    .order_by(TimelineRow.sequence)
    .limit(_BATCH)
)


_LATER = _LINKS.where(TimelineRow.sequence > bindparam("after"))


async def links(connection: Connection, account: str, after: int | None = None) -> AsyncIterator[ChainLink]:
    """An account's chain as it stands, entry by entry.

    Args:
        after: The place of the last entry that is left out.
    """
    given: dict[str, Any] = {"of": account}
    rows = (await connection.execute(_LINKS if after is None else _LATER, given | {"after": after})).all()
    while rows:
        for row in rows:
            yield _link(row._asdict())
        rows = (await connection.execute(_LATER, given | {"after": rows[-1].sequence})).all()


def _link(row: Mapping[str, Any]) -> ChainLink:
    said = {name: _stored(name, row[f"said_{name}"]) for name in audit.SUBMISSION}
    return ChainLink(
        sequence=row["sequence"],
        previous=row["previous"],
        hash=row["hash"],
        entry={name: _stored(name, row[name]) for name in audit.ENTRY},
        said=None if said["id"] is None else said,
        salt=row["salt"],
        text=row["text"],
    )


def _stored(name: str, value: Any) -> Any:
    """A stored value as the chain covers it; what is no instant where one should be stays as it is."""
    if name in _INSTANTS and isinstance(value, str):
        try:
            value = datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError:
            return value
    return audit.canonical(value)


async def head(connection: Connection, account: str) -> tuple[int, str] | None:
    """The sequence and hash of an account's last entry, as noted when it was written."""
    noted = select(TimelineHeadRow.sequence, TimelineHeadRow.hash).where(TimelineHeadRow.account == account)
    row = (await connection.execute(noted)).one_or_none()
    return None if row is None else (row.sequence, row.hash)


class ReceiptFault(WireModel):
    """A receipt that is not what was signed, or not of what is on record.

    Attributes:
        what: What is wrong with it, in words.
    """

    ref: str
    key: str
    what: str


class Verified(WireModel):
    """What became of verifying chains.

    Attributes:
        entries: How many entries were looked at.
        before: How many were not looked at, because they were found whole at an earlier time.
        receipts: How many signed receipts of decisions were.
        faults: What is wrong with those, by review.
    """

    whole: bool
    entries: int
    findings: tuple[AuditFinding, ...]
    before: int = 0
    receipts: int = 0
    faults: tuple[ReceiptFault, ...] = ()


Marks = dict[str, ChainHead | None]
"""How far each account's chain is verified; nothing for one that is not whole."""


async def verify(connection: Connection, account: str | None = None) -> Verified:
    """Find every entry that is altered, missing, reordered or added, of one account or of all.

    The connection has to show one state of the database throughout, as `Store.snapshot()` does.
    """
    return (await verify_from(connection, account, {}))[0]


async def verify_from(
    connection: Connection, account: str | None, marks: Mapping[str, ChainHead | None]
) -> tuple[Verified, Marks]:
    """Do as `verify`, each chain from where it was found whole before, and say how far each is now.

    The entry at that place is looked at again. Where it is not the one that it was, its whole chain is.
    """
    every = union(select(TimelineRow.account), select(TimelineHeadRow.account)).order_by("account")
    accounts = [account] if account is not None else list(await connection.scalars(every))
    entries, before, findings, ends = 0, 0, list[AuditFinding](), Marks()
    for key in accounts:
        begin = await _begin(connection, key, marks.get(key))
        walk = Walk(key, begin)
        async for link in links(connection, key, None if begin == 1 else begin - 1):
            walk.take(link)
        found = walk.end(await head(connection, key))
        findings += found
        entries += walk.entries
        before += begin - 1
        ends[key] = None if found else walk.mark
    return Verified(whole=not findings, entries=entries, findings=tuple(findings), before=before), ends


async def _begin(connection: Connection, account: str, mark: ChainHead | None) -> int:
    """The place of the first entry to look at."""
    if mark is None:
        return 1
    there = select(TimelineRow.hash).where(TimelineRow.account == account, TimelineRow.sequence == mark.sequence)
    return mark.sequence if list(await connection.scalars(there)) == [mark.hash] else 1


async def marks(connection: Connection) -> Marks:
    """How far each chain was verified."""
    rows = await connection.execute(select(TimelineMarkRow.account, TimelineMarkRow.sequence, TimelineMarkRow.hash))
    return {row.account: ChainHead(row.sequence, row.hash) for row in rows}


async def put_marks(connection: Connection, ends: Marks, now: datetime) -> None:
    """Note how far each chain is verified; one that is not whole is looked at from its beginning until it is."""
    broken = [account for account, mark in ends.items() if mark is None]
    await connection.execute(delete(TimelineMarkRow).where(TimelineMarkRow.account.in_(broken)))
    whole = [(account, mark) for account, mark in sorted(ends.items()) if mark is not None]
    rows = [{"account": account, **mark._asdict(), "at": now} for account, mark in whole]
    await put(connection, TimelineMarkRow, rows)
