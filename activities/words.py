"""What people said to a workflow before it was reset in Temporal, by Temporal's own record and by ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from temporalio import activity
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.meeting import Receipt
from rapport.model.words import LATER, Left, RecallAsked, Recalled, SaidBefore
from rapport.storage import words
from rapport.storage.database import Store

_DOOR: Final = "hear_later"


class _Heard(NamedTuple):
    """One word in a history: when it came, its id, what was said, and the receipt."""

    at: int
    id: str
    left: Left
    receipt: Receipt | None


@dataclass(frozen=True)
class Recall:
    """Finds what a workflow was told by people, and by other workflows, that a reset made it forget.

    A reset keeps the history up to its point. What came later is handed to the new run once more, unless whoever reset
    it said that it is not; and then it is too early for much of it. See docs/adr/0031-reset.md.
    """

    store: Store
    client: Client

    @activity.defn(name="words.recall")
    async def recall(self, asked: RecallAsked) -> Recalled:
        """The words that earlier runs have taken after that point; and hand it once more what workflows told it.

        Safe to repeat: what it was handed stands in its own history by then.
        """
        own = await self._history(asked.workflow_id, asked.run_id)
        resets = [number for number, event in enumerate(own) if _base(event) is not None]
        if not resets:
            return Recalled()
        known = {one.id async for one in self._words(own[: resets[-1]])}
        bases = {base for event in own if (base := _base(event)) is not None}
        heard: dict[str, _Heard] = {}
        signals: list[HistoryEvent] = []
        began, handed = own[0].event_time.ToNanoseconds(), _signals(own[: resets[-1]])
        for history in await self._others(asked, own, bases):
            later = [event for event in history if event.event_time.ToNanoseconds() >= began]
            # What one of them was handed by the reset of another is the same.
            signals += _beyond(later, handed)
            handed |= _signals(later)
            async for one in self._words(later):
                if one.id not in known:
                    heard.setdefault(one.id, one)
        await self._hand_over(asked.workflow_id, _beyond(signals, _signals(own[resets[-1] :])))
        said = [one async for one in self._taken(sorted(heard.values()))]
        return Recalled(words=tuple(said), was_reset=True)

    async def _others(
        self, asked: RecallAsked, own: Sequence[HistoryEvent], bases: set[str]
    ) -> list[list[HistoryEvent]]:
        """The histories of the runs that this one goes back to, and of those that followed, the first first."""
        runs = set(bases)
        async for run in self.client.list_workflows(f'WorkflowId = "{asked.workflow_id}"'):
            runs.add(run.run_id)
        found = [await self._history(asked.workflow_id, run) for run in sorted(runs - {asked.run_id})]
        chain = _chain(own)
        return sorted(
            (one for one in found if one and _chain(one) == chain), key=lambda one: one[0].event_time.ToNanoseconds()
        )

    async def _history(self, id_: str, run_id: str) -> list[HistoryEvent]:
        """A run's history; nothing where Temporal keeps it no longer."""
        try:
            handle = self.client.get_workflow_handle(id_, run_id=run_id)
            return [event async for event in handle.fetch_history_events()]
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return []

    async def _words(self, history: Sequence[HistoryEvent]) -> AsyncIterator[_Heard]:
        """The words that a run has taken, or found at its door."""
        outcomes = {
            event.workflow_execution_update_completed_event_attributes.accepted_event_id: event
            for event in history
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
        }
        for event in history:
            at = event.event_time.ToNanoseconds()
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                request = event.workflow_execution_update_accepted_event_attributes.accepted_request
                (word,) = await self._read(request.input.args) or (None,)
                done = outcomes.get(event.event_id)
                receipt = None
                if done is not None:
                    outcome = done.workflow_execution_update_completed_event_attributes.outcome
                    receipt = next(iter(await self._read(outcome.success)), None)
                if isinstance(word, dict) and "id" in word:
                    given = Receipt.model_validate(receipt) if receipt is not None else None
                    yield _Heard(at, word["id"], Left(update=request.input.name, word=word), given)
            elif event.workflow_execution_signaled_event_attributes.signal_name == _DOOR:
                (said,) = await self._read(event.workflow_execution_signaled_event_attributes.input) or (None,)
                try:
                    left = Left.model_validate(said)
                except ValidationError:
                    continue
                if "id" in left.word:
                    yield _Heard(at, left.word["id"], left, None)

    async def _read(self, payloads: Payloads) -> list[Any]:
        return await self.client.data_converter.decode(payloads.payloads) if payloads.payloads else []

    async def _taken(self, heard: Sequence[_Heard]) -> AsyncIterator[SaidBefore]:
        """Those of these words that counted, or whose receipt nobody knows, with what the record says of them."""
        for one in heard:
            receipt = one.receipt
            if receipt is None or receipt.outcome == LATER:
                async with self.store.reading() as connection:
                    receipt = await words.outcome(connection, one.id)
            if receipt is None or receipt.accepted:
                yield SaidBefore(left=one.left, receipt=receipt)

    async def _hand_over(self, id_: str, signals: Sequence[HistoryEvent]) -> None:
        """Send it what it was not handed by the reset."""
        handle = self.client.get_workflow_handle(id_)
        for event in signals:
            said = event.workflow_execution_signaled_event_attributes
            if said.signal_name != _DOOR:
                await handle.signal(said.signal_name, args=await self._read(said.input))


def _base(event: HistoryEvent) -> str | None:
    """The run that was reset here, if this is where one was."""
    failed = event.workflow_task_failed_event_attributes
    reset = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED or failed.cause != reset:
        return None
    return failed.base_run_id


def _chain(history: Sequence[HistoryEvent]) -> str:
    """The first run of those that went on from one another; a reset keeps it."""
    return history[0].workflow_execution_started_event_attributes.first_execution_run_id


def _signal(event: HistoryEvent) -> tuple[str, bytes] | None:
    """Which signal an event is, and what it says; nothing where it is none."""
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
        return None
    said = event.workflow_execution_signaled_event_attributes
    return said.signal_name, said.input.SerializeToString(deterministic=True)


def _signals(history: Sequence[HistoryEvent]) -> Counter[tuple[str, bytes]]:
    """How often each signal came."""
    return Counter(signal for signal in map(_signal, history) if signal is not None)


def _beyond(history: Sequence[HistoryEvent], known: Counter[tuple[str, bytes]]) -> list[HistoryEvent]:
    """The signals of a history that are not among those known; of each, the first are."""
    left, found = Counter(known), []
    for event in history:
        signal = _signal(event)
        if signal is not None:
            left[signal] -= 1
            found += [event] if left[signal] < 0 else []
    return found
