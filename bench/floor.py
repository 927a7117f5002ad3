"""The floor: what Temporal alone does on this machine at this moment. `python -m bench.floor`, one JSON document.

The same dev server with the same settings as `rapport up`, a fresh file, the sandboxed worker and the client in one
process with eager starts, at most 32 calls in flight.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from bench import tally
from bench.arithmetic import percentile
from bench.bare import Bare
from bench.processes import Cost, children_named, cpu_seconds
from starters.installation import Ports
from starters.stack import take_port, take_ports, temporal_server

IN_FLIGHT: Final = 32
QUEUE: Final = "floor"
WARM_UP: Final = 50


async def bounded(calls: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Make the calls, at most `IN_FLIGHT` at a time."""
    free = asyncio.Semaphore(IN_FLIGHT)

    async def one(call: Callable[[], Awaitable[object]]) -> None:
        async with free:
            await call()

    await asyncio.gather(*(one(call) for call in calls))


async def paced(calls: Iterable[Callable[[], Awaitable[object]]], rate: float) -> list[float]:
    """Make so many calls a second, whether or not earlier ones were answered; give when each was made."""
    began, at, running = time.monotonic(), [], []
    for index, call in enumerate(calls):
        await asyncio.sleep(max(began + index / rate - time.monotonic(), 0))
        at.append(time.monotonic())
        running.append(asyncio.ensure_future(call()))
    await asyncio.gather(*running)
    return at


class Floor:
    """One server with its worker."""

    def __init__(self, client: Client) -> None:
        """A floor that nothing ran on yet."""
        self.client = client
        (self.server,) = children_named(os.getpid(), "temporal")

    def cost(self) -> Cost:
        """What was spent so far. The client is part of the floor's own process."""
        return Cost(cpu_seconds(self.server), cpu_seconds(os.getpid()), 0)

    async def start(self, ids: list[str]) -> None:
        """Start workflows, and wait until the timer of each has fired."""
        before = len(tally.fired)

        async def one(id_: str) -> None:
            await self.client.start_workflow(Bare.run, id=id_, task_queue=QUEUE, request_eager_start=True)

        await bounded((lambda id_=id_: one(id_)) for id_ in ids)  # type: ignore[misc]
        await tally.reached(tally.fired, before + len(ids))

    def tell(self, id_: str) -> Callable[[], Awaitable[object]]:
        """The call that signals one workflow."""
        return lambda: self.client.get_workflow_handle(id_).signal(Bare.tell)

    async def burst(self, count: int, name: str) -> dict[str, Any]:
        """Start so many as fast as it goes, then signal them as fast as it goes."""
        ids = [f"{name}/{index}" for index in range(count)]
        costs = [self.cost()]
        began = time.monotonic()
        await self.start(ids)
        first = time.monotonic() - began
        costs.append(self.cost())
        done = len(tally.completed)
        began = time.monotonic()
        await bounded(self.tell(id_) for id_ in ids)
        await tally.reached(tally.completed, done + count)
        await self.client.get_workflow_handle(max(ids, key=lambda id_: tally.completed[id_])).result()
        second = time.monotonic() - began
        costs.append(self.cost())
        return {
            "first": count / first,
            "second": count / second,
            "first_cost": (costs[1] - costs[0]).each(count),
            "second_cost": (costs[2] - costs[1]).each(count),
        }

    async def events(self, count: int, rate: float) -> dict[str, float]:
        """Signal at a steady rate; how long from a signal to the end of its workflow, in seconds."""
        ids = [f"event/{index}" for index in range(count)]
        await self.start(ids)
        done = len(tally.completed)
        said = await paced((self.tell(id_) for id_ in ids), rate)
        await tally.reached(tally.completed, done + count)
        took = [tally.completed[id_] - at for id_, at in zip(ids, said, strict=True)]
        return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}


async def measure(count: int, events: int, rate: float) -> dict[str, Any]:
    """One round of the floor on a fresh server."""
    with tempfile.TemporaryDirectory(prefix="rapport-floor-") as folder:
        metrics = take_port(0, "--temporal-port")
        async with temporal_server(Path(folder), take_ports(Ports(0, 0, 0, 0)), metrics) as client:
            worker = Worker(
                client,
                task_queue=QUEUE,
                workflows=[Bare],
                workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
            )
            async with worker:
                floor = Floor(client)
                await floor.burst(WARM_UP, "warm-up")
                result = await floor.burst(count, "burst")
                result["events"] = await floor.events(events, rate)
    # See starters/cli/common.py: without a pause, short programs crash at exit.
    await asyncio.sleep(0.02)
    return result


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
