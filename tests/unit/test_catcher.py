"""The mail catcher of the embedded stack."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rapport.mail.catcher import Catcher


async def test_who_is_connected_is_hung_up_on_as_it_stops(tmp_path: Path) -> None:
    """It leaves no connection behind, also where the other side keeps its end open."""
    catcher = Catcher(tmp_path / "mail")
    reader, writer = await asyncio.open_connection("127.0.0.1", await catcher.start("127.0.0.1", 0))
    assert (await reader.readline()).startswith(b"220 ")
    await catcher.stop()
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await writer.wait_closed()
