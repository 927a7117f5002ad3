"""`rapport message resolve | resend` and the same over HTTP: what is printed runs, and a refusal says how to go on."""

from __future__ import annotations

import asyncio
import json
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, literal, select
from temporalio.client import Client
from typer.testing import CliRunner, Result

from rapport.model.ids import new_id
from rapport.model.message import MessageState
from rapport.storage import access
from rapport.storage.tables import MessageRow, UtcInstant
from starters.cli.main import app
from starters.http.app import create_app
from starters.services import present
from starters.use_cases import message, task
from tests.conftest import SECOND_USER, TAM, USER, Installation
from tests.helpers_mail import DROP, ScriptedRelay
from tests.http.test_flow import signed_in
from tests.stack.test_undelivered import UNKNOWN_USER, asked, in_state, welcomed

pytestmark = pytest.mark.asyncio(loop_scope="session")

STRANGER = "priya.raman@foobar.example"
MAY_NOT = "ask someone with one of the roles ce, tam, tam_manager"


async def said(here: Installation, *words: str) -> Result:
    """What a command says beside the installation."""
    settings = here.services.settings
    environment = {
        "RAPPORT_SMTP_URL": settings.smtp_url.get_secret_value(),
        "RAPPORT_SECRET": "a secret of the tests",
        "RAPPORT_TASK_QUEUE": settings.task_queue,
        "RAPPORT_DATABASE_URL": settings.database,
    }
    return await asyncio.to_thread(CliRunner().invoke, app, [*words, "--data", str(settings.data)], env=environment)


async def refused(here: Installation, *words: str) -> tuple[int, dict[str, str]]:
    """The exit code of a command that is refused, and its error as JSON has it."""
    done = await said(here, *words, "--json")
    return done.exit_code, json.loads(done.stdout)["error"]


def as_printed(output: str, words: str) -> list[str]:
    """The one command with these words that is printed, as whoever copies it runs it: with their own address."""
    (line,) = [line for line in output.splitlines() if words in line]
    _, _, command = line.partition("Next: ")
    return shlex.split(command.replace("--as EMAIL", f"--as {TAM.email}"))[1:]


@pytest.mark.sqlite
async def test_what_failed_is_sent_again_by_the_command_that_is_printed(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """List and page of an email print what can be done; run as it stands, it is done; what is refused names the fix."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER)) as (here, relay, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        sent = await in_state(here, key, SECOND_USER, MessageState.SENT)
        (line,) = await asked(here)
        page = (await said(here, "task", "show", line.task)).stdout
        assert f"rapport account edit-contact {key} {USER} --new-email ADDRESS --as {TAM.email}\n" in page
        assert f"rapport task decide {line.task} --option resend --as {TAM.email}\n" in page

        code, error = await refused(here, "message", "resend", "no/such/key", "--as", TAM.email)
        assert (code, error["problem"], error["fix"]) == (
            3,
            "there is no message with this key",
            "see `rapport message list ACCOUNT`",
        )
        code, error = await refused(here, "message", "resend", sent.key, "--as", TAM.email)
        assert (code, error["field"]) == (4, "key")
        assert (error["problem"], error["fix"]) == (
            "is sent; there is nothing to settle",
            f"see `rapport message show {sent.key}`",
        )
        code, error = await refused(here, "message", "resolve", failed.key, "sent", "--as", TAM.email)
        assert (code, error["field"]) == (2, "how")
        assert error["fix"] == "use resend or elsewhere"
        code, error = await refused(here, "message", "resend", failed.key, "--as", STRANGER)
        assert (code, error["field"]) == (2, "--as")
        assert "for who decides" in error["fix"]
        code, error = await refused(here, "message", "resend", failed.key)
        assert (code, error["field"], error["problem"]) == (2, "--as", "nobody is named")
        assert (await said(here, "message", "resolve", failed.key, "maybe", "--as", TAM.email)).exit_code == 2
        assert len(relay.to(USER)) == 0

        listed = (await said(here, "message", "list", key)).stdout
        shown = (await said(here, "message", "show", failed.key)).stdout
        assert as_printed(listed, "message resend") == as_printed(shown, "message resend")
        assert as_printed(shown, "resolve")[-3:] == ["elsewhere", "--as", TAM.email]
        done = await said(here, *as_printed(listed, "message resend"))
        assert (done.exit_code, done.stdout) == (0, "Sending it again.\n")
        await in_state(here, key, USER, MessageState.SENT)
        assert len(relay.to(USER)) == 1
        assert "Next:" not in (await said(here, "message", "show", failed.key)).stdout


@pytest.mark.sqlite
async def test_what_may_not_have_arrived_is_confirmed_by_a_command(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking comes first for an email of which nobody can tell, then each way on with what follows from it.

    `sent` marks it as delivered, and sends nothing.
    """
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then("body", DROP)) as (here, relay, key):
        await asked(here)
        (unknown,) = await message.listed(here.services, key, MessageState.UNKNOWN)
        listed = (await said(here, "message", "list", key)).stdout
        assert as_printed(listed, "Next: ") == ["message", "show", unknown.key]
        shown = (await said(here, *as_printed(listed, "Next: "))).stdout
        ways = shown[shown.index("We can't tell whether it arrived. Look for its Message-ID") :].splitlines()
        assert [way for way in ways if not way.startswith("Next: ")][1:] == [
            "If it arrived, mark it as delivered. It isn't sent again, so whoever didn't get it never will:",
            "If it didn't arrive, send it again. Whoever got it after all gets it twice:",
            "If you've told its reader another way, close it. It isn't sent again:",
        ]
        (line,) = await asked(here)
        to_do = await task.show(here.services, line.task)
        assert to_do.said["look for"] == f"Message-ID {unknown.message_id} in the mail server's log"
        assert [line.split()[5] for line in shown.splitlines() if line.startswith("Next: ")] == [
            "sent",
            "resend",
            "elsewhere",
        ]
        before = len(relay.to(unknown.to))
        done = await said(here, *as_printed(shown, f"{unknown.key} sent"), "--json")
        assert json.loads(done.stdout)["accepted"] is True
        await in_state(here, key, unknown.to, MessageState.SENT)
        assert len(relay.to(unknown.to)) == before
        code, error = await refused(here, "message", "resolve", unknown.key, "sent", "--as", TAM.email)
        assert (code, error["field"], error["problem"]) == (4, "key", "is sent; there is nothing to settle")


async def test_the_same_over_http(dev_server: Client, tmp_path: Path) -> None:
    """`POST /v1/messages/{key}/resend` and `…/resolve` do it, and refuse with the field, what is wrong and the fix."""

    def lost(relay: ScriptedRelay) -> None:
        relay.then_for(USER, UNKNOWN_USER)
        relay.then("body", DROP)

    async with welcomed(dev_server, tmp_path, lost) as (here, relay, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        await asked(here, 2)
        (unknown,) = await message.listed(here.services, key, MessageState.UNKNOWN)
        async with here.services.store.writing() as connection:
            secret = await access.create_token(connection, new_id("t"), ("operator",), present())
        transport = httpx.ASGITransport(create_app(here.services))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as web:

            async def post(key: str, act: str, token: str | None = secret, **body: Any) -> httpx.Response:
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                return await web.post(f"/v1/messages/{key}/{act}", json=body, headers=headers)

            def problem(answer: httpx.Response) -> tuple[int, str, str]:
                assert answer.headers["content-type"] == "application/problem+json"
                (error, *_) = answer.json()["errors"]
                return answer.status_code, error["field"], error["fix"]

            tam = {"as": TAM.email}
            assert (await post(failed.key, "resend", None, **tam)).status_code == 401
            status, field, fix = problem(await post("no/such/key", "resend", **tam))
            assert (status, field, fix) == (404, "key", "see `rapport message list ACCOUNT`")
            status, field, fix = problem(await post(failed.key, "resolve", how="sent", **tam))
            assert (status, field, fix) == (422, "how", "use resend or elsewhere")
            status, field, fix = problem(await post(failed.key, "resolve", how="maybe", **tam))
            assert (status, field) == (422, "how")
            assert "resend" in fix
            status, field, _ = problem(await post(failed.key, "resend", **{"as": STRANGER}))
            assert (status, field) == (403, "as")
            assert len(relay.to(USER)) == 0

            assert (await post(failed.key, "resend", **tam)).json()["accepted"] is True
            await in_state(here, key, USER, MessageState.SENT)
            answer = await post(unknown.key, "resolve", how="sent", reason="She has it", **tam)
            assert answer.json()["accepted"] is True
            await in_state(here, key, unknown.to, MessageState.SENT)
            status, field, fix = problem(await post(unknown.key, "resolve", how="resend", **tam))
            assert (status, field, fix) == (409, "key", f"see `rapport message show {unknown.key}`")


@pytest.mark.sqlite
async def test_who_corrects_an_address_reads_what_else_goes_there(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page and command count what will go to the new address too, and what is on its way to the old one already."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER)) as (here, _, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        (line,) = await asked(here)

        async with signed_in(here.services) as client:

            async def pages() -> list[str]:
                shown = (await client.get(f"/tasks/{line.task}")).text
                return [" ".join(one.split()) for one in (shown, (await said(here, "task", "show", line.task)).stdout)]

            for one in await pages():
                assert ("other email" in one, "on the way" in one) == (False, False)
            await copied(here, failed.key)
            for one in await pages():
                assert "2 other emails to them are waiting, and go to the new address too." in one
                assert "1 other email is already on the way to the old address." in one


async def copied(here: Installation, key: str) -> None:
    """Two more emails like this one that wait, and one that is being handed over."""
    names = ("key", "state", "lease_until", "message_id")
    rest = [one for one in MessageRow.__table__.c if one.name not in names]
    soon = present() + timedelta(seconds=60)
    states = [(MessageState.READY, None), (MessageState.DRAFT, None), (MessageState.READY, soon)]
    async with here.services.store.writing() as connection:
        for number, (state, lease) in enumerate(states):
            own = (literal(f"{key}{number}"), literal(state), literal(lease, UtcInstant), literal(f"<{number}@x>"))
            row = select(*own, *rest).where(MessageRow.key == key)
            await connection.execute(insert(MessageRow).from_select([*names, *(one.name for one in rest)], row))
