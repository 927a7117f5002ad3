"""What recurs for an account: its standing meetings with brief and digest, and a review each quarter."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cadence import Cadences as Planning, PlanReview, PlanSync, SeekTime
    from activities.message import LeftBehind, LeftInvitation
    from activities.projection import Projections
    from rapport.model.cadence import (
        BusinessReview,
        CadenceNews,
        CadencePlan,
        CadenceResult,
        CadenceStart,
        CadenceState,
        CadenceView,
        Missed,
        MoveOne,
        NotHeld,
        Occurrence,
        ReviewPlan,
        ReviewSet,
        SetRhythm,
        SkipOne,
        StandingChange,
        StandingMeeting,
        SyncPlan,
    )
    from rapport.model.commands import in_name
    from rapport.model.ids import meeting_id, purpose_of, step_of, task_id
    from rapport.model.meeting import MeetingStart
    from rapport.model.message import Bundle, MessageState, Purpose, SetAside
    from rapport.model.operation import ControlKind, Operate, Operation
    from rapport.model.playbook import Playbook
    from rapport.model.projection import Wait
    from rapport.model.step import ReviewStep, SyncStep
    from rapport.model.task import TaskResult, TaskStart
    from rapport.model.workflows import CADENCE, HUMAN_TASK, MEETING
    from rapport.rules import cadence, details, playbook_migration
    from rapport.rules.operation import UNCHANGED
    from rapport.rules.playbook_migration import IN_THE_CALENDAR, NOT_IN_PLAYBOOK
    from rapport.rules.todo_template import (
        AGAIN,
        CALL_OFF,
        REVIEW_ENDED,
        TodoTemplate,
        review_ended_when_asked,
        review_ended_when_booked,
    )
    from rapport.rules.wording import amount

from workflows.base import AccountWorkflow
from workflows.cadence_mails import Recurring, preparation
from workflows.left_invitation import call_off, have_decided
from workflows.options import CALENDARS, PLANNING
from workflows.outcomes import Denied, Known, attempted, begun, beside, done, ended, told
from workflows.projection import Projector
from workflows.timeline import Timeline
from workflows.waiting import BEFORE, Alarm, ask, control, followed_up, soon
from workflows.words import checks, takes

OPERATIONS: Final = MappingProxyType(
    {Operate.PAUSE: "paused", Operate.RESUME: "resumed", Operate.ADOPT: "adopted", Operate.CANCEL: "cancelled"}
)
"""What can be done to what recurs as a whole, and what then stands in the receipt."""

REPLACED: Final = "replaced: a newer one was written before anybody sent it"

CADENCE_IS_OVER: Final = "what recurs has come to its end"

_CALLED_OFF: Final = MappingProxyType({"taken": "sync.taken", "absence": "sync.away"})
"""What the timeline is told of a date that is called off by itself, by why."""

COUNTED_BY: Final = frozenset({"every"})
PLANNED_BY: Final = frozenset({"every", "offered", "prepare"})
"""What of a review says when it is due, and when its times are offered."""


@workflow.defn(name=CADENCE.name)
class Cadence(AccountWorkflow):
    """Stands on its own beside the onboarding, from the first weekly on; a run lasts from review to review."""

    @workflow.init
    def __init__(self, start: CadenceStart) -> None:
        """At the very beginning, or where the run before this one stopped."""
        state = start.state or cadence.laid_out(start.steps, workflow.now()).model_copy(
            update={"playbook": start.playbook, "version": start.version}
        )
        super().__init__(start.account)
        self.syncs: dict[str, StandingMeeting] = dict(state.syncs)
        self.reviews: dict[str, BusinessReview] = dict(state.reviews)
        self.changes = list(state.changes)
        self.missed = list(state.missed)
        self.words.recall(state.receipts)
        self.messages.drafts = list(state.drafts)
        self.timeline = Timeline(start.account, start.contract, written=state.written, wait=state.wait)
        self.contract = start.contract
        self.playbook, self.version = state.playbook, state.version
        self.adopting: tuple[SyncStep | ReviewStep, ...] | None = None
        self.has_adopted = False
        self.people_moved = False
        self.review_times: list[ReviewSet] = []
        self.stale: set[str] = set()
        self.start = start
        self.began = state.began
        self.projector = Projector(
            Projections.tell_cadence,
            self._gather,
            lambda: details.cadence(self.view(), len(self.messages.drafts)),
            self._take_back,
            state.projected,
        )
        self.retired = dict(state.retired)
        self.gone: list[str] = []
        self.recurring = Recurring(start.account, start.contract, state.mails)
        self.alarm = Alarm()
        self.review_over = self.canceled = False
        self._open: list[str] = []
        self._asked: Counter[str] = Counter()
        self._seeing_to: set[asyncio.Task[None]] = set()
        self._telling: asyncio.Task[Any] | None = None

    @workflow.run
    async def run(self, start: CadenceStart) -> CadenceResult:
        """Brief, plan, offer and tell until somebody closes it; each review is followed by a fresh run."""
        if start.state is None:
            self.timeline.record("cadence.began")
        while not self.closing:
            self.changed = False
            await self.words.all_known()
            await self.stand_still()
            await self.follow_the_playbook()
            self.send_what_is_due()
            await self.find_standing_times()
            await self.plan_ahead()
            await self.offer_reviews()
            await self.follow_bookings()
            self.brief_on_reviews()
            self.tell_everyone_of_changes()
            self.tell_the_tam_what_was_missed()
            await self.messages.carry_out_releases()
            await self.write_down()
            await self.turn_the_page()
            self.alarm.set(self._next(), "The next brief, digest or review is due")
            await workflow.wait_condition(lambda: self.changed or self.messages.has_releases or self.alarm.rings)
        return await self.finish()

    # The story

    async def stand_still(self) -> None:
        """While it is paused nothing goes out, and what is open stands still too; what was due meanwhile is missed."""
        if self.paused_at is not None:
            await self.write_down()
            await self.control_beside(ControlKind.PAUSE, self.contract)
            await self.while_paused()
            if not self.closing:
                await self.control_beside(ControlKind.RESUME, self.contract)

    async def follow_the_playbook(self) -> None:
        """Do as an adopted playbook says, from the next brief or offer on; with nothing left, come to an end."""
        if self.adopting is not None:
            wanted, self.adopting = self.adopting, None
            await self._adopt(wanted)
        self._forget_ended()
        if not (self.syncs or self.reviews):
            self.closing = self.changed = True

    def send_what_is_due(self) -> None:
        """Brief the TAM and send the digest before each standing meeting; what nobody saw to in time was missed."""
        for name, before in list(self.syncs.items()):
            sync, held = cadence.counted(before, workflow.now())
            for one in held:
                self.timeline.record("sync.held", step=name, instant=one.start)
            turn = cadence.take_due(sync, workflow.now())
            self.put(name, turn.sync)
            for missed in turn.missed:
                self.miss(missed)
            if turn.brief is not None:
                self._brief(turn.sync, turn.brief)

    async def find_standing_times(self) -> None:
        """Look for a time that suits those who are needed; if there is none, the TAM sets one."""
        for name, sync in list(self.syncs.items()):
            if not cadence.seeks(sync, workflow.now()):
                continue
            plan = await self._seek(sync)
            found = cadence.planned(self.syncs[name], plan)
            if plan.standing is not None:
                self.put(name, found)
                self.announce(name, "begun")
                self._call_off(name, plan)
            else:
                again = workflow.now() + cadence.SEEK_AGAIN
                self.put(name, found.model_copy(update={"seek_at": again}))
                self.timeline.record("sync.no_time", step=name)
                self.messages.write(
                    self.recurring.no_time(self.syncs[name]), "Tell the TAM that no time suits everyone"
                )

    async def plan_ahead(self) -> None:
        """Plan a quarter's occurrences at once, whenever few are left, or a member has set another time."""
        # Who comes or goes while it is planned is planned for next.
        moved, self.people_moved = self.people_moved, False
        for id_ in list(self._open) if moved else ():
            # A review that has just been offered is not on record yet, and hears it from here.
            await told(id_, "people_changed")
        for name, sync in list(self.syncs.items()):
            if sync.wanted is not None:
                new = sync.standing is None
                plan = await self.plan_sync(sync)
                self.put(name, cadence.planned(cadence.set_anew(self.syncs[name], workflow.now()), plan))
                self.announce(name, "begun" if new else "changed", sync.wanted)
                self._call_off(name, plan)
            elif (
                cadence.runs_out(sync)
                or cadence.takes_absences(sync, workflow.now())
                or (moved and sync.standing is not None)
            ):
                plan = await self.plan_sync(sync)
                self.put(name, cadence.planned(self.syncs[name], plan))
                if (plan.announced, plan.party) != (sync.announced, sync.party):
                    there = plan.party.everyone if plan.party else ()
                    before = sync.party.everyone if sync.party else ()
                    self.announce(name, "renewed", went=tuple(id_ for id_ in before if id_ not in there))
                self._call_off(name, plan)

    async def offer_reviews(self) -> None:
        """Offer a review's times well ahead, have it prepared, and look for the one after it."""
        for name in self.reviews:
            while not self.reviews[name].ends and (self.reviews[name].plan is None or self._is_due(name)):
                plan = self.reviews[name].plan
                if plan is not None and plan.target <= workflow.now():
                    self.miss(Missed(step=name, what="review", at=plan.target))
                elif plan is not None:
                    self._offer(name, plan)
                await self.plan_review(name, plan.number + 1 if plan else self.reviews[name].before + 1)

    async def follow_bookings(self) -> None:
        """Learn when the TAM is briefed on a review that has another time by now."""
        while self.review_times:
            told = self.review_times.pop(0)
            review = self.reviews.get(told.step)
            if review is None or review.opened is None or review.opened.number != told.number:
                continue
            at = None
            if told.start is not None:
                (at,) = await followed_up(self.account, (BEFORE,), "When is the TAM briefed on it?", told.start)
            # Somebody may have said something of it meanwhile.
            again = {"booked": told.start, "again_at": at}
            self.reviews[told.step] = self.reviews[told.step].model_copy(update=again)

    def brief_on_reviews(self) -> None:
        """Tell the TAM what there is to say: before a review has to be prepared, and on the day before it is held."""
        for name, review in list(self.reviews.items()):
            opened = review.opened
            if opened is None:
                continue
            now = workflow.now()
            again = review.again_at is not None and review.again_at <= now
            if not again and (review.briefed or opened.brief_at > now):
                continue
            told = {"briefed": True, "briefs": review.briefs + 1} | ({"again_at": None} if again else {})
            self.reviews[name] = review.model_copy(update=told)
            if review.booked is None or review.booked > now:
                self.messages.write(
                    self.recurring.review_brief(self.reviews[name], opened), f"Brief the TAM on {review.step.title}"
                )

    def tell_everyone_of_changes(self) -> None:
        """Send what is new of a standing meeting to everyone who is invited, and to whoever is not any more."""
        changes, self.changes = self.changes, []
        for change in changes:
            invitation = self.recurring.invitation(self.syncs[change.step], change, workflow.now())
            parting = (self.recurring.parting(invitation, change),) if change.went else ()
            # What there is to write down travels along, and costs nothing of its own.
            bundle = Bundle(occasions=(invitation, *parting), news=self.projector.take())
            people = amount(len(invitation.to), "person", "people")
            self.messages.write_bundle(bundle, f"{change.kind.capitalize()}: tell {people}")

    def tell_the_tam_what_was_missed(self) -> None:
        """One mail for everything, and no second while that is under way: what was missed never goes in a heap."""
        if self.missed and (self._telling is None or self._telling.done()):
            missed, self.missed = tuple(self.missed), []
            to = next((sync.party.tam for sync in self.syncs.values() if sync.party), None) or next(
                (review.tam for review in self.reviews.values() if review.tam), None
            )
            if to is not None:
                occasion = self.recurring.what_was_missed(missed, self.syncs, self.reviews, to)
                self._telling = self.messages.write(occasion, f"Tell the TAM what was missed: {len(missed)}")

    async def turn_the_page(self) -> None:
        """After a review, begin a fresh run, once nothing is open or queued; nothing that was said is lost."""
        over = self.review_over or workflow.info().is_continue_as_new_suggested()
        if not over or self._open or self._seeing_to or self.is_busy or self.changed or self.has_news:
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self.changed or self.has_news or self.closing or self.changes or self.missed:
            return
        workflow.continue_as_new(self.start.model_copy(update={"state": self._state()}))

    async def finish(self) -> CadenceResult:
        """Take the standing meetings out of everyone's calendar, and leave nothing behind."""
        for name, sync in self.syncs.items():
            if sync.standing is not None:
                self.announce(name, "closed")
        self.tell_everyone_of_changes()
        await self.messages.carry_out_releases()
        await self.messages.drop_drafts(CADENCE_IS_OVER)
        for id_ in list(self._open):
            await control(id_, ControlKind.CLOSE)
        if self.canceled:
            await self.control_beside(ControlKind.CLOSE, self.contract)
        # One of them may have been ended from outside, and left an invitation that nobody else takes back.
        await workflow.wait_condition(lambda: not self.is_seeing_to)
        self.timeline.record("cadence.ended")
        await self.all_over()
        return CadenceResult()

    def why_not(self, key: str) -> str | None:  # noqa: ARG002 - of no use is every mail that need not go at once
        """What was scheduled makes no sense any more once nothing recurs."""
        return CADENCE_IS_OVER if self.closing else None

    @workflow.query(name="view", description="What recurs, as it stands")
    def view(self) -> CadenceView:
        """Show every rhythm with its next times."""
        names = (*self.syncs, *self.reviews)
        return CadenceView(
            account=self.account,
            contract=self.start.contract,
            rhythms=tuple(self._rhythm(name) for name in names),
            closing=self.closing,
        )

    # How it is done

    def _brief(self, sync: StandingMeeting, one: Occurrence) -> None:
        """Brief and digest go in one breath; a digest that nobody has sent gives way to the new one."""
        name = sync.step.name
        waiting = tuple(key for key in self.messages.drafts_for(Purpose.DIGEST) if step_of(key) == name)
        since = cadence.looks_back(sync, one.until, unread=bool(waiting))
        self.put(name, sync.model_copy(update={"told": one.until, "told_from": since, "unheard": False}))
        set_aside = SetAside(keys=waiting, state=MessageState.SUPPRESSED, reason=REPLACED, now=workflow.now())
        aside = set_aside if waiting else None
        occasions = self.recurring.before(sync, one, since)
        bundle = Bundle(occasions=occasions, aside=aside, news=self.projector.take())
        self._follow(
            self._sent(name, one, self.messages.write_bundle(bundle, f"Brief and digest before {sync.step.title}"))
        )

    async def _sent(self, name: str, one: Occurrence, writing: asyncio.Task[tuple[str, ...] | None]) -> None:
        """Note as missed what a brief was for that went after its meeting had begun.

        The days of a digest that nobody got, as there was no news, are the next one's.
        """
        keys = await writing or ()
        states = {key: self.messages.states[key] for key in keys}
        for key, state in states.items():
            late = purpose_of(key) == Purpose.BRIEF and state is MessageState.SUPPRESSED
            if late and one.start <= workflow.now():
                self.miss(Missed(step=name, what="sync", at=one.start))
        digests = [state for key, state in states.items() if purpose_of(key) == Purpose.DIGEST]
        sync = self.syncs.get(name)
        if sync is not None and sync.told == one.until and digests and set(digests) == {MessageState.SUPPRESSED}:
            self.put(name, sync.model_copy(update={"unheard": True}))

    async def _seek(self, sync: StandingMeeting) -> SyncPlan:
        question = SeekTime(account=self.account, step=sync.step, now=workflow.now())
        summary = f"Find a standing time for {sync.step.title}"
        found = await attempted(Planning.seek, question, summary, CALENDARS)
        if isinstance(found, Denied):
            self.timeline.record("calendar.unreadable", step=sync.step.name)
            question = question.model_copy(update={"without_calendar": True})
            return await done(Planning.seek, question, summary, CALENDARS)
        return found

    async def plan_sync(self, sync: StandingMeeting, after: datetime | None = None) -> SyncPlan:
        """Find out when a standing meeting takes place next.

        Args:
            after: From when on; without it, beyond the dates that are planned.
        """
        planned = [one.original for one in (*sync.recent, *sync.occurrences)]
        question = PlanSync(
            account=self.account,
            step=sync.step,
            standing=sync.standing,
            wanted=sync.wanted,
            after=after or (workflow.now() if sync.wanted is not None else max(planned, default=workflow.now())),
            number=sync.number,
            announced=None if sync.wanted is not None else sync.announced,
            coming=() if sync.wanted is not None else tuple(one.start for one in self._ahead(sync)),
            now=workflow.now(),
        )
        return await done(Planning.plan, question, f"When is {sync.step.title} held next?", PLANNING)

    def _ahead(self, sync: StandingMeeting) -> list[Occurrence]:
        """The dates that have not begun and are to take place."""
        return [one for one in cadence.upcoming(sync, workflow.now()) if one.off is None and one.start > workflow.now()]

    def _call_off(self, name: str, plan: SyncPlan) -> None:
        """Call off the dates for which the TAM has no time: everyone's calendar loses them."""
        for one in self._ahead(self.syncs[name]):
            off = "taken" if one.start in plan.taken else "absence" if one.start in plan.away else None
            if off is not None:
                called_off = one.model_copy(update={"off": off})
                self.put(name, cadence.replaced(self.syncs[name], called_off))
                self.timeline.record(_CALLED_OFF[off], step=name, about=one.day.isoformat(), instant=one.start)
                self.announce(name, "skipped", one=called_off)

    def _is_due(self, name: str) -> bool:
        plan = self.reviews[name].plan
        return plan is not None and plan.offer_at <= workflow.now()

    async def plan_review(self, name: str, number: int) -> ReviewPlan:
        """Find out when the review of this number is due, and what comes before it."""
        review = self.reviews[name]
        step, began = review.step, review.counted_from or self.began
        question = PlanReview(account=self.account, step=step, began=began, number=number, before=review.before)
        answer = await done(Planning.review, question, f"When is the next {step.title} due?", PLANNING)
        self.reviews[name] = self.reviews[name].model_copy(update={"plan": answer.plan, "tam": answer.tam})
        self.stale.add(name)
        return answer.plan

    def _offer(self, name: str, plan: ReviewPlan) -> None:
        """Open the review's meeting and the TAM's to-do for it."""
        review = self.reviews[name]
        nothing = {"briefed": False, "booked": None, "again_at": None, "briefs": 0}
        self.reviews[name] = review.model_copy(update={"opened": plan, **nothing})
        self.stale.add(name)
        self.timeline.record("review.offered", step=name, about=plan.period, instant=plan.target)
        self._follow(self._hold(review, plan))
        self._follow(self._prepare(review, plan))

    async def _hold(self, review: BusinessReview, plan: ReviewPlan, *, runs: bool = False) -> None:
        """A review's meeting, from its times to its outcome; then what was agreed is put into words."""
        name, step = review.step.name, review.step
        start = MeetingStart(
            account=self.account,
            contract=self.start.contract,
            step=step.meeting(),
            attempt=plan.number,
            opens=plan.target,
        )
        result = await self._child(
            MEETING,
            start,
            meeting_id(self.account, name, plan.period),
            f"{step.title} {plan.period} with {self.account}",
            f"{step.minutes} minutes. Times are offered, one is booked, and someone says how it went.",
            runs=runs,
        )
        opened = self.reviews[name].opened
        if opened is not None and opened.number == plan.number:
            self.reviews[name] = self.reviews[name].model_copy(update={"briefed": True, "again_at": None})
        if (preparing := self._preparation_of(name, plan)) in self._open:
            await control(preparing, ControlKind.CLOSE)
        outcome = result.outcome if result is not None else "failed"
        self.timeline.record("review.ended", step=name, about=outcome)
        if result is None:
            # It does not end before this is seen to.
            self.beside(self._have_it_seen_to(review, plan))
        if outcome == "held":
            self.messages.write(
                self.recurring.follow_up(review, plan), "Say what was agreed", reviewed=step.review != "auto"
            )
        self.review_over = self.changed = True

    async def _prepare(self, review: BusinessReview, plan: ReviewPlan) -> None:
        """The TAM's to-do, due well before the review."""
        title = f"Prepare: {review.step.title}"
        start = TaskStart(
            account=self.account,
            contract=self.start.contract,
            subject=self.account,
            step=f"{review.step.name}_preparation",
            title=title,
            attempt=plan.number,
            definition=preparation(review.step.title),
            deadline=plan.prepare_by if plan.prepare_by > workflow.now() else plan.target,
        )
        id_ = self._preparation_of(review.step.name, plan)
        await self._child(HUMAN_TASK, start, id_, f"{title}, {plan.period}", "Done, or not needed.")

    async def _have_it_seen_to(self, review: BusinessReview, plan: ReviewPlan) -> None:
        """Have the TAM take care of a review whose workflow was ended from outside; it may go on where it was.

        Once nothing recurs any more nobody has to decide: it is called off with the rest.
        """
        name, meeting = review.step.name, meeting_id(self.account, review.step.name, plan.period)
        of = LeftBehind(
            account=self.account,
            contract=self.start.contract,
            step=name,
            attempt=plan.number,
            period=plan.period,
            now=workflow.now(),
        )

        def question(left: LeftInvitation, why_not: str | None) -> TodoTemplate:
            if left.cancels is not None:
                return review_ended_when_booked(left.when, why_not)
            return review_ended_when_asked(left.asked, left.replied, why_not) if left.asked else REVIEW_ENDED

        async def put(template: TodoTemplate, is_done: Callable[[], bool]) -> TaskResult | None:
            result = await self._ask_about_ended(review, plan, template, is_done)
            # What somebody has decided counts, also in the moment in which nobody had to.
            return None if is_done() and result.by is None else result

        result = await have_decided(of, meeting, question, put, lambda: self.closing)
        if result is not None and result.outcome == AGAIN:
            if self.closing:
                await control(meeting, ControlKind.CLOSE)
            self._follow(self._hold(review, plan, runs=True))
        elif result is None or result.outcome == CALL_OFF:
            await call_off(of, self.messages, self.timeline)
        self.changed = True

    async def _ask_about_ended(
        self, review: BusinessReview, plan: ReviewPlan, template: TodoTemplate, is_done: Callable[[], bool]
    ) -> TaskResult:
        step = f"{review.step.name}.{template.name}"
        given = TaskStart(
            account=self.account,
            contract=self.start.contract,
            subject=self.account,
            step=step,
            title=template.title.format(f"{review.step.title} {plan.period}"),
            attempt=plan.number,
            definition=template.definition,
            deadline=await soon(self.account),
        )
        id_ = task_id(self.account, step, plan.number)
        self._asked[id_] += 1
        again = f"/{self._asked[id_]}" if self._asked[id_] > 1 else ""
        return await ask(given, id_ + again, given.title, is_over=is_done, todos=self.todos)

    def _preparation_of(self, name: str, plan: ReviewPlan) -> str:
        return task_id(self.account, f"{name}_preparation", plan.number)

    async def _child(self, kind: Any, start: Any, id_: str, summary: str, about: str, *, runs: bool = False) -> Any:
        """Start a workflow of its own and give what it gives; nothing if it fails, or one of its name runs.

        Args:
            runs: It runs already, and is its own: it was ended from outside and has begun again.
        """
        child = Known(id_) if runs else await begun(kind, start, id_, summary=summary, about=about)
        if child is None:
            return None
        self._open.append(id_)
        self.todos.append(id_)
        self.stale |= set(self.reviews)
        self.changed = True
        result = await ended(child, kind)
        self._open.remove(id_)
        self.todos.remove(id_)
        self.stale |= set(self.reviews)
        self.changed = True
        return None if isinstance(result, Denied) else result

    @property
    def is_seeing_to(self) -> bool:
        """Whether a review, or its preparation, is under way."""
        return bool(self._seeing_to)

    def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        task = beside(work)
        self._seeing_to.add(task)
        task.add_done_callback(self._seen_to)

    def _seen_to(self, task: asyncio.Task[None]) -> None:
        self._seeing_to.discard(task)
        self.changed = True

    def _next(self) -> datetime | None:
        """The earliest instant at which a brief, a digest, an offer or a search is due; nothing where none is."""
        syncs = [at for sync in self.syncs.values() for at in cadence.next_instants(sync)]
        reviews = [at for review in self.reviews.values() for at in cadence.next_of_review(review)]
        return min((*syncs, *reviews), default=None)

    def _state(self) -> CadenceState:
        return CadenceState(
            began=self.began,
            syncs=self.syncs,
            reviews=self.reviews,
            receipts=self.words.receipts,
            drafts=tuple(self.messages.drafts),
            written=self.timeline.written,
            projected=self.projector.number,
            mails=self.recurring.mails,
            changes=tuple(self.changes),
            missed=tuple(self.missed),
            wait=self.timeline.wait,
            retired=self.retired,
            playbook=self.playbook,
            version=self.version,
        )

    # What becomes of it when the account adopts another playbook

    async def _adopt(self, wanted: Iterable[SyncStep | ReviewStep]) -> None:
        """End, add and redefine rhythms, so that these recur."""
        steps = {step.name: step for step in wanted}
        found = playbook_migration.rhythm_changes(self.definitions, steps.values())
        await self._end_rhythms(found.removed)
        for name in found.added:
            self._add_rhythm(steps[name])
        for change in found.changed:
            self.timeline.record("rhythm.changed", step=change.step)
            step, fields = steps[change.step], {field.field for field in change.fields}
            if isinstance(step, SyncStep):
                await self._redefine_sync(step, fields)
            else:
                await self._redefine_review(step, fields)

    def _forget_ended(self) -> None:
        """Forget reviews that have ended with the one that was still open."""
        for name in [name for name, review in self.reviews.items() if review.ends and not self.is_seeing_to]:
            self._forget_rhythm(name, self.reviews.pop(name).before)

    async def _end_rhythms(self, names: Collection[str]) -> None:
        """Take standing meetings out of everyone's calendar; a review that is open is held, and no other after it."""
        syncs = [name for name in names if name in self.syncs]
        for name in names:
            self.timeline.record("rhythm.removed", step=name)
        for name in syncs:
            if self.syncs[name].standing is not None:
                self.announce(name, "closed")
        self.tell_everyone_of_changes()
        for name in syncs:
            await self.messages.drop_drafts(NOT_IN_PLAYBOOK, name)
            sync = self.syncs.pop(name)
            self._forget_rhythm(name, max(sync.number, sync.sequence))
        for name in [name for name in names if name in self.reviews]:
            review = self.reviews[name]
            last = review.opened.number if review.opened else review.before
            self.reviews[name] = review.model_copy(update={"ends": True, "plan": None, "before": last})

    def _forget_rhythm(self, name: str, number: int) -> None:
        self.retired[name] = number
        self.stale.discard(name)
        if name not in self.gone:
            self.gone.append(name)

    def _add_rhythm(self, step: SyncStep | ReviewStep) -> None:
        """Begin a rhythm; one that comes back counts on, and invites under numbers that nobody has seen."""
        name, number = step.name, self.retired.get(step.name, 0)
        if name in self.gone:
            self.gone.remove(name)
        if isinstance(step, SyncStep):
            self.syncs[name] = StandingMeeting(
                step=step, number=number, sequence=number if name in self.retired else -1
            )
        elif name in self.reviews:
            self.reviews[name] = self.reviews[name].model_copy(
                update={"step": step, "ends": False, "counted_from": workflow.now()}
            )
        else:
            self.reviews[name] = BusinessReview(step=step, before=number, counted_from=workflow.now())
        self.stale.add(name)
        self.timeline.record("rhythm.added", step=name)

    async def _redefine_sync(self, step: SyncStep, fields: set[str]) -> None:
        name, sync = step.name, self.syncs[step.name]
        self.stale.add(name)
        if sync.standing is None or sync.wanted is not None or not IN_THE_CALENDAR & fields:
            again = {"step": step} if sync.standing is not None else {"step": step, "seek_at": None}
            self.put(name, sync.model_copy(update=again))
            return
        now = workflow.now()
        anew = cadence.redefined(sync, step, now)
        after = None
        if anew.occurrences != sync.occurrences or anew.announced is None:
            after = max([now, *(one.original for one in sync.recent)])
        plan = await self.plan_sync(anew, after)
        # What members said meanwhile is said of the dates that there were.
        self.put(name, cadence.planned(cadence.redefined(self.syncs[name], step, now), plan))
        there = plan.party.everyone
        before = sync.party.everyone if sync.party else ()
        self.announce(name, "renewed", went=tuple(id_ for id_ in before if id_ not in there))
        self._call_off(name, plan)

    async def _redefine_review(self, step: ReviewStep, fields: set[str]) -> None:
        """Take another definition; the next one that can still be prepared by then is planned anew by it."""
        name, review = step.name, self.reviews[step.name]
        self.reviews[name] = review.model_copy(update={"step": step})
        self.stale.add(name)
        if review.plan is None or not PLANNED_BY & fields:
            return
        if not COUNTED_BY & fields:
            await self.plan_review(name, review.plan.number)
            return
        # They are counted on from the last one: no number, and so no key, is given twice.
        if review.opened is not None:
            counted = {"counted_from": review.opened.target, "before": review.opened.number}
            self.reviews[name] = self.reviews[name].model_copy(update=counted)
        await self.plan_first(name)

    async def plan_first(self, name: str) -> None:
        """Plan the first review of those counted now that can still be prepared."""
        number = self.reviews[name].before + 1
        plan = await self.plan_review(name, number)
        while plan.prepare_by <= workflow.now():
            number += 1
            plan = await self.plan_review(name, number)

    # What it waits for, and telling it

    def _wait(self, name: str) -> Wait:
        sync = self.syncs.get(name)
        if sync is None or sync.standing is not None or sync.seek_at is None:
            return Wait()
        return Wait(
            on=("tam",),
            what=f"the TAM, to set a time for {sync.step.title}: none suits everyone who is needed",
            unblock=in_name(f"rapport cadence set {self.account} {name} --day tue --at 10:00"),
            deadline=sync.seek_at,
        )

    def _rhythm(self, name: str) -> Any:
        if name in self.syncs:
            return cadence.view_of_sync(self.syncs[name], self._wait(name), workflow.now())
        opened = self.reviews[name].opened
        meeting = meeting_id(self.account, name, opened.period) if opened else ""
        return cadence.view_of_review(self.reviews[name], is_open=meeting in self._open)

    def _gather(self, number: int) -> CadenceNews | None:
        """What recurs otherwise, or not any more, and what has happened."""
        waits = [wait for name in self.syncs if (wait := self._wait(name)).on]
        self.timeline.turn_to(waits[0] if waits else Wait())
        if not self.stale and not self.gone and not self.timeline.has_entries:
            return None
        stale, self.stale = self.stale, set()
        gone, self.gone = tuple(self.gone), []
        return CadenceNews(
            account=self.account,
            contract=self.start.contract,
            number=number,
            now=workflow.now(),
            rhythms=tuple(self._rhythm(name) for name in (*self.syncs, *self.reviews) if name in stale or self.closing),
            ended=self.closing,
            entries=self.timeline.take_entries(),
            gone=gone,
            paused_at=None if self.closing else self.paused_at,
            playbook=self.playbook if self.has_adopted else None,
            version=self.version,
        )

    def _take_back(self, news: CadenceNews) -> None:
        self.timeline.take_back(news.entries)
        self.stale |= {one.step for one in news.rhythms if one.step in (*self.syncs, *self.reviews)}
        self.gone[:0] = news.gone

    @property
    def has_news(self) -> bool:
        """Whether SQL has to be told of anything, also that a rhythm has changed or recurs no more."""
        return super().has_news or bool(self.stale or self.gone)

    # What members say: these record, and `run` acts

    def _judge_set(self, op: SetRhythm) -> str | None:
        return cadence.judge_set(op, self.syncs) or self._over()

    @workflow.update(name="set", description="Set the standing time")
    @takes(_judge_set)
    def set_rhythm(self, op: SetRhythm) -> str:
        """A member's word on the day and the time; everyone gets the series anew."""
        sync = self.syncs[op.step]
        self.put(op.step, sync.model_copy(update={"wanted": op}))
        self.timeline.record("sync.set", step=op.step, who=op.by, submission=op.id)
        return "set"

    set_rhythm.validator(checks(_judge_set))

    def _judge_skip(self, op: SkipOne) -> str | None:
        return cadence.judge_skip(op, self.syncs, workflow.now()) or self._over()

    @workflow.update(name="skip", description="Call one occurrence off")
    @takes(_judge_skip)
    def skip(self, op: SkipOne) -> str:
        """A member's word that one occurrence does not take place; everyone's calendar loses it."""
        self._alter(op.step, op.day, "skipped", op, {"off": "skipped"})
        return "skipped"

    skip.validator(checks(_judge_skip))

    def _judge_move(self, op: MoveOne) -> str | None:
        return cadence.judge_move(op, self.syncs, workflow.now()) or self._over()

    @workflow.update(name="move", description="Move one occurrence")
    @takes(_judge_move)
    def move(self, op: MoveOne) -> str:
        """A member's word that one occurrence takes place at another time."""
        one = self._named(op.step, op.day)
        at = cadence.lead(one, op.start, workflow.now())
        times = {"start": op.start, "end": op.start + (one.end - one.start), "tick": at}
        self._alter(op.step, op.day, "moved", op, times)
        return "moved"

    move.validator(checks(_judge_move))

    def _judge_report(self, op: NotHeld) -> str | None:
        return cadence.judge_not_held(op, self.syncs, workflow.now()) or self._over()

    @workflow.update(name="report", description="Say that an occurrence was not held")
    @takes(_judge_report)
    def report(self, op: NotHeld) -> str:
        """A member's word that nobody met, though nobody had called it off."""
        one = self._named(op.step, op.day)
        self.put(op.step, cadence.replaced(self.syncs[op.step], one.model_copy(update={"outcome": "not_held"})))
        self.timeline.record("sync.not_held", step=op.step, who=op.by, instant=one.start, submission=op.id)
        return "not_held"

    report.validator(checks(_judge_report))

    def _judge_operation(self, operation: Operation) -> str | None:
        if operation.kind not in OPERATIONS:
            return f"what recurs can be paused, resumed, cancelled or follow another playbook, not {operation.kind}"
        return self._over()

    @workflow.update(name="operate", description="Pause, resume, adopt another playbook, or cancel what recurs")
    @takes(_judge_operation)
    def operate(self, operation: Operation) -> str:
        """A member's word on all of it, as on an onboarding."""
        if operation.playbook is not None and not self._adopts(operation.playbook, operation.left_out):
            return UNCHANGED
        self.timeline.record(f"cadence.{operation.kind}", who=operation.by, submission=operation.id)
        match operation.kind:
            case Operate.ADOPT:
                pass
            case Operate.PAUSE | Operate.RESUME:
                paused = operation.kind is Operate.PAUSE
                self.paused_at = (self.paused_at or workflow.now()) if paused else None
                # So that SQL knows of each which word on it was the last.
                self.stale |= {*self.syncs, *self.reviews}
            case _:
                self.closing = self.canceled = True
        return OPERATIONS[operation.kind]

    operate.validator(checks(_judge_operation))

    @workflow.query(name="plan", description="What recurs, by which playbook")
    def plan(self) -> CadencePlan:
        """The definitions of what recurs."""
        return CadencePlan(
            contract=self.contract,
            playbook=self.playbook,
            version=self.version,
            steps=self.definitions,
            closing=self.closing,
        )

    @workflow.signal(name="people_changed", description="Somebody came, left, or is represented")
    def look_again(self) -> None:
        """Look again who is invited, and whose calendars count."""
        self.people_moved = self.changed = True

    @workflow.signal(name="review_set", description="A review has a time, another one, or none any more")
    def review_set(self, told: ReviewSet) -> None:
        """Brief the TAM on it as it is booked."""
        self.review_times.append(told)
        self.changed = True

    @workflow.signal(name="close", description="The cadence is not needed any more")
    def close(self) -> None:
        """Come to an end; nothing recurs from now on."""
        self.closing = self.changed = True

    # How it is done

    @property
    def definitions(self) -> tuple[SyncStep | ReviewStep, ...]:
        """What recurs, with what was adopted and is not acted on yet."""
        if self.adopting is not None:
            return self.adopting
        syncs = (sync.step for sync in self.syncs.values())
        return (*syncs, *(review.step for review in self.reviews.values() if not review.ends))

    def _adopts(self, playbook: Playbook, left_out: tuple[str, ...]) -> bool:
        """Take a playbook's rhythms from now on; whether that changes anything that recurs."""
        self.playbook, self.version, self.has_adopted = playbook.name, playbook.version, True
        wanted = playbook_migration.rhythms_of(playbook, left_out)
        if playbook_migration.rhythm_changes(self.definitions, wanted).changes_nothing:
            return False
        self.adopting = wanted
        return True

    def _over(self) -> str | None:
        return "nothing recurs any more; the cadence was closed" if self.closing else None

    def _named(self, step: str, day: object) -> Occurrence:
        sync = self.syncs[step]
        return next(one for one in (*sync.recent, *sync.occurrences) if one.day == day)

    def _alter(self, step: str, day: object, kind: Any, op: SkipOne | MoveOne, values: Mapping[str, object]) -> None:
        """Change one occurrence, and have everyone told."""
        one = self._named(step, day).model_copy(update=values)
        self.put(step, cadence.replaced(self.syncs[step], one))
        self.timeline.record(
            f"sync.{kind}", step=step, who=op.by, about=one.day.isoformat(), instant=one.start, submission=op.id
        )
        self.announce(step, kind, op, one)

    def announce(
        self,
        step: str,
        kind: Any,
        op: SetRhythm | SkipOne | MoveOne | None = None,
        one: Occurrence | None = None,
        went: tuple[str, ...] = (),
    ) -> None:
        """Have everyone told; each change counts the SEQUENCE up.

        Args:
            went: Who is not invited any more.
        """
        sync = self.syncs[step].model_copy(update={"sequence": self.syncs[step].sequence + 1})
        self.put(step, sync)
        by, said = (op.by, op.id) if op else (None, None)
        self.changes.append(
            StandingChange(
                step=step, kind=kind, sequence=sync.sequence, by=by, submission=said, occurrence=one, went=went
            )
        )
        if kind in ("begun", "changed"):
            assert sync.first is not None
            self.timeline.record(f"sync.{kind}", step=step, who=by, instant=sync.first.start)
        self.changed = True

    def put(self, name: str, sync: StandingMeeting) -> None:
        """Hold a standing meeting as it is now."""
        if sync != self.syncs[name]:
            self.syncs[name] = sync
            self.stale.add(name)

    def miss(self, missed: Missed) -> None:
        """Note what came and went while nobody saw to it."""
        self.missed.append(missed)
        self.timeline.record("cadence.missed", step=missed.step, about=missed.what, instant=missed.at)
