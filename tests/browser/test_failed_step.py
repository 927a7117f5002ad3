"""A failed step on its account's page, on a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from starters.use_cases import onboarding
from tests.browser.conftest import Site, Visits
from tests.conftest import until
from tests.stack.test_failed_steps import asked, failed_kickoff

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_failed_step_leads_to_whoever_decides_what_follows(site: Site, visits: Visits, width: int) -> None:
    """Its section says what is on hold and leads to the task; its command fits."""
    key = await failed_kickoff(site.installation)
    await asked(site.installation, key)

    async def stands() -> bool:
        (kickoff,) = [
            one
            for one in (await onboarding.status(site.installation.services, key)).milestones
            if one.step == "kickoff"
        ]
        return "task show" in (kickoff.unblock or "")

    await until(stands, "what the step waits for")
    page = await visits.page(viewport={"width": width, "height": 900})
    await site.sign_in(page.context)
    await page.goto(f"{site.url}/accounts/{key}")
    section = page.get_by_role("region", name="Kickoff failed")
    await expect(section.get_by_role("term").first).to_have_text("Reason")
    await expect(section.get_by_role("definition").first).to_have_text("Its workflow ended without a result.")
    await expect(section).to_contain_text("on hold until Robin Keller decides what follows")
    await expect(section.locator("code")).to_have_text(f"rapport task show {key}/kickoff.failed")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await section.get_by_role("link", name="Decide what follows").click()
    await expect(page.get_by_role("radio", name="Do it again")).to_be_visible()
    await expect(page.get_by_role("button", name="Submit answer")).to_be_visible()
    await expect(page.get_by_role("button", name="Close it")).to_have_count(0)
    # The answers begin where the sheet does, without a gap.
    sheet, first = page.locator(".column .sheet").first, page.get_by_role("group", name="Your answer")
    padding = await sheet.evaluate("(one) => parseFloat(getComputedStyle(one).paddingTop)")
    above = await first.evaluate(
        "(one) => one.getBoundingClientRect().top - one.closest('.sheet').getBoundingClientRect().top"
    )
    assert above - padding <= 2
    await expect(page.locator(".lead")).to_contain_text("This step failed: its workflow ended without a result.")
