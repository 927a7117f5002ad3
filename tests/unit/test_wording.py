"""Counts in sentences."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rapport.rules.wording import amount
from starters.use_cases import doctor


@pytest.mark.parametrize(("count", "said"), [(0, "0 drafts wait"), (1, "1 draft waits"), (2, "2 drafts wait")])
def test_one_of_it_is_singular(count: int, said: str) -> None:
    """One is called by its singular, and what is said of it agrees."""
    assert amount(count, "draft waits", "drafts wait") == said
    assert amount(count, "draft") == " ".join(said.split()[:2])


NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "broken", "said"),
    [
        (0, 0, "no one is waiting for anything"),
        (1, 0, "the only open wait has an owner and a deadline"),
        (2, 0, "each of 2 open waits has an owner and a deadline"),
        (1, 1, "1 of 1 open wait is broken"),
        (3, 1, "1 of 3 open waits is broken"),
        (3, 2, "2 of 3 open waits are broken"),
    ],
)
async def test_the_doctor_counts_waits(monkeypatch: pytest.MonkeyPatch, count: int, broken: int, said: str) -> None:
    """None, one and several waits each read as a sentence, sound or broken."""

    async def waits(_: Any) -> list[Any]:
        return [
            SimpleNamespace(where=f"task/{number}", held=number >= broken, there=True, deadline=NOW)
            for number in range(count)
        ]

    @asynccontextmanager
    async def snapshot() -> Any:
        yield None

    monkeypatch.setattr(doctor, "open_waits", waits)
    assert (await doctor._waits(cast("Any", SimpleNamespace(snapshot=snapshot)))).what == said
