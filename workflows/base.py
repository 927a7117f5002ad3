"""What the workflows of an account's story are made of: words, messages, a timeline, a projection, and one end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from itertools import count
from typing import Any, ClassVar, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.meeting import BesideAsked, Meetings
    from activities.message import Messages
    from rapport.model.cadence import CadenceNews
    from rapport.model.commands import in_name
    from rapport.model.ids import purpose_of, scope_within, step_of
    from rapport.model.message import (
        SETTLED,
        Bundle,
        Deliver,
        Departed,
        MeetingFacts,
        MessageRequest,
        MessageState,
        Outcomes,
        Purpose,
        Release,
        SetAside,
    )
    from rapport.model.operation import Control, ControlKind
    from rapport.model.projection import Projection
    from rapport.model.task import TaskResult
    from rapport.model.words import Left
    from rapport.rules.todo_template import REWRITE, SEND, UNREAD
    from rapport.rules.wording import amount

from workflows.options import RECORDS
from workflows.outcomes import Denied, attempted, beside, done, never, say_the_end
from workflows.posting import give_up, is_tried_again, post
from workflows.projection import Projector
from workflows.timeline import Timeline
from workflows.waiting import Alarm, control
from workflows.words import Words, checks, takes

T = TypeVar("T")


class AccountWorkflow:
    """A workflow that people speak to, that writes mail, and that can stand still.

    It adds nothing but the handlers that all of these have, and their end; what it can do, its parts do.

    Attributes:
        scope: What its commands and the ids of what it starts name: the account, or one of its contracts.
        refusals: The kinds of timeline entries that a word does not count, where they are not those of any word.
        words: What people said to it.
        messages: What it writes to people.
        timeline: What it tells the timeline.
        projector: What it tells SQL.
        changed: Whether something is new, for `run` to act on.
        paused_at: Since when it stands still, if it does.
        closing: Whether it is to come to its end, as whoever started it says; `closed_by` is their word.
        todos: The human tasks that it waits for, by id; they stand still and go on with it.
    """

    refusals: ClassVar[Mapping[type, str]] = {}
    timeline: Timeline
    projector: Projector[Any, Any]

    def __init__(self, account: str) -> None:
        """Nothing was said, and no mail is written."""
        self.account = account
        self.scope = scope_within(workflow.info().workflow_id, account)
        self.words = Words(self)
        self.messages = WorkflowMessages(self)
        self.changed = False
        self.paused_at: datetime | None = None
        self.closing = False
        self.closed_by: Control | None = None
        self.todos: list[str] = []
        self._under_way: set[asyncio.Task[Any]] = set()
        self._end_is_said = False

    # What is said to it

    @workflow.signal(name="hear_later", description="A word that no worker could take at once")
    async def hear_later(self, left: Left) -> None:
        """Take a word that was sent as an update first, at a time when no worker took it."""
        await self.words.hear_later(left)

    def _judge_release(self, release: Release) -> str | None:
        if self.closing:
            return "it is over"
        if self.paused_at is not None:
            resume = in_name(f"rapport onboarding resume {self.scope} --reason …")
            return f"the onboarding is paused; `{resume}` comes first"
        if not set(release.keys) <= set(self.messages.drafts):
            return "not a draft any more; someone has sent it, held it back, or newer times replaced it"
        return None

    @workflow.update(name="release", description="Send drafts, or hold them back")
    @takes(_judge_release)
    def release(self, release: Release) -> str:
        """Have drafts go, or hold them back, as a member says."""
        for key in release.keys:
            self.messages.drafts.remove(key)
        self.messages.releases.append(release)
        return "held" if release.hold else "sending"

    release.validator(checks(_judge_release))

    @workflow.signal(name="control", description="Stand still, go on, come to an end, or tell again what it waits for")
    def control(self, control: Control) -> None:
        """Stand still, go on, come to an end, or tell again, as the workflow that started this one says."""
        self.changed = True
        match control.kind:
            case ControlKind.PAUSE:
                self.paused_at = self.paused_at or workflow.now()
            case ControlKind.RESUME:
                self.paused_at = None
            case ControlKind.CLOSE:
                self.closing, self.closed_by = True, control
            case ControlKind.TELL:
                self.timeline.untold = True

    def turn_away(self, word: Any, reason: str) -> None:
        """Tell on the timeline that a word does not count; who said it has had no answer yet."""
        kind = {Release: "drafts.refused", **self.refusals}.get(type(word), "word.refused")
        step = getattr(word, "step", None)
        self.timeline.record(kind, step=step, who=word.by, submission=word.id, about=reason)

    # What its messages ask of it

    def pending_projection(self) -> Projection | None:
        """What an onboarding has to tell SQL, for the next activity to take along; others tell it by themselves."""
        return None

    @property
    def sees_to_mails(self) -> tuple[str, ...]:
        """Who is asked about mails that cannot be written, as a task's `assign`."""
        return REWRITE.definition.assign

    def facts_by_now(self) -> MeetingFacts | None:
        """What mails that were scheduled say of their meeting when they go."""
        return None

    def why_not(self, key: str) -> str | None:  # noqa: ARG002 - most mails stay of use
        """Why a mail that was scheduled makes no sense any more, if so."""
        return None

    # What goes on beside its story, and its end

    def beside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do something beside the story, which never waits for it but at its end."""
        task = beside(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    @property
    def is_busy(self) -> bool:
        """Whether a mail is under way, or anything else beside the story."""
        return bool(self._under_way)

    async def while_paused(self, is_over: Callable[[], bool] = never) -> datetime | None:
        """Stand still while the onboarding is paused, and so do the to-dos; what comes in is still recorded.

        Args:
            is_over: Whether there is nothing left to stand still for: what was decided meanwhile is decided.

        Returns:
            Since when it stood still; nothing if it did not.
        """
        since = self.paused_at
        if since is None:
            return None
        for todo in list(self.todos):
            await control(todo, ControlKind.PAUSE)
        await workflow.wait_condition(lambda: self.paused_at is None or self.closing or is_over())
        for todo in list(self.todos):
            await control(todo, ControlKind.RESUME)
        return since

    async def control_beside(self, word: Control | ControlKind, contract: str) -> None:
        """Pass on to the meetings beside the playbook what all that goes on with the account has to know."""
        asked = BesideAsked(account=self.account, contract=contract)
        found = await done(Meetings.beside, asked, "Find meetings beside the playbook", RECORDS)
        for id_ in found.ids:
            await control(id_, word)

    async def write_down(self) -> None:
        """Write down what is new."""
        await self.projector.write()

    @property
    def has_news(self) -> bool:
        """Whether something was said, or has happened, that is not written down yet."""
        return self.messages.has_releases or self.timeline.has_entries

    async def all_over(self, result: object = None, *, goes_on: Callable[[], bool] = never) -> bool:
        """Come to the end with nothing lost that was said until then. Every workflow that people speak to ends by this.

        Whatever is waited for here, somebody may speak meanwhile, also in the very last task; so it goes round until
        there is nothing to wait for. Temporal itself takes back an end that meets a word which is not handed over yet.

        Args:
            result: What came of this workflow, if one above waits for it. That one hears it at once where mails have to
                wait, for the relay or for their readers' working time: a last mail of a step never holds up the next.
            goes_on: Whether it does not end after all.

        Returns:
            Whether it is over. Nothing may be awaited between this and the end of `run`.
        """
        while not goes_on():
            await self.messages.carry_out_releases()
            # What was scheduled and makes no sense any more is dropped.
            await self.messages.weed_out()
            await workflow.wait_condition(lambda: not self.is_busy or self.messages.have_to_wait or goes_on())
            if self.is_busy and result is not None and not self._end_is_said:
                self._end_is_said = True
                await say_the_end(result)
            await workflow.wait_condition(lambda: not self.is_busy or goes_on())
            await self.write_down()
            await workflow.wait_condition(workflow.all_handlers_finished)
            if not self.is_busy and not self.has_news:
                return not goes_on()
        return False


class WorkflowMessages:
    """The mails of one workflow.

    They are sent beside the story: a relay that asks for patience, or a stopped installation, never holds up a vote.
    What is scheduled waits here for its instant, and is written then.

    Attributes:
        drafts: The mails that wait for a person's word, by key.
        unread: When somebody is asked once more to read a draft, and by when that is due, by key.
        states: What became of each mail, by key.
        scheduled: When each mail goes that was scheduled, by key.
        joined: The mails that became part of another one.
        releases: What members said of drafts, that nobody has acted on yet.
        departed: The mails that do not go because whoever they are to has left.
    """

    def __init__(self, owner: AccountWorkflow) -> None:
        """No mail yet."""
        self.drafts: list[str] = []
        self.unread: dict[str, tuple[datetime, datetime]] = {}
        self.states: dict[str, MessageState] = {}
        self.scheduled: dict[str, datetime] = {}
        self.joined: set[str] = set()
        self.departed: set[str] = set()
        self._owner = owner
        self.releases: list[Release] = []
        self._sends = Alarm()
        self._waits_to_send = False
        self._held_up = False
        self._unwritten = count(1)

    @property
    def have_to_wait(self) -> bool:
        """Whether a mail was scheduled, or did not simply go at once."""
        return self._held_up or bool(self.scheduled)

    def write(
        self, occasion: MessageRequest, summary: str, *, reviewed: bool = False, insists: bool = True
    ) -> asyncio.Task[tuple[str, ...] | None]:
        """Write the mails of an occasion, and send those that nobody has to read first. It begins at once.

        Args:
            reviewed: Someone is likely to have to read them first; then nothing is sent in the same breath.
            insists: Where they cannot be written, the TAM is asked to correct what is wrong. A step's own mails fail
                the step instead.

        Returns:
            A task that gives the keys of the mails, or nothing if they could not be written.
        """

        def begin() -> Awaitable[Outcomes | Denied]:
            if reviewed:
                return attempted(Messages.draft, occasion, summary, RECORDS)
            return post(Messages.send, occasion, summary, self._hold_up)

        return self._owner.beside(self._written(begin, occasion.news, occasion if insists else None))

    def write_bundle(self, bundle: Bundle, summary: str) -> asyncio.Task[tuple[str, ...] | None]:
        """Write the mails of several occasions in one breath, as `write`. Drafts that they replace wait no more."""
        if bundle.aside is not None:
            self.drafts = [key for key in self.drafts if key not in bundle.aside.keys]
        return self._owner.beside(
            self._written(
                lambda: post(Messages.send_bundle, bundle, summary, self._hold_up), bundle.news, bundle.occasions[0]
            )
        )

    def is_settled(self, key: str) -> bool:
        """Whether nothing more happens to a mail by itself, and nobody has to read it."""
        return self.states.get(key) in SETTLED

    async def all_settled(self, keys: tuple[str, ...]) -> None:
        """Wait until all of these are settled."""
        await workflow.wait_condition(lambda: all(self.is_settled(key) for key in keys))

    @property
    def has_releases(self) -> bool:
        """Whether a member said something of drafts that nobody has acted on yet."""
        return bool(self.releases)

    def drafts_for(self, purpose: Purpose) -> tuple[str, ...]:
        """The drafts that are written for something, and wait for a member's word."""
        return tuple(key for key in self.drafts if purpose_of(key) == purpose)

    def may_go(self, purpose: Purpose) -> bool:
        """Whether a member said that drafts written for something may go, and they have not gone yet."""
        return any(purpose_of(key) == purpose for release in self.releases if not release.hold for key in release.keys)

    async def carry_out_releases(self) -> None:
        """Act on what members said of drafts."""
        releases, self.releases = self.releases, []
        for release in releases:
            kind = "drafts.approved" if not release.hold else "drafts.held" if release.by else "drafts.unread"
            self._owner.timeline.record_release(kind, release, str(len(release.keys)))
            if release.hold:
                reason = "held back by a member" if release.by else "nobody read it in time"
                await self.set_aside(release.keys, MessageState.HELD, reason)
            else:
                order = Deliver(
                    account=self._owner.account,
                    keys=release.keys,
                    approved_by=release.by,
                    submission=release.id,
                    meeting=self._owner.facts_by_now(),
                    news=self._owner.pending_projection(),
                    now=workflow.now(),
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
        order = SetAside(keys=keys, state=state, reason=reason, now=workflow.now())
        outcomes = await done(Messages.set_aside, order, f"{amount(len(keys), 'draft')} {state}", RECORDS)
        self.states.update(outcomes.states)

    def release_by(self, result: TaskResult, keys: tuple[str, ...]) -> None:
        """Do with drafts what came of the to-do to read them; what nobody has read in time is held back."""
        self.drafts = [key for key in self.drafts if key not in keys]
        hold = result.outcome != SEND
        self.releases.append(Release(id=result.submission or UNREAD, at=result.at, by=result.by, keys=keys, hold=hold))
        self._owner.changed = True

    async def drop_departed(self) -> None:
        """Suppress the drafts, and what was scheduled, to those who have left. Whoever wrote them learns of it."""
        if keys := (*self.drafts, *self.scheduled):
            order = Departed(keys=keys, now=workflow.now())
            gone = await done(Messages.drop_departed, order, "Suppress the drafts to those who have left", RECORDS)
            self.drafts = [key for key in self.drafts if key not in gone.states]
            self.scheduled = {key: at for key, at in self.scheduled.items() if key not in gone.states}
            self.states.update(gone.states)
            self.departed.update(gone.states)

    async def drop_drafts(self, reason: str, step: str | None = None) -> None:
        """Suppress the drafts that nobody has released, and what is scheduled.

        Args:
            step: Whose; without it all of them.
        """
        keys = tuple(key for key in (*self.drafts, *self.scheduled) if step in (None, step_of(key)))
        self.drafts = [key for key in self.drafts if key not in keys]
        self.scheduled = {key: at for key, at in self.scheduled.items() if key not in keys}
        if keys:
            await self.set_aside(keys, MessageState.SUPPRESSED, reason)

    def _hold_up(self) -> None:
        """Take note that a mail does not simply go; and wake `run`, which may wait for that at its end."""
        self._held_up = True

    async def _written(
        self,
        begin: Callable[[], Awaitable[Outcomes | Denied]],
        news: Projection | CadenceNews | None,
        about: MessageRequest | None,
    ) -> tuple[str, ...] | None:
        while isinstance(outcomes := await begin(), Denied):
            self._in_trouble(outcomes, news)
            if about is None:
                return None
            self._hold_up()
            tried_again = await is_tried_again(
                about,
                self._unwritten,
                asked=self._owner.sees_to_mails,
                is_over=lambda: self._owner.closing,
                todos=self._owner.todos,
            )
            if not tried_again:
                return None
        self._note(outcomes)
        if ready := outcomes.ready():
            self._deliver(Deliver(account=self._owner.account, keys=ready, now=workflow.now()))
        return tuple(outcomes.states)

    async def _send_in_time(self) -> None:
        """Send what is scheduled when its time has come, but nothing while the onboarding is paused."""
        while self.scheduled:
            await self.weed_out()
            if not self.scheduled:
                break
            self._sends.set(min(self.scheduled.values()), "Scheduled emails go out")
            await workflow.wait_condition(
                lambda: not self.scheduled or (self._owner.paused_at is None and bool(self._due()))
            )
            await self.weed_out()
            if due := self._due():
                for key in due:
                    del self.scheduled[key]
                meeting = self._owner.facts_by_now()
                self._deliver(Deliver(account=self._owner.account, keys=due, meeting=meeting, now=workflow.now()))
        self._waits_to_send = False

    def _due(self) -> tuple[str, ...]:
        return tuple(key for key, at in self.scheduled.items() if at <= workflow.now())

    async def weed_out(self) -> None:
        """Drop what was scheduled and makes no sense any more."""
        reasons = {key: reason for key in self.scheduled if (reason := self._owner.why_not(key)) is not None}
        self.scheduled = {key: at for key, at in self.scheduled.items() if key not in reasons}
        for reason in sorted(set(reasons.values())):
            keys = tuple(key for key, why in reasons.items() if why == reason)
            await self.set_aside(keys, MessageState.SUPPRESSED, reason)

    def _deliver(self, order: Deliver) -> None:
        self._owner.beside(self._delivered(order))

    async def _delivered(self, order: Deliver) -> None:
        outcomes = await post(Messages.deliver, order, f"Send {amount(len(order.keys), 'email')}", self._hold_up)
        if isinstance(outcomes, Denied):
            self._in_trouble(outcomes, order.news)
            outcomes = await give_up(order, outcomes.reason)
        self._note(outcomes)

    def _note(self, outcomes: Outcomes) -> None:
        self.states.update(outcomes.states)
        self.drafts += [key for key in outcomes.drafts() if key not in self.drafts]
        self.joined.update(outcomes.joined)
        if outcomes.unread is not None:
            self.unread |= dict.fromkeys(outcomes.drafts(), outcomes.unread)
        self.scheduled.update(outcomes.waits)
        self._owner.changed = True
        if self.scheduled:
            self._sends.set(min(self.scheduled.values()), "Scheduled emails go out")
            if not self._waits_to_send:
                self._waits_to_send = True
                self._owner.beside(self._send_in_time())

    def _in_trouble(self, refused: Denied, news: Projection | CadenceNews | None) -> None:
        """A mail that cannot be written at all: it is told, with what it was to take along."""
        self._owner.timeline.record("message.refused", about=refused.reason)
        if news is not None:
            self._owner.projector.take_back(news)
        self._owner.changed = True
