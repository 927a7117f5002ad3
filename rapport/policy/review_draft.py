"""A draft of a tech review, from a case that needs a decision rather than an answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

ASKED: Final = (
    ("needed_by", 'the day by which the customer has to know, such as "2026-12-18"'),
    ("needed_why", "what that day means for the customer"),
    ("why_not_caught", "what kept it from being caught in qualification"),
    ("expectation", "what the customer expects"),
    ("if_not_met", "what happens if it is not met"),
)
"""What a case does not know and a review needs, and what to write."""


def draft(ref: str, account: str, heading: str, question: str, why: str, said: Sequence[str]) -> str:
    """A request as `rapport review submit` reads it; what a person has to fill in is empty, with what to write.

    Args:
        why: Why it needs a decision.
        said: What was said on the case, a line each.
    """
    context = "\n\n".join([f"From the support case {ref}.", *said])
    lines = [
        f"# A draft from the support case {ref}. Fill in what is empty, then: rapport review submit FILE",
        "",
        f"account = {_text(account)}",
        f"title = {_text(heading)}",
        'stage = "post_sale"                # pre_trial, pre_production or post_sale',
        'ask = "non_standard_requirement"   # or unplanned_engineering, best_practice_validation, tradeoff_or_timeline',
        'requirement = "existing"           # or "new"',
        f"gap = {_text(f'{question}{chr(10) * 2}{why}')}",
        *(f'{name} = ""   # {what}' for name, what in ASKED),
        f"context = {_text(context)}",
    ]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A text as TOML writes it: a JSON string is one, as control characters are refused long before."""
    return json.dumps(value, ensure_ascii=False)
