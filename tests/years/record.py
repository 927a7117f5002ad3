"""Live a year by each playbook and write down what happens: `uv run python -m tests.years.record [PLAYBOOK …]`.

Run it when something of a year is meant to change, and read the difference: every mail, meeting and decision is a line.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rapport.model.account import AccountFile
from rapport.model.reading import read_toml
from rapport.playbooks import shipped
from starters.simulate import simulate
from starters.simulate.scenarios import SCENARIOS
from starters.simulate.sources import of_file
from starters.simulate.year import Year, written
from tests.years.scenarios import ALL, OWN

YEARS: Final = Path(__file__).parent
EXAMPLE: Final = YEARS.parent.parent / "examples" / "versayce.toml"
BEGINS: Final = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
DAYS: Final = 400
_HEAD: Final = "=== "
NAMES: Final = [
    *((playbook, scenario) for playbook in shipped() for scenario in SCENARIOS),
    *(("enterprise", scenario) for scenario in OWN),
]


def path_of(playbook: str) -> Path:
    """Where a playbook's years are written down, each under its scenario: a change touches one file."""
    return YEARS / f"{playbook}.txt"


def recorded(playbook: str, scenario: str) -> list[str]:
    """The lines of a year as it was written down; none if it never was."""
    years = path_of(playbook).read_text().split(_HEAD) if path_of(playbook).exists() else []
    found = (year.splitlines() for year in years)
    return next((lines[1:] for lines in found if lines[:1] == [scenario]), [])


async def lived(playbook: str, scenario: str, days: int = DAYS, example: Path = EXAMPLE) -> Year:
    """An example account's first days by a playbook."""
    file = read_toml(AccountFile, example.read_bytes(), example.name)
    source = of_file(file, YEARS / "no playbooks", playbook)
    return await simulate(source, days=days, scenario=ALL[scenario](), begins=BEGINS)


async def _record(playbooks: Sequence[str]) -> None:
    for playbook in playbooks:
        years = []
        for scenario in (scenario for of, scenario in NAMES if of == playbook):
            year = await lived(playbook, scenario)
            years.append("\n".join([f"{_HEAD}{scenario}", *written(year)]) + "\n")
            sys.stdout.write(f"{playbook}, {scenario}: {len(year.lines)} lines\n")
        path_of(playbook).write_text("".join(years))
    # See starters/cli/common.py: without a pause, short programs crash at exit.
    await asyncio.sleep(0.02)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="just years", description=__doc__)
    parser.add_argument("playbooks", nargs="*", help="whose years to live, by name; by default all of them")
    asked = parser.parse_args().playbooks
    if strange := set(asked) - set(shipped()):
        parser.error(f"no such playbook: {', '.join(sorted(strange))}; there are {', '.join(shipped())}")
    asyncio.run(_record(asked or shipped()))
