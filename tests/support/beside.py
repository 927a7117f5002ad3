"""An installation with the example account, as `rapport demo` makes it, beside which this process runs commands."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from google.protobuf.duration_pb2 import Duration
from pydantic import SecretStr
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from rapport.model.ids import new_id
from rapport.schedules import register_schedules
from rapport.temporal import connect, register_search_attributes
from starters.cli.stack import example_account
from starters.installation import STACK_FILE, Addresses
from starters.secrets import kept
from starters.use_cases import desk, onboarding
from starters.use_cases.onboarding import StartRequest
from tests.conftest import installation, until
from tests.support import postgres

QUEUE = "rapport"
MAILS = 4
"""How many welcomes the example account gets."""


@contextmanager
def beside(server: Client, data: Path) -> Iterator[Path]:
    """Run an installation in a data directory, on a server that tests share, in a namespace of its own.

    So its account, its cases and its desk have the names that users see, whatever else runs there. It works in a thread
    and an event loop of its own: commands are programs, and wait for nobody else's.
    """
    if postgres.is_everywhere():
        pytest.skip("a demo's database is a file")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TEMPORAL_NAMESPACE", new_id("ns"))
        running = _running(server.service_client.config.target_host, data)
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(running):
            yield data


@asynccontextmanager
async def _running(address: str, data: Path) -> AsyncIterator[None]:
    client = await _prepared(address)
    data.mkdir(exist_ok=True)
    secret = SecretStr(kept(data / "secret"))
    async with installation(client, data, QUEUE, secret=secret) as made:
        settings = made.services.settings
        await register_schedules(client, QUEUE, settings.sweep_seconds)
        await desk.start(client, QUEUE)
        said = Addresses(
            data=str(data),
            temporal=address,
            ui="",
            http=settings.public_url,
            smtp=settings.smtp_url.get_secret_value().partition("//")[2],
            metrics="",
            mail_mode=settings.mail_mode,
            quiet_hours=settings.quiet_hours,
        )
        (data / STACK_FILE).write_text(said.model_dump_json())
        await onboarding.start(made.services, StartRequest(file=example_account(review="auto")))
        await made.mailed(MAILS)
        yield


async def _prepared(address: str) -> Client:
    """A client of the namespace that the environment names, once it is there and workflows are found in it."""
    client = await connect(address)
    kept_for = Duration()
    kept_for.FromTimedelta(timedelta(days=1))
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=os.environ["TEMPORAL_NAMESPACE"], workflow_execution_retention_period=kept_for
        )
    )
    await register_search_attributes(client)

    async def known() -> bool:
        try:
            await client.count_workflows('RapportAccount = "nobody"')
        except RPCError:
            return False
        return True

    await until(known, "the server to know of the search attributes")
    return client
