"""A mail that belongs to no account's story, such as a sign-in link."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.message import MessageRequest, Outcomes
    from rapport.model.workflows import NOTICE

from workflows.posting import insist


@workflow.defn(name=NOTICE.name)
class Notice:
    """Sends the mails of one occasion, and ends when each of them has gone or was kept from going."""

    @workflow.run
    async def run(self, occasion: MessageRequest) -> Outcomes:
        """Write the mails and send them; none, where they cannot be written."""
        return await insist(occasion, occasion.title)
