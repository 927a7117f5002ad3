"""The pages on a live installation: drafts are read and sent, a link is answered, the account's page tells it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client

from rapport.mail.catcher import Catcher
from rapport.model.ids import new_id
from starters import services as office_module
from starters.http.app import create_app
from starters.services import Services
from starters.use_cases import message, onboarding, token
from starters.use_cases.onboarding import StartRequest
from tests.conftest import CHAMPION, Installation, account, installation, link_of, text_of, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def signed_in(services: Services, catcher: Catcher | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A member's browser."""
    secret = await token.create(services, "owner", ("operator",))
    transport = httpx.ASGITransport(create_app(services, catcher))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8700", follow_redirects=True
    ) as client:
        assert (await client.get(f"/sign-in?key={secret}")).status_code == 200
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def browser(here: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in member's browser."""
    async with signed_in(here.services, here.catcher) as client:
        yield client


async def drafted(services: Services) -> str:
    """An account whose welcome waits as four drafts."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    key = file.account.key
    await onboarding.start(services, StartRequest(file=file))

    async def four() -> bool:
        return len(await message.drafts(services, key)) == 4

    await until(four, "four drafts")
    return key


def fields(html: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html))


async def test_drafts_are_edited_and_sent_from_one_page(here: Installation, browser: httpx.AsyncClient) -> None:
    """Four drafts stand on one page; one is edited, and one button sends them all, the edited one as edited."""
    key = await drafted(here.services)
    page = (await browser.get(f"/accounts/{key}/drafts")).text
    form = {**fields(page), "do": "send-all"}
    shown = {draft.key: draft for draft in await message.drafts(here.services, key)}
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


async def test_a_word_on_drafts_without_any_worker_is_said_to_be_recorded(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says that it will be checked, and shows the drafts as they are: nothing is called sent."""
    monkeypatch.setattr(office_module, "ANSWER_SECONDS", 0.5)
    async with installation(dev_server, tmp_path, new_id("queue")) as made:
        key = await drafted(made.services)
        services = made.services
    alone = replace(services, store=type(services.store)(services.settings.database))
    async with signed_in(alone) as browser:
        page = (await browser.get(f"/accounts/{key}/drafts")).text
        answer = await browser.post(f"/accounts/{key}/drafts", data={**fields(page), "do": "send-all"})
    assert answer.status_code == 200
    assert answer.url.path == f"/accounts/{key}/drafts"
    assert "Your decision is recorded. It will be checked when a worker is back" in answer.text
    assert len(await message.drafts(alone, key)) == 4
    await alone.store.close()


async def test_a_link_is_answered_and_the_account_page_shows_it(here: Installation, browser: httpx.AsyncClient) -> None:
    """A contact ticks times behind their mail's link; the account's page then shows the answer and the note."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    await onboarding.start(here.services, StartRequest(file=file))
    path = f"/m/{link_of((await here.mailed(1, CHAMPION))[0])}"
    transport = browser._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as stranger:
        page = await stranger.get(path)
        assert "Which times work for you?" in page.text
        assert "checked" not in page.text
        empty = await stranger.post(path, data=fields(page.text))
        assert empty.status_code == 422
        answer = {**fields(page.text), "slot": ["2", "3"], "comment": "Mornings are better <for me>"}
        assert (await stranger.post(path, data=answer)).status_code == 200
    account_page = (await browser.get(f"/accounts/{file.account.key}")).text
    assert "Luca Bianchi answered: 2 times work" in account_page
    assert "Mornings are better &lt;for me&gt;" in account_page
