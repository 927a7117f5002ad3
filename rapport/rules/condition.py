"""Whether what a `when` asks for holds for an account: yes, no, or not known yet."""

from __future__ import annotations

from collections.abc import Container

from rapport.model.account import Facts
from rapport.model.condition import PERSONA, asks_for_less, fact


def holds(condition: str, facts: Facts, present: Container[str] = ()) -> bool | None:
    """Whether a condition holds; nothing where nobody knows. All that is asked of an account's facts is asked here.

    Args:
        present: The personas that the account has.
    """
    name, _, choice = condition.partition(":")
    if name == PERSONA:
        return choice in present
    known = getattr(facts, fact(condition))
    if known is None:
        return None
    if asks_for_less(condition):
        return not known
    if isinstance(known, bool):
        return known
    return choice in known if isinstance(known, tuple) else bool(known == choice)
