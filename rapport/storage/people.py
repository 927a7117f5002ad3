"""Accounts, their contacts, and the members who serve them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Executable, Row, Table, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport.model.base import Refusal, Refused
from rapport.model.ids import new_id
from rapport.model.people import (
    Account,
    AccountFile,
    Contact,
    Facts,
    Figures,
    Member,
    Role,
    Schedule,
    Vendor,
    WrittenContact,
    WrittenMember,
)
from rapport.storage.tables import AccountRow, ContactRow, MemberRow, VendorRow

_SCHEDULE = {"zone", "country", "subdivision", "hours"}
_WORK = {"languages", "projects", "deployment", "previous_tools", "chat_channel"}


async def save(connection: AsyncConnection, file: AccountFile, now: datetime) -> None:
    """Bring an account and its people up to what a file says. Repeating it changes nothing.

    People are recognised by their address, however its letters are cased, so that their ids, votes and mails stay
    theirs. A contact whom the file no longer names has left: they stay on record, and nothing more goes to them.

    Raises:
        Refusal: The TAM is no known member with that role, or nobody ever said who the vendor is.
    """
    if file.vendor is not None:
        await _save_vendor(connection, file.vendor)
    elif await connection.scalar(select(VendorRow.id)) is None:
        raise Refusal("is missing", field="vendor", fix="add [vendor] with name and product; mails speak of them")
    for member in file.members:
        await _save_member(connection, member)
    tam = await member_by_email(connection, file.account.tam)
    if tam is None:
        raise Refusal(
            "is no member known here", field="account.tam", fix="add a [[members]] with this address and the role tam"
        )
    if Role.TAM not in tam.roles:
        raise Refusal("does not have the role tam", field="account.tam", fix='add "tam" to the roles of this member')
    values = {
        "name": file.account.name,
        "tam": tam.id,
        "place": file.account.place,
        "review": file.account.review,
        "facts": file.account.facts.model_dump(),
        "figures": file.account.figures.model_dump(),
    }
    await connection.execute(
        _put_account(connection.dialect.name), {"key": file.account.key, "created_at": now, **values}
    )
    await _save_contacts(connection, file.account.key, file.contacts, now)


@cache
def _put_account(dialect: str) -> Executable:
    table = cast("Table", AccountRow.__table__)
    new = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    kept = {"key", "created_at"}
    values = {column.name: new.excluded[column.name] for column in table.columns if column.name not in kept}
    put: Executable = new.on_conflict_do_update(index_elements=["key"], set_=values)
    return put


async def _save_vendor(connection: AsyncConnection, vendor: Vendor) -> None:
    changed = await connection.execute(update(VendorRow).where(VendorRow.id == 1).values(**vendor.model_dump()))
    if changed.rowcount == 0:
        await connection.execute(insert(VendorRow).values(id=1, **vendor.model_dump()))


async def _save_member(connection: AsyncConnection, member: WrittenMember) -> None:
    values = {
        "email": member.email,
        "name": member.name,
        "title": member.title,
        "roles": sorted(member.roles),
        "join_url": str(member.join_url) if member.join_url else None,
        "calendar_url": str(member.calendar_url) if member.calendar_url else None,
        "schedule": member.model_dump(mode="json", include=_SCHEDULE),
    }
    same = func.lower(MemberRow.email) == member.email.lower()
    changed = await connection.execute(update(MemberRow).where(same).values(**values))
    if changed.rowcount == 0:
        await connection.execute(insert(MemberRow).values(id=new_id("m"), **values))


async def _save_contacts(
    connection: AsyncConnection, account: str, written: Sequence[WrittenContact], now: datetime
) -> None:
    known = {
        row.email.lower(): row.id
        for row in await connection.execute(
            select(ContactRow.email, ContactRow.id).where(ContactRow.account == account)
        )
    }
    new = []
    for position, contact in enumerate(written):
        values = {
            "position": position,
            "email": contact.email,
            "persona": contact.persona,
            "name": contact.name,
            "title": contact.title,
            "schedule": contact.model_dump(mode="json", include=_SCHEDULE),
            "work": contact.model_dump(mode="json", include=_WORK),
            "left_at": None,
        }
        if (id_ := known.get(contact.email.lower())) is not None:
            await connection.execute(update(ContactRow).where(ContactRow.id == id_).values(**values))
        else:
            new.append({"id": new_id("c"), "account": account, **values})
    if new:
        await connection.execute(insert(ContactRow), new)
    gone = [id_ for email, id_ in known.items() if email not in {contact.email.lower() for contact in written}]
    if gone:
        await connection.execute(
            update(ContactRow).where(ContactRow.id.in_(gone), ContactRow.left_at.is_(None)).values(left_at=now)
        )


async def account(connection: AsyncConnection, key: str) -> Account:
    """One account.

    Raises:
        Refusal: There is none with this key.
    """
    row = (await connection.execute(_ACCOUNT, {"account": key})).one_or_none()
    if row is None:
        raise _no_account(key)
    return _account(row)


async def surroundings(connection: AsyncConnection, key: str) -> tuple[Account, Member, Vendor]:
    """One account with its TAM and the vendor, as the last account file gave them.

    Raises:
        Refusal: There is none with this key.
    """
    row = (await connection.execute(_SURROUNDINGS, {"account": key})).one_or_none()
    if row is None:
        raise _no_account(key)
    tam = Member(
        id=row.tam,
        name=row.tam_name,
        email=row.tam_email,
        roles=frozenset(Role(role) for role in row.tam_roles),
        title=row.tam_title,
        join_url=row.tam_join_url,
        calendar_url=row.tam_calendar_url,
        schedule=Schedule.model_validate(row.tam_schedule),
    )
    vendor = Vendor(name=row.vendor_name, product=row.vendor_product, company_health=row.vendor_company_health)
    return _account(row), tam, vendor


def _no_account(key: str) -> Refusal:
    return Refusal(
        f'there is no account "{key[:70]}"',
        field="account",
        fix="see `rapport account list`, or import it first",
        kind=Refused.NOT_FOUND,
    )


def _account(row: Row[Any]) -> Account:
    return Account(
        key=row.key,
        name=row.name,
        tam=row.tam,
        place=row.place,
        review=row.review,
        facts=Facts.model_validate(row.facts),
        figures=Figures.model_validate(row.figures),
    )


async def account_keys(connection: AsyncConnection) -> list[str]:
    """Every account's key, in alphabetical order."""
    return list(await connection.scalars(select(AccountRow.key).order_by(AccountRow.key)))


async def contacts(connection: AsyncConnection, account: str) -> list[Contact]:
    """The account's contacts who have not left, in the order of its file."""
    rows = await connection.execute(_CONTACTS, {"account": account})
    return [
        Contact(
            id=row.id,
            account=row.account,
            persona=row.persona,
            name=row.name,
            email=row.email,
            title=row.title,
            schedule=Schedule.model_validate(row.schedule),
        )
        for row in rows
    ]


# Every mail asks these; to put a statement together takes longer than to run it, so it is done once.
_ACCOUNT = select(
    AccountRow.key,
    AccountRow.name,
    AccountRow.tam,
    AccountRow.place,
    AccountRow.review,
    AccountRow.facts,
    AccountRow.figures,
).where(AccountRow.key == bindparam("account"))
_SURROUNDINGS = (
    _ACCOUNT.add_columns(
        *(
            getattr(MemberRow, name).label(f"tam_{name}")
            for name in ("name", "email", "roles", "title", "join_url", "calendar_url", "schedule")
        ),
        *(getattr(VendorRow, name).label(f"vendor_{name}") for name in ("name", "product", "company_health")),
    )
    .join(MemberRow, MemberRow.id == AccountRow.tam)
    .join(VendorRow, VendorRow.id == 1)
)
_CONTACTS = (
    select(
        ContactRow.id,
        ContactRow.account,
        ContactRow.persona,
        ContactRow.name,
        ContactRow.email,
        ContactRow.title,
        ContactRow.schedule,
    )
    .where(ContactRow.account == bindparam("account"), ContactRow.left_at.is_(None))
    .order_by(ContactRow.position)
)
_MEMBERS = select(
    MemberRow.id,
    MemberRow.name,
    MemberRow.email,
    MemberRow.roles,
    MemberRow.title,
    MemberRow.join_url,
    MemberRow.calendar_url,
    MemberRow.schedule,
).order_by(MemberRow.email)
_BY_EMAIL = _MEMBERS.where(func.lower(MemberRow.email) == bindparam("email"))


async def members(connection: AsyncConnection, ids: Iterable[str] | None = None) -> list[Member]:
    """The members with these ids, or all of them."""
    query = _MEMBERS if ids is None else _MEMBERS.where(MemberRow.id.in_(list(ids)))
    return [_member(row) for row in await connection.execute(query)]


def _member(row: Row[Any]) -> Member:
    return Member(
        id=row.id,
        name=row.name,
        email=row.email,
        roles=frozenset(Role(role) for role in row.roles),
        title=row.title,
        join_url=row.join_url,
        calendar_url=row.calendar_url,
        schedule=Schedule.model_validate(row.schedule),
    )


async def member(connection: AsyncConnection, id_: str) -> Member:
    """One member, by an id that the database itself gave."""
    return (await members(connection, [id_]))[0]


async def member_by_email(connection: AsyncConnection, email: str) -> Member | None:
    """The member with this address, however its letters are cased."""
    row = (await connection.execute(_BY_EMAIL, {"email": email.lower()})).one_or_none()
    return None if row is None else _member(row)


async def names(connection: AsyncConnection, account: str) -> dict[str, str]:
    """How to call everyone who can appear in an account's records, by id; also those who have left."""
    found = {
        row.id: row.name
        for row in await connection.execute(select(ContactRow.id, ContactRow.name).where(ContactRow.account == account))
    }
    found.update({row.id: row.name for row in await connection.execute(select(MemberRow.id, MemberRow.name))})
    return found
