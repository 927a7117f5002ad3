"""What refuses to start says why in one line, ends with an exit code, and leaves what it found as it was."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from temporalio.client import Client

from rapport.storage import faults
from rapport.storage.database import opened
from starters.use_cases import doctor
from starters.use_cases.doctor import CheckVerdict
from tests.conftest import ROOT, Installation
from tests.stack.test_demo import ANY_PORT, RAPPORT, environment

pytestmark = pytest.mark.long


WORKER = [sys.executable, "worker.py"]
SERVE = [sys.executable, "-m", "starters.http.serve", "--port", "1"]
BEGINNINGS = {
    "up": [RAPPORT, "up", *ANY_PORT],
    "setup": [RAPPORT, "setup"],
    "doctor": [RAPPORT, "doctor"],
    "account list": [RAPPORT, "account", "list"],
    "worker": WORKER,
    "serve": SERVE,
}


def ended(command: list[str], data: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A program of ours that came to its end in a data directory."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(RAPPORT_DATA=str(data), **more),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What it said, in one line each; never with what Python says of a program that broke."""
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert "Fatal Python error" not in said, said
    return said.splitlines()


def garbage(data: Path) -> str:
    """A file that is no database, where one should be; gives what is said of it."""
    (data / "rapport.db").write_bytes(b"no database at all" * 1000)
    return "is no database, or is damaged"


def newer(data: Path) -> str:
    """A database that a later version has changed."""

    async def made() -> None:
        async with opened(f"sqlite:///{data / 'rapport.db'}") as store:
            await store.migrate()
            async with store.writing() as connection:
                await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    asyncio.run(made())
    return "its revision 9999 is unknown to this one"


def files(data: Path) -> list[str]:
    """All that lies in a data directory."""
    return sorted(str(path.relative_to(data)) for path in data.rglob("*"))


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("made", [garbage, newer])
def test_a_database_that_cannot_be_used_is_one_line(tmp_path: Path, made: Any, beginning: str) -> None:
    """Every beginning names the file and what is wrong with it in one line, with an exit code that is not 0."""
    what = made(tmp_path)
    before, there = (tmp_path / "rapport.db").read_bytes(), files(tmp_path)
    done = ended(BEGINNINGS[beginning], tmp_path)
    said = lines_of(done)
    assert done.returncode not in (0, -6, -11)
    assert [line for line in said if what in line], said
    assert any(str(tmp_path / "rapport.db") in line for line in said), said
    assert beginning == "doctor" or len(said) == 1, said
    assert (tmp_path / "rapport.db").read_bytes() == before
    assert files(tmp_path) == there, "nothing is left behind by what did not start"


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("RAPPORT_MAIL_MODE", "loud", "RAPPORT_MAIL_MODE: is not a mail mode"),
        ("RAPPORT_DATABASE_URL", "postgresql+asyncpg://x@127.0.0.1:1/x", "the database does not answer"),
        ("RAPPORT_DATABASE_URL", "nonsense", "RAPPORT_DATABASE_URL: is not the address of a database"),
        ("TEMPORAL_ADDRESS", "127.0.0.1:1", "Temporal does not answer at 127.0.0.1:1"),
    ],
)
@pytest.mark.parametrize("command", [WORKER, SERVE])
def test_a_setting_that_leads_nowhere_is_one_line(
    tmp_path: Path, command: list[str], variable: str, value: str, what: str
) -> None:
    """A worker and the server of HTTP name the setting, and end with 1."""

    async def made() -> None:
        async with opened(f"sqlite:///{tmp_path / 'rapport.db'}") as store:
            await store.migrate()

    asyncio.run(made())
    done = ended(command, tmp_path, **{"RAPPORT_SECRET": "x" * 20, variable: value})
    said = lines_of(done)
    assert (done.returncode, len(said)) == (1, 1), said
    assert what in said[0]


def test_a_settings_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    """Also where `rapport.toml` cannot be read as TOML."""
    (tmp_path / "rapport.toml").write_text("[broken\n")
    for beginning in ("worker", "account list", "doctor"):
        done = ended(BEGINNINGS[beginning], tmp_path)
        assert done.returncode not in (0, -6, -11)
        assert "rapport.toml: is no TOML" in lines_of(done)[0]


@pytest.mark.asyncio(loop_scope="session")
async def test_a_worker_without_its_namespace_is_one_line(dev_server: Client, tmp_path: Path) -> None:
    """A namespace that the server does not have is no traceback, and no crash of the client at its end."""
    async with opened(f"sqlite:///{tmp_path / 'rapport.db'}") as store:
        await store.migrate()
    where = {"TEMPORAL_ADDRESS": dev_server.service_client.config.target_host, "TEMPORAL_NAMESPACE": "nowhere"}
    done = await asyncio.to_thread(ended, WORKER, tmp_path, RAPPORT_SECRET="x" * 20, **where)
    said = lines_of(done)
    assert (done.returncode, len(said)) == (1, 1), said
    assert "nowhere" in said[0]


@pytest.mark.asyncio(loop_scope="session")
async def test_the_doctor_tells_what_the_database_lacks(here: Installation, tmp_path: Path) -> None:
    """What is damaged or silent can't do its part, as for every command; a nearly full disk is trouble."""
    settings = here.services.settings

    async def told(url: str) -> tuple[CheckVerdict, str]:
        found = await doctor.examine(settings.model_copy(update={"database_url": SecretStr(url)}))
        check = next(check for check in found.checks if check.check == "database")
        return check.verdict, check.what

    (tmp_path / "broken").mkdir()
    what = garbage(tmp_path / "broken")
    broken = tmp_path / "broken" / "rapport.db"
    assert await told(f"sqlite:///{broken}") == (CheckVerdict.UNREACHABLE, f"{broken}: {what}")
    silent = "postgresql+asyncpg://x@127.0.0.1:1/x"
    assert await told(silent) == (CheckVerdict.UNREACHABLE, "127.0.0.1:1/x: the database does not answer")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(faults, "LITTLE_ROOM", 2**62)
        verdict, what = await told(settings.database)
    assert verdict is CheckVerdict.TROUBLE
    assert "MB are left in" in what
