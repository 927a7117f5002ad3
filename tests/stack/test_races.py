"""People who decide in the same instant, on a real Temporal server."""

from __future__ import annotations

import asyncio

import pytest

from rapport.model.base import Refused, UserError
from rapport.model.ids import task_id
from rapport.model.meeting import Receipt
from rapport.model.task import TaskDefinition, TaskOption, TaskStart
from rapport.model.workflows import HUMAN_TASK
from starters.use_cases import account as accounts, task, timeline
from tests.conftest import Installation, account, by, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]

ROUNDS = 100
MANAGER, VICE = "ines.moreau@foobar.example", "henrik.dahl@foobar.example"
QUESTION = TaskDefinition(
    task="approval",
    question="Yes or no?",
    options=(TaskOption(id="approve", title="Approve"), TaskOption(id="deny", title="Deny")),
    assign=("role:tam_manager", "role:ce_vp"),
)


async def test_of_two_opposite_decisions_exactly_one_counts(here: Installation) -> None:
    """In each of 100 rounds one of two simultaneous answers is first; the other is told who decided what, and when."""
    await accounts.import_account(here.services, account("races", "C-races"))
    ids = [task_id("races", "choice", number) for number in range(1, ROUNDS + 1)]
    for number, id_ in enumerate(ids, 1):
        start = TaskStart(
            account="races",
            contract="C-races",
            subject="races",
            step="choice",
            title="A choice",
            attempt=number,
            definition=QUESTION,
        )
        await here.client.start_workflow(HUMAN_TASK.name, start, id=id_, task_queue=here.services.settings.task_queue)

    async def all_open() -> bool:
        return len((await task.inbox(here.services, by(MANAGER))).mine) == ROUNDS

    await until(all_open, "a hundred open tasks", limit=60)

    async def answer(id_: str, who: str, option: str) -> Receipt | UserError:
        try:
            return await task.decide(here.services, id_, option, by(who))
        except UserError as refusal:
            return refusal

    for turn, id_ in enumerate(ids):
        both = [answer(id_, MANAGER, "approve"), answer(id_, VICE, "deny")]
        results = await asyncio.gather(*(both if turn % 2 else reversed(both)))
        first = [result for result in results if isinstance(result, Receipt)]
        second = [result for result in results if isinstance(result, UserError)]
        assert len(first) == len(second) == 1, (id_, results)
        assert first[0].accepted
        assert second[0].kind is Refused.CONFLICT
        winner = {"approve": "Ines Moreau", "deny": "Henrik Dahl"}[first[0].outcome or ""]
        assert winner in second[0].problem, second[0].problem

    async def none_open() -> bool:
        return not (await task.inbox(here.services, by(VICE))).mine

    await until(none_open, "no open task", limit=60)
    told = await timeline.timeline_of(here.services, "races")
    assert sum(entry.kind == "decision.made" for entry in told) == ROUNDS
    assert sum(entry.kind == "task.closed" for entry in told) == ROUNDS
