"""Human tasks under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import StringConstraints

from rapport.model.base import InputModel, Prose
from rapport.model.meeting import Receipt
from starters.http.api.bodies import By, api_router
from starters.http.auth import Bearer, TheServices, api_actor
from starters.use_cases import task as tasks
from starters.views.task import TaskLine, TaskShown

router = api_router()


class DecideBody(InputModel):
    """A member's decision. Without `round`, it is about the request as it stands."""

    option: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    reason: Prose | None = None
    round: int | None = None


class InformationRequestBody(InputModel):
    """What a member asks for: a text for each name that the task asks for."""

    say: dict[str, str]


class DeclineBody(InputModel):
    """A member's word that a task is not needed."""

    reason: Prose | None = None


class AskBody(InputModel):
    """What somebody who decides needs to know."""

    question: Prose


class AnswerBody(InputModel):
    """The answer to the open question."""

    text: Prose


@router.get("/inbox")
async def inbox(
    services: TheServices,
    token: Bearer,
    as_: Annotated[str | None, Query(alias="as")] = None,
    asked: Annotated[bool, Query()] = False,
) -> list[TaskLine]:
    """What waits for a member, or for anybody; with `asked`, what the member asked for and others decide."""
    found = await tasks.inbox(services, api_actor(services, token, as_, anybody=True))
    return list(found.asked if asked else found.mine)


@router.post("/tasks/{task:path}/decide")
async def decide(task: str, said: By[DecideBody], services: TheServices, token: Bearer) -> Receipt:
    """Choose one of a task's options."""
    actor = said.by(services, token)
    return await tasks.decide(services, task, said.body.option, actor, said.body.reason, said.body.round)


@router.post("/tasks/{task:path}/request")
async def ask_for(task: str, said: By[InformationRequestBody], services: TheServices, token: Bearer) -> Receipt:
    """Say what is asked for, or say it anew."""
    return await tasks.request(services, task, said.body.say, said.by(services, token))


@router.post("/tasks/{task:path}/decline")
async def decline(task: str, said: By[DeclineBody], services: TheServices, token: Bearer) -> Receipt:
    """Say that a task is not needed."""
    return await tasks.decline(services, task, said.by(services, token), said.body.reason)


@router.post("/tasks/{task:path}/ask")
async def ask(task: str, said: By[AskBody], services: TheServices, token: Bearer) -> Receipt:
    """Ask for information before deciding."""
    return await tasks.ask(services, task, said.body.question, said.by(services, token))


@router.post("/tasks/{task:path}/answer")
async def answer(task: str, said: By[AnswerBody], services: TheServices, token: Bearer) -> Receipt:
    """Answer the open question."""
    return await tasks.answer(services, task, said.body.text, said.by(services, token))


@router.get("/tasks/{task:path}")
async def show(task: str, services: TheServices) -> TaskShown:
    """One task with all that there is to see of it."""
    return await tasks.show(services, task)
