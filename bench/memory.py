"""`uv run python -m bench.memory`: what an account that waits costs a worker and the server. See bench/README.md."""

from __future__ import annotations

import argparse
import asyncio

from bench import product
from bench.processes import resident


async def measure(counts: list[int]) -> None:
    """Start onboardings of the Onboard-N shape, let each wait for its draft, and print what that took.

    Args:
        counts: How many are started before each look.
    """
    async with product.running("--workers", "1") as installed:
        pids, waiting = (*installed.workers, installed.server), 0
        before = [resident(pid) for pid in pids]
        print("waiting  our process    each   server    each")
        for number, count in enumerate(counts):
            names = [f"memory-{number}-{index}" for index in range(count)]
            await installed.first(names)
            await installed.drafted(names)
            after, waiting = [resident(pid) for pid in pids], waiting + count
            grown = [(now - then) / count / 1024 for now, then in zip(after, before, strict=True)]
            ours, server = (size / 1024**2 for size in after)
            print(f"{waiting:7}  {ours:8.0f} MB {grown[0]:4.0f} KB  {server:4.0f} MB {grown[1]:4.0f} KB", flush=True)
            before = after
    # See starters/cli/common.py: without a pause, short programs crash at exit.
    await asyncio.sleep(0.02)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--thousands", type=int, default=4, help="how many thousand accounts; two minutes for four")
    asyncio.run(measure([1000] * parser.parse_args().thousands))


if __name__ == "__main__":
    main()
