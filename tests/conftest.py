"""What tests share: a whole installation on a Temporal server, with a database and a mail catcher of its own."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio import converter
from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Interceptor, WorkflowRunner

from rapport.mail.catcher import Catcher
from rapport.model.account import AccountFile
from rapport.model.base import WireModel
from rapport.model.ids import new_id
from rapport.model.reading import read_toml
from rapport.model.words import Left
from rapport.settings import Settings
from rapport.storage.database import Store
from rapport.temporal import SEARCH_ATTRIBUTES, let_pass
from starters import services as office_module
from starters.installation import Ports
from starters.services import Actor, Services
from starters.stack import take_port
from tests.support import postgres, statements
from tests.support.playbooks import KICKOFF, put
from tests.support.sandbox import Whole
from worker import POLLERS, STEADY, Pollers, build

# Compiled modules are kept, by the tests' own process and by commands that they start: to compile all of them anew
# takes seconds for each command, and each run of a workflow loads what it is made of once more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes says nothing on a machine that does other things as well.
hypothesis.settings.register_profile("calm", deadline=None)
hypothesis.settings.load_profile("calm")

ROOT = Path(__file__).parent.parent
TAM = Actor(email="robin.keller@foobar.example", channel="cli", entered_by="tester")
LEAD = Actor(email="ines.moreau@foobar.example", channel="cli", entered_by="tester")
HOST = Actor(email="", channel="cli", entered_by="tester")
"""Whoever runs the installation, as nobody but themself."""
CHAMPION = "luca.bianchi@versayce.example"
USER = "mara.osei@versayce.example"
BUSINESS = "dana.whitfield@versayce.example"
SECOND_USER = "jonas.lindqvist@versayce.example"


DESK = """
[desk]
zone = "Europe/Zurich"
hours = { start = 08:00:00, end = 18:00:00 }
"""
"""The shipped desk's hours, without public holidays: no test depends on the day it runs."""


LIMIT = 100
"""How many seconds a state is waited for. It costs nothing where it comes, and a busy machine takes its time."""


def free_port() -> int:
    """A port that is free at this moment."""
    return take_port(0, "--smtp-port")


def left(update: str, word: WireModel) -> Left:
    """A word as it is left at a workflow's door while no worker answers."""
    return Left(update=update, word=word.model_dump(mode="json"))


def by(email: str) -> Actor:
    """Someone acting on the command line."""
    return Actor(email=email, channel="cli", entered_by="tester")


@pytest.fixture(scope="session", autouse=True)
def patient() -> Iterator[None]:
    """Give a worker all the time that a busy machine takes; a test of what follows without one takes less."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(office_module, "ANSWER_SECONDS", 30.0)
        yield


async def until(condition: Callable[[], Awaitable[Any]], what: str, limit: float = LIMIT) -> Any:
    """Wait for a state, with a limit; give what the condition gave."""
    seen: Any = None
    # Soon at first, then less and less often: what is waited for goes on in this very process.
    wait = 0.01
    try:
        async with asyncio.timeout(limit):
            while not (seen := await condition()):
                await asyncio.sleep(wait)
                wait = min(wait * 1.5, 0.1)
    except TimeoutError:
        pytest.fail(f"waited {limit} s in vain for {what}; last seen: {seen!r}")
    return seen


def example(text: str | None = None, playbook: str = KICKOFF) -> AccountFile:
    """The example account; its people work without public holidays, so that no test depends on the day it runs.

    Args:
        playbook: What it follows: in most tests the kickoff alone, so that they end with it.
    """
    raw = text if text is not None else (ROOT / "examples" / "versayce.toml").read_text()
    raw = raw.replace('playbook = "enterprise"', f'playbook = "{playbook}"')
    lines = [line for line in raw.splitlines() if not line.startswith(("country", "subdivision"))]
    return signed_now(read_toml(AccountFile, "\n".join(lines).encode(), "versayce.toml"))


def signed_now(file: AccountFile) -> AccountFile:
    """An account whose contract was signed just now; one that was signed long ago is asked about."""
    assert file.contract is not None
    return file.model_copy(update={"contract": file.contract.model_copy(update={"signed_at": datetime.now(UTC)})})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the same tests run on the other database."""
    parser.addoption("--postgres", action="store_true", help="run on PostgreSQL what runs on SQLite otherwise")


def pytest_configure(config: pytest.Config) -> None:
    """Hear of it."""
    postgres.everywhere(bool(config.getoption("postgres")))
    statements.kept()


def pytest_collection_finish() -> None:
    """Have the collector pass over what is loaded by now, and look less often: each process lives through thousands."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 5)
    gc.enable()


def pytest_unconfigure() -> None:
    """Stop the server, if one was started."""
    postgres.stop()


_FIRST = ("tests/stack/", "tests/workflows/", "tests/browser/", "tests/http/")
"""Where files take long, and wait in most of it; all others follow."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about SQLite itself, and begin with what takes longest, so that all processes end together."""
    items.sort(
        key=lambda item: next((at for at, part in enumerate(_FIRST) if item.nodeid.startswith(part)), len(_FIRST))
    )
    if config.getoption("postgres"):
        for item in items:
            if "sqlite" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="it is about SQLite itself"))


@dataclass
class Installation:
    """One installation: a Temporal server, a worker, a database, a catcher."""

    services: Services
    client: Client
    catcher: Catcher
    environment: WorkflowEnvironment | None = None
    _read: dict[str, tuple[EmailMessage, str]] = field(default_factory=dict)

    async def now(self) -> datetime:
        """The server's present."""
        assert self.environment is not None
        return await self.environment.get_current_time()

    async def sleep_until(self, instant: datetime) -> None:
        """Let the server's clock run to an instant, with a limit: what never rests holds that clock for ever."""
        assert self.environment is not None
        wait = instant - await self.now()
        if wait > timedelta(0):
            async with asyncio.timeout(LIMIT):
                await let_pass(self.environment, wait)

    async def sleep_to(self, weekday: int, hour: int, zone: str = "Europe/Zurich") -> datetime:
        """Let the clock run to the next such weekday (Monday is 0) and hour."""
        here = (await self.now()).astimezone(ZoneInfo(zone))
        day = here.date() + timedelta(days=(weekday - here.weekday()) % 7 or 7)
        instant = datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        await self.sleep_until(instant)
        return instant

    def mails(self, to: str | None = None) -> list[EmailMessage]:
        """The mails that arrived, oldest first."""
        # Tests ask again and again: each mail is read once. Erasing takes some away.
        names = sorted(path.name for path in self.catcher.folder.glob("*.eml"))
        for name in names:
            if name not in self._read:
                mail = BytesParser(policy=default).parsebytes((self.catcher.folder / name).read_bytes())
                assert isinstance(mail, EmailMessage)
                # A message reads a header anew each time that it is asked for it.
                self._read[name] = mail, str(mail["To"])
        return [mail for mail, reader in (self._read[name] for name in names) if to is None or to in reader]

    async def mailed(self, count: int, to: str | None = None) -> list[EmailMessage]:
        """The mails, once so many have arrived."""

        async def enough() -> bool:
            return len(self.mails(to)) >= count

        await until(enough, f"{count} mails to {to or 'anyone'}")
        return self.mails(to)


def text_of(mail: EmailMessage) -> str:
    """A mail's text part."""
    part = mail.get_body(preferencelist=("plain",))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def link_of(mail: EmailMessage) -> str:
    """The token of a mail's personal link."""
    return text_of(mail).partition("/m/")[2].split()[0]


class Elsewhere(Settings):
    """One person's installation, wherever its database is: what is refused to those who share one is not refused."""

    address: str

    @property
    def database(self) -> str:
        """The database's address."""
        return super().database if self.database_url is not None else self.address


@asynccontextmanager
async def installation(
    client: Client,
    data: Path,
    task_queue: str,
    *,
    pollers: Pollers = POLLERS,
    runner: WorkflowRunner | None = None,
    interceptors: Sequence[Interceptor] = (),
    **settings: Any,
) -> AsyncIterator[Installation]:
    """Open an installation on a Temporal server.

    Args:
        runner: How workflows run; in the whole sandbox, unless told otherwise.
        interceptors: What stands before each activity.
    """
    port = free_port()
    catcher = Catcher(data / "mail")
    await catcher.start("127.0.0.1", port)
    chosen: dict[str, Any] = {
        "data": data,
        "smtp_url": SecretStr(f"smtp://127.0.0.1:{port}"),
        "mail_mode": "live",
        "quiet_hours": "ignore",
        "mail_from": "onboarding@foobar.example",
        "secret": SecretStr("a secret of the tests"),
        "task_queue": task_queue,
        **settings,
    }
    put(data, KICKOFF, "kickoff", "onsite_approval")
    if not (data / "support.toml").exists():
        (data / "support.toml").write_text(DESK)
    file = data / "rapport.db"
    with postgres.own_database(file, None if file.exists() else postgres.tables()) as url:
        made = Elsewhere(address=url, **chosen)
        store = Store(made.database)
        await store.migrate()
        # The whole sandbox, for every module: here is where it finds what a workflow must not do.
        built = build(client, made, runner=runner or Whole(), pollers=pollers, interceptors=interceptors)
        async with built as parts, parts.worker:
            yield Installation(Services(made, parts.store, client), client, catcher)
        await store.close()
    await catcher.stop()


def test_server() -> str:
    """The time-skipping server's binary."""
    return str(Path(sysconfig.get_path("scripts")) / "temporal-test-server")


test_server.__test__ = False  # type: ignore[attr-defined]


def _without_nulls(api: SearchAttributes) -> SearchAttributes:
    """Without what was taken back: this server tells it as nothing, which the SDK cannot read as a time."""
    read = converter.default().payload_converter.from_payload
    kept = {name: value for name, value in api.indexed_fields.items() if read(value) not in (None, [], [None])}
    return SearchAttributes(indexed_fields=kept)


@asynccontextmanager
async def skipping_installation(data: Path, **settings: Any) -> AsyncIterator[Installation]:
    """Open an installation on a time-skipping server of its own."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("decode_search_attributes", "decode_typed_search_attributes"):
            decoded = getattr(converter, name)
            patched.setattr(converter, name, lambda api, decoded=decoded: decoded(_without_nulls(api)))
        async with _skipping(data, **settings) as made:
            yield made


@asynccontextmanager
async def _skipping(data: Path, **settings: Any) -> AsyncIterator[Installation]:
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=test_server(), data_converter=pydantic_data_converter
    ) as environment:
        # One workflow that is stuck on an unknown search attribute would stop all skipping.
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace="default", search_attributes=SEARCH_ATTRIBUTES)
        )
        async with installation(environment.client, data, "rapport", pollers=STEADY, **settings) as made:
            made.environment = environment
            yield made


@pytest.fixture
async def skipping(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation in which days pass in milliseconds."""
    async with skipping_installation(tmp_path) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def dev_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A real Temporal dev server, set up as the embedded stack sets it up."""
    from starters import stack

    data = tmp_path_factory.mktemp("temporal")
    ports = Ports(http=0, temporal=free_port(), ui=free_port(), smtp=0)
    # What has ended can be deleted once the server has noted that all of it is done: every half a minute by itself.
    quick = 'history.transferProcessorUpdateAckInterval="1s"'
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stack, "DYNAMIC", (*stack.DYNAMIC, quick))
        async with stack.temporal_server(data, ports, free_port()) as client:
            yield client


def account(key: str, contract: str) -> AccountFile:
    """The example account under another key and contract."""
    file = example()
    assert file.contract is not None
    return file.model_copy(
        update={
            "account": file.account.model_copy(update={"key": key}),
            "contract": file.contract.model_copy(update={"id": contract}),
        }
    )


@pytest_asyncio.fixture(loop_scope="session")
async def here(dev_server: Client, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation on the real server, with a task queue and accounts of its own."""
    async with installation(dev_server, tmp_path, new_id("queue")) as made:
        yield made
