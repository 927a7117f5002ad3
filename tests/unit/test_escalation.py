"""When a silent task is followed up, across zones, weekends, holidays, absences and changes of the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from rapport.model.account import WEEKDAYS, Schedule, Weekday, WorkingHours
from rapport.model.task import EscalationStep, Holder, LadderRule, Seat
from rapport.rules.calendar import (
    Interval,
    add_working_time,
    business_day_around,
    is_business_day,
    last_working_instant,
    next_working_instant,
    working_time,
    working_windows,
)
from rapport.rules.escalation import APPROVALS, REVIEWS, TO_DOS, after_pause, default_deadline, due, rungs, within_hours

DAY = timedelta(days=1)
ZURICH = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH")
NEW_YORK = Schedule(zone="America/New_York", country="US", subdivision="NY")
AUCKLAND = Schedule(zone="Pacific/Auckland", country="NZ", subdivision="AUK")
KOLKATA = Schedule(zone="Asia/Kolkata", country="IN", subdivision="MH")
DUBAI = Schedule(
    zone="Asia/Dubai",
    country="AE",
    hours=WorkingHours(start=time(8), end=time(16), days=frozenset({"sun", "mon", "tue", "wed", "thu"})),
)
PLACES = (ZURICH, NEW_YORK, AUCKLAND, KOLKATA, DUBAI)


def seat(owner: str) -> Seat:
    return Seat(id=owner, owner=owner, holders=(Holder(member=owner),))


def at(text: str, who: Schedule = ZURICH) -> datetime:
    """An instant, written as the person's clock shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(who.zone)).astimezone(UTC)


def shown(ladder: Sequence[EscalationStep], who: Schedule = ZURICH) -> list[tuple[str, str]]:
    """Each rung and what the person's clock shows by then."""
    return [(rung.kind, f"{rung.at.astimezone(ZoneInfo(who.zone)):%a %d %b %H:%M}") for rung in ladder]


def climb(
    rule: LadderRule,
    opened: datetime,
    who: Schedule = ZURICH,
    *,
    deadline: datetime | None = None,
    away: Sequence[Interval] = (),
) -> tuple[EscalationStep, ...]:
    """The ladder of one person's task."""
    return rungs(
        rule, opened=opened, deadline=deadline, seats=[seat("ann")], schedules={"ann": who}, away={"ann": away}
    )


def test_an_approval_is_followed_up_one_two_three_and_five_business_days_after_its_opening() -> None:
    """The reminder, the backup, the manager and the timeout come at the time of day of the opening."""
    assert shown(climb(APPROVALS, at("2026-11-18T10:30"))) == [
        ("remind", "Thu 19 Nov 10:30"),
        ("backup", "Fri 20 Nov 10:30"),
        ("manager", "Mon 23 Nov 10:30"),
        ("timeout", "Wed 25 Nov 10:30"),
    ]


@pytest.mark.parametrize("opened", ["2026-11-20T20:00", "2026-11-21T10:00", "2026-11-23T06:00"])
def test_a_task_opened_outside_working_hours_counts_from_the_next_morning(opened: str) -> None:
    """Nobody has had a day to answer before their first working hour, whether it is night or a weekend."""
    assert shown(climb(APPROVALS, at(opened)))[0] == ("remind", "Tue 24 Nov 09:00")


def test_a_rung_never_comes_at_the_very_end_of_a_shift() -> None:
    """Where the clock skips the hour of a rung and the shift ends with the gap, the next shift is meant."""
    every_day: frozenset[Weekday] = frozenset(WEEKDAYS)
    owl = Schedule(zone="Europe/Zurich", hours=WorkingHours(start=time(1), end=time(2, 30), days=every_day))
    assert shown(climb(APPROVALS, at("2026-03-28T02:15"), owl))[0] == ("remind", "Mon 30 Mar 01:00")


def test_holidays_and_absences_do_not_count() -> None:
    """Days on which the holder does not work are no days of the ladder."""
    away = [Interval(at("2026-12-28T00:00"), at("2026-12-30T12:00"))]
    assert shown(climb(APPROVALS, at("2026-12-23T10:00"), away=away)) == [
        ("remind", "Thu 24 Dec 10:00"),
        ("backup", "Wed 30 Dec 12:00"),
        ("manager", "Thu 31 Dec 10:00"),
        ("timeout", "Tue 05 Jan 10:00"),
    ]


def test_an_absence_without_an_end_in_sight_is_ignored() -> None:
    """The ladder of someone who is away for years, and whom nobody stands in for, still ends."""
    opened = at("2026-11-18T10:30")
    away = [Interval(opened + DAY, opened + 2000 * DAY)]
    assert climb(APPROVALS, opened, away=away) == climb(APPROVALS, opened)


def test_a_to_do_is_followed_up_around_its_deadline() -> None:
    """Reminders come two days before and on the day; the backup, the manager and the timeout after it."""
    ladder = climb(TO_DOS, at("2026-11-09T15:00"), deadline=at("2026-11-20T17:00"))
    assert shown(ladder) == [
        ("remind", "Wed 18 Nov 09:00"),
        ("remind", "Fri 20 Nov 09:00"),
        ("backup", "Tue 24 Nov 09:00"),
        ("manager", "Fri 27 Nov 09:00"),
        ("timeout", "Fri 04 Dec 09:00"),
    ]


def test_a_to_do_is_due_at_its_deadline_and_not_at_the_end_of_its_ladder() -> None:
    """What opens with its deadline, or after it, is due a business day later; decisions are due when they close."""
    opened, later, earlier = at("2026-11-20T15:00"), at("2026-11-25T17:00"), at("2026-11-18T09:00")
    assert due(TO_DOS, opened, later, ZURICH) == later
    assert due(TO_DOS, opened, opened, ZURICH) == due(TO_DOS, opened, earlier, ZURICH) == at("2026-11-23T17:00")
    assert due(APPROVALS, opened, None, ZURICH) is due(REVIEWS, opened, later, ZURICH) is None


def test_a_reminder_before_the_opening_is_dropped() -> None:
    """A task that is opened the day before its deadline is not reminded of in the past."""
    ladder = climb(TO_DOS, at("2026-11-19T15:00"), deadline=at("2026-11-20T17:00"))
    assert [entry for entry in shown(ladder) if entry[0] == "remind"] == [("remind", "Fri 20 Nov 09:00")]


def test_a_deadline_that_is_past_counts_from_the_opening() -> None:
    """A task that is late when it opens is not escalated at once: its holder has the same days as others."""
    late = climb(TO_DOS, at("2026-11-18T10:00"), deadline=at("2026-10-01T17:00"))
    assert shown(late) == [
        ("backup", "Fri 20 Nov 09:00"),
        ("manager", "Wed 25 Nov 09:00"),
        ("timeout", "Wed 02 Dec 09:00"),
    ]


def test_escalation_before_the_deadline_waits_for_the_opening() -> None:
    """What a rule escalates ahead of a deadline comes at the first working instant if the task opens later."""
    rule = LadderRule(remind=(-5,), backup=-4, manager=-3, timeout=-2, relative_to="deadline")
    assert shown(climb(rule, at("2026-11-18T20:00"), deadline=at("2026-11-20T17:00"))) == [
        ("backup", "Thu 19 Nov 09:00"),
        ("manager", "Thu 19 Nov 09:00"),
        ("timeout", "Thu 19 Nov 09:00"),
    ]


def test_on_the_day_is_the_holders_day() -> None:
    """A deadline that is the next morning elsewhere is reminded of before it, not after."""
    deadline = at("2026-11-20T17:00")
    ladder = climb(TO_DOS, at("2026-11-09T15:00"), AUCKLAND, deadline=deadline)
    assert shown(ladder, AUCKLAND)[1] == ("remind", "Fri 20 Nov 09:00")


def test_a_deadline_on_a_sunday_is_reminded_of_on_friday() -> None:
    """Where the deadline is no business day, the last one before it is its day."""
    assert shown(climb(TO_DOS, at("2026-11-09T15:00"), deadline=at("2026-11-22T12:00")))[1] == (
        "remind",
        "Fri 20 Nov 09:00",
    )


def test_a_deadline_at_the_beginning_of_work_has_its_day() -> None:
    """Day 0 of a deadline at 09:00 sharp begins with it."""
    monday = at("2026-11-23T09:00")
    assert business_day_around(monday, 0, ZURICH) == monday
    assert business_day_around(monday - timedelta(seconds=1), 0, ZURICH) == at("2026-11-20T09:00")


def test_a_ladder_needs_its_deadline() -> None:
    """A rule that counts from a deadline is refused without one."""
    with pytest.raises(ValueError, match="deadline: is missing"):
        climb(TO_DOS, at("2026-11-18T10:00"))


def test_each_seat_has_its_own_ladder_and_all_have_one_timeout() -> None:
    """Reminders come in each holder's hours, and the task times out with the last of them, once."""
    opened = at("2026-11-25T10:00")
    both = rungs(
        APPROVALS,
        opened=opened,
        seats=[seat("ann"), seat("bob"), Seat(id="nobody", owner="nobody")],
        schedules={"ann": ZURICH, "bob": NEW_YORK},
        away={},
    )
    assert [(rung.kind, rung.seat) for rung in both] == [
        ("remind", "ann"),
        ("backup", "ann"),
        ("remind", "bob"),
        ("manager", "ann"),
        ("backup", "bob"),
        ("manager", "bob"),
        ("timeout", None),
    ]
    assert shown(both, NEW_YORK)[-1] == ("timeout", "Thu 03 Dec 09:00")


def test_a_deadline_that_nobody_set() -> None:
    """An approval is due with its timeout, a to-do at the end of the fifth business day."""
    opened = at("2026-11-18T10:30")
    assert default_deadline(APPROVALS, opened, ZURICH) == at("2026-11-25T10:30")
    assert default_deadline(TO_DOS, opened, ZURICH) == at("2026-11-25T17:00")


def resume(
    ladder: Sequence[EscalationStep],
    paused_at: datetime,
    resumed_at: datetime,
    who: Schedule = ZURICH,
    *,
    fixed: bool = False,
) -> tuple[EscalationStep, ...]:
    """The rest of one person's ladder after a pause."""
    return after_pause(
        ladder,
        paused_at=paused_at,
        resumed_at=resumed_at,
        seats=[seat("ann")],
        schedules={"ann": who},
        away={},
        fixed=fixed,
    )


def test_an_answer_starts_the_ladder_again_with_what_was_left() -> None:
    """A question stops the reminders; after its answer there is as much working time as there was before."""
    ladder = climb(APPROVALS, at("2026-11-18T10:30"))
    assert shown(resume(ladder, at("2026-11-19T12:30"), at("2026-11-28T12:00"))) == [
        ("backup", "Mon 30 Nov 15:00"),
        ("manager", "Tue 01 Dec 15:00"),
        ("timeout", "Thu 03 Dec 15:00"),
    ]


def test_a_customers_date_does_not_move() -> None:
    """Where the timeout comes from a customer's date it stays, and what would come later is dropped."""
    ladder = climb(APPROVALS, at("2026-11-18T10:30"))
    assert shown(resume(ladder, at("2026-11-19T12:30"), at("2026-11-24T10:00"), fixed=True)) == [
        ("backup", "Tue 24 Nov 16:00"),
        ("timeout", "Wed 25 Nov 10:30"),
    ]


def test_a_ladder_without_holders_moves_by_the_length_of_the_pause() -> None:
    """Where nobody holds a seat any more, there are no working hours to count in."""
    ladder = (EscalationStep(kind="timeout", at=at("2026-11-20T10:00")),)
    paused, resumed = at("2026-11-18T10:00"), at("2026-11-19T10:00")
    (moved,) = after_pause(ladder, paused_at=paused, resumed_at=resumed, seats=[], schedules={}, away={})
    assert moved.at == at("2026-11-21T10:00")


# Around changes of the clock in both hemispheres, and around holidays.
moments = st.builds(
    lambda day, hours, minutes: datetime.combine(day, time(), UTC) + timedelta(hours=hours, minutes=minutes),
    st.sampled_from(
        tuple(
            map(
                date.fromisoformat,
                ("2026-03-06", "2026-03-27", "2026-04-02", "2026-09-25", "2026-10-23", "2026-10-30", "2026-12-22"),
            )
        )
    )
    | st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    st.integers(0, 96),
    st.sampled_from((0, 17, 30)),
)
schedules = st.sampled_from(PLACES) | st.builds(
    lambda who, start, end: who.model_copy(update={"hours": WorkingHours(start=time(start), end=time(end))}),
    st.sampled_from(PLACES),
    st.integers(0, 8),
    st.integers(9, 23),
)


@st.composite
def absences(draw: st.DrawFn, around: datetime) -> list[Interval]:
    """Up to three absences in the weeks around an instant, from an hour to ten days."""
    spans = draw(st.lists(st.tuples(st.integers(-200, 500), st.integers(1, 240)), max_size=3))
    return [Interval(around + timedelta(hours=a), around + timedelta(hours=a + length)) for a, length in spans]


class Task:
    """Two people's task, with rules, zones and absences drawn at random."""

    def __init__(self, data: st.DataObject) -> None:
        self.opened = data.draw(moments, "opened")
        self.rule = data.draw(st.sampled_from((APPROVALS, TO_DOS)), "rule")
        self.deadline = self.opened + timedelta(hours=data.draw(st.integers(-300, 700), "deadline"))
        self.seats = [seat("ann"), seat("bob")]
        self.schedules: Mapping[str, Schedule] = {who: data.draw(schedules, who) for who in ("ann", "bob")}
        self.away = {who: data.draw(absences(self.opened), f"{who} away") for who in ("ann", "bob")}
        self.ladder = rungs(
            self.rule,
            opened=self.opened,
            deadline=self.deadline,
            seats=self.seats,
            schedules=self.schedules,
            away=self.away,
        )

    def works(self, who: str, instant: datetime) -> bool:
        """Whether this person works at an instant, worked out from its date on their clock."""
        schedule = self.schedules[who]
        clock = instant.astimezone(ZoneInfo(schedule.zone))
        free = not any(start <= instant < end for start, end in self.away[who])
        hours = schedule.hours
        return free and is_business_day(clock.date(), schedule) and hours.start <= clock.time() < hours.end

    def assert_in_hours(self, ladder: Sequence[EscalationStep]) -> None:
        for rung in ladder:
            concerned = ("ann", "bob") if rung.seat is None else (rung.seat,)
            assert any(self.works(who, rung.at) for who in concerned)


@settings(deadline=None)
@given(st.data())
def test_every_rung_falls_into_its_holders_working_hours(data: st.DataObject) -> None:
    """On a business day, within the hours, not in an absence, and never before the opening."""
    task = Task(data)
    task.assert_in_hours(task.ladder)
    assert all(rung.at >= task.opened for rung in task.ladder)


@settings(deadline=None)
@given(st.data())
def test_a_ladder_climbs_in_order_and_ends_once(data: st.DataObject) -> None:
    """For each seat the reminder comes before the backup and the backup before the manager; the timeout is the last."""
    task = Task(data)
    assert [rung.at for rung in task.ladder] == sorted(rung.at for rung in task.ladder)
    assert [rung.kind for rung in task.ladder].count("timeout") == 1
    assert task.ladder[-1].kind == "timeout"
    for who in ("ann", "bob"):
        kinds = [rung.kind for rung in task.ladder if rung.seat == who]
        assert kinds == [*["remind"] * kinds.count("remind"), "backup", "manager"]


@settings(deadline=None)
@given(st.data())
def test_an_approval_leaves_whole_business_days(data: st.DataObject) -> None:
    """Between two rungs of an approval lies as much working time as its days have, on days without absences."""
    opened, who = data.draw(moments), data.draw(schedules)
    first, *_, last = climb(APPROVALS, opened, who)
    zone = ZoneInfo(who.zone)
    begin, end = first.at.astimezone(zone).date(), last.at.astimezone(zone).date()
    worked = [begin + n * DAY for n in range((end - begin).days) if is_business_day(begin + n * DAY, who)]
    assert len(worked) == APPROVALS.timeout - APPROVALS.remind[0]


@settings(deadline=None)
@given(st.data())
def test_after_a_pause_everything_left_comes_in_order_and_in_working_hours(data: st.DataObject) -> None:
    """What was due is over; the rest comes after the answer, in hours, in order, with the working time it had left."""
    task = Task(data)
    paused = task.opened + timedelta(hours=data.draw(st.integers(0, 300)))
    resumed = paused + timedelta(hours=data.draw(st.integers(0, 500)))
    rest = after_pause(
        task.ladder,
        paused_at=paused,
        resumed_at=resumed,
        seats=task.seats,
        schedules=task.schedules,
        away=task.away,
    )
    task.assert_in_hours(rest)
    left = [rung for rung in task.ladder if rung.at > paused]
    assert sorted((rung.kind, rung.seat or "") for rung in rest) == sorted(
        (rung.kind, rung.seat or "") for rung in left
    )
    assert [rung.at for rung in rest] == sorted(rung.at for rung in rest)
    assert all(rung.at >= resumed for rung in rest)
    if rest:
        assert rest[-1].kind == "timeout"
    for who in ("ann", "bob"):
        before = [rung.at for rung in left if rung.seat == who]
        after = [rung.at for rung in rest if rung.seat == who]
        for one, other in zip(before, after, strict=True):
            hours = task.schedules[who], task.away[who]
            assert working_time(paused, one, *hours) == working_time(resumed, other, *hours)


@settings(deadline=None)
@given(st.data())
def test_a_fixed_timeout_never_moves(data: st.DataObject) -> None:
    """Whatever the pause, a customer's date stays, and nothing comes after it."""
    task = Task(data)
    paused = task.opened + timedelta(hours=data.draw(st.integers(0, 300)))
    rest = after_pause(
        task.ladder,
        paused_at=paused,
        resumed_at=paused + timedelta(hours=data.draw(st.integers(0, 500))),
        seats=task.seats,
        schedules=task.schedules,
        away=task.away,
        fixed=True,
    )
    assert list(rest[-1:]) == [rung for rung in task.ladder[-1:] if rung.at > paused]


@settings(deadline=None)
@given(st.data())
def test_working_time_adds_up(data: st.DataObject) -> None:
    """Time that is added in working hours is there when it is counted, absences left out."""
    start, who = data.draw(moments), data.draw(schedules)
    away = data.draw(absences(start))
    amount = timedelta(minutes=data.draw(st.integers(0, 6000)))
    end = add_working_time(start, amount, who, away)
    assert working_time(start, end, who, away) == amount
    assert next_working_instant(end, who, away) == end


@settings(deadline=None)
@given(st.data(), st.integers(-6, 6))
def test_days_around_a_deadline_are_counted_without_gaps(data: st.DataObject, count: int) -> None:
    """Day 0 begins by the deadline and day 1 after it; each begins the work of the next business day there is."""
    deadline, who = data.draw(moments), data.draw(schedules)
    away = data.draw(absences(deadline))
    one, other = (business_day_around(deadline, day, who, away) for day in (count, count + 1))
    assert next_working_instant(one, who, away) == one
    place = ZoneInfo(who.zone)
    first, last = one.astimezone(place).date(), other.astimezone(place).date()
    assert first < last
    between = working_windows(who, first + DAY, last - DAY)
    assert sum((working_time(*window, who, away) for window in between), timedelta()) == timedelta()
    assert (one <= deadline) == (count <= 0)


@settings(deadline=None)
@given(moments, moments, schedules)
def test_nothing_is_overdue_before_it_could_be_seen(opened: datetime, deadline: datetime, who: Schedule) -> None:
    """Whenever it opens, and whatever its deadline was, a to-do is due after that."""
    found = due(TO_DOS, opened, deadline, who)
    assert found is not None
    assert found > opened


@given(
    st.integers(0, 600_000).map(lambda minutes: datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.sampled_from(PLACES),
    st.integers(0, 9),
)
def test_a_reviews_deadline_falls_into_nobodys_night(deadline: datetime, who: Schedule, days: int) -> None:
    """Wherever the one who is asked works, it is due in their working hours, and never later than it was."""
    opened = deadline - days * DAY
    falls = within_hours(deadline, opened, [who])
    assert falls <= deadline
    clock = falls.astimezone(ZoneInfo(who.zone))
    if not (is_business_day(clock.date(), who) and who.hours.start <= clock.time() <= who.hours.end):
        assert falls == deadline
        assert last_working_instant(deadline, who) <= opened, "they do not work before it at all"


def test_what_is_due_at_night_elsewhere_is_due_at_the_end_of_that_day() -> None:
    """11:38 in Zurich is 23:38 in Auckland: there it is due when work ends."""
    deadline = datetime(2026, 11, 24, 10, 38, tzinfo=UTC)
    assert within_hours(deadline, deadline - 3 * DAY, [AUCKLAND]).astimezone(ZoneInfo(AUCKLAND.zone)).hour == 17
    assert within_hours(deadline, deadline - 3 * DAY, [AUCKLAND, ZURICH]) == deadline
