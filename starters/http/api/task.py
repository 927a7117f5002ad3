"""Human tasks under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, StringConstraints

from rapport.model.base import Email, InputModel, Prose
from rapport.model.meeting import Receipt
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import task as tasks
from starters.views.task import TaskLine, TaskShown

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class DecideBody(InputModel):
    """A member's decision. Without `round`, it is about the request as it stands."""

    as_: Annotated[Email, Field(alias="as")]
    option: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    reason: Prose | None = None
    round: int | None = None


class InformationRequestBody(InputModel):
    """What a member asks for: a text for each name that the task asks for."""

    as_: Annotated[Email, Field(alias="as")]
    say: dict[str, str]


class DeclineBody(InputModel):
    """A member's word that a task is not needed."""

    as_: Annotated[Email, Field(alias="as")]
    reason: Prose | None = None


class AskBody(InputModel):
    """What somebody who decides needs to know."""

    as_: Annotated[Email, Field(alias="as")]
    question: Prose


class AnswerBody(InputModel):
    """The answer to the open question."""

    as_: Annotated[Email, Field(alias="as")]
    text: Prose


@router.get("/inbox")
async def inbox(
    services: TheServices,
    token: Bearer,
    as_: Annotated[str | None, Query(alias="as")] = None,
    asked: Annotated[bool, Query()] = False,
) -> list[TaskLine]:
    """What waits for a member, or for anybody; with `asked`, what the member asked for and others decide."""
    found = await tasks.inbox(services, api_actor(services, token, as_))
    return list(found.asked if asked else found.mine)


@router.post("/tasks/{task:path}/decide", openapi_extra=schema(DecideBody))
async def decide(task: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Choose one of a task's options."""
    body = await read_body(request, DecideBody)
    actor = api_actor(services, token, body.as_)
    return await tasks.decide(services, task, body.option, actor, body.reason, body.round)


@router.post("/tasks/{task:path}/request", openapi_extra=schema(InformationRequestBody))
async def ask_for(task: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Say what is asked for, or say it anew."""
    body = await read_body(request, InformationRequestBody)
    return await tasks.request(services, task, body.say, api_actor(services, token, body.as_))


@router.post("/tasks/{task:path}/decline", openapi_extra=schema(DeclineBody))
async def decline(task: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Say that a task is not needed."""
    body = await read_body(request, DeclineBody)
    return await tasks.decline(services, task, api_actor(services, token, body.as_), body.reason)


@router.post("/tasks/{task:path}/ask", openapi_extra=schema(AskBody))
async def ask(task: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Ask for information before deciding."""
    body = await read_body(request, AskBody)
    return await tasks.ask(services, task, body.question, api_actor(services, token, body.as_))


@router.post("/tasks/{task:path}/answer", openapi_extra=schema(AnswerBody))
async def answer(task: str, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Answer the open question."""
    body = await read_body(request, AnswerBody)
    return await tasks.answer(services, task, body.text, api_actor(services, token, body.as_))


@router.get("/tasks/{task:path}")
async def show(task: str, services: TheServices) -> TaskShown:
    """One task with all that there is to see of it."""
    return await tasks.show(services, task)
