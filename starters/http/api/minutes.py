"""Minutes, blockers and actions under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import Field

from rapport.model.base import Email
from rapport.model.meeting import Receipt
from rapport.model.minutes import ActionDone, BlockerCheck, Minutes, NewBlocker, Removal
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import action as actions, blocker as blockers, meeting
from starters.use_cases.action import ActionShown
from starters.use_cases.blocker import BlockerShown
from starters.use_cases.minutes import MinutesShown

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class MinutesBody(Minutes):
    """How a meeting went, said by a member."""

    as_: Annotated[Email, Field(alias="as")]


class BlockerBody(NewBlocker):
    """What holds an account up, noted by a member."""

    as_: Annotated[Email, Field(alias="as")]


class CheckBody(BlockerCheck):
    """A member's word that they have looked at a blocker."""

    as_: Annotated[Email, Field(alias="as")]


class RemovalBody(Removal):
    """A member's word that a blocker is gone."""

    as_: Annotated[Email, Field(alias="as")]


class DoneBody(ActionDone):
    """A member's word that an action is done."""

    as_: Annotated[Email, Field(alias="as")]


@router.post("/accounts/{account}/meetings/{step}/held", openapi_extra=schema(MinutesBody))
async def held(account: str, step: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Say that a meeting was held, and how it went."""
    body = await read_body(request, MinutesBody)
    actor = api_actor(services, token, body.as_)
    return await meeting.report(services, account, step, "held", actor, written=body)


@router.get("/accounts/{account}/meetings/{step}/minutes")
async def show_minutes(
    account: str, step: str, services: TheServices, as_: Annotated[str | None, Query(alias="as")] = None
) -> MinutesShown:
    """How a meeting went; with `as`, the address of its TAM, the private note as well."""
    return await meeting.minutes_of(services, account, step, as_ or "")


@router.put("/accounts/{account}/meetings/{step}/minutes", openapi_extra=schema(MinutesBody))
async def correct_minutes(
    account: str, step: str, request: Request, services: TheServices, token: Bearer
) -> MinutesShown:
    """Replace the minutes of a meeting that was held."""
    body = await read_body(request, MinutesBody)
    return await meeting.correct(services, account, step, body, api_actor(services, token, body.as_))


@router.get("/blockers")
async def list_blockers(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
) -> list[BlockerShown]:
    """What holds an account up, or any; with `all`, what was removed as well."""
    return await blockers.listed(services, account, also_removed=all_)


@router.post("/accounts/{account}/blockers", status_code=status.HTTP_201_CREATED, openapi_extra=schema(BlockerBody))
async def add_blocker(account: str, request: Request, services: TheServices, token: Bearer) -> BlockerShown:
    """Note what holds an account up."""
    body = await read_body(request, BlockerBody)
    return await blockers.add(services, account, body, api_actor(services, token, body.as_))


@router.post("/blockers/{blocker}/check", openapi_extra=schema(CheckBody))
async def check_blocker(blocker: str, request: Request, services: TheServices, token: Bearer) -> BlockerShown:
    """Say that somebody has looked at it, and when to look again."""
    body = await read_body(request, CheckBody)
    return await blockers.check(services, blocker, body, api_actor(services, token, body.as_))


@router.post("/blockers/{blocker}/remove", openapi_extra=schema(RemovalBody))
async def remove_blocker(blocker: str, request: Request, services: TheServices, token: Bearer) -> BlockerShown:
    """Say that it holds nobody up any more, and why."""
    body = await read_body(request, RemovalBody)
    return await blockers.remove(services, blocker, body, api_actor(services, token, body.as_))


@router.get("/actions")
async def list_actions(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
) -> list[ActionShown]:
    """What was promised to an account, or to any; with `all`, what is done as well."""
    return await actions.listed(services, account, also_done=all_)


@router.post("/actions/{action}/done", openapi_extra=schema(DoneBody))
async def finish_action(action: str, request: Request, services: TheServices, token: Bearer) -> ActionShown:
    """Say that it is done."""
    body = await read_body(request, DoneBody)
    return await actions.done(services, action, body, api_actor(services, token, body.as_))
