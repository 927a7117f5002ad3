"""`uv run python -m bench`: goals 1 to 4 of speed, as ratios within one run. See bench/README.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench import product
from bench.arithmetic import end_to_end, spread
from bench.sink import Stalled

Round = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        burst: Onboardings in a burst, of the floor and of the product.
        large: Onboardings in the large burst of goal 2.
        events: How many events, at `rate` a second.
        welcomes: Onboardings of the example account.
        rounds: How often floor and product take turns, each on a fresh server.
    """

    burst: int = 300
    large: int = 1500
    events: int = 200
    rate: float = 10.0
    welcomes: int = 60
    rounds: int = 2


QUICK = Size()
FULL = Size(burst=500, large=5000, events=600, welcomes=150, rounds=3)


@dataclass(frozen=True)
class Goal:
    """One line of the result. A ratio is reached if it is at least, or for durations at most, what the goal says."""

    figure: str
    measured: str
    ratio: float
    goal: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether the goal is met."""
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


async def floor(size: Size) -> Round:
    """The floor, in a process of its own."""
    arguments = [str(size.burst), str(size.events), str(size.rate)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.floor", *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the floor could not be measured")
    result: Round = json.loads(out)
    return result


async def rapport(size: Size) -> Round:
    """The product, twice on a fresh server: the Onboard-N shape with events, and the example account."""
    async with product.running() as installed:
        result = await installed.burst(size.burst, "burst")
        result["events"] = await installed.events(size.events, size.rate)
    async with product.running() as installed:
        result["welcomes"] = await installed.welcomes(size.welcomes)
    return result


async def large(size: Size) -> dict[str, float]:
    """First mails a second in a large burst and in one of the usual size, each on a fresh server; 0 if one stalls."""
    rates = {}
    for name, count in (("small", size.burst), ("large", size.large)):
        async with product.running() as installed:
            try:
                took, _ = await installed.first([f"{name}-{index}" for index in range(count)])
            except Stalled as stall:
                _say(f"the {name} burst stalled: {stall}")
                rates[name] = 0.0
            else:
                rates[name] = count / took
    return rates


async def measure(size: Size) -> dict[str, Any]:
    """All rounds, floor and product in turns, then the large burst."""
    floors, rounds = [], []
    for number in range(size.rounds):
        _say(f"round {number + 1} of {size.rounds}: the floor")
        floors.append(await floor(size))
        _say(f"round {number + 1} of {size.rounds}: Rapport")
        rounds.append(await rapport(size))
    _say(f"a burst of {size.large}")
    result: dict[str, Any] = {"size": asdict(size), "floor": floors, "product": rounds, "large": await large(size)}
    result["load_average"] = os.getloadavg()
    # See starters/cli/common.py: without a pause, short programs crash at exit.
    await asyncio.sleep(0.02)
    return result


def goals(result: dict[str, Any]) -> list[Goal]:
    """What the rounds say of each goal: the median over the rounds."""
    floors, rounds, size = result["floor"], result["product"], result["size"]
    ends = [(_whole(ours), _whole(bare)) for ours, bare in zip(rounds, floors, strict=True)]
    share, low, high = spread([ours / bare for ours, bare in ends])
    found = [
        Goal(
            f"1. Onboard-{size['burst']} against the floor",
            f"{median(ours for ours, _ in ends):.1f} of {median(bare for _, bare in ends):.1f} e2e/s"
            f" (rounds {low:.0%} to {high:.0%})",
            share,
            0.70,
        ),
        Goal(
            f"2. first mails, {size['large']} against {size['burst']}",
            f"{result['large']['large']:.1f} of {result['large']['small']:.1f} mails/s",
            result["large"]["large"] / result["large"]["small"],
            0.85,
        ),
    ]
    bare = median(one["events"]["p50"] for one in floors)
    for name, goal in (("p50", 2.0), ("p99", 5.0)):
        ours = median(one["events"][name] for one in rounds)
        found.append(
            Goal(
                f"3. event → mail at {size['rate']:g}/s, {name}",
                f"{1000 * ours:.1f} ms against {1000 * bare:.1f} ms",
                ours / bare,
                goal,
                at_most=True,
            )
        )
    mails = [(one["welcomes"]["rate"], one["first"]) for one in rounds]
    found.append(
        Goal(
            "4. welcomes of the example, a mail",
            f"{median(rate for rate, _ in mails):.1f} of {median(first for _, first in mails):.1f} mails/s",
            median(rate / first for rate, first in mails),
            0.60,
        )
    )
    return found


def _whole(one: Round) -> float:
    return end_to_end(one["first"], one["second"])


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    rows: list[tuple[str, ...]] = [("figure", "measured", "ratio", "goal", "")]
    for goal in goals(result):
        sign = "≤" if goal.at_most else "≥"
        words = "reached" if goal.reached else "not reached"
        rows.append((goal.figure, goal.measured, f"{goal.ratio:.2f}", f"{sign} {goal.goal:.2f}", words))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", "CPU milliseconds for each onboarding (median of the rounds):"]
    for name, key in (("the floor", "floor"), ("Rapport", "product")):
        for half in ("first", "second"):
            costs = [one[f"{half}_cost"] for one in result[key]]
            server, ours = (median(cost[f"{part}_ms"] for cost in costs) for part in ("server", "ours"))
            rate = median(one[half] for one in result[key])
            lines.append(f"  {name}, {half} half: server {server:.1f}, our process {ours:.1f}; {rate:.1f} a second")
    load = ", ".join(f"{value:.2f}" for value in result["load_average"])
    lines += [
        "",
        f"Load average at the end: {load}. What else runs on this machine shifts floor and product alike, not equally.",
    ]
    return "\n".join(lines)


def _say(words: str) -> None:
    print(f"… {words}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="500 and 5,000 onboardings, three rounds; half an hour")
    parser.add_argument("--json", action="store_true", help="print every figure as one JSON document")
    parser.add_argument("--rounds", type=int, help="how often floor and product take turns")
    parser.add_argument("--burst", type=int, help="onboardings in a burst")
    parser.add_argument("--large", type=int, help="onboardings in goal 2's large burst")
    asked = parser.parse_args()
    size = FULL if asked.full else QUICK
    said = {name: value for name in ("rounds", "burst", "large") if (value := getattr(asked, name)) is not None}
    with tempfile.TemporaryDirectory(prefix="rapport-bench-code-") as compiled:
        # A sandboxed workflow imports its modules anew for each run. Installed code is compiled; this must be, too.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        result = asyncio.run(measure(Size(**asdict(size) | said)))
    if asked.json:
        print(json.dumps(result | {"goals": [asdict(goal) | {"reached": goal.reached} for goal in goals(result)]}))
    else:
        print(table(result))


if __name__ == "__main__":
    main()
