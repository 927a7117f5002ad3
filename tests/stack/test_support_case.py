"""`rapport case …` and `rapport desk …` as a user types them, beside an installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stack.test_demo import asked, rapport, wait_for

LEAD, TAM = "priya.raman@foobar.example", "robin.keller@foobar.example"


def test_a_case_is_logged_from_the_phone_and_lived_through_on_the_command_line(data: Path) -> None:
    """Two words and a sentence are enough for a number; each command prints one document, and they tell one story."""
    asks = ("case", "open", "versayce", "--phone", "-q", "Rotating fails", "--key", "ticket-7", "--as", LEAD)
    opened = asked(data, *asks)
    assert (opened["created"], opened["ref"]) == (True, "C-00001")
    assert asked(data, *asks) == {**opened, "created": False, "joined": True}
    assert asked(data, "desk", "status")["live"]
    for words in (
        ("classify", "--severity", "2", "--area", "api"),
        ("note", "--text", "Look at the proxy"),
        ("answer", "--text", "Use the second button."),
        ("wait-customer", "--text", "Which version?"),
        ("customer-said", "--text", "4.2"),
        ("resolve", "--text", "So."),
    ):
        done = asked(data, "case", words[0], "C-00001", *words[1:], "--as", LEAD)
        assert done["accepted"], done
    said = ["classify", "note", "answer", "wait_customer", "customer_said", "resolve"]
    wait_for(
        lambda: [line["kind"] for line in asked(data, "case", "show", "C-00001")["log"]] == said, "all to be on record"
    )
    shown = asked(data, "case", "show", "C-00001")
    assert (shown["severity"], shown["area"], shown["channel"]) == (2, "api", "phone")
    assert "Rotating fails" in rapport(data, "case", "show", "C-00001").stdout
    assert "C-00001" in rapport(data, "case", "list", "--all").stdout
    asked(data, "case", "reopen", "C-00001", "--text", "It is back", "--as", TAM)
    wait_for(lambda: [line["ref"] for line in asked(data, "case", "list")] == ["C-00001"], "the case to be open again")
    draft = data / "review.toml"
    asked(data, "case", "to-review", "C-00001", "--text", "Is it supported?", "--out", str(draft), "--as", TAM)
    assert 'account = "versayce"' in draft.read_text()


def test_what_is_broken_now_and_what_the_product_lacks_are_on_the_case(data: Path) -> None:
    """Triage says the command, and with --confirm the case's number; a gap logged from it stands on the case."""
    matter = ("review", "triage", "versayce", "--kind", "broken_now", "--what", "Nothing reaches it", "--as", TAM)
    assert "--what 'Nothing reaches it' --confirm" in rapport(data, *matter).stdout
    ref = asked(data, *matter, "--confirm", "--severity", "1")["case"]
    assert asked(data, "case", "show", ref)["severity"] == 1
    assert f"{ref} is open" not in rapport(data, *matter).stdout
    refused = rapport(data, *matter[:4], "wish", *matter[5:], "--confirm", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["field"]) == (2, "confirm")
    gap = ("--title", "Queue", "--description", "It waits nowhere.", "--case", ref)
    logged = asked(data, "gap", "log", *gap, "--as", TAM)
    shown = rapport(data, "case", "show", ref).stdout
    assert f"product gap: {logged['ref']}, open" in shown
    assert "logged a product gap" in shown
    assert ref in rapport(data, "portfolio").stdout


@pytest.mark.parametrize(
    ("words", "code", "field"),
    [
        (("show", "C-99999"), 3, "ref"),
        (("open", "nobody", "-q", "Why?", "--as", LEAD), 3, "account"),
        (("open", "versayce", "-q", "", "--as", LEAD), 2, "question"),
        (("open", "versayce", "-q", "Why?", "--severity", "9", "--as", LEAD), 2, "severity"),
        (("open", "versayce", "-q", "Why?", "--area", "moon", "--as", LEAD), 2, "area"),
        (("open", "versayce", "-q", "Why?", "--contact", "x@y.example", "--as", LEAD), 2, "contact"),
        (("open", "versayce", "-q", "Why?", "--as", "elena.fischer@foobar.example"), 2, "--as"),
        (("open", "versayce", "-q", "@nowhere.txt", "--as", LEAD), 2, "nowhere.txt"),
        (("answer", "C-99999", "--text", "So", "--as", LEAD), 3, "ref"),
        (("escalate", "C-99999", "--tried", "All", "--as", LEAD), 2, "reproduction"),
    ],
)
def test_what_is_refused_names_its_field(data: Path, words: tuple[str, ...], code: int, field: str) -> None:
    """A refusal has its exit code, one clear line, and the field in its JSON; it opens nothing."""
    done = rapport(data, "case", *words, "--json")
    assert done.exit_code == code, done.output
    error = json.loads(done.stdout)["error"]
    assert (error["field"], bool(error["fix"])) == (field, True)
    assert "Traceback" not in done.stderr
