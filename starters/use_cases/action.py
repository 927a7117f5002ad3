"""Actions: what people promised in a meeting, and that it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from rapport.model.access import Action
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.commands import in_name, read_by
from rapport.model.minutes import ActionDone
from rapport.storage import account as accounts, addresses, timeline
from rapport.storage.action import OWED_ACTIONS, KnownAction
from rapport.storage.addresses import GONE
from rapport.storage.database import Connection
from starters.rights import Matter, requires
from starters.services import Actor, Services, member_named, present, submission
from starters.use_cases.blocker import find, local_day


class ActionShown(WireModel):
    """An action with its people.

    Attributes:
        owner: Whoever promised it, by name.
        owner_email: Their address, unless they are gone from the record.
        overdue: Whether its day has passed, where the account's TAM is.
        done_by: The name of the member who said that it is done.
        finish: The command that says so.
    """

    id: str
    account: str
    what: str
    owner: str
    owner_email: str | None
    due: date
    overdue: bool
    raised: Instant
    done: Instant | None
    done_by: str | None
    finish: str | None


@requires(Action.READ)
async def listed(services: Services, account: str | None = None, *, also_done: bool = False) -> list[ActionShown]:
    """The actions of an account, or of all accounts: the open ones first, and of those the one that is due first.

    Raises:
        UserError: There is no such account.
    """
    async with services.store.reading() as connection:
        if account is not None:
            await accounts.account(connection, account)
        found = await OWED_ACTIONS.listed(connection, account, also_over=also_done)
        return await shown(connection, found, services.reader)


async def _of_action(connection: Connection, id_: str) -> list[Matter]:
    found = await OWED_ACTIONS.one(connection, id_)
    return [(Action.ACT, found.account if found is not None else None)]


@requires(Action.ACT, "id_", _of_action)
async def done(services: Services, id_: str, written: ActionDone, actor: Actor) -> ActionShown:
    """Say that an action is done.

    Raises:
        UserError: There is no such action, it was done before, or the actor may not say so.
    """
    member = await member_named(services, actor)
    found = await find(services, OWED_ACTIONS, id_)
    said = submission(member.id, actor, "action.done", id_, "\n".join(filter(None, [found.what, written.note])))
    async with services.store.writing() as connection:
        if not await OWED_ACTIONS.change(connection, id_, done_at=present(), done_by=member.id):
            raise UserError(
                "was done before",
                field="id",
                fix=f"see `rapport action list {found.account} --all`",
                kind=Refused.CONFLICT,
            )
        await timeline.record(connection, found.account, "action.done", said, about=id_)
    async with services.store.reading() as connection:
        return (await shown(connection, [await find(services, OWED_ACTIONS, id_)], services.reader))[0]


async def shown(connection: Connection, found: Sequence[KnownAction], reader: str | None = None) -> list[ActionShown]:
    """Actions with the names of those who said that they are done.

    Args:
        reader: Who reads them, by address; their commands act in the name of the account's TAM where nobody knows.
    """
    serving = await accounts.serving(connection, {one.account for one in found})
    zones = await addresses.zones(connection, [one.account for one in found])
    names = await accounts.names(connection, None) if any(one.done_by for one in found) else {}
    now = present()
    return [
        _shown(one, local_day(now, zones[one.account]), names, reader or serving[one.account].email) for one in found
    ]


def _shown(one: KnownAction, today: date, names: Mapping[str, str], reader: str) -> ActionShown:
    return ActionShown.made_of(
        one,
        overdue=one.done is None and one.due < today,
        done_by=names.get(one.done_by, GONE) if one.done_by else None,
        finish=None if one.done else read_by(in_name(f"rapport action done {one.id}"), reader),
    )
