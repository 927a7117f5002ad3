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
    from activities.words import Recall
    from rapport.model.base import Word
    from rapport.model.meeting import Receipt
    from rapport.model.words import LATER, Left, RecallAsked, SaidBefore, Unread

from workflows.options import RECORDS
from workflows.outcomes import REFUSED, beside, done
from workflows.reset import whenever_reset
from workflows.timeline import Timeline

UNREADABLE: Final = "it can't be read here; please say it again"

ONCE_MORE: Final = timedelta(seconds=1)
"""Any time will do."""

REMEMBERED: Final = 500
"""How many words that do not count a workflow remembers, to recognise a repeated one."""


class Hears(Protocol):
    """A workflow that people speak to.

    Attributes:
        words: What was said to it.
        changed: Whether something is new, for `run` to act on.
        timeline: Where it tells what has happened.
    """

    words: Words
    changed: bool
    timeline: Timeline

    def turn_away(self, word: Any, reason: str) -> None:
        """Tell that a word which came by signal does not count; who said it has had no answer yet."""


W = TypeVar("W", bound=Word)
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
        take.kind, take.judge, take.effect = kind, judge, effect  # type: ignore[attr-defined]
        return take

    return handler_of


def checks(judge: Callable[[H, W], str | None]) -> Callable[[H, W], None]:
    """Make an update's validator of the rule by which `takes` goes: a word that was answered before passes."""

    def check(self: H, word: W) -> None:
        if self.words.are_recalled or self.words.receipt(word) is not None:
            return
        if (reason := judge(self, word)) is not None:
            raise ApplicationError(reason, type=REFUSED, non_retryable=True)

    check.__annotations__ = {"word": _kind(judge), "return": None}
    check.judge = judge  # type: ignore[attr-defined]
    return check


def _receipt(taken: Receipt | str) -> Receipt:
    return taken if isinstance(taken, Receipt) else Receipt(accepted=True, outcome=taken)


def _kind(method: Callable[..., Any]) -> type[Word]:
    """What a method takes beside its workflow."""
    kind: type[Word] = next(iter(get_type_hints(method).values()))
    return kind


def handlers_of(cls: type) -> dict[str, Any]:
    """The handlers by which a workflow takes words, by the names of their updates."""
    members = (one for base in reversed(cls.__mro__) for one in vars(base).values())
    return {one._defn.name: one for one in members if hasattr(one, "judge") and hasattr(one, "kind")}


class Words:
    """The receipts of all that was said to a workflow, and the one way in.

    A run that was reset in Temporal to an earlier point asks what was said to it after that. Words count again once
    they can: a decision when the question is put again, a vote when the times are on offer. Until it knows them it
    judges none, and what it would refuse waits.

    Attributes:
        are_recalled: Whether that is being asked.
        was_reset: Whether it ever was.
    """

    def __init__(self, owner: Hears) -> None:
        """Nothing was said yet."""
        self.receipts: dict[str, Receipt] = {}
        self._owner = owner
        self._at_the_door = asyncio.Lock()
        self._waiting: dict[str, SaidBefore] = {}
        self.was_reset = self.are_recalled = False
        whenever_reset(self._recall_soon)
        beside(self._recall_whenever_reset())

    def _recall_soon(self) -> None:
        self.are_recalled = True

    async def _recall_whenever_reset(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self.are_recalled)
            asked = RecallAsked(workflow_id=workflow.info().workflow_id, run_id=workflow.info().run_id)
            found = await done(Recall.recall, asked, "Recall what was said before a reset", RECORDS)
            self._waiting |= {
                one.left.word["id"]: one for one in found.words if one.left.word["id"] not in self.receipts
            }
            self.receipts |= {id_: one.receipt for id_, one in self._waiting.items() if one.receipt is not None}
            self.was_reset, self.are_recalled = found.was_reset, False
            self.take_up()
            if self._waiting:
                beside(self._take_up_in_time())

    async def _take_up_in_time(self) -> None:
        """Take each word up once it can be; what never counted and still does not is turned away."""
        await workflow.sleep(ONCE_MORE, summary="Hear words again that do not count yet")
        for said in list(self._waiting.values()):
            if said.receipt is None and (read := self._read(said.left)) is not None:
                del self._waiting[read[1].id]
                read[0](self._owner, read[1])
        while self._waiting:
            await workflow.wait_condition(self._may_take_one_up)
            self.take_up()

    def take_up(self) -> None:
        """Take up what was said before a reset, in its order, as far as it counts by now."""
        for id_, said in list(self._waiting.items()):
            if (read := self._read(said.left)) is not None and read[0].judge(self._owner, read[1]) is None:
                del self._waiting[id_]
                self._owner.changed = True
                # The receipt that was given stays what it is.
                self.receipts.setdefault(id_, self._effect(read[0].effect, read[1]))

    def are_done(self, update: str, last: str | None) -> None:
        """Take what was said by one kind of word before a reset for done, up to this one: what came of it stands."""
        same = [id_ for id_, said in self._waiting.items() if said.left.update == update]
        for id_ in same[: same.index(last) + 1] if last in same else ():
            del self._waiting[id_]

    def _may_take_one_up(self) -> bool:
        found = (self._read(said.left) for said in self._waiting.values())
        return not self._waiting or any(one is not None and one[0].judge(self._owner, one[1]) is None for one in found)

    async def all_known(self) -> None:
        """Wait until it is known what was said before a reset, and take up what counts by now."""
        if self.are_recalled:
            await workflow.wait_condition(lambda: not self.are_recalled)
        self.take_up()

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
            if self.are_recalled:
                names = (name for name, one in handlers_of(type(self._owner)).items() if one.effect is effect)
                self._waiting[word.id] = SaidBefore(left=Left(update=next(names), word=word.model_dump(mode="json")))
                return Receipt(accepted=True, outcome=LATER)
            return self._turn_away(word, reason)
        return self._remember(word, self._effect(effect, word))

    def _effect(self, effect: Callable[[Any, W], Receipt | str], word: W) -> Receipt:
        """Do what a word says, as of when it was given, however much later it is taken, or taken again."""
        self._owner.timeline.said_at = word.at
        try:
            return _receipt(effect(self._owner, word))
        finally:
            self._owner.timeline.said_at = None

    async def hear_later(self, left: Left) -> None:
        """Take a word that was left at the door; judged by the same rule, in the order they came.

        Nobody has looked at it yet: one that this version does not know, or cannot read, does not count either.
        """
        async with self._at_the_door:
            await self.all_known()
            read = self._read(left)
            if read is None:
                self._turn_away_unread(left)
                return
            door, word = read
            if word.id in self._waiting:
                return
            if self.receipt(word) is None and door.judge(self._owner, word) is not None:
                # A worker that dies takes the end of a workflow's task with it, not what that has put on record: people
                # answer what the workflow is only about to ask again. A timer runs once this task is whole.
                await workflow.sleep(ONCE_MORE, summary="Hear a word again that does not count yet")
            door(self._owner, word)

    def _read(self, left: Left) -> tuple[Any, Any] | None:
        """What takes a word that was left, and the word; nothing where it is not known here, or cannot be read."""
        door = handlers_of(type(self._owner)).get(left.update)
        try:
            return (door, door.kind.model_validate(left.word)) if door is not None else None
        except ValidationError:
            return None

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
        """Keep a receipt.

        What counts is never forgotten: whoever heard no answer may say it again after years, and it must not count
        twice. What does not count changes nothing by being said again, but to be told so once more.
        """
        self.receipts[word.id] = receipt
        refused = [id_ for id_, one in self.receipts.items() if not one.accepted]
        for id_ in refused[:-REMEMBERED]:
            del self.receipts[id_]
        return receipt
