"""Data for digests and reviews over the JSON API: as JSON, as CSV, and what is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr

from rapport.model.reading import MAX_BYTES
from rapport.settings import Settings
from rapport.storage.database import Store
from starters.http.app import create_app
from starters.services import Services
from starters.use_cases import token
from tests.conftest import ROOT, TAM
from tests.mail_fixtures import empty, imported, store
from tests.support.no_workflows import NO_WORKFLOWS

__all__ = ["empty", "imported", "store"]

CSV = {"Content-Type": "text/csv"}
BASE = "/v1/accounts/versayce"
SAMPLE = {"day": "2026-11-02", "metric": "checks a day", "unit": "count", "value": 1200}
INCIDENT = {"id": "INC-1", "title": "Checks late", "severity": 2, "began": "2026-11-02T10:00:00Z"}


@pytest.fixture
async def api(store: Store, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid token, of an installation that knows the example account."""
    settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"))
    services = Services(settings, store, NO_WORKFLOWS)
    secret = await token.create(services, "warehouse", ("operator",))
    headers = {"Authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as client:
        yield client


def said(*records: dict[str, Any], as_: str = TAM.email) -> dict[str, Any]:
    """Records, as a member gives them."""
    return {"as": as_, "records": records}


def csv(name: str) -> dict[str, Any]:
    """One of the shipped files, as httpx posts it."""
    return {
        "content": (ROOT / "examples" / "data" / f"{name}.csv").read_bytes(),
        "headers": {"Content-Type": "text/csv; charset=utf-8"},
        "params": {"as": TAM.email},
    }


def fault(answer: httpx.Response, status: int) -> str:
    """The field that a refusal names, which also says what to do."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(one["fix"] for one in answer.json()["errors"])
    return str(answer.json()["errors"][0]["field"])


async def test_data_comes_in_as_json_and_tells_one_story(api: httpx.AsyncClient) -> None:
    """What is given can be listed, closed and removed, stands in the account's evidence, and on its timeline."""
    assert (await api.post(f"{BASE}/usage", json=said(SAMPLE))).json()["new"] == 1
    assert (await api.post(f"{BASE}/usage", json=said(SAMPLE))).json()["unchanged"] == 1
    assert (await api.post(f"{BASE}/incidents", json=said(INCIDENT))).json()["new"] == 1
    assert (await api.post(f"{BASE}/projects", json=said({"id": "P-1", "title": "Search"}))).json()["new"] == 1
    assert (await api.post(f"{BASE}/wins", json=said({"id": "W-1", "title": "X", "day": "2026-11-02"}))).json()[
        "new"
    ] == 1
    item = {"id": "R-1", "title": "Y", "expected": "2027-Q1", "account": "versayce", "touches": "they asked"}
    assert (await api.post("/v1/roadmap", json=said(item))).json()["new"] == 1
    assert (await api.get("/v1/roadmap")).json() == [item]

    span = {"since": "2026-11-01", "until": "2026-11-30"}
    found = (await api.get(f"{BASE}/evidence", params=span)).json()
    for noun in ("usage", "incidents", "projects", "roadmap", "wins"):
        assert found[noun] == (await api.get(f"{BASE}/{noun}")).json()
        assert len(found[noun]) == 1
    assert found["usage"][0]["samples"] == [{"day": "2026-11-02", "value": 1200.0}]

    closed = await api.post(f"{BASE}/incidents/INC-1/close", json={"as": TAM.email, "ended": "2026-11-02T10:40:00Z"})
    assert closed.json()["ended"] == "2026-11-02T10:40:00Z"
    for path in (f"{BASE}/incidents/INC-1", f"{BASE}/projects/P-1", f"{BASE}/wins/W-1", "/v1/roadmap/R-1"):
        assert (await api.post(f"{path}/remove", json={"as": TAM.email})).json()["removed"] == 1
        assert fault(await api.post(f"{path}/remove", json={"as": TAM.email}), 404) == "id"
    gone = {"as": TAM.email, "metric": "checks a day", "day": "2026-11-02"}
    assert (await api.post(f"{BASE}/usage/remove", json=gone)).json()["removed"] == 1
    found = (await api.get(f"{BASE}/evidence", params=span)).json()
    assert not any(found[noun] for noun in ("usage", "incidents", "projects", "roadmap", "wins"))

    entries = [entry for entry in (await api.get(f"{BASE}/timeline")).json() if entry["kind"].startswith("data.")]
    assert len(entries) == 11
    assert {(entry["channel"], entry["entered_by"]) for entry in entries} == {("api", "token warehouse")}


@pytest.mark.parametrize("name", ["usage", "incidents", "projects", "wins", "roadmap"])
async def test_the_shipped_files_come_in_as_csv(api: httpx.AsyncClient, name: str) -> None:
    """Each example is taken as it is; the second time it changes nothing, and the timeline has one entry."""
    path = "/v1/roadmap" if name == "roadmap" else f"{BASE}/{name}"
    first = (await api.post(path, **csv(name))).json()
    assert first["new"] >= 2
    assert (await api.post(path, **csv(name))).json() == {**first, "new": 0, "unchanged": first["new"]}
    assert (await api.get(f"{BASE}/{name}")).json()
    assert len((await api.get(f"{BASE}/timeline")).json()) == 1


async def test_what_is_refused_over_the_api_names_its_field(api: httpx.AsyncClient) -> None:
    """Faults in JSON are named by their place in the list, in CSV by line and column; nothing is kept."""
    for change, field in (
        ({"value": "many"}, "records[1].value"),
        ({"day": "soon"}, "records[1].day"),
        ({"unit": ""}, "records[1].unit"),
        ({"surprise": 1}, "records[1].surprise"),
        ({}, "records[1].day"),
        ({"day": "2026-11-03", "unit": "%"}, "records[1].unit"),
    ):
        assert fault(await api.post(f"{BASE}/usage", json=said(SAMPLE, {**SAMPLE, **change})), 422) == field
    nan = json.dumps(said({**SAMPLE, "value": float("nan")}))
    head = "day,metric,unit,value\n2026-11-02,x,y,"
    for body, field in (
        ({"content": nan}, "records[0].value"),
        ({"json": said()}, "records"),
        ({"json": [SAMPLE]}, "body"),
        ({"content": "day;metric", "headers": CSV}, "body line 1"),
        ({"content": f"{head}?", "headers": {"Content-Type": "TEXT/CSV; header=present"}}, "body line 2: value"),
        ({"content": f"{head}1", "headers": CSV}, "as"),
    ):
        assert fault(await api.post(f"{BASE}/usage", **cast("Any", body)), 422) == field
    large: dict[str, Any] = {"content": "x" * (MAX_BYTES + 1), "headers": CSV}
    assert fault(await api.post(f"{BASE}/usage", **large), 413) == "body"
    assert (await api.get(f"{BASE}/usage")).json() == []
    assert fault(await api.post("/v1/accounts/nobody/usage", json=said(SAMPLE)), 404) == "account"
    assert fault(await api.get("/v1/accounts/nobody/evidence"), 404) == "account"
    assert (
        fault(await api.get(f"{BASE}/evidence", params={"since": "2026-11-02", "until": "2026-11-01"}), 422) == "until"
    )
    assert (await api.get(f"{BASE}/timeline")).json() == []


async def test_data_is_told_to_nobody_without_a_token(api: httpx.AsyncClient) -> None:
    """Every route asks for a valid token, and describes itself; bodies of many records also as CSV."""
    described = (await api.get("/openapi.json")).json()["paths"]
    nouns = ("usage", "incidents", "projects", "wins", "roadmap", "evidence")
    paths = [path for path in described if any(f"/{noun}" in path for noun in nouns)]
    assert len(paths) == 13
    for path in paths:
        for method, about in described[path].items():
            answer = await api.request(method, path, headers={"Authorization": "Bearer wrong"}, json={})
            assert answer.status_code == 401
            if method == "post":
                assert "application/json" in about["requestBody"]["content"]
            if method == "post" and not path.endswith(("/remove", "/close")):
                assert "text/csv" in about["requestBody"]["content"]


async def test_an_accounts_page_shows_what_is_known_and_nothing_else(api: httpx.AsyncClient) -> None:
    """Without data there is no word of it; with it, each figure has its unit, and nothing that was given is HTML."""
    secret = api.headers["Authorization"].removeprefix("Bearer ")
    assert (await api.get("/sign-in", params={"key": secret})).status_code == 303
    assert "What we know" not in (await api.get("/accounts/versayce")).text

    today = datetime.now(UTC).date()
    days = [(today - timedelta(days=ago)).isoformat() for ago in (3, 2, 1)]
    measured = [{**SAMPLE, "day": day, "value": value} for day, value in zip(days, (1200, 0, 3400), strict=True)]
    level = [{**SAMPLE, "metric": "uptime", "unit": "%", "day": day, "value": 99.95} for day in days]
    await api.post(f"{BASE}/usage", json=said(*measured, *level))
    began = f"{days[0]}T10:00:00Z"
    await api.post(f"{BASE}/incidents", json=said({**INCIDENT, "title": "<b>Late</b> & silent", "began": began}))
    page = (await api.get("/accounts/versayce")).text
    assert "1,200 → 3,400, up 183 %" in page
    assert page.count('<svg class="spark"') == 1
    assert "99.95 % → 99.95 %, unchanged" in page
    assert "&lt;b&gt;Late&lt;/b&gt; &amp; silent" in page
    assert "rapport incident close versayce INC-1" in page
    for heading in ("Projects", "Roadmap that touches them", "Wins"):
        assert f">{heading}<" not in page
