"""Human tasks are answered by command, API and page, with the same refusals, and never lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import Response
from sqlalchemy import select, update
from temporalio.client import Client

from rapport.model.account import WrittenAbsence
from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id
from rapport.model.reading import check
from rapport.storage import access, account
from rapport.storage.access import LINK_LIFE, Link
from rapport.storage.database import Store
from rapport.storage.tables import Base, LinkRow
from starters.http.app import create_app
from starters.http.auth import begin_session
from starters.services import LATER, Services
from starters.use_cases import member as members, task as tasks, timeline, token as tokens
from starters.views.task import TaskShown
from tests.conftest import TAM, Installation, by, installation, until
from tests.support.approval import MANAGER, WORDS, opened, prepared, seen
from worker import build

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS = "http://127.0.0.1:8700"
STRANGER = "priya.raman@foobar.example"


class House:
    """An installation with its pages, as an operator and as a program see it."""

    def __init__(self, services: Services, secret: str) -> None:
        transport = httpx.ASGITransport(create_app(services))
        self.services = services
        self.secret = secret
        self.browser = httpx.AsyncClient(transport=transport, base_url=OURS, follow_redirects=True)
        self.stranger = httpx.AsyncClient(transport=transport, base_url=OURS)
        self.api = httpx.AsyncClient(transport=transport, base_url=OURS, headers={"Authorization": f"Bearer {secret}"})

    async def member(self, email: str) -> httpx.AsyncClient:
        """The browser of a member who has signed in."""
        async with self.services.store.reading() as connection:
            found = await account.member_by_email(connection, email)
        assert found is not None
        answer = Response()
        await begin_session(answer, self.services, member=found.id)
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return httpx.AsyncClient(transport=self.browser._transport, base_url=OURS, headers={"Cookie": cookie})

    async def post(self, task: TaskShown, name: str, **typed: str) -> httpx.Response:
        """Send one of the forms of a task's page."""
        page = await self.browser.get(path(task))
        return await self.browser.post(f"{path(task)}/{name}", data={**hidden(page.text), **typed})

    async def link(self, task: TaskShown, email: str, *, round_: int = 1) -> str:
        """The path of a personal link to a task."""
        token = access.new_token()
        async with self.services.store.writing() as connection:
            member = await account.member_by_email(connection, email)
            assert member is not None
            link = Link(
                account=task.account,
                person=member.id,
                purpose="task",
                workflow_id=task.task,
                round=round_,
                expires_at=datetime.now(UTC) + LINK_LIFE,
            )
            await access.make_link(connection, f"tests/{token}", token, link)
        return f"/m/{token}"


@pytest_asyncio.fixture(loop_scope="session")
async def house(here: Installation) -> AsyncIterator[House]:
    """The pages of an installation, with a signed-in operator."""
    made = House(here.services, await tokens.create(here.services, "owner", ("operator",)))
    assert (await made.browser.get(f"/sign-in?key={made.secret}")).status_code == 200
    yield made
    for client in (made.browser, made.stranger, made.api):
        await client.aclose()


def path(task: TaskShown) -> str:
    """A task's page."""
    return f"/tasks/{task.task.removeprefix('task/')}"


def hidden(html: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html))


def text(html: str) -> str:
    """What a person reads on a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def rows(store: Store) -> dict[str, Any]:
    """Everything that stands in the database."""
    async with store.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in await connection.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }


async def quiet(here: Installation) -> dict[str, Any]:
    """Everything in the database, once no mail is under way any more."""
    seen: list[Any] = [None]

    async def same() -> bool:
        seen.append(await rows(here.services.store))
        await asyncio.sleep(0.2)
        return bool(seen[-1] == seen[-2])

    await until(same, "a database in which nothing moves")
    return dict(seen[-1])


async def refusal(call: Any) -> UserError:
    """The refusal that a use case meets."""
    with pytest.raises(UserError) as caught:
        await call
    return caught.value


# --- asking


async def test_a_task_goes_from_the_request_to_the_decision_over_pages(here: Installation, house: House) -> None:
    """The TAM asks, the manager asks back, the TAM answers, the manager decides; each page says what is next."""
    task = await prepared(here)
    page = text((await house.browser.get(path(task))).text)
    assert "What do you ask for?" in page
    assert "It is not needed" in page
    wrong = await house.post(task, "request", **{"say-reason": "Three teams", "say-cost": " ", "say-dates": ""})
    assert wrong.status_code == 422
    assert "Cost is empty" in text(wrong.text)
    assert "Three teams" in wrong.text
    asked = await house.post(task, "request", **{f"say-{name}": said for name, said in WORDS.items()})
    assert "It is asked" in text(asked.text)
    page = (await house.browser.get(path(task))).text
    assert "2000 CHF &lt;all in&gt;" in page
    assert "Ines Moreau" in page
    assert "checked" not in page
    back = await house.post(task, "ask", question="Who pays for the flights?", **{"as": MANAGER})
    assert "Who pays for the flights?" in back.text
    told = await house.post(task, "answer", text="The customer does", **{"as": TAM.email})
    assert "The customer does" in told.text
    await seen(here, task.task, lambda shown: shown.phase == "open" and bool(shown.holders))
    done = await house.post(task, "decide", option="approve", **{"as": MANAGER})
    assert "Your decision counts" in text(done.text)
    assert "verified by" in done.text
    (decision,) = (await tasks.show(here.services, task.task)).decisions
    assert (decision.who, decision.option, decision.channel) == ("Ines Moreau", "Approve", "page")
    inbox = text((await house.browser.get("/inbox")).text)
    assert "No task waits for anybody." in inbox


async def test_what_nobody_needs_is_declined_and_leaves_every_inbox(here: Installation, house: House) -> None:
    """The TAM says that it is not needed; the task closes as not requested, and waits for nobody."""
    task = await prepared(here)
    assert [line.task for line in (await tasks.inbox(here.services, TAM)).mine] == [task.task]
    done = await house.post(task, "decline", reason="They come to us", **{"as": TAM.email})
    assert "Closed." in text(done.text)
    shown = await seen(here, task.task, lambda one: one.phase == "closed")
    assert (shown.outcome, shown.ended) == ("not_requested", "closed: it was not asked for")
    assert (await tasks.inbox(here.services, TAM)).mine == ()
    assert (await tasks.inbox(here.services, by(""))).mine == ()


async def test_a_request_names_the_text_that_is_missing(here: Installation) -> None:
    """Every text that a task asks for is required, no other is known, and only customer-facing members ask."""
    task = await prepared(here)
    for words, actor, field in (
        ({**WORDS, "cost": " "}, TAM, "cost"),
        ({"reason": "x", "cost": "y"}, TAM, "dates"),
        ({**WORDS, "bribe": "z"}, TAM, "bribe"),
        ({**WORDS, "reason": "a\x00b"}, TAM, "reason"),
        (WORDS, by(STRANGER), "--as"),
    ):
        refused = await refusal(tasks.request(here.services, task.task, words, actor))
        assert (refused.field, bool(refused.fix)) == (field, True)
    assert (await tasks.show(here.services, task.task)).phase == "preparing"


# --- deciding


@pytest.mark.parametrize(
    ("option", "email", "words", "status"),
    [
        ("maybe", MANAGER, "there is no answer “maybe”", 422),
        ("deny", MANAGER, "Deny needs a reason", 422),
        ("approve", TAM.email, "you asked for this yourself; somebody else has to decide it", 403),
        ("approve", STRANGER, "you are not asked to decide this", 403),
    ],
)
async def test_the_same_refusal_in_the_same_words_everywhere(
    here: Installation, house: House, option: str, email: str, words: str, status: int
) -> None:
    """What a decision lacks is told alike by the use case behind the command line, by the API and on the page."""
    words = words.replace("“", '"').replace("”", '"')
    task = await opened(here)
    refused = await refusal(tasks.decide(here.services, task.task, option, by(email)))
    assert refused.problem == words
    answer = await house.api.post(f"/v1/tasks/{task.task}/decide", json={"as": email, "option": option})
    assert (answer.status_code, answer.json()["errors"][0]["problem"]) == (status, words)
    page = await house.post(task, "decide", option=option, **{"as": email})
    assert page.status_code == status
    assert words.lower() in text(page.text).replace("&#34;", '"').lower()
    assert (await tasks.show(here.services, task.task)).decisions == ()


async def test_a_task_is_read_and_answered_over_the_api(here: Installation, house: House) -> None:
    """Inbox, task, question, answer, change and decision are one story over HTTP, round by round."""
    task = await opened(here)
    (line,) = (await house.api.get("/v1/inbox", params={"as": MANAGER})).json()
    assert line["task"] == task.task
    assert line["assignees"] == [MANAGER]
    assert [option["id"] for option in line["options"]] == ["approve", "deny"]
    (asked,) = (await house.api.get("/v1/inbox", params={"as": TAM.email, "asked": True})).json()
    assert asked["task"] == task.task
    where = f"/v1/tasks/{task.task}"
    assert (await house.api.get(f"/v1/tasks/{task.account}/onsite_approval")).json()["said"] == WORDS
    assert (await house.api.post(f"{where}/ask", json={"as": MANAGER, "question": "Why?"})).json()["accepted"]
    assert (await house.api.post(f"{where}/answer", json={"as": TAM.email, "text": "So."})).json()["accepted"]
    again = {"as": TAM.email, "say": {**WORDS, "cost": "1000 CHF"}}
    assert (await house.api.post(f"{where}/request", json=again)).json()["accepted"]
    await seen(here, task.task, lambda shown: shown.round == 2 and bool(shown.holders))
    late = await house.api.post(f"{where}/decide", json={"as": MANAGER, "option": "approve", "round": 1})
    assert late.status_code == 409
    assert "the request was changed" in late.json()["detail"]
    done = await house.api.post(f"{where}/decide", json={"as": MANAGER, "option": "approve", "round": 2})
    assert done.json() == {"accepted": True, "reason": None, "outcome": "approve"}
    assert (await house.api.get("/v1/tasks/nowhere/onsite_approval")).status_code == 404
    assert (await house.stranger.get("/v1/inbox")).status_code == 401


async def test_of_two_opposite_decisions_the_second_hears_who_decided_what_and_when(here: Installation) -> None:
    """Two people decide at once: one counts, the other is told, and stands on the record as late."""
    task = await opened(here)
    answers = await asyncio.gather(
        tasks.decide(here.services, task.task, "deny", by(MANAGER), "Too far"),
        tasks.decide(here.services, task.task, "approve", by(MANAGER)),
        return_exceptions=True,
    )
    (refused,) = [answer for answer in answers if isinstance(answer, UserError)]
    shown = await seen(here, task.task, lambda one: one.phase == "closed")
    title = {"approve": "Approve", "deny": "Deny"}[shown.outcome or ""]
    assert re.fullmatch(
        rf"this is already decided: {title}, by Ines Moreau on \w+ \d+ \w+ \d+, \d\d:\d\d \(Europe/Paris\)",
        refused.problem,
    )
    assert (refused.kind, len(shown.decisions)) == (Refused.CONFLICT, 1)
    kinds = [entry.kind for entry in await timeline.timeline_of(here.services, task.account)]
    assert (kinds.count("decision.made"), kinds.count("decision.late")) == (1, 1)


async def test_a_late_decision_changes_nothing_also_when_the_workflow_is_long_gone(
    here: Installation, house: House
) -> None:
    """After the end, everyone who decides is told what became of it, and each try is on the record."""
    task = await opened(here)
    await tasks.decide(here.services, task.task, "approve", by(MANAGER))
    await seen(here, task.task, lambda one: one.phase == "closed")
    late = await house.api.post(f"/v1/tasks/{task.task}/decide", json={"as": MANAGER, "option": "deny"})
    assert late.status_code == 409
    assert "already decided: Approve, by Ines Moreau" in late.json()["detail"]
    page = await house.browser.post(
        f"{path(task)}/decide",
        data={**hidden((await house.browser.get(path(task))).text), "option": "deny", "as": MANAGER},
    )
    assert page.status_code == 409
    assert "already decided: Approve, by Ines Moreau" in text(page.text)
    assert (await tasks.show(here.services, task.task)).outcome == "approve"
    told = [entry for entry in await timeline.timeline_of(here.services, task.account) if entry.kind == "decision.late"]
    assert len(told) == 2
    assert all("came too late with “Deny”" in entry.what for entry in told)


async def test_a_decision_on_a_task_whose_workflow_is_gone_is_late(here: Installation) -> None:
    """Where somebody ended the workflow by force, a decision is told so, and stands on the record all the same."""
    task = await opened(here)
    await here.client.get_workflow_handle(task.task).terminate()
    late = await refusal(tasks.decide(here.services, task.task, "approve", by(MANAGER)))
    assert (late.problem, late.kind) == ("this is already closed", Refused.CONFLICT)
    kinds = [entry.kind for entry in await timeline.timeline_of(here.services, task.account)]
    assert kinds.count("decision.late") == 1


async def test_a_decision_without_a_worker_is_recorded_and_applied_once_one_runs(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says that the decision is recorded; the next worker takes it, once, with all that was said."""
    queue = new_id("queue")
    async with installation(dev_server, tmp_path, queue) as before:
        task = await opened(before)
        settings = before.services.settings
    store = Store(settings.database)
    monkeypatch.setattr("starters.services.ANSWER_SECONDS", 1.0)
    house = House(Services(settings, store, dev_server), "")
    house.secret = await tokens.create(house.services, "owner", ("operator",))
    await house.browser.get(f"/sign-in?key={house.secret}")
    recorded = await house.post(task, "decide", option="deny", reason="Too far", **{"as": MANAGER})
    assert recorded.status_code == 200
    assert "Your decision is recorded" in text(recorded.text)
    assert LATER.startswith("recorded")
    assert (await tasks.show(house.services, task.task)).phase == "open"
    async with build(dev_server, settings) as parts, parts.worker:

        async def applied() -> bool:
            return (await tasks.show(house.services, task.task)).phase == "closed"

        await until(applied, "the decision to be applied")
    (decision,) = (await tasks.show(house.services, task.task)).decisions
    assert (decision.who, decision.option, decision.reason) == ("Ines Moreau", "Deny", "Too far")
    await store.close()


# --- behind a mailed link


async def test_looking_at_a_task_or_its_link_changes_nothing(here: Installation, house: House) -> None:
    """Fifty looks, with GET and HEAD, signed in or not, at pages and links, change no row."""
    task = await opened(here)
    link = await house.link(task, MANAGER)
    before = await quiet(here)
    for client in (house.browser, house.stranger):
        for _ in range(50):
            assert (await client.get(link)).status_code == 200
            assert (await client.head(link)).status_code == 200
    for _ in range(50):
        assert (await house.browser.get(path(task))).status_code == 200
        assert (await house.browser.get("/inbox")).status_code == 200
    assert await rows(here.services.store) == before
    assert " checked" not in (await house.browser.get(link)).text


async def test_behind_a_link_only_its_signed_in_reader_decides(here: Installation, house: House) -> None:
    """Without a session the link shows the task and asks to sign in; a form sent all the same decides nothing."""
    task = await opened(here)
    link = await house.link(task, MANAGER)
    page = (await house.stranger.get(link)).text
    assert "Three teams in one building" in page
    assert f"/sign-in?next={link}" in page
    mine = (await house.browser.get(link)).text
    form = {**hidden(mine), "option": "approve"}
    assert (await house.stranger.post(link, data=form)).status_code == 401
    for stolen in ({**form, "form": "x"}, {**form, "csrf": "x"}):
        assert (await house.browser.post(link, data=stolen)).status_code == 403
    assert (await house.browser.post(link, data=form, headers={"Origin": "http://evil.example"})).status_code == 403
    assert (await house.browser.post(link, data=hidden(mine))).status_code == 422
    assert (await tasks.show(here.services, task.task)).decisions == ()
    done = await house.browser.post(link, data=form)
    assert "You have decided this" in done.text
    again = await house.browser.post(link, data={**form, "option": "deny", "reason": "Changed my mind"})
    assert again.status_code == 409
    assert "already decided: Approve" in text(again.text)


async def test_a_signed_in_member_decides_as_nobody_else(here: Installation, house: House) -> None:
    """Whatever a form says, a member decides as themself; behind somebody else's link they are asked to sign in."""
    task = await opened(here)
    link = await house.link(task, MANAGER)
    robin, ines = await house.member(TAM.email), await house.member(MANAGER)
    assert "Robin Keller asks" in (await robin.get(path(task))).text
    assert 'name="option"' not in (await robin.get(path(task))).text
    assert f"/sign-in?next={link}" in (await robin.get(link)).text
    form = hidden((await robin.get(path(task))).text)
    pretended = await robin.post(f"{path(task)}/decide", data={**form, "option": "approve", "as": MANAGER})
    assert pretended.status_code == 403
    assert "You asked for this yourself" in text(pretended.text)
    inbox = text((await ines.get("/inbox")).text)
    assert "Tasks of ines.moreau@foobar.example" in inbox
    assert "You wait for" in text((await robin.get("/inbox")).text)
    done = await ines.post(link, data={**hidden((await ines.get(link)).text), "option": "approve"})
    assert done.headers["location"] == f"{link}?done=decided"
    (decision,) = (await tasks.show(here.services, task.task)).decisions
    assert (decision.who, decision.verified, decision.entered_by) == ("Ines Moreau", "session", None)


async def test_where_links_are_enough_nobody_has_to_sign_in(here: Installation, house: House) -> None:
    """An installation may let the mailed link decide; the record then says that a link was all there was."""
    settings = here.services.settings.model_copy(update={"links_sign_in": True})
    open_house = House(replace(here.services, settings=settings), house.secret)
    task = await opened(here)
    link = await house.link(task, MANAGER)
    form = hidden((await open_house.stranger.get(link)).text)
    assert (await open_house.stranger.post(link, data={"option": "approve", "form": "x"})).status_code == 403
    assert (await open_house.stranger.post(link, data={**form, "option": "approve"})).status_code == 303
    (decision,) = (await tasks.show(here.services, task.task)).decisions
    assert (decision.who, decision.verified) == ("Ines Moreau", "link")


async def test_each_link_that_cannot_decide_says_why(here: Installation, house: House) -> None:
    """Unknown, expired, superseded, passed on and closed links each have a page of their own."""
    task = await opened(here)
    link = await house.link(task, MANAGER)
    elsewhere = await house.link(task, STRANGER)
    own = await house.link(task, TAM.email)
    assert (await house.stranger.get(f"/m/{access.new_token()}")).status_code == 404
    assert "This went to somebody else" in (await house.stranger.get(elsewhere)).text
    assert "You asked for this" in (await house.stranger.get(own)).text
    assert (await tasks.request(here.services, task.task, {**WORDS, "cost": "1500 CHF"}, TAM)).accepted
    await seen(here, task.task, lambda shown: shown.round == 2)
    assert "The request was changed" in (await house.stranger.get(link)).text
    newer = await house.link(task, MANAGER, round_=2)
    await seen(here, task.task, lambda shown: bool(shown.holders))
    await tasks.decide(here.services, task.task, "approve", by(MANAGER))
    await seen(here, task.task, lambda shown: shown.phase == "closed")
    assert "You have decided this" in (await house.stranger.get(newer)).text
    assert "This is decided" in (await house.stranger.get(elsewhere)).text
    async with here.services.store.writing() as connection:
        await connection.execute(update(LinkRow).values(expires_at=datetime.now(UTC) - timedelta(days=1)))
    expired = await house.stranger.get(newer)
    assert expired.status_code == 410
    assert "has expired" in expired.text
    assert "Ines" not in expired.text


# --- inboxes and the account's page


async def test_the_nav_counts_what_waits_and_the_account_links_to_it(here: Installation, house: House) -> None:
    """The count stands beside Inbox on every page, and the account's milestone leads to the task."""
    task = await opened(here)
    for page in ("/", "/inbox", path(task)):
        assert "Inbox 1 waiting" in text((await house.browser.get(page)).text)
    assert f'href="{path(task)}"' in (await house.browser.get(f"/accounts/{task.account}")).text
    assert f'href="{path(task)}"' in (await house.browser.get("/inbox")).text


async def test_people_who_come_and_go_are_told_to_open_tasks(here: Installation) -> None:
    """An absence moves an open task to the delegate, and its end moves it back."""
    task = await opened(here)
    now = datetime.now(UTC)
    said = {
        "member": MANAGER,
        "from": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(days=9)).isoformat(),
        "delegate": "henrik.dahl@foobar.example",
    }
    absence = await members.add_absence(here.services, check(WrittenAbsence, said, ""), by(MANAGER))
    moved = await seen(here, task.task, lambda shown: [one.name for one in shown.holders] == ["Henrik Dahl"])
    assert moved.holders[0].on_behalf_of == "Ines Moreau"
    (line,) = (await tasks.inbox(here.services, by("henrik.dahl@foobar.example"))).mine
    assert (line.on_behalf_of, bool(line.why)) == (MANAGER, True)
    refused = await refusal(tasks.decide(here.services, task.task, "approve", by(MANAGER)))
    assert "went to somebody else while you are away" in refused.problem
    await members.end_absence(here.services, absence.id, by(MANAGER))
    await seen(here, task.task, lambda shown: [one.name for one in shown.holders] == ["Ines Moreau"])


async def test_whoever_stands_in_decides_for_another_also_while_a_question_is_open(
    here: Installation, house: House
) -> None:
    """With a question open, the delegate and an operator still find the form, and the record says for whom it was."""
    task = await opened(here)
    now = datetime.now(UTC)
    said = {
        "member": MANAGER,
        "from": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(days=9)).isoformat(),
        "delegate": "henrik.dahl@foobar.example",
    }
    await members.add_absence(here.services, check(WrittenAbsence, said, ""), by(MANAGER))
    await seen(here, task.task, lambda shown: [one.name for one in shown.holders] == ["Henrik Dahl"])
    delegate = by("henrik.dahl@foobar.example")
    await tasks.ask(here.services, task.task, "Who comes along?", delegate)
    asked = await seen(here, task.task, lambda shown: shown.phase == "needs_info")
    assert [one.name for one in asked.holders] == ["Robin Keller"]
    assert asked.others == ("henrik.dahl@foobar.example",)
    assert (await tasks.inbox(here.services, delegate)).mine == ()
    assert "henrik.dahl@foobar.example" in (await house.browser.get(path(task))).text
    assert (await tasks.decide(here.services, task.task, "approve", delegate)).accepted
    closed = await seen(here, task.task, lambda shown: shown.phase == "closed")
    (decision,) = closed.decisions
    assert decision.on_behalf_of == "Ines Moreau"
