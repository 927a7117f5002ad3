"""What the mail's and the storage's tests share: a relay that does as it is told, and one account with its mails."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from typing import Final

from sqlalchemy import func, select, update
from temporalio.testing import ActivityEnvironment

from activities.delivery import Policy
from activities.message import Messages
from rapport.mail.context import AccountContext, MailSettings
from rapport.mail.smtp import Mailer, Relay
from rapport.model.meeting import Booking, Invitee, Proposal, Slot
from rapport.model.message import ChangeFacts, MeetingFacts, MessageRequest, Purpose
from rapport.model.projection import TimelineEvent
from rapport.model.step import Review
from rapport.rules import audience
from rapport.rules.pace import Pace
from rapport.storage.database import Store
from rapport.storage.tables import ContractRow, TimelineRow
from rapport.storage.timeline import append
from rapport.storage.upserts import insert_new
from tests.conftest import LIMIT

NOW: Final = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
STATIONERY: Final = MailSettings(
    "onboarding@foobar.example", "https://rapport.foobar.example", b"a secret of the tests"
)

DROP: Final = "drop"
"""Instead of an answer: the connection is cut."""
HANG: Final = "hang"
"""Instead of an answer: nothing, until `release` is set; then what is usual."""

USUAL: Final = {
    "greeting": "220 scripted ESMTP",
    "EHLO": "250-scripted\r\n250 8BITMIME",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 sender ok",
    "RCPT": "250 2.1.5 recipient ok",
    "DATA": "354 go ahead",
    "body": "250 2.0.0 queued",
    "RSET": "250 2.0.0 reset",
    "QUIT": "221 2.0.0 bye",
}


@dataclass(frozen=True)
class Received:
    """One message that came with its final dot, whatever the relay answered to it."""

    sender: str
    recipient: str
    wire: bytes
    answer: str

    @property
    def raw(self) -> bytes:
        """The message as it was before dots were doubled (RFC 5321, 4.5.2)."""
        lines = self.wire.split(b"\r\n")
        return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@dataclass
class ScriptedRelay:
    """An SMTP server that answers as its script says, and else as a relay usually does.

    Attributes:
        script: What to answer next, by the point of the conversation; used up in order.
        recipients: The same for RCPT, by address.
        received: The messages whose data came whole.
        seen: How often each point was reached.
        on: Called when a point is reached, before the answer.
        after: Called once the answer is on its way.
    """

    script: dict[str, deque[str]] = field(default_factory=dict)
    recipients: dict[str, deque[str]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    on: dict[str, Callable[[], object]] = field(default_factory=dict)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    port: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    def then(self, point: str, *answers: str) -> None:
        """Answer like this the next times."""
        self.script.setdefault(point, deque()).extend(answers)

    def then_for(self, recipient: str, *answers: str) -> None:
        """Answer like this when this recipient is named the next times."""
        self.recipients.setdefault(recipient, deque()).extend(answers)

    @property
    def accepted(self) -> list[Received]:
        """The messages that were answered with 250, or whose 250 nobody waited for any more."""
        return [mail for mail in self.received if mail.answer.startswith("2")]

    def to(self, recipient: str) -> list[Received]:
        """The accepted messages to one address."""
        return [mail for mail in self.accepted if mail.recipient == recipient]

    async def reached(self, point: str, times: int = 1, limit: float = LIMIT) -> None:
        """Wait until a point was reached so often."""
        async with asyncio.timeout(limit), self._moved:
            await self._moved.wait_for(lambda: self.seen.get(point, 0) >= times)

    async def _answer(self, point: str, scripted: deque[str] | None, writer: asyncio.StreamWriter) -> str:
        self.seen[point] = self.seen.get(point, 0) + 1
        async with self._moved:
            self._moved.notify_all()
        if point in self.on:
            self.on[point]()
        answer = scripted.popleft() if scripted else USUAL.get(point, "502 5.5.1 unknown here")
        if answer == HANG:
            await self.release.wait()
            answer = USUAL[point]
        if answer == DROP:
            raise ConnectionAbortedError
        writer.write(f"{answer}\r\n".encode(errors="surrogateescape"))
        await writer.drain()
        if point in self.after:
            self.after[point]()
        return answer

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        sender = recipient = ""
        if (await self._answer("greeting", self.script.get("greeting"), writer))[0] != "2":
            return
        while line := (await reader.readline()).decode().strip():
            verb = line.split()[0].upper()
            scripted = self.script.get(verb)
            if verb == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
            elif verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
                scripted = self.recipients.get(recipient) or scripted
            answer = await self._answer(verb, scripted, writer)
            if verb == "QUIT" or answer.startswith("421"):
                return
            if verb == "DATA" and answer.startswith("354"):
                wire = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                scripted = self.script.get("body")
                said = scripted[0] if scripted else USUAL["body"]
                self.received.append(Received(sender, recipient, wire, USUAL["body"] if said == HANG else said))
                await self._answer("body", scripted, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)


@asynccontextmanager
async def scripted_relay(port: int = 0) -> AsyncIterator[ScriptedRelay]:
    """Open a relay on the loopback, on a free port unless one is asked for."""
    relay = ScriptedRelay()
    server = await asyncio.start_server(relay._serve, "127.0.0.1", port, limit=2**22)
    relay.port = int(server.sockets[0].getsockname()[1])
    try:
        yield relay
    finally:
        relay.release.set()
        server.close()
        for task in list(relay._tasks):
            task.cancel()
        await asyncio.gather(*relay._tasks, return_exceptions=True)


@asynccontextmanager
async def mailer_to(port: int, *, data_timeout: float = 20) -> AsyncIterator[Mailer]:
    """A mailer to a relay on the loopback, in clear."""
    mailer = Mailer(Relay("127.0.0.1", port, "none"), hostname="foobar.example", data_timeout=data_timeout)
    try:
        yield mailer
    finally:
        await mailer.close()


async def until(condition: Callable[[], bool], limit: float = LIMIT) -> None:
    """Wait for a state, with a limit."""
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.005)


async def nothing() -> None:
    """A commit that always succeeds."""


def activity_at(instant: datetime, *, is_local: bool = False) -> ActivityEnvironment:
    """An attempt of an activity that was scheduled at this instant: the present as `now()` tells it, if it is later."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, current_attempt_scheduled_time=instant, is_local=is_local)
    return environment


def messages_with(
    store: Store,
    mailer: Mailer,
    mode: str = "live",
    allowed: frozenset[str] = frozenset(),
    *,
    quiet_hours: bool = False,
    pace: Pace | None = None,
    alarm: Callable[[], Awaitable[None]] = nothing,
) -> Messages:
    """The activities, as `worker.py` puts them together; whatever the hour, unless a test is about hours."""
    policy = Policy(mode=mode, allowed_domains=allowed, quiet_hours=quiet_hours, pace=pace)
    return Messages(store, mailer, STATIONERY, policy, alarm)


def slots(count: int = 3) -> tuple[Slot, ...]:
    """Times of half an hour on the first days of December."""
    first = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
    return tuple(
        Slot(id=str(day + 1), start=first + timedelta(days=day), end=first + timedelta(days=day, minutes=30))
        for day in range(count)
    )


def facts(company: AccountContext, *, times: int = 3, booked: bool = False, where: str = "remote") -> MeetingFacts:
    """What a mail may say of the kickoff."""
    invitees = tuple(Invitee(id=contact.id, personas=contact.personas) for contact in company.contacts.values())
    offered = slots(times)
    return MeetingFacts(
        uid="kickoff-1",
        title="Kickoff",
        step="kickoff",
        minutes=30,
        where=where,
        agenda=(("How support engagements work", 4), ("Your short- and long-term goals", 6)),
        proposal=Proposal(
            round=1,
            tam=company.account.tam,
            slots=offered,
            invitees=invitees,
            required_groups=2,
            deadline=datetime(2026, 11, 25, 16, 0, tzinfo=UTC),
            stale_at=datetime(2026, 11, 24, 16, 0, tzinfo=UTC),
        ),
        booking=Booking(start=slots(1)[0].start, end=slots(1)[0].end, by="vote") if booked else None,
        required=tuple(company.contacts)[:2],
        silent=tuple(company.contacts)[1:3],
        reason="nobody answered",
        change=ChangeFacts(by=next(iter(company.contacts)), submission="s_change", kind="decline", follows="task"),
    )


def occasion(
    company: AccountContext,
    purpose: Purpose = Purpose.PROPOSAL,
    email: str = "welcome",
    *,
    to: tuple[str, ...] | None = None,
    review: Review = "auto",
    round_: int = 1,
    attempt: int = 1,
    meeting: MeetingFacts | None = None,
) -> MessageRequest:
    """A reason to write to the account's contacts, as the kickoff's workflow words it."""
    return MessageRequest(
        account=company.account.key,
        contract="VERSAYCE-2026-11",
        step="kickoff",
        title="Kickoff",
        workflow_id="meeting/versayce/kickoff/1",
        attempt=attempt,
        round=round_,
        purpose=purpose,
        email=email,
        to=tuple(company.contacts) if to is None else to,
        review=audience.review(review, company.account),
        now=NOW,
        meeting=meeting or facts(company, booked=purpose is Purpose.INVITATION),
    )


async def pause(store: Store, contract: str, at: datetime | None) -> None:
    """Have a contract of the example's account paused since an instant, or not."""
    row: dict[str, object] = {
        "id": contract,
        "account": "versayce",
        "playbook": "standard",
        "playbook_version": 1,
        "signed_at": NOW,
    }
    row |= {"requested_at": NOW, "workflow_id": "onboarding/versayce", "projected": 0}
    async with store.writing() as connection:
        await insert_new(connection, ContractRow, [row])
        await connection.execute(update(ContractRow).where(ContractRow.id == contract).values(paused_at=at))


async def company_of(store: Store, account: str = "versayce") -> AccountContext:
    """Everyone around the account."""
    async with store.reading() as connection:
        return await AccountContext.read(connection, account)


def having(company: AccountContext, persona: str) -> str:
    """The id of the contact with this persona."""
    return next(contact.id for contact in company.contacts.values() if persona in contact.personas)


def processes_apart() -> ForkServerContext:
    """How to start processes of one's own: forked from one that has imported everything, and holds nothing open."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers_mail"])
    return context


def send_apart(url: str, port: int, occasion: str, at: str) -> None:
    """What a process that is about to be killed does: one attempt at an occasion."""

    async def work() -> None:
        store = Store(url)
        async with mailer_to(port) as mailer:
            messages = messages_with(store, mailer)
            await activity_at(datetime.fromisoformat(at)).run(
                messages.send, MessageRequest.model_validate_json(occasion)
            )
        await store.close()

    asyncio.run(work())


def write_many(url: str, writer: int, count: int) -> None:
    """What one process writes: one entry a transaction, each counted up from what it read."""

    async def work() -> None:
        store = Store(url)
        for number in range(count):
            async with store.writing() as connection:
                seen = await connection.scalar(select(func.count()).select_from(TimelineRow))
                entry = TimelineEvent(key=f"{writer}/{number}", account="versayce", at=NOW, kind="x", about=str(seen))
                await append(connection, [entry])
        await store.close()

    asyncio.run(work())
