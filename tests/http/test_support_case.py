"""Cases over the API and on pages: the same words as the command line, and nobody does more than they may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from rapport.model.ids import case_id, new_id
from starters.http.app import create_app
from starters.use_cases import token
from tests.conftest import CHAMPION, Installation, until
from tests.support.desk import DEV, KIM, LEAD, SAM, open_desk

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def api(here: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A program with an operator's token, at an installation with a desk."""
    await open_desk(here, day=None)
    secret = await token.create(here.services, new_id("token"), ("operator",))
    headers = {"Authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(create_app(here.services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as made:
        yield made


async def post(api: httpx.AsyncClient, path: str, code: Any = 200, **body: Any) -> Any:
    """Post a body and insist on the answer's code."""
    answer = await api.post(f"/v1/{path}", json=body)
    assert answer.status_code == code, answer.text
    return answer.json()


async def test_a_portal_opens_a_case_once_and_support_resolves_it(here: Installation, api: httpx.AsyncClient) -> None:
    """The customer's own person asks through a program; the same key gives the same case; the rest is as on the CLI."""
    question = {"account": "versayce", "question": "Why E42?", "area": "api", "id": "portal-1", "as": CHAMPION}
    opened = await post(api, "cases", 201, **question)
    assert (await post(api, "cases", 200, **question))["ref"] == opened["ref"]
    del question["id"]
    keyed = {"Idempotency-Key": "portal-1"}
    assert (await api.post("/v1/cases", json=question, headers=keyed)).json()["ref"] == opened["ref"]
    keyed = {"Idempotency-Key": new_id("k")}
    first, second = [(await api.post("/v1/cases", json=question, headers=keyed)) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["ref"] == second.json()["ref"] != opened["ref"]
    ref = opened["ref"]

    async def begun() -> bool:
        return bool((await api.get(f"/v1/cases/{ref}")).json()["live"])

    await until(begun, "the case")
    shown = (await api.get(f"/v1/cases/{ref}")).json()
    assert (shown["channel"], shown["question"], shown["contact"]) == ("api", "Why E42?", "Luca Bianchi")
    await post(api, f"cases/{ref}/classify", severity=2, **{"as": SAM})
    await post(api, f"cases/{ref}/note", text="Seen before", **{"as": KIM})
    assert (await post(api, f"cases/{ref}/answer", text="Rotate.", **{"as": SAM}))["accepted"]
    drafted = await post(api, f"cases/{ref}/to-review", text="Is it supported?", **{"as": SAM})
    assert drafted["draft"].startswith("# A draft")
    split = await post(api, f"cases/{ref}/split", question="And E43?", **{"as": SAM})
    assert (await post(api, f"cases/{ref}/split", question="And E43?", **{"as": SAM}))["ref"] == split["ref"]
    await post(api, f"cases/{split['ref']}/merge", into=ref, **{"as": LEAD})
    await post(api, f"cases/{ref}/resolve", text="Rotated.", **{"as": SAM})
    listed = (await api.get("/v1/cases", params={"account": "versayce", "all": True})).json()
    states = {line["ref"]: line["state"] for line in listed}
    assert (states[split["ref"]], ref in states) == ("merged", True)
    assert (await api.get("/v1/desk")).json()["live"]


async def test_a_case_that_was_ended_says_so_on_its_page(here: Installation, api: httpx.AsyncClient) -> None:
    """Nothing but having it continue is offered there, and the API calls it ended."""
    question = {"account": "versayce", "question": "Why E44?", "area": "api", "as": CHAMPION}
    ref = (await post(api, "cases", 201, **question))["ref"]

    async def begun() -> bool:
        return bool((await api.get(f"/v1/cases/{ref}")).json()["live"])

    await until(begun, "the case")
    await here.client.get_workflow_handle(case_id(ref)).terminate("by hand")
    shown = (await api.get(f"/v1/cases/{ref}")).json()
    assert (shown["state"], "ended in Temporal" in shown["waiting_for"]) == ("ended", True)
    key = api.headers["Authorization"].removeprefix("Bearer ")
    assert (await api.get("/sign-in", params={"key": key})).status_code == 303
    page = (await api.get(f"/cases/{ref}")).text
    assert "Ended in Temporal." in page
    assert "someone to decide whether it continues" in page
    assert [f"/cases/{ref}/{verb}" in page for verb in ("reopen", "answer", "assign")] == [True, False, False]
    assert (await api.get("/support")).status_code == 200


@pytest.mark.parametrize(
    ("verb", "body", "code", "field"),
    [
        ("answer", {"text": "So.", "as": CHAMPION}, 422, "as"),
        ("answer", {"text": "", "as": SAM}, 422, "text"),
        ("answer", {"text": "So.", "more": 1, "as": SAM}, 422, "more"),
        ("assign", {"to": DEV, "as": LEAD}, 409, "to"),
        ("escalate", {"tried": "All", "as": SAM}, 422, "reproduction"),
        ("merge", {"into": "C-99", "as": SAM}, 422, "into"),
        ("classify", {"as": SAM}, 422, "severity"),
    ],
)
async def test_what_is_refused_says_why(
    here: Installation, api: httpx.AsyncClient, verb: str, body: dict[str, Any], code: int, field: str
) -> None:
    """Each refusal is a problem document with its field; nothing has happened to the case."""
    ref = (await post(api, "cases", 201, account="versayce", question="Why?", **{"as": CHAMPION}))["ref"]
    answer = await api.post(f"/v1/cases/{ref}/{verb}", json=body)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json"), problem
    assert field in str(problem)
    assert (await api.get(f"/v1/cases/{ref}")).json()["log"] == []


async def test_without_a_token_nothing_is_told(here: Installation, api: httpx.AsyncClient) -> None:
    """A case is nobody's business without a bearer token, nor is the desk's page without a sign-in."""
    for path in ("/v1/cases", "/v1/cases/C-00001", "/v1/desk"):
        assert (await api.get(path, headers={"Authorization": ""})).status_code == 401
    assert (await api.get("/support", headers={"Authorization": ""})).status_code in (303, 401)
