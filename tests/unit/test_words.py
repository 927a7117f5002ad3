"""That whatever people say to a workflow goes one way, and that the same word again is known for it."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from rapport.model.base import Word
from rapport.model.meeting import Vote
from rapport.model.tech_review import ReviewEdit
from rapport.model.words import Unread
from tests.conftest import ROOT
from worker import WORKFLOWS
from workflows import words
from workflows.base import AccountWorkflow
from workflows.words import handlers_of

SAID = datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_every_update_has_its_door() -> None:
    """Whatever can be said to a workflow can be left at its door, and is remembered by its id."""
    heard = 0
    for cls in WORKFLOWS:
        if issubclass(cls, AccountWorkflow):
            named = [one for base in cls.__mro__ for one in vars(base).values() if hasattr(one, "validator")]
            assert {one._defn.name for one in named} == set(handlers_of(cls)), cls
            assert all(one._defn.validator.judge is one.judge for one in named), cls
            heard += 1
    assert heard >= 6


def test_nothing_is_said_to_a_workflow_but_in_one_place() -> None:
    """What people say is put on record and handed over by `words` alone: no use case sends an update by itself."""
    for path in sorted((ROOT / "starters").rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        named = {node.attr for node in calls} & {"execute_update", "start_update", "hear_later"}
        assert not named or path.name == "words.py", path


def test_whatever_is_said_is_dated() -> None:
    """What follows from a word bears the date at which that was given, be it a vote, a pause or a decision."""
    kinds = {one.kind for cls in WORKFLOWS if issubclass(cls, AccountWorkflow) for one in handlers_of(cls).values()}
    assert len(kinds) >= 12
    assert [kind for kind in kinds if not issubclass(kind, Word)] == []


def test_of_whatever_is_said_can_be_read_who_said_it() -> None:
    """Also of a word that is unreadable otherwise: each kind of word has the two fields by which it is answered."""
    for cls in WORKFLOWS:
        if issubclass(cls, AccountWorkflow):
            for door in handlers_of(cls).values():
                word: dict[str, object] = {"by": "m_1"}
                if door.kind in (Vote, ReviewEdit):
                    word = {"voter": "c_1"} if door.kind is Vote else {"round": word}
                assert {"id", *word} <= set(door.kind.model_fields), door.kind
                assert Unread.model_validate({"id": "s_1", **word}).by in ("m_1", "c_1")


@pytest.mark.parametrize("said", [{}, {"id": "s_1"}, {"id": "s_1", "by": "Robin Keller"}, {"id": 1, "by": "m_1"}])
def test_what_nobody_said_is_not_answered(said: dict[str, object]) -> None:
    """A word without its id, or without somebody's, has nobody who waits for an answer."""
    with pytest.raises(ValidationError):
        Unread.model_validate(said)


def test_what_counts_is_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is said after it, a word that is said again gets its receipt, and counts no second time."""
    monkeypatch.setattr(words, "whenever_reset", lambda hear: None)
    monkeypatch.setattr(words, "beside", lambda work: work.close())
    owner = SimpleNamespace(changed=False, turn_away=lambda word, reason: None, timeline=SimpleNamespace(said_at=None))
    heard = words.Words(cast("Any", owner))
    counted: list[str] = []

    def judge(_: Any, vote: Vote) -> str | None:
        return "no time was chosen" if not vote.slots else None

    def effect(_: Any, vote: Vote) -> str:
        counted.append(vote.id)
        return "counted"

    for number in range(3 * words.REMEMBERED):
        for slots in ((), ("1",)):
            heard.take(Vote(at=SAID, id=f"v_{number}_{len(slots)}", voter="c_1", round=1, slots=slots), judge, effect)
    first = Vote(at=SAID, id="v_0_1", voter="c_1", round=1, slots=("1",))
    assert heard.take(first, judge, effect).outcome == "counted"
    assert counted.count(first.id) == 1
    # What does not count is bounded: nobody's memory grows by it.
    assert sum(not one.accepted for one in heard.receipts.values()) == words.REMEMBERED
