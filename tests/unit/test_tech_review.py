"""What holds of technical reviews whoever is silent: dates, whose word counts, and that silence is never a yes."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rapport.mail.tech_review import context
from rapport.model.account import (
    Absence,
    AccountFile,
    Availability,
    Facts,
    MembersFile,
    Role,
    Schedule,
    WorkingHours,
)
from rapport.model.reading import read_toml
from rapport.model.task import Decision, Holder, Seat
from rapport.model.tech_review import Ask, ReviewStage
from rapport.model.tech_review_facts import Remark, ReviewPhase, ReviewVerdict, TechReviewFacts
from rapport.rules import receipt, task, tech_review
from rapport.rules.calendar import business_days_until, next_working_instant, working_time
from rapport.rules.delegation import seats_for
from rapport.rules.gate import Reviewed, standing
from rapport.rules.tech_review import Spoken
from starters.drill.load import TAM, speakers
from tests.conftest import ROOT

PRAGUE = Schedule(zone="Europe/Prague")
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
PHASES = (ReviewPhase.FEEDBACK, ReviewPhase.RECOMMENDATION, ReviewPhase.LEADERSHIP)

instants = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis
CALM = settings(deadline=None)

asks = st.sampled_from(list(Ask))
words = st.sampled_from(["yes", "no"])


@CALM
@given(instants, st.integers(1, 400), st.sampled_from(PHASES))
def test_a_phase_ends_after_it_began_and_leaves_time_for_the_next(
    opened: datetime, days: int, phase: ReviewPhase
) -> None:
    """Wherever there is a working day left, what follows has some of it; past the date it has its own length."""
    needed = tech_review.needed_at(opened.date() + timedelta(days=days), PRAGUE)
    end = tech_review.phase_deadline(phase, opened, needed, PRAGUE)
    assert end > opened
    if working_time(opened, needed, PRAGUE) > timedelta(hours=9):
        assert end < needed


@CALM
@given(instants, st.integers(20, 400))
def test_the_phases_follow_each_other_in_time(opened: datetime, days: int) -> None:
    """Each begun when the one before ends, they all end before the customer's date, with days left for the message."""
    needed = tech_review.needed_at(opened.date() + timedelta(days=days), PRAGUE)
    at = opened
    for phase in PHASES:
        at = tech_review.phase_deadline(phase, at, needed, PRAGUE)
    assert working_time(at, needed, PRAGUE) >= timedelta(hours=16)


@CALM
@given(instants, st.integers(1, 400))
def test_leadership_is_told_before_the_date_and_at_the_latest_five_days_before(opened: datetime, days: int) -> None:
    """At half-time and five business days before; what is past at the opening is told at once, as it is, and once."""
    needed = tech_review.needed_at(opened.date() + timedelta(days=days), PRAGUE)
    told = tech_review.tell_leadership(opened, needed, PRAGUE)
    assert list(told) == sorted(told)
    assert all(opened <= at < needed for at in told)
    if opened < needed:
        [(at, left)] = [(at, why) for at, why in told.items() if why != "half_time"]
        assert int(left) == business_days_until(at, needed, PRAGUE) <= tech_review.FIVE_DAYS
        assert at > opened or len(told) == 1


def test_the_dates_of_an_ordinary_review() -> None:
    """Asked on a Monday for a Friday four weeks later: a week to hear everyone, then three days, then a week."""
    needed = tech_review.needed_at(date(2026, 12, 18), PRAGUE)
    assert needed == datetime(2026, 12, 18, 16, tzinfo=UTC)
    feedback = tech_review.phase_deadline(ReviewPhase.FEEDBACK, MONDAY, needed, PRAGUE)
    assert feedback == datetime(2026, 11, 30, 9, tzinfo=UTC)
    assert tech_review.phase_deadline(ReviewPhase.RECOMMENDATION, feedback, needed, PRAGUE) == datetime(
        2026, 12, 3, 9, tzinfo=UTC
    )
    assert tech_review.tell_leadership(MONDAY, needed, PRAGUE) == {
        datetime(2026, 12, 7, 8, 30, tzinfo=UTC): "half_time",
        datetime(2026, 12, 11, 8, tzinfo=UTC): "5",
    }


@pytest.mark.parametrize(
    ("zone", "country", "opened", "day", "needed", "half", "five"),
    [
        # Easter Sunday, on which clocks go forward; Good Friday is free as well.
        ("Europe/Prague", "CZ", "2027-03-01 10:00", "2027-03-28", "17:00+02:00", "03-12 13:30", "03-18 09:00"),
        # A holiday after the Sunday on which clocks go back.
        ("Europe/Prague", "CZ", "2026-09-21 11:00", "2026-10-28", "17:00+01:00", "10-09 10:00", "10-20 09:00"),
        # The Monday after clocks went back elsewhere, with a holiday on the way.
        ("America/Los_Angeles", "US", "2026-10-05 10:00", "2026-11-02", "17:00-08:00", "10-20 09:30", "10-26 09:00"),
        # Christmas: there are more than five business days to a date that nobody works on, never fewer.
        ("Europe/Prague", "CZ", "2026-12-14 10:00", "2026-12-25", "17:00+01:00", "12-18 09:30", "12-16 09:00"),
    ],
)
def test_a_date_over_a_change_of_clocks_or_on_a_holiday_stays_the_customers(
    zone: str, country: str, opened: str, day: str, needed: str, half: str, five: str
) -> None:
    """The date is the end of that day by the clock of whoever tells it; what is told before falls into their work."""
    who, place = Schedule(zone=zone, country=country), ZoneInfo(zone)
    began = datetime.fromisoformat(opened).replace(tzinfo=place).astimezone(UTC)
    at = tech_review.needed_at(date.fromisoformat(day), who)
    assert at.astimezone(place).isoformat() == f"{day}T{needed[:5]}:00{needed[5:]}"
    told = {
        why: f"{when.astimezone(place):%m-%d %H:%M}"
        for when, why in tech_review.tell_leadership(began, at, who).items()
    }
    assert {why if why == "half_time" else "left": at for why, at in told.items()} == {"half_time": half, "left": five}
    for phase in PHASES:
        began = tech_review.phase_deadline(phase, began, at, who)
        assert began == next_working_instant(began, who), "a phase ends while they work"
    assert began < at


@pytest.mark.parametrize("phase", PHASES)
def test_what_is_needed_today_is_asked_for_today(phase: ReviewPhase) -> None:
    """With two working hours left until the customer's date, nobody is given until tomorrow."""
    needed = tech_review.needed_at(date(2026, 11, 30), PRAGUE)
    assert tech_review.phase_deadline(phase, needed - timedelta(hours=2), needed, PRAGUE) == needed


@CALM
@given(instants, st.integers(-30, 60))
def test_the_message_is_due_at_the_date_itself_or_soon_after_it_has_passed(opened: datetime, days: int) -> None:
    """What the customer is told is due when they need it; past that, before the next business day is over."""
    needed = tech_review.needed_at(opened.date() + timedelta(days=days), PRAGUE)
    due = tech_review.phase_deadline(ReviewPhase.MESSAGE, opened, needed, PRAGUE)
    assert due > opened
    if opened < needed:
        assert due == needed
    else:
        assert working_time(opened, due, PRAGUE) <= timedelta(hours=16)
        assert working_time(due - timedelta(minutes=1), due, PRAGUE), "it is due while they work"


def test_a_date_on_which_nobody_works_any_more_is_told_at_once() -> None:
    """Asked on Christmas Eve for Christmas: leadership hears at once, and once; whoever works first is asked then."""
    who = Schedule(zone="Europe/Prague", country="CZ")
    opened, needed = datetime(2026, 12, 24, 9, tzinfo=UTC), tech_review.needed_at(date(2026, 12, 25), who)
    assert tech_review.tell_leadership(opened, needed, who) == {opened: "0"}
    assert tech_review.phase_deadline(ReviewPhase.FEEDBACK, opened, needed, who) == datetime(
        2026, 12, 28, 9, tzinfo=UTC
    )


@pytest.mark.parametrize("ask", list(Ask))
def test_a_no_is_never_without_its_reason(ask: Ask) -> None:
    """Whoever recommends, refuses to commit or votes against it writes why; for a vote against a no as well."""
    options = [*tech_review.recommendation(ask, engineering_answered=True).options, *tech_review.COMMITMENT.options]
    noes = [one for one in options if one.id in ("no", "unsupported")]
    assert len(noes) == 2
    assert all(one.needs_reason for one in (*noes, *tech_review.panel(ask, tech_review.LEADERSHIP).options))
    assert all(one.needs_reason for one in tech_review.READING.options if one.id == "object")


@pytest.mark.parametrize("ask", list(Ask))
def test_yes_to_a_question_is_the_option_yes(ask: Ask) -> None:
    """Whoever answers "yes" to what a review asks them chooses to do it: no question asks whether it is a no."""
    put = [tech_review.recommendation(ask, engineering_answered=answered) for answered in (True, False)]
    put += [tech_review.COMMITMENT, tech_review.panel(ask, tech_review.LEADERSHIP)]
    for definition in put:
        [question] = [one for one in re.split(r"(?<=[.?:]) ", definition.question) if one.endswith("?")]
        assert re.match(r"do (we|you) |is what the customer does ", question, re.IGNORECASE), question
        assert not re.search(r"\b(no|not|decline\w*)\b", question), question


def test_before_production_engineering_reviews_the_design() -> None:
    """Before a trial and after the sale engineering, product and support are heard; before production, engineering."""
    assert tech_review.heard(ReviewStage.PRE_PRODUCTION) == ("engineering", "account_team")
    for stage in (ReviewStage.PRE_TRIAL, ReviewStage.POST_SALE):
        assert tech_review.heard(stage) == ("engineering", "product", "support", "account_team")


@pytest.mark.parametrize("ask", list(Ask))
@pytest.mark.parametrize("answered", [True, False])
def test_without_engineering_every_word_needs_a_reason(ask: Ask, answered: bool) -> None:
    """No option of the VP of CE's goes without one, and the question says why."""
    task = tech_review.recommendation(ask, engineering_answered=answered)
    assert answered or all(option.needs_reason for option in task.options)
    assert ("Engineering has not answered" in task.question) is not answered
    assert task.on_timeout not in {option.id for option in task.options}


@pytest.mark.parametrize("verdict", list(ReviewVerdict))
def test_every_answer_goes_to_the_customer_by_the_same_way(verdict: ReviewVerdict) -> None:
    """A no is written, approved and read like a yes; what is a yes says what it depends on, what is a no what next."""
    task = tech_review.message(Ask.NON_STANDARD_REQUIREMENT, verdict)
    assert task.assign == ("role:ce_vp",)
    assert ("conditions" in task.asks) is verdict.is_yes
    assert verdict.is_yes or "next_steps" in task.asks
    assert (task.asks[0], task.asks[-1]) == ("message", "revisit")


@pytest.mark.parametrize("ask", list(Ask))
def test_what_an_approved_customer_is_told_is_true_of_what_was_asked_for(ask: Ask) -> None:
    """Only what is not standard is outside our guidelines; the writer and whoever approves read the same."""
    told = tech_review.to_write(ask)
    request = json.dumps({"title": "Later", "ask": ask})
    facts = TechReviewFacts(ref="TR-1", round=1, request="s_1", by="m_1", needed_by=MONDAY)
    assert ("outside our standard guidelines" in told) is (ask is Ask.NON_STANDARD_REQUIREMENT)
    assert context(facts, {"s_1": request}, {}, "", {})["to_write"] == told
    assert told in tech_review.message(ask, ReviewVerdict.APPROVED).question


@pytest.mark.parametrize("said", list(product(["yes", "no", None], repeat=3)))
def test_leadership_decides_by_more_than_half_of_all(said: tuple[str | None, ...]) -> None:
    """Two yeses are a yes, two noes a no, whoever is silent; anything less with somebody silent is nothing."""
    votes = {seat: word for seat, word in zip(tech_review.LEADERSHIP, said, strict=True) if word}
    verdict = tech_review.of_leadership(Ask.NON_STANDARD_REQUIREMENT, tech_review.LEADERSHIP, votes)
    expected = (
        ReviewVerdict.APPROVED if said.count("yes") >= 2 else ReviewVerdict.DECLINED if said.count("no") >= 2 else None
    )
    assert verdict is expected


@pytest.mark.parametrize("said", list(product(["yes", "no", None], repeat=3)))
def test_nobody_commits_engineering_but_its_vp(said: tuple[str | None, ...]) -> None:
    """Unplanned engineering without the VP Engineering's own yes is never approved."""
    votes = {seat: word for seat, word in zip(tech_review.LEADERSHIP, said, strict=True) if word}
    verdict = tech_review.of_leadership(Ask.UNPLANNED_ENGINEERING, tech_review.LEADERSHIP, votes)
    if verdict is ReviewVerdict.APPROVED:
        assert votes[tech_review.VP_ENGINEERING] == "yes"


def test_a_tie_of_two_is_no_yes() -> None:
    """Where one person is two of the three, their two seats are one, and a tie is no yes."""
    two = tech_review.LEADERSHIP[:2]
    assert tech_review.of_leadership(Ask.NON_STANDARD_REQUIREMENT, two, dict(zip(two, ("yes", "no"), strict=True))) is (
        ReviewVerdict.DECLINED
    )


def test_the_rule_that_is_told_holds_of_every_panel() -> None:
    """It names no number of seats: who holds two of the roles has one, so that there may be two, or one."""
    for ask in Ask:
        assert not re.search(r"three|two\b", told := tech_review.rule(ask, ["recommendation", "vote"])), told


@pytest.mark.parametrize("ask", list(Ask))
@pytest.mark.parametrize(("said", "verdict"), [("yes", "approved"), ("no", "declined"), (None, None)])
def test_a_panel_of_one_is_decided_by_that_one_word(ask: Ask, said: str | None, verdict: str | None) -> None:
    """Where one person is all of leadership, their word decides, and their silence is nothing."""
    one = tech_review.LEADERSHIP[:1]
    assert tech_review.of_leadership(ask, one, {one[0]: said} if said else {}) == verdict


@pytest.mark.parametrize("ask", list(Ask))
@pytest.mark.parametrize("said", list(product(["yes", "no", None], repeat=2)))
@pytest.mark.parametrize("empty", tech_review.LEADERSHIP)
def test_an_empty_seat_is_not_waited_for_and_makes_no_majority(
    ask: Ask, said: tuple[str | None, ...], empty: str
) -> None:
    """With a seat that nobody may fill both others have to say yes; one no is a no, and silence is nothing."""
    seats = [seat for seat in tech_review.LEADERSHIP if seat != empty]
    votes = {seat: word for seat, word in zip(seats, said, strict=True) if word}
    verdict = tech_review.of_leadership(ask, tech_review.LEADERSHIP, votes, (empty,))
    commits = not tech_review.needs_commitment(ask) or empty != tech_review.VP_ENGINEERING
    if verdict is ReviewVerdict.APPROVED:
        assert said == ("yes", "yes")
        assert commits
    elif None not in said:
        assert verdict is ReviewVerdict.DECLINED
    assert tech_review.of_leadership(ask, tech_review.LEADERSHIP, {}, tech_review.LEADERSHIP) is None


def test_one_person_has_one_vote_however_often_they_are_asked() -> None:
    """Whoever has voted, and stands in for a silent colleague when that one is asked again, has no second vote."""
    vp_engineering, ce_vp, vp_sales = tech_review.LEADERSHIP
    first = tech_review.one_vote_each({}, {ce_vp: "m_1", vp_sales: "m_2"}, {ce_vp: "no", vp_sales: "yes"})
    again = tech_review.one_vote_each(first, {vp_engineering: "m_2"}, {vp_engineering: "yes"})
    assert tech_review.votes(again) == {ce_vp: "no", vp_sales: "yes"}
    assert (
        tech_review.of_leadership(Ask.NON_STANDARD_REQUIREMENT, tech_review.LEADERSHIP, tech_review.votes(again))
        is None
    )
    assert tech_review.still_silent(tech_review.LEADERSHIP, again) == (vp_engineering,)
    third = tech_review.one_vote_each(again, {vp_engineering: "m_3"}, {vp_engineering: "yes"})
    assert tech_review.votes(third) == {ce_vp: "no", vp_sales: "yes", vp_engineering: "yes"}


SUBORDINATES = ("ines", "tom")
"""Who reports to the VP of CE, and may well be named as a delegate."""

delegates = st.sampled_from([None, "eng", "vp", "sal", "boss", *SUBORDINATES])


def company(away: dict[str, str | None], boss: str | None) -> dict[str, Availability]:
    """Those who lead, two who report to the VP of CE, and somebody above them, where they have a manager."""
    roles = {
        "eng": Role.VP_ENGINEERING,
        "vp": Role.CE_VP,
        "sal": Role.VP_SALES,
        "boss": Role.ADMINISTRATOR,
        "ines": Role.TAM_MANAGER,
        "tom": Role.CE,
    }
    managers = {"vp": boss, "ines": "vp", "tom": "vp"}
    times = {"starts": MONDAY - timedelta(days=1), "ends": MONDAY + timedelta(days=1)}
    return {
        one: Availability(
            member=one,
            roles=frozenset({role}),
            left=False,
            absences=(Absence(**times, delegate=away[one]),) if one in away else (),
            manager=managers.get(one),
        )
        for one, role in roles.items()
    }


class Silence(RuleBasedStateMachine):
    """A review by its rules alone, where anybody may be silent, away or ask for it themselves, and differ."""

    @initialize(
        ask=asks,
        stage=st.sampled_from(list(ReviewStage)),
        requester=st.sampled_from(["tom", "vp", "eng"]),
        boss=st.sampled_from([None, "boss", "sal"]),
    )
    def begin(self, ask: Ask, stage: ReviewStage, requester: str, boss: str | None) -> None:
        """Somebody asks: a CE, or one of those who lead."""
        self.ask, self.stage, self.requester, self.boss = ask, stage, requester, boss
        self.asked_before: tuple[str, ...] = ()
        self.open_the_round()

    def open_the_round(self) -> None:
        """Everybody is heard anew."""
        self.phase = "feedback"
        self.answers: dict[str, str] = {}
        self.dissent: list[tuple[str, str]] = []
        self.word: str | None = None
        self.recommends: Holder | None = None
        self.reasoned = False
        self.heard: dict[str, Spoken] = {}
        self.spoke: dict[str, Holder] = {}
        self.empty: tuple[str, ...] = ()
        self.committed: str | None = None
        self.commits: Holder | None = None
        self.verdict: ReviewVerdict | None = None
        self.told = False
        self.late = False
        self.away: dict[str, str | None] = {}

    def seats(self, assign: tuple[str, ...]) -> tuple[Seat, ...]:
        """Who holds these seats now."""
        people = company(self.away, self.boss)
        return seats_for(assign, people, self.requester, MONDAY, asked_before=self.asked_before, entitled=True)

    @precondition(lambda self: not self.told)
    @rule(who=st.sampled_from(["tom", "ines", "vp", "eng"]))
    def word_it_anew(self, who: str) -> None:
        """Somebody changes the request: a new round, in which whoever asked before decides as little as they do."""
        self.asked_before, self.requester, late = (*self.asked_before, self.requester), who, self.late
        away = self.away
        self.open_the_round()
        self.late, self.away = late, away

    @rule(who=st.sampled_from(["eng", "vp", "sal", "boss"]), delegate=delegates)
    def goes_away(self, who: str, delegate: str | None) -> None:
        """One of those who lead is away, and names anybody to stand in for them, or nobody."""
        self.away[who] = delegate

    @rule(who=st.sampled_from(["eng", "vp", "sal", "boss"]))
    def comes_back(self, who: str) -> None:
        """And is back."""
        self.away.pop(who, None)

    @precondition(lambda self: self.phase == "feedback")
    @rule(data=st.data(), stance=st.sampled_from(["in_favour", "against"]))
    def answer(self, data: st.DataObject, stance: str) -> None:
        """One of a side answers: the first speaks for it, and every other word is kept as theirs."""
        side = data.draw(st.sampled_from(tech_review.heard(self.stage)))
        if side in self.answers:
            self.dissent.append((side, stance))
        else:
            self.answers[side] = stance

    @precondition(lambda self: self.phase == "feedback")
    @rule()
    def window_closes(self) -> None:
        """Time is up for feedback, whoever has answered."""
        self.phase = "recommendation"

    @precondition(lambda self: self.phase == "recommendation")
    @rule(index=st.integers(0, 2), reasoned=st.booleans())
    def recommend(self, index: int, reasoned: bool) -> None:
        """Who is entitled to says something, with a reason or without; where nobody is, leadership decides at once."""
        answered = tech_review.ENGINEERING in self.answers
        definition = tech_review.recommendation(self.ask, engineering_answered=answered)
        (seat,) = self.seats(definition.assign)
        if not seat.holders:
            self.phase = "leadership"
            return
        option = definition.options[index % len(definition.options)]
        if option.needs_reason and not reasoned:
            return
        self.word, self.reasoned, self.recommends = option.id, reasoned, seat.holders[0]
        assert answered or reasoned
        verdict = tech_review.of_recommendation(option.id)
        if verdict is ReviewVerdict.APPROVED and tech_review.needs_commitment(self.ask):
            self.phase = "commitment"
        elif verdict is None:
            self.phase = "leadership"
        else:
            self.verdict, self.phase = verdict, "message"

    @precondition(lambda self: self.phase == "commitment")
    @rule(word=st.none() | words)
    def commit(self, word: str | None) -> None:
        """The VP Engineering, or who may act for them, commits, refuses, or is silent."""
        (seat,) = self.seats(tech_review.COMMITMENT.assign)
        if seat.holders and word is not None:
            self.committed, self.commits = word, seat.holders[0]
        if self.committed == "yes":
            self.verdict, self.phase = ReviewVerdict.APPROVED, "message"
        else:
            self.phase = "leadership"

    @precondition(lambda self: self.phase == "leadership")
    @rule(said=st.lists(st.none() | words, min_size=3, max_size=3))
    def deadline_of_leadership(self, said: list[str | None]) -> None:
        """The deadline comes; those who were silent before may have spoken by now, for the seats that they hold."""
        silent = tech_review.still_silent(tech_review.LEADERSHIP, self.heard)
        seats = self.seats(tech_review.panel(self.ask, silent).assign)
        spoken = [(seat, word) for seat, word in zip(seats, said, strict=False) if word and seat.holders]
        decisions = [
            Decision(id=seat.id, round=1, option=word, by=seat.holders[0].member, submission=seat.id, at=MONDAY)
            for seat, word in spoken
        ]
        filled, said_by_seat = task.filled(seats, decisions), task.votes(seats, decisions)
        before = set(self.heard)
        self.heard = tech_review.one_vote_each(self.heard, filled, said_by_seat)
        holders = {(seat.id, one.member): one for seat in seats for one in seat.holders}
        for seat_id in set(self.heard) - before:
            self.spoke[seat_id] = holders[seat_id, self.heard[seat_id].person]
        self.empty = tuple(seat.id for seat in seats if not seat.holders)
        votes = tech_review.votes(self.heard)
        verdict = tech_review.of_leadership(self.ask, tech_review.LEADERSHIP, votes, self.empty)
        if verdict is not None:
            self.verdict, self.phase = verdict, "message"
        else:
            assert not votes or tech_review.still_silent(tech_review.LEADERSHIP, (*votes, *self.empty))

    @precondition(lambda self: self.phase == "message")
    @rule()
    def tell(self) -> None:
        """The customer is written to."""
        self.told, self.phase = True, "over"

    @rule()
    def date_passes(self) -> None:
        """The customer's date comes."""
        self.late = True

    def is_entitled(self, role: Role, holder: Holder) -> bool:
        """Whether somebody may speak for a seat: who has the role, a delegate who was named, or who is above them."""
        askers = (self.requester, *self.asked_before)
        if holder.member in askers:
            return False
        if holder.via == "assignee":
            return role in company({}, self.boss)[holder.member].roles
        if holder.member in SUBORDINATES and "vp" in askers:
            return False
        if holder.via == "delegate":
            return True
        # Nobody but the VP of CE has somebody above them here.
        return role is Role.CE_VP and self.boss is not None and self.boss in (holder.member, *holder.chain)

    @invariant()
    def silence_is_never_a_yes(self) -> None:
        """Whatever is a yes has the yes of somebody entitled behind it, whoever is away, asks, or stands in."""
        if self.verdict is None or not self.verdict.is_yes:
            return
        yes = [seat for seat, one in self.heard.items() if one.word == "yes"]
        recommended = self.word in ("yes", "supported", "supported_if")
        assert recommended or len(yes) > len(tech_review.LEADERSHIP) / 2
        if recommended and self.recommends is not None:
            assert self.is_entitled(Role.CE_VP, self.recommends)
        if self.ask is Ask.UNPLANNED_ENGINEERING:
            committed = self.committed == "yes" and self.commits is not None
            assert committed or tech_review.VP_ENGINEERING in yes, "nobody else commits engineering"
        assert tech_review.ENGINEERING in self.answers or self.reasoned or yes

    @invariant()
    def each_vote_is_of_another_person_who_may_give_it(self) -> None:
        """One person has one vote, and nobody votes for a seat that they may not fill."""
        people = [one.person for one in self.heard.values()]
        assert len(set(people)) == len(people)
        assert set(self.heard) <= set(tech_review.LEADERSHIP)
        for seat, holder in self.spoke.items():
            assert self.is_entitled(Role(seat.removeprefix("role:")), holder)
            assert holder.via == "assignee" or holder.member not in ("eng", "vp", "sal"), "who sits there already"

    @invariant()
    def a_veto_stands(self) -> None:
        """Unplanned engineering that its VP refuses in leadership is declined, however many others say yes."""
        refused = self.heard.get(tech_review.VP_ENGINEERING)
        if self.ask is Ask.UNPLANNED_ENGINEERING and refused is not None and refused.word == "no":
            assert self.verdict is not ReviewVerdict.APPROVED

    @invariant()
    def a_side_has_one_answer(self) -> None:
        """Who speaks first speaks for their side; no other word replaces it, and none is lost."""
        assert set(self.answers) <= set(tech_review.heard(self.stage))
        assert all(side in self.answers for side, _ in self.dissent)

    @invariant()
    def it_ends_or_is_overdue(self) -> None:
        """Past the date it has told the customer, or is overdue; and while it is open, somebody is asked."""
        needed = MONDAY if self.late else MONDAY + timedelta(days=1)
        assert tech_review.is_overdue(needed, MONDAY, told=self.told) is (self.late and not self.told)
        assert self.told is (self.phase == "over")


TestSilence = Silence.TestCase
TestSilence.settings = CALM


def test_a_receipt_is_of_one_decision_and_one_key() -> None:
    """Signed by the key that is trusted it is whole; any other word, signature or key is found."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    remark = Remark(key="s_1", round=1, kind="vote", seat="ce_vp", by="m_1", option="yes", submission="s_1", at=MONDAY)
    words_ = receipt.document("TR-0001", "versayce", remark, "ab" * 32)
    signature, public = receipt.sign(key, words_)
    whole = {"document": words_, "signature": signature, "public_key": public}
    assert receipt.fault(whole, words_, public) is None
    changed = receipt.document("TR-0001", "versayce", remark.model_copy(update={"option": "no"}), "ab" * 32)
    assert receipt.fault(whole, changed, public) == "tells another decision than is on record"
    assert receipt.fault(whole | {"document": changed}, changed, public) == "is not what was signed"
    assert receipt.fault(whole, None, public) == "is of a decision that is no longer on record"
    forged, others_key = receipt.sign(other, changed)
    foreign = {"document": changed, "signature": forged, "public_key": others_key}
    assert receipt.fault(foreign, changed, public) == "was signed with another key than this installation's"


@pytest.mark.parametrize(
    "other",
    [
        {"key": "s_2"},
        {"round": 2},
        {"kind": "commitment"},
        {"seat": "vp_sales"},
        {"seat": None},
        {"by": "m_2"},
        {"option": "no"},
        {"submission": "s_2"},
        {"at": MONDAY + timedelta(microseconds=1)},
    ],
    ids=str,
)
def test_a_receipt_is_of_all_that_was_decided(other: dict[str, object]) -> None:
    """Who chose what, when, in which round and for which seat: nothing of it changes under its signature."""
    remark = Remark(key="s_1", round=1, kind="vote", seat="ce_vp", by="m_1", option="yes", submission="s_1", at=MONDAY)
    signed = receipt.document("TR-0001", "versayce", remark, "ab" * 32)
    assert receipt.document("TR-0001", "versayce", remark.model_copy(update=other), "ab" * 32) != signed


@pytest.mark.parametrize(
    "given", [("TR-0002", "versayce", "ab" * 32), ("TR-0001", "other", "ab" * 32), ("TR-0001", "versayce", "cd" * 32)]
)
def test_a_receipt_is_of_one_review_and_of_the_words_that_were_said(given: tuple[str, str, str]) -> None:
    """It holds for no other review or account, and for no other words than those whose hash it covers."""
    remark = Remark(key="s_1", round=1, kind="vote", seat="ce_vp", by="m_1", option="yes", submission="s_1", at=MONDAY)
    ref, account, words_ = given
    signed = receipt.document("TR-0001", "versayce", remark, "ab" * 32)
    assert receipt.document(ref, account, remark, words_) != signed


def test_hours_of_the_day_are_those_of_whoever_tells_the_customer() -> None:
    """A day ends when their work does."""
    late = Schedule(zone="Europe/Prague", hours=WorkingHours(start=time(9), end=time(18)))
    assert tech_review.needed_at(date(2026, 12, 18), late) == datetime(2026, 12, 18, 17, tzinfo=UTC)


def test_a_requester_is_told_of_themselves_as_you() -> None:
    """Nobody reads of themselves as of somebody else; everyone else reads the name."""
    facts = TechReviewFacts(ref="TR-0001", round=1, request="s_1", by="m_1", needed_by=MONDAY)
    names = {"m_1": "Tomas Novak"}
    assert context(facts, {}, names, "https://rapport.example", {}, "m_1")["by"] == "You"
    assert context(facts, {}, names, "https://rapport.example", {}, "m_2")["by"] == "Tomas Novak"


EXAMPLES = [
    one
    for file, model in (("versayce.toml", AccountFile), ("reviews/members.toml", MembersFile))
    for one in read_toml(model, (ROOT / "examples" / file).read_bytes(), file).model_dump(mode="json")["members"]
]
"""The people of the examples."""


def test_each_side_is_answered_for_in_a_drill_by_who_may() -> None:
    """Whoever is asked for feedback is answered for, side by side."""
    found = speakers(EXAMPLES)
    assert list(found) == list(tech_review.SIDES)
    roles = {one["email"]: one["roles"] for one in EXAMPLES}
    assert {side: tech_review.side_of(roles[email], is_tam=email == TAM) for side, email in found.items()} == {
        side: side for side in tech_review.SIDES
    }


def test_one_table_makes_a_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more side is asked, heard, called, needed and waited for at its gate, and answered for in a drill."""
    side = tech_review.Side("Is it safe?", ("role:ta",), needed=Role.TA, gates=("production",))
    monkeypatch.setitem(tech_review.SIDES, "site_security", side)
    assert all("site_security" in tech_review.heard(stage) for stage in ReviewStage)
    assert Role.TA in tech_review.needed_roles()
    assert tech_review.side_of([Role.TA], is_tam=False) == "site_security"
    asked = tech_review.feedback("site_security")
    assert (asked.question, asked.assign) == ("Is it safe?", ("role:ta",))
    assert tech_review.asked_for("feedback_site_security") == "feedback of site security"
    assert speakers(EXAMPLES)["site_security"] == "marco.rossi@foobar.example"
    review = Reviewed(
        ref="TR-0001", stage="pre_production", heard=frozenset({"engineering"}), yes=None, design="2", since=MONDAY
    )
    shut = standing("versayce", "production", Facts(high_risk=True), [review])
    assert "site security has not answered" in shut.why
    assert shut.on == (Role.TA,)
    heard = review.model_copy(update={"heard": review.heard | {"site_security"}, "yes": True})
    assert standing("versayce", "production", Facts(high_risk=True), [heard]).open


def test_no_code_but_its_table_names_a_side() -> None:
    """Whoever adds one touches its table, and the roles where it has one of its own."""
    parts = [
        path for part in ("rapport", "activities", "workflows", "starters") for path in (ROOT / part).rglob("*.py")
    ]
    assert [path.name for path in parts if '"account_team"' in path.read_text()] == ["tech_review.py"]
