"""Erasing a whole account: one person asks for it and says why, a second one confirms it within a week."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from rapport.model.access import Action
from rapport.model.base import InputModel, Instant, Refused, UserError, WireModel
from rapport.model.ids import onboarding_id
from rapport.rules import access
from rapport.rules.wording import amount
from rapport.storage import account as accounts, account_erasure as storage, succession, timeline
from rapport.storage.account_erasure import AccountErased
from rapport.storage.database import Connection
from rapport.storage.timeline import Submission
from starters.rights import requires
from starters.services import Actor, Services, member_named, present, refuse_entered
from starters.use_cases.succession import Reason, forget_caught, record

ERASURE_ASKED: Final = "account.erasure_asked"
ACCOUNT_ERASED: Final = "account.erased"

CONFIRM_WITHIN: Final = timedelta(days=7)
"""How long a second person has to confirm it; then it has to be asked for again."""

_NAMED: Final = 3
"""How many workflows that still run are named."""


class ErasureWritten(InputModel):
    """Why an account is to be erased."""

    reason: Reason


class ErasureAsked(WireModel):
    """An account that somebody asks to have erased.

    Attributes:
        by, name: The address and the name of whoever asked.
        until: Until when a second person may confirm it.
    """

    account: str
    by: str
    name: str
    reason: str
    until: Instant


@requires(Action.ERASE_ACCOUNT)
async def ask(services: Services, account: str, written: ErasureWritten, actor: Actor) -> ErasureAsked:
    """Ask for an account to be erased; nothing is, before somebody else confirms it.

    Raises:
        UserError: There is no such account, it was erased, something of it still runs, or the actor may not.
    """
    refuse_entered(services, actor)
    by = await member_named(services, actor)
    async with services.store.writing() as connection:
        await _refuse(connection, account)
        await record(connection, account, ERASURE_ASKED, by.id, "", by, actor, written.reason, present())
    found = await asked(services, account)
    assert found is not None
    return found


@requires(Action.READ)
async def asked(services: Services, account: str) -> ErasureAsked | None:
    """Who asks for an account to be erased, while that can be confirmed."""
    async with services.store.reading() as connection:
        said = await _asked(connection, account)
        if said is None:
            return None
        by = await accounts.member(connection, said.actor)
    return ErasureAsked(
        account=account, by=by.email, name=by.name, reason=said.text or "", until=said.at + CONFIRM_WITHIN
    )


@requires(Action.ERASE_ACCOUNT)
async def confirm(services: Services, account: str, actor: Actor) -> AccountErased:
    """Erase an account for good, as the second person.

    Its people, what anybody wrote of it, its mails and its name are gone. Its key, its contracts' ids and the hash
    chain of its timeline stay, with who asked, who confirmed, and why.

    Raises:
        UserError: Nobody asked for it within the last week, or the actor did so themself; or as `ask`.
    """
    refuse_entered(services, actor)
    by = await member_named(services, actor)
    now = present()
    async with services.store.writing() as connection:
        await _refuse(connection, account)
        said = await _asked(connection, account)
        if said is None:
            raise UserError(
                "nobody who may has asked for it within the last week",
                field="account",
                fix=f"ask for it with `rapport account erase {account} --reason REASON --as EMAIL`",
                kind=Refused.CONFLICT,
            )
        if said.actor == by.id:
            raise UserError(
                "you asked for it yourself, and a second person has to confirm it",
                field="--as",
                fix="have the account's TAM, their backup or their manager confirm it",
                kind=Refused.FORBIDDEN,
            )
        names = await storage.named(connection, account)
        theirs = await storage.message_ids(connection, account)
        erased = await storage.erase(connection, account, now)
        reason = said.text or ""
        for one in names:
            reason = one.redacted(reason)
        await record(connection, account, ACCOUNT_ERASED, by.id, said.actor, by, actor, reason, now)
    await asyncio.to_thread(
        forget_caught,
        services.settings.caught,
        lambda message_id, raw: message_id in theirs or any(one.anywhere().named_in_mail(raw) for one in names),
    )
    await services.store.scrub()
    return erased


async def _asked(connection: Connection, account: str) -> Submission | None:
    said = await timeline.latest_said(connection, onboarding_id(account), ERASURE_ASKED, present() - CONFIRM_WITHIN)
    return said if said is not None and await _may_still(connection, said.actor, account) else None


async def _may_still(connection: Connection, member: str, account: str) -> bool:
    """Whether whoever asked works here still, and may ask: or else one person alone would erase it."""
    members = {one.id: one for one in await accounts.members(connection)}
    by = members[member]
    far = access.reach(Action.ERASE_ACCOUNT, by.roles)
    if far is None or by.left_at is not None:
        return False
    return far >= access.nearness(by, await accounts.account(connection, account), members)


async def _refuse(connection: Connection, account: str) -> None:
    """Refuse to erase an account that is gone already, or whose workflows go on."""
    await succession.lock(connection, account)
    await accounts.account(connection, account)
    if account not in await accounts.account_names(connection):
        raise UserError("was erased already", field="account", fix="nothing is left to do", kind=Refused.CONFLICT)
    running = await storage.still_runs(connection, account)
    if running:
        named = ", ".join(running[:_NAMED])
        more = f" and {amount(len(running) - _NAMED, 'other')}" if len(running) > _NAMED else ""
        raise UserError(
            f"{named}{more} still run",
            field="account",
            fix=f"close cases and reviews, and run `rapport onboarding cancel {account} --reason REASON --as EMAIL`",
            kind=Refused.CONFLICT,
        )
