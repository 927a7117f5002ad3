"""What a technical review knows and keeps of itself, what people can say to it, and how it puts its questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from activities.reviews import LaidOut, Reviews, Settle, Until
    from rapport.model.commands import deciding
    from rapport.model.human_task import Decision, TaskDefinition, TaskResult, TaskStart
    from rapport.model.ids import task_id
    from rapport.model.meeting import Receipt
    from rapport.model.message import Occasion, Purpose
    from rapport.model.records import Wait
    from rapport.model.review_facts import Remark, RemarkKind, ReviewPhase, TechReviewFacts, Verdict
    from rapport.model.tech_review import (
        WITHDRAWN,
        ReviewEdit,
        ReviewProjection,
        ReviewStart,
        ReviewView,
        ReviewWord,
    )
    from rapport.policy import details, review

from workflows.channel import Channel
from workflows.correspondence import Correspondence
from workflows.diary import Diary
from workflows.options import PLANNING, RECORDS
from workflows.outcomes import Denied, attempted, done
from workflows.waiting import ask
from workflows.words import Door

HEALTH: Final = SearchAttributeKey.for_keyword("RapportHealth")
STAGE: Final = SearchAttributeKey.for_keyword("RapportStage")

MAILS: Final = MappingProxyType({"task_opened": "review_asked", "task_reminder": "review_asked_again"})
"""Which mails put a review's questions."""


class Interrupted(Exception):  # noqa: N818 - no fault: the request changed, or is not needed any more
    """What was being waited for is void."""


class Reviewing(Correspondence):
    """A review's state beside its story. Handlers record; `TechReview.run` acts."""

    def __init__(self, start: ReviewStart) -> None:
        """Nobody has been asked yet."""
        super().__init__(start.account)
        self.ref = start.ref
        self.round = start.round
        self.next_round = start.round
        self.phase = ReviewPhase.FEEDBACK
        self.remarks: list[Remark] = []
        self.unwritten: list[Remark] = []
        self.verdict: Verdict | None = None
        self.outcome: str | None = None
        self.overdue = False
        self.decided: datetime | None = None
        self.told: datetime | None = None
        self.acknowledged: datetime | None = None
        self.message: str | None = None
        self.revisit: datetime | None = None
        self.withdrawn: ReviewWord | None = None
        self.wanted_meetings: list[ReviewWord] = []
        self.attempts: dict[str, int] = {}
        self.wait = Wait()
        self.people = LaidOut(tellings=(), leaders=(), others=())
        self.mails = 0
        self.projections = 0
        self.written: ReviewView | None = None
        self.ended = False
        self.diary = Diary(start.account, start.ref, start.ref)
        self.channel = Channel(start.ref, start.account)

    # Words: these record, and `run` acts

    @workflow.update(name="say", description="Say something about it")
    def say(self, word: ReviewWord) -> Receipt:
        """What somebody says of their own accord; it stands on record."""
        return self.take_word("say", word)

    @say.validator
    def _validate_say(self, word: ReviewWord) -> None:
        self.check_word("say", word)

    @workflow.update(name="request_meeting", description="Ask to talk about it live")
    def request_meeting(self, word: ReviewWord) -> Receipt:
        """Any participant can ask for a meeting."""
        return self.take_word("request_meeting", word)

    @request_meeting.validator
    def _validate_request_meeting(self, word: ReviewWord) -> None:
        self.check_word("request_meeting", word)

    @workflow.update(name="edit", description="Change the request; everybody is heard anew")
    def edit(self, edit: ReviewEdit) -> Receipt:
        """Another version of the request, in a new round; what was said stays on record."""
        return self.take_word("edit", edit)

    @edit.validator
    def _validate_edit(self, edit: ReviewEdit) -> None:
        self.check_word("edit", edit)

    @workflow.update(name="withdraw", description="It is not needed any more")
    def withdraw(self, word: ReviewWord) -> Receipt:
        """Nobody needs it any more."""
        return self.take_word("withdraw", word)

    @withdraw.validator
    def _validate_withdraw(self, word: ReviewWord) -> None:
        self.check_word("withdraw", word)

    def doors(self) -> Mapping[str, Door[Any]]:
        """What may be said to it."""
        return {
            **super().doors(),
            "say": Door(ReviewWord, self._judge_word, self._take_remark),
            "request_meeting": Door(ReviewWord, self._judge_word, self._take_wish),
            "edit": Door(ReviewEdit, self._judge_edit, self._take_edit),
            "withdraw": Door(ReviewWord, self._judge_word, self._take_withdrawal),
        }

    def tell_refused(self, word: Any, reason: str) -> None:
        """On the timeline."""
        by = word.round.by if isinstance(word, ReviewEdit) else word.by
        self._tell("word.refused", who=by, submission=word.id, about=reason)

    @workflow.query(name="view", description="The review as it stands")
    def view(self) -> ReviewView:
        """Everything there is to see of it."""
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
        )

    # How it is done

    def _judge_word(self, word: ReviewWord | ReviewEdit) -> str | None:  # noqa: ARG002 - whatever is said
        over = self.ended or self.withdrawn is not None
        return f"{self.ref} is over: {self.outcome or WITHDRAWN}" if over else None

    def _judge_edit(self, edit: ReviewEdit) -> str | None:
        if edit.round.number != self.next_round.number + 1:
            return self._judge_word(edit) or "somebody else changed it meanwhile; look at it again"
        return self._judge_word(edit)

    def _take_remark(self, word: ReviewWord) -> str:
        self._remember("said", by=word.by, submission=word.id)
        self._tell("tech_review.said", who=word.by, submission=word.id)
        return "said"

    def _take_wish(self, word: ReviewWord) -> str:
        self.wanted_meetings.append(word)
        self._tell("tech_review.meeting_asked", who=word.by, submission=word.id)
        return "asked"

    def _take_edit(self, edit: ReviewEdit) -> str:
        self.next_round = edit.round
        return f"round {edit.round.number}"

    def _take_withdrawal(self, word: ReviewWord) -> str:
        self.withdrawn = word
        return WITHDRAWN

    def _is_interrupted(self) -> bool:
        return self.withdrawn is not None or self.next_round.number != self.round.number

    def _stop_if_interrupted(self) -> None:
        if self._is_interrupted():
            raise Interrupted

    def _is_over(self, number: int) -> bool:
        """Whether a round has nothing to wait for any more: its answer was given, or another round began."""
        return self.ended or self._is_interrupted() or self.round.number != number or self.told is not None

    def _engineering_answered(self) -> bool:
        return any(
            one.kind == "feedback" and one.seat == review.ENGINEERING and one.round == self.round.number
            for one in self.remarks
        )

    async def _enter(self, phase: ReviewPhase) -> datetime:
        """Begin a phase; give its end."""
        if phase is not self.phase:
            self.phase = phase
            workflow.upsert_search_attributes([STAGE.value_set(phase)])
        if phase is ReviewPhase.MESSAGE:
            return self.round.needed_by
        question = Until(phase=phase, by=self.round.by, needed_by=self.round.needed_by, now=workflow.now())
        deadline = await done(Reviews.deadline, question, f"How long is there for the {phase}?", PLANNING)
        self._stop_if_interrupted()
        return deadline.at

    def _next_id(self, step: str) -> str:
        return task_id(self.ref, step, self.attempts.get(step, 0) + 1)

    def _task(self, step: str, title: str, definition: TaskDefinition, attempt: int, **told: Any) -> TaskStart:
        return TaskStart(
            account=self.account,
            contract=self.ref,
            subject=self.ref,
            step=step,
            title=title,
            attempt=attempt,
            definition=definition,
            **({"mails": dict(MAILS), "requester": self.round.by, "review": self._facts()} | told),
        )

    async def _put(self, step: str, title: str, definition: TaskDefinition, **told: Any) -> TaskResult:
        """Put a question to people and give what came of it; if the review is interrupted, what came until then."""
        attempt = self.attempts[step] = self.attempts.get(step, 0) + 1
        given = self._task(step, title, definition, attempt, **told)
        return await ask(
            given, task_id(self.ref, step, attempt), f"{title}, for {self.account}", is_over=self._is_interrupted
        )

    def _remember_all(self, kind: RemarkKind, result: TaskResult, *, seat: str | None = None) -> None:
        """Keep what each person said; a leader's vote for the seat that they filled."""
        seats = {person: one.removeprefix("role:") for one, person in result.filled.items()}
        for decision in result.decisions:
            self._remember_decision(kind, decision, seat or seats.get(decision.by))

    def _remember_decision(self, kind: RemarkKind, decision: Decision, seat: str | None) -> None:
        self._keep(
            Remark(
                key=decision.submission,
                round=self.round.number,
                kind=kind,
                seat=seat,
                by=decision.by,
                option=decision.option,
                submission=decision.submission,
                at=decision.at,
            )
        )

    def _remember(
        self, kind: RemarkKind, *, by: str | None, option: str | None = None, submission: str | None = None
    ) -> None:
        """Keep something that belongs to the review itself."""
        key = submission if kind in ("said", "withdrawal") and submission else f"{kind}/{self.round.number}"
        if kind == "meeting":
            key = f"meeting/{submission or len(self.remarks)}"
        self._keep(
            Remark(
                key=key,
                round=self.round.number,
                kind=kind,
                by=by,
                option=option,
                submission=submission,
                at=workflow.now(),
            )
        )

    def _keep(self, remark: Remark) -> None:
        self.remarks.append(remark)
        self.unwritten.append(remark)
        self.channel.hear(remark.kind, remark.submission, remark.option)
        self.changed = True

    def _tell(self, kind: str, **about: Any) -> None:
        """Queue an entry for the timeline."""
        self.diary.tell(kind, **about)
        self.channel.hear(kind, about.get("submission"), about.get("about"))
        self.changed = True

    def _wait_for(
        self,
        *,
        what: str,
        on: tuple[str, ...] = (),
        unblock: str | None = None,
        deadline: datetime | None = None,
    ) -> None:
        self.wait = Wait(on=on, what=what, unblock=unblock, deadline=deadline)
        self.changed = True

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

    def _write_to(self, to: Sequence[str], email: str, what: str, summary: str) -> None:
        """Write to members; each gets one mail."""
        self.mails += 1
        occasion = Occasion(
            account=self.account,
            contract=self.ref,
            step=what,
            title=self.ref,
            workflow_id=workflow.info().workflow_id,
            occurrence=self.mails,
            round=self.round.number,
            purpose=Purpose.NOTICE,
            email=email,
            to=tuple(dict.fromkeys(to)),
            now=workflow.now(),
            tech_review=self._facts(what),
        )
        self.write(occasion, summary)

    @property
    def has_news(self) -> bool:
        """Also what somebody said."""
        return super().has_news or bool(self.unwritten)

    async def write_down(self) -> None:
        """Write down what is new, in one local activity, show it in Temporal's UI, and have others hear of it."""
        self.diary.tell_troubles(self.troubles)
        told = self.diary.turn_to(self.wait)
        view = self.view()
        if not (told or self.unwritten) and view == self.written:
            return
        self.written = view
        workflow.set_current_details(details.tech_review(view))
        self.projections += 1
        unwritten, self.unwritten = tuple(self.unwritten), []
        projection = ReviewProjection(
            ref=self.ref,
            account=self.account,
            number=self.projections,
            phase=self.phase,
            round=self.round,
            overdue=self.overdue,
            outcome=self.outcome,
            decided=self.decided,
            told=self.told,
            acknowledged=self.acknowledged,
            message=self.message,
            revisit=self.revisit,
            remarks=unwritten,
            entries=self.diary.take_entries(),
            announcements=self.channel.take(),
            wait=self.diary.wait,
            now=workflow.now(),
        )
        noted = await done(Reviews.project, projection, "Write down what happened", RECORDS)
        await self.channel.speak(is_new=noted.announcements)
