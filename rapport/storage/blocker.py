"""What holds accounts up, with who removes it and when it is looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, union, update

from rapport.model.account_data import Blocker
from rapport.model.ids import new_id
from rapport.model.minutes import BlockerRecord, Pending
from rapport.storage.addresses import with_owner
from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow, BlockerRow


class KnownBlocker(Blocker):
    """A blocker with all that is on record of it.

    Attributes:
        meeting: The workflow of the meeting in which it came up.
        owner_id: The owner's id.
        owner_email: Their address, unless they are gone from the record.
        removed_by: A member's id.
        removal: The submission that says why it was removed.
    """

    account: str
    meeting: str | None
    owner_id: str
    owner_email: str | None
    removed_by: str | None
    removal: str | None


_BLOCKERS = with_owner(select(*BlockerRow.__table__.columns), BlockerRow.owner)
# What to look at first comes first; of one day, what has been there the longest.
_ORDER = (BlockerRow.next_check, BlockerRow.raised_at, BlockerRow.position, BlockerRow.id)
_OPEN = _BLOCKERS.where(BlockerRow.account == bindparam("of"), BlockerRow.removed_at.is_(None)).order_by(*_ORDER)
# Each half has an index of its own; asked for with "or", every account's would be looked at.
_MINE = union(
    select(BlockerRow.id)
    .join(AccountRow, AccountRow.key == BlockerRow.account)
    .where(AccountRow.tam == bindparam("member")),
    select(BlockerRow.id).where(BlockerRow.owner == bindparam("member")),
)
_PENDING = (
    with_owner(
        select(BlockerRow.id, BlockerRow.account, AccountRow.name, BlockerRow.title, BlockerRow.next_check),
        BlockerRow.owner,
    )
    .add_columns(BlockerRow.owner)
    .join(AccountRow, AccountRow.key == BlockerRow.account)
    .where(BlockerRow.removed_at.is_(None), BlockerRow.next_check <= bindparam("today"))
    .where(BlockerRow.id.in_(_MINE))
    .order_by(*_ORDER)
)


async def open_blockers(connection: Connection, account: str) -> tuple[Blocker, ...]:
    """The blockers that nobody has removed, the one to look at first at the front."""
    return tuple(await known(connection, account))


async def known(
    connection: Connection, account: str | None = None, *, also_removed: bool = False
) -> list[KnownBlocker]:
    """An account's blockers or all accounts', those that nobody has removed and the one to look at first in front."""
    if account is not None and not also_removed:
        return [_known(row) for row in await connection.execute(_OPEN, {"of": account})]
    query = _BLOCKERS.order_by(BlockerRow.removed_at.is_not(None), *_ORDER)
    if account is not None:
        query = query.where(BlockerRow.account == account)
    if not also_removed:
        query = query.where(BlockerRow.removed_at.is_(None))
    return [_known(row) for row in await connection.execute(query)]


async def of_meeting(connection: Connection, meeting: str) -> list[KnownBlocker]:
    """The blockers that came up in a meeting, removed or not, in the order of its minutes."""
    query = _BLOCKERS.where(BlockerRow.meeting == meeting).order_by(BlockerRow.position, BlockerRow.id)
    return [_known(row) for row in await connection.execute(query)]


async def blocker(connection: Connection, id_: str) -> KnownBlocker | None:
    """One blocker, removed or not."""
    row = (await connection.execute(_BLOCKERS.where(BlockerRow.id == id_))).one_or_none()
    return None if row is None else _known(row)


async def pending(connection: Connection, member: str, today: date) -> tuple[Pending, ...]:
    """The open blockers to look at by today: of the accounts whose TAM a member is, and those that are theirs."""
    return tuple(
        Pending(
            id=row.id,
            account=row.account,
            of=row.name,
            title=row.title,
            owner=row.owner_name,
            mine=row.owner == member,
            day=row.next_check,
            overdue=row.next_check < today,
        )
        for row in await connection.execute(_PENDING, {"member": member, "today": today})
    )


async def add(connection: Connection, account: str, record: BlockerRecord, now: datetime) -> str:
    """Keep a new blocker; give its id."""
    return await _add(connection, account, record, now, None, 0)


async def _add(
    connection: Connection, account: str, record: BlockerRecord, now: datetime, meeting: str | None, position: int
) -> str:
    id_ = new_id("b")
    values = record.model_dump() | {"id": id_, "account": account, "meeting": meeting, "position": position}
    await connection.execute(insert(BlockerRow).values(**values, raised_at=now))
    return id_


async def replace(
    connection: Connection, account: str, meeting: str, records: Sequence[BlockerRecord], now: datetime
) -> None:
    """Bring a meeting's blockers up to what its minutes say. They are recognised by their titles.

    One that stands already, from before, is this meeting's from now on. One that the minutes no longer name goes,
    unless it was removed; then it stays as it was.
    """
    open_ = {one.title.casefold(): one for one in await known(connection, account)}
    there = {one.title.casefold(): one for one in await of_meeting(connection, meeting)}
    for position, record in enumerate(records):
        title = record.title.casefold()
        same = there.pop(title, None) or open_.get(title)
        if same is None:
            await _add(connection, account, record, now, meeting, position)
        else:
            values = record.model_dump() | {"meeting": meeting, "position": position}
            await connection.execute(update(BlockerRow).where(BlockerRow.id == same.id).values(**values))
    gone = [one.id for one in there.values() if one.removed is None]
    await connection.execute(delete(BlockerRow).where(BlockerRow.id.in_(gone)))


async def check(connection: Connection, id_: str, next_check: date) -> bool:
    """Say when to look at a blocker again; whether it was not removed before."""
    changed = await connection.execute(
        update(BlockerRow).where(BlockerRow.id == id_, BlockerRow.removed_at.is_(None)).values(next_check=next_check)
    )
    return changed.rowcount == 1


async def remove(connection: Connection, id_: str, by: str, submission: str, now: datetime) -> bool:
    """Note that a blocker holds nobody up any more; whether it was not removed before."""
    changed = await connection.execute(
        update(BlockerRow)
        .where(BlockerRow.id == id_, BlockerRow.removed_at.is_(None))
        .values(removed_at=now, removed_by=by, removal=submission)
    )
    return changed.rowcount == 1


def _known(row: Row[Any]) -> KnownBlocker:
    return KnownBlocker(
        id=row.id,
        account=row.account,
        meeting=row.meeting,
        title=row.title,
        owner=row.owner_name,
        owner_id=row.owner,
        owner_email=row.owner_email,
        next_check=row.next_check,
        raised=row.raised_at,
        removed=row.removed_at,
        removed_by=row.removed_by,
        removal=row.removal,
    )
