"""A relay that takes nothing of ours: told everywhere, asked by one probe, and forgotten once it is mended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus
from typer.testing import CliRunner

from activities import delivery, relay as asking
from rapport.model.base import UserError
from rapport.model.ids import RELAY_ALARM, new_id
from rapport.model.message import MessageState
from rapport.model.relay import FaultKind
from rapport.rules import outage
from rapport.storage import access
from starters.cli.main import app
from starters.http.app import create_app
from starters.services import present
from starters.use_cases import account as accounts, mail_switch, meeting as meetings, message, onboarding, task
from starters.use_cases.onboarding import StartRequest
from tests.conftest import (
    BUSINESS,
    CHAMPION,
    SECOND_USER,
    USER,
    Installation,
    account,
    by,
    free_port,
    installation,
    until,
)
from tests.helpers_mail import ScriptedRelay, scripted_relay

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]

MANAGER = "ines.moreau@foobar.example"
REFUSED = "535 5.7.8 wrong user or password"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, dev_server: Client) -> None:
    """Half a minute passes in half a second, and commands find the server by Temporal's own variable."""
    monkeypatch.setattr(asking, "PROBE_EVERY", timedelta(seconds=0.5))
    monkeypatch.setattr(delivery, "FAULT_PAUSES", (timedelta(seconds=0.3), timedelta(seconds=1)))
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)


async def said(there: Installation, *words: str, relay: bool = True) -> tuple[int, str]:
    """What a command says beside the installation.

    Args:
        relay: Whether its environment names the relay.
    """
    settings = there.services.settings
    environment = {
        "RAPPORT_DATABASE_URL": settings.database,
        "RAPPORT_SECRET": "a secret of the tests",
        "RAPPORT_MAIL_MODE": "live",
        "RAPPORT_TASK_QUEUE": settings.task_queue,
        "COLUMNS": "200",
    }
    if relay:
        environment["RAPPORT_SMTP_URL"] = settings.smtp_url.get_secret_value()
    done = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--data", str(settings.data)], env=environment)
    return done.exit_code, done.stdout if "--json" in words else done.output


async def diagnosed(there: Installation, *, relay: bool = True) -> tuple[int, dict[str, Any]]:
    """The doctor's exit code, and its checks by name."""
    code, output = await said(there, "doctor", "--json", relay=relay)
    return code, {check["check"]: check for check in json.loads(output)["checks"]}


@asynccontextmanager
async def refusing(client: Client, data: Path, **settings: Any) -> AsyncIterator[tuple[Installation, ScriptedRelay]]:
    """An installation whose relay refuses its password from the beginning."""
    async with scripted_relay() as relay:
        relay.then("EHLO", *(["250-scripted\r\n250 AUTH PLAIN LOGIN"] * 10_000))
        relay.then("AUTH", *([REFUSED] * 10_000))
        url = SecretStr(f"smtp://rapport:wrong@127.0.0.1:{relay.port}")
        async with installation(client, data, new_id("queue"), smtp_url=url, **settings) as there:
            yield there, relay


async def started(there: Installation) -> str:
    """An account whose four welcomes are about to go."""
    key = new_id("a").replace("_", "-")
    await onboarding.start(there.services, StartRequest(file=account(key, new_id("C"))))

    async def written() -> bool:
        return len(await message.listed(there.services, key)) >= 4

    await until(written, "four welcomes")
    return key


async def alarmed(there: Installation) -> bool:
    """Whether the managers have their task."""
    return any(line.task == RELAY_ALARM for line in (await task.inbox(there.services, by(MANAGER))).mine)


async def test_a_wrong_password_is_told_everywhere_and_everything_goes_once_it_is_right(
    dev_server: Client, tmp_path: Path
) -> None:
    """Four mails cost one sign-in and then one a probe; everything says so; once it is mended, all go, once."""
    async with refusing(dev_server, tmp_path) as (there, relay):
        key = await started(there)
        await until(lambda: alarmed(there), "the managers' task")
        assert relay.connections <= 3
        lines = await message.listed(there.services, key)
        assert {line.state for line in lines} == {MessageState.READY}

        status = await mail_switch.status(there.services)
        assert (status.sends, status.fault and (status.fault.kind, status.fault.code)) == (False, ("password", 535))
        assert "RAPPORT_SMTP_URL" in status.fault.remedy if status.fault else False
        await pages_say_so(there)
        await waits_say_so(there, key)
        await answers_say_what_ends_it(there)
        await commands_say_so(there, relay)

        # One probe, however many wait.
        others = [await started(there) for _ in range(2)]
        before, probes = relay.connections, relay.seen["AUTH"]
        await relay.reached("AUTH", probes + 3)
        assert relay.connections - before <= relay.seen["AUTH"] - probes + 1
        handle = dev_server.get_workflow_handle(RELAY_ALARM)
        (asked,) = (await handle.describe()).raw_description.pending_activities
        assert asked.activity_type.name == "relay.probe"

        relay.script["AUTH"].clear()

        async def all_sent() -> bool:
            found = [line for one in (key, *others) for line in await message.listed(there.services, one)]
            return len(found) >= 12 and {line.state for line in found} == {MessageState.SENT}

        await until(all_sent, "all welcomes to go")
        for one in (BUSINESS, CHAMPION, USER, SECOND_USER):
            assert len(relay.to(one)) == 3
        assert not await alarmed(there)
        (line,) = [one for one in await accounts.portfolio(there.services) if one.account == key]
        assert line.waiting_for == "answers on the proposed times"
        assert (await mail_switch.status(there.services)).sends
        shown = await task.show(there.services, RELAY_ALARM)
        assert (shown.outcome, shown.ended) == ("mended", "ended: email goes out again")
        await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        _, checks = await diagnosed(there)
        assert (checks["mail"]["verdict"], checks["workflows"]["verdict"]) == ("ok", "ok")


async def pages_say_so(there: Installation) -> None:
    """Every page of a member has the alarm, the task has a page of its own, and the API and the figures have it."""
    async with there.services.store.writing() as connection:
        secret = await access.create_token(connection, new_id("t"), ("operator",), present())
    transport = httpx.ASGITransport(create_app(there.services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", follow_redirects=True) as web:
        answer = await web.get("/v1/mail", headers={"Authorization": f"Bearer {secret}"})
        assert answer.json()["fault"]["kind"] == "password"
        figures = (await web.get("/metrics", headers={"Authorization": f"Bearer {secret}"})).text
        assert 'rapport_relay_fault_since_timestamp_seconds{kind="password"}' in figures
        ready = await web.get("/readyz")
        assert (ready.status_code, ready.json()["mail"]) == (200, False)
        signed = await web.post(
            "/sign-in", data={"key": secret, "next": "/"}, headers={"Origin": "http://127.0.0.1:8700"}
        )
        assert signed.status_code == 200
        for path in ("/", "/inbox", "/reviews", "/support", f"/tasks/{RELAY_ALARM}"):
            page = await web.get(path)
            assert page.status_code == 200, path
            assert "Emails aren’t going out." in page.text
            assert "refuses our user name or password (535)" in page.text
        assert "There is nothing to decide." in page.text
        assert "What to do" in page.text
        assert "<code>rapport doctor</code> signs in" in page.text
        assert "RAPPORT_SMTP_URL" in page.text
        assert 'action="/tasks/relay' not in page.text


async def waits_say_so(there: Installation, key: str) -> None:
    """Nobody is said to owe an answer to a question that the relay has not taken: portfolio, status and meeting."""
    (line,) = [one for one in await accounts.portfolio(there.services) if one.account == key]
    (step,) = [one for one in (await onboarding.status(there.services, key)).milestones if one.step == "kickoff"]
    meeting = await meetings.show(there.services, key, "kickoff")
    for text in (line.waiting_for, step.waiting_for, meeting.waiting_for):
        assert text is not None
        assert "answers on the proposed times (not reached by email yet, because the mail server takes no" in text
        assert "Mara Osei" in text


async def answers_say_what_ends_it(there: Installation) -> None:
    """Whoever wants to decide it is told that only its cause ends it."""
    for act in (
        task.decide(there.services, RELAY_ALARM, "mended", by(MANAGER)),
        task.ask(there.services, RELAY_ALARM, "Why?", by(MANAGER)),
        task.decline(there.services, RELAY_ALARM, by(MANAGER)),
    ):
        with pytest.raises(UserError, match="once its cause is gone"):
            await act


async def commands_say_so(there: Installation, relay: ScriptedRelay) -> None:
    """`mail status`, the portfolio, the inbox, the task and the doctor, which signs in, tell it."""
    for words, ends_with in ((["mail", "status"], 4), (["portfolio"], 0), (["account", "list"], 0)):
        code, output = await said(there, *words)
        assert code == ends_with, output
        assert "Emails aren't going out. The mail server refuses our user name or password (535), since" in output
    _, output = await said(there, "inbox", "--as", MANAGER, "--json")
    assert [line["task"] for line in json.loads(output)] == [RELAY_ALARM]
    assert "relay/mail" in (await said(there, "inbox", "--as", MANAGER))[1]
    code, output = await said(there, "task", "show", RELAY_ALARM)
    assert "There is nothing to decide." in output
    told = " ".join(output.split())
    for named in ("RAPPORT_SMTP_URL", "`rapport doctor` signs in", "`rapport mail status`"):
        assert named in told
    signed_in = relay.seen["AUTH"]
    code, checks = await diagnosed(there)
    assert code == 4
    assert (checks["relay"]["verdict"], checks["mail"]["verdict"]) == ("trouble", "trouble")
    assert "password (535)" in checks["relay"]["what"]
    assert "goes out automatically" in checks["mail"]["fix"]
    assert checks["workflows"]["verdict"] == "ok"
    assert relay.seen["AUTH"] > signed_in
    # Without the relay's address it cannot ask, and tells what the workers have on record.
    code, checks = await diagnosed(there, relay=False)
    assert code == 4
    assert (checks["relay"]["verdict"], checks["mail"]["verdict"]) == ("trouble", "trouble")
    assert "password (535)" in checks["relay"]["what"]
    assert checks["relay"]["fix"] == checks["mail"]["fix"].partition(";")[0]


async def test_an_alarm_that_was_ended_by_hand_comes_back(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the relay raises the alarm again where nobody asks any more; mail goes once it is mended."""
    monkeypatch.setattr(delivery, "UNASKED", timedelta(seconds=2))
    async with refusing(dev_server, tmp_path) as (there, relay):
        key = await started(there)
        await until(lambda: alarmed(there), "the managers' task")
        handle = dev_server.get_workflow_handle(RELAY_ALARM)
        await handle.terminate("a hand that slipped")

        async def runs() -> bool:
            return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING

        await until(runs, "the alarm to be raised again")
        relay.script["AUTH"].clear()

        async def sent() -> bool:
            return {line.state for line in await message.listed(there.services, key)} == {MessageState.SENT}

        await until(sent, "the welcomes to go")
        await accounts.portfolio(there.services)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five minutes pass in two seconds."""
    monkeypatch.setattr(delivery, "PATIENCE", (timedelta(seconds=0.5), timedelta(minutes=30)))
    monkeypatch.setitem(outage.LEAST_DURATION, FaultKind.UNREACHABLE, timedelta(seconds=2))


async def test_that_we_send_too_many_is_said_as_such(dev_server: Client, tmp_path: Path) -> None:
    """It is no fault and no alarm: status, doctor, portfolio and metrics say what it is, until when, and what to do."""
    async with scripted_relay() as relay:
        relay.then("RCPT", *["450 4.7.1 Error: too much mail from 192.0.2.1"] * 20)
        url = SecretStr(f"smtp://127.0.0.1:{relay.port}")
        async with installation(dev_server, tmp_path, new_id("queue"), smtp_url=url) as there:
            key = await started(there)

            async def limited() -> bool:
                return (await mail_switch.status(there.services)).limited is not None

            await until(limited, "the limit")
            assert relay.seen["RCPT"] <= 4
            status = await mail_switch.status(there.services)
            assert (status.fault, await alarmed(there)) == (None, False)
            _, output = await said(there, "mail", "status")
            assert "The mail server says that we send too many emails (450), since" in output
            assert "set RAPPORT_MAIL_RATE to what the mail server allows" in output
            _, checks = await diagnosed(there)
            assert "the mail server says that we send too many emails (450)" in checks["mail"]["what"]
            assert "RAPPORT_MAIL_RATE" in checks["mail"]["fix"]
            assert checks["mail"]["verdict"] == "note"
            _, output = await said(there, "portfolio", "--json")
            assert "not reached by email yet, because the mail server says that we send too many emails" in output
            assert {line.state for line in await message.listed(there.services, key)} <= {"ready", "deferred"}


@pytest.mark.usefixtures("hasty")
async def test_a_relay_that_is_not_there_is_told_everywhere_and_everything_goes_once_it_is(
    dev_server: Client, tmp_path: Path
) -> None:
    """Nobody reads that mail goes out while nobody listens at the relay's port; once somebody does, all go, once."""
    port = free_port()
    url = SecretStr(f"smtp://127.0.0.1:{port}")
    async with installation(dev_server, tmp_path, new_id("queue"), smtp_url=url) as there:
        key = await started(there)
        await until(lambda: alarmed(there), "the managers' task")
        status = await mail_switch.status(there.services)
        assert (status.sends, status.fault and status.fault.kind) == (False, "unreachable")
        assert status.deferred is not None
        assert (status.deferred.count, status.deferred.none_sent) == (4, True)
        await waits_say_so(there, key)
        for words in (["mail", "status"], ["portfolio"]):
            _, output = await said(there, *words)
            assert "Emails aren't going out. The mail server can't be reached, since" in output
            assert "RAPPORT_SMTP_URL names it" in output
        for named in (True, False):
            code, checks = await diagnosed(there, relay=named)
            assert code == (5 if named else 4)
            assert checks["mail"]["verdict"] == "trouble"
            assert "can't be reached" in checks["relay"]["what"]
            assert "4 emails wait" in checks["mail"]["what"]
            assert "No email has gone out since then" in checks["mail"]["what"]
        async with scripted_relay(port) as relay:

            async def all_sent() -> bool:
                return {line.state for line in await message.listed(there.services, key)} == {MessageState.SENT}

            await until(all_sent, "the welcomes to go")
            assert [len(relay.to(one)) for one in (BUSINESS, CHAMPION, USER, SECOND_USER)] == [1] * 4
            assert not await alarmed(there)
            status = await mail_switch.status(there.services)
            assert (status.sends, status.fault, status.deferred) == (True, None, None)
            _, checks = await diagnosed(there)
            assert (checks["relay"]["verdict"], checks["mail"]["verdict"]) == ("ok", "ok")


async def test_a_relay_that_refuses_our_mails_once_it_has_them_fails_none(dev_server: Client, tmp_path: Path) -> None:
    """A sender without SPF and DKIM is one fault and no task of a TAM; once that is mended every mail goes, once."""
    async with scripted_relay() as relay:
        relay.then("body", *["550 5.7.26 This mail is unauthenticated"] * 10_000)
        url = SecretStr(f"smtp://127.0.0.1:{relay.port}")
        async with installation(dev_server, tmp_path, new_id("queue"), smtp_url=url) as there:
            key = await started(there)
            await until(lambda: alarmed(there), "the managers' task")
            status = await mail_switch.status(there.services)
            assert (status.undelivered, status.fault and status.fault.kind) == (0, "message")
            # The probe sends a mail to our own mailbox each time, and nobody else's is tried.
            tried = len(relay.received)
            await relay.reached("body", relay.seen["body"] + 3)
            later = relay.received[tried + 4 :]
            assert {mail.recipient for mail in later} <= {there.services.settings.mail_from}
            relay.script["body"].clear()

            async def all_sent() -> bool:
                return {line.state for line in await message.listed(there.services, key)} == {MessageState.SENT}

            await until(all_sent, "the welcomes to go")
            assert [len(relay.to(one)) for one in (BUSINESS, CHAMPION, USER, SECOND_USER)] == [1] * 4
            assert not await alarmed(there)


async def test_what_is_deferred_is_told_while_nothing_else_goes(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that defers each reader has no fault, and still nobody reads that mail simply goes out."""
    async with scripted_relay() as relay:
        relay.then("RCPT", *["450 4.2.0 <somebody@foobar.example>: greylisted"] * 10_000)
        url = SecretStr(f"smtp://127.0.0.1:{relay.port}")
        async with installation(dev_server, tmp_path, new_id("queue"), smtp_url=url) as there:
            key = await started(there)

            async def deferred() -> bool:
                return {line.state for line in await message.listed(there.services, key)} == {MessageState.DEFERRED}

            await until(deferred, "four welcomes that are deferred")
            for stuck, verdict in ((False, "note"), (True, "trouble")):
                if stuck:
                    monkeypatch.setattr(mail_switch, "STUCK", timedelta(0))
                status = await mail_switch.status(there.services)
                assert (status.sends, status.fault) == (True, None)
                assert status.deferred is not None
                assert (status.deferred.answers, status.deferred.stuck) == ({"450 4.2.0": 4}, stuck)
                _, output = await said(there, "mail", "status")
                assert "4 emails wait because the mail server deferred them, the first since" in output
                assert "Last answers: 450 4.2.0 (4)." in output
                assert ("mail goes out" in output) is not stuck
                _, checks = await diagnosed(there)
                assert checks["mail"]["verdict"] == verdict
                assert "4 emails wait" in checks["mail"]["what"]
                assert "somebody" not in output + checks["mail"]["what"]
            await figures_and_pages_say_so(there)


async def figures_and_pages_say_so(there: Installation) -> None:
    """Prometheus has how many wait and for how long; a member's page says since when nothing went."""
    async with there.services.store.writing() as connection:
        secret = await access.create_token(connection, new_id("t"), ("operator",), present())
    transport = httpx.ASGITransport(create_app(there.services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", follow_redirects=True) as web:
        figures = (await web.get("/metrics", headers={"Authorization": f"Bearer {secret}"})).text
        assert 'rapport_messages_deferred{answer="450 4.2.0"} 4.0' in figures
        assert "rapport_messages_deferred_oldest_age_seconds" in figures
        assert "rapport_relay_fault_since_timestamp_seconds{" not in figures
        page = await web.post(
            "/sign-in", data={"key": secret, "next": "/"}, headers={"Origin": "http://127.0.0.1:8700"}
        )
        assert "No email has gone out since" in page.text
        assert "450 4.2.0 (4)" in page.text


async def test_a_rate_is_kept_over_many_mails(dev_server: Client, tmp_path: Path) -> None:
    """With a rate mails go in their turns through the task queue, each once, and no faster than they may."""
    async with scripted_relay() as relay:
        url = SecretStr(f"smtp://127.0.0.1:{relay.port}")
        arrived: list[float] = []
        relay.after["body"] = lambda: arrived.append(asyncio.get_running_loop().time())
        async with installation(dev_server, tmp_path, new_id("queue"), smtp_url=url, mail_rate=60) as there:
            assert (await mail_switch.status(there.services)).rate == 60
            for _ in range(5):
                await started(there)

            async def all_there() -> bool:
                return len(relay.accepted) == 20

            await until(all_there, "all mails")
    # Fifteen at once, then one each 60 / 46 seconds.
    assert arrived[19] - arrived[0] >= 5 * 60 / 46 - 0.5
    assert arrived[14] - arrived[0] < arrived[19] - arrived[0] - 3
