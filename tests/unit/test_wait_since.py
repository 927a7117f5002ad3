"""Since when something is waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from temporalio import workflow

from rapport.model.projection import Wait
from workflows.timeline import Timeline

T0 = datetime(2026, 11, 30, tzinfo=UTC)
WAITS = st.builds(Wait, what=st.sampled_from(["answers", "a decision"]), round=st.integers(0, 2), on=st.just(("tam",)))


@given(turns=st.lists(WAITS, min_size=1, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_that_is_asked_anew_is_waited_for_since_then(
    turns: list[Wait], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait lasts since it was first for this, in this round: a new round is another one, in whatever words."""
    minutes = count()
    monkeypatch.setattr(workflow, "now", lambda: T0 + timedelta(minutes=next(minutes)))
    monkeypatch.setattr(workflow, "upsert_search_attributes", lambda _: None)
    told, since, before = Timeline("versayce", "C_1", "kickoff"), T0, Wait()
    for turn in turns:
        told.turn_to(turn)
        if (turn.what, turn.round) != (before.what, before.round):
            assert told.wait.since is not None
            assert told.wait.since >= since
            assert told.wait.since != before.since
            since = told.wait.since
        assert told.wait.since == since
        before = told.wait
