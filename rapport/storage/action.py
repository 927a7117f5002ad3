"""What people promised to do, until the end of which day, and whether it is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, union, update

from rapport.model.base import Instant, WireModel
from rapport.model.ids import new_id
from rapport.model.minutes import ActionRecord, Pending
from rapport.storage.addresses import with_owner
from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow, ActionRow


class KnownAction(WireModel):
    """An action as SQL holds it.

    Attributes:
        owner: Whoever promised it, by name.
        owner_id: Their id.
        owner_email: Their address, unless they are gone from the record.
        done_by: The id of the member who said that it is done.
    """

    id: str
    account: str
    meeting: str | None
    what: str
    owner: str
    owner_id: str
    owner_email: str | None
    due: date
    raised: Instant
    done: Instant | None
    done_by: str | None


_ACTIONS = with_owner(select(*ActionRow.__table__.columns), ActionRow.owner)
_ORDER = (ActionRow.due, ActionRow.raised_at, ActionRow.position, ActionRow.id)
# Each half has an index of its own; asked for with "or", every account's would be looked at.
_MINE = union(
    select(ActionRow.id)
    .join(AccountRow, AccountRow.key == ActionRow.account)
    .where(AccountRow.tam == bindparam("member")),
    select(ActionRow.id).where(ActionRow.owner == bindparam("member")),
)
_PENDING = (
    with_owner(select(ActionRow.id, ActionRow.account, AccountRow.name, ActionRow.what, ActionRow.due), ActionRow.owner)
    .add_columns(ActionRow.owner)
    .join(AccountRow, AccountRow.key == ActionRow.account)
    .where(ActionRow.done_at.is_(None), ActionRow.due <= bindparam("today"))
    .where(ActionRow.id.in_(_MINE))
    .order_by(*_ORDER)
)


async def known(connection: Connection, account: str | None = None, *, also_done: bool = False) -> list[KnownAction]:
    """An account's actions or all accounts', those that are open and the one that is due first in front."""
    query = _ACTIONS.order_by(ActionRow.done_at.is_not(None), *_ORDER)
    if account is not None:
        query = query.where(ActionRow.account == account)
    if not also_done:
        query = query.where(ActionRow.done_at.is_(None))
    return [_known(row) for row in await connection.execute(query)]


async def of_meeting(connection: Connection, meeting: str) -> list[KnownAction]:
    """The actions of a meeting, done or not, in the order of its minutes."""
    query = _ACTIONS.where(ActionRow.meeting == meeting).order_by(ActionRow.position, ActionRow.id)
    return [_known(row) for row in await connection.execute(query)]


async def action(connection: Connection, id_: str) -> KnownAction | None:
    """One action, done or not."""
    row = (await connection.execute(_ACTIONS.where(ActionRow.id == id_))).one_or_none()
    return None if row is None else _known(row)


async def pending(connection: Connection, member: str, today: date) -> tuple[Pending, ...]:
    """The open actions due by today: of the accounts whose TAM a member is, and those that are theirs."""
    return tuple(
        Pending(
            id=row.id,
            account=row.account,
            of=row.name,
            title=row.what,
            owner=row.owner_name,
            mine=row.owner == member,
            day=row.due,
            overdue=row.due < today,
        )
        for row in await connection.execute(_PENDING, {"member": member, "today": today})
    )


async def replace(
    connection: Connection, account: str, meeting: str, records: Sequence[ActionRecord], now: datetime
) -> None:
    """Bring a meeting's actions up to what its minutes say. They are recognised by what is to be done.

    One that stands already, from before, is this meeting's from now on. One that the minutes no longer name goes,
    unless it is done; then it stays as it was.
    """
    open_ = {one.what.casefold(): one for one in await known(connection, account)}
    there = {one.what.casefold(): one for one in await of_meeting(connection, meeting)}
    for position, record in enumerate(records):
        what = record.what.casefold()
        same = there.pop(what, None) or open_.get(what)
        values = record.model_dump() | {"meeting": meeting, "position": position}
        if same is None:
            await connection.execute(insert(ActionRow).values(**values, id=new_id("a"), account=account, raised_at=now))
        else:
            await connection.execute(update(ActionRow).where(ActionRow.id == same.id).values(**values))
    gone = [one.id for one in there.values() if one.done is None]
    await connection.execute(delete(ActionRow).where(ActionRow.id.in_(gone)))


async def finish(connection: Connection, id_: str, by: str, now: datetime) -> bool:
    """Note that an action is done; whether it was not before."""
    changed = await connection.execute(
        update(ActionRow).where(ActionRow.id == id_, ActionRow.done_at.is_(None)).values(done_at=now, done_by=by)
    )
    return changed.rowcount == 1


def _known(row: Row[Any]) -> KnownAction:
    return KnownAction(
        id=row.id,
        account=row.account,
        meeting=row.meeting,
        what=row.what,
        owner=row.owner_name,
        owner_id=row.owner,
        owner_email=row.owner_email,
        due=row.due,
        raised=row.raised_at,
        done=row.done_at,
        done_by=row.done_by,
    )
