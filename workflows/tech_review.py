"""A technical review: a decision that a customer needs by a date, with everybody heard who has to stand behind it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from activities.tech_review import Again, LaidOut, LayOut, Reviews, Settle, Until
    from rapport.model.commands import deciding, in_name
    from rapport.model.ids import meeting_id, purpose_of, task_id
    from rapport.model.meeting import Colleagues, MeetingHour, MeetingStart
    from rapport.model.message import MessageRequest, Purpose
    from rapport.model.operation import ControlKind
    from rapport.model.projection import Wait
    from rapport.model.task import NO_EMAIL, WITHDRAWN, TaskDefinition, TaskResult, TaskStart
    from rapport.model.tech_review import (
        ReviewEdit,
        ReviewProjection,
        ReviewResult,
        ReviewStart,
        ReviewView,
        ReviewWord,
    )
    from rapport.model.tech_review_facts import Remark, RemarkKind, ReviewPhase, ReviewVerdict, TechReviewFacts
    from rapport.model.workflows import MEETING, TECH_REVIEW
    from rapport.rules import details, tech_review
    from rapport.rules.claims import REVIEW_WITHDRAWN
    from rapport.rules.tech_review import Spoken
    from rapport.rules.wording import listed, seat
    from rapport.search_attributes import STAGE

from workflows.base import AccountWorkflow
from workflows.channel import Channel
from workflows.options import PLANNING, RECORDS
from workflows.outcomes import Denied, attempted, begun, beside, done, ended
from workflows.projection import Projector
from workflows.timeline import Timeline
from workflows.waiting import Alarm, ask, control
from workflows.words import checks, takes

HEALTH: Final = SearchAttributeKey.for_keyword("RapportHealth")

MAILS: Final = MappingProxyType(
    {"task_opened": "review_asked", "task_reminder": "review_asked_again", "task_outcome": NO_EMAIL}
)
"""Which mails put a review's questions. What came of each is told together, once it is decided."""


class Interrupted(Exception):  # noqa: N818 - no fault: the request changed, or is not needed any more
    """What was being waited for is void."""


OVERDUE = "overdue"

ON_TIME = "on_time"


def _occasion(submission: str | None, *apart: object) -> str | None:
    """What tells apart for the channel what nobody said anything with."""
    return None if submission else "/".join(map(str, apart))


@workflow.defn(name=TECH_REVIEW.name)
class TechReview(AccountWorkflow):
    """One review, from the request to the customer's acknowledgement, and back again on the day that was agreed."""

    @workflow.init
    def __init__(self, start: ReviewStart) -> None:
        """Nobody has been asked yet."""
        super().__init__(start.account)
        self.ref = start.ref
        self.round = start.round
        self.next_round = start.round
        self.begun = 0
        self.asked_before = start.asked_before
        self.phase = ReviewPhase.FEEDBACK
        self.remarks: list[Remark] = []
        self.unwritten: list[Remark] = []
        self.verdict: ReviewVerdict | None = None
        self.outcome: str | None = None
        self.overdue = False
        self.decided: datetime | None = None
        self.heard_at: datetime | None = None
        self.told: datetime | None = None
        self.acknowledged: datetime | None = None
        self.message: str | None = None
        self.revisit: datetime | None = None
        self.withdrawn: ReviewWord | None = None
        self.wanted_meetings: list[ReviewWord] = []
        self.meetings = 0
        self.meets = False
        self.meet_at: datetime | None = None
        self.attempts: dict[str, int] = {}
        self.wait = Wait()
        self.people = LaidOut(tellings=(), leaders=(), others=())
        self.mails: Counter[tuple[str, str]] = Counter()
        self.written: ReviewView | None = None
        self.ended = False
        self.timeline = Timeline(start.account, start.ref, start.ref)
        self.projector = Projector(Reviews.project, self._gather, lambda: details.tech_review(self.view()))
        self.channel = Channel(start.ref, start.account)

    @workflow.run
    async def run(self, start: ReviewStart) -> ReviewResult:  # noqa: ARG002 - taken by __init__
        """Hear, recommend, decide and tell, round by round, until there is an answer that does not come back."""
        self.beside(self._keep_the_record())
        while self.withdrawn is None:
            try:
                await self.open_the_round()
                await self.hear_everybody()
                word = await self.hear_the_recommendation()
                verdict = await self.decide(word)
                await self.tell_the_customer(verdict)
                await self.hear_the_customer()
                if not await self.comes_back():
                    break
            except Interrupted:
                continue
        return await self.close()

    # The story

    async def open_the_round(self) -> None:
        """Take the request as it stands by now, plan its dates backwards, and tell everyone whom it concerns."""
        await self.words.all_known()
        if self.next_round.by != self.round.by:
            # Who asked for it stays who asked, whoever words it anew: they decide neither.
            self.asked_before = tuple(dict.fromkeys((*self.asked_before, self.round.by)))
        self.round = self.next_round
        self.verdict = self.decided = self.told = self.acknowledged = self.revisit = None
        self.overdue = False
        workflow.upsert_search_attributes([HEALTH.value_set(ON_TIME)])
        question = LayOut(
            ref=self.ref, account=self.account, by=self.round.by, needed_by=self.round.needed_by, now=workflow.now()
        )
        self.people = await done(Reviews.lay_out, question, "Whom does it concern, and by when?", PLANNING)
        again = self.round.again
        what = "revisit" if again else "submitted" if self.round.number == 1 else "edited"
        self.timeline.record(
            f"tech_review.{what}", who=self.round.by, submission=None if again else self.round.submission
        )
        self.changed = True
        known = self._write_to(
            (self.round.by, *self.people.leaders, *self.people.others), "review_submitted", what, "Tell everyone"
        )
        self.beside(self.keep_the_date(self.round.number, known))

    async def hear_everybody(self) -> None:
        """Feedback of engineering, product, support and the account team, for as long as the date allows."""
        deadline = await self._enter(ReviewPhase.FEEDBACK)
        sides = tech_review.heard(self.round.stage)
        silent = list(sides)
        self._wait_for_sides(silent, deadline)
        # Now that it is known until when they are heard.
        begun_by = "revisit" if self.round.again else "submitted" if self.round.number == 1 else "edited"
        self.channel.hear(
            f"tech_review.{begun_by}",
            self.round.submission,
            until=deadline,
            # It comes back with the words that it had before.
            occasion=str(self.round.number) if self.round.again else None,
        )
        self.begun = self.round.number
        asked = [beside(self.hear(side, silent, deadline)) for side in sides]
        await workflow.wait_condition(lambda: all(one.done() for one in asked))
        for one in asked:
            one.result()
        self._stop_if_interrupted()

    async def hear(self, side: str, silent: list[str], deadline: datetime) -> None:
        """What one side says, if they say anything in time; it is not waited for any more then.

        Args:
            silent: The sides that are waited for.
        """
        step = f"{tech_review.FEEDBACK_OF}{side}"
        title = f"{self.ref}: {tech_review.asked_for(step)}"
        result = await self._put(step, title, tech_review.feedback(side), deadline=deadline)
        self._remember_all("feedback", result, seat=side)
        silent.remove(side)
        if silent and not self._is_interrupted():
            self._wait_for_sides(silent, deadline)
        if not result.decisions and not self._is_interrupted():
            self._tell("tech_review.silent", about=side)

    async def hear_the_recommendation(self) -> str:
        """The VP of CE's word, with everything in front of them; asked until there is one."""
        while True:
            deadline = await self._enter(ReviewPhase.RECOMMENDATION)
            definition = tech_review.recommendation(self.round.ask, engineering_answered=self._engineering_answered())
            self._wait_for_task("recommendation", definition, "the recommendation of the VP of CE", deadline)
            title = f"{self.ref}: recommendation"
            result = await self._heard(
                "recommendation", "recommendation", title, definition, seat="ce_vp", deadline=deadline
            )
            if any(option.id == result.outcome for option in definition.options):
                self._tell("tech_review.recommended", who=result.by, about=result.outcome, submission=result.submission)
                return result.outcome
            if tech_review.CE_VP in result.unheld:
                # Whoever asks is the VP of CE, or stands in for them, and nobody is above them.
                number = self.round.number
                self._keep(
                    "recommendation",
                    f"{tech_review.REFERRED}/{number}",
                    None,
                    tech_review.REFERRED,
                    None,
                    workflow.now(),
                    "ce_vp",
                )
                self._tell("tech_review.referred")
                return tech_review.NO
            self._tell("tech_review.silent", about="ce_vp")

    async def decide(self, word: str) -> ReviewVerdict:
        """What is decided: by the recommendation where nobody else has to agree, else by leadership together."""
        verdict = tech_review.of_recommendation(word)
        if (
            verdict is ReviewVerdict.APPROVED
            and tech_review.needs_commitment(self.round.ask)
            and not await self.is_committed()
        ):
            verdict = None
        if verdict is None:
            verdict = await self.hear_leadership()
        self.verdict, self.outcome, self.decided = verdict, verdict, self.heard_at or workflow.now()
        spoke = [one for one in self.remarks if one.kind in ("recommendation", "commitment", "vote") and one.by]
        last = spoke[-1] if spoke else None
        submission = last.submission if last else None
        self._keep("verdict", f"verdict/{self.round.number}", None, verdict, submission, self.decided)
        self._tell("tech_review.decided", about=verdict)
        self._write_to(
            self._knowing(),
            "review_decided",
            "decided",
            "Tell everyone what is decided",
        )
        return verdict

    async def is_committed(self) -> bool:
        """Whether the VP Engineering gives engineering's time; nobody else can."""
        deadline = await self._enter(ReviewPhase.LEADERSHIP)
        self._wait_for_task("commitment", tech_review.COMMITMENT, "the VP Engineering's commitment", deadline)
        title = f"{self.ref}: commitment of engineering"
        result = await self._heard(
            "commitment", "commitment", title, tech_review.COMMITMENT, seat="vp_engineering", deadline=deadline
        )
        return result.outcome == tech_review.YES

    async def hear_leadership(self) -> ReviewVerdict:
        """All of leadership until the deadline, then the majority; who was silent is asked again."""
        seats: tuple[str, ...] = tech_review.LEADERSHIP
        heard: dict[str, Spoken] = {}
        empty: tuple[str, ...] = ()
        is_offered = False
        while (
            verdict := tech_review.of_leadership(self.round.ask, seats, votes := tech_review.votes(heard), empty)
        ) is None:
            deadline = await self._enter(ReviewPhase.LEADERSHIP)
            if not is_offered:
                is_offered = True
                self.beside(self.offer_a_meeting(self.round.number))
            definition = tech_review.panel(self.round.ask, tech_review.still_silent(seats, votes))
            self._wait_for_task("leadership", definition, "leadership's decision", deadline)
            result = await self._heard("vote", "leadership", f"{self.ref}: yes or no", definition, deadline=deadline)
            if not heard and result.seats:
                seats = result.seats
            heard, empty = tech_review.one_vote_each(heard, result.filled, result.votes), result.unheld
            for seat in tech_review.still_silent(seats, (*heard, *empty)):
                self._tell("tech_review.silent", about=seat.removeprefix("role:"))
            if not heard and set(empty) >= set(seats):
                await self._wait_until(deadline, f"{self.ref}: somebody of leadership is back")
        for seat in tech_review.still_silent(empty, heard):
            name = seat.removeprefix("role:")
            key = f"{tech_review.EMPTY_SEAT}/{name}/{self.round.number}"
            self._keep("vote", key, None, tech_review.EMPTY_SEAT, None, workflow.now(), name)
        return verdict

    async def tell_the_customer(self, verdict: ReviewVerdict) -> None:
        """Written by whoever asked, approved by the VP of CE, read by support; a no as carefully as a yes."""
        read = False
        while not read:
            self.message = None
            deadline = await self._enter(ReviewPhase.MESSAGE)
            definition = tech_review.message(self.round.ask, verdict)
            words = " ".join(f"--say {name}=…" for name in definition.asks)
            id_ = self._next_id("message")
            self._wait_for(
                on=("ce", "ce_vp"),
                what="the message to the customer",
                unblock=in_name(f"rapport task request {id_} {words}"),
                deadline=deadline,
            )
            written = await self._heard(
                "approval",
                "message",
                f"{self.ref}: message to the customer",
                definition,
                requester=None,
                asker=self.round.by,
                asks_as="ce",
                mails=MAILS | {"task_request": "review_write"},
                seat="ce_vp",
                deadline=deadline,
            )
            if written.outcome != "approve" or written.request is None:
                self._tell("tech_review.silent", about="message")
                continue
            self.message = written.request
            self._wait_for_task("reading", tech_review.READING, "support, to read the message", deadline)
            reading = await self._have_it_read(written.request, deadline)
            while reading.outcome not in ("read", "object"):
                self._tell("tech_review.silent", about="support")
                reading = await self._have_it_read(written.request, deadline)
            # What is promised beside the words is on record before anybody reads them; else they are written again.
            read = reading.outcome == "read" and await self._settle(written.request)
            self._stop_if_interrupted()

    async def _have_it_read(self, message: str, deadline: datetime) -> TaskResult:
        title = f"{self.ref}: read before it goes"
        return await self._heard(
            "reading", "reading", title, tech_review.READING, seat="support", request=message, deadline=deadline
        )

    async def hear_the_customer(self) -> None:
        """Send it, and note that they have read it; their silence is told to the TAM, and changes nothing."""
        assert self.message is not None
        self.told, self.overdue = workflow.now(), False
        self._remember("message", by=self.round.by, option=self.verdict, submission=self.message)
        self._tell("tech_review.told", who=self.round.by, submission=self.message)
        self.phase = ReviewPhase.ACKNOWLEDGEMENT
        workflow.upsert_search_attributes([STAGE.value_set(self.phase), HEALTH.value_set(ON_TIME)])
        definition = tech_review.acknowledgement(self.round.tell, ("message",))
        self._wait_for_task("acknowledgement", definition, "the customer's acknowledgement")
        result = await self._heard(
            "acknowledgement",
            "acknowledgement",
            f"{self.ref}: our answer",
            definition,
            request=self.message,
            # What was said among us is not for them.
            review=self._facts().model_copy(update={"remarks": ()}),
            mails={
                "task_opened": "review_message",
                "task_reminder": "review_message_reminder",
                "task_manager": "review_unread",
                "task_outcome": "review_acknowledged",
            },
            seat="customer",
        )
        if result.outcome == "acknowledge":
            self.acknowledged = result.at
            self._tell("tech_review.acknowledged", who=result.by, submission=result.submission)
        else:
            self._tell("tech_review.not_acknowledged")

    async def comes_back(self) -> bool:
        """Wait for the day that was agreed, if there is one; then everybody is heard once more."""
        if self.revisit is None:
            return False
        self.phase = ReviewPhase.REVISIT
        workflow.upsert_search_attributes([STAGE.value_set(self.phase)])
        self._wait_for(
            what="the day on which it comes back",
            deadline=self.revisit,
            unblock=in_name(f"rapport review edit {self.ref} FILE"),
        )
        await self._wait_until(self.revisit, f"{self.ref} comes back")
        # Whoever changes it while its round is begun is told that it has changed: theirs would be the same round.
        self.next_round = self.round.model_copy(update={"number": self.round.number + 1})
        self.next_round = await done(
            Reviews.again,
            Again(ref=self.ref, round=self.round, now=workflow.now()),
            "Begin a round that comes by itself",
            RECORDS,
        )
        return True

    async def close(self) -> ReviewResult:
        """Leave nothing open behind."""
        if self.withdrawn is not None:
            self.outcome = WITHDRAWN
            self._remember("withdrawal", by=self.withdrawn.by, option=WITHDRAWN, submission=self.withdrawn.id)
            self._tell("tech_review.withdrawn", who=self.withdrawn.by, submission=self.withdrawn.id)
            told = [one for one in (*self._knowing(), *self.asked_before) if one != self.withdrawn.by]
            self._write_to(told, "review_withdrawn", WITHDRAWN, "Tell everyone that it is withdrawn")
        assert self.outcome is not None
        self.phase, self.overdue = ReviewPhase.CLOSED, False
        self.wait, self.ended = Wait(), True
        for word in self.wanted_meetings:
            self.turn_away(word, "the review was over before anybody could see to it")
        await self.all_over()
        return ReviewResult(outcome=self.outcome)

    # Beside the story

    async def keep_the_date(self, number: int, known: asyncio.Task[Any]) -> None:
        """Tell leadership as the customer's date comes near, and say so everywhere once it has passed.

        Args:
            known: The mails that tell of the review itself.
        """
        tellings = [(one.at, one.what) for one in self.people.tellings]
        for at, what in [*tellings, (self.round.needed_by, OVERDUE)]:
            alarm = Alarm()
            alarm.set(at, f"{self.ref}: {what.replace('_', ' ')}")
            await workflow.wait_condition(lambda alarm=alarm: alarm.rings or self._is_over(number))  # type: ignore[misc]
            if self._is_over(number):
                return
            # Nothing is told of a review before it is told that there is one.
            await workflow.wait_condition(lambda: self.begun == number or self._is_over(number))
            if self._is_over(number):
                return
            if what == OVERDUE:
                self.overdue = True
                workflow.upsert_search_attributes([HEALTH.value_set(OVERDUE)])
                self._tell("tech_review.overdue", instant=at)
            else:
                self._tell("tech_review.leadership_told", about=what, instant=self.round.needed_by)
            self.beside(self.tell_of_the_date(number, what, known))

    async def tell_of_the_date(self, number: int, what: str, known: asyncio.Task[Any]) -> None:
        """Write of a date to those who know of the review by then: the first mail of a day is the only one."""
        await workflow.wait([known])
        if not self._is_over(number):
            self._write_to((self.round.by, *self.people.leaders), "review_due", what, "Tell leadership")

    async def offer_a_meeting(self, number: int) -> None:
        """Two days before leadership's deadline, have sides that disagree meet, unless they meet already."""
        alarm = Alarm()
        alarm.set(self.meet_at, f"{self.ref}: offer a live meeting, if sides disagree")
        await workflow.wait_condition(lambda: alarm.rings or self._is_decided(number))
        of_round = [one for one in self.remarks if one.round == number]
        if self._is_decided(number) or self.meets or not tech_review.disagree(of_round):
            return
        self.meets = True
        self._tell("tech_review.meeting_offered")
        await self.hold_a_meeting(self.people.leaders)

    async def hold_a_meeting(self, others: Sequence[str]) -> None:
        """Have those who spoke, and others, meet within the review's date; what came of it stands beside their words.

        The meeting is a workflow of its own: times from their calendars, a vote, invitations, and somebody's notes.
        """
        self.meetings += 1
        self.changed = True
        step, by = tech_review.live_meeting(self.ref), self.round.needed_by
        id_ = meeting_id(self.ref, step.name, self.meetings)
        colleagues = Colleagues(
            host=self.round.by,
            members=tech_review.who_meets(self.remarks, others, self.round.by) or self.people.leaders,
            by=by if by > workflow.now() else None,
            review=self._facts("meeting"),
        )
        given = MeetingStart(
            account=self.account, contract=self.ref, step=step, attempt=self.meetings, colleagues=colleagues
        )
        child = await begun(MEETING, given, id_, summary=f"{step.title}, {self.account}")
        # On a line of its own: what it gives is what comes of the meeting, and never of the task.
        came_of_it = ended(child, MEETING)
        ending = beside(came_of_it)
        await workflow.wait_condition(lambda: ending.done() or self.ended or self.withdrawn is not None)
        if not ending.done():
            await control(id_, ControlKind.CLOSE)
        result = await ending
        self.meets = False
        if isinstance(result, Denied) or result.outcome == "closed":
            return
        self._remember("meeting", by=result.by, option=result.outcome, submission=result.submission)
        self._tell("tech_review.meeting", who=result.by, about=result.outcome, submission=result.submission)

    async def _keep_the_record(self) -> None:
        """Act on what people said, and write down what is new."""
        while not self.ended:
            await workflow.wait_condition(lambda: self.changed or self.ended)
            self.changed = False
            wanted, self.wanted_meetings = self.wanted_meetings, []
            for word in wanted:
                self.beside(self.hold_a_meeting((word.by, *word.others)))
            await self.write_down()

    # Words: these record, and `run` acts

    def _judge_word(self, word: ReviewWord) -> str | None:  # noqa: ARG002 - whatever is said
        return self._over()

    @workflow.update(name="say", description="Say something about it")
    @takes(_judge_word)
    def say(self, word: ReviewWord) -> str:
        """What somebody says of their own accord; it stands on record."""
        self._remember("said", by=word.by, option=word.stance, submission=word.id, seat=word.side)
        about = f"{word.stance or '-'} {word.side or ''}".strip()
        self.timeline.record(tech_review.OWN_VIEW, who=word.by, submission=word.id, about=about)
        self.channel.hear(tech_review.OWN_VIEW, word.id, word.stance)
        return "said"

    say.validator(checks(_judge_word))

    def _judge_meeting(self, word: ReviewWord) -> str | None:  # noqa: ARG002 - whoever asks
        return self._over() or ("a live meeting is being arranged already" if self.meets else None)

    @workflow.update(name="request_meeting", description="Ask to talk about it live")
    @takes(_judge_meeting)
    def request_meeting(self, word: ReviewWord) -> str:
        """Any participant can ask for a meeting, one at a time."""
        self.meets = True
        self.wanted_meetings.append(word)
        self._tell("tech_review.meeting_asked", who=word.by, submission=word.id)
        return "asked"

    request_meeting.validator(checks(_judge_meeting))

    @workflow.update(name="withdraw", description="It is not needed any more")
    @takes(_judge_word)
    def withdraw(self, word: ReviewWord) -> str:
        """Close the review without an answer: nobody needs it any more."""
        self.withdrawn = word
        return WITHDRAWN

    withdraw.validator(checks(_judge_word))

    @workflow.signal(name="meeting_set", description="Its live meeting has a time")
    def meeting_set(self, hour: MeetingHour) -> None:
        """The channel is told when they meet; the meeting itself is on the timeline as its own."""
        kind = "tech_review.meeting_moved" if hour.moved else "tech_review.meeting_booked"
        self.channel.hear(kind, hour.submission, until=hour.start, occasion=_occasion(hour.submission, hour.start))
        self.changed = True

    def _judge_edit(self, edit: ReviewEdit) -> str | None:
        if edit.round.number != self.next_round.number + 1:
            return self._over() or "somebody else changed it meanwhile; look at it again"
        return self._over()

    @workflow.update(name="edit", description="Change the request; everybody is heard anew")
    @takes(_judge_edit)
    def edit(self, edit: ReviewEdit) -> str:
        """Another version of the request, in a new round; what was said stays on record."""
        self.next_round = edit.round
        return f"round {edit.round.number}"

    edit.validator(checks(_judge_edit))

    @workflow.query(name="view", description="The review as it stands")
    def view(self) -> ReviewView:
        """Show the review as it stands."""
        return ReviewView(
            ref=self.ref,
            account=self.account,
            phase=self.phase,
            round=self.round,
            overdue=self.overdue,
            verdict=self.verdict,
            outcome=self.outcome,
            waiting_on=self.wait.on,
            waiting_for=self.wait.what,
            deadline=self.wait.deadline,
            unblock=self.wait.unblock,
            revisit=self.revisit,
            meetings=self.meetings,
        )

    # How it is done

    def _over(self) -> str | None:
        over = self.ended or self.withdrawn is not None
        return f"{self.ref} is over: {self.outcome or WITHDRAWN}" if over else None

    def _is_interrupted(self) -> bool:
        return self.withdrawn is not None or self.next_round.number != self.round.number

    def _stop_if_interrupted(self) -> None:
        if self._is_interrupted():
            raise Interrupted

    async def _wait_until(self, instant: datetime, what: str) -> None:
        alarm = Alarm()
        alarm.set(instant, what)
        await workflow.wait_condition(lambda: alarm.rings or self._is_interrupted())
        self._stop_if_interrupted()

    def _is_over(self, number: int) -> bool:
        """Whether a round has nothing to wait for any more: its answer was given, or another round began."""
        return self.ended or self._is_interrupted() or self.round.number != number or self.told is not None

    def _is_decided(self, number: int) -> bool:
        """Whether a round is decided, or another one has begun."""
        return self.ended or self._is_interrupted() or self.round.number != number or self.verdict is not None

    def _engineering_answered(self) -> bool:
        return any(
            one.kind == "feedback" and one.seat == tech_review.ENGINEERING and one.round == self.round.number
            for one in self.remarks
        )

    async def _enter(self, phase: ReviewPhase) -> datetime:
        """Begin a phase; give its end."""
        if phase is not self.phase:
            self.phase = phase
            workflow.upsert_search_attributes([STAGE.value_set(phase)])
        question = Until(phase=phase, by=self.round.by, needed_by=self.round.needed_by, now=workflow.now())
        deadline = await done(Reviews.deadline, question, f"How long is there for the {phase}?", PLANNING)
        self._stop_if_interrupted()
        self.meet_at = deadline.meet_at
        return deadline.at

    def _next_id(self, step: str) -> str:
        return task_id(self.ref, step, self.attempts.get(step, 0) + 1)

    def _task(self, step: str, title: str, definition: TaskDefinition, attempt: int, **told: Any) -> TaskStart:
        told = {"mails": dict(MAILS), "requester": self.round.by, "review": self._facts()} | told
        return TaskStart(
            account=self.account,
            contract=self.ref,
            subject=self.ref,
            step=step,
            title=title,
            attempt=attempt,
            definition=definition,
            # Where whoever asks may decide, so may whoever asked before them.
            asked_before=() if told["requester"] is None else self.asked_before,
            **told,
        )

    async def _put(self, step: str, title: str, definition: TaskDefinition, **told: Any) -> TaskResult:
        """Put a question to people and give what came of it; if the review is interrupted, what came until then."""
        attempt = self.attempts[step] = self.attempts.get(step, 0) + 1
        given = self._task(step, title, definition, attempt, **told)
        return await ask(
            given, task_id(self.ref, step, attempt), f"{title}, for {self.account}", is_over=self._is_interrupted
        )

    async def _heard(
        self,
        kind: RemarkKind,
        step: str,
        title: str,
        definition: TaskDefinition,
        *,
        seat: str | None = None,
        **told: Any,
    ) -> TaskResult:
        """Put a question to people, keep what they said, and go on only if the review was not interrupted."""
        result = await self._put(step, title, definition, **told)
        self.heard_at = result.at
        self._remember_all(kind, result, seat=seat)
        self._stop_if_interrupted()
        return result

    def _remember_all(self, kind: RemarkKind, result: TaskResult, *, seat: str | None = None) -> None:
        """Keep what each person said; a leader's vote for the seat that they filled."""
        seats = {person: one.removeprefix("role:") for one, person in result.filled.items()}
        for one in result.decisions:
            self._keep(kind, one.submission, one.by, one.option, one.submission, one.at, seat or seats.get(one.by))

    def _remember(
        self,
        kind: RemarkKind,
        *,
        by: str | None,
        option: str | None = None,
        submission: str | None = None,
        seat: str | None = None,
    ) -> None:
        """Keep something that belongs to the review itself."""
        key = submission if kind in ("said", "withdrawal") and submission else f"{kind}/{self.round.number}"
        if kind == "meeting":
            key = f"meeting/{submission or len(self.remarks)}"
        self._keep(kind, key, by, option, submission, workflow.now(), seat)

    def _keep(
        self,
        kind: RemarkKind,
        key: str,
        by: str | None,
        option: str | None,
        submission: str | None,
        at: datetime,
        seat: str | None = None,
    ) -> None:
        round_ = self.round.number
        remark = Remark(key=key, round=round_, kind=kind, seat=seat, by=by, option=option, submission=submission, at=at)
        self.remarks.append(remark)
        self.unwritten.append(remark)
        if by is not None:
            # A seat that stays empty has said nothing; what is decided tells of it.
            self.channel.hear(remark.kind, remark.submission, remark.option)
        self.changed = True

    def _tell(self, kind: str, **about: Any) -> None:
        """Queue an entry for the timeline."""
        self.timeline.record(kind, **about)
        said, what = about.get("submission"), about.get("about")
        self.channel.hear(kind, said, what, occasion=_occasion(said, self.round.number, what or ""))
        self.changed = True

    def _wait_for(
        self,
        *,
        what: str,
        on: tuple[str, ...] = (),
        unblock: str | None = None,
        deadline: datetime | None = None,
    ) -> None:
        self.wait = Wait(on=on, what=what, unblock=unblock, deadline=deadline, round=self.round.number)
        self.changed = True

    def _wait_for_sides(self, sides: Sequence[str], deadline: datetime) -> None:
        self._wait_for(
            on=tuple(dict.fromkeys(role for side in sides for role in details.roles(tech_review.SIDES[side].speakers))),
            what=f"feedback of {listed([seat(side) for side in sides])}",
            unblock=in_name(f"rapport review feedback {self.ref} --text …"),
            deadline=deadline,
        )

    def _wait_for_task(
        self, step: str, definition: TaskDefinition, what: str, deadline: datetime | None = None
    ) -> None:
        first = definition.options[0]
        self._wait_for(
            on=details.roles(definition.assign),
            what=what,
            unblock=deciding(self._next_id(step), first.id, needs_reason=first.needs_reason),
            deadline=deadline,
        )

    async def _settle(self, submission: str) -> bool:
        """Write down what a message promises; whether it can be read at all."""
        question = Settle(
            ref=self.ref, round=self.round.number, by=self.round.by, submission=submission, now=workflow.now()
        )
        settled = await attempted(Reviews.settle, question, "What does the message promise?", RECORDS)
        if isinstance(settled, Denied):
            self._tell("tech_review.unsettled")
            return False
        self.revisit = settled.revisit
        return True

    def _facts(self, what: str = "") -> TechReviewFacts:
        return TechReviewFacts(
            ref=self.ref,
            round=self.round.number,
            what=what,
            request=self.round.submission,
            by=self.round.by,
            needed_by=self.round.needed_by,
            overdue=self.overdue,
            phase=self.phase,
            verdict=self.verdict,
            message=self.message,
            deadline=self.wait.deadline,
            remarks=tuple(one for one in self.remarks if one.round == self.round.number),
        )

    def _knowing(self) -> tuple[str, ...]:
        """Everyone of ours who hears what becomes of it: who was told that there is one, and who spoke."""
        spoke = (one.by for one in self.remarks if one.by is not None and one.seat != "customer")
        return (self.round.by, *self.people.leaders, *self.people.others, *spoke)

    def _write_to(self, to: Sequence[str], email: str, what: str, summary: str) -> asyncio.Task[Any]:
        """Write to members; each gets one mail."""
        self.mails[what, email] += 1
        occasion = MessageRequest(
            account=self.account,
            contract=self.ref,
            step=what,
            title=self.ref,
            workflow_id=workflow.info().workflow_id,
            occurrence=self.mails[what, email],
            round=self.round.number,
            purpose=Purpose.NOTICE,
            email=email,
            to=tuple(dict.fromkeys(to)),
            now=workflow.now(),
            tech_review=self._facts(what),
        )
        return self.messages.write(occasion, summary)

    def why_not(self, key: str) -> str | None:
        """What was scheduled about a review that nobody needs any more goes to nobody, but for just that."""
        is_over = self.withdrawn is not None and purpose_of(key) == Purpose.NOTICE
        return REVIEW_WITHDRAWN if is_over and key.split("/")[1] != WITHDRAWN else None

    @property
    def has_news(self) -> bool:
        """Whether SQL has to be told of anything, also of a remark."""
        return super().has_news or bool(self.unwritten) or self.channel.has_news

    def _gather(self, number: int) -> ReviewProjection | None:
        """How it stands by now, what was said, and what has happened."""
        told = self.timeline.turn_to(self.wait)
        view = self.view()
        if not (told or self.unwritten or self.channel.has_news) and view == self.written:
            return None
        self.written = view
        unwritten, self.unwritten = tuple(self.unwritten), []
        return ReviewProjection(
            ref=self.ref,
            account=self.account,
            number=number,
            phase=self.phase,
            round=self.round,
            overdue=self.overdue,
            outcome=self.outcome,
            decided=self.decided,
            told=self.told,
            acknowledged=self.acknowledged,
            message=self.message,
            revisit=self.revisit,
            meetings=self.meetings,
            remarks=unwritten,
            entries=self.timeline.take_entries(),
            announcements=self.channel.take(),
            wait=self.timeline.wait,
            now=workflow.now(),
        )

    async def write_down(self) -> None:
        """Write down what is new, and have others hear of it."""
        noted = await self.projector.write()
        if noted is not None:
            await self.channel.speak(is_new=noted.announcements)
