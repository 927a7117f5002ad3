"""Emails of which nobody says what becomes of them."""

from __future__ import annotations

from rapport.model.ids import undelivered_id
from rapport.model.message import MessageState
from starters.use_cases import message
from tests.conftest import Installation
from tests.replay import record


async def test_whoever_is_asked_again_for_years_is_asked_in_runs_of_their_own(skipping: Installation) -> None:
    """Each to-do that everybody lets pass ends a run, so that none grows for ever; the next is counted on."""
    await record.nobody_knew_what_became_of_an_email(skipping)
    sent = await message.listed(skipping.services, "versayce", MessageState.SENT)
    (key,) = [line.key for line in sent if "versayce.example" in line.to]
    history = await skipping.client.get_workflow_handle(undelivered_id(key)).fetch_history()
    assert history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    todos = [
        event.start_child_workflow_execution_initiated_event_attributes.workflow_id
        for event in history.events
        if event.HasField("start_child_workflow_execution_initiated_event_attributes")
    ]
    assert [id_.rpartition("/")[0].rpartition("/")[2] for id_ in todos] == ["2"], todos
