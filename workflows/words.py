"""What people say to a workflow: each word counts once, by whichever way and however often it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from rapport.model.base import Wire
    from rapport.model.meeting import Receipt
    from rapport.model.words import Left

from workflows.outcomes import REFUSED

REMEMBERED: Final = 500
"""How many words a workflow remembers, to recognise a repeated one."""


class Word(Protocol):
    """What somebody says: with its submission's id, which is the same however often it is said."""

    @property
    def id(self) -> str:
        """The submission's."""


W = TypeVar("W", bound=Wire)


@dataclass(frozen=True)
class Door(Generic[W]):
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

    def doors(self) -> Mapping[str, Door[Any]]:
        """What may be said, by the name of its update."""
        return {}

    def turn_away(self, word: Any, reason: str) -> None:
        """Tell that a word which came by signal does not count; who said it has had no answer yet."""
        raise NotImplementedError

    def check_word(self, update: str, word: Word) -> None:
        """Refuse a word that does not count, unless it was answered before."""
        if self.receipt(word.id) is None and (reason := self.doors()[update].judge(word)) is not None:
            raise refused(reason)

    def take_word(self, update: str, word: Word) -> Receipt:
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
    def hear_later(self, left: Left) -> None:
        """The same word, left at the door while no worker was there; judged by the same rule."""
        self.take_word(left.update, self.doors()[left.update].kind.model_validate(left.word))

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
