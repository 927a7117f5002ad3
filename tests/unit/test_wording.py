"""Counts in sentences."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rapport.model.tech_review import ASKED
from rapport.rules import tech_review, wording
from rapport.rules.wording import amount, choices
from starters.http.pages.rendering import coded
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


def test_a_refused_form_names_what_can_be_chosen_by_its_titles() -> None:
    """Whoever fills in a form reads no id; whoever types a command reads what to type beside the title."""
    offered = [(one.id, one.title) for side in tech_review.SIDES for one in tech_review.feedback(side).options]
    fix = f"choose {choices(offered)}"
    shown = str(coded(fix))
    for id_, title in offered:
        assert f"`{id_}`" in fix
        assert id_ not in shown
        assert title in shown
    for name in ("stage", "ask"):
        assert "_" not in str(coded(ASKED[name][0]))
    assert str(coded("run `rapport inbox`")) == "run <code>rapport inbox</code>", "a command stays one"


def test_a_seat_is_called_the_same_wherever_it_is_told() -> None:
    """By whatever it is known, as a role's or as a review's, it is read as people say it."""
    assert {wording.seat(name) for name in ("ce_vp", "role:ce_vp")} == {"VP of CE"}
    assert [wording.seat(one) for one in tech_review.LEADERSHIP] == ["VP Engineering", "VP of CE", "VP of Sales"]
    assert [wording.seat(side) for side in tech_review.SIDES] == ["engineering", "product", "support", "account team"]
