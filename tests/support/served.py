"""An application behind a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn

from starters.stack import take_port


@asynccontextmanager
async def serving(made: Callable[[int], uvicorn.Server]) -> AsyncIterator[int]:
    """Run a server that is made for a port of the loopback; give that."""
    port = take_port(0, "--http-port")
    server = made(port)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await running
