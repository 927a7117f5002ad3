"""Signing a training plan off in a browser: by keyboard alone, without a login, and never by looking."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from rapport.model.ids import new_id
from tests.browser.conftest import Site, Visits
from tests.browser.test_scanner import links, scan
from tests.browser.test_task import until_focus
from tests.support.sign_off import in_phase, link, plan, written

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_champion_signs_off_by_keyboard_alone(site: Site, visits: Visits) -> None:
    """A scanner that opens every link signs nothing; then Tab, Space and Enter are enough to sign the plan off."""
    task = await written(site.installation, await plan(site.installation, new_id("a").replace("_", "-"), new_id("C")))
    token = await link(site.installation)
    page = await visits.page()
    await scan(page, site, links(site))
    assert (await in_phase(site.installation, "open", task.account)).decisions == ()
    page = await visits.page()
    await page.goto(f"{site.url}/m/{token}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Does this training plan suit your team?")
    assert not [radio for radio in await page.get_by_role("radio").all() if await radio.is_checked()]
    await until_focus(page, "radio", "Sign it off")
    await page.keyboard.press("Space")
    await until_focus(page, "submit", "Send my answer")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, you have signed this off")
    assert (await in_phase(site.installation, "closed", task.account)).outcome == "sign_off"
