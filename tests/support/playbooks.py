"""Shorter playbooks for tests: some steps of the shipped ones, as they stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

KICKOFF = "kickoff"
"""The playbook that ends with the kickoff; the example account follows it in tests."""


def excerpt(name: str, *steps: str, of: str = "enterprise") -> str:
    """A playbook of some steps of a shipped one. They do not wait for what is left out, nor for days to pass."""
    head, *tables = files("rapport.playbooks").joinpath(f"{of}.toml").read_text().split("[[steps]]\n")
    wanted = [table for table in tables if table.partition('name = "')[2].partition('"')[0] in steps]
    kept = ["\n".join(_within(line, steps) for line in table.split("\n")) for table in wanted]
    return "[[steps]]\n".join([head.replace(f'name = "{of}"', f'name = "{name}"'), *kept])


def _within(line: str, steps: Collection[str]) -> str:
    """A line of a step, without what refers to steps that are left out."""
    field, equals, value = line.partition(" = ")
    if field == "offset":
        return ""
    if not equals or field not in ("after", "merged_into"):
        return line
    named = [other for other in re.findall(r'"([a-z_]+)"', value) if other in steps]
    if field == "merged_into":
        return line if named else ""
    return f"after = {json.dumps(named)}"


def put(data: Path, name: str, *steps: str) -> str:
    """Make a playbook of an installation's own; give its name."""
    folder = data / "playbooks"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(excerpt(name, *steps))
    return name
