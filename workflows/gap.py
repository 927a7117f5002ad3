"""Sending a product gap to the CRM, for as long as it takes."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.gap import Gaps
    from rapport.model.gap import GapSent, GapStart
    from rapport.model.workflows import GAP

from workflows.options import WEBHOOKS
from workflows.outcomes import Denied, attempted


@workflow.defn(name=GAP.name)
class GapDelivery:
    """Sends a gap until the CRM has it as it stands; what the CRM refuses for good is listed by `rapport doctor`.

    Each change starts it, or tells the one that runs.
    """

    @workflow.init
    def __init__(self, start: GapStart) -> None:
        """Something is to be sent."""
        self.start = start
        self.changed = True

    @workflow.run
    async def run(self, start: GapStart) -> GapSent:  # noqa: ARG002 - taken by __init__
        """Send what stands, and again what changed meanwhile."""
        sent = GapSent(state="off")
        while self.changed:
            self.changed = False
            answer = await attempted(Gaps.deliver, self.start, f"Send {self.start.ref}", WEBHOOKS)
            sent = GapSent(state="failed") if isinstance(answer, Denied) else answer
        return sent

    @workflow.signal(name="gap_changed", description="There is something new to send")
    def gap_changed(self) -> None:
        """Send it again, once what is under way has gone."""
        self.changed = True
