"""Minutes, blockers and actions under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import Field

from rapport.model.base import Email
from rapport.model.meeting import Receipt
from rapport.model.minutes import Check, Done, Minutes, NewBlocker, Removal
from starters.commands import actions, blockers, meetings
from starters.commands.actions import ActionShown
from starters.commands.blockers import BlockerShown
from starters.commands.minutes import MinutesShown
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheOffice, api_actor, bearer

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class MinutesBody(Minutes):
    """How a meeting went, said by a member."""

    as_: Annotated[Email, Field(alias="as")]


class BlockerBody(NewBlocker):
    """What holds an account up, noted by a member."""

    as_: Annotated[Email, Field(alias="as")]


class CheckBody(Check):
    """A member's word that they have looked at a blocker."""

    as_: Annotated[Email, Field(alias="as")]


class RemovalBody(Removal):
    """A member's word that a blocker is gone."""

    as_: Annotated[Email, Field(alias="as")]


class DoneBody(Done):
    """A member's word that an action is done."""

    as_: Annotated[Email, Field(alias="as")]


@router.post("/accounts/{account}/meetings/{step}/held", openapi_extra=schema(MinutesBody))
async def held(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> Receipt:
    """Say that a meeting was held, and how it went."""
    body = await read_body(request, MinutesBody)
    actor = api_actor(office, token, body.as_)
    return await meetings.report(office, account, step, "held", actor, written=body)


@router.get("/accounts/{account}/meetings/{step}/minutes")
async def show_minutes(
    account: str, step: str, office: TheOffice, as_: Annotated[str | None, Query(alias="as")] = None
) -> MinutesShown:
    """How a meeting went; with `as`, the address of its TAM, the private note as well."""
    return await meetings.minutes_of(office, account, step, as_ or "")


@router.put("/accounts/{account}/meetings/{step}/minutes", openapi_extra=schema(MinutesBody))
async def correct_minutes(account: str, step: str, request: Request, office: TheOffice, token: Bearer) -> MinutesShown:
    """Replace the minutes of a meeting that was held."""
    body = await read_body(request, MinutesBody)
    return await meetings.correct(office, account, step, body, api_actor(office, token, body.as_))


@router.get("/blockers")
async def list_blockers(
    office: TheOffice,
    account: Annotated[str | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
) -> list[BlockerShown]:
    """What holds an account up, or any; with `all`, what was removed as well."""
    return await blockers.listed(office, account, also_removed=all_)


@router.post("/accounts/{account}/blockers", status_code=status.HTTP_201_CREATED, openapi_extra=schema(BlockerBody))
async def add_blocker(account: str, request: Request, office: TheOffice, token: Bearer) -> BlockerShown:
    """Note what holds an account up."""
    body = await read_body(request, BlockerBody)
    return await blockers.add(office, account, body, api_actor(office, token, body.as_))


@router.post("/blockers/{blocker}/check", openapi_extra=schema(CheckBody))
async def check_blocker(blocker: str, request: Request, office: TheOffice, token: Bearer) -> BlockerShown:
    """Say that somebody has looked at it, and when to look again."""
    body = await read_body(request, CheckBody)
    return await blockers.check(office, blocker, body, api_actor(office, token, body.as_))


@router.post("/blockers/{blocker}/remove", openapi_extra=schema(RemovalBody))
async def remove_blocker(blocker: str, request: Request, office: TheOffice, token: Bearer) -> BlockerShown:
    """Say that it holds nobody up any more, and why."""
    body = await read_body(request, RemovalBody)
    return await blockers.remove(office, blocker, body, api_actor(office, token, body.as_))


@router.get("/actions")
async def list_actions(
    office: TheOffice,
    account: Annotated[str | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
) -> list[ActionShown]:
    """What was promised to an account, or to any; with `all`, what is done as well."""
    return await actions.listed(office, account, also_done=all_)


@router.post("/actions/{action}/done", openapi_extra=schema(DoneBody))
async def finish_action(action: str, request: Request, office: TheOffice, token: Bearer) -> ActionShown:
    """Say that it is done."""
    body = await read_body(request, DoneBody)
    return await actions.done(office, action, body, api_actor(office, token, body.as_))
