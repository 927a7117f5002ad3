"""Rapport under load: `rapport up` as anyone starts it, driven through its HTTP API, its mails counted at a sink."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from temporalio.client import Client

from bench import sink
from bench.arithmetic import percentile
from bench.floor import bounded, paced
from bench.http import Api
from bench.processes import Cost, children_named, cpu_seconds
from bench.sink import Sink
from rapport.model.account import AccountFile
from rapport.model.ids import onboarding_id
from rapport.model.reading import read_toml
from rapport.playbooks import PLAYBOOKS
from rapport.temporal import connect

HERE: Final = Path(__file__).parent
EXAMPLE: Final = HERE.parent / "examples" / "versayce.toml"
TAM: Final = "robin.keller@foobar.example"
WARM_UP: Final = 50
PATIENCE: Final = 900.0
"""Seconds after which a measurement has failed."""
STOP_SECONDS: Final = 60.0


@dataclass
class Product:
    """One running installation."""

    api: Api
    sink: Sink
    workers: tuple[int, ...]
    server: int
    data: Path
    temporal: Client
    example: dict[str, Any]

    def cost(self) -> Cost:
        """What was spent so far."""
        bench = cpu_seconds(os.getpid()) + cpu_seconds(self.sink.process.pid)
        return Cost(cpu_seconds(self.server), sum(map(cpu_seconds, self.workers)), bench)

    def versayce(self, name: str) -> dict[str, Any]:
        """The example account under another name, with addresses of its own."""
        file: dict[str, Any] = json.loads(json.dumps(self.example))
        file["account"] |= {"key": name, "name": f"Versayce {name}"}
        file["contract"]["id"] = name
        for contact in file["contacts"]:
            contact["email"] = contact["email"].replace("@versayce", f"@{name}")
        return file

    def onboarding(self, name: str) -> dict[str, Any]:
        """An account of the Onboard-N shape. Its vendor and members are known: the first account brought them."""
        file = self.versayce(name)
        del file["vendor"], file["members"]
        file["account"]["review"] = None
        file["contract"]["playbook"] = "bench"
        return file

    def starting(self, file: dict[str, Any]) -> Callable[[], Awaitable[object]]:
        """The call that starts an onboarding."""
        return lambda: self.api.post("/v1/onboardings", {"file": file})

    def approving(self, name: str) -> Callable[[], Awaitable[object]]:
        """The call that sends an onboarding's second mail."""
        first = next(key for key in self.sink.arrived if key.startswith(f"{name}/first/"))
        keys = [first.replace("/first/", "/second/")]
        return lambda: self.api.post("/v1/drafts/approve", {"as": TAM, "keys": keys})

    async def first(self, names: list[str]) -> tuple[float, Cost]:
        """Start onboardings as fast as it goes; the seconds until the first mail of each was there, and the cost."""
        calls = [self.starting(self.onboarding(name)) for name in names]
        before, mails, began = self.cost(), self.sink.mails, time.monotonic()
        await bounded(calls)
        await self.sink.reach(mails + len(names))
        took = max(self.sink.of("first", set(names))) - began
        return took, self.cost() - before

    async def second(self, names: list[str]) -> tuple[float, Cost]:
        """Approve the second mails as fast as it goes; the seconds until all were there and every onboarding ended."""
        calls = [self.approving(name) for name in names]
        before, mails, began = self.cost(), self.sink.mails, time.monotonic()
        await bounded(calls)
        await self.sink.reach(mails + len(names))
        mailed = max(self.sink.of("second", set(names)))
        last = await self.ended(names)
        return max(mailed, last) - began, self.cost() - before

    async def drafted(self, names: list[str]) -> None:
        """Wait until the second mail of each is a draft that its workflow knows of."""
        await self._until("select contract from milestones where step = 'second' and waiting_for is not null", names)

    async def ended(self, names: list[str]) -> float:
        """Wait until every workflow has come to its end; when that was."""
        last = await self._until("select id from contracts where ended_at is not null order by ended_at", names)
        await self.temporal.get_workflow_handle(onboarding_id(last)).result()
        return time.monotonic()

    async def _until(self, query: str, names: list[str]) -> str:
        """Watch the installation's database, which costs it less than its API would, until a query gives all names."""
        deadline = time.monotonic() + PATIENCE
        database = sqlite3.connect(f"file:{self.data / 'rapport.db'}?mode=ro", uri=True)
        try:
            while time.monotonic() < deadline:
                found = [str(row[0]) for row in database.execute(query)]
                if set(names) <= set(found):
                    return next(name for name in reversed(found) if name in names)
                await asyncio.sleep(0.05)
        finally:
            database.close()
        raise TimeoutError(query)

    async def burst(self, count: int, name: str) -> dict[str, Any]:
        """The whole Onboard-N shape."""
        names = [f"{name}-{index}" for index in range(count)]
        first, first_cost = await self.first(names)
        await self.drafted(names)
        second, second_cost = await self.second(names)
        return {
            "first": count / first,
            "second": count / second,
            "first_cost": first_cost.each(count),
            "second_cost": second_cost.each(count),
        }

    async def events(self, count: int, rate: float) -> dict[str, float]:
        """Approve at a steady rate; how long from each request to its mail at the sink, in seconds."""
        names = [f"event-{index}" for index in range(count)]
        await self.first(names)
        await self.drafted(names)
        mails = self.sink.mails
        said = await paced([self.approving(name) for name in names], rate)
        await self.sink.reach(mails + count)
        arrived = {key.split("/")[0]: at for key, at in self.sink.arrived.items() if "/second/" in key}
        took = [arrived[name] - at for name, at in zip(names, said, strict=True)]
        return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}

    async def welcomes(self, count: int) -> dict[str, Any]:
        """Start the example's onboarding, kickoff and all; welcomes a second, until all were there."""
        names = [f"versayce-{index}" for index in range(count)]
        calls = [self.starting(self.versayce(name)) for name in names]
        mails = count * len(self.example["contacts"])
        before, already, began = self.cost(), self.sink.mails, time.monotonic()
        await bounded(calls)
        await self.sink.reach(already + mails)
        took = max(self.sink.of("kickoff", set(names))) - began
        return {"rate": mails / took, "cost": (self.cost() - before).each(mails)}


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[Product]:
    """A fresh installation that has been warmed up, with its relay, in a directory of its own.

    Args:
        options: More for `rapport up`.
    """
    with tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder:
        data = Path(folder)
        (data / PLAYBOOKS).mkdir(mode=0o700)
        shutil.copy(HERE / "bench.toml", data / PLAYBOOKS)
        async with sink.running() as relay, up(data, relay, *options) as product:
            example = product.versayce("warm-up")
            await product.starting(example)()
            await relay.reach(len(example["contacts"]))
            await product.burst(WARM_UP, "warm-up")
            yield product


@asynccontextmanager
async def up(data: Path, relay: Sink, *options: str) -> AsyncIterator[Product]:
    """`rapport up`, as its own process."""
    ours = ("RAPPORT_", "TEMPORAL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"RAPPORT_SMTP_URL": f"smtp://127.0.0.1:{relay.port}", "RAPPORT_MAIL_MODE": "live"}
    # What is measured is the product, not the hour.
    environment["RAPPORT_QUIET_HOURS"] = "ignore"
    command = [str(Path(sysconfig.get_path("scripts")) / "rapport"), "up", "--json", "--data", str(data), *options]
    command += [part for name in ("http", "temporal", "ui", "smtp") for part in (f"--{name}-port", "0")]
    with (data / "up.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            line = await process.stdout.readline()
            if not line:
                raise RuntimeError((data / "up.log").read_text())
            said = json.loads(line)
            where = urlsplit(said["http"])
            assert where.hostname is not None
            assert where.port is not None
            api = Api(where.hostname, where.port, (data / "token").read_text().strip())
            example = read_toml(AccountFile, EXAMPLE.read_bytes(), EXAMPLE.name).model_dump(mode="json")
            (server,) = children_named(process.pid, "temporal")
            workers = (process.pid, *children_named(process.pid, "python"))
            yield Product(api, relay, workers, server, data, await connect(said["temporal"]), example)
            await api.close()
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
