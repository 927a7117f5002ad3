"""The pages on a live installation: drafts are read and sent, a link is answered, the account's page tells it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from rapport.model.ids import new_id
from starters.commands import messages, onboardings, tokens
from starters.commands.onboardings import StartRequest
from starters.http.app import create_app
from tests.conftest import CHAMPION, Town, account, link_of, text_of, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def browser(here: Town) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in member's browser."""
    secret = await tokens.create(here.office, "owner", ("operator",))
    transport = httpx.ASGITransport(create_app(here.office, here.catcher))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8700", follow_redirects=True
    ) as client:
        assert (await client.get(f"/sign-in?key={secret}")).status_code == 200
        yield client


def fields(html: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html))


async def test_drafts_are_edited_and_sent_from_one_page(here: Town, browser: httpx.AsyncClient) -> None:
    """Four drafts stand on one page; one is edited, and one button sends them all, the edited one as edited."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    key = file.account.key
    await onboardings.start(here.office, StartRequest(file=file))

    async def four() -> bool:
        return len(await messages.drafts(here.office, key)) == 4

    await until(four, "four drafts")
    page = (await browser.get(f"/accounts/{key}/drafts")).text
    form = {**fields(page), "do": "send-all"}
    shown = {draft.key: draft for draft in await messages.drafts(here.office, key)}
    for position in (name.removeprefix("key-") for name in fields(page) if name.startswith("key-")):
        draft = shown[form[f"key-{position}"]]
        form |= {f"subject-{position}": draft.subject, f"paragraph-{position}": "", f"body-{position}": draft.text}
        if draft.to == CHAMPION:
            form |= {f"paragraph-{position}": "It was good to meet you at the conference."}
    assert here.mails() == []
    sent = await browser.post(f"/accounts/{key}/drafts", data=form)
    assert sent.status_code == 200
    assert len(await here.mailed(4)) == 4
    assert "good to meet you" in text_of(here.mails(CHAMPION)[0])


async def test_a_link_is_answered_and_the_account_page_shows_it(here: Town, browser: httpx.AsyncClient) -> None:
    """A contact ticks times behind their mail's link; the account's page then shows the answer and the note."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    await onboardings.start(here.office, StartRequest(file=file))
    path = f"/m/{link_of((await here.mailed(1, CHAMPION))[0])}"
    transport = browser._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as stranger:
        page = await stranger.get(path)
        assert "Which times suit you?" in page.text
        assert "checked" not in page.text
        empty = await stranger.post(path, data=fields(page.text))
        assert empty.status_code == 422
        answer = {**fields(page.text), "slot": ["2", "3"], "comment": "Mornings are better <for me>"}
        assert (await stranger.post(path, data=answer)).status_code == 200
    account_page = (await browser.get(f"/accounts/{file.account.key}")).text
    assert "Luca Bianchi answered: 2 times suit" in account_page
    assert "Mornings are better &lt;for me&gt;" in account_page
