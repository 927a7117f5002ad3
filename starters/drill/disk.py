"""A small disk that the drill can fill: nobody else's files are ever in danger, and it is gone with the drill."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

KEPT_DATA: Final = Path("disk", "data")
"""Where the data directory is in a drill's directory, and in the one that keeps it."""

_NEW_NAMESPACE: Final = 0x00020000
_NEW_USER: Final = 0x10000000
_PRIVATE: Final = 0x40000 | 0x4000
_LEAST: Final = 4096

Means = Literal["tmpfs", "limit", "none"]

DISK_WORDS: Final[dict[Means, str]] = {
    "tmpfs": "a disk in memory, mounted for the drill alone",
    "limit": "a limit on how large files may grow (this system lets no user mount a disk); the database meets it as an "
    "I/O error, not as a full disk",
    "none": "none: this system offers no means to fill one",
}


class Disk:
    """Where the data directory and the database's files are."""

    def __init__(self, path: Path, means: Means) -> None:
        """Use what is there."""
        self.path = path
        self.means = means
        self._ballast = path / "ballast"
        self._limited: list[tuple[int, tuple[int, int]]] = []

    def fill(self, processes: Iterable[int]) -> None:
        """Leave no room.

        Args:
            processes: Whose files may not grow any more, where the disk itself has no end.
        """
        if self.means == "tmpfs":
            _write_until_full(self._ballast)
            return
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                before = resource.prlimit(process, resource.RLIMIT_FSIZE)
                self._limited.append((process, before))
                resource.prlimit(process, resource.RLIMIT_FSIZE, (_LEAST, before[1]))

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)
        for process, before in self._limited:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process, resource.RLIMIT_FSIZE, before)
        self._limited.clear()


def _write_until_full(path: Path) -> None:
    # Unbuffered: what does not fit is told at once. Ever smaller pieces, until not even a page fits.
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 16, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def make(path: Path, megabytes: int) -> Disk:
    """A disk of a size of its own, mounted where only this process and its children see it.

    To be called before anything else runs in this process: a process with several threads cannot leave its user
    namespace.
    """
    path.mkdir(mode=0o755)
    if sys.platform != "linux":
        return Disk(path, "none")
    return Disk(path, "tmpfs" if _mount(path, megabytes) else "limit")


def _mount(path: Path, megabytes: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        if libc.unshare(_NEW_NAMESPACE):
            return False
    else:
        # Whoever is not root is, in a user namespace of their own, allowed to mount.
        if libc.unshare(_NEW_USER | _NEW_NAMESPACE):
            return False
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        except OSError:
            return False
    if libc.mount(b"none", b"/", None, _PRIVATE, None):
        return False
    options = f"size={megabytes}m,mode=0755".encode()
    return bool(libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, options) == 0)


def unmount(disk: Disk) -> None:
    """Take the mount away again, where there is one; nobody but this process ever saw it."""
    if disk.means == "tmpfs":
        ctypes.CDLL(None).umount2(os.fsencode(disk.path), 2)
