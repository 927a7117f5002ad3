"""The arithmetic of the benchmark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median


def end_to_end(first: float, second: float) -> float:
    """Whole lives a second, from the rates of their first and second halves: each life needs one of both."""
    return 1 / (1 / first + 1 / second)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of the values does not exceed (nearest rank).

    Args:
        share: Between 0, which gives the smallest value, and 1, which gives the largest.

    Raises:
        ValueError: There are no values, or the share is none.
    """
    if not values or not 0 <= share <= 1:
        raise ValueError("a percentile needs values, and a share between 0 and 1")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """The median of several rounds, and the smallest and largest of them."""
    return median(values), min(values), max(values)
