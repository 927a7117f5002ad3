"""People who come and go on an account over the JSON API, over the real application."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from rapport.model.ids import new_id
from starters.http.app import create_app
from starters.use_cases import account as accounts, meeting, onboarding, timeline, token
from starters.use_cases.onboarding import StartRequest
from tests.conftest import CHAMPION, ROOT, SECOND_USER, TAM, USER, Installation, account, example, link_of, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

NORA, NOOR = "nora.vidal@versayce.example", "noor.haddad@foobar.example"
WHY = {"as": TAM.email, "reason": "She follows"}
FOLLOWS = {**WHY, "persona": "primary_champion", "name": "Nora Vidal", "email": NORA}


@pytest_asyncio.fixture(loop_scope="session")
async def api(here: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid token, of an installation that knows the example account and more members."""
    secret = await token.create(here.services, "tests", ("operator",))
    await accounts.import_account(here.services, example())
    transport = httpx.ASGITransport(create_app(here.services))
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as client:
        document = tomllib.loads((ROOT / "examples" / "members.toml").read_text())
        assert (await client.put("/v1/members", json=document)).status_code == 200
        yield client


async def said(client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """The answer to one of these commands."""
    answer = await client.post(f"/v1/accounts/versayce/{path}", json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def fault(answer: dict[str, Any]) -> str:
    """The field that a refusal names, which also says what to do."""
    first = answer["errors"][0]
    assert first["fix"]
    return str(first["field"])


async def test_contacts_are_replaced_removed_and_added_over_the_api(here: Installation, api: httpx.AsyncClient) -> None:
    """Each command changes once, says so, says the second time that it stands, and leaves one entry with its reason."""
    for path, body, what in (
        ("contacts/replace", FOLLOWS, "Nora Vidal follows as primary champion"),
        (f"contacts/{USER}/remove", WHY, "Mara Osei is no contact any more"),
        (
            "contacts",
            {**WHY, "persona": "primary_user", "name": "Ada Lind", "email": "ada@versayce.example", "zone": "UTC"},
            "Ada Lind is primary user from now on",
        ),
    ):
        first, second = await said(api, path, body), await said(api, path, body)
        assert (first["changed"], first["what"]) == (True, what)
        assert (second["changed"], second["account"]) == (False, first["account"])
        assert "already" in second["what"]
    shown = (await api.get("/v1/accounts/versayce")).json()
    assert [(person["email"], person["zone"]) for person in shown["contacts"]] == [
        ("dana.whitfield@versayce.example", "America/New_York"),
        (NORA, "Europe/Zurich"),
        (SECOND_USER, "Europe/Stockholm"),
        ("ada@versayce.example", "UTC"),
    ]
    assert shown["vacant"] == []
    told = await timeline.timeline_of(here.services, "versayce")
    assert [(entry.what, entry.said, entry.channel) for entry in told] == [
        ("Nora Vidal follows Luca Bianchi, says Robin Keller", "She follows", "api"),
        ("Mara Osei, primary user, is no contact any more, says Robin Keller", "She follows", "api"),
        ("Ada Lind is primary user from now on, says Robin Keller", "She follows", "api"),
    ]


async def test_a_contact_who_comes_back_is_the_same_person(api: httpx.AsyncClient) -> None:
    """Whoever is replaced can follow their successor later, with their old address."""
    await said(api, "contacts/replace", FOLLOWS)
    back = {**WHY, "persona": "primary_champion", "name": "Luca Bianchi", "email": CHAMPION}
    assert (await said(api, "contacts/replace", back))["changed"]
    contacts = (await api.get("/v1/accounts/versayce")).json()["contacts"]
    assert [person["email"] for person in contacts if person["role"] == "Primary champion"] == [CHAMPION]


async def test_an_account_is_handed_over_and_back_over_the_api(api: httpx.AsyncClient) -> None:
    """For a while says until when and to whom it goes back; giving it back early ends that."""
    order = {**WHY, "to": NOOR, "until": "2090-07-07"}
    first, second = await said(api, "hand-over", order), await said(api, "hand-over", order)
    assert (first["changed"], second["changed"]) == (True, False)
    account = first["account"]
    assert (account["tam"]["email"], account["regular_tam"]["email"]) == (NOOR, TAM.email)
    assert account["tam_until"] == "2090-07-07T22:00:00Z"
    assert (await api.get(f"/v1/members/{NOOR}")).json()["accounts"] == ["versayce"]
    back = (await said(api, "hand-over", {**WHY, "to": TAM.email}))["account"]
    assert (back["tam"]["email"], back["regular_tam"], back["tam_until"]) == (TAM.email, None, None)


async def test_a_repetition_of_a_hand_over_by_somebody_else_changes_nothing(
    here: Installation, api: httpx.AsyncClient
) -> None:
    """Whoever may not hand an account over makes a while no for good, and no other while, by naming who serves it."""
    mal = "mal.lory@foobar.example"
    new = {"name": "Mal Lory", "email": mal, "roles": ["tam"], "zone": "UTC", "join_url": "https://meet.example/mal"}
    assert (await api.put("/v1/members", json={"members": [new]})).status_code == 200
    order = {"to": NOOR, "until": "2090-07-07", "reason": "She follows"}
    given = (await said(api, "hand-over", {**order, "as": TAM.email}))["account"]
    headers = {"Authorization": f"Bearer {await token.create(here.services, 'mal', member=mal)}"}
    for change in ({"until": None}, {"until": "2090-07-08"}, {"to": TAM.email}, {"to": mal, "until": None}):
        for path in ("accounts/versayce", f"members/{TAM.email}"):
            answer = await api.post(f"/v1/{path}/hand-over", json={**order, **change}, headers=headers)
            assert answer.status_code in (403, 409), answer.text
    repeated = await api.post("/v1/accounts/versayce/hand-over", json=order, headers=headers)
    assert (repeated.status_code, repeated.json()["changed"]) == (200, False)
    assert (await api.get("/v1/accounts/versayce")).json() == given


@pytest.mark.parametrize(
    ("path", "change", "status", "field"),
    [
        ("contacts/replace", {"persona": "owner"}, 422, "persona"),
        ("contacts/replace", {"reason": " "}, 422, "reason"),
        ("contacts/replace", {"zone": "Mars/Olympus"}, 422, "zone"),
        ("contacts/replace", {"email": USER}, 409, "email"),
        ("contacts/replace", {"email": NOOR}, 422, "email"),
        ("contacts/replace", {"former": "nobody@versayce.example"}, 422, "former"),
        ("contacts/replace", {"as": "sam.ortega@foobar.example"}, 403, "as"),
        ("contacts/replace", {"surprise": 1}, 422, "surprise"),
        ("contacts", {"zone": "UTC", "email": USER}, 409, "email"),
        ("contacts", {"zone": None}, 422, "zone"),
    ],
)
async def test_what_is_refused_of_contacts_names_its_field(
    api: httpx.AsyncClient, path: str, change: dict[str, Any], status: int, field: str
) -> None:
    """Unknown personas, taken addresses and missing reasons change nothing, each with its status and its field."""
    before = (await api.get("/v1/accounts/versayce")).json()
    assert fault(await said(api, path, {**FOLLOWS, **change}, status)) == field
    assert (await api.get("/v1/accounts/versayce")).json() == before


async def test_what_is_refused_of_a_hand_over_names_its_field(api: httpx.AsyncClient) -> None:
    """Who is unknown, no TAM, or there anyway takes nothing over, and neither does anybody until yesterday."""
    for change, status, field in (
        ({"to": "nobody@foobar.example"}, 404, "to"),
        ({"to": "ines.moreau@foobar.example"}, 422, "to"),
        ({"to": NOOR, "until": "2001-01-01"}, 422, "until"),
        ({"to": NOOR, "until": "soon"}, 422, "until"),
        ({"to": TAM.email, "until": "2090-07-07"}, 422, "until"),
        ({"to": NOOR, "reason": ""}, 422, "reason"),
    ):
        assert fault(await said(api, "hand-over", {**WHY, **change}, status)) == field
    assert fault(await said(api, "contacts/nobody@versayce.example/remove", WHY, 404)) == "contact"
    unknown = await api.post("/v1/accounts/nowhere/hand-over", json={**WHY, "to": NOOR})
    assert unknown.status_code == 404
    shown = (await api.get("/v1/accounts/versayce")).json()
    assert (shown["tam"]["email"], shown["tam_until"]) == (TAM.email, None)


@pytest.mark.parametrize("path", ["contacts", "contacts/replace", "contacts/a@b.example/remove", "hand-over"])
async def test_people_change_with_a_token_alone(api: httpx.AsyncClient, path: str) -> None:
    """Without a valid token, nobody comes or goes."""
    answer = await api.post(f"/v1/accounts/versayce/{path}", json=FOLLOWS, headers={"Authorization": "Bearer no"})
    assert answer.status_code == 401


async def test_a_successor_named_over_the_api_is_asked_by_a_running_vote(
    here: Installation, api: httpx.AsyncClient
) -> None:
    """On a real server, a running poll hears of the replacement: who follows gets a link, and their answer counts."""
    key = new_id("a").replace("_", "-")
    started = await onboarding.start(here.services, StartRequest(file=account(key, new_id("C"))))
    assert started.created
    kickoff = f"/v1/accounts/{key}/meetings/kickoff"

    async def votes() -> bool:
        answer = await api.get(kickoff)
        return answer.status_code == 200 and answer.json()["phase"] == "voting"

    await until(votes, "the vote")
    await here.mailed(4)
    replaced = await api.post(f"/v1/accounts/{key}/contacts/replace", json=FOLLOWS)
    assert replaced.json()["changed"]
    (mail,) = await here.mailed(1, NORA)
    assert (await meeting.vote_by_link(here.services, link_of(mail), ("1",), None)).accepted
    shown = (await api.get(kickoff)).json()
    assert [(one["who"], one["answered"]) for one in shown["answers"] if "primary_champion" in one["personas"]] == [
        ("Nora Vidal", True)
    ]


async def test_a_contact_is_erased_over_the_api(api: httpx.AsyncClient) -> None:
    """Erasing takes a contact off the account for good, once; who is not there cannot be erased."""
    erased = await said(api, f"contacts/{SECOND_USER}/erase", {"as": TAM.email, "reason": "They asked"})
    assert erased["contact"].startswith("c_")
    shown = (await api.get("/v1/accounts/versayce")).text
    assert "Jonas" not in shown
    assert (
        fault(await said(api, f"contacts/{SECOND_USER}/erase", {"as": TAM.email, "reason": "They asked"}, 404))
        == "contact"
    )
    told = (await api.get("/v1/accounts/versayce/timeline")).json()
    assert told[-1]["kind"] == "contact.erased"
