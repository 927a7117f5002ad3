"""Data for digests and reviews as a user types it, beside an installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from starters.cli.main import app
from tests.conftest import ROOT, TAM
from tests.stack.test_demo import asked, rapport

ROBIN = ("--as", TAM.email)
ITEM = ("R-1", "--title", "X", "--expected", "soon")
FILES = ROOT / "examples" / "data"


def test_data_comes_in_on_the_command_line(data: Path) -> None:
    """Files and single records come in, are listed as a table and as JSON, and the same again changes nothing."""
    for noun, name in (("usage", "usage"), ("incident", "incidents"), ("project", "projects"), ("win", "wins")):
        words = (noun, "import", "versayce", str(FILES / f"{name}.csv"), *ROBIN)
        first = asked(data, *words)
        assert first["new"] >= 2
        assert asked(data, *words) == {**first, "new": 0, "unchanged": first["new"]}
        assert asked(data, noun, "list", "versayce")
    assert asked(data, "roadmap", "import", str(FILES / "roadmap.csv"), *ROBIN)["new"] == 2
    assert [item["id"] for item in asked(data, "roadmap", "list", "versayce")] == ["R-17", "R-21"]

    one = ("--metric", "data sent", "--unit", "GB", "--day", "2026-11-12", "--value", "12.5")
    assert "1 new." in rapport(data, "usage", "add", "versayce", *one, *ROBIN).stdout
    assert "12.5 GB on 12 Nov" in rapport(data, "usage", "list", "versayce").stdout
    assert asked(data, "usage", "remove", "versayce", "data sent", "--day", "2026-11-12", *ROBIN)["removed"] == 1
    began = ("--title", "Alerts came twice", "--severity", "4", "--began", "2026-11-16T09:10")
    assert asked(data, "incident", "add", "versayce", "INC-2090", *began, *ROBIN)["new"] == 1
    assert "goes on" in rapport(data, "incident", "list", "versayce").stdout
    closed = asked(data, "incident", "close", "versayce", "INC-2090", "--at", "2026-11-16T09:35", *ROBIN)
    assert (closed["began"], closed["ended"]) == ("2026-11-16T08:10:00Z", "2026-11-16T08:35:00Z")
    assert asked(data, "project", "add", "versayce", "P-9", "--title", "Search", *ROBIN)["new"] == 1
    assert asked(data, "win", "add", "versayce", "W-9", "--title", "Fast", "--day", "2026-11-16", *ROBIN)["new"] == 1
    for noun, id_ in (("incident", "INC-2090"), ("project", "P-9"), ("win", "W-9")):
        assert asked(data, noun, "remove", "versayce", id_, *ROBIN)["removed"] == 1
    touching = ("--touches", "versayce=they asked", "--touches", "*=all do")
    item = ("R-30", "--title", "Reports [beta]", "--expected", "2027-Q3", *touching)
    assert asked(data, "roadmap", "add", *item, *ROBIN)["new"] == 1
    assert {one["account"] for one in asked(data, "roadmap", "list") if one["id"] == "R-30"} == {"versayce", "*"}
    assert "[beta]" in rapport(data, "roadmap", "list", "versayce").stdout
    assert asked(data, "roadmap", "remove", "R-30", *ROBIN)["removed"] == 1
    entries = [entry for entry in asked(data, "timeline", "versayce") if entry["kind"].startswith("data.")]
    assert len(entries) == 16


def test_a_pipe_is_as_good_as_a_file(data: Path) -> None:
    """What another program writes comes in by standard input, and its faults are named as such."""

    def piped(text: str) -> tuple[int, dict[str, object]]:
        words = ["win", "import", "versayce", "-", *ROBIN, "--json", "--data", str(data)]
        done = CliRunner().invoke(app, words, input=text, env={"RAPPORT_AS": None})
        return done.exit_code, json.loads(done.stdout)

    assert piped("id,title,day\nW-20,Piped,2026-11-16\n") == (0, {"new": 1, "changed": 0, "unchanged": 0, "removed": 0})
    code, document = piped("id,title,day\nW-21,Piped,yesterday\n")
    assert (code, document["error"]) == (
        2,
        {"field": "standard input line 2: day", "problem": "is not a day", "fix": 'write it as "2026-11-20"'},
    )


@pytest.mark.parametrize(
    ("words", "code", "field"),
    [
        (("usage", "import", "versayce", "nowhere.csv", *ROBIN), 3, "nowhere.csv"),
        (("usage", "import", "versayce", str(FILES / "wins.csv"), *ROBIN), 2, "wins.csv line 1"),
        (("usage", "import", "versayce", str(FILES / "usage.csv")), 2, "--as"),
        (("usage", "import", "nobody", str(FILES / "usage.csv"), *ROBIN), 3, "account"),
        (("usage", "list", "nobody"), 3, "account"),
        (("usage", "remove", "versayce", "nothing", *ROBIN), 3, "metric"),
        (("usage", "remove", "versayce", "nothing", "--day", "soon", *ROBIN), 2, "--day"),
        (("incident", "close", "versayce", "INC-0", *ROBIN), 3, "id"),
        (("win", "add", "versayce", "W 1", "--title", "X", "--day", "2026-11-16", *ROBIN), 2, "id"),
        (("project", "add", "versayce", "P-1", "--title", "X", "--starts", "soon", *ROBIN), 2, "starts"),
        (
            ("roadmap", "add", "R-1", "--title", "X", "--expected", "soon", "--touches", "nobody=y", *ROBIN),
            2,
            "account",
        ),
        (
            ("roadmap", "add", "R-1", "--title", "X", "--expected", "soon", "--touches", "versayce", *ROBIN),
            2,
            "touches",
        ),
    ],
)
def test_what_is_refused_on_the_command_line_names_its_field(
    data: Path, words: tuple[str, ...], code: int, field: str
) -> None:
    """A refusal has its exit code, one clear line, and the field in its JSON."""
    done = rapport(data, *words, "--json")
    assert done.exit_code == code, done.output
    error = json.loads(done.stdout)["error"]
    assert (error["field"], bool(error["fix"])) == (field, True)
    assert "Traceback" not in done.stderr
