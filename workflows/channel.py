"""What a tech review tells the world around it: its channel, and the onboarding whose steps may wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.gate import Gates, Waiting
    from rapport.model.announcement import Announce, AnnouncingStart, Word
    from rapport.model.ids import announcing_id
    from rapport.model.workflows import ANNOUNCING

from workflows.options import RECORDS
from workflows.outcomes import done, started, told

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
        "tech_review.meeting_offered": "meeting_offered",
        "tech_review.meeting_booked": "meeting_booked",
        "tech_review.meeting_moved": "meeting_moved",
        "tech_review.meeting": "met",
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

_OPTIONS: Final = frozenset({"said", "recommended", "decided", "not_met"})
"""What is told with what was chosen."""


class Channel:
    """What is to be told, in its order, by a workflow of its own: a channel that fails is no failure of the review."""

    def __init__(self, ref: str, account: str) -> None:
        """Nothing is to be told."""
        self.ref = ref
        self.account = account
        self._words: list[Announce] = []
        self._gates_moved = False

    def hear(
        self,
        kind: str,
        submission: str | None = None,
        option: str | None = None,
        until: datetime | None = None,
        occasion: str | None = None,
    ) -> None:
        """Take note of what happened; it is told once it is written down.

        Args:
            kind: Of an entry for the timeline, or of a remark.
            option: What was chosen, where there was a choice.
            until: Until when others are heard about it; of a meeting, when it is.
            occasion: As in `Announce`.
        """
        word = _WORDS.get(kind)
        if word is None:
            return
        if word == "met" and option != "held":
            # Nobody found a time or said how it went, or somebody called it off: there are no notes.
            word = "not_met"
        self._gates_moved = self._gates_moved or word in _MOVES
        self._words.append(
            Announce(
                ref=self.ref,
                account=self.account,
                what=word,
                submission=submission,
                option=option if word in _OPTIONS else None,
                until=until,
                occasion=occasion,
                now=workflow.now(),
            )
        )

    @property
    def has_news(self) -> bool:
        """Whether anything is to be put on record."""
        return bool(self._words)

    def take(self) -> tuple[Announce, ...]:
        """What is new, to be put on record."""
        words, self._words = tuple(self._words), []
        return words

    async def speak(self, *, is_new: bool) -> None:
        """Have the channel told what is on record by now, and the onboarding look at its gates.

        Args:
            is_new: Whether there is anything that the channel was not told yet.
        """
        if is_new:
            await self._have_told()
        if self._gates_moved:
            self._gates_moved = False
            # An account without an onboarding waits for no gate.
            question = Waiting(account=self.account)
            waiting = await done(Gates.waiting, question, "Which onboardings may wait for it?", RECORDS)
            for id_ in waiting.workflows:
                await told(id_, "gates_changed")

    async def _have_told(self) -> None:
        start, id_ = AnnouncingStart(ref=self.ref, account=self.account), announcing_id(self.ref)
        summary = f"Tell the channel of {self.ref}"
        while await started(ANNOUNCING, start, id_, summary=summary) is None:
            if await told(id_, "more_to_tell"):
                return
