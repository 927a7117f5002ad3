"""The desk's pages: a question logged from the phone, its answer, and who may do what."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from starters.views import support_case
from tests.browser.conftest import Site, Visits
from tests.browser.test_pages import FAINT, SCHEMES, TELEPHONE, UNNAMED
from tests.conftest import CHAMPION, text_of, until
from tests.support.desk import KIM, SAM, ask, case_of, mail_about, open_desk, owner_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def log_a_question(page: Page, site: Site) -> str:
    """Fill in the form as somebody on the phone does: the account and the question alone; give the case's number."""
    await page.goto(f"{site.url}/support")
    await page.get_by_label("What they ask").fill("Rotating a token fails with E42.\n\nSince this morning.")
    await page.get_by_label("Area").select_option("api")
    await page.get_by_role("button", name="Create case").click()
    await expect(page.get_by_role("status")).to_contain_text("It has its number")
    return page.url.partition("/cases/")[2].partition("?")[0]


async def test_a_question_on_the_phone_is_logged_answered_and_resolved(site: Site, visits: Visits) -> None:
    """Two fields are enough for a number; the page tells who has it and why; the answer reaches the customer."""
    await open_desk(site.installation, day=None)
    context = await visits.context()
    await site.sign_in(context)
    page = await context.new_page()
    ref = await log_a_question(page, site)
    await mail_about(site.installation, CHAMPION, f"[{ref}] We've received your request")
    if (await support_case.show(site.installation.services, ref)).owner_email is None:
        # At night and at weekends nobody is at work; then the lead gives it to somebody.
        await page.get_by_text("Give it to somebody").click()
        await page.get_by_label("To", exact=True).select_option(SAM)
        await page.get_by_role("button", name="Assign case").click()
        # The desk may have given it to somebody meanwhile.
        said = page.get_by_role("status").or_(page.get_by_role("alert"))
        await expect(said).to_contain_text(re.compile("They get it|theirs already"))
    owner = await owner_of(site.installation, ref)
    assert owner in (SAM, KIM)
    await page.reload()
    await expect(page.get_by_role("heading", name="Why ")).to_be_visible()
    await page.get_by_label("To Luca Bianchi").fill("Use the second button.")
    await page.get_by_role("button", name="Send the answer").click()
    await expect(page.get_by_role("status")).to_contain_text("on its way to the customer")
    assert "Use the second button." in text_of(await mail_about(site.installation, CHAMPION, f"Re: [{ref}]"))
    await page.get_by_text("Ask engineering", exact=True).first.click()
    await page.get_by_label("What was tried").fill("The second button")
    await page.get_by_role("button", name="Ask engineering").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await page.get_by_label("What was tried").input_value() == "The second button"
    await page.goto(f"{site.url}/support")
    await expect(page.get_by_role("row").filter(has_text="Rotating a token fails")).to_be_visible()


async def test_the_desks_pages_fit_a_telephone_in_light_and_dark(site: Site, visits: Visits) -> None:
    """One heading, a title, a name for each field, legible text, and no wider than a telephone."""
    await open_desk(site.installation, day=None)
    ref = (await ask(site.installation, "Rotating a token fails\n\n- E42\n- since Friday", severity=1)).ref

    async def is_on_record() -> bool:
        state = (await case_of(site.installation, ref)).status.state
        return (await support_case.show(site.installation.services, ref)).state == state

    await until(is_on_record, "the case to be on record as it is")
    context = await visits.context(viewport=TELEPHONE, reduced_motion="reduce")
    await site.sign_in(context)
    page = await context.new_page()
    for path in ("/support", f"/cases/{ref}", "/accounts/versayce"):
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await page.goto(f"{site.url}{path}")
            await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
            assert await page.evaluate(FAINT) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"]
        assert await page.locator("h1").count() == 1
        assert await page.evaluate(UNNAMED) == []


async def test_looking_at_a_case_changes_nothing(site: Site, visits: Visits) -> None:
    """Whoever is not signed in sees nothing of it; opening pages writes nothing."""
    await open_desk(site.installation, day=None)
    page = await visits.page()
    await page.goto(f"{site.url}/support")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
