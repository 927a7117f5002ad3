"""The end of a hand-over for a while: the account goes back to its regular TAM, and whoever goes by that is told."""

from __future__ import annotations

import contextlib

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.records import Records
    from rapport.model.successions import HandBack, HandoverStart
    from rapport.model.workflows import HANDOVER

from workflows.options import RECORDS


@workflow.defn(name=HANDOVER.name)
class Handover:
    """Waits for the day, and gives the account back unless it was handed over anew."""

    @workflow.run
    async def run(self, start: HandoverStart) -> None:
        """Sleep, give back, tell."""
        await workflow.sleep(start.until - workflow.now(), summary="The account goes back to its regular TAM")
        order = HandBack(account=start.account, key=workflow.info().workflow_id, now=workflow.now())
        told = await workflow.execute_local_activity_method(
            Records.hand_back, order, summary="Give the account back", **RECORDS
        )
        for id_ in told.ids:
            # One that has ended meanwhile goes by nothing any more.
            with contextlib.suppress(ApplicationError):
                await workflow.get_external_workflow_handle(id_).signal("people_changed")
