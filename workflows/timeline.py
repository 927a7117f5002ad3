"""What a workflow writes down of itself: entries for the timeline, and what it waits for."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime
from typing import Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from rapport.model.ids import timeline_key
    from rapport.model.message import Release
    from rapport.model.projection import StepNews, TimelineEvent, Wait

WAITING_ON: Final = SearchAttributeKey.for_keyword_list("RapportWaitingOn")
DEADLINE: Final = SearchAttributeKey.for_datetime("RapportDeadline")


class Timeline:
    """Kept by one workflow; handlers write into it, and only `run` hands its pages to SQL.

    Attributes:
        untold: Whether SQL may no longer have what it waits for: somebody else has written of its step meanwhile.
        said_at: When the word was given that is being taken, where it tells; a workflow that was reset takes it again.
    """

    def __init__(
        self, account: str, contract: str, step: str | None = None, *, written: int = 0, wait: Wait | None = None
    ) -> None:
        """Nothing has happened, or what an earlier run of the same workflow has written.

        Args:
            step: The step that entries are about, unless they say otherwise.
            written: How many entries an earlier run wrote.
            wait: What it waited for.
        """
        self.account = account
        self.contract = contract
        self.step = step
        self.wait = wait or Wait()
        self.untold = False
        self.said_at: datetime | None = None
        self._latest: datetime | None = None
        self._entries: list[TimelineEvent] = []
        self._page = self.written = written
        self._alike: Counter[str] = Counter()

    def record(
        self,
        kind: str,
        *,
        step: str | None = None,
        who: str | None = None,
        about: str | None = None,
        instant: datetime | None = None,
        submission: str | None = None,
    ) -> None:
        """Queue an entry for the timeline.

        What follows from a word bears the date at which that was given.

        Its key says what happened, and the how manyth of its like it is. A workflow that was reset in Temporal lives
        through what it had told already, and perhaps in another order: it tells nothing twice, and loses nothing.
        """
        at = self._latest = self.present()
        step = step or self.step
        said = (kind, step, who, about, instant.isoformat() if instant is not None else None, submission)
        digest = hashlib.sha256(repr(said).encode()).hexdigest()[:12]
        self.written += 1
        self._alike[digest] += 1
        self._entries.append(
            TimelineEvent(
                key=timeline_key(
                    self.contract, workflow.info().workflow_id, f"{self._page}-{digest}-{self._alike[digest]}"
                ),
                account=self.account,
                at=at,
                kind=kind,
                step=step,
                who=who,
                about=about,
                instant=instant,
                submission=submission,
            )
        )

    def present(self) -> datetime:
        """The present; while a word is being taken, the instant at which it was given.

        Clocks differ: it was neither given after the present, nor before what was told last.
        """
        now = workflow.now()
        if self.said_at is None:
            return now
        return min(now, self.said_at if self._latest is None else max(self.said_at, self._latest))

    def record_release(self, kind: str, release: Release, about: str) -> None:
        """Queue what a member said of drafts, or that nobody did: of how many, or why it came too late."""
        self.record(kind, who=release.by, submission=release.id if release.by else None, about=about)

    @property
    def has_entries(self) -> bool:
        """Whether an entry is queued."""
        return bool(self._entries)

    def take_entries(self) -> tuple[TimelineEvent, ...]:
        """The queued entries, to be written by whoever takes them."""
        entries, self._entries = tuple(self._entries), []
        return entries

    def take_back(self, entries: tuple[TimelineEvent, ...]) -> None:
        """Queue entries again, before all others: whoever took them has not written them."""
        self._entries[:0] = entries

    def turn_to(self, wait: Wait) -> bool:
        """Note what is waited for from now on, where Temporal's UI can be searched for it.

        Returns:
            Whether there is anything new to be written.
        """
        # At its end it waits for nothing; that it has ended says so without an action of its own.
        if wait.what is not None and (wait.on != self.wait.on or wait.deadline != self.wait.deadline):
            until = DEADLINE.value_unset() if wait.deadline is None else DEADLINE.value_set(wait.deadline)
            workflow.upsert_search_attributes([WAITING_ON.value_set(list(wait.on)), until])
        # The instant changes with the reason alone, and where the same is asked anew.
        same = (wait.what, wait.round) == (self.wait.what, self.wait.round)
        since = self.wait.since if same else workflow.now()
        before, self.wait = self.wait, wait.model_copy(update={"since": since if wait.what is not None else None})
        untold, self.untold = self.untold, False
        return untold or self.has_entries or self.wait != before

    def page(self) -> StepNews:
        """What its step waits for, and the queued entries, to be written by whoever takes them."""
        assert self.step is not None
        return StepNews(
            contract=self.contract,
            step=self.step,
            wait=self.wait,
            now=workflow.now(),
            entries=self.take_entries(),
        )
