"""What people say to a workflow: each word counts once, by whichever way and however often it comes.

A workflow declares each word as an update of Temporal's that is made of its rule and of what it does:

    @workflow.update(name="vote", description="Say which of the times suit")
    @takes(_judge_vote)
    def vote(self, vote: Vote) -> str:
        self.votes[vote.voter] = vote
        return "counted"

    vote.validator(checks(_judge_vote))

See docs/adr/0025-words.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar, get_type_hints

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


class Hears(Protocol):
    """A workflow that people speak to.

    Attributes:
        words: What was said to it.
        changed: Whether something is new, for `run` to act on.
    """

    words: Words
    changed: bool

    def turn_away(self, word: Any, reason: str) -> None:
        """Tell that a word which came by signal does not count; who said it has had no answer yet."""


W = TypeVar("W", bound=WireModel)
H = TypeVar("H", bound=Hears)


def takes(
    judge: Callable[[H, W], str | None],
) -> Callable[[Callable[[H, W], Receipt | str]], Callable[[H, W], Receipt]]:
    """Make an update's handler of what a word does: each word does so once, and the same again gets the same receipt.

    Args:
        judge: Why a word does not count, in words for the person; nothing if it does. The update's validator goes by
            the same rule (`checks`), and so does a word that comes by signal, which reaches a workflow without any.

    Returns:
        What makes a handler of a method that does what is said, and gives its receipt, or what followed in a word.
    """

    def handler_of(effect: Callable[[H, W], Receipt | str]) -> Callable[[H, W], Receipt]:
        kind = _kind(effect)

        def take(self: H, word: W) -> Receipt:
            return self.words.take(word, judge, effect)

        take.__doc__ = effect.__doc__
        take.__annotations__ = {"word": kind, "return": Receipt}
        take.kind, take.judge = kind, judge  # type: ignore[attr-defined]
        return take

    return handler_of


def checks(judge: Callable[[H, W], str | None]) -> Callable[[H, W], None]:
    """Make an update's validator of the rule by which `takes` goes: a word that was answered before passes."""

    def check(self: H, word: W) -> None:
        if self.words.receipt(word) is None and (reason := judge(self, word)) is not None:
            raise ApplicationError(reason, type=REFUSED, non_retryable=True)

    check.__annotations__ = {"word": _kind(judge), "return": None}
    check.judge = judge  # type: ignore[attr-defined]
    return check


def _kind(method: Callable[..., Any]) -> type[WireModel]:
    """What a method takes beside its workflow."""
    kind: type[WireModel] = next(iter(get_type_hints(method).values()))
    return kind


def handlers_of(cls: type) -> dict[str, Any]:
    """The handlers by which a workflow takes words, by the names of their updates."""
    members = (one for base in reversed(cls.__mro__) for one in vars(base).values())
    return {one._defn.name: one for one in members if hasattr(one, "judge") and hasattr(one, "kind")}


class Words:
    """The receipts of all that was said to a workflow, and the one way in."""

    def __init__(self, owner: Hears) -> None:
        """Nothing was said yet."""
        self.receipts: dict[str, Receipt] = {}
        self._owner = owner
        self._at_the_door = asyncio.Lock()

    def recall(self, receipts: Mapping[str, Receipt]) -> None:
        """Take over what an earlier run of the same workflow remembered, the oldest first."""
        self.receipts = dict(receipts)

    def receipt(self, word: Any) -> Receipt | None:
        """The receipt of a word that was seen before."""
        return self.receipts.get(word.id)

    def take(
        self, word: W, judge: Callable[[Any, W], str | None], effect: Callable[[Any, W], Receipt | str]
    ) -> Receipt:
        """Take a word, once; the same again gets the same answer."""
        if (seen := self.receipt(word)) is not None:
            return seen
        self._owner.changed = True
        if (reason := judge(self._owner, word)) is not None:
            return self._turn_away(word, reason)
        taken = effect(self._owner, word)
        return self._remember(word, taken if isinstance(taken, Receipt) else Receipt(accepted=True, outcome=taken))

    async def hear_later(self, left: Left) -> None:
        """Take a word that was left at the door; judged by the same rule, in the order they came.

        Nobody has looked at it yet: one that this version does not know, or cannot read, does not count either.
        """
        async with self._at_the_door:
            door = handlers_of(type(self._owner)).get(left.update)
            try:
                word = door.kind.model_validate(left.word) if door is not None else None
            except ValidationError:
                word = None
            if door is None or word is None:
                self._turn_away_unread(left)
                return
            if self.receipt(word) is None and door.judge(self._owner, word) is not None:
                # A worker that dies takes the end of a workflow's task with it, not what that has put on record: people
                # answer what the workflow is only about to ask again. A timer runs once this task is whole.
                await workflow.sleep(ONCE_MORE, summary="Hear a word again that does not count yet")
            door(self._owner, word)

    def _turn_away_unread(self, left: Left) -> None:
        """Refuse a word of which no more can be read than who said it; without that, nobody waits for an answer."""
        try:
            unread = Unread.model_validate(left.word)
        except ValidationError:
            workflow.logger.warning("a word that nobody can read", extra={"update": left.update})
            return
        if self.receipt(unread) is None:
            self._owner.changed = True
            self._turn_away(unread, UNREADABLE)

    def _turn_away(self, word: Any, reason: str) -> Receipt:
        self._owner.turn_away(word, reason)
        return self._remember(word, Receipt(accepted=False, reason=reason))

    def _remember(self, word: Any, receipt: Receipt) -> Receipt:
        self.receipts[word.id] = receipt
        if len(self.receipts) > REMEMBERED:
            del self.receipts[next(iter(self.receipts))]
        return receipt
