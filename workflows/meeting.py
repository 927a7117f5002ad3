"""One meeting: times are proposed, people vote, one time is booked, and someone says how it went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import ClassVar, Final, Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.message import Messages, Offering
    from activities.planning import Confirm, Gather, Planning, Propose, Reopen, ResumedWaits
    from activities.projection import Projections
    from rapport.model.cadence import ReviewSet
    from rapport.model.commands import in_name, reading_drafts
    from rapport.model.ids import cadence_id, person_of, purpose_of, review_id, round_of
    from rapport.model.meeting import (
        AskAgain,
        Book,
        Booking,
        Cancel,
        Change,
        MeetingHour,
        MeetingPhase,
        MeetingResult,
        MeetingStart,
        MeetingView,
        Nudge,
        Proposal,
        Report,
        Slot,
        TimesTaken,
        Venue,
        Vote,
    )
    from rapport.model.message import ChangeFacts, MeetingFacts, MessageRequest, MessageState, Purpose
    from rapport.model.projection import HeldHour, StepNews, Wait
    from rapport.model.step import AdHocMeeting
    from rapport.model.workflows import MEETING
    from rapport.rules import audience, details, quorum
    from rapport.rules.todo_template import (
        ASKED_TO_MOVE,
        CONVERT,
        DECIDE_ON_FAILURE,
        FIND_A_TIME,
        INSISTING,
        NEEDED_DECLINED,
        NEW_TIMES,
        NO_TIME,
        READ_DRAFTS,
        SAY_HOW_IT_WENT,
        TELL_WHAT_CAME_OF_IT,
        UNREPORTED,
        TodoTemplate,
    )
    from rapport.rules.wording import amount

from workflows.base import AccountWorkflow
from workflows.options import CALENDARS, PLANNING, RECORDS
from workflows.outcomes import Denied, attempted, done, told
from workflows.projection import Projector
from workflows.timeline import Timeline
from workflows.waiting import BEFORE, Alarm, Todo, followed_up
from workflows.words import checks, takes

MEETING_IS_OVER: Final = "the meeting is over"

VENUE_DAYS: Final = 20
"""The business days after which a meeting is held remotely if nobody has said yet that it is held on site."""

NOT_READ_YET: Final = (MeetingPhase.PROPOSING, MeetingPhase.DRAFTED)
"""The phases in which a proposal may wait to be read; where times go stale, one follows the other."""

HELD_BACK: Final = "the mails with the times were held back"

CANCELED: Final = "canceled"
"""The outcome of a meeting of which a member says that it does not take place."""

AMONG_US: Final = MappingProxyType(
    {
        "meeting_proposal": "review_meeting",
        "meeting_stuck": "review_meeting_stuck",
        "meeting_report": "review_meeting_notes",
    }
)
"""The emails of a meeting without the customer, by those that they stand for."""


@workflow.defn(name=MEETING.name)
class Meeting(AccountWorkflow):
    """One meeting, from the first proposal of times to the report that it was held."""

    refusals: ClassVar = {Vote: "vote.refused"}

    @workflow.init
    def __init__(self, start: MeetingStart) -> None:
        """Nothing is proposed yet."""
        super().__init__(start.account)
        self.start = start
        self.step = start.step
        self.phase = MeetingPhase.PROPOSING
        self.venue: Venue | None = None
        self.venue_open = False
        self.conversion_offered = False
        self.proposal: Proposal | None = None
        self.votes: dict[str, Vote] = {}
        self.wanted: list[Book] = []
        self.booking: Booking | None = None
        self.held: HeldHour | None = None
        self.end_told = False
        self.report: Report | None = None
        self.why_stuck: str | None = None
        self.outcome: str | None = None
        self.todo_counts: Counter[str] = Counter()
        self.being_read: set[Purpose] = set()
        self.due_by: datetime | None = None
        self.held_back = False
        self.people_moved = False
        self.taken: list[datetime] = []
        self.vacant: tuple[str, ...] = ()
        self.newcomers: list[str] = []
        self.asked: list[Change] = []
        self.declined: list[str] = []
        self.brief_at: datetime | None = None
        self.successor_by: datetime | None = None
        self.outdated = False
        self.round = 0
        self.nudges: list[Nudge] = []
        self.reminders = 0
        self.notices: Counter[str] = Counter()
        self.timeline = Timeline(start.account, start.contract, start.step.name)
        self.projector = Projector(Projections.tell_step, self._gather, lambda: details.meeting(self.view()))
        self.wait = Wait()
        self.alarm = Alarm()

    @workflow.run
    async def run(self, start: MeetingStart) -> MeetingResult:
        """Propose, vote, book and report, until it was held or given up; after a no-show everyone gets new times."""
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
        self.timeline.record("meeting.undecided")
        reviewed = self.step.review != "auto"
        writing = self.messages.write(self._welcome(), "Welcome everyone; times follow", reviewed=reviewed)
        (limit,) = await self._instants(workflow.now(), (VENUE_DAYS,))
        if reviewed:
            await writing
            await self._have_read(Purpose.MESSAGE, lambda: not self.messages.drafts_for(Purpose.MESSAGE))
        while self.venue is None and not self._is_diverted and (self.venue_open or workflow.now() < limit):
            until = None if self.venue_open else limit
            await self._news(self._wait_for_the_venue(limit), until, "Nobody has said whether it is held on site")

    async def take_the_agreed_time(self) -> bool:
        """Book what people agreed on in the room; nobody is asked again. Once, and only if it has not passed."""
        start = self.start.booked
        if start is None or self.round or start <= workflow.now():
            return False
        self.begin_round()
        self.proposal = await self._find_times()
        if self.booking is not None:
            return True
        self.booking = Booking(start=start, end=start + timedelta(minutes=self.step.minutes), by="agreed")
        return True

    async def propose_times(self) -> None:
        """Find times that suit those who are needed, and write to everyone who is invited."""
        self.begin_round()
        await self.catch_up_with_people()
        if self._is_over:
            return
        self.proposal = await self._find_times()
        if self.booking is not None:
            return
        self._withdraw()
        proposal = self._current
        self.timeline.record("meeting.proposed", about=str(len(proposal.slots)))
        to = tuple(invitee.id for invitee in proposal.invitees)
        for id_ in proposal.hard_on:
            self.timeline.record("meeting.outside_hours", who=id_)
        if proposal.hard_on and proposal.tam not in to:
            # The host knows when they meet, and has to know on whom it is hard.
            to = (proposal.tam, *to)
        reviewed = proposal.review != "auto"
        writing = self.messages.write(
            self._occasion(self._proposal_mail, Purpose.PROPOSAL, to), "Write to everyone invited", reviewed=reviewed
        )
        if reviewed:
            self.phase = MeetingPhase.DRAFTED
            await writing
            await self._have_read(Purpose.PROPOSAL, lambda: self.phase not in NOT_READ_YET)

    async def open_the_vote(self) -> None:
        """Where a person reads the mails first, wait for their word; the voting period counts from then.

        Times that wait too long become too near to be offered. New ones take their place, in new drafts.
        """
        if self.booking is not None or (self.phase is MeetingPhase.PROPOSING and self._is_over):
            return
        while (
            self.phase is MeetingPhase.DRAFTED
            and self.messages.drafts_for(Purpose.PROPOSAL)
            and not (self.wanted or self._is_over or self._converts)
        ):
            if self.outdated or workflow.now() >= self._current.stale_at:
                await self.messages.replace_proposals()
                await self.propose_times()
            else:
                await self._news(self._wait_for_release(), self._current.stale_at, "Times in the drafts come too near")
        await self._act_on_releases()
        self.held_back = self.phase is MeetingPhase.DRAFTED and not self._is_diverted and not self._have_gone()
        if self.phase is not MeetingPhase.VOTING and not self.held_back:
            await self._open()

    async def agree_on_a_time(self) -> None:
        """Book the time that suits as soon as there is one; without agreement, the TAM finds one."""
        await self.words.all_known()
        while self.booking is None and not self._starts_over:
            tally = quorum.tally(self._current, self.votes, workflow.now())
            reason = HELD_BACK if self.held_back else tally.reason
            if self.wanted:
                await self._book_by_hand()
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
        await self.words.all_known()
        while self.booking is not None and self.report is None and not self._starts_over:
            if self.wanted:
                if await self._book_by_hand():
                    asks = await self._invite()
            elif self.asked:
                self._act_on_changes()
            elif self.brief_at is not None and self.brief_at <= workflow.now():
                self._brief(self.booking)
            elif asks and asks[0] <= workflow.now():
                self._ask_how_it_went(self.booking, *asks[1:])
                asks = ()
            elif self._may_convert and not self.conversion_offered:
                self._offer_conversion()
            else:
                following = self.brief_at or (asks[0] if asks else None)
                summary = "Brief the TAM" if self.brief_at is not None else "Ask the TAM how it went"
                await self._news(self._wait_for_report(), following, summary)
        self._act_on_changes()
        if self.report is not None:
            self.timeline.record(f"meeting.{self.report.outcome}", who=self.report.by, submission=self.report.id)
            self.outcome = "held" if self.report.outcome == "held" else None
        elif self.booking is not None and self.outcome in (None, CANCELED) and workflow.now() < self.booking.start:
            self._call_off(self.booking)
        elif self.outcome == CANCELED:
            self._tell_whom_it_asked()

    async def finish(self) -> MeetingResult:
        """Leave nothing behind: no mail under way, no draft, no unread decision, no entry unwritten."""
        self.phase, self.wait = MeetingPhase.ENDED, Wait()
        outcome = self.outcome or "closed"
        for book in self.wanted:
            self.turn_away(book, "the meeting was over before it could be moved")
        if outcome in (NO_TIME, UNREPORTED):
            self.timeline.record("meeting.given_up", about=outcome)
        result = MeetingResult(
            outcome=outcome,
            start=self.booking.start if self.booking else None,
            by=self.report.by if self.report else None,
            submission=self.report.id if self.report else None,
            agreed=self.report.agreed if self.report else (),
        )
        await self.messages.drop_drafts(MEETING_IS_OVER)
        await self.write_down()
        await self.all_over(result)
        return result

    def begin_round(self) -> None:
        """Start from nothing; what was voted and booked in an earlier round is void."""
        self.round += 1
        self.phase = MeetingPhase.PROPOSING
        self.votes.clear()
        self.nudges = []
        self.booking = None
        self.report = None
        self.why_stuck = None
        self.due_by = None
        self.held_back = False
        self.newcomers = []
        self.asked = []
        self.declined = []
        self.brief_at = None
        self.taken = []
        self.outdated = False
        if self._converts:
            self.step = self.step.held_onsite()

    async def catch_up_with_people(self) -> None:
        """Act on who came and went; while somebody is missing who has to be there, nobody is asked anything."""
        while self.people_moved or (self.vacant and self.booking is None and not self._is_over):
            if self.people_moved:
                await self._look_who_is_there()
            else:
                self.wait = self._wait_for_a_successor()
                await self.write_down()
                await workflow.wait_condition(lambda: self.people_moved or self._is_over)

    # How it is done

    async def _known_times(self) -> Proposal | None:
        """What was on offer in this round before a reset made this workflow forget it, with what was booked.

        People have these times before them, and have voted on them; another look into calendars would find others.
        """
        asked = Offering(
            contract=self.start.contract, step=self.step.name, attempt=self.start.attempt, round=self.round
        )
        known = await done(Messages.offered, asked, "What was on offer before?", RECORDS)
        if known.booking is not None:
            self.booking = known.booking
            self.words.are_done("book", known.booking.submission)
        return known.proposal

    def _have_gone(self) -> bool:
        """Whether mails with this round's times are out already, as after a reset."""
        out = (MessageState.READY, MessageState.DEFERRED, MessageState.SENDING, MessageState.SENT)
        return any(
            state in out and purpose_of(key) == Purpose.PROPOSAL and round_of(key) == self.round
            for key, state in self.messages.states.items()
        )

    async def _find_times(self) -> Proposal:
        await self.words.all_known()
        if self.words.was_reset and (known := await self._known_times()) is not None:
            return known
        question = Propose(
            account=self.account,
            step=self.step,
            round=self.round,
            now=workflow.now(),
            opens=self.start.opens,
            colleagues=self.start.colleagues,
        )
        summary = "Find times in everyone's calendars"
        found = await attempted(Planning.propose, question, summary, CALENDARS)
        if isinstance(found, Denied):
            self.timeline.record("calendar.unreadable")
            question = question.model_copy(update={"without_calendar": True})
            return await done(Planning.propose, question, summary, CALENDARS)
        return found

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
        there = await done(Planning.gather, question, "Who takes part now?", PLANNING)
        self.vacant, self.successor_by = there.vacant, there.ask_again
        before, self.proposal = self.proposal, there.proposal or self.proposal
        await self.messages.drop_departed()
        came, went = quorum.changes(before, self.proposal)
        self.newcomers = [id_ for id_ in self.newcomers if id_ not in went] + list(came)
        for id_ in went:
            self.timeline.record("meeting.left", who=id_)
        for id_ in came:
            self.timeline.record("meeting.joined", who=id_)
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
            # Also one whose time has come while it was looked up who is there: nobody was reminded by it yet.
            left = self.nudges[0].at if self.nudges else None
            self.nudges = [
                one for one in self._current.nudges if one.at > workflow.now() or (left is not None and one.at >= left)
            ]
            self.outdated = self.outdated or anew
            if asked and not anew:
                # Their word may be the one that was missing.
                self.phase, self.why_stuck, self.due_by = MeetingPhase.VOTING, None, None
        if asked and not anew and self.phase in (MeetingPhase.DRAFTED, MeetingPhase.VOTING) and not self.held_back:
            occasion = self._occasion(self._proposal_mail, Purpose.PROPOSAL, asked)
            await self._write_to_newcomers(occasion, reviewed=self._current.review != "auto")

    async def _write_to_newcomers(self, occasion: MessageRequest, *, reviewed: bool) -> None:
        writing = self.messages.write(occasion, "Write to whoever is new", reviewed=reviewed)
        if reviewed:
            await writing
            await self._have_read(occasion.purpose, lambda: not self.messages.drafts_for(occasion.purpose))

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
            self.messages.write(occasion, f"Take {amount(len(went), 'person', 'people')} off the meeting")
        if newcomers:
            occasion = self._occasion("meeting_invitation", Purpose.INVITATION, newcomers, occurrence=occurrence)
            self.messages.write(occasion, f"Invite {amount(len(newcomers), 'newcomer')}")
        if handed_over:
            stay = tuple(invitee.id for invitee in now.invitees if invitee.id not in newcomers)
            occasion = self._occasion(
                "meeting_invitation", Purpose.INVITATION, stay, occurrence=occurrence, update="host"
            )
            self.messages.write(occasion, f"Tell {amount(len(stay), 'person', 'people')} who holds it now")

    def _withdraw(self) -> None:
        """Take what other meetings have taken out of the poll."""
        offers = self.phase in (MeetingPhase.PROPOSING, MeetingPhase.DRAFTED, MeetingPhase.VOTING)
        if self.proposal is None or self.proposal.round != self.round or self.booking is not None or not offers:
            return
        gone = [slot for slot in self.proposal.slots if slot.start in self.taken]
        if not gone:
            return
        left = tuple(slot for slot in self.proposal.slots if slot not in gone)
        self.proposal = self.proposal.model_copy(update={"slots": left})
        for slot in gone:
            self.timeline.record("meeting.time_taken", instant=slot.start)
        # A draft that nobody has sent says the times as they were.
        enough = len(left) >= quorum.LEAST_CHOICE and self.phase is not MeetingPhase.DRAFTED
        self.outdated = self.outdated or not enough or not quorum.can_go_on(self.proposal, self.votes, workflow.now())
        self.changed = True

    async def _open(self) -> None:
        """Count the voting period from now."""
        if self.phase is MeetingPhase.DRAFTED:
            question = Reopen(account=self.account, step=self.step, proposal=self._current, now=workflow.now())
            self.proposal = await done(Planning.reopen, question, "Count the voting period from now", PLANNING)
        self.nudges = list(self._current.nudges)
        self.phase = MeetingPhase.VOTING

    async def _book_if_still_free(self, slot: Slot) -> None:
        """The TAM's time may have filled since the times were offered; a time that is taken is off the table.

        Where those that are left can't bring about an agreement among those who answered, everyone gets new ones.
        """
        proposal = self._current
        by: Literal["vote", "deadline"] = "vote" if workflow.now() < proposal.deadline else "deadline"
        booking = Booking(start=slot.start, end=slot.end, by=by)
        question = Confirm(account=self.account, booking=booking, host=self._host, travel=self.step.travel)
        free = await attempted(Planning.confirm, question, "Is the TAM still free then?", CALENDARS)
        if isinstance(free, Denied):
            self.timeline.record("calendar.unreadable")
            question = question.model_copy(update={"without_calendar": True})
            free = await done(Planning.confirm, question, "Is nothing else booked then?", CALENDARS)
        if not free:
            self.timeline.record("meeting.time_taken", instant=slot.start)
            left = tuple(other for other in self._current.slots if other.id != slot.id)
            self.proposal = self._current.model_copy(update={"slots": left})
            self.outdated = self.outdated or not quorum.can_go_on(self._current, self.votes, workflow.now())
            return
        self.held = HeldHour(
            members=(self._host or proposal.tam,), start=slot.start, end=slot.end, travel=self.step.travel
        )
        if not self.wanted:
            self.booking = booking

    async def _book_by_hand(self) -> bool:
        """Book the times that members set, in their order; whether any was.

        Each is on record; people are told of the last alone. One that wants a free hour takes it, or does not count.
        """
        wanted, self.wanted = self.wanted, []
        booked: list[Booking] = []
        for book in wanted:
            sequence = self.booking.sequence + 1 if self.booking else 0
            end = book.start + timedelta(minutes=self.step.minutes)
            booking = Booking(
                start=book.start, end=end, sequence=sequence, by="hand", member=book.by, submission=book.id
            )
            if book.if_free:
                hour = self._hour_of(booking)
                if not await done(Planning.take, hour, "Take the hour, if it is still free", PLANNING):
                    self.turn_away(book, "another meeting took that hour meanwhile; choose another time")
                    continue
                self.held = hour
            self.booking = booking
            booked.append(booking)
        for one in booked[:-1]:
            self._tell_booked(one)
        return bool(booked)

    def _tell_booked(self, booking: Booking) -> None:
        self.timeline.record(
            "meeting.moved" if booking.sequence else "meeting.booked",
            who=booking.member,
            about=booking.by,
            instant=booking.start,
            submission=booking.submission,
        )

    async def _invite(self) -> tuple[datetime, ...]:
        """Send everyone the invitation, and learn when to ask how it went, when to insist, and when that is due."""
        assert self.booking is not None
        self.due_by = None
        self.phase = MeetingPhase.BOOKED
        self._tell_booked(self.booking)
        if self.start.colleagues is not None:
            hour = MeetingHour(
                start=self.booking.start, moved=self.booking.sequence > 0, submission=self.booking.submission
            )
            # A review that has come to its end does not hear it.
            self.beside(told(review_id(self.start.contract), "meeting_set", hour))
        self._tell_what_recurs(self.booking.start)
        to = (*(invitee.id for invitee in self._current.invitees), self._current.tam)
        self.newcomers = []
        update: Literal["time"] | None = "time" if self.booking.sequence else None
        occasion = self._occasion(
            "meeting_invitation", Purpose.INVITATION, to, occurrence=self.booking.sequence + 1, update=update
        )
        self.messages.write(occasion, f"Invite {amount(len(to), 'person', 'people')}")
        if self.step.brief is None:
            return await self._instants(self.booking.end, (0, *INSISTING))
        *asks, self.brief_at = await self._instants(self.booking.end, (0, *INSISTING, BEFORE))
        return tuple(asks)

    def _brief(self, booking: Booking) -> None:
        """Tell the TAM what there is to know of it, once for each time that it gets; nothing once it has begun."""
        self.brief_at = None
        if self.step.brief is not None and workflow.now() < booking.start:
            occasion = self._occasion(
                self.step.brief, Purpose.BRIEF, (self._current.tam,), occurrence=booking.sequence + 1
            )
            self.messages.write(occasion.model_copy(update={"stale_at": booking.start}), "Brief the TAM")

    def _tell_what_recurs(self, start: datetime | None) -> None:
        """Tell the cadence when its review is: its TAM is briefed on it then."""
        if self.start.opens is not None:
            told_ = ReviewSet(step=self.step.name, number=self.start.attempt, start=start)
            self.beside(told(cadence_id(self.account), "review_set", told_))

    async def _instants(self, since: datetime, days: tuple[int, ...]) -> tuple[datetime, ...]:
        """When to follow up what the TAM is asked to do."""
        return await followed_up(self.account, days, "When is this followed up?", since, self._host)

    def _remind(self, nudge: Nudge) -> None:
        silent = quorum.unanswered(self._current, self.votes)
        to = tuple(id_ for id_ in nudge.invitees if id_ in silent)
        if to:
            self.reminders += 1
            occasion = self._occasion("meeting_reminder", Purpose.REMINDER, to, occurrence=self.reminders)
            self.messages.write(occasion, f"Remind {amount(len(to), 'person', 'people')} to vote")

    async def _tell_the_tam(self, reason: str) -> None:
        """Once for each reason; and see to it that the TAM finds a time."""
        self.phase = MeetingPhase.STUCK
        if reason != self.why_stuck:
            self.why_stuck = reason
            self.timeline.record("meeting.stuck", about=reason)
            self._write_to_the_tam("meeting_stuck", "Tell the TAM that no time was agreed")
        if self.due_by is None:
            insist, self.due_by = await self._instants(workflow.now(), INSISTING)
            self.beside(self._find_a_time(insist))

    async def _find_a_time(self, insist: datetime) -> None:
        todo = self._todo(FIND_A_TIME, self._by_hand())
        if await todo.see_to(insist, lambda: self.phase is not MeetingPhase.STUCK) is not None:
            self.outcome, self.changed = NO_TIME, True

    def _ask_how_it_went(self, booking: Booking, insist: datetime, due_by: datetime) -> None:
        self.due_by = due_by
        self._write_to_the_tam("meeting_report", "Ask the TAM how it went")
        self.beside(self._learn_how_it_went(booking, insist))

    async def _learn_how_it_went(self, booking: Booking, insist: datetime) -> None:
        todo = self._todo(SAY_HOW_IT_WENT if self._host is None else TELL_WHAT_CAME_OF_IT, self._held())
        said = await todo.see_to(insist, lambda: self.report is not None or self.booking is not booking)
        if said is None:
            return
        if said.by is not None and said.submission is not None:
            outcome: Literal["held", "no_show"] = "held" if said.outcome == "held" else "no_show"
            self.report = Report(id=said.submission, at=said.at, by=said.by, outcome=outcome)
        else:
            self.outcome = UNREPORTED
        self.changed = True

    async def _have_read(self, purpose: Purpose, is_done: Callable[[], bool]) -> None:
        """See to it that somebody reads the drafts that are written for something."""
        if purpose in self.being_read or not self.messages.drafts_for(purpose):
            return
        self.being_read.add(purpose)
        insist, _ = await self._instants(workflow.now(), INSISTING)
        self.beside(self._read(purpose, insist, is_done))

    async def _read(self, purpose: Purpose, insist: datetime, is_done: Callable[[], bool]) -> None:
        todo = self._todo(READ_DRAFTS, reading_drafts(self.account))
        result = await todo.see_to(insist, is_done)
        if result is not None:
            self.messages.release_by(result, self.messages.drafts_for(purpose))
        self.being_read.discard(purpose)

    def _act_on_changes(self) -> None:
        """Tell the host what people ask of the booked time, and have them decide where it is theirs to decide."""
        asked, self.asked = self.asked, []
        for change in asked if self.booking is not None else ():
            question = self._question_about(change)
            told = ChangeFacts(
                by=change.by,
                submission=change.id,
                kind=change.kind,
                start=change.start,
                follows="task" if question is not None else "new_times" if self._moves(change) else "nothing",
            )
            self._write_to_the_tam("meeting_change", "Tell the host what is asked of the time", told)
            if question is not None:
                self.beside(self._decide(change, question))

    def _question_about(self, change: Change) -> TodoTemplate | None:
        """What the host has to decide about it, if anything."""
        if change.kind == "move":
            asks_first = self._is_needed(change.by) and self.booking is not None and self.booking.by == "hand"
            return ASKED_TO_MOVE if asks_first else None
        alone = [id_ for id_ in self.declined if id_ != change.by]
        champion = quorum.uncovered(self._current, [change.by])
        missed = champion or (
            quorum.uncovered(self._current, self.declined) and not quorum.uncovered(self._current, alone)
        )
        return NEEDED_DECLINED if missed else None

    async def _decide(self, change: Change, question: TodoTemplate) -> None:
        def is_over() -> bool:
            return self._starts_over or self.booking is None or self.booking.start != change.booked

        result = await self._todo(question, None, change.by).put(is_over)
        if result is not None and result.outcome == NEW_TIMES:
            self.outdated = self.changed = True

    def _is_needed(self, person: str) -> bool:
        return any(invitee.id == person and invitee.required for invitee in self._current.invitees)

    def _moves(self, change: Change) -> bool:
        """Whether it brings everyone new times by itself: whoever has to be there asks, and nobody set it by hand."""
        by_hand = self.booking is not None and self.booking.by == "hand"
        return change.kind == "move" and self._is_needed(change.by) and not by_hand

    def _offer_conversion(self) -> None:
        """A visit that is approved once a time is booked is offered to the TAM, and calls nothing off by itself."""
        self.conversion_offered = True
        self.timeline.record("meeting.conversion_offered")
        self.beside(self._convert())

    async def _convert(self) -> None:
        def is_over() -> bool:
            return self._starts_over or self.booking is None or workflow.now() >= self.booking.start

        result = await self._todo(CONVERT, None).put(is_over)
        if result is not None and result.outcome == "convert":
            self.venue, self.changed = Venue(onsite=True, chosen=True), True

    def _tell_whom_it_asked(self) -> None:
        """Tell those who were offered times that they need no longer answer."""
        out = (MessageState.READY, MessageState.DEFERRED, MessageState.SENDING, MessageState.SENT)
        asked = dict.fromkeys(
            person_of(key)
            for key, state in self.messages.states.items()
            if state in out and purpose_of(key) == Purpose.PROPOSAL
        )
        to = tuple(invitee.id for invitee in self.proposal.invitees if invitee.id in asked) if self.proposal else ()
        if to:
            occasion = self._occasion("meeting_cancelled", Purpose.INVITATION, to)
            self.messages.write(occasion, f"Tell {amount(len(to), 'person', 'people')} that it is called off")

    def _call_off(self, booking: Booking) -> None:
        """Take a booked time back from everyone's calendar."""
        self.timeline.record("meeting.called_off", instant=booking.start)
        self._tell_what_recurs(None)
        self.booking = booking.model_copy(update={"sequence": booking.sequence + 1, "called_off": True})
        to = (*(invitee.id for invitee in self._current.invitees), self._current.tam)
        again: Literal["round"] | None = "round" if self.outcome is None and not self.closing else None
        occasion = self._occasion(
            "meeting_cancelled", Purpose.INVITATION, to, occurrence=self.booking.sequence + 1, update=again
        )
        self.messages.write(occasion, f"Tell {amount(len(to), 'person', 'people')} that it is called off")

    # Waiting

    async def _news(self, wait: Wait, until: datetime | None = None, summary: str = "") -> None:
        """Tell what is waited for, and wait: for anything new, or for the instant."""
        self.changed = self.people_moved
        self.wait = wait
        await self.write_down()
        self.alarm.set(until, summary)
        await workflow.wait_condition(lambda: self.changed or self.messages.has_releases or self.alarm.rings)
        await self._stand_still()
        await self.catch_up_with_people()
        await self._act_on_releases()

    async def _stand_still(self) -> None:
        """Wait while the onboarding is paused, and give the vote what time was left. A booked time does not move."""
        since = await self.while_paused()
        if since is not None and self.phase is MeetingPhase.VOTING:
            question = ResumedWaits(
                account=self.account,
                paused_at=since,
                now=workflow.now(),
                instants=(self._current.deadline, *(nudge.at for nudge in self.nudges)),
            )
            answer = await done(Planning.resumed, question, "What time is left to vote?", PLANNING)
            deadline, *nudges = answer.at
            self.proposal = self._current.model_copy(update={"deadline": deadline})
            self.nudges = [nudge.model_copy(update={"at": at}) for nudge, at in zip(self.nudges, nudges, strict=True)]
            self.outdated = self.outdated or all(slot.start < deadline for slot in self._current.slots)

    async def _act_on_releases(self) -> None:
        if self.phase is MeetingPhase.DRAFTED and self.messages.may_go(Purpose.PROPOSAL):
            await self._open()
        await self.messages.carry_out_releases()

    # Decisions

    def _judge_vote(self, vote: Vote) -> str | None:
        return quorum.judge_vote(vote, self.proposal, self.phase)

    @workflow.update(name="vote", description="Say which of the times suit")
    @takes(_judge_vote)
    def vote(self, vote: Vote) -> str:
        """One person's answer; a later one replaces it for as long as the vote is open."""
        self.votes[vote.voter] = vote
        self.timeline.record("vote.cast", who=vote.voter, submission=vote.id, about=str(len(vote.slots)))
        return "counted"

    vote.validator(checks(_judge_vote))

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

    @workflow.update(name="book", description="Set the time by hand, or move it")
    @takes(_judge_book)
    def book(self, book: Book) -> str:
        """A member's word on the time, whoever voted for what."""
        moves = self.booking is not None or bool(self.wanted)
        self.wanted.append(book)
        return "moved" if moves else "booked"

    book.validator(checks(_judge_book))

    def _judge_cancel(self, cancel: Cancel) -> str | None:  # noqa: ARG002 - whoever says it
        if self._is_over or self.phase is MeetingPhase.ENDED:
            return MEETING_IS_OVER
        return self._has_begun()

    @workflow.update(name="cancel", description="Cancel the meeting")
    @takes(_judge_cancel)
    def cancel(self, cancel: Cancel) -> str:
        """A member's word that it does not take place; whoever knows of it is told."""
        self.outcome = CANCELED
        self.timeline.record("meeting.canceled", who=cancel.by, submission=cancel.id)
        return CANCELED

    cancel.validator(checks(_judge_cancel))

    def _judge_ask_again(self, ask: AskAgain) -> str | None:  # noqa: ARG002 - whoever says it
        if self._is_over or self.phase is MeetingPhase.ENDED:
            return MEETING_IS_OVER
        if self.phase in (MeetingPhase.UNDECIDED, MeetingPhase.PROPOSING):
            return "no times are on offer yet"
        return self._has_begun()

    @workflow.update(name="ask_again", description="Offer everyone other times")
    @takes(_judge_ask_again)
    def ask_again(self, ask: AskAgain) -> str:
        """A member's word that what was voted and booked is void, and everyone is offered other times."""
        self.outdated = True
        self.timeline.record("meeting.asked_again", who=ask.by, submission=ask.id)
        return "new_times"

    ask_again.validator(checks(_judge_ask_again))

    def _judge_change(self, change: Change) -> str | None:
        if self.phase is MeetingPhase.ENDED:
            return quorum.HAS_ENDED
        if self.phase is not MeetingPhase.BOOKED or self.booking is None:
            return "no time is booked at present; please choose among those on offer"
        if all(change.by != invitee.id for invitee in self._current.invitees):
            return "you are not invited to this meeting"
        if change.booked != self.booking.start:
            return "the meeting has another time by now; please look again"
        return self._has_begun()

    @workflow.update(name="change", description="Ask for another time than the booked one, or decline")
    @takes(_judge_change)
    def change(self, change: Change) -> str:
        """An invitee's word on the booked time; one who has to be there has everyone offered new times."""
        self.asked.append(change)
        kind = "meeting.move_asked" if change.kind == "move" else "meeting.declined"
        self.timeline.record(kind, who=change.by, submission=change.id, instant=change.start)
        if change.kind == "decline" and change.by not in self.declined:
            self.declined.append(change.by)
        if self._moves(change):
            self.outdated = True
            return NEW_TIMES
        return "told"

    change.validator(checks(_judge_change))

    def _has_begun(self) -> str | None:
        if self.booking is not None and self.booking.start <= workflow.now():
            return "the meeting has begun by now; record how it went instead"
        return None

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

    @workflow.update(name="report", description="Say whether it was held")
    @takes(_judge_report)
    def take_report(self, report: Report) -> str:
        """A member's word on how it went."""
        self.report = report
        return report.outcome

    take_report.validator(checks(_judge_report))

    @workflow.signal(name="settle", description="Whether it is held on site is decided")
    def settle(self, venue: Venue) -> None:
        """Take how the meeting is held, as the onboarding says."""
        self.venue_open, self.changed = venue.open, True
        if not venue.open:
            self.venue = venue

    @workflow.signal(name="people_changed", description="Somebody came, left or took over")
    def people_changed(self) -> None:
        """Look again who takes part."""
        self.people_moved = self.changed = True

    @workflow.signal(name="times_taken", description="Other meetings took some of the times")
    def times_taken(self, news: TimesTaken) -> None:
        """Offer them no longer; with too few that are left, everyone gets new ones."""
        self.taken += news.starts
        self._withdraw()

    @workflow.query(name="view", description="The meeting as it stands")
    def view(self) -> MeetingView:
        """Show the meeting as it stands."""
        return MeetingView(
            account=self.account,
            step=self.step.name,
            title=self.step.title,
            lasts=self.step.minutes,
            phase=self.phase,
            round=self.round,
            proposal=self.proposal,
            votes=tuple(self.votes.values()),
            booking=self.booking,
            declined=tuple(self.declined),
            why_stuck=self.why_stuck,
            reminders_sent=self.reminders,
            waiting_on=self.timeline.wait.on,
            waiting_for=self.timeline.wait.what,
            unblock=self.timeline.wait.unblock,
            deadline=self.timeline.wait.deadline,
        )

    # Where it stands

    def facts_by_now(self) -> MeetingFacts | None:
        """The times that are on offer when a mail that was scheduled goes."""
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
    def _host(self) -> str | None:
        """Who holds it, where that is not the TAM: the vendor's own people meet."""
        return self.start.colleagues.host if self.start.colleagues is not None else None

    @property
    def _current(self) -> Proposal:
        assert self.proposal is not None
        return self.proposal

    @property
    def _converts(self) -> bool:
        """Whether it is to be held on site, and is not planned so yet; a booked one only if somebody decided that."""
        return self._may_convert and (self.booking is None or (self.venue is not None and self.venue.chosen))

    @property
    def _may_convert(self) -> bool:
        """Whether a visit is approved, and it is not planned so."""
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

    # Its mails and to-dos

    def _todo(self, template: TodoTemplate, unblock: str | None, about: str | None = None) -> Todo:
        self.todo_counts[template.name] += 1
        step = self.step.name if self.start.attempt == 1 else f"{self.step.name}.{self.start.attempt}"
        return Todo(
            template,
            self,
            self.start.contract,
            step,
            self.step.title,
            self.todo_counts[template.name],
            unblock,
            subject=self.start.contract if self._host is not None else None,
            member=self._host,
            about=about,
        )

    def _write_to_the_tam(self, email: str, summary: str, change: ChangeFacts | None = None) -> None:
        self.notices[email] += 1
        occasion = self._occasion(email, Purpose.NOTICE, (self._current.tam,), occurrence=self.notices[email])
        if change is not None:
            facts = self._facts().model_copy(update={"change": change})
            occasion = occasion.model_copy(update={"meeting": facts})
        self.messages.write(occasion, summary)

    def _occasion(
        self,
        email: str,
        purpose: Purpose,
        to: tuple[str, ...],
        *,
        occurrence: int = 1,
        update: Literal["time", "host", "round"] | None = None,
    ) -> MessageRequest:
        return MessageRequest(
            account=self.account,
            contract=self.start.contract,
            step=self.step.name,
            title=self.step.title,
            workflow_id=workflow.info().workflow_id,
            attempt=self.start.attempt,
            occurrence=occurrence,
            round=self.round,
            purpose=purpose,
            email=email if self._host is None else AMONG_US.get(email, email),
            to=to,
            review=self._current.review if purpose is Purpose.PROPOSAL else "auto",
            now=workflow.now(),
            meeting=self._facts().model_copy(update={"update": update}),
            tech_review=self.start.colleagues.review if self.start.colleagues is not None else None,
        )

    def _welcome(self) -> MessageRequest:
        """The mail that goes out before anything is known of the meeting."""
        return MessageRequest(
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
        coming = quorum.coming(proposal, self.votes, self.booking) if self.booking else ()
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
            coming=tuple(id_ for id_ in coming if id_ not in self.declined),
            reason=self.why_stuck,
            ours=self._host is not None,
            suggested=tuple((vote.voter, vote.suggests) for vote in self.votes.values() if vote.suggests is not None),
        )

    # What it waits for, and telling it

    def _wait_for_the_venue(self, limit: datetime) -> Wait:
        drafts = reading_drafts(self.account) if self.messages.drafts else None
        assert self.step.onsite is not None
        task = f"rapport task show {self.scope}/{self.step.onsite.approval}"
        if self.venue_open:
            what = "the TAM, to decide what follows: the approval failed"
            return Wait(on=("tam",), what=what, unblock=f"{task}.{DECIDE_ON_FAILURE.name}", deadline=limit)
        what = "word on whether it is held on site"
        return Wait(on=("tam", "tam_manager"), what=what, unblock=drafts or task, deadline=limit)

    def _wait_for_release(self) -> Wait:
        return Wait(
            on=("tam",),
            what=f"the TAM, to read and send {amount(len(self.messages.drafts), 'draft')}",
            unblock=reading_drafts(self.account),
            deadline=self._current.stale_at,
        )

    def _wait_for_votes(self) -> Wait:
        silent = quorum.unanswered(self._current, self.votes)
        return Wait(
            on=tuple(
                sorted({one for invitee in self._current.invitees if invitee.id in silent for one in invitee.personas})
            ),
            what="answers on the proposed times",
            unblock=self._by_hand(),
            deadline=self._current.deadline,
            round=self.round,
        )

    def _wait_for_the_tam(self, reason: str) -> Wait:
        what = f"{self._who}, to find a time: {reason}"
        return Wait(on=(self._role,), what=what, unblock=self._by_hand(), deadline=self.due_by)

    def _wait_for_a_successor(self) -> Wait:
        return audience.wait_for_successor(self.account, self.vacant, self.successor_by)

    def _wait_for_report(self) -> Wait:
        assert self.booking is not None
        if workflow.now() < self.booking.end:
            return Wait(on=(), what="the meeting itself", deadline=self.booking.start)
        return Wait(
            on=(self._role,),
            what=f"{self._who}, to say whether it was held",
            unblock=self._held(),
            deadline=self.due_by,
        )

    @property
    def _who(self) -> str:
        return "the TAM" if self._host is None else "the host"

    @property
    def _role(self) -> str:
        return "tam" if self._host is None else "ce"

    def _held(self) -> str:
        if self._host is not None:
            return in_name(f"rapport review meeting-held {self.start.contract} --text …")
        return in_name(f"rapport meeting held {self.scope} {self.step.name}")

    def _by_hand(self) -> str:
        if self._host is not None:
            return in_name(f"rapport review book-meeting {self.start.contract} --start YYYY-MM-DDTHH:MM")
        return in_name(f"rapport meeting book {self.scope} {self.step.name} --start YYYY-MM-DDTHH:MM")

    def _gather(self, number: int) -> StepNews | None:  # noqa: ARG002 - whichever it is
        """What it waits for, what has happened, and which hour it has: if it has another than before, or has ended."""
        before, self.held = self.held, self._hour
        has_news = self.timeline.turn_to(self.wait)
        if isinstance(self.step, AdHocMeeting) and self.phase is MeetingPhase.ENDED and not self.end_told:
            # No onboarding waits for it, to write down how it ended.
            self.end_told = True
            ended = {"meeting": workflow.info().workflow_id, "hour": None, "outcome": self.outcome or "closed"}
            return self.timeline.page().model_copy(update=ended)
        if before == self.held and (self.phase is not MeetingPhase.ENDED or not has_news):
            return self.timeline.page() if has_news else None
        moved = {"meeting": workflow.info().workflow_id, "hour": self.held}
        return self.timeline.page().model_copy(update=moved)

    @property
    def _hour(self) -> HeldHour | None:
        """The hour that it has of our own people, from its booking until it is over or called off."""
        if self.booking is None or self.booking.called_off or self.phase is MeetingPhase.ENDED:
            return None
        return self._hour_of(self.booking)

    def _hour_of(self, booking: Booking) -> HeldHour:
        ours = () if self._host is None else tuple(invitee.id for invitee in self._current.invitees)
        return HeldHour(
            members=(self._current.tam, *ours), start=booking.start, end=booking.end, travel=self.step.travel
        )
