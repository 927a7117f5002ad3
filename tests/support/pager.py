"""A paging service: a real HTTP server on the loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook


@dataclass
class Pager:
    """What the service was asked.

    Attributes:
        refuse: How many requests it refuses first.
        refusal: With what status it does so.
        location: Where it sends them instead.
        secret: What every page has to be signed with, where it is known.
        asked: The first line of every request.
    """

    url: str = ""
    refuse: int = 0
    refusal: str = "503 Unavailable"
    location: str | None = None
    secret: str | None = None
    pages: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        self.asked.append(first)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        more = ""
        if self.refuse > 0:
            status, self.refuse = self.refusal, self.refuse - 1
            more = f"Location: {self.location}\r\n" if self.location else ""
        else:
            status = "204 No Content"
            # Without its check of the time: on the time-skipping server it is another day.
            signed = self.secret is None or headers["webhook-signature"] == Webhook(self.secret).sign(
                headers["webhook-id"], _instant(headers["webhook-timestamp"]), raw.decode()
            )
            self.pages.append(json.loads(raw) if signed else {"unsigned": raw})
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{more}\r\n".encode())
        await writer.drain()
        writer.close()


def _instant(timestamp: str) -> datetime:
    return datetime.fromtimestamp(int(timestamp), tz=UTC)


@asynccontextmanager
async def pager() -> AsyncIterator[Pager]:
    """Run one."""
    made = Pager()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/page"
    async with server:
        yield made
