"""A worker process beside the stack: it works with the stack's settings, and lives no longer than the stack."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from rapport.model.account import Role
from rapport.model.ids import new_id
from rapport.settings import Settings
from rapport.storage.database import Store
from starters.further_worker import FurtherWorker, environment, further_worker
from starters.installation import STACK_FILE, Addresses
from starters.use_cases import doctor
from starters.use_cases.doctor import CheckVerdict
from tests.conftest import until

pytestmark = pytest.mark.long


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
CHOSEN: Mapping[str, st.SearchStrategy[Any]] = {
    "data": WORDS.map(lambda name: Path("/somewhere") / name.replace("/", "-")),
    "database_url": st.none() | WORDS.map(lambda name: SecretStr(f"postgresql+asyncpg://me@db.example/{name}")),
    "database_password": st.none() | WORDS.map(SecretStr),
    "smtp_password": st.none() | WORDS.map(SecretStr),
    "smtp_url": st.sampled_from(["smtp://127.0.0.1:25", "smtps://me:pass@relay.example"]).map(SecretStr),
    "mail_mode": st.sampled_from(["off", "live", "redirect:me@foobar.example"]),
    "mail_allowed_domains": st.lists(st.sampled_from(["a.example", "b.example"]), unique=True).map(tuple),
    "fetch_allowed_hosts": st.lists(st.sampled_from(["cal.example", "10.0.0.7", "::1"]), unique=True).map(tuple),
    "oidc_client_secret": st.none() | WORDS.map(SecretStr),
    "oidc_roles": st.lists(st.tuples(WORDS, st.sampled_from(Role)), max_size=2).map(tuple),
    "quiet_hours": st.sampled_from(["keep", "ignore"]),
    "public_url": st.just("https://rapport.example"),
    "secret": st.none() | WORDS.map(SecretStr),
    "links_sign_in": st.booleans(),
    "task_queue": WORDS,
    "log_level": st.sampled_from(["DEBUG", "ERROR"]),
}


@given(chosen=st.fixed_dictionaries({}, optional=CHOSEN))
def test_its_environment_says_what_the_settings_say(chosen: dict[str, Any]) -> None:
    """Whatever is set, the process that gets this environment reads the same settings from it."""
    settings = Settings.model_construct(**{**dict(Settings()), **chosen})
    with patch.dict("os.environ", environment(settings), clear=True):
        read = dict(Settings())
    assert read == {**dict(settings), "data": settings.data.absolute()}


@asynccontextmanager
async def running(client: Client, data: Path) -> AsyncIterator[tuple[FurtherWorker, Settings]]:
    """A further worker on a task queue of its own, once it asks for work there."""
    settings = Settings(data=data, secret=SecretStr("a secret of the tests"), task_queue=new_id("queue"))
    store = Store(settings.database)
    await store.migrate()
    await store.close()
    log = data / "worker.log"
    async with further_worker(settings, client.service_client.config.target_host, log) as further:
        await until(lambda: polled_by(client, settings.task_queue, further.process.pid), "a worker that asks for work")
        yield further, settings


async def polled_by(client: Client, queue: str, pid: int) -> bool:
    """Whether a process asks for work on a task queue."""
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    return any(poller.identity.startswith(f"{pid}@") for poller in answer.pollers)


@pytest.mark.asyncio(loop_scope="session")
async def test_it_ends_as_a_worker_does_when_the_stack_lets_go_of_it(
    dev_server: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It lets what is under way come to its end, and nobody is warned."""
    async with running(dev_server, tmp_path) as (further, _):
        pass
    assert further.process.returncode == 0
    assert "Beginning worker shutdown" in (tmp_path / "worker.log").read_text()
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.asyncio(loop_scope="session")
async def test_another_takes_the_place_of_one_that_was_killed(
    dev_server: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The stack says so, goes on with the others, and starts it again; doctor tells if one does not ask for work."""
    async with running(dev_server, tmp_path) as (further, settings):
        killed = further.process.pid
        further.process.kill()
        await until(lambda: polled_by_another(dev_server, settings.task_queue, further, killed), "another in its place")
        assert "a further worker ended with -9; another starts in 2 s, and the others do its work" in caplog.text
        host = dev_server.service_client.config.target_host
        for workers, verdict in ((2, CheckVerdict.OK), (3, CheckVerdict.NOTE)):
            stack = Addresses(data="", temporal=host, ui="", http="", smtp="", metrics="", mail_mode="off")
            (tmp_path / STACK_FILE).write_text(stack.model_copy(update={"workers": workers}).model_dump_json())
            assert (await doctor.examine_worker(dev_server, settings)).verdict is verdict


async def polled_by_another(client: Client, queue: str, further: FurtherWorker, than: int) -> bool:
    """Whether the one that runs now is another, and asks for work."""
    return further.process.pid != than and await polled_by(client, queue, further.process.pid)
