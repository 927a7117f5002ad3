"""Accounts of which everything is known."""

from __future__ import annotations

from typing import Final

from rapport.model.account import Facts
from rapport.model.condition import FLAGS, asks_for_less, fact

ALL_KNOWN: Final = {
    "air_gapped": False,
    "deployment": "cloud",
    "features": (),
    "permissions": "none",
    "language_barrier": False,
    "screen_share": True,
}


def facts_for(*conditions: str) -> Facts:
    """An account of which everything is known, and of which just these conditions hold."""
    known: dict[str, object] = dict(ALL_KNOWN)
    for condition in conditions:
        name, choice = fact(condition), condition.partition(":")[2]
        known[name] = (not asks_for_less(condition)) if condition in FLAGS else choice
        if isinstance(ALL_KNOWN.get(name), tuple):
            known[name] = tuple(one.partition(":")[2] for one in conditions if fact(one) == name)
    return Facts.model_validate(known)
