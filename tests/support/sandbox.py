"""Workflows in the whole sandbox, which loads what they are made of once a process and not for each run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cache

from temporalio import workflow
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox._importer import Importer
from temporalio.worker.workflow_sandbox._restrictions import RestrictionContext
from temporalio.worker.workflow_sandbox._runner import _Instance

from rapport.runner import Runner


class _Context(threading.local, RestrictionContext):
    """Whether a workflow runs: in this thread, as runs of the same kind are beside each other."""


class _Loaded(_Instance):
    """One run, in what was loaded for the first one of its kind.

    What is forbidden is found as ever: its modules are the sandbox's own. That each run may have modules of its own is
    not what workers do (`worker.MECHANICS`), and replays do it.
    """

    def _create_instance(self) -> None:
        self.importer = _importer(self.instance_details.defn.cls)
        super()._create_instance()


@cache
def _importer(kind: type) -> Importer:
    return Importer(SandboxedWorkflowRunner().restrictions, _Context(), workflow_module_name=kind.__module__)


class _Once(SandboxedWorkflowRunner):
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Loaded(det, self.runner_class, self.restrictions)


_LOOKED_AT: set[type] = set()


@dataclass(frozen=True)
class Whole(Runner):
    """Runs workflows in the whole sandbox; whether they load in it is looked at once a process, not for each worker."""

    sandbox: SandboxedWorkflowRunner = field(default_factory=_Once)

    def prepare_workflow(self, defn: workflow._Definition) -> None:
        """Check a workflow in the sandbox, unless that was done."""
        if defn.cls not in _LOOKED_AT:
            super().prepare_workflow(defn)
            _LOOKED_AT.add(defn.cls)
