"""What somebody owes an account until a day: actions, and blockers that they remove. One noun for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import Executable, Row, Select, bindparam, delete, insert, select, union, update

from rapport.model.base import WireModel
from rapport.model.ids import new_id
from rapport.model.minutes import ActionRecord, BlockerRecord, Pending
from rapport.storage.addresses import with_owner
from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow

K = TypeVar("K", bound=WireModel)
R = TypeVar("R", ActionRecord, BlockerRecord)


@dataclass(frozen=True)
class Owed(Generic[K, R]):
    """Actions, or blockers.

    Attributes:
        name: How a person calls one, which is its command as well.
        known: One as SQL holds it.
        title: The field that says what it is; of one account, the open ones differ in it.
        day: The field with the day until which it is owed.
        over: The field with the instant at which it was over.
    """

    name: str
    known: type[K]
    row: type[Any]
    title: str
    day: str
    over: str

    @cached_property
    def _every(self) -> Select[*tuple[Any, ...]]:
        return with_owner(select(*self.row.__table__.columns), self.row.owner)

    @property
    def _day(self) -> Any:
        return getattr(self.row, self.day)

    @property
    def _over(self) -> Any:
        return getattr(self.row, f"{self.over}_at")

    @property
    def _order(self) -> tuple[Any, ...]:
        """What is due first comes first; of one day, what has been there the longest."""
        return (self._day, self.row.raised_at, self.row.position, self.row.id)

    @cached_property
    def _open(self) -> Executable:
        # Statements are put together once: that takes longer than running them.
        return self._every.where(self.row.account == bindparam("of"), self._over.is_(None)).order_by(*self._order)

    @cached_property
    def _pending(self) -> Executable:
        row, account = self.row, AccountRow.key == self.row.account
        # Each half has an index of its own; asked for with "or", every account's would be looked at.
        mine = union(
            select(row.id).join(AccountRow, account).where(AccountRow.tam == bindparam("member")),
            select(row.id).where(row.owner == bindparam("member")),
        )
        shown = select(row.id, row.account, AccountRow.name, getattr(row, self.title), self._day, row.owner)
        return (
            with_owner(shown, row.owner)
            .join(AccountRow, account)
            .where(self._over.is_(None), self._day <= bindparam("today"), row.id.in_(mine))
            .order_by(*self._order)
        )

    async def listed(self, connection: Connection, account: str | None = None, *, also_over: bool = False) -> list[K]:
        """Those of an account or of all accounts, those that are open and the one that is due first in front."""
        if account is not None and not also_over:
            return self._read(await connection.execute(self._open, {"of": account}))
        query = self._every.order_by(self._over.is_not(None), *self._order)
        if account is not None:
            query = query.where(self.row.account == account)
        if not also_over:
            query = query.where(self._over.is_(None))
        return self._read(await connection.execute(query))

    async def of_meeting(self, connection: Connection, meeting: str) -> list[K]:
        """Those of a meeting, over or not, in the order of its minutes."""
        query = self._every.where(self.row.meeting == meeting).order_by(self.row.position, self.row.id)
        return self._read(await connection.execute(query))

    async def one(self, connection: Connection, id_: str) -> K | None:
        """One of them, over or not."""
        found = self._read(await connection.execute(self._every.where(self.row.id == id_)))
        return found[0] if found else None

    async def pending(self, connection: Connection, member: str, today: date) -> tuple[Pending, ...]:
        """The open ones due by today: of the accounts whose TAM a member is, and those that are theirs."""
        return tuple(
            Pending(
                id=row.id,
                account=row.account,
                of=row.name,
                title=row._mapping[self.title],
                owner=row.owner_name,
                mine=row.owner == member,
                day=row._mapping[self.day],
                overdue=row._mapping[self.day] < today,
            )
            for row in await connection.execute(self._pending, {"member": member, "today": today})
        )

    async def add(
        self,
        connection: Connection,
        account: str,
        record: R,
        now: datetime,
        meeting: str | None = None,
        position: int = 0,
    ) -> str:
        """Keep a new one; give its id."""
        id_ = new_id(self.name[0])
        values = record.model_dump() | {"id": id_, "account": account, "meeting": meeting, "position": position}
        await connection.execute(insert(self.row).values(**values, raised_at=now))
        return id_

    async def replace(
        self, connection: Connection, account: str, meeting: str, records: Sequence[R], now: datetime
    ) -> None:
        """Bring a meeting's up to what its minutes say. They are recognised by what they are called.

        One that stands already, from before, is this meeting's from now on. One that the minutes no longer name goes,
        unless it is over; then it stays as it was.
        """
        open_: dict[str, Any] = {self._called(one): one for one in await self.listed(connection, account)}
        there: dict[str, Any] = {self._called(one): one for one in await self.of_meeting(connection, meeting)}
        for position, record in enumerate(records):
            same = there.pop(self._called(record), None) or open_.get(self._called(record))
            if same is None:
                await self.add(connection, account, record, now, meeting, position)
            else:
                values = record.model_dump() | {"meeting": meeting, "position": position}
                await connection.execute(update(self.row).where(self.row.id == same.id).values(**values))
        gone = [one.id for one in there.values() if getattr(one, self.over) is None]
        await connection.execute(delete(self.row).where(self.row.id.in_(gone)))

    async def change(self, connection: Connection, id_: str, **values: object) -> bool:
        """Note something of one; whether it was not over before, else nothing is noted."""
        changed = await connection.execute(
            update(self.row).where(self.row.id == id_, self._over.is_(None)).values(**values)
        )
        return changed.rowcount == 1

    def _called(self, one: WireModel) -> str:
        return str(getattr(one, self.title)).casefold()

    def _read(self, rows: Sequence[Row[Any]] | Any) -> list[K]:
        """Models of rows: people by name with their ids beside, and instants without their columns' `_at`."""
        return [
            self.known.model_validate(
                {name.removesuffix("_at"): value for name, value in row._mapping.items()}
                | {"owner": row.owner_name, "owner_id": row.owner}
            )
            for row in rows
        ]
