"""A workflow that was ended from outside: somebody decides whether it goes on, and it does so once."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.sweep import Missing
    from rapport.model.ids import gone_task
    from rapport.model.projection import TimelineEvent
    from rapport.model.sweep import Asking, BeginAgain, Gone, Standstill, StandstillResult
    from rapport.model.task import TaskStart
    from rapport.model.workflows import ENDED_OUTSIDE
    from rapport.rules.todo_template import AGAIN, ENDED_IN_TEMPORAL, LEAVE, forgotten

from workflows.options import SWEEPS
from workflows.outcomes import done
from workflows.waiting import NEXT_TO_DO, Alarm, ask, soon


@workflow.defn(name=ENDED_OUTSIDE.name)
class EndedOutside:
    """Asks whether a workflow goes on that was ended from outside, until somebody decides or it runs again.

    The sweep starts it, and so does whoever has the workflow go on by a command. A workflow has one of these at a time,
    named by its id, so none is begun again twice.
    """

    @workflow.init
    def __init__(self, start: Gone) -> None:
        """Nobody was asked, but for those whom the runs before have asked."""
        before = start.asking or Asking(began=workflow.now(), asked=0, why_not=None)
        self.start = start
        self.began = before.began
        self.asked = before.asked
        self.said: BeginAgain | None = None
        self.over = False
        self.why_not = before.why_not
        self.alarm = Alarm()

    @workflow.signal(name="begin_again", description="Have it go on, without asking")
    def begin_again(self, said: BeginAgain) -> None:
        """A member's word; the first counts."""
        self.said = self.said or said

    @workflow.signal(name="runs_again", description="It runs again, or has been taken care of")
    def runs_again(self) -> None:
        """Ask nobody any more: it runs again, or somebody has taken care of it."""
        self.over = True

    @workflow.run
    async def run(self, start: Gone) -> StandstillResult:  # noqa: ARG002 - taken by __init__
        """Ask, and do what was decided."""
        while (decided := await self.have_decided()) is not None:
            outcome, said = decided
            settled = await self.settle(outcome, said)
            # Whoever said meanwhile that it goes on has said so later, and is waiting for what comes of it.
            if outcome == LEAVE and self.said is not None:
                continue
            # Whoever said so by a command hears why it is not possible; who decided the to-do is asked again.
            if settled.outcome != "unable" or self.said is not None:
                return settled
            self.why_not = settled.reason
        return StandstillResult(outcome="over")

    async def have_decided(self) -> tuple[str, BeginAgain] | None:
        """Ask whether it goes on, as often as it takes; nothing where that is no question any more."""
        while not self.is_settled():
            self.asked += 1
            template = forgotten(self.start.anew) if self.start.forgotten else ENDED_IN_TEMPORAL
            definition = template.definition.model_copy(update={"assign": self.start.assign})
            if self.why_not is not None:
                question = f"It couldn't continue: {self.why_not}. What becomes of it?"
                definition = definition.model_copy(update={"question": question})
            given = TaskStart(
                account=self.start.account,
                contract=self.start.subject,
                subject=self.start.subject,
                step="gone",
                title=template.title.format(self.start.workflow_id),
                attempt=self.asked,
                definition=definition,
                deadline=await soon(self.start.account),
            )
            id_ = gone_task(self.start.account, self.start.workflow_id, self.began, self.asked)
            result = await ask(given, id_, given.title, is_over=self.is_settled)
            if result.outcome in template.options and result.by is not None:
                return result.outcome, BeginAgain(by=result.by, submission=result.submission)
            self.alarm.set(workflow.now() + NEXT_TO_DO, "Ask again whether it goes on")
            await workflow.wait_condition(lambda: self.is_settled() or self.alarm.rings)
            if not self.is_settled():
                # Nobody may decide for years, and no history grows as long.
                asking = Asking(began=self.began, asked=self.asked, why_not=self.why_not)
                workflow.continue_as_new(self.start.model_copy(update={"asking": asking}))
        return (AGAIN, self.said) if self.said is not None else None

    def is_settled(self) -> bool:
        """Whether nobody has to be asked."""
        return self.over or self.said is not None

    async def settle(self, outcome: str, said: BeginAgain) -> StandstillResult:
        """Have it go on, or leave it ended."""
        entry = TimelineEvent(
            key=f"{self.start.workflow_id}/ended/{self.began.isoformat()}/{self.asked}/{outcome}",
            account=self.start.account,
            at=workflow.now(),
            kind="workflow.left_ended" if outcome == LEAVE else "workflow.began_again",
            who=said.by,
            about=self.start.workflow_id,
            submission=said.submission,
        )
        order = Standstill(workflow_id=self.start.workflow_id, outcome=outcome, entry=entry)
        summary = "Leave it ended" if outcome == LEAVE else "Have it go on where it was"
        return await done(Missing.settle, order, summary, SWEEPS)
