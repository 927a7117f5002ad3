"""The alarm that no mail goes: from the first refusal of the relay until it takes our mail again."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.relay import Relays
    from rapport.model.relay import RelayAsked, RelayStart
    from rapport.model.workflows import RELAY

from workflows.options import PROBES, RECORDS
from workflows.outcomes import done


@workflow.defn(name=RELAY.name)
class RelayAlarm:
    """Tells the managers, and asks the relay until the cause is gone; that closes their task, and mail goes again.

    There is one at a time, by its id, so there is one probe at a time over all processes. Whoever meets the fault
    starts it, and so does whoever waits while nobody has asked for long.
    """

    @workflow.run
    async def run(self, start: RelayStart) -> None:  # noqa: ARG002 - what is wrong is on record in SQL
        """Wait until the relay takes our mail."""
        await done(Relays.tell, RelayAsked(now=workflow.now()), "Tell the managers that no email goes out", RECORDS)
        await done(Relays.probe, RelayAsked(now=workflow.now()), "Ask the mail server until it takes email", PROBES)
