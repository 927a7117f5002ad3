"""Writing a meeting's minutes in a browser: as a member who signed in, and by keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import Response
from playwright.async_api import Page, expect

from rapport.storage import account
from starters.http.auth import SESSION_COOKIE, begin_session
from starters.http.pages import minutes as page_of_minutes
from starters.stack import http_server
from starters.use_cases import meeting
from tests.browser.conftest import HOST, Site, Visits
from tests.browser.test_pages import DARK, FAINT, SCHEMES, TELEPHONE, UNNAMED
from tests.browser.test_poll import FOCUS
from tests.conftest import CHAMPION, TAM, free_port, skipping_installation
from tests.support.minutes import begun

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def over(chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """An installation whose kickoff is over, by the clock of its server and by that of the page."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    async with (
        skipping_installation(tmp_path, public_url=url) as installation,
        http_server(installation.services, installation.catcher, port),
    ):
        await begun(installation)
        now = await installation.now()
        monkeypatch.setattr(page_of_minutes, "present", lambda: now + timedelta(minutes=1))
        yield Site(installation, url)


async def signed_in(site: Site, page: Page) -> None:
    """Come to the kickoff's minutes as the TAM, with the session that a mailed link would have given.

    The link itself is good for a quarter of an hour of the page's clock, which the server's has left far behind.
    """
    async with site.installation.services.store.reading() as connection:
        member = await account.member_by_email(connection, TAM.email)
    assert member is not None
    response = Response()
    await begin_session(response, site.installation.services, member=member.id)
    value = SimpleCookie(response.headers["set-cookie"])[SESSION_COOKIE].value
    await page.context.add_cookies([{"name": SESSION_COOKIE, "value": value, "url": site.url}])
    await page.goto(f"{site.url}/accounts/versayce/meetings/kickoff/minutes")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Kickoff: minutes")
    await expect(page.get_by_text("Signed in as Robin Keller")).to_be_visible()


async def onward(page: Page, role: str, words: str) -> None:
    """Tab on until something has the focus; each stop on the way has to be seen, and the parts of a date are many."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        focus = await page.evaluate(FOCUS)
        ringed = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        assert focus["visible"] or (focus["role"] == "date" and await page.evaluate(ringed)), focus
        if (focus["role"], " ".join((focus["text"] or "").split())) == (role, words):
            return
    pytest.fail(f"{role} {words!r} cannot be reached by keyboard")


async def test_a_member_writes_minutes_by_keyboard_alone(over: Site, visits: Visits) -> None:
    """Tab, Space, arrows and letters fill in the form; what was written stands on the page, and the note is private."""
    page = await visits.page()
    await signed_in(over, page)
    await onward(page, "checkbox", "Luca Bianchi Primary champion")
    await page.keyboard.press("Space")
    await onward(page, "checkbox", "Robin Keller TAM")
    await page.keyboard.press("Space")
    await onward(page, "textarea", "Short-term goals (one a line)")
    await page.keyboard.type("Alerts for checkout")
    await page.keyboard.press("Tab")
    # Goals of the long term stay empty; the first row of the actions comes next.
    await page.keyboard.press("Tab")
    await page.keyboard.type("Send the guide")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Robin")
    await page.keyboard.press("Tab")
    await page.keyboard.type("12042090")
    await onward(page, "textarea", "Private note (for Robin Keller alone: no mail and no timeline has it)")
    await page.keyboard.type("Luca needs a result")
    await onward(page, "submit", "Record as held")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("Noted: it was held.")
    await expect(page.get_by_text("Luca needs a result").first).to_be_visible()
    shown = await meeting.minutes_of(over.installation.services, "versayce", "kickoff", TAM.email)
    assert [one.email for one in shown.attended] == [CHAMPION, TAM.email]
    assert shown.short_term == ("Alerts for checkout",)
    assert [(one.what, one.owner, str(one.due)) for one in shown.actions] == [
        ("Send the guide", "Robin Keller", "2090-12-04")
    ]
    assert shown.private_note == "Luca needs a result"


async def test_the_form_and_what_stands_are_sound(over: Site, visits: Visits) -> None:
    """Each field has its name, texts are legible in the light and in the dark, and a telephone shows all of it."""
    page = await visits.page(viewport=TELEPHONE, reduced_motion="reduce")
    await signed_in(over, page)

    async def sound() -> None:
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
            # A page that has just been loaded may take it in a moment late.
            await page.wait_for_function(f"() => ({DARK})() === {str(scheme == 'dark').lower()}")
            assert await page.evaluate(FAINT) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"]
        assert await page.locator("h1").count() == 1
        assert await page.evaluate(UNNAMED) == []

    await sound()
    await page.get_by_label("What 1", exact=True).fill("Send the guide")
    await page.get_by_role("button", name="Record as held").click()
    await expect(page.get_by_role("alert")).to_contain_text("Whoever does action 1 is missing")
    await sound()
    await page.get_by_label("Who does action 1").select_option(label="Mara Osei")
    await page.get_by_label("Day of action 1").fill("2026-01-02")
    await page.get_by_label("What is blocked 1").fill("The firewall")
    await page.get_by_label("Who clears blocker 1").select_option(label="Luca Bianchi")
    await page.get_by_label("Next check of blocker 1").fill("2026-01-02")
    await page.get_by_role("button", name="Record as held").click()
    await expect(page.get_by_role("status")).to_have_text("Noted: it was held.")
    await sound()
    await page.goto(f"{over.url}/accounts/versayce")
    await sound()
