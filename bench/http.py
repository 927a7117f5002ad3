"""An HTTP client that costs little: keep-alive connections to one server, one JSON document there and back."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final

IDLE_SECONDS: Final = 2.0


class Wrong(Exception):  # noqa: N818 - an answer that the benchmark cannot go on with
    """The server answered with something else than success."""


class Api:
    """The product's API, over as many connections as there are calls at a time."""

    def __init__(self, host: str, port: int, token: str) -> None:
        """Open nothing yet."""
        self._host, self._port = host, port
        self._head = f"Host: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send a document.

        Raises:
            Wrong: The answer is no success.
        """
        return await self._send("POST", path, body)

    async def put(self, path: str, body: dict[str, Any]) -> Any:
        """Send a document that takes another's place. Raises as `post`."""
        return await self._send("PUT", path, body)

    async def _send(self, verb: str, path: str, body: dict[str, Any]) -> Any:
        raw = json.dumps(body).encode()
        fields = f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
        head = f"{verb} {path} HTTP/1.1\r\n{self._head}{fields}\r\n"
        return await self._call(head.encode() + raw)

    async def get(self, path: str) -> Any:
        """Ask for a document.

        Raises:
            Wrong: The answer is no success.
        """
        return await self._call(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())

    async def close(self) -> None:
        """Close every connection."""
        while self._idle:
            self._idle.pop()[2].close()

    async def _call(self, request: bytes) -> Any:
        reader, writer = await self._connection()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        answer = json.loads(await reader.readexactly(int(fields["content-length"])))
        self._idle.append((time.monotonic(), reader, writer))
        if not status.split()[1].startswith("2"):
            raise Wrong(f"{status}: {answer}")
        return answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection that was used last, unless it rests for so long that the server may be closing it."""
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port, limit=1 << 22)
