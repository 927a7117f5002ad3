"""`rapport review needed | gate` and `rapport gap …` as a user types them, beside an installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.conftest import ROOT, TAM
from tests.stack.test_demo import asked, rapport, wait_for
from tests.support.beside import beside

AS = ("--as", TAM.email)


@pytest.fixture(scope="module")
def data(dev_server: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation, and the file of an account of which more is known."""
    folder = tmp_path_factory.mktemp("around")
    facts = 'on_prem = true\nkey_prospect = true\nair_gapped = true\ndeployment = "docker_compose"'
    text = (ROOT / "examples" / "versayce.toml").read_text().replace("on_prem = true", facts)
    (folder / "known.toml").write_text(text)
    with beside(dev_server, folder / "data"):
        yield folder


def test_what_calls_for_a_review_is_told_with_what_nobody_knows(data: Path) -> None:
    """Before anything is known, what to find out and where to write it; then what applies, why, and the gates."""
    before = asked(data / "data", "review", "needed", "versayce")
    assert before["needed"] == []
    assert {call["scenario"] for call in before["unsure"]} >= {"air_gapped", "compose_batch_changes"}
    assert "`air_gapped` to `[account.facts]`" in rapport(data / "data", "review", "needed", "versayce").stdout
    assert rapport(data / "data", "review", "gate", "versayce", "trial").exit_code == 0

    rapport(data / "data", "account", "import", str(data / "known.toml"))
    after = asked(data / "data", "review", "needed", "versayce")
    assert [call["scenario"] for call in after["needed"]] == ["air_gapped"]
    assert after["needed"][0]["because"] == ["air_gapped"]
    (compose,) = [call for call in after["unsure"] if call["scenario"] == "compose_batch_changes"]
    assert compose["missing"] == ["features"]
    assert "Air-gapped instance" in rapport(data / "data", "review", "needed", "versayce").stdout

    shut = rapport(data / "data", "review", "gate", "versayce", "trial", "--json")
    assert shut.exit_code == 4
    assert json.loads(shut.stdout)["unblock"] == "rapport review submit FILE --as EMAIL"
    assert rapport(data / "data", "review", "gate", "versayce", "production").exit_code == 4
    assert rapport(data / "data", "review", "gate", "versayce", "holiday").exit_code == 2
    assert rapport(data / "data", "review", "gate", "nobody", "trial").exit_code == 3
    assert rapport(data / "data", "review", "needed", "nobody").exit_code == 3


def test_a_wrong_scenario_file_is_told_with_its_line(data: Path) -> None:
    """An installation's own file is refused with the place of the fault, and what to write."""
    own = data / "data" / "reviews.toml"
    own.write_text('[x]\ntitle = "X"\nwhen = ["airgapped"]\nwhy = "x"\nstages = ["pre_trial"]\n')
    refused = rapport(data / "data", "review", "needed", "versayce")
    own.unlink()
    assert refused.exit_code == 2
    assert 'reviews.toml:3: x.when[0]: "airgapped" is no condition' in refused.stderr
    assert "air_gapped" in refused.stderr


def test_a_gap_is_logged_linked_and_followed_on_the_command_line(data: Path) -> None:
    """Log, show, list, link and status: one document each with --json, words without, refusals with their codes."""
    words = ("--title", "Offline licences", "--description", "They cannot reach the licence server.")
    gap = asked(data / "data", "gap", "log", *words, "--account", "versayce", *AS)
    assert gap["ref"] == "GAP-0001"
    wait_for(lambda: asked(data / "data", "gap", "show", "GAP-0001")["delivery"] == "off", "the delivery")
    assert rapport(data / "data", "gap", "log", *words, "--account", "versayce", *AS).exit_code == 4
    linked = asked(data / "data", "gap", "link", "GAP-0001", "--review", "TR-0001", "--case", "CASE-0003", *AS)
    assert (linked["reviews"], linked["cases"]) == (["TR-0001"], ["CASE-0003"])
    to = ("gap", "status", "GAP-0001", "--to", "planned", "--reason", "Next quarter")
    assert rapport(data / "data", *to, *AS).exit_code == 2
    assert asked(data / "data", *to, "--roadmap", "https://road.example/1", *AS)["status"] == "planned"
    assert [one["ref"] for one in asked(data / "data", "gap", "list", "--review", "TR-0001")] == ["GAP-0001"]
    assert asked(data / "data", "gap", "list", "--status", "open") == []
    assert "Offline licences" in rapport(data / "data", "gap", "list").stdout
    assert "no CRM is set up" in rapport(data / "data", "gap", "show", "GAP-0001").stdout
    assert rapport(data / "data", "gap", "show", "GAP-0404").exit_code == 3
    assert rapport(data / "data", "gap", "resend", "GAP-0001").exit_code == 0
