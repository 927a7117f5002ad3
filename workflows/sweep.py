"""The sweep: nothing that is on record rests on a workflow's memory alone."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.sweep import Missing, Sweeping
    from rapport.model.human_task import TaskStart
    from rapport.model.ids import announcing_id, case_id, gap_id, gone_task, review_id, undelivered_id
    from rapport.model.sweep import Gone, SweepAsked, SweepStart, Swept
    from rapport.model.workflows import ANNOUNCING, GAP, HUMAN_TASK, SUPPORT_CASE, SWEEP, TECH_REVIEW, UNDELIVERED
    from rapport.policy.chores import GONE

from workflows.options import SWEEPS
from workflows.outcomes import done, started
from workflows.waiting import soon


@workflow.defn(name=SWEEP.name)
class Sweep:
    """One round, started by the schedule: has everything go on that is on record and that nobody is at work on.

    Each goes on in a workflow of its own, named by its business key, so that none is begun twice.
    """

    async def tell_of(self, gone: Gone) -> bool:
        """Have somebody take care of a workflow that was ended from outside, once."""
        given = TaskStart(
            account=gone.account,
            contract=gone.subject,
            subject=gone.subject,
            step="gone",
            title=GONE.title.format(gone.workflow_id),
            definition=GONE.definition.model_copy(update={"assign": gone.assign}),
            deadline=await soon(gone.account),
        )
        id_ = gone_task(gone.account, gone.workflow_id, gone.since)
        return await started(HUMAN_TASK, given, id_, summary=given.title, once=True) is not None

    @workflow.run
    async def run(self, start: SweepStart) -> Swept:
        """Look, and start what is missing."""
        asked = SweepAsked(patience=start.patience, now=workflow.now())
        strays = await done(Sweeping.look, asked, "What is nobody at work on?", SWEEPS)
        mails = [
            await started(UNDELIVERED, mail, undelivered_id(mail.key), summary="Take care of an email")
            for mail in strays.mails
        ]
        cases = [
            await started(SUPPORT_CASE, case, case_id(case.ref), summary=f"{case.ref}, in {case.area}", once=True)
            for case in strays.cases
        ]
        reviews = [
            await started(TECH_REVIEW, one, review_id(one.ref), summary=f"Technical review {one.ref}", once=True)
            for one in strays.reviews
        ]
        gaps = [await started(GAP, gap, gap_id(gap.ref), summary=f"Send {gap.ref} to the CRM") for gap in strays.gaps]
        announcements = [
            await started(ANNOUNCING, one, announcing_id(one.ref), summary=f"Tell the channel of {one.ref}")
            for one in strays.announcements
        ]
        missing = await done(Missing.gone, asked, "What was ended outside Rapport?", SWEEPS)
        gone = [await self.tell_of(one) for one in missing.workflows]
        return Swept(
            gone=sum(gone),
            mails=sum(one is not None for one in mails),
            cases=sum(one is not None for one in cases),
            reviews=sum(one is not None for one in reviews),
            gaps=sum(one is not None for one in gaps),
            announcements=sum(one is not None for one in announcements),
        )
