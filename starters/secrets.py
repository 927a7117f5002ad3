"""Secrets that an embedded installation makes for itself, each in a file that its owner alone can read."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rapport.model.base import Refused, UserError

_OURS: Final = (
    *("*.db", "*.db-wal", "*.db-shm", "*.db-journal", "*.lock", "*.log", "*.log.*"),
    *("token", "secret", "*.key", "*.json", "*.toml", "mail/*.eml"),
)
"""What Rapport keeps in its data directory, or has people keep there; other people's files there are left alone."""

_OTHERS: Final = 0o077


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone can enter; of one that is there, also what Rapport keeps in it.

    Raises:
        UserError: Others can read it, and this user cannot change that.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    inside = [folder / "mail", *(path for pattern in _OURS for path in folder.glob(pattern))]
    for path in (folder, *inside):
        with contextlib.suppress(FileNotFoundError):
            _take_from_others(path)


def _take_from_others(path: Path) -> None:
    found = path.stat()
    if not found.st_mode & _OTHERS:
        return
    try:
        path.chmod(found.st_mode & ~_OTHERS)
        kept = path.stat().st_mode & _OTHERS
    except PermissionError:
        kept = _OTHERS
    # Some file systems take the word and do nothing.
    if kept:
        mode = "700" if path.is_dir() else "600"
        raise UserError(
            "can be read by other users of this machine",
            field=str(path),
            fix=f"have its owner run `chmod {mode} {path}`, or choose another directory with --data",
            kind=Refused.CONFLICT,
        )


@contextlib.contextmanager
def private() -> Iterator[None]:
    """Have this process, and those that it starts, make files that their owner alone can read."""
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, all of it or nothing."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def kept(path: Path) -> str:
    """The secret in a file; made at the first call."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return path.read_text().strip()
