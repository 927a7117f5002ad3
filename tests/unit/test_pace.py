"""How fast a mailbox sends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from rapport.rules.pace import LIMIT_FORGOTTEN, LONGEST_WAIT, PATIENCE, SKEW, Pace, SlowDown, carried, slower
from rapport.storage.relay import MailGate

START = datetime(2030, 1, 7, 9, tzinfo=UTC)


@given(st.integers(-(10**8), 10**8), st.integers(0, 10**5))
def test_mail_has_gone_unless_the_relay_was_mended_just_now(mended: int, patience: int) -> None:
    """That it was mended since then counts, but not that it will be: a clock that was ahead wrote that."""
    gate = MailGate(stopped=False, mended_at=START + timedelta(seconds=mended))
    since = START - timedelta(seconds=patience)
    assert gate.has_gone_since(since, START) is not (-patience <= mended <= SKEW.total_seconds())


def turns(pace: Pace, waits: list[int]) -> list[datetime]:
    """The turns of mails that are written so many milliseconds after each other."""
    given_out, next_at, now = [], None, START
    for wait in waits:
        now += timedelta(milliseconds=wait)
        at, next_at = pace.turn(next_at, now)
        assert at >= now
        given_out.append(at)
    return given_out


@given(st.integers(1, 400), st.lists(st.integers(0, 5_000), max_size=200))
def test_no_minute_has_more_mails_than_it_may(a_minute: int, waits: list[int]) -> None:
    """However mails come, turns keep their order, and any minute has at most as many as the mailbox may send."""
    given_out = turns(Pace(a_minute), waits)
    assert given_out == sorted(given_out)
    for index, first in enumerate(given_out):
        later = given_out[index + a_minute : index + a_minute + 1]
        # Gaps are rounded to microseconds.
        assert all(other - first >= timedelta(seconds=60) - timedelta(milliseconds=1) for other in later)


@given(st.integers(1, 400))
def test_the_mailbox_is_used_as_far_as_it_may_be(a_minute: int) -> None:
    """Many mails at once: a quarter of a minute's goes at once, and each later minute has three quarters at least."""
    pace = Pace(a_minute)
    given_out = turns(pace, [0] * (pace.at_once + 3 * a_minute))
    assert given_out[pace.at_once - 1] == START
    assert given_out[-1] - START <= timedelta(minutes=3) * 4 / 3 + timedelta(minutes=1)


def test_thirty_a_minute() -> None:
    """What most providers allow: seven at once, then one each two and a half seconds."""
    pace = Pace(30)
    assert (pace.at_once, pace.gap) == (7, timedelta(seconds=2.5))
    assert turns(pace, [0] * 9)[6:] == [START, START + timedelta(seconds=2.5), START + timedelta(seconds=5)]


@given(st.integers(1, 400), st.integers(0, 500), st.integers(0, 10**6), st.integers(0, 3_600))
def test_a_clock_that_was_ahead_delays_nothing_once_it_is_right(
    a_minute: int, mails: int, ahead: int, gone: int
) -> None:
    """Whatever it gave, the next mail waits no longer than for those mails at the rate, and for a minute of skew."""
    pace, wrong = Pace(a_minute), START + timedelta(seconds=ahead)
    next_at = None
    for _ in range(mails):
        next_at = pace.turn(next_at, wrong).next_at
    now = START + timedelta(seconds=gone)
    at = pace.turn(carried(next_at, wrong if mails else None, now), now).at
    assert now <= at <= now + SKEW + pace.gap * mails


@given(st.integers(-60, 10**6))
def test_a_clock_that_goes_right_changes_nothing(gone: int) -> None:
    """What was remembered stands for as long as it is not younger than now, but for what clocks differ by."""
    next_at = START + timedelta(hours=1)
    assert carried(next_at, START, START + timedelta(seconds=gone)) == next_at
    assert carried(next_at, None, START) == next_at


@given(st.lists(st.tuples(st.integers(0, 3 * 3600), st.booleans()), min_size=1, max_size=60))
def test_a_mailbox_that_sends_too_fast_pauses_longer_while_nothing_goes(answers: list[tuple[int, bool]]) -> None:
    """Each pause is longer than the one before, up to an hour, until a mail went; none is added to while it lasts."""
    before: SlowDown | None = None
    now, lasted = START, timedelta()
    for wait, went in answers:
        now += timedelta(seconds=wait)
        known = slower(before, now, went=went)
        if before is not None and before.holds(now):
            assert known == before
            continue
        assert known.holds(now)
        pause = known.until - now
        assert PATIENCE[0] <= pause <= PATIENCE[-1]
        goes_on = before is not None and not went and now - before.until <= LIMIT_FORGOTTEN
        assert pause == (PATIENCE[min(known.times, len(PATIENCE)) - 1] if goes_on else PATIENCE[0])
        assert not goes_on or pause >= lasted
        before, lasted = known, pause


@given(st.integers(0, 10**9))
def test_a_pause_of_a_clock_that_was_ahead_holds_nothing_up(ahead: int) -> None:
    """A pause that is longer than any counts for nothing, and the next one begins anew."""
    known = slower(None, START + timedelta(seconds=ahead), went=False)
    longest = LONGEST_WAIT + SKEW
    assert known.holds(START) is (known.until - START <= longest)
    assert slower(known, START, went=False).until - START <= longest


@given(st.integers(1, 400), st.integers(0, 3600), st.integers(1, 60))
def test_what_waited_for_a_pause_goes_evenly(a_minute: int, pause: int, count: int) -> None:
    """The first goes as the pause ends, and none goes together with another."""
    pace, until = Pace(a_minute), START + timedelta(seconds=pause)
    next_at, given_out = pace.after(until), []
    for _ in range(count):
        at, next_at = pace.turn(next_at, START)
        given_out.append(at)
    assert given_out == [until + pace.gap * index for index in range(count)]
