"""`rapport inbox` and `rapport task …` as a user types them, beside an installation."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.conftest import ROOT, TAM
from tests.stack.test_demo import asked, rapport, wait_for
from tests.support.beside import beside

INES = "ines.moreau@foobar.example"
TASK = "northwind/onsite_approval"
ID = f"task/{TASK}/1"
SAID = ("--reason", "Three teams [in one building]", "--cost", "2000 CHF", "--say", "dates=7 to 9 December")


@pytest.fixture(scope="module")
def data(dev_server: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation with a second, larger account, whose onsite kickoff the TAM may ask for."""
    folder = tmp_path_factory.mktemp("tasks")
    text = (ROOT / "examples" / "versayce.toml").read_text().replace('"versayce"', '"northwind"')
    text = text.replace("VERSAYCE-2026-11", "NORTHWIND-1").replace(
        "[account.facts]", "[account.facts]\nlarge_account = true"
    )
    (folder / "northwind.toml").write_text(text)
    with beside(dev_server, folder / "data"):
        asked(folder / "data", "onboarding", "start", str(folder / "northwind.toml"), "--as-new")
        wait_for(lambda: asked(folder / "data", "inbox"), "a task in the inbox")
        yield folder / "data"


def refused(data: Path, *words: str) -> tuple[int, str]:
    """The exit code and the words of a command that is refused."""
    done = rapport(data, *words, "--json")
    assert "Traceback" not in done.stderr
    return done.exit_code, json.loads(done.stdout)["error"]["problem"]


def as_the_inbox_says(data: Path, email: str) -> str:
    """What the command says that somebody's inbox ends with."""
    *_, command = rapport(data, "inbox", "--as", email).stdout.splitlines()
    done = rapport(data, *shlex.split(command)[1:])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def as_printed(data: Path, task: str, words: str) -> list[str]:
    """The one command with these words that a task's own page prints, as it is copied: without a change."""
    lines = rapport(data, "task", "show", task).stdout.splitlines()
    (command,) = [line for line in lines if line.lstrip().startswith("rapport ") and words in line]
    return shlex.split(command)[1:]


def test_a_task_is_asked_for_talked_about_and_decided_on_the_command_line(data: Path) -> None:
    """Inbox, request, question, answer and decision: one document each with --json, a table without, one story."""
    (line,) = asked(data, "inbox", "--as", TAM.email)
    assert (line["task"], line["phase"], line["assignees"]) == (ID, "preparing", [TAM.email])
    assert TASK in rapport(data, "inbox").stdout
    assert "waits for" in rapport(data, "inbox").stdout, "without a name, whom each waits for"
    assert "rapport task request" in as_the_inbox_says(data, TAM.email)
    assert refused(data, "task", "request", TASK, "--reason", "x", "--as", TAM.email) == (2, "is missing")
    assert refused(data, "task", "request", TASK, "--say", "x", "--as", TAM.email) == (2, "has no =")
    assert asked(data, "task", "request", TASK, *SAID, "--as", TAM.email)["accepted"]
    wait_for(lambda: asked(data, "inbox", "--as", INES), "the question before the manager")
    (line,) = asked(data, "inbox", "--as", INES)
    assert {"task", "subject", "question", "options", "assignees", "deadline", "round"} <= line.keys()
    assert "rapport task decide" in as_the_inbox_says(data, INES)
    assert asked(data, "inbox", "--as", TAM.email) == []
    assert [one["task"] for one in asked(data, "inbox", "--asked", "--as", TAM.email)] == [ID]
    assert "You wait for" in rapport(data, "inbox", "--as", TAM.email).stdout
    assert "Three teams [in one building]" in rapport(data, "task", "show", TASK).stdout
    assert asked(data, "task", "ask", TASK, "--question", "Who pays?", "--as", INES)["accepted"]
    assert asked(data, *as_printed(data, TASK, "task answer"))["accepted"]
    wait_for(lambda: asked(data, "task", "show", TASK)["phase"] == "open", "the answer")

    decide = ("task", "decide", TASK, "--as", INES, "--option")
    assert refused(data, *decide, "maybe") == (2, 'there is no answer "maybe"')
    assert refused(data, *decide, "deny") == (2, "Deny needs a reason")
    assert refused(data, "task", "decide", TASK, "--as", "nobody@foobar.example", "--option", "deny")[0] == 2
    own = "you asked for this yourself; somebody else has to decide it"
    assert refused(data, "task", "decide", TASK, "--as", TAM.email, "--option", "approve") == (2, own)
    assert refused(data, "task", "decide", "nowhere/onsite_approval", "--as", INES, "--option", "deny")[0] == 3
    old = rapport(data, *decide, "approve", "--round", "0", "--json")
    assert (old.exit_code, json.loads(old.stdout)["accepted"]) == (4, False)
    done = asked(data, *decide, "deny", "--reason", "Too far")
    assert done == {"accepted": True, "reason": None, "outcome": "deny"}
    wait_for(lambda: asked(data, "task", "show", ID)["phase"] == "closed", "the end")

    code, problem = refused(data, *decide, "approve")
    assert code == 4
    assert "already decided: Deny, by Ines Moreau on" in problem
    shown = asked(data, "task", "show", ID)
    assert [(one["who"], one["option"], one["reason"]) for one in shown["decisions"]] == [
        ("Ines Moreau", "Deny", "Too far")
    ]
    # The late yes has offered the TAM a conversion.
    wait_for(lambda: asked(data, "inbox", "--as", TAM.email), "the offer")
    (offer,) = asked(data, "inbox", "--as", TAM.email)
    assert offer["step"] == "kickoff.conversion"
    assert asked(data, *as_printed(data, offer["task"], "--option leave"))["outcome"] == "leave"
    wait_for(lambda: not asked(data, "inbox"), "an empty inbox")
    assert "No task waits for anybody" in rapport(data, "inbox").stdout
    assert "Too far" in rapport(data, "timeline", "northwind").stdout
    assert asked(data, "audit", "verify", "northwind")["whole"] is True
