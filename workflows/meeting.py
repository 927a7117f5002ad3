"""One meeting: times are proposed, people vote, one time is booked, and someone says how it went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.planning import Confirm, FollowUp, Gather, Planning, Propose, Reopen, Resumed
    from activities.records import Records
    from rapport.model.ids import person_of, purpose_of, round_of
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
    from rapport.policy import audience, details, quorum
    from rapport.policy.chores import FIND_A_TIME, NO_TIME, PATIENCE, READ_DRAFTS, SAY_HOW_IT_WENT, UNREPORTED, Chore

from workflows.correspondence import Correspondence, refused
from workflows.diary import Diary
from workflows.options import CALENDARS, PLANNING, RECORDS
from workflows.waiting import Alarm, Errand

VENUE_DAYS: Final = 20
"""The business days after which a meeting is held remotely if nobody has said yet that it is held on site."""

UNREAD: Final = (MeetingPhase.PROPOSING, MeetingPhase.DRAFTED)
"""The phases in which a proposal may wait to be read; where times go stale, one follows the other."""

HELD_BACK: Final = "the mails with the times were held back"


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
        self.outcome: str | None = None
        self.errands: Counter[str] = Counter()
        self.being_read: set[Purpose] = set()
        self.given_until: datetime | None = None
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

    @workflow.run
    async def run(self, start: MeetingStart) -> MeetingResult:
        """Until the meeting was held, or it is written down that it was not: a no-show brings everyone new times."""
        if start.undecided:
            await self.say_that_times_follow()
        while self.outcome is None and not self.closing:
            if not await self.take_the_agreed_time():
                await self.propose_times()
                await self.open_the_vote()
                await self.agree_on_a_time()
            await self.hear_how_it_went()
        return await self.finish()

    # The story

    async def say_that_times_follow(self) -> None:
        """Welcome everyone before it is known how the meeting is held; times come once that is decided."""
        self.phase = MeetingPhase.UNDECIDED
        self.diary.tell("meeting.undecided")
        reviewed = self.step.review != "auto"
        writing = self.write(self._welcome(), "Welcome everyone; times follow", reviewed=reviewed)
        (limit,) = await self._instants(workflow.now(), (VENUE_DAYS,))
        if reviewed:
            await writing
            await self._have_read(Purpose.MESSAGE, lambda: not self.drafts_for(Purpose.MESSAGE))
        while self.venue is None and not self._is_diverted and workflow.now() < limit:
            await self._news(self._wait_for_the_venue(limit), limit, "Nobody has said whether it is held on site")

    async def take_the_agreed_time(self) -> bool:
        """Book what people agreed on in the room; nobody is asked again. Once, and only if it has not passed."""
        start = self.start.booked
        if start is None or self.round or start <= workflow.now():
            return False
        self.begin_round()
        self.proposal = await self._find_times()
        self.booking = Booking(start=start, end=start + timedelta(minutes=self.step.minutes), by="agreed")
        return True

    async def propose_times(self) -> None:
        """Find times that suit those who are needed, and write to everyone who is invited."""
        self.begin_round()
        await self.catch_up_with_people()
        if self._is_over:
            return
        proposal = self.proposal = await self._find_times()
        self.diary.tell("meeting.proposed", about=str(len(proposal.slots)))
        to = tuple(invitee.id for invitee in proposal.invitees)
        reviewed = proposal.review != "auto"
        writing = self.write(
            self._occasion(self._proposal_mail, Purpose.PROPOSAL, to), "Write to everyone invited", reviewed=reviewed
        )
        if reviewed:
            self.phase = MeetingPhase.DRAFTED
            await writing
            await self._have_read(Purpose.PROPOSAL, lambda: self.phase not in UNREAD)

    async def open_the_vote(self) -> None:
        """Where a person reads the mails first, wait for their word; the voting period counts from then.

        Times that wait too long become too near to be offered. New ones take their place, in new drafts.
        """
        if self.phase is MeetingPhase.PROPOSING and self._is_over:
            return
        while self.phase is MeetingPhase.DRAFTED and self.drafts_for(Purpose.PROPOSAL) and not self._is_diverted:
            if workflow.now() >= self._current.stale_at:
                await self.replace_proposals()
                await self.propose_times()
            else:
                await self._news(self._wait_for_release(), self._current.stale_at, "Times in the drafts come too near")
        await self._act_on_releases()
        self.held_back = self.phase is MeetingPhase.DRAFTED and not self._is_diverted
        if self.phase is not MeetingPhase.VOTING and not self.held_back:
            await self._open()

    async def agree_on_a_time(self) -> None:
        """Book the time that suits as soon as there is one; without agreement, the TAM finds one."""
        while self.booking is None and not self._starts_over:
            tally = quorum.tally(self._current, self.votes, workflow.now())
            reason = HELD_BACK if self.held_back else tally.reason
            if self.wanted is not None:
                self._book_by_hand(self.wanted)
            elif tally.slot is not None:
                await self._book_if_still_free(tally.slot)
            elif reason is not None:
                await self._tell_the_tam(reason)
                await self._news(self._wait_for_the_tam(reason))
            elif self.nudges and self.nudges[0].at <= workflow.now():
                self._remind(self.nudges.pop(0))
            else:
                summary = "Remind who has not voted" if self.nudges else "The vote on the times closes"
                following = self.nudges[0].at if self.nudges else self._current.deadline
                await self._news(self._wait_for_votes(), following, summary)

    async def hear_how_it_went(self) -> None:
        """Invite everyone, and ask the TAM once it is over; until then the time can still be moved by hand."""
        asks = await self._invite() if self.booking is not None else ()
        while self.booking is not None and self.report is None and not self._starts_over:
            if self.wanted is not None:
                self._book_by_hand(self.wanted)
                asks = await self._invite()
            elif asks and asks[0] <= workflow.now():
                self._ask_how_it_went(self.booking, *asks[1:])
                asks = ()
            else:
                await self._news(self._wait_for_report(), asks[0] if asks else None, "Ask the TAM how it went")
        if self.report is not None:
            self.diary.tell(f"meeting.{self.report.outcome}", who=self.report.by, submission=self.report.id)
            self.outcome = "held" if self.report.outcome == "held" else None
        elif self.booking is not None and self.outcome is None and workflow.now() < self.booking.start:
            self._call_off(self.booking)

    async def finish(self) -> MeetingResult:
        """Leave nothing behind: no mail under way, no draft, no unread decision, no entry unwritten."""
        self.phase = MeetingPhase.ENDED
        outcome = self.outcome or "closed"
        if outcome in (NO_TIME, UNREPORTED):
            self.diary.tell("meeting.given_up", about=outcome)
        await self.drop_drafts("the meeting is over")
        await self.all_posted()
        await self._project(Wait())
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._project(Wait())
        return MeetingResult(
            outcome=outcome,
            start=self.booking.start if self.booking else None,
            agreed=self.report.agreed if self.report else (),
        )

    def begin_round(self) -> None:
        """Start from nothing; what was voted and booked in an earlier round is void."""
        self.round += 1
        self.phase = MeetingPhase.PROPOSING
        self.votes.clear()
        self.nudges = []
        self.booking = None
        self.report = None
        self.why_stuck = None
        self.given_until = None
        self.held_back = False
        self.newcomers = []
        self.outdated = False
        if self._converts:
            self.step = self.step.held_onsite()

    async def catch_up_with_people(self) -> None:
        """Act on who came and went; while somebody is missing who has to be there, nobody is asked anything."""
        while self.people_moved or (self.vacant and self.booking is None and not self._is_over):
            if self.people_moved:
                await self._look_who_is_there()
            else:
                await self._project(self._wait_for_a_successor())
                await workflow.wait_condition(lambda: self.people_moved or self._is_over)

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
        if self.vacant and self.booking is None:
            raise refused(f"it is held: {audience.missing(self.vacant)}; name a successor first")
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
        if any(agreed.start <= workflow.now() for agreed in report.agreed):
            raise refused("the time agreed for the next meeting is in the past; choose a later one")

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

    # How it is done

    def facts_by_now(self) -> MeetingFacts | None:
        """The times that are on offer when a mail that was put off goes."""
        return self._facts() if self.proposal else None

    def why_not(self, key: str) -> str | None:
        """A mail that asks for an answer makes no sense once there is one, or nothing is asked any more."""
        purpose = purpose_of(key)
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
        return self.wanted is not None or self._starts_over

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

    @property
    def _proposal_mail(self) -> str:
        return self.step.email if self.round == 1 and not self.start.undecided else "meeting_proposal"

    async def _look_who_is_there(self) -> None:
        """Take over who takes part by now, and tell those who came or went."""
        self.people_moved = False
        question = Gather(
            account=self.account,
            step=self.step,
            proposal=self.proposal,
            booked=self.booking.start if self.booking else None,
            voting=self.phase in (MeetingPhase.VOTING, MeetingPhase.STUCK),
            now=workflow.now(),
        )
        there = await workflow.execute_local_activity_method(
            Planning.gather, question, summary="Who takes part now?", **PLANNING
        )
        self.vacant, self.successor_by = there.vacant, there.ask_again
        before, self.proposal = self.proposal, there.proposal or self.proposal
        await self.drop_departed()
        came, went = quorum.changes(before, self.proposal)
        self.newcomers = [id_ for id_ in self.newcomers if id_ not in went] + list(came)
        for id_ in went:
            self.diary.tell("meeting.left", who=id_)
        for id_ in came:
            self.diary.tell("meeting.joined", who=id_)
        if self.booking is not None:
            self._tell_people(self.booking, before, went)
        elif not self.vacant:
            await self._ask_newcomers(anew=there.anew)

    async def _ask_newcomers(self, *, anew: bool) -> None:
        """Ask those who came what everybody else was asked; in time, or else everybody about other times."""
        newcomers, self.newcomers = tuple(self.newcomers), []
        if self.phase is MeetingPhase.UNDECIDED:
            # Whoever was welcomed is not welcomed twice: their mails are there already.
            await self._write_to_newcomers(self._welcome(), reviewed=self.step.review != "auto")
            return
        asked = tuple(id_ for id_ in newcomers if id_ != self._current.tam)
        if self.phase in (MeetingPhase.VOTING, MeetingPhase.STUCK):
            self.nudges = [nudge for nudge in self._current.nudges if nudge.at > workflow.now()]
            self.outdated = anew
            if asked and not anew:
                # Their word may be the one that was missing.
                self.phase, self.why_stuck, self.given_until = MeetingPhase.VOTING, None, None
        if asked and not anew and self.phase in (MeetingPhase.DRAFTED, MeetingPhase.VOTING) and not self.held_back:
            occasion = self._occasion(self._proposal_mail, Purpose.PROPOSAL, asked)
            await self._write_to_newcomers(occasion, reviewed=self._current.review != "auto")

    async def _write_to_newcomers(self, occasion: Occasion, *, reviewed: bool) -> None:
        writing = self.write(occasion, "Write to whoever is new", reviewed=reviewed)
        if reviewed:
            await writing
            await self._have_read(occasion.purpose, lambda: not self.drafts_for(occasion.purpose))

    def _tell_people(self, booking: Booking, before: Proposal | None, went: tuple[str, ...]) -> None:
        """Take those who went off the booked time, and invite those who came.

        Whoever stays is written to only where another member holds the meeting: their link to join is another one.
        Else nothing that is theirs has changed (RFC 5546, 3.2.2), and a mail for the list of names would be noise.
        """
        newcomers, self.newcomers = tuple(self.newcomers), []
        now = self._current
        handed_over = before is not None and before.tam != now.tam
        if workflow.now() >= booking.start or not (went or newcomers):
            return
        self.booking = booking.model_copy(update={"sequence": booking.sequence + 1})
        occurrence = self.booking.sequence + 1
        if went:
            occasion = self._occasion("meeting_parting", Purpose.PARTING, went, occurrence=occurrence)
            self.write(occasion, f"Take {len(went)} off the meeting")
        if newcomers:
            occasion = self._occasion("meeting_invitation", Purpose.INVITATION, newcomers, occurrence=occurrence)
            self.write(occasion, f"Invite {len(newcomers)} who are new")
        if handed_over:
            stay = tuple(invitee.id for invitee in now.invitees if invitee.id not in newcomers)
            occasion = self._occasion(
                "meeting_invitation", Purpose.INVITATION, stay, occurrence=occurrence, update="host"
            )
            self.write(occasion, f"Tell {len(stay)} who holds it now")

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

    async def _invite(self) -> tuple[datetime, ...]:
        """Send everyone the invitation, and learn when to ask how it went, when to insist, and when to give up."""
        assert self.booking is not None
        self.given_until = None
        self.phase = MeetingPhase.BOOKED
        self.diary.tell(
            "meeting.moved" if self.booking.sequence else "meeting.booked",
            who=self.booking.member,
            about=self.booking.by,
            instant=self.booking.start,
            submission=self.booking.submission,
        )
        to = (*(invitee.id for invitee in self._current.invitees), self._current.tam)
        self.newcomers = []
        update: Literal["time"] | None = "time" if self.booking.sequence else None
        occasion = self._occasion(
            "meeting_invitation", Purpose.INVITATION, to, occurrence=self.booking.sequence + 1, update=update
        )
        self.write(occasion, f"Invite {len(to)} people")
        return await self._instants(self.booking.end, (0, *PATIENCE))

    async def _instants(self, since: datetime, days: tuple[int, ...]) -> tuple[datetime, ...]:
        """When to follow up what the TAM is asked to do."""
        answer = await workflow.execute_local_activity_method(
            Planning.follow_up,
            FollowUp(account=self.account, since=since, days=days),
            summary="When is this followed up?",
            **PLANNING,
        )
        return answer.at

    def _remind(self, nudge: Nudge) -> None:
        silent = quorum.unanswered(self._current, self.votes)
        to = tuple(id_ for id_ in nudge.invitees if id_ in silent)
        if to:
            self.reminders += 1
            occasion = self._occasion("meeting_reminder", Purpose.REMINDER, to, occurrence=self.reminders)
            self.write(occasion, f"Remind {len(to)} who have not voted")

    async def _tell_the_tam(self, reason: str) -> None:
        """Once for each reason; and see to it that the TAM finds a time."""
        self.phase = MeetingPhase.STUCK
        if reason != self.why_stuck:
            self.why_stuck = reason
            self.diary.tell("meeting.stuck", about=reason)
            self._write_to_the_tam("meeting_stuck", "Tell the TAM that no time was agreed")
        if self.given_until is None:
            insist, self.given_until = await self._instants(workflow.now(), PATIENCE)
            self.beside(self._find_a_time(insist))

    async def _find_a_time(self, insist: datetime) -> None:
        errand = self._errand(FIND_A_TIME, self._by_hand())
        if await errand.see_to(insist, lambda: self.phase is not MeetingPhase.STUCK) is not None:
            self.outcome, self.changed = NO_TIME, True

    def _ask_how_it_went(self, booking: Booking, insist: datetime, given_until: datetime) -> None:
        self.given_until = given_until
        self._write_to_the_tam("meeting_report", "Ask the TAM how it went")
        self.beside(self._learn_how_it_went(booking, insist))

    async def _learn_how_it_went(self, booking: Booking, insist: datetime) -> None:
        errand = self._errand(SAY_HOW_IT_WENT, self._held())
        said = await errand.see_to(insist, lambda: self.report is not None or self.booking is not booking)
        if said is None:
            return
        if said.by is not None and said.submission is not None:
            outcome: Literal["held", "no_show"] = "held" if said.outcome == "held" else "no_show"
            self.report = Report(id=said.submission, by=said.by, outcome=outcome)
        else:
            self.outcome = UNREPORTED
        self.changed = True

    async def _have_read(self, purpose: Purpose, is_done: Callable[[], bool]) -> None:
        """See to it that somebody reads the drafts that are written for something."""
        if purpose in self.being_read or not self.drafts_for(purpose):
            return
        self.being_read.add(purpose)
        insist, _ = await self._instants(workflow.now(), PATIENCE)
        self.beside(self._read(purpose, insist, is_done))

    async def _read(self, purpose: Purpose, insist: datetime, is_done: Callable[[], bool]) -> None:
        errand = self._errand(READ_DRAFTS, f"rapport message approve --account {self.account}")
        result = await errand.see_to(insist, is_done)
        if result is not None:
            self.release_by(result, self.drafts_for(purpose))
        self.being_read.discard(purpose)

    def _errand(self, chore: Chore, unblock: str) -> Errand:
        self.errands[chore.name] += 1
        step = self.step.name if self.start.attempt == 1 else f"{self.step.name}.{self.start.attempt}"
        return Errand(chore, self, self.start.contract, step, self.step.title, self.errands[chore.name], unblock)

    def _call_off(self, booking: Booking) -> None:
        """Take a booked time back from everyone's calendar."""
        self.diary.tell("meeting.called_off", instant=booking.start)
        self.booking = booking.model_copy(update={"sequence": booking.sequence + 1, "called_off": True})
        to = (*(invitee.id for invitee in self._current.invitees), self._current.tam)
        occasion = self._occasion("meeting_cancelled", Purpose.INVITATION, to, occurrence=self.booking.sequence + 1)
        self.write(occasion, f"Tell {len(to)} people that it is called off")

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
            reason=self.why_stuck,
        )

    # What it waits for, and telling it

    def _wait_for_the_venue(self, limit: datetime) -> Wait:
        drafts = f"rapport message approve --account {self.account}" if self.drafts else None
        assert self.step.onsite is not None
        task = f"rapport task show {self.account}/{self.step.onsite.approval}"
        what = "word on whether it is held on site"
        return Wait(on=("tam", "tam_manager"), what=what, unblock=drafts or task, deadline=limit)

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
        what = f"the TAM, to find a time: {reason}"
        return Wait(on=("tam",), what=what, unblock=self._by_hand(), deadline=self.given_until)

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
            deadline=self.given_until,
        )

    def _held(self) -> str:
        return f"rapport meeting held {self.account} {self.step.name}"

    def _by_hand(self) -> str:
        return f"rapport meeting book {self.account} {self.step.name} --start YYYY-MM-DDTHH:MM"

    async def _news(self, wait: Wait, until: datetime | None = None, summary: str = "") -> None:
        """Tell what is waited for, and wait: for anything new, or for the instant."""
        self.changed = self.people_moved
        await self._project(wait)
        self.alarm.set(until, summary)
        await workflow.wait_condition(lambda: self.changed or self.has_releases or self.alarm.rings)
        await self._stand_still()
        await self.catch_up_with_people()
        await self._act_on_releases()

    async def _stand_still(self) -> None:
        """While the onboarding is paused; then the vote has what time was left. A booked time does not move."""
        since = await self.while_paused()
        if since is not None and self.phase is MeetingPhase.VOTING:
            question = Resumed(
                account=self.account,
                paused_at=since,
                now=workflow.now(),
                instants=(self._current.deadline, *(nudge.at for nudge in self.nudges)),
            )
            answer = await workflow.execute_local_activity_method(
                Planning.resumed, question, summary="What time is left to vote?", **PLANNING
            )
            deadline, *nudges = answer.at
            self.proposal = self._current.model_copy(update={"deadline": deadline})
            self.nudges = [nudge.model_copy(update={"at": at}) for nudge, at in zip(self.nudges, nudges, strict=True)]
            self.outdated = all(slot.start < deadline for slot in self._current.slots)

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
