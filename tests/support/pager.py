"""A paging service: a real HTTP server on the loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Pager:
    """What the service was asked.

    Attributes:
        refuse: How many requests it refuses first.
    """

    url: str = ""
    refuse: int = 0
    pages: list[dict[str, Any]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split()[0])
        body = json.loads(await reader.readexactly(length))
        status = "503 Unavailable" if self.refuse > 0 else "204 No Content"
        if self.refuse > 0:
            self.refuse -= 1
        else:
            self.pages.append(body)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def pager() -> AsyncIterator[Pager]:
    """Run one."""
    made = Pager()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/page"
    async with server:
        yield made
