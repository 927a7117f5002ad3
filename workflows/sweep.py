"""The sweep: nothing that is on record rests on a workflow's memory alone."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.sweep import Missing, Sweeping
    from rapport.model.ids import announcing_id, case_id, desk_id, ended_outside_id, gap_id, review_id, undelivered_id
    from rapport.model.support_case import DESK, DeskStart
    from rapport.model.sweep import SweepAsked, SweepStart, Swept
    from rapport.model.workflows import (
        ANNOUNCING,
        ENDED_OUTSIDE,
        GAP,
        HUMAN_TASK,
        SUPPORT_CASE,
        SUPPORT_DESK,
        SWEEP,
        TECH_REVIEW,
        UNDELIVERED,
    )

from workflows.options import SWEEPS
from workflows.outcomes import ONCE, done, started


@workflow.defn(name=SWEEP.name)
class Sweep:
    """One round, started by the schedule: has everything go on that is on record and that nobody is at work on.

    Each goes on in a workflow of its own, named by its business key, so that none is begun twice.
    """

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
            await started(SUPPORT_CASE, case, case_id(case.ref), summary=f"{case.ref}, in {case.area}", policy=ONCE)
            for case in strays.cases
        ]
        reviews = [
            await started(TECH_REVIEW, one, review_id(one.ref), summary=f"Technical review {one.ref}", policy=ONCE)
            for one in strays.reviews
        ]
        gaps = [await started(GAP, gap, gap_id(gap.ref), summary=f"Send {gap.ref} to the CRM") for gap in strays.gaps]
        announcements = [
            await started(ANNOUNCING, one, announcing_id(one.ref), summary=f"Tell the channel of {one.ref}")
            for one in strays.announcements
        ]
        replies = [
            await started(HUMAN_TASK, one.start, one.task, summary="Have a late reply answered", policy=ONCE)
            for one in strays.replies
        ]
        missing = await done(Missing.gone, asked, "What was ended outside Rapport?", SWEEPS)
        gone = [
            await started(ENDED_OUTSIDE, one, ended_outside_id(one.workflow_id), summary="Ask whether it goes on")
            for one in missing.workflows
        ]
        if missing.desk:
            await started(SUPPORT_DESK, DeskStart(), desk_id(DESK), summary="The support desk")
        return Swept(
            unknown=missing.unknown,
            gone=sum(one is not None for one in gone),
            mails=sum(one is not None for one in mails),
            cases=sum(one is not None for one in cases),
            reviews=sum(one is not None for one in reviews),
            gaps=sum(one is not None for one in gaps),
            announcements=sum(one is not None for one in announcements),
            replies=sum(one is not None for one in replies),
        )
