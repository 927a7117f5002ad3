"""The disk: whether there is room left on it for what has to be recorded."""

from __future__ import annotations

from pathlib import Path

from rapport.model.base import WireModel
from rapport.rules.wording import amount
from rapport.storage import faults
from rapport.storage.database import Store
from rapport.storage.faults import DatabaseFault, cramped, disk_full
from rapport.storage.probes import probe
from starters.services import present


class DiskAlarm(WireModel):
    """Why nothing can be recorded, or soon will not be.

    Attributes:
        full: Whether nothing can be recorded now.
        problem, fix: What is wrong and what to do about it, each in one sentence without a full stop.
    """

    full: bool
    problem: str
    fix: str


async def disk_alarm(store: Store, data: Path) -> DiskAlarm | None:
    """What somebody has to see to before anything else: it stands on every page, and beside what every command tells.

    Looks at the disks of this machine. Of a database that is elsewhere it knows what became of the last write, and
    writes once to see whether that still holds.
    """
    room = cramped({data, store.file.parent} if store.file is not None else {data})
    if room is not None and room.left < faults.ROOM:
        full = disk_full(room.folder)
        return DiskAlarm(full=True, problem=full.problem, fix=full.fix)
    if store.refused is not None:
        try:
            await probe(store, "alarm", present())
        except DatabaseFault as fault:
            return DiskAlarm(full=True, problem=fault.problem, fix=fault.fix)
    if room is None:
        return None
    return DiskAlarm(
        full=False,
        problem=f"only {amount(room.left // 1_000_000, 'MB', 'MB')} are left in {room.folder}",
        fix="free some space there, or move it to a larger disk: nothing is recorded once it is full",
    )
