"""Starting another workflow that may be there already, such as after the one that starts it was reset."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.common import WorkflowIDReusePolicy

from rapport.model.children import ChildFound
from rapport.model.workflows import HUMAN_TASK
from workflows import outcomes
from workflows.outcomes import Known, begun

CHILD = object()


@pytest.mark.parametrize(
    ("starts", "found", "given"),
    [
        ([CHILD], None, CHILD),
        ([None], ChildFound(own=True, runs=True), Known("task/a/b/1")),
        ([None], ChildFound(own=True, runs=False), Known("task/a/b/1")),
        ([None], ChildFound(own=False, runs=True), None),
        ([None, CHILD], ChildFound(own=False, runs=False), CHILD),
        ([None, None], ChildFound(own=False, runs=False), None),
    ],
    ids=["new", "its own runs", "its own is over", "another's runs", "another's is over", "another was faster"],
)
async def test_what_it_has_started_before_is_taken_up_and_never_started_twice(
    monkeypatch: pytest.MonkeyPatch, starts: list[Any], found: ChildFound | None, given: Any
) -> None:
    """Its own of that name is waited for, be it over or not; another's that runs is left alone, one that is over is no
    obstacle.
    """
    policies: list[WorkflowIDReusePolicy] = []

    async def started(*_: Any, policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE, **__: Any) -> Any:
        policies.append(policy)
        return starts[len(policies) - 1]

    async def look(*_: Any) -> ChildFound:
        assert found is not None, "nobody is asked where it has just been started"
        return found

    monkeypatch.setattr(outcomes, "started", started)
    monkeypatch.setattr(outcomes, "done", look)
    monkeypatch.setattr(outcomes, "_asked", lambda id_: SimpleNamespace(id=id_))
    assert await begun(HUMAN_TASK, cast("Any", None), "task/a/b/1", summary="Ask") == given
    # What came to its own end is never started again by the first: only it could tell what came of it.
    twice = [WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY, WorkflowIDReusePolicy.ALLOW_DUPLICATE]
    assert policies == twice[: len(starts)]
