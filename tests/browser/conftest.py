"""A headless Chromium in front of a live installation. Nothing that it asks for leaves this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
    Route,
    async_playwright,
    expect,
)
from temporalio.client import Client

from rapport.model.base import UserError
from rapport.model.ids import new_id
from starters.stack import http_server
from starters.use_cases import cadence, meeting, message as messages, onboarding, token
from starters.use_cases.onboarding import StartRequest
from tests.conftest import LIMIT, TAM, Installation, account, free_port, installation, link_of, until
from tests.support.cadence import HEAD, QBR, WEEKLY

HOST = "127.0.0.1"
# Requests that pages make are refused by a route; redirects, which no route sees, and what the browser asks for by
# itself find neither a name nor a proxy.
FLAGS = [f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HOST}", "--no-proxy-server", "--disable-gpu"]


@dataclass
class Site:
    """An installation with its pages on a port."""

    installation: Installation
    url: str

    async def onboard(self, **changes: Any) -> str:
        """Start an onboarding of the example account under a key of its own; give the key."""
        file = account(new_id("a").replace("_", "-"), new_id("C"))
        file = file.model_copy(update={"account": file.account.model_copy(update=changes)})
        await onboarding.start(self.installation.services, StartRequest(file=file))
        return file.account.key

    async def recurring(self) -> str:
        """Start one with a standing meeting and reviews; give its key once the meeting has a time."""
        folder = self.installation.services.settings.data / "playbooks"
        folder.mkdir(exist_ok=True)
        (folder / "rhythm.toml").write_text(HEAD + WEEKLY + QBR)
        file = account(new_id("a").replace("_", "-"), new_id("C"))
        await onboarding.start(self.installation.services, StartRequest(file=file, playbook="rhythm"))

        async def planned() -> bool:
            try:
                shown = await cadence.show(self.installation.services, file.account.key)
            except UserError:
                return False
            return all(rhythm.next for rhythm in shown.rhythms)

        await until(planned, "the standing time")
        return file.account.key

    async def draft(self) -> str:
        """Start one whose mails wait as drafts; give its key once they do."""
        key = await self.onboard(review="approve")

        async def written() -> bool:
            return len(await messages.drafts(self.installation.services, key)) == 4

        await until(written, "four drafts")
        return key

    async def book(self, key: str) -> None:
        """Book a kickoff by hand, at the first time on offer."""
        offered = await meeting.show(self.installation.services, key, "kickoff")
        await meeting.book(self.installation.services, key, "kickoff", offered.slots[0].start, TAM)

    async def poll(self, email: str) -> str:
        """The link in the first mail to a contact."""
        return f"{self.url}/m/{link_of((await self.installation.mailed(1, email))[0])}"

    async def sign_in(self, context: BrowserContext) -> None:
        """Make a context that of a signed-in member."""
        secret = await token.create(self.installation.services, new_id("token"), ("operator",))
        page = await context.new_page()
        await page.goto(f"{self.url}/sign-in?key={secret}")
        await page.get_by_role("button", name="Sign out").wait_for()
        await page.close()


@dataclass
class Visits:
    """Browser contexts that have nothing in common, and what went wrong in any of them."""

    browser: Browser
    trouble: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def context(self, **options: Any) -> BrowserContext:
        """A context without a past: no cookies, no cache."""
        made = await self.browser.new_context(**options)
        self.contexts.append(made)
        made.on("request", lambda request: self._asked_for(request.url))
        made.on("response", self._answered)
        made.on("console", self._told)
        made.on("weberror", lambda error: self.trouble.append(f"script error: {error.error}"))
        await made.route("**/*", self._pass)
        return made

    async def page(self, **options: Any) -> Page:
        """A page in a context of its own."""
        return await (await self.context(**options)).new_page()

    async def end(self) -> None:
        """Close them."""
        for context in self.contexts:
            await context.close()

    def _asked_for(self, url: str) -> None:
        if not _is_ours(url):
            self.trouble.append(f"asked for {url}")

    def _answered(self, response: Response) -> None:
        # A page may refuse its reader; what a page is made of has to be there.
        if response.status >= 400 and response.request.resource_type != "document":
            self.trouble.append(f"status {response.status} of {response.url}")

    def _told(self, message: ConsoleMessage) -> None:
        said_above = message.text.startswith("Failed to load resource: the server responded with a status of")
        if message.type in ("error", "warning") and not said_above:
            self.trouble.append(f"{message.type} on {message.location['url']}: {message.text}")

    async def _pass(self, route: Route) -> None:
        await (route.continue_() if _is_ours(route.request.url) else route.abort())


def _is_ours(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.hostname == HOST


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser: Debian's, and nowhere one that was downloaded."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        why = "there is no chromium; CONTRIBUTING.md says how to have it"
        if os.environ.get("RAPPORT_BROWSER_TESTS") == "required":
            pytest.fail(f"{why}, and RAPPORT_BROWSER_TESTS=required")
        pytest.skip(why)
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser for all tests; what they share ends there."""
    # What a page is to show is a state like others; by itself it is given up after five seconds.
    expect.set_options(timeout=LIMIT * 1_000)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visits(browser: Browser) -> AsyncIterator[Visits]:
    """Contexts for one test, which fails if a page asked for anything elsewhere or had anything to complain of."""
    made = Visits(browser)
    yield made
    await made.end()
    assert made.trouble == []


@asynccontextmanager
async def open_site(client: Client, data: Path, **settings: Any) -> AsyncIterator[Site]:
    """Open an installation and serve its pages."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    async with (
        installation(client, data, new_id("queue"), public_url=url, **settings) as made,
        http_server(made.services, made.catcher, port),
    ):
        yield Site(made, url)


@pytest_asyncio.fixture(loop_scope="session")
async def site(chromium: str, dev_server: Client, tmp_path: Path) -> AsyncIterator[Site]:
    """An installation of one's own."""
    async with open_site(dev_server, tmp_path) as made:
        yield made
