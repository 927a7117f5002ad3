"""What can keep a database from doing its part, in words: it does not answer, its disk is full, it is none at all."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeoutError

from rapport.model.base import Refused, UserError

NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The system's words for a full disk, and for a quota that is used up."""

ROOM: Final = 1_000_000
"""With fewer bytes left SQLite cannot make the files that it needs beside its own, and has other words for it."""

LITTLE_ROOM: Final = 200_000_000
"""Fewer bytes than this on a disk call for somebody before it is full."""


class Room(NamedTuple):
    """How many bytes are left on a folder's disk, for whoever writes there."""

    folder: Path
    left: int


class DatabaseFault(Exception):  # noqa: N818 - told to people, as a refusal is
    """The database cannot do its part now.

    It is no `UserError`: nothing is wrong with what was asked, and it may be asked again as it is. In an activity that
    is what Temporal does.

    Args:
        problem: What is wrong, in one sentence, without a full stop.
        fix: What to do about it, likewise.
        field: The setting that leads to it.
    """

    def __init__(self, problem: str, fix: str, field: str = "RAPPORT_DATABASE_URL") -> None:
        super().__init__(problem, fix, field)
        self.problem, self.fix, self.field = problem, fix, field

    def __str__(self) -> str:
        """As a refusal reads."""
        return str(self.refusal())

    def refusal(self) -> UserError:
        """The fault as the refusal of what somebody has asked for; its kind is `UNREACHABLE`."""
        return UserError(self.problem, field=self.field, fix=self.fix, kind=Refused.UNREACHABLE)


def disk_full(path: Path | str | None) -> UserError:
    """What to say where a file cannot be written because its disk, or its owner's quota, is full."""
    where = f": {path}" if path else ""
    return UserError(
        f"the disk is full{where}",
        fix="free some space there, or move it to a larger disk; what is waiting then continues automatically",
        kind=Refused.UNREACHABLE,
    )


def file_fault(error: OSError) -> UserError | None:
    """What to say of a file that the system cannot write; nothing where it is no matter of the disk."""
    if error.errno in NO_SPACE:
        return disk_full(error.filename)
    if error.errno == errno.EROFS:
        return UserError(
            "can only be read",
            field=str(error.filename or "disk"),
            fix="mount it so that it can be written",
            kind=Refused.UNREACHABLE,
        )
    return None


@dataclass(frozen=True)
class Where:
    """Where a database is, as far as its faults are told.

    Attributes:
        file: SQLite's file; nothing for a server.
    """

    file: Path | None = None

    @property
    def field(self) -> str:
        """The setting that leads to it."""
        return "RAPPORT_DATABASE_URL" if self.file is None else str(self.file)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say in words what keeps the database from doing its part.

        Raises:
            DatabaseFault: Instead of the driver's own exception. What is wrong with a statement stays as it is.
        """
        try:
            yield
        except (DBAPIError, ConnectionError, TimeoutError) as error:
            fault = self.fault(error)
            if fault is None:
                raise
            raise fault from None

    def fault(self, error: BaseException) -> DatabaseFault | None:
        """What a driver's exception says of the database; nothing where the statement is at fault."""
        cause = _cause(error)
        if self.file is not None:
            return self._of_sqlite(cause, self.file)
        return self._of_server(cause, lost=isinstance(error, DBAPIError) and error.connection_invalidated)

    def ends(self, error: BaseException) -> bool:
        """Whether a server's connection is of no use any more after this, though it is open: a standby stays one."""
        return self.file is None and _state(_cause(error)) == _READ_ONLY

    def full(self) -> DatabaseFault:
        """Its disk is full."""
        refusal = disk_full(self.file.parent if self.file else "the database server's")
        return DatabaseFault(refusal.problem, refusal.fix, self.field)

    def silent(self) -> DatabaseFault:
        """It does not answer."""
        fix = f"see that it runs, and that {self.field} names it"
        return DatabaseFault("the database does not answer", fix, self.field)

    def busy(self) -> DatabaseFault:
        """Others are at work on the same, and one of them had to give way."""
        fix = "try again; if it lasts, see which process keeps it"
        return DatabaseFault("another process keeps the database busy", fix, self.field)

    def damaged(self) -> DatabaseFault:
        """What is in it cannot be read."""
        fix = "restore your backup"
        if self.file is not None:
            fix += ", or move the file away to begin with an empty one"
        return DatabaseFault("is no database, or is damaged", fix, self.field)

    def used_up(self) -> DatabaseFault:
        """It has no connection left."""
        fix = "try again; if it lasts, allow more connections at the database server, or run fewer processes"
        return DatabaseFault("all connections to the database are in use", fix, self.field)

    def unprepared(self) -> DatabaseFault:
        """It has no tables, or an earlier version's."""
        return DatabaseFault("the database is not up to date, or was never set up", "run `rapport setup`", self.field)

    def newer(self, revision: str) -> DatabaseFault:
        """A later version of Rapport has changed its tables."""
        return DatabaseFault(
            f"the database is of a newer version of Rapport: its revision {revision[:40]} is unknown to this one",
            "run the version that it was last used with, or restore the backup from before",
            self.field,
        )

    def _of_sqlite(self, cause: BaseException, file: Path) -> DatabaseFault | None:
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or (code in _CRAMPED and _room(file.parent) < ROOM):
            return self.full()
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return self.damaged()
        if code == sqlite3.SQLITE_READONLY:
            fix = "see who owns it, and that its disk can be written"
            return DatabaseFault("the database can only be read", fix, self.field)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return self.busy()
        if code in _CRAMPED:
            fix = "run `rapport setup` if it is new; else see that its directory is there, who owns it, and its disk"
            return DatabaseFault("the database cannot be opened, or its disk cannot be used", fix, self.field)
        if code == sqlite3.SQLITE_ERROR and str(cause).startswith("no such table"):
            return self.unprepared()
        return None

    def _of_server(self, cause: BaseException, *, lost: bool) -> DatabaseFault | None:
        # PostgreSQL's classes of errors: https://www.postgresql.org/docs/current/errcodes-appendix.html
        state = _state(cause)
        if state == _DISK_FULL:
            return self.full()
        if state[:2] == _GAVE_WAY or state == _LOCKED:
            return self.busy()
        if state == _NO_CONNECTION or isinstance(cause, PoolTimeoutError):
            return self.used_up()
        if state in _DAMAGED:
            return self.damaged()
        if state == _NOT_ALLOWED:
            fix = f"have the user in {self.field} own the database and all that is in it"
            return DatabaseFault("the database's user may not do this", fix, self.field)
        if state == _READ_ONLY:
            fix = "see that it is no standby, and that its disk can be written"
            return DatabaseFault("the database can only be read", fix, self.field)
        if state[:2] == "28":
            return DatabaseFault("the database refuses the user or the password", f"correct {self.field}", self.field)
        if state == _NO_DATABASE:
            fix = f"create it, or correct {self.field}"
            return DatabaseFault("the server has no such database", fix, self.field)
        if state == _NO_TABLE:
            return self.unprepared()
        if lost or state[:2] in _AWAY or isinstance(cause, OSError | TimeoutError):
            return self.silent()
        return None


_CRAMPED: Final = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_DISK_FULL: Final = "53100"
_NO_CONNECTION: Final = "53300"
_GAVE_WAY: Final = "40"
"""A deadlock, or something else in which one of several transactions has to be begun again."""
_LOCKED: Final = "55P03"
_DAMAGED: Final = ("XX001", "XX002")
_NOT_ALLOWED: Final = "42501"
_READ_ONLY: Final = "25006"
_NO_DATABASE: Final = "3D000"
_NO_TABLE: Final = "42P01"
_AWAY: Final = ("08", "53", "57", "58")
"""No connection, nothing left to give, told to stop, or trouble with the system beneath it."""


def _cause(error: BaseException) -> BaseException:
    """The driver's own exception."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _state(cause: BaseException) -> str:
    return str(getattr(cause, "sqlstate", None) or "")


def _room(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return ROOM


def cramped(folders: Iterable[Path]) -> Room | None:
    """The fullest disk of these folders, if somebody has to see to it; what is not there yet has no disk."""
    rooms = [Room(folder, _room(folder)) for folder in folders if folder.is_dir()]
    least = min(rooms, key=lambda one: one.left, default=None)
    return least if least is not None and least.left < LITTLE_ROOM else None
