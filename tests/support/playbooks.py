"""Shorter playbooks for tests: some steps of the shipped ones, as they stand there."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

KICKOFF = "kickoff"
"""The playbook that ends with the kickoff; the example account follows it in tests."""


def excerpt(name: str, *steps: str, of: str = "enterprise") -> str:
    """A playbook of some steps of a shipped one. What they wait for outside of it is left out, and so are offsets."""
    head, *tables = files("rapport.playbooks").joinpath(f"{of}.toml").read_text().split("[[steps]]\n")
    wanted = [table for table in tables if table.partition('name = "')[2].partition('"')[0] in steps]
    kept = [re.sub(r"^(after|offset|merged_into) = .*\n", "", table, flags=re.MULTILINE) for table in wanted]
    return "[[steps]]\n".join([head.replace(f'name = "{of}"', f'name = "{name}"'), *kept])


def put(data: Path, name: str, *steps: str) -> str:
    """Make a playbook of an installation's own; give its name."""
    folder = data / "playbooks"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(excerpt(name, *steps))
    return name
