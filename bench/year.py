"""`uv run python -m bench.year`: what an account-year costs in Temporal's actions and events. See bench/README.md.

The year is lived on the time-skipping server and counted from its histories. The counter is compared with the dev
server's own metric on a short life that runs there in real time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from pydantic import SecretStr
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError

from bench.actions import UNSEEN, actions
from rapport.mail.catcher import Catcher
from rapport.model.account import AccountFile
from rapport.model.base import UserError
from rapport.model.ids import meeting_id, onboarding_id, task_id
from rapport.model.reading import read_toml
from rapport.settings import Settings
from rapport.storage import contract as contracts
from starters.installation import Ports
from starters.services import Actor, Services
from starters.simulate.life import beginning
from starters.simulate.scenarios import SCENARIOS
from starters.simulate.sources import of_file
from starters.stack import take_port, take_ports, temporal_server
from starters.use_cases import meeting as meetings, onboarding, task as tasks
from starters.use_cases.onboarding import StartRequest
from starters.views.task import TaskShown
from worker import build

T = TypeVar("T")

EXAMPLES: Final = Path(__file__).parent.parent / "examples"
GOALS: Final = {"smooth": 400, "nobody_answers": 550}
"""Actions in a year, at most, by scenario."""
EVENTS_GOAL: Final = 3_000
RUN_GOAL: Final = 1_000
PATIENCE: Final = 20.0


@dataclass(frozen=True)
class Cost:
    """What workflows cost.

    Attributes:
        actions: By the workflow's type, and in it by kind.
        runs: How many there were, by type.
        largest: The events of the longest run, and its workflow.
        bytes: Of all histories, as JSON.
    """

    actions: dict[str, dict[str, int]]
    runs: dict[str, int]
    events: int
    largest: tuple[int, str]
    bytes: int

    @property
    def total(self) -> int:
        """All actions."""
        return sum(sum(kinds.values()) for kinds in self.actions.values())


async def histories(client: Client, workflow_id: str, run_id: str | None) -> AsyncIterator[WorkflowHistory]:
    """Every run of a workflow from this one on, and of all that it began: the time-skipping server has no list."""
    history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
    yield history
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
            child = event.child_workflow_execution_started_event_attributes.workflow_execution
            async for one in histories(client, child.workflow_id, child.run_id):
                yield one
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
            following = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            async for one in histories(client, workflow_id, following):
                yield one


async def cost_of(client: Client, services: Services, account: str) -> Cost:
    """What an account's workflows have cost so far."""
    async with services.store.reading() as connection:
        contract = await contracts.latest(connection, account)
    assert contract is not None
    by_type: dict[str, Counter[str]] = {}
    runs: Counter[str] = Counter()
    events, largest, size = 0, (0, ""), 0
    async for history in histories(client, onboarding_id(account), contract.run_id):
        name = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
        by_type.setdefault(name, Counter()).update(actions(history.events))
        runs[name] += 1
        events += len(history.events)
        largest = max(largest, (len(history.events), history.workflow_id))
        size += len(history.to_json())
    return Cost({name: dict(kinds) for name, kinds in by_type.items()}, dict(runs), events, largest, size)


async def year(file: AccountFile, scenario: str, days: int) -> Cost:
    """What a year costs."""
    source = of_file(file, Path("none"))
    async with beginning(source, source.begins) as life:
        await life.live(life.began + timedelta(days=days), SCENARIOS[scenario]())
        return await cost_of(life.services.client, life.services, life.account)


# The counter against the server's own metric


@dataclass(frozen=True)
class Compared:
    """The same life, as the counter and as the server counts it."""

    counted: int
    metered: int
    by_kind: dict[str, int]
    metric: dict[str, int]

    @property
    def ratio(self) -> float:
        """The counter's figure by the server's."""
        return self.counted / self.metered


async def compare() -> Compared:
    """Live a kickoff's beginning on the dev server: asked for on site, approved, voted for, booked, and moved."""
    file = example("orbisant")
    with tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder:
        data = Path(folder)
        metrics = take_port(0, "")
        async with temporal_server(data, take_ports(Ports(0, 0, 0, 0)), metrics) as client:
            catcher = Catcher(data / "mail")
            port = await catcher.start("127.0.0.1", 0)
            settings = Settings.model_construct(
                data=data,
                smtp_url=SecretStr(f"smtp://127.0.0.1:{port}"),
                mail_mode="live",
                mail_from="onboarding@foobar.example",
                secret=SecretStr("a secret of the benchmark"),
            )
            async with build(client, settings) as parts:
                await parts.store.migrate()
                services = Services(settings, parts.store, client)
                async with parts.worker:
                    before = await metered(metrics)
                    await short_life(services, file)
                    metric = await at_rest(metrics)
                    cost = await cost_of(client, services, file.account.key)
            await catcher.stop()
    metric -= before
    kinds: Counter[str] = Counter()
    for some in cost.actions.values():
        kinds.update(some)
    seen = {kind: count for kind, count in metric.items() if kind not in UNSEEN}
    return Compared(cost.total, sum(seen.values()), dict(kinds), dict(metric))


async def short_life(services: Services, file: AccountFile) -> None:
    """As much of a life as needs no waiting."""
    account, tam = file.account.key, Actor(email=file.account.tam, channel="cli")
    by = {contact.personas[0]: Actor(email=contact.email, channel="cli") for contact in file.contacts}
    approval, kickoff = task_id(account, "onsite_approval", 1), meeting_id(account, "kickoff", 1)

    async def at_ease() -> None:
        # A task that news overtakes is metered, thrown away, and metered again; no history tells of that.
        for id_ in (onboarding_id(account), approval, kickoff):
            run = services.client.get_workflow_handle(id_)
            await once(run.describe, lambda seen: not _is_at_work(seen.raw_description))

    async def task(phase: str) -> TaskShown:
        await at_ease()
        return await once(lambda: tasks.show(services, approval), lambda shown: shown.phase == phase)

    async def meeting(phase: str) -> meetings.MeetingShown:
        await at_ease()
        return await once(lambda: meetings.show(services, account, "kickoff"), lambda shown: shown.phase == phase)

    await onboarding.start(services, StartRequest(file=file))
    await task("preparing")
    await tasks.request(services, approval, {"reason": "Four plants", "cost": "1,200 EUR", "dates": "December"}, tam)
    shown = await task("open")
    await tasks.decide(services, approval, "approve", Actor(email=shown.assignees[0], channel="cli"))
    for persona in ("primary_champion", "primary_user"):
        offered = await meeting("voting")
        await meetings.vote(services, account, "kickoff", (offered.slots[0].id,), by[persona])
    for _ in range(3):
        start = (await meeting("booked")).booked
        assert start is not None
        await meetings.book(services, account, "kickoff", start + timedelta(hours=1), tam, anyway=True)
    await at_ease()


def _is_at_work(run: DescribeWorkflowExecutionResponse) -> bool:
    return bool(run.pending_activities) or run.HasField("pending_workflow_task")


async def once(ask: Callable[[], Awaitable[T]], fits: Callable[[T], bool]) -> T:
    """Ask until the answer fits."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await ask()
                if fits(answer):
                    return answer
            except (UserError, RPCError):
                pass  # It is not there yet.
            await asyncio.sleep(0.05)


async def at_rest(port: int) -> Counter[str]:
    """What the server has metered, once it meters nothing more."""
    async with asyncio.timeout(PATIENCE):
        before = await metered(port)
        while True:
            await asyncio.sleep(1)
            now = await metered(port)
            if now == before:
                return now
            before = now


async def metered(port: int) -> Counter[str]:
    """The server's own count of actions, by kind."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("action{") and 'service_name="frontend"' in line:
            name, _, value = line.rpartition(" ")
            found[name.partition('action_type="')[2].partition('"')[0]] += round(float(value))
    return found


# As text


def example(name: str) -> AccountFile:
    """An example account."""
    path = EXAMPLES / f"{name}.toml"
    return read_toml(AccountFile, path.read_bytes(), path.name)


def table(costs: dict[str, Cost], compared: Compared, days: int) -> str:
    """The result for a person."""
    lines = []
    for scenario, cost in costs.items():
        lines.append(f"{scenario}, {days} days")
        for what, value, goal in (
            ("actions", cost.total, GOALS[scenario]),
            ("history events", cost.events, EVENTS_GOAL),
            (f"events of the longest run, {cost.largest[1]}", cost.largest[0], RUN_GOAL),
        ):
            lines.append(f"  {what}: {value} (goal: at most {goal}{', missed' if value > goal else ''})")
        lines.append(f"  histories as JSON: {cost.bytes / 1000:.0f} kB")
        for name, kinds in sorted(cost.actions.items(), key=lambda item: -sum(item[1].values())):
            parts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1]))
            lines.append(f"  {name}, {cost.runs[name]} runs: {sum(kinds.values())} actions ({parts})")
        lines.append("")
    unseen = sum(compared.metric.get(kind, 0) for kind in UNSEEN)
    lines.append(
        f"On the dev server, in a short life: counted {compared.counted}, metered {compared.metered}"
        f" (ratio {compared.ratio:.2f}), beside {unseen} queries and heartbeats"
    )
    return "\n".join(lines)


async def measure(days: int) -> tuple[dict[str, Cost], Compared]:
    """Both years, then the comparison."""
    file = example("versayce")
    costs = {}
    for scenario in GOALS:
        print(f"… {days} days, {scenario}", file=sys.stderr, flush=True)
        costs[scenario] = await year(file, scenario, days)
    print("… the dev server's own count", file=sys.stderr, flush=True)
    compared = await compare()
    # See starters/cli/common.py: without a pause, short programs crash at exit.
    await asyncio.sleep(0.02)
    return costs, compared


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.year", description=__doc__)
    parser.add_argument("--days", type=int, default=365, help="how long the year is")
    parser.add_argument("--json", action="store_true", help="print every figure as one JSON document")
    asked = parser.parse_args()
    logging.getLogger("temporalio.core").setLevel("ERROR")
    costs, compared = asyncio.run(measure(asked.days))
    if asked.json:
        figures: dict[str, Any] = {name: asdict(cost) | {"total": cost.total} for name, cost in costs.items()}
        print(json.dumps(figures | {"compared": asdict(compared) | {"ratio": compared.ratio}}))
    else:
        print(table(costs, compared, asked.days))


if __name__ == "__main__":
    main()
