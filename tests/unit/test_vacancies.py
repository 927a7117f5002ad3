"""The search for whoever follows somebody who has left."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities.planning import Vacant
from rapport.playbooks import load
from rapport.rules import onboarding
from workflows.onboarding import vacancies
from workflows.onboarding.vacancies import Vacancies

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)


@pytest.mark.asyncio
async def test_whoever_comes_and_leaves_again_is_searched_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The TAM has one to-do for it, also where the first search has not noticed yet that somebody came meanwhile."""
    there = iter([("primary_champion",), (), ("primary_champion",)])

    async def ask(*_: Any) -> Vacant:
        gone = next(there)
        return Vacant(personas=gone, lost=gone, ask_again=NOW)

    async def nothing() -> None:
        return None

    searches: list[Coroutine[Any, Any, None]] = []
    todos: list[str] = []

    async def put(is_over: Any) -> None:
        looking.unheld = looking.lost = looking.vacant = ()

    def todo(*_: Any) -> Any:
        todos.append("people")
        return SimpleNamespace(put=put)

    state = SimpleNamespace(
        start=SimpleNamespace(account="versayce", unheld=(), lost=()),
        progress=onboarding.laid_out(load("enterprise"), (), NOW),
        messages=SimpleNamespace(drop_departed=nothing),
        show_anew=lambda names: None,
        timeline=SimpleNamespace(record=lambda *_, **__: None),
        go_on=searches.append,
        todo=todo,
    )
    monkeypatch.setattr(vacancies, "done", ask)
    monkeypatch.setattr("workflows.onboarding.vacancies.workflow.now", lambda: NOW)
    looking = Vacancies(cast("Any", state))
    for _ in range(3):
        looking.moved = True
        await looking.look(lambda: None)
    assert len(searches) == 1
    await searches[0]
    assert todos == ["people"]
    # Once it is over, whoever leaves next is searched for.
    there = iter([("primary_champion",)])
    looking.moved = True
    await looking.look(lambda: None)
    assert len(searches) == 2
    searches[1].close()
