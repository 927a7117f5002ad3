"""One account's life on the time-skipping server: started, lived from look to look, with everything of its own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from sqlalchemy import bindparam, exists, or_, select
from temporalio.testing import WorkflowEnvironment

from rapport import clock
from rapport.mail import outbox
from rapport.mail.catcher import Catcher
from rapport.mail.outbox import Message
from rapport.model.account import Member
from rapport.model.message import MessageState
from rapport.playbooks import PLAYBOOKS
from rapport.rules import calendar
from rapport.settings import Settings
from rapport.storage import account as accounts
from rapport.storage.tables import MessageRow
from rapport.storage.task import ALL_OPEN
from rapport.temporal import let_pass, time_skipping
from starters.programs import find
from starters.services import Actor, Services
from starters.simulate.clockwork import ClockInterceptor, Shift, ShiftedRunner
from starters.simulate.sources import Source
from starters.use_cases import onboarding
from worker import STEADY, build

LOOPBACK: Final = "127.0.0.1"
_NEWS: Final = select(
    exists().where(
        MessageRow.account == bindparam("of"),
        or_(MessageRow.state == MessageState.DRAFT, MessageRow.settled_at >= bindparam("since")),
    )
    | exists().where(ALL_OPEN)
)
_INTO_THE_MINUTE: Final = timedelta(seconds=20)
_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_SETTLES: Final = 30.0


class Scenario(Protocol):
    """What people do.

    Attributes:
        says: In a few words, for the timeline's first line.
        looks: At which wall times of the TAM's working days people look at what there is for them.
    """

    says: str
    looks: tuple[time, ...]

    async def act(self, life: Life) -> None:
        """Do what people do when they look. Nobody waits for an answer that would take time to come."""


@dataclass
class Life:
    """A simulated life, at an instant.

    Attributes:
        now: The minute that it is there.
        account: The account's key.
    """

    services: Services
    environment: WorkflowEnvironment
    catcher: Catcher
    shift: Shift
    began: datetime
    now: datetime
    account: str
    tam: Member
    _read: set[str] = field(default_factory=set)
    _read_until: datetime | None = None

    @property
    def zone(self) -> ZoneInfo:
        """Where days begin and end: the TAM's zone."""
        return ZoneInfo(self.tam.schedule.zone)

    @property
    def acting_tam(self) -> Actor:
        """The TAM, on their pages."""
        return Actor(email=self.tam.email, channel="page")

    async def live(self, until: datetime, scenario: Scenario, tell: Callable[[datetime], None] | None = None) -> None:
        """Let time pass, and people do what they do.

        Args:
            tell: Is told each week how far it is.
        """
        told = self.now
        for look in self._looks(until, scenario):
            await self.reach(look)
            if scenario.looks:
                with self.acting():
                    await scenario.act(self)
            if tell is not None and self.now - told >= _WEEK:
                tell(told := self.now)
        await self.reach(until)

    async def reach(self, instant: datetime) -> None:
        """Let the server's clock run into a minute, until what falls due in it is done.

        That can be as much as what people do then: what they did at the same hour days ago has its deadlines there.

        Always by sleeping: to await a result of a workflow would let the clock run to that workflow's end. Updates
        and queries are answered while the clock stands; none of ours takes any of the server's time.
        """
        wait = self.shift.there(instant) + _INTO_THE_MINUTE - await self.environment.get_current_time()
        if wait > timedelta(0):
            await let_pass(self.environment, wait)
        self.now = max(self.now, instant)

    async def settle(self, workflow_id: str) -> None:
        """Wait until a workflow has done all that it was given to do: what comes next comes after that, in each run."""
        handle = self.services.client.get_workflow_handle(workflow_id)
        async with asyncio.timeout(_SETTLES):
            while True:
                described = (await handle.describe()).raw_description
                if not described.pending_activities and not described.HasField("pending_workflow_task"):
                    return
                await asyncio.sleep(0.005)

    @contextlib.contextmanager
    def acting(self) -> Iterator[None]:
        """Have it be now for whoever acts within."""
        with clock.set_to(self.now):
            yield

    async def has_news(self) -> bool:
        """Whether there is anything for anybody to look at. Most days there is not, and a look costs ten times this."""
        since = self._read_until or self.began
        async with self.services.store.reading() as connection:
            return bool(await connection.scalar(_NEWS, {"of": self.account, "since": since}))

    async def new_mails(self) -> list[Message]:
        """The account's mails that went out since this was asked last."""
        async with self.services.store.reading() as connection:
            sent = await outbox.messages(connection, self.account, MessageState.SENT, settled_since=self._read_until)
        new = [mail for mail in sent if mail.key not in self._read]
        self._read.update(mail.key for mail in new)
        self._read_until = self.now - _DAY
        return new

    def _looks(self, until: datetime, scenario: Scenario) -> Iterator[datetime]:
        """When anybody looks; once a week, for the progress, if nobody ever does."""
        day = self.now.astimezone(self.zone).date()
        while (midnight := calendar.wall(day, time(), self.tam.schedule.zone)) < until:
            if not scenario.looks and midnight.astimezone(self.zone).weekday() == 0:
                yield max(midnight, self.now)
            elif calendar.is_business_day(day, self.tam.schedule):
                for at in scenario.looks:
                    look = calendar.wall(day, at, self.tam.schedule.zone)
                    if self.now < look < until:
                        yield look
            day += _DAY


@asynccontextmanager
async def beginning(source: Source, begins: datetime) -> AsyncIterator[Life]:
    """Start an account's onboarding at an instant, on a server, a database and a relay of its own.

    Args:
        begins: When the onboarding starts; its seconds are cut off.

    Raises:
        UserError: The onboarding cannot be started, or the server is not installed.
    """
    begins = begins.astimezone(UTC).replace(second=0, microsecond=0)
    async with contextlib.AsyncExitStack() as parts:
        data = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="rapport-simulate-")))
        if source.playbooks.is_dir():
            shutil.copytree(source.playbooks, data / PLAYBOOKS)
        environment = await parts.enter_async_context(time_skipping(find("temporal-test-server")))
        catcher = Catcher(data / "mail")
        port = await catcher.start(LOOPBACK, 0)
        parts.push_async_callback(catcher.stop)
        # Nothing of this machine's settings counts: the same input gives the same year everywhere.
        settings = Settings.model_construct(
            data=data,
            smtp_url=SecretStr(f"smtp://{LOOPBACK}:{port}"),
            mail_mode="live",
            mail_from=source.sender,
            secret=SecretStr("a secret of a simulation"),
        )
        shift = Shift(begins - await environment.get_current_time())
        built = await parts.enter_async_context(
            build(
                environment.client,
                settings,
                runner=ShiftedRunner(shift),
                interceptors=[ClockInterceptor(shift)],
                pollers=STEADY,
            )
        )
        await built.store.migrate()
        services = Services(settings, built.store, environment.client)
        # The worker's tasks keep the beginning as their present; an activity that asks is told its own.
        with clock.set_to(begins):
            await parts.enter_async_context(built.worker)
            await source.bring(services.store)
            await onboarding.start(services, source.request)
            async with services.store.reading() as connection:
                _, tam, _ = await accounts.surroundings(connection, source.account)
        yield Life(services, environment, catcher, shift, begins, begins, source.account, tam)
