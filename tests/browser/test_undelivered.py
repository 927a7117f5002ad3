"""The task of an email that failed, in a browser: its address is corrected there, and the email sent again."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect
from pydantic import SecretStr
from temporalio.client import Client

from rapport.model.message import MessageState
from rapport.rules.message import OFFERED
from tests.browser.conftest import Visits, open_site
from tests.conftest import CHAMPION, USER
from tests.helpers_mail import scripted_relay
from tests.stack.test_undelivered import UNKNOWN_USER, asked, in_state

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NEW = "mara.osei@new.example"


@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize("width", [1280, 390])
async def test_an_address_is_corrected_on_the_page_of_the_task(
    dev_server: Client, tmp_path: Path, visits: Visits, width: int
) -> None:
    """The page says what happened; a wrong address keeps what was typed; the right one has the email go there, once.

    Beside each answer stands what follows it.
    """
    async with scripted_relay() as relay:
        relay.then_for(USER, UNKNOWN_USER)
        smtp_url = SecretStr(f"smtp://127.0.0.1:{relay.port}")
        async with open_site(dev_server, tmp_path, smtp_url=smtp_url) as site:
            key = await site.onboard()
            await in_state(site.installation, key, USER, MessageState.FAILED)
            (line,) = await asked(site.installation)
            page = await visits.page(viewport={"width": width, "height": 900})
            await site.sign_in(page.context)
            await page.goto(f"{site.url}/tasks/{line.task.removeprefix('task/')}")
            await expect(page.get_by_role("definition").filter(has_text=UNKNOWN_USER)).to_be_visible()
            for _, follows in OFFERED[MessageState.FAILED]:
                await expect(page.get_by_text(f"{follows}.")).to_be_visible()
            address = page.get_by_label("Address", exact=True)
            await expect(address).to_have_value(USER)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            correct = page.get_by_role("button", name="Correct and send again")
            await correct.click()
            await expect(page.get_by_role("alert")).to_contain_text("is the address that this contact has")
            await address.fill(CHAMPION)
            await correct.click()
            await expect(page.get_by_role("alert")).to_contain_text(f"The address {CHAMPION} is Luca Bianchi's.")
            await expect(address).to_have_value(CHAMPION)
            assert await address.get_attribute("aria-invalid") == "true"
            await address.fill(NEW)
            await correct.click()
            await expect(page.get_by_text("Address corrected. Sending the email again.")).to_be_visible()
            await in_state(site.installation, key, NEW, MessageState.SENT)
            assert (len(relay.to(NEW)), len(relay.to(USER))) == (1, 0)
            await expect(page.get_by_role("button", name="Correct and send again")).to_have_count(0)
            await expect(page.get_by_role("heading", name="What happened")).to_be_visible()
