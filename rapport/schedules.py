"""What happens by the clock, as Temporal schedules; registered by `rapport up` and `rapport setup`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.morning import MorningStart
from rapport.model.workflows import MORNING
from rapport.policy.morning import EVERY

MORNINGS: Final = "morning"
"""The schedule that looks every half hour for members whose working day has begun."""

CATCH_UP: Final = timedelta(minutes=10)
"""How late a round may still be started after an outage. Shorter than `EVERY`, so that old mornings never pile up."""


async def register_schedules(client: Client, task_queue: str) -> None:
    """Create what is missing and bring the rest up to date. Safe to repeat; what an operator paused stays paused."""
    wanted = _mornings(task_queue)

    def renewed(there: ScheduleUpdateInput) -> ScheduleUpdate:
        wanted.state = there.description.schedule.state
        return ScheduleUpdate(schedule=wanted)

    try:
        await client.create_schedule(MORNINGS, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(MORNINGS).update(renewed)


async def registered_mornings(client: Client) -> ScheduleDescription | None:
    """The mornings' schedule as it stands; nothing if it was never registered."""
    try:
        return await client.get_schedule_handle(MORNINGS).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


def _mornings(task_queue: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            MORNING.name,
            MorningStart(),
            id=MORNINGS,
            task_queue=task_queue,
            static_summary="Write to whose morning it is",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )
