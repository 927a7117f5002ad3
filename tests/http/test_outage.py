"""A database that is away, or whose disk is full: every route says so, none breaks, and all answer again afterwards."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr
from sqlalchemy import text
from temporalio.client import Client

from rapport.mail.catcher import Catcher
from rapport.model.account import AccountFile
from rapport.model.reading import read_toml
from rapport.settings import Settings
from rapport.storage import access, imports
from rapport.storage.database import Connection, Store
from rapport.storage.faults import DatabaseFault, Where
from starters.http.app import create_app
from starters.services import Services
from tests.conftest import free_port
from tests.helpers_mail import NOW
from tests.mail_fixtures import EXAMPLE
from tests.support.no_workflows import NoWorkflows
from tests.support.postgres import own_database, tables

MAIL = b"From: a@foobar.example\r\nTo: b@versayce.example\r\nSubject: x\r\n\r\nx\r\n"

OURS = "http://127.0.0.1:8700"
ALONE = {"/healthz", "/readyz"}
"""What has its own way to say it."""
UNASKED = {("POST", "/v1/hooks/contract-signed"), ("POST", "/m/1")}
"""What is refused before anything is read: no signature, no form of ours."""
PARTS = {
    "account": "versayce",
    "step": "kickoff",
    "key": "versayce",
    "key:path": "C-1/kickoff/1/1/1/proposal/welcome/c_1",
    "task:path": "versayce/onsite_approval/1",
    "ref": "TR-0001",
    "email": "mara.osei@versayce.example",
}
"""What stands in paths; whatever else does is a word that nobody knows."""


class Dying(Store):
    """A store whose database goes away after so many transactions."""

    left: int | None = None

    def _take(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Where().silent()
            self.left -= 1

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """A transaction, unless it is away."""
        self._take()
        async with super().writing() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A transaction, unless it is away."""
        self._take()
        async with super().reading() as connection:
            yield connection


class ReachedTemporalError(Exception):
    """Whoever asked had what they wanted of the database."""


class Temporal(NoWorkflows):
    """What stands for a server in a test that is not about it."""

    async def check_health(self) -> bool:
        """It is well."""
        return True

    @property
    def service_client(self) -> Temporal:
        """What is asked for its health."""
        return self

    def __getattr__(self, name: str) -> Any:
        """Nothing else of it is there."""
        raise ReachedTemporalError(name)


def leaves(routes: Sequence[Any]) -> Iterator[APIRoute]:
    """The routes themselves, out of the routers that they were put together from."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from leaves(route.original_router.routes)


def requests(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path that the application has, with something in its places."""
    return [
        (method, re.sub(r"{([^}]*)}", lambda place: PARTS.get(place[1], "1"), route.path))
        for route in leaves(app.routes)
        for method in sorted(route.methods or ())
    ]


@asynccontextmanager
async def reader(store: Store, folder: Path) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The application on a store, and a browser without a session; a program's token goes with each request."""
    settings = Settings(data=folder, secret=SecretStr("a secret of the tests"), public_url=OURS, mail_mode="live")
    services = Services(settings, store, cast("Client", Temporal()))
    catcher = Catcher(folder / "mail")
    (catcher.folder / f"00000001-{int(NOW.timestamp() * 1000)}.eml").write_bytes(MAIL)
    app = create_app(services, catcher)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=OURS, headers={"Authorization": "Bearer k"}) as client:
        yield app, client


@pytest.fixture
async def dying(tmp_path: Path) -> AsyncIterator[Dying]:
    """A store with the example account, and the token of whoever reads."""
    with own_database(tmp_path / "rapport.db", tables()) as url:
        store = Dying(url)
        async with store.writing() as connection:
            await imports.save(connection, read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml"), NOW)
            await access.create_token(connection, "owner", ("operator",), NOW, secret="k")
        yield store
        store.left = None
        await store.close()


async def send(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    """One request, with an empty document where it has a body."""
    body = {} if method in ("GET", "DELETE") else {"json": {}} if path.startswith("/v1/") else {"data": {"csrf": "x"}}
    return await client.request(method, path, follow_redirects=False, **cast("Any", body))


def told(answer: httpx.Response, what: str) -> bool:
    """Whether an answer says this as what keeps it from being given: to a program as RFC 9457 has it, or on a page."""
    if answer.status_code != 503 or "retry-after" not in answer.headers:
        return False
    if what not in answer.text.lower() and answer.request.method != "HEAD":
        return False
    api = answer.request.url.path.startswith("/v1/")
    return answer.headers["content-type"].startswith("application/problem+json" if api else "text/html")


AWAY = {
    "nobody listens": ("postgresql+asyncpg://rapport@127.0.0.1:{port}/rapport", "the database does not answer"),
    "no such folder": ("sqlite:///{folder}/nothing/rapport.db", "the database cannot be opened"),
}


@pytest.mark.parametrize("away", AWAY)
async def test_no_route_breaks_when_the_database_is_away(dying: Dying, tmp_path: Path, away: str) -> None:
    """Every route of the API and every page answers 503 and says why, to whoever is signed in; none answers 500."""
    async with reader(dying, tmp_path) as (_, client):
        await client.get("/sign-in", params={"key": "k"})
        cookies = client.cookies
    address, what = AWAY[away]
    store = Store(address.format(port=free_port(), folder=tmp_path))
    wrong = []
    async with reader(store, tmp_path) as (app, client):
        client.cookies = cookies
        every = requests(app)
        assert len(every) > 150
        for method, path in every:
            answer = await send(client, method, path)
            if path not in ALONE and not told(answer, what) and (method, path) not in UNASKED:
                wrong.append((method, path, answer.status_code, answer.text[:200]))
            assert answer.status_code != 500, (method, path, answer.text)
        ready, healthy = await client.get("/readyz"), await client.get("/healthz")
    await store.close()
    assert wrong == []
    assert (ready.status_code, ready.json()["database"], healthy.status_code) == (503, False, 200)
    assert what in ready.json()["why"]


@pytest.mark.parametrize("after", range(1, 9))
async def test_no_page_breaks_when_the_database_goes_away_meanwhile(dying: Dying, tmp_path: Path, after: int) -> None:
    """Wherever in a request it goes away, the answer is the one that was asked for, or says that it does not answer."""
    async with reader(dying, tmp_path) as (app, client):
        await client.get("/sign-in", params={"key": "k"})
        for method, path in requests(app):
            if path in ALONE:
                continue
            dying.left = after
            with contextlib.suppress(ReachedTemporalError):
                answer = await send(client, method, path)
                assert answer.status_code < 500 or told(answer, "the database does not answer"), (
                    method,
                    path,
                    answer.text,
                )
            dying.left = None
        assert (await client.get("/accounts/versayce")).status_code == 200


async def fill(store: Store) -> None:
    """Write until nothing more is taken."""
    while True:
        async with store.writing() as connection:
            await connection.execute(text("INSERT INTO probes (name, at) VALUES (hex(randomblob(3)), '')"))


@pytest.mark.sqlite
async def test_a_full_disk_is_said_on_every_side(dying: Dying, tmp_path: Path) -> None:
    """/readyz is not ready and names the folder; what writes says the same, what reads goes on, and pages have it on
    top until something is taken again.
    """
    async with reader(dying, tmp_path) as (_, client):
        await client.get("/sign-in", params={"key": "k"})
        cookies = client.cookies
    async with dying.writing() as connection:
        await connection.execute(text("PRAGMA max_page_count = 1"))
    with pytest.raises(DatabaseFault):
        await fill(dying)
    wins = [{"id": f"w-{number}", "title": "x" * 100, "day": "2026-11-01"} for number in range(500)]
    async with reader(dying, tmp_path) as (_, client):
        ready = await client.get("/readyz")
        written = await client.post(
            "/v1/accounts/versayce/wins", json={"as": "robin.keller@foobar.example", "records": wins}
        )
        read = await client.get("/v1/accounts/versayce")
        client.cookies = cookies
        pages = [
            (await client.get(path)).text
            for path in ("/", "/inbox", "/accounts/versayce", "/reviews", "/accounts/none")
        ]
        async with dying.writing() as connection:
            await connection.execute(text("PRAGMA max_page_count = 1000000"))
        again = (await client.get("/")).text
    assert (ready.status_code, ready.json()["database"]) == (503, False)
    assert f"the disk is full: {tmp_path}" in ready.json()["why"]
    assert "free some space" in ready.json()["why"]
    assert read.status_code == 200
    for page in pages:
        assert "Nothing can be recorded" in page
        assert f"The disk is full: {tmp_path}" in page
    assert "The disk is full" not in again
    assert told(written, f"the disk is full: {tmp_path}".lower()), written.text


async def test_text_that_no_store_holds_is_refused_alike(dying: Dying, tmp_path: Path) -> None:
    """U+0000 is answered with 422 and the field's name, 404 in a path, on either store; a webhook's body that is no
    text, and a signature of no form, with 401. None is a 500."""
    priya = {"account": "versayce", "question": "Why?", "as": "priya.raman@foobar.example"}
    async with reader(dying, tmp_path) as (app, client):
        for field, document in [("thread", {"thread": "a\0b"}), ("id", {"id": "a\0b"})]:
            answer = await client.post("/v1/cases", json=priya | document)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
        await client.get("/sign-in", params={"key": "k"})
        for route in leaves(app.routes):
            for method in route.methods or ():
                path = re.sub(r"{([^}]*)}", "%00", route.path)
                if "%00" in path:
                    answer = await client.request(method, path, follow_redirects=False)
                    assert answer.status_code == 404, (method, path, answer.text)
        query = await client.get("/v1/inbox", params={"as": "a\0"})
        form = await client.post("/sign-in", data={"email": "a\0@b.example"})
        hook = {"webhook-id": "m1", "webhook-timestamp": str(int(time.time()))}
        hooks = [
            await client.post("/v1/hooks/contract-signed", content=content, headers=hook | {"webhook-signature": how})
            for content in (b'{"type": "contract.signed", "name": "Zo\xeb"}', b"{}")
            for how in ("v1,AAAA", "nonsense", "v1,=")
        ]
    # Whoever asks for a sign-in learns nothing from the answer, whatever was typed.
    assert (query.status_code, form.status_code) == (422, 200)
    assert {answer.status_code for answer in hooks} == {401}
