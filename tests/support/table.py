"""A scenario lived with a fault in everything, and what it came to."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import func, select
from temporalio.api.testservice.v1 import UnlockTimeSkippingRequest
from temporalio.client import WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.worker import Replayer

from rapport.mail import outbox
from rapport.model.base import UserError
from rapport.model.message import MessageState
from rapport.runner import Runner
from rapport.storage.tables import MessageRow
from starters.use_cases import timeline
from tests.conftest import DESK, Installation, skipping_installation, until
from tests.support.faults import Attended, Faults, Mode, Pair, description, hurried, is_about_trouble, see_to
from tests.support.pager import pager
from worker import MECHANICS, WORKFLOWS

Scenario = Callable[[Installation], Awaitable[None]]
Promise = tuple[str, str, str]
"""A mail that is promised: its step, its purpose, and the email that it is written from."""

ACCOUNT: Final = "versayce"
COUNTED: Final = re.compile(r"/(([a-z]+_)?[0-9a-f]{12,16}|\d+)(?=/|$)")
"""In a workflow's id, which attempt it is, and whom or which mail it is about: people have other ids in each life."""
SAID: Final = re.compile(r"\.(s_[0-9a-f]{16}|\d{4}-\d\d-\d\dT[\d:.]+\+00:00)$")
"""In the step of a mail to the review channel, what it tells: what was said has another id in each life as well, and
what nobody said is known by its instant, to the microsecond."""
ON_CALL: Final = """
[on_call]
members = ["{}"]
since = 2020-01-01
"""
GOOD: Final = (int(WorkflowExecutionStatus.RUNNING), int(WorkflowExecutionStatus.COMPLETED))


@dataclass(frozen=True)
class Lived:
    """What a scenario came to.

    Attributes:
        kept: How many mails of each kind were sent.
        ended: The workflows that have ended.
    """

    faults: Faults
    kept: Counter[Promise]
    ended: frozenset[str]


async def live(
    scenario: Scenario,
    mode: Mode | None,
    promised: Lived | None,
    *,
    on_call: str | None = None,
    refused: Iterable[Pair] = (),
    **settings: Any,
) -> Lived:
    """Live through a scenario with a fault in everything, until all is as it would be without.

    Args:
        promised: What it comes to without a fault.
        refused: What refuses once, also without a fault.
        on_call: Who is paged.
        settings: What else is set in the installation.
    """
    faults = Faults(mode, refused)
    with tempfile.TemporaryDirectory() as data, hurried(mode):
        if on_call is not None:
            (Path(data) / "support.toml").write_text(DESK + ON_CALL.format(on_call))
        async with (
            pager() as paging,
            skipping_installation(
                Path(data),
                paging_webhook_url=SecretStr(paging.url),
                runner=Runner.sharing(MECHANICS),
                interceptors=[faults],
                **settings,
            ) as made,
        ):
            installation = Attended(made.services, made.client, made.catcher, made.environment)
            attending = asyncio.create_task(_attend(installation, faults))
            try:

                async def is_all_kept() -> Lived | None:
                    seen = await _look(installation, faults)
                    if seen is None or promised is None:
                        return seen
                    if promised.kept - seen.kept or promised.ended - seen.ended:
                        await _see_scheduled_mails_go(installation)
                        return None
                    return seen

                try:
                    await scenario(installation)
                    lived: Lived = await until(is_all_kept, "everything that was promised", limit=20)
                except BaseException as error:
                    await _tell(installation, faults, promised, error)
                    raise
            finally:
                attending.cancel()
            await _check(installation, faults)
            return lived


async def _attend(installation: Installation, faults: Faults) -> None:
    orphans = set[str]()
    while True:
        await see_to(installation)
        await _let_go_of_the_clock(installation, faults, orphans)
        await asyncio.sleep(0.1)


async def _let_go_of_the_clock(installation: Installation, faults: Faults, seen: set[str]) -> None:
    """Give the server back its clock, which it stops for ever when a workflow ends later than the run that started it.

    Args:
        seen: The runs that this was done for, or that need it not.
    """
    for id_ in list(faults.workflows):
        ended = (await description(installation.client, id_)).workflow_execution_info
        if not ended.HasField("close_time") or ended.execution.run_id in seen:
            continue
        seen.add(ended.execution.run_id)
        if parent := ended.parent_execution.workflow_id:
            began = (
                await description(installation.client, parent, ended.parent_execution.run_id)
            ).workflow_execution_info
            if began.HasField("close_time") and began.close_time.ToDatetime(UTC) <= ended.close_time.ToDatetime(UTC):
                await installation.client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())


async def _see_scheduled_mails_go(installation: Installation) -> None:
    """Let the clock run to the working time that a fault has had a mail wait for, if there is one."""
    async with installation.services.store.reading() as connection:
        waits = MessageRow.state == MessageState.READY, MessageRow.not_before > await installation.now()
        at = await connection.scalar(select(func.min(MessageRow.not_before)).where(*waits))
    if at is not None:
        await installation.sleep_until(at)


async def _look(installation: Installation, faults: Faults) -> Lived | None:
    """What it came to; nothing as long as anything is under way."""
    if await see_to(installation):
        return None
    async with installation.services.store.reading() as connection:
        now = await installation.now()
        if await outbox.late(connection, now, now, 1) or await outbox.unresolved(connection, 1):
            return None
    ended = set()
    for id_ in list(faults.workflows):
        raw = await description(installation.client, id_)
        if raw.pending_activities or raw.HasField("pending_workflow_task"):
            return None
        if raw.workflow_execution_info.status != int(WorkflowExecutionStatus.RUNNING):
            ended.add(COUNTED.sub("", id_))
    kept: Counter[Promise] = Counter()
    async with installation.services.store.reading() as connection:
        for row in (
            await connection.execute(select(MessageRow.step, MessageRow.purpose, MessageRow.email, MessageRow.state))
        ).all():
            if row.state == MessageState.SENT and not is_about_trouble(row.step):
                kept[SAID.sub("", row.step), row.purpose, row.email] += 1
    try:
        entries = await timeline.timeline_of(installation.services, ACCOUNT)
    except UserError:
        # There is no account in it.
        entries = []
    told = {(one.kind, one.step or "") for one in entries}
    kept.update((step, "timeline", kind) for kind, step in told if not is_about_trouble(step))
    return Lived(faults, kept, frozenset(ended))


async def _check(installation: Installation, faults: Faults) -> None:
    """Nothing arrived twice, no workflow and none of its tasks has failed, and each does the same again."""
    again = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=Runner.sharing(MECHANICS),
    )
    ids = Counter(mail["Message-ID"] for mail in installation.mails())
    assert max(ids.values(), default=1) == 1, ids.most_common(3)
    for id_ in list(faults.workflows):
        assert int((await description(installation.client, id_)).workflow_execution_info.status) in GOOD, id_
        history = await installation.client.get_workflow_handle(id_).fetch_history()
        # What an activity that timed out gives in a replay has another shape than at first.
        await again.replay_workflow(history)
        for event in history.events:
            failed = event.workflow_task_failed_event_attributes
            assert not failed.HasField("failure"), (id_, failed.failure.message, failed.failure.cause.message)


async def _tell(installation: Installation, faults: Faults, promised: Lived | None, error: BaseException) -> None:
    """Add to an error what is missing."""
    for id_ in list(faults.workflows):
        try:
            raw = await description(installation.client, id_)
        except RPCError:
            continue
        for one in raw.pending_activities:
            error.add_note(f"{id_} tries {one.activity_type.name}, {one.attempt} times: {one.last_failure.message}")
        if raw.HasField("pending_workflow_task"):
            error.add_note(f"{id_} has a task, attempt {raw.pending_workflow_task.attempt}")
        if raw.workflow_execution_info.status == int(WorkflowExecutionStatus.RUNNING):
            error.add_note(f"{id_} is open")
    if promised is not None and (seen := await _look(installation, faults)) is not None:
        error.add_note(f"missing: {promised.kept - seen.kept}, still open: {promised.ended - seen.ended}")
