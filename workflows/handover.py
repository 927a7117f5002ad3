"""The end of a hand-over for a while: the account goes back to its regular TAM, and whoever goes by that is told."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.projection import Projections
    from rapport.model.message import HandoverFacts, MessageRequest, Purpose
    from rapport.model.succession import HandBack, HandoverStart
    from rapport.model.workflows import HANDOVER

from workflows.options import RECORDS
from workflows.outcomes import done, told
from workflows.posting import insist


@workflow.defn(name=HANDOVER.name)
class Handover:
    """Waits for the day, and gives the account back unless it was handed over anew."""

    @workflow.run
    async def run(self, start: HandoverStart) -> None:
        """Sleep until the account goes back, give it back, and tell whoever goes by who its TAM is."""
        await workflow.sleep(start.until - workflow.now(), summary="The account goes back to its regular TAM")
        order = HandBack(account=start.account, key=workflow.info().workflow_id, now=workflow.now())
        back = await done(Projections.hand_back, order, "Give the account back", RECORDS)
        if back.tam is None or back.former is None:
            return
        for id_ in back.listeners:
            # One that has ended meanwhile goes by nothing any more.
            await told(id_, "people_changed")
        await self.write_to_the_tam(start.account, back.tam, back.former)

    async def write_to_the_tam(self, account: str, tam: str, former: str) -> None:
        """Tell the regular TAM that it is theirs again."""
        occasion = MessageRequest(
            account=account,
            step="people",
            title="The account is back",
            workflow_id=workflow.info().workflow_id,
            purpose=Purpose.NOTICE,
            email="account_handed_over",
            to=(tam,),
            now=workflow.now(),
            handover=HandoverFacts(former=former, back=True),
        )
        await insist(occasion, "Tell the TAM")
