"""What becomes of the invitation to a meeting that was ended from outside, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities.message import LeftBehind, LeftInvitation
from rapport.model.meeting import Booking
from rapport.model.message import MeetingFacts, MessageRequest, MessageState, Purpose
from rapport.model.task import TaskResult
from rapport.rules.todo_template import AGAIN, REVIEW_ENDED, TodoTemplate, review_ended_when_booked
from workflows import left_invitation
from workflows.left_invitation import call_off, have_decided

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
OF = LeftBehind(account="versayce", contract="C-1", step="qbr", attempt=1, now=NOW)
FACTS = MeetingFacts(
    uid="C-1.qbr.1.1",
    title="QBR",
    step="qbr",
    minutes=30,
    where="video",
    agenda=(),
    proposal=cast("Any", None),
    booking=Booking(start=NOW + timedelta(days=1), end=NOW + timedelta(days=1, minutes=30), by="hand"),
)
BOOKED = LeftInvitation(
    cancels=MessageRequest(
        account="versayce",
        contract="C-1",
        step="qbr",
        title="QBR",
        workflow_id="meeting/versayce/qbr/1",
        purpose=Purpose.INVITATION,
        email="meeting_cancelled",
        to=("c_1",),
        now=NOW,
        meeting=FACTS,
    ),
    start=NOW + timedelta(days=1),
    when="Tue 2 Mar",
)
UNANSWERED = TaskResult(outcome="unanswered", at=NOW)


def said(option: str) -> TaskResult:
    """What the TAM decided."""
    return TaskResult(outcome=option, by="m_tam", at=NOW)


def question(left: LeftInvitation, why_not: str | None) -> TodoTemplate:
    """What a review's TAM is asked."""
    return REVIEW_ENDED if left.cancels is None else review_ended_when_booked(left.when, why_not)


@pytest.fixture
def alarm(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The one that says that the booked time begins."""
    one = SimpleNamespace(rings=False, set=lambda at, summary: None)
    monkeypatch.setattr(left_invitation, "Alarm", lambda: one)
    return one


def finds(monkeypatch: pytest.MonkeyPatch, *lefts: LeftInvitation) -> None:
    """What is left, each time that it is looked."""
    each = iter(lefts)

    async def look(_: LeftBehind) -> LeftInvitation:
        return next(each)

    monkeypatch.setattr(left_invitation, "left_invitation", look)


async def decided(answers: list[Any], is_over: Callable[[], bool] = lambda: False) -> tuple[Any, list[TodoTemplate]]:
    """What comes of it, and what was asked; an answer may do something first."""
    asked: list[TodoTemplate] = []

    async def put(template: TodoTemplate, is_done: Callable[[], bool]) -> TaskResult | None:
        asked.append(template)
        answer = answers[len(asked) - 1]
        if callable(answer):
            answer()
            assert is_done(), "the to-do stays open"
            return None
        return cast("TaskResult | None", answer)

    return await have_decided(OF, "meeting/versayce/qbr/1", question, put, is_over), asked


@pytest.mark.asyncio
async def test_nobody_is_promised_a_cancellation_once_the_meeting_has_begun(
    monkeypatch: pytest.MonkeyPatch, alarm: SimpleNamespace
) -> None:
    """The to-do that offers it is taken back then, and what is asked after that offers none."""
    finds(monkeypatch, BOOKED, LeftInvitation())

    def begins() -> None:
        alarm.rings = True

    result, asked = await decided([begins, said("noted")])
    assert result == said("noted")
    assert [len(one.options) > 1 for one in asked] == [True, False]


@pytest.mark.asyncio
async def test_a_question_that_nobody_answers_is_put_again(
    monkeypatch: pytest.MonkeyPatch, alarm: SimpleNamespace
) -> None:
    """As often as it takes, by what is booked by then."""
    finds(monkeypatch, BOOKED, BOOKED, LeftInvitation())
    result, asked = await decided([UNANSWERED, UNANSWERED, said("noted")])
    assert (result, len(asked)) == (said("noted"), 3)


@pytest.mark.asyncio
async def test_what_cannot_go_on_is_asked_about_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, alarm: SimpleNamespace
) -> None:
    """And without the offer to have it go on."""
    finds(monkeypatch, BOOKED, BOOKED)

    async def refused(*_: Any) -> str:
        return "Temporal no longer knows this workflow"

    monkeypatch.setattr(left_invitation, "begin_again", refused)
    result, asked = await decided([said(AGAIN), said("call_off")])
    assert result == said("call_off")
    assert [AGAIN in one.options for one in asked] == [True, False]
    assert "no longer knows" in asked[1].definition.question


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("states", "told"),
    [
        ({"a": MessageState.SENT, "b": MessageState.FAILED}, ["invitation.called_off"]),
        ({"a": MessageState.FAILED}, []),
        (None, []),
    ],
    ids=["somebody was told", "nobody was", "it cannot be written"],
)
async def test_it_is_said_to_be_canceled_once_somebody_was_told_so(
    monkeypatch: pytest.MonkeyPatch, states: dict[str, MessageState] | None, told: list[str]
) -> None:
    """Not before: a mail that waits for the relay has canceled nothing yet."""
    finds(monkeypatch, BOOKED)
    monkeypatch.setattr(
        "workflows.left_invitation.workflow.info", lambda: SimpleNamespace(workflow_id="cadence/versayce")
    )
    recorded: list[str] = []
    out = asyncio.Event()

    async def writing() -> tuple[str, ...] | None:
        return tuple(states) if states is not None else None

    async def settled(keys: tuple[str, ...]) -> None:
        await out.wait()

    messages = SimpleNamespace(write=lambda *_: writing(), all_settled=settled, states=states or {})
    timeline = SimpleNamespace(record=lambda kind, **_: recorded.append(kind))
    calling_off = asyncio.create_task(call_off(OF, cast("Any", messages), cast("Any", timeline)))
    for _ in range(3):
        await asyncio.sleep(0)
    assert recorded == []
    out.set()
    await calling_off
    assert recorded == told
