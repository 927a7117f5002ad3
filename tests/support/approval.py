"""Driving the example's approval of an onsite kickoff through the use cases, as people do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rapport.model.account import AccountFile
from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id
from starters.use_cases import onboarding, task as tasks
from starters.use_cases.onboarding import StartRequest
from starters.views.task import TaskShown
from tests.conftest import TAM, Installation, account, until

MANAGER: Final = "ines.moreau@foobar.example"
WORDS: Final = {"reason": "Three teams in one building", "cost": "2000 CHF <all in>", "dates": "7 to 9 December"}


def large(file: AccountFile) -> AccountFile:
    """An account so large that an onsite kickoff is worth asking for."""
    facts = file.account.facts.model_copy(update={"large_account": True})
    return file.model_copy(update={"account": file.account.model_copy(update={"facts": facts})})


async def prepared(installation: Installation) -> TaskShown:
    """A new account's approval that waits for the TAM to ask for it."""
    file = large(account(new_id("a").replace("_", "-"), new_id("C")))
    await onboarding.start(installation.services, StartRequest(file=file))
    return await seen(installation, f"{file.account.key}/onsite_approval", lambda task: task.phase == "preparing")


async def opened(installation: Installation) -> TaskShown:
    """An approval that waits for the manager."""
    task = await prepared(installation)
    assert (await tasks.request(installation.services, task.task, WORDS, TAM)).accepted
    return await seen(installation, task.task, lambda shown: shown.phase == "open")


async def seen(installation: Installation, name: str, condition: Callable[[TaskShown], bool]) -> TaskShown:
    """A task, once its projection is so."""

    async def there() -> TaskShown | None:
        try:
            shown = await tasks.show(installation.services, name)
        except UserError as refusal:
            if refusal.kind is not Refused.NOT_FOUND:
                raise
            return None
        return shown if condition(shown) else None

    shown: TaskShown = await until(there, f"the task {name}")
    return shown
