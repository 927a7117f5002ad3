"""When people have agreed on a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from rapport.model.meeting import Invitee, MeetingPhase, Proposal, Slot, Vote
from rapport.rules import quorum
from rapport.rules.quorum import PollStanding

OPENED = datetime(2026, 11, 23, 9, tzinfo=UTC)
DEADLINE = OPENED + timedelta(days=3)
SLOTS = tuple(
    Slot(id=str(n), start=OPENED + timedelta(days=6 + n), end=OPENED + timedelta(days=6 + n, minutes=30))
    for n in range(1, 6)
)
INVITEES = (
    Invitee(id="business", personas=("key_business_contact",)),
    Invitee(id="champion", personas=("primary_champion",), groups=(0,)),
    Invitee(id="user", personas=("primary_user",), groups=(1,)),
    Invitee(id="second", personas=("secondary_user",), groups=(1,)),
)
PROPOSAL = Proposal(
    round=1, tam="tam", slots=SLOTS, invitees=INVITEES, required_groups=2, deadline=DEADLINE, stale_at=DEADLINE
)
PEOPLE = ("business", "champion", "user", "second", "tam")


def said(**answers: str) -> dict[str, Vote]:
    """Votes by person; each answer is a text of slot ids, such as "13"."""
    return {who: Vote(at=OPENED, id=who, voter=who, round=1, slots=tuple(ids)) for who, ids in answers.items()}


answers = st.dictionaries(st.sampled_from(PEOPLE), st.sets(st.sampled_from("12345")).map(lambda s: "".join(sorted(s))))


@given(answers)
def test_an_agreed_time_suits_everyone_who_is_required(given_answers: dict[str, str]) -> None:
    """Before the deadline a time is agreed exactly when the TAM, the champion and one user can make it."""
    votes = said(**given_answers)
    shared = [
        slot.id
        for slot in SLOTS
        if slot.id in given_answers.get("champion", "")
        and (slot.id in given_answers.get("user", "") or slot.id in given_answers.get("second", ""))
        and slot.id in given_answers.get("tam", "12345")
    ]
    tally = quorum.tally(PROPOSAL, votes, OPENED)
    assert (tally.standing is PollStanding.AGREED) == bool(shared)
    if tally.slot is not None:
        assert tally.slot.id in shared


@given(answers, st.booleans())
def test_no_time_is_booked_against_the_champion_or_the_tam(given_answers: dict[str, str], late: bool) -> None:
    """Whatever the others say and whenever it is counted, the champion and the TAM can make what is booked."""
    tally = quorum.tally(PROPOSAL, said(**given_answers), DEADLINE if late else OPENED)
    if tally.slot is not None:
        assert tally.slot.id in given_answers.get("champion", "")
        assert tally.slot.id in given_answers.get("tam", "12345")


@given(answers)
def test_after_the_deadline_nothing_stays_open(given_answers: dict[str, str]) -> None:
    """From the deadline on there is a time, or a reason why there is none."""
    tally = quorum.tally(PROPOSAL, said(**given_answers), DEADLINE)
    assert tally.standing is not PollStanding.OPEN
    assert (tally.slot is None) == (tally.reason is not None)


@given(answers, answers)
def test_the_order_of_votes_does_not_matter(one: dict[str, str], other: dict[str, str]) -> None:
    """The same answers in another order give the same result."""
    both = {**one, **other}
    backwards = dict(reversed(list(both.items())))
    assert quorum.tally(PROPOSAL, said(**both), OPENED) == quorum.tally(PROPOSAL, said(**backwards), OPENED)


@given(st.integers(0, 40))
def test_a_time_that_is_too_near_is_not_booked(hours: int) -> None:
    """What begins within two hours is no longer booked by a vote."""
    now = SLOTS[0].start - timedelta(hours=hours) / 4
    tally = quorum.tally(PROPOSAL, said(champion="1", user="1"), now)
    assert (tally.slot == SLOTS[0]) == (SLOTS[0].start - now >= quorum.LEAST_NOTICE)


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        (said(), "no one replied by the deadline"),
        (said(user="12"), "the champion didn't reply by the deadline"),
        (said(champion=""), "none of the times work for the champion"),
        (said(tam=""), "none of the proposed times is possible now"),
    ],
)
def test_a_vote_without_a_result_says_why(votes: dict[str, Vote], reason: str) -> None:
    """Each way to no result has its own reason, in words for the TAM."""
    assert quorum.tally(PROPOSAL, votes, DEADLINE).reason == reason


def test_the_champions_no_is_told_before_the_deadline() -> None:
    """When the champion can make none of the times, the TAM need not wait for the deadline to hear it."""
    assert quorum.tally(PROPOSAL, said(champion="", user="1"), OPENED).standing is PollStanding.STUCK


def test_at_the_deadline_most_of_those_required_decide() -> None:
    """Of the champion's times the one that fills most places wins, then the most people, then the earliest."""
    tally = quorum.tally(PROPOSAL, said(champion="123", user="4", business="13"), DEADLINE)
    assert tally.slot == SLOTS[0]
    tally = quorum.tally(PROPOSAL, said(champion="123", business="3"), DEADLINE)
    assert tally.slot == SLOTS[2]


@pytest.mark.parametrize("phase", list(MeetingPhase))
@given(
    voter=st.sampled_from([*PEOPLE, "stranger"]),
    round_=st.integers(0, 2),
    slots=st.sets(st.sampled_from("123459")).map(lambda s: tuple(sorted(s))),
)
def test_a_vote_counts_only_from_the_invited_in_this_round_on_these_times(
    phase: MeetingPhase, voter: str, round_: int, slots: tuple[str, ...]
) -> None:
    """One rule decides for the page, the command, the update and the signal alike."""
    ballot = Vote(at=OPENED, id="v", voter=voter, round=round_, slots=slots)
    fits = (
        phase in (MeetingPhase.VOTING, MeetingPhase.STUCK) and voter != "stranger" and round_ == 1 and "9" not in slots
    )
    assert (quorum.judge_vote(ballot, PROPOSAL, phase) is None) == fits


def test_only_the_required_are_awaited() -> None:
    """The business contact's silence holds nobody up."""
    assert quorum.unanswered(PROPOSAL, said(champion="1")) == ("user", "second")


@given(answers, st.sets(st.sampled_from(SLOTS)), st.booleans())
def test_a_poll_that_lost_times_goes_on_only_where_it_can_come_to_an_agreement(
    given_answers: dict[str, str], lost: set[Slot], late: bool
) -> None:
    """It is agreed all the same, or if all who are silent say yes to what is left, two times suit everyone required."""
    left = PROPOSAL.model_copy(update={"slots": tuple(slot for slot in SLOTS if slot not in lost)})
    now, votes = DEADLINE if late else OPENED, said(**given_answers)
    goes_on = quorum.can_go_on(left, votes, now)
    if quorum.tally(left, votes, now).standing is PollStanding.AGREED:
        assert goes_on
        return
    willing = dict.fromkeys(PEOPLE, "12345") | given_answers
    reached = [
        slot
        for slot in left.slots
        if quorum.tally(left.model_copy(update={"slots": (slot,)}), said(**willing), now).standing
        is PollStanding.AGREED
    ]
    assert goes_on == (not late and len(reached) >= quorum.LEAST_CHOICE)


@given(st.sets(st.sampled_from(PEOPLE[:4])))
def test_only_who_is_needed_is_missed(declined: set[str]) -> None:
    """The host is asked what follows exactly where the champion, or every user, says that they cannot come."""
    missed = "champion" in declined or {"user", "second"} <= declined
    assert quorum.uncovered(PROPOSAL, declined) is missed


@given(st.sets(st.sampled_from(PEOPLE[:4])), st.sampled_from(PEOPLE[:4]))
def test_one_more_who_cannot_come_helps_nobody(declined: set[str], other: str) -> None:
    """Whoever else declines, what was missing stays missing."""
    if quorum.uncovered(PROPOSAL, declined):
        assert quorum.uncovered(PROPOSAL, declined | {other})
