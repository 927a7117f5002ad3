"""What holds for every page, in the light and in the dark: it is quiet, labelled, legible, and fits a telephone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, StorageState
from temporalio.client import Client

from rapport.model.ids import new_id
from starters.use_cases import meeting
from tests.browser.conftest import Visits, open_site
from tests.conftest import CHAMPION, USER, link_of, until
from tests.support.account_data import informed
from tests.support.approval import MANAGER, opened, prepared
from tests.support.tech_review import say, submitted

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TELEPHONE = {"width": 360, "height": 740}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
DARK = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((value) => value < 128)"
UNNAMED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, iframe")].filter(
  (one) => ![one.labels?.[0]?.innerText, one.innerText, one.title, one.ariaLabel].some((name) => name?.trim())
).map((one) => one.outerHTML)"""
"""What can be filled in, pressed or looked into, and has no name."""

FAINT = """() => {
  const channels = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
    return {light: [red, green, blue].map((value) => value / 255), alpha};
  };
  const luminance = (colour) => channels(colour).light
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (channels(colour).alpha === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [dark, light] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${texts.currentNode.data.trim()}`);
  }
  return found;
}"""
"""Texts with less contrast than WCAG 2.2 asks for (1.4.3, level AA)."""


@dataclass(frozen=True)
class Furnished:
    """A site where something stands on every page, and what a member's browser keeps once it is signed in."""

    pages: dict[str, str]
    member: StorageState


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def furnished(
    browser: Browser, dev_server: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Furnished]:
    """Three accounts: one votes, with an answer in, one is booked, and one waits with its drafts; and two approvals."""
    async with open_site(dev_server, tmp_path_factory.mktemp("site")) as site:
        services = site.installation.services
        voting = await site.onboard()
        poll = await site.poll(CHAMPION)
        answering = link_of((await site.installation.mailed(1, USER))[0])
        await meeting.vote_by_link(services, answering, ("1", "3"), "Mornings are better")
        await informed(services, voting)
        booked = await site.onboard()
        await site.installation.mailed(8)
        await site.book(booked)
        await site.installation.mailed(13)
        recurring = await site.recurring()
        drafted = await site.draft()
        preparing = await prepared(site.installation)
        approval = await opened(site.installation)
        deciding = link_of((await site.installation.mailed(1, MANAGER))[0])
        ref = await submitted(site.installation, key=new_id("a").replace("_", "-"))
        await say(site.installation, ref, "engineering", "in_favour_if", "With a signed medium. " * 12)
        context = await browser.new_context()
        await site.sign_in(context)
        member = await context.storage_state()
        await context.close()
        mail = site.installation.catcher.mails()[0].id
        paths = {
            "portfolio": "/",
            "account that votes": f"/accounts/{voting}",
            "account that is booked": f"/accounts/{booked}",
            "account with a cadence": f"/accounts/{recurring}",
            "account with drafts": f"/accounts/{drafted}",
            "drafts": f"/accounts/{drafted}/drafts",
            "timeline": f"/accounts/{voting}?all=1",
            "inbox": "/inbox",
            "the desk's days": "/support/report",
            "reviews": "/reviews",
            "review": f"/reviews/{ref}",
            "request for a review": "/reviews/new",
            "task to ask for": f"/tasks/{preparing.task}",
            "task to decide": f"/tasks/{approval.task}",
            "task behind its link": f"/m/{deciding}",
            "caught mails": "/mail",
            "one mail": f"/mail/{mail}",
            "nothing": "/accounts/nobody",
        }
        pages = {name: f"{site.url}{path}" for name, path in paths.items()}
        strangers = {
            "sign in": f"{site.url}/sign-in",
            "task for a stranger": f"{site.url}/m/{deciding}",
            "poll": poll,
            "no poll": f"{site.url}/m/nothing",
        }
        yield Furnished({**pages, **strangers}, member)


PAGES = (
    "portfolio",
    "account that votes",
    "account that is booked",
    "account with a cadence",
    "account with drafts",
    "drafts",
    "timeline",
    "inbox",
    "the desk's days",
    "reviews",
    "review",
    "request for a review",
    "task to ask for",
    "task to decide",
    "task behind its link",
    "caught mails",
    "one mail",
    "nothing",
)
STRANGERS = ("sign in", "poll", "no poll", "task for a stranger")
REFUSED = ("sign in", "nothing", "no poll")


@dataclass(frozen=True)
class Telephones:
    """What a member and a stranger look through: to start a browser's process for each page takes most of the time."""

    visits: Visits
    member: Page
    stranger: Page


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def telephones(browser: Browser, furnished: Furnished) -> AsyncIterator[Telephones]:
    """Two, which go from page to page."""
    visits = Visits(browser)
    # Without motion a colour is at once what it is going to be.
    member, stranger = [
        await visits.page(viewport=TELEPHONE, storage_state=known, reduced_motion="reduce")
        for known in (furnished.member, None)
    ]
    yield Telephones(visits, member, stranger)
    await visits.end()


@pytest.mark.parametrize("name", [*PAGES, *STRANGERS])
async def test_a_page_is_sound(furnished: Furnished, telephones: Telephones, name: str) -> None:
    """A page has one heading, a title, a name for each field, legible text, and fits a telephone without a murmur."""
    page = telephones.stranger if name in STRANGERS else telephones.member
    telephones.visits.trouble.clear()
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        answer = await page.goto(furnished.pages[name])
        assert answer is not None
        assert answer.ok or name in REFUSED
        await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert await page.evaluate(DARK) == (scheme == "dark")
        assert await page.evaluate(FAINT) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"]
    assert await page.locator("h1").count() == 1
    assert (await page.title()).strip()
    assert await page.evaluate(UNNAMED) == []
    # What a page says after that is heard when it is left.
    await page.goto("about:blank")
    assert telephones.visits.trouble == []


async def test_what_a_page_must_not_do_is_noticed(furnished: Furnished, visits: Visits) -> None:
    """A style that the policy forbids, a picture that is missing and one from elsewhere each count as trouble."""
    page = await visits.page()
    await page.goto(furnished.pages["poll"])
    for added, expected in (
        ("<p style='color: red'>", "Content Security Policy"),
        ("<img src='/nothing.png'>", "status 404 of"),
        ("<img src='http://elsewhere.example/seen.png'>", "asked for http://elsewhere.example/seen.png"),
    ):
        await page.evaluate("(added) => { document.body.insertAdjacentHTML('beforeend', added) }", added)

        async def noticed(words: str = expected) -> bool:
            return any(words in trouble for trouble in visits.trouble)

        await until(noticed, expected)
    visits.trouble.clear()
