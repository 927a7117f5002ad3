"""What a meeting holds, what people may say to it, and what it says of itself; `meeting.py` tells its story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.records import Records
    from rapport.model.commands import in_name
    from rapport.model.ids import person_of, purpose_of, round_of
    from rapport.model.meeting import (
        Book,
        Booking,
        MeetingPhase,
        MeetingStart,
        MeetingView,
        Nudge,
        Proposal,
        Receipt,
        Report,
        Venue,
        Vote,
    )
    from rapport.model.message import MeetingFacts, Occasion, Purpose
    from rapport.model.records import Wait
    from rapport.policy import audience, details, quorum
    from rapport.policy.chores import Chore

from workflows.correspondence import Correspondence
from workflows.diary import Diary
from workflows.options import RECORDS
from workflows.outcomes import done
from workflows.waiting import Alarm, Errand
from workflows.words import Door

MEETING_IS_OVER: Final = "the meeting is over"


class Gathering(Correspondence):
    """A meeting as those see it who come to it. Its handlers record; what follows is the story's."""

    def __init__(self, start: MeetingStart) -> None:
        """Nothing is proposed yet."""
        super().__init__(start.account)
        self.start = start
        self.step = start.step
        self.phase = MeetingPhase.PROPOSING
        self.venue: Venue | None = None
        self.proposal: Proposal | None = None
        self.votes: dict[str, Vote] = {}
        self.wanted: list[Book] = []
        self.booking: Booking | None = None
        self.report: Report | None = None
        self.why_stuck: str | None = None
        self.outcome: str | None = None
        self.errands: Counter[str] = Counter()
        self.being_read: set[Purpose] = set()
        self.due_by: datetime | None = None
        self.held_back = False
        self.people_moved = False
        self.vacant: tuple[str, ...] = ()
        self.newcomers: list[str] = []
        self.successor_by: datetime | None = None
        self.outdated = False
        self.round = 0
        self.nudges: list[Nudge] = []
        self.reminders = 0
        self.notices = 0
        self.diary = Diary(start.account, start.contract, start.step.name)
        self.alarm = Alarm()

    # Decisions

    @workflow.update(name="vote", description="Say which of the times suit")
    def vote(self, vote: Vote) -> Receipt:
        """One person's answer; a later one replaces it for as long as the vote is open."""
        return self.take_word("vote", vote)

    @vote.validator
    def _validate_vote(self, vote: Vote) -> None:
        self.check_word("vote", vote)

    @workflow.signal(name="settle", description="Whether it is held on site is decided")
    def settle(self, venue: Venue) -> None:
        """Word from the onboarding."""
        self.venue, self.changed = venue, True

    @workflow.update(name="book", description="Set the time by hand, or move it")
    def book(self, book: Book) -> Receipt:
        """A member's word on the time, whoever voted for what."""
        return self.take_word("book", book)

    @book.validator
    def _validate_book(self, book: Book) -> None:
        self.check_word("book", book)

    @workflow.update(name="report", description="Say whether it was held")
    def take_report(self, report: Report) -> Receipt:
        """A member's word on how it went."""
        return self.take_word("report", report)

    @take_report.validator
    def _validate_report(self, report: Report) -> None:
        self.check_word("report", report)

    def doors(self) -> Mapping[str, Door[Any]]:
        """What may be said to it."""
        return {
            **super().doors(),
            "vote": Door(Vote, self._judge_vote, self._take_vote),
            "book": Door(Book, self._judge_book, self._take_book),
            "report": Door(Report, self._judge_report, self._take_report),
        }

    def tell_refused(self, word: Any, reason: str) -> None:
        """On the timeline."""
        if isinstance(word, Vote):
            self.diary.tell("vote.refused", who=word.voter, submission=word.id, about=reason)
        else:
            self.diary.tell("word.refused", who=word.by, submission=word.id, about=reason)

    @workflow.signal(name="people_changed", description="Somebody came, left or took over")
    def people_changed(self) -> None:
        """Look again who takes part."""
        self.people_moved = self.changed = True

    @workflow.query(name="view", description="The meeting as it stands")
    def view(self) -> MeetingView:
        """Everything there is to see of it."""
        return MeetingView(
            account=self.account,
            step=self.step.name,
            phase=self.phase,
            round=self.round,
            proposal=self.proposal,
            votes=tuple(self.votes.values()),
            booking=self.booking,
            why_stuck=self.why_stuck,
            reminders_sent=self.reminders,
            waiting_on=self.diary.wait.on,
            waiting_for=self.diary.wait.what,
            unblock=self.diary.wait.unblock,
            deadline=self.diary.wait.deadline,
        )

    # Where it stands

    def facts_by_now(self) -> MeetingFacts | None:
        """The times that are on offer when a mail that was put off goes."""
        return self._facts() if self.proposal else None

    def why_not(self, key: str) -> str | None:
        """A mail that asks for an answer makes no sense once there is one, or nothing is asked any more."""
        purpose = purpose_of(key)
        if self.phase is MeetingPhase.ENDED and purpose in (Purpose.MESSAGE, Purpose.PROPOSAL, Purpose.REMINDER):
            return MEETING_IS_OVER
        if purpose not in (Purpose.PROPOSAL, Purpose.REMINDER):
            return None
        if round_of(key) != self.round:
            return "newer times have taken its place"
        if self.booking is not None:
            return "a time is booked by now"
        if purpose == Purpose.REMINDER:
            if self.phase is not MeetingPhase.VOTING:
                return "the vote is over by now"
            if person_of(key) not in quorum.unanswered(self._current, self.votes):
                return "its reader has answered by now"
        return None

    @property
    def _current(self) -> Proposal:
        assert self.proposal is not None
        return self.proposal

    @property
    def _converts(self) -> bool:
        """Whether it is to be held on site, and is not planned so yet."""
        return self.venue is not None and self.venue.onsite and self.step.onsite is not None

    @property
    def _starts_over(self) -> bool:
        """Whether this round is over before its time."""
        return self.closing or self.outcome is not None or self._converts or self.outdated

    @property
    def _is_over(self) -> bool:
        return self.closing or self.outcome is not None

    @property
    def _is_diverted(self) -> bool:
        """Whether nobody's answers are waited for any more: the time is set by hand, or the round is over."""
        return bool(self.wanted) or self._starts_over

    def _judge_vote(self, vote: Vote) -> str | None:
        return quorum.judge_vote(vote, self.proposal, self.phase)

    def _take_vote(self, vote: Vote) -> str:
        self.votes[vote.voter] = vote
        self.diary.tell("vote.cast", who=vote.voter, submission=vote.id, about=str(len(vote.slots)))
        return "counted"

    def _judge_book(self, book: Book) -> str | None:
        if self.phase is MeetingPhase.ENDED:
            return MEETING_IS_OVER
        if self.proposal is None:
            return "the meeting is still being prepared; try again in a moment"
        if self.vacant and self.booking is None:
            return f"it is held: {audience.missing(self.vacant)}; name a successor first"
        if book.start <= workflow.now():
            return "the time is in the past; choose a later one"
        return None

    def _take_book(self, book: Book) -> str:
        moves = self.booking is not None or bool(self.wanted)
        self.wanted.append(book)
        return "moved" if moves else "booked"

    def _judge_report(self, report: Report) -> str | None:
        if self.phase is MeetingPhase.ENDED and self.report is None:
            return MEETING_IS_OVER
        if self.report is not None:
            return "someone has already said how it went"
        if self.booking is None:
            return "no time is booked yet; book one first"
        if workflow.now() < self.booking.start:
            return "the meeting has not begun yet; move it or wait until then"
        if any(agreed.start <= workflow.now() for agreed in report.agreed):
            return "the time agreed for the next meeting is in the past; choose a later one"
        return None

    def _take_report(self, report: Report) -> str:
        self.report = report
        return report.outcome

    # Its mails and errands

    def _errand(self, chore: Chore, unblock: str) -> Errand:
        self.errands[chore.name] += 1
        step = self.step.name if self.start.attempt == 1 else f"{self.step.name}.{self.start.attempt}"
        return Errand(chore, self, self.start.contract, step, self.step.title, self.errands[chore.name], unblock)

    def _write_to_the_tam(self, email: str, summary: str) -> None:
        self.notices += 1
        occasion = self._occasion(email, Purpose.NOTICE, (self._current.tam,), occurrence=self.notices)
        self.write(occasion, summary)

    def _occasion(
        self,
        email: str,
        purpose: Purpose,
        to: tuple[str, ...],
        *,
        occurrence: int = 1,
        update: Literal["time", "host"] | None = None,
    ) -> Occasion:
        return Occasion(
            account=self.account,
            contract=self.start.contract,
            step=self.step.name,
            title=self.step.title,
            workflow_id=workflow.info().workflow_id,
            attempt=self.start.attempt,
            occurrence=occurrence,
            round=self.round,
            purpose=purpose,
            email=email,
            to=to,
            review=self._current.review if purpose is Purpose.PROPOSAL else "auto",
            now=workflow.now(),
            meeting=self._facts().model_copy(update={"update": update}),
        )

    def _welcome(self) -> Occasion:
        """The mail that goes out before anything is known of the meeting."""
        return Occasion(
            account=self.account,
            contract=self.start.contract,
            step=self.step.name,
            title=self.step.title,
            workflow_id=workflow.info().workflow_id,
            attempt=self.start.attempt,
            purpose=Purpose.MESSAGE,
            email=self.step.email,
            personas=self.step.invite,
            review=self.step.review,
            now=workflow.now(),
            meeting=MeetingFacts(
                uid="",
                title=self.step.title,
                step=self.step.name,
                minutes=self.step.minutes,
                where="undecided",
                agenda=(),
            ),
        )

    def _facts(self) -> MeetingFacts:
        proposal = self._current
        return MeetingFacts(
            uid=f"{self.start.contract}.{self.step.name}.{self.start.attempt}.{self.round}",
            title=self.step.title,
            step=self.step.name,
            minutes=self.step.minutes,
            where=self.step.where,
            agenda=tuple((item.topic, item.minutes) for item in self.step.agenda),
            proposal=proposal,
            booking=self.booking,
            attendees=(*(invitee.id for invitee in proposal.invitees), proposal.tam),
            required=(proposal.tam, *(invitee.id for invitee in proposal.invitees if invitee.required)),
            silent=quorum.unanswered(proposal, self.votes),
            coming=quorum.coming(proposal, self.votes, self.booking) if self.booking else (),
            reason=self.why_stuck,
        )

    # What it waits for, and telling it

    def _wait_for_the_venue(self, limit: datetime) -> Wait:
        drafts = in_name(f"rapport message approve --account {self.account}") if self.drafts else None
        assert self.step.onsite is not None
        task = f"rapport task show {self.account}/{self.step.onsite.approval}"
        what = "word on whether it is held on site"
        return Wait(on=("tam", "tam_manager"), what=what, unblock=drafts or task, deadline=limit)

    def _wait_for_release(self) -> Wait:
        return Wait(
            on=("tam",),
            what=f"the TAM, to read and send {len(self.drafts)} drafts",
            unblock=in_name(f"rapport message approve --account {self.account}"),
            deadline=self._current.stale_at,
        )

    def _wait_for_votes(self) -> Wait:
        silent = quorum.unanswered(self._current, self.votes)
        return Wait(
            on=tuple(sorted({invitee.persona for invitee in self._current.invitees if invitee.id in silent})),
            what="answers on the proposed times",
            unblock=self._by_hand(),
            deadline=self._current.deadline,
        )

    def _wait_for_the_tam(self, reason: str) -> Wait:
        what = f"the TAM, to find a time: {reason}"
        return Wait(on=("tam",), what=what, unblock=self._by_hand(), deadline=self.due_by)

    def _wait_for_a_successor(self) -> Wait:
        return audience.wait_for_successor(self.account, self.vacant, self.successor_by)

    def _wait_for_report(self) -> Wait:
        assert self.booking is not None
        if workflow.now() < self.booking.end:
            return Wait(on=(), what="the meeting itself", unblock=self._by_hand(), deadline=self.booking.start)
        return Wait(
            on=("tam",),
            what="the TAM, to say whether it was held",
            unblock=self._held(),
            deadline=self.due_by,
        )

    def _held(self) -> str:
        return in_name(f"rapport meeting held {self.account} {self.step.name}")

    def _by_hand(self) -> str:
        return in_name(f"rapport meeting book {self.account} {self.step.name} --start YYYY-MM-DDTHH:MM")

    async def write_down(self) -> None:
        """At its end it waits for nothing."""
        await self._project(Wait())

    async def _project(self, wait: Wait) -> None:
        """Write down what is new, in one local activity, and show it in Temporal's UI."""
        self.diary.tell_troubles(self.troubles)
        if self.diary.turn_to(wait):
            workflow.set_current_details(details.meeting(self.view()))
            await done(Records.tell_step, self.diary.page(), "Write down what happened", RECORDS)
