"""Signing in by a terminal's link and out everywhere, in two browsers."""

from __future__ import annotations

import pytest

from starters.use_cases import sign_in, token
from tests.browser.conftest import Site, Visits

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_one_button_ends_the_session_of_another_browser(site: Site, visits: Visits) -> None:
    """Two browsers come in by printed links; one, on a phone, signs out everywhere, and the other has to sign in."""
    services = site.installation.services
    await token.create(services, "owner", ("operator",))
    pages = []
    for size in ({"width": 375, "height": 800}, {"width": 1200, "height": 800}):
        context = await visits.context(viewport=size)
        page = await context.new_page()
        link = await sign_in.printed(services, "owner", "/inbox")
        await page.goto(site.url + link.removeprefix(services.settings.public_url))
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        pages.append(page)
    phone, desk = pages
    await phone.get_by_text("Signed in on another device?").click()
    await phone.get_by_role("button", name="Sign out everywhere").click()
    await phone.get_by_role("heading", name="Sign in").wait_for()
    await desk.reload()
    await desk.get_by_role("heading", name="Sign in").wait_for()
    await desk.goto(site.url + link.removeprefix(services.settings.public_url))
    await desk.get_by_text("the link was used or has expired").wait_for()
