"""`rapport simulate` as a user types it; nothing has to run for it."""

from __future__ import annotations

import asyncio
import email
import hashlib
import json
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from pathlib import Path

import pytest
from typer.testing import Result

from rapport.storage import account as account_storage, imports
from rapport.storage.account import KnownAbsence
from rapport.storage.database import Store
from starters.installation import settings_of
from starters.use_cases import account
from tests.conftest import ROOT
from tests.stack.test_demo import rapport

BEFORE = datetime(2030, 5, 20, tzinfo=UTC)
EXAMPLE = str(ROOT / "examples" / "versayce.toml")


def simulate(data: Path, *words: str) -> Result:
    """Run the command beside a data directory of its own."""
    return rapport(data, "simulate", *words)


@pytest.mark.long
def test_a_month_is_lived_in_seconds_and_leaves_its_mails(tmp_path: Path) -> None:
    """One document with --json, a timeline without; --out keeps the timeline and every mail as it was sent."""
    out = tmp_path / "out"
    begins = ("--from", "2026-11-20T15:30Z")
    done = simulate(tmp_path / "data", EXAMPLE, *begins, "--days", "30", "--out", str(out), "--json")
    assert done.exit_code == 0, done.stderr
    year = json.loads(done.stdout)
    assert year["began"] == "2026-11-20T15:30:00Z"
    assert year["until"] == "2026-12-20T15:30:00Z"
    assert year["steps"]["kickoff"] == "held"
    written = [line for line in year["lines"] if line["kind"] == "mail"]
    # A week of which nothing is on record stands there with a summary that nobody is sent.
    mails = [line for line in written if line["state"] == "sent"]
    assert year["caught"] == len(mails) == sum(year["mails"].values())
    sent = [email.message_from_bytes(path.read_bytes()) for path in sorted(out.glob("*.eml"))]
    assert [str(make_header(decode_header(mail["Subject"]))) for mail in sent] == [line["what"] for line in mails]
    assert len(list(out.glob("*.html"))) == len(written)
    plain = (out / "timeline.txt").read_text()
    assert "Week 2, from 23 Nov 2026" in plain
    assert not (tmp_path / "data").exists()
    again = simulate(tmp_path / "data", EXAMPLE, *begins, "--days", "30", "--json")
    assert [line["what"] for line in json.loads(again.stdout)["lines"]] == [line["what"] for line in year["lines"]]


def test_silence_is_told_as_text(tmp_path: Path) -> None:
    """Where nobody answers, the timeline ends with what still waits, and how to move it on."""
    done = simulate(tmp_path, EXAMPLE, "--days", "20", "--scenario", "nobody_answers", "--from", "2030-04-01T08:00Z")
    assert done.exit_code == 0, done.stderr
    assert "20 days in which nobody answers" in done.stdout
    assert "Mon 01 Apr  10:00  Onboarding started, by the playbook enterprise" in done.stdout
    assert "waits: " in done.stdout
    assert "rapport " in done.stdout.splitlines()[-1]


def test_a_known_account_is_copied_and_left_as_it_was(tmp_path: Path) -> None:
    """An account named by its key lives with its people and their absences; its own database stays what it was."""

    async def import_it() -> None:
        store = Store(settings_of(tmp_path).database)
        await store.migrate()
        async with store.writing() as connection:
            await imports.save(connection, account.read_file(ROOT / "examples" / "orbisant.toml"), BEFORE)
            known = {member.name: member.id for member in await account_storage.members(connection)}
            away = KnownAbsence(
                id="a_1",
                member=known["Ines Moreau"],
                starts=BEFORE,
                ends=BEFORE + timedelta(days=60),
                delegate=known["Henrik Dahl"],
            )
            await account_storage.add_absence(connection, away, "s_1", BEFORE)
        await store.close()

    asyncio.run(import_it())
    before = digests(tmp_path)
    done = simulate(tmp_path, "orbisant", "--days", "15", "--from", "2030-06-03T08:00Z", "--json")
    assert done.exit_code == 0, done.stderr
    year = json.loads(done.stdout)
    assert (year["account"], year["playbook"]) == ("orbisant", "enterprise")
    decisions = [line["what"] for line in year["lines"] if line["kind"] == "decision.made"]
    assert [what for what in decisions if what.startswith("Onsite kickoff")] == [
        "Onsite kickoff: Henrik Dahl chose “Approve”"
    ]
    assert digests(tmp_path) == before


def digests(folder: Path) -> dict[str, str]:
    """What stands in the files of a directory."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((EXAMPLE, "--scenario", "chaos"), 2, "use one of smooth, nobody_answers"),
        ((EXAMPLE, "--from", "soon"), 2, "--from"),
        ((EXAMPLE, "--playbook", "no_such"), 3, "there is no playbook"),
        ((EXAMPLE, "--out", str(ROOT)), 2, "--out"),
        ((EXAMPLE, "--days", "0"), 2, "--days"),
        (("nowhere.toml",), 3, "nowhere.toml"),
        (("versayce",), 5, "RAPPORT_DATA"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_fix(
    tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    """A refusal names what is wrong and how to put it right; nothing is simulated, nothing is made."""
    done = simulate(tmp_path / "data", *words)
    assert done.exit_code == code, done.stderr
    assert told in done.stderr
    assert not (tmp_path / "data").exists()
