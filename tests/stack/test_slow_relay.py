"""A relay that keeps mails waiting holds up nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle

from activities import delivery
from rapport.model.ids import new_id, task_id
from rapport.model.message import MessageRequest, MessageState, Purpose
from rapport.model.task import TaskStart
from rapport.model.workflows import HUMAN_TASK, NOTICE
from rapport.storage import account as account_storage
from starters.services import present
from starters.use_cases import account as accounts, message, task
from tests.conftest import Installation, account, by, installation, until
from tests.helpers_mail import HANG, scripted_relay
from tests.stack.test_races import MANAGER, QUESTION
from tests.support.desk import SAM, ask, off_duty, open_desk
from tests.support.pager import pager
from tests.workflows.test_desk import AROUND_THE_CLOCK
from worker import ACTIVITIES

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def asked(there: Installation, key: str) -> WorkflowHandle[Any, Any]:
    """A question to a manager, of which a mail tells them; a workflow task may take five seconds."""
    await accounts.import_account(there.services, account(key, new_id("C")))
    start = TaskStart(account=key, contract=key, subject=key, step="choice", title="A choice", definition=QUESTION)
    return await there.client.start_workflow(
        HUMAN_TASK.name,
        start,
        id=task_id(key, "choice", 1),
        task_queue=there.services.settings.task_queue,
        # While the mail hangs, the worker says every four seconds that it is at it; where it is a second late, the
        # task is begun anew, and may send once more what may not have arrived.
        task_timeout=timedelta(seconds=5),
    )


async def sent(there: Installation, key: str, to: str) -> bool:
    """Whether somebody has their mail, as the outbox has it."""
    lines = await message.listed(there.services, key)
    return any(line.to == to and line.state is MessageState.SENT for line in lines)


async def test_a_decision_is_taken_while_the_relay_keeps_a_mail_waiting(dev_server: Client, tmp_path: Path) -> None:
    """A relay that has a mail's data and says nothing keeps nobody from deciding; the mail arrives once."""
    key = new_id("slow").replace("_", "-")
    async with scripted_relay() as relay:
        relay.then("body", HANG, HANG)
        address = SecretStr(f"smtp://127.0.0.1:{relay.port}")
        async with installation(dev_server, tmp_path, new_id("queue"), smtp_url=address) as there:
            handle = await asked(there, key)
            await relay.reached("body", 2)
            receipt = await task.decide(there.services, handle.id, "approve", by(MANAGER))
            assert receipt.accepted
            assert not await sent(there, key, MANAGER)
            relay.release.set()
            await until(lambda: sent(there, key, MANAGER), "the mail to be on record as sent")
    assert len(relay.to(MANAGER)) == 1


async def test_a_mail_that_does_not_go_at_once_is_an_activity_that_temporal_shows(
    dev_server: Client, tmp_path: Path
) -> None:
    """Where a relay asks for patience, Temporal shows the mail that waits, why, and when it is tried again."""
    key = new_id("patient").replace("_", "-")
    async with scripted_relay() as relay:
        relay.then("RCPT", "450 4.2.0 greylisted", "450 4.2.0 greylisted")
        address = SecretStr(f"smtp://127.0.0.1:{relay.port}")
        async with installation(dev_server, tmp_path, new_id("queue"), smtp_url=address) as there:
            handle = await asked(there, key)

            async def waiting() -> list[Any]:
                pending = (await handle.describe()).raw_description.pending_activities
                return [one for one in pending if one.attempt > 1]

            (shown,) = await until(waiting, "a mail that is tried again")
            assert shown.activity_type.name == "messages.send"
            assert shown.last_failure.message == "the mail server asks to try again later"
            assert shown.next_attempt_schedule_time.seconds > shown.last_attempt_complete_time.seconds


async def notices(there: Installation, count: int) -> list[WorkflowHandle[Any, Any]]:
    """So many mails of no account's story, to one member."""
    async with there.services.store.reading() as connection:
        member = await account_storage.member_by_email(connection, SAM)
    assert member is not None
    given = {"title": "A word", "purpose": Purpose.SIGN_IN, "email": "sign_in", "to": (member.id,), "now": present()}
    begun = []
    for number in range(count):
        id_ = f"notice/{new_id('n')}"
        occasion = MessageRequest.model_validate({**given, "step": f"word.{number}", "workflow_id": id_})
        queue = there.services.settings.task_queue
        begun.append(await there.client.start_workflow(NOTICE.name, occasion, id=id_, task_queue=queue))
    return begun


async def is_waiting(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether a workflow has an activity that has not come to its end."""
    return bool((await handle.describe()).raw_description.pending_activities)


async def test_whoever_is_on_call_is_paged_while_more_mails_wait_than_a_worker_takes(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a relay that answers nobody, a page still gets through: mails have a task queue of their own."""
    monkeypatch.setattr(delivery, "PROMPT", 0.1)
    (tmp_path / "support.toml").write_text(AROUND_THE_CLOCK.format(member=SAM))
    async with scripted_relay() as relay, pager() as webhook:
        relay.then("greeting", *([HANG] * 1_000))
        address, hook = SecretStr(f"smtp://127.0.0.1:{relay.port}"), SecretStr(webhook.url)
        async with installation(
            dev_server, tmp_path, new_id("queue"), smtp_url=address, paging_webhook_url=hook
        ) as there:
            # Whoever is at work would have it without a page.
            await open_desk(there, day=None, members=off_duty())
            waiting = await notices(there, ACTIVITIES + 8)

            async def all_wait() -> bool:
                return all([await is_waiting(handle) for handle in waiting])

            await until(all_wait, "mails that wait for the relay")
            await ask(there, "All is down", severity=1)

            async def paged() -> bool:
                return bool(webhook.pages)

            await until(paged, "the page")
            assert relay.accepted == []
            relay.release.set()
