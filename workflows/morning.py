"""The morning's mails: each member who has something to read gets one when their working day begins."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.morning import MorningsAsked, Reports
    from rapport.model.ids import morning_id
    from rapport.model.message import MessageRequest, Purpose
    from rapport.model.morning import MorningDue, MorningResult, MorningStart
    from rapport.model.workflows import MORNING, NOTICE

from workflows.options import PLANNING
from workflows.outcomes import ONCE, done, started

ROUND_STAYS: Final = timedelta(minutes=10)
"""How long a round stays for its mails. Shorter than the time between two, as none begins while another runs."""


@workflow.defn(name=MORNING.name)
class Morning:
    """One round, started by the schedule every half hour: finds whose morning it is and has a mail sent to each.

    Each mail is a workflow of its own, named by member and date: a round that is repeated or overlaps another finds
    it there, and mail that is stopped keeps no later round from its members. The round only sees to it that they are
    on their way, or waits for `ROUND_STAYS`; they go on without it.
    """

    @workflow.run
    async def run(self, start: MorningStart) -> MorningResult:  # noqa: ARG002 - nothing has to be known yet
        """Find whose morning it is, and see to each."""
        question = MorningsAsked(started=workflow.info().start_time, now=workflow.now())
        mornings = await done(Reports.mornings, question, "Whose morning is it?", PLANNING)
        started = [await self._write(due) for due in mornings.due]
        mails = [mail for mail in started if mail is not None]
        if mails:
            await workflow.wait(mails, timeout=ROUND_STAYS.total_seconds())
        return MorningResult(written=len(mails))

    async def _write(self, due: MorningDue) -> asyncio.Task[Any] | None:
        """Have one mail sent; nothing if an earlier round has seen to it."""
        id_ = morning_id(due.day, due.member)
        occasion = MessageRequest(
            step="morning",
            title="The morning mail",
            workflow_id=id_,
            purpose=Purpose.MORNING,
            email="morning",
            to=(due.member,),
            now=workflow.now(),
            stale_at=due.over_at,
        )
        mail = await started(NOTICE, occasion, id_, summary=occasion.title, policy=ONCE)
        if mail is None:
            return None
        # A mail that cannot be written fails by itself, where it is seen, and not the round of everyone else's.
        mail.add_done_callback(asyncio.Task.exception)
        return mail
