"""The JSON API under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query, Request, Response

from rapport.model.account import AccountFile, WrittenWork
from rapport.model.base import InputModel, Prose, WrittenDay, WrittenInstant
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState, Resolution
from rapport.storage.timeline import Verified
from starters.http.api.bodies import By, Json, Nothing, api_router
from starters.http.auth import Bearer, TheServices, api_actor
from starters.use_cases import (
    account as accounts,
    audit,
    mail_switch,
    meeting,
    meeting_proposals,
    message,
    onboarding,
    timeline,
    undelivered,
)
from starters.use_cases.account import AccountLine, AccountShown, ContactEdited
from starters.use_cases.audit import Export
from starters.use_cases.mail_switch import MailStatus
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.meeting_proposals import MeetingLine, MeetingProposed, MeetingWanted
from starters.use_cases.message import Edit, MessageLine, MessageShown
from starters.use_cases.onboarding import Started, StartRequest, Status
from starters.use_cases.timeline import EntryShown

router = api_router()

_BYTES: Final = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


class VoteBody(InputModel):
    """An answer to a poll on a person's behalf. `as` is their address."""

    slots: tuple[str, ...]
    round: int | None = None


class BookBody(InputModel):
    """A meeting's time, set by a member; `anyway` where it is meant although somebody can't make it."""

    start: WrittenInstant
    anyway: bool = False


class RescheduleBody(InputModel):
    """A meeting's new time; without one, everyone gets new times. `date` says which one of a recurring meeting."""

    start: WrittenInstant | None = None
    date: WrittenDay | None = None
    reason: Prose | None = None
    anyway: bool = False


class CancelBody(InputModel):
    """Why a meeting does not take place. `date` says which one of a recurring meeting."""

    reason: Prose
    date: WrittenDay | None = None


class ReportBody(InputModel):
    """That nobody came to a meeting, said by a member."""

    note: Prose | None = None


class KeysBody(InputModel):
    """A member's word on drafts."""

    keys: tuple[str, ...]
    reason: Prose | None = None


class SwitchBody(InputModel):
    """Why all mail is stopped, or goes again; it needs a reason."""

    reason: Prose | None = None


class ResolveBody(InputModel):
    """What becomes of an email that failed, or may not have arrived."""

    how: Resolution
    reason: Prose | None = None


@router.post("/onboardings")
async def start_onboarding(body: Json[StartRequest], response: Response, services: TheServices) -> Started:
    """Start the onboarding of a signed contract, or give the one that it has started."""
    started = await onboarding.start(services, body)
    response.status_code = 201 if started.created else 200
    return started


@router.get("/onboardings/{account}")
async def onboarding_status(account: str, services: TheServices) -> Status:
    """Where an account is."""
    return await onboarding.status(services, account)


@router.get("/accounts")
async def list_accounts(services: TheServices, tam: Annotated[str | None, Query()] = None) -> list[AccountLine]:
    """Every account, or those of one TAM: stage, what it waits for, since when, and how to move it on."""
    return await accounts.portfolio(services, tam)


@router.put("/accounts")
async def import_account(body: Json[AccountFile], services: TheServices) -> AccountShown:
    """Bring an account and its people up to what a document says."""
    return await accounts.import_account(services, body)


@router.get("/accounts/{account}")
async def show_account(account: str, services: TheServices) -> AccountShown:
    """One account with its people."""
    return await accounts.show(services, account)


@router.patch("/accounts/{account}/contacts/{email}")
async def edit_contact(
    account: str, email: str, said: By[WrittenWork], services: TheServices, token: Bearer
) -> ContactEdited:
    """Record what is known of a contact's work, or their new address."""
    return await accounts.edit_contact(services, account, email, said.body, said.by(services, token))


@router.get("/accounts/{account}/timeline")
async def show_timeline(
    account: str,
    services: TheServices,
    until: Annotated[str | None, Query(description="An instant, or a day in the TAM's zone, with all of it.")] = None,
) -> list[EntryShown]:
    """All that happened to an account, oldest first."""
    return await timeline.timeline_of(services, account, until)


@router.get("/accounts/{account}/messages")
async def list_messages(
    account: str,
    services: TheServices,
    state: Annotated[MessageState | None, Query()] = None,
) -> list[MessageLine]:
    """An account's messages, oldest first."""
    return await message.listed(services, account, state)


@router.get("/accounts/{account}/meetings")
async def list_meetings(account: str, services: TheServices) -> list[MeetingLine]:
    """An account's meetings, those of its playbook and those beside it."""
    return await meeting_proposals.listed(services, account)


@router.post("/accounts/{account}/meetings", status_code=201)
async def propose_meeting(
    account: str, said: By[MeetingWanted], services: TheServices, token: Bearer
) -> MeetingProposed:
    """Propose a meeting beside the playbook, such as a training."""
    return await meeting_proposals.propose(services, account, said.body, said.by(services, token))


@router.get("/accounts/{account}/meetings/{step}")
async def show_meeting(
    account: str, step: str, services: TheServices, as_: Annotated[str | None, Query(alias="as")] = None
) -> MeetingShown:
    """A meeting with its times, answers and minutes; with `as`, the address of its TAM, the private note as well."""
    return await meeting.show(services, account, step, as_ or "")


@router.post("/accounts/{account}/meetings/{step}/vote")
async def vote(account: str, step: str, said: By[VoteBody], services: TheServices, token: Bearer) -> Receipt:
    """Answer a poll on a person's behalf."""
    return await meeting.vote(services, account, step, said.body.slots, said.by(services, token), said.body.round)


@router.post("/accounts/{account}/meetings/{step}/book")
async def book(account: str, step: str, said: By[BookBody], services: TheServices, token: Bearer) -> Receipt:
    """Set a meeting's time by hand, or move it."""
    actor = said.by(services, token)
    return await meeting.book(services, account, step, said.body.start, actor, anyway=said.body.anyway)


@router.post("/accounts/{account}/meetings/{step}/reschedule")
async def reschedule(
    account: str, step: str, said: By[RescheduleBody], services: TheServices, token: Bearer
) -> Receipt:
    """Move a meeting to another time, or offer everyone new times."""
    body, actor = said.body, said.by(services, token)
    return await meeting.reschedule(
        services, account, step, actor, body.start, day=body.date, reason=body.reason, anyway=body.anyway
    )


@router.post("/accounts/{account}/meetings/{step}/cancel")
async def cancel_meeting(
    account: str, step: str, said: By[CancelBody], services: TheServices, token: Bearer
) -> Receipt:
    """Cancel a meeting; whoever was invited or asked is told."""
    actor = said.by(services, token)
    return await meeting.cancel(services, account, step, said.body.reason, actor, day=said.body.date)


@router.post("/accounts/{account}/meetings/{step}/no-show")
async def no_show(account: str, step: str, said: By[ReportBody], services: TheServices, token: Bearer) -> Receipt:
    """Say that nobody came; new times are offered."""
    return await meeting.report(services, account, step, "no_show", said.by(services, token), said.body.note)


@router.get("/messages/{key:path}")
async def show_message(key: str, services: TheServices) -> MessageShown:
    """One message with its words; personal links in it do not work."""
    return await message.show(services, key)


@router.post("/messages/{key:path}/resolve")
async def resolve_message(key: str, said: By[ResolveBody], services: TheServices, token: Bearer) -> Receipt:
    """Settle an email that failed, or that may not have arrived: it arrived, send it again, or told another way."""
    return await undelivered.resolve(services, key, said.body.how, said.by(services, token), said.body.reason)


@router.post("/messages/{key:path}/resend")
async def resend_message(key: str, said: By[Nothing], services: TheServices, token: Bearer) -> Receipt:
    """Send a failed email again, to the address that its reader has now."""
    return await undelivered.resolve(services, key, Resolution.RESEND, said.by(services, token))


@router.put("/messages/{key:path}/files/{name}", openapi_extra=_BYTES)
async def attach_file(
    key: str,
    name: str,
    request: Request,
    services: TheServices,
    token: Bearer,
    as_: Annotated[str | None, Query(alias="as")] = None,
) -> MessageShown:
    """Attach a file to a draft: the body is the file itself."""
    return await message.attach(services, key, name, await request.body(), api_actor(services, token, as_))


@router.delete("/messages/{key:path}/files/{name}")
async def detach_file(
    key: str, name: str, services: TheServices, token: Bearer, as_: Annotated[str | None, Query(alias="as")] = None
) -> MessageShown:
    """Take a file away from a draft."""
    return await message.detach(services, key, name, api_actor(services, token, as_))


@router.patch("/messages/{key:path}")
async def edit_message(key: str, said: By[Edit], services: TheServices, token: Bearer) -> MessageShown:
    """Change a draft's words."""
    return await message.edit(services, key, said.body, said.by(services, token))


@router.post("/drafts/approve")
async def approve(said: By[KeysBody], services: TheServices, token: Bearer) -> Receipt:
    """Send drafts."""
    return await message.release(services, said.body.keys, said.by(services, token), reason=said.body.reason)


@router.post("/drafts/hold")
async def hold(said: By[KeysBody], services: TheServices, token: Bearer) -> Receipt:
    """Hold drafts back."""
    actor = said.by(services, token)
    return await message.release(services, said.body.keys, actor, hold=True, reason=said.body.reason)


@router.get("/audit")
async def verify_timeline(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    again: Annotated[bool, Query(alias="all", description="Also what was found whole before.")] = False,
) -> Verified:
    """Every entry of the timeline that is altered, missing, reordered or added, of one account or of all.

    It goes on from the last entry that was found as it was written; `all` looks at every entry again.
    """
    return await audit.verify(services, account, again=again)


@router.get("/audit/{account}")
async def export_timeline(account: str, services: TheServices) -> Export:
    """All entries of an account, with all that their hashes cover."""
    return await audit.export(services, account)


@router.get("/mail")
async def mail_status(services: TheServices) -> MailStatus:
    """Whether mail goes out, and why not."""
    return await mail_switch.status_now(services)


@router.post("/mail/stop")
async def stop_mail(said: By[SwitchBody], services: TheServices, token: Bearer) -> MailStatus:
    """Stop all mail at once."""
    return await mail_switch.stop(services, said.by(services, token), said.body.reason)


@router.post("/mail/start")
async def start_mail(said: By[SwitchBody], services: TheServices, token: Bearer) -> MailStatus:
    """Let mail go again."""
    return await mail_switch.start(services, said.by(services, token), said.body.reason)
