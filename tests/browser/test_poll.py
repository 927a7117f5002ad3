"""The page behind a mailed link, as people use it: by keyboard, and without scripts."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, TimeoutError as PlaywrightTimeoutError, expect

from starters.use_cases import meeting
from tests.browser.conftest import Site, Visits
from tests.conftest import CHAMPION, TAM, USER, by
from tests.stack.test_late_replies import skip

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FOCUS = """() => {
  const ringed = (element) => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  };
  const focused = document.activeElement;
  const box = focused.getBoundingClientRect();
  return {
    role: focused.type || focused.tagName.toLowerCase(),
    text: focused.labels?.[0]?.innerText ?? focused.innerText,
    visible: focused.matches(":focus-visible") && [focused, ...(focused.labels ?? [])].some(ringed),
    inside: box.top >= 0 && box.bottom <= innerHeight,
  };
}"""
"""What has the focus, and whether one can see that: the ring stands around it, or around the label that holds it."""


async def tab(page: Page) -> tuple[str, str]:
    """Go on to what comes next, which has to be seen; give its kind and its words."""
    await page.keyboard.press("Tab")
    try:
        # A browser that is busy draws the ring a moment later.
        await page.wait_for_function(f"() => {{ const seen = ({FOCUS})(); return seen.visible && seen.inside; }}")
    except PlaywrightTimeoutError:
        pytest.fail(f"nobody sees where the focus is: {await page.evaluate(FOCUS)}")
    focus = await page.evaluate(FOCUS)
    return focus["role"], " ".join(focus["text"].split())


async def answers(site: Site, key: str, name: str) -> tuple[str, ...]:
    """The times that suit someone, as the meeting's workflow knows them."""
    shown = await meeting.show(site.installation.services, key, "kickoff")
    [one] = [answer for answer in shown.answers if answer.who == name]
    assert one.answered
    return one.slots


async def test_a_contact_answers_by_keyboard_alone(site: Site, visits: Visits) -> None:
    """Tab, Space and Enter answer a poll, whoever tabs sees where they are, and the vote is in the workflow."""
    key = await site.onboard()
    page = await visits.page()
    await page.goto(await site.poll(CHAMPION))
    boxes = await page.get_by_role("checkbox").count()
    assert boxes > 3
    assert await tab(page) == ("a", "Skip to the content")
    for position in range(boxes):
        role, words = await tab(page)
        assert role == "checkbox"
        assert (words == "None of these times work for me") == (position == boxes - 1)
        if position in (1, 2):
            await page.keyboard.press("Space")
    assert await tab(page) == ("textarea", "A note to Robin (optional)")
    await page.keyboard.type("Mornings are better")
    assert await tab(page) == ("summary", "Propose another time")
    assert await tab(page) == ("submit", "Send my answer")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    await expect(page.locator(".noted li")).to_have_count(2)
    await expect(page.get_by_text("Mornings are better")).to_be_visible()
    assert await tab(page) == ("a", "Skip to the content")
    assert await tab(page) == ("a", "Change my answer")
    assert await answers(site, key, "Luca Bianchi") == ("2", "3")


async def test_an_answer_is_given_and_changed_without_scripts(site: Site, visits: Visits) -> None:
    """With JavaScript switched off a contact answers, goes back from the thanks page, and answers anew."""
    key = await site.onboard()
    page = await visits.page(java_script_enabled=False)
    await page.goto(await site.poll(USER))
    boxes = page.get_by_role("checkbox")
    await boxes.nth(0).check()
    await page.get_by_role("button", name="Send my answer").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert await answers(site, key, "Mara Osei") == ("1",)
    await page.get_by_role("link", name="Change my answer").click()
    await expect(page.get_by_text("Your answer is in.")).to_be_visible()
    await expect(boxes.nth(0)).to_be_checked()
    await boxes.nth(0).uncheck()
    await page.get_by_label("None of these times work for me").check()
    await page.get_by_role("button", name="Change my answer").click()
    await expect(page.get_by_text("We have noted that none of the times work for you.")).to_be_visible()
    assert await answers(site, key, "Mara Osei") == ()


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_reply_to_a_meeting_that_has_ended_is_kept(site: Site, visits: Visits, width: int) -> None:
    """A form that was opened before the end says after it that the reply is kept, what became, and whom to write to."""
    key = await site.onboard()
    page = await visits.page(viewport={"width": width, "height": 900})
    await page.goto(await site.poll(CHAMPION))
    await skip(site.installation, key)
    await page.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="Send my answer").click()
    await expect(page.get_by_role("status")).to_contain_text("We have your reply.")
    await expect(page.get_by_role("heading", level=1)).to_have_text("This meeting is no longer being planned")
    await expect(page.get_by_role("link", name=TAM.email)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 390, 320])
async def test_a_time_outside_somebodys_hours_fits_the_page(site: Site, visits: Visits, width: int) -> None:
    """Whatever a time says beside its hours, a narrow page is not scrolled sideways."""
    await site.onboard()
    page = await visits.page(viewport={"width": width, "height": 900})
    await page.goto(await site.poll(CHAMPION))
    beside = " <span class='dim'>UTC+05:30</span> <span class='dim'>outside your working hours</span>"
    await page.locator(".choice .hour").evaluate_all(
        "(all, beside) => all.forEach((one) => one.insertAdjacentHTML('beforeend', beside))", beside
    )
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_contact_proposes_a_time_of_their_own(site: Site, visits: Visits, width: int) -> None:
    """Without scripts, a time that has passed is refused with what was typed; a later one is in the workflow."""
    key = await site.onboard()
    page = await visits.page(viewport={"width": width, "height": 900}, java_script_enabled=False)
    await page.goto(await site.poll(CHAMPION))
    await page.get_by_label("None of these times work for me").check()
    await page.get_by_text("Propose another time").click()
    await page.get_by_label("A time that works for you").fill("2020-01-07T10:00")
    await page.get_by_role("button", name="Send my answer").click()
    await expect(page.get_by_role("alert")).to_contain_text("has passed")
    await expect(page.get_by_label("A time that works for you")).to_have_value("2020-01-07T10:00")
    await page.get_by_label("A time that works for you").fill("2099-01-07T10:00")
    await page.get_by_role("button", name="Send my answer").click()
    await expect(page.get_by_text("You proposed")).to_contain_text("7 January 2099, 10:00")
    shown = await meeting.show(site.installation.services, key, "kickoff")
    [one] = [answer for answer in shown.answers if answer.who == "Luca Bianchi"]
    assert one.suggests is not None
    assert one.suggests.year == 2099
    await page.get_by_role("link", name="Change my answer").click()
    await expect(page.get_by_label("A time that works for you")).to_have_value("2099-01-07T10:00")


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_contact_asks_for_another_time_than_the_booked_one(site: Site, visits: Visits, width: int) -> None:
    """From the same link, once a time is booked: nothing is chosen beforehand, and the page says what follows."""
    key = await site.onboard()
    link = await site.poll(CHAMPION)
    for email in (CHAMPION, USER):
        await meeting.vote(site.installation.services, key, "kickoff", ("1",), by(email))
    page = await visits.page(viewport={"width": width, "height": 900})
    await page.goto(link)
    await expect(page.get_by_role("heading", level=1)).to_have_text("It is booked")
    assert await page.get_by_role("radio", checked=True).count() == 0
    await expect(page.get_by_text("everyone gets new times to choose from")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.get_by_label("I need another time").check()
    await page.get_by_label("A note to Robin").fill("I travel on that day.")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("New times are on their way")
    await expect(page.get_by_text("I travel on that day.")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_member_proposes_a_training_on_the_page(site: Site, visits: Visits, width: int) -> None:
    """The account's page proposes a meeting beside the playbook, and cancels it with a reason."""
    key = await site.onboard()
    context = await visits.context(viewport={"width": width, "height": 900})
    await site.sign_in(context)
    page = await context.new_page()
    await page.goto(f"{site.url}/accounts/{key}")
    await page.get_by_text("Propose a training, or any other meeting").click()
    await page.get_by_label("Title").fill("CI in depth")
    await page.get_by_label("Mara Osei").check()
    await page.get_by_role("button", name="Propose meeting").click()
    await expect(page.get_by_role("status").first).to_contain_text("Meeting proposed.")
    training = page.locator("#adhoc_1")
    await training.get_by_text("Cancel it, or offer new times").click()
    await training.get_by_label("Reason").fill("They merge with another firm.")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await training.get_by_role("button", name="Cancel meeting").click()
    await expect(page.get_by_role("status").first).to_contain_text("Meeting canceled.")
