"""The embedded stack as a user has it: `rapport demo` in a process of its own, asked by other commands."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from bench.processes import children_named
from starters.cli.main import app
from tests.conftest import ROOT, free_port

pytestmark = pytest.mark.long


LIMIT = 60.0
RAPPORT = str(Path(sys.executable).parent / "rapport")
ANY_PORT = ("--http-port", "0", "--temporal-port", "0", "--ui-port", "0", "--smtp-port", "0")


def environment(**more: str) -> dict[str, str]:
    """A user's environment without settings of Rapport's or Temporal's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAPPORT_", "TEMPORAL_"))}
    return {**kept, "NO_COLOR": "1", **more}


def rapport(data: Path, *arguments: str) -> Result:
    """Run one command to its end, in this process; `test_the_console_script` runs one as users do."""
    return CliRunner().invoke(app, [*arguments, "--data", str(data)], env={"RAPPORT_DATA": None, "RAPPORT_AS": None})


def asked(data: Path, *arguments: str) -> Any:
    """Run one command with --json and give its document."""
    done = rapport(data, *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


class Demo:
    """A running `rapport demo`."""

    def __init__(self, data: Path, *arguments: str, workers: int) -> None:
        self.data = data
        many = ("--workers", str(workers))
        command = [RAPPORT, "demo", "--json", "--data", str(data), *ANY_PORT, *many, *arguments]
        self.process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=LIMIT)[1]
        self.said: dict[str, Any] = json.loads(line)

    def further_worker(self) -> int:
        """The process of its second worker, once that one is ready."""
        log = self.data / "worker.log"
        wait_for(lambda: log.exists() and "is ready" in log.read_text(), "the second worker")
        (found,) = children_named(self.process.pid, "python")
        return found

    def mails(self, count: int) -> list[bytes]:
        """The mails in the catcher, once so many have arrived."""
        wait_for(lambda: len(list((self.data / "mail").glob("*.eml"))) >= count, f"{count} mails")
        return [path.read_bytes() for path in sorted((self.data / "mail").glob("*.eml"))]

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        self.process.communicate(timeout=LIMIT)
        return self.process.returncode


def wait_for(condition: Any, what: str) -> None:
    """Wait for a state, with a limit."""
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def demo(data: Path, *arguments: str, workers: int = 1) -> Iterator[Demo]:
    """Run the demo, and leave nothing behind; with one worker, as most tests have two demos beside each other."""
    running = Demo(data, *arguments, workers=workers)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGINT)


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    return (Path("/proc") / str(pid)).exists()


def keys(mails: list[bytes]) -> list[str]:
    """The mails' idempotency keys."""
    return [str(BytesParser(policy=default).parsebytes(mail)["X-Rapport-Key"]) for mail in mails]


def test_the_demo_is_ready_delivers_four_welcomes_and_loses_nothing_when_stopped(tmp_path: Path) -> None:
    """Ready, four welcomes, answers by command; stopped by Ctrl-C and started again, it goes on and repeats nothing."""
    with demo(tmp_path, workers=2) as first:
        assert first.said["ready"] is True
        assert first.said["started"]["created"] is True
        assert len(first.mails(4)) == 4
        shown = asked(tmp_path, "meeting", "show", "versayce", "kickoff")
        assert shown["phase"] == "voting"
        voted = asked(tmp_path, "meeting", "vote", "versayce", "kickoff", "1", "--as", "luca.bianchi@versayce.example")
        assert voted == {"accepted": True, "reason": None, "outcome": "counted"}
        further = first.further_worker()
        assert first.end(signal.SIGINT) == 0
        assert not is_running(further)
    with demo(tmp_path) as second:
        assert second.said["started"] == {**first.said["started"], "created": False}
        asked(tmp_path, "meeting", "vote", "versayce", "kickoff", "1", "--as", "mara.osei@versayce.example")
        mails = second.mails(9)
        wait_for(lambda: asked(tmp_path, "meeting", "show", "versayce", "kickoff")["phase"] == "booked", "the booking")
        assert len(set(keys(mails))) == len(mails) == 9
        status = asked(tmp_path, "onboarding", "status", "versayce")
        assert {"account", "stage", "paused", "milestones", "waiting_on", "next"} <= set(status)
        assert {line["state"] for line in asked(tmp_path, "message", "list", "versayce")} == {"sent"}


@pytest.mark.long
def test_a_killed_stack_leaves_no_server_behind_and_goes_on(tmp_path: Path) -> None:
    """After kill -9 the other processes end by themselves, and the next start resumes without a second welcome."""
    with demo(tmp_path, workers=2) as first:
        first.mails(4)
        host, port = first.said["temporal"].split(":")
        further = first.further_worker()
        first.end(signal.SIGKILL)

        def gone() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) != 0

        wait_for(gone, "the end of the Temporal server")
        wait_for(lambda: not is_running(further), "the end of the second worker")
    with demo(tmp_path) as second:
        assert second.said["started"]["created"] is False
        # Until the server misses the worker that was killed, a question may find nobody to answer it.
        kickoff = ("meeting", "show", "versayce", "kickoff")
        wait_for(lambda: rapport(tmp_path, *kickoff).exit_code == 0, "a worker's answer")
        shown = asked(tmp_path, *kickoff)
        assert shown["phase"] == "voting"
        assert len(second.mails(4)) == 4


def test_secrets_are_their_owners_alone_and_in_no_output(tmp_path: Path) -> None:
    """All that is in the data directory is private, also in one that was there before; the token opens the API,
    and no log or link has it."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    with demo(data) as running:
        running.mails(4)
        modes = {str(path.relative_to(data)): path.stat().st_mode & 0o777 for path in (data, *data.rglob("*"))}
        assert {name: f"{mode:o}" for name, mode in modes.items() if mode & 0o077} == {}
        assert {"rapport.db", "temporal.db", "token", "secret", "stack.json", "mail"} <= set(modes)
        token = (data / "token").read_text().strip()
        answer = httpx.get(f"{running.said['http']}/v1/accounts", headers={"Authorization": f"Bearer {token}"})
        assert [line["account"] for line in answer.json()] == ["versayce"]
        assert token not in (data / "temporal.log").read_text()
        assert (data / "secret").read_text().strip() not in json.dumps(running.said)
        assert token not in json.dumps(running.said)
        again = asked(data, "token", "link", "--to", "/inbox")["link"]
        for link, page in ((running.said["links"]["account"], "/accounts/versayce"), (again, "/inbox")):
            first, second = httpx.get(link), httpx.get(link)
            assert (first.status_code, first.headers["location"], second.status_code) == (303, page, 401)


def test_a_taken_port_names_the_option(tmp_path: Path) -> None:
    """A port that is taken is one clear line with the option that changes it, exit code 4, and nothing left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option in ("--http-port", "--temporal-port", "--ui-port", "--smtp-port"):
            ports = [str(port) if value == "0" and name == option else value for name, value in pairs()]
            done = rapport(tmp_path, "demo", *ports)
            assert done.exit_code == 4
            assert f"{option}: port {port} is taken" in done.stderr.replace("\n", " ")
            assert "Traceback" not in done.stderr


def pairs() -> Iterator[tuple[str, str]]:
    """Each word of ANY_PORT with the option before it."""
    yield from zip(("", *ANY_PORT), ANY_PORT, strict=False)


def test_a_second_stack_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    """Two stacks on one directory would take each other's work; the second one says so, and the first runs on."""
    with demo(tmp_path) as first:
        done = rapport(tmp_path, "up", *ANY_PORT)
        assert done.exit_code == 4
        assert "another rapport runs" in done.stderr
        assert httpx.get(f"{first.said['http']}/readyz").json()["ready"] is True
        assert asked(tmp_path, "onboarding", "status", "versayce")["live"] is True


def test_a_start_says_what_it_is_doing_and_names_a_relay_of_ones_own(tmp_path: Path) -> None:
    """Each part that takes its time is named before it; caught mail is linked to only where mail is caught."""
    relay = f"127.0.0.1:{free_port()}"
    command = [RAPPORT, "up", "--data", str(tmp_path), *ANY_PORT, "--workers", "1"]
    named = environment(RAPPORT_SMTP_URL=f"smtp://someone:secret@{relay}")
    with (tmp_path.parent / f"{tmp_path.name}.out").open("w+") as said:
        process = subprocess.Popen(command, env=named, stdout=said, stderr=subprocess.STDOUT, text=True)

        def told() -> str:
            return Path(said.name).read_text()

        try:
            wait_for(lambda: "Ctrl-C" in told(), "it to be ready")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=LIMIT)
    before, _, after = told().partition("ready")
    parts = ("Temporal for the first time", "1 worker", "the pages and the API")
    assert [part for part in parts if f"Starting {part} …" not in before] == []
    assert f"mail server   {relay}, mode off: no email goes out" in after
    assert "caught mail" not in after
    assert "secret" not in told()


@pytest.mark.long
def test_drafts_are_read_edited_and_sent_by_command(tmp_path: Path) -> None:
    """`demo --drafts` sends nothing by itself; edit, hold and approve do what they say."""
    tam = ("--as", "robin.keller@foobar.example")
    with demo(tmp_path, "--drafts") as running:
        wait_for(lambda: len(asked(tmp_path, "message", "list", "versayce")) == 4, "four drafts")
        drafts = asked(tmp_path, "message", "list", "versayce")
        assert {draft["state"] for draft in drafts} == {"draft"}
        assert list((tmp_path / "mail").glob("*.eml")) == []
        inbox = rapport(tmp_path, "inbox", *tam).stdout
        assert "No task waits for you." in inbox
        assert "4 drafts wait to be read" in inbox
        one = drafts[0]["key"]
        edited = asked(
            tmp_path, "message", "edit", one, "--subject", "Hello again", "--paragraph", "As promised.", *tam
        )
        assert edited["subject"] == "Hello again"
        assert "As promised." in edited["text"]
        asked(tmp_path, "message", "hold", drafts[1]["key"], "--reason", "on leave", *tam)
        asked(tmp_path, "message", "approve", "--account", "versayce", *tam)
        mails = running.mails(3)
        assert len(mails) == 3
        assert b"Subject: Hello again" in b"".join(mails)
        states = {line["key"]: line["state"] for line in asked(tmp_path, "message", "list", "versayce")}
        assert states[drafts[1]["key"]] == "held"
        late = rapport(tmp_path, "message", "approve", one, *tam)
        assert late.exit_code == 4
        assert "no draft any more" in late.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("onboarding", "status", "nobody"), 3, 'there is no account "nobody"'),
        (("onboarding", "start", "nobody"), 3, 'there is no account "nobody"'),
        (("onboarding", "start", "Not A Key"), 2, "lower-case letters"),
        (("account", "import", "missing.toml"), 3, "cannot be read"),
        (("meeting", "show", "versayce", "party"), 3, 'has no meeting "party"'),
        (("meeting", "vote", "versayce", "kickoff", "1"), 2, "neither a contact"),
        (
            ("meeting", "book", "versayce", "kickoff", "--start", "soon", "--as", "robin.keller@foobar.example"),
            2,
            "is not a time",
        ),
        (("meeting", "held", "versayce", "kickoff"), 2, "nobody is named"),
        (("meeting", "held", "versayce", "kickoff", "--as", "sam.ortega@foobar.example"), 2, "may not change"),
        (("meeting", "held", "versayce", "kickoff", "--as", "robin.keller@foobar.example"), 4, "no time is booked yet"),
        (("message", "show", "no/such/key"), 3, "no message with this key"),
        (("timeline", "versayce", "--as-of", "yesterday"), 2, "is not a time"),
        (("audit", "verify", "nobody"), 3, 'no account "nobody"'),
        (("audit", "export", "nobody"), 3, 'no account "nobody"'),
    ],
)
def test_a_refusal_is_one_clear_line_with_its_exit_code(
    shared_demo: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """Each mistake is named on stderr without a traceback, with the documented exit code, and as JSON when asked."""
    done = rapport(shared_demo, *arguments, "--json")
    assert done.exit_code == code, done.stderr
    assert words in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert words in json.dumps(json.loads(done.stdout)["error"], ensure_ascii=False).replace('\\"', '"')


@pytest.fixture(scope="module")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A demo for questions that change nothing."""
    data = tmp_path_factory.mktemp("demo")
    with demo(data) as running:
        running.mails(4)
        yield data


def test_the_demo_says_that_mails_go_at_any_hour(shared_demo: Path) -> None:
    """The demo's mails wait for nobody's morning, and its status and its doctor say so."""
    assert asked(shared_demo, "mail", "status")["quiet_hours"] == "ignore"
    assert "quiet hours are ignored" in rapport(shared_demo, "mail", "status").stdout
    checks = {check["check"]: check for check in asked(shared_demo, "doctor")["checks"]}
    assert checks["mail"]["what"] == "goes out, whatever the hour is where it is read"


def test_an_audit_finds_what_was_altered_by_hand(shared_demo: Path, tmp_path: Path) -> None:
    """`rapport audit verify` says that the record is whole, and after an UPDATE by hand names the entry with exit 4."""
    for name in ("stack.json", "secret"):
        shutil.copy(shared_demo / name, tmp_path)
    with (
        contextlib.closing(sqlite3.connect(shared_demo / "rapport.db")) as source,
        contextlib.closing(sqlite3.connect(tmp_path / "rapport.db")) as copy,
    ):
        source.backup(copy)
    whole = asked(tmp_path, "audit", "verify")
    exported = asked(tmp_path, "audit", "export", "versayce")
    assert (whole["whole"], whole["entries"]) == (True, len(exported["entries"]))
    assert "all as they were written" in rapport(tmp_path, "audit", "verify", "versayce").stdout
    previous = "0" * 64
    for sequence, entry in enumerate(exported["entries"], 1):
        # As docs/operating.md tells it to others, who have this document and no code of ours.
        fields = ("key", "account", "at", "kind", "step", "who", "about", "instant", "submission")
        covered = [previous, sequence, *(entry[name] for name in fields), None]
        plain = json.dumps(covered, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(plain.encode()).hexdigest()
        assert entry["hash"] == previous
    assert exported["hash"] == previous
    with contextlib.closing(sqlite3.connect(tmp_path / "rapport.db")) as copy, copy:
        copy.execute("UPDATE timeline SET who = 'c_someone_else' WHERE sequence = 2")
    for arguments in (("audit", "verify", "--all"), ("audit", "verify", "versayce"), ("audit", "verify")):
        done = rapport(tmp_path, *arguments, "--json")
        assert done.exit_code == 4
        findings = json.loads(done.stdout)["findings"]
        assert [(found["account"], found["sequence"], found["what"]) for found in findings] == [
            ("versayce", 2, "altered")
        ]
    table = rapport(tmp_path, "audit", "verify")
    assert table.exit_code == 4
    assert "altered" in table.stdout


def test_bad_files_start_nothing(shared_demo: Path, tmp_path: Path) -> None:
    """What DESIGN lists as bad input is refused with the field, exit code 2, and no account appears."""
    good = (ROOT / "examples" / "versayce.toml").read_text().replace('key = "versayce"', 'key = "bad"')
    good = good.replace("VERSAYCE-2026-11", "BAD-1")
    cases = {
        "zone": (good.replace("Europe/Zurich", "Europe/Zuerich"), r"contacts\[1\]\.zone"),
        "persona": (good.replace('"primary_user"', '"primary_loser"'), r'contacts\[2\]\.persona.*"primary_user"'),
        "nobody": (re.sub(r"\[\[contacts\]\].*?(?=\[\[members)", "", good, flags=re.DOTALL), "contacts: is missing"),
        "twice": (good.replace("mara.osei@", "luca.bianchi@"), r"contacts\[2\]\.email"),
        "break": (good.replace('"Luca Bianchi"', '"Luca\\r\\nBcc: x@y.example"'), r"contacts\[1\]\.name"),
        "toml": (good + "\n[[contacts", "line"),
        "tam": (good.replace('roles = ["tam"]', 'roles = ["ce"]'), r"account\.tam"),
        "playbook": (good.replace('playbook = "enterprise"', 'playbook = "heroic"'), 'no playbook "heroic"'),
    }
    for name, (text, field) in cases.items():
        file = tmp_path / f"{name}.toml"
        file.write_text(text)
        done = rapport(shared_demo, "onboarding", "start", str(file))
        assert done.exit_code in (2, 3), (name, done.stderr)
        assert re.search(field, done.stderr.replace("\n", "")), (name, done.stderr)
        assert "Traceback" not in done.stderr
    assert [line["account"] for line in asked(shared_demo, "account", "list")] == ["versayce"]


def test_without_an_installation_a_command_says_how_to_get_one(tmp_path: Path) -> None:
    """In an empty directory a command exits with 5 and names `rapport demo`, and creates nothing."""
    done = rapport(tmp_path / "empty", "account", "list")
    assert done.exit_code == 5
    assert "rapport demo" in done.stderr
    assert not (tmp_path / "empty").exists()


def test_the_console_script_runs_as_users_run_it(tmp_path: Path, shared_demo: Path) -> None:
    """The installed `rapport` prints one JSON document on stdout, and a refusal with its exit code."""
    good = subprocess.run(
        [RAPPORT, "portfolio", "--json", "--data", str(shared_demo)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)[0]["account"] == "versayce"
    bad = subprocess.run(
        [RAPPORT, "portfolio", "--data", str(tmp_path / "empty")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert bad.returncode == 5
    assert bad.stdout == ""
