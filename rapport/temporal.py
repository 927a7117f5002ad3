"""The one place that makes a Temporal client, so that every part speaks the same data."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client, ClientConfig as ClientConfigs, Plugin, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import ConnectConfig, RPCError, RPCStatusCode, ServiceClient

from rapport.model.base import Refused, UserError

if TYPE_CHECKING:
    from temporalio.testing import WorkflowEnvironment

T = TypeVar("T")
_Connecting = Callable[[ConnectConfig], Awaitable[ServiceClient]]

MAX_LISTED: Final = 5000
"""How many running workflows are looked at."""

DEFAULT_ADDRESS: Final = "localhost:7233"
TEMPORAL_SECONDS: Final = 10.0

LETTING_PASS: Final = timedelta(hours=1)
"""How long a time-skipping server may take to let time pass: all that falls due meanwhile is done before."""

SEARCH_ATTRIBUTES: Final = {
    "RapportAccount": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "RapportStage": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "RapportWaitingOn": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "RapportDeadline": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "RapportHealth": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
}
"""What workflows are found by. Registered by `rapport up` and `rapport setup`."""


@cache
def _runtime() -> Runtime:
    """The SDK's runtime of this process, whose warnings go to Python's logging.

    By itself it writes them to stdout: into a command's JSON, or into a pipe that nobody reads, which in the end
    stops the whole process.
    """
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio.core"))
    filter_ = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=filter_, forwarding=forwarding)))


async def connect(address: str | None = None) -> Client:
    """Connect to Temporal.

    Args:
        address: Host and port, or nothing to take Temporal's own environment variables and profile file.

    Raises:
        UserError: It does not answer.
    """
    config = _config(address)
    try:
        # Temporal's own limits do not bound the first connection.
        async with asyncio.timeout(TEMPORAL_SECONDS):
            return await Client.connect(**config, data_converter=pydantic_data_converter, runtime=_runtime())
    except (RuntimeError, RPCError, TimeoutError):
        raise silent(config["target_host"]) from None


def silent(target: str | None = None) -> UserError:
    """What to say where Temporal does not answer.

    Args:
        target: Where it was looked for, host and port.
    """
    return UserError(
        f"Temporal does not answer at {target}" if target else "Temporal does not answer",
        field="TEMPORAL_ADDRESS",
        fix="start it with `rapport up`, or set TEMPORAL_ADDRESS to where it runs",
        kind=Refused.UNREACHABLE,
    )


async def on_demand(address: str | None = None) -> Client:
    """A client that connects once something asks Temporal, for commands, many of which ask it nothing.

    Where it does not answer, whatever asks meets what it would meet if Temporal went away: an `RPCError`.
    """
    return await Client.connect(
        **_config(address), data_converter=pydantic_data_converter, runtime=_runtime(), plugins=[_WhenAsked()]
    )


class _WhenAsked(Plugin):
    """Has a client connect once it asks for something, instead of at once."""

    def configure_client(self, config: ClientConfigs) -> ClientConfigs:
        """Nothing else is different."""
        return config

    async def connect_service_client(self, config: ConnectConfig, next: _Connecting) -> ServiceClient:
        """A connection that is made later."""
        return _OnDemand(config, next)


class _OnDemand(ServiceClient):
    """A connection that is made by the first call. One that fails is not tried again: each call is told at once.

    The SDK's own (`lazy`) tells a connection that fails by another error than one that breaks, and tries it every time.
    """

    def __init__(self, config: ConnectConfig, connecting: _Connecting) -> None:
        super().__init__(config)
        self._connecting = connecting
        self._made: asyncio.Task[ServiceClient] | None = None

    @property
    def worker_service_client(self) -> NoReturn:
        """No worker runs on it."""
        raise RuntimeError("no worker runs on a connection that is made on demand")

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> None:
        """Those of a connection that is made later."""
        self.config.rpc_metadata = metadata

    def update_api_key(self, api_key: str | None) -> None:
        """That of a connection that is made later."""
        self.config.api_key = api_key

    async def _rpc_call(self, *args: Any, **kwargs: Any) -> Any:
        if self._made is None:
            self._made = asyncio.create_task(self._connect())
        # Whoever gives up waiting does not end it for the others.
        return await (await asyncio.shield(self._made))._rpc_call(*args, **kwargs)

    async def _connect(self) -> ServiceClient:
        try:
            async with asyncio.timeout(TEMPORAL_SECONDS):
                return await self._connecting(self.config)
        except (RuntimeError, TimeoutError):
            raise RPCError("Temporal does not answer", RPCStatusCode.UNAVAILABLE, b"") from None


def _config(address: str | None) -> ClientConnectConfig:
    config = ClientConfig.load_client_connect_config()
    config["target_host"] = address or config.get("target_host", DEFAULT_ADDRESS)
    return config


def run_to_end(work: Awaitable[T]) -> T:
    """Run a program's work, and give the client of Temporal the moment that it needs to come to its end.

    Programs that end at once after using it crash at exit, one time in ten (temporalio/sdk-python#300).
    """

    async def whole() -> T:
        try:
            return await work
        finally:
            await asyncio.sleep(0.02)

    return asyncio.run(whole())


async def missing_search_attributes(client: Client) -> list[str]:
    """The search attributes that are not registered, or are of another type, which the server would ignore."""
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return [name for name, kind in SEARCH_ATTRIBUTES.items() if listed.custom_attributes.get(name) != kind]


async def register_search_attributes(client: Client) -> bool:
    """Register those that are missing; whether any was. A server that has them in mind learns of it within a minute.

    Raises:
        UserError: One is registered with another type.
    """
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    for name, kind in SEARCH_ATTRIBUTES.items():
        there = listed.custom_attributes.get(name)
        if there is not None and there != kind:
            raise UserError(
                f"the search attribute {name} is registered with another type",
                field="namespace",
                fix=f"remove it with `temporal operator search-attribute remove --name {name}`, then run this again",
                kind=Refused.CONFLICT,
            )
    missing = {name: kind for name, kind in SEARCH_ATTRIBUTES.items() if name not in listed.custom_attributes}
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )
    return bool(missing)


@asynccontextmanager
async def time_skipping(program: str) -> AsyncIterator[WorkflowEnvironment]:
    """Run a server of which the clock jumps ahead whenever nothing is to be done, and forgets everything at the end.

    Args:
        program: The path of `temporal-test-server`.
    """
    from temporalio.testing import WorkflowEnvironment

    started = WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program, data_converter=pydantic_data_converter, runtime=_runtime()
    )
    async with await started as environment:
        # One workflow that is stuck on an unknown search attribute would stop all skipping. This server lists none.
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=SEARCH_ATTRIBUTES)
        )
        yield environment


async def let_pass(environment: WorkflowEnvironment, wait: timedelta) -> None:
    """Let a time-skipping server's clock run on for so long.

    In one call that has all the time it needs, and is never made again: each such call takes one lock of that clock
    away and gives it back at its end, also when its caller has given up (the SDK's own does after 30 seconds). With a
    second call meanwhile a lock is left over, and from then on the clock runs no faster than ours.
    """
    from temporalio.api.testservice.v1 import SleepRequest

    order = SleepRequest()
    order.duration.FromTimedelta(wait)
    await environment.client.test_service.unlock_time_skipping_with_sleep(order, timeout=LETTING_PASS)


async def running(client: Client, kinds: Iterable[str], task_queue: str) -> set[str]:
    """The ids of the workflows of some kinds that run on a task queue, at most `MAX_LISTED`."""
    names = ", ".join(f'"{kind}"' for kind in kinds)
    query = f'ExecutionStatus = "Running" AND WorkflowType IN ({names}) AND TaskQueue = "{task_queue}"'
    return {run.id async for run in client.list_workflows(query, limit=MAX_LISTED)}


async def runs(client: Client, id_: str) -> bool:
    """Whether a workflow runs at this moment."""
    try:
        described = await client.get_workflow_handle(id_).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return described.status is WorkflowExecutionStatus.RUNNING
