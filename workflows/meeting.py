"""One meeting: times are proposed, people vote, one time is booked, and someone says how it went."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.planning import Confirm, FollowUp, Planning, Propose, Reopen
    from activities.records import Records
    from rapport.model.meeting import (
        Book,
        Booking,
        MeetingPhase,
        MeetingResult,
        MeetingStart,
        MeetingView,
        Nudge,
        Proposal,
        Receipt,
        Report,
        Slot,
        Venue,
        Vote,
    )
    from rapport.model.message import MeetingFacts, Occasion, Purpose
    from rapport.model.records import Wait
    from rapport.model.workflows import MEETING
    from rapport.policy import details, quorum

from workflows.correspondence import Correspondence, refused
from workflows.diary import Diary
from workflows.options import CALENDARS, PLANNING, RECORDS
from workflows.waiting import Alarm


@workflow.defn(name=MEETING.name)
class Meeting(Correspondence):
    """From the first proposal to the word that it was held."""

    @workflow.init
    def __init__(self, start: MeetingStart) -> None:
        """Nothing is proposed yet."""
        super().__init__(start.account)
        self.start = start
        self.step = start.step
        self.phase = MeetingPhase.PROPOSING
        self.venue: Venue | None = None
        self.proposal: Proposal | None = None
        self.votes: dict[str, Vote] = {}
        self.wanted: Book | None = None
        self.booking: Booking | None = None
        self.report: Report | None = None
        self.why_stuck: str | None = None
        self.round = 0
        self.nudges: list[Nudge] = []
        self.reminders = 0
        self.notices = 0
        self.diary = Diary(start.account, start.contract, start.step.name)
        self.alarm = Alarm()

    @workflow.run
    async def run(self, start: MeetingStart) -> MeetingResult:
        """Until the meeting was held: after a no-show, everyone is offered new times."""
        if start.undecided:
            await self.say_that_times_follow()
        while True:
            await self.propose_times()
            await self.open_the_vote()
            await self.agree_on_a_time()
            await self.hear_how_it_went()
            if self.was_held:
                break
        return await self.finish()

    # The story

    async def say_that_times_follow(self) -> None:
        """Welcome everyone before it is known how the meeting is held; times come once that is decided."""
        self.phase = MeetingPhase.UNDECIDED
        self.diary.tell("meeting.undecided")
        self.write(self._welcome(), "Welcome everyone; times follow", reviewed=self.step.review != "auto")
        while self.venue is None and self.wanted is None:
            await self._news(self._wait_for_the_venue())
        if self.venue is not None and self.venue.onsite:
            self.step = self.step.held_onsite()

    async def propose_times(self) -> None:
        """Find times that suit those who are needed, and write to everyone who is invited."""
        self.begin_round()
        proposal = self.proposal = await self._find_times()
        self.diary.tell("meeting.proposed", about=str(len(proposal.slots)))
        email = self.step.email if self.round == 1 and not self.start.undecided else "meeting_proposal"
        to = tuple(invitee.id for invitee in proposal.invitees)
        reviewed = proposal.review != "auto"
        writing = self.write(
            self._occasion(email, Purpose.PROPOSAL, to), "Write to everyone invited", reviewed=reviewed
        )
        if reviewed:
            self.phase = MeetingPhase.DRAFTED
            await writing

    async def open_the_vote(self) -> None:
        """Where a person reads the mails first, wait for their word; the voting period counts from then.

        Times that wait too long become too near to be offered. New ones take their place, in new drafts.
        """
        while self.phase is MeetingPhase.DRAFTED and self.drafts_for(Purpose.PROPOSAL) and self.wanted is None:
            if workflow.now() >= self._current.stale_at:
                await self.replace_proposals()
                await self.propose_times()
            else:
                await self._news(self._wait_for_release(), self._current.stale_at, "Times in the drafts come too near")
        if self.phase is not MeetingPhase.VOTING:
            await self._open()

    async def agree_on_a_time(self) -> None:
        """Book the time that suits as soon as there is one; without agreement, the TAM finds one."""
        while self.booking is None:
            tally = quorum.tally(self._current, self.votes, workflow.now())
            if self.wanted is not None:
                self._book_by_hand(self.wanted)
            elif tally.slot is not None:
                await self._book_if_still_free(tally.slot)
            elif tally.reason is not None:
                self._tell_the_tam(tally.reason)
                await self._news(self._wait_for_the_tam(tally.reason))
            elif self.nudges and self.nudges[0].at <= workflow.now():
                self._remind(self.nudges.pop(0))
            else:
                summary = "Remind who has not voted" if self.nudges else "The vote on the times closes"
                following = self.nudges[0].at if self.nudges else self._current.deadline
                await self._news(self._wait_for_votes(), following, summary)

    async def hear_how_it_went(self) -> None:
        """Invite everyone, and ask the TAM once it is over; until then the time can still be moved by hand."""
        asks = await self._invite()
        while self.report is None:
            if self.wanted is not None:
                self._book_by_hand(self.wanted)
                asks = await self._invite()
            elif asks and asks[0] <= workflow.now():
                asks.pop(0)
                self._write_to_the_tam("meeting_report", "Ask the TAM how it went")
            else:
                await self._news(self._wait_for_report(), asks[0] if asks else None, "Ask the TAM how it went")
        self.diary.tell(f"meeting.{self.report.outcome}", who=self.report.by, submission=self.report.id)

    async def finish(self) -> MeetingResult:
        """Leave nothing behind: no mail under way, no unread decision, no entry unwritten."""
        self.phase = MeetingPhase.ENDED
        await self.all_posted()
        await self._project(Wait())
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._project(Wait())
        assert self.booking is not None
        return MeetingResult(outcome="held", start=self.booking.start)

    def begin_round(self) -> None:
        """Start from nothing; what was voted and booked in an earlier round is void."""
        self.round += 1
        self.phase = MeetingPhase.PROPOSING
        self.votes.clear()
        self.nudges = []
        self.booking = None
        self.report = None
        self.why_stuck = None

    @property
    def was_held(self) -> bool:
        """Whether someone said that it took place."""
        return self.report is not None and self.report.outcome == "held"

    # Decisions: these record, and `run` acts

    @workflow.update(name="vote", description="Say which of the times suit")
    def vote(self, vote: Vote) -> Receipt:
        """One person's answer; a later one replaces it for as long as the vote is open."""
        return self._take_vote(vote)

    @vote.validator
    def _validate_vote(self, vote: Vote) -> None:
        reason = quorum.judge_vote(vote, self.proposal, self.phase)
        if reason is not None and self.receipt(vote.id) is None:
            raise refused(reason)

    @workflow.signal(name="vote_later", description="A vote that no worker could take at once")
    def vote_later(self, vote: Vote) -> None:
        """The same vote, left at the door while no worker was there; judged by the same rule."""
        self._take_vote(vote)

    @workflow.signal(name="settle", description="Whether it is held on site is decided")
    def settle(self, venue: Venue) -> None:
        """Word from the onboarding."""
        self.venue, self.changed = venue, True

    @workflow.update(name="book", description="Set the time by hand, or move it")
    def book(self, book: Book) -> Receipt:
        """A member's word on the time, whoever voted for what."""
        if (seen := self.receipt(book.id)) is not None:
            return seen
        self.wanted = book
        self.changed = True
        return self.remember(book.id, Receipt(accepted=True, outcome="moved" if self.booking else "booked"))

    @book.validator
    def _validate_book(self, book: Book) -> None:
        if self.receipt(book.id) is not None:
            return
        if self.phase is MeetingPhase.ENDED:
            raise refused("the meeting is over")
        if self.proposal is None:
            raise refused("the meeting is still being prepared; try again in a moment")
        if book.start <= workflow.now():
            raise refused("the time is in the past; choose a later one")

    @workflow.update(name="report", description="Say whether it was held")
    def take_report(self, report: Report) -> Receipt:
        """A member's word on how it went."""
        if (seen := self.receipt(report.id)) is not None:
            return seen
        self.report = report
        self.changed = True
        return self.remember(report.id, Receipt(accepted=True, outcome=report.outcome))

    @take_report.validator
    def _validate_report(self, report: Report) -> None:
        if self.receipt(report.id) is not None:
            return
        if self.report is not None:
            raise refused("someone has already said how it went")
        if self.booking is None:
            raise refused("no time is booked yet; book one first")
        if workflow.now() < self.booking.start:
            raise refused("the meeting has not begun yet; move it or wait until then")

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

    # How it is done

    @property
    def _current(self) -> Proposal:
        assert self.proposal is not None
        return self.proposal

    def _take_vote(self, vote: Vote) -> Receipt:
        if (seen := self.receipt(vote.id)) is not None:
            return seen
        self.changed = True
        reason = quorum.judge_vote(vote, self.proposal, self.phase)
        if reason is not None:
            self.diary.tell("vote.refused", who=vote.voter, submission=vote.id, about=reason)
            return self.remember(vote.id, Receipt(accepted=False, reason=reason))
        self.votes[vote.voter] = vote
        self.diary.tell("vote.cast", who=vote.voter, submission=vote.id, about=str(len(vote.slots)))
        return self.remember(vote.id, Receipt(accepted=True, outcome="counted"))

    async def _find_times(self) -> Proposal:
        question = Propose(
            account=self.account, step=self.step, round=self.round, now=workflow.now(), opens=self.start.opens
        )
        summary = "Find times in everyone's calendars"
        try:
            return await workflow.execute_activity_method(Planning.propose, question, summary=summary, **CALENDARS)
        except ActivityError:
            self.diary.tell("calendar.unreadable")
            question = question.model_copy(update={"without_calendar": True})
            return await workflow.execute_activity_method(Planning.propose, question, summary=summary, **CALENDARS)

    async def _open(self) -> None:
        """Count the voting period from now."""
        if self.phase is MeetingPhase.DRAFTED:
            question = Reopen(account=self.account, step=self.step, proposal=self._current, now=workflow.now())
            self.proposal = await workflow.execute_local_activity_method(
                Planning.reopen, question, summary="Count the voting period from now", **PLANNING
            )
        self.nudges = list(self._current.nudges)
        self.phase = MeetingPhase.VOTING

    async def _book_if_still_free(self, slot: Slot) -> None:
        """The TAM's calendar may have filled since the times were offered; a time that is taken is off the table."""
        proposal = self._current
        by: Literal["vote", "deadline"] = "vote" if workflow.now() < proposal.deadline else "deadline"
        booking = Booking(start=slot.start, end=slot.end, by=by)
        try:
            free = await workflow.execute_activity_method(
                Planning.confirm,
                Confirm(account=self.account, booking=booking),
                summary="Is the TAM still free then?",
                **CALENDARS,
            )
        except ActivityError:
            self.diary.tell("calendar.unreadable")
            free = True
        if not free:
            self.diary.tell("meeting.time_taken", instant=slot.start)
            left = tuple(other for other in proposal.slots if other.id != slot.id)
            self.proposal = proposal.model_copy(update={"slots": left})
        elif self.wanted is None:
            self.booking = booking

    def _book_by_hand(self, book: Book) -> None:
        sequence = self.booking.sequence + 1 if self.booking else 0
        end = book.start + timedelta(minutes=self.step.minutes)
        self.booking = Booking(
            start=book.start, end=end, sequence=sequence, by="hand", member=book.by, submission=book.id
        )
        self.wanted = None

    async def _invite(self) -> list[datetime]:
        """Send everyone the invitation, and learn when to ask how it went."""
        assert self.booking is not None
        self.phase = MeetingPhase.BOOKED
        self.diary.tell(
            "meeting.moved" if self.booking.sequence else "meeting.booked",
            who=self.booking.member,
            about=self.booking.by,
            instant=self.booking.start,
            submission=self.booking.submission,
        )
        to = (*(invitee.id for invitee in self._current.invitees), self._current.tam)
        occasion = self._occasion("meeting_invitation", Purpose.INVITATION, to, occurrence=self.booking.sequence + 1)
        self.write(occasion, f"Invite {len(to)} people")
        question = FollowUp(account=self.account, end=self.booking.end)
        answer = await workflow.execute_local_activity_method(
            Planning.follow_up, question, summary="When to ask how it went", **PLANNING
        )
        return list(answer.ask)

    def _remind(self, nudge: Nudge) -> None:
        silent = quorum.unanswered(self._current, self.votes)
        to = tuple(id_ for id_ in nudge.invitees if id_ in silent)
        if to:
            self.reminders += 1
            occasion = self._occasion("meeting_reminder", Purpose.REMINDER, to, occurrence=self.reminders)
            self.write(occasion, f"Remind {len(to)} who have not voted")

    def _tell_the_tam(self, reason: str) -> None:
        """Once for each reason."""
        self.phase = MeetingPhase.STUCK
        if reason != self.why_stuck:
            self.why_stuck = reason
            self.diary.tell("meeting.stuck", about=reason)
            self._write_to_the_tam("meeting_stuck", "Tell the TAM that no time was agreed")

    def _write_to_the_tam(self, email: str, summary: str) -> None:
        self.notices += 1
        occasion = self._occasion(email, Purpose.NOTICE, (self._current.tam,), occurrence=self.notices)
        self.write(occasion, summary)

    def _occasion(self, email: str, purpose: Purpose, to: tuple[str, ...], *, occurrence: int = 1) -> Occasion:
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
            meeting=self._facts(),
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
            required=(proposal.tam, *(invitee.id for invitee in proposal.invitees if invitee.required)),
            silent=quorum.unanswered(proposal, self.votes),
            reason=self.why_stuck,
        )

    # What it waits for, and telling it

    def _wait_for_the_venue(self) -> Wait:
        drafts = f"rapport message approve --account {self.account}" if self.drafts else None
        assert self.step.onsite is not None
        task = f"rapport task show {self.account}/{self.step.onsite.approval}"
        return Wait(on=("tam", "tam_manager"), what="word on whether it is held on site", unblock=drafts or task)

    def _wait_for_release(self) -> Wait:
        return Wait(
            on=("tam",),
            what=f"the TAM, to read and send {len(self.drafts)} drafts",
            unblock=f"rapport message approve --account {self.account}",
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
        return Wait(on=("tam",), what=f"the TAM, to find a time: {reason}", unblock=self._by_hand())

    def _wait_for_report(self) -> Wait:
        assert self.booking is not None
        if workflow.now() < self.booking.end:
            return Wait(on=(), what="the meeting itself", unblock=self._by_hand(), deadline=self.booking.start)
        return Wait(
            on=("tam",),
            what="the TAM, to say whether it was held",
            unblock=f"rapport meeting held {self.account} {self.step.name}",
        )

    def _by_hand(self) -> str:
        return f"rapport meeting book {self.account} {self.step.name} --start YYYY-MM-DDTHH:MM"

    async def _news(self, wait: Wait, until: datetime | None = None, summary: str = "") -> None:
        """Tell what is waited for, and wait: for anything new, or for the instant."""
        self.changed = False
        await self._project(wait)
        self.alarm.set(until, summary)
        await workflow.wait_condition(lambda: self.changed or self.has_releases or self.alarm.rings)
        await self._act_on_releases()

    async def _act_on_releases(self) -> None:
        if self.phase is MeetingPhase.DRAFTED and self.may_go(Purpose.PROPOSAL):
            await self._open()
        await self.carry_out_releases(self.diary.tell_release, self._facts() if self.proposal else None)

    async def _project(self, wait: Wait) -> None:
        """Write down what is new, in one local activity, and show it in Temporal's UI."""
        self.diary.tell_troubles(self.troubles)
        if self.diary.turn_to(wait):
            workflow.set_current_details(details.meeting(self.view()))
            await workflow.execute_local_activity_method(
                Records.tell_step, self.diary.page(), summary="Write down what happened", **RECORDS
            )
