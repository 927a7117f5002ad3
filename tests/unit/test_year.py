"""In which order a simulated year lists what happened in the same minute."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, strategies as st

from starters.simulate.year import YearLine, _begin_before_the_end, _order

AT = datetime(2026, 11, 27, 9, tzinfo=UTC)
PLACES = {"hello": 0, "day": 1, "another": 2}


@given(st.permutations([(kind, step) for kind in ("step.began", "step.ended", "mail") for step in PLACES]))
def test_a_step_comes_after_those_that_it_waits_for(written: list[tuple[str, str]]) -> None:
    """However steps are called and written down: one after the other, as the playbook has them, and so their mails."""
    lines = [YearLine(at=AT, kind=kind, step=step, what=step) for kind, step in written]
    lines.sort(key=lambda line: _order(line, PLACES))
    _begin_before_the_end(lines)
    for kind in ("step.began", "step.ended", "mail"):
        assert [line.step for line in lines if line.kind == kind] == list(PLACES)
    for step in PLACES:
        theirs = [line.kind for line in lines if line.step == step]
        assert theirs == ["step.began", "step.ended", "mail"]
