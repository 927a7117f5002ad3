"""Secrets that an embedded installation makes for itself, each in a file that its owner alone can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone can enter."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


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
