"""No address that somebody wrote down leads inside: not as written, not by its name, not after a redirect."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
import logging
import re
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import httpcore
import httpx
import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities import webhooks
from activities.planning import Planning
from rapport import outgoing
from rapport.model.account import AccountFile, MembersFile, WrittenMember
from rapport.model.base import UserError
from rapport.model.reading import read_toml
from rapport.outgoing import NotPublicError
from rapport.settings import Settings
from rapport.storage import account as account_storage
from rapport.storage.database import Store
from starters.services import Services
from starters.use_cases import account, member
from tests.helpers_mail import NOW, activity_at
from tests.support.receiver import Receiver, receiver

ROOT = Path(__file__).parent.parent.parent

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
INSIDE = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.0.8", "192.88.99.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "::ffff:168.63.129.16"),
    *("::1", "::", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1"),
    *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:10.0.0.1", "::127.0.0.1", "2001:0:7f00:1::1", "5f00::1"),
    *(
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "2002:a00:1::",
    ),
]


@pytest.fixture
async def inside() -> AsyncIterator[Receiver]:
    """Something on the loopback that nobody is to reach."""
    async with receiver() as opened:
        yield opened


class Names:
    """A resolver whose answers change from one question to the next; the last one stays."""

    def __init__(self, **names: list[list[str]]) -> None:
        """The answers of each name, in order."""
        self.names, self.asked = names, 0

    async def __call__(self, host: str, port: int) -> list[str]:
        """Answer."""
        self.asked += 1
        answers = self.names.get(host.partition(".")[0], [[host]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is(address: str) -> None:
    """Addresses of the internet are, also where IPv6 carries them."""
    assert outgoing.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_public_is_not(address: str) -> None:
    """Loopback, link-local, private, shared, reserved and multicast addresses are not, in whatever form."""
    assert not outgoing.is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_carried_by_another_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    """Mapped, translated and 6to4 forms of an address are public exactly where it is."""
    number = int(address)
    public = outgoing.is_public(address)
    for carried in ((0xFFFF << 32) | number, (0x64FF9B << 96) | number, (0x2002 << 112) | (number << 80) | 1):
        assert outgoing.is_public(ipaddress.IPv6Address(carried)) == public


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "LOCALHOST.", "a.localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"),
        *("[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.1.2.3", "[64:ff9b::7f00:1]"),
    ],
)
async def test_an_address_that_leads_inside_is_refused_as_written(host: str, inside: Receiver) -> None:
    """It is refused where it is written, with the field and the setting; and again where it would be asked."""
    url = f"http://{host}:{inside.port}/latest/meta-data"
    with pytest.raises(UserError) as refused:
        outgoing.refuse_inside(url, (), "members[0].calendar_url")
    assert refused.value.field == "members[0].calendar_url"
    assert "RAPPORT_FETCH_ALLOWED_HOSTS" in refused.value.fix
    async with outgoing.client() as http:
        with pytest.raises((NotPublicError, httpx.ConnectError, httpx.InvalidURL)):
            await http.get(url)
    assert inside.taken == []


async def test_an_administrator_can_allow_a_host(inside: Receiver) -> None:
    """An allowed host is asked wherever it is, by name or address; another one is not allowed with it."""
    names = Names(calendar=[["127.0.0.1"]], other=[["127.0.0.1"]])
    async with outgoing.client(("Calendar.corp.example", "127.0.0.1"), names) as http:
        for host in ("calendar.corp.example", "CALENDAR.corp.example."):
            assert (await http.get(f"http://{host}:{inside.port}/")).status_code == 200
        with pytest.raises(NotPublicError):
            await http.get(f"http://other.corp.example:{inside.port}/")
    outgoing.refuse_inside("http://127.0.0.1:1/", ("127.0.0.1",), "x")
    assert len(inside.taken) == 2


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["::ffff:127.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
async def test_a_name_that_stands_for_an_address_inside_is_not_asked(answer: list[str], inside: Receiver) -> None:
    """What a name stands for is judged, all of it, and nothing of the address is in the words."""
    async with outgoing.client(resolve=Names(evil=[answer])) as http:
        with pytest.raises(NotPublicError) as refused:
            await http.get(f"http://evil.example:{inside.port}/a-secret-path")
    assert str(refused.value) == "it leads to an address that isn't public"
    assert inside.taken == []


async def test_a_second_answer_leads_nowhere_else(inside: Receiver) -> None:
    """DNS rebinding: a name is asked for once a connection, and the connection goes to what was judged then."""
    names = Names(rebind=[["203.0.113.7"], ["127.0.0.1"]])
    went: list[str] = []

    class Recording(httpcore.AnyIOBackend):
        async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
            went.append(host)
            raise httpcore.ConnectError("nobody is there")

    judging = outgoing._Judging(frozenset(), names, Recording())
    # 203.0.113.7 is for documentation and not public: here it plays an address that is.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(outgoing, "is_public", lambda address: str(address) != "127.0.0.1")
        with pytest.raises(httpcore.ConnectError, match="nobody is there"):
            await judging.connect_tcp("rebind.example", inside.port)
        assert (went, names.asked) == (["203.0.113.7"], 1)
        with pytest.raises(httpcore.ConnectError, match="isn't public"):
            await judging.connect_tcp("rebind.example", inside.port)
    assert went == ["203.0.113.7"]
    assert inside.taken == []


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://evil.example:{port}/",
        "file:///etc/passwd",
    ],
)
async def test_each_hop_of_a_redirect_is_judged(target: str, inside: Receiver) -> None:
    """A calendar that moves is followed, but not inside; a move to another scheme ends it."""
    async with receiver() as moved, receiver() as allowed:
        moved.answers += [(302, {"Location": f"http://calendar.example:{allowed.port}/"})]
        allowed.answers += [(302, {"Location": target.format(port=inside.port)})]
        names = Names(calendar=[["127.0.0.1"]], evil=[["127.0.0.1"]])
        async with outgoing.client(("calendar.example",), names) as http:
            with pytest.raises((NotPublicError, httpx.UnsupportedProtocol)):
                await outgoing.fetch(http, f"http://calendar.example:{moved.port}/", most=100, seconds=5)
        assert (len(moved.taken), len(allowed.taken)) == (1, 1)
    assert inside.taken == []


async def test_what_is_fetched_is_bounded() -> None:
    """A document may have so many bytes, and all of it may take so long, however slowly it comes."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not over.is_set():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        ended.release()

    over, ended = asyncio.Event(), asyncio.Semaphore(0)
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, outgoing.client(("127.0.0.1",)) as http:
        began = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            await outgoing.fetch(http, url, most=100, seconds=0.3)
        assert time.monotonic() - began < 3
        with pytest.raises(ValueError, match="larger"):
            await outgoing.fetch(http, url, most=2, seconds=5)
        over.set()
        for _ in range(2):
            await ended.acquire()


@asynccontextmanager
async def _answering(head: str, pieces: Iterable[bytes]) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that answers with this head and as many of these pieces as are taken; counts its bytes."""
    sent: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            writer.write(f"HTTP/1.1 {head}\r\nConnection: close\r\n\r\n".encode())
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                sent.append(len(piece))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", sent


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip", "GZIP"])
async def test_nothing_is_unpacked(coding: str) -> None:
    """A few bytes that unpack to many, packed twice to gigabytes, are refused as they are; nobody asked for them."""
    packed = b"x"
    for _ in coding.split(","):
        packed = gzip.compress(packed * 1_000) if coding != "deflate" else zlib.compress(packed * 1_000)
    async with (
        _answering(f"200 OK\r\nContent-Encoding: {coding}", [packed]) as (url, _),
        outgoing.client(("127.0.0.1",)) as http,
    ):
        with pytest.raises(httpx.DecodingError):
            await outgoing.fetch(http, url, most=1_000_000, seconds=5)
        with pytest.raises(httpx.DecodingError):
            await http.get(url)


async def test_what_a_redirect_says_beside_its_address_is_bounded() -> None:
    """Of an answer that only leads on, no more is read than of a document, and of others not more than a megabyte."""
    endless = [b"x" * 100_000] * 1_000
    moved = "302 Found\r\nLocation: /there"
    async with _answering(moved, endless) as (url, sent), outgoing.client(("127.0.0.1",)) as http:
        with pytest.raises(ValueError, match="larger"):
            await outgoing.fetch(http, url, most=1_000, seconds=5)
        with pytest.raises(httpx.ReadError):
            await http.get(url)
    assert sum(sent) < 50_000_000


async def test_of_a_webhooks_answer_the_status_alone_is_read() -> None:
    """A receiver that takes a post, and says so on an endless page, has taken it."""
    async with _answering("200 OK", [b"x" * 100_000] * 1_000) as (url, sent), outgoing.client(("127.0.0.1",)) as http:
        await webhooks.post(http, webhooks.Hook(SecretStr(url)), "e1", b"{}", NOW)
    assert sum(sent) < 50_000_000


async def test_no_address_stands_in_a_log(inside: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a worker's log is to hold: calendars' and webhooks' addresses are secrets, and so is where they lead."""
    inside.answers += [(302, {"Location": "/another-secret-path"}), (200, {}), (200, {}), (500, {})]
    with caplog.at_level(logging.DEBUG):
        async with outgoing.client(("127.0.0.1",)) as http:
            await outgoing.fetch(http, inside.url, most=100, seconds=5)
            await webhooks.post(http, webhooks.Hook(SecretStr(inside.url)), "e1", b"{}", NOW)
            with pytest.raises(webhooks.Later):
                await webhooks.post(http, webhooks.Hook(SecretStr(inside.url)), "e1", b"{}", NOW)
    assert len(inside.taken) == 4
    assert "secret" not in caplog.text


async def test_proxies_of_the_environment_are_not_used(inside: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect to what nobody judged."""
    monkeypatch.setenv("HTTP_PROXY", inside.url)
    monkeypatch.setenv("ALL_PROXY", inside.url)
    async with outgoing.client() as http:
        with pytest.raises(NotPublicError):
            await http.get(f"http://127.0.0.1:{inside.port}/")
    assert inside.taken == []


async def test_a_calendar_inside_is_refused_at_the_door(store: Store, tmp_path: Path) -> None:
    """A members' file and an account's with a calendar on a private address change nothing; the refusal says where."""
    written = read_toml(AccountFile, (ROOT / "examples" / "versayce.toml").read_bytes(), "versayce.toml")
    first, *others = written.members
    evil = WrittenMember.model_validate({**first.model_dump(), "calendar_url": "http://127.0.0.1:9/", "title": "Evil"})
    members = (*others, evil)
    for allowed in ((), ("127.0.0.1",)):
        settings = Settings(data=tmp_path, secret=SecretStr("x"), fetch_allowed_hosts=allowed)
        services = Services(settings, store, cast("Client", object()))
        imports: list[Callable[[], Awaitable[object]]] = [
            partial(member.import_members, services, MembersFile(members=members)),
            partial(account.import_account, services, written.model_copy(update={"members": members})),
        ]
        for work in imports:
            if allowed:
                await work()
                continue
            with pytest.raises(UserError) as refused:
                await work()
            assert refused.value.field == f"members[{len(others)}].calendar_url"
        async with store.reading() as connection:
            titles = [one.title for one in await account_storage.members(connection)]
        assert ("Evil" in titles) is bool(allowed)


async def test_a_calendar_that_came_to_lie_inside_is_not_asked(inside: Receiver, store: Store) -> None:
    """Whatever stands on record, its host is judged when the calendar is read: at once, and without another attempt."""
    async with store.reading() as connection:
        robin = next(one for one in await account_storage.members(connection) if one.email.startswith("robin"))
    robin = robin.model_copy(update={"calendar_url": inside.url})
    async with outgoing.client() as http:
        with pytest.raises(ApplicationError, match="RAPPORT_FETCH_ALLOWED_HOSTS") as refused:
            await activity_at(NOW).run(Planning(store, http).busy, robin, NOW, NOW + timedelta(days=1))
    assert (refused.value.type, refused.value.non_retryable) == ("CalendarUnreadable", True)
    assert inside.taken == []


WAYS_OUT = re.compile(
    r"httpx\.(?:Async)?Client\(|httpx\.(?:request|stream|get|post|put|patch|delete|head|options)\(|from httpx import"
    r"|\b(?:import|from) (?:urllib\.request|http\.client|requests|aiohttp|urllib3|httpcore|websockets)\b"
    r"|from urllib import request|from http import client|\b(?:open|create)_connection\b"
)
"""Where a client is made, or a module comes in that makes one without being asked."""
OWN = ("starters/drill/", "rapport/outgoing.py")
"""The drill asks the installation that it has started itself; the other one is the way out."""


def test_there_is_no_other_way_out() -> None:
    """Whatever is asked over HTTP goes through `rapport.outgoing`; nothing else makes a client or a connection."""
    folders = [ROOT / name for name in ("rapport", "activities", "workflows", "starters")]
    files = [ROOT / "worker.py", *(file for folder in folders for file in folder.rglob("*.py"))]
    found = {str(file.relative_to(ROOT)) for file in files if WAYS_OUT.search(file.read_text())}
    assert "rapport/outgoing.py" in found
    assert [name for name in sorted(found) if not name.startswith(OWN)] == []
