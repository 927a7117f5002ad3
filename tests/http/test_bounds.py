"""No body grows beyond its route's limit: what goes on is answered and cut off, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from fastapi import Request
from pydantic import SecretStr
from temporalio.client import Client

from rapport.model.reading import MAX_BYTES
from rapport.rules.attachment import MAX_TOTAL
from rapport.settings import Settings
from rapport.storage import access
from rapport.storage.database import Store
from starters.http.app import SECURITY_HEADERS, create_app
from starters.http.auth import UnauthorizedError
from starters.http.bounds import LIMITS, limit_of
from starters.http.hooks import signed
from starters.http.serve import listening
from starters.services import Services, present
from tests.mail_fixtures import empty, imported, store
from tests.support.served import serving

__all__ = ["empty", "imported", "store"]

MUCH = 400_000_000
IN_FLIGHT = 20_000_000
"""What the buffers of two sockets may hold beside what is read, and what is thrown away while the answer is read."""
CHUNK = b"x" * 65_536


@pytest.fixture
async def port(store: Store, tmp_path: Path) -> AsyncIterator[int]:
    """Where an installation answers, whose Temporal nobody reaches."""
    settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"), mail_mode="live")
    async with store.writing() as connection:
        await access.create_token(connection, "owner", ("operator",), present(), secret="known")
    services = Services(settings, store, cast("Client", object()))
    app = create_app(services)
    async with serving(lambda at: uvicorn.Server(listening(app, "127.0.0.1", at, log_config=None))) as opened:
        yield opened


async def pour(
    port: int, method: str, path: str, *headers: str, start: bytes = b"", most: int = MUCH
) -> tuple[str, int]:
    """Send a chunked body for as long as the connection stands; give all that is answered, and how much was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Transfer-Encoding: chunked", *headers]
    writer.write("\r\n".join([*head, "", ""]).encode())
    got = bytearray()

    async def hear() -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(4096):
                got.extend(piece)

    hearing = asyncio.create_task(hear())
    sent, chunk = 0, start or CHUNK
    with contextlib.suppress(ConnectionError):
        while not hearing.done() and sent < most:
            writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            await writer.drain()
            sent, chunk = sent + len(chunk), CHUNK
        writer.write(b"0\r\n\r\n")
        await asyncio.wait_for(hearing, 20)
    writer.close()
    await hearing
    return got.decode(), sent


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


MULTIPART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
AS_FORM = "Content-Type: multipart/form-data; boundary=b"
ROUTES: list[tuple[str, str, tuple[str, ...], bytes]] = [
    ("POST", "/v1/hooks/contract-signed", ("Content-Type: application/json",), b""),
    ("POST", "/sign-in", (AS_FORM,), MULTIPART),
    ("POST", "/sign-in", ("Content-Type: application/x-www-form-urlencoded",), b""),
    ("POST", "/v1/onboardings", ("Authorization: Bearer known", "Content-Type: application/json"), b""),
    ("PUT", "/v1/messages/a/b/files/x.txt?as=a@b.example", ("Authorization: Bearer known",), b""),
    ("POST", "/m/" + "x" * 43, (AS_FORM,), MULTIPART),
    # As curl sends it: told to go on, it goes on.
    ("POST", "/v1/hooks/contract-signed", ("Content-Type: application/json", "Expect: 100-continue"), b""),
]


@pytest.mark.parametrize(("method", "path", "headers", "start"), ROUTES)
async def test_a_body_without_end_is_cut_off(
    port: int, monkeypatch: pytest.MonkeyPatch, method: str, path: str, headers: tuple[str, ...], start: bytes
) -> None:
    """413 as soon as the limit is passed, the connection closed; memory stays flat and nothing is put on the disk."""
    spooled = 0
    rollover = tempfile.SpooledTemporaryFile.rollover

    def counted(file: Any) -> None:
        nonlocal spooled
        spooled += 1
        rollover(file)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", counted)
    before = peak()
    answer, sent = await pour(port, method, path, *headers, start=start)
    head, _, body = answer.removeprefix("HTTP/1.1 100 Continue\r\n\r\n").partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 413 "), head
    assert "connection: close" in head.lower()
    for name in SECURITY_HEADERS:
        assert name.lower() in head.lower()
    kind = "application/problem+json" if path.startswith("/v1/") else "text/html"
    assert kind in head
    assert "is larger than" in body
    assert sent < limit_of(path) + IN_FLIGHT
    assert peak() - before < IN_FLIGHT + limit_of(path)
    assert spooled == 0


async def test_an_announced_length_is_refused_before_a_byte_is_read(port: int) -> None:
    """Whoever says how much would come is answered at once; "Expect: 100-continue" is not told to go on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/onboardings HTTP/1.1\r\nHost: x\r\nContent-Length: {MUCH}\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 413 ")
    assert "100 Continue" not in answer
    assert '"field":"body"' in answer


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/v1/hooks/contract-signed", MAX_BYTES),
        ("/v1/messages/a/b/c/files/slides.pdf", MAX_BYTES + MAX_TOTAL),
        ("/v1/messages/a/b/c", MAX_BYTES),
        ("/accounts/versayce/drafts", MAX_BYTES + MAX_TOTAL),
        ("/accounts/versayce/drafts/x", MAX_BYTES),
        ("/sign-in", LIMITS[1][1]),
        ("/m/" + "x" * 43, LIMITS[2][1]),
        ("/nothing/here", MAX_BYTES),
    ],
)
def test_each_kind_of_route_has_its_limit(path: str, most: int) -> None:
    """Files may be large where files belong; strangers' bodies are small; all else has one megabyte."""
    assert limit_of(path) == most


async def test_a_signature_is_asked_for_whatever_the_size(store: Store, tmp_path: Path) -> None:
    """Should a body ever come by the bound, it is no one's until its signature fits."""
    services = Services(
        Settings(data=tmp_path, secret=SecretStr("a secret of the tests")), store, cast("Client", object())
    )

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * (MAX_BYTES + 1), "more_body": False}

    with pytest.raises(UnauthorizedError):
        await signed(Request({"type": "http", "method": "POST", "headers": []}, receive), services)


async def test_what_fits_is_taken(port: int) -> None:
    """A chunked body below the limit is read as one with a length is."""
    answer, _ = await pour(port, "POST", "/v1/hooks/contract-signed", start=b"{}", most=2)
    assert answer.startswith("HTTP/1.1 401 ")
