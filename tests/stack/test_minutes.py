"""Minutes, blockers and actions as a user types them, beside an installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import CHAMPION, ROOT, TAM
from tests.stack.test_demo import asked, rapport

FILE = str(ROOT / "examples" / "minutes.toml")
AS = ("--as", TAM.email)
MEETING = ("versayce", "kickoff")
NEW = ("--title", "The firewall lets nothing through", "--owner", CHAMPION, "--next-check", "2026-01-02")


def test_a_blocker_is_noted_looked_at_and_removed_on_the_command_line(data: Path) -> None:
    """Each command prints one document with --json, a table without, and they tell one story."""
    added = asked(data, "blocker", "add", "versayce", *NEW, *AS)
    assert (added["owner"], added["overdue"]) == ("Luca Bianchi", True)
    assert asked(data, "blocker", "list") == asked(data, "blocker", "list", "versayce") == [added]
    assert "overdue" in rapport(data, "blocker", "list").stdout
    later = asked(data, "blocker", "check", added["id"], "--next-check", "2090-01-02", "--note", "Soon", *AS)
    assert (later["next_check"], later["overdue"]) == ("2090-01-02", False)
    removed = rapport(data, "blocker", "remove", added["id"], "--reason", "The rule [is] in", *AS)
    assert "The rule [is] in" in " ".join(removed.stdout.split())
    assert "Nothing holds anybody up" in rapport(data, "blocker", "list").stdout
    assert [one["removed_by"] for one in asked(data, "blocker", "list", "--all")] == ["Robin Keller"]
    assert "Nobody has promised anything" in rapport(data, "action", "list").stdout
    assert asked(data, "action", "list", "versayce") == []
    assert [entry["kind"] for entry in asked(data, "timeline", "versayce") if entry["kind"].startswith("blocker")] == [
        "blocker.raised",
        "blocker.checked",
        "blocker.removed",
    ]


@pytest.mark.parametrize(
    ("words", "code", "field"),
    [
        (("meeting", "held", *MEETING, "--file", FILE, *AS), 4, ""),
        (("meeting", "minutes", *MEETING, "--file", FILE, *AS), 4, "step"),
        (("meeting", "held", *MEETING, "--file", FILE, "--note", "x", *AS), 2, "--file"),
        (("meeting", "held", *MEETING, "--file", "nowhere.toml", *AS), 3, "nowhere.toml"),
        (("meeting", "held", *MEETING, "--attended", "x@y.example", *AS), 2, "attended[0]"),
        (("meeting", "held", *MEETING, "--action", "Send it", *AS), 2, "--action"),
        (("meeting", "held", *MEETING, "--action", f"Send it; {CHAMPION}; soon", *AS), 2, "actions[0].due"),
        (("meeting", "held", *MEETING, "--agreed", "training; 2090-01-10T10:00", *AS), 2, "agreed[0].step"),
        (("meeting", "minutes", "versayce", "nothing", *AS), 3, "step"),
        (("blocker", "add", "versayce", *NEW), 2, "--as"),
        (("blocker", "add", "nobody", *NEW, *AS), 3, "account"),
        (("blocker", "check", "b_0", "--next-check", "2090-01-02", *AS), 3, "id"),
        (("blocker", "remove", "b_0", "--reason", " ", *AS), 2, "reason"),
        (("action", "done", "a_0", *AS), 3, "id"),
    ],
)
def test_what_is_refused_on_the_command_line_names_its_field(
    data: Path, words: tuple[str, ...], code: int, field: str
) -> None:
    """A refusal has its exit code, one clear line, and the field in its JSON."""
    done = rapport(data, *words, "--json")
    assert done.exit_code == code, done.output
    error = json.loads(done.stdout)["error"]
    assert error["field"] == field
    assert error["problem"]
    assert "Traceback" not in done.stderr
