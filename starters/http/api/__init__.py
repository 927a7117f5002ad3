"""The JSON API under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from rapport.model.account import AccountFile, WrittenWork
from rapport.model.base import Email, InputModel, Instant, Prose
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState, Resolution
from rapport.storage.timeline import Verified
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import (
    account as accounts,
    audit,
    meeting,
    message,
    onboarding,
    timeline,
    undelivered,
)
from starters.use_cases.account import AccountLine, AccountShown, ContactEdited
from starters.use_cases.audit import Export
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.message import Edit, MailStatus, MessageLine, MessageShown
from starters.use_cases.onboarding import Started, StartRequest, Status
from starters.use_cases.timeline import EntryShown

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])

_BYTES: Final = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


class WorkBody(WrittenWork):
    """What is newly known of a contact's work, by a member."""

    as_: Annotated[Email, Field(alias="as")]


class VoteBody(InputModel):
    """An answer to a poll on a person's behalf. `as` is their address."""

    as_: Annotated[Email, Field(alias="as")]
    slots: tuple[str, ...]
    round: int | None = None


class BookBody(InputModel):
    """A meeting's time, set by a member."""

    as_: Annotated[Email, Field(alias="as")]
    start: Instant


class ReportBody(InputModel):
    """That nobody came to a meeting, said by a member."""

    as_: Annotated[Email, Field(alias="as")]
    note: Prose | None = None


class EditBody(Edit):
    """A draft's new words, by a member."""

    as_: Annotated[Email, Field(alias="as")]


class KeysBody(InputModel):
    """A member's word on drafts."""

    as_: Annotated[Email, Field(alias="as")]
    keys: tuple[str, ...]
    reason: Prose | None = None


class ResolveBody(InputModel):
    """What becomes of an email that failed, or may not have arrived."""

    as_: Annotated[Email, Field(alias="as")]
    how: Resolution
    reason: Prose | None = None


class SwitchBody(InputModel):
    """Who throws the switch."""

    as_: Annotated[Email, Field(alias="as")]


@router.post("/onboardings", openapi_extra=schema(StartRequest))
async def start_onboarding(request: Request, response: Response, services: TheServices) -> Started:
    """Start the onboarding of a signed contract, or give the one that it has started."""
    started = await onboarding.start(services, await read_body(request, StartRequest))
    response.status_code = 201 if started.created else 200
    return started


@router.get("/onboardings/{account}")
async def onboarding_status(account: str, services: TheServices) -> Status:
    """Where an account is."""
    return await onboarding.status(services, account)


@router.get("/accounts")
async def list_accounts(services: TheServices) -> list[AccountLine]:
    """Every account: stage, what it waits for, since when, and how to move it on."""
    return await accounts.portfolio(services)


@router.put("/accounts", openapi_extra=schema(AccountFile))
async def import_account(request: Request, services: TheServices) -> AccountShown:
    """Bring an account and its people up to what a document says."""
    return await accounts.import_account(services, await read_body(request, AccountFile))


@router.get("/accounts/{account}")
async def show_account(account: str, services: TheServices) -> AccountShown:
    """One account with its people."""
    return await accounts.show(services, account)


@router.patch("/accounts/{account}/contacts/{email}", openapi_extra=schema(WorkBody))
async def edit_contact(
    account: str, email: str, request: Request, services: TheServices, token: Bearer
) -> ContactEdited:
    """Record what is known of a contact's work, or their new address."""
    body = await read_body(request, WorkBody)
    change = WrittenWork.model_validate(body.model_dump(exclude={"as_"}, exclude_unset=True))
    return await accounts.edit_contact(services, account, email, change, api_actor(services, token, body.as_))


@router.get("/accounts/{account}/timeline")
async def show_timeline(
    account: str,
    services: TheServices,
    until: Annotated[datetime | None, Query()] = None,
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


@router.get("/accounts/{account}/meetings/{step}")
async def show_meeting(
    account: str, step: str, services: TheServices, as_: Annotated[str | None, Query(alias="as")] = None
) -> MeetingShown:
    """A meeting with its times, answers and minutes; with `as`, the address of its TAM, the private note as well."""
    return await meeting.show(services, account, step, as_ or "")


@router.post("/accounts/{account}/meetings/{step}/vote", openapi_extra=schema(VoteBody))
async def vote(account: str, step: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Answer a poll on a person's behalf."""
    body = await read_body(request, VoteBody)
    return await meeting.vote(services, account, step, body.slots, api_actor(services, token, body.as_), body.round)


@router.post("/accounts/{account}/meetings/{step}/book", openapi_extra=schema(BookBody))
async def book(account: str, step: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Set a meeting's time by hand, or move it."""
    body = await read_body(request, BookBody)
    return await meeting.book(services, account, step, body.start, api_actor(services, token, body.as_))


@router.post("/accounts/{account}/meetings/{step}/no-show", openapi_extra=schema(ReportBody))
async def no_show(account: str, step: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Say that nobody came; new times are offered."""
    body = await read_body(request, ReportBody)
    return await meeting.report(services, account, step, "no_show", api_actor(services, token, body.as_), body.note)


@router.get("/messages/{key:path}")
async def show_message(key: str, services: TheServices) -> MessageShown:
    """One message with its words; personal links in it do not work."""
    return await message.show(services, key)


@router.post("/messages/{key:path}/resolve", openapi_extra=schema(ResolveBody))
async def resolve_message(key: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Settle an email that failed, or that may not have arrived: it arrived, send it again, or told another way."""
    body = await read_body(request, ResolveBody)
    return await undelivered.resolve(services, key, body.how, api_actor(services, token, body.as_), body.reason)


@router.post("/messages/{key:path}/resend", openapi_extra=schema(SwitchBody))
async def resend_message(key: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Send a failed email again, to the address that its reader has now."""
    body = await read_body(request, SwitchBody)
    return await undelivered.resolve(services, key, Resolution.RESEND, api_actor(services, token, body.as_))


@router.put("/messages/{key:path}/files/{name}", openapi_extra=_BYTES)
async def attach_file(
    key: str,
    name: str,
    request: Request,
    services: TheServices,
    token: Bearer,
    as_: Annotated[str, Query(alias="as")],
) -> MessageShown:
    """Attach a file to a draft: the body is the file itself."""
    return await message.attach(services, key, name, await request.body(), api_actor(services, token, as_))


@router.delete("/messages/{key:path}/files/{name}")
async def detach_file(
    key: str, name: str, services: TheServices, token: Bearer, as_: Annotated[str, Query(alias="as")]
) -> MessageShown:
    """Take a file away from a draft."""
    return await message.detach(services, key, name, api_actor(services, token, as_))


@router.patch("/messages/{key:path}", openapi_extra=schema(EditBody))
async def edit_message(key: str, request: Request, services: TheServices, token: Bearer) -> MessageShown:
    """Change a draft's words."""
    body = await read_body(request, EditBody)
    change = Edit.model_validate(body.model_dump(exclude={"as_"}, exclude_unset=True))
    return await message.edit(services, key, change, api_actor(services, token, body.as_))


@router.post("/drafts/approve", openapi_extra=schema(KeysBody))
async def approve(request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Send drafts."""
    body = await read_body(request, KeysBody)
    return await message.release(services, body.keys, api_actor(services, token, body.as_), reason=body.reason)


@router.post("/drafts/hold", openapi_extra=schema(KeysBody))
async def hold(request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Hold drafts back."""
    body = await read_body(request, KeysBody)
    actor = api_actor(services, token, body.as_)
    return await message.release(services, body.keys, actor, hold=True, reason=body.reason)


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
    return await message.mail_status(services)


@router.post("/mail/stop", openapi_extra=schema(SwitchBody))
async def stop_mail(request: Request, services: TheServices, token: Bearer) -> MailStatus:
    """Stop all mail at once."""
    body = await read_body(request, SwitchBody)
    return await message.stop_mail(services, api_actor(services, token, body.as_))


@router.post("/mail/start", openapi_extra=schema(SwitchBody))
async def start_mail(request: Request, services: TheServices, token: Bearer) -> MailStatus:
    """Let mail go again."""
    body = await read_body(request, SwitchBody)
    return await message.start_mail(services, api_actor(services, token, body.as_))
