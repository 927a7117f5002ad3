"""What processes have cost so far, from Linux's own books."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system CPU seconds of one process, its threads included; 0 where nobody keeps such books."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_named(parent: int, name: str) -> tuple[int, ...]:
    """The processes of this name that were started by another one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        if head.partition("(")[2].startswith(name) and int(rest.split()[1]) == parent:
            found.append(int(stat.parent.name))
    return tuple(found)


@dataclass(frozen=True)
class Cost:
    """CPU seconds: of Temporal's server, of the process under test, and of the benchmark itself."""

    server: float
    ours: float
    bench: float

    def __sub__(self, before: Cost) -> Cost:
        """What was spent in between."""
        return Cost(self.server - before.server, self.ours - before.ours, self.bench - before.bench)

    def each(self, count: int) -> dict[str, float]:
        """Milliseconds for each of so many."""
        return {
            "server_ms": round(1000 * self.server / count, 2),
            "ours_ms": round(1000 * self.ours / count, 2),
            "bench_ms": round(1000 * self.bench / count, 2),
        }


def resident(pid: int) -> int:
    """The memory that a process has at this moment, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
