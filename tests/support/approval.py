"""Driving the example's approval of an onsite kickoff through the use cases, as people do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rapport.model.base import Refusal, Refused
from rapport.model.ids import new_id
from rapport.model.people import AccountFile
from starters.commands import onboardings, tasks
from starters.commands.onboardings import StartRequest
from starters.commands.tasks_shown import TaskShown
from tests.conftest import TAM, Town, account, until

MANAGER: Final = "ines.moreau@foobar.example"
WORDS: Final = {"reason": "Three teams in one building", "cost": "2000 CHF <all in>", "dates": "7 to 9 December"}


def large(file: AccountFile) -> AccountFile:
    """An account so large that an onsite kickoff is worth asking for."""
    facts = file.account.facts.model_copy(update={"large_account": True})
    return file.model_copy(update={"account": file.account.model_copy(update={"facts": facts})})


async def prepared(town: Town) -> TaskShown:
    """A new account's approval that waits for the TAM to ask for it."""
    file = large(account(new_id("a").replace("_", "-"), new_id("C")))
    await onboardings.start(town.office, StartRequest(file=file))
    return await seen(town, f"{file.account.key}/onsite_approval", lambda task: task.phase == "preparing")


async def opened(town: Town) -> TaskShown:
    """An approval that waits for the manager."""
    task = await prepared(town)
    assert (await tasks.request(town.office, task.task, WORDS, TAM)).accepted
    return await seen(town, task.task, lambda shown: shown.phase == "open")


async def seen(town: Town, name: str, condition: Callable[[TaskShown], bool]) -> TaskShown:
    """A task, once its projection is so."""

    async def there() -> TaskShown | None:
        try:
            shown = await tasks.show(town.office, name)
        except Refusal as refusal:
            if refusal.kind is not Refused.NOT_FOUND:
                raise
            return None
        return shown if condition(shown) else None

    shown: TaskShown = await until(there, f"the task {name}")
    return shown
