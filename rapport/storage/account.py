"""Accounts, their contacts, and the members who serve them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, bindparam, case, func, insert, select, update
from sqlalchemy.orm import aliased

from rapport import clock
from rapport.model.account import (
    Absence,
    Account,
    Availability,
    Contact,
    ContactWork,
    Facts,
    Member,
    Role,
    Schedule,
    Vendor,
    WrittenContact,
)
from rapport.model.base import Instant, Refused, UserError, nearest
from rapport.model.message import MessageState
from rapport.rules import audience
from rapport.storage.database import Connection
from rapport.storage.tables import AbsenceRow, AccountRow, ContactRow, MemberRow, MessageRow, SubmissionRow, VendorRow

LEFT: Final = "the recipient has left"
"""Why nothing goes to somebody who is no contact any more."""

SCHEDULE = {"zone", "country", "subdivision", "hours"}
WORK = {"languages", "projects", "deployment", "previous_tools", "chat_channel"}


def contact_values(contact: WrittenContact, position: int) -> dict[str, Any]:
    """What SQL keeps of a contact who is there, as somebody wrote them down.

    Args:
        position: Their place among the account's contacts.
    """
    return {
        "position": position,
        "email": contact.email,
        "personas": list(contact.personas),
        "name": contact.name,
        "title": contact.title,
        "schedule": contact.model_dump(mode="json", include=SCHEDULE),
        "work": contact.model_dump(mode="json", include=WORK),
        "left_at": None,
    }


async def contacts_left(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    """Note that contacts have left. What they said stays on record; no draft to them is put before anybody again."""
    await connection.execute(
        update(ContactRow).where(ContactRow.id.in_(ids), ContactRow.left_at.is_(None)).values(left_at=now)
    )
    await connection.execute(
        update(MessageRow)
        .where(MessageRow.person.in_(ids), MessageRow.state == MessageState.DRAFT)
        .values(state=MessageState.SUPPRESSED, reason=LEFT, settled_at=now)
    )


async def account(connection: Connection, key: str) -> Account:
    """One account.

    Raises:
        UserError: There is none with this key.
    """
    row = (await connection.execute(_ACCOUNT, {"account": key})).one_or_none()
    if row is None:
        raise await _no_account(connection, key)
    return _account(row)


async def facts_of(connection: Connection, key: str) -> Facts | None:
    """What is known of an account; nothing if there is none with this key."""
    known = await connection.scalar(select(AccountRow.facts).where(AccountRow.key == key))
    return None if known is None else Facts.model_validate(known)


async def is_erased(connection: Connection, key: str) -> bool:
    """Whether an account was erased: nobody is anybody there any more."""
    return await connection.scalar(select(AccountRow.erased_at).where(AccountRow.key == key)) is not None


async def tam_of(connection: Connection, key: str) -> str | None:
    """Who serves an account; nobody if there is none with this key."""
    tam: str | None = await connection.scalar(select(AccountRow.tam).where(AccountRow.key == key))
    return tam


class ServedBy(NamedTuple):
    """Who serves an account.

    Attributes:
        acts: The address of whoever can do now what waits for them: their own, or their manager's once they have left;
            nothing where neither works here.
    """

    name: str
    email: str
    has_left: bool
    acts: str | None = None


async def serving(connection: Connection, keys: Collection[str] | None = None) -> dict[str, ServedBy]:
    """Who serves each account, by its key; of those with these keys alone, where some are given."""
    above = aliased(MemberRow)
    acts = case((MemberRow.left_at.is_(None), MemberRow.email), (above.left_at.is_(None), above.email)).label("acts")
    query = (
        select(AccountRow.key, MemberRow.name, MemberRow.email, MemberRow.left_at, acts)
        .join(MemberRow, MemberRow.id == AccountRow.tam)
        .outerjoin(above, above.id == MemberRow.manager)
    )
    if keys is not None:
        query = query.where(AccountRow.key.in_(keys))
    return {
        row.key: ServedBy(row.name, row.email, row.left_at is not None, row.acts)
        for row in await connection.execute(query)
    }


async def surroundings(connection: Connection, key: str) -> tuple[Account, Member, Vendor]:
    """One account with its TAM and the vendor, as the last account file gave them.

    Raises:
        UserError: There is none with this key.
    """
    row = (await connection.execute(_SURROUNDINGS, {"account": key})).one_or_none()
    if row is None:
        raise await _no_account(connection, key)
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


async def vendor(connection: Connection) -> Vendor:
    """The vendor, as the last file that spoke of them gave them.

    Raises:
        UserError: Nobody ever said who the vendor is.
    """
    row = (await connection.execute(_VENDOR)).one_or_none()
    if row is None:
        raise UserError("is missing", field="vendor", fix="add [vendor] with name and product; mails speak of them")
    return Vendor.model_validate(row._mapping)


async def keys_like(connection: Connection, start: str) -> list[str]:
    """The keys of the accounts whose key begins like this."""
    query = select(AccountRow.key).where(AccountRow.key.startswith(start, autoescape=True)).order_by(AccountRow.key)
    return list(await connection.scalars(query.limit(_LIKE)))


async def _no_account(connection: Connection, key: str) -> UserError:
    near = nearest(key, await connection.scalars(select(AccountRow.key)))
    return UserError(
        f'there is no account "{key[:70]}"',
        field="account",
        fix=f"{near}see `rapport account list`, or import it first",
        kind=Refused.NOT_FOUND,
    )


def _account(row: Row[Any]) -> Account:
    return Account.made_of(row)


async def account_names(connection: Connection) -> dict[str, str]:
    """Every account's name, by key, in the keys' alphabetical order; without those that were erased."""
    known = select(AccountRow.key, AccountRow.name).where(AccountRow.erased_at.is_(None))
    rows = await connection.execute(known.order_by(AccountRow.key))
    return {row.key: row.name for row in rows}


async def contacts(connection: Connection, account: str) -> list[Contact]:
    """The account's contacts who have not left, in the order of its file."""
    return audience.alone([_contact(row) for row in await connection.execute(_CONTACTS, {"account": account})])


async def has_left(connection: Connection, contact: str) -> bool:
    """Whether this is a contact who has left."""
    query = select(ContactRow.id).where(ContactRow.id == contact, ContactRow.left_at.is_not(None))
    return await connection.scalar(query) is not None


async def departed(
    connection: Connection, account: str, *, ids: Iterable[str] | None = None, persona: str | None = None
) -> list[Contact]:
    """The account's contacts who have left, the latest first: those with these ids, or who had this persona."""
    query = (
        _EVERY_CONTACT.where(ContactRow.account == bindparam("account"), ContactRow.left_at.is_not(None))
        .order_by(None)
        .order_by(ContactRow.left_at.desc())
    )
    if ids is not None:
        query = query.where(ContactRow.id.in_(list(ids)))
    found = [_contact(row) for row in await connection.execute(query, {"account": account})]
    return found if persona is None else list(audience.holding((persona,), found))


async def contacts_with(connection: Connection, ids: Iterable[str]) -> list[Contact]:
    """The contacts with these ids, also those who have left."""
    wanted = sorted(set(ids))
    return [_contact(row) for row in await connection.execute(_CONTACTS_WITH, {"ids": wanted})] if wanted else []


async def put_address(connection: Connection, contact: str, address: str) -> None:
    """Note where a contact is reached from now on."""
    await connection.execute(update(ContactRow).where(ContactRow.id == contact).values(email=address))


async def holder_of(connection: Connection, account: str, address: str) -> str | None:
    """Whose address this is already: a contact's of the account, or a member's; by name."""
    same = func.lower(ContactRow.email) == address.lower()
    contact: str | None = await connection.scalar(select(ContactRow.name).where(ContactRow.account == account, same))
    if contact is not None:
        return contact
    member = await member_by_email(connection, address)
    return member.name if member is not None else None


async def put_work(connection: Connection, contact: str, work: ContactWork) -> None:
    """Keep what is known of a contact's work."""
    changed = update(ContactRow).where(ContactRow.id == contact).values(work=work.model_dump(mode="json"))
    await connection.execute(changed)


def _contact(row: Row[Any]) -> Contact:
    return Contact.made_of(row)


# Every mail asks these; to put a statement together takes longer than to run it, so it is done once.
_LIKE: Final = 6
"""How many names that begin alike are looked at: to tell that they are several."""
_ACCOUNT = select(
    AccountRow.key,
    AccountRow.name,
    AccountRow.tam,
    AccountRow.regular_tam,
    AccountRow.tam_until,
    AccountRow.place,
    AccountRow.review,
    AccountRow.facts,
    AccountRow.figures,
    AccountRow.held,
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
_VENDOR = select(VendorRow.name, VendorRow.product, VendorRow.company_health)
_EVERY_CONTACT = select(
    ContactRow.id,
    ContactRow.account,
    ContactRow.personas,
    ContactRow.name,
    ContactRow.email,
    ContactRow.title,
    ContactRow.schedule,
    ContactRow.work,
).order_by(ContactRow.position)
_CONTACTS = _EVERY_CONTACT.where(ContactRow.account == bindparam("account"), ContactRow.left_at.is_(None))
_CONTACTS_WITH = _EVERY_CONTACT.where(ContactRow.id.in_(bindparam("ids", expanding=True)))
_MEMBERS = select(
    MemberRow.id,
    MemberRow.name,
    MemberRow.email,
    MemberRow.roles,
    MemberRow.title,
    MemberRow.join_url,
    MemberRow.calendar_url,
    MemberRow.schedule,
    MemberRow.manager,
    MemberRow.backup,
    MemberRow.delegate,
    MemberRow.left_at,
    MemberRow.areas,
).order_by(MemberRow.email)
_BY_EMAIL = _MEMBERS.where(func.lower(MemberRow.email) == bindparam("email"))


async def members(connection: Connection, ids: Iterable[str] | None = None) -> list[Member]:
    """The members with these ids, or all of them."""
    query = _MEMBERS if ids is None else _MEMBERS.where(MemberRow.id.in_(list(ids)))
    return [_member(row) for row in await connection.execute(query)]


def _member(row: Row[Any]) -> Member:
    return Member.made_of(
        row,
        roles=frozenset(Role(role) for role in row.roles),
        schedule=Schedule.model_validate(row.schedule),
        areas=None if row.areas is None else frozenset(row.areas),
    )


async def member(connection: Connection, id_: str) -> Member:
    """One member, by an id that the database itself gave."""
    return (await members(connection, [id_]))[0]


async def member_by_email(connection: Connection, email: str) -> Member | None:
    """The member with this address, however its letters are cased."""
    row = (await connection.execute(_BY_EMAIL, {"email": email.lower()})).one_or_none()
    return None if row is None else _member(row)


async def names(connection: Connection, account: str | None) -> dict[str, str]:
    """How to call everyone who can appear in an account's records, by id; also those who have left.

    Without an account these are the members.
    """
    found = {
        row.id: row.name
        for row in await connection.execute(select(ContactRow.id, ContactRow.name).where(ContactRow.account == account))
    }
    found.update({row.id: row.name for row in await connection.execute(select(MemberRow.id, MemberRow.name))})
    return found


async def names_of(connection: Connection, contacts: Iterable[str]) -> dict[str, str]:
    """How to call these contacts of whatever accounts, by id; also those who have left."""
    query = select(ContactRow.id, ContactRow.name).where(ContactRow.id.in_(sorted(set(contacts))))
    return {row.id: row.name for row in await connection.execute(query)}


async def personas_of(connection: Connection, account: str) -> dict[str, tuple[str, ...]]:
    """What each of an account's contacts is there, by id; also those who have left."""
    query = select(ContactRow.id, ContactRow.personas).where(ContactRow.account == account)
    return {row.id: tuple(row.personas) for row in await connection.execute(query)}


async def mark_left(connection: Connection, id_: str, now: datetime) -> bool:
    """Note that a member has left for good; whether they had not left before."""
    changed = await connection.execute(
        update(MemberRow).where(MemberRow.id == id_, MemberRow.left_at.is_(None)).values(left_at=now)
    )
    return changed.rowcount == 1


async def accounts_of(connection: Connection, member: str) -> list[str]:
    """The keys of the accounts whose TAM a member is, in alphabetical order."""
    return list(
        await connection.scalars(select(AccountRow.key).where(AccountRow.tam == member).order_by(AccountRow.key))
    )


class KnownAbsence(Absence):
    """An absence as SQL holds it, with what was said of it.

    Attributes:
        ended_early_at: When the member was back before `ends`; before `starts`, the absence was withdrawn.
    """

    id: str
    member: str
    reason: str | None = None
    ended_early_at: Instant | None = None

    @property
    def over_at(self) -> datetime:
        """When it is over: as planned, or early."""
        return self.ended_early_at or self.ends


# Open tasks and every mail to a member ask these, so they are put together once, as those above.
_over_at = func.coalesce(AbsenceRow.ended_early_at, AbsenceRow.ends)
_AVAILABILITY = select(
    MemberRow.id, MemberRow.roles, MemberRow.left_at, MemberRow.delegate, MemberRow.backup, MemberRow.manager
)
_AWAY = (
    select(AbsenceRow.member, AbsenceRow.starts, _over_at.label("ends"), AbsenceRow.delegate)
    .where(_over_at > bindparam("since"), _over_at > AbsenceRow.starts)
    .order_by(AbsenceRow.starts)
)
_AVAILABILITY_OF = _AVAILABILITY.where(MemberRow.id.in_(bindparam("ids", expanding=True)))
_AWAY_OF = _AWAY.where(AbsenceRow.member.in_(bindparam("ids", expanding=True)))
_ABSENCES = (
    select(
        AbsenceRow.id,
        AbsenceRow.member,
        AbsenceRow.starts,
        AbsenceRow.ends,
        AbsenceRow.delegate,
        AbsenceRow.ended_early_at,
        SubmissionRow.text.label("reason"),
    )
    .outerjoin(SubmissionRow, SubmissionRow.id == AbsenceRow.submission)
    .order_by(AbsenceRow.starts, AbsenceRow.id)
)


async def availability(
    connection: Connection, ids: Iterable[str] | None = None, *, since: datetime | None = None
) -> dict[str, Availability]:
    """What tells who acts in whose place: of the members with these ids, or of all, by id.

    Args:
        since: Absences that were over by then are left out; without it, those that are over at present. An absence
            that was ended early ends at that instant, and one that was withdrawn is none.
    """
    given: dict[str, Any] = {"since": since or clock.present()}
    chosen = {} if ids is None else {"ids": list(ids)}
    away: dict[str, list[Absence]] = {}
    for row in await connection.execute(_AWAY if ids is None else _AWAY_OF, given | chosen):
        absence = Absence.made_of(row)
        away.setdefault(row.member, []).append(absence)
    return {
        row.id: Availability.made_of(
            row,
            member=row.id,
            roles=frozenset(Role(role) for role in row.roles),
            left=row.left_at is not None,
            absences=tuple(away.get(row.id, ())),
        )
        for row in await connection.execute(_AVAILABILITY if ids is None else _AVAILABILITY_OF, chosen)
    }


async def absences(
    connection: Connection, member: str | None = None, *, since: datetime | None = None
) -> list[KnownAbsence]:
    """The absences of a member, or of everyone, in the order in which they begin.

    Args:
        since: Those that were over by then are left out, and so are those that were withdrawn.
    """
    query = _ABSENCES
    if member is not None:
        query = query.where(AbsenceRow.member == member)
    if since is not None:
        query = query.where(_over_at > since, _over_at > AbsenceRow.starts)
    return [KnownAbsence.model_validate(row._mapping) for row in await connection.execute(query)]


async def absence(connection: Connection, id_: str) -> KnownAbsence | None:
    """One absence, whether or not it is over."""
    row = (await connection.execute(_ABSENCES.where(AbsenceRow.id == id_))).one_or_none()
    return None if row is None else KnownAbsence.model_validate(row._mapping)


async def add_absence(
    connection: Connection, absence: KnownAbsence, submission: str, now: datetime
) -> KnownAbsence | None:
    """Keep a new absence, unless the member is away already in that time.

    Returns:
        The absence that it overlaps, in which case nothing is kept.
    """
    # Two that are announced at the same time wait for each other here; SQLite has one writer anyway.
    await connection.execute(select(MemberRow.id).where(MemberRow.id == absence.member).with_for_update())
    for known in await absences(connection, absence.member, since=absence.starts):
        if known.starts < absence.ends:
            return known
    await connection.execute(
        insert(AbsenceRow).values(
            **absence.model_dump(include={"id", "member", "starts", "ends", "delegate"}),
            submission=submission,
            created_at=now,
        )
    )
    return None


async def end_absence(connection: Connection, id_: str, now: datetime) -> bool:
    """End an absence now; whether it was not over before. One that has not begun is withdrawn."""
    changed = await connection.execute(
        update(AbsenceRow).where(AbsenceRow.id == id_, _over_at > now).values(ended_early_at=now)
    )
    return changed.rowcount == 1
