"""A large account whose onsite kickoff somebody has to approve, and its task, driven as people do."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from temporalio.service import RPCError

from rapport.model.account import AccountFile
from rapport.model.ids import new_id, task_id
from rapport.model.meeting import Receipt
from rapport.model.task import Decision, TaskQuestion, TaskRequest, TaskView
from rapport.storage import account as accounts
from rapport.storage.timeline import submit
from starters.services import Actor, present, submission
from starters.use_cases import onboarding
from starters.use_cases.onboarding import StartRequest
from tests.conftest import Installation, by, example, left, until
from workflows.base import AccountWorkflow
from workflows.task import HumanTask

MANAGER = "ines.moreau@foobar.example"
BACKUP = "tomas.novak@foobar.example"
TASK = task_id("versayce", "onsite_approval", 1)
WORDS = {"reason": "They are the largest account.", "cost": "1,200 EUR", "dates": "The second week of December"}


def large() -> AccountFile:
    """The example account, large enough that a visit is worth it."""
    file = example()
    facts = file.account.facts.model_copy(update={"large_account": True})
    place = "Hardturmstrasse 11, Zurich"
    members = tuple(
        member.model_copy(update={"backup": BACKUP}) if member.email == MANAGER else member for member in file.members
    )
    account = file.account.model_copy(update={"facts": facts, "place": place})
    return file.model_copy(update={"account": account, "members": members})


async def begin_large(installation: Installation, *, review: str = "auto") -> None:
    """Start the large account's onboarding on a Monday at ten.

    Args:
        review: Who sends its mails.
    """
    await installation.sleep_to(0, 10)
    file = large()
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": review})})
    assert (await onboarding.start(installation.services, StartRequest(file=file))).created


async def view(installation: Installation, task: str = TASK) -> TaskView:
    """The task as it stands."""
    return await installation.client.get_workflow_handle(task).query(HumanTask.view)


async def in_phase(installation: Installation, phase: str, task: str = TASK) -> TaskView:
    """The task, once it is in this phase and waits there."""

    async def there() -> TaskView | None:
        try:
            seen = await view(installation, task)
        except RPCError:
            # It is not started yet.
            return None
        return seen if seen.phase == phase and (seen.waiting_for or phase == "closed") else None

    seen: TaskView = await until(there, f"the phase {phase}")
    return seen


async def _said(installation: Installation, actor: Actor, kind: str, text: str | None) -> tuple[str, str]:
    async with installation.services.store.writing() as connection:
        member = await accounts.member_by_email(connection, actor.email)
        assert member is not None
        said = submission(member.id, actor, kind, TASK, text)
        await submit(connection, said)
    return member.id, said.id


async def request(installation: Installation, email: str, *, declined: bool = False) -> Receipt:
    """Say what is asked for, or that it is not needed."""
    member, said = await _said(installation, by(email), "task.request", None if declined else json.dumps(WORDS))
    handle = installation.client.get_workflow_handle(TASK)
    return await handle.execute_update(
        HumanTask.request, TaskRequest(at=present(), id=said, by=member, declined=declined)
    )


async def decide(
    installation: Installation, email: str, option: str, *, round_: int = 1, reason: str | None = None
) -> Receipt:
    """Choose an option."""
    member, said = await _said(installation, by(email), "task.decide", reason)
    decision = Decision(
        id=said,
        round=round_,
        option=option,
        by=member,
        submission=said,
        at=datetime.now(UTC),
        reasoned=reason is not None,
    )
    handle = installation.client.get_workflow_handle(TASK)
    return await handle.execute_update(HumanTask.decide, decision, id=new_id("u"))


async def ask(installation: Installation, email: str, text: str) -> Receipt:
    """Say that information is missing."""
    member, said = await _said(installation, by(email), "task.ask", text)
    handle = installation.client.get_workflow_handle(TASK)
    return await handle.execute_update(HumanTask.ask, TaskQuestion(at=present(), id=said, by=member, round=1))


async def answer(installation: Installation, email: str, text: str) -> Receipt:
    """Give what is missing."""
    member, said = await _said(installation, by(email), "task.answer", text)
    handle = installation.client.get_workflow_handle(TASK)
    return await handle.execute_update(HumanTask.answer, TaskQuestion(at=present(), id=said, by=member, round=1))


async def put_down(installation: Installation, email: str, option: str) -> Decision:
    """A decision that is on record and has not travelled yet."""
    member, said = await _said(installation, by(email), "task.decide", None)
    return Decision(id=said, round=1, option=option, by=member, submission=said, at=datetime.now(UTC))


async def leave_at_the_door(installation: Installation, email: str, option: str) -> Decision:
    """Decide by signal, as when no worker answers in time."""
    decision = await put_down(installation, email, option)
    await installation.client.get_workflow_handle(TASK).signal(AccountWorkflow.hear_later, left("decide", decision))
    return decision
