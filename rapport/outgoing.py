"""Everything that Rapport fetches from, or posts to, an address that somebody wrote down.

Such an address may lead inside: to this machine, its neighbours, or the place where a cloud keeps its keys (OWASP,
Server-Side Request Forgery). A name is resolved once, all that it stands for is judged, and the connection goes to
what was judged: neither a redirect nor a second DNS answer leads elsewhere. There is no other way out: a test looks
for one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
import httpx

from rapport.model.base import UserError

SETTING: Final = "RAPPORT_FETCH_ALLOWED_HOSTS"

for _name in ("httpx", "httpcore"):
    # By itself httpx writes each address that it asks into the log, and many an address of a calendar or a webhook is
    # as good as a password.
    logging.getLogger(_name).setLevel(logging.WARNING)

ANSWER_LIMIT: Final = 1_000_000
"""How many bytes an answer may have of which nobody says how large it may be."""

_MOST: Final = "most"

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_6TO4: Final = ipaddress.ip_network("2002::/16")
_INSIDE: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        # What some of the Python versions that we run on do not know to be special, by IANA's registries.
        *("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2001::/23", "3fff::/20", "5f00::/16"),
        # A public number by which Azure answers each of its own machines alone.
        "168.63.129.16/32",
    )
)


class NotPublicError(httpx.ConnectError):
    """An address leads to where Rapport does not go. It is told without the address, which may be a secret."""


class _InsideError(httpcore.ConnectError):
    """The same, as connections tell it."""


class _TooLargeError(httpx.ReadError):
    """An answer has more bytes than it may."""


def is_public(address: IPAddress) -> bool:
    """Whether an address is one that anybody on the internet could reach.

    Of an IPv6 address that stands for an IPv4 one (mapped, RFC 4291 2.5.5.2; NAT64, RFC 6052; 6to4, RFC 3056) the
    latter is judged: a translator on the way leads there.
    """
    if isinstance(address, ipaddress.IPv6Address):
        number = int(address)
        if address.ipv4_mapped is not None or address in _NAT64:
            return is_public(ipaddress.IPv4Address(number & 0xFFFF_FFFF))
        if address in _6TO4:
            return is_public(ipaddress.IPv4Address(number >> 80 & 0xFFFF_FFFF))
        if address.is_site_local:
            return False
    inside = any(address.version == network.version and address in network for network in _INSIDE)
    return address.is_global and not (inside or address.is_multicast or address.is_reserved)


def refuse_inside(url: str, allowed: Iterable[str], field: str) -> None:
    """Refuse an address that leads inside as it is written; what a name stands for is judged at each connection.

    Args:
        allowed: The hosts that an administrator allows.
        field: The field that has the address, for the refusal.

    Raises:
        UserError: It names this machine, or an address that is not public.
    """
    host = _plain(urlsplit(url).hostname or "")
    if host in _hosts(allowed):
        return
    literal = _literal(host)
    inside = host == "localhost" or host.endswith(".localhost") if literal is None else not is_public(literal)
    if inside:
        raise UserError(
            f"{host} isn't a public address",
            field=field,
            fix=f"use a public address, or have an administrator add {host} to {SETTING}",
        )


def client(allowed: Iterable[str] = (), resolve: Resolve | None = None) -> httpx.AsyncClient:
    """What every address that somebody wrote down is asked through. Proxies of the environment are not used.

    Args:
        allowed: Hosts that it may reach wherever they are.
        resolve: Gives the addresses that a host and port stand for; by default the system's resolver.
    """
    return httpx.AsyncClient(
        transport=_Transport(_Judging(_hosts(allowed), resolve or _resolve)), headers={"Accept-Encoding": "identity"}
    )


async def fetch(
    http: httpx.AsyncClient,
    url: str,
    *,
    most: int,
    seconds: float,
    method: str = "GET",
    follow: bool = True,
    **options: Any,
) -> bytes:
    """Fetch a document, also where it has moved to.

    Args:
        most: How many bytes it may have.
        seconds: How long all of it may take.
        follow: Whether to go where it has moved to.
        options: What is sent along: `headers`, `data` or `auth`.

    Raises:
        httpx.HTTPError: It cannot be had; `NotPublicError` where it leads to where Rapport does not go.
        ValueError: It is too large, or where it has moved to is no address.
    """
    try:
        async with asyncio.timeout(seconds):
            answer = await http.request(
                method, url, timeout=seconds, follow_redirects=follow, extensions={_MOST: most}, **options
            )
            answer.raise_for_status()
    except TimeoutError:
        raise httpx.ReadTimeout("it takes too long") from None
    except httpx.InvalidURL:
        raise ValueError("it leads to what is no address") from None
    except _TooLargeError:
        raise ValueError(f"it is larger than {most // 1_000_000} MB") from None
    return answer.content


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to believe who they are; read once a process, as that takes longer than most of a worker's start."""
    return httpx.create_ssl_context()


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's own, over connections that are judged as they are made."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        # There is no argument for it, and what the parent would make is a pool of connections that nobody judges.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_certificates(), keepalive_expiry=5.0, network_backend=backend
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = await super().handle_async_request(request)
        except httpx.ConnectError as error:
            if isinstance(error.__cause__, _InsideError):
                raise NotPublicError(str(error)) from None
            raise
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            # What is packed says nothing of its size, and httpx unpacks a piece of it whole, also one packed twice.
            await answer.aclose()
            raise httpx.DecodingError("it comes packed, which nobody asked for")
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        answer.stream = _Bounded(answer.stream, request.extensions.get(_MOST, ANSWER_LIMIT))
        return answer


@dataclass(frozen=True)
class _Bounded(httpx.AsyncByteStream):
    """An answer's bytes, up to so many: also of one that only says where to go on, which httpx reads to its end."""

    stream: httpx.AsyncByteStream
    most: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for piece in self.stream:
            taken += len(piece)
            if taken > self.most:
                raise _TooLargeError("it is too large")
            yield piece

    async def aclose(self) -> None:
        await self.stream.aclose()


@dataclass(frozen=True)
class _Judging(httpcore.AsyncNetworkBackend):
    """Connects to what a name was judged by. TLS still asks for the name, so a certificate has to fit that."""

    allowed: frozenset[str]
    resolve: Resolve
    backend: httpcore.AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        addresses = await self.resolve(host, port)
        if _plain(host) not in self.allowed and not all(is_public(ipaddress.ip_address(one)) for one in addresses):
            raise _InsideError("it leads to an address that isn't public")
        failed: Exception = httpcore.ConnectError("it stands for no address")
        for address in addresses:
            try:
                return await self.backend.connect_tcp(address, port, *args, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise _InsideError("it leads to a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self.backend.sleep(seconds)


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise httpcore.ConnectError("its name isn't known") from None
    return [str(address[0]) for *_, address in found]


def _hosts(allowed: Iterable[str]) -> frozenset[str]:
    """Hosts as a connection names them: letters of other alphabets in their ASCII form, addresses without brackets."""
    written = (f"[{host}]" if ":" in host else host for host in allowed)
    return frozenset(_plain(httpx.URL(f"http://{host}").raw_host.decode()) for host in written)


def _plain(host: str) -> str:
    literal = _literal(host)
    return host.lower().rstrip(".") if literal is None else str(literal)


def _literal(host: str) -> IPAddress | None:
    """An address that stands in a host's place, also in the short and odd forms that systems read, such as 127.1."""
    name = host.strip("[]").rstrip(".")
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, ValueError):
        return None
