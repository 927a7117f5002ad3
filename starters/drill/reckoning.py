"""The reckoning after a drill: what was acknowledged against what is on record, and that against what the relay has."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.ids import case_id
from rapport.model.message import NOT_DELIVERED, SETTLED, MessageState
from rapport.storage.waits import open_workflows
from starters.drill.load import Act, Crowd
from starters.drill.private import AWAY, Private
from starters.drill.records import DrillRecords, Mail
from starters.drill.relay import Taken
from starters.drill.report import ReportLine

STILL_SECONDS: Final = 30.0
"""After so long without any change, and with nobody at work, nothing more is to come."""

STUCK_ATTEMPTS: Final = 4
"""A step of a workflow that has failed so often after everything was mended will not succeed."""

DOCTOR_SECONDS: Final = 60.0


@dataclass(frozen=True)
class RunningWork:
    """What Temporal says of one workflow.

    Attributes:
        mails: Whether it has a mail's activity under way.
        trouble: What fails again and again.
    """

    runs: bool
    mails: bool = False
    trouble: str | None = None


@dataclass(frozen=True)
class Doctor:
    """What `rapport doctor` says.

    Attributes:
        text: All of it, as it was printed.
    """

    code: int
    text: str
    checks: dict[str, tuple[str, str]] = field(default_factory=dict)

    def knows(self, checks: Sequence[str]) -> bool:
        """Whether one of these checks says that something is wrong."""
        return any(self.checks.get(name, ("ok", ""))[0] in ("trouble", "unreachable") for name in checks)

    def says(self, checks: Sequence[str] = ()) -> tuple[str, ...]:
        """What it says of these checks; of all that are not well, where none are named."""
        named = checks or [name for name, (verdict, _) in self.checks.items() if verdict in ("trouble", "unreachable")]
        return tuple(f"{name}: {self.checks[name][1]}" for name in named if name in self.checks)


async def ask_doctor(private: Private) -> Doctor:
    """`rapport doctor --json`, as an operator calls it."""
    code, out = await private.rapport("doctor", "--json", seconds=DOCTOR_SECONDS)
    try:
        said: dict[str, Any] = json.loads(out)
    except ValueError:
        # What tells nothing is no doctor: a crash must not pass for a clean bill of health.
        return Doctor(code, out, {"doctor": ("trouble", f"it gave no answer, and ended with {code}")})
    checks = {one["check"]: (one["verdict"], one["what"]) for one in said.get("checks", ())}
    return Doctor(code, out, checks)


@dataclass
class Reckoning:
    """What came of everything."""

    on_record: Counter[str] = field(default_factory=Counter)
    lost: list[ReportLine] = field(default_factory=list)
    stranded: list[ReportLine] = field(default_factory=list)
    waiting: list[ReportLine] = field(default_factory=list)
    doubled: list[ReportLine] = field(default_factory=list)
    unknown: list[ReportLine] = field(default_factory=list)
    failed: list[ReportLine] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


async def work_of(private: Private, id_: str) -> RunningWork:
    """What Temporal says of a workflow."""
    try:
        described = await private.client.get_workflow_handle(id_).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return RunningWork(runs=False)
        raise
    raw = described.raw_description
    trouble = None
    if raw.pending_workflow_task.attempt >= STUCK_ATTEMPTS:
        trouble = f"its workflow task fails, {raw.pending_workflow_task.attempt} times so far"
    for one in raw.pending_activities:
        if one.attempt >= STUCK_ATTEMPTS and not one.activity_type.name.startswith("messages."):
            trouble = f"{one.activity_type.name} fails: {one.last_failure.message}"
    return RunningWork(
        runs=described.status is WorkflowExecutionStatus.RUNNING,
        mails=any(one.activity_type.name.startswith("messages.") for one in raw.pending_activities),
        trouble=trouble,
    )


async def mails_under_way(private: Private) -> bool:
    """Whether any workflow has a mail's activity that will be tried again: it may wait for minutes, and then go on."""
    running = [run.id async for run in private.client.list_workflows('ExecutionStatus = "Running"')]
    for id_ in running:
        if (await work_of(private, id_)).mails:
            return True
    return False


def due(mail: Mail, now: datetime) -> bool:
    """Whether a mail should be on its way by now."""
    if mail.state in SETTLED or mail.state == MessageState.DRAFT:
        return False
    instant = {"ready": mail.not_before, "deferred": mail.retry_at, "sending": mail.lease_until}[mail.state]
    return instant is None or instant <= now


def unsettled(records: DrillRecords) -> list[Mail]:
    """The mails that are to go, at once or later."""
    return [one for one in records.messages.values() if one.state not in SETTLED and one.state != MessageState.DRAFT]


async def settle(private: Private, crowd: Crowd, stories: set[asyncio.Task[None]], patience: float) -> None:
    """Wait until everybody has done what they wanted and every mail has gone, or until nothing moves any more."""
    limit = time.monotonic() + patience
    before: object = None
    since = time.monotonic()
    while time.monotonic() < limit:
        try:
            records = await DrillRecords.read(private.store)
        except AWAY:
            await asyncio.sleep(0.5)
            continue
        mails = unsettled(records)
        if not mails and not records.unasked() and all(story.done() for story in stories):
            return
        end = datetime.now(UTC) + timedelta(seconds=limit - time.monotonic())
        state = (len(crowd.acts), len(records.timeline), {one.key: one.state for one in mails})
        now = datetime.now(UTC)
        if state != before or any(not due(one, now) and due(one, end) for one in mails):
            before, since = state, time.monotonic()
        elif time.monotonic() - since > STILL_SECONDS:
            if not await mails_under_way(private):
                return
            since = time.monotonic()
        await asyncio.sleep(0.5)


async def reckon(private: Private, crowd: Crowd) -> tuple[Reckoning, DrillRecords, Doctor]:
    """Compare everything with everything."""
    doctor = await ask_doctor(private)
    records = await DrillRecords.read(private.store)
    taken = private.relay.taken()
    found = Reckoning()
    _acts(found, records, crowd.acts)
    found.lost += _missing(records, crowd.promises)
    _arrivals(found, records, taken, private.relay.refused(), doctor)
    await _mails(found, private, records, doctor)
    await _workflows(found, private, records, doctor)
    _stories(found, records, crowd)
    return found, records, doctor


def _stories(found: Reckoning, records: DrillRecords, crowd: Crowd) -> None:
    """Whoever waits for something that did not come; a mail that goes later may come yet."""
    later = {records.messages[line.name].address for line in found.waiting}
    for name, missed in crowd.waiting_for.items():
        if missed.mail_to in later:
            found.waiting.append(ReportLine(name=name, what=f"waits for {missed}"))
        else:
            found.stranded.append(ReportLine(name=name, what=f"waited in vain for {missed}"))


def _acts(found: Reckoning, records: DrillRecords, acts: Sequence[Act]) -> None:
    for act in acts:
        missing = _missing(records, [act])
        if not missing:
            found.on_record[act.kind] += 1
        found.lost += missing


def _missing(records: DrillRecords, acts: Sequence[Act]) -> list[ReportLine]:
    return [ReportLine(name=act.name, what=f"{act.kind}: {what}") for act in acts for what in act.missing(records)]


def _arrivals(
    found: Reckoning, records: DrillRecords, taken: Sequence[Taken], refused: Counter[str], doctor: Doctor
) -> None:
    by_key: dict[str, list[Taken]] = {}
    for mail in taken:
        by_key.setdefault(mail.key, []).append(mail)
    for key, some in by_key.items():
        row = records.messages.get(key)
        if row is None:
            found.lost.append(ReportLine(name=key, what="it arrived, and the outbox has no such mail"))
            continue
        if row.state in (MessageState.SUPPRESSED, MessageState.HELD, MessageState.DRAFT, MessageState.FAILED):
            found.lost.append(ReportLine(name=key, what=f"it arrived, and is on record as {row.state}"))
        if len(some) > 1:
            kinds = "the same bytes" if len({one.digest for one in some}) == 1 else "different bytes"
            found.doubled.append(ReportLine(name=key, what=f"{row.kind}: arrived {len(some)} times, {kinds}"))
            if row.kind == "hold" or kinds == "different bytes":
                found.findings.append(f"doubled: {key} ({row.kind}) arrived {len(some)} times, {kinds}")
    for key, row in records.messages.items():
        if row.state == MessageState.SENT and key not in by_key:
            found.lost.append(ReportLine(name=key, what="it is on record as sent, and the relay never had it"))
        if row.state == MessageState.FAILED:
            # Each refusal accounts for one mail.
            refused[row.address] -= 1
        if row.state == MessageState.FAILED and refused[row.address] < 0:
            what = f"it is on record as failed ({row.reason}), and the relay never refused it"
            found.lost.append(ReportLine(name=key, what=what))
        if row.state in NOT_DELIVERED:
            came = " It arrived." if key in by_key else ""
            line = ReportLine(name=key, what=f"{row.reason or row.state}.{came}", told=key in doctor.text)
            (found.unknown if row.state == MessageState.UNKNOWN else found.failed).append(line)
    found.findings += [
        f"nobody is asked about {key}, which is {records.messages[key].state}" for key in records.unasked()
    ]


async def _mails(found: Reckoning, private: Private, records: DrillRecords, doctor: Doctor) -> None:
    now = datetime.now(UTC)
    for mail in unsettled(records):
        work = await work_of(private, mail.workflow_id)
        told = mail.key in doctor.text or None
        if due(mail, now) and not work.mails:
            age = int((now - mail.created_at).total_seconds())
            what = f"{mail.state} since {age} s, and nobody works on it"
            found.stranded.append(ReportLine(name=mail.key, what=what, told=bool(told)))
        else:
            found.waiting.append(ReportLine(name=mail.key, what=f"{mail.state}: {mail.reason or 'on its way'}"))


async def _workflows(found: Reckoning, private: Private, records: DrillRecords, doctor: Doctor) -> None:
    """What is on record as under way and is not, and what fails again and again."""
    async with private.store.snapshot() as connection:
        opened = await open_workflows(connection)
    for id_ in sorted(opened):
        work = await work_of(private, id_)
        if not work.runs:
            found.stranded.append(
                ReportLine(name=id_, what="on record as under way, and it does not run", told=id_ in doctor.text)
            )
        elif work.trouble:
            found.stranded.append(ReportLine(name=id_, what=work.trouble, told=id_ in doctor.text))
    for contract, row in records.contracts.items():
        if row.requested_at is not None and row.run_id is None:
            what = "its onboarding was asked for, and never began"
            found.stranded.append(ReportLine(name=contract, what=what, told=contract in doctor.text))
    for ref, row in records.cases.items():
        if not row.projected and case_id(ref) in opened:
            found.stranded.append(ReportLine(name=ref, what="on record, and never begun", told=ref in doctor.text))
    for ref, row in records.reviews.items():
        if not row.projected:
            found.stranded.append(ReportLine(name=ref, what="on record, and never begun", told=ref in doctor.text))
    ended = 'ExecutionStatus IN ("Failed", "TimedOut", "Terminated")'
    async for run in private.client.list_workflows(ended):
        found.stranded.append(
            ReportLine(name=run.id, what=f"ended as {run.status.name.lower()}" if run.status else "ended")
        )
