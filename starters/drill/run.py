"""The drill itself: start, break, mend, wait, and count."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from rapport.model.base import Refused, UserError
from starters.drill import disk, reckoning
from starters.drill.faults import FAULTS, Fault, told_by, why_not
from starters.drill.load import PATIENCE_SECONDS, Crowd
from starters.drill.plan import Beat, Story, plan
from starters.drill.private import Commands, Private, running
from starters.drill.report import DrillFaultShown, DrillReport, ReportLine

QUIET_WITHIN: Final = 180.0
"""How long a drill waits, once all is mended, until all is quiet: somewhat longer than a mail's lease, and than the
pause after a relay that was set up wrongly."""

SOON_SECONDS: Final = 30.0
"""How long a fault waits at most for Rapport to be at work, and then to be met, on a slow machine too."""

SQLITE_MEGABYTES: Final = 288
POSTGRES_MEGABYTES: Final = 384
"""Enough that `rapport doctor`, which warns before a disk is full, has nothing to say until the drill fills it. Memory
is taken only by what is written."""


@dataclass(frozen=True)
class DrillOptions:
    """What a drill is asked for.

    Attributes:
        seed: Decides what is done and broken, and in which order; not how fast the machine is.
        minutes: For how long things are broken.
        only: The faults to try, by name; all of them, where none is named.
        keep: A new directory for logs, the relay's mails and the data directory.
    """

    seed: int = 1
    minutes: float = 1.0
    postgres: bool = False
    database_url: str | None = None
    only: tuple[str, ...] = ()
    patience: float = QUIET_WITHIN
    keep: Path | None = None
    commands: Commands = field(default_factory=Commands)


Tell = Callable[[str], None]


async def drill(given: DrillOptions, tell: Tell = lambda _: None) -> DrillReport:
    """Start, break, mend, wait, and count.

    Args:
        tell: Hears what is being done.

    Raises:
        UserError: A fault is none, the directory to keep is not new, a part does not start, or a given database is not
            empty.
    """
    _refuse_unusable(given)
    folder = _folder()
    small = disk.make(folder / disk.KEPT_DATA.parent, POSTGRES_MEGABYTES if given.postgres else SQLITE_MEGABYTES)
    try:
        tell("starting a private installation")
        parts = running(folder, small, given.commands, own_postgres=given.postgres, database_url=given.database_url)
        async with parts as private:
            try:
                return await _drilled(given, private, tell)
            finally:
                if given.keep is not None:
                    shutil.copytree(
                        folder, given.keep, ignore=shutil.ignore_patterns("postgres", "ballast", "compiled")
                    )
    finally:
        disk.unmount(small)
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_unusable(given: DrillOptions) -> None:
    if given.keep is not None and given.keep.exists():
        raise UserError("is there already", field="--keep", fix="name a new directory", kind=Refused.CONFLICT)
    known = [fault.name for fault in FAULTS]
    for name in given.only:
        if name not in known:
            raise UserError(f'"{name[:40]}" is no fault', field="--fault", fix=f"use one of {', '.join(known)}")


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rapport-drill-"))
    # The database's own user has to reach its files.
    folder.chmod(0o711)
    return folder


async def _drilled(given: DrillOptions, private: Private, tell: Tell) -> DrillReport:
    crowd = Crowd(private)
    began = time.monotonic()
    stories: set[asyncio.Task[None]] = set()
    shown: list[DrillFaultShown] = []
    wanted = {fault.name: fault for fault in FAULTS if not given.only or fault.name in given.only}
    skipped = [ReportLine(name=name, what=why) for name, fault in wanted.items() if (why := why_not(fault, private))]
    impossible = {line.name for line in skipped}
    beats = plan(given.seed, given.minutes, [name for name in wanted if name not in impossible])
    try:
        await crowd.begin()
        tell("asking the doctor before anything is broken")
        before = await reckoning.ask_doctor(private)
        tell("breaking things")
        for beat in beats:
            dice = random.Random(beat.seed)  # noqa: S311 - to be repeated, not to be guessed

            def begin(kinds: tuple[Story, ...], dice: random.Random = dice) -> None:
                stories.update(asyncio.create_task(crowd.story(kind, dice.random())()) for kind in kinds)

            begun = crowd.begun
            begin(beat.before)
            await _soon(partial(crowd.has_begun_more_than, begun))
            if beat.fault is None:
                begin(beat.meanwhile)
            else:
                tell(f"{beat.fault}: {wanted[beat.fault].what}")
                shown.append(await _break(wanted[beat.fault], beat, dice, crowd, began, begin))
        tell("mending everything")
        await private.mend()
        tell("waiting until all is quiet")
        await reckoning.settle(private, crowd, stories, given.patience)
        tell("counting")
        crowd.over = True
        # Whoever is in the middle of asking hears first, and then says what they waited for.
        await asyncio.wait(stories, timeout=PATIENCE_SECONDS + 5)
        found, records, doctor = await reckoning.reckon(private, crowd)
    finally:
        for story in stories:
            story.cancel()
        await asyncio.gather(*stories, return_exceptions=True)
        await crowd.close()
    for story in stories:
        if not story.cancelled() and (error := story.exception()) is not None:
            raise error
    findings = [f"false alarm: before anything was broken doctor said: {what}" for what in before.says()]
    findings += _findings(found, crowd, shown)
    return DrillReport(
        seed=given.seed,
        minutes=given.minutes,
        seconds=round(time.monotonic() - began, 1),
        database="SQLite" if private.proxy is None else "PostgreSQL",
        disk=disk.DISK_WORDS[private.disk.means],
        well=not findings,
        findings=tuple(findings),
        acknowledged=dict(sorted(Counter(act.kind for act in crowd.acts).items())),
        on_record=dict(sorted(found.on_record.items())),
        mails=dict(sorted(Counter(mail.state for mail in records.messages.values()).items())),
        arrived=len(private.relay.taken()),
        doubled=tuple(found.doubled),
        unknown=tuple(found.unknown),
        failed=tuple(found.failed),
        waiting=tuple(found.waiting),
        lost=tuple(found.lost),
        stranded=tuple(found.stranded),
        wrong_answers=_wrong(crowd),
        refused=tuple(crowd.refused),
        faults=tuple(shown),
        skipped=tuple(skipped),
        doctor=doctor.says(),
    )


async def _break(
    fault: Fault,
    beat: Beat,
    dice: random.Random,
    crowd: Crowd,
    began: float,
    begin: Callable[[tuple[Story, ...]], None],
) -> DrillFaultShown:
    """Break one thing while people are at work, ask the doctor once somebody has met it, and mend it."""
    private = crowd.private
    await asyncio.sleep(beat.after)
    at = time.monotonic()
    known: bool | None = None
    said: tuple[str, ...] = ()
    crowd.turned_away = False
    async with fault.broken(private, dice):
        begin(beat.meanwhile)
        met = None if fault.met is None else await _soon(partial(fault.met, private, crowd))
        if checks := told_by(fault, private):
            doctor = await reckoning.ask_doctor(private)
            known, said = doctor.knows(checks), doctor.says(checks)
        await asyncio.sleep(max(0.0, at + beat.lasts - time.monotonic()))
    return DrillFaultShown(
        fault=fault.name,
        what=fault.what,
        at=round(at - began, 1),
        lasted=round(time.monotonic() - at, 1),
        met=met,
        known=known,
        doctor=said,
    )


async def _soon(is_so: Callable[[], Awaitable[bool]]) -> bool:
    """Whether something becomes so within a time that is long for any machine."""
    until = time.monotonic() + SOON_SECONDS
    while time.monotonic() < until:
        if await is_so():
            return True
        await asyncio.sleep(0.05)
    return False


def _findings(found: reckoning.Reckoning, crowd: Crowd, faults: list[DrillFaultShown]) -> list[str]:
    """Why all is not well, in sentences that name what to look at."""
    findings = [f"lost: {line.name}: {line.what}" for line in found.lost]
    findings += [f"stranded: {line.name}: {line.what}" for line in found.stranded]
    findings += found.findings
    findings += [
        f"not told: {line.name} is unknown, and doctor does not name it" for line in found.unknown if not line.told
    ]
    findings += [f"not told: {line.name} failed, and doctor does not name it" for line in found.failed if not line.told]
    findings += [
        f"not told: {line.fault}: doctor did not say so while it lasted" for line in faults if line.known is False
    ]
    findings += [f"wrong answer: {line.name}: {line.what}" for line in _wrong(crowd)]
    return findings


def _wrong(crowd: Crowd) -> tuple[ReportLine, ...]:
    return tuple(ReportLine(name=name, what=f"{what}, {count} times") for (name, what), count in crowd.wrong.items())
