"""Waiting for people, for instants, and for other workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.planning import FollowUp, Planning
    from rapport.model.ids import task_id
    from rapport.model.operation import Control, ControlKind
    from rapport.model.task import TaskDefinition, TaskResult, TaskStart
    from rapport.model.workflows import HUMAN_TASK
    from rapport.rules.todo_template import TodoTemplate

from workflows.options import PLANNING
from workflows.outcomes import Denied, begun, beside, done, ended, never, told

BEFORE: Final = -1
"""On which business day of the TAM's, counted from a meeting, they are briefed on it."""

NEXT_TO_DO: Final = timedelta(days=1)
"""How long nobody is asked again after a to-do that everyone let pass."""

OVERTAKEN: Final = "it was settled in another way at the same moment"


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
            self._sleeping[at] = beside(self._sleep(at, summary))

    @property
    def rings(self) -> bool:
        """Whether the instant has come."""
        return self._at is not None and self._at <= workflow.now()

    async def _sleep(self, at: datetime, summary: str) -> None:
        await workflow.sleep(at - workflow.now(), summary=summary)
        del self._sleeping[at]


async def wait_until(owner: TodoOwner, at: datetime, is_done: Callable[[], bool], summary: str) -> None:
    """Wait for an instant, or until something is done elsewhere; while the owner is paused, no instant counts."""
    alarm = Alarm()
    alarm.set(at, summary)
    await workflow.wait_condition(lambda: is_done() or (alarm.rings and owner.paused_at is None))


async def control(workflow_id: str, word: ControlKind | Control) -> None:
    """Tell a workflow to stand still, to go on or to come to its end; one that has ended is no error."""
    await told(workflow_id, "control", word if isinstance(word, Control) else Control(kind=word))


async def ask(
    given: TaskStart, id_: str, summary: str, *, is_over: Callable[[], bool] = never, todos: list[str] | None = None
) -> TaskResult:
    """Put a question to people, and take it back once nobody needs the answer any more.

    Args:
        summary: What Temporal's UI shows of it.
        is_over: Whether the answer is needed no more.
        todos: Where its id stands for as long as it is open.

    Returns:
        What came of it. A task whose workflow was ended from outside counts as one that nobody answered.
    """
    task = await begun(HUMAN_TASK, given, id_, summary=summary, about=given.definition.question)
    answer = ended(task, HUMAN_TASK)
    ending = beside(answer)
    if task is not None:
        open_ = todos if todos is not None else []
        open_.append(id_)
        await workflow.wait_condition(lambda: ending.done() or is_over())
        open_.remove(id_)
        if not ending.done():
            await control(id_, ControlKind.CLOSE)
    result = await ending
    return TaskResult(outcome=given.definition.on_timeout, at=workflow.now()) if isinstance(result, Denied) else result


async def followed_up(
    account: str, days: tuple[int, ...], summary: str, since: datetime | None = None, member: str | None = None
) -> tuple[datetime, ...]:
    """When the TAM is asked once more, and by when that is due: so many business days from an instant, or from now.

    Args:
        member: Who is asked, where it is another member.
    """
    question = FollowUp(account=account, since=since or workflow.now(), days=days, member=member)
    return (await done(Planning.follow_up, question, summary, PLANNING)).at


async def soon(account: str) -> datetime:
    """When a to-do of the TAM's is due that something hangs on: one business day from now."""
    return (await followed_up(account, (1,), "By when is this due?"))[0]


class TodoOwner(Protocol):
    """A workflow that has to-dos for people.

    Attributes:
        scope: What they are about, where they do not say it: the account, or one of its contracts.
        paused_at: Since when it is paused, if it is.
        todos: The ids of the to-dos that are open for it, in their order.
        changed: Whether there is something to be told.
    """

    account: str
    scope: str
    changed: bool
    paused_at: datetime | None
    todos: list[str]

    def turn_away(self, word: Any, reason: str) -> None:
        """Tell that a word does not count."""


@dataclass(frozen=True)
class Todo:
    """One to-do of somebody, for one step of one account.

    Attributes:
        owner: The workflow that waits for it; while that is paused, no to-do opens.
        step: The step, with its attempt where that is not the first.
        number: Counts this kind of to-do for this step, from 1.
        unblock: The command that does it.
        subject, member: What it is about and who has to do it, where that is not the owner's scope and the TAM.
        about: The contact whom it concerns.
    """

    template: TodoTemplate
    owner: TodoOwner
    contract: str
    step: str
    title: str
    number: int = 1
    unblock: str | None = None
    subject: str | None = None
    member: str | None = None
    about: str | None = None

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
        account = self.owner.account
        given = TaskStart(
            account=account,
            contract=self.contract,
            subject=self.subject or self.owner.scope,
            step=self._step,
            title=self._title,
            attempt=self.number,
            about=self.about,
            definition=self._definition,
            deadline=deadline,
            unblock=self.unblock,
        )
        result = await ask(given, self.id, f"{self._title}, for {account}", is_over=is_done, todos=self.owner.todos)
        if not is_done():
            return result
        if result.outcome in self.template.options and result.decisions:
            # Both were decided in the same moment, and each was told that it counts.
            self.owner.turn_away(result.decisions[-1], OVERTAKEN)
            self.owner.changed = True
        return None

    @property
    def id(self) -> str:
        """The id of the to-do's workflow."""
        return task_id(self.subject or self.owner.scope, self._step, self.number)

    @property
    def _definition(self) -> TaskDefinition:
        given = self.template.definition
        return given if self.member is None else given.model_copy(update={"assign": (self.member,)})

    @property
    def _step(self) -> str:
        return f"{self.step}.{self.template.name}"

    @property
    def _title(self) -> str:
        return self.template.title.format(self.title)
