"""Logs: those of a stack, kept in files that never grow beyond a few megabytes, and none on people's terminals."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import BinaryIO, Final, cast

MAX_LOG: Final = 5_000_000
"""How large a log grows before it takes the place of the one before it: twice this is kept of each."""

_CHUNK: Final = 65_536


class PatientHandler(RotatingFileHandler):
    """A log file that may go without a line: its disk is full, say, and that is told where people look for it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Leave the line out where the file takes none; by itself, the traceback would go to somebody's terminal."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def keep_sdk_from_terminal() -> None:
    """Have nothing of what the SDK logs printed where a command is typed: what it met is told in the command's words.

    Where a program has set up a log, it has all of it nonetheless.
    """
    logging.getLogger("temporalio").addHandler(logging.NullHandler())


@contextlib.contextmanager
def rotating(path: Path) -> Iterator[int]:
    """Keep what a program says.

    A program that is given a file writes to it for as long as it runs. It is given a pipe instead, which is always
    read, also where nothing more can be written: it must not stand still because of its log.

    Returns:
        What the program writes to: a file descriptor for its stdout and stderr.
    """
    read, write = os.pipe()
    _open(path).close()
    keeping = threading.Thread(target=_keep, args=(read, path), name=f"log {path.name}", daemon=True)
    keeping.start()
    try:
        yield write
    finally:
        # The program has an end of its own, which closes with it.
        os.close(write)
        keeping.join(_JOIN_SECONDS)


_JOIN_SECONDS: Final = 5.0
"""For how long the last words are waited for, where a program of the program's still has the pipe."""


def _keep(read: int, path: Path) -> None:
    with os.fdopen(read, "rb", buffering=0) as said:
        while chunk := said.read(_CHUNK):
            with contextlib.suppress(OSError):
                _write(path, chunk)


def _write(path: Path, chunk: bytes) -> None:
    if path.exists() and path.stat().st_size + len(chunk) > MAX_LOG:
        path.replace(path.with_name(f"{path.name}.1"))
    with _open(path) as file:
        file.write(chunk)


def _open(path: Path) -> BinaryIO:
    """The file at its end; made so that its owner alone can read it."""
    return cast("BinaryIO", os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0))
