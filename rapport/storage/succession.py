"""People who come and go on an account: who is replaced by whom, who serves it for a while, and who has to be told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, insert, select, update

from rapport.model.account import Role, WrittenContact, in_order
from rapport.model.base import Instant, WireModel
from rapport.model.ids import book_task, cadence_id, meeting_id, new_id, scope_of, step_workflow
from rapport.model.message import MessageState
from rapport.model.projection import TimelineEvent
from rapport.model.step import DoneBy, kinds
from rapport.model.task import MEMBER_PREFIX, TaskDefinition, TaskPhase, TaskRecord
from rapport.rules.delegation import ROLE_PREFIX
from rapport.rules.wording import amount
from rapport.storage import account as accounts, cadence, meeting, task as tasks
from rapport.storage.database import Connection
from rapport.storage.tables import (
    AccountRow,
    ContactRow,
    ContractRow,
    MemberRow,
    MessageRow,
    MilestoneRow,
    TaskRow,
    TimelineRow,
)
from rapport.storage.timeline import append


class ContactRecord(WireModel):
    """A contact as they stand on record, also one who has left.

    Attributes:
        position: Their place among the account's contacts.
    """

    id: str
    personas: tuple[str, ...]
    name: str
    email: str
    position: int
    left_at: Instant | None


async def lock(connection: Connection, account: str) -> None:
    """Have whoever else changes the people of this account wait; SQLite has one writer anyway."""
    await connection.execute(select(AccountRow.key).where(AccountRow.key == account).with_for_update())


async def everyone(connection: Connection, account: str) -> list[ContactRecord]:
    """All contacts that an account ever had, in their order."""
    rows = await connection.execute(
        select(
            ContactRow.id,
            ContactRow.personas,
            ContactRow.name,
            ContactRow.email,
            ContactRow.position,
            ContactRow.left_at,
        )
        .where(ContactRow.account == account)
        .order_by(ContactRow.position)
    )
    return [ContactRecord.model_validate(row._mapping) for row in rows]


async def join(connection: Connection, account: str, contact: WrittenContact, position: int, known: str | None) -> str:
    """Add a contact, and give their id.

    Args:
        known: The id of a former contact with this address, whose id, votes and mails stay theirs.
    """
    await _note_held(connection, account, contact.personas)
    values = accounts.contact_values(contact, position)
    if known is not None:
        await connection.execute(update(ContactRow).where(ContactRow.id == known).values(**values))
        return known
    id_ = new_id("c")
    await connection.execute(insert(ContactRow).values(id=id_, account=account, **values))
    return id_


async def put_personas(connection: Connection, account: str, contact: str, held: Iterable[str]) -> None:
    """Note what a contact is for the rollout from now on."""
    personas = in_order(held)
    await _note_held(connection, account, personas)
    await connection.execute(update(ContactRow).where(ContactRow.id == contact).values(personas=list(personas)))


async def _note_held(connection: Connection, account: str, personas: Iterable[str]) -> None:
    """Note that somebody has these personas: once nobody has, whoever follows is waited for."""
    same = AccountRow.key == account
    before = await connection.scalar(select(AccountRow.held).where(same)) or []
    await connection.execute(update(AccountRow).where(same).values(held=list(in_order((*before, *personas)))))


async def hand_over(
    connection: Connection, account: str, to: str, regular: str | None = None, until: datetime | None = None
) -> None:
    """Give an account to a member.

    Args:
        regular, until: To whom it goes back, and when; neither where it stays with them.
    """
    gone = MemberRow.left_at.is_not(None) & (MemberRow.id == AccountRow.tam)
    if await connection.scalar(select(AccountRow.key).where(AccountRow.key == account, exists().where(gone))):
        await _take_names_off(connection, account)
    await connection.execute(
        update(AccountRow).where(AccountRow.key == account).values(tam=to, regular_tam=regular, tam_until=until)
    )


async def _take_names_off(connection: Connection, account: str) -> None:
    """Have what was held because its writer has left be written again, in the name of whoever follows."""
    await connection.execute(
        update(MessageRow)
        .where(
            MessageRow.account == account,
            MessageRow.person.not_like(f"{MEMBER_PREFIX}%"),
            MessageRow.state.in_([MessageState.READY, MessageState.DEFERRED]),
            MessageRow.raw.is_not(None),
            MessageRow.lease_until.is_(None),
        )
        .values(state=MessageState.READY, raw=None, not_before=None, reason=None, retry_at=None)
    )


async def hand_back(connection: Connection, account: str, key: str, now: datetime) -> tuple[str | None, str | None]:
    """Give an account back to its regular TAM, if the time for that has come; a later hand-over may have moved it.

    Repeating it changes nothing, and gives the same answer.

    Args:
        key: That of the timeline's entry.

    Returns:
        The regular TAM and who stood in; neither if nothing was given back.
    """
    await lock(connection, account)
    given_back = select(TimelineRow.who, TimelineRow.about).where(TimelineRow.key == key)
    before = (await connection.execute(given_back)).one_or_none()
    if before is not None:
        return before.who, before.about
    found = await accounts.account(connection, account)
    if found.regular_tam is None or found.tam_at(now) == found.tam:
        return None, None
    await hand_over(connection, account, found.regular_tam)
    await tell_of_books(connection, now)
    entry = TimelineEvent(
        key=key, account=account, at=now, kind="account.handed_back", who=found.regular_tam, about=found.tam
    )
    await append(connection, [entry])
    return found.regular_tam, found.tam


async def tell_of_books(connection: Connection, now: datetime) -> None:
    """Put the accounts of each member who has left into an inbox, as one task until the last is handed over.

    It is their manager's, or where there is none any manager's. Safe to repeat.
    """
    rows = await connection.execute(
        select(MemberRow.id, MemberRow.name, MemberRow.manager, func.count().label("accounts"))
        .join(AccountRow, AccountRow.tam == MemberRow.id)
        .where(MemberRow.left_at.is_not(None), AccountRow.erased_at.is_(None))
        .group_by(MemberRow.id, MemberRow.name, MemberRow.manager)
        .order_by(MemberRow.id)
    )
    left = {book_task(row.id): row for row in rows}
    there = set(await connection.scalars(select(MemberRow.id).where(MemberRow.left_at.is_(None))))
    before = {one.id: one for one in await tasks.of_books(connection)}
    for id_, row in left.items():
        opened = before[id_].opened if id_ in before else now
        assign = row.manager if row.manager in there else f"{ROLE_PREFIX}{Role.TAM_MANAGER}"
        book = _book(id_, f"{row.name} has left: {amount(row.accounts, 'account')} to hand over", assign, opened)
        await tasks.put_alarm(connection, book, now)
    for id_, one in before.items():
        if id_ not in left:
            over = {"phase": TaskPhase.CLOSED, "outcome": HANDED_OVER}
            await tasks.put_alarm(connection, one.model_copy(update=over), now)


HANDED_OVER: Final = "handed_over"
"""The outcome of the task about a book, once nobody who has left serves any of its accounts."""


def _book(id_: str, title: str, assign: str, opened: datetime) -> TaskRecord:
    return TaskRecord(
        id=id_,
        account="",
        contract="",
        subject=id_.partition("/")[0],
        step=id_.partition("/")[2],
        title=title,
        definition=TaskDefinition(
            task="alarm",
            question="Who takes over the accounts? No email goes out in the name of whoever has left.",
            options=(),
            assign=(assign,),
        ),
        phase=TaskPhase.OPEN,
        round=1,
        requester=None,
        request=None,
        asked=None,
        answers=(),
        opened=opened,
        deadline=opened + WITHIN,
        outcome=None,
    )


WITHIN: Final = timedelta(days=1)
"""By when a book is to be handed over: nothing goes out meanwhile."""


class HandedOver(WireModel):
    """A hand-over as the timeline has it: what was said with it, by id, and who served the account before."""

    id: str
    former: str


async def last_hand_over(connection: Connection, account: str) -> HandedOver | None:
    """The account's last hand-over; nothing if there was none."""
    row = (
        await connection.execute(
            select(TimelineRow.submission.label("id"), TimelineRow.about.label("former"))
            .where(TimelineRow.account == account, TimelineRow.kind == "account.handed_over")
            .order_by(TimelineRow.sequence.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else HandedOver.model_validate(row._mapping)


async def listeners(connection: Connection, account: str) -> list[str]:
    """The workflows that go by who an account's people are: onboarding, cadence, meetings, open tasks."""
    recurring = await cadence.of_account(connection, account)
    found = [cadence_id(account)] if recurring else []
    found += [meeting_id(account, one.step, one.period) for one in recurring if one.open and one.period]
    found += await meeting.beside(connection, account)
    contracts = await connection.execute(
        # Also of one that has told nothing of itself yet: it tells those that it has begun.
        select(ContractRow.id, ContractRow.workflow_id).where(
            ContractRow.account == account, ContractRow.requested_at.is_not(None), ContractRow.ended_at.is_(None)
        )
    )
    for contract in contracts.all():
        found.append(contract.workflow_id)
        # One that is about to begin may not be on record as running yet; one that is not there hears nothing.
        steps = await connection.execute(
            select(MilestoneRow.kind, MilestoneRow.step, MilestoneRow.attempt).where(
                MilestoneRow.contract == contract.id,
                MilestoneRow.kind.in_(kinds(DoneBy.WORKFLOW)),
                MilestoneRow.ended.is_(None),
            )
        )
        found += [step_workflow(row.kind, scope_of(contract.workflow_id), row.step, row.attempt) for row in steps]
    found += await connection.scalars(
        select(TaskRow.id).where(TaskRow.account == account, TaskRow.phase != TaskPhase.CLOSED).order_by(TaskRow.id)
    )
    return found
