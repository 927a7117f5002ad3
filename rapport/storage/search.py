"""Full-text search over cases: similar ones that were solved, and likely duplicates of an open one.

SQLite searches with FTS5, PostgreSQL with `tsvector`; both know words by their English stems. What is searched for is
data and never syntax: it is cut into words here, and each goes to the database between quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    column,
    delete,
    func,
    literal_column,
    select,
    table,
    text,
)

from rapport.model.base import Instant, WireModel
from rapport.model.support_case import CaseState
from rapport.storage import upserts
from rapport.storage.database import Connection
from rapport.storage.desk_tables import CaseTextRow
from rapport.storage.support_case_tables import CaseLogRow, CaseRow
from rapport.storage.tables import SubmissionRow

INDEX: Final = "case_search"
"""The index beside the texts. SQLite keeps tables of its own for it, with names that begin so."""

MAX_WORDS: Final = 64
"""How many different words are searched for at most; what matters stands at the beginning of a question."""
_MAX_WORD: Final = 60
_WORD: Final = re.compile(r"[^\W_]+")
_CANDIDATES: Final = 40

ALIKE: Final = 0.6
"""The share of words that two questions have in common from which on they are likely the same."""
_RELATED: Final = 0.15
_SAME_AREA: Final = 1.25

# What is said in every question, and so tells none from another.
_EVERYWHERE: Final = """
a about after all also am an and any are as at be because been but by can could did do does for from get got had has
have help how i if in into is it its just me my no not of on or our out please so some than that the their them then
there these they this to up us was we were what when where which who why will with would you your
"""
_COMMON: Final = frozenset(_EVERYWHERE.split())
_ANSWERS: Final = ("answer", "resolve")


class Similar(WireModel):
    """A solved case that resembles a question.

    Attributes:
        answer: What solved it.
        alike: Which share of the question's words it has, from 0 to 1.
    """

    ref: str
    account: str
    area: str
    question: str
    answer: str
    solved: Instant
    alike: float


class Likely(WireModel):
    """An open case that is likely about the same; somebody has to say so.

    Attributes:
        alike: Which share of both questions' words they have in common, from 0 to 1.
    """

    ref: str
    question: str
    opened: Instant
    alike: float


def words(text: str) -> list[str]:
    """The words by which a text is searched, each once, in their order."""
    found = (word.casefold() for word in _WORD.findall(text))
    return list(dict.fromkeys(word[:_MAX_WORD] for word in found if word not in _COMMON))[:MAX_WORDS]


async def put(connection: Connection, ref: str) -> None:
    """Bring what is searched of a case up to what is on record of it; a case that is unknown, or was merged, has none.

    To be called in the transaction that opens a case, and in each that writes down what it has become.
    """
    row = (await connection.execute(_CASE, {"case": ref})).one_or_none()
    if row is None or row.text is None or row.state == CaseState.MERGED:
        await connection.execute(delete(CaseTextRow).where(CaseTextRow.ref == ref))
        return
    said = await connection.scalars(_SAID, {"case": ref})
    values = {
        "ref": ref,
        "account": row.account,
        "contact": row.contact,
        "area": row.area,
        "question": row.text,
        "answer": "\n\n".join(text for text in said if text),
        "opened_at": row.opened_at,
        "solved_at": row.resolved_at if row.state == CaseState.RESOLVED else None,
    }
    await upserts.put(connection, CaseTextRow, [values], keys=("ref",))


async def drop(connection: Connection, refs: Select[str]) -> None:
    """Search no more in cases that go off the record."""
    await connection.execute(delete(CaseTextRow).where(CaseTextRow.ref.in_(refs)))


async def forget(connection: Connection, contact: str) -> None:
    """Search no more in what a contact asked; goes with their erasure."""
    await connection.execute(delete(CaseTextRow).where(CaseTextRow.contact == contact))


async def settle(connection: Connection) -> None:
    """Write the index anew: until SQLite does so, it keeps the words of what was deleted."""
    if connection.dialect.name == "sqlite":
        await connection.execute(text("INSERT INTO case_search(case_search) VALUES ('optimize')"))


async def similar(
    connection: Connection, text: str, *, area: str | None = None, but: str | None = None, limit: int = 5
) -> tuple[Similar, ...]:
    """Solved cases that resemble a text, the nearest first.

    Args:
        area: Where it belongs; of cases that resemble it as much, those of the same area come first.
        but: The case that asks, which is none of them.
    """
    wanted = words(text)
    found = []
    for row in await _found(connection, wanted, [CaseTextRow.solved_at.is_not(None)], but):
        share = _shared(wanted, words(f"{row.question}\n{row.answer}")) / len(wanted)
        if share >= _RELATED:
            found.append((share * (_SAME_AREA if row.area == area else 1), row, share))
    found.sort(key=lambda one: (-one[0], -one[1].solved_at.timestamp(), one[1].ref))
    return tuple(Similar.made_of(row, solved=row.solved_at, alike=round(share, 2)) for _, row, share in found[:limit])


async def duplicates(
    connection: Connection, account: str, text: str, *, but: str | None = None, limit: int = 3
) -> tuple[Likely, ...]:
    """Open cases of the same account that are likely about the same, the likeliest first. They are only offered.

    Args:
        but: The case that asks, which is none of them.
    """
    wanted = words(text)
    where = [CaseTextRow.solved_at.is_(None), CaseTextRow.account == account]
    found = []
    for row in await _found(connection, wanted, where, but):
        there = words(row.question)
        alike = 2 * _shared(wanted, there) / (len(wanted) + len(there)) if there else 0.0
        if alike >= ALIKE:
            found.append(Likely(ref=row.ref, question=row.question, opened=row.opened_at, alike=round(alike, 2)))
    return tuple(sorted(found, key=lambda one: (-one.alike, one.opened, one.ref))[:limit])


async def _found(
    connection: Connection, wanted: list[str], where: Iterable[ColumnElement[bool]], but: str | None
) -> list[Row[Any]]:
    """The texts that come nearest by the database's own measure."""
    if not wanted:
        return []
    query = (_by_vector if connection.dialect.name == "postgresql" else _by_fts)(wanted)
    for condition in where:
        query = query.where(condition)
    if but is not None:
        query = query.where(CaseTextRow.ref != but)
    return list(await connection.execute(query.limit(_CANDIDATES)))


_TEXTS: Final = CaseTextRow.__table__.columns
_FTS: Final = table(INDEX, column("rowid"), column("rank"))
# The expression that the index is made of, letter by letter; PostgreSQL uses it for no other.
VECTOR: Final = "to_tsvector('english', case_texts.question || ' ' || case_texts.answer)"


def _by_fts(wanted: list[str]) -> Select[Any]:
    query = " OR ".join('"' + word.replace('"', '""') + '"' for word in wanted)
    matches = literal_column(INDEX).op("MATCH", is_comparison=True)(query)
    return select(*_TEXTS).join(_FTS, _FTS.c.rowid == CaseTextRow.number).where(matches).order_by(_FTS.c.rank)


def _by_vector(wanted: list[str]) -> Select[Any]:
    quoted = " | ".join("'" + word.replace("\\", "\\\\").replace("'", "''") + "'" for word in wanted)
    query = func.to_tsquery(literal_column("'english'"), quoted)
    vector: ColumnElement[Any] = literal_column(VECTOR)
    matches = vector.op("@@", is_comparison=True)(query)
    return select(*_TEXTS).where(matches).order_by(func.ts_rank(vector, query).desc(), CaseTextRow.number)


def _shared(wanted: list[str], there: list[str]) -> int:
    """How many of the wanted words are there, whatever their ending."""
    stems = {_stem(word) for word in there}
    return sum(_stem(word) in stems for word in wanted)


_ENDINGS: Final = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|e)$")


def _stem(word: str) -> str:
    return _ENDINGS.sub("", word)


_CASE: Final = (
    select(
        CaseRow.account,
        CaseRow.contact,
        CaseRow.area,
        CaseRow.opened_at,
        CaseRow.state,
        CaseRow.resolved_at,
        SubmissionRow.text,
    )
    .outerjoin(SubmissionRow, SubmissionRow.id == CaseRow.question)
    .where(CaseRow.ref == bindparam("case"))
)
_SAID: Final = (
    select(SubmissionRow.text)
    .join(CaseLogRow, CaseLogRow.submission == SubmissionRow.id)
    .where(CaseLogRow.ref == bindparam("case"), CaseLogRow.kind.in_(_ANSWERS))
    .order_by(CaseLogRow.number)
)
