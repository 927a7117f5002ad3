"""What people say to workflows: put on record once, handed over, and answered with what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio.client import WorkflowHandle
from temporalio.workflow import UpdateMethodMultiParam

from rapport import temporal
from rapport.model.base import Refused, UserError, Word
from rapport.model.meeting import Receipt
from rapport.model.words import Left
from rapport.storage import words
from rapport.storage.timeline import Submission
from starters import flows
from starters.services import LATER, Services, WorkflowEndedError, answered, present

W = TypeVar("W", bound=Word)


async def once(
    services: Services,
    said: Submission,
    refuse: Callable[[], Awaitable[None]] | None = None,
    *,
    by_state: bool = False,
    **about: Any,
) -> Submission:
    """Put what somebody says to a workflow on record, before it travels; the same word again is the one from before.

    Args:
        refuse: Raises if it cannot be said. A word that was said before is not asked about: it was heard then, and
            what it has changed since would have it refused.
        by_state: Whether it is another word as soon as it was answered. Where what is done already is no harm to say
            again, whoever does hears that.
        about: What they chose beside the text.

    Raises:
        UserError: As `refuse`.
    """
    raw = json.dumps(about, sort_keys=True, default=str)
    said = said.model_copy(update={"about": hashlib.sha256(raw.encode()).hexdigest()})
    if refuse is not None:
        async with services.store.reading() as connection:
            before = await words.find(connection, said, by_state=by_state)
        if before is not None:
            return before
        await refuse()
    async with services.store.writing() as connection:
        return await words.put(connection, said, by_state=by_state)


async def hand_over(
    services: Services,
    handle: WorkflowHandle[Any, Any],
    update: UpdateMethodMultiParam[[Any, W], Receipt],
    word: W,
    subject: str,
) -> Receipt:
    """Hand a word to its workflow, and give what became of it.

    If no worker takes it in time, it is left at the workflow's door as a signal: the workflow knows both for one. If
    the workflow has come to its end meanwhile, the record tells.

    Args:
        word: With its submission's id.

    Returns:
        The workflow's receipt; `LATER` where it waits for a worker.

    Raises:
        UserError: As `answered`, but never because no worker answers.
    """
    id_ = word.id
    try:
        receipt = await _told(services, handle, update, word, id_, subject)
    except UserError as refusal:
        if refusal.kind is not Refused.UNREACHABLE and not isinstance(refusal, WorkflowEndedError):
            await heard(services, id_)
        raise
    if receipt.outcome != LATER:
        await heard(services, id_)
    return receipt


async def heard(services: Services, id_: str) -> None:
    """Keep that whoever said a word was told what became of it."""
    async with services.store.writing() as connection:
        await words.answered(connection, id_, present())


async def _heard_twice(ask: Callable[[], Awaitable[Receipt]]) -> Receipt:
    """What a workflow answers; what it refuses, it is asked once more.

    A worker that dies takes the end of a workflow's task with it, not what that has put on record: people answer what
    the workflow is only about to ask again. A refusal comes when its task is whole; by then it has caught up.
    """
    try:
        return await ask()
    except UserError as refusal:
        if refusal.kind is not Refused.CONFLICT or isinstance(refusal, WorkflowEndedError):
            raise
    return await ask()


async def _told(services: Services, handle: Any, update: Any, word: Word, id_: str, subject: str) -> Receipt:
    try:
        try:
            return await _heard_twice(lambda: answered(handle.execute_update(update, word, id=id_), subject))
        except UserError as refusal:
            if refusal.kind is not Refused.UNREACHABLE:
                raise
        left = Left(update=update._defn.name, word=word.model_dump(mode="json"))
        try:
            await answered(handle.signal(flows.AccountWorkflow.hear_later, left), subject)
        except UserError as refusal:
            # Temporal takes a signal whether or not a worker runs.
            raise temporal.silent() if refusal.kind is Refused.UNREACHABLE else refusal from None
    except WorkflowEndedError:
        # It may have taken the word before it ended, with nobody left to hear the answer.
        async with services.store.reading() as connection:
            receipt = await words.outcome(connection, id_)
        if receipt is None:
            raise
        return receipt
    return Receipt(accepted=True, outcome=LATER)
