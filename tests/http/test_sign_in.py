"""Members sign in by a mailed link, on a live installation: real SMTP to the catcher, a real workflow, real pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Response
from sqlalchemy import func, select, update

from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id
from rapport.storage import access, account as account_storage
from rapport.storage.access import SIGN_IN_LIFE
from rapport.storage.session import LINK_EVERY, LINKS_AN_HOUR, SESSION_LIFE
from rapport.storage.tables import LinkRow, MessageRow, SessionRow, SubmissionRow
from starters import services as services_module
from starters.http import auth
from starters.http.app import create_app
from starters.http.auth import SESSION_COOKIE, begin_session
from starters.http.limits import LINKS_BY_CLIENT, SIGN_IN_BY_ADDRESS, SIGN_IN_BY_CLIENT
from starters.services import present
from starters.use_cases import (
    account as accounts,
    mail_switch,
    member as members,
    message,
    onboarding,
    sign_in,
    timeline,
    token,
)
from starters.use_cases.member import Leaving
from starters.use_cases.onboarding import StartRequest
from tests.conftest import HOST, TAM, Installation, account, example, link_of, text_of, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS = "http://127.0.0.1:8700"
INES = "ines.moreau@foobar.example"
NOBODY = "nobody@foobar.example"


def browser(app: FastAPI, client: str = "127.0.0.1") -> httpx.AsyncClient:
    """A browser of its own, at this address."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(client, 1)), base_url=OURS)


@pytest_asyncio.fixture(loop_scope="session")
async def app(here: Installation) -> FastAPI:
    """The pages of an installation that knows the example account."""
    await accounts.import_account(here.services, example())
    return create_app(here.services, here.catcher)


@pytest_asyncio.fixture(loop_scope="session")
async def reader(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of someone who is not signed in."""
    async with browser(app) as client:
        yield client


async def asked(here: Installation, reader: httpx.AsyncClient, email: str = TAM.email, onward: str = "/") -> str:
    """Ask for a link and give its path, once the mail has come."""
    before = len(here.mails(email))
    answer = await reader.post("/sign-in", data={"email": email, "next": onward})
    assert answer.status_code == 200
    return f"/m/{link_of((await here.mailed(before + 1, email))[-1])}"


def form(html: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html))


async def use(reader: httpx.AsyncClient, path: str) -> httpx.Response:
    """Open a link and press its one button."""
    return await reader.post(path, data=form((await reader.get(path)).text))


async def rows(here: Installation) -> tuple[Any, ...]:
    """What asking for a link could leave behind."""
    async with here.services.store.reading() as connection:
        return tuple(
            [await connection.scalar(select(func.count()).select_from(table)) for table in (MessageRow, SubmissionRow)]
        )


async def errands_done(here: Installation) -> None:
    """Wait until nothing goes on beside the requests any more."""
    await asyncio.gather(*here.services.background)


async def test_a_mailed_link_signs_a_member_in_and_they_act_as_themself(
    here: Installation, app: FastAPI, reader: httpx.AsyncClient
) -> None:
    """From the address over the mail and its one button to a session that goes on where its reader was going."""
    path = await asked(here, reader, INES, "/accounts/versayce?all=1")
    [mail] = here.mails(INES)
    assert str(mail["From"]) == "FooBar <onboarding@foobar.example>"
    assert str(mail["Reply-To"]) == "FooBar <onboarding@foobar.example>"
    assert "once" in text_of(mail)
    page = await reader.get(path)
    assert page.text.count("<button") == 1
    assert "Sign in as Ines Moreau" in page.text
    assert "<script" not in page.text
    answer = await use(reader, path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts/versayce?all=1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    shown = (await reader.get("/accounts/versayce")).text
    assert "Ines Moreau</span>" in shown
    left = await reader.post("/sign-out", data=form(shown))
    assert left.status_code == 303
    assert (await reader.get("/")).status_code == 303


async def test_a_link_is_good_for_once(here: Installation, app: FastAPI, reader: httpx.AsyncClient) -> None:
    """The second use says that it was used and how to get a new one; of ten uses at once, one counts."""
    path = await asked(here, reader)
    fields = form((await reader.get(path)).text)
    answers = await asyncio.gather(*(browser(app).post(path, data=fields) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [303] + [410] * 9
    for again in (await reader.get(path), await reader.post(path, data=fields)):
        assert again.status_code == 410
        assert "was used already" in again.text
        assert 'href="/sign-in"' in again.text
        assert "set-cookie" not in again.headers
        assert TAM.email not in again.text


async def test_an_expired_link_opens_nothing(here: Installation, reader: httpx.AsyncClient) -> None:
    """A quarter of an hour after it was written a link has expired, and its page says how to get another."""
    path = await asked(here, reader)
    fields = form((await reader.get(path)).text)
    async with here.services.store.writing() as connection:
        life = await connection.scalar(select(LinkRow.expires_at).where(LinkRow.purpose == "sign_in"))
        assert life is not None
        assert timedelta(minutes=14) < life - present() <= timedelta(minutes=15)
        await connection.execute(update(LinkRow).values(expires_at=present() - timedelta(seconds=1)))
    for late in (await reader.get(path), await reader.post(path, data=fields)):
        assert late.status_code == 410
        assert "has expired" in late.text
        assert "Ask for a new link" in late.text
        assert "set-cookie" not in late.headers


async def test_an_unknown_link_reveals_nothing(reader: httpx.AsyncClient) -> None:
    """A token that was made up is answered like any other unknown link."""
    answer = await reader.get("/m/" + "x" * 43)
    assert answer.status_code == 404
    assert "This link is not known" in answer.text


async def test_scanners_may_look_as_often_as_they_like(here: Installation, reader: httpx.AsyncClient) -> None:
    """Twenty looks and as many HEADs by a mail scanner change nothing: the link still works for its reader."""
    path = await asked(here, reader)
    for _ in range(20):
        looked = await reader.get(path)
        assert (looked.status_code, (await reader.head(path)).status_code) == (200, 200)
        assert "set-cookie" not in looked.headers
    assert (await use(reader, path)).status_code == 303


async def test_whoever_asks_learns_nothing(here: Installation, reader: httpx.AsyncClient) -> None:
    """For a member, a stranger, one who has left and nonsense the answer is the same; only the member gets a mail."""
    await members.leave(here.services, INES, Leaving(reason="Retired"), HOST)
    before = await rows(here)
    odd = (NOBODY, INES, "no address", "a\x00b@foobar.example", "")
    answers = [await reader.post("/sign-in", data={"email": email}) for email in odd]
    await errands_done(here)
    assert await rows(here) == before
    answers.append(await reader.post("/sign-in", data={"email": TAM.email.upper()}))
    await here.mailed(1, TAM.email)
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert "If this address belongs to a member, a link is on its way" in answers[0].text
    assert len(here.mails()) == 1


async def test_the_answer_does_not_wait_for_temporal(
    here: Installation, reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes before anything is looked up, so its time tells nothing; a Temporal that is away is logged."""
    go = asyncio.Event()

    async def away(*_: object) -> str | None:
        await go.wait()
        raise UserError("Temporal does not answer", kind=Refused.UNREACHABLE)

    monkeypatch.setattr(sign_in, "ask", away)
    assert (await reader.post("/sign-in", data={"email": TAM.email})).status_code == 200
    [deliver] = here.services.background
    assert not deliver.done()
    go.set()
    await deliver
    assert here.mails() == []


async def test_a_session_ends_when_its_member_leaves(here: Installation, reader: httpx.AsyncClient) -> None:
    """Whoever has left is signed out at once, and their link opens nothing any more."""
    await use(reader, await asked(here, reader))
    unused = await asked(here, reader)
    assert (await reader.get("/")).status_code == 200
    await members.leave(here.services, TAM.email, Leaving(reason="Retired"), HOST)
    assert (await reader.get("/")).status_code == 303
    gone = await reader.get(unused)
    assert gone.status_code == 404
    assert "Robin" not in gone.text


async def test_a_session_ends_when_its_token_is_revoked(here: Installation, reader: httpx.AsyncClient) -> None:
    """An operator's session lives as long as the token that opened it."""
    secret = await token.create(here.services, "owner", ("operator",))
    assert (await reader.post("/sign-in", data={"key": secret})).status_code == 303
    assert (await reader.get("/")).status_code == 200
    await token.revoke(here.services, "owner")
    assert (await reader.get("/")).status_code == 303


async def test_a_session_ends_after_twelve_hours(
    here: Installation, reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server itself counts the hours of a session, whatever the browser does with its cookie; then its row goes."""
    assert timedelta(hours=12) == SESSION_LIFE
    await use(reader, await asked(here, reader))
    began = present()
    for passed, status in ((-timedelta(minutes=1), 200), (timedelta(minutes=1), 303)):
        monkeypatch.setattr(auth, "present", lambda passed=passed: began + SESSION_LIFE + passed)
        assert (await reader.get("/")).status_code == status
    monkeypatch.setattr(auth, "present", lambda: began + SESSION_LIFE * 2)
    await begin_session(Response(), here.services, member=await id_of(here, TAM.email))
    async with here.services.store.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(SessionRow)) == 1


async def id_of(here: Installation, email: str) -> str:
    """A member's id."""
    async with here.services.store.reading() as connection:
        found = await account_storage.member_by_email(connection, email)
    assert found is not None
    return found.id


async def test_a_cookie_is_worth_nothing_once_its_reader_has_signed_out(
    here: Installation, app: FastAPI, reader: httpx.AsyncClient
) -> None:
    """Signing out ends the session on the server: whoever kept the cookie is asked to sign in, and others stay."""
    await use(reader, await asked(here, reader))
    kept = dict(reader.cookies)
    async with browser(app) as thief, browser(app) as elsewhere:
        await use(elsewhere, await asked(here, elsewhere))
        thief.cookies.update(kept)
        assert (await thief.get("/inbox")).status_code == 200
        await reader.post("/sign-out", data=form((await reader.get("/inbox")).text))
        assert (await thief.get("/inbox")).status_code == 303
        assert (await elsewhere.get("/inbox")).status_code == 200


@pytest.mark.parametrize("operator", [False, True])
async def test_signing_out_everywhere_ends_every_session_of_that_person(
    here: Installation, app: FastAPI, reader: httpx.AsyncClient, operator: bool
) -> None:
    """One button ends a member's sessions in all browsers, or those of a token's holders; other people's go on."""
    secrets = [await token.create(here.services, name, ("operator",)) for name in ("mine", "another")]
    async with browser(app) as second, browser(app) as another:
        for who in (reader, second):
            if operator:
                await who.post("/sign-in", data={"key": secrets[0]})
            else:
                await use(who, await asked(here, who))
        await another.post("/sign-in", data={"key": secrets[1]})
        page = (await reader.get("/inbox")).text
        assert "Sign out everywhere</button>" in page
        left = await reader.post("/sign-out", data={**form(page), "everywhere": "yes"})
        assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
        seen = [(await who.get("/")).status_code for who in (reader, second, another)]
    assert seen == [303, 303, 200]


async def test_sessions_go_with_the_member_and_with_the_token(here: Installation, reader: httpx.AsyncClient) -> None:
    """Nothing of a session is kept once its member has left or its token is revoked."""
    await use(reader, await asked(here, reader))
    secret = await token.create(here.services, "owner", ("operator",))
    await reader.post("/sign-in", data={"key": secret})
    await members.leave(here.services, TAM.email, Leaving(reason="Retired"), HOST)
    await token.revoke(here.services, "owner")
    async with here.services.store.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(SessionRow)) == 0


async def test_nobody_learns_a_cookie_from_the_database(here: Installation, reader: httpx.AsyncClient) -> None:
    """Only digests are kept of what browsers carry: whoever reads a backup signs in as nobody."""
    await use(reader, await asked(here, reader))
    carried = reader.cookies[SESSION_COOKIE]
    async with here.services.store.reading() as connection:
        [row] = (await connection.execute(select(SessionRow.id))).all()
    assert row.id == access.digest(carried) != carried
    reader.cookies.set(SESSION_COOKIE, row.id)
    assert (await reader.get("/")).status_code == 303


async def test_a_printed_link_works_once_and_for_minutes(
    here: Installation, app: FastAPI, reader: httpx.AsyncClient
) -> None:
    """A terminal's link is not the token: it signs in once, within a quarter of an hour, while its token is valid."""
    secret = await token.create(here.services, "owner", ("operator",))
    link = await sign_in.printed(here.services, "owner", "/mail")
    assert link.startswith(f"{OURS}/sign-in?key=")
    assert secret not in link
    first = await reader.get(link)
    assert (first.status_code, first.headers["location"]) == (303, "/mail")
    assert (await reader.get("/")).status_code == 200
    async with browser(app) as other:
        assert (await other.get(link)).status_code == 401
        expired = await sign_in.printed(here.services, "owner")
        async with here.services.store.writing() as connection:
            life = await connection.scalar(select(func.max(LinkRow.expires_at)).where(LinkRow.purpose == "operator"))
            assert life is not None
            assert life - present() <= timedelta(minutes=15)
            await connection.execute(update(LinkRow).values(expires_at=present() - timedelta(seconds=1)))
        assert (await other.get(expired)).status_code == 401
        unused = await sign_in.printed(here.services, "owner")
        await token.revoke(here.services, "owner")
        await other.get(unused)
        assert (await other.get("/")).status_code == 303
        with pytest.raises(UserError):
            await sign_in.printed(here.services, "owner")


@pytest.mark.parametrize(
    ("public", "secure"),
    [
        ("http://127.0.0.1:8700", False),
        ("http://[::1]:8700", False),
        ("http://localhost", False),
        ("http://rapport.example", True),
        ("https://127.0.0.1", True),
    ],
)
async def test_a_session_never_travels_in_the_clear(here: Installation, public: str, secure: bool) -> None:
    """Off the loopback the cookie is marked Secure, whatever the public address says."""
    await accounts.import_account(here.services, example())
    settings = here.services.settings.model_copy(update={"public_url": public})
    answer = Response()
    await begin_session(answer, replace(here.services, settings=settings), member=await id_of(here, INES))
    assert ("; secure" in answer.headers["set-cookie"].lower()) is secure


@pytest.mark.parametrize("carried", ["x", "x" * 43, "m_1", "{}", '"x"', "x" * 4000])
async def test_a_cookie_of_no_session_is_none(reader: httpx.AsyncClient, carried: str) -> None:
    """What the server never gave opens nothing, and breaks nothing."""
    reader.cookies.set(SESSION_COOKIE, carried)
    assert (await reader.get("/")).status_code == 303


@pytest.mark.parametrize("forged", [{}, {"form": ""}, {"form": "0" * 64}])
async def test_a_form_that_was_not_drawn_here_signs_nobody_in(
    here: Installation, reader: httpx.AsyncClient, forged: dict[str, str]
) -> None:
    """Without the page's own token, or from another site, nothing is used up and nobody comes in."""
    path = await asked(here, reader)
    fields = form((await reader.get(path)).text)
    assert (await reader.post(path, data=forged)).status_code == 403
    assert (await reader.post(path, data=fields, headers={"Origin": "http://evil.example"})).status_code == 403
    foreign = await reader.post("/sign-in", data={"email": INES}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert here.mails(INES) == []
    assert (await use(reader, path)).status_code == 303


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_a_link_leads_to_no_other_server(here: Installation, reader: httpx.AsyncClient, onward: str) -> None:
    """Wherever the form says to go on, a link leads to a page of ours."""
    path = await asked(here, reader, onward=onward)
    assert (await use(reader, path)).headers["location"] == "/"


async def test_a_member_acts_as_nobody_else(here: Installation, app: FastAPI, reader: httpx.AsyncClient) -> None:
    """What a member does stands on the record as theirs by session; what an operator does, as the TAM's by operator."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    key = file.account.key
    await onboarding.start(here.services, StartRequest(file=file))

    async def drafted() -> bool:
        return len(await message.drafts(here.services, key)) == 4

    await until(drafted, "four drafts")
    await use(reader, await asked(here, reader, INES))
    secret = await token.create(here.services, "owner", ("operator",))
    async with browser(app) as operator:
        await operator.post("/sign-in", data={"key": secret})
        for who in (reader, operator):
            page = (await who.get(f"/accounts/{key}/drafts")).text
            assert ("Signed in as" in page, "Ines Moreau</span>" in page) == (True, who is reader)
            assert f"ou act as {INES if who is reader else TAM.email}" in page
            fields, (position, draft) = form(page), first_draft(page)
            words = await message.show(here.services, draft)
            held = {name: fields[name] for name in ("csrf", f"key-{position}", f"seen-{position}")}
            held |= {f"subject-{position}": words.subject, f"body-{position}": words.text, "do": f"hold:{position}"}
            assert (await who.post(f"/accounts/{key}/drafts", data=held)).status_code == 303

    async def told() -> list[tuple[str | None, str | None]]:
        entries = await timeline.timeline_of(here.services, key)
        found = [(entry.verified, entry.entered_by) for entry in entries if entry.kind == "drafts.held"]
        return found if len(found) == 2 else []

    assert await until(told, "both on the timeline") == [("session", None), ("operator", "token owner")]
    async with here.services.store.reading() as connection:
        who_held = await connection.scalars(select(SubmissionRow.actor).where(SubmissionRow.kind == "hold"))
        held_by = [member.email for member in await account_storage.members(connection, list(who_held))]
    assert held_by == [INES, TAM.email]


def first_draft(page: str) -> tuple[str, str]:
    """The position and the key of the first draft on a page."""
    return next((name.removeprefix("key-"), key) for name, key in form(page).items() if name.startswith("key-"))


async def test_caught_mail_is_the_operators(here: Installation, reader: httpx.AsyncClient) -> None:
    """Everyone's links stand in the caught mails, so a signed-in member sees neither them nor the way there."""
    await use(reader, await asked(here, reader))
    assert 'href="/mail"' not in (await reader.get("/")).text
    for path in ("/mail", "/mail/00000001", "/mail/00000001/raw"):
        assert (await reader.get(path)).status_code == 403
    async with here.services.store.reading() as connection:
        key = await connection.scalar(select(MessageRow.key))
    assert key is not None
    assert "/m/your-personal-link" in (await message.show(here.services, key)).text


async def test_the_page_says_that_no_mail_goes_out(here: Installation, reader: httpx.AsyncClient) -> None:
    """While mail is stopped nobody is left waiting for a link in vain; who stopped it is not told to strangers."""
    await mail_switch.stop(here.services, HOST, "A test")
    answer = await reader.post("/sign-in", data={"email": NOBODY})
    assert "No mail goes out at the moment." in answer.text
    assert TAM.email not in answer.text


WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(ord("a"), ord("z") + 1)} | {".": "。"})


def written(email: str, number: int) -> str:
    """One of the ways to write an address: its domain's letters wide, or large."""
    local, _, domain = email.partition("@")
    some = domain[number % len(domain)]
    return f"{local.upper() if number % 2 else local}@{domain.replace(some, some.translate(WIDE))}"


async def test_a_mailbox_is_not_flooded_by_one_client(here: Installation, app: FastAPI) -> None:
    """A client gets five links an hour into a mailbox, however it writes the address; it is told when to try again."""
    for email in (TAM.email, NOBODY):
        async with browser(app, "192.0.2.1") as client:
            answers = [await client.post("/sign-in", data={"email": written(email, number)}) for number in range(20)]
        taken = SIGN_IN_BY_ADDRESS.amount
        assert [answer.status_code for answer in answers] == [200] * taken + [429] * (20 - taken)
        assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
        assert "Try again in" in answers[-1].text
        await app.state.limits.limiter.clear(SIGN_IN_BY_CLIENT, "192.0.2.1")
    await errands_done(here)
    assert len(await here.mailed(SIGN_IN_BY_ADDRESS.amount, TAM.email)) == SIGN_IN_BY_ADDRESS.amount


async def test_strangers_lock_nobody_out(
    here: Installation, app: FastAPI, reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask for a member's mailbox from wherever, they are answered, and a link that works lies in it."""
    for number in range(LINKS_AN_HOUR + 5):
        async with browser(app, f"192.0.2.{number}") as stranger:
            answer = await stranger.post("/sign-in", data={"email": written(TAM.email, number)})
            assert answer.status_code == 200
    assert (await reader.post("/sign-in", data={"email": TAM.email})).status_code == 200
    await errands_done(here)
    mails = await here.mailed(LINKS_AN_HOUR, TAM.email)
    assert len(mails) == LINKS_AN_HOUR
    assert LINK_EVERY < SIGN_IN_LIFE
    assert (await use(reader, f"/m/{link_of(mails[-1])}")).status_code == 303
    # Once the last one was used, or is getting old, the next request brings another.
    later = present() + LINK_EVERY
    monkeypatch.setattr(services_module, "present", lambda: later)
    await reader.post("/sign-in", data={"email": TAM.email})
    await here.mailed(LINKS_AN_HOUR + 1, TAM.email)


async def test_requests_at_once_are_counted_one_after_the_other(here: Installation) -> None:
    """Of many requests at the same time as many are taken as one after the other, on either database."""
    await accounts.import_account(here.services, example())
    asked = await asyncio.gather(*(sign_in.ask(here.services, TAM.email, "/") for _ in range(LINKS_AN_HOUR * 2)))
    assert len([one for one in asked if one is not None]) == LINKS_AN_HOUR
    assert await sign_in.ask(here.services, INES, "/") is not None


async def test_a_client_is_slowed_down(app: FastAPI) -> None:
    """One client, or one IPv6 network, may ask for many addresses only so often, while others go on."""
    for number in range(SIGN_IN_BY_CLIENT.amount):
        async with browser(app, f"2001:db8::{number:x}") as client:
            assert (await client.post("/sign-in", data={"email": f"a{number}@b.example"})).status_code == 200
    async with browser(app, "2001:db8::ffff") as client:
        assert (await client.post("/sign-in", data={"key": "x"})).status_code == 429
    async with browser(app, "2001:db8:0:1::1") as client:
        assert (await client.post("/sign-in", data={"key": "x"})).status_code == 401


async def test_links_cannot_be_tried_without_end(app: FastAPI) -> None:
    """Whoever asks for links by the hundred gets a page that says when to come back."""
    async with browser(app, "192.0.2.1") as client:
        seen = {(await client.head("/m/x")).status_code for _ in range(LINKS_BY_CLIENT.amount)}
        assert seen == {404}
        refused = await client.get("/m/x")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert "Too many requests" in refused.text
    async with browser(app, "192.0.2.2") as client:
        assert (await client.get("/m/x")).status_code == 404


async def test_links_that_sign_in_are_off_unless_switched_on(here: Installation) -> None:
    """Deciding without signing in is weaker, so an installation has to ask for it."""
    assert not sign_in.may_decide_without_sign_in(here.services)
    switched = replace(here.services, settings=here.services.settings.model_copy(update={"links_sign_in": True}))
    assert sign_in.may_decide_without_sign_in(switched)


async def test_a_used_link_stays_used(here: Installation, reader: httpx.AsyncClient) -> None:
    """Using is one compare-and-set: what was used or has expired cannot be used by any later transaction."""
    path = await asked(here, reader)
    async with here.services.store.writing() as connection:
        assert not await access.use_link(connection, path[3:], present() + timedelta(minutes=16))
        assert await access.use_link(connection, path[3:], present())
        assert not await access.use_link(connection, path[3:], present())
