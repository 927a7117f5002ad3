"""An account is erased by two members, on its page and over the API."""

from __future__ import annotations

import re

import httpx
from sqlalchemy import update

from rapport.storage import account as accounts, session
from rapport.storage.tables import MemberRow, TaskRow
from starters.http.auth import SESSION_COOKIE
from starters.services import present
from starters.use_cases import token
from tests.http.test_pages import OURS, House, house

__all__ = ["house"]

ROBIN, INES = "robin.keller@foobar.example", "ines.moreau@foobar.example"
CONFIRM = 'action="/accounts/versayce/erase/confirm"'
WITHDRAW = 'action="/accounts/versayce/erase/withdraw"'


async def signed_in(house: House, email: str) -> httpx.AsyncClient:
    """A member's browser."""
    async with house.services.store.writing() as connection:
        found = await accounts.member_by_email(connection, email)
        assert found is not None
        cookie = await session.begin(connection, present(), member=found.id)
    return httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url=OURS, cookies={SESSION_COOKIE: cookie})


async def send(browser: httpx.AsyncClient, path: str, **typed: str) -> httpx.Response:
    """Send a form of the account's page."""
    found = re.search(r'name="csrf" value="(\w+)"', (await browser.get("/")).text)
    assert found is not None
    return await browser.post(path, data=typed | {"csrf": found[1]})


async def nothing_runs(house: House) -> None:
    """The one task of the account comes to its end."""
    async with house.services.store.writing() as connection:
        await connection.execute(update(TaskRow).values(phase="closed"))


async def test_a_page_asks_one_and_has_another_confirm(house: House) -> None:
    """Whoever asked sees no button; the manager sees why, and confirms; the account is gone."""
    robin, ines = await signed_in(house, ROBIN), await signed_in(house, INES)
    refused = await send(robin, "/accounts/versayce/erase", reason="They left")
    assert (refused.status_code, "still run" in refused.text) == (409, True)
    assert "That was not done" not in refused.text, "it is said once, where it was asked for"
    await nothing_runs(house)
    empty = await send(robin, "/accounts/versayce/erase", reason=" ")
    assert empty.status_code == 422
    asked = await send(robin, "/accounts/versayce/erase", reason="They left <b>us</b>")
    assert asked.headers["location"] == "/accounts/versayce?done=erasure_asked"
    mine, hers = [(await one.get("/accounts/versayce")).text for one in (robin, ines)]
    assert "They left &lt;b&gt;us&lt;/b&gt;" in mine
    assert (CONFIRM in mine, CONFIRM in hers) == (False, True)
    inboxes = [(await one.get("/inbox")).text for one in (robin, ines)]
    assert ["Nothing waits for you" in one for one in inboxes] == [True, False]
    assert "confirm-erasure" in inboxes[1], "what waits for her stands in her inbox"
    assert ['<span class="count">1<' in one for one in inboxes] == [False, True]
    own = await send(robin, "/accounts/versayce/erase/confirm")
    assert (own.status_code, "second person" in own.text) == (403, True)
    done = await send(ines, "/accounts/versayce/erase/confirm")
    assert done.headers["location"] == "/?done=account_erased"
    assert "Versayce" not in (await ines.get("/")).text
    await robin.aclose()
    await ines.aclose()


async def test_the_api_has_the_same(house: House) -> None:
    """With each member's own token; the answers say until when it can be confirmed, and what was erased."""
    await nothing_runs(house)
    for email, path, body, status in (
        (ROBIN, "erase", {"reason": "They left"}, 202),
        (ROBIN, "erase/confirm", {}, 403),
        (INES, "erase/confirm", {}, 200),
        (INES, "erase/confirm", {}, 409),
    ):
        name = f"{email} {path} {status}"
        headers = {"Authorization": f"Bearer {await token.create(house.services, name, (), email)}"}
        answer = await house.reader.post(f"/v1/accounts/versayce/{path}", json=body | {"as": email}, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 200:
            assert (answer.json()["account"], answer.json()["contacts"]) == ("versayce", 4)


async def test_whoever_asked_takes_it_back_on_its_page_and_over_the_api(house: House) -> None:
    """They alone see the button; afterwards nobody can confirm it, and it can be asked for again."""
    await nothing_runs(house)
    robin, ines = await signed_in(house, ROBIN), await signed_in(house, INES)
    await send(robin, "/accounts/versayce/erase", reason="They left")
    mine, hers = [(await one.get("/accounts/versayce")).text for one in (robin, ines)]
    assert (WITHDRAW in mine, WITHDRAW in hers) == (True, False)
    assert (await send(ines, "/accounts/versayce/erase/withdraw")).status_code == 403
    done = await send(robin, "/accounts/versayce/erase/withdraw")
    assert done.headers["location"] == "/accounts/versayce?done=erasure_withdrawn"
    assert "Nothing is erased" in (await robin.get(done.headers["location"])).text
    assert (await send(ines, "/accounts/versayce/erase/confirm")).status_code == 409
    headers = {"Authorization": f"Bearer {await token.create(house.services, 'robin', (), ROBIN)}"}
    for path, body, status in (("erase", {"reason": "They left"}, 202), ("erase/withdraw", {}, 200)):
        answer = await house.reader.post(f"/v1/accounts/versayce/{path}", json=body | {"as": ROBIN}, headers=headers)
        assert answer.status_code == status, answer.text
    assert CONFIRM not in (await ines.get("/accounts/versayce")).text
    await robin.aclose()
    await ines.aclose()


async def test_who_asked_has_to_be_here_still(house: House) -> None:
    """What somebody asked who has left since, or may not any more, is no first of two: it has to be asked again."""
    await nothing_runs(house)
    robin, ines = await signed_in(house, ROBIN), await signed_in(house, INES)
    await send(robin, "/accounts/versayce/erase", reason="They left")
    for changed, back in ({"left_at": present()}, {"left_at": None}), ({"roles": ["sales"]}, {"roles": ["tam"]}):
        for values, offered in ((changed, False), (back, True)):
            async with house.services.store.writing() as connection:
                await connection.execute(update(MemberRow).where(MemberRow.email == ROBIN).values(values))
            if not offered:
                assert (await send(ines, "/accounts/versayce/erase/confirm")).status_code == 409
            assert (CONFIRM in (await ines.get("/accounts/versayce")).text) is offered
    await robin.aclose()
    await ines.aclose()
