"""Members and absences over the JSON API, over the real application."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from rapport.model.ids import new_id
from rapport.storage.tables import MemberRow
from starters.http.app import create_app
from starters.use_cases import account, token
from tests.conftest import ROOT, TAM, Installation, account as account_file, example, until
from tests.support.receiver import receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOOR, SAMIRA = "noor.haddad@foobar.example", "samira.lund@foobar.example"
MANAGER, ADMINISTRATOR = "ines.moreau@foobar.example", "ada.lind@foobar.example"


@pytest_asyncio.fixture(loop_scope="session")
async def api(here: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid token, of an installation that knows the example account."""
    secret = await token.create(here.services, "tests", ("operator",))
    await account.import_account(here.services, example())
    transport = httpx.ASGITransport(create_app(here.services))
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as client:
        yield client


def document() -> dict[str, Any]:
    """The shipped members file, as JSON."""
    return tomllib.loads((ROOT / "examples" / "members.toml").read_text())


def fault(answer: httpx.Response, status: int) -> str:
    """The field that a refusal names, which also says what to do."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    first = answer.json()["errors"][0]
    assert first["fix"]
    return str(first["field"])


async def test_members_come_in_are_away_and_leave_over_the_api(api: httpx.AsyncClient) -> None:
    """Import, absence, early end and leaving tell one story over HTTP."""
    imported = await api.put("/v1/members", json=document())
    assert imported.status_code == 200, imported.text
    assert [line["email"] for line in imported.json()] == ["kofi.mensah@foobar.example", NOOR, SAMIRA]
    assert len((await api.get("/v1/members")).json()) == 10

    asked = {"as": NOOR, "member": NOOR, "from": "2090-07-03", "until": "2090-07-07", "delegate": TAM.email}
    added = await api.post("/v1/absences", json=asked)
    assert added.status_code == 201, added.text
    absence = added.json()
    assert (absence["starts"], absence["ends"]) == ("2090-07-02T22:00:00Z", "2090-07-07T22:00:00Z")
    assert (absence["delegate"], absence["state"]) == (TAM.email, "ahead")
    assert (await api.get("/v1/absences")).json() == [absence]
    assert (await api.get("/v1/absences", params={"member": TAM.email})).json() == []
    assert (await api.get(f"/v1/members/{NOOR}")).json()["absences"] == [absence]
    assert fault(await api.post("/v1/absences", json=asked), 409) == "from"

    ended = await api.post(f"/v1/absences/{absence['id']}/end", json={"as": SAMIRA})
    assert ended.json() == {**absence, "state": "withdrawn"}
    assert fault(await api.post(f"/v1/absences/{absence['id']}/end", json={"as": SAMIRA}), 409) == "id"

    assert fault(await api.post(f"/v1/members/{TAM.email}/leave", json={"as": MANAGER, "reason": "x"}), 403) == "as"
    lead = {**document()["members"][-1], "roles": ["tam_manager", "administrator"]}
    assert (await api.put("/v1/members", json={"members": [lead]})).status_code == 200
    left = await api.post(f"/v1/members/{TAM.email}/leave", json={"as": SAMIRA, "reason": "Retired"})
    assert left.status_code == 200, left.text
    assert left.json()["left_at"]
    assert left.json()["accounts"] == ["versayce"]


async def test_a_calendar_inside_is_never_asked(api: httpx.AsyncClient, here: Installation) -> None:
    """Neither a members file nor an account's gives anybody a calendar on this machine, and where one came into the
    database before, no onboarding asks there: the timeline says that it could not be read."""
    robin = next(one for one in example().members if one.email == TAM.email).model_dump(mode="json", exclude_none=True)
    async with receiver() as inside:
        evil = robin | {"calendar_url": f"http://127.0.0.1:{inside.port}/latest/meta-data"}
        refused = await api.put("/v1/members", json={"members": [evil]})
        assert fault(refused, 422) == "members[0].calendar_url"
        file = account_file("inside", new_id("C"))
        given = file.model_dump(mode="json", by_alias=True, exclude_none=True)
        given["members"] = [evil if one["email"] == TAM.email else one for one in given["members"]]
        refused = await api.post("/v1/onboardings", json={"file": given})
        assert fault(refused, 422).endswith(".calendar_url")
        async with here.services.store.writing() as connection:
            written = update(MemberRow).where(MemberRow.email == TAM.email).values(calendar_url=evil["calendar_url"])
            await connection.execute(written)
        started = await api.post("/v1/onboardings", json={"account": "versayce"})
        assert started.status_code == 201, started.text

        async def said() -> bool:
            answer = await api.get("/v1/accounts/versayce/timeline")
            return "the TAM's calendar could not be read; only working hours were respected" in answer.text

        await until(said, "that the calendar was not asked")
        assert inside.taken == []


async def test_with_their_own_token_a_member_is_who_acts(api: httpx.AsyncClient, here: Installation) -> None:
    """With a reason and nothing else an administrator grants, stops mail and erases; a service has to say for whom."""
    lead = {**document()["members"][-1], "roles": ["tam_manager", "administrator"]}
    assert (await api.put("/v1/members", json={"members": [*document()["members"][:-1], lead]})).status_code == 200
    own = {
        email: {"Authorization": f"Bearer {await token.create(here.services, email, (), email)}"}
        for email in (SAMIRA, TAM.email)
    }
    why = {"reason": "They asked for it."}
    champion = "mara.osei@versayce.example"
    for path in (
        f"/v1/members/{NOOR}/grant",
        f"/v1/members/{NOOR}/revoke",
        "/v1/mail/stop",
        "/v1/mail/start",
        f"/v1/accounts/versayce/contacts/{champion}/erase",
        f"/v1/members/{NOOR}/leave",
    ):
        unnamed = await api.post(path, json=why)
        assert unnamed.json()["errors"][0] == {
            "field": "as",
            "problem": "is missing",
            "fix": "add the address of the member who does this",
        }
        answer = await api.post(path, json=why, headers=own[TAM.email if "erase" in path else SAMIRA])
        assert answer.status_code == 200, (path, answer.text)
    log = (await api.get("/v1/access/log")).json()
    assert {one["who"] for one in log if one["said"] == why["reason"]} == {"Samira Lund"}
    refused = await api.post(f"/v1/members/{NOOR}/grant", json={**why, "as": "nobody@foobar.example"})
    assert fault(refused, 422) == "as"
    assert "--" not in refused.json()["detail"]


async def test_what_is_refused_over_the_api_names_its_field(api: httpx.AsyncClient) -> None:
    """Unknown people, wrong days, missing words and wrong speakers each have their status and their field."""
    asked = {"as": TAM.email, "member": TAM.email, "from": "2090-07-03", "until": "2090-07-07"}
    for change, status, field in (
        ({"until": "2090-07-02"}, 422, "until"),
        ({"from": "soon"}, 422, "from"),
        ({"from": None}, 422, "from"),
        ({"surprise": 1}, 422, "surprise"),
        ({"delegate": TAM.email}, 422, "delegate"),
        ({"member": NOOR}, 404, "member"),
        ({"member": MANAGER}, 403, "as"),
    ):
        assert fault(await api.post("/v1/absences", json={**asked, **change}), status) == field
    assert (await api.get("/v1/absences")).json() == []
    assert fault(await api.get(f"/v1/members/{NOOR}"), 404) == "member"
    assert fault(await api.get("/v1/absences", params={"member": NOOR}), 404) == "member"
    assert fault(await api.post("/v1/absences/a_0/end", json={"as": TAM.email}), 404) == "id"
    empty = {"as": MANAGER, "reason": " "}
    assert fault(await api.post(f"/v1/members/{TAM.email}/leave", json=empty), 422) == "reason"
    unknown = {"members": [{**document()["members"][0], "delegate": "nobody@foobar.example"}]}
    assert fault(await api.put("/v1/members", json=unknown), 422) == "members[0].manager"


async def test_members_are_told_to_nobody_without_a_token(api: httpx.AsyncClient) -> None:
    """Every route of members and absences asks for a valid token, and describes itself."""
    described = (await api.get("/openapi.json")).json()["paths"]
    for method, path in (
        ("GET", "/v1/members"),
        ("PUT", "/v1/members"),
        ("GET", "/v1/members/a@b.example"),
        ("POST", "/v1/members/a@b.example/leave"),
        ("GET", "/v1/absences"),
        ("POST", "/v1/absences"),
        ("POST", "/v1/absences/a_0/end"),
    ):
        answer = await api.request(method, path, headers={"Authorization": "Bearer wrong"}, json={})
        assert answer.status_code == 401, (method, path)
        template = path.replace("a@b.example", "{email}").replace("a_0", "{absence}")
        assert method == "GET" or "requestBody" in described[template][method.lower()], (method, path)


async def test_an_administrator_is_named_over_the_api(api: httpx.AsyncClient) -> None:
    """It wants a reason, tells the member's roles, cannot be said twice, and stands in the log with who said it."""
    await api.put("/v1/members", json=document())
    ada = {"name": "Ada Lind", "email": ADMINISTRATOR, "roles": ["administrator"], "zone": "UTC"}
    await api.put("/v1/members", json={"members": [ada]})
    asked = {"reason": "Looks after it"}
    granted = await api.post(f"/v1/members/{MANAGER}/grant", json=asked | {"as": ADMINISTRATOR})
    assert granted.status_code == 200, granted.text
    assert granted.json()["roles"] == ["administrator", "tam_manager"]
    assert (await api.post(f"/v1/members/{MANAGER}/grant", json=asked | {"as": ADMINISTRATOR})).status_code == 409
    assert fault(await api.post(f"/v1/members/{MANAGER}/revoke", json={"as": ADMINISTRATOR}), 422) == "reason"
    assert (await api.post(f"/v1/members/{NOOR}/grant", json=asked | {"as": NOOR})).status_code == 403
    revoked = await api.post(f"/v1/members/{MANAGER}/revoke", json={"as": ADMINISTRATOR, "reason": "Done"})
    assert revoked.json()["roles"] == ["tam_manager"]
    log = (await api.get("/v1/access/log")).json()
    assert [(one["kind"], one["who"], one["said"]) for one in log][-2:] == [
        ("access.granted", "Ada Lind", "Looks after it"),
        ("access.revoked", "Ada Lind", "Done"),
    ]


async def test_members_are_brought_in_by_whose_token_it_is(api: httpx.AsyncClient) -> None:
    """The document is a members file's alone: naming somebody with `as` is refused, as the guide says."""
    refused = await api.put("/v1/members", json=document() | {"as": "robin.keller@foobar.example"})
    assert refused.status_code == 422
    assert "takes the document of a members file alone, and no `as`" in (ROOT / "docs" / "operating.md").read_text()
