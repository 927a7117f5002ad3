"""What the pages and the API say of mails that wait for their readers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update
from temporalio.client import Client

from rapport.model.account import WEEKDAYS, AccountFile, WorkingHours
from rapport.model.ids import new_id
from rapport.model.message import MessageState
from rapport.model.operation import Operate
from rapport.model.relay import VARIABLES, FaultKind
from rapport.rules.attention import told_in
from rapport.storage import relay
from rapport.storage.tables import MessageRow
from starters.cli.message import print_list
from starters.cli.onboarding import print_started
from starters.http.app import create_app
from starters.use_cases import (
    account as accounts,
    mail_switch,
    meeting as meetings,
    message,
    onboarding,
    operation,
    token,
)
from starters.use_cases.message import MessageLine
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import CHAMPION, HOST, TAM, Installation, account, installation, until
from tests.stack.test_sweep import sweep

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def browser(at: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in operator's browser."""
    secret = await token.create(at.services, "owner", ("operator",))
    transport = httpx.ASGITransport(create_app(at.services, at.catcher))
    url = "http://127.0.0.1:8700"
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url=url, follow_redirects=True, headers=headers) as client:
        assert (await client.get(f"/sign-in?key={secret}")).status_code == 200
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def quiet(dev_server: Client, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation on the real server in which mails wait for their readers' working time."""
    async with installation(dev_server, tmp_path, new_id("queue"), quiet_hours="keep") as made:
        yield made


def resting(review: str) -> AccountFile:
    """The example account, whose people do not work today, nor on the days around it."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    day = WEEKDAYS[(datetime.now(UTC) + timedelta(days=3)).weekday()]
    rest = {"hours": WorkingHours(days=frozenset({day}))}
    return file.model_copy(
        update={
            "account": file.account.model_copy(update={"review": review}),
            "contacts": tuple(contact.model_copy(update=rest) for contact in file.contacts),
        }
    )


async def lines(at: Installation, key: str, state: MessageState) -> list[MessageLine]:
    """An account's four messages, once all are in this state."""

    async def all_there() -> list[MessageLine] | None:
        found = [line for line in await message.listed(at.services, key) if line.to != TAM.email]
        return found if [line.state for line in found] == [state] * 4 else None

    found: list[MessageLine] = await until(all_there, f"four messages that are {state}")
    return found


async def test_a_draft_says_when_it_would_go_and_what_is_scheduled_for_when(quiet: Installation) -> None:
    """Out of hours the drafts page tells it before anything is sent; account page, API and timeline tell it after."""
    file = resting("approve")
    key = file.account.key
    await onboarding.start(quiet.services, StartRequest(file=file))
    await lines(quiet, key, MessageState.DRAFT)
    async with browser(quiet) as reader:
        page = (await reader.get(f"/accounts/{key}/drafts")).text
        assert page.count("Outside their working time now") == 4
        form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)) | {"do": "send-all"}
        shown = {draft.key: draft for draft in await message.drafts(quiet.services, key)}
        for position in [name.removeprefix("key-") for name in form if name.startswith("key-")]:
            draft = shown[form[f"key-{position}"]]
            form |= {f"subject-{position}": draft.subject, f"body-{position}": draft.text}
        sent = await reader.post(f"/accounts/{key}/drafts", data=form)
        assert "Approved. Whoever does not work now" in sent.text
        waiting = await lines(quiet, key, MessageState.READY)
        assert all(line.goes_at and line.goes_at > datetime.now(UTC) for line in waiting)
        page = (await reader.get(f"/accounts/{key}")).text
        assert page.count("Outside their working time.") == 4
        assert len(re.findall(r">goes <time", page)) == 4
        assert "Mail to Luca Bianchi waits until " in page
        listed = (await reader.get(f"/v1/accounts/{key}/messages")).json()
        (luca,) = [line for line in listed if line["to"] == CHAMPION]
        (known,) = [line.goes_at for line in waiting if line.to == CHAMPION]
        assert datetime.fromisoformat(luca["goes_at"]) == known
        assert luca["reason"] == "outside their working time"
        assert "whatever the hour" not in (await reader.get("/mail")).text
    assert quiet.mails() == []


async def test_what_is_scheduled_is_told_where_it_is_waited_for(
    quiet: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """The start says whose working hours its emails wait for; portfolio, status and meeting name no other cause."""
    file = resting("auto")
    key = file.account.key
    started = await onboarding.start(quiet.services, StartRequest(file=file))
    assert {one.name for one in started.waits} == {contact.name for contact in file.contacts}
    print_started(started)
    printed = " ".join(capsys.readouterr().out.split())
    luca = next(one for one in started.waits if one.name == "Luca Bianchi")
    begins = told_in(luca.until, luca.zone)
    assert f"Luca Bianchi: {begins}" in printed
    await lines(quiet, key, MessageState.READY)

    async def waits() -> bool:
        (line,) = [one for one in await accounts.portfolio(quiet.services) if one.account == key]
        return line.waiting_for is not None

    await until(waits, "the kickoff to wait")

    async def say_so() -> None:
        (line,) = [one for one in await accounts.portfolio(quiet.services) if one.account == key]
        step = next(one for one in (await onboarding.status(quiet.services, key)).milestones if one.step == "kickoff")
        meeting = await meetings.show(quiet.services, key, "kickoff")
        for text in (line.waiting_for, step.waiting_for, meeting.waiting_for):
            assert text is not None
            assert f"because it waits for their working hours, which begin {begins}: " in text
            assert "mail server" not in text

    await say_so()
    async with quiet.services.store.writing() as connection:
        now = datetime.now(UTC)
        await relay.meet_fault(connection, FaultKind.PASSWORD, 535, now, VARIABLES)
    await say_so()


async def test_what_was_scheduled_goes_once_working_hours_are_not_kept(dev_server: Client, tmp_path: Path) -> None:
    """Four welcomes wait for a morning; with RAPPORT_QUIET_HOURS=ignore the next sweep has each go, once."""
    queue = new_id("queue")
    file = resting("auto")
    key = file.account.key
    async with installation(dev_server, tmp_path, queue, quiet_hours="keep") as before:
        await onboarding.start(before.services, StartRequest(file=file))
        await lines(before, key, MessageState.READY)
        assert (await sweep(before)).mails == 0
    async with installation(dev_server, tmp_path, queue) as after:
        assert (await sweep(after)).mails == 4
        await lines(after, key, MessageState.SENT)
        assert sorted(str(mail["To"]) for mail in after.mails()) == sorted(
            f"{one.name} <{one.email}>" for one in file.contacts
        )
        assert (await sweep(after)).mails == 0


async def test_the_page_of_caught_mail_says_that_hours_are_ignored(here: Installation) -> None:
    """Where mails go at any hour, their page says so, and how to change it; they go to people who do not work today."""
    file = resting("auto")
    await onboarding.start(here.services, StartRequest(file=file))
    await lines(here, file.account.key, MessageState.SENT)
    async with browser(here) as reader:
        page = (await reader.get("/mail")).text
        assert "whatever the hour is where they are read" in page
        assert "RAPPORT_QUIET_HOURS=keep" in page
        assert (await reader.get("/v1/mail")).json()["quiet_hours"] == "ignore"


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ("nothing", "due, and sent within minutes while a worker runs"),
        ("stopped", "sending is off"),
        ("fault", "the mail server takes no email"),
        ("paused", "the onboarding is paused"),
        ("unsaid", None),
        ("deferred", "450 4.2.0 greylisted"),
    ],
)
async def test_what_waits_says_why_and_no_time_that_has_passed(
    quiet: Installation, capsys: pytest.CaptureFixture[str], held: str, why: str | None
) -> None:
    """Due and not out, list and page say what holds it, and no instant of the past; where no reason is known, none."""
    file = resting("auto")
    key = file.account.key
    await onboarding.start(quiet.services, StartRequest(file=file))
    await lines(quiet, key, MessageState.READY)
    now = datetime.now(UTC)
    is_known = held in ("unsaid", "deferred")
    then = now + timedelta(hours=3) if is_known else now - timedelta(hours=2)
    if held == "stopped":
        await mail_switch.stop(quiet.services, HOST, "A test")
    if held == "paused":
        await operation.operate(quiet.services, key, Operate.PAUSE, OperationWritten(reason="Holidays."), TAM)

        async def is_paused() -> bool:
            return (await onboarding.status(quiet.services, key)).paused

        await until(is_paused, "the pause")
    async with quiet.services.store.writing() as connection:
        moved = update(MessageRow).where(MessageRow.account == key, MessageRow.person.startswith("c_"))
        await connection.execute(moved.values(not_before=then, reason=None, created_at=then))
        if held == "deferred":
            tried = {"state": MessageState.DEFERRED, "not_before": None, "retry_at": then, "reason": why}
            await connection.execute(moved.values(tried))
        if held == "fault":
            await relay.meet_fault(connection, FaultKind.UNREACHABLE, None, now, VARIABLES)
    states = (MessageState.READY, MessageState.DEFERRED)
    found = [one for one in await message.listed(quiet.services, key) if one.state in states]
    assert [(one.goes_at, one.reason) for one in found] == [(then if is_known else None, why)] * 4
    print_list(found)
    printed = capsys.readouterr().out
    assert "None" not in printed
    assert (why or "goes ") in printed
    assert ("goes " in printed) is is_known
    async with browser(quiet) as reader:
        page = (await reader.get(f"/accounts/{key}")).text
    assert len(re.findall(r">goes <time", page)) == (4 if is_known else 0)
