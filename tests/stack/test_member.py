"""`rapport member …` and `rapport absence …` as a user types them, beside an installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stack.test_demo import asked, rapport

MEMBERS = str(ROOT / "examples" / "members.toml")
NOOR, SAMIRA = "noor.haddad@foobar.example", "samira.lund@foobar.example"
WEEK = ("--from", "2090-07-03", "--until", "2090-07-07")


def test_members_come_in_are_away_and_leave_on_the_command_line(data: Path) -> None:
    """Each command prints one document with --json, a table without, and they tell one story."""
    imported = asked(data, "member", "import", MEMBERS)
    assert [line["name"] for line in imported] == ["Kofi Mensah", "Noor Haddad", "Samira Lund"]
    assert len(asked(data, "member", "list")) == 10
    absence = asked(data, "absence", "add", NOOR, *WEEK, "--reason", "Holiday", "--as", NOOR)
    assert (absence["state"], absence["starts"]) == ("ahead", "2090-07-02T22:00:00Z")
    assert absence["delegate"] == "kofi.mensah@foobar.example"
    assert asked(data, "absence", "list") == asked(data, "absence", "list", NOOR) == [absence]
    assert asked(data, "member", "show", NOOR)["absences"] == [absence]
    for words in (("absence", "list"), ("member", "list"), ("member", "show", NOOR)):
        assert "Noor Haddad" in rapport(data, *words).stdout
    assert asked(data, "absence", "end", absence["id"], "--as", SAMIRA)["state"] == "withdrawn"
    assert "no absence lies ahead" in rapport(data, "absence", "list").stdout
    leave = ("member", "leave", NOOR, "--reason", "Moved away", "--as", SAMIRA)
    assert "ask one of: administrator" in rapport(data, *leave).stderr
    asked(data, "access", "grant", SAMIRA, "--reason", "She looks after members")
    left = asked(data, *leave)
    assert left["left_at"]
    assert "left" in rapport(data, "member", "list").stdout


@pytest.mark.parametrize(
    ("words", "code", "field"),
    [
        (("member", "show", "nobody@foobar.example"), 3, "member"),
        (("member", "import", "nowhere.toml"), 3, "nowhere.toml"),
        (("member", "leave", SAMIRA, "--reason", " ", "--as", SAMIRA), 2, "reason"),
        (("absence", "add", SAMIRA, "--from", "soon", "--until", "2090-07-07", "--as", SAMIRA), 2, "from"),
        (("absence", "add", SAMIRA, "--from", "2001-01-01", "--until", "2001-01-02", "--as", SAMIRA), 2, "until"),
        (("absence", "add", SAMIRA, *WEEK), 2, "--as"),
        (("absence", "add", SAMIRA, *WEEK, "--as", "kofi.mensah@foobar.example"), 2, "--as"),
        (("absence", "end", "a_0", "--as", SAMIRA), 3, "id"),
    ],
)
def test_what_is_refused_on_the_command_line_names_its_field(
    data: Path, words: tuple[str, ...], code: int, field: str
) -> None:
    """A refusal has its exit code, one clear line, and the field in its JSON."""
    asked(data, "member", "import", MEMBERS)
    done = rapport(data, *words, "--json")
    assert done.exit_code == code, done.output
    error = json.loads(done.stdout)["error"]
    assert (error["field"], bool(error["fix"])) == (field, True)
    assert "Traceback" not in done.stderr
