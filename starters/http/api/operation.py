"""Operations on a running onboarding under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from rapport.model.base import Email
from rapport.model.meeting import Receipt
from rapport.model.operation import Operate
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import operation as operations
from starters.use_cases.operation import OperationWritten, Preview

router = APIRouter(prefix="/v1/onboardings/{account}", tags=["v1"], dependencies=[Depends(bearer)])


class OperationBody(OperationWritten):
    """What a member says to do."""

    as_: Annotated[Email, Field(alias="as")]


# OpenAPI cannot say what tells kinds of steps apart that are told apart twice; the model stays out of the document.
@router.get("/plan", response_model=None)
async def plan(account: str, services: TheServices) -> Response:
    """The plan that a running onboarding follows: each step with its definition and where it stands."""
    found = await operations.plan_of(services, account)
    return Response(found.model_dump_json(), media_type="application/json")


@router.get("/resume")
async def preview(account: str, services: TheServices) -> Preview:
    """What would go out if a paused onboarding were resumed now."""
    return await operations.preview(services, account)


@router.post("/{operation}", openapi_extra=schema(OperationBody))
async def operate(account: str, operation: Operate, request: Request, services: TheServices, token: Bearer) -> Receipt:
    """Pause, resume, skip, redo, complete, adopt or cancel; the same once more changes nothing."""
    body = await read_body(request, OperationBody)
    written = OperationWritten.model_validate(body.model_dump(exclude={"as_"}))
    return await operations.operate(services, account, operation, written, api_actor(services, token, body.as_))
