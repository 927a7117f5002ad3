"""The JSON API under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from rapport.model.base import Email, Instant, Prose, Written
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState, Resolution
from rapport.model.people import AccountFile, WrittenWork
from rapport.storage.timeline import Verified
from starters.commands import accounts, audit, meetings, messages, onboardings, timelines, undelivered
from starters.commands.accounts import AccountLine, AccountShown, PersonShown
from starters.commands.audit import Export
from starters.commands.meetings import MeetingShown
from starters.commands.messages import Edit, MailStatus, MessageLine, MessageShown
from starters.commands.onboardings import Started, StartRequest, Status
from starters.commands.timelines import EntryShown
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheOffice, api_actor, bearer

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])

_BYTES: Final = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


class WorkBody(WrittenWork):
    """What is newly known of a contact's work, by a member."""

    as_: Annotated[Email, Field(alias="as")]


class VoteBody(Written):
    """An answer to a poll on a person's behalf. `as` is their address."""

    as_: Annotated[Email, Field(alias="as")]
    slots: tuple[str, ...]
    round: int | None = None


class BookBody(Written):
    """A meeting's time, set by a member."""

    as_: Annotated[Email, Field(alias="as")]
    start: Instant


class ReportBody(Written):
    """That nobody came to a meeting, said by a member."""

    as_: Annotated[Email, Field(alias="as")]
    note: Prose | None = None


class EditBody(Edit):
    """A draft's new words, by a member."""

    as_: Annotated[Email, Field(alias="as")]


class KeysBody(Written):
    """A member's word on drafts."""

    as_: Annotated[Email, Field(alias="as")]
    keys: tuple[str, ...]
    reason: Prose | None = None


class ResolveBody(Written):
    """What becomes of an email that failed, or may not have arrived."""

    as_: Annotated[Email, Field(alias="as")]
    how: Resolution
    reason: Prose | None = None


class SwitchBody(Written):
    """Who throws the switch."""

    as_: Annotated[Email, Field(alias="as")]


@router.post("/onboardings", openapi_extra=schema(StartRequest))
async def start_onboarding(request: Request, response: Response, office: TheOffice) -> Started:
    """Start the onboarding of a signed contract, or give the one that it has started."""
    started = await onboardings.start(office, await read_body(request, StartRequest))
    response.status_code = 201 if started.created else 200
    return started


@router.get("/onboardings/{account}")
async def onboarding_status(account: str, office: TheOffice) -> Status:
    """Where an account is."""
    return await onboardings.status(office, account)


@router.get("/accounts")
async def list_accounts(office: TheOffice) -> list[AccountLine]:
    """Every account: stage, what it waits for, since when, and how to move it on."""
    return await accounts.portfolio(office)


@router.put("/accounts", openapi_extra=schema(AccountFile))
async def import_account(request: Request, office: TheOffice) -> AccountShown:
    """Bring an account and its people up to what a document says."""
    return await accounts.import_account(office, await read_body(request, AccountFile))


@router.get("/accounts/{account}")
async def show_account(account: str, office: TheOffice) -> AccountShown:
    """One account with its people."""
    return await accounts.show(office, account)


@router.patch("/accounts/{account}/contacts/{email}", openapi_extra=schema(WorkBody))
async def edit_contact(account: str, email: str, request: Request, office: TheOffice, token: Bearer) -> PersonShown:
    """Record what is known of a contact's work."""
    body = await read_body(request, WorkBody)
    change = WrittenWork.model_validate(body.model_dump(exclude={"as_"}, exclude_unset=True))
    return await accounts.edit_contact(office, account, email, change, api_actor(office, token, body.as_))


@router.get("/accounts/{account}/timeline")
async def show_timeline(
    account: str,
    office: TheOffice,
    until: Annotated[datetime | None, Query()] = None,
) -> list[EntryShown]:
    """All that happened to an account, oldest first."""
    return await timelines.timeline_of(office, account, until)


@router.get("/accounts/{account}/messages")
async def list_messages(
    account: str,
    office: TheOffice,
    state: Annotated[MessageState | None, Query()] = None,
) -> list[MessageLine]:
    """An account's messages, oldest first."""
    return await messages.listed(office, account, state)


@router.get("/accounts/{account}/meetings/{step}")
async def show_meeting(
    account: str, step: str, office: TheOffice, as_: Annotated[str | None, Query(alias="as")] = None
) -> MeetingShown:
    """A meeting with its times, answers and minutes; with `as`, the address of its TAM, the private note as well."""
    return await meetings.show(office, account, step, as_ or "")


@router.post("/accounts/{account}/meetings/{step}/vote", openapi_extra=schema(VoteBody))
async def vote(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Answer a poll on a person's behalf."""
    body = await read_body(request, VoteBody)
    return await meetings.vote(office, account, step, body.slots, api_actor(office, token, body.as_), body.round)


@router.post("/accounts/{account}/meetings/{step}/book", openapi_extra=schema(BookBody))
async def book(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Set a meeting's time by hand, or move it."""
    body = await read_body(request, BookBody)
    return await meetings.book(office, account, step, body.start, api_actor(office, token, body.as_))


@router.post("/accounts/{account}/meetings/{step}/no-show", openapi_extra=schema(ReportBody))
async def no_show(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Say that nobody came; new times are offered."""
    body = await read_body(request, ReportBody)
    return await meetings.report(office, account, step, "no_show", api_actor(office, token, body.as_), body.note)


@router.get("/messages/{key:path}")
async def show_message(key: str, office: TheOffice) -> MessageShown:
    """One message with its words; personal links in it do not work."""
    return await messages.show(office, key)


@router.post("/messages/{key:path}/resolve", openapi_extra=schema(ResolveBody))
async def resolve_message(key: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Settle an email that failed, or that may not have arrived: it arrived, send it again, or told another way."""
    body = await read_body(request, ResolveBody)
    return await undelivered.resolve(office, key, body.how, api_actor(office, token, body.as_), body.reason)


@router.post("/messages/{key:path}/resend", openapi_extra=schema(SwitchBody))
async def resend_message(key: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Send a failed email again, to the address that its reader has now."""
    body = await read_body(request, SwitchBody)
    return await undelivered.resolve(office, key, Resolution.RESEND, api_actor(office, token, body.as_))


@router.put("/messages/{key:path}/files/{name}", openapi_extra=_BYTES)
async def attach_file(
    key: str,
    name: str,
    request: Request,
    office: TheOffice,
    token: Bearer,
    as_: Annotated[str, Query(alias="as")],
) -> MessageShown:
    """Attach a file to a draft: the body is the file itself."""
    return await messages.attach(office, key, name, await request.body(), api_actor(office, token, as_))


@router.delete("/messages/{key:path}/files/{name}")
async def detach_file(
    key: str, name: str, office: TheOffice, token: Bearer, as_: Annotated[str, Query(alias="as")]
) -> MessageShown:
    """Take a file away from a draft."""
    return await messages.detach(office, key, name, api_actor(office, token, as_))


@router.patch("/messages/{key:path}", openapi_extra=schema(EditBody))
async def edit_message(key: str, request: Request, office: TheOffice, token: Bearer) -> MessageShown:
    """Change a draft's words."""
    body = await read_body(request, EditBody)
    change = Edit.model_validate(body.model_dump(exclude={"as_"}, exclude_unset=True))
    return await messages.edit(office, key, change, api_actor(office, token, body.as_))


@router.post("/drafts/approve", openapi_extra=schema(KeysBody))
async def approve(request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Send drafts."""
    body = await read_body(request, KeysBody)
    return await messages.release(office, body.keys, api_actor(office, token, body.as_), reason=body.reason)


@router.post("/drafts/hold", openapi_extra=schema(KeysBody))
async def hold(request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Hold drafts back."""
    body = await read_body(request, KeysBody)
    actor = api_actor(office, token, body.as_)
    return await messages.release(office, body.keys, actor, hold=True, reason=body.reason)


@router.get("/audit")
async def verify_timeline(
    office: TheOffice,
    account: Annotated[str | None, Query()] = None,
    again: Annotated[bool, Query(alias="all", description="Also what was found whole before.")] = False,
) -> Verified:
    """Every entry of the timeline that is altered, missing, reordered or added, of one account or of all.

    It goes on from the last entry that was found as it was written; `all` looks at every entry again.
    """
    return await audit.verify(office, account, again=again)


@router.get("/audit/{account}")
async def export_timeline(account: str, office: TheOffice) -> Export:
    """All entries of an account, with all that their hashes cover."""
    return await audit.export(office, account)


@router.get("/mail")
async def mail_status(office: TheOffice) -> MailStatus:
    """Whether mail goes out, and why not."""
    return await messages.mail_status(office)


@router.post("/mail/stop", openapi_extra=schema(SwitchBody))
async def stop_mail(request: Request, office: TheOffice, token: Bearer) -> MailStatus:
    """Stop all mail at once."""
    body = await read_body(request, SwitchBody)
    return await messages.stop_mail(office, api_actor(office, token, body.as_))


@router.post("/mail/start", openapi_extra=schema(SwitchBody))
async def start_mail(request: Request, office: TheOffice, token: Bearer) -> MailStatus:
    """Let mail go again."""
    body = await read_body(request, SwitchBody)
    return await messages.start_mail(office, api_actor(office, token, body.as_))
