"""What account and member files say, brought into the tables. People keep the ids that they have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import Executable, Table, bindparam, case, func, insert, null, select, update

from rapport.model.account import AccountFile, MembersFile, Role, Vendor, WrittenContact, WrittenMember, in_order
from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id
from rapport.model.reading import together
from rapport.storage import account as accounts
from rapport.storage.database import Connection
from rapport.storage.tables import AccountRow, ContactRow, MemberRow, VendorRow
from rapport.storage.upserts import insert_into, insert_new, put


async def save(connection: Connection, file: AccountFile, now: datetime) -> None:
    """Bring an account and its people up to what a file says. Repeating it changes nothing.

    People are recognised by their address, however its letters are cased, so that their ids, votes and mails stay
    theirs. A contact whom the file no longer names has left: they stay on record, and nothing more goes to them.

    Raises:
        UserError: It was erased, the TAM is no known member with that role, a member leans on nobody who is known, a
            contact has a member's address, or nobody ever said who the vendor is.
    """
    if await connection.scalar(select(AccountRow.erased_at).where(AccountRow.key == file.account.key)) is not None:
        raise UserError(
            "was erased, with all that was known of it",
            field="account.key",
            fix="give the account another key",
            kind=Refused.CONFLICT,
        )
    faults = []
    if file.vendor is not None:
        await _save_vendor(connection, file.vendor)
    elif await connection.scalar(_VENDOR) is None:
        faults.append(
            UserError("is missing", field="vendor", fix="add [vendor] with name and product; mails speak of them")
        )
    await _save_members(connection, file.members)
    tam = await accounts.member_by_email(connection, file.account.tam)
    if tam is None:
        faults.append(
            UserError(
                "is no member known here",
                field="account.tam",
                fix="add a [[members]] with this address and the role tam",
            )
        )
    elif Role.TAM not in tam.roles:
        faults.append(
            UserError("does not have the role tam", field="account.tam", fix='add "tam" to the roles of this member')
        )
    faults += await _ours_among_contacts(connection, file)
    if tam is None or faults:
        raise together(faults)
    held = await connection.scalar(select(AccountRow.held).where(AccountRow.key == file.account.key))
    values = {
        "name": file.account.name,
        "tam": tam.id,
        "place": file.account.place,
        "review": file.account.review,
        "facts": file.account.facts.model_dump(),
        "figures": file.account.figures.model_dump(),
        "held": list(in_order((*(held or ()), *(one for contact in file.contacts for one in contact.personas)))),
    }
    await connection.execute(
        _put_account(connection.dialect.name), {"key": file.account.key, "created_at": now, **values}
    )
    await _save_contacts(connection, file.account.key, file.contacts, now)


async def _ours_among_contacts(connection: Connection, file: AccountFile) -> list[UserError]:
    """The contacts who have a member's address: no invitation could be written that lists a person on both sides."""
    addresses = sorted({contact.email.lower() for contact in file.contacts})
    ours = set(await connection.scalars(_OURS, {"addresses": addresses}))
    return [
        UserError(
            "a member has this address; a person is on one side only",
            field=f"contacts[{index}].email",
            fix="use another address, or leave the contact out: what nobody is there for goes without",
        )
        for index, contact in enumerate(file.contacts)
        if contact.email.lower() in ours
    ]


# Statements are put together once: that takes longer than running them.
_VENDOR: Final = select(VendorRow.id)
_ADDRESS: Final = func.lower(MemberRow.email)
_OURS: Final = select(_ADDRESS).where(_ADDRESS.in_(bindparam("addresses", expanding=True)), MemberRow.left_at.is_(None))
_WITH_ADDRESSES: Final = select(_ADDRESS.label("address"), MemberRow.id).where(
    _ADDRESS.in_(bindparam("addresses", expanding=True))
)
_KNOWN_CONTACTS: Final = select(ContactRow.email, ContactRow.id).where(ContactRow.account == bindparam("of"))
_NEW_CONTACTS: Final = insert(ContactRow)


@cache
def _put_account(dialect: str) -> Executable:
    table = cast("Table", AccountRow.__table__)
    new = insert_into(dialect, table)
    kept = {"key", "created_at", "regular_tam", "tam_until"}
    values: dict[str, Any] = {
        column.name: new.excluded[column.name] for column in table.columns if column.name not in kept
    }
    # While somebody stands in, a file's TAM is the one to whom the account goes back.
    stands_in, named = table.c.regular_tam.is_not(None), new.excluded["tam"]
    values |= {
        "tam": case((stands_in, table.c.tam), else_=named),
        "regular_tam": case((stands_in, named), else_=null()),
    }
    return new.on_conflict_do_update(index_elements=["key"], set_=values)


async def save_members(connection: Connection, file: MembersFile) -> list[str]:
    """Bring members up to what a file says, and give their ids. Whom it does not name stays as they are.

    Raises:
        UserError: A member leans on somebody whom neither the file nor the database knows.
    """
    if file.vendor is not None:
        await _save_vendor(connection, file.vendor)
    return await _save_members(connection, file.members)


async def _save_vendor(connection: Connection, vendor: Vendor) -> None:
    await put(connection, VendorRow, [{"id": 1, **vendor.model_dump()}])


async def _save_members(connection: Connection, written: Sequence[WrittenMember]) -> list[str]:
    # In one order everywhere, so that two files that come at once never wait for each other.
    in_order = sorted(enumerate(written), key=lambda one: one[1].email.lower())
    ids = await _member_ids(connection, written)
    # Everyone comes first, and whom they lean on after that: the order of a file does not matter then.
    new = [{"id": new_id("m"), **_values(member)} for _, member in in_order if member.email.lower() not in ids]
    if new:
        await insert_new(connection, MemberRow, new)
        # Somebody else may have brought the same people meanwhile: their ids stand then.
        ids = await _member_ids(connection, written)
    for index, member in in_order:
        others = {
            field: _lookup(ids, getattr(member, field), f"members[{index}].{field}")
            for field in ("manager", "backup", "delegate")
        }
        same = MemberRow.id == ids[member.email.lower()]
        await connection.execute(update(MemberRow).where(same).values(**_values(member), **others))
    return [ids[member.email.lower()] for member in written]


def _values(member: WrittenMember) -> dict[str, Any]:
    return {
        "email": member.email,
        "name": member.name,
        "title": member.title,
        "roles": sorted(member.roles),
        "join_url": str(member.join_url) if member.join_url else None,
        "calendar_url": str(member.calendar_url) if member.calendar_url else None,
        "schedule": member.model_dump(mode="json", include=accounts.SCHEDULE),
        "areas": None if member.areas is None else sorted(member.areas),
    }


async def _member_ids(connection: Connection, written: Sequence[WrittenMember]) -> dict[str, str]:
    """The ids of all whom these name, by their addresses in lower case, as far as they are known."""
    named = {
        email.lower()
        for member in written
        for email in (member.email, member.manager, member.backup, member.delegate)
        if email is not None
    }
    if not named:
        return {}
    return {row.address: row.id for row in await connection.execute(_WITH_ADDRESSES, {"addresses": sorted(named)})}


def _lookup(ids: dict[str, str], email: str | None, field: str) -> str | None:
    if email is None:
        return None
    if email.lower() not in ids:
        raise UserError(
            "is no member known here", field=field, fix="add a [[members]] with this address, or correct the address"
        )
    return ids[email.lower()]


async def _save_contacts(
    connection: Connection, account: str, written: Sequence[WrittenContact], now: datetime
) -> None:
    known = {row.email.lower(): row.id for row in await connection.execute(_KNOWN_CONTACTS, {"of": account})}
    new = []
    for position, contact in enumerate(written):
        values = accounts.contact_values(contact, position)
        if (id_ := known.get(contact.email.lower())) is not None:
            await connection.execute(update(ContactRow).where(ContactRow.id == id_).values(**values))
        else:
            new.append({"id": new_id("c"), "account": account, **values})
    if new:
        await connection.execute(_NEW_CONTACTS, new)
    gone = [id_ for email, id_ in known.items() if email not in {contact.email.lower() for contact in written}]
    if gone:
        await accounts.contacts_left(connection, gone, now)
