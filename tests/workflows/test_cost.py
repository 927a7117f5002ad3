"""What Temporal counts as actions, counted from histories."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from bench.actions import actions
from bench.year import compare, cost_of, example, histories
from rapport.model.ids import onboarding_id
from starters.simulate.life import beginning
from starters.simulate.scenarios import SCENARIOS
from starters.simulate.sources import of_file


async def test_the_counter_counts_as_the_server_does() -> None:
    """On the dev server, in a life with children, updates, signals and timers, both figures are the same within 5 %."""
    compared = await compare()
    assert compared.counted > 40
    assert abs(compared.ratio - 1) <= 0.05, compared


async def test_a_life_is_counted_whole() -> None:
    """The onboarding and every workflow that it began are counted, each run once."""
    source = of_file(example("orbisant"), Path("none"))
    async with beginning(source, source.begins) as life:
        await life.live(life.began + timedelta(days=30), SCENARIOS["smooth"]())
        cost = await cost_of(life.services.client, life.services, life.account)
    assert cost.runs["Onboarding"] == cost.actions["Onboarding"]["starts"] == 1
    began = sum(kinds.get("children", 0) for kinds in cost.actions.values())
    # To start a child is two actions.
    assert 2 * sum(cost.runs[kind] for kind in ("Meeting", "HumanTask", "Cadence")) == began
    assert cost.runs["HumanTask"] >= 1
    # The approval is asked for and decided, and every other task is decided at least.
    assert cost.actions["HumanTask"]["updates"] >= cost.runs["HumanTask"] + 1
    assert cost.total == sum(sum(kinds.values()) for kinds in cost.actions.values())


async def test_what_a_workflow_has_done_in_its_own_task_it_does_once() -> None:
    """An activity that succeeds in the workflow's task, whatever it gives, has no task of its own besides."""
    source = of_file(example("orbisant"), Path("none"))
    local: set[str] = set()
    async with beginning(source, source.begins) as life:
        await life.live(life.began + timedelta(days=7), SCENARIOS["smooth"]())
        began = onboarding_id(life.account)
        async for history in histories(life.services.client, began, None):
            for one in history.events:
                if one.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
                    [data] = one.marker_recorded_event_attributes.details["data"].payloads
                    local.add(json.loads(data.data)["activity_type"])
        assert {"records.project", "messages.send"} <= local
        async for history in histories(life.services.client, began, None):
            queued = {
                one.activity_task_scheduled_event_attributes.activity_type.name
                for one in history.events
                if one.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            }
            assert not queued & local, history.workflow_id


def event(kind: str, **attributes: object) -> HistoryEvent:
    """One event, with some of its attributes."""
    made = HistoryEvent(event_type=EventType.Value(f"EVENT_TYPE_{kind}"))
    body = getattr(made, f"{kind.lower()}_event_attributes")
    body.SetInParent()
    for name, value in attributes.items():
        setattr(body, name, value)
    return made


def test_what_the_short_life_has_not_follows_the_same_rules() -> None:
    """Continuing counts once and starts nothing, retries count, and a signal counts where it was sent."""
    following = event("WORKFLOW_EXECUTION_STARTED", continued_execution_run_id="the run before")
    from_another = event("WORKFLOW_EXECUTION_SIGNALED")
    from_another.workflow_execution_signaled_event_attributes.external_workflow_execution.workflow_id = "another"
    found = actions(
        [
            following,
            from_another,
            event("WORKFLOW_EXECUTION_SIGNALED"),
            event("ACTIVITY_TASK_SCHEDULED"),
            event("ACTIVITY_TASK_STARTED", attempt=3),
            event("MARKER_RECORDED", workflow_task_completed_event_id=4),
            event("MARKER_RECORDED", workflow_task_completed_event_id=4),
            event("MARKER_RECORDED", workflow_task_completed_event_id=9),
            event("WORKFLOW_EXECUTION_CONTINUED_AS_NEW"),
        ]
    )
    assert found == Counter(
        {
            "signals": 1,
            "activities": 1,
            "retries": 2,
            "batches of local activities": 2,
            "continued as new": 1,
        }
    )
