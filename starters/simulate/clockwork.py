"""How workflows and activities on the time-skipping server see a time of our choice, to the minute.

That server begins at the present and can only go forward. A simulation begins whenever it is asked to, and the same
input has to give the same year on any day and any machine. So everything that runs sees the server's time moved by a
fixed distance and cut to the whole minute: what the machine itself takes, a second here and there, is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio import activity
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)

from rapport import clock
from rapport.runner import Runner
from worker import MECHANICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temporalio import workflow
    from temporalio.bridge.proto.workflow_activation import WorkflowActivation
    from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

_SOON: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Shift:
    """How far the simulated time is from the server's."""

    by: timedelta

    def seen(self, there: datetime) -> datetime:
        """The minute that is shown when the server's clock says this."""
        return (there + self.by).replace(second=0, microsecond=0)

    def there(self, seen: datetime) -> datetime:
        """What the server's clock says when a minute begins to be shown."""
        return seen - self.by


@dataclass(frozen=True)
class ClockInterceptor(Interceptor):
    """Tells activities what time it is."""

    shift: Shift

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Stand before each activity."""
        return _Told(next, self.shift)


class _Told(ActivityInboundInterceptor):
    def __init__(self, next_: ActivityInboundInterceptor, shift: Shift) -> None:
        super().__init__(next_)
        self.shift = shift

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        at: datetime | None = self.shift.seen(info.current_attempt_scheduled_time)
        if info.is_local:
            # It carries no time of the server's: its workflow hands it `now`, wherever the time matters.
            at = next((given.now for given in input.args if hasattr(given, "now")), None)
        if at is None:
            return await super().execute_activity(input)
        with clock.set_to(at):
            return await super().execute_activity(input)


@dataclass(frozen=True)
class ShiftedRunner(WorkflowRunner):
    """Runs workflows as ever, and tells them the simulated time."""

    shift: Shift
    runner: Runner = field(default_factory=lambda: Runner.sharing(MECHANICS))

    def prepare_workflow(self, defn: workflow._Definition) -> None:
        """Hand it on."""
        self.runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make a run's instance that knows nothing of the server's time."""
        start, whole = self.shift.seen(det.info.start_time), self.shift.seen(det.info.workflow_start_time)
        info = replace(det.info, start_time=start, workflow_start_time=whole)
        return _Shifted(self.runner.create_instance(replace(det, info=info)), self.shift)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Hand them on."""
        self.runner.set_worker_level_failure_exception_types(types)


class _Shifted(WorkflowInstance):
    """One run of a workflow. All that it is shown follows from its history, so a replay shows it the same."""

    def __init__(self, instance: WorkflowInstance, shift: Shift) -> None:
        self._instance = instance
        self._shift = shift
        self._last = datetime.min.replace(tzinfo=UTC)
        self._rings: dict[int, datetime] = {}

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        if not act.HasField("timestamp"):
            return self._instance.activate(act)
        there = act.timestamp.ToDatetime(UTC)
        # A timer that has rung has reached its instant, also one that is on no whole minute.
        rung = [self._rings.pop(job.fire_timer.seq) for job in act.jobs if job.HasField("fire_timer")]
        now = self._last = max(self._shift.seen(there), self._last, *rung)
        act.timestamp.FromDatetime(now)
        completion = self._instance.activate(act)
        for command in completion.successful.commands:
            if command.HasField("start_timer"):
                # Timers are set for as long as it is until their instant by the minute that was shown.
                at = _to_milliseconds(now + command.start_timer.start_to_fire_timeout.ToTimedelta())
                self._rings[command.start_timer.seq] = at
                left = max(self._shift.there(at) - there, _SOON)
                command.start_timer.start_to_fire_timeout.FromTimedelta(_to_milliseconds_up(left))
        return completion

    # What tells a command from another is a class of the SDK's own that it does not show.

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> workflow.Info:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()


def _to_milliseconds(instant: datetime) -> datetime:
    """The nearest whole millisecond: seconds in floating point are off by less than that."""
    instant += _SOON / 2
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _to_milliseconds_up(length: timedelta) -> timedelta:
    """The server counts whole milliseconds, and no timer may ring early."""
    return -(-length // _SOON) * _SOON
