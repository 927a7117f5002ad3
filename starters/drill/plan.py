"""What a drill does and breaks, and in which order: all of it from the seed, before anything starts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Story = Literal["onboarding", "case", "review"]

BEAT_SECONDS: Final = 8.0
"""How long one fault takes about, from one to the next."""

REVIEW_EVERY: Final = 3
"""A technical review, which takes many people, begins with every third fault."""


@dataclass(frozen=True)
class Beat:
    """One fault, and what people begin together with it.

    Attributes:
        fault: Its name; none, where a drill breaks nothing.
        after, lasts: Seconds.
        seed: For the choices within it.
    """

    fault: str | None
    stories: tuple[Story, ...]
    after: float
    lasts: float
    seed: int


def plan(seed: int, minutes: float, faults: Sequence[str]) -> tuple[Beat, ...]:
    """As many faults as fit into so many minutes, each once before any comes again; at least one beat."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be guessed
    order: list[str] = []
    beats = []
    for number in range(max(1, round(minutes * 60 / BEAT_SECONDS))):
        if not order:
            order = dice.sample(faults, len(faults))
        stories: list[Story] = []
        stories += ["onboarding"] * dice.randint(1, 2)
        stories += ["case"] * dice.randint(1, 2)
        stories += ["review"] * (number % REVIEW_EVERY == 0)
        beats.append(
            Beat(
                fault=order.pop() if order and minutes > 0 else None,
                stories=tuple(stories),
                after=dice.uniform(0.1, 1.5),
                lasts=dice.uniform(3, 7),
                seed=dice.getrandbits(32),
            )
        )
    return tuple(beats)
