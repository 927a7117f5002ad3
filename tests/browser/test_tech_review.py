"""A technical review in a browser: asked for by its form, answered on its page, kept as its record."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from rapport.model.ids import new_id
from rapport.rules import record
from starters.use_cases import audit, tech_review
from starters.use_cases.record_check import verify_record
from tests.browser.conftest import Site, Visits
from tests.conftest import CHAMPION, link_of
from tests.support.tech_review import (
    CE_VP,
    MESSAGE,
    SIDES,
    SUPPORT,
    asked,
    choose,
    in_phase,
    people,
    say,
    submitted,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ANSWERS = {
    "What it is about": "Monitoring without a way out",
    "What is the gap?": "Their second site has no connection; our updates need one.",
    "Why by then?": "They freeze their budget that week.",
    "What kept it from being caught in qualification?": "Nobody asked about a second site.",
    "What does the customer expect?": "Updates that they carry in.",
    "What happens if it is not met?": "The site goes to somebody else.",
}


async def look(page: Page, name: str) -> None:
    """Keep a picture for whoever wants to look at the pages."""
    if folder := os.environ.get("RAPPORT_PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def test_a_review_is_asked_for_with_a_form_that_keeps_what_was_typed(site: Site, visits: Visits) -> None:
    """What is missing is named with why it is asked, nothing typed is lost, and the page then shows who is asked."""
    key = new_id("a").replace("_", "-")
    await people(site.installation, key)
    context = await visits.context()
    await site.sign_in(context)
    page = await context.new_page()
    await page.goto(f"{site.url}/accounts/{key}")
    await page.get_by_role("link", name="Ask for a review").click()
    await look(page, "form")
    assert await page.get_by_label("Account").input_value() == key
    for label, text in ANSWERS.items():
        await page.get_by_label(label).fill(text)
    await page.get_by_label("Where the customer is").select_option("pre_trial")
    await page.get_by_label("What you ask for").select_option("non_standard_requirement")
    await page.get_by_label("Is the requirement new?").select_option("existing")
    day = datetime.now(UTC).date() + timedelta(days=45)
    await page.get_by_label("By when does the customer need to know?").fill(day.isoformat())
    await page.get_by_label("Why by then?").fill("   ")
    await page.get_by_role("button", name="Ask for the review").click()
    await expect(page.get_by_role("alert")).to_contain_text("a date without a reason cannot be weighed")
    await look(page, "form-refused")
    assert await page.get_by_label("What is the gap?").input_value() == ANSWERS["What is the gap?"]
    assert await page.get_by_label("Why by then?").get_attribute("aria-invalid") == "true"
    await page.get_by_label("Why by then?").fill(ANSWERS["Why by then?"])
    await page.get_by_role("button", name="Ask for the review").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(ANSWERS["What it is about"])
    await expect(page.get_by_role("status").first).to_contain_text("The review is asked for")
    ref = page.url.rpartition("/")[2].partition("?")[0]
    await in_phase(site.installation, ref, "feedback")
    await expect_asked(site, page, ref)
    await look(page, "review-asked")
    await page.goto(f"{site.url}/accounts/{key}")
    await expect(page.locator("#reviews")).to_contain_text(ref)
    await look(page, "account")


async def expect_asked(site: Site, page: Page, ref: str) -> None:
    """The page names everybody who is asked."""
    for side in SIDES:
        await asked(site.installation, ref, f"feedback_{side}")
    task = await asked(site.installation, ref, "feedback_engineering")
    await page.goto(f"{site.url}/tasks/{task.task.removeprefix('task/')}")
    await page.locator("#review-title").get_by_role("link", name=ref).click()
    await expect(page).to_have_url(f"{site.url}/reviews/{ref}")
    await expect(page.get_by_text("Jun Sato")).to_be_visible()
    await expect(page.get_by_text("Leila Haddad")).to_be_visible()


async def test_something_is_said_by_keyboard_and_the_record_tells_all(
    site: Site, visits: Visits, tmp_path: Path
) -> None:
    """A remark is typed without a mouse; once it is over, search finds it and the record can be printed."""
    key = new_id("a").replace("_", "-")
    ref = await submitted(site.installation, key=key)
    context = await visits.context()
    await site.sign_in(context)
    page = await context.new_page()
    await say(site.installation, ref, "engineering", "in_favour_if", "With a signed medium, yes")
    await page.goto(f"{site.url}/reviews/{ref}")
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == "text":
            break
    else:
        pytest.fail("the field cannot be reached by keyboard")
    await page.keyboard.type("They have done this with others before.")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Support")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("What you said is on record.")).to_be_visible()
    await expect(page.get_by_text("They have done this with others before.")).to_be_visible()
    for side in ("product", "support"):
        await say(site.installation, ref, side)
    await choose(site.installation, ref, "recommendation", CE_VP, "yes", "Worth it")
    task = await asked(site.installation, ref, "message", phase="preparing")
    await page.goto(f"{site.url}/tasks/{task.task.removeprefix('task/')}")
    assert await page.get_by_label("Revisit").input_value() == "never"
    await look(page, "message")
    await page.get_by_label("Message", exact=True).fill(MESSAGE["message"])
    await page.get_by_label("Conditions").fill(MESSAGE["conditions"])
    await page.get_by_role("button", name="Send for approval").click()
    await choose(site.installation, ref, "message", CE_VP, "approve", None)
    await choose(site.installation, ref, "reading", SUPPORT, "read", None)
    await in_phase(site.installation, ref, "acknowledgement")
    await page.goto(f"{site.url}/reviews/{ref}")
    await look(page, "review-told")
    letter = (await site.installation.mailed(1, CHAMPION))[-1]
    theirs = await visits.page()
    await theirs.goto(f"{site.url}/m/{link_of(letter)}")
    await expect(theirs.get_by_text("You tell us of each site")).to_be_visible()
    await expect(theirs.get_by_text("never")).to_have_count(0)
    await look(theirs, "customer")
    await theirs.get_by_role("radio", name="I have read this").check()
    await theirs.get_by_role("button", name="Send my answer").click()
    await expect(theirs.get_by_role("heading", level=1)).to_have_text("Thank you, you have confirmed this")
    await in_phase(site.installation, ref, "closed")
    await page.goto(f"{site.url}/reviews?search=signed+medium")
    await expect(page.get_by_role("link", name="Monitoring without a way out of the network")).to_be_visible()
    await look(page, "reviews")
    await page.goto(f"{site.url}/reviews/{ref}")
    await page.get_by_role("link", name="The record, on one page").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(ref)
    await expect(page.get_by_text("With a signed medium, yes")).to_be_visible()
    await look(page, "record")
    assert not (await tech_review.show(site.installation.services, ref)).asks
    await is_whole_or_says_why(site, page, tmp_path)


async def is_whole_or_says_why(site: Site, page: Page, folder: Path) -> None:
    """A record is whole as it came, and where the browser writes it anew, the refusal says so."""
    key = (await audit.key(site.installation.services)).public_key
    came = await (await page.context.request.get(page.url)).body()
    archive = await (await page.context.new_cdp_session(page)).send("Page.captureSnapshot", {"format": "mhtml"})
    saved = {"came": came, "anew": (await page.content()).encode(), "archive": archive["data"].encode()}
    faults = {}
    for name, content in saved.items():
        file = folder / f"{name}.html"
        file.write_bytes(content)
        faults[name] = verify_record(file, [key]).faults
    assert faults == {"came": (), "anew": (record.CHANGED_PAGE,), "archive": (record.WEB_ARCHIVE,)}
