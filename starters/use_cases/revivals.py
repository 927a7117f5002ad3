"""Workflows that were ended in Temporal: since when each stands still, and having it go on."""

from __future__ import annotations

from typing import Final

from temporalio.common import WorkflowIDConflictPolicy

from rapport.model.base import Refused, UserError
from rapport.model.ids import ended_outside_id
from rapport.model.meeting import Receipt
from rapport.model.sweep import BeginAgain, Gone, StandstillResult
from rapport.model.workflows import ENDED_OUTSIDE
from rapport.rules.onboarding import StepState
from rapport.rules.todo_template import AGAIN
from rapport.search_attributes import found_by
from rapport.storage import contract as contracts
from rapport.storage.timeline import Submission
from starters.services import LATER, Services, answered, present

CONTINUED: Final = "continued"

_NOT_BEGUN: Final = {
    "leave": "it was left ended in this moment, and did not continue",
    "over": "there is nothing to continue: it came to its own end, or was taken care of",
}


async def begin_again(services: Services, gone: Gone, said: Submission) -> Receipt:
    """Have a workflow go on that was ended from outside; once, however many say so.

    Raises:
        UserError: It is not possible, and why.
    """
    word = BeginAgain(by=said.actor, submission=said.id)
    handle = await answered(
        services.client.start_workflow(
            ENDED_OUTSIDE.name,
            gone,
            id=ended_outside_id(gone.workflow_id),
            task_queue=services.settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="begin_again",
            start_signal_args=[word],
            search_attributes=found_by(gone.account),
            static_summary="Have it go on where it was",
            result_type=StandstillResult,
        ),
        gone.workflow_id,
    )
    try:
        settled = await answered(handle.result(), gone.workflow_id)
    except UserError as refusal:
        if refusal.kind is not Refused.UNREACHABLE:
            raise
        return Receipt(accepted=True, outcome=LATER)
    if settled.outcome == "unable":
        raise UserError(
            f"can't continue: {settled.reason}",
            field="account",
            fix=f"see {gone.workflow_id} in Temporal's UI",
            kind=Refused.CONFLICT,
        )
    if settled.outcome != AGAIN:
        raise UserError(
            _NOT_BEGUN[settled.outcome],
            field="account",
            fix="look how it is now, and say it again if it still stands still",
            kind=Refused.CONFLICT,
        )
    return Receipt(accepted=True, outcome=CONTINUED)


async def refuse_where_forgotten(services: Services, account: str) -> None:
    """Tell how an onboarding continues that SQL shows as open and Temporal no longer knows.

    Raises:
        UserError: It is so.
    """
    async with services.store.reading() as connection:
        contract = await contracts.latest(connection, account)
        known = await contracts.milestones(connection, contract.id) if contract is not None else []
    if contract is None or contract.run_id is None or contract.ended_at is not None:
        return
    at = next((one.step for one in known if not StepState(one.state).ended), "STEP")
    raise UserError(
        f'Temporal no longer has the history of the onboarding of "{account}", so it can\'t continue',
        field="account",
        fix=f"give its file a [contract] with a new id, then run `rapport onboarding start FILE --at {at}`. "
        f"No email goes out for the steps before {at}; that step and those after it are done from their beginning",
        kind=Refused.NOT_FOUND,
    )


def gone_of(account: str, subject: str, workflow_id: str, assign: str) -> Gone:
    """A workflow that was ended, as whoever has it go on knows it."""
    return Gone(account=account, subject=subject, workflow_id=workflow_id, since=present(), assign=(assign,))
