"""Every way in which what a workflow asks for can end, as values that its story handles.

The SDK raises a failed local activity as a bare `ApplicationError`, one that took too long as a bare `TimeoutError`,
any other activity as `ActivityError`, a child that failed as `ChildWorkflowError`, and a signal to a workflow that is
gone as `ApplicationError`. This module alone catches them (a test holds it), so that no story handles one shape and
misses the other.

What an activity was asked for is done in the end: it is tried without limit, first in the workflow task itself and then
on the task queue, where Temporal's UI shows the attempts and what they meet. Only the activity itself says that trying
again changes nothing, by an `ApplicationError` that is not retryable; that is an outcome, `Denied`. See
docs/adr/0024-outcomes.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from pydantic import TypeAdapter

    from activities.children import Children
    from rapport.model.children import ChildAsked
    from rapport.model.ids import end_of
    from rapport.model.workflows import WorkflowKind, mail_queue
    from rapport.search_attributes import found_by

from workflows.options import CHILDREN, RECORDS, Local, Nature, Remote

A = TypeVar("A")
S = TypeVar("S")
R = TypeVar("R")


class OfAccount(Protocol):
    """What a workflow is given: at least, whose account it is about, if about any."""

    @property
    def account(self) -> str | None:
        """The account's key."""


G = TypeVar("G", bound=OfAccount)

REFUSED: Final = "Refused"
"""The type of an error whose text is shown as it is, and that trying again does not change."""

ONCE: Final = WorkflowIDReusePolicy.REJECT_DUPLICATE
"""For what runs once, as far back as Temporal remembers."""

RUNS: Final = "Runs"
"""The type of what another workflow of the same name stands in the way of."""

NO_RESULT: Final = "its workflow ended without a result"

TRY_AGAIN_AFTER: Final = timedelta(hours=1)
"""How long a refusal is left alone that no story foresees. It is a fault of this program, and goes with the next."""


@dataclass(frozen=True)
class Denied:
    """What was asked for is not done, and asking again changes nothing.

    Attributes:
        type: The error's type, such as `Refused` or `CalendarUnreadable`.
        reason: Fixed words of the activity; never a name, an address or somebody's text.
    """

    type: str
    reason: str


@dataclass(frozen=True)
class Undone:
    """What was asked for did not succeed within its limits; it may have done its work nonetheless.

    An outcome of its own: nothing is also what many an activity gives that has done its work.
    """


def never() -> bool:
    """What is not so, however often it is asked: for whoever waits for nothing else."""
    return False


def beside(work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
    """Begin something beside what begins it.

    An error in it, which is a fault of this program, fails the workflow's task as one in its story does: it stands in
    Temporal's UI, and the workflow goes on once it is mended. A task of asyncio's own would keep it to itself, and what
    it was to do would never be done.
    """
    return asyncio.create_task(_seen_through(work))


async def _seen_through(work: Coroutine[Any, Any, R]) -> R:
    try:
        return await work
    except Exception as error:
        if is_cancelled_exception(error):
            raise
        fault = RuntimeError("what a workflow has begun beside its story failed")
        fault.__cause__ = error

        def fail() -> bool:
            # What a condition raises leaves the workflow's task. As an error that ends no workflow for good.
            raise fault

        await workflow.wait_condition(fail)
        raise


async def done(act: Callable[[A, S], Awaitable[R]], given: S, summary: str, nature: Nature) -> R:
    """Have an activity do what it never refuses, however long that takes.

    Args:
        summary: What it does, as Temporal's UI shows it.
    """
    while isinstance(answer := await attempted(act, given, summary, nature), Denied):
        workflow.logger.error("an activity refused what it never should", extra={"type": answer.type})
        await left_alone(summary)
    return answer


async def attempted(act: Callable[[A, S], Awaitable[R]], given: S, summary: str, nature: Nature) -> R | Denied:
    """Have an activity do something, however long that takes, unless it refuses.

    Args:
        summary: What it does, as Temporal's UI shows it.
    """
    if nature.local is not None:
        answer = await at_once(act, given, summary, nature.local)
        if not isinstance(answer, Undone):
            return answer
    return await in_the_end(act, given, summary, nature.remote)


async def at_once(act: Callable[[A, S], Awaitable[R]], given: S, summary: str, limits: Local) -> R | Denied | Undone:
    """Have an activity try in the workflow task itself."""
    try:
        return await workflow.execute_local_activity_method(act, given, summary=summary, **limits)
    except FailureError as error:
        # Of whatever kind: what failed is no `ActivityError` here, and what took too long no `ApplicationError` either.
        return _refusal(error) or Undone()


async def in_the_end(
    act: Callable[[A, S], Awaitable[R]], given: S, summary: str, limits: Remote, *, mails: bool = False
) -> R | Denied:
    """Have an activity try on the task queue, without limit.

    Args:
        mails: On the task queue of mails that wait for the relay.
    """
    queue = mail_queue(workflow.info().task_queue) if mails else None
    while True:
        try:
            return await workflow.execute_activity_method(act, given, summary=summary, task_queue=queue, **limits)
        except ActivityError as error:
            if (refused := _refusal(error)) is not None:
                return refused
        # Its retry policy has no end, so it was ended from outside, such as by hand in Temporal's UI.
        await left_alone(summary)


async def left_alone(summary: str) -> None:
    """Leave alone for a while what did not succeed; it is tried again then."""
    await workflow.sleep(TRY_AGAIN_AFTER, summary=f"Try again: {summary}")


def _refusal(error: FailureError) -> Denied | None:
    """What an activity refused; nothing where it failed for another reason, such as a database that does not answer."""
    if is_cancelled_exception(error):
        raise error
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError) and cause.non_retryable:
        return Denied(cause.type or "", cause.message)
    return None


@dataclass(frozen=True)
class Known:
    """A workflow that this one has started already, before it was reset in Temporal: that tells it no end of it."""

    id: str


async def begun(
    kind: WorkflowKind[G, R], given: G, id_: str, *, summary: str, about: str = ""
) -> workflow.ChildWorkflowHandle[Any, R] | Known | None:
    """Start another workflow to wait for its result; its own of this name is taken up, be it over or not.

    Nothing where another one's of this name runs. The arguments are those of `started`.
    """
    only_failed = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    child = await started(kind, given, id_, summary=summary, about=about, policy=only_failed)
    if child is not None:
        return child
    found = await done(Children.find, _asked(id_), "Find whose workflow this is", RECORDS)
    if found.own:
        return Known(id_)
    return None if found.runs else await started(kind, given, id_, summary=summary, about=about)


def _asked(id_: str) -> ChildAsked:
    return ChildAsked(id=id_, parent=workflow.info().workflow_id, run=workflow.info().run_id)


async def ended(child: workflow.ChildWorkflowHandle[Any, R] | Known | None, kind: WorkflowKind[Any, R]) -> R | Denied:
    """Wait for what comes of another workflow; one that was terminated, failed, or never began gives no result.

    It has ended, or has said by `say_the_end` what came of it, and only its last mails still wait.
    """
    if child is None:
        return Denied(RUNS, "a workflow of this name runs already")
    said: list[R | Denied] = []

    def hear(word: RawValue) -> None:
        answer = workflow.payload_converter().from_payload(word.payload, kind.gives | None)  # type: ignore[arg-type]
        said.append(Denied("Ended", NO_RESULT) if answer is None else answer)

    # What was said before anybody listened is given to whoever listens now.
    workflow.set_signal_handler(end_of(child.id), hear)
    if isinstance(child, Known):
        asked = in_the_end(Children.result, _asked(child.id), "Wait for what was begun before", CHILDREN.remote)
        looking = beside(asked)
        await workflow.wait_condition(lambda: looking.done() or bool(said))
        workflow.set_signal_handler(end_of(child.id), None)
        if said:
            looking.cancel()
            return said[0]
        found = await looking
        if isinstance(found, Denied) or found.result is None:
            return Denied("Ended", NO_RESULT)
        return TypeAdapter(kind.gives).validate_python(found.result)
    await workflow.wait_condition(lambda: child.done() or bool(said))
    workflow.set_signal_handler(end_of(child.id), None)
    if said:
        # How its mails fare is its own affair, and seen where it runs.
        child.add_done_callback(asyncio.Task.exception)
        return said[0]
    try:
        return await child
    except ChildWorkflowError as error:
        if is_cancelled_exception(error) and workflow.cancellation_reason() is not None:
            raise
        return Denied("Ended", NO_RESULT)


async def say_the_end(result: object) -> None:
    """Tell the workflow that started this one what came of it, before it has ended; there may be none, or none left."""
    info = workflow.info()
    if info.parent is not None:
        await told(info.parent.workflow_id, end_of(info.workflow_id), result)


async def told(workflow_id: str, signal: str, word: object = None) -> bool:
    """Tell another workflow something; whether it was there to hear it."""
    handle = workflow.get_external_workflow_handle(workflow_id)
    try:
        await (handle.signal(signal) if word is None else handle.signal(signal, word))
    except ApplicationError:
        return False
    return True


async def started(
    kind: WorkflowKind[G, R],
    given: G,
    id_: str,
    *,
    summary: str,
    about: str = "",
    policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE,
) -> workflow.ChildWorkflowHandle[Any, R] | None:
    """Start another workflow, which ends by its own work alone; nothing where one of this name runs already.

    Args:
        summary, about: What Temporal's UI shows of it.
        policy: Nothing also where it has ever run, or come to its own end, as far back as Temporal remembers.
    """
    of = given.account
    try:
        return await workflow.start_child_workflow(
            kind.name,
            given,
            id=id_,
            result_type=kind.gives,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=policy,
            search_attributes=found_by(of) if of is not None else None,
            static_summary=summary,
            static_details=about or None,
        )
    except WorkflowAlreadyStartedError:
        return None
