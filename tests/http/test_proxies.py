"""Whom a request is counted for: what a proxy says of its client counts where the proxy is named, and nowhere else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import uvicorn

from starters.http.serve import listening
from tests.support.served import serving

CLAIM = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [
        (None, ["127.0.0.1", "http"]),
        ("", ["127.0.0.1", "http"]),
        ("192.0.2.1", ["127.0.0.1", "http"]),
        ("192.0.2.1,127.0.0.1", ["203.0.113.9", "https"]),
        ("127.0.0.0/8", ["203.0.113.9", "https"]),
    ],
)
async def test_a_client_is_who_connects_unless_a_named_proxy_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, proxies: str | None, seen: list[str]
) -> None:
    """Headers of whoever connects are worth nothing, also on the loopback, unless `FORWARDED_ALLOW_IPS` names them."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if proxies is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", proxies)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{scope['client'][0]} {scope['scheme']}".encode()})

    server = serving(lambda port: uvicorn.Server(listening(app, "127.0.0.1", port, log_config=None)))
    async with server as port, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/", headers=CLAIM)
    assert answer.text.split() == seen
