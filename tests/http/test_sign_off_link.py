"""The page behind a customer's sign-off link: no login, one thing to do, and nothing done by looking."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from rapport.model.account import MembersFile
from rapport.model.ids import new_id
from starters.http.app import create_app
from starters.use_cases import member, task as tasks, token
from starters.views.task import TaskShown
from tests.conftest import CHAMPION, TAM, Installation
from tests.support.sign_off import in_phase, link, plan, written

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS = "http://127.0.0.1:8700"


@pytest_asyncio.fixture(loop_scope="session")
async def customer(here: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of somebody who has no login here."""
    transport = httpx.ASGITransport(create_app(here.services))
    async with httpx.AsyncClient(transport=transport, base_url=OURS, follow_redirects=True) as client:
        yield client


async def waiting(installation: Installation) -> TaskShown:
    """A plan that waits for the champion, of an account of its own."""
    key = new_id("a").replace("_", "-")
    return await written(installation, await plan(installation, key, new_id("C")))


def words(html: str) -> str:
    """What a person reads on a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def answer(customer: httpx.AsyncClient, token: str, **typed: str) -> httpx.Response:
    """Send the page's form."""
    drawn = (await customer.get(f"/m/{token}")).text
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', drawn))
    return await customer.post(f"/m/{token}", data={**hidden, **typed})


async def test_the_page_shows_the_plan_and_chooses_nothing(here: Installation, customer: httpx.AsyncClient) -> None:
    """Anybody with the link reads the plan as it was written; however often it is looked at, nothing changes."""
    task = await waiting(here)
    token = await link(here)
    for _ in range(3):
        page = await customer.get(f"/m/{token}")
        assert (page.status_code, (await customer.head(f"/m/{token}")).status_code) == (200, 200)
    said = words(page.text)
    assert "Does this training plan suit your team?" in said
    assert "8 December, 45 minutes: deployments; with Mara Osei" in said
    assert (page.text.count('type="radio"'), "checked" in page.text) == (2, False)
    assert "/tasks/" not in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert (await tasks.show(here.services, task.task)).phase == "open"


async def test_signing_off_takes_one_form_and_no_login(here: Installation, customer: httpx.AsyncClient) -> None:
    """The form that the page drew is enough; afterwards the page says what was signed, by whom and when."""
    task = await waiting(here)
    token = await link(here)
    forged = await customer.post(f"/m/{token}", data={"form": "0" * 64, "option": "sign_off"})
    assert forged.status_code == 403
    nothing = await answer(customer, token)
    assert (nothing.status_code, "is not chosen" in nothing.text) == (422, True)
    done = await answer(customer, token, option="sign_off")
    assert "Thank you, you have signed this off" in words(done.text)
    assert "Luca Bianchi" in done.text
    closed = await in_phase(here, "closed", task.account)
    [decision] = closed.decisions
    assert (closed.outcome, decision.channel, decision.verified) == ("sign_off", "link", "link")
    late = await customer.get(f"/m/{token}")
    assert ('type="radio"' in late.text, "you have signed this off" in late.text) == (False, True)


async def test_asking_for_changes_needs_words_and_replaces_the_link(
    here: Installation, customer: httpx.AsyncClient
) -> None:
    """Without a reason what was chosen stands, with the fault; with one, the page waits for the new version."""
    task = await waiting(here)
    token = await link(here)
    wordless = await answer(customer, token, option="ask_for_changes", reason=" ")
    assert wordless.status_code == 422
    assert "Ask for changes needs a reason" in words(wordless.text)
    assert re.search(r'value="ask_for_changes" required checked', wordless.text)
    back = await answer(customer, token, option="ask_for_changes", reason="Not on <Fridays>")
    assert "It is being changed" in words(back.text)
    assert "Not on &lt;Fridays&gt;" in back.text
    await written(here, await in_phase(here, "preparing", task.account), goals="Fewer false alerts")
    stale = words((await customer.get(f"/m/{token}")).text)
    assert "There is a newer version" in stale
    assert "Fewer false alerts" not in stale
    late = await customer.post(f"/m/{token}", data={"form": "x", "option": "sign_off"})
    assert late.status_code == 403
    fresh = words((await customer.get(f"/m/{await link(here, 2)}")).text)
    assert "version 2" in fresh
    assert "Fewer false alerts" in fresh


async def test_a_colleague_enters_a_customers_word_only_where_they_act(
    here: Installation, customer: httpx.AsyncClient
) -> None:
    """Whoever has nothing to do with an account signs nothing off in its champion's name; its TAM may."""
    task = await waiting(here)
    stranger = {"name": "Sal Es", "email": "sal.es@foobar.example", "roles": ["sales"], "zone": "UTC"}
    await member.import_members(here.services, MembersFile.model_validate({"members": [stranger]}))
    answers = []
    for name, email in (("sal", "sal.es@foobar.example"), ("robin", TAM.email)):
        headers = {"Authorization": f"Bearer {await token.create(here.services, new_id(name), member=email)}"}
        body = {"as": CHAMPION, "option": "sign_off"}
        answers.append(await customer.post(f"/v1/tasks/{task.task}/decide", json=body, headers=headers))
    assert [one.status_code for one in answers] == [403, 200]
    assert [fault["field"] for fault in answers[0].json()["errors"]] == ["as"]
    [decision] = (await in_phase(here, "closed", task.account)).decisions
    assert (decision.channel, decision.verified) == ("api", "reported")
