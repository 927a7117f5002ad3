"""Telling the review channel what is new of a review, for as long as it takes."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.announcement import Announcements
    from rapport.model.announcement import AnnouncingStart
    from rapport.model.workflows import ANNOUNCING

from workflows.options import WEBHOOKS
from workflows.outcomes import done


@workflow.defn(name=ANNOUNCING.name)
class Announcing:
    """Tells the channel all that is on record of one review and that it was not told yet.

    The review starts it, or tells the one that runs; where that was lost, the sweep starts it. One review has one of
    these at a time, so nothing is told out of its order. What the channel took without our hearing its answer is told
    once more.
    """

    @workflow.init
    def __init__(self, start: AnnouncingStart) -> None:
        """Something is to be told."""
        self.start = start
        self.more = True

    @workflow.run
    async def run(self, start: AnnouncingStart) -> None:  # noqa: ARG002 - taken by __init__
        """Tell what is on record, and again what came meanwhile."""
        while self.more:
            self.more = False
            await done(Announcements.announce, self.start, f"Tell the channel of {self.start.ref}", WEBHOOKS)

    @workflow.signal(name="more_to_tell", description="There is something new to tell the channel")
    def more_to_tell(self) -> None:
        """Tell it too, once what is under way was told."""
        self.more = True
