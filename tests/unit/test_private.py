"""What is in a data directory is its owner's alone, also in one that was there before; and its logs stay small."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rapport.model.base import Refused, UserError
from starters import logs
from starters.logs import rotating
from starters.secrets import make_private, private


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return path.stat().st_mode & 0o777


def test_a_directory_that_was_there_is_made_private(tmp_path: Path) -> None:
    """The directory, and all that Rapport keeps in it, is taken from others; what is somebody else's stays as it is."""
    data = tmp_path / "data"
    (data / "mail").mkdir(parents=True)
    ours = ["rapport.db", "rapport.db-wal", "temporal.db", "temporal.log", "token", "secret", "rapport.toml",
            "receipts.key", "stack.json", "rapport.log.1", "mail/00000001-1.eml"]  # fmt: skip
    for name in (*ours, "deploy.sh"):
        (data / name).write_text("x")
        (data / name).chmod(0o755 if name == "deploy.sh" else 0o644)
    for folder in (data, data / "mail"):
        folder.chmod(0o755)
    make_private(data)
    assert {name: mode(data / name) for name in ours} == dict.fromkeys(ours, 0o600)
    assert (mode(data), mode(data / "mail"), mode(data / "deploy.sh")) == (0o700, 0o700, 0o755)


def test_a_new_directory_is_private_and_so_is_what_comes_into_it(tmp_path: Path) -> None:
    """Files that this process and its children make are their owner's, and the habit ends with the stack."""
    data = tmp_path / "data"
    before = os.umask(0o022)
    os.umask(before)
    with private():
        make_private(data)
        (data / "mine").write_text("x")
        subprocess.run([sys.executable, "-c", f"open({str(data / 'childs')!r}, 'w')"], check=True)
    assert (mode(data), mode(data / "mine"), mode(data / "childs")) == (0o700, 0o600, 0o600)
    assert os.umask(before) == before


@pytest.mark.parametrize("answer", ["refuses", "does nothing"])
def test_what_cannot_be_made_private_refuses_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Somebody else's file, or a file system without owners, is named with what to do."""
    (tmp_path / "rapport.db").write_text("x")
    (tmp_path / "rapport.db").chmod(0o644)
    tmp_path.chmod(0o700)

    def chmod(path: Path, mode: int) -> None:
        if answer == "refuses":
            raise PermissionError(path, mode)

    monkeypatch.setattr(Path, "chmod", chmod)
    with pytest.raises(UserError, match="can be read by other users") as refusal:
        make_private(tmp_path)
    assert (refusal.value.kind, refusal.value.field) == (Refused.CONFLICT, str(tmp_path / "rapport.db"))
    assert "chmod 600" in refusal.value.fix


TALKATIVE = """
import sys
for number in range({lines}):
    print(number, "x" * 90)
print("the last word", file=sys.stderr)
"""


def test_a_programs_log_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much it says, two files of a size are kept, which its owner alone can read, and the newest is in them."""
    monkeypatch.setattr(logs, "MAX_LOG", 100_000)
    log = tmp_path / "temporal.log"
    log.write_text("from before" * 20_000)
    with rotating(log) as said:
        command = [sys.executable, "-c", TALKATIVE.format(lines=10_000)]
        subprocess.run(command, stdout=said, stderr=said, check=True, timeout=60)
    kept = sorted(tmp_path.iterdir())
    assert [path.name for path in kept] == ["temporal.log", "temporal.log.1"]
    assert all(path.stat().st_size <= 100_000 for path in kept)
    assert "the last word" in log.read_text()
    assert mode(log) == 0o600


def test_a_program_does_not_stand_still_where_its_log_cannot_be_written(tmp_path: Path) -> None:
    """On a full disk its words are lost, and it goes on."""
    log = tmp_path / "gone" / "temporal.log"
    log.parent.mkdir()
    with rotating(log) as said:
        log.unlink()
        log.mkdir()
        command = [sys.executable, "-c", TALKATIVE.format(lines=5_000)]
        subprocess.run(command, stdout=said, stderr=said, check=True, timeout=60)
