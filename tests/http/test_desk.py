"""The desk's rules, reports and side work, over the API, on the command line and on the page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client
from typer.testing import CliRunner

from rapport import support_rules
from rapport.settings import Settings
from rapport.storage import sweep
from rapport.storage.database import Store
from rapport.support_rules import SUPPORT_FILE
from starters.cli import common, desk_report as desk_report_cli, main
from starters.cli.desk_report import print_rules
from starters.http.app import create_app
from starters.services import Services
from starters.use_cases import desk_report as desk_reports, side_project, token
from tests.mail_fixtures import empty, imported, store
from tests.support.desk_days import ANA, BEN, DEV, LEAD, NOW, case, staffed, weeks

__all__ = ["empty", "imported", "store"]

OURS = "http://127.0.0.1:8700"
SIDE = "/v1/desk/side-projects"


@pytest.fixture
def services(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """An installation with the example account, on a Tuesday morning; nothing here asks Temporal."""
    for module in (side_project, desk_reports):
        monkeypatch.setattr(module, "present", lambda: NOW)
    settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"), public_url=OURS)
    return Services(settings, store, cast("Client", None))


@pytest.fixture
async def api(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid token, signed in to the pages as well."""
    secret = await token.create(services, "tests", ("operator",))
    headers = {"Authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url=OURS, headers=headers) as client:
        assert (await client.get("/sign-in", params={"key": secret})).status_code == 303
        yield client


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[Any]]:
    """A command of this installation; gives its exit code and its JSON."""

    @asynccontextmanager
    async def ours(_: Path | None, *, temporal: bool, as_: str | None) -> AsyncIterator[Services]:
        # Each command has an event loop, and so a connection, of its own.
        store = Store(services.store.url)
        yield replace(services, store=store, caller=replace(services.caller, named=as_))
        await store.close()

    monkeypatch.setattr(common, "services", ours)

    async def invoke(*arguments: str) -> tuple[int, Any]:
        import asyncio

        result = await asyncio.to_thread(CliRunner().invoke, main.app, ["desk", *arguments, "--json"])
        return result.exit_code, json.loads(result.stdout)

    return invoke


def fault(answer: httpx.Response, status: int) -> dict[str, str]:
    """The fault that a refusal names."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return cast("dict[str, str]", answer.json()["errors"][0])


async def test_side_work_is_asked_for_taken_put_back_and_done(api: httpx.AsyncClient, services: Services) -> None:
    """In slack it is handed out as it is asked for; who has it puts it back, another takes it, and it is done."""
    async with services.store.writing() as connection:
        await staffed(connection)
    made = await api.post(SIDE, json={"as": LEAD, "kind": "testing", "title": "Soak test"})
    assert made.status_code == 201, made.text
    one = made.json()
    assert (one["state"], one["owner"] in ("Ana Pop", "Ben Roth")) == ("taken", True)
    first, second = (ANA, BEN) if one["owner"] == "Ana Pop" else (BEN, ANA)
    path = f"{SIDE}/{one['id']}"
    assert fault(await api.post(f"{path}/put-back", json={"as": second}), 403)["field"] == "as"
    assert (await api.post(f"{path}/put-back", json={"as": first})).json()["state"] == "waiting"
    assert (await api.post(f"{path}/take", json={"as": second})).json()["state"] == "taken"
    assert fault(await api.post(f"{path}/take", json={"as": first}), 409)["field"] == "id"
    assert (await api.post(f"{path}/done", json={"as": second})).json()["state"] == "done"
    assert (await api.get(SIDE)).json() == []
    assert [found["id"] for found in (await api.get(SIDE, params={"all": True})).json()] == [one["id"]]


async def test_a_due_date_is_refused_and_the_lead_may_look_again(api: httpx.AsyncClient, services: Services) -> None:
    """A due date is refused with the reason; only the lead sets a day to look again, and takes it back."""
    async with services.store.writing() as connection:
        await staffed(connection)
    body = {"as": LEAD, "kind": "testing", "title": "Soak test"}
    refused = fault(await api.post(SIDE, json={**body, "due": "2026-12-01"}), 422)
    assert refused["field"] == "due"
    assert "support cannot commit to a date: the next peak puts side work back" in json.dumps(refused)
    id_ = (await api.post(SIDE, json=body)).json()["id"]
    path = f"{SIDE}/{id_}/look-again"
    assert fault(await api.post(path, json={"as": ANA, "on": "2026-12-01"}), 403)["field"] == "as"
    assert (await api.post(path, json={"as": LEAD, "on": "2026-12-01"})).json()["look_again"] == "2026-12-01"
    assert (await api.post(path, json={"as": LEAD})).json()["look_again"] is None


async def test_nobody_takes_side_work_who_should_not(api: httpx.AsyncClient, services: Services) -> None:
    """A developer is none to take it, nobody takes a second one, and at the peak nobody takes any."""
    async with services.store.writing() as connection:
        ids = await staffed(connection)
        for number, owner in enumerate(("Ana", "Ben")):
            await case(connection, number + 1, ids[owner], 2)
    made = [(await api.post(SIDE, json={"as": LEAD, "kind": "testing", "title": f"Test {n}"})).json() for n in range(2)]
    assert [one["state"] for one in made] == ["waiting", "waiting"]
    assert (
        "is with engineering" in fault(await api.post(f"{SIDE}/{made[0]['id']}/take", json={"as": DEV}), 403)["problem"]
    )
    assert (await api.post(f"{SIDE}/{made[0]['id']}/take", json={"as": ANA})).status_code == 200
    assert "already" in fault(await api.post(f"{SIDE}/{made[1]['id']}/take", json={"as": ANA}), 409)["problem"]
    async with services.store.writing() as connection:
        await case(connection, 3, None, 1)
    assert "peak" in fault(await api.post(f"{SIDE}/{made[1]['id']}/take", json={"as": BEN}), 409)["problem"]
    assert fault(await api.post(f"{SIDE}/side_x/take", json={"as": BEN}), 404)["field"] == "id"


async def test_the_command_line_tells_the_same(
    run: Callable[..., Awaitable[Any]], services: Services, tmp_path: Path
) -> None:
    """The same nouns and verbs as commands, with their exit codes; a report is one document, and written down."""
    async with services.store.writing() as connection:
        await weeks(connection)
    code, refused = await run("side-project", "add", "Soak", "--kind", "testing", "--due", "2026-12-01", "--as", LEAD)
    assert (code, refused["error"]["field"]) == (2, "due")
    code, added = await run("side-project", "add", "Soak", "--kind", "testing", "--as", LEAD)
    assert (code, added["title"]) == (0, "Soak")
    code, found = await run("side-project", "list")
    assert (code, added["id"] in {one["id"] for one in found}) == (0, True)
    assert (await run("side-project", "look-again", added["id"], "--on", "soon", "--as", LEAD))[0] == 2
    code, looked = await run("side-project", "look-again", added["id"], "--on", "2027-01-04", "--as", LEAD)
    assert (code, looked["look_again"]) == (0, "2027-01-04")
    assert (await run("side-project", "take", "side_x", "--as", ANA))[0] == 3
    code, report = await run("report", "--from", "2026-11-02", "--to", "2026-11-24", "--out", str(tmp_path / "out"))
    assert (code, report["first"], len(report["week"])) == (0, "2026-11-02", 7 * 24)
    assert (tmp_path / "out" / "desk-week.svg").exists()
    assert (await run("report", "--from", "2026-11-24", "--to", "2026-11-02"))[0] == 2
    assert (await run("report", "--from", "yesterday"))[0] == 2
    code, rules = await run("rules")
    assert (code, rules["rules"]["severity"]["1"]["first_answer"]) == (0, "30 minutes")
    assert [one["area"] for one in rules["owners"] if one["is_stale"]] == ["accounts"]


async def test_people_read_the_report_in_a_terminal(
    services: Services, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --json the report is tables for people, with the figures that matter in words."""
    async with services.store.writing() as connection:
        await weeks(connection)
    desk_report_cli._print(await desk_reports.report(services))
    said = " ".join(capsys.readouterr().out.split())
    assert "Solved without interrupting engineering:" in said
    assert "Side work that the slack paid for:" in said
    assert "put back by a peak" in said


async def test_the_page_shows_table_and_picture(api: httpx.AsyncClient, services: Services) -> None:
    """The page has the picture, the tables and the side work; days that make no sense are told on it."""
    async with services.store.writing() as connection:
        await weeks(connection)
    page = await api.get("/support/report")
    assert page.status_code == 200
    for words in ("The desk’s days", 'class="desk-week"', "without interrupting engineering", "Soak test", "side work"):
        assert words in page.text
    wrong = await api.get("/support/report", params={"from": "2026-11-24", "to": "2026-11-02"})
    assert wrong.status_code == 422
    assert "comes before the first day" in wrong.text.lower()
    assert (await api.get("/support/report", params={"from": "x"})).status_code == 422


async def test_the_api_reports_and_refuses(api: httpx.AsyncClient, services: Services) -> None:
    """The report over HTTP is the same document; what cannot be is refused with its field."""
    async with services.store.writing() as connection:
        await weeks(connection)
    found = (await api.get("/v1/desk/report", params={"from": "2026-11-02", "to": "2026-11-08"})).json()
    assert found["last"] == "2026-11-08"
    assert (
        fault(await api.get("/v1/desk/report", params={"from": "2026-11-08", "to": "2026-11-02"}), 422)["field"] == "to"
    )
    assert fault(await api.get("/v1/desk/report", params={"from": "2020-01-01"}), 422)["field"] == "to"
    assert (await api.get("/v1/desk/rules")).json()["on_call"] is None
    for days in ({"to": "0001-01-01"}, {"from": "9999-12-31"}, {"from": "0001-01-01", "to": "0001-01-02"}):
        answer = await api.get("/v1/desk/report", params=days)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, next(iter(days)))


async def test_the_rules_say_when_turns_begin_who_is_paged_and_what_is_not_read_yet(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """No turn yet, no pager, and a file that has changed since the worker started: each is said, and how to mend it."""
    file = services.settings.data / SUPPORT_FILE

    async def said(paging: bool = True) -> str:
        changed = {"paging_webhook_url": SecretStr("https://pager.example/x")} if paging else {}
        settings = services.settings.model_copy(update=changed)
        print_rules(await desk_reports.rules(replace(services, settings=settings)))
        return " ".join(capsys.readouterr().out.split())

    assert "On call: no one. There is no rota." in await said()
    tomorrow = (NOW + timedelta(days=1)).date()
    file.write_text(f'[on_call]\nmembers = ["priya.raman@foobar.example"]\nsince = {tomorrow}\n')
    assert "On call: no one before " in await said()
    file.write_text('[on_call]\nmembers = ["priya.raman@foobar.example"]\nsince = 2026-01-05\n')
    assert "priya.raman@foobar.example, who isn't paged: there is no paging webhook." in await said(paging=False)
    assert "paged for severity 1 while no engineer who can take it is at work" in await said()
    assert "has changed" not in await said()
    for digest, older in (("another", True), (support_rules.load(services.settings.data).digest, False)):
        async with services.store.writing() as connection:
            await sweep.note_rules(connection, NOW, digest)
        assert ("To have it read these: restart the workers." in await said()) is older
