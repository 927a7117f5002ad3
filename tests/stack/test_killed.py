"""A worker that is killed at the worst moment: between a decision and what is written down of it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from temporalio.client import Client

from rapport.mail.outbox import LEASE
from rapport.model.ids import new_id, task_id
from rapport.model.message import MessageState
from rapport.model.task import Decision, TaskStart
from rapport.model.workflows import HUMAN_TASK
from rapport.settings import Settings
from rapport.storage import account as account_storage, timeline as timeline_storage
from rapport.storage.database import Store
from rapport.storage.tables import MessageRow
from starters.services import Services, submission
from starters.use_cases import account as accounts, audit, message, task, timeline as timelines
from tests.conftest import ROOT, account, by, until
from tests.helpers_mail import HANG, scripted_relay
from tests.stack.test_demo import LIMIT, environment
from tests.stack.test_races import MANAGER, QUESTION
from worker import build
from workflows.task import HumanTask

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]


async def test_a_decision_outlives_the_worker_that_took_it(dev_server: Client, tmp_path: Path) -> None:
    """Killed before it could write the decision down, a worker leaves it to the next, which writes it down once."""
    key, queue = new_id("a").replace("_", "-"), new_id("queue")
    settings = Settings(data=tmp_path, task_queue=queue, secret=SecretStr("a secret of the tests"))
    store = Store(settings.database)
    await store.migrate()
    services = Services(settings, store, dev_server)
    await accounts.import_account(services, account(key, new_id("C")).model_copy(update={"contract": None}))
    start = TaskStart(account=key, contract=key, subject=key, step="choice", title="A choice", definition=QUESTION)
    env = environment(
        TEMPORAL_ADDRESS=dev_server.service_client.config.target_host,
        RAPPORT_DATA=str(tmp_path),
        RAPPORT_SECRET="a secret of the tests",
        RAPPORT_TASK_QUEUE=queue,
    )
    killed = await asyncio.create_subprocess_exec(sys.executable, "worker.py", env=env, cwd=ROOT)
    try:
        handle = await dev_server.start_workflow(
            HUMAN_TASK.name, start, id=task_id(key, "choice", 1), task_queue=queue, task_timeout=timedelta(seconds=1)
        )

        async def opened() -> bool:
            return bool((await task.inbox(services, by(MANAGER))).mine)

        await until(opened, "an open task", LIMIT)
        async with store.writing() as connection:
            manager = await account_storage.member_by_email(connection, MANAGER)
            assert manager is not None
            said = submission(manager.id, by(MANAGER), "task.decide", handle.id)
            await timeline_storage.submit(connection, said)
        decision = Decision(id=said.id, round=1, option="approve", by=manager.id, submission=said.id, at=said.at)
        with contextlib.closing(sqlite3.connect(settings.data / "rapport.db", isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(LIMIT):
                receipt = await handle.execute_update(HumanTask.decide, decision, id=said.id)
            killed.kill()
            await killed.wait()
            file.execute("ROLLBACK")
    finally:
        with contextlib.suppress(ProcessLookupError):
            killed.kill()
    assert (receipt.accepted, receipt.outcome) == (True, "approve")
    assert (await task.show(services, handle.id)).phase == "open", "nothing was written down"
    async with build(dev_server, settings) as parts, parts.worker:

        async def closed() -> bool:
            return (await task.show(services, handle.id)).phase == "closed"

        await until(closed, "the decision to be written down")
    (answer,) = (await task.show(services, handle.id)).decisions
    assert (answer.who, answer.option) == ("Ines Moreau", "Approve")
    told = [one.kind for one in await timelines.timeline_of(services, key)]
    assert (told.count("decision.made"), told.count("task.closed")) == (1, 1)
    assert (await audit.verify(services, key)).whole
    await store.close()


async def test_a_mail_outlives_the_worker_that_had_handed_it_over(dev_server: Client, tmp_path: Path) -> None:
    """Killed before it heard the relay's answer, a worker leaves the mail to the next, which sends the same bytes."""
    key, queue = new_id("a").replace("_", "-"), new_id("queue")
    async with scripted_relay() as relay:
        relay.then("body", HANG, HANG)
        address = f"smtp://127.0.0.1:{relay.port}"
        settings = Settings(
            data=tmp_path,
            secret=SecretStr("a secret of the tests"),
            task_queue=queue,
            smtp_url=SecretStr(address),
            mail_mode="live",
        )
        store = Store(settings.database)
        await store.migrate()
        services = Services(settings, store, dev_server)
        await accounts.import_account(services, account(key, new_id("C")).model_copy(update={"contract": None}))
        env = environment(
            TEMPORAL_ADDRESS=dev_server.service_client.config.target_host,
            RAPPORT_DATA=str(tmp_path),
            RAPPORT_SECRET="a secret of the tests",
            RAPPORT_TASK_QUEUE=queue,
            RAPPORT_SMTP_URL=address,
            RAPPORT_MAIL_MODE="live",
        )
        killed = await asyncio.create_subprocess_exec(sys.executable, "worker.py", env=env, cwd=ROOT)
        try:
            start = TaskStart(
                account=key, contract=key, subject=key, step="choice", title="A choice", definition=QUESTION
            )
            await dev_server.start_workflow(
                HUMAN_TASK.name,
                start,
                id=task_id(key, "choice", 1),
                task_queue=queue,
                task_timeout=timedelta(seconds=1),
            )
            await relay.reached("body", 2, limit=LIMIT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                killed.kill()
            await killed.wait()
        sending = await message.listed(services, key)
        assert [line.state for line in sending] == [MessageState.SENDING] * 2
        async with store.writing() as connection:
            # As if the lease had run out: nobody is at these any more.
            await connection.execute(update(MessageRow).values(lease_until=datetime.now(UTC) - LEASE))
        async with build(dev_server, settings) as parts, parts.worker:

            async def sent() -> bool:
                return {line.state for line in await message.listed(services, key)} == {MessageState.SENT}

            await until(sent, "both mails to be on record as sent")
        twice = [mail.raw for mail in relay.received if mail.recipient == MANAGER]
        assert len(twice) == 2
        assert twice[0] == twice[1]
        await store.close()
