"""Emails that failed and that nobody is asked about: all take their turn in the sweep."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings, strategies as st

from rapport.storage import sweep
from rapport.storage.database import Store

NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)
KEYS = st.sets(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=30)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(KEYS, st.integers(1, 7))
async def test_all_take_their_turn(store: Store, keys: set[str], limit: int) -> None:
    """However many sleep their day, each email is looked at within as many rounds as it takes to go through all."""
    rounds = -(-len(keys) // limit)
    seen: set[str] = set()
    for _ in range(rounds):
        async with store.writing() as connection:
            turn = await sweep.in_turn(connection, NOW, keys, limit)
        assert len(turn) == min(limit, len(keys))
        seen.update(turn)
    assert seen == keys
