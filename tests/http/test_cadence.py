"""What recurs, over HTTP: seen, changed, refused, and on the account's page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from rapport.model.ids import new_id
from starters.http.app import create_app
from starters.use_cases import onboarding, token
from starters.use_cases.onboarding import StartRequest
from tests.conftest import TAM, Installation, account, until
from tests.support.cadence import HEAD, QBR, WEEKLY

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


async def test_what_recurs_is_seen_and_changed(here: Installation, api: httpx.AsyncClient) -> None:
    """One date is called off and another moved by the API; the page shows both, and a repeated word is refused."""
    folder = here.services.settings.data / "playbooks"
    folder.mkdir(exist_ok=True)
    (folder / "rhythm.toml").write_text(HEAD + WEEKLY + QBR)
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    key = file.account.key
    address = f"/v1/accounts/{key}/cadence"
    assert (await api.get(address)).status_code == 404
    await onboarding.start(here.services, StartRequest(file=file, playbook="rhythm"))

    async def planned() -> Any:
        answer = (await api.get(address)).json()
        ready = "rhythms" in answer and all(one["next"] for one in answer["rhythms"])
        return answer["rhythms"] if ready and len(answer["rhythms"]) == 2 else None

    weekly, qbr = await until(planned, "the rhythms")
    assert (weekly["step"], weekly["rhythm"], weekly["every"]) == ("weekly", "sync", "1 week")
    assert weekly["standing"].endswith("(Europe/Zurich)")
    assert (qbr["rhythm"], qbr["meeting"], qbr["open"]) == ("review", None, False)
    await here.mailed(4)
    first, second = (one["day"] for one in weekly["dates"][:2])
    word = {"as": TAM.email, "date": second}
    skipped = await api.post(f"{address}/weekly/skip", json={**word, "reason": "a fair"})
    assert (skipped.status_code, skipped.json()["outcome"]) == (200, "skipped")
    start = weekly["dates"][0]["end"]
    moved = await api.post(f"{address}/weekly/move", json={"as": TAM.email, "date": first, "start": start})
    assert (moved.status_code, moved.json()["outcome"]) == (200, "moved")
    await here.mailed(12)
    again = await api.post(f"{address}/weekly/skip", json=word)
    assert again.status_code == 409
    assert again.headers["content-type"].startswith("application/problem+json")
    assert "off already" in again.text
    nothing = await api.post(f"{address}/weekly/set", json={"as": TAM.email, "day": "tue", "at": "25:00"})
    assert nothing.status_code in (400, 422)
    assert "10:00" in nothing.text
    page = (await api.get(f"/accounts/{key}")).text
    assert "Recurring meetings" in page
    assert "(skipped)" in page
    assert "moved to" in page
    shown = (await api.get(address)).json()["rhythms"][0]["dates"]
    assert shown[0]["moved_from"] == weekly["dates"][0]["start"]
    assert next(one for one in shown if one["day"] == second)["off"] == "skipped"


async def test_dates_and_the_standing_time_are_changed_on_the_page(here: Installation, api: httpx.AsyncClient) -> None:
    """The account's page moves one date, calls one off and sets the time; what is refused keeps what was typed."""
    folder = here.services.settings.data / "playbooks"
    folder.mkdir(exist_ok=True)
    (folder / "rhythm.toml").write_text(HEAD + WEEKLY)
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    key = file.account.key
    await onboarding.start(here.services, StartRequest(file=file, playbook="rhythm"))

    async def dates() -> list[Any] | None:
        answer = (await api.get(f"/v1/accounts/{key}/cadence")).json()
        return answer["rhythms"][0]["dates"] if "rhythms" in answer else None

    first, second = (await until(dates, "the dates"))[:2]
    page = (await api.get(f"/accounts/{key}")).text
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found is not None
    form = {"csrf": found[1]}
    where = f"/accounts/{key}/cadence/weekly"
    off = await api.post(f"{where}/skip", data={**form, "date": second["day"], "start": "", "reason": "a fair"})
    assert (off.status_code, off.url.query) == (200, b"done=called_off")
    assert "Call" in off.text
    again = await api.post(f"{where}/skip", data={**form, "date": second["day"], "reason": "a second fair"})
    assert again.status_code == 409
    assert "off already" in again.text
    assert 'value="a second fair"' in again.text
    empty = await api.post(f"{where}/move", data={**form, "date": first["day"], "start": ""})
    assert empty.status_code == 422
    assert "The time is not filled in." in empty.text
    assert "That was not done" not in empty.text
    later = (datetime.fromisoformat(first["start"]) + timedelta(hours=1)).astimezone(ZoneInfo("Europe/Zurich"))
    moved = await api.post(f"{where}/move", data={**form, "date": first["day"], "start": f"{later:%Y-%m-%dT%H:%M}"})
    assert (moved.status_code, moved.url.query) == (200, b"done=moved")
    shown = await until(dates, "the dates")
    assert datetime.fromisoformat(shown[0]["start"]) == later
    assert shown[1]["off"] == "skipped"
    nothing = await api.post(f"{where}/set", data={**form, "day": "wed", "at": ""})
    assert nothing.status_code == 422
    stands = await api.post(f"{where}/set", data={**form, "day": "wed", "at": "14:00"})
    assert (stands.status_code, stands.url.query) == (200, b"done=standing")

    async def wednesdays() -> bool:
        return "Wednesdays 14:00 (Europe/Zurich)" in (await api.get(f"/accounts/{key}")).text

    await until(wednesdays, "the new time")
    said = [entry["said"] for entry in (await api.get(f"/v1/accounts/{key}/timeline")).json()]
    assert "a fair" in said
    forged = await api.post(f"{where}/skip", data={"csrf": "x", "date": second["day"]})
    assert forged.status_code == 403
