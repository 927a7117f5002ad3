"""SQL that takes nothing for ever, on a real Temporal server: what waits for it stands where operators look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import text
from temporalio.client import Client

from rapport.model.ids import new_id, onboarding_id
from rapport.model.message import MessageState
from rapport.model.operation import Operate, Operation
from rapport.storage.database import Connection, Store
from starters.http.app import create_app
from starters.services import present
from starters.use_cases import doctor, message, onboarding, timeline
from starters.use_cases.doctor import CheckVerdict
from starters.use_cases.onboarding import StartRequest
from tests.conftest import Installation, account, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

READ_ONLY = "the database can only be read"


@asynccontextmanager
async def only_read(store: Store) -> AsyncIterator[Connection]:
    """A transaction of which the database itself refuses to write anything."""
    async with WRITING(store) as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SET TRANSACTION READ ONLY"))
            yield connection
            return
        await connection.execute(text("PRAGMA query_only = ON"))
        try:
            yield connection
        finally:
            await connection.execute(text("PRAGMA query_only = OFF"))


WRITING = Store.writing


async def test_where_sql_fails_for_ever_doctor_readyz_and_temporal_say_so(
    here: Installation, dev_server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each names the database, the workflow shows its activity with what that meets, and all goes on afterwards."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    await onboarding.start(here.services, StartRequest(file=file))

    async def drafted() -> bool:
        return len(await message.listed(here.services, key, MessageState.DRAFT)) == 4

    await until(drafted, "four drafts")
    handle = dev_server.get_workflow_handle(onboarding_id(key))
    transport = httpx.ASGITransport(create_app(here.services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as browser:
        with monkeypatch.context() as refusing:
            refusing.setattr(Store, "writing", only_read)
            pause = Operation(at=present(), id=new_id("s"), by="m_nobody", kind=Operate.PAUSE)
            await handle.execute_update("operate", pause)

            async def shown() -> str | None:
                for one in (await handle.describe()).raw_description.pending_activities:
                    if one.activity_type.name == "records.project" and one.attempt > 1:
                        return str(one.last_failure.message)
                return None

            assert READ_ONLY in await until(shown, "the attempts of the projection")
            ready = await browser.get("/readyz")
            assert (ready.status_code, ready.json()["database"]) == (503, False)
            assert READ_ONLY in ready.json()["why"]
            (database,) = [
                one for one in (await doctor.examine(here.services.settings)).checks if one.check == "database"
            ]
            assert (database.verdict, database.what) == (
                CheckVerdict.UNREACHABLE,
                f"{here.services.store.name}: {READ_ONLY}",
            )
        assert (await browser.get("/readyz")).status_code == 200

    async def told() -> bool:
        return "operation.pause" in {one.kind for one in await timeline.timeline_of(here.services, key)}

    await until(told, "the pause to be told")
