"""The plan of a drill: all of it from its seed."""

from __future__ import annotations

from hypothesis import given, strategies as st

from starters.drill.faults import FAULTS
from starters.drill.plan import BEAT_SECONDS, CONTRACTS, plan

NAMES = [fault.name for fault in FAULTS]
some_names = st.lists(st.sampled_from(NAMES), unique=True)


@given(st.integers(0, 2**31), st.floats(0, 30), some_names)
def test_a_seed_is_a_plan(seed: int, minutes: float, names: list[str]) -> None:
    """The same seed gives the same plan, which lasts as long as was asked for, with everybody at work at once."""
    beats = plan(seed, minutes, names)
    assert beats == plan(seed, minutes, names)
    assert abs(len(beats) * BEAT_SECONDS - minutes * 60) <= BEAT_SECONDS
    assert {"case", "review"} < {*beats[0].before, *beats[0].meanwhile}
    assert all(set(CONTRACTS) & set(some) for beat in beats for some in (beat.before, beat.meanwhile))
    assert {story for beat in beats[:2] for story in (*beat.before, *beat.meanwhile)} >= set(
        CONTRACTS[: 2 * len(beats)]
    )


@given(st.integers(0, 2**31), st.floats(0.2, 30), some_names.filter(bool))
def test_everything_is_broken_before_anything_is_broken_again(seed: int, minutes: float, names: list[str]) -> None:
    """Of any number of faults no one comes twice before each has come once."""
    broken = [beat.fault for beat in plan(seed, minutes, names)]
    for start in range(0, len(broken), len(names)):
        part = broken[start : start + len(names)]
        assert len(set(part)) == len(part)
        assert set(part) <= set(names)


def test_nothing_is_broken_where_there_is_nothing_to_break() -> None:
    """Without time, or without a fault that is possible, people are at work all the same."""
    assert [beat.fault for beat in plan(1, 0, NAMES)] == [None]
    assert {beat.fault for beat in plan(1, 1, [])} == {None}
