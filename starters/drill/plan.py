"""What a drill does and breaks, and in which order: all of it from the seed, before anything starts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Story = Literal["contract with drafts", "contract onsite", "contract", "case", "review"]

CONTRACTS: Final[tuple[Story, ...]] = ("contract with drafts", "contract onsite", "contract")
"""Each beat takes the next two, one before the fault and one while it lasts: a contract needs every part."""

BEAT_SECONDS: Final = 8.0
"""How long one fault takes about, from one to the next."""

REVIEW_EVERY: Final = 3
"""A technical review, which takes many people, begins with every third fault."""


@dataclass(frozen=True)
class Beat:
    """One fault, and what people begin before it and while it lasts.

    Attributes:
        fault: Its name; none, where a drill breaks nothing.
        after: How long after the first sign that Rapport is at work for them, in seconds: what is under way is hit.
        lasts: In seconds; longer where nobody has met it by then.
        seed: For the choices within it.
    """

    fault: str | None
    before: tuple[Story, ...]
    meanwhile: tuple[Story, ...]
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
        before, meanwhile = ([CONTRACTS[(2 * number + turn) % len(CONTRACTS)]] for turn in (0, 1))
        before += ["review"] * (number % REVIEW_EVERY == 0)
        for _ in range(dice.randint(1, 2)):
            dice.choice([before, meanwhile]).append("case")
        beats.append(
            Beat(
                fault=order.pop() if order and minutes > 0 else None,
                before=tuple(before),
                meanwhile=tuple(meanwhile),
                after=dice.uniform(0, 0.5),
                lasts=dice.uniform(3, 7),
                seed=dice.getrandbits(32),
            )
        )
    return tuple(beats)
