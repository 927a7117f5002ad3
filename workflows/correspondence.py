"""The mails of one workflow: written, waiting as drafts for a person's word, sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.messages import Messages
    from rapport.model.human_task import TaskResult
    from rapport.model.ids import purpose_of
    from rapport.model.meeting import Receipt
    from rapport.model.message import (
        SETTLED,
        Deliver,
        Departed,
        MeetingFacts,
        MessageState,
        Occasion,
        Outcomes,
        Purpose,
        Release,
        SetAside,
    )
    from rapport.model.records import Projection
    from rapport.policy.chores import SEND, UNREAD

from workflows.options import MAIL, RECORDS

T = TypeVar("T")

REMEMBERED: Final = 500
"""How many decisions a workflow remembers, to recognise a repeated one."""


class Correspondence:
    """What a workflow that writes mail is.

    Mails are sent beside the story: a relay that asks for patience, or a stopped installation, never holds up a vote.
    """

    def __init__(self, account: str) -> None:
        """No mail yet."""
        self.account = account
        self.changed = False
        self.drafts: list[str] = []
        self.states: dict[str, MessageState] = {}
        self.troubles: list[str] = []
        self.departed: set[str] = set()
        self._releases: list[Release] = []
        self._receipts: dict[str, Receipt] = {}
        self._posting: set[asyncio.Task[Any]] = set()

    @workflow.update(name="release", description="Send drafts, or hold them back")
    def release(self, release: Release) -> Receipt:
        """A member's word on drafts."""
        if (seen := self._receipts.get(release.id)) is not None:
            return seen
        for key in release.keys:
            self.drafts.remove(key)
        self._releases.append(release)
        self.changed = True
        return self.remember(release.id, Receipt(accepted=True, outcome="held" if release.hold else "sending"))

    @release.validator
    def _validate_release(self, release: Release) -> None:
        if release.id not in self._receipts and not set(release.keys) <= set(self.drafts):
            raise refused("not a draft any more; someone has sent it, held it back, or newer times replaced it")

    def remember(self, id_: str, receipt: Receipt) -> Receipt:
        """Keep a decision's receipt, so that the same decision again gets the same answer."""
        self._receipts[id_] = receipt
        if len(self._receipts) > REMEMBERED:
            del self._receipts[next(iter(self._receipts))]
        return receipt

    def receipt(self, id_: str) -> Receipt | None:
        """The receipt of a decision that was seen before."""
        return self._receipts.get(id_)

    def write(
        self, occasion: Occasion, summary: str, *, reviewed: bool = False
    ) -> asyncio.Task[tuple[str, ...] | None]:
        """Write the mails of an occasion, and send those that nobody has to read first. It begins at once.

        Args:
            reviewed: Someone is likely to have to read them first; then nothing is sent in the same breath.

        Returns:
            A task that gives the keys of the mails, or nothing if they could not be written.
        """
        writing = (
            workflow.start_local_activity_method(Messages.draft, occasion, summary=summary, **RECORDS)
            if reviewed
            else workflow.start_activity_method(Messages.send, occasion, summary=summary, **MAIL)
        )
        return self._post(self._written(writing))

    def take_news(self) -> Projection | None:
        """What there is to tell SQL, for the next activity to take along."""
        return None

    def is_settled(self, key: str) -> bool:
        """Whether nothing more happens to a mail by itself, and nobody has to read it."""
        return self.states.get(key) in SETTLED

    async def all_settled(self, keys: tuple[str, ...]) -> None:
        """Wait until all of these are settled."""
        await workflow.wait_condition(lambda: all(self.is_settled(key) for key in keys))

    @property
    def has_releases(self) -> bool:
        """Whether a member said something of drafts that nobody has acted on yet."""
        return bool(self._releases)

    def drafts_for(self, purpose: Purpose) -> tuple[str, ...]:
        """The drafts that are written for something, and wait for a member's word."""
        return tuple(key for key in self.drafts if purpose_of(key) == purpose)

    def may_go(self, purpose: Purpose) -> bool:
        """Whether a member said that drafts written for something may go, and they have not gone yet."""
        return any(purpose_of(key) == purpose for release in self._releases if not release.hold for key in release.keys)

    async def carry_out_releases(
        self, tell: Callable[[str, str | None, str | None, int], None], meeting: MeetingFacts | None = None
    ) -> None:
        """Act on what members said of drafts.

        Args:
            tell: Takes each release for the timeline: its kind, the member, the submission, and how many drafts.
            meeting: What the drafts say of their meeting by now.
        """
        releases, self._releases = self._releases, []
        for release in releases:
            kind = "drafts.approved" if not release.hold else "drafts.held" if release.by else "drafts.unread"
            tell(kind, release.by, release.id if release.by else None, len(release.keys))
            if release.hold:
                reason = "held back by a member" if release.by else "nobody read it in time"
                await self.set_aside(release.keys, MessageState.HELD, reason)
            else:
                order = Deliver(
                    account=self.account,
                    keys=release.keys,
                    approved_by=release.by,
                    submission=release.id,
                    meeting=meeting,
                    news=self.take_news(),
                )
                self._deliver(order)

    async def replace_proposals(self) -> None:
        """Suppress the drafts whose times have gone stale; newer ones follow."""
        keys = self.drafts_for(Purpose.PROPOSAL)
        self.drafts = [key for key in self.drafts if key not in keys]
        if keys:
            await self.set_aside(keys, MessageState.SUPPRESSED, "replaced: the times in it were too near by now")

    async def set_aside(self, keys: tuple[str, ...], state: MessageState, reason: str) -> None:
        """Keep drafts from going."""
        order = SetAside(keys=keys, state=state, reason=reason)
        outcomes = await workflow.execute_activity_method(
            Messages.set_aside, order, summary=f"{len(keys)} drafts {state}", **MAIL
        )
        self.states.update(outcomes.states)

    def release_by(self, result: TaskResult, keys: tuple[str, ...]) -> None:
        """Do with drafts what came of the to-do to read them; what nobody has read in time is held back."""
        self.drafts = [key for key in self.drafts if key not in keys]
        hold = result.outcome != SEND
        self._releases.append(Release(id=result.submission or UNREAD, by=result.by, keys=keys, hold=hold))
        self.changed = True

    async def drop_departed(self) -> None:
        """Suppress the drafts to those who have left. Whoever wrote them learns that they are settled."""
        if self.drafts:
            order = Departed(keys=tuple(self.drafts), now=workflow.now())
            gone = await workflow.execute_local_activity_method(
                Messages.drop_departed, order, summary="Suppress the drafts to those who have left", **RECORDS
            )
            self.drafts = [key for key in self.drafts if key not in gone.states]
            self.states.update(gone.states)
            self.departed.update(gone.states)

    async def drop_drafts(self, reason: str) -> None:
        """Suppress the drafts that nobody has released."""
        keys, self.drafts = tuple(self.drafts), []
        if keys:
            await self.set_aside(keys, MessageState.SUPPRESSED, reason)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the story, which never waits for it but at its end."""
        self._post(work)

    async def all_posted(self) -> None:
        """Wait until no mail is under way, and nothing else beside the story."""
        await workflow.wait_condition(lambda: not self._posting)

    def _post(self, sending: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(sending)
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)
        return task

    async def _written(self, writing: workflow.ActivityHandle[Outcomes]) -> tuple[str, ...] | None:
        try:
            outcomes = await writing
        except ActivityError as error:
            self._in_trouble(error)
            return None
        self._note(outcomes)
        if ready := outcomes.ready():
            self._deliver(Deliver(account=self.account, keys=ready))
        return tuple(outcomes.states)

    def _deliver(self, order: Deliver) -> None:
        summary = f"Send {len(order.keys)} mails"
        self._post(self._delivered(workflow.start_activity_method(Messages.deliver, order, summary=summary, **MAIL)))

    async def _delivered(self, delivering: workflow.ActivityHandle[Outcomes]) -> None:
        try:
            outcomes = await delivering
        except ActivityError as error:
            self._in_trouble(error)
        else:
            self._note(outcomes)

    def _note(self, outcomes: Outcomes) -> None:
        self.states.update(outcomes.states)
        self.drafts += [key for key in outcomes.drafts() if key not in self.drafts]
        self.changed = True

    def _in_trouble(self, error: ActivityError) -> None:
        """A mail that cannot be written at all: it is told, and the story goes on without it."""
        cause = error.cause
        self.troubles.append(cause.message if isinstance(cause, ApplicationError) else "a mail could not be sent")
        self.changed = True


def refused(reason: str) -> ApplicationError:
    """A refusal for the person who asked; its text is shown as it is."""
    return ApplicationError(reason, type="Refused", non_retryable=True)
