"""The benchmark's arithmetic. Its speeds are never tested: they are the machine's."""

from __future__ import annotations

import pytest

from bench.arithmetic import end_to_end, percentile, spread


def test_a_whole_life_takes_both_halves() -> None:
    """At 20 first halves and 30 second halves a second, a machine that does one after the other does 12 lives."""
    assert end_to_end(20, 30) == pytest.approx(12)


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1), (0.01, 1), (0.5, 50), (0.505, 51), (0.99, 99), (0.991, 100), (1, 100)]
)
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    """Of the values 1 to 100 in any order, it is the smallest that so many do not exceed."""
    assert percentile([*range(100, 50, -1), *range(1, 51)], share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.1), ([1.0], -0.1)])
def test_a_percentile_of_nothing_is_refused(values: list[float], share: float) -> None:
    """No figure is better than an invented one."""
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


def test_rounds_are_told_with_their_spread() -> None:
    """The median, the smallest and the largest."""
    assert spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
