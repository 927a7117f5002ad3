"""Workflows that are missing, and in whose turn Temporal is asked whether they run."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings, strategies as st

from rapport.storage import sweep
from rapport.storage.database import Store
from tests.mail_fixtures import empty, imported, store
from tests.support.desk_days import NOW

__all__ = ["empty", "imported", "store"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 12), limit=st.integers(1, 5), living=st.sets(st.integers(0, 11)))
async def test_every_suspect_has_its_turn(store: Store, count: int, limit: int, living: set[int]) -> None:
    """Whichever of them run after all, each is given within as many rounds as they fill twice, never too many."""
    ids = [f"case/{number:02}" for number in range(count)]
    alive = {ids[number] for number in living if number < count}
    asked: set[str] = set()
    async with store.writing() as connection:
        await sweep.suspects(connection, NOW, [], limit)
        assert await sweep.suspects(connection, NOW, ids, limit) == []
        for round_ in range(2 * (count // limit + 1)):
            at = NOW + timedelta(minutes=round_)
            turn = await sweep.suspects(connection, at, ids, limit)
            assert len(turn) <= limit
            asked |= set(turn)
            await sweep.clear(connection, at, alive & set(turn))
    assert asked == set(ids)
