"""Which decisions on a human task count, and when they add up to an outcome."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations, product
from random import Random

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from rapport.model.task import Decision, Holder, LadderRule, Quorum, Seat, TaskOption, TaskPhase
from rapport.rules.task import judge, outcome, votes

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
OPTIONS = (
    TaskOption(id="approve", title="Approve"),
    TaskOption(id="deny", title="Deny", needs_reason=True),
    TaskOption(id="defer", title="Defer"),
)
OTHERWISE = "deny"


def seat(owner: str, *helpers: str) -> Seat:
    """A member's own seat, which backups can fill too."""
    backups = (Holder(member=helper, on_behalf_of=owner, via="backup", escalated=True) for helper in helpers)
    return Seat(id=owner, owner=owner, holders=(Holder(member=owner), *backups))


def moved(owner: str, delegate: str) -> Seat:
    """The seat of a member who is away."""
    return Seat(id=owner, owner=owner, holders=(Holder(member=delegate, on_behalf_of=owner, via="delegate"),))


def role(name: str, *members: str) -> Seat:
    return Seat(id=f"role:{name}", role=name, holders=tuple(Holder(member=member) for member in members))


def said(*words: tuple[str, str]) -> list[Decision]:
    """Decisions in this order, each as a person and an option."""
    return [
        Decision(id=f"d{number}", round=1, option=option, by=by, submission=f"sub_{number}", at=NOW)
        for number, (by, option) in enumerate(words)
    ]


def verdict(
    by: str = "ann",
    option: str = "approve",
    *,
    round_: int = 1,
    phase: TaskPhase = TaskPhase.OPEN,
    seats: tuple[Seat, ...] = (seat("ann"), seat("bob", "eve")),
    requester: str | None = "tam",
    reason_given: bool = False,
    ended: str | None = None,
) -> str | None:
    """What `judge` says of one decision."""
    return judge(
        Decision(id="d", round=round_, option=option, by=by, submission="sub", at=NOW),
        phase=phase,
        round_=1,
        options=OPTIONS,
        seats=seats,
        requester=requester,
        reason_given=reason_given,
        outcome=ended,
        closed_text="the request was withdrawn",
    )


@pytest.mark.parametrize("phase", [TaskPhase.OPEN, TaskPhase.NEEDS_INFO])
@pytest.mark.parametrize("by", ["ann", "bob", "eve"])
def test_whoever_holds_a_seat_can_decide(phase: TaskPhase, by: str) -> None:
    """Assignees and backups decide while the task is open, also while information is missing."""
    assert verdict(by, phase=phase) is None


def test_a_stranger_cannot_decide() -> None:
    """Somebody who holds no seat is told so."""
    assert verdict("mallory") == "you are not asked to decide this"


def test_someone_who_is_away_is_told_how_to_decide() -> None:
    """An assignee whose seat went to the delegate hears why it did, and what brings it back."""
    away = verdict("ann", seats=(moved("ann", "dan"),))
    assert away == "this went to somebody else while you are away; end your absence to decide it yourself"


@pytest.mark.parametrize(
    "seats", [(seat("tam"),), (seat("ann", "tam"),), (moved("ann", "tam"),), (role("tam", "tam"),)]
)
def test_the_requester_cannot_decide(seats: tuple[Seat, ...]) -> None:
    """Nobody decides what they asked for: not as assignee, backup, delegate or one of a role."""
    assert verdict("tam", seats=seats) == "you asked for this yourself; somebody else has to decide it"


def test_a_decided_task_names_its_outcome() -> None:
    """A late decision is told what was decided."""
    assert verdict(phase=TaskPhase.CLOSED, ended="deny") == "this is already decided: Deny"


def test_a_task_that_closed_without_a_decision_says_why() -> None:
    """A decision on a withdrawn request is told that the request was withdrawn."""
    assert verdict(phase=TaskPhase.CLOSED) == "the request was withdrawn"


def test_a_decision_on_an_old_round_is_void() -> None:
    """Whoever decides what has changed since is sent to the latest mail."""
    assert verdict(round_=0) == "the request was changed; please use the latest mail"


def test_an_unknown_option_is_answered_with_the_known_ones() -> None:
    """Whoever names no option is told which there are."""
    assert verdict(option="maybe") == "this isn't one of the answers: choose Approve, Deny or Defer"


def test_an_option_can_need_a_reason() -> None:
    """Without its reason such an option does not count, with it it does."""
    assert verdict(option="deny") == "Deny needs a reason; please add one"
    assert verdict(option="deny", reason_given=True) is None


def test_nothing_is_decided_while_the_request_is_written() -> None:
    """A decision before the task opens does not count."""
    assert (
        verdict(phase=TaskPhase.PREPARING) == "the request is still being written; it is mailed to you once it is ready"
    )


def test_the_latest_word_of_a_person_counts() -> None:
    """A vote can change until the task closes."""
    assert votes([seat("ann")], said(("ann", "approve"), ("ann", "defer"))) == {"ann": "defer"}


def test_a_delegate_of_two_fills_one_seat() -> None:
    """Whoever stands in for two people still has one vote."""
    assert votes([moved("ann", "dan"), moved("bob", "dan")], said(("dan", "approve"))) == {"ann": "approve"}


def test_ones_own_seat_goes_first() -> None:
    """Whoever has a seat and stands in for another fills their own."""
    assert votes([moved("ann", "bob"), seat("bob")], said(("bob", "approve"))) == {"bob": "approve"}


@pytest.mark.parametrize("order", list(permutations([("bob", "approve"), ("eve", "defer")])))
def test_the_assignees_word_goes_before_the_backups(order: tuple[tuple[str, str], ...]) -> None:
    """Where the owner of a seat and their backup both spoke, the owner's word stands, whoever spoke first."""
    assert votes([seat("bob", "eve")], said(*order)) == {"bob": "approve"}


def test_a_seat_is_left_to_whoever_can_fill_no_other() -> None:
    """Of two roles and two people of whom one has both, each fills one, so no seat stays empty."""
    seats = [role("tam", "ann", "bob"), role("ce", "ann")]
    assert votes(seats, said(("ann", "defer"), ("bob", "approve"))) == {"role:tam": "approve", "role:ce": "defer"}


def closes(quorum: str, *words: tuple[str, str], seats: int = 4) -> str | None:
    """The outcome with the seats of a, b, c, …"""
    return outcome(quorum, OPTIONS, [seat(name) for name in "abcdefgh"[:seats]], said(*words), OTHERWISE)


@pytest.mark.parametrize(
    ("quorum", "words", "expected"),
    [
        ("any", "", None),
        ("any", "a+", "approve"),
        ("all", "a+ b+ c+", None),
        ("all", "a+ b+ c+ d+", "approve"),
        ("all", "a+ b?", OTHERWISE),
        ("all", "a-", OTHERWISE),
        ("all", "a?", None),
        ("majority", "a? b?", None),
        ("majority", "a- b-", OTHERWISE),
        ("majority", "a? b? c?", "defer"),
        ("majority", "a+ b+ c? d?", OTHERWISE),
        ("majority", "a+ b+ c?", None),
        ("2", "a+ b?", None),
        ("2", "a+ b? c?", "defer"),
        ("3", "a+ b?", None),
        ("3", "a+ b? c-", OTHERWISE),
        ("3", "a+ b+ c? d?", OTHERWISE),
        ("3", "a+ b+ c? c+", "approve"),
        ("9", "a+ b+ c+", None),
        ("9", "a+ b+ c+ d+", "approve"),
    ],
)
def test_a_task_closes_as_soon_as_its_quorum_is_certain(quorum: str, words: str, expected: str | None) -> None:
    """Each quorum closes with the vote that settles it, and not before; where nothing can win, people do not agree."""
    means = {"+": "approve", "-": "deny", "?": "defer"}
    spoken = [(word[0], means[word[1]]) for word in words.split()]
    assert closes(quorum, *spoken) == expected


@given(
    st.permutations("abc"),
    st.lists(st.sampled_from(["approve", "deny"]), min_size=3, max_size=3),
    st.sampled_from(["a", "z"]),
    st.booleans(),
)
def test_an_option_that_needs_somebodys_own_word_is_none_without_it(
    order: tuple[str, ...], words: list[str], needed: str, hear_all: bool
) -> None:
    """However many others choose it; who has no seat here is not needed, and nothing is decided twice."""
    options = [option.model_copy(update={"needs": needed} if option.id == "approve" else {}) for option in OPTIONS]
    seats, spoken = [seat(name) for name in "abc"], list(zip(order, words, strict=True))
    so_far = [
        outcome("majority", options, seats, said(*spoken[:count]), "deny", hear_all=hear_all) for count in range(4)
    ]
    closed = next((one for one in so_far if one is not None), None)
    assert all(one in (None, closed) for one in so_far)
    own, approving = dict(spoken).get(needed, "approve"), words.count("approve") > 1
    if hear_all or own == "approve":
        assert closed == ("approve" if approving and own == "approve" else "deny")
    else:
        assert closed == "deny"


def test_a_task_without_seats_has_no_outcome() -> None:
    """Where nobody is asked, nothing counts as agreed by all."""
    assert closes("all", seats=0) is None


def test_a_single_option_waits_for_everyone() -> None:
    """Where there is only one thing to say, the quorum is still awaited."""
    done = (TaskOption(id="done", title="Done"),)
    seats = [seat("a"), seat("b")]
    assert outcome("all", done, seats, said(("a", "done")), "done") is None
    assert outcome("all", done, seats, said(("a", "done"), ("b", "done")), "done") == "done"


def test_what_is_decided_stays_decided() -> None:
    """The option that has enough seats first wins, also if another gets as many later."""
    assert closes("2", ("a", "approve"), ("b", "approve"), ("c", "defer"), ("d", "defer")) == "approve"
    assert closes("any", ("a", "approve"), ("a", "deny")) == "approve"


quorums = st.sampled_from(("any", "all", "majority", "1", "2", "3", "4", "7"))
option_ids = st.sampled_from([option.id for option in OPTIONS])
people = st.sampled_from("abcdef")


@st.composite
def panels(draw: st.DrawFn) -> list[Seat]:
    """Up to four seats of all kinds, where people stand in for each other at random."""
    seats: list[Seat] = []
    for owner in draw(st.lists(people, min_size=1, max_size=4, unique=True)):
        others = [member for member in draw(st.lists(people, max_size=2, unique=True)) if member != owner]
        kind = draw(st.sampled_from(("own", "moved", "role")))
        if kind == "role":
            seats.append(role(owner, owner, *others))
        elif kind == "moved" and others:
            seats.append(moved(owner, others[0]))
        else:
            seats.append(seat(owner, *others))
    return seats


words = st.lists(st.tuples(people, option_ids), max_size=8)


@given(panels(), words)
def test_one_person_never_counts_twice(seats: list[Seat], spoken: list[tuple[str, str]]) -> None:
    """Whatever people hold, there are no more votes for an option than people who chose it, and only holders count."""
    holders = {holder.member for seat in seats for holder in seat.holders}
    latest = dict(spoken)
    counted = votes(seats, said(*spoken))
    for option in OPTIONS:
        choosers = [who for who, chosen in latest.items() if chosen == option.id and who in holders]
        assert list(counted.values()).count(option.id) <= len(choosers)


@given(panels(), words)
def test_a_vote_fills_a_seat_that_its_voter_holds(seats: list[Seat], spoken: list[tuple[str, str]]) -> None:
    """Each filled seat stands for the word of one of its holders, and its owner's goes first."""
    latest = dict(spoken)
    for seat_id, option in votes(seats, said(*spoken)).items():
        seat = next(seat for seat in seats if seat.id == seat_id)
        assert option in [latest.get(holder.member) for holder in seat.holders]
        if seat.owner in latest and seat.owner in [holder.member for holder in seat.holders]:
            assert option == latest[seat.owner]


@given(panels(), st.dictionaries(people, option_ids, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_people_does_not_matter(seats: list[Seat], spoken: dict[str, str], random: Random) -> None:
    """The same people with the same words fill the same seats in any order."""
    shuffled = list(spoken.items())
    random.shuffle(shuffled)
    assert votes(seats, said(*spoken.items())) == votes(seats, said(*shuffled))


@settings(deadline=None)
@given(st.sampled_from(("all", "majority", "3", "4", "7")), st.lists(option_ids, max_size=4), st.integers(0, 1))
def test_an_outcome_does_not_depend_on_who_was_quicker(quorum: str, chosen: list[str], silent: int) -> None:
    """Where more than half have to agree, the order in which people decide changes nothing."""
    spoken = list(zip("abcdefgh", chosen, strict=False))
    outcomes = {closes(quorum, *order, seats=len(chosen) + silent) for order in permutations(spoken)}
    assert len(outcomes) == 1


@settings(deadline=None)
@given(quorums, st.lists(option_ids, max_size=4), st.integers(0, 3))
def test_an_outcome_is_named_exactly_when_it_is_certain(quorum: str, chosen: list[str], silent: int) -> None:
    """While a task is open, the silent seats can still bring another outcome; once it closes, none of them can."""
    seats = len(chosen) + silent
    spoken = list(zip("abcdefgh", chosen, strict=False))
    quiet = "abcdefgh"[len(chosen) : seats]
    now = closes(quorum, *spoken, seats=seats)
    ids = [option.id for option in OPTIONS]
    futures = {
        closes(quorum, *spoken, *zip(quiet, rest, strict=True), seats=seats) for rest in product(ids, repeat=len(quiet))
    }
    if now is not None:
        assert futures == {now}
    elif seats:
        assert len(futures) > 1


@given(quorums, panels(), words, words)
def test_what_is_certain_stays(
    quorum: str, seats: list[Seat], before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    """No later decision changes an outcome, whoever makes it."""
    closed = outcome(quorum, OPTIONS, seats, said(*before), OTHERWISE)
    if closed is not None:
        assert outcome(quorum, OPTIONS, seats, said(*before, *after), OTHERWISE) == closed


@pytest.mark.parametrize("quorum", ["any", "all", "majority", "1", "12"])
def test_a_quorum_is_a_word_or_a_number(quorum: str) -> None:
    """These are the quorums there are."""
    assert TypeAdapter(Quorum).validate_python(quorum) == quorum


@pytest.mark.parametrize("quorum", ["", "0", "-1", "some", "1.5", "٣"])
def test_any_other_quorum_is_refused(quorum: str) -> None:
    """A quorum that means nothing is refused with what to write instead."""
    with pytest.raises(ValidationError, match='use any, all, majority, or a number such as "2"'):
        TypeAdapter(Quorum).validate_python(quorum)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"remind": (2, 1), "timeout": 5}, "remind: the days do not grow"),
        ({"remind": (3,), "backup": 2, "timeout": 5}, "backup: comes before remind; write 3 or more"),
        ({"backup": 3, "manager": 2, "timeout": 5}, "manager: comes before backup; write 3 or more"),
        ({"remind": (1, 6), "timeout": 5}, "timeout: comes before the last reminder; write 6 or more"),
        ({"manager": 6, "timeout": 5}, "timeout: comes before manager; write 6 or more"),
        ({"remind": (0,), "timeout": 5}, "remind: counts from the opening, which no day precedes; write 1 or more"),
    ],
)
def test_a_ladder_leads_upwards(rule: dict[str, object], problem: str) -> None:
    """A rule that climbs out of order is refused with the field and what to write instead."""
    with pytest.raises(ValidationError, match=problem):
        LadderRule.model_validate(rule)
