"""The JSON API and the signed webhook, over the real application and a real Temporal server."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from rapport.model.account import AccountFile, MembersFile
from rapport.model.ids import new_id
from starters.http.app import create_app
from starters.use_cases import member as members, token
from starters.use_cases.token import webhook_secret
from tests.conftest import CHAMPION, TAM, USER, Installation, account, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOOK = "/v1/hooks/contract-signed"


@pytest_asyncio.fixture(loop_scope="session")
async def api(here: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid token."""
    secret = await token.create(here.services, "tests", ("operator",))
    transport = httpx.ASGITransport(create_app(here.services))
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as client:
        yield client


def document(key: str | None = None, contract: str | None = None) -> AccountFile:
    """An account file with keys of its own."""
    return account(key or new_id("a").replace("_", "-"), contract or new_id("C"))


def body(file: AccountFile) -> dict[str, Any]:
    """The request that starts an account's onboarding."""
    return {"file": file.model_dump(mode="json")}


def signed(
    here: Installation, event: dict[str, Any], *, at: datetime | None = None, id_: str | None = None
) -> dict[str, Any]:
    """What httpx needs to post an event with its signature."""
    raw = json.dumps(event)
    id_, at = id_ or f"msg_{uuid.uuid4().hex}", at or datetime.now(UTC)
    signature = Webhook(webhook_secret(here.services)).sign(id_, at, raw)
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
        "Authorization": "",
    }
    return {"content": raw, "headers": headers}


def contract_signed(file: AccountFile) -> dict[str, Any]:
    """The event of a signed contract."""
    return {"type": "contract.signed", "timestamp": datetime.now(UTC).isoformat(), "data": body(file)}


async def test_starting_over_http_gives_201_and_then_200(api: httpx.AsyncClient, here: Installation) -> None:
    """The first start is created, the same contract again gives the same run, another contract has one beside it."""
    file = document()
    first = await api.post("/v1/onboardings", json=body(file))
    assert first.status_code == 201, first.text
    assert first.json()["created"] is True
    again = await api.post("/v1/onboardings", json=body(file))
    assert (again.status_code, again.json()) == (200, {**first.json(), "created": False})
    other = await api.post("/v1/onboardings", json=body(document(file.account.key)))
    assert other.status_code == 201, other.text
    assert first.json()["workflow_id"] == f"onboarding/{file.account.key}"
    assert other.json()["workflow_id"].startswith(f"onboarding/{file.account.key}.")
    named = other.json()["workflow_id"].partition("/")[2]
    status = await api.get(f"/v1/onboardings/{named}")
    assert status.status_code == 200, status.text
    assert {one["name"] for one in status.json()["contracts"]} == {file.account.key, named}
    assert len(await here.mailed(8)) == 8


async def test_the_whole_way_to_a_booking_over_the_api(api: httpx.AsyncClient, here: Installation) -> None:
    """Status, meeting, votes, messages and timeline tell one story over HTTP."""
    file = document()
    key = file.account.key
    await api.post("/v1/onboardings", json=body(file))
    await here.mailed(4)
    meeting = f"/v1/accounts/{key}/meetings/kickoff"
    for email in (CHAMPION, USER):
        answer = await api.post(f"{meeting}/vote", json={"as": email, "slots": ["2"]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["accepted"] is True

    async def booked() -> bool:
        return bool((await api.get(meeting)).json()["phase"] == "booked")

    await until(booked, "the booking")
    await here.mailed(9)
    status = (await api.get(f"/v1/onboardings/{key}")).json()
    assert status["stage"] == "kickoff"
    assert {"account", "stage", "paused", "milestones", "waiting_on", "next"} <= set(status)
    messages = (await api.get(f"/v1/accounts/{key}/messages")).json()
    assert len(messages) == 9
    assert {"key", "step", "to", "state", "subject", "message_id"} <= set(messages[0])
    shown = (await api.get(f"/v1/messages/{messages[0]['key']}")).json()
    assert "/m/your-personal-link" in shown["text"]
    told = (await api.get(f"/v1/accounts/{key}/timeline")).json()
    assert [entry["channel"] for entry in told if entry["kind"] == "vote.cast"] == ["api", "api"]
    assert "token tests" in {entry["entered_by"] for entry in told}
    assert [entry["verified"] for entry in told if entry["kind"] == "vote.cast"] == ["operator", "operator"]
    verified = (await api.get("/v1/audit", params={"account": key})).json()
    assert verified == {"whole": True, "entries": len(told), "findings": [], "receipts": 0, "faults": [], "before": 0}
    exported = (await api.get(f"/v1/audit/{key}")).json()
    assert exported["hash"] == exported["entries"][-1]["hash"]
    assert {entry["said"]["actor"] for entry in exported["entries"] if entry["said"]} <= exported["names"].keys()
    refused = await api.post(f"{meeting}/held", json={"as": TAM.email})
    assert (refused.status_code, refused.json()["errors"][0]["problem"]) == (
        409,
        "the meeting has not begun yet; move it or wait until then",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/onboardings"),
        ("GET", "/v1/accounts"),
        ("PUT", "/v1/accounts"),
        ("GET", "/v1/onboardings/versayce"),
        ("POST", "/v1/mail/stop"),
        ("POST", "/v1/drafts/approve"),
        ("GET", "/v1/messages/a/b"),
    ],
)
async def test_without_a_token_nothing_is_told(api: httpx.AsyncClient, method: str, path: str) -> None:
    """Every route of the API asks for a valid token, in problem details."""
    for header in ("", "Bearer wrong", "Basic abc"):
        answer = await api.request(method, path, headers={"Authorization": header}, json={})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["title"] == "Unauthorized"


async def test_a_revoked_token_is_worthless(api: httpx.AsyncClient, here: Installation) -> None:
    """A token works until it is revoked, and not after."""
    secret = await token.create(here.services, "brief", ("operator",))
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await api.get("/v1/accounts", headers=headers)).status_code == 200
    await token.revoke(here.services, "brief")
    assert (await api.get("/v1/accounts", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"account": None}, "file.account"),
        ({"contacts": []}, "file.contacts"),
        ({"surprise": 1}, "file.surprise"),
    ],
)
async def test_bad_input_names_the_field_and_the_fix(
    api: httpx.AsyncClient, here: Installation, change: dict[str, Any], field: str
) -> None:
    """A document that is wrong is refused as 422 with the field and the fix, and starts nothing."""
    asked = {"file": {**document("unborn").model_dump(mode="json"), **change}}
    answer = await api.post("/v1/onboardings", json=asked)
    assert answer.status_code == 422
    fault = answer.json()["errors"][0]
    assert fault["field"] == field
    assert fault["fix"]
    assert (await api.get("/v1/accounts/unborn")).status_code == 404


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000])
async def test_what_is_not_a_document_is_refused(api: httpx.AsyncClient, raw: bytes) -> None:
    """Bytes that are no JSON object are a 422, never a 500."""
    answer = await api.post("/v1/onboardings", content=raw)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["problem"]


async def test_a_body_over_the_limit_is_refused(api: httpx.AsyncClient) -> None:
    """Two megabytes are refused before they are read."""
    answer = await api.post("/v1/onboardings", content=b" " * 2_000_000)
    assert answer.status_code == 413
    assert "larger than 1 MB" in answer.json()["detail"]


async def known_members(here: Installation, file: AccountFile) -> None:
    """The file's members, whom an administrator has brought in: no event does."""
    await members.import_members(here.services, MembersFile(members=file.members, vendor=file.vendor))


async def test_a_token_that_starts_onboardings_changes_nobody_of_a_known_account(
    api: httpx.AsyncClient, here: Installation
) -> None:
    """A service brings in an account and adds to it; another TAM, another review, a contact who is left out and one who
    is for something else are refused by either way in, with nothing changed; an operator's token may."""
    file = document()
    await known_members(here, file)
    other = file.members[0].model_copy(update={"email": "other.tam@foobar.example"})
    await known_members(here, file.model_copy(update={"members": (*file.members, other)}))
    secret = await token.create(here.services, new_id("crm"), ("start_onboardings", "read"))
    theirs = {"Authorization": f"Bearer {secret}"}

    async def put(given: AccountFile, **headers: str) -> httpx.Response:
        return await api.put("/v1/accounts", json=given.model_dump(mode="json"), headers=headers)

    def with_(**values: Any) -> AccountFile:
        return file.model_copy(update={"account": file.account.model_copy(update=values)})

    assert (await put(file, **theirs)).status_code == 200
    (last,) = file.contacts[-1:]
    newcomer = last.model_copy(update={"name": "Ada Lind", "email": "ada.lind@versayce.example"})
    more = file.model_copy(update={"contacts": (*file.contacts, newcomer)})
    assert (await put(more, **theirs)).status_code == 200
    known = (await api.get(f"/v1/accounts/{file.account.key}")).json()
    promoted = newcomer.model_copy(update={"personas": file.contacts[0].personas})
    changes = {
        "account.tam": with_(tam=other.email).model_copy(update={"contacts": more.contacts}),
        "account.review": with_(review="write").model_copy(update={"contacts": more.contacts}),
        "contacts": file,
        f"contacts[{len(file.contacts)}].personas": file.model_copy(update={"contacts": (*file.contacts, promoted)}),
    }
    for field, changed in changes.items():
        for refused in (
            await put(changed, **theirs),
            await api.post("/v1/onboardings", json=body(changed), headers=theirs),
        ):
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (403, field), refused.text
    assert (await api.get(f"/v1/accounts/{file.account.key}")).json() == known
    started = await api.post("/v1/onboardings", json=body(more), headers=theirs)
    assert started.status_code == 201, started.text
    assert (await put(changes["account.tam"])).status_code == 200


async def test_an_event_brings_in_no_members(api: httpx.AsyncClient, here: Installation) -> None:
    """Whoever may sign events gives nobody a role by them, and nothing is begun."""
    refused = await api.post(HOOK, **signed(here, contract_signed(document())))
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["field"] == "members[0]"
    assert (await api.get("/v1/accounts")).json() == []


async def test_a_signed_event_starts_the_onboarding_once(api: httpx.AsyncClient, here: Installation) -> None:
    """The signed event starts it; the same event again, and again with another id, are harmless."""
    file = document()
    await known_members(here, file)
    event = signed(here, contract_signed(file))
    first = await api.post(HOOK, **event)
    assert first.status_code == 202, first.text
    assert first.json()["created"] is True
    for repeat in (event, signed(here, contract_signed(file))):
        answer = await api.post(HOOK, **repeat)
        assert answer.status_code == 202
        assert answer.json() == {**first.json(), "created": False}
    assert len(await here.mailed(4)) == 4


async def test_an_event_that_is_not_ours_starts_nothing(api: httpx.AsyncClient, here: Installation) -> None:
    """A wrong secret, a changed body, an old timestamp or no signature at all are a 401."""
    file = document("forged")
    good = signed(here, contract_signed(file))
    changed = {**good, "content": good["content"].replace("Versayce", "Versatile")}
    old = signed(here, contract_signed(file), at=datetime.now(UTC) - timedelta(minutes=10))
    foreign = {**good, "headers": {**good["headers"], "webhook-signature": "v1,AAAA"}}
    bare = {"content": good["content"], "headers": {"Authorization": ""}}
    for event in (changed, old, foreign, bare):
        answer = await api.post(HOOK, **event)
        assert answer.status_code == 401, answer.text
        assert answer.json()["errors"][0]["field"] == "webhook-signature"
    assert (await api.get("/v1/accounts/forged")).status_code == 404


async def test_events_of_two_contracts_are_harmless_in_any_order(api: httpx.AsyncClient, here: Installation) -> None:
    """An event of a second contract begins beside the first, and one that repeats the first starts nothing."""
    file = document()
    await known_members(here, file)
    await api.post(HOOK, **signed(here, contract_signed(file)))
    later = await api.post(HOOK, **signed(here, contract_signed(document(file.account.key))))
    assert later.status_code == 202
    assert later.json()["workflow_id"].startswith(f"onboarding/{file.account.key}.")
    again = await api.post(HOOK, **signed(here, contract_signed(file)))
    assert again.status_code == 202
    assert (again.json()["created"], again.json()["workflow_id"]) == (False, f"onboarding/{file.account.key}")


async def test_a_later_event_brings_in_the_people_that_it_names(api: httpx.AsyncClient, here: Installation) -> None:
    """Of events that differ the later one counts, in whatever order they come; one that repeats undoes nothing."""
    file = document()
    await known_members(here, file)
    key = file.account.key

    def event(hour: int, champion: str) -> dict[str, Any]:
        people = [
            one.model_copy(update={"name": champion, "email": f"{champion.lower()}@versayce.example"})
            if one.email == CHAMPION
            else one
            for one in file.contacts
        ]
        told = contract_signed(file.model_copy(update={"contacts": tuple(people)}))
        return signed(here, told | {"timestamp": f"2026-11-29T{hour:02}:00:00Z"})

    async def champions() -> list[str]:
        found = (await api.get(f"/v1/accounts/{key}")).json()["contacts"]
        return [one["name"] for one in found if one["name"] in ("Carl", "Nina", "Otto", "Olga", "Tara Lind")]

    for hour, champion, is_now in (
        (11, "Carl", "Carl"),
        (12, "Nina", "Nina"),
        (10, "Otto", "Nina"),
        (12, "Olga", "Nina"),
    ):
        answer = await api.post(HOOK, **event(hour, champion))
        assert (answer.status_code, answer.json()["created"]) == (202, hour == 11), answer.text
        assert await champions() == [is_now]
    replaced = {"persona": "primary_champion", "name": "Tara Lind", "email": "tara@versayce.example", "reason": "New"}
    done = await api.post(f"/v1/accounts/{key}/contacts/replace", json=replaced | {"as": TAM.email})
    assert done.status_code == 200, done.text
    await api.post(HOOK, **event(13, "Nina"))
    assert await champions() == ["Tara Lind"]


async def test_the_api_describes_itself(api: httpx.AsyncClient) -> None:
    """/openapi.json names every route and the bodies that they read."""
    described = (await api.get("/openapi.json")).json()
    assert {"/v1/onboardings", HOOK, "/v1/accounts/{account}/meetings/{step}/vote"} <= set(described["paths"])
    assert "requestBody" in described["paths"]["/v1/onboardings"]["post"]


async def test_health_says_whether_the_parts_answer(api: httpx.AsyncClient) -> None:
    """/healthz and /readyz need no token and answer."""
    assert (await api.get("/healthz", headers={"Authorization": ""})).json() == {"status": "ok"}
    ready = await api.get("/readyz", headers={"Authorization": ""})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "database": True, "temporal": True, "mail": True})
