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

from rapport.model import ids
from rapport.model.morning import MorningStart
from rapport.model.sweep import SweepStart
from rapport.model.workflows import MORNING, SWEEP
from rapport.rules.morning import EVERY

MORNINGS: Final = "morning"
"""The schedule that looks every half hour for members whose working day has begun."""

SWEEP_SCHEDULE: Final = ids.SWEEP_ID
"""The schedule that looks for what is on record and nobody is at work on."""

LATE_ROUNDS: Final = 5
"""After how many rounds what is due counts as that. Longer than a mail waits for its next attempt."""

CATCH_UP: Final = timedelta(minutes=10)
"""How late a round may still be started after an outage. Shorter than `EVERY`, so that old mornings never pile up."""


async def register_schedules(client: Client, task_queue: str, sweep_seconds: int) -> None:
    """Create what is missing and bring the rest up to date. Safe to repeat; what an operator paused stays paused.

    Args:
        sweep_seconds: How often it is looked for what nobody is at work on.
    """
    for name, wanted in ((MORNINGS, _mornings(task_queue)), (SWEEP_SCHEDULE, _sweeps(task_queue, sweep_seconds))):
        await _register(client, name, wanted)


async def _register(client: Client, name: str, wanted: Schedule) -> None:
    def renewed(there: ScheduleUpdateInput) -> ScheduleUpdate:
        wanted.state = there.description.schedule.state
        return ScheduleUpdate(schedule=wanted)

    try:
        await client.create_schedule(name, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(name).update(renewed)


async def registered(client: Client, name: str) -> ScheduleDescription | None:
    """A schedule as it stands; nothing if it was never registered."""
    try:
        return await client.get_schedule_handle(name).describe()
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


def _sweeps(task_queue: str, seconds: int) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            SWEEP.name,
            SweepStart(patience=LATE_ROUNDS * seconds),
            id=SWEEP_SCHEDULE,
            task_queue=task_queue,
            static_summary="Find what nobody is at work on",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=seconds))]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(seconds=10 + seconds)),
    )
