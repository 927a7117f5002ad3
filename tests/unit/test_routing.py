"""Who gets a case: a state machine of a desk's days against a plain model, and the rules one by one."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rapport.model.account import WEEKDAYS, Role, Schedule, WorkingHours
from rapport.rules.calendar import Interval
from rapport.rules.routing import (
    AT_REST,
    FAIR_DAYS,
    WEIGHTS,
    Choice,
    Engineer,
    GivenCase,
    HeldCase,
    Unsuitability,
    WaitingCase,
    bar,
    dispatch,
    must_hand_on,
)

SUPPORT = frozenset({Role.SUPPORT_ENGINEER})
ZURICH = Schedule(zone="Europe/Zurich")
LATE = Schedule(zone="Europe/Zurich", hours=WorkingHours(start=time(12), end=time(20)))
SYDNEY = Schedule(zone="Australia/Sydney")
TUESDAY = datetime(2026, 11, 24, 9, tzinfo=UTC)
AREAS = ("billing", "api", "agents")

ROLES = st.sampled_from(
    [SUPPORT, SUPPORT, SUPPORT | {Role.SUPPORT_LEAD}, SUPPORT | {Role.ENGINEERING}, frozenset({Role.ENGINEERING}),
     frozenset({Role.SUPPORT_LEAD}), SUPPORT | {Role.VP_ENGINEERING}]
)  # fmt: skip
SKILLS = st.none() | st.frozensets(st.sampled_from(AREAS))
SCHEDULES = st.sampled_from([ZURICH, LATE, SYDNEY])


class Person:
    """A member, in the plain model."""

    def __init__(
        self, id_: str, roles: frozenset[Role], areas: frozenset[str] | None, schedule: Schedule, *, on_call: bool
    ) -> None:
        self.id, self.roles, self.areas, self.schedule, self.on_call = id_, roles, areas, schedule, on_call
        self.away: list[Interval] = []
        self.given: list[GivenCase] = []

    def works(self, now: datetime) -> bool:
        """Whether they sit at their desk."""
        local = now.astimezone(ZoneInfo(self.schedule.zone))
        hours = self.schedule.hours
        on_duty = WEEKDAYS[local.weekday()] in (hours.days or WEEKDAYS[:5]) and hours.start <= local.time() < hours.end
        return on_duty and not self.is_away(now)

    def is_away(self, now: datetime) -> bool:
        """Whether they are absent."""
        return any(spell.start <= now < spell.end for spell in self.away)

    def may(self, case: WaitingCase, now: datetime) -> bool:
        """Whether they can have a case now."""
        return (
            Role.SUPPORT_ENGINEER in self.roles
            and not self.roles & {Role.ENGINEERING, Role.VP_ENGINEERING}
            and (case.area is None or self.areas is None or case.area in self.areas)
            and self.id not in case.not_to
            and (self.works(now) or (self.on_call and case.severity == 1 and not self.is_away(now)))
        )


class Desk(RuleBasedStateMachine):
    """A desk over some days: cases come, wait for customers, are handed on and end; people come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.now = TUESDAY
        self.people: dict[str, Person] = {}
        self.queue: dict[str, WaitingCase] = {}
        self.owned: dict[str, tuple[str, WaitingCase, bool]] = {}
        self.ended: set[str] = set()
        self.opened = 0

    @initialize(schedule=SCHEDULES)
    def somebody(self, schedule: Schedule) -> None:
        """There is a support engineer to begin with."""
        self.people["m0"] = Person("m0", SUPPORT, None, schedule, on_call=False)

    @rule(roles=ROLES, areas=SKILLS, schedule=SCHEDULES, on_call=st.booleans())
    def hire(self, roles: frozenset[Role], areas: frozenset[str] | None, schedule: Schedule, on_call: bool) -> None:
        """Somebody joins; not every one of them to answer customers."""
        id_ = f"m{len(self.people)}"
        self.people[id_] = Person(id_, roles, areas, schedule, on_call=on_call)

    @rule(severity=st.integers(1, 4), area=st.none() | st.sampled_from(AREAS), count=st.integers(1, 6))
    def open(self, severity: int, area: str | None, count: int) -> None:
        """Cases come in."""
        for _ in range(count):
            self.opened += 1
            ref = f"C-{self.opened:05d}"
            self.queue[ref] = WaitingCase(ref, severity, self.now, area)

    @rule(minutes=st.integers(1, 16 * 60))
    def pass_time(self, minutes: int) -> None:
        """Time passes."""
        self.now += timedelta(minutes=minutes)

    @rule(data=st.data(), hours=st.integers(1, 80))
    def go_away(self, data: st.DataObject, hours: int) -> None:
        """Somebody is away, and those of their cases that cannot stay come back to the desk."""
        person = self.people[data.draw(st.sampled_from(sorted(self.people)))]
        person.away.append(Interval(self.now, self.now + timedelta(hours=hours)))
        engineer = self.seen(person)
        for ref, (owner, case, _) in list(self.owned.items()):
            if owner == person.id and must_hand_on(engineer, case.severity, self.now):
                del self.owned[ref]
                self.queue[ref] = case._replace(since=self.now, known_by=None)

    @rule(data=st.data())
    def hand_on(self, data: st.DataObject) -> None:
        """Somebody hands a case on; they do not get it again."""
        if self.owned:
            ref = data.draw(st.sampled_from(sorted(self.owned)))
            owner, case, _ = self.owned.pop(ref)
            self.queue[ref] = case._replace(since=self.now, not_to=case.not_to | {owner}, known_by=None)

    @rule(data=st.data())
    def rest(self, data: st.DataObject) -> None:
        """A case waits for its customer, or no longer does."""
        if self.owned:
            ref = data.draw(st.sampled_from(sorted(self.owned)))
            owner, case, at_rest = self.owned[ref]
            self.owned[ref] = (owner, case, not at_rest)

    @rule(data=st.data(), reopened=st.booleans())
    def end(self, data: st.DataObject, reopened: bool) -> None:
        """A case is solved; of some, the customer says that it is not."""
        if self.owned:
            ref = data.draw(st.sampled_from(sorted(self.owned)))
            owner, case, _ = self.owned.pop(ref)
            if reopened:
                self.queue[ref] = case._replace(since=self.now, known_by=owner)
            else:
                self.ended.add(ref)

    @rule(data=st.data())
    def turn(self, data: st.DataObject) -> None:
        """The desk's turn: who gets what is checked choice by choice, in whatever order the inputs come."""
        cases = data.draw(st.permutations(list(self.queue.values())))
        engineers = data.draw(st.permutations([self.seen(person) for person in self.people.values()]))
        choices = dispatch(cases, engineers, self.now)
        assert [choice.ref for choice in choices] == sorted(
            self.queue, key=lambda ref: (self.queue[ref].severity, self.queue[ref].since, ref)
        )
        assert choices == dispatch(reversed(cases), reversed(engineers), self.now)
        for choice in choices:
            self.check(choice, self.queue[choice.ref])
            if choice.to is not None:
                case = self.queue.pop(choice.ref)
                self.owned[choice.ref] = (choice.to, case, False)
                self.people[choice.to].given.append(GivenCase(self.now, case.severity))

    def check(self, choice: Choice, case: WaitingCase) -> None:
        """One choice is what the plain model would have it."""
        able = [person for person in self.people.values() if person.may(case, self.now)]
        assert {one.member for one in choice.considered} == set(self.people)
        assert {one.member for one in choice.considered if one.bar is None} == {person.id for person in able}
        if not able:
            assert choice.to is None
            self.check_again(choice, case)
            return
        working = [person for person in able if person.works(self.now)]
        among = working or able
        assert choice.to in {person.id for person in among}
        assert choice.paged is not bool(working)
        if case.known_by in {person.id for person in among}:
            assert choice.to == case.known_by
        else:
            assert self.load(choice.to) == min(self.load(person.id) for person in among)
        assert choice.reason

    def check_again(self, choice: Choice, case: WaitingCase) -> None:
        """The desk wakes when somebody can have the case, and not later."""
        if choice.again is None:
            later = [self.now + timedelta(hours=hour) for hour in range(1, 24 * 8)]
        else:
            assert choice.again > self.now
            assert any(person.may(case, choice.again) for person in self.people.values())
            later = [self.now + n * (choice.again - self.now) / 50 for n in range(50)]
        shifts = [person for person in self.people.values() if not (person.on_call and case.severity == 1)]
        assert not any(person.may(case, at) for person in shifts for at in later)

    def load(self, member: str | None) -> int:
        """What somebody has to do."""
        mine = [(case.severity, at_rest) for owner, case, at_rest in self.owned.values() if owner == member]
        return sum(1 if at_rest else {1: 8, 2: 4, 3: 2, 4: 1}[severity] for severity, at_rest in mine)

    def seen(self, person: Person) -> Engineer:
        """A person, as the desk is handed them."""
        mine = [(case.severity, at_rest) for owner, case, at_rest in self.owned.values() if owner == person.id]
        return Engineer(
            person.id,
            person.roles,
            person.schedule,
            person.areas,
            tuple(person.away),
            tuple(HeldCase(severity, at_rest) for severity, at_rest in mine),
            tuple(person.given),
            on_call=person.on_call,
        )

    @invariant()
    def none_lost_and_none_twice(self) -> None:
        """Each case stands in one place."""
        places = [*self.queue, *self.owned, *self.ended]
        assert sorted(places) == [f"C-{number + 1:05d}" for number in range(self.opened)]

    @invariant()
    def never_a_developer(self) -> None:
        """Nobody with engineering, and nobody without support, has a case."""
        for owner, _, _ in self.owned.values():
            assert Role.SUPPORT_ENGINEER in self.people[owner].roles
            assert not self.people[owner].roles & {Role.ENGINEERING, Role.VP_ENGINEERING}


Desk.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
TestDesk = Desk.TestCase


def engineer(id_: str, *holds: int, areas: frozenset[str] | None = None, schedule: Schedule = ZURICH) -> Engineer:
    """Somebody at work who has cases of these severities."""
    return Engineer(id_, SUPPORT, schedule, areas, holds=tuple(map(HeldCase, holds)))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=60), st.integers(2, 5))
@settings(deadline=None)
def test_over_time_everyone_is_given_the_same(severities: list[int], count: int) -> None:
    """Where all work the same hours and solve all at once, no two are ever further apart than one case."""
    given_: dict[str, list[GivenCase]] = {f"m{number}": [] for number in range(count)}
    for number, severity in enumerate(severities):
        now = TUESDAY + timedelta(minutes=number)
        desk = [Engineer(id_, SUPPORT, ZURICH, given=tuple(mine)) for id_, mine in given_.items()]
        (choice,) = dispatch([WaitingCase(f"C-{number}", severity, now)], desk, now)
        given_[choice.to or ""].append(GivenCase(now, severity))
        shares = [sum(WEIGHTS[one.severity] for one in mine) for mine in given_.values()]
        assert max(shares) - min(shares) <= max(WEIGHTS.values())


def test_a_part_time_engineer_is_given_a_part() -> None:
    """Of equal load, it counts how long somebody was at work: two days a week are given two fifths as much."""
    part = Schedule(zone="Europe/Zurich", hours=WorkingHours(days=frozenset({"mon", "tue"})))
    given_: dict[str, list[GivenCase]] = {"full": [], "part": []}
    for number in range(70):
        now = TUESDAY + timedelta(minutes=number)
        desk = [
            Engineer("full", SUPPORT, ZURICH, given=tuple(given_["full"])),
            Engineer("part", SUPPORT, part, given=tuple(given_["part"])),
        ]
        (choice,) = dispatch([WaitingCase("C-1", 3, now)], desk, now)
        given_[choice.to or ""].append(GivenCase(now, 3))
    assert (len(given_["full"]), len(given_["part"])) == (50, 20)


def test_who_was_away_for_weeks_catches_up_on_nothing() -> None:
    """Back from four weeks of absence, somebody is not flooded with what others were given meanwhile."""
    back = (Interval(TUESDAY - timedelta(days=35), TUESDAY - timedelta(days=1)),)
    others = tuple(GivenCase(TUESDAY - timedelta(days=day), 3) for day in range(1, 20))
    given_: dict[str, list[GivenCase]] = {"back": [], "there": list(others)}
    for number in range(20):
        now = TUESDAY + timedelta(minutes=number)
        desk = [
            Engineer("back", SUPPORT, ZURICH, away=back, given=tuple(given_["back"])),
            Engineer("there", SUPPORT, ZURICH, given=tuple(given_["there"])),
        ]
        (choice,) = dispatch([WaitingCase("C-1", 3, now)], desk, now)
        given_[choice.to or ""].append(GivenCase(now, 3))
    assert len(given_["back"]) <= 3


def test_a_burst_is_spread_evenly() -> None:
    """A thousand cases of one severity at once leave no two further apart than one case, and none without an owner."""
    cases = [WaitingCase(f"C-{number:05d}", 3, TUESDAY) for number in range(1000)]
    choices = dispatch(cases, [engineer(f"m{number}") for number in range(7)], TUESDAY)
    counts = [sum(choice.to == f"m{number}" for choice in choices) for number in range(7)]
    assert sum(counts) == 1000
    assert max(counts) - min(counts) <= 1


def test_load_counts_by_severity() -> None:
    """One grave case weighs more than three small ones, and what waits for its customer weighs little."""
    (choice,) = dispatch([WaitingCase("C-1", 3, TUESDAY)], [engineer("a", 1), engineer("b", 4, 4, 4)], TUESDAY)
    assert choice.to == "b"
    assert choice.reason == "has the least load: 3, the next has 8"
    resting = Engineer("a", SUPPORT, ZURICH, holds=(HeldCase(1, at_rest=True),))
    (choice,) = dispatch([WaitingCase("C-1", 3, TUESDAY)], [resting, engineer("b", 4, 4)], TUESDAY)
    assert choice.to == "a"
    assert choice.considered[0].load == AT_REST


def test_what_was_given_long_ago_no_longer_counts() -> None:
    """Only the last weeks count for whose turn it is."""
    old = tuple(GivenCase(TUESDAY - timedelta(days=FAIR_DAYS + 1), 1) for _ in range(50))
    desk = [Engineer("a", SUPPORT, ZURICH, given=old), Engineer("b", SUPPORT, ZURICH, given=(GivenCase(TUESDAY, 4),))]
    (choice,) = dispatch([WaitingCase("C-1", 3, TUESDAY)], desk, TUESDAY)
    assert choice.to == "a"
    assert "was given least" in choice.reason


def test_several_cases_of_a_day_count_as_many() -> None:
    """What somebody was given may be summed up by day and severity, and counts the same."""
    one_by_one = Engineer("a", SUPPORT, ZURICH, given=(GivenCase(TUESDAY, 3),) * 5)
    at_once = one_by_one._replace(given=(GivenCase(TUESDAY, 3, 5),))
    case = WaitingCase("C-1", 3, TUESDAY)
    assert dispatch([case], [one_by_one], TUESDAY) == dispatch([case], [at_once], TUESDAY)


def test_a_case_that_nobody_has_placed_can_go_to_anyone() -> None:
    """Without an area, no skill is asked for."""
    for area in (None, "general"):
        (choice,) = dispatch([WaitingCase("C-1", 3, TUESDAY, area)], [engineer("m", areas=frozenset())], TUESDAY)
        assert choice.to == "m"


@pytest.mark.parametrize(
    ("someone", "why"),
    [
        (Engineer("m", SUPPORT | {Role.ENGINEERING}, ZURICH), "there is no support engineer"),
        (Engineer("m", frozenset({Role.ENGINEERING}), ZURICH), "there is no support engineer"),
        (Engineer("m", frozenset({Role.SUPPORT_LEAD}), ZURICH), "there is no support engineer"),
        (Engineer("m", SUPPORT, ZURICH, left=True), "there is no support engineer"),
        (engineer("m", areas=frozenset({"billing"})), "no one on the desk knows the area: api"),
        (engineer("m", areas=frozenset()), "no one on the desk knows the area: api"),
        (engineer("m", schedule=SYDNEY), "no one who could have it is at work now"),
        (
            Engineer("m", SUPPORT, ZURICH, away=(Interval(TUESDAY, TUESDAY + timedelta(days=3)),)),
            "everyone who could have it is away",
        ),
    ],
)
def test_nobody_eligible_is_told_with_the_reason(someone: Engineer, why: str) -> None:
    """A case that nobody can have stays in the queue, with the reason and with when somebody can."""
    (choice,) = dispatch([WaitingCase("C-1", 2, TUESDAY, "api")], [someone], TUESDAY)
    assert (choice.to, choice.reason) == (None, why)
    if someone.schedule is SYDNEY:
        assert choice.again == datetime(2026, 11, 24, 22, tzinfo=UTC)
    elif someone.away:
        assert choice.again == TUESDAY + timedelta(days=3)
    else:
        assert choice.again is None


def test_an_empty_desk_is_an_answer() -> None:
    """Without anybody at all the case stays queued."""
    (choice,) = dispatch([WaitingCase("C-1", 2, TUESDAY, "api")], [], TUESDAY)
    assert (choice.to, choice.again, choice.reason) == (None, None, "there is no support engineer")


def test_on_call_is_paged_only_for_severity_1_and_only_if_nobody_works() -> None:
    """At night the one on call gets what is of severity 1; a colleague at work elsewhere goes first."""
    night = datetime(2026, 11, 24, 23, tzinfo=UTC)
    on_call = engineer("a")._replace(on_call=True)
    grave, small = dispatch([WaitingCase("C-1", 1, night), WaitingCase("C-2", 2, night)], [on_call], night)
    assert (grave.to, grave.paged, small.to) == ("a", True, None)
    (choice,) = dispatch([WaitingCase("C-1", 1, night)], [on_call, engineer("b", 1, 1, schedule=SYDNEY)], night)
    assert (choice.to, choice.paged) == ("b", False)


def test_cases_stay_over_night_and_leave_with_an_absence() -> None:
    """A case stays with its owner over night and for a short errand; days of absence, or a new job, hand it on."""
    night = TUESDAY + timedelta(hours=12)
    owner = engineer("a")
    assert must_hand_on(owner, 3, night) is None
    errand = owner._replace(away=(Interval(TUESDAY, TUESDAY + timedelta(hours=1)),))
    assert must_hand_on(errand, 3, TUESDAY) is None
    assert must_hand_on(errand, 1, TUESDAY) == "its owner is away"
    assert must_hand_on(errand, 1, TUESDAY + timedelta(hours=1)) is None
    days = owner._replace(away=(Interval(TUESDAY, TUESDAY + timedelta(days=2)),))
    assert must_hand_on(days, 4, TUESDAY) == "its owner is away"
    moved = owner._replace(roles=frozenset({Role.SUPPORT_ENGINEER, Role.ENGINEERING}))
    assert must_hand_on(moved, 4, TUESDAY) == "its owner is with engineering"
    assert must_hand_on(None, 4, TUESDAY) == "its owner is not on the desk any more"


def test_the_lead_cannot_name_a_developer_either() -> None:
    """Whoever names an owner by hand is refused by the same rule."""
    assert bar(Engineer("m", SUPPORT | {Role.VP_ENGINEERING}, ZURICH)) is Unsuitability.ENGINEERING
    assert bar(engineer("m", areas=frozenset({"api"})), "api") is None
