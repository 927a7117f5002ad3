"""`uv run python -m bench.desk`: is a case ever lost, or given away twice? In a burst, and over a year of one desk.

The burst goes through `rapport up` and its HTTP API. The year is lived on the time-skipping server, by the workflows
as they are, with nights, weekends and hand-offs; the desk continues as new all along. What counts as lost or twice is
told by the record, the desk's own state and the timeline, each by itself.

The time-skipping server keeps each lock and unlock of its clock in a list for ever, and looks through it at each timer
(`SelfAdvancingTimerImpl.lockEvents`, in the server's source "debugging purposes only"): its time grows with the square
of what it has done. So the year moves to a fresh server now and then, and what the desk holds moves along.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import func, select
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from bench import product, sink
from bench.floor import bounded
from bench.product import EXAMPLE
from rapport import clock
from rapport.model.account import AccountFile, MembersFile
from rapport.model.ids import desk_id
from rapport.model.reading import check, read_toml
from rapport.model.support_case import DESK, CaseState, CaseStatus, DeskStart, DeskView, WrittenCase
from rapport.model.workflows import SUPPORT_DESK
from rapport.settings import Settings
from rapport.storage import imports, support_case as support_case_storage
from rapport.storage.database import Connection, Store
from rapport.storage.support_case_tables import AssignmentRow, CaseRow
from rapport.storage.tables import TimelineRow
from rapport.temporal import let_pass, time_skipping
from starters.programs import find
from starters.services import Actor, Services
from starters.use_cases import support_case
from starters.use_cases.support_case import HandOff, Say
from worker import STEADY, build

ACCOUNT: Final = "versayce"
ENGINEERS: Final = 7
QUESTIONS: Final = ("How do I rotate a token?", "The collector times out", "A chart shows nothing", "Who can see this?")
LOOKS: Final = tuple(timedelta(hours=hour) for hour in (1, 9, 14))
"""When, in UTC, cases come in and are worked on: in the night, in the morning and in the afternoon."""
PATIENCE: Final = 900.0


@dataclass(frozen=True)
class Outcome:
    """What became of the cases.

    Attributes:
        opened: How many were opened.
        lost: How many of them nobody was given, or the desk forgot, or never came to their end.
        twice: How many more owners cases were told of than they asked for.
        given: How many times the desk gave a case to somebody, by its own count.
        seconds: How long it took, from the first to be opened until each had its owner; a year, until it was over.
        opening_seconds: How long the opening alone took.
        quiet_seconds: How long it took until every case had told the desk that it has heard; a year has no such figure.
        runs: How many runs the desk had.
        days: How many days it lived; a burst has no such figure.
        servers: On how many servers, one after the other.
    """

    opened: int
    lost: int
    twice: int
    given: int
    seconds: float
    opening_seconds: float
    quiet_seconds: float | None
    runs: int
    days: int | None = None
    servers: int = 1


def engineer(number: int, *, always: bool) -> dict[str, Any]:
    """A support engineer; in a burst they are always at work, as what is measured is the product, not the hour."""
    hours = {"start": "00:00:00", "end": "23:59:59", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
    return {
        "name": f"Engineer {number}",
        "email": f"engineer-{number}@foobar.example",
        "roles": ["support_engineer"] if number else ["support_engineer", "support_lead"],
        "zone": "Europe/Zurich" if always or number % 3 else "Europe/Lisbon",
        **({"hours": hours} if always else {}),
    }


def crew(*, always: bool) -> MembersFile:
    """The desk's people."""
    return check(MembersFile, {"members": [engineer(number, always=always) for number in range(ENGINEERS)]}, "")


# The burst


async def burst(count: int, *, warm_up: int = 20) -> Outcome:
    """Open so many cases as fast as the API takes them."""
    with tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder:
        data = Path(folder)
        async with sink.running() as relay, product.up(data, relay) as running:
            await running.api.put("/v1/accounts", running.versayce(ACCOUNT))
            await running.api.put("/v1/members", crew(always=True).model_dump(mode="json"))
            store = Store(f"sqlite:///{data / 'rapport.db'}")

            def opening(number: int) -> Callable[[], Any]:
                body = {"as": product.TAM, "account": ACCOUNT, "question": QUESTIONS[number % 4], "id": f"q-{number}"}
                return lambda: running.api.post("/v1/cases", body | {"severity": 1 + number % 4})

            await bounded([opening(number) for number in range(warm_up)])
            await _all_owned(store, warm_up)
            began = time.monotonic()
            await bounded([opening(number) for number in range(warm_up, warm_up + count)])
            opened = time.monotonic() - began
            await _all_owned(store, warm_up + count)
            seconds = time.monotonic() - began
            handle = running.temporal.get_workflow_handle(desk_id(DESK))
            view = await _settled(lambda: handle.query("view", result_type=DeskView))
            quiet = time.monotonic() - began
            async with store.reading() as connection:
                outcome = await counted(connection, view, ended=False)
            await store.close()
    return Outcome(count, outcome[0], outcome[1], view.state.taken - warm_up, seconds, opened, quiet, view.state.runs)


async def _all_owned(store: Store, count: int) -> None:
    """Wait until so many cases have an owner by the record."""
    deadline = time.monotonic() + PATIENCE
    seen, since = -1, time.monotonic()
    while time.monotonic() < deadline:
        async with store.reading() as connection:
            owned = await connection.scalar(select(func.count()).select_from(CaseRow).where(CaseRow.owner.is_not(None)))
        if owned >= count:
            return
        if owned != seen:
            seen, since = owned, time.monotonic()
        elif time.monotonic() - since > sink.QUIET_SECONDS:
            # That is a result as well: the missing ones are counted as lost.
            return
        await asyncio.sleep(0.1)


async def _settled(view: Callable[[], Any]) -> DeskView:
    """The desk's state once every case has said that it has heard; a desk that has much to do answers late."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(RPCError):
            seen: DeskView = await view()
            if not (seen.state.unacknowledged or seen.state.queue) or time.monotonic() > deadline:
                return seen
        if time.monotonic() > deadline:
            raise TimeoutError("the desk does not answer")
        await asyncio.sleep(0.5)


async def counted(connection: Connection, view: DeskView, *, ended: bool) -> tuple[int, int]:
    """How many cases were lost, and how many were given away more often than they asked for.

    Args:
        ended: Whether all of them should have come to their end.
    """
    rows = list(await connection.execute(select(CaseRow.ref, CaseRow.state, CaseRow.owner, CaseRow.status)))
    turns = {row.ref: CaseStatus.model_validate(row.status).turn for row in rows if row.status}
    entries = await connection.scalars(select(TimelineRow.key).where(TimelineRow.kind == "case.assigned"))
    told = Counter(key.split("/")[0] for key in entries)
    given = set(await connection.scalars(select(AssignmentRow.ref).where(AssignmentRow.member.is_not(None))))
    lost = 0
    for row in rows:
        there = row.state == CaseState.RESOLVED if ended else row.ref in view.state.owners
        lost += not (row.ref in told and row.ref in given and there)
    twice = sum(max(0, count - turns.get(ref, 0)) for ref, count in told.items())
    # What the desk still holds when all is over, it has lost in another way.
    leftovers = len(view.state.owners) + len(view.state.queue) + len(view.state.unacknowledged) if ended else 0
    return lost + leftovers, twice


# The year


@asynccontextmanager
async def living(data: Path, start: DeskStart, chance: random.Random, now: datetime | None) -> AsyncIterator[_Desk]:
    """A desk with its people on a time-skipping server of its own.

    Args:
        start: What the desk begins with, or goes on with.
        now: When it goes on; without it, it begins, in an empty database.
    """
    async with sink.running() as relay, time_skipping(find("temporal-test-server")) as environment:
        settings = Settings.model_construct(
            data=data,
            smtp_url=SecretStr(f"smtp://127.0.0.1:{relay.port}"),
            mail_mode="live",
            quiet_hours="ignore",
            mail_from="support@foobar.example",
            secret=SecretStr("a secret of the benchmark"),
        )
        async with build(environment.client, settings, pollers=STEADY) as parts:
            present = await environment.get_current_time()
            if now is None:
                await parts.store.migrate()
                async with parts.store.writing() as connection:
                    await imports.save(connection, read_toml(AccountFile, EXAMPLE.read_bytes(), EXAMPLE.name), present)
                    await imports.save_members(connection, crew(always=False))
            async with parts.worker:
                desk = _Desk(Services(settings, parts.store, environment.client), environment, chance, now=present)
                if now is not None:
                    await desk.reach(now)
                await environment.client.start_workflow(
                    SUPPORT_DESK.name, start, id=desk_id(DESK), task_queue=settings.task_queue
                )
                yield desk


async def year(
    count: int,
    days: int,
    *,
    turnover: int = 1_000,
    moves: int = 14,
    seconds: float = math.inf,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Live so many days with so many cases in all; work off what is left, and count.

    Args:
        turnover: After how many signals the desk continues as new.
        moves: After how many days it moves to a fresh server, with what its last run would have handed on. Before that,
            no case comes in for as many days as it takes to work off what is open; the cases of these days come after.
        seconds: After how long no further day begins. What is open then is still worked off.
        tell: Is told at each move how far it is.
    """
    chance = random.Random(6)
    began, spent, opened, lived, moved = time.monotonic(), 0.0, 0, 0, 0
    start, now, first = DeskStart(turnover=turnover), None, None
    with tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder:
        while lived < days and time.monotonic() - began <= seconds:
            async with living(Path(folder), start, chance, now) as desk:
                first = first or desk.now.replace(hour=0, minute=0, second=0, microsecond=0)
                desk.opened = opened
                for day in range(lived + 1, min(lived + moves, days) + 1):
                    if time.monotonic() - began > seconds:
                        break
                    lived = day
                    for number, look in enumerate(LOOKS):
                        await desk.reach(first + timedelta(days=day) + look)
                        due = count * ((day - 1) * len(LOOKS) + number + 1) // (days * len(LOOKS))
                        before = time.monotonic()
                        await desk.open(due - desk.opened)
                        spent += time.monotonic() - before
                        await desk.work()
                lived = await desk.work_off(first, lived)
                view = await desk.view()
                start, now, opened = DeskStart(turnover=turnover, state=view.state), desk.now, desk.opened
                moved += 1
                async with desk.services.store.reading() as connection:
                    lost, twice = await counted(connection, view, ended=True)
            if tell is not None:
                took = time.monotonic() - began
                tell(f"day {lived}: {opened} cases, lost {lost}, twice {twice}, {moved} servers, {took:.0f} s")
        took = time.monotonic() - began
    return Outcome(opened, lost, twice, view.state.taken, took, spent, None, view.state.runs, lived, moved)


@dataclass
class _Desk:
    """A desk under way, and the people who ask and answer."""

    services: Services
    environment: WorkflowEnvironment
    chance: random.Random
    now: datetime
    opened: int = 0

    async def reach(self, instant: datetime) -> None:
        """Let the clock run to an instant."""
        if instant > self.now:
            await let_pass(self.environment, instant - self.now)
        self.now = await self.environment.get_current_time()

    async def open(self, count: int) -> None:
        """So many questions at once."""

        async def one(number: int) -> None:
            written = WrittenCase.model_validate(
                {
                    "account": ACCOUNT,
                    "question": QUESTIONS[number % 4],
                    "severity": 2 + number % 3,
                    "id": f"q-{number}",
                }
            )
            with clock.set_to(self.now):
                await support_case.open_case(self.services, written, _engineer(0))

        calls = [partial(one, self.opened + index) for index in range(count)]
        self.opened += count
        await bounded(calls)

    async def work(self, *, only_resolve: bool = False) -> None:
        """Whoever has a case solves it, or now and then hands it on. None is reopened."""
        async with self.services.store.reading() as connection:
            found = await support_case_storage.cases(connection, states=[CaseState.OPEN], limit=100_000)
        calls: list[Callable[[], Any]] = []
        for case in found:
            if not only_resolve and self.chance.random() < 0.03:
                calls.append(self._acting(support_case.hand_off, case.ref, _ON))
            elif only_resolve or self.chance.random() < 0.9:
                calls.append(self._acting(support_case.resolve, case.ref, _SOLVED))
        await bounded(calls)

    async def work_off(self, first: datetime, day: int) -> int:
        """Work off all that is open while no case comes in; on which day that was done, with a day to spare.

        Args:
            first: The midnight before day 1.
            day: The day that is over.
        """
        for further in range(day + 1, day + 30):
            for look in LOOKS[1:]:
                await self.reach(first + timedelta(days=further) + look)
                await self.work(only_resolve=True)
            async with self.services.store.reading() as connection:
                if not await support_case_storage.open_refs(connection):
                    break
        else:
            further = day + 30
        await self.reach(first + timedelta(days=further + 1))
        return further

    async def view(self) -> DeskView:
        """The desk's own state."""
        handle = self.services.client.get_workflow_handle(desk_id(DESK))
        found: DeskView = await handle.query("view", result_type=DeskView)
        return found

    def _acting(self, command: Callable[..., Any], ref: str, said: Say | HandOff) -> Callable[[], Any]:
        async def act() -> None:
            with clock.set_to(self.now):
                await command(self.services, ref, said, _engineer(0))

        return act


_ON: Final = HandOff(text="Somebody else knows more of this")
_SOLVED: Final = Say(text="It works again")


def _engineer(number: int) -> Actor:
    return Actor(email=f"engineer-{number}@foobar.example", channel="cli")


# As text


def told(name: str, outcome: Outcome) -> str:
    """One outcome for a person."""
    rate = outcome.opened / outcome.seconds
    quiet = f", {outcome.quiet_seconds:.1f} s until the desk was quiet" if outcome.quiet_seconds is not None else ""
    days = f" in {outcome.days} days on {outcome.servers} servers" if outcome.days is not None else ""
    return (
        f"{name}: {outcome.opened} cases{days}, lost {outcome.lost}, twice {outcome.twice}; "
        f"given to somebody {outcome.given} times by a desk of {outcome.runs} runs; "
        f"{outcome.seconds:.1f} s in all ({rate:.1f} a second), {outcome.opening_seconds:.1f} s of it for opening"
        f"{quiet}"
    )


async def measure(asked: argparse.Namespace) -> dict[str, Outcome]:
    """Both, or one."""
    found = {}
    if asked.burst:
        found[f"a burst of {asked.burst}"] = await burst(asked.burst)
    if asked.cases:
        found[f"{asked.days} days"] = await year(
            asked.cases,
            asked.days,
            turnover=asked.turnover,
            moves=asked.moves,
            seconds=asked.minutes * 60,
            tell=_say,
        )
    # See starters/cli/common.py: without a pause, short programs crash at exit.
    await asyncio.sleep(0.02)
    return found


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.desk", description=__doc__)
    parser.add_argument("--burst", type=int, default=1_000, help="cases opened at once; 0 for none")
    parser.add_argument("--cases", type=int, default=20_000, help="cases in the simulated year; 0 for none")
    parser.add_argument("--days", type=int, default=365, help="how long the year is")
    parser.add_argument("--turnover", type=int, default=1_000, help="after how many signals the desk continues as new")
    parser.add_argument("--moves", type=int, default=14, help="after how many days a fresh server takes over")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after how long no further day begins")
    parser.add_argument("--json", action="store_true", help="print every figure as one JSON document")
    asked = parser.parse_args()
    logging.getLogger("temporalio.core").setLevel("ERROR")
    found = asyncio.run(measure(asked))
    if asked.json:
        print(json.dumps({name: asdict(outcome) for name, outcome in found.items()}))
    else:
        print("\n".join(told(name, outcome) for name, outcome in found.items()))
    sys.exit(any(outcome.lost or outcome.twice for outcome in found.values()))


if __name__ == "__main__":
    main()
