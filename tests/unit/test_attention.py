"""Attention: when a mail goes, on whatever day and in whatever zone it is asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from rapport.model.account import WEEKDAYS, Schedule, WorkingHours
from rapport.model.message import Purpose, Weight
from rapport.rules.attention import OF_USE_FOR, OUTSIDE, MailVerdict, Planned, decide, earliest
from rapport.rules.calendar import is_business_day, wall, working_windows

PLACES = (
    ("Europe/Zurich", "CH", "ZH"),
    ("America/New_York", "US", "NY"),
    ("America/St_Johns", "CA", "NL"),
    ("Asia/Kathmandu", "NP", None),
    ("Asia/Dubai", "AE", None),
    ("Australia/Lord_Howe", None, None),
    ("Pacific/Auckland", "NZ", "AUK"),
    ("Pacific/Apia", "WS", None),
)
# Some of these zones change their clocks in these weeks, and months end there.
days = st.dates(date(2026, 3, 1), date(2027, 4, 15)) | st.sampled_from(
    [date(2026, 3, 29), date(2026, 4, 5), date(2026, 10, 25), date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 31)]
)
instants = st.builds(
    lambda day, minute: datetime.combine(day, time(), UTC) + timedelta(minutes=minute),
    days,
    st.integers(0, 24 * 60 - 1),
)
hours = st.builds(
    lambda start, length, worked: WorkingHours(start=time(start), end=time(start + length), days=frozenset(worked)),
    st.integers(0, 15),
    st.integers(1, 8),
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
)
people = st.builds(
    lambda place, worked: Schedule(zone=place[0], country=place[1], subdivision=place[2], hours=worked),
    st.sampled_from(PLACES),
    hours,
)
ZURICH = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH")
AUCKLAND = Schedule(zone="Pacific/Auckland")


def at(day: int, hour: int, who: Schedule = ZURICH, month: int = 11) -> datetime:
    """An hour of a day of 2026, on this person's wall."""
    return wall(date(2026, month, day), time(hour), who.zone)


def works(instant: datetime, who: Schedule) -> bool:
    """Whether a person works at an instant."""
    day = instant.astimezone(ZoneInfo(who.zone)).date()
    return any(shift.start <= instant < shift.end for shift in working_windows(who, day, day))


def month_of(instant: datetime, who: Schedule) -> date:
    """The month that it is on a person's wall, by its first day."""
    return instant.astimezone(ZoneInfo(who.zone)).date().replace(day=1)


@st.composite
def plans(draw: st.DrawFn, asked: datetime) -> list[Planned]:
    """Mails of the weeks around an instant; some wait, and may be joined."""
    shifts = draw(st.lists(st.tuples(st.integers(-40 * 24, 40 * 24), st.booleans()), max_size=12))
    return [
        Planned(f"k{number}", asked + timedelta(hours=shift), is_open and shift > 0)
        for number, (shift, is_open) in enumerate(shifts)
    ]


@given(st.data(), people, instants, st.sampled_from(Weight), st.integers(1, 6), st.booleans())
def test_a_mail_goes_in_working_time_and_never_early(
    data: st.DataObject, who: Schedule, asked: datetime, weight: Weight, budget: int, may_join: bool
) -> None:
    """Whatever is planned: what goes, goes no earlier than asked, and in working time unless it presses."""
    planned = data.draw(plans(asked))
    verdict = decide(asked, who, weight, budget, planned, may_join=may_join)
    if verdict.at is not None:
        assert verdict.at >= asked
        assert verdict.joins is None
        assert (verdict.reason is None) is (verdict.at == asked)
        assert verdict.at == asked or weight is not Weight.AT_ONCE
        assert weight is Weight.AT_ONCE or works(verdict.at, who)
    else:
        assert weight is Weight.NICE
        assert verdict.reason


@given(people, instants)
def test_the_wait_is_no_longer_than_it_has_to_be(who: Schedule, asked: datetime) -> None:
    """Between the asking and the going there is no minute in which its reader works."""
    verdict = earliest(asked, who, Weight.NEEDED)
    assert verdict.at is not None
    if verdict.at == asked:
        assert works(asked, who)
        return
    assert verdict.reason == OUTSIDE
    first, last = (instant.astimezone(ZoneInfo(who.zone)).date() for instant in (asked, verdict.at))
    assert all(shift.end <= asked or shift.start >= verdict.at for shift in working_windows(who, first, last))


@given(st.data(), people, instants, st.integers(1, 6))
def test_a_budget_holds_back_what_is_nice_alone(
    data: st.DataObject, who: Schedule, asked: datetime, budget: int
) -> None:
    """What is needed goes whatever the budget; what is nice goes only in a month that has room for it."""
    planned = data.draw(plans(asked))
    assert decide(asked, who, Weight.NEEDED, budget, planned) == earliest(asked, who, Weight.NEEDED)
    verdict = decide(asked, who, Weight.NICE, budget, planned)
    if verdict.at is not None:
        used = sum(month_of(mail.at, who) == month_of(verdict.at, who) for mail in planned)
        assert used < budget
        assert verdict.at <= asked + OF_USE_FOR or verdict == earliest(asked, who, Weight.NICE)
    elif verdict.joins is None:
        assert verdict.reason is not None
        assert "attention budget" in verdict.reason


@given(st.data(), people, instants, st.integers(1, 6))
def test_a_mail_joins_only_what_waits_for_its_own_day(
    data: st.DataObject, who: Schedule, asked: datetime, budget: int
) -> None:
    """The other mail is still unwritten, lies ahead, and comes on a day on which this one might have come itself."""
    planned = data.draw(plans(asked))
    verdict = decide(asked, who, Weight.NICE, budget, planned)
    if verdict.joins is None:
        return
    (host,) = [mail for mail in planned if mail.key == verdict.joins]
    assert host.open
    assert host.at > asked
    alone = decide(asked, who, Weight.NICE, 99, planned, may_join=False).at
    assert alone is not None
    day = host.at.astimezone(ZoneInfo(who.zone)).date()
    assert day == alone.astimezone(ZoneInfo(who.zone)).date() or month_of(host.at, who) > month_of(alone, who)


@given(people, instants, st.sampled_from(Weight))
def test_quiet_hours_can_be_ignored(who: Schedule, asked: datetime, weight: Weight) -> None:
    """Where working time does not count, every mail within its budget goes at once."""
    assert decide(asked, who, weight, 1, [], quiet_hours=False) == MailVerdict(asked)


def test_a_month_is_the_readers_own() -> None:
    """On 1 December in Auckland it is still November in UTC: the mails of November no longer count there."""
    planned = [Planned(str(day), at(day, 10, AUCKLAND)) for day in (2, 9, 16, 23)]
    first = at(1, 10, AUCKLAND, month=12)
    assert first.month == 11
    assert decide(first, AUCKLAND, Weight.NICE, 4, planned) == MailVerdict(first)
    eve = at(30, 10, AUCKLAND)
    verdict = decide(eve, AUCKLAND, Weight.NICE, 4, planned)
    assert verdict == MailVerdict(
        at(1, 9, AUCKLAND, month=12), "their attention budget for November is used up (4 of 4)"
    )


def test_what_waits_over_the_end_of_a_month_counts_where_it_goes() -> None:
    """Asked for on the Saturday before 1 November, it goes on Monday the 2nd, on November's budget."""
    october = [Planned(str(day), at(day, 10, month=10)) for day in (5, 6, 7, 8)]
    asked = at(31, 12, month=10)
    assert decide(asked, ZURICH, Weight.NICE, 4, october) == MailVerdict(at(2, 9), OUTSIDE)
    november = [Planned("n", at(2, 10))] * 4
    assert decide(asked, ZURICH, Weight.NICE, 4, november) == MailVerdict(
        None, "their attention budget for November is used up (4 of 4)"
    )


def test_a_mail_that_is_of_no_use_next_month_stays() -> None:
    """Scheduled for at most seven days, and not beyond the end of its use."""
    planned = [Planned(str(day), at(day, 10)) for day in (2, 3, 4, 5)]
    reason = "their attention budget for November is used up (4 of 4)"
    assert decide(at(10, 10), ZURICH, Weight.NICE, 4, planned) == MailVerdict(None, reason)
    assert decide(at(26, 10), ZURICH, Weight.NICE, 4, planned) == MailVerdict(at(1, 9, month=12), reason)
    assert decide(at(26, 10), ZURICH, Weight.NICE, 4, planned, until=at(30, 17)) == MailVerdict(None, reason)


def test_a_holiday_is_no_working_time() -> None:
    """What is asked for on the evening before Good Friday in Zurich goes on the Tuesday after Easter."""
    assert not any(is_business_day(date(2026, 4, day), ZURICH) for day in (3, 6))
    thursday = wall(date(2026, 4, 2), time(18), ZURICH.zone)
    assert decide(thursday, ZURICH, Weight.NICE, 4, []) == MailVerdict(
        wall(date(2026, 4, 7), time(9), ZURICH.zone), OUTSIDE
    )


def test_the_morning_after_the_clocks_changed_begins_at_nine() -> None:
    """On either side of a change, working time begins at nine on the wall."""
    before, after = wall(date(2026, 10, 23), time(20), ZURICH.zone), wall(date(2026, 10, 26), time(9), ZURICH.zone)
    assert after - wall(date(2026, 10, 23), time(9), ZURICH.zone) == timedelta(days=3, hours=1)
    assert earliest(before, ZURICH, Weight.NEEDED) == MailVerdict(after, OUTSIDE)


def test_every_purpose_has_a_weight() -> None:
    """What answers or books goes at once, what asks waits for working time, and the rest may be left out."""
    assert {purpose for purpose in Purpose if purpose.weight is Weight.NEEDED} == {Purpose.PROPOSAL, Purpose.REMINDER}
    assert {purpose for purpose in Purpose if purpose.weight is Weight.NICE} == {Purpose.MESSAGE, Purpose.DIGEST}
