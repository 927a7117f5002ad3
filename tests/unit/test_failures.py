"""What becomes of a step whose work failed, where it fails again before all of it is taken back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities.message import LeftInvitation
from rapport.rules.onboarding import StepState
from workflows import left_invitation
from workflows.onboarding import failures
from workflows.onboarding.failures import Failures


async def test_a_step_that_failed_again_is_waited_for_while_the_first_failure_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A redo fails during an outage in which what the first attempt has left isn't taken back: its TAM is shown."""
    works: list[asyncio.Task[None]] = []
    outage, never = asyncio.Event(), asyncio.Event()
    progress = {"kickoff": SimpleNamespace(state=StepState.FAILED, attempt=1, definition=None)}

    async def take_back(*_: Any) -> Any:
        if progress["kickoff"].attempt == 1:
            await outage.wait()
        return SimpleNamespace(tasks=())

    async def soon(_: str) -> datetime:
        return datetime(2026, 11, 23, 9, tzinfo=UTC)

    async def put(*_: Any, **__: Any) -> None:
        await never.wait()

    steps = SimpleNamespace(
        start=SimpleNamespace(account="versayce", contract="C-1"),
        progress=progress,
        scope="versayce",
        messages=SimpleNamespace(drop_drafts=take_back),
        timeline=None,
        wake=lambda: None,
        go_on=lambda work: works.append(asyncio.ensure_future(work)),
        show_anew=lambda _: None,
        todo=lambda *_: SimpleNamespace(put=put),
    )
    monkeypatch.setattr(failures, "workflow", SimpleNamespace(now=lambda: datetime(2026, 11, 23, 9, tzinfo=UTC)))

    async def nothing_left(*_: Any) -> Any:
        return LeftInvitation()

    monkeypatch.setattr(failures, "done", take_back)
    monkeypatch.setattr(left_invitation, "left_invitation", nothing_left)
    monkeypatch.setattr(left_invitation, "Alarm", lambda: SimpleNamespace(set=lambda *_: None, rings=False))
    monkeypatch.setattr(failures, "call_off", nothing_left)
    monkeypatch.setattr(failures, "soon", soon)
    failed = Failures(cast("Any", steps), lambda _: None, lambda _: None)
    failed.follow_up("kickoff", "its workflow ended without a result")
    await asyncio.sleep(0)
    progress["kickoff"] = SimpleNamespace(state=StepState.FAILED, attempt=2, definition=None)
    failed.follow_up("kickoff", "its workflow ended without a result")
    await asyncio.sleep(0)
    outage.set()
    await works[0]
    assert failed.waits["kickoff"].on == ("tam",)
    progress["kickoff"] = SimpleNamespace(state=StepState.DONE, attempt=2, definition=None)
    never.set()
    await works[1]
    assert failed.waits == {}
