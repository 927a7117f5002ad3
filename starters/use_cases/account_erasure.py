"""Erasing a whole account: one person asks for it and says why, a second one confirms it within a week."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from temporalio.service import RPCError

from rapport.model.access import Action
from rapport.model.account import Member
from rapport.model.base import InputModel, Instant, Refused, UserError, WireModel
from rapport.model.ids import notice_id
from rapport.model.message import ErasureFacts, MessageRequest, Purpose
from rapport.model.workflows import NOTICE
from rapport.rules.wording import amount
from rapport.search_attributes import found_by
from rapport.storage import account as accounts, account_erasure as storage, succession
from rapport.storage.account_erasure import CONFIRM_WITHIN, ERASURE_ASKED, ERASURE_WITHDRAWN, AccountErased
from rapport.storage.database import Connection
from rapport.storage.timeline import Submission
from starters.rights import requires
from starters.services import ANSWER_SECONDS, Actor, Services, member_named, present, refuse_entered
from starters.use_cases.succession import Reason, forget_caught, record, untold

ACCOUNT_ERASED: Final = "account.erased"

_NAMED: Final = 3
"""How many workflows that still run are named."""


class ErasureWritten(InputModel):
    """Why an account is to be erased."""

    reason: Reason


class ErasureWithdrawn(WireModel):
    """An account that nobody asks to have erased any more."""

    account: str


class ErasureAsked(WireModel):
    """An account that somebody asks to have erased.

    Attributes:
        by, name: The address and the name of whoever asked.
        until: Until when a second person may confirm it.
        confirmers: Who may, by name.
    """

    account: str
    by: str
    name: str
    reason: str
    until: Instant
    confirmers: tuple[str, ...] = ()


@requires(Action.ERASE_ACCOUNT)
async def ask(services: Services, account: str, written: ErasureWritten, actor: Actor) -> ErasureAsked:
    """Ask for an account to be erased; nothing is, before somebody else confirms it. Those who may get a mail.

    Raises:
        UserError: There is no such account, it was erased, something of it still runs, or the actor may not; or it is
            on record, but no mail tells of it, as Temporal does not answer.
    """
    refuse_entered(services, actor, "the erasing of an account")
    by = await member_named(services, actor)
    async with services.store.writing() as connection:
        await _refuse(connection, account)
        await record(connection, account, ERASURE_ASKED, by.id, "", by, actor, written.reason, present())
        said = await storage.confirmable(connection, account, present())
        assert said is not None
        to = [one.id for one in await _confirmers(connection, account, said.actor)]
    if to:
        await _write_to(services, account, to, said)
    found = await asked(services, account)
    assert found is not None
    return found


async def _write_to(services: Services, account: str, to: Sequence[str], said: Submission) -> None:
    """Tell those who may confirm it who asks, why, and until when."""
    occasion = MessageRequest(
        account=account,
        step="people",
        title="An account is to be erased",
        workflow_id=notice_id(said.id),
        purpose=Purpose.NOTICE,
        email="erasure_asked",
        to=tuple(to),
        now=present(),
        stale_at=said.at + CONFIRM_WITHIN,
        erasure=ErasureFacts(by=said.actor, until=said.at + CONFIRM_WITHIN, submission=said.id),
    )
    starting = services.client.start_workflow(
        NOTICE.name,
        occasion,
        id=notice_id(said.id),
        task_queue=services.settings.task_queue,
        search_attributes=found_by(account),
        static_summary=f"{account} is to be erased: a mail",
    )
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await starting
    except (RPCError, TimeoutError):
        raise untold("tell whoever is to confirm it, or repeat the same command once Temporal is back") from None


@requires(Action.ERASE_ACCOUNT)
async def withdraw(services: Services, account: str, actor: Actor) -> ErasureWithdrawn:
    """Take a request for an account to be erased back, as whoever asked; the account stays.

    Raises:
        UserError: Nobody asked for it within the last week, or somebody else did; or the actor may not.
    """
    refuse_entered(services, actor, "the erasing of an account")
    by = await member_named(services, actor)
    async with services.store.writing() as connection:
        await succession.lock(connection, account)
        said = await storage.confirmable(connection, account, present())
        if said is None:
            raise _nobody_asks(account, "nothing: it isn't erased")
        if said.actor != by.id:
            raise UserError(
                "somebody else asked for it, and takes it back",
                field="--as",
                fix="talk to them, or leave it: without a second person nothing is erased",
                kind=Refused.FORBIDDEN,
            )
        await record(connection, account, ERASURE_WITHDRAWN, by.id, "", by, actor, None, present())
    return ErasureWithdrawn(account=account)


@requires(Action.READ)
async def asked(services: Services, account: str) -> ErasureAsked | None:
    """Who asks for an account to be erased, while that can be confirmed."""
    async with services.store.reading() as connection:
        said = await storage.confirmable(connection, account, present())
        if said is None:
            return None
        by = await accounts.member(connection, said.actor)
        confirmers = await _confirmers(connection, account, said.actor)
    return ErasureAsked(
        account=account,
        by=by.email,
        name=by.name,
        reason=said.text or "",
        until=said.at + CONFIRM_WITHIN,
        confirmers=tuple(one.name for one in confirmers),
    )


@requires(Action.ERASE_ACCOUNT)
async def confirm(services: Services, account: str, actor: Actor) -> AccountErased:
    """Erase an account for good, as the second person.

    Its people, what anybody wrote of it, its mails and its name are gone. Its key, its contracts' ids and the hash
    chain of its timeline stay, with who asked, who confirmed, and why.

    Raises:
        UserError: Nobody asked for it within the last week, or the actor did so themself; or as `ask`.
    """
    refuse_entered(services, actor, "the erasing of an account")
    by = await member_named(services, actor)
    now = present()
    async with services.store.writing() as connection:
        await _refuse(connection, account)
        said = await storage.confirmable(connection, account, present())
        if said is None:
            raise _nobody_asks(account, f"ask for it with `rapport account erase {account} --reason REASON --as EMAIL`")
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


async def _confirmers(connection: Connection, account: str, asker: str) -> list[Member]:
    return [one for one in await storage.entitled(connection, account) if one.id != asker]


def _nobody_asks(account: str, fix: str) -> UserError:
    return UserError(
        f"nobody who may has asked within the last week for {account} to be erased, or they have taken it back",
        field="account",
        fix=fix,
        kind=Refused.CONFLICT,
    )


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
