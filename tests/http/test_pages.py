"""The pages: who may see them, what they never do, and what they keep."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr
from sqlalchemy import insert, select, update
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from rapport.mail.catcher import Catcher
from rapport.model.account import AccountFile, Role
from rapport.model.base import UserError
from rapport.model.meeting import Booking, Invitee, MeetingPhase, MeetingView, Proposal, Receipt, Slot, Vote
from rapport.model.message import MessageState
from rapport.model.projection import StepNews, TimelineEvent, Wait
from rapport.model.reading import read_toml
from rapport.model.task import TaskDefinition, TaskOption, TaskPhase, TaskProjection
from rapport.settings import Settings
from rapport.storage import access, account as account_storage, task, timeline as timeline_storage
from rapport.storage.access import Link
from rapport.storage.account_waits import OtherWait
from rapport.storage.database import Store
from rapport.storage.tables import AccountRow, Base, MemberRow
from starters.cli.timeline import by_way_of
from starters.http.app import SECURITY_HEADERS, create_app
from starters.http.auth import SESSION_COOKIE
from starters.http.limits import ANSWERS_BY_LINK
from starters.http.pages import router
from starters.http.pages.drafts import DraftTyped, digest
from starters.http.pages.entrance import local
from starters.http.pages.member import wall_time
from starters.http.pages.rendering import _environment, coded
from starters.services import Actor, Services, present, submission
from starters.use_cases import account, mail_switch, timeline as timelines
from starters.use_cases.message import MessageShown
from tests.conftest import LEAD
from tests.support.postgres import tables
from workflows.desk import SupportDesk

OURS = "http://127.0.0.1:8700"
NOW = datetime.now(UTC).replace(microsecond=0)
MAIL = b"""\
From: Robin Keller <onboarding@foobar.example>\r
To: Luca Bianchi <luca.bianchi@versayce.example>\r
Subject: <script>alert(1)</script>\r
Message-ID: <one@foobar.example>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=x\r
\r
--x\r
Content-Type: text/html; charset=utf-8\r
\r
<html><head><title>t</title></head><body><script>alert(2)</script><a href="https://example.org">go</a></body></html>\r
--x\r
Content-Type: text/html\r
Content-Disposition: attachment; filename="../in vite.ics"\r
\r
<script>alert(3)</script>\r
--x--\r
"""


@dataclass
class Workflows:
    """Stands in for Temporal's client: every workflow answers with one view and one receipt, or not at all."""

    view: MeetingView | None = None
    receipt: Receipt = field(default_factory=lambda: Receipt(accepted=True, outcome="counted"))
    told: list[Any] = field(default_factory=list)
    signalled: list[Any] = field(default_factory=list)
    started: list[tuple[str, Any]] = field(default_factory=list)
    id: str = "meeting/versayce/kickoff/1"
    forgotten: bool = False

    def get_workflow_handle_for(self, *_: object) -> Workflows:
        return self

    def get_workflow_handle(self, *_: object) -> Workflows:
        return self

    async def query(self, asked: object, *_: object) -> MeetingView:
        if self.forgotten:
            raise RPCError("workflow not found", RPCStatusCode.NOT_FOUND, b"")
        # Nobody has started a support desk here.
        if self.view is None or asked is SupportDesk.view:
            raise RPCError("nobody is there", RPCStatusCode.UNAVAILABLE, b"")
        return self.view

    async def list_workflows(self, *_: object, **__: object) -> AsyncIterator[SimpleNamespace]:
        """None that was ended from outside."""
        nobody: list[SimpleNamespace] = []
        for one in nobody:
            yield one

    async def start_workflow(self, name: str, given: object, **_: object) -> None:
        self.started.append((name, given))

    async def describe(self) -> SimpleNamespace:
        return SimpleNamespace(status=WorkflowExecutionStatus.RUNNING)

    async def execute_update(self, _: object, sent: object, **__: object) -> Receipt:
        if self.view is None:
            raise RPCError("nobody is there", RPCStatusCode.UNAVAILABLE, b"")
        self.told.append(sent)
        return self.receipt

    async def signal(self, _: object, sent: object = None, **_options: object) -> None:
        if sent is not None:
            self.signalled.append(sent)


@dataclass
class House:
    """An installation's pages, with a reader in front of them."""

    app: FastAPI
    services: Services
    workflows: Workflows
    reader: httpx.AsyncClient
    key: str
    catcher: Catcher

    async def enter(self) -> None:
        """Sign the reader in."""
        assert (await self.reader.get("/sign-in", params={"key": self.key})).status_code == 303

    async def csrf(self) -> str:
        """What the forms of this session carry."""
        found = re.search(r'name="csrf" value="(\w+)"', (await self.reader.get("/")).text)
        assert found is not None
        return found[1]

    async def contact(self, email: str) -> str:
        """A contact's id."""
        async with self.services.store.reading() as connection:
            return next(one.id for one in await account_storage.contacts(connection, "versayce") if one.email == email)

    async def link(self, *, expires: timedelta = timedelta(days=1), round_: int = 1) -> str:
        """A new personal link of the champion; its workflow offers two times."""
        token = access.new_token()
        luca = await self.contact("luca.bianchi@versayce.example")
        if self.workflows.view is None:
            self.workflows.view = view(luca)
        link = Link(
            account="versayce",
            person=luca,
            purpose="vote",
            workflow_id="meeting/versayce/kickoff/1",
            round=round_,
            expires_at=NOW + expires,
        )
        async with self.services.store.writing() as connection:
            await access.make_link(connection, "some message", token, link)
        return token

    async def form(self, token: str) -> str:
        """What the form behind a link carries."""
        found = re.search(r'name="form" value="(\w+)"', (await self.reader.get(f"/m/{token}")).text)
        assert found is not None
        return found[1]

    async def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that stands in the database."""
        async with self.services.store.reading() as connection:
            return {
                table.name: sorted((tuple(row) for row in await connection.execute(select(table))), key=repr)
                for table in Base.metadata.sorted_tables
            }


def view(voter: str, **changes: Any) -> MeetingView:
    """A meeting in the middle of its vote, with two times on offer."""
    start = NOW + timedelta(days=6)
    slots = tuple(
        Slot(id=str(number), start=start + timedelta(days=number), end=start + timedelta(days=number, minutes=30))
        for number in (1, 2)
    )
    proposal = Proposal(
        round=1,
        tam="m_1",
        slots=slots,
        invitees=(Invitee(id=voter, personas=("primary_champion",), groups=(0,)),),
        required_groups=1,
        deadline=NOW + timedelta(days=3),
        stale_at=NOW + timedelta(days=3),
    )
    made = MeetingView(account="versayce", step="kickoff", phase=MeetingPhase.VOTING, round=1, proposal=proposal)
    return made.model_copy(update=changes)


def approval() -> TaskProjection:
    """A human task that waits for nobody whom anyone knows."""
    options = (TaskOption(id="approve", title="Approve"), TaskOption(id="deny", title="Deny", needs_reason=True))
    return TaskProjection(
        id="task/versayce/onsite_approval/1",
        account="versayce",
        contract="C-1",
        subject="versayce",
        step="onsite_approval",
        title="Onsite kickoff",
        definition=TaskDefinition(task="approval", question="Onsite?", options=options, assign=("manager",)),
        phase=TaskPhase.OPEN,
        round=1,
        requester=None,
        request=None,
        asked=None,
        holders=(),
        answers=(),
        opened=NOW,
        deadline=None,
        outcome=None,
        now=NOW,
        news=StepNews(contract="C-1", step="onsite_approval", wait=Wait(), now=NOW),
    )


def example() -> str:
    """The example account's file."""
    return files("examples").joinpath("versayce.toml").read_text()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An installation with the example account, whose Temporal is a stand-in."""
    settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"), public_url=OURS, mail_mode="live")
    shutil.copy(tables(), tmp_path)
    store = Store(settings.database)
    workflows = Workflows()
    services = Services(settings, store, cast("Client", workflows))
    await account.import_account(services, read_toml(AccountFile, example().encode(), "versayce.toml"))
    async with store.writing() as connection:
        key = await access.create_token(connection, "owner", ("operator",), NOW)
        await task.project(connection, approval())
    catcher = Catcher(tmp_path / "mail")
    (catcher.folder / f"00000001-{int(NOW.timestamp() * 1000)}.eml").write_bytes(MAIL)
    app = create_app(services, catcher)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=OURS) as reader:
        yield House(app, services, workflows, reader, key, catcher)
    await store.close()


PAGES = [
    "/",
    "/accounts/versayce",
    "/accounts/versayce/drafts",
    "/accounts/versayce/drafts/preview?key=x",
    "/accounts/versayce/meetings/kickoff/minutes",
    "/support",
    "/support/report",
    "/cases/C-00001",
    "/reviews",
    "/reviews/new",
    "/reviews/TR-0001",
    "/reviews/TR-0001/edit",
    "/reviews/TR-0001/record",
    "/inbox",
    "/tasks/versayce/onsite_approval/1",
    "/mail",
    "/mail/00000001",
    "/mail/00000001/html",
    "/mail/00000001/raw",
    "/mail/00000001/attachments/0",
]
FORMS = [
    "/accounts/versayce/meetings",
    "/accounts/versayce/meetings/kickoff/book",
    "/accounts/versayce/meetings/kickoff/cancel",
    "/accounts/versayce/meetings/kickoff/reschedule",
    "/accounts/versayce/cadence/kickoff/move",
    "/accounts/versayce/cadence/kickoff/skip",
    "/accounts/versayce/cadence/kickoff/set",
    "/accounts/versayce/meetings/kickoff/report",
    "/accounts/versayce/meetings/kickoff/minutes",
    "/accounts/versayce/drafts",
    "/accounts/versayce/erase",
    "/accounts/versayce/erase/withdraw",
    "/accounts/versayce/erase/confirm",
    "/support/open",
    "/cases/C-00001/answer",
    "/reviews/new",
    "/reviews/new/case",
    *(
        f"/reviews/TR-0001/{verb}"
        for verb in ("edit", "feedback", "meeting", "meeting/book", "meeting/held", "withdraw")
    ),
    *(
        f"/tasks/versayce/onsite_approval/1/{verb}"
        for verb in ("decide", "request", "decline", "ask", "answer", "record", "correct")
    ),
    "/sign-out",
]


# Signing in


async def test_the_owners_token_opens_the_pages(house: House) -> None:
    """A valid token gives a session that scripts cannot read and other sites cannot use, and goes on where asked."""
    answer = await house.reader.get("/sign-in", params={"key": house.key, "next": "/accounts/versayce?all=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts/versayce?all=1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert (await house.reader.get("/")).status_code == 200


async def test_over_https_the_session_never_travels_in_the_clear(house: House) -> None:
    """Where the public address is https, the cookie is marked Secure."""
    settings = house.services.settings.model_copy(update={"public_url": "https://rapport.example"})
    app = create_app(Services(settings, house.services.store, house.services.client))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=OURS) as reader:
        answer = await reader.get("/sign-in", params={"key": house.key})
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("key", ["no-such-token", "wröng\x00", "a" * 5000])
async def test_a_wrong_token_opens_nothing(house: House, key: str) -> None:
    """A token that is not known gives no session, by link or by form, and the form again."""
    for answer in (
        await house.reader.get("/sign-in", params={"key": key}),
        await house.reader.post("/sign-in", data={"key": key}),
    ):
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert 'name="key"' in answer.text
        assert key not in answer.text


async def test_a_revoked_token_opens_nothing(house: House) -> None:
    """Revoking a token closes the door at once for whoever is not inside yet."""
    async with house.services.store.writing() as connection:
        await access.revoke_token(connection, "owner", NOW)
    assert (await house.reader.get("/sign-in", params={"key": house.key})).status_code == 401


@pytest.mark.parametrize(
    "onward",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "\\\\evil", "evil", "", "/ /x"],
)
async def test_signing_in_leads_to_no_other_server(house: House, onward: str) -> None:
    """Whatever the link says, a reader goes on at this server alone."""
    answer = await house.reader.get("/sign-in", params={"key": house.key, "next": onward})
    assert answer.headers["location"] == "/"
    assert local("/mail?x=1&y=/a#b") == "/mail?x=1&y=/a#b"


async def test_a_forged_session_is_none(house: House) -> None:
    """A cookie that this installation has not signed opens nothing."""
    house.reader.cookies.set(SESSION_COOKIE, "Im1lIg.aaaaaa.bbbbbbbb")
    assert (await house.reader.get("/")).status_code == 303


async def test_signing_out_forgets_the_session(house: House) -> None:
    """After signing out, the pages ask for the token again."""
    await house.enter()
    assert (await house.reader.post("/sign-out", data={"csrf": await house.csrf()})).status_code == 303
    assert (await house.reader.get("/")).status_code == 303


async def test_a_page_without_a_session_leads_to_signing_in(house: House) -> None:
    """Whoever is not signed in sees the sign-in form, which remembers where they wanted to go, and nothing else."""
    for path in PAGES:
        sent = await house.reader.get(path)
        assert sent.status_code == 303, path
        answer = await house.reader.get(sent.headers["location"])
        assert f'name="next" value="{path}"' in answer.text
        assert "Versayce" not in answer.text, path
        assert "Bianchi" not in answer.text, path


def test_every_page_is_known_to_these_tests() -> None:
    """A new page has to be added to the lists above, so that it is tried without a session and without a token."""
    included = [cast("APIRouter", vars(part)["original_router"]) for part in router.routes]
    routes = [route for part in included for route in part.routes if isinstance(route, APIRoute)]
    assert len(routes) > len(PAGES)
    gets = {re.sub(r"\{\w+(:path)?\}", "*", route.path) for route in routes if "GET" in (route.methods or ())}
    posts = {re.sub(r"\{\w+(:path)?\}", "*", route.path) for route in routes if "POST" in (route.methods or ())}
    known = {
        re.sub(
            r"versayce/onsite_approval/1|versayce|kickoff|(?<=C-00001/)\w+|C-00001|TR-0001|00000001|0$",
            "*",
            path.partition("?")[0],
        )
        for path in (*PAGES, *FORMS)
    }
    assert gets | posts <= known | {"/sign-in", "/sign-in/openid", "/sign-in/openid/callback", "/m/*"}


# What every response has, and what none has


async def test_every_response_has_the_headers(house: House) -> None:
    """No response runs a script, is kept in a cache, leaks its address, or stands in another site's frame."""
    token = await house.link()
    answers = [await house.reader.get(path) for path in ("/", "/nothing", "/m/nothing", "/static/pages.css")]
    answers += [await house.reader.get(f"/m/{token}"), await house.reader.post(f"/m/{token}")]
    await house.enter()
    answers += [await house.reader.get(path) for path in PAGES]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy or "frame-ancestors 'self'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_policy_lets_the_pages_work_and_no_more() -> None:
    """The pages' own policy allows styles, pictures, frames and forms of this server alone."""
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    for needed in ("style-src 'self'", "img-src 'self'", "frame-src 'self'", "form-action 'self'"):
        assert needed in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "template",
    sorted(Path(str(files("starters.http.pages").joinpath("templates"))).glob("*.html")),
    ids=lambda p: p.name,
)
def test_no_template_needs_more_than_the_policy(template: Path) -> None:
    """There is no script, no event handler and no inline style, so that the policy never breaks a page."""
    text = template.read_text()
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|\|\s*safe\b", text)


async def test_hostile_names_stay_text(house: House) -> None:
    """A name or subject that looks like HTML is shown as text on every page, and never becomes a link that runs."""
    hostile = '<script>alert(1)</script>\\"><img src=x onerror=y>'
    text = example().replace('name = "Luca Bianchi"', f'name = "{hostile}"')
    text = text.replace('name = "Versayce"', 'name = "javascript:alert(1)//<b>"')
    text = text.replace('name = "FooBar"', 'name = "<i>FooBar</i>"').replace(
        'name = "Robin Keller"', 'name = "<u>R</u>"'
    )
    await account.import_account(house.services, read_toml(AccountFile, text.encode(), "versayce.toml"))
    token = await house.link()
    await house.enter()
    for path in ("/", "/accounts/versayce", "/accounts/versayce/drafts", f"/m/{token}", "/mail", "/mail/00000001"):
        html = (await house.reader.get(path)).text
        assert not re.search(r"<script|<img|<b>|<i>|<u>|onerror=y>", html), path
        assert not re.search(r'(href|src|action)="\s*javascript:', html), path
    assert "&lt;script&gt;" in (await house.reader.get("/accounts/versayce")).text


async def test_an_address_cannot_put_words_on_a_page(house: House) -> None:
    """The notice after a form is one of a known few; anything else in the address is ignored."""
    await house.enter()
    assert "The drafts are on their way." in (await house.reader.get("/?done=all_sent")).text
    assert "pay here" not in (await house.reader.get("/?done=pay+here")).text


def test_a_text_with_commands_is_still_escaped() -> None:
    """What stands between backticks is drawn as a command, and its characters stay characters."""
    assert coded("run `a <b>` now") == "run <code>a &lt;b&gt;</code> now"
    assert coded("an odd ` <i>") == "an odd ` &lt;i&gt;"


# Members' pages and forms


@pytest.mark.parametrize("csrf", [None, "", "0" * 64, "ünsinn"])
async def test_a_form_that_was_not_drawn_for_this_session_is_refused(house: House, csrf: str | None) -> None:
    """Without the session's own token nothing is done, whatever else the form says."""
    await house.enter()
    before = await house.rows()
    for path in FORMS:
        answer = await house.reader.post(path, data={"outcome": "held"} | ({} if csrf is None else {"csrf": csrf}))
        assert answer.status_code == 403, path
    assert await house.rows() == before
    assert not house.workflows.told


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://rapport.example"])
async def test_a_form_from_another_site_is_refused(house: House, origin: str) -> None:
    """A form that another site sent is refused even if it carries the right token."""
    await house.enter()
    csrf = await house.csrf()
    for path in FORMS:
        answer = await house.reader.post(path, data={"csrf": csrf}, headers={"Origin": origin})
        assert answer.status_code == 403, path


async def test_a_browser_that_hides_its_origin_is_believed_by_its_fetch_metadata(house: House) -> None:
    """Under no-referrer a browser sends "Origin: null" to its own site, and says so with Sec-Fetch-Site."""
    await house.enter()
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    csrf = await house.csrf()
    assert (await house.reader.post("/sign-out", data={"csrf": csrf}, headers=headers)).status_code == 303


async def test_a_form_without_a_session_leads_to_signing_in(house: House) -> None:
    """Once a session has run out, a form leads back to a page, not to an address that only takes forms."""
    for path in FORMS:
        house.reader.cookies.clear()
        sent = await house.reader.post(path, data={"csrf": "x"})
        assert sent.status_code == 303, path
        answer = await house.reader.get(sent.headers["location"])
        onward = re.search(r'name="next" value="([^"]*)"', answer.text)
        assert onward is not None, path
        await house.enter()
        assert (await house.reader.get(onward[1])).status_code == 200, path


async def test_mail_that_is_stopped_is_shown_on_every_page(house: House) -> None:
    """While no mail goes out, each page of a member says so, by whom and since when."""
    await mail_switch.stop(house.services, LEAD, "A test")
    await house.enter()
    for path in ("/", "/accounts/versayce", "/accounts/versayce/drafts", "/mail"):
        html = (await house.reader.get(path)).text
        assert "No mail goes out." in html
        assert LEAD.email in html


async def test_a_refused_form_keeps_what_was_typed(house: House) -> None:
    """A time or a note that is refused stands on the page again, next to what is wrong with it."""
    await house.enter()
    csrf = await house.csrf()
    answer = await house.reader.post(
        "/accounts/versayce/meetings/kickoff/report",
        data={"csrf": csrf, "outcome": "held", "note": "It went <well>"},
    )
    assert answer.status_code == 404
    assert "has no meeting" in answer.text
    assert "It went &lt;well&gt;" in answer.text


async def test_an_account_that_never_started_says_how_to_start_it(house: House) -> None:
    """An imported account without an onboarding has a page, with the command that starts it."""
    await house.enter()
    html = (await house.reader.get("/accounts/versayce")).text
    assert "rapport onboarding start versayce" in html
    assert "Dana Whitfield" in html


def test_a_time_is_read_on_the_tams_clock() -> None:
    """What a date field gives is wall time of the zone that the page states; a time that clocks skip is refused."""
    assert wall_time("2026-12-02T10:30", "Europe/Zurich") == datetime(2026, 12, 2, 9, 30, tzinfo=UTC)
    with pytest.raises(UserError, match="skip that time"):
        wall_time("2027-03-28T02:30", "Europe/Zurich")
    with pytest.raises(UserError, match="not filled in"):
        wall_time("", "Europe/Zurich")


# Drafts


def draft(text: str = "Hello\n\nBye\n", paragraph: str | None = None) -> MessageShown:
    """A draft as its page shows it."""
    return MessageShown(
        key="k",
        step="kickoff",
        to="luca.bianchi@versayce.example",
        name="Luca Bianchi",
        state=MessageState.DRAFT,
        subject="Welcome",
        message_id="<x@foobar.example>",
        purpose="proposal",
        reason=None,
        at=NOW,
        text=text,
        html="",
        paragraph=paragraph,
        edited=False,
    )


def typed(**changes: str) -> DraftTyped:
    """What stands in a draft's fields when nobody has touched them."""
    fields = {
        "key": "k",
        "subject": "Welcome",
        "paragraph": "",
        "body": "Hello\r\n\r\nBye",
        "seen": digest("Hello\n\nBye"),
    }
    return DraftTyped(**(fields | changes))


def test_a_form_that_nobody_touched_changes_nothing() -> None:
    """Saving without a change is none, whatever line ends a browser sends."""
    assert typed().change(draft()) is None


def test_a_new_paragraph_does_not_freeze_the_text() -> None:
    """The text that the page showed is no edit of the text, so the paragraph finds its place in the mail."""
    change = typed(paragraph="It was good to see you.").change(draft())
    assert change is not None
    assert change.model_dump(exclude_unset=True) == {"paragraph": "It was good to see you."}


def test_a_text_of_ones_own_never_swallows_the_paragraph() -> None:
    """A whole new text would lose a paragraph typed at the same time; the page says so and saves neither."""
    with pytest.raises(UserError, match="paragraph would be lost"):
        typed(paragraph="P", body="Mine").change(draft())


def test_two_people_do_not_overwrite_each_other() -> None:
    """A text that someone else changed after the page was drawn is not overwritten unseen."""
    with pytest.raises(UserError, match="someone else"):
        typed(body="Mine").change(draft(text="Theirs"))


def test_an_emptied_text_goes_back_to_the_mail_as_written() -> None:
    """Emptying the text takes a rewriting back."""
    change = typed(body="  ").change(draft())
    assert change is not None
    assert change.model_dump(exclude_unset=True) == {"body": None}


# Personal links


def test_a_deadline_is_called_due() -> None:
    """Pages call a deadline what commands call it: due. Until is for how long something lasts."""
    called = re.compile(r"until(?:</dt><dd>|[^<>%]){0,12}\{\{ at\([a-z.]*deadline", re.IGNORECASE)
    templates = files("starters.http.pages") / "templates"
    assert called.search("<div><dt>Until</dt><dd>{{ at(milestone.deadline, zone) }}")
    assert [one.name for one in templates.iterdir() if called.search(one.read_text())] == []


async def test_an_unknown_link_reveals_nothing(house: House) -> None:
    """A link that never was, a malformed one and a cut-off one get the same page, letter by letter."""
    token = await house.link()
    paths = [access.new_token(), token[:-1], token + "x", "x", "a/b", "%00", "%2e%2e%2f", "<script>", "a" * 4000]
    answers = [await house.reader.get(f"/m/{path}") for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert not re.search("FooBar|Versayce|Keller|Kickoff", answers[0].text)


async def test_looking_at_a_link_changes_nothing(house: House) -> None:
    """However often a mail scanner fetches a link, no row of any table changes and no workflow is told."""
    token = await house.link()
    before = await house.rows()
    for _ in range(100):
        assert (await house.reader.get(f"/m/{token}")).status_code == 200
        head = await house.reader.head(f"/m/{token}")
        assert (head.status_code, head.content) == (200, b"")
    assert await house.rows() == before
    assert not house.workflows.told + house.workflows.signalled


async def test_nothing_is_chosen_beforehand(house: House) -> None:
    """The form comes with no box ticked, in the reader's zone, and names the vendor, the TAM and the meeting."""
    html = (await house.reader.get(f"/m/{await house.link()}")).text
    assert html.count('type="checkbox"') == 3
    assert " checked" not in html
    for words in ("FooBar", "Robin Keller", "Luca", "Europe/Zurich", "None of these times work for me"):
        assert words in html


async def test_ones_own_answer_is_shown_again(house: House) -> None:
    """Whoever has voted finds their own ticks, and nobody else's."""
    token = await house.link()
    luca = await house.contact("luca.bianchi@versayce.example")
    votes = (
        Vote(at=present(), id="1", voter=luca, round=1, slots=("2",)),
        Vote(at=present(), id="2", voter="c_2", round=1, slots=("1",)),
    )
    house.workflows.view = view(luca, votes=votes)
    html = (await house.reader.get(f"/m/{token}")).text
    assert re.findall(r'value="(\w+)" checked', html) == ["2"]


async def test_an_answer_is_recorded_and_said_back(house: House) -> None:
    """What was ticked reaches the workflow, with the note kept beside it, and the page says what was recorded."""
    token = await house.link()
    form = await house.form(token)
    answer = await house.reader.post(f"/m/{token}", data={"form": form, "slot": ["2"], "comment": "See\r\n<you>"})
    assert answer.status_code == 200
    assert [vote.slots for vote in house.workflows.told] == [("2",)]
    assert "this time works for you" in answer.text
    assert "See\n&lt;you&gt;" in answer.text
    assert any("See\n<you>" in row for row in (await house.rows())["submissions"])


async def test_none_is_an_answer_of_its_own(house: House) -> None:
    """Saying that no time suits is recorded as such."""
    token = await house.link()
    await house.reader.post(f"/m/{token}", data={"form": await house.form(token), "slot": ["none"]})
    assert [vote.slots for vote in house.workflows.told] == [()]


@pytest.mark.parametrize(
    ("slots", "words"),
    [([], "tick at least one time"), (["1", "none"], "keep one or the other"), (["9" * 20], "no longer on offer")],
)
async def test_what_is_no_answer_is_said_and_nothing_is_lost(house: House, slots: list[str], words: str) -> None:
    """No choice and a contradictory one are refused on the form itself, which keeps the ticks and the note."""
    token = await house.link()
    answer = await house.reader.post(
        f"/m/{token}", data={"form": await house.form(token), "slot": slots, "comment": "N"}
    )
    assert answer.status_code == 422
    assert words in answer.text
    assert re.findall(r'value="(\w+)" checked', answer.text) == [one for one in slots if len(one) < 9]
    assert not house.workflows.told
    assert ">N</textarea>" in answer.text


@pytest.mark.parametrize("note", ["x" * 2001, "bell\x07"])
async def test_a_note_that_cannot_be_kept_is_said_and_not_lost(house: House, note: str) -> None:
    """A note that is too long or has control characters is refused, and stands on the form again with the ticks."""
    token = await house.link()
    data = {"form": await house.form(token), "slot": ["1"], "comment": note}
    answer = await house.reader.post(f"/m/{token}", data=data)
    assert answer.status_code == 422
    assert "Your note" in answer.text
    assert f">{note}</textarea>" in answer.text
    assert re.findall(r'value="(\w+)" checked', answer.text) == ["1"]
    assert not house.workflows.told


async def test_a_time_that_is_gone_is_said(house: House) -> None:
    """A time that left the table while the page was open is refused in words a customer understands."""
    token = await house.link()
    form = await house.form(token)
    house.workflows.receipt = Receipt(accepted=False, reason="there is no such time; choose among 1, 2")
    answer = await house.reader.post(f"/m/{token}", data={"form": form, "slot": ["7"]})
    assert answer.status_code == 409
    assert "no longer on offer" in answer.text


@pytest.mark.parametrize("form", [None, "", "0" * 64, "ünsinn"])
async def test_a_link_alone_answers_nothing(house: House, form: str | None) -> None:
    """A script that knows a link and posts to it without its form is refused."""
    token = await house.link()
    answer = await house.reader.post(f"/m/{token}", data={"slot": ["1"]} | ({} if form is None else {"form": form}))
    assert answer.status_code == 403
    assert not house.workflows.told


async def test_one_links_form_does_not_open_another(house: House) -> None:
    """The form of one link is refused at another."""
    mine, theirs = await house.link(), await house.link()
    answer = await house.reader.post(f"/m/{theirs}", data={"slot": ["1"], "form": await house.form(mine)})
    assert answer.status_code == 403


async def test_another_site_cannot_answer(house: House) -> None:
    """An answer that another site sent is refused."""
    token = await house.link()
    data = {"slot": ["1"], "form": await house.form(token)}
    assert (
        await house.reader.post(f"/m/{token}", data=data, headers={"Origin": "http://evil.example"})
    ).status_code == 403
    assert not house.workflows.told


async def test_a_link_says_something_so_often_an_hour(house: House) -> None:
    """Whoever has a link floods nobody and no workflow with it: it is looked at as before, and another one answers."""
    mine, theirs = await house.link(), await house.link()
    form = await house.form(mine)
    for number in range(ANSWERS_BY_LINK.amount):
        data = {"form": form, "slot": ["1"], "comment": str(number)}
        assert (await house.reader.post(f"/m/{mine}", data=data)).status_code == 200
    heard = len(house.workflows.told)
    refused = await house.reader.post(f"/m/{mine}", data={"form": form, "slot": ["1"], "comment": "one more"})
    assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
    assert len(house.workflows.told) == heard
    assert (await house.reader.get(f"/m/{mine}")).status_code == 200
    data = {"form": await house.form(theirs), "slot": ["1"]}
    assert (await house.reader.post(f"/m/{theirs}", data=data)).status_code == 200


async def test_a_link_opens_nothing_else(house: House) -> None:
    """Whoever came through a link is signed in nowhere."""
    answer = await house.reader.get(f"/m/{await house.link()}")
    assert "set-cookie" not in answer.headers
    assert 'href="/accounts' not in answer.text
    assert (await house.reader.get("/")).status_code == 303


async def test_an_expired_link_says_so(house: House) -> None:
    """An expired link gets a page of its own, which names nobody."""
    answer = await house.reader.get(f"/m/{await house.link(expires=-timedelta(days=2))}")
    assert answer.status_code == 410
    assert "has expired" in answer.text
    assert "Versayce" not in answer.text


async def test_the_link_of_somebody_who_was_replaced_is_over(house: House) -> None:
    """Whoever takes part no more reads that their link is over, can answer nothing by it, and no workflow is told."""
    token = await house.link()
    form = await house.form(token)
    luca = await house.contact("luca.bianchi@versayce.example")
    async with house.services.store.writing() as connection:
        await account_storage.contacts_left(connection, [luca], NOW)
    shown = await house.reader.get(f"/m/{token}")
    answered = await house.reader.post(f"/m/{token}", data={"form": form, "slot": ["1"]})
    for answer in (shown, answered):
        assert answer.status_code == 410
        assert "This link is over" in answer.text
        assert "Versayce" not in answer.text
    assert not house.workflows.told + house.workflows.signalled


async def test_a_link_of_older_times_says_so(house: House) -> None:
    """Once newer times are out, the old link leads to the latest mail and offers nothing to tick."""
    token = await house.link()
    luca = await house.contact("luca.bianchi@versayce.example")
    house.workflows.view = view(luca, round=2)
    html = (await house.reader.get(f"/m/{token}")).text
    assert "There are newer times" in html
    assert "checkbox" not in html


async def test_a_date_that_nobody_could_change_at_once_says_so(house: House) -> None:
    """Where no worker answers, the account's page tells that it waits for one; what is wrong is told as before."""
    await house.enter()
    typed = {"csrf": await house.csrf(), "date": "2030-01-15", "reason": "a fair"}
    house.workflows.view = None
    answer = await house.reader.post("/accounts/versayce/cadence/weekly/skip", data=typed)
    assert answer.headers["location"] == "/accounts/versayce?done=kept"
    assert [(left.update, left.word["day"]) for left in house.workflows.signalled] == [("skip", "2030-01-15")]
    wrong = await house.reader.post("/accounts/versayce/cadence/weekly/skip", data=typed | {"date": "soon"})
    assert wrong.status_code == 422
    assert "That was not done" in wrong.text
    assert "choose one of the list" in wrong.text.lower()


async def test_a_booked_meeting_says_when(house: House) -> None:
    """Once a time is booked, the link shows it in the reader's zone, and says so of an answer that came late."""
    token = await house.link()
    form = await house.form(token)
    luca = await house.contact("luca.bianchi@versayce.example")
    start = NOW.replace(year=NOW.year + 1, month=1, day=15, hour=9, minute=0, second=0)
    booking = Booking(start=start, end=start + timedelta(minutes=30), by="vote")
    house.workflows.view = view(luca, booking=booking, phase=MeetingPhase.BOOKED)
    html = (await house.reader.get(f"/m/{token}")).text
    assert "It is booked" in html
    assert re.search(r"15 January.*10:00", html)
    house.workflows.receipt = Receipt(accepted=False, reason="the time is already booked")
    late = await house.reader.post(f"/m/{token}", data={"form": form, "slot": ["1"]})
    assert late.status_code == 409
    assert "too late to count" in late.text


async def test_a_link_to_a_meeting_that_temporal_has_forgotten_says_what_became_of_it(house: House) -> None:
    """Long after a meeting its link tells from the record that it was held, when, and whom to write to."""
    token = await house.link()
    luca = await house.contact("luca.bianchi@versayce.example")
    start = NOW - timedelta(days=20)
    of = {"account": "versayce", "at": NOW, "step": "kickoff", "who": luca}
    async with house.services.store.writing() as connection:
        await timeline_storage.append(
            connection,
            [
                TimelineEvent(key="C-1/meeting/versayce/kickoff/1/4", kind="meeting.booked", instant=start, **of),
                TimelineEvent(key="C-1/meeting/versayce/kickoff/1/5", kind="meeting.held", **of),
                TimelineEvent(key="C-1/meeting/versayce/kickoff/2/1", kind="meeting.called_off", **of),
            ],
        )
    house.workflows.forgotten = True
    answer = await house.reader.get(f"/m/{token}")
    assert answer.status_code == 200
    assert "This meeting took place" in answer.text
    assert f'<time datetime="{start:%Y-%m-%dT%H:%M:%SZ}">' in answer.text
    assert "mailto:robin.keller@foobar.example" in answer.text


async def test_without_a_worker_a_link_asks_for_patience(house: House) -> None:
    """While nothing can be shown, the page says that nothing is lost, and names nobody."""
    token = await house.link()
    house.workflows.view = None
    answer = await house.reader.get(f"/m/{token}")
    assert answer.status_code == 503
    assert "Nothing is lost" in answer.text
    assert "Versayce" not in answer.text


async def test_without_a_worker_an_answer_is_left_at_the_door(house: House) -> None:
    """An answer that no worker takes is kept as a signal, and the page says that it will be checked."""
    token = await house.link()
    form = await house.form(token)
    house.workflows.view = None
    answer = await house.reader.post(f"/m/{token}", data={"form": form, "slot": ["1", "2"]})
    assert answer.status_code == 200
    assert "Your answer is recorded" in answer.text
    assert "2 of the times" in answer.text
    assert [(left.update, left.word["slots"]) for left in house.workflows.signalled] == [("vote", ["1", "2"])]


# Caught mail


async def test_without_a_catcher_there_is_no_mail_page(house: House) -> None:
    """Where mails go to a real relay, nothing of them can be looked at here."""
    app = create_app(house.services)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=OURS) as reader:
        await reader.get("/sign-in", params={"key": house.key})
        for path in (one for one in PAGES if one.startswith("/mail")):
            assert (await reader.get(path)).status_code == 404
        assert 'href="/mail"' not in (await reader.get("/")).text


async def test_what_was_caught_is_told_apart_from_what_is_really_sent(house: House) -> None:
    """That mail is only caught is said while it goes to the catcher; where a relay is set, that it reaches people."""
    port = await house.catcher.start("127.0.0.1", 0)
    for url, caught in ((f"smtp://127.0.0.1:{port}", True), ("smtp://relay.foobar.example:2525", False)):
        settings = house.services.settings.model_copy(update={"smtp_url": SecretStr(url)})
        house.app.state.services = replace(house.services, settings=settings)
        await house.enter()
        page = (await house.reader.get("/mail")).text
        assert ("Caught here, not really sent" in page) is caught
        assert ("Emails go to relay.foobar.example:2525 and reach their readers" in page) is not caught
    await house.catcher.stop()


async def test_a_caught_mail_runs_and_loads_nothing(house: House) -> None:
    """A mail's HTML comes sandboxed, without scripts or remote pictures, in frames of this server alone."""
    await house.enter()
    answer = await house.reader.get("/mail/00000001/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox;")
    for forbidden in ("allow-scripts", "allow-same-origin", "allow-forms", "http"):
        assert forbidden not in policy
    assert "img-src data:" in policy
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert '<head><base target="_blank">' in answer.text
    frame = re.search(r"<iframe [^>]*>", (await house.reader.get("/mail/00000001")).text)
    assert frame is not None
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame[0]


async def test_an_attachment_is_kept_and_never_shown(house: House) -> None:
    """An attachment is a download under a harmless name, of a type that no browser draws."""
    await house.enter()
    answer = await house.reader.get("/mail/00000001/attachments/0")
    assert answer.headers["content-disposition"] == 'attachment; filename=".._in_vite.ics"'
    assert answer.headers["content-type"] == "application/octet-stream"
    assert (await house.reader.get("/mail/00000001/attachments/1")).status_code == 404


async def test_the_source_is_text(house: House) -> None:
    """The raw mail is plain text, byte by byte."""
    await house.enter()
    answer = await house.reader.get("/mail/00000001/raw")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.content == MAIL


async def test_a_mail_that_is_no_mail_can_be_looked_at(house: House) -> None:
    """What anyone on the machine sent to the catcher never breaks its page."""
    odd = b"Subject: x\r\nContent-Type: text/html; charset=no-such-set\r\n\r\n<b>\xff\xfe</b>"
    (house.catcher.folder / f"00000002-{int(NOW.timestamp() * 1000)}.eml").write_bytes(odd)
    await house.enter()
    assert (await house.reader.get("/mail/00000002")).status_code == 200
    assert (await house.reader.get("/mail/00000002/html")).status_code == 200


async def test_the_timeline_says_for_whom_and_how_they_were_verified(house: House) -> None:
    """Page and command line name for whom someone decided, how they were verified, and the hash of what they saw."""
    async with house.services.store.writing() as connection:
        ines = await account_storage.member_by_email(connection, "ines.moreau@foobar.example")
        robin = await account_storage.member_by_email(connection, "robin.keller@foobar.example")
        assert ines is not None
        assert robin is not None
        actor = Actor(email=ines.email, channel="api", entered_by="token ci")
        said = submission(ines.id, actor, "approve", "w", on_behalf_of=robin.id, shown="0123456789ab" + "f" * 52)
        await timeline_storage.submit(connection, said)
        entry = TimelineEvent(
            key="k", account="versayce", at=NOW, kind="drafts.approved", who=ines.id, submission=said.id
        )
        await timeline_storage.append(connection, [entry])
    [shown] = await timelines.timeline_of(house.services, "versayce")
    assert by_way_of(shown) == "api, verified by token, for Robin Keller, shown 0123456789ab"
    await house.enter()
    page = (await house.reader.get("/accounts/versayce")).text
    words = ", entered by token ci, verified by token, for Robin Keller, shown <code>0123456789ab</code>"
    assert f"through the API{words}" in page


def test_every_button_says_what_it_does() -> None:
    """No button is "it" or a word alone that fits everything: each has a verb and what that is done to."""
    vague = re.compile(r"\b(it|them|anew)\b|^(ok|yes|no|decide|close|ask|answer|merge|nobody came)$", re.IGNORECASE)
    labels = [
        (page.name, text)
        for page in files("starters.http.pages").joinpath("templates").iterdir()
        for inner in re.findall(r"<button[^>]*>(.*?)</button>", page.read_text(), re.DOTALL)
        for text in [*re.findall(r'"([^"]+)"', inner), re.sub(r"{[{%].*?[%}]}", "", inner).strip()]
        if text
    ]
    labels += [
        (page.name, label)
        for page in files("starters.http.pages").joinpath("templates").iterdir()
        for label in re.findall(
            r'{{ (?:say|form|request_form)\((?:"[^"]*", )?(?:"[^"]*"[^,]*, )?"([^"]+)"', page.read_text()
        )
    ]
    assert len(labels) > 30
    # What a button begins with that names whose decision it is.
    assert [one for one in labels if vague.search(one[1]) and one[1] != "Decide"] == []


def test_the_only_answer_to_a_task_is_its_button() -> None:
    """Where there is one answer, the button says it; where there are several, that the chosen one is submitted."""
    macros: Any = _environment().get_template("_task.html").module
    one, other = (SimpleNamespace(id=name, title=f"Do {name}") for name in ("this", "that"))
    for options, kind, label in (
        ([one], "to_do", "Do this"),
        ([one, other], "to_do", "Submit answer"),
        ([one, other], "approval", "Submit decision"),
    ):
        assert macros.submits(SimpleNamespace(options=options, kind=kind)).strip() == label


async def test_a_manager_sees_the_portfolio_by_tam(house: House) -> None:
    """Each TAM with their accounts and whether they have left; one link shows those of one TAM alone."""
    await house.enter()
    assert "By TAM" not in (await house.reader.get("/")).text
    async with house.services.store.writing() as connection:
        values = dict((await connection.execute(select(AccountRow.__table__))).one()._mapping)
        known = await account_storage.members(connection)
        other = next(one for one in known if one.id != values["tam"])
        added = values | {"key": "neighbour", "name": "Neighbour", "tam": other.id}
        await connection.execute(insert(AccountRow), [added])
        await account_storage.mark_left(connection, other.id, NOW)
    whole = (await house.reader.get("/")).text
    assert "By TAM" in whole
    assert re.search(rf'href="/\?tam=[^"]+">{other.name}</a> <strong class="late">has left', whole)
    theirs = (await house.reader.get("/", params={"tam": other.email})).text
    assert 'href="/accounts/neighbour"' in theirs
    assert 'href="/accounts/versayce"' not in theirs
    assert f"{other.name} has left" in theirs


async def test_no_command_acts_in_the_name_of_a_tam_who_has_left(house: House) -> None:
    """What waits for the TAM is printed in their manager's name then, and in nobody's once the manager has left too."""
    key = "versayce"
    async with house.services.store.writing() as connection:
        tam = await account_storage.member(connection, (await account_storage.account(connection, key)).tam)
        assert (await account_storage.serving(connection))[key].acts == tam.email
        known = await account_storage.members(connection)
        above = next(one for one in known if one.id != tam.id)
        await connection.execute(update(MemberRow).where(MemberRow.id == tam.id).values(manager=above.id))
        await account_storage.mark_left(connection, tam.id, NOW)
    wait = OtherWait(
        kind="review",
        ref="TR-1",
        waiting_on=(Role.TAM,),
        waiting_for="a word",
        since=None,
        deadline=None,
        unblock="rapport x --as EMAIL",
    )
    (line,) = await account.portfolio(house.services)
    served = line.model_copy(update={"others": (wait,)})
    async with house.services.store.writing() as connection:
        acts = (await account_storage.serving(connection))[key].acts
        await account_storage.mark_left(connection, above.id, NOW)
        nobody = (await account_storage.serving(connection))[key].acts
    assert [one.unblock for one in served.read_by(None, acts).others] == [f"rapport x --as {above.email}"]
    assert [one.unblock for one in served.read_by(None, nobody).others] == ["rapport x --as EMAIL"]
