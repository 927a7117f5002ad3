"""Pages offer their readers the forms that these may send, and no others: what is offered is held against the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from rapport.model.account import MembersFile, Role
from rapport.model.reading import check
from rapport.storage import account as accounts, session
from starters.http.app import create_app
from starters.http.auth import SESSION_COOKIE
from starters.services import present
from starters.use_cases import member as members
from tests.conftest import Installation
from tests.http.test_access import EXPECTED, House, email_of, house, may
from tests.mail_fixtures import empty, imported
from tests.support.kickoff import begin, in_phase
from tests.support.tech_review import request

__all__ = ["empty", "house", "imported"]

PAGES = (
    "/", "/accounts/versayce", "/reviews", "/reviews/new", "/support",
    "/cases/C-00001", "/reviews/TR-0001", "/inbox",
)  # fmt: skip


def offered(page: str) -> set[str]:
    """The routes of the forms and of their buttons on a page that change something."""
    sent = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', page) + re.findall(r'formaction="([^"]+)"', page)
    return {route for path in sent for route in _routes(path)} - {"POST /sign-out"}


def _routes(path: str) -> Iterator[str]:
    if (case := re.fullmatch(r"/cases/[^/]+/([a-z-]+)", path)) is not None:
        yield f"POST /v1/cases/{{ref}}/{case[1]}"
        return
    for name in (*EXPECTED["pages"], "POST /sign-out"):
        method, route = name.split()
        pattern = re.sub(r"\{(\w+)(:path)?\}", lambda part: ".+" if part[2] else "[^/]+", route)
        if method == "POST" and re.fullmatch(pattern, path):
            yield name
            return
    raise AssertionError(f"no route of {path} is known")


def refused(role: str, forms: set[str]) -> set[str]:
    """Those that somebody who is near to no account may not send."""
    rows = EXPECTED["api"] | EXPECTED["pages"]
    return {name for name in forms if not may(role, rows[name], name.split()[1])}


@pytest.fixture(scope="module")
def with_work(house: House) -> House:
    """An installation with a case and a review: they are on record, though nobody works on them."""
    owner = {"Authorization": f"Bearer {house.tokens['scope operator']}"}
    case = {"account": "versayce", "question": "Why?", "as": "robin.keller@foobar.example"}
    asked = request(datetime.now(UTC).date()).model_dump(mode="json", exclude_none=True) | {"as": case["as"]}
    for path, body in (("/v1/cases", case), ("/v1/reviews", asked)):
        assert house.ask("POST", path, headers=owner, json=body).status_code in (201, 503), path
    return house


@pytest.mark.parametrize("role", Role)
def test_no_page_offers_what_its_reader_may_not_do(with_work: House, role: Role) -> None:
    """Signed in as each role, no form on any page is one that would be refused."""
    with_work.client.cookies.clear()
    cookie = {"Cookie": f"{SESSION_COOKIE}={with_work.sessions[role]}"}
    for path in PAGES:
        answer = with_work.ask("GET", path, headers=cookie)
        assert answer.status_code == 200, path
        assert refused(role, offered(answer.text)) == set(), path
        asks = 'href="/reviews/new' in answer.text
        assert not asks or may(role, ["request_reviews"], "/reviews/new"), path


def test_who_may_is_offered_it(with_work: House) -> None:
    """Support's lead answers, merges and assigns; an engineer of a customer asks for reviews; each finds the form."""
    with_work.client.cookies.clear()
    found = {}
    for role in (Role.SUPPORT_LEAD, Role.CE):
        cookie = {"Cookie": f"{SESSION_COOKIE}={with_work.sessions[role]}"}
        found[role] = set().union(*(offered(with_work.ask("GET", path, headers=cookie).text) for path in PAGES))
    verbs = ("answer", "note", "resolve", "assign", "merge", "classify", "escalate", "hand-off", "wait-customer")
    assert found[Role.SUPPORT_LEAD] >= {f"POST /v1/cases/{{ref}}/{verb}" for verb in verbs} | {"POST /support/open"}
    assert found[Role.CE] >= {"POST /reviews/new", "POST /reviews/{ref}/feedback", "POST /reviews/{ref}/withdraw"}


async def test_an_account_that_runs_offers_its_meetings_to_those_who_act(skipping: Installation) -> None:
    """The vice president and sales see where the kickoff is, and no form; an engineer of any account books it."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    services = skipping.services
    written = [{"name": role, "email": email_of(role), "roles": [role], "zone": "UTC"} for role in Role]
    await members.import_members(services, check(MembersFile, {"members": written}, ""))
    app = create_app(services)
    for role, books in ((Role.CE, True), (Role.TAM, False), (Role.CE_VP, False), (Role.SALES, False)):
        async with services.store.writing() as connection:
            found = await accounts.member_by_email(connection, email_of(role))
            assert found is not None
            cookie = await session.begin(connection, present(), member=found.id)
        reader = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", cookies={SESSION_COOKIE: cookie}
        )
        async with reader:
            page = (await reader.get("/accounts/versayce")).text
            minutes = await reader.get("/accounts/versayce/meetings/kickoff/minutes")
        assert "Kickoff" in page
        assert minutes.status_code == 200
        forms = offered(page) | offered(minutes.text)
        assert ("POST /accounts/{key}/meetings/{step}/book" in forms) is books, role
        assert refused(role, forms) == set(), role
