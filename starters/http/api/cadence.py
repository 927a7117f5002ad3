"""What recurs, under /v1/accounts/{account}/cadence."""

from __future__ import annotations

from rapport.model.base import InputModel, Prose, WrittenDay, WrittenInstant
from rapport.model.meeting import Receipt
from starters.http.api.bodies import By, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import cadence
from starters.use_cases.cadence import CadenceShown

router = api_router("/v1/accounts/{account}/cadence")


class SetBody(InputModel):
    """A standing time, set by a member: `mon` to `sun`, and a time such as `10:00` in the champion's zone."""

    day: str
    at: str
    anyway: bool = False


class DateBody(InputModel):
    """What a member says of one date: that it is off, or was not held."""

    date: WrittenDay
    reason: Prose | None = None


class MoveBody(DateBody):
    """One date at another time, by a member."""

    start: WrittenInstant
    anyway: bool = False


@router.get("")
async def show_cadence(account: str, services: TheServices) -> CadenceShown:
    """What recurs, and when it takes place next."""
    return await cadence.show(services, account)


@router.post("/{step}/set")
async def set_time(account: str, step: str, said: By[SetBody], services: TheServices, token: Bearer) -> Receipt:
    """Set the standing time; everyone gets the series anew."""
    actor = said.by(services, token)
    return await cadence.set_time(services, account, step, said.body.day, said.body.at, actor, anyway=said.body.anyway)


@router.post("/{step}/skip")
async def skip(account: str, step: str, said: By[DateBody], services: TheServices, token: Bearer) -> Receipt:
    """Call one date off."""
    return await cadence.skip(services, account, step, said.body.date, said.by(services, token), said.body.reason)


@router.post("/{step}/move")
async def move(account: str, step: str, said: By[MoveBody], services: TheServices, token: Bearer) -> Receipt:
    """Move one date."""
    actor, body = said.by(services, token), said.body
    return await cadence.move(services, account, step, body.date, body.start, actor, body.reason, anyway=body.anyway)


@router.post("/{step}/report")
async def report(account: str, step: str, said: By[DateBody], services: TheServices, token: Bearer) -> Receipt:
    """Say that one date was not held."""
    return await cadence.report(services, account, step, said.body.date, said.by(services, token), said.body.reason)
