"""What stands still as it was ended in Temporal: since when, whom it waits for, and the command that has it go on."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rapport import revival
from rapport.model.base import UserError
from rapport.model.commands import in_name
from rapport.storage.contract import Contract
from starters.services import Services, answered

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
    """Since when an onboarding was ended from outside; nothing where it runs, is over, or Temporal does not answer."""
    if contract.run_id is None or contract.ended_at is not None:
        return None
    try:
        return await ended_since(services, contract.workflow_id)
    except UserError:
        return None


def way_on(workflow_id: str) -> str:
    """The command that has a workflow go on; of most kinds, the sweep asks whoever it belongs to."""
    kind, _, ref = workflow_id.partition("/")
    if kind in ("onboarding", "cadence"):
        return in_name(f"rapport onboarding resume {ref} --reason …")
    return in_name(f"rapport case reopen {ref} --text …") if kind == "case" else in_name("rapport inbox")
