"""Waiting for people, for instants, and for other workflows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from rapport.model.human_task import TaskResult, TaskStart
    from rapport.model.ids import task_id
    from rapport.model.operations import Steer, Steering
    from rapport.model.workflows import HUMAN_TASK, Kind
    from rapport.policy.chores import Chore

ACCOUNT: Final = SearchAttributeKey.for_keyword("RapportAccount")


class Alarm:
    """Wakes `run` at an instant.

    It is set again only when the instant changes. A superseded timer is left to ring unheard: cancelling and
    starting timers at each wake-up costs history, and has hung the time-skipping server.
    """

    def __init__(self) -> None:
        """An alarm that is not set."""
        self._at: datetime | None = None
        self._sleeping: dict[datetime, asyncio.Task[None]] = {}

    def set(self, at: datetime | None, summary: str) -> None:
        """Ring at this instant, or not at all.

        Args:
            summary: What it is for, as Temporal's UI shows it beside the timer.
        """
        self._at = at
        if at is not None and at > workflow.now() and at not in self._sleeping:
            self._sleeping[at] = asyncio.create_task(self._sleep(at, summary))

    @property
    def rings(self) -> bool:
        """Whether the instant has come."""
        return self._at is not None and self._at <= workflow.now()

    async def _sleep(self, at: datetime, summary: str) -> None:
        await workflow.sleep(at - workflow.now(), summary=summary)
        del self._sleeping[at]


async def wait_until(owner: Owner, at: datetime, is_done: Callable[[], bool], summary: str) -> None:
    """Wait for an instant, or until something is done elsewhere; while the owner is paused, no instant counts."""
    alarm = Alarm()
    alarm.set(at, summary)
    await workflow.wait_condition(lambda: is_done() or (alarm.rings and owner.paused_at is None))


class OfAccount(Protocol):
    """What a child workflow is given: at least, whose it is."""

    @property
    def account(self) -> str:
        """The account's key."""


S = TypeVar("S", bound=OfAccount)
R = TypeVar("R")


async def start_child(
    kind: Kind[S, R], given: S, id_: str, *, summary: str, about: str
) -> workflow.ChildWorkflowHandle[object, R]:
    """Start one; awaiting what comes back gives its result.

    Args:
        summary, about: What Temporal's UI shows of it.
    """
    return await workflow.start_child_workflow(
        kind.name,
        given,
        id=id_,
        result_type=kind.gives,
        parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        search_attributes=TypedSearchAttributes([SearchAttributePair(ACCOUNT, given.account)]),
        static_summary=summary,
        static_details=about,
    )


async def steer(child: workflow.ChildWorkflowHandle[Any, Any], kind: Steering) -> None:
    """Tell a child workflow to stand still, to go on or to come to its end; one that has ended is no error."""
    with contextlib.suppress(ApplicationError):
        await child.signal("steer", Steer(kind=kind))


class Owner(Protocol):
    """A workflow that has errands done.

    Attributes:
        paused_at: Since when it is paused, if it is.
        todos: The to-dos that are open for it.
    """

    account: str
    paused_at: datetime | None
    todos: set[workflow.ChildWorkflowHandle[Any, Any]]


@dataclass(frozen=True)
class Errand:
    """One chore, for one step of one account.

    Attributes:
        owner: The workflow that waits for it; while that is paused, no to-do opens.
        step: The step, with its attempt where that is not the first.
        number: Counts this chore for this step, from 1.
        unblock: The command that does it.
    """

    chore: Chore
    owner: Owner
    contract: str
    step: str
    title: str
    number: int = 1
    unblock: str | None = None

    async def see_to(self, insist: datetime, is_done: Callable[[], bool]) -> TaskResult | None:
        """Wait until it is done, and put a to-do for it to the TAM if that takes too long.

        Args:
            insist: When the to-do opens. It is due at once, and its ladder counts from there.

        Returns:
            What came of the to-do; nothing if it was done without.
        """
        await wait_until(self.owner, insist, is_done, f"If it is still open: a to-do, {self._title}")
        return None if is_done() else await self.put(is_done, deadline=insist)

    async def put(self, is_done: Callable[[], bool], *, deadline: datetime | None = None) -> TaskResult | None:
        """Put a to-do for it to the TAM, and take it back once it is done elsewhere.

        Args:
            deadline: When it is due; some days from now, where none is given.

        Returns:
            As `see_to`.
        """
        account, step = self.owner.account, f"{self.step}.{self.chore.name}"
        given = TaskStart(
            account=account,
            contract=self.contract,
            subject=account,
            step=step,
            title=self._title,
            attempt=self.number,
            definition=self.chore.definition,
            deadline=deadline,
            unblock=self.unblock,
        )
        todo = await start_child(
            HUMAN_TASK,
            given,
            task_id(account, step, self.number),
            summary=f"{self._title}, for {account}",
            about=self.chore.definition.question,
        )
        self.owner.todos.add(todo)
        await workflow.wait_condition(lambda: is_done() or todo.done())
        self.owner.todos.discard(todo)
        if not todo.done():
            await steer(todo, Steering.CLOSE)
        try:
            result = await todo
        except ChildWorkflowError:
            # It cannot insist any more; the wait ends as if nobody had answered.
            result = TaskResult(outcome=self.chore.definition.on_timeout, at=workflow.now())
        return None if is_done() else result

    @property
    def _title(self) -> str:
        return self.chore.title.format(self.title)
