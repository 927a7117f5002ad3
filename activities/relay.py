"""What is done while the relay takes no mail of ours: the managers are told, and it is asked until it does."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.clock import asked_at, now
from activities.waits import later
from rapport.mail.smtp import Deferred, Mailer, Misconfigured, Unserved
from rapport.model.account import Role
from rapport.model.ids import RELAY_ALARM
from rapport.model.relay import FaultKind, RelayAsked, RelayFault, RelayStart
from rapport.model.task import TaskDefinition, TaskPhase, TaskRecord
from rapport.model.workflows import RELAY
from rapport.rules import delegation
from rapport.storage import relay, task
from rapport.storage.database import Connection, Store

PROBE_EVERY: Final = timedelta(seconds=30)
"""How often a relay is asked that takes none of our mail."""

MENDED_WITHIN: Final = timedelta(hours=1)
"""How long somebody has to mend a fault before its alarm is overdue: nothing goes meanwhile."""

_MANAGERS: Final = f"{delegation.ROLE_PREFIX}{Role.TAM_MANAGER}"
_SUBJECT, _, _STEP = RELAY_ALARM.partition("/")


@dataclass(frozen=True)
class AlarmStarter:
    """Starts the workflow that tells the managers of a fault, and asks the relay until it is gone."""

    client: Client
    task_queue: str

    async def __call__(self) -> None:
        """Start it, unless it runs. Where Temporal does not answer, whoever waits for the relay does it later."""
        try:
            await self.client.start_workflow(
                RELAY.name,
                RelayStart(),
                id=RELAY_ALARM,
                task_queue=self.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary="Ask the mail server until it takes our email again",
            )
        except RPCError as error:
            logging.getLogger("rapport").warning("the relay's alarm could not be raised: %s", error.status.name)


@dataclass(frozen=True)
class Relays:
    """Asks the relay whether it takes our mail, and keeps what it answers."""

    store: Store
    mailer: Mailer
    sender: str

    @activity.defn(name="relay.tell")
    async def tell(self, asked: RelayAsked) -> None:
        """Put the fault into the inboxes of those who can see to it. Safe to repeat."""
        async with self.store.writing() as connection:
            fault = await relay.relay_fault(connection)
            if fault is not None:
                await _open(connection, fault, asked.now)

    @activity.defn(name="relay.probe")
    async def probe(self, asked: RelayAsked) -> None:
        """Ask the relay once; the one attempt of this activity is the one probe of the whole installation.

        Raises:
            ApplicationError: `Misconfigured` or `Deferred`, with the wait before the next attempt.
        """
        async with asked_at(asked.now):
            async with self.store.reading() as connection:
                known = await relay.relay_fault(connection)
            met: Misconfigured | Deferred | None = None
            try:
                await self.mailer.probe(self.sender, whole=known is not None and known.kind is FaultKind.MESSAGE)
            except (Misconfigured, Deferred) as answer:
                met = answer
            async with self.store.writing() as connection:
                if isinstance(met, Misconfigured | Unserved) and not _tells_nothing(met, known):
                    fault = await relay.meet_fault(connection, met.kind, met.code, now(), self.mailer.relay.named)
                    await _open(connection, fault, now())
                elif met is not None:
                    await relay.note_probe(connection, now())
                else:
                    await _close(connection, now())
                    await relay.mend(connection, now())
            if met is not None:
                raise _again(met) from None


def _tells_nothing(met: Misconfigured | Unserved, known: RelayFault | None) -> bool:
    """Whether what was refused may be refused still: a relay that is away in between does not say."""
    return met.kind is FaultKind.UNREACHABLE and known is not None and not known.kind.is_outage


def _again(met: Misconfigured | Deferred) -> ApplicationError:
    return later(str(met), "Misconfigured" if isinstance(met, Misconfigured) else "Deferred", PROBE_EVERY)


async def _open(connection: Connection, fault: RelayFault, at: datetime) -> None:
    """Write down the task that says what is wrong, with who can see to it now."""
    await task.put_alarm(connection, alarm_task(fault, TaskPhase.OPEN), at)


async def _close(connection: Connection, at: datetime) -> None:
    fault = await relay.relay_fault(connection)
    if fault is not None:
        await task.put(connection, alarm_task(fault, TaskPhase.CLOSED).model_copy(update={"outcome": MENDED}), at)


MENDED: Final = "mended"


def alarm_task(fault: RelayFault, phase: TaskPhase) -> TaskRecord:
    """The task that tells of a fault. It belongs to no account, takes no decision, and ends by itself."""
    question = f"{fault.what}. See `rapport mail status`."
    return TaskRecord(
        id=RELAY_ALARM,
        account="",
        contract="",
        subject=_SUBJECT,
        step=_STEP,
        title="Emails aren't going out",
        definition=TaskDefinition(
            task="alarm",
            question=question[0].upper() + question[1:],
            options=(),
            assign=(_MANAGERS,),
        ),
        phase=phase,
        round=1,
        requester=None,
        request=None,
        asked=None,
        answers=(),
        opened=fault.since,
        deadline=fault.since + MENDED_WITHIN,
        outcome=None,
    )
