"""What a command loads before it does anything; `python -m bench.start` says what that takes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from starters import flows

NOT_TO_READ = (
    *("workflows", "activities", "worker", "temporalio.worker"),
    *("rapport.mail.compose", "markdown_it", "jinja2", "icalendar", "css_inline"),
    *("httpx", "fastapi", "alembic", "holidays", "sqlalchemy.dialects.postgresql"),
)
"""What decides, works, writes mails, asks calendars, serves, migrates or speaks to PostgreSQL: none of it reads."""

PROGRAM = """
import json, sys
from starters.cli.main import loaded
for name in sys.argv[1:]:
    loaded(name)
print(json.dumps(sorted(sys.modules)))
"""


def test_what_only_reads_loads_nothing_else() -> None:
    """What reads is there without workflows, activities, and what writes mails or serves pages."""
    command = [sys.executable, "-c", PROGRAM, "inbox", "portfolio", "audit", "timeline", "case", "desk"]
    there = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert "rapport.storage.task" in there
    assert [name for name in NOT_TO_READ if name in there] == []


def test_a_use_case_finds_every_workflow_that_it_names() -> None:
    """What `flows` says that there is, it has; of anything else it says so as every module does."""
    flows.load()
    with pytest.raises(AttributeError, match="Nothing"):
        flows.Nothing  # type: ignore[attr-defined]  # noqa: B018
