"""Signing in at a real OpenID provider in a browser, and the roles that its groups give and take."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, Page, Route
from pydantic import SecretStr
from temporalio.client import Client

from rapport.model.access import Action
from rapport.model.account import Role
from rapport.settings import Settings
from rapport.storage import account as accounts
from rapport.storage.database import Store
from starters.http.app import create_app
from starters.http.serve import listening
from starters.rights import may
from starters.services import Caller, Services
from tests.browser.conftest import HOST
from tests.conftest import free_port
from tests.http.test_access import Silent
from tests.mail_fixtures import address, empty, imported
from tests.support.identity_provider import SECRET, insist_on_provider, provider
from tests.support.served import serving

__all__ = ["empty", "imported"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TOMAS, ELENA = "tomas.novak@foobar.example", "elena.fischer@foobar.example"
ROLES: Final = (("desk", Role.SUPPORT_ENGINEER), ("heads", Role.VP_SALES))


@dataclass
class House:
    """An installation whose members sign in at a provider, and a browser in front of both."""

    services: Services
    page: Page
    url: str
    provider: int

    async def sign_in(self, email: str, groups: list[str]) -> None:
        """Sign in at the provider as somebody who is in these groups by now, as a person does."""
        people: dict[str, dict[str, Any]] = {"somebody": {"email": email, "email_verified": True, "groups": groups}}
        await self.page.context.clear_cookies()
        with provider(self.provider, f"{self.url}/sign-in/openid/callback", people):
            await self.page.goto(f"{self.url}/reviews")
            await self.page.get_by_role("link", name="Sign in with Foobar").click()
            await self.page.locator("input[name=login]").fill("somebody")
            await self.page.locator("input[name=password]").fill("x")
            await self.page.locator("button[type=submit]").click()
            await self.page.locator("button[type=submit]", has_text="Continue").click()
            await self.page.wait_for_url(f"{self.url}/**")

    async def roles(self, email: str) -> frozenset[Role]:
        """Which roles a member has."""
        async with self.services.store.reading() as connection:
            found = await accounts.member_by_email(connection, email)
        assert found is not None
        return found.roles

    async def may(self, email: str, action: Action) -> bool:
        """Whether a member may do something, as themself."""
        async with self.services.store.reading() as connection:
            found = await accounts.member_by_email(connection, email)
        assert found is not None
        return await may(replace(self.services, caller=Caller("member", member=found.id, email=email)), action)


async def _pass(route: Route) -> None:
    """What the provider's own pages ask for elsewhere, such as a font, stays on this machine."""
    await (route.continue_() if urlsplit(route.request.url).hostname == HOST else route.abort())


@pytest_asyncio.fixture(loop_scope="session")
async def house(browser: Browser, imported: Path, tmp_path: Path) -> AsyncIterator[House]:
    """The example's members behind a port, with a provider whose groups give two roles."""
    insist_on_provider()
    shutil.copy(imported, tmp_path / "rapport.db")
    issuer = free_port()
    known = Store(address(tmp_path / "rapport.db"))
    parts: list[Services] = []

    def made(port: int) -> uvicorn.Server:
        settings = Settings(
            data=tmp_path,
            secret=SecretStr("a secret of the tests"),
            public_url=f"http://{HOST}:{port}",
            mail_mode="live",
            oidc_issuer=f"http://{HOST}:{issuer}",
            oidc_client_id="rapport",
            oidc_client_secret=SecretStr(SECRET),
            oidc_name="Foobar",
            oidc_scope="openid email groups",
            oidc_roles=ROLES,
        )
        parts.append(Services(settings, known, cast("Client", Silent())))
        return uvicorn.Server(listening(create_app(parts[0]), HOST, port))

    context = await browser.new_context()
    await context.route("**/*", _pass)
    async with serving(made) as port:
        yield House(parts[0], await context.new_page(), f"http://{HOST}:{port}", issuer)
    await context.close()
    await known.close()


async def test_a_group_gives_a_role_and_takes_it_again(house: House) -> None:
    """Whoever is in a group comes in with its role, out of it without; a group that nobody mapped gives nothing."""
    assert await house.roles(TOMAS) == {Role.CE}
    await house.sign_in(TOMAS, ["desk", "strangers"])
    await house.page.get_by_role("button", name="Sign out", exact=True).wait_for()
    assert "Tomas Novak" in await house.page.content()
    assert await house.roles(TOMAS) == {Role.CE, Role.SUPPORT_ENGINEER}
    assert await house.may(TOMAS, Action.WORK_ON_CASE)
    await house.sign_in(TOMAS, ["strangers"])
    await house.page.get_by_role("button", name="Sign out", exact=True).wait_for()
    assert await house.roles(TOMAS) == {Role.CE}
    assert not await house.may(TOMAS, Action.WORK_ON_CASE)


async def test_whoever_leaves_their_last_group_is_out(house: House) -> None:
    """With the role of a group alone, they come in no more once they have left it, and may do nothing another way."""
    await house.sign_in(ELENA, ["heads"])
    await house.page.get_by_role("button", name="Sign out", exact=True).wait_for()
    assert await house.may(ELENA, Action.SPEAK)
    await house.sign_in(ELENA, [])
    await house.page.get_by_text("none of your groups has a role here").wait_for()
    assert await house.roles(ELENA) == frozenset()
    assert not await house.may(ELENA, Action.READ)
