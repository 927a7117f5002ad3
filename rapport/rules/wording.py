"""Counts and titles in sentences."""

from __future__ import annotations

from typing import Final

from rapport.model.base import choices as choices, listed as listed


def amount(count: int, one: str, many: str | None = None) -> str:
    """A count with what is counted: "1 draft", "2 drafts".

    Args:
        one: What it is called, or what is said of it, where there is one.
        many: The same of any other count; without it, `one` with an s.
    """
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def seat(name: str) -> str:
    """A seat, a side or a role in words: "VP of CE" of `ce_vp` or `role:ce_vp`, "account team" of `account_team`."""
    of = name.rpartition(":")[2]
    return _SEATS.get(of, of.replace("_", " "))


_SEATS: Final = {
    "tam": "TAM",
    "tam_manager": "TAM manager",
    "ce": "CE",
    "ce_vp": "VP of CE",
    "ta": "TA",
    "vp_engineering": "VP Engineering",
    "vp_sales": "VP of Sales",
}


def noun(title: str) -> str:
    """A title within a sentence: "kickoff" of "Kickoff"; what is written in capitals stays, as "QBR" does."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
