"""A draft of a tech review, from a case that needs a decision rather than an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from rapport.model.commands import in_name

ASKED_OF_A_DRAFT: Final = (
    ("needed_by", 'the day by which the customer has to know, such as "2026-12-18"'),
    ("needed_why", "what that day means for the customer"),
    ("why_not_caught", "what kept it from being caught in qualification"),
    ("expectation", "what the customer expects"),
    ("if_not_met", "what happens if it is not met"),
)
"""What a case does not know and a review needs, and what to write."""

_CHOICES: Final = {
    "stage": "pre_trial, pre_production or post_sale",
    "ask": "or unplanned_engineering, best_practice_validation, tradeoff_or_timeline",
    "requirement": 'or "new"',
}
_MOST: Final = 20_000
"""How long an answer may be; of a long case what was said last is left out."""


def known(ref: str, account: str, heading: str, question: str, why: str, said: Sequence[str]) -> dict[str, str]:
    """What a case knows of the request, by field.

    Args:
        why: Why it needs a decision; may be empty.
        said: What was said on the case, a line each.
    """
    context = "\n\n".join([f"From the support case {ref}.", *said])
    gap = "\n\n".join(text for text in (question, why) if text)
    return {
        "account": account,
        "title": heading,
        "case": ref,
        "stage": "post_sale",
        "ask": "non_standard_requirement",
        "requirement": "existing",
        "gap": gap[:_MOST],
        "context": context[:_MOST],
    }


def draft(facts: Mapping[str, str]) -> str:
    """A request as `rapport review submit` reads it; what a person has to fill in is empty, with what to write.

    Args:
        facts: What is `known`.
    """
    lines = [
        f"# A draft from the support case {facts['case']}. Fill in what is empty, then:",
        f"# {in_name('rapport review submit FILE')}",
        "",
        *(_line(name, text) for name, text in facts.items() if name != "context"),
        *(f'{name} = ""   # {what}' for name, what in ASKED_OF_A_DRAFT),
        _line("context", facts["context"]),
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, value: str) -> str:
    """A field as TOML writes it: a JSON string is one, as control characters are refused long before."""
    choices = _CHOICES.get(name)
    return f"{name} = {json.dumps(value, ensure_ascii=False)}" + (f"   # {choices}" if choices else "")
