"""What people say to a workflow: each word counts once, by whichever way and however often it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from rapport.model.base import WireModel
    from rapport.model.meeting import Receipt
    from rapport.model.words import Left, Unread

from workflows.outcomes import REFUSED

UNREADABLE: Final = "it can't be read here; please say it again"

ONCE_MORE: Final = timedelta(seconds=1)
"""Any time will do."""

REMEMBERED: Final = 500
"""How many words a workflow remembers, to recognise a repeated one."""


class Saying(Protocol):
    """What somebody says: with its submission's id, which is the same however often it is said."""

    @property
    def id(self) -> str:
        """The submission's."""


W = TypeVar("W", bound=WireModel)


@dataclass(frozen=True)
class WordKind(Generic[W]):
    """How a workflow takes one kind of word.

    Attributes:
        kind: What comes in.
        judge: Why it does not count, in words for the person; nothing if it does. The one rule behind update and
            signal: a signal reaches a workflow without its validator.
        take: Does what it says, and gives its receipt, or what followed in a word.
    """

    kind: type[W]
    judge: Callable[[W], str | None]
    take: Callable[[W], Receipt | str]


class Words:
    """The receipts of all that was said to a workflow, and the one way in."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.changed = False
        self._receipts: dict[str, Receipt] = {}
        self._at_the_door = asyncio.Lock()

    def doors(self) -> Mapping[str, WordKind[Any]]:
        """What may be said, by the name of its update."""
        return {}

    def turn_away(self, word: Any, reason: str) -> None:
        """Tell that a word which came by signal does not count; who said it has had no answer yet."""
        raise NotImplementedError

    def check_word(self, update: str, word: Saying) -> None:
        """Refuse a word that does not count, unless it was answered before."""
        if self.receipt(word.id) is None and (reason := self.doors()[update].judge(word)) is not None:
            raise refused(reason)

    def take_word(self, update: str, word: Saying) -> Receipt:
        """Take a word, once; the same again gets the same answer."""
        if (seen := self.receipt(word.id)) is not None:
            return seen
        self.changed = True
        door = self.doors()[update]
        if (reason := door.judge(word)) is not None:
            self.turn_away(word, reason)
            return self.remember(word.id, Receipt(accepted=False, reason=reason))
        taken = door.take(word)
        return self.remember(word.id, taken if isinstance(taken, Receipt) else Receipt(accepted=True, outcome=taken))

    @workflow.signal(name="hear_later", description="A word that no worker could take at once")
    async def hear_later(self, left: Left) -> None:
        """The same word, left at the door while no worker was there; judged by the same rule, in the order they came.

        Nobody has looked at it yet: one that this version does not know, or cannot read, does not count either.
        """
        async with self._at_the_door:
            door = self.doors().get(left.update)
            try:
                word = door.kind.model_validate(left.word) if door is not None else None
            except ValidationError:
                word = None
            if door is None or word is None:
                self._turn_away_unread(left)
                return
            if self.receipt(word.id) is None and door.judge(word) is not None:
                # A worker that dies takes the end of a workflow's task with it, not what that has put on record: people
                # answer what the workflow is only about to ask again. A timer runs once this task is whole.
                await workflow.sleep(ONCE_MORE, summary="Hear a word again that does not count yet")
            self.take_word(left.update, word)

    def _turn_away_unread(self, left: Left) -> None:
        """Refuse a word of which no more can be read than who said it; without that, nobody waits for an answer."""
        try:
            unread = Unread.model_validate(left.word)
        except ValidationError:
            workflow.logger.warning("a word that nobody can read", extra={"update": left.update})
            return
        if self.receipt(unread.id) is None:
            self.changed = True
            self.turn_away(unread, UNREADABLE)
            self.remember(unread.id, Receipt(accepted=False, reason=UNREADABLE))

    def remember(self, id_: str, receipt: Receipt) -> Receipt:
        """Keep a word's receipt, so that the same word again gets the same answer."""
        self._receipts[id_] = receipt
        if len(self._receipts) > REMEMBERED:
            del self._receipts[next(iter(self._receipts))]
        return receipt

    @property
    def receipts(self) -> dict[str, Receipt]:
        """Every receipt that is remembered, the oldest first."""
        return dict(self._receipts)

    def recall_receipts(self, receipts: Mapping[str, Receipt]) -> None:
        """Take over what an earlier run of the same workflow remembered."""
        self._receipts = dict(receipts)

    def receipt(self, id_: str) -> Receipt | None:
        """The receipt of a word that was seen before."""
        return self._receipts.get(id_)


def refused(reason: str) -> ApplicationError:
    """A refusal for the person who asked; its text is shown as it is."""
    return ApplicationError(reason, type=REFUSED, non_retryable=True)
