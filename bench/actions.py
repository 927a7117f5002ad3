"""What Temporal Cloud counts: actions, read from histories. Pure.

The rules are those of the server's own metric, `action{service_name="frontend"}`, as a test and `bench.year` compare
them on the dev server. Queries are actions too and leave no trace in a history; neither do heartbeats of activities
that take longer than two seconds. They are not counted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

UNSEEN: Final = ("grpc_QueryWorkflow", "grpc_RecordActivityTaskHeartbeat")
"""The metric's kinds of actions that no history tells of."""

_ONE_EACH: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: "updates",
    EventType.EVENT_TYPE_TIMER_STARTED: "timers",
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "activities",
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: "signals to workflows",
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: "cancellations",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: "cancellations",
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "search attributes",
    EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: "memos",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "continued as new",
}


def actions(events: Iterable[HistoryEvent]) -> Counter[str]:
    """The actions of one run, by kind.

    A child's start counts twice, with its parent. All local activities that end in one workflow task count once. What
    another workflow sent counts with its sender.
    """
    found: Counter[str] = Counter()
    batches = set()
    for event in events:
        kind = event.event_type
        if kind in _ONE_EACH:
            found[_ONE_EACH[kind]] += 1
        elif kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            start = event.workflow_execution_started_event_attributes
            found["starts"] += not start.parent_workflow_execution.workflow_id and not start.continued_execution_run_id
        elif kind == EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
            found["children"] += 2
        elif kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            signal = event.workflow_execution_signaled_event_attributes
            found["signals"] += not signal.external_workflow_execution.workflow_id
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            found["retries"] += event.activity_task_started_event_attributes.attempt - 1
        elif kind == EventType.EVENT_TYPE_MARKER_RECORDED:
            batches.add(event.marker_recorded_event_attributes.workflow_task_completed_event_id)
    found["batches of local activities"] += len(batches)
    return +found
