"""A mail server that delivers nothing: it keeps each mail for people to look at. Loopback only."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from rapport.mail.compose import readable

MAX_MAILS: Final = 2_000
MAX_CAUGHT: Final = 10_000_000
_NAME = re.compile(r"^(\d{8})-(\d+)\.eml$")


@dataclass(frozen=True)
class Caught:
    """One mail that was caught, without its body."""

    id: str
    at: datetime
    sender: str
    to: str
    subject: str


class Catcher:
    """Keeps the mails in one folder, the newest `MAX_MAILS` of them."""

    def __init__(self, folder: Path) -> None:
        """Use a folder of the data directory; what lies there from before stays."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._last = max((int(match[1]) for name in self._names() if (match := _NAME.match(name))), default=0)
        self._server: asyncio.Server | None = None
        self._sessions: WeakSet[SMTP] = WeakSet()

    async def start(self, host: str, port: int) -> int:
        """Listen; on any free port, if it is 0.

        Returns:
            The port.

        Raises:
            ValueError: The address is not on the loopback: a catcher that others can reach is an open door.
            OSError: The port is taken.
        """
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError("the mail catcher listens on the loopback only")
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            made = SMTP(self, hostname="catcher.rapport.example", data_size_limit=MAX_CAUGHT, loop=loop)
            self._sessions.add(made)
            return made

        self._server = await loop.create_server(session, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def listens_at(self, host: str, port: int) -> bool:
        """Whether mail that goes there is caught here; of one that does not listen, nobody knows."""
        return self._server is None or any(one.getsockname()[:2] == (host, port) for one in self._server.sockets)

    async def stop(self) -> None:
        """Stop listening, and hang up on whoever is connected still."""
        if self._server is not None:
            self._server.close()
            self._server = None
            for session in tuple(self._sessions):
                if session.transport is not None:
                    session.transport.close()
            # A connection is closed in the loop's next turn, not by now.
            await asyncio.sleep(0)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        """Keep one mail; aiosmtpd calls this."""
        content = envelope.content
        assert isinstance(content, bytes)
        self._last += 1
        stamp = int(datetime.now(UTC).timestamp() * 1000)
        path = self.folder / f"{self._last:08d}-{stamp}.eml"
        try:
            path.write_bytes(content)
        except OSError:
            # Half of a mail is none. Whoever sends it keeps it, and tries again.
            path.unlink(missing_ok=True)
            return "452 4.3.1 the disk is full, or cannot be written; try again later"
        for name in self._names()[:-MAX_MAILS]:
            (self.folder / name).unlink(missing_ok=True)
        return "250 2.0.0 caught, and not really sent"

    def mails(self) -> list[Caught]:
        """What was caught, newest first."""
        return [self._caught(name) for name in reversed(self._names())]

    def raw(self, id_: str) -> bytes | None:
        """One mail's bytes."""
        name = next((name for name in self._names() if name.split("-")[0] == id_), None)
        return (self.folder / name).read_bytes() if name else None

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if _NAME.match(path.name))

    def _caught(self, name: str) -> Caught:
        match = _NAME.match(name)
        assert match is not None
        parts = readable((self.folder / name).read_bytes())
        return Caught(
            id=match[1],
            at=datetime.fromtimestamp(int(match[2]) / 1000, UTC),
            sender=parts["from"],
            to=parts["to"],
            subject=parts["subject"],
        )
