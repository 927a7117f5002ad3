"""Minutes, blockers and actions over HTTP: the API, and the form on a meeting's page."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from rapport.model.base import UserError
from rapport.settings import Settings
from rapport.storage.database import Store
from starters.http.app import create_app
from starters.http.pages import minutes as page
from starters.services import Services
from starters.use_cases import meeting, token
from tests.conftest import CHAMPION, TAM, USER, Installation
from tests.http.test_member import fault
from tests.support.kickoff import in_phase
from tests.support.minutes import COLLEAGUE, PRIVATE, action, begun, blocker, example
from tests.support.postgres import tables

OURS = "http://127.0.0.1:8700"
MEETING = "/v1/accounts/versayce/meetings/kickoff"
PAGE = "/accounts/versayce/meetings/kickoff/minutes"
SELLER = "sam.ortega@foobar.example"


@dataclass
class Desk:
    """An installation whose kickoff has begun, with a program and a reader in front of it."""

    installation: Installation
    api: httpx.AsyncClient
    reader: httpx.AsyncClient

    async def say(self, **fields: str | list[str]) -> httpx.Response:
        """Send the form as it stands on the page, with these fields."""
        found = re.search(r'name="csrf" value="(\w+)"', (await self.reader.get(PAGE)).text)
        assert found is not None
        return await self.reader.post(PAGE, data={"csrf": found[1], "do": "held", **fields})


@pytest.fixture
async def desk(skipping: Installation, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """The kickoff is over, and nobody has said how it went."""
    await begun(skipping)
    now = await skipping.now()
    monkeypatch.setattr(page, "present", lambda: now + timedelta(minutes=1))
    secret = await token.create(skipping.services, "tests", ("operator",))
    transport = httpx.ASGITransport(create_app(skipping.services))
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        httpx.AsyncClient(transport=transport, base_url=OURS, headers=headers) as api,
        httpx.AsyncClient(transport=transport, base_url=OURS) as reader,
    ):
        assert (await reader.get("/sign-in", params={"key": secret})).status_code == 303
        yield Desk(skipping, api, reader)


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token, of an installation without a Temporal; nothing here asks one."""
    settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"), public_url=OURS)
    shutil.copy(tables(), tmp_path)
    store = Store(settings.database)
    transport = httpx.ASGITransport(create_app(Services(settings, store, cast("Client", None))))
    async with httpx.AsyncClient(transport=transport, base_url=OURS) as client:
        yield client
    await store.close()


# The API


async def test_a_program_says_how_it_went_and_what_comes_of_it(desk: Desk) -> None:
    """Held, read, corrected; a blocker noted, looked at and removed; an action done: one story over HTTP."""
    body = example().model_dump(mode="json")
    said = await desk.api.post(f"{MEETING}/held", json={"as": TAM.email, **body})
    assert said.status_code == 200, said.text
    shown = (await desk.api.get(f"{MEETING}/minutes", params={"as": TAM.email})).json()
    assert [one["email"] for one in shown["attended"]] == [CHAMPION, USER, TAM.email]
    assert shown["private_note"] == PRIVATE
    assert (await desk.api.get(f"{MEETING}/minutes")).json() == {**shown, "private_note": None}
    assert (await desk.api.get(MEETING, params={"as": TAM.email})).json()["minutes"] == shown

    corrected = await desk.api.put(
        f"{MEETING}/minutes", json={"as": COLLEAGUE, "note": "Shorter", "actions": [action()]}
    )
    assert corrected.status_code == 200, corrected.text
    assert (corrected.json()["note"], corrected.json()["blockers"]) == ("Shorter", [])

    added = await desk.api.post("/v1/accounts/versayce/blockers", json={"as": TAM.email, **blocker()})
    assert added.status_code == 201, added.text
    path = f"/v1/blockers/{added.json()['id']}"
    later = await desk.api.post(f"{path}/check", json={"as": TAM.email, "next_check": "2090-01-02"})
    assert later.json()["next_check"] == "2090-01-02"
    assert (await desk.api.get("/v1/blockers", params={"account": "versayce"})).json() == [later.json()]
    removed = await desk.api.post(f"{path}/remove", json={"as": TAM.email, "reason": "The rule is in"})
    assert removed.json()["reason"] == "The rule is in"
    assert (await desk.api.get("/v1/blockers")).json() == []
    assert (await desk.api.get("/v1/blockers", params={"all": True})).json() == [removed.json()]
    [promised] = (await desk.api.get("/v1/actions")).json()
    done = await desk.api.post(f"/v1/actions/{promised['id']}/done", json={"as": TAM.email})
    assert done.json()["done_by"] == "Robin Keller"
    assert (await desk.api.get("/v1/actions", params={"account": "versayce"})).json() == []

    unknown = {"as": TAM.email, "attended": ["x@y.example"]}
    assert fault(await desk.api.put(f"{MEETING}/minutes", json=unknown), 422) == "attended[0]"
    assert fault(await desk.api.put(f"{MEETING}/minutes", json={"as": SELLER}), 403) == "as"
    again = await desk.api.post(f"{MEETING}/held", json={"as": TAM.email})
    assert "rapport meeting minutes versayce kickoff" in again.json()["errors"][0]["fix"]
    assert again.status_code == 409
    assert fault(await desk.api.post(f"{path}/remove", json={"as": TAM.email, "reason": "x"}), 409) == "id"
    assert fault(await desk.api.post(f"{path}/remove", json={"as": TAM.email, "reason": ""}), 422) == "reason"
    assert fault(await desk.api.post("/v1/actions/a_0/done", json={"as": TAM.email}), 404) == "id"
    assert fault(await desk.api.get("/v1/blockers", params={"account": "nobody"}), 404) == "account"


async def test_nothing_of_it_is_told_without_a_token(bare: httpx.AsyncClient) -> None:
    """Every route asks for a valid token, and describes the body that it takes."""
    described = (await bare.get("/openapi.json")).json()["paths"]
    for method, path in (
        ("GET", f"{MEETING}/minutes"),
        ("PUT", f"{MEETING}/minutes"),
        ("POST", f"{MEETING}/held"),
        ("GET", "/v1/blockers"),
        ("POST", "/v1/accounts/versayce/blockers"),
        ("POST", "/v1/blockers/b_0/check"),
        ("POST", "/v1/blockers/b_0/remove"),
        ("GET", "/v1/actions"),
        ("POST", "/v1/actions/a_0/done"),
    ):
        answer = await bare.request(method, path, json={})
        assert answer.status_code == 401, (method, path)
        template = path.replace("versayce", "{account}").replace("kickoff", "{step}")
        template = template.replace("b_0", "{blocker}").replace("a_0", "{action}")
        assert method == "GET" or "requestBody" in described[template][method.lower()], (method, path)


# The form


async def test_a_form_says_all_of_it(desk: Desk) -> None:
    """What is ticked, written in rows and typed stands in the minutes, on the account's page, and in the next form."""
    asked = (await desk.reader.get(PAGE)).text
    assert "checked" not in asked
    answer = await desk.say(
        attended=[CHAMPION, TAM.email],
        others=f"{COLLEAGUE}, ines.moreau@foobar.example",
        short_term="Alerts for checkout\n\nOne runbook\n",
        **{f"actions-1-{name}": text for name, text in action().items()},
        **{f"blockers-0-{name}": text for name, text in blocker(next_check="2020-01-02").items()},
        next="They show how they deploy",
        note="Good <spirits>",
        private_note=PRIVATE,
    )
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done=held")
    shown = await meeting.minutes_of(desk.installation.services, "versayce", "kickoff", TAM.email)
    assert [one.name for one in shown.attended] == ["Luca Bianchi", "Robin Keller", "Tomas Novak", "Ines Moreau"]
    assert shown.short_term == ("Alerts for checkout", "One runbook")
    assert [one.what for one in shown.actions] == ["Send the guide"]
    html = (await desk.reader.get(answer.headers["location"])).text
    assert "Noted: it was held." in html
    assert "Good &lt;spirits&gt;" in html
    assert html.count("checked") == 2
    assert f'value="{COLLEAGUE}, ines.moreau@foobar.example"' in html
    account = (await desk.reader.get("/accounts/versayce")).text
    [removal] = [one.id for one in shown.blockers]
    assert f"rapport blocker remove {removal}" in account
    assert "overdue" in account
    assert f"rapport action done {shown.actions[0].id}" in account
    assert PAGE in account
    assert "budget round" not in account

    corrected = await desk.say(do="correct", noted="1", note="Shorter", private_note="")
    assert corrected.headers["location"] == f"{PAGE}?done=corrected"
    shown = await meeting.minutes_of(desk.installation.services, "versayce", "kickoff", TAM.email)
    assert (shown.note, shown.private_note, shown.blockers, shown.actions) == ("Shorter", None, (), ())


async def test_a_refused_form_says_which_row_and_keeps_everything(desk: Desk) -> None:
    """A fault is told in the words of the form, its field is marked, and what was typed is still there."""
    answer = await desk.say(
        attended=[CHAMPION],
        note="Good <spirits>",
        **{"actions-2-what": "Send the guide", "blockers-1-title": "Budget", "blockers-1-owner": CHAMPION},
    )
    assert answer.status_code == 422
    for told in ("Whoever does action 3 is missing.", "The day of action 3 is missing.", "The next check of blocker 2"):
        assert told in answer.text
    marked = re.findall(r'name="([\w-]+)"[^>]*aria-invalid="true"', answer.text)
    assert marked == ["actions-2-owner", "actions-2-due", "blockers-1-next_check"]
    assert "Good &lt;spirits&gt;" in answer.text
    assert 'value="Budget"' in answer.text
    assert answer.text.count("checked") == 1
    with pytest.raises(UserError, match="has no minutes"):
        await meeting.minutes_of(desk.installation.services, "versayce", "kickoff")


async def test_the_same_form_says_that_nobody_came(desk: Desk) -> None:
    """Its second button goes where the account's page sends a no-show, whatever else the form holds."""
    found = re.search(r'formaction="([^"]+)" name="outcome" value="no_show"', (await desk.reader.get(PAGE)).text)
    csrf = re.search(r'name="csrf" value="(\w+)"', (await desk.reader.get(PAGE)).text)
    assert found
    assert csrf
    said = {"csrf": csrf[1], "do": "held", "outcome": "no_show", "note": "", "private_note": "x", "actions-0-what": ""}
    answer = await desk.reader.post(found[1], data=said)
    assert answer.headers["location"] == "/accounts/versayce?done=no_show"
    assert (await in_phase(desk.installation, "voting")).round == 2


async def test_a_meeting_that_has_not_begun_asks_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its time the page says so and has no form; a form sent all the same is told what to do."""
    monkeypatch.undo()
    html = (await desk.reader.get(PAGE)).text
    assert "It has not begun yet" in html
    assert 'name="private_note"' not in html
