"""A technical review: a decision that a customer needs by a date, with everybody heard who has to stand behind it."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.reviews import Again, LayOut, Reviews
    from rapport.model.commands import in_name
    from rapport.model.ids import task_id
    from rapport.model.records import Wait
    from rapport.model.review_facts import ReviewPhase, Verdict
    from rapport.model.tech_review import WITHDRAWN, ReviewResult, ReviewStart
    from rapport.model.workflows import TECH_REVIEW
    from rapport.policy import details, review
    from rapport.policy.review import Spoken

from workflows.options import PLANNING, RECORDS
from workflows.outcomes import beside, done
from workflows.reviewing import HEALTH, MAILS, STAGE, Interrupted, Reviewing
from workflows.waiting import Alarm, ask

OVERDUE = "overdue"
ON_TIME = "on_time"


@workflow.defn(name=TECH_REVIEW.name)
class TechReview(Reviewing):
    """From the request to the customer's acknowledgement, and back again on the day that was agreed."""

    @workflow.init
    def __init__(self, start: ReviewStart) -> None:
        """Nobody has been asked yet."""
        super().__init__(start)

    @workflow.run
    async def run(self, start: ReviewStart) -> ReviewResult:  # noqa: ARG002 - taken by __init__
        """Round by round: heard, recommended, decided, told; until there is an answer that does not come back."""
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
        self._tell(f"tech_review.{what}", who=self.round.by, submission=None if again else self.round.submission)
        self._write_to(
            (self.round.by, *self.people.leaders, *self.people.others), "review_submitted", what, "Tell everyone"
        )
        self.beside(self.keep_the_date(self.round.number))

    async def hear_everybody(self) -> None:
        """Feedback of engineering, product, support and the account team, for as long as the date allows."""
        deadline = await self._enter(ReviewPhase.FEEDBACK)
        sides = review.heard(self.round.stage)
        self._wait_for(
            on=tuple(dict.fromkeys(role for side in sides for role in details.roles(review.SIDES[side]))),
            what=f"feedback of {', '.join(side.replace('_', ' ') for side in sides)}",
            unblock=in_name(f"rapport review feedback {self.ref} --text …"),
            deadline=deadline,
        )
        asked = [beside(self.hear(side, deadline)) for side in sides]
        await workflow.wait_condition(lambda: all(one.done() for one in asked))
        for one in asked:
            one.result()
        self._stop_if_interrupted()

    async def hear(self, side: str, deadline: datetime) -> None:
        """What one side says, if they say anything in time."""
        title = f"{self.ref}: feedback of {side.replace('_', ' ')}"
        result = await self._put(f"feedback_{side}", title, review.feedback(side), deadline=deadline)
        self._remember_all("feedback", result, seat=side)
        if not result.decisions and not self._is_interrupted():
            self._tell("tech_review.silent", about=side)

    async def hear_the_recommendation(self) -> str:
        """The VP of CE's word, with everything in front of them; asked until there is one."""
        while True:
            deadline = await self._enter(ReviewPhase.RECOMMENDATION)
            definition = review.recommendation(self.round.ask, engineering_answered=self._engineering_answered())
            self._wait_for_task("recommendation", definition, "the recommendation of the VP of CE", deadline)
            result = await self._put("recommendation", f"{self.ref}: recommendation", definition, deadline=deadline)
            self._remember_all("recommendation", result, seat="ce_vp")
            self._stop_if_interrupted()
            if any(option.id == result.outcome for option in definition.options):
                self._tell("tech_review.recommended", who=result.by, about=result.outcome, submission=result.submission)
                return result.outcome
            self._tell("tech_review.silent", about="ce_vp")

    async def decide(self, word: str) -> Verdict:
        """What is decided: by the recommendation where nobody else has to agree, else by leadership together."""
        verdict = review.of_recommendation(word)
        if verdict is Verdict.APPROVED and review.needs_commitment(self.round.ask) and not await self.is_committed():
            verdict = None
        if verdict is None:
            verdict = await self.hear_leadership()
        self.verdict, self.outcome, self.decided = verdict, verdict, workflow.now()
        spoke = [one for one in self.remarks if one.kind in ("recommendation", "commitment", "vote")]
        last = spoke[-1] if spoke else None
        self._remember("verdict", by=None, option=verdict, submission=last.submission if last else None)
        self._tell("tech_review.decided", about=verdict)
        spoken = [one.by for one in self.remarks if one.by is not None]
        self._write_to(
            (self.round.by, *self.people.leaders, *self.people.others, *spoken),
            "review_decided",
            "decided",
            "Tell everyone what is decided",
        )
        return verdict

    async def is_committed(self) -> bool:
        """Whether the VP Engineering gives engineering's time; nobody else can."""
        deadline = await self._enter(ReviewPhase.LEADERSHIP)
        self._wait_for_task("commitment", review.COMMITMENT, "the VP Engineering's commitment", deadline)
        result = await self._put(
            "commitment", f"{self.ref}: commitment of engineering", review.COMMITMENT, deadline=deadline
        )
        self._remember_all("commitment", result, seat="vp_engineering")
        self._stop_if_interrupted()
        return result.outcome == review.YES

    async def hear_leadership(self) -> Verdict:
        """All of leadership until the deadline, then the majority; who was silent is asked again."""
        seats: tuple[str, ...] = review.LEADERSHIP
        heard: dict[str, Spoken] = {}
        while (verdict := review.of_leadership(self.round.ask, seats, votes := review.votes(heard))) is None:
            deadline = await self._enter(ReviewPhase.LEADERSHIP)
            definition = review.panel(self.round.ask, review.still_silent(seats, votes))
            self._wait_for_task("leadership", definition, "leadership's decision", deadline)
            result = await self._put("leadership", f"{self.ref}: yes or no", definition, deadline=deadline)
            self._remember_all("vote", result)
            self._stop_if_interrupted()
            if not heard and result.seats:
                seats = result.seats
            heard = review.one_vote_each(heard, result.filled, result.votes)
            for seat in review.still_silent(seats, heard):
                self._tell("tech_review.silent", about=seat.removeprefix("role:"))
        return verdict

    async def tell_the_customer(self, verdict: Verdict) -> None:
        """Written by whoever asked, approved by the VP of CE, read by support; a no as carefully as a yes."""
        read = False
        while not read:
            await self._enter(ReviewPhase.MESSAGE)
            definition = review.message(verdict)
            words = " ".join(f"--say {name}=…" for name in definition.asks)
            id_ = self._next_id("message")
            self._wait_for(
                on=("ce", "ce_vp"),
                what="the message to the customer",
                unblock=in_name(f"rapport task request {id_} {words}"),
            )
            written = await self._put(
                "message",
                f"{self.ref}: message to the customer",
                definition,
                requester=None,
                asker=self.round.by,
                asks_as="ce",
                mails=MAILS | {"task_request": "review_write"},
            )
            self._remember_all("approval", written, seat="ce_vp")
            self._stop_if_interrupted()
            if written.outcome != "approve" or written.request is None:
                self._tell("tech_review.silent", about="message")
                continue
            self.message = written.request
            self._wait_for_task("reading", review.READING, "support, to read the message")
            reading = await self._put(
                "reading", f"{self.ref}: read before it goes", review.READING, request=written.request
            )
            self._remember_all("reading", reading, seat="support")
            self._stop_if_interrupted()
            while reading.outcome not in ("read", "object"):
                self._tell("tech_review.silent", about="support")
                reading = await self._put(
                    "reading", f"{self.ref}: read before it goes", review.READING, request=written.request
                )
                self._remember_all("reading", reading, seat="support")
                self._stop_if_interrupted()
            # What is promised beside the words is on record before anybody reads them; else they are written again.
            read = reading.outcome == "read" and await self._settle(written.request)
            self._stop_if_interrupted()

    async def hear_the_customer(self) -> None:
        """Send it, and note that they have read it; their silence is told to the TAM, and changes nothing."""
        assert self.message is not None
        self.told, self.overdue = workflow.now(), False
        self._remember("message", by=self.round.by, option=self.verdict, submission=self.message)
        self._tell("tech_review.told", who=self.round.by, submission=self.message)
        self.phase = ReviewPhase.ACKNOWLEDGEMENT
        workflow.upsert_search_attributes([STAGE.value_set(self.phase), HEALTH.value_set(ON_TIME)])
        definition = review.acknowledgement(self.round.tell, ("message",))
        self._wait_for_task("acknowledgement", definition, "the customer's acknowledgement")
        result = await self._put(
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
        )
        self._remember_all("acknowledgement", result, seat="customer")
        self._stop_if_interrupted()
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
        alarm = Alarm()
        alarm.set(self.revisit, f"{self.ref} comes back")
        await workflow.wait_condition(lambda: alarm.rings or self._is_interrupted())
        self._stop_if_interrupted()
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
        assert self.outcome is not None
        self.phase, self.overdue = ReviewPhase.CLOSED, False
        self.wait, self.ended = Wait(), True
        for word in self.wanted_meetings:
            self.turn_away(word, "the review was over before anybody could see to it")
        await self.all_over()
        return ReviewResult(outcome=self.outcome)

    # Beside the story

    async def keep_the_date(self, number: int) -> None:
        """Tell leadership as the customer's date comes near, and say so everywhere once it has passed."""
        tellings = [(one.at, one.what) for one in self.people.tellings]
        for at, what in [*tellings, (self.round.needed_by, OVERDUE)]:
            alarm = Alarm()
            alarm.set(at, f"{self.ref}: {what.replace('_', ' ')}")
            await workflow.wait_condition(lambda alarm=alarm: alarm.rings or self._is_over(number))  # type: ignore[misc]
            if self._is_over(number):
                return
            if what == OVERDUE:
                self.overdue = True
                workflow.upsert_search_attributes([HEALTH.value_set(OVERDUE)])
                self._tell("tech_review.overdue", instant=at)
            else:
                self._tell("tech_review.leadership_told", about=what, instant=self.round.needed_by)
            self._write_to((self.round.by, *self.people.leaders), "review_due", what, "Tell leadership")

    async def hold_a_meeting(self, requester: str) -> None:
        """Somebody wants to talk about it live: whoever asked for the review sees to that, and writes down the rest."""
        number = self.attempts["meeting"] = self.attempts.get("meeting", 0) + 1
        definition = review.MEETING.model_copy(update={"assign": (self.round.by,)})
        others = None if requester == self.round.by else requester
        given = self._task("meeting", f"{self.ref}: a live meeting", definition, number, mails={}, requester=others)
        result = await ask(
            given,
            task_id(self.ref, "meeting", number),
            given.title,
            is_over=lambda: self.ended or self.withdrawn is not None,
        )
        self._remember("meeting", by=result.by, option=result.outcome, submission=result.submission)
        self._tell("tech_review.meeting", who=result.by, about=result.outcome, submission=result.submission)

    async def _keep_the_record(self) -> None:
        """Act on what people said, and write down what is new."""
        while not self.ended:
            await workflow.wait_condition(lambda: self.changed or self.ended)
            self.changed = False
            wanted, self.wanted_meetings = self.wanted_meetings, []
            for word in wanted:
                self.beside(self.hold_a_meeting(word.by))
            await self.write_down()
