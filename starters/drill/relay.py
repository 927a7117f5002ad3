"""The drill's relay, in a process of its own: just enough ESMTP, and it keeps all that it takes before it says so.

`python -m starters.drill.relay PORT FOLDER`. How it behaves stands in the folder's `conduct.json`, read anew for each
command, so that killing it changes nothing. `taken.jsonl` has one line a mail that it took, with the mail beside it;
`refused` has the addresses for which it refused a mail for good, `met` the turns of its conduct that somebody met.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes, policy
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final

from rapport.model.base import WireModel

CONDUCT: Final = "conduct.json"
TAKEN: Final = "taken.jsonl"
RELAY_REFUSED: Final = "refused"
MET: Final = "met"
RELAY_USER: Final = "drill"
LOOK_SECONDS: Final = 0.1


class Conduct(WireModel):
    """How the relay behaves.

    Attributes:
        turn: Grows with each change. Connections of an earlier one are closed once nothing is under way on them.
        password: What it signs in with.
        greeting: Instead of its usual greeting.
        recipient: Its answer to RCPT.
        body: Its answer to a mail's data, which it does not keep then.
        drop: After a mail's data it says nothing more: with the mail `kept`, or `lost`.
        one_in: How many recipients are treated so: one in so many, always the same.
    """

    turn: int = 0
    password: str = "right"  # noqa: S105 - of a relay that the drill made up
    greeting: str | None = None
    recipient: str | None = None
    body: str | None = None
    drop: str | None = None
    one_in: int = 1

    def concerns(self, recipient: str) -> bool:
        """Whether this recipient's mails are treated so."""
        return zlib.crc32(recipient.encode()) % self.one_in == 0


class Taken(WireModel):
    """One mail that the relay has.

    Attributes:
        key: Its `X-Rapport-Key`.
        digest: The SHA-256 of its bytes.
        at: When, in seconds since 1970.
        file: Where it is kept, in the relay's folder.
    """

    key: str
    message_id: str
    to: str
    digest: str
    at: float
    file: str


class DrillRelay:
    """What the relay does, and what it has; both in its folder, for whoever looks."""

    def __init__(self, folder: Path) -> None:
        """Behave well at first."""
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self._turn = 0
        self.behave()

    def behave(self, **conduct: object) -> None:
        """Behave so from now on, and well in all else."""
        self._turn += 1
        whole = Conduct.model_validate({**conduct, "turn": self._turn})
        fresh = self.folder / f"{CONDUCT}.new"
        fresh.write_text(whole.model_dump_json())
        fresh.replace(self.folder / CONDUCT)

    def taken(self) -> list[Taken]:
        """All that it took, in order."""
        return [Taken.model_validate_json(line) for line in self._lines(TAKEN)]

    def _lines(self, name: str) -> list[str]:
        """The lines that a process beside this one has written; not one that it is just writing."""
        file = self.folder / name
        whole, _, _ = (file.read_text(errors="replace") if file.exists() else "").rpartition("\n")
        return whole.splitlines()

    def refused(self) -> Counter[str]:
        """How many mails it refused for good, by address."""
        return Counter(self._lines(RELAY_REFUSED))

    def met(self) -> bool:
        """Whether somebody has met its conduct as it is now."""
        file = self.folder / MET
        return file.exists() and str(self._turn) in file.read_text().split()

    def text(self, mail: Taken) -> str:
        """A mail's words."""
        parsed = message_from_bytes((self.folder / mail.file).read_bytes(), policy=policy.default)
        body = parsed.get_body(("plain",))
        return str(body.get_content()) if body is not None else ""


class _Server:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._idle: dict[asyncio.StreamWriter, int] = {}

    async def watch(self) -> None:
        """Close what rests when the relay's conduct changes: whoever comes again meets the new one."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._conduct.turn
            for writer, turn in tuple(self._idle.items()):
                if turn != now:
                    writer.close()

    @property
    def _conduct(self) -> Conduct:
        return Conduct.model_validate_json((self._folder / CONDUCT).read_bytes())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._talk(reader, writer)
        self._idle.pop(writer, None)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())

        began, to, known = self._conduct, "", False
        if began.greeting is not None:
            self._meet(began)
        say(began.greeting or "220 relay.drill.example ESMTP")
        self._idle[writer] = began.turn
        while line := (await reader.readuntil(b"\r\n")).decode("utf-8", "replace").strip():
            conduct, verb = self._conduct, line[:4].upper()
            if verb == "MAIL":
                self._idle.pop(writer, None)
            if verb == "QUIT":
                say("221 2.0.0 bye")
                return
            if began.greeting is not None:
                say("503 5.5.1 not here")
            elif verb == "EHLO":
                say("250-relay.drill.example\r\n250-AUTH PLAIN\r\n250-8BITMIME\r\n250 SIZE 35000000")
            elif verb == "AUTH":
                known = _password(line) == conduct.password
                if not known:
                    self._meet(conduct)
                say("235 2.7.0 welcome" if known else "535 5.7.8 wrong user or password")
            elif verb == "MAIL" and not known:
                say("530 5.7.0 sign in first")
            elif verb == "RCPT":
                to = line.partition("<")[2].partition(">")[0]
                refused = conduct.recipient is not None and conduct.concerns(to)
                if refused:
                    self._meet(conduct)
                    self._refuse(to, str(conduct.recipient))
                say(str(conduct.recipient) if refused else "250 2.1.5 ok")
            elif verb == "DATA":
                say("354 go on")
                wire = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                if not self._took(conduct, to, wire, say):
                    return
                self._idle[writer] = began.turn
            elif verb == "RSET":
                self._idle[writer] = began.turn
                say("250 2.0.0 ok")
            else:
                say("250 2.0.0 ok")
            await writer.drain()

    def _took(self, conduct: Conduct, to: str, wire: bytes, say: Callable[[str], None]) -> bool:
        if conduct.concerns(to):
            if conduct.body is not None or conduct.drop is not None:
                self._meet(conduct)
            if conduct.body is not None:
                self._refuse(to, conduct.body)
                say(conduct.body)
                return True
            if conduct.drop is not None:
                if conduct.drop == "kept":
                    self._keep(to, wire)
                return False
        self._keep(to, wire)
        say("250 2.0.0 taken")
        return True

    def _meet(self, conduct: Conduct) -> None:
        with (self._folder / MET).open("a") as file:
            file.write(f"{conduct.turn}\n")

    def _refuse(self, to: str, answer: str) -> None:
        if answer.startswith("5"):
            with (self._folder / RELAY_REFUSED).open("a") as file:
                file.write(f"{to}\n")

    def _keep(self, to: str, wire: bytes) -> None:
        """On disk before any answer: a relay that is killed has what it said that it has."""
        # Dots that begin a line come doubled (RFC 5321, 4.5.2).
        raw = wire.replace(b"\r\n..", b"\r\n.")
        head = BytesHeaderParser(policy=policy.default).parsebytes(raw)
        name = f"{time.time_ns()}.eml"
        (self._folder / name).write_bytes(raw)
        mail = Taken(
            key=str(head["X-Rapport-Key"]).strip(),
            message_id=str(head["Message-ID"]).strip(),
            to=to,
            digest=hashlib.sha256(raw).hexdigest(),
            at=time.time(),
            file=name,
        )
        with (self._folder / TAKEN).open("a") as file:
            file.write(json.dumps(mail.model_dump()) + "\n")


def _password(line: str) -> str:
    with contextlib.suppress(ValueError):
        return base64.b64decode(line.split()[-1]).split(b"\0")[-1].decode()
    return ""


async def _main(port: int, folder: Path) -> None:
    ours = _Server(folder)
    server = await asyncio.start_server(ours.serve, "127.0.0.1", port, limit=1 << 25)
    await asyncio.gather(server.serve_forever(), ours.watch())


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2])))
