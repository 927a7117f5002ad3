"""Meetings over HTTP: proposed beside the playbook, offered again, canceled, by the API and on the account's page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from rapport.model.ids import new_id
from starters.http.app import create_app
from starters.use_cases import onboarding, token
from starters.use_cases.onboarding import StartRequest
from tests.conftest import TAM, Installation, account, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def api(here: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A program with a token, which is signed in as a browser too."""
    secret = await token.create(here.services, "owner", ("operator",))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(here.services, here.catcher)),
        base_url="http://127.0.0.1:8700",
        headers={"Authorization": f"Bearer {secret}"},
        follow_redirects=True,
    ) as client:
        assert (await client.get(f"/sign-in?key={secret}")).status_code == 200
        yield client


async def started(here: Installation) -> tuple[str, str]:
    """The key of an account whose onboarding runs, and its user's address."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    await onboarding.start(here.services, StartRequest(file=file))
    user = next(one.email for one in file.contacts if "primary_user" in one.personas)
    return file.account.key, user


async def in_phase(api: httpx.AsyncClient, key: str, step: str, phase: str) -> dict[str, Any]:
    """A meeting once it is in this phase."""

    async def there() -> dict[str, Any] | None:
        answer = await api.get(f"/v1/accounts/{key}/meetings/{step}")
        shown: dict[str, Any] = answer.json()
        return shown if answer.status_code == 200 and shown["phase"] == phase else None

    shown: dict[str, Any] = await until(there, f"{step} to be {phase}")
    return shown


async def test_of_two_who_propose_the_same_at_once_one_does(here: Installation, api: httpx.AsyncClient) -> None:
    """Programs repeat what is slow to answer: there is one meeting of a title, and the others are told which."""
    key, user = await started(here)
    training = {"as": TAM.email, "title": "CI in depth", "with": [user], "minutes": 60}
    answers = await asyncio.gather(*(api.post(f"/v1/accounts/{key}/meetings", json=training) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [201, *[409] * 5]


async def test_a_meeting_is_proposed_offered_again_and_canceled(here: Installation, api: httpx.AsyncClient) -> None:
    """A program proposes a training, has new times offered, and cancels it; the list tells what became of it."""
    key, user = await started(here)
    address = f"/v1/accounts/{key}/meetings"
    training = {"as": TAM.email, "title": "CI in depth", "with": [user], "minutes": 60}
    wrong = await api.post(address, json={**training, "with": ["nobody@else.example"], "days": "9-2"})
    assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")
    proposed = await api.post(address, json=training)
    assert (proposed.status_code, proposed.json()["step"]) == (201, "adhoc_1")
    assert (await in_phase(api, key, "adhoc_1", "voting"))["title"] == "CI in depth"
    again = await api.post(f"{address}/adhoc_1/reschedule", json={"as": TAM.email, "reason": "Robin is ill."})
    assert again.json()["outcome"] == "new_times"

    async def second() -> bool:
        round_: int = (await in_phase(api, key, "adhoc_1", "voting"))["round"]
        return round_ == 2

    await until(second, "the second round")
    no_reason = await api.post(f"{address}/adhoc_1/cancel", json={"as": TAM.email, "reason": " "})
    assert no_reason.status_code == 422
    canceled = await api.post(f"{address}/adhoc_1/cancel", json={"as": TAM.email, "reason": "They merge."})
    assert canceled.json()["outcome"] == "canceled"

    async def over() -> bool:
        lines = {one["step"]: one for one in (await api.get(address)).json()}
        return (lines["adhoc_1"]["state"], lines["adhoc_1"]["outcome"]) == ("done", "canceled")

    await until(over, "the end on record")


async def test_the_page_proposes_a_meeting_and_cancels_it(here: Installation, api: httpx.AsyncClient) -> None:
    """The account's page asks for what the command does, keeps what was typed where that is refused, and cancels."""
    key, user = await started(here)
    page = (await api.get(f"/accounts/{key}")).text
    match = re.search(r'name="csrf" value="([^"]+)"', page)
    assert match is not None
    sent = {"csrf": match[1], "title": "CI in depth", "minutes": "60", "days": "0-3"}
    headers = {"origin": "http://127.0.0.1:8700"}
    nobody = await api.post(f"/accounts/{key}/meetings", data=sent, headers=headers)
    assert nobody.status_code == 422
    assert "obody is asked" in nobody.text
    refused = await api.post(f"/accounts/{key}/meetings", data={**sent, f"with-{user}": "yes"}, headers=headers)
    assert refused.status_code == 422
    assert 'value="CI in depth"' in refused.text
    assert re.search(rf'name="with-{re.escape(user)}" value="yes" checked', refused.text)
    done = await api.post(
        f"/accounts/{key}/meetings", data={**sent, "days": "3-8", f"with-{user}": "yes"}, headers=headers
    )
    assert (done.status_code, done.url.query) == (200, b"done=proposed")
    await in_phase(api, key, "adhoc_1", "voting")
    page = (await api.get(f"/accounts/{key}")).text
    assert "CI in depth" in page
    canceled = await api.post(
        f"/accounts/{key}/meetings/adhoc_1/cancel", data={"csrf": match[1], "reason": "They merge."}, headers=headers
    )
    assert (canceled.status_code, canceled.url.query) == (200, b"done=meeting_canceled")
    assert (await in_phase(api, key, "adhoc_1", "ended"))["ended"]["became"] == "called_off"
