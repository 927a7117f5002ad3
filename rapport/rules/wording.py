"""Counts and titles in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final


def amount(count: int, one: str, many: str | None = None) -> str:
    """A count with what is counted: "1 draft", "2 drafts".

    Args:
        one: What it is called, or what is said of it, where there is one.
        many: The same of any other count; without it, `one` with an s.
    """
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def listed(names: Sequence[str], word: str = "and") -> str:
    """One or several names: "engineering, product and support"."""
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last


def seat(name: str) -> str:
    """A seat in words, whoever sits there: "VP of CE" of `ce_vp` or `role:ce_vp`, "account team" of `account_team`."""
    of = name.rpartition(":")[2]
    return _SEATS.get(of, of.replace("_", " "))


_SEATS: Final = {"ce_vp": "VP of CE", "vp_engineering": "VP Engineering", "vp_sales": "VP of Sales"}


def choices(titles: Iterable[tuple[str, str]]) -> str:
    """What can be chosen, by its titles; with what to type in backticks, which a page leaves out.

    Args:
        titles: Each id with its title.
    """
    return listed([f"“{title}” (`{id_}`)" for id_, title in titles], "or")


def noun(title: str) -> str:
    """A title within a sentence: "kickoff" of "Kickoff"; what is written in capitals stays, as "QBR" does."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
