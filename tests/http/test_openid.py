"""Signing in by a real OpenID provider: who comes in, who does not, and what stands on the page then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from rapport.model.account import Role
from rapport.settings import Settings
from rapport.storage import account as accounts
from rapport.storage.database import Store
from starters.http.app import create_app
from starters.http.auth import BEGUN_COOKIE, SESSION_COOKIE
from starters.rights import allowed
from starters.services import Caller, Services
from starters.use_cases import access, member as members
from starters.use_cases.member import Leaving
from tests.conftest import HOST, free_port
from tests.http.test_access import Silent
from tests.mail_fixtures import empty, imported, store
from tests.support.identity_provider import SECRET, insist_on_provider, provider, sign_in_there

__all__ = ["empty", "imported", "store"]

OURS: Final = "http://127.0.0.1:8700"
BACK: Final = f"{OURS}/sign-in/openid/callback"
ROBIN, INES, TOMAS = (f"{one}@foobar.example" for one in ("robin.keller", "ines.moreau", "tomas.novak"))
PEOPLE: Final[dict[str, dict[str, Any]]] = {
    "robin": {"email": "Robin.Keller@FooBar.example", "email_verified": True, "groups": ["tams", "leads"]},
    "ines": {"email": INES, "email_verified": False},
    "tomas": {"email": TOMAS, "email_verified": True, "groups": ["nothing of ours"]},
    "mallory": {"email": "mallory@evil.example", "email_verified": True},
    "nobody": {},
}


@dataclass
class House:
    """An installation whose members sign in at a provider, with a browser in front of both."""

    services: Services
    port: int
    browser: httpx.AsyncClient

    def serving(self, **changes: Any) -> httpx.AsyncClient:
        """A browser that has been nowhere yet."""
        settings = self.services.settings.model_copy(update=changes)
        app = create_app(replace(self.services, settings=settings))
        ours = httpx.ASGITransport(app)
        return httpx.AsyncClient(mounts={OURS: ours}, base_url=OURS)

    async def go(self, login: str, onward: str = "/reviews") -> httpx.Response:
        """Sign in at the provider, and come back."""
        gone = await self.browser.get("/sign-in/openid", params={"next": onward})
        assert gone.status_code == 303, gone.text
        return await self.browser.get(await sign_in_there(self.browser, gone.headers["location"], login))


@pytest.fixture
async def house(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    """An installation with the example's members, and the provider of its settings."""
    insist_on_provider()
    port = free_port()
    settings = Settings(
        data=tmp_path,
        secret=SecretStr("a secret of the tests"),
        public_url=OURS,
        mail_mode="live",
        oidc_issuer=f"http://127.0.0.1:{port}",
        oidc_client_id="rapport",
        oidc_client_secret=SecretStr(SECRET),
        oidc_name="Foobar",
        oidc_scope="openid email groups",
    )
    made = House(Services(settings, store, cast("Client", Silent())), port, httpx.AsyncClient())
    made.browser = made.serving()
    with provider(port, BACK, PEOPLE):
        yield made
    await made.browser.aclose()


async def test_a_member_signs_in_by_the_provider(house: House) -> None:
    """By the address that it has verified, however its letters are cased; they go on where they were going."""
    page = await house.browser.get("/sign-in", params={"next": "/reviews"})
    assert 'href="/sign-in/openid?next=/reviews"' in page.text
    assert "Sign in with Foobar" in page.text
    answer = await house.go("robin")
    assert (answer.status_code, answer.headers["location"]) == (303, "/reviews")
    assert "Robin Keller" in (await house.browser.get("/reviews")).text
    assert BEGUN_COOKIE not in house.browser.cookies


async def test_what_is_asked_of_the_provider_is_the_code_flow_with_pkce(house: House) -> None:
    """State, nonce and a challenge of SHA-256 go along, new ones each time; the cookie has the rest."""
    asked = []
    for _ in range(2):
        gone = await house.browser.get("/sign-in/openid")
        asked.append({name: value for name, [value] in parse_qs(urlsplit(gone.headers["location"]).query).items()})
        cookie = gone.headers["set-cookie"].lower()
        assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/sign-in/openid", "max-age=600"))
    for one in asked:
        assert (one["response_type"], one["code_challenge_method"], one["redirect_uri"]) == ("code", "S256", BACK)
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name]) >= 43


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ("mallory", "mallory@evil.example is no member who works here"),
        ("ines", "verified your address"),
        ("nobody", "the provider tells no address"),
    ],
)
async def test_whom_nobody_knows_does_not_come_in(house: House, login: str, told: str) -> None:
    """A stranger, an address that isn't verified, and none at all: the page says why, and still offers the link."""
    answer = await house.go(login)
    assert answer.status_code == 403
    assert told in answer.text.replace("&#39;", "'")
    assert "Mail me a link" in answer.text
    assert SESSION_COOKIE not in house.browser.cookies


async def test_a_member_who_has_left_does_not_come_in(house: House) -> None:
    """Whatever the provider still says of them."""
    await members.leave(house.services, ROBIN, Leaving(reason="Moved on"), HOST)
    assert (await house.go("robin")).status_code == 403
    assert SESSION_COOKIE not in house.browser.cookies


async def test_a_key_that_was_rotated_is_followed(house: House) -> None:
    """The provider comes back with another key, and the next sign-in goes by that, without anybody's doing."""
    assert (await house.go("robin")).status_code == 303
    port = free_port()
    async with house.serving(oidc_issuer=f"http://127.0.0.1:{port}") as browser:
        for _ in range(2):
            with provider(port, BACK, PEOPLE):
                browser.cookies.clear()
                again = House(house.services, port, browser)
                assert (await again.go("robin")).status_code == 303


async def test_a_browser_that_did_not_go_there_does_not_come_in(house: House) -> None:
    """Somebody else's way back, an old one, a forged cookie and one's own once more: none signs anybody in."""
    gone = await house.browser.get("/sign-in/openid")
    back = await sign_in_there(house.browser, gone.headers["location"], "robin")
    async with house.serving() as other:
        answer = await other.get(back)
        assert (answer.status_code, SESSION_COOKIE in other.cookies) == (403, False)
        await other.get("/sign-in/openid")
        assert (await other.get(back)).status_code == 403
        other.cookies.set(BEGUN_COOKIE, house.browser.cookies[BEGUN_COOKIE] + "0", path="/sign-in/openid")
        assert (await other.get(back)).status_code == 403
    wrong = f"{back}&iss=https%3A%2F%2Fevil.example" if "iss=" not in back else back.replace("iss=http", "iss=https")
    kept = house.browser.cookies[BEGUN_COOKIE]
    assert (await house.browser.get(wrong)).status_code == 403
    house.browser.cookies.set(BEGUN_COOKIE, kept, domain="127.0.0.1", path="/sign-in/openid")
    assert (await house.browser.get(back)).status_code == 303
    house.browser.cookies.set(BEGUN_COOKIE, kept, domain="127.0.0.1", path="/sign-in/openid")
    assert "it may have been used" in (await house.browser.get(back)).text
    assert (await house.browser.get("/sign-in/openid/callback", params={"error": "access_denied"})).status_code == 403


async def test_a_provider_that_is_away_leaves_the_link(house: House) -> None:
    """Nobody there, a wrong secret, a provider of another name: the page says so, with the mailed link beside it."""
    async with house.serving(oidc_issuer=f"http://127.0.0.1:{free_port()}") as browser:
        answer = await browser.get("/sign-in/openid")
    assert answer.status_code == 503
    assert "answer.</strong>" in answer.text
    assert "Mail me a link" in answer.text
    async with house.serving(oidc_issuer=f"http://localhost:{house.port}") as browser:
        answer = await browser.get("/sign-in/openid")
    assert (answer.status_code, "another name" in answer.text) == (503, True)
    async with house.serving(oidc_client_secret=SecretStr("wrong")) as browser:
        answer = await House(house.services, house.port, browser).go("robin")
    assert (answer.status_code, "client id and secret" in answer.text) == (503, True)


async def test_without_a_provider_there_is_the_link_alone(house: House) -> None:
    """No button, and its address is not there."""
    async with house.serving(oidc_issuer=None) as browser:
        assert "openid" not in (await browser.get("/sign-in")).text
        assert (await browser.get("/sign-in/openid")).status_code == 404


async def test_groups_give_roles(house: House) -> None:
    """Those of their groups come, those of other groups go, what no group gives stays; it is on record. Whom no group
    gives a role, and who has no other, has none any longer and does not come in, by whatever way."""
    pairs = (("tams", Role.TAM), ("leads", Role.TAM_MANAGER), ("engineers", Role.CE), ("heads", Role.CE_VP))
    async with house.services.store.reading() as connection:
        before = {one.email: one.roles for one in await accounts.members(connection)}
    assert before[ROBIN] == {Role.TAM}
    async with house.serving(oidc_roles=pairs) as browser:
        here = House(house.services, house.port, browser)
        assert (await here.go("robin")).status_code == 303
        browser.cookies.clear()
        refused = await here.go("tomas")
    assert (refused.status_code, "none of your groups has a role" in refused.text) == (403, True)
    async with house.services.store.reading() as connection:
        after = {one.email: one.roles for one in await accounts.members(connection)}
    assert after == before | {ROBIN: {Role.TAM, Role.TAM_MANAGER}, TOMAS: frozenset()}
    entries = await access.log(house.services)
    assert [(one.kind, one.about, one.said, one.entered_by) for one in entries] == [
        ("member.roles_changed", "Robin Keller", "tam, tam_manager", "groups of the provider"),
        ("member.roles_changed", "Tomas Novak", "none", "groups of the provider"),
    ]
    async with house.services.store.reading() as connection:
        tomas = await accounts.member_by_email(connection, TOMAS)
    assert tomas is not None
    caller = Caller("member", member=tomas.id, email=TOMAS)
    assert await allowed(replace(house.services, caller=caller)) == frozenset()
