"""Deciding a human task in a browser: signed in by a mailed link, by keyboard alone, and never by looking."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from starters.use_cases import task as tasks
from tests.browser.conftest import Site, Visits
from tests.browser.test_poll import tab
from tests.browser.test_scanner import links, scan, state
from tests.conftest import link_of
from tests.support import approval
from tests.support.approval import MANAGER

QUESTION = "May the kickoff be a half-day onsite, together with the rollout planning?"

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def until_focus(page: Page, role: str, words: str) -> None:
    """Tab on until something has the focus; each stop on the way has to be seen as well."""
    for _ in range(30):
        if await tab(page) == (role, words):
            return
    pytest.fail(f"{role} {words!r} cannot be reached by keyboard")


async def test_an_approver_signs_in_and_decides_by_keyboard_alone(site: Site, visits: Visits) -> None:
    """The mailed link asks for a sign-in, the sign-in link leads back, and the decision is made without a mouse."""
    task = await approval.opened(site.installation)
    asked = await site.installation.mailed(1, MANAGER)
    page = await visits.page()
    await page.goto(f"{site.url}/m/{link_of(asked[0])}")
    await expect(page.get_by_role("radio")).to_have_count(0)
    await until_focus(page, "a", "Sign in")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await until_focus(page, "email", "Your address")
    await page.keyboard.type(MANAGER)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("on its way")).to_be_visible()
    letters = await site.installation.mailed(2, MANAGER)
    await page.goto(f"{site.url}/m/{link_of(letters[-1])}")
    await until_focus(page, "submit", "Sign in as Ines Moreau")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(
        "May the kickoff be a half-day onsite, together with the rollout planning?"
    )
    radios = page.get_by_role("radio")
    await expect(radios).to_have_count(2)
    assert not [radio for radio in await radios.all() if await radio.is_checked()]
    await until_focus(page, "radio", "Approve")
    await page.keyboard.press("Space")
    await until_focus(page, "submit", "Decide as Ines Moreau")
    await page.keyboard.press("Enter")
    decided = await approval.seen(site.installation, task.task, lambda shown: shown.phase == "closed")
    assert decided.outcome == "approve"
    [decision] = [one for one in decided.decisions if one.email == MANAGER]
    assert decision.verified == "session"


async def test_a_scanner_decides_nothing(site: Site, visits: Visits) -> None:
    """A browser that opens every link of a task's mails, runs their scripts and presses nothing changes nothing."""
    task = await approval.opened(site.installation)
    await site.installation.mailed(1, MANAGER)
    workflows = [task.task, f"onboarding/{task.account}", f"meeting/{task.account}/kickoff/1"]
    before = await state(site, workflows)
    page = await visits.page()
    for _ in range(2):
        await scan(page, site, links(site))
    assert await state(site, workflows) == before
    assert (await tasks.show(site.installation.services, task.task)).phase == "open"
