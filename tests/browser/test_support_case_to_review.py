"""From a case's page to a tech review with what the case knows, and from the review's form to a case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from rapport.model.gap import NewGap
from starters.use_cases import gap
from starters.views import support_case
from tests.browser.conftest import Site, Visits
from tests.browser.test_tech_review import ANSWERS, look
from tests.conftest import TAM
from tests.support.desk import ask, open_desk
from tests.support.tech_review import in_phase, people

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

QUESTION = "May we run two collectors behind one address?"


async def test_a_case_becomes_a_review_by_its_form_and_each_leads_to_the_other(site: Site, visits: Visits) -> None:
    """What the case knows stands in the form; the review, the case, the account and the portfolio link each other."""
    await open_desk(site.installation, day=None)
    await people(site.installation)
    ref = (await ask(site.installation, QUESTION)).ref
    said = {"title": "Two collectors", "description": "They have two sites.", "roadmap": "https://road.example/7"}
    new = NewGap.model_validate(said | {"cases": [ref]})
    await gap.log(site.installation.services, new, TAM)
    context = await visits.context()
    await site.sign_in(context)
    page = await context.new_page()
    await page.goto(f"{site.url}/cases/{ref}")
    await expect(page.get_by_role("link", name="on the roadmap")).to_be_visible()
    await look(page, "case-before-review")
    await page.get_by_role("link", name="Draft a tech review").click()
    await look(page, "form-from-case")
    assert await page.get_by_label("What it is about").input_value() == QUESTION
    assert await page.get_by_label("What is the gap?").input_value() == QUESTION
    assert f"From the support case {ref}" in await page.get_by_label("Business context").input_value()
    for label, text in ANSWERS.items():
        if label not in ("What it is about", "What is the gap?"):
            await page.get_by_label(label).fill(text)
    day = datetime.now(UTC).date() + timedelta(days=45)
    await page.get_by_label("By when does the customer need to know?").fill(day.isoformat())
    await page.get_by_role("button", name="Ask for the review").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    review = page.url.rpartition("/")[2].partition("?")[0]
    await in_phase(site.installation, review, "feedback")
    await page.get_by_role("link", name=ref).click()
    await expect(page.get_by_role("link", name=review)).to_be_visible()
    await expect(page.locator(".talk")).to_contain_text("requested a technical review")
    await look(page, "case-with-review")
    await page.goto(f"{site.url}/accounts/versayce")
    for link in (QUESTION, "Two collectors"):
        await expect(page.get_by_role("link", name=link).first).to_be_visible()
    await look(page, "account-with-gap")
    await page.goto(site.url)
    for link in (ref, review):
        await expect(page.get_by_role("link", name=link)).to_be_visible()
    await look(page, "portfolio-with-others")


async def test_something_broken_becomes_a_case_from_the_reviews_form(site: Site, visits: Visits) -> None:
    """The form for reviews opens a support case instead, as the one who says so; once for one form."""
    await open_desk(site.installation, day=None)
    context = await visits.context()
    await site.sign_in(context)
    page = await context.new_page()
    await page.goto(f"{site.url}/reviews/new?account=versayce")
    await page.get_by_text("Open a support case").click()
    await page.get_by_label("What is broken?").fill("Nothing reaches the collector")
    await look(page, "form-broken-now")
    await page.get_by_role("button", name="Open the case").click()
    await expect(page.get_by_role("status").first).to_contain_text("It has its number")
    ref = page.url.partition("/cases/")[2].partition("?")[0]
    shown = await support_case.show(site.installation.services, ref)
    assert (shown.question, shown.severity, shown.channel) == ("Nothing reaches the collector", 2, "page")
