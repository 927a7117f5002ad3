"""The embedded Temporal server, on a data directory of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from rapport import temporal
from rapport.model.ids import new_id
from starters.installation import Ports
from starters.stack import temporal_server
from tests.conftest import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def first_workflow_named(attribute: str, data: Path) -> None:
    """Start the server, and at once a workflow that is found by this search attribute; nobody has to run it."""
    key = SearchAttributeKey.for_keyword(attribute)
    async with temporal_server(
        data, Ports(http=0, temporal=free_port(), ui=free_port(), smtp=0), free_port()
    ) as client:
        await client.start_workflow(
            "Nothing",
            id=new_id("workflow"),
            task_queue="nobody",
            search_attributes=TypedSearchAttributes([SearchAttributePair(key, "known")]),
        )


async def test_search_attributes_are_known_as_soon_as_the_server_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a new data directory, and those that a later version adds to it: no workflow is refused for a minute."""
    later = "RapportHealth"
    before = {name: kind for name, kind in temporal.SEARCH_ATTRIBUTES.items() if name != later}
    with monkeypatch.context() as patched:
        patched.setattr(temporal, "SEARCH_ATTRIBUTES", before)
        await first_workflow_named("RapportStage", tmp_path)
    await first_workflow_named(later, tmp_path)
