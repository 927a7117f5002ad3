"""What became false while a relay refused its password does not go once it takes it, on a real Temporal server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from rapport.mail import outbox
from rapport.mail.compose import readable
from rapport.mail.outbox import Message
from rapport.model.message import MessageState, Purpose
from rapport.model.operation import Operate
from rapport.rules import claims
from starters.use_cases import meeting, onboarding, operation, support_case, task as tasks, tech_review
from starters.use_cases.operation import OperationWritten
from starters.use_cases.support_case import Say
from starters.views import support_case as support_case_views
from tests.conftest import CHAMPION, TAM, Installation, by, until
from tests.helpers_mail import ScriptedRelay
from tests.stack.test_relay_fault import alarmed, quick, refusing, started
from tests.support import approval, desk, tech_review as support

__all__ = ["quick"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

S = MessageState


async def of(there: Installation, account: str) -> list[Message]:
    """An account's mails."""
    async with there.services.store.reading() as connection:
        return await outbox.messages(connection, account)


async def mended(there: Installation, relay: ScriptedRelay, account: str) -> list[Message]:
    """Have the relay take the password, and give the account's mails once nothing waits any more."""
    await until(lambda: alarmed(there), "the managers' task")
    assert not relay.accepted
    relay.script["AUTH"].clear()

    async def settled() -> list[Message]:
        found = await of(there, account)
        return [] if any(one.state in (S.READY, S.SENDING, S.DEFERRED) for one in found) else found

    lines: list[Message] = await until(settled, "an end of all that waits")
    return lines


def became(lines: list[Message], email: str) -> set[tuple[str, str | None]]:
    """What became of the mails of one kind, and why."""
    return {(one.state, one.reason) for one in lines if one.email == email}


async def written(there: Installation, account: str, email: str) -> None:
    """Wait until such a mail waits for the relay."""

    async def waits() -> bool:
        return any(one.email == email for one in await of(there, account))

    await until(waits, email)


async def test_times_of_a_meeting_that_was_booked_by_hand_are_offered_to_nobody(
    dev_server: Client, tmp_path: Path
) -> None:
    """The TAM books, and moves, while the welcomes wait: the last invitation goes, and a welcome without times."""
    async with refusing(dev_server, tmp_path) as (there, relay):
        key = await started(there)
        soon = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=9)
        for hours in (0, 2):
            at = soon + timedelta(hours=hours)
            assert (await meeting.book(there.services, key, "kickoff", at, TAM, anyway=True)).accepted

            async def invited(count: int = 5 * (1 + hours // 2)) -> bool:
                found = await of(there, key)
                return sum(one.purpose == Purpose.INVITATION for one in found) == count

            await until(invited, "the invitations")
        lines = await mended(there, relay, key)
        assert became(lines, "welcome") == {(S.SENT, None)}
        assert became(lines, "meeting_invitation") == {(S.SENT, None), (S.SUPPRESSED, claims.NEWER)}
        welcome, _ = sorted(
            (readable(one.raw) for one in relay.to(CHAMPION)), key=lambda one: one["subject"], reverse=True
        )
        assert welcome["subject"].startswith("Welcome to")
        assert "/m/" not in welcome["text"] + welcome["html"]


async def test_a_step_that_was_left_out_meanwhile_writes_to_nobody(dev_server: Client, tmp_path: Path) -> None:
    """What it had under way when somebody skipped it is taken back, also from the relay's door."""
    async with refusing(dev_server, tmp_path) as (there, relay):
        key = await started(there)
        why = OperationWritten(reason="They postpone it.", step="kickoff")
        assert (await operation.operate(there.services, key, Operate.SKIP, why, TAM)).outcome == "skipped"

        async def skipped() -> bool:
            shown = await onboarding.status(there.services, key)
            return {one.step: one.state for one in shown.milestones}["kickoff"] == "skipped"

        await until(skipped, "the step to be over")
        lines = await mended(there, relay, key)
        assert {one.state for one in lines} == {S.SUPPRESSED}
        assert not relay.accepted


async def test_nobody_is_asked_what_was_decided_meanwhile(dev_server: Client, tmp_path: Path) -> None:
    """The question of an approval that the manager has answered on the page does not go; its outcome does."""
    async with refusing(dev_server, tmp_path) as (there, relay):
        task = await approval.opened(there)
        await written(there, task.account, "task_opened")
        assert (await tasks.decide(there.services, task.task, "deny", by(approval.MANAGER), "Not now.")).accepted
        await written(there, task.account, "task_outcome")
        lines = await mended(there, relay, task.account)
        assert became(lines, "task_request") == {(S.SUPPRESSED, claims.TASK_CLOSED)}
        assert became(lines, "task_opened") == {(S.SUPPRESSED, claims.TASK_CLOSED)}
        assert became(lines, "task_outcome") == {(S.SENT, None)}


async def test_a_case_is_not_told_as_it_was(dev_server: Client, tmp_path: Path) -> None:
    """Solved and opened again meanwhile: the answer that somebody gave goes, and no word that it is solved."""
    async with refusing(dev_server, tmp_path) as (there, relay):
        await desk.open_desk(there, day=None)
        ref = (await desk.ask(there)).ref
        owner = by(desk.LEAD)
        assert (await support_case.answer(there.services, ref, Say(text="Rotate it twice."), owner)).outcome
        await written(there, "versayce", "case_answer")
        await support_case.resolve(there.services, ref, Say(text="Twice it was."), owner)
        await desk.in_state(there, ref, "resolved")
        await written(there, "versayce", "case_resolved")
        await support_case.reopen(there.services, ref, Say(text="It came back."), owner)

        async def is_open() -> bool:
            return (await support_case_views.show(there.services, ref)).state in ("queued", "open")

        await until(is_open, "the case to be open again")
        lines = await mended(there, relay, "versayce")
        assert became(lines, "case_answer") == {(S.SENT, None)}
        assert became(lines, "case_resolved") == {(S.SUPPRESSED, claims.CASE_REOPENED)}


async def test_a_case_that_is_solved_is_not_told_as_open(dev_server: Client, tmp_path: Path) -> None:
    """Nobody is told that it begins, once it is over."""
    async with refusing(dev_server, tmp_path) as (there, relay):
        await desk.open_desk(there, day=None)
        ref = (await desk.ask(there)).ref
        owner = by(desk.LEAD)
        await written(there, "versayce", "case_acknowledged")
        await support_case.resolve(there.services, ref, Say(text="Rotate it twice."), owner)
        await written(there, "versayce", "case_resolved")
        lines = await mended(there, relay, "versayce")
        assert became(lines, "case_acknowledged") == {(S.SUPPRESSED, claims.CASE_SOLVED)}
        assert became(lines, "case_queued") | became(lines, "case_assigned") <= {(S.SUPPRESSED, claims.CASE_SOLVED)}
        assert became(lines, "case_resolved") == {(S.SENT, None)}


async def test_nobody_is_asked_about_a_review_that_was_withdrawn(dev_server: Client, tmp_path: Path) -> None:
    """Neither that it was asked for nor the questions to each side go."""
    async with refusing(dev_server, tmp_path) as (there, relay):
        ref = await support.submitted(there)
        await support.asked(there, ref, "feedback_engineering")
        await written(there, "versayce", "review_submitted")
        assert (await tech_review.withdraw(there.services, ref, support.why("Not needed."), by(support.CE))).accepted
        await support.in_phase(there, ref, "closed")
        lines = await mended(there, relay, "versayce")
        assert became(lines, "review_submitted") == {(S.SUPPRESSED, claims.REVIEW_WITHDRAWN)}
        assert became(lines, "review_asked") == {(S.SUPPRESSED, claims.TASK_CLOSED)}
