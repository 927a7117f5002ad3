"""What stands still as it was ended in Temporal: since when, whom it waits for, and the command that has it go on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from temporalio.service import RPCError

from rapport import revival
from rapport.model.base import UserError
from rapport.model.commands import in_name
from rapport.storage import sweep
from rapport.storage.contract import Contract
from rapport.storage.sweep import KnownEnded, StandingStill
from starters.services import Services, answered, present

UNDECIDED: Final = "someone to decide whether it continues: it was ended in Temporal"
LEFT_ENDED: Final = "no one: it was ended in Temporal, and left ended"


def waits_for(*, left: bool) -> str:
    """What something waits for that was ended in Temporal.

    Args:
        left: Whether somebody has decided that it stays ended.
    """
    return LEFT_ENDED if left else UNDECIDED


async def ended_since(services: Services, workflow_id: str) -> datetime | None:
    """Since when a workflow is ended that Temporal was made to end; nothing where it runs, or came to its own end.

    Raises:
        UserError: Temporal does not answer.
    """
    return await answered(revival.ended_outside(services.client, workflow_id), workflow_id)


async def stands_still_since(services: Services, contract: Contract) -> datetime | None:
    """Since when an onboarding was ended from outside; nothing where it runs, is over, or Temporal does not answer.

    One that Temporal no longer has is missing since a sweep has missed it, or since now.
    """
    if contract.run_id is None or contract.ended_at is not None:
        return None
    try:
        since = await ended_since(services, contract.workflow_id)
        if since is None and await answered(revival.is_forgotten(services.client, contract.workflow_id), "it"):
            async with services.store.reading() as connection:
                known = (await sweep.standing_still(connection)).get(contract.workflow_id)
            return known.since if known is not None else present()
    except UserError:
        return None
    return since


async def ended_now(services: Services, workflow_id: str, known: StandingStill | None = None) -> StandingStill | None:
    """How a workflow was ended, by Temporal's word; where that does not answer at once, as it is on record."""
    try:
        async with asyncio.timeout(LISTING_SECONDS):
            since = await revival.ended_outside(services.client, workflow_id)
            if since is None and known is not None and await revival.is_forgotten(services.client, workflow_id):
                return known
    except (RPCError, TimeoutError):
        return known
    if since is None:
        return None
    return StandingStill(workflow_id=workflow_id, since=since, left_at=known.left_at if known else None)


class Ended(NamedTuple):
    """The workflows that were ended in Temporal and don't run again.

    Attributes:
        still: Them by id.
        checked: As of when: now, or where Temporal does not answer, when it was last looked; nothing if it never was.
    """

    still: Mapping[str, StandingStill]
    checked: datetime | None


async def all_ended(services: Services, known: KnownEnded) -> Ended:
    """What was ended, as it is on record, and as Temporal lists what was ended since.

    Lists ask this once, whatever they show: it costs the same for one account as for thousands. Where Temporal does not
    answer at once, they say as of when they are.
    """
    now = present()
    rounds = SWEPT_WITHIN * timedelta(seconds=services.settings.sweep_seconds)
    since = min(known.looked or now, now) - rounds
    try:
        async with asyncio.timeout(LISTING_SECONDS):
            lately = await revival.ended_lately(services.client, services.settings.task_queue, since)
    except (RPCError, TimeoutError):
        return Ended(known.still, known.looked)
    new = {id_: StandingStill(workflow_id=id_, since=at, left_at=None) for id_, at in lately.items()}
    return Ended({**new, **known.still}, now)


def is_stale(checked: datetime | None) -> bool:
    """Whether a list is of an earlier time than that of its reading."""
    return checked is None or present() - checked > STALE_AFTER


STALE_AFTER: Final = timedelta(seconds=5)
"""How much older a list has to be than its reading before it says so."""

SWEPT_WITHIN: Final = 3
"""In how many rounds a sweep has noted what was ended: what is missing twice, and one to spare."""

LISTING_SECONDS: Final = 0.5
"""How long what SQL shows waits for Temporal's word on whether it was ended."""


def way_on(workflow_id: str) -> str:
    """The command that has a workflow go on; of most kinds, the sweep asks whoever it belongs to."""
    kind, _, ref = workflow_id.partition("/")
    if kind in ("onboarding", "cadence"):
        return in_name(f"rapport onboarding resume {ref} --reason …")
    return in_name(f"rapport case reopen {ref} --text …") if kind == "case" else in_name("rapport inbox")
