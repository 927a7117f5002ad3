"""The support desk: that it runs, and how it stands."""

from __future__ import annotations

import contextlib

from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from rapport.model.access import Action
from rapport.model.base import Instant, UserError, WireModel
from rapport.model.ids import desk_id
from rapport.model.support_case import DESK, DeskStart, DeskView
from rapport.model.workflows import SUPPORT_DESK
from rapport.rules import sla
from rapport.storage import support_case
from starters import flows
from starters.rights import requires
from starters.services import Services, answered
from starters.views import support_case as support_case_views
from starters.views.support_case import CaseLine


class DeskShown(WireModel):
    """The desk: what waits, who has what since when, and what was promised next.

    Attributes:
        live: Whether the desk itself answered.
        handed_out: How many cases it has ever handed out.
        queued, held: How many cases have no owner, and how many have one, beside those that were ended.
        queue: Those without an owner, in the order in which they are handed out. Lists end where they get too long.
        ended: Those that were ended in Temporal, on which nobody works.
        hours: When the desk is there.
        worst: Whether severity 1 is served around the clock, and if not, why.
    """

    name: str
    live: bool
    handed_out: int
    unacknowledged: int
    queued: int
    held: int
    queue: tuple[CaseLine, ...]
    in_hand: tuple[CaseLine, ...]
    ended: tuple[CaseLine, ...]
    hours: str
    worst: str
    next_promise: Instant | None


async def start(client: Client, task_queue: str, name: str = DESK) -> bool:
    """Start a desk, if it does not run; starting it twice is harmless.

    Returns:
        Whether this very call started it.
    """
    with contextlib.suppress(WorkflowAlreadyStartedError):
        await client.start_workflow(
            SUPPORT_DESK.name,
            DeskStart(name=name),
            id=desk_id(name),
            task_queue=task_queue,
            static_summary="The support desk",
            static_details="`rapport desk status`",
        )
        return True
    return False


@requires(Action.READ)
async def status(services: Services, name: str = DESK) -> DeskShown:
    """How the desk stands.

    Raises:
        UserError: The installation's `support.toml` is wrong.
    """
    lines = await support_case_views.listed(services)
    async with services.store.reading() as connection:
        standing = await support_case.standing(connection)
    view = await _view(services, name)
    rules = support_case_views.rules(services)
    hours = rules.desk.hours
    return DeskShown(
        name=name,
        live=view is not None,
        handed_out=view.state.taken if view else 0,
        unacknowledged=len(view.state.unacknowledged) if view else 0,
        queued=standing.queued,
        held=standing.held,
        queue=tuple(line for line in lines if line.owner is None and line.ended_since is None),
        in_hand=tuple(line for line in lines if line.owner is not None and line.ended_since is None),
        ended=tuple(line for line in lines if line.ended_since is not None),
        hours=f"{hours.start:%H:%M} to {hours.end:%H:%M}, {rules.desk.zone}",
        worst=served(services),
        next_promise=standing.due,
    )


def served(services: Services) -> str:
    """When severity 1 is served, in words."""
    rules = support_case_views.rules(services)
    found = sla.hours(
        rules.promise(1), rota=rules.on_call is not None, paging=services.settings.paging_webhook_url is not None
    )
    return "around the clock" if found.around_the_clock else (found.reason or "in the desk's hours")


async def _view(services: Services, name: str) -> DeskView | None:
    handle = services.client.get_workflow_handle(desk_id(name))
    try:
        return await answered(handle.query(flows.SupportDesk.view), "the desk")
    except UserError:
        return None
