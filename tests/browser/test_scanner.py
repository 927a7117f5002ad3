"""Mail scanners open links in real browsers, run scripts, and follow what they find. Nothing may come of it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urldefrag, urljoin

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from rapport.storage.tables import Base
from tests.browser.conftest import Site, Visits
from tests.conftest import CHAMPION, text_of, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]

LEADS = """() => [...document.querySelectorAll("a[href], area[href], iframe[src], form:not([method=post])")].map(
  (one) => ({url: one.href || one.src || one.action, kept: one.hasAttribute("download")}))"""
"""Everything on a page that a GET follows, and whether it is a file to keep."""


async def rows(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that stands in the database."""
    async with site.installation.services.store.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in await connection.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }


async def state(site: Site, workflows: list[str]) -> tuple[dict[str, int], dict[str, list[tuple[Any, ...]]]]:
    """How many events each workflow's history holds, and every row; once nothing has anything to do.

    What one workflow hands another lies with neither of them for a moment, so two looks have to agree.
    """
    looks: list[tuple[dict[str, int], dict[str, list[tuple[Any, ...]]]]] = []

    async def at_rest() -> bool:
        counts = {}
        for name in workflows:
            shown = await site.installation.client.get_workflow_handle(name).describe()
            if shown.raw_description.pending_activities or shown.raw_description.HasField("pending_workflow_task"):
                return False
            counts[name] = shown.history_length
        looks.append((counts, await rows(site)))
        return len(looks) > 1 and looks[-1] == looks[-2]

    await until(at_rest, "workflows that rest")
    return looks[-1]


def links(site: Site) -> set[str]:
    """Every link of ours in every mail that was caught, in its text and in its HTML."""
    found: set[str] = set()
    for mail in site.installation.mails():
        html = mail.get_body(preferencelist=("html",))
        assert html is not None
        found |= set(re.findall(r"https?://[^\s<>\"]+", text_of(mail)))
        found |= set(re.findall(r'href="(https?://[^"]+)"', str(html.get_content())))
    return {link for link in found if link.startswith(site.url)}


async def scan(page: Page, site: Site, start: set[str]) -> set[str]:
    """Open addresses, and whatever else of ours stands on the pages behind them; give all of them."""
    waiting, seen = set(start), set[str]()
    while waiting:
        url = waiting.pop()
        seen.add(url)
        await page.goto(url)
        for lead in await page.evaluate(LEADS):
            target = urldefrag(urljoin(url, lead["url"])).url
            if not target.startswith(f"{site.url}/") or target in seen:
                continue
            if lead["kept"]:
                seen.add(target)
                assert (await page.request.get(target)).ok
            else:
                waiting.add(target)
    return seen


@pytest.mark.parametrize(("who", "rounds"), [("stranger", 2), ("member", 1)])
async def test_whoever_only_looks_changes_nothing(site: Site, visits: Visits, who: str, rounds: int) -> None:
    """No table and no history changes by opening every mail's links and all that they lead to, but by a button."""
    voting = await site.onboard()
    poll = await site.poll(CHAMPION)
    drafted = await site.draft()
    booked = await site.onboard()
    await site.installation.mailed(8)
    await site.book(booked)
    await site.installation.mailed(13)
    context = await visits.context()
    start = links(site)
    # Four are asked for times in each of the two, and of those of the one that is booked each can still say something.
    assert len(start) == 12
    if who == "member":
        await site.sign_in(context)
        start.add(f"{site.url}/")
    workflows = [f"onboarding/{key}" for key in (voting, drafted, booked)]
    workflows += [f"meeting/{key}/kickoff/1" for key in (voting, drafted, booked)]
    counted, stood = await state(site, workflows)

    page = await context.new_page()
    for _ in range(rounds):
        assert len(await scan(page, site, start)) >= (60 if who == "member" else 8)
    grown, changed = await state(site, workflows)
    assert grown == counted
    assert changed == stood

    await page.goto(poll)
    await page.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="Send my answer").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    grown, changed = await state(site, workflows)
    assert grown != counted
    assert changed != stood
