"""A training plan that the TAM writes and the champion signs off, driven through the use cases as people do."""

from __future__ import annotations

from typing import Final

from starters.use_cases import onboarding, task as tasks
from starters.use_cases.onboarding import StartRequest
from starters.views.task import TaskShown
from tests.conftest import CHAMPION, TAM, Installation, account, example, link_of
from tests.support.approval import seen
from tests.support.playbooks import put

PLAN: Final = {
    "goals": "Alerts before customers call.",
    "sessions": "- 8 December, 45 minutes: deployments; with Mara Osei\n- 10 December: checkout; with Jonas",
    "who_does_what": "- Luca Bianchi: sees to it that there is time\n- Robin Keller: holds the sessions",
}


async def plan(installation: Installation, key: str = "versayce", contract: str | None = None) -> TaskShown:
    """An account whose training plan waits for the TAM to write it."""
    name = put(installation.services.settings.data, "signing", "training_plan")
    file = example(playbook=name) if contract is None else account(key, contract)
    if file.contract is not None:
        file = file.model_copy(update={"contract": file.contract.model_copy(update={"playbook": name})})
    await onboarding.start(installation.services, StartRequest(file=file))
    return await in_phase(installation, "preparing", key)


async def in_phase(installation: Installation, phase: str, key: str = "versayce", round_: int = 1) -> TaskShown:
    """The plan, once it stands there."""

    def ready(one: TaskShown) -> bool:
        return one.phase == phase and one.round == round_

    return await seen(installation, f"{key}/training_plan", ready)


async def written(installation: Installation, task: TaskShown, **changes: str) -> TaskShown:
    """The plan, once it waits for the champion."""
    before = task.round if task.said else 0
    assert (await tasks.request(installation.services, task.task, PLAN | changes, TAM)).accepted
    return await in_phase(installation, "open", task.account, before + 1)


async def link(installation: Installation, count: int = 1) -> str:
    """The token of the latest link in the champion's mails, once so many have come."""
    return link_of((await installation.mailed(count, CHAMPION))[-1])
