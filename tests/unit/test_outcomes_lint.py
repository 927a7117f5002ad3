"""Only one module of the workflows handles the SDK's errors, and only it asks for activities and children."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

CATCHES = {"ActivityError", "ApplicationError", "ChildWorkflowError", "FailureError", "TemporalError",
           "WorkflowAlreadyStartedError", "CancelledError", "TimeoutError", "Exception", "BaseException"}  # fmt: skip
"""What a workflow could catch that says how something ended that it asked for."""

STARTS = {"execute_activity", "execute_activity_method", "execute_local_activity", "execute_local_activity_method",
          "start_activity", "start_activity_method", "start_local_activity", "start_local_activity_method",
          "execute_child_workflow", "start_child_workflow", "get_external_workflow_handle",
          "get_external_workflow_handle_for", "create_task", "ensure_future"}  # fmt: skip
"""What can end in one of these ways, the last two unheard."""


def faults(source: str) -> list[str]:
    """What a module of the workflows does that `outcomes` alone may do."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            found += _caught(node.type) if node.type is not None else ["everything"]
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "suppress":
                found += [one for argument in node.args for one in _caught(argument)]
            elif name in STARTS:
                found.append(name)
    return found


def _caught(node: ast.expr) -> list[str]:
    names = [one.attr if isinstance(one, ast.Attribute) else one.id for one in ast.walk(node)
             if isinstance(one, ast.Attribute | ast.Name)]  # fmt: skip
    return [name for name in names if name in CATCHES]


WORKFLOWS = ROOT / "workflows"


@pytest.mark.parametrize("path", sorted(WORKFLOWS.rglob("*.py")), ids=lambda path: str(path.relative_to(WORKFLOWS)))
def test_workflows_handle_outcomes_and_no_errors(path: Path) -> None:
    """No story catches an error of the SDK's, or asks for anything past `outcomes`."""
    assert path == WORKFLOWS / "outcomes.py" or not faults(path.read_text())


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    x()\nexcept ActivityError:\n    pass",
        "try:\n    x()\nexcept (KeyError, temporalio.exceptions.ApplicationError):\n    pass",
        "try:\n    x()\nexcept:\n    pass",
        "with contextlib.suppress(ChildWorkflowError):\n    x()",
        "await workflow.execute_local_activity_method(A.b, c)",
        "workflow.start_child_workflow('x')",
        "workflow.get_external_workflow_handle(id_)",
        "asyncio.create_task(x())",
    ],
)
def test_the_lint_finds_each_way_around_it(source: str) -> None:
    """Each of these would miss one of the shapes in which something ends."""
    indented = "\n".join(f"    {line}" for line in source.splitlines())
    assert faults(f"async def f():\n{indented}")


def test_other_errors_may_be_caught() -> None:
    """An interruption of the story's own is no outcome of the SDK's."""
    assert not faults("try:\n    x()\nexcept Interrupted:\n    pass\nraise ApplicationError('no')")


PROJECTS = {"project", "tell_step", "tell_cadence"}
"""The activities that write down what a workflow tells SQL of itself."""


def test_workflows_tell_sql_of_themselves_by_the_projector_alone() -> None:
    """Each of these activities is handed to a `Projector`, and asked for by nothing else."""
    handed = []
    for path in sorted(WORKFLOWS.rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            acts = [one.attr for one in call.args if isinstance(one, ast.Attribute) and one.attr in PROJECTS]
            assert not acts or (isinstance(call.func, ast.Name) and call.func.id == "Projector"), (path, call.lineno)
            handed += acts
    assert len(handed) == 6
