"""Counts and titles in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def amount(count: int, one: str, many: str | None = None) -> str:
    """A count with what is counted: "1 draft", "2 drafts".

    Args:
        one: What it is called, or what is said of it, where there is one.
        many: The same of any other count; without it, `one` with an s.
    """
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def listed(names: Sequence[str]) -> str:
    """One or several names: "engineering, product and support"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def noun(title: str) -> str:
    """A title within a sentence: "kickoff" of "Kickoff"; what is written in capitals stays, as "QBR" does."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
