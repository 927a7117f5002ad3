"""An interruption of engineering: a complete dossier, put to the team that owns the area as a human task."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.support_case import Support, TeamAsked
    from rapport.model.ids import task_id
    from rapport.model.task import TaskDefinition, TaskOption, TaskResult, TaskStart

from workflows.options import PLANNING
from workflows.outcomes import done
from workflows.waiting import TodoOwner, ask

STEP = "escalation"
ENGINEERS_OPTIONS = (
    TaskOption(id="answer", title="Here is the answer", needs_reason=True),
    TaskOption(id="defect", title="It is a defect", needs_reason=True),
    TaskOption(id="not_ours", title="It belongs to another team", needs_reason=True),
)


async def ask_engineering(
    owner: TodoOwner, ref: str, number: int, area: str, requester: str, dossier: str | None
) -> TaskResult:
    """Put a case to the team that owns its area, and wait for their word; whoever asked gets it, never the customer.

    Args:
        number: Counts the escalations of this case, from 1.
        requester: The case's owner, by id.
        dossier: The submission with all that engineering needs.
    """
    found = await done(Support.team, TeamAsked(area=area, now=workflow.now()), "Whose area is it?", PLANNING)
    definition = TaskDefinition(
        task="approval",
        question=f"What is the answer to {ref}? It goes to the support engineer, never to the customer",
        options=ENGINEERS_OPTIONS,
        assign=found.assign,
    )
    given = TaskStart(
        account=owner.account,
        contract=ref,
        subject=ref,
        step=STEP,
        title=f"{ref} for {found.team}",
        attempt=number,
        definition=definition,
        requester=requester,
        request=dossier,
    )
    return await ask(given, task_id(ref, STEP, number), f"{ref} is put to engineering", todos=owner.todos)
