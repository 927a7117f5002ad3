"""What one mail tells of several emails that failed, or may not have arrived."""

from __future__ import annotations

import json
from itertools import combinations_with_replacement
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities import not_delivered
from rapport.model.message import MessageState

STATES = (MessageState.FAILED, MessageState.UNKNOWN)


@pytest.mark.parametrize(
    "states", [*combinations_with_replacement(STATES, 1), *combinations_with_replacement(STATES, 3)]
)
async def test_of_what_may_have_arrived_nothing_says_that_it_did_not(
    monkeypatch: pytest.MonkeyPatch, states: tuple[MessageState, ...]
) -> None:
    """Each email stands under the words for its own state, and under no others."""
    others = [SimpleNamespace(state=one, subject=f"S{n}", address=f"a{n}@x.example") for n, one in enumerate(states)]

    async def told_of(*_: object) -> list[Any]:
        return [SimpleNamespace(), *others]

    monkeypatch.setattr(not_delivered, "_told_of", told_of)
    occasion = SimpleNamespace(task=SimpleNamespace(request="s"))
    said = await not_delivered.with_others(cast("Any", None), cast("Any", occasion), {"s": json.dumps({"why": "x"})})
    words = json.loads(said["s"])
    named = {MessageState.FAILED: "also not delivered", MessageState.UNKNOWN: "also not confirmed, may have arrived"}
    assert words.keys() == {"why", *(named[one] for one in states)}
    for state, name in named.items():
        here = words.get(name, "")
        assert [one.address in here for one in others] == [one.state is state for one in others]
