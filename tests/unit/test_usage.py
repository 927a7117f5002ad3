"""What is typed wrong: told in the words and with the exit code of every other refusal."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from rapport.model.base import Refused
from starters.cli.exits import EXIT, MEANING
from starters.cli.main import app
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            "portfolio --jsno",
            "--jsno: isn't an option of `rapport portfolio` (did you mean --json? `rapport portfolio -h` lists all)",
        ),
        (
            "onboarding start a.toml --playbok x",
            "--playbok: isn't an option of `rapport onboarding start` (did you mean --playbook?",
        ),
        ("--nonsense", "--nonsense: isn't an option of `rapport` (see `rapport -h`)"),
        ("portfolo", "no such command 'portfolo' (did you mean portfolio? `rapport -h` lists all)"),
        ("task shwo x", "no such command 'shwo' (did you mean show? `rapport task -h` lists all)"),
        ("task show", "missing argument 'TASK' (see `rapport task show -h`)"),
        ("portfolio extra", "got unexpected extra argument"),
        ("simulate x --days many", "invalid value for '--days'"),
    ],
)
def test_what_is_typed_wrong_is_one_line_and_exit_code_2(typed: str, told: str) -> None:
    """No box, no second voice: what is wrong, what was meant, and where to look it up."""
    found = CliRunner().invoke(app, typed.split(), prog_name="rapport")
    assert (found.exit_code, found.stdout) == (2, "")
    (line,) = found.stderr.splitlines()
    assert line.startswith("✗ ")
    assert told in line


def test_a_program_reads_what_was_typed_wrong() -> None:
    """With --json it is the same document as for every other refusal."""
    found = CliRunner().invoke(app, ["portfolio", "--jsno", "--json"], prog_name="rapport")
    assert found.exit_code == 2
    assert json.loads(found.stdout)["error"]["field"] == "--jsno"


def test_a_noun_alone_gives_its_help() -> None:
    """A noun without a verb is a question, and is answered with its commands."""
    assert "decide" in CliRunner().invoke(app, ["task"], prog_name="rapport").output


def test_the_manual_has_the_one_table_of_exit_codes() -> None:
    """What the manual says of each code is what commands go by, for every kind of refusal, and it says no other."""
    manual = (ROOT / "docs" / "operating.md").read_text()
    section = manual.partition("## Exit codes\n")[2].partition("\n## ")[0]
    assert {
        int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+) \|$", section, re.MULTILINE)
    } == MEANING
    assert {*EXIT} == {*Refused}
    assert {*EXIT.values()} == {*MEANING} - {0}
