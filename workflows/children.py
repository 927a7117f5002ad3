"""Workflows that another one starts, and that end by their own work alone."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from rapport.model.workflows import Kind

ACCOUNT: Final = SearchAttributeKey.for_keyword("RapportAccount")

S = TypeVar("S")
R = TypeVar("R")


async def begin(
    kind: Kind[S, R], start: S, id_: str, *, account: str, summary: str, about: str
) -> workflow.ChildWorkflowHandle[Any, R]:
    """Start a workflow of its own, which goes on whatever becomes of this one.

    Raises:
        WorkflowAlreadyStartedError: One of this id runs.
    """
    handle: workflow.ChildWorkflowHandle[Any, R] = await workflow.start_child_workflow(
        kind.name,
        start,
        id=id_,
        result_type=kind.gives,
        parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        search_attributes=TypedSearchAttributes([SearchAttributePair(ACCOUNT, account)]),
        static_summary=summary,
        static_details=about,
    )
    return handle
