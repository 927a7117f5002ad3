"""Blockers: what holds an account up, who removes it, when to look at it again, and that it is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from rapport.model.access import Action
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.commands import in_name, read_by
from rapport.model.minutes import BlockerCheck, BlockerRecord, NewBlocker, Removal
from rapport.storage import account as accounts, addresses, timeline
from rapport.storage.addresses import GONE
from rapport.storage.blocker import OWED_BLOCKERS, KnownBlocker
from rapport.storage.database import Connection
from rapport.storage.owed import Owed
from starters.rights import Matter, requires
from starters.services import Actor, Services, member_named, present, submission

K = TypeVar("K", bound=WireModel)


class BlockerShown(WireModel):
    """A blocker with its people.

    Attributes:
        owner: Whoever removes it, by name.
        owner_email: Their address, unless they are gone from the record.
        overdue: Whether the day to look at it has passed, where the account's TAM is.
        removed_by: A member's name.
        reason: Why it was removed.
        remove: The command that removes it.
    """

    id: str
    account: str
    title: str
    owner: str
    owner_email: str | None
    next_check: date
    overdue: bool
    raised: Instant
    removed: Instant | None
    removed_by: str | None
    reason: str | None
    remove: str | None


@requires(Action.READ)
async def listed(services: Services, account: str | None = None, *, also_removed: bool = False) -> list[BlockerShown]:
    """The blockers of an account, or of all accounts: the open ones first, and of those the one to look at first.

    Raises:
        UserError: There is no such account.
    """
    async with services.store.reading() as connection:
        if account is not None:
            await accounts.account(connection, account)
        found = await OWED_BLOCKERS.listed(connection, account, also_over=also_removed)
        return await shown(connection, found, services.reader)


@requires(Action.ACT)
async def add(services: Services, account: str, written: NewBlocker, actor: Actor) -> BlockerShown:
    """Note what holds an account up.

    Raises:
        UserError: There is no such account, the owner is nobody there and no member, one with this title stands
            already, or the actor may not say so.
    """
    member = await member_named(services, actor)
    async with services.store.reading() as connection:
        await accounts.account(connection, account)
        owner = owner_of(await addresses.by_address(connection, account), written.owner, account, "owner")
    record = BlockerRecord(title=written.title, owner=owner, next_check=written.next_check)
    words = _words(written.title, written.next_check, written.note)
    now = present()
    async with services.store.writing() as connection:
        there = {one.title.casefold(): one.id for one in await OWED_BLOCKERS.listed(connection, account)}
        if (same := there.get(written.title.casefold())) is not None:
            raise UserError(
                "stands already",
                field="title",
                fix=f"look at it instead: rapport blocker check {same} --next-check {written.next_check} --as EMAIL",
                kind=Refused.CONFLICT,
            )
        id_ = await OWED_BLOCKERS.add(connection, account, record, now)
        said = submission(member.id, actor, "blocker.add", id_, words)
        await timeline.record(connection, account, "blocker.raised", said, about=id_)
    return await _one(services, id_)


async def _of_blocker(connection: Connection, id_: str) -> list[Matter]:
    found = await OWED_BLOCKERS.one(connection, id_)
    return [(Action.ACT, found.account if found is not None else None)]


@requires(Action.ACT, "id_", _of_blocker)
async def check(services: Services, id_: str, written: BlockerCheck, actor: Actor) -> BlockerShown:
    """Say that somebody has looked at a blocker, and when to look again.

    Raises:
        UserError: There is no such blocker, it was removed, or the actor may not say so.
    """
    member = await member_named(services, actor)
    found = await find(services, OWED_BLOCKERS, id_)
    words = _words(found.title, written.next_check, written.note)
    async with services.store.writing() as connection:
        if not await OWED_BLOCKERS.change(connection, id_, next_check=written.next_check):
            raise _removed_before(found)
        said = submission(member.id, actor, "blocker.check", id_, words)
        await timeline.record(connection, found.account, "blocker.checked", said, about=id_)
    return await _one(services, id_)


@requires(Action.ACT, "id_", _of_blocker)
async def remove(services: Services, id_: str, written: Removal, actor: Actor) -> BlockerShown:
    """Say that a blocker holds nobody up any more, and why.

    Raises:
        UserError: There is no such blocker, it was removed before, or the actor may not say so.
    """
    member = await member_named(services, actor)
    found = await find(services, OWED_BLOCKERS, id_)
    said = submission(member.id, actor, "blocker.remove", id_, f"{found.title}\n{written.reason}")
    async with services.store.writing() as connection:
        if not await OWED_BLOCKERS.change(connection, id_, removed_at=present(), removed_by=member.id, removal=said.id):
            raise _removed_before(found)
        await timeline.record(connection, found.account, "blocker.removed", said, about=id_)
    return await _one(services, id_)


def owner_of(known: Mapping[str, addresses.KnownPerson], email: str, account: str, field: str) -> str:
    """The id of whoever owns something.

    Raises:
        UserError: They are nobody at the account and no member, or have left.
    """
    found = known.get(email.lower())
    if found is None:
        raise unknown(account, field)
    if not found.here:
        raise UserError("has left", field=field, fix="name somebody who can still do it")
    return found.id


def unknown(account: str, field: str) -> UserError:
    """The refusal of an address that is nobody's."""
    return UserError(
        f'is neither a contact of "{account}" nor a member',
        field=field,
        fix=f"correct the address, or bring the person in first; see `rapport account show {account}`",
    )


async def shown(connection: Connection, found: Sequence[KnownBlocker], reader: str | None = None) -> list[BlockerShown]:
    """Blockers with the names of those who removed them, and why they did.

    Args:
        reader: Who reads them, by address; their commands act in the name of the account's TAM where nobody knows.
    """
    serving = await accounts.serving(connection, {one.account for one in found})
    zones = await addresses.zones(connection, [one.account for one in found])
    names = await accounts.names(connection, None) if any(one.removed_by for one in found) else {}
    reasons = await timeline.words(connection, [one.removal for one in found if one.removal])
    now = present()
    return [
        _shown(one, local_day(now, zones[one.account]), names, reasons, reader or serving[one.account].email)
        for one in found
    ]


def local_day(now: datetime, zone: str) -> date:
    """The date in a zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def _shown(
    one: KnownBlocker, today: date, names: Mapping[str, str], reasons: Mapping[str, str], reader: str
) -> BlockerShown:
    said = reasons.get(one.removal or "", "")
    return BlockerShown.made_of(
        one,
        overdue=one.removed is None and one.next_check < today,
        removed_by=names.get(one.removed_by, GONE) if one.removed_by else None,
        reason=said.partition("\n")[2] or None,
        remove=None if one.removed else read_by(in_name(f'rapport blocker remove {one.id} --reason "…"'), reader),
    )


def _words(title: str, next_check: date, note: str | None) -> str:
    """What the timeline says: which blocker, when to look at it again, and what was said with it."""
    return "\n".join(filter(None, [title, f"Next check: {next_check.isoformat()}", note]))


async def find(services: Services, noun: Owed[K, Any], id_: str) -> K:
    """A blocker or an action, whether or not it is over.

    Raises:
        UserError: There is none with this id.
    """
    async with services.store.reading() as connection:
        found = await noun.one(connection, id_)
    if found is None:
        raise UserError(
            f'there is no {noun.name} "{id_[:40]}"',
            field="id",
            fix=f"see `rapport {noun.name} list` for the ids",
            kind=Refused.NOT_FOUND,
        )
    return found


async def _one(services: Services, id_: str) -> BlockerShown:
    found = await find(services, OWED_BLOCKERS, id_)
    async with services.store.reading() as connection:
        return (await shown(connection, [found], services.reader))[0]


def _removed_before(found: KnownBlocker) -> UserError:
    return UserError(
        "was removed before",
        field="id",
        fix=f"see `rapport blocker list {found.account} --all`, or add it anew",
        kind=Refused.CONFLICT,
    )
