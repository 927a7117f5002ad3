"""`rapport cadence …` as a user types it, beside an installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.conftest import ROOT, TAM
from tests.stack.test_demo import asked, rapport, wait_for
from tests.support.beside import beside
from tests.support.cadence import HEAD, QBR, WEEKLY


@pytest.fixture(scope="module")
def data(dev_server: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation with a second account, for which nothing happens but what recurs."""
    folder = tmp_path_factory.mktemp("cadence")
    text = (ROOT / "examples" / "versayce.toml").read_text().replace('"versayce"', '"northwind"')
    text = text.replace("VERSAYCE-2026-11", "NORTHWIND-1").replace('playbook = "enterprise"', 'playbook = "rhythm"')
    (folder / "northwind.toml").write_text(text)
    (folder / "data" / "playbooks").mkdir(parents=True)
    (folder / "data" / "playbooks" / "rhythm.toml").write_text(HEAD + WEEKLY + QBR)
    with beside(dev_server, folder / "data"):
        asked(folder / "data", "onboarding", "start", str(folder / "northwind.toml"), "--as-new")
        wait_for(lambda: dates(folder / "data"), "the dates of the weekly")
        yield folder / "data"


def dates(data: Path) -> list[str]:
    """The dates of the weekly that are still on."""
    done = rapport(data, "cadence", "show", "northwind", "--json")
    if done.exit_code != 0:
        return []
    weekly = json.loads(done.stdout)["rhythms"][0]
    return [one["day"] for one in weekly["dates"] if one["off"] is None]


def test_the_rhythm_is_seen_set_and_changed_on_the_command_line(data: Path) -> None:
    """Show, set, move and skip: one document each with --json, words without, and refusals with their exit codes."""
    assert "Weekly sync" in rapport(data, "cadence", "show", "northwind").stdout
    assert rapport(data, "cadence", "show", "nobody").exit_code == 3
    as_ = ("--as", TAM.email)
    set_ = asked(data, "cadence", "set", "northwind", "weekly", "--day", "wed", "--at", "14:00", *as_)
    assert set_["outcome"] == "set"
    wait_for(lambda: "Wednesdays 14:00" in rapport(data, "cadence", "show", "northwind").stdout, "the new time")
    first, second = dates(data)[:2]
    assert "told" in rapport(data, "cadence", "skip", "northwind", "weekly", second, *as_).stdout
    assert second not in dates(data)
    moved = asked(data, "cadence", "move", "northwind", "weekly", first, "--start", f"{first}T15:30", *as_)
    assert moved["outcome"] == "moved"
    assert rapport(data, "cadence", "skip", "northwind", "weekly", second, *as_).exit_code == 4
    assert rapport(data, "cadence", "skip", "northwind", "weekly", "soon", *as_).exit_code == 2
    assert rapport(data, "cadence", "set", "northwind", "weekly", "--day", "x", "--at", "9:00", *as_).exit_code == 2
    assert rapport(data, "cadence", "report", "northwind", "weekly", first, *as_).exit_code == 4
    fortnightly = (HEAD + WEEKLY.replace('"1 week"', '"2 weeks"')).replace('"rhythm"', '"fortnights"', 1)
    (data / "playbooks" / "fortnights.toml").write_text(fortnightly)
    diff = ("playbook", "diff", "rhythm", "fortnights", "--account", "northwind")
    said = rapport(data, *diff).stdout
    assert "~ weekly recurs by its new definition; everyone is invited anew, at the time that there is" in said
    assert "- qbr does not recur any more" in said
    assert asked(data, *diff)["rhythms"]["removed"] == ["qbr"]
    adopt = ("onboarding", "adopt", "northwind", "fortnights", "--reason", "fewer meetings", *as_)
    assert asked(data, *adopt)["outcome"] == "adopted"
    wait_for(lambda: "Everything recurs as before." in rapport(data, *diff).stdout, "the other playbook")
    told = [entry["kind"] for entry in asked(data, "timeline", "northwind")]
    assert {"sync.begun", "sync.set", "sync.changed", "sync.skipped", "sync.moved"} <= set(told)
