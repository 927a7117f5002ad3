"""What a tech review tells the world around it: its channel, and the onboarding whose steps may wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.announcements import Announcements
    from rapport.model.announcement import Announce, Word
    from rapport.model.ids import onboarding_id

from workflows.options import WEBHOOKS
from workflows.outcomes import Refused, attempted, beside, told

_WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "tech_review.submitted": "submitted",
        "tech_review.edited": "edited",
        "tech_review.said": "said",
        "tech_review.recommended": "recommended",
        "tech_review.decided": "decided",
        "tech_review.overdue": "overdue",
        "tech_review.leadership_told": "leadership_told",
        "tech_review.meeting_asked": "meeting_asked",
        "tech_review.acknowledged": "acknowledged",
        "tech_review.withdrawn": "withdrawn",
        "tech_review.revisit": "revisit",
        "feedback": "said",
        "commitment": "said",
        "vote": "said",
        "reading": "said",
    }
)
"""What the channel is told, by the entry or the remark that says so; nothing else is told twice, or is for others."""

_MOVES: Final = frozenset({"submitted", "edited", "revisit", "decided", "withdrawn"})
"""What may open a gate, or shut one."""

_OPTIONS: Final = frozenset({"said", "recommended", "decided"})
"""What is told with what was chosen."""


class Channel:
    """What is to be told, in its order, beside the story. A channel that fails is no failure of the review."""

    def __init__(self, ref: str, account: str) -> None:
        """Nothing is to be told."""
        self.ref = ref
        self.account = account
        self._words: list[Announce] = []
        self._speaking: asyncio.Task[None] | None = None
        self._gates_moved = False

    def hear(self, kind: str, submission: str | None = None, option: str | None = None) -> None:
        """Take note of what happened; it is told once it is written down.

        Args:
            kind: Of an entry for the timeline, or of a remark.
            option: What was chosen, where there was a choice.
        """
        word = _WORDS.get(kind)
        if word is None:
            return
        self._gates_moved = self._gates_moved or word in _MOVES
        self._words.append(
            Announce(
                ref=self.ref,
                account=self.account,
                what=word,
                submission=submission,
                option=option if word in _OPTIONS else None,
                now=workflow.now(),
            )
        )

    async def speak(self) -> None:
        """Begin to tell what is new, and have the onboarding look at its gates: what they ask is written down now."""
        if self._words and (self._speaking is None or self._speaking.done()):
            self._speaking = beside(self._say_all())
        if self._gates_moved:
            self._gates_moved = False
            # An account without an onboarding waits for no gate.
            await told(onboarding_id(self.account), "gates_changed")

    async def all_said(self) -> None:
        """Wait until nothing is left to be told."""
        await workflow.wait_condition(lambda: self._speaking is None or self._speaking.done())

    async def _say_all(self) -> None:
        while self._words:
            order = self._words.pop(0)
            summary = f"Tell the channel: {order.what.replace('_', ' ')}"
            if isinstance(await attempted(Announcements.announce, order, summary, WEBHOOKS), Refused):
                # What it was to be told by mail cannot be written; `rapport doctor` lists what never reached it.
                workflow.logger.error("the review channel could not be told")
