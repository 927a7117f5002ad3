"""How workflows run: in Temporal's sandbox, as ever, but without entering it for each payload.

The SDK (1.35) asks a workflow which serialization context each of its payloads has, three times each, and enters the
sandbox for every question. Ours have none: there is one data converter for everything, without a codec. Answering
that outside took a sixth off what our process spends on an onboarding; see docs/adr/0009-fewer-steps-between.md.

And what a local activity answers comes to a workflow by itself, before all else that the SDK hands over with it, as it
does in a replay; see docs/adr/0035-what-a-query-brings-forward.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

if TYPE_CHECKING:
    from temporalio.bridge.proto.workflow_activation import WorkflowActivation
    from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion


@dataclass(frozen=True)
class Runner(WorkflowRunner):
    """Runs workflows in the sandbox."""

    sandbox: SandboxedWorkflowRunner = field(default_factory=SandboxedWorkflowRunner)

    @classmethod
    def sharing(cls, modules: Iterable[str]) -> Runner:
        """A runner whose runs share some modules, where each would load its own.

        Args:
            modules: What keeps no state of its own, and has been run in the whole sandbox by tests and replays.
        """
        restrictions = SandboxRestrictions.default.with_passthrough_modules(*modules)
        return cls(SandboxedWorkflowRunner(restrictions=restrictions))

    def prepare_workflow(self, defn: workflow._Definition) -> None:
        """Check a workflow in the sandbox."""
        self.sandbox.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make a run's instance in a sandbox of its own."""
        return _Instance(self.sandbox.create_instance(det))

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Hand them on."""
        self.sandbox.set_worker_level_failure_exception_types(types)


def parts(act: WorkflowActivation) -> Iterator[WorkflowActivation]:
    """What is handed to a workflow at once, in the parts in which a replay hands it over: the whole, if that is one.

    A query that comes while a local activity runs has the SDK (1.35) end the workflow task without having told the
    workflow of its answer. That comes with the next task, behind what has happened meanwhile; but in a replay it comes
    before. Each workflow whose next command depends on which came first could not be replayed any more.
    """
    local = [job for job in act.jobs if job.HasField("resolve_activity") and job.resolve_activity.is_local]
    if not local or len(act.jobs) == 1:
        yield act
        return
    rest = [job for job in act.jobs if job not in local]
    patches = [job for job in rest if job.HasField("notify_has_patch")]
    others = [job for job in rest if not job.HasField("notify_has_patch")]
    for jobs in ([*patches, local[0]], *([job] for job in local[1:]), others):
        if jobs:
            part = type(act)()
            part.CopyFrom(act)
            del part.jobs[:]
            part.jobs.extend(jobs)
            yield part


class _Instance(WorkflowInstance):
    """One run of a workflow."""

    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        whole, *more = [self._sandboxed.activate(part) for part in parts(act)]
        for part in more:
            if part.HasField("failed"):
                return part
            whole.successful.commands.extend(part.successful.commands)
        return whole

    def get_serialization_context(self, command_info: object) -> SerializationContext | None:  # noqa: ARG002
        """No payload has any."""
        return None

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002
        """No payload is stored anywhere else."""
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> workflow.Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()
