"""How fast a mailbox sends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from rapport.rules.pace import SKEW, Pace, carried
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
