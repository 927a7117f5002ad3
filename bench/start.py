"""`uv run python -m bench.start`: what a command takes before it does anything. See bench/README.md."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROUNDS = 9
RAPPORT = str(Path(sys.executable).with_name("rapport"))
COMMANDS = (
    (sys.executable, "-c", "pass"),
    (RAPPORT, "--help"),
    (RAPPORT, "portfolio", "--help"),
    (RAPPORT, "inbox"),
    (RAPPORT, "audit", "verify"),
)
"""Python itself, and what only reads; the directory is empty, so that none does more than load what it needs."""


def seconds(command: tuple[str, ...], data: str) -> float:
    """The processor's seconds that a command takes, of the user and of the system."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAPPORT_", "TEMPORAL_", "PYTHON"))
    }
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env={**kept, "RAPPORT_DATA": data}, stdout=quiet, stderr=quiet)
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Let the commands take turns, and print the median of each and its multiple of Python's own."""
    with tempfile.TemporaryDirectory() as data:
        rounds = [[seconds(command, data) for command in COMMANDS] for _ in range(ROUNDS)]
    floor, *_ = medians = [median(each) for each in zip(*rounds, strict=True)]
    for command, middle in zip(COMMANDS, medians, strict=True):
        said = " ".join((Path(command[0]).name, *command[1:]))
        print(f"{said:<24} {middle:5.2f} s  {middle / floor:5.1f} times")


if __name__ == "__main__":
    main()
