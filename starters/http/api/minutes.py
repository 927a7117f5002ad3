"""Minutes, blockers and actions under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, status

from rapport.model.meeting import Receipt
from rapport.model.minutes import ActionDone, BlockerCheck, Minutes, NewBlocker, Removal
from starters.http.api.bodies import By, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import action as actions, blocker as blockers, meeting
from starters.use_cases.action import ActionShown
from starters.use_cases.blocker import BlockerShown
from starters.use_cases.minutes import MinutesShown

router = api_router()


@router.post("/accounts/{account}/meetings/{step}/held")
async def held(account: str, step: str, said: By[Minutes], services: TheServices, token: Bearer) -> Receipt:
    """Say that a meeting was held, and how it went."""
    actor = said.by(services, token)
    return await meeting.report(services, account, step, "held", actor, written=said.body)


@router.get("/accounts/{account}/meetings/{step}/minutes")
async def show_minutes(
    account: str, step: str, services: TheServices, as_: Annotated[str | None, Query(alias="as")] = None
) -> MinutesShown:
    """How a meeting went; with `as`, the address of its TAM, the private note as well."""
    return await meeting.minutes_of(services, account, step, as_ or "")


@router.put("/accounts/{account}/meetings/{step}/minutes")
async def correct_minutes(
    account: str, step: str, said: By[Minutes], services: TheServices, token: Bearer
) -> MinutesShown:
    """Replace the minutes of a meeting that was held."""
    return await meeting.correct(services, account, step, said.body, said.by(services, token))


@router.get("/blockers")
async def list_blockers(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
) -> list[BlockerShown]:
    """What holds an account up, or any; with `all`, what was removed as well."""
    return await blockers.listed(services, account, also_removed=all_)


@router.post("/accounts/{account}/blockers", status_code=status.HTTP_201_CREATED)
async def add_blocker(account: str, said: By[NewBlocker], services: TheServices, token: Bearer) -> BlockerShown:
    """Note what holds an account up."""
    return await blockers.add(services, account, said.body, said.by(services, token))


@router.post("/blockers/{blocker}/check")
async def check_blocker(blocker: str, said: By[BlockerCheck], services: TheServices, token: Bearer) -> BlockerShown:
    """Say that somebody has looked at it, and when to look again."""
    return await blockers.check(services, blocker, said.body, said.by(services, token))


@router.post("/blockers/{blocker}/remove")
async def remove_blocker(blocker: str, said: By[Removal], services: TheServices, token: Bearer) -> BlockerShown:
    """Say that it holds nobody up any more, and why."""
    return await blockers.remove(services, blocker, said.body, said.by(services, token))


@router.get("/actions")
async def list_actions(
    services: TheServices,
    account: Annotated[str | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
) -> list[ActionShown]:
    """What was promised to an account, or to any; with `all`, what is done as well."""
    return await actions.listed(services, account, also_done=all_)


@router.post("/actions/{action}/done")
async def finish_action(action: str, said: By[ActionDone], services: TheServices, token: Bearer) -> ActionShown:
    """Say that it is done."""
    return await actions.done(services, action, said.body, said.by(services, token))
