"""Where no email goes out, every command that has some sent says so, and each place gives the same reason."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from temporalio.service import RPCError, RPCStatusCode, ServiceClient
from typer.testing import CliRunner, Result

from rapport.model.relay import FaultKind, RelayFault
from rapport.settings import Settings
from rapport.storage import faults
from rapport.storage.database import Store
from rapport.storage.relay import MailGate
from starters.cli.main import app
from starters.use_cases import doctor
from starters.use_cases.doctor import Check, CheckVerdict
from starters.views.disk import DiskAlarm
from starters.views.mail_kept import mail_kept
from tests.conftest import ROOT
from tests.mail_fixtures import address, empty, imported

__all__ = ["empty", "imported"]

ROBIN, INES = (f"{one}@foobar.example" for one in ("robin.keller", "ines.moreau"))
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
FAULT = RelayFault(kind=FaultKind.PASSWORD, code=535, fix="correct the password", since=NOW, probed_at=NOW)
FULL = DiskAlarm(full=True, problem="the disk of /data is full", fix="free some space")
LETS_IN = Check(check="relay", verdict=CheckVerdict.OK, what="lets us in")


@pytest.fixture
def run(imported: Path, tmp_path: Path) -> Any:
    """Runs a command on an installation whose mail mode is live, as a member."""
    shutil.copy(imported, tmp_path / "rapport.db")

    def go(*words: str, who: str | None = ROBIN) -> Result:
        env = {"RAPPORT_AS": who, "RAPPORT_MAIL_MODE": "live"}
        return CliRunner().invoke(app, [*words, "--data", str(tmp_path)], env=env)

    return go


def away(year: int) -> tuple[str, ...]:
    """A command by which somebody acts."""
    return ("absence", "add", ROBIN, "--from", f"{year}-07-03", "--until", f"{year}-07-07")


def test_what_somebody_does_says_that_no_mail_goes_while_it_is_stopped(run: Any) -> None:
    """Beside its result, on stderr, so that a script's document stays whole; and no more once mail goes again."""
    assert "No email goes out" not in run(*away(2090)).stderr
    assert run("mail", "stop", "--reason", "R", who=INES).exit_code == 0
    done = run(*away(2091), "--json")
    assert "No email goes out now: stopped by hand." in done.stderr
    json.loads(done.stdout)
    assert "rapport mail start" not in done.stderr, "a TAM may not let it go again"
    assert "ask one of" in done.stderr
    assert "rapport mail start" in run("mail", "status", who=INES).stdout
    assert "ask one of" in run("mail", "status").stdout
    run("mail", "start", "--reason", "R", who=INES)
    assert "No email goes out" not in run(*away(2092)).stderr


def test_the_status_of_mail_tells_by_its_exit_code(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 where it goes, 4 where it is stopped, 5 where the disk is full, of which it says that nothing goes out."""
    where_temporal_answers(monkeypatch, answers=True)
    assert run("mail", "status").exit_code == 0
    run("mail", "stop", "--reason", "R", who=INES)
    assert run("mail", "status").exit_code == 4
    run("mail", "start", "--reason", "R", who=INES)
    for room in ("ROOM", "LITTLE_ROOM"):
        monkeypatch.setattr(faults, room, 2**62)
    full = run("mail", "status")
    assert full.exit_code == 5
    assert "nothing goes out: the disk is full" in full.stdout


def where_temporal_answers(monkeypatch: pytest.MonkeyPatch, *, answers: bool) -> None:
    """Have Temporal answer, or be stopped, without one."""

    async def health(_: ServiceClient) -> bool:
        if not answers:
            raise RPCError("Temporal does not answer", RPCStatusCode.UNAVAILABLE, b"")
        return True

    monkeypatch.setattr(ServiceClient, "check_health", health)


def test_no_mail_is_said_to_go_out_while_temporal_is_away(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sends anything then, so that is what the status of mail says, and its exit code is 5."""
    where_temporal_answers(monkeypatch, answers=False)
    away_ = run("mail", "status")
    assert away_.exit_code == 5
    assert "Temporal does not answer, so nothing is sent" in " ".join(away_.stdout.split())
    assert "mail goes out" not in away_.stdout


def test_meetings_are_listed_as_of_a_time_while_temporal_is_away(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every other list that comes from the database alone."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert run("account", "import", str(ROOT / "examples" / "versayce.toml"), who=None).exit_code == 0
    assert run("onboarding", "start", "versayce").exit_code == 5
    listed = run("meeting", "list", "versayce")
    assert listed.exit_code == 0
    assert "Temporal did not answer. What was ended there is not known yet." in listed.stdout.replace("\n", " ")


@given(
    st.builds(MailGate, stopped=st.booleans(), fault=st.sampled_from((None, FAULT))),
    st.sampled_from(("live", "off", "redirect:a@b.example")),
    st.sampled_from((None, FULL, FULL.model_copy(update={"full": False}))),
)
def test_the_first_cause_is_named_and_none_where_mail_goes(gate: MailGate, mode: str, alarm: DiskAlarm | None) -> None:
    """Mail goes exactly where none of four things keeps it; `doctor` is well about it only then."""
    causes = {
        "disk": alarm is not None and alarm.full,
        "fault": gate.fault is not None,
        "stopped": gate.stopped,
        "off": mode == "off",
    }
    kept = mail_kept(gate, mode, alarm)
    assert (kept.by if kept is not None else None) == next((name for name, is_so in causes.items() if is_so), None)


def test_doctor_does_not_say_that_mail_goes_out_of_a_relay_that_refuses_us(imported: Path, tmp_path: Path) -> None:
    """No worker has met the fault yet, as nothing was due, but who asked just now was refused."""
    path = Path(shutil.copy(imported, tmp_path / "rapport.db"))
    settings = Settings(data=tmp_path, mail_mode="live")
    refused = Check(check="relay", verdict=CheckVerdict.TROUBLE, what="refuses our password (535)", fix="correct it")

    async def look(relay: Check) -> Check:
        store = Store(address(path))
        try:
            return await doctor._mail(store, settings, relay)
        finally:
            await store.close()

    assert asyncio.run(look(LETS_IN)).verdict is CheckVerdict.OK
    found = asyncio.run(look(refused))
    assert (found.verdict, found.what) == (CheckVerdict.TROUBLE, "won't go out: refuses our password (535)")
