"""When a relay that takes nothing is a fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from rapport.model.relay import FaultKind
from rapport.rules.outage import ATTEMPTS_THAT_PROVE, LEAST_DURATION, LULL, Misses, counted, proves

START = datetime(2030, 1, 7, 9, tzinfo=UTC)
KINDS = st.sampled_from(sorted(LEAST_DURATION))
WAITS = st.lists(st.integers(0, int(LULL.total_seconds())), max_size=60)


def missed(kind: FaultKind, waits: list[int], start: datetime = START, before: Misses | None = None) -> list[Misses]:
    """What is known after each of the attempts of a kind that were missed so many seconds after each other."""
    known, now = [], start
    for wait in waits:
        now += timedelta(seconds=wait)
        before = counted(before, now, kind)
        known.append(before)
    return known


@given(KINDS, WAITS)
def test_it_takes_three_attempts_and_its_time(kind: FaultKind, waits: list[int]) -> None:
    """It is a fault exactly once there were three attempts, of whichever mails, and the first is long enough ago."""
    now = START
    for index, known in enumerate(missed(kind, waits)):
        now += timedelta(seconds=waits[index])
        first = START + timedelta(seconds=waits[0])
        assert proves(known) is (index + 1 >= ATTEMPTS_THAT_PROVE and now - first >= LEAST_DURATION[kind])


@given(KINDS, WAITS, st.integers(1, 10**6), st.lists(st.integers(0, 30), min_size=1, max_size=10))
def test_a_short_outage_is_none_however_many_mails_meet_it(
    kind: FaultKind, earlier: list[int], pause: int, waits: list[int]
) -> None:
    """What was missed in another outage, before a lull, is not held against the relay in a short one."""
    past = missed(kind, earlier)
    last = past[-1] if past else None
    then = (last.last if last else START) + LULL + timedelta(seconds=pause)
    bounded = [wait if sum(waits[: index + 1]) < 290 else 0 for index, wait in enumerate(waits)]
    assert not any(proves(known) for known in missed(kind, bounded, then, last))


@pytest.mark.parametrize(
    ("minutes", "kind", "is_fault"),
    [
        ([0, 1, 2], FaultKind.UNREACHABLE, False),
        ([0, 5], FaultKind.UNREACHABLE, False),
        ([0, 1, 2, 3, 4, 5], FaultKind.UNREACHABLE, True),
        ([0, 0, 0, 5], FaultKind.UNREACHABLE, True),
        ([0, 1, 2, 3, 4, 5], FaultKind.BUSY, False),
        ([0, 5, 10, 15], FaultKind.BUSY, True),
    ],
)
def test_a_restart_is_no_fault_and_a_firewall_is(minutes: list[int], kind: FaultKind, is_fault: bool) -> None:
    """A minute or two is a restart; five are a fault, or fifteen where the relay answers and asks for patience."""
    waits = [(after - before) * 60 for before, after in zip([0, *minutes], minutes, strict=False)]
    assert proves(missed(kind, waits)[-1]) is is_fault


@given(st.lists(st.tuples(st.integers(0, 240), KINDS), min_size=1, max_size=40))
def test_what_proves_is_proved_for_the_most_patient_of_its_kinds(attempts: list[tuple[int, FaultKind]]) -> None:
    """Minutes in which the relay answers are not held against one broken connection; nor does it end the count."""
    known, now = None, START
    for wait, kind in attempts:
        now += timedelta(seconds=wait)
        known = counted(known, now, kind)
    assert known is not None
    lasted, kinds = known.last - known.since, {kind for _, kind in attempts}
    assert known.attempts == len(attempts)
    enough = all(lasted >= LEAST_DURATION[kind] for kind in kinds)
    assert proves(known) is (enough and len(attempts) >= ATTEMPTS_THAT_PROVE)
