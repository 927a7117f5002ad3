"""Erasing a person from everything that is on record of an account. The timeline's hash chain stays whole.

It goes by the list of every place that holds a person (`rapport/storage/places.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, Select, String, Table, and_, delete, literal, or_, select, update

from rapport.model.account import ContactWork, Schedule
from rapport.model.account_data import EVERYONE
from rapport.model.base import WireModel
from rapport.model.ids import case_id, review_id
from rapport.model.message import MessageState
from rapport.rules.erasure import ERASED, ERASED_DOMAIN, Naming
from rapport.storage import search
from rapport.storage.account import LEFT
from rapport.storage.addresses import GONE
from rapport.storage.database import Connection
from rapport.storage.gap_tables import GapLinkRow, GapRow
from rapport.storage.places import PLACES
from rapport.storage.support_case_tables import CaseLogRow, CaseRow
from rapport.storage.tables import (
    AccountRow,
    AttachmentRow,
    Base,
    ContactRow,
    LinkRow,
    MemberRow,
    MessageRow,
    SubmissionRow,
    TaskRow,
    TimelineRow,
)
from rapport.storage.tech_review_tables import ReviewRemarkRow, ReviewRoundRow, ReviewRow

_AT_ONCE: Final = 500
"""How many Message-IDs are asked for at a time: SQLite takes some 32,000 parameters, and 500 are quick."""

_WAITING: Final = (MessageState.READY, MessageState.DEFERRED)
UNSENT: Final = (MessageState.DRAFT, MessageState.HELD, *_WAITING)


class Erased(WireModel):
    """What was erased.

    Attributes:
        contact: The id that stays, and names nobody any more.
        messages: How many mails lost their bytes.
        texts: How many things that people said lost their words.
        records: How many other records lost a name.
    """

    contact: str
    messages: int
    texts: int
    records: int


async def naming(connection: Connection, account: str, contact: str) -> Naming:
    """By what one of an account's contacts is named, and nobody else around it."""
    everyone = (
        await connection.execute(
            select(ContactRow.id, ContactRow.name, ContactRow.email).where(ContactRow.account == account)
        )
    ).all()
    one = next(row for row in everyone if row.id == contact)
    members = await connection.scalars(select(MemberRow.name))
    strangers = await connection.scalars(select(ContactRow.name).where(ContactRow.account != account))
    return Naming(one.name, one.email, [*members, *(row.name for row in everyone if row.id != contact)], strangers)


@dataclass(frozen=True)
class Concerned:
    """Which mails that are kept elsewhere are to be forgotten with a contact: by whose they are, not by a name alone.

    Attributes:
        theirs: The Message-IDs of mails to the contact.
        around: Those of the other mails of their account, each unless it does not name them.
        others: Those of the mails of other accounts, whoever is named in them.
        named: By what the contact is named.
    """

    theirs: frozenset[str]
    around: frozenset[str]
    others: frozenset[str]
    named: Naming

    def includes(self, message_id: str, raw: bytes) -> bool:
        """Whether a mail is to be forgotten."""
        if message_id in self.theirs or message_id in self.others:
            return message_id in self.theirs
        naming = self.named if message_id in self.around else self.named.anywhere()
        return naming.named_in_mail(raw)


async def concerned(
    connection: Connection, account: str, contact: str, named: Naming, message_ids: Iterable[str]
) -> Concerned:
    """What is to be forgotten of the mails with these Message-IDs; to be asked before the contact is erased."""
    theirs, around, others = set[str](), set[str](), set[str]()
    known = sorted(set(message_ids))
    for first in range(0, len(known), _AT_ONCE):
        some = known[first : first + _AT_ONCE]
        rows = await connection.execute(
            select(MessageRow.message_id, MessageRow.account, MessageRow.person).where(MessageRow.message_id.in_(some))
        )
        for row in rows:
            if row.account == account:
                (theirs if row.person == contact else around).add(row.message_id)
            elif row.account is not None:
                others.add(row.message_id)
    return Concerned(frozenset(theirs), frozenset(around), frozenset(others), named)


async def erase(connection: Connection, account: str, contact: str, named: Naming, now: datetime) -> Erased:
    """Erase a contact. What was to go to them does not go; what was to go to others is written anew when it goes."""
    texts = await _erase_words(connection, account, contact, named)
    messages = await erase_mails(connection, account, contact, named, now)
    await connection.execute(delete(LinkRow).where(LinkRow.person == contact))
    await search.forget(connection, contact)
    records = await _redact(connection, Base.metadata.tables[GapRow.__tablename__], _gaps_of(account), named)
    for table in Base.metadata.sorted_tables:
        if _is_searched(table):
            scope = scope_of(table, account)
            records += await _redact(connection, table, scope, named if scope is not None else named.anywhere())
    await connection.execute(
        update(ContactRow)
        .where(ContactRow.id == contact)
        .values(
            name=GONE,
            email=f"{contact}@{ERASED_DOMAIN}",
            title=None,
            schedule=Schedule(zone="UTC").model_dump(mode="json"),
            work=ContactWork().model_dump(mode="json"),
            left_at=now,
        )
    )
    await search.settle(connection)
    return Erased(contact=contact, messages=messages, texts=texts, records=records)


async def _erase_words(connection: Connection, account: str, contact: str, named: Naming) -> int:
    """Take text and salt from what they said, and from what was said of them; the hashes stay."""
    rows = await connection.execute(
        select(SubmissionRow.id, SubmissionRow.actor, SubmissionRow.workflow_id, SubmissionRow.text).where(
            SubmissionRow.text.is_not(None),
            or_(SubmissionRow.actor == contact, SubmissionRow.workflow_id == EVERYONE, said_of(account)),
        )
    )
    by_words = {EVERYONE: named.anywhere()}
    theirs = [row.id for row in rows if row.actor == contact or by_words.get(row.workflow_id, named).named_in(row.text)]
    if theirs:
        erased = update(SubmissionRow).where(SubmissionRow.id.in_(theirs)).values(text=None, salt=None)
        await connection.execute(erased)
        # What is searched is a copy of the words.
        for ref in await connection.scalars(select(CaseRow.ref).where(_quotes(theirs, account))):
            await search.put(connection, ref)
    return len(theirs)


def said_of(account: str) -> ColumnElement[bool]:
    """What was said of an account, or to one of its workflows."""
    return or_(
        *(SubmissionRow.id.in_(said) for said in _said_around(account)),
        SubmissionRow.workflow_id == account,
        SubmissionRow.workflow_id.in_(select(TaskRow.id).where(TaskRow.account == account)),
        *(SubmissionRow.workflow_id.in_(ids) for ids in _workflows_of(account)),
        SubmissionRow.workflow_id.like(f"%/{account}"),
        SubmissionRow.workflow_id.like(f"%/{account}/%"),
        # Those of a further contract name it behind the account.
        SubmissionRow.workflow_id.like(f"%/{account}.%"),
    )


def _said_around(account: str) -> list[Select[Any]]:
    """What was said of an account: on its timeline, its cases and its reviews."""
    of_case = select(CaseRow.ref).where(CaseRow.account == account)
    of_review = select(ReviewRow.ref).where(ReviewRow.account == account)
    return [
        select(TimelineRow.submission).where(TimelineRow.account == account, TimelineRow.submission.is_not(None)),
        select(CaseRow.question).where(CaseRow.account == account),
        select(CaseLogRow.submission).where(CaseLogRow.ref.in_(of_case), CaseLogRow.submission.is_not(None)),
        select(ReviewRow.message).where(ReviewRow.account == account, ReviewRow.message.is_not(None)),
        select(ReviewRoundRow.submission).where(ReviewRoundRow.ref.in_(of_review)),
        select(ReviewRemarkRow.submission).where(
            ReviewRemarkRow.ref.in_(of_review), ReviewRemarkRow.submission.is_not(None)
        ),
    ]


def _workflows_of(account: str) -> list[Select[Any]]:
    """The workflows of an account's cases and reviews, to which something may have been said that no table tells."""
    return [
        select(literal(case_id("")) + CaseRow.ref).where(CaseRow.account == account),
        select(literal(review_id("")) + ReviewRow.ref).where(ReviewRow.account == account),
    ]


def _quotes(submissions: list[str], account: str) -> ColumnElement[bool]:
    """The account's cases of whose words some are among these submissions."""
    in_log = select(CaseLogRow.ref).where(CaseLogRow.submission.in_(submissions))
    return and_(CaseRow.account == account, or_(CaseRow.question.in_(submissions), CaseRow.ref.in_(in_log)))


def _gaps_of(account: str) -> ColumnElement[bool]:
    """The product gaps that concern an account; others are searched for the whole name and the address alone."""
    linked = select(GapLinkRow.gap).where(GapLinkRow.kind == "account", GapLinkRow.ref == account)
    return GapRow.number.in_(linked)


async def erase_mails(connection: Connection, account: str, contact: str, named: Naming, now: datetime) -> int:
    """Take the bytes of mails to them, and of those that name them: the account's, and members' own."""
    rows = await connection.execute(
        select(MessageRow.key, MessageRow.account, MessageRow.person, MessageRow.state, MessageRow.raw).where(
            or_(MessageRow.account == account, MessageRow.account.is_(None))
        )
    )
    count = 0
    for row in rows.all():
        to_them = row.person == contact
        naming = named if row.account == account else named.anywhere()
        if not to_them and (row.raw is None or not naming.named_in_mail(row.raw)):
            continue
        values: dict[str, Any] = {"raw": None}
        if to_them:
            values |= {"address": ERASED, "edits": {}, "reply": None}
        if to_them and row.state in UNSENT:
            values |= {"state": MessageState.SUPPRESSED, "reason": LEFT, "settled_at": now, "lease_until": None}
        elif row.state in _WAITING:
            # The relay has none of it yet: it is written again when it goes, without them, and whoever is about to hand
            # over the bytes that name them does not.
            values |= {"state": MessageState.READY, "lease_until": None, "fence": MessageRow.fence + 1}
        elif row.state == MessageState.SENDING:
            # Whoever is sending it has the bytes. If they do not come back, nobody can say whether it arrived.
            values |= {"kind": "hold"}
        await connection.execute(update(MessageRow).where(MessageRow.key == row.key).values(**values))
        if to_them:
            await connection.execute(delete(AttachmentRow).where(AttachmentRow.message == row.key))
        count += row.raw is not None
    return count


def scope_of(table: Table, account: str) -> ColumnElement[bool] | None:
    """Which rows of a table belong to an account; nothing if none belongs to any."""
    if table is AccountRow.__table__:
        return AccountRow.key == account
    if "account" in table.columns:
        return table.columns["account"] == account
    for key in table.foreign_keys:
        parent = key.column.table
        scope = scope_of(parent, account) if not PLACES[parent.name].ours else None
        if scope is not None:
            return key.parent.in_(select(key.column).where(scope))
    return None


async def redact_words(connection: Connection, named: Naming) -> None:
    """Take a name from what people wrote, whosever it is; of an account, whose key may be its name, ids stay."""
    for table in Base.metadata.sorted_tables:
        if PLACES[table.name].words:
            await _redact(connection, table, None, named, words_only=True)


async def _redact(
    connection: Connection, table: Table, scope: ColumnElement[bool] | None, named: Naming, *, words_only: bool = False
) -> int:
    """Take a person's name and address from every text in these rows."""
    words = PLACES[table.name].words
    texts = [one for one in table.columns if _is_text(one) and (one.name in words or not words_only)]
    if not texts:
        return 0
    keys = list(table.primary_key.columns)
    query = select(*keys, *(column for column in texts if not column.primary_key))
    count = 0
    for row in (await connection.execute(query if scope is None else query.where(scope))).all():
        found = row._mapping
        values = {column.name: named.redacted_value(found[column]) for column in texts}
        changed = {name: value for name, value in values.items() if value != found[table.columns[name]]}
        if changed:
            here = [key == found[key] for key in keys]
            await connection.execute(update(table).where(*here).values(**changed))
            count += 1
    return count


def _is_searched(table: Table) -> bool:
    """Whether a customer's person may be named in a table that is not erased in its own way."""
    return table.name not in _OWN_WAY and not PLACES[table.name].ours


_OWN_WAY: Final = frozenset({"contacts", "submissions", "timeline", "timeline_heads", "timeline_marks"})


def _is_text(column: Any) -> bool:
    """Whether a column is searched: all that people write, and, to be safe, all else but keys.

    Of bytes, mails are erased by whose they are, and files with the mail that they were for.
    """
    if not isinstance(column.type, String | JSON) or column.foreign_keys:
        return False
    is_key = column.primary_key or column.unique
    return column.name in PLACES[column.table.name].words or not is_key
