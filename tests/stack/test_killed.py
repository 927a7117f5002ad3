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

from rapport.mail.catcher import Catcher
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
from starters.use_cases import account as accounts, audit, message, task, tech_review, timeline as timelines
from starters.use_cases.message import MessageLine
from tests.conftest import ROOT, Installation, account, by, until
from tests.helpers_mail import HANG, scripted_relay
from tests.stack.test_demo import LIMIT, environment
from tests.stack.test_races import MANAGER, QUESTION
from tests.support.tech_review import CE, CE_VP, LEADERS, SIDES, asked, everybody_says, in_phase, submitted
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


async def test_a_reviews_decision_is_told_once_though_its_worker_was_killed_before_the_mails(
    dev_server: Client, tmp_path: Path
) -> None:
    """Killed between a recommendation and the mails that tell what follows, a worker leaves them to the next: everyone
    concerned gets one, nobody two, and the decision stands on record once."""
    queue = new_id("queue")
    key = new_id("a").replace("_", "-")
    async with scripted_relay() as relay:
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
        here = Installation(services, dev_server, Catcher(tmp_path / "none"))
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
            ref = await submitted(here, key=key)
            await everybody_says(here, ref)
            asked_of = await asked(here, ref, "recommendation")
            async with store.writing() as connection:
                leader = await account_storage.member_by_email(connection, CE_VP)
                assert leader is not None
                said = submission(leader.id, by(CE_VP), "task.decide", asked_of.task)
                await timeline_storage.submit(connection, said)
            decision = Decision(id=said.id, round=1, option="yes", by=leader.id, submission=said.id, at=said.at)
            with contextlib.closing(sqlite3.connect(settings.data / "rapport.db", isolation_level=None)) as file:
                file.execute("BEGIN IMMEDIATE")
                handle = dev_server.get_workflow_handle(asked_of.task)
                async with asyncio.timeout(LIMIT):
                    await handle.execute_update(HumanTask.decide, decision, id=said.id)
                killed.kill()
                await killed.wait()
                file.execute("ROLLBACK")
        finally:
            with contextlib.suppress(ProcessLookupError):
                killed.kill()

        async def written() -> list[MessageLine]:
            return [one for one in await message.listed(services, key) if "/review_decided/" in one.key]

        assert await written() == []
        async with build(dev_server, settings) as parts, parts.worker:
            await in_phase(here, ref, "message")

            async def everyone_is_told() -> bool:
                # Whoever got a mail about this review today gets the next one tomorrow.
                found = await written()
                return bool(found) and all(one.state is MessageState.SENT or one.goes_at for one in found)

            await until(everyone_is_told, "everyone concerned to be told", LIMIT)
        told = await written()
        assert {one.to for one in told} >= {CE, *LEADERS.values(), *SIDES.values()}
        assert len({one.to for one in told}) == len(told)
        arrived = [mail.recipient for mail in relay.received if b"Approved: " in mail.raw]
        assert sorted(arrived) == sorted(one.to for one in told if one.state is MessageState.SENT)
        shown = await tech_review.show(services, ref)
        assert [one.kind for one in shown.remarks].count("verdict") == 1
        kinds = [one.kind for one in await timelines.timeline_of(services, key)]
        assert (kinds.count("tech_review.recommended"), kinds.count("tech_review.decided")) == (1, 1)
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
