"""Erasing a whole account: its people, what anybody wrote of it, and its name. Keys, ids and the hash chain stay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import String, delete, select, update

from rapport.model.access import Action
from rapport.model.account import Facts, Figures, Member
from rapport.model.base import WireModel
from rapport.model.ids import cadence_id, case_id, onboarding_id, review_id
from rapport.model.message import MessageState
from rapport.rules import access
from rapport.rules.erasure import ERASED, ERASED_DOMAIN, Naming, is_erased
from rapport.storage import account as accounts, erasure, meeting, search, timeline
from rapport.storage.cadence import every as every_rhythm
from rapport.storage.database import Connection
from rapport.storage.desk_tables import CaseTextRow
from rapport.storage.places import PLACES
from rapport.storage.support_case import OPEN
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import (
    AccountRow,
    Base,
    ContactRow,
    ContractRow,
    LinkRow,
    MessageRow,
    SubmissionRow,
    TaskRow,
)
from rapport.storage.task import ALL_OPEN
from rapport.storage.tech_review_tables import ReviewRow
from rapport.storage.timeline import Submission

_GONE: Final = (
    "goals", "actions", "blockers", "private_notes", "minutes", "incidents", "projects", "wins", "roadmap_touches",
    "usage_samples", "usage_metrics", "attachments", "late_replies",
)  # fmt: skip
"""What is nothing without its words, in an order in which it can be deleted."""


CONFIRM_WITHIN: Final = timedelta(days=7)
"""How long a second person has to confirm it; then it has to be asked for again."""

ERASURE_ASKED: Final = "account.erasure_asked"
ERASURE_WITHDRAWN: Final = "account.erasure_withdrawn"


class AccountErased(WireModel):
    """What was erased of an account.

    Attributes:
        contacts: How many people.
        messages: How many mails lost their bytes.
        texts: How many things that people said lost their words.
    """

    account: str
    contacts: int
    messages: int
    texts: int


async def asked(connection: Connection, account: str, now: datetime) -> Submission | None:
    """Who asked last for an account to be erased, and why, for as long as that can be confirmed."""
    of_it = onboarding_id(account)
    said = await timeline.latest_said(connection, of_it, ERASURE_ASKED, now - CONFIRM_WITHIN)
    back = await timeline.last_told(connection, of_it, ERASURE_WITHDRAWN)
    return None if said is None or (back is not None and back.at >= said.at) else said


async def confirmable(connection: Connection, account: str, now: datetime) -> Submission | None:
    """Who asks for it, while that can be confirmed.

    They work here still, and may ask: or else one person alone would erase it.
    """
    said = await asked(connection, account, now)
    return said if said is not None and said.actor in [one.id for one in await entitled(connection, account)] else None


async def entitled(connection: Connection, account: str) -> list[Member]:
    """Those who may ask for it or confirm it."""
    members = {one.id: one for one in await accounts.members(connection)}
    found = await accounts.account(connection, account)
    return [
        one
        for one in members.values()
        if one.left_at is None
        and (far := access.reach(Action.ERASE_ACCOUNT, one.roles)) is not None
        and far >= access.nearness(one, found, members)
    ]


async def to_confirm(connection: Connection, member: str | None, now: datetime) -> list[tuple[str, Submission]]:
    """The accounts that a member may have erased as the second person, with who asks; of nobody in particular, all."""
    recent = select(SubmissionRow.workflow_id).where(
        SubmissionRow.kind == ERASURE_ASKED, SubmissionRow.at > now - CONFIRM_WITHIN
    )
    of_these = set(await connection.scalars(recent))
    if not of_these:
        return []
    found = []
    for account in await accounts.account_names(connection):
        if onboarding_id(account) not in of_these:
            continue
        said = await confirmable(connection, account, now)
        if said is None or said.actor == member:
            continue
        if member is None or member in [one.id for one in await entitled(connection, account)]:
            found.append((account, said))
    return found


async def still_runs(connection: Connection, account: str) -> list[str]:
    """The workflows of an account that go on, as far as SQL was told."""
    open_ones = select(ContractRow.workflow_id).where(
        ContractRow.account == account, ContractRow.run_id.is_not(None), ContractRow.ended_at.is_(None)
    )
    cases = select(CaseRow.ref).where(CaseRow.account == account, CaseRow.state.in_(OPEN))
    reviews = select(ReviewRow.ref).where(ReviewRow.account == account, ReviewRow.closed.is_(None))
    recurring = {cadence_id(one.account) for one in await every_rhythm(connection) if one.account == account}
    return [
        *await connection.scalars(open_ones),
        *sorted(recurring),
        *await meeting.beside(connection, account),
        *(case_id(ref) for ref in await connection.scalars(cases)),
        *(review_id(ref) for ref in await connection.scalars(reviews)),
        *await connection.scalars(select(TaskRow.id).where(TaskRow.account == account, ALL_OPEN)),
    ]


async def named(connection: Connection, account: str) -> list[Naming]:
    """By what an account and each of its people are named."""
    name = await connection.scalar(select(AccountRow.name).where(AccountRow.key == account))
    people = select(ContactRow.id, ContactRow.email).where(ContactRow.account == account)
    known = [row.id for row in await connection.execute(people) if not is_erased(row.email)]
    itself = Naming(str(name), f"{account}@{ERASED_DOMAIN}").anywhere()
    return [itself, *[await erasure.naming(connection, account, one) for one in known]]


async def erase(connection: Connection, account: str, now: datetime) -> AccountErased:
    """Erase an account of which nothing goes on any more."""
    people = (
        await connection.execute(select(ContactRow.id, ContactRow.email).where(ContactRow.account == account))
    ).all()
    itself, *_ = await named(connection, account)
    known = [row.id for row in people if not is_erased(row.email)]
    for one in known:
        await erasure.erase(connection, account, one, await erasure.naming(connection, account, one), now)
    # Records of others, and members' own mails, may name it as well.
    await erasure.erase_mails(connection, account, "", itself, now)
    await erasure.redact_words(connection, itself)
    await meeting.redact_titles(connection, itself)
    messages = await _erase_mails(connection, account, now)
    texts = (
        await connection.execute(
            update(SubmissionRow)
            .where(SubmissionRow.text.is_not(None), erasure.said_of(account))
            .values(text=None, salt=None)
        )
    ).rowcount
    for name in _GONE:
        table = Base.metadata.tables[name]
        if (scope := erasure.scope_of(table, account)) is not None:
            await connection.execute(delete(table).where(scope))
    await meeting.forget_titles(connection, account)
    await connection.execute(delete(CaseTextRow).where(CaseTextRow.account == account))
    await connection.execute(delete(LinkRow).where(LinkRow.account == account))
    for table in Base.metadata.sorted_tables:
        if table.name not in _GONE and table.name not in ("accounts", "messages", "case_texts"):
            await _blank(connection, table, account)
    await connection.execute(
        update(AccountRow)
        .where(AccountRow.key == account)
        .values(
            name=ERASED,
            place=None,
            facts=Facts().model_dump(),
            figures=Figures().model_dump(),
            regular_tam=None,
            tam_until=None,
            erased_at=now,
        )
    )
    await search.settle(connection)
    return AccountErased(account=account, contacts=len(known), messages=messages, texts=texts)


async def _erase_mails(connection: Connection, account: str, now: datetime) -> int:
    """Take the bytes and the words of all of an account's mails; what has not gone does not go."""
    theirs = MessageRow.account == account
    count = len((await connection.scalars(select(MessageRow.key).where(theirs, MessageRow.raw.is_not(None)))).all())
    await connection.execute(
        update(MessageRow)
        .where(theirs, MessageRow.state.in_(erasure.UNSENT))
        .values(state=MessageState.SUPPRESSED, settled_at=now, lease_until=None)
    )
    gone: dict[str, Any] = {
        "raw": None,
        "address": ERASED,
        "subject": ERASED,
        "edits": {},
        "reply": None,
        "resolution": None,
        "reason": None,
    }
    await connection.execute(update(MessageRow).where(theirs).values(**gone))
    return count


async def _blank(connection: Connection, table: Any, account: str) -> None:
    """Take the words from what remains of an account in a table."""
    values = dict(_without_words(table))
    if not values or (scope := erasure.scope_of(table, account)) is None:
        return
    await connection.execute(update(table).where(scope).values(**values))
    if table is TaskRow.__table__:
        rows = await connection.execute(select(TaskRow.id, TaskRow.definition).where(scope))
        for row in rows.all():
            asks = {**row.definition, "question": ERASED}
            await connection.execute(update(TaskRow).where(TaskRow.id == row.id).values(definition=asks))


def _without_words(table: Any) -> Iterator[tuple[str, Any]]:
    for name in PLACES[table.name].words:
        column = table.columns[name]
        if isinstance(column.type, String) and not column.primary_key:
            yield name, None if column.nullable else ERASED


async def message_ids(connection: Connection, account: str) -> frozenset[str]:
    """The Message-IDs of all of an account's mails, by which the catcher's are found."""
    return frozenset(await connection.scalars(select(MessageRow.message_id).where(MessageRow.account == account)))
